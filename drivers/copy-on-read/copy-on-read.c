/* SPDX-License-Identifier: MIT */
/* copy-on-read: a filter whose reads leave in its child what only lay below it.
 *
 *   reader -> copy-on-read -> top --backing--> mid --backing--> base
 *                              ^                |bottom
 *                              +--- copied -----+
 *
 * The copying itself is the block layer's (model/io_cor.c): the filter asks for it with the reads
 * that it passes on.  With `bottom` it asks only for what lies above or in that layer.
 *
 * Invariants:
 *  1. The filter may write-unchanged its child whatever its parents may.
 *  2. The links from the filter down to bottom are frozen while it is open.
 * (QEMU qapi/block-core.json, BlockdevOptionsCor; behaviour of the installed 7.2.)
 */
#include "base/check.h"
#include "model/layer.h"
#include "model/proposal.h"

#include <errno.h>
#include <string.h>

struct cor_state {
    struct child *file;
    struct node *bottom; /* NULL: all that lies below is copied. */
};

static const struct schema_member options[] = {
    { "file", &schema_blockdev_ref, 0, NULL, "the node that is read, and copied to" },
    { "bottom", &schema_str, MEMBER_OPTIONAL | MEMBER_HOW, NULL,
      "the lowest node whose data is copied" },
    { 0 },
};

static const struct child_desc children[] = {
    { "file", ROLE_FILTERED | ROLE_PRIMARY, true },
    { 0 },
};

/* The first layer at or below n: what is no filter. */
static struct node *skip_filters(struct node *n)
{
    while (n && (n->drv->traits & DRV_FILTER)) {
        n = node_below(n);
    }
    return n;
}

/* ---- Reads ---- */

/* Whether [offset, offset + *bytes), which the top layer has not, is in a layer down to bottom; how
 * far the answer holds goes to *bytes. */
static int found_below(const struct cor_state *s, int64_t offset, int64_t *bytes)
{
    const struct node *top = skip_filters(s->file->node);
    const struct child *backing = node_backing(top);
    const struct node *base = top == s->bottom ? NULL : node_below(s->bottom); /* See the page. */
    struct io_extent e;
    if (!backing) {
        return 0;
    }
    int ret = io_status_above(backing->node, base, offset, *bytes, &e);
    if (ret < 0 || e.bytes == 0) {
        return ret; /* Beyond the end of what lies below there is nothing to copy. */
    }
    *bytes = e.bytes;
    return (e.flags & STATUS_ALLOCATED) != 0;
}

/* Whether the read is to be copied, and how far that is so.  Who prefetches knows what he wants. */
static int must_copy(const struct cor_state *s, bool prefetch, int64_t offset, int64_t *bytes)
{
    int64_t asked = *bytes;
    int ret = io_is_allocated(s->file->node, offset, asked, bytes);
    if (ret < 0) {
        return ret;
    }
    if (*bytes == 0) {
        *bytes = asked; /* The child has become shorter. */
        return 0;
    }
    if (ret == 1) {
        return 0;
    }
    return prefetch ? 1 : found_below(s, offset, bytes);
}

static int read_down_to_bottom(const struct cor_state *s, const struct io_req *req)
{
    for (int64_t done = 0; done < req->bytes;) {
        int64_t bytes = req->bytes - done;
        int copy = must_copy(s, (req->flags & IO_PREFETCH) != 0, req->offset + done, &bytes);
        if (copy < 0) {
            return copy;
        }
        struct io_req part = *req;
        struct iobuf buf;
        part.offset += done;
        part.bytes = bytes;
        part.flags |= copy ? IO_COPY_ON_READ : 0;
        if (req->buf) {
            buf = iobuf_slice(req->buf, (size_t)done, (size_t)bytes);
            buf.symbolic = false;
            part.buf = &buf;
        }
        int ret = copy || req->buf ? io_child(s->file, &part) : 0;
        if (ret < 0) {
            return ret;
        }
        done += bytes;
    }
    return 0;
}

static int cor_read(struct node *n, struct io_req *req)
{
    const struct cor_state *s = node_state(n);
    if (!node_filtered(n)) {
        return -ENOMEDIUM; /* A job has taken it out of the graph. */
    }
    if (s->bottom) {
        return read_down_to_bottom(s, req);
    }
    struct io_req below_req = *req;
    below_req.flags |= IO_COPY_ON_READ;
    return io_child(s->file, &below_req);
}

/* ---- Life ---- */

static int find_bottom(struct node *n, const char *name, struct node **out, struct error *err)
{
    struct node *at = n;
    while (at && strcmp(at->name, name) != 0) {
        at = node_below(at);
    }
    struct node *bottom = at ? at : layer_find_node(n->layer, name);
    if (!bottom) {
        return error_set(err, -EINVAL, "Bottom node '%s' not found", name);
    }
    if (bottom->drv->traits & DRV_FILTER) {
        return error_set(err, -EINVAL, "Bottom node '%s' is a filter", name);
    }
    if (!at) {
        return error_set(err, -EINVAL, "Bottom node '%s' is not in the chain of '%s'", name,
                         n->name);
    }
    *out = bottom;
    return 0;
}

static int cor_open(struct node *n, const struct opts *opts, struct error *err)
{
    struct cor_state *s = node_state(n);
    const char *name = opts_str(opts, "bottom");
    struct node *bottom = NULL;
    int ret = node_open_child(n, opts, &children[0], &s->file, err);
    if (ret == 0 && name) {
        ret = find_bottom(n, name, &bottom, err);
    }
    if (ret == 0 && bottom) {
        ret = chain_freeze(n, bottom, err);
    }
    if (ret == 0) {
        s->bottom = bottom;
    }
    return ret;
}

static void release_bottom(struct node *n)
{
    struct cor_state *s = node_state(n);
    if (s->bottom) {
        chain_unfreeze(n, s->bottom);
        s->bottom = NULL;
    }
}

/* For the job that put the filter in and takes it out: "release-bottom", of a drained node. */
static int cor_command(struct node *n, const char *name, const json_t *args, json_t *reply)
{
    (void)args;
    (void)reply;
    if (strcmp(name, "release-bottom") != 0) {
        return -ENOTSUP;
    }
    release_bottom(n);
    return 0;
}

static void cor_limits(const struct node *n, struct io_limits *limits)
{
    (void)n;
    limits->read_flags |= IO_PREFETCH;
    limits->write_flags |= IO_COMPRESSED; /* The child refuses what it cannot do. */
}

static void cor_child_perm(const struct node *n, const struct child *c, struct perm_pair parents,
                           struct perm_pair *out)
{
    (void)n;
    (void)c;
    *out = parents;
    out->used |= PERM_WRITE_UNCHANGED;
    out->shared |= PERM_WRITE_UNCHANGED; /* Whatever the parents say of it. */
}

static const struct driver_io cor_io = { .read = cor_read };
static const struct driver_graph cor_graph = { .child_perm = cor_child_perm };

extern const struct blk_driver driver_copy_on_read;

const struct blk_driver driver_copy_on_read = {
    .name = "copy-on-read",
    .help = "keeps in its child what is read from below it",
    .traits = DRV_FILTER | DRV_FOLLOWS,
    .state_size = sizeof(struct cor_state),
    .options = options,
    .children = children,
    .open = cor_open,
    .close = release_bottom,
    .command = cor_command,
    .limits = cor_limits,
    .io = &cor_io,
    .graph = &cor_graph,
};
