/* SPDX-License-Identifier: MIT */
/* The I/O path over a driver that writes down what it is asked.
 *
 * "mem" is a protocol driver of 64 KiB of memory.  It notes each request as "read 0+512", lets the
 * test set its limits, fails or delays what the test names, and is the judge of what the path did:
 * alignment, order, splitting, fallbacks.
 */
#include "base/mem.h"
#include "model/io_private.h"
#include "model/layer_state.h"
#include "sim/disk.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { MEM_BYTES = 65536 };

struct mem {
    uint8_t *data;
    int64_t length;
    struct strbuf log;
    struct io_limits limits;
    int64_t delay_ns;
    int fail[IO_OPS]; /* -errno for all requests of an op. */
    bool no_zero;
    int in_driver, in_driver_max;
};

static int enter(struct node *n, struct io_req *req)
{
    struct mem *m = node_state(n);
    strbuf_printf(&m->log, "%s%s %lld+%lld%s%s", m->log.len ? ", " : "", io_op_name(req->op),
                  (long long)req->offset, (long long)req->bytes, req->flags & IO_FUA ? " fua" : "",
                  req->flags & IO_MAY_UNMAP ? " unmap" : "");
    m->in_driver++;
    m->in_driver_max = MAX(m->in_driver_max, m->in_driver);
    if (m->delay_ns) {
        co_sleep(n->sim, m->delay_ns);
    }
    m->in_driver--;
    return m->fail[req->op];
}

static int mem_read(struct node *n, struct io_req *req)
{
    struct mem *m = node_state(n);
    int ret = enter(n, req);
    if (ret == 0) {
        assert_true(req->offset + req->bytes <= MEM_BYTES);
        iobuf_copy_in(req->buf, 0, m->data + req->offset, (size_t)req->bytes);
    }
    return ret;
}

static int mem_write(struct node *n, struct io_req *req)
{
    struct mem *m = node_state(n);
    int ret = enter(n, req);
    if (ret == 0) {
        assert_true(req->offset + req->bytes <= MEM_BYTES);
        iobuf_copy_out(req->buf, 0, m->data + req->offset, (size_t)req->bytes);
    }
    return ret;
}

static int mem_zero(struct node *n, struct io_req *req)
{
    struct mem *m = node_state(n);
    if (m->no_zero) {
        return -ENOTSUP;
    }
    int ret = enter(n, req);
    if (ret == 0) {
        memset(m->data + req->offset, 0, (size_t)req->bytes);
    }
    return ret;
}

static int mem_discard(struct node *n, struct io_req *req)
{
    return enter(n, req);
}

static int mem_sync(struct node *n)
{
    struct io_req r = { .op = IO_FLUSH };
    return enter(n, &r);
}

static int mem_truncate(struct node *n, struct io_req *req, struct error *err)
{
    struct mem *m = node_state(n);
    int ret = enter(n, req);
    if (ret < 0) {
        return error_set_errno(err, ret, "mem cannot grow");
    }
    m->length = req->offset;
    return 0;
}

static int mem_status(struct node *n, struct io_req *req, struct io_extent *out)
{
    struct mem *m = node_state(n);
    bool low = req->offset < 4096;
    *out = (struct io_extent){ .flags = low ? STATUS_DATA | STATUS_OFFSET_VALID : STATUS_ZERO,
                               .bytes = low ? MIN(req->bytes, 4096 - req->offset) : req->bytes,
                               .map = req->offset,
                               .file = n };
    return m->fail[IO_STATUS];
}

static int mem_open(struct node *n, const struct opts *opts, struct error *err)
{
    (void)opts;
    (void)err;
    struct mem *m = node_state(n);
    m->data = mem_zalloc(MEM_BYTES);
    m->length = MEM_BYTES;
    m->limits.request_alignment = 1;
    return 0;
}

static void mem_close(struct node *n)
{
    struct mem *m = node_state(n);
    free(m->data);
    strbuf_free(&m->log);
}

static void mem_limits(const struct node *n, struct io_limits *limits)
{
    const struct mem *m = node_state(n);
    *limits = m->limits;
}

static int64_t mem_length(struct node *n)
{
    const struct mem *m = node_state(n);
    return m->length;
}

static const struct driver_io mem_io = { .read = mem_read,
                                         .write = mem_write,
                                         .write_zeroes = mem_zero,
                                         .discard = mem_discard,
                                         .sync = mem_sync,
                                         .truncate = mem_truncate,
                                         .block_status = mem_status };
static const struct blk_driver mem_driver = { .name = "mem",
                                              .traits = DRV_PROTOCOL,
                                              .state_size = sizeof(struct mem),
                                              .open = mem_open,
                                              .close = mem_close,
                                              .limits = mem_limits,
                                              .length = mem_length,
                                              .io = &mem_io };

/* A filter without a function of its own. */
static const struct child_desc thru_children[] = {
    { "file", ROLE_FILTERED | ROLE_PRIMARY, true }, { .name = NULL }
};

static int thru_open(struct node *n, const struct opts *opts, struct error *err)
{
    struct child *c;
    return node_open_child(n, opts, &thru_children[0], &c, err);
}

static const struct blk_driver thru_driver = { .name = "thru",
                                               .traits = DRV_FILTER,
                                               .children = thru_children,
                                               .open = thru_open };
static const struct blk_driver *const drivers[] = { &mem_driver, &thru_driver, NULL };

struct bench {
    struct sim *sim;
    struct layer *layer;
    struct node *node;
    struct mem *mem;
    struct backend *blk;
    const char *top;   /* Options of the node under test. */
    void (*body)(struct bench *b);
    int running;
};

static void bench_main(void *opaque)
{
    struct bench *b = opaque;
    struct error err = ERROR_INIT;
    json_t *mem = json_pack("{s:s, s:s, s:s}", "driver", "mem", "node-name", "m", "discard",
                            "unmap");
    assert_int_equal(node_open(b->layer, mem, NULL, 0, &b->node, &err), 0);
    b->node->monitor_owned = true;
    b->mem = node_state(b->node);
    json_decref(mem);
    struct node *top = b->node;
    if (b->top) {
        json_t *options = json_loads(b->top, 0, NULL);
        assert_int_equal(node_open(b->layer, options, NULL, 0, &top, &err), 0);
        top->monitor_owned = true;
        json_decref(options);
    }
    b->blk = backend_create(b->layer, NULL, (struct perm_pair){ PERM_ALL, PERM_ALL });
    assert_int_equal(backend_insert(b->blk, top, &err), 0);
    b->body(b);
    layer_destroy(b->layer);
}

static void run_body(const char *top, void (*body)(struct bench *b))
{
    struct sim_config cfg = { .policy = CHOICE_FIFO };
    struct bench b = { .sim = sim_create(&cfg), .top = top, .body = body };
    b.layer = layer_create(b.sim, NULL, drivers);
    co_create(b.sim, "test", 0, bench_main, &b);
    assert_int_equal(sim_run(b.sim, NULL, SIM_FOREVER, 0), SIM_IDLE);
    assert_int_equal(b.sim->sched.live, 0);
    sim_destroy(b.sim);
}

/* The log since the last call. */
static void expect_log(struct bench *b, const char *want)
{
    assert_string_equal(strbuf_str(&b->mem->log), want);
    strbuf_free(&b->mem->log);
}

static void set_limits(struct bench *b, struct io_limits limits)
{
    b->mem->limits = limits;
    node_refresh_limits(b->node);
}

static int write_byte(struct bench *b, int64_t offset, size_t len, uint8_t byte, uint32_t flags)
{
    struct iobuf buf = iobuf_fill(fill_byte(byte), len);
    return backend_write(b->blk, offset, &buf, flags);
}

static int read_is(struct bench *b, int64_t offset, size_t len, uint8_t byte)
{
    uint8_t *got = mem_alloc(len);
    memset(got, 0x55, len);
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, got, len);
    int ret = backend_read(b->blk, offset, &buf, 0);
    if (ret == 0) {
        assert_int_equal(fill_compare(fill_byte(byte), got, len), len);
    }
    free(got);
    return ret;
}

static void padding(struct bench *b)
{
    set_limits(b, (struct io_limits){ .request_alignment = 512 });
    assert_int_equal(write_byte(b, 0, 2048, 0x11, 0), 0);
    expect_log(b, "write 0+2048");
    /* Inside one sector: read it, write it. */
    assert_int_equal(write_byte(b, 100, 10, 0x22, 0), 0);
    expect_log(b, "read 0+512, write 0+512");
    /* Both ends: two reads, one write. */
    assert_int_equal(write_byte(b, 500, 1000, 0x33, 0), 0);
    expect_log(b, "read 0+512, read 1024+512, write 0+1536");
    /* Only the tail, only the head. */
    assert_int_equal(write_byte(b, 512, 600, 0x44, 0), 0);
    expect_log(b, "read 1024+512, write 512+1024");
    assert_int_equal(write_byte(b, 600, 424, 0x55, 0), 0);
    expect_log(b, "read 512+512, write 512+512");
    assert_int_equal(read_is(b, 100, 10, 0x22), 0);
    expect_log(b, "read 0+512");
    assert_int_equal(read_is(b, 600, 424, 0x55), 0);
    assert_int_equal(read_is(b, 1024, 88, 0x44), 0);
    assert_int_equal(read_is(b, 1112, 388, 0x33), 0);
    assert_int_equal(read_is(b, 1500, 548, 0x11), 0);
    strbuf_free(&b->mem->log);
    /* A read error in the middle of it leaves the data alone. */
    b->mem->fail[IO_READ] = -EIO;
    assert_int_equal(write_byte(b, 100, 10, 0x66, 0), -EIO);
    assert_int_equal(write_byte(b, 500, 2000, 0x66, 0), -EIO);
    b->mem->fail[IO_READ] = 0;
    assert_int_equal(read_is(b, 100, 10, 0x22), 0);
}

/* What a disk has answered with its blocks is written where it does not fit the alignment. */
static void padding_of_blocks(struct bench *b)
{
    enum { BYTES = 2 * DISK_PAGE };
    struct sim *s = b->node->sim;
    struct disk_config cfg = DISK_CONFIG_INIT;
    struct iobuf_blocks room;
    struct iovec iov;
    struct disk *d;
    uint8_t memory[BYTES], data[BYTES], have[BYTES];
    cfg.size = BYTES;
    fill_bytes(fill_stream(3), data, BYTES);
    memset(memory, 0xee, BYTES);
    assert_int_equal(disk_create(s, "d", &cfg, &d, NULL), 0);
    assert_int_equal(disk_poke(d, 0, data, BYTES), 0);
    struct iobuf buf = iobuf_mem(&iov, memory, BYTES);
    buf.symbolic = true;
    iobuf_take_blocks(&buf, &room);
    assert_int_equal(disk_read(d, 0, &buf, 0), 0);
    assert_true(iobuf_has_blocks(&buf));
    set_limits(b, (struct io_limits){ .request_alignment = 512 });
    assert_int_equal(backend_write(b->blk, 100, &buf, 0), 0);
    iobuf_blocks_drop(&room);
    buf = iobuf_mem(&iov, have, BYTES);
    assert_int_equal(backend_read(b->blk, 100, &buf, 0), 0);
    assert_memory_equal(have, data, BYTES);
    disk_destroy(d);
}

static void test_unaligned_requests_are_padded(void **state)
{
    (void)state;
    run_body(NULL, padding);
    run_body(NULL, padding_of_blocks);
}

static void splitting(struct bench *b)
{
    set_limits(b, (struct io_limits){ .request_alignment = 512, .max_transfer = 1024 });
    assert_int_equal(write_byte(b, 0, 2560, 0x11, IO_FUA), 0);
    expect_log(b, "write 0+1024, write 1024+1024, write 2048+512, flush 0+0");
    assert_int_equal(read_is(b, 0, 2560, 0x11), 0);
    expect_log(b, "read 0+1024, read 1024+1024, read 2048+512");
    set_limits(b, (struct io_limits){ .request_alignment = 512,
                                      .max_transfer = 1024,
                                      .write_flags = IO_FUA });
    assert_int_equal(write_byte(b, 0, 2048, 0x11, IO_FUA), 0);
    expect_log(b, "write 0+1024 fua, write 1024+1024 fua");
    b->mem->fail[IO_WRITE] = -ENOSPC;
    assert_int_equal(write_byte(b, 0, 2048, 0x11, 0), -ENOSPC);
    expect_log(b, "write 0+1024");
    b->mem->fail[IO_WRITE] = 0;
    b->mem->fail[IO_READ] = -EIO;
    assert_int_equal(read_is(b, 0, 2560, 0x11), -EIO);
}

static void test_long_requests_are_split(void **state)
{
    (void)state;
    run_body(NULL, splitting);
}

static void zeroing(struct bench *b)
{
    set_limits(b, (struct io_limits){ .request_alignment = 512,
                                      .pwrite_zeroes_alignment = 4096,
                                      .max_pwrite_zeroes = 8192,
                                      .zero_flags = IO_MAY_UNMAP });
    assert_int_equal(write_byte(b, 0, 32768, 0x77, 0), 0);
    strbuf_free(&b->mem->log);
    assert_int_equal(backend_write_zeroes(b->blk, 512, 20480, IO_MAY_UNMAP), 0);
    expect_log(b, "write-zeroes 512+3584 unmap, write-zeroes 4096+8192 unmap, write-zeroes "
                  "12288+8192 unmap, write-zeroes 20480+512 unmap");
    assert_int_equal(read_is(b, 512, 20480, 0), 0);
    strbuf_free(&b->mem->log);
    /* Ends inside sectors are read, changed and written. */
    assert_int_equal(backend_write_zeroes(b->blk, 24000, 2000, 0), 0);
    expect_log(b, "read 23552+512, write 23552+512, write-zeroes 24064+512, write-zeroes "
                  "24576+1024, read 25600+512, write 25600+512");
    assert_int_equal(read_is(b, 24000, 2000, 0), 0);
    assert_int_equal(read_is(b, 23000, 1000, 0x77), 0);
    assert_int_equal(read_is(b, 26000, 1000, 0x77), 0);
    strbuf_free(&b->mem->log);
    /* What the driver cannot do is written, unless the caller wants no fallback. */
    b->mem->no_zero = true;
    assert_int_equal(backend_write_zeroes(b->blk, 4096, 512, IO_FUA), 0);
    expect_log(b, "write 4096+512, flush 0+0");
    assert_int_equal(backend_write_zeroes(b->blk, 4096, 512, IO_NO_FALLBACK), -ENOTSUP);
    assert_int_equal(backend_write_zeroes(b->blk, 4100, 8, IO_NO_FALLBACK), -ENOTSUP);
    expect_log(b, "");
    set_limits(b, (struct io_limits){ .request_alignment = 512, .max_transfer = 1024 });
    assert_int_equal(backend_write_zeroes(b->blk, 0, 2048, 0), 0);
    expect_log(b, "write 0+1024, write 1024+1024");
    b->mem->fail[IO_WRITE] = -EIO;
    assert_int_equal(backend_write_zeroes(b->blk, 0, 2048, 0), -EIO);
}

static void test_zeroes_are_cut_to_fit_and_fall_back_to_writing(void **state)
{
    (void)state;
    run_body(NULL, zeroing);
}

static void detecting(struct bench *b)
{
    assert_int_equal(write_byte(b, 0, 4096, 0, 0), 0);
    expect_log(b, "write-zeroes 0+4096");
    assert_int_equal(write_byte(b, 0, 4096, 1, 0), 0);
    expect_log(b, "write 0+4096");
}

static void test_detect_zeroes_turns_writes_into_zeroing(void **state)
{
    (void)state;
    run_body("{\"driver\":\"thru\",\"node-name\":\"t\",\"file\":\"m\",\"detect-zeroes\":\"on\"}",
             detecting);
}

static void discarding(struct bench *b)
{
    set_limits(b, (struct io_limits){ .request_alignment = 512,
                                      .pdiscard_alignment = 4096,
                                      .max_pdiscard = 8192 });
    assert_int_equal(backend_discard(b->blk, 100, 16384), 0);
    expect_log(b, "discard 512+3584, discard 4096+8192, discard 12288+4096");
    assert_int_equal(backend_discard(b->blk, 100, 100), 0); /* No whole sector in it. */
    expect_log(b, "");
    b->mem->fail[IO_DISCARD] = -ENOTSUP;
    assert_int_equal(backend_discard(b->blk, 0, 4096), 0);
    b->mem->fail[IO_DISCARD] = -EIO;
    assert_int_equal(backend_discard(b->blk, 0, 4096), -EIO);
    b->node->flags.unmap = false;
    assert_int_equal(backend_discard(b->blk, 0, 4096), 0);
}

static void test_discard_is_a_hint(void **state)
{
    (void)state;
    run_body(NULL, discarding);
}

static void flushing(struct bench *b)
{
    assert_int_equal(backend_flush(b->blk), 0);
    expect_log(b, ""); /* Nothing was written. */
    assert_int_equal(write_byte(b, 0, 512, 1, 0), 0);
    assert_int_equal(backend_flush(b->blk), 0);
    assert_int_equal(backend_flush(b->blk), 0);
    expect_log(b, "write 0+512, flush 0+0");
    assert_int_equal(write_byte(b, 0, 512, 1, 0), 0);
    b->mem->fail[IO_FLUSH] = -EIO;
    assert_int_equal(backend_flush(b->blk), -EIO);
    b->mem->fail[IO_FLUSH] = 0;
    assert_int_equal(backend_flush(b->blk), 0); /* It failed, so it is tried again. */
    expect_log(b, "write 0+512, flush 0+0, flush 0+0");
    backend_set_writeback(b->blk, false);
    assert_int_equal(write_byte(b, 0, 512, 1, 0), 0);
    expect_log(b, "write 0+512, flush 0+0");
}

static void test_flushes_go_to_the_disk_once_a_generation(void **state)
{
    (void)state;
    run_body(NULL, flushing);
}

static void flush_through(struct bench *b)
{
    assert_int_equal(write_byte(b, 0, 512, 1, 0), 0);
    assert_int_equal(backend_flush(b->blk), 0);
    expect_log(b, "write 0+512, flush 0+0");
    b->mem->fail[IO_FLUSH] = -EIO;
    assert_int_equal(write_byte(b, 0, 512, 1, IO_FUA), -EIO);
    b->mem->fail[IO_FLUSH] = 0;
}

static void test_a_flush_reaches_the_child(void **state)
{
    (void)state;
    run_body("{\"driver\":\"thru\",\"node-name\":\"t\",\"file\":\"m\"}", flush_through);
}

struct part {
    struct bench *b;
    int64_t offset;
    size_t len;
    uint8_t byte;
    int ret;
};

static void write_part_co(void *opaque)
{
    struct part *p = opaque;
    p->ret = write_byte(p->b, p->offset, p->len, p->byte, 0);
    p->b->running--;
}

static void overlap(struct bench *b)
{
    set_limits(b, (struct io_limits){ .request_alignment = 4096 });
    b->mem->delay_ns = 1000;
    struct part p[8];
    for (int i = 0; i < 8; i++) {
        p[i] = (struct part){ b, i * 512, 512, (uint8_t)(0x10 + i), -1 };
        b->running++;
        co_create(b->sim, "writer", 0, write_part_co, &p[i]);
    }
    struct part far = { b, 8192, 4096, 0x99, -1 };
    b->running++;
    co_create(b->sim, "far writer", 0, write_part_co, &far);
    while (b->running) {
        co_sleep(b->sim, 100);
    }
    /* One read-modify-write at a time, but the aligned write beside them passed freely. */
    assert_int_equal(b->mem->in_driver_max, 2);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(p[i].ret, 0);
        assert_int_equal(read_is(b, i * 512, 512, (uint8_t)(0x10 + i)), 0);
    }
    assert_int_equal(far.ret, 0);
}

static void test_no_update_is_lost_when_small_writes_share_a_block(void **state)
{
    (void)state;
    run_body(NULL, overlap);
}

static void serialising(struct bench *b)
{
    b->mem->delay_ns = 1000;
    struct part p = { b, 0, 4096, 0x10, -1 };
    b->running = 1;
    co_create(b->sim, "writer", 0, write_part_co, &p);
    co_pass(b->sim);
    assert_int_equal(write_byte(b, 1024, 512, 0x20, IO_SERIALISING), 0);
    assert_int_equal(b->running, 0); /* It waited. */
    assert_int_equal(read_is(b, 1024, 512, 0x20), 0);
}

static void test_a_serialising_write_waits_for_what_it_overlaps(void **state)
{
    (void)state;
    run_body(NULL, serialising);
}

static void ends(struct bench *b)
{
    /* A length that is no multiple of the alignment: what is beyond it reads as zeroes. */
    b->mem->length = 5120;
    memset(b->mem->data, 0x31, MEM_BYTES);
    assert_int_equal(io_refresh_length(b->node), 0);
    set_limits(b, (struct io_limits){ .request_alignment = 4096 });
    assert_int_equal(read_is(b, 4096, 1024, 0x31), 0);
    expect_log(b, "read 4096+4096");
    assert_int_equal(read_is(b, 5120, 1, 0), -EIO);
    assert_int_equal(write_byte(b, 5000, 200, 1, 0), -EIO);
    assert_int_equal(backend_discard(b->blk, -1, 10), -EIO);
    assert_int_equal(backend_discard(b->blk, 0, -10), -EIO);
    expect_log(b, "");
    const struct acct *a = backend_acct(b->blk);
    assert_int_equal(a->invalid[ACCT_READ], 1);
    assert_int_equal(a->invalid[ACCT_WRITE], 1);
    assert_int_equal(a->bytes[ACCT_READ], 1024);
    assert_int_equal(read_is(b, 0, 0, 0), 0); /* Nothing is nothing. */
    expect_log(b, "");
}

static void test_the_end_of_the_node(void **state)
{
    (void)state;
    run_body(NULL, ends);
}

static void resizing(struct bench *b)
{
    struct error err = ERROR_INIT;
    assert_int_equal(backend_truncate(b->blk, 32768, IO_EXACT, PREALLOC_OFF, &err), 0);
    assert_int_equal(backend_length(b->blk), 32768);
    assert_int_equal(read_is(b, 32768, 512, 0), -EIO);
    assert_int_equal(backend_truncate(b->blk, 65536, IO_EXACT, PREALLOC_OFF, &err), 0);
    assert_int_equal(read_is(b, 32768, 512, 0), 0);
    assert_int_equal(backend_truncate(b->blk, -1, 0, PREALLOC_OFF, &err), -EINVAL);
    assert_string_equal(err.text, "Image size cannot be negative");
    err = ERROR_INIT;
    assert_int_equal(backend_truncate(b->blk, INT64_MAX, 0, PREALLOC_OFF, &err), -EFBIG);
    b->mem->fail[IO_TRUNCATE] = -ENOSPC;
    err = ERROR_INIT;
    assert_int_equal(backend_truncate(b->blk, 1024, 0, PREALLOC_OFF, &err), -ENOSPC);
    assert_string_equal(err.text, "mem cannot grow: No space left on device");
    assert_int_equal(backend_length(b->blk), 65536);
    backend_remove(b->blk);
    err = ERROR_INIT;
    assert_int_equal(backend_truncate(b->blk, 1024, 0, PREALLOC_OFF, &err), -ENOMEDIUM);
    assert_int_equal(backend_flush(b->blk), -ENOMEDIUM);
    assert_int_equal(backend_length(b->blk), -ENOMEDIUM);
}

static void test_truncate_and_no_medium(void **state)
{
    (void)state;
    run_body(NULL, resizing);
}

static void status(struct bench *b)
{
    struct io_extent e;
    assert_int_equal(backend_status(b->blk, 512, 65536, &e), 0);
    assert_int_equal(e.bytes, 3584);
    assert_int_equal(e.flags, STATUS_DATA | STATUS_OFFSET_VALID | STATUS_ALLOCATED);
    assert_int_equal(e.map, 512);
    assert_int_equal(backend_status(b->blk, 4096, 65536, &e), 0);
    assert_int_equal(e.flags, STATUS_ZERO | STATUS_ALLOCATED | STATUS_EOF);
    assert_int_equal(e.bytes, 61440);
    assert_int_equal(backend_status(b->blk, 65536, 1, &e), 0);
    assert_int_equal(e.flags, STATUS_EOF);
    int64_t pnum;
    assert_int_equal(backend_is_allocated(b->blk, 0, 100, &pnum), 1);
    assert_int_equal(pnum, 100);
    b->mem->fail[IO_STATUS] = -EIO;
    assert_int_equal(backend_is_allocated(b->blk, 0, 100, &pnum), -EIO);
}

static void test_block_status_through_a_filter(void **state)
{
    (void)state;
    run_body(NULL, status);
    run_body("{\"driver\":\"thru\",\"node-name\":\"t\",\"file\":\"m\"}", status);
}

static int open_text(struct bench *b, const char *options, struct error *err)
{
    json_t *o = json_loads(options, 0, NULL);
    struct node *n;
    *err = ERROR_INIT;
    int ret = node_open(b->layer, o, NULL, 0, &n, err);
    if (ret == 0) {
        n->monitor_owned = true;
    }
    json_decref(o);
    return ret;
}

static void opening(struct bench *b)
{
    static const struct {
        const char *options, *text;
    } bad[] = {
        { "{'driver':'none'}", "Unknown driver 'none'" },
        { "{'driver':'mem','node-name':'0x'}", "Invalid node-name: '0x'" },
        { "{'driver':'mem','node-name':'a/b'}", "Invalid node-name: 'a/b'" },
        { "{'driver':'mem','node-name':'m'}", "Duplicate nodes with node-name='m'" },
        { "{'driver':'mem','node-name':'a2345678901234567890123456789012'}",
          "Node name too long" },
        { "{'driver':'thru','node-name':'x'}",
          "A block device must be specified for \"file\"" },
        { "{'driver':'thru','node-name':'x','file':'gone'}",
          "Cannot find device='gone' nor node-name='gone'" },
        { "{'driver':'thru','node-name':'x','file':{'driver':'mem','node-name':'x'}}",
          "Duplicate nodes with node-name='x'" },
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char *json = mem_strdup(bad[i].options);
        for (char *p = json; *p; p++) {
            *p = *p == '\'' ? '"' : *p;
        }
        struct error err;
        assert_true(open_text(b, json, &err) < 0);
        assert_string_equal(err.text, bad[i].text);
        free(json);
    }
    assert_null(layer_find_node(b->layer, "x"));
    assert_int_equal(b->node->refs, 2); /* The monitor and the backend. */
}

static void test_what_cannot_be_opened_leaves_nothing(void **state)
{
    (void)state;
    run_body(NULL, opening);
}

static void stacking(struct bench *b)
{
    struct error err;
    char below[NODE_NAME_MAX] = "m";
    int levels = 0;
    for (;; levels++) {
        char *o = mem_printf("{\"driver\":\"thru\",\"node-name\":\"t%d\",\"file\":\"%s\"}",
                             levels, below);
        int ret = open_text(b, o, &err);
        free(o);
        if (ret < 0) {
            break;
        }
        snprintf(below, sizeof(below), "t%d", levels);
    }
    assert_string_equal(err.text, "Block graph is more than 1024 levels deep");
    assert_int_equal(levels, NODE_HEIGHT_MAX - 1);
    backend_remove(b->blk);
    assert_int_equal(backend_insert(b->blk, layer_find_node(b->layer, below), &err), 0);
    assert_int_equal(write_byte(b, 100, 600, 0x5a, 0), 0);
    assert_int_equal(read_is(b, 100, 600, 0x5a), 0);
    assert_int_equal(backend_flush(b->blk), 0);
}

static void test_a_tall_graph_works_and_one_too_tall_is_refused(void **state)
{
    (void)state;
    run_body(NULL, stacking);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unaligned_requests_are_padded),
        cmocka_unit_test(test_long_requests_are_split),
        cmocka_unit_test(test_zeroes_are_cut_to_fit_and_fall_back_to_writing),
        cmocka_unit_test(test_detect_zeroes_turns_writes_into_zeroing),
        cmocka_unit_test(test_discard_is_a_hint),
        cmocka_unit_test(test_flushes_go_to_the_disk_once_a_generation),
        cmocka_unit_test(test_a_flush_reaches_the_child),
        cmocka_unit_test(test_no_update_is_lost_when_small_writes_share_a_block),
        cmocka_unit_test(test_a_serialising_write_waits_for_what_it_overlaps),
        cmocka_unit_test(test_the_end_of_the_node),
        cmocka_unit_test(test_truncate_and_no_medium),
        cmocka_unit_test(test_block_status_through_a_filter),
        cmocka_unit_test(test_what_cannot_be_opened_leaves_nothing),
        cmocka_unit_test(test_a_tall_graph_works_and_one_too_tall_is_refused),
    };
    return cmocka_run_group_tests_name("model/io", tests, NULL, NULL);
}
