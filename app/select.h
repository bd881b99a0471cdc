/* Which units a command line means: scenario files found, read, and spread out into units. */
#ifndef APP_SELECT_H
#define APP_SELECT_H

#include "app/options.h"
#include "reports/replay_id.h"
#include "scenarios/run.h"

#include <stdint.h>

struct selection {
    struct script **scripts;
    uint64_t *hashes; /* Of the text of each script. */
    size_t scripts_len, scripts_cap;
    struct units units;
};

/* The options that select_load reads; entries for a subcommand's table. */
#define SELECT_OPTIONS                                                                             \
    { "define", 'D', "K=V", true, "Only runs whose matrix parameter K has the value V." },         \
    { "case", 'c', "GLOB", true, "Only cases whose name matches." },                               \
    { "group", 'g', "GROUP", true, "Only cases of this group." },                                  \
    { "seed", 0, "S", false, "One run with this seed for each case, instead of its own seeds." },  \
    { "seeds", 0, "A..B", false, "A run for each seed from A to B, instead of the case's own." }

/* Reads the scripts that the arguments of o name (paths, folders, globs; none: the project's
 * suites) and makes the units that its options select, in the order of the arguments and, inside a
 * folder, of the bytes of the names.  A single argument may be the replay id of one unit.  What is
 * wrong is complained about.
 * Returns APP_OK, APP_USAGE or APP_ENVIRONMENT; the selection needs select_free in any case. */
int select_load(const struct options *o, struct selection *s);

/* Reads one script.  The same returns. */
int select_script(const char *path, struct selection *s);
/* The same from memory. */
int select_text(const char *path, const char *text, size_t n, struct selection *s);

/* Puts the one unit that id names, without its choices, into the selection.  command: who asks.
 * The same returns. */
int select_unit(const struct replay_id *id, const char *command, struct selection *s);

/* Puts all units of the scripts into the selection.  The same returns. */
int select_all(struct selection *s);

/* Keeps the first unit of each combination of matrix values: no other seeds. */
void select_first_seeds(struct selection *s);

/* The hash of the script that a unit comes from. */
uint64_t select_hash(const struct selection *s, const struct unit *u);

void select_free(struct selection *s);

/* The replay id of a unit with these deviations, appended. */
void select_replay_id(const struct unit *u, const char *deviations, struct strbuf *out);

#endif
