/* SPDX-License-Identifier: MIT */
/* The outcome of one run, and its flat form for pipes.
 *
 * Flat form: the magic, then every member in the order of the tables below, numbers as 8 bytes
 * little endian, a string as its length and its bytes, then the log rows and the diff rows.  A
 * reader takes nothing on trust: every length is checked against the bytes that are left, and
 * nothing may follow.
 */
#include "base/result.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    PACK_MAGIC = 0x32534c42,
    STRINGS = 10,
    NUMBERS = 11,
    STEP_MIN_BYTES = 5 * 8,
    DIFF_MIN_BYTES = 6 * 8,
};

static const char *const verdict_names[VERDICTS] = {
    [VERDICT_PASS] = "pass",   [VERDICT_FAIL] = "fail",   [VERDICT_CRASH] = "crash",
    [VERDICT_HANG] = "hang",   [VERDICT_SKIP] = "skip",   [VERDICT_QUIRK] = "quirk",
    [VERDICT_NONDET] = "nondet",
};

static const char *const diff_names[DIFF_VERDICTS] = {
    [DIFF_SAME] = "same",     [DIFF_DIFFERS] = "differs", [DIFF_QUIRK] = "quirk",
    [DIFF_ABORTS] = "aborts", [DIFF_SKIPPED] = "skipped",
};

static int name_find(const char *const *names, int len, const char *name)
{
    for (int i = 0; i < len; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

const char *verdict_name(enum verdict v)
{
    CHECK(v < VERDICTS);
    return verdict_names[v];
}

int verdict_parse(const char *name)
{
    return name_find(verdict_names, VERDICTS, name);
}

const char *diff_verdict_name(enum diff_verdict v)
{
    CHECK(v < DIFF_VERDICTS);
    return diff_names[v];
}

int diff_verdict_parse(const char *name)
{
    return name_find(diff_names, DIFF_VERDICTS, name);
}

/* The string members, in the order of the flat form. */
static void strings_of(struct result *r, char **member[STRINGS])
{
    char **const all[STRINGS] = { &r->case_id, &r->params,  &r->explore, &r->signature, &r->oracle,
                                  &r->message, &r->file,    &r->source,  &r->repeat,
                                  &r->reference };
    memcpy(member, all, sizeof(all));
}

void result_init(struct result *r)
{
    char **member[STRINGS];
    *r = (struct result){ .verdict = VERDICT_PASS };
    strings_of(r, member);
    for (size_t i = 0; i < STRINGS; i++) {
        *member[i] = mem_strdup("");
    }
}

void result_log_clear(struct result *r)
{
    for (size_t i = 0; i < r->log_len; i++) {
        free(r->log[i].text);
    }
    free(r->log);
    r->log = NULL;
    r->log_len = r->log_cap = 0;
}

static void diff_clear(struct result *r)
{
    for (size_t i = 0; i < r->diff_len; i++) {
        free(r->diff[i].command);
        free(r->diff[i].driver);
        free(r->diff[i].detail);
    }
    free(r->diff);
    r->diff = NULL;
    r->diff_len = r->diff_cap = 0;
}

void result_fini(struct result *r)
{
    char **member[STRINGS];
    strings_of(r, member);
    for (size_t i = 0; i < STRINGS; i++) {
        free(*member[i]);
        *member[i] = NULL;
    }
    result_log_clear(r);
    diff_clear(r);
}

void result_set(char **member, const char *text)
{
    CHECK(text != NULL);
    char *copy = mem_strdup(text); /* First, because text may be *member. */
    free(*member);
    *member = copy;
}

/* Takes the text over. */
static void log_append(struct result *r, struct result_step step)
{
    if (r->log_len == r->log_cap) {
        r->log_cap = r->log_cap ? r->log_cap * 2 : 16;
        r->log = mem_resize(r->log, r->log_cap * sizeof(*r->log));
    }
    r->log[r->log_len++] = step;
}

void result_log_take(struct result *r, uint32_t statement, int line, int64_t virt_ns,
                     const char *kind, char *text)
{
    struct result_step step = { .statement = statement, .line = line, .virt_ns = virt_ns,
                                .text = text };
    size_t n = strlen(kind);
    CHECK(n < sizeof(step.kind) && text != NULL);
    memcpy(step.kind, kind, n + 1);
    log_append(r, step);
}

void result_log(struct result *r, uint32_t statement, int line, int64_t virt_ns, const char *kind,
                const char *text)
{
    CHECK(kind != NULL && text != NULL);
    result_log_take(r, statement, line, virt_ns, kind, mem_strdup(text));
}

/* Takes the texts over. */
static void diff_append(struct result *r, struct result_diff row)
{
    if (r->diff_len == r->diff_cap) {
        r->diff_cap = r->diff_cap ? r->diff_cap * 2 : 16;
        r->diff = mem_resize(r->diff, r->diff_cap * sizeof(*r->diff));
    }
    r->diff[r->diff_len++] = row;
}

void result_diff_add(struct result *r, const struct result_diff *row)
{
    struct result_diff copy = *row;
    CHECK(row->verdict < DIFF_VERDICTS && row->command != NULL);
    copy.command = mem_strdup(row->command);
    copy.driver = mem_strdup(row->driver ? row->driver : "");
    copy.detail = mem_strdup(row->detail ? row->detail : "");
    diff_append(r, copy);
}

static void put_u64(struct strbuf *b, uint64_t v)
{
    char bytes[8];
    for (int i = 0; i < 8; i++) {
        bytes[i] = (char)(v >> (8 * i) & 0xff);
    }
    strbuf_add(b, bytes, sizeof(bytes));
}

static void put_text(struct strbuf *b, const char *s)
{
    size_t n = strlen(s);
    put_u64(b, n);
    strbuf_add(b, s, n);
}

static void put_rows(struct strbuf *b, const struct result *r)
{
    for (size_t i = 0; i < r->log_len; i++) {
        put_u64(b, r->log[i].statement);
        put_u64(b, (uint64_t)(int64_t)r->log[i].line);
        put_u64(b, (uint64_t)r->log[i].virt_ns);
        put_text(b, r->log[i].kind);
        put_text(b, r->log[i].text);
    }
    for (size_t i = 0; i < r->diff_len; i++) {
        put_u64(b, r->diff[i].statement);
        put_u64(b, (uint64_t)(int64_t)r->diff[i].line);
        put_u64(b, (uint64_t)r->diff[i].verdict);
        put_text(b, r->diff[i].command);
        put_text(b, r->diff[i].driver);
        put_text(b, r->diff[i].detail);
    }
}

void *result_pack(const struct result *r, size_t *n)
{
    struct strbuf b = { .text = NULL };
    struct result view = *r; /* A shallow copy, because strings_of hands out writable members. */
    char **member[STRINGS];
    const uint64_t numbers[NUMBERS] = {
        r->seed,    (uint64_t)r->verdict, (uint64_t)(int64_t)r->line, (uint64_t)(int64_t)r->col,
        (uint64_t)r->virt_ns, r->steps,   r->trace_hash,              (uint64_t)r->host_ns,
        r->script_hash, r->log_len, r->diff_len,
    };
    put_u64(&b, PACK_MAGIC);
    strings_of(&view, member);
    for (size_t i = 0; i < STRINGS; i++) {
        CHECK(*member[i] != NULL);
        put_text(&b, *member[i]);
    }
    for (size_t i = 0; i < NUMBERS; i++) {
        put_u64(&b, numbers[i]);
    }
    put_rows(&b, r);
    *n = b.len;
    return b.text;
}

struct reader {
    const unsigned char *at;
    size_t left;
    bool bad; /* Something was too short; everything read since then is 0 or "". */
};

static uint64_t get_u64(struct reader *rd)
{
    uint64_t v = 0;
    if (rd->bad || rd->left < 8) {
        rd->bad = true;
        return 0;
    }
    for (int i = 0; i < 8; i++) {
        v |= (uint64_t)rd->at[i] << (8 * i);
    }
    rd->at += 8;
    rd->left -= 8;
    return v;
}

static char *get_text(struct reader *rd)
{
    uint64_t n = get_u64(rd);
    if (rd->bad || n > rd->left || memchr(rd->at, '\0', n)) {
        rd->bad = true;
        return mem_strdup("");
    }
    char *s = mem_strndup((const char *)rd->at, n);
    rd->at += n;
    rd->left -= n;
    return s;
}

static void get_kind(struct reader *rd, char out[RESULT_KIND_MAX])
{
    char *kind = get_text(rd);
    size_t n = strlen(kind);
    if (n < RESULT_KIND_MAX) {
        memcpy(out, kind, n + 1);
    } else {
        rd->bad = true;
        out[0] = '\0';
    }
    free(kind);
}

static void get_log(struct reader *rd, struct result *r, uint64_t rows)
{
    if (rows > rd->left / STEP_MIN_BYTES) {
        rd->bad = true;
    }
    for (uint64_t i = 0; i < rows && !rd->bad; i++) {
        struct result_step step = { .statement = (uint32_t)get_u64(rd) };
        step.line = (int)get_u64(rd);
        step.virt_ns = (int64_t)get_u64(rd);
        get_kind(rd, step.kind);
        step.text = get_text(rd);
        log_append(r, step);
    }
}

static void get_diff(struct reader *rd, struct result *r, uint64_t rows)
{
    if (rows > rd->left / DIFF_MIN_BYTES) {
        rd->bad = true;
    }
    for (uint64_t i = 0; i < rows && !rd->bad; i++) {
        struct result_diff row = { .statement = (uint32_t)get_u64(rd) };
        row.line = (int)get_u64(rd);
        uint64_t verdict = get_u64(rd);
        if (verdict >= DIFF_VERDICTS) {
            rd->bad = true;
            return;
        }
        row.verdict = (enum diff_verdict)verdict;
        row.command = get_text(rd);
        row.driver = get_text(rd);
        row.detail = get_text(rd);
        diff_append(r, row);
    }
}

int result_unpack(struct result *r, const void *bytes, size_t n)
{
    struct reader rd = { .at = bytes, .left = n };
    char **member[STRINGS];
    uint64_t numbers[NUMBERS];
    if (get_u64(&rd) != PACK_MAGIC) {
        return -EINVAL;
    }
    result_log_clear(r);
    diff_clear(r);
    strings_of(r, member);
    for (size_t i = 0; i < STRINGS; i++) {
        free(*member[i]);
        *member[i] = get_text(&rd);
    }
    for (size_t i = 0; i < NUMBERS; i++) {
        numbers[i] = get_u64(&rd);
    }
    if (numbers[1] >= VERDICTS) {
        return -EINVAL;
    }
    r->seed = numbers[0];
    r->verdict = (enum verdict)numbers[1];
    r->line = (int)numbers[2];
    r->col = (int)numbers[3];
    r->virt_ns = (int64_t)numbers[4];
    r->steps = numbers[5];
    r->trace_hash = numbers[6];
    r->host_ns = (int64_t)numbers[7];
    r->script_hash = numbers[8];
    get_log(&rd, r, numbers[9]);
    get_diff(&rd, r, numbers[10]);
    return rd.bad || rd.left ? -EINVAL : 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A number with its unit ("0x1f", "64k", "2ms", "12") at s: its length. */
static size_t number_length(const char *s, bool at_word)
{
    size_t n = 0, letters = 0;
    if (s[0] == '0' && s[1] == 'x') {
        return 2 + strspn(s + 2, "0123456789abcdefABCDEF");
    }
    n = strspn(s, "0123456789");
    while (at_word && letters < 3 && is_alpha(s[n + letters])) {
        letters++;
    }
    return is_alpha(s[n + letters]) || is_digit(s[n + letters]) ? n : n + letters;
}

/* A quoted name ('hd0', "a.raw") at s: its length with both quotes, 0 when it does not close on
 * its line. */
static size_t quoted_length(const char *s)
{
    const char stop[] = { s[0], '\n', '\0' };
    size_t n = 1 + strcspn(s + 1, stop);
    return s[n] == s[0] ? n + 1 : 0;
}

char *result_normalise(const char *text)
{
    struct strbuf b = { .text = NULL };
    char before = ' ';
    for (const char *s = text; *s;) {
        bool at_word = !is_alpha(before) && !is_digit(before);
        size_t quoted = (*s == '\'' || *s == '"') && at_word ? quoted_length(s) : 0;
        size_t n = 1;
        if (quoted) {
            strbuf_puts(&b, "'*'");
            n = quoted;
        } else if (is_digit(*s)) {
            strbuf_putc(&b, 'N');
            n = number_length(s, at_word);
        } else if (*s == '\n' || *s == '\t' || *s == ' ') {
            strbuf_putc(&b, ' ');
            n = strspn(s, " \t\n");
        } else {
            strbuf_putc(&b, *s);
        }
        before = s[n - 1];
        s += n;
    }
    strbuf_puts(&b, "");
    return b.text;
}
