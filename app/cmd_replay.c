/* SPDX-License-Identifier: MIT */
/* `blksim replay`: one run again, exactly: the case, its parameters, its seed and its choices. */
#include "app/app.h"
#include "app/features.h"
#include "app/host.h"
#include "app/select.h"
#include "app/session.h"
#include "base/mem.h"
#include "scenarios/real/target.h"
#include "drivers/registry.h"
#include "reports/replay_id.h"
#include "sim/choice.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct option_spec replay_options[] = {
    { "verbose", 'v', NULL, false, "Show every statement, reply, event and trace record." },
    { "trace", 0, "FILE", false, "Write the trace; - is stdout." },
    { "verify-determinism", 0, NULL, false, "Run twice and compare the traces." },
    { "watchdog", 0, "SECONDS", false,
      "Wall time after which the run is killed (60); 0: never." },
    { "gdb", 0, NULL, false, "Run it in this process under gdb." },
    { "in-process", 0, NULL, false,
      "Run it in this process instead of a worker, for debuggers and profilers." },
    { NULL, 0, NULL, false, NULL },
};

enum { WATCHDOG_DEFAULT_S = 60, WATCHDOG_MAX_S = 86400 };

/* Becomes gdb with this program in it; returns only when that fails. */
static int become_gdb(const struct options *o)
{
    struct error err = ERROR_INIT;
    char *gdb = real_find_program(NULL, "gdb", NULL), *self = host_self_path(&err);
    if (!gdb || !self) {
        app_complain("replay: %s",
                     gdb ? err.text : "gdb is not installed; try: apt-get install gdb");
    } else {
        execl(gdb, gdb, "--args", self, "replay", "--in-process", o->args[0], (char *)NULL);
        app_complain("replay: cannot start %s: %s", gdb, error_strerror(errno));
    }
    free(gdb);
    free(self);
    return APP_ENVIRONMENT;
}

static void note_nothing(void *opaque, uint32_t statement, int line)
{
    (void)opaque;
    (void)statement;
    (void)line;
}

/* Without a worker: what it does wrong, it does to this process. */
static int run_here(struct session *s)
{
    struct error err = ERROR_INIT;
    struct result r;
    char *features = features_text(), *temp = host_temp_create(&err);
    if (!temp) {
        app_complain("%s", err.text);
        free(features);
        return APP_ENVIRONMENT;
    }
    s->run.drivers = drivers_all;
    s->run.features = features;
    s->run.work_dir = temp;
    s->run.progress = note_nothing;
    result_init(&r);
    run_unit(&s->selection->units.at[0], &s->run, &r);
    printf("%s: %s  %s  %s\n", r.case_id, verdict_name(r.verdict), r.signature, r.message);
    printf("trace hash %016" PRIx64 ", %" PRIu64 " steps, %" PRId64 " ns\n", r.trace_hash, r.steps,
           r.virt_ns);
    int code = r.verdict == VERDICT_NONDET ? APP_NONDET
               : report_is_failure(r.verdict) ? APP_FAILURES : APP_OK;
    result_fini(&r);
    host_remove_tree(temp);
    free(temp);
    free(features);
    return code;
}

static int replay(struct app *app, const struct options *o, const struct replay_id *id)
{
    struct selection selection = { .scripts = NULL };
    uint64_t watchdog = WATCHDOG_DEFAULT_S;
    bool verbose = options_has(o, "verbose");
    struct session s = {
        .app = app,
        .selection = &selection,
        .workers = 1,
        .host_time = false,
        .verbose = true,
        .quiet = true,
        .show_log = verbose,
        .trace_path = options_get(o, "trace", NULL),
        .run = { .deviations = id->choices[0] ? id->choices : NULL,
                 .log_all = true,
                 .keep_trace = verbose || options_has(o, "trace"),
                 .verify_determinism = options_has(o, "verify-determinism") },
    };
    if (!options_number(o, "watchdog", 0, WATCHDOG_MAX_S, &watchdog)) {
        return APP_USAGE;
    }
    s.watchdog_s = (unsigned)watchdog;
    int code = select_unit(id, "replay", &selection);
    if (!code && options_has(o, "gdb")) {
        code = become_gdb(o);
    } else if (!code) {
        code = options_has(o, "in-process") ? run_here(&s) : session_run(&s);
    }
    select_free(&selection);
    return app_finish_output(code);
}

/* The choices of an id can be read. */
static bool choices_are_good(const struct replay_id *id)
{
    struct error err = ERROR_INIT;
    struct choice c;
    choice_init(&c, 0, CHOICE_FIFO, NULL);
    bool good = choice_parse(&c, id->choices, &err) == 0;
    choice_fini(&c);
    if (!good) {
        app_complain("replay: %s", err.text);
    }
    return good;
}

static int run_replay(struct app *app, const struct options *o)
{
    struct replay_id id;
    struct error err = ERROR_INIT;
    if (replay_id_parse(&id, o->args[0], &err)) {
        app_complain("replay: %s", err.text);
        return APP_USAGE;
    }
    int code = choices_are_good(&id) ? replay(app, o, &id) : APP_USAGE;
    replay_id_fini(&id);
    return code;
}

const struct command command_replay = {
    .name = "replay",
    .args = "ID",
    .help = "Repeats one run exactly, from the id printed with its failure.",
    .more = "An ID is PATH:CASE:PARAMS:SEED:CHOICES, with empty parts at its end left out; list "
            "--units prints those of all runs.",
    .args_min = 1,
    .args_max = 1,
    .options = replay_options,
    .run = run_replay,
};
