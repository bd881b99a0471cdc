/* SPDX-License-Identifier: MIT */
/* The check of a value against a type.
 *
 * One pass in the order of the tables, and the first error ends it: base members, the members of
 * the branch, then what is left over.  That order decides which of several errors is reported, and
 * is QEMU's.
 *
 * QEMU names a value by its whole path in some messages ("cache.direct", "inject-error[0].event")
 * and only by its last part in others (enums, alternates, ranges), where an element of an array has
 * no name and shows as "null".  place_path and place_name are these two.
 */
#include "model/schema.h"
#include "model/schema_keys.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/driver.h"
#include "model/object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- Builtin types ---- */

const struct schema_type schema_str = { .name = "str", .kind = SCHEMA_STR };
const struct schema_type schema_bool = { .name = "bool", .kind = SCHEMA_BOOL };
const struct schema_type schema_int = { .name = "int", .kind = SCHEMA_INT };
const struct schema_type schema_int32 = { .name = "int32", .kind = SCHEMA_INT };
const struct schema_type schema_uint8 = { .name = "uint8", .kind = SCHEMA_INT };
const struct schema_type schema_uint16 = { .name = "uint16", .kind = SCHEMA_INT };
const struct schema_type schema_uint32 = { .name = "uint32", .kind = SCHEMA_INT };
const struct schema_type schema_uint64 = { .name = "uint64", .kind = SCHEMA_INT };
const struct schema_type schema_size = { .name = "size", .kind = SCHEMA_SIZE };
const struct schema_type schema_number = { .name = "number", .kind = SCHEMA_NUMBER };
const struct schema_type schema_null = { .name = "null", .kind = SCHEMA_NULL };
const struct schema_type schema_any = { .name = "any", .kind = SCHEMA_ANY };

const char *schema_enum_value(const struct blk_driver *const *drivers,
                              const struct schema_type *type, size_t i)
{
    CHECK(type->kind == SCHEMA_ENUM && (type->values || type->value_at));
    if (type->value_at) {
        return type->value_at(drivers, i);
    }
    return type->values[i];
}

/* ---- Where a value stands ---- */

struct place {
    const struct place *up; /* NULL: the root, whose name may be "". */
    const char *name;       /* NULL: an element of an array. */
    size_t index;
};

struct check {
    const struct blk_driver *const *drivers;
    struct error *err;
};

/* The members that lead to at, outermost first. */
static void place_path(const struct place *at, struct strbuf *out)
{
    size_t depth = 0, n = 0;
    const struct place **chain;

    for (const struct place *p = at; p; p = p->up) {
        depth++;
    }
    chain = NEW_ARRAY(const struct place *, depth);
    for (const struct place *p = at; p; p = p->up) {
        chain[depth - ++n] = p;
    }
    for (size_t i = 0; i < depth; i++) {
        if (!chain[i]->name) {
            strbuf_printf(out, "[%zu]", chain[i]->index);
        } else if (*chain[i]->name) {
            strbuf_printf(out, "%s%s", out->len ? "." : "", chain[i]->name);
        }
    }
    free(chain);
}

/* The last part alone. */
static const char *place_name(const struct place *at)
{
    return at->name ? at->name : "null";
}

/* Fails with the path of the place between two texts. */
static int fail_at(const struct check *c, const struct place *at, const char *before,
                   const char *after)
{
    struct strbuf path = { 0 };

    place_path(at, &path);
    error_set(c->err, -EINVAL, "%s'%s'%s", before, strbuf_str(&path), after);
    strbuf_free(&path);
    return -EINVAL;
}

/* expected: ", expected: TYPE" */
static int fail_type(const struct check *c, const struct place *at, const char *expected)
{
    return fail_at(c, at, "Invalid parameter type for ", expected);
}

/* ---- Scalars ---- */

static int check_integer(const struct check *c, const struct schema_type *type,
                         const struct place *at, const json_t *value)
{
    static const struct {
        const char *name, *range_name;
        json_int_t min, max;
    } ranges[] = {
        { "int8", "int8_t", INT8_MIN, INT8_MAX },     { "int16", "int16_t", INT16_MIN, INT16_MAX },
        { "int32", "int32_t", INT32_MIN, INT32_MAX }, { "uint8", "uint8_t", 0, UINT8_MAX },
        { "uint16", "uint16_t", 0, UINT16_MAX },      { "uint32", "uint32_t", 0, UINT32_MAX },
    };
    bool is_unsigned = type->kind == SCHEMA_SIZE || *type->name == 'u';

    if (!json_is_integer(value)) {
        return is_unsigned ? fail_at(c, at, "Parameter ", " expects uint64")
                           : fail_type(c, at, ", expected: integer");
    }
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        json_int_t v = json_integer_value(value);

        if (!strcmp(type->name, ranges[i].name) && (v < ranges[i].min || v > ranges[i].max)) {
            return error_set(c->err, -EINVAL, "Parameter '%s' expects %s", place_name(at),
                             ranges[i].range_name);
        }
    }
    return 0;
}

/* A driver or object type of QEMU that is not among ours is told from a word that is none. */
static int fail_enum(const struct check *c, const struct schema_type *type, const struct place *at,
                     const char *text)
{
    if (type == schema_blockdev_options.members[0].type && schema_driver_is_known(text)) {
        return error_set(c->err, -EINVAL, "Driver '%s' is not available in blksim", text);
    }
    if (type == schema_object_options.members[0].type && object_type_is_known(text)) {
        return error_set(c->err, -EINVAL, "Object type '%s' is not available in blksim", text);
    }
    for (size_t i = 0; type->elsewhere && type->elsewhere[i]; i++) {
        if (!strcmp(type->elsewhere[i], text)) {
            return error_set(c->err, -EINVAL, "Parameter '%s': '%s' is not available in blksim",
                             place_name(at), text);
        }
    }
    return error_set(c->err, -EINVAL, "Parameter '%s' does not accept value '%s'", place_name(at),
                     text);
}

static int check_enum(const struct check *c, const struct schema_type *type,
                      const struct place *at, const json_t *value)
{
    const char *text = json_string_value(value), *known;

    if (!text) {
        return fail_type(c, at, ", expected: string");
    }
    for (size_t i = 0; (known = schema_enum_value(c->drivers, type, i)); i++) {
        if (!strcmp(text, known) && json_string_length(value) == strlen(known)) {
            return 0;
        }
    }
    return fail_enum(c, type, at, text);
}

/* ---- Structures ---- */

static int check_value(const struct check *c, const struct schema_type *type,
                       const struct place *at, const json_t *value);

static int check_members(const struct check *c, const struct schema_member *members,
                         const struct place *at, const json_t *object)
{
    struct schema_keys keys;

    schema_keys_init(&keys, object);
    for (const struct schema_member *m = members; m && m->name; m++) {
        const json_t *value = schema_keys_get(&keys, m->name);
        struct place below = { .up = at, .name = m->name };
        int ret = 0;

        if (value) {
            ret = check_value(c, m->type, &below, value);
        } else if (!(m->flags & MEMBER_OPTIONAL)) {
            ret = fail_at(c, &below, "Parameter ", " is missing");
        }
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

static bool has_member(const struct schema_member *members, const char *name, size_t n)
{
    for (const struct schema_member *m = members; m && m->name; m++) {
        if (strlen(m->name) == n && !memcmp(m->name, name, n)) {
            return true;
        }
    }
    return false;
}

static int check_leftovers(const struct check *c, const struct schema_type *type,
                           const struct schema_member *branch, const struct place *at,
                           const json_t *object)
{
    const char *key;
    size_t n;
    json_t *value;

    json_object_keylen_foreach((json_t *)(uintptr_t)object, key, n, value) {
        if (!has_member(type->members, key, n) && !has_member(branch, key, n)) {
            struct place below = { .up = at, .name = key };

            return fail_at(c, &below, "Parameter ", " is unexpected");
        }
    }
    return 0;
}

static int check_struct(const struct check *c, const struct schema_type *type,
                        const struct place *at, const json_t *value)
{
    const struct schema_member *branch = NULL;
    int ret;

    if (!json_is_object(value)) {
        return fail_type(c, at, ", expected: object");
    }
    ret = check_members(c, type->members, at, value);
    if (ret < 0) {
        return ret;
    }
    if (type->kind == SCHEMA_UNION) {
        const char *tag = json_string_value(json_object_get(value, type->discriminator));

        CHECK(tag && type->branch);
        branch = type->branch(c->drivers, tag);
        ret = check_members(c, branch, at, value);
        if (ret < 0) {
            return ret;
        }
    }
    return check_leftovers(c, type, branch, at, value);
}

static int check_array(const struct check *c, const struct schema_type *type,
                       const struct place *at, const json_t *value)
{
    if (!json_is_array(value)) {
        return fail_type(c, at, ", expected: array");
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        struct place below = { .up = at, .index = i };
        int ret = check_value(c, type->element, &below, json_array_get(value, i));

        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

/* True when a value of this JSON type is one of the kind. */
static bool kind_takes(enum schema_kind kind, const json_t *value)
{
    switch (kind) {
    case SCHEMA_STR:
    case SCHEMA_ENUM:
        return json_is_string(value);
    case SCHEMA_BOOL:
        return json_is_boolean(value);
    case SCHEMA_INT:
    case SCHEMA_SIZE:
        return json_is_integer(value);
    case SCHEMA_NUMBER:
        return json_is_number(value);
    case SCHEMA_NULL:
        return json_is_null(value);
    case SCHEMA_STRUCT:
    case SCHEMA_UNION:
        return json_is_object(value);
    case SCHEMA_ARRAY:
        return json_is_array(value);
    default:
        return false;
    }
}

/* The alternative that takes the value, or NULL. */
static const struct schema_type *pick_alternative(const struct schema_type *type,
                                                  const json_t *value)
{
    for (size_t i = 0; type->alternatives[i]; i++) {
        if (kind_takes(type->alternatives[i]->kind, value)) {
            return type->alternatives[i];
        }
    }
    return NULL;
}

static int check_value(const struct check *c, const struct schema_type *type,
                       const struct place *at, const json_t *value)
{
    CHECK(type && value);
    if (type->kind == SCHEMA_ALTERNATE) {
        const struct schema_type *one = pick_alternative(type, value);

        if (!one) {
            return error_set(c->err, -EINVAL, "Invalid parameter type for '%s', expected: %s",
                             place_name(at), type->name);
        }
        type = one;
    }
    switch (type->kind) {
    case SCHEMA_STR:
        return json_is_string(value) ? 0 : fail_type(c, at, ", expected: string");
    case SCHEMA_BOOL:
        return json_is_boolean(value) ? 0 : fail_type(c, at, ", expected: boolean");
    case SCHEMA_INT:
    case SCHEMA_SIZE:
        return check_integer(c, type, at, value);
    case SCHEMA_NUMBER:
        return json_is_number(value) ? 0 : fail_type(c, at, ", expected: number");
    case SCHEMA_NULL:
        return json_is_null(value) ? 0 : fail_type(c, at, ", expected: null");
    case SCHEMA_ANY:
        return 0;
    case SCHEMA_ENUM:
        return check_enum(c, type, at, value);
    case SCHEMA_STRUCT:
    case SCHEMA_UNION:
        return check_struct(c, type, at, value);
    case SCHEMA_ARRAY:
        return check_array(c, type, at, value);
    case SCHEMA_ALTERNATE:
        break; /* An alternative is never one itself. */
    }
    UNREACHABLE();
}

int schema_check(const struct blk_driver *const *drivers, const struct schema_type *type,
                 const char *path, const json_t *value, struct error *err)
{
    struct check c = { .drivers = drivers, .err = err };
    struct place root = { .name = path };

    return check_value(&c, type, &root, value);
}
