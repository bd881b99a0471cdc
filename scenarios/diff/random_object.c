/* SPDX-License-Identifier: MIT */
/* Objects, iothreads, exports and fd sets. */
#include "base/check.h"
#include "base/mem.h"
#include "scenarios/diff/random_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- object-add, object-del, qom-set ---- */

/* One of two limits, with one of the sizes. */
static void put_limit(struct rand_gen *g, json_t *limits, const char *one, const char *other,
                      const char *sizes)
{
    const char *name = rand_chance(g, 500) ? one : other; /* Drawn first, whatever the compiler. */
    json_object_set_new(limits, name, json_integer(rand_size(g, sizes)));
}

/* Limits that do not contradict each other, mostly. */
static json_t *make_limits(struct rand_gen *g)
{
    json_t *limits = json_object();
    if (rand_chance(g, 600)) {
        put_limit(g, limits, "iops-total", "iops-read", "10000 5000 1M");
    }
    if (rand_chance(g, 600)) {
        put_limit(g, limits, "bps-total", "bps-write", "100M 50M 900M");
    }
    if (json_object_get(limits, "bps-total") && rand_chance(g, 300)) {
        json_object_set_new(limits, "bps-total-max", json_integer(1 << 30));
        if (rand_chance(g, 300)) {
            json_object_set_new(limits, "bps-total-max-length", json_integer(2));
        }
    }
    if (rand_chance(g, 50)) {
        put_limit(g, limits, "bps-read", "iops-size", "60M 50M");
    }
    return limits;
}

static bool make_object(struct rand_gen *g, struct rand_cmd *c)
{
    bool group = rand_chance(g, 600), known;
    struct rand_names *names = group ? &g->groups : &g->iothreads;
    const struct schema_type *type = layer_command_schema(c->verb, &known);
    char *id = mem_printf("%s%u", group ? "g" : "t", g->next_name++);
    if (names->len > 3) {
        free(id);
        return false;
    }
    c->args = json_pack("{s:s, s:s}", "qom-type", group ? "throttle-group" : "iothread", "id",
                        names->len > 0 && rand_chance(g, 30) ? rand_name(g, names) : id);
    free(id);
    if (group && rand_chance(g, 700)) {
        json_object_set_new(c->args, "limits", make_limits(g));
    } else if (!group) {
        rand_members(g, "iothread", type->branch(g->drivers, "iothread"), NULL, c->args);
    }
    return true;
}

static void took_object(struct rand_gen *g, const struct rand_cmd *c)
{
    bool group = strcmp(rand_str(c->args, "qom-type"), "throttle-group") == 0;
    struct rand_names *names = group ? &g->groups : &g->iothreads;
    g->iothreads_made += !group;
    rand_names_drop(names, rand_str(c->args, "id"));
    rand_names_add(names, rand_str(c->args, "id"));
}

static bool group_is_used(const struct rand_gen *g, const char *name)
{
    for (size_t i = 0; i < g->nodes_len; i++) {
        const char *group = rand_str(g->nodes[i].options, "throttle-group");
        if (group && strcmp(group, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool make_object_del(struct rand_gen *g, struct rand_cmd *c)
{
    const char *name = rand_name(g, rand_chance(g, 700) ? &g->groups : &g->iothreads);
    if (!name || (group_is_used(g, name) && rand_chance(g, 700))) {
        return false;
    }
    c->args = json_pack("{s:s}", "id", name);
    return true;
}

static void took_object_del(struct rand_gen *g, const struct rand_cmd *c)
{
    const char *id = rand_str(c->args, "id");
    if (!group_is_used(g, id)) {
        rand_names_drop(&g->groups, id);
        rand_names_drop(&g->iothreads, id);
    }
}

static bool make_qom_set(struct rand_gen *g, struct rand_cmd *c)
{
    static const char properties[] = "poll-max-ns poll-grow poll-shrink aio-max-batch";
    bool group = rand_chance(g, 700);
    const char *name = rand_name(g, group ? &g->groups : &g->iothreads);
    if (!name) {
        return false;
    }
    char *property = group ? mem_strdup("limits") : rand_word(g, properties);
    char *path = mem_printf("%s%s", rand_chance(g, 500) ? "/objects/" : "", name);
    c->args = json_pack("{s:s, s:s, s:o}", "path", path, "property", property, "value",
                        group ? make_limits(g) : json_integer(rand_size(g, "0 1 1000 32768 -1")));
    free(property);
    free(path);
    return true;
}

static bool make_qom_get(struct rand_gen *g, struct rand_cmd *c)
{
    const char *name = rand_name(g, &g->groups);
    if (!name) {
        return false;
    }
    char *path = mem_printf("/objects/%s", name);
    c->args = json_pack("{s:s, s:s}", "path", path, "property",
                        rand_chance(g, 700) ? "limits" : "x-iops-total");
    free(path);
    return true;
}

/* ---- x-blockdev-set-iothread ---- */

static bool make_set_iothread(struct rand_gen *g, struct rand_cmd *c)
{
    const struct rand_node *n = rand_pick_node(g, true);
    const char *thread = rand_name(g, &g->iothreads);
    if (!n || !thread) {
        return false;
    }
    c->args = json_pack("{s:s, s:o}", "node-name", n->name, "iothread",
                        rand_chance(g, 400) ? json_null() : json_string(thread));
    if (rand_chance(g, 200)) {
        json_object_set_new(c->args, "force", json_true());
    }
    return true;
}

static void took_set_iothread(struct rand_gen *g, const struct rand_cmd *c)
{
    rand_note_thread(g, rand_str(c->args, "node-name"), rand_str(c->args, "iothread") != NULL);
}

/* ---- Exports ---- */

static bool make_server(struct rand_gen *g, struct rand_cmd *c)
{
    (void)g;
    c->args = json_pack("{s:{s:s, s:{s:s}}}", "addr", "type", "unix", "data", "path", "nbd.sock");
    return true;
}

static void took_server(struct rand_gen *g, const struct rand_cmd *c)
{
    (void)c;
    g->nbd = true;
}

static bool make_server_stop(struct rand_gen *g, struct rand_cmd *c)
{
    c->args = json_object();
    return g->nbd || rand_chance(g, 50);
}

static void took_server_stop(struct rand_gen *g, const struct rand_cmd *c)
{
    (void)c;
    g->nbd = false;
    while (g->exports.len > 0) {
        rand_names_drop(&g->exports, g->exports.at[0]);
    }
}

static bool make_export(struct rand_gen *g, struct rand_cmd *c)
{
    const struct rand_node *n = rand_pick_node(g, true);
    if (!n || (!g->nbd && !rand_chance(g, 50))) {
        return false;
    }
    char *id = mem_printf("e%u", g->next_name++);
    c->args = json_pack("{s:s, s:s, s:s}", "type", "nbd", "id", id, "node-name", n->name);
    free(id);
    if (rand_chance(g, 400) && !rand_node_is_ro(g, n->name)) {
        json_object_set_new(c->args, "writable", json_true());
    }
    if (rand_chance(g, 100)) {
        json_object_set_new(c->args, "writethrough", json_boolean(rand_chance(g, 500)));
    }
    if (rand_chance(g, 300)) {
        json_object_set_new(c->args, "name", json_string(rand_chance(g, 500) ? "e" : "f"));
    }
    if (rand_chance(g, 150) && g->iothreads.len > 0) {
        json_object_set_new(c->args, "iothread", json_string(rand_name(g, &g->iothreads)));
        if (rand_chance(g, 400)) {
            json_object_set_new(c->args, "fixed-iothread", json_boolean(rand_chance(g, 500)));
        }
    }
    return true;
}

static void took_export(struct rand_gen *g, const struct rand_cmd *c)
{
    rand_names_add(&g->exports, rand_str(c->args, "id"));
    if (rand_str(c->args, "iothread")) {
        rand_note_thread(g, rand_str(c->args, "node-name"), true);
    }
}

static bool make_export_del(struct rand_gen *g, struct rand_cmd *c)
{
    const char *id = rand_name(g, &g->exports);
    if (!id) {
        return false;
    }
    c->args = json_pack("{s:s}", "id", id);
    if (rand_chance(g, 200)) {
        json_object_set_new(c->args, "mode", json_string(rand_chance(g, 500) ? "safe" : "hard"));
    }
    return true;
}

static void took_export_del(struct rand_gen *g, const struct rand_cmd *c)
{
    rand_names_drop(&g->exports, rand_str(c->args, "id"));
}

/* ---- fd sets ---- */

static bool make_add_fd(struct rand_gen *g, struct rand_cmd *c)
{
    const struct rand_file *f = &g->files[rand_below(g, g->world_files)]; /* It is there. */
    int64_t id = (int64_t)rand_below(g, 3);
    c->args = json_pack("{s:I}", "fdset-id", (json_int_t)id);
    if (rand_chance(g, 200)) {
        json_object_set_new(c->args, "opaque", json_string("any"));
    }
    strbuf_printf(&c->prop, "@fd(%s %s)", f->name, rand_chance(g, 700) ? "rw" : "ro");
    return true;
}

static void took_add_fd(struct rand_gen *g, const struct rand_cmd *c)
{
    char *name = mem_printf("/dev/fdset/%" JSON_INTEGER_FORMAT,
                            json_integer_value(json_object_get(c->args, "fdset-id")));
    rand_names_drop(&g->fdsets, name);
    rand_names_add(&g->fdsets, name);
    free(name);
}

static bool make_remove_fd(struct rand_gen *g, struct rand_cmd *c)
{
    const char *name = rand_name(g, &g->fdsets);
    uint64_t id = 0;
    if (!name) {
        return false;
    }
    int ret = text_parse_u64(strrchr(name, '/') + 1, &id);
    CHECK(ret == 0);
    c->args = json_pack("{s:I}", "fdset-id", (json_int_t)id);
    return true;
}

static void took_remove_fd(struct rand_gen *g, const struct rand_cmd *c)
{
    char *name = mem_printf("/dev/fdset/%" JSON_INTEGER_FORMAT,
                            json_integer_value(json_object_get(c->args, "fdset-id")));
    rand_names_drop(&g->fdsets, name);
    free(name);
}

const struct rand_kind rand_object_kinds[] = {
    { "object-add", 3, make_object, took_object },
    { "object-del", 1, make_object_del, took_object_del },
    { "qom-set", 1, make_qom_set, NULL },
    { "qom-get", 1, make_qom_get, NULL },
    { "x-blockdev-set-iothread", 1, make_set_iothread, took_set_iothread },
    { "nbd-server-start", 1, make_server, took_server },
    { "nbd-server-stop", 1, make_server_stop, took_server_stop },
    { "block-export-add", 2, make_export, took_export },
    { "block-export-del", 1, make_export_del, took_export_del },
    { "add-fd", 1, make_add_fd, took_add_fd },
    { "remove-fd", 1, make_remove_fd, took_remove_fd },
    { 0 },
};
