/* SPDX-License-Identifier: MIT */
/* The text formats, fed with one result of every verdict and the nastiest texts: what they write is
 * compared, and read by the tools that people use where those are installed. */
#include "base/mem.h"
#include "reports/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char nasty[] = "got <error> & \"text\" # 'SKIP' \x1b[31m\xff]]>\nsecond \\ line";

static void fill(struct result *r, enum verdict v, const char *file, const char *case_id)
{
    result_init(r);
    result_set(&r->case_id, case_id);
    result_set(&r->file, file);
    r->line = 12;
    r->col = 5;
    r->verdict = v;
    r->host_ns = 1500000;
    if (v != VERDICT_PASS) {
        result_set(&r->message, nasty);
    }
    if (report_is_failure(v)) {
        result_set(&r->oracle, "expect");
        result_set(&r->signature, "expect:ok:<nasty>");
        result_set(&r->source, "io hd0 read -P 0x1 0 4k => \"a<b\"");
        result_set(&r->repeat, "blksim replay a.scn:io/x");
    }
}

/* One result of each verdict, in two files. */
static void feed(struct report *r)
{
    struct report_info info = { .units = VERDICTS };
    struct report_summary sum = { .interrupted = false };
    assert_int_equal(r->ops->begin(r, &info, NULL), 0);
    for (int v = 0; v < VERDICTS; v++) {
        struct result res;
        char *name = mem_printf("io/%s # 1", verdict_name((enum verdict)v));
        fill(&res, (enum verdict)v, v % 2 ? "s/b&c.scn" : "s/a.scn", name);
        sum.count[v]++;
        assert_int_equal(r->ops->result(r, &res, NULL), 0);
        result_fini(&res);
        free(name);
    }
    assert_int_equal(r->ops->end(r, &sum, NULL), 0);
    report_destroy(r);
}

static char *read_all(const char *path)
{
    struct strbuf b = { .text = NULL };
    char bytes[4096];
    size_t n;
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while ((n = fread(bytes, 1, sizeof(bytes), f)) > 0) {
        strbuf_add(&b, bytes, n);
    }
    fclose(f);
    strbuf_puts(&b, "");
    return b.text;
}

static char *temp_path(const char *suffix)
{
    char *path = mem_printf("/tmp/blksim-formats-XXXXXX%s", suffix);
    int fd = mkstemps(path, (int)strlen(suffix));
    assert_true(fd >= 0);
    close(fd);
    return path;
}

/* Output of a shell command, or NULL when its program is not installed. */
static char *output_of(const char *program, const char *command)
{
    struct strbuf b = { .text = NULL };
    char bytes[4096];
    size_t n;
    char *probe = mem_printf("command -v %s >/dev/null", program);
    bool there = system(probe) == 0;
    free(probe);
    FILE *f = there ? popen(command, "r") : NULL;
    if (!f) {
        return NULL;
    }
    while ((n = fread(bytes, 1, sizeof(bytes), f)) > 0) {
        strbuf_add(&b, bytes, n);
    }
    strbuf_printf(&b, "[%d]", pclose(f));
    return b.text;
}

static size_t count_of(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part)) {
        n++;
    }
    return n;
}

static void tap_is_what_prove_reads(void **state)
{
    char *path = temp_path(".tap");
    (void)state;
    feed(report_tap_create(path, NULL));
    char *text = read_all(path);
    assert_ptr_equal(strstr(text, "TAP version 13\n1..7\nok 1 - io/pass \\# 1\n"), text);
    assert_non_null(strstr(text, "not ok 2 - io/fail \\# 1\n  ---\n  message: \"got <error> & "
                                 "\\\"text\\\" # 'SKIP' ?[31m?]]>\\nsecond \\\\ line\"\n"));
    assert_non_null(strstr(text, "  file: \"s/b&c.scn\"\n  line: 12\n"));
    assert_non_null(strstr(text, "  repeat: \"blksim replay a.scn:io/x\"\n  ...\n"));
    assert_non_null(strstr(text, "ok 5 - io/skip \\# 1 # SKIP got <error>"));
    assert_non_null(strstr(text, "not ok 6 - io/quirk \\# 1 # TO" "DO got <error>"));
    char *command = mem_printf("prove -e cat %s 2>&1", path);
    char *seen = output_of("prove", command);
    if (seen) {
        assert_non_null(strstr(seen, "Failed tests:  2-4, 7\n")); /* Not skips and quirks. */
        assert_non_null(strstr(seen, "Tests: 7 Failed: 4"));
        assert_null(strstr(seen, "Parse errors"));
    }
    free(seen);
    free(command);
    free(text);
    unlink(path);
    free(path);
}

static void an_interrupted_tap_bails_out(void **state)
{
    char *path = temp_path(".tap");
    struct report *r = report_tap_create(path, NULL);
    struct report_info info = { .units = 3 };
    struct report_summary sum = { .interrupted = true, .not_run = 3 };
    (void)state;
    r->ops->begin(r, &info, NULL);
    r->ops->end(r, &sum, NULL);
    report_destroy(r);
    char *text = read_all(path);
    assert_string_equal(text, "TAP version 13\n1..3\nBail out! Interrupted, 3 not run\n");
    free(text);
    unlink(path);
    free(path);
}

static void junit_is_well_formed_and_counts(void **state)
{
    char *path = temp_path(".xml");
    (void)state;
    feed(report_junit_create(path, NULL));
    char *text = read_all(path);
    assert_non_null(strstr(text, "<testsuites name=\"blksim\" tests=\"7\" failures=\"1\" "
                                 "errors=\"3\" skipped=\"2\" time=\"0.010500\">"));
    assert_int_equal(count_of(text, "<testsuite "), 2); /* One a file. */
    assert_int_equal(count_of(text, "<testcase "), 7);
    assert_non_null(strstr(text, "<testcase name=\"io/fail # 1\" classname=\"io/fail # 1\" "
                                 "file=\"s/b&amp;c.scn\" line=\"12\" time=\"0.001500\">"));
    assert_non_null(strstr(text, "<failure message=\"got &lt;error&gt; &amp; &quot;text&quot; # "
                                 "'SKIP' ?[31m?]]&gt;\" type=\"expect:ok:&lt;nasty&gt;\">"));
    assert_int_equal(count_of(text, "<error "), 3);
    assert_int_equal(count_of(text, "<skipped "), 2);
    assert_int_equal(count_of(text, "<system-out>blksim replay a.scn:io/x</system-out>"), 4);
    char *command = mem_printf("xmllint --noout %s 2>&1", path);
    char *seen = output_of("xmllint", command);
    if (seen) {
        assert_string_equal(seen, "[0]");
    }
    free(seen);
    free(command);
    free(text);
    unlink(path);
    free(path);
}

static const char *hint(const char *message)
{
    return strstr(message, "error") ? "apt-get install luck" : NULL;
}

static char *terminal_text(bool live, bool color)
{
    char *path = temp_path(".txt");
    FILE *f = fopen(path, "w");
    struct report_terminal_config cfg = { .out = f, .live = live, .color = color, .columns = 20,
                                          .program = "./blksim", .hint = hint };
    struct report *r = report_terminal_create(&cfg);
    struct report_tick tick = { .done = 1, .units = 7, .failed = 1, .elapsed_ms = 2000,
                                .current = "a/very/long/name/of/a/case" };
    r->ops->tick(r, &tick, NULL);
    feed(r);
    fclose(f);
    char *text = read_all(path);
    unlink(path);
    free(path);
    return text;
}

static void a_failure_shows_place_source_and_command(void **state)
{
    (void)state;
    char *text = terminal_text(false, false);
    assert_non_null(strstr(text, "s/b&c.scn:12:5: FAIL oracle=expect case=io/fail # 1\n"
                                 "    | io hd0 read -P 0x1 0 4k => \"a<b\"\n"
                                 "    got <error> & \"text\" # 'SKIP' ?[31m?]]>\n"
                                 "    second \\ line\n"
                                 "    signature: expect:ok:<nasty>\n"
                                 "    repeat: ./blksim replay a.scn:io/x\n"));
    assert_non_null(strstr(text, "    4 x expect:ok:<nasty>\n        first: io/fail # 1\n"));
    assert_non_null(strstr(text, "1 skip: got <error> & \"text\""));
    assert_non_null(strstr(text, "; apt-get install luck\n"));
    assert_non_null(strstr(text, "\n1 passed, 1 failed, 1 crashed, 1 hung, 1 nondeterministic, "
                                 "1 skipped, 1 quirk\n"));
    assert_null(strchr(text, '\033')); /* Piped: no colour and nothing that moves. */
    assert_null(strchr(text, '\r'));
    free(text);
}

static void a_terminal_gets_one_line_that_goes_away(void **state)
{
    (void)state;
    char *text = terminal_text(true, true);
    /* Cut to the width, then removed before anything else is written. */
    assert_ptr_equal(strstr(text, "\r\033[K[1/7] 1 failed, ETA\r\033[K"), text);
    assert_non_null(strstr(text, "\033[31mFAIL\033[0m"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tap_is_what_prove_reads),
        cmocka_unit_test(an_interrupted_tap_bails_out),
        cmocka_unit_test(junit_is_well_formed_and_counts),
        cmocka_unit_test(a_failure_shows_place_source_and_command),
        cmocka_unit_test(a_terminal_gets_one_line_that_goes_away),
    };
    return cmocka_run_group_tests_name("reports/formats", tests, NULL, NULL);
}
