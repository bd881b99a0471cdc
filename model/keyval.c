/* SPDX-License-Identifier: MIT */
/* "key=value,key=value": see cmdline_private.h.  (Behaviour of the installed QEMU 7.2.) */
#include "base/mem.h"
#include "base/text.h"
#include "model/cmdline_private.h"
#include "model/layer_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The value at p up to a single comma, ",," being one; *p moves behind it.  New. */
static char *take_value(const char **p)
{
    struct strbuf out = { 0 };
    const char *s = *p;
    while (*s && (*s != ',' || s[1] == ',')) {
        s += *s == ',';
        strbuf_putc(&out, *s++);
    }
    *p = *s ? s + 1 : s;
    return out.text ? out.text : mem_strdup("");
}

static bool is_help(const char *word, size_t n)
{
    return (n == 4 && strncmp(word, "help", n) == 0) || (n == 1 && *word == '?');
}

/* ---- -blockdev ---- */

static int take_keyval(const char **p, const char *implied, json_t *out, struct error *err)
{
    size_t n = strcspn(*p, "=,");
    char *key, *value;
    if ((*p)[n] != '=' && is_help(*p, n)) {
        return error_set(err, -EINVAL, "Help is not available for this option");
    }
    if ((*p)[n] == '=') {
        key = mem_strndup(*p, n);
        *p += n + 1;
    } else if (implied) {
        key = mem_strdup(implied);
    } else {
        return error_set(err, -EINVAL, "Expected '=' after parameter '%.*s'", (int)n, *p);
    }
    value = take_value(p);
    int ret = schema_put_word(out, key, value, err);
    free(key);
    free(value);
    return ret;
}

json_t *keyval_parse(const char *text, const char *implied, struct error *err)
{
    json_t *out = json_object();
    int ret = 0;
    for (const char *p = text; *p && ret == 0; implied = NULL) {
        ret = take_keyval(&p, implied, out, err);
    }
    if (ret < 0) {
        json_decref(out);
        return NULL;
    }
    return out;
}

/* ---- -drive, -device, -object ---- */

static void take_flag(struct layer *l, const char *word, char **key, char **value)
{
    bool off = strncmp(word, "no", 2) == 0;
    *key = mem_strdup(off ? word + 2 : word);
    *value = mem_strdup(off ? "off" : "on");
    layer_warn(l, "warning: short-form boolean option '%s' deprecated\nPlease use %s=%s instead",
               word, *key, *value);
}

static int put_text(json_t *out, const char *key, const char *value, struct error *err)
{
    bool kept = strcmp(key, "id") == 0 && json_object_get(out, key);
    json_t *text = json_string(value);
    if (!text || (!kept && json_object_set(out, key, text) < 0)) {
        json_decref(text);
        return error_set(err, -EINVAL, "An option is not UTF-8");
    }
    json_decref(text);
    return 0;
}

json_t *optstr_parse(struct layer *l, const char *text, const char *implied, struct error *err)
{
    json_t *out = json_object();
    int ret = 0;
    for (const char *p = text; *p && ret == 0; implied = NULL) {
        size_t n = strcspn(p, "=,");
        char *key, *value;
        if (p[n] == '=') {
            key = mem_strndup(p, n);
            p += n + 1;
            value = take_value(&p);
        } else if (implied) {
            key = mem_strdup(implied);
            value = take_value(&p);
        } else {
            char *word = take_value(&p);
            take_flag(l, word, &key, &value);
            free(word);
        }
        ret = put_text(out, key, value, err);
        free(key);
        free(value);
    }
    if (ret < 0) {
        json_decref(out);
        return NULL;
    }
    return out;
}
