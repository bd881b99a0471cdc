/* SPDX-License-Identifier: MIT */
#include "reports/agreement.h"

#include "base/mem.h"
#include "reports/sqlite.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct report *open_memory(void)
{
    static const struct report_build build = {
        .id = "d1", .version = "blksim test", .compiler = "cc", .program = "p1",
        .reference = "qemu 7.2.22", .keep_restored = true,
    };
    struct error err = ERROR_INIT;
    struct report *r = report_sqlite_create(":memory:", &build, &err);
    assert_string_equal(err.text, "");
    return r;
}

static void end(struct report *r)
{
    struct report_summary sum = { .interrupted = false };
    assert_int_equal(r->ops->end(r, &sum, NULL), 0);
}

static void row(struct result *res, uint32_t statement, const char *command, const char *driver,
                enum diff_verdict v, const char *detail)
{
    result_diff_add(res, &(struct result_diff){ .statement = statement, .line = 3,
                                                .command = (char *)(uintptr_t)command,
                                                .driver = (char *)(uintptr_t)driver, .verdict = v,
                                                .detail = (char *)(uintptr_t)detail });
}

/* Two cases: 1,200 statements that agree in one, and one of each other kind in the other. */
static void fill(struct report *r)
{
    struct result res;
    result_init(&res);
    result_set(&res.case_id, "c/much");
    for (uint32_t i = 1; i <= 1200; i++) {
        row(&res, i, "io write", "qcow2", DIFF_SAME, "");
    }
    res.restored = true; /* It counts all the same. */
    assert_int_equal(r->ops->result(r, &res, NULL), 0);
    result_fini(&res);
    result_init(&res);
    result_set(&res.case_id, "c/mixed");
    row(&res, 1, "blockdev-add", "", DIFF_QUIRK, "what it says");
    row(&res, 2, "blockdev-add", "", DIFF_DIFFERS, "a\nb");
    row(&res, 3, "io read", "raw", DIFF_SKIPPED, "disk-fault");
    row(&res, 4, "quit", "", DIFF_ABORTS, "SIGABRT");
    row(&res, 0, "files", "", DIFF_DIFFERS, "at the end"); /* No statement. */
    assert_int_equal(r->ops->result(r, &res, NULL), 0);
    result_fini(&res);
    end(r);
}

static void the_last_line_counts(void **state)
{
    struct agreements all;
    struct strbuf text = { .text = NULL };
    struct report *r = open_memory();
    (void)state;
    fill(r);
    assert_int_equal(agreements_read(r, "p1", &all, NULL), 0);
    assert_int_equal(all.len, 1);
    agreement_line(&all.at[0], &text);
    assert_string_equal(strbuf_str(&text),
                        "1,204 statements, 1,203 comparable (99.9 %), 1,200 agreed (99.7 %), "
                        "1 quirk, 2 differing, 1 abort: qemu 7.2.22");
    assert_int_equal(all.at[0].cases, 2);
    assert_int_equal(all.at[0].quirk_places, 1);
    agreements_free(&all);
    strbuf_free(&text);
    report_destroy(r);
}

static void tables_have_a_row_a_command_and_a_driver(void **state)
{
    struct agreements all;
    struct strbuf text = { .text = NULL };
    struct report *r = open_memory();
    (void)state;
    fill(r);
    assert_int_equal(agreements_read(r, "p1", &all, NULL), 0);
    const struct agreement *a = &all.at[0];
    assert_int_equal(a->commands.len, 5);
    assert_string_equal(a->commands.at[0].name, "blockdev-add");
    assert_int_equal(a->commands.at[0].n.comparable, 2);
    assert_int_equal(a->commands.at[0].n.differing, 1);
    assert_string_equal(a->drivers.at[1].name, "qcow2");
    assert_int_equal(a->drivers.at[1].n.agreed, 1200);
    agreement_print(a, &text);
    assert_non_null(strstr(strbuf_str(&text), "io write"));
    assert_non_null(strstr(strbuf_str(&text), "disk-fault"));
    assert_non_null(strstr(strbuf_str(&text), "(none)"));
    strbuf_free(&text);
    agreement_markdown(a, &text);
    assert_non_null(strstr(strbuf_str(&text), "# Agreement with qemu 7.2.22\n"));
    assert_non_null(strstr(strbuf_str(&text), "\n| io write  "));
    assert_non_null(strstr(strbuf_str(&text), " |      1,200 |"));
    strbuf_free(&text);
    agreements_free(&all);
    report_destroy(r);
}

/* Of other builds only when there is nothing of this one. */
static void the_own_program_comes_first(void **state)
{
    struct agreements all;
    struct report *r = open_memory();
    (void)state;
    fill(r);
    assert_int_equal(sqlite3_exec(report_sqlite_db(r),
                                  "INSERT INTO build VALUES ('d2', 'v', 'c', 'p2', 'qemu 9.0');"
                                  "INSERT INTO diff VALUES ('d2', 'c', '', 0, '', 0, 1, 1,"
                                  " 'io map', '', 'same', '')", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(agreements_read(r, "p2", &all, NULL), 0);
    assert_int_equal(all.len, 1);
    assert_string_equal(all.at[0].reference, "qemu 9.0");
    assert_int_equal(all.at[0].total.statements, 1);
    agreements_free(&all);
    assert_int_equal(agreements_read(r, "p3", &all, NULL), 0);
    assert_int_equal(all.len, 2);
    assert_string_equal(all.at[0].reference, "qemu 7.2.22");
    agreements_free(&all);
    report_destroy(r);
}

static void nothing_is_no_agreement(void **state)
{
    struct agreements all;
    char name[] = "x";
    struct strbuf text = { .text = NULL };
    struct report *r = open_memory();
    (void)state;
    end(r);
    assert_int_equal(agreements_read(r, "p1", &all, NULL), 0);
    assert_int_equal(all.len, 0);
    agreements_free(&all);
    agreement_line(&(struct agreement){ .reference = name }, &text);
    assert_string_equal(strbuf_str(&text), "0 statements, 0 comparable (-), 0 agreed (-), "
                                           "0 quirks, 0 differing, 0 aborts: x");
    strbuf_free(&text);
    report_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_line_counts),
        cmocka_unit_test(tables_have_a_row_a_command_and_a_driver),
        cmocka_unit_test(the_own_program_comes_first),
        cmocka_unit_test(nothing_is_no_agreement),
    };
    return cmocka_run_group_tests_name("reports/agreement", tests, NULL, NULL);
}
