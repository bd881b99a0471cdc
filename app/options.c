/* SPDX-License-Identifier: MIT */
#include "app/options.h"

#include "app/app.h"
#include "base/check.h"
#include "base/mem.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS_MAX = 64, LONG_BASE = 256, HELP_COLUMN = 28, HELP_WIDTH = 96 };

/* The table as getopt_long takes it.  --help is in every table. */
struct getopt_table {
    struct option longs[OPTIONS_MAX];
    char shorts[OPTIONS_MAX * 2 + 2];
    size_t len;
};

static void build_table(const struct command *c, struct getopt_table *t)
{
    size_t s = 0, i = 0;
    memset(t, 0, sizeof(*t));
    t->shorts[s++] = ':'; /* A missing argument is told from an unknown option. */
    for (; c->options[i].name; i++) {
        const struct option_spec *o = &c->options[i];
        CHECK(i < OPTIONS_MAX - 2);
        t->longs[i] = (struct option){ .name = o->name, .has_arg = o->arg ? 1 : 0,
                                       .val = LONG_BASE + (int)i };
        if (o->letter) {
            t->shorts[s++] = o->letter;
            if (o->arg) {
                t->shorts[s++] = ':';
            }
        }
    }
    t->longs[i] = (struct option){ .name = "help", .val = 'h' };
    t->shorts[s++] = 'h';
    t->len = i;
}

static const struct option_spec *spec_of(const struct command *c, const struct getopt_table *t,
                                         int val)
{
    if (val >= LONG_BASE) {
        return &c->options[val - LONG_BASE];
    }
    for (size_t i = 0; i < t->len; i++) {
        if (c->options[i].letter == val) {
            return &c->options[i];
        }
    }
    UNREACHABLE();
}

static const char *spec_name(const void *opaque, size_t i)
{
    const struct option_spec *const *options = opaque;
    return (*options)[i].name;
}

/* word: as given, with its dashes. */
static void complain_option(const struct command *c, const struct getopt_table *t,
                            const char *word, int letter)
{
    if (word[0] == '-' && word[1] == '-') {
        char *name = mem_strndup(word + 2, strcspn(word + 2, "="));
        const char *near = text_nearest_of(name, t->len, spec_name, &c->options);
        app_complain("%s: unknown option --%s%s%s%s; see blksim %s --help", c->name, name,
                     near ? ", did you mean --" : "", near ? near : "", near ? "?" : "", c->name);
        free(name);
    } else {
        app_complain("%s: unknown option -%c; see blksim %s --help", c->name, letter, c->name);
    }
}

static bool put_value(struct options *o, const struct option_spec *spec, const char *text)
{
    if (!spec->many && options_has(o, spec->name)) {
        app_complain("%s: --%s is given more than once", o->command->name, spec->name);
        return false;
    }
    o->values[o->values_len++] = (struct option_value){ spec, text };
    return true;
}

static bool check_args(const struct command *c, struct options *o, int argc, char **argv)
{
    o->args = NEW_ARRAY(const char *, (size_t)argc + 1);
    for (int i = optind; i < argc; i++) {
        o->args[o->args_len++] = argv[i];
    }
    if (o->args_len < c->args_min) {
        app_complain("%s: an argument is missing; usage: blksim %s [OPTIONS] %s", c->name, c->name,
                     c->args);
        return false;
    }
    if (o->args_len > c->args_max) {
        app_complain("%s: too many arguments at '%s'; usage: blksim %s [OPTIONS] %s", c->name,
                     o->args[c->args_max], c->name, c->args);
        return false;
    }
    return true;
}

enum options_end options_parse(const struct command *c, int argc, char **argv, struct options *o)
{
    struct getopt_table t;
    int val;
    build_table(c, &t);
    *o = (struct options){ .command = c, .values = NEW_ARRAY(struct option_value, (size_t)argc) };
    opterr = 0;
    optind = 0; /* glibc: start afresh, whatever was parsed before. */
    while ((val = getopt_long(argc, argv, t.shorts, t.longs, NULL)) != -1) {
        if (val == 'h') {
            return OPTIONS_HELP;
        }
        if (val == ':') {
            app_complain("%s: option %s needs a value; see blksim %s --help", c->name,
                         argv[optind - 1], c->name);
            return OPTIONS_BAD;
        }
        if (val == '?') {
            complain_option(c, &t, argv[optind - 1], optopt);
            return OPTIONS_BAD;
        }
        if (!put_value(o, spec_of(c, &t, val), optarg)) {
            return OPTIONS_BAD;
        }
    }
    return check_args(c, o, argc, argv) ? OPTIONS_RUN : OPTIONS_BAD;
}

void options_free(struct options *o)
{
    free(o->values);
    free(o->args);
    *o = (struct options){ .command = NULL };
}

static const struct option_value *find(const struct options *o, const char *name)
{
    for (size_t i = o->values_len; i > 0; i--) {
        if (strcmp(o->values[i - 1].spec->name, name) == 0) {
            return &o->values[i - 1];
        }
    }
    return NULL;
}

bool options_has(const struct options *o, const char *name)
{
    return find(o, name) != NULL;
}

const char *options_get(const struct options *o, const char *name, const char *deflt)
{
    const struct option_value *v = find(o, name);
    return v ? v->text : deflt;
}

const char **options_all(const struct options *o, const char *name)
{
    const char **all = NEW_ARRAY(const char *, o->values_len + 1);
    size_t n = 0;
    for (size_t i = 0; i < o->values_len; i++) {
        if (strcmp(o->values[i].spec->name, name) == 0) {
            all[n++] = o->values[i].text;
        }
    }
    return all;
}

bool options_number(const struct options *o, const char *name, uint64_t min, uint64_t max,
                    uint64_t *value)
{
    const struct option_value *v = find(o, name);
    if (!v) {
        return true;
    }
    if (text_parse_u64(v->text, value) || *value < min || *value > max) {
        app_complain("%s: --%s takes a number from %" PRIu64 " to %" PRIu64 ", not '%s'",
                     o->command->name, name, min, max, v->text);
        return false;
    }
    return true;
}

/* Words of text, broken to lines that start at a column; the first is already there. */
static void put_wrapped(struct strbuf *out, const char *text, size_t column, size_t at)
{
    while (*text) {
        size_t n = strcspn(text, " \n");
        if (at > column && at + 1 + n > HELP_WIDTH) {
            strbuf_printf(out, "\n%*s", (int)column, "");
            at = column;
        } else if (at > column) {
            strbuf_putc(out, ' ');
            at++;
        }
        strbuf_add(out, text, n);
        at += n;
        text += n + strspn(text + n, " ");
        if (*text == '\n') {
            strbuf_printf(out, "\n%*s", (int)column, "");
            at = column;
            text++;
        }
    }
    strbuf_putc(out, '\n');
}

static void put_option(struct strbuf *out, const struct option_spec *o)
{
    size_t start = out->len;
    strbuf_printf(out, "  %c%c%s --%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
                  o->letter ? "," : " ", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
    size_t at = out->len - start;
    if (at + 2 > HELP_COLUMN) {
        strbuf_putc(out, '\n');
        at = 0;
    }
    strbuf_printf(out, "%*s", (int)(HELP_COLUMN - at), "");
    put_wrapped(out, o->help, HELP_COLUMN, HELP_COLUMN);
}

void options_describe(const struct command *c, struct strbuf *out)
{
    static const struct option_spec help = { "help", 'h', NULL, false, "Prints this." };
    strbuf_printf(out, "Usage: blksim %s [OPTIONS]%s%s\n\n", c->name, c->args[0] ? " " : "",
                  c->args);
    put_wrapped(out, c->help, 0, 0);
    if (c->more) {
        strbuf_putc(out, '\n');
        put_wrapped(out, c->more, 0, 0);
    }
    strbuf_puts(out, "\nOptions:\n");
    for (const struct option_spec *o = c->options; o->name; o++) {
        put_option(out, o);
    }
    put_option(out, &help);
}
