/* SPDX-License-Identifier: MIT */
/* A node of a storage daemon as the medium of io commands: an export and a connection to it.
 *
 * The bounds of a request are checked here, as qemu-io's are by its backend: NBD has other errors
 * for what lies beyond the end.  Requests are cut into pieces that NBD can carry. */
#include "scenarios/real/nbd_private.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/real/real_private.h"

#include <errno.h>
#include <stdlib.h>

enum { RANGE_MAX = 1 << 30, DATA_MAX = 256 << 20 };
#define STATUS_MAX (INT64_C(4096) * RANGE_MAX)

static struct nbd_medium *medium_of(struct io_medium *m)
{
    CHECK(m != NULL);
    return (struct nbd_medium *)m;
}

/* ---- the export ---- */

int nbd_medium_open(struct nbd_medium *m, uint32_t perm, struct error *err)
{
    bool writable = perm & PERM_WRITE;
    if (m->lent || (m->export && (m->export->writable || !writable))) {
        return 0;
    }
    struct nbd_export *e = NULL;
    struct error own = ERROR_INIT;
    int ret = nbd_export_add(m->io, m->node, writable, &e, &own);
    if (ret < 0 && ret != -ENOMEDIUM) {
        error_set(err, ret, "%s", own.text);
    }
    if (ret == 0) {
        nbd_medium_close(m); /* The one that it had was for reading only. */
        m->export = e;
        m->link = nbd_export_connect(m->io, e, err);
        ret = m->link ? 0 : -ENOTSUP;
    }
    if (ret == -ENOTSUP && !m->link) {
        m->call->skip = NBD_IO_SKIP;
    }
    m->silent |= ret == -ETIME || ret == -EPIPE;
    m->no_medium = ret == -ENOMEDIUM ? ret : 0;
    return m->no_medium ? 0 : ret;
}

/* The export goes first: a daemon does not survive it when a client leaves a node that is in an
 * iothread. */
void nbd_medium_close(struct nbd_medium *m)
{
    if (m->export && !m->lent) {
        nbd_export_del(m->io, m->export);
    }
    if (m->link) {
        m->io->net->close(m->link);
    }
    m->link = NULL;
    m->export = NULL;
}

static int nbd_take_perm(struct io_medium *m, uint32_t perm, struct error *err)
{
    if (perm & PERM_RESIZE) {
        return 0; /* block_resize sees to it. */
    }
    return nbd_medium_open(medium_of(m), perm, err);
}

/* ---- requests ---- */

/* Says what came of a request. */
static int told(struct nbd_medium *m, int ret)
{
    m->silent |= ret == -ETIME;
    m->broken |= ret == -EPIPE;
    return ret;
}

/* It would take too long, or too many requests. */
static int too_much(struct nbd_medium *m)
{
    m->call->skip = NBD_IO_SKIP;
    return -ENOTSUP;
}

/* 0: there is something to do; 1: nothing; -errno. */
static int check_range(const struct nbd_medium *m, int64_t offset, int64_t bytes)
{
    if (m->no_medium) {
        return m->no_medium;
    }
    int64_t length = m->io->net->length(m->link);
    if (offset < 0 || bytes < 0 || offset > length || bytes > length - offset) {
        return -EIO;
    }
    return bytes == 0;
}

static int nbd_read(struct io_medium *base, int64_t offset, struct iobuf *buf, uint32_t flags)
{
    struct nbd_medium *m = medium_of(base);
    int ret = check_range(m, offset, (int64_t)buf->len);
    CHECK(flags == 0);
    if (ret == 0 && buf->len > DATA_MAX) {
        return too_much(m);
    }
    if (ret != 0) {
        return MIN(ret, 0);
    }
    size_t room = MIN(buf->len, (size_t)NBD_PIECE_MAX);
    char *piece = mem_alloc(room);
    for (size_t at = 0; at < buf->len && ret == 0; at += room) {
        size_t n = MIN(room, buf->len - at);
        ret = m->io->net->read(m->link, offset + (int64_t)at, piece, n);
        if (ret == 0) {
            iobuf_copy_in(buf, at, piece, n);
        }
    }
    free(piece);
    return told(m, ret);
}

static int nbd_write(struct io_medium *base, int64_t offset, struct iobuf *buf, uint32_t flags)
{
    struct nbd_medium *m = medium_of(base);
    int ret = check_range(m, offset, (int64_t)buf->len);
    if (flags & IO_COMPRESSED) {
        m->call->skip = NBD_IO_SKIP;
        return -ENOTSUP;
    }
    if (ret == 0 && buf->len > DATA_MAX) {
        return too_much(m);
    }
    if (ret != 0) {
        return MIN(ret, 0);
    }
    size_t room = MIN(buf->len, (size_t)NBD_PIECE_MAX);
    char *piece = mem_alloc(room);
    for (size_t at = 0; at < buf->len && ret == 0; at += room) {
        size_t n = MIN(room, buf->len - at);
        iobuf_copy_out(buf, at, piece, n);
        ret = m->io->net->write(m->link, offset + (int64_t)at, piece, n, flags);
    }
    free(piece);
    return told(m, ret);
}

static int nbd_write_zeroes(struct io_medium *base, int64_t offset, int64_t bytes, uint32_t flags)
{
    struct nbd_medium *m = medium_of(base);
    int ret = check_range(m, offset, bytes);
    for (int64_t at = 0; ret == 0 && at < bytes; at += RANGE_MAX) {
        ret = m->io->net->zero(m->link, offset + at, MIN(RANGE_MAX, bytes - at), flags);
    }
    return told(m, MIN(ret, 0));
}

static int nbd_discard(struct io_medium *base, int64_t offset, int64_t bytes)
{
    struct nbd_medium *m = medium_of(base);
    int ret = check_range(m, offset, bytes);
    for (int64_t at = 0; ret == 0 && at < bytes; at += RANGE_MAX) {
        ret = m->io->net->trim(m->link, offset + at, MIN(RANGE_MAX, bytes - at));
    }
    return told(m, MIN(ret, 0));
}

static int nbd_flush(struct io_medium *base)
{
    struct nbd_medium *m = medium_of(base);
    return m->no_medium ? m->no_medium : told(m, m->io->net->flush(m->link));
}

/* Whether qemu-io could write there: it asks for that and for resizing, block_resize only for the
 * latter.  Who does not share writing does not share resizing either. */
static int check_writable(struct nbd_medium *m, struct error *err)
{
    static const char one[] = "permissions 'write'", both[] = "permissions 'write, resize'";
    struct error refusal = ERROR_INIT;
    struct nbd_export *e = NULL;
    int ret = nbd_export_add(m->io, m->node, true, &e, &refusal);
    if (ret == 0) {
        nbd_export_del(m->io, e);
        return 0;
    }
    if (ret == -ENOTSUP) {
        return 0; /* block_resize says it. */
    }
    const char *at = strstr(refusal.text, one);
    if (!at) {
        return error_set(err, ret, "%s", refusal.text);
    }
    return error_set(err, ret, "%.*s%s%s", (int)(at - refusal.text), refusal.text, both,
                     at + sizeof(one) - 1);
}

static int nbd_truncate(struct io_medium *base, int64_t length, enum io_prealloc prealloc,
                        struct error *err)
{
    struct nbd_medium *m = medium_of(base);
    json_t *reply = NULL;
    if (prealloc != PREALLOC_OFF) {
        m->call->skip = NBD_IO_SKIP;
        return error_set(err, -ENOTSUP, "preallocation is not possible over NBD");
    }
    nbd_medium_close(m); /* It would forbid the resizing. */
    int ret = check_writable(m, err);
    if (ret < 0) {
        return ret;
    }
    json_t *args = json_pack("{s:s, s:I}", "node-name", m->node, "size", (json_int_t)length);
    CHECK(args != NULL);
    ret = m->io->cfg.exchange(m->io->cfg.opaque, "block_resize", args, &reply);
    const json_t *error = json_object_get(reply, "error");
    const char *text = json_string_value(json_object_get(error, "desc"));
    m->silent |= ret == -ETIME || ret == -EPIPE;
    if (ret < 0 || text) {
        ret = error_set(err, ret < 0 ? ret : -EINVAL, "%s", text ? text : "no answer");
    }
    json_decref(reply);
    return ret;
}

static int64_t nbd_length(struct io_medium *base)
{
    struct nbd_medium *m = medium_of(base);
    return m->no_medium ? m->no_medium : m->io->net->length(m->link);
}

static int nbd_is_allocated(struct io_medium *base, int64_t offset, int64_t bytes, int64_t *pnum)
{
    struct nbd_medium *m = medium_of(base);
    uint32_t depth = 0;
    if (m->no_medium) {
        return m->no_medium;
    }
    if (bytes > STATUS_MAX) {
        return too_much(m);
    }
    int ret = told(m, m->io->net->depth(m->link, offset, MIN(bytes, RANGE_MAX), &depth, pnum));
    return ret < 0 ? ret : depth == 1;
}

/* ---- what goes on by itself ---- */

/* In a process of the request's own, which ends behind it, or where nothing can wait. */
static void nbd_submit(struct io_medium *base, struct target_call *call, struct io_aio *a)
{
    struct nbd_medium *m = medium_of(base);
    struct iobuf buf = { 0 };
    CHECK(m->lent || m->no_medium);
    int ret = io_aio_transfer(a, base, &buf);
    io_aio_result(a, &buf, ret, base->ops->now_ns(base), &call->output);
    io_aio_free(a);
}

static void nbd_aio_flush(struct io_medium *base, struct target_call *call)
{
    struct nbd_medium *m = medium_of(base);
    m->silent |= nbd_jobs_wait(m->io, m->node, call) < 0;
}

static int64_t nbd_now_ns(struct io_medium *base)
{
    CHECK(base != NULL);
    return real_clock_ns();
}

static void nbd_sleep(struct io_medium *base, int64_t ns)
{
    struct nbd_medium *m = medium_of(base);
    int64_t until_ns = nbd_now_ns(base) + ns, left_ns;
    while ((left_ns = until_ns - nbd_now_ns(base)) > 0) {
        if (m->lent) {
            real_pause(left_ns);
        } else {
            m->io->cfg.wait(m->io->cfg.opaque, left_ns);
        }
    }
}

static const struct io_medium_ops nbd_ops = {
    .take_perm = nbd_take_perm,
    .read = nbd_read,
    .write = nbd_write,
    .write_zeroes = nbd_write_zeroes,
    .discard = nbd_discard,
    .flush = nbd_flush,
    .truncate = nbd_truncate,
    .length = nbd_length,
    .is_allocated = nbd_is_allocated,
    .submit = nbd_submit,
    .aio_flush = nbd_aio_flush,
    .now_ns = nbd_now_ns,
    .sleep = nbd_sleep,
};

void nbd_medium_init(struct nbd_medium *m, struct nbd_io *n, const char *node,
                     struct target_call *call)
{
    *m = (struct nbd_medium){ .base = { .ops = &nbd_ops }, .io = n, .node = node, .call = call };
}
