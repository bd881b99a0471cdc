/* SPDX-License-Identifier: MIT */
/* Contents of a disk: see disk_store.h.
 *
 * Invariants:
 *  1. Frozen layers never change; a block is changed in place only when it is reached through the
 *     top and has one reference.
 *  2. Layers at least double in pages from one to the next older one: a clone merges the newest
 *     layers until that holds.  So there are few, and a page is copied between layers about
 *     log2(pages) times in its life; a clone costs what was written since the last one, amortised.
 *  3. `allocated` counts the pages whose effective value holds space.
 */
#include "sim/disk_store.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Pages of data that store_status walks one by one before it answers. */
enum { STATUS_PAGES = 1 << 16 };

void store_init(struct store *st, struct block_pool *pool, const struct disk_base *base)
{
    *st = (struct store){ .pool = pool, .plain = true };
    pool->refs++;
    if (base) {
        CHECK(base->read != NULL);
        st->base = NEW(struct store_base);
        st->base->refs = 1;
        st->base->ops = *base;
        st->base_limit = base->size;
    }
}

static void map_release(struct pagemap *m, struct block_pool *pool)
{
    for (uint64_t i = 0; i < m->cap; i++) {
        if (m->slots[i].key) {
            page_release(pool, m->slots[i]);
        }
    }
    pagemap_fini(m);
}

static void layer_unref(struct layer *l)
{
    while (l) {
        CHECK(l->refs > 0);
        if (--l->refs) {
            return;
        }
        struct layer *below = l->below;
        map_release(&l->map, l->pool);
        block_pool_unref(l->pool);
        free(l);
        l = below;
    }
}

static void base_unref(struct store_base *base)
{
    if (base && --base->refs == 0) {
        if (base->ops.close) {
            base->ops.close(base->ops.opaque);
        }
        free(base);
    }
}

void store_fini(struct store *st)
{
    map_release(&st->top, st->pool);
    layer_unref(st->layers);
    base_unref(st->base);
    block_pool_unref(st->pool);
}

/* The two newest layers as one new layer; the reference to the old ones is given back. */
static struct layer *layer_merge(struct layer *l)
{
    struct layer *m = NEW(struct layer);
    m->refs = 1;
    m->pool = l->pool;
    m->pool->refs++;
    m->below = l->below->below;
    if (m->below) {
        m->below->refs++;
    }
    for (uint64_t n = pagemap_next(&l->map, 0); n != PAGE_NONE; n = pagemap_next(&l->map, n + 1)) {
        pagemap_add(&m->map, page_ref(*pagemap_find(&l->map, n)));
    }
    const struct pagemap *old = &l->below->map;
    for (uint64_t n = pagemap_next(old, 0); n != PAGE_NONE; n = pagemap_next(old, n + 1)) {
        if (!pagemap_find(&m->map, n)) {
            pagemap_add(&m->map, page_ref(*pagemap_find(old, n)));
        }
    }
    layer_unref(l);
    return m;
}

static void store_freeze(struct store *st)
{
    if (st->top.len == 0) {
        return;
    }
    struct layer *l = NEW(struct layer);
    l->refs = 1;
    l->map = st->top;
    l->below = st->layers;
    l->pool = st->pool;
    l->pool->refs++;
    st->top = (struct pagemap){ 0 };
    while (l->below && l->below->map.len < l->map.len * 2) {
        l = layer_merge(l);
    }
    st->layers = l;
}

void store_clone(struct store *st, struct store *to)
{
    store_freeze(st);
    *to = *st;
    to->top = (struct pagemap){ 0 };
    to->pool->refs++;
    if (to->layers) {
        to->layers->refs++;
    }
    if (to->base) {
        to->base->refs++;
    }
}

struct page store_get_below(const struct store *st, uint64_t n)
{
    for (const struct layer *l = st->layers; l; l = l->below) {
        const struct page *p = pagemap_find(&l->map, n);
        if (p) {
            return page_state(*p) == PAGE_BASE ? page_make(n, PAGE_ABSENT) : *p;
        }
    }
    return page_make(n, PAGE_ABSENT);
}

static bool in_layers(const struct store *st, uint64_t n)
{
    for (const struct layer *l = st->layers; l; l = l->below) {
        if (pagemap_find(&l->map, n)) {
            return true;
        }
    }
    return false;
}

static bool in_base(const struct store *st, uint64_t n)
{
    if (n >= (st->base_limit + DISK_PAGE - 1) / DISK_PAGE) {
        return false;
    }
    const struct disk_base *b = &st->base->ops;
    return !b->is_hole || !b->is_hole(b->opaque, n * DISK_PAGE, DISK_PAGE);
}

struct page store_hole(const struct store *st, uint64_t n)
{
    bool mask = st->base_limit > n * DISK_PAGE || in_layers(st, n);
    return page_make(n, mask ? PAGE_HOLE : PAGE_ABSENT);
}

struct page store_swap_slow(struct store *st, struct page p)
{
    uint64_t n = page_number(p);
    struct page *at = pagemap_find(&st->top, n);
    struct page old = at ? *at : page_ref(store_get_below(st, n));
    if (page_state(old) == PAGE_BASE) {
        old = page_make(n, PAGE_ABSENT);
    }
    st->allocated += page_is_allocated(p);
    st->allocated -= page_is_allocated(old);
    if (page_state(p) == PAGE_ABSENT && in_layers(st, n)) {
        p = page_make(n, PAGE_BASE);
    }
    if (page_state(p) != PAGE_ABSENT && !page_is_data(p)) {
        st->plain = false;
    }
    if (page_state(p) == PAGE_ABSENT) {
        if (at) {
            pagemap_remove(&st->top, n);
        }
    } else if (at) {
        *at = p;
    } else {
        pagemap_add(&st->top, p);
    }
    return old;
}

static bool reads_base(const struct store *st, struct page p)
{
    enum page_state s = page_state(p);
    return (s == PAGE_ABSENT || s == PAGE_BASE) && page_number(p) * DISK_PAGE < st->base_limit;
}

static int base_bytes(const struct store *st, uint64_t offset, uint8_t *dst, size_t len)
{
    uint64_t room = st->base_limit > offset ? st->base_limit - offset : 0;
    size_t part = room < len ? (size_t)room : len;
    memset(dst + part, 0, len - part);
    return part ? st->base->ops.read(st->base->ops.opaque, offset, dst, part) : 0;
}

int store_bytes(const struct store *st, struct page p, size_t in, void *dst, size_t len)
{
    CHECK(in <= DISK_PAGE && len <= DISK_PAGE - in);
    if (page_state(p) == PAGE_BLOCK) {
        memcpy(dst, p.block->bytes + in, len);
    } else if (page_state(p) == PAGE_FILL) {
        fill_bytes(fill_skip(p.fill, (uint32_t)in), dst, len);
    } else if (reads_base(st, p)) {
        return base_bytes(st, page_number(p) * DISK_PAGE + in, dst, len);
    } else {
        memset(dst, 0, len);
    }
    return 0;
}

int store_to_block(struct store *st, struct page p, struct page *out)
{
    struct block *b = block_new(st->pool);
    int ret = store_bytes(st, p, 0, b->bytes, DISK_PAGE);
    if (ret < 0) {
        block_free(st->pool, b);
        return ret;
    }
    *out = page_make(page_number(p), PAGE_BLOCK);
    out->block = b;
    return 0;
}

struct fill store_fill(const struct store *st, struct page p, size_t in)
{
    if (page_state(p) == PAGE_FILL) {
        return fill_skip(p.fill, (uint32_t)in);
    }
    if (page_state(p) == PAGE_BLOCK || (reads_base(st, p) && in_base(st, page_number(p)))) {
        return (struct fill){ .kind = FILL_NONE };
    }
    return FILL_ZERO;
}

uint64_t store_next_mapped(const struct store *st, uint64_t n, uint64_t end)
{
    while (n < end) {
        uint64_t next = pagemap_next(&st->top, n);
        for (const struct layer *l = st->layers; l; l = l->below) {
            uint64_t other = pagemap_next(&l->map, n);
            next = MIN(next, other);
        }
        if (next >= end || st->plain || page_is_allocated(store_get(st, next))) {
            return MIN(next, end);
        }
        n = next + 1;
    }
    return end;
}

/* The first page in [n, end) of the base with data in it. */
static uint64_t next_in_base(const struct store *st, uint64_t n, uint64_t end)
{
    const struct disk_base *b = &st->base->ops;
    uint64_t last = (st->base_limit + DISK_PAGE - 1) / DISK_PAGE;
    uint64_t stop = MIN(end, last);
    if (n >= stop || in_base(st, n)) {
        return n >= stop ? end : n;
    }
    /* [n, hole) is known to be a hole, [n, data) is not. */
    uint64_t hole = n + 1, data = stop + 1;
    while (data - hole > 1) {
        uint64_t mid = hole + (data - hole) / 2;
        if (b->is_hole(b->opaque, n * DISK_PAGE, (mid - n) * DISK_PAGE)) {
            hole = mid;
        } else {
            data = mid;
        }
    }
    return hole == stop ? end : hole;
}

uint64_t store_next(const struct store *st, uint64_t n, uint64_t end)
{
    uint64_t mapped = store_next_mapped(st, n, end);
    if (n * DISK_PAGE >= st->base_limit) {
        return mapped;
    }
    /* Pages of the base count unless a map hides them. */
    while (n < mapped) {
        n = next_in_base(st, n, mapped);
        if (n < mapped && page_state(store_get(st, n)) != PAGE_HOLE) {
            return n;
        }
        n += n < mapped;
    }
    return mapped;
}

static bool page_has_data(const struct store *st, uint64_t n)
{
    struct page p = store_get(st, n);
    return page_is_data(p) || (reads_base(st, p) && in_base(st, n));
}

bool store_status(const struct store *st, uint64_t n, uint64_t limit, uint64_t *run)
{
    CHECK(limit > 0);
    uint64_t end = n + limit, at = n;
    bool data = page_has_data(st, n);
    if (data && st->plain && !st->base && !st->layers) {
        *run = pagemap_run(&st->top, n, limit);
        return true;
    }
    if (data && limit > STATUS_PAGES) {
        end = n + STATUS_PAGES;
    }
    while (at < end && page_has_data(st, at) == data) {
        at = data ? at + 1 : store_next(st, at + 1, end);
    }
    *run = MIN(at, end) - n;
    return data;
}
