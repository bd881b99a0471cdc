/* SPDX-License-Identifier: MIT */
/* Cached tables: pieces of L2 tables, and refcount blocks.
 *
 * Changes stay in memory until a flush, or until room is needed, and reach the file in an order
 * that a power cut cannot turn into more than leaks:
 *
 *   a reference comes:   refcount -> L2 entry       cache_depend(l2, refcounts)
 *   a reference goes:    L2 entry -> refcount       cache_depend(refcounts, l2)
 *   data -> L2 entry that shows them                cache_depend_on_flush(l2)
 *
 *      get ----------> PINNED --put--> CLEAN ------- evicted, or unused for two intervals
 *                        |               ^
 *                      dirty           written (dependencies first)
 *                        v               |
 *                      PINNED --put--> DIRTY
 *
 * Invariants:
 *  1. Before a table of a cache is written, what the cache depends on is durable.
 *  2. The two caches never depend on each other: the later dependency flushes the earlier one.
 *  3. Tables change and are written under q->lock, so none changes while it is being written.
 */
#include "drivers/qcow2/qcow2.h"

struct cache *cache_create(struct qcow2 *q, bool refcounts, uint32_t table_size, uint32_t capacity)
{
    enum { FIRST_BUCKETS = 16 };
    struct cache *c = NEW(struct cache);
    CHECK(capacity >= 2 && table_size >= 512);
    c->q = q;
    c->refcounts = refcounts;
    c->table_size = table_size;
    c->capacity = capacity;
    c->bucket_mask = FIRST_BUCKETS - 1;
    c->buckets = NEW_ARRAY(struct cache_entry *, FIRST_BUCKETS);
    return c;
}

static struct cache_entry *entry_of(uint8_t *table)
{
    return (struct cache_entry *)(void *)(table - offsetof(struct cache_entry, table));
}

static struct cache_entry **bucket_of(const struct cache *c, uint64_t offset)
{
    uint64_t h = offset / 512 * UINT64_C(0x9e3779b97f4a7c15);
    return &c->buckets[(h >> 32) & c->bucket_mask];
}

static void grow_buckets(struct cache *c)
{
    free(c->buckets);
    c->bucket_mask = 2 * c->bucket_mask + 1;
    c->buckets = NEW_ARRAY(struct cache_entry *, (size_t)c->bucket_mask + 1);
    for (struct cache_entry *e = c->oldest; e; e = e->newer) {
        struct cache_entry **b = bucket_of(c, e->offset);
        e->hash_next = *b;
        *b = e;
    }
}

static struct cache_entry *find(const struct cache *c, uint64_t offset)
{
    struct cache_entry *e = *bucket_of(c, offset);
    while (e && e->offset != offset) {
        e = e->hash_next;
    }
    return e;
}

static void lru_unlink(struct cache *c, struct cache_entry *e)
{
    *(e->older ? &e->older->newer : &c->oldest) = e->newer;
    *(e->newer ? &e->newer->older : &c->newest) = e->older;
}

static void lru_append(struct cache *c, struct cache_entry *e)
{
    e->older = c->newest;
    e->newer = NULL;
    *(c->newest ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
}

static void dirty_unlink(struct cache *c, struct cache_entry *e)
{
    CHECK(e->dirty);
    *(e->dirty_prev ? &e->dirty_prev->dirty_next : &c->dirty_head) = e->dirty_next;
    *(e->dirty_next ? &e->dirty_next->dirty_prev : &c->dirty_tail) = e->dirty_prev;
    e->dirty = false;
}

static void remove_entry(struct cache *c, struct cache_entry *e)
{
    struct cache_entry **p = bucket_of(c, e->offset);
    CHECK(e->uses == 0);
    if (e->dirty) {
        dirty_unlink(c, e);
    }
    while (*p != e) {
        p = &(*p)->hash_next;
    }
    *p = e->hash_next;
    lru_unlink(c, e);
    c->len--;
    free(e);
}

void cache_drop(struct cache *c)
{
    while (c->oldest) {
        remove_entry(c, c->oldest);
    }
    c->depends = NULL;
    c->depends_on_flush = false;
}

void cache_destroy(struct cache *c)
{
    if (c) {
        cache_drop(c);
        free(c->buckets);
        free(c);
    }
}

/* What nobody has used for a whole interval goes (cache-clean-interval).  There is no timer: an
 * interval ends when the cache is next used, which is as soon as anybody can tell. */
static void clean_unused(struct cache *c)
{
    const struct qcow2 *q = c->q;
    if (!q->options.clean_interval_s) {
        return;
    }
    int64_t interval_ns = (int64_t)q->options.clean_interval_s * NS_PER_S;
    int64_t period = (sim_now_ns(q->sim) - q->clean_start_ns) / interval_ns;
    if (period == c->period) {
        return;
    }
    c->period = period;
    for (struct cache_entry *e = c->oldest, *next; e && e->period + 2 <= period; e = next) {
        next = e->newer;
        if (!e->dirty && e->uses == 0) {
            remove_entry(c, e);
        }
    }
}

/* ---- Writing ---- */

static int meet_dependencies(struct cache *c)
{
    int ret = 0;
    if (c->depends) {
        CHECK(c->depends->depends != c);
        ret = cache_flush(c->depends);
    } else if (c->depends_on_flush) {
        ret = io_flush(c->q->file);
    }
    if (ret == 0) {
        c->depends = NULL;
        c->depends_on_flush = false;
    }
    return ret;
}

static int write_entry(struct cache *c, struct cache_entry *e)
{
    struct qcow2 *q = c->q;
    if (!e->dirty) {
        return 0;
    }
    int ret = meet_dependencies(c);
    if (ret < 0) {
        return ret;
    }
    uint32_t self = 1u << (c->refcounts ? META_REFBLOCK : META_ACTIVE_L2);
    ret = overlap_check(q, self, e->offset, c->table_size);
    if (ret < 0) {
        return ret;
    }
    io_event(q->file, c->refcounts ? "refblock_update_part" : "l2_update");
    ret = file_write_bytes(q, e->offset, e->table, c->table_size);
    if (ret == 0) {
        dirty_unlink(c, e);
    }
    return ret;
}

int cache_write(struct cache *c)
{
    while (c->dirty_head && !c->q->lost) {
        int ret = write_entry(c, c->dirty_head);
        if (ret < 0) {
            return ret;
        }
    }
    return c->q->lost ? -EIO : 0;
}

int cache_flush(struct cache *c)
{
    int ret = cache_write(c);
    return ret < 0 ? ret : io_flush(c->q->file);
}

int cache_depend(struct cache *c, struct cache *before)
{
    int ret = 0;
    if (before->depends) {
        ret = meet_dependencies(before);
    }
    if (ret == 0 && c->depends && c->depends != before) {
        ret = meet_dependencies(c);
    }
    if (ret == 0) {
        c->depends = before;
    }
    return ret;
}

void cache_depend_on_flush(struct cache *c)
{
    c->depends_on_flush = true;
}

/* ---- Looking up ---- */

/* Makes room for one more: the table unused for longest goes.  Its write may fail. */
static int make_room(struct cache *c)
{
    while (c->len >= c->capacity) {
        struct cache_entry *e = c->oldest;
        while (e && e->uses > 0) {
            e = e->newer;
        }
        CHECK(e != NULL);
        int ret = write_entry(c, e);
        if (ret < 0) {
            return ret;
        }
        remove_entry(c, e);
    }
    return 0;
}

static int get(struct cache *c, uint64_t offset, bool load, uint8_t **table)
{
    struct qcow2 *q = c->q;
    CHECK(offset % c->table_size == 0 && offset != 0);
    clean_unused(c);
    struct cache_entry *e = find(c, offset);
    if (e) {
        lru_unlink(c, e);
    } else {
        int ret = make_room(c);
        if (ret < 0) {
            return ret;
        }
        e = mem_alloc(sizeof(*e) + c->table_size);
        *e = (struct cache_entry){ .offset = offset };
        if (load) {
            io_event(q->file, c->refcounts ? "refblock_load" : "l2_load");
            ret = file_read_bytes(q, offset, e->table, c->table_size);
        }
        if (ret < 0) {
            free(e);
            return ret;
        }
        if (++c->len > c->bucket_mask) {
            grow_buckets(c);
        }
        struct cache_entry **b = bucket_of(c, offset);
        e->hash_next = *b;
        *b = e;
    }
    if (!load) {
        memset(e->table, 0, c->table_size);
    }
    lru_append(c, e);
    e->period = c->period;
    e->uses++;
    *table = e->table;
    return 0;
}

int cache_get(struct cache *c, uint64_t offset, uint8_t **table)
{
    return get(c, offset, true, table);
}

int cache_get_empty(struct cache *c, uint64_t offset, uint8_t **table)
{
    return get(c, offset, false, table);
}

void cache_put(struct cache *c, uint8_t *table)
{
    struct cache_entry *e = entry_of(table);
    CHECK(e->uses > 0 && c->len > 0);
    e->uses--;
}

void cache_dirty(struct cache *c, uint8_t *table)
{
    struct cache_entry *e = entry_of(table);
    CHECK(e->uses > 0);
    if (!e->dirty) {
        e->dirty = true;
        e->dirty_next = NULL;
        e->dirty_prev = c->dirty_tail;
        *(c->dirty_tail ? &c->dirty_tail->dirty_next : &c->dirty_head) = e;
        c->dirty_tail = e;
    }
}

void cache_forget(struct cache *c, uint64_t offset, uint64_t bytes)
{
    for (uint64_t at = offset; at < offset + bytes; at += c->table_size) {
        struct cache_entry *e = find(c, at);
        if (e && e->uses == 0) {
            remove_entry(c, e);
        }
    }
}
