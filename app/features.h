/* What this program and this machine offer: for `require` headers and `blksim features`. */
#ifndef APP_FEATURES_H
#define APP_FEATURES_H

#include <stdbool.h>
#include <stddef.h>

struct feature {
    const char *name;     /* As `require` names it; NULL ends the table. */
    const char *programs; /* Programs that must be found, separated by spaces, or, with a slash,
                           * files by their path from this program; NULL: built in. */
    const char *install;  /* The command that brings it, NULL when built in. */
    const char *help;     /* One line. */
    bool (*is_built_in)(void); /* NULL: always. */
};

extern const struct feature features_all[];

/* Looks for it now. */
bool feature_found(const struct feature *f);

/* The names of all that is there, built-in drivers included, separated by spaces; a new string. */
char *features_text(void);

/* How to install the feature that a skip message names; NULL when it names none. */
const char *features_hint(const char *message);

#endif
