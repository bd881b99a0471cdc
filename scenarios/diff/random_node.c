/* SPDX-License-Identifier: MIT */
/* Nodes: made, deleted, reopened, resized; and what the generator remembers of them. */
#include "base/check.h"
#include "base/mem.h"
#include "scenarios/diff/random_private.h"

#include <stdlib.h>
#include <string.h>

static json_t *make_tree(struct rand_gen *g, const char *driver, int depth);

/* ---- What is remembered ---- */

const char *rand_str(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

struct rand_node *rand_find_node(const struct rand_gen *g, const char *name)
{
    for (size_t i = 0; name && i < g->nodes_len; i++) {
        if (strcmp(g->nodes[i].name, name) == 0) {
            return &g->nodes[i];
        }
    }
    return NULL;
}

bool rand_is_child(const struct schema_type *type)
{
    if (type->kind == SCHEMA_ARRAY) {
        return rand_is_child(type->element);
    }
    return type == &schema_blockdev_ref || type == &schema_blockdev_ref_or_null;
}

/* The option table of what options describe, or NULL. */
static const struct schema_member *members_of(const struct rand_gen *g, const json_t *options)
{
    const char *driver = rand_str(options, "driver");
    return driver ? schema_blockdev_options.branch(g->drivers, driver) : NULL;
}

/* Calls fn for each child of options, its name or its options; fn may return a new value that
 * takes its place, or NULL. */
static void each_child(const struct rand_gen *g, json_t *options,
                       json_t *(*fn)(void *opaque, json_t *ref), void *opaque)
{
    for (const struct schema_member *m = members_of(g, options); m && m->name; m++) {
        json_t *value = rand_is_child(m->type) ? json_object_get(options, m->name) : NULL;
        if (m->type->kind == SCHEMA_ARRAY && value) {
            for (size_t i = 0; i < json_array_size(value); i++) {
                json_t *other = fn(opaque, json_array_get(value, i));
                if (other) {
                    json_array_set_new(value, i, other);
                }
            }
        } else if (value) {
            json_t *other = fn(opaque, value);
            if (other) {
                json_object_set_new(options, m->name, other);
            }
        }
    }
}

struct seek {
    const struct rand_gen *g;
    const char *name, *to;
    size_t found;
    int depth;
};

static json_t *seek_name(void *opaque, json_t *ref)
{
    struct seek *s = opaque;
    const char *name = json_string_value(ref);
    if (name && strcmp(name, s->name) == 0) {
        s->found++;
        return s->to ? json_string(s->to) : NULL;
    }
    if (json_is_object(ref) && s->depth < 16) {
        s->depth++;
        each_child(s->g, ref, seek_name, s);
        s->depth--;
    }
    return NULL;
}

size_t rand_node_users(const struct rand_gen *g, const char *name)
{
    struct seek s = { .g = g, .name = name };
    for (size_t i = 0; i < g->nodes_len; i++) {
        each_child(g, g->nodes[i].options, seek_name, &s);
    }
    for (size_t i = 0; i < g->devices_len; i++) {
        s.found += g->devices[i].drive && strcmp(g->devices[i].drive, name) == 0;
    }
    return s.found;
}

void rand_move_users(struct rand_gen *g, const char *from, const char *to)
{
    struct seek s = { .g = g, .name = from, .to = to };
    for (size_t i = 0; i < g->nodes_len; i++) {
        if (strcmp(g->nodes[i].name, to) != 0) {
            each_child(g, g->nodes[i].options, seek_name, &s);
        }
    }
    for (size_t i = 0; i < g->devices_len; i++) {
        if (g->devices[i].drive && strcmp(g->devices[i].drive, from) == 0) {
            free(g->devices[i].drive);
            g->devices[i].drive = mem_strdup(to);
        }
    }
}

static json_t *note_child(void *opaque, json_t *ref)
{
    const char *name = json_is_object(ref) ? rand_str(ref, "node-name") : NULL;
    if (!json_is_object(ref)) {
        return NULL;
    }
    if (!name) {
        each_child(opaque, ref, note_child, opaque);
        return NULL;
    }
    rand_note_tree(opaque, ref, false);
    return json_string(name);
}

void rand_note_tree(struct rand_gen *g, const json_t *options, bool owned)
{
    struct rand_node n = { .owned = owned, .options = json_deep_copy(options) };
    const char *name = rand_str(n.options, "node-name");
    each_child(g, n.options, note_child, g);
    if (!name || rand_find_node(g, name)) {
        json_decref(n.options);
        return;
    }
    n.name = mem_strdup(name);
    g->nodes = mem_grow(g->nodes, g->nodes_len, &g->nodes_cap, sizeof(*g->nodes));
    g->nodes[g->nodes_len++] = n;
}

void rand_forget_node(struct rand_gen *g, const char *name)
{
    struct rand_node *n = rand_find_node(g, name);
    if (n) {
        free(n->name);
        json_decref(n->options);
        memmove(n, n + 1, (size_t)(g->nodes + --g->nodes_len - n) * sizeof(*n));
    }
}

/* ---- Iothreads ---- */

static json_t *note_thread(void *opaque, json_t *ref)
{
    const struct seek *s = opaque;
    const char *name = json_string_value(ref);
    if (name) {
        rand_note_thread((struct rand_gen *)(uintptr_t)s->g, name, s->found > 0);
    } else if (json_is_object(ref)) {
        each_child(s->g, ref, note_thread, opaque);
    }
    return NULL;
}

static bool is_threaded(const struct rand_gen *g, const char *name)
{
    for (size_t i = 0; i < g->threaded.len; i++) {
        if (strcmp(g->threaded.at[i], name) == 0) {
            return true;
        }
    }
    return false;
}

void rand_note_thread(struct rand_gen *g, const char *name, bool away)
{
    struct rand_node *n = rand_find_node(g, name);
    struct seek down = { .g = g, .found = away };
    if (!n || is_threaded(g, name) == away) {
        return;
    }
    if (away) {
        rand_names_add(&g->threaded, name);
    } else {
        rand_names_drop(&g->threaded, name);
    }
    each_child(g, n->options, note_thread, &down);
    for (size_t i = 0; i < g->nodes_len; i++) {
        struct seek up = { .g = g, .name = name };
        each_child(g, g->nodes[i].options, seek_name, &up);
        if (up.found > 0) {
            rand_note_thread(g, g->nodes[i].name, away);
        }
    }
}

/* ---- What it knows of them ---- */

struct rand_file *rand_find_file(const struct rand_gen *g, const char *name)
{
    for (size_t i = 0; name && i < g->files_len; i++) {
        if (strcmp(g->files[i].name, name) == 0) {
            return &g->files[i];
        }
    }
    return NULL;
}

void rand_add_file(struct rand_gen *g, const char *name, bool qcow2, int64_t size,
                   const char *backing)
{
    g->files = mem_grow(g->files, g->files_len, &g->files_cap, sizeof(*g->files));
    g->files[g->files_len++] = (struct rand_file){ .name = mem_strdup(name), .qcow2 = qcow2,
                                                   .size = size,
                                                   .backing = backing ? mem_strdup(backing)
                                                                      : NULL };
}

/* The options behind a reference, or NULL. */
static const json_t *resolve(const struct rand_gen *g, const json_t *ref)
{
    const struct rand_node *n = rand_find_node(g, json_string_value(ref));
    return json_is_object(ref) ? ref : n ? n->options : NULL;
}

/* The first child, where the data are. */
static const json_t *main_child(const struct rand_gen *g, const json_t *options)
{
    for (const struct schema_member *m = members_of(g, options); m && m->name; m++) {
        const json_t *value = rand_is_child(m->type) ? json_object_get(options, m->name) : NULL;
        if (value) {
            return json_is_array(value) ? json_array_get(value, 0) : value;
        }
    }
    return NULL;
}

/* The file at the bottom of nodes that change nothing. */
static struct rand_file *file_of(const struct rand_gen *g, const json_t *ref, int depth)
{
    const json_t *options = resolve(g, ref);
    const char *filename = rand_str(options, "filename");
    if (!options || depth > 16 || strcmp(rand_str(options, "driver"), "qcow2") == 0 ||
        json_object_get(options, "offset")) {
        return NULL;
    }
    return filename ? rand_find_file(g, filename) : file_of(g, main_child(g, options), depth + 1);
}

int64_t rand_ref_size(const struct rand_gen *g, const json_t *ref, int depth)
{
    const json_t *options = resolve(g, ref);
    const char *driver = rand_str(options, "driver");
    const json_t *size = json_object_get(options, "size");
    if (!driver || depth > 16) {
        return 0;
    }
    if (json_is_integer(size)) {
        return json_integer_value(size);
    }
    if (strncmp(driver, "null-", strlen("null-")) == 0) {
        return 1 << 30;
    }
    if (strcmp(driver, "qcow2") == 0) {
        const struct rand_file *f = file_of(g, json_object_get(options, "file"), 0);
        return f ? f->size : 0;
    }
    if (rand_str(options, "filename")) {
        const struct rand_file *f = rand_find_file(g, rand_str(options, "filename"));
        return !f ? 0 : f->qcow2 ? 192 << 10 : f->size;
    }
    int64_t below = rand_ref_size(g, main_child(g, options), depth + 1);
    return MAX(0, below - json_integer_value(json_object_get(options, "offset")));
}

int64_t rand_node_size(const struct rand_gen *g, const char *name)
{
    const struct rand_node *n = rand_find_node(g, name);
    return n ? rand_ref_size(g, n->options, 0) : 0;
}

bool rand_node_is_ro(const struct rand_gen *g, const char *name)
{
    const struct rand_node *n = rand_find_node(g, name);
    return n && json_is_true(json_object_get(n->options, "read-only"));
}

struct tree_seek {
    const struct rand_gen *g;
    const char *what;
    bool found;
    int depth;
    size_t met; /* Diamonds are walked once for each way. */
};

static json_t *seek_driver(void *opaque, json_t *ref)
{
    struct tree_seek *s = opaque;
    const json_t *options = resolve(s->g, ref);
    const char *driver = rand_str(options, "driver"), *file = rand_str(options, "filename");
    s->found = s->found || (driver && strcmp(driver, s->what) == 0) ||
               (file && strcmp(file, s->what) == 0);
    if (options && !s->found && s->depth < 16 && s->met++ < RAND_WALK_MAX) {
        json_t *copy = json_deep_copy(options);
        s->depth++;
        each_child(s->g, copy, seek_driver, s);
        s->depth--;
        json_decref(copy);
    }
    return NULL;
}

bool rand_tree_has(const struct rand_gen *g, const json_t *ref, const char *what, int depth)
{
    struct tree_seek s = { .g = g, .what = what, .depth = depth };
    json_t *copy = json_deep_copy(ref);
    seek_driver(&s, copy);
    json_decref(copy);
    return s.found;
}

struct walk {
    const struct rand_gen *g;
    struct rand_names seen;
    size_t met;
};

static json_t *walk_node(void *opaque, json_t *ref)
{
    struct walk *w = opaque;
    const json_t *options = resolve(w->g, ref);
    const char *name = json_is_string(ref) ? json_string_value(ref) : rand_str(ref, "node-name");
    if (!options || w->met >= RAND_WALK_MAX) {
        return NULL;
    }
    w->met++;
    bool seen = false;
    for (size_t i = 0; name && i < w->seen.len; i++) {
        seen = seen || strcmp(w->seen.at[i], name) == 0;
    }
    if (!seen) {
        rand_names_add(&w->seen, name ? name : "");
    }
    json_t *copy = json_deep_copy(options);
    each_child(w->g, copy, walk_node, w);
    json_decref(copy);
    return NULL;
}

size_t rand_tree_walk(const struct rand_gen *g, const json_t *ref, size_t *distinct)
{
    struct walk w = { .g = g };
    json_t *copy = json_deep_copy(ref);
    walk_node(&w, copy);
    json_decref(copy);
    *distinct = w.seen.len;
    rand_names_free(&w.seen);
    return w.met;
}

/* ---- Picking ---- */

static struct rand_node *pick_where(struct rand_gen *g, bool free,
                                    bool (*fits)(const struct rand_gen *g,
                                                 const struct rand_node *n, const void *opaque),
                                    const void *opaque)
{
    struct rand_node *best = NULL;
    uint64_t n = 0;
    bool look = free && !rand_chance(g, g->any_permille);
    for (int pass = 0; pass < 2 && !best; pass++) {
        for (size_t i = 0; i < g->nodes_len; i++) {
            struct rand_node *at = &g->nodes[i];
            bool ok = (!fits || fits(g, at, opaque)) &&
                      (!look || pass > 0 || rand_node_users(g, at->name) == 0);
            if (ok && rand_below(g, ++n) == 0) {
                best = at;
            }
        }
    }
    return best;
}

struct rand_node *rand_pick_node(struct rand_gen *g, bool free)
{
    return pick_where(g, free, NULL, NULL);
}

static bool is_driver(const struct rand_gen *g, const struct rand_node *n, const void *driver)
{
    (void)g;
    return strcmp(rand_str(n->options, "driver"), driver) == 0;
}

struct rand_node *rand_pick_driver(struct rand_gen *g, const char *driver, bool free)
{
    return pick_where(g, free, is_driver, driver);
}

static bool file_is_used(const struct rand_gen *g, const char *name)
{
    for (size_t i = 0; i < g->nodes_len; i++) {
        char *text = json_dumps(g->nodes[i].options, 0);
        char *quoted = mem_printf("\"%s\"", name);
        bool used = strstr(text, quoted) != NULL;
        free(quoted);
        free(text);
        if (used) {
            return true;
        }
    }
    return false;
}

struct rand_file *rand_pick_file(struct rand_gen *g, bool qcow2, bool free)
{
    struct rand_file *best = NULL;
    uint64_t n = 0;
    bool look = free && !rand_chance(g, g->any_permille / 10);
    for (int pass = 0; pass < 2 && !best; pass++) {
        for (size_t i = 0; i < g->world_files; i++) { /* Names of others are in their headers. */
            struct rand_file *f = &g->files[i];
            if (f->qcow2 == qcow2 && (!look || pass > 0 || !file_is_used(g, f->name)) &&
                rand_below(g, ++n) == 0) {
                best = f;
            }
        }
    }
    return best;
}

void rand_fresh_node_name(struct rand_gen *g, json_t *object, const char *key)
{
    char *name = mem_printf("n%u", g->next_node++);
    json_object_set_new(object, key, json_string(name));
    free(name);
}

/* ---- Trees ---- */

static bool holds_qcow2(const struct rand_gen *g, const struct rand_node *n, const void *opaque)
{
    json_t *ref = json_string(n->name);
    const struct rand_file *f = file_of(g, ref, 0);
    (void)opaque;
    json_decref(ref);
    return f && f->qcow2;
}

/* A node of the case, or options of a new one; never NULL. */
static json_t *make_child(struct rand_gen *g, const char *parent, int depth)
{
    bool image = strcmp(parent, "qcow2") == 0, inner = depth < RAND_DEPTH;
    bool compress = strcmp(parent, "compress") == 0;
    struct rand_node *n = image ? pick_where(g, true, holds_qcow2, NULL)
                          : compress ? rand_pick_driver(g, "qcow2", true)
                                     : rand_pick_node(g, true);
    if (image && (!n || rand_chance(g, 600))) {
        return make_tree(g, "file", RAND_DEPTH + 1);
    }
    if (n && (!inner || rand_chance(g, 500 + 200 * (unsigned)depth))) {
        return json_string(n->name);
    }
    return make_tree(g, compress ? "qcow2" : inner ? NULL : "null-co", depth + 1);
}

static json_t *make_backing(struct rand_gen *g, int depth)
{
    return rand_chance(g, 600) ? json_null() : make_child(g, "backing", depth);
}

static json_t *make_children(struct rand_gen *g, int depth)
{
    json_t *list = json_array();
    for (uint64_t n = 1 + rand_below(g, 3); n > 0; n--) {
        json_t *child = make_child(g, "quorum", depth), *first = json_array_get(list, 0);
        int64_t size = first ? rand_ref_size(g, first, 0) : 0;
        if (first && rand_ref_size(g, child, 0) != size && rand_chance(g, 950)) {
            json_decref(child);
            child = json_pack("{s:s, s:I, s:b}", "driver", "null-co", "size", (json_int_t)size,
                              "read-zeroes", 1);
            rand_fresh_node_name(g, child, "node-name");
        }
        json_array_append_new(list, child);
    }
    return list;
}

static void add_children(struct rand_gen *g, const char *driver, json_t *options, int depth)
{
    for (const struct schema_member *m = schema_blockdev_options.branch(g->drivers, driver);
         m && m->name; m++) {
        bool wanted = !(m->flags & MEMBER_OPTIONAL);
        if (m->type->kind == SCHEMA_ARRAY && rand_is_child(m->type)) {
            json_object_set_new(options, m->name, make_children(g, depth));
        } else if (m->type == &schema_blockdev_ref_or_null) {
            if (rand_chance(g, 700)) {
                json_object_set_new(options, m->name, make_backing(g, depth));
            }
        } else if (rand_is_child(m->type) && (wanted || rand_chance(g, 5))) {
            json_object_set_new(options, m->name, make_child(g, driver, depth));
        }
    }
}

/* What the types do not say about a driver's options. */
static void fix_driver(struct rand_gen *g, const char *driver, json_t *options)
{
    const char *zeroes = rand_str(options, "detect-zeroes");
    if (zeroes && strcmp(zeroes, "unmap") == 0 && rand_chance(g, 900)) {
        json_object_set_new(options, "discard", json_string("unmap"));
    }
    if (strncmp(driver, "null-", strlen("null-")) == 0) {
        json_object_set_new(options, "read-zeroes", json_true());
    } else if (strcmp(driver, "quorum") == 0) {
        size_t n = json_array_size(json_object_get(options, "children"));
        json_object_set_new(options, "vote-threshold",
                            json_integer(1 + (json_int_t)rand_below(g, MAX(n, 1))));
    } else if (strcmp(driver, "throttle") == 0) {
        const char *group = rand_name(g, &g->groups);
        json_object_set_new(options, "throttle-group", json_string(group ? group : "nope"));
    } else if (strcmp(driver, "copy-on-read") == 0 && json_object_get(options, "bottom")) {
        struct rand_node *n = rand_pick_node(g, false);
        json_object_set_new(options, "bottom", json_string(n ? n->name : "nope"));
    }
}

static const char *pick_filename(struct rand_gen *g, int depth)
{
    const char *set = rand_name(g, &g->fdsets);
    bool image = depth > RAND_DEPTH || rand_chance(g, 40);
    struct rand_file *f = rand_pick_file(g, image, true);
    if (set && depth <= RAND_DEPTH && rand_chance(g, 150)) {
        return set;
    }
    return f ? f->name : "nope";
}

static json_t *seek_ro(void *opaque, json_t *ref)
{
    struct tree_seek *s = opaque;
    const json_t *options = resolve(s->g, ref);
    for (int depth = 0; options && depth < 16; depth++) {
        s->found = s->found || json_is_true(json_object_get(options, "read-only"));
        options = resolve(s->g, main_child(s->g, options));
    }
    return NULL;
}

static void fix_read_only(struct rand_gen *g, json_t *options)
{
    struct tree_seek s = { .g = g };
    each_child(g, options, seek_ro, &s);
    if (s.found && strcmp(rand_str(options, "driver"), "copy-on-read") == 0 &&
        rand_chance(g, 950)) { /* It must be able to write. */
        json_object_set_new(options, "driver", json_string("raw"));
        json_object_del(options, "bottom");
    }
    if ((s.found || json_is_true(json_object_get(options, "force-share"))) &&
        rand_chance(g, 950)) {
        json_object_set_new(options, "read-only", json_true());
    }
}

static const char *pick_driver(struct rand_gen *g)
{
    const struct schema_type *type = schema_blockdev_options.members[0].type;
    const char *name = "null-co";
    uint64_t sum = 0;
    for (size_t i = 0; schema_enum_value(g->drivers, type, i); i++) {
        sum += g->driver_weight[i];
        if (sum > 0 && rand_below(g, sum) < g->driver_weight[i]) {
            name = schema_enum_value(g->drivers, type, i);
        }
    }
    return strcmp(name, "throttle") != 0 || g->groups.len > 0 || rand_chance(g, 100) ? name : "raw";
}

static json_t *make_tree(struct rand_gen *g, const char *driver, int depth)
{
    static const char *const skip[] = { "driver", "node-name", "filename", NULL };
    json_t *options = json_object();
    if (!driver) {
        driver = pick_driver(g);
    }
    json_object_set_new(options, "driver", json_string(driver));
    if (depth == 0 || rand_chance(g, 750)) {
        rand_fresh_node_name(g, options, "node-name");
    }
    if (strcmp(driver, "file") == 0) {
        json_object_set_new(options, "filename", json_string(pick_filename(g, depth)));
    }
    add_children(g, driver, options, depth);
    for (const struct schema_member *m = schema_blockdev_options.branch(g->drivers, driver);
         m && m->name; m++) {
        const struct schema_member one[2] = { *m };
        if (!rand_is_child(m->type)) {
            rand_members(g, driver, one, skip, options);
        }
    }
    rand_members(g, driver, schema_blockdev_options.members, skip, options);
    fix_driver(g, driver, options);
    fix_read_only(g, options);
    return options;
}

/* ---- blockdev-add, blockdev-del ---- */

static bool make_add(struct rand_gen *g, struct rand_cmd *c)
{
    if (g->nodes_len >= RAND_NODES_SOFT && !rand_chance(g, 150)) {
        return false;
    }
    c->args = make_tree(g, NULL, 0);
    if (rand_chance(g, 15) && g->nodes_len > 0) {
        json_object_set_new(c->args, "node-name", json_string(rand_pick_node(g, false)->name));
    }
    return true;
}

static void took_add(struct rand_gen *g, const struct rand_cmd *c)
{
    rand_note_tree(g, c->args, true);
}

/* Nodes that lose their last user go, unless the monitor keeps them. */
static void collect_unused(struct rand_gen *g)
{
    for (size_t i = 0; i < g->nodes_len; i++) {
        if (!g->nodes[i].owned && rand_node_users(g, g->nodes[i].name) == 0) {
            rand_forget_node(g, g->nodes[i].name);
            i = (size_t)-1;
        }
    }
}

static bool is_owned(const struct rand_gen *g, const struct rand_node *n, const void *opaque)
{
    (void)g;
    (void)opaque;
    return n->owned;
}

static bool make_del(struct rand_gen *g, struct rand_cmd *c)
{
    struct rand_node *n = rand_chance(g, g->any_permille) ? rand_pick_node(g, false)
                                                         : pick_where(g, true, is_owned, NULL);
    if (!n || (g->nodes_len < RAND_NODES_SOFT / 2 && rand_chance(g, 800))) {
        return false;
    }
    c->args = json_pack("{s:s}", "node-name", n->name);
    return true;
}

static void took_del(struct rand_gen *g, const struct rand_cmd *c)
{
    const char *name = rand_str(c->args, "node-name");
    struct rand_node *n = rand_find_node(g, name);
    if (n && n->owned && rand_node_users(g, name) == 0) {
        rand_forget_node(g, name);
        collect_unused(g);
    }
}

/* ---- blockdev-reopen ---- */

static void change_option(struct rand_gen *g, const char *driver, const struct schema_member *m,
                          json_t *options, bool *refused)
{
    bool there = json_object_get(options, m->name) != NULL;
    bool may = m->flags & MEMBER_MUTABLE;
    unsigned willing = may ? 250 : 5;
    json_t *was = json_incref(json_object_get(options, m->name));
    bool several = m->type->kind == SCHEMA_ARRAY || m->type->kind == SCHEMA_STRUCT;
    if (strcmp(m->name, "driver") == 0 || strcmp(m->name, "node-name") == 0 ||
        strcmp(m->name, "force-share") == 0 || (!may && (*refused || several))) {
        json_decref(was);
        return;
    }
    if (rand_is_child(m->type)) {
        if (m->type->kind != SCHEMA_ARRAY && rand_chance(g, m->flags & MEMBER_MUTABLE ? 120 : 20)) {
            const struct rand_node *n = rand_pick_node(g, true);
            bool none = m->type == &schema_blockdev_ref_or_null && rand_chance(g, 500);
            json_object_set_new(options, m->name, none ? json_null() : json_string(n->name));
        }
    } else if (there && rand_chance(g, willing)) {
        if (rand_chance(g, 400)) {
            json_object_del(options, m->name);
        } else {
            json_object_set_new(options, m->name, rand_value(g, driver, m));
        }
    } else if (!there && rand_chance(g, willing * rand_willing(g, driver, m) / 500)) {
        json_object_set_new(options, m->name, rand_value(g, driver, m));
    }
    *refused = *refused || (!may && json_object_get(options, m->name) != was);
    json_decref(was);
}

static json_t *reopen_options(struct rand_gen *g, const struct rand_node *n, bool *refused)
{
    json_t *options = json_deep_copy(n->options);
    const char *driver = rand_str(n->options, "driver");
    for (const struct schema_member *m = schema_blockdev_options.members; m->name; m++) {
        change_option(g, driver, m, options, refused);
    }
    for (const struct schema_member *m = schema_blockdev_options.branch(g->drivers, driver);
         m && m->name; m++) {
        change_option(g, driver, m, options, refused);
    }
    fix_read_only(g, options);
    return options;
}

static bool make_reopen(struct rand_gen *g, struct rand_cmd *c)
{
    json_t *list = json_array();
    uint64_t wanted = rand_chance(g, 700) ? 1 : 2 + rand_below(g, 2);
    for (size_t i = 0; i < wanted && g->nodes_len > 0; i++) {
        const struct rand_node *n = rand_pick_node(g, false);
        bool twice = false;
        for (size_t j = 0; j < json_array_size(list); j++) {
            const char *name = rand_str(json_array_get(list, j), "node-name");
            twice = twice || (name && strcmp(name, n->name) == 0);
        }
        if (!twice) {
            json_array_append_new(list, reopen_options(g, n, &c->spoiled));
        }
    }
    c->args = json_pack("{s:o}", "options", list);
    return json_array_size(list) > 0;
}

static void took_reopen(struct rand_gen *g, const struct rand_cmd *c)
{
    const json_t *list = json_object_get(c->args, "options");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *options = json_array_get(list, i);
        struct rand_node *n = rand_find_node(g, rand_str(options, "node-name"));
        if (n && strcmp(rand_str(n->options, "driver"), rand_str(options, "driver")) == 0) {
            json_decref(n->options);
            n->options = json_deep_copy(options);
        }
    }
    collect_unused(g);
}

const struct rand_kind rand_node_kinds[] = {
    { "blockdev-add", 12, make_add, took_add },
    { "blockdev-del", 6, make_del, took_del },
    { "blockdev-reopen", 8, make_reopen, took_reopen },
    { 0 },
};
