/* Drained sections: stretches in which no request starts on a node and none is in flight.
 *
 * A node is quiet while its quiesce count is above 0.  The count is the number of open sections
 * that name the node plus the number of its children that are quiet: who stands above a quiet node
 * starts nothing.  A backend or job above holds its new requests back (child_parent.drained).
 * Counts follow the edges: an edge that comes, moves or goes carries them along, so sections
 * survive changes of the graph, and nest.
 *
 *   begin: count up, parents told, driver->drain(true) -> wait until nothing is in flight
 *   end:   driver->drain(false), count down, parents told, held requests go on
 *
 * The one who drains may do I/O on the node through edges of nodes: doors of backends alone close.
 */
#ifndef MODEL_DRAIN_H
#define MODEL_DRAIN_H

#include "model/node.h"

/* [io] Returns when the node and all that stands above it are at rest. */
void drain_begin(struct node *n);
/* [ctl] */
void drain_end(struct node *n);

/* [io] The node and everything below it.  What is attached below during the section is drained as
 * well; what is detached is released at once.  */
void drain_subtree_begin(struct node *n);
void drain_subtree_end(struct node *n);

/* [io] Every node, those included that are opened meanwhile. */
void drain_all_begin(struct layer *l);
void drain_all_end(struct layer *l);

/* [ctl] Something that drained sections may wait for has ended: a request of a backend whose
 * root is quiet. */
void drain_progress(struct layer *l);

/* [ctl] For model/proposal_apply.c: an edge is in the lists; is about to leave them. */
void drain_edge_new(struct child *c);
void drain_edge_gone(struct child *c);

static inline bool node_is_quiet(const struct node *n)
{
    return n->quiesce > 0;
}

#endif
