/* SPDX-License-Identifier: MIT */
/* The mirror job: its start, its run, and what the user asks of it.
 *
 *   run:  copy what the scan found and what is written meanwhile -> clean: ready -> keep clean
 *         -> asked to end and clean: lock, drain the source, look once more -> end (mirror_end.c)
 *
 * Between that last look and the change of the graph nothing can get dirty: the source stays
 * drained while the job waits for others of its transaction, or for the user to finalize it.
 */
#include "model/drain.h"
#include "model/iothread.h"
#include "model/job/buffer.h"
#include "model/job/chain.h"
#include "model/job/filter.h"
#include "model/job/mirror_private.h"
#include "model/layer_state.h"
#include "model/proposal.h"
#include "model/reopen.h"
#include "model/watch.h"

#include <errno.h>
#include <stdlib.h>

/* ---- Running ---- */

static void update_progress(struct mirror *m)
{
    job_set_remaining(&m->base.job,
                      bitset_count(m->dirty) + m->in_flight_bytes + m->guest_bytes);
}

/* Until something has changed: a request has ended, a guest has written, the user wants
 * something. */
static void wait_for_news(struct mirror *m)
{
    struct job *j = &m->base.job;
    int64_t left = m->retry_ns - sim_now_ns(j->sim);
    m->waits = true;
    if (left > 0) {
        job_sleep(j, left);
    } else {
        job_wait(j);
    }
    m->waits = false;
}

/* After a start of requests: as the speed limit has it. */
static void hold_to_speed(struct mirror *m, int64_t charged)
{
    int64_t ns = block_job_delay_ns(&m->base, charged);
    if (ns > 0) {
        job_sleep(&m->base.job, ns);
    } else {
        job_pause_point(&m->base.job);
    }
}

static bool is_ready(const struct job *j)
{
    return j->status == JOB_READY || j->status == JOB_STANDBY;
}

static bool is_asked_to_end(const struct mirror *m)
{
    return m->should_complete || job_cancel_requested(&m->base.job);
}

/* [io] Keeps the lock, and the source drained, when it says yes: target and source are alike. */
static bool have_come_to_end(struct mirror *m)
{
    struct job *j = &m->base.job;
    job_lock(j);
    if (j->pause_count == 0 && !job_is_cancelled(j)) {
        drain_begin(m->source);
        if (bitset_count(m->dirty) == 0 && m->ret == 0 && mirror_flush_target(m) == 0 &&
            bitset_count(m->dirty) == 0) {
            m->drained = true;
            return true;
        }
        drain_end(m->source);
    }
    job_unlock(j);
    job_pause_point(j);
    return false;
}

static int keep_copying(struct mirror *m)
{
    struct job *j = &m->base.job;
    for (;;) {
        job_pause_point(j);
        if (m->ret < 0 || job_is_cancelled(j)) {
            return m->ret;
        }
        update_progress(m);
        bool held = sim_now_ns(j->sim) < m->retry_ns;
        int64_t charged = held ? -1 : mirror_start_some(m);
        if (charged >= 0) {
            hold_to_speed(m, charged);
        } else if (held || m->in_flight > 0 || bitset_count(m->dirty) > 0) {
            wait_for_news(m);
        } else if (!is_ready(j)) {
            if (mirror_flush_target(m) == 0) {
                job_become_ready(j);
            }
        } else if (!is_asked_to_end(m)) {
            wait_for_news(m);
        } else if (have_come_to_end(m)) {
            return 0;
        }
    }
}

static void tell_start(const struct mirror *m)
{
    struct job_note note = { .point = JOB_AT_START, .source = m->source, .target = m->target };
    note.sync = m->sync == MIRROR_SYNC_TOP    ? JOB_SYNC_TOP
                : m->sync == MIRROR_SYNC_FULL ? JOB_SYNC_FULL
                                              : JOB_SYNC_NONE;
    watch_job(&m->base.job, note);
}

static int mirror_run(struct job *j, struct error *err)
{
    struct mirror *m = mirror_of(j);
    tell_start(m);
    int ret = mirror_copy_begin(m, err);
    if (ret == 0 && m->sync != MIRROR_SYNC_NONE) {
        ret = mirror_scan(m);
    }
    if (ret == 0) {
        ret = keep_copying(m);
    }
    mirror_wait_all(m);
    mirror_copy_end(m);
    return ret;
}

/* ---- What is asked of it ---- */

/* Nobody else changes what the target is to replace, from now to the end. */
static int hold_replaced(struct mirror *m, struct error *err)
{
    struct node *n = layer_find_node(m->base.job.layer, m->replaces);
    if (!n) {
        return error_set(err, -ENOENT, "Node name '%s' not found", m->replaces);
    }
    int ret = blocker_take(&n, 1, 0, BLOCK_OP_ALL,
                           "block device is in use by block-job-complete", &m->replace_blocker,
                           NULL);
    CHECK(ret == 0);
    m->to_replace = node_ref(n);
    n->held++;
    return 0;
}

static int mirror_complete(struct job *j, struct error *err)
{
    struct mirror *m = mirror_of(j);
    if (!is_ready(j)) {
        return error_set(err, -EINVAL, "The active block job '%s' cannot be completed", j->id);
    }
    int ret = m->replaces && !m->to_replace ? hold_replaced(m, err) : 0;
    if (ret == 0) {
        m->should_complete = true;
        job_enter(j);
    }
    return ret;
}

static bool mirror_cancel(struct job *j, bool force)
{
    return force || !is_ready(j);
}

static bool mirror_in_flight(const struct job *j)
{
    const struct mirror *m = (const struct mirror *)j;
    return m->in_flight > 0;
}

static int mirror_prepare(struct job *j, struct error *err)
{
    (void)err;
    return mirror_wrap_up(mirror_of(j), true);
}

static void mirror_abort(struct job *j)
{
    if (!mirror_of(j)->wrapped) {
        mirror_wrap_up(mirror_of(j), false);
    }
}

static void mirror_free(struct job *j)
{
    struct mirror *m = mirror_of(j);
    CHECK(!m->first && !m->to_replace);
    block_job_free(j);
    free(m->replaces);
    job_buffer_give(j->layer, m->pool, (size_t)m->piece * m->slots);
    free(m->bounce);
}

#define MIRROR_DRIVER                                                                              \
    .size = sizeof(struct mirror), .run = mirror_run, .complete = mirror_complete,                 \
    .cancel = mirror_cancel, .in_flight = mirror_in_flight, .prepare = mirror_prepare,             \
    .abort = mirror_abort, .free = mirror_free, BLOCK_JOB_DRIVER

static const struct job_driver mirror_driver = { .type = JOB_MIRROR, MIRROR_DRIVER };
static const struct job_driver commit_active_driver = { .type = JOB_COMMIT, MIRROR_DRIVER };

/* ---- The start ---- */

struct start {
    const struct mirror_args *args;
    const struct job_driver *drv;
    struct node *base;   /* Commit: the target. */
    bool auto_complete;
};

/* The backend through which the target is written. */
static int open_target(struct mirror *m, struct error *err)
{
    struct perm_pair perm = { .used = PERM_WRITE, .shared = PERM_WRITE_UNCHANGED };
    if (m->to_backing) { /* The source stands on it. */
        perm.shared |= PERM_CONSISTENT_READ | PERM_WRITE;
        if (io_length(m->target) < io_length(m->source)) {
            perm.used |= PERM_RESIZE;
        }
    }
    struct backend *b = backend_create(m->base.job.layer, NULL, perm);
    backend_set_queue(b, false);
    int ret = backend_insert(b, m->target, err);
    if (ret < 0) {
        backend_destroy(b);
        return ret;
    }
    m->backend = b;
    return 0;
}

/* What lies between source and target stays as it is, but for what is written to it. */
static int hold_chain(struct mirror *m, struct error *err)
{
    const struct node *overlay = chain_overlay(m->source, m->target);
    struct node *n = m->source;
    bool above_image = true; /* n stands in or above the overlay, not on the target. */
    int ret = 0;
    while (ret == 0 && n != m->target) {
        above_image = above_image && n != overlay;
        n = node_below(n);
        CHECK(n != NULL);
        struct perm_pair perm = { .used = 0, .shared = PERM_WRITE_UNCHANGED | PERM_WRITE };
        perm.shared |= above_image ? 0 : PERM_CONSISTENT_READ;
        if (n != m->target) {
            ret = block_job_add_node(&m->base, "intermediate node", n, perm, err);
        }
    }
    return ret < 0 ? ret : chain_freeze(m->filter, m->target, err);
}

static int hold_nodes(struct mirror *m, struct error *err)
{
    const struct perm_pair source = { .used = 0, .shared = PERM_ALL & ~PERM_RESIZE };
    const struct perm_pair target = { .used = 0, .shared = PERM_ALL };
    int ret = block_job_add_node(&m->base, "source", m->source, source, err);
    if (ret == 0) {
        ret = block_job_add_node(&m->base, "target", m->target, target, err);
    }
    return ret == 0 && m->to_backing ? hold_chain(m, err) : ret;
}

static void bitmap_was_marked(void *opaque)
{
    mirror_wake(opaque);
}

static void record_writes(struct mirror *m)
{
    int ret = bitmap_create(m->source, NULL, m->granularity, &m->bitmap, NULL);
    CHECK(ret == 0);
    m->dirty = bitmap_set(m->bitmap);
    bitmap_on_mark(m->bitmap, bitmap_was_marked, m);
    if (m->write_blocking) { /* Each write is copied, or marked, by the filter. */
        bitmap_set_enabled(m->bitmap, false);
    }
}

static const struct node *find_scan_base(const struct mirror *m, const struct start *s)
{
    const struct node *overlay = NULL;
    if (s->base) {
        overlay = chain_overlay(m->source, s->base);
    } else if (m->sync == MIRROR_SYNC_TOP) {
        overlay = node_skip_filters(m->source);
    }
    const struct child *c = overlay ? node_backing(overlay) : NULL;
    return c ? c->node : NULL;
}

static void take_args(struct mirror *m, const struct start *s, struct node *filter)
{
    const struct mirror_args *a = s->args;
    m->filter = filter;
    m->source = a->source;
    m->target = a->target;
    m->sync = a->sync;
    m->backing = a->backing;
    m->to_backing = node_chain_contains(a->source, a->target);
    m->scan_base = find_scan_base(m, s);
    m->zero_target = a->zero_target;
    m->unmap = a->unmap;
    m->write_blocking = a->write_blocking;
    m->granularity = a->granularity ? a->granularity : bitmap_default_granularity(a->target);
    m->buf_size = a->buf_size ? a->buf_size : MIRROR_BUF_DEFAULT;
    m->on_source_error = a->on_source_error;
    m->on_target_error = a->on_target_error;
    m->replaces = a->replaces ? mem_strdup(a->replaces) : NULL;
    m->should_complete = s->auto_complete;
}

/* With the filter in place. */
static int start_behind(const struct start *s, struct node *filter, struct error *err)
{
    const struct mirror_args *a = s->args;
    const struct perm_pair perm = { .used = PERM_CONSISTENT_READ,
                                    .shared = PERM_ALL & ~PERM_RESIZE };
    struct mirror_top *top = node_state(filter);
    struct block_job *b;
    int ret = block_job_create(filter, a->job_id, s->drv, NULL, perm, a->speed, a->flags, &b, err);
    if (ret < 0) {
        return ret;
    }
    struct mirror *m = mirror_of(&b->job);
    take_args(m, s, filter);
    ret = open_target(m, err);
    if (ret == 0) {
        record_writes(m);
        ret = hold_nodes(m, err);
    }
    if (ret < 0) {
        if (m->backend) {
            bitmap_release(m->bitmap);
            backend_destroy(m->backend);
        }
        job_early_fail(&b->job);
        return ret;
    }
    top->job = m;
    job_start(&b->job);
    return 0;
}

static int start_job(const struct start *s, struct error *err)
{
    const struct mirror_args *a = s->args;
    struct node *filter;
    struct txn txn = TXN_INIT;
    if (a->buf_size < 0) {
        return error_set(err, -EINVAL, "Invalid parameter 'buf-size'");
    }
    if (node_skip_filters(a->source) == node_skip_filters(a->target)) {
        return error_set(err, -EINVAL, "Can't mirror node into itself");
    }
    int ret = filter_open(a->source, &mirror_top_driver, a->filter_name, "backing", false, &filter,
                          err);
    if (ret < 0) {
        return ret;
    }
    struct mirror_top *top = node_state(filter);
    top->to_backing = node_chain_contains(a->source, a->target);
    ret = txn_end(&txn, filter_insert(filter, a->source, &txn, err));
    if (ret == 0) {
        ret = start_behind(s, filter, err);
        if (ret < 0) {
            filter_remove(filter);
        }
    }
    node_unref(filter); /* The job's edge keeps it. */
    return ret;
}

int mirror_start(const struct mirror_args *args, struct error *err)
{
    struct start s = { .args = args, .drv = &mirror_driver };
    return start_job(&s, err);
}

int mirror_start_commit_active(struct node *top, struct node *base, const char *id, int64_t speed,
                               enum on_error on_error, const char *filter_name, bool auto_complete,
                               uint32_t flags, struct error *err)
{
    struct mirror_args args = { .job_id = id,
                                .source = top,
                                .target = base,
                                .sync = MIRROR_SYNC_TOP,
                                .backing = MIRROR_BACKING_LEAVE,
                                .speed = speed,
                                .on_source_error = on_error,
                                .on_target_error = on_error,
                                .unmap = true,
                                .filter_name = filter_name,
                                .flags = flags };
    struct start s = { .args = &args,
                       .drv = &commit_active_driver,
                       .base = base,
                       .auto_complete = auto_complete };
    bool read_only = base->flags.read_only;
    CHECK(node_chain_contains(top, base) && top != base);
    int ret = read_only ? reopen_set_read_only(base, false, err) : 0;
    if (ret < 0) {
        return ret;
    }
    ret = start_job(&s, err);
    if (ret < 0 && read_only) {
        reopen_set_read_only(base, true, NULL);
    }
    return ret;
}
