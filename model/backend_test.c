/* SPDX-License-Identifier: MIT */
/* A backend on a node whose requests take a millisecond: its door, its media, its client. */
#include "model/backend.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/drain.h"
#include "model/iothread.h"
#include "model/layer_state.h"
#include "sim/disk.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

/* ---- A slow driver ---- */

enum { SLOW_LENGTH = 65536 };

static int slow_open(struct node *n, const struct opts *opts, struct error *err)
{
    (void)n;
    (void)opts;
    (void)err;
    return 0;
}

static int64_t slow_length(struct node *n)
{
    (void)n;
    return SLOW_LENGTH;
}

static int slow_any(struct node *n, struct io_req *req)
{
    co_sleep(n->sim, NS_PER_MS);
    if (req->op == IO_READ) {
        iobuf_set(req->buf, 0, fill_byte((uint8_t)n->name[0]), req->buf->len);
    }
    return 0;
}

static const struct driver_io slow_io = { .any = slow_any };
static const struct schema_member slow_options[] = { { 0 } };
static const struct blk_driver slow = {
    .name = "slow",
    .help = "a millisecond a request",
    .traits = DRV_PROTOCOL,
    .options = slow_options,
    .open = slow_open,
    .length = slow_length,
    .io = &slow_io,
};
static const struct blk_driver *const drivers[] = { &slow, NULL };

/* ---- The world ---- */

struct world {
    struct sim *sim;
    struct host *host;
    struct layer *layer;
    struct backend *b;
    struct node *x, *y;
    void (*body)(struct world *w);
    bool done;
    /* Readers. */
    uint32_t reads, read_done;
    int ret;
    uint8_t byte;
    bool tray_open;
    /* What a watch was told. */
    uint32_t begun, ended;
    const struct node *told;
};

static struct node *add_node(struct world *w, const char *name)
{
    struct node *n;
    json_t *options = json_pack("{s:s, s:s}", "driver", "slow", "node-name", name);
    assert_int_equal(node_open(w->layer, options, NULL, 0, &n, NULL), 0);
    json_decref(options);
    n->monitor_owned = true;
    return n;
}

static void world_run(void *opaque)
{
    static const struct perm_pair perm = { PERM_CONSISTENT_READ | PERM_WRITE, PERM_ALL };
    struct world *w = opaque;
    w->x = add_node(w, "x");
    w->y = add_node(w, "y");
    w->b = backend_create(w->layer, "d0", perm);
    assert_int_equal(backend_insert(w->b, w->x, NULL), 0);
    w->body(w);
    layer_destroy(w->layer);
    w->done = true;
}

static void run(void (*body)(struct world *w))
{
    struct disk_config disk = DISK_CONFIG_INIT;
    struct world w = { .body = body };
    w.sim = sim_create(&(struct sim_config){ .seed = 1 });
    w.host = host_sim_create(w.sim, &disk);
    w.layer = layer_create(w.sim, w.host, drivers);
    co_create(w.sim, "test", 0, world_run, &w);
    assert_int_equal(sim_run(w.sim, NULL, SIM_FOREVER, 0), SIM_IDLE);
    assert_true(w.done);
    host_destroy(w.host);
    sim_destroy(w.sim);
}

static void reader_run(void *opaque)
{
    struct world *w = opaque;
    struct iovec iov;
    uint8_t memory[512] = { 0 };
    struct iobuf buf = iobuf_mem(&iov, memory, sizeof(memory));
    struct backend *b = backend_ref(w->b);
    w->ret = backend_read(b, 0, &buf, 0);
    w->byte = memory[0];
    w->read_done++;
    backend_unref(b);
}

/* Starts a read and lets it get as far as it can in this instant. */
static void start_read(struct world *w)
{
    w->reads++;
    co_create(w->sim, "reader", 0, reader_run, w);
    co_pass(w->sim);
}

/* ---- Stories ---- */

static void a_drained_section_holds_back(struct world *w)
{
    start_read(w);
    assert_int_equal(w->x->started, 1);
    int64_t start_ns = sim_now_ns(w->sim);
    drain_begin(w->x);
    assert_int_equal(sim_now_ns(w->sim) - start_ns, NS_PER_MS); /* The one in flight. */
    assert_int_equal(w->read_done, 1);
    start_read(w);
    start_read(w);
    co_sleep(w->sim, NS_PER_S);
    assert_int_equal(w->read_done, 1);
    assert_int_equal(w->x->started, 1);
    drain_begin(w->x); /* Sections nest. */
    drain_end(w->x);
    co_sleep(w->sim, NS_PER_S);
    assert_int_equal(w->read_done, 1);
    drain_end(w->x);
    co_sleep(w->sim, 2 * NS_PER_MS);
    assert_int_equal(w->read_done, 3);
    assert_int_equal(w->ret, 0);
}

static void a_node_that_comes_quiet_closes_the_door(struct world *w)
{
    backend_remove(w->b);
    drain_begin(w->y);
    assert_int_equal(backend_insert(w->b, w->y, NULL), 0);
    start_read(w);
    co_sleep(w->sim, NS_PER_S);
    assert_int_equal(w->read_done, 0);
    drain_end(w->y);
    co_sleep(w->sim, NS_PER_S);
    assert_int_equal(w->read_done, 1);
    assert_int_equal(w->byte, 'y');
}

static void who_waits_at_the_door_is_for_the_old_medium(struct world *w)
{
    drain_begin(w->x);
    start_read(w);
    backend_remove(w->b);
    assert_int_equal(backend_insert(w->b, w->y, NULL), 0);
    co_sleep(w->sim, NS_PER_S);
    assert_int_equal(w->read_done, 1);
    assert_int_equal(w->ret, -ENOMEDIUM);
    drain_end(w->x);
    start_read(w);
    co_sleep(w->sim, NS_PER_S);
    assert_int_equal(w->ret, 0);
    assert_int_equal(w->byte, 'y');
}

static void removal_waits_for_what_is_in_flight(struct world *w)
{
    start_read(w);
    backend_remove(w->b);
    assert_int_equal(w->read_done, 1);
    assert_int_equal(w->ret, 0);
    assert_null(backend_node(w->b));
    assert_int_equal(backend_length(w->b), -ENOMEDIUM);
    assert_int_equal(backend_flush(w->b), -ENOMEDIUM);
}

static void a_destroyed_backend_answers_who_still_calls(struct world *w)
{
    struct backend *b = backend_ref(w->b);
    drain_begin(w->x);
    start_read(w);
    backend_destroy(w->b);
    co_sleep(w->sim, NS_PER_S);
    assert_int_equal(w->read_done, 1);
    assert_int_equal(w->ret, -ENOMEDIUM);
    assert_null(layer_find_backend(w->layer, "d0"));
    assert_int_equal(backend_flush(b), -ENOMEDIUM);
    drain_end(w->x);
    backend_unref(b);
}

/* ---- Watching ---- */

static void watch_begin(void *opaque, struct node *n)
{
    struct world *w = opaque;
    w->begun++;
    w->told = n;
}

static void watch_end(void *opaque, int ret)
{
    struct world *w = opaque;
    assert_int_equal(ret, 0);
    w->ended++;
}

static void who_watches_is_told_behind_the_door(struct world *w)
{
    struct backend_watch watch = { watch_begin, watch_end, w };
    struct io_req flush = { .op = IO_FLUSH };
    struct io_req outside = { .op = IO_DISCARD, .offset = SLOW_LENGTH, .bytes = 512 };
    assert_int_equal(backend_request(w->b, &flush, &watch, NULL), 0);
    assert_int_equal(w->begun, 1);
    assert_int_equal(w->ended, 1);
    assert_ptr_equal(w->told, w->x);
    assert_int_equal(backend_request(w->b, &outside, &watch, NULL), -EIO);
    assert_int_equal(w->begun, 1); /* It reached nothing. */
    assert_int_equal(backend_acct(w->b)->ops[ACCT_FLUSH], 0); /* Nor does it count. */
}

/* ---- A client ---- */

static const char *client_id(const void *opaque)
{
    (void)opaque;
    return "me";
}

static bool client_tray(const void *opaque)
{
    const struct world *w = opaque;
    return w->tray_open;
}

static const struct backend_client client = { .id = client_id, .tray_is_open = client_tray };
static const struct backend_client nobody = { 0 };

static void a_client_has_the_backend_to_itself(struct world *w)
{
    struct error err = ERROR_INIT;
    assert_string_equal(backend_client_id(w->b), "");
    assert_int_equal(node_set_iothread(w->x, 0, &err), 0);
    backend_attach(w->b, &client, w);
    assert_string_equal(backend_client_id(w->b), "me");
    assert_ptr_equal(backend_client_of(w->b, &client), w);
    assert_null(backend_client_of(w->b, &nobody));
    w->tray_open = true;
    assert_false(backend_is_available(w->b));
    assert_int_equal(backend_length(w->b), -ENOMEDIUM);
    assert_int_equal(backend_discard(w->b, 0, 512), -ENOMEDIUM);
    w->tray_open = false;
    assert_int_equal(backend_length(w->b), SLOW_LENGTH);
    int thread = sim_iothread_add(w->sim, "t");
    assert_int_equal(node_set_iothread(w->x, (uint32_t)thread, &err), -EPERM);
    assert_string_equal(err.text, "Cannot change iothread of active block backend");
    assert_int_equal(backend_set_iothread(w->b, (uint32_t)thread, NULL), 0);
    assert_int_equal(w->x->iothread, thread);
    backend_detach(w->b);
    assert_false(backend_has_client(w->b));
    assert_int_equal(node_set_iothread(w->x, 0, NULL), 0);
}

/* ---- Policies ---- */

static void what_becomes_of_errors(struct world *w)
{
    struct backend *b = w->b;
    assert_int_equal(backend_error_action(b, true, EIO), ERROR_ACTION_REPORT);
    assert_int_equal(backend_error_action(b, false, ENOSPC), ERROR_ACTION_STOP);
    assert_int_equal(backend_error_action(b, false, EIO), ERROR_ACTION_REPORT);
    assert_null(backend_io_status(b));
    backend_enable_io_status(b);
    assert_string_equal(backend_io_status(b), "ok");
    backend_set_on_error(b, ON_ERROR_STOP, ON_ERROR_AUTO);
    assert_int_equal(backend_on_error(b, false), ON_ERROR_ENOSPC);
    assert_int_equal(backend_error_action(b, true, EIO), ERROR_ACTION_STOP);
    backend_tell_error(b, ERROR_ACTION_REPORT, true, EIO);
    assert_string_equal(backend_io_status(b), "ok");
    backend_tell_error(b, ERROR_ACTION_STOP, true, EIO);
    backend_tell_error(b, ERROR_ACTION_STOP, false, ENOSPC);
    assert_string_equal(backend_io_status(b), "failed"); /* The first one. */
    backend_reset_io_status(b);
    backend_tell_error(b, ERROR_ACTION_STOP, false, ENOSPC);
    assert_string_equal(backend_io_status(b), "nospace");
    backend_set_on_error(b, ON_ERROR_REPORT, ON_ERROR_IGNORE);
    assert_null(backend_io_status(b));
    for (enum on_error e = ON_ERROR_REPORT; e <= ON_ERROR_AUTO; e++) {
        assert_int_equal(on_error_parse(on_error_name(e)), e);
    }
    assert_int_equal(on_error_parse("panic"), -1);
}

#define STORY(body)                                                                                \
    static void test_##body(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        run(body);                                                                                 \
    }

STORY(a_drained_section_holds_back)
STORY(a_node_that_comes_quiet_closes_the_door)
STORY(who_waits_at_the_door_is_for_the_old_medium)
STORY(removal_waits_for_what_is_in_flight)
STORY(a_destroyed_backend_answers_who_still_calls)
STORY(who_watches_is_told_behind_the_door)
STORY(a_client_has_the_backend_to_itself)
STORY(what_becomes_of_errors)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_drained_section_holds_back),
        cmocka_unit_test(test_a_node_that_comes_quiet_closes_the_door),
        cmocka_unit_test(test_who_waits_at_the_door_is_for_the_old_medium),
        cmocka_unit_test(test_removal_waits_for_what_is_in_flight),
        cmocka_unit_test(test_a_destroyed_backend_answers_who_still_calls),
        cmocka_unit_test(test_who_watches_is_told_behind_the_door),
        cmocka_unit_test(test_a_client_has_the_backend_to_itself),
        cmocka_unit_test(test_what_becomes_of_errors),
    };
    return cmocka_run_group_tests_name("model/backend", tests, NULL, NULL);
}
