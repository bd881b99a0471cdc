/* SPDX-License-Identifier: MIT */
/* Which versions a condition is about. */
#include "scenarios/quirk.h"

#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void holds(const char *condition, const char *version, bool want)
{
    if (quirk_matches(condition, version) != want) {
        fail_msg("'%s' %s '%s'", condition, want ? "does not match" : "matches",
                 version ? version : "(none)");
    }
}

static void test_parts_that_the_condition_gives(void **state)
{
    (void)state;
    static const struct {
        const char *condition, *yes[4], *no[4];
    } rows[] = {
        { "qemu=7.2", { "7.2", "7.2.0", "7.2.22" }, { "7.1.9", "7.3", "8.2", "7" } },
        { "qemu=7.2.22", { "7.2.22", "7.2.22.1" }, { "7.2", "7.2.2", "7.2.23", "17.2.22" } },
        { "qemu=7", { "7", "7.0", "7.2.22" }, { "6.9.9", "8", "70.1" } },
        { "qemu<=7.2", { "7.2.22", "7.2", "7.1.50", "6" }, { "7.3", "8.0", "10.0" } },
        { "qemu<7.2", { "7.1.99", "6.2", "0" }, { "7.2", "7.2.22", "7.3" } },
        { "qemu>7.2", { "7.3", "8", "10.0.2" }, { "7.2", "7.2.22", "7.1" } },
        { "qemu>=7.2", { "7.2", "7.2.0", "7.10", "11" }, { "7.1.99", "7", "6" } },
        { "qemu<=7.2.22", { "7.2.22", "7.2", "7.1.99" }, { "7.2.23", "7.3" } },
        { "qemu>7.2.22", { "7.2.23", "7.2.100", "7.3" }, { "7.2.22", "7.2", "7.2.9" } },
        { "qemu=7.0", { "7", "7.0.1" }, { "7.1" } },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(quirk_check(rows[i].condition, NULL), 0);
        for (size_t k = 0; k < 4 && rows[i].yes[k] != NULL; k++) {
            holds(rows[i].condition, rows[i].yes[k], true);
        }
        for (size_t k = 0; k < 4 && rows[i].no[k] != NULL; k++) {
            holds(rows[i].condition, rows[i].no[k], false);
        }
    }
}

/* A distribution and a developer's tree put more behind the numbers. */
static void test_what_programs_call_themselves(void **state)
{
    (void)state;
    holds("qemu=7.2.22", "7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)", true);
    holds("qemu=9.1", "9.1.50-rc1", true);
    holds("qemu>=9.1.50", "9.1.50 (v9.1.0-1204-gdeadbeef12)", true);
    holds("qemu=9.1.50", "9.1.50-rc1", true);
    holds("qemu=7.2", "7.2.", true);
    holds("qemu=7.2", "7.2.x", true);
    holds("qemu=7.2.3.4", "7.2.3.4.5.6", true);
    holds("qemu>=0", "", false); /* Not known: no quirk is about it. */
    holds("qemu>=0", NULL, false);
    holds("qemu>=0", "unknown", false);
    holds("qemu>=0", "v7.2", false);
    holds("qemu>=0", "99999999999999999999", false);
    holds("qemu>=0", "7.99999999999999999999", false);
}

static void test_what_is_no_condition(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",        "qemu",       "qemu=",       "qemu7.2",   "qemu==7.2", "qemu=<7.2",
        "qemu=>7", "qemu!=7.2",  "qemu=7.",     "qemu=.7",   "qemu=7..2", "qemu=7.2.22.1.1",
        "qemu=a",  "qemu=7.2rc", "qemu = 7.2",  "QEMU=7.2",  "kvm=7.2",   "qemu=-7",
        "qemu=7 ", "qemu=",      "qemu=7.2.*",  "qemu=+7",   "qemu>",     "qemu<=",
        "qemu=99999999999999999999",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct error err = ERROR_INIT;
        assert_int_equal(quirk_check(bad[i], &err), -EINVAL);
        assert_non_null(strstr(err.text, "is not a condition: qemu, one of"));
        assert_false(quirk_matches(bad[i], "7.2.22"));
        assert_false(quirk_overlap(bad[i], "qemu>=0"));
        assert_false(quirk_overlap("qemu>=0", bad[i]));
    }
    struct error err = ERROR_INIT;
    assert_int_equal(quirk_check("qemu<0.0", &err), -EINVAL);
    assert_string_equal(err.text, "'qemu<0.0' is a condition that no version meets");
}

static void test_conditions_that_one_version_meets(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool both;
    } rows[] = {
        { "qemu=7.2", "qemu=7.2", true },     { "qemu=7.2", "qemu=7.2.22", true },
        { "qemu=7.2", "qemu=7.3", false },    { "qemu<=7.2", "qemu>7.2", false },
        { "qemu<=7.2", "qemu>=7.2", true },   { "qemu<7.2", "qemu>=7.2", false },
        { "qemu>7.2", "qemu>=10", true },     { "qemu<7.2", "qemu<5", true },
        { "qemu=7", "qemu<=7.2.22", true },   { "qemu<=7.2.22", "qemu=7.2.23", false },
        { "qemu<=7.2", "qemu=7.2.23", true }, { "qemu>7", "qemu<7.2", false },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (quirk_overlap(rows[i].a, rows[i].b) != rows[i].both ||
            quirk_overlap(rows[i].b, rows[i].a) != rows[i].both) {
            fail_msg("'%s' and '%s'", rows[i].a, rows[i].b);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_that_the_condition_gives),
        cmocka_unit_test(test_what_programs_call_themselves),
        cmocka_unit_test(test_what_is_no_condition),
        cmocka_unit_test(test_conditions_that_one_version_meets),
    };
    return cmocka_run_group_tests_name("scenarios/quirk", tests, NULL, NULL);
}
