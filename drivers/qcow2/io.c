/* SPDX-License-Identifier: MIT */
/* The requests of the guest: reads, writes, flushes, and where data are.
 *
 * Reads of a chain go through guest_read once a layer, so its frame is small. */
#include "drivers/qcow2/qcow2.h"

/* ---- Bytes of the file ---- */

int file_read_bytes(struct qcow2 *q, uint64_t offset, void *dst, size_t n)
{
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, dst, n);
    return offset > (uint64_t)INT64_MAX ? -EINVAL : io_read(q->file, (int64_t)offset, &buf, 0);
}

int file_write_bytes(struct qcow2 *q, uint64_t offset, const void *src, size_t n)
{
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, (void *)(uintptr_t)src, n);
    return offset > (uint64_t)INT64_MAX ? -EINVAL : io_write(q->file, (int64_t)offset, &buf, 0);
}

int file_write_fill(struct qcow2 *q, uint64_t offset, struct fill f, size_t n)
{
    struct iobuf buf = iobuf_fill(f, n);
    return offset > (uint64_t)INT64_MAX ? -EINVAL : io_write(q->file, (int64_t)offset, &buf, 0);
}

struct bounce *bounce_get(struct qcow2 *q)
{
    struct bounce *b = q->bounces;
    if (b) {
        q->bounces = b->next;
        return b;
    }
    return mem_alloc(sizeof(*b) + (size_t)q->cluster_size * 2);
}

void bounce_put(struct qcow2 *q, struct bounce *b)
{
    b->next = q->bounces;
    q->bounces = b;
}

/* ---- Reading ---- */

static int read_compressed(struct qcow2 *q, uint64_t entry, int64_t offset, struct iobuf *buf)
{
    struct bounce *b = bounce_get(q);
    int ret = compressed_read(q, entry, b->bytes);
    if (ret == 0) {
        iobuf_copy_in(buf, 0, b->bytes + in_cluster(q, (uint64_t)offset), buf->len);
    }
    bounce_put(q, b);
    return ret;
}

static int read_mapped(struct qcow2 *q, const struct mapping *m, int64_t offset, struct iobuf *buf)
{
    switch (m->type) {
    case CLUSTER_UNALLOCATED:
        if (q->node && node_backing(q->node)) {
            io_event(q->file, "read_backing_aio");
            return io_read_backing(q->node, offset, buf);
        }
        iobuf_answer_fill(buf, FILL_ZERO);
        return 0;
    case CLUSTER_DATA:
        io_event(q->file, "read_aio");
        return io_read(q->file, (int64_t)m->host, buf, 0);
    case CLUSTER_COMPRESSED:
        return read_compressed(q, m->entry, offset, buf);
    default:
        iobuf_answer_fill(buf, FILL_ZERO);
        return 0;
    }
}

int qcow2_read_range(struct qcow2 *q, int64_t offset, struct iobuf *buf)
{
    struct mapping m;
    struct iobuf part;
    for (size_t done = 0; done < buf->len; done += (size_t)m.bytes, offset += m.bytes) {
        if (q->lost) {
            return -ENOMEDIUM;
        }
        qcow2_lock(q);
        int ret = cluster_map(q, offset, (int64_t)(buf->len - done), &m);
        uint32_t epoch = data_begin(q);
        qcow2_unlock(q);
        if (ret < 0) {
            data_end(q, epoch);
            return ret;
        }
        if (m.bytes == (int64_t)buf->len) {
            ret = read_mapped(q, &m, offset, buf);
        } else {
            part = iobuf_slice(buf, done, (size_t)m.bytes);
            part.symbolic = false;
            ret = read_mapped(q, &m, offset, &part);
        }
        data_end(q, epoch);
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

int qcow2_read(struct node *n, struct io_req *req)
{
    return qcow2_read_range(node_state(n), req->offset, req->buf);
}

/* ---- Writing ---- */

/* One piece: as much as has one place.  Returns its bytes or -errno. */
static int64_t write_piece(struct qcow2 *q, int64_t offset, struct iobuf *buf)
{
    struct alloc *a;
    uint64_t host;
    int64_t bytes = (int64_t)buf->len;
    if (q->lost) {
        return -ENOMEDIUM;
    }
    qcow2_lock(q);
    int ret = write_prepare(q, offset, &bytes, &host, &a);
    uint32_t epoch = data_begin(q);
    qcow2_unlock(q);
    if (ret == 0 && a) {
        ret = alloc_copy(q, a);
    }
    if (ret == 0) {
        struct iobuf part = iobuf_slice(buf, 0, (size_t)bytes);
        io_event(q->file, "write_aio");
        ret = io_write(q->file, (int64_t)host, &part, 0);
    }
    if (a) {
        qcow2_lock(q);
        ret = alloc_finish(q, a, ret);
        qcow2_unlock(q);
    }
    data_end(q, epoch);
    return ret < 0 ? ret : bytes;
}

int qcow2_write(struct node *n, struct io_req *req)
{
    struct qcow2 *q = node_state(n);
    if (req->flags & IO_COMPRESSED) {
        return compressed_write(q, req);
    }
    for (int64_t done = 0; done < req->bytes;) {
        struct iobuf rest = iobuf_slice(req->buf, (size_t)done, (size_t)(req->bytes - done));
        int64_t bytes = write_piece(q, req->offset + done, &rest);
        if (bytes < 0) {
            return (int)bytes;
        }
        done += bytes;
    }
    return 0;
}

int qcow2_writeback(struct node *n)
{
    struct qcow2 *q = node_state(n);
    if (q->lost) {
        return -ENOMEDIUM;
    }
    qcow2_lock(q);
    int ret = metadata_write(q);
    qcow2_unlock(q);
    return ret;
}

int qcow2_sync(struct node *n)
{
    struct qcow2 *q = node_state(n);
    uint64_t mark = held_mark(q); /* What is written after this flush has begun does not count. */
    int ret = io_flush(q->file);
    if (ret == 0) {
        held_durable(q, mark);
    }
    return ret;
}

/* ---- Status ---- */

/* Data clusters that were given a place without being written are holes of the file: only then is
 * it worth asking the file.  Known from the number of bytes that the file takes. */
static bool has_holes(struct qcow2 *q)
{
    const struct node *file = q->file->node;
    if (!q->sparse_known) {
        int64_t bytes =
            file->drv->allocated_size ? file->drv->allocated_size(q->file->node) : -ENOTSUP;
        q->sparse_known = bytes >= 0 && bytes < io_length(file) ? 2 : 1;
    }
    return q->sparse_known == 2;
}

int qcow2_block_status(struct node *n, struct io_req *req, struct io_extent *out)
{
    struct qcow2 *q = node_state(n);
    struct mapping m;
    if (q->lost) {
        return -ENOMEDIUM;
    }
    qcow2_lock(q);
    int ret = cluster_map(q, req->offset, req->bytes, &m);
    qcow2_unlock(q);
    if (ret < 0) {
        return ret;
    }
    *out = (struct io_extent){ .bytes = m.bytes };
    if (m.type == CLUSTER_DATA || m.type == CLUSTER_ZERO_ALLOCATED) {
        out->flags |= STATUS_OFFSET_VALID;
        out->map = (int64_t)m.host;
        out->file = q->file->node;
    }
    if (m.type == CLUSTER_ZERO || m.type == CLUSTER_ZERO_ALLOCATED) {
        out->flags |= STATUS_ZERO;
    } else if (m.type != CLUSTER_UNALLOCATED) {
        out->flags |= STATUS_DATA;
    }
    if (m.type == CLUSTER_DATA && has_holes(q)) {
        out->flags |= STATUS_RECURSE;
    }
    return 0;
}
