/* Virtual time and timers.
 *
 * Time is int64 nanoseconds from 0.  It moves only in sim_run (sim/sim.h), to the deadline of the
 * next timer, when no coroutine is runnable.  Timers of one instant fire in the order in which
 * they were set.
 */
#ifndef SIM_CLOCK_H
#define SIM_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)

struct sim;

typedef void timer_fn(void *opaque);

/* Memory is the owner's; zero it (or timer_init) before the first use. */
struct timer {
    int64_t deadline_ns;
    uint64_t seq;
    timer_fn *fn;
    void *opaque;
    size_t slot; /* 1 + place in the heap; 0: not set. */
};

struct clock {
    int64_t now_ns;
    uint64_t seq;
    struct timer **heap;
    size_t len, cap;
};

void clock_init(struct clock *c);
void clock_fini(struct clock *c);

static inline void timer_init(struct timer *t, timer_fn *fn, void *opaque)
{
    *t = (struct timer){ .fn = fn, .opaque = opaque };
}

static inline bool timer_is_set(const struct timer *t)
{
    return t->slot != 0;
}

/* Sets or moves t.  A deadline in the past fires in the current instant.  fn runs outside any
 * coroutine and may not yield; usually it wakes one. */
void timer_set(struct clock *c, struct timer *t, int64_t deadline_ns);
void timer_cancel(struct clock *c, struct timer *t);

/* The earliest timer, or NULL. */
static inline struct timer *clock_next(const struct clock *c)
{
    return c->len ? c->heap[0] : NULL;
}

/* Moves time to t's deadline (t = clock_next) and fires it. */
void clock_fire(struct clock *c, struct timer *t);

#endif
