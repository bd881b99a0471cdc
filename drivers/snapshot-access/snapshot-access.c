/* SPDX-License-Identifier: MIT */
/* snapshot-access: shows the past that the node below it keeps.
 *
 *   reader -> snapshot-access -> copy-before-write   (as its disk was when it was put there)
 *
 * It is neither filter nor format: what it shows is not what its child shows.  It asks for no
 * permission on the child and grants all, as it does not touch what the child shows now.
 * (QEMU qapi/block-core.json, BlockdevOptionsGenericFormat; behaviour of the installed 7.2.)
 */
#include "model/node.h"

#include <errno.h>

struct snapshot_state {
    struct child *file;
};

static const struct schema_member options[] = {
    { "file", &schema_blockdev_ref, 0, NULL, "the node whose past is shown" },
    { 0 },
};

static const struct child_desc children[] = {
    { "file", ROLE_DATA | ROLE_PRIMARY, true },
    { 0 },
};

static int snapshot_open(struct node *n, const struct opts *opts, struct error *err)
{
    struct snapshot_state *s = node_state(n);
    return node_open_child(n, opts, &children[0], &s->file, err);
}

static int snapshot_read(struct node *n, struct io_req *req)
{
    const struct snapshot_state *s = node_state(n);
    return io_snapshot_read(s->file, req);
}

static int snapshot_discard(struct node *n, struct io_req *req)
{
    const struct snapshot_state *s = node_state(n);
    return io_snapshot_discard(s->file, req);
}

static int snapshot_status(struct node *n, struct io_req *req, struct io_extent *out)
{
    const struct snapshot_state *s = node_state(n);
    return io_snapshot_status(s->file, req, out);
}

/* It is called as its child is. */
static char *snapshot_filename(const struct node *n)
{
    const struct snapshot_state *s = node_state(n);
    return node_filename(s->file->node);
}

/* The clusters of what lies below say nothing about the past. */
static int snapshot_info(const struct node *n, struct driver_info *info)
{
    (void)n;
    (void)info;
    return -ENOTSUP;
}

static void snapshot_child_perm(const struct node *n, const struct child *c,
                                struct perm_pair parents, struct perm_pair *out)
{
    (void)n;
    (void)c;
    (void)parents;
    *out = (struct perm_pair){ .used = 0, .shared = PERM_ALL };
}

static const struct driver_io snapshot_io = {
    .read = snapshot_read,
    .discard = snapshot_discard,
    .block_status = snapshot_status,
};
static const struct driver_graph snapshot_graph = { .child_perm = snapshot_child_perm };

extern const struct blk_driver driver_snapshot_access;

const struct blk_driver driver_snapshot_access = {
    .name = "snapshot-access",
    .help = "shows what a copy-before-write node has kept",
    .state_size = sizeof(struct snapshot_state),
    .options = options,
    .children = children,
    .open = snapshot_open,
    .filename = snapshot_filename,
    .info = snapshot_info,
    .io = &snapshot_io,
    .graph = &snapshot_graph,
};
