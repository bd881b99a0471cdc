/* SPDX-License-Identifier: MIT */
/* Monitors in a world: what their clients get, and when. */
#include "model/qmp/monitor.h"
#include "base/check.h"
#include "base/mem.h"
#include "drivers/registry.h"
#include "model/layer_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MONITORS = 2 };

struct world {
    struct sim *sim;
    struct host *host;
    struct layer *layer;
    struct monitor *monitor[MONITORS];
    struct strbuf got[MONITORS]; /* Lines without their ends, '\n' between. */
    struct co *holder;           /* Who holds the layer's turn, or NULL. */
    unsigned idle;
};

struct line_sink {
    struct world *w;
    size_t i;
};

static void on_send(void *opaque, const char *bytes, size_t n)
{
    struct line_sink *s = opaque;
    CHECK(n >= 2 && memcmp(bytes + n - 2, "\r\n", 2) == 0);
    strbuf_add(&s->w->got[s->i], bytes, n - 2);
    strbuf_putc(&s->w->got[s->i], '\n');
}

static void on_idle(void *opaque)
{
    struct line_sink *s = opaque;
    s->w->idle++;
}

static void on_event(void *opaque, const struct event *event)
{
    struct world *w = opaque;
    json_t *value = event_value(event->text);
    for (size_t i = 0; i < MONITORS; i++) {
        monitor_event(w->monitor[i], value);
    }
    json_decref(value);
}

static struct line_sink *sinks(struct world *w)
{
    return (struct line_sink *)(w + 1);
}

static int open_world(void **state)
{
    struct world *w = mem_zalloc(sizeof(struct world) + MONITORS * sizeof(struct line_sink));
    struct disk_config cfg = DISK_CONFIG_INIT;
    w->sim = sim_create(&(struct sim_config){ .seed = 0 });
    w->host = host_sim_create(w->sim, &cfg);
    w->layer = layer_create(w->sim, w->host, drivers_all);
    layer_on_event(w->layer, on_event, w);
    for (size_t i = 0; i < MONITORS; i++) {
        sinks(w)[i] = (struct line_sink){ w, i };
        w->monitor[i] = monitor_create(&(struct monitor_config){
            .layer = w->layer, .send = on_send, .idle = on_idle, .opaque = &sinks(w)[i] });
    }
    *state = w;
    return 0;
}

static void layer_end(void *opaque)
{
    struct world *w = opaque;
    layer_destroy(w->layer);
    w->layer = NULL;
}

static int close_world(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < MONITORS; i++) {
        if (monitor_is_connected(w->monitor[i])) {
            monitor_disconnect(w->monitor[i]);
        }
        monitor_destroy(w->monitor[i]);
        strbuf_free(&w->got[i]);
    }
    co_create(w->sim, "end", 0, layer_end, w);
    assert_int_equal(sim_run(w->sim, NULL, SIM_FOREVER, 0), SIM_IDLE);
    assert_null(w->layer);
    host_destroy(w->host);
    sim_destroy(w->sim);
    free(w);
    return 0;
}

/* Gives text to monitor i, runs what can run, and compares all that has come since. */
static void talk(struct world *w, size_t i, const char *text, const char *wanted)
{
    size_t n = strlen(text);
    for (size_t at = 0, taken = 1; at < n && taken; at += taken) {
        taken = monitor_feed(w->monitor[i], text + at, n - at);
        sim_settle(w->sim, 0);
    }
    assert_string_equal(strbuf_str(&w->got[i]), wanted);
    strbuf_free(&w->got[i]);
}

static void connect_to(struct world *w, size_t i)
{
    monitor_connect(w->monitor[i]);
    assert_non_null(strstr(strbuf_str(&w->got[i]), "\"capabilities\": [\"oob\"]}}\n"));
    strbuf_free(&w->got[i]);
}

/* Somebody runs a command that lasts. */
static void hold(void *opaque)
{
    struct world *w = opaque;
    qmp_lock(w->layer);
    w->holder = co_self(w->sim);
    co_yield(w->sim, "the test", w);
    qmp_unlock(w->layer);
    w->holder = NULL;
}

static void hold_turn(struct world *w)
{
    co_create(w->sim, "holder", 0, hold, w);
    sim_settle(w->sim, 0);
    assert_non_null(w->holder);
}

static void give_turn(struct world *w)
{
    co_wake(w->holder);
    sim_settle(w->sim, 0);
    assert_null(w->holder);
}

#define OOB "{'execute':'qmp_capabilities','arguments':{'enable':['oob']}}"
#define DONE "{\"return\": {}}\n"

/* Each client negotiates for itself, also the next one of the same monitor. */
static void test_negotiation(void **state)
{
    static const char refused[] =
        "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"Expecting capabilities "
        "negotiation with 'qmp_capabilities'\"}}\n";
    struct world *w = *state;
    connect_to(w, 0);
    connect_to(w, 1);
    talk(w, 0, "{'execute':'query-yank'}", refused);
    talk(w, 0, "{'execute':'no'}", refused);
    talk(w, 0, "{'execute':'qmp_capabilities'}", DONE);
    talk(w, 0, "{'execute':'query-yank'}", "{\"return\": []}\n");
    talk(w, 1, "{'execute':'query-yank'}", refused);
    monitor_disconnect(w->monitor[0]);
    connect_to(w, 0);
    talk(w, 0, "{'execute':'query-yank'}", refused);
}

/* Without "oob" the next request is read when the last one is answered. */
static void test_one_at_a_time(void **state)
{
    struct world *w = *state;
    const char two[] = "{'execute':'query-yank','id':1}{'execute':'query-yank','id':2}";
    connect_to(w, 0);
    talk(w, 0, "{'execute':'qmp_capabilities'}", DONE);
    hold_turn(w);
    size_t taken = monitor_feed(w->monitor[0], two, sizeof(two) - 1);
    assert_int_equal(taken, strcspn(two, "}") + 1);
    assert_false(monitor_takes(w->monitor[0]));
    assert_true(monitor_is_busy(w->monitor[0]));
    assert_int_equal(monitor_feed(w->monitor[0], two + taken, sizeof(two) - 1 - taken), 0);
    w->idle = 0;
    give_turn(w);
    assert_int_equal(w->idle, 1);
    talk(w, 0, two + taken, "{\"return\": [], \"id\": 1}\n{\"return\": [], \"id\": 2}\n");
    assert_false(monitor_is_busy(w->monitor[0]));
}

/* With it eight may wait, and what is out of band overtakes them while it can still be read. */
static void test_queue_of_eight(void **state)
{
    struct world *w = *state;
    connect_to(w, 0);
    talk(w, 0, OOB, DONE);
    hold_turn(w);
    for (int i = 0; i < 7; i++) {
        talk(w, 0, "{'execute':'query-yank'}", "");
    }
    talk(w, 0, "{'exec-oob':'query-yank','id':'now'}", "{\"return\": [], \"id\": \"now\"}\n");
    talk(w, 0, "{'exec-oob':'query-version'}",
         "{\"error\": {\"class\": \"GenericError\", \"desc\": \"The command query-version does not "
         "support OOB\"}}\n");
    talk(w, 0, "[}", "");
    assert_false(monitor_takes(w->monitor[0]));
    assert_int_equal(monitor_feed(w->monitor[0], "{", 1), 0);
    give_turn(w);
    talk(w, 0, "",
         "{\"return\": []}\n{\"return\": []}\n{\"return\": []}\n{\"return\": []}\n"
         "{\"return\": []}\n{\"return\": []}\n{\"return\": []}\n"
         "{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error, expecting "
         "value\"}}\n");
}

/* Clients of two monitors take turns, first come, first served. */
static void test_turns(void **state)
{
    struct world *w = *state;
    connect_to(w, 0);
    connect_to(w, 1);
    talk(w, 0, OOB, DONE);
    talk(w, 1, OOB, DONE);
    hold_turn(w);
    talk(w, 0, "{'execute':'blockdev-add','arguments':{'driver':'null-co','node-name':'a'}}", "");
    talk(w, 1, "{'execute':'blockdev-del','arguments':{'node-name':'a'}}", "");
    talk(w, 0, "{'execute':'blockdev-del','arguments':{'node-name':'a'}}", "");
    give_turn(w);
    talk(w, 1, "", DONE);
    talk(w, 0, "", DONE "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Failed to find node "
                        "with node-name='a'\"}}\n");
}

/* What has not begun goes with its client, and so does half a request. */
static void test_disconnect(void **state)
{
    struct world *w = *state;
    connect_to(w, 0);
    connect_to(w, 1);
    talk(w, 0, OOB, DONE);
    talk(w, 1, OOB, DONE);
    hold_turn(w);
    talk(w, 0, "{'execute':'blockdev-add','arguments':{'driver':'null-co','node-name':'a'}}", "");
    talk(w, 0, "{'execute':'query-ya", "");
    monitor_disconnect(w->monitor[0]);
    assert_false(monitor_takes(w->monitor[0]));
    give_turn(w);
    assert_false(monitor_is_busy(w->monitor[0]));
    connect_to(w, 0);
    talk(w, 0, "nk'}", "{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error, "
                       "invalid keyword 'nk'\"}}\n");
    talk(w, 1, "{'execute':'blockdev-del','arguments':{'node-name':'a'}}",
         "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Failed to find node with "
         "node-name='a'\"}}\n");
}

/* Events go to whoever has negotiated. */
static void test_events(void **state)
{
    static const char event[] =
        "{\"timestamp\": {\"seconds\": 0, \"microseconds\": 0}, \"event\": \"SHUTDOWN\"}\n";
    struct world *w = *state;
    connect_to(w, 0);
    connect_to(w, 1);
    talk(w, 0, OOB, DONE);
    layer_emit(w->layer, "SHUTDOWN", NULL);
    talk(w, 0, "", event);
    talk(w, 1, "", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_negotiation, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_one_at_a_time, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_queue_of_eight, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_turns, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_disconnect, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_events, open_world, close_world),
    };
    return cmocka_run_group_tests_name("model/qmp/monitor", tests, NULL, NULL);
}
