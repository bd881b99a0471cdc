/* SPDX-License-Identifier: MIT */
/* `blksim run`: selects units, restores what a database already has, runs the rest in workers and
 * tells every report. */
#include "app/app.h"
#include "app/features.h"
#include "app/host.h"
#include "app/select.h"
#include "app/session.h"
#include "app/worker.h"
#include "base/check.h"
#include "base/mem.h"
#include "drivers/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct option_spec run_options[] = {
    { "jobs", 'j', "N", false, "Worker processes (as many as there are processors)." },
    SELECT_OPTIONS,
    REFERENCE_OPTIONS("What to run on: sim (the default), or a real program, whose answers are "
                      "then judged by what the scripts expect: qemu (qemu-system-x86_64), qsd "
                      "(qemu-storage-daemon)."),
    { "db", 0, "FILE", false,
      "Results database. What it already has of this program, these scripts and these units is "
      "not run again." },
    { "force", 0, NULL, false, "Run again what the database has." },
    { "tap", 0, "FILE", false, "Write TAP 13; - is stdout." },
    { "junit", 0, "FILE", false, "Write JUnit XML; - is stdout." },
    { "trace", 0, "FILE", false, "Write the trace of the one selected unit; - is stdout." },
    { "graph-at", 0, "LINE", false,
      "Print on stdout, in the DOT language, the block graph behind the statement that stands at "
      "that line of the one selected unit, or above it." },
    { "hashes", 0, "FILE", false,
      "Write a sorted line case|params|seed|explore|verdict|hash for every run; - is stdout." },
    { "log", 0, "WHICH", false,
      "Step and event rows in the database: failed (default), or all." },
    { "export", 0, "DIR", false,
      "Folder in which the files of `export` stay; without it they go when their run has ended." },
    { "verify-determinism", 0, NULL, false, "Run everything twice and compare the traces." },
    { "watchdog", 0, "SECONDS", false,
      "Wall time after which a unit is killed (60); 0: never." },
    { "no-host-time", 0, NULL, false, "Read no clock: no durations in the reports." },
    { "verbose", 'v', NULL, false, "A line for every unit." },
    { "quiet", 'q', NULL, false, "Failures and counts only: no progress line." },
    { NULL, 0, NULL, false, NULL },
};

enum { WATCHDOG_DEFAULT_S = 60, WATCHDOG_MAX_S = 86400 };

static int read_options(const struct options *o, struct session *s)
{
    uint64_t jobs = host_processors(), watchdog = WATCHDOG_DEFAULT_S;
    uint64_t graph_at = 0;
    const char *log = options_get(o, "log", "failed");
    if (!options_number(o, "jobs", 1, POOL_WORKERS_MAX, &jobs) ||
        !options_number(o, "watchdog", 0, WATCHDOG_MAX_S, &watchdog) ||
        !options_number(o, "graph-at", 1, SCRIPT_MAX_LINES, &graph_at)) {
        return APP_USAGE;
    }
    if (strcmp(log, "all") != 0 && strcmp(log, "failed") != 0) {
        app_complain("run: --log takes failed or all, not '%s'", log);
        return APP_USAGE;
    }
    if (options_has(o, "db") && !*options_get(o, "db", "")) {
        app_complain("run: --db needs the name of a file"); /* SQLite forgets a nameless one. */
        return APP_USAGE;
    }
    s->workers = (unsigned)jobs;
    s->graph_at = (int)graph_at;
    s->watchdog_s = (unsigned)watchdog;
    s->host_time = !options_has(o, "no-host-time");
    s->run.log_all = strcmp(log, "all") == 0;
    s->run.verify_determinism = options_has(o, "verify-determinism");
    s->run.keep_trace = options_has(o, "trace");
    s->run.export_dir = options_get(o, "export", NULL);
    /* A trace, a graph, a second run and exported files cannot come from a database. */
    s->restore = !options_has(o, "force") && !s->run.verify_determinism && !s->run.keep_trace &&
                 !s->graph_at && !s->run.export_dir;
    s->trace_path = options_get(o, "trace", NULL);
    s->hashes_path = options_get(o, "hashes", NULL);
    s->db_path = options_get(o, "db", NULL);
    s->tap_path = options_get(o, "tap", NULL);
    s->junit_path = options_get(o, "junit", NULL);
    s->verbose = options_has(o, "verbose");
    s->quiet = options_has(o, "quiet");
    return APP_OK;
}

/* The line belongs to the case: from its `case` to the line before the next one. */
static int check_graph_line(const struct session *s)
{
    const struct unit *u = &s->selection->units.at[0];
    const struct script *script = u->script;
    int end = (int)script->lines_len;
    if (s->selection->units.len != 1) {
        app_complain("run: --graph-at is of one unit, and %zu are selected; choose one with "
                     "--case, --define and --seed", s->selection->units.len);
        return APP_USAGE;
    }
    for (size_t i = 0; i < script->cases_len; i++) {
        if (script->cases[i].line > u->cas->line) {
            end = MIN(end, script->cases[i].line - 1);
        }
    }
    int begin = u->cas->stmts_len ? u->cas->stmts[0].line : end + 1;
    if (s->graph_at < begin || s->graph_at > end) {
        app_complain("run: --graph-at: line %d is none of the statements of case %s (lines %d to "
                     "%d)", s->graph_at, u->cas->name, begin, end);
        return APP_USAGE;
    }
    return APP_OK;
}

/* What only the simulated world has. */
static int check_target(const struct session *s)
{
    static const char only[] = "run: --%s needs the simulated layer: what a real program does is "
                               "not repeated exactly";
    const char *what = s->run.verify_determinism ? "verify-determinism"
                       : s->trace_path           ? "trace"
                       : s->hashes_path          ? "hashes"
                       : s->graph_at             ? "graph-at"
                                                 : NULL;
    if (what && s->run.target != RUN_ON_SIM) {
        app_complain(only, what);
        return APP_USAGE;
    }
    return APP_OK;
}

static int check_selection(const struct session *s)
{
    if (s->selection->units.len == 0) {
        app_complain("run: no case was selected");
        return APP_NOTHING;
    }
    if (s->trace_path && s->selection->units.len != 1) {
        app_complain("run: --trace is of one unit, and %zu are selected; choose one with --case, "
                     "--define and --seed, or use blksim replay --trace",
                     s->selection->units.len);
        return APP_USAGE;
    }
    int code = s->graph_at ? check_graph_line(s) : APP_OK;
    return code ? code : session_check_outputs(s, "run");
}

static int run_run(struct app *app, const struct options *o)
{
    struct selection selection = { .scripts = NULL };
    struct reference reference = { .target = RUN_ON_SIM };
    struct session s = { .app = app, .selection = &selection, .reference = &reference };
    int code = read_options(o, &s);
    code = code ? code : reference_read(&reference, o, "sim");
    s.run.target = reference.target;
    code = code ? code : check_target(&s);
    code = code ? code : select_load(o, &selection);
    code = code ? code : check_selection(&s);
    code = code ? code : reference_open(&reference);
    reference_configure(&reference, &s.run);
    code = code ? code : session_run(&s);
    reference_close(&reference);
    select_free(&selection);
    return code;
}

const struct command command_run = {
    .name = "run",
    .args = "[PATH...]",
    .help = "Runs scenarios and reports what came of them.",
    .more = "A PATH is a scenario file (*.scn), a folder of them, or a glob. Without one the "
            "project's suites are run. Every combination of a case's matrix values and seeds is a "
            "unit. Interrupted by Ctrl-C it exits with 75, and the same command with the same "
            "--db goes on where it was.",
    .args_max = SIZE_MAX,
    .options = run_options,
    .run = run_run,
};
