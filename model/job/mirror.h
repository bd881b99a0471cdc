/* The mirror job: a target becomes and stays a copy of a node that is in use, until the user
 * completes the job; the active commit is the same towards a node below (QEMU
 * docs/interop/live-block-operations.rst, qapi block-core.json: blockdev-mirror, block-commit).
 *
 *   parents -> mirror_top -backing-> source ... -> base        job -> mirror_top ("main node")
 *                                                              backend of the job -> target
 *   complete, the target as clean as the source:
 *   parents -> target           (or, with replaces: the parents of that node -> target)
 *
 * mirror.c        its start, its run, and what the user asks of it;
 * mirror_copy.c   what is copied, in what pieces, several at a time;
 * mirror_end.c    the graph without the filter, with the target in the place of what it replaces;
 * mirror_top.c    the filter that guests' requests pass.
 */
#ifndef MODEL_JOB_MIRROR_H
#define MODEL_JOB_MIRROR_H

#include "model/job/block_job.h"

/* qapi MirrorSyncMode, as far as mirrors know it. */
enum mirror_sync { MIRROR_SYNC_TOP, MIRROR_SYNC_FULL, MIRROR_SYNC_NONE };

/* Where the target gets its backing file from when the job completes. */
enum mirror_backing {
    MIRROR_BACKING_SOURCE, /* The source's (sync=none: the source): drive-mirror, new image. */
    MIRROR_BACKING_OPEN,   /* What its header names is opened: drive-mirror mode=existing. */
    MIRROR_BACKING_LEAVE,  /* It stays as it is: blockdev-mirror. */
};

/* What a mirror is started with.  buf_size, filter_name, speed and the nodes are checked by
 * mirror_start, the rest by the caller. */
struct mirror_args {
    const char *job_id;      /* NULL: the name of the source's block device. */
    struct node *source;
    struct node *target;
    const char *replaces;    /* Node name; NULL: the source itself.  Checked by the command. */
    enum mirror_sync sync;
    enum mirror_backing backing;
    bool zero_target;        /* What the target holds outside of what is copied is not known. */
    int64_t speed;           /* Bytes per second; 0: no limit. */
    uint32_t granularity;    /* Bytes; 0: the target's cluster, within 4 to 64 KiB. */
    int64_t buf_size;        /* Bytes; 0: the default. */
    enum on_error on_source_error, on_target_error;
    bool unmap;
    const char *filter_name; /* NULL: made up, implicit. */
    bool write_blocking;     /* copy-mode */
    uint32_t flags;          /* enum job_flags */
};

/* [io] Starts a mirror.  Errors: QEMU's texts; nothing has changed then. */
int mirror_start(const struct mirror_args *args, struct error *err);

/* Whether a copy of n may take the place of `to` without a change of what others see: n itself,
 * what it stands for as a filter, a quorum's own child. */
bool mirror_may_replace(const struct node *n, const struct node *to);

/* [io] Starts an active commit: a job of type "commit" that copies into base what top (the node
 * under the guests, or the top overlay of a chain) has and base has not, gets ready, keeps up with
 * what is written, and replaces top by base for all parents when it is completed.  base is made
 * writable (reopened when it was read-only; once the job has started it stays so, as QEMU leaves
 * it) and resized to top's length when it is shorter.
 *   id           NULL: the name of top's block device.
 *   speed        bytes per second, 0: no limit; checked here.
 *   on_error     of both sides.
 *   filter_name  of the mirror_top node; NULL: made up, implicit.
 *   auto_complete  it completes by itself as soon as it is ready (qemu-img commit).
 *   flags        enum job_flags.
 * The caller has checked: base below top; the blockers (BLOCK_OP_COMMIT_SOURCE of top,
 * _COMMIT_TARGET of the chain).  Errors: QEMU's texts; nothing has changed then. */
int mirror_start_commit_active(struct node *top, struct node *base, const char *id, int64_t speed,
                               enum on_error on_error, const char *filter_name, bool auto_complete,
                               uint32_t flags, struct error *err);

/* The filter's driver: not in the registry. */
extern const struct blk_driver mirror_top_driver;

#endif
