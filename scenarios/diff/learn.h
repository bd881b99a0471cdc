/* Learning: the reference's answers become the expectations of a script, as cram and sqllogictest
 * do; a person reviews the change. */
#ifndef SCENARIOS_DIFF_LEARN_H
#define SCENARIOS_DIFF_LEARN_H

#include "scenarios/diff/record.h"
#include "scenarios/script.h"

/* Puts the outcomes of a record into the statements of a case of s: `error CLASS "TEXT"` where the
 * reference failed, none where it succeeded (ok is implied), `return JSON` for commands that query,
 * `output` of io, `event` for what came; those the statement had of these kinds go, all others
 * (data, node, graph, quirk...) stay.  What varies (automatic names, paths, times, numbers of
 * descriptors) becomes /re/.  A statement that a matrix makes answer in several ways is left alone
 * and told in notes, a line each.
 * s changes in place: script_format gives the text.  Returns the number of statements changed. */
size_t learn_case(struct script *s, struct script_case *c, const struct record *records,
                  size_t records_len, struct strbuf *notes);

#endif
