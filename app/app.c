/* SPDX-License-Identifier: MIT */
/* The command table, and what all subcommands share. */
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
    &command_run, &command_diff,  &command_list,     &command_replay, &command_fmt,
    &command_qmp, &command_bench, &command_features, &command_help,   NULL,
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
    int errnum = fflush(stdout) != 0 ? errno : 0;
    if (errnum || ferror(stdout)) {
        /* When an earlier write failed nobody knows any more why. */
        app_complain("cannot write to stdout%s%s", errnum ? ": " : "",
                     errnum ? error_strerror(errnum) : "");
        return APP_ENVIRONMENT;
    }
    return code;
}
