/* SPDX-License-Identifier: MIT */
/* What would be true of the graph if the proposal were in force.
 *
 * Heights (the longest way down) come first: a walk upwards from the parents of changed edges meets
 * every cycle that the change could close, and gives an order in which each height is computed
 * once.  Permissions flow down, so they are solved from the highest node to the lowest; a node is
 * looked at when one of the edges to it changes, so the work ends where nothing changes any more.
 *
 * Nothing here changes the live graph; node->mark alone is written.
 */
#include "model/proposal_private.h"

#include "base/mem.h"
#include "model/layer_state.h"

#include <errno.h>
#include <stdlib.h>

/* ---- Cycles and heights ---- */

/* Whether `wanted` would be reached on the ways down from n. */
static bool leads_to(struct proposal *p, struct node *n, const struct node *wanted)
{
    uint64_t seen = ++p->layer->marks;
    struct node_walk *stack = &p->stack;
    bool found = false;
    n->mark = seen;
    stack->len = 0;
    walk_push(stack, n);
    while (stack->len > 0 && !found) {
        struct node *at = stack->at[--stack->len];
        found = at == wanted;
        for (struct child *c = first_child(at); c; c = next_child(at, c)) {
            struct node *below = edge_target(c);
            if (below->mark != seen) {
                below->mark = seen;
                walk_push(stack, below);
            }
        }
    }
    return found;
}

static int report_cycle(struct proposal *p, struct error *err)
{
    for (const struct edge_change *e = p->edges; e; e = e->next) {
        if (e->c->parent && e->to && leads_to(p, e->to, e->c->parent)) {
            return error_set(err, -ELOOP, "Making '%s' a %s child of '%s' would create a cycle",
                             e->to->name, e->c->name, e->c->parent->name);
        }
    }
    UNREACHABLE();
}

/* Puts the nodes above and including root on the list, each after all that can reach it; false: a
 * cycle.  A node is on the stack with `open` while what is above it is looked at. */
static bool walk_up(struct proposal *p, struct node *root, uint64_t open, uint64_t done)
{
    struct node_walk *stack = &p->stack;
    bool ok = true;
    stack->len = 0;
    if (root->mark != done) {
        walk_push(stack, root);
    }
    while (stack->len > 0 && ok) {
        struct node *n = stack->at[stack->len - 1];
        if (n->mark == done) {
            stack->len--;
            continue;
        }
        if (n->mark == open) {
            n->mark = done;
            walk_push(&p->lifted, n);
            stack->len--;
            continue;
        }
        n->mark = open;
        for (struct child *c = first_parent(n); c && ok; c = next_parent(n, c)) {
            if (c->parent && c->parent->mark != done) {
                ok = c->parent->mark != open;
                walk_push(stack, c->parent);
            }
        }
    }
    return ok;
}

static uint32_t height_of(const struct node *n)
{
    uint32_t height = 0;
    for (struct child *c = first_child(n); c; c = next_child(n, c)) {
        height = MAX(height, node_height(edge_target(c)) + 1);
    }
    return height;
}

static int lift(struct proposal *p, struct node *n, struct error *err)
{
    if (!n->change || !n->change->must_lift) {
        return 0;
    }
    uint32_t height = height_of(n);
    if (height >= NODE_HEIGHT_MAX) {
        return error_set(err, -ELOOP, "Block graph is more than %d levels deep", NODE_HEIGHT_MAX);
    }
    if (height != n->change->height) {
        n->change->height = height;
        for (struct child *c = first_parent(n); c; c = next_parent(n, c)) {
            if (c->parent) {
                proposal_node(p, c->parent)->must_lift = true;
            }
        }
    }
    return 0;
}

static int solve_heights(struct proposal *p, struct error *err)
{
    uint64_t open = ++p->layer->marks, done = ++p->layer->marks;
    for (const struct edge_change *e = p->edges; e; e = e->next) {
        if (e->c->parent && !walk_up(p, e->c->parent, open, done)) {
            return report_cycle(p, err);
        }
    }
    int ret = 0;
    for (size_t i = p->lifted.len; i > 0 && ret == 0; i--) {
        ret = lift(p, p->lifted.at[i - 1], err);
    }
    return ret;
}

/* ---- Permissions ---- */

static void describe_parent(const struct child *c, struct strbuf *out)
{
    if (c->parent) {
        strbuf_printf(out, "node '%s'", c->parent->name);
    } else {
        c->ops->describe(c, out);
    }
}

static int report_conflict(const struct node *n, const struct child *a, const struct child *b,
                           uint32_t perms, struct error *err)
{
    struct strbuf who_a = { 0 }, who_b = { 0 }, names = { 0 };
    describe_parent(a, &who_a);
    describe_parent(b, &who_b);
    perm_names(perms, &names);
    error_set(err, -EPERM,
              "Permission conflict on node '%s': permissions '%s' are both required by %s (uses "
              "node '%s' as '%s' child) and unshared by %s (uses node '%s' as '%s' child).",
              n->name, strbuf_str(&names), strbuf_str(&who_b), n->name, b->name,
              strbuf_str(&who_a), n->name, a->name);
    strbuf_free(&who_a);
    strbuf_free(&who_b);
    strbuf_free(&names);
    return -EPERM;
}

static int find_conflict(const struct node *n, struct error *err)
{
    for (struct child *a = first_parent(n); a; a = next_parent(n, a)) {
        for (struct child *b = first_parent(n); b; b = next_parent(n, b)) {
            uint32_t missing = edge_perm(b).used & ~edge_perm(a).shared;
            if (a != b && missing) {
                return report_conflict(n, a, b, missing, err);
            }
        }
    }
    return 0;
}

/* What all parents together use and share; and whether each grants what every other one uses. */
static int solve_parents(const struct node *n, struct perm_pair *out, struct error *err)
{
    uint32_t used_twice = 0, unshared_twice = 0, own = 0;
    *out = (struct perm_pair){ .used = 0, .shared = PERM_ALL };
    for (struct child *c = first_parent(n); c; c = next_parent(n, c)) {
        struct perm_pair perm = edge_perm(c);
        used_twice |= out->used & perm.used;
        unshared_twice |= ~out->shared & ~perm.shared & PERM_ALL;
        own |= perm.used & ~perm.shared; /* It may itself use what it does not share. */
        out->used |= perm.used;
        out->shared &= perm.shared;
    }
    uint32_t both = out->used & ~out->shared;
    bool harmless = (both & ~own) == 0 && (both & (used_twice | unshared_twice)) == 0;
    return harmless ? 0 : find_conflict(n, err);
}

/* In the queue of nodes to be looked at: the highest first; of equal ones the older. */
static bool comes_before(const struct node *a, const struct node *b)
{
    uint32_t ha = node_height(a), hb = node_height(b);
    return ha != hb ? ha > hb : a->id < b->id;
}

static void queue_push(struct proposal *p, struct node *n)
{
    struct node_walk *q = &p->queue;
    struct node_change *change = proposal_node(p, n);
    CHECK(!change->processed);
    if (change->queued) {
        return;
    }
    change->queued = true;
    walk_push(q, n);
    size_t i = q->len - 1;
    while (i > 0 && comes_before(n, q->at[(i - 1) / 2])) {
        q->at[i] = q->at[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    q->at[i] = n;
}

static struct node *queue_pop(struct node_walk *q)
{
    struct node *first = q->at[0], *last = q->at[--q->len];
    size_t i = 0, below;
    while ((below = 2 * i + 1) < q->len) {
        if (below + 1 < q->len &&
            comes_before(q->at[below + 1], q->at[below])) {
            below++;
        }
        if (!comes_before(q->at[below], last)) {
            break;
        }
        q->at[i] = q->at[below];
        i = below;
    }
    if (q->len > 0) {
        q->at[i] = last;
    }
    return first;
}

static int check_node(const struct proposal *p, const struct node *n, struct perm_pair cum,
                      struct error *err)
{
    const struct node_flags *flags = node_flags_next(n);
    if ((cum.used & (PERM_WRITE | PERM_WRITE_UNCHANGED)) && flags->read_only) {
        return n->flags.read_only
                   ? error_set(err, -EPERM, "Block node is read-only")
                   : error_set(err, -EPERM,
                               "Read-only block node '%s' cannot support read-write users",
                               n->name);
    }
    /* A write in the last block would be padded beyond the end. */
    if (!p->only_less && (cum.used & (PERM_WRITE | PERM_WRITE_UNCHANGED)) &&
        !(cum.used & PERM_RESIZE) && n->length % n->limits.request_alignment != 0) {
        return error_set(err, -EPERM,
                         "Cannot get 'write' permission without 'resize': Image size is not a "
                         "multiple of request alignment");
    }
    return 0;
}

/* What n asks of its children.  Not follow: nobody is to be looked at because of it. */
static int solve_node(struct proposal *p, bool follow, struct node *n, struct error *err)
{
    struct perm_pair cum;
    int ret = solve_parents(n, &cum, err);
    if (ret == 0) {
        ret = check_node(p, n, cum, err);
    }
    if (ret < 0) {
        return ret;
    }
    proposal_node(p, n)->cumulative = cum;
    const struct driver_graph *g = n->drv->graph;
    for (struct child *c = first_child(n); c; c = next_child(n, c)) {
        struct perm_pair perm, old = edge_perm(c);
        (g && g->child_perm ? g->child_perm : perm_default)(n, c, cum, &perm);
        if (node_flags_next(edge_target(c))->force_share) {
            perm.shared = PERM_ALL; /* Whatever the driver says. */
        }
        if (perm.used != old.used || perm.shared != old.shared) {
            proposal_edge(p, c)->perm = perm;
            if (follow) {
                queue_push(p, edge_target(c));
            }
        }
    }
    return 0;
}

/* Puts root and all below it on the list, each behind all that it leads to; of the children the
 * newest and what is below it come first. */
static void walk_down(struct node_walk *order, struct node *root, uint64_t open, uint64_t done)
{
    struct node_walk stack = { 0 };
    walk_push(&stack, root);
    while (stack.len > 0) {
        struct node *n = stack.at[stack.len - 1];
        if (n->mark == open) {
            n->mark = done;
            walk_push(order, n);
        }
        if (n->mark == done) {
            stack.len--;
            continue;
        }
        n->mark = open;
        for (struct child *c = first_child(n); c; c = next_child(n, c)) {
            if (edge_target(c)->mark != done) {
                walk_push(&stack, edge_target(c));
            }
        }
    }
    free(stack.at);
}

/* Several nodes may be at odds: QEMU tells of that which its own walk, over all that lies below,
 * meets first.  Only a proposal that fails pays for it. */
static int tell_conflict(struct proposal *p, struct error *err)
{
    uint64_t open = ++p->layer->marks, done = ++p->layer->marks;
    struct node_walk order = { 0 };
    for (const struct node_change *n = p->nodes; n; n = n->next) {
        if (n->asked) {
            walk_down(&order, n->node, open, done);
        }
    }
    int ret = 0;
    for (size_t i = order.len; i > 0 && ret == 0; i--) {
        ret = solve_node(p, false, order.at[i - 1], err);
    }
    CHECK(ret < 0);
    free(order.at);
    return ret;
}

static int solve_permissions(struct proposal *p, struct error *err)
{
    for (const struct node_change *n = p->nodes; n; n = n->next) {
        if (n->asked) {
            queue_push(p, n->node);
        }
    }
    int ret = 0;
    while (p->queue.len > 0 && ret == 0) {
        struct node *n = queue_pop(&p->queue);
        n->change->processed = true;
        walk_push(&p->solved, n);
        ret = solve_node(p, true, n, NULL);
    }
    return ret < 0 && err ? tell_conflict(p, err) : ret;
}

bool node_has_parents_next(const struct node *n)
{
    return first_parent(n) != NULL;
}

int proposal_solve(struct proposal *p, struct error *err)
{
    int ret = solve_heights(p, err);
    return ret < 0 ? ret : solve_permissions(p, err);
}
