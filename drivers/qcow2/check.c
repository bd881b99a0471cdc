/* SPDX-License-Identifier: MIT */
/* Counting references anew: what a dirty image needs before it may be written to.
 *
 *   1. count what header, tables, blocks, L1, L2 and snapshots refer to
 *   2. where a count is too low, raise it; blocks that are missing come to lie beyond everything
 *   3. where it is too high, lower it (a leak)
 *   4. put ENTRY_COPIED right
 *   5. all of it durable, then the dirty bit goes
 *
 * Raised counts are durable before anything that could rely on them.  Nothing is moved or dropped:
 * an image that refers to one cluster twice stays so, with a count of 2.
 */
#include "drivers/qcow2/qcow2.h"

enum { CLUSTERS_MAX = 128 << 20 }; /* Of memory: 512 MiB of counts. */

struct census {
    struct qcow2 *q;
    uint32_t *counts;
    uint64_t len;
};

static int count(struct census *c, uint64_t offset, uint64_t bytes)
{
    const struct qcow2 *q = c->q;
    if (bytes == 0) {
        return 0;
    }
    if (offset > (uint64_t)INT64_MAX - bytes) {
        return -EINVAL;
    }
    uint64_t first = offset >> q->cluster_bits, last = (offset + bytes - 1) >> q->cluster_bits;
    if (last >= CLUSTERS_MAX) {
        return -EFBIG;
    }
    if (last >= c->len) {
        uint64_t len = MAX(last + 1, c->len + c->len / 2);
        c->counts = mem_resize(c->counts, len * sizeof(*c->counts));
        memset(c->counts + c->len, 0, (len - c->len) * sizeof(*c->counts));
        c->len = len;
    }
    for (uint64_t i = first; i <= last; i++) {
        c->counts[i] += c->counts[i] < UINT32_MAX;
    }
    return 0;
}

static int count_entry(struct census *c, uint64_t entry)
{
    uint64_t host, bytes;
    switch (entry_type(entry)) {
    case CLUSTER_COMPRESSED:
        entry_compressed(c->q, entry, &host, &bytes);
        return count(c, host, bytes);
    case CLUSTER_DATA:
    case CLUSTER_ZERO_ALLOCATED:
        return count(c, entry & ENTRY_OFFSET, c->q->cluster_size);
    default:
        return 0;
    }
}

static int count_l1(struct census *c, uint64_t offset, const uint64_t *l1, uint32_t l1_size)
{
    struct qcow2 *q = c->q;
    int ret = count(c, offset, 8 * (uint64_t)l1_size);
    struct bounce *b = bounce_get(q);
    for (uint32_t i = 0; i < l1_size && ret == 0; i++) {
        uint64_t table = l1[i] & ENTRY_OFFSET;
        if (!table) {
            continue;
        }
        ret = count(c, table, q->cluster_size);
        if (ret == 0) {
            ret = file_read_bytes(q, table, b->bytes, q->cluster_size);
        }
        for (uint32_t k = 0; k < q->cluster_size / 8 && ret == 0; k++) {
            ret = count_entry(c, be64(b->bytes + 8 * (size_t)k));
        }
    }
    bounce_put(q, b);
    return ret;
}

static int take_census(struct census *c)
{
    struct qcow2 *q = c->q;
    int ret = count(c, 0, q->cluster_size);
    if (ret == 0) {
        ret = count_l1(c, q->l1_offset, q->l1, q->l1_size);
    }
    if (ret == 0) {
        ret = count(c, q->snapshots_offset, q->snapshots_size);
    }
    for (uint32_t i = 0; i < q->snapshot_count && ret == 0; i++) {
        struct snapshot *s = &q->snapshots[i];
        ret = snapshot_l1(q, s);
        if (ret == 0) {
            ret = count_l1(c, s->l1_offset, s->l1, s->l1_size);
        }
    }
    if (ret == 0) {
        ret = count(c, q->reftable_offset, 8 * (uint64_t)q->reftable_size);
    }
    for (uint32_t i = 0; i < q->reftable_size && ret == 0; i++) {
        uint64_t block = q->reftable[i] & REFTABLE_OFFSET;
        ret = block ? count(c, block, q->cluster_size) : 0;
    }
    return ret;
}

/* ---- Putting right ---- */

static int set_count(struct qcow2 *q, uint64_t cluster, uint64_t value)
{
    uint8_t *block;
    uint64_t offset = q->reftable[cluster >> refblock_bits(q)] & REFTABLE_OFFSET;
    int ret = cache_get(q->refcount_cache, offset, &block);
    if (ret == 0) {
        refcount_put(q, block, cluster & ((UINT64_C(1) << refblock_bits(q)) - 1), value);
        cache_dirty(q->refcount_cache, block);
        cache_put(q->refcount_cache, block);
    }
    return ret;
}

static int set_counts(struct census *c, uint64_t len, bool raise)
{
    struct qcow2 *q = c->q;
    for (uint64_t i = 0; i < len; i++) {
        uint64_t have, want = c->counts[i];
        int ret = refcount_get(q, i, &have);
        if (ret == 0 && (raise ? have < want : have > want)) {
            ret = want > refcount_max(q) ? -ERANGE : 0;
            while (ret == 0 && raise && (ret = refblocks_ensure(q, i, i)) > 0) {
                ret = 0;
            }
            ret = ret < 0 ? ret : set_count(q, i, want);
        }
        if (ret < 0) {
            return ret;
        }
    }
    return cache_flush(q->refcount_cache);
}

static uint64_t right_entry(const struct census *c, uint64_t entry)
{
    uint64_t cluster = (entry & ENTRY_OFFSET) >> c->q->cluster_bits;
    bool own = cluster && cluster < c->len && c->counts[cluster] == 1;
    return own ? entry | ENTRY_COPIED : entry & ~ENTRY_COPIED;
}

static bool right_table(const struct census *c, uint8_t *table)
{
    bool changed = false;
    for (uint32_t k = 0; k < c->q->cluster_size / 8; k++) {
        uint64_t entry = be64(table + 8 * (size_t)k);
        enum cluster_type type = entry_type(entry);
        if ((type == CLUSTER_DATA || type == CLUSTER_ZERO_ALLOCATED) &&
            right_entry(c, entry) != entry) {
            put_be64(table + 8 * (size_t)k, right_entry(c, entry));
            changed = true;
        }
    }
    return changed;
}

/* Behind the caches, which hold no L2 table yet. */
static int set_copied(struct census *c)
{
    struct qcow2 *q = c->q;
    struct bounce *b = bounce_get(q);
    int ret = 0;
    for (uint32_t i = 0; i < q->l1_size && ret == 0; i++) {
        uint64_t table = q->l1[i] & ENTRY_OFFSET;
        if (!table || in_cluster(q, table)) {
            continue;
        }
        if (right_entry(c, q->l1[i]) != q->l1[i]) {
            q->l1[i] = right_entry(c, q->l1[i]);
            ret = l1_write_entry(q, i);
        }
        if (ret == 0) {
            ret = file_read_bytes(q, table, b->bytes, q->cluster_size);
        }
        if (ret == 0 && right_table(c, b->bytes)) {
            ret = file_write_bytes(q, table, b->bytes, q->cluster_size);
        }
    }
    bounce_put(q, b);
    return ret;
}

int refcounts_repair(struct qcow2 *q)
{
    struct census c = { .q = q };
    if (q->has_bitmaps) {
        return -ENOTSUP; /* Clusters that nobody here knows of. */
    }
    int ret = metadata_flush(q);
    if (ret == 0) {
        cache_drop(q->l2_cache);
        ret = take_census(&c);
    }
    uint64_t len =
        MAX(c.len, ((uint64_t)io_length(q->file->node) + q->cluster_size - 1) >> q->cluster_bits);
    if (ret == 0 && len > CLUSTERS_MAX) {
        ret = -EFBIG;
    }
    if (ret == 0) {
        c.counts = mem_resize(c.counts, len * sizeof(*c.counts));
        memset(c.counts + c.len, 0, (len - c.len) * sizeof(*c.counts));
        c.len = len;
        q->free_index = len;
        ret = set_counts(&c, len, true);
    }
    if (ret == 0) {
        ret = set_copied(&c);
    }
    if (ret == 0) {
        ret = set_counts(&c, len, false);
    }
    if (ret == 0) {
        q->repair_pending = false;
        q->free_index = 0;
        ret = qcow2_mark_clean(q);
    }
    free(c.counts);
    return ret;
}
