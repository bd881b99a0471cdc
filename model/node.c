/* SPDX-License-Identifier: MIT */
/* The life of a node.
 *
 *   node_open: allocate -> settle (options checked, named, linked) -> driver's open (attaches
 *              children) -> length, limits -> open
 *   node_unref (last): closing -> wait idle -> flush -> driver's close -> children detached
 *                      -> unlinked, freed
 *
 * What stands on a child "file" settles when that is open, all others before they open theirs:
 * QEMU's order, which shows in the order of nodes and in which of several errors is told.
 *
 * A node that is not open yet, or closing, stands in the layer's list and has its name, but nobody
 * can find it (node_is_usable).
 */
#include "model/node.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/dirty_bitmap.h"
#include "model/io_private.h"
#include "model/layer_state.h"
#include "model/open.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void link_node(struct node *n)
{
    struct layer *l = n->layer;
    CHECK(!n->linked);
    n->linked = true;
    n->quiesce += l->drain_all; /* From now on the sections that concern every node count it. */
    n->prev = l->nodes_tail;
    *(l->nodes_tail ? &l->nodes_tail->next : &l->nodes) = n;
    l->nodes_tail = n;
    layer_names_add(l, n);
    sim_trace_words(n->sim, TRACE_GRAPH,
                    (const char *const[]){ "add ", n->name, " ", n->drv->name }, 4);
}

static void unlink_node(struct node *n)
{
    struct layer *l = n->layer;
    *(n->prev ? &n->prev->next : &l->nodes) = n->next;
    *(n->next ? &n->next->prev : &l->nodes_tail) = n->prev;
    layer_names_remove(l, n);
    sim_trace_words(n->sim, TRACE_GRAPH, (const char *const[]){ "remove ", n->name }, 2);
}

static void detach_children(struct node *n)
{
    while (n->children) {
        child_detach(n->children);
    }
}

static void node_free(struct node *n)
{
    CHECK(!n->children && !n->parents && !n->tracked && !n->blockers && !n->change);
    bitmap_release_all(n);
    n->layer->nodes_alive--;
    json_decref(n->options);
    free(n->shown);
    free(n->backing_file);
    free(n->backing_format);
    free(n->backing_auto);
    free(n->state);
    free(n);
}

static int check_name(const struct layer *l, const char *name, struct error *err)
{
    if (!text_is_identifier(name)) {
        return error_set(err, -EINVAL, "Invalid node-name: '%s'", name);
    }
    if (layer_find_backend(l, name)) {
        return error_set(err, -EINVAL, "node-name=%s is conflicting with a device id", name);
    }
    if (layer_name_taken(l, name)) {
        return error_set(err, -EINVAL, "Duplicate nodes with node-name='%s'", name);
    }
    if (strlen(name) >= NODE_NAME_MAX) {
        return error_set(err, -EINVAL, "Node name too long");
    }
    return 0;
}

/* "#block" + a counter + two digits, as QEMU's id_generate; here the digits come from the seed. */
static void make_name(struct node *n)
{
    struct layer *l = n->layer;
    struct choice_key key = { .actor = l->auto_names, .kind = CHOICE_KINDS };
    unsigned digits = (unsigned)(choice_hash(n->sim->choice.seed, key) % 100);
    snprintf(n->name, sizeof(n->name), "#block%u%02u", l->auto_names++, digits);
}

static bool option_bool(const struct opts *o, const char *name, bool otherwise)
{
    const json_t *v = opts_get(o, name);
    return v ? json_is_true(v) : otherwise;
}

void node_flags_read_own(const struct opts *o, bool unmap, struct node_flags *out)
{
    const json_t *discard = opts_get(o, "discard");
    out->unmap = discard ? strcmp(json_string_value(discard), "unmap") == 0 : unmap;
    const json_t *detect = opts_get(o, "detect-zeroes");
    const char *mode = detect ? json_string_value(detect) : "off";
    out->detect_zeroes = strcmp(mode, "unmap") == 0 ? 2 : strcmp(mode, "on") == 0;
}

void node_flags_read(const struct opts *o, const struct node_flags *parent, uint32_t roles,
                     struct node_flags *out)
{
    static const struct node_flags none = { .read_only = false };
    struct node_flags from = parent ? *parent : none;
    if (roles & ROLE_COW) {
        from.read_only = true; /* A backing file is only read, unless somebody says otherwise. */
        from.auto_read_only = false;
    }
    out->cache_direct = option_bool(o, "cache.direct", from.cache_direct);
    out->cache_no_flush = option_bool(o, "cache.no-flush", from.cache_no_flush);
    out->read_only = option_bool(o, "read-only", from.read_only);
    out->auto_read_only = option_bool(o, "auto-read-only", from.auto_read_only);
    out->force_share = option_bool(o, "force-share", from.force_share);
    node_flags_read_own(o, parent != NULL, out);
}

int node_flags_check(const struct node_flags *f, struct error *err)
{
    if (f->force_share && !f->read_only) {
        return error_set(err, -EINVAL,
                         "force-share=on can only be used with read-only images");
    }
    if (f->detect_zeroes == 2 && !f->unmap) {
        return error_set(err, -EINVAL,
                         "setting detect-zeroes to unmap is not allowed without setting discard "
                         "operation to unmap");
    }
    return 0;
}

/* Gives the node its name and its place in the list. */
static int settle(struct node *n, struct error *err)
{
    const char *name = json_string_value(json_object_get(n->options, "node-name"));
    int ret = node_flags_check(&n->flags, err);
    if (ret == 0 && name) {
        ret = check_name(n->layer, name, err);
    }
    if (ret < 0) {
        return ret;
    }
    if (name) {
        snprintf(n->name, sizeof(n->name), "%s", name);
    } else {
        make_name(n);
    }
    link_node(n);
    return 0;
}

/* What stands on a child "file" opens that first and settles then; all others settle first. */
static bool opens_file_first(const struct blk_driver *drv)
{
    return drv->children && strcmp(drv->children[0].name, "file") == 0;
}

/* A driver that QEMU counts among the protocols: it has a prefix for file names. */
static bool is_protocol(const struct blk_driver *drv)
{
    return (drv->traits & DRV_PROTOCOL) || ((drv->traits & DRV_FILTER) && !opens_file_first(drv));
}

static const struct schema_member *find_option(const struct schema_member *m, const char *name)
{
    while (m && m->name && strcmp(m->name, name) != 0) {
        m++;
    }
    return m && m->name ? m : NULL;
}

/* An empty object or list sets nothing that a driver could take note of; where a scalar might stand
 * as well nobody minds it. */
static bool is_empty(const struct schema_member *m, const json_t *value)
{
    bool empty = (json_is_object(value) && json_object_size(value) == 0) ||
                 (json_is_array(value) && json_array_size(value) == 0);
    bool child = m && (m->type == &schema_blockdev_ref || m->type == &schema_blockdev_ref_or_null);
    return empty && (child || !m || m->type->kind != SCHEMA_ALTERNATE);
}

/* Options of a node that is opened by name have not been checked before. */
static int refuse_unused_options(const struct node *n, struct error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach(n->options, name, value) {
        const struct schema_member *m = find_option(schema_blockdev_options.members, name);
        m = m ? m : find_option(n->drv->options, name);
        bool known = !n->how.by_name || m;
        if (!known && (strcmp(name, "backing") == 0 || strncmp(name, "backing.", 8) == 0)) {
            return error_set(err, -EINVAL, "Driver doesn't support backing files");
        }
        if (!known || is_empty(m, value)) {
            return error_set(err, -EINVAL,
                             is_protocol(n->drv)
                                 ? "Block protocol '%s' doesn't support the option '%s'"
                                 : "Block format '%s' does not support the option '%s'",
                             n->drv->name, name);
        }
    }
    return 0;
}

static struct node *node_new(struct layer *l, const struct blk_driver *drv, const json_t *options)
{
    struct node *n = NEW(struct node);
    n->layer = l;
    n->sim = l->sim;
    n->id = ++l->node_ids;
    n->drv = drv;
    n->state = mem_zalloc(drv->state_size);
    n->options = json_deep_copy(options);
    n->refs = 1;
    n->actor = sim_actor(l->sim);
    n->drained.what = "requests in flight";
    n->flush_queue.what = "flush in progress";
    l->nodes_alive++;
    CHECK(n->options != NULL);
    return n;
}

static int attach_inherited(struct node *n, struct node *child, const char *name, uint32_t roles,
                            struct child **out, struct error *err);

/* Opens the backing file with what the options say of it; the rest comes from the header. */
static int open_backing_by_name(struct node *n, const json_t *given, struct error *err)
{
    json_t *options = given ? json_deep_copy(given) : json_object();
    const json_t *file = json_object_get(options, "file");
    bool named = json_object_get(options, "file.filename") || json_object_get(file, "filename");
    char *name = NULL;
    int ret = 0;
    if (!named && n->backing_file) {
        ret = node_backing_path(n, &name, err);
    }
    if (ret == 0) {
        struct node *child;
        struct child *edge;
        if (n->backing_format && !json_object_get(options, "driver")) {
            json_object_set_new(options, "driver", json_string(n->backing_format));
        }
        ret = node_open_name(n->layer, name, options, n, ROLE_COW, &child, err);
        if (ret < 0) {
            error_prefix(err, "Could not open backing file: ");
        } else {
            ret = attach_inherited(n, child, "backing", ROLE_COW, &edge, err);
        }
        if (ret == 0 && !given) {
            n->backing_auto = node_filename(edge->node);
        }
    }
    json_decref(options);
    free(name);
    return ret;
}

static int open_backing(struct node *n, struct error *err)
{
    const json_t *value = json_object_get(n->options, "backing");
    const char *name = json_string_value(value);
    struct child *edge;
    if (n->how.alone) {
        json_object_set_new(n->options, "backing", json_null());
        return 0;
    }
    if (name && !*name) {
        node_warn(n, "warning: Use of \"backing\": \"\" is deprecated; use \"backing\": null "
                     "instead");
        json_object_set_new(n->options, "backing", json_null());
        return 0;
    }
    if (json_is_null(value) || (!value && (!n->backing_file || !*n->backing_file))) {
        return 0;
    }
    if (!name) {
        return open_backing_by_name(n, value, err);
    }
    int ret = node_open_child_value(n, value, "backing", ROLE_COW, &edge, err);
    if (ret == -ENODEV) { /* Of one that is there only the link can fail. */
        error_prefix(err, "Could not open backing file: ");
    }
    return ret;
}

int node_open_backing(struct node *n, struct error *err)
{
    json_t *said = json_incref(json_object_get(n->options, "backing"));
    CHECK(!node_backing(n));
    json_object_del(n->options, "backing");
    n->how.alone = false;
    int ret = open_backing(n, err);
    if (ret < 0 && said) {
        json_object_set(n->options, "backing", said);
    }
    json_decref(said);
    return ret;
}

static int open_driver(struct node *n, const struct opts *o, const struct node *parent,
                       uint32_t roles, struct error *err)
{
    node_flags_read(o, parent ? &parent->flags : NULL, roles, &n->flags);
    n->nesting = parent ? parent->nesting + 1 : 0;
    if (n->nesting >= NODE_HEIGHT_MAX) {
        return error_set(err, -ELOOP, "Block graph is more than %d levels deep", NODE_HEIGHT_MAX);
    }
    int ret = opens_file_first(n->drv) ? 0 : settle(n, err);
    if (ret == 0) {
        ret = n->drv->open(n, o, err);
    }
    if (ret < 0) {
        CHECK(!err || err->code < 0);
        return ret;
    }
    CHECK(n->linked);
    n->open = true;
    if (n->quiesce > 0 && n->drv->drain) {
        n->drv->drain(n, true);
    }
    node_refresh_limits(n);
    ret = io_refresh_length(n);
    if (ret < 0) {
        return error_set_errno(err, ret, "Could not refresh total sector count");
    }
    if (n->drv->traits & DRV_BACKING) {
        ret = open_backing(n, err);
    }
    return ret < 0 ? ret : refuse_unused_options(n, err);
}

/* Undoes what a node that could not be opened has got to. */
static void open_failed(struct node *n)
{
    n->closing = true;
    if (n->open && n->drv->close) {
        n->drv->close(n);
    }
    n->open = false;
    detach_children(n);
    if (n->linked) {
        unlink_node(n);
    }
    node_free(n);
}

int node_open_how(struct layer *l, const json_t *options, const struct node *parent,
                  uint32_t roles, struct node_how how, struct node **out, struct error *err)
{
    const char *driver = json_string_value(json_object_get(options, "driver"));
    const struct blk_driver *drv = driver ? layer_driver(l, driver) : NULL;
    if (!drv) {
        return error_set(err, -ENOENT, "Unknown driver '%s'", driver ? driver : "");
    }
    struct node *n = node_new(l, drv, options);
    n->how = how;
    struct opts o = { .values = n->options, .members = drv->options };
    int ret = open_driver(n, &o, parent, roles, err);
    if (ret < 0) {
        open_failed(n);
        return ret;
    }
    *out = n;
    return 0;
}

int node_open(struct layer *l, const json_t *options, struct node *parent, uint32_t roles,
              struct node **out, struct error *err)
{
    struct node_how how = { .by_name = false };
    return node_open_how(l, options, parent, roles, how, out, err);
}

/* Its child comes first, as the driver has nothing to open it from. */
static int open_above(struct node *n, struct node *below, const char *edge, struct error *err)
{
    struct opts o = { .values = n->options, .members = n->drv->options };
    struct child *c;
    int ret = settle(n, err);
    if (ret == 0) {
        ret = child_attach(below, edge, ROLE_FILTERED | ROLE_PRIMARY, n, NULL, NULL,
                           (struct perm_pair){ .used = 0 }, &c, err);
    }
    ret = ret == 0 ? n->drv->open(n, &o, err) : ret;
    if (ret < 0) {
        return ret;
    }
    n->open = true;
    if (n->quiesce > 0 && n->drv->drain) {
        n->drv->drain(n, true);
    }
    node_refresh_limits(n);
    ret = io_refresh_length(n);
    CHECK(ret == 0);
    return 0;
}

int node_open_filter(struct node *below, const struct blk_driver *drv, const char *name,
                     const char *edge, bool read_only, struct node **out, struct error *err)
{
    json_t *options = json_pack("{s:s, s:s*}", "driver", drv->name, "node-name", name);
    CHECK(options != NULL && (drv->traits & DRV_FILTER));
    struct node *n = node_new(below->layer, drv, options);
    json_decref(options);
    n->flags = (struct node_flags){ .read_only = read_only }; /* Nothing comes from below. */
    int ret = open_above(n, below, edge, err);
    if (ret < 0) {
        open_failed(n);
        return ret;
    }
    *out = n;
    return 0;
}

static int attach_opened(struct node *n, struct node *child, const char *name, uint32_t roles,
                         struct child **out, struct error *err)
{
    int ret = n->linked ? 0 : settle(n, err);
    if (ret < 0) {
        return ret;
    }
    return child_attach(child, name, roles, n, NULL, NULL, (struct perm_pair){ .used = 0 }, out,
                        err);
}

static int attach_named(struct node *n, const char *child_name, const char *name, uint32_t roles,
                        struct child **out, struct error *err)
{
    if (n->linked && strcmp(child_name, n->name) == 0) {
        return error_set(err, -EINVAL, "Making '%s' a %s child of '%s' would create a cycle",
                         child_name, name, child_name);
    }
    struct node *child = layer_find_node(n->layer, child_name);
    if (!child) {
        return error_set(err, -ENODEV, "Cannot find device='%s' nor node-name='%s'", child_name,
                         child_name);
    }
    return attach_opened(n, child, name, roles, out, err);
}

static int attach_inherited(struct node *n, struct node *child, const char *name, uint32_t roles,
                            struct child **out, struct error *err)
{
    int ret = attach_opened(n, child, name, roles, out, err);
    if (ret == 0) {
        child->inherits = n;
    }
    node_unref(child);
    return ret;
}

int node_open_child_value(struct node *n, const json_t *value, const char *name, uint32_t roles,
                          struct child **out, struct error *err)
{
    struct node *child;
    if (json_is_string(value)) {
        return attach_named(n, json_string_value(value), name, roles, out, err);
    }
    json_t *options = (json_t *)(uintptr_t)value;
    int ret = n->how.by_name
                  ? node_open_name(n->layer, NULL, options, n, roles, &child, err)
                  : node_open(n->layer, options, n, roles, &child, err);
    return ret < 0 ? ret : attach_inherited(n, child, name, roles, out, err);
}

int node_open_child(struct node *n, const struct opts *opts, const struct child_desc *desc,
                    struct child **out, struct error *err)
{
    *out = NULL;
    const json_t *value = opts_get(opts, desc->name);
    if (!value || json_is_null(value)) {
        return desc->required ? error_set(err, -EINVAL,
                                          "A block device must be specified for \"%s\"",
                                          desc->name)
                              : 0;
    }
    return node_open_child_value(n, value, desc->name, desc->roles, out, err);
}

void node_set_backing_name(struct node *n, const char *file, const char *format)
{
    free(n->backing_file);
    free(n->backing_format);
    free(n->backing_auto);
    n->backing_auto = NULL;
    n->backing_file = file && *file ? mem_strdup(file) : NULL;
    n->backing_format = format && *format ? mem_strdup(format) : NULL;
}

struct node *node_ref(struct node *n)
{
    CHECK(!n->closing);
    n->refs++;
    return n;
}

void node_wait_idle(struct node *n)
{
    while (n->in_flight > 0) {
        co_queue_wait(n->sim, &n->drained);
    }
}

void node_unref(struct node *n)
{
    CHECK(n->refs > 0);
    if (n->refs > 1) {
        n->refs--;
        return;
    }
    n->closing = true;
    node_wait_idle(n);
    io_flush_node(n); /* What fails now was not promised to anybody. */
    CHECK(n->refs == 1 && n->parents == NULL);
    if (n->drv->close) {
        n->drv->close(n);
    }
    n->open = false;
    detach_children(n);
    n->refs = 0;
    unlink_node(n);
    node_free(n);
}

static int64_t min_non_zero(int64_t a, int64_t b)
{
    return a == 0 ? b : b == 0 ? a : MIN(a, b);
}

void node_refresh_limits(struct node *n)
{
    struct io_limits l = { .request_alignment = 1 };
    for (const struct child *c = n->children; c; c = c->next) {
        const struct io_limits *below = &c->node->limits;
        if (c->roles & (ROLE_DATA | ROLE_METADATA | ROLE_FILTERED)) {
            l.opt_transfer = MAX(l.opt_transfer, below->opt_transfer);
            l.max_transfer = min_non_zero(l.max_transfer, below->max_transfer);
        }
        if ((c->roles & ROLE_FILTERED) && (n->drv->traits & DRV_FILTER)) {
            l.write_flags = below->write_flags & ~(uint32_t)IO_COMPRESSED; /* Drivers say so. */
            l.zero_flags = below->zero_flags;
        }
    }
    if (n->drv->limits) {
        n->drv->limits(n, &l);
    }
    CHECK(l.request_alignment > 0 && (l.request_alignment & (l.request_alignment - 1)) == 0);
    n->limits = l;
}

struct host *node_host(const struct node *n)
{
    return n->layer->host;
}

void node_emit_event(struct node *n, const char *name, json_t *data)
{
    layer_emit(n->layer, name, data);
}

int node_last_message(const char *command, const char *message, uint64_t count, json_t *reply)
{
    if (strcmp(command, "last_message") != 0) {
        return -ENOTSUP;
    }
    if (count == 0) {
        return -ENOENT;
    }
    if (reply) {
        json_object_set_new(reply, "message", json_string(message));
        json_object_set_new(reply, "count", json_integer((json_int_t)count));
    }
    return 0;
}

int node_info(const struct node *n, struct driver_info *info)
{
    *info = (struct driver_info){ 0 };
    for (const struct child *c; !n->drv->info; n = c->node) {
        c = node_primary(n);
        if (!c) {
            return -ENOTSUP;
        }
    }
    return n->drv->info(n, info);
}
