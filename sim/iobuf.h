/* The data of one request: memory, or a fill that stands for it.
 *
 * One struct travels from the guest to the disk.  A buffer is a window [skip, skip + len) of a
 * list of iovecs.  The iovecs and their memory are the caller's and outlive the request.  `fill`
 * describes the contents from the start of the window (iobuf_slice moves it along).
 *
 * Write: `fill.kind != FILL_NONE` says what the data is and iov may then be NULL; a driver that
 * needs the bytes calls iobuf_to_mem.  Otherwise the bytes are in iov.
 *
 * Read: `symbolic` says that the caller takes an answer in symbolic form.  Whoever answers then
 * may set `fill` and leave the memory alone (iobuf_answer_fill), or fill the memory and leave
 * `fill.kind == FILL_NONE`.  A driver that looks at data it reads passes a buffer of its own with
 * symbolic false.
 *
 * Copies: who reads only to write elsewhere what came may take blocks (iobuf_take_blocks).  A disk
 * then answers with references to the blocks that hold the data, and another disk of that world
 * refers to them as well, instead of having bytes copied twice.  To all others such a buffer is
 * one with bytes, wherever they are: they use the functions below, not iov.  Blocks that somebody
 * else refers to do not change.
 */
#ifndef SIM_IOBUF_H
#define SIM_IOBUF_H

#include "sim/fill.h"

#include <sys/uio.h>

struct block;
struct block_pool;

enum { IOBUF_BLOCKS = 256 }; /* Of DISK_PAGE bytes each. */

/* Room for the blocks of one buffer; the caller's. */
struct iobuf_blocks {
    struct block_pool *pool; /* NULL: there are none. */
    size_t bytes;            /* Of the buffer. */
    struct block *at[IOBUF_BLOCKS];
};

struct iobuf {
    const struct iovec *iov;
    int iov_count;
    bool symbolic;
    size_t skip;
    size_t len;
    struct fill fill;
    struct iobuf_blocks *blocks; /* NULL: it takes none. */
};

/* A buffer over one piece of memory.  *iov is the caller's and outlives the buffer. */
struct iobuf iobuf_mem(struct iovec *iov, void *base, size_t len);
struct iobuf iobuf_iov(const struct iovec *iov, int count, size_t len);
/* len bytes of f, no memory behind. */
struct iobuf iobuf_fill(struct fill f, size_t len);
/* The part [skip, skip + len) of b, sharing its memory. */
struct iobuf iobuf_slice(const struct iobuf *b, size_t skip, size_t len);

/* A read of b, which is symbolic, may be answered with blocks: all of it, or none.  room outlives b
 * and ends with iobuf_blocks_drop. */
void iobuf_take_blocks(struct iobuf *b, struct iobuf_blocks *room);
void iobuf_blocks_drop(struct iobuf_blocks *room);
/* For disks.  Whether b may be answered so, with each page from its beginning on a block. */
bool iobuf_wants_blocks(const struct iobuf *b);
/* The references that were put into b->blocks->at are the answer. */
void iobuf_answer_blocks(struct iobuf *b, struct block_pool *pool);
/* The block of that pool that holds just the page at position at, or NULL.  Borrowed. */
struct block *iobuf_block(const struct iobuf *b, size_t at, const struct block_pool *pool);
/* The bytes at position at of a buffer that has blocks: *run of them lie together, at most n. */
const uint8_t *iobuf_block_bytes(const struct iobuf *b, size_t at, size_t n, size_t *run);

static inline bool iobuf_has_blocks(const struct iobuf *b)
{
    return b->blocks && b->blocks->pool && b->fill.kind == FILL_NONE;
}

/* Whether the contents are in the memory of iov. */
static inline bool iobuf_is_in_memory(const struct iobuf *b)
{
    return b->fill.kind == FILL_NONE && !iobuf_has_blocks(b);
}

/* What b holds is no longer so: its memory is about to be filled. */
static inline void iobuf_forget(struct iobuf *b)
{
    b->fill.kind = FILL_NONE;
    if (b->blocks) {
        iobuf_blocks_drop(b->blocks);
    }
}

/* The memory at position at < len, *run bytes of which lie together; NULL when a fill stands for
 * the bytes.  Of blocks it is only for reading. */
void *iobuf_memory(const struct iobuf *b, size_t at, size_t *run);

/* Copies out of b: n bytes from position at.  Expands a fill. */
void iobuf_copy_out(const struct iobuf *b, size_t at, void *dst, size_t n);
/* Copies into the memory of b. */
void iobuf_copy_in(struct iobuf *b, size_t at, const void *src, size_t n);
/* Copies all of src, in whatever form, into the memory of b from position at. */
void iobuf_copy(struct iobuf *b, size_t at, const struct iobuf *src);
/* Sets n bytes of the memory of b from f. */
void iobuf_set(struct iobuf *b, size_t at, struct fill f, size_t n);
/* Answers a read with f for all of b: keeps it symbolic when b allows, else writes the bytes. */
void iobuf_answer_fill(struct iobuf *b, struct fill f);
/* True when every byte is zero.  Looks at memory only when it must. */
bool iobuf_is_zero(const struct iobuf *b);
/* First difference between the two, or their length.  Both have the same len. */
size_t iobuf_compare(const struct iobuf *a, const struct iobuf *b);

#endif
