/* SPDX-License-Identifier: MIT */
#include "model/watch.h"

#include "base/check.h"
#include "model/job/block_job.h"
#include "model/job/job_private.h"
#include "model/layer_state.h"

_Static_assert(VIEW_JOB_UNDEFINED == (int)JOB_UNDEFINED && VIEW_JOB_CREATED == (int)JOB_CREATED &&
                   VIEW_JOB_RUNNING == (int)JOB_RUNNING && VIEW_JOB_PAUSED == (int)JOB_PAUSED &&
                   VIEW_JOB_READY == (int)JOB_READY && VIEW_JOB_STANDBY == (int)JOB_STANDBY &&
                   VIEW_JOB_WAITING == (int)JOB_WAITING && VIEW_JOB_PENDING == (int)JOB_PENDING &&
                   VIEW_JOB_ABORTING == (int)JOB_ABORTING &&
                   VIEW_JOB_CONCLUDED == (int)JOB_CONCLUDED && VIEW_JOB_NULL == (int)JOB_NULL,
               "statuses are shown as they are");

/* ---- Views ---- */

const struct job *inspect_first_job(const struct layer *l)
{
    return l->jobs;
}

const struct job *inspect_next_job(const struct job *j)
{
    return j->next;
}

/* Whether others of its transaction keep it from going on. */
static bool waits_for_others(const struct job *j)
{
    bool waits = false;
    for (const struct job *o = j->txn ? j->txn->jobs : NULL; o; o = o->txn_next) {
        waits |= o != j && (!job_is_completed(o) || !o->auto_finalize);
    }
    return waits;
}

void inspect_job(const struct job *j, struct job_view *out)
{
    *out = (struct job_view){ .job = j,
                              .serial = j->serial,
                              .id = j->id,
                              .type = job_type_name(j->drv->type),
                              .status = (enum view_job_status)j->status,
                              .pause_count = j->pause_count,
                              .user_paused = j->user_paused,
                              .auto_finalize = j->auto_finalize,
                              .auto_dismiss = j->auto_dismiss,
                              .started = j->started,
                              .busy = j->busy,
                              .paused = j->paused,
                              .sleeps = timer_is_set(&j->timer),
                              .works = j->drv->in_flight && j->drv->in_flight(j),
                              .idle = j->drv->is_idle && j->drv->is_idle(j),
                              .ran = j->ran,
                              .cancelled = j->cancelled,
                              .forced = j->force_cancelled,
                              .others = waits_for_others(j),
                              .block_job = job_is_block_job(j),
                              .progress = j->progress,
                              .remaining = j->remaining,
                              .ret = j->ret };
}

const struct child *inspect_job_edge(const struct job *j, size_t i)
{
    return job_is_block_job(j) ? block_job_edge((const struct block_job *)j, i) : NULL;
}

/* ---- Telling ---- */

void watch_job_moves(const struct job *j, enum view_job_status from)
{
    const struct graph_watch *w = &j->layer->watch;
    if (w->job_moves) {
        struct job_view v;
        inspect_job(j, &v);
        w->job_moves(w->opaque, &v, from);
    }
}

void watch_job_event(const struct job *j, const char *name, const char *status)
{
    const struct graph_watch *w = &j->layer->watch;
    CHECK(j->id != NULL);
    if (w->job_event) {
        w->job_event(w->opaque, &(struct job_event){ name, j->id, status });
    }
}

void watch_job(const struct job *j, struct job_note note)
{
    const struct graph_watch *w = &j->layer->watch;
    note.layer = j->layer;
    note.type = job_type_name(j->drv->type);
    note.serial = j->serial;
    CHECK(note.source != NULL);
    if (w->job_note) {
        w->job_note(w->opaque, &note);
    }
}
