/* SPDX-License-Identifier: MIT */
/* Stories of overlays: a chain top -> base of two images with clusters of 64 KiB, told to the
 * reference image by hand.  The canaries are the stories with a planted fault. */
#include "oracles/fake_graph.h"
#include "oracles/ref_image.h"

#include <errno.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define KIB INT64_C(1024)
#define MIB (1024 * KIB)

enum { IMAGE = VIEW_DATA | VIEW_METADATA | VIEW_PRIMARY };

struct world {
    struct sim *sim;
    struct layer layer;
    struct node top, top_file, base, base_file, other, other_file;
    struct oracle oracle;
    struct fake_verdict verdict;
    struct snapshot snapshot;
    uint64_t tokens, backing;
};

static void add_image(struct world *w, struct node *n, struct node *file, const char *name,
                      const char *file_name)
{
    *file = (struct node){ .name = file_name, .driver = "file", .filename = file_name };
    *n = (struct node){ .name = name, .driver = "qcow2", .length = 4 * MIB,
                        .cluster_size = 64 * KIB };
    fake_node(&w->layer, file);
    fake_node(&w->layer, n);
    fake_edge_roles(n, file, "file", IMAGE, 0, 15);
}

static void made(struct world *w, const char *file)
{
    oracle_ref_image.image_made(w->oracle.state, file, "qcow2");
}

static int set_up(void **state)
{
    struct world *w = NEW(struct world);
    w->sim = sim_create(&(struct sim_config){ .seed = 1 });
    add_image(w, &w->base, &w->base_file, "base", "base.img");
    add_image(w, &w->other, &w->other_file, "other", "other.img");
    add_image(w, &w->top, &w->top_file, "top", "top.img");
    w->oracle = fake_oracle(&oracle_ref_image, w->sim, &w->verdict);
    w->oracle.state = oracle_ref_image.create(&w->oracle);
    made(w, "base.img");
    made(w, "other.img");
    made(w, "top.img");
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    oracle_ref_image.destroy(w->oracle.state);
    snapshot_free(&w->snapshot);
    sim_destroy(w->sim);
    free(w);
    return 0;
}

/* The graph may have changed. */
static void look(struct world *w)
{
    oracle_ref_image.quiesce(w->oracle.state, &w->layer);
    snapshot_take(&w->snapshot, &w->layer);
    oracle_ref_image.look(w->oracle.state, &w->snapshot);
}

static void set_backing(struct world *w, struct node *n)
{
    if (w->backing) {
        fake_remove_edge(&w->top, &w->base, w->backing);
        fake_unlink(w->other.parents, &w->other.parents_len, w->backing);
        w->backing = 0;
    }
    if (n) {
        fake_edge_roles(&w->top, n, "backing", VIEW_COW, 0, 15);
        w->backing = w->layer.edges;
    }
    look(w);
}

static struct guest_io start(struct world *w, enum guest_op op, struct node *n, int64_t offset,
                             int64_t bytes, const struct iobuf *data)
{
    struct guest_io io = { .op = op, .node = n, .layer = &w->layer, .offset = offset,
                           .bytes = bytes, .data = data, .token = ++w->tokens };
    oracle_ref_image.guest_begin(w->oracle.state, &io);
    return io;
}

static void change(struct world *w, enum guest_op op, struct node *n, int64_t offset,
                   int64_t bytes, uint8_t byte, int ret)
{
    struct iobuf buf = iobuf_fill(fill_byte(byte), (size_t)bytes);
    struct guest_io io = start(w, op, n, offset, bytes, op == GUEST_WRITE ? &buf : NULL);
    oracle_ref_image.guest_end(w->oracle.state, &io, ret);
}

static void write_to(struct world *w, struct node *n, int64_t offset, int64_t bytes, uint8_t byte)
{
    change(w, GUEST_WRITE, n, offset, bytes, byte, 0);
}

static void read_from(struct world *w, struct node *n, int64_t offset, int64_t bytes, uint8_t byte)
{
    struct iobuf buf = { .len = (size_t)bytes };
    struct guest_io io = start(w, GUEST_READ, n, offset, bytes, &buf);
    buf.fill = fill_byte(byte);
    oracle_ref_image.guest_end(w->oracle.state, &io, 0);
}

static void quiet(const struct world *w)
{
    if (w->verdict.failures) {
        fail_msg("unexpected: %s", w->verdict.text);
    }
}

static void caught(struct world *w, const char *part)
{
    if (!w->verdict.failures || !strstr(w->verdict.text, part)) {
        fail_msg("expected '%s', got %d failure(s): '%s'", part, w->verdict.failures,
                 w->verdict.text);
    }
    w->verdict = (struct fake_verdict){ 0 };
}

static struct ref_image_stats stats(const struct world *w)
{
    return ref_image_stats(w->oracle.state);
}

/* It was not judged whether this is right. */
static void not_judged(struct world *w, struct node *n, int64_t offset, uint8_t byte)
{
    uint64_t unknown = stats(w).units_unknown;
    read_from(w, n, offset, 512, byte);
    quiet(w);
    assert_int_equal(stats(w).units_unknown, unknown + 1);
}

/* --- What an image shows by itself --- */

static void a_new_image_is_zero(void **state)
{
    struct world *w = *state;
    read_from(w, &w->top, 0, 4 * MIB, 0);
    write_to(w, &w->top, MIB, 4 * KIB, 1);
    read_from(w, &w->top, MIB - 4 * KIB, 4 * KIB, 0); /* The rest of a touched cluster. */
    read_from(w, &w->top, MIB + 4 * KIB, 512, 0);
    quiet(w);
    assert_int_equal(stats(w).units_unknown, 0);
    read_from(w, &w->top, MIB + 4 * KIB, 512, 1);
    caught(w, "node top: sector 2056 (byte 1052672) is 0x01, expected 0x00 (never written)");
    read_from(w, &w->base_file, 0, 512, 7); /* The format's own: it changes by itself. */
    read_from(w, &w->base_file, 0, 512, 8);
    quiet(w);
}

static void an_image_that_was_not_made_here_is_unknown(void **state)
{
    struct world *w = *state;
    oracle_ref_image.storage_changed(w->oracle.state, "top.img");
    not_judged(w, &w->top, 0, 7);
    read_from(w, &w->top, 0, 512, 8);
    caught(w, "expected 0x07");
}

static void made_anew_it_is_zero_again(void **state)
{
    struct world *w = *state;
    write_to(w, &w->top, 0, 4 * KIB, 1);
    made(w, "top.img");
    look(w);
    read_from(w, &w->top, 0, 4 * KIB, 1);
    caught(w, "is 0x01, expected 0x00 (never written)");
}

/* --- What an overlay shows --- */

static void an_overlay_shows_what_its_base_did(void **state)
{
    struct world *w = *state;
    write_to(w, &w->base, 0, 4 * KIB, 1); /* As the guest's disk, and then a snapshot. */
    set_backing(w, &w->base);
    read_from(w, &w->top, 0, 4 * KIB, 1);
    read_from(w, &w->top, 4 * KIB, 512, 0);
    write_to(w, &w->top, KIB, KIB, 2);
    read_from(w, &w->top, 0, KIB, 1);
    read_from(w, &w->top, KIB, KIB, 2);
    read_from(w, &w->top, 2 * KIB, 2 * KIB, 1);
    read_from(w, &w->base, 0, 4 * KIB, 1);
    quiet(w);
    assert_int_equal(stats(w).units_unknown, 0);
    assert_int_equal(stats(w).units_below, 8 + 1 + 2 + 4);
}

static void canary_overlay_hides_its_base(void **state)
{
    struct world *w = *state;
    write_to(w, &w->base, 0, 4 * KIB, 1);
    set_backing(w, &w->base);
    read_from(w, &w->top, 0, 4 * KIB, 0);
    caught(w, "node top: sector 0 (byte 0) is 0x00, expected 0x01 (request 1, at 0+4096");
}

static void canary_copy_on_write_loses_the_rest_of_the_cluster(void **state)
{
    struct world *w = *state;
    write_to(w, &w->base, 0, 8 * KIB, 1);
    set_backing(w, &w->base);
    write_to(w, &w->top, 0, 4 * KIB, 2);
    read_from(w, &w->top, 4 * KIB, 4 * KIB, 0);
    caught(w, "node top: sector 8 (byte 4096) is 0x00, expected 0x01 (request 1");
}

static void canary_write_to_an_overlay_reaches_its_base(void **state)
{
    struct world *w = *state;
    write_to(w, &w->base, 0, 4 * KIB, 1);
    set_backing(w, &w->base);
    write_to(w, &w->top, 0, 4 * KIB, 2);
    read_from(w, &w->base, 0, 4 * KIB, 2);
    caught(w, "node base: sector 0 (byte 0) is 0x02, expected 0x01");
}

static void beyond_a_short_base_is_zero(void **state)
{
    struct world *w = *state;
    w->base.length = 1536;
    write_to(w, &w->base, 0, 1536, 1);
    set_backing(w, &w->base);
    read_from(w, &w->top, 0, 1536, 1);
    read_from(w, &w->top, 1536, 4 * KIB, 0);
    quiet(w);
    read_from(w, &w->top, 1536, 512, 1);
    caught(w, "is 0x01, expected 0x00 (never written)");
}

static void a_read_through_it_teaches_the_base(void **state)
{
    struct world *w = *state;
    oracle_ref_image.storage_changed(w->oracle.state, "base.img");
    set_backing(w, &w->base);
    not_judged(w, &w->top, 0, 5);
    read_from(w, &w->base, 0, 512, 6);
    caught(w, "node base: sector 0 (byte 0) is 0x06, expected 0x05");
}

static void reads_beside_a_write_below_see_old_or_new(void **state)
{
    struct world *w = *state;
    struct iobuf two = iobuf_fill(fill_byte(2), 4096), got = { .len = 512 };
    write_to(w, &w->base, 0, 4 * KIB, 1);
    set_backing(w, &w->base);
    struct guest_io wr = start(w, GUEST_WRITE, &w->base, 0, 4 * KIB, &two);
    struct guest_io rd = start(w, GUEST_READ, &w->top, 0, 512, &got);
    oracle_ref_image.guest_end(w->oracle.state, &wr, 0);
    got.fill = fill_byte(1);
    oracle_ref_image.guest_end(w->oracle.state, &rd, 0);
    quiet(w);
    read_from(w, &w->top, 0, 512, 2);
    quiet(w);
    read_from(w, &w->top, 512, 512, 1);
    caught(w, "is 0x01, expected 0x02");
}

/* --- When what lies below becomes another --- */

static void another_backing_file_shows_where_nothing_was_touched(void **state)
{
    struct world *w = *state;
    write_to(w, &w->base, 0, MIB, 1);
    write_to(w, &w->other, 0, MIB, 3);
    set_backing(w, &w->base);
    write_to(w, &w->top, 0, 4 * KIB, 2);
    set_backing(w, &w->other);
    read_from(w, &w->top, 0, 4 * KIB, 2);
    read_from(w, &w->top, 64 * KIB, 4 * KIB, 3);
    quiet(w);
    not_judged(w, &w->top, 4 * KIB, 1); /* Copied from the old, or not. */
    read_from(w, &w->top, 128 * KIB, 4 * KIB, 1);
    caught(w, "is 0x01, expected 0x03");
}

static void without_a_backing_file_it_is_zero(void **state)
{
    struct world *w = *state;
    write_to(w, &w->base, 0, MIB, 1);
    set_backing(w, &w->base);
    read_from(w, &w->top, 0, 4 * KIB, 1);
    set_backing(w, NULL);
    read_from(w, &w->top, 0, 4 * KIB, 0);
    quiet(w);
    assert_int_equal(stats(w).units_unknown, 0);
}

static void zeroes_may_have_been_left_to_the_old_one(void **state)
{
    struct world *w = *state;
    write_to(w, &w->base, 0, MIB, 1);
    change(w, GUEST_ZERO, &w->top, 0, 64 * KIB, 0, 0);
    set_backing(w, &w->base);
    not_judged(w, &w->top, 0, 1);
}

static void a_copy_on_read_may_keep_the_old(void **state)
{
    struct world *w = *state;
    write_to(w, &w->base, 0, MIB, 1);
    set_backing(w, &w->base);
    w->top.copy_on_read = true;
    look(w);
    read_from(w, &w->top, 0, 4 * KIB, 1);
    write_to(w, &w->base, 0, 128 * KIB, 4);
    not_judged(w, &w->top, 0, 1);
    w->top.copy_on_read = false;
    look(w);
    read_from(w, &w->top, 64 * KIB, 4 * KIB, 1);
    caught(w, "is 0x01, expected 0x04");
}

static void a_discard_may_show_what_lies_below(void **state)
{
    struct world *w = *state;
    write_to(w, &w->base, 0, MIB, 1);
    set_backing(w, &w->base);
    write_to(w, &w->top, 0, 64 * KIB, 2);
    change(w, GUEST_DISCARD, &w->top, 0, 64 * KIB, 0, 0);
    not_judged(w, &w->top, 0, 1);
}

static void learnt_from_below_is_forgotten_with_it(void **state)
{
    struct world *w = *state;
    oracle_ref_image.storage_changed(w->oracle.state, "top.img"); /* What it holds is unknown. */
    write_to(w, &w->base, 0, 4 * KIB, 1);
    set_backing(w, &w->base);
    not_judged(w, &w->top, 0, 1);
    write_to(w, &w->base, 0, 4 * KIB, 2);
    not_judged(w, &w->top, 0, 2);
}

/* --- Nodes that come and go, and power --- */

static void an_image_opened_under_another_name_keeps_its_contents(void **state)
{
    struct world *w = *state;
    write_to(w, &w->base, 0, 4 * KIB, 1);
    w->base.name = "again";
    look(w);
    read_from(w, &w->base, 0, 4 * KIB, 1);
    read_from(w, &w->base, 4 * KIB, 4 * KIB, 0);
    quiet(w);
    assert_int_equal(stats(w).units_unknown, 0);
    read_from(w, &w->base, 0, 4 * KIB, 0);
    caught(w, "node again: sector 0 (byte 0) is 0x00, expected 0x01");
}

static void closed_in_trouble_it_may_have_lost_what_was_not_flushed(void **state)
{
    struct world *w = *state;
    write_to(w, &w->base, 0, 4 * KIB, 1);
    change(w, GUEST_FLUSH, &w->base, 0, 0, 0, 0);
    write_to(w, &w->base, MIB, 4 * KIB, 2);
    oracle_ref_image.trouble(w->oracle.state);
    struct node again = w->base;
    fake_remove_node(&w->layer, &w->base);
    fake_node(&w->layer, &again);
    look(w);
    not_judged(w, &again, MIB, 0);
    read_from(w, &again, 0, 4 * KIB, 0);
    caught(w, "is 0x00, expected 0x01");
}

static void cut(struct world *w)
{
    oracle_ref_image.power_cut(w->oracle.state);
    oracle_ref_image.layer_gone(w->oracle.state);
    look(w);
}

static void what_was_flushed_to_an_overlay_survives(void **state)
{
    struct world *w = *state;
    write_to(w, &w->base, 0, MIB, 1);
    change(w, GUEST_FLUSH, &w->base, 0, 0, 0, 0);
    set_backing(w, &w->base);
    write_to(w, &w->top, 0, 4 * KIB, 2);
    change(w, GUEST_FLUSH, &w->top, 0, 0, 0, 0);
    write_to(w, &w->top, 8 * KIB, 4 * KIB, 3);
    cut(w);
    read_from(w, &w->top, 0, 4 * KIB, 2);
    not_judged(w, &w->top, 8 * KIB, 0); /* Not even old or new: its cluster may be a new one. */
    read_from(w, &w->top, 4 * KIB, 4 * KIB, 1);
    quiet(w);
    read_from(w, &w->top, 0, 4 * KIB, 1);
    caught(w, "is 0x01, expected 0x02");
}

static void canary_cluster_linked_before_its_copy_is_safe(void **state)
{
    struct world *w = *state;
    write_to(w, &w->base, 0, MIB, 1);
    change(w, GUEST_FLUSH, &w->base, 0, 0, 0, 0);
    set_backing(w, &w->base);
    change(w, GUEST_FLUSH, &w->top, 0, 0, 0, 0);
    write_to(w, &w->top, 0, 4 * KIB, 2);
    cut(w);
    read_from(w, &w->top, 4 * KIB, 4 * KIB, 0);
    caught(w, "node top: sector 8 (byte 4096) is 0x00, expected 0x01");
}

static void an_image_that_was_never_flushed_is_unknown_after_a_cut(void **state)
{
    struct world *w = *state;
    read_from(w, &w->top, 0, 4 * KIB, 0);
    cut(w);
    not_judged(w, &w->top, 0, 9);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_new_image_is_zero),
        STORY(an_image_that_was_not_made_here_is_unknown),
        STORY(made_anew_it_is_zero_again),
        STORY(an_overlay_shows_what_its_base_did),
        STORY(canary_overlay_hides_its_base),
        STORY(canary_copy_on_write_loses_the_rest_of_the_cluster),
        STORY(canary_write_to_an_overlay_reaches_its_base),
        STORY(beyond_a_short_base_is_zero),
        STORY(a_read_through_it_teaches_the_base),
        STORY(reads_beside_a_write_below_see_old_or_new),
        STORY(another_backing_file_shows_where_nothing_was_touched),
        STORY(without_a_backing_file_it_is_zero),
        STORY(zeroes_may_have_been_left_to_the_old_one),
        STORY(a_copy_on_read_may_keep_the_old),
        STORY(a_discard_may_show_what_lies_below),
        STORY(learnt_from_below_is_forgotten_with_it),
        STORY(an_image_opened_under_another_name_keeps_its_contents),
        STORY(closed_in_trouble_it_may_have_lost_what_was_not_flushed),
        STORY(what_was_flushed_to_an_overlay_survives),
        STORY(canary_cluster_linked_before_its_copy_is_safe),
        STORY(an_image_that_was_never_flushed_is_unknown_after_a_cut),
    };
    return cmocka_run_group_tests_name("oracles/ref_image_layer", tests, NULL, NULL);
}
