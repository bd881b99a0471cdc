/* SPDX-License-Identifier: MIT */
/* Stories of jobs on a chain top -> mid -> base of images with clusters of 64 KiB, and a target,
 * told to the reference image by hand.  The canaries are the stories with a planted fault. */
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
    struct node top, top_file, mid, mid_file, base, base_file, target, target_file;
    struct oracle oracle;
    struct fake_verdict verdict;
    struct snapshot snapshot;
    uint64_t tokens;
    int64_t dirty; /* Start of the one cluster of a bitmap; -1: none. */
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
    add_image(w, &w->mid, &w->mid_file, "mid", "mid.img");
    add_image(w, &w->top, &w->top_file, "top", "top.img");
    add_image(w, &w->target, &w->target_file, "target", "target.img");
    w->oracle = fake_oracle(&oracle_ref_image, w->sim, &w->verdict);
    w->oracle.state = oracle_ref_image.create(&w->oracle);
    made(w, "base.img");
    made(w, "mid.img");
    made(w, "top.img");
    made(w, "target.img");
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

/* The n-th edge of all leads from parent, as its backing file, to n; NULL: nowhere. */
static void set_backing(struct world *w, struct node *parent, struct node *n)
{
    for (uint32_t i = 0; i < parent->children_len; i++) {
        const struct edge_view e = parent->children[i].v;
        if (e.roles & VIEW_COW) {
            for (size_t k = 0; k < w->layer.len; k++) {
                if (w->layer.nodes[k] == e.child) {
                    fake_remove_edge(parent, w->layer.nodes[k], e.id);
                }
            }
        }
    }
    if (n) {
        fake_edge_roles(parent, n, "backing", VIEW_COW, 0, 15);
    }
    look(w);
}

static bool next_dirty(const void *opaque, int64_t *offset, int64_t *bytes)
{
    const struct world *w = opaque;
    bool found = w->dirty >= *offset;
    *offset = w->dirty;
    *bytes = 64 * KIB;
    return found;
}

static void note(struct world *w, enum job_point point, const char *type, enum job_sync sync,
                 const struct node *source, const struct node *target, const struct node *base)
{
    oracle_ref_image.job_note(w->oracle.state, &(struct job_note){ .layer = &w->layer,
                                                                   .point = point,
                                                                   .type = type,
                                                                   .serial = 1,
                                                                   .sync = sync,
                                                                   .source = source,
                                                                   .target = target,
                                                                   .base = base,
                                                                   .dirty = next_dirty,
                                                                   .opaque = w });
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

/* What each image has: base 1 in [0, 256k), mid 2 in [64k, 128k), top 3 in [128k, 192k). */
static void fill(struct world *w)
{
    write_to(w, &w->base, 0, 256 * KIB, 1);
    set_backing(w, &w->mid, &w->base);
    write_to(w, &w->mid, 64 * KIB, 64 * KIB, 2);
    set_backing(w, &w->top, &w->mid);
    write_to(w, &w->top, 128 * KIB, 64 * KIB, 3);
    w->dirty = -1;
}

static void read_all(struct world *w, struct node *n)
{
    read_from(w, n, 0, 64 * KIB, 1);
    read_from(w, n, 64 * KIB, 64 * KIB, 2);
    read_from(w, n, 128 * KIB, 64 * KIB, 3);
    read_from(w, n, 192 * KIB, 64 * KIB, 1);
    read_from(w, n, 256 * KIB, 64 * KIB, 0);
    quiet(w);
    assert_int_equal(stats(w).units_unknown, 0);
}

/* --- Stream --- */

static void stream_into_top(struct world *w, struct node *base)
{
    fill(w);
    note(w, JOB_AT_START, "stream", 0, &w->top, NULL, base);
    read_all(w, &w->top);
    note(w, JOB_AT_END, "stream", 0, &w->top, NULL, base);
    set_backing(w, &w->top, base);
    read_all(w, &w->top);
}

static void a_stream_changes_nothing(void **state)
{
    struct world *w = *state;
    stream_into_top(w, &w->base);
    write_to(w, &w->base, 0, 4 * KIB, 9); /* Below it, what is not its own still shows. */
    read_from(w, &w->top, 0, 4 * KIB, 9);
    read_from(w, &w->top, 64 * KIB, 4 * KIB, 2);
    quiet(w);
}

static void after_a_full_stream_nothing_below_shows(void **state)
{
    struct world *w = *state;
    stream_into_top(w, NULL);
    write_to(w, &w->base, 0, 256 * KIB, 9);
    write_to(w, &w->mid, 64 * KIB, 64 * KIB, 9);
    read_all(w, &w->top);
}

static void canary_stream_drops_a_cluster(void **state)
{
    struct world *w = *state;
    stream_into_top(w, NULL);
    read_from(w, &w->top, 64 * KIB, 512, 0);
    caught(w, "node top: sector 128 (byte 65536) is 0x00, expected 0x02");
}

static void canary_stream_that_copies_the_base_for_the_middle(void **state)
{
    struct world *w = *state;
    stream_into_top(w, &w->base);
    read_from(w, &w->top, 64 * KIB, 512, 1);
    caught(w, "is 0x01, expected 0x02");
}

static void after_a_failed_stream_copies_may_be_anywhere(void **state)
{
    struct world *w = *state;
    fill(w);
    note(w, JOB_AT_START, "stream", 0, &w->top, NULL, NULL);
    note(w, JOB_AT_FAIL, "stream", 0, &w->top, NULL, NULL);
    read_all(w, &w->top);
    set_backing(w, &w->top, NULL);
    not_judged(w, &w->top, 64 * KIB, 2);
    not_judged(w, &w->top, 0, 0);
    read_from(w, &w->top, 128 * KIB, 64 * KIB, 3);
    quiet(w);
}

/* --- Commit --- */

static void a_commit_moves_the_top_into_the_base(void **state)
{
    struct world *w = *state;
    fill(w);
    note(w, JOB_AT_START, "commit", 0, &w->top, &w->base, NULL);
    read_from(w, &w->base, 64 * KIB, 512, 1); /* Not judged: it may be there already. */
    read_from(w, &w->base, 64 * KIB, 512, 2);
    read_from(w, &w->mid, 128 * KIB, 512, 3);
    write_to(w, &w->top, 256 * KIB, 64 * KIB, 4);
    read_from(w, &w->top, 64 * KIB, 512, 2);
    quiet(w);
    note(w, JOB_AT_END, "commit", 0, &w->top, &w->base, NULL);
    read_from(w, &w->base, 256 * KIB, 64 * KIB, 4);
    read_from(w, &w->base, 64 * KIB, 64 * KIB, 2);
    read_from(w, &w->base, 0, 64 * KIB, 1);
    read_from(w, &w->base, MIB, 512, 0);
    quiet(w);
    assert_int_equal(stats(w).units_unknown, 0);
}

static void who_stands_above_sees_no_change(void **state)
{
    struct world *w = *state;
    fill(w);
    note(w, JOB_AT_START, "commit", 0, &w->mid, &w->base, NULL);
    note(w, JOB_AT_END, "commit", 0, &w->mid, &w->base, NULL);
    set_backing(w, &w->top, &w->base);
    read_all(w, &w->top);
    read_from(w, &w->base, 64 * KIB, 64 * KIB, 2);
    read_from(w, &w->base, 128 * KIB, 64 * KIB, 1);
    quiet(w);
}

static void canary_commit_skips_a_cluster(void **state)
{
    struct world *w = *state;
    fill(w);
    note(w, JOB_AT_START, "commit", 0, &w->mid, &w->base, NULL);
    note(w, JOB_AT_END, "commit", 0, &w->mid, &w->base, NULL);
    set_backing(w, &w->top, &w->base);
    read_from(w, &w->top, 64 * KIB, 512, 1);
    caught(w, "node top: sector 128 (byte 65536) is 0x01, expected 0x02");
    read_from(w, &w->base, 96 * KIB, 512, 1);
    caught(w, "node base: sector 192 (byte 98304) is 0x01, expected 0x02");
}

static void after_half_a_commit_only_the_top_is_known(void **state)
{
    struct world *w = *state;
    fill(w);
    note(w, JOB_AT_START, "commit", 0, &w->top, &w->base, NULL);
    note(w, JOB_AT_FAIL, "commit", 0, &w->top, &w->base, NULL);
    read_all(w, &w->top);
    read_from(w, &w->base, 64 * KIB, 512, 1);
    read_from(w, &w->base, 64 * KIB, 512, 2);
    quiet(w);
    made(w, "base.img");
    look(w);
    read_from(w, &w->base, 64 * KIB, 512, 2);
    caught(w, "is 0x02, expected 0x00 (never written)");
}

/* --- Mirror --- */

static void a_mirror_is_the_source_when_it_completes(void **state)
{
    struct world *w = *state;
    fill(w);
    note(w, JOB_AT_START, "mirror", JOB_SYNC_FULL, &w->top, &w->target, NULL);
    read_from(w, &w->target, 0, 512, 8); /* Anything may be there. */
    read_from(w, &w->target, 0, 512, 1);
    write_to(w, &w->top, MIB, 64 * KIB, 5);
    note(w, JOB_AT_END, "mirror", JOB_SYNC_FULL, &w->top, &w->target, NULL);
    write_to(w, &w->top, 0, 64 * KIB, 6); /* Too late. */
    read_all(w, &w->target);
    read_from(w, &w->target, MIB, 64 * KIB, 5);
    quiet(w);
    write_to(w, &w->target, 0, 64 * KIB, 7);
    read_from(w, &w->target, 0, 64 * KIB, 7);
    read_from(w, &w->top, 0, 64 * KIB, 6);
    quiet(w);
}

static void canary_mirror_loses_a_dirty_bit(void **state)
{
    struct world *w = *state;
    fill(w);
    note(w, JOB_AT_START, "mirror", JOB_SYNC_FULL, &w->top, &w->target, NULL);
    write_to(w, &w->top, 0, 4 * KIB, 5);
    note(w, JOB_AT_END, "mirror", JOB_SYNC_FULL, &w->top, &w->target, NULL);
    read_from(w, &w->target, 0, 512, 1);
    caught(w, "node target: sector 0 (byte 0) is 0x01, expected 0x05");
}

static void a_mirror_of_the_top_stands_on_what_the_source_does(void **state)
{
    struct world *w = *state;
    fill(w);
    note(w, JOB_AT_START, "mirror", JOB_SYNC_TOP, &w->top, &w->target, NULL);
    note(w, JOB_AT_END, "mirror", JOB_SYNC_TOP, &w->top, &w->target, NULL);
    set_backing(w, &w->target, &w->mid);
    read_all(w, &w->target);
}

static void a_mirror_of_nothing_stands_on_the_source(void **state)
{
    struct world *w = *state;
    fill(w);
    note(w, JOB_AT_START, "mirror", JOB_SYNC_NONE, &w->top, &w->target, NULL);
    write_to(w, &w->top, MIB, 4 * KIB, 5);
    note(w, JOB_AT_END, "mirror", JOB_SYNC_NONE, &w->top, &w->target, NULL);
    set_backing(w, &w->target, &w->top);
    read_all(w, &w->target);
    read_from(w, &w->target, MIB, 4 * KIB, 5);
    quiet(w);
}

static void of_a_failed_mirror_nothing_is_known(void **state)
{
    struct world *w = *state;
    fill(w);
    read_from(w, &w->target, 0, 512, 0);
    note(w, JOB_AT_START, "mirror", JOB_SYNC_FULL, &w->top, &w->target, NULL);
    note(w, JOB_AT_FAIL, "mirror", JOB_SYNC_FULL, &w->top, &w->target, NULL);
    not_judged(w, &w->target, 0, 1);
    read_from(w, &w->target, 0, 512, 2);
    caught(w, "expected 0x01");
}

static void a_power_cut_takes_what_was_not_flushed(void **state)
{
    struct world *w = *state;
    fill(w);
    note(w, JOB_AT_START, "mirror", JOB_SYNC_FULL, &w->top, &w->target, NULL);
    note(w, JOB_AT_END, "mirror", JOB_SYNC_FULL, &w->top, &w->target, NULL);
    oracle_ref_image.power_cut(w->oracle.state);
    look(w);
    not_judged(w, &w->target, 64 * KIB, 0);
}

static void a_flush_keeps_what_was_copied(void **state)
{
    struct world *w = *state;
    fill(w);
    note(w, JOB_AT_START, "mirror", JOB_SYNC_FULL, &w->top, &w->target, NULL);
    note(w, JOB_AT_END, "mirror", JOB_SYNC_FULL, &w->top, &w->target, NULL);
    change(w, GUEST_FLUSH, &w->target, 0, 0, 0, 0);
    oracle_ref_image.power_cut(w->oracle.state);
    look(w);
    read_all(w, &w->target);
}

/* --- Backup --- */

static void a_backup_is_the_source_when_it_started(void **state)
{
    struct world *w = *state;
    fill(w);
    note(w, JOB_AT_START, "backup", JOB_SYNC_FULL, &w->top, &w->target, NULL);
    write_to(w, &w->top, 0, 4 * MIB, 5);
    note(w, JOB_AT_END, "backup", JOB_SYNC_FULL, &w->top, &w->target, NULL);
    read_all(w, &w->target);
    read_from(w, &w->top, 0, 512, 5);
    quiet(w);
}

static void canary_backup_copies_after_the_write(void **state)
{
    struct world *w = *state;
    fill(w);
    note(w, JOB_AT_START, "backup", JOB_SYNC_FULL, &w->top, &w->target, NULL);
    write_to(w, &w->top, 64 * KIB, 4 * KIB, 5);
    note(w, JOB_AT_END, "backup", JOB_SYNC_FULL, &w->top, &w->target, NULL);
    read_from(w, &w->target, 64 * KIB, 512, 5);
    caught(w, "node target: sector 128 (byte 65536) is 0x05, expected 0x02");
}

static void a_backup_of_the_top_over_the_same_base(void **state)
{
    struct world *w = *state;
    fill(w);
    set_backing(w, &w->target, &w->mid);
    note(w, JOB_AT_START, "backup", JOB_SYNC_TOP, &w->top, &w->target, NULL);
    write_to(w, &w->top, 0, 256 * KIB, 5);
    note(w, JOB_AT_END, "backup", JOB_SYNC_TOP, &w->top, &w->target, NULL);
    read_all(w, &w->target);
}

static void fleecing_shows_the_start_as_long_as_it_runs(void **state)
{
    struct world *w = *state;
    fill(w);
    set_backing(w, &w->target, &w->top);
    note(w, JOB_AT_START, "backup", JOB_SYNC_NONE, &w->top, &w->target, NULL);
    write_to(w, &w->top, 0, 4 * KIB, 5);
    read_all(w, &w->target);
    write_to(w, &w->top, 128 * KIB, 64 * KIB, 5);
    read_all(w, &w->target);
    note(w, JOB_AT_END, "backup", JOB_SYNC_NONE, &w->top, &w->target, NULL);
    not_judged(w, &w->target, 0, 5);
}

static void canary_fleecing_shows_what_came_later(void **state)
{
    struct world *w = *state;
    fill(w);
    set_backing(w, &w->target, &w->top);
    note(w, JOB_AT_START, "backup", JOB_SYNC_NONE, &w->top, &w->target, NULL);
    write_to(w, &w->top, 0, 4 * KIB, 5);
    read_from(w, &w->target, 0, 512, 5);
    caught(w, "is 0x05, expected 0x01");
}

static void what_a_bitmap_names_is_copied_over_the_rest(void **state)
{
    struct world *w = *state;
    fill(w);
    note(w, JOB_AT_START, "backup", JOB_SYNC_FULL, &w->top, &w->target, NULL);
    note(w, JOB_AT_END, "backup", JOB_SYNC_FULL, &w->top, &w->target, NULL);
    write_to(w, &w->top, 64 * KIB, 4 * KIB, 5);
    w->dirty = 64 * KIB;
    note(w, JOB_AT_START, "backup", JOB_SYNC_BITMAP, &w->top, &w->target, NULL);
    write_to(w, &w->top, 64 * KIB, 64 * KIB, 6);
    note(w, JOB_AT_END, "backup", JOB_SYNC_BITMAP, &w->top, &w->target, NULL);
    read_from(w, &w->target, 0, 64 * KIB, 1);
    read_from(w, &w->target, 64 * KIB, 4 * KIB, 5);
    read_from(w, &w->target, 68 * KIB, 60 * KIB, 2);
    read_from(w, &w->target, 128 * KIB, 64 * KIB, 3);
    quiet(w);
    assert_int_equal(stats(w).units_unknown, 0);
    read_from(w, &w->target, 64 * KIB, 512, 2);
    caught(w, "is 0x02, expected 0x05");
}

static void bytes_of_all_kinds_are_kept(void **state)
{
    struct world *w = *state;
    uint8_t bytes[8192];
    struct iovec iov;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i / 7);
    }
    struct iobuf data = iobuf_mem(&iov, bytes, sizeof(bytes));
    struct guest_io io = start(w, GUEST_WRITE, &w->top, 2048, sizeof(bytes), &data);
    oracle_ref_image.guest_end(w->oracle.state, &io, 0);
    note(w, JOB_AT_START, "backup", JOB_SYNC_FULL, &w->top, &w->target, NULL);
    write_to(w, &w->top, 0, 64 * KIB, 1);
    note(w, JOB_AT_END, "backup", JOB_SYNC_FULL, &w->top, &w->target, NULL);
    io = start(w, GUEST_READ, &w->target, 2048, sizeof(bytes), &data);
    oracle_ref_image.guest_end(w->oracle.state, &io, 0);
    quiet(w);
    bytes[5000]++;
    io = start(w, GUEST_READ, &w->target, 2048, sizeof(bytes), &data);
    oracle_ref_image.guest_end(w->oracle.state, &io, 0);
    caught(w, "node target: sector 13 (byte 7048)");
}

/* --- Views of the past --- */

/* A filter in front of top which keeps its past in target, and a node that shows it. */
struct filter {
    struct node cbw, view;
};

static void add_filter(struct world *w, struct filter *f)
{
    *f = (struct filter){
        .cbw = { .name = "cbw", .driver = "copy-before-write", .length = 4 * MIB,
                 .is_filter = true },
        .view = { .name = "view", .driver = "snapshot-access", .length = 4 * MIB },
    };
    fake_node(&w->layer, &f->cbw);
    fake_node(&w->layer, &f->view);
    fake_edge(&f->cbw, &w->top, "file", 0, 15);
    fake_edge_roles(&f->cbw, &w->target, "target", VIEW_DATA, 0, 15);
    fake_edge_roles(&f->view, &f->cbw, "file", VIEW_DATA | VIEW_PRIMARY, 0, 15);
    look(w);
}

static void a_view_shows_the_past(void **state)
{
    struct world *w = *state;
    struct filter f;
    fill(w);
    add_filter(w, &f);
    write_to(w, &f.cbw, 0, 4 * KIB, 5);
    read_all(w, &f.view);
    write_to(w, &f.cbw, 64 * KIB, MIB, 5);
    look(w);
    read_all(w, &f.view);
    read_from(w, &w->top, 0, 4 * KIB, 5);
    quiet(w);
}

static void canary_view_shows_what_came_later(void **state)
{
    struct world *w = *state;
    struct filter f;
    fill(w);
    add_filter(w, &f);
    write_to(w, &f.cbw, 0, 4 * KIB, 5);
    read_from(w, &f.view, 0, 512, 5);
    caught(w, "node view: sector 0 (byte 0) is 0x05, expected 0x01");
}

static void what_goes_around_the_filter_has_no_past(void **state)
{
    struct world *w = *state;
    struct filter f;
    fill(w);
    add_filter(w, &f);
    read_all(w, &f.view);
    write_to(w, &w->top, 0, 4 * KIB, 5);
    not_judged(w, &f.view, 0, 5);
    not_judged(w, &f.view, 64 * KIB, 2);
}

static void an_overlay_of_the_source_shows_it_too(void **state)
{
    struct world *w = *state;
    struct filter f;
    fill(w);
    set_backing(w, &w->target, &w->top);
    add_filter(w, &f);
    write_to(w, &f.cbw, 0, MIB, 5);
    read_all(w, &w->target);
    read_from(w, &w->target, 0, 512, 5);
    caught(w, "node target: sector 0 (byte 0) is 0x05, expected 0x01");
}

static void without_the_filter_nothing_is_kept(void **state)
{
    struct world *w = *state;
    struct filter f;
    fill(w);
    set_backing(w, &w->target, &w->top);
    add_filter(w, &f);
    write_to(w, &f.cbw, 0, 4 * KIB, 5);
    fake_remove_edge(&f.view, &f.cbw, f.view.children[0].v.id);
    fake_remove_edge(&f.cbw, &w->target, f.cbw.children[1].v.id);
    fake_remove_edge(&f.cbw, &w->top, f.cbw.children[0].v.id);
    fake_remove_node(&w->layer, &f.view);
    fake_remove_node(&w->layer, &f.cbw);
    look(w);
    not_judged(w, &w->target, 0, 1);
    not_judged(w, &w->target, 64 * KIB, 5);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_stream_changes_nothing),
        STORY(after_a_full_stream_nothing_below_shows),
        STORY(canary_stream_drops_a_cluster),
        STORY(canary_stream_that_copies_the_base_for_the_middle),
        STORY(after_a_failed_stream_copies_may_be_anywhere),
        STORY(a_commit_moves_the_top_into_the_base),
        STORY(who_stands_above_sees_no_change),
        STORY(canary_commit_skips_a_cluster),
        STORY(after_half_a_commit_only_the_top_is_known),
        STORY(a_mirror_is_the_source_when_it_completes),
        STORY(canary_mirror_loses_a_dirty_bit),
        STORY(a_mirror_of_the_top_stands_on_what_the_source_does),
        STORY(a_mirror_of_nothing_stands_on_the_source),
        STORY(of_a_failed_mirror_nothing_is_known),
        STORY(a_power_cut_takes_what_was_not_flushed),
        STORY(a_flush_keeps_what_was_copied),
        STORY(a_backup_is_the_source_when_it_started),
        STORY(canary_backup_copies_after_the_write),
        STORY(a_backup_of_the_top_over_the_same_base),
        STORY(fleecing_shows_the_start_as_long_as_it_runs),
        STORY(canary_fleecing_shows_what_came_later),
        STORY(what_a_bitmap_names_is_copied_over_the_rest),
        STORY(bytes_of_all_kinds_are_kept),
        STORY(a_view_shows_the_past),
        STORY(canary_view_shows_what_came_later),
        STORY(what_goes_around_the_filter_has_no_past),
        STORY(an_overlay_of_the_source_shows_it_too),
        STORY(without_the_filter_nothing_is_kept),
    };
    return cmocka_run_group_tests_name("oracles/ref_image_job", tests, NULL, NULL);
}
