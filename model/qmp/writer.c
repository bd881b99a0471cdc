/* SPDX-License-Identifier: MIT */
/* The text of replies and events.
 *
 * It stands on the way of every command, twice: as what the trace hashes and as what a client gets.
 * Runs of plain characters are copied in one piece.  Recursion is as deep as the value, and what a
 * client can make (the "id") is at most 1024 levels deep (model/qmp/reader.c).
 */
#include "model/qmp/writer.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdint.h>
#include <string.h>

static const char hex[] = "0123456789ABCDEF";

static void write_u16(struct strbuf *out, unsigned code)
{
    char text[6] = { '\\', 'u', hex[code >> 12 & 15], hex[code >> 8 & 15], hex[code >> 4 & 15],
                     hex[code & 15] };
    strbuf_add(out, text, sizeof(text));
}

/* One code point of UTF-8, which jansson has checked; returns its bytes. */
static size_t write_code_point(struct strbuf *out, const unsigned char *s)
{
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    uint32_t code = n == 1 ? s[0] : s[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        code = code << 6 | (s[i] & 0x3fu);
    }
    if (code >= 0x10000) {
        write_u16(out, 0xd800 + ((code - 0x10000) >> 10));
        code = 0xdc00 + ((code - 0x10000) & 0x3ff);
    }
    write_u16(out, code);
    return n;
}

/* The letter behind a backslash, or 0. */
static char short_escape(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* What has to be escaped, and what follows it. */
static void write_escaped(struct strbuf *out, const char *text, size_t n)
{
    const unsigned char *s = (const unsigned char *)text;
    for (size_t i = 0; i < n;) {
        size_t run = i;
        while (run < n && is_plain(s[run])) {
            run++;
        }
        strbuf_add(out, text + i, run - i);
        i = run;
        if (i == n) {
            break;
        }
        char letter = short_escape(s[i]);
        if (letter) {
            char pair[2] = { '\\', letter };
            strbuf_add(out, pair, sizeof(pair));
            i++;
        } else {
            i += write_code_point(out, s + i);
        }
    }
    strbuf_putc(out, '"');
}

static void write_string(struct strbuf *out, const char *text, size_t n)
{
    char *at = strbuf_room(out, n + 2);
    size_t run = 0;
    *at++ = '"';
    while (run < n && is_plain((unsigned char)text[run])) {
        at[run] = text[run];
        run++;
    }
    out->len += 1 + run;
    if (run < n) {
        write_escaped(out, text + run, n - run);
        return;
    }
    at[run] = '"';
    at[run + 1] = '\0';
    out->len++;
}

void qmp_write_integer(struct strbuf *out, int64_t value)
{
    char text[24], *p = text + sizeof(text);
    uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do {
        *--p = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    if (value < 0) {
        *--p = '-';
    }
    strbuf_add(out, p, (size_t)(text + sizeof(text) - p));
}

void qmp_write_text(struct strbuf *out, const char *text)
{
    write_string(out, text, strlen(text));
}

void qmp_write_key(struct strbuf *out, const char *key)
{
    CHECK(out->len > 0);
    if (out->text[out->len - 1] != '{') {
        strbuf_add(out, ", ", 2);
    }
    qmp_write_text(out, key);
    strbuf_add(out, ": ", 2);
}

void qmp_write_member(struct strbuf *out, const char *key, const char *text)
{
    qmp_write_key(out, key);
    qmp_write_text(out, text);
}

static void write_object(struct strbuf *out, json_t *object)
{
    const char *key;
    json_t *value;
    bool first = true;
    strbuf_putc(out, '{');
    json_object_foreach(object, key, value) {
        if (!first) {
            strbuf_add(out, ", ", 2);
        }
        first = false;
        write_string(out, key, json_object_iter_key_len(json_object_key_to_iter(key)));
        strbuf_add(out, ": ", 2);
        qmp_write(out, value);
    }
    strbuf_putc(out, '}');
}

static void write_array(struct strbuf *out, const json_t *array)
{
    size_t i;
    json_t *value;
    strbuf_putc(out, '[');
    json_array_foreach(array, i, value) {
        if (i) {
            strbuf_add(out, ", ", 2);
        }
        qmp_write(out, value);
    }
    strbuf_putc(out, ']');
}

void qmp_write(struct strbuf *out, const json_t *value)
{
    CHECK(value != NULL);
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        write_object(out, (json_t *)(uintptr_t)value);
        return;
    case JSON_ARRAY:
        write_array(out, value);
        return;
    case JSON_STRING:
        write_string(out, json_string_value(value), json_string_length(value));
        return;
    case JSON_INTEGER:
        qmp_write_integer(out, json_integer_value(value));
        return;
    case JSON_REAL:
        strbuf_printf(out, "%.17g", json_real_value(value));
        return;
    case JSON_TRUE:
        strbuf_add(out, "true", 4);
        return;
    case JSON_FALSE:
        strbuf_add(out, "false", 5);
        return;
    case JSON_NULL:
        strbuf_add(out, "null", 4);
        return;
    }
    UNREACHABLE();
}
