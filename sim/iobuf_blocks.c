/* SPDX-License-Identifier: MIT */
/* Buffers that refer to blocks of disks (sim/iobuf.h).
 *
 * Invariant: a room that has a pool has a reference on it, and on each of its blocks.
 */
#include "sim/iobuf.h"

#include "base/check.h"
#include "base/mem.h"
#include "sim/disk_page.h"

void iobuf_take_blocks(struct iobuf *b, struct iobuf_blocks *room)
{
    CHECK(b->symbolic && b->skip == 0 && !b->blocks && b->fill.kind == FILL_NONE);
    room->pool = NULL;
    room->bytes = b->len;
    b->blocks = room;
}

void iobuf_blocks_drop(struct iobuf_blocks *room)
{
    struct block_pool *pool = room->pool;
    if (!pool) {
        return;
    }
    for (size_t i = 0; i < room->bytes / DISK_PAGE; i++) {
        block_unref(pool, room->at[i]);
    }
    room->pool = NULL;
    block_pool_unref(pool);
}

bool iobuf_wants_blocks(const struct iobuf *b)
{
    const struct iobuf_blocks *room = b->blocks;
    return room && b->symbolic && b->skip == 0 && b->len == room->bytes && b->len > 0 &&
           b->len % DISK_PAGE == 0 && b->len / DISK_PAGE <= IOBUF_BLOCKS;
}

void iobuf_answer_blocks(struct iobuf *b, struct block_pool *pool)
{
    CHECK(iobuf_wants_blocks(b) && !b->blocks->pool);
    pool->refs++;
    b->blocks->pool = pool;
    b->fill.kind = FILL_NONE;
}

struct block *iobuf_block(const struct iobuf *b, size_t at, const struct block_pool *pool)
{
    size_t pos = b->skip + at;
    CHECK(at < b->len);
    bool whole = iobuf_has_blocks(b) && b->blocks->pool == pool && pos % DISK_PAGE == 0 &&
                 b->len - at >= DISK_PAGE;
    return whole ? b->blocks->at[pos / DISK_PAGE] : NULL;
}

const uint8_t *iobuf_block_bytes(const struct iobuf *b, size_t at, size_t n, size_t *run)
{
    size_t pos = b->skip + at, in = pos % DISK_PAGE;
    CHECK(iobuf_has_blocks(b) && pos < b->blocks->bytes);
    *run = MIN(DISK_PAGE - in, n);
    return b->blocks->at[pos / DISK_PAGE]->bytes + in;
}
