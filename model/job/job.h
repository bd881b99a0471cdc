/* Jobs: long operations beside the guests (QEMU docs/interop/live-block-operations.rst and
 * qapi/job.json).
 *
 *                        +------> standby <--> ready ----------------+
 *                        |  pause         resume |                   |
 *   undefined -> created -> running <--> paused  +-- (run returns) --+-> waiting -> pending
 *                   |          |                                            |          |
 *                   |          +------------(error, cancel)-> aborting <----+----------+
 *                   |                                            |                     | finalize
 *                   +-> (never started)                          +-----> concluded <---+
 *                                                                           |
 *                                                                  dismiss  +-> null
 *
 * The table of job_state.c says which moves and which verbs are legal; each move is an event.
 *
 * A job's run function is a coroutine in the iothread of its node.  What follows when it returns
 * happens in the main loop, under the layer's lock (qmp_lock), so that it never meets a command
 * half way: all jobs of its transaction have come so far -> pending -> (finalize) -> prepare of
 * each, then commit, clean of each; or, when one failed, abort, clean of each.
 *
 * Pausing: whoever wants the job to rest raises pause_count (the user, a drained section of one of
 * its nodes).  The run function meets that at its next pause point (job_pause_point, job_sleep,
 * job_wait).  A section waits for a job that is neither at rest nor waiting.
 *
 * Ownership: a job frees itself when it is dismissed (or never started), after its coroutine is
 * gone.  What else keeps a pointer takes a reference.
 */
#ifndef MODEL_JOB_JOB_H
#define MODEL_JOB_JOB_H

#include "base/error.h"
#include "sim/clock.h"
#include "sim/sync.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct child;
struct layer;
struct job;
struct job_txn;

/* qapi JobType, in the order of the schema. */
enum job_type {
    JOB_COMMIT, JOB_STREAM, JOB_MIRROR, JOB_BACKUP, JOB_CREATE, JOB_AMEND, JOB_TYPES
};
const char *job_type_name(enum job_type t);

/* qapi JobStatus */
enum job_status {
    JOB_UNDEFINED, JOB_CREATED, JOB_RUNNING, JOB_PAUSED, JOB_READY, JOB_STANDBY, JOB_WAITING,
    JOB_PENDING, JOB_ABORTING, JOB_CONCLUDED, JOB_NULL, JOB_STATUSES
};
/* qapi JobVerb */
enum job_verb {
    JOB_VERB_CANCEL, JOB_VERB_PAUSE, JOB_VERB_RESUME, JOB_VERB_SET_SPEED, JOB_VERB_COMPLETE,
    JOB_VERB_FINALIZE, JOB_VERB_DISMISS, JOB_VERBS
};
const char *job_status_name(enum job_status s);
const char *job_verb_name(enum job_verb v);
bool job_move_is_legal(enum job_status from, enum job_status to);
bool job_verb_is_legal(enum job_status s, enum job_verb v);

/* What a kind of job does.  A NULL member: nothing, unless it says otherwise. */
struct job_driver {
    enum job_type type;
    size_t size; /* Of what begins with a struct job, zeroed at creation. */
    /* [io] The work; in a coroutine of its own.  Returns 0 or -errno; err may be set (else the text
     * of the errno is told). */
    int (*run)(struct job *j, struct error *err);
    /* [io] In its own coroutine: it has reached a pause point, and does not rest before this
     * returns.  [ctl] It goes on. */
    void (*pause)(struct job *j);
    void (*resume)(struct job *j);
    /* [ctl] The user lets it go on. */
    void (*user_resume)(struct job *j);
    /* [ctl] job-complete.  NULL: cannot be completed. */
    int (*complete)(struct job *j, struct error *err);
    /* [ctl] Asked to end: whether that is by force.  A job that goes on to its regular end after a
     * request that is not by force says false.  NULL: always by force. */
    bool (*cancel)(struct job *j, bool force);
    /* [ctl] Whether it has requests in flight that drained sections wait for, at rest or not. */
    bool (*in_flight)(const struct job *j);
    /* [ctl] Whether it has nothing to do until the user ends it.  NULL: never. */
    bool (*is_idle)(const struct job *j);
    /* [ctl] The speed has changed. */
    void (*set_speed)(struct job *j, uint64_t speed);
    /* [io] Main loop, under the lock.  prepare may fail (err as of run); then all of the
     * transaction abort. */
    int (*prepare)(struct job *j, struct error *err);
    void (*commit)(struct job *j);
    void (*abort)(struct job *j);
    void (*clean)(struct job *j);
    /* [io] The last reference has gone.  The job's memory is the caller's. */
    void (*free)(struct job *j);
    /* [ctl] Events of the kind (BLOCK_JOB_*): the job has got to that status, PENDING when it waits
     * for the user; completed or cancelled at its end. */
    void (*tell_ready)(struct job *j);
    void (*tell_pending)(struct job *j);
    void (*tell_ended)(struct job *j, bool cancelled);
};

struct job {
    struct layer *layer;
    struct sim *sim;
    const struct job_driver *drv;
    char *id;             /* NULL: internal, nobody sees it. */
    uint64_t serial;      /* In order of creation; from 1. */
    uint32_t refs;
    enum job_status status;
    bool auto_finalize, auto_dismiss;
    bool started;
    bool busy;            /* Its coroutine is not waiting in job_wait, job_sleep or at rest. */
    bool paused;          /* At rest at a pause point. */
    bool user_paused;
    bool cancelled, force_cancelled;
    bool ran;             /* run has returned. */
    bool locked;          /* It holds the layer's lock (job_lock). */
    bool finalized;
    uint32_t pause_count;
    uint32_t iothread;    /* Where run goes on at its next pause point. */
    int ret;              /* Once it ran: 0 or -errno. */
    char *error;          /* Text of its failure, or NULL. */
    int64_t progress, remaining; /* Units are the driver's: bytes for most. */
    struct co *co;        /* Of run; NULL before and after. */
    struct co_queue wake; /* It waits here. */
    struct co_queue ended; /* Those who wait until it ran, or is gone. */
    struct timer timer;
    struct job_txn *txn;  /* NULL once it is finalized. */
    struct job *txn_next;
    struct job *prev, *next; /* In layer->jobs: the youngest first. */
};

enum job_flags {
    JOB_MANUAL_FINALIZE = 1 << 0,
    JOB_MANUAL_DISMISS = 1 << 1,
};

/* ---- Transactions of jobs ---- */

struct job_txn *job_txn_new(void);
/* The reference of whom made it; its jobs have their own. */
void job_txn_unref(struct job_txn *t); /* NULL: nothing. */

/* ---- Life ---- */

/* [ctl] A job of drv->size bytes, in state created.  txn NULL: one of its own.  Errors: "An
 * explicit job ID is required" (id NULL), "Invalid job ID '%s'", "Job ID '%s' already in use". */
int job_create(struct layer *l, const char *id, const struct job_driver *drv, struct job_txn *txn,
               uint32_t flags, uint32_t iothread, struct job **out, struct error *err);
/* [io] Of a job that was never started: it goes as if it had failed, with events and without
 * prepare; the reference of job_create goes as well. */
void job_early_fail(struct job *j);
/* [ctl] Its coroutine runs, or rests when it is to pause already. */
void job_start(struct job *j);

struct job *job_ref(struct job *j);
void job_unref(struct job *j);

/* By id; NULL. */
struct job *job_find(const struct layer *l, const char *id);
/* The youngest first; NULL at the end. */
struct job *job_first(const struct layer *l);
struct job *job_next(const struct job *j);

/* [io] Every job is cancelled by force and gone when it returns: the layer is torn down.  The
 * caller does not hold the lock. */
void job_cancel_all(struct layer *l);
/* [io] The same for those that have done their work and wait to be finalized, which nobody will do:
 * they may hold guests back meanwhile. */
void job_cancel_waiting(struct layer *l);

/* ---- Verbs of the user: checked against the table; QEMU's texts ---- */

int job_check_verb(const struct job *j, enum job_verb v, struct error *err);
int job_user_pause(struct job *j, struct error *err);
int job_user_resume(struct job *j, struct error *err);
int job_user_cancel(struct job *j, bool force, struct error *err); /* [io] */
int job_user_complete(struct job *j, struct error *err);
int job_user_finalize(struct job *j, struct error *err);           /* [io] */
int job_user_dismiss(struct job *j, struct error *err);            /* [io] */

/* ---- For run functions and drivers ---- */

/* Asked to end, by force or not; by force. */
bool job_cancel_requested(const struct job *j);
bool job_is_cancelled(const struct job *j);
/* It has come so far that it takes no part in its nodes any more: waiting or later. */
bool job_is_completed(const struct job *j);

/* [ctl] Anyone: raises and lowers the count; wakes it so that it notices. */
void job_pause(struct job *j);
void job_resume(struct job *j);
/* [ctl] Wakes it when it waits or sleeps, not when it is at rest. */
void job_enter(struct job *j);
/* [ctl] The same only if it sleeps. */
void job_kick(struct job *j);

/* [io] Of the job's own coroutine. */
void job_pause_point(struct job *j);
void job_sleep(struct job *j, int64_t ns); /* Ends early when it is to rest, or cancelled. */
void job_wait(struct job *j);              /* Until job_enter; then as a pause point. */
/* [io] Takes the layer's lock and goes to the main loop: for a run function that must change
 * nothing between a last look and its end.  Released by job_unlock, or kept to the end.  While
 * it waits for it, a drained section does not wait for the job. */
void job_lock(struct job *j);
void job_unlock(struct job *j);
/* [ctl] running -> ready. */
void job_become_ready(struct job *j);

/* Progress in the driver's unit: done more; so much is left; so much more is left. */
void job_progress(struct job *j, int64_t done);
void job_set_remaining(struct job *j, int64_t remaining);
void job_add_remaining(struct job *j, int64_t more);

/* Whether a drained section has to wait for it. */
bool job_is_in_flight(const struct job *j);

#endif
