/* For model/proposal.c: what a new edge connects must be of one iothread. */
#ifndef MODEL_IOTHREAD_PRIVATE_H
#define MODEL_IOTHREAD_PRIVATE_H

#include "model/node.h"
#include "model/txn.h"

/* [ctl] Moves the child's side to the parent's iothread, or else the parent's to the child's; the
 * way back goes on txn.  Errors: why the child cannot move. */
int iothread_join(struct node *parent, struct node *child, struct txn *txn, struct error *err);

#endif
