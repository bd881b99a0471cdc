/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/driver_test.h"

#define PAIR "'raw':{'driver':'file','filename':'a'},'test':{'driver':'file','filename':'b'}"

static void init(struct world *w)
{
    world_init(w);
    world_file(w, "a", 1 << 20);
    world_file(w, "b", 1 << 20);
}

static void writes_reach_both(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    add_ok(&w, "{'driver':'blkverify','node-name':'v'," PAIR "}");
    struct backend *v = attach_ok(&w, "v", USE_RW);
    assert_int_equal(write_byte(&w, v, 512, 8192, 5), 0);
    assert_int_equal(zero_range(&w, v, 1024, 512, 0), 0);
    static const char *const disks[] = { "a", "b" };
    for (size_t i = 0; i < 2; i++) {
        unsigned char p[1536];
        assert_int_equal(disk_peek(host_sim_disk(w.host, disks[i]), 0, p, sizeof(p)), 0);
        assert_int_equal(p[511], 0);
        assert_int_equal(p[512], 5);
        assert_int_equal(p[1024], 0);
    }
    assert_int_equal(read_byte(&w, v, 512, 512, 5), 0);
    detach(&w, v);
    world_fini(&w);
}

/* The first byte that differs is named; the request fails and later ones are still compared. */
static void a_planted_byte_is_found(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    add_ok(&w, "{'driver':'blkverify','node-name':'v'," PAIR "}");
    struct backend *v = attach_ok(&w, "v", USE_RW);
    assert_int_equal(write_byte(&w, v, 0, 8192, 1), 0);
    assert_int_equal(disk_poke(host_sim_disk(w.host, "b"), 5000, "Z", 1), 0);
    assert_int_equal(read_byte(&w, v, 0, 4096, 1), 0);
    json_t *reply = json_object();
    assert_int_equal(driver_command(v, "last_message", NULL, "", reply), -ENOENT);
    assert_int_equal(read_byte(&w, v, 0, 8192, 1), -EIO);
    assert_int_equal(driver_command(v, "last_message", NULL, "", reply), 0);
    assert_string_equal(json_string_value(json_object_get(reply, "message")),
                        "blkverify: read offset=0 bytes=8192 contents mismatch at offset 5000");
    assert_true(trace_has(&w, "contents mismatch at offset 5000"));
    assert_int_equal(read_byte(&w, v, 4999, 3, 1), -EIO);
    assert_int_equal(driver_command(v, "last_message", NULL, "", reply), 0);
    assert_string_equal(json_string_value(json_object_get(reply, "message")),
                        "blkverify: read offset=4999 bytes=3 contents mismatch at offset 5000");
    json_decref(reply);
    detach(&w, v);
    world_fini(&w);
}

#define TEST_FAILS(io)                                                                           \
    "'raw':{'driver':'file','filename':'a'},'test':{'driver':'blkdebug',"                        \
    "'image':{'driver':'file','filename':'b'},"                                                  \
    "'inject-error':[{'event':'none','iotype':'" io "'}]}"

static void return_values_are_compared(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    add_ok(&w, "{'driver':'blkverify','node-name':'v'," TEST_FAILS("write") "}");
    struct backend *v = attach_ok(&w, "v", USE_RW);
    assert_int_equal(write_byte(&w, v, 0, 512, 1), -EIO);
    assert_true(
        trace_has(&w, "blkverify: write offset=0 bytes=512 return value mismatch -5 != 0"));
    detach(&w, v);
    world_fini(&w);
}

/* Both halves are in flight at once, and each has its own delay. */
static void halves_run_together(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    add_ok(&w, "{'driver':'blkverify','node-name':'v',"
               "'raw':{'driver':'null-co','latency-ns':1000,'read-zeroes':true},"
               "'test':{'driver':'null-co','latency-ns':5000,'read-zeroes':true}}");
    struct backend *v = attach_ok(&w, "v", USE_RW);
    struct call calls[4];
    struct iobuf bufs[4];
    static unsigned char mem[4][4096];
    struct iovec iov[4];
    for (int i = 0; i < 4; i++) {
        bufs[i] = iobuf_mem(&iov[i], mem[i], sizeof(mem[i]));
        calls[i] = (struct call){
            .fn = do_read, .backend = v, .offset = i * 4096, .buf = &bufs[i]
        };
        call_start(&w, &calls[i]);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(call_wait(&calls[i]), 0);
    }
    assert_int_equal(sim_now_ns(w.sim), 5000);
    detach(&w, v);
    world_fini(&w);
}

/* Length is that of test, block status and driver commands are those of raw. */
static void who_answers_what(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    world_file(&w, "big", 2 << 20);
    add_ok(&w, "{'driver':'blkverify','node-name':'v',"
               "'raw':{'driver':'blkdebug','image':{'driver':'file','filename':'a'}},"
               "'test':{'driver':'file','filename':'big'}}");
    struct backend *v = attach_ok(&w, "v", USE_RW);
    assert_int_equal(io_length(layer_find_node(w.layer, "v")), 2 << 20);
    assert_int_equal(driver_command(v, "breakpoint", "read_aio", "A", NULL), 0);
    assert_int_equal(driver_command(v, "remove_breakpoint", NULL, "A", NULL), 0);
    assert_int_equal(driver_command(v, "nonsense", NULL, "A", NULL), -ENOTSUP);
    char *name = node_filename(layer_find_node(w.layer, "v"));
    assert_string_equal(name, "blkverify:blkdebug::a:big");
    free(name);
    detach(&w, v);
    struct error err = ERROR_INIT;
    struct backend *all = attach_ok(&w, "v", USE_ALL);
    assert_int_equal(resize(&w, all, 4 << 20, PREALLOC_OFF, &err), 0); /* raw's */
    assert_int_equal(io_length(layer_find_node(w.layer, "v")), 2 << 20);
    detach(&w, all);
    world_fini(&w);
}

static void children_are_required_in_order(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    add_fails(&w, "{'driver':'blkverify','node-name':'v','test':'x','raw':'y'}",
              "Cannot find device='y' nor node-name='y'");
    add_fails(&w, "{'driver':'blkverify','node-name':'v','raw':'y'}",
              "Parameter 'test' is missing");
    add_fails(&w, "{'driver':'blkverify','node-name':'v','raw':{'driver':'null-co'},'test':'x'}",
              "Cannot find device='x' nor node-name='x'");
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_reach_both),
        cmocka_unit_test(a_planted_byte_is_found),
        cmocka_unit_test(return_values_are_compared),
        cmocka_unit_test(halves_run_together),
        cmocka_unit_test(who_answers_what),
        cmocka_unit_test(children_are_required_in_order),
    };
    return cmocka_run_group_tests_name("drivers/blkverify", tests, NULL, NULL);
}
