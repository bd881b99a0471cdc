/* What a block device counts (QEMU's block accounting).
 *
 *   acct_start -> acct_done     the request succeeded
 *             \-> acct_failed   it did not
 *   acct_invalid                it was never one: out of range, not aligned
 *
 * Besides the sums there are latency histograms (block-latency-histogram-set) and statistics over
 * the last seconds (stats-intervals).  Times are virtual.  Source: qapi/block-core.json,
 * BlockDeviceStats, BlockLatencyHistogramInfo, BlockDeviceTimedStats.
 */
#ifndef MODEL_ACCT_H
#define MODEL_ACCT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum acct_op { ACCT_READ, ACCT_WRITE, ACCT_FLUSH, ACCT_UNMAP, ACCT_OPS };
#define ACCT_LATENCIES 3 /* Of the first of them, reads, writes and flushes, latencies are kept. */

/* Bins [0, b0), [b0, b1) ... [b_last, inf): one more than boundaries.  bins NULL: off. */
struct acct_histogram {
    uint64_t *boundaries, *bins;
    size_t len;
};

/* Values of one window of time. */
struct acct_window {
    int64_t end_ns;
    uint64_t count, sum, min, max;
};

/* Two windows, half a period apart: what is told comes from the older one, so that it covers
 * between half of the period and all of it. */
struct acct_average {
    int64_t period_ns;
    struct acct_window window[2];
};

struct acct_interval {
    uint64_t seconds;
    struct acct_average average[ACCT_LATENCIES];
    struct acct_interval *next;
};

struct acct {
    uint64_t ops[ACCT_OPS], bytes[ACCT_OPS], merged[ACCT_OPS], failed[ACCT_OPS],
        invalid[ACCT_OPS];
    int64_t total_ns[ACCT_OPS];
    int64_t last_ns; /* Time of the last completion; -1: none yet. */
    bool count_invalid, count_failed; /* They count as accesses (account_invalid, _failed). */
    struct acct_histogram histogram[ACCT_LATENCIES];
    struct acct_interval *intervals; /* In the order in which they were asked for. */
};

/* One request, on the caller's stack. */
struct acct_cookie {
    enum acct_op op;
    int64_t bytes, start_ns;
};

void acct_init(struct acct *a);
void acct_fini(struct acct *a);

static inline struct acct_cookie acct_start(enum acct_op op, int64_t bytes, int64_t now_ns)
{
    return (struct acct_cookie){ .op = op, .bytes = bytes, .start_ns = now_ns };
}

void acct_done(struct acct *a, const struct acct_cookie *c, int64_t now_ns);
void acct_failed(struct acct *a, const struct acct_cookie *c, int64_t now_ns);
void acct_invalid(struct acct *a, enum acct_op op, int64_t now_ns);

/* Statistics of the last `seconds` (above 0); there may be several such intervals. */
void acct_add_interval(struct acct *a, uint64_t seconds, int64_t now_ns);

/* The values in the older window; all 0 when there are none.  *elapsed_ns: how long it is open. */
struct acct_window acct_average_get(struct acct_average *t, int64_t now_ns, int64_t *elapsed_ns);

/* Whether these can be boundaries: each greater than the one before, the first than 0. */
bool acct_boundaries_are_valid(const uint64_t *boundaries, size_t len);
/* Takes n boundaries (copied) with empty bins. */
void acct_histogram_set(struct acct_histogram *h, const uint64_t *boundaries, size_t len);
void acct_histogram_clear(struct acct_histogram *h);

#endif
