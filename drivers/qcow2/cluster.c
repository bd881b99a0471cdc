/* SPDX-License-Identifier: MIT */
/* Guest clusters to host clusters: the L1 table, in memory, and pieces of L2 tables in a cache.
 *
 *   guest offset:   | L1 index | L2 index | in cluster |
 *
 * An L2 table that the L1 entry does not mark as its own (ENTRY_COPIED) is shared with a snapshot
 * or not there at all; before the first change a copy is made, and is durable before the L1 table
 * points to it.
 * (QEMU docs/interop/qcow2.txt, Cluster mapping.)
 */
#include "drivers/qcow2/qcow2.h"

#include <inttypes.h>

enum { SECTOR = 512 };

enum cluster_type entry_type(uint64_t entry)
{
    if (entry & ENTRY_COMPRESSED) {
        return CLUSTER_COMPRESSED;
    }
    if (entry & ENTRY_ZERO) {
        return entry & ENTRY_OFFSET ? CLUSTER_ZERO_ALLOCATED : CLUSTER_ZERO;
    }
    return entry & ENTRY_OFFSET ? CLUSTER_DATA : CLUSTER_UNALLOCATED;
}

void entry_compressed(const struct qcow2 *q, uint64_t entry, uint64_t *host, uint64_t *bytes)
{
    uint32_t shift = 62 - (q->cluster_bits - 8);
    uint64_t more = (entry >> shift) & ((UINT64_C(1) << (q->cluster_bits - 8)) - 1);
    *host = entry & ((UINT64_C(1) << shift) - 1) & ((UINT64_C(1) << 56) - 1);
    *bytes = (more + 1) * SECTOR - *host % SECTOR;
}

/* ---- Slices ---- */

static uint32_t l1_index(const struct qcow2 *q, int64_t offset)
{
    return (uint32_t)((uint64_t)offset >> (q->cluster_bits + l2_bits(q)));
}

static uint32_t l2_index(const struct qcow2 *q, int64_t offset)
{
    return (uint32_t)((uint64_t)offset >> q->cluster_bits) & ((1u << l2_bits(q)) - 1);
}

static int slice_load(struct qcow2 *q, int64_t offset, uint64_t table, struct slice *out)
{
    uint32_t index = l2_index(q, offset);
    if (in_cluster(q, table)) {
        return qcow2_corrupt(q, -1, -1, "L2 table offset %#" PRIx64 " unaligned (L1 index: %#x)",
                             table, l1_index(q, offset));
    }
    out->len = q->l2_cache->table_size / 8;
    out->index = index % out->len;
    out->first = index - out->index;
    out->offset = table;
    return cache_get(q->l2_cache, table + 8 * (uint64_t)out->first, &out->table);
}

int slice_check(struct qcow2 *q, const struct slice *s, uint32_t index)
{
    uint64_t entry = slice_entry(s, index), host = entry & ENTRY_OFFSET;
    switch (entry_type(entry)) {
    case CLUSTER_ZERO:
    case CLUSTER_ZERO_ALLOCATED:
        if (q->version < 3) {
            return qcow2_corrupt(q, -1, -1,
                                 "Zero cluster entry found in pre-v3 image (L2 offset: %#" PRIx64
                                 ", L2 index: %#x)",
                                 s->offset, s->first + index);
        }
        break;
    case CLUSTER_DATA:
        break;
    default:
        return 0;
    }
    if (in_cluster(q, host)) {
        return qcow2_corrupt(q, -1, -1,
                             "Cluster allocation offset %#" PRIx64
                             " unaligned (L2 offset: %#" PRIx64 ", L2 index: %#x)",
                             host, s->offset, s->first + index);
    }
    return 0;
}

/* ---- Mapping ---- */

/* How many entries from s->index on, at most max, go on as the first one does. */
static int count_alike(struct qcow2 *q, const struct slice *s, uint32_t max, uint32_t *count)
{
    uint64_t first = slice_entry(s, s->index);
    enum cluster_type type = entry_type(first);
    bool placed = type == CLUSTER_DATA || type == CLUSTER_ZERO_ALLOCATED;
    int ret = slice_check(q, s, s->index);
    if (ret < 0) {
        return ret;
    }
    uint32_t n = 1;
    while (n < max && type != CLUSTER_COMPRESSED) {
        uint64_t e = slice_entry(s, s->index + n);
        uint64_t want = (first & ENTRY_OFFSET) + ((uint64_t)n << q->cluster_bits);
        if (entry_type(e) != type || (placed && (e & ENTRY_OFFSET) != want)) {
            break;
        }
        n++;
    }
    *count = n;
    return 0;
}

int cluster_map(struct qcow2 *q, int64_t offset, int64_t bytes, struct mapping *out)
{
    uint32_t i = l1_index(q, offset), head = in_cluster(q, (uint64_t)offset);
    uint64_t table = i < q->l1_size ? q->l1[i] & ENTRY_OFFSET : 0;
    int64_t table_left =
        (int64_t)(((1u << l2_bits(q)) - l2_index(q, offset))) * q->cluster_size - head;
    *out = (struct mapping){ .type = CLUSTER_UNALLOCATED, .bytes = MIN(bytes, table_left) };
    if (!table) {
        return 0;
    }
    struct slice s;
    int ret = slice_load(q, offset, table, &s);
    if (ret < 0) {
        return ret;
    }
    uint64_t clusters = (head + (uint64_t)out->bytes + q->cluster_size - 1) >> q->cluster_bits;
    uint32_t n = 0;
    ret = count_alike(q, &s, (uint32_t)MIN(clusters, (uint64_t)(s.len - s.index)), &n);
    out->entry = slice_entry(&s, s.index);
    cache_put(q->l2_cache, s.table);
    if (ret < 0) {
        return ret;
    }
    out->type = entry_type(out->entry);
    out->host = (out->entry & ENTRY_OFFSET) + head;
    out->bytes = MIN(out->bytes, (int64_t)n * q->cluster_size - head);
    return 0;
}

/* ---- L2 tables that may change ---- */

static int l1_put(struct qcow2 *q, uint32_t index, bool tell)
{
    uint64_t be[SECTOR / 8];
    uint32_t first = index - index % ARRAY_LEN(be);
    uint32_t n = MIN((uint32_t)ARRAY_LEN(be), q->l1_size - first);
    CHECK(index < q->l1_size);
    for (uint32_t i = 0; i < n; i++) {
        be[i] = htobe64(q->l1[first + i]);
    }
    uint64_t at = q->l1_offset + 8 * (uint64_t)first;
    int ret = overlap_check(q, 1u << META_ACTIVE_L1, at, 8 * (uint64_t)n);
    if (ret < 0) {
        return ret;
    }
    if (tell) {
        io_event(q->file, "l1_update");
    }
    return file_write_bytes(q, at, be, 8 * (size_t)n);
}

int l1_write_entry(struct qcow2 *q, uint32_t index)
{
    return l1_put(q, index, true);
}

/* A new table is used at once: it is not read again. */
static int cache_table(struct qcow2 *q, uint64_t table, const uint8_t *bytes)
{
    uint32_t size = q->l2_cache->table_size;
    for (uint32_t at = 0; at < q->cluster_size; at += size) {
        uint8_t *slice;
        int ret = cache_get_empty(q->l2_cache, table + at, &slice);
        if (ret < 0) {
            return ret;
        }
        if (bytes) {
            memcpy(slice, bytes + at, size);
        }
        cache_put(q->l2_cache, slice);
    }
    return 0;
}

/* Writes the first contents of a new L2 table: zeroes, or those of the one that is shared. */
static int fill_table(struct qcow2 *q, uint64_t old, uint64_t table)
{
    int ret = overlap_check(q, 0, table, q->cluster_size);
    if (ret < 0) {
        return ret;
    }
    if (!old) {
        io_event(q->file, "l2_alloc_write");
        ret = file_write_fill(q, table, FILL_ZERO, q->cluster_size);
        return ret < 0 ? ret : cache_table(q, table, NULL);
    }
    struct bounce *b = bounce_get(q);
    io_event(q->file, "l2_alloc_cow_read");
    ret = file_read_bytes(q, old, b->bytes, q->cluster_size);
    if (ret == 0) {
        io_event(q->file, "l2_alloc_write");
        ret = file_write_bytes(q, table, b->bytes, q->cluster_size);
    }
    if (ret == 0) {
        ret = cache_table(q, table, b->bytes);
    }
    bounce_put(q, b);
    return ret;
}

/* Nobody knows what a write that failed has left of the L1 table.  If its entry can be written
 * as it was the new table is free again; else it stays counted, so that it leaks at worst. */
static void drop_table(struct qcow2 *q, uint32_t index, uint64_t old, uint64_t table)
{
    q->l1[index] = old;
    if (q->lost || l1_put(q, index, false) < 0 || io_flush(q->file) < 0) {
        return;
    }
    clusters_free(q, table, q->cluster_size, DISCARD_ALWAYS);
}

static int new_table(struct qcow2 *q, uint32_t index)
{
    uint64_t old = q->l1[index];
    if (in_cluster(q, old & ENTRY_OFFSET)) {
        return qcow2_corrupt(q, -1, -1, "L2 table offset %#" PRIx64 " unaligned (L1 index: %#x)",
                             (uint64_t)(old & ENTRY_OFFSET), index);
    }
    int64_t table = clusters_alloc(q, q->cluster_size);
    if (table < 0) {
        return (int)table;
    }
    if (table == 0) {
        return qcow2_corrupt(q, -1, -1, "Preventing invalid allocation of L2 table at offset 0");
    }
    int ret = fill_table(q, old & ENTRY_OFFSET, (uint64_t)table);
    if (ret == 0) {
        ret = cache_flush(q->refcount_cache);
    }
    if (ret < 0) {
        clusters_free(q, (uint64_t)table, q->cluster_size, DISCARD_ALWAYS);
        return ret;
    }
    q->l1[index] = (uint64_t)table | ENTRY_COPIED;
    ret = l1_write_entry(q, index);
    if (ret == 0 && (old & ENTRY_OFFSET)) {
        ret = io_flush(q->file);
    }
    if (ret < 0) {
        drop_table(q, index, old, (uint64_t)table);
        return ret;
    }
    if (old & ENTRY_OFFSET) {
        clusters_free(q, old & ENTRY_OFFSET, q->cluster_size, DISCARD_OTHER);
    }
    return 0;
}

int slice_writable(struct qcow2 *q, int64_t offset, struct slice *out)
{
    uint32_t i = l1_index(q, offset);
    CHECK(i < q->l1_size);
    if (!(q->l1[i] & ENTRY_COPIED) || !(q->l1[i] & ENTRY_OFFSET)) {
        int ret = new_table(q, i);
        if (ret < 0) {
            return ret;
        }
    }
    return slice_load(q, offset, q->l1[i] & ENTRY_OFFSET, out);
}
