/* SPDX-License-Identifier: MIT */
/* Snapshots, alone and in transactions, backing file names in images, children that come and go,
 * and lengths. */
#include "base/check.h"
#include "base/mem.h"
#include "scenarios/diff/random_private.h"

#include <stdlib.h>
#include <string.h>

/* A node that can go above another: one that has a backing child, and nothing there. */
static const char *pick_overlay(struct rand_gen *g)
{
    const char *best = NULL;
    uint64_t n = 0;
    for (size_t i = 0; i < g->nodes_len; i++) {
        const struct rand_node *at = &g->nodes[i];
        const json_t *backing = json_object_get(at->options, "backing");
        bool fits = strcmp(rand_str(at->options, "driver"), "qcow2") == 0 &&
                    (!backing || json_is_null(backing)) && rand_node_users(g, at->name) == 0;
        if (fits && rand_below(g, ++n) == 0) {
            best = at->name;
        }
    }
    if (!best && g->nodes_len > 0 && rand_chance(g, g->any_permille)) {
        best = rand_pick_node(g, false)->name;
    }
    return best;
}

static json_t *make_snapshot_args(struct rand_gen *g)
{
    const char *overlay = pick_overlay(g);
    const struct rand_node *n = rand_pick_node(g, false);
    if (!overlay || (strcmp(overlay, n->name) == 0 && !rand_chance(g, 50))) {
        return NULL;
    }
    return json_pack("{s:s, s:s}", "node", n->name, "overlay", overlay);
}

static void took_snapshot_args(struct rand_gen *g, const json_t *args)
{
    const char *node = rand_str(args, "node"), *overlay = rand_str(args, "overlay");
    struct rand_node *o = rand_find_node(g, overlay);
    if (o && rand_find_node(g, node)) {
        rand_move_users(g, node, overlay);
        json_object_set_new(o->options, "backing", json_string(node));
    }
}

static bool make_snapshot(struct rand_gen *g, struct rand_cmd *c)
{
    c->args = make_snapshot_args(g);
    return c->args != NULL;
}

static void took_snapshot(struct rand_gen *g, const struct rand_cmd *c)
{
    took_snapshot_args(g, c->args);
}

/* ---- blockdev-snapshot-sync ---- */

static json_t *make_sync_args(struct rand_gen *g)
{
    const struct rand_node *n = rand_pick_node(g, false);
    if (!n || (rand_node_users(g, n->name) == 0 && !rand_chance(g, 100))) {
        return NULL; /* An overlay that nobody uses is gone at once. */
    }
    json_t *args = json_pack("{s:s}", "node-name", n->name);
    char *file = mem_printf("s%u.qcow2", g->next_name++);
    const char *mode = rand_chance(g, 900) ? NULL
                       : rand_chance(g, 500) ? "absolute-paths"
                                             : "existing";
    json_object_set_new(args, "snapshot-file", json_string(file));
    free(file);
    if (!rand_chance(g, 50)) {
        rand_fresh_node_name(g, args, "snapshot-node-name");
    }
    if (rand_chance(g, 200)) {
        json_object_set_new(args, "format", json_string(rand_chance(g, 850) ? "qcow2" : "raw"));
    }
    if (mode) {
        json_object_set_new(args, "mode", json_string(mode));
    }
    return args;
}

static void took_sync_args(struct rand_gen *g, const json_t *args)
{
    const char *node = rand_str(args, "node-name"), *file = rand_str(args, "snapshot-file");
    const char *name = rand_str(args, "snapshot-node-name");
    const char *format = rand_str(args, "format"), *mode = rand_str(args, "mode");
    if (!name || !rand_find_node(g, node) || rand_node_users(g, node) == 0 ||
        (format && strcmp(format, "raw") == 0) ||
        (mode && strcmp(mode, "existing") == 0)) {
        return;
    }
    json_t *options = json_pack("{s:s, s:s, s:s, s:{s:s, s:s}}", "driver", "qcow2", "node-name",
                                name, "backing", node, "file", "driver", "file", "filename", file);
    CHECK(options != NULL);
    rand_add_file(g, file, true, rand_node_size(g, node), NULL);
    rand_note_tree(g, options, false);
    rand_move_users(g, node, name);
    json_decref(options);
}

static bool make_sync(struct rand_gen *g, struct rand_cmd *c)
{
    c->args = make_sync_args(g);
    return c->args != NULL;
}

static void took_sync(struct rand_gen *g, const struct rand_cmd *c)
{
    took_sync_args(g, c->args);
}

/* ---- transaction ---- */

static json_t *make_action(struct rand_gen *g)
{
    const char *type = rand_chance(g, 80)    ? "abort"
                       : rand_chance(g, 600) ? "blockdev-snapshot"
                                             : "blockdev-snapshot-sync";
    json_t *data = strcmp(type, "abort") == 0 ? json_object()
                   : strcmp(type, "blockdev-snapshot") == 0 ? make_snapshot_args(g)
                                                            : make_sync_args(g);
    return data ? json_pack("{s:s, s:o}", "type", type, "data", data) : NULL;
}

static bool make_transaction(struct rand_gen *g, struct rand_cmd *c)
{
    json_t *actions = json_array();
    for (uint64_t n = rand_below(g, 4); n > 0; n--) {
        json_t *action = make_action(g);
        if (action) {
            json_array_append_new(actions, action);
        }
    }
    c->args = json_pack("{s:o}", "actions", actions);
    if (rand_chance(g, 60)) {
        json_object_set_new(c->args, "properties",
                            json_pack("{s:s}", "completion-mode",
                                      rand_chance(g, 500) ? "grouped" : "individual"));
    }
    return json_array_size(actions) > 0 || rand_chance(g, 50);
}

static void took_transaction(struct rand_gen *g, const struct rand_cmd *c)
{
    const json_t *actions = json_object_get(c->args, "actions");
    for (size_t i = 0; i < json_array_size(actions); i++) {
        if (strcmp(rand_str(json_array_get(actions, i), "type"), "abort") == 0) {
            return;
        }
    }
    for (size_t i = 0; i < json_array_size(actions); i++) {
        const json_t *data = json_object_get(json_array_get(actions, i), "data");
        if (rand_str(data, "overlay")) {
            took_snapshot_args(g, data);
        } else {
            took_sync_args(g, data);
        }
    }
}

/* ---- change-backing-file ---- */

static bool make_backing_file(struct rand_gen *g, struct rand_cmd *c)
{
    const struct rand_node *n = rand_chance(g, 900) ? rand_pick_driver(g, "qcow2", false)
                                                    : rand_pick_node(g, false);
    if (!n) {
        return false;
    }
    const struct rand_node *top = rand_chance(g, 800) ? n : rand_pick_node(g, false);
    const char *file = rand_chance(g, 200) ? "" : g->files[rand_below(g, g->files_len)].name;
    c->args = json_pack("{s:s, s:s, s:s}", "device", top->name, "image-node-name", n->name,
                        "backing-file", rand_chance(g, 100) ? "nope" : file);
    return true;
}

/* ---- x-blockdev-change, block_resize ---- */

static bool make_change(struct rand_gen *g, struct rand_cmd *c)
{
    const struct rand_node *q = rand_chance(g, 950) ? rand_pick_driver(g, "quorum", false)
                                                    : rand_pick_node(g, false);
    if (!q) {
        return false;
    }
    c->args = json_pack("{s:s}", "parent", q->name);
    if (rand_chance(g, 550)) {
        const struct rand_node *n = rand_pick_node(g, true);
        json_object_set_new(c->args, "node", json_string(n->name));
    } else {
        char *child = mem_printf("children.%d", (int)rand_below(g, 4));
        json_object_set_new(c->args, "child", json_string(child));
        free(child);
    }
    return true;
}

static void took_change(struct rand_gen *g, const struct rand_cmd *c)
{
    struct rand_node *q = rand_find_node(g, rand_str(c->args, "parent"));
    json_t *children = q ? json_object_get(q->options, "children") : NULL;
    json_t *node = json_object_get(c->args, "node");
    if (children && node) {
        json_array_append(children, node);
    }
}

static bool make_resize(struct rand_gen *g, struct rand_cmd *c)
{
    static const char sizes[] = "1M 2M 512k 64k 1000 513 4M 100M 0 1025k";
    const struct rand_node *n = rand_pick_node(g, true);
    if (!n) {
        return false;
    }
    c->args = json_pack("{s:s, s:I}", "node-name", n->name, "size",
                        (json_int_t)rand_size(g, sizes));
    return true;
}

const struct rand_kind rand_snapshot_kinds[] = {
    { "blockdev-snapshot", 4, make_snapshot, took_snapshot },
    { "blockdev-snapshot-sync", 3, make_sync, took_sync },
    { "transaction", 2, make_transaction, took_transaction },
    { "change-backing-file", 2, make_backing_file, NULL },
    { "x-blockdev-change", 3, make_change, took_change },
    { "block_resize", 3, make_resize, NULL },
    { 0 },
};
