/* SPDX-License-Identifier: MIT */
/* Longer and shorter images.
 *
 *   longer:   L1 table grows -> what the backing file would show there is zeroed -> places, when
 *             asked for -> size in the header
 *   shorter:  clusters beyond the end go -> L2 tables beyond it go -> size in the header -> the
 *             file ends behind its last used cluster
 */
#include "drivers/qcow2/qcow2.h"

/* ---- The L1 table ---- */

static int write_l1(struct qcow2 *q, uint64_t offset, const uint64_t *l1, uint64_t entries)
{
    uint64_t used = q->l1_size;
    while (used > 0 && l1[used - 1] == 0) {
        used--;
    }
    if (used == 0) {
        return file_write_fill(q, offset, FILL_ZERO, entries * 8);
    }
    uint64_t *be = NEW_ARRAY(uint64_t, entries);
    for (uint64_t i = 0; i < used; i++) {
        be[i] = htobe64(l1[i]);
    }
    int ret = file_write_bytes(q, offset, be, entries * 8);
    free(be);
    return ret;
}

static int activate_l1(struct qcow2 *q, uint64_t offset, uint64_t entries)
{
    uint8_t be[12];
    put_be32(be, (uint32_t)entries);
    put_be64(be + 4, offset);
    io_event(q->file, "l1_grow_activate_table");
    int ret = file_write_bytes(q, 36, be, sizeof(be));
    return ret < 0 ? ret : io_flush(q->file);
}

/* Locked.  A new L1 table with room for `entries`.  exact: no more than that. */
static int l1_grow(struct qcow2 *q, uint64_t entries, bool exact)
{
    if (entries <= q->l1_size) {
        return 0;
    }
    if (!exact) {
        entries = MAX(entries, q->l1_size + (q->l1_size + 1) / 2);
    }
    if (entries > L1_BYTES_MAX / 8) {
        return -EFBIG;
    }
    uint64_t *l1 = NEW_ARRAY(uint64_t, entries);
    memcpy(l1, q->l1, q->l1_size * sizeof(*l1));
    io_event(q->file, "l1_grow_alloc_table");
    int64_t offset = clusters_alloc(q, entries * 8);
    int ret = offset < 0 ? (int)offset : cache_flush(q->refcount_cache);
    if (ret == 0) {
        ret = overlap_check(q, 0, (uint64_t)offset, entries * 8);
    }
    if (ret == 0) {
        io_event(q->file, "l1_grow_write_table");
        ret = write_l1(q, (uint64_t)offset, l1, entries);
    }
    if (ret == 0) {
        ret = io_flush(q->file);
    }
    if (ret < 0) {
        free(l1);
        if (offset >= 0) {
            clusters_free(q, (uint64_t)offset, entries * 8, DISCARD_OTHER);
        }
        return ret;
    }
    ret = activate_l1(q, (uint64_t)offset, entries);
    if (ret < 0) {
        free(l1); /* The header may say either: both tables stay counted. */
        return ret;
    }
    uint64_t old = q->l1_offset, old_bytes = 8 * (uint64_t)q->l1_size;
    free(q->l1);
    q->l1 = l1;
    q->l1_offset = (uint64_t)offset;
    q->l1_size = (uint32_t)entries;
    clusters_free(q, old, old_bytes, DISCARD_OTHER);
    return 0;
}

/* Takes the entries from `entries` on out of the table, then gives their L2 tables back. */
static int l1_shrink(struct qcow2 *q, uint64_t entries)
{
    if (entries >= q->l1_size) {
        return 0;
    }
    uint64_t n = q->l1_size - entries;
    io_event(q->file, "l1_shrink_write_table");
    int ret = metadata_flush(q);
    if (ret == 0) {
        ret = file_write_fill(q, q->l1_offset + 8 * entries, FILL_ZERO, n * 8);
    }
    if (ret == 0) {
        ret = io_flush(q->file);
    }
    if (ret < 0) {
        /* What the disk has is not known: the tables stay counted, and are not used again. */
        memset(q->l1 + entries, 0, n * sizeof(*q->l1));
        return ret;
    }
    io_event(q->file, "l1_shrink_free_l2_clusters");
    for (uint64_t i = entries; i < q->l1_size; i++) {
        uint64_t table = q->l1[i] & ENTRY_OFFSET;
        q->l1[i] = 0;
        if (table) {
            clusters_free(q, table, q->cluster_size, DISCARD_ALWAYS);
        }
    }
    return 0;
}

/* ---- Places ---- */

/* A place that the file had before may hold what lay there: it becomes zero.  Beyond the end of the
 * file there are zeroes already. */
static int clear_place(struct qcow2 *q, const struct alloc *a)
{
    int64_t there = MAX(0, io_length(q->file->node) - (int64_t)a->host);
    struct io_req r = { .op = IO_WRITE_ZEROES,
                        .offset = (int64_t)a->host,
                        .bytes = MIN(a->end - a->start, there) };
    return r.bytes > 0 ? io_child(q->file, &r) : 0;
}

/* Gives every guest cluster of the range a place. */
static int preallocate_metadata(struct qcow2 *q, int64_t offset, int64_t bytes, struct error *err)
{
    uint64_t end = 0, host;
    int64_t at = offset;
    int ret = 0;
    while (at < offset + bytes && ret == 0) {
        struct alloc *a;
        int64_t part = MIN(offset + bytes - at, (int64_t)1 << 30);
        ret = write_prepare(q, at, &part, &host, &a);
        if (ret == 0 && a) {
            end = MAX(end, a->host + (uint64_t)(a->end - a->start));
            ret = alloc_finish(q, a, clear_place(q, a));
        }
        at += part;
    }
    if (ret == 0 && end > (uint64_t)io_length(q->file->node)) {
        return io_truncate(q->file, (int64_t)end, 0, PREALLOC_OFF, err);
    }
    return ret < 0 ? error_set_errno(err, ret, "Could not preallocate metadata") : 0;
}

/* ---- Growing ---- */

/* One past the last cluster below n that is in use, or -errno. */
static int64_t last_used(struct qcow2 *q, uint64_t n)
{
    uint32_t bits = refblock_bits(q);
    n = MIN(n, (uint64_t)q->reftable_size << bits);
    while (n > 0) {
        uint64_t count;
        if (!(q->reftable[(n - 1) >> bits] & REFTABLE_OFFSET)) {
            n = (n - 1) >> bits << bits; /* No block: none of these is. */
            continue;
        }
        int ret = refcount_get(q, n - 1, &count);
        if (ret < 0) {
            return ret;
        }
        if (count > 0) {
            break;
        }
        n--;
    }
    return (int64_t)n;
}

/* An area of n clusters at the end of the file, as long as `mode` makes it; n and their L2 tables
 * have refcount blocks.  Returns its offset or -errno. */
static int64_t make_area(struct qcow2 *q, uint64_t n, uint64_t tables, enum io_prealloc mode,
                         struct error *err)
{
    int64_t at = metadata_flush(q);
    if (at == 0) {
        uint64_t length = (uint64_t)io_length(q->file->node);
        at = last_used(q, (length + q->cluster_size - 1) >> q->cluster_bits);
    }
    if (at >= 0) {
        at = reftable_area(q, MAX((uint64_t)at, held_end(q)), n + tables);
    }
    if (at < 0) {
        return error_set_errno(err, (int)at, "Failed to resize refcount structures");
    }
    int ret = 0;
    int64_t from = at << q->cluster_bits;
    if (io_length(q->file->node) > from) { /* What was there once is not shown again. */
        ret = io_truncate(q->file, from, 0, PREALLOC_OFF, err);
    }
    if (ret == 0) {
        ret = io_truncate(q->file, from + (int64_t)(n << q->cluster_bits), 0, mode, err);
    }
    if (ret < 0) {
        error_prefix(err, "Failed to resize underlying file: ");
        return ret;
    }
    return from;
}

/* Preallocation of the file itself: the new clusters lie together at its end, and the file is asked
 * to allocate what it gets longer by. */
static int grow_file(struct qcow2 *q, int64_t old, int64_t length, enum io_prealloc mode,
                     struct error *err)
{
    int64_t start = (int64_t)cluster_round_up(q, (uint64_t)old);
    if (start >= length) {
        return 0;
    }
    uint64_t n = ((uint64_t)(length - start) + q->cluster_size - 1) >> q->cluster_bits;
    uint64_t tables = (n + (UINT64_C(1) << l2_bits(q)) - 1) >> l2_bits(q);
    int64_t bytes = (int64_t)(n << q->cluster_bits);
    int64_t at = make_area(q, n, tables, mode, err);
    if (at < 0) {
        return (int)at;
    }
    int ret = refcount_change(q, (uint64_t)at, (uint64_t)bytes, 1, DISCARD_NEVER);
    int64_t done = ret < 0 ? ret : clusters_link(q, start, bytes, (uint64_t)at);
    if (done == bytes) {
        return 0;
    }
    if (ret == 0 && !q->lost) {
        int64_t linked = MAX(done, 0);
        refcount_abandon(q, (uint64_t)(at + linked), (uint64_t)(bytes - linked));
    }
    return error_set_errno(err, done < 0 ? (int)done : -EIO, "Failed to update the L2 tables");
}

/* Whether what lies below would show where the image gets longer. */
static bool would_show(const struct qcow2 *q, int64_t old)
{
    const struct child *backing = q->node ? node_backing(q->node) : NULL;
    return backing && io_length(backing->node) > old;
}

/* A place that ends beyond the old size may hold what lay there before.  Above a longer backing
 * file zeroes are written in any case, as QEMU does. */
static int zero_tail(struct qcow2 *q, int64_t old)
{
    struct mapping m;
    uint32_t tail = q->cluster_size - in_cluster(q, (uint64_t)old);
    if (in_cluster(q, (uint64_t)old) == 0) {
        return 0;
    }
    int ret = cluster_map(q, old, tail, &m);
    bool clean = m.type == CLUSTER_ZERO || m.type == CLUSTER_ZERO_ALLOCATED ||
                 m.type == CLUSTER_UNALLOCATED;
    if (ret < 0 || (clean && !would_show(q, old))) {
        return ret;
    }
    int64_t part = tail;
    uint64_t host;
    struct alloc *a;
    ret = write_prepare(q, old, &part, &host, &a);
    if (ret < 0) {
        return ret;
    }
    if (a) {
        qcow2_unlock(q); /* Copying reads as a guest would. */
        ret = alloc_copy(q, a);
        qcow2_lock(q);
    }
    if (ret == 0) {
        ret = file_write_fill(q, host, FILL_ZERO, (size_t)part);
    }
    return a ? alloc_finish(q, a, ret) : ret;
}

/* What lies below must not show where the image gets longer.  -ENOTSUP: version 2. */
static int cover_backing(struct qcow2 *q, int64_t old, int64_t length)
{
    int64_t start = (int64_t)cluster_round_up(q, (uint64_t)old);
    int64_t end = would_show(q, old) ? length : 0;
    if (start >= end) {
        return 0;
    }
    return cluster_zero(q, start, end - start, false);
}

static int grow(struct qcow2 *q, int64_t length, enum io_prealloc mode, struct error *err)
{
    uint32_t bits = q->cluster_bits + l2_bits(q);
    uint64_t entries =
        ((uint64_t)length >> bits) + (((uint64_t)length & ((UINT64_C(1) << bits) - 1)) != 0);
    int64_t old = (int64_t)q->size;
    int ret = l1_grow(q, entries, true);
    if (ret < 0) {
        return error_set_errno(err, ret, "Failed to grow the L1 table");
    }
    ret = cover_backing(q, old, length);
    if (ret < 0) {
        return error_set_errno(err, ret, "Failed to zero out new clusters");
    }
    ret = length > old ? zero_tail(q, old) : 0;
    if (ret < 0) {
        return error_set_errno(err, ret, "Failed to zero out the new area");
    }
    if (mode == PREALLOC_FALLOC || mode == PREALLOC_FULL) {
        return grow_file(q, old, length, mode, err);
    }
    return mode == PREALLOC_OFF ? 0 : preallocate_metadata(q, old, length - old, err);
}

/* ---- Shrinking ---- */

static int shrink(struct qcow2 *q, int64_t length, enum io_prealloc mode, struct error *err)
{
    if (mode != PREALLOC_OFF) {
        return error_set(err, -EINVAL, "Preallocation can't be used for shrinking an image");
    }
    int64_t start = (int64_t)cluster_round_up(q, (uint64_t)length);
    int64_t end = (int64_t)cluster_round_up(q, q->size);
    int ret = 0;
    allocs_wait(q, start, INT64_MAX);
    if (start < end) {
        ret = cluster_discard(q, start, end - start, DISCARD_ALWAYS, true);
    }
    if (ret < 0) {
        return error_set_errno(err, ret, "Failed to discard cropped clusters");
    }
    uint32_t bits = q->cluster_bits + l2_bits(q);
    ret = l1_shrink(q, ((uint64_t)length + (UINT64_C(1) << bits) - 1) >> bits);
    discards_pass(q);
    return ret < 0 ? error_set_errno(err, ret, "Failed to reduce the number of L2 tables") : 0;
}

/* Ends the file behind the last cluster in use.  Only a hint: nothing is lost when it fails. */
static void shorten_file(struct qcow2 *q)
{
    if (metadata_flush(q) < 0 || refblocks_drop_idle(q) < 0) {
        return;
    }
    uint64_t length = (uint64_t)io_length(q->file->node);
    int64_t n = last_used(q, (length + q->cluster_size - 1) >> q->cluster_bits);
    if (n >= 0 && (uint64_t)n << q->cluster_bits < length) {
        io_truncate(q->file, n << q->cluster_bits, 0, PREALLOC_OFF, NULL);
    }
}

/* ---- Both ---- */

int qcow2_resize(struct qcow2 *q, int64_t length, enum io_prealloc mode, struct error *err)
{
    bool longer = length >= (int64_t)q->size;
    uint8_t be[8];
    int ret = longer ? grow(q, length, mode, err) : shrink(q, length, mode, err);
    if (ret < 0) {
        return ret;
    }
    put_be64(be, (uint64_t)length);
    ret = metadata_flush(q); /* The new area has its zeroes before it is there. */
    if (ret == 0) {
        ret = file_write_bytes(q, 24, be, sizeof(be));
    }
    if (ret == 0) {
        ret = io_flush(q->file);
    }
    if (ret < 0) {
        return error_set_errno(err, ret, "Failed to update the image size");
    }
    q->size = (uint64_t)length;
    if (!longer) {
        shorten_file(q);
    }
    return 0;
}

/* The caches fit the size of the image: they are made anew for another one. */
static int refit_caches(struct qcow2 *q)
{
    struct opts opts = { .values = q->node->options, .members = qcow2_options };
    struct qcow2_options o;
    int ret = qcow2_options_read(q, &opts, &q->node->flags, &o, NULL);
    if (ret < 0 ||
        (o.l2_entries == q->options.l2_entries && o.l2_entry_size == q->options.l2_entry_size)) {
        return ret;
    }
    ret = metadata_flush(q);
    if (ret == 0) {
        cache_destroy(q->l2_cache);
        cache_destroy(q->refcount_cache);
        caches_create(q, &o, &q->l2_cache, &q->refcount_cache);
        q->options = o;
    }
    return ret;
}

int qcow2_truncate(struct node *n, struct io_req *req, struct error *err)
{
    struct qcow2 *q = node_state(n);
    if (q->lost) {
        return error_set_errno(err, -ENOMEDIUM, "Failed to update the image size");
    }
    if (req->offset % 512) {
        return error_set(err, -EINVAL, "The new size must be a multiple of 512");
    }
    qcow2_lock(q);
    int ret;
    if (q->snapshot_count && q->version < 3) {
        ret = error_set(err, -ENOTSUP, "Can't resize a v2 image which has snapshots");
    } else {
        ret = qcow2_resize(q, req->offset, req->prealloc, err);
    }
    if (ret == 0 && refit_caches(q) < 0) {
        ret = 0; /* The old ones still serve. */
    }
    qcow2_unlock(q);
    return ret;
}
