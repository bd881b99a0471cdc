/* SPDX-License-Identifier: MIT */
#include "base/result.h"

#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void fill(struct result *r)
{
    result_init(r);
    result_set(&r->case_id, "io/align");
    result_set(&r->params, "l2=128k lazy=on");
    r->seed = UINT64_MAX - 1;
    result_set(&r->explore, "3.2.0.1=2");
    r->verdict = VERDICT_FAIL;
    result_set(&r->signature, "expect:ok:got");
    result_set(&r->oracle, "expect");
    result_set(&r->message, "expected ok\ngot error");
    result_set(&r->file, "a.scn");
    r->line = 12;
    r->col = 5;
    result_set(&r->source, "io hd0 read 0 4k");
    result_set(&r->repeat, "blksim replay a.scn:io/align");
    r->virt_ns = -7;
    r->steps = 1ull << 63;
    r->trace_hash = 0xfedcba9876543210;
    r->host_ns = 1234567;
    r->script_hash = 99;
    result_log(r, 1, 12, 5, "statement", "io hd0 read 0 4k");
    result_log(r, 1, -1, 6, "reply", "");
    result_set(&r->reference, "qemu 7.2.22");
    result_diff_add(r, &(struct result_diff){ .statement = 1, .line = 12, .command = "io read",
                                              .driver = "qcow2", .verdict = DIFF_DIFFERS,
                                              .detail = "blksim: a\nqemu: b" });
    result_diff_add(r, &(struct result_diff){ .line = -1, .command = "files" });
}

static void a_result_survives_the_pipe(void **state)
{
    struct result a, b;
    size_t n;
    (void)state;
    fill(&a);
    result_init(&b);
    result_log(&b, 9, 9, 9, "event", "replaced by what comes");
    result_diff_add(&b, &(struct result_diff){ .command = "replaced", .detail = "too" });
    void *bytes = result_pack(&a, &n);
    assert_int_equal(result_unpack(&b, bytes, n), 0);
    assert_string_equal(b.case_id, a.case_id);
    assert_string_equal(b.params, a.params);
    assert_true(b.seed == a.seed);
    assert_string_equal(b.explore, a.explore);
    assert_int_equal(b.verdict, VERDICT_FAIL);
    assert_string_equal(b.signature, a.signature);
    assert_string_equal(b.oracle, a.oracle);
    assert_string_equal(b.message, a.message);
    assert_string_equal(b.file, a.file);
    assert_int_equal(b.line, 12);
    assert_int_equal(b.col, 5);
    assert_string_equal(b.source, a.source);
    assert_string_equal(b.repeat, a.repeat);
    assert_int_equal(b.virt_ns, -7);
    assert_true(b.steps == a.steps);
    assert_true(b.trace_hash == a.trace_hash);
    assert_int_equal(b.host_ns, a.host_ns);
    assert_int_equal(b.script_hash, 99);
    assert_int_equal(b.log_len, 2);
    assert_string_equal(b.log[0].kind, "statement");
    assert_int_equal(b.log[1].line, -1);
    assert_string_equal(b.log[1].text, "");
    assert_string_equal(b.reference, "qemu 7.2.22");
    assert_int_equal(b.diff_len, 2);
    assert_int_equal(b.diff[0].statement, 1);
    assert_int_equal(b.diff[0].line, 12);
    assert_int_equal(b.diff[0].verdict, DIFF_DIFFERS);
    assert_string_equal(b.diff[0].command, "io read");
    assert_string_equal(b.diff[0].driver, "qcow2");
    assert_string_equal(b.diff[0].detail, "blksim: a\nqemu: b");
    assert_int_equal(b.diff[1].line, -1);
    assert_int_equal(b.diff[1].verdict, DIFF_SAME);
    assert_string_equal(b.diff[1].driver, "");
    free(bytes);
    result_fini(&a);
    result_fini(&b);
}

/* A dying worker can leave anything in the pipe: every prefix and every flipped byte is read
 * without harm, and a prefix is never taken for the whole. */
static void damaged_bytes_are_refused(void **state)
{
    struct result a;
    size_t n;
    (void)state;
    fill(&a);
    unsigned char *bytes = result_pack(&a, &n);
    for (size_t cut = 0; cut < n; cut++) {
        struct result b;
        void *part = mem_copy(bytes, cut);
        result_init(&b);
        assert_int_equal(result_unpack(&b, part, cut), -EINVAL);
        result_fini(&b);
        free(part);
    }
    for (size_t at = 0; at < n; at++) {
        struct result b;
        result_init(&b);
        bytes[at] ^= 0xff;
        int ret = result_unpack(&b, bytes, n);
        assert_true(ret == 0 || ret == -EINVAL);
        bytes[at] ^= 0xff;
        result_fini(&b);
    }
    free(bytes);
    result_fini(&a);
}

static void verdicts_have_names(void **state)
{
    (void)state;
    for (int v = 0; v < VERDICTS; v++) {
        assert_int_equal(verdict_parse(verdict_name((enum verdict)v)), v);
    }
    assert_string_equal(verdict_name(VERDICT_NONDET), "nondet");
    assert_int_equal(verdict_parse("Pass"), -1);
    assert_int_equal(verdict_parse(""), -1);
    for (int v = 0; v < DIFF_VERDICTS; v++) {
        assert_int_equal(diff_verdict_parse(diff_verdict_name((enum diff_verdict)v)), v);
    }
    assert_string_equal(diff_verdict_name(DIFF_SKIPPED), "skipped");
    assert_int_equal(diff_verdict_parse("pass"), -1);
}

static void a_member_can_be_set_to_itself(void **state)
{
    struct result r;
    (void)state;
    result_init(&r);
    assert_string_equal(r.message, "");
    result_set(&r.message, "one");
    result_set(&r.message, r.message);
    assert_string_equal(r.message, "one");
    result_fini(&r);
}

static void one_bug_has_one_signature(void **state)
{
    static const struct {
        const char *text, *normal;
    } cases[] = {
        { "read at 4096 failed", "read at N failed" },
        { "read at 64k failed: offset 0x1f00", "read at N failed: offset N" },
        { "waited 20ms, then 3s", "waited N, then N" },
        { "Cannot find device='hd0' nor node-name=\"f12\"",
          "Cannot find device='*' nor node-name='*'" },
        { "doesn't match, can't go", "doesn't match, can't go" },
        { "line one\n  line two\tend", "line one line two end" },
        { "qcow2 l2-cache", "qcowN lN-cache" },
        { "unclosed 'quote", "unclosed 'quote" },
        { "", "" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *normal = result_normalise(cases[i].text);
        assert_string_equal(normal, cases[i].normal);
        free(normal);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_result_survives_the_pipe),
        cmocka_unit_test(damaged_bytes_are_refused),
        cmocka_unit_test(verdicts_have_names),
        cmocka_unit_test(a_member_can_be_set_to_itself),
        cmocka_unit_test(one_bug_has_one_signature),
    };
    return cmocka_run_group_tests_name("base/result", tests, NULL, NULL);
}
