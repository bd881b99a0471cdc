/* SPDX-License-Identifier: MIT */
/* Copy-on-read: what a node has not allocated is written to it when it is read.
 *
 *   request      |<------>|
 *   clusters  |<------------->|   serialising: nobody writes there meanwhile
 *             |  A  |  .  | A |   allocated parts are read, the others are read from below through
 *                   copied        the driver, written by it, and handed out
 *
 * The copy changes nothing that a reader sees, so it needs no more than the write-unchanged
 * permission, marks nothing dirty and moves no threshold.  It goes to the driver past the door: the
 * request itself keeps the range.  A copy that fails fails the read.
 *
 * A prefetch is a read whose data nobody wants (block jobs): it has no buffer.
 */
#include "model/io_private.h"

#include <errno.h>
#include <stdlib.h>

/* A copy in one go is at most this long, or one cluster. */
enum { COR_PIECE_MAX = 1 << 20 };

/* Copies are whole clusters, so that the driver need not read from below by itself. */
static int64_t copy_unit(const struct node *n)
{
    struct driver_info info;
    int64_t unit = n->limits.request_alignment;
    if (node_info(n, &info) == 0 && info.cluster_size > unit) {
        unit = info.cluster_size;
    }
    CHECK(unit > 0 && (unit & (unit - 1)) == 0);
    return unit;
}

/* A filter hands the copy on, and can only do so where it may write. */
static bool may_copy(const struct node *n)
{
    const struct child *c = n->drv->traits & DRV_FILTER ? node_filtered(n) : NULL;
    return !n->flags.read_only &&
           (!c || (c->perm.used & (PERM_WRITE | PERM_WRITE_UNCHANGED)) != 0);
}

static int write_copy(struct node *n, int64_t offset, struct iobuf *buf)
{
    int64_t bytes = (int64_t)buf->len;
    n->write_gen++;
    if (io_drv_can_zero(n) && iobuf_is_zero(buf)) {
        return io_write_zeroes_aligned(n, offset, bytes, IO_WRITE_UNCHANGED);
    }
    struct io_req r = { IO_WRITE, IO_WRITE_UNCHANGED, offset, bytes, buf, PREALLOC_OFF };
    node_event(n, "cor_write");
    return io_drv_write(n, &r);
}

/* The part of req->buf that [at, at + bytes) falls on; false: none. */
static bool wanted(const struct io_req *req, int64_t at, int64_t bytes, int64_t *lo, int64_t *hi)
{
    *lo = MAX(at, req->offset);
    *hi = MIN(at + bytes, req->offset + req->bytes);
    return *lo < *hi && !(req->flags & IO_PREFETCH);
}

/* Reads [at, at + bytes) from below, writes it to n, and gives the reader his part. */
static int copy_piece(struct node *n, int64_t at, int64_t bytes, struct io_req *req)
{
    void *memory = mem_alloc((size_t)bytes);
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, memory, (size_t)bytes);
    buf.symbolic = true;
    struct io_req r = { IO_READ, 0, at, bytes, &buf, PREALLOC_OFF };
    int64_t lo, hi;
    int ret = io_drv_read(n, &r);
    if (ret == 0) {
        ret = write_copy(n, at, &buf);
    }
    if (ret == 0 && wanted(req, at, bytes, &lo, &hi)) {
        struct iobuf part = iobuf_slice(&buf, (size_t)(lo - at), (size_t)(hi - lo));
        iobuf_copy(req->buf, (size_t)(lo - req->offset), &part);
    }
    free(memory);
    return ret;
}

static int read_piece(struct node *n, int64_t at, int64_t bytes, struct io_req *req)
{
    int64_t lo, hi;
    if (!wanted(req, at, bytes, &lo, &hi)) {
        return 0;
    }
    struct iobuf part = iobuf_slice(req->buf, (size_t)(lo - req->offset), (size_t)(hi - lo));
    part.symbolic = false;
    struct io_req r = { IO_READ, 0, lo, hi - lo, &part, PREALLOC_OFF };
    return io_drv_read(n, &r);
}

/* How far from `at` on, at most to end, all is allocated in n or all is not.  *bytes 0: n ends
 * there, as it got shorter meanwhile. */
static bool next_extent(struct node *n, int64_t at, int64_t end, int64_t *bytes)
{
    int64_t align = n->limits.request_alignment;
    int64_t asked = MIN(end, n->length) - at;
    int ret = asked > 0 ? io_is_allocated(n, at, asked, bytes) : 0;
    if (ret < 0) {
        *bytes = asked; /* What the driver cannot tell is copied, if it can be read at all. */
    }
    if (asked <= 0 || *bytes <= 0 || at >= n->length) {
        *bytes = 0;
        return false;
    }
    *bytes = MIN(round_up(*bytes, align), end - at);
    return ret == 1;
}

static int copy_range(struct node *n, int64_t unit, struct io_req *req)
{
    int64_t align = n->limits.request_alignment;
    int64_t at = req->offset / unit * unit;
    int64_t end = MIN(round_up(req->offset + req->bytes, unit), round_up(n->length, align));
    int64_t max = MAX(unit, COR_PIECE_MAX);
    if (n->limits.max_transfer > 0) {
        max = MIN(max, MAX(align, n->limits.max_transfer / align * align));
    }
    int ret = 0;
    while (at < end && ret == 0) {
        int64_t bytes;
        bool allocated = next_extent(n, at, MIN(end, at + max), &bytes);
        if (bytes == 0) {
            break;
        }
        ret = allocated ? read_piece(n, at, bytes, req) : copy_piece(n, at, bytes, req);
        at += bytes;
    }
    int64_t over = req->offset + req->bytes - MAX(at, req->offset);
    if (ret == 0 && over > 0 && !(req->flags & IO_PREFETCH)) {
        iobuf_set(req->buf, (size_t)(req->bytes - over), FILL_ZERO, (size_t)over);
    }
    return ret;
}

int io_read_cor(struct node *n, struct tracked *t, struct io_req *req)
{
    bool prefetch = req->flags & IO_PREFETCH;
    int64_t there = MIN(req->bytes, n->length - req->offset), bytes = 0;
    int64_t unit = copy_unit(n);
    int ret = 1;
    if (may_copy(n) && there > 0) {
        track_serialise(n, t, (uint64_t)unit);
        track_wait(n, t); /* It may get shorter meanwhile. */
        there = MIN(req->bytes, n->length - req->offset);
        ret = there > 0 ? io_is_allocated(n, req->offset, there, &bytes) : 1;
        if (ret < 0) {
            return ret;
        }
        if (there > 0 && (ret == 0 || bytes < there)) {
            return copy_range(n, unit, req);
        }
    }
    if (prefetch) {
        return 0;
    }
    struct io_req plain = *req;
    plain.flags &= ~(uint32_t)IO_COPY_ON_READ;
    return io_read_aligned(n, t, &plain);
}

/* Without copy-on-read here it is for the driver, if it takes such reads, to copy further down. */
int io_prefetch(struct node *n, struct io_req *req)
{
    int64_t align = n->limits.request_alignment;
    int64_t start = req->offset / align * align;
    struct io_req aligned = *req;
    aligned.offset = start;
    aligned.bytes = round_up(req->offset + req->bytes, align) - start;
    CHECK(!req->buf);
    if (!(req->flags & IO_COPY_ON_READ) && !(n->limits.read_flags & IO_PREFETCH)) {
        return 0;
    }
    struct tracked t;
    int ret;
    track_begin(n, &t, IO_READ, aligned.offset, aligned.bytes);
    if (req->flags & IO_COPY_ON_READ) {
        ret = io_read_cor(n, &t, &aligned);
    } else {
        track_wait(n, &t);
        ret = io_drv_read(n, &aligned);
    }
    track_end(n, &t);
    return ret;
}
