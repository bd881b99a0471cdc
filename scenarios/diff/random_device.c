/* SPDX-License-Identifier: MIT */
/* Frontends, their media and their limits. */
#include "base/check.h"
#include "base/mem.h"
#include "scenarios/diff/random_private.h"

#include <stdlib.h>
#include <string.h>

static struct rand_device *find_device(const struct rand_gen *g, const char *id)
{
    for (size_t i = 0; id && i < g->devices_len; i++) {
        if (strcmp(g->devices[i].id, id) == 0) {
            return &g->devices[i];
        }
    }
    return NULL;
}

/* removable: most of the time one that is. */
static struct rand_device *pick_device(struct rand_gen *g, bool removable)
{
    struct rand_device *best = NULL;
    uint64_t n = 0;
    bool look = removable && !rand_chance(g, 30);
    for (size_t i = 0; i < g->devices_len; i++) {
        if ((!look || g->devices[i].removable) && rand_below(g, ++n) == 0) {
            best = &g->devices[i];
        }
    }
    return best;
}

/* ---- device_add, device_del ---- */

static const struct {
    const char *name, *values;
    unsigned permille;
} block_props[] = {
    { "share-rw", "on on off", 250 },
    { "werror", "report ignore stop enospc auto", 60 },
    { "rerror", "report ignore stop auto", 60 },
    { "write-cache", "on off auto", 60 },
    { "account-failed", "on off", 20 },
    { "account-invalid", "on off", 20 },
    { "logical_block_size", "512 4096 2048", 30 },
    { "physical_block_size", "512 4096", 30 },
};

static bool make_device(struct rand_gen *g, struct rand_cmd *c)
{
    char *driver = rand_word(g, "scsi-hd scsi-hd scsi-cd scsi-cd virtio-blk-pci");
    const struct rand_node *n = rand_pick_node(g, true);
    bool scsi = strncmp(driver, "scsi", strlen("scsi")) == 0;
    bool cd = strcmp(driver, "scsi-cd") == 0;
    char *id = mem_printf("x%u", g->next_name++);
    c->args = json_pack("{s:s, s:s}", "driver", driver, "id", id);
    free(id);
    free(driver);
    if (g->devices_len > 4) {
        return false;
    }
    if (n && !(cd && rand_chance(g, 300))) {
        json_object_set_new(c->args, "drive", json_string(rand_chance(g, 30) ? "nope" : n->name));
    }
    if (scsi) {
        json_object_set_new(c->args, "bus", json_string("vs0.0"));
    }
    if (scsi && !cd && rand_chance(g, 150)) {
        json_object_set_new(c->args, "removable", json_string("on"));
    }
    for (size_t i = 0; i < ARRAY_LEN(block_props); i++) {
        if (rand_chance(g, block_props[i].permille)) {
            char *value = rand_word(g, block_props[i].values);
            json_object_set_new(c->args, block_props[i].name, json_string(value));
            free(value);
        }
    }
    return true;
}

static void took_device(struct rand_gen *g, const struct rand_cmd *c)
{
    const char *drive = rand_str(c->args, "drive");
    bool cd = strcmp(rand_str(c->args, "driver"), "scsi-cd") == 0;
    struct rand_device d = { .id = mem_strdup(rand_str(c->args, "id")),
                             .driver = cd ? "scsi-cd" : "disk",
                             .drive = drive ? mem_strdup(drive) : NULL,
                             .removable = cd || json_object_get(c->args, "removable"),
                             .began_empty = !drive };
    g->devices = mem_grow(g->devices, g->devices_len, &g->devices_cap, sizeof(*g->devices));
    g->devices[g->devices_len++] = d;
}

static bool make_device_del(struct rand_gen *g, struct rand_cmd *c)
{
    const struct rand_device *d = pick_device(g, false);
    if (!d || (g->devices_len < 3 && rand_chance(g, 700))) {
        return false;
    }
    c->args = json_pack("{s:s}", "id", d->id);
    return true;
}

static void took_device_del(struct rand_gen *g, const struct rand_cmd *c)
{
    struct rand_device *d = find_device(g, rand_str(c->args, "id"));
    if (d) {
        free(d->id);
        free(d->drive);
        memmove(d, d + 1, (size_t)(g->devices + --g->devices_len - d) * sizeof(*d));
    }
}

/* ---- Media ---- */

static bool make_of_device(struct rand_gen *g, struct rand_cmd *c)
{
    const struct rand_device *d = pick_device(g, true);
    if (!d) {
        return false;
    }
    c->args = json_pack("{s:s}", "id", d->id);
    bool opens = strcmp(c->verb, "eject") == 0 || strcmp(c->verb, "blockdev-open-tray") == 0;
    if (opens && rand_chance(g, 100)) {
        json_object_set_new(c->args, "force", json_boolean(rand_chance(g, 500)));
    }
    return true;
}

static void took_empty(struct rand_gen *g, const struct rand_cmd *c)
{
    struct rand_device *d = find_device(g, rand_str(c->args, "id"));
    if (d && d->removable) {
        free(d->drive);
        d->drive = NULL;
    }
}

static bool make_insert(struct rand_gen *g, struct rand_cmd *c)
{
    const struct rand_node *n = rand_pick_node(g, true);
    if (!n || !make_of_device(g, c)) {
        return false;
    }
    json_object_set_new(c->args, "node-name", json_string(n->name));
    return true;
}

static void took_insert(struct rand_gen *g, const struct rand_cmd *c)
{
    struct rand_device *d = find_device(g, rand_str(c->args, "id"));
    if (d && d->removable && !d->drive) {
        d->drive = mem_strdup(rand_str(c->args, "node-name"));
    }
}

static bool make_medium(struct rand_gen *g, struct rand_cmd *c)
{
    bool qcow2 = rand_chance(g, 500);
    const struct rand_file *f = rand_pick_file(g, qcow2, true);
    const struct rand_device *d = pick_device(g, true);
    if (!d || !f) {
        return false;
    }
    c->args = json_pack("{s:s, s:s}", "id", d->id, "filename", f->name);
    if (rand_chance(g, 850)) {
        json_object_set_new(c->args, "format", json_string(qcow2 ? "qcow2" : "raw"));
    }
    if (rand_chance(g, 300)) {
        char *mode = rand_word(g, "retain read-only read-write");
        json_object_set_new(c->args, "read-only-mode", json_string(mode));
        free(mode);
    }
    return true;
}

/* ---- Limits and statistics ---- */

static void add_limit(struct rand_gen *g, json_t *args, const char *what, const char *rates)
{
    static const char *const sides[] = { "", "_rd", "_wr" };
    bool total = rand_chance(g, 500), limited = rand_chance(g, 600);
    for (size_t i = 0; i < ARRAY_LEN(sides); i++) {
        char *key = mem_printf("%s%s", what, sides[i]);
        bool this_one = limited && (i == 0) == total;
        json_object_set_new(args, key, json_integer(this_one ? rand_size(g, rates) : 0));
        if (rand_chance(g, this_one ? 250 : 10)) {
            char *max = mem_printf("%s%s_max", what, sides[i]);
            json_object_set_new(args, max, json_integer(rand_size(g, "1000M 2000M 1G 0")));
            if (rand_chance(g, 300)) {
                char *length = mem_printf("%s_length", max);
                json_object_set_new(args, length, json_integer(rand_size(g, "1 2 10 0")));
                free(length);
            }
            free(max);
        }
        free(key);
    }
}

static bool make_throttle(struct rand_gen *g, struct rand_cmd *c)
{
    const struct rand_device *d = pick_device(g, false);
    if (!d) {
        return false;
    }
    c->args = json_pack("{s:s}", "id", d->id);
    add_limit(g, c->args, "bps", "100M 50M 900M");
    add_limit(g, c->args, "iops", "10000 5000 1M");
    if (rand_chance(g, 100)) {
        json_object_set_new(c->args, "iops_size", json_integer(rand_size(g, "0 4k 1M")));
    }
    if (rand_chance(g, 250)) {
        const char *group = rand_name(g, &g->groups);
        json_object_set_new(c->args, "group",
                            json_string(group && rand_chance(g, 600) ? group : "other"));
    }
    return true;
}

static json_t *make_boundaries(struct rand_gen *g)
{
    json_t *list = json_array();
    json_int_t at = 0;
    for (uint64_t n = 1 + rand_below(g, 3); n > 0; n--) {
        at += 1 + (json_int_t)rand_below(g, 1000000);
        json_array_append_new(list, json_integer(at));
    }
    return list;
}

static bool make_histogram(struct rand_gen *g, struct rand_cmd *c)
{
    static const char *const members[] = { "boundaries", "boundaries-read", "boundaries-write",
                                           "boundaries-flush" };
    const struct rand_device *d = pick_device(g, false);
    if (!d) {
        return false;
    }
    c->args = json_pack("{s:s}", "id", d->id);
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        if (rand_chance(g, 300)) {
            json_object_set_new(c->args, members[i], make_boundaries(g));
        }
    }
    return true;
}

const struct rand_kind rand_device_kinds[] = {
    { "device_add", 5, make_device, took_device },
    { "device_del", 2, make_device_del, took_device_del },
    { "blockdev-open-tray", 2, make_of_device, NULL },
    { "blockdev-close-tray", 2, make_of_device, NULL },
    { "blockdev-remove-medium", 2, make_of_device, took_empty },
    { "blockdev-insert-medium", 2, make_insert, took_insert },
    { "blockdev-change-medium", 2, make_medium, took_empty },
    { "eject", 1, make_of_device, took_empty },
    { "block_set_io_throttle", 2, make_throttle, NULL },
    { "block-latency-histogram-set", 1, make_histogram, NULL },
    { 0 },
};
