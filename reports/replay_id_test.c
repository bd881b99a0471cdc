/* SPDX-License-Identifier: MIT */
#include "reports/replay_id.h"

#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct replay_id make(const char *path, const char *case_id, const char *params,
                             const char *choices, bool seeded, uint64_t seed)
{
    return (struct replay_id){ .path = mem_strdup(path), .case_id = mem_strdup(case_id),
                               .params = mem_strdup(params), .choices = mem_strdup(choices),
                               .seeded = seeded, .seed = seed };
}

static char *format(const struct replay_id *id)
{
    struct strbuf b = { .text = NULL };
    replay_id_format(id, &b);
    return b.text;
}

static void an_id_reads_like_what_it_names(void **state)
{
    struct replay_id id = make("suites/io/align.scn", "io/align", "l2=128k lazy=on", "3.2.0.1=2",
                               true, 7);
    (void)state;
    char *text = format(&id);
    assert_string_equal(text, "suites/io/align.scn:io/align:l2=128k,lazy=on:7:3.2.0.1=2");
    free(text);
    replay_id_fini(&id);
    id = make("a.scn", "c", "", "", false, 0);
    text = format(&id);
    assert_string_equal(text, "a.scn:c"); /* What is empty at the end is left out. */
    free(text);
    replay_id_fini(&id);
    id = make("-v.scn", "-c", "", "", true, 0);
    text = format(&id);
    assert_string_equal(text, "%2Dv.scn:-c::0"); /* An option it is not. */
    free(text);
    replay_id_fini(&id);
}

/* Every byte may stand in every part, and no shell sees anything in the word. */
static void ids_round_trip(void **state)
{
    static const char *const texts[] = {
        "", "plain", "a b", "a,b", "a:b", "100%", "%41", "$(rm -rf /)", "it's \"x\"", "\xc3\xa4\n",
        "a\\b;c&d|e<f>g*?[!]{}~#", "::::", "-v",
    };
    size_t n = ARRAY_LEN(texts);
    (void)state;
    for (size_t i = 0; i < n * n; i++) {
        struct replay_id id = make(texts[1 + i % (n - 1)], texts[1 + i / n % (n - 1)], texts[i % n],
                                   texts[i / n], i % 3 != 0, i % 3 ? i * 0x123456789abcdef : 0);
        struct replay_id back;
        char *text = format(&id);
        assert_int_equal(strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789._/+=@,%:-"), strlen(text));
        assert_int_equal(replay_id_parse(&back, text, NULL), 0);
        assert_string_equal(back.path, id.path);
        assert_string_equal(back.case_id, id.case_id);
        assert_string_equal(back.params, id.params);
        assert_string_equal(back.choices, id.choices);
        assert_int_equal(back.seeded, id.seeded);
        assert_true(back.seed == id.seed);
        free(text);
        replay_id_fini(&id);
        replay_id_fini(&back);
    }
}

static void a_bad_id_says_what_is_wrong(void **state)
{
    static const struct {
        const char *text, *message;
    } bad[] = {
        { "", "A replay id is PATH:CASE[:PARAMS[:SEED[:CHOICES]]]" },
        { "a.scn", "A replay id is PATH:CASE[:PARAMS[:SEED[:CHOICES]]]" },
        { ":case", "A replay id is PATH:CASE[:PARAMS[:SEED[:CHOICES]]]" },
        { "a:b:%4", "Bad % escape in replay id at '%4'" },
        { "a:b:%zz:1", "Bad % escape in replay id at '%zz'" },
        { "a:b:%00", "Bad % escape in replay id at '%00'" },
        { "a:b::x", "Bad seed 'x' in replay id" },
        { "a:b::18446744073709551616", "Bad seed '18446744073709551616' in replay id" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct error err = ERROR_INIT;
        struct replay_id id;
        assert_int_equal(replay_id_parse(&id, bad[i].text, &err), -EINVAL);
        assert_string_equal(err.text, bad[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_reads_like_what_it_names),
        cmocka_unit_test(ids_round_trip),
        cmocka_unit_test(a_bad_id_says_what_is_wrong),
    };
    return cmocka_run_group_tests_name("reports/replay_id", tests, NULL, NULL);
}
