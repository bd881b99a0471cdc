/* SPDX-License-Identifier: MIT */
/* The table of oracles.
 *
 * Use: the runner gives each unit one struct oracle an entry; `help oracle NAME` prints the texts.
 * A new oracle is a file with a const struct oracle_ops, a test with a canary, and a line here.
 *
 * Determinism has no hooks: the runner itself runs the unit a second time and compares the trace
 * hashes, for no observer inside a world can see another one.  It stands here for its texts.
 */
#include "oracles/oracle.h"

static void *stateless_create(struct oracle *o)
{
    (void)o;
    return NULL;
}

static void stateless_destroy(void *state)
{
    (void)state;
}

const struct oracle_ops oracle_determinism = {
    .name = "determinism",
    .help = "The same unit, run a second time, gives the same trace hash.",
    .blind = "What leaves no trace record; a difference that needs another process, machine or "
             "compiler to show (`make determinism` runs those).",
    .create = stateless_create,
    .destroy = stateless_destroy,
};

const struct oracle_ops *const oracles_all[] = {
    &oracle_ref_image,
    &oracle_graph,
    &oracle_permissions,
    &oracle_frozen,
    &oracle_drain,
    &oracle_jobs,
    &oracle_bitmaps,
    &oracle_liveness,
    &oracle_determinism,
    NULL,
};
