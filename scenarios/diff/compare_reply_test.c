/* SPDX-License-Identifier: MIT */
/* Texts and replies of which only a part is comparable. */
#include "scenarios/diff/compare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scenarios/diff/compare_test.h"

/* ---- what varies ---- */

static void same_records(void **state)
{
    struct twins *t = *state;
    both(t, "blockdev-add driver=null-co node-name=n");
    both(t, "io n write 0 512");
    assert_same(t);
    assert_int_equal(t->r.diff_len, 2);
    assert_string_equal(row(t, 1)->command, "io write");
    assert_string_equal(row(t, 1)->driver, "null-co");
    assert_int_equal(row(t, 1)->statement, 2);
    assert_int_equal(row(t, 1)->line, 20);
    assert_string_equal(row(t, 1)->detail, "");
}

static void rates_differ(void **state)
{
    struct twins *t = *state;
    both(t, "io n write 0 512");
    set_text(&last(t, THEIRS)->output, "wrote 512/512 bytes at offset 0\r\n512 bytes, 1 ops; "
                                       "00.03 sec (17 KiB/sec and 33.0000 ops/sec)\r\n");
    both(t, "io n read -C 0 512");
    set_text(&last(t, OURS)->output, "512,1,0:00:00.00,inf,inf\n");
    set_text(&last(t, THEIRS)->output, "512,1,0:00:00.01,77417403.795,18900.733\n");
    assert_same(t);
}

static void bytes_in_rates_differ(void **state)
{
    struct twins *t = *state;
    both(t, "io n write 0 512");
    set_text(&last(t, THEIRS)->output, "wrote 512/512 bytes at offset 0\n"
                                       "1 KiB, 2 ops; 00.0 sec ()");
    assert_differs(t, 0, "output.2\n  model: 512 bytes, 1 ops\n  qemu:  1 KiB, 2 ops\n");
}

static void hint_behind_a_lock(void **state)
{
    struct twins *t = *state;
    both(t, "io n write 0 512");
    set_text(&last(t, OURS)->output, "Failed to get \"write\" lock\n");
    set_text(&last(t, THEIRS)->output, "Failed to get \"write\" lock\r\n"
                                       "Is another process using the image [d0]?\r\n");
    assert_same(t);
}

static void automatic_names(void **state)
{
    struct twins *t = *state;
    replies(t, "blockdev-add driver=raw",
            "{'error': {'class': 'GenericError', 'desc': 'Node #block041 is used by #block155'}}",
            "{'error': {'class': 'GenericError', 'desc': 'Node #block123 is used by #block299'}}");
    replies(t, "query-block", "{'return': [{'inserted': {'node-name': '#block155'}}]}",
            "{'return': [{'inserted': {'node-name': '#block299'}}]}");
    assert_same(t);
}

static void automatic_names_exchanged(void **state)
{
    struct twins *t = *state;
    replies(t, "query-block", "{'return': ['#block041', '#block155']}",
            "{'return': ['#block123', '#block299']}");
    replies(t, "query-block", "{'return': ['#block041', '#block155']}",
            "{'return': ['#block299', '#block123']}");
    assert_differs(t, 1, "return.0\n  model: \"#block:1\"\n  qemu:  \"#block:2\"\n");
}

/* Nodes are known by what they are: one that only QEMU has shifts none of the others. */
static void a_node_too_many(void **state)
{
    struct twins *t = *state;
    both(t, "blockdev-add driver=raw node-name=r file.driver=file");
    set(&last(t, OURS)->nodes, "[{'node-name': 'r', 'drv': 'raw', 'file': 'a'},"
                               " {'node-name': '#block041', 'drv': 'file', 'file': 'a'}]");
    set(&last(t, THEIRS)->nodes, "[{'node-name': '#block100', 'drv': 'throttle', 'file': 'x'},"
                                 " {'node-name': 'r', 'drv': 'raw', 'file': 'a'},"
                                 " {'node-name': '#block201', 'drv': 'file', 'file': 'a'}]");
    set(&last(t, OURS)->graph, "{'nodes': [], 'edges': []}");
    set(&last(t, THEIRS)->graph, "{'nodes': [], 'edges': []}");
    assert_differs(t, 0, "nodes.#block:2\n  model: (not there)\n");
    assert_null(strstr(row(t, 0)->detail, "#block:1\n"));
    assert_null(strstr(row(t, 0)->detail, "order"));
}

/* Two of the same file are told apart by what they may. */
static void automatic_names_by_mode(void **state)
{
    struct twins *t = *state;
    both(t, "query-block");
    set(&last(t, OURS)->nodes, "[{'node-name': '#block041', 'drv': 'file', 'file': 'a',"
                               "  'ro': true},"
                               " {'node-name': '#block155', 'drv': 'file', 'file': 'a'}]");
    set(&last(t, THEIRS)->nodes, "[{'node-name': '#block200', 'drv': 'file', 'file': 'a'},"
                                 " {'node-name': '#block201', 'drv': 'file', 'file': 'a',"
                                 "  'ro': true}]");
    compare(t);
    assert_non_null(strstr(row(t, 0)->detail, "order of nodes\n"));
    assert_null(strstr(row(t, 0)->detail, "ro\n"));
}

static void order_of_nodes(void **state)
{
    struct twins *t = *state;
    both(t, "blockdev-add driver=raw node-name=r file.driver=file");
    set(&last(t, OURS)->nodes, "[{'node-name': 'a'}, {'node-name': 'b'}]");
    set(&last(t, THEIRS)->nodes, "[{'node-name': 'b'}, {'node-name': 'a'}]");
    assert_differs(t, 0, "order of nodes\n  model: a b\n  qemu:  b a\n");
}

/* The real machine has a device more, so all others have another number. */
static void devices_without_an_id(void **state)
{
    struct twins *t = *state;
    replies(t, "query-block",
            "{'return': [{'qdev': '/machine/peripheral-anon/device[0]/virtio-backend'}]}",
            "{'return': [{'qdev': '/machine/peripheral-anon/device[1]/virtio-backend'}]}");
    assert_same(t);
}

static void directories(void **state)
{
    struct twins *t = *state;
    t->at[THEIRS].files = mem_strdup("/tmp/blksim.7");
    replies(t, "blockdev-add driver=file filename=a",
            "{'error': {'class': 'GenericError', 'desc': 'Could not open <a>: No'}}",
            "{'error': {'class': 'GenericError', 'desc': 'Could not open </tmp/blksim.7/a>: No'}}");
    replies(t, "query-block", "{'return': ['vl.000001']}", "{'return': ['/var/tmp/vl.R4nDom']}");
    assert_same(t);
}

static void names_with_members(void **state)
{
    struct twins *t = *state;
    replies(t, "query-block",
            "{'return': [\"json:{\\\"driver\\\": \\\"null-co\\\", \\\"read-zeroes\\\": true,"
            "\\\"size\\\": 1048576}\"]}",
            "{'return': [\"json:{\\\"size\\\": \\\"1M\\\", \\\"driver\\\": \\\"null-co\\\", "
            "\\\"read-zeroes\\\": \\\"on\\\"}\"]}");
    replies(t, "blockdev-add driver=raw",
            "{'error': {'desc': \"Image json:{\\\"a\\\": {\\\"b\\\": 1}, \\\"c\\\": 2} is bad\"}}",
            "{'error': {'desc': \"Image json:{\\\"c\\\": 2, \\\"a\\\": {\\\"b\\\": 1}} is bad\"}}");
    assert_same(t);
}

static void names_with_other_members(void **state)
{
    struct twins *t = *state;
    replies(t, "query-block", "{'return': [\"json:{\\\"driver\\\": \\\"x\\\", \\\"size\\\": 1}\"]}",
            "{'return': [\"json:{\\\"size\\\": 2, \\\"driver\\\": \\\"x\\\"}\"]}");
    assert_differs(t, 0, "return.0.size\n  model: \"1\"\n  qemu:  \"2\"\n");
}

static void sizes_of_allocation(void **state)
{
    struct twins *t = *state;
    replies(t, "query-named-block-nodes", "{'return': [{'image': {'actual-size': 512}}]}",
            "{'return': [{'image': {'actual-size': 4096}}]}");
    assert_same(t);
}

/* Its value is not compared, but that there is one. */
static void size_of_allocation_that_is_not_there(void **state)
{
    struct twins *t = *state;
    replies(t, "query-named-block-nodes", "{'return': [{'image': {}}]}",
            "{'return': [{'image': {'actual-size': 4096}}]}");
    assert_differs(t, 0, "return.0.image.actual-size\n  model: (not there)\n  qemu:  \"*\"\n");
}

/* ---- replies of single commands ---- */

static void replies_on_the_part_that_both_have(void **state)
{
    struct twins *t = *state;
    replies(t, "query-version",
            "{'return': {'package': 'a', 'qemu': {'major': 7, 'minor': 2, 'micro': 22}}}",
            "{'return': {'package': 'b', 'qemu': {'major': 7, 'minor': 2, 'micro': 9}}}");
    replies(t, "query-commands", "{'return': [{'name': 'stop'}, {'name': 'cont'}]}",
            "{'return': [{'name': 'cont'}, {'name': 'stop'}, {'name': 'migrate'}]}");
    replies(t, "qom-list path=/objects", "{'return': [{'name': 's', 'type': 'child<secret>'}]}",
            "{'return': [{'name': 'pc.ram', 'type': 'x'},"
            "            {'name': 's', 'type': 'child<secret>'}]}");
    replies(t, "query-yank", "{'return': []}", "{'return': [{'type': 'chardev', 'id': 'm'}]}");
    replies(t, "query-iothreads", "{'return': [{'id': 'a', 'thread-id': 1}, {'id': 'b'}]}",
            "{'return': [{'id': 'b'}, {'id': 'a', 'thread-id': 4711}]}");
    replies(t, "query-blockstats",
            "{'return': [{'stats': {'rd_operations': 1, 'rd_total_time_ns': 0,"
            " 'idle_time_ns': 5, 'x_flush_latency_histogram': {'bins': [1, 2]}}}]}",
            "{'return': [{'stats': {'rd_operations': 1, 'rd_total_time_ns': 77,"
            " 'idle_time_ns': 8, 'x_flush_latency_histogram': {'bins': [3, 0]}}}]}");
    assert_same(t);
}

static void statistics_that_lack_a_time(void **state)
{
    struct twins *t = *state;
    replies(t, "query-blockstats", "{'return': [{'stats': {'rd_operations': 1}}]}",
            "{'return': [{'stats': {'rd_operations': 1, 'idle_time_ns': 3}}]}");
    assert_differs(t, 0, "return.0.stats.idle_time_ns\n  model: (not there)\n  qemu:  \"*\"\n");
}

static void replies_that_lack_something(void **state)
{
    struct twins *t = *state;
    replies(t, "query-commands", "{'return': [{'name': 'stop'}, {'name': 'invented'}]}",
            "{'return': [{'name': 'stop'}]}");
    assert_differs(t, 0, "return.invented\n  model: {\"name\":\"invented\"}\n"
                         "  qemu:  (not there)\n");
}

static void counters_that_differ(void **state)
{
    struct twins *t = *state;
    replies(t, "query-blockstats", "{'return': [{'stats': {'rd_operations': 1}}]}",
            "{'return': [{'stats': {'rd_operations': 2}}]}");
    assert_differs(t, 0, "return.0.stats.rd_operations\n");
}

static void descriptors(void **state)
{
    struct twins *t = *state;
    replies(t, "add-fd fdset-id=3", "{'return': {'fdset-id': 3, 'fd': 11}}",
            "{'return': {'fdset-id': 3, 'fd': 17}}");
    replies(t, "add-fd fdset-id=3", "{'return': {'fdset-id': 3, 'fd': 12}}",
            "{'return': {'fdset-id': 3, 'fd': 19}}");
    replies(t, "query-fdsets", "{'return': [{'fdset-id': 3, 'fds': [{'fd': 11}, {'fd': 12}]}]}",
            "{'return': [{'fdset-id': 3, 'fds': [{'fd': 17}, {'fd': 19}]}]}");
    /* Ours gives a number again that theirs does not. */
    replies(t, "add-fd fdset-id=3", "{'return': {'fdset-id': 3, 'fd': 11}}",
            "{'return': {'fdset-id': 3, 'fd': 18}}");
    replies(t, "query-fdsets", "{'return': [{'fdset-id': 3, 'fds': [{'fd': 12}, {'fd': 11}]}]}",
            "{'return': [{'fdset-id': 3, 'fds': [{'fd': 18}, {'fd': 19}]}]}");
    assert_differs(t, 4, "return.0.fds.0.fd\n  model: 2\n  qemu:  3\n");
}

#define SCHEMA_OURS                                                                                \
    "{'return': [{'name': 'stop', 'meta-type': 'command', 'arg-type': 'E', 'ret-type': 'E'},"      \
    " {'name': 'add', 'meta-type': 'command', 'arg-type': 'O', 'ret-type': 'E'},"                  \
    " {'name': 'E', 'meta-type': 'object', 'members': []},"                                        \
    " {'name': 'O', 'meta-type': 'object', 'tag': 'driver', 'members':"                            \
    "   [{'name': 'driver', 'type': 'D'}, {'name': 'ro', 'default': null, 'type': 'bool'}],"       \
    "  'variants': [{'case': 'raw', 'type': 'R'}]},"                                               \
    " {'name': 'R', 'meta-type': 'object', 'members': [{'name': 'file', 'type': 'str'}]},"         \
    " {'name': 'D', 'meta-type': 'enum', 'values': ['raw']},"                                      \
    " {'name': 'str', 'meta-type': 'builtin', 'json-type': 'string'},"                             \
    " {'name': 'bool', 'meta-type': 'builtin', 'json-type': 'boolean'}]}"

/* As ours, with numbers for names, and more of everything. */
#define SCHEMA_THEIRS(FILE_TYPE, WANTED)                                                           \
    "{'return': [{'name': 'add', 'meta-type': 'command', 'arg-type': '2', 'ret-type': '1'},"       \
    " {'name': 'quit', 'meta-type': 'command', 'arg-type': '1', 'ret-type': '1'},"                 \
    " {'name': 'stop', 'meta-type': 'command', 'arg-type': '1', 'ret-type': '1'},"                 \
    " {'name': '1', 'meta-type': 'object', 'members': []},"                                        \
    " {'name': '2', 'meta-type': 'object', 'tag': 'driver', 'members':"                            \
    "   [{'name': 'driver', 'type': '4'}, {'name': 'ro', 'default': null, 'type': 'bool'},"        \
    "    {'name': 'x', 'default': null, 'type': 'bool'}],"                                         \
    "  'variants': [{'case': 'raw', 'type': '3'}, {'case': 'luks', 'type': '3'}]},"                \
    " {'name': '3', 'meta-type': 'object', 'members':"                                             \
    "   [{'name': 'file', 'type': '" FILE_TYPE "'}" WANTED "]},"                                   \
    " {'name': '4', 'meta-type': 'enum', 'values': ['luks', 'raw']},"                              \
    " {'name': 'str', 'meta-type': 'builtin', 'json-type': 'string'},"                             \
    " {'name': 'bool', 'meta-type': 'builtin', 'json-type': 'boolean'}]}"

static void schema_with_more(void **state)
{
    struct twins *t = *state;
    replies(t, "query-qmp-schema", SCHEMA_OURS, SCHEMA_THEIRS("str", ""));
    assert_same(t);
}

static void schema_with_another_type(void **state)
{
    struct twins *t = *state;
    replies(t, "query-qmp-schema", SCHEMA_OURS, SCHEMA_THEIRS("bool", ""));
    assert_differs(t, 0, "schema.add(raw).file\n  model: string\n  qemu:  boolean\n");
}

static void schema_that_wants_more(void **state)
{
    struct twins *t = *state;
    replies(t, "query-qmp-schema", SCHEMA_OURS,
            SCHEMA_THEIRS("str", ", {'name': 'must', 'type': 'str'}"));
    assert_differs(t, 0, "schema.add(raw).must\n  model: (not there)\n  qemu:  wanted\n");
}

/* ---- for others ---- */

static void normal_forms(void **state)
{
    char *text = compare_normal_text("Node '#block123' uses '#block456', #block123 and block7 "
                                     "vl.x /var/tmp/vl.a1B2c3");
    assert_string_equal(text, "Node '#block:1' uses '#block:2', #block:1 and block7 vl.x vl.*");
    free(text);
    json_t *value = json("{'b': '#block200', 'a': '#block100', 'actual-size': 1}");
    json_t *normal = compare_normal_json(value);
    text = json_dumps(normal, JSON_COMPACT);
    assert_string_equal(text, "{\"a\":\"#block:1\",\"actual-size\":\"*\",\"b\":\"#block:2\"}");
    free(text);
    json_decref(value);
    json_decref(normal);
    (void)state;
}

/* Beyond QEMU's longest name the order decides what is left: of such names nothing is compared. */
static void names_that_are_too_long(void **state)
{
    struct twins *t = *state;
    struct strbuf ours = { 0 }, theirs = { 0 };
    both(t, "query-block");
    strbuf_puts(&ours, "json:{\"a\": \"");
    while (ours.len < 5000) {
        strbuf_putc(&ours, 'x');
    }
    strbuf_add(&theirs, ours.text, 4095);
    strbuf_puts(&ours, "\"}");
    for (int w = OURS; w < COMPARE_SIDES; w++) {
        const char *text = w == OURS ? ours.text : theirs.text;
        json_decref(last(t, w)->reply);
        last(t, w)->reply = json_pack("{s:{s:s}}", "return", "file", text);
    }
    assert_same(t);
    strbuf_free(&ours);
    strbuf_free(&theirs);
}

/* Names that are cut in the middle, texts that only look like what is normalised. */
static void odd_texts(void **state)
{
    static const char *const same[] = { "json:{", "json:{\"a\": ", "json:{}}", "#block", "#blockx",
                                        "vl.12", "vl.1234567", "/var/tmp/", "", "\r", "512,",
                                        "1,2,3", "json:{\"a\":1" };
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        char *text = compare_normal_text(same[i]);
        assert_string_equal(text, same[i]);
        free(text);
    }
    struct strbuf cut = { 0 };
    strbuf_puts(&cut, "json:{\"a\": \"");
    for (int i = 0; i < 1100; i++) {
        strbuf_putc(&cut, 'x');
    }
    char *text = compare_normal_text(cut.text);
    assert_string_equal(text, "json:*");
    free(text);
    strbuf_free(&cut);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(same_records), STORY(rates_differ), STORY(bytes_in_rates_differ),
        STORY(hint_behind_a_lock), STORY(automatic_names), STORY(automatic_names_exchanged),
        STORY(a_node_too_many), STORY(order_of_nodes), STORY(directories),
        STORY(names_with_members), STORY(names_with_other_members), STORY(sizes_of_allocation),
        STORY(size_of_allocation_that_is_not_there), STORY(automatic_names_by_mode),
        STORY(statistics_that_lack_a_time),
        STORY(replies_on_the_part_that_both_have), STORY(replies_that_lack_something),
        STORY(counters_that_differ), STORY(descriptors), STORY(schema_with_more),
        STORY(schema_with_another_type), STORY(schema_that_wants_more), STORY(normal_forms),
        STORY(odd_texts),
        STORY(devices_without_an_id),
        STORY(names_that_are_too_long),
    };
    return cmocka_run_group_tests_name("scenarios/diff/compare_reply", tests, NULL, NULL);
}
