/* The graph as it is in one instant: what the oracles of the graph look at.
 *
 * Taking it is linear in nodes and edges, and it is taken once for all of them.  Names and views
 * hold until the graph changes.
 */
#ifndef ORACLES_SNAPSHOT_H
#define ORACLES_SNAPSHOT_H

#include "base/text.h"
#include "model/inspect.h"

#define SNAP_NONE UINT32_MAX

struct snap_edge {
    struct edge_view v;
    uint32_t parent, child; /* Of nodes; SNAP_NONE: no node, or not one of the layer. */
};

struct snap_node {
    struct node_view v;
    uint32_t down, downs; /* Its children are downs[down...], */
    uint32_t up, ups;     /* its parents ups[up...]. */
};

/* Places in an array by a hash; 0 is empty, else 1 + the place. */
struct snap_table {
    uint32_t *slots;
    uint32_t mask;
};

struct snapshot {
    const struct layer *layer;
    struct snap_node *nodes;
    uint32_t len, cap;
    struct snap_edge *downs; /* Edges as the parents list them, */
    uint32_t downs_len, downs_cap;
    struct snap_edge *ups; /* and as the children do. */
    uint32_t ups_len, ups_cap;
    struct snap_table by_node, by_name, by_edge;
};

void snapshot_take(struct snapshot *s, const struct layer *l);
void snapshot_free(struct snapshot *s);

/* The place of a node of the layer, or SNAP_NONE.  n may point nowhere. */
uint32_t snapshot_node(const struct snapshot *s, const struct node *n);
/* The first node of that name, or SNAP_NONE. */
uint32_t snapshot_name(const struct snapshot *s, const char *name);
/* The first edge with that id among downs, or SNAP_NONE. */
uint32_t snapshot_edge(const struct snapshot *s, uint64_t id);

/* A set of pointers. */
struct ptr_set {
    const void **slots;
    uint32_t mask, len;
};
/* False: it was there. */
bool ptr_set_add(struct ptr_set *t, const void *p);
void ptr_set_free(struct ptr_set *t);

/* For messages: its name, "(no node of the layer)". */
const char *snapshot_label(const struct snapshot *s, const struct node *n);
/* "'file' of node 'top'", "'root' of a user outside the graph". */
void snapshot_edge_label(const struct snapshot *s, const struct edge_view *e, struct strbuf *out);

#endif
