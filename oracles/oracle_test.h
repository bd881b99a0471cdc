/* What tests of an oracle over oracles/fake_graph.h say of its verdict.  Include after <cmocka.h>
 * and after that header. */
#ifndef ORACLES_ORACLE_TEST_H
#define ORACLES_ORACLE_TEST_H

/* Fails the test when the oracle has complained. */
static inline void fake_quiet(const struct fake_verdict *v)
{
    if (v->failures) {
        fail_msg("unexpected: %s", v->text);
    }
}

/* Fails the test unless the oracle has complained at site, with that part of a text; and forgets
 * it. */
static inline void fake_caught(struct fake_verdict *v, const char *site, const char *part)
{
    if (!v->failures || strcmp(v->site, site) != 0 || !strstr(v->text, part)) {
        fail_msg("expected %s '%s', got %s '%s'", site, part, v->site, v->text);
    }
    *v = (struct fake_verdict){ 0 };
}

#endif
