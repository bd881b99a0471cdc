/* The stream job: what the layers below a node hold, down to a base, goes into the node, which then
 * stands on the base (QEMU docs/interop/live-block-operations.rst, qapi block-core.json:
 * block-stream).
 *
 *   parents -> copy-on-read -file-> node -backing-> ... -> bottom -backing-> base   while it runs
 *   parents -> node -backing-> base                                                 afterwards
 */
#ifndef MODEL_JOB_STREAM_H
#define MODEL_JOB_STREAM_H

#include "model/job/block_job.h"

struct stream_args {
    struct node *node;        /* A format, or filters above one. */
    struct node *base;        /* In its chain; NULL: everything below is copied, or up to */
    struct node *bottom;      /* the lowest image that is copied: no filter, in its chain; NULL. */
    const char *job_id;       /* NULL: the name of node's block device. */
    const char *backing_file; /* What the header says afterwards; NULL: base's name. */
    const char *filter_name;  /* Of the filter; NULL: made up, implicit. */
    int64_t speed;            /* Bytes per second, 0: no limit; checked here. */
    enum on_error on_error;
    uint32_t flags;           /* enum job_flags */
};

/* [io] The caller has checked the blockers (BLOCK_OP_STREAM of all from node to above base).
 * Errors: QEMU's texts; nothing has changed then. */
int stream_start(const struct stream_args *args, struct error *err);

#endif
