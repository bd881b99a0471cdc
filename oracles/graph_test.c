/* SPDX-License-Identifier: MIT */
/* A small graph (backend -> top -> filter -> file) is broken in one place a test; the oracle says
 * where.  The first test shows that the whole graph passes. */
#include "oracles/fake_graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

struct world {
    struct layer layer;
    struct node top, filter, file;
    struct sim sim;
    struct oracle oracle;
    struct fake_verdict verdict;
    struct snapshot snapshot;
};

enum { READ = 1, WRITE = 2, ALL = 15 };

static int set_up(void **state)
{
    struct world *w = NEW(struct world);
    w->top = (struct node){ .name = "top", .driver = "raw", .monitor_owned = true, .refs = 1 };
    w->filter = (struct node){ .name = "dbg", .driver = "blkdebug", .is_filter = true };
    w->file = (struct node){ .name = "file", .driver = "file", .filename = "a.img" };
    fake_node(&w->layer, &w->top);
    fake_node(&w->layer, &w->filter);
    fake_node(&w->layer, &w->file);
    fake_edge(NULL, &w->top, "root", READ | WRITE, ALL);
    fake_edge(&w->top, &w->filter, "file", READ | WRITE, ALL & ~WRITE);
    fake_edge(&w->filter, &w->file, "image", READ | WRITE, ALL & ~WRITE);
    w->oracle = fake_oracle(&oracle_graph, &w->sim, &w->verdict);
    w->oracle.state = oracle_graph.create(&w->oracle);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    oracle_graph.destroy(w->oracle.state);
    snapshot_free(&w->snapshot);
    free(w);
    return 0;
}

static void look(struct world *w)
{
    snapshot_take(&w->snapshot, &w->layer);
    oracle_graph.look(w->oracle.state, &w->snapshot);
}

static void expect(const struct world *w, const char *site, const char *part)
{
    if (!w->verdict.failures || strcmp(w->verdict.site, site) != 0 ||
        !strstr(w->verdict.text, part)) {
        fail_msg("expected %s '%s', got %s '%s'", site, part, w->verdict.site, w->verdict.text);
    }
}

static void whole_graph_passes(void **state)
{
    struct world *w = *state;
    look(w);
    assert_string_equal(w->verdict.text, "");
    w->layer.len = 0;
    look(w);
    assert_int_equal(w->verdict.failures, 0);
}

static void canary_edge_missing_above(void **state)
{
    struct world *w = *state;
    w->file.parents_len = 0;
    w->file.refs = 0;
    look(w);
    expect(w, "edge", "edge dbg -image-> file stands once among the parent's children and not "
                      "at all among the child's parents");
}

static void canary_edge_missing_below(void **state)
{
    struct world *w = *state;
    w->filter.children_len = 0;
    look(w);
    expect(w, "edge", "dbg -image-> file stands among the child's parents and not");
}

static void canary_edge_to_a_node_that_is_gone(void **state)
{
    struct world *w = *state;
    w->layer.len = 2;
    look(w);
    expect(w, "edge", "edge 'image' of node 'dbg' leads to no node of the layer");
}

static void canary_cycle(void **state)
{
    struct world *w = *state;
    fake_edge(&w->file, &w->top, "backing", 0, ALL);
    look(w);
    expect(w, "cycle", "top <- file <- dbg <- top");
}

static void canary_reference_lost(void **state)
{
    struct world *w = *state;
    w->file.refs = 0;
    look(w);
    expect(w, "refs", "node 'file' has 0 reference(s); 1 parent edge(s) ask for 1");
}

static void canary_reference_leaked_at_rest(void **state)
{
    struct world *w = *state;
    w->top.refs = 3;
    w->sim.sched.live = 1;
    w->sim.sched.ready = 1;
    look(w);
    assert_int_equal(w->verdict.failures, 0); /* A coroutine under way may hold one. */
    w->sim.sched.live = 0;
    w->sim.sched.ready = 0;
    look(w);
    expect(w, "refs", "has 3 reference(s); 1 parent edge(s) and the monitor ask for 2");
}

static void canary_request_forgotten(void **state)
{
    struct world *w = *state;
    w->file.tracked = 1;
    w->file.in_flight = 1;
    look(w);
    assert_int_equal(w->verdict.failures, 0);
    w->file.in_flight = 0;
    look(w);
    expect(w, "tracked", "node 'file' tracks 1 request(s) with none in flight");
}

static void canary_two_nodes_of_one_name(void **state)
{
    struct world *w = *state;
    w->file.name = "top";
    look(w);
    expect(w, "name", "two nodes are named 'top'");
}

static void canary_edge_in_two_lists(void **state)
{
    struct world *w = *state;
    struct node odd = { .name = "odd", .driver = "file", .monitor_owned = true, .refs = 1 };
    fake_node(&w->layer, &odd);
    odd.children[0] = w->filter.children[0];
    odd.children[0].list = &odd;
    odd.children_len = 1;
    look(w);
    expect(w, "edge", "edge 'image' in the list of node 'odd' says its parent is 'dbg'");
}

static void canary_edge_twice_above(void **state)
{
    struct world *w = *state;
    w->file.parents[1] = w->file.parents[0];
    w->file.parents_len = 2;
    w->file.refs = 2;
    look(w);
    expect(w, "edge", "dbg -image-> file stands once among the parent's children and more than");
}

static void canary_order_of_children(void **state)
{
    struct world *w = *state;
    struct node more = { .name = "more", .driver = "file", .filename = "b.img" };
    fake_node(&w->layer, &more);
    fake_edge(&w->filter, &more, "log", 0, ALL);
    look(w);
    assert_string_equal(w->verdict.text, "");
    struct child first = w->filter.children[0];
    w->filter.children[0] = w->filter.children[1];
    w->filter.children[1] = first;
    look(w);
    expect(w, "order", "edge 'image' of node 'dbg' stands behind the newer edge 'log'");
}

static void canary_height_left_behind(void **state)
{
    struct world *w = *state;
    w->filter.height_off = 1;
    look(w);
    expect(w, "height", "node 'top' counts a height of 2, its children make it 3");
    w->verdict = (struct fake_verdict){ 0 };
    w->filter.height_off = 1500;
    w->top.height_off = 1500;
    look(w);
    expect(w, "height", "node 'top' stands 1502 levels high; 1023 are possible");
}

static void a_change_under_way_holds_references(void **state)
{
    struct world *w = *state;
    w->file.held = 1;
    w->file.refs = 2;
    look(w);
    assert_int_equal(w->verdict.failures, 0);
    w->file.refs = 1; /* The change has lost it. */
    look(w);
    expect(w, "refs",
           "1 reference(s); 1 parent edge(s) and a change under way or an export ask for 2");
}

static void a_command_under_way_may_hold_more(void **state)
{
    struct world *w = *state;
    w->file.refs = 2;
    w->sim.sched.live = 1;
    w->layer.busy = true;
    look(w);
    assert_int_equal(w->verdict.failures, 0);
    w->layer.busy = false;
    look(w);
    expect(w, "refs", "node 'file' has 2 reference(s); 1 parent edge(s) ask for 1");
}

static void canary_inherits_from_a_stranger(void **state)
{
    struct world *w = *state;
    w->file.inherits = &w->filter;
    look(w);
    assert_int_equal(w->verdict.failures, 0);
    w->file.inherits = &w->top;
    look(w);
    expect(w, "inherits", "node 'file' takes options from 'top', which is no parent of it");
}

static void canary_edge_between_iothreads(void **state)
{
    struct world *w = *state;
    w->file.iothread = 1;
    look(w);
    expect(w, "iothread", "edge dbg -image-> file leads from iothread 0 to iothread 1");
}

static void take_blocker(struct edge_view *v)
{
    v->blocks = !v->blocks;
}

static void canary_blocker_of_no_backing_link(void **state)
{
    struct world *w = *state;
    struct node base = { .name = "base", .driver = "file", .filename = "base.img" };
    fake_node(&w->layer, &base);
    fake_edge_roles(&w->top, &base, "backing", VIEW_COW, READ, ALL);
    look(w);
    assert_int_equal(w->verdict.failures, 0);
    fake_set_edge(&w->layer, w->layer.edges, take_blocker);
    look(w);
    expect(w, "blocker", "edge top -backing-> base is a backing link and has no blocker");
    w->verdict = (struct fake_verdict){ 0 };
    fake_set_edge(&w->layer, w->layer.edges, take_blocker);
    fake_set_edge(&w->layer, 2, take_blocker);
    look(w);
    expect(w, "blocker", "edge top -file-> dbg has a blocker and is no backing link");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whole_graph_passes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(canary_edge_missing_above, set_up, tear_down),
        cmocka_unit_test_setup_teardown(canary_edge_missing_below, set_up, tear_down),
        cmocka_unit_test_setup_teardown(canary_edge_to_a_node_that_is_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(canary_cycle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(canary_reference_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(canary_reference_leaked_at_rest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(canary_request_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(canary_two_nodes_of_one_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(canary_edge_in_two_lists, set_up, tear_down),
        cmocka_unit_test_setup_teardown(canary_edge_twice_above, set_up, tear_down),
        cmocka_unit_test_setup_teardown(canary_order_of_children, set_up, tear_down),
        cmocka_unit_test_setup_teardown(canary_height_left_behind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_change_under_way_holds_references, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_command_under_way_may_hold_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(canary_inherits_from_a_stranger, set_up, tear_down),
        cmocka_unit_test_setup_teardown(canary_edge_between_iothreads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(canary_blocker_of_no_backing_link, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("oracles/graph", tests, NULL, NULL);
}
