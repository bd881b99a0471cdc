/* What is not yet durable on a disk: a ring of entries, each with the pages that it replaced.
 *
 * Entries stand in the order in which they took effect.  One entry is open at most; between
 * disk_log_open and disk_log_close each page that changes is pushed.  Durable entries in front are
 * dropped at once, so the log of a disk without volatile cache stays empty; a durable entry behind
 * a volatile one stays, for it must be redone after the other is undone.
 *
 * Two classes of volatile entries fill two caches: that of the disk (direct writes) and the page
 * cache of the host (the others).  When one is full its oldest entry becomes durable.
 */
#ifndef SIM_DISK_LOG_H
#define SIM_DISK_LOG_H

#include "sim/disk_store.h"

enum {
    DISK_LOG_ENTRIES = 16384,         /* At most; the oldest become durable. */
    DISK_LOG_PAGES = 1 << 20,         /* A single change of more pages is durable at once. */
    DISK_HOST_CACHE = 64 << 20,       /* Bytes that the page cache of the host holds. */
    DISK_LOG_COST = DISK_PAGE,        /* What a change without data takes of a cache. */
};

enum disk_log_class { DISK_LOG_DISK, DISK_LOG_HOST, DISK_LOG_CLASSES };

struct disk_log_entry {
    uint64_t offset; /* Resize: the new size. */
    uint64_t bytes;  /* Resize: the former size. */
    uint64_t aux;    /* Resize: the former base_limit. */
    uint32_t pages;
    uint8_t op;      /* DISK_WRITE, DISK_ZERO, DISK_DISCARD or DISK_RESIZE */
    uint8_t class;
    bool durable;
};

struct disk_log {
    struct disk_log_entry *entries; /* Entry e stands at e & (entries_cap - 1). */
    struct page *pages;
    uint64_t entries_cap, pages_cap; /* 0 or powers of two. */
    uint64_t head, tail;             /* Next entry; oldest entry. */
    uint64_t page_head, page_tail;
    bool open;
    bool forced;        /* The open entry is durable by force (FUA). */
    uint64_t resizes;   /* Volatile resize entries. */
    uint64_t volatiles; /* Entries not durable. */
    struct disk_log_cache {
        uint64_t limit, used; /* Bytes. */
        uint64_t cursor;      /* No volatile entry of the class is older than this. */
    } cache[DISK_LOG_CLASSES];
};

void disk_log_init(struct disk_log *l, uint64_t cache_bytes);
void disk_log_fini(struct disk_log *l, struct block_pool *pool);

/* Begins an entry, when one is needed: a durable change over an empty log needs none.  durable: by
 * force, and what it rests on (size changes) with it; a direct write on a disk without cache is
 * durable too, but not the size change before it. */
void disk_log_open(struct disk_log *l, enum disk_op op, uint64_t offset, uint64_t bytes,
                   uint64_t aux, enum disk_log_class class, bool durable);
/* The former value of a page of the open entry; takes the reference over. */
void disk_log_push(struct disk_log *l, struct block_pool *pool, struct page old);
void disk_log_close(struct disk_log *l, struct block_pool *pool);

/* Everything older than entry `end` becomes durable. */
void disk_log_settle(struct disk_log *l, struct block_pool *pool, uint64_t end);

static inline struct disk_log_entry *disk_log_at(const struct disk_log *l, uint64_t e)
{
    return &l->entries[e & (l->entries_cap - 1)];
}

static inline struct page *disk_log_page(const struct disk_log *l, uint64_t p)
{
    return &l->pages[p & (l->pages_cap - 1)];
}

#endif
