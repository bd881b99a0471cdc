/* SPDX-License-Identifier: MIT */
#include "base/check.h"
#include "base/mem.h"
#include "model/layer_state.h"
#include "model/txn.h"

#include <stdlib.h>
#include <string.h>

struct child *node_child(const struct node *n, const char *name)
{
    for (struct child *c = n->children; c; c = c->next) {
        if (strcmp(c->name, name) == 0) {
            return c;
        }
    }
    return NULL;
}

static struct child *child_of_role(const struct node *n, uint32_t roles)
{
    for (struct child *c = n->children; c; c = c->next) {
        if (c->roles & roles) {
            return c;
        }
    }
    return NULL;
}

struct child *node_primary(const struct node *n)
{
    return child_of_role(n, ROLE_PRIMARY | ROLE_FILTERED);
}

struct child *node_filtered(const struct node *n)
{
    return child_of_role(n, ROLE_FILTERED);
}

static void link_child(struct child *c)
{
    struct child **tail = c->parent ? &c->parent->children : NULL;
    while (tail && *tail) {
        tail = &(*tail)->next;
    }
    if (tail) {
        *tail = c;
    }
    c->next_parent = c->node->parents;
    c->node->parents = c;
}

static void unlink_child(struct child *c)
{
    if (c->parent) {
        struct child **p = &c->parent->children;
        while (*p != c) {
            p = &(*p)->next;
        }
        *p = c->next;
    }
    struct child **p = &c->node->parents;
    while (*p != c) {
        p = &(*p)->next_parent;
    }
    *p = c->next_parent;
}

static void child_free(struct child *c)
{
    free(c->name);
    free(c);
}

int child_attach(struct node *node, const char *name, uint32_t roles, struct node *parent,
                 const struct child_parent *ops, void *opaque, struct perm_pair perm,
                 struct child **out, struct error *err)
{
    CHECK((parent == NULL) == (ops != NULL));
    struct child *c = NEW(struct child);
    c->name = mem_strdup(name);
    c->node = node;
    c->parent = parent;
    c->ops = ops;
    c->opaque = opaque;
    c->roles = roles;
    c->perm = parent ? (struct perm_pair){ .used = 0, .shared = PERM_ALL } : perm;
    link_child(c);

    struct txn txn = TXN_INIT;
    int ret = txn_end(&txn, perm_refresh(parent ? parent : node, &txn, err));
    if (ret < 0) {
        unlink_child(c);
        child_free(c);
        return ret;
    }
    node_ref(node);
    if (parent) {
        sim_trace_text(node->sim, TRACE_GRAPH, "attach %s -%s-> %s", parent->name, name,
                       node->name);
    }
    *out = c;
    return 0;
}

void child_detach(struct child *c)
{
    struct node *node = c->node;
    CHECK(!c->frozen);
    if (c->parent) {
        sim_trace_text(node->sim, TRACE_GRAPH, "detach %s -%s-> %s", c->parent->name, c->name,
                       node->name);
    }
    unlink_child(c);
    child_free(c);
    /* Asking for less cannot conflict; outside locks are let go. */
    struct txn txn = TXN_INIT;
    txn_end(&txn, perm_refresh(node, &txn, NULL));
    node_unref(node);
}

int child_set_perm(struct child *c, struct perm_pair perm, struct error *err)
{
    CHECK(c->parent == NULL);
    struct perm_pair old = c->perm;
    c->perm = perm;
    struct txn txn = TXN_INIT;
    int ret = txn_end(&txn, perm_refresh(c->node, &txn, err));
    if (ret < 0) {
        c->perm = old;
    }
    return ret;
}
