/* SPDX-License-Identifier: MIT */
/* The log of a disk: see disk_log.h.
 *
 * Invariants:
 *  1. tail <= head, page_tail <= page_head; the pages of all entries, oldest first, are exactly
 *     [page_tail, page_head).
 *  2. The oldest entry is volatile, unless the log is empty.
 *  3. cache[c].used is the cost of the volatile entries of class c.
 */
#include "sim/disk_log.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>

enum { CAP_MIN = 64 };

void disk_log_init(struct disk_log *l, uint64_t cache_bytes)
{
    *l = (struct disk_log){ 0 };
    l->cache[DISK_LOG_DISK].limit = cache_bytes;
    l->cache[DISK_LOG_HOST].limit = DISK_HOST_CACHE;
}

static uint64_t entry_cost(const struct disk_log_entry *e)
{
    return e->op == DISK_WRITE ? e->bytes : DISK_LOG_COST;
}

static void entry_make_durable(struct disk_log *l, struct disk_log_entry *e)
{
    if (!e->durable) {
        struct disk_log_cache *c = &l->cache[e->class];
        CHECK(c->used >= entry_cost(e) && l->volatiles > 0);
        c->used -= entry_cost(e);
        e->durable = true;
        l->volatiles--;
        l->resizes -= e->op == DISK_RESIZE;
    }
}

/* Drops the oldest entry. */
static void drop_oldest(struct disk_log *l, struct block_pool *pool)
{
    CHECK(l->tail < l->head);
    struct disk_log_entry *e = disk_log_at(l, l->tail);
    entry_make_durable(l, e);
    for (uint32_t i = 0; i < e->pages; i++) {
        page_release(pool, *disk_log_page(l, l->page_tail++));
    }
    l->tail++;
}

static void drop_durable(struct disk_log *l, struct block_pool *pool)
{
    while (l->tail < l->head && disk_log_at(l, l->tail)->durable) {
        drop_oldest(l, pool);
    }
}

void disk_log_fini(struct disk_log *l, struct block_pool *pool)
{
    CHECK(!l->open);
    while (l->tail < l->head) {
        drop_oldest(l, pool);
    }
    free(l->entries);
    free(l->pages);
    *l = (struct disk_log){ 0 };
}

static void entries_grow(struct disk_log *l)
{
    struct disk_log old = *l;
    l->entries_cap = old.entries_cap ? old.entries_cap * 2 : CAP_MIN;
    l->entries = mem_alloc(l->entries_cap * sizeof(*l->entries));
    for (uint64_t e = l->tail; e < l->head; e++) {
        *disk_log_at(l, e) = *disk_log_at(&old, e);
    }
    free(old.entries);
}

static void pages_grow(struct disk_log *l)
{
    struct disk_log old = *l;
    l->pages_cap = old.pages_cap ? old.pages_cap * 2 : CAP_MIN;
    l->pages = mem_alloc(l->pages_cap * sizeof(*l->pages));
    for (uint64_t p = l->page_tail; p < l->page_head; p++) {
        *disk_log_page(l, p) = *disk_log_page(&old, p);
    }
    free(old.pages);
}

void disk_log_open(struct disk_log *l, enum disk_op op, uint64_t offset, uint64_t bytes,
                   uint64_t aux, enum disk_log_class class, bool durable)
{
    CHECK(!l->open && l->head - l->tail <= DISK_LOG_ENTRIES);
    l->forced = durable;
    if (class == DISK_LOG_DISK && l->cache[class].limit == 0) {
        durable = true;
    }
    if (durable && l->tail == l->head) {
        return;
    }
    if (l->head - l->tail == l->entries_cap) {
        entries_grow(l);
    }
    struct disk_log_entry *e = disk_log_at(l, l->head++);
    *e = (struct disk_log_entry){ .offset = offset, .bytes = bytes, .aux = aux,
                                  .op = (uint8_t)op, .class = (uint8_t)class,
                                  .durable = durable };
    if (!durable) {
        l->resizes += op == DISK_RESIZE;
        l->cache[class].used += entry_cost(e);
        l->volatiles++;
    }
    l->open = true;
}

void disk_log_push(struct disk_log *l, struct block_pool *pool, struct page old)
{
    if (!l->open) {
        page_release(pool, old);
        return;
    }
    if (l->page_head - l->page_tail == l->pages_cap) {
        pages_grow(l);
    }
    *disk_log_page(l, l->page_head++) = old;
    disk_log_at(l, l->head - 1)->pages++;
}

/* The oldest volatile entries of a class become durable until the rest fits its cache.  True when
 * there were any. */
static bool class_evict(struct disk_log *l, enum disk_log_class class)
{
    struct disk_log_cache *c = &l->cache[class];
    bool any = c->used > c->limit;
    while (c->used > c->limit) {
        c->cursor = MAX(c->cursor, l->tail);
        CHECK(c->cursor < l->head);
        struct disk_log_entry *e = disk_log_at(l, c->cursor++);
        if (e->class == class) {
            entry_make_durable(l, e);
        }
    }
    return any;
}

/* Size changes become durable: a durable change rests on them. */
static void settle_sizes(struct disk_log *l)
{
    for (uint64_t e = l->tail; l->resizes && e < l->head; e++) {
        if (disk_log_at(l, e)->op == DISK_RESIZE) {
            entry_make_durable(l, disk_log_at(l, e));
        }
    }
}

void disk_log_close(struct disk_log *l, struct block_pool *pool)
{
    if (!l->open) {
        return;
    }
    l->open = false;
    const struct disk_log_entry *e = disk_log_at(l, l->head - 1);
    if (class_evict(l, (enum disk_log_class)e->class) || l->forced) {
        settle_sizes(l);
    }
    drop_durable(l, pool);
    while (l->head - l->tail >= DISK_LOG_ENTRIES || l->page_head - l->page_tail > DISK_LOG_PAGES) {
        drop_oldest(l, pool);
        drop_durable(l, pool);
    }
}

void disk_log_settle(struct disk_log *l, struct block_pool *pool, uint64_t end)
{
    CHECK(!l->open && end <= l->head);
    while (l->tail < end) {
        drop_oldest(l, pool);
    }
    drop_durable(l, pool);
}
