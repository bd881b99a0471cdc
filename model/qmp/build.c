/* SPDX-License-Identifier: MIT */
/* From tokens to a JSON value.
 *
 * A stack of open containers stands for the recursion of the grammar, so depth costs memory and not
 * stack.  Each frame knows what may come next:
 *
 *   array:   FIRST (value) SEPARATOR "," NEXT (value) SEPARATOR ... "]"
 *   object:  FIRST (key) COLON ":" VALUE (value) SEPARATOR "," NEXT (key) COLON ... "}"
 *
 * A key may be any value; that it is a string is seen when it is complete, and that it stands there
 * twice when its value is complete: the order in which QEMU finds errors.
 */
#include "model/qmp/build.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <float.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum frame_state { FRAME_FIRST, FRAME_NEXT, FRAME_COLON, FRAME_VALUE, FRAME_SEPARATOR };

struct frame {
    json_t *container;
    json_t *key; /* String of the pair being read. */
    enum frame_state state;
};

struct qmp_build {
    struct frame *frames;
    size_t depth, cap;
    json_t *value; /* Complete, when no frame is open. */
    struct error err;
};

struct qmp_build *qmp_build_create(void)
{
    return NEW(struct qmp_build);
}

void qmp_build_reset(struct qmp_build *b)
{
    while (b->depth) {
        struct frame *f = &b->frames[--b->depth];

        json_decref(f->container);
        json_decref(f->key);
    }
    json_decref(b->value);
    b->value = NULL;
    if (b->err.code) {
        b->err = ERROR_INIT;
    }
}

void qmp_build_destroy(struct qmp_build *b)
{
    qmp_build_reset(b);
    free(b->frames);
    free(b);
}

bool qmp_build_has_value(const struct qmp_build *b)
{
    return b->value && !b->depth && !b->err.code;
}

json_t *qmp_build_take(struct qmp_build *b, struct error *err)
{
    json_t *value = b->value;

    if (!b->err.code && (b->depth || !value)) {
        error_set(&b->err, -EINVAL, "JSON parse error, premature EOI");
    }
    if (b->err.code) {
        *err = b->err;
        qmp_build_reset(b);
        return NULL;
    }
    b->value = NULL;
    qmp_build_reset(b);
    return value;
}

/* ---- Strings ---- */

/* Decodes one UTF-8 sequence at p, which ends with a NUL.  Returns its length, or 0 for what is
 * not one; *skip then says how many bytes belong to the broken one. */
static size_t utf8_decode(const unsigned char *p, uint32_t *code, size_t *skip)
{
    static const uint32_t lowest[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t n = *p < 0x80 ? 1 : *p < 0xc0 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : *p < 0xf8 ? 4 : 0;
    uint32_t c;

    *skip = 1;
    if (n <= 1) {
        *code = *p;
        return n;
    }
    c = *p & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
        c = c << 6 | (p[i] & 0x3f);
        *skip = i + 1;
    }
    *code = c;
    return c < lowest[n] ? 0 : n;
}

/* Characters that may stand in a string: not surrogates, noncharacters, or beyond Unicode.  Nor
 * NUL: names are C strings, and one that goes on behind a NUL would be taken for another. */
static bool code_is_valid(uint32_t c)
{
    return c && c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff) && !(c >= 0xfdd0 && c <= 0xfdef) &&
           (c & 0xfffe) != 0xfffe;
}

static void utf8_encode(struct strbuf *out, uint32_t c)
{
    if (c < 0x80) {
        strbuf_putc(out, (char)c);
        return;
    }
    if (c < 0x800) {
        strbuf_putc(out, (char)(0xc0 | c >> 6));
    } else {
        if (c < 0x10000) {
            strbuf_putc(out, (char)(0xe0 | c >> 12));
        } else {
            strbuf_putc(out, (char)(0xf0 | c >> 18));
            strbuf_putc(out, (char)(0x80 | (c >> 12 & 0x3f)));
        }
        strbuf_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
    }
    strbuf_putc(out, (char)(0x80 | (c & 0x3f)));
}

char *qmp_utf8_clean(const char *text)
{
    struct strbuf out = { 0 };
    const unsigned char *p = (const unsigned char *)text;

    while (*p) {
        uint32_t code = 0;
        size_t skip = 1, n = utf8_decode(p, &code, &skip);

        if (n && code_is_valid(code)) {
            strbuf_add(&out, (const char *)p, n);
        } else {
            utf8_encode(&out, 0xfffd);
        }
        p += n ? n : skip;
    }
    return out.text ? out.text : mem_strdup("");
}

static int hex4(const char *p, uint32_t *value)
{
    *value = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;

        if (digit < 0) {
            return -EINVAL;
        }
        *value = *value << 4 | (uint32_t)digit;
    }
    return 0;
}

/* \uXXXX at p, or a pair of them.  Returns how many bytes it took, 0 on error. */
static size_t string_unicode(struct qmp_build *b, const char *p, struct strbuf *out)
{
    uint32_t c, low;
    size_t n = 6;

    if (hex4(p + 2, &c) == 0) {
        if (c >= 0xd800 && c <= 0xdbff && p[6] == '\\' && p[7] == 'u' && hex4(p + 8, &low) == 0 &&
            low >= 0xdc00 && low <= 0xdfff) {
            c = 0x10000 + ((c & 0x3ff) << 10) + (low & 0x3ff);
            n = 12;
        }
        if (code_is_valid(c)) {
            utf8_encode(out, c);
            return n;
        }
    }
    error_set(&b->err, -EINVAL, "JSON parse error, %.*s is not a valid Unicode character", (int)n,
              p);
    return 0;
}

/* An escape at p other than \u.  Returns 0 on error. */
static size_t string_escape(struct qmp_build *b, const char *p, struct strbuf *out)
{
    static const char from[] = "\"'\\/bfnrt", to[] = "\"'\\/\b\f\n\r\t";

    for (size_t i = 0; from[i]; i++) {
        if (p[1] == from[i]) {
            strbuf_putc(out, to[i]);
            return 2;
        }
    }
    error_set(&b->err, -EINVAL, "JSON parse error, invalid escape sequence in string");
    return 0;
}

/* A plain character at p.  Returns 0 on error. */
static size_t string_plain(struct qmp_build *b, const char *p, struct strbuf *out)
{
    uint32_t code = 0;
    size_t skip, n = utf8_decode((const unsigned char *)p, &code, &skip);

    if (!n || !code_is_valid(code)) {
        error_set(&b->err, -EINVAL, "JSON parse error, invalid UTF-8 sequence in string");
        return 0;
    }
    utf8_encode(out, code);
    return n;
}

/* Whether it stands for itself: ASCII without escapes. */
static bool string_is_plain(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\\' || (unsigned char)text[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

/* The string in a token with its quotes; NULL with b->err set. */
static json_t *build_string(struct qmp_build *b, const char *text, size_t len)
{
    struct strbuf out = { 0 };
    const char *p = text + 1, *end = text + len - 1;
    json_t *value = NULL;

    CHECK(len >= 2 && *end == *text);
    if (string_is_plain(p, len - 2)) {
        return json_stringn_nocheck(p, len - 2);
    }
    while (p < end) {
        size_t n = *p != '\\'    ? string_plain(b, p, &out)
                   : p[1] == 'u' ? string_unicode(b, p, &out)
                                 : string_escape(b, p, &out);

        if (!n) {
            break;
        }
        p += n;
    }
    if (!b->err.code) {
        value = json_stringn(strbuf_str(&out), out.len);
        CHECK(value);
    }
    strbuf_free(&out);
    return value;
}

/* ---- Numbers and keywords ---- */

static json_t *build_real(const char *text)
{
    double d = strtod(text, NULL);

    /* JSON has no infinity. */
    d = d > DBL_MAX ? DBL_MAX : d < -DBL_MAX ? -DBL_MAX : d;
    return json_real(d);
}

static json_t *build_integer(const char *text)
{
    char *end;
    long long value;

    errno = 0;
    value = strtoll(text, &end, 10);
    CHECK(!*end);
    return errno ? build_real(text) : json_integer(value);
}

static json_t *build_keyword(struct qmp_build *b, const char *text)
{
    if (!strcmp(text, "true")) {
        return json_true();
    }
    if (!strcmp(text, "false")) {
        return json_false();
    }
    if (!strcmp(text, "null")) {
        return json_null();
    }
    error_set(&b->err, -EINVAL, "JSON parse error, invalid keyword '%s'", text);
    return NULL;
}

/* ---- Grammar ---- */

static struct frame *build_top(struct qmp_build *b)
{
    return b->depth ? &b->frames[b->depth - 1] : NULL;
}

static void build_push(struct qmp_build *b, json_t *container)
{
    if (b->depth == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 16;
        b->frames = mem_resize(b->frames, b->cap * sizeof(b->frames[0]));
    }
    b->frames[b->depth++] = (struct frame){ .container = container, .state = FRAME_FIRST };
}

/* The value of a pair; false when its key stands there already. */
static bool frame_add_pair(struct frame *f, json_t *value)
{
    const char *key = json_string_value(f->key);
    size_t n = json_string_length(f->key);
    bool is_new = !json_object_getn(f->container, key, n);

    if (is_new) {
        int ret = json_object_setn_new_nocheck(f->container, key, n, value);

        CHECK(ret == 0);
    } else {
        json_decref(value);
    }
    json_decref(f->key);
    f->key = NULL;
    return is_new;
}

/* A value is complete: it goes where the innermost frame wants it.  Takes the reference. */
static void build_complete(struct qmp_build *b, json_t *value)
{
    struct frame *f = build_top(b);

    if (!f) {
        CHECK(!b->value);
        b->value = value;
    } else if (json_is_array(f->container)) {
        json_array_append_new(f->container, value);
        f->state = FRAME_SEPARATOR;
    } else if (f->state == FRAME_VALUE) {
        f->state = FRAME_SEPARATOR;
        if (!frame_add_pair(f, value)) {
            error_set(&b->err, -EINVAL, "JSON parse error, duplicate key");
        }
    } else if (json_is_string(value)) {
        f->key = value;
        f->state = FRAME_COLON;
    } else {
        json_decref(value);
        error_set(&b->err, -EINVAL, "JSON parse error, key is not a string in object");
    }
}

static void build_close(struct qmp_build *b)
{
    struct frame *f = build_top(b);
    json_t *container = f->container;

    CHECK(!f->key);
    b->depth--;
    build_complete(b, container);
}

static bool frame_closes(const struct frame *f, enum qmp_token type)
{
    return type == (json_is_array(f->container) ? QMP_TOKEN_RBRACKET : QMP_TOKEN_RBRACE);
}

/* Where a value (or a key) must begin. */
static void build_begin(struct qmp_build *b, enum qmp_token type, const char *text, size_t n)
{
    json_t *value = NULL;

    switch (type) {
    case QMP_TOKEN_LBRACE:
        build_push(b, json_object());
        return;
    case QMP_TOKEN_LBRACKET:
        build_push(b, json_array());
        return;
    case QMP_TOKEN_STRING:
        value = build_string(b, text, n);
        break;
    case QMP_TOKEN_INTEGER:
        value = build_integer(text);
        break;
    case QMP_TOKEN_FLOAT:
        value = build_real(text);
        break;
    case QMP_TOKEN_KEYWORD:
        value = build_keyword(b, text);
        break;
    default:
        error_set(&b->err, -EINVAL, "JSON parse error, expecting value");
        break;
    }
    if (value) {
        build_complete(b, value);
    }
}

static void build_separator(struct qmp_build *b, enum qmp_token type)
{
    struct frame *f = build_top(b);

    if (type == QMP_TOKEN_COMMA) {
        f->state = FRAME_NEXT;
    } else if (frame_closes(f, type)) {
        build_close(b);
    } else {
        error_set(&b->err, -EINVAL, "JSON parse error, expected separator in %s",
                  json_is_array(f->container) ? "list" : "dict");
    }
}

void qmp_build_token(struct qmp_build *b, enum qmp_token type, const char *text, size_t n)
{
    struct frame *f = build_top(b);

    if (b->err.code) {
        return;
    }
    if (f && f->state == FRAME_SEPARATOR) {
        build_separator(b, type);
    } else if (f && f->state == FRAME_COLON) {
        f->state = FRAME_VALUE;
        if (type != QMP_TOKEN_COLON) {
            error_set(&b->err, -EINVAL, "JSON parse error, missing : in object pair");
        }
    } else if (f && f->state == FRAME_FIRST && frame_closes(f, type)) {
        build_close(b);
    } else {
        build_begin(b, type, text, n);
    }
}
