/* SPDX-License-Identifier: MIT */
#include "sim/sync.h"

#include "base/check.h"
#include "sim/sim.h"

void co_queue_wait(struct sim *s, struct co_queue *q)
{
    struct co *self = co_self(s);
    CHECK(self != NULL);
    self->next = NULL;
    if (q->tail) {
        q->tail->next = self;
    } else {
        q->head = self;
    }
    q->tail = self;
    co_yield(s, q->what ? q->what : "queue", q);
}

bool co_queue_wake_one(struct co_queue *q)
{
    struct co *co = q->head;
    if (!co) {
        return false;
    }
    q->head = co->next;
    if (!q->head) {
        q->tail = NULL;
    }
    co_wake(co);
    return true;
}

void co_queue_wake_all(struct co_queue *q)
{
    while (co_queue_wake_one(q)) {
    }
}

void co_mutex_lock(struct sim *s, struct co_mutex *m)
{
    struct co *self = co_self(s);
    CHECK(self != NULL && m->owner != self);
    if (!m->owner) {
        m->owner = self;
        return;
    }
    if (!m->waiters.what) {
        m->waiters.what = "mutex";
    }
    co_queue_wait(s, &m->waiters);
    CHECK(m->owner == self); /* Handed over by unlock. */
}

void co_mutex_unlock(struct sim *s, struct co_mutex *m)
{
    CHECK(m->owner == co_self(s));
    m->owner = m->waiters.head;
    co_queue_wake_one(&m->waiters);
}

static void rwlock_wait(struct sim *s, struct co_rwlock *l, bool write)
{
    struct co_rwlock_waiter w = { .co = co_self(s), .write = write };
    if (l->tail) {
        l->tail->next = &w;
    } else {
        l->head = &w;
    }
    l->tail = &w;
    co_yield(s, write ? "rwlock (write)" : "rwlock (read)", l);
}

/* Gives the lock to whoever is first in line: one writer, or readers up to the next writer. */
static void rwlock_hand_over(struct co_rwlock *l)
{
    while (l->head && !l->writer) {
        struct co_rwlock_waiter *w = l->head;
        if (w->write && l->readers) {
            return;
        }
        l->head = w->next;
        if (!l->head) {
            l->tail = NULL;
        }
        if (w->write) {
            l->writer = w->co;
        } else {
            l->readers++;
        }
        co_wake(w->co);
    }
}

void co_rwlock_rdlock(struct sim *s, struct co_rwlock *l)
{
    CHECK(co_self(s) != NULL && l->writer != co_self(s));
    if (l->writer || l->head) {
        rwlock_wait(s, l, false);
    } else {
        l->readers++;
    }
}

void co_rwlock_wrlock(struct sim *s, struct co_rwlock *l)
{
    CHECK(co_self(s) != NULL && l->writer != co_self(s));
    if (l->writer || l->readers) {
        rwlock_wait(s, l, true);
    } else {
        l->writer = co_self(s);
    }
}

void co_rwlock_unlock(struct sim *s, struct co_rwlock *l)
{
    if (l->writer) {
        CHECK(l->writer == co_self(s));
        l->writer = NULL;
    } else {
        CHECK(l->readers > 0);
        l->readers--;
    }
    rwlock_hand_over(l);
}
