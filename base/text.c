/* SPDX-License-Identifier: MIT */
/* Text: sizes, durations, nearest matches and a growing string.
 *
 * Sizes follow what qemu-img and qemu-io 7.2 accept: a decimal number with an optional fraction
 * and an optional suffix, or a hexadecimal number with an optional suffix.  A fraction is rounded
 * to the nearest byte, halves upwards, in integer arithmetic, and must be zero where the unit is a
 * byte.  Leading white space and a plus sign are accepted because QEMU accepts them.
 */
#include "base/text.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide;

enum { WORD_MAX = 64, FRACTION_DIGITS = 18 };

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int digit_value(char c, unsigned base)
{
    int v = -1;
    if (c >= '0' && c <= '9') {
        v = c - '0';
    } else if (c >= 'a' && c <= 'f') {
        v = c - 'a' + 10;
    } else if (c >= 'A' && c <= 'F') {
        v = c - 'A' + 10;
    }
    return v >= 0 && (unsigned)v < base ? v : -1;
}

static bool is_hex_prefix(const char *p)
{
    return p[0] == '0' && (p[1] == 'x' || p[1] == 'X') && digit_value(p[2], 16) >= 0;
}

/* Reads digits at *p and steps over them.  Errors: -EINVAL (no digit), -ERANGE (all digits are
 * stepped over even then). */
static int scan_u64(const char **p, unsigned base, uint64_t *value)
{
    const char *s = *p;
    uint64_t v = 0;
    int ret = 0;
    if (digit_value(*s, base) < 0) {
        return -EINVAL;
    }
    for (int d = digit_value(*s, base); d >= 0; d = digit_value(*++s, base)) {
        if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, (uint64_t)d, &v)) {
            ret = -ERANGE;
        }
    }
    *p = s;
    *value = v;
    return ret;
}

/* The digits after a decimal point, in units of 10^-18; what is finer is dropped. */
static uint64_t scan_fraction(const char **p)
{
    const char *s = *p;
    uint64_t v = 0;
    int n = 0;
    for (; *s >= '0' && *s <= '9'; s++) {
        if (n < FRACTION_DIGITS) {
            v = v * 10 + (uint64_t)(*s - '0');
            n++;
        }
    }
    for (; n < FRACTION_DIGITS; n++) {
        v *= 10;
    }
    *p = s;
    return v;
}

/* whole * unit + fraction * unit / 10^18, rounded.  Errors: -ERANGE over 2^63-1. */
static int scale(uint64_t whole, uint64_t fraction, uint64_t unit, int64_t *out)
{
    const uint64_t one = 1000000000000000000u;
    CHECK(fraction < one);
    wide v = (wide)whole * unit + ((wide)fraction * unit + one / 2) / one;
    if (v > INT64_MAX) {
        return -ERANGE;
    }
    *out = (int64_t)v;
    return 0;
}

static int size_shift(char c)
{
    static const char suffixes[] = "bkmgtpe";
    if (c >= 'A' && c <= 'Z') {
        c = (char)(c - 'A' + 'a');
    }
    const char *at = c ? strchr(suffixes, c) : NULL;
    return at ? (int)(at - suffixes) * 10 : -1;
}

int text_parse_size(const char *text, int64_t *bytes)
{
    const char *p = text;
    uint64_t whole, fraction = 0;
    int shift = 0;
    while (is_space(*p)) {
        p++;
    }
    if (*p == '+') {
        p++;
    }
    bool hex = is_hex_prefix(p);
    if (hex) {
        p += 2;
    }
    int ret = scan_u64(&p, hex ? 16 : 10, &whole);
    if (ret == -EINVAL) {
        return ret;
    }
    if (!hex && *p == '.') {
        p++;
        fraction = scan_fraction(&p);
    }
    if (*p) {
        shift = size_shift(*p++);
        if (shift < 0 || *p) {
            return -EINVAL;
        }
    }
    if (shift == 0 && fraction) {
        return -EINVAL;
    }
    return ret ? ret : scale(whole, fraction, (uint64_t)1 << shift, bytes);
}

int text_parse_duration(const char *text, int64_t *ns)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = { { "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 } };
    const char *p = text;
    uint64_t whole, fraction = 0;
    int ret = scan_u64(&p, 10, &whole);
    if (ret == -EINVAL) {
        return ret;
    }
    if (*p == '.' && digit_value(p[1], 10) >= 0) {
        p++;
        fraction = scan_fraction(&p);
    }
    if (!*p && whole == 0 && fraction == 0 && ret == 0) {
        *ns = 0;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcmp(p, units[i].name) == 0) {
            if (units[i].ns == 1 && fraction) {
                return -EINVAL;
            }
            return ret ? ret : scale(whole, fraction, units[i].ns, ns);
        }
    }
    return -EINVAL;
}

int text_parse_u64(const char *text, uint64_t *value)
{
    const char *p = text;
    bool hex = is_hex_prefix(p);
    uint64_t v;
    if (hex) {
        p += 2;
    }
    int ret = scan_u64(&p, hex ? 16 : 10, &v);
    if (*p) {
        return -EINVAL;
    }
    if (ret == 0) {
        *value = v;
    }
    return ret;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool text_is_identifier(const char *text)
{
    if (!is_letter(*text)) {
        return false;
    }
    while (*++text) {
        bool ok = is_letter(*text) || (*text >= '0' && *text <= '9') || *text == '-' ||
                  *text == '.' || *text == '_';
        if (!ok) {
            return false;
        }
    }
    return true;
}

/* Edits (insert, delete, replace, swap of neighbours) that turn a into b; both at most WORD_MAX
 * letters. */
static size_t edit_distance(const char *a, size_t na, const char *b, size_t nb)
{
    size_t row[3][WORD_MAX + 1];
    CHECK(na <= WORD_MAX && nb <= WORD_MAX);
    for (size_t j = 0; j <= nb; j++) {
        row[0][j] = j;
    }
    for (size_t i = 1; i <= na; i++) {
        size_t *cur = row[i % 3], *prev = row[(i - 1) % 3], *prev2 = row[(i + 1) % 3];
        cur[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t d = prev[j - 1] + (a[i - 1] != b[j - 1]);
            d = MIN(d, MIN(prev[j], cur[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                d = MIN(d, prev2[j - 2] + 1);
            }
            cur[j] = d;
        }
    }
    return row[na % 3][nb];
}

const char *text_nearest_of(const char *word, size_t n,
                            const char *(*name)(const void *opaque, size_t i), const void *opaque)
{
    const char *best = NULL;
    size_t best_distance = 0;
    size_t len = strlen(word);
    if (len > WORD_MAX) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        const char *s = name(opaque, i);
        size_t slen = s ? strlen(s) : 0;
        if (!s || slen > WORD_MAX) {
            continue;
        }
        size_t d = edit_distance(word, len, s, slen);
        if (d * 3 <= MAX(len, slen) && (!best || d < best_distance)) {
            best = s;
            best_distance = d;
        }
    }
    return best;
}

static const char *list_name(const void *opaque, size_t i)
{
    const char *const *list = opaque;
    return list[i];
}

const char *text_nearest(const char *word, const char *const *list)
{
    size_t n = 0;
    while (list[n]) {
        n++;
    }
    return text_nearest_of(word, n, list_name, list);
}

static void strbuf_reserve(struct strbuf *b, size_t more)
{
    CHECK(more < SIZE_MAX / 4 && b->len < SIZE_MAX / 4);
    if (b->len + more + 1 > b->cap) {
        b->cap = MAX(b->len + more + 1, MAX(b->cap * 2, (size_t)64));
        b->text = mem_resize(b->text, b->cap);
    }
}

char *strbuf_room(struct strbuf *b, size_t n)
{
    strbuf_reserve(b, n);
    return b->text + b->len;
}

void strbuf_add(struct strbuf *b, const char *bytes, size_t n)
{
    CHECK(bytes != NULL || n == 0);
    strbuf_reserve(b, n);
    if (n) {
        memcpy(b->text + b->len, bytes, n);
    }
    b->len += n;
    b->text[b->len] = '\0';
}

void strbuf_puts(struct strbuf *b, const char *s)
{
    strbuf_add(b, s, strlen(s));
}

void strbuf_putc(struct strbuf *b, char c)
{
    char *at = strbuf_room(b, 1);
    at[0] = c;
    at[1] = '\0';
    b->len++;
}

void strbuf_printf(struct strbuf *b, const char *fmt, ...)
{
    va_list ap;
    strbuf_reserve(b, 64);
    size_t room = b->cap - b->len;
    va_start(ap, fmt);
    int n = vsnprintf(b->text + b->len, room, fmt, ap);
    va_end(ap);
    CHECK(n >= 0);
    if ((size_t)n >= room) {
        strbuf_reserve(b, (size_t)n);
        va_start(ap, fmt);
        vsnprintf(b->text + b->len, (size_t)n + 1, fmt, ap);
        va_end(ap);
    }
    b->len += (size_t)n;
}

const char *strbuf_str(const struct strbuf *b)
{
    return b->text ? b->text : "";
}

void strbuf_free(struct strbuf *b)
{
    free(b->text);
    *b = (struct strbuf){ .text = NULL };
}
