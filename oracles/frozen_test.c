/* SPDX-License-Identifier: MIT */
/* A chain top -> mid -> base whose links are frozen and thawed, and changed at the right and at the
 * wrong time. */
#include "oracles/fake_graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "oracles/oracle_test.h"

enum { TOP_MID = 1, MID_BASE };

struct world {
    struct layer layer;
    struct node top, mid, base;
    struct sim sim;
    struct oracle oracle;
    struct fake_verdict verdict;
    struct snapshot snapshot;
};

static int set_up(void **state)
{
    struct world *w = NEW(struct world);
    w->top = (struct node){ .name = "top", .driver = "qcow2" };
    w->mid = (struct node){ .name = "mid", .driver = "qcow2" };
    w->base = (struct node){ .name = "base", .driver = "qcow2" };
    fake_node(&w->layer, &w->base);
    fake_node(&w->layer, &w->mid);
    fake_node(&w->layer, &w->top);
    fake_edge_roles(&w->top, &w->mid, "backing", VIEW_COW, 1, 15);
    fake_edge_roles(&w->mid, &w->base, "backing", VIEW_COW, 1, 15);
    w->oracle = fake_oracle(&oracle_frozen, &w->sim, &w->verdict);
    w->oracle.state = oracle_frozen.create(&w->oracle);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    oracle_frozen.destroy(w->oracle.state);
    snapshot_free(&w->snapshot);
    free(w);
    return 0;
}

static void look(struct world *w)
{
    snapshot_take(&w->snapshot, &w->layer);
    oracle_frozen.look(w->oracle.state, &w->snapshot);
}

static void toggle(struct edge_view *v)
{
    v->frozen = !v->frozen;
}

static void freeze(struct world *w, uint64_t id)
{
    fake_set_edge(&w->layer, id, toggle);
}

/* What the model does before it changes an edge. */
static void tell(struct world *w, const struct node *to)
{
    oracle_frozen.edge_changes(w->oracle.state, &w->top.children[0], to);
}

static void move_to_base(struct world *w)
{
    w->top.children[0].v.child = &w->base;
    w->base.parents[w->base.parents_len] = w->mid.parents[0];
    w->base.parents[w->base.parents_len].list = &w->base;
    w->base.parents[w->base.parents_len++].v.child = &w->base;
    w->mid.parents_len = 0;
}

static void what_is_not_frozen_may_change(void **state)
{
    struct world *w = *state;
    look(w);
    tell(w, &w->base);
    move_to_base(w);
    look(w);
    tell(w, NULL);
    fake_remove_edge(&w->top, &w->base, TOP_MID);
    look(w);
    fake_quiet(&w->verdict);
}

static void thawed_in_between_it_may_change(void **state)
{
    struct world *w = *state;
    freeze(w, TOP_MID);
    freeze(w, MID_BASE);
    look(w);
    tell(w, &w->mid); /* Its permissions alone. */
    look(w);
    freeze(w, TOP_MID);
    tell(w, &w->base);
    move_to_base(w);
    freeze(w, TOP_MID);
    look(w);
    look(w);
    fake_quiet(&w->verdict);
}

static void canary_frozen_link_moved(void **state)
{
    struct world *w = *state;
    freeze(w, TOP_MID);
    look(w);
    tell(w, &w->base);
    fake_caught(&w->verdict, "change",
                "the frozen link top -backing-> mid is led to another node");
}

static void canary_frozen_link_dropped(void **state)
{
    struct world *w = *state;
    freeze(w, TOP_MID); /* Since the last look: it is found all the same. */
    tell(w, NULL);
    fake_caught(&w->verdict, "change", "the frozen link top -backing-> mid is dropped");
}

static void canary_frozen_link_moved_behind_the_back(void **state)
{
    struct world *w = *state;
    freeze(w, TOP_MID);
    look(w);
    move_to_base(w);
    look(w);
    fake_caught(&w->verdict, "moved",
                "the link top -backing-> mid was frozen, and leads to 'base' now");
}

static void canary_frozen_link_lost_behind_the_back(void **state)
{
    struct world *w = *state;
    freeze(w, TOP_MID);
    freeze(w, MID_BASE);
    look(w);
    fake_remove_edge(&w->mid, &w->base, MID_BASE);
    look(w);
    fake_caught(&w->verdict, "gone",
                "the link mid -backing-> base was frozen, and has disappeared");
}

static void a_new_layer_knows_nothing_of_the_old(void **state)
{
    struct world *w = *state;
    freeze(w, TOP_MID);
    look(w);
    oracle_frozen.layer_gone(w->oracle.state);
    w->layer.len = 0;
    look(w);
    fake_quiet(&w->verdict);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(what_is_not_frozen_may_change),
        STORY(thawed_in_between_it_may_change),
        STORY(canary_frozen_link_moved),
        STORY(canary_frozen_link_dropped),
        STORY(canary_frozen_link_moved_behind_the_back),
        STORY(canary_frozen_link_lost_behind_the_back),
        STORY(a_new_layer_knows_nothing_of_the_old),
    };
    return cmocka_run_group_tests_name("oracles/frozen", tests, NULL, NULL);
}
