/* SPDX-License-Identifier: MIT */
/* The list of requests of a load.
 *
 * Operation, place and length of request i come from hashes of (seed, i), written data from a hash
 * of (seed, tag, i), and a sequential load goes on where request i - 1 ended.  Nothing that happens
 * changes the list.
 */
#include "scenarios/load_plan.h"

#include "base/check.h"

__extension__ typedef unsigned __int128 wide;

static uint64_t mix64(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t hash(uint64_t key, uint64_t i)
{
    return mix64(key + (i + 1) * UINT64_C(0x9e3779b97f4a7c15));
}

/* h scaled to [0, n). */
static uint64_t scale(uint64_t h, uint64_t n)
{
    return (uint64_t)(((wide)h * n) >> 64);
}

static uint64_t key_of_text(uint64_t seed, const char *text)
{
    uint64_t h = mix64(seed + 1);
    for (; *text; text++) {
        h = mix64(h ^ (uint8_t)*text);
    }
    return h;
}

void load_plan_init(struct load_plan *p, const struct load_args *args, const char *tag,
                    enum load_data data)
{
    CHECK(args->bs_min > 0 && args->bs_max <= args->length);
    *p = (struct load_plan){
        .args = *args,
        .data = data,
        .unit_bytes = args->bs_min == args->bs_max ? args->bs_min : LOAD_STEP,
        .slots = (uint64_t)(args->length / args->bs_min),
        .data_key = key_of_text(args->seed, tag),
    };
}

/* Chooses the place of a request in the region; r->bytes is set. */
static void place(struct load_plan *p, struct load_req *r, uint64_t h)
{
    const struct load_args *a = &p->args;
    int64_t at;
    if (!a->random) {
        at = p->cursor + r->bytes > a->length ? 0 : p->cursor;
        p->cursor = at + r->bytes;
        r->unit = (uint64_t)(at / p->unit_bytes);
    } else if (a->bs_min == a->bs_max) {
        r->unit = scale(h, p->slots);
        at = (int64_t)r->unit * p->unit_bytes;
    } else {
        r->unit = scale(h, (uint64_t)((a->length - r->bytes) / LOAD_STEP) + 1);
        at = (int64_t)r->unit * LOAD_STEP;
    }
    r->offset = a->offset + at;
}

bool load_plan_next(struct load_plan *p, struct load_req *r)
{
    const struct load_args *a = &p->args;
    if (a->count && p->next == a->count) {
        return false;
    }
    r->index = p->next++;
    uint64_t h = hash(a->seed, r->index);
    r->read = a->reads && (!a->writes || scale(mix64(h + 1), 100) < a->mix);
    r->bytes = a->bs_min;
    r->units = 1;
    if (a->bs_min != a->bs_max) {
        uint64_t steps = (uint64_t)(a->bs_max - a->bs_min) / LOAD_STEP + 1;
        r->bytes += (int64_t)scale(mix64(h + 2), steps) * LOAD_STEP;
        r->units = (uint64_t)r->bytes / LOAD_STEP;
    }
    place(p, r, h);
    r->flush = false;
    if (!r->read) {
        p->writes++;
        r->flush = a->flush && p->writes % a->flush == 0;
    }
    return true;
}

uint8_t load_plan_byte(const struct load_plan *p, uint64_t i)
{
    CHECK(p->data == LOAD_BYTES);
    return (uint8_t)(1 + scale(hash(p->data_key, i), UINT8_MAX));
}

struct fill load_plan_data(const struct load_plan *p, uint64_t i)
{
    return p->data == LOAD_BYTES ? fill_byte(load_plan_byte(p, i))
                                 : fill_stream(hash(p->data_key, i));
}

bool load_req_ordered(const struct load_req *a, const struct load_req *b)
{
    return !(a->read && b->read) && a->offset < b->offset + b->bytes &&
           b->offset < a->offset + a->bytes;
}
