/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/driver_test.h"
#include "drivers/qcow2/qcow2.h"

enum { KIB = 1024, CLUSTER = 64 * KIB };

/* ---- A world with images ---- */

struct image_call {
    struct call call;
    const char *name;
    int64_t size;
    json_t *options;
};

static void do_image(struct call *c)
{
    struct image_call *i = (struct image_call *)c;
    c->ret = layer_make_image(c->w->sim, c->w->host, drivers_all, "qcow2", i->name, i->size,
                              i->options, c->err);
}

static int make_image(struct world *w, const char *name, int64_t size, const char *options,
                      struct error *err)
{
    struct image_call c = { .call = { .fn = do_image, .err = err }, .name = name, .size = size };
    c.options = json_loads(options, 0, NULL);
    assert_non_null(c.options);
    call_start(w, &c.call);
    int ret = call_wait(&c.call);
    json_decref(c.options);
    return ret;
}

static void image_ok(struct world *w, const char *name, int64_t size, const char *options)
{
    struct error err = ERROR_INIT;
    if (make_image(w, name, size, options, &err) < 0) {
        fail_msg("%s: %s", name, err.text);
    }
}

static int setup(void **state)
{
    struct world *w = NEW(struct world);
    world_init(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    world_fini(*state);
    free(*state);
    return 0;
}

#define OPEN(more) \
    "{'driver':'qcow2','node-name':'q','file':{'driver':'file','filename':'a'}" more "}"

/* Where in the file the cluster of offset lies; -1: nowhere. */
static int64_t place_of(struct world *w, struct backend *b, int64_t offset)
{
    struct call c = { .fn = do_status, .backend = b, .offset = offset, .bytes = CLUSTER };
    call_start(w, &c);
    assert_int_equal(call_wait(&c), 0);
    return c.offset;
}

/* ---- Numbers ---- */

static void test_refcounts_of_every_width(void **state)
{
    (void)state;
    uint8_t block[512];
    for (uint32_t order = 0; order <= 6; order++) {
        struct qcow2 q = { .refcount_order = order, .cluster_bits = 9 };
        uint64_t n = UINT64_C(1) << refblock_bits(&q);
        memset(block, 0, sizeof(block));
        for (uint64_t i = 0; i < n; i += 3) {
            refcount_put(&q, block, i, refcount_max(&q));
        }
        for (uint64_t i = 0; i < n; i++) {
            assert_true(refcount_at(&q, block, i) == (i % 3 == 0 ? refcount_max(&q) : 0));
        }
    }
    /* The first of several counts in a byte stands in its low bits; wide ones are big-endian. */
    struct qcow2 narrow = { .refcount_order = 1, .cluster_bits = 9 };
    struct qcow2 wide = { .refcount_order = 5, .cluster_bits = 9 };
    memset(block, 0, sizeof(block));
    refcount_put(&narrow, block, 1, 3);
    assert_int_equal(block[0], 3 << 2);
    refcount_put(&wide, block, 1, 0x01020304);
    assert_int_equal(block[4], 1);
    assert_int_equal(block[7], 4);
}

static void test_where_compressed_clusters_lie(void **state)
{
    (void)state;
    struct qcow2 q = { .cluster_bits = 16, .cluster_size = 1 << 16 };
    uint64_t host, bytes;
    /* An entry that qemu-img wrote: 79 bytes into sector 0x280, one sector. */
    entry_compressed(&q, 0x400000000005004f, &host, &bytes);
    assert_int_equal(host, 0x5004f);
    assert_int_equal(bytes, 512 - 0x4f);
    entry_compressed(&q, ENTRY_COMPRESSED | UINT64_C(3) << 54 | 0x51234, &host, &bytes);
    assert_int_equal(host, 0x51234);
    assert_int_equal(bytes, 4 * 512 - 0x34);
    assert_int_equal(entry_type(ENTRY_COMPRESSED | 1), CLUSTER_COMPRESSED);
    assert_int_equal(entry_type(ENTRY_COPIED | 0x50001), CLUSTER_ZERO_ALLOCATED);
    assert_int_equal(entry_type(1), CLUSTER_ZERO);
}

/* ---- Data ---- */

static void test_what_was_written_is_there_after_reopening(void **state)
{
    struct world *w = *state;
    image_ok(w, "a", 8 << 20, "{\"cluster_size\": \"4k\", \"refcount_bits\": \"1\"}");
    add_ok(w, OPEN());
    struct backend *b = attach_ok(w, "q", USE_RW);
    assert_int_equal(write_byte(w, b, 100, 70000, 0x11), 0);
    assert_int_equal(write_byte(w, b, 8 << 20, 1, 0x22), -EIO);
    assert_int_equal(write_byte(w, b, (8 << 20) - 1, 1, 0x33), 0);
    detach(w, b);
    del_ok(w, "q");
    add_ok(w, OPEN());
    b = attach_ok(w, "q", USE_RW);
    read_byte(w, b, 0, 100, 0);
    read_byte(w, b, 100, 70000, 0x11);
    read_byte(w, b, 70100, 100000, 0);
    read_byte(w, b, (8 << 20) - 1, 1, 0x33);
    detach(w, b);
    del_ok(w, "q");
}

static void test_two_writes_into_one_new_cluster(void **state)
{
    struct world *w = *state;
    image_ok(w, "a", 8 << 20, "{}");
    add_ok(w, OPEN());
    struct backend *b = attach_ok(w, "q", USE_RW);
    struct iobuf one = iobuf_fill(fill_byte(1), 4 * KIB), two = iobuf_fill(fill_byte(2), 8 * KIB);
    struct call c1 = { .fn = do_write, .backend = b, .offset = 4 * KIB, .buf = &one };
    struct call c2 = { .fn = do_write, .backend = b, .offset = 60 * KIB, .buf = &two };
    c1.w = c2.w = w;
    co_create(w->sim, "one", 0, call_main, &c1);
    co_create(w->sim, "two", 0, call_main, &c2);
    assert_int_equal(call_wait(&c1), 0);
    assert_int_equal(call_wait(&c2), 0);
    read_byte(w, b, 0, 4 * KIB, 0);
    read_byte(w, b, 4 * KIB, 4 * KIB, 1);
    read_byte(w, b, 8 * KIB, 52 * KIB, 0);
    read_byte(w, b, 60 * KIB, 8 * KIB, 2);
    detach(w, b);
    del_ok(w, "q");
}

/* A cluster that a discard set free could come back with the old L2 entry after a power cut. */
/* A freed cluster is the first to be taken, once a flush has made sure that it is free; if that
 * fails another one is. */
static void test_freed_clusters_wait_for_a_flush(void **state)
{
    struct world *w = *state;
    image_ok(w, "a", 8 << 20, "{}");
    add_ok(w, OPEN());
    struct backend *b = attach_ok(w, "q", USE_RW);
    assert_int_equal(write_byte(w, b, 0, CLUSTER, 1), 0);
    int64_t place = place_of(w, b, 0);
    detach(w, b);
    del_ok(w, "q");
    add_ok(w, "{'driver':'qcow2','node-name':'q','discard':'unmap','file':{'driver':'blkdebug',"
              "'inject-error':[{'event':'none','iotype':'flush','once':true}],"
              "'image':{'driver':'file','filename':'a'}}}");
    b = attach_ok(w, "q", USE_RW);
    assert_int_equal(discard_range(w, b, 0, CLUSTER), 0);
    assert_int_equal(place_of(w, b, 0), -1);
    assert_int_equal(write_byte(w, b, 1 << 20, CLUSTER, 2), 0);
    assert_int_not_equal(place_of(w, b, 1 << 20), place);
    assert_int_equal(discard_range(w, b, 1 << 20, CLUSTER), 0);
    assert_int_equal(write_byte(w, b, 2 << 20, CLUSTER, 3), 0);
    assert_int_equal(place_of(w, b, 2 << 20), place);
    detach(w, b);
    del_ok(w, "q");
}

static void test_compressed_clusters_share_a_host_cluster(void **state)
{
    struct world *w = *state;
    image_ok(w, "a", 8 << 20, "{}");
    add_ok(w, OPEN());
    struct backend *b = attach_ok(w, "q", USE_RW);
    struct iobuf buf = iobuf_fill(fill_byte(7), CLUSTER);
    struct call c = { .fn = do_write, .backend = b, .flags = IO_COMPRESSED, .buf = &buf };
    assert_int_equal(call_run(w, c), 0);
    c.offset = CLUSTER;
    assert_int_equal(call_run(w, c), 0);
    read_byte(w, b, 0, 2 * CLUSTER, 7);
    assert_int_equal(write_byte(w, b, 10, 10, 8), 0); /* Makes an ordinary cluster of the first. */
    read_byte(w, b, 0, 10, 7);
    read_byte(w, b, 10, 10, 8);
    read_byte(w, b, 20, 2 * CLUSTER - 20, 7);
    c.offset = 0;
    assert_int_equal(call_run(w, c), -EIO);
    c.offset = 512;
    assert_int_equal(call_run(w, c), -EINVAL);
    detach(w, b);
    del_ok(w, "q");
}

static void test_what_grows_is_zero(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    image_ok(w, "a", CLUSTER, "{}");
    add_ok(w, OPEN());
    struct backend *b = attach_ok(w, "q", USE_ALL);
    assert_int_equal(write_byte(w, b, 0, CLUSTER, 9), 0);
    assert_int_equal(resize(w, b, 32 * KIB, PREALLOC_OFF, &err), 0);
    assert_int_equal(resize(w, b, 4 << 20, PREALLOC_METADATA, &err), 0);
    read_byte(w, b, 0, 32 * KIB, 9);
    read_byte(w, b, 32 * KIB, 1 << 20, 0);
    assert_int_equal(resize(w, b, 1000, PREALLOC_OFF, &err), -EINVAL);
    assert_string_equal(err.text, "The new size must be a multiple of 512");
    detach(w, b);
    del_ok(w, "q");
}

/* ---- Chains ---- */

/* Opens image I over the one before it. */
static void add_link(struct world *w, int i)
{
    char *name = mem_printf("i%d", i);
    char *below = i > 0 ? mem_printf("'q%d'", i - 1) : mem_strdup("null");
    char *args = mem_printf("{'driver':'qcow2','node-name':'q%d','backing':%s,"
                            "'file':{'driver':'file','filename':'%s'}}",
                            i, below, name);
    image_ok(w, name, 1 << 20, "{\"cluster_size\": \"4k\"}");
    add_ok(w, args);
    free(args);
    free(below);
    free(name);
}

static void test_a_chain_of_many(void **state)
{
    enum { DEPTH = 200, WRITTEN = 3 };
    struct world *w = *state;
    for (int i = 0; i < DEPTH; i++) {
        add_link(w, i);
        if (i < WRITTEN) {
            char *node = mem_printf("q%d", i);
            struct backend *b = attach_ok(w, node, USE_RW);
            assert_int_equal(write_byte(w, b, i * 6 * KIB, 6 * KIB, (uint8_t)(i + 1)), 0);
            detach(w, b);
            free(node);
        }
    }
    struct backend *b = attach_ok(w, "q199", USE_RW);
    read_byte(w, b, 0, 6 * KIB, 1);
    read_byte(w, b, 6 * KIB, 6 * KIB, 2);
    read_byte(w, b, 12 * KIB, 6 * KIB, 3);
    assert_int_equal(write_byte(w, b, 5 * KIB, 2 * KIB, 4), 0);
    read_byte(w, b, 4 * KIB, KIB, 1);
    read_byte(w, b, 5 * KIB, 2 * KIB, 4);
    read_byte(w, b, 7 * KIB, 5 * KIB, 2);
    detach(w, b);
    for (int i = DEPTH; i > 0; i--) {
        char *args = mem_printf("{'node-name':'q%d'}", i - 1);
        qmp_ok(w, "blockdev-del", args);
        free(args);
    }
}

/* ---- Errors ---- */

/* The L1 table cannot be written: the write fails, and the cluster of the new L2 table is not used
 * for anything else, as the disk may have the entry all the same. */
static int64_t place_behind_l1_errors(struct world *w, const char *name, const char *rules)
{
    char add[512];
    image_ok(w, name, 8 << 20, "{}");
    snprintf(add, sizeof(add),
             "{'driver':'qcow2','node-name':'q','file':{'driver':'blkdebug','inject-error':[%s],"
             "'image':{'driver':'file','filename':'%s'}}}",
             rules, name);
    add_ok(w, add);
    struct backend *b = attach_ok(w, "q", USE_RW);
    assert_int_equal(write_byte(w, b, 0, CLUSTER, 1), -EIO);
    assert_int_equal(write_byte(w, b, 0, CLUSTER, 2), 0);
    read_byte(w, b, 0, CLUSTER, 2);
    int64_t place = place_of(w, b, 0);
    detach(w, b);
    del_ok(w, "q");
    return place;
}

/* The table is free again when its entry could be put back, and else not used again. */
static void test_a_failed_l1_update_leaks_at_worst(void **state)
{
    struct world *w = *state;
    static const char once[] = "{'event':'l1_update','iotype':'write','once':true}";
    static const char twice[] = "{'event':'l1_update','iotype':'write','once':true},"
                                "{'event':'l1_update','iotype':'write','once':true}";
    assert_int_equal(place_behind_l1_errors(w, "a", once), 5 * CLUSTER);
    assert_int_equal(place_behind_l1_errors(w, "b", twice), 6 * CLUSTER);
}

/* Lazy refcounts: dirty from the first allocation to the close; an image that was left dirty is
 * repaired before it is used. */
static void test_dirty_images_are_repaired(void **state)
{
    struct world *w = *state;
    static const uint8_t dirty[8] = { 0, 0, 0, 0, 0, 0, 0, 1 };
    static const uint8_t nothing[CLUSTER];
    image_ok(w, "a", 8 << 20, "{\"lazy_refcounts\": \"on\"}");
    add_ok(w, OPEN());
    struct backend *b = attach_ok(w, "q", USE_RW);
    assert_int_equal(write_byte(w, b, 0, 4 * CLUSTER, 1), 0);
    int64_t place = place_of(w, b, 0);
    detach(w, b);
    del_ok(w, "q");
    world_poke(w, "a", 72, dirty, sizeof(dirty));
    world_poke(w, "a", 2 * CLUSTER, nothing, sizeof(nothing)); /* Forgets all counts. */
    add_ok(w, OPEN());
    b = attach_ok(w, "q", USE_RW);
    assert_int_equal(write_byte(w, b, 1 << 20, CLUSTER, 2), 0);
    assert_true(place_of(w, b, 1 << 20) >= place + 4 * CLUSTER);
    read_byte(w, b, 0, 4 * CLUSTER, 1);
    detach(w, b);
    del_ok(w, "q");
}

static void test_images_that_cannot_be_made(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    assert_int_equal(make_image(w, "a", 1 << 20, "{\"cluster_size\": \"3k\"}", &err), -EINVAL);
    assert_string_equal(err.text, "Cluster size must be a power of two between 512 and 2048k");
    err = ERROR_INIT;
    assert_int_equal(make_image(w, "a", -1, "{}", &err), -EINVAL);
    assert_string_equal(err.text, "Image creation needs a size parameter");
    assert_null(host_sim_disk(w->host, "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refcounts_of_every_width),
        cmocka_unit_test(test_where_compressed_clusters_lie),
        cmocka_unit_test_setup_teardown(test_what_was_written_is_there_after_reopening, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_two_writes_into_one_new_cluster, setup, teardown),
        cmocka_unit_test_setup_teardown(test_freed_clusters_wait_for_a_flush, setup, teardown),
        cmocka_unit_test_setup_teardown(test_compressed_clusters_share_a_host_cluster, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_what_grows_is_zero, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_chain_of_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_failed_l1_update_leaks_at_worst, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dirty_images_are_repaired, setup, teardown),
        cmocka_unit_test_setup_teardown(test_images_that_cannot_be_made, setup, teardown),
    };
    return cmocka_run_group_tests_name("drivers/qcow2", tests, NULL, NULL);
}
