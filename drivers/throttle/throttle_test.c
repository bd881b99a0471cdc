/* SPDX-License-Identifier: MIT */
/* The throttle filter: who waits, who does not, and whose member the node is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/driver_test.h"
#include "model/drain.h"

#define GROUP(id, rate)                                                                            \
    "{'qom-type':'throttle-group','id':'" id "','limits':{'iops-total':" rate "}}"
#define REOPEN(group) "{'options':[{'driver':'throttle','node-name':'t','throttle-group':'" group  \
                      "','file':'f'}]}"

struct story {
    struct world w;
    struct backend *t;
};

/* A node t over a file f, with one operation a second. */
static void begin(struct story *s)
{
    world_init(&s->w);
    world_file(&s->w, "a", 1 << 20);
    qmp_ok(&s->w, "object-add", GROUP("g", "1"));
    add_ok(&s->w, "{'driver':'file','node-name':'f','filename':'a'}");
    add_ok(&s->w, "{'driver':'throttle','node-name':'t','throttle-group':'g','file':'f'}");
    s->t = attach_ok(&s->w, "t", USE_RW);
}

static void end(struct story *s)
{
    detach(&s->w, s->t);
    world_fini(&s->w);
}

static int64_t now_ms(const struct story *s)
{
    return sim_now_ns(s->w.sim) / NS_PER_MS;
}

/* A tenth of an operation fits into the bucket: the first goes, the second waits for the rest. */
static void requests_wait_and_data_arrives(void **state)
{
    (void)state;
    struct story s;
    begin(&s);
    struct backend *f = attach_ok(&s.w, "f", PERM_CONSISTENT_READ);
    assert_int_equal(write_byte(&s.w, s.t, 512, 1024, 7), 0);
    assert_int_equal(now_ms(&s), 0);
    assert_int_equal(read_byte(&s.w, f, 512, 1024, 7), 0);
    assert_int_equal(read_byte(&s.w, s.t, 512, 1024, 7), 0);
    assert_int_equal(now_ms(&s), 900);
    assert_int_equal(zero_range(&s.w, s.t, 512, 512, IO_NO_FALLBACK), 0);
    assert_int_equal(now_ms(&s), 1900);
    assert_int_equal(flush(&s.w, s.t), 0);
    assert_int_equal(read_byte(&s.w, f, 512, 512, 0), 0);
    assert_int_equal(now_ms(&s), 1900);
    detach(&s.w, f);
    end(&s);
}

static void do_drain_begin(struct call *c)
{
    drain_begin(layer_find_node(c->w->layer, c->text));
}

static void do_drain_end(struct call *c)
{
    drain_end(layer_find_node(c->w->layer, c->text));
}

/* A drained section on the node, or on what is below it, lets what waits go on. */
static void drained_sections_end_the_waiting(void **state)
{
    static const char *const nodes[] = { "t", "f" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
        struct story s;
        begin(&s);
        struct iobuf buf = iobuf_fill(fill_byte(1), 512);
        struct call w[3];
        for (int k = 0; k < 3; k++) {
            w[k] = (struct call){ .fn = do_write, .backend = s.t, .offset = k * 512, .buf = &buf };
            call_start(&s.w, &w[k]);
        }
        assert_true(w[0].done && !w[1].done && !w[2].done);
        call_run(&s.w, (struct call){ .fn = do_drain_begin, .text = nodes[i] });
        assert_int_equal(now_ms(&s), 0);
        call_run(&s.w, (struct call){ .fn = do_drain_end, .text = nodes[i] });
        assert_true(w[1].done && w[2].done);
        /* All three were counted. */
        assert_int_equal(read_byte(&s.w, s.t, 0, 1536, 1), 0);
        assert_int_equal(now_ms(&s), 2900);
        end(&s);
    }
}

/* The node is a member of exactly one group, whatever becomes of a reopen. */
static void reopen_changes_the_group_or_nothing(void **state)
{
    (void)state;
    struct story s;
    begin(&s);
    qmp_ok(&s.w, "object-add", GROUP("h", "10"));
    qmp_fails(&s.w, "blockdev-reopen", REOPEN("nope"), "Throttle group 'nope' does not exist");
    qmp_fails(&s.w, "object-del", "{'id':'g'}", "object 'g' is in use, can not be deleted");
    qmp_ok(&s.w, "blockdev-reopen", REOPEN("h"));
    qmp_ok(&s.w, "object-del", "{'id':'g'}");
    qmp_fails(&s.w, "object-del", "{'id':'h'}", "object 'h' is in use, can not be deleted");
    for (int i = 0; i < 4; i++) {
        assert_int_equal(write_byte(&s.w, s.t, 0, 512, 1), 0);
    }
    assert_int_equal(now_ms(&s), 200);
    end(&s);
}

/* A node that cannot be opened leaves no member behind. */
static void a_failed_open_leaves_the_group(void **state)
{
    (void)state;
    struct story s;
    begin(&s);
    qmp_ok(&s.w, "object-add", GROUP("h", "10"));
    add_fails(&s.w, "{'driver':'throttle','node-name':'u','throttle-group':'h','file':'x'}",
              "Cannot find device='x' nor node-name='x'");
    add_fails(&s.w, "{'driver':'throttle','node-name':'u','throttle-group':'i','file':'f'}",
              "Throttle group 'i' does not exist");
    add_fails(&s.w, "{'driver':'throttle','throttle-group':'h','file':'f'}",
              "'node-name' must be specified for the root node");
    qmp_ok(&s.w, "object-del", "{'id':'h'}");
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_wait_and_data_arrives),
        cmocka_unit_test(drained_sections_end_the_waiting),
        cmocka_unit_test(reopen_changes_the_group_or_nothing),
        cmocka_unit_test(a_failed_open_leaves_the_group),
    };
    return cmocka_run_group_tests_name("drivers/throttle", tests, NULL, NULL);
}
