/* SPDX-License-Identifier: MIT */
#include "model/job/block_job.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/layer_state.h"
#include "model/watch.h"
#include "sim/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct block_job_node {
    struct child *edge;
    struct blocker *blocker;
    struct block_job_node *next;
};

/* ---- The job as a parent ---- */

static void describe(const struct child *c, struct strbuf *out)
{
    const struct job *j = c->opaque;
    strbuf_printf(out, "%s job '%s'", job_type_name(j->drv->type), j->id);
}

static void drained(struct child *c, bool begin)
{
    (begin ? job_pause : job_resume)(c->opaque);
}

static uint32_t in_flight(const struct child *c)
{
    return job_is_in_flight(c->opaque);
}

static void set_iothread(struct child *c, uint32_t iothread)
{
    struct job *j = c->opaque;
    j->iothread = iothread;
}

static struct child *first_edge(const struct child *c)
{
    const struct block_job *b = c->opaque;
    return b->nodes ? b->nodes->edge : NULL;
}

static struct child *next_edge(const struct child *c)
{
    const struct block_job *b = c->opaque;
    const struct block_job_node *n = b->nodes;
    while (n && n->edge != c) {
        n = n->next;
    }
    return n && n->next ? n->next->edge : NULL;
}

static const struct child_parent job_parent = {
    .describe = describe,
    .drained = drained,
    .in_flight = in_flight,
    .set_iothread = set_iothread,
    .first_edge = first_edge,
    .next_edge = next_edge,
    .stay_at_node = true,
};

/* ---- Nodes ---- */

int block_job_add_node(struct block_job *b, const char *name, struct node *n,
                       struct perm_pair perm, struct error *err)
{
    struct block_job_node *one = NEW(struct block_job_node);
    int ret = child_attach(n, name, 0, NULL, &job_parent, b, perm, &one->edge, err);
    if (ret < 0) {
        free(one);
        return ret;
    }
    one->next = b->nodes;
    b->nodes = one;
    char *reason = mem_printf("block device is in use by block job: %s",
                              job_type_name(b->job.drv->type));
    uint32_t ops = BLOCK_OP_ALL;
    if (!one->next) {
        ops &= ~(1u << BLOCK_OP_DATAPLANE);
    }
    ret = blocker_take(&n, 1, 0, ops, reason, &one->blocker, NULL);
    CHECK(ret == 0);
    free(reason);
    return 0;
}

void block_job_remove_nodes(struct block_job *b)
{
    while (b->nodes) {
        struct block_job_node *one = b->nodes;
        b->nodes = one->next;
        blocker_release(one->blocker);
        child_detach(one->edge);
        free(one);
    }
}

const struct child *block_job_edge(const struct block_job *b, size_t i)
{
    const struct block_job_node *one = b->nodes;
    for (; one && i > 0; i--) {
        one = one->next;
    }
    return one ? one->edge : NULL;
}

/* ---- Life ---- */

bool job_is_block_job(const struct job *j)
{
    return j->drv->tell_ended == block_job_tell_ended;
}

struct block_job *block_job_find(const struct layer *l, const char *id, struct error *err)
{
    struct job *j = job_find(l, id);
    if (!j || !job_is_block_job(j)) {
        error_set_class(err, ERROR_DEVICE_NOT_ACTIVE, -ENOENT, "Block job '%s' not found", id);
        return NULL;
    }
    return block_job_of(j);
}

const char *block_job_default_id(const struct node *n)
{
    const struct backend *b = n->layer->backends;
    while (b && !(backend_node(b) == n && *backend_name(b))) {
        b = backend_next(b);
    }
    return b ? backend_name(b) : "";
}

int block_job_create(struct node *n, const char *id, const struct job_driver *drv,
                     struct job_txn *txn, struct perm_pair perm, int64_t speed, uint32_t flags,
                     struct block_job **out, struct error *err)
{
    struct job *j;
    CHECK(drv->size >= sizeof(struct block_job) && drv->free);
    const char *name = id ? id : block_job_default_id(n);
    int ret = job_create(n->layer, name, drv, txn, flags, n->iothread, &j, err);
    if (ret < 0) {
        return ret;
    }
    struct block_job *b = block_job_of(j);
    b->io_status = IO_STATUS_OK;
    ret = block_job_add_node(b, "main node", n, perm, err);
    if (ret == 0 && speed != 0) {
        ret = block_job_set_speed(b, speed, err);
    }
    if (ret < 0) {
        job_early_fail(j);
        return ret;
    }
    *out = b;
    return 0;
}

void block_job_free(struct job *j)
{
    block_job_remove_nodes(block_job_of(j));
}

/* ---- Speed ---- */

#define SLICE_NS (100 * NS_PER_MS)

void rate_limit_set(struct rate_limit *r, uint64_t bytes_per_s)
{
    uint64_t slices_per_s = (uint64_t)(NS_PER_S / SLICE_NS);
    r->quota = bytes_per_s == 0 ? 0 : MAX(bytes_per_s / slices_per_s, 1u);
}

int64_t rate_limit_delay_ns(struct rate_limit *r, uint64_t bytes, int64_t now_ns)
{
    if (r->quota == 0) {
        return 0;
    }
    if (now_ns > r->slice_end_ns) {
        r->slice_start_ns = now_ns;
        r->slice_end_ns = now_ns + SLICE_NS;
        r->used = 0;
    }
    r->used += bytes;
    if (r->used < r->quota) {
        return 0;
    }
    uint64_t slices = MIN(r->used / r->quota, (uint64_t)(INT64_MAX / 4 / SLICE_NS));
    r->slice_end_ns = r->slice_start_ns + (int64_t)slices * SLICE_NS;
    return r->slice_end_ns - now_ns;
}

int block_job_set_speed(struct block_job *b, int64_t speed, struct error *err)
{
    uint64_t old = b->speed;
    int ret = job_check_verb(&b->job, JOB_VERB_SET_SPEED, err);
    if (ret < 0) {
        return ret;
    }
    if (speed < 0) {
        return error_set(err, -EINVAL, "Parameter 'speed' expects a non-negative value");
    }
    b->speed = (uint64_t)speed;
    rate_limit_set(&b->limit, b->speed);
    if (b->job.drv->set_speed) {
        b->job.drv->set_speed(&b->job, b->speed);
    }
    if (b->speed == 0 || b->speed > old) {
        job_kick(&b->job);
    }
    return 0;
}

int64_t block_job_delay_ns(struct block_job *b, int64_t bytes)
{
    CHECK(bytes >= 0);
    return rate_limit_delay_ns(&b->limit, (uint64_t)bytes, sim_now_ns(b->job.sim));
}

/* An event without a status; data is stolen. */
static void tell(struct job *j, const char *name, json_t *data)
{
    CHECK(data != NULL);
    watch_job_event(j, name, NULL);
    layer_emit(j->layer, name, data);
}

/* ---- Errors ---- */

static enum error_action action_for(enum on_error policy, int errnum)
{
    switch (policy) {
    case ON_ERROR_ENOSPC:
    case ON_ERROR_AUTO:
        return errnum == ENOSPC ? ERROR_ACTION_STOP : ERROR_ACTION_REPORT;
    case ON_ERROR_STOP:
        return ERROR_ACTION_STOP;
    case ON_ERROR_IGNORE:
        return ERROR_ACTION_IGNORE;
    default:
        return ERROR_ACTION_REPORT;
    }
}

enum error_action block_job_error(struct block_job *b, enum on_error policy, bool is_read,
                                  int errnum)
{
    static const char *const names[] = { "ignore", "report", "stop" };
    CHECK(errnum > 0);
    enum error_action action = action_for(policy, errnum);
    json_t *data = json_pack("{s:s, s:s, s:s}", "device", b->job.id, "operation",
                             is_read ? "read" : "write", "action", names[action]);
    CHECK(data != NULL);
    tell(&b->job, "BLOCK_JOB_ERROR", data);
    if (action == ERROR_ACTION_STOP) {
        if (!b->job.user_paused) {
            b->job.user_paused = true; /* So that the user can let it go on. */
            job_pause(&b->job);
        }
        if (b->io_status == IO_STATUS_OK) {
            b->io_status = errnum == ENOSPC ? IO_STATUS_NOSPACE : IO_STATUS_FAILED;
        }
    }
    return action;
}

void block_job_user_resume(struct job *j)
{
    block_job_of(j)->io_status = IO_STATUS_OK;
}

/* ---- What is told ---- */

static json_t *progress(const struct block_job *b)
{
    const struct job *j = &b->job;
    json_t *data = json_object();
    json_object_set_new_nocheck(data, "device", json_string_nocheck(j->id));
    json_object_set_new_nocheck(data, "len", json_integer(j->progress + j->remaining));
    json_object_set_new_nocheck(data, "offset", json_integer(j->progress));
    json_object_set_new_nocheck(data, "speed", json_integer((json_int_t)b->speed));
    json_object_set_new_nocheck(data, "type", json_string_nocheck(job_type_name(j->drv->type)));
    return data;
}

void block_job_tell_ready(struct job *j)
{
    tell(j, "BLOCK_JOB_READY", progress(block_job_of(j)));
}

void block_job_tell_pending(struct job *j)
{
    json_t *data = json_pack("{s:s, s:s}", "type", job_type_name(j->drv->type), "id", j->id);
    CHECK(data != NULL);
    tell(j, "BLOCK_JOB_PENDING", data);
}

void block_job_tell_ended(struct job *j, bool cancelled)
{
    json_t *data = progress(block_job_of(j));
    if (!cancelled && j->ret < 0) {
        json_object_set_new(data, "error", json_string(j->error));
    }
    tell(j, cancelled ? "BLOCK_JOB_CANCELLED" : "BLOCK_JOB_COMPLETED", data);
}

json_t *block_job_info(const struct block_job *b)
{
    static const char *const status[] = { "ok", "failed", "nospace" };
    const struct job *j = &b->job;
    json_t *info = progress(b);
    json_t *more = json_pack("{s:b, s:s, s:b, s:b, s:s, s:b, s:b}", "auto-finalize",
                             j->auto_finalize, "io-status", status[b->io_status], "auto-dismiss",
                             j->auto_dismiss, "busy", j->busy && !j->ran, "status",
                             job_status_name(j->status), "paused", j->pause_count > 0, "ready",
                             j->status == JOB_READY || j->status == JOB_STANDBY);
    CHECK(more != NULL);
    json_object_update(info, more);
    json_decref(more);
    if (j->ret < 0) {
        json_object_set_new(info, "error", json_string(j->error ? j->error
                                                                : error_strerror(-j->ret)));
    }
    return info;
}
