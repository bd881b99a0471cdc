/* SPDX-License-Identifier: MIT */
/* `blksim help`: commands, drivers, verbs, QMP commands and oracles, each from its own table. */
#include "app/app.h"
#include "app/help_driver.h"
#include "app/manual.h"
#include "base/mem.h"
#include "drivers/registry.h"
#include "model/qmp/command.h"
#include "oracles/oracle.h"
#include "scenarios/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option_spec help_options[] = {
    { "man", 0, NULL, false, "Print the manual page, for man -l -." },
    { NULL, 0, NULL, false, NULL },
};

static void help_overview(struct strbuf *out)
{
    strbuf_puts(out, "blksim: a deterministic simulator and conformance test harness of QEMU's "
                     "block layer\n\nUsage: blksim COMMAND [OPTIONS] [ARGUMENTS]\n\nCommands:\n");
    for (size_t i = 0; commands_all[i]; i++) {
        strbuf_printf(out, "  %-10s %s\n", commands_all[i]->name, commands_all[i]->help);
    }
    strbuf_puts(out, "\nMore: blksim help COMMAND, help driver [NAME], help verb [NAME], help qmp "
                     "[NAME],\n      help oracle [NAME]\n");
}

/* Names of a table, and one-line helps where there are some. */
struct topic {
    const char *word; /* "driver" */
    const char *(*name)(size_t i, const char **help);
    bool (*describe)(const char *name, struct strbuf *out);
};

static const char *driver_name(size_t i, const char **help)
{
    *help = drivers_all[i] ? drivers_all[i]->help : NULL;
    return drivers_all[i] ? drivers_all[i]->name : NULL;
}

static bool driver_describe(const char *name, struct strbuf *out)
{
    for (size_t i = 0; drivers_all[i]; i++) {
        if (strcmp(drivers_all[i]->name, name) == 0) {
            help_driver(drivers_all[i], out);
            return true;
        }
    }
    return false;
}

static const char *qmp_name(size_t i, const char **help)
{
    *help = qmp_commands[i] ? qmp_commands[i]->help : NULL;
    return qmp_commands[i] ? qmp_commands[i]->name : NULL;
}

static bool qmp_describe(const char *name, struct strbuf *out)
{
    const struct qmp_command *c = qmp_command_find(name);
    if (c) {
        help_qmp(c, out);
    }
    return c != NULL;
}

static const char *oracle_name(size_t i, const char **help)
{
    *help = oracles_all[i] ? oracles_all[i]->help : NULL;
    return oracles_all[i] ? oracles_all[i]->name : NULL;
}

static bool oracle_describe(const char *name, struct strbuf *out)
{
    for (size_t i = 0; oracles_all[i]; i++) {
        const struct oracle_ops *o = oracles_all[i];
        if (strcmp(o->name, name) == 0) {
            strbuf_printf(out, "%s: %s\n\nDoes not verify: %s\n", o->name, o->help, o->blind);
            return true;
        }
    }
    return false;
}

static const char *verb_name(size_t i, const char **help)
{
    *help = verbs_all[i].name ? verbs_all[i].help : NULL;
    return verbs_all[i].name;
}

static bool verb_describe(const char *name, struct strbuf *out)
{
    struct strbuf text = { .text = NULL };
    bool found = verb_help(name, &text);
    if (found) {
        strbuf_puts(out, strbuf_str(&text));
    }
    strbuf_free(&text);
    return found;
}

static const struct topic topics[] = {
    { "driver", driver_name, driver_describe },
    { "verb", verb_name, verb_describe },
    { "qmp", qmp_name, qmp_describe },
    { "oracle", oracle_name, oracle_describe },
};

static void topic_list(const struct topic *t, struct strbuf *out)
{
    const char *help;
    for (size_t i = 0; t->name(i, &help); i++) {
        const char *name = t->name(i, &help);
        strbuf_printf(out, "  %-24s %s\n", name, help ? help : "");
    }
}

static int topic_help(const struct topic *t, const char *name, struct strbuf *out)
{
    const char *help;
    size_t n = 0;
    if (!name) {
        topic_list(t, out);
        return APP_OK;
    }
    if (t->describe(name, out)) {
        return APP_OK;
    }
    while (t->name(n, &help)) {
        n++;
    }
    const char **names = NEW_ARRAY(const char *, n + 1);
    for (size_t i = 0; i < n; i++) {
        names[i] = t->name(i, &help);
    }
    app_complain_unknown(t->word, name, names);
    free(names);
    return APP_USAGE;
}

static int unknown_topic(const char *word)
{
    const char *names[32];
    size_t n = 0;
    for (size_t i = 0; commands_all[i]; i++) {
        names[n++] = commands_all[i]->name;
    }
    for (size_t i = 0; i < ARRAY_LEN(topics); i++) {
        names[n++] = topics[i].word;
    }
    names[n] = NULL;
    app_complain_unknown("help topic", word, names);
    return APP_USAGE;
}

static int help_text(const struct options *o, struct strbuf *out)
{
    if (options_has(o, "man")) {
        manual_write(out);
        return APP_OK;
    }
    if (o->args_len == 0) {
        help_overview(out);
        return APP_OK;
    }
    for (size_t i = 0; i < ARRAY_LEN(topics); i++) {
        if (strcmp(topics[i].word, o->args[0]) == 0) {
            return topic_help(&topics[i], o->args[1], out);
        }
    }
    const struct command *c = command_find(o->args[0]);
    if (!c) {
        return unknown_topic(o->args[0]);
    }
    options_describe(c, out);
    return APP_OK;
}

static int run_help(struct app *app, const struct options *o)
{
    (void)app;
    struct strbuf out = { .text = NULL };
    int code = help_text(o, &out);
    fputs(strbuf_str(&out), stdout);
    strbuf_free(&out);
    return app_finish_output(code);
}

const struct command command_help = {
    .name = "help",
    .args = "[COMMAND | driver [NAME] | verb [NAME] | qmp [NAME] | oracle [NAME]]",
    .help = "Explains a command, a driver, a verb of the scenario language, a QMP command or an "
            "oracle.",
    .more = NULL,
    .args_max = 2,
    .options = help_options,
    .run = run_help,
};
