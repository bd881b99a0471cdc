/* SPDX-License-Identifier: MIT */
/* The end of jobs: together in their transaction, under the layer's lock.
 *
 *   run returns --> failed? --> abort all: the others are cancelled, awaited; abort, clean of each
 *               \-> waiting --> all have come so far --> pending --> (the user) --> prepare of each
 *                                                  one failed: abort all <---------------------/  |
 *                                                                   commit, clean of each <------/
 *
 * and for each: completed or cancelled is told, concluded, and (auto-dismiss) null.
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/job/job_private.h"
#include "model/layer_state.h"

#include <errno.h>
#include <stdlib.h>

/* ---- Transactions ---- */

struct job_txn *job_txn_new(void)
{
    struct job_txn *t = NEW(struct job_txn);
    t->refs = 1;
    return t;
}

void job_txn_unref(struct job_txn *t)
{
    if (t && --t->refs == 0) {
        CHECK(!t->jobs);
        free(t);
    }
}

void job_txn_join(struct job_txn *t, struct job *j)
{
    CHECK(!j->txn);
    j->txn_next = t->jobs; /* The youngest is the first to end. */
    t->jobs = j;
    j->txn = t;
    t->refs++;
}

void job_txn_leave(struct job *j)
{
    struct job_txn *t = j->txn;
    struct job **p = &t->jobs;
    while (*p != j) {
        CHECK(*p != NULL);
        p = &(*p)->txn_next;
    }
    *p = j->txn_next;
    j->txn_next = NULL;
    j->txn = NULL;
    job_txn_unref(t);
}

/* ---- One job ---- */

/* Settles how it ended. */
static void settle_result(struct job *j)
{
    if (j->ret == 0 && job_is_cancelled(j)) {
        j->ret = -ECANCELED;
    }
    if (j->ret < 0) {
        if (!j->error) {
            j->error = mem_strdup(error_strerror(-j->ret));
        }
        job_move(j, JOB_ABORTING);
    }
}

static void conclude(struct job *j)
{
    job_move(j, JOB_CONCLUDED);
    if (j->auto_dismiss || !j->started) {
        job_dismiss(j);
    }
}

static void finalize_one(struct job *j)
{
    CHECK(job_is_completed(j) && !j->finalized);
    j->finalized = true;
    settle_result(j);
    void (*end)(struct job *) = j->ret == 0 ? j->drv->commit : j->drv->abort;
    if (end) {
        end(j);
    }
    if (j->drv->clean) {
        j->drv->clean(j);
    }
    if (j->started && j->drv->tell_ended) {
        j->drv->tell_ended(j, job_is_cancelled(j));
    }
    job_txn_leave(j);
    conclude(j);
}

/* ---- Together ---- */

/* [io] Waits until its run has returned.  Others have the lock meanwhile: the job may need it. */
static void await_run(struct job *j)
{
    struct layer *l = j->layer;
    struct qmp_session *session = l->session;
    if (!j->started || j->ran) {
        return;
    }
    l->session = NULL;
    qmp_unlock(l);
    while (!j->ran) {
        co_queue_wait(j->sim, &j->ended);
    }
    qmp_lock(l);
    l->session = session;
}

void job_abort_all(struct job *j)
{
    struct job_txn *t = j->txn;
    if (t->aborting) {
        return; /* Whoever aborts it waits for this one. */
    }
    t->aborting = true;
    t->refs++;
    for (struct job *other = t->jobs; other; other = other->txn_next) {
        if (other != j) {
            job_ask_to_end(other, true);
        }
    }
    while (t->jobs) {
        struct job *one = t->jobs;
        if (!job_is_completed(one)) {
            CHECK(job_cancel_requested(one) || one == j);
            job_ref(one);
            job_enter(one);
            await_run(one);
            if (one->txn && !job_is_completed(one)) {
                settle_result(one);
            }
            job_unref(one);
        }
        if (t->jobs == one) {
            finalize_one(one);
        }
    }
    job_txn_unref(t);
}

void job_finalize(struct job *j)
{
    struct job_txn *t = j->txn;
    for (struct job *one = t->jobs; one; one = one->txn_next) {
        struct error err = ERROR_INIT;
        if (one->ret == 0 && one->drv->prepare) {
            one->ret = one->drv->prepare(one, &err);
        }
        if (err.code < 0) {
            CHECK(!one->error);
            one->error = mem_strdup(err.text);
        }
        settle_result(one);
        if (one->ret < 0) {
            job_abort_all(one);
            return;
        }
    }
    t->refs++;
    while (t->jobs) {
        finalize_one(t->jobs);
    }
    job_txn_unref(t);
}

static void all_have_come(struct job *j)
{
    bool manual = false;
    for (struct job *one = j->txn->jobs; one; one = one->txn_next) {
        job_move(one, JOB_PENDING);
        if (!one->auto_finalize && one->drv->tell_pending) {
            one->drv->tell_pending(one);
        }
        manual |= !one->auto_finalize;
    }
    if (!manual) {
        job_finalize(j);
    }
}

void job_completed(struct job *j)
{
    CHECK(j->txn && !job_is_completed(j));
    settle_result(j);
    if (j->ret < 0) {
        job_abort_all(j);
        return;
    }
    job_move(j, JOB_WAITING);
    for (const struct job *other = j->txn->jobs; other; other = other->txn_next) {
        if (!job_is_completed(other)) {
            return;
        }
        CHECK(other->ret == 0);
    }
    all_have_come(j);
}

/* ---- Cancelling ---- */

void job_ask_to_end(struct job *j, bool force)
{
    force = j->drv->cancel ? j->drv->cancel(j, force) : true;
    if (j->user_paused) {
        if (j->drv->user_resume) {
            j->drv->user_resume(j);
        }
        j->user_paused = false;
        CHECK(j->pause_count > 0);
        j->pause_count--;
    }
    /* One that is done already is not asked politely. */
    if (force || !j->ran) {
        j->cancelled = true;
        j->force_cancelled |= force;
    }
}

void job_cancel(struct job *j, bool force)
{
    if (j->status == JOB_CONCLUDED) {
        job_dismiss(j);
        return;
    }
    job_ask_to_end(j, force);
    if (!j->started) {
        j->ran = true;
        job_completed(j);
    } else if (!j->ran) {
        job_enter(j);
    } else if (job_is_cancelled(j) && j->txn) {
        job_abort_all(j);
    }
}

void job_cancel_all(struct layer *l)
{
    while (l->jobs) {
        struct job *j = job_ref(l->jobs);
        qmp_lock(l);
        if (j->status != JOB_NULL) {
            j->auto_dismiss = true;
            job_cancel(j, true);
        }
        qmp_unlock(l);
        while (j->status != JOB_NULL || j->co) {
            co_queue_wait(l->sim, &j->ended);
        }
        job_unref(j);
    }
}

/* Come so far that only others, or the user, are waited for, and not being aborted already. */
static struct job *find_waiting(const struct layer *l)
{
    struct job *j = l->jobs;
    while (j && ((j->status != JOB_WAITING && j->status != JOB_PENDING) || j->txn->aborting)) {
        j = j->next;
    }
    return j;
}

void job_cancel_waiting(struct layer *l)
{
    struct job *j;
    if (!find_waiting(l)) {
        return;
    }
    qmp_lock(l);
    while ((j = find_waiting(l)) != NULL) {
        job_cancel(j, true);
    }
    qmp_unlock(l);
}

/* ---- Verbs ---- */

int job_check_verb(const struct job *j, enum job_verb v, struct error *err)
{
    return job_verb_is_legal(j->status, v)
               ? 0
               : error_set(err, -EPERM, "Job '%s' in state '%s' cannot accept command verb '%s'",
                           j->id, job_status_name(j->status), job_verb_name(v));
}

int job_user_pause(struct job *j, struct error *err)
{
    int ret = job_check_verb(j, JOB_VERB_PAUSE, err);
    if (ret == 0 && j->user_paused) {
        ret = error_set(err, -EBUSY, "Job is already paused");
    }
    if (ret == 0) {
        j->user_paused = true;
        job_pause(j);
    }
    return ret;
}

int job_user_resume(struct job *j, struct error *err)
{
    if (!j->user_paused || j->pause_count == 0) {
        return error_set(err, -EINVAL, "Can't resume a job that was not paused");
    }
    int ret = job_check_verb(j, JOB_VERB_RESUME, err);
    if (ret == 0) {
        if (j->drv->user_resume) {
            j->drv->user_resume(j);
        }
        j->user_paused = false;
        job_resume(j);
    }
    return ret;
}

int job_user_cancel(struct job *j, bool force, struct error *err)
{
    int ret = job_check_verb(j, JOB_VERB_CANCEL, err);
    if (ret == 0) {
        job_cancel(j, force);
    }
    return ret;
}

int job_user_complete(struct job *j, struct error *err)
{
    int ret = job_check_verb(j, JOB_VERB_COMPLETE, err);
    if (ret < 0) {
        return ret;
    }
    if (job_cancel_requested(j) || !j->drv->complete) {
        return error_set(err, -EINVAL, "The active block job '%s' cannot be completed", j->id);
    }
    return j->drv->complete(j, err);
}

int job_user_finalize(struct job *j, struct error *err)
{
    int ret = job_check_verb(j, JOB_VERB_FINALIZE, err);
    if (ret == 0) {
        job_finalize(j);
    }
    return ret;
}

int job_user_dismiss(struct job *j, struct error *err)
{
    int ret = job_check_verb(j, JOB_VERB_DISMISS, err);
    if (ret == 0) {
        job_dismiss(j);
    }
    return ret;
}
