/* SPDX-License-Identifier: MIT */
/* A chain (backend -> overlay -> file, overlay -> base -> file) with the permissions that QEMU
 * gives it; a test breaks one, or writes where nobody may. */
#include "oracles/fake_graph.h"

#include <errno.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "oracles/oracle_test.h"

enum { READ = 1, WRITE = 2, UNCHANGED = 4, RESIZE = 8, ALL = 15 };
enum { STORAGE = VIEW_DATA | VIEW_METADATA | VIEW_PRIMARY };
enum { ROOT = 1, TOP_FILE, BACKING, BASE_FILE }; /* Ids of the edges. */

struct world {
    struct layer layer;
    struct node top, top_file, base, base_file;
    struct sim sim;
    struct oracle oracle;
    struct fake_verdict verdict;
    struct snapshot snapshot;
};

static int set_up(void **state)
{
    struct world *w = NEW(struct world);
    w->top = (struct node){ .name = "top", .driver = "qcow2", .is_format = true };
    w->top_file = (struct node){ .name = "f1", .driver = "file" };
    w->base = (struct node){ .name = "base", .driver = "qcow2", .is_format = true,
                             .read_only = true };
    w->base_file = (struct node){ .name = "f0", .driver = "file", .read_only = true };
    fake_node(&w->layer, &w->top_file);
    fake_node(&w->layer, &w->top);
    fake_node(&w->layer, &w->base_file);
    fake_node(&w->layer, &w->base);
    fake_edge_roles(NULL, &w->top, "root", VIEW_FILTERED, READ | WRITE | RESIZE, ALL);
    fake_edge_roles(&w->top, &w->top_file, "file", STORAGE, READ | WRITE | RESIZE,
                    READ | UNCHANGED);
    fake_edge_roles(&w->top, &w->base, "backing", VIEW_COW, READ, ALL);
    fake_edge_roles(&w->base, &w->base_file, "file", STORAGE, READ, READ | UNCHANGED);
    w->oracle = fake_oracle(&oracle_permissions, &w->sim, &w->verdict);
    w->oracle.state = oracle_permissions.create(&w->oracle);
    inspect_watch(&w->layer, &(struct graph_watch){ .edge_changes =
                                                        oracle_permissions.edge_changes,
                                                    .opaque = w->oracle.state });
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    oracle_permissions.destroy(w->oracle.state);
    snapshot_free(&w->snapshot);
    free(w);
    return 0;
}

static void look(struct world *w)
{
    snapshot_take(&w->snapshot, &w->layer);
    oracle_permissions.look(w->oracle.state, &w->snapshot);
}

/* Gives an edge other permissions, as a change of the graph does. */
static void set_perm(struct world *w, uint64_t id, uint32_t perm, uint32_t shared)
{
    for (size_t i = 0; i < w->layer.len; i++) {
        struct node *n = w->layer.nodes[i];
        for (uint32_t k = 0; k < n->parents_len; k++) {
            if (n->parents[k].v.id == id) {
                oracle_permissions.edge_changes(w->oracle.state, &n->parents[k], n);
                n->parents[k].v.perm = perm;
                n->parents[k].v.shared = shared;
            }
        }
        for (uint32_t k = 0; k < n->children_len; k++) {
            if (n->children[k].v.id == id) {
                n->children[k].v.perm = perm;
                n->children[k].v.shared = shared;
            }
        }
    }
}

static void guest(struct world *w, enum guest_op op, struct node *n, int ret)
{
    struct guest_io io = { .op = op, .node = n, .layer = &w->layer, .bytes = 4096, .token = 1 };
    oracle_permissions.guest_end(w->oracle.state, &io, ret);
}

static void a_chain_passes(void **state)
{
    struct world *w = *state;
    look(w);
    fake_quiet(&w->verdict);
    w->top.writes = w->top_file.writes = 5;
    guest(w, GUEST_WRITE, &w->top, 0);
    guest(w, GUEST_TRUNCATE, &w->top, 0);
    look(w);
    fake_quiet(&w->verdict);
}

static void canary_conflict_between_parents(void **state)
{
    struct world *w = *state;
    fake_edge_roles(NULL, &w->top_file, "root", VIEW_FILTERED, READ | WRITE, ALL);
    look(w);
    fake_caught(&w->verdict, "conflict",
                "node 'f1': edge 'root' of a user outside the graph uses write, which "
                "edge 'file' of node 'top' does not share");
}

static void one_may_use_what_it_does_not_share(void **state)
{
    struct world *w = *state;
    set_perm(w, ROOT, READ | WRITE | RESIZE, READ); /* Alone on the node. */
    set_perm(w, BACKING, READ, READ | UNCHANGED);
    look(w);
    fake_quiet(&w->verdict);
    fake_edge_roles(NULL, &w->top, "root", VIEW_FILTERED, READ | WRITE, READ | WRITE | RESIZE);
    look(w);
    fake_caught(&w->verdict, "conflict",
                "uses write");
}

static void canary_backing_file_written(void **state)
{
    struct world *w = *state;
    w->base.read_only = w->base_file.read_only = false;
    set_perm(w, BASE_FILE, READ | WRITE | RESIZE, READ | UNCHANGED);
    look(w);
    fake_quiet(&w->verdict);
    set_perm(w, BACKING, READ | WRITE, ALL);
    look(w);
    fake_caught(&w->verdict, "excess", "edge 'backing' of node 'top' to 'base' uses write");
}

static void canary_backing_shared_though_the_user_forbids_writes(void **state)
{
    struct world *w = *state;
    set_perm(w, ROOT, READ | WRITE | RESIZE, READ | UNCHANGED);
    look(w);
    fake_caught(&w->verdict, "share",
                "edge 'backing' of node 'top' to 'base' shares write, resize");
}

static void canary_metadata_shared(void **state)
{
    struct world *w = *state;
    set_perm(w, TOP_FILE, READ | WRITE | RESIZE, READ | WRITE);
    look(w);
    fake_caught(&w->verdict, "share",
                "edge 'file' of node 'top' to 'f1' shares write");
}

static void canary_metadata_not_writable(void **state)
{
    struct world *w = *state;
    set_perm(w, ROOT, READ, ALL); /* Nobody writes; the format itself may all the same. */
    set_perm(w, TOP_FILE, READ, READ | UNCHANGED);
    look(w);
    fake_caught(&w->verdict, "use", "edge 'file' of node 'top' to 'f1' does not use write, resize");
    w->top.read_only = true;
    look(w);
    fake_quiet(&w->verdict);
}

static void canary_filter_drops_a_permission(void **state)
{
    struct world *w = *state;
    struct node filter = { .name = "dbg", .driver = "blkdebug", .is_filter = true };
    fake_node(&w->layer, &filter);
    set_perm(w, ROOT, READ, ALL);
    fake_edge(&filter, &w->top, "image", READ | WRITE, ALL);
    fake_edge_roles(NULL, &filter, "root", VIEW_FILTERED, READ | WRITE, READ | WRITE);
    look(w);
    fake_caught(&w->verdict, "share",
                "edge 'image' of node 'dbg' to 'top' shares resize");
    set_perm(w, w->layer.edges - 1, READ, READ | WRITE | UNCHANGED | RESIZE);
    set_perm(w, w->layer.edges, READ | WRITE, ALL);
    look(w);
    fake_caught(&w->verdict, "use", "edge 'image' of node 'dbg' to 'top' does not use write");
}

static void canary_writer_on_a_read_only_node(void **state)
{
    struct world *w = *state;
    w->top_file.read_only = true;
    look(w);
    fake_caught(&w->verdict, "read-only",
                "node 'f1' is read-only and has a user that may write it");
}

static void canary_shared_by_force_and_writable(void **state)
{
    struct world *w = *state;
    w->base.force_share = w->base_file.force_share = true;
    set_perm(w, BASE_FILE, READ, ALL);
    look(w);
    fake_quiet(&w->verdict);
    w->base_file.read_only = false;
    look(w);
    fake_caught(&w->verdict, "force-share", "node 'f0' is shared by force and may be written");
}

static void canary_node_written_without_permission(void **state)
{
    struct world *w = *state;
    look(w);
    w->base_file.writes = 3;
    look(w);
    fake_caught(&w->verdict, "written", "node 'f0' was written 3 time(s), and nobody may");
}

static void a_writer_that_went_accounts_for_writes(void **state)
{
    struct world *w = *state;
    w->base_file.read_only = false;
    look(w);
    fake_edge_roles(NULL, &w->base_file, "root", VIEW_FILTERED, READ | WRITE, ALL);
    w->base_file.writes = 3;
    struct child *gone = &w->base_file.parents[w->base_file.parents_len - 1];
    w->layer.watch.edge_changes(w->layer.watch.opaque, gone, NULL);
    fake_remove_edge(NULL, &w->base_file, w->layer.edges);
    look(w);
    fake_quiet(&w->verdict);
    w->base_file.writes = 4; /* But not for those after it. */
    look(w);
    fake_caught(&w->verdict, "written", "node 'f0' was written 1 time(s), and nobody may");
}

static void canary_guest_writes_without_permission(void **state)
{
    struct world *w = *state;
    guest(w, GUEST_WRITE, &w->base, -EPERM);
    guest(w, GUEST_READ, &w->base, 0);
    fake_quiet(&w->verdict);
    guest(w, GUEST_WRITE, &w->base, 0);
    fake_caught(&w->verdict, "guest",
                "a guest has written node 'base', and no user outside the graph may");
    guest(w, GUEST_WRITE, &w->top, 0);
    fake_quiet(&w->verdict);
    set_perm(w, ROOT, READ | WRITE, ALL);
    guest(w, GUEST_TRUNCATE, &w->top, 0);
    fake_caught(&w->verdict, "guest",
                "a guest has resized node 'top'");
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_chain_passes),
        STORY(canary_conflict_between_parents),
        STORY(one_may_use_what_it_does_not_share),
        STORY(canary_backing_file_written),
        STORY(canary_backing_shared_though_the_user_forbids_writes),
        STORY(canary_metadata_shared),
        STORY(canary_metadata_not_writable),
        STORY(canary_filter_drops_a_permission),
        STORY(canary_writer_on_a_read_only_node),
        STORY(canary_shared_by_force_and_writable),
        STORY(canary_node_written_without_permission),
        STORY(a_writer_that_went_accounts_for_writes),
        STORY(canary_guest_writes_without_permission),
    };
    return cmocka_run_group_tests_name("oracles/permissions", tests, NULL, NULL);
}
