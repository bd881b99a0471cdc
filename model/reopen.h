/* Reopen: nodes get new options while they are in use (seed 003).
 *
 * The node ends as if blockdev-add had been called with the new options: an omitted option returns
 * to its default, one that cannot change must not, `backing` must be said where there is one, and
 * several nodes change together or not at all.
 *
 *   drained and flushed -> each node: options checked, driver's reopen prepares on the txn, edges
 *   and flags proposed -> proposal_apply -> commit
 */
#ifndef MODEL_REOPEN_H
#define MODEL_REOPEN_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>

struct layer;
struct node;

/* [io] options: an array of BlockdevOptions, checked by the schema, each with its node-name.
 * Errors: QEMU's texts; nothing has changed then. */
int reopen_many(struct layer *l, const json_t *options, struct error *err);

/* [io] Makes a node read-only or writable, all else as it is (QEMU's bdrv_reopen_set_read_only:
 * change-backing-file, commit). */
int reopen_set_read_only(struct node *n, bool read_only, struct error *err);

#endif
