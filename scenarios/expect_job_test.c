/* SPDX-License-Identifier: MIT */
/* The expectation `job`: small cases, and what becomes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/registry.h"
#include "scenarios/run.h"

#include <string.h>

#define HELD                                                                                       \
    "case a\n"                                                                                     \
    "blockdev-add driver=null-co node-name=s size=1G\n"                                            \
    "blockdev-add driver=null-co node-name=d size=1G\n"                                            \
    "blockdev-backup job-id=j device=s target=d sync=full speed=100M\n"

static void run_text(const char *text, struct result *r)
{
    struct run_config cfg = { .drivers = drivers_all };
    struct unit_select select = { 0 };
    struct strbuf errors = { 0 };
    struct units units = { 0 };
    struct error err = ERROR_INIT;
    struct script *s = script_parse("story.scn", text, strlen(text), &errors);
    result_init(r);
    if (!s) {
        fail_msg("%s", errors.text);
        return;
    }
    assert_int_equal(units_of_case(s, &s->cases[0], &select, &units, &err), 0);
    assert_int_equal(units.len, 1);
    run_unit(&units.at[0], &cfg, r);
    units_free(&units);
    script_free(s);
    strbuf_free(&errors);
}

static void assert_passes(const char *text)
{
    struct result r;
    run_text(text, &r);
    assert_string_equal(r.message, "");
    assert_int_equal(r.verdict, VERDICT_PASS);
    result_fini(&r);
}

static void assert_fails(const char *text, int line, const char *says)
{
    struct result r;
    run_text(text, &r);
    assert_int_equal(r.verdict, VERDICT_FAIL);
    assert_string_equal(r.oracle, "expect");
    assert_int_equal(r.line, line);
    if (!strstr(r.message, says)) {
        fail_msg("the message lacks '%s': %s", says, r.message);
    }
    result_fini(&r);
}

/* What query-jobs says, and what query-block-jobs says. */
static void members_of_both_queries(void **state)
{
    (void)state;
    assert_passes(HELD "    job j type=backup status=running total-progress=1G len=1G ready=false\n"
                       "    job j speed=100M auto-dismiss=true io-status=ok\n"
                       "    job j\n"
                       "    job k none\n");
}

static void what_is_wrong_is_told(void **state)
{
    (void)state;
    assert_fails(HELD "    job j status=paused\n", 5,
                 "'status' of job 'j' is another\nexpected: paused\nactual:   \"running\"");
    assert_fails(HELD "    job j error=no\n", 5, "actual:   no such member");
    assert_fails(HELD "    job k status=running\n", 5, "there is no job 'k'\nexpected: job k\n"
                                                       "actual:   j");
    assert_fails("case a\nquery-jobs\n    job k\n", 3, "actual:   no jobs");
    assert_fails(HELD "    job j none\n", 5, "there is a job 'j'\nexpected: job j none\n"
                                             "actual:   running");
}

/* Virtual time passes until it is so, and no longer than was said. */
static void within_a_time(void **state)
{
    (void)state;
    assert_passes(HELD "    job j none within=15s\n");
    assert_fails(HELD "    job j none within=1s\n", 5, "there is a job 'j'");
    assert_fails(HELD "    job j status=ready within=2s\n", 5, "actual:   \"running\"");
    assert_fails(HELD "    job j status=ready within=60s\n", 5, "there is no job 'j'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_of_both_queries),
        cmocka_unit_test(what_is_wrong_is_told),
        cmocka_unit_test(within_a_time),
    };
    return cmocka_run_group_tests_name("scenarios/expect_job", tests, NULL, NULL);
}
