/* SPDX-License-Identifier: MIT */
#include "sim/iobuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <xxhash.h>

#include <cmocka.h>

/* Three pieces of 5, 0 and 11 bytes over one array of 16. */
static int scatter(struct iovec iov[4], uint8_t *p)
{
    iov[0] = (struct iovec){ p, 5 };
    iov[1] = (struct iovec){ p + 5, 0 };
    iov[2] = (struct iovec){ p + 5, 11 };
    return 3;
}

static void test_copy_through_pieces(void **state)
{
    (void)state;
    uint8_t p[16], out[16];
    struct iovec iov[4];
    struct iobuf b = iobuf_iov(iov, scatter(iov, p), 16);
    iobuf_copy_in(&b, 0, "0123456789abcdef", 16);
    assert_memory_equal(p, "0123456789abcdef", 16);
    iobuf_copy_out(&b, 3, out, 9);
    assert_memory_equal(out, "3456789ab", 9);
    struct iobuf s = iobuf_slice(&b, 4, 8);
    struct iobuf t = iobuf_slice(&s, 1, 3);
    iobuf_copy_out(&t, 0, out, 3);
    assert_memory_equal(out, "567", 3);
    iobuf_copy_in(&t, 1, "X", 1);
    assert_int_equal(p[6], 'X');
    size_t run;
    assert_ptr_equal(iobuf_memory(&t, 0, &run), p + 5);
    assert_int_equal(run, 3);
    assert_ptr_equal(iobuf_memory(&b, 2, &run), p + 2);
    assert_int_equal(run, 3);
    struct iobuf f = iobuf_fill(FILL_ZERO, 1);
    assert_null(iobuf_memory(&f, 0, &run));
    iobuf_set(&s, 0, fill_byte('z'), 8);
    assert_memory_equal(p, "0123zzzzzzzzcdef", 16);
}

static void test_fill_stands_for_bytes(void **state)
{
    (void)state;
    uint8_t p[100], q[100], out[50];
    struct iovec iov;
    fill_bytes(fill_stream(5), p, sizeof(p));
    struct iobuf f = iobuf_fill(fill_stream(5), sizeof(p));
    struct iobuf m = iobuf_mem(&iov, p, sizeof(p));
    assert_int_equal(iobuf_compare(&f, &m), sizeof(p));
    assert_int_equal(iobuf_compare(&m, &f), sizeof(p));
    struct iobuf fs = iobuf_slice(&f, 13, 50), ms = iobuf_slice(&m, 13, 50);
    assert_int_equal(iobuf_compare(&fs, &ms), 50);
    iobuf_copy_out(&fs, 7, out, 20);
    assert_memory_equal(out, p + 20, 20);
    p[40] ^= 0x80;
    assert_int_equal(iobuf_compare(&fs, &ms), 27);
    /* Two fills of different form. */
    struct iobuf g = iobuf_fill(fill_stream(6), sizeof(p));
    assert_int_equal(iobuf_compare(&f, &g), 0);
    assert_int_equal(iobuf_compare(&f, &f), sizeof(p));
    struct iovec iq;
    struct iobuf two = iobuf_mem(&iq, q, sizeof(q));
    memcpy(q, p, sizeof(q));
    assert_int_equal(iobuf_compare(&m, &two), sizeof(p));
}

static void test_answer_stays_symbolic_when_it_may(void **state)
{
    (void)state;
    uint8_t p[16] = { 0 };
    struct iovec iov;
    struct iobuf b = iobuf_mem(&iov, p, sizeof(p));
    b.symbolic = true;
    iobuf_answer_fill(&b, fill_byte(9));
    assert_int_equal(b.fill.kind, FILL_BYTE);
    assert_int_equal(p[0], 0);
    b.symbolic = false;
    iobuf_answer_fill(&b, fill_byte(9));
    assert_int_equal(b.fill.kind, FILL_NONE);
    assert_int_equal(p[15], 9);
}

static void test_zero_detection(void **state)
{
    (void)state;
    uint8_t p[70] = { 0 };
    struct iovec iov[2] = { { p, 7 }, { p + 7, 63 } };
    struct iobuf b = iobuf_iov(iov, 2, sizeof(p));
    assert_true(iobuf_is_zero(&b));
    p[69] = 1;
    assert_false(iobuf_is_zero(&b));
    p[69] = 0;
    p[3] = 1;
    assert_false(iobuf_is_zero(&b));
    struct iobuf f = iobuf_fill(FILL_ZERO, 1000);
    assert_true(iobuf_is_zero(&f));
    f = iobuf_fill(fill_byte(1), 1000);
    assert_false(iobuf_is_zero(&f));
    f = iobuf_fill(fill_stream(1), 1000);
    assert_false(iobuf_is_zero(&f));
    f = iobuf_fill(fill_stream(1), 0);
    assert_true(iobuf_is_zero(&f));
}

/* A copy takes whatever form the source has, and leaves memory behind. */
static void copies_from_both_forms(void **state)
{
    (void)state;
    unsigned char to[16] = { 0 }, from[8];
    struct iovec a, b[2] = { { from, 3 }, { from + 3, 5 } };
    struct iobuf dst = iobuf_mem(&a, to, sizeof(to));
    for (size_t i = 0; i < sizeof(from); i++) {
        from[i] = (unsigned char)('a' + i);
    }
    struct iobuf pieces = iobuf_iov(b, 2, sizeof(from));
    dst.fill = fill_byte(9);
    iobuf_copy(&dst, 4, &pieces);
    assert_memory_equal(to, "\0\0\0\0abcdefgh\0\0\0\0", 16);
    assert_int_equal(dst.fill.kind, FILL_NONE);
    struct iobuf part = iobuf_slice(&pieces, 2, 4);
    iobuf_copy(&dst, 0, &part);
    assert_memory_equal(to, "cdefabcdefgh\0\0\0\0", 16);
    struct iobuf fill = iobuf_fill(fill_byte('z'), 3);
    iobuf_copy(&dst, 13, &fill);
    assert_memory_equal(to, "cdefabcdefgh\0zzz", 16);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy_through_pieces),
        cmocka_unit_test(test_fill_stands_for_bytes),
        cmocka_unit_test(test_answer_stays_symbolic_when_it_may),
        cmocka_unit_test(test_zero_detection),
        cmocka_unit_test(copies_from_both_forms),
    };
    return cmocka_run_group_tests_name("sim/iobuf", tests, NULL, NULL);
}
