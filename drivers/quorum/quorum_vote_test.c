/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "drivers/quorum/quorum.h"

#include <errno.h>
#include <string.h>

enum { VOTERS = 6, LEN = 4096 };

struct ballot {
    struct iobuf bufs[VOTERS];
    struct iobuf *data[VOTERS];
    uint32_t version[VOTERS], count[VOTERS];
    struct quorum_votes votes;
};

/* Voter i has the byte bytes[i]; '-' is one that has no vote. */
static void vote(struct ballot *b, const char *bytes)
{
    size_t len = strlen(bytes);
    assert_in_range(len, 1, VOTERS);
    b->votes = (struct quorum_votes){ .version = b->version, .count = b->count };
    for (size_t i = 0; i < len; i++) {
        b->bufs[i] = iobuf_fill(fill_byte((uint8_t)bytes[i]), LEN);
        b->data[i] = bytes[i] == '-' ? NULL : &b->bufs[i];
    }
    quorum_vote_data(b->data, len, &b->votes);
}

static void versions_are_counted(void **state)
{
    (void)state;
    struct ballot b;
    vote(&b, "aba");
    assert_int_equal(b.votes.versions, 2);
    assert_int_equal(b.version[0], 0);
    assert_int_equal(b.version[1], 1);
    assert_int_equal(b.version[2], 0);
    assert_int_equal(b.count[0], 2);
    assert_int_equal(b.votes.winner, 0);
}

/* A draw goes to the version that was seen first last, not to the one that was completed last. */
static void a_draw_goes_to_the_last_version(void **state)
{
    (void)state;
    struct ballot b;
    vote(&b, "abc");
    assert_int_equal(b.votes.winner, 2);
    vote(&b, "abba");
    assert_int_equal(b.votes.winner, 1);
    vote(&b, "ababc");
    assert_int_equal(b.votes.winner, 1);
    assert_int_equal(b.count[2], 1);
}

static void who_failed_has_no_vote(void **state)
{
    (void)state;
    struct ballot b;
    vote(&b, "-a-a");
    assert_int_equal(b.votes.versions, 1);
    assert_int_equal(b.count[0], 2);
    vote(&b, "--b");
    assert_int_equal(b.votes.versions, 1);
    assert_int_equal(b.version[2], 0);
}

/* The form of the data does not matter: memory and fills of the same bytes are one version. */
static void memory_and_fills_are_compared(void **state)
{
    (void)state;
    struct ballot b;
    static unsigned char mem[LEN];
    struct iovec iov;
    memset(mem, 'a', sizeof(mem));
    b.votes = (struct quorum_votes){ .version = b.version, .count = b.count };
    b.bufs[0] = iobuf_fill(fill_byte('a'), LEN);
    b.bufs[1] = iobuf_mem(&iov, mem, LEN);
    b.data[0] = &b.bufs[0];
    b.data[1] = &b.bufs[1];
    quorum_vote_data(b.data, 2, &b.votes);
    assert_int_equal(b.votes.versions, 1);
    mem[LEN - 1] = 'b';
    quorum_vote_data(b.data, 2, &b.votes);
    assert_int_equal(b.votes.versions, 2);
}

static void errors_are_voted_on(void **state)
{
    (void)state;
    static const int one[] = { 0, -EIO, 0 };
    static const int draw[] = { -EIO, -ENOSPC, 0 };
    static const int other_draw[] = { -ENOSPC, 0, -EIO };
    static const int most[] = { -EIO, -EIO, -ENOSPC, 0, 0, 0 };
    static const int pairs[] = { -EIO, -ENOSPC, -ENOSPC, -EIO };
    assert_int_equal(quorum_vote_error(one, ARRAY_LEN(one)), -EIO);
    assert_int_equal(quorum_vote_error(draw, ARRAY_LEN(draw)), -ENOSPC);
    assert_int_equal(quorum_vote_error(other_draw, ARRAY_LEN(other_draw)), -EIO);
    assert_int_equal(quorum_vote_error(most, ARRAY_LEN(most)), -EIO);
    assert_int_equal(quorum_vote_error(pairs, ARRAY_LEN(pairs)), -ENOSPC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_counted),
        cmocka_unit_test(a_draw_goes_to_the_last_version),
        cmocka_unit_test(who_failed_has_no_vote),
        cmocka_unit_test(memory_and_fills_are_compared),
        cmocka_unit_test(errors_are_voted_on),
    };
    return cmocka_run_group_tests_name("drivers/quorum_vote", tests, NULL, NULL);
}
