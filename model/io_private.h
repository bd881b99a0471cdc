/* Between the files of the I/O path: for model/ only. */
#ifndef MODEL_IO_PRIVATE_H
#define MODEL_IO_PRIVATE_H

#include "base/check.h"
#include "base/mem.h"
#include "model/drain.h"
#include "model/io.h"
#include "model/node.h"

/* A request is on its way through n: the node does not close meanwhile. */
static inline void io_enter(struct node *n)
{
    n->in_flight++;
}

static inline void io_leave(struct node *n)
{
    CHECK(n->in_flight > 0);
    if (--n->in_flight > 0) {
        return;
    }
    if (!co_queue_empty(&n->drained)) {
        co_queue_wake_all(&n->drained);
    }
    if (n->quiesce > 0) {
        drain_progress(n->layer);
    }
}

/* Tracking (io_track.c).  t lives on the caller's stack from begin to end. */
static inline void track_begin(struct node *n, struct tracked *t, enum io_op op, int64_t offset,
                               int64_t bytes)
{
    t->op = op; /* Member by member: cheaper than clearing all of it. */
    t->serialising = false;
    t->offset = t->overlap_offset = offset;
    t->bytes = t->overlap_bytes = bytes;
    t->waiting_for = NULL;
    t->waiters = (struct co_queue){ .what = "overlapping request" };
    t->prev = NULL;
    t->next = n->tracked;
    if (n->tracked) {
        n->tracked->prev = t;
    }
    n->tracked = t;
}

void track_end_slow(struct node *n, struct tracked *t);

static inline void track_end(struct node *n, struct tracked *t)
{
    *(t->prev ? &t->prev->next : &n->tracked) = t->next;
    if (t->next) {
        t->next->prev = t->prev;
    }
    if (t->serialising || !co_queue_empty(&t->waiters)) {
        track_end_slow(n, t);
    }
}

/* Lets t exclude all that overlaps its range, rounded out to align (a power of two). */
void track_serialise(struct node *n, struct tracked *t, uint64_t align);

/* Waits for requests that t may not pass: those overlapping where either is serialising. */
void track_wait_slow(struct node *n, struct tracked *t);
static inline void track_wait(struct node *n, struct tracked *t)
{
    if (n->serialising) {
        track_wait_slow(n, t);
    }
}

/* Operations on a node, range already checked, request tracked (io.c). */
int io_read_aligned(struct node *n, struct tracked *t, struct io_req *req);
int io_write_aligned(struct node *n, struct tracked *t, struct io_req *req);
/* The driver's function, with its defaults; FUA and fallbacks are the caller's. */
int io_drv_read(struct node *n, struct io_req *req);
int io_drv_write(struct node *n, struct io_req *req);

/* Whether the driver has a function for zeroes, of its own or of what it stands for. */
bool io_drv_can_zero(const struct node *n);

/* Reads that copy what only lies below, and reads without data (io_cor.c). */
int io_read_cor(struct node *n, struct tracked *t, struct io_req *req);
int io_prefetch(struct node *n, struct io_req *req);

/* Reads and writes that are not aligned (io_pad.c). */
int io_read_padded(struct node *n, struct io_req *req);
int io_write_padded(struct node *n, struct io_req *req);

/* io_zero.c */
int io_do_write_zeroes(struct node *n, struct io_req *req);
int io_write_zeroes_aligned(struct node *n, int64_t offset, int64_t bytes, uint32_t flags);
int io_do_discard(struct node *n, struct io_req *req);

/* io_flush.c */
int io_do_flush(struct node *n);
/* [io] Flush without a parent: when a node closes. */
void io_flush_node(struct node *n);

/* io_resize.c */
int io_do_truncate(struct node *n, struct io_req *req, struct error *err);

/* n's length is another: tells its parents, and theirs where that changes their own. */
void io_tell_length(struct node *n);

/* Emits BLOCK_WRITE_THRESHOLD when req goes beyond the threshold, which it then clears
 * (write_threshold.c). */
void io_check_threshold(struct node *n, const struct io_req *req);

/* Before a write, zero or discard reaches the driver. */
static inline void io_write_prepare(struct node *n, struct tracked *t, const struct io_req *req)
{
    track_wait(n, t);
    if (n->write_threshold) {
        io_check_threshold(n, req);
    }
}

/* After a write, zero or discard reached the driver. */
void io_write_finish(struct node *n, const struct io_req *req, int ret);

static inline void node_event(struct node *n, const char *name)
{
    if (n->drv->event) {
        n->drv->event(n, name);
    }
}

static inline bool io_is_aligned(const struct node *n, const struct io_req *req)
{
    return ((req->offset | req->bytes) & (int64_t)(n->limits.request_alignment - 1)) == 0;
}

#endif
