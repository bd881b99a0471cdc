/* SPDX-License-Identifier: MIT */
/* Drained sections.
 *
 * Two counts, each of which is a sum over edges, so that an edge that comes or goes only has to add
 * or take away its own part:
 *
 *   quiesce(n) = sections on n + children of n that are quiet + (covered(n) > 0)
 *   covered(n) = subtree sections on n + parents of n that are covered
 *
 * child->quiet and child->covers say what an edge has added.  A count that leaves or reaches 0 is
 * passed on along the edges: quiet goes up, cover goes down.  The walk is iterative.
 *
 * Invariant: for every edge, quiet == (node->quiesce > 0) and covers == (parent->covered > 0).
 */
#include "model/drain.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/layer_state.h"

#include <stdlib.h>

enum { WALK_ROOM = 16 };

struct edge_walk {
    struct child **more; /* Those beyond the room. */
    size_t len, more_cap;
    struct child *room[WALK_ROOM];
};

static void walk_init(struct edge_walk *w)
{
    w->more = NULL;
    w->len = w->more_cap = 0;
}

static void push(struct edge_walk *w, struct child *c)
{
    if (w->len < WALK_ROOM) {
        w->room[w->len++] = c;
        return;
    }
    size_t beyond = w->len++ - WALK_ROOM;
    w->more = mem_grow(w->more, beyond, &w->more_cap, sizeof(*w->more));
    w->more[beyond] = c;
}

static struct child *pop(struct edge_walk *w)
{
    CHECK(w->len > 0);
    w->len--;
    return w->len < WALK_ROOM ? w->room[w->len] : w->more[w->len - WALK_ROOM];
}

static void tell(struct layer *l, const struct node *n, enum drain_what what, bool subtree)
{
    if (l->watch.drain) {
        l->watch.drain(l->watch.opaque, &(struct drain_note){ l, n, what, subtree });
    }
}

static void add_quiesce(struct node *n, bool more, struct edge_walk *w)
{
    bool was = n->quiesce > 0;
    CHECK(more || was);
    n->quiesce += more ? 1u : -1u;
    if (was == (n->quiesce > 0)) {
        return;
    }
    tell(n->layer, n, was ? DRAIN_RELEASED : DRAIN_QUIET, false);
    if (n->open && n->drv->drain) {
        n->drv->drain(n, !was);
    }
    for (struct child *c = n->parents; c; c = c->next_parent) {
        push(w, c);
    }
}

static void add_cover(struct node *n, bool more, struct edge_walk *w)
{
    bool was = n->covered > 0;
    CHECK(more || was);
    n->covered += more ? 1u : -1u;
    if (was == (n->covered > 0)) {
        return;
    }
    add_quiesce(n, !was, w);
    for (struct child *c = n->children; c; c = c->next) {
        push(w, c);
    }
}

/* Brings the edges on the list, and what follows from them, to what their ends say.  gone: an edge
 * that adds nothing any more. */
static void sync_edges(struct edge_walk *w, const struct child *gone)
{
    while (w->len > 0) {
        struct child *c = pop(w);
        bool quiet = c != gone && c->node->quiesce > 0;
        bool covers = c != gone && c->parent && c->parent->covered > 0;
        if (covers != c->covers) {
            c->covers = covers;
            add_cover(c->node, covers, w);
            push(w, c); /* That may have made it quiet, or not. */
        } else if (quiet != c->quiet) {
            c->quiet = quiet;
            if (c->parent) {
                add_quiesce(c->parent, quiet, w);
            } else if (c->ops->drained) {
                c->ops->drained(c, quiet);
            }
        }
    }
    free(w->more);
}

void drain_edge_new(struct child *c)
{
    struct edge_walk w;
    walk_init(&w);
    push(&w, c);
    sync_edges(&w, NULL);
}

void drain_edge_gone(struct child *c)
{
    struct edge_walk w;
    walk_init(&w);
    push(&w, c);
    sync_edges(&w, c);
    CHECK(!c->quiet && !c->covers);
}

/* ---- Waiting ---- */

static void node_push(struct node **stack, size_t *len, struct node *n, uint64_t mark)
{
    if (n->mark != mark) {
        n->mark = mark;
        stack[(*len)++] = n;
    }
}

/* Whether nothing is in flight on the marked nodes and on all that stands above them. */
static bool at_rest_above(struct node **stack, size_t len, uint64_t mark)
{
    while (len > 0) {
        struct node *n = stack[--len];
        if (n->in_flight > 0) {
            return false;
        }
        for (struct child *c = n->parents; c; c = c->next_parent) {
            if (c->parent) {
                node_push(stack, &len, c->parent, mark);
            } else if (c->ops->in_flight && c->ops->in_flight(c) > 0) {
                return false;
            }
        }
    }
    return true;
}

enum reach { REACH_NODE, REACH_SUBTREE, REACH_ALL };

static size_t collect(struct layer *l, struct node *n, enum reach reach, struct node **stack)
{
    size_t len = 0;
    uint64_t mark = ++l->marks;
    if (reach == REACH_ALL) {
        for (n = l->nodes; n; n = n->next) {
            node_push(stack, &len, n, mark);
        }
        return len;
    }
    node_push(stack, &len, n, mark);
    for (size_t i = 0; reach == REACH_SUBTREE && i < len; i++) {
        for (struct child *c = stack[i]->children; c; c = c->next) {
            node_push(stack, &len, c->node, mark);
        }
    }
    return len;
}

/* Nodes that are not linked yet count as well: they may be parents. */
static size_t count_nodes(const struct layer *l)
{
    return (size_t)l->nodes_alive;
}

static bool at_rest(struct layer *l, struct node *n, enum reach reach)
{
    struct node *room[32];
    bool few = count_nodes(l) <= ARRAY_LEN(room);
    struct node **stack = few ? room : NEW_ARRAY(struct node *, count_nodes(l));
    size_t len = collect(l, n, reach, stack);
    bool rest = at_rest_above(stack, len, l->marks);
    if (!few) {
        free(stack);
    }
    return rest;
}

static void wait_for_rest(struct layer *l, struct node *n, enum reach reach)
{
    l->drainers++;
    l->drain_queue.what = "requests in flight on drained nodes";
    while (!at_rest(l, n, reach)) {
        co_queue_wait(l->sim, &l->drain_queue);
    }
    l->drainers--;
}

void drain_progress(struct layer *l)
{
    if (l->drainers > 0) {
        co_queue_wake_all(&l->drain_queue);
    }
}

/* ---- Sections ---- */

static void trace_node(const struct node *n, bool begin)
{
    sim_trace(n->sim, TRACE_DRAIN, begin, n->actor, (int64_t)n->started, n->in_flight);
}

static void trace_section(const struct node *n, bool begin, bool subtree)
{
    tell(n->layer, n, begin ? DRAIN_IN_FORCE : DRAIN_OVER, subtree);
    trace_node(n, begin);
}

static void change_quiesce(struct node *n, bool more)
{
    struct edge_walk w;
    walk_init(&w);
    add_quiesce(n, more, &w);
    sync_edges(&w, NULL);
}

static void change_cover(struct node *n, bool more)
{
    struct edge_walk w;
    walk_init(&w);
    add_cover(n, more, &w);
    sync_edges(&w, NULL);
}

void drain_begin(struct node *n)
{
    tell(n->layer, n, DRAIN_ASKED, false);
    change_quiesce(n, true);
    wait_for_rest(n->layer, n, REACH_NODE);
    trace_section(n, true, false);
}

void drain_end(struct node *n)
{
    trace_section(n, false, false);
    change_quiesce(n, false);
}

void drain_subtree_begin(struct node *n)
{
    tell(n->layer, n, DRAIN_ASKED, true);
    change_cover(n, true);
    wait_for_rest(n->layer, n, REACH_SUBTREE);
    trace_section(n, true, true);
}

void drain_subtree_end(struct node *n)
{
    trace_section(n, false, true);
    change_cover(n, false);
}

void drain_all_begin(struct layer *l)
{
    tell(l, NULL, DRAIN_ASKED, false);
    l->drain_all++;
    for (struct node *n = l->nodes; n; n = n->next) {
        change_quiesce(n, true);
    }
    wait_for_rest(l, NULL, REACH_ALL);
    tell(l, NULL, DRAIN_IN_FORCE, false);
    for (struct node *n = l->nodes; n; n = n->next) {
        trace_node(n, true);
    }
}

void drain_all_end(struct layer *l)
{
    CHECK(l->drain_all > 0);
    tell(l, NULL, DRAIN_OVER, false);
    l->drain_all--;
    for (struct node *n = l->nodes; n; n = n->next) {
        trace_node(n, false);
        change_quiesce(n, false);
    }
}
