/* SPDX-License-Identifier: MIT */
/* Calls: copies in the background, several pieces side by side, with a limit of speed.
 *
 *   call_main: take a piece -> look -> (speed: give it back and sleep) -> a worker copies it
 *                 ^                                                            |
 *                 +---------------------- until nothing is left ---------------+
 *              -> others' pieces in the range end -> look again -> done
 *
 * The first error ends the call, once its workers have ended.
 *
 * Speed: in a slice of time as many bytes start as the speed allows, or one piece when that is
 * longer; what it is too long by is taken from the slices that follow.
 */
#include "model/job/block_copy.h"

#include "model/job/block_copy_private.h"

#include <errno.h>
#include <stdlib.h>

struct copy_worker {
    struct block_copy_call *call;
    struct copy_piece piece;
    enum copy_how how;
    struct copy_worker *next; /* In call->idle. */
};

struct block_copy_call {
    struct block_copy *c;
    int64_t offset, end, max_chunk;
    struct copy_worker *workers, *idle;
    unsigned running;
    struct co_queue room;   /* call_main waits for a worker. */
    struct co *sleeper;     /* call_main, when it sleeps for the speed. */
    struct timer timer;
    int ret;
    bool error_is_read, cancelled, finished;
    void (*done)(void *opaque);
    void *opaque;
    struct block_copy_call *next; /* In c->calls, until it has finished. */
};

/* ---- Speed ---- */

static uint64_t slice_quota(const struct block_copy *c)
{
    uint64_t per_second = NS_PER_S / COPY_SLICE_NS;
    return MAX(c->speed / per_second, 1);
}

/* How long nothing may start; 0: now. */
static int64_t speed_delay(struct block_copy *c)
{
    int64_t now = sim_now_ns(c->sim);
    if (c->speed == 0) {
        return 0;
    }
    if (now >= c->slice_end_ns) {
        c->slice_start_ns = now;
        c->slice_end_ns = now + COPY_SLICE_NS;
        c->slice_bytes = 0;
    }
    return c->slice_bytes < slice_quota(c) ? 0 : c->slice_end_ns - now;
}

static void speed_count(struct block_copy *c, int64_t bytes)
{
    if (c->speed == 0) {
        return;
    }
    c->slice_bytes += (uint64_t)bytes;
    uint64_t slices = (c->slice_bytes + slice_quota(c) - 1) / slice_quota(c);
    uint64_t most = (uint64_t)(INT64_MAX - c->slice_start_ns) / COPY_SLICE_NS;
    c->slice_end_ns = c->slice_start_ns + (int64_t)MIN(slices, most) * COPY_SLICE_NS;
}

static void wake_sleeper(void *opaque)
{
    struct block_copy_call *call = opaque;
    struct co *co = call->sleeper;
    call->sleeper = NULL;
    if (co) {
        co_wake(co);
    }
}

static void sleep_ns(struct block_copy_call *call, int64_t ns)
{
    struct block_copy *c = call->c;
    timer_init(&call->timer, wake_sleeper, call);
    timer_set(&c->sim->clock, &call->timer, sim_now_ns(c->sim) + ns);
    call->sleeper = co_self(c->sim);
    co_yield(c->sim, "speed of a copy", call);
    timer_cancel(&c->sim->clock, &call->timer);
}

void block_copy_kick(struct block_copy *c)
{
    for (struct block_copy_call *call = c->calls; call; call = call->next) {
        wake_sleeper(call);
    }
}

void block_copy_set_speed(struct block_copy *c, uint64_t speed)
{
    c->speed = speed;
    c->slice_end_ns = c->slice_start_ns = 0; /* A new slice begins. */
    c->slice_bytes = 0;
    block_copy_kick(c);
}

/* ---- Workers ---- */

static void keep_error(struct block_copy_call *call, int ret, bool error_is_read)
{
    if (ret < 0 && call->ret == 0) {
        call->ret = ret;
        call->error_is_read = error_is_read;
    }
}

static void worker_main(void *opaque)
{
    struct copy_worker *w = opaque;
    struct block_copy_call *call = w->call;
    bool error_is_read;
    int ret = copy_piece_run(call->c, &w->piece, w->how, &error_is_read);
    keep_error(call, ret, error_is_read);
    copy_piece_end(call->c, &w->piece, ret);
    w->next = call->idle;
    call->idle = w;
    call->running--;
    co_queue_wake_one(&call->room);
}

static bool goes_on(const struct block_copy_call *call)
{
    return call->ret == 0 && !call->cancelled;
}

/* Takes the next piece and lets a worker copy it.  False: none is left. */
static bool start_piece(struct block_copy_call *call)
{
    struct block_copy *c = call->c;
    while (!call->idle) {
        co_queue_wait(c->sim, &call->room);
    }
    struct copy_worker *w = call->idle;
    if (!goes_on(call) ||
        !copy_piece_take(c, &w->piece, call->offset, call->end, call->max_chunk)) {
        return false;
    }
    call->idle = w->next;
    w->how = copy_piece_look(c, &w->piece);
    int64_t delay = w->how == COPY_SKIP ? 0 : speed_delay(c);
    if (w->how != COPY_SKIP && delay == 0 && goes_on(call)) {
        speed_count(c, w->piece.bytes);
        call->running++;
        co_create(c->sim, "copy worker", co_self(c->sim)->iothread, worker_main, w);
        return true;
    }
    copy_piece_end(c, &w->piece, w->how == COPY_SKIP ? 0 : -EAGAIN);
    w->next = call->idle;
    call->idle = w;
    if (delay > 0 && goes_on(call)) {
        sleep_ns(call, delay);
    }
    return true;
}

static void wait_for_workers(struct block_copy_call *call)
{
    while (call->running > 0) {
        co_queue_wait(call->c->sim, &call->room);
    }
}

/* Somebody else's piece may have failed while the workers were waited for. */
static bool is_left(const struct block_copy_call *call)
{
    const struct bitset *todo = block_copy_todo(call->c);
    int64_t end = MIN(call->end, bitset_length(todo));
    return call->offset < end && bitset_next_set(todo, call->offset, end - call->offset) >= 0;
}

static void call_main(void *opaque)
{
    struct block_copy_call *call = opaque;
    struct block_copy *c = call->c;
    do {
        while (goes_on(call) && start_piece(call)) {
        }
        wait_for_workers(call);
    } while (goes_on(call) && (is_left(call) || copy_wait(c, call->offset, call->end)));
    struct block_copy_call **at = &c->calls;
    while (*at != call) {
        at = &(*at)->next;
    }
    *at = call->next;
    c->busy--;
    call->finished = true;
    free(call->workers);
    call->workers = call->idle = NULL;
    call->done(call->opaque); /* It may free the call. */
}

struct block_copy_call *block_copy_start(struct block_copy *c, int64_t offset, int64_t bytes,
                                         unsigned workers, int64_t max_chunk,
                                         void (*done)(void *opaque), void *opaque)
{
    struct block_copy_call *call = NEW(struct block_copy_call);
    CHECK(workers > 0 && done && offset >= 0 && bytes >= 0);
    int64_t whole = max_chunk > 0 ? max_chunk & ~(c->cluster - 1) : c->chunk;
    *call = (struct block_copy_call){
        .c = c,
        .offset = offset & ~(c->cluster - 1),
        .end = offset + bytes,
        .max_chunk = MIN(MAX(whole, c->cluster), c->chunk),
        .room = { .what = "copy worker" },
        .done = done,
        .opaque = opaque,
        .next = c->calls,
    };
    int64_t clusters = (call->end - call->offset) / c->cluster + 1;
    workers = (unsigned)MIN((int64_t)workers, MIN(clusters, COPY_BUFFERS_MAX));
    call->workers = NEW_ARRAY(struct copy_worker, workers);
    for (unsigned i = workers; i > 0; i--) {
        struct copy_worker *w = &call->workers[i - 1];
        w->call = call;
        w->next = call->idle;
        call->idle = w;
    }
    c->calls = call;
    c->busy++;
    co_create(c->sim, "copy", c->source->node->iothread, call_main, call);
    return call;
}

void block_copy_cancel(struct block_copy_call *call)
{
    call->cancelled = true;
    wake_sleeper(call);
}

bool block_copy_finished(const struct block_copy_call *call)
{
    return call->finished;
}

bool block_copy_cancelled(const struct block_copy_call *call)
{
    return call->cancelled;
}

int block_copy_result(const struct block_copy_call *call, bool *error_is_read)
{
    CHECK(call->finished);
    *error_is_read = call->ret < 0 && call->error_is_read;
    return call->ret;
}

void block_copy_call_free(struct block_copy_call *call)
{
    CHECK(call->finished);
    free(call);
}
