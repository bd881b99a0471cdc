/* A small world for the drivers' unit tests: a simulation, a host and a block layer with all
 * drivers.
 *
 * Every call runs a coroutine to its end, so that a failed assertion never leaves a coroutine's
 * stack.  Requests that are to overlap are started with call_start and ended with call_wait.
 * Include after <cmocka.h>.
 */
#ifndef DRIVERS_DRIVER_TEST_H
#define DRIVERS_DRIVER_TEST_H

#include "base/mem.h"
#include "drivers/registry.h"
#include "model/layer.h"
#include "model/node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct world {
    struct sim *sim;
    struct host *host;
    struct layer *layer;
};

struct call {
    struct world *w;
    void (*fn)(struct call *c);
    bool done;
    int ret;
    /* What the functions below need. */
    const char *text;
    json_t *reply;
    struct backend *backend;
    int64_t offset, bytes;
    uint32_t flags;
    struct iobuf *buf;
    struct error *err;
    enum io_prealloc prealloc;
};

static inline void call_main(void *opaque)
{
    struct call *c = opaque;
    c->fn(c);
    c->done = true;
}

static inline void call_start(struct world *w, struct call *c)
{
    c->w = w;
    c->done = false;
    co_create(w->sim, "test", 0, call_main, c);
    sim_settle(w->sim, 100000);
}

static inline int call_wait(struct call *c)
{
    enum sim_stop stop = sim_run(c->w->sim, &c->done, SIM_FOREVER, 1000000);
    assert_int_equal(stop, SIM_DONE);
    return c->ret;
}

static inline int call_run(struct world *w, struct call c)
{
    call_start(w, &c);
    return call_wait(&c);
}

/* host: taken over; NULL: a simulated directory of disks without latency. */
static inline void world_init(struct world *w)
{
    struct sim_config cfg = { .seed = 1, .policy = CHOICE_FIFO, .keep_trace = true };
    w->sim = sim_create(&cfg);
    struct disk_config disk = DISK_CONFIG_INIT;
    w->host = host_sim_create(w->sim, &disk);
    w->layer = layer_create(w->sim, w->host, drivers_all);
}

static inline void world_init_posix(struct world *w, const char *dir)
{
    struct sim_config cfg = { .seed = 1, .policy = CHOICE_FIFO, .keep_trace = true };
    w->sim = sim_create(&cfg);
    w->host = host_posix_create(w->sim, dir);
    w->layer = layer_create(w->sim, w->host, drivers_all);
}

static inline void do_destroy(struct call *c)
{
    layer_destroy(c->w->layer);
}

static inline void world_fini(struct world *w)
{
    call_run(w, (struct call){ .fn = do_destroy });
    host_destroy(w->host);
    sim_destroy(w->sim);
}

static inline void do_create(struct call *c)
{
    c->ret = c->w->host->ops->create(c->w->host, c->text, (uint64_t)c->bytes);
}

static inline void world_file(struct world *w, const char *name, int64_t size)
{
    assert_int_equal(
        call_run(w, (struct call){ .fn = do_create, .text = name, .bytes = size }), 0);
}

/* Reads or writes a host file behind the layer's back. */
static inline void do_host_write(struct call *c)
{
    struct host_file *f;
    c->ret = c->w->host->ops->open(c->w->host, c->text, HOST_WRITE, &f);
    if (c->ret == 0) {
        c->ret = c->w->host->ops->write(f, (uint64_t)c->offset, c->buf, 0);
        c->w->host->ops->close(f);
    }
}

static inline void world_poke(struct world *w, const char *name, int64_t offset, const void *p,
                              size_t n)
{
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, (void *)(uintptr_t)p, n);
    struct call c = { .fn = do_host_write, .text = name, .offset = offset, .buf = &buf };
    assert_int_equal(call_run(w, c), 0);
}

static inline void world_text_file(struct world *w, const char *name, const char *text)
{
    world_file(w, name, (int64_t)strlen(text));
    world_poke(w, name, 0, text, strlen(text));
}

static inline void do_qmp(struct call *c)
{
    c->reply = layer_qmp_text(c->w->layer, c->text, strlen(c->text));
}

/* The reply to a command given as "NAME {arguments}", single quotes allowed; a new reference. */
static inline json_t *qmp(struct world *w, const char *command, const char *args)
{
    char *text = mem_printf("{'execute':'%s','arguments':%s}", command, args);
    struct call c = { .fn = do_qmp, .text = text };
    call_start(w, &c);
    call_wait(&c);
    free(text);
    assert_non_null(c.reply);
    return c.reply;
}

static inline void qmp_ok(struct world *w, const char *command, const char *args)
{
    json_t *reply = qmp(w, command, args);
    json_t *error = json_object_get(reply, "error");
    if (error) {
        fail_msg("%s %s: %s", command, args,
                 json_string_value(json_object_get(error, "desc")));
    }
    json_decref(reply);
}

static inline void qmp_fails(struct world *w, const char *command, const char *args,
                             const char *desc)
{
    json_t *reply = qmp(w, command, args);
    json_t *error = json_object_get(reply, "error");
    if (!error) {
        fail_msg("%s %s should fail: %s", command, args, desc);
    }
    assert_string_equal(json_string_value(json_object_get(error, "desc")), desc);
    json_decref(reply);
}

#define add_ok(w, args) qmp_ok(w, "blockdev-add", args)
#define add_fails(w, args, desc) qmp_fails(w, "blockdev-add", args, desc)
#define del_ok(w, name) qmp_ok(w, "blockdev-del", "{'node-name':'" name "'}")

/* Backends.  perm: what is used; everything is shared but resize. */
static inline void do_attach(struct call *c)
{
    struct perm_pair perm = { .used = c->flags,
                              .shared = PERM_ALL & ~(uint32_t)PERM_RESIZE };
    if (c->flags & PERM_RESIZE) {
        perm.shared |= PERM_RESIZE;
    }
    c->backend = backend_create(c->w->layer, NULL, perm);
    c->ret = backend_insert(c->backend, layer_find_node(c->w->layer, c->text), c->err);
    if (c->ret < 0) {
        backend_destroy(c->backend);
        c->backend = NULL;
    }
}

static inline struct backend *attach(struct world *w, const char *node, uint32_t used,
                                     struct error *err)
{
    struct call c = { .fn = do_attach, .text = node, .flags = used, .err = err };
    call_start(w, &c);
    call_wait(&c);
    return c.backend;
}

enum { USE_RW = PERM_CONSISTENT_READ | PERM_WRITE, USE_ALL = USE_RW | PERM_RESIZE };

static inline struct backend *attach_ok(struct world *w, const char *node, uint32_t used)
{
    struct error err = ERROR_INIT;
    struct backend *b = attach(w, node, used, &err);
    if (!b) {
        fail_msg("attach %s: %s", node, err.text);
    }
    return b;
}

static inline void do_detach(struct call *c)
{
    backend_destroy(c->backend);
}

static inline void detach(struct world *w, struct backend *b)
{
    call_run(w, (struct call){ .fn = do_detach, .backend = b });
}

static inline void do_read(struct call *c)
{
    c->ret = backend_read(c->backend, c->offset, c->buf, c->flags);
}

static inline void do_write(struct call *c)
{
    c->ret = backend_write(c->backend, c->offset, c->buf, c->flags);
}

static inline void do_zero(struct call *c)
{
    c->ret = backend_write_zeroes(c->backend, c->offset, c->bytes, c->flags);
}

static inline void do_discard(struct call *c)
{
    c->ret = backend_discard(c->backend, c->offset, c->bytes);
}

static inline void do_flush(struct call *c)
{
    c->ret = backend_flush(c->backend);
}

static inline void do_truncate(struct call *c)
{
    c->ret = backend_truncate(c->backend, c->bytes, IO_EXACT, c->prealloc, c->err);
}

static inline int write_byte(struct world *w, struct backend *b, int64_t offset, size_t n,
                             uint8_t byte)
{
    struct iobuf buf = iobuf_fill(fill_byte(byte), n);
    return call_run(
        w, (struct call){ .fn = do_write, .backend = b, .offset = offset, .buf = &buf });
}

/* Reads n bytes that must all be byte; returns the read's own value. */
static inline int read_byte(struct world *w, struct backend *b, int64_t offset, size_t n,
                            uint8_t byte)
{
    unsigned char *mem = mem_alloc(n);
    memset(mem, (unsigned char)~byte, n);
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, mem, n);
    int ret = call_run(
        w, (struct call){ .fn = do_read, .backend = b, .offset = offset, .buf = &buf });
    for (size_t i = 0; i < n && ret == 0; i++) {
        if (mem[i] != byte) {
            fail_msg("byte at %lld is 0x%02x, not 0x%02x", (long long)offset + (long long)i,
                     mem[i], byte);
        }
    }
    free(mem);
    return ret;
}

static inline int zero_range(struct world *w, struct backend *b, int64_t offset, int64_t bytes,
                             uint32_t flags)
{
    return call_run(w, (struct call){ .fn = do_zero,
                                      .backend = b,
                                      .offset = offset,
                                      .bytes = bytes,
                                      .flags = flags });
}

static inline int discard_range(struct world *w, struct backend *b, int64_t offset, int64_t bytes)
{
    return call_run(
        w, (struct call){ .fn = do_discard, .backend = b, .offset = offset, .bytes = bytes });
}

static inline int flush(struct world *w, struct backend *b)
{
    return call_run(w, (struct call){ .fn = do_flush, .backend = b });
}

static inline int resize(struct world *w, struct backend *b, int64_t length,
                         enum io_prealloc prealloc, struct error *err)
{
    return call_run(w, (struct call){ .fn = do_truncate,
                                      .backend = b,
                                      .bytes = length,
                                      .prealloc = prealloc,
                                      .err = err });
}

static inline void do_status(struct call *c)
{
    struct io_extent e;
    c->ret = backend_status(c->backend, c->offset, c->bytes, &e);
    c->flags = e.flags;
    c->bytes = e.bytes;
    c->offset = e.flags & STATUS_OFFSET_VALID ? e.map : -1;
}

/* Flags of the extent at offset; *bytes is how far it goes. */
static inline uint32_t status_at(struct world *w, struct backend *b, int64_t offset,
                                 int64_t *bytes)
{
    struct call c = { .fn = do_status, .backend = b, .offset = offset, .bytes = *bytes };
    call_start(w, &c);
    assert_int_equal(call_wait(&c), 0);
    *bytes = c.bytes;
    return c.flags;
}

/* {"tag": tag, "event": event} to a driver command. */
static inline int driver_command(struct backend *b, const char *name, const char *event,
                                 const char *tag, json_t *reply)
{
    json_t *args = json_pack("{s:s, s:s}", "tag", tag, "event", event ? event : "");
    int ret = backend_command(b, name, args, reply);
    json_decref(args);
    return ret;
}

/* True when a record of the trace holds this text. */
static inline bool trace_has(struct world *w, const char *text)
{
    struct strbuf out = { 0 };
    trace_print(&w->sim->trace, &out);
    bool found = strstr(strbuf_str(&out), text) != NULL;
    strbuf_free(&out);
    return found;
}

/* ---- Beside real programs: a world over a folder of real files ---- */

struct place {
    char dir[64];
    struct world w;
};

static inline struct place *place_make(void)
{
    struct place *p = NEW(struct place);
    strcpy(p->dir, "/tmp/blksim-test-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    world_init_posix(&p->w, p->dir);
    return p;
}

/* Of cmocka: *state is the place. */
static inline int place_teardown(void **state)
{
    struct place *p = *state;
    world_fini(&p->w);
    char *command = mem_printf("rm -rf %s", p->dir);
    assert_int_equal(system(command), 0);
    free(command);
    free(p);
    return 0;
}

/* Whether a program is installed. */
static inline bool place_has(const char *program)
{
    char *command = mem_printf("command -v %s >/dev/null 2>&1", program);
    bool yes = system(command) == 0;
    free(command);
    return yes;
}

#endif
