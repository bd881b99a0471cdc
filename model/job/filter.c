/* SPDX-License-Identifier: MIT */
#include "model/job/filter.h"

#include "base/check.h"
#include "model/drain.h"
#include "model/proposal.h"

int filter_open(struct node *below, const struct blk_driver *drv, const char *name,
                const char *edge, bool read_only, struct node **out, struct error *err)
{
    int ret = node_open_filter(below, drv, name, edge, read_only, out, err);
    if (ret == 0) {
        (*out)->implicit = name == NULL;
    }
    return ret;
}

int filter_insert(struct node *filter, struct node *below, struct txn *txn, struct error *err)
{
    drain_begin(below);
    struct proposal *p = proposal_begin(below->layer);
    proposal_replace(p, below, filter);
    int ret = proposal_apply(p, txn, err);
    drain_end(below);
    return ret;
}

void filter_remove(struct node *filter)
{
    struct child *c = node_filtered(filter);
    struct node *below = node_ref(c->node);
    struct txn txn = TXN_INIT;
    drain_begin(below);
    struct proposal *p = proposal_begin(filter->layer);
    proposal_replace(p, filter, below);
    proposal_drop(p, c);
    proposal_only_less(p);
    int ret = txn_end(&txn, proposal_apply(p, &txn, NULL));
    CHECK(ret == 0);
    drain_end(below);
    node_unref(below);
}

struct node *node_skip_implicit(struct node *n)
{
    while (n && n->implicit && node_filtered(n)) {
        n = node_filtered(n)->node;
    }
    return n;
}

struct node *node_skip_filters(struct node *n)
{
    struct child *c;
    while (n && (n->drv->traits & DRV_FILTER) && (c = node_filtered(n)) != NULL) {
        n = c->node;
    }
    return n;
}

struct node *node_backing_chain_next(struct node *n)
{
    struct child *c;
    n = node_skip_filters(n);
    c = n ? node_backing(n) : NULL;
    return c ? node_skip_filters(c->node) : NULL;
}

bool node_chain_contains(struct node *n, const struct node *base)
{
    while (n && n != base) {
        n = node_below(n);
    }
    return n != NULL;
}
