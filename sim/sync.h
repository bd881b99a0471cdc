/* Waiting for each other: queue, mutex and rwlock for coroutines.  All are first come, first
 * served, all are zero-initialised but for their name, and none allocates. */
#ifndef SIM_SYNC_H
#define SIM_SYNC_H

#include "sim/co.h"

/* Coroutines that wait for something to happen. */
struct co_queue {
    const char *what; /* For reports; NULL: "queue". */
    struct co *head, *tail;
};

void co_queue_wait(struct sim *s, struct co_queue *q);
bool co_queue_wake_one(struct co_queue *q); /* False when nobody waits. */
void co_queue_wake_all(struct co_queue *q);
static inline bool co_queue_empty(const struct co_queue *q)
{
    return q->head == NULL;
}

/* Not recursive; checked: the owner unlocks. */
struct co_mutex {
    struct co_queue waiters;
    struct co *owner;
};

void co_mutex_lock(struct sim *s, struct co_mutex *m);
void co_mutex_unlock(struct sim *s, struct co_mutex *m);

/* Fair: a reader that comes after a waiting writer waits too. */
struct co_rwlock {
    struct co_rwlock_waiter {
        struct co *co;
        struct co_rwlock_waiter *next;
        bool write;
    } *head, *tail;
    uint32_t readers;
    struct co *writer;
};

void co_rwlock_rdlock(struct sim *s, struct co_rwlock *l);
void co_rwlock_wrlock(struct sim *s, struct co_rwlock *l);
void co_rwlock_unlock(struct sim *s, struct co_rwlock *l);

#endif
