/* SPDX-License-Identifier: MIT */
/* A proposal is a list of changed edges and one of nodes that they concern.  A node or edge that a
 * proposal concerns points to its entry until the proposal is gone.
 */
#include "model/proposal_private.h"

#include "base/mem.h"
#include "model/iothread_private.h"
#include "model/layer_state.h"

#include <errno.h>
#include <stdlib.h>

void walk_push(struct node_walk *w, struct node *n)
{
    w->at = mem_grow(w->at, w->len, &w->cap, sizeof(*w->at));
    w->at[w->len++] = n;
}

struct proposal *proposal_begin(struct layer *l)
{
    struct proposal *p = l->proposal;
    CHECK(!l->proposing);
    if (!p) {
        l->proposal = p = NEW(struct proposal);
        p->layer = l;
    }
    l->proposing = true;
    p->only_less = p->keep_frozen = false;
    p->edges = NULL;
    p->nodes = NULL;
    p->edges_tail = &p->edges;
    p->nodes_tail = &p->nodes;
    p->edges_used = p->nodes_used = 0;
    p->lifted.len = p->solved.len = p->queue.len = p->stack.len = 0;
    return p;
}

void proposal_fini(struct layer *l)
{
    struct proposal *p = l->proposal;
    CHECK(!l->proposing);
    if (p) {
        free(p->lifted.at);
        free(p->solved.at);
        free(p->queue.at);
        free(p->stack.at);
        free(p);
    }
    l->proposal = NULL;
}

static struct node_change *node_change_new(struct proposal *p)
{
    bool heap = p->nodes_used == PROPOSAL_ROOM;
    struct node_change *n = heap ? NEW(struct node_change) : &p->node_room[p->nodes_used++];
    *n = (struct node_change){ .heap = heap };
    return n;
}

static struct edge_change *edge_change_new(struct proposal *p)
{
    bool heap = p->edges_used == PROPOSAL_ROOM;
    struct edge_change *e = heap ? NEW(struct edge_change) : &p->edge_room[p->edges_used++];
    *e = (struct edge_change){ .heap = heap };
    return e;
}

struct node_change *proposal_node(struct proposal *p, struct node *n)
{
    if (!n->change) {
        n->change = node_change_new(p);
        n->change->node = n;
        n->change->height = n->height;
        *p->nodes_tail = n->change;
        p->nodes_tail = &n->change->next;
    }
    return n->change;
}

struct edge_change *proposal_edge(struct proposal *p, struct child *c)
{
    if (!c->change) {
        c->change = edge_change_new(p);
        c->change->c = c;
        c->change->to = c->node;
        c->change->perm = c->perm;
        *p->edges_tail = c->change;
        p->edges_tail = &c->change->next;
    }
    return c->change;
}

static void arrive(struct proposal *p, struct edge_change *e, struct node *to)
{
    struct node_change *n = proposal_node(p, to);
    e->next_arrival = n->arrivals;
    n->arrivals = e;
}

static void leave(struct edge_change *e)
{
    if (e->to && (e->added || e->to != e->c->node)) {
        struct edge_change **at = &e->to->change->arrivals;
        while (*at != e) {
            at = &(*at)->next_arrival;
        }
        *at = e->next_arrival;
    }
}

/* The edge would lead to `to`.  What its parent asks there is the parent's to say. */
static void lead_to(struct proposal *p, struct child *c, struct node *to)
{
    struct edge_change *e = proposal_edge(p, c);
    if (e->to) {
        proposal_node(p, e->to)->asked = true;
    }
    leave(e);
    e->to = to;
    if (to && (e->added || to != c->node)) {
        arrive(p, e, to);
        to->change->asked = true;
    }
    if (c->parent) {
        proposal_node(p, c->parent)->must_lift = true;
    }
}

struct child *proposal_add(struct proposal *p, struct node *to, const char *name, uint32_t roles,
                           struct node *parent, const struct child_parent *ops, void *opaque,
                           struct perm_pair perm)
{
    CHECK((parent == NULL) == (ops != NULL));
    struct child *c = NEW(struct child);
    c->id = ++p->layer->edge_ids;
    c->name = mem_strdup(name);
    c->parent = parent;
    c->ops = ops;
    c->opaque = opaque;
    c->roles = roles;
    c->perm = parent ? (struct perm_pair){ .used = 0, .shared = PERM_ALL } : perm;
    struct edge_change *e = proposal_edge(p, c);
    e->added = true;
    if (parent) {
        struct edge_change **tail = &proposal_node(p, parent)->adopted;
        parent->change->asked = true;
        while (*tail) {
            tail = &(*tail)->next_adopted;
        }
        *tail = e;
    }
    lead_to(p, c, to);
    return c;
}

void proposal_move(struct proposal *p, struct child *c, struct node *to)
{
    CHECK(to != NULL);
    lead_to(p, c, to);
    if (c->parent) {
        proposal_node(p, c->parent)->asked = true;
    }
}

void proposal_drop(struct proposal *p, struct child *c)
{
    lead_to(p, c, NULL);
    if (c->parent) {
        proposal_node(p, c->parent)->asked = true;
    }
}

void proposal_set_perm(struct proposal *p, struct child *c, struct perm_pair perm)
{
    CHECK(c->parent == NULL);
    proposal_edge(p, c)->perm = perm;
    proposal_node(p, edge_target(c))->asked = true;
}

void proposal_only_less(struct proposal *p)
{
    p->only_less = true;
}

void proposal_keep_frozen(struct proposal *p)
{
    p->keep_frozen = true;
}

void proposal_set_flags(struct proposal *p, struct node *n, const struct node_flags *flags)
{
    proposal_node(p, n)->asked = true;
    n->next_flags = flags;
}

/* Edges of what `to` stands on, itself included, stay: they would close a circle. */
static void mark_below(struct proposal *p, struct node *to, uint64_t mark)
{
    struct node_walk *stack = &p->stack;
    CHECK(stack->len == 0);
    to->mark = mark;
    walk_push(stack, to);
    while (stack->len > 0) {
        const struct node *n = stack->at[--stack->len];
        for (struct child *c = first_child(n); c; c = next_child(n, c)) {
            struct node *below = edge_target(c);
            if (below->mark != mark) {
                below->mark = mark;
                walk_push(stack, below);
            }
        }
    }
}

void proposal_replace(struct proposal *p, struct node *from, struct node *to)
{
    uint64_t below = ++p->layer->marks;
    mark_below(p, to, below);
    for (struct child *c = from->parents; c; c = c->next_parent) {
        bool stays = c->ops && c->ops->stay_at_node;
        if (edge_target(c) == from && !stays && !(c->parent && c->parent->mark == below)) {
            lead_to(p, c, to);
            if (c->parent && from->flags.force_share != to->flags.force_share) {
                proposal_node(p, c->parent)->asked = true;
            }
        }
    }
}

static struct child *parent_from(const struct node *n, struct child *c)
{
    while (c && edge_target(c) != n) {
        c = c->next_parent;
    }
    return c;
}

struct child *first_parent(const struct node *n)
{
    return n->change && n->change->arrivals ? n->change->arrivals->c : parent_from(n, n->parents);
}

struct child *next_parent(const struct node *n, const struct child *c)
{
    if (c->node == n) {
        return parent_from(n, c->next_parent);
    }
    const struct edge_change *next = c->change->next_arrival;
    return next ? next->c : parent_from(n, n->parents);
}

static struct child *child_from(struct child *c)
{
    while (c && !edge_target(c)) {
        c = c->next;
    }
    return c;
}

static struct child *adopted_from(const struct edge_change *e)
{
    while (e && !e->to) {
        e = e->next_adopted;
    }
    return e ? e->c : NULL;
}

struct child *first_child(const struct node *n)
{
    struct child *c = child_from(n->children);
    return c ? c : n->change ? adopted_from(n->change->adopted) : NULL;
}

struct child *next_child(const struct node *n, const struct child *c)
{
    if (c->change && c->change->added) {
        return adopted_from(c->change->next_adopted);
    }
    struct child *next = child_from(c->next);
    return next ? next : n->change ? adopted_from(n->change->adopted) : NULL;
}

static void proposal_free(struct proposal *p)
{
    struct edge_change *next_edge;
    for (struct edge_change *e = p->edges; e; e = next_edge) {
        next_edge = e->next;
        if (e->c) {
            e->c->change = NULL;
        }
        if (e->heap) {
            free(e);
        }
    }
    struct node_change *next_node;
    for (struct node_change *n = p->nodes; n; n = next_node) {
        next_node = n->next;
        n->node->change = NULL;
        n->node->next_flags = NULL;
        if (n->heap) {
            free(n);
        }
    }
    p->layer->proposing = false;
}

void proposal_discard(struct proposal *p)
{
    for (struct edge_change *e = p->edges; e; e = e->next) {
        if (e->added) {
            free(e->c->name);
            free(e->c);
            e->c = NULL;
        }
    }
    proposal_free(p);
}

static int check_frozen(const struct edge_change *e, struct error *err)
{
    const struct child *c = e->c;
    if (!c->frozen || e->to == c->node) {
        return 0;
    }
    return error_set(err, -EPERM, "Cannot change '%s' link to '%s'", c->name, c->node->name);
}

/* A filter that nobody would stand on any more goes, and its links with it. */
static int check_left_alone(const struct edge_change *e, struct error *err)
{
    const struct node *n = e->added || e->to == e->c->node ? NULL : e->c->node;
    const struct child *c = n && (n->drv->traits & DRV_FILTER) ? node_filtered(n) : NULL;
    if (!c || !c->frozen || n->monitor_owned || first_parent(n)) {
        return 0;
    }
    return error_set(err, -EPERM, "Cannot change frozen '%s' link from '%s' to '%s'", c->name,
                     n->name, c->node->name);
}

/* Outside locks for what was solved.  Taken in the order of solving. */
static int take_locks(struct proposal *p, struct txn *txn, struct error *err)
{
    for (size_t i = 0; i < p->solved.len; i++) {
        struct node *n = p->solved.at[i];
        const struct driver_graph *g = n->drv->graph;
        int ret = g && g->perm_change ? g->perm_change(n, n->change->cumulative, txn, err) : 0;
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

/* Both ends of a new edge are of one iothread. */
static int join_iothreads(const struct proposal *p, struct txn *txn, struct error *err)
{
    for (const struct edge_change *e = p->edges; e; e = e->next) {
        bool is_new = e->to && e->c->parent && e->to != e->c->node;
        int ret = is_new ? iothread_join(e->c->parent, e->to, txn, err) : 0;
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

int proposal_apply(struct proposal *p, struct txn *txn, struct error *err)
{
    int ret = 0;
    for (const struct edge_change *e = p->edges; e && ret == 0; e = e->next) {
        ret = check_frozen(e, err);
    }
    if (ret == 0) {
        ret = proposal_solve(p, err);
    }
    for (const struct edge_change *e = p->edges; e && ret == 0 && p->keep_frozen; e = e->next) {
        ret = check_left_alone(e, err);
    }
    struct txn outside = TXN_INIT;
    if (ret == 0) {
        ret = join_iothreads(p, &outside, err);
    }
    if (ret == 0) {
        ret = take_locks(p, &outside, err);
    }
    if (ret < 0) {
        txn_abort(&outside);
        proposal_discard(p);
        return ret;
    }
    txn_append(txn, &outside);
    proposal_commit(p, txn);
    proposal_free(p);
    return 0;
}
