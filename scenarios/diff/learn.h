/* Learning: the reference's answers become the expectations of a script, as cram and sqllogictest
 * do; a person reviews the change. */
#ifndef SCENARIOS_DIFF_LEARN_H
#define SCENARIOS_DIFF_LEARN_H

#include "scenarios/diff/record.h"
#include "scenarios/script.h"

/* Puts the outcomes of records into the statements of a case of s: `error CLASS "TEXT"` where the
 * reference failed, none where it succeeded (ok is implied), `return JSON` of commands that return
 * something, `output` of io, `event` for what came; of verbs of the world (disk, run...) events
 * alone.  What varies (automatic names, paths) becomes /re/, and what only varies (times, numbers
 * of threads and descriptors, sizes of allocation) is left out.
 *
 * Expectations of these kinds that the statement has stay when all of them hold, and go otherwise;
 * all others (data, node, graph, quirk...) stay.  What belongs to an @async statement is put at its
 * `wait`.  Left alone and told in notes, a line "FILE:LINE: ..." each, are statements of which the
 * records (of a matrix) say different things, at which the reference died or gave no answer, or
 * whose quirk it shows no longer.
 *
 * s changes in place: script_format gives the text.  Returns the number of statements changed. */
size_t learn_case(struct script *s, struct script_case *c, const struct record *records,
                  size_t records_len, struct strbuf *notes);

#endif
