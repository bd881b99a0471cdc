/* A change of the graph, prepared beside it.
 *
 *   proposal_begin -> proposal_add, _move, _drop, _set_perm, _set_flags ... -> proposal_apply
 *                                                                          \-> proposal_discard
 *
 * Nothing that is proposed can be seen until proposal_apply.  It checks the whole: that every
 * changed link may change (frozen), that no cycle appears and no way down gets too long, that both
 * ends of a new edge are of one iothread (or can be brought together); then it solves permissions
 * as a pure function of the proposed edges and flags, takes outside locks through the drivers'
 * perm_change, and puts everything in force at once.  The inverse goes on the txn, so a larger
 * change (reopen of several nodes, a QMP transaction) is a row of proposals on one txn.
 *
 * The work is linear in the edges that change and in the nodes whose permissions or height do.
 *
 * From begin to apply or discard the caller does not yield; a layer has one proposal at a time.
 * References that are dropped go at the txn's end, where they may close nodes: txn_end is [io]
 * where proposals were applied.
 */
#ifndef MODEL_PROPOSAL_H
#define MODEL_PROPOSAL_H

#include "model/node.h"
#include "model/txn.h"

struct proposal;

struct proposal *proposal_begin(struct layer *l);
/* The end of the layer. */
void proposal_fini(struct layer *l);

/* A new edge to `to`; parent NULL: with ops and opaque, using and sharing perm (for a node as
 * parent perm is solved).  Returned: the edge, the parent's from proposal_apply on and not before.
 */
struct child *proposal_add(struct proposal *p, struct node *to, const char *name, uint32_t roles,
                           struct node *parent, const struct child_parent *ops, void *opaque,
                           struct perm_pair perm);
/* The edge leads to another node.  Its roles stay. */
void proposal_move(struct proposal *p, struct child *c, struct node *to);
void proposal_drop(struct proposal *p, struct child *c);
/* What a parent that is not a node uses and shares. */
void proposal_set_perm(struct proposal *p, struct child *c, struct perm_pair perm);
/* The proposal only takes away: what is left of the users of a node stays, even where it could not
 * have come by itself (writing, without resizing, what is no whole number of blocks). */
void proposal_only_less(struct proposal *p);
/* Refuses to leave a filter without users on which somebody relies: with a frozen link down. */
void proposal_keep_frozen(struct proposal *p);
/* n's flags; *flags is lent until the end of the proposal. */
void proposal_set_flags(struct proposal *p, struct node *n, const struct node_flags *flags);

/* Every parent's edge to `from` leads to `to`, but for edges of `to` itself or of what is below it,
 * and those that stay at their node (QEMU's bdrv_replace_node).  An edge added by this proposal
 * stays where it is. */
void proposal_replace(struct proposal *p, struct node *from, struct node *to);

/* [ctl] Checks, solves, and puts in force with the inverse on txn; p is gone either way.  On
 * failure nothing has changed, but what was on txn before is still there: the caller ends it.
 * Errors: QEMU's texts; -EPERM for permissions and frozen links, -ELOOP for a cycle. */
int proposal_apply(struct proposal *p, struct txn *txn, struct error *err);
void proposal_discard(struct proposal *p);

/* Freezing: a frozen edge cannot be moved or dropped.  The chain is that of backing and filtered
 * edges from top down to base (exclusive of edges below base; NULL: to its end).
 * Errors: -EPERM with QEMU's "Cannot freeze..." text when one of them is frozen already; then none
 * was changed. */
int chain_freeze(struct node *top, const struct node *base, struct error *err);
void chain_unfreeze(struct node *top, const struct node *base);
/* Error "Cannot change ..." when an edge of the chain is frozen. */
int chain_check_frozen(struct node *top, const struct node *base, struct error *err);

#endif
