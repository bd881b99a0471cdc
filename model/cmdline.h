/* The command line of the block layer: what QEMU takes as -blockdev, -drive, -device and -object.
 *
 * A command line is read as a whole first, then carried out in QEMU's order: objects, block nodes,
 * drives, devices, each kind in the order in which it was given.
 */
#ifndef MODEL_CMDLINE_H
#define MODEL_CMDLINE_H

#include "base/error.h"

#include <jansson.h>

struct layer;

/* [io] What was done before the one that fails stays, as it does until QEMU exits.
 * Errors: QEMU's texts, without the "program: -option value: " before them. */
int cmdline_apply(struct layer *l, int argc, char **argv, struct error *err);

#endif
