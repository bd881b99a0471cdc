/* SPDX-License-Identifier: MIT */
#include "reports/sqlite.h"

#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct report_build build = {
    .id = "00000000000000ff", .version = "blksim test", .compiler = "cc",
    .program = "00000000000000aa", .reference = "",
};

struct fixture {
    char *folder, *path;
};

static int set_up(void **state)
{
    struct fixture *f = NEW(struct fixture);
    f->folder = mem_strdup("/tmp/blksim-sqlite-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    f->path = mem_printf("%s/r.db", f->folder);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char *command = mem_printf("rm -rf %s", f->folder);
    assert_int_equal(system(command), 0);
    free(command);
    free(f->folder);
    free(f->path);
    free(f);
    return 0;
}

/* What a query gives, rows joined by ' ', columns by '|'. */
static char *query(const char *path, const char *sql)
{
    struct strbuf b = { .text = NULL };
    sqlite3 *db;
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    while (sqlite3_step(st) == SQLITE_ROW) {
        strbuf_puts(&b, b.len ? " " : "");
        for (int i = 0; i < sqlite3_column_count(st); i++) {
            const unsigned char *text = sqlite3_column_text(st, i);
            strbuf_printf(&b, "%s%s", i ? "|" : "", text ? (const char *)text : "NULL");
        }
    }
    sqlite3_finalize(st);
    sqlite3_close(db);
    strbuf_puts(&b, "");
    return b.text;
}

static void assert_query(const char *path, const char *sql, const char *expected)
{
    char *got = query(path, sql);
    assert_string_equal(got, expected);
    free(got);
}

static void fill(struct result *r, const char *case_id, uint64_t seed, enum verdict v)
{
    result_init(r);
    result_set(&r->case_id, case_id);
    result_set(&r->params, "l2=1");
    result_set(&r->file, "a.scn");
    r->seed = seed;
    r->verdict = v;
    r->virt_ns = 77;
    r->steps = 5;
    r->trace_hash = 0xfedcba9876543210;
    r->host_ns = 1000;
    r->script_hash = 42;
    r->line = 3;
    result_log(r, 1, 3, 0, "statement", "io hd0 read 0 4k");
    result_log(r, 1, 3, 1, "event", "{}");
    result_log(r, 1, 3, 2, "trace", "not stored");
    if (report_is_failure(v)) {
        result_set(&r->oracle, "expect");
        result_set(&r->signature, "expect:ok:got N");
        result_set(&r->message, "got \xff");
        char *repeat = mem_printf("blksim replay a.scn:%s", case_id);
        result_set(&r->repeat, repeat);
        free(repeat);
    }
}

static void put(struct report *r, const char *case_id, uint64_t seed, enum verdict v)
{
    struct result res;
    fill(&res, case_id, seed, v);
    assert_int_equal(r->ops->result(r, &res, NULL), 0);
    result_fini(&res);
}

static struct report *open_db(const char *path, bool log_all)
{
    struct error err = ERROR_INIT;
    struct report_info info = { .units = 3, .log_all = log_all };
    struct report *r = report_sqlite_create(path, &build, &err);
    assert_string_equal(err.text, "");
    assert_non_null(r);
    assert_int_equal(r->ops->begin(r, &info, NULL), 0);
    return r;
}

static void close_db(struct report *r)
{
    struct report_summary sum = { .interrupted = false };
    struct error err = ERROR_INIT;
    r->ops->end(r, &sum, &err);
    assert_string_equal(err.text, "");
    report_destroy(r);
}

static void a_database_says_what_it_is(void **state)
{
    struct fixture *f = *state;
    close_db(open_db(f->path, false));
    assert_query(f->path, "PRAGMA application_id", "1112296275");
    assert_query(f->path, "PRAGMA user_version", "2");
    assert_query(f->path, "SELECT * FROM build",
                 "00000000000000ff|blksim test|cc|00000000000000aa|");
    assert_query(f->path, "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND "
                          "type = 'table' AND name NOT LIKE 'sqlite_%' AND (NOT strict OR NOT wr)",
                 "0");
}

static void rows_hold_what_happened(void **state)
{
    struct fixture *f = *state;
    struct report *r = open_db(f->path, false);
    put(r, "c/pass", UINT64_MAX, VERDICT_PASS);
    put(r, "c/fail", 2, VERDICT_FAIL);
    close_db(r);
    assert_query(f->path,
                 "SELECT build, case_id, params, printf('%u', seed), explore, verdict, signature, "
                 "virt_ns, steps, trace_hash FROM run",
                 "00000000000000ff|c/fail|l2=1|2||fail|expect:ok:got N|77|5|fedcba9876543210 "
                 "00000000000000ff|c/pass|l2=1|18446744073709551615||pass||77|5|fedcba9876543210");
    assert_query(f->path, "SELECT case_id, n, kind, text FROM step",
                 "c/fail|0|statement|io hd0 read 0 4k"); /* Of failed runs, without the trace. */
    assert_query(f->path, "SELECT case_id, n, text FROM event", "c/fail|1|{}");
    assert_query(f->path, "SELECT signature, oracle, site, runs, cases, place, text, repeat "
                          "FROM v_failures",
                 "expect:ok:got N|expect|ok|1|1|a.scn:3|got ?|blksim replay a.scn:c/fail");
    assert_query(f->path, "SELECT count(*) FROM v_flaky", "0");
    assert_query(f->path, "SELECT count(*), max(host_ms) FROM v_slow", "2|0");
}

static void log_all_keeps_every_step(void **state)
{
    struct fixture *f = *state;
    struct report *r = open_db(f->path, true);
    put(r, "c/pass", 1, VERDICT_PASS);
    close_db(r);
    assert_query(f->path, "SELECT case_id, n FROM step UNION ALL SELECT case_id, n FROM event",
                 "c/pass|0 c/pass|1");
}

/* Two workers finish in any order; the file must not show it. */
static void the_order_of_results_leaves_no_mark(void **state)
{
    static const char *const names[] = { "c/a", "c/b", "c/c" };
    static const int orders[2][3] = { { 0, 1, 2 }, { 2, 0, 1 } };
    static const char dump[] = "SELECT * FROM run UNION ALL SELECT signature, oracle, site, text, "
                               "repeat, build, case_id, params, seed, explore FROM failure";
    struct fixture *f = *state;
    char *texts[2];
    for (int i = 0; i < 2; i++) {
        char *path = mem_printf("%s/%d.db", f->folder, i);
        struct report *r = open_db(path, false);
        for (int k = 0; k < 3; k++) {
            put(r, names[orders[i][k]], 1, VERDICT_FAIL);
        }
        close_db(r);
        texts[i] = query(path, dump);
        free(path);
    }
    assert_string_equal(texts[0], texts[1]);
    assert_non_null(strstr(texts[0], "blksim replay a.scn:c/a")); /* Of the smallest key. */
    assert_null(strstr(texts[0], "blksim replay a.scn:c/b"));
    free(texts[0]);
    free(texts[1]);
}

static int restore(struct report *r, const char *case_id, uint64_t script, struct result *res)
{
    result_init(res);
    result_set(&res->case_id, case_id);
    result_set(&res->params, "l2=1");
    res->seed = 1;
    res->script_hash = script;
    return report_sqlite_restore(r, res, NULL);
}

static void what_is_done_is_taken_over(void **state)
{
    struct fixture *f = *state;
    struct result res;
    struct report *r = open_db(f->path, false);
    put(r, "c/fail", 1, VERDICT_FAIL);
    put(r, "c/skip", 1, VERDICT_SKIP);
    close_db(r);
    r = open_db(f->path, false);
    assert_int_equal(restore(r, "c/fail", 42, &res), 1);
    assert_int_equal(res.verdict, VERDICT_FAIL);
    assert_true(res.restored);
    assert_string_equal(res.signature, "expect:ok:got N");
    assert_string_equal(res.message, "got ?");
    assert_string_equal(res.repeat, "blksim replay a.scn:c/fail");
    assert_string_equal(res.file, "a.scn");
    assert_int_equal(res.line, 3);
    assert_true(res.trace_hash == 0xfedcba9876543210);
    result_fini(&res);
    assert_int_equal(restore(r, "c/fail", 43, &res), 0); /* The script was edited. */
    result_fini(&res);
    assert_int_equal(restore(r, "c/skip", 42, &res), 0); /* The machine may have changed. */
    result_fini(&res);
    assert_int_equal(restore(r, "c/other", 42, &res), 0);
    result_fini(&res);
    close_db(r);
}

static void another_outcome_of_a_key_is_flaky(void **state)
{
    struct fixture *f = *state;
    struct report *r = open_db(f->path, false);
    put(r, "c/x", 1, VERDICT_FAIL);
    put(r, "c/y", 1, VERDICT_PASS);
    close_db(r);
    r = open_db(f->path, false);
    put(r, "c/x", 1, VERDICT_PASS);
    put(r, "c/y", 1, VERDICT_PASS);
    close_db(r);
    assert_query(f->path, "SELECT case_id, verdict FROM run", "c/x|pass c/y|pass");
    assert_query(f->path, "SELECT case_id, outcomes FROM v_flaky", "c/x|2");
    assert_query(f->path, "SELECT count(*) FROM step", "0"); /* Of the failed run: gone with it. */
    assert_query(f->path, "SELECT count(*) FROM v_failures", "0");
}

static char *fails_to_open(const char *path, int code)
{
    struct error err = ERROR_INIT;
    assert_null(report_sqlite_create(path, &build, &err));
    assert_int_equal(err.code, code);
    return mem_strdup(err.text);
}

static void assert_untouched(const char *path, int code, const char *part)
{
    char *before = mem_printf("%s.before", path);
    char *command = mem_printf("cp %s %s", path, before);
    assert_int_equal(system(command), 0);
    char *text = fails_to_open(path, code);
    assert_non_null(strstr(text, part));
    assert_non_null(strstr(text, path));
    char *compare = mem_printf("cmp -s %s %s", path, before);
    assert_int_equal(system(compare), 0);
    free(compare);
    free(command);
    free(before);
    free(text);
}

static void files_of_others_are_left_alone(void **state)
{
    struct fixture *f = *state;
    FILE *text = fopen(f->path, "w");
    fputs("a shopping list that is no database, but long enough to be read as a header: milk, "
          "eggs, and a bag of flour for the weekend\n", text);
    fclose(text);
    assert_untouched(f->path, -EINVAL, "is not an SQLite database");

    char *other = mem_printf("%s/other.db", f->folder);
    free(query(other, "CREATE TABLE t (x)"));
    assert_untouched(other, -EINVAL, "is a database of another program");
    free(query(other, "PRAGMA application_id = 5"));
    assert_untouched(other, -EINVAL, "application_id 0x00000005");
    free(other);

    char *newer = mem_printf("%s/newer.db", f->folder);
    close_db(open_db(newer, false));
    free(query(newer, "PRAGMA user_version = 3"));
    assert_untouched(newer, -EINVAL, "has format 3 and this program knows format 2");
    free(newer);
}

/* A file of the first format, made by its own statements, with a run in it. */
static void make_format_1(const char *path)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    for (size_t i = 0; db_formats[0][i]; i++) {
        assert_int_equal(sqlite3_exec(db, db_formats[0][i], NULL, NULL, NULL), SQLITE_OK);
    }
    char *rest = mem_printf("PRAGMA application_id = %d; PRAGMA user_version = 1;"
                            "INSERT INTO build VALUES ('00000000000000ff', 'blksim old', 'cc');"
                            "INSERT INTO run VALUES ('00000000000000ff', 'c/old', '', 0, '',"
                            " 'pass', '', 1, 2, 'fe')", DB_APPLICATION_ID);
    assert_int_equal(sqlite3_exec(db, rest, NULL, NULL, NULL), SQLITE_OK);
    free(rest);
    sqlite3_close(db);
}

static void an_older_file_is_brought_up_to_date(void **state)
{
    static const char schema[] = "SELECT name, sql FROM sqlite_schema ORDER BY name";
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    char *fresh = mem_printf("%s/fresh.db", f->folder);
    make_format_1(f->path);
    assert_null(report_sqlite_open(f->path, &err)); /* To be read, it is left as it is. */
    assert_non_null(strstr(err.text, "has format 1, which knows no comparisons yet"));
    assert_query(f->path, "PRAGMA user_version", "1");
    struct report *r = open_db(f->path, false);
    put(r, "c/new", 1, VERDICT_PASS);
    close_db(r);
    assert_query(f->path, "PRAGMA user_version", "2");
    assert_query(f->path, "SELECT case_id FROM run", "c/new c/old");
    assert_query(f->path, "SELECT version, reference FROM build", "blksim old|");
    close_db(open_db(fresh, false));
    char *a = query(f->path, schema), *b = query(fresh, schema);
    assert_string_equal(a, b);
    free(a);
    free(b);
    free(fresh);
}

static const struct report_build beside = {
    .id = "00000000000000dd", .version = "blksim test", .compiler = "cc",
    .program = "00000000000000aa", .reference = "qemu 7.2.22",
};

static void put_diff(struct report *r, const char *case_id, enum diff_verdict v)
{
    struct result res;
    fill(&res, case_id, 1, v == DIFF_DIFFERS ? VERDICT_FAIL : VERDICT_PASS);
    result_diff_add(&res, &(struct result_diff){ .statement = 1, .line = 3, .command = "io read",
                                                 .driver = "qcow2" });
    result_diff_add(&res, &(struct result_diff){ .statement = 2, .line = 4, .verdict = v,
                                                 .command = "blockdev-add",
                                                 .detail = v ? "first\nsecond" : "" });
    assert_int_equal(r->ops->result(r, &res, NULL), 0);
    result_fini(&res);
}

static struct report *open_beside(const char *path)
{
    struct report_info info = { .units = 3 };
    struct report *r = report_sqlite_create(path, &beside, NULL);
    assert_non_null(r);
    assert_int_equal(r->ops->begin(r, &info, NULL), 0);
    return r;
}

static void comparisons_are_counted_by_the_database(void **state)
{
    struct fixture *f = *state;
    struct report *r = open_beside(f->path);
    put_diff(r, "c/same", DIFF_SAME);
    put_diff(r, "c/differs", DIFF_DIFFERS);
    put_diff(r, "c/skipped", DIFF_SKIPPED);
    put_diff(r, "c/quirk", DIFF_QUIRK);
    put_diff(r, "c/quirk", DIFF_QUIRK); /* Run again: its rows are replaced. */
    close_db(r);
    assert_query(f->path, "SELECT * FROM v_agreement",
                 "qemu 7.2.22|00000000000000dd|blockdev-add|4|3|1|1|1|0 "
                 "qemu 7.2.22|00000000000000dd|io read|4|4|4|0|0|0");
    assert_query(f->path, "SELECT driver, statements, comparable FROM v_agreement_driver",
                 "|4|3 qcow2|4|4");
    assert_query(f->path, "SELECT statements, comparable, agreed, quirks, differing, aborts, "
                          "cases, quirk_places FROM v_agreement_total", "8|7|5|1|1|0|4|1");
    assert_query(f->path, "SELECT place, case_id, command, verdict FROM v_differences",
                 "a.scn:4|c/differs|blockdev-add|differs");
    assert_query(f->path, "SELECT statements, cases FROM v_incomparable", "1|1");
}

static void a_comparison_is_taken_over_with_its_rows(void **state)
{
    struct fixture *f = *state;
    struct result res;
    struct report *r = open_beside(f->path);
    put_diff(r, "c/differs", DIFF_DIFFERS);
    close_db(r);
    r = open_beside(f->path);
    assert_int_equal(restore(r, "c/differs", 42, &res), 1);
    assert_string_equal(res.reference, "qemu 7.2.22");
    assert_int_equal(res.diff_len, 2);
    assert_string_equal(res.diff[0].driver, "qcow2");
    assert_int_equal(res.diff[1].verdict, DIFF_DIFFERS);
    assert_int_equal(res.diff[1].line, 4);
    assert_string_equal(res.diff[1].detail, "first\nsecond");
    result_fini(&res);
    close_db(r);
    r = open_db(f->path, false); /* A run without a reference is another one. */
    assert_int_equal(restore(r, "c/differs", 42, &res), 0);
    result_fini(&res);
    close_db(r);
}

static void a_locked_database_is_reported(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db;
    close_db(open_db(f->path, false));
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    char *text = fails_to_open(f->path, -EBUSY);
    assert_non_null(strstr(text, "is locked by another program"));
    free(text);
    sqlite3_close(db);
}

/* The write lock is held only while a batch is written, so two runs can share a file. */
static void two_runs_share_a_database(void **state)
{
    struct fixture *f = *state;
    struct report *a = open_db(f->path, false), *b = open_db(f->path, false);
    struct report_tick tick = { .current = "" };
    put(a, "c/a", 1, VERDICT_PASS);
    put(b, "c/b", 1, VERDICT_PASS);
    assert_int_equal(a->ops->tick(a, &tick, NULL), 0);
    put(a, "c/c", 1, VERDICT_PASS);
    close_db(b);
    close_db(a);
    assert_query(f->path, "SELECT case_id FROM run", "c/a c/b c/c");
}

static void a_place_that_cannot_be_written_is_reported(void **state)
{
    struct fixture *f = *state;
    char *path = mem_printf("%s/no/such/r.db", f->folder);
    char *text = fails_to_open(path, -EACCES);
    assert_non_null(strstr(text, "Cannot open database"));
    assert_non_null(strstr(text, "No such file or directory"));
    free(text);
    free(path);
    text = fails_to_open(f->folder, -EACCES);
    assert_non_null(strstr(text, "Cannot open database"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_database_says_what_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rows_hold_what_happened, set_up, tear_down),
        cmocka_unit_test_setup_teardown(log_all_keeps_every_step, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_order_of_results_leaves_no_mark, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_done_is_taken_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_outcome_of_a_key_is_flaky, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_of_others_are_left_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_older_file_is_brought_up_to_date, set_up, tear_down),
        cmocka_unit_test_setup_teardown(comparisons_are_counted_by_the_database, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_comparison_is_taken_over_with_its_rows, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_locked_database_is_reported, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_runs_share_a_database, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_place_that_cannot_be_written_is_reported, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests_name("reports/sqlite", tests, NULL, NULL);
}
