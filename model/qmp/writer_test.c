/* SPDX-License-Identifier: MIT */
#include "model/qmp/writer.h"
#include "base/mem.h"
#include "model/qmp/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* text is read and written. */
static void expect_written(const char *text, const char *wanted)
{
    struct strbuf out = { .text = NULL };
    json_t *value = qmp_read_text(text, strlen(text), NULL);
    assert_non_null(value);
    qmp_write(&out, value);
    assert_string_equal(strbuf_str(&out), wanted);
    strbuf_free(&out);
    json_decref(value);
}

/* What the installed QEMU answers to `{"execute": "query-name", "id": X}`. */
static void test_as_qemu_writes(void **state)
{
    (void)state;
    expect_written("{'b':1,'c':[],'d':{}}", "{\"b\": 1, \"c\": [], \"d\": {}}");
    expect_written("[1,[null,true],false]", "[1, [null, true], false]");
    expect_written("'\\u20ac\\ud83d\\ude00\\u007f\\u0001/\\\\\\\"<&\\u0080'",
                   "\"\\u20AC\\uD83D\\uDE00\\u007F\\u0001/\\\\\\\"<&\\u0080\"");
    expect_written("'\\b\\f\\n\\r\\t'", "\"\\b\\f\\n\\r\\t\"");
    expect_written("'é'", "\"\\u00E9\"");
    expect_written("0.1", "0.10000000000000001");
    expect_written("1e100", "1e+100");
    expect_written("1e5", "100000");
    expect_written("-0", "0");
}

static void test_numbers_at_the_edge(void **state)
{
    (void)state;
    expect_written("9223372036854775807", "9223372036854775807");
    expect_written("-9223372036854775808", "-9223372036854775808");
    expect_written("-1", "-1");
}

/* As deep as a client can make it. */
static void test_depth(void **state)
{
    enum { DEPTH = 1024 };
    char *text = mem_alloc(2 * DEPTH + 1);
    (void)state;
    memset(text, '[', DEPTH);
    memset(text + DEPTH, ']', DEPTH);
    text[2 * DEPTH] = '\0';
    expect_written(text, text);
    free(text);
}

/* Members without a value: the same text as that of the value. */
static void test_members(void **state)
{
    struct strbuf out = { .text = NULL };
    (void)state;
    strbuf_putc(&out, '{');
    qmp_write_member(&out, "a", "plain");
    qmp_write_member(&out, "b", "x\"\n");
    qmp_write_member(&out, "c", "");
    qmp_write_key(&out, "d");
    qmp_write_integer(&out, INT64_MIN);
    strbuf_putc(&out, '}');
    expect_written(strbuf_str(&out), strbuf_str(&out));
    assert_string_equal(strbuf_str(&out), "{\"a\": \"plain\", \"b\": \"x\\\"\\n\", \"c\": \"\", "
                                          "\"d\": -9223372036854775808}");
    strbuf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_qemu_writes),
        cmocka_unit_test(test_numbers_at_the_edge),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_members),
    };
    return cmocka_run_group_tests_name("model/qmp/writer", tests, NULL, NULL);
}
