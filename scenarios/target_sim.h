/* The `sim` target: a block layer in a simulated world.  Behind scenarios/target.h. */
#ifndef SCENARIOS_TARGET_SIM_H
#define SCENARIOS_TARGET_SIM_H

#include "scenarios/guest.h"
#include "scenarios/target.h"
#include "sim/host.h"

struct target_sim_config {
    struct sim *sim;         /* Borrowed, as is all else. */
    const struct blk_driver *const *drivers;
    struct guest *guest;
    const char *posix_dir;   /* Real files below this directory; NULL: a simulated host. */
    const char *script_dir;  /* For `io ... write -s FILE`. */
    uint64_t steps_max;      /* Of the world, from its beginning. */
    /* Output of aio requests that belongs to no statement any more. */
    void (*late)(void *opaque, const char *node, const char *text);
    void *opaque;
};

struct target *target_sim_create(const struct target_sim_config *cfg);

/* NULL while the power is off. */
struct layer *target_sim_layer(const struct target *t);
struct host *target_sim_host(const struct target *t);

/* Runs fn(opaque) in a coroutine of its own and waits for it without a limit of time.
 * Errors as ops->run: it may then still run. */
int target_sim_in_coroutine(struct target *t, const char *name, void (*fn)(void *opaque),
                            void *opaque);

/* Lets everything go that breakpoints hold; with rules also what hangs by fault rules, all of which
 * are gone then. */
int target_sim_release(struct target *t, bool rules);

/* Allows that many more steps from now on: a case that has used up its own is torn down all the
 * same. */
void target_sim_allow_steps(struct target *t, uint64_t steps);

/* What `quit` of the monitor does; without it, it is an error. */
void target_sim_on_quit(struct target *t, void (*fn)(void *opaque), void *opaque);

/* What the layer has warned of since the last call, in lines: new, NULL when nothing. */
char *target_sim_take_warnings(struct target *t);

/* Somebody who is not a statement gives commands: from now on (or until on is false) time has to be
 * moved from instant to instant, as such a command may wait for what only a look can find. */
void target_sim_poll(struct target *t, bool on);

/* io commands and aio requests in flight, and QMP commands. */
size_t target_sim_busy(const struct target *t);

/* The end of a case or of power: tears the layer down through its ordinary paths.  Checked: not
 * busy.  No backend of the caller is left.  Errors as ops->run; the layer then still exists and the
 * target cannot be destroyed. */
int target_sim_close_layer(struct target *t);
/* An iothread of the machine: it is there whenever the layer is.  Errors: as layer_add_iothread. */
int target_sim_add_iothread(struct target *t, const char *name, struct error *err);
/* After power_on: a new layer with nothing but the machine's iothreads.  Checked: there is none. */
void target_sim_open_layer(struct target *t);

#endif
