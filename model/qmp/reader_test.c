/* SPDX-License-Identifier: MIT */
/* The reader against what qemu-storage-daemon 7.2 says of the same bytes.
 *
 * Each row is a text and what comes out, a line each: a value as sorted compact JSON, or "!" and
 * the message.  Every text is fed whole and byte by byte: the cut must not matter.
 */
#include "base/mem.h"
#include "base/text.h"
#include "model/qmp/build.h"
#include "model/qmp/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void put_value(struct strbuf *out, const json_t *value)
{
    char *text = json_dumps(value, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY |
                                       JSON_ENSURE_ASCII);

    assert_non_null(text);
    strbuf_puts(out, text);
    free(text);
}

static void got(void *opaque, json_t *value, const struct error *err)
{
    struct strbuf *out = opaque;

    assert_true(!value == !!err);
    if (out->len) {
        strbuf_putc(out, '\n');
    }
    if (value) {
        put_value(out, value);
    } else {
        strbuf_printf(out, "!%s", err->text);
    }
}

/* What comes out when the text arrives in pieces of `piece` bytes. */
static char *read_in_pieces(const char *text, size_t n, size_t piece)
{
    struct strbuf out = { 0 };
    struct qmp_reader *r = qmp_reader_create(got, &out);

    for (size_t i = 0; i < n; i += piece) {
        qmp_reader_feed(r, text + i, MIN(piece, n - i));
    }
    qmp_reader_destroy(r);
    return out.text ? out.text : mem_strdup("");
}

static void expect_bytes(const char *text, size_t n, const char *wanted)
{
    char *whole = read_in_pieces(text, n, n ? n : 1), *bytes = read_in_pieces(text, n, 1);

    if (strcmp(whole, wanted)) {
        print_error("text: %s\n", text);
    }
    assert_string_equal(whole, wanted);
    assert_string_equal(bytes, wanted);
    free(whole);
    free(bytes);
}

static void expect(const char *text, const char *wanted)
{
    expect_bytes(text, strlen(text), wanted);
}

#define ERR "!JSON parse error, "

static void test_values(void **state)
{
    (void)state;
    expect("{}", "{}");
    expect("[]\n", "[]");
    expect("{'a':1, \"b\":[true,false,null]}", "{\"a\":1,\"b\":[true,false,null]}");
    expect(" \t\r\n 5 ", "5");
    expect("5", ""); /* It may go on. */
    expect("-0 0 -1 ", "0\n0\n-1");
    expect("\"a\"'b'", "\"a\"\n\"b\"");
    expect("\"\"\"\"", "\"\"\n\"\"");
    expect("true1 1true ", "true\n1\n1\ntrue");
    expect("1-2 ", "1\n-2");
    expect("{}[]{}", "{}\n[]\n{}");
}

static void test_numbers(void **state)
{
    (void)state;
    expect("9223372036854775807 -9223372036854775808 ",
           "9223372036854775807\n-9223372036854775808");
    expect("9223372036854775808 ", "9.2233720368547758e18");
    expect("-9223372036854775809 ", "-9.2233720368547758e18");
    expect("18446744073709551616 ", "1.8446744073709552e19");
    expect("1.5 1e2 1E+2 1e-2 ", "1.5\n100.0\n100.0\n0.01");
    expect("1e400 -1e400 1e-400 ", "1.7976931348623157e308\n-1.7976931348623157e308\n0.0");
    expect("01 ", ERR "stray '01'");
    expect("-01 ", ERR "stray '-01'");
    expect("-\n", ERR "stray '-\n'");
    expect("-a", ERR "stray '-a'");
    expect("1.\n", ERR "stray '1.\n'");
    expect("1.e5 ", ERR "stray '1.e'");
    expect("1e+{", ERR "stray '1e+{'");
    expect("0.0.0 ", "0.0\n" ERR "stray '.'");
    expect("12e3.4 ", "12000.0\n" ERR "stray '.'");
    expect("0x10 ", "0\n" ERR "invalid keyword 'x'\n10");
    expect("0e5 ", "0\n" ERR "invalid keyword 'e'\n5");
    expect("+1 ", ERR "stray '+'");
}

static void test_strings(void **state)
{
    (void)state;
    expect("\"\\b\\f\\n\\r\\t\\/\\\\\\\"\\'\"", "\"\\b\\f\\n\\r\\t/\\\\\\\"'\"");
    expect("'\\'' '\"'", "\"'\"\n\"\\\"\"");
    expect("\"\\u00e9\\u20AC\\ud83d\\uDE00\"", "\"\\u00E9\\u20AC\\uD83D\\uDE00\"");
    expect("\"\303\251\342\202\254\360\237\230\200\"", "\"\\u00E9\\u20AC\\uD83D\\uDE00\"");
    expect("\"a\\u0000b\"", ERR "\\u0000 is not a valid Unicode character");
    expect("\"a\\q\"", ERR "invalid escape sequence in string");
    expect("\"a\\q\\u12\"", ERR "invalid escape sequence in string");
    expect("\"\\u12\"", ERR "\\u12\" is not a valid Unicode character");
    expect("\"\\u\"", ERR "\\u\" is not a valid Unicode character");
    expect("\"\\uxyzw5\"", ERR "\\uxyzw is not a valid Unicode character");
    expect("\"\\ud800\"", ERR "\\ud800 is not a valid Unicode character");
    expect("\"\\ud83d\\u0041\"", ERR "\\ud83d is not a valid Unicode character");
    expect("\"\\ud83d\\n\"", ERR "\\ud83d is not a valid Unicode character");
    expect("\"\\udc00\"", ERR "\\udc00 is not a valid Unicode character");
    expect("\"\\ufffe\"", ERR "\\ufffe is not a valid Unicode character");
    expect("\"\\ufdd0\"", ERR "\\ufdd0 is not a valid Unicode character");
    expect("\"\\ud83f\\udfff\"", ERR "\\ud83f\\udfff is not a valid Unicode character");
}

static void test_broken_utf8(void **state)
{
    static const char *const broken[] = {
        "\303", "\303(", "\355\240\200", "\364\220\200\200", "\342\202", "\360\237\230", "\200",
        "\357\277\276", "\370\210\200\200\200", "\300\200", "\301\201", "\340\200\200",
        "\357\267\220",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        char *text = mem_printf("\"a%sz\"", broken[i]);

        expect(text, ERR "invalid UTF-8 sequence in string");
        free(text);
    }
    expect("\"\355\237\277\"", "\"\\uD7FF\"");
    /* FE and FF are never UTF-8: the token ends there. */
    expect("\"a\377b\n1 ", ERR "stray '\"a\357\277\275'\n1");
    expect("\303\251{}", ERR "stray '\357\277\275'\n{}");
}

static void test_grammar(void **state)
{
    (void)state;
    expect("foo ", ERR "invalid keyword 'foo'");
    expect("truex ", ERR "invalid keyword 'truex'");
    expect("{\"a\"}", ERR "missing : in object pair");
    expect("{\"a\" 1}", ERR "missing : in object pair");
    expect("{\"a\":}", ERR "expecting value");
    expect("{\"a\":1,}", ERR "expecting value");
    expect("{\"a\":1,,\"b\":2}", ERR "expecting value");
    expect("{,}", ERR "expecting value");
    expect("[1,]", ERR "expecting value");
    expect("[1 2]", ERR "expected separator in list");
    expect("[1:2]", ERR "expected separator in list");
    expect("[[1][2]]", ERR "expected separator in list");
    expect("{\"a\":1 \"b\":2}", ERR "expected separator in dict");
    expect("{1:2}", ERR "key is not a string in object");
    expect("{{}:1}", ERR "key is not a string in object");
    expect("{[1 2]:3}", ERR "expected separator in list");
    expect("{foo:1}", ERR "invalid keyword 'foo'");
    expect("{\"a\":1,\"a\":2}", ERR "duplicate key");
    expect("{\"\\u0061\":1,\"a\":2}", ERR "duplicate key");
    expect("{\"a\":1,\"a\":2,}", ERR "duplicate key");
    /* The value of the second is read before its key is looked at. */
    expect("{\"a\":1,\"a\":foo}", ERR "invalid keyword 'foo'");
    expect("{\"a\":1,\"a\" 2}", ERR "missing : in object pair");
    expect("{\"a\":{\"b\":1,\"b\":2},\"a\":1}", ERR "duplicate key");
}

static void test_recovery(void **state)
{
    (void)state;
    /* An error of grammar waits for the brackets to balance. */
    expect("{\"a\":}{}", ERR "expecting value\n{}");
    expect("[foo{\"x\":1}]{}", ERR "invalid keyword 'foo'\n{}");
    expect("{\"a\":[}{}", "");
    expect("{\"a\":[}]}{}", ERR "expecting value\n" ERR "expecting value\n{}");
    expect("{\"a\":1]}{}", ERR "expected separator in dict\n" ERR "expecting value\n{}");
    expect("[[]}{}", ERR "expected separator in list\n{}");
    expect("} ] , : {}", ERR "expecting value\n" ERR "expecting value\n" ERR
                             "expecting value\n" ERR "expecting value\n{}");
    /* An error of a token comes at once, and skips to a bracket, ':' or ',', or the line's end. */
    expect("@ @ foo \"x\" 1 {}", ERR "stray '@'\n{}");
    expect("@foo\n1 ", ERR "stray '@'\n1");
    expect("@\t1 \r2 ", ERR "stray '@'\n2");
    expect("{@}{}", ERR "stray '@'\n" ERR "expecting value\n{}");
    expect("[01,{}]", ERR "stray '01'\n" ERR "expecting value\n{}\n" ERR "expecting value");
    expect("[foo @{}", ERR "stray '@'\n{}");
    expect("\001\001 1 2 {}", ERR "stray '\001'\n" ERR "stray '\001'\n{}");
    expect("@\376\377{}", ERR "stray '@'\n" ERR "stray '\357\277\275'\n" ERR
                          "stray '\357\277\275'\n{}");
    expect("\"abc\n{}", ERR "stray '\"abc\n'\n{}");
    expect("'abc\002\"{}", ERR "stray ''abc\002'\n{}");
    expect_bytes("\"a\0b\"{}", 7, ERR "stray '\"a'\n{}");
    expect_bytes("\0{}", 3, ERR "stray ''\n{}");
    expect("[%d]{}", ERR "stray '%'\n" ERR "expecting value\n{}");
}

/* n times text. */
static char *repeat(const char *text, size_t n, const char *rest)
{
    struct strbuf b = { 0 };

    for (size_t i = 0; i < n; i++) {
        strbuf_puts(&b, text);
    }
    strbuf_puts(&b, rest);
    return b.text;
}

static char *nested(size_t depth)
{
    char *close = repeat("]", depth, " {}"), *text = repeat("[", depth, close);

    free(close);
    return text;
}

static size_t count_lines(const char *text, const char *line)
{
    size_t n = 0;

    for (const char *at = text; (at = strstr(at, line)); at += strlen(line)) {
        n++;
    }
    return n;
}

static void test_depth_limit(void **state)
{
    char *text = nested(1024), *out = read_in_pieces(text, strlen(text), 4096);

    (void)state;
    assert_memory_equal(out, "[[[[", 4);
    assert_non_null(strstr(out, "\n{}"));
    free(text);
    free(out);

    /* The bracket too many is dropped, with all before it; each of those that close is too many. */
    text = nested(1025);
    out = read_in_pieces(text, strlen(text), 4096);
    assert_memory_equal(out, "!JSON nesting depth limit exceeded\n", 35);
    assert_int_equal(count_lines(out, ERR "expecting value"), 1025);
    assert_non_null(strstr(out, "\n{}"));
    free(text);
    free(out);
}

static void test_token_limit(void **state)
{
    enum { HALF = 1 << 20 };
    char *text = repeat("1,", HALF - 1, "1]{}"), *list = mem_printf("[%s", text), *out;
    size_t n = strlen(list);

    (void)state;
    /* 1 + 2 * (2^20 - 1) + 2 tokens: one too many, and it is the closing bracket. */
    out = read_in_pieces(list, n, n);
    assert_string_equal(out, "!JSON token count limit exceeded\n{}");
    free(out);
    free(list);
    free(text);

    /* Two less are within the limit. */
    text = repeat("1,", HALF - 2, "1]{}");
    list = mem_printf("[%s", text);
    n = strlen(list);
    out = read_in_pieces(list, n, n);
    assert_memory_equal(out, "[1,1", 4);
    free(out);
    free(list);
    free(text);
}

static void test_size_limit(void **state)
{
    enum { LIMIT = 64 << 20 };
    struct strbuf out = { 0 };
    struct qmp_reader *r = qmp_reader_create(got, &out);
    char *block = mem_alloc(1 << 20);

    (void)state;
    memset(block, 'x', 1 << 20);
    qmp_reader_feed(r, "\"", 1);
    for (size_t fed = 0; fed <= LIMIT; fed += 1 << 20) {
        qmp_reader_feed(r, block, 1 << 20);
    }
    qmp_reader_feed(r, "\"\n{}", 4);
    assert_string_equal(strbuf_str(&out), "!JSON token size limit exceeded\n{}");
    qmp_reader_destroy(r);
    strbuf_free(&out);
    free(block);
}

static void expect_text(const char *text, const char *wanted)
{
    struct error err = ERROR_INIT;
    json_t *value = qmp_read_text(text, strlen(text), &err);
    struct strbuf out = { 0 };

    got(&out, value, value ? NULL : &err);
    assert_string_equal(strbuf_str(&out), wanted);
    strbuf_free(&out);
    json_decref(value);
}

static void test_one_value(void **state)
{
    (void)state;
    expect_text("{\"driver\":\"null-co\"}   ", "{\"driver\":\"null-co\"}");
    expect_text("12", "12");
    expect_text("1.5", "1.5");
    expect_text("", "!Expecting a JSON value");
    expect_text(" \n", "!Expecting a JSON value");
    expect_text("{} x", "!Expecting at most one JSON value");
    expect_text("{}}", "!Expecting at most one JSON value");
    expect_text("1 \"", "!Expecting at most one JSON value");
    expect_text("{", ERR "premature EOI");
    expect_text("{\"a\":1", ERR "premature EOI");
    expect_text("{\"a\"", ERR "premature EOI");
    expect_text("[1,", ERR "premature EOI");
    expect_text("[1 2", ERR "expected separator in list");
    expect_text("{\"a\" \"b\"", ERR "missing : in object pair");
    expect_text("{\"a\":1,\"a\":2", ERR "duplicate key");
    expect_text("tru", ERR "invalid keyword 'tru'");
    expect_text("\"foo", ERR "stray '\"foo'");
    expect_text("{\"a\":1.", ERR "stray '1.'");
    expect_text("@,@", ERR "stray '@'");
    expect_text("{]}", ERR "expecting value");
    assert_null(qmp_read_text("{", 1, NULL));
}

/* Whatever the bytes are, the reader ends up where it can read the next line. */
static void test_any_bytes(void **state)
{
    uint64_t x = 1;

    (void)state;
    for (int round = 0; round < 2000; round++) {
        static const char alphabet[] = "{}[]:,\"'\\u01e.-tn@ \n\001\303\251\377";
        char text[64];
        char *out;
        size_t n = 0;

        while (n < sizeof(text) - 5) {
            x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
            text[n++] = alphabet[(x >> 33) % (sizeof(alphabet) - 1)];
        }
        memcpy(text + n, "\n@\n{}", 5);
        out = read_in_pieces(text, sizeof(text), 1 + (size_t)round % 7);
        assert_true(strlen(out) > 3);
        assert_string_equal(out + strlen(out) - 3, "\n{}");
        free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),      cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_strings),     cmocka_unit_test(test_broken_utf8),
        cmocka_unit_test(test_grammar),     cmocka_unit_test(test_recovery),
        cmocka_unit_test(test_depth_limit), cmocka_unit_test(test_token_limit),
        cmocka_unit_test(test_size_limit),  cmocka_unit_test(test_one_value),
        cmocka_unit_test(test_any_bytes),
    };

    return cmocka_run_group_tests_name("model/qmp/reader", tests, NULL, NULL);
}
