/* The machine around the block layer, as far as the block layer meets it: whether it runs.
 *
 *                    cont                   stop
 *   PRELAUNCH ------------------> RUNNING --------> PAUSED
 *       ^                          |  ^                |
 *       | reset                    |  +------ cont ----+
 *       +-- (when it does not run) | a request fails, and its policy is to stop
 *                                  v
 *                               IO_ERROR ---- cont ----> RUNNING
 *
 * A guest makes requests only while it runs; those that failed and stopped the machine are kept,
 * and made again when it goes on.  (QEMU qapi/run-state.json.)
 */
#ifndef MODEL_MACHINE_H
#define MODEL_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

struct layer;
struct machine;

enum run_state { RUN_STATE_PRELAUNCH, RUN_STATE_RUNNING, RUN_STATE_PAUSED, RUN_STATE_IO_ERROR };

/* It runs, unless machine_hold (-S) says that it waits for `cont`. */
struct machine *machine_create(struct layer *l);
/* Checked: no guest waits. */
void machine_destroy(struct machine *m);
void machine_hold(struct layer *l);

bool machine_is_running(const struct layer *l);
/* False: it waits for its first start. */
bool machine_has_run(const struct layer *l);
/* "running", "io-error"... */
const char *machine_state_name(const struct layer *l);

/* [io] Requests in flight end, and all nodes are flushed; also when it does not run. */
void machine_stop(struct layer *l);
/* [ctl] The same because of a failed request: ends and flushes by itself. */
void machine_stop_for_error(struct layer *l);
/* [io] The guest goes on, and what was asked to go goes. */
void machine_cont(struct layer *l);
/* [io] Trays close, and what was asked to go goes. */
void machine_reset(struct layer *l);

/* [io] Waits until the guest runs.  False: it never will again (machine_off), or *gone was set and
 * machine_wake called. */
bool machine_wait_running(struct layer *l, const bool *gone);
void machine_wake(struct layer *l);
/* [io] The end: guests that wait give up.  Also waits for what a stop left to be done. */
void machine_off(struct layer *l);

#endif
