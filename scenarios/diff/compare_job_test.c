/* SPDX-License-Identifier: MIT */
/* Jobs of two records: what counts, and what is a matter of time. */
#include "scenarios/diff/compare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scenarios/diff/compare_test.h"

/* The jobs behind the last statement of both. */
static void jobs(struct twins *t, const char *ours, const char *theirs)
{
    set(&last(t, OURS)->jobs, ours);
    set(&last(t, THEIRS)->jobs, theirs);
}

static void progress_of_one_at_work(void **state)
{
    struct twins *t = *state;
    both(t, "query-status");
    jobs(t, "[{'id': 'j', 'type': 'backup', 'status': 'running', 'current-progress': 1,"
            " 'total-progress': 9, 'busy': true}]",
         "[{'id': 'j', 'type': 'backup', 'status': 'running', 'current-progress': 2,"
         " 'total-progress': 9, 'busy': false}]");
    assert_same(t);
}

static void amount_of_one_at_work(void **state)
{
    struct twins *t = *state;
    both(t, "query-status");
    jobs(t, "[{'id': 'j', 'type': 'backup', 'status': 'running', 'total-progress': 9}]",
         "[{'id': 'j', 'type': 'backup', 'status': 'running', 'total-progress': 8}]");
    assert_differs(t, 0, "jobs.j.total-progress\n  model: 9\n  qemu:  8\n");
}

static void progress_of_one_that_has_ended(void **state)
{
    struct twins *t = *state;
    both(t, "query-status");
    jobs(t, "[{'id': 'j', 'type': 'create', 'status': 'concluded', 'current-progress': 1}]",
         "[{'id': 'j', 'type': 'create', 'status': 'concluded', 'current-progress': 2}]");
    assert_differs(t, 0, "jobs.j.current-progress\n  model: 1\n  qemu:  2\n");
}

static void progress_of_one_that_has_failed(void **state)
{
    struct twins *t = *state;
    both(t, "query-status");
    jobs(t, "[{'id': 'j', 'type': 'backup', 'status': 'concluded', 'current-progress': 1,"
            " 'error': 'x'}]",
         "[{'id': 'j', 'type': 'backup', 'status': 'concluded', 'current-progress': 2,"
         " 'error': 'y'}]");
    assert_differs(t, 0, "jobs.j.error\n  model: \"x\"\n  qemu:  \"y\"\n");
    assert_null(strstr(row(t, 0)->detail, "jobs.j.current-progress"));
}

static void states_and_order(void **state)
{
    struct twins *t = *state;
    both(t, "query-status");
    jobs(t, "[{'id': 'a', 'status': 'ready'}, {'id': 'b', 'status': 'pending'}]",
         "[{'id': 'b', 'status': 'pending'}, {'id': 'a', 'status': 'standby'}]");
    assert_differs(t, 0, "jobs.a.status\n  model: \"ready\"\n  qemu:  \"standby\"\n"
                         "order of jobs\n  model: a b\n  qemu:  b a\n");
}

static void replies_as_states(void **state)
{
    struct twins *t = *state;
    replies(t, "query-block-jobs",
            "{'return': [{'device': 'j', 'type': 'stream', 'status': 'paused', 'offset': 1}]}",
            "{'return': [{'device': 'j', 'type': 'stream', 'status': 'paused', 'offset': 2}]}");
    replies(t, "query-jobs",
            "{'return': [{'id': 'j', 'type': 'stream', 'status': 'pending'}]}",
            "{'return': [{'id': 'j', 'type': 'stream', 'status': 'waiting'}]}");
    assert_differs(t, 1, "return.0.status\n  model: \"pending\"\n  qemu:  \"waiting\"\n");
}

/* How far a job had come that was cancelled is not compared; what it has left behind then is not
 * either. */
static void ends_on_the_way(void **state)
{
    struct twins *t = *state;
    both(t, "job-cancel id=j");
    event(t, OURS, "BLOCK_JOB_CANCELLED",
          "{'device': 'j', 'type': 'backup', 'len': 9, 'offset': 3, 'speed': 0}");
    event(t, THEIRS, "BLOCK_JOB_CANCELLED",
          "{'device': 'j', 'type': 'backup', 'len': 9, 'offset': 3, 'speed': 0}");
    assert_true(compare_same_history(&t->at[OURS], &t->at[THEIRS]));
    both(t, "job-cancel id=k");
    event(t, OURS, "BLOCK_JOB_CANCELLED",
          "{'device': 'k', 'type': 'backup', 'len': 9, 'offset': 3, 'speed': 0}");
    event(t, THEIRS, "BLOCK_JOB_CANCELLED",
          "{'device': 'k', 'type': 'backup', 'len': 9, 'offset': 4, 'speed': 0}");
    assert_false(compare_same_history(&t->at[OURS], &t->at[THEIRS]));
    assert_same(t);
}

static void ends_that_are_whole(void **state)
{
    struct twins *t = *state;
    both(t, "job-finalize id=j");
    event(t, OURS, "BLOCK_JOB_COMPLETED",
          "{'device': 'j', 'type': 'backup', 'len': 9, 'offset': 9, 'speed': 0}");
    event(t, THEIRS, "BLOCK_JOB_COMPLETED",
          "{'device': 'j', 'type': 'backup', 'len': 9, 'offset': 8, 'speed': 0}");
    assert_differs(t, 0, "event BLOCK_JOB_COMPLETED.data.offset\n  model: 9\n  qemu:  8\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(progress_of_one_at_work), STORY(amount_of_one_at_work),
        STORY(progress_of_one_that_has_ended), STORY(progress_of_one_that_has_failed),
        STORY(states_and_order), STORY(replies_as_states), STORY(ends_on_the_way),
        STORY(ends_that_are_whole),
    };
    return cmocka_run_group_tests_name("scenarios/diff/compare_job", tests, NULL, NULL);
}
