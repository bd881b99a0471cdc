/* SPDX-License-Identifier: MIT */
/* Options as a driver sees them: what was given, with the table's defaults behind it. */
#include "base/mem.h"
#include "model/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct schema_member inner_members[] = {
    { "direct", &schema_bool, MEMBER_OPTIONAL, "off", NULL },
    { "mode", &schema_on_off_auto, MEMBER_OPTIONAL, "auto", NULL },
    { 0 },
};

static const struct schema_type inner_type = {
    .name = "Inner", .kind = SCHEMA_STRUCT, .members = inner_members
};

static const struct schema_member members[] = {
    { "name", &schema_str, MEMBER_OPTIONAL, NULL, NULL },
    { "label", &schema_str, MEMBER_OPTIONAL, "none", NULL },
    { "size", &schema_size, MEMBER_OPTIONAL, "64k", NULL },
    { "sector", &schema_int, MEMBER_OPTIONAL, "-1", NULL },
    { "on", &schema_bool, MEMBER_OPTIONAL, "on", NULL },
    { "true", &schema_bool, MEMBER_OPTIONAL, "true", NULL },
    { "inner", &inner_type, MEMBER_OPTIONAL, NULL, NULL },
    { 0 },
};

static void test_given(void **state)
{
    json_t *values = json_pack("{s:s, s:s, s:i, s:i, s:b, s:{s:b, s:s}}", "name", "n", "label",
                               "l", "size", 7, "sector", 8, "on", 0, "inner", "direct", 1, "mode",
                               "on");
    struct opts o = { .values = values, .members = members };

    (void)state;
    assert_string_equal(opts_str(&o, "name"), "n");
    assert_string_equal(opts_str(&o, "label"), "l");
    assert_int_equal(opts_int(&o, "size"), 7);
    assert_int_equal(opts_int(&o, "sector"), 8);
    assert_false(opts_bool(&o, "on"));
    assert_true(opts_bool(&o, "inner.direct"));
    assert_string_equal(opts_enum(&o, "inner.mode"), "on");
    assert_true(opts_given(&o, "inner.mode"));
    assert_true(json_is_object(opts_get(&o, "inner")));
    assert_null(opts_get(&o, "inner.zz"));
    assert_null(opts_get(&o, "name.zz"));
    json_decref(values);
}

static void test_defaults(void **state)
{
    json_t *values = json_pack("{s:{}}", "inner");
    struct opts o = { .values = values, .members = members };

    (void)state;
    assert_null(opts_str(&o, "name"));
    assert_string_equal(opts_str(&o, "label"), "none");
    assert_int_equal(opts_int(&o, "size"), 65536);
    assert_int_equal(opts_int(&o, "sector"), -1);
    assert_true(opts_bool(&o, "on"));
    assert_true(opts_bool(&o, "true"));
    assert_false(opts_bool(&o, "inner.direct"));
    assert_string_equal(opts_enum(&o, "inner.mode"), "auto");
    assert_false(opts_given(&o, "inner.direct"));
    assert_false(opts_given(&o, "size"));
    json_decref(values);
}

/* A whole structure left out still has the defaults of its members. */
static void test_missing_structure(void **state)
{
    json_t *values = json_object();
    struct opts o = { .values = values, .members = members };

    (void)state;
    assert_false(opts_bool(&o, "inner.direct"));
    assert_string_equal(opts_enum(&o, "inner.mode"), "auto");
    json_decref(values);
}

static void test_without_table(void **state)
{
    json_t *values = json_pack("{s:i}", "size", 5);
    struct opts o = { .values = values };

    (void)state;
    assert_int_equal(opts_int(&o, "size"), 5);
    assert_null(opts_str(&o, "name"));
    json_decref(values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_missing_structure),
        cmocka_unit_test(test_without_table),
    };

    return cmocka_run_group_tests_name("model/options", tests, NULL, NULL);
}
