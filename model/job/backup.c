/* SPDX-License-Identifier: MIT */
/* The backup job: see model/job/backup.h.
 *
 *   backup_create --> backup_start --> run: copy until nothing is left --> commit, clean
 *         \                              |  ^                          \-> abort, clean
 *          \-> undo (the transaction     v  |
 *              was aborted): abort,    pause: the copying stops, and begins anew afterwards
 *              clean
 *
 * Invariants:
 *  1. Nobody but the job copies in the background, and at rest it does not copy.
 *  2. The bitmap is frozen from creation to commit or abort, and its successor has what was written
 *     meanwhile.
 *  3. The filter is in the graph until clean, or until the undo of its insertion.
 */
#include "model/job/backup.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/dirty_bitmap.h"
#include "model/iothread.h"
#include "model/job/block_copy.h"
#include "model/job/filter.h"
#include "model/layer_state.h"
#include "model/watch.h"

#include <errno.h>
#include <stdlib.h>

struct backup_job {
    struct block_job common;
    struct node *filter; /* The main node, whose edge keeps it, until clean. */
    struct block_copy *copy;
    enum job_sync sync;
    struct dirty_bitmap *bitmap; /* Frozen; NULL: none. */
    enum bitmap_mode bitmap_mode;
    enum on_error on_source_error, on_target_error;
    unsigned workers;
    int64_t max_chunk;
    bool undone;                   /* Its filter goes with the transaction that brought it. */
    struct block_copy_call *call;  /* Copying in the background; or NULL. */
    struct co_queue stopped;       /* The job waits here for its end. */
    int64_t ignored_ns;            /* When an error was ignored; -1: none was. */
};

static struct backup_job *backup_of(struct job *j)
{
    return (struct backup_job *)j;
}

/* ---- Progress ---- */

/* In whole clusters, the last one of the disk included. */
static int64_t left(const struct backup_job *b)
{
    int64_t cluster = block_copy_cluster_size(b->copy);
    return round_up(bitset_count(block_copy_todo(b->copy)), cluster) +
           round_up(block_copy_in_flight(b->copy), cluster);
}

static void on_progress(void *opaque, int64_t bytes)
{
    struct backup_job *b = opaque;
    if (bytes > 0) {
        job_progress(&b->common.job, round_up(bytes, block_copy_cluster_size(b->copy)));
    }
    job_set_remaining(&b->common.job, left(b));
}

/* ---- What oracles are told ---- */

static bool next_dirty(const void *opaque, int64_t *offset, int64_t *bytes)
{
    const struct backup_job *b = opaque;
    const struct bitset *todo = block_copy_todo(b->copy);
    int64_t length = bitset_length(todo);
    return *offset < length &&
           bitset_next_area(todo, *offset, length - *offset, 0, offset, bytes);
}

static void note(struct backup_job *b, enum job_point point)
{
    watch_job(&b->common.job, (struct job_note){
                                  .point = point,
                                  .sync = b->sync,
                                  .source = node_filtered(b->filter)->node,
                                  .target = node_child(b->filter, "target")->node,
                                  .dirty = b->sync == JOB_SYNC_BITMAP ? next_dirty : NULL,
                                  .opaque = b,
                              });
}

/* ---- The work ---- */

static void on_stopped(void *opaque)
{
    struct backup_job *b = opaque;
    if (co_queue_empty(&b->stopped)) {
        job_enter(&b->common.job);
    } else {
        co_queue_wake_all(&b->stopped);
    }
}

/* [io] Ends the copying in the background: what is under way ends first. */
static void stop(struct backup_job *b)
{
    if (!b->call || block_copy_finished(b->call)) {
        return;
    }
    block_copy_cancel(b->call);
    while (!block_copy_finished(b->call)) {
        co_queue_wait(b->common.job.sim, &b->stopped);
    }
}

/* [io] In the job's own coroutine: until it returns the job counts as busy. */
static void backup_pause(struct job *j)
{
    stop(backup_of(j));
}

enum round { ROUND_DONE, ROUND_STOPPED, ROUND_FAILED };

/* [io] Copies what is left, until it is done, stopped, or fails. */
static enum round copy_round(struct backup_job *b, int *ret, bool *is_read)
{
    struct job *j = &b->common.job;
    b->call = block_copy_start(b->copy, 0, block_copy_length(b->copy), b->workers, b->max_chunk,
                               on_stopped, b);
    while (!block_copy_finished(b->call) && !job_is_cancelled(j)) {
        job_wait(j);
    }
    stop(b);
    bool stopped = block_copy_cancelled(b->call);
    *ret = block_copy_result(b->call, is_read);
    block_copy_call_free(b->call);
    b->call = NULL;
    return *ret < 0 ? ROUND_FAILED : stopped ? ROUND_STOPPED : ROUND_DONE;
}

/* An error that is ignored once more in the same instant would be so for ever. */
static void be_patient(struct backup_job *b)
{
    struct job *j = &b->common.job;
    int64_t now_ns = sim_now_ns(j->sim);
    bool again = b->ignored_ns == now_ns;
    b->ignored_ns = now_ns;
    if (again) {
        job_sleep(j, NS_PER_MS);
    }
}

static int copy_all(struct backup_job *b)
{
    struct job *j = &b->common.job;
    for (;;) {
        int ret;
        bool is_read;
        enum round r = copy_round(b, &ret, &is_read);
        if (job_is_cancelled(j) || r == ROUND_DONE) {
            return 0;
        }
        if (r == ROUND_FAILED) {
            enum on_error policy = is_read ? b->on_source_error : b->on_target_error;
            enum error_action a = block_job_error(&b->common, policy, is_read, -ret);
            if (a == ERROR_ACTION_REPORT) {
                return ret;
            }
            if (a == ERROR_ACTION_IGNORE) {
                be_patient(b);
            }
        }
        job_pause_point(j);
        if (job_is_cancelled(j)) {
            return 0;
        }
    }
}

/* sync=top: takes out what the source has from below. */
static int leave_out_unallocated(struct backup_job *b)
{
    int64_t length = block_copy_length(b->copy);
    int64_t bytes;
    int ret = 0;
    block_copy_set_skip_unallocated(b->copy, true);
    for (int64_t offset = 0; offset < length && ret >= 0; offset += bytes) {
        job_pause_point(&b->common.job);
        if (job_is_cancelled(&b->common.job)) {
            return 0;
        }
        ret = block_copy_reset_unallocated(b->copy, offset, &bytes);
        CHECK(ret < 0 || bytes > 0);
    }
    if (ret < 0) {
        return ret;
    }
    block_copy_set_skip_unallocated(b->copy, false);
    return 0;
}

static int backup_run(struct job *j, struct error *err)
{
    struct backup_job *b = backup_of(j);
    int ret = 0;
    (void)err;
    if (b->sync == JOB_SYNC_NONE) {
        while (!job_is_cancelled(j)) {
            job_wait(j);
        }
        return 0;
    }
    if (b->sync == JOB_SYNC_TOP) {
        ret = leave_out_unallocated(b);
    }
    return ret < 0 || job_is_cancelled(j) ? ret : copy_all(b);
}

static bool backup_is_idle(const struct job *j)
{
    return ((const struct backup_job *)j)->sync == JOB_SYNC_NONE;
}

static void backup_set_speed(struct job *j, uint64_t speed)
{
    struct backup_job *b = backup_of(j);
    if (!b->copy) {
        return; /* Under creation. */
    }
    block_copy_set_speed(b->copy, speed);
    block_copy_kick(b->copy);
}

/* ---- The end ---- */

static void settle_bitmap(struct backup_job *b, bool success)
{
    bool sync = (success || b->bitmap_mode == BITMAP_ALWAYS) && b->bitmap_mode != BITMAP_NEVER &&
                !b->undone;
    if (!b->bitmap) {
        return;
    }
    if (!sync) {
        bitmap_reclaim(b->bitmap);
    } else {
        struct dirty_bitmap *next = bitmap_abdicate(b->bitmap);
        if (!success) {
            bitset_merge(bitmap_set(next), block_copy_todo(b->copy)); /* What was not copied. */
        }
    }
    b->bitmap = NULL;
}

static void backup_commit(struct job *j)
{
    struct backup_job *b = backup_of(j);
    note(b, JOB_AT_END);
    settle_bitmap(b, true);
}

static void backup_abort(struct job *j)
{
    struct backup_job *b = backup_of(j);
    if (j->started) {
        note(b, JOB_AT_FAIL);
    }
    settle_bitmap(b, false);
}

static void backup_clean(struct job *j)
{
    struct backup_job *b = backup_of(j);
    CHECK(!b->call && !b->bitmap);
    struct node *filter = node_ref(b->filter);
    block_copy_set_progress(b->copy, NULL, NULL);
    block_job_remove_nodes(&b->common);
    if (!b->undone) {
        filter_remove(filter);
    }
    node_unref(filter);
    b->filter = NULL;
    b->copy = NULL;
}

static const struct job_driver backup_driver = {
    .type = JOB_BACKUP,
    .size = sizeof(struct backup_job),
    BLOCK_JOB_DRIVER,
    .free = block_job_free,
    .run = backup_run,
    .pause = backup_pause,
    .is_idle = backup_is_idle,
    .set_speed = backup_set_speed,
    .commit = backup_commit,
    .abort = backup_abort,
    .clean = backup_clean,
};

/* ---- Creation ---- */

/* The way back. */
struct undo {
    struct node *filter;         /* Referenced. */
    struct dirty_bitmap *frozen; /* By whom has no job so far; or NULL. */
    struct job *job;             /* Referenced; NULL: there is none so far. */
};

static void undo_undo(void *opaque)
{
    struct undo *u = opaque;
    if (u->job && u->job->status == JOB_CREATED) {
        backup_of(u->job)->undone = true;
        int ret = job_user_cancel(u->job, true, NULL);
        CHECK(ret == 0);
    }
    if (u->frozen) {
        bitmap_reclaim(u->frozen);
    }
}

static void undo_clean(void *opaque)
{
    struct undo *u = opaque;
    node_unref(u->filter);
    if (u->job) {
        job_unref(u->job);
    }
    free(u);
}

static int check_perf(const struct backup_options *o, struct error *err)
{
    if (o->workers < 1 || o->workers > INT32_MAX) {
        return error_set(err, -EINVAL, "max-workers must be between 1 and %d", INT32_MAX);
    }
    if (o->max_chunk < 0) {
        return error_set(err, -EINVAL,
                         "max-chunk must be zero (which means no limit) or positive");
    }
    return 0;
}

static int check(const struct node *source, const struct node *target,
                 const struct backup_options *o, struct error *err)
{
    if (source == target) {
        return error_set(err, -EINVAL, "Source and target cannot be the same");
    }
    if (o->compress && !(target->limits.write_flags & IO_COMPRESSED)) {
        const char *device = node_device_or_name(target);
        bool has_device = device != target->name;
        return error_set(err, -ENOTSUP, "Compression is not supported for this drive %s",
                         has_device ? device : "");
    }
    int ret = blocker_check(source, BLOCK_OP_BACKUP_SOURCE, err);
    if (ret == 0) {
        ret = blocker_check(target, BLOCK_OP_BACKUP_TARGET, err);
    }
    return ret < 0 ? ret : check_perf(o, err);
}

static int check_sizes(const struct node *source, const struct node *target, struct error *err)
{
    return io_length(source) == io_length(target)
               ? 0
               : error_set(err, -EINVAL, "Source and target image have different sizes");
}

static int open_filter(struct node *source, struct node *target, const char *name,
                       struct node **out, struct error *err)
{
    json_t *options = json_pack("{s:s, s:s, s:s}", "driver", "copy-before-write", "file",
                                source->name, "target", target->name);
    CHECK(options != NULL);
    if (name) {
        json_object_set_new(options, "node-name", json_string(name));
    }
    int ret = node_open(source->layer, options, NULL, 0, out, err);
    json_decref(options);
    if (ret < 0) {
        error_prefix(err, "Could not create node: ");
    }
    return ret;
}

/* [io] Freezes the bitmap and puts the filter into the graph; *out has the way back, on txn. */
static int put_in(struct node *source, struct node *target, const struct backup_options *o,
                  struct txn *txn, struct undo **out, struct error *err)
{
    struct node *filter;
    int ret = o->bitmap ? bitmap_freeze(o->bitmap, err) : 0;
    if (ret < 0) {
        return ret;
    }
    ret = check_sizes(source, target, err);
    if (ret == 0) {
        ret = open_filter(source, target, o->filter_name, &filter, err);
    }
    if (ret < 0) {
        if (o->bitmap) {
            bitmap_reclaim(o->bitmap);
        }
        return ret;
    }
    ret = filter_insert(filter, source, txn, err);
    if (ret < 0) {
        error_prefix(err, "Could not replace node: ");
    }
    struct undo *u = NEW(struct undo);
    u->filter = filter;
    u->frozen = o->bitmap;
    txn_add(txn, (struct txn_action){ .undo = undo_undo, .clean = undo_clean, .opaque = u });
    *out = u;
    return ret;
}

static int check_chunk(const struct block_copy *copy, int64_t max_chunk, struct error *err)
{
    int64_t cluster = block_copy_cluster_size(copy);
    return max_chunk == 0 || max_chunk >= cluster
               ? 0
               : error_set(err, -EINVAL,
                           "Required max-chunk (%lld) is less than backup cluster size (%lld)",
                           (long long)max_chunk, (long long)cluster);
}

static void fill_in(struct backup_job *b, struct undo *u, struct block_copy *copy,
                    const struct backup_options *o)
{
    b->filter = u->filter;
    b->copy = copy;
    b->sync = o->sync;
    b->bitmap = o->bitmap;
    b->bitmap_mode = o->bitmap_mode;
    b->on_source_error = o->on_source_error;
    b->on_target_error = o->on_target_error;
    b->workers = (unsigned)o->workers;
    b->max_chunk = o->max_chunk;
    b->stopped.what = "the end of copying";
    b->ignored_ns = -1;
    u->frozen = NULL;
    u->job = job_ref(&b->common.job);
    if (o->compress) {
        block_copy_set_write_flags(copy, block_copy_write_flags(copy) | IO_COMPRESSED);
    }
    block_copy_set_speed(copy, b->common.speed);
    block_copy_set_progress(copy, on_progress, b);
}

int backup_create(struct node *source, struct node *target, const struct backup_options *o,
                  struct txn *txn, struct job **out, struct error *err)
{
    const struct perm_pair any = { .used = 0, .shared = PERM_ALL };
    struct undo *u = NULL;
    struct block_job *common;
    int ret = check(source, target, o, err);
    if (ret == 0) {
        ret = put_in(source, target, o, txn, &u, err);
    }
    if (ret < 0) {
        return ret;
    }
    struct block_copy *copy = u->filter->drv->snapshot->copy(u->filter);
    CHECK(copy != NULL);
    ret = check_chunk(copy, o->max_chunk, err);
    if (ret == 0) {
        ret = block_job_create(u->filter, o->id, &backup_driver, o->jobs, any, o->speed, o->flags,
                               &common, err);
    }
    if (ret < 0) {
        return ret;
    }
    fill_in((struct backup_job *)common, u, copy, o);
    ret = block_job_add_node(common, "target", target, any, NULL);
    CHECK(ret == 0);
    *out = job_ref(&common->job);
    return 0;
}

void backup_start(struct job *j)
{
    struct backup_job *b = backup_of(j);
    if (b->sync == JOB_SYNC_BITMAP) {
        struct bitset *todo = block_copy_todo(b->copy);
        bitset_clear_all(todo);
        bitset_merge(todo, bitmap_set(b->bitmap));
    }
    job_set_remaining(j, left(b));
    note(b, JOB_AT_START);
    job_start(j);
}
