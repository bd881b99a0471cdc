/* SPDX-License-Identifier: MIT */
#include "scenarios/pattern.h"

#include "base/check.h"
#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

/* ---- ranges ---- */

static int range_make(const char *offset, const char *bytes, const char *shown, struct range *out,
                      struct error *err)
{
    int64_t from, n;
    if (text_parse_size(offset, &from) != 0 || text_parse_size(bytes, &n) != 0 || n < 1 ||
        from > INT64_MAX - n) {
        return error_set(err, -EINVAL, "'%.200s' is not a range (OFFSET+LENGTH, as 1M+64k)", shown);
    }
    CHECK(from >= 0);
    *out = (struct range){ .offset = (uint64_t)from, .bytes = (uint64_t)n };
    return 0;
}

int range_parse(const char *text, struct range *out, struct error *err)
{
    const char *plus = strchr(text, '+');
    size_t n = plus == NULL ? 0 : (size_t)(plus - text);
    char *offset = mem_strndup(text, n);
    int ret = range_make(offset, plus == NULL ? "" : plus + 1, text, out, err);
    free(offset);
    return ret;
}

int range_parse_words(const char *const *words, size_t n, size_t *used, struct range *out,
                      struct error *err)
{
    if (n == 0) {
        return error_set(err, -EINVAL, "a range is missing (OFFSET+LENGTH, as 1M+64k)");
    }
    int64_t ignored;
    if (n >= 2 && strchr(words[0], '+') == NULL && text_parse_size(words[1], &ignored) == 0) {
        *used = 2;
        char *shown = mem_printf("%.100s %.100s", words[0], words[1]);
        int ret = range_make(words[0], words[1], shown, out, err);
        free(shown);
        return ret;
    }
    *used = 1;
    return range_parse(words[0], out, err);
}

/* ---- byte patterns ---- */

int pattern_parse(const char *text, struct pattern *out, struct error *err)
{
    out->len = 0;
    for (const char *p = text;;) {
        size_t n = strcspn(p, "|");
        char *one = mem_strndup(p, n);
        uint64_t value = 0;
        bool good = text_parse_u64(one, &value) == 0 && value <= 255;
        free(one);
        if (!good) {
            return error_set(err, -EINVAL,
                             "'%.200s' is not a pattern (bytes joined by '|', as 0x11|0x22)", text);
        }
        if (out->len == PATTERN_MAX) {
            return error_set(err, -EINVAL, "a pattern has at most %d bytes", PATTERN_MAX);
        }
        out->at[out->len++] = (uint8_t)value;
        if (p[n] == '\0') {
            return 0;
        }
        p += n + 1;
    }
}

static bool pattern_has(const struct pattern *p, uint8_t byte)
{
    return memchr(p->at, byte, p->len) != NULL;
}

size_t pattern_check(const struct pattern *p, uint64_t offset, uint64_t per, const void *bytes,
                     size_t n)
{
    CHECK(p->len > 0 && p->len <= PATTERN_MAX);
    const uint8_t *b = bytes;
    for (size_t i = 0; i < n;) {
        uint64_t left = per == 0 ? n - i : per - (offset + i) % per;
        size_t piece = left < n - i ? (size_t)left : n - i;
        if (!pattern_has(p, b[i])) {
            return i;
        }
        for (size_t j = 1; j < piece; j++) {
            if (b[i + j] != b[i]) {
                return i + j;
            }
        }
        i += piece;
    }
    return n;
}

/* ---- regular expressions ---- */

enum { REGEX_MAX = 1024, REGEX_REPEAT_MAX = 1000 };

bool regex_is(const char *text)
{
    size_t n = strlen(text);
    return n >= 2 && text[0] == '/' && text[n - 1] == '/';
}

/* The expression between the slashes, "\/" made "/", in a new string. */
static char *regex_body(const char *slashed)
{
    CHECK(regex_is(slashed));
    struct strbuf body = { 0 };
    size_t n = strlen(slashed) - 1;
    for (size_t i = 1; i < n; i++) {
        if (slashed[i] == '\\' && slashed[i + 1] == '/' && i + 1 < n) {
            continue;
        }
        if (slashed[i] == '\\' && i + 1 < n) {
            strbuf_putc(&body, slashed[i++]);
        }
        strbuf_putc(&body, slashed[i]);
    }
    strbuf_puts(&body, "");
    return body.text != NULL ? body.text : mem_strdup("");
}

/* The product of all upper bounds {m,n}: what the compiled expression may grow by. */
static bool regex_repeats_too_much(const char *re)
{
    uint64_t product = 1;
    for (const char *p = re; *p != '\0'; p++) {
        if (*p != '{') {
            continue;
        }
        uint64_t most = 1, value = 0;
        for (p++; isdigit((unsigned char)*p) || *p == ','; p++) {
            value = *p == ',' ? 0 : MIN(value * 10 + (uint64_t)(*p - '0'), REGEX_REPEAT_MAX + 1);
            most = MAX(most, value);
        }
        product *= most;
        if (product > REGEX_REPEAT_MAX) {
            return true;
        }
        p--;
    }
    return false;
}

static int regex_compile(const char *slashed, regex_t *re, struct error *err)
{
    if (!regex_is(slashed)) {
        return error_set(err, -EINVAL, "'%.200s' is not of the form /re/", slashed);
    }
    if (strlen(slashed) > REGEX_MAX) {
        return error_set(err, -EINVAL, "a regular expression has at most %d bytes", REGEX_MAX);
    }
    char *body = regex_body(slashed);
    int ret = 0;
    if (regex_repeats_too_much(body)) {
        ret = error_set(err, -EINVAL, "the regular expression repeats too much");
    } else {
        int code = regcomp(re, body, REG_EXTENDED | REG_NOSUB);
        if (code != 0) {
            char text[128];
            regerror(code, re, text, sizeof(text));
            ret = error_set(err, -EINVAL, "bad regular expression %.200s: %s", slashed, text);
        }
    }
    free(body);
    return ret;
}

int regex_compile_check(const char *slashed, struct error *err)
{
    regex_t re;
    int ret = regex_compile(slashed, &re, err);
    if (ret == 0) {
        regfree(&re);
    }
    return ret;
}

bool regex_match(const char *slashed, const char *text)
{
    regex_t re;
    if (regex_compile(slashed, &re, NULL) != 0) {
        return false;
    }
    bool match = regexec(&re, text, 0, NULL, 0) == 0;
    regfree(&re);
    return match;
}

/* ---- JSON ---- */

json_t *json_text_parse(const char *text, struct error *err)
{
    json_error_t jerr;
    json_t *j = json_loadb(text, strlen(text), JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &jerr);
    if (j == NULL) {
        error_set(err, -EINVAL, "'%.200s' is not JSON: %s", text, jerr.text);
    }
    return j;
}

static void value_show(const json_t *j, struct strbuf *out)
{
    if (j == NULL) {
        strbuf_puts(out, "nothing");
        return;
    }
    char *text = json_dumps(j, JSON_ENCODE_ANY | JSON_COMPACT);
    CHECK(text != NULL);
    if (strlen(text) > 200) {
        strbuf_printf(out, "%.200s...", text);
    } else {
        strbuf_puts(out, text);
    }
    free(text);
}

static bool differs(const char *path, const json_t *want, const json_t *have, struct strbuf *why)
{
    if (why != NULL) {
        strbuf_printf(why, "%s: want ", path);
        value_show(want, why);
        strbuf_puts(why, ", have ");
        value_show(have, why);
    }
    return false;
}

static bool string_matches(const char *want, const char *have)
{
    return strcmp(want, have) == 0 || (regex_is(want) && regex_match(want, have));
}

static bool scalar_equal(const json_t *want, const json_t *have)
{
    if (json_typeof(want) != json_typeof(have)) {
        return false;
    }
    switch (json_typeof(want)) {
    case JSON_STRING:
        return string_matches(json_string_value(want), json_string_value(have));
    case JSON_INTEGER:
        return json_integer_value(want) == json_integer_value(have);
    case JSON_REAL:
        return json_equal(want, have) != 0;
    default:
        return true; /* true, false, null: the type says all. */
    }
}

static bool subset_at(struct strbuf *path, const json_t *want, const json_t *have,
                      struct strbuf *why);

static bool object_subset(struct strbuf *path, const json_t *want, const json_t *have,
                          struct strbuf *why)
{
    size_t len = path->len;
    const char *key;
    json_t *value;
    /* json_object_foreach takes no const object; nothing is changed. */
    json_object_foreach((json_t *)(uintptr_t)want, key, value) {
        strbuf_printf(path, ".%s", key);
        if (!subset_at(path, value, json_object_get(have, key), why)) {
            return false;
        }
        path->len = len;
        path->text[len] = '\0';
    }
    return true;
}

static bool array_subset(struct strbuf *path, const json_t *want, const json_t *have,
                         struct strbuf *why)
{
    size_t len = path->len, n = json_array_size(want);
    if (n != json_array_size(have)) {
        if (why != NULL) {
            strbuf_printf(why, "%s: want %zu elements, have %zu", strbuf_str(path), n,
                          json_array_size(have));
        }
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        strbuf_printf(path, "[%zu]", i);
        if (!subset_at(path, json_array_get(want, i), json_array_get(have, i), why)) {
            return false;
        }
        path->len = len;
        path->text[len] = '\0';
    }
    return true;
}

static bool subset_at(struct strbuf *path, const json_t *want, const json_t *have,
                      struct strbuf *why)
{
    if (json_is_object(want) && json_is_object(have)) {
        return object_subset(path, want, have, why);
    }
    if (json_is_array(want) && json_is_array(have)) {
        return array_subset(path, want, have, why);
    }
    if (have == NULL || !scalar_equal(want, have)) {
        return differs(strbuf_str(path), want, have, why);
    }
    return true;
}

bool json_subset(const json_t *want, const json_t *have, struct strbuf *why)
{
    CHECK(want != NULL);
    struct strbuf path = { 0 };
    strbuf_puts(&path, "return");
    bool same = subset_at(&path, want, have, why);
    strbuf_free(&path);
    return same;
}

int json_subset_check(const json_t *want, struct error *err)
{
    int ret = 0;
    if (json_is_string(want) && regex_is(json_string_value(want))) {
        ret = regex_compile_check(json_string_value(want), err);
    } else if (json_is_array(want)) {
        for (size_t i = 0; i < json_array_size(want) && ret == 0; i++) {
            ret = json_subset_check(json_array_get(want, i), err);
        }
    } else if (json_is_object(want)) {
        void *at = json_object_iter((json_t *)(uintptr_t)want);
        for (; at != NULL && ret == 0;
             at = json_object_iter_next((json_t *)(uintptr_t)want, at)) {
            ret = json_subset_check(json_object_iter_value(at), err);
        }
    }
    return ret;
}
