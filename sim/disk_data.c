/* SPDX-License-Identifier: MIT */
/* What requests do to the contents of a disk, with what they replace going to the log.
 *
 * Invariants:
 *  1. A logged write pushes every page that it touches, in order, without a gap, so page i of its
 *     entry is page offset / DISK_PAGE + i.
 *  2. Whatever can fail (space, reading the base) is done before anything changes.
 *  3. A block that the log or another disk holds is never changed in place.
 */
#include "sim/disk_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>

void disk_data_put(struct disk *d, struct page p)
{
    struct page old = store_swap(&d->store, p);
    disk_log_push(&d->log, d->store.pool, old);
}

static void log_open(struct disk *d, enum disk_op op, uint64_t offset, uint64_t bytes,
                     uint64_t aux, uint32_t flags)
{
    if (!(flags & DISK_DATA_NO_LOG)) {
        disk_log_open(&d->log, op, offset, bytes, aux,
                      flags & DISK_DATA_HOST ? DISK_LOG_HOST : DISK_LOG_DISK,
                      flags & DISK_DATA_DURABLE);
    }
}

static void log_close(struct disk *d)
{
    disk_log_close(&d->log, d->store.pool);
}

/* Is there space for what a write of the range would newly allocate. */
static int check_room(const struct disk *d, uint64_t offset, uint64_t bytes)
{
    uint64_t room = d->cfg.capacity / DISK_PAGE;
    uint64_t used = d->store.allocated;
    uint64_t end = (offset + bytes + DISK_PAGE - 1) / DISK_PAGE;
    for (uint64_t n = offset / DISK_PAGE; n < end; n++) {
        used += !page_is_allocated(store_get(&d->store, n));
        if (used > room) {
            return -ENOSPC;
        }
    }
    return 0;
}

/* Makes page n one of the maps if it comes from the base; its contents stay.  zero: only when it
 * may hold something. */
static int load_from_base(struct disk *d, uint64_t n, bool zero)
{
    struct page p = store_get(&d->store, n);
    enum page_state s = page_state(p);
    if ((s != PAGE_ABSENT && s != PAGE_BASE) || n * DISK_PAGE >= d->store.base_limit) {
        return 0;
    }
    if (zero && fill_is_zero(store_fill(&d->store, p, 0))) {
        return 0;
    }
    struct page loaded;
    int ret = store_to_block(&d->store, p, &loaded);
    if (ret == 0) {
        page_release(d->store.pool, store_swap(&d->store, loaded));
    }
    return ret;
}

/* Loads the pages that a change of the range covers only in part. */
static int load_edges(struct disk *d, uint64_t offset, uint64_t bytes, bool zero)
{
    uint64_t end = offset + bytes;
    int ret = 0;
    if (offset % DISK_PAGE || bytes < DISK_PAGE) {
        ret = load_from_base(d, offset / DISK_PAGE, zero);
    }
    if (ret == 0 && end % DISK_PAGE) {
        ret = load_from_base(d, end / DISK_PAGE, zero);
    }
    return ret;
}

static void put_part(struct disk *d, uint64_t n, size_t in, const struct iobuf *buf, size_t at,
                     size_t bytes)
{
    struct page *top = pagemap_find(&d->store.top, n);
    if (!d->log.open && top && page_state(*top) == PAGE_BLOCK && top->block->refs == 1) {
        iobuf_copy_out(buf, at, top->block->bytes + in, bytes);
        return;
    }
    struct page old = store_get(&d->store, n), new;
    struct fill f = fill_skip(buf->fill, (uint32_t)at);
    if (page_is_data(old) && fill_same(store_fill(&d->store, old, in), f)) {
        new = page_ref(old);
    } else {
        int ret = store_to_block(&d->store, old, &new);
        CHECK(ret == 0);
        iobuf_copy_out(buf, at, new.block->bytes + in, bytes);
    }
    disk_data_put(d, new);
}

static void put_whole(struct disk *d, uint64_t n, const struct iobuf *buf, size_t at)
{
    struct page p;
    struct block *shared = iobuf_block(buf, at, d->store.pool);
    if (shared) {
        p = page_make(n, PAGE_BLOCK);
        p.block = shared;
        page_ref(p);
    } else if (buf->fill.kind != FILL_NONE) {
        p = page_make(n, PAGE_FILL);
        p.fill = fill_skip(buf->fill, (uint32_t)at);
    } else {
        p = page_make(n, PAGE_BLOCK);
        p.block = block_new(d->store.pool);
        iobuf_copy_out(buf, at, p.block->bytes, DISK_PAGE);
    }
    disk_data_put(d, p);
}

int disk_data_write(struct disk *d, uint64_t offset, const struct iobuf *buf, size_t at,
                    uint64_t bytes, uint32_t flags)
{
    if (bytes == 0) {
        return 0;
    }
    int ret = 0;
    if (d->cfg.capacity && !(flags & DISK_DATA_NO_LOG)) {
        ret = check_room(d, offset, bytes);
    }
    if (ret == 0 && d->store.base) {
        ret = load_edges(d, offset, bytes, false);
    }
    if (ret < 0) {
        return ret;
    }
    if (offset + bytes > d->size) {
        ret = disk_data_resize(d, offset + bytes, flags | DISK_DATA_HOST);
        CHECK(ret == 0);
    }
    log_open(d, DISK_WRITE, offset, bytes, 0, flags);
    while (bytes) {
        size_t in = offset % DISK_PAGE;
        size_t part = MIN(DISK_PAGE - in, bytes);
        if (part == DISK_PAGE) {
            put_whole(d, offset / DISK_PAGE, buf, at);
        } else {
            put_part(d, offset / DISK_PAGE, in, buf, at, part);
        }
        offset += part;
        at += part;
        bytes -= part;
    }
    log_close(d);
    return 0;
}

/* Zeroes a part of one page; nothing happens where it is zero already. */
static void zero_part(struct disk *d, uint64_t offset, size_t bytes)
{
    uint64_t n = offset / DISK_PAGE;
    size_t in = offset % DISK_PAGE;
    if (!fill_is_zero(store_fill(&d->store, store_get(&d->store, n), in))) {
        struct iobuf zero = iobuf_fill(FILL_ZERO, bytes);
        put_part(d, n, in, &zero, 0, bytes);
    }
}

int disk_data_zero(struct disk *d, uint64_t offset, uint64_t bytes, bool unmap, uint32_t flags)
{
    if (bytes == 0) {
        return 0;
    }
    int ret = d->store.base ? load_edges(d, offset, bytes, true) : 0;
    if (ret < 0) {
        return ret;
    }
    uint64_t end = offset + bytes;
    if (end > d->size) {
        ret = disk_data_resize(d, end, flags | DISK_DATA_HOST);
        CHECK(ret == 0);
    }
    log_open(d, unmap ? DISK_DISCARD : DISK_ZERO, offset, bytes, 0, flags);
    /* Whole pages are [first, last); what lies beyond the end of the disk is zero anyway. */
    uint64_t first = (offset + DISK_PAGE - 1) / DISK_PAGE;
    uint64_t last = (end == d->size ? end + DISK_PAGE - 1 : end) / DISK_PAGE;
    if (offset % DISK_PAGE) {
        zero_part(d, offset, (size_t)(MIN(end, first * DISK_PAGE) - offset));
    }
    for (uint64_t n = store_next(&d->store, first, last); n < last;
         n = store_next(&d->store, n + 1, last)) {
        disk_data_put(d, unmap ? store_hole(&d->store, n) : page_make(n, PAGE_ZEROED));
    }
    if (last >= first && end > last * DISK_PAGE) {
        zero_part(d, last * DISK_PAGE, (size_t)(end - last * DISK_PAGE));
    }
    log_close(d);
    return 0;
}

int disk_data_resize(struct disk *d, uint64_t size, uint32_t flags)
{
    CHECK(size <= INT64_MAX);
    uint64_t old = d->size;
    if (size < old && size % DISK_PAGE && d->store.base) {
        /* Whole, for the log: a later change would find only what base_limit leaves of it. */
        int ret = load_from_base(d, size / DISK_PAGE, true);
        if (ret < 0) {
            return ret;
        }
    }
    log_open(d, DISK_RESIZE, size, old, d->store.base_limit, flags);
    d->size = size;
    d->store.base_limit = MIN(d->store.base_limit, size);
    if (size < old) {
        uint64_t first = (size + DISK_PAGE - 1) / DISK_PAGE;
        uint64_t last = (old + DISK_PAGE - 1) / DISK_PAGE;
        if (size % DISK_PAGE && page_is_data(store_get(&d->store, size / DISK_PAGE))) {
            zero_part(d, size, DISK_PAGE - size % DISK_PAGE);
        }
        for (uint64_t n = store_next_mapped(&d->store, first, last); n < last;
             n = store_next_mapped(&d->store, n + 1, last)) {
            disk_data_put(d, store_hole(&d->store, n));
        }
    }
    log_close(d);
    return 0;
}

/* One fill for the whole range, or FILL_NONE. */
static struct fill range_fill(const struct disk *d, uint64_t offset, uint64_t bytes)
{
    struct page p = store_get(&d->store, offset / DISK_PAGE);
    struct fill whole = store_fill(&d->store, p, offset % DISK_PAGE);
    uint64_t at = DISK_PAGE - offset % DISK_PAGE;
    while (whole.kind != FILL_NONE && at < bytes) {
        p = store_get(&d->store, (offset + at) / DISK_PAGE);
        if (!fill_same(store_fill(&d->store, p, 0), fill_skip(whole, (uint32_t)at))) {
            whole.kind = FILL_NONE;
        }
        at += DISK_PAGE;
    }
    return whole;
}

static int read_part(const struct disk *d, uint64_t offset, struct iobuf *buf, size_t at,
                     size_t bytes)
{
    struct page p = store_get(&d->store, offset / DISK_PAGE);
    size_t in = offset % DISK_PAGE;
    struct fill f = store_fill(&d->store, p, in);
    if (f.kind != FILL_NONE) {
        iobuf_set(buf, at, f, bytes);
    } else if (page_state(p) == PAGE_BLOCK) {
        iobuf_copy_in(buf, at, p.block->bytes + in, bytes);
    } else {
        uint8_t base[DISK_PAGE];
        int ret = store_bytes(&d->store, p, in, base, bytes);
        if (ret < 0) {
            return ret;
        }
        iobuf_copy_in(buf, at, base, bytes);
    }
    return 0;
}

/* The answer in blocks; false: there are other pages than such. */
static bool read_blocks(const struct disk *d, uint64_t offset, struct iobuf *buf)
{
    struct block **at = buf->blocks->at;
    size_t pages = buf->len / DISK_PAGE, i = 0;
    for (; i < pages; i++) {
        struct page p = store_get(&d->store, offset / DISK_PAGE + i);
        if (page_state(p) != PAGE_BLOCK) {
            break;
        }
        at[i] = page_ref(p).block;
    }
    if (i == pages) {
        iobuf_answer_blocks(buf, d->store.pool);
        return true;
    }
    while (i > 0) {
        block_unref(d->store.pool, at[--i]);
    }
    return false;
}

int disk_data_read(const struct disk *d, uint64_t offset, struct iobuf *buf, size_t at,
                   uint64_t bytes)
{
    if (buf->symbolic && at == 0 && bytes == buf->len && bytes) {
        struct fill f = range_fill(d, offset, bytes);
        if (f.kind != FILL_NONE) {
            iobuf_answer_fill(buf, f);
            return 0;
        }
        iobuf_forget(buf);
        if (iobuf_wants_blocks(buf) && offset % DISK_PAGE == 0 && read_blocks(d, offset, buf)) {
            return 0;
        }
    }
    while (bytes) {
        size_t part = MIN(DISK_PAGE - offset % DISK_PAGE, bytes);
        int ret = read_part(d, offset, buf, at, part);
        if (ret < 0) {
            return ret;
        }
        offset += part;
        at += part;
        bytes -= part;
    }
    return 0;
}

int disk_data_flip(struct disk *d, uint64_t offset, unsigned bit)
{
    CHECK(!d->log.open && bit < 8 && offset < d->size);
    struct page new;
    int ret = store_to_block(&d->store, store_get(&d->store, offset / DISK_PAGE), &new);
    if (ret == 0) {
        new.block->bytes[offset % DISK_PAGE] ^= (uint8_t)(1u << bit);
        disk_data_put(d, new);
    }
    return ret;
}
