/* SPDX-License-Identifier: MIT */
/* -object in words: what QEMU reads with its option visitor, whose texts are its own and which
 * knows no structures ("limits.iops-total" is for JSON).  (Behaviour of the installed QEMU 7.2.) */
#include "base/mem.h"
#include "model/cmdline_private.h"
#include "model/layer_state.h"
#include "model/object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static json_t *visit_integer(const char *name, const char *text, struct error *err)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 0);
    if (end == text || *end || errno) {
        return error_set(err, -EINVAL, "Parameter '%s' expects an int64 value", name), NULL;
    }
    return json_integer(value);
}

static json_t *visit_bool(const char *name, const char *text, struct error *err)
{
    static const char *const words[] = { "on", "yes", "true", "y", "off", "no", "false", "n" };
    size_t i = 0;
    while (i < ARRAY_LEN(words) && strcmp(words[i], text) != 0) {
        i++;
    }
    if (i == ARRAY_LEN(words)) {
        return error_set(err, -EINVAL, "Parameter '%s' expects 'on' or 'off'", name), NULL;
    }
    return json_boolean(i < ARRAY_LEN(words) / 2);
}

static bool is_container(const struct schema_type *type)
{
    return type->kind == SCHEMA_STRUCT || type->kind == SCHEMA_UNION || type->kind == SCHEMA_ARRAY;
}

/* Takes the members of a table out of the words, typed. */
static int visit_members(const struct schema_member *m, json_t *words, json_t *out,
                         struct error *err)
{
    for (; m && m->name; m++) {
        const char *text = json_string_value(json_object_get(words, m->name));
        json_t *value;
        if (!text || is_container(m->type)) {
            continue;
        }
        if (m->type->kind == SCHEMA_BOOL) {
            value = visit_bool(m->name, text, err);
        } else if (m->type->kind == SCHEMA_INT || m->type->kind == SCHEMA_SIZE) {
            value = visit_integer(m->name, text, err);
        } else {
            value = json_string(text);
        }
        if (!value) {
            return -EINVAL;
        }
        json_object_set_new(out, m->name, value);
        json_object_del(words, m->name);
    }
    return 0;
}

static int visit_object(struct layer *l, json_t *words, json_t *out, struct error *err)
{
    const struct schema_type *type = &schema_object_options;
    const char *key;
    json_t *value;
    int ret = visit_members(type->members, words, out, err);
    const char *tag = json_string_value(json_object_get(out, type->discriminator));
    if (ret == 0 && tag) {
        ret = visit_members(type->branch(l->drivers, tag), words, out, err);
    }
    if (ret == 0) {
        ret = schema_check(l->drivers, type, "", out, err);
    }
    json_object_foreach(words, key, value) {
        return ret < 0 ? ret : error_set(err, -EINVAL, "Invalid parameter '%s'", key);
    }
    return ret;
}

json_t *object_words_parse(struct layer *l, const char *text, struct error *err)
{
    json_t *words = optstr_parse(l, text, "qom-type", err), *out = json_object();
    if (!words || visit_object(l, words, out, err) < 0) {
        json_decref(out);
        out = NULL;
    }
    json_decref(words);
    return out;
}
