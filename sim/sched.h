/* Ready queues, one per simulated iothread, all on one OS thread.
 *
 * Under the fifo policy coroutines run in the order in which they became ready, whatever their
 * iothread.  Under the others choice_pick(CHOICE_RUN) takes one of all that are ready, so both the
 * interleaving of iothreads and the order within one are explored. */
#ifndef SIM_SCHED_H
#define SIM_SCHED_H

#include "sim/choice.h"
#include "sim/co.h"

enum { IOTHREADS_MAX = 16 };

struct sched_queue {
    struct co *head, *tail;
};

struct sched {
    struct co *current;
    void *main_sp;
    struct sched_queue queue[IOTHREADS_MAX];
    uint32_t queues; /* Iothreads in use, the main loop (0) included. */
    uint32_t ready;  /* Coroutines in all queues. */
    uint64_t ready_seq;
    uint64_t steps; /* Switches so far. */
    struct choice_point pick;
    /* Coroutines alive and pooled. */
    struct co *all_head, *all_tail;
    uint64_t ids;
    uint32_t live;
    struct co *pool;
    char *iothread_name[IOTHREADS_MAX]; /* NULL: it was removed. */
    const void *main_stack; /* For ASan. */
    size_t main_stack_size;
};

void sched_init(struct sim *s);
void sched_fini(struct sim *s);

/* Puts co at the end of its iothread's queue. */
void sched_ready(struct sim *s, struct co *co);

/* Runs one ready coroutine until it yields or ends.  False when none is ready. */
bool sched_step(struct sim *s);

#endif
