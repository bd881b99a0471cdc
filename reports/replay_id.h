/* Replay ids: one run, named exactly, in one word that a shell takes as it is.
 *
 *   PATH:CASE:PARAMS:SEED:CHOICES
 *
 *   scenarios/suites/io/align.scn:io/align:l2=128k,lazy=on:7:3.2.0.1=2
 *
 * PATH is the scenario file as it was given.  PARAMS has ',' between its values where results have
 * ' '.  SEED is empty for a run without one.  CHOICES are the deviations from
 * the defaults, as sim/choice.h writes them.  Trailing ':' are left out.  Bytes other than
 * [A-Za-z0-9._/+=@,-] are written %XX, and so is ',' in PATH, CASE and inside a value of PARAMS.
 */
#ifndef REPORTS_REPLAY_ID_H
#define REPORTS_REPLAY_ID_H

#include "base/error.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

struct replay_id {
    char *path, *case_id, *params, *choices; /* Owned, never NULL after replay_id_parse. */
    bool seeded;   /* SEED is not empty. */
    uint64_t seed; /* 0 when it is. */
};

void replay_id_format(const struct replay_id *id, struct strbuf *out);

/* Errors: -EINVAL, saying what is wrong; id needs no replay_id_fini then. */
int replay_id_parse(struct replay_id *id, const char *text, struct error *err);
void replay_id_fini(struct replay_id *id);

#endif
