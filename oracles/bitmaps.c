/* SPDX-License-Identifier: MIT */
/* Dirty bitmaps cover what guests have written.
 *
 *   guest_begin: bitmaps that record, on the node and on what it filters, are noted
 *   guest_end:   those that were recording all the time now owe the range
 *   always:      what a bitmap owes is marked in it
 *
 * A bitmap owes nothing any more when its bits were taken away (it was cleared, a change of it was
 * taken back, its node got shorter).  One that records for another owes for itself, and when it is
 * gone and the other is not, the other owes in its place.
 *
 * Use: requests as they come; everything owed is looked at when they end, and at each quiescent
 * point.
 *
 * Invariants:
 *   1. owed ranges of a bitmap are in order, apart from each other and inside its length
 *   2. at most RANGES_MAX ranges are kept of a bitmap: then it owes nothing more than these
 *   3. a request in flight while an edge changes owes nothing: where it went is not known
 */
#include "base/check.h"
#include "base/mem.h"
#include "oracles/oracle.h"
#include "oracles/snapshot.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { RANGES_MAX = 65536, DEPTH_MAX = 64 };

struct range {
    int64_t offset, end;
};

/* What is known of a bitmap. */
struct known {
    uint64_t id; /* Ascending. */
    uint64_t stands_for, cleared;
    struct range *owed;
    size_t len, cap;
    bool seen; /* At this look. */
};

/* A bitmap that recorded when a request began. */
struct noted {
    uint64_t token, id, cleared, paused;
    const struct node *node;
};

struct bitmaps {
    struct oracle *o;
    struct known *known;
    size_t len, cap;
    struct noted *noted;
    size_t noted_len, noted_cap;
};

static void *bitmaps_create(struct oracle *o)
{
    struct bitmaps *s = NEW(struct bitmaps);
    s->o = o;
    return s;
}

static void forget_all(void *state)
{
    struct bitmaps *s = state;
    for (size_t i = 0; i < s->len; i++) {
        free(s->known[i].owed);
    }
    s->len = 0;
    s->noted_len = 0;
}

static void bitmaps_destroy(void *state)
{
    struct bitmaps *s = state;
    forget_all(s);
    free(s->known);
    free(s->noted);
    free(s);
}

/* ---- Bitmaps ---- */

static size_t place_of(const struct bitmaps *s, uint64_t id)
{
    size_t lo = 0, hi = s->len;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->known[mid].id < id) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

/* NULL: it is not known. */
static struct known *find(const struct bitmaps *s, uint64_t id)
{
    size_t i = place_of(s, id);
    return i < s->len && s->known[i].id == id ? &s->known[i] : NULL;
}

/* What is known of it; a new one, and one whose bits were taken away, owes nothing. */
static struct known *get(struct bitmaps *s, const struct bitmap_view *v)
{
    size_t i = place_of(s, v->id);
    if (i == s->len || s->known[i].id != v->id) {
        s->known = mem_grow(s->known, s->len, &s->cap, sizeof(*s->known));
        memmove(&s->known[i + 1], &s->known[i], (s->len - i) * sizeof(*s->known));
        s->known[i] = (struct known){ .id = v->id, .cleared = v->cleared };
        s->len++;
    }
    struct known *k = &s->known[i];
    if (k->cleared != v->cleared) {
        k->cleared = v->cleared;
        k->len = 0;
    }
    k->stands_for = v->stands_for;
    return k;
}

/* The first range that ends at offset or behind it. */
static size_t range_at(const struct known *k, int64_t offset)
{
    size_t lo = 0, hi = k->len;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (k->owed[mid].end < offset) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static void owe(struct known *k, struct range r)
{
    size_t first = range_at(k, r.offset), last = first;
    CHECK(r.offset < r.end);
    for (; last < k->len && k->owed[last].offset <= r.end; last++) {
        r.offset = MIN(r.offset, k->owed[last].offset);
        r.end = MAX(r.end, k->owed[last].end);
    }
    if (first == last) {
        if (k->len == RANGES_MAX) {
            return;
        }
        k->owed = mem_grow(k->owed, k->len, &k->cap, sizeof(*k->owed));
    }
    memmove(&k->owed[first + 1], &k->owed[last], (k->len - last) * sizeof(*k->owed));
    k->len -= last - first;
    k->len++;
    k->owed[first] = r;
}

static void look_at(struct bitmaps *s, const struct node *n, const struct dirty_bitmap *b,
                    const struct bitmap_view *v, struct range r)
{
    struct node_view node;
    r.end = MIN(r.end, v->length);
    int64_t clean = r.offset < r.end ? inspect_bitmap_clean(b, r.offset, r.end - r.offset) : -1;
    if (clean >= 0) {
        inspect_view(n, &node);
        oracle_fail(s->o, "cover",
                    "%s%s%s of node '%s' recorded when %" PRId64 "+%" PRId64
                    " was written, and does not have %" PRId64,
                    v->name ? "bitmap '" : "a bitmap", v->name ? v->name : "",
                    v->name ? "'" : " that records for another", node.name, r.offset,
                    r.end - r.offset, clean);
    }
}

/* Those of jobs are theirs to clear as they like. */
static bool is_judged(const struct bitmap_view *v)
{
    return v->name || v->stands_for > 0;
}

/* ---- Requests ---- */

static bool writes(const struct guest_io *io)
{
    return (io->op == GUEST_WRITE || io->op == GUEST_ZERO) && io->bytes > 0;
}

/* What a filter stands for, or NULL. */
static const struct node *filtered(const struct node *n)
{
    struct node_view v;
    struct edge_view e;
    inspect_view(n, &v);
    const struct child *c = v.is_filter ? inspect_first_child(n) : NULL;
    for (; c; c = inspect_next_child(c)) {
        inspect_edge(c, &e);
        if (e.roles & VIEW_FILTERED) {
            return e.child;
        }
    }
    return NULL;
}

static void bitmaps_begin(void *state, const struct guest_io *io)
{
    struct bitmaps *s = state;
    const struct node *n = writes(io) ? io->node : NULL;
    for (int depth = 0; n && depth < DEPTH_MAX; n = filtered(n), depth++) {
        const struct dirty_bitmap *b = inspect_first_bitmap(n);
        for (; b; b = inspect_next_bitmap(b)) {
            struct bitmap_view v;
            inspect_bitmap(b, &v);
            if (v.enabled && is_judged(&v)) {
                s->noted = mem_grow(s->noted, s->noted_len, &s->noted_cap, sizeof(*s->noted));
                s->noted[s->noted_len++] =
                    (struct noted){ io->token, v.id, v.cleared, v.paused, n };
            }
        }
    }
}

/* The bitmap records as it did when a request began: it has to have it. */
static void settle(struct bitmaps *s, const struct noted *t, struct range r)
{
    const struct dirty_bitmap *b = inspect_first_bitmap(t->node);
    struct bitmap_view v;
    for (; b; b = inspect_next_bitmap(b)) {
        inspect_bitmap(b, &v);
        if (v.id == t->id && v.enabled && v.cleared == t->cleared && v.paused == t->paused) {
            r.end = MIN(r.end, v.length);
            if (r.offset < r.end) {
                owe(get(s, &v), r);
                look_at(s, t->node, b, &v, r);
            }
            return;
        }
    }
}

static void bitmaps_end(void *state, const struct guest_io *io, int ret)
{
    struct bitmaps *s = state;
    size_t kept = 0;
    for (size_t i = 0; i < s->noted_len; i++) {
        if (s->noted[i].token != io->token) {
            s->noted[kept++] = s->noted[i];
        } else if (ret == 0) {
            settle(s, &s->noted[i], (struct range){ io->offset, io->offset + io->bytes });
        }
    }
    s->noted_len = kept;
}

static void bitmaps_edge_changes(void *state, const struct child *c, const struct node *to)
{
    struct bitmaps *s = state;
    struct edge_view e;
    inspect_edge(c, &e);
    if (e.child != to) {
        s->noted_len = 0;
    }
}

/* ---- Everything ---- */

static void look_at_node(struct bitmaps *s, const struct node *n)
{
    for (const struct dirty_bitmap *b = inspect_first_bitmap(n); b; b = inspect_next_bitmap(b)) {
        struct bitmap_view v;
        inspect_bitmap(b, &v);
        if (!is_judged(&v)) {
            continue;
        }
        struct known *k = get(s, &v);
        k->seen = true;
        for (size_t i = 0; i < k->len; i++) {
            look_at(s, n, b, &v, k->owed[i]);
        }
    }
}

/* What recorded for others and is gone: they have it now. */
static void hand_over(struct bitmaps *s)
{
    for (size_t i = 0; i < s->len; i++) {
        const struct known *k = &s->known[i];
        struct known *heir = k->seen || !k->stands_for ? NULL : find(s, k->stands_for);
        for (size_t r = 0; heir && heir->seen && r < k->len; r++) {
            owe(heir, k->owed[r]);
        }
    }
}

static void drop_unseen(struct bitmaps *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->len; i++) {
        if (s->known[i].seen) {
            s->known[kept++] = s->known[i];
        } else {
            free(s->known[i].owed);
        }
    }
    s->len = kept;
}

static void bitmaps_look(void *state, const struct snapshot *g)
{
    struct bitmaps *s = state;
    for (size_t i = 0; i < s->len; i++) {
        s->known[i].seen = false;
    }
    for (int pass = 0; pass < 2; pass++) { /* The second finds what has been handed over. */
        for (uint32_t i = 0; i < g->len; i++) {
            look_at_node(s, g->nodes[i].v.node);
        }
        hand_over(s);
        drop_unseen(s);
    }
}

const struct oracle_ops oracle_bitmaps = {
    .name = "bitmaps",
    .help = "A dirty bitmap has everything that guests have written since it records.",
    .blind = "Bits too many; writes that failed, discards, and what did not go to the node itself "
             "or through filters; requests in flight while the graph changes; bitmaps of jobs.",
    .create = bitmaps_create,
    .destroy = bitmaps_destroy,
    .guest_begin = bitmaps_begin,
    .guest_end = bitmaps_end,
    .look = bitmaps_look,
    .edge_changes = bitmaps_edge_changes,
    .power_cut = forget_all,
    .layer_gone = forget_all,
};
