/* SPDX-License-Identifier: MIT */
/* An honest disk and a dishonest one, against the reference image.
 *
 * The disk keeps, for each unit of 512 bytes, the contents that a power cut could bring back.
 * Requests of all kinds overlap; each does its units one at a time between its begin and its end,
 * fails half way now and then, and the power goes.  Whatever the honest disk does, the oracle must
 * not object; when the disk loses, tears or misplaces something, it must notice most of the time
 * (what is overwritten before anybody reads it cannot be noticed). */
#include "oracles/fake_graph.h"
#include "oracles/ref_image.h"

#include <errno.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

enum { UNIT = 512, UNITS = 64, BYTES = UNIT * UNITS, OPS = 8, KEPT = 600 };

/* The contents that a unit has had since it was last made durable, oldest first. */
struct unit {
    uint8_t at[KEPT][UNIT];
    int len;
};

struct op {
    bool used;
    struct guest_io io;
    struct iobuf data;
    struct iovec iov;
    uint8_t mem[BYTES];
    bool did[UNITS];
    int snapshot[UNITS]; /* Flush: versions that it covers. */
};

struct world {
    uint64_t rng;
    struct sim *sim;
    struct layer layer;
    struct node hd0;
    struct oracle oracle;
    struct fake_verdict verdict;
    uint64_t tokens, tags;
    struct unit unit[UNITS];
    struct op op[OPS];
    bool small; /* Most requests are of some bytes. */
    int lies; /* In a thousand units written. */
    int lied;
};

static uint32_t draw(struct world *w, uint32_t n)
{
    w->rng = w->rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((w->rng >> 33) % n);
}

static uint8_t *unit_now(struct unit *u)
{
    return u->at[u->len - 1];
}

/* Contents before `keep` can no longer come back. */
static void unit_settle(struct unit *u, int keep)
{
    if (keep > 0) {
        memmove(u->at, u->at + keep, (size_t)(u->len - keep) * UNIT);
        u->len -= keep;
    }
}

static uint8_t *unit_push(struct unit *u)
{
    if (u->len == KEPT) {
        unit_settle(u, 1); /* A full cache writes out the oldest. */
    }
    memcpy(u->at[u->len], unit_now(u), UNIT);
    return u->at[u->len++];
}

static void world_open(struct world *w, uint64_t seed, int lies)
{
    memset(w, 0, sizeof(*w)); /* Too large for a copy on the stack. */
    w->rng = seed * 77 + 1;
    w->lies = lies;
    w->small = seed % 3 == 0;
    w->sim = sim_create(&(struct sim_config){ .seed = 1 });
    w->hd0 = (struct node){ .name = "hd0", .driver = "file", .filename = "a", .length = BYTES };
    fake_node(&w->layer, &w->hd0);
    w->oracle = fake_oracle(&oracle_ref_image, w->sim, &w->verdict);
    w->oracle.state = oracle_ref_image.create(&w->oracle);
    if (seed % 2) {
        ((struct ref_image *)w->oracle.state)->range_bytes = 4096;
    }
    for (int i = 0; i < UNITS; i++) {
        w->unit[i].len = 1;
        memset(w->unit[i].at[0], i, UNIT);
    }
}

static void world_close(struct world *w)
{
    oracle_ref_image.destroy(w->oracle.state);
    sim_destroy(w->sim);
}

static void op_range(struct world *w, struct op *o)
{
    int64_t first, n;
    if (w->small && draw(w, 8)) { /* Crumbs, all over two pages. */
        first = draw(w, 8192);
        n = 1 + draw(w, 300);
    } else if (draw(w, 3)) { /* A whole page or two. */
        first = draw(w, BYTES / 4096) * 4096;
        n = 4096 * (1 + (int64_t)draw(w, 2));
    } else if (draw(w, 3)) { /* Sectors. */
        first = draw(w, UNITS) * UNIT;
        n = UNIT * (1 + (int64_t)draw(w, 10));
    } else {
        first = draw(w, BYTES - 1);
        n = 1 + draw(w, 1500);
    }
    int64_t last = MIN(first + n, BYTES);
    o->io.offset = first;
    o->io.bytes = last - first;
}

static void op_data(struct world *w, struct op *o)
{
    size_t n = (size_t)o->io.bytes;
    struct fill f = draw(w, 3) ? fill_stream(++w->tags) : fill_byte((uint8_t)draw(w, 256));
    fill_bytes(f, o->mem, n);
    o->data = draw(w, 4) ? iobuf_fill(f, n) : iobuf_mem(&o->iov, o->mem, n);
    o->io.data = &o->data;
}

static void op_start(struct world *w, struct op *o)
{
    static const enum guest_op ops[] = { GUEST_READ,  GUEST_READ,  GUEST_READ, GUEST_WRITE,
                                         GUEST_WRITE, GUEST_WRITE, GUEST_ZERO, GUEST_DISCARD };
    *o = (struct op){ .used = true };
    o->io = (struct guest_io){ .node = &w->hd0, .layer = &w->layer, .token = ++w->tokens };
    o->io.op = draw(w, 25) == 0 ? GUEST_FLUSH : ops[draw(w, ARRAY_LEN(ops))];
    if (o->io.op == GUEST_FLUSH) {
        for (int i = 0; i < UNITS; i++) {
            o->snapshot[i] = w->unit[i].len - 1;
        }
    } else {
        op_range(w, o);
        o->io.fua = o->io.op == GUEST_WRITE && draw(w, 20) == 0;
    }
    if (o->io.op == GUEST_WRITE) {
        op_data(w, o);
    } else if (o->io.op == GUEST_READ) {
        o->data = iobuf_mem(&o->iov, o->mem, (size_t)o->io.bytes);
        o->io.data = &o->data;
    }
    oracle_ref_image.guest_begin(w->oracle.state, &o->io);
}

/* Does the part of o that lies in unit i. */
static void op_unit(struct world *w, struct op *o, int i)
{
    int64_t lo = MAX(o->io.offset, i * UNIT);
    int64_t hi = MIN(o->io.offset + o->io.bytes, (i + 1) * UNIT);
    if (lo >= hi || o->did[i]) {
        return;
    }
    size_t from = (size_t)(lo - o->io.offset), in = (size_t)(lo - i * UNIT), n = (size_t)(hi - lo);
    o->did[i] = true;
    if (o->io.op == GUEST_READ) {
        memcpy(o->mem + from, unit_now(&w->unit[i]) + in, n);
        return;
    }
    if (o->io.op == GUEST_DISCARD && draw(w, 2)) {
        return;
    }
    if (w->lies && draw(w, 1000) < (uint32_t)w->lies) {
        w->lied++;
        if (draw(w, 2)) {
            return; /* Lost. */
        }
        i = (int)draw(w, UNITS); /* Misdirected. */
    }
    uint8_t *to = unit_push(&w->unit[i]);
    if (o->io.op == GUEST_WRITE) {
        memcpy(to + in, o->mem + from, n);
    } else {
        memset(to + in, 0, n);
    }
    /* A FUA write is durable before it ends; a pending flush counts from the front. */
    if (o->io.fua) {
        unit_settle(&w->unit[i], w->unit[i].len - 1);
        for (int k = 0; k < OPS; k++) {
            w->op[k].snapshot[i] = 0;
        }
    }
}

static void op_finish(struct world *w, struct op *o)
{
    int ret = draw(w, 30) ? 0 : -EIO;
    if (o->io.op == GUEST_FLUSH) {
        for (int i = 0; i < UNITS && ret == 0; i++) {
            int keep = MIN(o->snapshot[i], w->unit[i].len - 1);
            unit_settle(&w->unit[i], keep);
            for (int k = 0; k < OPS; k++) {
                w->op[k].snapshot[i] = MAX(0, w->op[k].snapshot[i] - keep);
            }
        }
    }
    for (int i = 0; i < UNITS && ret == 0 && o->io.op != GUEST_FLUSH; i++) {
        op_unit(w, o, i);
    }
    o->used = false;
    oracle_ref_image.guest_end(w->oracle.state, &o->io, ret);
}

static void power_cut(struct world *w)
{
    for (int i = 0; i < UNITS; i++) {
        struct unit *u = &w->unit[i];
        int survivor = (int)draw(w, (uint32_t)u->len);
        memmove(u->at[0], u->at[survivor], UNIT);
        u->len = 1;
    }
    bool early = draw(w, 2); /* Some requests fail before the oracle hears of the cut. */
    for (int pass = 0; pass < 2; pass++) {
        for (int k = 0; k < OPS; k++) {
            struct op *o = &w->op[k];
            if (o->used && (pass == 1 || (early && draw(w, 2)))) {
                o->used = false;
                oracle_ref_image.guest_end(w->oracle.state, &o->io, -EIO);
            }
        }
        if (pass == 0) {
            oracle_ref_image.power_cut(w->oracle.state);
        }
    }
    oracle_ref_image.layer_gone(w->oracle.state);
}

static void live(struct world *w, int steps)
{
    for (int step = 0; step < steps && !w->verdict.failures; step++) {
        struct op *o = &w->op[draw(w, OPS)];
        if (!o->used) {
            op_start(w, o);
        } else if (draw(w, 3) == 0) {
            op_finish(w, o);
        } else if (o->io.op != GUEST_FLUSH) {
            int first = (int)(o->io.offset / UNIT);
            op_unit(w, o, (first + (int)draw(w, (uint32_t)(o->io.bytes / UNIT + 2))) % UNITS);
        }
        if (draw(w, 400) == 0) {
            power_cut(w);
        }
    }
}

static void an_honest_disk_is_never_accused(void **state)
{
    struct ref_image_stats sum = { 0 };
    struct world *w = NEW(struct world);
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        world_open(w, seed, 0);
        live(w, 6000);
        struct ref_image_stats s = ref_image_stats(w->oracle.state);
        sum.units_verified += s.units_verified;
        sum.units_unknown += s.units_unknown;
        sum.pages_merged += s.pages_merged;
        sum.pages_lossy_cut += s.pages_lossy_cut;
        sum.pages_fast += s.pages_fast;
        if (w->verdict.failures) {
            fail_msg("seed %d: %s", (int)seed, w->verdict.text);
        }
        world_close(w);
    }
    free(w);
    print_message("verified %d, unknown %d, merged %d, lossy %d\n", (int)sum.units_verified,
                  (int)sum.units_unknown, (int)sum.pages_merged, (int)sum.pages_lossy_cut);
    assert_true(sum.units_verified > 10 * sum.units_unknown);
    assert_true(sum.pages_merged > 0);
    assert_true(sum.pages_lossy_cut > 0);
}

static void canary_a_dishonest_disk_is_caught(void **state)
{
    struct world *w = NEW(struct world);
    int caught = 0, lies = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        world_open(w, seed, 10);
        live(w, 6000);
        caught += w->verdict.failures > 0;
        lies += w->lied;
        world_close(w);
    }
    free(w);
    print_message("caught %d of 40, after %d lies\n", caught, lies);
    assert_true(caught >= 38);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_honest_disk_is_never_accused),
        cmocka_unit_test(canary_a_dishonest_disk_is_caught),
    };
    return cmocka_run_group_tests_name("oracles/ref_image_random", tests, NULL, NULL);
}
