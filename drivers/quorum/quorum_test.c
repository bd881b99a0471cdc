/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/driver_test.h"

#define FILE_NODE(name) "{'driver':'file','node-name':'" name "','filename':'" name "'}"
#define THREE "'children':[" FILE_NODE("a") "," FILE_NODE("b") "," FILE_NODE("c") "]"

static void init(struct world *w)
{
    world_init(w);
    world_file(w, "a", 1 << 20);
    world_file(w, "b", 1 << 20);
    world_file(w, "c", 1 << 20);
}

static void poke_all(struct world *w, const char *bytes)
{
    static const char *const names[] = { "a", "b", "c" };
    for (size_t i = 0; i < 3; i++) {
        unsigned char block[512];
        memset(block, bytes[i], sizeof(block));
        assert_int_equal(disk_poke(host_sim_disk(w->host, names[i]), 0, block, sizeof(block)), 0);
    }
}

static unsigned char peek(struct world *w, const char *name)
{
    unsigned char byte;
    assert_int_equal(disk_peek(host_sim_disk(w->host, name), 0, &byte, 1), 0);
    return byte;
}

static void writes_reach_all(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    add_ok(&w, "{'driver':'quorum','node-name':'q','vote-threshold':2," THREE "}");
    struct backend *q = attach_ok(&w, "q", USE_RW);
    assert_int_equal(write_byte(&w, q, 0, 8192, 5), 0);
    assert_int_equal(peek(&w, "a"), 5);
    assert_int_equal(peek(&w, "b"), 5);
    assert_int_equal(peek(&w, "c"), 5);
    assert_int_equal(zero_range(&w, q, 0, 512, 0), 0);
    assert_int_equal(peek(&w, "c"), 0);
    assert_int_equal(read_byte(&w, q, 512, 1024, 5), 0);
    assert_int_equal(flush(&w, q), 0);
    detach(&w, q);
    world_fini(&w);
}

/* Whoever loses, the first child whose buffer is the guest's included, the guest gets the winner's
 * data, symbolic or not. */
static void the_winner_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        int ret;
        uint8_t byte;
    } cases[] = {
        { "xyy", 0, 'y' }, { "yxy", 0, 'y' }, { "yyx", 0, 'y' }, { "yyy", 0, 'y' },
        { "xyz", -EIO, 0 },
    };
    struct world w;
    init(&w);
    add_ok(&w, "{'driver':'quorum','node-name':'q','vote-threshold':2," THREE "}");
    struct backend *q = attach_ok(&w, "q", USE_RW);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        poke_all(&w, cases[i].bytes);
        assert_int_equal(read_byte(&w, q, 0, 512, cases[i].byte), cases[i].ret);
        assert_int_equal(peek(&w, "a"), cases[i].bytes[0]); /* Nobody is corrected. */
    }
    assert_true(trace_has(&w, "QUORUM_FAILURE"));
    detach(&w, q);
    world_fini(&w);
}

static void losers_are_rewritten(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    add_ok(&w, "{'driver':'quorum','node-name':'q','vote-threshold':2,'rewrite-corrupted':true,"
               THREE "}");
    struct backend *q = attach_ok(&w, "q", PERM_CONSISTENT_READ);
    poke_all(&w, "xyy");
    assert_int_equal(read_byte(&w, q, 0, 512, 'y'), 0);
    assert_int_equal(peek(&w, "a"), 'y');
    detach(&w, q);
    world_fini(&w);
}

/* Halves are in flight at once: three reads take as long as the slowest. */
static void halves_run_together(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    add_ok(&w, "{'driver':'quorum','node-name':'q','vote-threshold':2,'children':["
               "{'driver':'null-co','latency-ns':1000,'read-zeroes':true},"
               "{'driver':'null-co','latency-ns':7000,'read-zeroes':true},"
               "{'driver':'null-co','latency-ns':5000,'read-zeroes':true}]}");
    struct backend *q = attach_ok(&w, "q", USE_RW);
    struct call calls[8];
    struct iobuf bufs[8];
    static unsigned char mem[8][4096];
    struct iovec iov[8];
    for (int i = 0; i < 8; i++) {
        bufs[i] = iobuf_mem(&iov[i], mem[i], sizeof(mem[i]));
        calls[i] = (struct call){
            .fn = do_read, .backend = q, .offset = i * 4096, .buf = &bufs[i]
        };
        call_start(&w, &calls[i]);
    }
    for (int i = 0; i < 8; i++) {
        assert_int_equal(call_wait(&calls[i]), 0);
    }
    assert_int_equal(sim_now_ns(w.sim), 7000);
    detach(&w, q);
    world_fini(&w);
}

/* Once warm a quorum keeps what it needs; more children than before need more. */
static void children_come_and_go(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    add_ok(&w, FILE_NODE("c"));
    add_ok(&w, "{'driver':'quorum','node-name':'q','vote-threshold':1,'children':[" FILE_NODE("a")
               "," FILE_NODE("b") "]}");
    struct backend *q = attach_ok(&w, "q", USE_RW);
    assert_int_equal(write_byte(&w, q, 0, 4096, 1), 0);
    qmp_ok(&w, "x-blockdev-change", "{'parent':'q','node':'c'}");
    assert_int_equal(write_byte(&w, q, 0, 4096, 2), 0);
    assert_int_equal(peek(&w, "c"), 2);
    qmp_ok(&w, "x-blockdev-change", "{'parent':'q','child':'children.0'}");
    assert_int_equal(write_byte(&w, q, 0, 4096, 3), 0);
    assert_int_equal(peek(&w, "a"), 2);
    assert_int_equal(peek(&w, "c"), 3);
    assert_int_equal(read_byte(&w, q, 0, 4096, 3), 0);
    qmp_fails(&w, "x-blockdev-change", "{'parent':'q','node':'q'}",
              "The node q already has a parent");
    char *name = node_filename(layer_find_node(w.layer, "q"));
    assert_non_null(strstr(name, "\"children\": [{\"driver\": \"file\", \"filename\": \"b\"}, "
                                 "{\"driver\": \"file\", \"filename\": \"c\"}]"));
    free(name);
    detach(&w, q);
    world_fini(&w);
}

/* A difference in blkverify mode fails the read and is kept for whoever asks. */
static void blkverify_mode_tells_the_place(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    add_ok(&w, "{'driver':'quorum','node-name':'q','vote-threshold':2,'blkverify':true,"
               "'children':[" FILE_NODE("a") "," FILE_NODE("b") "]}");
    struct backend *q = attach_ok(&w, "q", USE_RW);
    json_t *reply = json_object();
    assert_int_equal(driver_command(q, "last_message", NULL, "", reply), -ENOENT);
    assert_int_equal(disk_poke(host_sim_disk(w.host, "b"), 5000, "Z", 1), 0);
    assert_int_equal(read_byte(&w, q, 0, 4096, 0), 0);
    assert_int_equal(read_byte(&w, q, 4096, 4096, 0), -EIO);
    assert_int_equal(driver_command(q, "last_message", NULL, "", reply), 0);
    assert_string_equal(json_string_value(json_object_get(reply, "message")),
                        "quorum: offset=4096 bytes=4096 contents mismatch at offset 5000");
    json_decref(reply);
    detach(&w, q);
    world_fini(&w);
}

/* A quorum's limits are what every child can do. */
static void limits_follow_the_children(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    add_ok(&w, "{'driver':'null-co','node-name':'n','size':1048576}");
    add_ok(&w, "{'driver':'quorum','node-name':'q','vote-threshold':1,'children':[" FILE_NODE("a")
               "]}");
    const struct node *q = layer_find_node(w.layer, "q");
    assert_true(q->limits.zero_flags & IO_NO_FALLBACK);
    qmp_ok(&w, "x-blockdev-change", "{'parent':'q','node':'n'}");
    assert_false(q->limits.zero_flags & IO_NO_FALLBACK);
    qmp_ok(&w, "x-blockdev-change", "{'parent':'q','child':'children.1'}");
    assert_true(q->limits.zero_flags & IO_NO_FALLBACK);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_reach_all),
        cmocka_unit_test(the_winner_is_read),
        cmocka_unit_test(losers_are_rewritten),
        cmocka_unit_test(halves_run_together),
        cmocka_unit_test(children_come_and_go),
        cmocka_unit_test(blkverify_mode_tells_the_place),
        cmocka_unit_test(limits_follow_the_children),
    };
    return cmocka_run_group_tests_name("drivers/quorum", tests, NULL, NULL);
}
