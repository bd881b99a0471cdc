/* SPDX-License-Identifier: MIT */
/* Disks: contents, clones, bases, cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/disk_test.h"

/* --- contents --- */

static void test_what_is_written_is_read(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 1 * MIB, 0);
    static uint8_t p[3 * DISK_PAGE], q[3 * DISK_PAGE];
    struct iovec iov;
    assert_byte(d, 0, 0, 8192);
    assert_int_equal(put_fill(d, 100, fill_stream(7), 10000, 0), 0);
    assert_true(holds(d, 100, fill_stream(7), 10000));
    assert_byte(d, 0, 0, 100);
    assert_byte(d, 10100, 0, 2000);
    /* Over it a piece of bytes, across a page border. */
    assert_int_equal(put_byte(d, 4090, 0x5a, 20, 0), 0);
    struct iobuf b = iobuf_mem(&iov, p, sizeof(p));
    assert_int_equal(disk_read(d, 0, &b, 0), 0);
    fill_bytes(fill_stream(7), q + 100, 10000);
    memset(q + 4090, 0x5a, 20);
    assert_memory_equal(p, q, 10100);
    assert_int_equal(disk_allocated_bytes(d), 3 * DISK_PAGE);
    struct disk_stats st = disk_stats(d);
    assert_int_equal(st.ops[DISK_WRITE], 2);
    assert_int_equal(st.bytes[DISK_WRITE], 10020);
    assert_int_equal(st.ops[DISK_READ], 1);
    disk_destroy(d);
    sim_destroy(s);
}

static void test_symbolic_reads_stay_symbolic(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 1 * MIB, 0);
    static uint8_t p[16 * KIB];
    struct iovec iov;
    put_fill(d, 0, fill_stream(3), 16 * KIB, 0);
    struct iobuf b = iobuf_mem(&iov, p, 8 * KIB);
    b.symbolic = true;
    assert_int_equal(disk_read(d, 6 * KIB, &b, 0), 0);
    assert_true(fill_same(b.fill, fill_skip(fill_stream(3), 6 * KIB)));
    assert_int_equal(p[0], 0); /* The memory was left alone. */
    /* A hole is zeroes. */
    b = iobuf_mem(&iov, p, 8 * KIB);
    b.symbolic = true;
    assert_int_equal(disk_read(d, 64 * KIB, &b, 0), 0);
    assert_true(fill_is_zero(b.fill));
    /* Half stream, half hole: bytes. */
    b = iobuf_mem(&iov, p, 8 * KIB);
    b.symbolic = true;
    assert_int_equal(disk_read(d, 12 * KIB, &b, 0), 0);
    assert_int_equal(b.fill.kind, FILL_NONE);
    assert_int_equal(fill_compare(fill_skip(fill_stream(3), 12 * KIB), p, 4 * KIB), 4 * KIB);
    /* A reader who does not take symbols gets bytes. */
    b = iobuf_mem(&iov, p, 16 * KIB);
    assert_int_equal(disk_read(d, 0, &b, 0), 0);
    assert_int_equal(fill_compare(fill_stream(3), p, 16 * KIB), 16 * KIB);
    disk_destroy(d);
    sim_destroy(s);
}

static void test_same_fill_over_a_part_keeps_the_symbol(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 1 * MIB, 0);
    put_fill(d, 0, fill_byte(9), 4096, DISK_DIRECT);
    put_fill(d, 512, fill_byte(9), 512, DISK_DIRECT);
    assert_int_equal(d->store.pool->used, 0);
    put_fill(d, 512, fill_byte(8), 1024, DISK_DIRECT);
    put_fill(d, 512, fill_byte(9), 512, DISK_DIRECT); /* In place: the block is ours alone. */
    assert_int_equal(d->store.pool->used, 1);
    assert_byte(d, 0, 9, 1024);
    assert_byte(d, 1024, 8, 512);
    assert_byte(d, 1536, 9, 2560);
    disk_destroy(d);
    sim_destroy(s);
}

static void test_zero_and_discard(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 64 * KIB, 0);
    uint64_t n;
    put_fill(d, 0, fill_byte(1), 64 * KIB, 0);
    /* Zeroing keeps the space, but is no data. */
    assert_int_equal(disk_zero(d, 6 * KIB, 8 * KIB, 0), 0);
    assert_byte(d, 0, 1, 6 * KIB);
    assert_byte(d, 6 * KIB, 0, 8 * KIB);
    assert_byte(d, 14 * KIB, 1, 50 * KIB);
    assert_int_equal(disk_allocated_bytes(d), 64 * KIB);
    assert_true(disk_allocated(d, 0, 64 * KIB, &n));
    assert_int_equal(n, 8 * KIB);
    assert_false(disk_allocated(d, 9 * KIB, 64 * KIB, &n));
    assert_int_equal(n, 3 * KIB);
    /* A discard gives it back. */
    assert_int_equal(disk_discard(d, 20 * KIB, 40 * KIB, 0), 0);
    assert_int_equal(disk_allocated_bytes(d), 24 * KIB);
    assert_byte(d, 20 * KIB, 0, 40 * KIB);
    assert_byte(d, 60 * KIB, 1, 4 * KIB);
    assert_false(disk_allocated(d, 20 * KIB, 1 * MIB, &n));
    assert_int_equal(n, 40 * KIB);
    /* Within one page. */
    assert_int_equal(disk_discard(d, 100, 200, 0), 0);
    assert_byte(d, 0, 1, 100);
    assert_byte(d, 100, 0, 200);
    assert_byte(d, 300, 1, 2000);
    /* Beyond the end nothing is allocated, and nothing is far. */
    assert_false(disk_allocated(d, 1 * MIB, 77, &n));
    assert_int_equal(n, 77);
    assert_false(disk_allocated(d, 0, 0, &n));
    assert_int_equal(disk_zero(d, 0, 0, 0), 0);
    disk_destroy(d);
    sim_destroy(s);
}

/* A longer answer than one walk gives: it says less, and the next question says the rest. */
static void test_long_runs_of_data(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 512 * MIB, 0);
    uint64_t n, at;
    for (uint64_t i = 0; i < 300; i++) {
        put_fill(d, i * MIB, fill_stream(i), 1 * MIB, 0);
    }
    assert_true(disk_allocated(d, 4096, 512 * MIB, &n));
    assert_int_equal(n, 300 * MIB - 4096);
    disk_zero(d, 400 * MIB, 4096, 0); /* Nothing there: nothing happens. */
    put_fill(d, 310 * MIB, fill_byte(1), 4096, 0);
    disk_zero(d, 310 * MIB, 4096, 0);
    for (at = 0; disk_allocated(d, at, 512 * MIB, &n); at += n) {
        assert_in_range(n, 1, 512 * MIB);
    }
    assert_int_equal(at, 300 * MIB);
    assert_int_equal(n, 212 * MIB);
    assert_int_equal(disk_allocated_bytes(d), 300 * MIB + 4096);
    disk_discard(d, 0, 512 * MIB, 0);
    assert_int_equal(disk_allocated_bytes(d), 0);
    disk_destroy(d);
    sim_destroy(s);
}

static void test_eight_exbibytes(void **state)
{
    (void)state;
    struct sim *s = world();
    uint64_t size = INT64_MAX - 4095, n;
    struct disk *d = null_disk(s, size, 0);
    assert_false(disk_allocated(d, 0, size, &n));
    assert_true(n == size);
    assert_int_equal(put_fill(d, size - 8192, fill_stream(1), 4096, 0), 0);
    assert_int_equal(put_fill(d, UINT64_C(1) << 50, fill_stream(2), 4096, 0), 0);
    assert_false(disk_allocated(d, 0, size, &n));
    assert_true(n == UINT64_C(1) << 50);
    assert_true(disk_allocated(d, n, size, &n));
    assert_int_equal(n, 4096);
    assert_false(disk_allocated(d, (UINT64_C(1) << 50) + 4096, size, &n));
    assert_true(n == size - 8192 - 4096 - (UINT64_C(1) << 50));
    assert_int_equal(disk_discard(d, 0, size, 0), 0);
    assert_int_equal(disk_allocated_bytes(d), 0);
    assert_int_equal(put_fill(d, INT64_MAX - 100, fill_byte(1), 512, DISK_FILE), -EFBIG);
    disk_destroy(d);
    sim_destroy(s);
}

/* Random changes against a plain array. */
static void test_agrees_with_an_array(void **state)
{
    (void)state;
    enum { SIZE = 256 * KIB, ROUNDS = 3000 };
    struct sim *s = world();
    struct disk *d = null_disk(s, SIZE, 64 * KIB);
    uint8_t *want = mem_zalloc(SIZE), *have = mem_alloc(SIZE);
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t r = fill_word(99, i), how = r % 8;
        uint64_t offset = (r >> 8) % SIZE;
        uint64_t n = 1 + (r >> 32) % (how < 4 ? 9000 : 30000);
        n = MIN(n, SIZE - offset);
        if (how < 3) {
            put_fill(d, offset, fill_stream(i), n, 0);
            fill_bytes(fill_stream(i), want + offset, n);
        } else if (how < 5) {
            put_byte(d, offset, (uint8_t)i, n, i % 3 ? 0 : DISK_FUA);
            memset(want + offset, (uint8_t)i, n);
        } else if (how == 5) {
            disk_zero(d, offset, n, 0);
            memset(want + offset, 0, n);
        } else if (how == 6) {
            disk_discard(d, offset, n, 0);
            memset(want + offset, 0, n);
        } else {
            disk_flush(d);
        }
        if (i % 100 == 0) {
            assert_int_equal(disk_peek(d, 0, have, SIZE), 0);
            assert_memory_equal(want, have, SIZE);
        }
    }
    free(want);
    free(have);
    disk_destroy(d);
    sim_destroy(s);
}

static void test_resize(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 20 * KIB, 0);
    put_fill(d, 0, fill_byte(7), 20 * KIB, 0);
    assert_int_equal(disk_resize(d, 5000), 0);
    assert_int_equal(disk_size(d), 5000);
    assert_int_equal(disk_allocated_bytes(d), 8 * KIB);
    assert_int_equal(disk_resize(d, 20 * KIB), 0);
    assert_byte(d, 0, 7, 5000);
    assert_byte(d, 5000, 0, 20 * KIB - 5000);
    assert_int_equal(disk_resize(d, (uint64_t)INT64_MAX + 1), -EFBIG);
    disk_destroy(d);
    sim_destroy(s);
}

static void test_bad_requests(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 64 * KIB, 0);
    assert_int_equal(put_byte(d, 64 * KIB - 1, 1, 2, 0), -EINVAL);
    assert_int_equal(put_byte(d, 1, 1, 512, DISK_DIRECT), -EINVAL);
    assert_int_equal(put_byte(d, 512, 1, 100, DISK_DIRECT), -EINVAL);
    assert_int_equal(put_byte(d, 512, 1, 512, DISK_DIRECT), 0);
    assert_int_equal(disk_zero(d, 1, 512, DISK_DIRECT), -EINVAL);
    assert_int_equal(disk_zero(d, 1, 512, DISK_DIRECT | DISK_FILE), 0);
    assert_int_equal(disk_discard(d, 0, UINT64_MAX, 0), -EFBIG);
    uint8_t byte;
    assert_int_equal(disk_peek(d, 64 * KIB, &byte, 1), -EINVAL);
    assert_int_equal(disk_poke(d, 64 * KIB, &byte, 1), -EINVAL);
    assert_int_equal(disk_stats(d).errors, 5);
    disk_destroy(d);
    sim_destroy(s);
}

static void test_file_view_grows_and_reads_zeroes(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 0, 0);
    uint8_t p[1000];
    struct iovec iov;
    memset(p, 0xff, sizeof(p));
    struct iobuf b = iobuf_mem(&iov, p, sizeof(p));
    assert_int_equal(disk_read(d, 5, &b, DISK_FILE), 0);
    assert_true(iobuf_is_zero(&b));
    assert_int_equal(put_byte(d, 100, 3, 50, DISK_FILE), 0);
    assert_int_equal(disk_size(d), 150);
    memset(p, 0xff, sizeof(p));
    assert_int_equal(disk_read(d, 90, &b, DISK_FILE), 0);
    assert_int_equal(p[9], 0);
    assert_int_equal(p[10], 3);
    assert_int_equal(p[59], 3);
    assert_int_equal(p[60], 0);
    assert_int_equal(disk_zero(d, 140, 1000, DISK_FILE), 0);
    assert_int_equal(disk_size(d), 1140);
    assert_int_equal(disk_discard(d, 1000, 10000, DISK_FILE), 0);
    assert_int_equal(disk_discard(d, 100000, 10000, DISK_FILE), 0);
    assert_int_equal(disk_size(d), 1140);
    disk_destroy(d);
    sim_destroy(s);
}

static void test_capacity(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk_config cfg = DISK_CONFIG_INIT;
    cfg.size = 1 * MIB;
    cfg.capacity = 16 * KIB;
    struct disk *d = disk(s, cfg);
    assert_int_equal(put_byte(d, 0, 1, 12 * KIB, 0), 0);
    assert_int_equal(put_byte(d, 100 * KIB, 1, 8 * KIB, 0), -ENOSPC);
    assert_byte(d, 100 * KIB, 0, 8 * KIB);
    assert_int_equal(put_byte(d, 100 * KIB, 1, 4 * KIB, 0), 0);
    assert_int_equal(put_byte(d, 0, 2, 12 * KIB, 0), 0); /* No new space. */
    assert_int_equal(put_byte(d, 200 * KIB, 1, 1, 0), -ENOSPC);
    assert_int_equal(disk_discard(d, 0, 4 * KIB, 0), 0);
    assert_int_equal(put_byte(d, 200 * KIB, 1, 1, 0), 0);
    disk_destroy(d);
    sim_destroy(s);
}

static void test_bad_configurations(void **state)
{
    (void)state;
    struct sim *s = world();
    static const struct {
        struct disk_config cfg;
        const char *text;
    } bad[] = {
        { { .size = UINT64_MAX }, "2^63-1" },
        { { .logical = 1000 }, "512 or 4096 bytes, not 1000" },
        { { .logical = 4096, .physical = 512 }, "physical sector" },
        { { .physical = 1536 }, "physical sector" },
        { { .atomic = 700 }, "atomic write unit" },
        { { .latency_ns = -2 }, "latency" },
        { { .profile = "nvm" }, "unknown profile 'nvm', did you mean 'nvme'?" },
        { { .profile = "floppy" }, "unknown profile 'floppy'" },
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct error err = ERROR_INIT;
        struct disk *d = NULL;
        assert_int_equal(disk_create(s, "d0", &bad[i].cfg, &d, &err), -EINVAL);
        assert_non_null(strstr(err.text, bad[i].text));
        assert_null(d);
    }
    sim_destroy(s);
}

/* --- clones --- */

static void test_clones_share_and_part(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 1 * MIB, 1 * MIB);
    put_byte(d, 0, 1, 64 * KIB, 0);
    struct disk *c = disk_clone(d, "c");
    assert_string_equal(disk_name(c), "c");
    assert_true(disk_actor(c) != disk_actor(d));
    assert_int_equal(d->store.pool->used, 16);
    put_byte(d, 0, 2, 100, 0);
    put_byte(c, 4096, 3, 4096, 0);
    assert_int_equal(d->store.pool->used, 18);
    assert_byte(d, 0, 2, 100);
    assert_byte(c, 0, 1, 4096);
    assert_byte(d, 4096, 1, 4096);
    assert_byte(c, 4096, 3, 4096);
    disk_discard(c, 0, 4096, 0);
    assert_byte(c, 0, 0, 4096);
    assert_byte(d, 100, 1, 3996);
    assert_int_equal(disk_allocated_bytes(c), 60 * KIB);
    assert_int_equal(disk_allocated_bytes(d), 64 * KIB);
    disk_destroy(d);
    assert_byte(c, 8192, 1, 56 * KIB);
    disk_destroy(c);
    sim_destroy(s);
}

static void test_many_clones_stay_shallow(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 16 * MIB, 0);
    struct disk *old = NULL;
    for (uint64_t i = 0; i < 200; i++) {
        put_fill(d, i * 8192, fill_stream(i), 4096, 0);
        put_fill(d, 0, fill_stream(1000 + i), 4096, 0);
        struct disk *c = disk_clone(d, "c");
        uint32_t depth = 0;
        for (const struct layer *l = c->store.layers; l; l = l->below) {
            depth++;
        }
        assert_in_range(depth, 1, 9);
        if (i == 50) {
            old = c;
        } else {
            disk_destroy(c);
        }
    }
    struct layer *top = d->store.layers;
    disk_destroy(disk_clone(d, "e")); /* Nothing written: nothing new. */
    assert_ptr_equal(top, d->store.layers);
    for (uint64_t i = 1; i < 200; i++) {
        assert_true(holds(d, i * 8192, fill_stream(i), 4096));
        assert_true(holds(old, i * 8192, i <= 50 ? fill_stream(i) : FILL_ZERO, 4096));
    }
    assert_true(holds(d, 0, fill_stream(1199), 4096));
    assert_true(holds(old, 0, fill_stream(1050), 4096));
    uint64_t n;
    assert_true(disk_allocated(old, 50 * 8192, 1 * MIB, &n));
    assert_int_equal(n, 4096);
    assert_false(disk_allocated(old, 51 * 8192, 1 * MIB, &n));
    assert_int_equal(n, 1 * MIB);
    disk_destroy(d);
    disk_destroy(old);
    sim_destroy(s);
}

static void test_cut_after_a_clone_undoes_only_the_source(void **state)
{
    (void)state;
    struct choice_path path = { 0 };
    struct sim_config cfg = { .seed = 1, .policy = CHOICE_ENUMERATE, .path = &path };
    struct sim *s = sim_create(&cfg); /* First path: everything volatile is lost. */
    struct disk *d = null_disk(s, 1 * MIB, 1 * MIB);
    put_byte(d, 0, 1, 4096, DISK_FUA | DISK_DIRECT);
    put_byte(d, 0, 2, 4096, DISK_DIRECT);
    put_byte(d, 8192, 2, 4096, DISK_DIRECT);
    struct disk *c = disk_clone(d, "c");
    disk_power_cut(d);
    assert_byte(d, 0, 1, 4096);
    assert_byte(d, 8192, 0, 4096);
    assert_int_equal(disk_allocated_bytes(d), 4096);
    assert_byte(c, 0, 2, 4096);
    assert_byte(c, 8192, 2, 4096);
    disk_destroy(c);
    disk_destroy(d);
    sim_destroy(s);
    choice_path_fini(&path);
}

/* --- base --- */

struct fake_base {
    uint64_t hole_start, hole_end;
    int error;
    int closed;
};

static int fake_read(void *opaque, uint64_t offset, void *dst, size_t n)
{
    struct fake_base *f = opaque;
    if (f->error) {
        return -f->error;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t at = offset + i;
        ((uint8_t *)dst)[i] = at >= f->hole_start && at < f->hole_end ? 0 : 0xbb;
    }
    return 0;
}

static bool fake_is_hole(void *opaque, uint64_t offset, uint64_t n)
{
    struct fake_base *f = opaque;
    return offset >= f->hole_start && offset + n <= f->hole_end;
}

static void fake_close(void *opaque)
{
    ((struct fake_base *)opaque)->closed++;
}

static void test_base_shows_through(void **state)
{
    (void)state;
    struct sim *s = world();
    struct fake_base f = { .hole_start = 16 * KIB, .hole_end = 48 * KIB };
    struct disk_base base = { fake_read, fake_is_hole, fake_close, &f, 100 * KIB - 100 };
    struct disk_config cfg = DISK_CONFIG_INIT;
    struct disk *d = NULL;
    uint64_t n;
    cfg.cache_bytes = 1 * MIB;
    assert_int_equal(disk_create_over(s, "d0", &cfg, &base, &d, NULL), 0);
    assert_int_equal(disk_size(d), 100 * KIB - 100);
    assert_byte(d, 0, 0xbb, 16 * KIB);
    assert_byte(d, 16 * KIB, 0, 32 * KIB);
    assert_true(disk_allocated(d, 0, 1 * MIB, &n));
    assert_int_equal(n, 16 * KIB);
    assert_false(disk_allocated(d, 16 * KIB, 1 * MIB, &n));
    assert_int_equal(n, 32 * KIB);
    assert_int_equal(disk_allocated_bytes(d), 0);
    /* Partial writes keep the rest of the page, in data and in the hole. */
    put_byte(d, 100, 1, 100, 0);
    put_byte(d, 20 * KIB + 1, 1, 1, 0);
    assert_byte(d, 0, 0xbb, 100);
    assert_byte(d, 100, 1, 100);
    assert_byte(d, 200, 0xbb, 4096);
    assert_byte(d, 20 * KIB + 2, 0, 2000);
    /* Discarded data do not come back from the base; neither does what a resize cut off. */
    disk_discard(d, 50 * KIB, 8 * KIB, 0);
    assert_byte(d, 50 * KIB, 0, 8 * KIB);
    assert_byte(d, 48 * KIB, 0xbb, 2 * KIB);
    assert_byte(d, 58 * KIB, 0xbb, 2 * KIB);
    disk_zero(d, 60 * KIB, 100, 0);
    disk_zero(d, 17 * KIB, 100, 0);
    disk_resize(d, 70 * KIB);
    disk_resize(d, 100 * KIB);
    assert_byte(d, 60 * KIB, 0, 100);
    assert_byte(d, 60 * KIB + 100, 0xbb, 10 * KIB - 100);
    assert_byte(d, 70 * KIB, 0, 30 * KIB);
    struct disk *c = disk_clone(d, "c");
    disk_destroy(d);
    assert_byte(c, 58 * KIB, 0xbb, 2 * KIB);
    assert_byte(c, 50 * KIB, 0, 8 * KIB);
    assert_int_equal(f.closed, 0);
    disk_destroy(c);
    assert_int_equal(f.closed, 1);
    sim_destroy(s);
}

static void test_lost_changes_give_the_base_back(void **state)
{
    (void)state;
    for (int cloned = 0; cloned < 2; cloned++) {
        struct choice_path path = { 0 };
        struct sim_config scfg = { .seed = 1, .policy = CHOICE_ENUMERATE, .path = &path };
        struct sim *s = sim_create(&scfg);
        struct fake_base f = { 0 };
        struct disk_base base = { fake_read, NULL, NULL, &f, 32 * KIB };
        struct disk_config cfg = DISK_CONFIG_INIT;
        struct disk *d = NULL, *c = NULL;
        assert_int_equal(disk_create_over(s, "d0", &cfg, &base, &d, NULL), 0);
        put_byte(d, 0, 1, 4096, 0);
        disk_discard(d, 8192, 8192, 0);
        disk_resize(d, 20 * KIB);
        if (cloned) {
            c = disk_clone(d, "c");
        }
        disk_power_cut(d);
        assert_int_equal(disk_size(d), 32 * KIB);
        assert_byte(d, 0, 0xbb, 32 * KIB);
        uint64_t n;
        assert_true(disk_allocated(d, 0, 32 * KIB, &n));
        assert_int_equal(n, 32 * KIB);
        if (c) {
            disk_power_on(d);
            put_byte(d, 12288, 7, 4096, 0); /* Over a page that says "as the base has it". */
            disk_power_cut(d);
            assert_byte(d, 12288, 0xbb, 4096);
            disk_power_on(d);
            struct disk *again = disk_clone(d, "again");
            assert_byte(again, 0, 0xbb, 32 * KIB);
            assert_byte(c, 0, 1, 4096);
            put_byte(again, 0, 9, 10, 0);
            assert_byte(again, 10, 0xbb, 4000);
            /* The source shows the base through its layers; whole pages may cover it again. */
            put_byte(d, 0, 8, 4096, 0);
            assert_byte(d, 0, 8, 4096);
            assert_byte(d, 4096, 0xbb, 4096);
            disk_destroy(again);
            disk_destroy(c);
        }
        disk_destroy(d);
        sim_destroy(s);
        choice_path_fini(&path);
    }
}

/* The page that a smaller size cuts through was written after the cut; both are lost. */
static void test_a_lost_shrink_brings_the_base_back(void **state)
{
    (void)state;
    struct choice_path path = { 0 };
    struct sim_config sim_cfg = { .seed = 1, .policy = CHOICE_ENUMERATE, .path = &path };
    struct sim *s = sim_create(&sim_cfg); /* Of all worlds the one that keeps nothing. */
    struct fake_base f = { 0 };
    struct disk_base base = { fake_read, fake_is_hole, fake_close, &f, 64 * KIB };
    struct disk_config cfg = DISK_CONFIG_INIT;
    struct disk *d = NULL;
    cfg.cache_bytes = 1 * MIB;
    assert_int_equal(disk_create_over(s, "d0", &cfg, &base, &d, NULL), 0);
    f.error = EIO;
    assert_int_equal(disk_resize(d, 10 * KIB), -EIO);
    assert_int_equal(disk_size(d), 64 * KIB);
    f.error = 0;
    assert_int_equal(disk_resize(d, 10 * KIB), 0);
    put_byte(d, 9 * KIB, 1, 512, 0);
    disk_resize(d, 64 * KIB);
    assert_byte(d, 8 * KIB, 0xbb, 1 * KIB);
    assert_byte(d, 10 * KIB, 0, 54 * KIB);
    disk_power_cut(d);
    assert_int_equal(disk_size(d), 64 * KIB);
    assert_byte(d, 0, 0xbb, 64 * KIB);
    disk_destroy(d);
    sim_destroy(s);
    choice_path_fini(&path);
}

static void test_base_that_fails(void **state)
{
    (void)state;
    struct sim *s = world();
    struct fake_base f = { .error = EIO };
    struct disk_base base = { fake_read, NULL, fake_close, &f, 32 * KIB };
    struct disk_config cfg = DISK_CONFIG_INIT;
    struct disk *d = NULL;
    cfg.logical = 17;
    assert_int_equal(disk_create_over(s, "d0", &cfg, &base, &d, NULL), -EINVAL);
    assert_int_equal(f.closed, 1);
    cfg.logical = 512;
    assert_int_equal(disk_create_over(s, "d0", &cfg, &base, &d, NULL), 0);
    uint8_t p[512];
    struct iovec iov;
    struct iobuf b = iobuf_mem(&iov, p, sizeof(p));
    assert_int_equal(disk_read(d, 0, &b, 0), -EIO);
    assert_int_equal(put_byte(d, 0, 1, 512, 0), -EIO);
    assert_int_equal(put_byte(d, 4096, 1, 6000, 0), -EIO);
    assert_int_equal(disk_zero(d, 0, 512, 0), -EIO);
    assert_int_equal(put_byte(d, 0, 1, 4096, 0), 0);
    assert_int_equal(disk_allocated_bytes(d), 4096);
    disk_destroy(d);
    sim_destroy(s);
}

/* --- cost --- */

static void test_warm_requests_do_not_allocate(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk *d = null_disk(s, 1 * MIB, 256 * KIB);
    static uint8_t p[4096];
    struct iovec iov;
    struct iobuf bytes = iobuf_mem(&iov, p, sizeof(p));
    for (uint64_t i = 0; i < 2000; i++) {
        disk_write(d, i * 7 % 256 * 4096, &bytes, DISK_DIRECT);
    }
    const struct page *slots = d->store.top.slots, *pages = d->log.pages;
    const struct block_slab *slabs = d->store.pool->slabs;
    uint64_t cap = d->log.entries_cap;
    for (uint64_t i = 0; i < 20000; i++) {
        disk_write(d, i * 7 % 256 * 4096, &bytes, DISK_DIRECT);
    }
    assert_ptr_equal(slots, d->store.top.slots);
    assert_ptr_equal(pages, d->log.pages);
    assert_ptr_equal(slabs, d->store.pool->slabs);
    assert_int_equal(cap, d->log.entries_cap);
    assert_int_equal(d->store.pool->used, 256 + 64);
    disk_destroy(d);
    sim_destroy(s);
}

static void test_sparse_terabyte_costs_what_is_touched(void **state)
{
    (void)state;
    enum { PAGES = 32768 }; /* 128 MiB of 1 TiB. */
    struct sim *s = world();
    struct disk *d = null_disk(s, UINT64_C(1) << 40, 0);
    static uint8_t p[4096];
    struct iovec iov;
    struct iobuf bytes = iobuf_mem(&iov, p, sizeof(p));
    for (uint64_t i = 0; i < PAGES; i++) {
        disk_write(d, fill_word(1, i) % (UINT64_C(1) << 28) * 4096, &bytes, DISK_DIRECT);
    }
    uint64_t slabs = 0, touched = disk_allocated_bytes(d);
    for (const struct block_slab *b = d->store.pool->slabs; b; b = b->next) {
        slabs += sizeof(*b);
    }
    /* While a table grows the old one of half the size exists too. */
    uint64_t tables = (d->store.top.cap * sizeof(struct page) +
                       d->store.top.words_cap * sizeof(struct pagemap_word)) * 3 / 2;
    assert_true((slabs + tables) * 100 < touched * 110);
    disk_destroy(d);
    sim_destroy(s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_symbolic_reads_stay_symbolic),
        cmocka_unit_test(test_same_fill_over_a_part_keeps_the_symbol),
        cmocka_unit_test(test_zero_and_discard),
        cmocka_unit_test(test_long_runs_of_data),
        cmocka_unit_test(test_eight_exbibytes),
        cmocka_unit_test(test_agrees_with_an_array),
        cmocka_unit_test(test_resize),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_file_view_grows_and_reads_zeroes),
        cmocka_unit_test(test_capacity),
        cmocka_unit_test(test_bad_configurations),
        cmocka_unit_test(test_clones_share_and_part),
        cmocka_unit_test(test_many_clones_stay_shallow),
        cmocka_unit_test(test_cut_after_a_clone_undoes_only_the_source),
        cmocka_unit_test(test_base_shows_through),
        cmocka_unit_test(test_lost_changes_give_the_base_back),
        cmocka_unit_test(test_base_that_fails),
        cmocka_unit_test(test_a_lost_shrink_brings_the_base_back),
        cmocka_unit_test(test_warm_requests_do_not_allocate),
        cmocka_unit_test(test_sparse_terabyte_costs_what_is_touched),
    };
    return cmocka_run_group_tests_name("sim/disk", tests, NULL, NULL);
}
