/* SPDX-License-Identifier: MIT */
/* Trays and media: blockdev-open-tray, -close-tray, -remove-medium, -insert-medium, -change-medium,
 * eject.  (QEMU qapi/block.json, qapi/block-core.json.)
 *
 * A block device without a frontend counts as removable and has no tray: its medium is always at
 * hand.  No guest here locks its tray.
 */
#include "base/check.h"
#include "model/blocker.h"
#include "model/device.h"
#include "model/layer_state.h"
#include "model/open.h"
#include "model/qmp/commands.h"

#include <errno.h>
#include <string.h>

/* ---- Which one ---- */

static int fail_not_found(const char *name, struct error *err)
{
    return error_set_class(err, ERROR_DEVICE_NOT_FOUND, -ENODEV, "Device '%s' not found", name);
}

int qmp_find_backend(struct layer *l, const char *device, const char *id, struct backend **out,
                     struct error *err)
{
    if ((device == NULL) == (id == NULL)) {
        return error_set(err, -EINVAL, "Need exactly one of 'device' and 'id'");
    }
    if (device) {
        *out = layer_find_backend(l, device);
        return *out ? 0 : fail_not_found(device, err);
    }
    const struct device *d = device_find(l, id);
    if (!d) {
        return fail_not_found(id, err);
    }
    *out = device_backend_of_id(d, id);
    return *out ? 0
                : error_set(err, -EINVAL, "Device does not have a block device backend");
}

/* By the members "device" and "id".  *name: the one that was given. */
static int find(struct layer *l, const json_t *args, struct backend **b, const char **name,
                struct error *err)
{
    const char *device = args_str(args, "device"), *id = args_str(args, "id");
    *name = device ? device : id;
    return qmp_find_backend(l, device, id, b, err);
}

/* ---- Steps ---- */

static bool has_tray(const struct backend *b, bool *open)
{
    struct device_view v;
    bool has = device_view_of(b, &v) && v.removable;
    *open = has && v.tray_open;
    return has;
}

static int check_removable(const struct backend *b, const char *name, struct error *err)
{
    struct device_view v;
    return !device_view_of(b, &v) || v.removable
               ? 0
               : error_set(err, -ENOTSUP, "Device '%s' is not removable", name);
}

static int open_tray(struct backend *b, const char *name, struct error *err)
{
    bool open;
    int ret = check_removable(b, name, err);
    if (ret == 0 && has_tray(b, &open)) {
        device_move_tray(b, true);
    }
    return ret;
}

static int close_tray(struct backend *b, const char *name, struct error *err)
{
    bool open;
    int ret = check_removable(b, name, err);
    if (ret == 0 && has_tray(b, &open)) {
        device_move_tray(b, false);
    }
    return ret;
}

/* [io] */
static int remove_medium(struct backend *b, const char *name, struct error *err)
{
    bool open;
    int ret = check_removable(b, name, err);
    if (ret < 0) {
        return ret;
    }
    if (has_tray(b, &open) && !open) {
        return error_set(err, -EBUSY, "Tray of device '%s' is not open", name);
    }
    struct node *n = backend_node(b);
    if (!n) {
        return 0;
    }
    ret = blocker_check(n, BLOCK_OP_EJECT, err);
    if (ret == 0) {
        backend_set_medium_flags(b, &n->flags);
        backend_remove(b);
    }
    return ret;
}

/* [io] */
static int insert_medium(struct backend *b, struct node *n, struct error *err)
{
    struct device_view v;
    bool open;
    if (device_view_of(b, &v) && !v.removable) {
        return error_set(err, -ENOTSUP, "Device is not removable");
    }
    if (has_tray(b, &open) && !open) {
        return error_set(err, -EBUSY, "Tray of the device is not open");
    }
    if (backend_node(b)) {
        return error_set(err, -EEXIST, "There already is a medium in the device");
    }
    return backend_insert(b, n, err);
}

/* ---- Commands ---- */

static const struct schema_member tray_args[] = {
    { "device", &schema_str, MEMBER_OPTIONAL | MEMBER_DEPRECATED, NULL, "block device" },
    { "id", &schema_str, MEMBER_OPTIONAL, NULL, "frontend" },
    { "force", &schema_bool, MEMBER_OPTIONAL, "off", "even when the guest has locked it" },
    { 0 },
};

static const struct schema_type open_tray_type = {
    .name = "q_obj_blockdev-open-tray-arg", .kind = SCHEMA_STRUCT, .members = tray_args
};

static int run_open_tray(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct backend *b;
    const char *name;
    (void)ret;
    int code = find(l, args, &b, &name, err);
    return code < 0 ? code : open_tray(b, name, err);
}

const struct qmp_command qmp_blockdev_open_tray = {
    .name = "blockdev-open-tray",
    .args = &open_tray_type,
    .help = "open the tray of a drive",
    .run = run_open_tray,
};

static const struct schema_member close_args[] = {
    { "device", &schema_str, MEMBER_OPTIONAL | MEMBER_DEPRECATED, NULL, "block device" },
    { "id", &schema_str, MEMBER_OPTIONAL, NULL, "frontend" },
    { 0 },
};

static const struct schema_type close_tray_type = {
    .name = "q_obj_blockdev-close-tray-arg", .kind = SCHEMA_STRUCT, .members = close_args
};

static int run_close_tray(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct backend *b;
    const char *name;
    (void)ret;
    int code = find(l, args, &b, &name, err);
    return code < 0 ? code : close_tray(b, name, err);
}

const struct qmp_command qmp_blockdev_close_tray = {
    .name = "blockdev-close-tray",
    .args = &close_tray_type,
    .help = "close the tray of a drive",
    .run = run_close_tray,
};

static const struct schema_member remove_args[] = {
    { "id", &schema_str, 0, NULL, "frontend" },
    { 0 },
};

static const struct schema_type remove_type = {
    .name = "q_obj_blockdev-remove-medium-arg", .kind = SCHEMA_STRUCT, .members = remove_args
};

static int run_remove(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct backend *b;
    const char *name;
    (void)ret;
    int code = find(l, args, &b, &name, err);
    return code < 0 ? code : remove_medium(b, name, err);
}

const struct qmp_command qmp_blockdev_remove_medium = {
    .name = "blockdev-remove-medium",
    .args = &remove_type,
    .help = "take the medium out of an open tray",
    .run = run_remove,
};

static const struct schema_member insert_args[] = {
    { "id", &schema_str, 0, NULL, "frontend" },
    { "node-name", &schema_str, 0, NULL, "node that nobody else uses" },
    { 0 },
};

static const struct schema_type insert_type = {
    .name = "q_obj_blockdev-insert-medium-arg", .kind = SCHEMA_STRUCT, .members = insert_args
};

static bool has_backend(const struct layer *l, const struct node *n)
{
    for (const struct backend *b = l->backends; b; b = backend_next(b)) {
        if (backend_node(b) == n) {
            return true;
        }
    }
    return false;
}

static int run_insert(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct backend *b;
    const char *name, *node_name = args_str(args, "node-name");
    (void)ret;
    int code = find(l, args, &b, &name, err);
    if (code < 0) {
        return code;
    }
    struct node *n = layer_find_node(l, node_name);
    if (!n) {
        return error_set(err, -ENOENT, "Node '%s' not found", node_name);
    }
    if (has_backend(l, n)) {
        return error_set(err, -EBUSY, "Node '%s' is already in use", node_name);
    }
    return insert_medium(b, n, err);
}

const struct qmp_command qmp_blockdev_insert_medium = {
    .name = "blockdev-insert-medium",
    .args = &insert_type,
    .help = "put a node into an open tray",
    .run = run_insert,
};

static const struct schema_type eject_type = {
    .name = "q_obj_eject-arg", .kind = SCHEMA_STRUCT, .members = tray_args
};

static int run_eject(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct backend *b;
    const char *name;
    (void)ret;
    int code = find(l, args, &b, &name, err);
    code = code < 0 ? code : open_tray(b, name, err);
    return code < 0 ? code : remove_medium(b, name, err);
}

const struct qmp_command qmp_eject = {
    .name = "eject",
    .args = &eject_type,
    .help = "open the tray and take the medium out",
    .run = run_eject,
};

/* ---- blockdev-change-medium ---- */

static const char *const mode_values[] = { "retain", "read-only", "read-write", NULL };

static const struct schema_type mode_type = {
    .name = "BlockdevChangeReadOnlyMode", .kind = SCHEMA_ENUM, .values = mode_values
};

static const struct schema_member change_args[] = {
    { "device", &schema_str, MEMBER_OPTIONAL | MEMBER_DEPRECATED, NULL, "block device" },
    { "id", &schema_str, MEMBER_OPTIONAL, NULL, "frontend" },
    { "filename", &schema_str, 0, NULL, "the new image" },
    { "format", &schema_str, MEMBER_OPTIONAL, NULL, "its format; probed when it is not given" },
    { "force", &schema_bool, MEMBER_OPTIONAL, "off", "even when the guest has locked the tray" },
    { "read-only-mode", &mode_type, MEMBER_OPTIONAL, "retain", "how it is opened" },
    { 0 },
};

static const struct schema_type change_type = {
    .name = "q_obj_blockdev-change-medium-arg", .kind = SCHEMA_STRUCT, .members = change_args
};

/* [io] The new medium, opened as the arguments say, and for the rest as the one before.  The
 * reference is the caller's. */
static int open_medium(struct layer *l, const struct backend *b, const json_t *args,
                       struct node **out, struct error *err)
{
    const char *mode = args_str(args, "read-only-mode"), *format = args_str(args, "format");
    const struct node *old = backend_node(b);
    const struct node_flags *was = old ? &old->flags : backend_medium_flags(b);
    bool read_only = was->read_only;
    if (mode && strcmp(mode, "retain") != 0) {
        read_only = strcmp(mode, "read-only") == 0;
    }
    json_t *options = json_pack("{s:b, s:{s:b, s:b}}", "read-only", read_only, "cache", "direct",
                                was->cache_direct, "no-flush", was->cache_no_flush);
    CHECK(options != NULL);
    if (was->unmap) {
        json_object_set_new(options, "discard", json_string("unmap"));
    }
    if (was->detect_zeroes) { /* Whichever of both it was. */
        json_object_set_new(options, "detect-zeroes", json_string("on"));
    }
    if (format) {
        json_object_set_new(options, "driver", json_string(format));
    }
    int ret = node_open_name(l, args_str(args, "filename"), options, NULL, 0, out, err);
    json_decref(options);
    return ret;
}

static int run_change(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct backend *b;
    struct node *n;
    const char *name;
    (void)ret;
    int code = find(l, args, &b, &name, err);
    code = code < 0 ? code : open_medium(l, b, args, &n, err);
    if (code < 0) {
        return code;
    }
    code = open_tray(b, name, err);
    code = code < 0 ? code : remove_medium(b, name, err);
    code = code < 0 ? code : insert_medium(b, n, err);
    code = code < 0 ? code : close_tray(b, name, err);
    node_unref(n);
    return code;
}

const struct qmp_command qmp_blockdev_change_medium = {
    .name = "blockdev-change-medium",
    .args = &change_type,
    .help = "put another image into a drive",
    .run = run_change,
};

/* ---- DEVICE_TRAY_MOVED ---- */

static const struct schema_member moved_members[] = {
    { "device", &schema_str, 0, NULL, "name of the block device, or empty" },
    { "id", &schema_str, 0, NULL, "id of the frontend, or its path" },
    { "tray-open", &schema_bool, 0, NULL, NULL },
    { 0 },
};

static const struct schema_type moved_type = {
    .name = "q_obj_DEVICE_TRAY_MOVED-arg", .kind = SCHEMA_STRUCT, .members = moved_members
};

const struct qmp_event qmp_event_device_tray_moved = {
    .name = "DEVICE_TRAY_MOVED",
    .data = &moved_type,
    .help = "the tray of a drive was opened or closed",
};
