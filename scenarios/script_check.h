/* What the words of a script mean: checked against the tables of verbs.h and the matrix of the
 * case.  The upper half of the parser. */
#ifndef SCENARIOS_SCRIPT_CHECK_H
#define SCENARIOS_SCRIPT_CHECK_H

#include "scenarios/script_lex.h"
#include "scenarios/verbs.h"

enum {
    SCRIPT_MAX_HEADERS = 256,  /* Of a case. */
    SCRIPT_MAX_KEYS = 64,      /* Of the matrix of a case. */
    SCRIPT_MAX_VALUES = 4096,  /* Of a matrix key. */
    SCRIPT_MAX_WORDS = 4096,   /* Of a statement. */
    SCRIPT_MAX_EXPECTS = 256,  /* Of a statement. */
    SCRIPT_MAX_TRIED = 4096,   /* Combinations of values with which a word is tried. */
    SCRIPT_MAX_ID = 1000000000,
};

/* Names with the line that gave them; look-up does not depend on how many there are. */
struct nameset {
    struct nameset_item *items;
};

/* Adds name.  0, or the line of the one that is there already. */
int nameset_add(struct nameset *set, const char *name, int line);
bool nameset_has(const struct nameset *set, const char *name);
/* The nearest to a mistyped one, or NULL. */
const char *nameset_nearest(const struct nameset *set, const char *name);
void nameset_free(struct nameset *set);

/* The case being read. */
struct check {
    struct diag *diag;
    struct script_case *cas;
    struct nameset tags;
};

/* Every function reports to diag. */

/* The axis just read: names and values alike, limits. */
void check_axis(struct check *ck, const struct script_axis *axis, const struct script_word *w);
/* A header other than matrix; what it says goes to the fields of the case. */
void check_header(struct check *ck, const struct verb_def *def, const struct script_header *h);
/* Words and properties of a statement. */
void check_stmt(struct check *ck, const struct script_stmt *stmt);
/* The condition of a quirk.  False after an error. */
bool check_condition(struct check *ck, const struct script_word *w);
/* A reason, of @model-only or its header.  what: whose, for the message. */
void check_reason(struct check *ck, const char *reason, const char *what, int line, int col);
/* The expectation among those of its statement before it. */
void check_expect(struct check *ck, const struct script_stmt *stmt,
                  const struct script_expect *e);
/* The whole case: how many units it makes. */
void check_case(struct check *ck);

/* For script_check_stmt.c.  Words from the from-th on against the arguments and keys of def, with
 * ${x} of the case when subst is set, none allowed otherwise.  False after an error. */
bool check_words(struct check *ck, const struct verb_def *def, const struct script_words *words,
                 size_t from, bool subst, int line, int col);
/* ${x} of a word: every one must be a key of the matrix.  False after an error. */
bool check_refs(struct check *ck, const struct script_word *w);
/* The value text of word w (part of its text), tried with every combination of its ${x}.
 * what: put before a message, "size" or "". */
bool check_value(struct check *ck, const struct script_word *w, const char *text, const char *what,
                 enum verb_value value, const char *const *names);
bool check_has_refs(const char *text);

#endif
