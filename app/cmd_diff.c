/* SPDX-License-Identifier: MIT */
/* `blksim diff`: the same units on the simulated layer and on a real QEMU, compared. */
#include "app/app.h"
#include "app/diff_unit.h"
#include "app/host.h"
#include "app/learn.h"
#include "app/select.h"
#include "app/session.h"
#include "app/worker.h"
#include "base/check.h"
#include "base/mem.h"
#include "drivers/registry.h"
#include "reports/agreement.h"
#include "reports/sqlite.h"
#include "scenarios/diff/random.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option_spec diff_options[] = {
    { "jobs", 'j', "N", false, "Worker processes (as many as there are processors)." },
    SELECT_OPTIONS,
    REFERENCE_OPTIONS("What to compare with: qemu (qemu-system-x86_64, the default), or qsd "
                      "(qemu-storage-daemon)."),
    { "db", 0, "FILE", false,
      "Results database. What it already has of these two programs, these scripts and these units "
      "is not run again." },
    { "force", 0, NULL, false, "Run again what the database has." },
    { "summary", 0, NULL, false,
      "Print tables of agreement by command and by driver. With --db and no PATH nothing is run: "
      "the tables are those of the database." },
    { "markdown", 0, "FILE", false, "Write the tables as a page of Markdown; - is stdout." },
    { "learn", 0, NULL, false,
      "Rewrite the scripts of PATH: what the reference answers becomes what they expect." },
    { "random", 0, "SEEDS", false,
      "Compare random sequences of control commands, a case for each seed (N or A..B), instead of "
      "scripts." },
    { "statements", 0, "N", false, "Statements of a random sequence (40)." },
    { "keep", 0, "DIR", false,
      "Folder that gets the files of both sides of each case that differs, and what both showed." },
    { "tap", 0, "FILE", false, "Write TAP 13; - is stdout." },
    { "junit", 0, "FILE", false, "Write JUnit XML; - is stdout." },
    { "watchdog", 0, "SECONDS", false,
      "Wall time after which a unit is killed (120); 0: never." },
    { "no-host-time", 0, NULL, false, "Read no clock: no durations in the reports." },
    { "verbose", 'v', NULL, false,
      "A line for every unit, and for every statement that was not compared, or is a quirk." },
    { "quiet", 'q', NULL, false, "Differences and counts only: no progress line." },
    { NULL, 0, NULL, false, NULL },
};

enum { WATCHDOG_DEFAULT_S = 120, WATCHDOG_MAX_S = 86400, RANDOM_DEFAULT = 40, SEEDS_MAX = 1000000 };

/* --- What is in a database --- */

static int print_agreements(struct report *db, const char *own, const char *markdown)
{
    struct agreements all = { .at = NULL };
    struct strbuf text = { .text = NULL }, page = { .text = NULL };
    struct error err = ERROR_INIT;
    int code = APP_OK;
    if (agreements_read(db, own, &all, &err)) {
        app_complain("%s", err.text);
        code = APP_ENVIRONMENT;
    } else if (all.len == 0) {
        app_complain("diff: nothing in the database was compared");
        code = APP_NOTHING;
    }
    for (size_t i = 0; i < all.len && !code; i++) {
        const struct agreement *a = &all.at[i];
        if (strcmp(a->program, own) != 0) {
            strbuf_printf(&text, "%s%s, compared by another build of blksim (%s):\n", i ? "\n" : "",
                          a->reference, a->program);
        } else if (all.len > 1) {
            strbuf_printf(&text, "%s%s:\n", i ? "\n" : "", a->reference);
        }
        agreement_print(a, &text);
        strbuf_puts(&page, i ? "\n" : "");
        agreement_markdown(a, &page);
    }
    FILE *f = markdown && !code ? report_open(markdown, &err) : NULL;
    if (f) {
        fputs(strbuf_str(&page), f);
    }
    if (markdown && !code && (!f || report_close(f, markdown, &err))) {
        app_complain("%s", err.text);
        code = APP_ENVIRONMENT;
    }
    if (!markdown || strcmp(markdown, "-") != 0) {
        fputs(strbuf_str(&text), stdout);
    }
    strbuf_free(&text);
    strbuf_free(&page);
    agreements_free(&all);
    return app_finish_output(code);
}

/* Options of a run are none of a database's. */
static int check_summary(const struct options *o)
{
    static const char *const good[] = { "summary", "db", "markdown" };
    for (const struct option_spec *s = diff_options; s->name; s++) {
        size_t i = 0;
        while (i < ARRAY_LEN(good) && strcmp(good[i], s->name) != 0) {
            i++;
        }
        if (i == ARRAY_LEN(good) && options_has(o, s->name)) {
            app_complain("diff: --%s is about running; with --summary, --db and no PATH nothing is",
                         s->name);
            return APP_USAGE;
        }
    }
    return APP_OK;
}

static int summarise(const struct options *o)
{
    struct error err = ERROR_INIT;
    if (check_summary(o)) {
        return APP_USAGE;
    }
    char *own = host_self_hash(&err);
    struct report *db = own ? report_sqlite_open(options_get(o, "db", NULL), &err) : NULL;
    int code = APP_ENVIRONMENT;
    if (db) {
        code = print_agreements(db, own, options_get(o, "markdown", NULL));
    } else {
        app_complain("%s", err.text);
    }
    report_destroy(db);
    free(own);
    return code;
}

/* --- Random sequences --- */

/* "7" or "1..20". */
static int read_seeds(const char *text, uint64_t *first, uint64_t *last)
{
    const char *dots = strstr(text, "..");
    char *begin = mem_strndup(text, dots ? (size_t)(dots - text) : strlen(text));
    bool bad = text_parse_u64(begin, first) || text_parse_u64(dots ? dots + 2 : begin, last) ||
               *first == 0 || *last < *first || *last - *first >= SEEDS_MAX;
    free(begin);
    if (bad) {
        app_complain("diff: --random takes a number from 1, or A..B with 1 <= A <= B, not '%s'",
                     text);
    }
    return bad ? APP_USAGE : APP_OK;
}

static int select_random(const char *seeds, unsigned statements, struct selection *s)
{
    uint64_t first, last;
    int code = read_seeds(seeds, &first, &last);
    for (uint64_t seed = first; !code && seed <= last; seed++) {
        struct strbuf text = { .text = NULL };
        char *path = mem_printf("random/%" PRIu64 ".scn", seed);
        random_script(drivers_all, seed, statements, &text);
        code = select_text(path, strbuf_str(&text), text.len, s);
        strbuf_free(&text);
        free(path);
    }
    return code ? code : select_all(s);
}

/* --- Options --- */

static int read_numbers(const struct options *o, struct session *s)
{
    uint64_t jobs = host_processors(), watchdog = WATCHDOG_DEFAULT_S, statements = RANDOM_DEFAULT;
    if (!options_number(o, "jobs", 1, POOL_WORKERS_MAX, &jobs) ||
        !options_number(o, "watchdog", 0, WATCHDOG_MAX_S, &watchdog) ||
        !options_number(o, "statements", 1, RANDOM_STATEMENTS_MAX, &statements)) {
        return APP_USAGE;
    }
    s->workers = (unsigned)jobs;
    s->watchdog_s = (unsigned)watchdog;
    s->random = options_has(o, "random") ? (unsigned)statements : 0;
    s->run.errors_are_ok = s->random != 0;
    return APP_OK;
}

static void read_options(const struct options *o, struct session *s)
{
    s->host_time = !options_has(o, "no-host-time");
    s->db_path = options_get(o, "db", NULL);
    s->tap_path = options_get(o, "tap", NULL);
    s->junit_path = options_get(o, "junit", NULL);
    s->markdown_path = options_get(o, "markdown", NULL);
    s->tables = options_has(o, "summary");
    s->verbose = options_has(o, "verbose");
    s->quiet = options_has(o, "quiet");
    s->diff->keep_dir = options_get(o, "keep", NULL);
    /* Files cannot come from a database. */
    s->restore = !options_has(o, "force") && !s->diff->keep_dir;
}

/* Options that exclude each other, and those that mean nothing alone. */
static int check_options(const struct options *o)
{
    static const struct {
        const char *one, *other;
    } pairs[] = {
        { "learn", "db" },       { "learn", "summary" }, { "learn", "markdown" },
        { "learn", "random" },   { "learn", "keep" },    { "learn", "tap" },
        { "learn", "junit" },    { "learn", "force" },   { "learn", "jobs" },
        { "learn", "watchdog" }, { "learn", "case" },    { "learn", "group" },
        { "learn", "define" },   { "learn", "seed" },    { "learn", "seeds" },
        { "learn", "verbose" },  { "learn", "quiet" },   { "learn", "no-host-time" },
        { "random", "case" },    { "random", "define" }, { "random", "group" },
        { "random", "seed" },    { "random", "seeds" },
    };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        if (options_has(o, pairs[i].one) && options_has(o, pairs[i].other)) {
            app_complain("diff: --%s and --%s exclude each other", pairs[i].one, pairs[i].other);
            return APP_USAGE;
        }
    }
    if (options_has(o, "db") && !*options_get(o, "db", "")) {
        app_complain("diff: --db needs the name of a file");
        return APP_USAGE;
    }
    if (options_has(o, "learn") && o->args_len == 0) {
        app_complain("diff: --learn rewrites scripts: name them");
        return APP_USAGE;
    }
    if (options_has(o, "random") && o->args_len > 0) {
        app_complain("diff: --random makes its own scripts; there is no use for '%s'", o->args[0]);
        return APP_USAGE;
    }
    if (options_has(o, "statements") && !options_has(o, "random")) {
        app_complain("diff: --statements is of --random");
        return APP_USAGE;
    }
    return APP_OK;
}

static int select_units(const struct options *o, struct session *s)
{
    int code = s->random ? select_random(options_get(o, "random", NULL), s->random, s->selection)
                         : select_load(o, s->selection);
    bool all_seeds = options_has(o, "seed") || options_has(o, "seeds");
    if (!code && !all_seeds) {
        select_first_seeds(s->selection);
    }
    if (!code && s->selection->units.len == 0) {
        app_complain("diff: no case was selected");
        code = APP_NOTHING;
    }
    return code;
}

static int compare_or_learn(const struct options *o, struct session *s, struct reference *ref)
{
    int code = select_units(o, s);
    code = code ? code : reference_open(ref);
    if (code || !options_has(o, "learn")) {
        return code ? code : session_run(s);
    }
    if (ref->missing) {
        app_complain("%s; try: %s", ref->missing, "ci/deps test");
        return APP_ENVIRONMENT;
    }
    return app_finish_output(learn_run(ref, s->selection));
}

static int run_diff(struct app *app, const struct options *o)
{
    struct selection selection = { .scripts = NULL };
    struct reference reference;
    struct diff_config config = { .reference = &reference };
    struct session s = { .app = app, .selection = &selection, .reference = &reference,
                         .diff = &config };
    int code = check_options(o);
    if (!code && options_has(o, "summary") && options_has(o, "db") && o->args_len == 0 &&
        !options_has(o, "random")) {
        return summarise(o);
    }
    if (code || (code = read_numbers(o, &s))) {
        return code;
    }
    read_options(o, &s);
    code = session_check_outputs(&s, "diff");
    if (code) {
        return code;
    }
    code = reference_read(&reference, o, "qemu");
    code = code ? code : compare_or_learn(o, &s, &reference);
    reference_close(&reference);
    select_free(&selection);
    return code;
}

const struct command command_diff = {
    .name = "diff",
    .args = "[PATH...]",
    .help = "Runs scenarios on the simulated layer and on a real QEMU, and compares.",
    .more = "Every combination of a case's matrix values runs once on each, and what both show is "
            "compared after every statement: replies, errors, events, nodes, graph, and at the end "
            "maps, data and image files. A PATH is as that of run, or the replay id of one unit. "
            "The last line counts the statements. Exit status 1: something differs, and no quirk "
            "says so.",
    .args_max = SIZE_MAX,
    .options = diff_options,
    .run = run_diff,
};
