/* SPDX-License-Identifier: MIT */
/* The life of a node.
 *
 *   node_open: allocate, name -> driver's open (attaches children) -> length, limits -> linked
 *   node_unref (last): wait idle -> flush -> driver's close -> children detached -> freed
 *
 * A node that failed to open was never in the layer's list and nobody has seen it.
 */
#include "model/node.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/io_private.h"
#include "model/layer_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void link_node(struct node *n)
{
    struct layer *l = n->layer;
    n->prev = l->nodes_tail;
    *(l->nodes_tail ? &l->nodes_tail->next : &l->nodes) = n;
    l->nodes_tail = n;
    sim_trace_text(n->sim, TRACE_GRAPH, "add %s %s", n->name, n->drv->name);
}

static void unlink_node(struct node *n)
{
    struct layer *l = n->layer;
    *(n->prev ? &n->prev->next : &l->nodes) = n->next;
    *(n->next ? &n->next->prev : &l->nodes_tail) = n->prev;
    sim_trace_text(n->sim, TRACE_GRAPH, "remove %s", n->name);
}

static void node_free(struct node *n)
{
    while (n->children) {
        child_detach(n->children);
    }
    CHECK(n->parents == NULL && n->tracked == NULL);
    json_decref(n->options);
    free(n->state);
    free(n);
}

/* QEMU's id_wellformed: a letter, then letters, digits, '-', '.', '_'. */
static bool name_is_wellformed(const char *s)
{
    if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z'))) {
        return false;
    }
    for (s++; *s; s++) {
        if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
              (*s >= '0' && *s <= '9') || *s == '-' || *s == '.' || *s == '_')) {
            return false;
        }
    }
    return true;
}

static int check_name(const struct layer *l, const char *name, struct error *err)
{
    if (!name_is_wellformed(name)) {
        return error_set(err, -EINVAL, "Invalid node-name: '%s'", name);
    }
    if (layer_find_backend(l, name)) {
        return error_set(err, -EINVAL, "node-name=%s is conflicting with a device id", name);
    }
    if (layer_find_node(l, name)) {
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

/* The options that every node has.  What a child does not say comes from its parent. */
static int read_common_options(struct node *n, const struct opts *o, const struct node *parent,
                               struct error *err)
{
    n->cache_direct = option_bool(o, "cache.direct", parent && parent->cache_direct);
    n->cache_no_flush = option_bool(o, "cache.no-flush", parent && parent->cache_no_flush);
    n->read_only = option_bool(o, "read-only", parent && parent->read_only);
    n->auto_read_only = option_bool(o, "auto-read-only", parent && parent->auto_read_only);
    n->force_share = option_bool(o, "force-share", parent && parent->force_share);
    const json_t *discard = opts_get(o, "discard");
    n->unmap = discard ? strcmp(json_string_value(discard), "unmap") == 0 : parent != NULL;
    const json_t *detect = opts_get(o, "detect-zeroes");
    const char *mode = detect ? json_string_value(detect) : "off";
    n->detect_zeroes = strcmp(mode, "unmap") == 0 ? 2 : strcmp(mode, "on") == 0;
    if (n->detect_zeroes == 2 && !n->unmap) {
        return error_set(err, -EINVAL,
                         "setting detect-zeroes to unmap is not allowed without setting discard "
                         "operation to unmap");
    }
    if (n->force_share && !n->read_only) {
        return error_set(err, -EINVAL,
                         "force-share=on can only be used with read-only images");
    }
    return 0;
}

static struct node *node_new(struct layer *l, const struct blk_driver *drv, const json_t *options)
{
    struct node *n = NEW(struct node);
    n->layer = l;
    n->sim = l->sim;
    n->drv = drv;
    n->state = mem_zalloc(drv->state_size);
    n->options = json_deep_copy(options);
    n->refs = 1;
    n->actor = sim_actor(l->sim);
    n->drained.what = "requests in flight";
    n->flush_queue.what = "flush in progress";
    CHECK(n->options != NULL);
    return n;
}

static int open_driver(struct node *n, const struct opts *o, struct node *parent,
                       struct error *err)
{
    int ret = read_common_options(n, o, parent, err);
    if (ret < 0) {
        return ret;
    }
    n->nesting = parent ? parent->nesting + 1 : 0;
    if (n->nesting >= NODE_HEIGHT_MAX) {
        return error_set(err, -ELOOP, "Block graph is more than %d levels deep", NODE_HEIGHT_MAX);
    }
    ret = n->drv->open(n, o, err);
    if (ret < 0) {
        CHECK(!err || err->code < 0);
        return ret;
    }
    n->open = true;
    node_refresh_limits(n);
    ret = io_refresh_length(n);
    if (ret < 0) {
        error_set_errno(err, ret, "Could not refresh total sector count");
    }
    return ret;
}

int node_open(struct layer *l, const json_t *options, struct node *parent, uint32_t roles,
              struct node **out, struct error *err)
{
    (void)roles;
    const char *driver = json_string_value(json_object_get(options, "driver"));
    const struct blk_driver *drv = driver ? layer_driver(l, driver) : NULL;
    if (!drv) {
        return error_set(err, -ENOENT, "Unknown driver '%s'", driver ? driver : "");
    }
    const char *name = json_string_value(json_object_get(options, "node-name"));
    int ret = name ? check_name(l, name, err) : 0;
    if (ret < 0) {
        return ret;
    }
    struct node *n = node_new(l, drv, options);
    if (name) {
        snprintf(n->name, sizeof(n->name), "%s", name);
    } else {
        make_name(n);
    }
    struct opts o = { .values = n->options, .members = drv->options };
    ret = open_driver(n, &o, parent, err);
    if (ret == 0 && name) {
        ret = check_name(l, name, err); /* An inline child may have taken it. */
    }
    if (ret < 0) {
        if (n->open && drv->close) {
            drv->close(n);
        }
        node_free(n);
        return ret;
    }
    link_node(n);
    *out = n;
    return 0;
}

static int attach_opened(struct node *n, struct node *child, const struct child_desc *desc,
                         struct child **out, struct error *err)
{
    if (child->height + 1 >= NODE_HEIGHT_MAX) {
        return error_set(err, -ELOOP, "Block graph is more than %d levels deep", NODE_HEIGHT_MAX);
    }
    n->height = MAX(n->height, child->height + 1);
    return child_attach(child, desc->name, desc->roles, n, NULL, NULL,
                        (struct perm_pair){ .used = 0 }, out, err);
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
    struct node *child;
    if (json_is_string(value)) {
        const char *name = json_string_value(value);
        child = layer_find_node(n->layer, name);
        if (!child) {
            return error_set(err, -ENODEV, "Cannot find device='%s' nor node-name='%s'", name,
                             name);
        }
        return attach_opened(n, child, desc, out, err);
    }
    int ret = node_open(n->layer, value, n, desc->roles, &child, err);
    if (ret < 0) {
        return ret;
    }
    ret = attach_opened(n, child, desc, out, err);
    node_unref(child);
    return ret;
}

struct node *node_ref(struct node *n)
{
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
    node_wait_idle(n);
    io_flush_node(n); /* What fails now was not promised to anybody. */
    n->refs = 0;
    unlink_node(n);
    if (n->drv->close) {
        n->drv->close(n);
    }
    n->open = false;
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
            l.write_flags = below->write_flags;
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
