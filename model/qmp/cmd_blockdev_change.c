/* SPDX-License-Identifier: MIT */
/* x-blockdev-change: children of a node that come and go (a quorum's), and the events of a quorum
 * (QEMU qapi/block-core.json). */
#include "base/check.h"
#include "model/drain.h"
#include "model/layer_state.h"
#include "model/proposal.h"
#include "model/qmp/commands.h"

#include <errno.h>

static const struct driver_graph *graph_of(const struct node *n)
{
    static const struct driver_graph none = { .child_add = NULL };
    return n->drv->graph ? n->drv->graph : &none;
}

/* Adds `node` to the parent, or takes c away; one of the two is NULL. */
static int change(struct node *parent, struct node *node, struct child *c, struct error *err)
{
    const struct driver_graph *g = graph_of(parent);
    struct proposal *p = proposal_begin(parent->layer);
    struct txn txn = TXN_INIT;
    int ret = node ? g->child_add(parent, node, p, &txn, err)
                   : g->child_del(parent, c, p, &txn, err);
    if (ret < 0) {
        proposal_discard(p);
    } else {
        ret = proposal_apply(p, &txn, err);
    }
    return txn_end(&txn, ret);
}

static int add(struct node *parent, const char *name, struct error *err)
{
    struct node *node = layer_find_node(parent->layer, name);
    if (!node) {
        return error_set(err, -ENODEV, "Node '%s' not found", name);
    }
    if (!graph_of(parent)->child_add) {
        return error_set(err, -ENOTSUP, "The node %s does not support adding a child",
                         node_device_or_name(parent));
    }
    if (node->parents) {
        return error_set(err, -EBUSY, "The node %s already has a parent", node->name);
    }
    return change(parent, node, NULL, err);
}

/* given: how the command names the parent. */
static int del(struct node *parent, const char *given, const char *name, struct error *err)
{
    struct child *c = node_child(parent, name);
    if (!c) {
        return error_set(err, -ENOENT, "Node '%s' does not have child '%s'", given, name);
    }
    if (!graph_of(parent)->child_del) {
        return error_set(err, -ENOTSUP, "The node %s does not support removing a child",
                         node_device_or_name(parent));
    }
    return change(parent, NULL, c, err);
}

static int blockdev_change(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    const char *parent_name = json_string_value(json_object_get(args, "parent"));
    const char *child = json_string_value(json_object_get(args, "child"));
    const char *node = json_string_value(json_object_get(args, "node"));
    struct node *parent = layer_lookup(l, parent_name, parent_name, err);

    (void)ret;
    if (!parent) {
        return -ENODEV;
    }
    if ((child != NULL) == (node != NULL)) {
        return error_set(err, -EINVAL,
                         child ? "The parameters child and node are in conflict"
                               : "Either child or node must be specified");
    }
    node_ref(parent);
    drain_begin(parent); /* The set of children changes between two requests. */
    int code = node ? add(parent, node, err) : del(parent, parent_name, child, err);
    drain_end(parent);
    node_unref(parent);
    return code;
}

static const struct schema_member change_args[] = {
    { "parent", &schema_str, 0, NULL, "node or block device whose children change" },
    { "child", &schema_str, MEMBER_OPTIONAL, NULL, "the child that goes" },
    { "node", &schema_str, MEMBER_OPTIONAL, NULL, "the node that becomes a child" },
    { 0 },
};

static const struct schema_type change_type = { .name = "q_obj_x-blockdev-change-arg",
                                                .kind = SCHEMA_STRUCT,
                                                .members = change_args };

const struct qmp_command qmp_blockdev_change = {
    .name = "x-blockdev-change",
    .args = &change_type,
    .help = "add a child to a node, or take one away",
    .run = blockdev_change,
};

static const char *const op_names[] = { "read", "write", "flush", NULL };

static const struct schema_type op_type = { .name = "QuorumOpType",
                                            .kind = SCHEMA_ENUM,
                                            .values = op_names };

static const struct schema_member failure_members[] = {
    { "reference", &schema_str, 0, NULL, "the quorum's device or node" },
    { "sector-num", &schema_int, 0, NULL, "first sector of 512 bytes" },
    { "sectors-count", &schema_int, 0, NULL, "how many" },
    { 0 },
};

static const struct schema_type failure_type = { .name = "q_obj_QUORUM_FAILURE-arg",
                                                 .kind = SCHEMA_STRUCT,
                                                 .members = failure_members };

const struct qmp_event qmp_event_quorum_failure = {
    .name = "QUORUM_FAILURE",
    .data = &failure_type,
    .help = "a quorum could not reach its threshold",
};

static const struct schema_member report_members[] = {
    { "type", &op_type, 0, NULL, "what the child was asked" },
    { "error", &schema_str, MEMBER_OPTIONAL, NULL, "why it failed; absent when it was outvoted" },
    { "node-name", &schema_str, 0, NULL, "the child" },
    { "sector-num", &schema_int, 0, NULL, "first sector of 512 bytes" },
    { "sectors-count", &schema_int, 0, NULL, "how many" },
    { 0 },
};

static const struct schema_type report_type = { .name = "q_obj_QUORUM_REPORT_BAD-arg",
                                                .kind = SCHEMA_STRUCT,
                                                .members = report_members };

const struct qmp_event qmp_event_quorum_report_bad = {
    .name = "QUORUM_REPORT_BAD",
    .data = &report_type,
    .help = "a child of a quorum failed, or was outvoted",
};
