/* SPDX-License-Identifier: MIT */
/* `blksim list`: what would run, a line a case or a line a unit. */
#include "app/app.h"
#include "app/select.h"

#include <stdio.h>
#include <string.h>

static const struct option_spec list_options[] = {
    SELECT_OPTIONS,
    { "units", 'u', NULL, false, "A line a unit: its replay id." },
    { NULL, 0, NULL, false, NULL },
};

static void print_header_words(const struct script_case *c, const char *header)
{
    for (size_t i = 0; i < c->headers_len; i++) {
        const struct script_header *h = &c->headers[i];
        for (size_t w = 0; strcmp(h->name, header) == 0 && w < h->words.len; w++) {
            printf("  %s %s", header, h->words.at[w].raw);
        }
    }
}

static void print_case(const struct unit *u, size_t units)
{
    printf("%s  %zu unit%s  %s:%d", u->cas->name, units, units == 1 ? "" : "s", u->script->path,
           u->cas->line);
    print_header_words(u->cas, "matrix");
    print_header_words(u->cas, "group");
    print_header_words(u->cas, "require");
    putchar('\n');
}

static void print_unit(const struct unit *u)
{
    struct strbuf id = { .text = NULL };
    select_replay_id(u, "", &id);
    puts(strbuf_str(&id));
    strbuf_free(&id);
}

static int run_list(struct app *app, const struct options *o)
{
    (void)app;
    struct selection s = { .scripts = NULL };
    int code = select_load(o, &s);
    const struct units *units = &s.units;
    for (size_t i = 0; i < units->len && code == APP_OK;) {
        size_t n = 0;
        while (i + n < units->len && units->at[i + n].cas == units->at[i].cas) {
            if (options_has(o, "units")) {
                print_unit(&units->at[i + n]);
            }
            n++;
        }
        if (!options_has(o, "units")) {
            print_case(&units->at[i], n);
        }
        i += n;
    }
    if (code == APP_OK && units->len == 0) {
        app_complain("list: no case was selected");
        code = APP_NOTHING;
    }
    select_free(&s);
    return app_finish_output(code);
}

const struct command command_list = {
    .name = "list",
    .args = "[PATH...]",
    .help = "Lists the cases that run would run, a line each.",
    .more = "Each line has the name of the case, how many units its matrix and seeds make, where "
            "it stands, and its matrix, groups and requirements.",
    .args_max = SIZE_MAX,
    .options = list_options,
    .run = run_list,
};
