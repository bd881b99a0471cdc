/* SPDX-License-Identifier: MIT */
/* blksim: the command table and the way into it. */
#include "app/app.h"
#include "base/check.h"
#include "base/error.h"
#include "base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct command *const commands_all[] = {
    &command_run, &command_list, &command_replay, &command_fmt, &command_features, &command_help,
    NULL,
};

const struct command *command_find(const char *name)
{
    for (size_t i = 0; commands_all[i]; i++) {
        if (strcmp(commands_all[i]->name, name) == 0) {
            return commands_all[i];
        }
    }
    return NULL;
}

void app_complain(const char *fmt, ...)
{
    va_list ap;
    fflush(stdout);
    fputs("blksim: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

void app_complain_unknown(const char *what, const char *word, const char *const *names)
{
    struct strbuf all = { .text = NULL };
    const char *near = text_nearest(word, names);
    for (size_t i = 0; names[i]; i++) {
        strbuf_printf(&all, "%s%s", i ? ", " : "", names[i]);
    }
    app_complain("unknown %s '%s'%s%s%s; there are: %s", what, word,
                 near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "",
                 strbuf_str(&all));
    strbuf_free(&all);
}

int app_finish_output(int code)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        app_complain("cannot write to stdout: %s", error_strerror(errno ? errno : EIO));
        return APP_ENVIRONMENT;
    }
    return code;
}

static const char *const *command_names(void)
{
    const char **names = NEW_ARRAY(const char *, ARRAY_LEN(commands_all));
    for (size_t i = 0; commands_all[i]; i++) {
        names[i] = commands_all[i]->name;
    }
    return (const char *const *)names;
}

static int run_command(struct app *app, const struct command *c, int argc, char **argv)
{
    struct options o;
    int code = APP_USAGE;
    switch (options_parse(c, argc, argv, &o)) {
    case OPTIONS_RUN:
        code = c->run(app, &o);
        break;
    case OPTIONS_HELP: {
        struct strbuf text = { .text = NULL };
        options_describe(c, &text);
        fputs(strbuf_str(&text), stdout);
        strbuf_free(&text);
        code = app_finish_output(APP_OK);
        break;
    }
    case OPTIONS_BAD:
        break;
    }
    options_free(&o);
    return code;
}

int main(int argc, char **argv)
{
    struct app app = { .program = argc > 0 && strchr(argv[0], '/') ? argv[0] : "blksim" };
    if (argc < 2) {
        char help[] = "help";
        char *help_argv[] = { help, NULL };
        run_command(&app, &command_help, 1, help_argv);
        return APP_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--version") == 0) {
        puts("blksim " APP_VERSION);
        return app_finish_output(APP_OK);
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        word = "help";
    }
    const struct command *c = command_find(word);
    if (!c) {
        const char *const *names = command_names();
        app_complain_unknown("command", word, names);
        free((void *)names);
        return APP_USAGE;
    }
    return run_command(&app, c, argc - 1, argv + 1);
}
