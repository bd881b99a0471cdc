/* SPDX-License-Identifier: MIT */
/* Two records side by side: what is the same, what differs, and how it is told. */
#include "scenarios/diff/compare.h"

#include "base/mem.h"
#include "scenarios/diff/compare_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- two records ---- */

struct twins {
    struct record at[COMPARE_SIDES];
    struct result r;
    const char *nodes, *graph, *block; /* State that every new statement gets. */
};

#define NODES                                                                                      \
    "[{'node-name': 'r', 'drv': 'raw', 'file': 'a', 'image': {'virtual-size': 512}},"             \
    " {'node-name': 'n', 'drv': 'null-co', 'file': 'b', 'image': {'virtual-size': 512}}]"
#define GRAPH                                                                                      \
    "{'nodes': [{'id': 1, 'name': 'r', 'type': 'block-driver'},"                                   \
    "           {'id': 2, 'name': 'n', 'type': 'block-driver'},"                                   \
    "           {'id': 3, 'name': 'vb', 'type': 'block-backend'}],"                                \
    " 'edges': [{'parent': 1, 'child': 2, 'name': 'file', 'perm': ['write'], 'shared-perm': []},"  \
    "           {'parent': 3, 'child': 1, 'name': 'root', 'perm': [], 'shared-perm': []}]}"
#define BLOCK "[{'device': 'vb', 'qdev': 'x', 'inserted': {'drv': 'raw', 'node-name': 'r'}}]"

static json_t *json(const char *text)
{
    char *copy = mem_strdup(text);
    for (char *c = copy; *c; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    json_t *v = json_loads(copy, JSON_DECODE_ANY, NULL);
    if (!v) {
        fail_msg("bad JSON in the test: %s", copy);
    }
    free(copy);
    return v;
}

static int set_up(void **state)
{
    struct twins *t = NEW(struct twins);
    record_init(&t->at[OURS], "sim");
    record_init(&t->at[THEIRS], "qemu");
    result_init(&t->r);
    t->nodes = NODES;
    t->graph = GRAPH;
    t->block = BLOCK;
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct twins *t = *state;
    record_fini(&t->at[OURS]);
    record_fini(&t->at[THEIRS]);
    result_fini(&t->r);
    free(t);
    return 0;
}

static struct record_stmt *last(struct twins *t, enum compare_who who)
{
    return &t->at[who].at[t->at[who].len - 1];
}

static void set(json_t **member, const char *text)
{
    json_decref(*member);
    *member = text ? json(text) : NULL;
}

static void set_text(char **member, const char *text)
{
    free(*member);
    *member = text ? mem_strdup(text) : NULL;
}

/* A statement that both have done in the same way. */
static void both(struct twins *t, const char *text)
{
    for (int w = OURS; w < COMPARE_SIDES; w++) {
        uint32_t id = (uint32_t)t->at[w].len + 1;
        char *command = mem_strndup(text, strcspn(text, " "));
        struct record_stmt *s = record_add(&t->at[w], id, 10 * (int)id, command, text);
        s->counted = true;
        set(&s->nodes, t->nodes);
        set(&s->graph, t->graph);
        set(&s->block, t->block);
        if (strcmp(command, "io") == 0) {
            set_text(&s->output, "wrote 512/512 bytes at offset 0\n512 bytes, 1 ops; "
                                 "00.00 sec (1 MiB/sec and 2000.0000 ops/sec)\n");
        } else {
            set(&s->reply, "{'return': {}}");
        }
        free(command);
    }
}

/* A statement with these two replies. */
static void replies(struct twins *t, const char *text, const char *ours, const char *theirs)
{
    both(t, text);
    set(&last(t, OURS)->reply, ours);
    set(&last(t, THEIRS)->reply, theirs);
}

static void event(struct twins *t, enum compare_who who, const char *name, const char *data)
{
    json_t *event = json_pack("{s:s, s:o, s:{s:i, s:i}}", "event", name, "data", json(data),
                              "timestamp", "seconds", 1 + (int)t->at[who].len, "microseconds", who);
    json_array_append_new(last(t, who)->events, event);
}

static const struct result_diff *row(struct twins *t, size_t i)
{
    assert_true(i < t->r.diff_len);
    return &t->r.diff[i];
}

static void compare(struct twins *t)
{
    compare_records(&t->at[OURS], &t->at[THEIRS], &t->r);
}

static void assert_same(struct twins *t)
{
    compare(t);
    assert_string_equal(t->r.message, "");
    assert_int_equal(t->r.verdict, VERDICT_PASS);
}

/* The only statement that differs is this one (from 0), and it is told so. */
static void assert_differs(struct twins *t, size_t at, const char *detail)
{
    compare(t);
    assert_int_equal(t->r.verdict, VERDICT_FAIL);
    for (size_t i = 0; i < t->r.diff_len; i++) {
        assert_int_equal(row(t, i)->verdict, i == at ? DIFF_DIFFERS : DIFF_SAME);
    }
    assert_non_null(strstr(row(t, at)->detail, detail));
}

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
    set_text(&last(t, THEIRS)->output, "wrote 512/512 bytes at offset 0\n1 KiB, 2 ops; 00.0 sec ()");
    assert_differs(t, 0, "output.2\n  model: 512 bytes, 1 ops\n  qemu:  1 KiB, 2 ops\n");
}

static void hint_behind_a_lock(void **state)
{
    struct twins *t = *state;
    both(t, "io n write 0 512");
    set_text(&last(t, OURS)->output, "Failed to get \"write\" lock\n");
    set_text(&last(t, THEIRS)->output, "Failed to get \"write\" lock\r\nIs another process using the "
                                       "image [d0]?\r\n");
    assert_same(t);
}

static void automatic_names(void **state)
{
    struct twins *t = *state;
    replies(t, "blockdev-add driver=raw",
            "{'error': {'class': 'GenericError', 'desc': 'Node #block041 is in use by #block155'}}",
            "{'error': {'class': 'GenericError', 'desc': 'Node #block123 is in use by #block299'}}");
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

static void order_of_nodes(void **state)
{
    struct twins *t = *state;
    both(t, "blockdev-add driver=raw node-name=r file.driver=file");
    set(&last(t, OURS)->nodes, "[{'node-name': 'a'}, {'node-name': 'b'}]");
    set(&last(t, THEIRS)->nodes, "[{'node-name': 'b'}, {'node-name': 'a'}]");
    assert_differs(t, 0, "order of nodes\n  model: a b\n  qemu:  b a\n");
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

/* ---- outcomes ---- */

static void the_form_of_a_difference(void **state)
{
    struct twins *t = *state;
    replies(t, "query-block", "{'return': [{'image': {'backing': {'filename': 'a'}, 'x': 1}}]}",
            "{'return': [{'image': {'backing': {'filename': 'b'}, 'x': 1}}]}");
    compare(t);
    assert_string_equal(row(t, 0)->detail,
                        "return.0.image.backing.filename\n"
                        "  model: \"a\"\n"
                        "  qemu:  \"b\"\n"
                        "in full\n"
                        "  model: {\"return\": [{\"image\": {\"backing\": {\"filename\": \"a\"}, "
                        "\"x\": 1}}]}\n"
                        "  qemu:  {\"return\": [{\"image\": {\"backing\": {\"filename\": \"b\"}, "
                        "\"x\": 1}}]}\n");
    assert_string_equal(t->r.oracle, "qemu");
    assert_string_equal(t->r.signature, "qemu:query-block:return.N.image.backing.filename: '*' / '*'");
    assert_int_equal(t->r.line, 10);
    assert_non_null(strstr(t->r.message, "query-block\nreturn.0.image"));
}

static void class_and_text_of_errors(void **state)
{
    struct twins *t = *state;
    replies(t, "blockdev-del node-name=x", "{'error': {'class': 'GenericError', 'desc': 'no x'}}",
            "{'error': {'class': 'DeviceNotFound', 'desc': 'no x'}}");
    replies(t, "blockdev-del node-name=x", "{'error': {'class': 'GenericError', 'desc': 'no x'}}",
            "{'error': {'class': 'GenericError', 'desc': 'no y'}}");
    replies(t, "blockdev-del node-name=x", "{'return': {}}",
            "{'error': {'class': 'GenericError', 'desc': 'no y'}}");
    compare(t);
    assert_non_null(strstr(row(t, 0)->detail, "error.class\n  model: \"GenericError\"\n"));
    assert_non_null(strstr(row(t, 1)->detail, "error.desc\n  model: \"no x\"\n  qemu:  \"no y\"\n"));
    assert_non_null(strstr(row(t, 2)->detail, "reply\n  model: {\"return\": {}}\n  qemu:  {\"error\""));
}

static void io_that_fails_on_one_side(void **state)
{
    struct twins *t = *state;
    both(t, "io n write 0 512");
    last(t, THEIRS)->failed = true;
    assert_differs(t, 0, "failed\n  model: false\n  qemu:  true\n");
}

static void expectation_of_one_side(void **state)
{
    struct twins *t = *state;
    both(t, "io n write 0 512");
    set_text(&last(t, THEIRS)->complaint, "data n 0+512 is 1: differs at offset 7");
    assert_differs(t, 0, "expectation\n  model: it holds\n  qemu:  data n 0+512 is 1: differs");
}

/* Aio: the model tells it when time moves, QEMU at once. */
static void requests_that_nobody_waits_for(void **state)
{
    struct twins *t = *state;
    both(t, "io n aio_write 0 512");
    set_text(&last(t, OURS)->output, "");
    set_text(&last(t, THEIRS)->output, "wrote 512/512 bytes at offset 0\n512 bytes, 1 ops; 1 sec");
    both(t, "io n read 0 512");
    both(t, "io n aio_flush");
    set_text(&last(t, OURS)->output, "wrote 512/512 bytes at offset 0\n512 bytes, 1 ops; 2 sec");
    set_text(&last(t, THEIRS)->output, "");
    assert_same(t);
}

static void request_that_nobody_waits_for_fails(void **state)
{
    struct twins *t = *state;
    both(t, "io n aio_write 0 512");
    set_text(&last(t, OURS)->output, "");
    set_text(&last(t, THEIRS)->output, "aio_write failed: Input/output error");
    both(t, "io n aio_flush");
    set_text(&last(t, OURS)->output, "wrote 512/512 bytes at offset 0");
    set_text(&last(t, THEIRS)->output, "");
    assert_differs(t, 1, "output of aio\n  model: wrote 512/512 bytes at offset 0\n"
                         "  qemu:  aio_write failed: Input/output error\n");
}

/* ---- state ---- */

#define NODES_RO                                                                                   \
    "[{'node-name': 'r', 'drv': 'raw', 'file': 'a', 'ro': true, 'image': {'virtual-size': 512}},"  \
    " {'node-name': 'n', 'drv': 'null-co', 'file': 'b', 'image': {'virtual-size': 512}}]"

static void state_is_told_once(void **state)
{
    struct twins *t = *state;
    both(t, "blockdev-reopen options.0.node-name=r");
    set(&last(t, THEIRS)->nodes, NODES_RO);
    both(t, "io r write 0 512");
    set(&last(t, THEIRS)->nodes, NODES_RO);
    assert_differs(t, 0, "nodes.r.ro\n  model: (not there)\n  qemu:  true\n");
    assert_string_equal(row(t, 0)->driver, "raw");
}

static void state_is_told_again_when_it_comes_again(void **state)
{
    struct twins *t = *state;
    both(t, "io r write 0 512");
    set(&last(t, THEIRS)->nodes, NODES_RO);
    both(t, "io r write 0 512");
    both(t, "io r write 0 512");
    set(&last(t, THEIRS)->nodes, NODES_RO);
    compare(t);
    assert_int_equal(row(t, 0)->verdict, DIFF_DIFFERS);
    assert_int_equal(row(t, 1)->verdict, DIFF_SAME);
    assert_int_equal(row(t, 2)->verdict, DIFF_DIFFERS);
}

static void graph_by_names(void **state)
{
    struct twins *t = *state;
    both(t, "io r write 0 512");
    set(&last(t, THEIRS)->graph,
        "{'nodes': [{'id': 7, 'name': 'vb', 'type': 'block-backend'},"
        "           {'id': 5, 'name': 'n', 'type': 'block-driver'},"
        "           {'id': 9, 'name': 'r', 'type': 'block-driver'}],"
        " 'edges': [{'parent': 7, 'child': 9, 'name': 'root', 'perm': [], 'shared-perm': []},"
        "           {'parent': 9, 'child': 5, 'name': 'file', 'perm': ['write'],"
        "            'shared-perm': []}]}");
    assert_same(t);
}

static void edge_with_other_permissions(void **state)
{
    struct twins *t = *state;
    both(t, "io r write 0 512");
    set(&last(t, THEIRS)->graph,
        "{'nodes': [{'id': 1, 'name': 'r', 'type': 'block-driver'},"
        "           {'id': 2, 'name': 'n', 'type': 'block-driver'},"
        "           {'id': 3, 'name': 'vb', 'type': 'block-backend'}],"
        " 'edges': [{'parent': 1, 'child': 2, 'name': 'file', 'perm': ['write', 'resize'],"
        "            'shared-perm': []},"
        "           {'parent': 3, 'child': 1, 'name': 'root', 'perm': [], 'shared-perm': []}]}");
    assert_differs(t, 0, "graph.edges.\"r -file-> n\".perm\n  model: \"write\"\n"
                         "  qemu:  \"resize,write\"\n");
}

/* A statement that only the model does may part the ways; what follows starts from there. */
static void after_a_statement_of_one_side(void **state)
{
    struct twins *t = *state;
    both(t, "blockdev-reopen options.0.node-name=r");
    last(t, THEIRS)->end = RECORD_SKIPPED;
    set_text(&last(t, THEIRS)->why, "unavailable");
    both(t, "io r write 0 512");
    set(&last(t, THEIRS)->nodes, NODES_RO);
    compare(t);
    assert_int_equal(t->r.verdict, VERDICT_PASS);
    assert_int_equal(row(t, 0)->verdict, DIFF_SKIPPED);
    assert_string_equal(row(t, 0)->detail, "unavailable");
    assert_int_equal(row(t, 1)->verdict, DIFF_SAME);
    assert_false(compare_same_history(&t->at[OURS], &t->at[THEIRS]));
}

static void after_a_look_of_one_side(void **state)
{
    struct twins *t = *state;
    both(t, "io r read 0 512");
    last(t, THEIRS)->end = RECORD_SKIPPED;
    set_text(&last(t, THEIRS)->why, "introspection");
    both(t, "io r write 0 512");
    set(&last(t, THEIRS)->nodes, NODES_RO);
    compare(t);
    assert_int_equal(row(t, 1)->verdict, DIFF_DIFFERS);
    assert_true(compare_same_history(&t->at[OURS], &t->at[THEIRS]));
}

static void a_device_goes_a_moment_later(void **state)
{
    struct twins *t = *state;
    both(t, "device_del id=vb");
    set(&last(t, OURS)->block, "[]");
    both(t, "query-status");
    set(&last(t, OURS)->block, "[]");
    set(&last(t, THEIRS)->block, "[]");
    assert_same(t);
}

static void a_device_does_not_go(void **state)
{
    struct twins *t = *state;
    both(t, "device_del id=vb");
    set(&last(t, OURS)->block, "[]");
    both(t, "query-status");
    set(&last(t, OURS)->block, "[]");
    assert_differs(t, 1, "block.vb\n  model: (not there)\n");
}

/* ---- ends ---- */

static void quirk_that_holds(void **state)
{
    struct twins *t = *state;
    replies(t, "blockdev-del node-name=x", "{'return': {}}", "{'error': {'desc': 'strange'}}");
    last(t, THEIRS)->quirk = QUIRK_HOLDS;
    set(&last(t, THEIRS)->nodes, NODES_RO);
    both(t, "io r write 0 512");
    set(&last(t, THEIRS)->nodes, NODES_RO);
    compare(t);
    assert_int_equal(t->r.verdict, VERDICT_QUIRK);
    assert_int_equal(row(t, 0)->verdict, DIFF_QUIRK);
    assert_non_null(strstr(row(t, 0)->detail, "qemu: {\"error\": {\"desc\": \"strange\"}}"));
    assert_int_equal(row(t, 1)->verdict, DIFF_SAME);
}

static void quirk_that_is_gone(void **state)
{
    struct twins *t = *state;
    both(t, "blockdev-del node-name=x");
    last(t, THEIRS)->quirk = QUIRK_GONE;
    set_text(&last(t, THEIRS)->complaint, "it succeeded, an error was expected");
    assert_differs(t, 0, "the quirk is gone\nit succeeded, an error was expected\nmodel: ");
}

static void the_reference_dies(void **state)
{
    struct twins *t = *state;
    both(t, "io r write 0 512");
    both(t, "blockdev-reopen options:=[]");
    last(t, THEIRS)->end = RECORD_DIED;
    set_text(&last(t, THEIRS)->why, "SIGABRT\nbdrv_x: Assertion `bs' failed.");
    both(t, "io r write 0 512");
    last(t, THEIRS)->end = RECORD_SKIPPED;
    set_text(&last(t, THEIRS)->why, "after-death");
    compare(t);
    assert_int_equal(t->r.verdict, VERDICT_FAIL);
    assert_int_equal(row(t, 1)->verdict, DIFF_ABORTS);
    assert_non_null(strstr(row(t, 1)->detail, "Assertion `bs' failed."));
    assert_int_equal(row(t, 2)->verdict, DIFF_SKIPPED);
    assert_string_equal(row(t, 2)->detail, "after-death");
    assert_non_null(strstr(t->r.signature, "Assertion"));
}

static void the_reference_does_not_answer(void **state)
{
    struct twins *t = *state;
    both(t, "io r write 0 512");
    last(t, THEIRS)->end = RECORD_TIMEOUT;
    set_text(&last(t, THEIRS)->output, NULL);
    assert_differs(t, 0, "no answer in 10 s\n");
}

static void nothing_to_compare(void **state)
{
    struct twins *t = *state;
    both(t, "io r write 0 512");
    last(t, THEIRS)->end = RECORD_SKIPPED;
    set_text(&last(t, THEIRS)->why, "disk-fault");
    compare(t);
    assert_int_equal(t->r.verdict, VERDICT_SKIP);
    assert_string_equal(t->r.message, "nothing to compare: disk-fault");
}

/* World verbs have no row, unless the reference dies of them. */
static void verbs_are_not_counted(void **state)
{
    struct twins *t = *state;
    both(t, "args -drive if=none,id=d");
    last(t, OURS)->counted = last(t, THEIRS)->counted = false;
    set_text(&last(t, OURS)->output, "a warning");
    both(t, "io r write 0 512");
    both(t, "args -device nothing");
    last(t, OURS)->counted = last(t, THEIRS)->counted = false;
    last(t, THEIRS)->end = RECORD_DIED;
    compare(t);
    assert_int_equal(t->r.diff_len, 2);
    assert_string_equal(row(t, 0)->command, "io write");
    assert_string_equal(row(t, 1)->command, "args");
    assert_int_equal(row(t, 1)->verdict, DIFF_ABORTS);
}

/* ---- events ---- */

static void events_come_later(void **state)
{
    struct twins *t = *state;
    both(t, "device_del id=vb");
    event(t, OURS, "DEVICE_DELETED", "{'device': 'vb', 'path': '/machine/peripheral/vb'}");
    both(t, "query-status");
    event(t, THEIRS, "DEVICE_DELETED", "{'path': '/machine/peripheral/vb', 'device': 'vb'}");
    assert_same(t);
}

static void event_that_does_not_come(void **state)
{
    struct twins *t = *state;
    both(t, "io r write 0 512");
    event(t, OURS, "BLOCK_WRITE_THRESHOLD", "{'node-name': 'r', 'amount-exceeded': 1}");
    both(t, "io r write 0 512");
    assert_differs(t, 0, "event BLOCK_WRITE_THRESHOLD\n  model: {\"amount-exceeded\":1,"
                         "\"node-name\":\"r\"}\n  qemu:  (not there)\n");
}

static void event_with_other_data(void **state)
{
    struct twins *t = *state;
    both(t, "io r write 0 512");
    event(t, OURS, "BLOCK_WRITE_THRESHOLD", "{'node-name': 'r', 'amount-exceeded': 1}");
    event(t, THEIRS, "BLOCK_WRITE_THRESHOLD", "{'node-name': 'r', 'amount-exceeded': 2}");
    assert_differs(t, 0, "event BLOCK_WRITE_THRESHOLD.data.amount-exceeded\n  model: 1\n"
                         "  qemu:  2\n");
}

static void order_that_is_promised(void **state)
{
    struct twins *t = *state;
    both(t, "job-cancel id=j");
    event(t, OURS, "JOB_STATUS_CHANGE", "{'id': 'j', 'status': 'aborting'}");
    event(t, OURS, "JOB_STATUS_CHANGE", "{'id': 'k', 'status': 'ready'}");
    event(t, OURS, "JOB_STATUS_CHANGE", "{'id': 'j', 'status': 'concluded'}");
    event(t, THEIRS, "JOB_STATUS_CHANGE", "{'id': 'j', 'status': 'concluded'}");
    event(t, THEIRS, "JOB_STATUS_CHANGE", "{'id': 'k', 'status': 'ready'}");
    event(t, THEIRS, "JOB_STATUS_CHANGE", "{'id': 'j', 'status': 'aborting'}");
    assert_differs(t, 0, "order of events\n  model: JOB_STATUS_CHANGE {\"id\":\"j\",\"status\":"
                         "\"aborting\"}, then JOB_STATUS_CHANGE {\"id\":\"j\",\"status\":"
                         "\"concluded\"}\n");
}

static void order_that_is_not_promised(void **state)
{
    struct twins *t = *state;
    both(t, "job-cancel id=j");
    event(t, OURS, "JOB_STATUS_CHANGE", "{'id': 'j', 'status': 'aborting'}");
    event(t, OURS, "JOB_STATUS_CHANGE", "{'id': 'k', 'status': 'ready'}");
    event(t, THEIRS, "JOB_STATUS_CHANGE", "{'id': 'k', 'status': 'ready'}");
    event(t, THEIRS, "JOB_STATUS_CHANGE", "{'id': 'j', 'status': 'aborting'}");
    assert_same(t);
}

static void events_that_are_merged(void **state)
{
    struct twins *t = *state;
    both(t, "io q read 0 512");
    event(t, OURS, "QUORUM_REPORT_BAD", "{'node-name': 'a', 'sector-num': 1}");
    event(t, OURS, "QUORUM_REPORT_BAD", "{'node-name': 'a', 'sector-num': 2}");
    event(t, THEIRS, "QUORUM_REPORT_BAD", "{'node-name': 'a', 'sector-num': 1}");
    event(t, THEIRS, "RTC_CHANGE", "{'offset': 1}");
    assert_same(t);
}

static void merged_events_that_do_not_come_at_all(void **state)
{
    struct twins *t = *state;
    both(t, "io q read 0 512");
    event(t, OURS, "QUORUM_REPORT_BAD", "{'node-name': 'a', 'sector-num': 1}");
    assert_differs(t, 0, "event QUORUM_REPORT_BAD\n");
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
            "{'return': [{'name': 'pc.ram', 'type': 'x'}, {'name': 's', 'type': 'child<secret>'}]}");
    replies(t, "query-yank", "{'return': []}", "{'return': [{'type': 'chardev', 'id': 'm'}]}");
    replies(t, "query-iothreads", "{'return': [{'id': 'a', 'thread-id': 1}, {'id': 'b'}]}",
            "{'return': [{'id': 'b'}, {'id': 'a', 'thread-id': 4711}]}");
    replies(t, "query-blockstats",
            "{'return': [{'stats': {'rd_operations': 1, 'rd_total_time_ns': 0,"
            " 'idle_time_ns': 5, 'x_flush_latency_histogram': {'bins': [1, 2]}}}]}",
            "{'return': [{'stats': {'rd_operations': 1, 'rd_total_time_ns': 77,"
            " 'x_flush_latency_histogram': {'bins': [3, 0]}}}]}");
    assert_same(t);
}

static void replies_that_lack_something(void **state)
{
    struct twins *t = *state;
    replies(t, "query-commands", "{'return': [{'name': 'stop'}, {'name': 'invented'}]}",
            "{'return': [{'name': 'stop'}]}");
    assert_differs(t, 0, "return.invented\n  model: {\"name\":\"invented\"}\n  qemu:  (not there)\n");
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

/* ---- rows ---- */

static void what_a_row_is_about(void **state)
{
    static const struct {
        const char *text, *command, *driver;
    } rows[] = {
        { "blockdev-add driver=qcow2 file.driver=file", "blockdev-add", "qcow2" },
        { "blockdev-add options.0.driver=raw", "blockdev-add", "raw" },
        { "blockdev-del node-name=n", "blockdev-del", "null-co" },
        { "blockdev-snapshot-sync device=vb snapshot-file=x", "blockdev-snapshot-sync", "raw" },
        { "io vb write 0 4k", "io write", "raw" },
        { "io nobody read 0 4k", "io read", "" },
        { "qmp {\"execute\": \"blockdev-del\", \"arguments\": {\"node-name\": \"n\"}}",
          "blockdev-del", "null-co" },
        { "qmp {\"execute\": ", "qmp", "" },
        { "query-status", "query-status", "" },
    };
    struct twins *t = *state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        both(t, rows[i].text);
    }
    assert_same(t);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_string_equal(row(t, i)->command, rows[i].command);
        assert_string_equal(row(t, i)->driver, rows[i].driver);
    }
}

/* ---- the end of the case ---- */

static void add_node(struct record *r, const char *name, const char *map, const char *data)
{
    struct record_node *n = record_add_node(r, name);
    n->map = mem_strdup(map);
    n->data = mem_strdup(data);
}

static void maps_and_data(void **state)
{
    struct twins *t = *state;
    both(t, "io n write 0 512");
    add_node(&t->at[OURS], "n", "512 bytes allocated at offset 0 bytes", "0+512 aa");
    add_node(&t->at[THEIRS], "n", "1 KiB allocated at offset 0 bytes", "0+512 bb");
    compare(t);
    assert_int_equal(t->r.diff_len, 3);
    assert_string_equal(row(t, 1)->command, "map");
    assert_string_equal(row(t, 1)->driver, "null-co");
    assert_int_equal(row(t, 1)->statement, 0);
    assert_string_equal(row(t, 2)->command, "data");
    assert_string_equal(row(t, 2)->detail,
                        "data of n.1\n  model: 0+512 aa\n  qemu:  0+512 bb\n");
}

static void maps_when_the_ways_parted(void **state)
{
    struct twins *t = *state;
    both(t, "io n write 0 512");
    last(t, THEIRS)->end = RECORD_SKIPPED;
    add_node(&t->at[OURS], "n", "512 bytes allocated", "0+512 aa");
    add_node(&t->at[THEIRS], "n", "512 bytes not allocated", "0+512 bb");
    compare(t);
    assert_int_equal(t->r.diff_len, 1);
}

/* ---- canary: a difference in each thing that is compared ---- */

enum plant {
    PLANT_RETURN, PLANT_ERROR_CLASS, PLANT_ERROR_TEXT, PLANT_OUTPUT, PLANT_FAILED,
    PLANT_EVENT_LOST, PLANT_EVENT_ADDED, PLANT_EVENT_DATA, PLANT_NODE, PLANT_NODE_ADDED,
    PLANT_GRAPH, PLANT_BLOCK, PLANT_COMPLAINT, PLANT_DEATH, PLANT_TIMEOUT, PLANT_QUIRK_GONE,
    PLANT_MAP, PLANT_DATA, PLANTS
};

static void plant_state(struct twins *t, enum plant what)
{
    struct record_stmt *s = &t->at[THEIRS].at[1];
    if (what == PLANT_NODE) {
        set(&s->nodes, NODES_RO);
    } else if (what == PLANT_NODE_ADDED) {
        json_array_append_new(s->nodes, json("{'node-name': 'more'}"));
    } else if (what == PLANT_GRAPH) {
        json_array_remove(json_object_get(s->graph, "edges"), 0);
    } else if (what == PLANT_BLOCK) {
        set(&s->block, "[{'device': 'vb', 'qdev': 'x'}]");
    }
}

static void plant_event(struct twins *t, enum plant what)
{
    struct record_stmt *s = &t->at[THEIRS].at[1];
    if (what == PLANT_EVENT_LOST) {
        json_array_clear(s->events);
    } else if (what == PLANT_EVENT_ADDED) {
        json_array_append(s->events, json_array_get(s->events, 0));
    } else if (what == PLANT_EVENT_DATA) {
        set(&s->events, "[{'event': 'BLOCK_IO_ERROR', 'data': {'reason': 'other'}}]");
    }
}

static void plant(struct twins *t, enum plant what)
{
    struct record_stmt *at = t->at[THEIRS].at;
    plant_state(t, what);
    plant_event(t, what);
    if (what == PLANT_RETURN) {
        set(&at[0].reply, "{'return': 1}");
    } else if (what == PLANT_ERROR_CLASS) {
        set(&at[2].reply, "{'error': {'class': 'DeviceNotFound', 'desc': 'no'}}");
    } else if (what == PLANT_ERROR_TEXT) {
        set(&at[2].reply, "{'error': {'class': 'GenericError', 'desc': 'yes'}}");
    } else if (what == PLANT_OUTPUT) {
        set_text(&at[1].output, "nothing");
    } else if (what == PLANT_FAILED) {
        at[1].failed = true;
    } else if (what == PLANT_COMPLAINT) {
        set_text(&at[1].complaint, "it does not hold");
    } else if (what == PLANT_DEATH) {
        at[2].end = RECORD_DIED;
    } else if (what == PLANT_TIMEOUT) {
        at[2].end = RECORD_TIMEOUT;
    } else if (what == PLANT_QUIRK_GONE) {
        at[2].quirk = QUIRK_GONE;
    } else if (what == PLANT_MAP) {
        set_text(&t->at[THEIRS].nodes[0].map, "1 KiB allocated");
    } else if (what == PLANT_DATA) {
        set_text(&t->at[THEIRS].nodes[0].data, "0+512 other");
    }
}

static void canary_of_everything_compared(void **state)
{
    for (enum plant what = PLANT_RETURN; what <= PLANTS; what++) {
        void *own;
        set_up(&own);
        struct twins *t = own;
        both(t, "query-status");
        both(t, "io n write 0 512");
        for (int w = OURS; w < COMPARE_SIDES; w++) {
            event(t, w, "BLOCK_IO_ERROR", "{'reason': 'this'}");
            add_node(&t->at[w], "n", "512 bytes allocated", "0+512 aa");
        }
        replies(t, "blockdev-del node-name=x", "{'error': {'class': 'GenericError', 'desc': 'no'}}",
                "{'error': {'class': 'GenericError', 'desc': 'no'}}");
        plant(t, what);
        compare_records(&t->at[OURS], &t->at[THEIRS], &t->r);
        if (t->r.verdict != (what == PLANTS ? VERDICT_PASS : VERDICT_FAIL)) {
            fail_msg("planted difference %d: verdict %s", what, verdict_name(t->r.verdict));
        }
        assert_int_equal(*t->r.signature == '\0', what == PLANTS);
        tear_down(&own);
    }
    (void)state;
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
    assert_string_equal(text, "{\"a\":\"#block:1\",\"b\":\"#block:2\"}");
    free(text);
    json_decref(value);
    json_decref(normal);
    (void)state;
}

/* Names that are cut in the middle, texts that only look like what is normalised. */
static void odd_texts(void **state)
{
    static const char *const same[] = { "json:{", "json:{\"a\": ", "json:{}}", "#block", "#blockx",
                                        "vl.12", "vl.1234567", "/var/tmp/", "", "\r", "512,", "1,2,3",
                                        "json:{\"a\":1" };
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

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(same_records), STORY(rates_differ), STORY(bytes_in_rates_differ),
        STORY(hint_behind_a_lock), STORY(automatic_names), STORY(automatic_names_exchanged),
        STORY(a_node_too_many), STORY(order_of_nodes), STORY(directories),
        STORY(names_with_members), STORY(names_with_other_members), STORY(sizes_of_allocation),
        STORY(the_form_of_a_difference), STORY(class_and_text_of_errors),
        STORY(io_that_fails_on_one_side), STORY(expectation_of_one_side),
        STORY(requests_that_nobody_waits_for), STORY(request_that_nobody_waits_for_fails),
        STORY(state_is_told_once), STORY(state_is_told_again_when_it_comes_again),
        STORY(graph_by_names), STORY(edge_with_other_permissions),
        STORY(after_a_statement_of_one_side), STORY(after_a_look_of_one_side),
        STORY(a_device_goes_a_moment_later), STORY(a_device_does_not_go),
        STORY(quirk_that_holds), STORY(quirk_that_is_gone), STORY(the_reference_dies),
        STORY(the_reference_does_not_answer), STORY(nothing_to_compare),
        STORY(verbs_are_not_counted), STORY(events_come_later), STORY(event_that_does_not_come),
        STORY(event_with_other_data), STORY(order_that_is_promised),
        STORY(order_that_is_not_promised), STORY(events_that_are_merged),
        STORY(merged_events_that_do_not_come_at_all), STORY(replies_on_the_part_that_both_have),
        STORY(replies_that_lack_something), STORY(counters_that_differ), STORY(descriptors),
        STORY(schema_with_more), STORY(schema_with_another_type), STORY(schema_that_wants_more),
        STORY(what_a_row_is_about), STORY(maps_and_data), STORY(maps_when_the_ways_parted),
        STORY(canary_of_everything_compared), STORY(normal_forms), STORY(odd_texts),
    };
    return cmocka_run_group_tests_name("scenarios/diff/compare", tests, NULL, NULL);
}
