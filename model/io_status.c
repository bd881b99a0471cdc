/* SPDX-License-Identifier: MIT */
/* Where the data of a range comes from (qapi/block-core.json, MapEntry). */
#include "model/io_private.h"

#include <errno.h>

static int drv_status(struct node *n, int64_t offset, int64_t bytes, struct io_extent *out)
{
    const struct driver_io *io = n->drv->io;
    struct io_req r = { .op = IO_STATUS, .offset = offset, .bytes = bytes };
    struct child *filtered = node_filtered(n);
    if (io && io->block_status) {
        return io->block_status(n, &r, out);
    }
    if ((n->drv->traits & DRV_FILTER) && filtered) {
        *out = (struct io_extent){ .flags = STATUS_RAW | STATUS_OFFSET_VALID,
                                   .bytes = bytes,
                                   .map = offset,
                                   .file = filtered->node };
        return 0;
    }
    *out = (struct io_extent){ .flags = STATUS_DATA | STATUS_ALLOCATED, .bytes = bytes };
    if (n->drv->traits & DRV_PROTOCOL) {
        out->flags |= STATUS_OFFSET_VALID;
        out->map = offset;
        out->file = n;
    }
    return 0;
}

/* The driver's answer for the aligned range, cut back to the asked one. */
static int aligned_status(struct node *n, int64_t offset, int64_t bytes, struct io_extent *out)
{
    int64_t align = n->limits.request_alignment;
    int64_t start = offset / align * align;
    int64_t end = (offset + bytes + align - 1) / align * align;
    int ret = drv_status(n, start, end - start, out);
    if (ret < 0) {
        return ret;
    }
    CHECK(out->bytes > 0 && out->bytes % align == 0);
    int64_t skip = offset - start;
    CHECK(out->bytes > skip);
    out->bytes = MIN(out->bytes - skip, bytes);
    if (out->flags & STATUS_OFFSET_VALID) {
        out->map += skip;
    }
    return 0;
}

/* Data that lies in a file which reads as zeroes there is zero. */
static void look_below(struct node *n, struct io_extent *e)
{
    const uint32_t need = STATUS_RECURSE | STATUS_DATA | STATUS_OFFSET_VALID;
    if ((e->flags & need) != need || !e->file || e->file == n) {
        return;
    }
    struct io_extent below;
    if (io_status(e->file, e->map, e->bytes, &below) < 0) {
        return;
    }
    if ((below.flags & STATUS_EOF) && (below.bytes == 0 || (below.flags & STATUS_ZERO))) {
        e->flags |= STATUS_ZERO; /* Beyond the end, whatever its length, it is zero. */
    } else {
        e->bytes = below.bytes;
        e->flags |= below.flags & STATUS_ZERO;
    }
}

/* Whether what n has not allocated has nothing below it either. */
static bool has_nothing_below(const struct node *n, int64_t offset)
{
    const struct child *c = node_backing(n);
    return (n->drv->traits & DRV_BACKING) && (!c || offset >= c->node->length);
}

int io_status(struct node *n, int64_t offset, int64_t bytes, struct io_extent *out)
{
    *out = (struct io_extent){ .flags = STATUS_EOF };
    if (offset >= n->length || bytes == 0) {
        out->flags = offset >= n->length ? STATUS_EOF : 0;
        return 0;
    }
    bytes = MIN(bytes, n->length - offset);
    io_enter(n);
    int ret = aligned_status(n, offset, bytes, out);
    if (ret == 0 && (out->flags & STATUS_RAW)) {
        CHECK(out->file && (out->flags & STATUS_OFFSET_VALID));
        ret = io_status(out->file, out->map, out->bytes, out);
    } else if (ret == 0) {
        if (out->flags & (STATUS_DATA | STATUS_ZERO)) {
            out->flags |= STATUS_ALLOCATED;
        } else if (has_nothing_below(n, offset)) {
            out->flags |= STATUS_ZERO;
        }
        look_below(n, out);
    }
    if (ret == 0) {
        out->flags &= ~(uint32_t)(STATUS_EOF | STATUS_RECURSE | STATUS_RAW);
        if (offset + out->bytes == n->length) {
            out->flags |= STATUS_EOF;
        }
    }
    io_leave(n);
    return ret;
}

int io_is_allocated(struct node *n, int64_t offset, int64_t bytes, int64_t *pnum)
{
    struct io_extent e;
    int ret = io_status(n, offset, bytes, &e);
    if (ret < 0) {
        return ret;
    }
    *pnum = e.bytes;
    return (e.flags & STATUS_ALLOCATED) != 0;
}
