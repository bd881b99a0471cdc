/* SPDX-License-Identifier: MIT */
/* Compares what a load has read with what its record knows. */
#include "base/check.h"
#include "base/mem.h"
#include "scenarios/load_private.h"

#include <errno.h>
#include <inttypes.h>

enum { PIECE = 512 };

/* First byte of [at, at + n) of buf that is not as wanted; n when all are.  *got: that byte. */
static size_t compare(const struct iobuf *buf, const uint8_t *mem, size_t at, size_t n,
                      struct fill want, uint8_t *got)
{
    if (buf->fill.kind == FILL_NONE) {
        size_t same = fill_compare(want, mem + at, n);
        *got = same < n ? mem[at + same] : 0;
        return same;
    }
    if (fill_same(fill_skip(buf->fill, (uint32_t)at), want)) {
        return n;
    }
    for (size_t done = 0; done < n; done += PIECE) {
        uint8_t piece[PIECE];
        size_t part = MIN((size_t)PIECE, n - done);
        iobuf_copy_out(buf, at + done, piece, part);
        size_t same = fill_compare(fill_skip(want, (uint32_t)done), piece, part);
        if (same < part) {
            *got = piece[same];
            return done + same;
        }
    }
    return n;
}

bool load_check_read(struct load *l, const struct load_req *r, uint64_t began,
                     const struct iobuf *buf, const uint8_t *mem)
{
    int64_t unit_bytes = l->plan.unit_bytes;
    for (uint64_t i = 0; i < r->units; i++) {
        const struct load_unit *u = load_record_known(&l->record, r->unit + i, began);
        if (!u) {
            continue;
        }
        size_t at = (size_t)((int64_t)i * unit_bytes), n = (size_t)unit_bytes;
        struct fill want = fill_skip(load_plan_data(&l->plan, u->index), u->start);
        uint8_t got;
        size_t same = compare(buf, mem, at, n, want, &got);
        if (same < n) {
            uint8_t expected;
            struct error err = ERROR_INIT;
            fill_bytes(fill_skip(want, (uint32_t)same), &expected, 1);
            error_set(&err, -EIO,
                      "read at %" PRId64 " returned other data: byte %" PRId64
                      " is 0x%02x, expected 0x%02x as request %" PRIu64 " of the load wrote it",
                      r->offset, r->offset + (int64_t)(at + same), got, expected, u->index);
            load_fail(l, &err);
            return false;
        }
        l->stats.verified_bytes += n;
    }
    return true;
}
