/* SPDX-License-Identifier: MIT */
#include "scenarios/subst.h"

#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *lookup(const void *opaque, const char *name)
{
    (void)opaque;
    if (strcmp(name, "x") == 0) {
        return "1";
    }
    if (strcmp(name, "long-name_2") == 0) {
        return "${x}";
    }
    return strcmp(name, "empty") == 0 ? "" : NULL;
}

static void expands(const char *text, const char *want)
{
    struct strbuf out = { 0 };
    struct error err = ERROR_INIT;
    assert_int_equal(subst_expand(text, lookup, NULL, &out, &err), 0);
    assert_string_equal(strbuf_str(&out), want);
    strbuf_free(&out);
}

static void fails(const char *text, int code, const char *message)
{
    struct strbuf out = { 0 };
    struct error err = ERROR_INIT;
    assert_int_equal(subst_expand(text, lookup, NULL, &out, &err), code);
    assert_string_equal(err.text, message);
    strbuf_free(&out);
}

static void test_values_are_put_in(void **state)
{
    (void)state;
    expands("", "");
    expands("plain $ text }", "plain $ text }");
    expands("a${x}b${x}", "a1b1");
    expands("${x}", "1");
    expands("<${empty}>", "<>");
}

static void test_values_are_not_replaced_again(void **state)
{
    (void)state;
    expands("${long-name_2}", "${x}");
}

static void test_two_dollars_are_a_literal(void **state)
{
    (void)state;
    expands("$${x}", "${x}");
    expands("$$${x}", "$${x}");
    expands("$$ $x $", "$$ $x $");
    expands("$${", "${");
}

static void test_what_is_no_name_is_an_error(void **state)
{
    (void)state;
    fails("${nope}", -ENOENT, "no value for ${nope}");
    fails("${x", -EINVAL, "'${x' is not of the form ${name}");
    fails("${}", -EINVAL, "'${}' is not of the form ${name}");
    fails("a${1x}", -EINVAL, "'${1x}' is not of the form ${name}");
}

static const char *lookup_big(const void *opaque, const char *name)
{
    (void)name;
    return opaque;
}

static void test_the_result_is_bounded(void **state)
{
    (void)state;
    char *big = mem_alloc(65537);
    memset(big, 'a', 65536);
    big[65536] = '\0';
    struct strbuf text = { 0 }, out = { 0 };
    for (int i = 0; i < 1000; i++) {
        strbuf_puts(&text, "${x}");
    }
    struct error err = ERROR_INIT;
    assert_int_equal(subst_expand(text.text, lookup_big, big, &out, &err), -E2BIG);
    assert_true(out.len < 2 * SUBST_MAX);
    strbuf_free(&text);
    strbuf_free(&out);
    free(big);
}

static void test_references_are_found_in_order(void **state)
{
    (void)state;
    const char *text = "a${x}$${y}${z";
    size_t pos = 0;
    struct subst_ref ref;
    assert_int_equal(subst_next(text, &pos, &ref), SUBST_REF);
    assert_int_equal(ref.from, 1);
    assert_memory_equal(ref.name, "x", 1);
    assert_int_equal(ref.len, 1);
    assert_int_equal(subst_next(text, &pos, &ref), SUBST_BAD);
    assert_int_equal(ref.from, 10);
    assert_int_equal(subst_next(text, &pos, &ref), SUBST_END);
}

static void test_escaping_is_undone_by_expanding(void **state)
{
    (void)state;
    static const char *const texts[] = { "", "${x}", "$${x}", "$$$${", "a$b", "$", "${" };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct strbuf escaped = { 0 };
        subst_escape(texts[i], strlen(texts[i]), &escaped);
        expands(strbuf_str(&escaped), texts[i]);
        strbuf_free(&escaped);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_put_in),
        cmocka_unit_test(test_values_are_not_replaced_again),
        cmocka_unit_test(test_two_dollars_are_a_literal),
        cmocka_unit_test(test_what_is_no_name_is_an_error),
        cmocka_unit_test(test_the_result_is_bounded),
        cmocka_unit_test(test_references_are_found_in_order),
        cmocka_unit_test(test_escaping_is_undone_by_expanding),
    };
    return cmocka_run_group_tests_name("scenarios/subst", tests, NULL, NULL);
}
