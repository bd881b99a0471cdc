/* SPDX-License-Identifier: MIT */
/* Programs that are run to their end: qemu-img, and asking a program for its version. */
#include "scenarios/real/real_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TOOL_LIMIT_NS (60 * NS_PER_S)

enum { SAID_MAX = 200 };

int target_real_tool(struct target *t, const char *tool, char *const *argv, struct strbuf *out,
                     struct error *err)
{
    const struct target_real *rt = real_of(t);
    char *path = real_find_program(rt->prefix, tool, err);
    size_t n = 0;
    if (!path) {
        return -ENOENT;
    }
    while (argv[n]) {
        n++;
    }
    char **words = NEW_ARRAY(char *, n + 2);
    words[0] = (char *)(uintptr_t)tool;
    memcpy(words + 1, argv, n * sizeof(*words));
    int ret = real_run_program(path, words, rt->dir, TOOL_LIMIT_NS, out, out, err);
    free(words);
    free(path);
    return ret;
}

/* "QEMU emulator version 7.2.22 (Debian...)" -> "7.2.22" */
static char *version_in(const char *text)
{
    static const char word[] = "version ";
    const char *at = strstr(text, word);
    if (!at) {
        return NULL;
    }
    at += sizeof(word) - 1;
    size_t n = strspn(at, "0123456789.");
    return n > 0 ? mem_strndup(at, n) : NULL;
}

char *real_version(enum real_kind kind, const char *prefix, struct error *err)
{
    char option[] = "--version";
    char *path = real_find_program(prefix, real_program_name(kind), err);
    struct strbuf out = { 0 };
    if (!path) {
        return NULL;
    }
    char *argv[] = { path, option, NULL };
    int ret = real_run_program(path, argv, "/", TOOL_LIMIT_NS, &out, &out, err);
    char *version = ret == 0 ? version_in(strbuf_str(&out)) : NULL;
    if (ret >= 0 && !version) {
        const char *said = strbuf_str(&out);
        error_set(err, -EINVAL, "%s does not tell its version%s%.*s", path, *said ? ": " : "",
                  (int)MIN(strcspn(said, "\n"), (size_t)SAID_MAX), said);
    }
    strbuf_free(&out);
    free(path);
    return version;
}
