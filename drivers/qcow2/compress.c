/* SPDX-License-Identifier: MIT */
/* Compressed clusters: deflate without header, a window of 4 KiB, packed one behind the other with
 * no regard for cluster borders.  Every host cluster that one touches counts one reference to it.
 *
 *   host:  | cluster                    | cluster ...
 *          | AAAAAABBBBBBBBBBBCCCCCCCCCCCCCCC        |
 */
#include "drivers/qcow2/qcow2.h"

#include <zlib.h>

enum { WINDOW_BITS = 12, SECTOR = 512 };

/* [ctl] One whole cluster out of n bytes. */
static int inflate_cluster(uint8_t *out, size_t out_len, const uint8_t *in, size_t in_len)
{
    z_stream z = { .next_in = (Bytef *)(uintptr_t)in,
                   .avail_in = (uInt)in_len,
                   .next_out = out,
                   .avail_out = (uInt)out_len };
    if (inflateInit2(&z, -WINDOW_BITS) != Z_OK) {
        return -EIO;
    }
    int end = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    /* The input has bytes of others behind its own. */
    bool whole = (end == Z_STREAM_END || end == Z_BUF_ERROR) && z.avail_out == 0;
    return whole ? 0 : -EIO;
}

/* [ctl] Bytes used, or -E2BIG when they do not fit. */
static int64_t deflate_cluster(uint8_t *out, size_t out_len, const uint8_t *in, size_t in_len)
{
    z_stream z = { .next_in = (Bytef *)(uintptr_t)in,
                   .avail_in = (uInt)in_len,
                   .next_out = out,
                   .avail_out = (uInt)out_len };
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -WINDOW_BITS, 9, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
        return -EIO;
    }
    int end = deflate(&z, Z_FINISH);
    deflateEnd(&z);
    return end == Z_STREAM_END ? (int64_t)(out_len - z.avail_out) : -E2BIG;
}

int compressed_read(struct qcow2 *q, uint64_t entry, uint8_t *cluster)
{
    uint64_t host, bytes;
    if (q->compression_type != 0) {
        return -ENOTSUP; /* zstd */
    }
    entry_compressed(q, entry, &host, &bytes);
    struct bounce *b = bounce_get(q);
    CHECK(bytes <= (uint64_t)q->cluster_size * 2);
    io_event(q->file, "read_compressed");
    int ret = file_read_bytes(q, host, b->bytes, bytes);
    if (ret == 0) {
        ret = inflate_cluster(cluster, q->cluster_size, b->bytes, bytes);
    }
    bounce_put(q, b);
    return ret;
}

/* ---- Writing ---- */

/* Room for n bytes, behind the last ones when they end within a cluster. */
static int64_t bytes_alloc(struct qcow2 *q, uint64_t n)
{
    uint64_t at = q->free_byte, count = 0;
    io_event(q->file, "cluster_alloc_bytes");
    if (in_cluster(q, at)) {
        int ret = refcount_get(q, at >> q->cluster_bits, &count);
        if (ret < 0) {
            return ret;
        }
    }
    uint64_t room = count > 0 && count < refcount_max(q) ? q->cluster_size - in_cluster(q, at) : 0;
    if (room < n) {
        /* The next cluster follows this one, or a new one begins. */
        int64_t next = clusters_alloc(q, q->cluster_size);
        if (next < 0) {
            return next;
        }
        if (room == 0 || (uint64_t)next != cluster_round_up(q, at)) {
            at = (uint64_t)next;
            room = 0;
        }
        if (room == 0) {
            q->free_byte = at + n;
            return (int64_t)at;
        }
    }
    int ret = refcount_change(q, cluster_align(q, at), 1, 1, DISCARD_NEVER);
    if (ret < 0) {
        return ret;
    }
    q->free_byte = at + n;
    return (int64_t)at;
}

static uint64_t make_entry(const struct qcow2 *q, uint64_t host, uint64_t n)
{
    uint32_t shift = 62 - (q->cluster_bits - 8);
    uint64_t sectors = (host + n - 1) / SECTOR - host / SECTOR;
    return ENTRY_COMPRESSED | sectors << shift | host;
}

/* Locked.  Puts n compressed bytes of a guest cluster into the file and the table. */
static int store(struct qcow2 *q, int64_t offset, const uint8_t *bytes, size_t n)
{
    struct slice s;
    int ret = slice_writable(q, offset, &s);
    if (ret < 0) {
        return ret;
    }
    uint64_t old = slice_entry(&s, s.index);
    enum cluster_type type = entry_type(old);
    if (type == CLUSTER_DATA || type == CLUSTER_ZERO_ALLOCATED || type == CLUSTER_COMPRESSED) {
        cache_put(q->l2_cache, s.table);
        return -EIO; /* Compression replaces nothing that has a place. */
    }
    int64_t host = bytes_alloc(q, n);
    ret = host < 0 ? (int)host : overlap_check(q, 0, (uint64_t)host, n);
    if (ret == 0) {
        io_event(q->file, "write_compressed");
        ret = file_write_bytes(q, (uint64_t)host, bytes, n);
    }
    if (ret == 0) {
        ret = cache_depend(q->l2_cache, q->refcount_cache); /* Its count is never late. */
    }
    if (ret == 0) {
        io_event(q->file, "l2_update_compressed");
        cache_depend_on_flush(q->l2_cache);
        slice_set(&s, s.index, make_entry(q, (uint64_t)host, n));
        cache_dirty(q->l2_cache, s.table);
        entry_free(q, old, DISCARD_NEVER);
    } else if (host >= 0) {
        clusters_free(q, (uint64_t)host, n, DISCARD_NEVER);
    }
    cache_put(q->l2_cache, s.table);
    return ret;
}

/* One guest cluster; at the end of the image it may be a shorter one. */
static int write_cluster(struct qcow2 *q, int64_t offset, const struct iobuf *data)
{
    struct bounce *in = bounce_get(q), *out = bounce_get(q);
    iobuf_copy_out(data, 0, in->bytes, data->len);
    memset(in->bytes + data->len, 0, q->cluster_size - data->len);
    int64_t n = deflate_cluster(out->bytes, q->cluster_size - 1, in->bytes, q->cluster_size);
    int ret = n < 0 ? (int)n : 0;
    if (ret == 0) {
        qcow2_lock(q);
        ret = qcow2_first_write(q);
        if (ret == 0) {
            allocs_wait(q, offset, offset + q->cluster_size);
            ret = store(q, offset, out->bytes, (size_t)n);
        }
        qcow2_unlock(q);
    }
    bounce_put(q, in);
    bounce_put(q, out);
    return ret;
}

/* As if that many clusters were compressed at a time: when one cannot be written, the others
 * that are in flight are. */
enum { IN_FLIGHT = 8 };

int compressed_write(struct qcow2 *q, struct io_req *req)
{
    uint64_t end = (uint64_t)(req->offset + req->bytes);
    if (q->lost) {
        return -ENOMEDIUM;
    }
    if (q->compression_type != 0) {
        return -ENOTSUP;
    }
    if (in_cluster(q, (uint64_t)req->offset) || (in_cluster(q, end) && end != q->size)) {
        return -EINVAL;
    }
    int first = 0;
    int64_t stop = req->bytes;
    for (int64_t done = 0; done < stop;) {
        int64_t part = MIN(req->bytes - done, (int64_t)q->cluster_size);
        struct iobuf buf = iobuf_slice(req->buf, (size_t)done, (size_t)part);
        int ret = write_cluster(q, req->offset + done, &buf);
        if (ret == -E2BIG) {
            struct io_req plain = { IO_WRITE, 0, req->offset + done, part, &buf, PREALLOC_OFF };
            ret = qcow2_write(q->node, &plain); /* It does not get smaller. */
        }
        if (ret < 0 && first == 0) {
            first = ret;
            stop = MIN(stop, done + IN_FLIGHT * (int64_t)q->cluster_size);
        }
        done += part;
    }
    return first;
}
