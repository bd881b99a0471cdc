/* SPDX-License-Identifier: MIT */
/* Lines of the human monitor: which command, which arguments.
 *
 *   line -> command (and, below "info", its subcommand) -> arguments by its table -> run
 *
 * The words of a line are read as QEMU's monitor reads them, oddities included: an option is taken
 * only in the order of the table, and what is left over is an error.
 *
 * QEMU's monitor tells mistakes inside quotes on the standard output of the program, not to its
 * user; here they are not told at all.
 */
#include "model/qmp/hmp.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/layer_state.h"
#include "model/qmp/hmp_private.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static void run_help(struct layer *l, const struct hmp_args *args, struct strbuf *out);

static void run_qemu_io(struct layer *l, const struct hmp_args *args, struct strbuf *out)
{
    CHECK(l->hooks.qemu_io);
    l->hooks.qemu_io(l->hooks.opaque, args->texts[0], args->flags[0], args->texts[1], out);
}

static void run_quit(struct layer *l, const struct hmp_args *args, struct strbuf *out)
{
    struct error err = ERROR_INIT;
    (void)args;
    if (qmp_quit_now(l, &err) < 0) {
        strbuf_printf(out, "Error: %s\r\n", err.text);
    }
}

/* Both tables in order of names. */
static const struct hmp_command info_commands[] = {
    { "block", "-n-vB?", "[-n] [-v] [device]",
      "show info of one block device or all block devices (-n: show named nodes; -v: show details)",
      hmp_info_block, NULL },
    { "block-graph", "", "", "show the graph of nodes in the DOT language (blksim only)",
      hmp_info_block_graph, NULL },
    { "block-jobs", "", "", "show progress of ongoing block device operations",
      hmp_info_block_jobs, NULL },
    { "blockstats", "", "", "show block device statistics", hmp_info_blockstats, NULL },
    { "version", "", "", "show the version of QEMU", hmp_info_version, NULL },
    { .name = NULL },
};

static const struct hmp_command commands[] = {
    { "help|?", "S?", "[cmd]", "show the help", run_help, NULL },
    { "info", "", "[subcommand]", "show various information about the system state", NULL,
      info_commands },
    { "qemu-io", "-dBs", "[-d] [device] \"[command]\"",
      "run a qemu-io command on a block device\r\n"
      "\t\t\t-d: [device] is a device ID rather than a drive ID or node name",
      run_qemu_io, NULL },
    { "quit|q", "", "", "quit the emulator", run_quit, NULL },
    { .name = NULL },
};

/* ---- Words ---- */

static bool is_space(char c)
{
    return c != '\0' && isspace((unsigned char)c);
}

static const char *skip_space(const char *p)
{
    while (is_space(*p)) {
        p++;
    }
    return p;
}

static const char *skip_word(const char *p)
{
    while (*p && !is_space(*p)) {
        p++;
    }
    return p;
}

/* What stands in quotes at p, behind the first.  NULL: it is not closed, or has a bad escape. */
static char *read_quoted(const char **p)
{
    static const char from[] = "nr\\'\"", to[] = "\n\r\\'\"";
    struct strbuf text = { .text = NULL };
    const char *at = *p;
    strbuf_add(&text, "", 0);
    while (*at && *at != '"') {
        if (*at == '\\') {
            const char *known = at[1] ? strchr(from, at[1]) : NULL;
            if (!known) {
                break;
            }
            strbuf_putc(&text, to[known - from]);
            at += 2;
        } else {
            strbuf_putc(&text, *at++);
        }
    }
    if (*at != '"') {
        strbuf_free(&text);
        return NULL;
    }
    *p = at + 1;
    return text.text;
}

/* A word, or what stands in quotes.  NULL: there is none. */
static char *read_string(const char **p)
{
    const char *at = skip_space(*p);
    if (*at == '\0') {
        return NULL;
    }
    if (*at == '"') {
        *p = at + 1;
        return read_quoted(p);
    }
    *p = skip_word(at);
    return mem_strndup(at, (size_t)(*p - at));
}

/* ---- Commands ---- */

static bool has_name(const struct hmp_command *c, const char *name, size_t n)
{
    for (const char *at = c->name; *at;) {
        size_t len = strcspn(at, "|");
        if (len == n && memcmp(at, name, n) == 0) {
            return true;
        }
        at += len + (at[len] == '|');
    }
    return false;
}

static const struct hmp_command *find(const struct hmp_command *table, const char *name, size_t n)
{
    const struct hmp_command *c = table;
    while (c->name && !has_name(c, name, n)) {
        c++;
    }
    return c->name ? c : NULL;
}

/* ---- Arguments ---- */

static void args_fini(struct hmp_args *a)
{
    for (size_t i = 0; i < HMP_TEXTS_MAX; i++) {
        free(a->texts[i]);
    }
}

/* A flag at *p?  spec: "-d..." of the table.  False: another one that the table does not have. */
static bool read_flag(const char *spec, const char **p, bool *given)
{
    const char *at = skip_space(*p);
    *given = false;
    if (*at != '-') {
        return true;
    }
    if (at[1] == spec[1]) {
        *given = true;
        *p = at + 2;
        return true;
    }
    for (const char *later = spec; *later; later++) {
        if (later[0] == '-' && later[1] == at[1]) {
            return true;
        }
    }
    return false;
}

/* Reads by the table.  False: said on out what is wrong. */
static bool read_args(const struct hmp_command *c, const char *p, struct hmp_args *a,
                      struct strbuf *out)
{
    size_t flags = 0, texts = 0;
    for (const char *spec = c->args; *spec; spec++) {
        if (*spec == '-') {
            CHECK(flags < HMP_TEXTS_MAX);
            if (!read_flag(spec, &p, &a->flags[flags++])) {
                strbuf_printf(out, "%s: unsupported option -%c\r\n", c->name, skip_space(p)[1]);
                return false;
            }
            spec++;
            continue;
        }
        bool optional = spec[1] == '?';
        CHECK(texts < HMP_TEXTS_MAX);
        p = skip_space(p);
        if (*spec == 'S') {
            a->texts[texts] = *p ? mem_strdup(p) : NULL;
            p += strlen(p);
        } else if (*p || !optional) {
            a->texts[texts] = read_string(&p);
            if (!a->texts[texts]) {
                strbuf_printf(out, "%s: %s expected\r\n", c->name,
                              *spec == 'B' ? "block device name" : "string");
                return false;
            }
        }
        texts++;
        spec += optional;
    }
    if (*skip_space(p)) {
        strbuf_printf(out, "%s: extraneous characters at the end of line\r\n", c->name);
        return false;
    }
    return true;
}

static void show_help(const struct hmp_command *table, const char *prefix, struct strbuf *out)
{
    for (const struct hmp_command *c = table; c->name; c++) {
        strbuf_printf(out, "%s%s %s -- %s\r\n", prefix, c->name, c->params, c->help);
    }
}

void hmp_run(struct layer *l, const char *line, struct strbuf *out)
{
    const char *start = skip_space(line), *end = skip_word(start);
    struct hmp_args args = { .flags = { false } };
    if (start == end) {
        return;
    }
    const struct hmp_command *c = find(commands, start, (size_t)(end - start));
    if (c && c->sub) {
        const char *word = skip_space(end);
        if (!*word) {
            show_help(c->sub, "info ", out);
            return;
        }
        end = skip_word(word);
        c = find(c->sub, word, (size_t)(end - word));
    }
    int len = (int)(end - start);
    if (!c) {
        strbuf_printf(out, "unknown command: '%.*s'\r\n", len, start);
    } else if (read_args(c, end, &args, out)) {
        c->run(l, &args, out);
    } else {
        strbuf_printf(out, "Try \"help %.*s\" for more information\r\n", len, start);
    }
    args_fini(&args);
}

/* ---- help ---- */

enum { HELP_WORDS_MAX = 16 };

/* The words of the argument; false: quotes that are not closed, and then QEMU shows nothing. */
static bool help_words(const char *text, char **words, size_t *n)
{
    *n = 0;
    for (const char *p = text; *skip_space(p) && *n < HELP_WORDS_MAX;) {
        words[*n] = read_string(&p);
        if (!words[*n]) {
            return false;
        }
        (*n)++;
    }
    return true;
}

static void help_on(char **words, size_t n, struct strbuf *out)
{
    const struct hmp_command *c = find(commands, words[0], strlen(words[0]));
    if (c && c->sub && n == 1) {
        show_help(c->sub, "info ", out);
        return;
    }
    bool below = c && c->sub;
    c = below ? find(c->sub, words[1], strlen(words[1])) : c;
    if (c) {
        strbuf_printf(out, "%s%s %s -- %s\r\n", below ? "info " : "", c->name, c->params, c->help);
        return;
    }
    strbuf_puts(out, "unknown command: '");
    for (size_t i = 0; i < n; i++) {
        strbuf_printf(out, "%s%s", i ? " " : "", words[i]);
    }
    strbuf_puts(out, "'\r\n");
}

static void run_help(struct layer *l, const struct hmp_args *args, struct strbuf *out)
{
    char *words[HELP_WORDS_MAX] = { NULL };
    size_t n = 0;
    (void)l;
    if (!args->texts[0]) {
        show_help(commands, "", out);
        return;
    }
    if (help_words(args->texts[0], words, &n) && n > 0) {
        help_on(words, n, out);
    }
    for (size_t i = 0; i < n; i++) {
        free(words[i]);
    }
}
