/* A graph of the test's own behind the functions of model/inspect.h.
 *
 * Include it once, in a test program: it defines struct node, struct layer and the inspect
 * functions, so the real ones stay in the library.  Edges are written down twice, as in the real
 * graph, so that a test can break one side.
 */
#ifndef ORACLES_FAKE_GRAPH_H
#define ORACLES_FAKE_GRAPH_H

#include "base/mem.h"
#include "oracles/oracle.h"
#include "sim/sim.h"

#include <stdio.h>
#include <string.h>

enum { FAKE_EDGES = 4, FAKE_NODES = 8 };

struct fake_edge {
    struct node *parent, *child;
    const char *name;
    uint32_t perm, shared;
};

struct node {
    struct layer *layer;
    const char *name, *driver;
    const char *filename, *offset; /* Options; NULL: not given. */
    int64_t length;
    uint32_t refs, in_flight, tracked;
    bool monitor_owned, is_filter, no_flush;
    struct fake_edge children[FAKE_EDGES], parents[FAKE_EDGES];
    uint32_t children_len, parents_len;
};

struct layer {
    struct node *nodes[FAKE_NODES];
    size_t len;
};

static inline struct node *fake_node(struct layer *l, struct node *n)
{
    n->layer = l;
    l->nodes[l->len++] = n;
    return n;
}

/* A consistent edge: both lists, and the child's reference. */
static inline void fake_edge(struct node *parent, struct node *child, const char *name,
                             uint32_t perm, uint32_t shared)
{
    struct fake_edge e = { parent, child, name, perm, shared };
    if (parent) {
        parent->children[parent->children_len++] = e;
    }
    child->parents[child->parents_len++] = e;
    child->refs++;
}

bool inspect_node(const struct layer *l, size_t i, struct node_view *out)
{
    if (i >= l->len) {
        return false;
    }
    const struct node *n = l->nodes[i];
    *out = (struct node_view){
        .node = n,
        .name = n->name,
        .driver = n->driver,
        .length = n->length,
        .settled = true,
        .refs = n->refs,
        .monitor_owned = n->monitor_owned,
        .parents = n->parents_len,
        .children = n->children_len,
        .in_flight = n->in_flight,
        .tracked = n->tracked,
        .is_filter = n->is_filter,
        .cache_no_flush = n->no_flush,
    };
    return true;
}

const struct layer *inspect_layer(const struct node *n)
{
    return n->layer;
}

static inline void fake_view(const struct fake_edge *e, struct edge_view *out)
{
    bool listed = false;
    for (uint32_t i = 0; i < e->child->parents_len; i++) {
        listed |= e->child->parents[i].parent == e->parent;
    }
    *out = (struct edge_view){
        .parent = e->parent,
        .child = e->child,
        .name = e->name,
        .perm = e->perm,
        .shared = e->shared,
        .in_child_list = listed,
    };
}

bool inspect_child(const struct node *n, size_t i, struct edge_view *out)
{
    if (i < n->children_len) {
        fake_view(&n->children[i], out);
    }
    return i < n->children_len;
}

bool inspect_parent(const struct node *n, size_t i, struct edge_view *out)
{
    if (i < n->parents_len) {
        fake_view(&n->parents[i], out);
    }
    return i < n->parents_len;
}

const struct node *inspect_bottom(const struct node *n)
{
    while (n->is_filter) {
        n = n->children[0].child;
    }
    return n;
}

char *inspect_option(const struct node *n, const char *name)
{
    if (strcmp(name, "filename") == 0 && n->filename) {
        return mem_printf("\"%s\"", n->filename);
    }
    if (strcmp(name, "offset") == 0 && n->offset) {
        return mem_strdup(n->offset);
    }
    return mem_strdup("default");
}

/* What an oracle said. */
struct fake_verdict {
    int failures;
    char site[32];
    char text[4096]; /* Of the first failure. */
};

static inline void fake_fail(void *opaque, const struct oracle *o, const char *site,
                             const char *text)
{
    struct fake_verdict *v = opaque;
    (void)o;
    if (v->failures++ == 0) {
        snprintf(v->site, sizeof(v->site), "%s", site);
        snprintf(v->text, sizeof(v->text), "%s", text);
    }
}

static inline struct oracle fake_oracle(const struct oracle_ops *ops, struct sim *s,
                                        struct fake_verdict *v)
{
    *v = (struct fake_verdict){ 0 };
    return (struct oracle){ .ops = ops, .sim = s, .fail = fake_fail, .opaque = v };
}

#endif
