/* Inside of learning.
 *
 *   learn.c        statements: which expectations they keep, and which they get
 *   learn_shown.c  what a record shows of a statement, as expectations
 *   learn_return.c what of a reply is worth expecting
 *   learn_text.c   texts and values as words of a script
 */
#ifndef SCENARIOS_DIFF_LEARN_PRIVATE_H
#define SCENARIOS_DIFF_LEARN_PRIVATE_H

#include "scenarios/diff/record.h"
#include "scenarios/script.h"

/* ---- learn_text.c ---- */

/* Words that a script can have; what in them varies from run to run, and the folder dir (may be
 * NULL), is matched instead. */

/* "TEXT", or /RE/ when something in it varies.  whole: it is all that there is. */
struct script_word learn_word_text(const char *text, const char *dir, bool whole);
struct script_word learn_word_bare(const char *text);
/* KEY=VALUE, or KEY:=JSON for what has members. */
struct script_word learn_word_member(const char *key, const json_t *value, const char *dir);
struct script_word learn_word_json(const json_t *value);
/* A copy in which strings that vary, or could be taken for one, are "/RE/". */
json_t *learn_json_patterns(const json_t *value, const char *dir);

/* ---- learn_return.c ---- */

/* The part of a command's "return" that a person would write: without what varies, and the longer
 * it is, the less.  new; NULL: nothing.  *too_long is set when there would be too much of it. */
json_t *learn_return(const json_t *value, const char *dir, bool *too_long);
/* Whether things are known by the member of that name. */
bool learn_is_name(const char *key);

/* ---- learn_shown.c ---- */

/* What one record shows of one statement; all of it borrowed. */
struct shown {
    const struct record_stmt *outcome; /* Of an @async statement, at its `wait`. */
    const json_t *events;
    const char *dir;
};

bool shown_failed(const struct shown *s);
/* Whether an expectation of outcome or event holds, as far as it can be told without a world.
 * *event: index of the first event that none has used up; moves. */
bool shown_holds(const struct shown *s, const struct script_expect *e, size_t *event);
/* The expectations that say it, appended to stmt.  What is left out is told in notes, each line
 * with place in front. */
void shown_expects(const struct shown *s, struct script_stmt *stmt, const char *place,
                   struct strbuf *notes);

#endif
