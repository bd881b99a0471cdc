/* SPDX-License-Identifier: MIT */
#include "reports/report.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void counts_name_passed_and_failed_always(void **state)
{
    struct report_summary sum = { .interrupted = false };
    struct strbuf b = { .text = NULL };
    (void)state;
    report_count_line(&sum, &b);
    assert_string_equal(strbuf_str(&b), "0 passed, 0 failed");
    strbuf_free(&b);
    sum.count[VERDICT_PASS] = 212;
    sum.count[VERDICT_FAIL] = 3;
    sum.count[VERDICT_SKIP] = 12;
    sum.count[VERDICT_QUIRK] = 1;
    report_count_line(&sum, &b);
    assert_string_equal(strbuf_str(&b), "212 passed, 3 failed, 12 skipped, 1 quirk");
    strbuf_free(&b);
    sum.count[VERDICT_CRASH] = 2;
    sum.count[VERDICT_HANG] = 1;
    sum.count[VERDICT_NONDET] = 4;
    sum.not_run = 9;
    report_count_line(&sum, &b);
    assert_string_equal(strbuf_str(&b), "212 passed, 3 failed, 2 crashed, 1 hung, "
                                        "4 nondeterministic, 12 skipped, 1 quirk, 9 not run");
    strbuf_free(&b);
}

static void a_unit_is_named_by_what_it_has(void **state)
{
    struct result r;
    struct strbuf b = { .text = NULL };
    (void)state;
    result_init(&r);
    result_set(&r.case_id, "io/align");
    report_unit_name(&r, &b);
    assert_string_equal(strbuf_str(&b), "io/align");
    strbuf_free(&b);
    result_set(&r.params, "l2=128k");
    result_set(&r.explore, "1.2.3.4=5");
    r.seed = UINT64_MAX;
    report_unit_name(&r, &b);
    assert_string_equal(strbuf_str(&b),
                        "io/align l2=128k seed=18446744073709551615 choices=1.2.3.4=5");
    strbuf_free(&b);
    result_fini(&r);
}

static void what_is_not_text_is_replaced(void **state)
{
    static const struct {
        const char *dirty, *clean;
    } cases[] = {
        { "plain\ttab\nline", "plain\ttab\nline" },
        { "\033[31mred\a", "?[31mred?" },
        { "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
        { "cut \xe2\x82", "cut ??" },
        { "\xff\xfe\x80", "???" },
        { "\xc0\xaf", "??" },              /* An overlong '/'. */
        { "\xed\xa0\x80", "???" },         /* A surrogate. */
        { "\xef\xbf\xbf", "???" },         /* U+FFFF: not a character in XML. */
        { "\xf4\x90\x80\x80", "????" },    /* Beyond Unicode. */
        { "", "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct strbuf b = { .text = NULL };
        report_clean(&b, cases[i].dirty);
        assert_string_equal(strbuf_str(&b), cases[i].clean);
        strbuf_free(&b);
    }
}

static void lines_are_indented(void **state)
{
    struct strbuf b = { .text = NULL };
    (void)state;
    report_indent(&b, "> ", "one\n\nthree\n");
    assert_string_equal(strbuf_str(&b), "> one\n> \n> three\n");
    strbuf_free(&b);
    report_indent(&b, "> ", "");
    assert_string_equal(strbuf_str(&b), "");
}

static void files_that_cannot_be_written_are_named(void **state)
{
    struct error err = ERROR_INIT;
    (void)state;
    assert_null(report_open("/no/such/folder/x.tap", &err));
    assert_int_equal(err.code, -ENOENT);
    assert_string_equal(err.text,
                        "Cannot write '/no/such/folder/x.tap': No such file or directory");
    err = ERROR_INIT;
    FILE *full = report_open("/dev/full", &err);
    assert_non_null(full);
    fputs("lost", full);
    assert_int_equal(report_close(full, "/dev/full", &err), -ENOSPC);
    assert_string_equal(err.text, "Cannot write '/dev/full': No space left on device");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_name_passed_and_failed_always),
        cmocka_unit_test(a_unit_is_named_by_what_it_has),
        cmocka_unit_test(what_is_not_text_is_replaced),
        cmocka_unit_test(lines_are_indented),
        cmocka_unit_test(files_that_cannot_be_written_are_named),
    };
    return cmocka_run_group_tests_name("reports/report", tests, NULL, NULL);
}
