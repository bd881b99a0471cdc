/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/driver_test.h"

#define IMAGE "'image':{'driver':'file','filename':'a','discard':'unmap'}"

/* raw over blkdebug over file, as qemu-io is usually pointed at it.  more: further options. */
static struct backend *stack(struct world *w, const char *more)
{
    world_init(w);
    world_file(w, "a", 1 << 20);
    char *args = mem_printf("{'driver':'raw','node-name':'r','discard':'unmap','file':{"
                            "'driver':'blkdebug','discard':'unmap'," IMAGE "%s}}",
                            more);
    add_ok(w, args);
    free(args);
    return attach_ok(w, "r", USE_ALL);
}

static void done(struct world *w, struct backend *b)
{
    detach(w, b);
    world_fini(w);
}

#define RULE(event, more) "{'event':'" event "'" more "}"
#define INJECT(rules) ",'inject-error':[" rules "]"

/* The rule stays in force after the request that brought it. */
static void a_rule_stays_in_force(void **state)
{
    (void)state;
    struct world w;
    struct backend *b = stack(&w, INJECT(RULE("read_aio", ",'errno':28")));
    assert_int_equal(write_byte(&w, b, 0, 512, 1), 0);
    assert_int_equal(read_byte(&w, b, 0, 512, 1), -ENOSPC);
    assert_int_equal(write_byte(&w, b, 0, 512, 1), -ENOSPC);
    assert_int_equal(discard_range(&w, b, 0, 512), -ENOSPC);
    assert_int_equal(zero_range(&w, b, 0, 512, 0), -ENOSPC);
    int64_t bytes = 512;
    status_at(&w, b, 0, &bytes);
    done(&w, b);
}

static void two_events_take_turns(void **state)
{
    (void)state;
    struct world w;
    struct backend *b =
        stack(&w, INJECT(RULE("write_aio", ",'errno':5") "," RULE("read_aio", ",'errno':28")));
    assert_int_equal(read_byte(&w, b, 0, 512, 0), -ENOSPC);
    assert_int_equal(write_byte(&w, b, 0, 512, 0), -EIO);
    assert_int_equal(read_byte(&w, b, 0, 512, 0), -ENOSPC);
    done(&w, b);
}

static void once_is_once(void **state)
{
    (void)state;
    struct world w;
    struct backend *b = stack(
        &w, INJECT(RULE("write_aio", ",'once':true") "," RULE("write_aio",
                                                              ",'errno':28,'once':true")));
    assert_int_equal(write_byte(&w, b, 0, 512, 1), -EIO);
    assert_int_equal(write_byte(&w, b, 0, 512, 1), -ENOSPC);
    assert_int_equal(write_byte(&w, b, 0, 512, 1), 0);
    done(&w, b);
}

static void iotype_selects(void **state)
{
    (void)state;
    struct world w;
    struct backend *b = stack(&w, INJECT(RULE("none", ",'iotype':'flush'")));
    assert_int_equal(write_byte(&w, b, 0, 512, 1), 0);
    assert_int_equal(read_byte(&w, b, 0, 512, 1), 0);
    assert_int_equal(flush(&w, b), -EIO);
    done(&w, b);
    b = stack(&w, INJECT(RULE("none", ",'iotype':'write-zeroes'")));
    assert_int_equal(write_byte(&w, b, 0, 512, 1), 0);
    assert_int_equal(discard_range(&w, b, 0, 512), 0);
    assert_int_equal(zero_range(&w, b, 0, 512, 0), -EIO);
    done(&w, b);
    b = stack(&w, INJECT(RULE("none", ",'iotype':'block-status'")));
    struct call c = { .fn = do_status, .backend = b, .bytes = 512 };
    call_start(&w, &c);
    assert_int_equal(call_wait(&c), -EIO);
    done(&w, b);
}

/* A request matches when the sector begins in it. */
static void sector_must_begin_in_the_request(void **state)
{
    (void)state;
    struct world w;
    struct backend *b = stack(&w, INJECT(RULE("none", ",'sector':1")));
    assert_int_equal(write_byte(&w, b, 0, 512, 1), 0);
    assert_int_equal(write_byte(&w, b, 512, 512, 1), -EIO);
    assert_int_equal(write_byte(&w, b, 0, 1024, 1), -EIO);
    assert_int_equal(write_byte(&w, b, 1023, 1, 1), 0);
    assert_int_equal(flush(&w, b), 0);
    assert_int_equal(read_byte(&w, b, 512, 1, 0), -EIO);
    done(&w, b);
}

/* errno 0 lets the request go on; a negative one drops it. */
static void strange_errnos(void **state)
{
    (void)state;
    struct world w;
    struct backend *b = stack(&w, INJECT(RULE("write_aio", ",'errno':0,'once':true")));
    assert_int_equal(write_byte(&w, b, 0, 512, 7), 0);
    assert_int_equal(read_byte(&w, b, 0, 512, 7), 0);
    done(&w, b);
    b = stack(&w, INJECT(RULE("write_aio", ",'errno':-5,'once':true")));
    assert_int_equal(write_byte(&w, b, 0, 512, 7), 0);
    assert_int_equal(read_byte(&w, b, 0, 512, 0), 0);
    done(&w, b);
}

static void states_select_the_second_write(void **state)
{
    (void)state;
    struct world w;
    struct backend *b = stack(
        &w, INJECT(RULE("write_aio", ",'state':2,'errno':5") "," RULE(
                "write_aio", ",'state':3,'errno':28")) ","
                                                       "'set-state':["
                                                       "{'event':'write_aio','state':1,"
                                                       "'new_state':2},"
                                                       "{'event':'write_aio','state':2,"
                                                       "'new_state':3}]");
    assert_int_equal(write_byte(&w, b, 0, 512, 1), 0);
    assert_int_equal(write_byte(&w, b, 0, 512, 1), -EIO);
    assert_int_equal(write_byte(&w, b, 0, 512, 1), -ENOSPC);
    assert_int_equal(write_byte(&w, b, 0, 512, 1), -ENOSPC);
    done(&w, b);
}

/* "none" happens once, at the start, and in the state before it. */
static void none_moves_the_first_state(void **state)
{
    (void)state;
    struct world w;
    struct backend *b = stack(&w, INJECT(RULE("none", ",'state':2") "," RULE(
                                      "write_aio", ",'state':2,'errno':28")) ","
                                  "'set-state':[{'event':'none','new_state':2}]");
    assert_int_equal(read_byte(&w, b, 0, 512, 0), 0);
    assert_int_equal(write_byte(&w, b, 0, 512, 1), -ENOSPC);
    done(&w, b);
}

static void the_rules_file_comes_first(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_file(&w, "a", 1 << 20);
    world_text_file(&w, "rules", "[inject-error]\nevent = \"read_aio\"\nerrno = \"28\"\n");
    world_text_file(&w, "bad", "[inject-error]\nevent = \"nothing\"\n");
    add_fails(&w, "{'driver':'blkdebug','node-name':'d','config':'zz'," IMAGE "}",
              "Could not read blkdebug config file: No such file or directory");
    add_fails(&w, "{'driver':'blkdebug','node-name':'d','config':'bad'," IMAGE "}",
              "invalid parameter value: nothing");
    add_ok(&w, "{'driver':'raw','node-name':'r','file':{'driver':'blkdebug','config':'rules',"
               "'inject-error':[{'event':'read_aio'}]," IMAGE "}}");
    struct backend *b = attach_ok(&w, "r", USE_RW);
    assert_int_equal(read_byte(&w, b, 0, 512, 0), -ENOSPC);
    done(&w, b);
}

/* Two requests change places: the first stops, the second passes it. */
static void a_breakpoint_stops_one_request(void **state)
{
    (void)state;
    struct world w;
    struct backend *b = stack(&w, "");
    assert_int_equal(driver_command(b, "breakpoint", "write_aio", "A", NULL), 0);
    struct iobuf buf = iobuf_fill(fill_byte(9), 512);
    struct call first = { .fn = do_write, .backend = b, .buf = &buf };
    call_start(&w, &first);
    assert_false(first.done);
    json_t *reply = json_object();
    assert_int_equal(driver_command(b, "is_suspended", NULL, "A", reply), 0);
    assert_true(json_is_true(json_object_get(reply, "suspended")));
    struct strbuf waiters = { 0 };
    sim_describe_waiters(w.sim, &waiters);
    assert_non_null(strstr(strbuf_str(&waiters), "breakpoint 'A'"));
    strbuf_free(&waiters);
    assert_int_equal(write_byte(&w, b, 512, 512, 8), 0);
    assert_false(first.done);
    assert_int_equal(driver_command(b, "resume", NULL, "A", NULL), 0);
    assert_int_equal(call_wait(&first), 0);
    assert_int_equal(driver_command(b, "resume", NULL, "A", NULL), -ENOENT);
    assert_int_equal(driver_command(b, "is_suspended", NULL, "A", reply), 0);
    assert_false(json_is_true(json_object_get(reply, "suspended")));
    json_decref(reply);
    assert_int_equal(read_byte(&w, b, 0, 512, 9), 0);
    done(&w, b);
}

/* A request that stops at two breakpoints goes on when both are resumed, in any order. */
static void two_breakpoints_on_one_event(void **state)
{
    (void)state;
    struct world w;
    struct backend *b = stack(&w, "");
    assert_int_equal(driver_command(b, "breakpoint", "read_aio", "A", NULL), 0);
    assert_int_equal(driver_command(b, "breakpoint", "read_aio", "B", NULL), 0);
    unsigned char mem[512];
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, mem, sizeof(mem));
    struct call c = { .fn = do_read, .backend = b, .buf = &buf };
    call_start(&w, &c);
    assert_int_equal(driver_command(b, "resume", NULL, "A", NULL), 0);
    sim_settle(w.sim, 1000);
    assert_false(c.done);
    assert_int_equal(driver_command(b, "resume", NULL, "B", NULL), 0);
    assert_int_equal(call_wait(&c), 0);
    done(&w, b);
}

/* Removing lets the stopped go, but counts only breakpoints that nobody has reached. */
static void removing_breakpoints(void **state)
{
    (void)state;
    struct world w;
    struct backend *b = stack(&w, "");
    assert_int_equal(driver_command(b, "breakpoint", "nothing", "A", NULL), -ENOENT);
    assert_int_equal(driver_command(b, "remove_breakpoint", NULL, "A", NULL), -ENOENT);
    assert_int_equal(driver_command(b, "breakpoint", "read_aio", "A", NULL), 0);
    assert_int_equal(driver_command(b, "breakpoint", "write_aio", "A", NULL), 0);
    assert_int_equal(driver_command(b, "remove_breakpoint", NULL, "A", NULL), 0);
    assert_int_equal(read_byte(&w, b, 0, 512, 0), 0);
    assert_int_equal(driver_command(b, "breakpoint", "pwritev_done", "A", NULL), 0);
    struct iobuf buf = iobuf_fill(fill_byte(9), 512);
    struct call c = { .fn = do_write, .backend = b, .buf = &buf };
    call_start(&w, &c);
    assert_false(c.done);
    assert_int_equal(driver_command(b, "remove_breakpoint", NULL, "A", NULL), -ENOENT);
    assert_int_equal(call_wait(&c), 0);
    done(&w, b);
}

/* Where an unaligned write stands when, seen by breakpoints. */
static void events_of_a_read_modify_write(void **state)
{
    (void)state;
    static const char *const order[] = { "write_aio",
                                         "pwritev_rmw_head",
                                         "pwritev_rmw_after_head",
                                         "pwritev_rmw_tail",
                                         "pwritev_rmw_after_tail",
                                         "pwritev",
                                         "pwritev_done" };
    struct world w;
    struct backend *b = stack(&w, ",'align':512");
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        assert_int_equal(driver_command(b, "breakpoint", order[i], order[i], NULL), 0);
    }
    struct iobuf buf = iobuf_fill(fill_byte(9), 1000);
    struct call c = { .fn = do_write, .backend = b, .offset = 1, .buf = &buf };
    call_start(&w, &c);
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        assert_false(c.done);
        if (driver_command(b, "resume", NULL, order[i], NULL) != 0) {
            fail_msg("not at %s", order[i]);
        }
        sim_settle(w.sim, 1000);
    }
    assert_int_equal(call_wait(&c), 0);
    done(&w, b);
}

static void limits_that_cannot_be_met(void **state)
{
    (void)state;
    static const struct {
        const char *options, *text;
    } cases[] = {
        { "'align':3", "Cannot meet constraints with align 3" },
        { "'align':2147483648", "Cannot meet constraints with align 2147483648" },
        { "'align':-1", "Parameter 'align' expects a non-negative number below 2^64" },
        { "'align':4096,'max-transfer':512", "Cannot meet constraints with max-transfer 512" },
        { "'max-transfer':-1",
          "Parameter 'max-transfer' expects a non-negative number below 2^64" },
        { "'align':512,'opt-write-zero':1000",
          "Cannot meet constraints with opt-write-zero 1000" },
        { "'max-write-zero':512,'opt-write-zero':1024",
          "Cannot meet constraints with max-write-zero 512" },
        { "'max-discard':1536,'opt-discard':1024",
          "Cannot meet constraints with max-discard 1536" },
        { "'inject-error':[]",
          "Block protocol 'blkdebug' doesn't support the option 'inject-error'" },
        { "'inject-error':[{}]", "Parameter 'inject-error[0].event' is missing" },
        { "'max-transfer':2147483648", "Parameter 'max-transfer' expects int32_t" },
    };
    struct world w;
    world_init(&w);
    world_file(&w, "a", 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *args = mem_printf("{'driver':'blkdebug','node-name':'d'," IMAGE ",%s}",
                                cases[i].options);
        add_fails(&w, args, cases[i].text);
        free(args);
    }
    add_ok(&w, "{'driver':'blkdebug','node-name':'d'," IMAGE ",'align':0,'max-transfer':100}");
    world_fini(&w);
}

/* Too short for the zeroing alignment: the block layer writes, so only a write rule sees it. */
static void short_zeroing_is_written(void **state)
{
    (void)state;
    struct world w;
    struct backend *b = stack(&w, ",'align':512,'opt-write-zero':65536" INJECT(
                                      RULE("none", ",'iotype':'write-zeroes'")));
    assert_int_equal(zero_range(&w, b, 0, 4096, 0), 0);
    assert_int_equal(zero_range(&w, b, 0, 4096, IO_NO_FALLBACK), -ENOTSUP);
    assert_int_equal(zero_range(&w, b, 0, 65536, 0), -EIO);
    done(&w, b);
}

static void permissions_can_be_taken_and_unshared(void **state)
{
    (void)state;
    struct world w;
    struct error err = ERROR_INIT;
    world_init(&w);
    world_file(&w, "a", 1 << 20);
    add_ok(&w, "{'driver':'file','node-name':'f','filename':'a'}");
    add_ok(&w, "{'driver':'blkdebug','node-name':'b','image':'f',"
               "'unshare-child-perms':['write']}");
    add_fails(&w,
              "{'driver':'blkdebug','node-name':'c','image':'f','take-child-perms':['write']}",
              "Permission conflict on node 'f': permissions 'write' are both required by node "
              "'c' (uses node 'f' as 'image' child) and unshared by node 'b' (uses node 'f' as "
              "'image' child).");
    assert_null(attach(&w, "f", USE_RW, &err));
    del_ok(&w, "b");
    detach(&w, attach_ok(&w, "f", USE_RW));
    world_fini(&w);
}

static void names_in_query_results(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_file(&w, "a", 1 << 20);
    world_text_file(&w, "c", "");
    add_ok(&w, "{'driver':'blkdebug','node-name':'x'," IMAGE "}");
    add_ok(&w, "{'driver':'blkdebug','node-name':'y','config':'c'," IMAGE "}");
    add_ok(&w, "{'driver':'blkdebug','node-name':'z','align':512," IMAGE "}");
    static const char *const nodes[] = { "x", "y", "z" };
    static const char *const begin[] = { "blkdebug::a", "blkdebug:c:a", "json:{" };
    for (size_t i = 0; i < 3; i++) {
        char *name = node_filename(layer_find_node(w.layer, nodes[i]));
        assert_true(strncmp(name, begin[i], strlen(begin[i])) == 0);
        free(name);
    }
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_stays_in_force),
        cmocka_unit_test(two_events_take_turns),
        cmocka_unit_test(once_is_once),
        cmocka_unit_test(iotype_selects),
        cmocka_unit_test(sector_must_begin_in_the_request),
        cmocka_unit_test(strange_errnos),
        cmocka_unit_test(states_select_the_second_write),
        cmocka_unit_test(none_moves_the_first_state),
        cmocka_unit_test(the_rules_file_comes_first),
        cmocka_unit_test(a_breakpoint_stops_one_request),
        cmocka_unit_test(two_breakpoints_on_one_event),
        cmocka_unit_test(removing_breakpoints),
        cmocka_unit_test(events_of_a_read_modify_write),
        cmocka_unit_test(limits_that_cannot_be_met),
        cmocka_unit_test(short_zeroing_is_written),
        cmocka_unit_test(permissions_can_be_taken_and_unshared),
        cmocka_unit_test(names_in_query_results),
    };
    return cmocka_run_group_tests_name("drivers/blkdebug", tests, NULL, NULL);
}
