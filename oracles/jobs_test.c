/* SPDX-License-Identifier: MIT */
/* Lives of a mirror, told by hand: as they should be, and with a fault planted. */
#include "oracles/fake_graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "oracles/oracle_test.h"

struct world {
    struct sim *sim;
    struct layer layer;
    struct node top, base;
    struct job job;
    struct oracle oracle;
    struct fake_verdict verdict;
    struct snapshot snapshot;
};

static const char *const names[] = { "undefined", "created", "running",  "paused",
                                     "ready",     "standby", "waiting",  "pending",
                                     "aborting",  "concluded", "null" };

static int set_up(void **state)
{
    struct world *w = NEW(struct world);
    w->sim = sim_create(&(struct sim_config){ .seed = 1 });
    w->top = (struct node){ .name = "top", .driver = "qcow2" };
    w->base = (struct node){ .name = "base", .driver = "qcow2" };
    fake_node(&w->layer, &w->base);
    fake_node(&w->layer, &w->top);
    fake_edge_roles(&w->top, &w->base, "backing", VIEW_COW, 1, 15);
    w->oracle = fake_oracle(&oracle_jobs, w->sim, &w->verdict);
    w->oracle.state = oracle_jobs.create(&w->oracle);
    w->job.v = (struct job_view){ .serial = 1, .id = "j0", .type = "mirror", .block_job = true,
                                  .auto_finalize = true, .auto_dismiss = true };
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    oracle_jobs.destroy(w->oracle.state);
    snapshot_free(&w->snapshot);
    sim_destroy(w->sim);
    free(w);
    return 0;
}

static void tell(struct world *w, const char *event, const char *status)
{
    oracle_jobs.job_event(w->oracle.state,
                          &(struct job_event){ event, w->job.v.id, status });
}

/* A move without its event. */
static void move_silently(struct world *w, enum view_job_status to)
{
    enum view_job_status from = w->job.v.status;
    struct job_view v;
    w->job.v.status = to;
    w->job.v.started |= to == VIEW_JOB_RUNNING;
    w->layer.jobs = to == VIEW_JOB_NULL ? NULL : &w->job;
    inspect_job(&w->job, &v);
    oracle_jobs.job_moves(w->oracle.state, &v, from);
}

static void move(struct world *w, enum view_job_status to)
{
    move_silently(w, to);
    tell(w, "JOB_STATUS_CHANGE", names[to]);
}

static void look(struct world *w)
{
    snapshot_take(&w->snapshot, &w->layer);
    oracle_jobs.look(w->oracle.state, &w->snapshot);
}

static void start(struct world *w)
{
    move(w, VIEW_JOB_CREATED);
    move(w, VIEW_JOB_RUNNING);
    w->job.edge = &w->top.parents[0];
    w->job.v.sleeps = true;
}

static void end_well(struct world *w)
{
    w->job.v.ran = true;
    move(w, VIEW_JOB_WAITING);
    move(w, VIEW_JOB_PENDING);
    w->job.edge = NULL;
    tell(w, "BLOCK_JOB_COMPLETED", NULL);
    move(w, VIEW_JOB_CONCLUDED);
    move(w, VIEW_JOB_NULL);
}

/* ---- As it should be ---- */

static void a_whole_life(void **state)
{
    struct world *w = *state;
    look(w);
    start(w);
    fake_edge_roles(NULL, &w->top, "main node", 0, 0, 15);
    look(w);
    w->job.v.pause_count = 1;
    w->job.v.user_paused = true;
    move(w, VIEW_JOB_PAUSED);
    look(w);
    w->job.v.pause_count = 0;
    w->job.v.user_paused = false;
    move(w, VIEW_JOB_RUNNING);
    move(w, VIEW_JOB_READY);
    tell(w, "BLOCK_JOB_READY", NULL);
    look(w);
    w->job.v.pause_count = 1; /* By a section. */
    w->top.quiesce = 1;
    move(w, VIEW_JOB_STANDBY);
    look(w);
    w->job.v.pause_count = w->top.quiesce = 0;
    move(w, VIEW_JOB_READY);
    end_well(w);
    fake_remove_edge(NULL, &w->top, w->layer.edges);
    look(w);
    oracle_jobs.layer_gone(w->oracle.state);
    fake_quiet(&w->verdict);
}

static void one_that_the_user_finalizes_and_dismisses(void **state)
{
    struct world *w = *state;
    w->job.v.auto_finalize = w->job.v.auto_dismiss = false;
    start(w);
    w->job.edge = NULL;
    w->job.v.ran = true;
    move(w, VIEW_JOB_WAITING);
    move(w, VIEW_JOB_PENDING);
    tell(w, "BLOCK_JOB_PENDING", NULL);
    look(w);
    tell(w, "BLOCK_JOB_COMPLETED", NULL);
    move(w, VIEW_JOB_CONCLUDED);
    look(w);
    move(w, VIEW_JOB_NULL);
    look(w);
    fake_quiet(&w->verdict);
}

static void one_that_is_cancelled(void **state)
{
    struct world *w = *state;
    start(w);
    w->job.edge = NULL;
    w->job.v.ran = w->job.v.forced = true;
    w->job.v.ret = -125;
    move(w, VIEW_JOB_ABORTING);
    move(w, VIEW_JOB_ABORTING);
    tell(w, "BLOCK_JOB_CANCELLED", NULL);
    move(w, VIEW_JOB_CONCLUDED);
    move(w, VIEW_JOB_NULL);
    look(w);
    fake_quiet(&w->verdict);
}

static void one_that_never_starts(void **state)
{
    struct world *w = *state;
    move(w, VIEW_JOB_CREATED);
    move(w, VIEW_JOB_NULL);
    look(w);
    fake_quiet(&w->verdict);
}

static void an_internal_one_is_not_told(void **state)
{
    struct world *w = *state;
    w->job.v.id = NULL;
    w->job.v.block_job = false;
    move_silently(w, VIEW_JOB_CREATED);
    move_silently(w, VIEW_JOB_RUNNING);
    w->job.v.ran = true;
    move_silently(w, VIEW_JOB_WAITING);
    move_silently(w, VIEW_JOB_PENDING);
    move_silently(w, VIEW_JOB_CONCLUDED);
    move_silently(w, VIEW_JOB_NULL);
    oracle_jobs.layer_gone(w->oracle.state);
    fake_quiet(&w->verdict);
}

/* ---- Moves ---- */

static void canary_move_that_is_not_in_the_table(void **state)
{
    struct world *w = *state;
    start(w);
    w->job.v.ran = true;
    w->job.edge = NULL;
    move(w, VIEW_JOB_CONCLUDED);
    fake_caught(&w->verdict, "move", "job 'j0' moves from 'running' to 'concluded'");
}

static void canary_rest_that_nobody_asked_for(void **state)
{
    struct world *w = *state;
    start(w);
    move(w, VIEW_JOB_PAUSED);
    fake_caught(&w->verdict, "reason", "nobody has asked it to rest");
    w->job.v.pause_count = 1;
    move(w, VIEW_JOB_RUNNING);
    fake_caught(&w->verdict, "reason", "it is asked to rest");
}

static void canary_success_of_a_failed_job(void **state)
{
    struct world *w = *state;
    start(w);
    w->job.v.ran = true;
    w->job.v.ret = -5;
    move(w, VIEW_JOB_WAITING);
    fake_caught(&w->verdict, "reason", "its work has not ended well");
    w->job.v.ret = 0;
    move(w, VIEW_JOB_ABORTING);
    fake_caught(&w->verdict, "reason", "it has not failed");
}

/* ---- Events ---- */

static void canary_move_without_event(void **state)
{
    struct world *w = *state;
    move(w, VIEW_JOB_CREATED);
    move_silently(w, VIEW_JOB_RUNNING);
    w->job.v.pause_count = 1;
    move(w, VIEW_JOB_PAUSED);
    fake_caught(&w->verdict, "untold", "job 'j0' got to 'running' without JOB_STATUS_CHANGE");
}

static void canary_event_without_move(void **state)
{
    struct world *w = *state;
    start(w);
    tell(w, "JOB_STATUS_CHANGE", "running");
    fake_caught(&w->verdict, "event", "is told to be 'running'; it is 'running', which was told");
    move_silently(w, VIEW_JOB_READY);
    tell(w, "JOB_STATUS_CHANGE", "standby");
    fake_caught(&w->verdict, "event", "is told to be 'standby'; it is 'ready'");
    tell(w, "BLOCK_JOB_READY", NULL);
    fake_quiet(&w->verdict);
    tell(w, "BLOCK_JOB_READY", NULL);
    fake_caught(&w->verdict, "event", "BLOCK_JOB_READY of job 'j0', which is 'ready'");
}

static void canary_events_out_of_order(void **state)
{
    struct world *w = *state;
    start(w);
    move_silently(w, VIEW_JOB_READY);
    tell(w, "BLOCK_JOB_READY", NULL);
    fake_caught(&w->verdict, "event", "comes before JOB_STATUS_CHANGE to 'ready'");
}

static void canary_ready_that_is_not_told(void **state)
{
    struct world *w = *state;
    start(w);
    move(w, VIEW_JOB_READY);
    look(w);
    fake_caught(&w->verdict, "untold", "got to 'ready' without BLOCK_JOB_READY");
}

static void canary_end_that_is_not_told(void **state)
{
    struct world *w = *state;
    start(w);
    w->job.edge = NULL;
    w->job.v.ran = true;
    move(w, VIEW_JOB_WAITING);
    move(w, VIEW_JOB_PENDING);
    move(w, VIEW_JOB_CONCLUDED);
    fake_caught(&w->verdict, "untold", "job 'j0' is concluded, and its end was not told");
    tell(w, "BLOCK_JOB_COMPLETED", NULL);
    fake_caught(&w->verdict, "event", "BLOCK_JOB_COMPLETED of job 'j0', which is 'concluded'");
}

/* ---- At rest ---- */

static void canary_job_that_is_stuck(void **state)
{
    struct world *w = *state;
    start(w);
    w->job.v.sleeps = false;
    w->job.v.progress = 7;
    look(w);
    fake_caught(&w->verdict, "stuck", "mirror job 'j0' (running) waits for nothing that is under "
                                      "way: 7 done");
    w->base.in_flight = 1; /* A request can still wake it. */
    look(w);
    fake_quiet(&w->verdict);
    w->base.in_flight = 0;
    w->job.v.idle = true; /* Only its user can. */
    look(w);
    fake_quiet(&w->verdict);
    w->job.v.forced = true;
    look(w);
    fake_caught(&w->verdict, "stuck", "(running) waits for nothing");
}

static void canary_job_that_stays_at_rest(void **state)
{
    struct world *w = *state;
    start(w);
    w->job.v.pause_count = w->top.quiesce = 1;
    move(w, VIEW_JOB_PAUSED);
    fake_edge_roles(NULL, &w->top, "main node", 0, 0, 15);
    look(w);
    fake_quiet(&w->verdict);
    w->job.v.pause_count = w->top.quiesce = 0; /* The section has ended, and nobody woke it. */
    look(w);
    fake_caught(&w->verdict, "stuck", "(paused) rests although nobody asks it to");
}

static void canary_pause_that_is_not_taken_back(void **state)
{
    struct world *w = *state;
    start(w);
    fake_edge_roles(NULL, &w->top, "main node", 0, 0, 15);
    w->job.v.pause_count = 1;
    move(w, VIEW_JOB_PAUSED);
    look(w);
    fake_caught(&w->verdict, "pauses", "job 'j0' has a pause count of 1; its user and drained "
                                       "sections make it 0");
}

static void canary_job_that_waits_for_nobody(void **state)
{
    struct world *w = *state;
    start(w);
    w->job.edge = NULL;
    w->job.v.ran = true;
    move(w, VIEW_JOB_WAITING);
    w->job.v.others = true;
    look(w);
    fake_quiet(&w->verdict);
    w->job.v.others = false;
    look(w);
    fake_caught(&w->verdict, "stuck", "waits for others, and there are none");
}

static void canary_job_left_at_the_end(void **state)
{
    struct world *w = *state;
    start(w);
    oracle_jobs.layer_gone(w->oracle.state);
    fake_caught(&w->verdict, "left", "the layer is gone, and job 'j0' was left 'running'");
}

/* ---- What is left ---- */

static void freeze(struct edge_view *v)
{
    v->frozen = true;
}

static void hold(struct edge_view *v)
{
    v->of_job = true;
}

static void canary_leftover_frozen_link(void **state)
{
    struct world *w = *state;
    fake_set_edge(&w->layer, 1, freeze);
    w->layer.busy = true; /* A command may be about to start one. */
    look(w);
    fake_quiet(&w->verdict);
    w->layer.busy = false;
    look(w);
    fake_caught(&w->verdict, "frozen", "no job is left, and the link 'backing' of node 'top' is "
                                       "frozen");
}

static void links_frozen_by_copy_on_read_are_none(void **state)
{
    struct world *w = *state;
    struct node cor = { .name = "cor", .driver = "copy-on-read" };
    fake_node(&w->layer, &cor);
    fake_edge(&cor, &w->top, "file", 1, 15);
    fake_set_edge(&w->layer, 1, freeze);
    fake_set_edge(&w->layer, w->layer.edges, freeze);
    look(w);
    fake_quiet(&w->verdict);
    w->layer.len = 2;
}

static void canary_leftover_edge_and_blocker(void **state)
{
    struct world *w = *state;
    fake_edge_roles(NULL, &w->base, "target", 0, 0, 15);
    fake_set_edge(&w->layer, w->layer.edges, hold);
    look(w);
    fake_caught(&w->verdict, "edge", "one still holds node 'base' as 'target'");
    fake_remove_edge(NULL, &w->base, w->layer.edges);
    w->base.job_blockers = 1;
    look(w);
    fake_caught(&w->verdict, "blocker", "node 'base' has 1 blocker(s) of one");
}

static void canary_leftover_bitmap_and_filter(void **state)
{
    struct world *w = *state;
    w->top.job_bitmaps = 2;
    look(w);
    fake_caught(&w->verdict, "bitmap", "node 'top' has 2 bitmap(s) of one");
    w->top.job_bitmaps = 0;
    w->top.implicit = true;
    w->top.driver = "mirror_top";
    look(w);
    fake_caught(&w->verdict, "filter", "its filter 'top' (mirror_top) is");
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_whole_life),
        STORY(one_that_the_user_finalizes_and_dismisses),
        STORY(one_that_is_cancelled),
        STORY(one_that_never_starts),
        STORY(an_internal_one_is_not_told),
        STORY(canary_move_that_is_not_in_the_table),
        STORY(canary_rest_that_nobody_asked_for),
        STORY(canary_success_of_a_failed_job),
        STORY(canary_move_without_event),
        STORY(canary_event_without_move),
        STORY(canary_events_out_of_order),
        STORY(canary_ready_that_is_not_told),
        STORY(canary_end_that_is_not_told),
        STORY(canary_job_that_is_stuck),
        STORY(canary_job_that_stays_at_rest),
        STORY(canary_pause_that_is_not_taken_back),
        STORY(canary_job_that_waits_for_nobody),
        STORY(canary_job_left_at_the_end),
        STORY(canary_leftover_frozen_link),
        STORY(links_frozen_by_copy_on_read_are_none),
        STORY(canary_leftover_edge_and_blocker),
        STORY(canary_leftover_bitmap_and_filter),
    };
    return cmocka_run_group_tests_name("oracles/jobs", tests, NULL, NULL);
}
