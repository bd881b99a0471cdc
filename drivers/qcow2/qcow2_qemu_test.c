/* SPDX-License-Identifier: MIT */
/* The images of qemu-img are read here, and qemu-img finds nothing wrong with ours.  Skipped where
 * the programs are not installed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/driver_test.h"

#include <unistd.h>

enum { KIB = 1024, SIZE = 8 << 20 };

static int setup(void **state)
{
    struct place *p = place_make();
    *state = p;
    return 0;
}

/* Runs a command in the directory; it must succeed. */
static void sh(const struct place *p, const char *command)
{
    char *line =
        mem_printf("cd %s && { %s; } >log 2>&1 </dev/null || { cat log; false; }", p->dir, command);
    if (system(line) != 0) {
        fail_msg("%s", command);
    }
    free(line);
}

static void open_image(struct place *p, const char *more)
{
    char *args = mem_printf("{'driver':'qcow2','node-name':'q','discard':'unmap',"
                            "'file':{'driver':'file','filename':'a'}%s}",
                            more);
    add_ok(&p->w, args);
    free(args);
}

/* The whole node equals the raw file. */
static void same_as_raw(struct place *p, const char *raw)
{
    char *name = mem_printf("%s/%s", p->dir, raw);
    FILE *f = fopen(name, "rb");
    unsigned char *want = mem_alloc(SIZE), *have = mem_alloc(SIZE);
    assert_non_null(f);
    assert_int_equal(fread(want, 1, SIZE, f), SIZE);
    fclose(f);
    struct backend *b = attach_ok(&p->w, "q", PERM_CONSISTENT_READ);
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, have, SIZE);
    assert_int_equal(call_run(&p->w, (struct call){ .fn = do_read, .backend = b, .buf = &buf }), 0);
    detach(&p->w, b);
    for (size_t i = 0; i < SIZE; i++) {
        if (want[i] != have[i]) {
            fail_msg("byte %zu is 0x%02x, not 0x%02x", i, have[i], want[i]);
        }
    }
    free(want);
    free(have);
    free(name);
}

/* The requests of a small random guest, the same for a seed, on all nodes given. */
static void play(struct place *p, uint32_t seed, int requests, struct backend *const *b)
{
    for (int i = 0; i < requests; i++) {
        seed = seed * 1664525 + 1013904223;
        int64_t offset = (int64_t)(seed >> 8) % (SIZE - 200 * KIB);
        seed = seed * 1664525 + 1013904223;
        int64_t bytes = 1 + (seed >> 8) % (128 * KIB);
        bool round = seed & 1 << 5;
        offset = round ? offset & ~(int64_t)(64 * KIB - 1) : offset;
        bytes = round ? 64 * KIB : bytes;
        for (int k = 0; b[k]; k++) {
            switch (seed >> 28) {
            case 0:
            case 1:
                assert_int_equal(zero_range(&p->w, b[k], offset, bytes, 0), 0);
                break;
            case 2:
                assert_int_equal(zero_range(&p->w, b[k], offset, bytes, IO_MAY_UNMAP), 0);
                break;
            case 3:
                assert_int_equal(flush(&p->w, b[k]), 0);
                break;
            default:
                assert_int_equal(write_byte(&p->w, b[k], offset, (size_t)bytes, (uint8_t)(i + 1)),
                                 0);
            }
        }
    }
}

/* ---- Theirs ---- */

static const char *const kinds[] = {
    "cluster_size=512", "cluster_size=2M",        "compat=0.10",       "refcount_bits=1",
    "refcount_bits=64", "preallocation=metadata", "lazy_refcounts=on", "compression_type=zlib",
};

static void test_their_images_are_read(void **state)
{
    if (!place_has("qemu-img") || !place_has("qemu-io")) {
        skip();
    }
    struct place *p = *state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        char *make = mem_printf("rm -f a raw; qemu-img create -q -f qcow2 -o %s a 8M && "
                                "qemu-io -c 'write -P 1 0 300k' -c 'write -P 2 1000k 1M' "
                                "-c 'write -z 100k 500k' -c 'discard 1M 256k' "
                                "-c 'write -P 3 8191k 1k' a && qemu-img convert -O raw a raw",
                                kinds[i]);
        sh(p, make);
        free(make);
        open_image(p, "");
        same_as_raw(p, "raw");
        del_ok(&p->w, "q");
        sh(p, "qemu-img check a");
    }
}

static void test_their_compressed_images_are_read_and_written(void **state)
{
    if (!place_has("qemu-img") || !place_has("qemu-io")) {
        skip();
    }
    struct place *p = *state;
    sh(p, "dd if=/dev/urandom of=noise bs=1k count=700 && truncate -s 8M noise && "
          "printf 'some text' | dd of=noise bs=1 seek=5000000 conv=notrunc && "
          "qemu-img convert -c -O qcow2 noise a && qemu-img convert -O raw a raw");
    open_image(p, "");
    same_as_raw(p, "raw");
    struct backend *b = attach_ok(&p->w, "q", USE_RW);
    assert_int_equal(write_byte(&p->w, b, 4900 * KIB, 10 * KIB, 5), 0);
    assert_int_equal(discard_range(&p->w, b, 0, 128 * KIB), 0);
    detach(&p->w, b);
    del_ok(&p->w, "q");
    sh(p, "qemu-img check a && qemu-io -c 'read -P 5 4900k 10k' a && "
          "qemu-io -c 'read -P 0 0 128k' a && qemu-io -c 'read -P 0 6M 1M' a");
}

/* Internal snapshots: what they share is copied before it is written. */
static void test_their_snapshots_stay_as_they_were(void **state)
{
    if (!place_has("qemu-img") || !place_has("qemu-io")) {
        skip();
    }
    struct place *p = *state;
    sh(p, "qemu-img create -q -f qcow2 a 8M && qemu-io -c 'write -P 1 0 1M' a && "
          "qemu-img snapshot -c s a");
    open_image(p, ",'overlap-check':'all'");
    struct backend *b = attach_ok(&p->w, "q", USE_RW);
    assert_int_equal(write_byte(&p->w, b, 10 * KIB, 100 * KIB, 2), 0);
    assert_int_equal(zero_range(&p->w, b, 512 * KIB, 64 * KIB, IO_MAY_UNMAP), 0);
    assert_int_equal(discard_range(&p->w, b, 640 * KIB, 64 * KIB), 0);
    read_byte(&p->w, b, 0, 10 * KIB, 1);
    read_byte(&p->w, b, 10 * KIB, 100 * KIB, 2);
    detach(&p->w, b);
    del_ok(&p->w, "q");
    sh(p, "qemu-img check a && qemu-img snapshot -a s a && qemu-img check a && "
          "qemu-io -c 'read -P 1 0 1M' a");
}

/* ---- Ours ---- */

static void do_image(struct call *c)
{
    json_t *options = json_loads(c->text, 0, NULL);
    c->ret =
        layer_make_image(c->w->sim, c->w->host, drivers_all, "qcow2", "a", SIZE, options, c->err);
    json_decref(options);
}

static void make_ours(struct place *p, const char *options)
{
    struct error err = ERROR_INIT;
    sh(p, "rm -f a raw");
    if (call_run(&p->w, (struct call){ .fn = do_image, .text = options, .err = &err }) < 0) {
        fail_msg("%s: %s", options, err.text);
    }
}

static void test_our_images_are_good(void **state)
{
    static const char *const options[] = {
        "{}",
        "{\"cluster_size\": \"512\", \"refcount_bits\": \"64\"}",
        "{\"cluster_size\": \"4k\", \"lazy_refcounts\": \"on\"}",
        "{\"cluster_size\": \"2M\", \"refcount_bits\": \"1\"}",
        "{\"compat\": \"0.10\"}",
        "{\"preallocation\": \"metadata\"}",
        "{\"preallocation\": \"full\", \"cluster_size\": \"8k\"}",
    };
    if (!place_has("qemu-img")) {
        skip();
    }
    struct place *p = *state;
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        make_ours(p, options[i]);
        sh(p, "qemu-img check a");
        world_file(&p->w, "raw", SIZE);
        open_image(p, ",'l2-cache-entry-size':512,'l2-cache-size':1024");
        add_ok(&p->w, "{'driver':'raw','node-name':'r','discard':'unmap',"
                      "'file':{'driver':'file','filename':'raw'}}");
        struct backend *b[3] = { attach_ok(&p->w, "q", USE_RW), attach_ok(&p->w, "r", USE_RW) };
        play(p, (uint32_t)i + 1, 120, b);
        detach(&p->w, b[0]);
        detach(&p->w, b[1]);
        del_ok(&p->w, "r");
        same_as_raw(p, "raw");
        del_ok(&p->w, "q");
        sh(p, "qemu-img check a && qemu-img compare -f qcow2 -F raw a raw");
    }
}

static void test_our_resized_images_are_good(void **state)
{
    if (!place_has("qemu-img") || !place_has("qemu-io")) {
        skip();
    }
    struct place *p = *state;
    struct error err = ERROR_INIT;
    make_ours(p, "{\"cluster_size\": \"512\"}");
    open_image(p, "");
    struct backend *b = attach_ok(&p->w, "q", USE_ALL);
    assert_int_equal(write_byte(&p->w, b, 0, 4 << 20, 1), 0);
    assert_int_equal(resize(&p->w, b, 64 << 20, PREALLOC_OFF, &err), 0);
    assert_int_equal(write_byte(&p->w, b, 60 << 20, 100 * KIB, 2), 0);
    assert_int_equal(resize(&p->w, b, 3 << 20, PREALLOC_OFF, &err), 0);
    assert_int_equal(resize(&p->w, b, 5 << 20, PREALLOC_METADATA, &err), 0);
    detach(&p->w, b);
    del_ok(&p->w, "q");
    sh(p, "qemu-img check a && qemu-io -c 'read -P 1 0 3M' a && qemu-io -c 'read -P 0 3M 2M' a");
}

static void test_our_compressed_clusters_are_good(void **state)
{
    if (!place_has("qemu-img") || !place_has("qemu-io")) {
        skip();
    }
    struct place *p = *state;
    make_ours(p, "{}");
    open_image(p, "");
    struct backend *b = attach_ok(&p->w, "q", USE_RW);
    struct iobuf buf = iobuf_fill(fill_stream(3), 256 * KIB); /* Does not get smaller. */
    struct call c = { .fn = do_write, .backend = b, .flags = IO_COMPRESSED, .buf = &buf };
    assert_int_equal(call_run(&p->w, c), 0);
    for (int i = 0; i < 30; i++) {
        buf = iobuf_fill(fill_byte((uint8_t)i), 128 * KIB);
        c.offset = (1 << 20) + i * 128 * KIB;
        assert_int_equal(call_run(&p->w, c), 0);
    }
    assert_int_equal(discard_range(&p->w, b, 1 << 20, 256 * KIB), 0);
    detach(&p->w, b);
    del_ok(&p->w, "q");
    sh(p, "qemu-img check a && qemu-io -c 'read -P 0 1M 256k' -c 'read -P 2 1280k 128k' "
          "-c 'read -P 29 4736k 128k' a && qemu-img convert -O raw a raw");
    open_image(p, "");
    same_as_raw(p, "raw");
    del_ok(&p->w, "q");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_their_images_are_read, setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_their_compressed_images_are_read_and_written, setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(test_their_snapshots_stay_as_they_were, setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(test_our_images_are_good, setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_our_resized_images_are_good, setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_our_compressed_clusters_are_good, setup,
                                        place_teardown),
    };
    return cmocka_run_group_tests_name("drivers/qcow2 with qemu-img", tests, NULL, NULL);
}
