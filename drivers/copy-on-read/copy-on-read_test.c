/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/driver_test.h"
#include "model/open.h"

/* A parent that reads and prefetches past a backend. */
struct reader {
    struct world *w;
    struct child *edge;
    const char *node;
};

static void describe_reader(const struct child *c, struct strbuf *out)
{
    (void)c;
    strbuf_puts(out, "the test");
}

static const struct child_parent reader_ops = { .describe = describe_reader };

static void reader_attach(struct call *c)
{
    struct reader *t = (struct reader *)(uintptr_t)c->text;
    struct perm_pair perm = { .used = PERM_CONSISTENT_READ, .shared = PERM_ALL };
    c->ret = child_attach(layer_find_node(c->w->layer, t->node), "root", 0, NULL, &reader_ops, t,
                          perm, &t->edge, NULL);
}

static void reader_detach(struct call *c)
{
    child_detach(((struct reader *)(uintptr_t)c->text)->edge);
}

static void reader_prefetch(struct call *c)
{
    struct reader *t = (struct reader *)(uintptr_t)c->text;
    struct io_req r = { .op = IO_READ, .flags = IO_PREFETCH | c->flags, .offset = c->offset,
                        .bytes = c->bytes };
    c->ret = io_child(t->edge, &r);
}

static int run(struct reader *t, void (*fn)(struct call *c), uint32_t flags, int64_t offset,
               int64_t bytes)
{
    return call_run(t->w, (struct call){ .fn = fn,
                                         .text = (const char *)t,
                                         .flags = flags,
                                         .offset = offset,
                                         .bytes = bytes });
}

static void do_image(struct call *c)
{
    c->ret = image_create(c->w->layer, "qcow2", c->text, c->bytes, NULL, c->err);
}

/* base: 1 MiB of 0x42; top.qcow2 over it. */
static void init(struct world *w)
{
    world_init(w);
    world_file(w, "base", 1 << 20);
    unsigned char block[65536];
    memset(block, 0x42, sizeof(block));
    for (uint64_t at = 0; at < 1 << 20; at += sizeof(block)) {
        assert_int_equal(disk_poke(host_sim_disk(w->host, "base"), at, block, sizeof(block)), 0);
    }
    struct error err = ERROR_INIT;
    struct call c = { .fn = do_image, .text = "top.qcow2", .bytes = 1 << 20, .err = &err };
    call_start(w, &c);
    if (call_wait(&c) < 0) {
        fail_msg("%s", err.text);
    }
    add_ok(w, "{'driver':'qcow2','node-name':'top','file':{'driver':'file',"
              "'filename':'top.qcow2'},'backing':{'driver':'file','node-name':'base',"
              "'filename':'base'}}");
}

static void do_allocated(struct call *c)
{
    struct node *n = layer_find_node(c->w->layer, "top");
    int64_t sum = 0, bytes;
    for (int64_t at = 0; at < n->length; at += bytes) {
        int ret = io_is_allocated(n, at, n->length - at, &bytes);
        sum += ret == 1 ? bytes : 0;
    }
    c->offset = sum;
}

/* Bytes that the top layer has. */
static int64_t allocated(struct world *w)
{
    struct call c = { .fn = do_allocated };
    call_start(w, &c);
    call_wait(&c);
    return c.offset;
}

static void reads_copy_whole_clusters(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    add_ok(&w, "{'driver':'copy-on-read','node-name':'cor','file':'top'}");
    struct backend *b = attach_ok(&w, "cor", PERM_CONSISTENT_READ);
    assert_int_equal(read_byte(&w, b, 1000, 512, 0x42), 0);
    assert_int_equal(allocated(&w), 65536);
    assert_int_equal(read_byte(&w, b, 65000, 1000, 0x42), 0);
    assert_int_equal(allocated(&w), 131072);
    assert_int_equal(read_byte(&w, b, 0, 1 << 20, 0x42), 0);
    assert_int_equal(allocated(&w), 1 << 20);
    detach(&w, b);
    world_fini(&w);
}

/* A prefetch copies and gives no data; through a node that does not copy it does nothing. */
static void prefetch_copies_without_data(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    add_ok(&w, "{'driver':'copy-on-read','node-name':'cor','file':'top'}");
    struct reader t = { .w = &w, .node = "cor" };
    assert_int_equal(run(&t, reader_attach, 0, 0, 0), 0);
    assert_int_equal(run(&t, reader_prefetch, 0, 100, 100), 0);
    assert_int_equal(allocated(&w), 65536);
    assert_int_equal(run(&t, reader_prefetch, 0, 0, 300000), 0);
    assert_int_equal(allocated(&w), 5 * 65536);
    assert_int_equal(run(&t, reader_detach, 0, 0, 0), 0);
    t.node = "top";
    assert_int_equal(run(&t, reader_attach, 0, 0, 0), 0);
    assert_int_equal(run(&t, reader_prefetch, 0, 0, 1 << 20), 0);
    assert_int_equal(allocated(&w), 5 * 65536);
    assert_int_equal(run(&t, reader_prefetch, IO_COPY_ON_READ, 0, 1 << 20), 0);
    assert_int_equal(allocated(&w), 1 << 20);
    assert_int_equal(run(&t, reader_detach, 0, 0, 0), 0);
    struct backend *b = attach_ok(&w, "top", PERM_CONSISTENT_READ);
    assert_int_equal(read_byte(&w, b, 0, 1 << 20, 0x42), 0);
    detach(&w, b);
    world_fini(&w);
}

/* Behind the end of the layer that is bottom nothing is found to copy; who prefetches there wants
 * the zeroes nevertheless. */
static void prefetch_minds_no_bottom(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    struct error err = ERROR_INIT;
    struct call c = { .fn = do_image, .text = "over.qcow2", .bytes = 2 << 20, .err = &err };
    call_start(&w, &c);
    assert_int_equal(call_wait(&c), 0);
    del_ok(&w, "top");
    add_ok(&w, "{'driver':'qcow2','node-name':'top','file':{'driver':'file','filename':"
               "'over.qcow2'},'backing':{'driver':'qcow2','node-name':'mid','file':{'driver':"
               "'file','filename':'top.qcow2'},'backing':null}}");
    add_ok(&w, "{'driver':'copy-on-read','node-name':'cor','file':'top','bottom':'mid'}");
    struct backend *b = attach_ok(&w, "cor", PERM_CONSISTENT_READ);
    assert_int_equal(read_byte(&w, b, 1 << 20, 65536, 0), 0);
    assert_int_equal(allocated(&w), 0);
    detach(&w, b);
    struct reader t = { .w = &w, .node = "cor" };
    assert_int_equal(run(&t, reader_attach, 0, 0, 0), 0);
    assert_int_equal(run(&t, reader_prefetch, 0, 1 << 20, 65536), 0);
    assert_int_equal(allocated(&w), 65536);
    assert_int_equal(run(&t, reader_detach, 0, 0, 0), 0);
    world_fini(&w);
}

/* node->copy_on_read does the same for all readers of the node; a filter that may not write below
 * it leaves things as they are. */
static void a_node_can_do_it_itself(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    add_ok(&w, "{'driver':'blkdebug','node-name':'b','image':'top'}");
    layer_find_node(w.layer, "b")->copy_on_read = true;
    struct backend *b = attach_ok(&w, "b", PERM_CONSISTENT_READ);
    assert_int_equal(read_byte(&w, b, 0, 4096, 0x42), 0);
    assert_int_equal(allocated(&w), 0);
    detach(&w, b);
    layer_find_node(w.layer, "top")->copy_on_read = true;
    b = attach_ok(&w, "top", PERM_CONSISTENT_READ);
    assert_int_equal(read_byte(&w, b, 0, 4096, 0x42), 0);
    assert_int_equal(allocated(&w), 65536);
    detach(&w, b);
    world_fini(&w);
}

static void bottom_is_found_and_frozen(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    add_fails(&w, "{'driver':'copy-on-read','node-name':'c','file':'top','bottom':'x'}",
              "Bottom node 'x' not found");
    add_ok(&w, "{'driver':'null-co','node-name':'other'}");
    add_fails(&w, "{'driver':'copy-on-read','node-name':'c','file':'top','bottom':'other'}",
              "Bottom node 'other' is not in the chain of 'c'");
    add_ok(&w, "{'driver':'copy-on-read','node-name':'c','file':'top','bottom':'base'}");
    assert_true(node_child(layer_find_node(w.layer, "top"), "backing")->frozen);
    del_ok(&w, "c");
    assert_false(node_child(layer_find_node(w.layer, "top"), "backing")->frozen);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_copy_whole_clusters),
        cmocka_unit_test(prefetch_copies_without_data),
        cmocka_unit_test(prefetch_minds_no_bottom),
        cmocka_unit_test(a_node_can_do_it_itself),
        cmocka_unit_test(bottom_is_found_and_frozen),
    };
    return cmocka_run_group_tests_name("drivers/copy-on-read", tests, NULL, NULL);
}
