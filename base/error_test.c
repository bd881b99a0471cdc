/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <errno.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void an_error_has_code_class_and_text(void **state)
{
    struct error err = ERROR_INIT;
    (void)state;
    assert_int_equal(error_set(&err, -EINVAL, "bad %s", "thing"), -EINVAL);
    assert_int_equal(err.code, -EINVAL);
    assert_int_equal(err.class, ERROR_GENERIC);
    assert_string_equal(err.text, "bad thing");
    assert_int_equal(error_set(NULL, -EIO, "nobody listens"), -EIO);

    err = ERROR_INIT;
    error_set_class(&err, ERROR_DEVICE_NOT_FOUND, -ENODEV, "Device '%s' not found", "hd0");
    assert_string_equal(error_class_name(err.class), "DeviceNotFound");
    assert_string_equal(err.text, "Device 'hd0' not found");
}

static void errno_text_is_that_of_the_c_locale(void **state)
{
    struct error err = ERROR_INIT;
    (void)state;
    setlocale(LC_ALL, "");
    error_set_errno(&err, -ENOENT, "Could not open '%s'", "a.raw");
    assert_string_equal(err.text, "Could not open 'a.raw': No such file or directory");
    assert_string_equal(error_strerror(EIO), "Input/output error");
    assert_string_equal(error_strerror(99999), "Unknown error");
}

static void a_prefix_goes_before_a_set_error(void **state)
{
    struct error err = ERROR_INIT;
    (void)state;
    error_prefix(&err, "ignored: ");
    error_prefix(NULL, "ignored: ");
    assert_string_equal(err.text, "");
    error_set(&err, -EIO, "inner");
    error_prefix(&err, "outer %d: ", 1);
    assert_string_equal(err.text, "outer 1: inner");
}

/* Names from scripts can be long: the text is cut, never overrun. */
static void long_texts_are_cut(void **state)
{
    struct error err = ERROR_INIT;
    char name[3 * ERROR_TEXT_MAX];
    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    error_set_errno(&err, -EIO, "%s", name);
    assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
    error_prefix(&err, "%s: ", name);
    assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
}

static void errno_names_go_both_ways(void **state)
{
    (void)state;
    assert_int_equal(error_errno_parse("EIO"), EIO);
    assert_int_equal(error_errno_parse("28"), ENOSPC);
    assert_int_equal(error_errno_parse("0"), 0);
    assert_int_equal(error_errno_parse("134"), 0);
    assert_int_equal(error_errno_parse("5x"), 0);
    assert_int_equal(error_errno_parse("EWHAT"), 0);
    assert_int_equal(error_errno_parse(""), 0);
    assert_string_equal(error_errno_name(ENOSPC), "ENOSPC");
    assert_null(error_errno_name(4000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_has_code_class_and_text),
        cmocka_unit_test(errno_text_is_that_of_the_c_locale),
        cmocka_unit_test(a_prefix_goes_before_a_set_error),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(errno_names_go_both_ways),
    };
    return cmocka_run_group_tests_name("base/error", tests, NULL, NULL);
}
