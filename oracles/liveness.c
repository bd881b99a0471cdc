/* SPDX-License-Identifier: MIT */
/* Liveness: nothing waits for ever.
 *
 * Use: the runner calls `stuck` when a statement still waits although nothing is ready and no timer
 * is set, and `end` when a case has been torn down.  Both name the coroutines and what they wait
 * for.
 *
 * Invariants: (1) a world that a statement waits in can always go on; (2) after the teardown no
 * coroutine is alive and (3) no timer is set.
 */
#include "base/check.h"
#include "base/mem.h"
#include "oracles/oracle.h"
#include "sim/sim.h"

#include <inttypes.h>
#include <stdlib.h>

struct liveness {
    struct oracle *o;
};

static void *liveness_create(struct oracle *o)
{
    struct liveness *l = NEW(struct liveness);
    l->o = o;
    return l;
}

static void liveness_destroy(void *state)
{
    free(state);
}

static void liveness_stuck(void *state, const struct sim *s)
{
    struct liveness *l = state;
    struct strbuf waiters = { 0 };
    sim_describe_waiters(s, &waiters);
    oracle_fail(l->o, "stuck",
                "nothing can go on, and a statement still waits; %" PRIu32
                " coroutine(s) wait for ever:\n%s",
                s->sched.live, strbuf_str(&waiters));
    strbuf_free(&waiters);
}

static void liveness_end(void *state, const struct sim *s)
{
    struct liveness *l = state;
    if (s->sched.live != 0) {
        struct strbuf waiters = { 0 };
        sim_describe_waiters(s, &waiters);
        oracle_fail(l->o, "coroutine",
                    "%" PRIu32 " coroutine(s) still alive after the end of the case:\n%s",
                    s->sched.live, strbuf_str(&waiters));
        strbuf_free(&waiters);
    }
    const struct timer *t = clock_next(&s->clock);
    if (t) {
        CHECK(timer_is_set(t));
        oracle_fail(l->o, "timer",
                    "%zu timer(s) still set after the end of the case, the first for %" PRId64
                    " ns (now %" PRId64 " ns)",
                    s->clock.len, t->deadline_ns, s->clock.now_ns);
    }
}

const struct oracle_ops oracle_liveness = {
    .name = "liveness",
    .help = "Nothing waits for ever: names the stuck coroutines and what they wait for.",
    .blind = "A coroutine that is woken for ever without getting anywhere (the limits on steps and "
             "time see that), and waits that only an outside client would end.",
    .create = liveness_create,
    .destroy = liveness_destroy,
    .stuck = liveness_stuck,
    .end = liveness_end,
};
