/* SPDX-License-Identifier: MIT */
#include "model/iothread.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/drain.h"
#include "model/iothread_private.h"
#include "model/layer_state.h"

#include <errno.h>
#include <stdlib.h>

struct group {
    struct node **at;
    size_t len, cap;
};

/* One that is closing has nobody any more, and stays where it is. */
static void add_node(struct group *g, struct node *n, uint64_t mark)
{
    if (n->mark == mark || n->closing) {
        return;
    }
    n->mark = mark;
    g->at = mem_grow(g->at, g->len, &g->cap, sizeof(*g->at));
    g->at[g->len++] = n;
}

/* The other nodes of a parent that is no node. */
static void add_others(struct group *g, const struct child *c, uint64_t mark)
{
    struct child *other = c->ops->first_edge ? c->ops->first_edge(c) : NULL;
    for (; other; other = other->ops->next_edge(other)) {
        add_node(g, other->node, mark);
    }
}

/* All nodes that edges connect with n. */
static struct group connected(struct node *n)
{
    struct group g = { 0 };
    uint64_t mark = ++n->layer->marks;
    add_node(&g, n, mark);
    for (size_t i = 0; i < g.len; i++) {
        for (struct child *c = g.at[i]->children; c; c = c->next) {
            add_node(&g, c->node, mark);
        }
        for (struct child *c = g.at[i]->parents; c; c = c->next_parent) {
            if (c->parent) {
                add_node(&g, c->parent, mark);
            } else {
                add_others(&g, c, mark);
            }
        }
    }
    return g;
}

static int check_group(const struct group *g, uint32_t iothread, struct error *err)
{
    for (size_t i = 0; i < g->len; i++) {
        for (const struct child *c = g->at[i]->parents; c; c = c->next_parent) {
            int ret = c->ops && c->ops->can_set_iothread
                          ? c->ops->can_set_iothread(c, iothread, err)
                          : 0;
            if (ret < 0) {
                return ret;
            }
        }
    }
    return 0;
}

static void move_group(const struct group *g, uint32_t iothread)
{
    for (size_t i = 0; i < g->len; i++) {
        struct node *n = g->at[i];
        n->iothread = iothread;
        for (struct child *c = n->parents; c; c = c->next_parent) {
            if (c->ops && c->ops->set_iothread) {
                c->ops->set_iothread(c, iothread);
            }
        }
    }
}

int node_can_set_iothread(struct node *n, uint32_t iothread, struct error *err)
{
    if (n->iothread == iothread) {
        return 0;
    }
    struct group g = connected(n);
    int ret = check_group(&g, iothread, err);
    free(g.at);
    return ret;
}

int node_set_iothread(struct node *n, uint32_t iothread, struct error *err)
{
    int ret = node_can_set_iothread(n, iothread, err);
    if (ret < 0 || n->iothread == iothread) {
        return ret;
    }
    drain_subtree_begin(n);
    /* What is connected may be another now, and may refuse. */
    struct group g = connected(n);
    ret = check_group(&g, iothread, err);
    if (ret == 0) {
        move_group(&g, iothread);
    }
    free(g.at);
    drain_subtree_end(n);
    return ret;
}

/* ---- Joining ---- */

struct move {
    struct group group;
    uint32_t old;
};

static void undo_move(void *opaque)
{
    struct move *m = opaque;
    move_group(&m->group, m->old);
}

static void free_move(void *opaque)
{
    struct move *m = opaque;
    for (size_t i = 0; i < m->group.len; i++) {
        CHECK(m->group.at[i]->held > 0);
        m->group.at[i]->held--;
        node_unref(m->group.at[i]);
    }
    free(m->group.at);
    free(m);
}

static int try_move(struct node *n, uint32_t iothread, struct txn *txn, struct error *err)
{
    struct group g = connected(n);
    int ret = check_group(&g, iothread, err);
    if (ret < 0) {
        free(g.at);
        return ret;
    }
    struct move *m = NEW(struct move);
    *m = (struct move){ .group = g, .old = n->iothread };
    for (size_t i = 0; i < g.len; i++) {
        node_ref(g.at[i])->held++;
    }
    move_group(&g, iothread);
    txn_add(txn, (struct txn_action){ .undo = undo_move, .clean = free_move, .opaque = m });
    return 0;
}

int iothread_join(struct node *parent, struct node *child, struct txn *txn, struct error *err)
{
    if (parent->iothread == child->iothread) {
        return 0;
    }
    if (try_move(child, parent->iothread, txn, NULL) == 0 ||
        try_move(parent, child->iothread, txn, NULL) == 0) {
        return 0;
    }
    return try_move(child, parent->iothread, txn, err);
}
