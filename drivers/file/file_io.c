/* SPDX-License-Identifier: MIT */
/* The data path of the file driver: each request is one call of the host. */
#include "base/check.h"
#include "base/mem.h"
#include "drivers/file/file.h"

#include <errno.h>

static int file_read(struct node *n, struct io_req *req)
{
    const struct file_state *s = node_state(n);
    return file_ops(n)->read(s->file, (uint64_t)req->offset, req->buf);
}

static int file_write(struct node *n, struct io_req *req)
{
    const struct file_state *s = node_state(n);
    return file_ops(n)->write(s->file, (uint64_t)req->offset, req->buf, 0);
}

static int file_write_zeroes(struct node *n, struct io_req *req)
{
    const struct file_state *s = node_state(n);
    return file_ops(n)->zero(s->file, (uint64_t)req->offset, (uint64_t)req->bytes,
                             req->flags & IO_MAY_UNMAP);
}

static int file_discard(struct node *n, struct io_req *req)
{
    struct file_state *s = node_state(n);
    int ret = file_ops(n)->discard(s->file, (uint64_t)req->offset, (uint64_t)req->bytes);
    if (ret < 0) {
        s->discard_failed++;
    } else {
        s->discard_ok++;
        s->discard_bytes += (uint64_t)req->bytes;
    }
    return ret;
}

/* A flush that fails may have dropped cached pages which the host then believes clean, so no later
 * flush of a cached file can be believed either.  Without a host cache there are no such pages. */
static int file_sync(struct node *n)
{
    struct file_state *s = node_state(n);
    if (s->flush_error) {
        return s->flush_error;
    }
    int ret = file_ops(n)->flush(s->file);
    if (ret < 0 && !(s->flags & HOST_DIRECT)) {
        s->flush_error = ret;
    }
    return ret;
}

/* Writes zeroes over [from, to).  Errors: of the host. */
static int write_zero_bytes(struct node *n, uint64_t from, uint64_t to)
{
    const struct file_state *s = node_state(n);
    const uint64_t chunk = 64 << 10;
    while (from < to) {
        uint64_t part = MIN(chunk - from % chunk, to - from);
        struct iobuf buf = iobuf_fill(FILL_ZERO, part);
        int ret = file_ops(n)->write(s->file, from, &buf, 0);
        if (ret < 0) {
            return ret;
        }
        from += part;
    }
    return file_ops(n)->flush(s->file);
}

/* Grows the file with its blocks allocated.  On failure the old size is back. */
static int preallocate(struct node *n, uint64_t from, uint64_t to, enum io_prealloc mode,
                       struct error *err)
{
    const struct file_state *s = node_state(n);
    int ret;
    if (mode == PREALLOC_FALLOC) {
        ret = file_ops(n)->zero(s->file, from, to - from, false);
        if (ret < 0) {
            error_set_errno(err, ret, "Could not preallocate new data");
        }
    } else {
        ret = write_zero_bytes(n, from, to);
        if (ret < 0) {
            error_set_errno(err, ret, "Could not write zeros for preallocation");
        }
    }
    if (ret < 0) {
        file_ops(n)->truncate(s->file, from);
    }
    return ret;
}

/* An empty file that grows gets its first block at once, as QEMU wants one to find out how requests
 * must be aligned.  A host that has no room for it says so to who writes there. */
static void allocate_first_block(struct node *n, uint64_t length)
{
    const struct file_state *s = node_state(n);
    const uint64_t sector = 512, block = 4096;
    struct iobuf buf = iobuf_fill(FILL_ZERO, length < block ? sector : block);
    file_ops(n)->write(s->file, 0, &buf, 0);
}

static int file_truncate(struct node *n, struct io_req *req, struct error *err)
{
    const struct file_state *s = node_state(n);
    uint64_t length = (uint64_t)req->offset;
    struct host_info info;
    int ret = file_ops(n)->info(s->file, &info);
    if (ret < 0) {
        return error_set_errno(err, ret, "Could not get file size");
    }
    if (req->prealloc != PREALLOC_OFF && length < info.size) {
        return error_set(err, -EINVAL, "Cannot use preallocation for shrinking files");
    }
    switch (req->prealloc) {
    case PREALLOC_OFF:
        ret = file_ops(n)->truncate(s->file, length);
        if (ret < 0) {
            return error_set_errno(err, ret, "Could not resize file");
        }
        if (info.size == 0 && length > 0) {
            allocate_first_block(n, length);
        }
        return 0;
    case PREALLOC_FALLOC:
    case PREALLOC_FULL:
        return length == info.size ? 0 : preallocate(n, info.size, length, req->prealloc, err);
    default:
        return error_set(err, -ENOTSUP, "Unsupported preallocation mode: metadata");
    }
}

/* Holes read as zeroes; what lies beyond the end of the file, up to the node's rounded length, has
 * no place in it. */
static int file_block_status(struct node *n, struct io_req *req, struct io_extent *out)
{
    const struct file_state *s = node_state(n);
    struct host_info info;
    int ret = file_ops(n)->info(s->file, &info);
    if (ret < 0) {
        return ret;
    }
    if ((uint64_t)req->offset >= info.size) {
        *out = (struct io_extent){ .flags = STATUS_ZERO, .bytes = req->bytes };
        return 0;
    }
    uint64_t limit = MIN((uint64_t)req->bytes, info.size - (uint64_t)req->offset);
    uint64_t bytes = 0;
    bool data = true;
    ret = file_ops(n)->status(s->file, (uint64_t)req->offset, limit, &data, &bytes);
    if (ret < 0) {
        return ret;
    }
    CHECK(bytes > 0 && bytes <= limit);
    uint64_t align = n->limits.request_alignment;
    bytes = MIN((bytes + align - 1) / align * align, (uint64_t)req->bytes);
    *out = (struct io_extent){ .flags = STATUS_OFFSET_VALID | (data ? STATUS_DATA : STATUS_ZERO),
                               .bytes = (int64_t)bytes,
                               .map = req->offset,
                               .file = n };
    return 0;
}

const struct driver_io file_io = {
    .read = file_read,
    .write = file_write,
    .write_zeroes = file_write_zeroes,
    .discard = file_discard,
    .sync = file_sync,
    .truncate = file_truncate,
    .block_status = file_block_status,
};
