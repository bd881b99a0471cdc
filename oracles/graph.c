/* SPDX-License-Identifier: MIT */
/* The graph is consistent: edges, references, requests and permissions of a layer at rest.
 *
 * Use: the runner calls `quiesce` after each statement and each run or wait.
 *
 * Invariants checked:
 *   (1) node names are unique and the counts of a view are the lengths of its lists;
 *   (2) each edge from a node stands once in its child's list of parents, and the other way round;
 *   (3) edges lead to nodes of the layer, and no path leads back to its start;
 *   (4) a node's references are its parents' edges and the monitor's: not fewer ever, not more when
 *       the world is at rest (a coroutine under way may hold one for a while);
 *   (5) a node with no request in flight tracks none;
 *   (6) what one parent uses, every other parent shares.
 */
#include "base/check.h"
#include "base/mem.h"
#include "oracles/oracle.h"
#include "sim/sim.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A node of the snapshot that a check works on. */
struct graph_node {
    struct node_view view;
    uint8_t colour; /* Depth-first search: 0 new, 1 on the path, 2 done. */
    size_t next;    /* Child to visit next. */
    size_t from;    /* Node from which the search came. */
};

struct graph {
    struct oracle *o;
    struct graph_node *nodes;
    size_t len, cap;
};

#define NOT_FOUND SIZE_MAX

static void *graph_create(struct oracle *o)
{
    struct graph *g = NEW(struct graph);
    g->o = o;
    return g;
}

static void graph_destroy(void *state)
{
    struct graph *g = state;
    free(g->nodes);
    free(g);
}

static size_t graph_index(const struct graph *g, const struct node *n)
{
    for (size_t i = 0; i < g->len; i++) {
        if (g->nodes[i].view.node == n) {
            return i;
        }
    }
    return NOT_FOUND;
}

static const char *graph_name(const struct graph *g, const struct node *n)
{
    size_t i = n ? graph_index(g, n) : NOT_FOUND;
    return i == NOT_FOUND ? "(no node of the layer)" : g->nodes[i].view.name;
}

static void graph_snapshot(struct graph *g, const struct layer *l)
{
    struct node_view view;
    g->len = 0;
    while (inspect_node(l, g->len, &view)) {
        if (g->len == g->cap) {
            g->cap = g->cap ? g->cap * 2 : 16;
            g->nodes = mem_resize(g->nodes, g->cap * sizeof(*g->nodes));
        }
        g->nodes[g->len++] = (struct graph_node){ .view = view };
    }
}

static void check_names(struct graph *g)
{
    for (size_t i = 0; i < g->len; i++) {
        CHECK(g->nodes[i].view.name != NULL);
        for (size_t k = i + 1; k < g->len; k++) {
            if (strcmp(g->nodes[i].view.name, g->nodes[k].view.name) == 0) {
                oracle_fail(g->o, "name", "two nodes are named '%s'", g->nodes[i].view.name);
            }
        }
    }
}

/* How often an edge parent -name-> child stands in the parent's list of children. */
static size_t count_down(const struct node *parent, const struct node *child, const char *name)
{
    struct edge_view e;
    size_t n = 0;
    for (size_t i = 0; inspect_child(parent, i, &e); i++) {
        n += e.child == child && strcmp(e.name, name) == 0;
    }
    return n;
}

/* The same in the child's list of parents. */
static size_t count_up(const struct node *parent, const struct node *child, const char *name)
{
    struct edge_view e;
    size_t n = 0;
    for (size_t i = 0; inspect_parent(child, i, &e); i++) {
        n += e.parent == parent && strcmp(e.name, name) == 0;
    }
    return n;
}

static void check_children(struct graph *g, const struct node_view *v)
{
    struct edge_view e;
    size_t n = 0;
    for (; inspect_child(v->node, n, &e); n++) {
        if (e.parent != v->node) {
            oracle_fail(g->o, "edge", "edge '%s' in the list of node '%s' says its parent is '%s'",
                        e.name, v->name, graph_name(g, e.parent));
            continue;
        }
        if (graph_index(g, e.child) == NOT_FOUND) {
            oracle_fail(g->o, "edge", "edge '%s' of node '%s' leads to no node of the layer",
                        e.name, v->name);
            continue;
        }
        size_t down = count_down(v->node, e.child, e.name);
        size_t up = count_up(v->node, e.child, e.name);
        if (down != up || !e.in_child_list) {
            oracle_fail(g->o, "edge",
                        "edge %s -%s-> %s stands %zu time(s) among the parent's children and %zu "
                        "time(s) among the child's parents",
                        v->name, e.name, graph_name(g, e.child), down, up);
        }
    }
    if (n != v->children) {
        oracle_fail(g->o, "edge", "node '%s' counts %" PRIu32 " children and lists %zu", v->name,
                    v->children, n);
    }
}

static void check_parents(struct graph *g, const struct node_view *v)
{
    struct edge_view e;
    size_t n = 0;
    for (; inspect_parent(v->node, n, &e); n++) {
        if (e.child != v->node) {
            oracle_fail(g->o, "edge", "edge '%s' among the parents of node '%s' leads to '%s'",
                        e.name, v->name, graph_name(g, e.child));
        } else if (e.parent && graph_index(g, e.parent) == NOT_FOUND) {
            oracle_fail(g->o, "edge", "edge '%s' to node '%s' comes from no node of the layer",
                        e.name, v->name);
        } else if (e.parent && count_down(e.parent, v->node, e.name) == 0) {
            oracle_fail(g->o, "edge",
                        "edge %s -%s-> %s stands among the child's parents and not among the "
                        "parent's children",
                        graph_name(g, e.parent), e.name, v->name);
        }
    }
    if (n != v->parents) {
        oracle_fail(g->o, "edge", "node '%s' counts %" PRIu32 " parents and lists %zu", v->name,
                    v->parents, n);
    }
}

/* Names the cycle that closes with an edge from node i to node `to`. */
static void report_cycle(struct graph *g, size_t i, size_t to)
{
    struct strbuf path = { 0 };
    strbuf_puts(&path, g->nodes[to].view.name);
    while (i != to) {
        strbuf_printf(&path, " <- %s", g->nodes[i].view.name);
        i = g->nodes[i].from;
        CHECK(i != NOT_FOUND);
    }
    strbuf_printf(&path, " <- %s", g->nodes[to].view.name);
    oracle_fail(g->o, "cycle", "the graph has a cycle: %s", strbuf_str(&path));
    strbuf_free(&path);
}

static void check_acyclic(struct graph *g)
{
    for (size_t start = 0; start < g->len; start++) {
        if (g->nodes[start].colour) {
            continue;
        }
        g->nodes[start].from = NOT_FOUND;
        g->nodes[start].colour = 1;
        for (size_t at = start; at != NOT_FOUND;) {
            struct graph_node *n = &g->nodes[at];
            struct edge_view e;
            if (!inspect_child(n->view.node, n->next++, &e)) {
                n->colour = 2;
                at = n->from;
                continue;
            }
            size_t to = graph_index(g, e.child);
            if (to == NOT_FOUND || g->nodes[to].colour == 2) {
                continue;
            }
            if (g->nodes[to].colour == 1) {
                report_cycle(g, at, to);
                return;
            }
            g->nodes[to].colour = 1;
            g->nodes[to].from = at;
            at = to;
        }
    }
}

/* Nothing is under way that could hold a reference for a while. */
static bool world_at_rest(const struct graph *g)
{
    const struct sim *s = g->o->sim;
    if (!s || s->sched.live == 0) {
        return true;
    }
    if (s->sched.ready || clock_next(&s->clock)) {
        return false;
    }
    for (size_t i = 0; i < g->len; i++) {
        if (g->nodes[i].view.in_flight) {
            return false;
        }
    }
    return true;
}

static void check_counts(struct graph *g, const struct node_view *v, bool at_rest)
{
    uint32_t owed = v->parents + (v->monitor_owned ? 1 : 0);
    if (v->refs < owed || (at_rest && v->settled && v->refs != owed)) {
        oracle_fail(g->o, "refs",
                    "node '%s' has %" PRIu32 " reference(s); %" PRIu32 " parent edge(s)%s ask for "
                    "%" PRIu32,
                    v->name, v->refs, v->parents, v->monitor_owned ? " and the monitor" : "",
                    owed);
    }
    if (v->in_flight == 0 && v->tracked != 0) {
        oracle_fail(g->o, "tracked",
                    "node '%s' tracks %" PRIu32 " request(s) with none in flight", v->name,
                    v->tracked);
    }
}

static void edge_label(const struct graph *g, const struct edge_view *e, struct strbuf *out)
{
    if (e->parent) {
        strbuf_printf(out, "'%s' of node '%s'", e->name, graph_name(g, e->parent));
    } else {
        strbuf_printf(out, "'%s' of a user outside the graph", e->name);
    }
}

static void check_perms(struct graph *g, const struct node_view *v)
{
    struct edge_view a, b;
    for (size_t i = 0; inspect_parent(v->node, i, &a); i++) {
        for (size_t k = 0; inspect_parent(v->node, k, &b); k++) {
            if (i == k || (a.perm & ~b.shared) == 0) {
                continue;
            }
            struct strbuf user = { 0 }, other = { 0 };
            edge_label(g, &a, &user);
            edge_label(g, &b, &other);
            oracle_fail(g->o, "perm",
                        "node '%s': edge %s uses permissions 0x%" PRIx32
                        " and edge %s shares only 0x%" PRIx32,
                        v->name, strbuf_str(&user), a.perm, strbuf_str(&other), b.shared);
            strbuf_free(&user);
            strbuf_free(&other);
        }
    }
}

static void graph_quiesce(void *state, const struct layer *l)
{
    struct graph *g = state;
    if (!l) {
        return;
    }
    graph_snapshot(g, l);
    check_names(g);
    bool at_rest = world_at_rest(g);
    for (size_t i = 0; i < g->len; i++) {
        const struct node_view *v = &g->nodes[i].view;
        check_children(g, v);
        check_parents(g, v);
        check_counts(g, v, at_rest);
        check_perms(g, v);
    }
    check_acyclic(g);
    g->len = 0;
}

const struct oracle_ops oracle_graph = {
    .name = "graph",
    .help = "Edges symmetric and acyclic, references counted, permissions compatible.",
    .blind = "States between two quiescent points; a reference too many while a coroutine waits "
             "for time to pass; whether permissions are the ones that options ask for.",
    .create = graph_create,
    .destroy = graph_destroy,
    .quiesce = graph_quiesce,
};
