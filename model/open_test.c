/* SPDX-License-Identifier: MIT */
/* The pure parts of opening by name: names, flat options, "json:", "nbd:".  That nothing which
 * somebody may write makes them fall over is shown by bytes drawn at random. */
#include "base/mem.h"
#include "base/text.h"
#include "model/open.h"
#include "model/open_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static void check_combine(const char *base, const char *name, const char *want)
{
    char *have = name_combine(base, name);
    assert_string_equal(have, want);
    free(have);
}

static void test_names(void **state)
{
    (void)state;
    assert_true(name_has_protocol("nbd:x"));
    assert_true(name_has_protocol(":x"));
    assert_false(name_has_protocol("dir/a:b"));
    assert_false(name_has_protocol("a"));
    check_combine("dir/top", "base", "dir/base");
    check_combine("dir/top", "../base", "dir/../base");
    check_combine("top", "base", "base");
    check_combine("dir/top", "/base", "/base");
    check_combine("dir/top", "nbd:h:1", "nbd:h:1");
    check_combine("file:dir/top", "base", "file:dir/base");
    check_combine("file:top", "base", "file:base");
    check_combine("dir/", "base", "dir/base");
}

static json_t *flat_of(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    json_t *flat = options_flatten(value, NULL);
    json_decref(value);
    return flat;
}

static void check_json(json_t *have, const char *want)
{
    char *text = json_dumps(have, JSON_SORT_KEYS | JSON_COMPACT);
    assert_string_equal(text, want);
    free(text);
    json_decref(have);
}

/* There and back: dots for members and indices, empty ones kept as they are. */
static void test_flat(void **state)
{
    (void)state;
    json_t *flat = flat_of("{\"a\":{\"b\":[1,{\"c\":2}],\"d\":{}},\"e\":null,\"f.g\":3}");
    json_t *nested = options_nest(flat);
    check_json(flat, "{\"a.b.0\":1,\"a.b.1.c\":2,\"a.d\":{},\"e\":null,\"f.g\":3}");
    check_json(nested, "{\"a\":{\"b\":[1,{\"c\":2}],\"d\":{}},\"e\":null,\"f\":{\"g\":3}}");
    flat = flat_of("{\"file.x\":1,\"files\":2,\"file\":{\"y\":{\"z\":3}}}");
    check_json(options_take_below(flat, "file"), "{\"x\":1,\"y.z\":3}");
    check_json(flat, "{\"files\":2}");
}

/* What is nested without end is an error, not the end of the stack. */
static void test_depth(void **state)
{
    struct error err = ERROR_INIT;
    json_t *value = json_integer(1);
    (void)state;
    for (int i = 0; i < 1000; i++) {
        json_t *outer = json_object();
        json_object_set_new(outer, "a", value);
        value = outer;
    }
    assert_null(options_flatten(value, &err));
    assert_true(err.code < 0);
    json_decref(value);
}

static void check_nbd(const char *name, const char *want)
{
    struct error err = ERROR_INIT;
    json_t *flat = json_object();
    if (nbd_parse_name(name, flat, &err) < 0) {
        assert_string_equal(err.text, want);
        json_decref(flat);
        return;
    }
    check_json(flat, want);
}

static void test_nbd(void **state)
{
    (void)state;
    check_nbd("nbd:h:1",
              "{\"server.host\":\"h\",\"server.port\":\"1\",\"server.type\":\"inet\"}");
    check_nbd("nbd:[::1]:1:exportname=a:b",
              "{\"export\":\"a:b\",\"server.host\":\"::1\",\"server.port\":\"1\","
              "\"server.type\":\"inet\"}");
    check_nbd("nbd:unix:/x:exportname=e",
              "{\"export\":\"e\",\"server.path\":\"/x\",\"server.type\":\"unix\"}");
    check_nbd("nbd://h/a%20b", "{\"export\":\"a b\",\"server.host\":\"h\","
                               "\"server.port\":\"10809\",\"server.type\":\"inet\"}");
    check_nbd("nbd+unix:///e?socket=/x",
              "{\"export\":\"e\",\"server.path\":\"/x\",\"server.type\":\"unix\"}");
    check_nbd("nbd:", "{}");
    check_nbd("nbd:h", "error parsing address 'h'");
    check_nbd("nbd://", "No valid URL specified");
    check_nbd("nbd://[::1", "No valid URL specified");
    check_nbd("nbd://h:x", "No valid URL specified");
}

/* Pieces of such names put together at random: an answer, whatever comes. */
static void test_random_names(void **state)
{
    static const char *const pieces[] = { "nbd:",   "nbd://", "nbd+unix://", ":",  "/",  "[",
                                          "]",      "?",      "socket=",     "%",  "%4", "%00",
                                          "unix:",  "#",      ":exportname=", "h", "1",  "\xc3\xa9",
                                          "json:{", "}",      "'a'",         "{",  "\\", "\xff" };
    uint64_t x = 88172645463325252ull;
    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct strbuf name = { 0 };
        for (int n = 0; n < 8; n++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            strbuf_puts(&name, pieces[x % ARRAY_LEN(pieces)]);
        }
        json_t *flat = json_object(), *json;
        char *whole = mem_printf("json:%s", strbuf_str(&name)), *combined;
        nbd_parse_name(strbuf_str(&name), flat, NULL);
        json = options_of_json_name(whole, NULL);
        combined = name_combine(strbuf_str(&name), "x");
        json_decref(json);
        json_decref(flat);
        free(combined);
        free(whole);
        strbuf_free(&name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names), cmocka_unit_test(test_flat),
        cmocka_unit_test(test_depth), cmocka_unit_test(test_nbd),
        cmocka_unit_test(test_random_names),
    };
    return cmocka_run_group_tests_name("model/open", tests, NULL, NULL);
}
