/* SPDX-License-Identifier: MIT */
/* blkverify: does `test` behave like `raw`?
 *
 * Reads and writes go to both children at once.  `raw` is the one that is believed: block status,
 * events, driver commands and resizing are its own; the length is that of `test`.
 *
 *                  +--> test --> into the parent's buffer --+
 *   read --> node -+                                        +--> same return value? same bytes?
 *                  +--> raw ---> into a bounce buffer ------+
 *
 * A difference is reported as a trace record and through the driver command "last_message", and
 * the request fails with -EIO.  (QEMU prints the same text and exits.)
 *
 * Invariants:
 *  1. A request ends when both halves have ended.
 *  2. Bounce buffers are kept: once warm, nothing is allocated on the request path.
 * (QEMU docs/devel/blkverify.txt; behaviour of the installed 7.2.)
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/node.h"
#include "model/open.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct bounce {
    struct bounce *next;
    size_t size;
    unsigned char bytes[];
};

enum { BOUNCE_STEP = 64 << 10, MESSAGE_MAX = 160 };

struct blkverify_state {
    struct child *raw, *test;
    struct bounce *idle;
    uint64_t mismatches;
    char message[MESSAGE_MAX]; /* Of the last mismatch. */
};

/* The half of a request that raw does, on a coroutine of its own. */
struct raw_half {
    struct child *child;
    struct io_req req;
    int ret;
    bool done;
    struct co_queue finished;
};

static const struct schema_member options[] = {
    { "test", &schema_blockdev_ref, 0, NULL, "the node to be tested" },
    { "raw", &schema_blockdev_ref, 0, NULL, "the node that is believed" },
    { 0 },
};

static const struct child_desc children[] = {
    { "raw", ROLE_FILTERED | ROLE_PRIMARY, true },
    { "test", ROLE_DATA, true },
    { 0 },
};

static void run_raw_half(void *opaque)
{
    struct raw_half *h = opaque;
    h->ret = io_child(h->child, &h->req);
    h->done = true;
    co_queue_wake_all(&h->finished);
}

/* Does req on test and, with raw_buf for its data, on raw; returns test's value, *raw_ret raw's. */
static int do_both(struct node *n, const struct io_req *req, struct iobuf *raw_buf, int *raw_ret)
{
    const struct blkverify_state *s = node_state(n);
    struct co *self = co_self(n->sim);
    CHECK(self != NULL);
    struct raw_half half = { .child = s->raw, .req = *req };
    half.req.buf = raw_buf;
    half.finished.what = "raw child of blkverify";
    co_create(n->sim, "blkverify raw", self->iothread, run_raw_half, &half);
    struct io_req test_req = *req;
    int ret = io_child(s->test, &test_req);
    while (!half.done) {
        co_queue_wait(n->sim, &half.finished);
    }
    *raw_ret = half.ret;
    return ret;
}

static int report(struct node *n, const char *what, const struct io_req *req, const char *how)
{
    struct blkverify_state *s = node_state(n);
    s->mismatches++;
    snprintf(s->message, sizeof(s->message),
             "blkverify: %s offset=%" PRId64 " bytes=%" PRId64 " %s", what, req->offset,
             req->bytes, how);
    sim_trace_text(n->sim, TRACE_EVENT, "%s", s->message);
    return -EIO;
}

static int report_return_values(struct node *n, const char *what, const struct io_req *req,
                                int test_ret, int raw_ret)
{
    char how[64];
    snprintf(how, sizeof(how), "return value mismatch %d != %d", test_ret, raw_ret);
    return report(n, what, req, how);
}

/* A buffer of at least size bytes; zeroed once, so that what a child leaves alone is the same in
 * every run. */
static struct bounce *bounce_get(struct blkverify_state *s, size_t size)
{
    struct bounce **p = &s->idle;
    while (*p && (*p)->size < size) {
        p = &(*p)->next;
    }
    struct bounce *b = *p;
    if (b) {
        *p = b->next;
        return b;
    }
    size = (size + BOUNCE_STEP - 1) / BOUNCE_STEP * BOUNCE_STEP;
    b = mem_zalloc(sizeof(*b) + size);
    b->size = size;
    return b;
}

static void bounce_put(struct blkverify_state *s, struct bounce *b)
{
    b->next = s->idle;
    s->idle = b;
}

static int compare(struct node *n, const struct io_req *req, const struct iobuf *raw_buf)
{
    size_t at = iobuf_compare(req->buf, raw_buf);
    if (at == req->buf->len) {
        return 0;
    }
    char how[64];
    snprintf(how, sizeof(how), "contents mismatch at offset %" PRId64, req->offset + (int64_t)at);
    return report(n, "read", req, how);
}

static int blkverify_read(struct node *n, struct io_req *req)
{
    struct blkverify_state *s = node_state(n);
    struct bounce *b = bounce_get(s, req->buf->len);
    struct iovec iov;
    struct iobuf raw_buf = iobuf_mem(&iov, b->bytes, req->buf->len);
    raw_buf.symbolic = req->buf->symbolic;
    int raw_ret;
    int ret = do_both(n, req, &raw_buf, &raw_ret);
    if (ret != raw_ret) {
        ret = report_return_values(n, "read", req, ret, raw_ret);
    } else if (ret == 0) {
        ret = compare(n, req, &raw_buf);
    }
    bounce_put(s, b);
    return ret;
}

static int blkverify_write(struct node *n, struct io_req *req)
{
    struct iobuf raw_buf = *req->buf;
    int raw_ret;
    int ret = do_both(n, req, &raw_buf, &raw_ret);
    return ret == raw_ret ? ret : report_return_values(n, "write", req, ret, raw_ret);
}

/* Zeroes are written as data, so that they are compared like data. */
static int blkverify_write_zeroes(struct node *n, struct io_req *req)
{
    (void)n;
    (void)req;
    return -ENOTSUP;
}

/* What is discarded may read as anything, and the children need not agree on it. */
static int blkverify_discard(struct node *n, struct io_req *req)
{
    (void)n;
    (void)req;
    return 0;
}

static int blkverify_block_status(struct node *n, struct io_req *req, struct io_extent *out)
{
    const struct blkverify_state *s = node_state(n);
    *out = (struct io_extent){ .flags = STATUS_RAW | STATUS_OFFSET_VALID,
                               .bytes = req->bytes,
                               .map = req->offset,
                               .file = s->raw->node };
    return 0;
}

static int blkverify_open(struct node *n, const struct opts *opts, struct error *err)
{
    struct blkverify_state *s = node_state(n);
    int ret = node_open_child(n, opts, &children[0], &s->raw, err);
    return ret < 0 ? ret : node_open_child(n, opts, &children[1], &s->test, err);
}

static void blkverify_close(struct node *n)
{
    struct blkverify_state *s = node_state(n);
    while (s->idle) {
        struct bounce *b = s->idle;
        s->idle = b->next;
        free(b);
    }
}

/* Nothing of what a child does by itself holds for both. */
static void blkverify_limits(const struct node *n, struct io_limits *limits)
{
    (void)n;
    limits->write_flags = 0;
    limits->zero_flags = 0;
}

static int64_t blkverify_length(struct node *n)
{
    const struct blkverify_state *s = node_state(n);
    return io_length(s->test->node);
}

static char *blkverify_filename(const struct node *n)
{
    const struct blkverify_state *s = node_state(n);
    char *raw = node_filename(s->raw->node);
    char *test = node_filename(s->test->node);
    char *name = NULL;
    if (strncmp(raw, "json:", 5) != 0 && strncmp(test, "json:", 5) != 0) {
        name = mem_printf("blkverify:%s:%s", raw, test);
    }
    free(raw);
    free(test);
    return name;
}

/* "blkverify:RAW:TEST": both are names again.  Without the prefix raw is among the options. */
static int blkverify_parse_filename(const char *name, json_t *out, struct error *err)
{
    static const char prefix[] = "blkverify:";
    if (strncmp(name, prefix, strlen(prefix)) != 0) {
        json_object_set_new(out, "test." OPEN_NAME_KEY, json_string(name));
        return 0;
    }
    name += strlen(prefix);
    const char *colon = strchr(name, ':');
    if (!colon) {
        return error_set(err, -EINVAL, "blkverify requires raw copy and original image path");
    }
    json_object_set_new(out, "raw." OPEN_NAME_KEY,
                        json_stringn(name, (size_t)(colon - name)));
    json_object_set_new(out, "test." OPEN_NAME_KEY, json_string(colon + 1));
    return 0;
}

static int64_t blkverify_allocated_size(struct node *n)
{
    (void)n;
    return -ENOTSUP;
}

static int blkverify_command(struct node *n, const char *name, const json_t *args, json_t *reply)
{
    const struct blkverify_state *s = node_state(n);
    (void)args;
    return node_last_message(name, s->message, s->mismatches, reply);
}

static const struct driver_io blkverify_io = {
    .read = blkverify_read,
    .write = blkverify_write,
    .write_zeroes = blkverify_write_zeroes,
    .discard = blkverify_discard,
    .block_status = blkverify_block_status,
};

extern const struct blk_driver driver_blkverify;

const struct blk_driver driver_blkverify = {
    .name = "blkverify",
    .help = "compares a node with one that is believed",
    .traits = DRV_FILTER,
    .state_size = sizeof(struct blkverify_state),
    .options = options,
    .children = children,
    .open = blkverify_open,
    .close = blkverify_close,
    .limits = blkverify_limits,
    .length = blkverify_length,
    .filename = blkverify_filename,
    .allocated_size = blkverify_allocated_size,
    .prefix = "blkverify",
    .parse_filename = blkverify_parse_filename,
    .command = blkverify_command,
    .io = &blkverify_io,
};
