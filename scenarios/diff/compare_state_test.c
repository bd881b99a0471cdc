/* SPDX-License-Identifier: MIT */
/* Nodes, graph, block devices and events of two records. */
#include "scenarios/diff/compare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scenarios/diff/compare_test.h"

/* ---- state ---- */

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

/* A real target leaves permissions out while a frontend of its own is in the graph. */
static void graph_without_permissions(void **state)
{
    struct twins *t = *state;
    both(t, "io r write 0 512");
    set(&last(t, THEIRS)->graph,
        "{'nodes': [{'id': 1, 'name': 'r', 'type': 'block-driver'},"
        "           {'id': 2, 'name': 'n', 'type': 'block-driver'},"
        "           {'id': 3, 'name': 'vb', 'type': 'block-backend'}],"
        " 'edges': [{'parent': 1, 'child': 2, 'name': 'file'},"
        "           {'parent': 3, 'child': 1, 'name': 'root'}]}");
    assert_same(t);
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

/* How the side that was left out stands is known; only what parted the ways is excused. */
static void difference_behind_a_statement_of_one_side(void **state)
{
    struct twins *t = *state;
    both(t, "io r write 0 512");
    both(t, "block_resize node-name=n size=1M");
    last(t, THEIRS)->end = RECORD_SKIPPED;
    set(&last(t, OURS)->nodes, "[{'node-name': 'n'}]");
    set(&last(t, THEIRS)->nodes, NULL);
    set(&last(t, THEIRS)->graph, NULL);
    set(&last(t, THEIRS)->block, NULL);
    both(t, "io n write 0 512");
    set(&last(t, OURS)->nodes, "[{'node-name': 'n'}]");
    both(t, "io n write 0 512");
    set(&last(t, OURS)->nodes, "[{'node-name': 'n'}, {'node-name': 'new'}]");
    compare(t);
    assert_int_equal(row(t, 2)->verdict, DIFF_SAME);
    assert_int_equal(row(t, 3)->verdict, DIFF_DIFFERS);
}

static void difference_right_behind_a_statement_of_one_side(void **state)
{
    struct twins *t = *state;
    both(t, "io r write 0 512");
    both(t, "block_resize node-name=n size=1M");
    last(t, THEIRS)->end = RECORD_SKIPPED;
    both(t, "io n write 0 512");
    set(&last(t, THEIRS)->nodes, NODES_RO);
    assert_int_equal(t->at[OURS].len, 3);
    compare(t);
    assert_int_equal(row(t, 1)->verdict, DIFF_SKIPPED);
    assert_int_equal(row(t, 2)->verdict, DIFF_DIFFERS);
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

/* A world verb, behind which nobody asks for the state. */
static void verb(struct twins *t, const char *text)
{
    both(t, text);
    for (int w = OURS; w < COMPARE_SIDES; w++) {
        last(t, w)->counted = false;
        set(&last(t, w)->nodes, NULL);
        set(&last(t, w)->graph, NULL);
        set(&last(t, w)->block, NULL);
    }
}

/* All args are one command line in QEMU, which has an order of its own for them. */
static void order_behind_args(void **state)
{
    struct twins *t = *state;
    verb(t, "args -drive if=none -blockdev null-co,node-name=n");
    for (int i = 0; i < 2; i++) {
        both(t, "query-status");
        set(&last(t, OURS)->nodes, "[{'node-name': 'a'}, {'node-name': 'b'}]");
        set(&last(t, THEIRS)->nodes, "[{'node-name': 'b'}, {'node-name': 'a'}]");
    }
    assert_same(t);
}

/* A world verb has no state of its own: what was known before it is known behind it. */
static void state_across_a_verb(void **state)
{
    struct twins *t = *state;
    both(t, "io r write 0 512");
    set(&last(t, THEIRS)->nodes, NODES_RO);
    verb(t, "run 1ms");
    both(t, "io r write 0 512");
    set(&last(t, THEIRS)->nodes, NODES_RO);
    assert_differs(t, 0, "nodes.r.ro\n");
}

/* A load holds a backend in the model all the time, and permissions with it. */
static void backends_of_a_load(void **state)
{
    static const char loaded[] =
        "{'nodes': [{'id': 1, 'name': 'r', 'type': 'block-driver'},"
        "           {'id': 2, 'name': 'n', 'type': 'block-driver'},"
        "           {'id': 3, 'name': 'vb', 'type': 'block-backend'},"
        "           {'id': 4, 'name': '', 'type': 'block-backend'}],"
        " 'edges': [{'parent': 1, 'child': 2, 'name': 'file', 'perm': ['resize'],"
        "            'shared-perm': []},"
        "           {'parent': 4, 'child': 1, 'name': 'root', 'perm': [], 'shared-perm': []},"
        "           {'parent': 3, 'child': 1, 'name': 'root', 'perm': [], 'shared-perm': []}]}";
    struct twins *t = *state;
    verb(t, "load w r rw=write count=1");
    both(t, "query-status");
    set(&last(t, OURS)->graph, loaded);
    verb(t, "wait w");
    both(t, "query-status");
    both(t, "query-status");
    set(&last(t, OURS)->graph, loaded);
    assert_differs(t, 2, "graph.edges.\"[block-backend] -root-> r\"\n");
}

#define NODES_DIRTY(count, anonymous)                                                              \
    "[{'node-name': 'r', 'drv': 'raw', 'dirty-bitmaps': [{'name': 'b', 'count': " count "},"       \
    "                                                    {'count': " anonymous "}]}]"

/* What is dirty while a load writes is its own affair; what is dirty behind it is not, but for the
 * bitmaps of jobs. */
static void dirty_counts_of_a_load(void **state)
{
    struct twins *t = *state;
    verb(t, "load w r rw=write count=1");
    both(t, "query-status");
    set(&last(t, OURS)->nodes, NODES_DIRTY("1", "2"));
    set(&last(t, THEIRS)->nodes, NODES_DIRTY("3", "4"));
    verb(t, "wait w");
    both(t, "query-status");
    set(&last(t, OURS)->nodes, NODES_DIRTY("5", "6"));
    set(&last(t, THEIRS)->nodes, NODES_DIRTY("7", "8"));
    assert_differs(t, 1, "nodes.r.dirty-bitmaps.0.count\n");
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

static void first_of_merged_events(void **state)
{
    struct twins *t = *state;
    both(t, "io q read 0 512");
    event(t, OURS, "QUORUM_REPORT_BAD", "{'node-name': 'a', 'sector-num': 2}");
    event(t, THEIRS, "QUORUM_REPORT_BAD", "{'node-name': 'a', 'sector-num': 1}");
    assert_differs(t, 0, "event QUORUM_REPORT_BAD.data.sector-num\n  model: 2\n  qemu:  1\n");
}

static void merged_events_that_do_not_come_at_all(void **state)
{
    struct twins *t = *state;
    both(t, "io q read 0 512");
    event(t, OURS, "QUORUM_REPORT_BAD", "{'node-name': 'a', 'sector-num': 1}");
    assert_differs(t, 0, "event QUORUM_REPORT_BAD\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(state_is_told_once), STORY(state_is_told_again_when_it_comes_again),
        STORY(graph_by_names), STORY(edge_with_other_permissions),
        STORY(graph_without_permissions),
        STORY(after_a_statement_of_one_side), STORY(after_a_look_of_one_side),
        STORY(a_device_goes_a_moment_later), STORY(a_device_does_not_go),
        STORY(events_come_later), STORY(event_that_does_not_come), STORY(event_with_other_data),
        STORY(order_that_is_promised), STORY(order_that_is_not_promised),
        STORY(difference_behind_a_statement_of_one_side),
        STORY(difference_right_behind_a_statement_of_one_side), STORY(first_of_merged_events),
        STORY(events_that_are_merged), STORY(merged_events_that_do_not_come_at_all),
        STORY(order_behind_args),
        STORY(state_across_a_verb),
        STORY(backends_of_a_load), STORY(dirty_counts_of_a_load),
    };
    return cmocka_run_group_tests_name("scenarios/diff/compare_state", tests, NULL, NULL);
}
