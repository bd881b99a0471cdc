/* SPDX-License-Identifier: MIT */
/* The reference image over a simulated disk: guests read, write, flush and discard side by side,
 * the power goes, and everything is read again.  A disk without fault rules passes; each rule that
 * damages data behind the guest's back is caught. */
#include "oracles/fake_graph.h"
#include "oracles/ref_image.h"
#include "sim/disk.h"

#include <errno.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

enum { SIZE = 1 << 20, GUESTS = 6, REQUESTS = 150 };

struct world {
    struct sim *sim;
    struct disk *disk;
    struct layer layer;
    struct node hd0;
    struct oracle oracle;
    struct fake_verdict verdict;
    uint64_t rng, tokens;
    uint32_t running;
    bool done, flush_at_end;
};

static uint32_t draw(struct world *w, uint32_t n)
{
    w->rng = w->rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((w->rng >> 33) % n);
}

static void world_open(struct world *w, uint64_t seed)
{
    struct disk_config cfg = DISK_CONFIG_INIT;
    cfg.size = SIZE;
    cfg.cache_bytes = 4 << 20;
    cfg.profile = "nvme";
    *w = (struct world){ .rng = seed };
    w->sim = sim_create(&(struct sim_config){ .seed = seed, .policy = CHOICE_SEEDED });
    assert_int_equal(disk_create(w->sim, "d0", &cfg, &w->disk, NULL), 0);
    w->hd0 = (struct node){ .name = "hd0", .driver = "file", .filename = "d0", .length = SIZE };
    fake_node(&w->layer, &w->hd0);
    w->oracle = fake_oracle(&oracle_ref_image, w->sim, &w->verdict);
    w->oracle.state = oracle_ref_image.create(&w->oracle);
}

static void world_close(struct world *w)
{
    oracle_ref_image.destroy(w->oracle.state);
    disk_destroy(w->disk);
    sim_destroy(w->sim);
}

static int request(struct world *w, struct guest_io *io, struct iobuf *buf)
{
    uint64_t at = (uint64_t)io->offset, n = (uint64_t)io->bytes;
    int ret = 0;
    io->node = &w->hd0;
    io->layer = &w->layer;
    io->token = ++w->tokens;
    io->data = buf;
    oracle_ref_image.guest_begin(w->oracle.state, io);
    switch (io->op) {
    case GUEST_READ:
        ret = disk_read(w->disk, at, buf, DISK_DIRECT);
        break;
    case GUEST_WRITE:
        ret = disk_write(w->disk, at, buf, DISK_DIRECT | (io->fua ? DISK_FUA : 0));
        break;
    case GUEST_ZERO:
        ret = disk_zero(w->disk, at, n, DISK_DIRECT);
        break;
    case GUEST_DISCARD:
        ret = disk_discard(w->disk, at, n, DISK_DIRECT);
        break;
    case GUEST_FLUSH:
        ret = disk_flush(w->disk);
        break;
    case GUEST_TRUNCATE:
        ret = disk_resize(w->disk, at);
        break;
    }
    oracle_ref_image.guest_end(w->oracle.state, io, ret);
    return ret;
}

/* One request of a guest: whole blocks mostly, symbolic or in memory. */
static void random_request(struct world *w, uint8_t *mem)
{
    static const enum guest_op ops[] = { GUEST_READ,  GUEST_READ,  GUEST_WRITE, GUEST_WRITE,
                                         GUEST_WRITE, GUEST_WRITE, GUEST_ZERO,  GUEST_DISCARD };
    struct guest_io io = { .op = draw(w, 30) ? ops[draw(w, ARRAY_LEN(ops))] : GUEST_FLUSH };
    struct iovec iov;
    struct iobuf buf = { 0 };
    if (io.op != GUEST_FLUSH) {
        bool whole = draw(w, 3);
        io.offset = whole ? draw(w, 60) * 4096 : draw(w, 500) * 512;
        io.bytes = whole ? 4096 * (1 + draw(w, 2)) : 512 * (1 + draw(w, 12));
        buf = iobuf_mem(&iov, mem, (size_t)io.bytes);
        buf.symbolic = io.op == GUEST_READ && draw(w, 2);
    }
    if (io.op == GUEST_WRITE) {
        struct fill f = fill_stream(w->rng);
        if (draw(w, 2)) {
            buf = iobuf_fill(f, (size_t)io.bytes);
        } else {
            fill_bytes(f, mem, (size_t)io.bytes);
        }
        io.fua = draw(w, 20) == 0;
    }
    request(w, &io, &buf);
}

static void guest_run(void *opaque)
{
    struct world *w = opaque;
    uint8_t *mem = mem_alloc(16384);
    for (int i = 0; i < REQUESTS; i++) {
        random_request(w, mem);
    }
    free(mem);
    if (--w->running == 0 && w->flush_at_end) {
        struct guest_io io = { .op = GUEST_FLUSH };
        request(w, &io, NULL);
    }
    w->done = w->running == 0;
}

static void reader_run(void *opaque)
{
    struct world *w = opaque;
    uint8_t *mem = mem_alloc(4096);
    for (int64_t at = 0; at < SIZE; at += 4096) {
        struct iovec iov;
        struct iobuf buf = iobuf_mem(&iov, mem, 4096);
        struct guest_io io = { .op = GUEST_READ, .offset = at, .bytes = 4096 };
        buf.symbolic = true;
        assert_int_equal(request(w, &io, &buf), 0);
    }
    free(mem);
    w->done = true;
}

static void guests_run(struct world *w, int64_t until_ns)
{
    w->done = false;
    w->running = GUESTS;
    for (int i = 0; i < GUESTS; i++) {
        co_create(w->sim, "guest", 0, guest_run, w);
    }
    sim_run(w->sim, &w->done, until_ns, 0);
}

static void read_all(struct world *w)
{
    w->done = false;
    co_create(w->sim, "reader", 0, reader_run, w);
    sim_run(w->sim, &w->done, SIM_FOREVER, 0);
}

static void power_cycle(struct world *w)
{
    oracle_ref_image.power_cut(w->oracle.state);
    disk_power_cut(w->disk);
    oracle_ref_image.layer_gone(w->oracle.state);
    sim_run(w->sim, NULL, SIM_FOREVER, 0); /* The guests come to their ends, with errors. */
    disk_power_on(w->disk);
}

/* Twice until the power goes in the middle of it, then to the end. */
static void life(struct world *w)
{
    for (int i = 0; i < 2; i++) {
        guests_run(w, sim_now_ns(w->sim) + 200000 + draw(w, 800000));
        power_cycle(w);
        read_all(w);
    }
    guests_run(w, SIM_FOREVER);
    read_all(w);
}

static void a_disk_without_faults_passes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 25; seed++) {
        struct world w;
        world_open(&w, seed);
        life(&w);
        if (w.verdict.failures) {
            fail_msg("seed %d: %s", (int)seed, w.verdict.text);
        }
        struct ref_image_stats s = ref_image_stats(w.oracle.state);
        assert_true(s.units_verified > 3000);
        world_close(&w);
    }
}

/* Failed and torn writes say so: no damage that a guest would not know of. */
static void failing_requests_are_no_damage(void **state)
{
    (void)state;
    struct fault_rule torn = { .kind = FAULT_TORN, .nth = 20, .count = 30 };
    struct fault_rule error = { .kind = FAULT_ERROR, .ops = 1u << DISK_WRITE, .nth = 40,
                                .count = 30 };
    struct world w;
    world_open(&w, 3);
    assert_int_equal(disk_fault_add(w.disk, &torn, NULL), 0);
    assert_int_equal(disk_fault_add(w.disk, &error, NULL), 0);
    life(&w);
    assert_true(disk_stats(w.disk).faults >= 60);
    if (w.verdict.failures) {
        fail_msg("%s", w.verdict.text);
    }
    world_close(&w);
}

/* How many of 10 seeds a rule is found out in. */
static int caught(const struct fault_rule *rule, bool cut)
{
    int found = 0;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world w;
        world_open(&w, seed);
        w.flush_at_end = cut;
        assert_int_equal(disk_fault_add(w.disk, rule, NULL), 0);
        guests_run(&w, SIM_FOREVER);
        if (cut) {
            power_cycle(&w);
        }
        read_all(&w);
        assert_true(disk_stats(w.disk).faults > 0);
        found += w.verdict.failures > 0;
        world_close(&w);
    }
    return found;
}

static void canary_lost_writes(void **state)
{
    (void)state;
    struct fault_rule rule = { .kind = FAULT_LOST, .nth = 100, .count = 30 };
    assert_int_equal(caught(&rule, false), 10);
}

static void canary_misdirected_writes(void **state)
{
    (void)state;
    struct fault_rule rule = { .kind = FAULT_MISDIRECT, .ops = 1u << DISK_WRITE, .nth = 100,
                               .count = 30 };
    assert_int_equal(caught(&rule, false), 10);
}

static void canary_misdirected_reads(void **state)
{
    (void)state;
    struct fault_rule rule = { .kind = FAULT_MISDIRECT, .ops = 1u << DISK_READ, .nth = 100,
                               .count = 30 };
    assert_int_equal(caught(&rule, false), 10);
}

static void canary_lying_flushes(void **state)
{
    (void)state;
    struct fault_rule rule = { .kind = FAULT_LIE };
    assert_true(caught(&rule, true) >= 9);
}

static void canary_bit_rot(void **state)
{
    (void)state;
    struct world w;
    struct fault_rule rule = { .kind = FAULT_BITROT, .offset = 8192, .bytes = 4096 };
    world_open(&w, 1);
    guests_run(&w, SIM_FOREVER);
    read_all(&w);
    assert_int_equal(w.verdict.failures, 0);
    assert_int_equal(disk_fault_add(w.disk, &rule, NULL), 0);
    read_all(&w);
    assert_int_equal(w.verdict.failures, 1);
    assert_non_null(strstr(w.verdict.text, "node hd0: sector "));
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disk_without_faults_passes),
        cmocka_unit_test(failing_requests_are_no_damage),
        cmocka_unit_test(canary_lost_writes),
        cmocka_unit_test(canary_misdirected_writes),
        cmocka_unit_test(canary_misdirected_reads),
        cmocka_unit_test(canary_lying_flushes),
        cmocka_unit_test(canary_bit_rot),
    };
    return cmocka_run_group_tests_name("oracles/ref_image_disk", tests, NULL, NULL);
}
