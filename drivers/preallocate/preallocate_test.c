/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/driver_test.h"

/* A parent that may write beyond the end, as a format may: the test holds an edge of its own. */
struct writer {
    struct world *w;
    struct child *edge;
    struct perm_pair perm;
    int64_t offset;
    int64_t bytes;
    int ret;
};

static void describe_writer(const struct child *c, struct strbuf *out)
{
    (void)c;
    strbuf_puts(out, "the test");
}

static const struct child_parent writer_ops = { .describe = describe_writer };

static void writer_attach(struct call *c)
{
    struct writer *t = (struct writer *)(uintptr_t)c->text;
    c->ret = child_attach(layer_find_node(c->w->layer, "p"), "root", 0, NULL, &writer_ops, t,
                          t->perm, &t->edge, NULL);
}

static void writer_detach(struct call *c)
{
    child_detach(((struct writer *)(uintptr_t)c->text)->edge);
}

static void writer_write(struct call *c)
{
    struct writer *t = (struct writer *)(uintptr_t)c->text;
    struct iobuf buf = iobuf_fill(fill_byte(0x11), (size_t)c->bytes);
    c->ret = io_write(t->edge, c->offset, &buf, 0);
}

static void writer_zero(struct call *c)
{
    struct writer *t = (struct writer *)(uintptr_t)c->text;
    struct io_req r = { .op = IO_WRITE_ZEROES, .offset = c->offset, .bytes = c->bytes };
    c->ret = io_child(t->edge, &r);
}

static void writer_truncate(struct call *c)
{
    struct writer *t = (struct writer *)(uintptr_t)c->text;
    c->ret = io_truncate(t->edge, c->bytes, IO_EXACT, c->prealloc, NULL);
}

static int run(struct writer *t, void (*fn)(struct call *c), int64_t offset, int64_t bytes)
{
    return call_run(t->w, (struct call){ .fn = fn,
                                         .text = (const char *)t,
                                         .offset = offset,
                                         .bytes = bytes });
}

static int64_t length_of(struct world *w, const char *name)
{
    return io_length(layer_find_node(w->layer, name));
}

#define FILTER                                                                                    \
    "{'driver':'preallocate','node-name':'p','prealloc-size':1048576,'prealloc-align':65536,"     \
    "'file':{'driver':'file','node-name':'f','filename':'d'}}"

static void begin(struct world *w, struct writer *t)
{
    world_init(w);
    world_file(w, "d", 65536);
    add_ok(w, FILTER);
    *t = (struct writer){ .w = w, .perm = { .used = USE_ALL, .shared = PERM_CONSISTENT_READ } };
    assert_int_equal(run(t, writer_attach, 0, 0), 0);
}

static void end(struct world *w, struct writer *t)
{
    assert_int_equal(run(t, writer_detach, 0, 0), 0);
    world_fini(w);
}

static void the_file_grows_ahead_and_is_cut_back(void **state)
{
    (void)state;
    struct world w;
    struct writer t;
    begin(&w, &t);
    assert_int_equal(run(&t, writer_write, 0, 65536), 0);
    assert_int_equal(length_of(&w, "f"), 65536); /* Within the file: nothing happens. */
    assert_int_equal(run(&t, writer_write, 65536, 512), 0);
    assert_int_equal(length_of(&w, "p"), 66048);
    assert_int_equal(length_of(&w, "f"), 65536 * 18); /* 66048 + 1 MiB, in steps of 64 KiB */
    assert_int_equal(run(&t, writer_write, 66048, 1 << 20), 0);
    assert_int_equal(length_of(&w, "p"), 66048 + (1 << 20));
    assert_int_equal(length_of(&w, "f"), 65536 * 18);
    assert_int_equal(run(&t, writer_zero, 2 << 20, 65536), 0);
    assert_int_equal(length_of(&w, "p"), (2 << 20) + 65536);
    assert_int_equal(length_of(&w, "f"), (3 << 20) + 65536);
    assert_int_equal(run(&t, writer_detach, 0, 0), 0);
    assert_int_equal(length_of(&w, "f"), (2 << 20) + 65536);
    assert_int_equal(length_of(&w, "p"), (2 << 20) + 65536);
    assert_int_equal(run(&t, writer_attach, 0, 0), 0);
    end(&w, &t);
}

/* Two writers at once: the second one's data lies where the first one's zeroes are on their way. */
static void zeroes_never_cover_data(void **state)
{
    (void)state;
    struct world w;
    struct writer t;
    begin(&w, &t);
    struct call calls[4];
    for (int i = 0; i < 4; i++) {
        calls[i] = (struct call){ .fn = writer_write,
                                  .text = (const char *)&t,
                                  .offset = 65536 + i * 4096,
                                  .bytes = 4096 };
        call_start(&w, &calls[i]);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(call_wait(&calls[i]), 0);
    }
    unsigned char bytes[16384];
    assert_int_equal(disk_peek(host_sim_disk(w.host, "d"), 65536, bytes, sizeof(bytes)), 0);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        assert_int_equal(bytes[i], 0x11);
    }
    end(&w, &t);
}

static void truncate_takes_what_is_there(void **state)
{
    (void)state;
    struct world w;
    struct writer t;
    begin(&w, &t);
    assert_int_equal(run(&t, writer_write, 65536, 65536), 0);
    assert_int_equal(length_of(&w, "f"), 18 * 65536);
    struct call c = { .fn = writer_truncate, .text = (const char *)&t, .bytes = 4 * 65536,
                      .prealloc = PREALLOC_FALLOC };
    assert_int_equal(call_run(&w, c), 0);
    assert_int_equal(length_of(&w, "p"), 4 * 65536);
    assert_int_equal(length_of(&w, "f"), 18 * 65536);
    c.prealloc = PREALLOC_OFF;
    c.bytes = 5 * 65536;
    assert_int_equal(call_run(&w, c), 0);
    assert_int_equal(length_of(&w, "p"), 5 * 65536);
    assert_int_equal(length_of(&w, "f"), 5 * 65536);
    c.bytes = 65536;
    assert_int_equal(call_run(&w, c), 0);
    assert_int_equal(length_of(&w, "f"), 65536);
    assert_int_equal(run(&t, writer_write, 65536, 65536), 0);
    assert_int_equal(length_of(&w, "f"), 18 * 65536);
    end(&w, &t);
}

/* Somebody who writes but may not resize leaves the file as it is, and shares it. */
static void passive_without_resize(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_file(&w, "d", 65536);
    add_ok(&w, FILTER);
    struct backend *p = attach_ok(&w, "p", USE_RW);
    struct backend *f = attach_ok(&w, "f", USE_RW);
    assert_int_equal(write_byte(&w, p, 61440, 4096, 5), 0);
    assert_int_equal(read_byte(&w, f, 61440, 4096, 5), 0);
    assert_int_equal(length_of(&w, "f"), 65536);
    detach(&w, p);
    struct error err = ERROR_INIT;
    assert_null(attach(&w, "p", USE_ALL, &err));
    assert_non_null(strstr(err.text, "both required by node 'p' (uses node 'f' as 'file' child)"));
    detach(&w, f);
    world_fini(&w);
}

static void options_are_checked(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    add_fails(&w, "{'driver':'preallocate','node-name':'p','prealloc-align':100,"
                  "'file':{'driver':'null-co'}}",
              "prealloc-align parameter of preallocate filter is not aligned to 512");
    add_fails(&w, "{'driver':'preallocate','node-name':'p','prealloc-size':-1,"
                  "'file':{'driver':'null-co'}}",
              "Parameter 'prealloc-size' expects a non-negative number below 2^64");
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_grows_ahead_and_is_cut_back),
        cmocka_unit_test(zeroes_never_cover_data),
        cmocka_unit_test(truncate_takes_what_is_there),
        cmocka_unit_test(passive_without_resize),
        cmocka_unit_test(options_are_checked),
    };
    return cmocka_run_group_tests_name("drivers/preallocate", tests, NULL, NULL);
}
