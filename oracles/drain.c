/* SPDX-License-Identifier: MIT */
/* Drained sections keep what they promise.
 *
 *   asked ------> in force ------------------> over
 *    |             nothing is in flight on the
 *    |             node and on all above it
 *    v
 *   a node is quiet ----------------------------> and released: requests of users outside the graph
 *                                                 that began so far are as many as at the beginning
 *
 * Use: sections are told as they open and close; at each quiescent point the counts of nodes and
 * edges are recomputed from the sections that are open.
 *
 * Invariants that are checked:
 *   1. when a section is in force nothing is in flight on what it concerns, and all that is quiet
 *   2. as long as any section reaches a node, from above it or below, no request of a parent that
 *      is no node begins there; a job may go on with what it has begun until it is in force
 *   3. quiesce(n) = sections on n + sections on all nodes + children of n that are quiet +
 *                   (covered(n) > 0)
 *      covered(n) = subtree sections on n + parents of n that are covered
 *      and each edge says what its ends say
 *   4. no section is closed that was not opened
 */
#include "base/check.h"
#include "base/mem.h"
#include "oracles/oracle.h"
#include "oracles/snapshot.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What is known of a node that a section concerns. */
struct drained {
    uint64_t id; /* Ascending. */
    uint32_t sections, subtrees;
    bool quiet;       /* No request may begin. */
    bool seen;        /* At this look. */
    uint64_t started; /* As the node counted when that began. */
    bool in_force;    /* Nor may one of a job, which could end what it had begun until then. */
    uint64_t job_started;
};

struct drain {
    struct oracle *o;
    uint32_t all; /* Sections on all nodes. */
    struct drained *nodes;
    size_t len, cap;
    const struct node **walk;
    size_t walk_len, walk_cap;
};

static void *drain_create(struct oracle *o)
{
    struct drain *d = NEW(struct drain);
    d->o = o;
    return d;
}

static void drain_destroy(void *state)
{
    struct drain *d = state;
    free(d->nodes);
    free(d->walk);
    free(d);
}

static void drain_layer_gone(void *state)
{
    struct drain *d = state;
    d->len = 0;
    d->all = 0;
}

/* ---- Nodes ---- */

static size_t place_of(const struct drain *d, uint64_t id)
{
    size_t lo = 0, hi = d->len;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (d->nodes[mid].id < id) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static struct drained *find(struct drain *d, uint64_t id)
{
    size_t i = place_of(d, id);
    return i < d->len && d->nodes[i].id == id ? &d->nodes[i] : NULL;
}

static struct drained *get(struct drain *d, uint64_t id)
{
    size_t i = place_of(d, id);
    if (i == d->len || d->nodes[i].id != id) {
        if (d->len == d->cap) {
            d->cap = d->cap ? d->cap * 2 : 16;
            d->nodes = mem_resize(d->nodes, d->cap * sizeof(*d->nodes));
        }
        memmove(&d->nodes[i + 1], &d->nodes[i], (d->len - i) * sizeof(*d->nodes));
        d->nodes[i] = (struct drained){ .id = id };
        d->len++;
    }
    return &d->nodes[i];
}

/* ---- What a section reaches ---- */

static void reach(struct drain *d, struct ptr_set *seen, const struct node *n)
{
    if (!ptr_set_add(seen, n)) {
        return;
    }
    if (d->walk_len == d->walk_cap) {
        d->walk_cap = d->walk_cap ? d->walk_cap * 2 : 16;
        d->walk = mem_resize(d->walk, d->walk_cap * sizeof(*d->walk));
    }
    d->walk[d->walk_len++] = n;
}

/* The node, or all; what is below it, of a subtree; and all that stands above these. */
static void reach_section(struct drain *d, const struct drain_note *note)
{
    struct ptr_set seen = { 0 };
    struct edge_view e;
    d->walk_len = 0;
    if (note->node) {
        reach(d, &seen, note->node);
    }
    for (const struct node *n = note->node ? NULL : inspect_first(note->layer); n;
         n = inspect_next(n)) {
        reach(d, &seen, n);
    }
    for (size_t i = 0; note->subtree && i < d->walk_len; i++) {
        const struct child *c = inspect_first_child(d->walk[i]);
        for (; c; c = inspect_next_child(c)) {
            inspect_edge(c, &e);
            reach(d, &seen, e.child);
        }
    }
    for (size_t i = 0; i < d->walk_len; i++) {
        const struct child *c = inspect_first_parent(d->walk[i]);
        for (; c; c = inspect_next_parent(c)) {
            inspect_edge(c, &e);
            if (e.parent) {
                reach(d, &seen, e.parent);
            }
        }
    }
    ptr_set_free(&seen);
}

/* ---- Events ---- */

static void check_started(struct drain *d, struct drained *r, const struct node_view *v)
{
    if (r->quiet && v->started != r->started) {
        oracle_fail(d->o, "request",
                    "%" PRIu64 " request(s) began on node '%s' inside a drained section",
                    v->started - r->started, v->name);
        r->started = v->started;
    }
    if (r->quiet && r->in_force && v->job_started != r->job_started) {
        oracle_fail(d->o, "job-request",
                    "%" PRIu64 " request(s) of jobs began on node '%s' inside a drained section "
                    "in force",
                    v->job_started - r->job_started, v->name);
        r->job_started = v->job_started;
    }
}

static void section_in_force(struct drain *d, const struct drain_note *note)
{
    struct node_view v;
    reach_section(d, note);
    for (size_t i = 0; i < d->walk_len; i++) {
        inspect_view(d->walk[i], &v);
        if (v.in_flight > 0) {
            oracle_fail(d->o, "flight",
                        "a drained section starts with %" PRIu32 " request(s) in flight on node "
                        "'%s'",
                        v.in_flight, v.name);
        }
        if (v.quiesce == 0) {
            oracle_fail(d->o, "quiet", "a drained section leaves node '%s' open for requests",
                        v.name);
        }
        struct drained *r = get(d, v.id);
        if (!r->in_force) {
            r->in_force = true;
            r->job_started = v.job_started;
        }
    }
}

static void count(struct drain *d, uint32_t *sections, bool more, const char *name)
{
    if (more) {
        (*sections)++;
    } else if (*sections > 0) {
        (*sections)--;
    } else {
        oracle_fail(d->o, "pair", "a drained section of %s is closed that was not opened", name);
    }
}

static void section_counts(struct drain *d, const struct drain_note *note, bool more)
{
    struct node_view v;
    if (!note->node) {
        count(d, &d->all, more, "all nodes");
        return;
    }
    inspect_view(note->node, &v);
    struct drained *r = get(d, v.id);
    check_started(d, r, &v);
    count(d, note->subtree ? &r->subtrees : &r->sections, more, v.name);
}

static void node_quiet(struct drain *d, const struct node *n)
{
    struct node_view v;
    inspect_view(n, &v);
    struct drained *r = get(d, v.id);
    r->quiet = true;
    r->started = v.started;
}

static void node_released(struct drain *d, const struct node *n)
{
    struct node_view v;
    inspect_view(n, &v);
    struct drained *r = find(d, v.id);
    if (r) {
        check_started(d, r, &v);
        r->quiet = r->in_force = false;
    }
}

static void drain_note(void *state, const struct drain_note *note)
{
    struct drain *d = state;
    switch (note->what) {
    case DRAIN_ASKED:
    case DRAIN_OVER:
        section_counts(d, note, note->what == DRAIN_ASKED);
        break;
    case DRAIN_IN_FORCE:
        section_in_force(d, note);
        break;
    case DRAIN_QUIET:
        CHECK(note->node != NULL);
        node_quiet(d, note->node);
        break;
    case DRAIN_RELEASED:
        CHECK(note->node != NULL);
        node_released(d, note->node);
        break;
    }
}

/* ---- Counts ---- */

static void check_counts(struct drain *d, const struct snapshot *s, const struct snap_node *n)
{
    const struct drained *r = find(d, n->v.id);
    uint32_t quiesce = d->all + (r ? r->sections : 0) + (n->v.covered > 0);
    uint32_t covered = r ? r->subtrees : 0;
    for (uint32_t i = n->down; i < n->down + n->downs; i++) {
        uint32_t child = s->downs[i].child;
        quiesce += child != SNAP_NONE && s->nodes[child].v.quiesce > 0;
    }
    for (uint32_t i = n->up; i < n->up + n->ups; i++) {
        uint32_t parent = s->ups[i].parent;
        covered += parent != SNAP_NONE && s->nodes[parent].v.covered > 0;
    }
    if (n->v.quiesce != quiesce || n->v.covered != covered) {
        oracle_fail(d->o, "count",
                    "node '%s' counts %" PRIu32 " reasons to be quiet and %" PRIu32
                    " to be covered; sections and edges give %" PRIu32 " and %" PRIu32,
                    n->v.name, n->v.quiesce, n->v.covered, quiesce, covered);
    }
}

static void check_edge(struct drain *d, const struct snapshot *s, const struct snap_edge *e)
{
    bool quiet = e->child != SNAP_NONE && s->nodes[e->child].v.quiesce > 0;
    bool covers = e->parent != SNAP_NONE && s->nodes[e->parent].v.covered > 0;
    if (e->v.quiet != quiet || e->v.covers != covers) {
        struct strbuf name = { 0 };
        snapshot_edge_label(s, &e->v, &name);
        oracle_fail(d->o, "edge",
                    "edge %s passes on quiet=%d and covered=%d; its ends say %d and %d",
                    strbuf_str(&name), e->v.quiet, e->v.covers, quiet, covers);
        strbuf_free(&name);
    }
}

/* Drops what is known of nodes that are gone, and of those that no section concerns. */
static void drop_idle(struct drain *d)
{
    size_t kept = 0;
    for (size_t i = 0; i < d->len; i++) {
        const struct drained *r = &d->nodes[i];
        if (r->seen && (r->sections || r->subtrees || r->quiet)) {
            d->nodes[kept] = *r;
            d->nodes[kept++].seen = false;
        }
    }
    d->len = kept;
}

static void drain_look(void *state, const struct snapshot *s)
{
    struct drain *d = state;
    for (uint32_t i = 0; i < s->len; i++) {
        const struct snap_node *n = &s->nodes[i];
        struct drained *r = d->len > 0 ? find(d, n->v.id) : NULL;
        if (r) {
            check_started(d, r, &n->v);
            r->seen = true;
        }
        if (n->v.settled) {
            check_counts(d, s, n);
        }
    }
    for (uint32_t i = 0; i < s->ups_len; i++) {
        check_edge(d, s, &s->ups[i]);
    }
    drop_idle(d);
}

const struct oracle_ops oracle_drain = {
    .name = "drain",
    .help = "Inside a drained section nothing is in flight and no user starts a request.",
    .blind = "Requests that a user outside the graph has accepted and holds back; requests between "
             "nodes, which belong to who drains; whether a change that needs a section opens one; "
             "what drivers hold back by themselves.",
    .create = drain_create,
    .destroy = drain_destroy,
    .look = drain_look,
    .drain = drain_note,
    .layer_gone = drain_layer_gone,
};
