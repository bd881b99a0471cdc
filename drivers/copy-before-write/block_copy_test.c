/* SPDX-License-Identifier: MIT */
/* The copy engine (model/job/block_copy.h) between two files of a simulated host: what is copied
 * once, what is copied again, and how long it takes.  It needs nodes of all kinds, and so stands
 * beside the filter that lives on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/driver_test.h"
#include "model/dirty_bitmap.h"
#include "model/job/block_copy.h"
#include "model/open.h"

enum { DISK = 1 << 20, CLUSTER = 65536 };

struct bench {
    struct world w;
    struct child *source, *target;
    struct block_copy *copy;
    struct block_copy_call *call;
    const char *names[2];
    int64_t progress;
    int changes, done;
    int64_t offset, bytes, timeout_ns;
    bool error_is_read;
    int ret;
};

static void describe_bench(const struct child *c, struct strbuf *out)
{
    (void)c;
    strbuf_puts(out, "the test");
}

static const struct child_parent bench_ops = { .describe = describe_bench };

static struct bench *bench_of(const struct call *c)
{
    return (struct bench *)(uintptr_t)c->text;
}

static int run(struct bench *b, void (*fn)(struct call *c))
{
    return call_run(&b->w, (struct call){ .fn = fn, .text = (const char *)b });
}

static void count_progress(void *opaque, int64_t bytes)
{
    struct bench *b = opaque;
    b->progress += bytes;
    b->changes += bytes == 0;
}

static void do_open(struct call *c)
{
    struct bench *b = bench_of(c);
    const uint32_t used[2] = { PERM_CONSISTENT_READ, PERM_WRITE };
    struct child **edges[2] = { &b->source, &b->target };
    for (int i = 0; i < 2 && c->ret == 0; i++) {
        struct perm_pair perm = { .used = used[i], .shared = PERM_ALL };
        c->ret = child_attach(layer_find_node(c->w->layer, b->names[i]), "root", 0, NULL,
                              &bench_ops, b, perm, edges[i], NULL);
    }
    if (c->ret == 0) {
        c->ret = block_copy_create(b->source, b->target, NULL, &b->copy, NULL);
        block_copy_set_progress(b->copy, count_progress, b);
    }
}

static void do_close(struct call *c)
{
    struct bench *b = bench_of(c);
    block_copy_free(b->copy);
    child_detach(b->source);
    child_detach(b->target);
}

/* A source of 0x42 and a target of zeroes, both of a disk without latency. */
static void set_up(struct bench *b)
{
    unsigned char block[CLUSTER];
    *b = (struct bench){ .names = { "s", "t" } };
    world_init(&b->w);
    world_file(&b->w, "s", DISK);
    world_file(&b->w, "t", DISK);
    memset(block, 0x42, sizeof(block));
    for (uint64_t at = 0; at < DISK; at += sizeof(block)) {
        assert_int_equal(disk_poke(host_sim_disk(b->w.host, "s"), at, block, sizeof(block)), 0);
    }
    add_ok(&b->w, "{'driver':'file','node-name':'s','filename':'s'}");
    add_ok(&b->w, "{'driver':'file','node-name':'t','filename':'t'}");
}

static void start(struct bench *b)
{
    assert_int_equal(run(b, do_open), 0);
}

static void end(struct bench *b)
{
    run(b, do_close);
    world_fini(&b->w);
}

static void do_range(struct call *c)
{
    struct bench *b = bench_of(c);
    c->ret = block_copy_range(b->copy, b->offset, b->bytes, b->timeout_ns, &b->error_is_read);
}

static int range(struct bench *b, int64_t offset, int64_t bytes)
{
    b->offset = offset;
    b->bytes = bytes;
    return run(b, do_range);
}

static int64_t todo(struct bench *b)
{
    return bitset_count(block_copy_todo(b->copy));
}

static void target_is(struct bench *b, int64_t offset, size_t n, uint8_t byte)
{
    unsigned char *mem = mem_alloc(n);
    assert_int_equal(disk_peek(host_sim_disk(b->w.host, "t"), (uint64_t)offset, mem, n), 0);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(mem[i], byte);
    }
    free(mem);
}

static void call_done(void *opaque)
{
    struct bench *b = opaque;
    b->done++;
}

static void launch(struct bench *b, unsigned workers, int64_t max_chunk)
{
    b->call = block_copy_start(b->copy, 0, DISK, workers, max_chunk, call_done, b);
}

/* Runs for so long. */
static void pass(struct bench *b, int64_t ns)
{
    sim_run(b->w.sim, NULL, sim_now_ns(b->w.sim) + ns, 1000000);
}

/* ---- Ranges ---- */

static void a_range_is_copied_in_whole_clusters_and_once(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b);
    start(&b);
    assert_int_equal(block_copy_cluster_size(b.copy), CLUSTER);
    assert_int_equal(block_copy_length(b.copy), DISK);
    assert_int_equal(range(&b, CLUSTER + 100, 10), 0);
    target_is(&b, 0, CLUSTER, 0);
    target_is(&b, CLUSTER, CLUSTER, 0x42);
    target_is(&b, 2 * CLUSTER, CLUSTER, 0);
    assert_int_equal(b.progress, CLUSTER);
    assert_int_equal(todo(&b), DISK - CLUSTER);
    assert_int_equal(range(&b, 0, 2 * CLUSTER + 1), 0);
    assert_int_equal(b.progress, 3 * CLUSTER);
    assert_int_equal(block_copy_in_flight(b.copy), 0);
    end(&b);
}

static void what_fails_is_to_be_copied_again(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b);
    add_ok(&b.w, "{'driver':'blkdebug','node-name':'bs','image':'s','inject-error':[{"
                 "'event':'none','iotype':'read','once':true,'errno':5}]}");
    add_ok(&b.w, "{'driver':'blkdebug','node-name':'bt','image':'t','inject-error':[{"
                 "'event':'none','iotype':'write','once':true,'errno':28}]}");
    b.names[0] = "bs";
    b.names[1] = "bt";
    start(&b);
    assert_int_equal(range(&b, 0, 1), -EIO);
    assert_true(b.error_is_read);
    assert_int_equal(range(&b, 0, 1), -ENOSPC);
    assert_false(b.error_is_read);
    assert_int_equal(todo(&b), DISK);
    assert_int_equal(b.progress, 0);
    assert_int_equal(b.changes, 2);
    assert_int_equal(range(&b, 0, 1), 0);
    target_is(&b, 0, CLUSTER, 0x42);
    end(&b);
}

static void throttled_target(struct bench *b)
{
    qmp_ok(&b->w, "object-add",
           "{'qom-type':'throttle-group','id':'g','limits':{'iops-total':1}}");
    add_ok(&b->w, "{'driver':'throttle','node-name':'slow','file':'t','throttle-group':'g'}");
    b->names[1] = "slow";
    start(b);
    assert_int_equal(range(b, 0, 1), 0); /* The next one has to wait. */
}

static void a_range_can_be_given_up_and_goes_on(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b);
    throttled_target(&b);
    b.timeout_ns = NS_PER_MS;
    assert_int_equal(range(&b, CLUSTER, 1), -ETIMEDOUT);
    assert_int_equal(block_copy_in_flight(b.copy), CLUSTER);
    assert_int_equal(todo(&b), DISK - 2 * CLUSTER);
    assert_int_equal(range(&b, CLUSTER, 1), -ETIMEDOUT);
    b.timeout_ns = 10 * NS_PER_S;
    assert_int_equal(range(&b, CLUSTER, 1), 0); /* It waits for the first. */
    assert_int_equal(b.progress, 2 * CLUSTER);
    target_is(&b, CLUSTER, CLUSTER, 0x42);
    pass(&b, 10 * NS_PER_S);
    end(&b);
}

/* ---- Calls ---- */

static void a_call_copies_all_that_is_left(void **state)
{
    (void)state;
    struct bench b;
    bool error_is_read;
    for (unsigned workers = 1; workers <= 64; workers *= 8) {
        set_up(&b);
        start(&b);
        assert_int_equal(range(&b, 5 * CLUSTER, 1), 0);
        bitset_clear(block_copy_todo(b.copy), 0, CLUSTER);
        launch(&b, workers, 3 * CLUSTER + 1);
        struct block_copy_call *other =
            block_copy_start(b.copy, 0, DISK, 2, 0, call_done, &b);
        pass(&b, NS_PER_S);
        assert_int_equal(b.done, 2);
        assert_true(block_copy_finished(b.call) && block_copy_finished(other));
        assert_int_equal(block_copy_result(b.call, &error_is_read), 0);
        assert_int_equal(b.progress, DISK - CLUSTER);
        assert_int_equal(todo(&b), 0);
        target_is(&b, 0, CLUSTER, 0);
        target_is(&b, CLUSTER, DISK - CLUSTER, 0x42);
        block_copy_call_free(b.call);
        block_copy_call_free(other);
        end(&b);
    }
}

static void speed_is_kept_and_can_be_raised(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b);
    start(&b);
    block_copy_set_speed(b.copy, 10 * CLUSTER); /* A cluster in each slice of 100 ms. */
    launch(&b, 4, CLUSTER);
    pass(&b, 50 * NS_PER_MS);
    assert_int_equal(b.progress, CLUSTER);
    pass(&b, 200 * NS_PER_MS);
    assert_int_equal(b.progress, 3 * CLUSTER);
    assert_int_equal(range(&b, 8 * CLUSTER, 1), 0); /* A guest does not wait. */
    block_copy_set_speed(b.copy, 0);
    pass(&b, NS_PER_MS);
    assert_int_equal(b.progress, DISK);
    assert_int_equal(b.done, 1);
    block_copy_call_free(b.call);
    end(&b);
}

static void a_call_can_be_cancelled_while_it_sleeps(void **state)
{
    (void)state;
    struct bench b;
    bool error_is_read;
    set_up(&b);
    start(&b);
    block_copy_set_speed(b.copy, 1);
    launch(&b, 4, CLUSTER);
    pass(&b, NS_PER_S);
    assert_int_equal(b.progress, CLUSTER);
    block_copy_cancel(b.call);
    pass(&b, 0);
    assert_int_equal(b.done, 1);
    assert_true(block_copy_cancelled(b.call));
    assert_int_equal(block_copy_result(b.call, &error_is_read), 0);
    assert_int_equal(todo(&b), DISK - CLUSTER);
    block_copy_call_free(b.call);
    end(&b);
}

static void the_first_error_ends_a_call(void **state)
{
    (void)state;
    struct bench b;
    bool error_is_read;
    set_up(&b);
    add_ok(&b.w, "{'driver':'blkdebug','node-name':'bt','image':'t','inject-error':[{"
                 "'event':'none','iotype':'write','sector':1024,'errno':28}]}");
    b.names[1] = "bt";
    start(&b);
    launch(&b, 1, CLUSTER);
    pass(&b, NS_PER_S);
    assert_int_equal(block_copy_result(b.call, &error_is_read), -ENOSPC);
    assert_false(error_is_read);
    assert_int_equal(todo(&b), DISK / 2);
    block_copy_call_free(b.call);
    end(&b);
}

/* ---- What the source has ---- */

static void do_image(struct call *c)
{
    c->ret = image_create(c->w->layer, "qcow2", c->text, DISK, NULL, NULL);
}

static void do_reset(struct call *c)
{
    struct bench *b = bench_of(c);
    c->ret = block_copy_reset_unallocated(b->copy, b->offset, &b->bytes);
}

static int reset(struct bench *b, int64_t offset)
{
    b->offset = offset;
    return run(b, do_reset);
}

/* The source is an overlay of s with clusters 2 and 3 of its own. */
static void overlay_with_two_clusters(struct bench *b)
{
    set_up(b);
    assert_int_equal(call_run(&b->w, (struct call){ .fn = do_image, .text = "top.qcow2" }), 0);
    add_ok(&b->w, "{'driver':'qcow2','node-name':'top','backing':'s','file':{'driver':'file',"
                  "'filename':'top.qcow2'}}");
    struct backend *w = attach_ok(&b->w, "top", USE_RW);
    assert_int_equal(write_byte(&b->w, w, 2 * CLUSTER, 2 * CLUSTER, 0x77), 0);
    detach(&b->w, w);
    b->names[0] = "top";
    start(b);
    block_copy_set_skip_unallocated(b->copy, true);
}

static void only_what_is_allocated_is_copied(void **state)
{
    (void)state;
    struct bench b;
    overlay_with_two_clusters(&b);
    launch(&b, 2, 0);
    pass(&b, NS_PER_S);
    assert_int_equal(b.progress, DISK);
    target_is(&b, 0, 2 * CLUSTER, 0);
    target_is(&b, 2 * CLUSTER, 2 * CLUSTER, 0x77);
    target_is(&b, 4 * CLUSTER, DISK - 4 * CLUSTER, 0);
    block_copy_call_free(b.call);
    end(&b);
}

static void what_is_not_allocated_is_found(void **state)
{
    (void)state;
    struct bench b;
    overlay_with_two_clusters(&b);
    assert_int_equal(reset(&b, 0), 0);
    assert_int_equal(b.bytes, 2 * CLUSTER);
    assert_int_equal(reset(&b, 2 * CLUSTER), 1);
    assert_int_equal(b.bytes, 2 * CLUSTER);
    assert_int_equal(reset(&b, 4 * CLUSTER), 0);
    assert_int_equal(b.bytes, DISK - 4 * CLUSTER);
    assert_int_equal(todo(&b), 2 * CLUSTER);
    assert_int_equal(range(&b, 0, DISK), 0);
    target_is(&b, 2 * CLUSTER, 2 * CLUSTER, 0x77);
    end(&b);
}

static void the_bitmap_is_the_source_s(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b);
    start(&b);
    struct node *s = layer_find_node(b.w.layer, "s");
    struct dirty_bitmap *bitmap = bitmap_first(s);
    assert_ptr_equal(bitmap, block_copy_bitmap(b.copy));
    assert_null(bitmap_name(bitmap));
    assert_false(bitmap_is_enabled(bitmap));
    assert_int_equal(bitset_count(bitmap_bits(bitmap)), DISK);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_is_copied_in_whole_clusters_and_once),
        cmocka_unit_test(what_fails_is_to_be_copied_again),
        cmocka_unit_test(a_range_can_be_given_up_and_goes_on),
        cmocka_unit_test(a_call_copies_all_that_is_left),
        cmocka_unit_test(speed_is_kept_and_can_be_raised),
        cmocka_unit_test(a_call_can_be_cancelled_while_it_sleeps),
        cmocka_unit_test(the_first_error_ends_a_call),
        cmocka_unit_test(only_what_is_allocated_is_copied),
        cmocka_unit_test(what_is_not_allocated_is_found),
        cmocka_unit_test(the_bitmap_is_the_source_s),
    };
    return cmocka_run_group_tests_name("drivers/copy-before-write/block_copy", tests, NULL, NULL);
}
