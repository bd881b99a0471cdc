/* SPDX-License-Identifier: MIT */
/* The I/O path: one checked door, io_child, through which every request of a parent goes.
 *
 *   io_child -> range and permission -> tracked -> waits for serialising requests
 *            -> padded to the request alignment (io_pad.c)
 *            -> read: what only lies below is copied, if wanted (io_cor.c)
 *            -> split at max_transfer, cut at the end of the node
 *            -> the driver (or its default)
 *            -> what was changed, or may have been, is marked in the node's dirty bitmaps
 *
 * Drivers may rely on it: requests arrive aligned, inside the length rounded up to the alignment,
 * no longer than the limits allow, with the flags that they said they take.
 *
 * Invariants:
 *  1. n->in_flight counts requests between door and return; a node closes at 0.
 *  2. A request that changes data is tracked from before its first effect to after its last.
 *  3. FUA is done by the driver when limits.write_flags has it, else by a flush after the last
 *     part.
 */
#include "model/io.h"

#include "model/dirty_bitmap.h"
#include "model/io_private.h"

#include <errno.h>

const char *io_op_name(enum io_op op)
{
    static const char *const names[IO_OPS] = { "read",  "write",    "write-zeroes", "discard",
                                               "flush", "truncate", "status" };
    CHECK((unsigned)op < IO_OPS);
    return names[op];
}

void io_event(struct child *c, const char *name)
{
    node_event(c->node, name);
}

int64_t io_length(const struct node *n)
{
    return n->length;
}

int io_refresh_length(struct node *n)
{
    int64_t length;
    struct child *below = node_primary(n);
    if (n->drv->length) {
        length = n->drv->length(n);
    } else if (below) {
        length = below->node->length;
    } else {
        length = -ENOTSUP;
    }
    if (length < 0) {
        return (int)length;
    }
    if (length > IO_MAX_LENGTH) {
        return -EFBIG;
    }
    n->length = (length + 511) & ~(int64_t)511;
    bitmap_resize_all(n, n->length);
    return 0;
}

void io_tell_length(struct node *n)
{
    for (struct child *c = n->parents; c; c = c->next_parent) {
        struct node *p = c->parent;
        if (c->ops && c->ops->resized) {
            c->ops->resized(c);
        } else if (p && p->open && (p->drv->traits & DRV_FOLLOWS) && c == node_primary(p)) {
            int64_t old = p->length;
            if (io_refresh_length(p) == 0 && p->length != old) {
                io_tell_length(p);
            }
        }
    }
}

int io_forward(struct node *n, struct io_req *req)
{
    struct child *c = node_filtered(n);
    return c ? io_child(c, req) : -ENOMEDIUM; /* A job took it out of the graph and still has it. */
}

static int drv_default(struct node *n, struct io_req *req)
{
    return n->drv->traits & DRV_FILTER ? io_forward(n, req) : -ENOTSUP;
}

int io_drv_read(struct node *n, struct io_req *req)
{
    const struct driver_io *io = n->drv->io;
    if (io && io->read) {
        return io->read(n, req);
    }
    return io && io->any ? io->any(n, req) : drv_default(n, req);
}

int io_drv_write(struct node *n, struct io_req *req)
{
    const struct driver_io *io = n->drv->io;
    if ((req->flags & IO_COMPRESSED) && !(n->limits.write_flags & IO_COMPRESSED)) {
        return -ENOTSUP;
    }
    if (io && io->write) {
        return io->write(n, req);
    }
    return io && io->any ? io->any(n, req) : drv_default(n, req);
}

/* Longest part of a transfer, a multiple of the alignment. */
static int64_t max_transfer(const struct node *n)
{
    int64_t max = n->limits.max_transfer;
    int64_t align = n->limits.request_alignment;
    max = max > 0 && max < IO_MAX_BYTES ? max : IO_MAX_BYTES;
    return MAX(max - max % align, align);
}

/* Reads in parts, and answers what lies beyond the end with zeroes. */
static int read_parts(struct node *n, struct io_req *req)
{
    int64_t align = n->limits.request_alignment;
    int64_t end = MAX(0, n->length - req->offset);
    end = (end + align - 1) / align * align;
    int64_t limit = max_transfer(n);
    struct iobuf whole = *req->buf;
    whole.symbolic = false;
    for (int64_t done = 0; done < req->bytes;) {
        int64_t part = MIN(req->bytes - done, limit);
        if (done >= end) {
            iobuf_set(&whole, (size_t)done, FILL_ZERO, (size_t)(req->bytes - done));
            break;
        }
        part = MIN(part, end - done);
        struct iobuf buf = iobuf_slice(&whole, (size_t)done, (size_t)part);
        struct io_req r = { .op = IO_READ,
                            .flags = req->flags,
                            .offset = req->offset + done,
                            .bytes = part,
                            .buf = &buf };
        int ret = io_drv_read(n, &r);
        if (ret < 0) {
            return ret;
        }
        done += part;
    }
    return 0;
}

int io_read_aligned(struct node *n, struct tracked *t, struct io_req *req)
{
    if (req->flags & IO_COPY_ON_READ) {
        return io_read_cor(n, t, req);
    }
    track_wait(n, t);
    int64_t max = n->limits.max_transfer;
    if (req->offset + req->bytes <= n->length && (max == 0 || req->bytes <= max)) {
        return io_drv_read(n, req);
    }
    return read_parts(n, req);
}

void io_write_finish(struct node *n, const struct io_req *req, int ret)
{
    n->write_gen++;
    if (req->op != IO_DISCARD) {
        int64_t end = req->offset + req->bytes;
        n->wr_highest = MAX(n->wr_highest, end);
        if (ret == 0 && end > n->length) {
            n->length = (end + 511) & ~(int64_t)511;
            bitmap_resize_all(n, n->length);
            io_tell_length(n);
        }
    }
    if (n->bitmaps) {
        bitmap_mark(n, req->offset, req->bytes);
    }
}

/* One part of a write, with FUA as the driver can do it. */
static int write_part(struct node *n, struct io_req *req)
{
    bool emulate = (req->flags & IO_FUA) && !(n->limits.write_flags & IO_FUA);
    if (emulate) {
        req->flags &= ~(uint32_t)IO_FUA;
    }
    int ret = io_drv_write(n, req);
    if (ret == 0 && emulate) {
        n->write_gen++; /* So that the flush covers this write. */
        ret = io_do_flush(n);
    }
    return ret;
}

/* FUA of a split write goes to the last part when it is emulated: one flush covers them all. */
static int write_parts(struct node *n, struct io_req *req)
{
    int64_t limit = max_transfer(n);
    bool native = n->limits.write_flags & IO_FUA;
    for (int64_t done = 0; done < req->bytes;) {
        int64_t part = MIN(req->bytes - done, limit);
        bool last = done + part == req->bytes;
        struct iobuf buf = iobuf_slice(req->buf, (size_t)done, (size_t)part);
        struct io_req r = { .op = IO_WRITE,
                            .flags = native || last ? req->flags : req->flags & ~(uint32_t)IO_FUA,
                            .offset = req->offset + done,
                            .bytes = part,
                            .buf = &buf };
        int ret = write_part(n, &r);
        if (ret < 0) {
            return ret;
        }
        done += part;
    }
    return 0;
}

static bool becomes_zeroes(const struct node *n, const struct io_req *req)
{
    return n->flags.detect_zeroes && io_drv_can_zero(n) && iobuf_is_zero(req->buf);
}

int io_write_aligned(struct node *n, struct tracked *t, struct io_req *req)
{
    io_write_prepare(n, t, req);
    int ret;
    if (becomes_zeroes(n, req)) {
        uint32_t flags = req->flags | (n->flags.detect_zeroes == 2 ? IO_MAY_UNMAP : 0);
        node_event(n, "pwritev_zero");
        ret = io_write_zeroes_aligned(n, req->offset, req->bytes, flags);
    } else {
        node_event(n, "pwritev");
        int64_t max = n->limits.max_transfer;
        ret = max == 0 || req->bytes <= max ? write_part(n, req) : write_parts(n, req);
    }
    node_event(n, "pwritev_done");
    io_write_finish(n, req, ret);
    return ret;
}

/* A node may have got shorter below a parent that keeps its own length: only who may resize changes
 * what lies beyond the end. */
static int check_range(const struct child *c, const struct io_req *req)
{
    if (req->offset < 0 || req->bytes < 0 || req->offset > IO_MAX_LENGTH - req->bytes) {
        return -EIO;
    }
    if (req->op <= IO_WRITE && req->bytes > IO_MAX_BYTES) {
        return -EIO;
    }
    bool bounded = req->op != IO_READ && !(c->perm.used & PERM_RESIZE);
    return bounded && req->offset + req->bytes > c->node->length ? -EIO : 0;
}

static int do_read(struct node *n, struct io_req *req)
{
    if (n->copy_on_read) {
        req->flags |= IO_COPY_ON_READ;
    }
    if (req->flags & IO_PREFETCH) {
        return io_prefetch(n, req);
    }
    if (!io_is_aligned(n, req)) {
        return io_read_padded(n, req);
    }
    struct tracked t;
    track_begin(n, &t, IO_READ, req->offset, req->bytes);
    int ret = io_read_aligned(n, &t, req);
    track_end(n, &t);
    return ret;
}

static int do_write(struct node *n, struct io_req *req)
{
    if (!io_is_aligned(n, req)) {
        return io_write_padded(n, req);
    }
    struct tracked t;
    track_begin(n, &t, IO_WRITE, req->offset, req->bytes);
    if (req->flags & IO_SERIALISING) {
        track_serialise(n, &t, n->limits.request_alignment);
        track_wait(n, &t);
    }
    int ret = io_write_aligned(n, &t, req);
    track_end(n, &t);
    return ret;
}

static int do_transfer(struct child *c, struct io_req *req)
{
    struct node *n = c->node;
    CHECK(req->flags & IO_PREFETCH ? !req->buf
                                   : req->buf && (int64_t)req->buf->len == req->bytes);
    int ret = check_range(c, req);
    if (ret < 0 || req->bytes == 0) {
        return ret;
    }
    return req->op == IO_READ ? do_read(n, req) : do_write(n, req);
}

static int do_other(struct child *c, struct io_req *req, struct error *err)
{
    struct node *n = c->node;
    int ret;
    switch (req->op) {
    case IO_WRITE_ZEROES:
        if (c->parent && !n->flags.unmap) {
            req->flags &= ~(uint32_t)IO_MAY_UNMAP; /* What a guest asks of the top node goes. */
        }
        ret = check_range(c, req);
        return ret < 0 || req->bytes == 0 ? ret : io_do_write_zeroes(n, req);
    case IO_DISCARD:
        ret = check_range(c, req);
        return ret < 0 || req->bytes == 0 ? ret : io_do_discard(n, req);
    case IO_FLUSH:
        return io_do_flush(n);
    case IO_TRUNCATE:
        return io_do_truncate(n, req, err);
    default:
        UNREACHABLE();
    }
}

/* What the parent must hold on the edge. */
static void check_perm(const struct child *c, const struct io_req *req)
{
    uint32_t have = c->perm.used;
    switch (req->op) {
    case IO_WRITE:
    case IO_WRITE_ZEROES:
        CHECK(have & (req->flags & IO_WRITE_UNCHANGED ? PERM_WRITE | PERM_WRITE_UNCHANGED
                                                      : PERM_WRITE));
        break;
    case IO_DISCARD:
        CHECK(have & PERM_WRITE);
        break;
    case IO_TRUNCATE:
        CHECK((have & PERM_RESIZE) || (req->flags & IO_GIVE_BACK));
        break;
    default:
        break;
    }
}

/* err: of a truncate; NULL when nobody asks for its message. */
static int submit(struct child *c, struct io_req *req, struct error *err)
{
    struct node *n = c->node;
    check_perm(c, req);
    io_enter(n);
    int ret = req->op <= IO_WRITE ? do_transfer(c, req) : do_other(c, req, err);
    CHECK(ret <= 0);
    io_leave(n);
    return ret;
}

int io_child(struct child *c, struct io_req *req)
{
    return submit(c, req, NULL);
}

int io_read(struct child *c, int64_t offset, struct iobuf *buf, uint32_t flags)
{
    struct io_req r = { IO_READ, flags, offset, (int64_t)buf->len, buf, PREALLOC_OFF };
    return io_child(c, &r);
}

int io_write(struct child *c, int64_t offset, struct iobuf *buf, uint32_t flags)
{
    struct io_req r = { IO_WRITE, flags, offset, (int64_t)buf->len, buf, PREALLOC_OFF };
    return io_child(c, &r);
}

int io_flush(struct child *c)
{
    struct io_req r = { .op = IO_FLUSH };
    return io_child(c, &r);
}

int io_truncate(struct child *c, int64_t length, uint32_t flags, enum io_prealloc prealloc,
                struct error *err)
{
    struct io_req r = { IO_TRUNCATE, flags, length, 0, NULL, prealloc };
    return submit(c, &r, err);
}
