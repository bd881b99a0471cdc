/* Pages of a disk: values, blocks of bytes, and the sparse map from page number to value.
 *
 * A page value is 24 bytes: the page number and a state in one word, and either a fill or a
 * pointer to a reference-counted block.  A map is an open-addressing hash of them, with an ordered
 * index of 64-way bitmaps beside it, so that "the next page from here" costs the same on a disk of
 * 8 EiB as on a small one.  Nothing depends on the order of slots or pointers: whoever walks a map
 * walks the index.
 */
#ifndef SIM_DISK_PAGE_H
#define SIM_DISK_PAGE_H

#include "sim/disk.h"

#define PAGE_NONE UINT64_MAX

enum page_state {
    PAGE_ABSENT, /* Nothing here: the layer below, the base, or zeroes.  Never in a map. */
    PAGE_FILL,   /* Data, symbolic. */
    PAGE_BLOCK,  /* Data, bytes. */
    PAGE_HOLE,   /* Reads as zeroes, holds no space; hides what is below. */
    PAGE_ZEROED, /* Reads as zeroes and is no data, but holds space. */
    PAGE_BASE,   /* From the base, though a layer below says something else. */
};

struct block {
    union {
        uint64_t refs;
        struct block *next; /* In the free list. */
    };
    uint8_t bytes[DISK_PAGE];
};

struct page {
    uint64_t key; /* Page number << 3 | enum page_state */
    union {
        struct fill fill;
        struct block *block;
    };
};
_Static_assert(sizeof(struct page) == 24, "a page is 24 bytes");

static inline enum page_state page_state(struct page p)
{
    return (enum page_state)(p.key & 7);
}

static inline uint64_t page_number(struct page p)
{
    return p.key >> 3;
}

static inline struct page page_make(uint64_t n, enum page_state state)
{
    return (struct page){ .key = n << 3 | state };
}

/* Does it hold space. */
static inline bool page_is_allocated(struct page p)
{
    enum page_state s = page_state(p);
    return s == PAGE_FILL || s == PAGE_BLOCK || s == PAGE_ZEROED;
}

static inline bool page_is_data(struct page p)
{
    return page_state(p) == PAGE_FILL || page_state(p) == PAGE_BLOCK;
}

/* Blocks come from slabs and go back to a free list; the disks of a world share a pool, so that a
 * block may be part of several, and the last user frees it.  A pool that has grown takes slabs of a
 * huge page each. */
enum { SLAB_SMALL = 64, SLAB_HUGE = 511, HUGE_PAGE = 2 << 20 };
struct block_slab {
    struct block_slab *next;
    struct block blocks[]; /* SLAB_SMALL or SLAB_HUGE of them. */
};
_Static_assert(sizeof(struct block_slab) + SLAB_HUGE * sizeof(struct block) == HUGE_PAGE,
               "a large slab is a huge page");

struct block_pool {
    uint64_t refs;
    struct block *free;
    struct block *fresh, *fresh_end; /* Of the newest slab: not handed out yet. */
    struct block_slab *slabs;
    uint64_t slabs_len;
    uint64_t used; /* Blocks out. */
};

struct block_pool *block_pool_create(void);
void block_pool_unref(struct block_pool *pool);
/* A block with one reference and undefined bytes. */
struct block *block_new(struct block_pool *pool);
void block_free(struct block_pool *pool, struct block *b);

static inline void block_unref(struct block_pool *pool, struct block *b)
{
    if (--b->refs == 0) {
        block_free(pool, b);
    }
}

/* Another reference to the block, if p has one. */
static inline struct page page_ref(struct page p)
{
    if (page_state(p) == PAGE_BLOCK) {
        p.block->refs++;
    }
    return p;
}

static inline void page_release(struct block_pool *pool, struct page p)
{
    if (page_state(p) == PAGE_BLOCK) {
        block_unref(pool, p.block);
    }
}

struct pagemap {
    struct page *slots; /* key 0: free. */
    uint64_t cap, len;  /* cap: 0 or a power of two. */
    unsigned shift;
    struct pagemap_word {
        uint64_t key; /* 1 + (level << 58 | number); 0: free. */
        uint64_t bits;
    } *words;
    uint64_t words_cap, words_len;
    unsigned words_shift;
};

static inline uint64_t pagemap_slot(const struct pagemap *m, uint64_t n)
{
    return (n * UINT64_C(0x9e3779b97f4a7c15)) >> m->shift;
}

/* The entry of page n, or NULL.  Valid until the map changes. */
static inline struct page *pagemap_find(const struct pagemap *m, uint64_t n)
{
    if (m->len == 0) {
        return NULL;
    }
    for (uint64_t i = pagemap_slot(m, n);; i = (i + 1) & (m->cap - 1)) {
        if (m->slots[i].key == 0) {
            return NULL;
        }
        if (page_number(m->slots[i]) == n) {
            return &m->slots[i];
        }
    }
}

/* Adds p, whose page the map does not have. */
void pagemap_add(struct pagemap *m, struct page p);
/* Removes page n, which the map has; its value is the caller's. */
void pagemap_remove(struct pagemap *m, uint64_t n);
/* The first page >= n in the map, or PAGE_NONE. */
uint64_t pagemap_next(const struct pagemap *m, uint64_t n);
/* How many pages from n on, at most limit, are in the map without a gap. */
uint64_t pagemap_run(const struct pagemap *m, uint64_t n, uint64_t limit);
/* Frees the tables; the values must have been released. */
void pagemap_fini(struct pagemap *m);

#endif
