/* SPDX-License-Identifier: MIT */
/* Requests that take time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/disk_test.h"

static void test_constant_latency_in_parallel(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = profile_disk(s, "hdd", 100 * NS_PER_US);
    struct job j[16];
    for (uint32_t i = 0; i < 16; i++) {
        j[i] = (struct job){ .d = d, .op = DISK_WRITE, .offset = i * 4096, .bytes = 4096 };
        start(&j[i]);
    }
    sim_settle(s, 0);
    assert_int_equal(disk_stats(d).in_flight, 16);
    assert_int_equal(sim_run(s, NULL, SIM_FOREVER, 0), SIM_IDLE);
    for (uint32_t i = 0; i < 16; i++) {
        assert_int_equal(j[i].ret, 0);
        assert_int_equal(j[i].end_ns, 100 * NS_PER_US);
    }
    disk_destroy(d);
    sim_destroy(s);
}

/* Mean time of 100 requests of 4 KiB at depth 1, sequential or far apart, in us. */
static int64_t mean_us(const char *profile, enum disk_op op, uint64_t stride)
{
    struct sim *s = world();
    struct disk *d = profile_disk(s, profile, -1);
    for (uint64_t i = 0; i < 100; i++) {
        struct job j = { .d = d, .op = op, .offset = i * stride % (UINT64_C(1) << 40),
                         .bytes = 4096 };
        start(&j);
        sim_run(s, NULL, SIM_FOREVER, 0);
        assert_int_equal(j.ret, 0);
    }
    int64_t us = sim_now_ns(s) / 100 / NS_PER_US;
    disk_destroy(d);
    sim_destroy(s);
    return us;
}

static void test_profiles_are_what_they_say(void **state)
{
    (void)state;
    uint64_t far = UINT64_C(397) << 30;
    assert_int_equal(mean_us("null", DISK_READ, 4096), 0);
    assert_in_range(mean_us("nvme", DISK_READ, far), 10, 20);
    assert_in_range(mean_us("nvme", DISK_WRITE, 4096), 10, 20);
    assert_in_range(mean_us("ssd", DISK_READ, far), 60, 110);
    assert_in_range(mean_us("rdma", DISK_READ, far), 90, 100);
    assert_in_range(mean_us("tcp", DISK_WRITE, far), 250, 310);
    assert_in_range(mean_us("hdd", DISK_READ, far), 8000, 20000);
    assert_in_range(mean_us("hdd", DISK_READ, 4096), 20, 250);
    assert_in_range(mean_us("hdd", DISK_FLUSH, 0), 4000, 4000);
    assert_in_range(mean_us("nvme", DISK_ZERO, 4096), 15, 15);
}

/* The time of one write of a disk with physical sectors of 4 KiB. */
static int64_t write_ns(const char *profile, uint64_t offset, uint64_t bytes)
{
    struct sim *s = world();
    struct disk_config cfg = DISK_CONFIG_INIT;
    cfg.size = UINT64_C(1) << 30;
    cfg.physical = 4096;
    cfg.profile = profile;
    struct disk *d;
    assert_int_equal(disk_create(s, "d0", &cfg, &d, NULL), 0);
    struct job j = { .d = d, .op = DISK_WRITE, .offset = offset, .bytes = bytes };
    start(&j);
    sim_run(s, NULL, SIM_FOREVER, 0);
    assert_int_equal(j.ret, 0);
    int64_t ns = sim_now_ns(s);
    disk_destroy(d);
    sim_destroy(s);
    return ns;
}

static void test_a_part_of_a_physical_sector_costs_a_read(void **state)
{
    (void)state;
    assert_true(write_ns("nvme", 0, 512) > write_ns("nvme", 0, 4096) + 11000);
    assert_true(write_ns("nvme", 512, 4096) > write_ns("nvme", 4096, 4096) + 11000);
    assert_true(write_ns("hdd", 0, 512) > write_ns("hdd", 0, 4096) + 8000000);
    assert_int_equal(write_ns("null", 0, 512), 0);
}

static void test_channels_queue(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = profile_disk(s, "hdd", -1);
    struct job j[4];
    for (uint32_t i = 0; i < 4; i++) {
        j[i] = (struct job){ .d = d, .op = DISK_READ, .offset = (uint64_t)i << 36, .bytes = 4096 };
        start(&j[i]);
    }
    sim_run(s, NULL, SIM_FOREVER, 0);
    for (uint32_t i = 1; i < 4; i++) {
        assert_true(j[i].end_ns > j[i - 1].end_ns + NS_PER_MS / 2);
    }
    disk_destroy(d);
    sim_destroy(s);
}

static void test_waiters_are_named(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = profile_disk(s, "ssd", -1);
    struct job j = { .d = d, .op = DISK_FLUSH };
    start(&j);
    sim_settle(s, 0);
    struct strbuf text = { 0 };
    sim_describe_waiters(s, &text);
    assert_non_null(strstr(strbuf_str(&text), "disk d0 flush"));
    strbuf_free(&text);
    sim_run(s, NULL, SIM_FOREVER, 0);
    assert_int_equal(j.ret, 0);
    disk_destroy(d);
    sim_destroy(s);
}

static void test_flush_covers_what_had_ended(void **state)
{
    (void)state;
    struct choice_path path = { 0 };
    struct sim_config cfg = { .seed = 1, .policy = CHOICE_ENUMERATE, .path = &path };
    struct sim *s = sim_create(&cfg);
    struct disk *d = profile_disk(s, "rdma", -1);
    struct job before = { .d = d, .op = DISK_WRITE, .bytes = 512, .byte = 'a',
                          .flags = DISK_DIRECT };
    struct job during = before, flush = { .d = d, .op = DISK_FLUSH };
    during.offset = 512;
    during.byte = 'b';
    start(&before);
    sim_run(s, NULL, SIM_FOREVER, 0);
    start(&flush);
    sim_settle(s, 0);
    /* It ends while the flush is under way, after the flush began: not covered. */
    d->time.latency_ns = 10 * NS_PER_US;
    start(&during);
    sim_run(s, NULL, SIM_FOREVER, 0);
    assert_true(during.end_ns < flush.end_ns);
    assert_int_equal(disk_stats(d).volatile_writes, 1);
    disk_power_cut(d);
    assert_byte(d, 0, 'a', 512);
    assert_byte(d, 512, 0, 512);
    disk_destroy(d);
    sim_destroy(s);
    choice_path_fini(&path);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constant_latency_in_parallel),
        cmocka_unit_test(test_profiles_are_what_they_say),
        cmocka_unit_test(test_a_part_of_a_physical_sector_costs_a_read),
        cmocka_unit_test(test_channels_queue),
        cmocka_unit_test(test_waiters_are_named),
        cmocka_unit_test(test_flush_covers_what_had_ended),
    };
    return cmocka_run_group_tests_name("sim/disk_time", tests, NULL, NULL);
}
