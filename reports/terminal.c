/* SPDX-License-Identifier: MIT */
/* What a person sees: failures at once, then by signature, then skips, then the counts.
 *
 * On a terminal one line below tells how far the run is; it is redrawn in place and removed before
 * anything else is written.  Piped, nothing moves and nothing is coloured.
 */
#include "base/check.h"
#include "base/mem.h"
#include "reports/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Runs that share a signature, or skips that share a message. */
struct group {
    char *key;
    char *first, *repeat; /* Of the first run. */
    size_t runs;
    bool skip;
};

struct terminal_report {
    struct report report;
    struct report_terminal_config cfg;
    char *program;
    struct group *groups;
    size_t groups_len, groups_cap;
    bool line_shown;
};

static struct terminal_report *of(struct report *r)
{
    return (struct terminal_report *)r;
}

static const char *color(const struct terminal_report *t, const char *code)
{
    return t->cfg.color ? code : "";
}

static const char *color_of(const struct terminal_report *t, enum verdict v)
{
    return color(t, report_is_failure(v)                          ? "\033[31m"
                    : v == VERDICT_SKIP || v == VERDICT_QUIRK     ? "\033[33m"
                                                                  : "\033[32m");
}

static void hide_line(struct terminal_report *t)
{
    if (t->line_shown) {
        fputs("\r\033[K", t->cfg.out);
        t->line_shown = false;
    }
}

/* "blksim replay X" with the program as the user called it. */
static void put_repeat(struct terminal_report *t, struct strbuf *out, const char *repeat)
{
    static const char word[] = "blksim ";
    if (strncmp(repeat, word, sizeof(word) - 1) == 0) {
        strbuf_printf(out, "%s ", t->program);
        repeat += sizeof(word) - 1;
    }
    strbuf_puts(out, repeat);
}

static int terminal_begin(struct report *r, const struct report_info *info, struct error *err)
{
    (void)err;
    struct terminal_report *t = of(r);
    if (info->already) {
        fprintf(t->cfg.out, "%zu of %zu already done (--force runs them again)\n", info->already,
                info->units);
    }
    return 0;
}

static void remember(struct terminal_report *t, const struct result *res, const char *key)
{
    bool skip = res->verdict == VERDICT_SKIP;
    for (size_t i = 0; i < t->groups_len; i++) {
        if (t->groups[i].skip == skip && strcmp(t->groups[i].key, key) == 0) {
            t->groups[i].runs++;
            return;
        }
    }
    if (t->groups_len == t->groups_cap) {
        t->groups_cap = t->groups_cap ? t->groups_cap * 2 : 16;
        t->groups = mem_resize(t->groups, t->groups_cap * sizeof(*t->groups));
    }
    struct strbuf name = { .text = NULL };
    report_unit_name(res, &name);
    t->groups[t->groups_len++] = (struct group){
        .key = mem_strdup(key),
        .first = mem_strdup(strbuf_str(&name)),
        .repeat = mem_strdup(res->repeat),
        .runs = 1,
        .skip = skip,
    };
    strbuf_free(&name);
}

/* By signature, or a skip by the first line of its message. */
static void remember_cleaned(struct terminal_report *t, const struct result *res, const char *key)
{
    struct strbuf clean = { .text = NULL };
    char *line = mem_strndup(key, report_line_length(key));
    report_clean(&clean, line);
    remember(t, res, strbuf_str(&clean));
    strbuf_free(&clean);
    free(line);
}

/* Scripts and messages may hold bytes that a terminal would obey. */
static void put_clean(struct strbuf *out, const char *prefix, const char *text)
{
    struct strbuf clean = { .text = NULL };
    report_clean(&clean, text);
    report_indent(out, prefix, strbuf_str(&clean));
    strbuf_free(&clean);
}

static void put_failure(struct terminal_report *t, const struct result *res, struct strbuf *out)
{
    struct strbuf name = { .text = NULL };
    report_unit_name(res, &name);
    char word[16];
    const char *verdict = verdict_name(res->verdict);
    size_t n = strlen(verdict);
    CHECK(n < sizeof(word));
    for (size_t i = 0; i <= n; i++) {
        word[i] = (char)(verdict[i] >= 'a' ? verdict[i] - 'a' + 'A' : verdict[i]);
    }
    strbuf_printf(out, "%s:%d:%d: %s%s%s oracle=%s case=%s\n", res->file, res->line, res->col,
                  color_of(t, res->verdict), word, color(t, "\033[0m"), res->oracle,
                  strbuf_str(&name));
    put_clean(out, "    | ", res->source);
    put_clean(out, "    ", res->message);
    put_clean(out, "    signature: ", res->signature);
    strbuf_puts(out, "    repeat: ");
    put_repeat(t, out, res->repeat);
    strbuf_puts(out, "\n");
    strbuf_free(&name);
}

static int terminal_result(struct report *r, const struct result *res, struct error *err)
{
    (void)err;
    struct terminal_report *t = of(r);
    struct strbuf raw = { .text = NULL };
    if (report_is_failure(res->verdict)) {
        put_failure(t, res, &raw);
        remember_cleaned(t, res, res->signature);
    } else if (res->verdict == VERDICT_SKIP) {
        remember_cleaned(t, res, res->message);
    }
    if (t->cfg.verbose && !report_is_failure(res->verdict)) {
        strbuf_printf(&raw, "%s%s%s ", color_of(t, res->verdict), verdict_name(res->verdict),
                      color(t, "\033[0m"));
        report_unit_name(res, &raw);
        strbuf_puts(&raw, res->message[0] ? ": " : "");
        report_clean(&raw, res->message);
        strbuf_putc(&raw, '\n');
    }
    if (raw.len) {
        hide_line(t);
        fwrite(raw.text, 1, raw.len, t->cfg.out);
        fflush(t->cfg.out);
    }
    strbuf_free(&raw);
    return 0;
}

/* "1:05" or "12 s" for what is left, by the rate so far; "" as long as there is none. */
static void put_eta(const struct report_tick *k, struct strbuf *out)
{
    if (k->done == 0 || k->elapsed_ms < 1000) {
        return;
    }
    uint64_t left_s = (uint64_t)k->elapsed_ms * (k->units - k->done) / k->done / 1000;
    if (left_s < 100) {
        strbuf_printf(out, ", ETA %u s", (unsigned)left_s);
    } else {
        strbuf_printf(out, ", ETA %u:%02u", (unsigned)(left_s / 60), (unsigned)(left_s % 60));
    }
}

static int terminal_tick(struct report *r, const struct report_tick *k, struct error *err)
{
    (void)err;
    struct terminal_report *t = of(r);
    if (!t->cfg.live) {
        return 0;
    }
    struct strbuf line = { .text = NULL };
    strbuf_printf(&line, "[%zu/%zu]", k->done, k->units);
    if (k->failed) {
        strbuf_printf(&line, " %zu failed", k->failed);
    }
    put_eta(k, &line);
    strbuf_printf(&line, "  %s", k->current);
    size_t room = t->cfg.columns > 1 ? t->cfg.columns - 1 : 79;
    fprintf(t->cfg.out, "\r\033[K%.*s", (int)MIN(line.len, room), line.text);
    fflush(t->cfg.out);
    t->line_shown = true;
    strbuf_free(&line);
    return 0;
}

/* Most frequent first, then by key: a total order. */
static int compare_groups(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    if (x->runs != y->runs) {
        return x->runs > y->runs ? -1 : 1;
    }
    return strcmp(x->key, y->key);
}

/* A single failure has just been shown, so it is not told again. */
static void put_groups(struct terminal_report *t, size_t failures, struct strbuf *out)
{
    size_t signatures = 0;
    for (size_t i = 0; i < t->groups_len; i++) {
        const struct group *g = &t->groups[i];
        if (g->skip || failures < 2) {
            continue;
        }
        if (signatures++ == 0) {
            strbuf_puts(out, "\nFailures by signature:\n");
        }
        strbuf_printf(out, "%5zu x %s\n        first: %s\n        repeat: ", g->runs, g->key,
                      g->first);
        put_repeat(t, out, g->repeat);
        strbuf_puts(out, "\n");
    }
    for (size_t i = 0; i < t->groups_len; i++) {
        const struct group *g = &t->groups[i];
        if (!g->skip) {
            continue;
        }
        const char *hint = t->cfg.hint ? t->cfg.hint(g->key) : NULL;
        strbuf_printf(out, "%zu skip%s: %s%s%s\n", g->runs, g->runs == 1 ? "" : "s", g->key,
                      hint ? "; " : "", hint ? hint : "");
    }
    if (signatures) {
        strbuf_puts(out, "\n");
    }
}

static int terminal_end(struct report *r, const struct report_summary *sum, struct error *err)
{
    struct terminal_report *t = of(r);
    struct strbuf out = { .text = NULL };
    size_t failures = 0;
    hide_line(t);
    if (t->groups_len) {
        qsort(t->groups, t->groups_len, sizeof(*t->groups), compare_groups);
    }
    for (size_t v = 0; v < VERDICTS; v++) {
        failures += report_is_failure((enum verdict)v) ? sum->count[v] : 0;
    }
    put_groups(t, failures, &out);
    if (sum->interrupted) {
        strbuf_puts(&out, "Interrupted. ");
    }
    report_count_line(sum, &out);
    strbuf_puts(&out, "\n");
    fwrite(out.text, 1, out.len, t->cfg.out);
    strbuf_free(&out);
    bool bad = fflush(t->cfg.out) != 0 || ferror(t->cfg.out);
    return bad ? error_set(err, -EIO, "Cannot write the report to the terminal or pipe") : 0;
}

static void terminal_destroy(struct report *r)
{
    struct terminal_report *t = of(r);
    hide_line(t);
    fflush(t->cfg.out);
    for (size_t i = 0; i < t->groups_len; i++) {
        struct group *g = &t->groups[i];
        free(g->key);
        free(g->first);
        free(g->repeat);
    }
    free(t->groups);
    free(t->program);
    free(t);
}

static const struct report_ops terminal_ops = {
    .name = "terminal",
    .begin = terminal_begin,
    .result = terminal_result,
    .tick = terminal_tick,
    .end = terminal_end,
    .destroy = terminal_destroy,
};

struct report *report_terminal_create(const struct report_terminal_config *cfg)
{
    struct terminal_report *t = NEW(struct terminal_report);
    t->report.ops = &terminal_ops;
    t->cfg = *cfg;
    t->program = mem_strdup(cfg->program ? cfg->program : "blksim");
    t->cfg.program = t->program;
    return &t->report;
}
