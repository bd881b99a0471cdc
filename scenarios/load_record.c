/* SPDX-License-Identifier: MIT */
/* A table of the units that a load has written.
 *
 * Invariants: (1) a unit is known when the last writes to it did not overlap in time and the last
 * one succeeded; (2) a read is compared only in units that no write touched while it ran.  What
 * (1) and (2) leave out is not this judge's: the reference image knows "old or new".  (3) The
 * region is this load's alone while verify is on.
 */
#include "scenarios/load_record.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>

enum { UNITS_MIN = 1024 };

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

void load_record_write_begin(struct load_record *rec, const struct load_req *r)
{
    uint64_t stamp = ++rec->stamp;
    for (uint64_t i = 0; i < r->units; i++) {
        struct load_unit *u = unit_get(rec, r->unit + i);
        u->mixed |= u->flying != 0;
        u->flying++;
        u->touched = stamp;
    }
}

void load_record_write_end(struct load_record *rec, const struct load_req *r, int64_t unit_bytes,
                           bool ok)
{
    uint64_t stamp = ++rec->stamp;
    for (uint64_t i = 0; i < r->units; i++) {
        struct load_unit *u = unit_find(rec, r->unit + i);
        CHECK(u && u->flying > 0);
        u->flying--;
        u->touched = stamp;
        u->known = ok && !u->mixed;
        u->index = r->index;
        u->start = (uint32_t)((int64_t)i * unit_bytes);
        u->mixed = u->mixed && u->flying;
    }
}

uint64_t load_record_read_begin(struct load_record *rec)
{
    return ++rec->stamp;
}

const struct load_unit *load_record_known(const struct load_record *rec, uint64_t unit,
                                          uint64_t began)
{
    const struct load_unit *u = unit_find(rec, unit);
    return u && u->known && !u->flying && u->touched <= began ? u : NULL;
}

bool load_record_byte(const struct load_record *rec, const struct load_plan *p,
                      const struct load_req *r, uint8_t *byte)
{
    CHECK(r->units > 0);
    for (uint64_t i = 0; i < r->units; i++) {
        const struct load_unit *u = load_record_known(rec, r->unit + i, rec->stamp);
        uint8_t b = u ? load_plan_byte(p, u->index) : 0;
        if (!u || (i > 0 && b != *byte)) {
            return false;
        }
        *byte = b;
    }
    return true;
}

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void load_record_sort(struct load_record *rec)
{
    CHECK(!rec->sorted);
    rec->sorted = NEW_ARRAY(uint64_t, rec->len);
    for (size_t i = 0; rec->at && i <= rec->mask; i++) {
        if (rec->at[i].key && rec->at[i].known) {
            rec->sorted[rec->sorted_len++] = rec->at[i].key - 1;
        }
    }
    qsort(rec->sorted, rec->sorted_len, sizeof(rec->sorted[0]), compare_keys);
}

/* The unit goes on with the byte that the one before it has. */
static bool same_byte(const struct load_record *rec, const struct load_plan *p, uint64_t unit)
{
    const struct load_unit *a = unit_find(rec, unit - 1), *b = unit_find(rec, unit);
    CHECK(a && b);
    return load_plan_byte(p, a->index) == load_plan_byte(p, b->index);
}

bool load_record_next(struct load_record *rec, const struct load_plan *p, int64_t bytes_max,
                      struct load_req *r)
{
    if (rec->sorted_next == rec->sorted_len) {
        return false;
    }
    uint64_t first = rec->sorted[rec->sorted_next++], units = 1;
    while (rec->sorted_next < rec->sorted_len &&
           rec->sorted[rec->sorted_next] == first + units &&
           (int64_t)(units + 1) * p->unit_bytes <= bytes_max &&
           (p->data != LOAD_BYTES || same_byte(rec, p, first + units))) {
        rec->sorted_next++;
        units++;
    }
    *r = (struct load_req){
        .offset = p->args.offset + (int64_t)first * p->unit_bytes,
        .bytes = (int64_t)units * p->unit_bytes,
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
