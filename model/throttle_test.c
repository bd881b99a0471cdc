/* SPDX-License-Identifier: MIT */
/* Throttle groups: when each request goes, to the nanosecond. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "drivers/registry.h"
#include "model/layer.h"
#include "model/throttle.h"
#include "sim/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REQUESTS_MAX = 64, MEMBERS = 3, MS = 1000000 };

/* A request: when it came, and, once it went, when and as the how-manieth. */
struct request {
    struct fixture *f;
    struct throttle_member *m;
    uint64_t bytes;
    bool is_write;
    int64_t went_ns;
    int rank;
};

struct fixture {
    struct sim *sim;
    struct host *host;
    struct layer *layer;
    struct throttle_member member[MEMBERS];
    struct request request[REQUESTS_MAX];
    int len, went;
};

static int set_up(void **state)
{
    struct sim_config cfg = { .seed = 1, .policy = CHOICE_FIFO };
    struct disk_config disk = DISK_CONFIG_INIT;
    struct fixture *f = NEW(struct fixture);
    f->sim = sim_create(&cfg);
    f->host = host_sim_create(f->sim, &disk);
    f->layer = layer_create(f->sim, f->host, drivers_all);
    *state = f;
    return 0;
}

static void destroy(void *opaque)
{
    layer_destroy(opaque);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < MEMBERS; i++) {
        if (f->member[i].group) {
            throttle_leave(&f->member[i]);
        }
    }
    co_create(f->sim, "end", 0, destroy, f->layer);
    sim_run(f->sim, NULL, SIM_FOREVER, 0);
    host_destroy(f->host);
    sim_destroy(f->sim);
    free(f);
    return 0;
}

static void go(void *opaque)
{
    struct request *r = opaque;
    throttle_wait(r->m, r->bytes, r->is_write);
    r->went_ns = sim_now_ns(r->f->sim);
    r->rank = r->f->went++;
}

/* Comes now; 0 is the first member. */
static struct request *come(struct fixture *f, int member, uint64_t bytes, bool is_write)
{
    struct request *r = &f->request[f->len++];
    assert_true(f->len <= REQUESTS_MAX);
    *r = (struct request){ f, &f->member[member], bytes, is_write, -1, -1 };
    co_create(f->sim, "request", 0, go, r);
    sim_settle(f->sim, 0);
    return r;
}

static void pass(struct fixture *f, int64_t ns)
{
    sim_run(f->sim, NULL, sim_now_ns(f->sim) + ns, 0);
}

static struct throttle_config limit(enum throttle_bucket b, uint64_t avg, uint64_t max,
                                    uint64_t length)
{
    struct throttle_config c;
    throttle_config_init(&c);
    c.bucket[b] = (struct throttle_limit){ avg, max, length };
    return c;
}

static void join(struct fixture *f, int member, struct throttle_config c)
{
    throttle_join(f->layer, &f->member[member], "g");
    throttle_set(&f->member[member], &c);
}

/* A bucket of a tenth of a second's worth: with 10 a second that is one, so the second request
 * still goes at once, and every later one a tenth of a second after the one before. */
static void the_average_holds(void **state)
{
    struct fixture *f = *state;
    join(f, 0, limit(THROTTLE_OPS_TOTAL, 10, 0, 1));
    for (int i = 0; i < 12; i++) {
        come(f, 0, 4096, false);
    }
    pass(f, 2000 * (int64_t)MS);
    assert_int_equal(f->request[0].went_ns, 0);
    assert_int_equal(f->request[1].went_ns, 0);
    for (int i = 2; i < 12; i++) {
        assert_int_equal(f->request[i].went_ns, (i - 1) * 100 * (int64_t)MS);
    }
}

/* A request is let in by what was before it, and however long it is: the next one pays. */
static void a_long_request_is_paid_afterwards(void **state)
{
    struct fixture *f = *state;
    join(f, 0, limit(THROTTLE_BPS_READ, 1000, 0, 1));
    struct request *a = come(f, 0, 5100, false);
    struct request *b = come(f, 0, 1, false);
    struct request *w = come(f, 0, 1000000, true); /* Writes are not limited. */
    pass(f, 10 * NS_PER_S);
    assert_int_equal(a->went_ns, 0);
    assert_int_equal(b->went_ns, 5 * NS_PER_S);
    assert_int_equal(w->went_ns, 0);
}

/* A third of a nanosecond is waited for as a whole one, once: what was too much counts for the
 * next time. */
static void waits_are_rounded_up_and_not_lost(void **state)
{
    struct fixture *f = *state;
    join(f, 0, limit(THROTTLE_OPS_READ, 3, 0, 1));
    for (int i = 0; i < 8; i++) {
        come(f, 0, 1, false);
    }
    pass(f, 10 * NS_PER_S);
    assert_int_equal(f->request[1].went_ns, 233333334);
    assert_int_equal(f->request[4].went_ns, 1233333334);
    assert_int_equal(f->request[7].went_ns, 2233333334);
}

/* The largest values do not overflow: rates and bursts of 10^15, requests of 2 GB. */
static void the_largest_numbers_fit(void **state)
{
    struct fixture *f = *state;
    join(f, 0, limit(THROTTLE_BPS_TOTAL, 1, 1, THROTTLE_VALUE_MAX));
    assert_int_equal(come(f, 0, UINT64_C(2000000000), false)->went_ns, 0);
    /* The burst's own bucket leaks a byte a second: that is 63 years. */
    struct request *late = come(f, 0, 1, false);
    pass(f, INT64_C(1999999999) * NS_PER_S);
    assert_int_equal(late->went_ns, -1);
    pass(f, NS_PER_S);
    assert_int_equal(late->went_ns, INT64_C(1999999999) * NS_PER_S + 900 * (int64_t)MS);

    struct throttle_config c = limit(THROTTLE_BPS_TOTAL, THROTTLE_VALUE_MAX, 0, 1);
    throttle_set(&f->member[0], &c);
    pass(f, INT64_C(6000000000) * NS_PER_S);
    struct request *r[3];
    for (int i = 0; i < 3; i++) {
        r[i] = come(f, 0, UINT64_C(100000000000000) + 1, true);
    }
    pass(f, NS_PER_S);
    assert_int_equal(r[1]->went_ns - r[0]->went_ns, 1);
    assert_int_equal(r[2]->went_ns - r[0]->went_ns, 100 * (int64_t)MS + 1);
}

/* 20 a second for a second, and 10 from then on; after a pause it may burst again. */
static void bursts_end(void **state)
{
    struct fixture *f = *state;
    join(f, 0, limit(THROTTLE_OPS_TOTAL, 10, 20, 1));
    for (int i = 0; i < 24; i++) {
        come(f, 0, 1, false);
    }
    pass(f, 10 * NS_PER_S);
    assert_int_equal(f->request[20].went_ns, 0);
    assert_int_equal(f->request[21].went_ns, 100 * (int64_t)MS);
    assert_int_equal(f->request[23].went_ns, 300 * (int64_t)MS);
    int64_t now_ns = sim_now_ns(f->sim);
    for (int i = 0; i < 22; i++) {
        come(f, 0, 1, false);
    }
    assert_int_equal(f->request[24 + 20].went_ns, now_ns);
    assert_int_equal(f->request[24 + 21].went_ns, -1);
    pass(f, NS_PER_S);
}

/* A burst of more than a second keeps its own rate: a tenth of a second's worth at once, then 20 a
 * second, until what 2 seconds of it are worth is used up (half of it leaks meanwhile). */
static void a_long_burst_has_a_rate(void **state)
{
    struct fixture *f = *state;
    join(f, 0, limit(THROTTLE_OPS_TOTAL, 10, 20, 2));
    for (int i = 0; i < 60; i++) {
        come(f, 0, 1, false);
    }
    pass(f, 100 * NS_PER_S);
    assert_int_equal(f->request[2].went_ns, 0);
    assert_int_equal(f->request[3].went_ns, 50 * (int64_t)MS);
    assert_int_equal(f->request[40].went_ns, 1900 * (int64_t)MS);
    int64_t gap_ns = f->request[59].went_ns - f->request[49].went_ns;
    assert_int_equal(f->request[59].went_ns, f->request[58].went_ns + 50 * (int64_t)MS);
    assert_int_equal(gap_ns, 500 * (int64_t)MS);
}

static void long_requests_are_several_operations(void **state)
{
    struct fixture *f = *state;
    struct throttle_config c = limit(THROTTLE_OPS_TOTAL, 10, 0, 1);
    c.op_size = 4096;
    join(f, 0, c);
    come(f, 0, 8192, false); /* 2: and the bucket holds 1. */
    come(f, 0, 6144, false); /* 1.5 */
    come(f, 0, 1, false);    /* 1 */
    come(f, 0, 1, false);
    pass(f, 10 * NS_PER_S);
    assert_int_equal(f->request[1].went_ns, 100 * (int64_t)MS);
    assert_int_equal(f->request[2].went_ns, 250 * (int64_t)MS);
    assert_int_equal(f->request[3].went_ns, 350 * (int64_t)MS);
}

/* The turn goes round the ring, from the newest member to the oldest, among those who wait. */
static void members_take_turns(void **state)
{
    struct fixture *f = *state;
    join(f, 0, limit(THROTTLE_OPS_TOTAL, 4, 0, 1));
    throttle_join(f->layer, &f->member[1], "g");
    throttle_join(f->layer, &f->member[2], "g");
    static const int members[] = { 0, 0, 1, 1, 2, 2 };
    static const int ranks[] = { 0, 1, 3, 5, 2, 4 };
    for (int i = 0; i < 6; i++) {
        come(f, members[i], 1, false);
    }
    pass(f, 10 * NS_PER_S);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(f->request[i].rank, ranks[i]);
    }
    assert_int_equal(f->request[1].went_ns, 150 * (int64_t)MS);
    assert_int_equal(f->request[3].went_ns, 1150 * (int64_t)MS);
}

/* Reads and writes have a line each and one total: both go on, and together keep the limit. */
static void neither_direction_starves(void **state)
{
    struct fixture *f = *state;
    join(f, 0, limit(THROTTLE_OPS_TOTAL, 100, 0, 1));
    for (int i = 0; i < 60; i++) {
        come(f, 0, 1, i % 2);
    }
    pass(f, 200 * (int64_t)MS);
    int went[2] = { 0, 0 };
    for (int i = 0; i < 60; i++) {
        went[i % 2] += f->request[i].went_ns >= 0;
    }
    assert_int_equal(went[0] + went[1], 11 + 20 + 1); /* Both timers were due at the same time. */
    assert_true(went[0] - went[1] <= 1 && went[1] - went[0] <= 1);
    pass(f, 10 * NS_PER_S);
}

/* A drained member's requests all go at once, and those of the others pay for it. */
static void drained_requests_go_at_once(void **state)
{
    struct fixture *f = *state;
    join(f, 0, limit(THROTTLE_OPS_TOTAL, 10, 0, 1));
    throttle_join(f->layer, &f->member[1], "g");
    for (int i = 0; i < 10; i++) {
        come(f, 0, 1, i % 2);
    }
    struct request *other = come(f, 1, 1, false);
    throttle_drain(&f->member[0], true);
    throttle_drain(&f->member[0], true);
    come(f, 0, 1, true);
    for (int i = 0; i < 12; i++) {
        if (i != 10) {
            assert_int_equal(f->request[i].went_ns, 0);
        }
    }
    assert_int_equal(other->went_ns, -1);
    throttle_drain(&f->member[0], false);
    assert_int_equal(come(f, 0, 1, true)->went_ns, 0);
    throttle_drain(&f->member[0], false);
    struct request *late = come(f, 0, 1, true);
    assert_int_equal(late->went_ns, -1);
    pass(f, 10 * NS_PER_S);
    assert_int_equal(other->went_ns, 900 * (int64_t)MS);
    assert_true(late->went_ns > 0);
}

/* New limits begin with empty buckets.  Through a member its own requests go by them at once; by
 * the group itself what waits stays until its turn comes. */
static void new_limits_count_from_then_on(void **state)
{
    struct fixture *f = *state;
    struct throttle_config one = limit(THROTTLE_OPS_TOTAL, 1, 0, 1);
    struct throttle_config two = limit(THROTTLE_OPS_TOTAL, 2, 0, 1), none;
    throttle_config_init(&none);
    join(f, 0, one);
    for (int i = 0; i < 4; i++) {
        come(f, 0, 1, false);
    }
    pass(f, 300 * (int64_t)MS);
    throttle_set(&f->member[0], &two);
    pass(f, 2000 * (int64_t)MS);
    assert_int_equal(f->request[1].went_ns, 300 * (int64_t)MS);
    assert_int_equal(f->request[2].went_ns, 700 * (int64_t)MS);
    assert_int_equal(f->request[3].went_ns, 1200 * (int64_t)MS);

    throttle_set(&f->member[0], &one);
    int64_t now_ns = sim_now_ns(f->sim);
    struct request *first = come(f, 0, 1, false), *waits = come(f, 0, 1, false);
    struct request *behind = come(f, 0, 1, true);
    pass(f, 300 * (int64_t)MS);
    throttle_group_set(throttle_group_find(f->layer, "g"), &none);
    pass(f, NS_PER_S);
    assert_int_equal(first->went_ns, now_ns);
    assert_int_equal(waits->went_ns, now_ns + 900 * (int64_t)MS);
    assert_int_equal(behind->went_ns, now_ns + 900 * (int64_t)MS);
}

/* A group that nobody made is there while it has members; who leaves takes nothing along. */
static void groups_come_and_go_with_members(void **state)
{
    struct fixture *f = *state;
    struct throttle_config c = limit(THROTTLE_OPS_TOTAL, 1, 0, 1), got;
    assert_false(throttle_group_exists(f->layer, "g"));
    join(f, 0, c);
    throttle_join(f->layer, &f->member[1], "g");
    throttle_join(f->layer, &f->member[2], "other");
    throttle_get(&f->member[1], &got);
    assert_int_equal(got.bucket[THROTTLE_OPS_TOTAL].avg, 1);
    assert_string_equal(throttle_group_name(&f->member[1]), "g");
    come(f, 1, 1, false);
    struct request *r = come(f, 1, 1, false);
    throttle_leave(&f->member[0]);
    pass(f, NS_PER_S);
    assert_int_equal(r->went_ns, 900 * (int64_t)MS);
    throttle_leave(&f->member[1]);
    assert_false(throttle_group_exists(f->layer, "g"));
    assert_true(throttle_group_exists(f->layer, "other"));
}

/* Of several mistakes the one is told that QEMU tells. */
static void contradictions_are_refused(void **state)
{
    static const struct {
        enum throttle_bucket bucket;
        struct throttle_limit limit;
        const char *text;
    } one[] = {
        { THROTTLE_BPS_READ, { THROTTLE_VALUE_MAX, 0, 1 }, NULL },
        { THROTTLE_BPS_READ, { THROTTLE_VALUE_MAX + 1, 0, 0 },
          "bps/iops/max values must be within [0, 1000000000000000]" },
        { THROTTLE_OPS_READ, { 10, 5, 0 }, "the burst length cannot be 0" },
        { THROTTLE_OPS_READ, { 10, 0, 2 }, "burst length set without burst rate" },
        { THROTTLE_OPS_READ, { 0, THROTTLE_VALUE_MAX, 2 },
          "burst length too high for this burst rate" },
        { THROTTLE_OPS_READ, { 0, 5, 1 },
          "bps_max/iops_max require corresponding bps/iops values" },
        { THROTTLE_OPS_READ, { 10, 5, 1 }, "bps_max/iops_max cannot be lower than bps/iops" },
        { THROTTLE_OPS_READ, { 10, 10, THROTTLE_VALUE_MAX / 10 }, NULL },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(one); i++) {
        struct error err = ERROR_INIT;
        struct throttle_config c;
        throttle_config_init(&c);
        c.bucket[one[i].bucket] = one[i].limit;
        assert_int_equal(throttle_check(&c, &err) < 0, one[i].text != NULL);
        assert_string_equal(err.text, one[i].text ? one[i].text : "");
    }
    struct throttle_config c = limit(THROTTLE_OPS_TOTAL, 10, 0, 0);
    struct error err = ERROR_INIT;
    c.op_size = 512;
    c.bucket[THROTTLE_OPS_WRITE].avg = 1;
    assert_true(throttle_check(&c, &err) < 0);
    assert_string_equal(err.text, "bps/iops/max total values and read/write values cannot be used "
                                  "at the same time");
    c.bucket[THROTTLE_OPS_TOTAL].avg = c.bucket[THROTTLE_OPS_WRITE].avg = 0;
    c.bucket[THROTTLE_BPS_TOTAL].avg = 1;
    err = ERROR_INIT;
    assert_true(throttle_check(&c, &err) < 0);
    assert_string_equal(err.text, "iops size requires an iops value to be set");
}

#define STORY(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(the_average_holds),
        STORY(a_long_request_is_paid_afterwards),
        STORY(waits_are_rounded_up_and_not_lost),
        STORY(the_largest_numbers_fit),
        STORY(bursts_end),
        STORY(a_long_burst_has_a_rate),
        STORY(long_requests_are_several_operations),
        STORY(members_take_turns),
        STORY(neither_direction_starves),
        STORY(drained_requests_go_at_once),
        STORY(new_limits_count_from_then_on),
        STORY(groups_come_and_go_with_members),
        cmocka_unit_test(contradictions_are_refused),
    };
    return cmocka_run_group_tests_name("model/throttle", tests, NULL, NULL);
}
