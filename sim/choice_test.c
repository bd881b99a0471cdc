/* SPDX-License-Identifier: MIT */
#include "sim/choice.h"

#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Three choices of one actor in a statement. */
static void pick3(struct choice *c, uint32_t statement, enum choice_kind kind, uint32_t out[3])
{
    struct choice_point p;
    choice_point_init(&p, 7, kind);
    choice_set_statement(c, statement);
    for (int i = 0; i < 3; i++) {
        out[i] = choice_pick(c, &p, 1000);
    }
}

static void test_deleting_a_statement_shifts_no_other(void **state)
{
    (void)state;
    struct choice c;
    uint32_t with[3], without[3], other[3];
    choice_init(&c, 42, CHOICE_SEEDED, NULL);
    pick3(&c, 1, CHOICE_KEEP, other);
    pick3(&c, 2, CHOICE_KEEP, with);
    choice_fini(&c);
    choice_init(&c, 42, CHOICE_SEEDED, NULL);
    pick3(&c, 2, CHOICE_KEEP, without);
    choice_fini(&c);
    assert_memory_equal(with, without, sizeof(with));
    assert_memory_not_equal(with, other, sizeof(with));
    choice_init(&c, 43, CHOICE_SEEDED, NULL);
    pick3(&c, 2, CHOICE_KEEP, other);
    choice_fini(&c);
    assert_memory_not_equal(with, other, sizeof(with));
}

static void test_fifo_runs_the_first_and_draws_the_rest(void **state)
{
    (void)state;
    struct choice c;
    uint32_t run[3], latency[3], seeded[3];
    choice_init(&c, 5, CHOICE_FIFO, NULL);
    pick3(&c, 1, CHOICE_RUN, run);
    pick3(&c, 1, CHOICE_LATENCY, latency);
    assert_int_equal(c.made_len, 0);
    choice_fini(&c);
    choice_init(&c, 5, CHOICE_SEEDED, NULL);
    pick3(&c, 1, CHOICE_LATENCY, seeded);
    choice_fini(&c);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(run[i], 0);
    }
    assert_memory_equal(latency, seeded, sizeof(latency));
}

/* All words of three letters out of {0, 1, 2} except that the second has only two. */
static void test_enumeration_sees_every_path_once(void **state)
{
    (void)state;
    struct choice_path path = { 0 };
    bool seen[3][2][3] = { { { false } } };
    int runs = 0;
    do {
        struct choice c;
        choice_init(&c, 1, CHOICE_ENUMERATE, &path);
        struct choice_point p;
        choice_point_init(&p, 1, CHOICE_RUN);
        uint32_t a = choice_pick(&c, &p, 3);
        assert_int_equal(choice_pick(&c, &p, 1), 0); /* No choice at all. */
        uint32_t b = choice_pick(&c, &p, 2);
        uint32_t d = choice_pick(&c, &p, 3);
        assert_false(seen[a][b][d]);
        seen[a][b][d] = true;
        runs++;
        choice_fini(&c);
    } while (choice_path_next(&path));
    assert_int_equal(runs, 18);
    choice_path_fini(&path);
}

static void test_a_recording_repeats_the_path(void **state)
{
    (void)state;
    struct choice_path path = { 0 };
    struct choice c;
    struct choice_point p;
    struct strbuf text = { 0 };
    uint32_t want[4];
    for (int skip = 0; skip < 37; skip++) { /* Some path in the middle. */
        choice_init(&c, 9, CHOICE_ENUMERATE, &path);
        choice_point_init(&p, 3, CHOICE_KEEP);
        choice_set_statement(&c, 12);
        for (int i = 0; i < 4; i++) {
            want[i] = choice_pick(&c, &p, 3);
        }
        text.len = 0;
        choice_format(&c, &text);
        choice_fini(&c);
        assert_true(choice_path_next(&path));
    }
    choice_path_fini(&path);
    assert_true(text.len > 0);
    choice_init(&c, 9, CHOICE_FIFO, NULL);
    struct error err = ERROR_INIT;
    assert_int_equal(choice_parse(&c, text.text, &err), 0);
    choice_point_init(&p, 3, CHOICE_KEEP);
    choice_set_statement(&c, 12);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(choice_pick(&c, &p, 3), want[i]);
    }
    choice_fini(&c);
    strbuf_free(&text);
}

static void test_bad_recordings_are_refused(void **state)
{
    (void)state;
    const char *const bad[] = { "x", "1.2.3", "1.2.3.4", "1.2.3.4=", "1.2.99.4=1", "1.2.3.4=5,",
                                "1.2.3.4=5,,1.2.3.4=5", "1.2.3.-4=5", "99999999999.1.1.1=1" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct choice c;
        struct error err = ERROR_INIT;
        choice_init(&c, 0, CHOICE_FIFO, NULL);
        int ret = choice_parse(&c, bad[i], &err);
        if (strcmp(bad[i], "1.2.3.4=5,") == 0) {
            assert_int_equal(ret, 0); /* A comma at the end is harmless. */
        } else {
            assert_int_equal(ret, -EINVAL);
            assert_non_null(strstr(err.text, "choices:"));
        }
        choice_fini(&c);
    }
    char *longest = mem_alloc((2 << 20) + 1);
    memset(longest, '1', 2 << 20);
    longest[2 << 20] = '\0';
    struct choice c;
    choice_init(&c, 0, CHOICE_FIFO, NULL);
    assert_int_equal(choice_parse(&c, longest, NULL), -EINVAL);
    choice_fini(&c);
    free(longest);
}

static void test_bits_differ_by_ordinal(void **state)
{
    (void)state;
    struct choice c;
    struct choice_point p;
    choice_init(&c, 0, CHOICE_FIFO, NULL);
    choice_point_init(&p, 1, CHOICE_LATENCY);
    assert_true(choice_bits(&c, &p) != choice_bits(&c, &p));
    choice_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deleting_a_statement_shifts_no_other),
        cmocka_unit_test(test_fifo_runs_the_first_and_draws_the_rest),
        cmocka_unit_test(test_enumeration_sees_every_path_once),
        cmocka_unit_test(test_a_recording_repeats_the_path),
        cmocka_unit_test(test_bad_recordings_are_refused),
        cmocka_unit_test(test_bits_differ_by_ordinal),
    };
    return cmocka_run_group_tests_name("sim/choice", tests, NULL, NULL);
}
