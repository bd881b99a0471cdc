/* A run of selected units: reports opened, workers run, everything told and closed. */
#ifndef APP_SESSION_H
#define APP_SESSION_H

#include "app/app.h"
#include "app/diff_unit.h"
#include "app/select.h"
#include "reports/report.h"
#include "scenarios/run.h"

enum { SESSION_REPORTS_MAX = 5 };

struct session {
    /* In. */
    struct app *app;
    struct selection *selection;
    struct run_config run; /* drivers, features, work_dir and progress are filled by session_run. */
    const struct reference *reference; /* The real program in use, NULL: none; */
    struct diff_config *diff;          /* compared with it: its settings; NULL: not. */
    unsigned random;           /* The cases are random ones with that many statements; 0: not. */
    bool tables;               /* diff: tables behind the run, */
    const char *markdown_path; /* and as a page. */
    unsigned workers, watchdog_s;
    bool host_time;
    bool restore; /* Take over what the database has. */
    bool verbose, quiet;
    int graph_at;  /* Print the graph behind the statement at this line; 0: no. */
    bool show_log; /* Print the log of every unit: replay -v. */
    const char *db_path, *tap_path, *junit_path, *trace_path, *hashes_path;

    /* Its own. */
    struct report *reports[SESSION_REPORTS_MAX];
    size_t reports_len;
    struct report *db; /* One of reports, or NULL. */
    struct report *compared; /* The same: what was compared in this run, in memory. */
    FILE *text;        /* Where the terminal report goes. */
    FILE *trace, *hashes;
    struct strbuf hash_lines;
    char *features, *temp_dir;
    struct result **results;
    struct report_summary summary;
    size_t done, failed;
    bool broken; /* A report failed; the run was stopped. */
    bool late;   /* A worker failed after its last unit. */
};

/* Complains when two reports go to one place.  APP_OK or APP_USAGE. */
int session_check_outputs(const struct session *s, const char *command);

/* Runs it; returns the exit code.  What is wrong is complained about. */
int session_run(struct session *s);

#endif
