/* SPDX-License-Identifier: MIT */
/* Script files: what can be read, and what is said of the rest. */
#include "scenarios/script.h"

#include "base/mem.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct dir {
    char path[64];
    char file[96];
};

static int set_up(void **state)
{
    struct dir *d = NEW(struct dir);
    snprintf(d->path, sizeof(d->path), "/tmp/blksim-script-XXXXXX");
    assert_non_null(mkdtemp(d->path));
    snprintf(d->file, sizeof(d->file), "%s/a.scn", d->path);
    *state = d;
    return 0;
}

static int tear_down(void **state)
{
    struct dir *d = *state;
    unlink(d->file);
    rmdir(d->path);
    free(d);
    return 0;
}

static void put(const struct dir *d, const char *text, size_t n)
{
    FILE *f = fopen(d->file, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    fclose(f);
}

static void refused(const char *path, const char *why)
{
    struct strbuf errors = { 0 };
    char *want = mem_printf("%s: %s\n", path, why);
    assert_null(script_load(path, &errors));
    assert_string_equal(strbuf_str(&errors), want);
    strbuf_free(&errors);
    free(want);
}

static void test_a_file_is_read(void **state)
{
    const struct dir *d = *state;
    struct strbuf errors = { 0 };
    put(d, "case a\nrun 1ms", 14); /* The last line need not end. */
    struct script *s = script_load(d->file, &errors);
    assert_non_null(s);
    assert_string_equal(s->path, d->file);
    assert_int_equal(s->cases[0].stmts_len, 1);
    assert_int_equal(s->lines_len, 2);
    assert_string_equal(s->lines[1], "run 1ms");
    script_free(s);
    strbuf_free(&errors);
}

static void test_what_is_no_file_is_refused(void **state)
{
    const struct dir *d = *state;
    refused(d->file, "No such file or directory");
    refused(d->path, "Is a directory");
    put(d, "case a\n", 7);
    char *below = mem_printf("%s/x", d->file);
    refused(below, "Not a directory");
    free(below);
    if (geteuid() != 0) {
        assert_int_equal(chmod(d->file, 0), 0);
        refused(d->file, "Permission denied");
    }
}

static void test_an_endless_file_is_not_read_to_its_end(void **state)
{
    (void)state;
    struct strbuf errors = { 0 };
    assert_null(script_load("/dev/zero", &errors));
    assert_string_equal(strbuf_str(&errors),
                        "/dev/zero:1:1: the file has more than 16777216 bytes\n");
    strbuf_free(&errors);
}

/* Every block "```scn" of the manual is a script. */
static void test_the_examples_of_the_manual_parse(void **state)
{
    (void)state;
    FILE *f = fopen("docs/scenarios.md", "r");
    if (f == NULL) {
        skip(); /* Not run from the root of the project. */
    }
    char line[512];
    struct strbuf text = { 0 };
    bool inside = false;
    int examples = 0;
    while (fgets(line, sizeof(line), f) != NULL) {
        if (inside && strcmp(line, "```\n") == 0) {
            struct strbuf errors = { 0 };
            struct script *s = script_parse("example", text.text, text.len, &errors);
            assert_string_equal(strbuf_str(&errors), "");
            script_free(s);
            strbuf_free(&errors);
            strbuf_free(&text);
            text = (struct strbuf){ 0 };
            examples++;
        } else if (inside) {
            strbuf_puts(&text, line);
        }
        inside = strncmp(line, "```", 3) == 0 ? strcmp(line, "```scn\n") == 0 : inside;
    }
    fclose(f);
    assert_true(examples > 10);
}

static void test_freeing_nothing_is_fine(void **state)
{
    (void)state;
    script_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_file_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_no_file_is_refused, set_up, tear_down),
        cmocka_unit_test(test_an_endless_file_is_not_read_to_its_end),
        cmocka_unit_test(test_the_examples_of_the_manual_parse),
        cmocka_unit_test(test_freeing_nothing_is_fine),
    };
    return cmocka_run_group_tests_name("scenarios/script", tests, NULL, NULL);
}
