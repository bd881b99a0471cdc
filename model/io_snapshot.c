/* SPDX-License-Identifier: MIT */
/* The past of a node, as its driver keeps it (driver_snapshot): reads, status, and giving parts of
 * it up.  They do not go through the door of the I/O path: nothing that is there now is touched. */
#include "model/io_private.h"

#include <errno.h>

static const struct driver_snapshot *snapshot_of(const struct child *c)
{
    return c->node->drv->snapshot;
}

int io_snapshot_read(struct child *c, struct io_req *req)
{
    const struct driver_snapshot *s = snapshot_of(c);
    CHECK(req->op == IO_READ && req->buf && (int64_t)req->buf->len == req->bytes);
    if (!s) {
        return -ENOTSUP;
    }
    struct node *n = c->node;
    io_enter(n);
    int ret = s->read(n, req);
    CHECK(ret <= 0);
    io_leave(n);
    return ret;
}

int io_snapshot_status(struct child *c, struct io_req *req, struct io_extent *out)
{
    const struct driver_snapshot *s = snapshot_of(c);
    if (!s) {
        return -ENOTSUP;
    }
    struct node *n = c->node;
    io_enter(n);
    int ret = s->block_status(n, req, out);
    CHECK(ret < 0 || (out->bytes > 0 && out->bytes <= req->bytes));
    io_leave(n);
    return ret;
}

int io_snapshot_discard(struct child *c, struct io_req *req)
{
    const struct driver_snapshot *s = snapshot_of(c);
    if (!s) {
        return -ENOTSUP;
    }
    struct node *n = c->node;
    io_enter(n);
    int ret = s->discard(n, req);
    io_leave(n);
    return ret;
}
