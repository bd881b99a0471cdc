/* SPDX-License-Identifier: MIT */
/* object-add, object-del and the qom-* commands.  (QEMU qapi/qom.json.) */
#include "model/layer_state.h"
#include "model/object.h"
#include "model/qmp/commands.h"

static const char *text_arg(const json_t *args, const char *name)
{
    return json_string_value(json_object_get(args, name));
}

/* ---- object-add, object-del ---- */

static int add(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)ret;
    return object_add(l, args, err);
}

const struct qmp_command qmp_object_add = {
    .name = "object-add",
    .args = &schema_object_options,
    .help = "make an object: iothread, secret or throttle-group",
    .run = add,
};

static int del(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)ret;
    return object_del(l, text_arg(args, "id"), err);
}

static const struct schema_member del_args[] = {
    { "id", &schema_str, 0, NULL, "name of the object" },
    { 0 },
};

static const struct schema_type del_type = { .name = "q_obj_object-del-arg",
                                             .kind = SCHEMA_STRUCT,
                                             .members = del_args };

const struct qmp_command qmp_object_del = {
    .name = "object-del",
    .args = &del_type,
    .help = "remove an object that nothing uses",
    .run = del,
};

/* ---- qom-list, qom-get, qom-set ---- */

static const struct schema_member property_info[] = {
    { "name", &schema_str, 0, NULL, NULL },
    { "type", &schema_str, 0, NULL, NULL },
    { "description", &schema_str, MEMBER_OPTIONAL, NULL, NULL },
    { "default-value", &schema_any, MEMBER_OPTIONAL, NULL, NULL },
    { 0 },
};

static const struct schema_type property_info_type = {
    .name = "ObjectPropertyInfo", .kind = SCHEMA_STRUCT, .members = property_info
};

static const struct schema_type property_info_list = {
    .name = "ObjectPropertyInfoList", .kind = SCHEMA_ARRAY, .element = &property_info_type
};

static int list(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    return qom_list(l, text_arg(args, "path"), ret, err);
}

static const struct schema_member list_args[] = {
    { "path", &schema_str, 0, NULL, "/objects/ID, or ID" },
    { 0 },
};

static const struct schema_type list_type = { .name = "q_obj_qom-list-arg",
                                              .kind = SCHEMA_STRUCT,
                                              .members = list_args };

const struct qmp_command qmp_qom_list = {
    .name = "qom-list",
    .args = &list_type,
    .returns = &property_info_list,
    .help = "properties of an object",
    .run = list,
};

static int get(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    return qom_get(l, text_arg(args, "path"), text_arg(args, "property"), ret, err);
}

static const struct schema_member get_args[] = {
    { "path", &schema_str, 0, NULL, "/objects/ID, or ID" },
    { "property", &schema_str, 0, NULL, "name of the property" },
    { 0 },
};

static const struct schema_type get_type = { .name = "q_obj_qom-get-arg",
                                             .kind = SCHEMA_STRUCT,
                                             .members = get_args };

const struct qmp_command qmp_qom_get = {
    .name = "qom-get",
    .args = &get_type,
    .returns = &schema_any,
    .help = "the value of a property",
    .run = get,
};

static int set(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)ret;
    return qom_set(l, text_arg(args, "path"), text_arg(args, "property"),
                   json_object_get(args, "value"), err);
}

static const struct schema_member set_args[] = {
    { "path", &schema_str, 0, NULL, "/objects/ID, or ID" },
    { "property", &schema_str, 0, NULL, "name of the property" },
    { "value", &schema_any, 0, NULL, "its new value" },
    { 0 },
};

static const struct schema_type set_type = { .name = "q_obj_qom-set-arg",
                                             .kind = SCHEMA_STRUCT,
                                             .members = set_args };

const struct qmp_command qmp_qom_set = {
    .name = "qom-set",
    .args = &set_type,
    .help = "change a property",
    .run = set,
};

/* ---- qom-list-types, qom-list-properties ---- */

static const struct schema_member type_info[] = {
    { "name", &schema_str, 0, NULL, NULL },
    { "abstract", &schema_bool, MEMBER_OPTIONAL, NULL, NULL },
    { "parent", &schema_str, MEMBER_OPTIONAL, NULL, NULL },
    { 0 },
};

static const struct schema_type type_info_type = {
    .name = "ObjectTypeInfo", .kind = SCHEMA_STRUCT, .members = type_info
};

static const struct schema_type type_info_list = {
    .name = "ObjectTypeInfoList", .kind = SCHEMA_ARRAY, .element = &type_info_type
};

static int list_types(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)l;
    (void)err;
    *ret = qom_list_types(text_arg(args, "implements"),
                          json_is_true(json_object_get(args, "abstract")));
    return 0;
}

static const struct schema_member list_types_args[] = {
    { "implements", &schema_str, MEMBER_OPTIONAL, NULL, "this type and those that inherit it" },
    { "abstract", &schema_bool, MEMBER_OPTIONAL, "off", "those too of which no object can be" },
    { 0 },
};

static const struct schema_type list_types_type = { .name = "q_obj_qom-list-types-arg",
                                                    .kind = SCHEMA_STRUCT,
                                                    .members = list_types_args };

const struct qmp_command qmp_qom_list_types = {
    .name = "qom-list-types",
    .args = &list_types_type,
    .returns = &type_info_list,
    .help = "all types of objects",
    .run = list_types,
};

static int list_properties(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)l;
    return qom_list_properties(text_arg(args, "typename"), ret, err);
}

static const struct schema_member list_properties_args[] = {
    { "typename", &schema_str, 0, NULL, "name of the type" },
    { 0 },
};

static const struct schema_type list_properties_type = { .name = "q_obj_qom-list-properties-arg",
                                                         .kind = SCHEMA_STRUCT,
                                                         .members = list_properties_args };

const struct qmp_command qmp_qom_list_properties = {
    .name = "qom-list-properties",
    .args = &list_properties_type,
    .returns = &property_info_list,
    .help = "properties of a type of objects",
    .run = list_properties,
};
