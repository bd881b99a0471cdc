/* SPDX-License-Identifier: MIT */
/* Pages of a reference and the versions that they hold.
 *
 * Use: ref_change takes what a request left behind, in any form and length, and puts a version into
 * each page that it touched, or one range over all of them.  ref_cut and ref_forget change what is
 * known at once.
 *
 * Invariants:
 *  1. The version in the page itself (P_CURRENT) is definite, covers the page, and ended last of
 *     those.  Without P_LIVE nothing in the chain can be seen by a read that begins after its end.
 *  2. A version leaves a page only when no read in flight can see it and, unless P_LOSSY is set, no
 *     power cut can bring it back.
 *  3. P_LOSSY goes when the current version ended before the last flush began, for all that was
 *     dropped had ended by then; or when a FUA write supersedes it.
 *  4. Once warm nothing is allocated: versions and blocks come from free lists.
 */
#include "base/check.h"
#include "base/mem.h"
#include "oracles/ref_image.h"
#include "sim/sim.h"

#include <stdlib.h>
#include <string.h>

/* Not a power of two: working sets are, and a page's share of versions times their pages would
 * fill the table to the brim. */
enum { PAGES_MIN = 64, VERSIONS_MIN = 200 };

/* --- Versions and blocks --- */

static uint32_t version_new(struct ref_image *s, const struct version *v, uint32_t next)
{
    uint32_t i = s->v_free;
    if (i) {
        s->v_free = s->v[i].next;
    } else {
        if (s->v_len == s->v_cap) {
            s->v_cap = s->v_cap ? s->v_cap * 2 : VERSIONS_MIN;
            s->v = mem_resize(s->v, (size_t)s->v_cap * sizeof(*s->v));
            CHECK(s->v_cap > s->v_len);
        }
        s->v_len += s->v_len == 0; /* Index 0 ends a chain. */
        i = s->v_len++;
    }
    s->v[i] = *v;
    s->v[i].next = next;
    return i;
}

static void block_free(struct ref_image *s, uint8_t flags, struct fill fill)
{
    if (flags & V_BYTES) {
        CHECK(fill.tag > 0 && fill.tag < s->blocks_len);
        s->blocks_free[s->blocks_free_len++] = (uint32_t)fill.tag;
    }
}

/* Frees version i; returns the next of its chain. */
static uint32_t version_free(struct ref_image *s, uint32_t i)
{
    uint32_t next = s->v[i].next;
    block_free(s, s->v[i].flags, s->v[i].fill);
    s->v[i].next = s->v_free;
    s->v_free = i;
    return next;
}

uint32_t ref_block_new(struct ref_image *s, const struct iobuf *data, size_t at, size_t n)
{
    CHECK(n <= REF_PAGE);
    uint32_t i;
    if (s->blocks_free_len) {
        i = s->blocks_free[--s->blocks_free_len];
    } else if (s->blocks_len == REF_BLOCKS_MAX) {
        s->stats.pages_unkept++;
        return 0;
    } else {
        if (s->blocks_len == s->blocks_cap) {
            s->blocks_cap = s->blocks_cap ? s->blocks_cap * 2 : 64;
            s->blocks = mem_resize(s->blocks, s->blocks_cap * sizeof(*s->blocks));
            s->blocks_free = mem_resize(s->blocks_free, s->blocks_cap * sizeof(*s->blocks_free));
        }
        if (s->blocks_len == 0) {
            s->blocks[s->blocks_len++] = NULL; /* Index 0 is none. */
        }
        i = s->blocks_len++;
        s->blocks[i] = mem_alloc(REF_PAGE);
    }
    iobuf_copy_out(data, at, s->blocks[i], n);
    return i;
}

/* --- The table of pages --- */

static void pages_grow(struct ref *r)
{
    size_t old_cap = r->pages ? r->pages_mask + 1 : 0;
    size_t cap = old_cap ? old_cap * 2 : PAGES_MIN;
    struct ref_page *old = r->pages;
    void *old_memory = r->pages_memory;
    r->pages_memory = mem_zalloc_array(cap + 1, sizeof(struct ref_page));
    uintptr_t line = ((uintptr_t)r->pages_memory + sizeof(struct ref_page) - 1) /
                     sizeof(struct ref_page) * sizeof(struct ref_page);
    r->pages = (struct ref_page *)line;
    r->pages_mask = cap - 1;
    r->pages_shift = 64 - (unsigned)__builtin_ctzll(cap);
    for (size_t i = 0; i < old_cap; i++) {
        if (!(old[i].flags & P_USED)) {
            continue;
        }
        size_t k = ref_page_slot(r, old[i].number);
        while (r->pages[k].flags & P_USED) {
            k = (k + 1) & r->pages_mask;
        }
        r->pages[k] = old[i];
    }
    free(old_memory);
}

static struct ref_page *page_get(struct ref *r, uint64_t number)
{
    struct ref_page *p = ref_page_find(r, number);
    if (p) {
        return p;
    }
    if (!r->pages || (r->pages_len + 1) * 8 > (r->pages_mask + 1) * 5) {
        pages_grow(r);
    }
    size_t i = ref_page_slot(r, number);
    while (r->pages[i].flags & P_USED) {
        i = (i + 1) & r->pages_mask;
    }
    r->pages[i] = (struct ref_page){ .number = number, .flags = P_USED };
    r->pages_len++;
    return &r->pages[i];
}

/* --- The chain of a page --- */

static void chain_push(struct ref_image *s, struct ref_page *p, const struct version *v)
{
    CHECK(p->len < UINT8_MAX);
    p->chain = version_new(s, v, p->chain);
    p->len++;
}

/* The current version as a version of the chain. */
static struct version page_current(const struct ref_page *p)
{
    return (struct version){
        .fill = p->fill,
        .begin = p->begin,
        .end = p->end,
        .token = p->token,
        .time_ns = p->time_ns,
        .hi = REF_PAGE,
        .flags = p->version_flags,
    };
}

static void page_set_current(struct ref_page *p, const struct version *v)
{
    p->fill = v->fill;
    p->begin = v->begin;
    p->end = v->end;
    p->token = v->token;
    p->time_ns = v->time_ns;
    p->version_flags = v->flags;
    p->flags |= P_CURRENT;
}

/* Frees what ended before stamp. */
static void chain_drop(struct ref_image *s, struct ref_page *p, uint64_t stamp)
{
    uint32_t *link = &p->chain;
    while (*link) {
        if (s->v[*link].end < stamp) {
            *link = version_free(s, *link);
            p->len--;
        } else {
            link = &s->v[*link].next;
        }
    }
}

static void page_clear(struct ref_image *s, struct ref_page *p)
{
    chain_drop(s, p, UINT64_MAX);
    if (p->flags & P_CURRENT) {
        block_free(s, p->version_flags, p->fill);
    }
    p->flags = P_USED;
}

static bool chain_is_live(const struct ref_image *s, const struct ref_page *p)
{
    for (uint32_t i = p->chain; i; i = s->v[i].next) {
        if (!(s->v[i].end < p->begin)) {
            return true;
        }
    }
    return false;
}

static bool is_durable(const struct ref *r, uint8_t flags, uint64_t end)
{
    return (flags & V_DURABLE) || end < r->durable;
}

/* Frees versions that a durable, definite one of the chain supersedes and covers. */
static void chain_prune(struct ref_image *s, const struct ref *r, struct ref_page *p)
{
    uint32_t *link = &p->chain;
    while (*link) {
        const struct version *v = &s->v[*link];
        bool dead = false;
        for (uint32_t i = p->chain; i && !dead; i = s->v[i].next) {
            const struct version *d = &s->v[i];
            dead = !(d->flags & V_MAYBE) && d->begin > v->end && d->lo <= v->lo &&
                   d->hi >= v->hi && is_durable(r, d->flags, d->end);
        }
        if (dead) {
            *link = version_free(s, *link);
            p->len--;
        } else {
            link = &s->v[*link].next;
        }
    }
}

/* --- Merging: too many versions --- */

/* A change in flight may lie below some of what is merged and above the rest. */
static bool change_is_flying(const struct ref_image *s)
{
    for (size_t i = 0; i < s->cand_len; i++) {
        if (s->cand[i].flying) {
            return true;
        }
    }
    return false;
}

/* The bytes of a page that can be one thing only, for a read that begins now.  known[i]: so. */
static void page_settle(struct ref_image *s, int64_t base, uint8_t *bytes, bool *known)
{
    for (int64_t at = base; at < base + REF_PAGE;) {
        int64_t next = ref_segment_end(s, at, base + REF_PAGE);
        size_t n = (size_t)(next - at), off = (size_t)(at - base);
        uint8_t other[REF_UNIT];
        bool sure = ref_known(s, 0, at, UINT64_MAX), first = true;
        for (size_t i = 0; i < s->cand_len && sure; i++) {
            const struct candidate *c = &s->cand[i];
            if (at < c->lo || at >= c->hi || ref_superseded(s, i, at, UINT64_MAX)) {
                continue;
            }
            if (c->any) {
                sure = false;
            } else {
                ref_candidate_bytes(c, at, n, first ? bytes + off : other);
                sure = first || memcmp(bytes + off, other, n) == 0;
                first = false;
            }
        }
        memset(known + off, sure && !first, n);
        at = next;
    }
}

static void push_known_runs(struct ref_image *s, struct ref_page *p, uint8_t *bytes,
                            const bool *known, struct version v)
{
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, bytes, REF_PAGE);
    for (size_t at = 0; at < REF_PAGE && p->len < REF_CHAIN_MAX / 2;) {
        size_t end = at;
        while (end < REF_PAGE && known[end]) {
            end++;
        }
        if (end == at) {
            at++;
            continue;
        }
        uint32_t block = ref_block_new(s, &buf, at, end - at);
        if (block) {
            v.fill = (struct fill){ .tag = block };
            v.lo = (uint16_t)at;
            v.hi = (uint16_t)end;
            v.flags = V_BYTES;
            chain_push(s, p, &v);
            p->flags |= P_LIVE;
        }
        at = end;
    }
}

/* Replaces all versions by what they come to.  Reads in flight may have seen what is dropped, so
 * they are not judged. */
static void page_merge(struct ref_image *s, struct ref *r, struct ref_page *p)
{
    uint8_t bytes[REF_PAGE];
    bool known[REF_PAGE];
    int64_t base = (int64_t)p->number * REF_PAGE;
    uint64_t number = p->number;
    ref_gather(s, r, base, base + REF_PAGE);
    if (change_is_flying(s)) {
        memset(known, 0, sizeof(known));
    } else {
        page_settle(s, base, bytes, known);
    }
    ref_void_reads(s, r, base, base + REF_PAGE);
    page_clear(s, p);
    CHECK(p->number == number && p->len == 0);

    struct version v = { .begin = ++s->stamp, .hi = REF_PAGE, .flags = V_ANY };
    v.time_ns = sim_now_ns(s->o->sim);
    v.end = v.begin;
    page_set_current(p, &v);
    v.begin = ++s->stamp;
    v.end = v.begin;
    push_known_runs(s, p, bytes, known, v);
    p->flags |= P_LOSSY;
    s->stats.pages_merged++;
}

/* --- Adding versions --- */

/* A definite version of the whole page becomes the current one. */
static void add_whole(struct ref_image *s, const struct ref *r, struct ref_page *p,
                      const struct version *v, bool watched)
{
    if (p->flags & P_CURRENT) {
        bool keep = true;
        if (p->end < r->durable) {
            p->flags &= (uint8_t)~P_LOSSY;
            if (p->chain && !watched) {
                chain_drop(s, p, p->begin);
            }
        }
        if (p->end < v->begin && !watched) {
            if (v->flags & V_DURABLE) {
                chain_drop(s, p, v->begin);
                p->flags &= (uint8_t)~P_LOSSY;
                keep = false;
            } else if ((p->flags & P_LOSSY) || p->len >= REF_HISTORY) {
                p->flags |= P_LOSSY;
                keep = false;
                if (p->len > REF_HISTORY) { /* Else it waits for a flush: to free it costs. */
                    chain_drop(s, p, v->begin);
                }
            }
        } else if (!(p->end < v->begin)) {
            p->flags |= P_LIVE;
        }
        if (keep) {
            struct version old = page_current(p);
            chain_push(s, p, &old);
        } else {
            block_free(s, p->version_flags, p->fill);
        }
    }
    page_set_current(p, v);
    if (p->flags & P_LIVE) {
        p->flags &= (uint8_t)~P_LIVE;
        p->flags |= chain_is_live(s, p) ? P_LIVE : 0;
    }
}

void ref_page_add(struct ref_image *s, struct ref *r, uint64_t number, const struct version *v,
                  bool watched)
{
    CHECK(v->lo < v->hi && v->hi <= REF_PAGE);
    CHECK(v->begin <= v->end);
    struct ref_page *p = page_get(r, number);
    if (v->lo == 0 && v->hi == REF_PAGE && !(v->flags & V_MAYBE)) {
        add_whole(s, r, p, v, watched);
    } else {
        if (p->len >= REF_CHAIN_MAX / 2 && !watched) {
            chain_prune(s, r, p);
        }
        chain_push(s, p, v);
        p->flags |= P_LIVE;
    }
    if (p->len > REF_CHAIN_MAX) {
        page_merge(s, r, p);
    }
}

/* --- Ranges --- */

static bool read_is_flying(const struct ref_image *s, const struct ref *r, int64_t lo, int64_t hi)
{
    for (size_t i = 0; i < s->fly_len; i++) {
        const struct flight *f = &s->fly[i];
        if (f->op == GUEST_READ && ref_shows(f->ref, r) && f->lo < hi && f->hi > lo) {
            return true;
        }
    }
    return false;
}

/* Can range i be seen by a read, or come back after a power cut, when c is added? */
static bool range_is_needed(const struct ref_image *s, const struct ref *r, size_t i,
                            const struct ref_change *c)
{
    const struct ref_range *old = &r->ranges[i];
    if (read_is_flying(s, r, old->lo, old->hi)) {
        return true;
    }
    bool covered = old->lo >= c->lo && old->hi <= c->hi;
    if (covered && (c->flags & V_MAYBE) && (old->flags & V_MAYBE) && old->byte == c->byte &&
        !(old->flags & ~c->flags & V_ANY)) {
        return false;
    }
    if (covered && !(c->flags & V_MAYBE) && (c->flags & V_DURABLE) && old->end < c->begin) {
        return false;
    }
    for (size_t k = i + 1; k < r->ranges_len; k++) {
        const struct ref_range *d = &r->ranges[k];
        if (d->lo <= old->lo && d->hi >= old->hi && d->begin > old->end &&
            !(d->flags & V_MAYBE) && is_durable(r, d->flags, d->end)) {
            return false;
        }
    }
    return true;
}

/* False when the list is full. */
static bool range_add(struct ref_image *s, struct ref *r, const struct ref_change *c)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->ranges_len; i++) {
        if (range_is_needed(s, r, i, c)) {
            r->ranges[kept++] = r->ranges[i];
        }
    }
    r->ranges_len = kept;
    if (r->ranges_len == REF_RANGES_MAX) {
        return false;
    }
    if (!r->ranges) {
        r->ranges = NEW_ARRAY(struct ref_range, REF_RANGES_MAX);
    }
    r->ranges[r->ranges_len++] = (struct ref_range){
        .lo = c->lo,
        .hi = c->hi,
        .begin = c->begin,
        .end = c->end,
        .token = c->token,
        .time_ns = sim_now_ns(s->o->sim),
        .byte = c->byte,
        .flags = c->flags,
    };
    r->ranges_last = MAX(r->ranges_last, c->end);
    return true;
}

/* --- Requests --- */

/* Contents of a part of a request, as short as they can be written down. */
static void change_part(struct ref_image *s, const struct ref_change *c, size_t at, size_t n,
                        struct version *v)
{
    v->flags = c->flags;
    if (!c->data) {
        v->fill = fill_byte(c->byte);
        return;
    }
    if (c->data->fill.kind != FILL_NONE) {
        v->fill = fill_skip(c->data->fill, (uint32_t)at);
        return;
    }
    uint32_t block = ref_block_new(s, c->data, at, n);
    if (!block) {
        v->fill = FILL_ZERO;
        v->flags |= V_ANY;
        return;
    }
    const uint8_t *bytes = s->blocks[block];
    if (memcmp(bytes, bytes + 1, n - 1) == 0) {
        v->fill = fill_byte(bytes[0]);
        s->blocks_free[s->blocks_free_len++] = block;
        return;
    }
    v->fill = (struct fill){ .tag = block };
    v->flags |= V_BYTES;
}

void ref_change(struct ref_image *s, struct ref *r, const struct ref_change *c)
{
    CHECK(c->lo <= c->hi);
    struct ref_change uniform = *c;
    if (c->data && c->data->fill.kind == FILL_BYTE) {
        uniform.byte = (uint8_t)c->data->fill.tag;
        uniform.data = NULL;
    }
    if (!uniform.data && c->hi - c->lo >= s->range_bytes) {
        if (range_add(s, r, &uniform)) {
            return;
        }
        if (c->hi - c->lo > REF_SPREAD_BYTES) {
            ref_forget(s, r);
            return;
        }
    }
    struct version v = {
        .begin = c->begin,
        .end = c->end,
        .token = c->token,
        .time_ns = sim_now_ns(s->o->sim),
    };
    for (int64_t at = c->lo; at < c->hi;) {
        uint64_t number = (uint64_t)at / REF_PAGE;
        int64_t base = (int64_t)number * REF_PAGE;
        int64_t end = MIN(base + REF_PAGE, c->hi);
        v.lo = (uint16_t)(at - base);
        v.hi = (uint16_t)(end - base);
        change_part(s, &uniform, (size_t)(at - c->lo), (size_t)(end - at), &v);
        ref_page_add(s, r, number, &v, c->watched);
        at = end;
    }
}

/* --- All pages at once --- */

/* A version of another page: with a block of its own. */
static struct version version_copy(struct ref_image *s, struct version v)
{
    if (v.flags & V_BYTES) {
        struct iovec iov;
        struct iobuf bytes = iobuf_mem(&iov, s->blocks[v.fill.tag], REF_PAGE);
        uint32_t block = ref_block_new(s, &bytes, 0, (size_t)(v.hi - v.lo));
        v.fill = block ? (struct fill){ .tag = block } : FILL_ZERO;
        if (!block) {
            v.flags = (uint8_t)((v.flags & ~V_BYTES) | V_ANY);
        }
    }
    return v;
}

static void page_copy(struct ref_image *s, struct ref *dst, struct ref_page p)
{
    uint32_t from = p.chain;
    p.chain = 0;
    struct ref_page *to = page_get(dst, p.number);
    if (p.flags & P_CURRENT) {
        struct version v = version_copy(s, page_current(&p));
        page_set_current(&p, &v);
    }
    *to = p;
    for (uint32_t last = 0; from; from = s->v[from].next) {
        struct version v = version_copy(s, s->v[from]);
        uint32_t at = version_new(s, &v, 0); /* It may move s->v. */
        *(last ? &s->v[last].next : &to->chain) = at;
        last = at;
    }
}

void ref_copy_pages(struct ref_image *s, struct ref *dst, const struct ref *src)
{
    CHECK(dst->pages_len == 0 && dst->ranges_len == 0);
    for (size_t i = 0; src->pages && i <= src->pages_mask; i++) {
        if (src->pages[i].flags & P_USED) {
            page_copy(s, dst, src->pages[i]);
        }
    }
    if (src->ranges_len > 0) {
        dst->ranges = dst->ranges ? dst->ranges : NEW_ARRAY(struct ref_range, REF_RANGES_MAX);
        memcpy(dst->ranges, src->ranges, src->ranges_len * sizeof(*src->ranges));
        dst->ranges_len = src->ranges_len;
    }
    dst->ranges_last = src->ranges_last;
}

static void page_cut(struct ref_image *s, struct ref *r, struct ref_page *p, uint64_t stamp)
{
    uint8_t doubt = r->allocates ? V_MAYBE | V_ANY : V_MAYBE;
    bool lossy = (p->flags & P_LOSSY) && !((p->flags & P_CURRENT) && p->end < r->durable);
    if ((p->flags & P_CURRENT) && !is_durable(r, p->version_flags, p->end)) {
        struct version old = page_current(p);
        chain_push(s, p, &old);
        p->flags &= (uint8_t)~P_CURRENT;
    }
    for (uint32_t i = p->chain; i; i = s->v[i].next) {
        if (!is_durable(r, s->v[i].flags, s->v[i].end)) {
            s->v[i].flags |= doubt;
        }
    }
    if (lossy) {
        struct version any = {
            .begin = stamp, .end = stamp, .hi = REF_PAGE, .flags = V_ANY | V_MAYBE
        };
        chain_push(s, p, &any);
        s->stats.pages_lossy_cut++;
    }
    p->flags &= (uint8_t) ~(P_LOSSY | P_LIVE);
    p->flags |= p->chain ? P_LIVE : 0;
}

void ref_cut(struct ref_image *s, struct ref *r)
{
    uint64_t stamp = ++s->stamp;
    for (size_t i = 0; r->pages && i <= r->pages_mask; i++) {
        if (r->pages[i].flags & P_USED) {
            page_cut(s, r, &r->pages[i], stamp);
        }
    }
    for (size_t i = 0; i < r->ranges_len; i++) {
        if (!is_durable(r, r->ranges[i].flags, r->ranges[i].end)) {
            r->ranges[i].flags |= r->allocates ? V_MAYBE | V_ANY : V_MAYBE;
        }
    }
    if (r->copied > 0 && r->durable <= r->copied) {
        ref_drop(s, r); /* What a job copied may not have got there. */
    }
    if (r->blank && r->durable <= r->blank_since) {
        ref_not_blank(r); /* The image itself may not be as it was made. */
    }
}

void ref_unlearn(struct ref_image *s, struct ref *r)
{
    r->learnt = false;
    for (size_t i = 0; i <= r->pages_mask && r->pages; i++) {
        if (r->pages[i].flags & P_USED) {
            page_clear(s, &r->pages[i]);
            r->pages[i].flags = 0;
        }
    }
    r->pages_len = 0;
    r->ranges_len = 0;
}

void ref_drop(struct ref_image *s, struct ref *r)
{
    r->forgotten = ++s->stamp;
    ref_past_free(s, r);
    ref_not_blank(r);
    r->zeroed = false;
    s->stats.forgets += r->pages_len > 0 || r->ranges_len > 0;
    ref_unlearn(s, r);
}
