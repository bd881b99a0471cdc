/* Chains of images, as jobs look at them: where an image stands, by node or by name, and what the
 * header of an overlay says of it (QEMU docs/interop/live-block-operations.rst).
 *
 * A chain is the row of backing and filtered edges from a node down.  Filters belong to the image
 * below them.
 */
#ifndef MODEL_JOB_CHAIN_H
#define MODEL_JOB_CHAIN_H

#include "model/node.h"

/* The image in from's chain whose backing file n is, filters left out on both sides (QEMU's
 * bdrv_find_overlay); n NULL: the lowest of all.  NULL: there is none. */
struct node *chain_overlay(struct node *from, struct node *n);

/* The image below from that is meant by a file name: that of its overlay's header when that is what
 * the overlay stands on, in whatever way it is written, else its own.  NULL: none. */
struct node *chain_find_image(struct node *from, const char *name);

/* Whether that is n's own file name. */
bool chain_is_called(const struct node *n, const char *name);

/* [io] Writes name and format of another backing file into the header of overlay, which is made
 * writable for that when it is not.  The graph stays.  Errors: -errno. */
int chain_write_backing(struct node *overlay, const char *name, const char *format);

#endif
