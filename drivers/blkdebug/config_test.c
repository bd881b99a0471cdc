/* SPDX-License-Identifier: MIT */
/* The rules file: what is read, and QEMU's words for what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/blkdebug/blkdebug.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parse(struct engine *e, const char *text, struct error *err)
{
    engine_init(e, NULL);
    return config_parse(e, text, strlen(text), err);
}

static void refused(const char *text, const char *message)
{
    struct engine e;
    struct error err = ERROR_INIT;
    assert_true(parse(&e, text, &err) < 0);
    assert_string_equal(err.text, message);
    engine_fini(&e);
}

static void accepted(const char *text, uint32_t rules)
{
    struct engine e;
    struct error err = ERROR_INIT;
    if (parse(&e, text, &err) < 0) {
        fail_msg("%s: %s", text, err.text);
    }
    assert_int_equal(e.count, rules);
    engine_fini(&e);
}

#define INJECT "[inject-error]\n"

static void example_of_the_manual(void **state)
{
    (void)state;
    struct engine e;
    assert_int_equal(parse(&e, INJECT "event = \"read_aio\"\nerrno = \"28\"\n", NULL), 0);
    assert_int_equal(e.count, 1);
    const struct rule *r = e.rules[event_find("read_aio")];
    assert_int_equal(r->action, RULE_INJECT);
    assert_int_equal(r->error, ENOSPC);
    assert_int_equal(r->sector, -1);
    assert_int_equal(r->iotypes, IOTYPE_DEFAULT);
    assert_false(r->once);
    engine_fini(&e);
}

static void every_key_of_a_rule(void **state)
{
    (void)state;
    struct engine e;
    assert_int_equal(parse(&e,
                           "# a comment\n\n"
                           "[inject-error \"first\"]\n"
                           "  event = \"write_aio\"   # the rest is ignored\n"
                           "state = \"2\"\niotype = \"write\"\nerrno = \"0x1c\"\n"
                           "sector =\"7\"\nonce = \"yes\"\nimmediately = \"on\"\n"
                           "[set-state]\nevent = \"write_aio\"\nstate = \"1\"\n"
                           "new_state = \"02\"",
                           NULL),
                     0);
    const struct rule *set = e.rules[event_find("write_aio")];
    const struct rule *r = set->next;
    assert_int_equal(set->action, RULE_SET_STATE);
    assert_int_equal(set->state, 1);
    assert_int_equal(set->new_state, 2);
    assert_int_equal(r->state, 2);
    assert_int_equal(r->iotypes, IOTYPE_WRITE);
    assert_int_equal(r->error, 28);
    assert_int_equal(r->sector, 7);
    assert_true(r->once && r->immediately);
    engine_fini(&e);
}

static void forms_that_are_read(void **state)
{
    (void)state;
    accepted("", 0);
    accepted(INJECT "event = \"read_aio\"", 1);
    accepted("[inject-error]\r\nevent = \"read_aio\"\r\n", 1);
    accepted("[inject-error] \nevent = \"read_aio\"zzz\n", 1);
    accepted(INJECT "event = \"read_aio\"\n" INJECT "event = \"write_aio\"\n", 2);
    accepted("[set-state]\nevent = \"read_aio\"\n", 1);
    accepted(INJECT "event = \"read_aio\"\nerrno = \"28\"\nerrno = \"5\"\n", 1);
    accepted(INJECT "event = \"read_aio\"\nsector = \"-1\"\nstate = \"4294967297\"\n", 1);
}

static void lines_that_are_refused(void **state)
{
    (void)state;
    refused("event = \"read_aio\"\n", "no group defined");
    refused("garbage\n", "no group defined");
    refused("[]\n", "no group defined");
    refused("  [inject-error]\n", "no group defined");
    refused("[foo]\n", "There is no option group 'foo'");
    refused("[inject-error\n", "There is no option group 'inject-error\n'");
    refused(INJECT "   \n", "parse error");
    refused(INJECT "event=\"read_aio\"\n", "Invalid parameter 'event=\"read_aio\"'");
    refused(INJECT "garbage\n", "Invalid parameter 'garbage'");
    refused(INJECT "  # x\n", "Invalid parameter '#'");
    refused(INJECT "new_state = \"2\"\n", "Invalid parameter 'new_state'");
    refused("[set-state]\nerrno = \"2\"\n", "Invalid parameter 'errno'");
    refused("[inject-error \"x\"]\n[inject-error \"x\"]\n", "Duplicate ID 'x' for inject-error");
}

static void values_that_are_refused(void **state)
{
    (void)state;
    refused(INJECT "errno = \"28\"\n", "Missing event name for rule");
    refused(INJECT "event = \"xx\"\n", "invalid parameter value: xx");
    refused(INJECT "event = read_aio\n", "invalid parameter value: ");
    refused(INJECT "event = \"read_aio\n", "invalid parameter value: read_aio\n");
    refused(INJECT "event = read_aio\nerrno = 28\n", "Parameter 'errno' expects a number");
    refused(INJECT "errno = \"1k\"\n", "Parameter 'errno' expects a number");
    refused(INJECT "state = \"99999999999999999999\"\n",
            "Value '99999999999999999999' is too large for parameter 'state'");
    refused(INJECT "once = \"maybe\"\n", "Parameter 'once' expects 'on' or 'off'");
    refused(INJECT "event = \"read_aio\"\niotype = \"zz\"\n", "invalid parameter value: zz");
    refused(INJECT "event = \"read_aio\"\n" INJECT "event = \"zz\"\n",
            "invalid parameter value: zz");
}

/* Lines are cut after 1023 characters, and what is cut off is a line of its own. */
static void long_lines(void **state)
{
    (void)state;
    char text[3000];
    memset(text, 'x', sizeof(text));
    text[0] = '#';
    snprintf(text + 1000, sizeof(text) - 1000, "\n" INJECT "event = \"read_aio\"\n");
    accepted(text, 1);
    memset(text, 'x', sizeof(text));
    text[0] = '#';
    snprintf(text + 2000, sizeof(text) - 2000, "\n" INJECT "event = \"read_aio\"\n");
    refused(text, "no group defined");
}

/* A simulated file ends in zero bytes up to its sector. */
static void text_ends_at_nul(void **state)
{
    (void)state;
    static const char text[64] = INJECT "event = \"read_aio\"\n\0garbage";
    struct engine e;
    engine_init(&e, NULL);
    assert_int_equal(config_parse(&e, text, sizeof(text), NULL), 0);
    assert_int_equal(e.count, 1);
    engine_fini(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(example_of_the_manual),
        cmocka_unit_test(every_key_of_a_rule),
        cmocka_unit_test(forms_that_are_read),
        cmocka_unit_test(lines_that_are_refused),
        cmocka_unit_test(values_that_are_refused),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(text_ends_at_nul),
    };
    return cmocka_run_group_tests_name("drivers/blkdebug/config", tests, NULL, NULL);
}
