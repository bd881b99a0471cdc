/* SPDX-License-Identifier: MIT */
/* More refcount blocks, and a longer refcount table.
 *
 * A new block lies behind the clusters that need it, and the search for these then begins anew at
 * the same place.  It counts itself when it lies among the clusters that it counts; otherwise another
 * block counts it, and is made first.  Nothing points to a block before its contents are durable:
 *
 *     block (and the count of it) --flush--> entry of the table --flush--> used
 *
 * The table is full when the next block would have no entry.  Then a longer one is written where
 * the next block would begin to count, together with the blocks that count the new clusters, and the
 * header is switched over in one write:
 *
 *     ... clusters | the block | unused ... | more blocks | new table |
 */
#include "drivers/qcow2/qcow2.h"

/* ---- A block ---- */

static int write_table_entry(struct qcow2 *q, uint64_t index, uint64_t block)
{
    uint8_t be[8];
    put_be64(be, block);
    io_event(q->file, "refblock_alloc_hookup");
    int ret = file_write_bytes(q, q->reftable_offset + 8 * index, be, sizeof(be));
    return ret < 0 ? ret : io_flush(q->file);
}

/* Writes a block of zeroes, or of itself, at a cluster. */
static int write_block(struct qcow2 *q, uint64_t index, uint64_t cluster)
{
    uint64_t offset = cluster << q->cluster_bits;
    uint8_t *block;
    if (offset == 0) {
        return qcow2_corrupt(q, -1, -1,
                             "Preventing invalid allocation of refcount block at offset 0");
    }
    int ret = overlap_check(q, 0, offset, q->cluster_size);
    if (ret == 0) {
        ret = cache_get_empty(q->refcount_cache, offset, &block);
    }
    if (ret < 0) {
        return ret;
    }
    if (cluster >> refblock_bits(q) == index) {
        refcount_put(q, block, cluster & ((UINT64_C(1) << refblock_bits(q)) - 1), 1);
    }
    cache_dirty(q->refcount_cache, block);
    cache_put(q->refcount_cache, block);
    io_event(q->file, "refblock_alloc_write");
    return cache_flush(q->refcount_cache);
}

/* ---- The table ---- */

struct growth {
    uint64_t index, block;     /* The block that has no entry in the old table, and its offset. */
    uint64_t base;             /* First cluster of the area. */
    uint64_t blocks, clusters; /* New blocks; clusters of the new table. */
    uint64_t entries;
};

/* Blocks for as many clusters, and for themselves and a table that has room for them. */
static uint64_t blocks_for(const struct qcow2 *q, uint64_t clusters)
{
    uint64_t per_block = UINT64_C(1) << refblock_bits(q), per_cluster = q->cluster_size / 8;
    uint64_t blocks = 0, table = 0;
    for (uint64_t before = UINT64_MAX; blocks != before;) {
        before = blocks;
        blocks = (clusters + blocks + table + per_block - 1) / per_block;
        table = (blocks + per_cluster - 1) / per_cluster;
    }
    return blocks;
}

/* The new table has room for half as many again as it needs. */
static int plan_growth(const struct qcow2 *q, uint64_t index, uint64_t cluster, struct growth *g)
{
    uint32_t bits = refblock_bits(q);
    uint64_t first = MAX(index, cluster >> bits) + 1;
    uint64_t total = blocks_for(q, first << bits);
    uint64_t want = total + (total + 1) / 2;
    *g = (struct growth){ .index = index,
                          .block = cluster << q->cluster_bits,
                          .base = first << bits,
                          .blocks = total - first,
                          .clusters = (want * 8 + q->cluster_size - 1) >> q->cluster_bits };
    g->entries = g->clusters << (q->cluster_bits - 3);
    CHECK(g->blocks + g->clusters <= g->blocks << bits);
    return g->entries > REFTABLE_BYTES_MAX / 8 ? -EFBIG : 0;
}

static int write_new_blocks(struct qcow2 *q, const struct growth *g)
{
    uint64_t per_block = UINT64_C(1) << refblock_bits(q);
    uint64_t left = g->blocks + g->clusters;
    struct bounce *b = bounce_get(q);
    int ret = 0;
    for (uint64_t i = 0; i < g->blocks && ret == 0; i++) {
        uint64_t here = MIN(left, per_block);
        memset(b->bytes, 0, q->cluster_size);
        for (uint64_t k = 0; k < here; k++) {
            refcount_put(q, b->bytes, k, 1);
        }
        left -= here;
        ret = file_write_bytes(q, (g->base + i) << q->cluster_bits, b->bytes, q->cluster_size);
    }
    bounce_put(q, b);
    return ret;
}

static int write_new_table(struct qcow2 *q, const struct growth *g, uint64_t offset,
                           uint64_t *table)
{
    uint64_t *be = mem_alloc(g->entries * 8);
    memcpy(table, q->reftable, q->reftable_size * sizeof(*table));
    if (g->blocks > 0) {
        table[g->index] = g->block;
    }
    for (uint64_t i = 0; i < g->blocks; i++) {
        table[(g->base >> refblock_bits(q)) + i] = (g->base + i) << q->cluster_bits;
    }
    for (uint64_t i = 0; i < g->entries; i++) {
        be[i] = htobe64(table[i]);
    }
    int ret = file_write_bytes(q, offset, be, g->entries * 8);
    free(be);
    return ret < 0 ? ret : io_flush(q->file);
}

static int switch_table(struct qcow2 *q, uint64_t clusters, uint64_t offset)
{
    uint8_t be[12];
    put_be64(be, offset);
    put_be32(be + 8, (uint32_t)clusters);
    io_event(q->file, "refblock_alloc_switch_table");
    int ret = file_write_bytes(q, 48, be, sizeof(be));
    return ret < 0 ? ret : io_flush(q->file);
}

/* index: of a block that is written, at that cluster, and has no entry yet. */
static int grow_table(struct qcow2 *q, uint64_t index, uint64_t cluster)
{
    struct growth g;
    io_event(q->file, "reftable_grow");
    int ret = plan_growth(q, index, cluster, &g);
    if (ret < 0) {
        return ret;
    }
    uint64_t area = g.base << q->cluster_bits;
    uint64_t offset = area + (g.blocks << q->cluster_bits);
    ret = overlap_check(q, 0, area, (g.blocks + g.clusters) << q->cluster_bits);
    if (ret < 0) {
        return ret;
    }
    uint64_t *table = NEW_ARRAY(uint64_t, g.entries);
    io_event(q->file, "refblock_alloc_write_blocks");
    ret = write_new_blocks(q, &g);
    if (ret == 0) {
        io_event(q->file, "refblock_alloc_write_table");
        ret = write_new_table(q, &g, offset, table);
    }
    if (ret == 0) {
        ret = switch_table(q, g.clusters, offset);
    }
    if (ret < 0) {
        free(table);
        return ret;
    }
    uint64_t old = q->reftable_offset, old_bytes = (uint64_t)q->reftable_size * 8;
    free(q->reftable);
    q->reftable = table;
    q->reftable_offset = offset;
    q->reftable_size = (uint32_t)g.entries;
    refcount_abandon(q, old, old_bytes); /* The header that says so is durable. */
    return 0;
}

int reftable_move(struct qcow2 *q, uint64_t cluster)
{
    uint64_t old = q->reftable_offset, bytes = (uint64_t)q->reftable_size * 8;
    struct growth same = { .entries = q->reftable_size };
    uint64_t *table = NEW_ARRAY(uint64_t, same.entries);
    io_event(q->file, "refblock_alloc_write_table");
    int ret = write_new_table(q, &same, cluster << q->cluster_bits, table);
    free(table);
    if (ret == 0) {
        ret = switch_table(q, (bytes + q->cluster_size - 1) >> q->cluster_bits,
                           cluster << q->cluster_bits);
    }
    if (ret == 0) {
        q->reftable_offset = cluster << q->cluster_bits;
        refcount_abandon(q, old, bytes); /* The header that says so is durable. */
    }
    return ret;
}

/* ---- Both ---- */

static bool has_block(const struct qcow2 *q, uint64_t index)
{
    return index < q->reftable_size && (q->reftable[index] & REFTABLE_OFFSET);
}

/* Adds the block of that index, or one that this needs first. */
static int add_block(struct qcow2 *q, uint64_t index)
{
    int64_t at = clusters_find(q, 1);
    if (at < 0) {
        return (int)at;
    }
    if ((uint64_t)at >> refblock_bits(q) != index) {
        int ret = refblocks_ensure(q, (uint64_t)at, (uint64_t)at);
        if (ret == 0) {
            ret = refcount_change(q, (uint64_t)at << q->cluster_bits, q->cluster_size, 1,
                                  DISCARD_NEVER);
        }
        if (ret != 0) {
            return ret;
        }
    }
    int ret = write_block(q, index, (uint64_t)at);
    if (ret == 0 && index >= q->reftable_size) {
        return grow_table(q, index, (uint64_t)at);
    }
    if (ret == 0) {
        ret = write_table_entry(q, index, (uint64_t)at << q->cluster_bits);
    }
    if (ret == 0) {
        q->reftable[index] = (uint64_t)at << q->cluster_bits;
    }
    return ret;
}

int refblocks_ensure(struct qcow2 *q, uint64_t first, uint64_t last)
{
    uint32_t bits = refblock_bits(q);
    for (uint64_t i = first >> bits; i <= last >> bits; i++) {
        io_event(q->file, "refblock_alloc");
        if (!has_block(q, i)) {
            int ret = add_block(q, i);
            if (ret < 0) {
                return ret;
            }
            q->free_index = MIN(q->free_index, first);
            return 1;
        }
    }
    return 0;
}
