/* Between the files of the copy engine. */
#ifndef MODEL_JOB_BLOCK_COPY_PRIVATE_H
#define MODEL_JOB_BLOCK_COPY_PRIVATE_H

#include "base/check.h"
#include "base/mem.h"
#include "model/dirty_bitmap.h"
#include "model/io_private.h"
#include "model/job/block_copy.h"
#include "sim/clock.h"

enum {
    COPY_CLUSTER_MIN = 64 << 10,
    COPY_CHUNK_MAX = 1 << 20,   /* Bytes in one go, unless a cluster is longer. */
    COPY_BUFFERS_MAX = 128,     /* Of that length, in use at a time. */
    COPY_SLICE_NS = 100 * 1000 * 1000, /* Speed counts in slices of this length. */
};

struct copy_buffer {
    struct copy_buffer *next; /* In c->buffers. */
    char *memory;
    size_t size;              /* Bytes: c->chunk when it was made. */
    struct iobuf_blocks blocks; /* What is copied without its bytes. */
};

/* A stretch under way: whole clusters, the last one up to the end. */
struct copy_piece {
    int64_t offset, bytes;
    struct co_queue waiters; /* Who wants a part of it. */
    struct copy_piece *prev, *next;
};

/* How a piece gets to the target. */
enum copy_how { COPY_SKIP, COPY_ZERO, COPY_DATA };

/* A range with a time limit; lives as long as its coroutine or its caller. */
struct copy_timed {
    struct block_copy *c;
    int64_t offset, end;
    int ret;
    bool error_is_read;
    bool done, given_up;
    struct co *waiter; /* NULL: nobody is to be woken. */
    struct timer timer;
    struct copy_timed *next; /* In c->timed. */
};

struct block_copy {
    struct sim *sim;
    struct child *source, *target;
    struct node *node;            /* That has the bitmap: held, as the source may be led away. */
    struct dirty_bitmap *bitmap;  /* What is still to be copied. */
    int64_t cluster, chunk, length;
    bool skip_unallocated;
    uint32_t write_flags;
    void (*progress)(void *opaque, int64_t bytes);
    void *progress_opaque;
    struct copy_piece *pieces;    /* Under way. */
    int64_t in_flight;            /* Their bytes. */
    uint32_t busy;                /* Calls and ranges that have not ended. */
    struct copy_buffer *buffers;  /* Free ones. */
    uint32_t buffers_made;
    struct co_queue buffer_wait;
    struct copy_timed *timed;     /* Free ones. */
    struct block_copy_call *calls;
    uint64_t speed;               /* 0: no limit. */
    int64_t slice_start_ns, slice_end_ns;
    uint64_t slice_bytes;
};

/* Takes the first stretch of [offset, end) that is to be copied, at most max bytes; false: none. */
bool copy_piece_take(struct block_copy *c, struct copy_piece *p, int64_t offset, int64_t end,
                     int64_t max);
/* [io] Finds out how p is to be copied, and cuts it to what is copied alike. */
enum copy_how copy_piece_look(struct block_copy *c, struct copy_piece *p);
/* [io] */
int copy_piece_run(struct block_copy *c, const struct copy_piece *p, enum copy_how how,
                   bool *error_is_read);
/* It is over; what was not copied (ret < 0) is to be copied again.  -EAGAIN: nothing was tried. */
void copy_piece_end(struct block_copy *c, struct copy_piece *p, int ret);
/* [io] Waits for a piece in [offset, end); false: none is under way there. */
bool copy_wait(struct block_copy *c, int64_t offset, int64_t end);

#endif
