/* SPDX-License-Identifier: MIT */
/* Frozen links: a job freezes the chain that it works on, and nothing moves or drops a frozen link
 * (seed 003).  A chain is the row of backing and filtered edges from a node down.
 */
#include "base/check.h"
#include "model/proposal.h"

#include <errno.h>

/* The node after n on the way to base, or NULL at the end. */
static struct child *chain_next(const struct node *n, const struct node *base)
{
    return n == base ? NULL : node_chain_edge(n);
}

int chain_check_frozen(struct node *top, const struct node *base, struct error *err)
{
    const struct node *n = top;
    for (struct child *c; (c = chain_next(n, base)) != NULL; n = c->node) {
        if (c->frozen) {
            return error_set(err, -EPERM, "Cannot change '%s' link from '%s' to '%s'", c->name,
                             n->name, c->node->name);
        }
    }
    return 0;
}

int chain_freeze(struct node *top, const struct node *base, struct error *err)
{
    int ret = chain_check_frozen(top, base, err);
    const struct node *n = top;
    for (struct child *c; ret == 0 && (c = chain_next(n, base)) != NULL; n = c->node) {
        c->frozen = true;
    }
    return ret;
}

void chain_unfreeze(struct node *top, const struct node *base)
{
    const struct node *n = top;
    for (struct child *c; (c = chain_next(n, base)) != NULL; n = c->node) {
        CHECK(c->frozen);
        c->frozen = false;
    }
}
