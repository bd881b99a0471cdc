/* SPDX-License-Identifier: MIT */
/* Reference counts of clusters: reftable -> refcount blocks -> counts of 1 to 64 bits.
 *
 * A decrease is written after the L2 entries that stopped referring to the cluster (cache_depend);
 * an increase needs no order of its own: whoever then refers to the cluster waits for it.
 */
#include "drivers/qcow2/qcow2.h"

#include <inttypes.h>

uint64_t refcount_at(const struct qcow2 *q, const uint8_t *block, uint64_t index)
{
    uint32_t bits = 1u << q->refcount_order;
    if (bits < 8) {
        uint64_t at = index * bits;
        return (block[at / 8] >> (at % 8)) & ((1u << bits) - 1);
    }
    uint64_t v = 0;
    const uint8_t *p = block + index * (bits / 8);
    for (uint32_t i = 0; i < bits / 8; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

void refcount_put(const struct qcow2 *q, uint8_t *block, uint64_t index, uint64_t value)
{
    uint32_t bits = 1u << q->refcount_order;
    CHECK(value <= refcount_max(q));
    if (bits < 8) {
        uint64_t at = index * bits;
        uint32_t mask = ((1u << bits) - 1) << (at % 8);
        block[at / 8] = (uint8_t)((block[at / 8] & ~mask) | (uint32_t)value << (at % 8));
        return;
    }
    uint8_t *p = block + index * (bits / 8);
    for (uint32_t i = bits / 8; i > 0; i--) {
        p[i - 1] = (uint8_t)value;
        value >>= 8;
    }
}

/* The block that counts a cluster; *out NULL where there is none. */
static int load_block(struct qcow2 *q, uint64_t cluster, uint8_t **out)
{
    uint64_t i = cluster >> refblock_bits(q);
    *out = NULL;
    if (i >= q->reftable_size) {
        return 0;
    }
    uint64_t offset = q->reftable[i] & REFTABLE_OFFSET;
    if (!offset) {
        return 0;
    }
    if (in_cluster(q, offset)) {
        return qcow2_corrupt(q, -1, -1,
                             "Refblock offset %#" PRIx64 " unaligned (reftable index: %#" PRIx64
                             ")",
                             offset, i);
    }
    return cache_get(q->refcount_cache, offset, out);
}

int refcount_get(struct qcow2 *q, uint64_t cluster, uint64_t *count)
{
    uint8_t *block;
    int ret = load_block(q, cluster, &block);
    *count = 0;
    if (ret == 0 && block) {
        uint64_t mask = (UINT64_C(1) << refblock_bits(q)) - 1;
        *count = refcount_at(q, block, cluster & mask);
        cache_put(q->refcount_cache, block);
    }
    return ret;
}

/* How a cluster is given back that nobody refers to any more. */
struct giving {
    enum discard_type type;
    bool unused; /* Nobody ever did: it is free at once. */
};

static void cluster_gone(struct qcow2 *q, uint64_t cluster, struct giving how)
{
    uint64_t offset = cluster << q->cluster_bits;
    cache_forget(q->l2_cache, offset, q->cluster_size);
    cache_forget(q->refcount_cache, offset, q->cluster_size);
    if (cluster_align(q, q->free_byte) == offset) {
        q->free_byte = 0;
    }
    q->free_index = MIN(q->free_index, cluster); /* The search sets free what is held. */
    if (!how.unused) {
        held_add(q, cluster, 1);
    }
    discard_add(q, offset, q->cluster_size, how.type);
}

static int change_one(struct qcow2 *q, uint64_t cluster, int addend, struct giving how)
{
    uint8_t *block;
    int ret = load_block(q, cluster, &block);
    if (ret < 0) {
        return ret;
    }
    if (!block) {
        return -EINVAL;
    }
    uint64_t index = cluster & ((UINT64_C(1) << refblock_bits(q)) - 1);
    uint64_t count = refcount_at(q, block, index);
    if (addend < 0 ? count == 0 : count == refcount_max(q)) {
        cache_put(q->refcount_cache, block);
        return -EINVAL;
    }
    count += addend < 0 ? UINT64_MAX : 1;
    refcount_put(q, block, index, count);
    cache_dirty(q->refcount_cache, block);
    cache_put(q->refcount_cache, block);
    if (count == 0) {
        cluster_gone(q, cluster, how);
    }
    return 0;
}

static int change(struct qcow2 *q, uint64_t offset, uint64_t bytes, int addend, struct giving how)
{
    CHECK(addend == 1 || addend == -1);
    if (bytes == 0) {
        return 0;
    }
    if (addend < 0) {
        int ret = cache_depend(q->refcount_cache, q->l2_cache);
        if (ret < 0) {
            return ret;
        }
    }
    uint64_t first = offset >> q->cluster_bits, last = (offset + bytes - 1) >> q->cluster_bits;
    for (uint64_t c = first; c <= last; c++) {
        int ret = change_one(q, c, addend, how);
        if (ret < 0) {
            /* Back to where it was; a cluster that has gone meanwhile stays held, no more. */
            while (c-- > first) {
                change_one(q, c, -addend, (struct giving){ DISCARD_NEVER, false });
            }
            return ret;
        }
    }
    return 0;
}

int refcount_change(struct qcow2 *q, uint64_t offset, uint64_t bytes, int addend,
                    enum discard_type type)
{
    return change(q, offset, bytes, addend, (struct giving){ type, false });
}

void refcount_abandon(struct qcow2 *q, uint64_t offset, uint64_t bytes)
{
    change(q, offset, bytes, -1, (struct giving){ DISCARD_NEVER, true });
}
