/* SPDX-License-Identifier: MIT */
/* What the sinks share: names, counts and files. */
#include "reports/report.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

void report_destroy(struct report *r)
{
    if (r) {
        r->ops->destroy(r);
    }
}

bool report_is_failure(enum verdict v)
{
    return v == VERDICT_FAIL || v == VERDICT_CRASH || v == VERDICT_HANG || v == VERDICT_NONDET;
}

void report_count_line(const struct report_summary *sum, struct strbuf *out)
{
    static const struct {
        enum verdict verdict;
        const char *one, *many;
        bool always;
    } words[] = {
        { VERDICT_PASS, "passed", "passed", true },
        { VERDICT_FAIL, "failed", "failed", true },
        { VERDICT_CRASH, "crashed", "crashed", false },
        { VERDICT_HANG, "hung", "hung", false },
        { VERDICT_NONDET, "nondeterministic", "nondeterministic", false },
        { VERDICT_SKIP, "skipped", "skipped", false },
        { VERDICT_QUIRK, "quirk", "quirks", false },
    };
    _Static_assert(ARRAY_LEN(words) == VERDICTS, "every verdict is counted");
    const char *comma = "";
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        size_t n = sum->count[words[i].verdict];
        if (n || words[i].always) {
            strbuf_printf(out, "%s%zu %s", comma, n, n == 1 ? words[i].one : words[i].many);
            comma = ", ";
        }
    }
    if (sum->not_run) {
        strbuf_printf(out, ", %zu not run", sum->not_run);
    }
}

void report_unit_name(const struct result *res, struct strbuf *out)
{
    strbuf_puts(out, res->case_id);
    if (res->params[0]) {
        strbuf_printf(out, " %s", res->params);
    }
    if (res->seed) {
        strbuf_printf(out, " seed=%" PRIu64, res->seed);
    }
    if (res->explore[0]) {
        strbuf_printf(out, " choices=%s", res->explore);
    }
}

size_t report_line_length(const char *text)
{
    return strcspn(text, "\n");
}

void report_indent(struct strbuf *out, const char *prefix, const char *text)
{
    while (*text) {
        size_t n = report_line_length(text);
        strbuf_puts(out, prefix);
        strbuf_add(out, text, n);
        strbuf_putc(out, '\n');
        text += n + (text[n] == '\n');
    }
}

/* Bytes of the valid UTF-8 character at s, 0 when there is none.  Surrogates, overlong forms,
 * U+FFFE and U+FFFF are not valid. */
static size_t utf8_length(const unsigned char *s)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 0;
    if (n < 2) {
        return n;
    }
    uint32_t c = s[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
        c = c << 6 | (s[i] & 0x3f);
    }
    bool bad = c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ||
               (c & 0xfffe) == 0xfffe;
    return bad ? 0 : n;
}

void report_clean(struct strbuf *out, const char *text)
{
    while (*text) {
        size_t n = utf8_length((const unsigned char *)text);
        bool control = n == 1 && ((unsigned char)*text < ' ' || *text == 0x7f) &&
                       *text != '\n' && *text != '\t';
        if (n == 0 || control) {
            strbuf_putc(out, '?');
            text++;
        } else {
            strbuf_add(out, text, n);
            text += n;
        }
    }
}

FILE *report_open(const char *path, struct error *err)
{
    if (strcmp(path, "-") == 0) {
        return stdout;
    }
    FILE *f = fopen(path, "we");
    if (!f) {
        error_set_errno(err, -errno, "Cannot write '%s'", path);
    }
    return f;
}

int report_close(FILE *f, const char *path, struct error *err)
{
    CHECK(f != NULL);
    errno = 0;
    bool bad = fflush(f) != 0 || ferror(f);
    int code = errno ? errno : EIO;
    if (f != stdout) {
        bad = fclose(f) != 0 || bad;
    }
    return bad ? error_set_errno(err, -code, "Cannot write '%s'", path) : 0;
}
