/* SPDX-License-Identifier: MIT */
/* throttle: a filter that holds requests to the limits of a throttle group.
 *
 * Reads, and writes, zeroes and discards as writes, wait for their turn in the group before they go
 * on to the file child.  Flushes and resizes do not count.
 *
 * Invariants:
 *  1. The node is a member of one group from open to close.
 *  2. While the node is drained nothing waits: what did has gone on to the file child.
 *  3. A reopen that is being prepared holds the new group: it cannot be deleted before it ends.
 * (QEMU qapi/block-core.json, BlockdevOptionsThrottle; docs/throttle.txt.)
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/node.h"
#include "model/throttle.h"
#include "model/txn.h"

#include <errno.h>
#include <stdlib.h>

struct throttle_state {
    struct throttle_member member;
    struct child *file;
};

static const struct schema_member options[] = {
    { "throttle-group", &schema_str, MEMBER_MUTABLE | MEMBER_NO_RESET, NULL,
      "the group whose limits hold" },
    { "file", &schema_blockdev_ref, MEMBER_MUTABLE, NULL, "the node that is throttled" },
    { 0 },
};

static const struct child_desc children[] = {
    { "file", ROLE_FILTERED | ROLE_PRIMARY, true },
    { 0 },
};

static struct throttle_group *find_group(const struct node *n, const struct opts *opts,
                                         struct error *err)
{
    const char *name = opts_str(opts, "throttle-group");
    struct throttle_group *g = throttle_group_find(n->layer, name);
    if (!g) {
        error_set(err, -EINVAL, "Throttle group '%s' does not exist", name);
    }
    return g;
}

static int throttle_open(struct node *n, const struct opts *opts, struct error *err)
{
    struct throttle_state *s = node_state(n);
    int ret = node_open_child(n, opts, &children[0], &s->file, err);
    if (ret < 0) {
        return ret;
    }
    struct throttle_group *g = find_group(n, opts, err);
    if (!g) {
        return -EINVAL;
    }
    throttle_join_group(&s->member, g);
    return 0;
}

static void throttle_close(struct node *n)
{
    struct throttle_state *s = node_state(n);
    throttle_leave(&s->member);
}

/* What the file takes goes through as it is. */
static void throttle_limits(const struct node *n, struct io_limits *limits)
{
    const struct throttle_state *s = node_state(n);
    limits->write_flags = s->file->node->limits.write_flags | IO_COMPRESSED; /* If it can. */
    limits->zero_flags = s->file->node->limits.zero_flags;
}

/* ---- Requests ---- */

static int throttle_read(struct node *n, struct io_req *req)
{
    struct throttle_state *s = node_state(n);
    throttle_wait(&s->member, (uint64_t)req->bytes, false);
    return io_child(s->file, req);
}

static int throttle_write(struct node *n, struct io_req *req)
{
    struct throttle_state *s = node_state(n);
    throttle_wait(&s->member, (uint64_t)req->bytes, true);
    return io_child(s->file, req);
}

static void throttle_drain_node(struct node *n, bool begin)
{
    struct throttle_state *s = node_state(n);
    throttle_drain(&s->member, begin);
}

/* ---- Reopen ---- */

struct change {
    struct throttle_state *s;
    struct throttle_member hold; /* Of the new group. */
};

static void change_commit(void *opaque)
{
    struct change *c = opaque;
    struct throttle_member *m = &c->s->member;
    if (m->group != c->hold.group) {
        throttle_leave(m);
        throttle_join_group(m, c->hold.group);
    }
}

static void change_clean(void *opaque)
{
    struct change *c = opaque;
    throttle_leave(&c->hold);
    free(c);
}

static int throttle_reopen(struct node *n, const struct node_reopen *r, struct error *err)
{
    struct throttle_group *g = find_group(n, &r->opts, err);
    if (!g) {
        return -EINVAL;
    }
    struct change *c = NEW(struct change);
    c->s = node_state(n);
    throttle_join_group(&c->hold, g);
    txn_add(r->txn, (struct txn_action){ .commit = change_commit,
                                         .clean = change_clean,
                                         .opaque = c });
    return 0;
}

static const struct driver_io throttle_io = {
    .read = throttle_read,
    .write = throttle_write,
    .write_zeroes = throttle_write,
    .discard = throttle_write,
};

static const struct driver_graph throttle_graph = { .reopen = throttle_reopen };

extern const struct blk_driver driver_throttle;

const struct blk_driver driver_throttle = {
    .name = "throttle",
    .help = "holds requests to the limits of a throttle group",
    .traits = DRV_FILTER,
    .state_size = sizeof(struct throttle_state),
    .options = options,
    .children = children,
    .open = throttle_open,
    .close = throttle_close,
    .limits = throttle_limits,
    .drain = throttle_drain_node,
    .io = &throttle_io,
    .graph = &throttle_graph,
};
