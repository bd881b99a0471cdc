/* SPDX-License-Identifier: MIT */
#include "model/acct.h"

#include "base/check.h"
#include "base/mem.h"
#include "sim/clock.h"

#include <stdlib.h>
#include <string.h>

void acct_init(struct acct *a)
{
    *a = (struct acct){ .last_ns = -1, .count_invalid = true, .count_failed = true };
}

void acct_fini(struct acct *a)
{
    for (size_t i = 0; i < ACCT_LATENCIES; i++) {
        acct_histogram_clear(&a->histogram[i]);
    }
    while (a->intervals) {
        struct acct_interval *next = a->intervals->next;
        free(a->intervals);
        a->intervals = next;
    }
}

/* ---- Histograms ---- */

bool acct_boundaries_are_valid(const uint64_t *boundaries, size_t len)
{
    uint64_t before = 0;
    for (size_t i = 0; i < len; i++) {
        if (boundaries[i] <= before) {
            return false;
        }
        before = boundaries[i];
    }
    return true;
}

void acct_histogram_clear(struct acct_histogram *h)
{
    free(h->boundaries);
    free(h->bins);
    *h = (struct acct_histogram){ 0 };
}

void acct_histogram_set(struct acct_histogram *h, const uint64_t *boundaries, size_t len)
{
    CHECK(acct_boundaries_are_valid(boundaries, len));
    uint64_t *copy = NEW_ARRAY(uint64_t, len + 1);
    if (len > 0) {
        memcpy(copy, boundaries, len * sizeof(*copy));
    }
    acct_histogram_clear(h);
    h->boundaries = copy;
    h->bins = NEW_ARRAY(uint64_t, len + 1);
    h->len = len;
}

/* The bin of a value: as many as there are boundaries that are not above it. */
static size_t bin_of(const struct acct_histogram *h, uint64_t value)
{
    size_t low = 0, high = h->len;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (h->boundaries[mid] <= value) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

/* ---- Intervals ---- */

static void window_reset(struct acct_window *w, int64_t end_ns)
{
    *w = (struct acct_window){ .end_ns = end_ns };
}

/* Windows that are over begin anew, at the next of their ends that lies ahead. */
static void average_expire(struct acct_average *t, int64_t now_ns)
{
    for (size_t i = 0; i < 2; i++) {
        struct acct_window *w = &t->window[i];
        if (w->end_ns <= now_ns) {
            int64_t missed = (now_ns - w->end_ns) / t->period_ns + 1;
            window_reset(w, w->end_ns + missed * t->period_ns);
        }
    }
}

struct acct_window acct_average_get(struct acct_average *t, int64_t now_ns, int64_t *elapsed_ns)
{
    average_expire(t, now_ns);
    const struct acct_window *w = &t->window[t->window[1].end_ns < t->window[0].end_ns];
    *elapsed_ns = t->period_ns - (w->end_ns - now_ns);
    CHECK(*elapsed_ns >= 0 && *elapsed_ns <= t->period_ns);
    return *w;
}

static void average_add(struct acct_average *t, uint64_t value, int64_t now_ns)
{
    average_expire(t, now_ns);
    for (size_t i = 0; i < 2; i++) {
        struct acct_window *w = &t->window[i];
        w->min = w->count == 0 ? value : MIN(w->min, value);
        w->max = MAX(w->max, value);
        w->sum += value;
        w->count++;
    }
}

void acct_add_interval(struct acct *a, uint64_t seconds, int64_t now_ns)
{
    enum { SECONDS_MAX = 1 << 30 };
    CHECK(seconds > 0 && seconds <= SECONDS_MAX);
    struct acct_interval *new = NEW(struct acct_interval), **tail = &a->intervals;
    while (*tail) {
        tail = &(*tail)->next;
    }
    *tail = new;
    new->seconds = seconds;
    for (size_t i = 0; i < ACCT_LATENCIES; i++) {
        struct acct_average *t = &new->average[i];
        t->period_ns = (int64_t)seconds * NS_PER_S;
        window_reset(&t->window[0], now_ns + t->period_ns / 2);
        window_reset(&t->window[1], now_ns + t->period_ns);
    }
}

/* ---- Requests ---- */

static void count_latency(struct acct *a, enum acct_op op, int64_t took_ns, int64_t now_ns)
{
    CHECK(took_ns >= 0);
    if (op >= ACCT_LATENCIES) {
        return;
    }
    struct acct_histogram *h = &a->histogram[op];
    if (h->bins) {
        h->bins[bin_of(h, (uint64_t)took_ns)]++;
    }
    for (struct acct_interval *i = a->intervals; i; i = i->next) {
        average_add(&i->average[op], (uint64_t)took_ns, now_ns);
    }
}

static void count_time(struct acct *a, const struct acct_cookie *c, int64_t now_ns)
{
    a->total_ns[c->op] += now_ns - c->start_ns;
    a->last_ns = now_ns;
    count_latency(a, c->op, now_ns - c->start_ns, now_ns);
}

void acct_done(struct acct *a, const struct acct_cookie *c, int64_t now_ns)
{
    CHECK((unsigned)c->op < ACCT_OPS && c->bytes >= 0);
    a->ops[c->op]++;
    a->bytes[c->op] += (uint64_t)c->bytes;
    count_time(a, c, now_ns);
}

void acct_failed(struct acct *a, const struct acct_cookie *c, int64_t now_ns)
{
    CHECK((unsigned)c->op < ACCT_OPS);
    a->failed[c->op]++;
    if (a->count_failed) {
        count_time(a, c, now_ns);
    }
}

void acct_invalid(struct acct *a, enum acct_op op, int64_t now_ns)
{
    CHECK((unsigned)op < ACCT_OPS);
    a->invalid[op]++;
    if (a->count_invalid) {
        a->last_ns = now_ns;
    }
}
