/* SPDX-License-Identifier: MIT */
/* Every kind of fault, each by what it does to a disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/disk_test.h"

static void add_rule(struct disk *d, struct fault_rule rule)
{
    struct error err = ERROR_INIT;
    if (disk_fault_add(d, &rule, &err) < 0) {
        fail_msg("%s", err.text);
    }
}

static int get(struct disk *d, uint64_t offset, size_t n)
{
    uint8_t *p = mem_alloc(n);
    struct iovec iov;
    struct iobuf b = iobuf_mem(&iov, p, n);
    int ret = disk_read(d, offset, &b, 0);
    free(p);
    return ret;
}

/* Bits that differ from a constant byte. */
static int wrong_bits(const struct disk *d, uint64_t offset, uint8_t byte, size_t n)
{
    uint8_t *p = mem_alloc(n);
    int bits = 0;
    assert_int_equal(disk_peek(d, offset, p, n), 0);
    for (size_t i = 0; i < n; i++) {
        bits += __builtin_popcount((unsigned)(p[i] ^ byte));
    }
    free(p);
    return bits;
}

static void test_names(void **state)
{
    (void)state;
    for (int k = 0; k < FAULT_KINDS; k++) {
        assert_int_equal(fault_kind_parse(fault_kind_name((enum fault_kind)k)), k);
        uint32_t natural = fault_kind_natural_ops((enum fault_kind)k);
        assert_int_equal(natural & ~fault_kind_ops((enum fault_kind)k), 0);
    }
    assert_int_equal(fault_kind_parse("gremlin"), -ENOENT);
}

static void test_bad_rules(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 64 * KIB, 0);
    struct fault_rule bad[] = {
        { .kind = FAULT_KINDS },
        { .kind = FAULT_LIE, .ops = 1 << DISK_READ },
        { .kind = FAULT_ERROR, .per_mille = 1001 },
        { .kind = FAULT_ERROR, .errnum = -5 },
        { .kind = FAULT_ERROR, .offset = INT64_MAX, .bytes = 2 },
        { .kind = FAULT_DELAY },
        { .kind = FAULT_RESIZE, .arg = UINT64_MAX },
        { .kind = FAULT_BITROT, .offset = 64 * KIB },
        { .kind = FAULT_ERROR },
    };
    memset(bad[8].name, 'x', sizeof(bad[8].name));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct error err = ERROR_INIT;
        assert_int_equal(disk_fault_add(d, &bad[i], &err), -EINVAL);
        assert_true(err.text[0] != 0);
    }
    assert_null(disk_faults(d));
    disk_destroy(d);
    sim_destroy(s);
}

static void test_error_by_operation_range_and_count(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 64 * KIB, 0);
    add_rule(d, (struct fault_rule){ .kind = FAULT_ERROR, .ops = 1 << DISK_WRITE, .offset = 4096,
                                     .bytes = 4096, .nth = 2, .count = 2, .errnum = ENOSPC });
    assert_int_equal(put_byte(d, 0, 1, 4096, 0), 0);        /* Not in the range. */
    assert_int_equal(get(d, 4096, 512), 0);                 /* Not that operation. */
    assert_int_equal(put_byte(d, 0, 1, 8192, 0), 0);        /* First match. */
    assert_int_equal(put_byte(d, 8191, 2, 10, 0), -ENOSPC); /* Second. */
    assert_int_equal(put_byte(d, 4000, 2, 97, 0), -ENOSPC);
    assert_int_equal(put_byte(d, 4096, 3, 1, 0), 0); /* Spent. */
    assert_byte(d, 4000, 1, 96);
    const struct fault_rule *r = disk_faults(d);
    assert_int_equal(r->matched, 4);
    assert_int_equal(r->fired, 2);
    assert_int_equal(r->number, 1);
    assert_int_equal(disk_stats(d).faults, 2);
    assert_int_equal(disk_fault_clear(d, "other"), 0);
    assert_int_equal(disk_fault_clear(d, NULL), 1);
    add_rule(d, (struct fault_rule){ .kind = FAULT_ERROR });
    assert_int_equal(disk_flush(d), -EIO);
    assert_int_equal(disk_resize(d, 100), -EIO);
    assert_int_equal(disk_discard(d, 0, 512, 0), -EIO);
    assert_int_equal(disk_size(d), 64 * KIB);
    disk_destroy(d);
    sim_destroy(s);
}

static void test_first_rule_that_fires_acts(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 64 * KIB, 0);
    add_rule(d, (struct fault_rule){ .kind = FAULT_ERROR, .errnum = ENOMEM, .count = 1 });
    add_rule(d, (struct fault_rule){ .kind = FAULT_ERROR, .errnum = EROFS });
    assert_int_equal(put_byte(d, 0, 1, 512, 0), -ENOMEM);
    assert_int_equal(put_byte(d, 0, 1, 512, 0), -EROFS);
    disk_destroy(d);
    sim_destroy(s);
}

static void test_probability(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 64 * KIB, 0);
    add_rule(d, (struct fault_rule){ .kind = FAULT_ERROR, .per_mille = 250 });
    int failed = 0;
    for (int i = 0; i < 4000; i++) {
        failed += disk_flush(d) < 0;
    }
    assert_in_range(failed, 900, 1100);
    disk_destroy(d);
    sim_destroy(s);
    /* One by one: two requests, each fails or not. */
    struct choice_path path = { 0 };
    int worlds = 0, both = 0;
    do {
        struct sim_config cfg = { .policy = CHOICE_ENUMERATE, .path = &path };
        s = sim_create(&cfg);
        d = null_disk(s, 64 * KIB, 0);
        add_rule(d, (struct fault_rule){ .kind = FAULT_ERROR, .per_mille = 1 });
        int a = disk_flush(d), b = disk_flush(d);
        both += a < 0 && b < 0;
        worlds++;
        disk_destroy(d);
        sim_destroy(s);
    } while (choice_path_next(&path));
    assert_int_equal(worlds, 4);
    assert_int_equal(both, 1);
    choice_path_fini(&path);
}

static void test_latent_until_rewritten(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 64 * KIB, 0);
    put_byte(d, 0, 1, 64 * KIB, 0);
    add_rule(d, (struct fault_rule){ .kind = FAULT_LATENT, .name = "bad", .offset = 1000,
                                     .bytes = 1100 }); /* Sectors 1 to 4. */
    assert_int_equal(get(d, 0, 512), 0);
    assert_int_equal(get(d, 0, 513), -EIO);
    assert_int_equal(get(d, 2559, 1), -EIO);
    assert_int_equal(get(d, 2560, 512), 0);
    assert_int_equal(put_byte(d, 1100, 2, 100, 0), 0); /* Part of a sector: still bad. */
    assert_int_equal(get(d, 1100, 1), -EIO);
    assert_int_equal(put_byte(d, 1024, 2, 512, 0), 0);
    assert_int_equal(get(d, 1024, 512), 0);
    assert_int_equal(get(d, 512, 512), -EIO);
    assert_int_equal(get(d, 1536, 1024), -EIO);
    assert_int_equal(disk_zero(d, 512, 512, 0), 0);
    assert_int_equal(disk_discard(d, 2048, 512, 0), 0);
    assert_int_equal(get(d, 0, 1536), 0);
    assert_int_equal(get(d, 1536, 1), -EIO);
    assert_int_equal(get(d, 2048, 4096), 0);
    assert_int_equal(disk_fault_clear(d, "bad"), 1);
    assert_int_equal(get(d, 0, 64 * KIB), 0);
    disk_destroy(d);
    sim_destroy(s);
}

static void test_latent_by_request(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 64 * KIB, 0);
    add_rule(d, (struct fault_rule){ .kind = FAULT_LATENT, .ops = 1 << DISK_WRITE, .offset = 512,
                                     .bytes = 512, .count = 1, .errnum = EILSEQ });
    assert_int_equal(get(d, 0, 4096), 0);
    assert_int_equal(put_byte(d, 0, 1, 4096, 0), 0); /* It goes bad as it is written. */
    assert_int_equal(get(d, 0, 4096), -EILSEQ);
    assert_int_equal(put_byte(d, 0, 1, 4096, 0), 0);
    assert_int_equal(get(d, 0, 4096), 0);
    add_rule(d, (struct fault_rule){ .kind = FAULT_LATENT, .ops = 1 << DISK_READ, .nth = 2 });
    assert_int_equal(get(d, 0, 512), 0);
    assert_int_equal(get(d, 0, 512), -EIO);
    disk_destroy(d);
    sim_destroy(s);
}

static void test_bitrot_at_once(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 1 * MIB, 0);
    put_fill(d, 128 * KIB, fill_byte(7), 8192, 0);
    struct disk *c = disk_clone(d, "c");
    add_rule(d, (struct fault_rule){ .kind = FAULT_BITROT });
    assert_int_equal(wrong_bits(d, 128 * KIB, 7, 8192), 1); /* Where the data are. */
    assert_int_equal(wrong_bits(c, 128 * KIB, 7, 8192), 0);
    add_rule(d, (struct fault_rule){ .kind = FAULT_BITROT, .offset = 5000, .bytes = 10 });
    assert_int_equal(wrong_bits(d, 5000, 0, 10), 1);
    add_rule(d, (struct fault_rule){ .kind = FAULT_BITROT, .offset = 64 * KIB, .bytes = 4096,
                                     .count = 3 });
    assert_true(wrong_bits(d, 64 * KIB, 0, 4096) % 2 == 1);
    assert_int_equal(disk_stats(d).faults, 5);
    disk_destroy(c);
    disk_destroy(d);
    sim_destroy(s);
}

static void test_bitrot_by_request(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 64 * KIB, 0);
    add_rule(d, (struct fault_rule){ .kind = FAULT_BITROT, .ops = 1 << DISK_WRITE | 1 << DISK_READ,
                                     .offset = 600, .bytes = 100, .count = 2 });
    put_byte(d, 0, 1, 4096, 0);
    assert_int_equal(wrong_bits(d, 600, 1, 100), 1);
    assert_int_equal(wrong_bits(d, 0, 1, 4096), 1);
    put_byte(d, 0, 1, 600, 0); /* Does not touch the range. */
    assert_int_equal(get(d, 512, 512), 0);
    assert_int_equal(wrong_bits(d, 600, 1, 100) % 2, 0);
    disk_destroy(d);
    sim_destroy(s);
}

static void test_torn_stores_a_part(void **state)
{
    (void)state;
    struct choice_path path = { 0 };
    int seen[16] = { 0 };
    do {
        struct sim_config cfg = { .policy = CHOICE_ENUMERATE, .path = &path };
        struct sim *s = sim_create(&cfg);
        struct disk *d = null_disk(s, 64 * KIB, 0);
        add_rule(d, (struct fault_rule){ .kind = FAULT_TORN });
        assert_int_equal(put_byte(d, 512, 1, 3 * 512, 0), -EIO);
        int mask = 0;
        for (int i = 0; i < 3; i++) {
            mask |= holds(d, 512u * (unsigned)(i + 1), fill_byte(1), 512) << i;
        }
        seen[mask]++;
        /* Of a single unit there is no part. */
        assert_int_equal(disk_zero(d, 512, 512, 0), -EIO);
        disk_destroy(d);
        sim_destroy(s);
    } while (choice_path_next(&path));
    for (int mask = 0; mask < 7; mask++) {
        assert_true(seen[mask] > 0);
    }
    assert_int_equal(seen[7], 0);
    choice_path_fini(&path);
}

static void test_torn_zero(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 64 * KIB, 0);
    put_byte(d, 0, 1, 64 * KIB, 0);
    add_rule(d, (struct fault_rule){ .kind = FAULT_TORN, .errnum = ENOSPC });
    assert_int_equal(disk_zero(d, 0, 32 * KIB, 0), -ENOSPC);
    int zero = 0;
    for (unsigned i = 0; i < 64; i++) {
        zero += holds(d, i * 512, FILL_ZERO, 512);
    }
    assert_in_range(zero, 1, 63);
    disk_destroy(d);
    sim_destroy(s);
}

static void test_lost_writes(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 64 * KIB, 0);
    put_byte(d, 0, 1, 4096, 0);
    add_rule(d, (struct fault_rule){ .kind = FAULT_LOST });
    assert_int_equal(put_byte(d, 0, 2, 4096, 0), 0);
    assert_int_equal(disk_zero(d, 0, 4096, 0), 0);
    assert_int_equal(disk_discard(d, 0, 4096, 0), 0);
    assert_byte(d, 0, 1, 4096);
    disk_destroy(d);
    sim_destroy(s);
}

static void test_misdirected(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 64 * KIB, 0);
    add_rule(d, (struct fault_rule){ .kind = FAULT_MISDIRECT, .name = "m", .arg = 8192 + 1 });
    assert_int_equal(put_byte(d, 0, 5, 512, 0), 0);
    assert_byte(d, 0, 0, 512);
    assert_byte(d, 8192, 5, 512);
    disk_fault_clear(d, "m");
    /* A target too near the end moves in front of it; what fills the disk has nowhere to go. */
    add_rule(d, (struct fault_rule){ .kind = FAULT_MISDIRECT, .name = "m", .arg = 65000 });
    assert_int_equal(put_byte(d, 0, 6, 4096, 0), 0);
    assert_byte(d, 60 * KIB, 6, 4096);
    disk_fault_clear(d, "m");
    add_rule(d, (struct fault_rule){ .kind = FAULT_MISDIRECT, .name = "m" });
    assert_int_equal(put_byte(d, 0, 7, 64 * KIB, 0), 0);
    assert_byte(d, 0, 7, 64 * KIB);
    assert_int_equal(put_byte(d, 0, 8, 512 * 100, DISK_FILE), 0);
    assert_int_equal(put_byte(d, 0, 9, 512 * 200, DISK_FILE), 0); /* Grows in its place. */
    assert_byte(d, 0, 9, 512 * 200);
    disk_fault_clear(d, "m");
    /* A place chosen: another sector. */
    add_rule(d, (struct fault_rule){ .kind = FAULT_MISDIRECT, .ops = 1 << DISK_WRITE });
    for (int i = 0; i < 20; i++) {
        put_byte(d, 1024, 1, 512, 0);
        assert_byte(d, 1024, 9, 512);
    }
    disk_fault_clear(d, NULL);
    /* A read gives other data. */
    put_byte(d, 2048, 4, 512, 0);
    add_rule(d, (struct fault_rule){ .kind = FAULT_MISDIRECT, .arg = 2048 + 1 });
    struct job r = { .d = d, .op = DISK_READ, .bytes = 512 };
    start(&r);
    sim_run(s, NULL, SIM_FOREVER, 0);
    assert_int_equal(r.byte, 4);
    disk_destroy(d);
    sim_destroy(s);
}

static void test_short_transfers(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 64 * KIB, 0);
    uint64_t done;
    add_rule(d, (struct fault_rule){ .kind = FAULT_SHORT, .arg = 1000 });
    assert_int_equal(put_byte(d, 0, 1, 4096, 0), -EIO);
    assert_byte(d, 0, 1, 1000);
    assert_byte(d, 1000, 0, 3096);
    assert_int_equal(put_byte(d, 0, 2, 1000, 0), 0); /* No longer than that: whole. */
    struct iobuf w = iobuf_fill(fill_byte(3), 1500);
    assert_int_equal(disk_write_some(d, 0, &w, 0, &done), -EIO);
    assert_int_equal(done, 1000);
    uint8_t p[1500] = { 0 };
    struct iovec iov;
    struct iobuf b = iobuf_mem(&iov, p, sizeof(p));
    assert_int_equal(disk_read_some(d, 0, &b, 0, &done), -EIO);
    assert_int_equal(done, 1000);
    assert_int_equal(p[999], 3);
    assert_int_equal(p[1000], 0);
    disk_fault_clear(d, NULL);
    add_rule(d, (struct fault_rule){ .kind = FAULT_SHORT, .arg = 1000, .errnum = EPIPE });
    assert_int_equal(disk_read_some(d, 0, &b, 0, &done), -EPIPE);
    assert_int_equal(done, 0);
    disk_destroy(d);
    sim_destroy(s);
}

static void test_delay(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 64 * KIB, 0);
    add_rule(d, (struct fault_rule){ .kind = FAULT_DELAY, .delay_ns = 3 * NS_PER_MS, .count = 1 });
    struct job a = { .d = d, .op = DISK_WRITE, .bytes = 512, .byte = 1 }, b = a;
    start(&a);
    start(&b);
    sim_run(s, NULL, SIM_FOREVER, 0);
    assert_int_equal(a.end_ns, 3 * NS_PER_MS);
    assert_int_equal(b.end_ns, 0);
    assert_int_equal(a.ret, 0);
    disk_destroy(d);
    sim_destroy(s);
}

static void test_hang_until_released(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 64 * KIB, 0);
    add_rule(d, (struct fault_rule){ .kind = FAULT_HANG, .name = "h", .ops = 1 << DISK_WRITE });
    struct job a = { .d = d, .op = DISK_WRITE, .bytes = 512, .byte = 1 }, b = a;
    struct job r = { .d = d, .op = DISK_READ, .bytes = 512 };
    b.offset = 512;
    start(&a);
    start(&b);
    start(&r);
    assert_int_equal(sim_run(s, NULL, SIM_FOREVER, 0), SIM_IDLE);
    assert_int_equal(r.ret, 0);
    assert_int_equal(a.ret, 1);
    assert_int_equal(disk_stats(d).in_flight, 2);
    struct strbuf text = { 0 };
    sim_describe_waiters(s, &text);
    assert_non_null(strstr(strbuf_str(&text), "disk d0, held by a fault"));
    strbuf_free(&text);
    assert_byte(d, 0, 0, 1024);
    assert_int_equal(disk_fault_clear(d, "h"), 1);
    sim_run(s, NULL, SIM_FOREVER, 0);
    assert_int_equal(a.ret, 0);
    assert_int_equal(b.ret, 0);
    assert_byte(d, 0, 1, 1024);
    /* A power cut lets go too; nothing of the request survives. */
    add_rule(d, (struct fault_rule){ .kind = FAULT_HANG });
    a.byte = 2;
    start(&a);
    sim_run(s, NULL, SIM_FOREVER, 0);
    for (int i = 0; i < 2; i++) {
        disk_power_cut(d);
        disk_power_on(d);
    }
    sim_run(s, NULL, SIM_FOREVER, 0);
    assert_int_equal(a.ret, -EIO);
    assert_false(holds(d, 0, fill_byte(2), 512));
    disk_destroy(d);
    sim_destroy(s);
}

static void test_lying_flush(void **state)
{
    (void)state;
    struct choice_path path = { 0 };
    struct sim_config cfg = { .policy = CHOICE_ENUMERATE, .path = &path };
    struct sim *s = sim_create(&cfg); /* First path: what is volatile is lost. */
    struct disk *d = null_disk(s, 64 * KIB, 64 * KIB);
    add_rule(d, (struct fault_rule){ .kind = FAULT_LIE,
                                     .ops = 1 << DISK_FLUSH | 1 << DISK_WRITE });
    put_byte(d, 0, 1, 512, DISK_DIRECT);
    assert_int_equal(disk_flush(d), 0);
    put_byte(d, 512, 1, 512, DISK_DIRECT | DISK_FUA);
    assert_int_equal(disk_stats(d).volatile_writes, 2);
    disk_power_cut(d);
    assert_byte(d, 0, 0, 1024);
    disk_destroy(d);
    sim_destroy(s);
    choice_path_fini(&path);
}

static void test_removal(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk_config cfg = DISK_CONFIG_INIT;
    cfg.size = 64 * KIB;
    cfg.latency_ns = NS_PER_MS;
    struct disk *d = disk(s, cfg);
    add_rule(d, (struct fault_rule){ .kind = FAULT_REMOVE, .name = "gone", .nth = 2 });
    struct job a = { .d = d, .op = DISK_WRITE, .bytes = 512, .byte = 1 }, b = a, c = a;
    start(&a);
    start(&b);
    start(&c);
    sim_run(s, NULL, SIM_FOREVER, 0);
    assert_int_equal(a.ret, -ENODEV); /* In flight when it went. */
    assert_int_equal(b.ret, -ENODEV);
    assert_int_equal(c.ret, -ENODEV);
    assert_int_equal(disk_flush(d), -ENODEV);
    assert_byte(d, 0, 0, 512);
    assert_int_equal(disk_fault_clear(d, "gone"), 1);
    start(&a);
    sim_run(s, NULL, SIM_FOREVER, 0);
    assert_int_equal(a.ret, 0);
    disk_destroy(d);
    sim_destroy(s);
}

static void test_resize_under_the_guest(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 64 * KIB, 0);
    put_byte(d, 0, 1, 64 * KIB, 0);
    add_rule(d, (struct fault_rule){ .kind = FAULT_RESIZE, .arg = 8192, .count = 1 });
    assert_int_equal(put_byte(d, 16 * KIB, 2, 512, 0), -EINVAL);
    assert_int_equal(disk_size(d), 8192);
    assert_int_equal(put_byte(d, 0, 2, 512, 0), 0);
    /* A request that went astray to a place that is cut off meanwhile. */
    struct disk_config cfg = DISK_CONFIG_INIT;
    cfg.size = 64 * KIB;
    cfg.latency_ns = NS_PER_MS;
    struct disk *e = disk(s, cfg);
    add_rule(e, (struct fault_rule){ .kind = FAULT_MISDIRECT, .arg = 32 * KIB + 1, .count = 1 });
    struct job w = { .d = e, .op = DISK_WRITE, .bytes = 512, .byte = 1 };
    start(&w);
    sim_run(s, NULL, NS_PER_US, 0);
    assert_int_equal(disk_resize(e, 4096), 0);
    sim_run(s, NULL, SIM_FOREVER, 0);
    assert_int_equal(w.ret, -EIO);
    disk_destroy(e);
    disk_destroy(d);
    sim_destroy(s);
}

static void test_faults_are_traced(void **state)
{
    (void)state;
    struct sim *s = sim_create(&(struct sim_config){ .seed = 1, .keep_trace = true });
    struct disk *d = null_disk(s, 64 * KIB, 0);
    add_rule(d, (struct fault_rule){ .kind = FAULT_LOST, .count = 1 });
    put_byte(d, 1024, 1, 512, 0);
    trace_flush(&s->trace);
    assert_int_equal(s->trace.len, 2);
    const struct trace_rec *r = s->trace.recs;
    assert_int_equal(r[0].type, TRACE_FAULT);
    assert_int_equal(r[0].op, FAULT_LOST);
    assert_int_equal(r[0].id, disk_actor(d));
    assert_int_equal(r[0].a, 1024);
    assert_int_equal(r[0].b, 1);
    assert_int_equal(r[1].type, TRACE_DISK);
    assert_int_equal(r[1].op, DISK_WRITE);
    assert_int_equal(r[1].b, 512);
    disk_destroy(d);
    sim_destroy(s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_bad_rules),
        cmocka_unit_test(test_error_by_operation_range_and_count),
        cmocka_unit_test(test_first_rule_that_fires_acts),
        cmocka_unit_test(test_probability),
        cmocka_unit_test(test_latent_until_rewritten),
        cmocka_unit_test(test_latent_by_request),
        cmocka_unit_test(test_bitrot_at_once),
        cmocka_unit_test(test_bitrot_by_request),
        cmocka_unit_test(test_torn_stores_a_part),
        cmocka_unit_test(test_torn_zero),
        cmocka_unit_test(test_lost_writes),
        cmocka_unit_test(test_misdirected),
        cmocka_unit_test(test_short_transfers),
        cmocka_unit_test(test_delay),
        cmocka_unit_test(test_hang_until_released),
        cmocka_unit_test(test_lying_flush),
        cmocka_unit_test(test_removal),
        cmocka_unit_test(test_resize_under_the_guest),
        cmocka_unit_test(test_faults_are_traced),
    };
    return cmocka_run_group_tests_name("sim/fault", tests, NULL, NULL);
}
