/* Options of a subcommand: one table feeds parsing, --help and the manual page. */
#ifndef APP_OPTIONS_H
#define APP_OPTIONS_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

struct app;
struct options;

struct option_spec {
    const char *name; /* "jobs"; NULL ends a table. */
    char letter;      /* 'j', 0: none. */
    const char *arg;  /* "N"; NULL: takes none. */
    bool many;        /* May be given more than once. */
    const char *help; /* One or more sentences. */
};

struct command {
    const char *name;
    const char *args; /* "[PATH...]" */
    const char *help; /* One line. */
    const char *more; /* Paragraphs for --help and the manual page, or NULL. */
    size_t args_min, args_max;
    const struct option_spec *options;
    int (*run)(struct app *app, const struct options *o); /* enum app_exit */
};

struct option_value {
    const struct option_spec *spec;
    const char *text; /* NULL: takes none. */
};

/* A parsed command line; texts are those of argv. */
struct options {
    const struct command *command;
    struct option_value *values;
    size_t values_len;
    const char **args; /* Ends with NULL. */
    size_t args_len;
};

enum options_end { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_BAD };

/* argv[0] is the name of the subcommand.  What is wrong is complained about. */
enum options_end options_parse(const struct command *c, int argc, char **argv, struct options *o);
void options_free(struct options *o);

bool options_has(const struct options *o, const char *name);
/* The last value given, or deflt. */
const char *options_get(const struct options *o, const char *name, const char *deflt);
/* All values of an option that may be given more than once, a new array that ends with NULL. */
const char **options_all(const struct options *o, const char *name);
/* A number in [min, max].  False after a complaint. */
bool options_number(const struct options *o, const char *name, uint64_t min, uint64_t max,
                    uint64_t *value);

/* What --help prints. */
void options_describe(const struct command *c, struct strbuf *out);

#endif
