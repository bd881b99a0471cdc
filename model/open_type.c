/* SPDX-License-Identifier: MIT */
/* Options as text ("on", "64k") to what the driver's table says they are.
 *
 * The command line and "json:" names give options that no schema has checked: a value may be text
 * where a number is meant, and it may be the other way round.  What is wrong is told in the words
 * of QEMU's option parser, which are not those of its QMP.
 */
#include "base/check.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/layer_state.h"
#include "model/open_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct typing {
    const struct layer *l;
    struct error *err;
};

static json_t *type_value(const struct typing *t, const struct schema_type *type,
                          const char *name, json_t *value);

/* Numbers that QEMU's tables have as sizes, which take suffixes and are not negative. */
static bool is_size(const char *name)
{
    static const char *const ends[] = { "size", "offset", "align", "transfer", "zero", "discard" };
    size_t len = strlen(name);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        size_t n = strlen(ends[i]);
        if (len >= n && strcmp(name + len - n, ends[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* The scalar as text: what QEMU keeps of it. */
static char *text_of(const json_t *value)
{
    if (json_is_string(value)) {
        return mem_strdup(json_string_value(value));
    }
    if (json_is_boolean(value)) {
        return mem_strdup(json_is_true(value) ? "on" : "off");
    }
    if (json_is_integer(value)) {
        return mem_printf("%lld", (long long)json_integer_value(value));
    }
    return NULL;
}

static json_t *type_bool(const struct typing *t, const char *name, const char *text)
{
    static const char *const yes[] = { "on", "yes", "true", "y" };
    static const char *const no[] = { "off", "no", "false", "n" };
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
            return json_boolean(strcmp(text, yes[i]) == 0);
        }
    }
    error_set(t->err, -EINVAL, "Parameter '%s' expects 'on' or 'off'", name);
    return NULL;
}

static json_t *type_integer(const struct typing *t, const char *name, const char *text)
{
    int64_t bytes;
    if (is_size(name)) {
        if (text_parse_size(text, &bytes) == 0) {
            return json_integer(bytes);
        }
        error_set(t->err, -EINVAL, "Parameter '%s' expects a non-negative number below 2^64",
                  name);
        return NULL;
    }
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 0);
    if (end == text || *end || errno) {
        error_set(t->err, -EINVAL, "Parameter '%s' expects a number", name);
        return NULL;
    }
    return json_integer(value);
}

static json_t *type_enum(const struct typing *t, const struct schema_type *type, const char *text)
{
    const char *value;
    for (size_t i = 0; (value = schema_enum_value(t->l->drivers, type, i)) != NULL; i++) {
        if (strcmp(value, text) == 0) {
            return json_string(text);
        }
    }
    error_set(t->err, -EINVAL, "invalid parameter value: %s", text);
    return NULL;
}

/* Unlike the QAPI type it has short forms. */
static json_t *type_discard(const struct typing *t, const char *text)
{
    if (strcmp(text, "on") == 0 || strcmp(text, "unmap") == 0) {
        return json_string("unmap");
    }
    if (strcmp(text, "off") == 0 || strcmp(text, "ignore") == 0) {
        return json_string("ignore");
    }
    error_set(t->err, -EINVAL, "Invalid discard option");
    return NULL;
}

static json_t *type_scalar(const struct typing *t, const struct schema_type *type,
                           const char *name, const json_t *value)
{
    char *text = text_of(value);
    json_t *out = NULL;
    if (!text) {
        error_set(t->err, -EINVAL, "Invalid parameter type for '%s'", name);
        return NULL;
    }
    switch (type->kind) {
    case SCHEMA_BOOL:
        out = type_bool(t, name, text);
        break;
    case SCHEMA_INT:
    case SCHEMA_SIZE:
    case SCHEMA_NUMBER:
        out = type_integer(t, name, text);
        break;
    case SCHEMA_ENUM:
        out = type == &schema_discard ? type_discard(t, text) : type_enum(t, type, text);
        break;
    case SCHEMA_STR:
        out = json_string(text);
        break;
    default:
        error_set(t->err, -EINVAL, "Invalid parameter type for '%s'", name);
    }
    free(text);
    return out;
}

static bool is_child(const struct schema_type *type)
{
    return type == &schema_blockdev_ref || type == &schema_blockdev_ref_or_null;
}

static json_t *type_list(const struct typing *t, const struct schema_type *type, const char *name,
                         json_t *value)
{
    json_t *out = json_array(), *member;
    size_t i;
    if (!json_is_array(value)) {
        error_set(t->err, -EINVAL, "Parameters '%s.*' are no list", name);
        json_decref(out);
        return NULL;
    }
    json_array_foreach(value, i, member) {
        char *index = mem_printf("%s.%zu", name, i);
        json_t *typed = type_value(t, type->element, index, member);
        free(index);
        if (!typed) {
            json_decref(out);
            return NULL;
        }
        json_array_append_new(out, typed);
    }
    return out;
}

/* The last part of a dotted name says what kind of number it is. */
static json_t *type_struct(const struct typing *t, const struct schema_type *type,
                           const char *name, json_t *value)
{
    json_t *words = json_object(), *typed = NULL, *member;
    const char *key;
    json_object_foreach(value, key, member) {
        const struct schema_member *m = type->members;
        while (m && m->name && strcmp(m->name, key) != 0) {
            m++;
        }
        char *path = mem_printf("%s.%s", name, key);
        json_t *one = m && m->name ? type_value(t, m->type, path, member) : json_incref(member);
        free(path);
        if (!one) {
            json_decref(words);
            return NULL;
        }
        json_object_set_new(words, key, one);
    }
    typed = schema_type_words(t->l->drivers, type, words, t->err);
    json_decref(words);
    if (typed && schema_check(t->l->drivers, type, name, typed, t->err) < 0) {
        json_decref(typed);
        typed = NULL;
    }
    return typed;
}

/* Text is the first of the alternatives that is no container, anything else what it looks like. */
static json_t *type_alternate(const struct typing *t, const struct schema_type *type,
                              const char *name, json_t *value)
{
    for (size_t i = 0; type->alternatives[i]; i++) {
        const struct schema_type *one = type->alternatives[i];
        bool container = one->kind == SCHEMA_STRUCT || one->kind == SCHEMA_UNION ||
                         one->kind == SCHEMA_ARRAY;
        if (one->kind != SCHEMA_NULL &&
            container == (json_is_object(value) || json_is_array(value))) {
            return type_value(t, one, name, value);
        }
    }
    error_set(t->err, -EINVAL, "Invalid parameter type for '%s'", name);
    return NULL;
}

static json_t *type_value(const struct typing *t, const struct schema_type *type,
                          const char *name, json_t *value)
{
    if (is_child(type)) {
        return json_incref(value); /* Whoever opens the child knows its options. */
    }
    switch (type->kind) {
    case SCHEMA_ARRAY:
        return type_list(t, type, name, value);
    case SCHEMA_ALTERNATE:
        return type_alternate(t, type, name, value);
    case SCHEMA_STRUCT:
    case SCHEMA_UNION:
        if (json_is_object(value)) {
            return type_struct(t, type, name, value);
        }
        /* fall through */
    default:
        return type_scalar(t, type, name, value);
    }
}

/* What flat has of one member: its value, or what lies below it, nested.  NULL: nothing. */
static json_t *take_member(json_t *flat, const struct schema_member *m, struct error *err)
{
    json_t *value = options_take(flat, m->name);
    json_t *below = options_take_below(flat, m->name);
    json_t *out = NULL;
    bool more = json_object_size(below) > 0;
    if (value && more && is_child(m->type)) {
        error_set(err, -EINVAL, "Cannot reference an existing block device with additional options "
                                "or a new filename");
    } else if (value) {
        const char *key;
        json_t *other;
        out = json_incref(value);
        json_object_foreach(below, key, other) { /* Not known: back it goes. */
            char *dotted = mem_printf("%s.%s", m->name, key);
            json_object_set(flat, dotted, other);
            free(dotted);
        }
    } else if (more) {
        json_t *wrap = json_object(), *nested;
        const char *key;
        json_t *other;
        json_object_foreach(below, key, other) {
            char *dotted = mem_printf("m.%s", key);
            json_object_set(wrap, dotted, other);
            free(dotted);
        }
        nested = options_nest(wrap);
        out = json_incref(json_object_get(nested, "m"));
        json_decref(nested);
        json_decref(wrap);
    }
    json_decref(value);
    json_decref(below);
    return out;
}

/* Members of a structure that it does not know go back, so that they are told as not supported. */
static void give_back_unknown(json_t *flat, const struct schema_member *m, json_t *value)
{
    const char *key;
    json_t *member;
    void *next;
    if (m->type->kind != SCHEMA_STRUCT || !json_is_object(value)) {
        return;
    }
    json_object_foreach_safe(value, next, key, member) {
        const struct schema_member *k = m->type->members;
        while (k && k->name && strcmp(k->name, key) != 0) {
            k++;
        }
        if (!k || !k->name) {
            char *dotted = mem_printf("%s.%s", m->name, key);
            json_object_set(flat, dotted, member);
            free(dotted);
            json_object_del(value, key);
        }
    }
}

static int type_members(const struct typing *t, const struct schema_member *m, json_t *flat,
                        json_t *out)
{
    for (; m && m->name; m++) {
        struct error clash = ERROR_INIT;
        json_t *value = take_member(flat, m, &clash);
        if (clash.code) {
            bool backing = strcmp(m->name, "backing") == 0;
            return error_set(t->err, clash.code, "%s%s",
                             backing ? "Could not open backing file: " : "", clash.text);
        }
        if (!value) {
            continue;
        }
        json_t *copy = json_deep_copy(value);
        bool nothing = json_is_object(value) && json_object_size(value) == 0;
        json_decref(value);
        give_back_unknown(flat, m, copy);
        if (json_is_object(copy) && json_object_size(copy) == 0 && !is_child(m->type)) {
            if (nothing) {
                json_object_set(out, m->name, copy); /* node_open says what it is worth. */
            }
            json_decref(copy);
            continue;
        }
        json_t *typed = type_value(t, m->type, m->name, copy);
        json_decref(copy);
        if (!typed) {
            return -EINVAL;
        }
        json_object_set_new(out, m->name, typed);
    }
    return 0;
}

int options_type(const struct layer *l, const struct blk_driver *drv, json_t *flat, json_t *out,
                 struct error *err)
{
    struct typing t = { .l = l, .err = err };
    CHECK(drv && json_is_object(flat) && json_is_object(out));
    int ret = type_members(&t, schema_blockdev_options.members, flat, out);
    return ret < 0 ? ret : type_members(&t, drv->options, flat, out);
}
