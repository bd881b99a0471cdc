/* SPDX-License-Identifier: MIT */
/* copy-before-write: a filter that keeps the disk as it was when the filter was opened.
 *
 *   guest ----> copy-before-write ----file----> source     what is there now
 *   snapshot-access ----^      \----target----> target     what the guest has changed, as it was
 *
 * Before a write, zeroing or discard changes clusters of the source, what they hold goes to the
 * target.  The past (driver_snapshot) is read from the target where that has happened, from the
 * source elsewhere.
 *
 *                        (not in the bitmap)          discarded through the past
 *   a cluster:  KEPT ---------------------------> NOT TO BE HAD <---------------+
 *                |  in the source                    -EACCES                    |
 *                +--------- the guest changes it ---------> DONE, in the target-+
 *
 * A copy that fails fails the guest's write (break-guest-write), or ends the past: from then on
 * nothing of it can be read and nothing more is copied (break-snapshot).
 *
 * Invariants:
 *  1. What a cluster's bit in `done` says is in the target was copied as a whole, and the source is
 *     changed only after that.
 *  2. While the past is read from the source there (a frozen range), no guest changes it.
 *  3. The node is in flight while a copy is, though its write may have given up.
 * (QEMU qapi/block-core.json, BlockdevOptionsCbw; behaviour of the installed 7.2.)
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/dirty_bitmap.h"
#include "model/job/block_copy.h"
#include "model/layer.h"
#include "model/node.h"

#include <errno.h>
#include <string.h>

/* A part of the source that is being read as the past; on the reader's stack. */
struct frozen {
    int64_t offset, bytes;
    struct co_queue waiters;
    struct frozen *prev, *next;
};

struct cbw_state {
    struct child *file, *target;
    struct block_copy *copy;
    struct dirty_bitmap *done;   /* Has been copied. */
    struct dirty_bitmap *access; /* May be read. */
    struct frozen *frozen;
    bool break_snapshot;         /* on-cbw-error */
    bool broken;                 /* The past has ended. */
    int64_t timeout_ns;          /* 0: no limit. */
};

static const char *const on_cbw_error_values[] = { "break-guest-write", "break-snapshot", NULL };
static const struct schema_type on_cbw_error = {
    .name = "OnCbwError", .kind = SCHEMA_ENUM, .values = on_cbw_error_values,
};

static const struct schema_member bitmap_members[] = {
    { "node", &schema_str, 0, NULL, "the node that has it" },
    { "name", &schema_str, 0, NULL, "its name" },
    { 0 },
};
static const struct schema_type block_dirty_bitmap = {
    .name = "BlockDirtyBitmap", .kind = SCHEMA_STRUCT, .members = bitmap_members,
};

static const struct schema_member options[] = {
    { "file", &schema_blockdev_ref, 0, NULL, "the node whose past is kept" },
    { "target", &schema_blockdev_ref, 0, NULL, "where what was overwritten is copied to" },
    { "bitmap", &block_dirty_bitmap, MEMBER_OPTIONAL, NULL, "what is kept (everything)" },
    { "on-cbw-error", &on_cbw_error, MEMBER_OPTIONAL, "break-guest-write",
      "what a copy that fails breaks" },
    { "cbw-timeout", &schema_uint32, MEMBER_OPTIONAL, "0", "seconds for a copy; 0: no limit" },
    { 0 },
};

enum { CHILD_FILE, CHILD_TARGET };

static const struct child_desc children[] = {
    { "file", ROLE_FILTERED | ROLE_PRIMARY, true },
    { "target", ROLE_DATA, true },
    { 0 },
};

/* ---- Ranges ---- */

static int64_t cluster_down(const struct cbw_state *s, int64_t at)
{
    return at & ~(block_copy_cluster_size(s->copy) - 1);
}

static int64_t cluster_up(const struct cbw_state *s, int64_t at)
{
    return cluster_down(s, at + block_copy_cluster_size(s->copy) - 1);
}

static void frozen_begin(struct cbw_state *s, struct frozen *f, int64_t offset, int64_t bytes)
{
    *f = (struct frozen){ .offset = offset, .bytes = bytes, .next = s->frozen };
    f->waiters.what = "read of the past";
    if (s->frozen) {
        s->frozen->prev = f;
    }
    s->frozen = f;
}

static void frozen_end(struct cbw_state *s, struct frozen *f)
{
    *(f->prev ? &f->prev->next : &s->frozen) = f->next;
    if (f->next) {
        f->next->prev = f->prev;
    }
    co_queue_wake_all(&f->waiters);
}

static void wait_for_frozen(struct node *n, struct cbw_state *s, int64_t offset, int64_t end)
{
    for (struct frozen *f = s->frozen; f;) {
        if (f->offset < end && offset < f->offset + f->bytes) {
            co_queue_wait(n->sim, &f->waiters);
            f = s->frozen; /* Others may have come. */
        } else {
            f = f->next;
        }
    }
}

/* ---- Guests ---- */

/* [offset, offset + bytes) is about to change.  Errors: it must not. */
static int copy_before(struct node *n, int64_t offset, int64_t bytes, uint32_t flags)
{
    struct cbw_state *s = node_state(n);
    if ((flags & IO_WRITE_UNCHANGED) || s->broken) {
        return 0;
    }
    struct bitset *done = bitmap_set(s->done);
    int64_t start = cluster_down(s, offset);
    int64_t end = MIN(cluster_up(s, offset + bytes), bitset_length(done));
    bool error_is_read;
    int ret = block_copy_range(s->copy, offset, bytes, s->timeout_ns, &error_is_read);
    if (ret < 0 && !s->break_snapshot) {
        return ret;
    }
    done = bitmap_set(s->done);
    end = MIN(end, bitset_length(done));
    if (ret < 0) {
        s->broken = true;
    } else if (start < end) {
        bitset_set(done, start, end - start);
    }
    wait_for_frozen(n, s, start, cluster_up(s, offset + bytes));
    return 0;
}

static int cbw_change(struct node *n, struct io_req *req)
{
    const struct cbw_state *s = node_state(n);
    int ret = copy_before(n, req->offset, req->bytes, req->flags);
    return ret < 0 ? ret : io_child(s->file, req);
}

/* The target is nobody's promise to the guest.  A job that has taken the filter out again has left
 * it nothing to flush. */
static int cbw_flush(struct node *n)
{
    struct child *file = node_filtered(n);
    return file ? io_flush(file) : 0;
}

/* ---- The past ---- */

/* Where the past of a range is, from its beginning on; *bytes: how far that holds.  NULL: it is not
 * to be had. */
static struct child *past_of(const struct cbw_state *s, int64_t offset, int64_t *bytes)
{
    const struct bitset *access = bitmap_bits(s->access), *done = bitmap_bits(s->done);
    if (s->broken || offset + *bytes > bitset_length(access) ||
        bitset_next_clear(access, offset, *bytes) >= 0) {
        return NULL;
    }
    bool in_target = bitset_get(done, offset);
    int64_t change = in_target ? bitset_next_clear(done, offset, *bytes)
                               : bitset_next_set(done, offset, *bytes);
    if (change >= 0) {
        *bytes = change - offset;
    }
    return in_target ? s->target : s->file;
}

static int past_read(struct node *n, struct io_req *req)
{
    struct cbw_state *s = node_state(n);
    struct iobuf whole = *req->buf;
    whole.symbolic = false;
    for (int64_t at = 0; at < req->bytes;) {
        int64_t bytes = req->bytes - at;
        struct child *c = past_of(s, req->offset + at, &bytes);
        if (!c) {
            return -EACCES;
        }
        struct iobuf part = iobuf_slice(bytes < req->bytes ? &whole : req->buf, (size_t)at,
                                        (size_t)bytes);
        struct io_req r = { .op = IO_READ, .flags = req->flags, .offset = req->offset + at,
                            .bytes = bytes, .buf = &part };
        struct frozen f;
        if (c == s->file) {
            frozen_begin(s, &f, r.offset, bytes);
        }
        int ret = io_child(c, &r);
        if (c == s->file) {
            frozen_end(s, &f);
        }
        if (ret < 0) {
            return ret;
        }
        if (bytes == req->bytes) {
            req->buf->fill = part.fill; /* It may have been answered without memory. */
        }
        at += bytes;
    }
    return 0;
}

static int past_status(struct node *n, struct io_req *req, struct io_extent *out)
{
    struct cbw_state *s = node_state(n);
    int64_t bytes = req->bytes;
    struct child *c = past_of(s, req->offset, &bytes);
    if (!c) {
        return -EACCES;
    }
    struct frozen f;
    if (c == s->file) {
        frozen_begin(s, &f, req->offset, bytes);
    }
    int ret = io_status(c->node, req->offset, bytes, out);
    if (c == s->file) {
        frozen_end(s, &f);
    }
    if (ret < 0) {
        return ret;
    }
    if (out->bytes == 0) { /* It has got shorter, and reads as zeroes there. */
        *out = (struct io_extent){ .flags = STATUS_ZERO, .bytes = bytes };
    }
    out->flags &= STATUS_DATA | STATUS_ZERO | STATUS_OFFSET_VALID | STATUS_ALLOCATED;
    return 0;
}

static int past_discard(struct node *n, struct io_req *req)
{
    struct cbw_state *s = node_state(n);
    struct bitset *access = bitmap_set(s->access), *todo = block_copy_todo(s->copy);
    int64_t start = cluster_up(s, req->offset), end = req->offset + req->bytes;
    if (end < bitset_length(access)) {
        end = cluster_down(s, end);
    }
    end = MIN(end, bitset_length(access));
    if (start >= end) {
        return 0;
    }
    bitset_clear(access, start, end - start);
    int64_t copied_end = MIN(end, bitset_length(todo));
    if (start < copied_end) {
        bitset_clear(todo, start, copied_end - start);
    }
    struct io_req r = { .op = IO_DISCARD, .offset = start, .bytes = end - start };
    return io_child(s->target, &r);
}

static struct block_copy *past_copy(struct node *n)
{
    const struct cbw_state *s = node_state(n);
    return s->copy;
}

/* ---- Life ---- */

static int find_bitmap(struct node *n, const struct opts *opts, struct dirty_bitmap **out,
                       struct error *err)
{
    *out = NULL;
    if (!opts_given(opts, "bitmap")) {
        return 0;
    }
    return bitmap_lookup(n->layer, opts_str(opts, "bitmap.node"), opts_str(opts, "bitmap.name"),
                         out, err);
}

/* Only what the bitmap has is to be copied. */
static int restrict_copy(struct cbw_state *s, const struct dirty_bitmap *bitmap, struct error *err)
{
    struct dirty_bitmap *b = block_copy_bitmap(s->copy);
    int ret = bitmap_can_merge(b, bitmap, err);
    if (ret < 0) {
        error_prefix(err, "Cannot create block-copy-state: Failed to merge bitmap '%s' to internal "
                     "copy-bitmap: ", bitmap_name(bitmap));
        return ret;
    }
    bitmap_clear(b, NULL);
    bitmap_merge_from(b, bitmap, NULL);
    return 0;
}

static struct dirty_bitmap *own_bitmap(struct node *n, uint32_t granularity)
{
    struct dirty_bitmap *b = NULL;
    int ret = bitmap_create(n, NULL, granularity, &b, NULL);
    CHECK(ret == 0);
    bitmap_set_enabled(b, false);
    return b;
}

static int make_bitmaps(struct node *n, const struct dirty_bitmap *bitmap, struct error *err)
{
    struct cbw_state *s = node_state(n);
    int ret = block_copy_create(s->file, s->target, NULL, &s->copy, err);
    if (ret < 0) {
        error_prefix(err, "Cannot create block-copy-state: ");
        return ret;
    }
    ret = bitmap ? restrict_copy(s, bitmap, err) : 0;
    if (ret < 0) {
        block_copy_free(s->copy);
        return ret;
    }
    uint32_t granularity = (uint32_t)block_copy_cluster_size(s->copy);
    s->done = own_bitmap(n, granularity);
    s->access = own_bitmap(n, granularity);
    bitset_merge(bitmap_set(s->access), block_copy_todo(s->copy));
    return 0;
}

static int cbw_open(struct node *n, const struct opts *opts, struct error *err)
{
    struct cbw_state *s = node_state(n);
    struct dirty_bitmap *bitmap = NULL;
    int ret = node_open_child(n, opts, &children[CHILD_FILE], &s->file, err);
    if (ret == 0) {
        ret = node_open_child(n, opts, &children[CHILD_TARGET], &s->target, err);
    }
    if (ret == 0) {
        ret = find_bitmap(n, opts, &bitmap, err);
    }
    if (ret == 0) {
        ret = io_refresh_length(n); /* The bitmaps are of that length. */
        CHECK(ret == 0);
        s->break_snapshot = strcmp(opts_enum(opts, "on-cbw-error"), "break-snapshot") == 0;
        s->timeout_ns = opts_int(opts, "cbw-timeout") * NS_PER_S;
        ret = make_bitmaps(n, bitmap, err);
    }
    return ret;
}

static void cbw_close(struct node *n)
{
    struct cbw_state *s = node_state(n);
    CHECK(!s->frozen);
    bitmap_release(s->access);
    bitmap_release(s->done);
    block_copy_free(s->copy);
}

/* It is called as its source is, whatever kind of name that has. */
static char *cbw_filename(const struct node *n)
{
    const struct cbw_state *s = node_state(n);
    return node_filename(s->file->node);
}

/* The target is written whatever the guest may do.  The source is no business of others once
 * somebody stands above: what they wrote there would be missing from the past. */
static void cbw_child_perm(const struct node *n, const struct child *c, struct perm_pair parents,
                           struct perm_pair *out)
{
    *out = parents;
    if (c->roles & ROLE_DATA) {
        out->used = PERM_WRITE;
        out->shared = PERM_ALL & ~(uint32_t)PERM_RESIZE;
        return;
    }
    if (node_has_parents_next(n)) {
        out->used |= parents.used & PERM_WRITE ? PERM_CONSISTENT_READ : 0;
        out->shared &= ~(uint32_t)(PERM_WRITE | PERM_RESIZE);
    }
}

static const struct driver_io cbw_io = {
    .write = cbw_change,
    .write_zeroes = cbw_change,
    .discard = cbw_change,
    .flush = cbw_flush,
};
static const struct driver_graph cbw_graph = { .child_perm = cbw_child_perm };
static const struct driver_snapshot cbw_snapshot = {
    .read = past_read,
    .block_status = past_status,
    .discard = past_discard,
    .copy = past_copy,
};

extern const struct blk_driver driver_copy_before_write;

const struct blk_driver driver_copy_before_write = {
    .name = "copy-before-write",
    .help = "copies what is overwritten to a target first",
    .traits = DRV_FILTER | DRV_FOLLOWS,
    .state_size = sizeof(struct cbw_state),
    .options = options,
    .children = children,
    .open = cbw_open,
    .close = cbw_close,
    .filename = cbw_filename,
    .io = &cbw_io,
    .graph = &cbw_graph,
    .snapshot = &cbw_snapshot,
};
