/* SPDX-License-Identifier: MIT */
/* Guest I/O told to the oracles.
 *
 * Use: `io` and `load` do their requests through these; see guest.h.
 *
 * Invariants: (1) an attempt of a request has one token, the same at begin and end, and tokens
 * grow; (2) what a write shows to the oracles is a copy of the buffer's description, so that a
 * layer that resolves the buffer changes nothing they saw; (3) only what reaches a medium is told,
 * with the node that is the medium from begin to end; (4) nothing is allocated.
 */
#include "scenarios/guest.h"

#include "base/check.h"

/* One request on its way. */
struct told {
    struct guest *g;
    struct guest_io io;
};

static void tell_begin(void *opaque, struct node *n)
{
    struct told *t = opaque;
    t->io.node = n;
    t->io.layer = inspect_layer(n);
    t->io.token = ++t->g->tokens;
    for (size_t i = 0; i < t->g->oracles_len; i++) {
        const struct oracle *o = &t->g->oracles[i];
        if (o->ops->guest_begin) {
            o->ops->guest_begin(o->state, &t->io);
        }
    }
}

static void tell_end(void *opaque, int ret)
{
    struct told *t = opaque;
    for (size_t i = 0; i < t->g->oracles_len; i++) {
        const struct oracle *o = &t->g->oracles[i];
        if (o->ops->guest_end) {
            o->ops->guest_end(o->state, &t->io, ret);
        }
    }
}

static int request(struct guest *g, const struct guest_port *p, enum guest_op op,
                   struct io_req *req, struct error *err)
{
    struct iobuf seen;
    struct told t = { .g = g,
                      .io = { .op = op,
                              .offset = req->offset,
                              .bytes = req->bytes,
                              .fua = req->flags & IO_FUA,
                              .data = req->buf } };
    struct backend_watch watch = { .begin = tell_begin, .end = tell_end, .opaque = &t };
    struct backend_watch *w = g->oracles_len > 0 ? &watch : NULL;
    if (op == GUEST_WRITE) {
        seen = *req->buf;
        t.io.data = &seen;
    }
    if (p->device && op != GUEST_TRUNCATE) {
        return device_request(p->device, req, w);
    }
    return backend_request(p->backend, req, w, err);
}

int guest_read(struct guest *g, const struct guest_port *p, int64_t offset, struct iobuf *buf,
               uint32_t flags)
{
    struct io_req r = { IO_READ, flags, offset, (int64_t)buf->len, buf, PREALLOC_OFF };
    return request(g, p, GUEST_READ, &r, NULL);
}

int guest_write(struct guest *g, const struct guest_port *p, int64_t offset, struct iobuf *buf,
                uint32_t flags)
{
    struct io_req r = { IO_WRITE, flags, offset, (int64_t)buf->len, buf, PREALLOC_OFF };
    return request(g, p, GUEST_WRITE, &r, NULL);
}

int guest_write_zeroes(struct guest *g, const struct guest_port *p, int64_t offset, int64_t bytes,
                       uint32_t flags)
{
    struct io_req r = { IO_WRITE_ZEROES, flags, offset, bytes, NULL, PREALLOC_OFF };
    return request(g, p, GUEST_ZERO, &r, NULL);
}

int guest_discard(struct guest *g, const struct guest_port *p, int64_t offset, int64_t bytes)
{
    struct io_req r = { IO_DISCARD, 0, offset, bytes, NULL, PREALLOC_OFF };
    return request(g, p, GUEST_DISCARD, &r, NULL);
}

int guest_flush(struct guest *g, const struct guest_port *p)
{
    struct io_req r = { .op = IO_FLUSH };
    return request(g, p, GUEST_FLUSH, &r, NULL);
}

int guest_truncate(struct guest *g, const struct guest_port *p, int64_t length, uint32_t flags,
                   enum io_prealloc prealloc, struct error *err)
{
    struct io_req r = { IO_TRUNCATE, flags, length, 0, NULL, prealloc };
    CHECK(prealloc <= PREALLOC_FULL);
    return request(g, p, GUEST_TRUNCATE, &r, err);
}
