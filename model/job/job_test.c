/* SPDX-License-Identifier: MIT */
/* The job core with a job whose work is written down: so many steps of a millisecond, then a
 * result.
 *
 * What happens is kept as one line of text a test: states ("a:running"), and calls of the driver
 * ("a.commit").  The random test gives orders of the user at random times, in any order of
 * coroutines, and expects that every job is gone at the end.
 */
#include "model/job/job.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/layer_state.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct world {
    struct sim *sim;
    struct layer *layer;
    struct strbuf log;
};

struct work {
    struct job job;
    struct world *w;
    int steps, result, prepare_result;
    int deaf; /* So many passes until it notices that it is to end. */
    bool needs_lock, gets_ready, asked;
};

static void say(struct job *j, const char *what)
{
    struct work *k = (struct work *)j;
    strbuf_printf(&k->w->log, " %s.%s", j->id, what);
}

static int work_run(struct job *j, struct error *err)
{
    struct work *k = (struct work *)j;
    for (int i = 0; i < k->steps && !job_is_cancelled(j); i++) {
        job_sleep(j, NS_PER_MS);
        job_progress(j, 1);
    }
    if (k->gets_ready && !job_cancel_requested(j)) {
        job_become_ready(j);
        while (!k->asked && !job_cancel_requested(j)) {
            job_wait(j);
        }
    }
    for (int i = 0; i < k->deaf; i++) {
        co_pass(j->sim);
    }
    if (k->needs_lock) {
        job_lock(j);
        say(j, "locked");
    }
    return k->result == -EINVAL ? error_set(err, -EINVAL, "It did not work") : k->result;
}

static int work_complete(struct job *j, struct error *err)
{
    (void)err;
    ((struct work *)j)->asked = true;
    job_enter(j);
    return 0;
}

static bool work_cancel(struct job *j, bool force)
{
    return force || j->status != JOB_READY;
}

static int work_prepare(struct job *j, struct error *err)
{
    struct work *k = (struct work *)j;
    say(j, "prepare");
    return k->prepare_result ? error_set(err, k->prepare_result, "Not prepared") : 0;
}

static void work_commit(struct job *j)
{
    say(j, "commit");
}

static void work_abort(struct job *j)
{
    say(j, "abort");
}

static void work_clean(struct job *j)
{
    say(j, "clean");
}

static void work_ended(struct job *j, bool cancelled)
{
    say(j, cancelled ? "CANCELLED" : j->ret < 0 ? "FAILED" : "COMPLETED");
}

static const struct job_driver worker = {
    .type = JOB_CREATE,
    .size = sizeof(struct work),
    .run = work_run,
    .complete = work_complete,
    .cancel = work_cancel,
    .prepare = work_prepare,
    .commit = work_commit,
    .abort = work_abort,
    .clean = work_clean,
    .tell_ended = work_ended,
};

static void on_event(void *opaque, const struct event *event)
{
    struct world *w = opaque;
    json_t *value = event_value(event->text);
    const json_t *data = json_object_get(value, "data");
    strbuf_printf(&w->log, " %s:%s", json_string_value(json_object_get(data, "id")),
                  json_string_value(json_object_get(data, "status")));
    json_decref(value);
}

/* ---- The world ---- */

static const struct blk_driver *const no_drivers[] = { NULL };

static void world_open(struct world *w, uint64_t seed)
{
    struct sim_config cfg = { .seed = seed,
                              .policy = seed ? CHOICE_SEEDED : CHOICE_FIFO };
    *w = (struct world){ .sim = sim_create(&cfg) };
    w->layer = layer_create(w->sim, NULL, no_drivers);
    layer_on_event(w->layer, on_event, w);
}

static void close_layer(void *opaque)
{
    struct world *w = opaque;
    layer_destroy(w->layer);
    w->layer = NULL;
}

static void world_close(struct world *w)
{
    co_create(w->sim, "end", 0, close_layer, w);
    assert_int_equal(sim_run(w->sim, NULL, SIM_FOREVER, 1000000), SIM_IDLE);
    assert_null(w->layer);
    sim_destroy(w->sim);
    strbuf_free(&w->log);
}

static struct work *new_job(struct world *w, const char *id, struct job_txn *t, uint32_t flags,
                            int steps)
{
    struct job *j;
    struct error err = ERROR_INIT;
    assert_int_equal(job_create(w->layer, id, &worker, t, flags, 0, &j, &err), 0);
    struct work *k = (struct work *)j;
    k->w = w;
    k->steps = steps;
    return k;
}

static void run_ms(struct world *w, int64_t ms)
{
    sim_run(w->sim, NULL, sim_now_ns(w->sim) + ms * NS_PER_MS, 1000000);
}

static void expect(struct world *w, const char *text)
{
    assert_string_equal(strbuf_str(&w->log), text);
    strbuf_free(&w->log);
    w->log = (struct strbuf){ 0 };
}

/* A command of the user: a coroutine that has the lock. */
struct order {
    struct world *w;
    const char *id;
    enum job_verb verb;
    bool force;
    int ret;
    struct error err;
};

static void carry_out(void *opaque)
{
    struct order *o = opaque;
    qmp_lock(o->w->layer);
    struct job *j = job_find(o->w->layer, o->id);
    o->ret = !j                              ? -ENOENT
             : o->verb == JOB_VERB_PAUSE     ? job_user_pause(j, &o->err)
             : o->verb == JOB_VERB_RESUME    ? job_user_resume(j, &o->err)
             : o->verb == JOB_VERB_CANCEL    ? job_user_cancel(j, o->force, &o->err)
             : o->verb == JOB_VERB_COMPLETE  ? job_user_complete(j, &o->err)
             : o->verb == JOB_VERB_FINALIZE  ? job_user_finalize(j, &o->err)
                                             : job_user_dismiss(j, &o->err);
    qmp_unlock(o->w->layer);
}

static void give(struct world *w, const char *id, enum job_verb verb, const char *error)
{
    struct order o = { .w = w, .id = id, .verb = verb, .force = true, .ret = 1 };
    co_create(w->sim, "order", 0, carry_out, &o);
    sim_settle(w->sim, 100000);
    assert_int_equal(o.ret < 0, error != NULL);
    assert_string_equal(o.err.text, error ? error : "");
}

/* ---- Stories ---- */

static void test_life(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 0);
    job_start(&new_job(&w, "a", NULL, 0, 2)->job);
    run_ms(&w, 5);
    expect(&w, " a:created a:running a:waiting a:pending a.prepare a.commit a.clean a.COMPLETED "
               "a:concluded a:null");
    struct work *b = new_job(&w, "b", NULL, JOB_MANUAL_FINALIZE | JOB_MANUAL_DISMISS, 1);
    b->prepare_result = 0;
    job_start(&b->job);
    give(&w, "b", JOB_VERB_FINALIZE,
         "Job 'b' in state 'running' cannot accept command verb 'finalize'");
    run_ms(&w, 2);
    expect(&w, " b:created b:running b:waiting b:pending");
    give(&w, "b", JOB_VERB_FINALIZE, NULL);
    give(&w, "b", JOB_VERB_FINALIZE,
         "Job 'b' in state 'concluded' cannot accept command verb 'finalize'");
    give(&w, "b", JOB_VERB_DISMISS, NULL);
    expect(&w, " b.prepare b.commit b.clean b.COMPLETED b:concluded b:null");
    world_close(&w);
}

static void test_names(void **state)
{
    struct world w;
    struct job *j;
    struct error err = ERROR_INIT;
    (void)state;
    world_open(&w, 0);
    new_job(&w, "a", NULL, 0, 0);
    assert_int_equal(job_create(w.layer, "a", &worker, NULL, 0, 0, &j, &err), -EEXIST);
    assert_string_equal(err.text, "Job ID 'a' already in use");
    err.code = 0;
    assert_int_equal(job_create(w.layer, "1a", &worker, NULL, 0, 0, &j, &err), -EINVAL);
    assert_string_equal(err.text, "Invalid job ID '1a'");
    err.code = 0;
    assert_int_equal(job_create(w.layer, NULL, &worker, NULL, 0, 0, &j, &err), -EINVAL);
    assert_string_equal(err.text, "An explicit job ID is required");
    job_early_fail(job_find(w.layer, "a"));
    expect(&w, " a:created a:null");
    assert_null(job_find(w.layer, "a"));
    world_close(&w);
}

/* Asked to rest, it does so at its next pause point; both of two reasons must go. */
static void test_pause(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 0);
    struct job *a = &new_job(&w, "a", NULL, 0, 3)->job;
    job_pause(a);
    job_start(a);
    run_ms(&w, 10);
    assert_int_equal(a->progress, 0);
    expect(&w, " a:created a:running a:paused");
    give(&w, "a", JOB_VERB_PAUSE, NULL);
    give(&w, "a", JOB_VERB_PAUSE, "Job is already paused");
    job_resume(a);
    run_ms(&w, 10);
    assert_true(a->paused && !job_is_in_flight(a));
    give(&w, "a", JOB_VERB_RESUME, NULL);
    give(&w, "a", JOB_VERB_RESUME, "Can't resume a job that was not paused");
    run_ms(&w, 1);
    assert_int_equal(a->progress, 1);
    give(&w, "a", JOB_VERB_PAUSE, NULL); /* It sleeps: that ends early. */
    expect(&w, " a:running a:paused");
    give(&w, "a", JOB_VERB_CANCEL, NULL);
    expect(&w, " a:running a:aborting a.abort a.clean a.CANCELLED a:concluded a:null");
    world_close(&w);
}

static void test_ready(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 0);
    struct work *a = new_job(&w, "a", NULL, 0, 1);
    a->gets_ready = true;
    job_start(&a->job);
    give(&w, "a", JOB_VERB_COMPLETE,
         "Job 'a' in state 'running' cannot accept command verb 'complete'");
    run_ms(&w, 2);
    give(&w, "a", JOB_VERB_PAUSE, NULL);
    expect(&w, " a:created a:running a:ready a:standby");
    give(&w, "a", JOB_VERB_COMPLETE, NULL);
    give(&w, "a", JOB_VERB_RESUME, NULL);
    expect(&w, " a:ready a:waiting a:pending a.prepare a.commit a.clean a.COMPLETED a:concluded "
               "a:null");
    world_close(&w);
}

/* One fails: the other is cancelled, though it still needs the lock that the failing one has.  The
 * youngest ends first. */
static void test_together(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 0);
    struct job_txn *t = job_txn_new();
    struct work *a = new_job(&w, "a", t, 0, 2), *b = new_job(&w, "b", t, 0, 100);
    a->result = -EINVAL;
    b->needs_lock = true;
    job_txn_unref(t);
    job_start(&a->job);
    job_start(&b->job);
    run_ms(&w, 5);
    expect(&w, " a:created b:created a:running b:running a:aborting b.locked b:aborting b.abort "
               "b.clean b.CANCELLED b:concluded b:null a.abort a.clean a.FAILED a:concluded "
               "a:null");
    t = job_txn_new();
    a = new_job(&w, "a", t, 0, 1);
    b = new_job(&w, "b", t, JOB_MANUAL_FINALIZE, 3);
    job_txn_unref(t);
    b->prepare_result = -EIO;
    job_start(&a->job);
    job_start(&b->job);
    run_ms(&w, 2);
    expect(&w, " a:created b:created a:running b:running a:waiting");
    run_ms(&w, 2);
    expect(&w, " b:waiting b:pending a:pending");
    give(&w, "a", JOB_VERB_FINALIZE, NULL);
    expect(&w, " b.prepare b:aborting b.abort b.clean b.FAILED b:concluded b:null a:aborting "
               "a.abort a.clean a.CANCELLED a:concluded a:null");
    world_close(&w);
}

/* Of two reasons that it did not do its work, the first counts; a section that drains its nodes is
 * nothing that the user could end. */
static void test_reasons(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 0);
    struct work *a = new_job(&w, "a", NULL, JOB_MANUAL_DISMISS, 5);
    a->result = -EIO;
    job_start(&a->job);
    job_pause(&a->job);
    run_ms(&w, 2);
    give(&w, "a", JOB_VERB_RESUME, "Can't resume a job that was not paused");
    give(&w, "a", JOB_VERB_CANCEL, NULL);
    job_resume(&a->job);
    assert_int_equal(a->job.ret, -EIO);
    assert_string_equal(a->job.error, error_strerror(EIO));
    expect(&w, " a:created a:running a:paused a:running a:aborting a.abort a.clean a.CANCELLED "
               "a:concluded");
    give(&w, "a", JOB_VERB_DISMISS, NULL);
    world_close(&w);
}

/* Its node has gone to another iothread: it goes there at its next pause point. */
static void test_iothread(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 0);
    uint32_t iothread = (uint32_t)sim_iothread_add(w.sim, "io");
    struct work *a = new_job(&w, "a", NULL, 0, 3);
    job_start(&a->job);
    run_ms(&w, 1);
    assert_int_equal(a->job.co->iothread, 0);
    a->job.iothread = iothread;
    run_ms(&w, 1);
    assert_int_equal(a->job.co->iothread, iothread);
    run_ms(&w, 5);
    world_close(&w);
}

static void tell_while_locked(void *opaque)
{
    struct job *j = opaque;
    struct layer *l = j->layer;
    qmp_lock(l);
    while (j->busy || j->paused) {
        co_pass(j->sim);
    }
    job_pause(j);
    job_enter(j);
    job_kick(j);
    assert_true(!j->paused && !j->locked && !job_is_in_flight(j));
    job_resume(j);
    qmp_unlock(l);
}

/* A job that waits for the lock is told this and that by whom has it. */
static void test_lock(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 0);
    struct work *a = new_job(&w, "a", NULL, 0, 0);
    a->needs_lock = true;
    co_create(w.sim, "holder", 0, tell_while_locked, &a->job);
    job_start(&a->job);
    run_ms(&w, 1);
    expect(&w, " a:created a:running a.locked a:waiting a:pending a.prepare a.commit a.clean "
               "a.COMPLETED a:concluded a:null");
    world_close(&w);
}

static void cancel_waiting(void *opaque)
{
    job_cancel_waiting(opaque);
}

/* Nobody will finalize it, but somebody ends it already and waits for another. */
static void test_waiting(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 0);
    struct job_txn *t = job_txn_new();
    struct work *a = new_job(&w, "a", t, 0, 0), *b = new_job(&w, "b", t, 0, 100);
    b->deaf = 20;
    job_txn_unref(t);
    job_start(&a->job);
    job_start(&b->job);
    run_ms(&w, 2);
    struct order o = { .w = &w, .id = "a", .verb = JOB_VERB_CANCEL, .force = true };
    co_create(w.sim, "order", 0, carry_out, &o);
    co_create(w.sim, "release", 0, cancel_waiting, w.layer);
    run_ms(&w, 1);
    assert_null(job_first(w.layer));
    new_job(&w, "c", NULL, JOB_MANUAL_FINALIZE, 0);
    job_start(job_find(w.layer, "c"));
    run_ms(&w, 1);
    co_create(w.sim, "release", 0, cancel_waiting, w.layer);
    run_ms(&w, 1);
    assert_null(job_first(w.layer));
    world_close(&w);
}

static void test_random(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        static const char *const ids[] = { "a", "b", "c", "d" };
        struct world w;
        world_open(&w, seed);
        uint64_t x = seed * 0x9e3779b97f4a7c15u;
        struct job_txn *t = job_txn_new();
        for (int i = 0; i < 4; i++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            struct work *k = new_job(&w, ids[i], (x >> 40) & 1 ? t : NULL, (x >> 41) & 3,
                                     (int)(x >> 43 & 7));
            k->result = (x >> 50 & 7) == 0 ? -EINVAL : 0;
            k->prepare_result = (x >> 53 & 7) == 0 ? -EIO : 0;
            k->needs_lock = x >> 56 & 1;
            k->gets_ready = x >> 57 & 1;
        }
        job_txn_unref(t);
        for (int i = 0; i < 4; i++) {
            job_start(&((struct work *)job_find(w.layer, ids[i]))->job);
        }
        struct order orders[24];
        for (int i = 0; i < 24; i++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            orders[i] = (struct order){ .w = &w, .id = ids[x >> 60 & 3],
                                        .verb = (enum job_verb)((x >> 40) % JOB_VERBS),
                                        .force = x >> 59 & 1 };
            if (orders[i].verb == JOB_VERB_SET_SPEED) {
                orders[i].verb = JOB_VERB_PAUSE;
            }
            co_create(w.sim, "order", 0, carry_out, &orders[i]);
            run_ms(&w, (int64_t)(x >> 57 & 1));
        }
        world_close(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),     cmocka_unit_test(test_names),
        cmocka_unit_test(test_pause),    cmocka_unit_test(test_ready),
        cmocka_unit_test(test_together), cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_iothread), cmocka_unit_test(test_lock),
        cmocka_unit_test(test_waiting),  cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests_name("model/job", tests, NULL, NULL);
}
