/* SPDX-License-Identifier: MIT */
/* Guest load: `depth` coroutines work off one list of requests.
 *
 *   load_start -> worker x depth: take, request, take...   until count, runtime or stop
 *                 -> all of them meet -> read back what is known (verify=on, no failure, no stop)
 *                 -> the last one sets done
 *
 * The list of requests is load_plan.c's.  Requests that overlap in flight are issued all the same
 * (load_record.c says what is then checked), but for LOAD_BYTES, where a request waits for those
 * before it in the list.
 *
 * Errors.  fail: the first failed request ends the load and is its result.  stop: it ends the load,
 * which has done well all the same.  ignore: the load goes on.  Other data than expected is a
 * failure with all of them.
 *
 * Invariants: (1) nothing is allocated for a request once the record has grown; (2) a request that
 * took no turn of the scheduler is followed by co_pass, so that a backend without latency starves
 * nobody; (3) runtime counts virtual time, so on a backend without latency it never ends by itself:
 * the limit on steps does.
 */
#include "scenarios/load.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/load_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* The next request of the list.  False: no more are to be started. */
static bool take(struct load *l, struct load_req *r)
{
    if (l->stop || (!l->plan.args.count && sim_now_ns(l->sim) >= l->deadline_ns)) {
        return false;
    }
    return load_plan_next(&l->plan, r);
}

/* --- Results --- */

void load_fail(struct load *l, const struct error *err)
{
    CHECK(err->code < 0);
    if (!l->err.code) {
        l->err = *err;
    }
    l->stop = true;
}

static void request_failed(struct load *l, const char *what, int64_t offset, int ret)
{
    l->stats.failed++;
    if (l->plan.args.errors == LOAD_IGNORE) {
        return;
    }
    l->stop = true;
    if (l->plan.args.errors == LOAD_FAIL) {
        struct error err = ERROR_INIT;
        if (offset < 0) {
            error_set_errno(&err, ret, "%s failed", what);
        } else {
            error_set_errno(&err, ret, "%s at %" PRId64 " failed", what, offset);
        }
        load_fail(l, &err);
    }
}

static void count_latency(struct load *l, int64_t began_ns)
{
    int64_t took = sim_now_ns(l->sim) - began_ns;
    l->stats.latency_ns_total += (uint64_t)took;
    l->stats.latency_ns_max = MAX(l->stats.latency_ns_max, took);
}

/* --- Requests --- */

static int do_read(struct load_worker *w, const struct load_req *r)
{
    struct load *l = w->load;
    struct iovec iov;
    CHECK((size_t)r->bytes <= w->mem_bytes);
    struct iobuf buf = iobuf_mem(&iov, w->mem, (size_t)r->bytes);
    buf.symbolic = true;
    uint64_t began = load_record_read_begin(&l->record);
    int ret = guest_read(l->guest, &l->port, r->offset, &buf, 0);
    if (ret >= 0 && l->plan.args.verify) {
        load_check_read(l, r, began, &buf, w->mem);
    }
    return ret;
}

static int do_write(struct load *l, const struct load_req *r)
{
    struct iobuf buf = iobuf_fill(load_plan_data(&l->plan, r->index), (size_t)r->bytes);
    if (l->plan.args.verify) {
        load_record_write_begin(&l->record, r);
    }
    int ret = guest_write(l->guest, &l->port, r->offset, &buf, l->plan.args.fua ? IO_FUA : 0);
    if (l->plan.args.verify) {
        load_record_write_end(&l->record, r, l->plan.unit_bytes, ret >= 0);
    }
    return ret;
}

static void do_request(struct load_worker *w, const struct load_req *r)
{
    struct load *l = w->load;
    int64_t began_ns = sim_now_ns(l->sim);
    uint64_t steps = l->sim->sched.steps;
    int ret = r->read ? do_read(w, r) : do_write(l, r);
    count_latency(l, began_ns);
    l->stats.reads += r->read;
    l->stats.writes += !r->read;
    if (ret < 0) {
        request_failed(l, r->read ? "read" : "write", r->offset, ret);
    }
    if (r->flush && !l->stop) {
        l->stats.flushes++;
        ret = guest_flush(l->guest, &l->port);
        if (ret < 0) {
            request_failed(l, "flush", -1, ret);
        }
    }
    if (l->sim->sched.steps == steps) {
        co_pass(l->sim);
    }
}

/* --- Requests in the order of the list, as far as they overlap --- */

static bool has_to_wait(const struct load_worker *w)
{
    const struct load *l = w->load;
    for (uint32_t i = 0; i < l->plan.args.depth; i++) {
        const struct load_worker *v = &l->workers[i];
        if (v->busy && v->req.index < w->req.index && load_req_ordered(&v->req, &w->req)) {
            return true;
        }
    }
    return false;
}

static void do_in_order(struct load_worker *w)
{
    struct load *l = w->load;
    w->busy = true;
    while (has_to_wait(w)) {
        co_queue_wait(l->sim, &l->order);
    }
    do_request(w, &w->req);
    w->busy = false;
    co_queue_wake_all(&l->order);
}

/* --- Workers --- */

static bool wants_read_back(const struct load *l)
{
    return l->plan.args.verify && l->plan.args.writes && !l->asked_to_stop && !l->err.code;
}

/* Waits until all workers have come here; the last one prepares the final reading. */
static void meet(struct load *l)
{
    if (++l->waiting < l->plan.args.depth) {
        co_queue_wait(l->sim, &l->barrier);
        return;
    }
    l->read_back = wants_read_back(l);
    if (l->read_back) {
        load_record_sort(&l->record);
    }
    co_queue_wake_all(&l->barrier);
}

static void read_back(struct load_worker *w)
{
    struct load *l = w->load;
    struct load_req r;
    while (wants_read_back(l) &&
           load_record_next(&l->record, &l->plan, (int64_t)w->mem_bytes, &r)) {
        uint64_t steps = l->sim->sched.steps;
        int ret = do_read(w, &r);
        if (ret < 0) {
            request_failed(l, "read", r.offset, ret);
        }
        if (l->sim->sched.steps == steps) {
            co_pass(l->sim);
        }
    }
}

static void worker_run(void *opaque)
{
    struct load_worker *w = opaque;
    struct load *l = w->load;
    while (take(l, &w->req)) {
        if (l->plan.data == LOAD_BYTES) {
            do_in_order(w);
        } else {
            do_request(w, &w->req);
        }
    }
    meet(l);
    if (l->read_back) {
        read_back(w);
    }
    if (--l->active == 0) {
        l->stats.ended_ns = sim_now_ns(l->sim);
        l->done = true;
    }
}

/* --- Life --- */

static void workers_create(struct load *l)
{
    const struct load_args *a = &l->plan.args;
    bool reads = a->reads || a->verify;
    l->workers = NEW_ARRAY(struct load_worker, a->depth);
    for (uint32_t i = 0; i < a->depth; i++) {
        struct load_worker *w = &l->workers[i];
        w->load = l;
        w->mem_bytes = reads ? (size_t)MAX(a->bs_max, LOAD_READBACK_BYTES) : 0;
        w->mem = reads ? mem_alloc(w->mem_bytes) : NULL;
        co_create(l->sim, l->co_name, a->iothread, worker_run, w);
    }
    l->active = a->depth;
}

int load_start(struct guest *g, const struct guest_port *port, const char *tag, int argc,
               char **argv, uint64_t unit_seed, enum load_data data, struct load **out,
               struct error *err)
{
    const struct node *n = backend_node(port->backend);
    if (!n) {
        return error_set(err, -ENOMEDIUM, "load: the backend has no medium");
    }
    int64_t length = backend_length(port->backend);
    if (length < 0) {
        return error_set(err, -ENOMEDIUM, "load: the tray is open");
    }
    struct sim *sim = layer_sim(inspect_layer(n));
    struct load_args args;
    int ret = load_args_parse(&args, sim, length, argc, argv, unit_seed, err);
    if (ret < 0) {
        return ret;
    }
    struct load *l = NEW(struct load);
    l->guest = g;
    l->port = *port;
    l->sim = sim;
    l->tag = mem_strdup(tag);
    l->co_name = mem_printf("load %s", tag);
    load_plan_init(&l->plan, &args, tag, data);
    l->stats.started_ns = sim_now_ns(sim);
    l->deadline_ns = args.runtime_ns > INT64_MAX - l->stats.started_ns
                         ? INT64_MAX
                         : l->stats.started_ns + args.runtime_ns;
    l->barrier.what = "the other workers of the load";
    l->order.what = "requests of the load before this one";
    workers_create(l);
    *out = l;
    return 0;
}

const char *load_tag(const struct load *l)
{
    return l->tag;
}

const bool *load_done(const struct load *l)
{
    return &l->done;
}

bool load_is_finite(const struct load *l)
{
    return l->plan.args.count != 0;
}

void load_stop(struct load *l)
{
    l->stop = true;
    l->asked_to_stop = true;
}

int load_result(const struct load *l, struct error *err)
{
    CHECK(l->done);
    if (l->err.code && err) {
        CHECK(err->code == 0);
        *err = l->err;
    }
    return l->err.code;
}

struct load_stats load_stats(const struct load *l)
{
    return l->stats;
}

void load_free(struct load *l)
{
    CHECK(l->done);
    for (uint32_t i = 0; i < l->plan.args.depth; i++) {
        free(l->workers[i].mem);
    }
    free(l->workers);
    load_record_fini(&l->record);
    free(l->tag);
    free(l->co_name);
    free(l);
}
