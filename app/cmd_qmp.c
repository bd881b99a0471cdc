/* SPDX-License-Identifier: MIT */
/* `blksim qmp`: a world with QMP monitors for real clients.
 *
 * The world is that of a scenario case, which is made here from the options or comes from a file:
 * its disks, images and nodes are there when the first client is greeted.  When the clients have
 * done with it, it is torn down and judged as that of any case.
 */
#include "app/app.h"
#include "app/features.h"
#include "app/qmp_server.h"
#include "base/mem.h"
#include "drivers/registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct qmp_session_app {
    struct qmp_server_config server;
    struct error err; /* Of the server. */
    bool served;
};

/* ---- The script of the world ---- */

static void put_lines(struct strbuf *text, const char *verb, const struct options *o)
{
    const char **all = options_all(o, verb);
    for (size_t i = 0; all[i]; i++) {
        strbuf_printf(text, "%s %s\n", verb, all[i]);
    }
    free(all);
}

static struct script *make_script(const struct options *o, struct strbuf *errors)
{
    struct strbuf text = { .text = NULL };
    bool sim = options_has(o, "sim") || options_has(o, "disk") || options_has(o, "image");
    strbuf_printf(&text, "case qmp\nhost %s\n", sim ? "sim" : "posix");
    put_lines(&text, "disk", o);
    put_lines(&text, "image", o);
    for (size_t i = 0; i < o->args_len; i++) {
        strbuf_puts(&text, i ? " " : "args ");
        script_format_value(o->args[i], false, &text);
    }
    strbuf_puts(&text, o->args_len ? "\n" : "");
    struct script *s = script_parse("(options)", strbuf_str(&text), text.len, errors);
    strbuf_free(&text);
    return s;
}

/* NULL after a complaint. */
static struct script *load_script(const struct options *o)
{
    static const char *const own[] = { "dir", "sim", "disk", "image" };
    const char *path = options_get(o, "world", NULL);
    struct strbuf errors = { .text = NULL };
    struct script *s = NULL;
    for (size_t i = 0; path && i < ARRAY_LEN(own); i++) {
        if (options_has(o, own[i])) {
            app_complain("qmp: --world and --%s exclude each other", own[i]);
            return NULL;
        }
    }
    if (path && o->args_len) {
        app_complain("qmp: the command line of the machine stands in the case (`args`)");
        return NULL;
    }
    if (options_has(o, "dir") && (options_has(o, "sim") || options_has(o, "disk"))) {
        app_complain("qmp: --dir and --sim exclude each other");
        return NULL;
    }
    s = path ? script_load(path, &errors) : make_script(o, &errors);
    if (!s) {
        app_complain("%.*s", (int)strcspn(strbuf_str(&errors), "\n"), strbuf_str(&errors));
    }
    strbuf_free(&errors);
    return s;
}

/* ---- Running it ---- */

static void serve(void *opaque, struct run_world *w)
{
    struct qmp_session_app *a = opaque;
    a->served = true;
    qmp_server_run(&a->server, w, &a->err);
}

/* A statement of the world was refused: what counts is its text, in the first line. */
static int tell_refusal(const char *message)
{
    static const char prefix[] = "unexpected error: ";
    const char *text = strncmp(message, prefix, sizeof(prefix) - 1) == 0
                           ? message + sizeof(prefix) - 1
                           : message;
    app_complain("qmp: %.*s", (int)strcspn(text, "\n"), text);
    return APP_USAGE;
}

static int tell(const struct qmp_session_app *a, const struct result *r)
{
    if (a->err.code) {
        app_complain("qmp: %s", a->err.text);
        return APP_ENVIRONMENT;
    }
    if (r->verdict == VERDICT_PASS) {
        return APP_OK;
    }
    if (!a->served) {
        return tell_refusal(r->message);
    }
    app_complain("qmp: %s", r->message);
    return APP_FAILURES;
}

static int run_world(const struct options *o, const struct script *s, uint64_t seed)
{
    struct qmp_session_app a = { .err = ERROR_INIT };
    const char **sockets = options_all(o, "socket");
    struct unit_select sel = { .seed_given = options_has(o, "seed"), .seed_first = seed,
                               .seed_last = seed };
    struct units units = { .len = 0 };
    struct error err = ERROR_INIT;
    struct result r;
    char *features = features_text();
    int code = APP_USAGE;
    a.server = (struct qmp_server_config){
        .sockets = sockets,
        .real_clock = strcmp(options_get(o, "clock", "virtual"), "real") == 0,
        .check = options_has(o, "check"),
    };
    struct run_config cfg = { .drivers = drivers_all, .features = features,
                              .work_dir = options_get(o, "dir", "."),
                              .serve = serve, .serve_opaque = &a };
    if (units_of_case(s, &s->cases[0], &sel, &units, &err) < 0 || units.len == 0) {
        app_complain("qmp: %s", err.code ? err.text : "the case has no unit");
    } else {
        result_init(&r);
        run_unit(&units.at[0], &cfg, &r);
        code = tell(&a, &r);
        result_fini(&r);
    }
    units_free(&units);
    free(features);
    free(sockets);
    return code;
}

static int run_qmp(struct app *app, const struct options *o)
{
    const char *clock = options_get(o, "clock", "virtual");
    uint64_t seed = 0;
    (void)app;
    if (strcmp(clock, "virtual") != 0 && strcmp(clock, "real") != 0) {
        app_complain("qmp: --clock takes virtual or real, not '%s'", clock);
        return APP_USAGE;
    }
    if (!options_number(o, "seed", 0, UINT64_MAX, &seed)) {
        return APP_USAGE;
    }
    struct script *s = load_script(o);
    if (!s) {
        return APP_USAGE;
    }
    int code = run_world(o, s, seed);
    script_free(s);
    return app_finish_output(code);
}

static const struct option_spec qmp_options[] = {
    { "socket", 0, "PATH", true,
      "Serve on a unix socket, one client after the other. Given more than once, clients of "
      "different sockets are there at the same time. Without it: stdin and stdout." },
    { "clock", 0, "WHICH", false,
      "virtual (default): time moves only as far as commands need it; real: it moves as that of "
      "the machine." },
    { "dir", 0, "DIR", false, "Real files are below this directory (the current one)." },
    { "sim", 0, NULL, false, "A simulated directory instead, empty at the beginning." },
    { "disk", 0, "\"NAME KEY=VALUE...\"", true,
      "A simulated disk, as the verb disk makes it; with --sim." },
    { "image", 0, "\"FORMAT NAME SIZE\"", true,
      "An image, as the verb image makes it; with --sim." },
    { "world", 0, "FILE", false,
      "The first case of a scenario file makes the world: all its statements are run before the "
      "first client is greeted." },
    { "seed", 0, "N", false, "Seed of the world." },
    { "check", 0, NULL, false,
      "Let the oracles look at the world after every command, and complain about what they see." },
    { NULL, 0, NULL, false, NULL },
};

const struct command command_qmp = {
    .name = "qmp",
    .args = "[-- QEMU-OPTION...]",
    .help = "Serves a QMP monitor over a block layer.",
    .more = "Clients speak to it as to QEMU's: greeting, qmp_capabilities, commands, events. "
            "human-monitor-command knows qemu-io, info block, info block-jobs, info block-graph "
            "(the graph in the DOT language) and help; what qemu-io prints goes to stdout, or to "
            "stderr when the monitor is on stdout. Behind -- stand options of QEMU: -blockdev, "
            "-drive, -device, -object. It ends with quit, a signal, or the end of stdin.",
    .args_max = SIZE_MAX,
    .options = qmp_options,
    .run = run_qmp,
};
