/* Requests and the checked door through which each goes.  See model/io.c for the path. */
#ifndef MODEL_IO_H
#define MODEL_IO_H

#include "base/error.h"
#include "sim/iobuf.h"

#include <stdint.h>

struct node;
struct child;

enum io_op {
    IO_READ,
    IO_WRITE,
    IO_WRITE_ZEROES,
    IO_DISCARD,
    IO_FLUSH,
    IO_TRUNCATE,
    IO_STATUS,
    IO_OPS
};

const char *io_op_name(enum io_op op); /* "read"... */

enum io_flags {
    IO_FUA = 1 << 0,
    IO_MAY_UNMAP = 1 << 1,       /* Zeroes may deallocate. */
    IO_NO_FALLBACK = 1 << 2,     /* Zeroes: fail with -ENOTSUP and do not write a buffer. */
    IO_SERIALISING = 1 << 3,     /* Wait for all that overlaps, and let it wait for this. */
    IO_COMPRESSED = 1 << 4,
    IO_WRITE_UNCHANGED = 1 << 5, /* Needs only the write-unchanged permission. */
    IO_EXACT = 1 << 6,           /* Truncate: this size or an error. */
    IO_COPY_ON_READ = 1 << 7,    /* Read: what only lies below is written to the node as well. */
    IO_PREFETCH = 1 << 8,        /* With it: the data itself is not wanted; buf is NULL. */
    IO_GIVE_BACK = 1 << 9,       /* Truncate: the permission has just gone, and what it was used for
                                  * goes after it (drivers/preallocate). */
};

enum io_prealloc { PREALLOC_OFF, PREALLOC_METADATA, PREALLOC_FALLOC, PREALLOC_FULL };

struct io_req {
    enum io_op op;
    uint32_t flags;
    int64_t offset;    /* Truncate: the new length. */
    int64_t bytes;
    struct iobuf *buf; /* Read, write; len == bytes.  NULL for others. */
    enum io_prealloc prealloc; /* Truncate. */
};

/* Longest request in bytes (QEMU's BDRV_REQUEST_MAX_BYTES). */
#define IO_MAX_BYTES ((int64_t)0x7ffffe00)
/* Longest disk (QEMU's BDRV_MAX_LENGTH). */
#define IO_MAX_LENGTH ((int64_t)0x7fffffffc0000000)

struct io_limits {
    uint32_t request_alignment; /* Power of two, 1...; all others are multiples of it. */
    int64_t max_transfer;       /* 0: no limit. */
    int64_t opt_transfer;
    int64_t max_pdiscard;
    uint32_t pdiscard_alignment; /* 0: none */
    int64_t max_pwrite_zeroes;
    uint32_t pwrite_zeroes_alignment;
    uint32_t read_flags;  /* io_flags of reads that the driver takes: IO_PREFETCH. */
    uint32_t write_flags; /* io_flags the driver does itself: IO_FUA... */
    uint32_t zero_flags;
};

enum io_status_flags {
    STATUS_DATA = 1 << 0,         /* Reads come from this layer's data. */
    STATUS_ZERO = 1 << 1,         /* Reads as zeroes. */
    STATUS_OFFSET_VALID = 1 << 2, /* map says where in file. */
    STATUS_RAW = 1 << 3,          /* Ask the file instead (internal). */
    STATUS_ALLOCATED = 1 << 4,    /* This layer, not its backing file, decides. */
    STATUS_EOF = 1 << 5,
    STATUS_RECURSE = 1 << 6,      /* Ask below whether it is zero (internal). */
};

struct io_extent {
    uint32_t flags; /* io_status_flags */
    int64_t bytes;  /* How far the answer holds; 1...req->bytes. */
    int64_t map;    /* With STATUS_OFFSET_VALID: offset in file. */
    struct node *file;
};

/* [io] The door: what parents call to do I/O on a child.  Takes the request as the parent sees it,
 * any alignment.  Checks permission, range and length; tracks, serialises, pads, splits, calls the
 * driver.  0 or -errno. */
int io_child(struct child *c, struct io_req *req);

/* [io] Shorthands over io_child. */
int io_read(struct child *c, int64_t offset, struct iobuf *buf, uint32_t flags);
int io_write(struct child *c, int64_t offset, struct iobuf *buf, uint32_t flags);
int io_flush(struct child *c);
int io_truncate(struct child *c, int64_t length, uint32_t flags, enum io_prealloc prealloc,
                struct error *err);

/* [io] For filters: the same request on the filtered child (offset unchanged). */
int io_forward(struct node *n, struct io_req *req);

/* [io] Tells the driver of c's node of an event of its parent's I/O path: "read_aio", "l2_load"...
 * (qapi BlkdebugEvent).  Costs nothing when that driver does not listen. */
void io_event(struct child *c, const char *name);

/* [io] Status of this node's own layer at offset. */
int io_status(struct node *n, int64_t offset, int64_t bytes, struct io_extent *out);
/* [io] 1: allocated in this layer, 0: not; *pnum: how far. */
int io_is_allocated(struct node *n, int64_t offset, int64_t bytes, int64_t *pnum);

/* [io] For drivers with a backing file: reads [offset, offset + buf->len) of what lies below;
 * zeroes beyond its end and where there is none. */
int io_read_backing(struct node *n, int64_t offset, struct iobuf *buf);
/* [io] The status of what a reader of n sees, found on the way down backing and filtered children
 * to base (exclusive; NULL: all the way).  out->file: the node that has it. */
int io_status_above(struct node *n, const struct node *base, int64_t offset, int64_t bytes,
                    struct io_extent *out);

/* [io] For drivers that show the past of c's node (driver_snapshot); -ENOTSUP when it has none.
 * Ranges are any, and nothing is checked but by that driver. */
int io_snapshot_read(struct child *c, struct io_req *req);
int io_snapshot_status(struct child *c, struct io_req *req, struct io_extent *out);
int io_snapshot_discard(struct child *c, struct io_req *req);

/* Length of a node in bytes as last refreshed, and [io] asking its driver again. */
int64_t io_length(const struct node *n);
int io_refresh_length(struct node *n);

#endif
