/* Actions of the transaction command, and of commands that are a transaction of one action.
 *
 *   prepare (each, in order) -> all prepared: txn_commit, finish (each) -> clean (each)
 *                            \-> one failed:  txn_abort ----------------/
 *
 * What is prepared is in force for the actions that follow; the way back is on the txn.  A kind
 * keeps what it must remember of one action in a state of its own.
 */
#ifndef MODEL_QMP_TRANSACTION_H
#define MODEL_QMP_TRANSACTION_H

#include "model/node.h"
#include "model/schema.h"
#include "model/txn.h"

struct action;
struct job_txn;

struct action_kind {
    const char *name;                   /* TransactionActionKind */
    bool grouped; /* It can take part in completion-mode=grouped. */
    size_t state_size;                  /* action_state(), zeroed before prepare; 0: none. */
    const struct schema_type *data;     /* What "data" is. */
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
    struct job_txn *jobs; /* completion-mode=grouped: where an action's job goes; else NULL. */
    void *state;          /* The kind's own; lasts from prepare to clean. */
};

static inline void *action_state(const struct action *a)
{
    return a->state;
}

/* cmd_snapshot.c: BlockdevSnapshot, BlockdevSnapshotSync */
extern const struct schema_type schema_snapshot, schema_snapshot_sync;
extern const struct action_kind action_snapshot, action_snapshot_sync;

/* cmd_bitmap.c */
extern const struct action_kind action_bitmap_add, action_bitmap_clear, action_bitmap_enable,
    action_bitmap_disable, action_bitmap_merge, action_bitmap_remove;

/* cmd_backup.c: BlockdevBackup, DriveBackup */
extern const struct schema_type schema_blockdev_backup, schema_drive_backup;
extern const struct action_kind action_blockdev_backup, action_drive_backup;

/* [io] Runs one action as a transaction of its own. */
int transaction_run_one(struct layer *l, const struct action_kind *kind, const json_t *data,
                        struct error *err);

#endif
