/* SPDX-License-Identifier: MIT */
/* query-qmp-schema: the tables as SchemaInfo.
 *
 * The commands come first, then every type that they reach, each once, in the order in which it is
 * first used.  A type is known by its name: two tables of one name are one type.  Integers of any
 * width are "int".  An array is called "[ELEMENT]", the branch of a union "UNION.VALUE", and what
 * has no members "q_empty".
 * (QEMU qapi/introspect.json; shapes as in the reply of the 7.2 program.)
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/driver.h"
#include "model/layer_state.h"
#include "model/qmp/commands.h"

#include <stdlib.h>
#include <string.h>

/* A type that is used: either type, or the members of a branch. */
struct used_type {
    char *name;
    const struct schema_type *type;
    const struct schema_member *members;
    const char *const *features; /* Of such members. */
};

struct introspect {
    const struct blk_driver *const *drivers;
    struct used_type *used;
    size_t len, cap;
    json_t *out;
};

/* ---- Types in use ---- */

/* Takes name; returns it as it is kept. */
static const char *use_name(struct introspect *in, char *name, const struct schema_type *type,
                            const struct schema_member *members)
{
    for (size_t i = 0; i < in->len; i++) {
        if (!strcmp(in->used[i].name, name)) {
            CHECK(!in->used[i].type == !type);
            free(name);
            return in->used[i].name;
        }
    }
    in->used = mem_grow(in->used, in->len, &in->cap, sizeof(*in->used));
    in->used[in->len++] = (struct used_type){ name, type, members, NULL };
    return name;
}

static const char *builtin_name(const struct schema_type *type)
{
    switch (type->kind) {
    case SCHEMA_STR:
        return "str";
    case SCHEMA_BOOL:
        return "bool";
    case SCHEMA_INT:
    case SCHEMA_SIZE:
        return "int";
    case SCHEMA_NUMBER:
        return "number";
    case SCHEMA_NULL:
        return "null";
    case SCHEMA_ANY:
        return "any";
    default:
        return NULL;
    }
}

static const char *use_members(struct introspect *in, const char *name,
                               const struct schema_member *members)
{
    bool is_empty = !members || !members->name;

    return use_name(in, mem_strdup(is_empty ? "q_empty" : name), NULL, is_empty ? NULL : members);
}

/* The name of a type; it will be described.  type: NULL for the empty object. */
static const char *use_type(struct introspect *in, const struct schema_type *type)
{
    if (!type) {
        return use_members(in, NULL, NULL);
    }
    if (type->kind == SCHEMA_ARRAY) {
        const struct schema_type *element = type->element;
        const char *name = builtin_name(element);

        CHECK(element->kind != SCHEMA_ARRAY);
        return use_name(in, mem_printf("[%s]", name ? name : element->name), type, NULL);
    }
    const char *builtin = builtin_name(type);

    return use_name(in, mem_strdup(builtin ? builtin : type->name), type, NULL);
}

/* ---- Descriptions ---- */

/* "features" of an entity: those of its table, and what follows from its name and flags. */
static void describe_features(json_t *info, const char *name, const char *const *features,
                              unsigned flags)
{
    json_t *list = json_array();

    for (size_t i = 0; features && features[i]; i++) {
        json_array_append_new(list, json_string(features[i]));
    }
    if (!strncmp(name, "x-", 2)) {
        json_array_append_new(list, json_string("unstable"));
    }
    if (flags & MEMBER_DEPRECATED) {
        json_array_append_new(list, json_string("deprecated"));
    }
    if (json_array_size(list) > 0) {
        json_object_set(info, "features", list);
    }
    json_decref(list);
}

static json_t *describe_members(struct introspect *in, const struct schema_member *members)
{
    json_t *list = json_array();

    for (const struct schema_member *m = members; m && m->name; m++) {
        json_t *one = json_pack("{s:s, s:s}", "name", m->name, "type", use_type(in, m->type));

        if (m->flags & MEMBER_OPTIONAL) {
            json_object_set_new(one, "default", json_null());
        }
        describe_features(one, m->name, NULL, m->flags);
        json_array_append_new(list, one);
    }
    return list;
}

/* Those that the driver gives to the branch of its options. */
static const char *const *branch_features(const struct introspect *in,
                                          const struct schema_type *type, const char *value)
{
    for (size_t i = 0; type == &schema_blockdev_options && in->drivers[i]; i++) {
        if (!strcmp(in->drivers[i]->name, value)) {
            return in->drivers[i]->features;
        }
    }
    return NULL;
}

static json_t *describe_variants(struct introspect *in, const struct schema_type *type)
{
    const struct schema_type *tag = NULL;
    json_t *list = json_array();
    const char *value;

    for (const struct schema_member *m = type->members; m->name; m++) {
        tag = strcmp(m->name, type->discriminator) ? tag : m->type;
    }
    CHECK(tag && tag->kind == SCHEMA_ENUM);
    for (size_t i = 0; (value = schema_enum_value(in->drivers, tag, i)); i++) {
        char *name = mem_printf("%s.%s", type->name, value);
        size_t len = in->len;
        const char *branch = use_members(in, name, type->branch(in->drivers, value));

        if (in->len > len) {
            in->used[len].features = branch_features(in, type, value);
        }
        json_array_append_new(list, json_pack("{s:s, s:s}", "case", value, "type", branch));
        free(name);
    }
    return list;
}

static void describe_enum(struct introspect *in, const struct schema_type *type, json_t *info)
{
    json_t *members = json_array(), *values = json_array();
    const char *value;

    for (size_t i = 0; (value = schema_enum_value(in->drivers, type, i)); i++) {
        json_array_append_new(members, json_pack("{s:s}", "name", value));
        json_array_append_new(values, json_string(value));
    }
    json_object_set_new(info, "members", members);
    json_object_set_new(info, "values", values);
}

static void describe_alternate(struct introspect *in, const struct schema_type *type,
                               json_t *info)
{
    json_t *members = json_array();

    for (size_t i = 0; type->alternatives[i]; i++) {
        json_array_append_new(members,
                              json_pack("{s:s}", "type", use_type(in, type->alternatives[i])));
    }
    json_object_set_new(info, "members", members);
}

static const char *json_type_name(enum schema_kind kind)
{
    switch (kind) {
    case SCHEMA_STR:
        return "string";
    case SCHEMA_BOOL:
        return "boolean";
    case SCHEMA_INT:
    case SCHEMA_SIZE:
        return "int";
    case SCHEMA_NUMBER:
        return "number";
    case SCHEMA_NULL:
        return "null";
    default:
        CHECK(kind == SCHEMA_ANY);
        return "value";
    }
}

/* What is particular to the kind of the type; returns its meta-type. */
static const char *describe_type(struct introspect *in, const struct schema_type *type,
                                 json_t *info)
{
    switch (type->kind) {
    case SCHEMA_ENUM:
        describe_enum(in, type, info);
        return "enum";
    case SCHEMA_ARRAY:
        json_object_set_new(info, "element-type", json_string(use_type(in, type->element)));
        return "array";
    case SCHEMA_ALTERNATE:
        describe_alternate(in, type, info);
        return "alternate";
    case SCHEMA_UNION:
        json_object_set_new(info, "tag", json_string(type->discriminator));
        json_object_set_new(info, "variants", describe_variants(in, type));
        /* fall through */
    case SCHEMA_STRUCT:
        json_object_set_new(info, "members", describe_members(in, type->members));
        return "object";
    default:
        json_object_set_new(info, "json-type", json_string(json_type_name(type->kind)));
        return "builtin";
    }
}

static void describe_used(struct introspect *in, struct used_type used)
{
    json_t *info = json_pack("{s:s}", "name", used.name);
    const char *meta = "object";

    CHECK(info);
    if (used.type) {
        meta = describe_type(in, used.type, info);
        describe_features(info, "", used.type->features, 0);
    } else {
        json_object_set_new(info, "members", describe_members(in, used.members));
        describe_features(info, "", used.features, 0);
    }
    json_object_set_new(info, "meta-type", json_string(meta));
    json_array_append_new(in->out, info);
}

json_t *schema_introspect(const struct blk_driver *const *drivers,
                          const struct qmp_command *const *commands,
                          const struct qmp_event *const *events)
{
    struct introspect in = { .drivers = drivers, .out = json_array() };

    for (size_t i = 0; commands[i]; i++) {
        /* One after the other: a compiler may evaluate arguments in any order. */
        const char *args = use_type(&in, commands[i]->args);
        const char *returns = use_type(&in, commands[i]->returns);
        json_t *info = json_pack("{s:s, s:s, s:s, s:s}", "name", commands[i]->name, "meta-type",
                                 "command", "arg-type", args, "ret-type", returns);

        CHECK(info);
        if (commands[i]->allow_oob) {
            json_object_set_new(info, "allow-oob", json_true());
        }
        describe_features(info, commands[i]->name, commands[i]->features, 0);
        json_array_append_new(in.out, info);
    }
    for (size_t i = 0; events[i]; i++) {
        json_t *info = json_pack("{s:s, s:s, s:s}", "name", events[i]->name, "meta-type", "event",
                                 "arg-type", use_type(&in, events[i]->data));

        CHECK(info);
        json_array_append_new(in.out, info);
    }
    for (size_t i = 0; i < in.len; i++) {
        describe_used(&in, in.used[i]);
    }
    for (size_t i = 0; i < in.len; i++) {
        free(in.used[i].name);
    }
    free(in.used);
    return in.out;
}

/* ---- The type of the reply, in its own terms ---- */

static const char *const meta_values[] = { "builtin",   "enum",    "array", "object",
                                           "alternate", "command", "event", NULL };

static const struct schema_type meta_type = {
    .name = "SchemaMetaType", .kind = SCHEMA_ENUM, .values = meta_values
};

static const char *const json_values[] = { "string", "number", "int",   "boolean", "null",
                                           "object", "array",  "value", NULL };

static const struct schema_type json_type_type = {
    .name = "JSONType", .kind = SCHEMA_ENUM, .values = json_values
};

static const struct schema_type str_list = {
    .name = "strList", .kind = SCHEMA_ARRAY, .element = &schema_str
};

static const struct schema_member builtin_members[] = {
    { "json-type", &json_type_type, 0, NULL, NULL },
    { 0 },
};

static const struct schema_member enum_value_members[] = {
    { "name", &schema_str, 0, NULL, NULL },
    { "features", &str_list, MEMBER_OPTIONAL, NULL, NULL },
    { 0 },
};

static const struct schema_type enum_value_type = {
    .name = "SchemaInfoEnumMember", .kind = SCHEMA_STRUCT, .members = enum_value_members
};

static const struct schema_type enum_value_list = {
    .name = "SchemaInfoEnumMemberList", .kind = SCHEMA_ARRAY, .element = &enum_value_type
};

static const struct schema_member enum_members[] = {
    { "members", &enum_value_list, 0, NULL, NULL },
    { "values", &str_list, MEMBER_DEPRECATED, NULL, NULL },
    { 0 },
};

static const struct schema_member array_members[] = {
    { "element-type", &schema_str, 0, NULL, NULL },
    { 0 },
};

static const struct schema_member object_member_members[] = {
    { "name", &schema_str, 0, NULL, NULL },
    { "type", &schema_str, 0, NULL, NULL },
    { "default", &schema_any, MEMBER_OPTIONAL, NULL, NULL },
    { "features", &str_list, MEMBER_OPTIONAL, NULL, NULL },
    { 0 },
};

static const struct schema_type object_member_type = {
    .name = "SchemaInfoObjectMember", .kind = SCHEMA_STRUCT, .members = object_member_members
};

static const struct schema_type object_member_list = {
    .name = "SchemaInfoObjectMemberList", .kind = SCHEMA_ARRAY, .element = &object_member_type
};

static const struct schema_member variant_members[] = {
    { "case", &schema_str, 0, NULL, NULL },
    { "type", &schema_str, 0, NULL, NULL },
    { 0 },
};

static const struct schema_type variant_type = {
    .name = "SchemaInfoObjectVariant", .kind = SCHEMA_STRUCT, .members = variant_members
};

static const struct schema_type variant_list = {
    .name = "SchemaInfoObjectVariantList", .kind = SCHEMA_ARRAY, .element = &variant_type
};

static const struct schema_member object_members[] = {
    { "members", &object_member_list, 0, NULL, NULL },
    { "tag", &schema_str, MEMBER_OPTIONAL, NULL, NULL },
    { "variants", &variant_list, MEMBER_OPTIONAL, NULL, NULL },
    { 0 },
};

static const struct schema_member alternate_member_members[] = {
    { "type", &schema_str, 0, NULL, NULL },
    { 0 },
};

static const struct schema_type alternate_member_type = {
    .name = "SchemaInfoAlternateMember",
    .kind = SCHEMA_STRUCT,
    .members = alternate_member_members,
};

static const struct schema_type alternate_member_list = {
    .name = "SchemaInfoAlternateMemberList",
    .kind = SCHEMA_ARRAY,
    .element = &alternate_member_type,
};

static const struct schema_member alternate_members[] = {
    { "members", &alternate_member_list, 0, NULL, NULL },
    { 0 },
};

static const struct schema_member command_members[] = {
    { "arg-type", &schema_str, 0, NULL, NULL },
    { "ret-type", &schema_str, 0, NULL, NULL },
    { "allow-oob", &schema_bool, MEMBER_OPTIONAL, NULL, NULL },
    { 0 },
};

static const struct schema_member event_members[] = {
    { "arg-type", &schema_str, 0, NULL, NULL },
    { 0 },
};

static const struct schema_member *info_branch(const struct blk_driver *const *drivers,
                                               const char *value)
{
    static const struct schema_member *const branches[] = {
        builtin_members,   enum_members,    array_members, object_members,
        alternate_members, command_members, event_members,
    };

    (void)drivers;
    for (size_t i = 0; meta_values[i]; i++) {
        if (!strcmp(meta_values[i], value)) {
            return branches[i];
        }
    }
    return NULL;
}

static const struct schema_member info_members[] = {
    { "name", &schema_str, 0, NULL, NULL },
    { "meta-type", &meta_type, 0, NULL, NULL },
    { "features", &str_list, MEMBER_OPTIONAL, NULL, NULL },
    { 0 },
};

static const struct schema_type info_type = {
    .name = "SchemaInfo",
    .kind = SCHEMA_UNION,
    .members = info_members,
    .discriminator = "meta-type",
    .branch = info_branch,
};

static const struct schema_type info_list = {
    .name = "SchemaInfoList", .kind = SCHEMA_ARRAY, .element = &info_type
};

static int query_schema(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)args;
    (void)err;
    *ret = schema_introspect(l->drivers, qmp_commands, qmp_events);
    return 0;
}

const struct qmp_command qmp_query_schema = {
    .name = "query-qmp-schema",
    .returns = &info_list,
    .help = "all commands and types",
    .run = query_schema,
};
