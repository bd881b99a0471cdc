/* SPDX-License-Identifier: MIT */
/* The graph is consistent in itself.
 *
 * Use: looked at at each quiescent point, after commands that were refused as well.
 *
 * Invariants that are checked:
 *   1. names and ids of nodes and edges are unique, lists are linked both ways
 *   2. an edge stands once among its parent's children and once among its child's parents; a
 *      parent's edges are in the order in which they were made
 *   3. no cycle; a node's height is one more than that of its highest child, below HEIGHT_MAX
 *   4. a node has one reference for each edge to it, one for the monitor, and those of changes that
 *      have not ended; nothing else when the world is at rest
 *   5. a node inherits options from one of its parents; both ends of an edge are of one iothread
 *   6. backing links have a blocker on what they lead to, other edges have none
 *   7. requests that a node tracks are in flight on it
 * All of it is linear in nodes and edges.
 */
#include "base/check.h"
#include "base/mem.h"
#include "oracles/oracle.h"
#include "oracles/snapshot.h"
#include "sim/sim.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { HEIGHT_MAX = 1024 };

/* Depth-first search. */
struct graph_visit {
    uint8_t colour; /* 0 new, 1 on the path, 2 done. */
    uint32_t next;  /* Child to visit next. */
    uint32_t from;  /* Node from which the search came. */
};

struct graph {
    struct oracle *o;
    const struct snapshot *s;
    struct graph_visit *visits;
    uint32_t visits_cap;
    uint8_t *seen; /* How often an edge of s->downs was found among parents, at most 2. */
    uint32_t seen_cap;
};

static void *graph_create(struct oracle *o)
{
    struct graph *g = NEW(struct graph);
    g->o = o;
    return g;
}

static void graph_destroy(void *state)
{
    struct graph *g = state;
    free(g->visits);
    free(g->seen);
    free(g);
}

static const char *label(const struct graph *g, const struct node *n)
{
    return snapshot_label(g->s, n);
}

/* ---- Lists ---- */

static void check_node_list(struct graph *g)
{
    const struct snapshot *s = g->s;
    for (uint32_t i = 0; i < s->len; i++) {
        const struct node_view *v = &s->nodes[i].v;
        const struct node *before = i > 0 ? s->nodes[i - 1].v.node : NULL;
        uint32_t first = snapshot_name(s, v->name);
        if (first != i) {
            oracle_fail(g->o, "name", "two nodes are named '%s'", v->name);
        }
        if (inspect_prev(v->node) != before) {
            oracle_fail(g->o, "list", "node '%s' is not linked to the node before it", v->name);
        }
    }
}

static void check_children(struct graph *g, const struct snap_node *n)
{
    const struct snapshot *s = g->s;
    for (uint32_t i = n->down; i < n->down + n->downs; i++) {
        const struct snap_edge *e = &s->downs[i];
        if (e->v.parent != n->v.node) {
            oracle_fail(g->o, "edge", "edge '%s' in the list of node '%s' says its parent is '%s'",
                        e->v.name, n->v.name, label(g, e->v.parent));
        } else if (e->child == SNAP_NONE) {
            oracle_fail(g->o, "edge", "edge '%s' of node '%s' leads to no node of the layer",
                        e->v.name, n->v.name);
        } else if (snapshot_edge(s, e->v.id) != i) {
            oracle_fail(g->o, "edge", "edge %s -%s-> %s stands twice among children", n->v.name,
                        e->v.name, label(g, e->v.child));
        } else if (i > n->down && s->downs[i - 1].v.id >= e->v.id) {
            oracle_fail(g->o, "order", "edge '%s' of node '%s' stands behind the newer edge '%s'",
                        e->v.name, n->v.name, s->downs[i - 1].v.name);
        }
    }
}

static void check_parents(struct graph *g, const struct snap_node *n)
{
    const struct snapshot *s = g->s;
    for (uint32_t i = n->up; i < n->up + n->ups; i++) {
        const struct snap_edge *e = &s->ups[i];
        if (e->v.child != n->v.node) {
            oracle_fail(g->o, "edge", "edge '%s' among the parents of node '%s' leads to '%s'",
                        e->v.name, n->v.name, label(g, e->v.child));
        } else if (e->v.parent && e->parent == SNAP_NONE) {
            oracle_fail(g->o, "edge", "edge '%s' to node '%s' comes from no node of the layer",
                        e->v.name, n->v.name);
        } else if (e->v.parent) {
            uint32_t down = snapshot_edge(s, e->v.id);
            if (down == SNAP_NONE || s->downs[down].v.parent != e->v.parent) {
                oracle_fail(g->o, "edge",
                            "edge %s -%s-> %s stands among the child's parents and not among the "
                            "parent's children",
                            label(g, e->v.parent), e->v.name, n->v.name);
            } else {
                g->seen[down] = (uint8_t)MIN(2, g->seen[down] + 1);
            }
        }
    }
}

/* After check_parents of all nodes. */
static void check_both_ways(struct graph *g)
{
    for (uint32_t i = 0; i < g->s->downs_len; i++) {
        const struct snap_edge *e = &g->s->downs[i];
        if (g->seen[i] != 1 && e->child != SNAP_NONE) {
            oracle_fail(g->o, "edge",
                        "edge %s -%s-> %s stands once among the parent's children and %s among "
                        "the child's parents",
                        label(g, e->v.parent), e->v.name, label(g, e->v.child),
                        g->seen[i] ? "more than once" : "not at all");
        }
    }
}

/* ---- Cycles and heights ---- */

/* Names the cycle that closes with an edge from node i to node `to`. */
static void report_cycle(struct graph *g, uint32_t i, uint32_t to)
{
    struct strbuf path = { 0 };
    strbuf_puts(&path, g->s->nodes[to].v.name);
    while (i != to) {
        strbuf_printf(&path, " <- %s", g->s->nodes[i].v.name);
        i = g->visits[i].from;
        CHECK(i != SNAP_NONE);
    }
    strbuf_printf(&path, " <- %s", g->s->nodes[to].v.name);
    oracle_fail(g->o, "cycle", "the graph has a cycle: %s", strbuf_str(&path));
    strbuf_free(&path);
}

/* Visits what can be reached from a node.  False: a cycle was reported. */
static bool visit_from(struct graph *g, uint32_t start)
{
    const struct snapshot *s = g->s;
    g->visits[start].from = SNAP_NONE;
    g->visits[start].colour = 1;
    for (uint32_t at = start; at != SNAP_NONE;) {
        struct graph_visit *v = &g->visits[at];
        const struct snap_node *n = &s->nodes[at];
        if (v->next == n->downs) {
            v->colour = 2;
            at = v->from;
            continue;
        }
        uint32_t to = s->downs[n->down + v->next++].child;
        if (to == SNAP_NONE || g->visits[to].colour == 2) {
            continue;
        }
        if (g->visits[to].colour == 1) {
            report_cycle(g, at, to);
            return false;
        }
        g->visits[to].colour = 1;
        g->visits[to].from = at;
        at = to;
    }
    return true;
}

static bool check_acyclic(struct graph *g)
{
    bool good = true;
    memset(g->visits, 0, g->s->len * sizeof(*g->visits));
    for (uint32_t i = 0; i < g->s->len && good; i++) {
        good = g->visits[i].colour != 0 || visit_from(g, i);
    }
    return good;
}

static void check_height(struct graph *g, const struct snap_node *n)
{
    uint32_t height = 0;
    for (uint32_t i = n->down; i < n->down + n->downs; i++) {
        uint32_t below = g->s->downs[i].child;
        height = below == SNAP_NONE ? height : MAX(height, g->s->nodes[below].v.height + 1);
    }
    if (n->v.height != height) {
        oracle_fail(g->o, "height",
                    "node '%s' counts a height of %" PRIu32 ", its children make it %" PRIu32,
                    n->v.name, n->v.height, height);
    }
    if (n->v.height >= HEIGHT_MAX) {
        oracle_fail(g->o, "height", "node '%s' stands %" PRIu32 " levels high; %d are possible",
                    n->v.name, n->v.height, HEIGHT_MAX - 1);
    }
}

/* ---- Nodes ---- */

/* Nothing is under way that could hold a reference for a while. */
static bool world_at_rest(const struct graph *g)
{
    const struct sim *w = g->o->sim;
    if (!w || w->sched.live == 0) {
        return true;
    }
    if (w->sched.ready || clock_next(&w->clock) || inspect_is_busy(g->s->layer)) {
        return false;
    }
    for (uint32_t i = 0; i < g->s->len; i++) {
        if (g->s->nodes[i].v.in_flight) {
            return false;
        }
    }
    return true;
}

static void check_counts(struct graph *g, const struct snap_node *n, bool at_rest)
{
    const struct node_view *v = &n->v;
    uint32_t owed = n->ups + (v->monitor_owned ? 1 : 0) + v->held;
    if (v->refs < owed || (at_rest && v->settled && v->refs != owed)) {
        oracle_fail(g->o, "refs",
                    "node '%s' has %" PRIu32 " reference(s); %" PRIu32 " parent edge(s)%s%s ask "
                    "for %" PRIu32,
                    v->name, v->refs, n->ups, v->monitor_owned ? " and the monitor" : "",
                    v->held ? " and a change under way or an export" : "", owed);
    }
    if (v->in_flight == 0 && v->tracked != 0) {
        oracle_fail(g->o, "tracked",
                    "node '%s' tracks %" PRIu32 " request(s) with none in flight", v->name,
                    v->tracked);
    }
}

static void check_inherits(struct graph *g, const struct snap_node *n)
{
    bool found = n->v.inherits == NULL;
    for (uint32_t i = n->up; i < n->up + n->ups && !found; i++) {
        found = g->s->ups[i].v.parent == n->v.inherits;
    }
    if (!found) {
        oracle_fail(g->o, "inherits", "node '%s' takes options from '%s', which is no parent of it",
                    n->v.name, label(g, n->v.inherits));
    }
}

/* ---- Edges ---- */

static void check_ends(struct graph *g, const struct snap_edge *e)
{
    if (e->parent == SNAP_NONE || e->child == SNAP_NONE) {
        return;
    }
    const struct node_view *parent = &g->s->nodes[e->parent].v;
    const struct node_view *child = &g->s->nodes[e->child].v;
    bool backing = e->v.roles & VIEW_COW;
    if (parent->iothread != child->iothread) {
        oracle_fail(g->o, "iothread",
                    "edge %s -%s-> %s leads from iothread %" PRIu32 " to iothread %" PRIu32,
                    parent->name, e->v.name, child->name, parent->iothread, child->iothread);
    }
    if (e->v.blocks != backing) {
        oracle_fail(g->o, "blocker", "edge %s -%s-> %s %s", parent->name, e->v.name, child->name,
                    backing ? "is a backing link and has no blocker"
                            : "has a blocker and is no backing link");
    }
}

static void make_room(struct graph *g)
{
    const struct snapshot *s = g->s;
    if (s->len > g->visits_cap) {
        g->visits_cap = 2 * s->len;
        g->visits = mem_resize(g->visits, g->visits_cap * sizeof(*g->visits));
    }
    if (s->downs_len > g->seen_cap) {
        g->seen_cap = 2 * s->downs_len;
        g->seen = mem_resize(g->seen, g->seen_cap);
    }
    if (s->downs_len > 0) {
        memset(g->seen, 0, s->downs_len);
    }
}

static void graph_look(void *state, const struct snapshot *s)
{
    struct graph *g = state;
    g->s = s;
    if (s->len == 0) {
        return;
    }
    make_room(g);
    check_node_list(g);
    bool at_rest = world_at_rest(g);
    for (uint32_t i = 0; i < s->len; i++) {
        const struct snap_node *n = &s->nodes[i];
        check_children(g, n);
        check_parents(g, n);
        check_counts(g, n, at_rest);
        check_inherits(g, n);
    }
    check_both_ways(g);
    for (uint32_t i = 0; i < s->downs_len; i++) {
        check_ends(g, &s->downs[i]);
    }
    bool acyclic = check_acyclic(g);
    for (uint32_t i = 0; i < s->len && acyclic; i++) {
        check_height(g, &s->nodes[i]);
    }
}

const struct oracle_ops oracle_graph = {
    .name = "graph",
    .help = "Edges symmetric and acyclic, references counted, heights and blockers right.",
    .blind = "States between two quiescent points; a reference too many while a coroutine waits "
             "for time to pass, or a command is in progress; what blockers forbid.",
    .create = graph_create,
    .destroy = graph_destroy,
    .look = graph_look,
};
