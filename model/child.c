/* SPDX-License-Identifier: MIT */
/* Edges: finding them, and the changes of a single one. */
#include "base/check.h"
#include "base/mem.h"
#include "model/layer_state.h"
#include "model/proposal.h"

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

struct child *node_backing(const struct node *n)
{
    return child_of_role(n, ROLE_COW);
}

struct child *node_chain_edge(const struct node *n)
{
    return n->drv->traits & DRV_FILTER ? node_filtered(n) : node_backing(n);
}

int child_attach(struct node *node, const char *name, uint32_t roles, struct node *parent,
                 const struct child_parent *ops, void *opaque, struct perm_pair perm,
                 struct child **out, struct error *err)
{
    struct proposal *p = proposal_begin(node->layer);
    struct txn txn = TXN_INIT;
    struct child *c = proposal_add(p, node, name, roles, parent, ops, opaque, perm);
    int ret = txn_end(&txn, proposal_apply(p, &txn, err));
    if (ret == 0) {
        *out = c;
    }
    return ret;
}

void child_detach(struct child *c)
{
    struct proposal *p = proposal_begin(c->node->layer);
    struct txn txn = TXN_INIT;
    proposal_drop(p, c);
    proposal_only_less(p);
    int ret = txn_end(&txn, proposal_apply(p, &txn, NULL));
    CHECK(ret == 0);
}

int child_set_perm(struct child *c, struct perm_pair perm, struct error *err)
{
    struct proposal *p = proposal_begin(c->node->layer);
    struct txn txn = TXN_INIT;
    proposal_set_perm(p, c, perm);
    return txn_end(&txn, proposal_apply(p, &txn, err));
}
