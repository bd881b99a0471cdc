/* SPDX-License-Identifier: MIT */
/* The tables are complete and agree with each other, with the fault kinds, and with the manual. */
#include "scenarios/verbs.h"

#include "base/mem.h"
#include "scenarios/io.h"
#include "scenarios/script.h"
#include "sim/fault.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_every_word_is_described(void **state)
{
    (void)state;
    for (const struct verb_def *v = verbs_all; v->name != NULL; v++) {
        assert_non_null(v->usage);
        assert_non_null(v->help);
        assert_true(strlen(v->help) > 5);
        assert_null(strchr(v->help, '\n'));
        /* The usage begins with the word. */
        assert_memory_equal(v->usage, v->name, strlen(v->name));
        assert_ptr_equal(verb_find(v->class, v->name), v); /* No other of its class and name. */
        for (const struct verb_key *k = v->keys; k != NULL && k->name != NULL; k++) {
            assert_non_null(k->help);
            assert_int_equal(k->value == VALUE_CHOICE || k->value == VALUE_CHOICES,
                             k->names != NULL);
        }
    }
}

static void test_names_are_listed_one_by_one(void **state)
{
    (void)state;
    const char *help = NULL;
    assert_string_equal(script_verb_name(0, &help), "case");
    assert_non_null(help);
    size_t n = 0;
    while (script_verb_name(n, &help) != NULL) {
        n++;
    }
    assert_null(verbs_all[n].name);
    assert_null(script_verb_name(n + 100, NULL));
}

static void test_every_expectation_has_a_word(void **state)
{
    (void)state;
    for (int kind = 0; kind < EXPECT_KINDS; kind++) {
        int found = 0;
        for (const struct verb_def *v = verbs_all; v->name != NULL; v++) {
            found += v->class == VERB_EXPECT && v->code == kind;
        }
        assert_int_equal(found, 1);
    }
    assert_int_equal(verb_find(VERB_EXPECT, "quirk")->code, EXPECT_QUIRK);
}

/* What may stand behind quirk is a list of expectations. */
static void test_every_quirk_is_an_expectation(void **state)
{
    (void)state;
    const char *const *names = verb_find(VERB_EXPECT, "quirk")->args[1].names;
    for (size_t i = 0; names[i] != NULL; i++) {
        assert_non_null(verb_find(VERB_EXPECT, names[i]));
    }
}

static void test_every_fault_kind_is_a_word(void **state)
{
    (void)state;
    const struct verb_def *fault = verb_find(VERB_STATEMENT, "fault");
    assert_non_null(fault);
    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        assert_string_equal(fault->args[1].names[kind], fault_kind_name((enum fault_kind)kind));
    }
    assert_string_equal(fault->args[1].names[FAULT_KINDS], "clear");
}

static void test_ids_of_verbs(void **state)
{
    (void)state;
    assert_int_equal(verb_id_of("disk"), VERB_DISK);
    assert_int_equal(verb_id_of("io"), VERB_IO);
    assert_int_equal(verb_id_of("qmp"), VERB_QMP);
    assert_int_equal(verb_id_of("blockdev-add"), VERB_NONE);
    assert_int_equal(verb_id_of("matrix"), VERB_NONE);
}

static void test_values(void **state)
{
    (void)state;
    static const char *const names[] = { "read", "write", NULL };
    static const struct {
        enum verb_value value;
        const char *good, *bad;
    } rows[] = {
        { VALUE_NAME, "a.qcow2", "a b" },     { VALUE_NAME, "#block1", "" },
        { VALUE_PATH, "x y", "" },            { VALUE_SIZE, "0", "-1" },
        { VALUE_SIZE_POS, "1.5M", "0" },      { VALUE_SIZES, "4k-8k", "8k-4k" },
        { VALUE_SIZES, "4k", "4k-" },         { VALUE_RANGE, "0+4k", "4k" },
        { VALUE_DURATION, "0", "5" },         { VALUE_RUN, "idle", "ever" },
        { VALUE_UINT, "0x10", "-1" },         { VALUE_UINT_POS, "1", "0" },
        { VALUE_PERMILLE, "1000", "1001" },   { VALUE_PERCENT, "100", "101" },
        { VALUE_COUNT, "forever", "0" },      { VALUE_CACHE, "volatile", "big" },
        { VALUE_CACHE, "64k", "yes" },        { VALUE_BYTE, "255", "256" },
        { VALUE_PATTERN, "0|1", "0|" },       { VALUE_ERRNO, "ENOSPC", "EOOPS" },
        { VALUE_ERRNO, "28", "0" },           { VALUE_CHOICE, "read", "reed" },
        { VALUE_CHOICES, "read,write", "read," }, { VALUE_JSON, "[1]", "[" },
        { VALUE_SUBSET, "\"/a/\"", "\"/(/\"" }, { VALUE_REGEX, "/a/", "a" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct error err = ERROR_INIT;
        assert_int_equal(verb_value_check(rows[i].value, names, rows[i].good, &err), 0);
        assert_int_equal(verb_value_check(rows[i].value, names, rows[i].bad, &err), -EINVAL);
        assert_true(strlen(err.text) > 10);
    }
    assert_int_equal(verb_value_check(VALUE_TEXT, NULL, "", NULL), 0);
}

static void test_help(void **state)
{
    (void)state;
    struct strbuf out = { 0 };
    assert_true(verb_help("fault", &out));
    assert_non_null(strstr(out.text, "fault DISK KIND [KEY=VALUE...]\n"));
    assert_non_null(strstr(out.text, "errno=ERRNO"));
    assert_non_null(strstr(out.text, "only of error, latent, torn,\n"));
    assert_non_null(strstr(out.text, "needs: host sim"));
    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        char *line = mem_printf("\n    %s ", fault_kind_name((enum fault_kind)kind));
        assert_non_null(strstr(out.text, line)); /* Each kind is described. */
        free(line);
    }
    strbuf_free(&out);
    out = (struct strbuf){ 0 };
    assert_true(verb_help("io", &out));
    const char *name;
    for (size_t i = 0; (name = io_command_name(i, NULL, NULL)) != NULL; i++) {
        assert_non_null(strstr(out.text, name));
    }
    assert_non_null(strstr(out.text, "    truncate [-m prealloc_mode] off\n        truncates"));
    strbuf_free(&out);
    out = (struct strbuf){ 0 };
    assert_true(verb_help("async", &out)); /* With or without the @. */
    assert_non_null(strstr(out.text, "@async(TAG)"));
    assert_true(verb_help("explore", &out));
    assert_non_null(strstr(out.text, "not available in this version"));
    strbuf_free(&out);
    out = (struct strbuf){ 0 };
    assert_false(verb_help("nope", &out));
    assert_non_null(strstr(out.text, "disk, image, load"));
    strbuf_free(&out);
}

/* The reference part of docs/scenarios.md is verb_reference(), word for word. */
static void test_the_manual_has_the_tables(void **state)
{
    (void)state;
    struct strbuf want = { 0 }, have = { 0 };
    verb_reference(&want);
    FILE *f = fopen("docs/scenarios.md", "r");
    if (f == NULL) {
        strbuf_free(&want);
        skip(); /* Not run from the root of the project. */
    }
    char buf[4096];
    for (size_t n; (n = fread(buf, 1, sizeof(buf), f)) > 0;) {
        strbuf_add(&have, buf, n);
    }
    fclose(f);
    if (strstr(strbuf_str(&have), want.text) == NULL) {
        fail_msg("docs/scenarios.md is not up to date; its reference should be:\n%s", want.text);
    }
    strbuf_free(&have);
    strbuf_free(&want);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--reference") == 0) {
        struct strbuf out = { 0 };
        verb_reference(&out);
        fputs(out.text, stdout);
        strbuf_free(&out);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_word_is_described),
        cmocka_unit_test(test_names_are_listed_one_by_one),
        cmocka_unit_test(test_every_expectation_has_a_word),
        cmocka_unit_test(test_every_quirk_is_an_expectation),
        cmocka_unit_test(test_every_fault_kind_is_a_word),
        cmocka_unit_test(test_ids_of_verbs),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_the_manual_has_the_tables),
    };
    return cmocka_run_group_tests_name("scenarios/verbs", tests, NULL, NULL);
}
