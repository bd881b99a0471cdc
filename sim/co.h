/* Coroutines on pooled stacks, run by the scheduler of their world.
 *
 * A stack is 1 MiB of lazily committed address space with a guard page below it.  The scheduler
 * alone switches to a coroutine, and a coroutine switches only back to it (co_yield, or its end),
 * so there is no nesting.  Waking queues; it never switches.
 *
 *              co_create              sched                    co_yield
 *   (pool) ------------------> READY -------> RUNNING -----------------------> WAITING
 *      ^                         ^               |                                |
 *      |            fn returns   |               |         co_wake                |
 *      +-------------------------+---------------+   <----------------------------+
 */
#ifndef SIM_CO_H
#define SIM_CO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim;

typedef void co_fn(void *opaque);

enum co_state { CO_READY, CO_RUNNING, CO_WAITING, CO_DONE };

struct co {
    void *sp; /* Saved stack pointer, or ucontext. */
    struct co *next; /* In a ready queue, a co_queue or the pool: one at a time. */
    uint64_t ready_seq;
    struct sim *sim;
    enum co_state state;
    uint32_t iothread;
    co_fn *fn;
    void *opaque;
    const char *name;      /* For reports; a literal or memory that outlives the coroutine. */
    const char *wait_what; /* What a waiting coroutine waits for: "lock", "disk d0 write". */
    const void *wait_on;   /* The object, for oracles. */
    struct co *all_prev, *all_next; /* Every live coroutine, in order of creation. */
    uint64_t id;
    char *stack;
    void *asan_stack;
    uint32_t valgrind_id;
};

/* A coroutine that will run fn(opaque) in an iothread (0: the main loop).  It is ready, not yet
 * run.  It goes back to the pool when fn returns; do not keep the pointer after that. */
struct co *co_create(struct sim *s, const char *name, uint32_t iothread, co_fn *fn, void *opaque);

/* The running coroutine, or NULL in the scheduler, a timer or outside. */
struct co *co_self(const struct sim *s);

/* Suspends the running coroutine until co_wake.  what: a literal that says what it waits for. */
void co_yield(struct sim *s, const char *what, const void *on);

/* Makes a waiting coroutine ready.  Checked: it is waiting. */
void co_wake(struct co *co);

/* Goes to the end of the ready queue and lets others run in this instant. */
void co_pass(struct sim *s);

/* Sleeps until now + ns. */
void co_sleep(struct sim *s, int64_t ns);

/* Moves the running coroutine to another iothread; takes effect before it returns. */
void co_move(struct sim *s, uint32_t iothread);

/* Runs a ready coroutine until it yields or ends.  For the scheduler only. */
void co_run(struct co *co);

/* Unmaps the pooled stacks (sim_destroy). */
void co_pool_fini(struct sim *s);

#endif
