/* SPDX-License-Identifier: MIT */
/* Planted: a coroutine that waits for ever, and a timer that nobody takes down. */
#include "oracles/fake_graph.h"
#include "sim/sync.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

struct said {
    int failures;
    char site[32], text[2048];
};

static void note(void *opaque, const struct oracle *o, const char *site, const char *text)
{
    struct said *s = opaque;
    assert_ptr_equal(o->ops, &oracle_liveness);
    s->failures++;
    snprintf(s->site, sizeof(s->site), "%s", site);
    snprintf(s->text, sizeof(s->text), "%s", text);
}

struct world {
    struct sim *sim;
    struct oracle oracle;
    struct said said;
    struct co_queue never;
};

static void open_world(struct world *w)
{
    *w = (struct world){ .sim = sim_create(&(struct sim_config){ .seed = 1 }) };
    w->never.what = "a door that stays shut";
    w->oracle = (struct oracle){
        .ops = &oracle_liveness, .sim = w->sim, .fail = note, .opaque = &w->said
    };
    w->oracle.state = oracle_liveness.create(&w->oracle);
}

static void close_world(struct world *w)
{
    oracle_liveness.destroy(w->oracle.state);
    sim_destroy(w->sim);
}

static void waiter(void *opaque)
{
    struct world *w = opaque;
    co_queue_wait(w->sim, &w->never);
}

static void a_world_that_ended_passes(void **state)
{
    struct world w;
    (void)state;
    open_world(&w);
    co_create(w.sim, "waiter", 0, waiter, &w);
    sim_run(w.sim, NULL, SIM_FOREVER, 0);
    assert_true(co_queue_wake_one(&w.never));
    sim_run(w.sim, NULL, SIM_FOREVER, 0);
    oracle_liveness.end(w.oracle.state, w.sim);
    assert_int_equal(w.said.failures, 0);
    close_world(&w);
}

static void canary_coroutine_that_waits_for_ever(void **state)
{
    struct world w;
    (void)state;
    open_world(&w);
    co_create(w.sim, "waiter", 0, waiter, &w);
    assert_int_equal(sim_run(w.sim, NULL, SIM_FOREVER, 0), SIM_IDLE);

    oracle_liveness.stuck(w.oracle.state, w.sim);
    assert_int_equal(w.said.failures, 1);
    assert_string_equal(w.said.site, "stuck");
    assert_non_null(strstr(w.said.text, "waiter"));
    assert_non_null(strstr(w.said.text, "a door that stays shut"));

    oracle_liveness.end(w.oracle.state, w.sim);
    assert_int_equal(w.said.failures, 2);
    assert_string_equal(w.said.site, "coroutine");
    assert_non_null(strstr(w.said.text, "waiter"));

    co_queue_wake_all(&w.never);
    sim_run(w.sim, NULL, SIM_FOREVER, 0);
    close_world(&w);
}

static void nothing(void *opaque)
{
    (void)opaque;
}

static void canary_timer_left_behind(void **state)
{
    struct world w;
    struct timer t;
    (void)state;
    open_world(&w);
    timer_init(&t, nothing, NULL);
    timer_set(&w.sim->clock, &t, 7000);
    oracle_liveness.end(w.oracle.state, w.sim);
    assert_int_equal(w.said.failures, 1);
    assert_string_equal(w.said.site, "timer");
    assert_non_null(strstr(w.said.text, "7000 ns"));
    timer_cancel(&w.sim->clock, &t);
    close_world(&w);
}

static void table_is_complete(void **state)
{
    (void)state;
    size_t n = 0;
    for (; oracles_all[n]; n++) {
        assert_non_null(oracles_all[n]->name);
        assert_non_null(oracles_all[n]->help);
        assert_non_null(oracles_all[n]->blind);
        assert_non_null(oracles_all[n]->create);
        assert_non_null(oracles_all[n]->destroy);
        for (size_t k = 0; k < n; k++) {
            assert_string_not_equal(oracles_all[n]->name, oracles_all[k]->name);
        }
    }
    assert_int_equal(n, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_world_that_ended_passes),
        cmocka_unit_test(canary_coroutine_that_waits_for_ever),
        cmocka_unit_test(canary_timer_left_behind),
        cmocka_unit_test(table_is_complete),
    };
    return cmocka_run_group_tests_name("oracles/liveness", tests, NULL, NULL);
}
