/* SPDX-License-Identifier: MIT */
/* Sections on a small graph (user -> top -> mid -> file, user -> mid) told to the oracle by hand,
 * with the counts that model/drain.h promises; a test breaks a count or lets a request in. */
#include "oracles/fake_graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "oracles/oracle_test.h"

struct world {
    struct layer layer;
    struct node top, mid, file;
    struct sim sim;
    struct oracle oracle;
    struct fake_verdict verdict;
    struct snapshot snapshot;
    bool let_in; /* Sections are asked for and not in force yet. */
};

static int set_up(void **state)
{
    struct world *w = NEW(struct world);
    w->top = (struct node){ .name = "top", .driver = "raw" };
    w->mid = (struct node){ .name = "mid", .driver = "raw" };
    w->file = (struct node){ .name = "file", .driver = "file" };
    fake_node(&w->layer, &w->file);
    fake_node(&w->layer, &w->mid);
    fake_node(&w->layer, &w->top);
    fake_edge(NULL, &w->top, "root", 1, 15);
    fake_edge(&w->top, &w->mid, "file", 1, 15);
    fake_edge(&w->mid, &w->file, "file", 1, 15);
    fake_edge(NULL, &w->mid, "root", 1, 15);
    w->oracle = fake_oracle(&oracle_drain, &w->sim, &w->verdict);
    w->oracle.state = oracle_drain.create(&w->oracle);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    oracle_drain.destroy(w->oracle.state);
    snapshot_free(&w->snapshot);
    free(w);
    return 0;
}

/* Edges say what their ends say. */
static void sync_edges(struct world *w)
{
    for (size_t i = 0; i < w->layer.len; i++) {
        struct node *n = w->layer.nodes[i];
        for (uint32_t k = 0; k < n->parents_len; k++) {
            struct edge_view *v = &n->parents[k].v;
            v->quiet = n->quiesce > 0;
            v->covers = v->parent && v->parent->covered > 0;
        }
    }
}

static void look(struct world *w)
{
    sync_edges(w);
    snapshot_take(&w->snapshot, &w->layer);
    oracle_drain.look(w->oracle.state, &w->snapshot);
}

static void tell(struct world *w, const struct node *n, enum drain_what what, bool subtree)
{
    struct drain_note note = { &w->layer, n, what, subtree };
    oracle_drain.drain(w->oracle.state, &note);
}

/* A section on mid, as the model opens and closes it. */
static void open_mid(struct world *w)
{
    tell(w, &w->mid, DRAIN_ASKED, false);
    if (w->mid.quiesce++ == 0) {
        tell(w, &w->mid, DRAIN_QUIET, false);
        w->top.quiesce++;
        tell(w, &w->top, DRAIN_QUIET, false);
    }
    if (!w->let_in) {
        tell(w, &w->mid, DRAIN_IN_FORCE, false);
    }
}

static void close_mid(struct world *w)
{
    tell(w, &w->mid, DRAIN_OVER, false);
    if (--w->mid.quiesce == 0) {
        tell(w, &w->mid, DRAIN_RELEASED, false);
        w->top.quiesce--;
        tell(w, &w->top, DRAIN_RELEASED, false);
    }
}

static void sections_that_nest_pass(void **state)
{
    struct world *w = *state;
    look(w);
    w->top.started = w->mid.started = 7;
    open_mid(w);
    look(w);
    w->file.started = 3; /* Below the section life goes on. */
    open_mid(w);
    look(w);
    close_mid(w);
    look(w);
    close_mid(w);
    w->top.started = w->mid.started = 9;
    look(w);
    fake_quiet(&w->verdict);
}

static void a_subtree_covers_what_is_below(void **state)
{
    struct world *w = *state;
    tell(w, &w->mid, DRAIN_ASKED, true);
    w->mid.covered = w->file.covered = 1;
    w->file.quiesce = 1;           /* Covered. */
    w->mid.quiesce = 2;            /* Covered, and its child is quiet. */
    w->top.quiesce = 1;
    tell(w, &w->file, DRAIN_QUIET, false);
    tell(w, &w->mid, DRAIN_QUIET, false);
    tell(w, &w->top, DRAIN_QUIET, false);
    tell(w, &w->mid, DRAIN_IN_FORCE, true);
    look(w);
    fake_quiet(&w->verdict);
    w->file.started++;
    look(w);
    fake_caught(&w->verdict, "request",
                "1 request(s) began on node 'file' inside a drained section");
}

static void all_nodes_and_those_that_come(void **state)
{
    struct world *w = *state;
    tell(w, NULL, DRAIN_ASKED, false);
    w->file.quiesce = 1;
    w->mid.quiesce = w->top.quiesce = 2;
    tell(w, NULL, DRAIN_IN_FORCE, false);
    struct node late = { .name = "late", .driver = "file", .quiesce = 1 };
    fake_node(&w->layer, &late);
    look(w);
    fake_quiet(&w->verdict);
    late.quiesce = 0; /* Born outside of the section. */
    look(w);
    fake_caught(&w->verdict, "count",
                "node 'late' counts 0 reasons to be quiet and 0 to be covered; sections and "
                       "edges give 1 and 0");
}

static void canary_request_on_a_drained_node(void **state)
{
    struct world *w = *state;
    open_mid(w);
    w->mid.started++;
    close_mid(w);
    fake_caught(&w->verdict, "request",
                "1 request(s) began on node 'mid' inside a drained section");
}

static void canary_request_above_a_drained_node(void **state)
{
    struct world *w = *state;
    open_mid(w);
    w->top.started += 2;
    close_mid(w);
    fake_caught(&w->verdict, "request",
                "2 request(s) began on node 'top' inside a drained section");
}

static void canary_request_while_the_section_waits(void **state)
{
    struct world *w = *state;
    w->let_in = true;
    w->top.in_flight = 1;
    open_mid(w);
    look(w);
    fake_quiet(&w->verdict);
    w->mid.started++;
    look(w);
    fake_caught(&w->verdict, "request",
                "1 request(s) began on node 'mid' inside a drained section");
}

static void canary_job_that_goes_on_in_a_section(void **state)
{
    struct world *w = *state;
    w->let_in = true;
    w->mid.in_flight = 1;
    open_mid(w);
    w->mid.job_started++; /* It ends what it has begun. */
    look(w);
    w->mid.in_flight = 0;
    tell(w, &w->mid, DRAIN_IN_FORCE, false);
    look(w);
    fake_quiet(&w->verdict);
    w->mid.job_started++;
    look(w);
    fake_caught(&w->verdict, "job-request", "1 request(s) of jobs began on node 'mid' inside a "
                                            "drained section in force");
}

static void canary_section_that_does_not_wait(void **state)
{
    struct world *w = *state;
    w->top.in_flight = 1;
    open_mid(w);
    fake_caught(&w->verdict, "flight",
                "a drained section starts with 1 request(s) in flight on node 'top'");
}

static void canary_parent_left_open(void **state)
{
    struct world *w = *state;
    tell(w, &w->mid, DRAIN_ASKED, false);
    w->mid.quiesce = 1;
    tell(w, &w->mid, DRAIN_QUIET, false);
    tell(w, &w->mid, DRAIN_IN_FORCE, false);
    fake_caught(&w->verdict, "quiet",
                "a drained section leaves node 'top' open for requests");
    look(w);
    fake_caught(&w->verdict, "count",
                "node 'top' counts 0 reasons to be quiet and 0 to be covered; sections and "
                       "edges give 1 and 0");
}

static void canary_count_left_behind(void **state)
{
    struct world *w = *state;
    open_mid(w);
    close_mid(w);
    w->top.quiesce = 1;
    look(w);
    fake_caught(&w->verdict, "count",
                "node 'top' counts 1 reasons to be quiet and 0 to be covered");
}

static void canary_edge_that_passes_on_too_little(void **state)
{
    struct world *w = *state;
    open_mid(w);
    sync_edges(w);
    w->mid.parents[0].v.quiet = false;
    snapshot_take(&w->snapshot, &w->layer);
    oracle_drain.look(w->oracle.state, &w->snapshot);
    fake_caught(&w->verdict, "edge",
                "edge 'file' of node 'top' passes on quiet=0 and covered=0; its ends say 1");
}

static void canary_closed_twice(void **state)
{
    struct world *w = *state;
    open_mid(w);
    close_mid(w);
    tell(w, &w->mid, DRAIN_OVER, false);
    fake_caught(&w->verdict, "pair",
                "a drained section of mid is closed that was not opened");
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(sections_that_nest_pass),
        STORY(a_subtree_covers_what_is_below),
        STORY(all_nodes_and_those_that_come),
        STORY(canary_request_on_a_drained_node),
        STORY(canary_request_above_a_drained_node),
        STORY(canary_request_while_the_section_waits),
        STORY(canary_job_that_goes_on_in_a_section),
        STORY(canary_section_that_does_not_wait),
        STORY(canary_parent_left_open),
        STORY(canary_count_left_behind),
        STORY(canary_edge_that_passes_on_too_little),
        STORY(canary_closed_twice),
    };
    return cmocka_run_group_tests_name("oracles/drain", tests, NULL, NULL);
}
