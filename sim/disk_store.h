/* The contents of a disk: a map of pages over frozen layers over a base.
 *
 *   top      what was written since the last clone; the only part that changes
 *   layers   frozen by disk_clone, shared between clones, newest first
 *   base     a real file, or nothing: zeroes
 *
 * Bytes of a page beyond the size of the disk are zero; base bytes from base_limit on do not
 * exist (a resize cut them off).  The store knows no time, no faults and no log.
 */
#ifndef SIM_DISK_STORE_H
#define SIM_DISK_STORE_H

#include "sim/disk_page.h"

struct layer {
    uint64_t refs;
    struct pagemap map;
    struct layer *below; /* A reference. */
    struct block_pool *pool; /* A reference. */
};

struct store_base {
    uint64_t refs;
    struct disk_base ops;
};

struct store {
    struct pagemap top;
    struct layer *layers;
    struct store_base *base;
    uint64_t base_limit; /* 0 without a base. */
    struct block_pool *pool;
    uint64_t allocated; /* Pages that hold space, not counting the base. */
    bool plain;         /* Every page in every map is data: no HOLE, ZEROED, BASE. */
};

/* pool: a reference is taken. */
void store_init(struct store *st, struct block_pool *pool, const struct disk_base *base);
void store_fini(struct store *st);
/* Freezes st's top and makes to a second store over the same layers. */
void store_clone(struct store *st, struct store *to);

/* What page n holds.  The value is borrowed: page_ref to keep it. */
struct page store_get_below(const struct store *st, uint64_t n);
static inline struct page store_get(const struct store *st, uint64_t n)
{
    const struct page *p = pagemap_find(&st->top, n);
    return p ? *p : store_get_below(st, n);
}

/* Puts p, taking over its reference, and gives the former value with a reference.  PAGE_ABSENT
 * puts back what was there before the first write: the base, or nothing. */
struct page store_swap_slow(struct store *st, struct page p);
static inline struct page store_swap(struct store *st, struct page p)
{
    struct page *at = pagemap_find(&st->top, page_number(p));
    if (at && page_is_data(*at) && page_is_data(p)) {
        struct page old = *at;
        *at = p;
        return old;
    }
    return store_swap_slow(st, p);
}

/* What page n becomes when it is dropped: a mask when something lies below, else nothing. */
struct page store_hole(const struct store *st, uint64_t n);

/* The bytes of page n that p stands for.  Errors: -errno of the base. */
int store_bytes(const struct store *st, struct page p, size_t in, void *dst, size_t len);
/* A new page value with one block that holds the bytes of p.  Errors: as store_bytes. */
int store_to_block(struct store *st, struct page p, struct page *out);

/* Fill of [in, in + ...) of p if that is known without looking, else FILL_NONE. */
struct fill store_fill(const struct store *st, struct page p, size_t in);

/* The first page in [n, end) that may read as other than zeroes or holds space; end when none. */
uint64_t store_next(const struct store *st, uint64_t n, uint64_t end);
/* The same over what is in the maps, the base left out. */
uint64_t store_next_mapped(const struct store *st, uint64_t n, uint64_t end);
/* Is page n data; *run is for how many pages (1..limit) the answer holds. */
bool store_status(const struct store *st, uint64_t n, uint64_t limit, uint64_t *run);

#endif
