/* SPDX-License-Identifier: MIT */
/* Two records side by side: what is the same, what differs, and how it is told. */
#include "scenarios/diff/compare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scenarios/diff/compare_test.h"

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
    assert_string_equal(t->r.signature,
                        "qemu:query-block:return.N.image.backing.filename: '*' / '*'");
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
    assert_non_null(strstr(row(t, 1)->detail,
                           "error.desc\n  model: \"no x\"\n  qemu:  \"no y\"\n"));
    assert_non_null(strstr(row(t, 2)->detail,
                           "reply\n  model: {\"return\": {}}\n  qemu:  {\"error\""));
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

static void expectation_about_the_order_of_members(void **state)
{
    struct twins *t = *state;
    both(t, "blockdev-add driver=raw");
    set_text(&last(t, THEIRS)->complaint, "'file' of node 'r' is another\n"
                                          "expected: json:{\"a\": 1, \"b\": 2}\n"
                                          "actual:   \"json:{\\\"b\\\": 2, \\\"a\\\": 1}\"");
    assert_same(t);
}

/* Statements of the script alone are not counted, but what the reference says to them is. */
static void command_line_of_one_side(void **state)
{
    struct twins *t = *state;
    both(t, "args -drive if=none");
    for (int w = OURS; w < COMPARE_SIDES; w++) {
        last(t, w)->counted = false;
        set(&last(t, w)->reply, NULL);
    }
    last(t, OURS)->failed = true;
    set_text(&last(t, OURS)->output, "Option '-drive' is not available\n");
    assert_differs(t, 0, "failed\n  model: true\n  qemu:  false\n");
}

/* The hints that QEMU adds are not the model's business, and a case of nothing else has been
 * compared. */
static void command_line_with_a_hint(void **state)
{
    struct twins *t = *state;
    both(t, "args -drive size=x");
    for (int w = OURS; w < COMPARE_SIDES; w++) {
        last(t, w)->counted = false;
        last(t, w)->failed = true;
        set(&last(t, w)->reply, NULL);
        set_text(&last(t, w)->output, "Parameter 'size' expects a number\n");
    }
    set_text(&last(t, THEIRS)->output, "Parameter 'size' expects a number\n"
                                       "Optional suffix k, M, G, T, P or E means kilo-, mega-, "
                                       "giga-, tera-, peta-\nand exabytes, respectively.\n");
    assert_same(t);
}

/* With the power go the nodes: what is there afterwards may have the same automatic names. */
static void names_behind_a_power_cut(void **state)
{
    struct twins *t = *state;
    const char *name[] = { "#block012", "#block034", "#block012", "#block078" };
    for (int i = 0; i < 2; i++) {
        both(t, "blockdev-add driver=raw file.driver=null-co");
        for (int w = OURS; w < COMPARE_SIDES; w++) {
            char *nodes = mem_printf("[{'node-name': '%s', 'drv': 'null-co', 'file': 'a',"
                                     "  'image': {'virtual-size': 512}}]", name[2 * i + w]);
            set(&last(t, w)->nodes, nodes);
            set(&last(t, w)->graph, NULL);
            set(&last(t, w)->block, NULL);
            free(nodes);
        }
        if (i == 0) {
            both(t, "power cut");
            last(t, OURS)->counted = last(t, THEIRS)->counted = false;
        }
    }
    assert_same(t);
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

/* What came between statements counts, and so does what comes as the program ends, if the other
 * has told it. */
static void requests_that_end_with_the_case(void **state)
{
    struct twins *t = *state;
    both(t, "io n aio_write 0 512");
    set_text(&last(t, OURS)->output, "");
    set_text(&last(t, THEIRS)->output, "");
    set_text(&t->at[OURS].late_end, "wrote 512/512 bytes at offset 0\n512 bytes, 1 ops; 2 sec\n");
    set_text(&t->at[THEIRS].late, "wrote 512/512 bytes at offset 0\n512 bytes, 1 ops; 1 sec\n");
    assert_same(t);
}

static void request_that_fails_on_one_side(void **state)
{
    struct twins *t = *state;
    both(t, "io n aio_write 0 512");
    set_text(&last(t, OURS)->output, "");
    set_text(&last(t, THEIRS)->output, "");
    set_text(&t->at[THEIRS].late, "aio_write failed: Input/output error\n");
    assert_differs(t, 0, "output of aio\n  model: (not there)\n"
                         "  qemu:  aio_write failed: Input/output error\n");
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
    assert_non_null(strstr(row(t, 0)->detail, "nodes.r.ro\n")); /* What it brings is told. */
}

/* What a quirk leaves is known; what the next statement does is not excused by it. */
static void statement_behind_a_quirk(void **state)
{
    struct twins *t = *state;
    replies(t, "blockdev-del node-name=x", "{'return': {}}", "{'error': {'desc': 'strange'}}");
    last(t, THEIRS)->quirk = QUIRK_HOLDS;
    both(t, "io r write 0 512");
    set(&last(t, THEIRS)->nodes, NODES_RO);
    compare(t);
    assert_int_equal(row(t, 0)->verdict, DIFF_QUIRK);
    assert_int_equal(row(t, 1)->verdict, DIFF_DIFFERS);
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
    both(t, "export d0 d1");
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

/* What only the real one fails at is a difference; what the model refuses is a rule of scripts. */
static void verb_that_fails(void **state)
{
    struct twins *t = *state;
    both(t, "clock advance 1s");
    last(t, OURS)->counted = false;
    last(t, OURS)->failed = true;
    both(t, "wait A");
    last(t, OURS)->counted = false;
    last(t, THEIRS)->failed = true;
    set_text(&last(t, THEIRS)->output, "the load has failed");
    compare(t);
    assert_int_equal(t->r.diff_len, 1);
    assert_string_equal(row(t, 0)->command, "wait");
    assert_non_null(strstr(row(t, 0)->detail, "qemu:  the load has failed\n"));
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

static struct record_stmt *new_end(const char *nodes)
{
    struct record_stmt *s = NEW(struct record_stmt);
    *s = (struct record_stmt){ .command = mem_strdup("end"), .text = mem_strdup("end"),
                               .nodes = json(nodes), .graph = json(GRAPH), .block = json(BLOCK) };
    return s;
}

/* The last statement may have late effects, or be a verb, behind which nobody asks. */
static void state_at_the_end(void **state)
{
    struct twins *t = *state;
    both(t, "device_del id=x");
    t->at[OURS].end = new_end(NODES);
    t->at[THEIRS].end = new_end(NODES_RO);
    compare(t);
    assert_int_equal(t->r.verdict, VERDICT_FAIL);
    assert_int_equal(t->r.diff_len, 2);
    assert_string_equal(row(t, 1)->command, "state");
    assert_int_equal(row(t, 1)->statement, 0);
    assert_non_null(strstr(row(t, 1)->detail, "nodes.r.ro\n"));
}

/* How long a file is behind requests that overtook each other is a matter of luck on both sides. */
static void sizes_at_the_end_of_a_load(void **state)
{
    struct twins *t = *state;
    both(t, "query-block");
    t->at[OURS].end = new_end("[{'node-name': 'f', 'image': {'format': 'file',"
                              " 'virtual-size': 512, 'dirty-flag': false}}]");
    t->at[THEIRS].end = new_end("[{'node-name': 'f', 'image': {'format': 'file'}}]");
    t->at[THEIRS].shuffled = true;
    assert_same(t);
}

#define GRAPH_OF_A_REQUEST                                                                         \
    "{'nodes': [{'id': 1, 'name': 'r', 'type': 'block-driver'},"                                   \
    "           {'id': 2, 'name': 'n', 'type': 'block-driver'},"                                   \
    "           {'id': 3, 'name': 'vb', 'type': 'block-backend'},"                                 \
    "           {'id': 4, 'name': '', 'type': 'block-backend'}],"                                  \
    " 'edges': [{'parent': 1, 'child': 2, 'name': 'file', 'perm': ['write'], 'shared-perm': []},"  \
    "           {'parent': 3, 'child': 1, 'name': 'root', 'perm': [], 'shared-perm': []},"         \
    "           {'parent': 4, 'child': 1, 'name': 'root', 'perm': [], 'shared-perm': []}]}"

/* A request holds its node for as long as it takes: nobody knows how long, before it is waited
 * for. */
static void request_in_flight_at_the_end(void **state)
{
    struct twins *t = *state;
    both(t, "io r aio_write -q 0 512");
    for (int w = OURS; w < COMPARE_SIDES; w++) {
        set_text(&last(t, w)->output, "");
        t->at[w].end = new_end(NODES);
    }
    set(&t->at[THEIRS].end->graph, GRAPH_OF_A_REQUEST);
    assert_same(t);
}

static void backend_behind_a_flush(void **state)
{
    struct twins *t = *state;
    both(t, "io r aio_write -q 0 512");
    set_text(&last(t, OURS)->output, "");
    set_text(&last(t, THEIRS)->output, "");
    both(t, "io r aio_flush");
    t->at[OURS].end = new_end(NODES);
    t->at[THEIRS].end = new_end(NODES);
    set(&t->at[THEIRS].end->graph, GRAPH_OF_A_REQUEST);
    compare(t);
    assert_int_equal(t->r.verdict, VERDICT_FAIL);
    assert_string_equal(row(t, 2)->command, "state");
}

/* One has told of the end of its request, and the other has it still. */
static void request_that_one_side_has_ended(void **state)
{
    struct twins *t = *state;
    both(t, "io r aio_write 0 512");
    set_text(&last(t, OURS)->output, "");
    both(t, "query-block");
    set(&last(t, OURS)->graph, GRAPH_OF_A_REQUEST);
    both(t, "io r aio_flush");
    set_text(&last(t, THEIRS)->output, "");
    assert_same(t);
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

static void maps_when_requests_raced(void **state)
{
    struct twins *t = *state;
    both(t, "io n write 0 512");
    add_node(&t->at[OURS], "n", "512 bytes allocated", "0+512 aa");
    add_node(&t->at[THEIRS], "n", "512 bytes not allocated", "0+512 bb");
    t->at[THEIRS].raced = true;
    assert_same(t);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(the_form_of_a_difference), STORY(class_and_text_of_errors),
        STORY(io_that_fails_on_one_side), STORY(expectation_of_one_side),
        STORY(requests_that_nobody_waits_for), STORY(request_that_nobody_waits_for_fails),
        STORY(quirk_that_holds), STORY(quirk_that_is_gone), STORY(the_reference_dies),
        STORY(the_reference_does_not_answer), STORY(nothing_to_compare),
        STORY(statement_behind_a_quirk), STORY(requests_that_end_with_the_case),
        STORY(request_that_fails_on_one_side), STORY(state_at_the_end),
        STORY(sizes_at_the_end_of_a_load), STORY(request_in_flight_at_the_end),
        STORY(backend_behind_a_flush),
        STORY(request_that_one_side_has_ended), STORY(verb_that_fails),
        STORY(verbs_are_not_counted), STORY(what_a_row_is_about), STORY(maps_and_data),
        STORY(maps_when_the_ways_parted), STORY(canary_of_everything_compared),
        STORY(expectation_about_the_order_of_members),
        STORY(maps_when_requests_raced), STORY(command_line_of_one_side),
        STORY(command_line_with_a_hint), STORY(names_behind_a_power_cut),
    };
    return cmocka_run_group_tests_name("scenarios/diff/compare", tests, NULL, NULL);
}
