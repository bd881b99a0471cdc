/* Blockers: what may not be done to a node while something else relies on it (seed 004).
 *
 * Each stands on a node and names operations and a reason.  One action that concerns several nodes
 * takes all its blockers or none.
 */
#ifndef MODEL_BLOCKER_H
#define MODEL_BLOCKER_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct node;

enum block_op {
    BLOCK_OP_BACKUP_SOURCE,
    BLOCK_OP_BACKUP_TARGET,
    BLOCK_OP_CHANGE,
    BLOCK_OP_COMMIT_SOURCE,
    BLOCK_OP_COMMIT_TARGET,
    BLOCK_OP_DATAPLANE,
    BLOCK_OP_DRIVE_DEL,
    BLOCK_OP_EJECT,
    BLOCK_OP_EXTERNAL_SNAPSHOT,
    BLOCK_OP_INTERNAL_SNAPSHOT,
    BLOCK_OP_INTERNAL_SNAPSHOT_DELETE,
    BLOCK_OP_MIRROR_SOURCE,
    BLOCK_OP_MIRROR_TARGET,
    BLOCK_OP_RESIZE,
    BLOCK_OP_STREAM,
    BLOCK_OP_REPLACE,
    BLOCK_OPS
};
#define BLOCK_OP_ALL ((1u << BLOCK_OPS) - 1)

struct blocker;

/* Takes the operations on all the nodes, or on none: it fails when one of the nodes has a blocker
 * of an operation in `needs`.  ops, needs: masks of 1 << enum block_op.  reason: as QEMU's message
 * ends ("node is used as backing hd of 'top'").  The nodes must outlive the blocker.
 * Errors: -EBUSY "Node 'x' is busy: REASON". */
int blocker_take(struct node *const *nodes, size_t len, uint32_t needs, uint32_t ops,
                 const char *reason, struct blocker **out, struct error *err);
void blocker_release(struct blocker *b);

/* 0, or -EBUSY with the text of the newest blocker of that operation. */
int blocker_check(const struct node *n, enum block_op op, struct error *err);
/* How many stand on n whose reasons begin like that. */
uint32_t blocker_count(const struct node *n, const char *reason);

#endif
