/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/driver_test.h"
#include "model/dirty_bitmap.h"
#include "model/job/block_copy.h"

enum { DISK = 1 << 20, CLUSTER = 65536, BLOCK = 512 };

/* A source whose blocks have their numbers in them, a target, the filter and a view of its past. */
static void set_up(struct world *w, const char *options)
{
    unsigned char block[BLOCK];
    world_init(w);
    world_file(w, "s", DISK);
    world_file(w, "t", DISK);
    for (int i = 0; i < DISK / BLOCK; i++) {
        memset(block, i * 7 + i / 256, sizeof(block));
        assert_int_equal(disk_poke(host_sim_disk(w->host, "s"), (uint64_t)i * BLOCK, block, BLOCK),
                         0);
    }
    add_ok(w, "{'driver':'file','node-name':'s','filename':'s','discard':'unmap'}");
    add_ok(w, "{'driver':'file','node-name':'t','filename':'t','discard':'unmap'}");
    char *args = mem_printf("{'driver':'copy-before-write','node-name':'cbw','file':'s',"
                            "'discard':'unmap'%s}", options);
    add_ok(w, args);
    free(args);
    add_ok(w, "{'driver':'snapshot-access','node-name':'sa','file':'cbw','discard':'unmap'}");
}

static int read_past(struct world *w, struct backend *b, int64_t offset, size_t n)
{
    unsigned char *mem = mem_alloc(n);
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, mem, n);
    int ret = call_run(w, (struct call){ .fn = do_read, .backend = b, .offset = offset,
                                         .buf = &buf });
    for (size_t i = 0; i < n && ret == 0; i++) {
        int64_t number = (offset + (int64_t)i) / BLOCK;
        assert_int_equal(mem[i], (unsigned char)(number * 7 + number / 256));
    }
    free(mem);
    return ret;
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* Whatever a guest does, in whatever pieces, the past is what it was. */
static void the_past_stays(void **state)
{
    (void)state;
    struct world w;
    uint32_t random = 1;
    set_up(&w, ",'target':'t'");
    struct backend *guest = attach_ok(&w, "cbw", USE_RW);
    struct backend *past = attach_ok(&w, "sa", PERM_CONSISTENT_READ);
    for (int i = 0; i < 400; i++) {
        int64_t offset = next_random(&random) % DISK;
        int64_t bytes = 1 + next_random(&random) % 100000;
        bytes = MIN(bytes, DISK - offset);
        switch (next_random(&random) % 5) {
        case 0:
            assert_int_equal(zero_range(&w, guest, offset, bytes, IO_MAY_UNMAP), 0);
            break;
        case 1:
            assert_int_equal(discard_range(&w, guest, offset, bytes), 0);
            break;
        case 2:
            assert_int_equal(write_byte(&w, guest, offset, (size_t)bytes, (uint8_t)i), 0);
            break;
        default:
            assert_int_equal(read_past(&w, past, offset, (size_t)bytes), 0);
            break;
        }
    }
    assert_int_equal(read_past(&w, past, 0, DISK), 0);
    detach(&w, guest);
    detach(&w, past);
    world_fini(&w);
}

/* A job that drives the filter gets its engine from it: what the engine has copied the guest need
 * not wait for. */
static void the_engine_is_shared(void **state)
{
    (void)state;
    struct world w;
    set_up(&w, ",'target':'t'");
    struct node *n = layer_find_node(w.layer, "cbw");
    struct block_copy *copy = n->drv->snapshot->copy(n);
    assert_int_equal(block_copy_cluster_size(copy), CLUSTER);
    assert_int_equal(bitset_count(block_copy_todo(copy)), DISK);
    struct backend *guest = attach_ok(&w, "cbw", USE_RW);
    assert_int_equal(write_byte(&w, guest, CLUSTER, 1, 0xff), 0);
    assert_int_equal(bitset_count(block_copy_todo(copy)), DISK - CLUSTER);
    bitset_clear(block_copy_todo(copy), 0, CLUSTER);
    assert_int_equal(write_byte(&w, guest, 0, 1, 0xff), 0);
    struct backend *target = attach_ok(&w, "t", PERM_CONSISTENT_READ);
    assert_int_equal(read_byte(&w, target, 0, CLUSTER, 0), 0);
    detach(&w, guest);
    detach(&w, target);
    world_fini(&w);
}

/* A copy that its write has given up holds the filter until it has ended. */
static void a_filter_closes_after_its_copies(void **state)
{
    (void)state;
    struct world w;
    set_up(&w, ",'target':'t'");
    del_ok(&w, "sa");
    del_ok(&w, "cbw");
    qmp_ok(&w, "object-add", "{'qom-type':'throttle-group','id':'g','limits':{'iops-total':1}}");
    add_ok(&w, "{'driver':'copy-before-write','node-name':'cbw','file':'s','cbw-timeout':1,"
               "'target':{'driver':'throttle','throttle-group':'g','file':'t'}}");
    struct backend *guest = attach_ok(&w, "cbw", USE_RW);
    struct iobuf buf = iobuf_fill(fill_byte(0xff), 1);
    struct call writes[4];
    for (int i = 0; i < 4; i++) { /* One a second gets to the target. */
        writes[i] = (struct call){ .fn = do_write, .backend = guest, .offset = i * CLUSTER,
                                   .buf = &buf };
        call_start(&w, &writes[i]);
    }
    assert_int_equal(call_wait(&writes[0]), 0);
    assert_int_equal(call_wait(&writes[3]), -ETIMEDOUT);
    assert_true(layer_find_node(w.layer, "cbw")->in_flight > 0);
    detach(&w, guest); /* Its drained section lets go what is throttled. */
    del_ok(&w, "cbw");
    assert_null(layer_find_node(w.layer, "cbw"));
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_past_stays),
        cmocka_unit_test(the_engine_is_shared),
        cmocka_unit_test(a_filter_closes_after_its_copies),
    };
    return cmocka_run_group_tests_name("drivers/copy-before-write", tests, NULL, NULL);
}
