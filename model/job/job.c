/* SPDX-License-Identifier: MIT */
/* The life of a job up to the return of its run function: coroutine, pausing, sleeping, progress.
 * What follows is in job_end.c.
 *
 *            job_start            job_wait, job_sleep, pause point
 *   created ----------> busy <--------------------------------------> not busy (in j->wake)
 *                        |                job_enter
 *                        +-- run returns: ran; takes the lock; job_completed
 *
 * Invariants: a job that is not busy has its coroutine in j->wake, or waits for the layer's lock;
 * busy is set by whom wakes it, so a drained section waits for one that has been woken and did not
 * run yet.
 */
#include "model/job/job.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/drain.h"
#include "model/job/job_private.h"
#include "model/layer_state.h"
#include "model/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- States ---- */

void job_move(struct job *j, enum job_status to)
{
    CHECK(job_move_is_legal(j->status, to));
    enum job_status from = j->status;
    if (from == to) {
        return; /* An end that was settled already. */
    }
    j->status = to;
    watch_job_moves(j, (enum view_job_status)from);
    if (j->id) {
        const char *status = job_status_name(to);
        const struct event_member members[] = { { "status", status, 0 }, { "id", j->id, 0 } };
        watch_job_event(j, "JOB_STATUS_CHANGE", status);
        layer_emit_members(j->layer, "JOB_STATUS_CHANGE", members, ARRAY_LEN(members));
    }
}

bool job_cancel_requested(const struct job *j)
{
    return j->cancelled;
}

bool job_is_cancelled(const struct job *j)
{
    return j->force_cancelled;
}

bool job_is_completed(const struct job *j)
{
    return j->status >= JOB_WAITING;
}

/* ---- The list ---- */

struct job *job_find(const struct layer *l, const char *id)
{
    struct job *j = l->jobs;
    while (j && (!j->id || strcmp(j->id, id) != 0)) {
        j = j->next;
    }
    return j;
}

struct job *job_first(const struct layer *l)
{
    return l->jobs;
}

struct job *job_next(const struct job *j)
{
    return j->next;
}

static void link_job(struct job *j)
{
    struct layer *l = j->layer;
    j->serial = ++l->job_serials;
    j->next = l->jobs;
    if (l->jobs) {
        l->jobs->prev = j;
    }
    l->jobs = j;
}

static void unlink_job(struct job *j)
{
    struct layer *l = j->layer;
    *(j->prev ? &j->prev->next : &l->jobs) = j->next;
    if (j->next) {
        j->next->prev = j->prev;
    }
}

/* ---- Creation ---- */

/* Whether it can be woken: it rests, sleeps or waits; not when it waits for the layer's lock. */
static bool is_still(const struct job *j)
{
    CHECK(!j->busy || co_queue_empty(&j->wake));
    return !co_queue_empty(&j->wake);
}

static void wake_up(struct job *j)
{
    CHECK(is_still(j));
    j->busy = true;
    timer_cancel(&j->sim->clock, &j->timer);
    co_queue_wake_one(&j->wake);
}

static void alarm(void *opaque)
{
    wake_up(opaque);
}

static int check_id(const struct layer *l, const char *id, struct error *err)
{
    if (!id) {
        return error_set(err, -EINVAL, "An explicit job ID is required");
    }
    if (!text_is_identifier(id)) {
        return error_set(err, -EINVAL, "Invalid job ID '%s'", id);
    }
    return job_find(l, id) ? error_set(err, -EEXIST, "Job ID '%s' already in use", id) : 0;
}

int job_create(struct layer *l, const char *id, const struct job_driver *drv, struct job_txn *txn,
               uint32_t flags, uint32_t iothread, struct job **out, struct error *err)
{
    int ret = check_id(l, id, err);
    if (ret < 0) {
        return ret;
    }
    CHECK(drv->size >= sizeof(struct job) && drv->run);
    struct job *j = mem_zalloc(drv->size);
    j->layer = l;
    j->sim = l->sim;
    j->drv = drv;
    j->id = mem_strdup(id);
    j->refs = 1;
    j->auto_finalize = !(flags & JOB_MANUAL_FINALIZE);
    j->auto_dismiss = !(flags & JOB_MANUAL_DISMISS);
    j->iothread = iothread;
    j->wake.what = "what the job waits for";
    j->ended.what = "the end of a job";
    timer_init(&j->timer, alarm, j);
    link_job(j);
    struct job_txn *own = txn ? NULL : job_txn_new();
    job_txn_join(txn ? txn : own, j);
    job_txn_unref(own);
    job_move(j, JOB_CREATED);
    *out = j;
    return 0;
}

struct job *job_ref(struct job *j)
{
    CHECK(j->refs > 0);
    j->refs++;
    return j;
}

void job_unref(struct job *j)
{
    CHECK(j->refs > 0);
    if (--j->refs > 0) {
        return;
    }
    CHECK(j->status == JOB_NULL && !j->txn && !j->co && !timer_is_set(&j->timer));
    if (j->drv->free) {
        j->drv->free(j);
    }
    free(j->error);
    free(j->id);
    free(j);
}

void job_dismiss(struct job *j)
{
    if (j->txn) {
        job_txn_leave(j);
    }
    job_move(j, JOB_NULL);
    unlink_job(j);
    j->ran = true;
    co_queue_wake_all(&j->ended);
    job_unref(j);
}

void job_early_fail(struct job *j)
{
    CHECK(j->status == JOB_CREATED && !j->started);
    job_dismiss(j);
}

/* ---- The coroutine ---- */

static void begin_rest(struct job *j)
{
    j->paused = true;
    job_move(j, j->status == JOB_READY ? JOB_STANDBY : JOB_PAUSED);
}

static void end_rest(struct job *j)
{
    j->paused = false;
    job_move(j, j->status == JOB_STANDBY ? JOB_READY : JOB_RUNNING);
}

static bool is_to_rest(const struct job *j)
{
    return j->pause_count > 0 && !job_is_cancelled(j);
}

static void job_main(void *opaque)
{
    struct job *j = opaque;
    struct layer *l = j->layer;
    struct error err = ERROR_INIT;
    job_pause_point(j);
    int ret = j->drv->run(j, &err);
    CHECK(ret <= 0 && co_self(j->sim) == j->co);
    co_move(j->sim, 0);
    j->ret = ret;
    if (err.code < 0) {
        j->error = mem_strdup(err.text);
    }
    j->ran = true;
    co_queue_wake_all(&j->ended);
    drain_progress(l);
    if (!j->locked) {
        qmp_lock(l);
    }
    if (!j->finalized && !job_is_completed(j)) {
        job_completed(j);
    }
    j->co = NULL;
    co_queue_wake_all(&j->ended);
    job_unref(j);
    qmp_unlock(l);
}

void job_start(struct job *j)
{
    CHECK(j->status == JOB_CREATED && !j->started);
    j->started = j->busy = true;
    job_move(j, JOB_RUNNING);
    if (is_to_rest(j)) {
        begin_rest(j);
    }
    job_ref(j);
    j->co = co_create(j->sim, j->id, j->iothread, job_main, j);
}

/* [io] Until somebody wakes it, or a time. */
static void be_still(struct job *j, const char *what, int64_t ns)
{
    CHECK(j->busy && co_self(j->sim) == j->co);
    j->busy = false;
    j->wake.what = what;
    if (ns >= 0) {
        timer_set(&j->sim->clock, &j->timer, sim_now_ns(j->sim) + ns);
    }
    drain_progress(j->layer);
    co_queue_wait(j->sim, &j->wake);
    CHECK(j->busy);
}

static void go_where_it_belongs(struct job *j)
{
    if (j->co->iothread != j->iothread && !j->locked) {
        co_move(j->sim, j->iothread);
    }
}

void job_pause_point(struct job *j)
{
    bool told = false;
    while (is_to_rest(j)) {
        if (!told && j->drv->pause) {
            told = true;
            j->drv->pause(j);
            continue; /* It may take its time. */
        }
        told = true;
        if (!j->paused) {
            begin_rest(j);
        }
        be_still(j, "somebody to let the job go on", -1);
    }
    if (j->paused) {
        end_rest(j);
    }
    go_where_it_belongs(j);
    if (told && j->drv->resume) {
        j->drv->resume(j);
    }
}

void job_sleep(struct job *j, int64_t ns)
{
    if (!job_is_cancelled(j) && !is_to_rest(j)) {
        be_still(j, "its time to go on", ns);
    }
    job_pause_point(j);
}

void job_wait(struct job *j)
{
    if (!job_is_cancelled(j) && !is_to_rest(j)) {
        be_still(j, "what the job waits for", -1);
    }
    job_pause_point(j);
}

void job_enter(struct job *j)
{
    if (is_still(j) && !is_to_rest(j)) {
        wake_up(j);
    }
}

void job_kick(struct job *j)
{
    if (timer_is_set(&j->timer)) {
        job_enter(j);
    }
}

void job_pause(struct job *j)
{
    j->pause_count++;
    if (is_still(j) && !j->paused) {
        wake_up(j); /* To its pause point. */
    }
}

void job_resume(struct job *j)
{
    CHECK(j->pause_count > 0);
    if (--j->pause_count == 0 && j->paused) {
        end_rest(j); /* Told now, though another section may come before it runs. */
        job_enter(j);
    }
}

bool job_is_in_flight(const struct job *j)
{
    if (!j->started || j->ran || job_is_completed(j)) {
        return false;
    }
    /* With the lock it looks at its nodes once more, and may itself drain them. */
    bool at_work = j->busy && !j->locked;
    return at_work || (j->drv->in_flight && j->drv->in_flight(j));
}

void job_lock(struct job *j)
{
    CHECK(!j->locked && j->busy && co_self(j->sim) == j->co);
    co_move(j->sim, 0);
    j->busy = false;
    drain_progress(j->layer);
    qmp_lock(j->layer);
    j->busy = j->locked = true;
}

void job_unlock(struct job *j)
{
    CHECK(j->locked && co_self(j->sim) == j->co);
    j->locked = false;
    qmp_unlock(j->layer);
    go_where_it_belongs(j);
}

void job_become_ready(struct job *j)
{
    job_move(j, JOB_READY);
    if (j->drv->tell_ready) {
        j->drv->tell_ready(j);
    }
}

/* ---- Progress ---- */

void job_progress(struct job *j, int64_t done)
{
    CHECK(done >= 0);
    j->progress += done;
    j->remaining -= done;
}

void job_set_remaining(struct job *j, int64_t remaining)
{
    j->remaining = remaining;
}

void job_add_remaining(struct job *j, int64_t more)
{
    j->remaining += more;
}
