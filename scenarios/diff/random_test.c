/* SPDX-License-Identifier: MIT */
/* The generator: pure, canonical, varied, and true to its list of what is not generated. */
#include "base/text.h"
#include "drivers/registry.h"
#include "scenarios/diff/random.h"
#include "scenarios/script.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *make(uint64_t seed, unsigned statements)
{
    struct strbuf out = { 0 };
    random_script(drivers_all, seed, statements, &out);
    assert_non_null(out.text);
    return out.text;
}

static struct script *parse(const char *text)
{
    struct strbuf errors = { 0 };
    struct script *s = script_parse("random", text, strlen(text), &errors);
    assert_string_equal(strbuf_str(&errors), "");
    strbuf_free(&errors);
    return s;
}

/* The same arguments give the same text, and other seeds another one. */
static void test_pure(void **state)
{
    (void)state;
    char *a = make(7, 60), *b = make(7, 60), *c = make(8, 60);
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    free(a);
    free(b);
    free(c);
}

/* One case of that name, as many statements as were asked for behind its world, canonical. */
static void test_canonical(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        char *text = make(seed, 40), name[40];
        struct script *s = parse(text);
        struct strbuf again = { 0 };
        size_t world = 0;
        assert_int_equal(s->cases_len, 1);
        snprintf(name, sizeof(name), "random/%" PRIu64, seed);
        assert_string_equal(s->cases[0].name, name);
        for (size_t i = 0; i < s->cases[0].stmts_len; i++) {
            const char *verb = s->cases[0].stmts[i].words.at[0].text;
            world += strcmp(verb, "disk") == 0 || strcmp(verb, "image") == 0;
        }
        assert_int_equal(s->cases[0].stmts_len, world + 1 + 40); /* And a controller. */
        script_format(s, &again);
        assert_string_equal(again.text, text);
        strbuf_free(&again);
        script_free(s);
        free(text);
    }
}

/* Every driver and every command turns up sooner or later. */
static void test_all_is_met(void **state)
{
    static const char *const commands[] = {
        "blockdev-add", "blockdev-del", "blockdev-reopen", "x-blockdev-change", "block_resize",
        "blockdev-snapshot", "blockdev-snapshot-sync", "transaction", "change-backing-file",
        "device_add", "device_del", "blockdev-open-tray", "blockdev-close-tray",
        "blockdev-remove-medium", "blockdev-insert-medium", "blockdev-change-medium", "eject",
        "block_set_io_throttle", "block-latency-histogram-set", "object-add", "object-del",
        "qom-set", "qom-get", "x-blockdev-set-iothread", "nbd-server-start", "nbd-server-stop",
        "block-export-add", "block-export-del", "add-fd", "remove-fd", "io",
        "block-set-write-threshold", "qmp", NULL
    };
    struct strbuf all = { 0 };
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        random_script(drivers_all, seed, 40, &all);
    }
    for (size_t i = 0; commands[i]; i++) {
        char line[64];
        snprintf(line, sizeof(line), "%s%s ", strcmp(commands[i], "add-fd") == 0 ? " " : "\n",
                 commands[i]);
        if (!strstr(all.text, line) && strcmp(commands[i], "nbd-server-stop") != 0) {
            fail_msg("no %s", commands[i]);
        }
    }
    for (size_t i = 0; drivers_all[i]; i++) {
        char word[64];
        snprintf(word, sizeof(word), "driver=%s ", drivers_all[i]->name);
        if (!strstr(all.text, word)) {
            fail_msg("no %s", drivers_all[i]->name);
        }
    }
    strbuf_free(&all);
}

/* A blockdev-reopen of nothing kills QEMU, and is left out. */
static void test_left_out(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        char *text = make(seed, 60);
        const char *at = strstr(text, "\"options\": []");
        if (at) {
            fail_msg("seed %d: %.120s", (int)seed, at);
        }
        free(text);
    }
}

/* The text of a file, white space made one blank each, behind what is there. */
static void append_file(const char *path, struct strbuf *out)
{
    FILE *f = fopen(path, "r");
    for (int c; f && (c = getc(f)) != EOF;) {
        bool blank = c == ' ' || c == '\n';
        if (!blank || (out->len > 0 && out->text[out->len - 1] != ' ')) {
            strbuf_putc(out, blank ? ' ' : (char)c);
        }
    }
    if (f) {
        fclose(f);
    }
}

/* Every rule has a reason, and that stands where deviations are listed. */
static void test_reasons(void **state)
{
    struct strbuf pages = { 0 };
    size_t n = 0;
    const char *reason = NULL, *name;
    (void)state;
    append_file("docs/deviations.md", &pages);
    for (size_t i = 0; drivers_all[i]; i++) {
        char path[128];
        snprintf(path, sizeof(path), "drivers/%s/%s.md", drivers_all[i]->name,
                 drivers_all[i]->name);
        append_file(path, &pages);
    }
    append_file("drivers/null/null.md", &pages);
    while ((name = random_excluded(n, &reason)) != NULL) {
        assert_true(*name && reason && *reason);
        if (pages.len > 0 && !strstr(pages.text, reason)) {
            fail_msg("'%s' is left out because of '%s', which is no deviation", name, reason);
        }
        n++;
    }
    assert_true(n > 20);
    strbuf_free(&pages);
}

/* No statement at all, and a long sequence. */
static void test_lengths(void **state)
{
    (void)state;
    char *none = make(3, 0), *many = make(3, 2000);
    struct script *s = parse(many);
    assert_true(strlen(none) < strlen(many));
    assert_true(s->cases[0].stmts_len > 2000);
    script_free(s);
    free(none);
    free(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pure),    cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_all_is_met), cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_reasons), cmocka_unit_test(test_lengths),
    };
    return cmocka_run_group_tests_name("scenarios/diff/random", tests, NULL, NULL);
}
