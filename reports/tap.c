/* SPDX-License-Identifier: MIT */
/* TAP version 13: the plan first, a line a result, and a YAML block below what failed.
 *
 * A known difference from the reference is TODO, a missing requirement SKIP.  '#' in a description
 * would start a directive, so it is escaped.
 */
#include "base/check.h"
#include "base/mem.h"
#include "reports/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct tap_report {
    struct report report;
    char *path;
    FILE *f;
    size_t n;
};

static struct tap_report *of(struct report *r)
{
    return (struct tap_report *)r;
}

/* Errors come out at the end, from report_close: stdio keeps them. */
static int tap_begin(struct report *r, const struct report_info *info, struct error *err)
{
    (void)err;
    fprintf(of(r)->f, "TAP version 13\n1..%zu%s\n", info->units,
            info->units ? "" : " # SKIP no case was selected");
    return 0;
}

/* One line of text, fit for a description or a directive. */
static void put_description(struct strbuf *out, const char *text)
{
    struct strbuf clean = { .text = NULL };
    report_clean(&clean, text);
    for (const char *s = strbuf_str(&clean); *s && *s != '\n'; s++) {
        if (*s == '#' || *s == '\\') {
            strbuf_putc(out, '\\');
        }
        strbuf_putc(out, *s == '\t' ? ' ' : *s);
    }
    strbuf_free(&clean);
}

/* A YAML double-quoted scalar. */
static void put_yaml(struct strbuf *out, const char *key, const char *text)
{
    struct strbuf clean = { .text = NULL };
    report_clean(&clean, text);
    strbuf_printf(out, "  %s: \"", key);
    for (const char *s = strbuf_str(&clean); *s; s++) {
        if (*s == '"' || *s == '\\') {
            strbuf_putc(out, '\\');
            strbuf_putc(out, *s);
        } else if (*s == '\n') {
            strbuf_puts(out, "\\n");
        } else if (*s == '\t') {
            strbuf_puts(out, "\\t");
        } else {
            strbuf_putc(out, *s);
        }
    }
    strbuf_puts(out, "\"\n");
    strbuf_free(&clean);
}

static void put_block(struct strbuf *out, const struct result *res)
{
    strbuf_puts(out, "  ---\n");
    put_yaml(out, "message", res->message);
    strbuf_printf(out, "  severity: %s\n", verdict_name(res->verdict));
    put_yaml(out, "oracle", res->oracle);
    put_yaml(out, "signature", res->signature);
    put_yaml(out, "file", res->file);
    strbuf_printf(out, "  line: %d\n", res->line);
    strbuf_printf(out, "  column: %d\n", res->col);
    put_yaml(out, "source", res->source);
    put_yaml(out, "repeat", res->repeat);
    strbuf_puts(out, "  ...\n");
}

static int tap_result(struct report *r, const struct result *res, struct error *err)
{
    (void)err;
    struct tap_report *t = of(r);
    struct strbuf name = { .text = NULL }, out = { .text = NULL };
    bool ok = res->verdict == VERDICT_PASS || res->verdict == VERDICT_SKIP;
    report_unit_name(res, &name);
    strbuf_printf(&out, "%s %zu - ", ok ? "ok" : "not ok", ++t->n);
    put_description(&out, strbuf_str(&name));
    if (res->verdict == VERDICT_SKIP || res->verdict == VERDICT_QUIRK) {
        strbuf_puts(&out, res->verdict == VERDICT_SKIP ? " # SKIP " : " # TODO ");
        put_description(&out, res->message);
    }
    strbuf_putc(&out, '\n');
    if (!ok) {
        put_block(&out, res);
    }
    fwrite(out.text, 1, out.len, t->f);
    strbuf_free(&name);
    strbuf_free(&out);
    return 0;
}

static int tap_end(struct report *r, const struct report_summary *sum, struct error *err)
{
    struct tap_report *t = of(r);
    if (sum->interrupted) {
        fprintf(t->f, "Bail out! Interrupted, %zu not run\n", sum->not_run);
    }
    FILE *f = t->f;
    t->f = NULL;
    return report_close(f, t->path, err);
}

static void tap_destroy(struct report *r)
{
    struct tap_report *t = of(r);
    if (t->f) {
        report_close(t->f, t->path, NULL);
    }
    free(t->path);
    free(t);
}

static const struct report_ops tap_ops = {
    .name = "tap",
    .begin = tap_begin,
    .result = tap_result,
    .end = tap_end,
    .destroy = tap_destroy,
};

struct report *report_tap_create(const char *path, struct error *err)
{
    FILE *f = report_open(path, err);
    if (!f) {
        return NULL;
    }
    struct tap_report *t = NEW(struct tap_report);
    t->report.ops = &tap_ops;
    t->path = mem_strdup(path);
    t->f = f;
    return &t->report;
}
