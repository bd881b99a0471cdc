/* SPDX-License-Identifier: MIT */
#include "scenarios/pattern.h"

#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_ranges(void **state)
{
    (void)state;
    struct range r;
    assert_int_equal(range_parse("40M+64k", &r, NULL), 0);
    assert_int_equal(r.offset, 40 << 20);
    assert_int_equal(r.bytes, 64 << 10);
    assert_int_equal(range_parse("0+1", &r, NULL), 0);
    assert_int_equal(r.offset, 0);
    assert_int_equal(r.bytes, 1);
    static const char *const bad[] = { "", "4k", "+4k", "4k+", "4k+0", "a+1", "1+a", "1+2+3",
                                       "8E+1", "7E+1E", "1,2", "-1+4" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct error err = ERROR_INIT;
        assert_int_equal(range_parse(bad[i], &r, &err), -EINVAL);
        assert_non_null(strstr(err.text, "is not a range"));
    }
}

static void test_ranges_in_one_word_or_two(void **state)
{
    (void)state;
    static const char *const one[] = { "1k+2k", "is", "0" };
    static const char *const two[] = { "1k", "2k", "is" };
    static const char *const none[] = { "1k", "is" };
    struct range r;
    size_t used = 0;
    assert_int_equal(range_parse_words(one, 3, &used, &r, NULL), 0);
    assert_int_equal(used, 1);
    assert_int_equal(r.bytes, 2048);
    assert_int_equal(range_parse_words(two, 3, &used, &r, NULL), 0);
    assert_int_equal(used, 2);
    assert_int_equal(r.offset, 1024);
    assert_int_equal(r.bytes, 2048);
    assert_int_equal(range_parse_words(none, 2, &used, &r, NULL), -EINVAL);
    assert_int_equal(range_parse_words(none, 0, &used, &r, NULL), -EINVAL);
}

static void test_patterns(void **state)
{
    (void)state;
    struct pattern p;
    assert_int_equal(pattern_parse("0x11|0|255", &p, NULL), 0);
    assert_int_equal(p.len, 3);
    assert_int_equal(p.at[0], 0x11);
    assert_int_equal(p.at[1], 0);
    assert_int_equal(p.at[2], 255);
    static const char *const bad[] = { "", "256", "0x11|", "|1", "a", "1|x", "-1", "1||2" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(pattern_parse(bad[i], &p, NULL), -EINVAL);
    }
    struct strbuf many = { 0 };
    for (int i = 0; i <= PATTERN_MAX; i++) {
        strbuf_printf(&many, "%s%d", i > 0 ? "|" : "", i);
    }
    assert_int_equal(pattern_parse(many.text, &p, NULL), -EINVAL);
    strbuf_free(&many);
}

static void test_the_first_wrong_byte_is_named(void **state)
{
    (void)state;
    struct pattern p;
    assert_int_equal(pattern_parse("0x11|0x22", &p, NULL), 0);
    uint8_t b[8] = { 0x11, 0x11, 0x22, 0x22, 0x22, 0x11, 0x11, 0x11 };
    assert_int_equal(pattern_check(&p, 0, 1, b, 8), 8);
    assert_int_equal(pattern_check(&p, 0, 2, b, 8), 5); /* 0x22 0x11 in one piece */
    assert_int_equal(pattern_check(&p, 1, 2, b, 8), 2); /* pieces begin at odd places */
    assert_int_equal(pattern_check(&p, 0, 0, b, 8), 2); /* one piece */
    b[7] = 0x33;
    assert_int_equal(pattern_check(&p, 0, 1, b, 8), 7);
    assert_int_equal(pattern_check(&p, 0, 1, b, 0), 0);
}

static void test_regular_expressions(void **state)
{
    (void)state;
    assert_true(regex_match("/is busy: .* commit$/", "Node 'a' is busy: by job: commit"));
    assert_false(regex_match("/^busy/", "is busy"));
    assert_true(regex_match("/a\\/b/", "xa/by"));
    assert_true(regex_match("/a\\\\/", "a\\"));
    assert_true(regex_match("//", "anything"));
    assert_false(regex_match("/(/", "("));
    assert_false(regex_is("/"));
    assert_false(regex_is("a/"));
}

static void test_a_bad_expression_is_an_error_with_a_text(void **state)
{
    (void)state;
    static const char *const bad[] = { "/(/", "/[/", "/a{9999}/", "/((a{100}){100}){100}/", "/a",
                                       "/a{1,2}{1,600}/" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct error err = ERROR_INIT;
        assert_int_equal(regex_compile_check(bad[i], &err), -EINVAL);
        assert_true(strlen(err.text) > 10);
    }
    char *longer = mem_alloc(3000);
    memset(longer, 'a', 2999);
    longer[0] = longer[2998] = '/';
    longer[2999] = '\0';
    assert_int_equal(regex_compile_check(longer, NULL), -EINVAL);
    free(longer);
    assert_int_equal(regex_compile_check("/a{1000}/", NULL), 0);
}

static void subset(const char *want, const char *have, const char *why)
{
    json_t *w = json_text_parse(want, NULL), *h = json_text_parse(have, NULL);
    assert_non_null(w);
    assert_non_null(h);
    struct strbuf text = { 0 };
    assert_int_equal(json_subset(w, h, &text), why == NULL);
    assert_string_equal(strbuf_str(&text), why == NULL ? "" : why);
    assert_int_equal(json_subset(w, h, NULL), why == NULL);
    strbuf_free(&text);
    json_decref(w);
    json_decref(h);
}

static void test_objects_match_as_subsets(void **state)
{
    (void)state;
    subset("{}", "{\"a\": 1}", NULL);
    subset("{\"a\": {\"b\": 2}}", "{\"x\": 0, \"a\": {\"b\": 2, \"c\": 3}}", NULL);
    subset("{\"a\": 1}", "{\"a\": 2}", "return.a: want 1, have 2");
    subset("{\"a\": 1}", "{}", "return.a: want 1, have nothing");
    subset("{\"a\": {\"b\": [1, {\"c\": 2}]}}", "{\"a\": {\"b\": [1, {\"c\": 3}]}}",
           "return.a.b[1].c: want 2, have 3");
    subset("{}", "[]", "return: want {}, have []");
}

static void test_arrays_match_element_by_element(void **state)
{
    (void)state;
    subset("[1, 2]", "[1, 2]", NULL);
    subset("[1]", "[1, 2]", "return: want 1 elements, have 2");
    subset("[{\"a\": 1}, {}]", "[{\"a\": 1, \"b\": 2}, {\"c\": 3}]", NULL);
    subset("[1, 3]", "[1, 2]", "return[1]: want 3, have 2");
}

static void test_scalars(void **state)
{
    (void)state;
    subset("\"/^fo+$/\"", "\"fooo\"", NULL);
    subset("\"/^fo+$/\"", "\"bar\"", "return: want \"/^fo+$/\", have \"bar\"");
    subset("\"/dev/\"", "\"/dev/\"", NULL);
    subset("true", "false", "return: want true, have false");
    subset("null", "null", NULL);
    subset("1", "1.0", "return: want 1, have 1.0");
    subset("1.5", "1.5", NULL);
    subset("\"1\"", "1", "return: want \"1\", have 1");
    subset("9223372036854775807", "9223372036854775807", NULL);
}

static void test_json_texts(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "{", "{\"a\":1,\"a\":2}", "abc", "1 2", "'a'" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct error err = ERROR_INIT;
        assert_null(json_text_parse(bad[i], &err));
        assert_non_null(strstr(err.text, "is not JSON"));
    }
    json_t *j = json_text_parse("{\"a\": [\"/ok/\", {\"b\": \"/(/\"}]}", NULL);
    assert_int_equal(json_subset_check(j, NULL), -EINVAL);
    json_decref(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_ranges_in_one_word_or_two),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_the_first_wrong_byte_is_named),
        cmocka_unit_test(test_regular_expressions),
        cmocka_unit_test(test_a_bad_expression_is_an_error_with_a_text),
        cmocka_unit_test(test_objects_match_as_subsets),
        cmocka_unit_test(test_arrays_match_element_by_element),
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_json_texts),
    };
    return cmocka_run_group_tests_name("scenarios/pattern", tests, NULL, NULL);
}
