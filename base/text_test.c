/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void sizes_are_those_of_qemu(void **state)
{
    static const struct {
        const char *text;
        int64_t bytes;
    } good[] = {
        { "0", 0 }, { "7", 7 }, { "64k", 65536 }, { "1.5M", 1572864 }, { "0x200", 512 },
        { "0x1e", 30 }, { "0x20M", 33554432 }, { "1K", 1024 }, { "1b", 1 }, { "1.0b", 1 },
        { "1.", 1 }, { "1.k", 1024 }, { " 7", 7 }, { "+7", 7 }, { "010k", 10240 },
        { "1.3k", 1331 }, { "1.0009765k", 1025 }, { "1.0004883k", 1025 }, { "1.0004882k", 1024 },
        { "0.00000001k", 0 }, { "1.0000000000000000000001M", 1048576 },
        { "7E", 7LL << 60 }, { "3T", 3LL << 40 }, { "2P", 2LL << 50 }, { "1g", 1 << 30 },
        { "9223372036854775807", INT64_MAX },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        int64_t bytes = -1;
        assert_int_equal(text_parse_size(good[i].text, &bytes), 0);
        assert_int_equal(bytes, good[i].bytes);
    }
}

static void what_is_not_a_size_is_refused(void **state)
{
    static const char *const bad[] = { "", "k", "x", "-1", "1.5", "1.5B", ".5k", "1e3", "1.5e1k",
                                       "0x1.8k", "1kb", "1 k", "0x", "64k ", "16EiB", "inf" };
    static const char *const large[] = { "8E", "9223372036854775808", "0x8000000000000000",
                                         "99999999999999999999999", "1.5E9" };
    int64_t bytes = 5;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(text_parse_size(bad[i], &bytes), -EINVAL);
    }
    for (size_t i = 0; i + 1 < ARRAY_LEN(large); i++) {
        assert_int_equal(text_parse_size(large[i], &bytes), -ERANGE);
    }
    assert_int_equal(text_parse_size(large[4], &bytes), -EINVAL); /* Two things after the number. */
    assert_int_equal(bytes, 5);
}

static void identifiers_begin_with_a_letter(void **state)
{
    static const char *const good[] = { "a", "Z", "a0", "a-b.c_d", "zz--..__99" };
    static const char *const bad[] = { "", "0a", "-a", "_", ".", "#a", "a b", "a/b", "a\n",
                                       "\xc3\xa4", "a\xc3\xa4", "a$" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_true(text_is_identifier(good[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(text_is_identifier(bad[i]));
    }
}

static void durations_need_a_unit(void **state)
{
    int64_t ns = -1;
    (void)state;
    assert_int_equal(text_parse_duration("2ms", &ns), 0);
    assert_int_equal(ns, 2000000);
    assert_int_equal(text_parse_duration("1.5us", &ns), 0);
    assert_int_equal(ns, 1500);
    assert_int_equal(text_parse_duration("60s", &ns), 0);
    assert_int_equal(ns, 60000000000LL);
    assert_int_equal(text_parse_duration("500ns", &ns), 0);
    assert_int_equal(ns, 500);
    assert_int_equal(text_parse_duration("0", &ns), 0);
    assert_int_equal(ns, 0);
    assert_int_equal(text_parse_duration("5", &ns), -EINVAL);
    assert_int_equal(text_parse_duration("5m", &ns), -EINVAL);
    assert_int_equal(text_parse_duration("0.5ns", &ns), -EINVAL);
    assert_int_equal(text_parse_duration("-1s", &ns), -EINVAL);
    assert_int_equal(text_parse_duration("1s ", &ns), -EINVAL);
    assert_int_equal(text_parse_duration("9223372037s", &ns), -ERANGE);
    assert_int_equal(text_parse_duration("99999999999999999999s", &ns), -ERANGE);
}

static void numbers_are_whole(void **state)
{
    uint64_t v = 0;
    (void)state;
    assert_int_equal(text_parse_u64("18446744073709551615", &v), 0);
    assert_true(v == UINT64_MAX);
    assert_int_equal(text_parse_u64("0xff", &v), 0);
    assert_int_equal(v, 255);
    assert_int_equal(text_parse_u64("18446744073709551616", &v), -ERANGE);
    assert_int_equal(text_parse_u64("", &v), -EINVAL);
    assert_int_equal(text_parse_u64("12a", &v), -EINVAL);
    assert_int_equal(text_parse_u64("-1", &v), -EINVAL);
    assert_int_equal(text_parse_u64(" 1", &v), -EINVAL);
    assert_int_equal(v, 255);
}

static void typing_errors_find_what_was_meant(void **state)
{
    static const char *const words[] = { "write", "read", "discard", "node-name", "io", NULL };
    (void)state;
    assert_string_equal(text_nearest("wriet", words), "write");  /* Two neighbours swapped. */
    assert_string_equal(text_nearest("raed", words), "read");
    assert_string_equal(text_nearest("discrd", words), "discard");
    assert_string_equal(text_nearest("node_name", words), "node-name");
    assert_null(text_nearest("xy", words));       /* Nothing in common. */
    assert_null(text_nearest("i", words));        /* Half of "io" is too much. */
    assert_null(text_nearest("truncate", words));
}

static void the_nearest_is_bounded(void **state)
{
    static const char *const words[] = { "write", NULL };
    char word[4096];
    (void)state;
    memset(word, 'w', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    assert_null(text_nearest(word, words));
    assert_null(text_nearest("", words));
}

static void a_string_grows(void **state)
{
    struct strbuf b = { .text = NULL };
    (void)state;
    assert_string_equal(strbuf_str(&b), "");
    for (int i = 0; i < 1000; i++) {
        strbuf_printf(&b, "%d,", i % 10);
    }
    assert_int_equal(b.len, 2000);
    assert_int_equal(strlen(strbuf_str(&b)), 2000);
    memcpy(strbuf_room(&b, 3000), "x", 2); /* More room than is used. */
    b.len++;
    strbuf_puts(&b, "yz");
    strbuf_add(&b, "a\0b", 3);
    assert_int_equal(b.len, 2006);
    assert_memory_equal(b.text + 2000, "xyza\0b", 7); /* Ends with NUL whatever is inside. */
    strbuf_free(&b);
    assert_int_equal(b.len, 0);
    assert_string_equal(strbuf_str(&b), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_those_of_qemu),
        cmocka_unit_test(what_is_not_a_size_is_refused),
        cmocka_unit_test(identifiers_begin_with_a_letter),
        cmocka_unit_test(durations_need_a_unit),
        cmocka_unit_test(numbers_are_whole),
        cmocka_unit_test(typing_errors_find_what_was_meant),
        cmocka_unit_test(the_nearest_is_bounded),
        cmocka_unit_test(a_string_grows),
    };
    return cmocka_run_group_tests_name("base/text", tests, NULL, NULL);
}
