/* The inside of a proposal: for model/proposal*.c.
 *
 *   proposal.c        what is proposed, and the way in and out
 *   proposal_solve.c  cycles, heights and permissions of the graph as it would be: pure
 *   proposal_apply.c  putting it in force, and the inverse
 *
 * The graph as it would be is seen through edge_target, edge_perm and the two walks below: what is
 * not changed is read from the live graph, so a proposal costs what it changes.
 */
#ifndef MODEL_PROPOSAL_PRIVATE_H
#define MODEL_PROPOSAL_PRIVATE_H

#include "base/check.h"
#include "model/proposal.h"

struct edge_change {
    bool heap;             /* Beyond the room of the proposal. */
    struct child *c;
    struct node *to;       /* NULL: dropped. */
    struct perm_pair perm; /* As it would be. */
    bool added;            /* The edge is in no list yet. */
    struct edge_change *next;         /* In the proposal, in order. */
    struct edge_change *next_arrival; /* In arrivals of a node. */
    struct edge_change *next_adopted; /* In adopted of a node, in order. */
};

struct node_change {
    bool heap;             /* Beyond the room of the proposal. */
    struct node *node;
    uint32_t height;       /* As it would be. */
    bool processed;        /* Its permissions are solved. */
    bool queued;
    bool must_lift;        /* A child of it changed: its height is to be computed. */
    bool asked;            /* Its permissions are to be solved, whatever those around it say. */
    struct perm_pair cumulative;
    struct edge_change *arrivals; /* Edges that led elsewhere and would lead here. */
    struct edge_change *adopted;  /* Added edges of this parent. */
    struct node_change *next;     /* In the proposal, in order. */
};

struct node_walk {
    struct node **at;
    size_t len, cap;
};

enum { PROPOSAL_ROOM = 8 };

/* A layer has one, for there is one at a time, and its memory serves the next. */
struct proposal {
    struct layer *layer;
    bool only_less;
    bool keep_frozen; /* proposal_keep_frozen */
    struct edge_change *edges, **edges_tail;
    struct node_change *nodes, **nodes_tail;
    struct node_walk lifted; /* Nodes above changed edges, each after all that is below it. */
    struct node_walk solved; /* Nodes in the order in which their permissions were solved. */
    struct node_walk queue;  /* Nodes whose permissions are to be solved, a heap. */
    struct node_walk stack;  /* Of a walk under way. */
    size_t edges_used, nodes_used; /* Of the room. */
    struct edge_change edge_room[PROPOSAL_ROOM];
    struct node_change node_room[PROPOSAL_ROOM];
};

void walk_push(struct node_walk *w, struct node *n);

struct edge_change *proposal_edge(struct proposal *p, struct child *c);
struct node_change *proposal_node(struct proposal *p, struct node *n);

static inline struct node *edge_target(const struct child *c)
{
    return c->change ? c->change->to : c->node;
}

static inline struct perm_pair edge_perm(const struct child *c)
{
    return c->change ? c->change->perm : c->perm;
}

static inline uint32_t node_height(const struct node *n)
{
    return n->change ? n->change->height : n->height;
}

/* The edges that would lead to a node, the newest first, as they will stand in its list:
 * for (c = first_parent(n); c; c = next_parent(n, c)). */
struct child *first_parent(const struct node *n);
struct child *next_parent(const struct node *n, const struct child *c);
/* The edges that a node would have, those of before first. */
struct child *first_child(const struct node *n);
struct child *next_child(const struct node *n, const struct child *c);

/* Checks cycles and heights, solves permissions. */
int proposal_solve(struct proposal *p, struct error *err);
/* Puts all in force. */
void proposal_commit(struct proposal *p, struct txn *txn);

#endif
