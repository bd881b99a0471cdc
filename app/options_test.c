/* SPDX-License-Identifier: MIT */
#include "app/options.h"

#include "app/app.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int never_run(struct app *app, const struct options *o)
{
    (void)app;
    (void)o;
    return APP_OK;
}

static const struct option_spec specs[] = {
    { "jobs", 'j', "N", false, "Workers." },
    { "define", 'D', "K=V", true, "Only these." },
    { "force", 0, NULL, false, "Anyway." },
    { NULL, 0, NULL, false, NULL },
};

static const struct command command = { .name = "try", .args = "[PATH...]", .help = "Tries.",
                                        .args_max = 2, .options = specs, .run = never_run };

/* A command line and what came of it. */
struct line {
    char *argv[16], *all[16]; /* getopt_long changes the order of argv. */
    int argc;
    struct options o;
    char *said; /* What was complained about. */
};

static enum options_end parse(struct line *l, const char *const *words)
{
    int fds[2], saved = dup(STDERR_FILENO);
    char text[1024];
    *l = (struct line){ .argc = 0 };
    for (; words[l->argc]; l->argc++) {
        l->argv[l->argc] = l->all[l->argc] = mem_strdup(words[l->argc]);
    }
    assert_int_equal(pipe(fds), 0);
    dup2(fds[1], STDERR_FILENO);
    enum options_end end = options_parse(&command, l->argc, l->argv, &l->o);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(fds[1]);
    ssize_t n = read(fds[0], text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    close(fds[0]);
    l->said = mem_strdup(text);
    return end;
}

static void line_free(struct line *l)
{
    options_free(&l->o);
    free(l->said);
    for (int i = 0; i < l->argc; i++) {
        free(l->all[i]);
    }
}

#define WORDS(...) ((const char *const[]){ "try", __VA_ARGS__, NULL })

static void words_become_values(void **state)
{
    struct line l;
    uint64_t n = 1;
    (void)state;
    assert_int_equal(parse(&l, WORDS("-j3", "a.scn", "-D", "a=1", "--define=b=2", "--force", "--",
                                     "-x")), OPTIONS_RUN);
    assert_string_equal(l.said, "");
    assert_true(options_number(&l.o, "jobs", 1, 8, &n));
    assert_int_equal(n, 3);
    assert_true(options_has(&l.o, "force"));
    assert_string_equal(options_get(&l.o, "jobs", "none"), "3");
    assert_string_equal(options_get(&l.o, "absent", "none"), "none");
    const char **all = options_all(&l.o, "define");
    assert_string_equal(all[0], "a=1");
    assert_string_equal(all[1], "b=2");
    assert_null(all[2]);
    assert_int_equal(l.o.args_len, 2);
    assert_string_equal(l.o.args[0], "a.scn");
    assert_string_equal(l.o.args[1], "-x");
    free(all);
    line_free(&l);
}

static void what_is_wrong_is_said(void **state)
{
    static const struct {
        const char *words[6];
        const char *said;
    } cases[] = {
        { { "try", "--jbos", "3" },
          "blksim: try: unknown option --jbos, did you mean --jobs?; see blksim try --help\n" },
        { { "try", "--xyzzy=1" }, "blksim: try: unknown option --xyzzy; see blksim try --help\n" },
        { { "try", "-z" }, "blksim: try: unknown option -z; see blksim try --help\n" },
        { { "try", "--jobs" },
          "blksim: try: option --jobs needs a value; see blksim try --help\n" },
        { { "try", "-j", "1", "-j", "2" }, "blksim: try: --jobs is given more than once\n" },
        { { "try", "a", "b", "c" },
          "blksim: try: too many arguments at 'c'; usage: blksim try [OPTIONS] [PATH...]\n" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct line l;
        assert_int_equal(parse(&l, cases[i].words), OPTIONS_BAD);
        assert_string_equal(l.said, cases[i].said);
        line_free(&l);
    }
}

static void help_lists_every_option(void **state)
{
    struct line l;
    struct strbuf b = { .text = NULL };
    (void)state;
    assert_int_equal(parse(&l, WORDS("--force", "-h")), OPTIONS_HELP);
    line_free(&l);
    options_describe(&command, &b);
    assert_string_equal(strbuf_str(&b), "Usage: blksim try [OPTIONS] [PATH...]\n\nTries.\n\n"
                                        "Options:\n"
                                        "  -j, --jobs N              Workers.\n"
                                        "  -D, --define K=V          Only these.\n"
                                        "      --force               Anyway.\n"
                                        "  -h, --help                Prints this.\n");
    strbuf_free(&b);
}

/* Every real table can be used: no letter or name twice, help everywhere. */
static void the_tables_of_all_commands_are_sound(void **state)
{
    (void)state;
    for (size_t i = 0; commands_all[i]; i++) {
        const struct command *c = commands_all[i];
        assert_ptr_equal(command_find(c->name), c);
        assert_non_null(c->help);
        assert_true(c->args_min <= c->args_max);
        for (const struct option_spec *a = c->options; a->name; a++) {
            assert_true(a->help && strlen(a->help) > 5);
            assert_string_not_equal(a->name, "help");
            assert_int_not_equal(a->letter, 'h');
            for (const struct option_spec *b = c->options; b != a; b++) {
                assert_string_not_equal(a->name, b->name);
                assert_true(a->letter == 0 || a->letter != b->letter);
            }
        }
    }
    assert_null(command_find("ruin"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_become_values),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(help_lists_every_option),
        cmocka_unit_test(the_tables_of_all_commands_are_sound),
    };
    return cmocka_run_group_tests_name("app/options", tests, NULL, NULL);
}
