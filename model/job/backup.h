/* The backup job: a copy of a disk as it was when the job began (QEMU qapi/block-core.json
 * BackupCommon, docs/interop/bitmaps.rst).
 *
 *   parents -> source          parents -> filter -file-> source
 *                                           \----target-> target
 *
 * The filter (copy-before-write) keeps the point in time, its engine (model/job/block_copy.h) does
 * all copying, and the job drives it: what guests have not had copied before their writes, the job
 * copies in the background.
 */
#ifndef MODEL_JOB_BACKUP_H
#define MODEL_JOB_BACKUP_H

#include "model/inspect.h"
#include "model/job/block_job.h"
#include "model/txn.h"

struct dirty_bitmap;

/* qapi BitmapSyncMode: what becomes of the bitmap at the end. */
enum bitmap_mode { BITMAP_ON_SUCCESS, BITMAP_NEVER, BITMAP_ALWAYS };

struct backup_options {
    const char *id;               /* NULL: the name of the source's block device. */
    enum job_sync sync;
    struct dirty_bitmap *bitmap;  /* Of the source, checked; NULL: none. */
    enum bitmap_mode bitmap_mode;
    int64_t speed;                /* As given: checked here. */
    bool compress;
    enum on_error on_source_error, on_target_error;
    const char *filter_name;      /* NULL: one is made up. */
    int64_t workers;              /* As given, as all that follows: 1 to INT32_MAX; */
    int64_t max_chunk;            /* bytes, 0: no limit. */
    uint32_t flags;               /* enum job_flags */
    struct job_txn *jobs;         /* NULL: it is alone. */
};

enum { BACKUP_WORKERS = 64 }; /* When nothing is said. */

/* [io] The filter is in its place and the bitmap is frozen when it returns 0; *out is a job that
 * has not started, with a reference of the caller's.  The way back, the job's end included, is on
 * txn.  Errors: QEMU's texts. */
int backup_create(struct node *source, struct node *target, const struct backup_options *o,
                  struct txn *txn, struct job **out, struct error *err);
/* [ctl] From here on the target is to show what the source holds now. */
void backup_start(struct job *j);

#endif
