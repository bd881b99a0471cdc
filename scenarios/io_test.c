/* SPDX-License-Identifier: MIT */
/* What the `io` verb prints and how it reads its words, against texts of qemu-io 7.2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "scenarios/io_cmd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void assert_size(int64_t bytes, const char *want)
{
    struct strbuf out = { 0 };
    ioc_format_size(&out, bytes);
    assert_string_equal(out.text, want);
    strbuf_free(&out);
}

static void sizes_have_the_largest_unit_that_fits(void **state)
{
    (void)state;
    assert_size(0, "0 bytes");
    assert_size(1, "1 bytes");
    assert_size(1023, "1023 bytes");
    assert_size(1024, "1 KiB");
    assert_size(1536, "1.500 KiB");
    assert_size(64 << 10, "64 KiB");
    assert_size((1 << 20) - 1, "1023.999 KiB");
    assert_size(5 << 20, "5 MiB");
    assert_size(INT64_C(3) << 40, "3 TiB");
    assert_size(INT64_MAX, "8 EiB");
}

static void assert_report(int64_t ns, int64_t bytes, bool machine, const char *want)
{
    struct strbuf out = { 0 };
    ioc_format_report(&out, "read", ns, 4096, bytes, machine);
    assert_string_equal(out.text, want);
    strbuf_free(&out);
}

static void statistics_tell_virtual_time(void **state)
{
    (void)state;
    assert_report(0, 512, false, "read 512/512 bytes at offset 4096\n"
                  "512 bytes, 1 ops; 00.00 sec (inf EiB/sec and inf ops/sec)\n");
    assert_report(0, 0, false, "read 0/0 bytes at offset 4096\n"
                  "0 bytes, 1 ops; 00.00 sec (-nan bytes/sec and inf ops/sec)\n");
    assert_report(100000, 65536, false, "read 65536/65536 bytes at offset 4096\n"
                  "64 KiB, 1 ops; 00.00 sec (625 MiB/sec and 10000.0000 ops/sec)\n");
    assert_report(INT64_C(61291387000), 512, false, "read 512/512 bytes at offset 4096\n"
                  "512 bytes, 1 ops; 0:01:01.29 (8.353539 bytes/sec and 0.0163 ops/sec)\n");
    assert_report(INT64_C(12357500000), 512, false, "read 512/512 bytes at offset 4096\n"
                  "512 bytes, 1 ops; 0:00:12.36 (41.432329 bytes/sec and 0.0809 ops/sec)\n");
    assert_report(INT64_C(61241000000), 512, true, "512,1,0:01:01.24,8.360,0.016\n");
    assert_report(0, 512, true, "512,1,0:00:00.00,inf,inf\n");
}

static void a_dump_shows_letters_and_digits(void **state)
{
    (void)state;
    static char bytes[] = "Aa0 ~.!\x7f\x80\xff-_+/@\0x";
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, bytes, 17);
    struct strbuf out = { 0 };
    ioc_format_dump(&out, 500, &buf);
    assert_string_equal(out.text,
                        "000001f4:  41 61 30 20 7e 2e 21 7f 80 ff 2d 5f 2b 2f 40 00  "
                        "Aa0.............\n"
                        "00000204:  78  x\n");
    strbuf_free(&out);
}

/* Reads words with a spec; gives "letter(value) letter | word word" or what was printed. */
static char *getopt_says(const char *spec, int argc, char **argv)
{
    struct target_call call = { 0 };
    struct strbuf out = { 0 };
    struct ioc_ctx c = { .call = &call, .name = argv[0], .cmd = &ioc_cmds[0] };
    struct ioc_getopt g;
    int letter;
    ioc_getopt_init(&g, argc, argv);
    while ((letter = ioc_getopt_next(&c, &g, spec)) != 0 && letter != '?') {
        strbuf_printf(&out, "%c(%s) ", letter, g.value ? g.value : "");
    }
    for (int i = 0; letter == 0 && i < g.args_len; i++) {
        strbuf_printf(&out, "%s ", g.args[i]);
    }
    if (letter == '?') {
        strbuf_free(&out);
        strbuf_puts(&out, call.err.text);
    }
    ioc_getopt_fini(&g);
    strbuf_free(&call.output);
    return out.text;
}

#define ASSERT_WORDS(want, spec, ...)                                                              \
    do {                                                                                           \
        char *argv[] = { __VA_ARGS__ };                                                            \
        char *have = getopt_says(spec, (int)ARRAY_LEN(argv), argv);                                \
        assert_string_equal(have, want);                                                           \
        free(have);                                                                                \
    } while (0)

static void options_are_read_as_getopt_reads_them(void **state)
{
    (void)state;
    ASSERT_WORDS("q() P(7) 0 4k ", "qP:", "read", "-qP", "7", "0", "4k");
    ASSERT_WORDS("P(7) q() 0 4k ", "qP:", "read", "0", "-P7", "4k", "-q");
    ASSERT_WORDS("-5 512 ", "qP:", "read", "--", "-5", "512");
    ASSERT_WORDS("read: invalid option -- '5'", "qP:", "read", "0", "-5");
    ASSERT_WORDS("read: option requires an argument -- 'P'", "qP:", "read", "0", "512", "-P");
}

static void numbers_have_the_reference_messages(void **state)
{
    (void)state;
    struct target_call call = { 0 };
    struct ioc_ctx c = { .call = &call, .name = "read", .cmd = &ioc_cmds[0] };
    int64_t size = 0;
    int byte = 0;
    assert_int_equal(ioc_parse_size(&c, "1.5k", &size), 0);
    assert_int_equal(size, 1536);
    assert_int_equal(ioc_parse_pattern(&c, "0X1F", &byte), 0);
    assert_int_equal(byte, 31);
    assert_int_equal(ioc_parse_pattern(&c, "010", &byte), 0);
    assert_int_equal(byte, 8);
    assert_true(ioc_parse_size(&c, "x", &size) < 0);
    assert_true(ioc_parse_size(&c, "16E", &size) < 0);
    assert_true(ioc_parse_pattern(&c, "256", &byte) < 0);
    assert_true(ioc_parse_pattern(&c, "0x", &byte) < 0);
    assert_string_equal(call.output.text,
                        "Parsing error: non-numeric argument, or extraneous/unrecognized suffix"
                        " -- x\n"
                        "Parsing error: argument too large -- 16E\n"
                        "256 is not a valid pattern byte\n"
                        "0x is not a valid pattern byte\n");
    strbuf_free(&call.output);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_have_the_largest_unit_that_fits),
        cmocka_unit_test(statistics_tell_virtual_time),
        cmocka_unit_test(a_dump_shows_letters_and_digits),
        cmocka_unit_test(options_are_read_as_getopt_reads_them),
        cmocka_unit_test(numbers_have_the_reference_messages),
    };
    return cmocka_run_group_tests_name("scenarios/io", tests, NULL, NULL);
}
