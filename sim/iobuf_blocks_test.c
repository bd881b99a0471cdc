/* SPDX-License-Identifier: MIT */
/* Copies between disks that refer to blocks instead of moving bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sim/disk_test.h"

enum { PAGES = 4, BYTES = PAGES * DISK_PAGE, SIZE = 64 * KIB };

/* A reader's buffer: memory that is all 0xee until somebody writes there, and room for blocks. */
struct reader {
    uint8_t memory[BYTES];
    struct iovec iov;
    struct iobuf buf;
    struct iobuf_blocks room;
};

static void reader_init(struct reader *r, size_t bytes)
{
    memset(r->memory, 0xee, sizeof(r->memory));
    r->buf = iobuf_mem(&r->iov, r->memory, bytes);
    r->buf.symbolic = true;
    iobuf_take_blocks(&r->buf, &r->room);
}

/* Bytes that are the same on no two pages. */
static void make_bytes(uint8_t *out, size_t n)
{
    fill_bytes(fill_stream(7), out, n);
}

/* A disk with bytes in its first PAGES pages, and an empty one. */
struct two {
    struct sim *sim;
    struct disk *a, *b;
    uint8_t bytes[BYTES];
};

static struct two two_disks(void)
{
    struct two t = { .sim = world() };
    t.a = null_disk(t.sim, SIZE, 0);
    t.b = null_disk(t.sim, SIZE, 0);
    make_bytes(t.bytes, BYTES);
    assert_int_equal(disk_poke(t.a, 0, t.bytes, BYTES), 0);
    return t;
}

static void two_end(struct two *t)
{
    disk_destroy(t->a);
    disk_destroy(t->b);
    sim_destroy(t->sim); /* Checked there: no block has a reference left. */
}

static void assert_holds(const struct disk *d, uint64_t offset, const uint8_t *bytes, size_t n)
{
    uint8_t have[BYTES];
    assert_true(n <= sizeof(have));
    assert_int_equal(disk_peek(d, offset, have, n), 0);
    assert_memory_equal(have, bytes, n);
}

static void test_a_copy_shares_blocks_until_one_side_is_written(void **state)
{
    (void)state;
    struct two t = two_disks();
    struct reader r;
    uint64_t before = t.sim->blocks->used;
    reader_init(&r, BYTES);
    assert_int_equal(disk_read(t.a, 0, &r.buf, 0), 0);
    assert_true(iobuf_has_blocks(&r.buf));
    assert_int_equal(r.memory[0], 0xee); /* Nothing was copied. */
    assert_int_equal(disk_write(t.b, 2 * DISK_PAGE, &r.buf, 0), 0);
    assert_int_equal(t.sim->blocks->used, before);
    assert_int_equal(disk_allocated_bytes(t.b), BYTES);
    assert_holds(t.b, 2 * DISK_PAGE, t.bytes, BYTES);

    /* The source, the copy and the buffer go their own ways. */
    assert_int_equal(put_byte(t.a, 100, 'a', 10, 0), 0);
    assert_int_equal(put_byte(t.b, 3 * DISK_PAGE + 100, 'b', 10, 0), 0);
    assert_byte(t.a, 100, 'a', 10);
    assert_holds(t.b, 2 * DISK_PAGE, t.bytes, DISK_PAGE);
    assert_holds(t.a, DISK_PAGE, t.bytes + DISK_PAGE, BYTES - DISK_PAGE);
    uint8_t out[BYTES];
    iobuf_copy_out(&r.buf, 0, out, BYTES);
    assert_memory_equal(out, t.bytes, BYTES);
    iobuf_blocks_drop(&r.room);
    iobuf_blocks_drop(&r.room); /* Once more is nothing. */
    assert_byte(t.b, 3 * DISK_PAGE + 100, 'b', 10);
    two_end(&t);
}

/* The source is gone before the copy is. */
static void test_a_copy_outlives_its_source(void **state)
{
    (void)state;
    struct two t = two_disks();
    struct reader r;
    reader_init(&r, BYTES);
    assert_int_equal(disk_read(t.a, 0, &r.buf, 0), 0);
    disk_destroy(t.a);
    assert_int_equal(disk_write(t.b, 0, &r.buf, 0), 0);
    iobuf_blocks_drop(&r.room);
    t.a = null_disk(t.sim, SIZE, 0);
    assert_int_equal(put_byte(t.a, 0, 'x', BYTES, 0), 0); /* It takes what blocks are free. */
    assert_holds(t.b, 0, t.bytes, BYTES);
    two_end(&t);
}

static void test_blocks_read_as_bytes(void **state)
{
    (void)state;
    struct two t = two_disks();
    struct reader r;
    struct iovec iov;
    uint8_t out[BYTES];
    reader_init(&r, BYTES);
    assert_int_equal(disk_read(t.a, 0, &r.buf, 0), 0);
    struct iobuf same = iobuf_mem(&iov, t.bytes, BYTES);
    assert_int_equal(iobuf_compare(&r.buf, &same), BYTES);
    assert_int_equal(iobuf_compare(&same, &r.buf), BYTES);
    t.bytes[DISK_PAGE + 5] ^= 1;
    assert_int_equal(iobuf_compare(&r.buf, &same), DISK_PAGE + 5);
    t.bytes[DISK_PAGE + 5] ^= 1;
    assert_false(iobuf_is_zero(&r.buf));
    assert_false(iobuf_is_in_memory(&r.buf));
    struct iobuf s = iobuf_slice(&r.buf, 4000, 200); /* Across two blocks. */
    iobuf_copy_out(&s, 0, out, 200);
    assert_memory_equal(out, t.bytes + 4000, 200);
    size_t run;
    assert_memory_equal(iobuf_memory(&s, 90, &run), t.bytes + 4090, 6);
    assert_int_equal(run, 6);
    struct iovec to_iov;
    struct iobuf to = iobuf_mem(&to_iov, out, BYTES);
    iobuf_copy(&to, 0, &r.buf);
    assert_memory_equal(out, t.bytes, BYTES);
    iobuf_blocks_drop(&r.room);
    two_end(&t);
}

/* Pages that do not fall on pages of the target, and parts of pages, are bytes again. */
static void test_a_copy_to_another_place_in_the_page(void **state)
{
    (void)state;
    struct two t = two_disks();
    struct reader r;
    reader_init(&r, BYTES);
    assert_int_equal(disk_read(t.a, 0, &r.buf, 0), 0);
    assert_int_equal(disk_write(t.b, 512, &r.buf, 0), 0);
    assert_holds(t.b, 512, t.bytes, BYTES);
    struct iobuf s = iobuf_slice(&r.buf, DISK_PAGE, DISK_PAGE + 100);
    assert_int_equal(disk_write(t.b, 8 * DISK_PAGE, &s, 0), 0);
    assert_holds(t.b, 8 * DISK_PAGE, t.bytes + DISK_PAGE, DISK_PAGE + 100);
    assert_byte(t.b, 9 * DISK_PAGE + 100, 0, DISK_PAGE - 100);
    iobuf_blocks_drop(&r.room);
    two_end(&t);
}

static void test_what_is_no_block_is_answered_as_ever(void **state)
{
    (void)state;
    struct two t = two_disks();
    struct reader r;
    /* A hole behind the data: all of it comes as bytes. */
    reader_init(&r, BYTES);
    assert_int_equal(disk_read(t.a, DISK_PAGE, &r.buf, 0), 0);
    assert_true(iobuf_is_in_memory(&r.buf));
    assert_memory_equal(r.memory, t.bytes + DISK_PAGE, BYTES - DISK_PAGE);
    assert_int_equal(r.memory[BYTES - 1], 0);
    /* Nothing but a hole: a fill. */
    reader_init(&r, BYTES);
    assert_int_equal(disk_read(t.a, 8 * DISK_PAGE, &r.buf, 0), 0);
    assert_true(fill_is_zero(r.buf.fill) && !iobuf_has_blocks(&r.buf));
    /* Not on a page, or not whole ones. */
    reader_init(&r, DISK_PAGE);
    assert_int_equal(disk_read(t.a, 512, &r.buf, 0), 0);
    assert_true(iobuf_is_in_memory(&r.buf));
    reader_init(&r, DISK_PAGE + 512);
    assert_int_equal(disk_read(t.a, 0, &r.buf, 0), 0);
    assert_true(iobuf_is_in_memory(&r.buf));
    assert_memory_equal(r.memory, t.bytes, DISK_PAGE + 512);
    /* A part of a buffer: the rest may come from elsewhere. */
    reader_init(&r, BYTES);
    struct iobuf s = iobuf_slice(&r.buf, 0, DISK_PAGE);
    assert_int_equal(disk_read(t.a, 0, &s, 0), 0);
    assert_true(iobuf_is_in_memory(&s));
    assert_memory_equal(r.memory, t.bytes, DISK_PAGE);
    assert_int_equal(r.memory[DISK_PAGE], 0xee);
    two_end(&t);
}

/* A second answer takes the place of the first, in whatever form. */
static void test_the_last_answer_counts(void **state)
{
    (void)state;
    struct two t = two_disks();
    struct reader r;
    reader_init(&r, BYTES);
    assert_int_equal(disk_read(t.a, 0, &r.buf, 0), 0);
    iobuf_answer_fill(&r.buf, fill_byte('f'));
    assert_false(iobuf_has_blocks(&r.buf));
    assert_null(r.room.pool);
    assert_int_equal(disk_write(t.b, 0, &r.buf, 0), 0);
    assert_byte(t.b, 0, 'f', BYTES);
    assert_int_equal(disk_read(t.a, 0, &r.buf, 0), 0);
    assert_true(iobuf_has_blocks(&r.buf));
    assert_int_equal(disk_read(t.a, 0, &r.buf, 0), 0);
    assert_true(iobuf_has_blocks(&r.buf));
    iobuf_set(&r.buf, 0, fill_byte('m'), BYTES);
    assert_true(iobuf_is_in_memory(&r.buf));
    assert_int_equal(disk_write(t.b, 0, &r.buf, 0), 0);
    assert_byte(t.b, 0, 'm', BYTES);
    iobuf_blocks_drop(&r.room);
    two_end(&t);
}

/* Blocks of one world mean nothing to a disk of another. */
static void test_another_world_gets_bytes(void **state)
{
    (void)state;
    struct two t = two_disks();
    struct sim *other = world();
    struct disk *far = null_disk(other, SIZE, 0);
    struct reader r;
    reader_init(&r, BYTES);
    assert_int_equal(disk_read(t.a, 0, &r.buf, 0), 0);
    assert_int_equal(disk_write(far, 0, &r.buf, 0), 0);
    iobuf_blocks_drop(&r.room);
    assert_int_equal(other->blocks->used, PAGES);
    two_end(&t);
    uint8_t bytes[BYTES];
    make_bytes(bytes, BYTES);
    assert_holds(far, 0, bytes, BYTES);
    disk_destroy(far);
    sim_destroy(other);
}

/* What the cut undoes is the copy's page, not the block that the source still has; a bit that rots
 * on one disk does not on the other. */
static void test_damage_stays_on_its_disk(void **state)
{
    (void)state;
    struct two t = two_disks();
    disk_destroy(t.b);
    t.b = null_disk(t.sim, SIZE, 1 * MIB);
    struct reader r;
    assert_int_equal(put_byte(t.b, 0, 'o', BYTES, 0), 0);
    assert_int_equal(disk_flush(t.b), 0);
    reader_init(&r, BYTES);
    assert_int_equal(disk_read(t.a, 0, &r.buf, 0), 0);
    assert_int_equal(disk_write(t.b, 0, &r.buf, 0), 0);
    iobuf_blocks_drop(&r.room);
    assert_int_equal(disk_data_flip(t.a, 10, 3), 0);
    assert_holds(t.b, 0, t.bytes, BYTES);
    disk_power_cut(t.b);
    disk_power_on(t.b);
    uint8_t have[BYTES];
    assert_int_equal(disk_peek(t.b, 0, have, BYTES), 0);
    for (size_t i = 0; i < BYTES; i++) {
        assert_true(have[i] == 'o' || have[i] == t.bytes[i]);
    }
    t.bytes[10] ^= 1 << 3;
    assert_holds(t.a, 0, t.bytes, BYTES);
    two_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_copy_shares_blocks_until_one_side_is_written),
        cmocka_unit_test(test_a_copy_outlives_its_source),
        cmocka_unit_test(test_blocks_read_as_bytes),
        cmocka_unit_test(test_a_copy_to_another_place_in_the_page),
        cmocka_unit_test(test_what_is_no_block_is_answered_as_ever),
        cmocka_unit_test(test_the_last_answer_counts),
        cmocka_unit_test(test_another_world_gets_bytes),
        cmocka_unit_test(test_damage_stays_on_its_disk),
    };
    return cmocka_run_group_tests_name("sim/iobuf_blocks", tests, NULL, NULL);
}
