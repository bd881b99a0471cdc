/* SPDX-License-Identifier: MIT */
/* Timers stand in a binary heap by (deadline, order of setting); each knows its place in it, so
 * cancelling is as cheap as setting. */
#include "sim/clock.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>

void clock_init(struct clock *c)
{
    *c = (struct clock){ .cap = 64 };
    c->heap = NEW_ARRAY(struct timer *, c->cap);
}

void clock_fini(struct clock *c)
{
    CHECK(c->len == 0);
    free(c->heap);
}

static bool before(const struct timer *a, const struct timer *b)
{
    return a->deadline_ns < b->deadline_ns ||
           (a->deadline_ns == b->deadline_ns && a->seq < b->seq);
}

static void place(struct clock *c, struct timer *t, size_t i)
{
    c->heap[i] = t;
    t->slot = i + 1;
}

static void sift_up(struct clock *c, struct timer *t, size_t i)
{
    while (i > 0 && before(t, c->heap[(i - 1) / 2])) {
        place(c, c->heap[(i - 1) / 2], i);
        i = (i - 1) / 2;
    }
    place(c, t, i);
}

static void sift_down(struct clock *c, struct timer *t, size_t i)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= c->len) {
            break;
        }
        if (child + 1 < c->len && before(c->heap[child + 1], c->heap[child])) {
            child++;
        }
        if (!before(c->heap[child], t)) {
            break;
        }
        place(c, c->heap[child], i);
        i = child;
    }
    place(c, t, i);
}

void timer_set(struct clock *c, struct timer *t, int64_t deadline_ns)
{
    CHECK(t->fn != NULL);
    timer_cancel(c, t);
    t->deadline_ns = deadline_ns > c->now_ns ? deadline_ns : c->now_ns;
    t->seq = c->seq++;
    if (c->len == c->cap) {
        c->cap *= 2;
        c->heap = mem_resize(c->heap, c->cap * sizeof(struct timer *));
    }
    sift_up(c, t, c->len++);
}

void timer_cancel(struct clock *c, struct timer *t)
{
    if (!timer_is_set(t)) {
        return;
    }
    size_t i = t->slot - 1;
    CHECK(c->heap[i] == t);
    t->slot = 0;
    struct timer *last = c->heap[--c->len];
    if (last == t) {
        return;
    }
    if (i > 0 && before(last, c->heap[(i - 1) / 2])) {
        sift_up(c, last, i);
    } else {
        sift_down(c, last, i);
    }
}

void clock_fire(struct clock *c, struct timer *t)
{
    CHECK(t == clock_next(c));
    CHECK(t->deadline_ns >= c->now_ns);
    c->now_ns = t->deadline_ns;
    timer_cancel(c, t);
    t->fn(t->opaque);
}
