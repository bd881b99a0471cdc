/* SPDX-License-Identifier: MIT */
/* Leaky buckets, and turns.
 *
 * A limit is a bucket that leaks `avg` units (bytes, operations) a second.  A request pours in what
 * it costs; while a bucket holds more than its size, the next request waits until that much has
 * leaked:
 *
 *   size = avg / 10             without bursts: a tenth of a second's worth
 *   size = max * burst_length   with them
 *
 * so the average over a long time is avg.  Bursts of more than a second have a second bucket, of
 * max / 10, that leaks max a second: it keeps the rate within a burst.
 *
 * Levels are kept in units of 1e-9 and 128 bits, so leaking (avg * nanoseconds) is exact, and a
 * wait is rounded up to a nanosecond: no request goes early, and nothing depends on rounding.
 *
 *   throttle_wait_turn -> room and nobody waits -> pays -> goes
 *                      -> in line -> schedule -> timer -> on_turn -> pays -> goes
 *                                       ^                    |
 *                                       +--------------------+
 *
 * Reads and writes have a line and a timer each.  The timer belongs to one member: `turn`.  The
 * next turn is that of the next member around the ring that has requests in line.
 *
 * Invariants:
 *  1. While a request waits in a direction, the timer of that direction is set.
 *  2. A request has paid before its coroutine is woken: what arrives in between sees it.
 *  3. A request whose turn came goes, whatever the buckets hold by then: the other direction may
 *     have filled them at the same instant, and nobody would starve for that.
 * (QEMU docs/throttle.txt; sizes and order as the 7.2 programs show them.)
 */
#include "model/throttle.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/layer_state.h"

#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 nano_units;

struct throttle_waiter {
    struct co *co;
    uint64_t bytes;
    struct throttle_waiter *next;
};

struct bucket {
    nano_units level, burst_level;
};

/* One direction. */
struct lane {
    struct throttle_group *group;
    struct timer timer;
    struct throttle_member *turn; /* Whose turn it is or was last; NULL: nobody's yet. */
};

struct throttle_group {
    struct layer *layer;
    char *name;
    struct throttle_config config;
    struct bucket bucket[THROTTLE_BUCKETS];
    int64_t leaked_ns; /* Levels are of that time. */
    struct lane lane[2];
    struct throttle_member *members; /* The newest; NULL: none. */
    bool is_object;
    struct throttle_group *next;
};

/* ---- Buckets ---- */

static nano_units minus(nano_units level, nano_units leak)
{
    return level > leak ? level - leak : 0;
}

static void leak(struct throttle_group *g)
{
    int64_t now_ns = sim_now_ns(g->layer->sim);
    uint64_t delta_ns = (uint64_t)(now_ns - g->leaked_ns);
    CHECK(now_ns >= g->leaked_ns);
    g->leaked_ns = now_ns;
    if (delta_ns == 0) {
        return; /* The same instant: most requests of a quick disk. */
    }
    for (int i = 0; i < THROTTLE_BUCKETS; i++) {
        const struct throttle_limit *l = &g->config.bucket[i];
        struct bucket *b = &g->bucket[i];
        b->level = minus(b->level, (nano_units)l->avg * delta_ns);
        b->burst_level = minus(b->burst_level, (nano_units)l->max * delta_ns);
    }
}

/* Nanoseconds until a bucket that leaks rate units a second holds no more than size. */
static uint64_t overflow_ns(nano_units level, nano_units size, uint64_t rate)
{
    if (level <= size) {
        return 0;
    }
    nano_units wait = (level - size + rate - 1) / rate;
    return wait < INT64_MAX ? (uint64_t)wait : INT64_MAX;
}

static uint64_t bucket_wait_ns(const struct throttle_limit *l, const struct bucket *b)
{
    enum { NS_OF_SIZE = NS_PER_S / 10 };
    if (l->avg == 0) {
        return 0;
    }
    nano_units size = l->max ? (nano_units)l->max * l->burst_length * NS_PER_S
                             : (nano_units)l->avg * NS_OF_SIZE;
    uint64_t wait_ns = overflow_ns(b->level, size, l->avg);
    if (wait_ns == 0 && l->burst_length > 1) {
        wait_ns = overflow_ns(b->burst_level, (nano_units)l->max * NS_OF_SIZE, l->max);
    }
    return wait_ns;
}

/* How long a request of that direction would have to wait now. */
static uint64_t group_wait_ns(struct throttle_group *g, bool is_write)
{
    const int of[] = { THROTTLE_BPS_TOTAL, THROTTLE_OPS_TOTAL, THROTTLE_BPS_READ + is_write,
                       THROTTLE_OPS_READ + is_write };
    uint64_t longest_ns = 0;
    leak(g);
    for (size_t i = 0; i < ARRAY_LEN(of); i++) {
        uint64_t wait_ns = bucket_wait_ns(&g->config.bucket[of[i]], &g->bucket[of[i]]);
        longest_ns = MAX(longest_ns, wait_ns);
    }
    return longest_ns;
}

static void pour(struct throttle_group *g, int i, nano_units amount)
{
    if (g->config.bucket[i].avg > 0) {
        g->bucket[i].level += amount;
        g->bucket[i].burst_level += amount;
    }
}

/* A request goes. */
static void pay(struct throttle_group *g, uint64_t bytes, bool is_write)
{
    uint64_t op_size = g->config.op_size;
    nano_units ops = NS_PER_S, units = (nano_units)bytes * NS_PER_S;
    if (op_size && bytes > op_size) {
        ops = units / op_size;
    }
    leak(g);
    pour(g, THROTTLE_BPS_TOTAL, units);
    pour(g, THROTTLE_BPS_READ + is_write, units);
    pour(g, THROTTLE_OPS_TOTAL, ops);
    pour(g, THROTTLE_OPS_READ + is_write, ops);
}

/* ---- Turns ---- */

static void grant(struct throttle_member *m, bool is_write)
{
    struct throttle_waiter *w = m->head[is_write];
    CHECK(w != NULL);
    m->head[is_write] = w->next;
    if (!w->next) {
        m->tail[is_write] = NULL;
    }
    m->group->lane[is_write].turn = m;
    pay(m->group, w->bytes, is_write);
    co_wake(w->co);
}

/* The next member around the ring with requests in line, the one whose turn it was last of all. */
static struct throttle_member *next_turn(const struct throttle_group *g, bool is_write)
{
    struct throttle_member *last = g->lane[is_write].turn;
    struct throttle_member *first = last ? last->next : g->members, *m = first;
    if (!m) {
        return NULL;
    }
    do {
        if (m->head[is_write]) {
            return m;
        }
        m = m->next;
    } while (m != first);
    return NULL;
}

/* Restores invariant 1, and lets all go that need not wait. */
static void schedule(struct throttle_group *g, bool is_write)
{
    struct lane *lane = &g->lane[is_write];
    struct throttle_member *m;
    while (!timer_is_set(&lane->timer) && (m = next_turn(g, is_write))) {
        uint64_t wait_ns = group_wait_ns(g, is_write);
        if (wait_ns == 0) {
            grant(m, is_write);
            continue;
        }
        struct sim *s = g->layer->sim;
        int64_t latest_ns = INT64_MAX - 1 - sim_now_ns(s);
        lane->turn = m;
        timer_set(&s->clock, &lane->timer,
                  sim_now_ns(s) + MIN((int64_t)wait_ns, latest_ns));
    }
}

static void on_turn(void *opaque)
{
    struct lane *lane = opaque;
    struct throttle_group *g = lane->group;
    bool is_write = lane == &g->lane[1];
    CHECK(lane->turn != NULL);
    if (lane->turn->head[is_write]) {
        grant(lane->turn, is_write);
    }
    schedule(g, is_write);
}

/* Somebody else's turn, when it is m's. */
static void pass_turn(struct throttle_member *m, bool is_write)
{
    struct throttle_group *g = m->group;
    struct lane *lane = &g->lane[is_write];
    if (timer_is_set(&lane->timer) && lane->turn == m) {
        timer_cancel(&g->layer->sim->clock, &lane->timer);
        schedule(g, is_write);
    }
}

void throttle_wait_turn(struct throttle_member *m, uint64_t bytes, bool is_write)
{
    struct throttle_group *g = m->group;
    struct lane *lane = &g->lane[is_write];
    if (m->io_limits_disabled > 0) {
        pay(g, bytes, is_write);
        return;
    }
    if (!timer_is_set(&lane->timer) && group_wait_ns(g, is_write) == 0) {
        lane->turn = m;
        pay(g, bytes, is_write);
        return;
    }
    struct sim *s = g->layer->sim;
    struct throttle_waiter w = { .co = co_self(s), .bytes = bytes };
    CHECK(w.co != NULL);
    *(m->tail[is_write] ? &m->tail[is_write]->next : &m->head[is_write]) = &w;
    m->tail[is_write] = &w;
    schedule(g, is_write);
    co_yield(s, "turn in its throttle group", g);
}

void throttle_drain(struct throttle_member *m, bool begin)
{
    if (!begin) {
        CHECK(m->io_limits_disabled > 0);
        m->io_limits_disabled--;
        return;
    }
    if (m->io_limits_disabled++ > 0 || !m->group) {
        return;
    }
    for (int w = 0; w < 2; w++) {
        struct throttle_member *turn = m->group->lane[w].turn;
        while (m->head[w]) {
            grant(m, w);
        }
        m->group->lane[w].turn = turn; /* They went out of turn. */
    }
    for (int w = 0; w < 2; w++) {
        pass_turn(m, w); /* The others wait for what both have paid. */
    }
}

/* ---- Groups ---- */

struct throttle_group *throttle_group_find(const struct layer *l, const char *name)
{
    struct throttle_group *g = l->throttle_groups;
    while (g && strcmp(g->name, name) != 0) {
        g = g->next;
    }
    return g;
}

static struct throttle_group *group_create(struct layer *l, const char *name)
{
    struct throttle_group *g = NEW(struct throttle_group);
    g->layer = l;
    g->name = mem_strdup(name);
    g->leaked_ns = sim_now_ns(l->sim);
    throttle_config_init(&g->config);
    for (int w = 0; w < 2; w++) {
        g->lane[w].group = g;
        timer_init(&g->lane[w].timer, on_turn, &g->lane[w]);
    }
    g->next = l->throttle_groups;
    l->throttle_groups = g;
    return g;
}

static void group_free(struct throttle_group *g)
{
    CHECK(!g->members && !timer_is_set(&g->lane[0].timer) && !timer_is_set(&g->lane[1].timer));
    struct throttle_group **p = &g->layer->throttle_groups;
    while (*p != g) {
        p = &(*p)->next;
    }
    *p = g->next;
    free(g->name);
    free(g);
}

struct throttle_group *throttle_group_create(struct layer *l, const char *name,
                                             const struct throttle_config *c)
{
    CHECK(!throttle_group_find(l, name));
    struct throttle_group *g = group_create(l, name);
    g->is_object = true;
    g->config = *c;
    return g;
}

void throttle_group_destroy(struct throttle_group *g)
{
    CHECK(g->is_object);
    group_free(g);
}

bool throttle_group_in_use(const struct throttle_group *g)
{
    return g->members != NULL;
}

void throttle_group_set(struct throttle_group *g, const struct throttle_config *c)
{
    g->config = *c;
    g->leaked_ns = sim_now_ns(g->layer->sim);
    memset(g->bucket, 0, sizeof(g->bucket));
}

const struct throttle_config *throttle_group_config(const struct throttle_group *g)
{
    return &g->config;
}

/* ---- Members ---- */

void throttle_join_group(struct throttle_member *m, struct throttle_group *g)
{
    CHECK(!m->group && !m->head[0] && !m->head[1]);
    m->group = g;
    if (g->members) {
        m->next = g->members;
        m->prev = g->members->prev;
        m->prev->next = m;
        m->next->prev = m;
    } else {
        m->prev = m->next = m;
    }
    g->members = m;
}

void throttle_join(struct layer *l, struct throttle_member *m, const char *group)
{
    struct throttle_group *g = throttle_group_find(l, group);
    throttle_join_group(m, g ? g : group_create(l, group));
}

void throttle_leave(struct throttle_member *m)
{
    struct throttle_group *g = m->group;
    CHECK(g && !m->head[0] && !m->head[1]);
    struct throttle_member *before = m->prev != m ? m->prev : NULL;
    for (int w = 0; w < 2; w++) {
        pass_turn(m, w);
        if (g->lane[w].turn == m) {
            g->lane[w].turn = before;
        }
    }
    m->prev->next = m->next;
    m->next->prev = m->prev;
    if (g->members == m) {
        g->members = m->next != m ? m->next : NULL;
    }
    m->group = NULL;
    m->prev = m->next = NULL;
    if (!g->members && !g->is_object) {
        group_free(g);
    }
}

void throttle_set(struct throttle_member *m, const struct throttle_config *c)
{
    struct throttle_group *g = m->group;
    throttle_group_set(g, c);
    for (int w = 0; w < 2; w++) {
        if (m->head[w]) {
            struct lane *lane = &g->lane[w];
            bool is_turn = lane->turn == m;
            struct throttle_member *turn = lane->turn;
            grant(m, w);
            lane->turn = turn;
            if (is_turn) {
                timer_cancel(&g->layer->sim->clock, &lane->timer);
            }
            schedule(g, w);
        }
    }
}

void throttle_get(const struct throttle_member *m, struct throttle_config *c)
{
    *c = m->group->config;
}

const char *throttle_group_name(const struct throttle_member *m)
{
    return m->group->name;
}
