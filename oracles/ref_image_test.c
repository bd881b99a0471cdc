/* SPDX-License-Identifier: MIT */
/* Stories of guests and storage, told to the reference image by hand: what was written, what came
 * back, and whether that may be.  The canaries are the stories with a planted fault. */
#include "oracles/fake_graph.h"
#include "oracles/ref_image.h"

#include <errno.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define KIB INT64_C(1024)
#define MIB (1024 * KIB)

struct world {
    struct sim *sim;
    struct layer layer;
    struct node file, hd0, dbg;
    struct oracle oracle;
    struct fake_verdict verdict;
    uint64_t tokens;
};

static int set_up(void **state)
{
    struct world *w = NEW(struct world);
    w->sim = sim_create(&(struct sim_config){ .seed = 1 });
    w->file = (struct node){ .name = "f0", .driver = "file", .filename = "a.img",
                             .length = 64 * MIB };
    w->hd0 = (struct node){ .name = "hd0", .driver = "raw", .length = 64 * MIB };
    w->dbg = (struct node){ .name = "dbg", .driver = "blkdebug", .is_filter = true };
    fake_node(&w->layer, &w->file);
    fake_node(&w->layer, &w->hd0);
    fake_node(&w->layer, &w->dbg);
    fake_edge_roles(&w->hd0, &w->file, "file", VIEW_DATA | VIEW_PRIMARY, 0, 15);
    fake_edge(&w->dbg, &w->hd0, "image", 0, 15);
    w->oracle = fake_oracle(&oracle_ref_image, w->sim, &w->verdict);
    w->oracle.state = oracle_ref_image.create(&w->oracle);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    oracle_ref_image.destroy(w->oracle.state);
    sim_destroy(w->sim);
    free(w);
    return 0;
}

/* --- Requests --- */

static struct guest_io start(struct world *w, enum guest_op op, struct node *n, int64_t offset,
                             int64_t bytes, const struct iobuf *data)
{
    struct guest_io io = { .op = op, .node = n, .layer = &w->layer, .offset = offset,
                           .bytes = bytes, .data = data, .token = ++w->tokens };
    oracle_ref_image.guest_begin(w->oracle.state, &io);
    return io;
}

static void finish(struct world *w, const struct guest_io *io, int ret)
{
    oracle_ref_image.guest_end(w->oracle.state, io, ret);
}

static void write_at(struct world *w, struct node *n, int64_t offset, int64_t bytes, struct fill f,
                     int ret)
{
    struct iobuf buf = iobuf_fill(f, (size_t)bytes);
    struct guest_io io = start(w, GUEST_WRITE, n, offset, bytes, &buf);
    finish(w, &io, ret);
}

static void read_at(struct world *w, struct node *n, int64_t offset, int64_t bytes, struct fill f)
{
    struct iobuf buf = { .len = (size_t)bytes };
    struct guest_io io = start(w, GUEST_READ, n, offset, bytes, &buf);
    buf.fill = f;
    finish(w, &io, 0);
}

/* The same with the bytes in memory. */
static void read_bytes(struct world *w, struct node *n, int64_t offset, int64_t bytes,
                       struct fill f)
{
    uint8_t *mem = mem_alloc((size_t)bytes);
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, mem, (size_t)bytes);
    struct guest_io io = start(w, GUEST_READ, n, offset, bytes, &buf);
    fill_bytes(f, mem, (size_t)bytes);
    finish(w, &io, 0);
    free(mem);
}

static void simple(struct world *w, enum guest_op op, int64_t offset, int64_t bytes, int ret)
{
    struct guest_io io = start(w, op, &w->hd0, offset, bytes, NULL);
    finish(w, &io, ret);
}

static void write_hd0(struct world *w, int64_t offset, int64_t bytes, struct fill f)
{
    write_at(w, &w->hd0, offset, bytes, f, 0);
}

static void read_hd0(struct world *w, int64_t offset, int64_t bytes, struct fill f)
{
    read_at(w, &w->hd0, offset, bytes, f);
}

static void flush(struct world *w)
{
    simple(w, GUEST_FLUSH, 0, 0, 0);
}

static void power_cut(struct world *w)
{
    oracle_ref_image.power_cut(w->oracle.state);
    oracle_ref_image.layer_gone(w->oracle.state);
}

static void quiet(const struct world *w)
{
    if (w->verdict.failures) {
        fail_msg("unexpected: %s", w->verdict.text);
    }
}

/* A failure was reported since the last call, with that text. */
static void caught(struct world *w, const char *part)
{
    if (!w->verdict.failures || !strstr(w->verdict.text, part)) {
        fail_msg("expected '%s', got %d failure(s): '%s'", part, w->verdict.failures,
                 w->verdict.text);
    }
    assert_string_equal(w->verdict.site, "read");
    w->verdict = (struct fake_verdict){ 0 };
}

static struct fill x(uint8_t byte)
{
    return fill_byte(byte);
}

/* --- Plain reading and writing --- */

static void what_was_written_is_read(void **state)
{
    struct world *w = *state;
    write_hd0(w, 0, 4 * KIB, fill_stream(7));
    write_hd0(w, 4 * KIB, 4 * KIB, fill_stream(8));
    read_hd0(w, 0, 4 * KIB, fill_stream(7));
    read_bytes(w, &w->hd0, 4 * KIB, 4 * KIB, fill_stream(8));
    read_at(w, &w->dbg, 4 * KIB, 4 * KIB, fill_stream(8)); /* A filter shares the data. */
    quiet(w);
    struct ref_image_stats stats = ref_image_stats(w->oracle.state);
    assert_int_equal(stats.pages_fast, 2);
    assert_int_equal(stats.units_unknown, 0);
}

static void canary_lost_write(void **state)
{
    struct world *w = *state;
    write_hd0(w, 8 * KIB, 4 * KIB, x(0x11));
    write_hd0(w, 8 * KIB, 4 * KIB, x(0x22));
    read_hd0(w, 8 * KIB, 4 * KIB, x(0x11));
    caught(w, "node hd0: sector 16 (byte 8192) is 0x11, expected 0x22 (request 2, at 8192+4096");
    read_hd0(w, 8 * KIB, 4 * KIB, x(0x11));
    quiet(w); /* Reported once. */
}

static void canary_misdirected_write(void **state)
{
    struct world *w = *state;
    write_hd0(w, 0, 4 * KIB, fill_stream(1));
    write_hd0(w, 64 * KIB, 4 * KIB, fill_stream(2));
    write_hd0(w, 0, 4 * KIB, fill_stream(3)); /* Lands at 64k. */
    read_hd0(w, 0, 4 * KIB, fill_stream(1));
    caught(w, "sector 0 ");
    read_hd0(w, 64 * KIB, 4 * KIB, fill_stream(3));
    caught(w, "sector 128 ");
}

static void canary_bit_rot(void **state)
{
    struct world *w = *state;
    uint8_t mem[8192];
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, mem, sizeof(mem));
    write_hd0(w, 0, 8 * KIB, fill_stream(5));
    struct guest_io io = start(w, GUEST_READ, &w->hd0, 0, 8 * KIB, &buf);
    fill_bytes(fill_stream(5), mem, sizeof(mem));
    mem[4096 + 700] ^= 0x10;
    finish(w, &io, 0);
    caught(w, "sector 9 (byte 4796) is 0x");
}

static void canary_stale_data_of_a_never_written_block(void **state)
{
    struct world *w = *state;
    read_hd0(w, 12 * KIB, 4 * KIB, x(0)); /* Now it is known... */
    quiet(w);
    read_hd0(w, 12 * KIB, 4 * KIB, x(0));
    quiet(w);
    read_hd0(w, 12 * KIB, 4 * KIB, x(9)); /* ...and must stay so. */
    caught(w, "is 0x09, expected 0x00 (request 1");
}

static void small_writes_are_followed_byte_by_byte(void **state)
{
    struct world *w = *state;
    write_hd0(w, 0, 4 * KIB, x(1));
    write_hd0(w, 100, 50, x(2));
    write_hd0(w, 4000, 200, x(3)); /* Over the end of a page, into the unknown. */
    read_hd0(w, 0, 100, x(1));
    read_hd0(w, 100, 50, x(2));
    read_hd0(w, 150, 3850, x(1));
    read_hd0(w, 4000, 200, x(3));
    quiet(w);
    uint8_t mem[512];
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, mem, sizeof(mem));
    struct guest_io io = start(w, GUEST_READ, &w->hd0, 0, 512, &buf);
    memset(mem, 1, sizeof(mem));
    memset(mem + 100, 2, 49); /* One byte short. */
    finish(w, &io, 0);
    caught(w, "sector 0 (byte 149) is 0x01, expected 0x02 (request 2, at 100+50");
}

static void many_small_writes_are_merged_and_stay_known(void **state)
{
    struct world *w = *state;
    uint8_t mem[4096] = { 0 };
    write_hd0(w, 0, 4 * KIB, x(0));
    for (int i = 0; i < 200; i++) {
        mem[i * 7] = (uint8_t)(i | 1);
        write_hd0(w, i * 7, 1, x((uint8_t)(i | 1)));
    }
    assert_true(ref_image_stats(w->oracle.state).pages_merged > 0);
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, mem, sizeof(mem));
    struct guest_io io = start(w, GUEST_READ, &w->hd0, 0, 4 * KIB, &buf);
    finish(w, &io, 0);
    quiet(w);
    assert_int_equal(ref_image_stats(w->oracle.state).units_unknown, 0);
    mem[70] ^= 1;
    io = start(w, GUEST_READ, &w->hd0, 0, 4 * KIB, &buf);
    finish(w, &io, 0);
    caught(w, "(byte 70)");
}

/* --- Requests side by side --- */

static void a_read_beside_a_write_sees_old_or_new_by_sector(void **state)
{
    struct world *w = *state;
    struct iobuf two = iobuf_fill(x(2), 4096), got = { .len = 4096 };
    uint8_t mem[4096];
    struct iovec iov;
    struct iobuf mixed = iobuf_mem(&iov, mem, sizeof(mem));
    memset(mem, 1, sizeof(mem));
    memset(mem + 1024, 2, 512);

    write_hd0(w, 0, 4 * KIB, x(1));
    struct guest_io wr = start(w, GUEST_WRITE, &w->hd0, 0, 4 * KIB, &two);
    struct guest_io r1 = start(w, GUEST_READ, &w->hd0, 0, 4 * KIB, &got);
    struct guest_io r2 = start(w, GUEST_READ, &w->hd0, 0, 4 * KIB, &mixed);
    struct guest_io r3 = start(w, GUEST_READ, &w->hd0, 0, 4 * KIB, &got);
    finish(w, &r2, 0); /* While it is in flight. */
    quiet(w);
    finish(w, &wr, 0);
    got.fill = x(1);
    finish(w, &r1, 0); /* Began before it ended: still the old. */
    quiet(w);
    got.fill = x(3);
    finish(w, &r3, 0);
    caught(w, "is 0x03, expected 0x02 (request 2, at 0+4096, ended at 0 ns) or 0x01 (request 1");
    write_hd0(w, 0, 4 * KIB, x(2));
    read_hd0(w, 0, 4 * KIB, x(1)); /* Began after it: the new only. */
    caught(w, "is 0x01, expected 0x02");
}

static void two_writes_side_by_side_leave_either_and_then_one(void **state)
{
    struct world *w = *state;
    struct iobuf two = iobuf_fill(x(2), 4096), three = iobuf_fill(x(3), 4096);
    write_hd0(w, 0, 4 * KIB, x(1));
    struct guest_io a = start(w, GUEST_WRITE, &w->hd0, 0, 4 * KIB, &two);
    struct guest_io b = start(w, GUEST_WRITE, &w->hd0, 0, 4 * KIB, &three);
    finish(w, &b, 0);
    finish(w, &a, 0);
    read_hd0(w, 0, 512, x(3));
    read_hd0(w, 512, 512, x(2));
    quiet(w);
    read_hd0(w, 0, 512, x(2)); /* It was settled by the first read. */
    caught(w, "sector 0 (byte 0) is 0x02, expected 0x03");
    read_hd0(w, 1024, 512, x(1));
    caught(w, "sector 2 (byte 1024) is 0x01, expected 0x02");
}

static void a_failed_write_leaves_old_or_new(void **state)
{
    struct world *w = *state;
    write_hd0(w, 0, 4 * KIB, x(1));
    write_at(w, &w->hd0, 0, 4 * KIB, x(2), -EIO);
    read_hd0(w, 0, 512, x(1));
    read_hd0(w, 512, 512, x(2));
    quiet(w);
    read_hd0(w, 1024, 512, x(4));
    caught(w, "is 0x04, expected 0x01 (request 1, at 0+4096, ended at 0 ns) or 0x02 "
              "(request 2, at 0+4096, ended at 0 ns, perhaps without effect)");
    write_hd0(w, 0, 4 * KIB, x(5));
    read_hd0(w, 0, 4 * KIB, x(2));
    caught(w, "is 0x02, expected 0x05");
}

static void canary_unit_torn_within(void **state)
{
    struct world *w = *state;
    uint8_t mem[512];
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, mem, sizeof(mem));
    write_hd0(w, 0, 4 * KIB, x(1));
    write_at(w, &w->hd0, 0, 4 * KIB, x(2), -EIO);
    struct guest_io io = start(w, GUEST_READ, &w->hd0, 0, 512, &buf);
    memset(mem, 1, sizeof(mem));
    memset(mem, 2, 100);
    finish(w, &io, 0);
    caught(w, "no one of them accounts for the whole sector");
}

/* --- Zeroes, discards, lengths --- */

static void zeroes_are_promised_and_discards_are_not(void **state)
{
    struct world *w = *state;
    write_hd0(w, 0, 8 * KIB, x(1));
    simple(w, GUEST_DISCARD, 0, 4 * KIB, 0);
    simple(w, GUEST_ZERO, 4 * KIB, 4 * KIB, 0);
    read_hd0(w, 0, 512, x(1));
    read_hd0(w, 512, 512, x(0));
    quiet(w);
    read_hd0(w, 1024, 512, x(3));
    caught(w, "is 0x03, expected 0x01 (request 1, at 0+4096, ended at 0 ns) or 0x00");
    read_hd0(w, 4 * KIB, 4 * KIB, x(1));
    caught(w, "is 0x01, expected 0x00");
}

static void long_uniform_requests_cost_nothing_a_page(void **state)
{
    struct world *w = *state;
    w->hd0.length = INT64_C(1) << 40;
    simple(w, GUEST_ZERO, 0, INT64_C(1) << 40, 0);
    write_hd0(w, 5 * MIB, 4 * KIB, x(1));
    read_hd0(w, INT64_C(1) << 39, 4 * KIB, x(0));
    read_hd0(w, 5 * MIB, 4 * KIB, x(1));
    write_hd0(w, 4 * MIB, 2 * MIB, x(6));
    read_hd0(w, 5 * MIB, 4 * KIB, x(6));
    quiet(w);
    read_hd0(w, 5 * MIB, 4 * KIB, x(1));
    caught(w, "is 0x01, expected 0x06");
    for (int i = 0; i < 400; i++) { /* More than the list of ranges holds. */
        write_hd0(w, 4 * MIB, MIB, x((uint8_t)i));
    }
    read_hd0(w, 4 * MIB, MIB, x((uint8_t)399));
    quiet(w);
    read_hd0(w, 4 * MIB + 8 * KIB, 512, x((uint8_t)398));
    caught(w, "is 0x8e, expected 0x8f");
}

static void growth_reads_zero(void **state)
{
    struct world *w = *state;
    write_hd0(w, 64 * MIB - 4 * KIB, 4 * KIB, x(1));
    simple(w, GUEST_TRUNCATE, 32 * MIB, 0, 0);
    w->hd0.length = 32 * MIB;
    simple(w, GUEST_TRUNCATE, 64 * MIB, 0, 0);
    w->hd0.length = 64 * MIB;
    read_hd0(w, 64 * MIB - 4 * KIB, 4 * KIB, x(1));
    caught(w, "is 0x01, expected 0x00");
    simple(w, GUEST_TRUNCATE, 64 * MIB + 4 * KIB, 0, 0);
    read_hd0(w, 64 * MIB, 4 * KIB, x(0));
    quiet(w);
}

/* --- Power cuts --- */

static void what_was_flushed_survives(void **state)
{
    struct world *w = *state;
    write_hd0(w, 0, 4 * KIB, fill_stream(1));
    write_hd0(w, 4 * KIB, 4 * KIB, fill_stream(2));
    flush(w);
    write_hd0(w, 4 * KIB, 4 * KIB, fill_stream(3));
    write_hd0(w, 4 * KIB, 4 * KIB, fill_stream(4));
    power_cut(w);
    read_hd0(w, 0, 4 * KIB, fill_stream(1));
    read_hd0(w, 4 * KIB, 512, fill_stream(2)); /* Any of the three, by sector. */
    read_hd0(w, 4 * KIB + 512, 512, fill_skip(fill_stream(4), 512));
    read_hd0(w, 4 * KIB + 1024, 512, fill_skip(fill_stream(3), 1024));
    quiet(w);
    read_hd0(w, 4 * KIB + 1536, 512, x(0));
    caught(w, "sector 11 (byte 5632) is 0x00, expected ");
}

static void canary_lying_flush(void **state)
{
    struct world *w = *state;
    write_hd0(w, 0, 4 * KIB, x(1));
    flush(w);
    write_hd0(w, 0, 4 * KIB, x(2));
    flush(w);
    power_cut(w);
    read_hd0(w, 0, 4 * KIB, x(1));
    caught(w, "is 0x01, expected 0x02");
}

static void a_flush_covers_what_ended_before_it_began(void **state)
{
    struct world *w = *state;
    write_hd0(w, 0, 4 * KIB, x(1));
    flush(w);
    struct guest_io f = start(w, GUEST_FLUSH, &w->hd0, 0, 0, NULL);
    write_hd0(w, 0, 4 * KIB, x(2));
    finish(w, &f, 0);
    power_cut(w);
    read_hd0(w, 0, 512, x(2));
    read_hd0(w, 512, 512, x(1));
    quiet(w);
}

static void fua_survives_by_itself(void **state)
{
    struct world *w = *state;
    struct iobuf buf = iobuf_fill(x(7), 4096);
    write_hd0(w, 0, 4 * KIB, x(1));
    struct guest_io io = { .op = GUEST_WRITE, .node = &w->hd0, .layer = &w->layer, .bytes = 4096,
                           .fua = true, .data = &buf, .token = ++w->tokens };
    oracle_ref_image.guest_begin(w->oracle.state, &io);
    finish(w, &io, 0);
    power_cut(w);
    read_hd0(w, 0, 4 * KIB, x(1));
    caught(w, "is 0x01, expected 0x07");
}

static void without_flushes_nothing_is_durable(void **state)
{
    struct world *w = *state;
    w->file.no_flush = true;
    write_hd0(w, 0, 4 * KIB, x(1));
    flush(w);
    power_cut(w);
    read_hd0(w, 0, 4 * KIB, x(0)); /* cache.no-flush: that was the bargain. */
    quiet(w);
    read_hd0(w, 0, 4 * KIB, x(1));
    caught(w, "is 0x01, expected 0x00");
}

static void a_write_cut_off_leaves_anything_of_itself(void **state)
{
    struct world *w = *state;
    struct iobuf two = iobuf_fill(x(2), 4096);
    write_hd0(w, 0, 4 * KIB, x(1));
    flush(w);
    struct guest_io io = start(w, GUEST_WRITE, &w->hd0, 0, 4 * KIB, &two);
    power_cut(w);
    finish(w, &io, -EIO);
    read_hd0(w, 0, 512, x(2));
    read_hd0(w, 512, 512, x(1));
    quiet(w);
    read_hd0(w, 1024, 512, x(0));
    caught(w, "is 0x00, expected 0x01 (request 1, at 0+4096, ended at 0 ns) or 0x02 (request 3");
}

static void a_second_cut_builds_on_the_first(void **state)
{
    struct world *w = *state;
    write_hd0(w, 0, 4 * KIB, x(1));
    flush(w);
    write_hd0(w, 0, 4 * KIB, x(2));
    power_cut(w);
    write_hd0(w, 0, 512, x(3));
    flush(w);
    power_cut(w);
    read_hd0(w, 512, 512, x(2));
    quiet(w);
    read_hd0(w, 0, 512, x(2));
    caught(w, "is 0x02, expected 0x03");
}

static void too_many_versions_are_counted_as_blind(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 100; i++) {
        write_hd0(w, 0, 4 * KIB, fill_stream((uint64_t)i));
    }
    read_hd0(w, 0, 4 * KIB, fill_stream(99));
    power_cut(w);
    read_hd0(w, 0, 4 * KIB, fill_stream(3));
    quiet(w);
    assert_int_equal(ref_image_stats(w->oracle.state).pages_lossy_cut, 1);
    for (int i = 0; i < 100; i++) {
        write_hd0(w, 0, 4 * KIB, fill_stream((uint64_t)i));
    }
    flush(w); /* With a flush everything is sure again. */
    power_cut(w);
    assert_int_equal(ref_image_stats(w->oracle.state).pages_lossy_cut, 1);
    read_hd0(w, 0, 4 * KIB, fill_stream(98));
    caught(w, "expected");
}

/* --- Nodes that come and go --- */

static void the_reference_outlives_its_node(void **state)
{
    struct world *w = *state;
    write_hd0(w, 0, 4 * KIB, x(1));
    flush(w);
    power_cut(w);
    struct node again = w->hd0; /* blockdev-add of the same storage under the same name. */
    w->layer.nodes[1] = &again;
    read_at(w, &again, 0, 4 * KIB, x(1));
    quiet(w);
    read_at(w, &again, 0, 4 * KIB, x(0));
    caught(w, "node hd0: sector 0 (byte 0) is 0x00, expected 0x01");
}

static void other_storage_is_another_reference(void **state)
{
    struct world *w = *state;
    write_hd0(w, 0, 4 * KIB, x(1));
    w->file.filename = "b.img";
    oracle_ref_image.quiesce(w->oracle.state, &w->layer);
    read_hd0(w, 0, 4 * KIB, x(2));
    w->hd0.offset = "512";
    oracle_ref_image.quiesce(w->oracle.state, &w->layer);
    read_hd0(w, 0, 4 * KIB, x(3));
    quiet(w);
    w->file.filename = "a.img";
    w->hd0.offset = NULL;
    oracle_ref_image.quiesce(w->oracle.state, &w->layer);
    read_hd0(w, 0, 4 * KIB, x(3));
    caught(w, "expected 0x01");
}

static void a_write_below_makes_all_above_unknown(void **state)
{
    struct world *w = *state;
    write_hd0(w, 0, 4 * KIB, x(1));
    write_at(w, &w->file, 0, 4 * KIB, x(2), 0);
    read_hd0(w, 0, 4 * KIB, x(2));
    quiet(w);
    read_hd0(w, 0, 4 * KIB, x(1)); /* But now it is known. */
    caught(w, "expected 0x02");
    read_at(w, &w->file, 0, 4 * KIB, x(3)); /* Its own reference stood. */
    caught(w, "node f0");
    struct ref_image_stats stats = ref_image_stats(w->oracle.state);
    assert_int_equal(stats.forgets, 1);
}

static void a_filter_may_write_more_than_its_child(void **state)
{
    struct world *w = *state;
    struct node copy = { .name = "copy", .driver = "file", .filename = "copy.img",
                         .length = 64 * MIB };
    struct node verify = { .name = "verify", .driver = "blkverify", .is_filter = true };
    fake_node(&w->layer, &copy);
    fake_node(&w->layer, &verify);
    fake_edge(&verify, &w->hd0, "test", 0, 15);
    fake_edge(&verify, &copy, "raw", 0, 15);
    write_at(w, &copy, 0, 4 * KIB, x(1), 0);
    write_at(w, &verify, 0, 4 * KIB, x(2), 0);
    read_at(w, &copy, 0, 4 * KIB, x(2));
    read_hd0(w, 0, 4 * KIB, x(2));
    quiet(w);
    read_at(w, &copy, 0, 4 * KIB, x(1));
    caught(w, "node copy: sector 0 (byte 0) is 0x01, expected 0x02");
}

static void a_file_made_anew_is_unknown(void **state)
{
    struct world *w = *state;
    write_hd0(w, 0, 4 * KIB, x(1));
    oracle_ref_image.storage_changed(w->oracle.state, "b.img");
    read_hd0(w, 0, 4 * KIB, x(1));
    oracle_ref_image.storage_changed(w->oracle.state, "a.img");
    read_hd0(w, 0, 4 * KIB, x(0));
    quiet(w);
}

static void null_devices_are_not_judged(void **state)
{
    struct world *w = *state;
    w->file.driver = "null-co";
    write_hd0(w, 0, 4 * KIB, x(1));
    read_hd0(w, 0, 4 * KIB, x(2));
    quiet(w);
    assert_int_equal(ref_image_stats(w->oracle.state).units_unknown, 0);
}

static void nonsense_is_left_to_the_layer(void **state)
{
    struct world *w = *state;
    write_at(w, &w->hd0, -512, 512, x(1), -EIO);
    write_at(w, &w->hd0, INT64_MAX - 100, 512, x(1), -EIO);
    simple(w, GUEST_DISCARD, 0, -1, -EINVAL);
    write_hd0(w, 0, 0, x(1));
    simple(w, GUEST_TRUNCATE, -5, 0, -EINVAL);
    read_hd0(w, 0, 4 * KIB, x(0));
    quiet(w);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(what_was_written_is_read),
        STORY(canary_lost_write),
        STORY(canary_misdirected_write),
        STORY(canary_bit_rot),
        STORY(canary_stale_data_of_a_never_written_block),
        STORY(small_writes_are_followed_byte_by_byte),
        STORY(many_small_writes_are_merged_and_stay_known),
        STORY(a_read_beside_a_write_sees_old_or_new_by_sector),
        STORY(two_writes_side_by_side_leave_either_and_then_one),
        STORY(a_failed_write_leaves_old_or_new),
        STORY(canary_unit_torn_within),
        STORY(zeroes_are_promised_and_discards_are_not),
        STORY(long_uniform_requests_cost_nothing_a_page),
        STORY(growth_reads_zero),
        STORY(what_was_flushed_survives),
        STORY(canary_lying_flush),
        STORY(a_flush_covers_what_ended_before_it_began),
        STORY(fua_survives_by_itself),
        STORY(without_flushes_nothing_is_durable),
        STORY(a_write_cut_off_leaves_anything_of_itself),
        STORY(a_second_cut_builds_on_the_first),
        STORY(too_many_versions_are_counted_as_blind),
        STORY(the_reference_outlives_its_node),
        STORY(other_storage_is_another_reference),
        STORY(a_write_below_makes_all_above_unknown),
        STORY(a_filter_may_write_more_than_its_child),
        STORY(a_file_made_anew_is_unknown),
        STORY(null_devices_are_not_judged),
        STORY(nonsense_is_left_to_the_layer),
    };
    return cmocka_run_group_tests_name("oracles/ref_image", tests, NULL, NULL);
}
