/* The `blksim` command: subcommands, exit codes and what they share. */
#ifndef APP_APP_H
#define APP_APP_H

#include "app/options.h"

enum app_exit {
    APP_OK = 0,
    APP_FAILURES = 1,     /* A case failed, crashed or hung; fmt --check found a difference. */
    APP_USAGE = 2,        /* The command line or a scenario file is wrong. */
    APP_ENVIRONMENT = 3,  /* A file, the database or the machine does not do its part. */
    APP_NONDET = 4,       /* A second run had another trace. */
    APP_INTERRUPTED = 75, /* Results so far are kept; the same command continues. */
    APP_NOTHING = 77,     /* Nothing was selected, or everything was skipped. */
};

#define APP_VERSION "0.1.0"

/* What main found out before a subcommand runs. */
struct app {
    const char *program; /* argv[0] as a person would type it again. */
};

extern const struct command command_run, command_diff, command_list, command_fmt, command_replay,
    command_bench, command_features, command_help, command_qmp;

/* All subcommands in the order of help; ends with NULL. */
extern const struct command *const commands_all[];
const struct command *command_find(const char *name);

/* "blksim: MESSAGE" on stderr. */
void app_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Complains with the nearest of the names, and the names. */
void app_complain_unknown(const char *what, const char *word, const char *const *names);

/* Flushes stdout; APP_ENVIRONMENT and a complaint when that fails, otherwise code. */
int app_finish_output(int code);

#endif
