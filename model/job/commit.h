/* The commit job: what the layers from top down to above base hold goes into base, and then top's
 * overlays stand on base (QEMU docs/interop/live-block-operations.rst, qapi block-core.json:
 * block-commit).  The active layer is committed by a mirror: model/job/mirror.h.
 *
 *   overlays -> commit_top -backing-> top ... -> base         while it runs
 *   overlays -> base                                          when it has ended
 */
#ifndef MODEL_JOB_COMMIT_H
#define MODEL_JOB_COMMIT_H

#include "model/job/block_job.h"

struct commit_args {
    struct node *active;      /* The root that the job is named after and keeps from changing. */
    struct node *top, *base;  /* In its chain, base below top. */
    const char *job_id;       /* NULL: the name of active's block device. */
    const char *backing_file; /* What the overlays' headers say afterwards; NULL: base's name. */
    const char *filter_name;  /* Of commit_top; NULL: made up, implicit. */
    int64_t speed;            /* Bytes per second, 0: no limit; checked here. */
    enum on_error on_error;
    uint32_t flags;           /* enum job_flags */
};

/* [io] The caller has checked the blockers (BLOCK_OP_COMMIT_SOURCE of active, _TARGET of the chain
 * and of top's overlay).  Errors: QEMU's texts; nothing has changed then. */
int commit_start(const struct commit_args *args, struct error *err);

/* The filter's driver: not in the registry. */
extern const struct blk_driver commit_top_driver;

#endif
