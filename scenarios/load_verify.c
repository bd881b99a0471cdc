/* SPDX-License-Identifier: MIT */
/* What a load remembers of its own writes, to judge its reads.
 *
 * Use: a write is recorded at its begin and its end, a read when it has come back; at the end the
 * load reads all units that it knows once more.
 *
 * Invariants: (1) a unit is known when the last writes to it did not overlap in time and the last
 * one succeeded; (2) a read is compared only in units that no write touched while it ran.  What
 * (1) and (2) leave out is not this judge's: the reference image knows "old or new".  (3) The
 * region is this load's alone while verify is on.
 */
#include "base/check.h"
#include "base/mem.h"
#include "scenarios/load_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum { UNITS_MIN = 1024, PIECE = 512 };

static size_t slot_of(const struct load_record *rec, uint64_t key)
{
    return (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> rec->shift);
}

static struct load_unit *unit_find(const struct load_record *rec, uint64_t unit)
{
    if (!rec->at) {
        return NULL;
    }
    size_t i = slot_of(rec, unit + 1);
    while (rec->at[i].key && rec->at[i].key != unit + 1) {
        i = (i + 1) & rec->mask;
    }
    return rec->at[i].key ? &rec->at[i] : NULL;
}

static void record_grow(struct load_record *rec)
{
    struct load_unit *old = rec->at;
    size_t old_cap = old ? rec->mask + 1 : 0;
    size_t cap = old_cap ? old_cap * 2 : UNITS_MIN;
    void *old_memory = rec->memory;
    rec->memory = mem_zalloc_array(cap + 1, sizeof(struct load_unit));
    uintptr_t start = ((uintptr_t)rec->memory + sizeof(struct load_unit) - 1) /
                      sizeof(struct load_unit) * sizeof(struct load_unit);
    rec->at = (struct load_unit *)start;
    rec->mask = cap - 1;
    rec->shift = 64 - (unsigned)__builtin_ctzll(cap);
    for (size_t i = 0; i < old_cap; i++) {
        if (old[i].key) {
            size_t k = slot_of(rec, old[i].key);
            while (rec->at[k].key) {
                k = (k + 1) & rec->mask;
            }
            rec->at[k] = old[i];
        }
    }
    free(old_memory);
}

static struct load_unit *unit_get(struct load_record *rec, uint64_t unit)
{
    struct load_unit *u = unit_find(rec, unit);
    if (u) {
        return u;
    }
    if (!rec->at || (rec->len + 1) * 8 > (rec->mask + 1) * 5) {
        record_grow(rec);
    }
    size_t i = slot_of(rec, unit + 1);
    while (rec->at[i].key) {
        i = (i + 1) & rec->mask;
    }
    rec->at[i].key = unit + 1;
    rec->len++;
    return &rec->at[i];
}

void load_record_write_begin(struct load *l, const struct load_req *r)
{
    uint64_t stamp = ++l->record.stamp;
    for (uint64_t i = 0; i < r->units; i++) {
        struct load_unit *u = unit_get(&l->record, r->unit + i);
        u->mixed |= u->flying != 0;
        u->flying++;
        u->touched = stamp;
    }
}

void load_record_write_end(struct load *l, const struct load_req *r, bool ok)
{
    uint64_t stamp = ++l->record.stamp;
    for (uint64_t i = 0; i < r->units; i++) {
        struct load_unit *u = unit_find(&l->record, r->unit + i);
        CHECK(u && u->flying > 0);
        u->flying--;
        u->touched = stamp;
        u->known = ok && !u->mixed;
        u->index = r->index;
        u->start = (uint32_t)((int64_t)i * l->unit_bytes);
        u->mixed = u->mixed && u->flying;
    }
}

uint64_t load_record_read_begin(struct load *l)
{
    return ++l->record.stamp;
}

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

bool load_record_check(struct load *l, const struct load_req *r, uint64_t began,
                       const struct iobuf *buf, const uint8_t *mem)
{
    for (uint64_t i = 0; i < r->units; i++) {
        const struct load_unit *u = unit_find(&l->record, r->unit + i);
        if (!u || !u->known || u->flying || u->touched > began) {
            continue;
        }
        size_t at = (size_t)((int64_t)i * l->unit_bytes), n = (size_t)l->unit_bytes;
        struct fill want = fill_skip(load_data(l, u->index), u->start);
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

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void load_record_sort(struct load *l)
{
    struct load_record *rec = &l->record;
    CHECK(!rec->sorted);
    rec->sorted = NEW_ARRAY(uint64_t, rec->len);
    for (size_t i = 0; rec->at && i <= rec->mask; i++) {
        if (rec->at[i].key && rec->at[i].known) {
            rec->sorted[rec->sorted_len++] = rec->at[i].key - 1;
        }
    }
    qsort(rec->sorted, rec->sorted_len, sizeof(rec->sorted[0]), compare_keys);
}

bool load_record_next(struct load *l, int64_t bytes_max, struct load_req *r)
{
    struct load_record *rec = &l->record;
    if (rec->sorted_next == rec->sorted_len) {
        return false;
    }
    uint64_t first = rec->sorted[rec->sorted_next++], units = 1;
    while (rec->sorted_next < rec->sorted_len &&
           rec->sorted[rec->sorted_next] == first + units &&
           (int64_t)(units + 1) * l->unit_bytes <= bytes_max) {
        rec->sorted_next++;
        units++;
    }
    *r = (struct load_req){
        .offset = l->args.offset + (int64_t)first * l->unit_bytes,
        .bytes = (int64_t)units * l->unit_bytes,
        .unit = first,
        .units = units,
        .read = true,
    };
    return true;
}

void load_record_fini(struct load_record *rec)
{
    free(rec->memory);
    free(rec->sorted);
}
