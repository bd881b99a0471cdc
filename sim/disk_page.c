/* SPDX-License-Identifier: MIT */
/* Blocks, and the sparse page map: see disk_page.h.
 *
 * Invariants:
 *  1. A slot's chain has no gap: removal shifts later entries back (linear probing).
 *  2. Bit k of index word (0, w) is set exactly when page 64 w + k is in the map; bit k of word
 *     (l + 1, w) exactly when word (l, 64 w + k) exists; a word without bits does not exist.
 *  3. Tables are at most 3/4 full and double when they grow; they do not shrink.  Old and new table
 *     together take at the worst moment 4 % of the bytes that the pages stand for.
 */
#include "sim/disk_page.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>
#include <sys/mman.h>

enum {
    CAP_MIN = 64,
    LEVELS = 9, /* 64^9 pages of 4 KiB: more than 8 EiB. */
    LEVEL_BITS = 6,
    LEVEL_SHIFT = 58,
};

struct block_pool *block_pool_create(void)
{
    struct block_pool *pool = NEW(struct block_pool);
    pool->refs = 1;
    return pool;
}

void block_pool_unref(struct block_pool *pool)
{
    CHECK(pool->refs > 0);
    if (--pool->refs) {
        return;
    }
    CHECK(pool->used == 0);
    while (pool->slabs) {
        struct block_slab *slab = pool->slabs;
        pool->slabs = slab->next;
        free(slab);
    }
    free(pool);
}

/* A page that is not touched costs nothing, so blocks are not put on the free list beforehand. */
static void pool_grow(struct block_pool *pool)
{
    enum { SMALL_SLABS = 16 };
    bool huge = pool->slabs_len++ >= SMALL_SLABS;
    size_t blocks = huge ? SLAB_HUGE : SLAB_SMALL;
    struct block_slab *slab;
    if (huge) {
        slab = mem_alloc_aligned(HUGE_PAGE, HUGE_PAGE);
        madvise(slab, HUGE_PAGE, MADV_HUGEPAGE); /* If there are such. */
    } else {
        slab = mem_alloc(sizeof(*slab) + blocks * sizeof(slab->blocks[0]));
    }
    slab->next = pool->slabs;
    pool->slabs = slab;
    pool->fresh = slab->blocks;
    pool->fresh_end = slab->blocks + blocks;
}

struct block *block_new(struct block_pool *pool)
{
    struct block *b = pool->free;
    if (b) {
        pool->free = b->next;
    } else {
        if (pool->fresh == pool->fresh_end) {
            pool_grow(pool);
        }
        b = pool->fresh++;
    }
    pool->used++;
    b->refs = 1;
    return b;
}

void block_free(struct block_pool *pool, struct block *b)
{
    CHECK(pool->used > 0);
    pool->used--;
    b->next = pool->free;
    pool->free = b;
}

/* --- the ordered index --- */

static uint64_t word_key(unsigned level, uint64_t number)
{
    return ((uint64_t)level << LEVEL_SHIFT | number) + 1;
}

static uint64_t word_slot(const struct pagemap *m, uint64_t key)
{
    return (key * UINT64_C(0xd1b54a32d192ed03)) >> m->words_shift;
}

static struct pagemap_word *word_find(const struct pagemap *m, uint64_t key)
{
    if (m->words_len == 0) {
        return NULL;
    }
    for (uint64_t i = word_slot(m, key);; i = (i + 1) & (m->words_cap - 1)) {
        if (m->words[i].key == 0) {
            return NULL;
        }
        if (m->words[i].key == key) {
            return &m->words[i];
        }
    }
}

static void word_insert(struct pagemap *m, struct pagemap_word w)
{
    uint64_t i = word_slot(m, w.key);
    while (m->words[i].key != 0) {
        i = (i + 1) & (m->words_cap - 1);
    }
    m->words[i] = w;
}

static void words_grow(struct pagemap *m)
{
    struct pagemap_word *old = m->words;
    uint64_t old_cap = m->words_cap;
    m->words_cap = old_cap ? old_cap * 2 : CAP_MIN;
    m->words_shift = 64 - (unsigned)__builtin_ctzll(m->words_cap);
    m->words = NEW_ARRAY(struct pagemap_word, m->words_cap);
    for (uint64_t i = 0; i < old_cap; i++) {
        if (old[i].key) {
            word_insert(m, old[i]);
        }
    }
    free(old);
}

static void word_remove(struct pagemap *m, struct pagemap_word *w)
{
    uint64_t mask = m->words_cap - 1;
    uint64_t hole = (uint64_t)(w - m->words);
    for (uint64_t i = (hole + 1) & mask; m->words[i].key; i = (i + 1) & mask) {
        uint64_t home = word_slot(m, m->words[i].key);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            m->words[hole] = m->words[i];
            hole = i;
        }
    }
    m->words[hole] = (struct pagemap_word){ 0 };
    m->words_len--;
}

static void index_set(struct pagemap *m, uint64_t n)
{
    for (unsigned level = 0; level < LEVELS; level++) {
        uint64_t key = word_key(level, n >> LEVEL_BITS);
        uint64_t bit = UINT64_C(1) << (n & 63);
        struct pagemap_word *w = word_find(m, key);
        if (w) {
            w->bits |= bit;
            return;
        }
        if ((m->words_len + 1) * 4 > m->words_cap * 3) {
            words_grow(m);
        }
        word_insert(m, (struct pagemap_word){ key, bit });
        m->words_len++;
        n >>= LEVEL_BITS;
    }
}

static void index_clear(struct pagemap *m, uint64_t n)
{
    for (unsigned level = 0; level < LEVELS; level++) {
        struct pagemap_word *w = word_find(m, word_key(level, n >> LEVEL_BITS));
        CHECK(w != NULL);
        w->bits &= ~(UINT64_C(1) << (n & 63));
        if (w->bits) {
            return;
        }
        word_remove(m, w);
        n >>= LEVEL_BITS;
    }
}

/* The first set position >= n among the words of a level, looking only into n's word; PAGE_NONE
 * when there is none. */
static uint64_t index_in_word(const struct pagemap *m, unsigned level, uint64_t n)
{
    const struct pagemap_word *w = word_find(m, word_key(level, n >> LEVEL_BITS));
    uint64_t bits = w ? w->bits & (UINT64_MAX << (n & 63)) : 0;
    return bits ? (n & ~UINT64_C(63)) + (uint64_t)__builtin_ctzll(bits) : PAGE_NONE;
}

uint64_t pagemap_next(const struct pagemap *m, uint64_t n)
{
    if (m->len == 0 || n >= UINT64_C(1) << (LEVELS * LEVEL_BITS)) {
        return PAGE_NONE;
    }
    /* Up until a word has something at or after us, then down along first bits. */
    unsigned level = 0;
    uint64_t at = index_in_word(m, 0, n);
    while (at == PAGE_NONE) {
        level++;
        n = (n >> LEVEL_BITS) + 1;
        if (level == LEVELS || n >> ((LEVELS - level) * LEVEL_BITS)) {
            return PAGE_NONE;
        }
        at = index_in_word(m, level, n);
    }
    while (level > 0) {
        level--;
        at = index_in_word(m, level, at << LEVEL_BITS);
        CHECK(at != PAGE_NONE);
    }
    return at;
}

uint64_t pagemap_run(const struct pagemap *m, uint64_t n, uint64_t limit)
{
    uint64_t run = 0;
    while (run < limit) {
        const struct pagemap_word *w = word_find(m, word_key(0, (n + run) >> LEVEL_BITS));
        unsigned from = (n + run) & 63;
        uint64_t gaps = w ? ~w->bits & (UINT64_MAX << from) : UINT64_MAX << from;
        if (gaps) {
            run += (uint64_t)__builtin_ctzll(gaps) - from;
            break;
        }
        run += 64 - from;
    }
    return MIN(run, limit);
}

/* --- the hash --- */

static void slot_insert(struct pagemap *m, struct page p)
{
    uint64_t i = pagemap_slot(m, page_number(p));
    while (m->slots[i].key != 0) {
        i = (i + 1) & (m->cap - 1);
    }
    m->slots[i] = p;
}

static void slots_grow(struct pagemap *m)
{
    struct page *old = m->slots;
    uint64_t old_cap = m->cap;
    m->cap = old_cap ? old_cap * 2 : CAP_MIN;
    m->shift = 64 - (unsigned)__builtin_ctzll(m->cap);
    m->slots = NEW_ARRAY(struct page, m->cap);
    for (uint64_t i = 0; i < old_cap; i++) {
        if (old[i].key) {
            slot_insert(m, old[i]);
        }
    }
    free(old);
}

void pagemap_add(struct pagemap *m, struct page p)
{
    CHECK(page_state(p) != PAGE_ABSENT);
    if ((m->len + 1) * 4 > m->cap * 3) {
        slots_grow(m);
    }
    slot_insert(m, p);
    m->len++;
    index_set(m, page_number(p));
}

void pagemap_remove(struct pagemap *m, uint64_t n)
{
    struct page *p = pagemap_find(m, n);
    CHECK(p != NULL);
    uint64_t mask = m->cap - 1;
    uint64_t hole = (uint64_t)(p - m->slots);
    for (uint64_t i = (hole + 1) & mask; m->slots[i].key; i = (i + 1) & mask) {
        uint64_t home = pagemap_slot(m, page_number(m->slots[i]));
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct page){ 0 };
    m->len--;
    index_clear(m, n);
}

void pagemap_fini(struct pagemap *m)
{
    free(m->slots);
    free(m->words);
    *m = (struct pagemap){ 0 };
}
