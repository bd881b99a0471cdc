/* SPDX-License-Identifier: MIT */
#include "sim/sched.h"

#include "base/check.h"
#include "base/mem.h"
#include "sim/sim.h"

#include <stdlib.h>

void sched_init(struct sim *s)
{
    struct sched *d = &s->sched;
    *d = (struct sched){ .queues = 1 };
    d->iothread_name[0] = mem_strdup("main");
    choice_point_init(&d->pick, 0, CHOICE_RUN);
}

void sched_fini(struct sim *s)
{
    struct sched *d = &s->sched;
    CHECK(d->ready == 0);
    co_pool_fini(s);
    for (uint32_t i = 0; i < d->queues; i++) {
        free(d->iothread_name[i]);
    }
}

void sched_ready(struct sim *s, struct co *co)
{
    struct sched *d = &s->sched;
    struct sched_queue *q = &d->queue[co->iothread];
    CHECK(co->state == CO_READY);
    co->next = NULL;
    co->ready_seq = d->ready_seq++;
    if (q->tail) {
        q->tail->next = co;
    } else {
        q->head = co;
    }
    q->tail = co;
    d->ready++;
}

/* Takes the n-th of all ready coroutines, the one that has been ready longest first: a merge of the
 * queues, each of which is in that order. */
static struct co *pop_nth(struct sched *d, uint32_t n)
{
    struct co *prev[IOTHREADS_MAX] = { NULL };
    struct co *at[IOTHREADS_MAX];
    for (uint32_t i = 0; i < d->queues; i++) {
        at[i] = d->queue[i].head;
    }
    for (;;) {
        uint32_t best = 0;
        for (uint32_t i = 1; i < d->queues; i++) {
            if (at[i] && (!at[best] || at[i]->ready_seq < at[best]->ready_seq)) {
                best = i;
            }
        }
        struct co *co = at[best];
        CHECK(co != NULL);
        if (n-- == 0) {
            struct sched_queue *q = &d->queue[best];
            *(prev[best] ? &prev[best]->next : &q->head) = co->next;
            if (!co->next) {
                q->tail = prev[best];
            }
            return co;
        }
        prev[best] = co;
        at[best] = co->next;
    }
}

/* The same for n == 0 with one iothread, the usual case. */
static struct co *pop_only_queue(struct sched *d)
{
    struct sched_queue *q = &d->queue[0];
    struct co *co = q->head;
    q->head = co->next;
    if (!q->head) {
        q->tail = NULL;
    }
    return co;
}

bool sched_step(struct sim *s)
{
    struct sched *d = &s->sched;
    if (d->ready == 0) {
        return false;
    }
    uint32_t n = 0;
    if (s->choice.policy != CHOICE_FIFO || s->choice.follow_len > 0) {
        n = choice_pick(&s->choice, &d->pick, d->ready);
    }
    struct co *co = n == 0 && d->queues == 1 ? pop_only_queue(d) : pop_nth(d, n);
    d->ready--;
    d->steps++;
    co_run(co);
    return true;
}
