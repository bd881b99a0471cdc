/* SPDX-License-Identifier: MIT */
/* Zeroes and discards: L2 entries change, data clusters are given back.
 *
 *   what it is         zeroes        zeroes, may unmap   discard            cut off
 *   unallocated        zero          zero                zero if backed     -
 *   zero               -             -                   -                  unallocated
 *   zero with a place  -             zero                zero               unallocated
 *   data               with a place  zero                zero               unallocated
 *   compressed         zero          zero                zero               unallocated
 *
 * Version 2 has no zeroes: there a discard makes a cluster unallocated where that reads as zeroes,
 * and does nothing with a backing file.
 */
#include "drivers/qcow2/qcow2.h"

enum what { WHAT_ZERO, WHAT_ZERO_UNMAP, WHAT_DISCARD, WHAT_CUT };

static bool has_backing(const struct qcow2 *q)
{
    return q->node && node_backing(q->node);
}

static uint64_t changed_entry(const struct qcow2 *q, uint64_t old, enum what what)
{
    enum cluster_type type = entry_type(old);
    switch (what) {
    case WHAT_ZERO:
        return type == CLUSTER_COMPRESSED ? ENTRY_ZERO : old | ENTRY_ZERO;
    case WHAT_ZERO_UNMAP:
        return ENTRY_ZERO;
    case WHAT_DISCARD:
        if (q->version < 3) {
            return has_backing(q) ? old : 0;
        }
        return type == CLUSTER_UNALLOCATED && !has_backing(q) ? old : ENTRY_ZERO;
    default:
        return 0;
    }
}

/* As many clusters as are in one slice; returns how many, or -errno. */
static int64_t change_slice(struct qcow2 *q, int64_t offset, uint64_t clusters, enum what what,
                            enum discard_type type)
{
    struct slice s;
    int ret = slice_writable(q, offset, &s);
    if (ret < 0) {
        return ret;
    }
    uint32_t n = (uint32_t)MIN(clusters, (uint64_t)(s.len - s.index));
    for (uint32_t i = s.index; i < s.index + n && ret == 0; i++) {
        uint64_t old = slice_entry(&s, i), new = changed_entry(q, old, what);
        ret = slice_check(q, &s, i);
        if (ret < 0 || new == old) {
            continue;
        }
        slice_set(&s, i, new);
        cache_dirty(q->l2_cache, s.table);
        if (!(new &ENTRY_OFFSET)) {
            entry_free(q, old, type);
        }
    }
    cache_put(q->l2_cache, s.table);
    return ret < 0 ? ret : (int64_t)n;
}

static int change_range(struct qcow2 *q, int64_t offset, int64_t bytes, enum what what,
                        enum discard_type type)
{
    uint64_t left = cluster_round_up(q, (uint64_t)bytes) >> q->cluster_bits;
    uint32_t table_bits = q->cluster_bits + l2_bits(q);
    CHECK(in_cluster(q, (uint64_t)offset) == 0);
    while (left > 0) {
        uint64_t i = (uint64_t)offset >> table_bits;
        int64_t n;
        if (i >= q->l1_size) {
            uint64_t end = (i + 1) << table_bits;
            n = (int64_t)MIN(left, (end - (uint64_t)offset) >> q->cluster_bits);
        } else {
            n = change_slice(q, offset, left, what, type);
        }
        if (n < 0) {
            return (int)n;
        }
        left -= (uint64_t)n;
        offset += n << q->cluster_bits;
    }
    return 0;
}

int cluster_discard(struct qcow2 *q, int64_t offset, int64_t bytes, enum discard_type type,
                    bool all)
{
    int ret = qcow2_first_write(q);
    if (ret == 0) {
        ret = change_range(q, offset, bytes, all ? WHAT_CUT : WHAT_DISCARD, type);
    }
    discards_pass(q);
    return ret;
}

int cluster_zero(struct qcow2 *q, int64_t offset, int64_t bytes, bool unmap)
{
    if (q->version < 3) {
        return has_backing(q) ? -ENOTSUP : cluster_discard(q, offset, bytes, DISCARD_REQUEST, true);
    }
    int ret = qcow2_first_write(q);
    if (ret == 0) {
        ret = change_range(q, offset, bytes, unmap ? WHAT_ZERO_UNMAP : WHAT_ZERO, DISCARD_REQUEST);
    }
    discards_pass(q);
    return ret;
}

/* ---- Requests ---- */

/* Whether the cluster of offset has no data of its own and reads as zeroes below: then zeroing a
 * part of it may zero all of it. */
static int rest_is_zero(struct qcow2 *q, int64_t offset)
{
    struct mapping m;
    struct io_extent e;
    qcow2_lock(q);
    int64_t at = (int64_t)cluster_align(q, (uint64_t)offset);
    int ret = cluster_map(q, at, q->cluster_size, &m);
    qcow2_unlock(q);
    if (ret < 0) {
        return ret;
    }
    if (m.type != CLUSTER_UNALLOCATED || !has_backing(q)) {
        return m.type == CLUSTER_UNALLOCATED || m.type == CLUSTER_ZERO;
    }
    struct node *below = node_backing(q->node)->node;
    int64_t end = MIN(at + q->cluster_size, io_length(below));
    while (at < end) {
        ret = io_status_above(below, NULL, at, end - at, &e);
        if (ret < 0 || e.bytes == 0) {
            return ret;
        }
        if (!(e.flags & STATUS_ZERO)) {
            return 0;
        }
        at += e.bytes;
    }
    return 1;
}

/* A part of one cluster. */
static int zero_part(struct qcow2 *q, const struct io_req *req)
{
    struct mapping m;
    int64_t start = (int64_t)cluster_align(q, (uint64_t)req->offset);
    int ret = rest_is_zero(q, req->offset);
    if (ret <= 0) {
        return ret < 0 ? ret : -ENOTSUP;
    }
    qcow2_lock(q);
    allocs_wait(q, start, start + q->cluster_size);
    ret = cluster_map(q, start, q->cluster_size, &m);
    if (ret == 0 && m.type == CLUSTER_UNALLOCATED) {
        ret = cluster_zero(q, start, q->cluster_size, false);
    } else if (ret == 0 && m.type != CLUSTER_ZERO) {
        ret = -ENOTSUP; /* It was written meanwhile. */
    }
    qcow2_unlock(q);
    return ret;
}

/* What the range ends at: the end of the image counts as the end of a cluster. */
static bool ends_well(const struct qcow2 *q, const struct io_req *req)
{
    uint64_t end = (uint64_t)(req->offset + req->bytes);
    return in_cluster(q, end) == 0 || end >= q->size;
}

int qcow2_write_zeroes(struct node *n, struct io_req *req)
{
    struct qcow2 *q = node_state(n);
    if (q->lost) {
        return -ENOMEDIUM;
    }
    if (in_cluster(q, (uint64_t)req->offset) || !ends_well(q, req)) {
        return zero_part(q, req);
    }
    qcow2_lock(q);
    allocs_wait(q, req->offset, req->offset + req->bytes);
    int ret = cluster_zero(q, req->offset, req->bytes, req->flags & IO_MAY_UNMAP);
    qcow2_unlock(q);
    return ret;
}

int qcow2_discard(struct node *n, struct io_req *req)
{
    struct qcow2 *q = node_state(n);
    if (q->lost) {
        return -ENOMEDIUM;
    }
    if (in_cluster(q, (uint64_t)req->offset) || !ends_well(q, req)) {
        return -ENOTSUP;
    }
    qcow2_lock(q);
    allocs_wait(q, req->offset, req->offset + req->bytes);
    int ret = cluster_discard(q, req->offset, req->bytes, DISCARD_REQUEST, false);
    qcow2_unlock(q);
    return ret;
}
