/* SPDX-License-Identifier: MIT */
/* Loads on a backend of the test's own: a store of bytes with a latency and planted faults. */
#include "scenarios/load.h"

#include "base/mem.h"
#include "sim/sim.h"

#include <errno.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

enum { STORE = 1 << 20, BLOCK = 4096 };

struct layer {
    struct sim *sim;
};

struct node {
    struct layer *layer;
};

struct backend {
    struct node *node;
    int64_t latency_ns;
    bool symbolic; /* Answers with fills; blocks only. */
    uint64_t lose, fail, flip; /* The nth write or read is faulty; 0: none. */
    int fail_with;
    uint64_t reads, writes, flushes, fua;
    uint32_t in_flight, most_in_flight;
    uint8_t bytes[STORE];
    struct fill fill[STORE / BLOCK];
};

struct world {
    struct sim *sim;
    struct layer layer;
    struct node node;
    struct backend *backend;
    struct guest_port port;
    struct guest guest;
    struct oracle spy;
    struct load *load;
    enum load_data data;
    uint64_t begun, ended, sum; /* Of the spy. */
};

/* --- The model's functions that guests use --- */

const struct layer *inspect_layer(const struct node *n)
{
    return n->layer;
}

struct sim *layer_sim(const struct layer *l)
{
    return l->sim;
}

struct node *backend_node(const struct backend *b)
{
    return b->node;
}

int64_t backend_length(const struct backend *b)
{
    (void)b;
    return STORE;
}

static void spend(struct backend *b, int64_t offset)
{
    b->in_flight++;
    b->most_in_flight = MAX(b->most_in_flight, b->in_flight);
    if (b->latency_ns) {
        co_sleep(b->node->layer->sim, b->latency_ns + offset % 7 * 13);
    }
    b->in_flight--;
}

static int do_read(struct backend *b, int64_t offset, struct iobuf *buf, uint32_t flags)
{
    uint64_t n = ++b->reads;
    assert_int_equal(flags, 0);
    spend(b, offset);
    if (n == b->fail) {
        return b->fail_with;
    }
    if (b->symbolic && buf->len == BLOCK) {
        iobuf_answer_fill(buf, b->fill[offset / BLOCK]);
    } else if (b->symbolic) {
        for (size_t at = 0; at < buf->len; at += BLOCK) {
            iobuf_set(buf, at, b->fill[((size_t)offset + at) / BLOCK], BLOCK);
        }
    } else {
        iobuf_copy_in(buf, 0, b->bytes + offset, buf->len);
    }
    if (n == b->flip) {
        uint8_t byte;
        iobuf_copy_out(buf, 100, &byte, 1);
        byte ^= 4;
        iobuf_copy_in(buf, 100, &byte, 1);
    }
    return 0;
}

static int do_write(struct backend *b, int64_t offset, struct iobuf *buf, uint32_t flags)
{
    uint64_t n = ++b->writes;
    b->fua += (flags & IO_FUA) != 0;
    spend(b, offset);
    if (n == b->fail) {
        return b->fail_with;
    }
    if (n != b->lose && b->symbolic) {
        b->fill[offset / BLOCK] = buf->fill;
    } else if (n != b->lose) {
        iobuf_copy_out(buf, 0, b->bytes + offset, buf->len);
    }
    return 0;
}

static int do_request(struct backend *b, struct io_req *req, struct error *err)
{
    switch (req->op) {
    case IO_READ:
        return do_read(b, req->offset, req->buf, req->flags);
    case IO_WRITE:
        return do_write(b, req->offset, req->buf, req->flags);
    case IO_WRITE_ZEROES:
        memset(b->bytes + req->offset, 0, (size_t)req->bytes);
        return 0;
    case IO_FLUSH:
        b->flushes++;
        spend(b, 0);
        return 0;
    case IO_TRUNCATE:
        return error_set(err, -ENOTSUP, "fixed");
    default:
        return -ENOTSUP;
    }
}

int backend_request(struct backend *b, struct io_req *req, const struct backend_watch *watch,
                    struct error *err)
{
    if (!b->node) {
        return req->op == IO_WRITE_ZEROES ? 0 : -ENOMEDIUM;
    }
    if (watch) {
        watch->begin(watch->opaque, b->node);
    }
    int ret = do_request(b, req, err);
    if (watch) {
        watch->end(watch->opaque, ret);
    }
    return ret;
}

int device_request(struct device *d, struct io_req *req, const struct backend_watch *watch)
{
    (void)d, (void)req, (void)watch;
    fail_msg("no frontend is here");
    return -ENODEV;
}

/* --- A spy in the place of an oracle --- */

static void spy_begin(void *state, const struct guest_io *io)
{
    struct world *w = state;
    w->begun++;
    assert_int_equal(io->token, w->guest.tokens);
    assert_ptr_equal(io->node, &w->node);
    assert_ptr_equal(io->layer, &w->layer);
    uint64_t what = (uint64_t)io->offset * 31 + (uint64_t)io->bytes * 7 + io->op;
    if (io->op == GUEST_WRITE) {
        what ^= io->data->fill.tag;
    }
    w->sum += what * UINT64_C(0x9e3779b97f4a7c15); /* The same in any order. */
}

static void spy_end(void *state, const struct guest_io *io, int ret)
{
    struct world *w = state;
    (void)ret;
    w->ended++;
    assert_true(io->token > 0 && io->token <= w->guest.tokens);
}

static const struct oracle_ops spy_ops = {
    .name = "spy", .guest_begin = spy_begin, .guest_end = spy_end
};

/* --- The world --- */

static int set_up(void **state)
{
    struct world *w = NEW(struct world);
    w->sim = sim_create(&(struct sim_config){ .seed = 1 });
    w->layer.sim = w->sim;
    w->node.layer = &w->layer;
    w->backend = NEW(struct backend);
    w->port.backend = w->backend;
    w->backend->node = &w->node;
    w->backend->latency_ns = 1000;
    w->spy = (struct oracle){ .ops = &spy_ops, .state = w };
    w->guest = (struct guest){ .oracles = &w->spy, .oracles_len = 1 };
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    sim_destroy(w->sim);
    free(w->backend);
    free(w);
    return 0;
}

enum { WORDS_MAX = 16 };

static int begin(struct world *w, const char *args, struct error *err)
{
    char *text = mem_strdup(args), *save = NULL, *argv[WORDS_MAX];
    int argc = 0;
    for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        argv[argc++] = word;
    }
    int ret = load_start(&w->guest, &w->port, "w1", argc, argv, 7, w->data, &w->load, err);
    free(text);
    return ret;
}

/* Runs a load to its end and returns its statistics; its result goes to err. */
static struct load_stats run(struct world *w, const char *args, struct error *err)
{
    *err = ERROR_INIT;
    int ret = begin(w, args, err);
    if (ret < 0) {
        fail_msg("%s: %s", args, err->text);
    }
    assert_int_equal(sim_run(w->sim, load_done(w->load), SIM_FOREVER, 0), SIM_DONE);
    sim_settle(w->sim, 0);
    load_result(w->load, err);
    struct load_stats stats = load_stats(w->load);
    load_free(w->load);
    w->load = NULL;
    assert_int_equal(w->begun, w->ended);
    return stats;
}

static struct load_stats run_well(struct world *w, const char *args)
{
    struct error err;
    struct load_stats stats = run(w, args, &err);
    if (err.code) {
        fail_msg("%s: %s", args, err.text);
    }
    return stats;
}

/* --- Stories --- */

static void a_load_writes_and_reads_back(void **state)
{
    struct world *w = *state;
    struct load_stats s = run_well(w, "rw=randwrite depth=4 count=500");
    assert_int_equal(s.writes, 500);
    assert_int_equal(s.reads, 0);
    assert_int_equal(w->backend->writes, 500);
    assert_int_equal(w->backend->most_in_flight, 4);
    assert_true(s.verified_bytes >= 180 * 4096 && s.verified_bytes <= STORE);
    assert_true(s.ended_ns > 100 * 1000);
    assert_true(s.latency_ns_max >= 1000 && s.latency_ns_total >= 500 * 1000);
}

/* Depth, latency and neighbours do not change what a load asks for. */
static void the_list_is_a_function_of_the_arguments(void **state)
{
    struct world *w = *state;
    uint64_t sums[4];
    const char *args[] = { "rw=randrw verify=off count=300 seed=5 bs=1k-9k depth=1",
                           "rw=randrw verify=off count=300 seed=5 bs=1k-9k depth=16",
                           "rw=randrw verify=off count=300 seed=5 bs=1k-9k depth=16",
                           "rw=randrw verify=off count=300 seed=6 bs=1k-9k depth=16" };
    for (size_t i = 0; i < ARRAY_LEN(args); i++) {
        w->sum = 0;
        w->backend->latency_ns = i == 2 ? 0 : 1000;
        run_well(w, args[i]);
        sums[i] = w->sum;
    }
    assert_int_equal(sums[0], sums[1]);
    assert_int_equal(sums[0], sums[2]);
    assert_int_not_equal(sums[0], sums[3]);
}

static void sequential_loads_go_round(void **state)
{
    struct world *w = *state;
    struct load_stats s = run_well(w, "rw=write bs=4k count=20 region=8k+40k");
    assert_int_equal(s.verified_bytes, 40 * 1024);
    for (int i = 0; i < 8192; i++) {
        assert_int_equal(w->backend->bytes[i], 0);
    }
    assert_int_equal(w->backend->reads, 1); /* Read back in one piece. */
}

static void canary_lost_write(void **state)
{
    struct world *w = *state;
    struct error err;
    w->backend->lose = 20;
    run(w, "rw=write bs=4k count=100 depth=3", &err);
    assert_int_equal(err.code, -EIO);
    assert_non_null(strstr(err.text, "returned other data: byte 77824 is 0x00, expected 0x"));
    assert_non_null(strstr(err.text, "as request 19 of the load wrote it"));
}

static void canary_lost_write_among_fills(void **state)
{
    struct world *w = *state;
    struct error err;
    w->backend->symbolic = true;
    run_well(w, "rw=write bs=4k count=256");
    w->backend->lose = w->backend->writes + 20;
    run(w, "rw=write bs=4k count=256 seed=9", &err);
    assert_non_null(strstr(err.text, "returned other data: byte 77824 is 0x"));
}

static void canary_bit_flipped_in_a_read(void **state)
{
    struct world *w = *state;
    struct error err;
    run_well(w, "rw=write bs=4k count=256");
    w->backend->flip = w->backend->reads + 9000;
    struct load_stats s = run(w, "rw=randrw mix=80 errors=ignore bs=4k count=100000", &err);
    assert_non_null(strstr(err.text, "returned other data"));
    assert_true(s.reads + s.writes < 100000); /* It stopped there. */
}

static void overlapping_requests_are_not_judged_by_chance(void **state)
{
    struct world *w = *state;
    run_well(w, "rw=randrw depth=32 count=3000 region=0+16k");
    run_well(w, "rw=randrw depth=32 count=3000 region=0+64k bs=512-8k");
    struct load_stats s = run_well(w, "rw=randrw depth=3 count=3000 region=0+64k bs=512-8k");
    assert_true(s.verified_bytes > 1000 * 512);
}

/* What is there when the requests are done one after the other. */
static void in_order(const struct load_args *args, uint8_t *bytes)
{
    struct load_plan plan;
    struct load_req r;
    load_plan_init(&plan, args, "w1", LOAD_BYTES);
    memset(bytes, 0, STORE);
    while (load_plan_next(&plan, &r)) {
        if (!r.read) {
            memset(bytes + r.offset, load_plan_byte(&plan, r.index), (size_t)r.bytes);
        }
    }
}

static void with_bytes_the_list_says_what_is_there_in_the_end(void **state)
{
    struct world *w = *state;
    struct load_args args = { .reads = true, .writes = true, .random = true, .mix = 50,
                              .bs_min = 512, .bs_max = 8192, .depth = 16, .count = 3000,
                              .length = 64 << 10, .seed = 7, .verify = true };
    uint8_t *want = mem_alloc(STORE);
    w->data = LOAD_BYTES;
    in_order(&args, want);
    struct load_stats s =
        run_well(w, "rw=randrw depth=16 count=3000 region=0+64k bs=512-8k flush=7");
    assert_int_equal(s.reads + s.writes, 3000);
    assert_memory_equal(w->backend->bytes, want, STORE);
    assert_true(s.verified_bytes > 3000 / 2 * 4096 / 2); /* Almost all of what is read. */
    assert_true(w->backend->most_in_flight > 4);

    /* A race decides what streams leave: these are not what the list alone says. */
    w->data = LOAD_STREAMS;
    run_well(w, "rw=randrw depth=16 count=3000 region=0+64k bs=512-8k");
    assert_memory_not_equal(w->backend->bytes, want, 64 << 10);
    free(want);
}

static void with_bytes_a_lost_write_is_found_too(void **state)
{
    struct world *w = *state;
    struct error err;
    w->data = LOAD_BYTES;
    w->backend->lose = 100;
    run(w, "rw=write count=200 depth=4 errors=ignore", &err);
    assert_non_null(strstr(err.text, "returned other data: byte 405504 is 0x00, expected 0x"));
}

static void with_bytes_an_error_keeps_nobody_waiting(void **state)
{
    struct world *w = *state;
    struct error err;
    w->data = LOAD_BYTES;
    w->backend->fail = 50;
    w->backend->fail_with = -EIO;
    run(w, "rw=randwrite depth=32 count=1000 region=0+8k", &err);
    assert_int_equal(err.code, -EIO);
}

static void errors_end_the_load_or_not(void **state)
{
    struct world *w = *state;
    struct error err;
    w->backend->fail = 10;
    w->backend->fail_with = -ENOSPC;
    struct load_stats s = run(w, "rw=write count=100", &err);
    assert_int_equal(err.code, -ENOSPC);
    assert_string_equal(err.text, "write at 36864 failed: No space left on device");
    assert_int_equal(s.writes, 10);
    assert_int_equal(s.failed, 1);

    w->backend->fail = w->backend->writes + 10;
    s = run(w, "rw=write count=100 errors=stop", &err);
    assert_int_equal(err.code, 0);
    assert_int_equal(s.writes, 10);

    w->backend->fail = w->backend->writes + 10;
    s = run(w, "rw=write count=100 errors=ignore", &err);
    assert_int_equal(err.code, 0);
    assert_int_equal(s.writes, 100);
    assert_int_equal(s.failed, 1);
    assert_int_equal(s.verified_bytes, 99 * 4096); /* Not what failed. */
}

static void flushes_and_fua_are_passed_on(void **state)
{
    struct world *w = *state;
    struct load_stats s = run_well(w, "rw=randwrite count=100 flush=8 fua=on depth=4");
    assert_int_equal(s.flushes, 12);
    assert_int_equal(w->backend->flushes, 12);
    assert_int_equal(w->backend->fua, 100);
}

static void runtime_is_virtual_time(void **state)
{
    struct world *w = *state;
    struct load_stats s = run_well(w, "rw=randread runtime=1ms");
    assert_true(s.reads > 900 && s.reads <= 1000);
    assert_true(s.ended_ns - s.started_ns < 1002000);
}

static void a_stopped_load_starts_nothing_more(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    assert_int_equal(begin(w, "rw=write count=100000 depth=2", &err), 0);
    assert_string_equal(load_tag(w->load), "w1");
    assert_int_equal(sim_run(w->sim, load_done(w->load), 50000, 0), SIM_LATER);
    uint64_t so_far = w->backend->writes;
    load_stop(w->load);
    assert_int_equal(sim_run(w->sim, load_done(w->load), SIM_FOREVER, 0), SIM_DONE);
    assert_int_equal(w->backend->writes, so_far);
    assert_int_equal(w->backend->reads, 0);
    assert_int_equal(load_result(w->load, &err), 0);
    sim_settle(w->sim, 0);
    load_free(w->load);
}

struct neighbour {
    struct world *w;
    uint64_t seen;
};

static void neighbour_run(void *opaque)
{
    struct neighbour *n = opaque;
    n->seen = n->w->backend->writes;
}

static void without_latency_others_get_their_turn(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    struct neighbour n = { .w = w };
    w->backend->latency_ns = 0;
    assert_int_equal(begin(w, "rw=write count=1000 depth=2 verify=off", &err), 0);
    co_create(w->sim, "neighbour", 0, neighbour_run, &n);
    sim_run(w->sim, NULL, SIM_FOREVER, 0);
    assert_true(n.seen <= 4);
    assert_int_equal(w->backend->writes, 1000);
    load_free(w->load);
}

static void an_iothread_does_it(void **state)
{
    struct world *w = *state;
    assert_int_equal(sim_iothread_add(w->sim, "io1"), 1);
    run_well(w, "rw=randrw count=50 iothread=io1");
}

static void without_oracles_nobody_is_told(void **state)
{
    struct world *w = *state;
    w->guest.oracles_len = 0;
    run_well(w, "rw=randrw count=50");
    assert_int_equal(w->begun, 0);
    assert_int_equal(w->guest.tokens, 0);
}

static void guest_requests_of_all_kinds_are_told(void **state)
{
    struct world *w = *state;
    assert_int_equal(guest_write_zeroes(&w->guest, &w->port, 0, 512, 0), 0);
    assert_int_equal(guest_discard(&w->guest, &w->port, 0, 512), -ENOTSUP);
    assert_int_equal(guest_truncate(&w->guest, &w->port, 5, 0, PREALLOC_OFF, NULL), -ENOTSUP);
    assert_int_equal(w->begun, 3);
    assert_int_equal(w->ended, 3);
    w->backend->node = NULL; /* No medium: nothing that it could reach. */
    assert_int_equal(guest_write_zeroes(&w->guest, &w->port, 0, 512, 0), 0);
    assert_int_equal(w->begun, 3);
    struct error err = ERROR_INIT;
    assert_int_equal(begin(w, "rw=read count=1", &err), -ENOMEDIUM);
    w->backend->node = &w->node;
}

static void bad_arguments_are_named(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *args, *text;
    } bad[] = {
        { "count=1", "rw is missing" },
        { "rw=read", "one of count and runtime is needed" },
        { "rw=read count=1 runtime=1s", "one of count and runtime is needed" },
        { "rw=reed count=1", "rw: 'reed' is not one of: read write" },
        { "rw=read count=0", "count: '0' is not a number from 1" },
        { "rw=read conut=1", "unknown key 'conut' (did you mean 'count'?)" },
        { "rw=read count", "'count' is not key=value" },
        { "rw=read count=1 count=2", "count is given twice" },
        { "rw=read count=1 bs=0", "bs: '0' is not a size" },
        { "rw=read count=1 bs=8k-4k", "bs: '8k-4k' is not a size, or A-B" },
        { "rw=read count=1 bs=100-1k", "bs: '100-1k' is not made of multiples of 512" },
        { "rw=read count=1 bs=65M", "bs: '65M' is not" },
        { "rw=read count=1 bs=2M", "bs: 2097152 is more than the region's 1048576 bytes" },
        { "rw=read count=1 depth=0", "depth: '0' is not a number from 1 to 1024" },
        { "rw=read count=1 region=5", "region: '5' is not OFFSET+LENGTH" },
        { "rw=read count=1 region=1M+4k", "region: 1048576+4096 is not within" },
        { "rw=read count=1 mix=101", "mix: '101' is not a number from 0 to 100" },
        { "rw=read runtime=5", "runtime: '5' is not a duration" },
        { "rw=read count=1 verify=yes", "verify: 'yes' is not on or off" },
        { "rw=read count=1 errors=no", "errors: 'no' is not one of: fail ignore stop" },
        { "rw=read count=1 iothread=x", "iothread: 'x' is not the name of an iothread" },
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct error err = ERROR_INIT;
        assert_int_equal(begin(w, bad[i].args, &err), -EINVAL);
        if (!strstr(err.text, bad[i].text)) {
            fail_msg("%s: %s", bad[i].args, err.text);
        }
    }
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_load_writes_and_reads_back),
        STORY(the_list_is_a_function_of_the_arguments),
        STORY(sequential_loads_go_round),
        STORY(canary_lost_write),
        STORY(canary_lost_write_among_fills),
        STORY(canary_bit_flipped_in_a_read),
        STORY(overlapping_requests_are_not_judged_by_chance),
        STORY(with_bytes_the_list_says_what_is_there_in_the_end),
        STORY(with_bytes_a_lost_write_is_found_too),
        STORY(with_bytes_an_error_keeps_nobody_waiting),
        STORY(errors_end_the_load_or_not),
        STORY(flushes_and_fua_are_passed_on),
        STORY(runtime_is_virtual_time),
        STORY(a_stopped_load_starts_nothing_more),
        STORY(without_latency_others_get_their_turn),
        STORY(an_iothread_does_it),
        STORY(without_oracles_nobody_is_told),
        STORY(guest_requests_of_all_kinds_are_told),
        STORY(bad_arguments_are_named),
    };
    return cmocka_run_group_tests_name("scenarios/load", tests, NULL, NULL);
}
