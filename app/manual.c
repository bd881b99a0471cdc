/* SPDX-License-Identifier: MIT */
/* The manual page in man(7) macros.  docs/blksim.1 is this text; a test compares them. */
#include "app/manual.h"

#include "app/app.h"
#include "base/mem.h"

#include <string.h>

/* Text in which no line starts a request and no '-' becomes a hyphen. */
static void put_text(struct strbuf *out, const char *text)
{
    bool start = true;
    for (; *text; text++) {
        if (start && (*text == '.' || *text == '\'')) {
            strbuf_puts(out, "\\&");
        }
        start = *text == '\n';
        if (*text == '-') {
            strbuf_puts(out, "\\-");
        } else if (*text == '\\') {
            strbuf_puts(out, "\\e");
        } else {
            strbuf_putc(out, *text);
        }
    }
}

static void put_option(struct strbuf *out, const struct option_spec *o)
{
    strbuf_puts(out, ".TP\n");
    if (o->letter) {
        strbuf_printf(out, "\\fB\\-%c\\fR, ", o->letter);
    }
    strbuf_puts(out, "\\fB\\-\\-");
    put_text(out, o->name);
    strbuf_puts(out, "\\fR");
    if (o->arg) {
        strbuf_puts(out, " \\fI");
        put_text(out, o->arg);
        strbuf_puts(out, "\\fR");
    }
    strbuf_putc(out, '\n');
    put_text(out, o->help);
    strbuf_putc(out, '\n');
}

static void put_command(struct strbuf *out, const struct command *c)
{
    strbuf_printf(out, ".SS blksim %s [OPTIONS]%s%s\n", c->name, c->args[0] ? " " : "", c->args);
    put_text(out, c->help);
    strbuf_putc(out, '\n');
    if (c->more) {
        put_text(out, c->more);
        strbuf_putc(out, '\n');
    }
    for (const struct option_spec *o = c->options; o->name; o++) {
        put_option(out, o);
    }
}

struct entry {
    const char *tag, *text;
};

static void put_entries(struct strbuf *out, const struct entry *e, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        strbuf_puts(out, ".TP\n\\fB");
        put_text(out, e[i].tag);
        strbuf_puts(out, "\\fR\n");
        put_text(out, e[i].text);
        strbuf_putc(out, '\n');
    }
}

void manual_write(struct strbuf *out)
{
    static const struct entry exits[] = {
        { "0", "All passed." },
        { "1", "A case failed, differed, crashed or hung; fmt --check found a difference." },
        { "2", "The command line or a scenario file is wrong." },
        { "3", "A file, the database or the machine did not do its part." },
        { "4", "A second run had another trace." },
        { "75", "Interrupted; the same command with the same --db goes on." },
        { "77", "Nothing ran: nothing was selected, or everything was skipped." },
    };
    static const struct entry environment[] = {
        { "NO_COLOR", "When set, nothing is coloured." },
        { "COLUMNS", "Width of the progress line." },
        { "TMPDIR", "Where private work folders are made; they are removed at the end." },
    };
    strbuf_puts(out, ".TH BLKSIM 1 \"\" \"blksim " APP_VERSION "\" \"User Commands\"\n"
                     ".SH NAME\nblksim \\- deterministic simulator and conformance tests of "
                     "QEMU's block layer\n"
                     ".SH SYNOPSIS\n\\fBblksim\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR] "
                     "[\\fIARGUMENTS\\fR]\n"
                     ".SH DESCRIPTION\n");
    put_text(out, "blksim runs scripted scenarios on a block layer that behaves as QEMU's, in a "
                  "world with simulated time and simulated disks that can fail and lose power. "
                  "Independent oracles judge data, graph and liveness. The same program, "
                  "scenario, parameters and seed give the same trace on every machine.\n");
    strbuf_puts(out, ".SH COMMANDS\n");
    for (size_t i = 0; commands_all[i]; i++) {
        put_command(out, commands_all[i]);
    }
    strbuf_puts(out, ".SH EXIT STATUS\n");
    put_entries(out, exits, ARRAY_LEN(exits));
    strbuf_puts(out, ".SH ENVIRONMENT\n");
    put_entries(out, environment, ARRAY_LEN(environment));
    strbuf_puts(out, ".SH SEE ALSO\n");
    put_text(out, "docs/scenarios.md describes the scenario language; blksim help verb NAME, "
                  "help driver NAME and help oracle NAME print the reference.\n");
}
