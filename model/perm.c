/* SPDX-License-Identifier: MIT */
/* Permissions flow down: what the parents of a node use and share together decides, through the
 * driver's child_perm, what the node uses and shares on its children.
 *
 * perm_refresh recomputes them below a node whose edges changed.  It visits the nodes in
 * topological order, parents first, so each is computed once.  The walk is iterative; node->mark
 * tells which nodes a walk has seen.
 */
#include "model/perm.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/layer_state.h"
#include "model/txn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void perm_names(uint32_t perm, struct strbuf *out)
{
    static const char *const names[PERM_BITS] = { "consistent read", "write", "write unchanged",
                                                  "resize" };
    bool first = true;
    for (int i = 0; i < PERM_BITS; i++) {
        if (perm & (1u << i)) {
            strbuf_printf(out, "%s%s", first ? "" : ", ", names[i]);
            first = false;
        }
    }
}

uint32_t perm_parse(const char *name)
{
    static const char *const names[PERM_BITS] = { "consistent-read", "write", "write-unchanged",
                                                  "resize" };
    for (int i = 0; i < PERM_BITS; i++) {
        if (strcmp(name, names[i]) == 0) {
            return 1u << i;
        }
    }
    return 0;
}

struct perm_pair perm_cumulative(const struct node *n)
{
    struct perm_pair cum = { .used = 0, .shared = PERM_ALL };
    for (const struct child *c = n->parents; c; c = c->next_parent) {
        cum.used |= c->perm.used;
        cum.shared &= c->perm.shared;
    }
    return cum;
}

/* A filter passes its parents' wishes through.  Storage of a format: metadata may be written even
 * when the guest does not write, and nobody else may write or resize below it. */
void perm_default(const struct node *n, const struct child *c, struct perm_pair parents,
                  struct perm_pair *out)
{
    CHECK(!(c->roles & ROLE_COW));
    *out = parents;
    if (c->roles & ROLE_METADATA) {
        if (!n->flags.read_only) {
            out->used |= PERM_WRITE | PERM_RESIZE;
        }
        out->used |= PERM_CONSISTENT_READ;
        out->shared &= ~(uint32_t)(PERM_WRITE | PERM_RESIZE);
    }
    if (c->roles & ROLE_DATA) {
        out->shared &= ~(uint32_t)PERM_RESIZE;
        if (out->used & PERM_WRITE_UNCHANGED) {
            out->used |= PERM_WRITE;
        }
        if (out->used & PERM_WRITE) {
            out->used |= PERM_RESIZE;
        }
    }
}

static void describe_parent(const struct child *c, struct strbuf *out)
{
    if (c->parent) {
        strbuf_printf(out, "node '%s'", c->parent->name);
    } else {
        c->ops->describe(c, out);
    }
}

static int report_conflict(const struct child *a, const struct child *b, uint32_t perms,
                           struct error *err)
{
    struct strbuf who_a = { 0 }, who_b = { 0 }, names = { 0 };
    describe_parent(a, &who_a);
    describe_parent(b, &who_b);
    perm_names(perms, &names);
    const char *node = a->node->name;
    error_set(err, -EPERM,
              "Permission conflict on node '%s': permissions '%s' are both required by %s (uses "
              "node '%s' as '%s' child) and unshared by %s (uses node '%s' as '%s' child).",
              node, strbuf_str(&names), strbuf_str(&who_b), node, b->name, strbuf_str(&who_a),
              node, a->name);
    strbuf_free(&who_a);
    strbuf_free(&who_b);
    strbuf_free(&names);
    return -EPERM;
}

/* Every parent grants what every other one uses. */
static int check_parents(const struct node *n, struct error *err)
{
    for (const struct child *a = n->parents; a; a = a->next_parent) {
        for (const struct child *b = n->parents; b; b = b->next_parent) {
            uint32_t missing = b->perm.used & ~a->perm.shared;
            if (a != b && missing) {
                return report_conflict(a, b, missing, err);
            }
        }
    }
    return 0;
}

struct perm_undo {
    struct child *child;
    struct perm_pair old;
};

static void undo_perm(void *opaque)
{
    struct perm_undo *u = opaque;
    u->child->perm = u->old;
}

static void set_perm(struct child *c, struct perm_pair perm, struct txn *txn)
{
    struct perm_undo undo = { .child = c, .old = c->perm };
    c->perm = perm;
    txn_add(txn, (struct txn_action){
                     .undo = undo_perm, .clean = free, .opaque = mem_copy(&undo, sizeof(undo)) });
}

static int refresh_one(struct node *n, struct txn *txn, struct error *err)
{
    int ret = check_parents(n, err);
    if (ret < 0) {
        return ret;
    }
    struct perm_pair cum = perm_cumulative(n);
    if ((cum.used & (PERM_WRITE | PERM_WRITE_UNCHANGED)) && n->flags.read_only) {
        return error_set(err, -EPERM, "Block node is read-only");
    }
    /* A write in the last block would be padded beyond the end. */
    if ((cum.used & PERM_WRITE) && !(cum.used & PERM_RESIZE) &&
        n->length % n->limits.request_alignment != 0) {
        return error_set(err, -EPERM,
                         "Cannot get 'write' permission without 'resize': Image size is not a "
                         "multiple of request alignment");
    }
    const struct driver_graph *g = n->drv->graph;
    if (g && g->perm_change) {
        ret = g->perm_change(n, cum, txn, err);
        if (ret < 0) {
            return ret;
        }
    }
    for (struct child *c = n->children; c; c = c->next) {
        struct perm_pair perm;
        (g && g->child_perm ? g->child_perm : perm_default)(n, c, cum, &perm);
        if (c->node->flags.force_share) {
            perm.shared = PERM_ALL; /* Whatever the driver says. */
        }
        if (perm.used != c->perm.used || perm.shared != c->perm.shared) {
            set_perm(c, perm, txn);
        }
    }
    return 0;
}

struct walk {
    struct node **at;
    size_t len, cap;
};

static void walk_push(struct walk *w, struct node *n)
{
    if (w->len == w->cap) {
        w->cap = w->cap ? 2 * w->cap : 16;
        w->at = mem_resize(w->at, w->cap * sizeof(*w->at));
    }
    w->at[w->len++] = n;
}

/* Nodes reachable from root, each after all that it can reach (so, read backwards, parents come
 * first).  The stack holds a node until its children are out. */
static void walk_postorder(struct node *root, struct walk *order)
{
    uint64_t seen = ++root->layer->marks;
    uint64_t done = ++root->layer->marks;
    struct walk stack = { 0 };
    walk_push(&stack, root);
    while (stack.len > 0) {
        struct node *n = stack.at[stack.len - 1];
        if (n->mark == done) {
            stack.len--;
        } else if (n->mark == seen) {
            n->mark = done;
            walk_push(order, n);
            stack.len--;
        } else {
            n->mark = seen;
            for (struct child *c = n->children; c; c = c->next) {
                if (c->node->mark != seen && c->node->mark != done) {
                    walk_push(&stack, c->node);
                }
            }
        }
    }
    free(stack.at);
}

int perm_refresh(struct node *n, struct txn *txn, struct error *err)
{
    struct walk order = { 0 };
    walk_postorder(n, &order);
    int ret = 0;
    for (size_t i = order.len; i > 0 && ret == 0; i--) {
        ret = refresh_one(order.at[i - 1], txn, err);
    }
    free(order.at);
    return ret;
}
