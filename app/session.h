/* A run of selected units: reports opened, workers run, everything told and closed. */
#ifndef APP_SESSION_H
#define APP_SESSION_H

#include "app/app.h"
#include "app/select.h"
#include "reports/report.h"
#include "scenarios/run.h"

enum { SESSION_REPORTS_MAX = 4 };

struct session {
    /* In. */
    struct app *app;
    struct selection *selection;
    struct run_config run; /* drivers, features, work_dir and progress are filled by session_run. */
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

/* Runs it; returns the exit code.  What is wrong is complained about. */
int session_run(struct session *s);

#endif
