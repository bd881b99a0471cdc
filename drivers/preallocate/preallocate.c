/* SPDX-License-Identifier: MIT */
/* preallocate: a filter below a format that lets its file grow ahead of the writes.
 *
 *      0 ............... data_end ........................ file_end
 *      |   seen by parents   |   zeroes, taken in advance   |
 *
 * Only a parent that may write and resize makes a file grow, so the filter is active exactly while
 * it may do both itself.  A write beyond file_end first has zeroes put there, prealloc-size more
 * than it needs, up to a multiple of prealloc-align; if that fails the write goes on without.
 *
 *             parents may write and resize               first look at the file
 *   PASSIVE ------------------------------> (data_end -1) --------------------> ACTIVE
 *      ^                                                                          |
 *      +------------- they may no longer: the file is cut back to data_end -------+
 *
 * Invariants:
 *  1. data_end <= file_end, and [data_end, file_end) has been written by nobody but the filter.
 *  2. Zeroes exclude what overlaps them: a write that starts meanwhile comes after them.
 * (QEMU qapi/block-core.json, BlockdevOptionsPreallocate; behaviour of the installed 7.2.)
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/node.h"
#include "model/txn.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

struct preallocate_config {
    int64_t size, align;
};

struct preallocate_state {
    struct child *file;
    struct preallocate_config config;
    int64_t data_end; /* -1: passive, or the file was not looked at yet. */
    int64_t file_end;
    bool growing;     /* Zeroes are on their way. */
};

enum { MEMBER_SIZE = MEMBER_OPTIONAL | MEMBER_MUTABLE | MEMBER_NO_RESET | MEMBER_HOW };

static const struct schema_member options[] = {
    { "file", &schema_blockdev_ref, MEMBER_MUTABLE, NULL, "the file that grows" },
    { "prealloc-align", &schema_int, MEMBER_SIZE, "1M",
      "the file's length becomes a multiple of it" },
    { "prealloc-size", &schema_int, MEMBER_SIZE, "128M", "how much more than needed is taken" },
    { 0 },
};

static const struct child_desc children[] = {
    { "file", ROLE_FILTERED | ROLE_PRIMARY, true },
    { 0 },
};

enum { GROW = PERM_WRITE | PERM_RESIZE };

static bool may_grow(uint32_t perm)
{
    return (perm & GROW) == GROW;
}

/* ---- Growing ---- */

/* False: passive. */
static bool activate(struct preallocate_state *s)
{
    if (s->data_end < 0 && may_grow(s->file->perm.used)) {
        s->data_end = s->file_end = io_length(s->file->node);
    }
    return s->data_end >= 0;
}

static int64_t align_up(int64_t value, int64_t unit)
{
    int64_t over = unit > 1 ? value % unit : 0;
    if (over == 0) {
        return value;
    }
    return value > IO_MAX_LENGTH - (unit - over) ? -1 : value + (unit - over);
}

/* Where the zeroes for a write up to end would end; -1: nowhere. */
static int64_t zeroes_end(const struct preallocate_state *s, int64_t end)
{
    return s->config.size > IO_MAX_LENGTH - end ? -1
                                                : align_up(end + s->config.size, s->config.align);
}

/* A write is about to end at `end`. */
static void before_write(struct preallocate_state *s, int64_t end)
{
    if (!activate(s) || end <= s->data_end) {
        return;
    }
    s->data_end = end;
    if (end <= s->file_end || s->growing) {
        return;
    }
    int64_t from = align_up(s->file_end, s->file->node->limits.request_alignment);
    int64_t to = zeroes_end(s, MAX(from, end));
    if (from < 0 || to < 0) {
        return;
    }
    struct io_req zero = { .op = IO_WRITE_ZEROES,
                           .flags = IO_NO_FALLBACK | IO_SERIALISING,
                           .offset = from,
                           .bytes = to - from };
    s->growing = true;
    int ret = io_child(s->file, &zero);
    s->growing = false;
    if (ret == 0 && s->data_end >= 0) {
        s->file_end = MAX(s->file_end, to);
    }
}

static int preallocate_write(struct node *n, struct io_req *req)
{
    struct preallocate_state *s = node_state(n);
    int64_t end = req->offset + req->bytes;
    before_write(s, end);
    int ret = io_child(s->file, req);
    if (ret == 0 && s->data_end >= 0) {
        s->file_end = MAX(s->file_end, end);
    }
    return ret;
}

/* ---- Sizes ---- */

/* Cuts off what was taken in advance.  flags: IO_GIVE_BACK when the permission for it has gone. */
static int cut_back(struct preallocate_state *s, uint32_t flags, struct error *err)
{
    if (s->data_end < 0 || s->file_end <= s->data_end) {
        return 0;
    }
    int ret = io_truncate(s->file, s->data_end, IO_EXACT | flags, PREALLOC_OFF, err);
    if (ret < 0) {
        error_prefix(err, "Failed to drop preallocation: ");
        return ret;
    }
    s->file_end = s->data_end;
    return 0;
}

static int preallocate_truncate(struct node *n, struct io_req *req, struct error *err)
{
    struct preallocate_state *s = node_state(n);
    bool active = activate(s);
    if (active && req->offset > s->data_end) {
        if (req->prealloc == PREALLOC_FALLOC && req->offset <= s->file_end) {
            s->data_end = req->offset; /* What was taken in advance is what is asked for. */
            return 0;
        }
        /* What other modes put there, and "off" leaves out, is the file's to decide. */
        int ret = req->prealloc == PREALLOC_FALLOC ? 0 : cut_back(s, 0, err);
        if (ret < 0) {
            return ret;
        }
    }
    int ret = io_truncate(s->file, req->offset, req->flags, req->prealloc, err);
    if (ret == 0 && s->data_end >= 0) {
        s->data_end = s->file_end = req->offset;
    }
    return ret;
}

static int64_t preallocate_length(struct node *n)
{
    const struct preallocate_state *s = node_state(n);
    return s->data_end >= 0 ? s->data_end : io_length(s->file->node);
}

/* ---- Permissions ---- */

/* The permission to grow has gone; by the time that may be acted on others may use the file. */
struct give_back {
    struct node *node, *file;
    uint64_t write_gen;
    bool lost;
};

static void growing_lost(void *opaque)
{
    struct give_back *g = opaque;
    g->lost = true;
}

/* [io] The file is cut back unless somebody else has written to it since. */
static void give_back(void *opaque)
{
    struct give_back *g = opaque;
    struct preallocate_state *s = node_state(g->node);
    if (g->lost && s->data_end >= 0) {
        bool ours = s->file->node == g->file && g->file->write_gen == g->write_gen &&
                    !g->file->tracked && io_length(g->file) >= s->file_end;
        if (ours) {
            cut_back(s, IO_GIVE_BACK, NULL); /* What stays if that fails does no harm. */
        }
        s->data_end = -1;
    }
    free(g);
}

static int preallocate_perm_change(struct node *n, struct perm_pair now, struct txn *txn,
                                   struct error *err)
{
    const struct preallocate_state *s = node_state(n);
    (void)err;
    if (s->data_end >= 0 && !may_grow(now.used)) {
        struct give_back g = { .node = n, .file = s->file->node,
                               .write_gen = s->file->node->write_gen };
        txn_add(txn, (struct txn_action){ .commit = growing_lost,
                                          .clean = give_back,
                                          .opaque = mem_copy(&g, sizeof(g)) });
    }
    return 0;
}

/* While the filter grows the file nobody else may write it. */
static void preallocate_child_perm(const struct node *n, const struct child *c,
                                   struct perm_pair parents, struct perm_pair *out)
{
    (void)n;
    (void)c;
    *out = parents;
    if (may_grow(parents.used)) {
        out->shared &= ~(uint32_t)GROW;
    }
}

/* ---- Options ---- */

static int read_size(const struct opts *opts, const char *name, int64_t *out, struct error *err)
{
    *out = opts_int(opts, name);
    return *out < 0 ? error_set(err, -EINVAL,
                                "Parameter '%s' expects a non-negative number below 2^64", name)
                    : 0;
}

static int read_config(const struct preallocate_state *s, const struct opts *opts,
                       struct preallocate_config *c, struct error *err)
{
    uint32_t unit = s->file->node->limits.request_alignment;
    int ret = read_size(opts, "prealloc-align", &c->align, err);
    if (ret == 0) {
        ret = read_size(opts, "prealloc-size", &c->size, err);
    }
    if (ret == 0 && c->align % 512 != 0) {
        ret = error_set(err, -EINVAL,
                        "prealloc-align parameter of preallocate filter is not aligned to 512");
    }
    c->align = (uint32_t)c->align; /* QEMU keeps 32 bits of it. */
    if (ret == 0 && c->align % unit != 0) {
        ret = error_set(err, -EINVAL,
                        "prealloc-align parameter of preallocate filter is not aligned to "
                        "underlying node request alignment (%" PRIu32 ")",
                        unit);
    }
    return ret;
}

static int preallocate_open(struct node *n, const struct opts *opts, struct error *err)
{
    struct preallocate_state *s = node_state(n);
    s->data_end = -1;
    int ret = node_open_child(n, opts, &children[0], &s->file, err);
    return ret < 0 ? ret : read_config(s, opts, &s->config, err);
}

struct new_config {
    struct preallocate_state *state;
    struct preallocate_config config;
    const struct node *file; /* Before. */
};

static void take_config(void *opaque)
{
    struct new_config *c = opaque;
    c->state->config = c->config;
    if (c->state->file->node != c->file) {
        c->state->data_end = -1;
    }
}

/* A file that goes keeps what was taken from it. */
static int preallocate_reopen(struct node *n, const struct node_reopen *r, struct error *err)
{
    struct preallocate_state *s = node_state(n);
    struct new_config c = { .state = s, .file = s->file->node };
    int ret = read_config(s, &r->opts, &c.config, err);
    if (ret == 0) {
        txn_add(r->txn, (struct txn_action){ .commit = take_config,
                                             .clean = free,
                                             .opaque = mem_copy(&c, sizeof(c)) });
    }
    return ret;
}

static const struct driver_io preallocate_io = {
    .write = preallocate_write,
    .write_zeroes = preallocate_write,
    .truncate = preallocate_truncate,
};

static const struct driver_graph preallocate_graph = {
    .child_perm = preallocate_child_perm,
    .perm_change = preallocate_perm_change,
    .reopen = preallocate_reopen,
};

extern const struct blk_driver driver_preallocate;

const struct blk_driver driver_preallocate = {
    .name = "preallocate",
    .help = "lets a file grow ahead of the writes",
    .traits = DRV_FILTER | DRV_FOLLOWS,
    .state_size = sizeof(struct preallocate_state),
    .options = options,
    .children = children,
    .open = preallocate_open,
    .length = preallocate_length,
    .io = &preallocate_io,
    .graph = &preallocate_graph,
};
