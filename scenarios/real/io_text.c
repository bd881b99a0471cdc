/* SPDX-License-Identifier: MIT */
/* What the output of qemu-io says.  The human monitor does not tell whether a command succeeded, so
 * whatever a command that succeeds does not print is its error. */
#include "scenarios/real/real_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a command prints when it succeeds. */
enum prints { PRINTS_NOTHING, PRINTS_REPORT, PRINTS_ALLOCATED, PRINTS_ANYTHING };

struct command {
    const char *name, *alias;
    enum prints prints;
};

static const struct command commands[] = {
    { "read", "r", PRINTS_REPORT },       { "readv", NULL, PRINTS_REPORT },
    { "write", "w", PRINTS_REPORT },      { "writev", NULL, PRINTS_REPORT },
    { "discard", "d", PRINTS_REPORT },    { "map", NULL, PRINTS_ALLOCATED },
    { "alloc", "a", PRINTS_ALLOCATED },   { "length", "l", PRINTS_ANYTHING },
    { "info", "i", PRINTS_ANYTHING },     { "help", "?", PRINTS_ANYTHING },
};

static enum prints prints_of(const char *name, const char **canonical)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        const struct command *c = &commands[i];
        if (strcmp(c->name, name) == 0 || (c->alias && strcmp(c->alias, name) == 0)) {
            *canonical = c->name;
            return c->prints;
        }
    }
    *canonical = name;
    return PRINTS_NOTHING;
}

bool real_parse_report(const char *line, bool *is_read, int64_t *offset, int64_t *bytes)
{
    char word[16];
    int64_t total;
    int end = -1;
    if (sscanf(line, "%15s %" SCNd64 "/%" SCNd64 " bytes at offset %" SCNd64 "%n", word, bytes,
               &total, offset, &end) != 4 || end < 0 || line[end]) {
        return false;
    }
    *is_read = strcmp(word, "read") == 0;
    return *is_read || strcmp(word, "wrote") == 0 || strcmp(word, "discard") == 0;
}

bool real_parse_machine(const char *line, int64_t *bytes)
{
    int ops, hours, minutes;
    return sscanf(line, "%" SCNd64 ",%d,%d:%d:", bytes, &ops, &hours, &minutes) == 4;
}

static bool is_statistics(const char *line)
{
    return strstr(line, " ops; ") && strstr(line, " ops/sec)");
}

bool real_parse_dump(const char *line, uint64_t *offset, unsigned char bytes[16], int *n)
{
    char *end;
    size_t digits = strspn(line, "0123456789abcdef");
    if (digits < 8 || strncmp(line + digits, ":  ", 3) != 0) {
        return false;
    }
    *offset = strtoull(line, NULL, 16);
    const char *p = line + digits + 3;
    for (*n = 0; *n < 16 && p[0] != ' ' && p[0] != '\0'; (*n)++) {
        unsigned long byte = strtoul(p, &end, 16);
        if (end != p + 2 || *end != ' ') {
            return false;
        }
        bytes[*n] = (unsigned char)byte;
        p = end + 1;
    }
    return *n > 0;
}

static bool is_success(const char *line, enum prints prints, const char *command)
{
    bool is_read;
    int64_t offset, bytes;
    uint64_t at;
    unsigned char dump[16];
    int n;
    switch (prints) {
    case PRINTS_NOTHING:
        return false;
    case PRINTS_REPORT:
        return real_parse_report(line, &is_read, &offset, &bytes) || is_statistics(line) ||
               real_parse_machine(line, &bytes) || real_parse_dump(line, &at, dump, &n);
    case PRINTS_ALLOCATED:
        return strstr(line, " allocated at offset ") != NULL;
    case PRINTS_ANYTHING:
        return strcmp(command, "help") == 0 ||
               (strncmp(line, "getlength: ", 11) != 0 &&
                strncmp(line, "bad argument count ", 19) != 0);
    }
    UNREACHABLE();
}

int real_errno_of(const char *text)
{
    enum { ERRNO_MAX = 134 };
    for (int i = 1; i < ERRNO_MAX; i++) {
        const char *words = error_strerror(i);
        size_t n = strlen(words), len = strlen(text);
        if (len >= n && strcmp(text + len - n, words) == 0) {
            return i;
        }
    }
    return EIO;
}

void real_io_fail(struct target_call *call, const char *text)
{
    call->failed = true;
    if (call->err.code == 0) {
        error_set(&call->err, -real_errno_of(text), "%s", text);
    }
}

/* A line of the command's usage loses its explanation. */
static void fail_with(struct target_call *call, const char *line, const char *command)
{
    const char *end = strstr(line, " -- ");
    size_t n = strlen(command);
    bool usage = end && strncmp(line, command, n) == 0 && line[n] == ' ';
    char *text = usage ? mem_strndup(line, (size_t)(end - line)) : mem_strdup(line);
    real_io_fail(call, text);
    free(text);
}

void real_io_judge(struct target_call *call, const char *printed, const char *monitor, int argc,
                   char **argv)
{
    const char *command = argc > 0 ? argv[0] : "", *canonical;
    enum prints prints = prints_of(command, &canonical);
    char *copy = mem_strdup(printed), *save = NULL;
    for (char *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
        if (!call->failed && !is_success(l, prints, canonical)) {
            fail_with(call, l, command);
        }
    }
    free(copy);
    bool specific = strcmp(canonical, "info") == 0 && *monitor == ' '; /* What the driver adds. */
    if (*monitor && !specific) {
        copy = mem_strndup(monitor, strcspn(monitor, "\n"));
        real_io_fail(call, copy);
        free(copy);
    }
    if (!call->failed && strcmp(canonical, "info") == 0 && !strstr(printed, "cluster size: ")) {
        call->failed = true; /* That is all it shows of a driver without further information. */
        error_set(&call->err, -ENOTSUP, "%s failed: %s", command, error_strerror(ENOTSUP));
    }
}
