/* SPDX-License-Identifier: MIT */
/* Power cuts: every state that one may leave, and no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/disk_test.h"

#include <stdio.h>

/* --- durability: every state that a cut may leave, and no other --- */

enum { STATES_MAX = 4096 };

struct states {
    char text[STATES_MAX][24];
    size_t len;
};

static void add_state(struct states *st, const char *text)
{
    for (size_t i = 0; i < st->len; i++) {
        if (strcmp(st->text[i], text) == 0) {
            return;
        }
    }
    assert_true(st->len < STATES_MAX);
    snprintf(st->text[st->len++], sizeof(st->text[0]), "%s", text);
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Runs fn in all worlds, and gives the states of the first n sectors: a letter each, '.' zero. */
static struct states *all_states(uint32_t sectors, uint32_t atomic, uint64_t cache,
                                 void (*fn)(struct disk *d), uint32_t *worlds)
{
    struct states *st = NEW(struct states);
    struct choice_path path = { 0 };
    *worlds = 0;
    do {
        struct sim_config cfg = { .seed = 1, .policy = CHOICE_ENUMERATE, .path = &path };
        struct sim *s = sim_create(&cfg);
        struct disk_config dcfg = DISK_CONFIG_INIT;
        dcfg.size = 64 * KIB;
        dcfg.atomic = atomic;
        dcfg.cache_bytes = cache;
        struct disk *d = disk(s, dcfg);
        fn(d);
        disk_power_cut(d);
        char text[24] = "";
        for (uint32_t i = 0; i < sectors; i++) {
            uint8_t p[512] = { 0 };
            if (disk_size(d) < (i + 1) * 512) {
                text[i] = '|';
                break;
            }
            assert_int_equal(disk_peek(d, i * 512, p, 512), 0);
            assert_int_equal(fill_compare(fill_byte(p[0]), p, 512), 512);
            text[i] = p[0] ? (char)p[0] : '.';
        }
        add_state(st, text);
        assert_int_equal(disk_stats(d).volatile_writes, 0);
        disk_destroy(d);
        sim_destroy(s);
        (*worlds)++;
    } while (choice_path_next(&path));
    choice_path_fini(&path);
    qsort(st->text, st->len, sizeof(st->text[0]), compare_text);
    return st;
}

static void assert_states(struct states *st, size_t n, const char *const *want)
{
    for (size_t i = 0; i < MIN(n, st->len); i++) {
        assert_string_equal(st->text[i], want[i]);
    }
    assert_int_equal(st->len, n);
    free(st);
}

static void three_writes(struct disk *d)
{
    put_byte(d, 0, 'a', 512, DISK_DIRECT);
    put_byte(d, 0, 'b', 512, DISK_DIRECT);
    put_byte(d, 512, 'c', 512, DISK_DIRECT);
}

static void test_three_writes_any_subset(void **state)
{
    (void)state;
    uint32_t worlds;
    struct states *st = all_states(3, 512, 1 * MIB, three_writes, &worlds);
    static const char *const want[] = { "...", ".c.", "a..", "ac.", "b..", "bc." };
    assert_int_equal(worlds, 8);
    assert_states(st, ARRAY_LEN(want), want);
    /* Without a cache all is durable. */
    static const char *const all[] = { "bc." };
    assert_states(all_states(3, 512, 0, three_writes, &worlds), 1, all);
    assert_int_equal(worlds, 1);
    /* A cache of two sectors: the oldest has fallen out. */
    static const char *const two[] = { "a..", "ac.", "b..", "bc." };
    assert_states(all_states(3, 512, 1024, three_writes, &worlds), 4, two);
}

static void torn_write(struct disk *d)
{
    put_fill(d, 0, fill_byte('x'), 4096, DISK_DIRECT | DISK_FUA);
    put_fill(d, 0, fill_byte('a'), 1536, DISK_DIRECT);
}

static void test_a_survivor_tears_at_the_atomic_unit(void **state)
{
    (void)state;
    uint32_t worlds;
    static const char *const want[] = { "aaax", "aaxx", "axax", "axxx", "xaax", "xaxx", "xxax",
                                        "xxxx" };
    assert_states(all_states(4, 512, 1 * MIB, torn_write, &worlds), ARRAY_LEN(want), want);
    assert_int_equal(worlds, 1 + 1 + 2 + 8);
    static const char *const large[] = { "aaax", "aaxx", "xxax", "xxxx" };
    assert_states(all_states(4, 1024, 1 * MIB, torn_write, &worlds), ARRAY_LEN(large), large);
    static const char *const whole[] = { "aaax", "xxxx" };
    assert_states(all_states(4, 4096, 1 * MIB, torn_write, &worlds), 2, whole);
}

static void flushed_then_more(struct disk *d)
{
    put_byte(d, 0, 'a', 512, DISK_DIRECT);
    put_byte(d, 512, 'b', 512, 0);
    disk_flush(d);
    put_byte(d, 0, 'c', 512, 0);
    put_byte(d, 512, 'd', 512, DISK_DIRECT | DISK_FUA);
    put_byte(d, 1024, 'e', 512, DISK_DIRECT);
}

static void test_flush_and_fua_hold(void **state)
{
    (void)state;
    uint32_t worlds;
    static const char *const want[] = { "ad.", "ade", "cd.", "cde" };
    assert_states(all_states(3, 512, 1 * MIB, flushed_then_more, &worlds), 4, want);
}

static void fua_over_volatile(struct disk *d)
{
    put_byte(d, 0, 'a', 1024, DISK_DIRECT);
    put_byte(d, 0, 'F', 512, DISK_DIRECT | DISK_FUA);
    put_byte(d, 0, 'b', 512, DISK_DIRECT);
}

static void test_fua_amid_volatile_writes(void **state)
{
    (void)state;
    uint32_t worlds;
    static const char *const want[] = { "F.", "Fa", "b.", "ba" };
    assert_states(all_states(2, 512, 1 * MIB, fua_over_volatile, &worlds), 4, want);
}

static void holes(struct disk *d)
{
    put_byte(d, 0, 'a', 2048, DISK_DIRECT);
    disk_flush(d);
    disk_discard(d, 0, 512, DISK_DIRECT);
    disk_zero(d, 1024, 512, DISK_DIRECT);
}

static void test_zero_and_discard_are_logged(void **state)
{
    (void)state;
    uint32_t worlds;
    static const char *const want[] = { ".a.a", ".aaa", "aa.a", "aaaa" };
    assert_states(all_states(4, 512, 1 * MIB, holes, &worlds), 4, want);
}

static void sizes(struct disk *d)
{
    put_byte(d, 0, 'a', 2048, 0);
    disk_flush(d);
    disk_resize(d, 1024);
    disk_resize(d, 2048);
    put_byte(d, 1024, 'b', 512, 0);
}

static void test_sizes_are_logged(void **state)
{
    (void)state;
    uint32_t worlds;
    static const char *const want[] = {
        "aa..", "aaaa", "aaba", "aab.", "aa|",
    };
    struct states *st = all_states(4, 512, 1 * MIB, sizes, &worlds);
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_non_null(bsearch(want[i], st->text, st->len, sizeof(st->text[0]), compare_text));
    }
    /* Growth kept though the cut before it was lost: what it adds is zero, never the old data. */
    assert_int_equal(st->len, ARRAY_LEN(want));
    free(st);
}

static void growing_file(struct disk *d)
{
    disk_resize(d, 512);
    disk_flush(d);
    put_byte(d, 512, 'a', 512, DISK_FILE | DISK_DIRECT);
}

static void growing_file_fua(struct disk *d)
{
    disk_resize(d, 512);
    disk_flush(d);
    put_byte(d, 512, 'a', 512, DISK_FILE);
    put_byte(d, 1024, 'b', 512, DISK_FILE | DISK_FUA);
}

static void test_growth_may_be_lost(void **state)
{
    (void)state;
    uint32_t worlds;
    static const char *const want[] = { ".a|", ".|" };
    /* No cache: the data are durable, the size is not; without it they are lost. */
    assert_states(all_states(3, 512, 0, growing_file, &worlds), 2, want);
    static const char *const cached[] = { "..|", ".a|", ".|" };
    assert_states(all_states(3, 512, 1 * MIB, growing_file, &worlds), 3, cached);
    /* A write that is durable by force takes the sizes with it. */
    static const char *const fua[] = { "..b", ".ab" };
    assert_states(all_states(3, 512, 0, growing_file_fua, &worlds), 2, fua);
}

static void poked(struct disk *d)
{
    put_byte(d, 0, 'a', 512, DISK_DIRECT);
    uint8_t p[512];
    memset(p, 'P', sizeof(p));
    disk_poke(d, 512, p, 512);
}

static void test_poke_is_durable(void **state)
{
    (void)state;
    uint32_t worlds;
    static const char *const want[] = { ".P", "aP" };
    assert_states(all_states(2, 512, 1 * MIB, poked, &worlds), 2, want);
}

static void test_very_long_write_tears_in_runs(void **state)
{
    (void)state;
    struct sim *s = sim_create(&(struct sim_config){ .seed = 5 });
    for (int i = 0; i < 12; i++) {
        struct disk *d = null_disk(s, 16 * MIB, 64 * MIB);
        put_fill(d, 0, fill_byte(1), 16 * MIB, DISK_DIRECT);
        disk_power_cut(d);
        uint8_t *p = mem_alloc(16 * MIB);
        assert_int_equal(disk_peek(d, 0, p, 16 * MIB), 0);
        for (size_t at = 0; at < 16 * MIB; at += 512) {
            assert_int_equal(fill_compare(fill_byte(p[at]), p + at, 512), 512);
        }
        free(p);
        disk_destroy(d);
    }
    sim_destroy(s);
}

/* Random changes, then a cut: every sector holds what it held at the last flush or FUA write of it,
 * or what some later change put there. */
enum { SECTORS = 256, VALUES_MAX = 128 };

struct legal {
    uint8_t value[VALUES_MAX];
    size_t len;
};

static void random_change(struct disk *d, struct legal *legal, uint64_t r)
{
    uint64_t first = (r >> 8) % SECTORS, n = 1 + (r >> 20) % 24;
    uint8_t value = (uint8_t)(1 + (r >> 40) % 255);
    bool fua = (r >> 32) % 8 == 0;
    uint32_t flags = ((r >> 36) % 2 ? DISK_DIRECT : 0) | (fua ? DISK_FUA : 0);
    n = MIN(n, SECTORS - first);
    if (r % 16 == 0) {
        assert_int_equal(disk_flush(d), 0);
        for (size_t i = 0; i < SECTORS; i++) {
            legal[i].value[0] = legal[i].value[legal[i].len - 1];
            legal[i].len = 1;
        }
        return;
    }
    if (r % 16 < 4) {
        value = 0;
        assert_int_equal(r % 16 < 2 ? disk_zero(d, first * 512, n * 512, flags)
                                    : disk_discard(d, first * 512, n * 512, flags), 0);
    } else {
        assert_int_equal(put_byte(d, first * 512, value, n * 512, flags), 0);
    }
    for (size_t i = first; i < first + n; i++) {
        if (fua) {
            legal[i].len = 0;
        }
        assert_true(legal[i].len < VALUES_MAX);
        legal[i].value[legal[i].len++] = value;
    }
}

static void test_random_changes_leave_legal_sectors(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 150; seed++) {
        struct sim *s = sim_create(&(struct sim_config){ .seed = seed, .policy = CHOICE_SEEDED });
        struct disk *d = null_disk(s, SECTORS * 512, seed % 3 ? 1 * MIB : 16 * KIB), *c = NULL;
        static struct legal legal[SECTORS];
        for (size_t i = 0; i < SECTORS; i++) {
            legal[i] = (struct legal){ .len = 1 };
        }
        for (uint64_t k = 0; k < 150; k++) {
            random_change(d, legal, fill_word(seed, k));
            if (k == 70 && seed % 2) {
                c = disk_clone(d, "c");
            }
        }
        disk_power_cut(d);
        for (size_t i = 0; i < SECTORS; i++) {
            uint8_t p[512];
            assert_int_equal(disk_peek(d, i * 512, p, 512), 0);
            assert_int_equal(fill_compare(fill_byte(p[0]), p, 512), 512);
            assert_non_null(memchr(legal[i].value, p[0], legal[i].len));
        }
        if (c) {
            disk_destroy(c);
        }
        disk_destroy(d);
        sim_destroy(s);
    }
}

static void test_log_is_bounded(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 1 * MIB, UINT64_C(1) << 40);
    for (uint64_t i = 0; i < 2 * DISK_LOG_ENTRIES; i++) {
        put_fill(d, i % 256 * 4096, fill_stream(i), 4096, DISK_DIRECT);
    }
    assert_in_range(disk_stats(d).volatile_writes, DISK_LOG_ENTRIES - 2, DISK_LOG_ENTRIES);
    assert_int_equal(d->log.entries_cap, DISK_LOG_ENTRIES);
    disk_flush(d);
    assert_int_equal(disk_stats(d).volatile_writes, 0);
    /* The host's page cache has its own bound. */
    struct disk *e = null_disk(s, 256 * MIB, 0);
    for (uint64_t i = 0; i < 100; i++) {
        put_fill(e, i * MIB, fill_stream(i), 1 * MIB, 0);
    }
    assert_int_equal(disk_stats(e).volatile_writes, 64);
    disk_destroy(d);
    disk_destroy(e);
    sim_destroy(s);
}

static void test_cut_with_requests_in_flight(void **state)
{
    (void)state;
    struct choice_path path = { 0 };
    uint32_t worlds = 0, kept = 0, zeroed = 0, grown = 0;
    do {
        struct sim_config cfg = { .seed = 1, .policy = CHOICE_ENUMERATE, .path = &path };
        struct sim *s = sim_create(&cfg);
        struct disk *d = profile_disk(s, "null", 50 * NS_PER_US);
        d->cfg.atomic = 4096;
        disk_poke(d, 4096, "x", 1);
        struct job w = { .d = d, .op = DISK_WRITE, .bytes = 512, .byte = 'a' };
        struct job r = { .d = d, .op = DISK_READ, .bytes = 512 };
        struct job f = { .d = d, .op = DISK_FLUSH };
        struct job z = { .d = d, .op = DISK_ZERO, .offset = 4096, .bytes = 512 };
        struct job g = { .d = d, .op = DISK_RESIZE, .offset = UINT64_C(2) << 40 };
        d->time.profile = disk_profile_find("rdma");
        struct job *jobs[] = { &w, &r, &f, &z, &g };
        for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
            start(jobs[i]);
            sim_settle(s, 0);
        }
        sim_run(s, NULL, 10 * NS_PER_US, 0);
        disk_power_cut(d);
        disk_power_cut(d); /* Nothing more. */
        assert_int_equal(sim_settle(s, 0), SIM_IDLE);
        assert_int_equal(w.ret, -EIO);
        assert_int_equal(r.ret, -EIO);
        assert_int_equal(f.ret, -EIO);
        assert_int_equal(z.ret, -EIO);
        assert_int_equal(g.ret, -EIO);
        assert_int_equal(put_byte(d, 0, 1, 512, 0), -ENODEV);
        disk_power_on(d);
        disk_power_on(d);
        kept += holds(d, 0, fill_byte('a'), 512);
        zeroed += holds(d, 4096, FILL_ZERO, 512);
        grown += disk_size(d) == UINT64_C(2) << 40;
        assert_true(holds(d, 0, fill_byte('a'), 512) || holds(d, 0, FILL_ZERO, 512));
        start(&w);
        sim_run(s, NULL, SIM_FOREVER, 0);
        assert_int_equal(w.ret, 0);
        disk_destroy(d);
        sim_destroy(s);
        worlds++;
    } while (choice_path_next(&path));
    /* Three changes, each kept or not, times the orders in which the five may be told. */
    assert_int_equal(worlds, 8 * 120);
    assert_int_equal(kept * 2, worlds);
    assert_int_equal(zeroed * 2, worlds);
    assert_int_equal(grown * 2, worlds);
    choice_path_fini(&path);
}

/* The same seed gives the same trace and the same damage; another seed another one. */
static uint64_t cut_run(uint64_t seed, uint64_t *contents)
{
    struct sim *s = sim_create(&(struct sim_config){ .seed = seed, .policy = CHOICE_SEEDED });
    struct disk *d = profile_disk(s, "nvme", -1);
    struct job j[64];
    for (uint32_t i = 0; i < 64; i++) {
        j[i] = (struct job){ .d = d, .op = DISK_WRITE, .offset = i % 7 * 2048, .bytes = 6144,
                             .byte = (uint8_t)(i + 1), .flags = DISK_DIRECT };
        start(&j[i]);
    }
    sim_run(s, NULL, 30 * NS_PER_US, 0);
    disk_power_cut(d);
    sim_settle(s, 0);
    static uint8_t p[32 * KIB];
    assert_int_equal(disk_peek(d, 0, p, sizeof(p)), 0);
    *contents = XXH3_64bits(p, sizeof(p));
    uint64_t hash = trace_hash(&s->trace);
    disk_destroy(d);
    sim_destroy(s);
    return hash;
}

static void test_cuts_repeat(void **state)
{
    (void)state;
    uint64_t c1, c2, c3;
    uint64_t t1 = cut_run(1, &c1), t2 = cut_run(1, &c2), t3 = cut_run(2, &c3);
    assert_true(t1 == t2 && c1 == c2);
    assert_true(t1 != t3 && c1 != c3);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_writes_any_subset),
        cmocka_unit_test(test_a_survivor_tears_at_the_atomic_unit),
        cmocka_unit_test(test_flush_and_fua_hold),
        cmocka_unit_test(test_fua_amid_volatile_writes),
        cmocka_unit_test(test_zero_and_discard_are_logged),
        cmocka_unit_test(test_sizes_are_logged),
        cmocka_unit_test(test_growth_may_be_lost),
        cmocka_unit_test(test_poke_is_durable),
        cmocka_unit_test(test_very_long_write_tears_in_runs),
        cmocka_unit_test(test_random_changes_leave_legal_sectors),
        cmocka_unit_test(test_log_is_bounded),
        cmocka_unit_test(test_cut_with_requests_in_flight),
        cmocka_unit_test(test_cuts_repeat),
    };
    return cmocka_run_group_tests_name("sim/disk_cut", tests, NULL, NULL);
}
