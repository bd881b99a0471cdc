/* SPDX-License-Identifier: MIT */
/* Guest I/O told to the oracles.
 *
 * Use: `io` and `load` do their requests through these; see guest.h.
 *
 * Invariants: (1) a request has one token, the same at begin and end, and tokens grow; (2) what a
 * write shows to the oracles is a copy of the buffer's description, so that a layer that resolves
 * the buffer changes nothing they saw; (3) a backend without a node tells nobody: there is nothing
 * that the request could reach; (4) nothing is allocated.
 */
#include "scenarios/guest.h"

#include "base/check.h"

static void tell_begin(struct guest *g, const struct guest_io *io)
{
    for (size_t i = 0; i < g->oracles_len; i++) {
        const struct oracle *o = &g->oracles[i];
        if (o->ops->guest_begin) {
            o->ops->guest_begin(o->state, io);
        }
    }
}

static void tell_end(struct guest *g, const struct guest_io *io, int ret)
{
    for (size_t i = 0; i < g->oracles_len; i++) {
        const struct oracle *o = &g->oracles[i];
        if (o->ops->guest_end) {
            o->ops->guest_end(o->state, io, ret);
        }
    }
}

/* A request as the oracles see it.  False: nobody is to be told. */
static bool guest_io_init(struct guest *g, struct backend *b, enum guest_op op, int64_t offset,
                          int64_t bytes, uint32_t flags, struct guest_io *io)
{
    if (g->oracles_len == 0) {
        return false;
    }
    const struct node *n = backend_node(b);
    if (!n) {
        return false;
    }
    *io = (struct guest_io){
        .op = op,
        .node = n,
        .layer = inspect_layer(n),
        .offset = offset,
        .bytes = bytes,
        .fua = flags & IO_FUA,
        .token = ++g->tokens,
    };
    return true;
}

int guest_read(struct guest *g, struct backend *b, int64_t offset, struct iobuf *buf,
               uint32_t flags)
{
    struct guest_io io;
    if (!guest_io_init(g, b, GUEST_READ, offset, (int64_t)buf->len, flags, &io)) {
        return backend_read(b, offset, buf, flags);
    }
    io.data = buf;
    tell_begin(g, &io);
    int ret = backend_read(b, offset, buf, flags);
    tell_end(g, &io, ret);
    return ret;
}

int guest_write(struct guest *g, struct backend *b, int64_t offset, struct iobuf *buf,
                uint32_t flags)
{
    struct guest_io io;
    if (!guest_io_init(g, b, GUEST_WRITE, offset, (int64_t)buf->len, flags, &io)) {
        return backend_write(b, offset, buf, flags);
    }
    struct iobuf seen = *buf;
    io.data = &seen;
    tell_begin(g, &io);
    int ret = backend_write(b, offset, buf, flags);
    tell_end(g, &io, ret);
    return ret;
}

int guest_write_zeroes(struct guest *g, struct backend *b, int64_t offset, int64_t bytes,
                       uint32_t flags)
{
    struct guest_io io;
    if (!guest_io_init(g, b, GUEST_ZERO, offset, bytes, flags, &io)) {
        return backend_write_zeroes(b, offset, bytes, flags);
    }
    tell_begin(g, &io);
    int ret = backend_write_zeroes(b, offset, bytes, flags);
    tell_end(g, &io, ret);
    return ret;
}

int guest_discard(struct guest *g, struct backend *b, int64_t offset, int64_t bytes)
{
    struct guest_io io;
    if (!guest_io_init(g, b, GUEST_DISCARD, offset, bytes, 0, &io)) {
        return backend_discard(b, offset, bytes);
    }
    tell_begin(g, &io);
    int ret = backend_discard(b, offset, bytes);
    tell_end(g, &io, ret);
    return ret;
}

int guest_flush(struct guest *g, struct backend *b)
{
    struct guest_io io;
    if (!guest_io_init(g, b, GUEST_FLUSH, 0, 0, 0, &io)) {
        return backend_flush(b);
    }
    tell_begin(g, &io);
    int ret = backend_flush(b);
    tell_end(g, &io, ret);
    return ret;
}

int guest_truncate(struct guest *g, struct backend *b, int64_t length, uint32_t flags,
                   enum io_prealloc prealloc, struct error *err)
{
    struct guest_io io;
    if (!guest_io_init(g, b, GUEST_TRUNCATE, length, 0, flags, &io)) {
        return backend_truncate(b, length, flags, prealloc, err);
    }
    tell_begin(g, &io);
    int ret = backend_truncate(b, length, flags, prealloc, err);
    tell_end(g, &io, ret);
    return ret;
}
