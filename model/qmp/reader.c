/* SPDX-License-Identifier: MIT */
/* The streaming JSON reader of a QMP monitor.
 *
 * Bytes go through three stages, none of which keeps more than it needs:
 *
 *     feed -> lexer (one token at a time) -> limits and bracket count -> builder (qmp_build)
 *
 * The builder makes the value while tokens arrive.  Its first error is kept until the brackets
 * balance (or one of the two kinds closes more than was opened), because only then QEMU reports it;
 * an error of the lexer is reported at once and drops what was read so far.
 *
 * Invariants:
 *  1. After every reported value or error the reader is empty: no open bracket, no token counted.
 *  2. `recover` is set only after a lexer error.  Bytes are then skipped up to a structural
 *     character, which is a token again, or a control character other than tab, which ends it.
 *  3. depth, tokens and bytes never pass the limits below; the token that would is dropped and
 *     reading goes on with the next one.
 */
#include "model/qmp/reader.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/qmp/build.h"

#include <errno.h>
#include <stdbool.h>

enum {
    DEPTH_MAX = 1024,
    TOKENS_MAX = 2 << 20,
    TOKEN_KEPT = 64 << 10, /* Memory that stays between tokens. */
};
static const size_t token_bytes_max = (size_t)64 << 20;

enum lex_state {
    LEX_START,
    LEX_KEYWORD,
    LEX_STRING,
    LEX_STRING_ESCAPE,
    LEX_MINUS,      /* "-" */
    LEX_ZERO,       /* "0", "-0" */
    LEX_INT,        /* "12" */
    LEX_POINT,      /* "12." */
    LEX_FRACTION,   /* "12.3" */
    LEX_EXP,        /* "12e" */
    LEX_EXP_SIGN,   /* "12e-" */
    LEX_EXP_DIGITS, /* "12e-3" */
};

struct qmp_reader {
    qmp_reader_fn *fn;
    void *opaque;
    enum lex_state state;
    char quote; /* Of the string being read. */
    bool recover;
    struct strbuf token; /* Bytes of the token being read. */
    int braces, brackets;
    size_t tokens, bytes; /* Of the value being read. */
    uint64_t delivered;   /* Values and errors so far. */
    struct qmp_build *build;
};

struct qmp_reader *qmp_reader_create(qmp_reader_fn *fn, void *opaque)
{
    struct qmp_reader *r = NEW(struct qmp_reader);

    CHECK(fn);
    r->fn = fn;
    r->opaque = opaque;
    r->build = qmp_build_create();
    return r;
}

void qmp_reader_destroy(struct qmp_reader *r)
{
    if (!r) {
        return;
    }
    qmp_build_destroy(r->build);
    strbuf_free(&r->token);
    free(r);
}

/* Forgets the value being read. */
static void reader_reset(struct qmp_reader *r)
{
    qmp_build_reset(r->build);
    r->braces = 0;
    r->brackets = 0;
    r->tokens = 0;
    r->bytes = 0;
}

static void reader_fail(struct qmp_reader *r, const struct error *err)
{
    CHECK(err->code);
    reader_reset(r);
    r->delivered++;
    r->fn(r->opaque, NULL, err);
}

static void reader_fail_text(struct qmp_reader *r, const char *text)
{
    struct error err = ERROR_INIT;

    error_set(&err, -EINVAL, "%s", text);
    reader_fail(r, &err);
}

/* The error of the builder has become due. */
static void reader_fail_build(struct qmp_reader *r)
{
    struct error err = ERROR_INIT;
    json_t *value = qmp_build_take(r->build, &err);

    CHECK(!value);
    reader_fail(r, &err);
}

/* A value is complete, or the builder has an error. */
static void reader_deliver(struct qmp_reader *r)
{
    json_t *value = qmp_build_has_value(r->build) ? qmp_build_take(r->build, NULL) : NULL;

    if (!value) {
        reader_fail_build(r);
        return;
    }
    reader_reset(r);
    r->delivered++;
    r->fn(r->opaque, value, NULL);
    json_decref(value);
}

/* False, with the error reported, when the token of n bytes passes a limit. */
static bool reader_within_limits(struct qmp_reader *r, enum qmp_token type, size_t n)
{
    bool opens = type == QMP_TOKEN_LBRACE || type == QMP_TOKEN_LBRACKET;

    if (r->bytes + n > token_bytes_max) {
        reader_fail_text(r, "JSON token size limit exceeded");
    } else if (r->tokens + 1 > TOKENS_MAX) {
        reader_fail_text(r, "JSON token count limit exceeded");
    } else if (opens && r->braces + r->brackets + 1 > DEPTH_MAX) {
        reader_fail_text(r, "JSON nesting depth limit exceeded");
    } else {
        return true;
    }
    return false;
}

static void reader_token(struct qmp_reader *r, enum qmp_token type, const char *text, size_t n)
{
    r->recover = false;
    if (!reader_within_limits(r, type, n)) {
        return;
    }
    r->tokens++;
    r->bytes += n;
    r->braces += (type == QMP_TOKEN_LBRACE) - (type == QMP_TOKEN_RBRACE);
    r->brackets += (type == QMP_TOKEN_LBRACKET) - (type == QMP_TOKEN_RBRACKET);
    qmp_build_token(r->build, type, text, n);
    if (r->braces < 0 || r->brackets < 0 || (r->braces == 0 && r->brackets == 0)) {
        reader_deliver(r);
    }
}

/* Empties the token; what a large one took is given back. */
static void lex_clear(struct qmp_reader *r)
{
    if (r->token.cap > TOKEN_KEPT) {
        strbuf_free(&r->token);
    }
    r->token.len = 0;
}

/* The token read so far is complete. */
static void lex_end(struct qmp_reader *r, enum qmp_token type)
{
    size_t n = r->token.len;

    CHECK(n > 0);
    r->state = LEX_START;
    reader_token(r, type, r->token.text, n);
    lex_clear(r);
}

/* The token read so far is not one. */
static void lex_fail(struct qmp_reader *r)
{
    struct error err = ERROR_INIT;
    char *clean = qmp_utf8_clean(strbuf_str(&r->token));

    error_set(&err, -EINVAL, "JSON parse error, stray '%s'", clean);
    free(clean);
    r->state = LEX_START;
    r->recover = true;
    lex_clear(r);
    reader_fail(r, &err);
}

static void lex_too_long(struct qmp_reader *r)
{
    lex_clear(r);
    r->state = LEX_START;
    r->recover = true;
    reader_fail_text(r, "JSON token size limit exceeded");
}

static void lex_take(struct qmp_reader *r, char c, enum lex_state next)
{
    if (r->token.len >= token_bytes_max) {
        lex_too_long(r);
        return;
    }
    strbuf_putc(&r->token, c);
    r->state = next;
}

/* c does not continue the token, and is part of the error. */
static void lex_fail_with(struct qmp_reader *r, char c)
{
    strbuf_putc(&r->token, c);
    lex_fail(r);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

/* Bytes that may not stand in a string: controls, and what is never part of UTF-8. */
static bool is_bad_in_string(char c)
{
    unsigned char u = (unsigned char)c;

    return u < 0x20 || u >= 0xfe;
}

static bool is_structural(char c, enum qmp_token *type)
{
    switch (c) {
    case '{':
        *type = QMP_TOKEN_LBRACE;
        return true;
    case '}':
        *type = QMP_TOKEN_RBRACE;
        return true;
    case '[':
        *type = QMP_TOKEN_LBRACKET;
        return true;
    case ']':
        *type = QMP_TOKEN_RBRACKET;
        return true;
    case ':':
        *type = QMP_TOKEN_COLON;
        return true;
    case ',':
        *type = QMP_TOKEN_COMMA;
        return true;
    default:
        return false;
    }
}

/* Between tokens. */
static void lex_start(struct qmp_reader *r, char c)
{
    enum qmp_token type;

    if (is_structural(c, &type)) {
        reader_token(r, type, &c, 1);
    } else if (r->recover && (c == '\t' || !is_bad_in_string(c))) {
        return; /* Skipped. */
    } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        r->recover = false;
    } else if (c == '"' || c == '\'') {
        r->quote = c;
        lex_take(r, c, LEX_STRING);
    } else if (c == '-') {
        lex_take(r, c, LEX_MINUS);
    } else if (c == '0') {
        lex_take(r, c, LEX_ZERO);
    } else if (is_digit(c)) {
        lex_take(r, c, LEX_INT);
    } else if (is_lower(c)) {
        lex_take(r, c, LEX_KEYWORD);
    } else {
        lex_fail_with(r, c);
    }
}

static void lex_string(struct qmp_reader *r, char c)
{
    if (is_bad_in_string(c)) {
        lex_fail_with(r, c);
    } else if (r->state == LEX_STRING_ESCAPE) {
        lex_take(r, c, LEX_STRING);
    } else if (c == '\\') {
        lex_take(r, c, LEX_STRING_ESCAPE);
    } else {
        lex_take(r, c, LEX_STRING);
        if (c == r->quote && r->token.len > 1) {
            lex_end(r, QMP_TOKEN_STRING);
        }
    }
}

/* One byte inside a number.  False when the number has ended before it. */
static bool lex_number(struct qmp_reader *r, char c)
{
    enum lex_state s = r->state;

    if (is_digit(c)) {
        static const enum lex_state after_digit[] = {
            [LEX_INT] = LEX_INT,           [LEX_POINT] = LEX_FRACTION,
            [LEX_FRACTION] = LEX_FRACTION, [LEX_EXP] = LEX_EXP_DIGITS,
            [LEX_EXP_SIGN] = LEX_EXP_DIGITS, [LEX_EXP_DIGITS] = LEX_EXP_DIGITS,
        };

        if (s == LEX_MINUS) {
            lex_take(r, c, c == '0' ? LEX_ZERO : LEX_INT);
        } else if (s == LEX_ZERO) {
            lex_fail_with(r, c);
        } else {
            lex_take(r, c, after_digit[s]);
        }
        return true;
    }
    if (c == '.' && (s == LEX_ZERO || s == LEX_INT)) {
        lex_take(r, c, LEX_POINT);
    } else if ((c == 'e' || c == 'E') && (s == LEX_INT || s == LEX_FRACTION)) {
        lex_take(r, c, LEX_EXP); /* Not after a plain "0": QEMU takes that for a whole number. */
    } else if ((c == '+' || c == '-') && s == LEX_EXP) {
        lex_take(r, c, LEX_EXP_SIGN);
    } else if (s == LEX_MINUS || s == LEX_POINT || s == LEX_EXP || s == LEX_EXP_SIGN) {
        lex_fail_with(r, c);
    } else {
        lex_end(r, s == LEX_ZERO || s == LEX_INT ? QMP_TOKEN_INTEGER : QMP_TOKEN_FLOAT);
        return false;
    }
    return true;
}

static void reader_byte(struct qmp_reader *r, char c)
{
    switch (r->state) {
    case LEX_START:
        lex_start(r, c);
        return;
    case LEX_STRING:
    case LEX_STRING_ESCAPE:
        lex_string(r, c);
        return;
    case LEX_KEYWORD:
        if (is_lower(c)) {
            lex_take(r, c, LEX_KEYWORD);
        } else {
            lex_end(r, QMP_TOKEN_KEYWORD);
            lex_start(r, c);
        }
        return;
    default:
        if (!lex_number(r, c)) {
            lex_start(r, c);
        }
        return;
    }
}

/* Takes the plain bytes of a string at once; returns how many. */
static size_t lex_string_run(struct qmp_reader *r, const char *bytes, size_t n)
{
    size_t run = 0;

    n = MIN(n, token_bytes_max - r->token.len);
    while (run < n && bytes[run] != r->quote && bytes[run] != '\\' &&
           !is_bad_in_string(bytes[run])) {
        run++;
    }
    strbuf_add(&r->token, bytes, run);
    return run;
}

size_t qmp_reader_feed_one(struct qmp_reader *r, const char *bytes, size_t n)
{
    uint64_t before = r->delivered;
    size_t i = 0;

    while (i < n && r->delivered == before) {
        if (r->state == LEX_STRING && r->token.len < token_bytes_max) {
            i += lex_string_run(r, bytes + i, n - i);
            if (i == n) {
                break;
            }
        }
        reader_byte(r, bytes[i++]);
    }
    return i;
}

void qmp_reader_feed(struct qmp_reader *r, const char *bytes, size_t n)
{
    while (n > 0) {
        size_t taken = qmp_reader_feed_one(r, bytes, n);

        bytes += taken;
        n -= taken;
    }
}

void qmp_reader_finish(struct qmp_reader *r)
{
    switch (r->state) {
    case LEX_START:
        break;
    case LEX_KEYWORD:
        lex_end(r, QMP_TOKEN_KEYWORD);
        break;
    case LEX_ZERO:
    case LEX_INT:
        lex_end(r, QMP_TOKEN_INTEGER);
        break;
    case LEX_FRACTION:
    case LEX_EXP_DIGITS:
        lex_end(r, QMP_TOKEN_FLOAT);
        break;
    default:
        lex_fail(r);
        break;
    }
    if (r->tokens) {
        reader_deliver(r);
    }
    r->recover = false;
}

/* What qmp_read_text has seen. */
struct read_text {
    json_t *value;
    struct error err;
};

static void read_text_got(void *opaque, json_t *value, const struct error *err)
{
    struct read_text *t = opaque;

    if (t->err.code) {
        return; /* The first error stands. */
    }
    if (t->value) {
        error_set(&t->err, -EINVAL, "Expecting at most one JSON value");
    } else if (value) {
        t->value = json_incref(value);
    } else {
        t->err = *err;
    }
}

json_t *qmp_read_text(const char *bytes, size_t n, struct error *err)
{
    struct read_text t = { .err = ERROR_INIT };
    struct qmp_reader *r = qmp_reader_create(read_text_got, &t);

    qmp_reader_feed(r, bytes, n);
    qmp_reader_finish(r);
    qmp_reader_destroy(r);
    if (!t.err.code && !t.value) {
        error_set(&t.err, -EINVAL, "Expecting a JSON value");
    }
    if (t.err.code) {
        json_decref(t.value);
        if (err) {
            *err = t.err;
        }
        return NULL;
    }
    return t.value;
}
