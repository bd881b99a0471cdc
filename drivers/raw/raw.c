/* SPDX-License-Identifier: MIT */
/* raw: the bytes of its file child, or a window of them.
 *
 *   0 ........ offset ................ offset + size ...... end of the file
 *              |<------- guest ------->|
 *
 * Without offset and size the node stands for its child as a filter would, and asks of it what is
 * asked of itself.  With one of them the child is storage: nobody else may resize it.
 *
 * Invariants:
 *  1. A request that leaves the window is refused here too, whatever let it pass above.
 *  2. Nothing is allocated on the request path.
 *  3. read_aio and write_aio are raised on the child before each transfer, for blkdebug.
 * (QEMU qapi/block-core.json, BlockdevOptionsRaw.)
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/node.h"
#include "model/open.h"
#include "model/txn.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What the guard looks at. */
enum { PROBE_BYTES = 512 };

struct raw_state {
    int64_t offset;
    int64_t size; /* Of the window; follows the child unless has_size. */
    bool has_size;
    struct child *file;
};

static const struct schema_member options[] = {
    { "file", &schema_blockdev_ref, MEMBER_MUTABLE, NULL, "the node that stores the bytes" },
    { "offset", &schema_int, MEMBER_OPTIONAL | MEMBER_MUTABLE, "0",
      "where in the file the image starts" },
    { "size", &schema_int, MEMBER_OPTIONAL | MEMBER_MUTABLE, NULL,
      "bytes of the image; the rest of the file when not given" },
    { 0 },
};

static const struct child_desc whole_file[] = {
    { "file", ROLE_FILTERED | ROLE_PRIMARY, true },
    { 0 },
};

static const struct child_desc window_of_file[] = {
    { "file", ROLE_DATA | ROLE_PRIMARY, true },
    { 0 },
};

/* Moves a request into the file.  Errors: it leaves the window. */
static inline int shift(const struct raw_state *s, const struct io_req *req, bool write,
                        struct io_req *out)
{
    if (s->has_size && (req->offset > s->size || req->bytes > s->size - req->offset)) {
        return write ? -ENOSPC : -EINVAL;
    }
    if (req->offset > INT64_MAX - s->offset) {
        return -EINVAL;
    }
    *out = *req;
    out->offset += s->offset;
    return 0;
}

static int raw_read(struct node *n, struct io_req *req)
{
    const struct raw_state *s = node_state(n);
    struct io_req below;
    int ret = shift(s, req, false, &below);
    if (ret < 0) {
        return ret;
    }
    io_event(s->file, "read_aio");
    return io_child(s->file, &below);
}

/* An image that was probed and found to be nothing else must stay so: a guest could write what
 * makes the next start take it for a format, with a backing file of the guest's choice. */
static int guard_head(const struct node *n, const struct io_req *req)
{
    uint8_t head[PROBE_BYTES];
    if (req->offset != 0 || req->bytes < PROBE_BYTES) {
        return -EINVAL; /* The alignment makes whole sectors of it. */
    }
    iobuf_copy_out(req->buf, 0, head, sizeof(head));
    return open_head_is_same(n, head, sizeof(head)) ? 0 : -EPERM;
}

static int raw_write(struct node *n, struct io_req *req)
{
    const struct raw_state *s = node_state(n);
    struct io_req below;
    int ret = shift(s, req, true, &below);
    if (ret == 0 && n->how.probed && req->offset < PROBE_BYTES && req->bytes > 0) {
        ret = guard_head(n, req);
    }
    if (ret < 0) {
        return ret;
    }
    io_event(s->file, "write_aio");
    return io_child(s->file, &below);
}

static int raw_write_zeroes(struct node *n, struct io_req *req)
{
    const struct raw_state *s = node_state(n);
    struct io_req below;
    int ret = shift(s, req, true, &below);
    return ret < 0 ? ret : io_child(s->file, &below);
}

static int raw_discard(struct node *n, struct io_req *req)
{
    return raw_write_zeroes(n, req);
}

static int raw_truncate(struct node *n, struct io_req *req, struct error *err)
{
    struct raw_state *s = node_state(n);
    if (s->has_size) {
        return error_set(err, -ENOTSUP, "Cannot resize fixed-size raw disks");
    }
    if (req->offset > INT64_MAX - s->offset) {
        return error_set(err, -EINVAL, "Disk size too large for the chosen offset");
    }
    int ret = io_truncate(s->file, req->offset + s->offset, req->flags, req->prealloc, err);
    if (ret == 0) {
        s->size = req->offset;
    }
    return ret;
}

static int raw_block_status(struct node *n, struct io_req *req, struct io_extent *out)
{
    const struct raw_state *s = node_state(n);
    *out = (struct io_extent){ .flags = STATUS_RAW | STATUS_OFFSET_VALID,
                               .bytes = req->bytes,
                               .map = req->offset + s->offset,
                               .file = s->file->node };
    return 0;
}

/* Offset and size against the file, with QEMU's texts (its double space included). */
static int check_window(struct raw_state *s, int64_t file_size, struct error *err)
{
    if (s->offset > file_size) {
        return error_set(err, -EINVAL,
                         "Offset (%" PRId64 ") cannot be greater than size of the containing "
                         "file (%" PRId64 ")",
                         s->offset, file_size);
    }
    if (s->has_size && file_size - s->offset < s->size) {
        return error_set(err, -EINVAL,
                         "The sum of offset (%" PRId64 ") and size (%" PRId64 ") has to be "
                         "smaller or equal to the  actual size of the containing file "
                         "(%" PRId64 ")",
                         s->offset, s->size, file_size);
    }
    if (s->has_size && s->size % 512) {
        return error_set(err, -EINVAL, "Specified size is not multiple of 512");
    }
    if (!s->has_size) {
        s->size = file_size - s->offset;
    }
    return 0;
}

static int read_number(const struct opts *opts, const char *name, int64_t *out, struct error *err)
{
    *out = opts_given(opts, name) ? opts_int(opts, name) : 0;
    if (*out < 0) {
        return error_set(err, -EINVAL,
                         "Parameter '%s' expects a non-negative number below 2^64", name);
    }
    return 0;
}

static int read_window(struct raw_state *s, const struct opts *opts, struct error *err)
{
    s->has_size = opts_given(opts, "size");
    int ret = read_number(opts, "offset", &s->offset, err);
    return ret < 0 ? ret : read_number(opts, "size", &s->size, err);
}

static void warn_probed(struct node *n, const struct raw_state *s)
{
    char *name = node_filename(s->file->node);
    node_warn(n,
              "WARNING: Image format was not specified for '%s' and probing guessed raw.\n"
              "         Automatically detecting the format is dangerous for raw images, write "
              "operations on block 0 will be restricted.\n"
              "         Specify the 'raw' format explicitly to remove the restrictions.",
              name);
    free(name);
}

static int raw_open(struct node *n, const struct opts *opts, struct error *err)
{
    struct raw_state *s = node_state(n);
    bool window = opts_given(opts, "size") ||
                  (opts_given(opts, "offset") && opts_int(opts, "offset") != 0);
    int ret = node_open_child(n, opts, window ? window_of_file : whole_file, &s->file, err);
    if (ret < 0) {
        return ret;
    }
    ret = read_window(s, opts, err);
    if (ret == 0 && n->how.probed && !n->flags.read_only) {
        warn_probed(n, s);
    }
    return ret < 0 ? ret : check_window(s, io_length(s->file->node), err);
}

static void raw_limits(const struct node *n, struct io_limits *limits)
{
    const struct raw_state *s = node_state(n);
    limits->write_flags = s->file->node->limits.write_flags & ~(uint32_t)IO_COMPRESSED;
    limits->zero_flags = s->file->node->limits.zero_flags;
    if (n->how.probed) {
        limits->request_alignment = MAX(limits->request_alignment, (uint32_t)PROBE_BYTES);
    }
}

static int64_t raw_length(struct node *n)
{
    struct raw_state *s = node_state(n);
    int64_t room = MAX(0, io_length(s->file->node) - s->offset);
    s->size = s->has_size ? MIN(s->size, room) : room;
    return s->size;
}

/* The file's own name, when raw adds nothing to it. */
static char *raw_filename(const struct node *n)
{
    const struct raw_state *s = node_state(n);
    if (json_object_get(n->options, "offset") || json_object_get(n->options, "size")) {
        return NULL;
    }
    const struct blk_driver *below = s->file->node->drv;
    if (!(below->traits & DRV_PROTOCOL) && !below->prefix) {
        return NULL; /* A plain name would lead to raw's file, not to this one. */
    }
    char *name = node_filename(s->file->node);
    if (strncmp(name, "json:", 5) == 0) {
        free(name);
        return NULL;
    }
    return name;
}

/* Storage of a format would write and resize by itself; raw does so only for its parents. */
static void raw_child_perm(const struct node *n, const struct child *c, struct perm_pair parents,
                           struct perm_pair *out)
{
    perm_default(n, c, parents, out);
    out->used &= parents.used | ~(uint32_t)(PERM_WRITE | PERM_RESIZE);
}

static const struct driver_io raw_io = {
    .read = raw_read,
    .write = raw_write,
    .write_zeroes = raw_write_zeroes,
    .discard = raw_discard,
    .truncate = raw_truncate,
    .block_status = raw_block_status,
};

struct window_change {
    struct raw_state *s;
    int64_t offset, size;
    bool has_size;
};

static void commit_window(void *opaque)
{
    const struct window_change *c = opaque;
    c->s->offset = c->offset;
    c->s->size = c->size;
    c->s->has_size = c->has_size;
}

/* The window is checked against the file that is there now, even if another takes its place. */
static int raw_reopen(struct node *n, const struct node_reopen *r, struct error *err)
{
    struct raw_state *s = node_state(n);
    struct raw_state next = { 0 };
    int ret = read_window(&next, &r->opts, err);
    if (ret == 0) {
        ret = check_window(&next, io_length(s->file->node), err);
    }
    if (ret < 0) {
        return ret;
    }
    struct window_change c = { s, next.offset, next.size, next.has_size };
    txn_add(r->txn, (struct txn_action){ .commit = commit_window,
                                         .clean = free,
                                         .opaque = mem_copy(&c, sizeof(c)) });
    return 0;
}

static const struct driver_graph raw_graph = { .child_perm = raw_child_perm,
                                               .reopen = raw_reopen };

extern const struct blk_driver driver_raw;

const struct blk_driver driver_raw = {
    .name = "raw",
    .help = "the bytes of a file as they are, or a window of them",
    .traits = DRV_FORMAT | DRV_FOLLOWS,
    .state_size = sizeof(struct raw_state),
    .options = options,
    .children = whole_file,
    .open = raw_open,
    .limits = raw_limits,
    .length = raw_length,
    .filename = raw_filename,
    .io = &raw_io,
    .graph = &raw_graph,
};
