/* SPDX-License-Identifier: MIT */
/* More refcount blocks, and a longer refcount table.
 *
 * A new block lies behind the clusters that need it, and the search for these then begins anew at
 * the same place.  It counts itself when it lies among the clusters that it counts; otherwise
 * another block counts it, and is made first.  Nothing points to a block before its contents are
 * durable:
 *
 *     block (and the count of it) --flush--> entry of the table --flush--> used
 *
 * The table is full when the next block would have no entry.  Then a longer one is written where
 * the next block would begin to count, together with the blocks that count the new clusters, and
 * the header is switched over in one write:
 *
 *     ... clusters | the block | unused ... | more blocks | new table |
 *
 * An area for data in one piece begins with the blocks that it needs and with the table in the same
 * way, whether or not the table gets longer.
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
    uint64_t index, block;     /* A block that has no entry in the old table, and its offset. */
    uint64_t base;             /* First cluster of the area. */
    uint64_t total;            /* Blocks that the new table is to have in all. */
    uint64_t blocks, clusters; /* New blocks; clusters of the new table. */
    uint64_t entries;
};

static bool has_block(const struct qcow2 *q, uint64_t index)
{
    return index < q->reftable_size && (q->reftable[index] & REFTABLE_OFFSET);
}

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

static uint64_t area_end(const struct growth *g)
{
    return g->base + g->blocks + g->clusters;
}

/* base, index and block are given; `more` clusters follow behind the area.  If they are not known
 * the new table has room for half as many blocks again as it needs. */
static int plan_growth(const struct qcow2 *q, uint64_t more, struct growth *g)
{
    uint32_t bits = refblock_bits(q);
    g->total = blocks_for(q, g->base + more);
    for (uint64_t i = g->total; i < q->reftable_size; i++) {
        g->total = has_block(q, i) ? i + 1 : g->total;
    }
    for (uint64_t i = g->base >> bits; i < g->total; i++) {
        g->blocks += !has_block(q, i);
    }
    uint64_t want = more ? g->total : g->total + (g->total + 1) / 2;
    g->clusters = (want * 8 + q->cluster_size - 1) >> q->cluster_bits;
    g->entries = g->clusters << (q->cluster_bits - 3);
    CHECK(area_end(g) + more <= g->total << bits);
    return g->entries > REFTABLE_BYTES_MAX / 8 ? -EFBIG : 0;
}

/* Blocks that are there count the area already; the new ones are written as they shall be. */
static int count_area(struct qcow2 *q, const struct growth *g, uint64_t *table)
{
    uint32_t bits = refblock_bits(q);
    uint64_t next = g->base;
    struct bounce *b = bounce_get(q);
    int ret = 0;
    for (uint64_t i = g->base >> bits; i < g->total && ret == 0; i++) {
        uint64_t first = i << bits, from = MAX(first, g->base);
        uint64_t to = MIN(first + (UINT64_C(1) << bits), area_end(g));
        uint64_t n = to > from ? to - from : 0;
        if (has_block(q, i)) {
            ret = refcount_change(q, from << q->cluster_bits, n << q->cluster_bits, 1,
                                  DISCARD_NEVER);
            continue;
        }
        memset(b->bytes, 0, q->cluster_size);
        for (uint64_t k = 0; k < n; k++) {
            refcount_put(q, b->bytes, from - first + k, 1);
        }
        table[i] = next++ << q->cluster_bits;
        ret = file_write_bytes(q, table[i], b->bytes, q->cluster_size);
    }
    bounce_put(q, b);
    CHECK(ret < 0 || next == g->base + g->blocks);
    return ret < 0 ? ret : cache_flush(q->refcount_cache);
}

static int write_new_table(struct qcow2 *q, const struct growth *g, uint64_t offset,
                           const uint64_t *table)
{
    uint64_t *be = mem_alloc(g->entries * 8);
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

static int write_area(struct qcow2 *q, const struct growth *g)
{
    uint64_t area = g->base << q->cluster_bits;
    uint64_t offset = area + (g->blocks << q->cluster_bits);
    int ret = overlap_check(q, 0, area, (g->blocks + g->clusters) << q->cluster_bits);
    if (ret < 0) {
        return ret;
    }
    uint64_t *table = NEW_ARRAY(uint64_t, g->entries);
    for (uint64_t i = 0; i < MIN(g->entries, (uint64_t)q->reftable_size); i++) {
        table[i] = q->reftable[i];
    }
    if (g->block) {
        table[g->index] = g->block;
    }
    io_event(q->file, "refblock_alloc_write_blocks");
    ret = count_area(q, g, table);
    if (ret == 0) {
        io_event(q->file, "refblock_alloc_write_table");
        ret = write_new_table(q, g, offset, table);
    }
    if (ret == 0) {
        ret = switch_table(q, g->clusters, offset);
    }
    if (ret < 0) {
        free(table);
        return ret;
    }
    uint64_t old = q->reftable_offset, old_bytes = (uint64_t)q->reftable_size * 8;
    free(q->reftable);
    q->reftable = table;
    q->reftable_offset = offset;
    q->reftable_size = (uint32_t)g->entries;
    refcount_abandon(q, old, old_bytes); /* The header that says so is durable. */
    return 0;
}

/* index: of a block that is written, at that cluster, and has no entry yet. */
static int grow_table(struct qcow2 *q, uint64_t index, uint64_t cluster)
{
    uint32_t bits = refblock_bits(q);
    struct growth g = { .index = index,
                        .block = cluster << q->cluster_bits,
                        .base = (MAX(index, cluster >> bits) + 1) << bits };
    io_event(q->file, "reftable_grow");
    int ret = plan_growth(q, 0, &g);
    return ret < 0 ? ret : write_area(q, &g);
}

int64_t reftable_area(struct qcow2 *q, uint64_t cluster, uint64_t n)
{
    struct growth g = { .base = cluster };
    CHECK(n > 0);
    int ret = plan_growth(q, n, &g);
    if (ret == 0) {
        ret = write_area(q, &g);
    }
    return ret < 0 ? ret : (int64_t)area_end(&g);
}

/* Whether a block counts nothing but itself. */
static int block_is_idle(struct qcow2 *q, uint64_t index, bool *idle)
{
    uint64_t offset = q->reftable[index] & REFTABLE_OFFSET;
    uint64_t self = offset >> q->cluster_bits, first = index << refblock_bits(q);
    uint8_t *block;
    *idle = false;
    if (in_cluster(q, offset)) {
        return 0; /* It is damaged. */
    }
    int ret = cache_get(q->refcount_cache, offset, &block);
    if (ret < 0) {
        return ret;
    }
    *idle = true;
    for (uint64_t k = 0; k < UINT64_C(1) << refblock_bits(q) && *idle; k++) {
        *idle = first + k == self || refcount_at(q, block, k) == 0;
    }
    cache_put(q->refcount_cache, block);
    return 0;
}

int refblocks_drop_idle(struct qcow2 *q)
{
    uint64_t *dropped = NEW_ARRAY(uint64_t, q->reftable_size), n = 0;
    int ret = 0;
    for (uint64_t i = 0; i < q->reftable_size && ret == 0; i++) {
        bool idle = false;
        if (has_block(q, i)) {
            ret = block_is_idle(q, i, &idle);
        }
        if (idle && ret == 0) {
            ret = file_write_fill(q, q->reftable_offset + 8 * i, FILL_ZERO, 8);
            dropped[n++] = i;
        }
    }
    if (ret == 0 && n > 0) {
        ret = io_flush(q->file);
    }
    for (uint64_t i = 0; i < n && ret == 0; i++) {
        uint64_t offset = q->reftable[dropped[i]] & REFTABLE_OFFSET;
        uint64_t cluster = offset >> q->cluster_bits;
        q->reftable[dropped[i]] = 0;
        if (cluster >> refblock_bits(q) != dropped[i]) {
            refcount_abandon(q, offset, q->cluster_size);
        }
        cache_forget(q->refcount_cache, offset, q->cluster_size);
        q->free_index = MIN(q->free_index, cluster);
    }
    free(dropped);
    return ret;
}

/* ---- Both ---- */

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
        ret = grow_table(q, index, (uint64_t)at);
    } else if (ret == 0) {
        ret = write_table_entry(q, index, (uint64_t)at << q->cluster_bits);
    }
    if (ret < 0) {
        cache_forget(q->refcount_cache, (uint64_t)at << q->cluster_bits, q->cluster_size);
        return ret;
    }
    q->reftable[index] = (uint64_t)at << q->cluster_bits;
    return 0;
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
