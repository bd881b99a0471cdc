/* SPDX-License-Identifier: MIT */
/* The copying of a mirror: what is dirty goes to the target, several requests at a time.
 *
 *   dirty granules -> cleared, under way -> status of the source -> read and written, zeroed or
 *                                                                   discarded in a coroutine
 *        ^                                                                 |
 *        +----------- it failed, or somebody wrote meanwhile --------------+
 *
 * Invariants:
 *  1. A granule whose contents may differ from the source's is dirty, or under way, or a guest's
 *     write to it has not ended.
 *  2. Ranges that are under way, rounded out to m->unit, do not overlap but for guests' requests
 *     that wait for earlier ones.  The job starts nothing there, and waits for nobody: so nothing
 *     waits in a circle.
 *  3. Bits are cleared before the status is asked for: what changes later is dirty again.
 *  4. Buffers are taken when the job starts; what is read in symbolic form is written so.
 */
#include "model/io_private.h"
#include "model/job/buffer.h"
#include "model/job/mirror_private.h"

#include "model/job/filter.h"

#include <errno.h>
#include <stdlib.h>

/* The source as the job reads it: not through the filter, whose guests may be held back. */
static struct child *source_edge(const struct mirror *m)
{
    return node_filtered(m->filter);
}

void mirror_wake(struct mirror *m)
{
    if (m->waits) {
        job_enter(&m->base.job);
    }
}

/* ---- What is under way ---- */

static int64_t op_start(const struct mirror_op *op)
{
    return round_down(op->offset, op->m->unit);
}

static int64_t op_end(const struct mirror_op *op)
{
    return round_up(op->offset + op->bytes, op->m->unit);
}

static void op_link(struct mirror *m, struct mirror_op *op)
{
    op->m = m;
    op->done = (struct co_queue){ .what = "a copy of the same place" };
    op->next = NULL;
    op->prev = m->last;
    *(m->last ? &m->last->next : &m->first) = op;
    m->last = op;
}

static void op_unlink(struct mirror_op *op)
{
    struct mirror *m = op->m;
    *(op->prev ? &op->prev->next : &m->first) = op->next;
    *(op->next ? &op->next->prev : &m->last) = op->prev;
    co_queue_wake_all(&op->done);
}

/* The first of those that began before `before` (NULL: of all) and is in the way of the range. */
static struct mirror_op *find_overlap(const struct mirror *m, const struct mirror_op *before,
                                      int64_t start, int64_t end)
{
    struct mirror_op *op = m->first;
    while (op && op != before && (op_start(op) >= end || op_end(op) <= start)) {
        op = op->next;
    }
    return op == before ? NULL : op;
}

/* ---- Errors ---- */

/* A range that could not be copied is dirty again; the policy says what else comes of it. */
static void op_failed(struct mirror *m, int64_t offset, int64_t bytes, bool is_read, int ret)
{
    bitset_set(m->dirty, offset, bytes);
    enum error_action action = block_job_error(
        &m->base, is_read ? m->on_source_error : m->on_target_error, is_read, -ret);
    if (action == ERROR_ACTION_REPORT && m->ret == 0) {
        m->ret = ret;
    } else if (action == ERROR_ACTION_IGNORE) {
        m->retry_ns = sim_now_ns(m->base.job.sim) + 100 * NS_PER_MS;
    }
}

int mirror_flush_target(struct mirror *m)
{
    int ret = backend_flush(m->backend);
    if (ret < 0 && block_job_error(&m->base, m->on_target_error, false, -ret) ==
                       ERROR_ACTION_REPORT &&
        m->ret == 0) {
        m->ret = ret;
    }
    if (ret < 0) {
        m->retry_ns = sim_now_ns(m->base.job.sim) + 100 * NS_PER_MS;
    }
    return ret;
}

/* ---- One request of the job ---- */

static int copy(struct mirror_op *op, bool *is_read)
{
    struct mirror *m = op->m;
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, op->memory, (size_t)op->bytes);
    CHECK(op->bytes <= m->piece);
    buf.symbolic = true;
    iobuf_take_blocks(&buf, &op->blocks);
    int ret = io_read(source_edge(m), op->offset, &buf, 0);
    *is_read = ret < 0;
    if (ret == 0) {
        ret = backend_write(m->backend, op->offset, &buf, 0);
    }
    iobuf_blocks_drop(&op->blocks);
    return ret;
}

static int perform(struct mirror_op *op, bool *is_read)
{
    struct mirror *m = op->m;
    *is_read = false;
    switch (op->method) {
    case MIRROR_COPY:
        return copy(op, is_read);
    case MIRROR_ZERO:
        return backend_write_zeroes(m->backend, op->offset, op->bytes,
                                    m->unmap ? IO_MAY_UNMAP : 0);
    default:
        return backend_discard(m->backend, op->offset, op->bytes);
    }
}

static void op_main(void *opaque)
{
    struct mirror_op *op = opaque;
    struct mirror *m = op->m;
    bool is_read;
    int ret = perform(op, &is_read);
    op_unlink(op);
    m->idle[m->idle_len++] = op;
    m->in_flight--;
    m->in_flight_bytes -= op->bytes;
    if (ret < 0) {
        op_failed(m, op->offset, op->bytes, is_read, ret);
    } else if (!m->zeroing) {
        job_progress(&m->base.job, op->bytes);
    }
    mirror_wake(m);
    if (m->in_flight == 0) {
        co_queue_wake_all(&m->none_left);
    }
    drain_progress(m->base.job.layer);
}

/* Takes a request for the range, which is not dirty from now on, and under way. */
static struct mirror_op *op_take(struct mirror *m, int64_t offset, int64_t bytes)
{
    CHECK(m->idle_len > 0 && bytes > 0 && offset % m->granularity == 0);
    CHECK(!find_overlap(m, NULL, round_down(offset, m->unit), round_up(offset + bytes, m->unit)));
    struct mirror_op *op = m->idle[--m->idle_len];
    op->offset = offset;
    op->bytes = bytes;
    op->is_guest = false;
    op_link(m, op);
    bitset_clear(m->dirty, offset, bytes);
    m->in_flight++;
    m->in_flight_bytes += bytes;
    return op;
}

/* Less of it: what is behind is dirty again. */
static void op_shorten(struct mirror_op *op, int64_t bytes)
{
    struct mirror *m = op->m;
    CHECK(bytes > 0 && bytes <= op->bytes);
    if (bytes < op->bytes) {
        bitset_set(m->dirty, op->offset + bytes, op->bytes - bytes);
        m->in_flight_bytes -= op->bytes - bytes;
        op->bytes = bytes;
    }
}

static void op_run(struct mirror_op *op, enum mirror_method method)
{
    struct mirror *m = op->m;
    op->method = method;
    co_create(m->base.job.sim, m->base.job.id, m->base.job.iothread, op_main, op);
}

static bool has_room(const struct mirror *m)
{
    return m->idle_len > 0;
}

void mirror_wait_all(struct mirror *m)
{
    while (m->in_flight > 0) {
        co_queue_wait(m->base.job.sim, &m->none_left);
    }
}

/* ---- The next stretch ---- */

/* The dirty bytes from *offset on that are free, at most max, in whole units. */
static bool free_area(const struct mirror *m, int64_t from, int64_t to, int64_t max,
                      int64_t *offset, int64_t *bytes)
{
    while (from < to && bitset_next_area(m->dirty, from, to - from, max, offset, bytes)) {
        int64_t start = round_down(*offset, m->unit);
        int64_t end = MIN(round_up(*offset + *bytes, m->unit), m->length);
        const struct mirror_op *op = find_overlap(m, NULL, start, end);
        for (; op && op_start(op) > start; op = find_overlap(m, NULL, start, end)) {
            end = op_start(op);
        }
        if (!op) {
            *offset = start;
            *bytes = end - start;
            return true;
        }
        from = op_end(op);
    }
    return false;
}

/* From the cursor on, once around. */
static bool next_area(struct mirror *m, int64_t *offset, int64_t *bytes)
{
    int64_t from = m->cursor < m->length ? m->cursor : 0;
    int64_t max = MAX(round_down(m->buf_size, m->unit), m->unit);
    return free_area(m, from, m->length, max, offset, bytes) ||
           free_area(m, 0, from, max, offset, bytes);
}

/* How the range at op is copied, and how much of it in that way. */
static enum mirror_method choose(struct mirror_op *op)
{
    struct mirror *m = op->m;
    struct io_extent e;
    int ret = io_status_above(m->source, NULL, op->offset, op->bytes, &e);
    if (ret < 0 || e.bytes == 0 || (e.flags & STATUS_DATA)) {
        int64_t known = ret < 0 || e.bytes == 0 ? op->bytes : e.bytes;
        int64_t bytes = MIN(MIN(known, op->bytes), m->piece);
        op_shorten(op, MIN(MAX(round_down(bytes, m->unit), m->unit), op->bytes));
        return MIRROR_COPY;
    }
    int64_t whole = op->offset + e.bytes < m->length ? round_down(e.bytes, m->unit) : e.bytes;
    if (whole == 0) { /* A unit that is not alike all through. */
        op_shorten(op, MIN(m->unit, op->bytes));
        return MIRROR_COPY;
    }
    op_shorten(op, MIN(whole, op->bytes));
    return e.flags & STATUS_ZERO ? MIRROR_ZERO : MIRROR_DISCARD;
}

static bool target_can_unmap(const struct mirror *m)
{
    return (m->target->limits.zero_flags & IO_MAY_UNMAP) && m->target->flags.unmap;
}

int64_t mirror_start_some(struct mirror *m)
{
    int64_t offset, bytes, charged = 0;
    if (!has_room(m) || !next_area(m, &offset, &bytes)) {
        return -1;
    }
    int64_t end = offset + bytes;
    while (offset < end && has_room(m) && m->ret == 0) {
        /* While the status was asked for somebody may have come in the way. */
        if (find_overlap(m, NULL, offset, end)) {
            break;
        }
        struct mirror_op *op = op_take(m, offset, end - offset);
        enum mirror_method method = choose(op);
        charged += method == MIRROR_COPY || !target_can_unmap(m) ? op->bytes : 0;
        offset += op->bytes;
        op_run(op, method);
    }
    m->cursor = offset;
    return charged;
}

/* ---- The beginning ---- */

/* [io] The target is as long as the source, or is made so. */
static int match_lengths(struct mirror *m, struct error *err)
{
    int64_t target = backend_length(m->backend);
    if (target < 0) {
        return (int)target;
    }
    if (m->to_backing) {
        return m->length > target
                   ? backend_truncate(m->backend, m->length, 0, PREALLOC_OFF, NULL)
                   : 0;
    }
    return m->length == target
               ? 0
               : error_set(err, -EINVAL, "Source and target image have different sizes");
}

int mirror_copy_begin(struct mirror *m, struct error *err)
{
    struct driver_info info;
    m->length = io_length(m->source);
    m->unit = m->granularity;
    m->none_left.what = "the copies of a mirror";
    m->bounce_lock.waiters.what = "another guest's copy of a cluster";
    int ret = match_lengths(m, err);
    if (ret < 0 || m->length == 0) {
        return ret;
    }
    if (m->buf_size >= MIRROR_BUF_MAX) {
        return -ENOMEM;
    }
    const struct node *image = node_skip_filters(m->target);
    int64_t cluster = node_info(m->target, &info) == 0 ? info.cluster_size : 0;
    bool gets_backing = image->backing_file && *image->backing_file;
    if (gets_backing && cluster > 0) {
        m->unit = MAX(m->unit, cluster);
        m->cow_cluster = cluster;
    }
    int64_t buf_size = round_up(MIN(m->buf_size, MIRROR_POOL_MAX), m->unit);
    m->piece = MIN(buf_size, MAX(buf_size / MIRROR_OPS_MAX, MIRROR_PIECE));
    m->piece = MAX(round_down(m->piece, m->unit), m->unit);
    m->piece = MIN(m->piece, round_up(m->length, m->unit));
    m->slots = (unsigned)MAX(1, MIN(buf_size / m->piece, MIRROR_OPS_MAX));
    m->pool = job_buffer_take(m->base.job.layer, (size_t)m->piece * m->slots);
    for (unsigned i = 0; i < m->slots; i++) {
        m->ops[i].m = m;
        m->ops[i].memory = m->pool + (size_t)m->piece * i;
        m->idle[m->idle_len++] = &m->ops[i];
    }
    if (m->write_blocking && m->cow_cluster > 0) {
        m->bounce = mem_alloc((size_t)m->cow_cluster);
    }
    m->running = true;
    return 0;
}

void mirror_copy_end(struct mirror *m)
{
    CHECK(m->in_flight == 0);
    m->running = false;
}

/* Zeroes all of the target, in steps as long as a request may be. */
static void zero_all(struct mirror *m)
{
    struct job *j = &m->base.job;
    int64_t step = round_down(IO_MAX_BYTES, m->unit);
    m->zeroing = true;
    for (int64_t at = 0; at < m->length && m->ret == 0;) {
        job_pause_point(j);
        if (job_cancel_requested(j)) {
            break;
        }
        int64_t bytes = MIN(step, m->length - at);
        const struct mirror_op *other = find_overlap(m, NULL, at, at + bytes);
        if (!has_room(m) || other) {
            m->waits = true;
            job_wait(j);
            m->waits = false;
            continue;
        }
        op_run(op_take(m, at, bytes), MIRROR_ZERO);
        at += bytes;
    }
    mirror_wait_all(m);
    m->zeroing = false;
}

int mirror_scan(struct mirror *m)
{
    struct job *j = &m->base.job;
    int64_t step = round_down(IO_MAX_BYTES, m->unit);
    if (m->zero_target && !target_can_unmap(m)) {
        bitset_set(m->dirty, 0, m->length);
        return 0;
    }
    if (m->zero_target) {
        zero_all(m);
    }
    for (int64_t at = 0; at < m->length && m->ret == 0;) {
        struct io_extent e;
        job_pause_point(j);
        if (job_cancel_requested(j)) {
            return 0;
        }
        int ret = io_status_above(m->source, m->scan_base, at, MIN(step, m->length - at), &e);
        if (ret < 0) {
            return ret;
        }
        CHECK(e.bytes > 0);
        if (e.flags & STATUS_ALLOCATED) {
            bitset_set(m->dirty, at, e.bytes);
        }
        at += e.bytes;
    }
    return 0;
}

/* ---- Guests ---- */

static int copy_part(struct mirror *m, const struct io_req *req, int64_t lo, int64_t hi)
{
    struct io_req part = *req;
    struct iobuf buf;
    part.offset = lo;
    part.bytes = hi - lo;
    part.flags = 0;
    if (req->op == IO_WRITE) {
        buf = iobuf_slice(req->buf, (size_t)(lo - req->offset), (size_t)(hi - lo));
        part.buf = &buf;
    }
    return backend_request(m->backend, &part, NULL, NULL);
}

/* The cluster at lo, of which the guest has changed only a part: the target has nothing below it
 * yet that could give the rest. */
static int copy_cluster(struct mirror *m, int64_t lo)
{
    int64_t start = round_down(lo, m->cow_cluster);
    int64_t bytes = MIN(m->cow_cluster, m->length - start);
    struct iovec iov;
    co_mutex_lock(m->base.job.sim, &m->bounce_lock);
    struct iobuf buf = iobuf_mem(&iov, m->bounce, (size_t)bytes);
    buf.symbolic = true;
    int ret = io_read(source_edge(m), start, &buf, 0);
    if (ret == 0) {
        ret = backend_write(m->backend, start, &buf, 0);
    }
    co_mutex_unlock(m->base.job.sim, &m->bounce_lock);
    return ret;
}

static int copy_guest(struct mirror *m, const struct io_req *req, int64_t lo, int64_t hi)
{
    int64_t cluster = m->cow_cluster;
    int64_t head = cluster > 0 ? MIN(round_up(lo, cluster), hi) : lo;
    int64_t tail = cluster > 0 && hi < m->length ? MAX(round_down(hi, cluster), head) : hi;
    int ret = 0;
    if (lo < head) {
        ret = copy_cluster(m, lo);
    }
    if (ret == 0 && head < tail) {
        ret = copy_part(m, req, head, tail);
    }
    if (ret == 0 && tail < hi) {
        ret = copy_cluster(m, tail);
    }
    return ret;
}

/* What the guest has done to the source is done to the target.  Granules of which it changed only a
 * part, and which are dirty anyway, are left to the job. */
static void mirror_to_target(struct mirror *m, const struct io_req *req)
{
    int64_t g = m->unit, lo = req->offset, hi = req->offset + req->bytes;
    if (lo % g && bitset_get(m->dirty, lo)) {
        lo = MIN(round_up(lo, g), hi);
    }
    if (hi % g && hi < m->length && lo < hi && bitset_get(m->dirty, hi - 1)) {
        hi = MAX(round_down(hi, g), lo);
    }
    if (lo >= hi) {
        return;
    }
    int64_t first = round_up(lo, g), last = hi < m->length ? round_down(hi, g) : hi;
    if (first < last) {
        bitset_clear(m->dirty, first, last - first);
    }
    job_add_remaining(&m->base.job, hi - lo);
    m->guest_bytes += hi - lo;
    int ret = copy_guest(m, req, lo, hi);
    m->guest_bytes -= hi - lo;
    if (ret == 0) {
        job_progress(&m->base.job, hi - lo);
    } else {
        op_failed(m, lo, hi - lo, false, ret);
    }
}

/* What the bitmap, which records nothing by itself, would have recorded. */
static void mark(struct mirror *m, const struct io_req *req)
{
    int64_t end = MIN(req->offset + req->bytes, bitset_length(m->dirty));
    if (req->offset < end) {
        bitset_set(m->dirty, req->offset, end - req->offset);
    }
}

static bool takes_part(const struct mirror *m)
{
    return m->running && m->ret == 0 && !job_is_cancelled(&m->base.job);
}

static void wait_for_turn(struct mirror *m, struct mirror_op *op)
{
    struct mirror_op *other;
    while ((other = find_overlap(m, op, op_start(op), op_end(op)))) {
        co_queue_wait(m->base.job.sim, &other->done);
    }
}

/* What a discard leaves behind is up to each driver: the job copies what the source shows then. */
int mirror_guest_change(struct mirror *m, struct node *filter, struct io_req *req)
{
    struct io_req below = *req;
    struct mirror_op op = { .offset = req->offset, .bytes = req->bytes, .is_guest = true };
    bool copied = m->write_blocking && takes_part(m) && req->op != IO_DISCARD && req->bytes > 0;
    if (copied) {
        op_link(m, &op);
        wait_for_turn(m, &op);
    }
    int ret = io_forward(filter, &below);
    if (copied && ret == 0 && m->ret == 0) {
        mirror_to_target(m, req);
    } else if (m->write_blocking) {
        mark(m, req);
    }
    if (copied) {
        op_unlink(&op);
    }
    mirror_wake(m);
    return ret;
}
