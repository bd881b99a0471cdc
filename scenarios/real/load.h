/* Guest load on a real target: the requests of the same list (scenarios/load_plan.h) as a load of
 * the simulated layer does, by asynchronous io commands.
 *
 * Data are LOAD_BYTES: `aio_write -P BYTE`.  A read is verified with -P where the load knows that
 * all of it is one byte, and the final reading is made of such reads.
 *
 * A node gets a frontend of its own for the time of the load, a SCSI one named LOAD_REAL_PREFIX and
 * the tag: qemu-io on a node waits for each request, and only what uses a node all the time is in
 * the way of what wants to change it, as a guest is.  It shares everything and sends no request.
 *
 * Nothing happens by itself: load_real_step starts what may start, so it is called again and again
 * while the target runs.
 */
#ifndef SCENARIOS_REAL_LOAD_H
#define SCENARIOS_REAL_LOAD_H

#include "base/error.h"
#include "scenarios/load.h"
#include "scenarios/target.h"

/* More requests than that are not kept in flight, whatever depth says: the monitor takes them one
 * after the other. */
enum { LOAD_REAL_DEPTH_MAX = 128 };

#define LOAD_REAL_PREFIX "blksim-load-"

struct load_real;

struct load_real_config {
    struct target *target;
    bool frontends;   /* It has device_add. */
    const char *tag;
    const char *name; /* Of a node, frontend or block device; looked up in this order. */
    int argc;         /* "key=value" words; no iothread= among them. */
    char **argv;
    uint64_t unit_seed;
};

/* Sends some commands and waits for the answers; what cfg names is copied, but for the target.
 * Errors: as load_start; -EPIPE: the program has died, or does not answer. */
int load_real_start(const struct load_real_config *cfg, struct load_real **out,
                    struct error *err);
/* Takes what has ended, and starts what may start.  True: the load has ended. */
bool load_real_step(struct load_real *l);
/* Set when the next step may have something to do: a request has ended.  Valid until that step;
 * NULL when nothing is in flight. */
const bool *load_real_wait(const struct load_real *l);
/* Points at a flag that a step sets when the load has ended. */
const bool *load_real_done(const struct load_real *l);
/* The list has an end of its own: count= was given. */
bool load_real_is_finite(const struct load_real *l);
void load_real_stop(struct load_real *l);
/* As those of a load. */
int load_real_result(const struct load_real *l, struct error *err);
struct load_stats load_real_stats(const struct load_real *l);
/* Takes the frontend away, waiting for that, and frees.  Checked: done. */
void load_real_free(struct load_real *l);

/* What an io command has told of an asynchronous request: 0, or -errno with err set to QEMU's
 * words for it.  *differs: it has read other data than -P said.  For tests. */
int load_real_answer(const struct target_call *call, bool *differs, struct error *err);

#endif
