/* SPDX-License-Identifier: MIT */
/* A filter on a disk of 64 bytes, each with a bitmap of the test's own: requests are told to the
 * oracle, and the test marks what a bitmap should have, or forgets to. */
#include "oracles/fake_graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "oracles/oracle_test.h"

struct world {
    struct layer layer;
    struct node top, disk;
    struct dirty_bitmap above, below, late; /* late: of the disk, linked by tests. */
    struct sim sim;
    struct oracle oracle;
    struct fake_verdict verdict;
    struct snapshot snapshot;
};

static struct dirty_bitmap bitmap(uint64_t id, const char *name)
{
    return (struct dirty_bitmap){
        .v = { .id = id, .name = name, .length = FAKE_UNITS, .enabled = true }
    };
}

static int set_up(void **state)
{
    struct world *w = NEW(struct world);
    w->above = bitmap(1, "above");
    w->below = bitmap(2, "below");
    w->late = bitmap(3, NULL);
    w->top = (struct node){ .name = "top", .is_filter = true, .bitmaps = &w->above };
    w->disk = (struct node){ .name = "disk", .bitmaps = &w->below };
    fake_node(&w->layer, &w->disk);
    fake_node(&w->layer, &w->top);
    fake_edge(&w->top, &w->disk, "file", 1, 15);
    w->oracle = fake_oracle(&oracle_bitmaps, &w->sim, &w->verdict);
    w->oracle.state = oracle_bitmaps.create(&w->oracle);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    oracle_bitmaps.destroy(w->oracle.state);
    snapshot_free(&w->snapshot);
    free(w);
    return 0;
}

static void look(struct world *w)
{
    snapshot_take(&w->snapshot, &w->layer);
    oracle_bitmaps.look(w->oracle.state, &w->snapshot);
}

static void mark(struct dirty_bitmap *b, int64_t offset, int64_t bytes, bool on)
{
    for (int64_t i = 0; i < bytes; i++) {
        b->marked[offset + i] = on;
    }
}

static struct guest_io request(struct world *w, const struct node *n, int64_t offset, int64_t bytes)
{
    return (struct guest_io){ .op = GUEST_WRITE,
                              .node = n,
                              .layer = &w->layer,
                              .offset = offset,
                              .bytes = bytes,
                              .token = (uint64_t)offset + 1 };
}

static void begin(struct world *w, const struct guest_io *io)
{
    oracle_bitmaps.guest_begin(w->oracle.state, io);
}

static void end(struct world *w, const struct guest_io *io, int ret)
{
    oracle_bitmaps.guest_end(w->oracle.state, io, ret);
}

/* A write that is marked where it has to be. */
static void written(struct world *w, int64_t offset, int64_t bytes)
{
    struct guest_io io = request(w, &w->top, offset, bytes);
    begin(w, &io);
    mark(&w->above, offset, bytes, true);
    mark(&w->below, offset, bytes, true);
    end(w, &io, 0);
}

static void what_is_marked_passes(void **state)
{
    struct world *w = *state;
    for (int64_t i = 0; i < FAKE_UNITS; i += 4) {
        written(w, (i * 7) % 60, 3);
    }
    look(w);
    struct guest_io io = request(w, &w->disk, 60, 4);
    begin(w, &io);
    mark(&w->below, 60, 4, true); /* Went past the filter. */
    end(w, &io, 0);
    io = request(w, &w->top, 0, 64);
    begin(w, &io);
    end(w, &io, -5); /* Failed: not judged. */
    look(w);
    fake_quiet(&w->verdict);
}

static void canary_write_that_is_not_marked(void **state)
{
    struct world *w = *state;
    struct guest_io io = request(w, &w->top, 8, 4);
    begin(w, &io);
    mark(&w->above, 8, 4, true);
    mark(&w->below, 8, 3, true);
    end(w, &io, 0);
    fake_caught(
        &w->verdict, "cover",
        "bitmap 'below' of node 'disk' recorded when 8+4 was written, and does not have 11");
}

static void canary_bits_that_get_lost_later(void **state)
{
    struct world *w = *state;
    written(w, 8, 4);
    written(w, 12, 4);
    written(w, 32, 4);
    look(w);
    fake_quiet(&w->verdict);
    mark(&w->above, 14, 1, false);
    look(w);
    fake_caught(&w->verdict, "cover", "when 8+8 was written, and does not have 14");
}

static void clearing_and_pausing_are_no_loss(void **state)
{
    struct world *w = *state;
    written(w, 8, 4);
    mark(&w->above, 0, FAKE_UNITS, false);
    w->above.v.cleared++;
    look(w);
    struct guest_io io = request(w, &w->top, 20, 4);
    begin(w, &io);
    w->above.v.paused++; /* Off and on again meanwhile. */
    mark(&w->below, 20, 4, true);
    end(w, &io, 0);
    io = request(w, &w->top, 30, 4);
    begin(w, &io);
    w->above.v.cleared++;
    mark(&w->below, 30, 4, true);
    end(w, &io, 0);
    w->above.v.enabled = false;
    io = request(w, &w->top, 40, 4);
    begin(w, &io);
    mark(&w->below, 40, 4, true);
    end(w, &io, 0);
    look(w);
    fake_quiet(&w->verdict);
    mark(&w->below, 40, 1, false);
    look(w);
    fake_caught(&w->verdict, "cover", "bitmap 'below'");
}

static void a_shorter_disk_owes_less(void **state)
{
    struct world *w = *state;
    written(w, 40, 16);
    w->above.v.length = w->below.v.length = 48;
    w->above.v.cleared++;
    w->below.v.cleared++;
    mark(&w->above, 48, 8, false);
    look(w);
    struct guest_io io = request(w, &w->top, 44, 16); /* Grew, and bitmaps not yet. */
    begin(w, &io);
    mark(&w->above, 44, 4, true);
    mark(&w->below, 44, 4, true);
    end(w, &io, 0);
    fake_quiet(&w->verdict);
}

/* A bitmap that stands for another records; the other gets it all, or loses something. */
static void stand_in(struct world *w)
{
    written(w, 0, 4);
    w->late.v.stands_for = 2;
    w->below.next = &w->late;
    w->below.v.enabled = false;
    w->below.v.paused++;
    look(w);
    struct guest_io io = request(w, &w->disk, 16, 8);
    begin(w, &io);
    mark(&w->late, 16, 8, true);
    end(w, &io, 0);
    look(w);
    fake_quiet(&w->verdict);
    w->below.next = NULL;
    w->below.v.enabled = true;
}

static void what_was_recorded_for_another_comes_back(void **state)
{
    struct world *w = *state;
    stand_in(w);
    mark(&w->below, 16, 8, true);
    look(w);
    fake_quiet(&w->verdict);
}

static void canary_stand_in_that_is_not_merged(void **state)
{
    struct world *w = *state;
    stand_in(w);
    look(w);
    fake_caught(&w->verdict, "cover", "bitmap 'below' of node 'disk' recorded when 16+8");
}

static void a_stand_in_takes_the_place(void **state)
{
    struct world *w = *state;
    stand_in(w);
    w->late.v.stands_for = 0;
    w->late.v.name = "below";
    w->disk.bitmaps = &w->late;
    look(w);
    fake_quiet(&w->verdict);
    mark(&w->late, 16, 1, false);
    look(w);
    fake_caught(&w->verdict, "cover", "bitmap 'below' of node 'disk' recorded when 16+8");
}

static void bitmaps_of_jobs_are_theirs(void **state)
{
    struct world *w = *state;
    w->below.next = &w->late;
    written(w, 16, 8);
    look(w);
    fake_quiet(&w->verdict);
}

static void who_is_in_flight_while_an_edge_moves_owes_nothing(void **state)
{
    struct world *w = *state;
    struct guest_io io = request(w, &w->top, 16, 8);
    begin(w, &io);
    oracle_bitmaps.edge_changes(w->oracle.state, w->top.children, &w->disk); /* Permissions. */
    oracle_bitmaps.edge_changes(w->oracle.state, w->top.children, NULL);
    end(w, &io, 0);
    fake_quiet(&w->verdict);
    oracle_bitmaps.layer_gone(w->oracle.state);
    look(w);
    fake_quiet(&w->verdict);
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(what_is_marked_passes),
        STORY(canary_write_that_is_not_marked),
        STORY(canary_bits_that_get_lost_later),
        STORY(clearing_and_pausing_are_no_loss),
        STORY(a_shorter_disk_owes_less),
        STORY(what_was_recorded_for_another_comes_back),
        STORY(canary_stand_in_that_is_not_merged),
        STORY(a_stand_in_takes_the_place),
        STORY(bitmaps_of_jobs_are_theirs),
        STORY(who_is_in_flight_while_an_edge_moves_owes_nothing),
    };
    return cmocka_run_group_tests_name("oracles/bitmaps", tests, NULL, NULL);
}
