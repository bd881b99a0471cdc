/* SPDX-License-Identifier: MIT */
/* Flat options and back: see open_private.h. */
#include "base/check.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/open_private.h"
#include "model/qmp/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- nested to flat ---- */

struct flattening {
    json_t *out;
    struct strbuf key;
    struct error *err;
};

static int flatten(struct flattening *f, const json_t *value, int depth);

static int flatten_below(struct flattening *f, const char *name, const json_t *value, int depth)
{
    size_t len = f->key.len;
    strbuf_printf(&f->key, "%s%s", len ? "." : "", name);
    int ret = flatten(f, value, depth + 1);
    f->key.len = len;
    f->key.text[len] = '\0';
    return ret;
}

static int flatten_members(struct flattening *f, const json_t *value, int depth)
{
    const char *name;
    json_t *member;
    size_t i;
    int ret = 0;
    if (json_is_object(value)) {
        json_object_foreach((json_t *)(uintptr_t)value, name, member) {
            ret = ret == 0 ? flatten_below(f, name, member, depth) : ret;
        }
        return ret;
    }
    json_array_foreach(value, i, member) {
        char index[32];
        snprintf(index, sizeof(index), "%zu", i);
        ret = ret == 0 ? flatten_below(f, index, member, depth) : ret;
    }
    return ret;
}

static int flatten(struct flattening *f, const json_t *value, int depth)
{
    bool container = json_is_object(value) || json_is_array(value);
    size_t members = json_is_object(value) ? json_object_size(value) : json_array_size(value);
    if (depth > OPEN_DEPTH_MAX) {
        return error_set(f->err, -ELOOP, "Block graph is more than %d levels deep",
                         OPEN_DEPTH_MAX);
    }
    if (container && (members > 0 || depth == 0)) {
        return flatten_members(f, value, depth);
    }
    if (json_object_size(f->out) >= OPEN_OPTIONS_MAX) {
        return error_set(f->err, -E2BIG, "More than %d options", OPEN_OPTIONS_MAX);
    }
    json_object_set(f->out, strbuf_str(&f->key), (json_t *)(uintptr_t)value);
    return 0;
}

json_t *options_flatten(const json_t *options, struct error *err)
{
    struct flattening f = { .out = json_object(), .err = err };
    if (options && flatten(&f, options, 0) < 0) {
        json_decref(f.out);
        f.out = NULL;
    }
    strbuf_free(&f.key);
    return f.out;
}

/* ---- parts of flat options ---- */

json_t *options_take(json_t *flat, const char *name)
{
    json_t *value = json_incref(json_object_get(flat, name));
    json_object_del(flat, name);
    return value;
}

json_t *options_take_below(json_t *flat, const char *name)
{
    json_t *below = json_object(), *value;
    size_t n = strlen(name);
    const char *key;
    void *next;
    json_object_foreach_safe(flat, next, key, value) {
        if (strncmp(key, name, n) == 0 && key[n] == '.') {
            json_object_set(below, key + n + 1, value);
            json_object_del(flat, key);
        }
    }
    return below;
}

const char *options_str(const json_t *flat, const char *name)
{
    return json_string_value(json_object_get(flat, name));
}

/* ---- flat to nested ---- */

static bool is_index_of(const json_t *object, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char index[32];
        snprintf(index, sizeof(index), "%zu", i);
        if (!json_object_get(object, index)) {
            return false;
        }
    }
    return size > 0;
}

/* Objects whose keys are 0, 1, 2... become arrays, the innermost first. */
static json_t *make_arrays(const json_t *value)
{
    const char *name;
    json_t *member;
    if (!json_is_object(value)) {
        return json_incref((json_t *)(uintptr_t)value);
    }
    json_t *out = json_object();
    json_object_foreach((json_t *)(uintptr_t)value, name, member) {
        json_object_set_new(out, name, make_arrays(member));
    }
    size_t size = json_object_size(out);
    if (!is_index_of(out, size)) {
        return out;
    }
    json_t *array = json_array();
    for (size_t i = 0; i < size; i++) {
        char index[32];
        snprintf(index, sizeof(index), "%zu", i);
        json_array_append(array, json_object_get(out, index));
    }
    json_decref(out);
    return array;
}

static void put_dotted(json_t *at, const char *key, json_t *value)
{
    const char *dot;
    while ((dot = strchr(key, '.')) != NULL) {
        json_t *below = json_object_getn(at, key, (size_t)(dot - key));
        if (!below) {
            below = json_object();
            json_object_setn_new(at, key, (size_t)(dot - key), below);
        }
        if (!json_is_object(below)) {
            return;
        }
        at = below;
        key = dot + 1;
    }
    json_object_set(at, key, value);
}

json_t *options_nest(const json_t *flat)
{
    const char *key;
    json_t *value, *nested = json_object();
    json_object_foreach((json_t *)(uintptr_t)flat, key, value) {
        put_dotted(nested, key, value);
    }
    const char *name;
    json_t *out = json_object();
    json_object_foreach(nested, name, value) {
        json_object_set_new(out, name, make_arrays(value));
    }
    json_decref(nested);
    return out;
}

/* ---- json: ---- */

json_t *options_of_json_name(const char *name, struct error *err)
{
    static const char prefix[] = "json:";
    CHECK(strncmp(name, prefix, strlen(prefix)) == 0);
    name += strlen(prefix);
    struct error parse = ERROR_INIT;
    json_t *value = qmp_read_text(name, strlen(name), &parse);
    if (!value) {
        return error_set(err, -EINVAL, "Could not parse the JSON options: %s", parse.text), NULL;
    }
    json_t *flat = NULL;
    if (json_is_object(value)) {
        flat = options_flatten(value, err);
    } else {
        error_set(err, -EINVAL, "Invalid JSON object given");
    }
    json_decref(value);
    return flat;
}
