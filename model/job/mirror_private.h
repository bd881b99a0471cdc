/* Between the files of the mirror job. */
#ifndef MODEL_JOB_MIRROR_PRIVATE_H
#define MODEL_JOB_MIRROR_PRIVATE_H

#include "model/dirty_bitmap.h"
#include "model/job/mirror.h"

#include "base/check.h"
#include "base/mem.h"

enum {
    MIRROR_OPS_MAX = 16,              /* Requests of the job in flight. */
    MIRROR_PIECE = 1 << 20,           /* Bytes of one, unless buf-size allows more. */
    MIRROR_BUF_DEFAULT = 16 << 20,
    MIRROR_POOL_MAX = 256 << 20,      /* More would only make single requests longer. */
};

#define MIRROR_BUF_MAX (INT64_C(1) << 40) /* Bytes; no machine has as much to give. */

enum mirror_method { MIRROR_COPY, MIRROR_ZERO, MIRROR_DISCARD };

/* What is under way from source to target.  Its range, rounded out to granules, excludes all
 * others. */
struct mirror_op {
    struct mirror *m;
    int64_t offset, bytes;
    enum mirror_method method;
    bool is_guest;        /* Part of a guest's request (copy-mode=write-blocking). */
    struct co_queue done; /* Those who wait for its end. */
    uint8_t *memory;      /* The job's own: m->piece bytes. */
    struct iobuf_blocks blocks; /* What is copied without its bytes. */
    struct mirror_op *prev, *next;
};

struct mirror {
    struct block_job base;
    struct node *filter;     /* mirror_top. */
    struct node *source;     /* What it stands on. */
    struct node *target;
    struct backend *backend; /* On target; NULL once the job gives it back. */
    struct dirty_bitmap *bitmap;
    struct bitset *dirty;    /* Its bits. */

    /* As it was started. */
    enum mirror_sync sync;
    enum mirror_backing backing;
    const struct node *scan_base; /* What lies above it is copied; NULL: all. */
    bool to_backing;         /* The target stands below the source: the chain is frozen. */
    bool zero_target, unmap, write_blocking;
    uint32_t granularity;
    int64_t buf_size;
    enum on_error on_source_error, on_target_error;
    char *replaces;

    /* While it runs. */
    int64_t length;
    int64_t unit;            /* Requests are whole multiples of it: granularity or more. */
    int64_t cow_cluster;     /* Of a target that will get its backing file only at the end, or 0. */
    int64_t piece;           /* Longest copy in one request. */
    int64_t cursor;          /* Where it looks for something dirty next. */
    int64_t retry_ns;        /* Not before: errors are ignored, but not all the time. */
    struct mirror_op ops[MIRROR_OPS_MAX];
    struct mirror_op *idle[MIRROR_OPS_MAX];
    unsigned idle_len, slots;
    uint8_t *pool;
    uint8_t *bounce;         /* One cluster, for guests' requests that do not fill theirs. */
    struct co_mutex bounce_lock;
    struct mirror_op *first, *last; /* Under way, in order of beginning. */
    unsigned in_flight;      /* Of the job's own. */
    int64_t in_flight_bytes, guest_bytes;
    struct co_queue none_left;
    bool zeroing;            /* What is zeroed now is no progress. */
    bool waits;              /* In job_wait: to be woken when something has changed. */
    bool running;            /* Guests' writes are copied, or noticed. */
    int ret;                 /* The error that ends it. */

    /* Towards its end. */
    bool should_complete;
    bool drained;            /* The source is. */
    bool wrapped;            /* The graph is as it stays. */
    struct node *to_replace; /* Referenced, and blocked. */
    struct blocker *replace_blocker;
};

static inline struct mirror *mirror_of(struct job *j)
{
    return (struct mirror *)j;
}

/* The filter's state: what the job tells it. */
struct mirror_top {
    struct mirror *job; /* NULL: not yet, or not any more. */
    bool to_backing;    /* The job writes below the filter: reads are not consistent there. */
};

/* ---- mirror_copy.c ---- */

/* [io] Finds out what the target is like and takes buffers.  Errors: -errno, err. */
int mirror_copy_begin(struct mirror *m, struct error *err);
void mirror_copy_end(struct mirror *m);
/* [io] Marks what is to be copied at first.  Errors: -errno. */
int mirror_scan(struct mirror *m);
/* [io] Starts requests for the next stretch of dirty granules that is free; returns the bytes that
 * count for the speed limit, -1 when there was nothing to start. */
int64_t mirror_start_some(struct mirror *m);
/* [io] Until none of the job's own requests is in flight. */
void mirror_wait_all(struct mirror *m);
/* [io] Flushes the target; an error is told, and may end the job. */
int mirror_flush_target(struct mirror *m);
/* Wakes the job's coroutine when it waits for something to happen. */
void mirror_wake(struct mirror *m);

/* [io] For the filter: a guest's request that changes the source, which goes to the target too when
 * the copy mode asks for it. */
int mirror_guest_change(struct mirror *m, struct node *filter, struct io_req *req);

/* ---- mirror_end.c ---- */

/* [io] Main loop, under the lock: takes the filter out; when ok, the target takes the place of what
 * it replaces.  Errors: -errno; the graph is then as without the job. */
int mirror_wrap_up(struct mirror *m, bool ok);

#endif
