/* SPDX-License-Identifier: MIT */
/* blockdev-snapshot and blockdev-snapshot-sync: an overlay takes the place of a node, which becomes
 * its backing file.
 *
 *   parents -> node            parents -> overlay -backing-> node
 *
 * It cuts in right above the node that is named, below whatever filters stand on it.  The node is
 * drained and flushed before; afterwards it is made read-only, where nobody stands in the way.
 * What was new for blockdev-snapshot-sync has no user of its own: without a parent that came along
 * from the node it closes again.  (QEMU qapi/block-core.json; behaviour of the installed 7.2.)
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/blocker.h"
#include "model/drain.h"
#include "model/io_private.h"
#include "model/layer_state.h"
#include "model/open.h"
#include "model/proposal.h"
#include "model/qmp/commands.h"
#include "model/qmp/transaction.h"
#include "model/reopen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct snapshot {
    struct node *node, *overlay; /* Referenced, or NULL. */
    bool drained;                /* node is. */
};

/* ---- The node ---- */

static int quiesce(struct snapshot *s, struct node *n, struct error *err)
{
    s->node = node_ref(n);
    drain_begin(n);
    s->drained = true;
    int ret = blocker_check(n, BLOCK_OP_EXTERNAL_SNAPSHOT, err);
    if (ret == 0 && !n->flags.read_only) {
        io_enter(n);
        ret = io_do_flush(n);
        io_leave(n);
        ret = ret < 0 ? error_set(err, ret, "An IO error has occurred") : 0;
    }
    return ret;
}

/* ---- The overlay ---- */

/* Somebody takes what he reads there for an image already. */
static bool is_read(const struct node *n)
{
    uint32_t used = 0;
    for (const struct child *c = n->parents; c; c = c->next_parent) {
        used |= c->perm.used;
    }
    return used & PERM_CONSISTENT_READ;
}

static int check_overlay(const struct node *overlay, struct error *err)
{
    if (is_read(overlay)) {
        return error_set(err, -EBUSY, "The overlay is already in use");
    }
    if (overlay->drv->traits & DRV_FILTER) {
        return error_set(err, -EINVAL, "Filters cannot be used as overlays");
    }
    if (node_backing(overlay)) {
        return error_set(err, -EINVAL, "The overlay already has a backing image");
    }
    if (!(overlay->drv->traits & DRV_BACKING)) {
        return error_set(err, -ENOTSUP, "The overlay does not support backing images");
    }
    return 0;
}

static int cut_in(const struct snapshot *s, struct txn *txn, struct error *err)
{
    struct perm_pair any = { .used = 0, .shared = PERM_ALL };
    int ret = check_overlay(s->overlay, err);
    if (ret < 0) {
        return ret;
    }
    struct proposal *p = proposal_begin(s->node->layer);
    proposal_add(p, s->node, "backing", ROLE_COW, s->overlay, NULL, NULL, any);
    proposal_replace(p, s->node, s->overlay);
    return proposal_apply(p, txn, err);
}

static void finish(struct action *a)
{
    const struct snapshot *s = action_state(a);
    json_object_set_new(s->overlay->options, "backing", json_string(s->node->name));
    if (!s->node->copy_on_read) {
        reopen_set_read_only(s->node, true, NULL); /* Who writes to it elsewhere may go on. */
    }
}

static void clean(struct action *a)
{
    struct snapshot *s = action_state(a);
    if (s->drained) {
        drain_end(s->node);
    }
    if (s->overlay) {
        node_unref(s->overlay);
    }
    if (s->node) {
        node_unref(s->node);
    }
}

/* ---- blockdev-snapshot ---- */

static int prepare_snapshot(struct layer *l, const json_t *data, struct action *a, struct txn *txn,
                            struct error *err)
{
    struct snapshot *s = action_state(a);
    struct node *n = layer_lookup(l, args_str(data, "node"), args_str(data, "node"), err);
    int ret = n ? quiesce(s, n, err) : -ENODEV;
    if (ret < 0) {
        return ret;
    }
    const char *name = args_str(data, "overlay");
    struct node *overlay = layer_lookup(l, name, name, err);
    if (!overlay) {
        return -ENODEV;
    }
    s->overlay = node_ref(overlay);
    return cut_in(s, txn, err);
}

static const struct schema_member snapshot_members[] = {
    { "node", &schema_str, 0, NULL, "device or node that gets an overlay" },
    { "overlay", &schema_str, 0, NULL, "node that becomes it; it has no backing file" },
    { 0 },
};

const struct schema_type schema_snapshot = {
    .name = "BlockdevSnapshot", .kind = SCHEMA_STRUCT, .members = snapshot_members
};

const struct action_kind action_snapshot = { .name = "blockdev-snapshot",
                                             .state_size = sizeof(struct snapshot),
                                             .data = &schema_snapshot,
                                             .prepare = prepare_snapshot,
                                             .finish = finish,
                                             .clean = clean };

static int blockdev_snapshot(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)ret;
    return transaction_run_one(l, &action_snapshot, args, err);
}

static const char *const snapshot_features[] = { "allow-write-only-overlay", NULL };

const struct qmp_command qmp_blockdev_snapshot = {
    .name = "blockdev-snapshot",
    .features = snapshot_features,
    .args = &schema_snapshot,
    .help = "put a node that is open above another",
    .run = blockdev_snapshot,
};

/* ---- blockdev-snapshot-sync ---- */

static int check_overlay_name(const struct layer *l, const json_t *data, struct error *err)
{
    const char *name = args_str(data, "snapshot-node-name");
    if (!name && args_str(data, "node-name")) {
        return error_set(err, -EINVAL, "New overlay node-name missing");
    }
    if (name && layer_lookup(l, name, name, NULL)) {
        return error_set(err, -EEXIST, "New overlay node-name already in use");
    }
    return 0;
}

static bool takes_backing(const struct layer *l, const char *format)
{
    const struct blk_driver *drv = layer_driver(l, format);
    return drv && (drv->traits & DRV_BACKING);
}

static int create_overlay(struct node *n, const char *file, const char *format, struct error *err)
{
    if (layer_driver(n->layer, format) && !takes_backing(n->layer, format)) {
        return error_set(err, -ENOTSUP, "Backing file not supported for file format '%s'", format);
    }
    char *below = node_filename(n);
    json_t *options = json_pack("{s:s, s:s}", "backing_file", below, "backing_fmt", n->drv->name);
    CHECK(options != NULL);
    int ret = image_create(n->layer, format, file, io_length(n), options, err);
    json_decref(options);
    free(below);
    return ret;
}

/* Opened as the node itself is, without a backing file for now. */
static int open_overlay(struct snapshot *s, const char *file, const char *format, const char *name,
                        struct error *err)
{
    const struct node_flags *f = &s->node->flags;
    json_t *options = json_pack("{s:s, s:b, s:b, s:{s:b, s:b}, s:s}", "driver", format,
                                "read-only", f->read_only, "auto-read-only", f->auto_read_only,
                                "cache", "direct", f->cache_direct, "no-flush", f->cache_no_flush,
                                "discard", f->unmap ? "unmap" : "ignore");
    CHECK(options != NULL);
    if (takes_backing(s->node->layer, format)) {
        json_object_set_new(options, "backing", json_null());
    }
    if (name) {
        json_object_set_new(options, "node-name", json_string(name));
    }
    int ret = node_open_name(s->node->layer, file, options, NULL, 0, &s->overlay, err);
    json_decref(options);
    return ret;
}

static int prepare_snapshot_sync(struct layer *l, const json_t *data, struct action *a,
                                 struct txn *txn, struct error *err)
{
    const char *file = args_str(data, "snapshot-file"), *format = args_str(data, "format");
    const char *mode = args_str(data, "mode");
    struct snapshot *s = action_state(a);
    struct node *n = layer_lookup(l, args_str(data, "device"), args_str(data, "node-name"), err);
    int ret = n ? quiesce(s, n, err) : -ENODEV;
    if (ret == 0) {
        ret = check_overlay_name(l, data, err);
    }
    format = format ? format : "qcow2";
    if (ret == 0 && !(mode && strcmp(mode, "existing") == 0)) {
        ret = create_overlay(n, file, format, err);
    }
    if (ret == 0) {
        ret = open_overlay(s, file, format, args_str(data, "snapshot-node-name"), err);
    }
    return ret < 0 ? ret : cut_in(s, txn, err);
}

static const char *const modes[] = { "existing", "absolute-paths", NULL };

static const struct schema_type mode_type = {
    .name = "NewImageMode", .kind = SCHEMA_ENUM, .values = modes
};

static const struct schema_member sync_members[] = {
    { "device", &schema_str, MEMBER_OPTIONAL, NULL, "the block device, or" },
    { "node-name", &schema_str, MEMBER_OPTIONAL, NULL, "the node that gets an overlay" },
    { "snapshot-file", &schema_str, 0, NULL, "name of the overlay's image" },
    { "snapshot-node-name", &schema_str, MEMBER_OPTIONAL, NULL, "name of the overlay" },
    { "format", &schema_str, MEMBER_OPTIONAL, "qcow2", "format of the overlay" },
    { "mode", &mode_type, MEMBER_OPTIONAL, "absolute-paths",
      "whether the image is there or is made now" },
    { 0 },
};

const struct schema_type schema_snapshot_sync = {
    .name = "BlockdevSnapshotSync", .kind = SCHEMA_STRUCT, .members = sync_members
};

const struct action_kind action_snapshot_sync = { .name = "blockdev-snapshot-sync",
                                                  .state_size = sizeof(struct snapshot),
                                                  .data = &schema_snapshot_sync,
                                                  .prepare = prepare_snapshot_sync,
                                                  .finish = finish,
                                                  .clean = clean };

static int blockdev_snapshot_sync(struct layer *l, const json_t *args, json_t **ret,
                                  struct error *err)
{
    (void)ret;
    return transaction_run_one(l, &action_snapshot_sync, args, err);
}

const struct qmp_command qmp_blockdev_snapshot_sync = {
    .name = "blockdev-snapshot-sync",
    .args = &schema_snapshot_sync,
    .help = "make an image, open it and put it above a node",
    .run = blockdev_snapshot_sync,
};
