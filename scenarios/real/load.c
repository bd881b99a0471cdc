/* SPDX-License-Identifier: MIT */
/* Guest load on a real target.
 *
 *   load_real_start -> step, step...   RUN: the requests of the list, depth at a time
 *                   -> none left and none in flight -> READ_BACK (verify=on, writes, all well)
 *                   -> none left and none in flight -> ENDED
 *
 * Invariants: (1) a request is started when none of those before it in the list that overlap it is
 * in flight, so what is there in the end is a matter of the list alone; (2) every request is a call
 * of its own, forgotten and freed as soon as it is done; (3) when the program has died, calls end
 * by themselves, and so does the load.
 */
#include "scenarios/real/load_private.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/load_record.h"
#include "scenarios/real/real_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum phase { PHASE_RUN, PHASE_READ_BACK, PHASE_ENDED };

/* A request in flight. */
struct slot {
    struct target_call *call; /* NULL: none. */
    struct load_req req;
    bool flush;  /* It is the flush behind req. */
    bool verify; /* -P byte. */
    uint8_t byte;
    int64_t began_ns;
    uint64_t order; /* Slots are numbered as they are started. */
};

struct load_real {
    struct target *target;
    struct load_port port;
    struct load_plan plan;
    struct load_record record;
    struct load_stats stats;
    struct error err;
    int64_t deadline_ns;
    enum phase phase;
    bool stop, asked_to_stop, done;
    bool held;           /* next was taken from the list and waits for those before it. */
    struct load_req next;
    uint64_t started;
    uint32_t depth, in_flight;
    struct slot *slots; /* depth of them. */
};

/* ---- answers ---- */

/* The words behind `start` on one of the lines of text, new; NULL: there are none. */
static char *words_behind(const char *text, const char *start)
{
    const char *at = strstr(text, start);
    return at ? mem_strndup(at + strlen(start), strcspn(at + strlen(start), "\r\n")) : NULL;
}

int load_real_answer(const struct target_call *call, bool *differs, struct error *err)
{
    struct strbuf copy = { 0 };
    strbuf_add(&copy, call->output.text ? call->output.text : "", call->output.len);
    const char *text = strbuf_str(&copy);
    char *why = words_behind(text, " failed: ");
    int ret = 0;
    *differs = strstr(text, "Pattern verification failed at ") != NULL;
    if (call->died) {
        ret = error_set(err, -EPIPE, "the program has died");
    } else if (why) {
        ret = error_set(err, -real_errno_of(why), "%s", why);
    } else if (call->failed && !*differs) {
        ret = error_set(err, -EIO, "%s", call->err.code ? call->err.text : text);
    } else if (*text && !*differs && !strstr(text, "wrote ") && !strstr(text, "read ")) {
        ret = error_set(err, -EIO, "%.*s", (int)strcspn(text, "\r\n"), text);
    }
    free(why);
    strbuf_free(&copy);
    return ret;
}

static void fail(struct load_real *l, const struct error *err)
{
    CHECK(err->code < 0);
    if (!l->err.code) {
        l->err = *err;
    }
    l->stop = true;
}

static void request_failed(struct load_real *l, const struct slot *s, struct error *why, bool died)
{
    enum load_errors errors = l->plan.args.errors;
    l->stats.failed++;
    if (errors == LOAD_IGNORE && !died) {
        return;
    }
    l->stop = true;
    if (errors == LOAD_FAIL || died) {
        if (s->flush) {
            error_prefix(why, "flush failed: ");
        } else {
            error_prefix(why, "%s at %" PRId64 " failed: ", s->req.read ? "read" : "write",
                         s->req.offset);
        }
        fail(l, why);
    }
}

static void data_differ(struct load_real *l, const struct slot *s)
{
    struct error err = ERROR_INIT;
    error_set(&err, -EIO, "read at %" PRId64 " returned other data: expected 0x%02x",
              s->req.offset, s->byte);
    fail(l, &err);
}

/* ---- starting ---- */

static void start(struct load_real *l, struct slot *s, int argc, char **argv)
{
    CHECK(!s->call && l->in_flight < l->depth);
    s->call = NEW(struct target_call);
    s->call->background = true;
    s->order = l->started++;
    l->in_flight++;
    l->target->ops->io(l->target, l->port.name, argc, argv, s->call);
}

static void start_request(struct load_real *l, struct slot *s, const struct load_req *r)
{
    char command[16], pattern[8], offset[24], bytes[24];
    char fua[] = "-f", p[] = "-P";
    char *argv[8];
    int argc = 0;
    const struct load_args *a = &l->plan.args;
    *s = (struct slot){ .req = *r, .began_ns = l->target->ops->now_ns(l->target) };
    if (!r->read) {
        s->byte = load_plan_byte(&l->plan, r->index);
    } else if (a->verify) {
        s->verify = load_record_byte(&l->record, &l->plan, r, &s->byte);
    }
    snprintf(command, sizeof(command), "aio_%s", r->read ? "read" : "write");
    snprintf(pattern, sizeof(pattern), "0x%02x", s->byte);
    snprintf(offset, sizeof(offset), "%" PRId64, r->offset);
    snprintf(bytes, sizeof(bytes), "%" PRId64, r->bytes);
    argv[argc++] = command;
    if (!r->read && a->fua) {
        argv[argc++] = fua;
    }
    if (!r->read || s->verify) {
        argv[argc++] = p;
        argv[argc++] = pattern;
    }
    argv[argc++] = offset;
    argv[argc++] = bytes;
    argv[argc] = NULL;
    if (!r->read && a->verify) {
        load_record_write_begin(&l->record, r);
    }
    start(l, s, argc, argv);
}

static void start_flush(struct load_real *l, struct slot *s)
{
    char command[] = "flush";
    char *argv[] = { command, NULL };
    s->flush = true;
    l->stats.flushes++;
    start(l, s, 1, argv);
}

/* ---- ending ---- */

static void count(struct load_real *l, const struct slot *s)
{
    int64_t took = l->target->ops->now_ns(l->target) - s->began_ns;
    l->stats.latency_ns_total += (uint64_t)took;
    l->stats.latency_ns_max = MAX(l->stats.latency_ns_max, took);
    l->stats.reads += s->req.read;
    l->stats.writes += !s->req.read;
}

/* Takes the answer of a request that has ended. */
static void finish(struct load_real *l, struct slot *s)
{
    struct error err = ERROR_INIT;
    bool differs = false;
    bool died = s->call->died;
    int ret = load_real_answer(s->call, &differs, &err);
    l->target->ops->forget(l->target, s->call);
    target_call_fini(s->call);
    free(s->call);
    s->call = NULL;
    l->in_flight--;
    if (!s->flush && l->phase == PHASE_RUN) {
        count(l, s);
    }
    if (!s->flush && !s->req.read && l->plan.args.verify) {
        load_record_write_end(&l->record, &s->req, l->plan.unit_bytes, ret >= 0);
    }
    if (ret < 0) {
        request_failed(l, s, &err, died);
    } else if (differs) {
        data_differ(l, s);
    } else if (s->verify && !s->flush) {
        l->stats.verified_bytes += (uint64_t)s->req.bytes;
    }
    if (!s->flush && s->req.flush && !l->stop) {
        start_flush(l, s);
    }
}

static void finish_all(struct load_real *l)
{
    for (uint32_t i = 0; i < l->depth; i++) {
        if (l->slots[i].call && l->slots[i].call->done) {
            finish(l, &l->slots[i]);
        }
    }
}

/* ---- steps ---- */

/* The next request to start.  False: none now. */
static bool take(struct load_real *l)
{
    if (!l->held) {
        bool late = !l->plan.args.count && l->target->ops->now_ns(l->target) >= l->deadline_ns;
        if (l->stop || late || !load_plan_next(&l->plan, &l->next)) {
            return false;
        }
        l->held = true;
    }
    for (uint32_t i = 0; i < l->depth; i++) {
        const struct slot *s = &l->slots[i];
        if (s->call && !s->flush && load_req_ordered(&s->req, &l->next)) {
            return false;
        }
    }
    l->held = false;
    return true;
}

static struct slot *free_slot(struct load_real *l)
{
    for (uint32_t i = 0; i < l->depth; i++) {
        if (!l->slots[i].call) {
            return &l->slots[i];
        }
    }
    return NULL;
}

static bool wants_read_back(const struct load_real *l)
{
    return l->plan.args.verify && l->plan.args.writes && !l->asked_to_stop && !l->err.code;
}

static bool take_read_back(struct load_real *l)
{
    int64_t bytes_max = MAX(l->plan.args.bs_max, LOAD_READBACK_BYTES);
    return wants_read_back(l) && load_record_next(&l->record, &l->plan, bytes_max, &l->next);
}

static void start_all(struct load_real *l)
{
    struct slot *s;
    while (l->phase != PHASE_ENDED && (s = free_slot(l)) != NULL &&
           (l->phase == PHASE_RUN ? take(l) : take_read_back(l))) {
        start_request(l, s, &l->next);
    }
}

bool load_real_step(struct load_real *l)
{
    finish_all(l);
    if (l->held && l->stop) {
        l->held = false; /* It was never begun. */
    }
    start_all(l);
    if (l->phase == PHASE_RUN && l->in_flight == 0 && !l->held) {
        l->phase = wants_read_back(l) ? PHASE_READ_BACK : PHASE_ENDED;
        if (l->phase == PHASE_READ_BACK) {
            load_record_sort(&l->record);
            start_all(l);
        }
    }
    if (l->phase == PHASE_READ_BACK && l->in_flight == 0) {
        l->phase = PHASE_ENDED;
    }
    if (l->phase == PHASE_ENDED && !l->done) {
        l->stats.ended_ns = l->target->ops->now_ns(l->target);
        l->done = true;
    }
    return l->done;
}

const bool *load_real_wait(const struct load_real *l)
{
    const struct slot *oldest = NULL;
    for (uint32_t i = 0; i < l->depth; i++) {
        const struct slot *s = &l->slots[i];
        if (s->call && (!oldest || s->order < oldest->order)) {
            oldest = s;
        }
    }
    return oldest ? &oldest->call->done : NULL;
}

/* ---- life ---- */

/* What can be said before the target is asked: whether it writes. */
static bool words_write(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "rw=read") == 0 || strcmp(argv[i], "rw=randread") == 0) {
            return false;
        }
    }
    return true;
}

int load_real_start(const struct load_real_config *cfg, struct load_real **out,
                    struct error *err)
{
    struct load_port port;
    struct load_args args;
    int ret = load_port_open(&port, cfg, words_write(cfg->argc, cfg->argv), err);
    if (ret == 0) {
        ret = load_args_parse(&args, NULL, port.length, cfg->argc, cfg->argv, cfg->unit_seed, err);
    }
    if (ret < 0) {
        load_port_close(&port);
        return ret;
    }
    struct load_real *l = NEW(struct load_real);
    l->target = cfg->target;
    l->port = port;
    load_plan_init(&l->plan, &args, cfg->tag, LOAD_BYTES);
    l->depth = MIN(args.depth, (uint32_t)LOAD_REAL_DEPTH_MAX);
    l->slots = NEW_ARRAY(struct slot, l->depth);
    l->stats.started_ns = cfg->target->ops->now_ns(cfg->target);
    l->deadline_ns = args.runtime_ns > INT64_MAX - l->stats.started_ns
                         ? INT64_MAX
                         : l->stats.started_ns + args.runtime_ns;
    *out = l;
    return 0;
}

const bool *load_real_done(const struct load_real *l)
{
    return &l->done;
}

bool load_real_is_finite(const struct load_real *l)
{
    return l->plan.args.count != 0;
}

void load_real_stop(struct load_real *l)
{
    l->stop = true;
    l->asked_to_stop = true;
}

int load_real_result(const struct load_real *l, struct error *err)
{
    CHECK(l->done);
    if (l->err.code && err) {
        CHECK(err->code == 0);
        *err = l->err;
    }
    return l->err.code;
}

struct load_stats load_real_stats(const struct load_real *l)
{
    return l->stats;
}

void load_real_free(struct load_real *l)
{
    CHECK(l->done && l->in_flight == 0);
    load_port_close(&l->port);
    load_record_fini(&l->record);
    free(l->slots);
    free(l);
}
