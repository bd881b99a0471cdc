/* The qemu oracle: compares what two targets showed of one unit.
 *
 * Compared is what both can show, after normalisation (compare_normalise.c says of what, and why):
 * automatic names, directories, times, numbers of descriptors, the order of JSON objects and of
 * what QEMU keeps in hash tables, statistics of io.
 *
 * It does not see: timing; the order of events that QEMU does not promise; sizes of allocation on
 * the host; what a script does not ask for and no query shows.
 */
#ifndef SCENARIOS_DIFF_COMPARE_H
#define SCENARIOS_DIFF_COMPARE_H

#include "base/result.h"
#include "base/text.h"
#include "scenarios/diff/record.h"

/* Fills r->diff with a row for each counted statement of ours and, for what is compared at the end
 * of the case (files, maps, data), rows with statement 0 where it differs; and sets the verdict:
 *
 *   fail    a row differs: message, place and signature are those of the first one
 *   quirk   none differs, and a quirk holds
 *   skip    nothing was comparable
 *   pass    otherwise
 *
 * ours: the record of the simulated target; theirs: that of the real one. */
void compare_records(const struct record *ours, const struct record *theirs, struct result *r);

/* Whether both sides did the same statements, as far as these may change something, and no request
 * raced with them: only then is what they leave comparable. */
bool compare_same_history(const struct record *ours, const struct record *theirs);

#endif
