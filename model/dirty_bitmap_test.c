/* SPDX-License-Identifier: MIT */
/* Bitmaps of a node without any driver: what they record, how they stand in for each other. */
#include "model/dirty_bitmap.h"

#include "base/mem.h"
#include "model/layer_state.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LENGTH = 1 << 20, GRANULE = 4096 };

struct world {
    struct layer layer;
    struct node node;
    struct error err;
};

static int set_up(void **state)
{
    struct world *w = NEW(struct world);
    w->node.layer = &w->layer;
    w->node.length = LENGTH;
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    bitmap_release_all(&w->node);
    free(w);
    return 0;
}

static struct dirty_bitmap *make(struct world *w, const char *name)
{
    struct dirty_bitmap *b = NULL;
    assert_int_equal(bitmap_create(&w->node, name, GRANULE, &b, &w->err), 0);
    return b;
}

static void only_what_is_enabled_records(void **state)
{
    struct world *w = *state;
    struct dirty_bitmap *on = make(w, "on"), *off = make(w, "off");
    bitmap_set_enabled(off, false);
    bitmap_mark(&w->node, 1000, 10);
    bitmap_mark(&w->node, LENGTH - 1, 100); /* Behind the end there is nothing. */
    assert_int_equal(bitset_count(bitmap_bits(on)), 2 * GRANULE);
    assert_int_equal(bitset_count(bitmap_bits(off)), 0);
    assert_ptr_equal(bitmap_first(&w->node), on);
    assert_ptr_equal(bitmap_next(on), off);
    assert_null(bitmap_next(off));
}

static void names_are_checked(void **state)
{
    struct world *w = *state;
    char name[BITMAP_NAME_MAX + 2] = { 0 };
    memset(name, 'x', BITMAP_NAME_MAX);
    make(w, name);
    make(w, NULL);
    make(w, NULL);
    assert_int_equal(bitmap_create(&w->node, name, GRANULE, NULL, NULL), -EEXIST);
    name[BITMAP_NAME_MAX] = 'x';
    assert_int_equal(bitmap_create(&w->node, name, GRANULE, NULL, &w->err), -ENAMETOOLONG);
    assert_null(bitmap_find(&w->node, name));
    name[BITMAP_NAME_MAX] = '\0';
    assert_non_null(bitmap_find(&w->node, name));
}

static void a_busy_bitmap_cannot_be_used(void **state)
{
    struct world *w = *state;
    struct dirty_bitmap *b = make(w, "b"), *c = make(w, "c");
    bitmap_set_exported(b, true);
    assert_int_equal(bitmap_check(b, BITMAP_CHECK_DEFAULT, &w->err), -EBUSY);
    assert_string_equal(w->err.text,
                        "Bitmap 'b' is currently in use by another operation and cannot be used");
    assert_int_equal(bitmap_check(b, BITMAP_CHECK_READ_ONLY, NULL), 0);
    assert_int_equal(bitmap_can_merge(c, b, NULL), -EBUSY);
    assert_int_equal(bitmap_can_merge(b, c, NULL), -EBUSY);
    bitmap_set_exported(b, false);
    assert_int_equal(bitmap_can_merge(c, b, NULL), 0);
    bitmap_mark(&w->node, 0, 1); /* Goes on recording. */
    assert_int_equal(bitset_granules(bitmap_bits(b)), 1);
}

static void a_successor_is_taken_back(void **state)
{
    struct world *w = *state;
    struct dirty_bitmap *b = make(w, "b");
    bitmap_mark(&w->node, 0, 1);
    assert_int_equal(bitmap_freeze(b, NULL), 0);
    assert_int_equal(bitmap_freeze(b, NULL), -EBUSY);
    assert_true(bitmap_is_busy(b) && bitmap_has_successor(b) && bitmap_is_recording(b));
    assert_false(bitmap_is_enabled(b));
    bitmap_mark(&w->node, GRANULE, 1);
    assert_int_equal(bitset_granules(bitmap_bits(b)), 1);
    bitmap_reclaim(b);
    assert_true(bitmap_is_enabled(b) && !bitmap_is_busy(b) && !bitmap_has_successor(b));
    assert_int_equal(bitset_granules(bitmap_bits(b)), 2);
    assert_null(bitmap_next(b));
}

static void a_successor_takes_the_place(void **state)
{
    struct world *w = *state;
    struct dirty_bitmap *b = make(w, "b");
    struct dirty_bitmap *other = make(w, "other");
    bitmap_mark(&w->node, 0, 1);
    assert_int_equal(bitmap_freeze(b, NULL), 0);
    bitmap_mark(&w->node, GRANULE, 1);
    assert_int_equal(bitmap_stamp(bitmap_next(other)).stands_for, bitmap_stamp(b).id);
    struct dirty_bitmap *now = bitmap_abdicate(b);
    assert_ptr_equal(bitmap_find(&w->node, "b"), now);
    assert_ptr_equal(bitmap_first(&w->node), other); /* It is the younger one now. */
    assert_ptr_equal(bitmap_next(other), now);
    assert_true(bitmap_is_enabled(now) && !bitmap_is_busy(now));
    assert_false(bitset_get(bitmap_bits(now), 0));
    assert_true(bitset_get(bitmap_bits(now), GRANULE));
}

static void a_disabled_bitmap_has_a_disabled_successor(void **state)
{
    struct world *w = *state;
    struct dirty_bitmap *b = make(w, "b");
    bitmap_set_enabled(b, false);
    assert_int_equal(bitmap_freeze(b, NULL), 0);
    bitmap_mark(&w->node, 0, 1);
    assert_false(bitmap_is_recording(b));
    b = bitmap_abdicate(b);
    assert_false(bitmap_is_enabled(b));
    assert_int_equal(bitset_count(bitmap_bits(b)), 0);
}

static void bits_come_back_in_todays_length(void **state)
{
    struct world *w = *state;
    struct bitset *before = NULL;
    struct dirty_bitmap *b = make(w, "b");
    bitmap_mark(&w->node, 0, LENGTH);
    bitmap_clear(b, &before);
    assert_int_equal(bitset_count(bitmap_bits(b)), 0);
    w->node.length = LENGTH / 2;
    bitmap_resize_all(&w->node, LENGTH / 2);
    bitmap_restore(b, before);
    assert_int_equal(bitset_count(bitmap_bits(b)), LENGTH / 2);
    assert_int_equal(bitset_length(bitmap_bits(b)), LENGTH / 2);
}

static void merging_needs_one_size(void **state)
{
    struct world *w = *state;
    struct dirty_bitmap *b = make(w, "b"), *c = NULL;
    struct node short_one = { .layer = &w->layer, .length = LENGTH / 2 };
    assert_int_equal(bitmap_create(&short_one, "c", 65536, &c, NULL), 0);
    assert_int_equal(bitmap_can_merge(b, c, &w->err), -EINVAL);
    assert_string_equal(w->err.text, "Bitmaps are of different sizes (destination size is 1048576, "
                                     "source size is 524288) and can't be merged");
    bitmap_resize_all(&short_one, LENGTH);
    assert_int_equal(bitmap_can_merge(b, c, NULL), 0);
    bitset_set(bitmap_set(c), 70000, 1);
    bitmap_merge_from(b, c, NULL);
    bitmap_merge_from(b, b, NULL);
    assert_int_equal(bitset_granules(bitmap_bits(b)), 16);
    bitmap_release_all(&short_one);
}

static void descriptions_are_the_newest_first(void **state)
{
    struct world *w = *state;
    assert_null(bitmap_describe_all(&w->node));
    make(w, "old");
    make(w, NULL);
    json_t *list = bitmap_describe_all(&w->node);
    char *text = json_dumps(list, JSON_SORT_KEYS | JSON_COMPACT);
    assert_string_equal(text, "[{\"busy\":false,\"count\":0,\"granularity\":4096,"
                              "\"persistent\":false,\"recording\":true},"
                              "{\"busy\":false,\"count\":0,\"granularity\":4096,\"name\":\"old\","
                              "\"persistent\":false,\"recording\":true}]");
    free(text);
    json_decref(list);
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(only_what_is_enabled_records),      STORY(names_are_checked),
        STORY(a_busy_bitmap_cannot_be_used),      STORY(a_successor_is_taken_back),
        STORY(a_successor_takes_the_place),       STORY(a_disabled_bitmap_has_a_disabled_successor),
        STORY(bits_come_back_in_todays_length),   STORY(merging_needs_one_size),
        STORY(descriptions_are_the_newest_first),
    };
    return cmocka_run_group_tests_name("model/dirty_bitmap", tests, NULL, NULL);
}
