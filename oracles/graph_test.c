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
    free(w);
    return 0;
}

static void look(struct world *w)
{
    oracle_graph.quiesce(w->oracle.state, &w->layer);
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
    oracle_graph.quiesce(w->oracle.state, NULL); /* No layer while the power is off. */
    assert_int_equal(w->verdict.failures, 0);
}

static void canary_edge_missing_above(void **state)
{
    struct world *w = *state;
    w->file.parents_len = 0;
    w->file.refs = 0;
    look(w);
    expect(w, "edge", "dbg -image-> file stands 1 time(s) among the parent's children and 0");
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

static void canary_permission_conflict(void **state)
{
    struct world *w = *state;
    fake_edge(NULL, &w->file, "root", WRITE, ALL);
    look(w);
    expect(w, "perm", "edge 'root' of a user outside the graph uses permissions 0x2");
}

static void canary_two_nodes_of_one_name(void **state)
{
    struct world *w = *state;
    w->file.name = "top";
    look(w);
    expect(w, "name", "two nodes are named 'top'");
}

static void canary_miscounted_lists(void **state)
{
    struct world *w = *state;
    struct node odd = { .name = "odd", .driver = "file", .monitor_owned = true, .refs = 1 };
    fake_node(&w->layer, &odd);
    odd.children[0] = (struct fake_edge){ &w->top, &w->file, "file", 0, ALL };
    odd.children_len = 1;
    look(w);
    expect(w, "edge", "edge 'file' in the list of node 'odd' says its parent is 'top'");
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
        cmocka_unit_test_setup_teardown(canary_permission_conflict, set_up, tear_down),
        cmocka_unit_test_setup_teardown(canary_two_nodes_of_one_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(canary_miscounted_lists, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("oracles/graph", tests, NULL, NULL);
}
