/* Read-only views of the graph for oracles and reports.  Nothing here changes anything. */
#ifndef MODEL_INSPECT_H
#define MODEL_INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct layer;
struct node;

struct node_view {
    const struct node *node;
    const char *name, *driver;
    int64_t length;
    uint32_t refs;          /* As counted by the model. */
    bool monitor_owned;
    bool settled;           /* Open, and not closing. */
    uint32_t parents, children; /* Edges in the lists of this node. */
    uint32_t in_flight, tracked;
    bool is_filter, is_format;
    bool has_info;          /* Its driver can say how its image is made. */
    int64_t cluster_size;   /* 0: no clusters. */
    bool cache_no_flush; /* As resolved: flushes below it make nothing durable. */
};

struct edge_view {
    const struct node *parent; /* NULL: not a node. */
    const struct node *child;
    const char *name;
    uint32_t roles, perm, shared;
    bool frozen;
    bool in_child_list; /* It also stands in its child's list of parents. */
};

/* Nodes in order of creation; false after the last. */
bool inspect_node(const struct layer *l, size_t i, struct node_view *out);
/* The layer that a node belongs to. */
const struct layer *inspect_layer(const struct node *n);
/* Edges from a node to its children, in order. */
bool inspect_child(const struct node *n, size_t i, struct edge_view *out);
/* Edges from parents to this node, those of backends included. */
bool inspect_parent(const struct node *n, size_t i, struct edge_view *out);
/* The node that stores the guest's data unchanged: n itself, or what lies below its filters. */
const struct node *inspect_bottom(const struct node *n);
/* The option of a node as in force: JSON text in a new string, NULL when there is none.  "default"
 * when it was not given. */
char *inspect_option(const struct node *n, const char *name);

#endif
