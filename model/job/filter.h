/* Filter nodes that jobs put into the graph and take out again (seed 001).
 *
 *   parents -> below      insert       parents -> filter -EDGE-> below
 *                        -------->
 *                        <--------
 *                         remove
 */
#ifndef MODEL_JOB_FILTER_H
#define MODEL_JOB_FILTER_H

#include "model/node.h"
#include "model/txn.h"

/* [ctl] Makes a node of an internal driver (one that blockdev-add does not know) with one child
 * below, without parents: not in the way of anybody yet.  name NULL: one is made up, and the
 * node is implicit.  edge: name of the edge to below ("backing"), of ROLE_FILTERED |
 * ROLE_PRIMARY.  The driver's open is called with the child in place.  The reference is the
 * caller's.  Errors: the name; permissions. */
int filter_open(struct node *below, const struct blk_driver *drv, const char *name,
                const char *edge, bool read_only, struct node **out, struct error *err);

/* [io] Every parent of below goes to filter, which stands on it; drained meanwhile.  The way back
 * is on txn.  Errors: QEMU's texts (frozen links, permissions); nothing has changed then. */
int filter_insert(struct node *filter, struct node *below, struct txn *txn, struct error *err);

/* [io] Every parent of filter goes to what it stands on, and the filter loses that edge; drained
 * meanwhile.  Cannot fail: only takes away.  The filter goes with its last reference. */
void filter_remove(struct node *filter);

/* The first node from n down that is no implicit filter (QEMU's bdrv_skip_implicit_filters), that
 * is no filter at all (bdrv_skip_filters); and the next below such that is not n (or NULL). */
struct node *node_skip_implicit(struct node *n);
struct node *node_skip_filters(struct node *n);
struct node *node_backing_chain_next(struct node *n);
/* Whether base is n or stands below it on the way of backing and filtered edges. */
bool node_chain_contains(struct node *n, const struct node *base);

#endif
