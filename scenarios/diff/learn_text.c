/* SPDX-License-Identifier: MIT */
/* Texts and values as words of a script.
 *
 * What varies from run to run becomes a piece of a regular expression, the rest is escaped:
 *
 *   #block123          automatic node names
 *   /var/tmp/vl.Ab3xYz temporary files
 *   DIR/               the folder in which the program ran
 */
#include "scenarios/diff/learn_private.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/pattern.h"
#include "scenarios/script_lex.h"
#include "scenarios/subst.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of an expression; a longer text is matched by its beginning. */
enum { RE_MAX = 900 };

/* Length of what varies at p, with the expression that stands for it; 0: nothing does. */
static size_t varies_at(const char *p, const char *dir, const char **re)
{
    static const char block[] = "#block", vl[] = "/vl.";
    size_t n = strlen(block);
    if (strncmp(p, block, n) == 0 && p[n] >= '0' && p[n] <= '9') {
        *re = "#block[0-9]+";
        return n + strspn(p + n, "0123456789");
    }
    n = strlen(vl);
    if (strncmp(p, vl, n) == 0) {
        size_t name = 0;
        while (isalnum((unsigned char)p[n + name])) {
            name++;
        }
        *re = "\\/vl\\.[A-Za-z0-9]+";
        return name == 6 ? n + name : 0;
    }
    n = dir == NULL ? 0 : strlen(dir);
    if (n > 1 && strncmp(p, dir, n) == 0) {
        *re = ".*";
        return n;
    }
    return 0;
}

static void put_escaped(const char *p, size_t n, struct strbuf *out)
{
    unsigned char c = (unsigned char)*p;
    if (c < 0x20 || c == 0x7f) {
        strbuf_putc(out, '.'); /* No such character in a script, nor a newline in an expression. */
    } else if (strchr("\\/^$.[]()|*+?{}", *p) != NULL) {
        strbuf_printf(out, "\\%c", *p);
    } else {
        strbuf_add(out, p, n);
    }
}

/* The body of an expression for text, without slashes.  True: something in the text varies. */
static bool put_pattern(const char *text, const char *dir, bool whole, struct strbuf *out)
{
    bool varies = false;
    const char *end = text + strlen(text), *re;
    strbuf_puts(out, whole ? "^" : "");
    for (const char *p = text; *p != '\0';) {
        size_t n = varies_at(p, dir, &re);
        if (out->len > RE_MAX) {
            return varies;
        }
        if (n > 0) {
            varies = true;
            strbuf_puts(out, re);
        } else {
            size_t utf8 = lex_utf8_len(p, (size_t)(end - p));
            n = MAX(utf8, 1);
            put_escaped(utf8 > 0 ? p : "\n", n, out);
        }
        p += n;
    }
    strbuf_puts(out, whole ? "$" : "");
    return varies;
}

static struct script_word word_of(char *text, enum word_form form)
{
    CHECK(text != NULL);
    return (struct script_word){ .text = text, .raw = mem_strdup(text), .form = form };
}

/* Text such that replacing ${} gives it back. */
static char *escaped(const char *text)
{
    struct strbuf out = { 0 };
    subst_escape(text, strlen(text), &out);
    return out.text != NULL ? out.text : mem_strdup("");
}

struct script_word learn_word_text(const char *text, const char *dir, bool whole)
{
    struct strbuf re = { 0 };
    if (!put_pattern(text, dir, whole, &re)) {
        strbuf_free(&re);
        return word_of(escaped(text), WORD_QUOTED);
    }
    struct script_word w = word_of(mem_printf("/%s/", re.text), WORD_REGEX);
    strbuf_free(&re);
    return w;
}

struct script_word learn_word_bare(const char *text)
{
    return word_of(escaped(text), WORD_BARE);
}

struct script_word learn_word_json(const json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY);
    CHECK(text != NULL);
    /* What no script may have in it. */
    if (strchr(text, 0x7f) != NULL) {
        free(text);
        text = json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    }
    char *word = escaped(text);
    free(text);
    return word_of(word, WORD_JSON);
}

/* The string as a pattern when it varies, or would be taken for one; or NULL. */
static char *string_pattern(const char *text, const char *dir)
{
    struct strbuf re = { 0 };
    bool varies = put_pattern(text, dir, true, &re);
    char *pattern = varies || regex_is(text) ? mem_printf("/%s/", re.text) : NULL;
    strbuf_free(&re);
    return pattern;
}

json_t *learn_json_patterns(const json_t *value, const char *dir)
{
    json_t *copy, *member;
    const char *key;
    size_t i;
    if (json_is_string(value)) {
        char *pattern = string_pattern(json_string_value(value), dir);
        copy = json_string(pattern != NULL ? pattern : json_string_value(value));
        free(pattern);
        return copy;
    }
    if (json_is_array(value)) {
        copy = json_array();
        json_array_foreach((json_t *)(uintptr_t)value, i, member) {
            json_array_append_new(copy, learn_json_patterns(member, dir));
        }
        return copy;
    }
    if (!json_is_object(value)) {
        return json_deep_copy(value);
    }
    copy = json_object();
    json_object_foreach((json_t *)(uintptr_t)value, key, member) {
        json_object_set_new(copy, key, learn_json_patterns(member, dir));
    }
    return copy;
}

static char *scalar_text(const json_t *value, const char *dir)
{
    switch (json_typeof(value)) {
    case JSON_STRING: {
        char *pattern = string_pattern(json_string_value(value), dir);
        return pattern != NULL ? pattern : mem_strdup(json_string_value(value));
    }
    case JSON_INTEGER:
        return mem_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    case JSON_TRUE:
        return mem_strdup("true");
    case JSON_FALSE:
        return mem_strdup("false");
    case JSON_NULL:
        return mem_strdup("null");
    default:
        return NULL;
    }
}

struct script_word learn_word_member(const char *key, const json_t *value, const char *dir)
{
    struct strbuf out = { 0 };
    char *text = scalar_text(value, dir);
    if (text != NULL) {
        strbuf_printf(&out, "%s=", key);
        subst_escape(text, strlen(text), &out);
        free(text);
        return word_of(out.text, WORD_BARE);
    }
    json_t *patterns = learn_json_patterns(value, dir);
    struct script_word json = learn_word_json(patterns);
    strbuf_printf(&out, "%s:=%s", key, json.text);
    script_word_fini(&json);
    json_decref(patterns);
    return word_of(out.text, WORD_JSON);
}
