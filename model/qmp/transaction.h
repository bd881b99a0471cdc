/* Actions of the transaction command, and of commands that are a transaction of one action.
 *
 *   prepare (each, in order) -> all prepared: txn_commit, finish (each) -> clean (each)
 *                            \-> one failed:  txn_abort ----------------/
 *
 * What is prepared is in force for the actions that follow; the way back is on the txn.
 */
#ifndef MODEL_QMP_TRANSACTION_H
#define MODEL_QMP_TRANSACTION_H

#include "model/node.h"
#include "model/schema.h"
#include "model/txn.h"

struct action;

struct action_kind {
    const char *name;                   /* TransactionActionKind */
    bool grouped; /* It can take part in completion-mode=grouped. */
    /* [io] data: checked.  Errors: QEMU's texts; clean is called nevertheless. */
    int (*prepare)(struct layer *l, const json_t *data, struct action *a, struct txn *txn,
                   struct error *err);
    /* [io] What follows when all of it is in force.  NULL: nothing. */
    void (*finish)(struct action *a);
    /* [io] NULL: nothing. */
    void (*clean)(struct action *a);
};

struct action {
    const struct action_kind *kind;
    struct node *node, *overlay; /* Of snapshots.  Referenced, or NULL. */
    bool drained;                /* node is. */
};

/* cmd_snapshot.c: BlockdevSnapshot, BlockdevSnapshotSync */
extern const struct schema_type schema_snapshot, schema_snapshot_sync;
extern const struct action_kind action_snapshot, action_snapshot_sync;

/* [io] Runs one action as a transaction of its own. */
int transaction_run_one(struct layer *l, const struct action_kind *kind, const json_t *data,
                        struct error *err);

#endif
