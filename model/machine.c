/* SPDX-License-Identifier: MIT */
#include "model/machine.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/device.h"
#include "model/drain.h"
#include "model/io_private.h"
#include "model/layer_state.h"

#include <stdlib.h>

struct machine {
    enum run_state state;
    bool off;
    bool has_run;
    uint32_t waiting; /* Guests in machine_wait_running. */
    struct co_queue guests;
    uint32_t flushes; /* Coroutines that end a stop. */
    struct co_queue idle;
};

struct machine *machine_create(struct layer *l)
{
    struct machine *m = NEW(struct machine);
    CHECK(!l->machine);
    m->state = RUN_STATE_RUNNING;
    m->has_run = true;
    m->guests.what = "the machine to run";
    m->idle.what = "the stop of the machine";
    return m;
}

void machine_destroy(struct machine *m)
{
    CHECK(m->waiting == 0 && m->flushes == 0);
    free(m);
}

void machine_hold(struct layer *l)
{
    if (l->machine->state == RUN_STATE_RUNNING) {
        l->machine->state = RUN_STATE_PRELAUNCH;
        l->machine->has_run = false;
    }
}

bool machine_has_run(const struct layer *l)
{
    return l->machine->has_run;
}

bool machine_is_running(const struct layer *l)
{
    return l->machine->state == RUN_STATE_RUNNING && !l->machine->off;
}

const char *machine_state_name(const struct layer *l)
{
    static const char *const names[] = { [RUN_STATE_PRELAUNCH] = "prelaunch",
                                         [RUN_STATE_RUNNING] = "running",
                                         [RUN_STATE_PAUSED] = "paused",
                                         [RUN_STATE_IO_ERROR] = "io-error" };
    return names[l->machine->state];
}

/* ---- Stopping ---- */

/* [io] What was written before the stop is durable after it: the image may go on elsewhere.  No
 * command runs meanwhile. */
static void come_to_rest(struct layer *l)
{
    drain_all_begin(l);
    drain_all_end(l);
    struct node **roots = NULL;
    size_t len = 0;
    for (struct node *n = l->nodes; n; n = n->next) {
        if (node_is_usable(n) && (n->monitor_owned || !n->parents || !n->parents->parent)) {
            roots = mem_resize(roots, (len + 1) * sizeof(struct node *));
            roots[len++] = node_ref(n);
        }
    }
    for (size_t i = 0; i < len; i++) {
        io_flush_node(roots[i]); /* A failure was not promised to anybody. */
        node_unref(roots[i]);
    }
    free(roots);
}

static bool leave_running(struct layer *l, enum run_state state)
{
    struct machine *m = l->machine;
    if (m->state != RUN_STATE_RUNNING) {
        return false;
    }
    m->state = state;
    layer_emit(l, "STOP", NULL);
    return true;
}

void machine_stop(struct layer *l)
{
    leave_running(l, RUN_STATE_PAUSED);
    come_to_rest(l); /* What others than the guest wrote since the last stop, too. */
}

static void rest_run(void *opaque)
{
    struct layer *l = opaque;
    struct machine *m = l->machine;
    qmp_lock(l);
    come_to_rest(l);
    qmp_unlock(l);
    if (--m->flushes == 0) {
        co_queue_wake_all(&m->idle);
    }
}

void machine_stop_for_error(struct layer *l)
{
    if (leave_running(l, RUN_STATE_IO_ERROR)) {
        l->machine->flushes++;
        co_create(l->sim, "stop of the machine", 0, rest_run, l);
    }
}

/* ---- Going on ---- */

void machine_cont(struct layer *l)
{
    struct machine *m = l->machine;
    for (struct backend *b = l->backends; b; b = backend_next(b)) {
        if (*backend_name(b)) {
            backend_reset_io_status(b); /* Of others QEMU keeps it, too. */
        }
    }
    if (m->state != RUN_STATE_RUNNING) {
        m->state = RUN_STATE_RUNNING;
        m->has_run = true;
        layer_emit(l, "RESUME", NULL);
        machine_wake(l);
        device_finish_unplug(l);
    }
}

void machine_reset(struct layer *l)
{
    struct machine *m = l->machine;
    layer_emit(l, "RESET",
               json_pack("{s:b, s:s}", "guest", 0, "reason", "host-qmp-system-reset"));
    if (m->state != RUN_STATE_RUNNING) {
        m->state = RUN_STATE_PRELAUNCH;
    }
    device_close_trays(l);
    device_finish_unplug(l);
}

bool machine_wait_running(struct layer *l, const bool *gone)
{
    struct machine *m = l->machine;
    m->waiting++;
    while (m->state != RUN_STATE_RUNNING && !m->off && !*gone) {
        co_queue_wait(l->sim, &m->guests);
    }
    m->waiting--;
    return !m->off && !*gone;
}

void machine_wake(struct layer *l)
{
    co_queue_wake_all(&l->machine->guests);
}

void machine_off(struct layer *l)
{
    struct machine *m = l->machine;
    m->off = true;
    machine_wake(l);
    while (m->flushes > 0) {
        co_queue_wait(l->sim, &m->idle);
    }
}
