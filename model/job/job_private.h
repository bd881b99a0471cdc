/* Between the files of the job core. */
#ifndef MODEL_JOB_JOB_PRIVATE_H
#define MODEL_JOB_JOB_PRIVATE_H

#include "model/job/job.h"

/* Jobs that succeed or fail together. */
struct job_txn {
    struct job *jobs; /* The youngest first. */
    uint32_t refs;
    bool aborting;
};

/* [ctl] Moves to that state (checked) and tells it. */
void job_move(struct job *j, enum job_status to);
/* [ctl] Asks it to end. */
void job_ask_to_end(struct job *j, bool force);

void job_txn_join(struct job_txn *t, struct job *j);
void job_txn_leave(struct job *j);

/* [io] Under the lock: j's run has returned, or will never be called. */
void job_completed(struct job *j);
/* [io] Under the lock: one of j's transaction has failed. */
void job_abort_all(struct job *j);
/* [io] Under the lock: it is forgotten. */
void job_dismiss(struct job *j);
/* [io] Under the lock: cancels it, by force or not, whatever its state. */
void job_cancel(struct job *j, bool force);
/* [io] Under the lock: prepare, then commit or abort of all of its transaction. */
void job_finalize(struct job *j);

#endif
