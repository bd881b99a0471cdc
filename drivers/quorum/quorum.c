/* SPDX-License-Identifier: MIT */
/* quorum: the same data on several children, read by vote.
 *
 *                 +--> children.0 --+
 *   read --> node +--> children.1 --+--> what `vote-threshold` of them say, or -EIO
 *                 +--> children.2 --+
 *
 * quorum_io.c does the requests, quorum_vote.c counts, quorum_event.c tells who failed.
 *
 * Invariants:
 *  1. The children are the edges of the node, in their order; there are never fewer than the
 *     threshold.
 *  2. The set of children changes only while no request is in flight (x-blockdev-change drains).
 *  3. Nobody else may write or resize a child: the children would come to differ.
 * (QEMU qapi/block-core.json, BlockdevOptionsQuorum; behaviour of the installed 7.2.)
 */
#include "drivers/quorum/quorum.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/proposal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const pattern_names[] = { "quorum", "fifo", NULL };

static const struct schema_type pattern_type = {
    .name = "QuorumReadPattern", .kind = SCHEMA_ENUM, .values = pattern_names
};

static const struct schema_type children_type = {
    .name = "BlockdevRefList", .kind = SCHEMA_ARRAY, .element = &schema_blockdev_ref
};

static const struct schema_member options[] = {
    { "children", &children_type, 0, NULL, "the nodes that hold the data" },
    { "blkverify", &schema_bool, MEMBER_OPTIONAL, "false",
      "compare two children; a difference is an error" },
    { "vote-threshold", &schema_int, 0, NULL, "how many children must agree" },
    { "rewrite-corrupted", &schema_bool, MEMBER_OPTIONAL, "false",
      "write the winner's data to those who were outvoted" },
    { "read-pattern", &pattern_type, MEMBER_OPTIONAL, "quorum",
      "quorum: all children are read, and vote; fifo: one after the other until one can be read" },
    { 0 },
};

uint32_t quorum_children(const struct node *n)
{
    uint32_t len = 0;
    for (const struct child *c = n->children; c; c = c->next) {
        len++;
    }
    return len;
}

static int check_threshold(int64_t threshold, size_t children, struct error *err)
{
    if (children == 0) {
        return error_set(err, -EINVAL, "Number of provided children must be 1 or more");
    }
    if (threshold < 1) {
        return error_set(err, -ERANGE, "Parameter 'vote-threshold' expects a value >= 1");
    }
    if (threshold > (int64_t)children) {
        return error_set(err, -ERANGE, "threshold may not exceed children count");
    }
    return 0;
}

static int read_options(struct quorum_state *s, const struct opts *opts, struct error *err)
{
    size_t children = json_array_size(opts_get(opts, "children"));
    s->threshold = (int32_t)opts_int(opts, "vote-threshold"); /* QEMU keeps it in an int. */
    s->fifo = strcmp(opts_enum(opts, "read-pattern"), "fifo") == 0;
    int ret = check_threshold(s->threshold, children, err);
    if (ret < 0 || s->fifo) {
        return ret;
    }
    s->blkverify = opts_bool(opts, "blkverify");
    s->rewrite = opts_bool(opts, "rewrite-corrupted");
    if (s->blkverify && (children != 2 || s->threshold != 2)) {
        return error_set(err, -EINVAL, "blkverify=on can only be set if there are exactly two "
                                       "files and vote-threshold is 2");
    }
    if (s->blkverify && s->rewrite) {
        return error_set(err, -EINVAL, "rewrite-corrupted=on cannot be used with blkverify=on");
    }
    return 0;
}

static int quorum_open(struct node *n, const struct opts *opts, struct error *err)
{
    struct quorum_state *s = node_state(n);
    int ret = read_options(s, opts, err);
    const json_t *children = opts_get(opts, "children");
    size_t len = json_array_size(children);
    for (size_t i = 0; i < len && ret == 0; i++) {
        char *name = mem_printf("children.%zu", i);
        struct child *edge;
        ret = node_open_child_value(n, json_array_get(children, i), name, ROLE_DATA, &edge, err);
        free(name);
    }
    s->next_index = (uint32_t)len;
    return ret;
}

static void quorum_close(struct node *n)
{
    quorum_free_requests(node_state(n));
}

static void quorum_limits(const struct node *n, struct io_limits *limits)
{
    limits->write_flags = 0;
    limits->zero_flags = IO_MAY_UNMAP | IO_NO_FALLBACK;
    for (const struct child *c = n->children; c; c = c->next) {
        limits->zero_flags &= c->node->limits.zero_flags;
    }
}

/* That of the children, which must agree on it. */
static int64_t quorum_length(struct node *n)
{
    int64_t length = io_length(n->children->node);
    for (const struct child *c = n->children; c; c = c->next) {
        if (io_length(c->node) != length) {
            return -EIO;
        }
    }
    return length;
}

/* Zero where all children are zero; data as far as one of them has data. */
static int quorum_block_status(struct node *n, struct io_req *req, struct io_extent *out)
{
    int64_t zero = req->bytes, data = 0;
    for (struct child *c = n->children; c; c = c->next) {
        struct io_extent e;
        int ret = io_status_above(c->node, NULL, req->offset, req->bytes, &e);
        if (ret < 0) {
            quorum_report_bad(n, QUORUM_READ, c->node, req->offset, req->bytes, ret);
            data = req->bytes;
            break;
        }
        if (e.flags & STATUS_ZERO) {
            zero = MIN(zero, e.bytes);
        } else {
            data = MAX(data, e.bytes);
        }
    }
    *out = (struct io_extent){ .flags = data > 0 ? STATUS_DATA : STATUS_ZERO,
                               .bytes = data > 0 ? data : zero };
    return 0;
}

static void quorum_child_perm(const struct node *n, const struct child *c, struct perm_pair parents,
                              struct perm_pair *out)
{
    const struct quorum_state *s = node_state(n);
    (void)c;
    out->used = parents.used | (s->rewrite ? PERM_WRITE : 0);
    out->shared = parents.shared & (PERM_CONSISTENT_READ | PERM_WRITE_UNCHANGED);
}

/* ---- Children that come and go ---- */

struct children_change {
    struct node *node;
    uint32_t old_next;
};

static void children_changed(void *opaque)
{
    struct children_change *change = opaque;
    node_refresh_limits(change->node);
}

static void children_unchanged(void *opaque)
{
    struct children_change *change = opaque;
    struct quorum_state *s = node_state(change->node);
    s->next_index = change->old_next;
}

/* The next index moves at once; what failed later takes it back. */
static void set_next_index(struct node *n, uint32_t next, struct txn *txn)
{
    struct quorum_state *s = node_state(n);
    struct children_change change = { .node = n, .old_next = s->next_index };
    s->next_index = next;
    txn_add(txn, (struct txn_action){ .commit = children_changed,
                                      .undo = children_unchanged,
                                      .clean = free,
                                      .opaque = mem_copy(&change, sizeof(change)) });
}

static int quorum_child_add(struct node *n, struct node *child, struct proposal *p,
                            struct txn *txn, struct error *err)
{
    struct quorum_state *s = node_state(n);
    if (s->blkverify) {
        return error_set(err, -ENOTSUP, "Cannot add a child to a quorum in blkverify mode");
    }
    if (s->next_index == INT32_MAX) {
        return error_set(err, -E2BIG, "Too many children");
    }
    char *name = mem_printf("children.%" PRIu32, s->next_index);
    proposal_add(p, child, name, ROLE_DATA, n, NULL, NULL, (struct perm_pair){ .used = 0 });
    free(name);
    set_next_index(n, s->next_index + 1, txn);
    return 0;
}

static int quorum_child_del(struct node *n, struct child *c, struct proposal *p, struct txn *txn,
                            struct error *err)
{
    struct quorum_state *s = node_state(n);
    if (quorum_children(n) <= (uint64_t)s->threshold) {
        return error_set(err, -EINVAL,
                         "The number of children cannot be lower than the vote threshold %" PRId64,
                         s->threshold);
    }
    char *last = mem_printf("children.%" PRIu32, s->next_index - 1);
    uint32_t next = s->next_index - (strcmp(c->name, last) == 0 ? 1 : 0);
    free(last);
    proposal_drop(p, c);
    set_next_index(n, next, txn);
    return 0;
}

/* What blkverify mode saw last, as the blkverify driver tells it. */
static int quorum_command(struct node *n, const char *name, const json_t *args, json_t *reply)
{
    const struct quorum_state *s = node_state(n);
    (void)args;
    return node_last_message(name, s->message, s->mismatches, reply);
}

static const struct driver_io quorum_io = {
    .read = quorum_read,
    .write = quorum_write,
    .write_zeroes = quorum_write,
    .flush = quorum_flush,
    .block_status = quorum_block_status,
};

/* A child that is outvoted may become anything; who else uses it would notice. */
static bool quorum_can_replace(const struct node *n, const struct node *to)
{
    for (const struct child *c = n->children; c; c = c->next) {
        if (c->node == to) {
            return to->parents == c && !c->next_parent;
        }
    }
    return false;
}

static const struct driver_graph quorum_graph = {
    .child_perm = quorum_child_perm,
    .child_add = quorum_child_add,
    .child_del = quorum_child_del,
    .can_replace = quorum_can_replace,
};

extern const struct blk_driver driver_quorum;

const struct blk_driver driver_quorum = {
    .name = "quorum",
    .help = "the same data on several nodes, read by vote",
    .state_size = sizeof(struct quorum_state),
    .options = options,
    .open = quorum_open,
    .close = quorum_close,
    .limits = quorum_limits,
    .length = quorum_length,
    .command = quorum_command,
    .io = &quorum_io,
    .graph = &quorum_graph,
};
