/* SPDX-License-Identifier: MIT */
/* Finding free clusters, and giving clusters back.
 *
 * A cluster whose last reference has gone is not free at once.  A power cut could bring the old
 * reference back, and a request that found the cluster through it may still be reading or writing:
 *
 *     freed --> FRESH --L2 written--> (written) --file flushed--> OLD --no user of the old epoch-->
 *     free
 *
 * Requests that touch data clusters count themselves in one of two epochs, which alternate.
 *
 * A search that meets a held cluster flushes, so that it is free if no request is in the way: the
 * clusters that are taken are those which would be taken if nothing were held.
 *
 * Invariants:
 * 1. The search begins at q->free_index and leaves it behind what it found; a cluster that gets
 * free
 *     moves it back.
 *  2. fresh[0..written) are clusters whose last reference is gone from what was written.
 */
#include "drivers/qcow2/qcow2.h"

enum { HELD_MAX = 256 }; /* Ranges; then a flush lets them go. */

/* ---- Held clusters ---- */

static void append_range(struct held_range **list, uint32_t *len, uint32_t *cap,
                         struct held_range r)
{
    if (*len == *cap) {
        *cap = *cap ? 2 * *cap : 16;
        *list = mem_resize(*list, *cap * sizeof(**list));
    }
    (*list)[(*len)++] = r;
}

void held_add(struct qcow2 *q, uint64_t first, uint64_t count)
{
    struct held *h = &q->held;
    if (h->fresh_len > h->written) {
        struct held_range *last = &h->fresh[h->fresh_len - 1];
        if (last->first + last->count == first) {
            last->count += count;
            return;
        }
        if (first + count == last->first) {
            last->first = first;
            last->count += count;
            return;
        }
    }
    append_range(&h->fresh, &h->fresh_len, &h->fresh_cap, (struct held_range){ first, count });
}

static bool list_has(const struct held_range *list, uint32_t len, uint64_t cluster)
{
    for (uint32_t i = 0; i < len; i++) {
        if (cluster - list[i].first < list[i].count) {
            return true;
        }
    }
    return false;
}

static bool held_has(const struct qcow2 *q, uint64_t cluster)
{
    const struct held *h = &q->held;
    return list_has(h->fresh, h->fresh_len, cluster) || list_has(h->old, h->old_len, cluster);
}

static uint64_t list_end(const struct held_range *list, uint32_t len)
{
    uint64_t end = 0;
    for (uint32_t i = 0; i < len; i++) {
        end = MAX(end, list[i].first + list[i].count);
    }
    return end;
}

uint64_t held_end(const struct qcow2 *q)
{
    const struct held *h = &q->held;
    return MAX(list_end(h->fresh, h->fresh_len), list_end(h->old, h->old_len));
}

/* All references to what is held so far are gone from what was written. */
static void held_written(struct qcow2 *q)
{
    q->held.written = q->held.fresh_len;
}

/* Lets go what no request can see any more. */
static void release_old(struct qcow2 *q)
{
    struct held *h = &q->held;
    if (h->old_len == 0 || h->users[h->epoch ^ 1] > 0) {
        return;
    }
    for (uint32_t i = 0; i < h->old_len; i++) {
        q->free_index = MIN(q->free_index, h->old[i].first);
    }
    h->old_len = 0;
}

uint64_t held_mark(const struct qcow2 *q)
{
    return q->held.moved + q->held.written;
}

void held_durable(struct qcow2 *q, uint64_t mark)
{
    struct held *h = &q->held;
    release_old(q);
    if (h->old_len > 0 || mark <= h->moved) {
        return;
    }
    uint32_t written = (uint32_t)(mark - h->moved);
    CHECK(written <= h->written);
    CHECK(h->users[h->epoch ^ 1] == 0);
    for (uint32_t i = 0; i < written; i++) {
        append_range(&h->old, &h->old_len, &h->old_cap, h->fresh[i]);
    }
    h->written -= written;
    h->moved += written;
    h->fresh_len -= written;
    memmove(h->fresh, h->fresh + written, h->fresh_len * sizeof(*h->fresh));
    h->epoch ^= 1;
    release_old(q);
}

void held_free(struct qcow2 *q)
{
    free(q->held.fresh);
    free(q->held.old);
    q->held = (struct held){ 0 };
}

uint32_t data_begin(struct qcow2 *q)
{
    uint32_t epoch = q->held.epoch;
    q->held.users[epoch]++;
    return epoch;
}

void data_end(struct qcow2 *q, uint32_t epoch)
{
    CHECK(q->held.users[epoch] > 0);
    if (--q->held.users[epoch] == 0) {
        release_old(q);
    }
}

int metadata_write(struct qcow2 *q)
{
    int ret = cache_write(q->l2_cache);
    if (ret == 0) {
        ret = cache_write(q->refcount_cache);
    }
    if (ret == 0) {
        held_written(q);
    }
    return ret;
}

int metadata_flush(struct qcow2 *q)
{
    int ret = metadata_write(q);
    uint64_t mark = held_mark(q);
    if (ret == 0) {
        ret = io_flush(q->file);
    }
    if (ret == 0) {
        held_durable(q, mark);
    }
    return ret;
}

/* ---- Finding ---- */

/* Whether a cluster that nobody counts may be taken.  One flush in a search is enough: what it does
 * not set free waits for a request. */
static bool is_free(struct qcow2 *q, uint64_t cluster, bool *flushed)
{
    if (!held_has(q, cluster)) {
        return true;
    }
    if (*flushed) {
        return false;
    }
    *flushed = true;
    metadata_flush(q); /* If it fails the cluster stays held, and another one is taken. */
    return !held_has(q, cluster);
}

int64_t clusters_find(struct qcow2 *q, uint64_t n)
{
    uint64_t start = q->free_index, at = start, found = 0;
    bool flushed = false;
    CHECK(n > 0);
    while (found < n) {
        uint64_t count;
        int ret = refcount_get(q, at, &count);
        if (ret < 0) {
            return ret;
        }
        found = count == 0 && is_free(q, at, &flushed) ? found + 1 : 0;
        at++;
        if (q->free_index < start) { /* Others became free meanwhile. */
            start = at = q->free_index;
            found = 0;
        }
    }
    /* What an L2 entry can hold. */
    if (at - 1 > ENTRY_OFFSET >> q->cluster_bits) {
        return -EFBIG;
    }
    q->free_index = at; /* Holes that were too small wait for the next round. */
    return (int64_t)(at - n);
}

int64_t clusters_alloc(struct qcow2 *q, uint64_t bytes)
{
    uint64_t n = (bytes + q->cluster_size - 1) >> q->cluster_bits;
    int64_t first;
    int ret;
    if (q->held.fresh_len > HELD_MAX) {
        ret = metadata_flush(q);
        if (ret < 0) {
            return ret;
        }
    }
    io_event(q->file, "cluster_alloc");
    do {
        first = clusters_find(q, n);
        if (first < 0) {
            return first;
        }
        ret = refblocks_ensure(q, (uint64_t)first, (uint64_t)first + n - 1);
    } while (ret > 0);
    if (ret == 0) {
        ret = refcount_change(q, (uint64_t)first << q->cluster_bits, n << q->cluster_bits, 1,
                              DISCARD_NEVER);
    }
    return ret < 0 ? ret : first << q->cluster_bits;
}

/* ---- Giving back ---- */

void clusters_free(struct qcow2 *q, uint64_t offset, uint64_t bytes, enum discard_type type)
{
    io_event(q->file, "cluster_free");
    /* On failure they leak, or were counted too low before: nothing worse than that. */
    refcount_change(q, offset, bytes, -1, type);
}

void entry_free(struct qcow2 *q, uint64_t entry, enum discard_type type)
{
    uint64_t host, bytes;
    switch (entry_type(entry)) {
    case CLUSTER_COMPRESSED:
        entry_compressed(q, entry, &host, &bytes);
        clusters_free(q, host, bytes, type);
        break;
    case CLUSTER_DATA:
    case CLUSTER_ZERO_ALLOCATED:
        if (in_cluster(q, entry & ENTRY_OFFSET)) {
            qcow2_corrupt(q, -1, -1, "Cannot free unaligned cluster %#llx",
                          (unsigned long long)(entry & ENTRY_OFFSET));
        } else {
            clusters_free(q, entry & ENTRY_OFFSET, q->cluster_size, type);
        }
        break;
    default:
        break;
    }
}

void discard_add(struct qcow2 *q, uint64_t offset, uint64_t bytes, enum discard_type type)
{
    if (!q->options.pass_discard[type]) {
        return;
    }
    if (q->discard_bytes && q->discard_offset + q->discard_bytes == offset) {
        q->discard_bytes += bytes;
        return;
    }
    discards_pass(q);
    q->discard_offset = offset;
    q->discard_bytes = bytes;
}

void discards_pass(struct qcow2 *q)
{
    struct io_req r = { .op = IO_DISCARD,
                        .offset = (int64_t)q->discard_offset,
                        .bytes = (int64_t)q->discard_bytes };
    if (q->discard_bytes == 0) {
        return;
    }
    q->discard_bytes = 0;
    int64_t length = io_length(q->file->node);
    r.bytes = MIN(r.bytes, MAX(0, length - r.offset));
    if (r.bytes > 0) {
        io_child(q->file, &r); /* A hint: what comes of it is not the guest's business. */
    }
}
