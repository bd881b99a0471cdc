/* SPDX-License-Identifier: MIT */
/* device_add and device_del.  device_add takes whatever properties the device has, so its arguments
 * are not checked by a schema; the table of devices is (model/device_types.c).
 * (QEMU qapi/qdev.json.)
 */
#include "model/device.h"
#include "model/layer_state.h"
#include "model/qmp/commands.h"

static int add(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)ret;
    return device_plug(l, args, err);
}

static const struct schema_member add_args[] = {
    { "driver", &schema_str, 0, NULL, "name of the device model" },
    { "bus", &schema_str, MEMBER_OPTIONAL, NULL, "bus that it is plugged into" },
    { "id", &schema_str, MEMBER_OPTIONAL, NULL, "its name; device_del needs one" },
    { 0 },
};

static const struct schema_type add_type = {
    .name = "q_obj_device_add-arg", .kind = SCHEMA_STRUCT, .members = add_args
};

static const char *const add_features[] = { "json-cli", "json-cli-hotplug", NULL };

const struct qmp_command qmp_device_add = {
    .name = "device_add",
    .features = add_features,
    .args = &add_type,
    .unchecked = true,
    .help = "plug a device in; its properties are arguments",
    .run = add,
};

static int del(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)ret;
    return device_unplug(l, json_string_value(json_object_get(args, "id")), err);
}

static const struct schema_member del_args[] = {
    { "id", &schema_str, 0, NULL, "its id or its path in QOM" },
    { 0 },
};

static const struct schema_type del_type = {
    .name = "q_obj_device_del-arg", .kind = SCHEMA_STRUCT, .members = del_args
};

const struct qmp_command qmp_device_del = {
    .name = "device_del",
    .args = &del_type,
    .help = "ask a device to go",
    .run = del,
};

static const struct schema_member deleted_members[] = {
    { "device", &schema_str, MEMBER_OPTIONAL, NULL, "its id" },
    { "path", &schema_str, 0, NULL, "its path in QOM" },
    { 0 },
};

static const struct schema_type deleted_type = {
    .name = "q_obj_DEVICE_DELETED-arg", .kind = SCHEMA_STRUCT, .members = deleted_members
};

const struct qmp_event qmp_event_device_deleted = {
    .name = "DEVICE_DELETED",
    .data = &deleted_type,
    .help = "a device has gone; its id is free",
};
