/* SPDX-License-Identifier: MIT */
/* Request buffers.
 *
 * Invariants:
 *  1. `fill` describes the contents from the start of the window: iobuf_slice moves it along.
 *  2. Whoever puts bytes into the memory of a buffer clears its fill and its blocks, so that only
 *     one of the three speaks.
 */
#include "sim/iobuf.h"

#include "base/check.h"

#define XXH_STATIC_LINKING_ONLY /* The state lives on the stack. */
#include <string.h>
#include <xxhash.h>

enum { PIECE = 1024 }; /* Bytes of a fill that are made at a time. */

struct iobuf iobuf_mem(struct iovec *iov, void *base, size_t len)
{
    *iov = (struct iovec){ .iov_base = base, .iov_len = len };
    return (struct iobuf){ .iov = iov, .iov_count = 1, .len = len };
}

struct iobuf iobuf_iov(const struct iovec *iov, int count, size_t len)
{
    CHECK(count >= 0);
    return (struct iobuf){ .iov = iov, .iov_count = count, .len = len };
}

struct iobuf iobuf_fill(struct fill f, size_t len)
{
    CHECK(f.kind != FILL_NONE);
    return (struct iobuf){ .len = len, .fill = f };
}

struct iobuf iobuf_slice(const struct iobuf *b, size_t skip, size_t len)
{
    CHECK(skip <= b->len && len <= b->len - skip);
    struct iobuf s = *b;
    s.skip += skip;
    s.len = len;
    s.fill = fill_skip(b->fill, (uint32_t)skip);
    return s;
}

/* The memory at position at of b, or that of its blocks: *run bytes of it lie together (at most n).
 * The search goes on from *iov, where *base is the position of its first byte; start with 0, 0. */
struct cursor {
    int iov;
    size_t base;
};

static uint8_t *memory_at(const struct iobuf *b, struct cursor *c, size_t at, size_t n,
                          size_t *run)
{
    size_t pos = b->skip + at;
    if (iobuf_has_blocks(b)) {
        return (uint8_t *)(uintptr_t)iobuf_block_bytes(b, at, n, run);
    }
    CHECK(b->iov != NULL);
    while (c->iov < b->iov_count && pos - c->base >= b->iov[c->iov].iov_len) {
        c->base += b->iov[c->iov].iov_len;
        c->iov++;
    }
    CHECK(c->iov < b->iov_count);
    const struct iovec *v = &b->iov[c->iov];
    size_t in = pos - c->base;
    *run = v->iov_len - in < n ? v->iov_len - in : n;
    return (uint8_t *)v->iov_base + in;
}

void *iobuf_memory(const struct iobuf *b, size_t at, size_t *run)
{
    struct cursor c = { 0 };
    CHECK(at < b->len);
    return b->fill.kind == FILL_NONE ? memory_at(b, &c, at, b->len - at, run) : NULL;
}

void iobuf_copy_out(const struct iobuf *b, size_t at, void *dst, size_t n)
{
    CHECK(at <= b->len && n <= b->len - at);
    if (b->fill.kind != FILL_NONE) {
        fill_bytes(fill_skip(b->fill, (uint32_t)at), dst, n);
        return;
    }
    struct cursor c = { 0 };
    uint8_t *to = dst;
    while (n) {
        size_t run;
        const uint8_t *from = memory_at(b, &c, at, n, &run);
        memcpy(to, from, run);
        to += run;
        at += run;
        n -= run;
    }
}

void iobuf_copy_in(struct iobuf *b, size_t at, const void *src, size_t n)
{
    CHECK(at <= b->len && n <= b->len - at);
    struct cursor c = { 0 };
    const uint8_t *from = src;
    iobuf_forget(b);
    while (n) {
        size_t run;
        uint8_t *to = memory_at(b, &c, at, n, &run);
        memcpy(to, from, run);
        from += run;
        at += run;
        n -= run;
    }
}

void iobuf_copy(struct iobuf *b, size_t at, const struct iobuf *src)
{
    if (src->fill.kind != FILL_NONE) {
        iobuf_set(b, at, src->fill, src->len);
        return;
    }
    for (size_t done = 0, run; done < src->len; done += run) {
        const void *from = iobuf_memory(src, done, &run);
        iobuf_copy_in(b, at + done, from, run);
    }
}

void iobuf_set(struct iobuf *b, size_t at, struct fill f, size_t n)
{
    CHECK(at <= b->len && n <= b->len - at);
    struct cursor c = { 0 };
    iobuf_forget(b);
    while (n) {
        size_t run;
        uint8_t *to = memory_at(b, &c, at, n, &run);
        fill_bytes(f, to, run);
        f = fill_skip(f, (uint32_t)run);
        at += run;
        n -= run;
    }
}

void iobuf_answer_fill(struct iobuf *b, struct fill f)
{
    CHECK(f.kind != FILL_NONE);
    if (b->symbolic) {
        iobuf_forget(b);
        b->fill = f;
    } else {
        iobuf_set(b, 0, f, b->len);
    }
}

static bool memory_is_zero(const uint8_t *p, size_t n)
{
    if (n < 16) {
        for (size_t i = 0; i < n; i++) {
            if (p[i]) {
                return false;
            }
        }
        return true;
    }
    uint64_t word;
    memcpy(&word, p, 8);
    return word == 0 && memcmp(p, p + 8, n - 8) == 0;
}

static bool stream_is_zero(struct fill f, size_t n)
{
    uint8_t bytes[64];
    for (size_t at = 0; at < n; at += sizeof(bytes)) {
        size_t part = n - at < sizeof(bytes) ? n - at : sizeof(bytes);
        fill_bytes(fill_skip(f, (uint32_t)at), bytes, part);
        if (!memory_is_zero(bytes, part)) {
            return false;
        }
    }
    return true;
}

bool iobuf_is_zero(const struct iobuf *b)
{
    if (b->fill.kind == FILL_BYTE) {
        return (uint8_t)b->fill.tag == 0 || b->len == 0;
    }
    if (b->fill.kind == FILL_STREAM) {
        return stream_is_zero(b->fill, b->len);
    }
    struct cursor c = { 0 };
    for (size_t at = 0; at < b->len;) {
        size_t run;
        const uint8_t *p = memory_at(b, &c, at, b->len - at, &run);
        if (!memory_is_zero(p, run)) {
            return false;
        }
        at += run;
    }
    return true;
}

size_t iobuf_compare(const struct iobuf *a, const struct iobuf *b)
{
    CHECK(a->len == b->len);
    if (fill_same(a->fill, b->fill)) {
        return a->len;
    }
    if (a->fill.kind == FILL_NONE && b->fill.kind != FILL_NONE) {
        const struct iobuf *swap = a;
        a = b;
        b = swap;
    }
    struct cursor c = { 0 };
    uint8_t want[PIECE], have[PIECE];
    for (size_t at = 0; at < a->len;) {
        size_t run = a->len - at < PIECE ? a->len - at : PIECE;
        const uint8_t *p = have;
        if (b->fill.kind == FILL_NONE) {
            p = memory_at(b, &c, at, run, &run);
        } else {
            iobuf_copy_out(b, at, have, run);
        }
        iobuf_copy_out(a, at, want, run);
        if (memcmp(want, p, run) != 0) {
            size_t i = 0;
            while (want[i] == p[i]) {
                i++;
            }
            return at + i;
        }
        at += run;
    }
    return a->len;
}
