/* What a script runs on: the simulated layer, or a real QEMU (scenarios/real/target.h).
 *
 * A target executes QMP commands and io commands and delivers events.  Statements that concern the
 * world (fault, power, clock) exist only on targets whose capabilities say so.
 */
#ifndef SCENARIOS_TARGET_H
#define SCENARIOS_TARGET_H

#include "base/error.h"
#include "base/text.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct target;

enum target_caps {
    TARGET_WORLD = 1 << 0,      /* disk, fault, power, iothread of the simulated world */
    TARGET_INTROSPECT = 1 << 1, /* opt., frozen marks, trace */
    TARGET_REAL = 1 << 2,       /* A program of its own, real files, real time.  It may die. */
};

/* A statement in progress.  The runner makes one, starts it, and runs the target until done. */
struct target_call {
    bool done;
    bool background;      /* In, io: nobody waits for it, so on a real target it may not block. */
    bool died;            /* The program died of it, or before; no reply, failed is set. */
    json_t *reply;        /* QMP: {"return"...} or {"error"...}.  Owned by the call. */
    struct strbuf output; /* io: what it printed. */
    struct error err;     /* io: code 0 when it succeeded. */
    bool failed;          /* io: the command reported failure. */
    const char *skip;     /* It was not done, as this target cannot: the reason.  NULL: it was. */
    void *target_data;
};

struct target_ops {
    const char *name; /* "sim" */
    uint32_t caps;
    /* Starts a command; the call is the caller's and lives until done. */
    void (*qmp)(struct target *t, const char *bytes, size_t n, struct target_call *call);
    /* The same for a request that every reader of JSON understands alike.  NULL: as bytes. */
    void (*qmp_value)(struct target *t, const json_t *request, struct target_call *call);
    void (*io)(struct target *t, const char *node, int argc, char **argv,
               struct target_call *call);
    /* The caller looks at the call no longer: output of aio requests that it started and that are
     * still in flight goes elsewhere. */
    void (*forget)(struct target *t, struct target_call *call);
    /* Runs until *done, or time until_ns (absolute), then to the end of the instant.  done NULL:
     * until_ns it is, or the end of all work when that is SIM_FOREVER.
     * 0; -ETIME: until_ns reached before *done; -EDEADLK: nothing can go on before *done;
     * -ELOOP: too many steps. */
    int (*run)(struct target *t, const bool *done, int64_t until_ns);
    /* ns since the target was made: virtual time, or on a real target monotonic time. */
    int64_t (*now_ns)(struct target *t);
    void (*destroy)(struct target *t);
};

/* Concrete targets begin with this. */
struct target {
    const struct target_ops *ops;
    /* Events in order, as {"event","data","timestamp"}; the runner consumes.  A target has them
     * either as values or as texts. */
    json_t *events;
    struct event_texts {
        char **at; /* JSON on one line. */
        size_t len, cap;
    } event_texts;
    bool event_came; /* Set with each event; the runner resets it. */
};

/* Frees what a call owns.  Checked: done. */
void target_call_fini(struct target_call *call);

#endif
