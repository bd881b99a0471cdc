/* SPDX-License-Identifier: MIT */
/* blockdev-add and blockdev-del: the monitor's reference to a node. */
#include "base/check.h"
#include "model/blocker.h"
#include "model/layer_state.h"
#include "model/qmp/commands.h"

#include <errno.h>

static int blockdev_add(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct node *n;
    int code;

    (void)ret;
    if (!json_object_get(args, "node-name")) {
        return error_set(err, -EINVAL, "'node-name' must be specified for the root node");
    }
    code = node_open(l, args, NULL, 0, &n, err);
    if (code == 0) {
        CHECK(!n->monitor_owned);
        n->monitor_owned = true;
    }
    return code;
}

const struct qmp_command qmp_blockdev_add = {
    .name = "blockdev-add",
    .args = &schema_blockdev_options,
    .help = "create a node, and those that are described inside it",
    .run = blockdev_add,
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

static int blockdev_del(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    const char *name = json_string_value(json_object_get(args, "node-name"));
    struct node *n = layer_find_node(l, name);

    (void)ret;
    if (!n) {
        return error_set(err, -ENOENT, "Failed to find node with node-name='%s'", name);
    }
    if (has_backend(l, n)) {
        return error_set(err, -EBUSY, "Node %s is in use", name);
    }
    if (blocker_check(n, BLOCK_OP_DRIVE_DEL, err) < 0) {
        return -EBUSY;
    }
    if (!n->monitor_owned) {
        return error_set(err, -EBUSY, "Node %s is not owned by the monitor", name);
    }
    if (n->refs > 1) {
        return error_set(err, -EBUSY, "Block device %s is in use", name);
    }
    n->monitor_owned = false;
    node_unref(n);
    return 0;
}

static const struct schema_member del_args[] = {
    { "node-name", &schema_str, 0, NULL, "name of the node" },
    { 0 },
};

static const struct schema_type del_type = {
    .name = "q_obj_blockdev-del-arg", .kind = SCHEMA_STRUCT, .members = del_args
};

const struct qmp_command qmp_blockdev_del = {
    .name = "blockdev-del",
    .args = &del_type,
    .help = "delete a node that nobody uses",
    .run = blockdev_del,
};
