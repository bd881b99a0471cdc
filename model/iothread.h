/* Moving nodes between iothreads (QEMU's AioContexts).
 *
 * All nodes that edges connect are of one iothread, so a move concerns everything that can be
 * reached up and down; parents that are not nodes may refuse (child_parent.can_set_iothread).
 */
#ifndef MODEL_IOTHREAD_H
#define MODEL_IOTHREAD_H

#include "base/error.h"
#include "model/node.h"

/* [io] Moves n and all it is connected with; drained meanwhile.  iothread 0: the main loop.
 * Errors: QEMU's texts; nothing has moved then. */
int node_set_iothread(struct node *n, uint32_t iothread, struct error *err);

/* [ctl] Whether node_set_iothread would do it. */
int node_can_set_iothread(struct node *n, uint32_t iothread, struct error *err);

#endif
