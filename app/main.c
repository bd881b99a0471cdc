/* SPDX-License-Identifier: MIT */
/* blksim: the way into a subcommand. */
#include "app/app.h"
#include "base/mem.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAP_STEP = 1 << 20, HEAP_KEPT = 64 << 20 };

static const char *const *command_names(void)
{
    size_t n = 0;
    while (commands_all[n]) {
        n++;
    }
    const char **names = NEW_ARRAY(const char *, n + 1);
    for (size_t i = 0; i < n; i++) {
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
    /* Memory comes in large steps, and stays. */
    mallopt(M_TOP_PAD, HEAP_STEP);
    mallopt(M_TRIM_THRESHOLD, HEAP_KEPT);
    signal(SIGXFSZ, SIG_IGN); /* A limit on file sizes is an error of write, as a full disk is. */
    signal(SIGCHLD, SIG_DFL); /* Where it is ignored no child can be waited for. */
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
