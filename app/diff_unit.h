/* One unit on both sides: what a worker of `blksim diff` does. */
#ifndef APP_DIFF_UNIT_H
#define APP_DIFF_UNIT_H

#include "app/reference.h"
#include "base/result.h"
#include "scenarios/run.h"

struct diff_config {
    const struct reference *reference;
    const char *keep_dir; /* Folder where what differs is left to be looked at; NULL: nowhere. */
};

/* Runs the unit on the simulated layer, then on the reference, and compares.  opaque: a struct
 * diff_config.  A unit that fails on the simulated layer already is that failure.  work_dir is
 * empty before, and not after. */
void diff_unit(void *opaque, const struct unit *u, const struct run_config *cfg,
               struct result *r);

#endif
