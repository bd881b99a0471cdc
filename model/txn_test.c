/* SPDX-License-Identifier: MIT */
#include "model/txn.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

struct step {
    struct strbuf *log;
    char letter;
};

static void note(struct step *s, char what)
{
    strbuf_printf(s->log, "%c%c ", what, s->letter);
}

static void on_commit(void *opaque)
{
    note(opaque, '+');
}

static void on_undo(void *opaque)
{
    note(opaque, '-');
}

static void on_clean(void *opaque)
{
    note(opaque, '.');
}

static void check(int ret, const char *want)
{
    struct strbuf log = { 0 };
    struct step a = { &log, 'a' }, b = { &log, 'b' }, c = { &log, 'c' };
    struct txn t = TXN_INIT;
    txn_add(&t, (struct txn_action){ on_commit, on_undo, on_clean, &a });
    txn_add(&t, (struct txn_action){ NULL, NULL, on_clean, &b });
    txn_add(&t, (struct txn_action){ on_commit, on_undo, NULL, &c });
    assert_int_equal(txn_end(&t, ret), ret);
    assert_string_equal(log.text, want);
    assert_int_equal(t.len, 0); /* It can be used again. */
    strbuf_free(&log);
}

static void test_commits_in_order_undoes_in_reverse_then_cleans(void **state)
{
    (void)state;
    check(0, "+a +c .a .b ");
    check(-5, "-c -a .a .b ");
}

static void test_an_empty_transaction_is_nothing(void **state)
{
    (void)state;
    struct txn t = TXN_INIT;
    assert_int_equal(txn_end(&t, -1), -1);
    assert_int_equal(txn_end(&t, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commits_in_order_undoes_in_reverse_then_cleans),
        cmocka_unit_test(test_an_empty_transaction_is_nothing),
    };
    return cmocka_run_group_tests_name("model/txn", tests, NULL, NULL);
}
