/* Running cases: every combination of matrix values and seeds of a case is a unit, and a unit runs
 * in a fresh world and gives one result. */
#ifndef SCENARIOS_RUN_H
#define SCENARIOS_RUN_H

#include "base/result.h"
#include "scenarios/script.h"

struct blk_driver;
struct run_ctx;
struct target;

struct unit {
    const struct script *script;
    const struct script_case *cas;
    char *params;  /* "k=v k=v" in the order of the matrix headers; "" without. */
    uint64_t seed;
    bool seeded;   /* A seed was asked for (header or command line): random schedules.  The
                    * header `schedule` decides when it is there. */
    size_t point;  /* Number of its combination of matrix values, the first header slowest. */
};

struct units {
    struct unit *at;
    size_t len, cap;
};

struct unit_select {
    const char *const *define; /* "k=v": only units whose params have it; ends with NULL. */
    bool seed_given;
    uint64_t seed_first, seed_last; /* Replaces the case's own seeds, unless they are the only. */
    const char *const *groups; /* Any of; NULL: all. */
};

/* Appends the units of one case.  Errors: -EINVAL for a define that no case of the script has a
 * matrix for is the caller's to find (count). */
int units_of_case(const struct script *s, const struct script_case *c,
                  const struct unit_select *sel, struct units *out, struct error *err);
void units_free(struct units *u);

enum { UNITS_MAX = 1000000 }; /* A case; more is an error. */

/* The value of a matrix key in this unit; NULL when there is none.  Shape of subst_lookup_fn with
 * a struct unit as opaque. */
const char *unit_param(const void *unit, const char *key);

/* A world that a case has made, lent for a while. */
struct run_world {
    struct target *target;
    bool posix; /* Real files: there are no disks. */
    struct run_ctx *ctx;
};

/* Takes what `io` and `qemu-io` print without a statement; NULL: the log of the case. */
void run_world_on_output(struct run_world *w,
                         void (*fn)(void *opaque, const char *node, const char *text),
                         void *opaque);
/* Oracles look at the world.  The message of the first failure so far, NULL: all is well. */
const char *run_world_check(struct run_world *w);
/* What runs in it does not come to an end: it can only be left as it is. */
void run_world_give_up(struct run_world *w);

/* What a unit runs on. */
enum run_target { RUN_ON_SIM, RUN_ON_QEMU, RUN_ON_QSD };

struct run_config {
    const struct blk_driver *const *drivers;
    enum run_target target;
    const char *qemu_prefix; /* Of a real target: where its programs are; NULL: PATH. */
    const char *qemu_version; /* The same: "7.2.22", for quirks. */
    struct record *record;   /* Takes what every statement showed; an expectation that does not hold
                              * is told there and the run goes on.  NULL: nobody wants it. */
    const struct record *beside; /* Of a real target: the record of the run that this one will be
                                  * compared with.  NULL: there is none. */
    bool errors_are_ok;      /* A statement that expects nothing may fail as well. */
    const char *features;   /* Space-separated names for `require`. */
    const char *deviations; /* choice_format text to follow; NULL: none. */
    bool keep_trace;        /* result.log gets the trace as "trace" rows. */
    bool log_all;           /* Steps are kept for passing runs too. */
    bool verify_determinism; /* Run twice, compare. */
    int graph_at;           /* result.log gets the graph behind the statement that stands at this
                             * line, or is the last one above it, as a "graph" row; 0: none. */
    const char *work_dir;   /* For host=posix and export; a private directory. */
    const char *export_dir; /* Where export writes instead; NULL: below work_dir. */
    /* Called when the statements have ended and nothing has failed, before the world is torn down.
     * NULL: nobody wants it. */
    void (*serve)(void *opaque, struct run_world *w);
    void *serve_opaque;
    /* Written as the run goes on, for the parent of a worker: the statement and its line. */
    void (*progress)(void *opaque, uint32_t statement, int line);
    void *progress_opaque;
};

/* Runs a unit.  r: initialised.  Always gives a verdict. */
void run_unit(const struct unit *u, const struct run_config *cfg, struct result *r);

#endif
