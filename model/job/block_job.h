/* Block jobs: jobs that work on nodes (QEMU docs/interop/live-block-operations.rst; seed 004).
 *
 * A block job holds each of its nodes by an edge of its own (as which it uses and shares
 * permissions, and which drained sections reach), and has a blocker of every operation on each.
 */
#ifndef MODEL_JOB_BLOCK_JOB_H
#define MODEL_JOB_BLOCK_JOB_H

#include "model/backend.h"
#include "model/blocker.h"
#include "model/job/job.h"
#include "model/node.h"

/* Bytes per second in slices of 100 ms. */
struct rate_limit {
    uint64_t quota; /* Bytes a slice; 0: no limit. */
    int64_t slice_start_ns, slice_end_ns;
    uint64_t used;
};
void rate_limit_set(struct rate_limit *r, uint64_t bytes_per_s);
/* Counts bytes; how long to wait from now before more, in ns (0: not at all). */
int64_t rate_limit_delay_ns(struct rate_limit *r, uint64_t bytes, int64_t now_ns);

struct block_job_node; /* One node of a job. */

struct block_job {
    struct job job;
    struct block_job_node *nodes; /* The newest first. */
    uint64_t speed;               /* Bytes per second; 0: no limit. */
    struct rate_limit limit;
    enum io_status io_status;
};

static inline struct block_job *block_job_of(struct job *j)
{
    return (struct block_job *)j;
}

/* The id of a job on n when none is given: the name of the first block device that has n as its
 * medium; "": there is none. */
const char *block_job_default_id(const struct node *n);

/* [ctl] A job (drv->size is of what begins with a struct block_job) whose "main node" is n, used
 * and shared as perm says.  id NULL: the name of n's block device.  speed: bytes per second, what
 * the user gave (checked here).  Errors: QEMU's texts; nothing is left. */
int block_job_create(struct node *n, const char *id, const struct job_driver *drv,
                     struct job_txn *txn, struct perm_pair perm, int64_t speed, uint32_t flags,
                     struct block_job **out, struct error *err);
/* [ctl] One more node.  Errors: conflict of permissions. */
int block_job_add_node(struct block_job *b, const char *name, struct node *n,
                       struct perm_pair perm, struct error *err);
/* [ctl] All edges and blockers go (commit and abort of most jobs; the free does it anyway).  */
void block_job_remove_nodes(struct block_job *b);
/* The i-th edge, the newest first; NULL after the last. */
const struct child *block_job_edge(const struct block_job *b, size_t i);

/* The members of job_driver that every block job has: put BLOCK_JOB_DRIVER into its table. */
void block_job_free(struct job *j);
void block_job_user_resume(struct job *j);
void block_job_tell_ready(struct job *j);
void block_job_tell_pending(struct job *j);
void block_job_tell_ended(struct job *j, bool cancelled);
#define BLOCK_JOB_DRIVER                                                                           \
    .user_resume = block_job_user_resume, .tell_ready = block_job_tell_ready,                      \
    .tell_pending = block_job_tell_pending, .tell_ended = block_job_tell_ended

/* [ctl] block-job-set-speed.  Errors: verb; "Parameter 'speed' expects a non-negative value". */
int block_job_set_speed(struct block_job *b, int64_t speed, struct error *err);
/* How long to wait after `bytes` more, in ns: 0 without a limit. */
int64_t block_job_delay_ns(struct block_job *b, int64_t bytes);

/* [ctl] What to do about an error (errnum positive) under a policy: tells it (BLOCK_JOB_ERROR), and
 * with STOP pauses the job as the user would. */
enum error_action block_job_error(struct block_job *b, enum on_error policy, bool is_read,
                                  int errnum);

/* query-block-jobs: BlockJobInfo, new. */
json_t *block_job_info(const struct block_job *b);
/* The block job of that id (not an internal one), or NULL with QEMU's DeviceNotActive. */
struct block_job *block_job_find(const struct layer *l, const char *id, struct error *err);
bool job_is_block_job(const struct job *j);

#endif
