/* Workers: forked processes that run units, so that a crash or an endless loop of the code under
 * test is a verdict and never the end of the run.
 *
 * The parent hands out unit numbers through a pipe, two ahead; a worker runs them in order and
 * sends each result back packed and framed.  What a worker writes to stderr goes through a pipe
 * too.  A shared page holds the statement and line that each worker is at, so when one dies the
 * parent knows the exact run and place.  A worker that gives no result for the watchdog's time is
 * killed.  In both cases a new worker takes over and the run goes on.
 */
#ifndef APP_WORKER_H
#define APP_WORKER_H

#include "base/error.h"
#include "scenarios/run.h"

#include <stdint.h>

enum {
    POOL_WORKERS_MAX = 256,
    POOL_TICK_MS = 250,
};

struct pool_config {
    const struct units *units;
    /* For each unit: a result that is there already, or NULL for a unit to run.  The pool fills it
     * and frees what it emitted. */
    struct result **results;
    unsigned workers;
    unsigned watchdog_s;          /* Wall time of one unit; 0: no limit. */
    bool host_time;               /* Measure host_ns; otherwise no clock is read. */
    const struct run_config *run; /* For every unit; work_dir and progress are the pool's. */
    /* What runs a unit in a worker. */
    void (*execute)(void *opaque, const struct unit *u, const struct run_config *cfg,
                    struct result *r);
    void *execute_opaque;
    const char *temp_dir;         /* Private folders of workers are made in it. */
};

struct pool_tick {
    size_t done;       /* Units that have a result. */
    const char *current; /* Case id of the oldest unit in progress, "". */
    uint32_t elapsed_ms;
};

struct pool_sink {
    /* A result, in the order of the units.  Not 0: the run is stopped. */
    int (*result)(void *opaque, size_t unit, struct result *r);
    /* About every POOL_TICK_MS.  Not 0: the run is stopped. */
    int (*tick)(void *opaque, const struct pool_tick *t);
    /* What a unit wrote to stderr without dying of it. */
    void (*stderr_text)(void *opaque, size_t unit, const char *text);
    /* A worker failed after its last unit (a leak report): what it said. */
    void (*late_failure)(void *opaque, const char *text);
    void *opaque;
};

enum pool_end {
    POOL_DONE,
    POOL_INTERRUPTED, /* SIGINT, SIGTERM or SIGHUP: what was finished has been emitted. */
    POOL_STOPPED,     /* A sink said so. */
    POOL_FAILED,      /* No worker could be made; err is set. */
};

enum pool_end pool_run(const struct pool_config *cfg, const struct pool_sink *sink,
                       struct error *err);

/* --- The two halves, for worker.c and worker_child.c alone --- */

/* One worker's place in the shared page; written by the worker. */
struct worker_slot {
    _Atomic uint32_t statement;
    _Atomic int32_t line;
};

struct worker_order {
    uint64_t unit;
};

/* Before the packed result. */
struct worker_frame {
    uint64_t unit, bytes;
};

enum { FRAME_MAX_BYTES = 1 << 30 };

/* The worker's life; does not return.  Starts in a new process whose other descriptors are
 * closed, stderr a pipe. */
_Noreturn void worker_main(const struct pool_config *cfg, int order_fd, int result_fd,
                           struct worker_slot *slot, const char *work_dir);

/* A mark on the worker's stderr where a unit begins: NUL, the number, a line end. */
#define WORKER_MARK '\0'

/* Fills r for a unit whose worker died.  status: of waitpid; text: what it wrote to stderr. */
void worker_blame(struct result *r, const struct unit *u, const char *deviations, int status,
                  bool hung, unsigned watchdog_s, uint32_t statement, int line, const char *text);

#endif
