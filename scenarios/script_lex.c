/* SPDX-License-Identifier: MIT */
#include "scenarios/script_lex.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/subst.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- diagnostics ---- */

bool diag_full(const struct diag *d)
{
    return d->count >= SCRIPT_MAX_ERRORS;
}

void diag_add(struct diag *d, int line, int col, const char *fmt, ...)
{
    CHECK(fmt != NULL);
    d->count++;
    if (d->count > SCRIPT_MAX_ERRORS) {
        if (d->count == SCRIPT_MAX_ERRORS + 1) {
            strbuf_printf(d->out, "%s:%d:%d: more errors follow\n", d->path, line, col);
        }
        return;
    }
    char text[1536];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    strbuf_printf(d->out, "%s:%d:%d: %s\n", d->path, line, col, text);
}

void *array_grow(void *at, size_t len, size_t size)
{
    CHECK(size > 0);
    if ((len & (len - 1)) != 0 && len != 0) {
        return at;
    }
    return mem_resize(at, (len == 0 ? 1 : 2 * len) * size);
}

/* ---- the whole text ---- */

/* Length of the UTF-8 sequence at p, 0 when it is none (overlong, surrogate, over U+10FFFF). */
static size_t utf8_len(const unsigned char *p, size_t n)
{
    static const struct {
        unsigned char low, high, second_low, second_high;
        size_t len;
    } heads[] = {
        { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
        { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
        { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        if (p[0] < heads[i].low || p[0] > heads[i].high) {
            continue;
        }
        if (n < heads[i].len || p[1] < heads[i].second_low || p[1] > heads[i].second_high) {
            return 0;
        }
        for (size_t k = 2; k < heads[i].len; k++) {
            if ((p[k] & 0xc0) != 0x80) {
                return 0;
            }
        }
        return heads[i].len;
    }
    return 0;
}

size_t lex_utf8_len(const char *p, size_t n)
{
    CHECK(n > 0);
    unsigned char c = (unsigned char)p[0];
    if (c < 0x80) {
        return 1;
    }
    return utf8_len((const unsigned char *)p, n);
}

/* Checks the character at text[i]; returns its length, 0 after an error that ends the check. */
static size_t check_char(struct diag *d, const char *text, size_t n, size_t i, int line, int col)
{
    unsigned char c = (unsigned char)text[i];
    if (c == '\0') {
        diag_add(d, line, col, "a NUL byte; scenario files are UTF-8 text");
        return 0;
    }
    if (c == '\r') {
        diag_add(d, line, col, "a carriage return; lines end with LF alone, not with CR LF");
        return 0;
    }
    if ((c < 0x20 && c != '\t') || c == 0x7f) {
        diag_add(d, line, col, "control character 0x%02x; in a word write \"\\x%02x\"", c, c);
        return 0;
    }
    size_t len = lex_utf8_len(text + i, n - i);
    if (len == 0) {
        diag_add(d, line, col, "byte 0x%02x is not UTF-8; in a word write \"\\x%02x\"", c, c);
    }
    return len;
}

/* Checks the line text[from, to). */
static bool check_line(struct diag *d, const char *text, size_t from, size_t to, int line)
{
    if (to - from > SCRIPT_MAX_LINE) {
        diag_add(d, line, 1, "the line has %zu bytes; %d are allowed", to - from, SCRIPT_MAX_LINE);
        return false;
    }
    for (size_t i = from; i < to;) {
        size_t len = check_char(d, text, to, i, line, (int)(i - from) + 1);
        if (len == 0) {
            return false;
        }
        i += len;
    }
    return true;
}

bool script_text_check(struct diag *d, const char *text, size_t n)
{
    if (n > SCRIPT_MAX_BYTES) {
        diag_add(d, 1, 1, "the file has more than %d bytes", SCRIPT_MAX_BYTES);
        return false;
    }
    if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        diag_add(d, 1, 1, "a byte order mark; scenario files are plain UTF-8");
        return false;
    }
    int line = 1;
    for (size_t from = 0; from < n; line++) {
        if (line > SCRIPT_MAX_LINES) {
            diag_add(d, line, 1, "the file has more than %d lines", SCRIPT_MAX_LINES);
            return false;
        }
        const char *nl = memchr(text + from, '\n', n - from);
        size_t to = nl == NULL ? n : (size_t)(nl - text);
        if (!check_line(d, text, from, to, line)) {
            return false;
        }
        from = to + 1;
    }
    return true;
}

/* ---- places ---- */

int lex_col(const struct lex *lx)
{
    CHECK(lx->pos >= lx->line_from);
    return (int)(lx->pos - lx->line_from) + 1;
}

static char peek(const struct lex *lx, size_t ahead)
{
    return lx->pos + ahead < lx->n ? lx->text[lx->pos + ahead] : '\0';
}

static bool at_line_end(const struct lex *lx)
{
    return lx->pos >= lx->n || lx->text[lx->pos] == '\n';
}

static bool at_continuation(const struct lex *lx)
{
    return peek(lx, 0) == '\\' && peek(lx, 1) == '\n';
}

static bool at_blank(const struct lex *lx)
{
    return peek(lx, 0) == ' ' || peek(lx, 0) == '\t';
}

static bool at_word_end(const struct lex *lx)
{
    return at_line_end(lx) || at_blank(lx) || at_continuation(lx);
}

static void step_continuation(struct lex *lx)
{
    CHECK(at_continuation(lx));
    lx->pos += 2;
    lx->line++;
    lx->line_from = lx->pos;
}

void lex_next_line(struct lex *lx)
{
    CHECK(at_line_end(lx));
    if (lx->pos < lx->n) {
        lx->pos++;
        lx->line++;
        lx->line_from = lx->pos;
    }
}

void lex_skip_line(struct lex *lx)
{
    while (!at_line_end(lx)) {
        if (at_continuation(lx)) {
            step_continuation(lx);
        } else {
            lx->pos++;
        }
    }
}

char *lex_rest(struct lex *lx, size_t *n)
{
    while (at_blank(lx)) {
        lx->pos++;
    }
    size_t from = lx->pos;
    while (!at_line_end(lx)) {
        lx->pos++;
    }
    *n = lx->pos - from;
    return mem_strndup(lx->text + from, *n);
}

/* The lexer stands at '#'. */
static void take_comment(struct lex *lx)
{
    size_t n;
    char *text = lex_rest(lx, &n);
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t')) {
        text[--n] = '\0';
    }
    free(lx->tail);
    lx->tail = text;
}

bool lex_blanks(struct lex *lx)
{
    bool blank = lx->pos == lx->line_from;
    for (;;) {
        if (at_blank(lx)) {
            lx->pos++;
        } else if (at_continuation(lx)) {
            step_continuation(lx);
        } else {
            break;
        }
        blank = true;
    }
    if (blank && peek(lx, 0) == '#') {
        take_comment(lx);
    }
    return !at_line_end(lx);
}

static enum lex_token bad_here(struct lex *lx, const char *what)
{
    diag_add(lx->diag, lx->line, lex_col(lx), "%s", what);
    lex_skip_line(lx);
    return LEX_TOKEN_BAD;
}

/* ---- keys ---- */

bool lex_key_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
}

size_t lex_key(const char *text, bool *json, const char **value)
{
    size_t n = 0;
    while (lex_key_char(text[n])) {
        n++;
    }
    *json = text[n] == ':' && text[n + 1] == '=';
    if (n == 0 || (!*json && text[n] != '=')) {
        return 0;
    }
    *value = text + n + (*json ? 2 : 1);
    return n;
}

/* ---- quotes ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The lexer stands at a backslash inside "...".  NULL, or what is wrong. */
static const char *read_escape(struct lex *lx, struct strbuf *out)
{
    static const char from[] = "nt\\\"", to[] = "\n\t\\\"";
    char c = peek(lx, 1);
    const char *at = c == '\0' ? NULL : strchr(from, c);
    if (at != NULL) {
        strbuf_putc(out, to[at - from]);
        lx->pos += 2;
        return NULL;
    }
    if (c != 'x') {
        return "unknown escape; valid: \\n \\t \\\\ \\\" \\xHH";
    }
    int high = hex_digit(peek(lx, 2)), low = high < 0 ? -1 : hex_digit(peek(lx, 3));
    if (low < 0) {
        return "\\x takes two hexadecimal digits";
    }
    if (high == 0 && low == 0) {
        return "\\x00: a word cannot hold a NUL byte";
    }
    strbuf_putc(out, (char)(high << 4 | low));
    lx->pos += 4;
    return NULL;
}

/* The lexer stands at the opening quote.  What is between goes to out, ready for subst_expand when
 * tmpl is true.  NULL, or what is wrong. */
static const char *read_quoted(struct lex *lx, bool tmpl, struct strbuf *out)
{
    char quote = peek(lx, 0);
    CHECK(quote == '"' || quote == '\'');
    size_t from = lx->pos++;
    while (peek(lx, 0) != quote) {
        if (at_line_end(lx) || at_continuation(lx)) {
            lx->pos = from;
            return "the quote is not closed in its line";
        }
        if (quote == '"' && peek(lx, 0) == '\\') {
            const char *wrong = read_escape(lx, out);
            if (wrong != NULL) {
                return wrong;
            }
        } else {
            strbuf_putc(out, lx->text[lx->pos++]);
        }
    }
    if (quote == '\'' && tmpl) {
        struct strbuf literal = *out;
        *out = (struct strbuf){ 0 };
        size_t key = literal.len - (lx->pos - from - 1);
        strbuf_add(out, strbuf_str(&literal), key);
        subst_escape(strbuf_str(&literal) + key, literal.len - key, out);
        strbuf_free(&literal);
    }
    lx->pos++;
    return NULL;
}

/* ---- JSON and regular expressions ---- */

/* The lexer stands in a JSON string, at its quote. */
static const char *read_json_string(struct lex *lx, struct strbuf *out)
{
    size_t from = lx->pos;
    strbuf_putc(out, lx->text[lx->pos++]);
    while (peek(lx, 0) != '"') {
        if (!at_line_end(lx) && peek(lx, 0) == '\\' && peek(lx, 1) != '\n') {
            strbuf_putc(out, lx->text[lx->pos++]);
        }
        if (at_line_end(lx)) {
            lx->pos = from;
            return "the JSON string is not closed in its line";
        }
        strbuf_putc(out, lx->text[lx->pos++]);
    }
    strbuf_putc(out, lx->text[lx->pos++]);
    return NULL;
}

static const char *read_json_quoted(struct lex *lx, struct strbuf *out)
{
    struct strbuf text = { 0 };
    const char *wrong = read_quoted(lx, true, &text);
    const char *p = strbuf_str(&text);
    p += strspn(p, " \t");
    size_t n = strlen(p);
    while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t')) {
        n--;
    }
    strbuf_add(out, p, n);
    strbuf_free(&text);
    return wrong;
}

/* JSON as it stands: up to white space outside its brackets and strings. */
static const char *read_json(struct lex *lx, struct strbuf *out)
{
    if (peek(lx, 0) == '\'') {
        return read_json_quoted(lx, out);
    }
    size_t from = lx->pos, depth = 0;
    int line = lx->line;
    while (depth > 0 ? !at_line_end(lx) : !at_word_end(lx)) {
        char c = peek(lx, 0);
        if (c == '"') {
            const char *wrong = read_json_string(lx, out);
            if (wrong != NULL) {
                return wrong;
            }
            continue;
        }
        if (at_continuation(lx)) {
            step_continuation(lx);
            strbuf_putc(out, ' ');
            continue;
        }
        depth += c == '{' || c == '[';
        depth -= (c == '}' || c == ']') && depth > 0;
        strbuf_putc(out, lx->text[lx->pos++]);
    }
    if (depth > 0) {
        lx->pos = line == lx->line ? from : lx->pos;
        return "a bracket of the JSON is not closed";
    }
    return NULL;
}

/* From a slash to the slash before white space. */
static const char *read_regex(struct lex *lx, struct strbuf *out)
{
    size_t from = lx->pos;
    strbuf_putc(out, lx->text[lx->pos++]);
    for (;;) {
        if (at_line_end(lx)) {
            lx->pos = from;
            return "the /re/ is not closed in its line";
        }
        char c = lx->text[lx->pos++];
        strbuf_putc(out, c);
        if (c == '/' && at_word_end(lx)) {
            return NULL;
        }
        if (c == '\\' && !at_line_end(lx)) {
            strbuf_putc(out, lx->text[lx->pos++]);
        }
    }
}

/* ---- words ---- */

static const char stray_quote[] = "a quote inside a word: quote the whole word, or the whole value "
                                  "after '='";

/* After an '=' just read: whether what was read is "key:=". */
static bool json_begins(const struct strbuf *out)
{
    bool json;
    const char *value;
    size_t n = lex_key(strbuf_str(out), &json, &value);
    return n > 0 && json && *value == '\0';
}

static const char *read_value_quote(struct lex *lx, struct script_word *w, struct strbuf *out)
{
    w->form = WORD_QUOTED;
    w->raw_quoted = peek(lx, 0) == '\'';
    const char *wrong = read_quoted(lx, true, out);
    if (wrong == NULL && !at_word_end(lx)) {
        wrong = "text behind the closing quote";
    }
    return wrong;
}

static const char *read_bare(struct lex *lx, struct script_word *w, struct strbuf *out)
{
    const char *wrong = NULL;
    while (wrong == NULL && !at_word_end(lx)) {
        char c = peek(lx, 0);
        if (c == '"' || c == '\'') {
            return stray_quote;
        }
        strbuf_putc(out, c);
        lx->pos++;
        if (c != '=') {
            continue;
        }
        if (json_begins(out)) {
            w->form = WORD_JSON;
            wrong = read_json(lx, out);
            if (wrong == NULL && !at_word_end(lx)) {
                wrong = "text behind the JSON";
            }
        } else if (peek(lx, 0) == '"' || peek(lx, 0) == '\'') {
            wrong = read_value_quote(lx, w, out);
        }
    }
    return wrong;
}

static const char *read_word(struct lex *lx, enum lex_mode mode, struct script_word *w,
                             struct strbuf *out)
{
    char c = peek(lx, 0);
    if (mode == LEX_JSON) {
        w->form = WORD_JSON;
        const char *wrong = read_json(lx, out);
        return wrong == NULL && !at_word_end(lx) ? "text behind the JSON" : wrong;
    }
    if (mode == LEX_REGEX && c == '/') {
        w->form = WORD_REGEX;
        return read_regex(lx, out);
    }
    if (c == '"' || c == '\'') {
        return read_value_quote(lx, w, out);
    }
    return read_bare(lx, w, out);
}

/* Text with a NUL inside cannot come: neither the file nor an escape has one. */
static char *strbuf_take(struct strbuf *b)
{
    char *text = b->text != NULL ? b->text : mem_strdup("");
    *b = (struct strbuf){ 0 };
    return text;
}

void script_word_fini(struct script_word *w)
{
    free(w->text);
    free(w->raw);
    *w = (struct script_word){ 0 };
}

static void word_place(const struct lex *lx, struct script_word *w)
{
    *w = (struct script_word){ .line = lx->line, .col = lex_col(lx) };
}

enum lex_token lex_next(struct lex *lx, enum lex_mode mode, struct script_word *w)
{
    if (!lex_blanks(lx)) {
        return LEX_TOKEN_END;
    }
    word_place(lx, w);
    size_t from = lx->pos;
    struct strbuf out = { 0 };
    const char *wrong = read_word(lx, mode, w, &out);
    if (wrong != NULL) {
        strbuf_free(&out);
        *w = (struct script_word){ 0 };
        return bad_here(lx, wrong);
    }
    w->text = strbuf_take(&out);
    w->raw = mem_strndup(lx->text + from, lx->pos - from);
    if (w->form == WORD_BARE && strcmp(w->text, "=>") == 0) {
        script_word_fini(w);
        return LEX_TOKEN_ARROW;
    }
    return LEX_TOKEN_WORD;
}

/* ---- matrix values ---- */

/* One value, up to a comma or the end of the word. */
static const char *read_axis_value(struct lex *lx, struct strbuf *out)
{
    char c = peek(lx, 0);
    if (c == '"' || c == '\'') {
        const char *wrong = read_quoted(lx, false, out);
        bool behind = wrong == NULL && !at_word_end(lx) && peek(lx, 0) != ',';
        return behind ? "text behind the closing quote" : wrong;
    }
    size_t before = out->len;
    while (!at_word_end(lx) && peek(lx, 0) != ',') {
        c = peek(lx, 0);
        if (c == '"' || c == '\'') {
            return stray_quote;
        }
        strbuf_putc(out, c);
        lx->pos++;
    }
    return out->len == before ? "an empty value; write \"\" when it is meant" : NULL;
}

static const char *read_axis(struct lex *lx, struct script_axis *axis)
{
    size_t from = lx->pos;
    while (lex_key_char(peek(lx, 0)) && peek(lx, 0) != '.') {
        lx->pos++;
    }
    axis->key = mem_strndup(lx->text + from, lx->pos - from);
    if (lx->pos == from || peek(lx, 0) != '=' || (axis->key[0] >= '0' && axis->key[0] <= '9') ||
        axis->key[0] == '-') {
        lx->pos = from;
        return "matrix takes NAME=VALUE,VALUE...";
    }
    do {
        lx->pos++;
        struct strbuf out = { 0 };
        const char *wrong = read_axis_value(lx, &out);
        if (wrong != NULL) {
            strbuf_free(&out);
            return wrong;
        }
        axis->values = array_grow(axis->values, axis->len, sizeof(char *));
        axis->values[axis->len++] = strbuf_take(&out);
    } while (peek(lx, 0) == ',');
    return NULL;
}

enum lex_token lex_axis(struct lex *lx, struct script_axis *axis, struct script_word *w)
{
    *axis = (struct script_axis){ 0 };
    if (!lex_blanks(lx)) {
        return LEX_TOKEN_END;
    }
    word_place(lx, w);
    size_t from = lx->pos;
    const char *wrong = read_axis(lx, axis);
    if (wrong != NULL) {
        enum lex_token bad = bad_here(lx, wrong);
        *w = (struct script_word){ 0 };
        return bad; /* The caller frees what the axis got. */
    }
    w->raw = mem_strndup(lx->text + from, lx->pos - from);
    w->text = mem_strdup(w->raw);
    return LEX_TOKEN_WORD;
}

/* ---- properties ---- */

enum lex_token lex_prop(struct lex *lx, struct script_prop *prop)
{
    CHECK(peek(lx, 0) == '@');
    *prop = (struct script_prop){ .line = lx->line, .col = lex_col(lx) };
    size_t from = ++lx->pos;
    while (lex_key_char(peek(lx, 0))) {
        lx->pos++;
    }
    size_t to = lx->pos;
    size_t arg_from = to, arg_to = to;
    if (peek(lx, 0) == '(') {
        arg_from = ++lx->pos;
        while (!at_line_end(lx) && peek(lx, 0) != ')') {
            lx->pos++;
        }
        arg_to = lx->pos;
        if (at_line_end(lx)) {
            lx->pos = arg_from - 1;
            return bad_here(lx, "the ( is not closed in its line");
        }
        lx->pos++;
    }
    if (!at_word_end(lx)) {
        return bad_here(lx, "white space is needed behind a property");
    }
    prop->name = mem_strndup(lx->text + from, to - from);
    prop->arg = mem_strndup(lx->text + arg_from, arg_to - arg_from);
    return LEX_TOKEN_WORD;
}
