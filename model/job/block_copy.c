/* SPDX-License-Identifier: MIT */
/* The copy engine: pieces, and ranges that somebody waits for.  Calls with workers and a speed are
 * in block_copy_call.c.
 *
 *                    take                     look                 run            end
 *   to be copied ----------> under way --------------------------------> (copied) ----> copied
 *        ^   what is copied otherwise ^                                     |
 *        +-----------------------------+------------------------------------+ failed
 *
 * A cluster is in one of three states: its bit is set (to be copied), it is in a piece (under way),
 * or neither.  A piece that ends wakes all who wait for a part of it; they look again.
 *
 * What reads as zeroes is written as zeroes.  Data goes through buffers that stay with the engine:
 * once warm it allocates nothing.
 *
 * Invariants:
 *  1. Pieces do not overlap, and no bit of a piece is set.
 *  2. Pieces are whole clusters, but for the end of the disk.
 *  3. The bitmap's node stays while the engine is there.
 */
#include "model/job/block_copy.h"

#include "model/job/buffer.h"
#include "model/job/block_copy_private.h"
#include "model/job/filter.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* ---- Life ---- */

/* The cluster is the target's, so that no write to it reads the rest of a cluster from below. */
static int64_t choose_cluster(const struct child *target)
{
    struct driver_info info;
    if (node_info(target->node, &info) < 0) {
        node_warn(target->node,
                  "warning: The target block device doesn't provide information about the block "
                  "size and it doesn't have a backing file. The default block size of %d bytes is "
                  "used. If the actual block size of the target exceeds this default, the backup "
                  "may be unusable",
                  COPY_CLUSTER_MIN);
        return COPY_CLUSTER_MIN;
    }
    return MAX(info.cluster_size, COPY_CLUSTER_MIN);
}

int block_copy_create(struct child *source, struct child *target, const struct bitset *bitmap,
                      struct block_copy **out, struct error *err)
{
    int64_t cluster = choose_cluster(target);
    struct dirty_bitmap *b;
    CHECK(cluster > 0 && cluster <= INT32_MAX && (cluster & (cluster - 1)) == 0);
    int ret = bitmap_create(source->node, NULL, (uint32_t)cluster, &b, err);
    if (ret < 0) {
        return ret;
    }
    bitmap_set_enabled(b, false);
    struct block_copy *c = NEW(struct block_copy);
    *c = (struct block_copy){
        .sim = source->node->sim,
        .source = source,
        .target = target,
        .node = node_ref(source->node),
        .bitmap = b,
        .cluster = cluster,
        .chunk = MAX(cluster, COPY_CHUNK_MAX),
        .length = source->node->length,
        .buffer_wait = { .what = "copy buffer" },
    };
    c->node->held++; /* Not an edge: nobody else sees this reference. */
    if (bitmap) {
        CHECK(bitset_length(bitmap) == c->length);
        bitset_merge(bitmap_set(b), bitmap);
    } else {
        bitset_set(bitmap_set(b), 0, c->length);
    }
    /* What is read from the target may come from the source below it: a copy waits until that has
     * been read, as the source changes after it. */
    if (node_chain_contains(target->node, source->node)) {
        c->write_flags = IO_SERIALISING;
    }
    *out = c;
    return 0;
}

void block_copy_free(struct block_copy *c)
{
    CHECK(c->busy == 0 && !c->pieces && !c->calls);
    bitmap_release(c->bitmap);
    while (c->buffers) {
        struct copy_buffer *b = c->buffers;
        c->buffers = b->next;
        job_buffer_give(c->node->layer, b->memory, b->size);
        free(b);
    }
    c->node->held--;
    node_unref(c->node);
    while (c->timed) {
        struct copy_timed *t = c->timed;
        c->timed = t->next;
        free(t);
    }
    free(c);
}

int64_t block_copy_cluster_size(const struct block_copy *c)
{
    return c->cluster;
}

int64_t block_copy_length(const struct block_copy *c)
{
    return c->length;
}

struct bitset *block_copy_todo(struct block_copy *c)
{
    return bitmap_set(c->bitmap);
}

struct dirty_bitmap *block_copy_bitmap(struct block_copy *c)
{
    return c->bitmap;
}

int64_t block_copy_in_flight(const struct block_copy *c)
{
    return c->in_flight;
}

void block_copy_set_skip_unallocated(struct block_copy *c, bool on)
{
    c->skip_unallocated = on;
}

void block_copy_set_write_flags(struct block_copy *c, uint32_t flags)
{
    c->write_flags = flags;
    if (flags & IO_COMPRESSED) {
        c->chunk = c->cluster; /* A cluster is compressed by itself. */
    }
}

uint32_t block_copy_write_flags(const struct block_copy *c)
{
    return c->write_flags;
}

void block_copy_set_progress(struct block_copy *c, void (*fn)(void *opaque, int64_t bytes),
                             void *opaque)
{
    c->progress = fn;
    c->progress_opaque = opaque;
}

static void tell_progress(struct block_copy *c, int64_t bytes)
{
    if (c->progress) {
        c->progress(c->progress_opaque, bytes);
    }
}

/* ---- Pieces ---- */

bool copy_piece_take(struct block_copy *c, struct copy_piece *p, int64_t offset, int64_t end,
                     int64_t max)
{
    struct bitset *todo = block_copy_todo(c);
    int64_t at, bytes;
    end = MIN(round_up(end, c->cluster), bitset_length(todo)); /* The source may have grown. */
    CHECK(offset % c->cluster == 0 && max % c->cluster == 0);
    if (offset >= end || !bitset_next_area(todo, offset, end - offset, max, &at, &bytes)) {
        return false;
    }
    CHECK(at % c->cluster == 0);
    bitset_clear(todo, at, bytes);
    *p = (struct copy_piece){ .offset = at, .bytes = bytes, .next = c->pieces };
    p->waiters.what = "copy of an overlapping range";
    if (c->pieces) {
        c->pieces->prev = p;
    }
    c->pieces = p;
    c->in_flight += bytes;
    return true;
}

/* [offset, offset + bytes) is to be copied after all. */
static void give_back(struct block_copy *c, int64_t offset, int64_t bytes)
{
    struct bitset *todo = block_copy_todo(c);
    int64_t end = MIN(offset + bytes, bitset_length(todo)); /* It may have got shorter. */
    if (offset < end) {
        bitset_set(todo, offset, end - offset);
    }
}

static void piece_cut(struct block_copy *c, struct copy_piece *p, int64_t bytes)
{
    if (bytes >= p->bytes) {
        return;
    }
    CHECK(bytes > 0 && bytes % c->cluster == 0);
    give_back(c, p->offset + bytes, p->bytes - bytes);
    c->in_flight -= p->bytes - bytes;
    p->bytes = bytes;
    co_queue_wake_all(&p->waiters); /* What they want may be free now. */
}

void copy_piece_end(struct block_copy *c, struct copy_piece *p, int ret)
{
    *(p->prev ? &p->prev->next : &c->pieces) = p->next;
    if (p->next) {
        p->next->prev = p->prev;
    }
    c->in_flight -= p->bytes;
    CHECK(c->in_flight >= 0);
    if (ret < 0) {
        give_back(c, p->offset, p->bytes);
    }
    co_queue_wake_all(&p->waiters);
    if (ret != -EAGAIN) {
        tell_progress(c, ret < 0 ? 0 : p->bytes);
    }
}

bool copy_wait(struct block_copy *c, int64_t offset, int64_t end)
{
    for (struct copy_piece *p = c->pieces; p; p = p->next) {
        if (p->offset < end && offset < p->offset + p->bytes) {
            co_queue_wait(c->sim, &p->waiters);
            return true;
        }
    }
    return false;
}

/* ---- What the source has ---- */

/* Where looking for allocated data ends: what lies below the source. */
static const struct node *below_source(const struct block_copy *c)
{
    return node_backing_chain_next(node_skip_filters(c->source->node));
}

/* The status of whole clusters from offset on: of one when they are mixed, or cannot be told. */
static uint32_t status_of(const struct block_copy *c, int64_t offset, int64_t *bytes)
{
    struct io_extent e;
    const struct node *base = c->skip_unallocated ? below_source(c) : NULL;
    int64_t asked = *bytes;
    int ret = io_status_above(c->source->node, base, offset, asked, &e);
    if (ret == 0 && e.bytes > 0 && offset + e.bytes >= c->source->node->length) {
        *bytes = MIN(round_up(e.bytes, c->cluster), asked);
        return e.flags;
    }
    if (ret < 0 || e.bytes < MIN(c->cluster, asked)) {
        *bytes = MIN(c->cluster, asked);
        return STATUS_DATA | STATUS_ALLOCATED;
    }
    *bytes = e.bytes < asked ? e.bytes & ~(c->cluster - 1) : asked;
    return e.flags;
}

enum copy_how copy_piece_look(struct block_copy *c, struct copy_piece *p)
{
    int64_t bytes = p->bytes;
    uint32_t flags = status_of(c, p->offset, &bytes);
    piece_cut(c, p, bytes);
    if (c->skip_unallocated && !(flags & STATUS_ALLOCATED)) {
        return COPY_SKIP;
    }
    return flags & STATUS_ZERO ? COPY_ZERO : COPY_DATA;
}

/* Whether something of the cluster at offset is allocated, and how far from there, in clusters,
 * that is so. */
static int clusters_allocated(const struct block_copy *c, int64_t offset, int64_t *bytes)
{
    const struct node *base = below_source(c);
    int64_t end = MIN(c->source->node->length, c->length);
    struct io_extent e;
    int64_t at = offset;
    while (at < end) {
        int ret = io_status_above(c->source->node, base, at, end - at, &e);
        if (ret < 0) {
            return ret;
        }
        int64_t cluster_end = MIN((at & ~(c->cluster - 1)) + c->cluster, end);
        bool allocated = e.flags & STATUS_ALLOCATED;
        int64_t extent_end = e.bytes > 0 ? at + e.bytes : end;
        if (allocated) {
            if (at - offset >= c->cluster) {
                break; /* Clusters before this one have nothing. */
            }
            *bytes = MAX(round_up(MIN(extent_end, end), c->cluster), cluster_end) - offset;
            return 1;
        }
        at = extent_end;
    }
    int64_t clear_end = at >= end ? round_up(end, c->cluster) : at & ~(c->cluster - 1);
    *bytes = clear_end - offset;
    return 0;
}

int block_copy_reset_unallocated(struct block_copy *c, int64_t offset, int64_t *bytes)
{
    struct bitset *todo = block_copy_todo(c);
    CHECK(offset % c->cluster == 0 && offset < c->length);
    int ret = clusters_allocated(c, offset, bytes);
    if (ret < 0) {
        return ret;
    }
    *bytes = MIN(*bytes, c->length - offset);
    CHECK(*bytes > 0);
    int64_t end = MIN(offset + *bytes, bitset_length(todo));
    if (ret == 0 && offset < end) {
        bitset_clear(todo, offset, end - offset);
        tell_progress(c, 0);
    }
    return ret;
}

/* ---- Copying ---- */

static struct copy_buffer *buffer_get(struct block_copy *c)
{
    while (!c->buffers && c->buffers_made == COPY_BUFFERS_MAX) {
        co_queue_wait(c->sim, &c->buffer_wait);
    }
    struct copy_buffer *b = c->buffers;
    if (b) {
        c->buffers = b->next;
        return b;
    }
    b = mem_alloc(sizeof(*b));
    b->size = (size_t)c->chunk;
    b->memory = job_buffer_take(c->node->layer, b->size);
    c->buffers_made++;
    return b;
}

static void buffer_put(struct block_copy *c, struct copy_buffer *b)
{
    b->next = c->buffers;
    c->buffers = b;
    co_queue_wake_one(&c->buffer_wait);
}

static int copy_data(struct block_copy *c, int64_t offset, int64_t bytes, bool *error_is_read)
{
    struct copy_buffer *b = buffer_get(c);
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, b->memory, (size_t)bytes);
    buf.symbolic = true;
    iobuf_take_blocks(&buf, &b->blocks);
    int ret = io_read(c->source, offset, &buf, 0);
    *error_is_read = ret < 0;
    if (ret == 0) {
        ret = io_write(c->target, offset, &buf, c->write_flags);
    }
    iobuf_blocks_drop(&b->blocks);
    buffer_put(c, b);
    return ret;
}

int copy_piece_run(struct block_copy *c, const struct copy_piece *p, enum copy_how how,
                   bool *error_is_read)
{
    int64_t bytes = MIN(p->offset + p->bytes, c->length) - p->offset;
    *error_is_read = false;
    if (how == COPY_SKIP || bytes <= 0) {
        return 0;
    }
    if (how == COPY_DATA) {
        return copy_data(c, p->offset, bytes, error_is_read);
    }
    struct io_req zero = { .op = IO_WRITE_ZEROES,
                           .flags = c->write_flags & ~(uint32_t)IO_COMPRESSED,
                           .offset = p->offset,
                           .bytes = bytes };
    return io_child(c->target, &zero);
}

/* ---- Ranges that somebody waits for ---- */

static int copy_range(struct block_copy *c, int64_t offset, int64_t end, bool *error_is_read)
{
    struct copy_piece p;
    *error_is_read = false;
    for (;;) {
        if (copy_piece_take(c, &p, offset, end, c->chunk)) {
            enum copy_how how = copy_piece_look(c, &p);
            int ret = copy_piece_run(c, &p, how, error_is_read);
            copy_piece_end(c, &p, ret);
            if (ret < 0) {
                return ret;
            }
        } else if (!copy_wait(c, offset, end)) {
            return 0;
        }
    }
}

static struct copy_timed *timed_new(struct block_copy *c)
{
    struct copy_timed *t = c->timed;
    if (t) {
        c->timed = t->next;
    } else {
        t = NEW(struct copy_timed);
    }
    *t = (struct copy_timed){ .c = c };
    return t;
}

static void timed_free(struct copy_timed *t)
{
    struct block_copy *c = t->c;
    t->next = c->timed;
    c->timed = t;
}

static void timed_wake(void *opaque)
{
    struct copy_timed *t = opaque;
    struct co *co = t->waiter;
    t->waiter = NULL;
    if (co) {
        co_wake(co);
    }
}

static void timed_main(void *opaque)
{
    struct copy_timed *t = opaque;
    struct block_copy *c = t->c;
    struct node *owner = c->source->parent; /* It does not close before this has ended. */
    t->ret = copy_range(c, t->offset, t->end, &t->error_is_read);
    t->done = true;
    if (t->given_up) {
        timed_free(t);
    } else {
        timed_wake(t);
    }
    c->busy--;
    if (owner) {
        io_leave(owner);
    }
}

static int copy_range_timed(struct block_copy *c, int64_t offset, int64_t end, int64_t timeout_ns,
                            bool *error_is_read)
{
    struct copy_timed *t = timed_new(c);
    struct co *self = co_self(c->sim);
    int64_t now = sim_now_ns(c->sim);
    t->offset = offset;
    t->end = end;
    if (c->source->parent) {
        io_enter(c->source->parent);
    }
    c->busy++;
    timer_init(&t->timer, timed_wake, t);
    timer_set(&c->sim->clock, &t->timer, timeout_ns > INT64_MAX - now ? INT64_MAX
                                                                        : now + timeout_ns);
    co_create(c->sim, "copy", self->iothread, timed_main, t);
    t->waiter = self;
    co_yield(c->sim, "copy before write", c);
    timer_cancel(&c->sim->clock, &t->timer);
    if (!t->done) {
        t->given_up = true;
        *error_is_read = false;
        return -ETIMEDOUT;
    }
    int ret = t->ret;
    *error_is_read = t->error_is_read;
    timed_free(t);
    return ret;
}

/* Whether there is something to do, or to wait for. */
static bool is_copied(struct block_copy *c, int64_t offset, int64_t end)
{
    for (const struct copy_piece *p = c->pieces; p; p = p->next) {
        if (p->offset < end && offset < p->offset + p->bytes) {
            return false;
        }
    }
    return offset >= end || bitset_next_set(block_copy_todo(c), offset, end - offset) < 0;
}

int block_copy_range(struct block_copy *c, int64_t offset, int64_t bytes, int64_t timeout_ns,
                     bool *error_is_read)
{
    int64_t start = offset & ~(c->cluster - 1);
    int64_t end = MIN(round_up(offset + bytes, c->cluster), bitset_length(block_copy_todo(c)));
    *error_is_read = false;
    if (is_copied(c, start, end)) {
        return 0;
    }
    if (timeout_ns > 0) {
        return copy_range_timed(c, start, end, timeout_ns, error_is_read);
    }
    c->busy++;
    int ret = copy_range(c, start, end, error_is_read);
    c->busy--;
    return ret;
}
