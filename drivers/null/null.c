/* SPDX-License-Identifier: MIT */
/* null-co and null-aio: disks that store nothing.
 *
 * They measure what the block layer itself costs, and stand in where data does not matter.  Both
 * take the same options; null-co answers at once when it has no latency, null-aio always completes
 * after the caller has let others run.
 *
 *   read ---> read-zeroes on: zeroes      off: bytes of NULL_PATTERN (QEMU: whatever was there)
 *   write --> gone
 *
 * Invariant: without latency null-co neither yields nor allocates nor draws a choice.
 * (QEMU qapi/block-core.json, BlockdevOptionsNull.)
 */
#include "base/mem.h"
#include "model/node.h"

#include <errno.h>

enum { NULL_PATTERN = 0xab };

struct null_state {
    int64_t size;
    int64_t latency_ns;
    bool read_zeroes;
    bool async;
};

static const struct schema_member options[] = {
    { "size", &schema_int, MEMBER_OPTIONAL, "1073741824", "size of the disk in bytes" },
    { "latency-ns", &schema_uint64, MEMBER_OPTIONAL | MEMBER_HOW, "0",
      "time that a request takes" },
    { "read-zeroes", &schema_bool, MEMBER_OPTIONAL, "false", "reads give zeroes" },
    { 0 },
};

/* A request takes its time. */
static void spend(struct node *n, const struct null_state *s)
{
    if (s->latency_ns > 0) {
        co_sleep(n->sim, MIN(s->latency_ns, INT64_MAX - 1 - sim_now_ns(n->sim)));
    } else if (s->async) {
        co_pass(n->sim);
    }
}

static int null_read(struct node *n, struct io_req *req)
{
    const struct null_state *s = node_state(n);
    spend(n, s);
    iobuf_answer_fill(req->buf, fill_byte(s->read_zeroes ? 0 : NULL_PATTERN));
    return 0;
}

static int null_write(struct node *n, struct io_req *req)
{
    (void)req;
    spend(n, node_state(n));
    return 0;
}

static int null_sync(struct node *n)
{
    spend(n, node_state(n));
    return 0;
}

static int null_block_status(struct node *n, struct io_req *req, struct io_extent *out)
{
    const struct null_state *s = node_state(n);
    *out = (struct io_extent){ .flags = STATUS_OFFSET_VALID | (s->read_zeroes ? STATUS_ZERO : 0),
                               .bytes = req->bytes,
                               .map = req->offset,
                               .file = n };
    return 0;
}

static int open_common(struct node *n, const struct opts *opts, bool async, struct error *err)
{
    struct null_state *s = node_state(n);
    s->async = async;
    s->size = opts_int(opts, "size");
    s->latency_ns = opts_int(opts, "latency-ns");
    s->read_zeroes = opts_bool(opts, "read-zeroes");
    if (s->size < 0) {
        return error_set(err, -EINVAL,
                         "Parameter 'size' expects a non-negative number below 2^64");
    }
    if (s->latency_ns < 0) {
        return error_set(err, -EINVAL, "latency-ns is invalid");
    }
    return 0;
}

static int null_co_open(struct node *n, const struct opts *opts, struct error *err)
{
    return open_common(n, opts, false, err);
}

static int null_aio_open(struct node *n, const struct opts *opts, struct error *err)
{
    return open_common(n, opts, true, err);
}

static void null_limits(const struct node *n, struct io_limits *limits)
{
    (void)n;
    limits->write_flags = IO_FUA;
}

static int64_t null_length(struct node *n)
{
    const struct null_state *s = node_state(n);
    return s->size;
}

/* Plain only when nothing says what is in the image; latency-ns does not. */
static char *null_filename(const struct node *n)
{
    if (json_object_get(n->options, "size") || json_object_get(n->options, "read-zeroes")) {
        return NULL;
    }
    return mem_printf("%s://", n->drv->name);
}

static int check_filename(const char *name, const char *only, struct error *err)
{
    return strcmp(name, only) == 0
               ? 0
               : error_set(err, -EINVAL, "The only allowed filename for this driver is '%s'", only);
}

static int null_co_parse_filename(const char *name, json_t *out, struct error *err)
{
    (void)out;
    return check_filename(name, "null-co://", err);
}

static int null_aio_parse_filename(const char *name, json_t *out, struct error *err)
{
    (void)out;
    return check_filename(name, "null-aio://", err);
}

static int64_t null_allocated_size(struct node *n)
{
    (void)n;
    return 0;
}

static const struct driver_io null_io = {
    .read = null_read,
    .write = null_write,
    .sync = null_sync,
    .block_status = null_block_status,
};

/* Nothing about it changes but the flags that every node has. */
static int null_reopen(struct node *n, const struct node_reopen *r, struct error *err)
{
    (void)n;
    (void)r;
    (void)err;
    return 0;
}

static const struct driver_graph null_graph = { .reopen = null_reopen };

extern const struct blk_driver driver_null_co, driver_null_aio;

const struct blk_driver driver_null_co = {
    .name = "null-co",
    .help = "a disk that stores nothing and answers at once",
    .traits = DRV_PROTOCOL,
    .state_size = sizeof(struct null_state),
    .options = options,
    .open = null_co_open,
    .prefix = "null-co",
    .parse_filename = null_co_parse_filename,
    .limits = null_limits,
    .length = null_length,
    .filename = null_filename,
    .allocated_size = null_allocated_size,
    .io = &null_io,
    .graph = &null_graph,
};

const struct blk_driver driver_null_aio = {
    .name = "null-aio",
    .help = "a disk that stores nothing and answers after a turn of the event loop",
    .traits = DRV_PROTOCOL,
    .state_size = sizeof(struct null_state),
    .options = options,
    .open = null_aio_open,
    .prefix = "null-aio",
    .parse_filename = null_aio_parse_filename,
    .limits = null_limits,
    .length = null_length,
    .filename = null_filename,
    .allocated_size = null_allocated_size,
    .io = &null_io,
    .graph = &null_graph,
};
