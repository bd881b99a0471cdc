/* Random sequences of control commands, as scenario text: what the model and the real QEMU are
 * compared with beyond what people thought of (blksim diff --random).
 *
 * The commands, their arguments and the options of nodes come from the tables that check them
 * (model/schema.h): a new driver or option is in without a line here.  The generator remembers the
 * names it has made, so most commands hit something, and about two of three succeed; some are
 * spoiled on purpose, in one place.  What differs from QEMU by intention is never generated: one
 * table says what, and why (random_exclude.c).
 *
 * It does not know what a command does: whether it succeeds is guessed, and a wrong guess only
 * makes later commands fail more often.
 */
#ifndef SCENARIOS_DIFF_RANDOM_H
#define SCENARIOS_DIFF_RANDOM_H

#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

struct blk_driver;

enum { RANDOM_STATEMENTS_MAX = 100000 };

/* Appends one case, "random/SEED", with that many statements behind those that make its disks and
 * images, in canonical form.  A pure function of its arguments.  drivers ends with NULL. */
void random_script(const struct blk_driver *const *drivers, uint64_t seed, unsigned statements,
                   struct strbuf *out);

/* What is never generated: the i-th rule's name and the deviation that is its reason (a line of
 * docs/deviations.md or of a driver's page); NULL after the last. */
const char *random_excluded(size_t i, const char **reason);

#endif
