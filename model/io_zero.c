/* SPDX-License-Identifier: MIT */
/* Zeroing and discarding.
 *
 * Zeroing is cut so that each part either misses the driver's zeroing alignment or fits it, and is
 * no longer than its limit.  What the driver cannot do (-ENOTSUP) is written as zeroes, unless the
 * caller wants no fallback.  Discarding is a hint: what does not fit the request alignment is left
 * alone, and a driver that cannot do it has done it.
 */
#include "model/io_private.h"

#include <errno.h>

/* Bytes of [offset, offset + bytes) to do in one go: up to the next boundary of align when offset
 * is off it, else whole multiples of align as long as there are any, at most max. */
static int64_t next_part(int64_t offset, int64_t bytes, int64_t align, int64_t max)
{
    int64_t off = offset % align;
    int64_t part = bytes;
    if (off > 0) {
        part = MIN(part, align - off);
    } else if (bytes > align) {
        part -= bytes % align;
    }
    max = max > 0 ? max : IO_MAX_BYTES;
    return part > max ? MAX(max - max % align, MIN(max, align)) : part;
}

static int drv_zero(struct node *n, struct io_req *req)
{
    const struct driver_io *io = n->drv->io;
    if (io && io->write_zeroes) {
        return io->write_zeroes(n, req);
    }
    if (io && io->any) {
        return io->any(n, req);
    }
    return n->drv->traits & DRV_FILTER ? io_forward(n, req) : -ENOTSUP;
}

bool io_drv_can_zero(const struct node *n)
{
    const struct driver_io *io = n->drv->io;
    return (n->drv->traits & DRV_FILTER) || (io && (io->write_zeroes || io->any));
}

static int write_zero_buffer(struct node *n, int64_t offset, int64_t bytes, uint32_t flags)
{
    int64_t limit = n->limits.max_transfer > 0 ? n->limits.max_transfer : 16 << 20;
    limit = MIN(limit, 16 << 20);
    limit = MAX(limit - limit % n->limits.request_alignment, n->limits.request_alignment);
    for (int64_t done = 0; done < bytes;) {
        int64_t part = MIN(limit, bytes - done);
        struct iobuf buf = iobuf_fill(FILL_ZERO, (size_t)part);
        struct io_req r = { IO_WRITE, flags, offset + done, part, &buf, PREALLOC_OFF };
        int ret = io_drv_write(n, &r);
        if (ret < 0) {
            return ret;
        }
        done += part;
    }
    return 0;
}

int io_write_zeroes_aligned(struct node *n, int64_t offset, int64_t bytes, uint32_t flags)
{
    uint32_t can = n->limits.zero_flags;
    if ((flags & IO_NO_FALLBACK) && !(can & IO_NO_FALLBACK)) {
        return -ENOTSUP;
    }
    int64_t align = MAX(n->limits.pwrite_zeroes_alignment, n->limits.request_alignment);
    bool flush = false;
    for (int64_t done = 0; done < bytes;) {
        int64_t part =
            next_part(offset + done, bytes - done, align, n->limits.max_pwrite_zeroes);
        struct io_req r = { IO_WRITE_ZEROES, flags & (can | IO_WRITE_UNCHANGED), offset + done,
                            part, NULL, PREALLOC_OFF };
        int ret = drv_zero(n, &r);
        flush |= (flags & IO_FUA) && !(can & IO_FUA);
        if (ret == -ENOTSUP && !(flags & IO_NO_FALLBACK)) {
            uint32_t wflags = flags & (n->limits.write_flags | IO_WRITE_UNCHANGED);
            flush |= (flags & IO_FUA) && !(wflags & IO_FUA);
            ret = write_zero_buffer(n, offset + done, part, wflags);
        }
        if (ret < 0) {
            return ret;
        }
        done += part;
    }
    if (flush) {
        n->write_gen++; /* So that the flush covers these zeroes. */
        return io_do_flush(n);
    }
    return 0;
}

static int zero_tracked(struct node *n, struct tracked *t, const struct io_req *req)
{
    io_write_prepare(n, t, req);
    node_event(n, "pwritev_zero");
    int ret = io_write_zeroes_aligned(n, req->offset, req->bytes, req->flags);
    node_event(n, "pwritev_done");
    io_write_finish(n, req, ret);
    return ret;
}

static int zero_range(struct node *n, int64_t offset, int64_t bytes, uint32_t flags)
{
    struct io_req r = { IO_WRITE_ZEROES, flags, offset, bytes, NULL, PREALLOC_OFF };
    struct tracked t;
    track_begin(n, &t, IO_WRITE_ZEROES, offset, bytes);
    if (flags & IO_SERIALISING) {
        track_serialise(n, &t, n->limits.request_alignment);
    }
    int ret = zero_tracked(n, &t, &r);
    track_end(n, &t);
    return ret;
}

/* Zeroes inside one block: a read-modify-write of a short buffer. */
static int zero_within_block(struct node *n, int64_t offset, int64_t bytes, uint32_t flags)
{
    struct iobuf buf = iobuf_fill(FILL_ZERO, (size_t)bytes);
    flags &= ~(uint32_t)(IO_MAY_UNMAP | IO_NO_FALLBACK);
    struct io_req r = { IO_WRITE, flags, offset, bytes, &buf, PREALLOC_OFF };
    return io_write_padded(n, &r);
}

int io_do_write_zeroes(struct node *n, struct io_req *req)
{
    int64_t align = n->limits.request_alignment;
    if (io_is_aligned(n, req)) {
        return zero_range(n, req->offset, req->bytes, req->flags);
    }
    if (req->flags & IO_NO_FALLBACK) {
        return -ENOTSUP;
    }
    int64_t at = req->offset;
    int64_t end = req->offset + req->bytes;
    int ret = 0;
    if (at % align) {
        int64_t part = MIN(align - at % align, end - at);
        ret = zero_within_block(n, at, part, req->flags);
        at += part;
    }
    int64_t middle = (end - at) / align * align;
    if (ret == 0 && middle > 0) {
        ret = zero_range(n, at, middle, req->flags);
    }
    at += middle;
    if (ret == 0 && at < end) {
        ret = zero_within_block(n, at, end - at, req->flags);
    }
    return ret;
}

static int drv_discard(struct node *n, struct io_req *req)
{
    const struct driver_io *io = n->drv->io;
    if (io && io->discard) {
        return io->discard(n, req);
    }
    if (io && io->any) {
        return io->any(n, req);
    }
    return n->drv->traits & DRV_FILTER ? io_forward(n, req) : 0;
}

static int discard_parts(struct node *n, int64_t offset, int64_t bytes)
{
    int64_t align = MAX(n->limits.pdiscard_alignment, n->limits.request_alignment);
    for (int64_t done = 0; done < bytes;) {
        int64_t part = next_part(offset + done, bytes - done, align, n->limits.max_pdiscard);
        struct io_req r = { IO_DISCARD, 0, offset + done, part, NULL, PREALLOC_OFF };
        int ret = drv_discard(n, &r);
        if (ret < 0 && ret != -ENOTSUP) {
            return ret;
        }
        done += part;
    }
    return 0;
}

int io_do_discard(struct node *n, struct io_req *req)
{
    if (!n->flags.unmap) {
        return 0;
    }
    int64_t align = n->limits.request_alignment;
    int64_t start = (req->offset + align - 1) / align * align;
    int64_t end = (req->offset + req->bytes) / align * align;
    if (start >= end) {
        return 0;
    }
    struct io_req whole = { IO_DISCARD, 0, start, end - start, NULL, PREALLOC_OFF };
    struct tracked t;
    track_begin(n, &t, IO_DISCARD, start, end - start);
    io_write_prepare(n, &t, &whole);
    int ret = discard_parts(n, start, end - start);
    io_write_finish(n, &whole, ret);
    track_end(n, &t);
    return ret;
}
