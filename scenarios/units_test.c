/* SPDX-License-Identifier: MIT */
#include "scenarios/run.h"

#include "base/mem.h"
#include "scenarios/subst.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct script *parse(const char *text)
{
    struct strbuf errors = { 0 };
    struct script *s = script_parse("t.scn", text, strlen(text), &errors);
    assert_string_equal(strbuf_str(&errors), "");
    strbuf_free(&errors);
    return s;
}

/* The units of all cases as "params@seed" lines; '!' behind seeded ones. */
static void units_are(const char *text, const struct unit_select *sel, const char *want)
{
    struct script *s = parse(text);
    struct units u = { 0 };
    struct strbuf out = { 0 };
    for (size_t i = 0; i < s->cases_len; i++) {
        assert_int_equal(units_of_case(s, &s->cases[i], sel, &u, NULL), 0);
    }
    for (size_t i = 0; i < u.len; i++) {
        strbuf_printf(&out, "%s@%" PRIu64 "%s\n", u.at[i].params, u.at[i].seed,
                      u.at[i].seeded ? "!" : "");
    }
    assert_string_equal(strbuf_str(&out), want);
    strbuf_free(&out);
    units_free(&u);
    script_free(s);
}

static void test_a_plain_case_is_one_unit(void **state)
{
    (void)state;
    units_are("case a\n", NULL, "@0\n");
}

static void test_the_first_key_is_the_slowest(void **state)
{
    (void)state;
    units_are("case a\nmatrix a=1,2 b=x,y\nmatrix c=\"p q\",\"r,s\"\n", NULL,
              "a=1 b=x c=\"p q\"@0\na=1 b=x c=r,s@0\na=1 b=y c=\"p q\"@0\na=1 b=y c=r,s@0\n"
              "a=2 b=x c=\"p q\"@0\na=2 b=x c=r,s@0\na=2 b=y c=\"p q\"@0\na=2 b=y c=r,s@0\n");
}

static void test_seeds(void **state)
{
    (void)state;
    units_are("case a\nmatrix a=1,2\nseeds 3..4\n", NULL, "a=1@3!\na=1@4!\na=2@3!\na=2@4!\n");
    units_are("case a\nseed 7\n", NULL, "@7!\n");
    struct unit_select sel = { .seed_given = true, .seed_first = 5, .seed_last = 6 };
    units_are("case a\nseed 7\ncase b\n", &sel, "@5!\n@6!\n@5!\n@6!\n");
    units_are("case a\nseed 7 only\ncase b\nseeds 6..9 only\ncase c\nseeds 1..9\n", &sel,
              "@6!\n@5!\n@6!\n");
    sel = (struct unit_select){ .seed_given = true, .seed_first = UINT64_MAX,
                                .seed_last = UINT64_MAX };
    units_are("case a\n", &sel, "@18446744073709551615!\n");
}

static void test_the_schedule_header_decides(void **state)
{
    (void)state;
    units_are("case a\nseed 7\nschedule fifo\ncase b\nschedule seeded\n", NULL, "@7\n@0!\n");
}

static void test_defines_select(void **state)
{
    (void)state;
    static const char *const one[] = { "a=2", NULL };
    static const char *const two[] = { "b=y", "a=1", NULL };
    static const char *const none[] = { "a=3", NULL };
    static const char *const space[] = { "c=p q", NULL };
    static const char text[] = "case a\nmatrix a=1,2 b=x,y\ncase b\ncase c\nmatrix c=\"p q\",z\n";
    struct unit_select sel = { .define = one };
    units_are(text, &sel, "a=2 b=x@0\na=2 b=y@0\n");
    sel.define = two;
    units_are(text, &sel, "a=1 b=y@0\n");
    sel.define = none;
    units_are(text, &sel, "");
    sel.define = space;
    units_are(text, &sel, "c=\"p q\"@0\n");
}

static void test_a_define_is_key_and_value(void **state)
{
    (void)state;
    static const char *const bad[] = { "a", NULL };
    struct script *s = parse("case a\nmatrix a=1,2\n");
    struct unit_select sel = { .define = bad };
    struct units u = { 0 };
    struct error err = ERROR_INIT;
    assert_int_equal(units_of_case(s, &s->cases[0], &sel, &u, &err), -EINVAL);
    assert_string_equal(err.text, "'a' is not KEY=VALUE");
    units_free(&u);
    script_free(s);
}

static void test_groups_select(void **state)
{
    (void)state;
    static const char *const groups[] = { "quick", "io", NULL };
    static const char text[] = "case a\nmatrix v=a\ngroup slow quick\ncase b\nmatrix v=b\n"
                               "case c\nmatrix v=c\ngroup slow\ngroup io\n";
    struct unit_select sel = { .groups = groups };
    units_are(text, &sel, "v=a@0\nv=c@0\n");
}

static void test_units_are_bounded(void **state)
{
    (void)state;
    struct script *s = parse("case a\nmatrix a=1,2,3\n");
    struct unit_select sel = { .seed_given = true, .seed_first = 1, .seed_last = 333334 };
    struct units u = { 0 };
    struct error err = ERROR_INIT;
    assert_int_equal(units_of_case(s, &s->cases[0], &sel, &u, &err), -EINVAL);
    assert_string_equal(err.text, "case 'a' makes more than 1000000 runs");
    assert_int_equal(u.len, 0);
    err = ERROR_INIT;
    sel.seed_first = 0;
    sel.seed_last = UINT64_MAX;
    assert_int_equal(units_of_case(s, &s->cases[0], &sel, &u, &err), -EINVAL);
    err = ERROR_INIT;
    sel.seed_first = 2;
    sel.seed_last = 1;
    assert_int_equal(units_of_case(s, &s->cases[0], &sel, &u, &err), -EINVAL);
    sel.seed_last = 100001;
    assert_int_equal(units_of_case(s, &s->cases[0], &sel, &u, NULL), 0);
    assert_int_equal(u.len, 300000);
    units_free(&u);
    script_free(s);
}

static void test_values_of_a_unit(void **state)
{
    (void)state;
    struct script *s = parse("case a\nmatrix a=1,2 b=\"x y\",z\n");
    struct units u = { 0 };
    assert_int_equal(units_of_case(s, &s->cases[0], NULL, &u, NULL), 0);
    assert_int_equal(u.len, 4);
    assert_string_equal(unit_param(&u.at[2], "a"), "2");
    assert_string_equal(unit_param(&u.at[2], "b"), "x y");
    assert_string_equal(unit_param(&u.at[3], "b"), "z");
    assert_null(unit_param(&u.at[3], "c"));
    struct strbuf out = { 0 };
    assert_int_equal(subst_expand("<${a}|${b}|$${a}>", unit_param, &u.at[2], &out, NULL), 0);
    assert_string_equal(out.text, "<2|x y|${a}>");
    assert_int_equal(subst_expand("${c}", unit_param, &u.at[2], &out, NULL), -ENOENT);
    strbuf_free(&out);
    units_free(&u);
    script_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_plain_case_is_one_unit),
        cmocka_unit_test(test_the_first_key_is_the_slowest),
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_the_schedule_header_decides),
        cmocka_unit_test(test_defines_select),
        cmocka_unit_test(test_a_define_is_key_and_value),
        cmocka_unit_test(test_groups_select),
        cmocka_unit_test(test_units_are_bounded),
        cmocka_unit_test(test_values_of_a_unit),
    };
    return cmocka_run_group_tests_name("scenarios/units", tests, NULL, NULL);
}
