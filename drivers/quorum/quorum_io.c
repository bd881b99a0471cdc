/* SPDX-License-Identifier: MIT */
/* Requests of a quorum: each goes to all children at once.
 *
 *   request -> one half a child, the first on the caller's coroutine -> all have ended
 *           -> enough succeeded? -> read: vote -> the winner's data -> losers told, rewritten
 *
 * In fifo mode a read goes to one child after the other until one can do it.
 *
 * Invariants:
 *  1. A request ends when all its halves have ended: children come and go only between requests.
 *  2. The first child reads into the buffer of the request, the others into bounce buffers.
 *  3. Request structures and buffers are kept: once warm, nothing is allocated for a request.
 */
#include "base/check.h"
#include "base/mem.h"
#include "drivers/quorum/quorum.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { BOUNCE_STEP = 64 << 10, BOUNCE_KEEP = 1 << 20 };

/* When the world has so many, halves go one after the other: quorums over the same quorums double
 * the requests with each level. */
enum { COROUTINES_MAX = 4096 };

struct quorum_bounce {
    struct quorum_bounce *next;
    size_t size;
    unsigned char bytes[];
};

struct half {
    struct quorum_request *q;
    struct child *child;
    struct io_req req;
    struct iobuf buf;
    struct iovec iov;
    struct quorum_bounce *bounce;
};

struct quorum_request {
    struct quorum_request *next;
    struct node *node;
    enum quorum_op op;
    bool silent; /* A failure is nobody's business: rewrites. */
    size_t len, cap;
    size_t running;
    struct co_queue finished;
    struct half *halves;
    int *rets;
    struct iobuf **data; /* For the vote: NULL where there is none. */
    struct quorum_votes votes;
};

/* ---- What is kept ---- */

static void request_free(struct quorum_request *q)
{
    free(q->halves);
    free(q->rets);
    free(q->data);
    free(q->votes.version);
    free(q->votes.count);
    free(q);
}

static struct quorum_request *request_new(size_t cap)
{
    struct quorum_request *q = NEW(struct quorum_request);
    q->cap = cap;
    q->finished.what = "children of a quorum";
    q->halves = NEW_ARRAY(struct half, cap);
    q->rets = NEW_ARRAY(int, cap);
    q->data = NEW_ARRAY(struct iobuf *, cap);
    q->votes.version = NEW_ARRAY(uint32_t, cap);
    q->votes.count = NEW_ARRAY(uint32_t, cap);
    return q;
}

static struct quorum_request *request_get(struct node *n, enum quorum_op op)
{
    struct quorum_state *s = node_state(n);
    size_t children = quorum_children(n);
    struct quorum_request *q = s->idle;
    if (q) {
        s->idle = q->next;
        if (q->cap < children) {
            request_free(q);
            q = NULL;
        }
    }
    q = q ? q : request_new(children);
    q->node = n;
    q->op = op;
    q->silent = false;
    q->len = 0;
    return q;
}

static void bounce_put(struct quorum_state *s, struct quorum_bounce *b)
{
    if (b->size > BOUNCE_KEEP) {
        free(b);
    } else {
        b->next = s->idle_bounce;
        s->idle_bounce = b;
    }
}

static void request_put(struct quorum_request *q)
{
    struct quorum_state *s = node_state(q->node);
    for (size_t i = 0; i < q->len; i++) {
        if (q->halves[i].bounce) {
            bounce_put(s, q->halves[i].bounce);
        }
    }
    q->next = s->idle;
    s->idle = q;
}

/* At least size bytes; zeroed once, so that what a child leaves alone is the same in every run. */
static struct quorum_bounce *bounce_get(struct quorum_state *s, size_t size)
{
    struct quorum_bounce **p = &s->idle_bounce;
    while (*p && (*p)->size < size) {
        p = &(*p)->next;
    }
    struct quorum_bounce *b = *p;
    if (b) {
        *p = b->next;
        return b;
    }
    size = (size + BOUNCE_STEP - 1) / BOUNCE_STEP * BOUNCE_STEP;
    b = mem_zalloc(sizeof(*b) + size);
    b->size = size;
    return b;
}

void quorum_free_requests(struct quorum_state *s)
{
    while (s->idle) {
        struct quorum_request *q = s->idle;
        s->idle = q->next;
        request_free(q);
    }
    while (s->idle_bounce) {
        struct quorum_bounce *b = s->idle_bounce;
        s->idle_bounce = b->next;
        free(b);
    }
}

/* ---- Halves ---- */

/* A half that does req on c, with a copy of its buffer. */
static struct half *add_half(struct quorum_request *q, struct child *c, const struct io_req *req)
{
    CHECK(q->len < q->cap);
    struct half *h = &q->halves[q->len++];
    *h = (struct half){ .q = q, .child = c, .req = *req };
    if (req->buf) {
        h->buf = *req->buf;
        h->req.buf = &h->buf;
    }
    return h;
}

static void do_half(struct half *h)
{
    struct quorum_request *q = h->q;
    const struct io_req *req = &h->req;
    struct io_req below = h->req;
    int ret = io_child(h->child, &below);
    q->rets[h - q->halves] = ret;
    if (ret < 0 && !q->silent) {
        quorum_report_bad(q->node, q->op, h->child->node, req->offset, req->bytes, ret);
    }
}

static void run_half(void *opaque)
{
    struct half *h = opaque;
    struct quorum_request *q = h->q;
    do_half(h);
    if (--q->running == 0) {
        co_queue_wake_all(&q->finished);
    }
}

/* Does all halves; returns how many succeeded. */
static size_t run_halves(struct quorum_request *q)
{
    struct sim *sim = q->node->sim;
    struct co *self = co_self(sim);
    size_t succeeded = 0, i;
    CHECK(self != NULL && q->len > 0);
    q->running = 0;
    for (i = 1; i < q->len && sim->sched.live < COROUTINES_MAX; i++) {
        q->running++;
        co_create(sim, "quorum child", self->iothread, run_half, &q->halves[i]);
    }
    do_half(&q->halves[0]);
    for (; i < q->len; i++) {
        do_half(&q->halves[i]);
    }
    while (q->running > 0) {
        co_queue_wait(sim, &q->finished);
    }
    for (i = 0; i < q->len; i++) {
        succeeded += q->rets[i] == 0;
    }
    return succeeded;
}

/* 0, or what most of the failed children say when there are too many of them. */
static int enough(const struct quorum_request *q, const struct io_req *req, size_t succeeded)
{
    const struct quorum_state *s = node_state(q->node);
    if ((int64_t)succeeded >= s->threshold) {
        return 0;
    }
    quorum_report_failure(q->node, req->offset, req->bytes);
    return quorum_vote_error(q->rets, q->len);
}

/* ---- Reads ---- */

static int compare_all(struct node *n, const struct quorum_request *q, const struct io_req *req)
{
    struct quorum_state *s = node_state(n);
    for (size_t i = 1; i < q->len; i++) {
        const struct iobuf *a = &q->halves[0].buf, *b = &q->halves[i].buf;
        size_t at = iobuf_compare(a, b);
        if (at < a->len) {
            s->mismatches++;
            snprintf(s->message, sizeof(s->message),
                     "quorum: offset=%" PRId64 " bytes=%" PRId64
                     " contents mismatch at offset %" PRId64,
                     req->offset, req->bytes, req->offset + (int64_t)at);
            sim_trace_text(n->sim, TRACE_EVENT, "%s", s->message);
            return -EIO;
        }
    }
    return 0;
}

/* Losers are told the last version first, and of each the last child first: QEMU's order. */
static void report_losers(const struct quorum_request *q, const struct io_req *req)
{
    const struct quorum_votes *v = &q->votes;
    for (uint32_t version = v->versions; version-- > 0;) {
        for (size_t i = q->len; version != v->winner && i-- > 0;) {
            if (q->data[i] && v->version[i] == version) {
                quorum_report_bad(q->node, QUORUM_READ, q->halves[i].child->node, req->offset,
                                  req->bytes, 0);
            }
        }
    }
}

/* Writes the data of the read that was voted on to those who had something else.  Whether it works
 * shows at the next read. */
static void rewrite_losers(const struct quorum_request *voted, const struct io_req *req)
{
    struct quorum_request *q = request_get(voted->node, QUORUM_WRITE);
    struct io_req write = { .op = IO_WRITE, .offset = req->offset, .bytes = req->bytes,
                            .buf = req->buf };
    q->silent = true;
    for (size_t i = 0; i < voted->len; i++) {
        if (voted->data[i] && voted->votes.version[i] != voted->votes.winner) {
            add_half(q, voted->halves[i].child, &write);
        }
    }
    run_halves(q);
    request_put(q);
}

static size_t first_of(const struct quorum_request *q, uint32_t version)
{
    size_t i = 0;
    while (!q->data[i] || q->votes.version[i] != version) {
        i++;
        CHECK(i < q->len);
    }
    return i;
}

static void answer(struct io_req *req, const struct iobuf *data)
{
    if (data->fill.kind != FILL_NONE) {
        iobuf_answer_fill(req->buf, data->fill);
    } else if (data->iov != req->buf->iov) {
        iobuf_copy(req->buf, 0, data);
    }
}

static int vote(struct node *n, struct quorum_request *q, struct io_req *req)
{
    const struct quorum_state *s = node_state(n);
    for (size_t i = 0; i < q->len; i++) {
        q->data[i] = q->rets[i] == 0 ? &q->halves[i].buf : NULL;
    }
    quorum_vote_data(q->data, q->len, &q->votes);
    const struct quorum_votes *v = &q->votes;
    if (v->versions > 1 && v->count[v->winner] < s->threshold) {
        quorum_report_failure(n, req->offset, req->bytes);
        return -EIO;
    }
    answer(req, q->data[first_of(q, v->winner)]);
    if (v->versions > 1) {
        report_losers(q, req);
        if (s->rewrite) {
            rewrite_losers(q, req);
        }
    }
    return 0;
}

static void add_readers(struct node *n, struct quorum_request *q, const struct io_req *req)
{
    struct quorum_state *s = node_state(n);
    for (struct child *c = n->children; c; c = c->next) {
        struct half *h = add_half(q, c, req);
        if (q->len > 1) {
            h->bounce = bounce_get(s, req->buf->len);
            h->buf = iobuf_mem(&h->iov, h->bounce->bytes, req->buf->len);
            h->buf.symbolic = req->buf->symbolic;
        }
    }
}

static int read_all(struct node *n, struct io_req *req)
{
    const struct quorum_state *s = node_state(n);
    struct quorum_request *q = request_get(n, QUORUM_READ);
    add_readers(n, q, req);
    int ret = enough(q, req, run_halves(q));
    if (ret == 0 && s->blkverify) {
        ret = compare_all(n, q, req);
        if (ret == 0) {
            answer(req, &q->halves[0].buf);
        }
    } else if (ret == 0) {
        ret = vote(n, q, req);
    }
    request_put(q);
    return ret;
}

static int read_one_by_one(struct node *n, struct io_req *req)
{
    int ret = -EIO;
    for (struct child *c = n->children; c && ret < 0; c = c->next) {
        struct io_req below = *req;
        ret = io_child(c, &below);
        if (ret < 0) {
            quorum_report_bad(n, QUORUM_READ, c->node, req->offset, req->bytes, ret);
        }
    }
    return ret;
}

int quorum_read(struct node *n, struct io_req *req)
{
    const struct quorum_state *s = node_state(n);
    return s->fifo ? read_one_by_one(n, req) : read_all(n, req);
}

/* ---- Writes, zeroes, flushes ---- */

int quorum_write(struct node *n, struct io_req *req)
{
    struct quorum_request *q = request_get(n, QUORUM_WRITE);
    for (struct child *c = n->children; c; c = c->next) {
        add_half(q, c, req);
    }
    int ret = enough(q, req, run_halves(q));
    request_put(q);
    return ret;
}

int quorum_flush(struct node *n)
{
    const struct quorum_state *s = node_state(n);
    struct quorum_request *q = request_get(n, QUORUM_FLUSH);
    static const struct io_req flush = { .op = IO_FLUSH };
    int64_t succeeded = 0;
    for (struct child *c = n->children; c; c = c->next) {
        struct half *h = add_half(q, c, &flush);
        do_half(h);
        succeeded += q->rets[q->len - 1] == 0;
    }
    int ret = succeeded >= s->threshold ? 0 : quorum_vote_error(q->rets, q->len);
    request_put(q);
    return ret;
}
