/* SPDX-License-Identifier: MIT */
/* JUnit XML: one testsuite a scenario file, one testcase a result.
 *
 * The counts stand before the cases, so the text of each suite is collected and everything is
 * written at the end.  A crash, a hang and a changed trace are errors, failed expectations are
 * failures; a known difference counts as skipped, because the format has no word for it.
 */
#include "base/check.h"
#include "base/mem.h"
#include "reports/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct counts {
    size_t tests, failures, errors, skipped;
    int64_t host_ns;
};

struct suite {
    char *file;
    struct strbuf cases;
    struct counts counts;
};

struct junit_report {
    struct report report;
    char *path;
    FILE *f;
    struct suite *suites;
    size_t suites_len, suites_cap;
};

static struct junit_report *of(struct report *r)
{
    return (struct junit_report *)r;
}

static void put_escaped(struct strbuf *out, const char *text)
{
    struct strbuf clean = { .text = NULL };
    report_clean(&clean, text);
    for (const char *s = strbuf_str(&clean); *s; s++) {
        switch (*s) {
        case '&':
            strbuf_puts(out, "&amp;");
            break;
        case '<':
            strbuf_puts(out, "&lt;");
            break;
        case '>':
            strbuf_puts(out, "&gt;");
            break;
        case '"':
            strbuf_puts(out, "&quot;");
            break;
        case '\n':
            strbuf_puts(out, "&#10;");
            break;
        case '\t':
            strbuf_puts(out, "&#9;");
            break;
        default:
            strbuf_putc(out, *s);
        }
    }
    strbuf_free(&clean);
}

static void put_attribute(struct strbuf *out, const char *name, const char *text)
{
    strbuf_printf(out, " %s=\"", name);
    put_escaped(out, text);
    strbuf_putc(out, '"');
}

static void put_counts(struct strbuf *out, const struct counts *c)
{
    strbuf_printf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\" time=\""
                  "%" PRId64 ".%06" PRId64 "\"", c->tests, c->failures, c->errors, c->skipped,
                  c->host_ns / 1000000000, c->host_ns / 1000 % 1000000);
}

static int junit_begin(struct report *r, const struct report_info *info, struct error *err)
{
    (void)r;
    (void)info;
    (void)err;
    return 0;
}

static struct suite *suite_of(struct junit_report *j, const char *file)
{
    for (size_t i = j->suites_len; i > 0; i--) {
        if (strcmp(j->suites[i - 1].file, file) == 0) {
            return &j->suites[i - 1];
        }
    }
    if (j->suites_len == j->suites_cap) {
        j->suites_cap = j->suites_cap ? j->suites_cap * 2 : 16;
        j->suites = mem_resize(j->suites, j->suites_cap * sizeof(*j->suites));
    }
    struct suite *s = &j->suites[j->suites_len++];
    *s = (struct suite){ .file = mem_strdup(file) };
    return s;
}

/* The first line of the message as an attribute, all of it with its place as the text. */
static void put_outcome(struct strbuf *out, const char *element, const struct result *res)
{
    char *first = mem_strndup(res->message, report_line_length(res->message));
    strbuf_printf(out, "      <%s", element);
    put_attribute(out, "message", first);
    if (report_is_failure(res->verdict)) {
        put_attribute(out, "type", res->signature);
        strbuf_putc(out, '>');
        put_escaped(out, res->file);
        strbuf_printf(out, ":%d:%d: ", res->line, res->col);
        put_escaped(out, res->source);
        strbuf_puts(out, "&#10;");
        put_escaped(out, res->message);
        strbuf_printf(out, "</%s>\n", element);
    } else {
        strbuf_puts(out, "/>\n");
    }
    free(first);
}

static void count_result(struct counts *c, const struct result *res)
{
    bool failure = res->verdict == VERDICT_FAIL;
    c->tests++;
    c->failures += failure;
    c->errors += report_is_failure(res->verdict) && !failure;
    c->skipped += res->verdict == VERDICT_SKIP || res->verdict == VERDICT_QUIRK;
    c->host_ns += res->host_ns;
}

static int junit_result(struct report *r, const struct result *res, struct error *err)
{
    (void)err;
    struct suite *s = suite_of(of(r), res->file);
    struct strbuf name = { .text = NULL }, *out = &s->cases;
    report_unit_name(res, &name);
    count_result(&s->counts, res);
    strbuf_puts(out, "    <testcase");
    put_attribute(out, "name", strbuf_str(&name));
    put_attribute(out, "classname", res->case_id);
    put_attribute(out, "file", res->file);
    strbuf_printf(out, " line=\"%d\" time=\"%" PRId64 ".%06" PRId64 "\"", res->line,
                  res->host_ns / 1000000000, res->host_ns / 1000 % 1000000);
    if (res->verdict == VERDICT_PASS) {
        strbuf_puts(out, "/>\n");
    } else {
        strbuf_puts(out, ">\n");
        put_outcome(out, res->verdict == VERDICT_FAIL         ? "failure"
                         : report_is_failure(res->verdict)    ? "error"
                                                              : "skipped", res);
        if (report_is_failure(res->verdict)) {
            strbuf_puts(out, "      <system-out>");
            put_escaped(out, res->repeat);
            strbuf_puts(out, "</system-out>\n");
        }
        strbuf_puts(out, "    </testcase>\n");
    }
    strbuf_free(&name);
    return 0;
}

static void put_suite(struct strbuf *out, const struct suite *s)
{
    strbuf_puts(out, "  <testsuite");
    put_attribute(out, "name", s->file);
    put_attribute(out, "file", s->file);
    put_counts(out, &s->counts);
    strbuf_puts(out, ">\n");
    strbuf_puts(out, strbuf_str(&s->cases));
    strbuf_puts(out, "  </testsuite>\n");
}

static int junit_end(struct report *r, const struct report_summary *sum, struct error *err)
{
    (void)sum;
    struct junit_report *j = of(r);
    struct counts all = { .tests = 0 };
    struct strbuf out = { .text = NULL };
    for (size_t i = 0; i < j->suites_len; i++) {
        const struct counts *c = &j->suites[i].counts;
        all.tests += c->tests;
        all.failures += c->failures;
        all.errors += c->errors;
        all.skipped += c->skipped;
        all.host_ns += c->host_ns;
    }
    strbuf_puts(&out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"blksim\"");
    put_counts(&out, &all);
    strbuf_puts(&out, ">\n");
    for (size_t i = 0; i < j->suites_len; i++) {
        put_suite(&out, &j->suites[i]);
    }
    strbuf_puts(&out, "</testsuites>\n");
    fwrite(out.text, 1, out.len, j->f);
    strbuf_free(&out);
    FILE *f = j->f;
    j->f = NULL;
    return report_close(f, j->path, err);
}

static void junit_destroy(struct report *r)
{
    struct junit_report *j = of(r);
    for (size_t i = 0; i < j->suites_len; i++) {
        free(j->suites[i].file);
        strbuf_free(&j->suites[i].cases);
    }
    free(j->suites);
    if (j->f) {
        report_close(j->f, j->path, NULL);
    }
    free(j->path);
    free(j);
}

static const struct report_ops junit_ops = {
    .name = "junit",
    .begin = junit_begin,
    .result = junit_result,
    .end = junit_end,
    .destroy = junit_destroy,
};

struct report *report_junit_create(const char *path, struct error *err)
{
    FILE *f = report_open(path, err);
    if (!f) {
        return NULL;
    }
    struct junit_report *j = NEW(struct junit_report);
    j->report.ops = &junit_ops;
    j->path = mem_strdup(path);
    j->f = f;
    return &j->report;
}
