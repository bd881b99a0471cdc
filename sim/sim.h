/* One deterministic world, passed in everywhere.  DESIGN sections 1 and 3.
 *
 * No state lives outside it: several worlds may exist side by side in a process.  A world is
 * driven from outside by sim_run; everything else happens in its coroutines and timers.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "base/error.h"
#include "base/text.h"
#include "sim/choice.h"
#include "sim/clock.h"
#include "sim/co.h"
#include "sim/sched.h"
#include "sim/trace.h"

struct sim {
    struct clock clock;
    struct sched sched;
    struct choice choice;
    struct trace trace;
    uint32_t actors;
    struct block_pool *blocks; /* What disks hold (sim/disk_page.h); NULL: there was no disk. */
};

struct sim_config {
    uint64_t seed;
    enum choice_policy policy;
    struct choice_path *path; /* CHOICE_ENUMERATE only; borrowed. */
    bool keep_trace;
};

struct sim *sim_create(const struct sim_config *cfg);

/* Checked: no coroutine is alive and no timer is set. */
void sim_destroy(struct sim *s);

static inline int64_t sim_now_ns(const struct sim *s)
{
    return s->clock.now_ns;
}

/* A new number for something that makes choices or appears in the trace: 1, 2, 3... in order of
 * creation. */
uint32_t sim_actor(struct sim *s);

/* Adds an iothread and returns its number (1...), or -ENOSPC. */
int sim_iothread_add(struct sim *s, const char *name);
/* Number of a named iothread, or -ENOENT. */
int sim_iothread_find(const struct sim *s, const char *name);
/* Takes its name away; the number is free again when nothing runs in it any more. */
void sim_iothread_remove(struct sim *s, uint32_t iothread);
/* Whether a coroutine lives in it. */
bool sim_iothread_is_busy(const struct sim *s, uint32_t iothread);

enum sim_stop {
    SIM_DONE,  /* *done became true. */
    SIM_IDLE,  /* Nothing is ready and no timer is set.  now == until_ns unless done was given. */
    SIM_LATER, /* The next timer lies after until_ns; now == until_ns. */
    SIM_STEPS, /* max_steps switches were made. */
};

#define SIM_FOREVER INT64_MAX

/* Runs ready coroutines, and moves time when there are none, until the first of:
 * *done (may be NULL), until_ns (absolute), max_steps more switches (0: no limit). */
enum sim_stop sim_run(struct sim *s, const bool *done, int64_t until_ns, uint64_t max_steps);

/* Runs what is ready in the current instant; time does not move.  Same stops. */
enum sim_stop sim_settle(struct sim *s, uint64_t max_steps);

/* Describes live coroutines and what they wait for, a line each, oldest first. */
void sim_describe_waiters(const struct sim *s, struct strbuf *out);

static inline void sim_trace(struct sim *s, enum trace_type type, uint16_t op, uint32_t id,
                             int64_t a, int64_t b)
{
    trace_emit(&s->trace, s->clock.now_ns, type, op, id, a, b);
}

/* A text record: the words one behind the other. */
void sim_trace_words(struct sim *s, enum trace_type type, const char *const *words, size_t n);
/* The same in printf form. */
void sim_trace_text(struct sim *s, enum trace_type type, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
