/* SPDX-License-Identifier: MIT */
/* Opening by name: see open.h.
 *
 *   options, flat  +  filename
 *        |  json:{...} joins the options
 *        v
 *   a protocol?  --yes--> filename is its option, parsed for the prefix --> driver --+
 *        | no                                                                       |
 *        v                                                                          v
 *   `file` is opened (a protocol) --> driver given, or probed from it ------> typed, node_open
 *
 * Invariants:
 *   1. A node opened here has its `file`, if the driver has one, as a reference: it is open before
 *      the driver is even known.
 *   2. Other children that are not references are options still, and come back here when the driver
 *      opens them (node_open_child_value).
 *   3. What no driver takes stays in the node's options, and node_open refuses it at its end.
 * (Behaviour of the installed QEMU 7.2, by -drive and blockdev-add.)
 */
#include "model/open.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/layer_state.h"
#include "model/open_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct opening {
    struct layer *l;
    const struct node *parent; /* Gives what is inherited, or NULL. */
    uint32_t roles;
    bool alone;              /* Its node stands on no backing file. */
    bool protocol;             /* No format is looked for. */
    const char *filename;      /* NULL: none, or it is among the options. */
    json_t *flat;
    const struct blk_driver *drv; /* NULL: not known yet. */
    bool probed;
    struct node *file;         /* The child `file`, with a reference; or NULL. */
    bool own_file;             /* It was opened here. */
    struct error *err;
};

/* ---- drivers ---- */

/* Drivers that QEMU has for such names; what else has a colon is an unknown protocol. */
struct foreign {
    const char *prefix, *driver;
};

static const struct foreign foreign_prefixes[] = {
    { "nbd", "nbd" },           { "nbd+tcp", "nbd" },
    { "nbd+unix", "nbd" },      { "fat", "vvfat" },
    { "nvme", "nvme" },         { "host_device", "host_device" },
    { "host_cdrom", "host_cdrom" },
};

static bool is_protocol_driver(const struct blk_driver *drv)
{
    return (drv->traits & DRV_PROTOCOL) || drv->prefix;
}

static int fail_missing(struct error *err, const char *driver)
{
    return error_set(err, -ENOTSUP, "Driver '%s' is not available in blksim", driver);
}

/* What would be known of an nbd node before a connection is made. */
static int check_nbd(struct opening *o)
{
    bool host = json_object_get(o->flat, "host"), path = json_object_get(o->flat, "path");
    if (o->filename && nbd_parse_name(o->filename, o->flat, o->err) < 0) {
        return -EINVAL;
    }
    if (host && path) {
        return error_set(o->err, -EINVAL, "path and host may not be used at the same time");
    }
    if (!host && !path && !json_object_get(o->flat, "server.type")) {
        return error_set(o->err, -EINVAL, "NBD server address missing");
    }
    return fail_missing(o->err, "nbd");
}

static int fail_driver(struct opening *o, const char *name)
{
    if (strcmp(name, "nbd") == 0) {
        return check_nbd(o);
    }
    return schema_driver_is_known(name) ? fail_missing(o->err, name)
                                        : error_set(o->err, -EINVAL, "Unknown driver '%s'", name);
}

/* The driver whose names begin with that prefix (n bytes). */
static const struct blk_driver *driver_by_prefix(const struct layer *l, const char *name, size_t n)
{
    for (size_t i = 0; l->drivers[i]; i++) {
        const char *prefix = l->drivers[i]->prefix;
        if (prefix && strlen(prefix) == n && strncmp(prefix, name, n) == 0) {
            return l->drivers[i];
        }
    }
    return NULL;
}

static int find_protocol(struct opening *o, bool parse)
{
    size_t n = strcspn(o->filename, ":");
    if (!parse || !name_has_protocol(o->filename)) {
        o->drv = layer_driver(o->l, "file");
        return o->drv ? 0 : fail_missing(o->err, "file");
    }
    o->drv = driver_by_prefix(o->l, o->filename, n);
    for (size_t i = 0; !o->drv && i < ARRAY_LEN(foreign_prefixes); i++) {
        if (strlen(foreign_prefixes[i].prefix) == n &&
            strncmp(foreign_prefixes[i].prefix, o->filename, n) == 0) {
            return fail_driver(o, foreign_prefixes[i].driver);
        }
    }
    return o->drv ? 0
                  : error_set(o->err, -ENOENT, "Unknown protocol '%.*s'", (int)n, o->filename);
}

/* ---- options ---- */

/* Options of a "json:" name come behind those that are given. */
static int join_json_name(struct opening *o)
{
    const char *key;
    json_t *value, *more;
    if (!o->filename || strncmp(o->filename, "json:", 5) != 0) {
        return 0;
    }
    more = options_of_json_name(o->filename, o->err);
    if (!more) {
        return -EINVAL;
    }
    json_object_foreach(more, key, value) {
        if (!json_object_get(o->flat, key)) {
            json_object_set(o->flat, key, value);
        }
    }
    json_decref(more);
    o->filename = NULL;
    return 0;
}

/* Puts what a name says, as dotted options, into flat. */
static int parse_name(struct opening *o)
{
    json_t *named = json_object();
    const char *key;
    json_t *value;
    int ret = o->drv->parse_filename(o->filename, named, o->err);
    json_object_foreach(named, key, value) {
        json_object_set(o->flat, key, value);
    }
    json_decref(named);
    return ret;
}

/* The driver, when it is given or the name tells it; and the name among its options. */
static int fill_options(struct opening *o)
{
    const char *name = options_str(o->flat, "driver");
    const char *option = options_str(o->flat, "filename");
    if (name) {
        o->drv = layer_driver(o->l, name);
        if (!o->drv) {
            return fail_driver(o, name);
        }
        o->protocol = is_protocol_driver(o->drv);
    }
    if (!o->protocol) {
        return 0;
    }
    if (o->filename && json_object_get(o->flat, "filename")) {
        return error_set(o->err, -EINVAL,
                         "Can't specify 'file' and 'filename' options at the same time");
    }
    bool parse = o->filename != NULL;
    o->filename = parse ? o->filename : option;
    if (!o->drv) {
        int ret = o->filename ? find_protocol(o, parse)
                              : error_set(o->err, -EINVAL, "Must specify either driver or file");
        if (ret < 0) {
            return ret;
        }
    }
    if (!parse) {
        return 0;
    }
    if (o->drv->parse_filename) {
        return parse_name(o);
    }
    json_object_set_new(o->flat, "filename", json_string(o->filename));
    return 0;
}

/* ---- the file below a format ---- */

static int open_flat(struct opening *o, struct node **out);

/* The flags of a node that is not there yet, for its file to inherit. */
static int flags_of(const struct opening *o, struct node_flags *flags)
{
    static const struct blk_driver nothing = { .name = "" };
    json_t *copy = json_copy(o->flat), *typed = json_object();
    json_object_del(copy, "driver");
    int ret = options_type(o->l, &nothing, copy, typed, o->err);
    if (ret == 0) {
        struct opts opts = { .values = typed };
        node_flags_read(&opts, o->parent ? &o->parent->flags : NULL, o->roles, flags);
    }
    json_decref(copy);
    json_decref(typed);
    return ret;
}

static int open_new_file(struct opening *o, json_t *below)
{
    struct node *stand_in = NEW(struct node);
    stand_in->layer = o->l;
    stand_in->nesting = o->parent ? o->parent->nesting + 1 : 0;
    int ret = flags_of(o, &stand_in->flags);
    if (ret == 0) {
        struct opening file = { .l = o->l,
                                .parent = stand_in,
                                .roles = ROLE_IMAGE,
                                .protocol = true,
                                .filename = o->filename,
                                .flat = below,
                                .err = o->err };
        ret = open_flat(&file, &o->file);
        o->own_file = ret == 0;
    }
    free(stand_in);
    return ret;
}

static int open_file(struct opening *o)
{
    const char *name = options_str(o->flat, "file");
    json_t *below = options_take_below(o->flat, "file");
    bool more = o->filename || json_object_size(below) > 0;
    int ret = 0;
    if (name && more) {
        ret = error_set(o->err, -EINVAL, "Cannot reference an existing block device with "
                                         "additional options or a new filename");
    } else if (name) {
        struct node *n = layer_lookup(o->l, name, name, o->err);
        o->file = n ? node_ref(n) : NULL;
        ret = n ? 0 : -ENODEV;
    } else if (more) {
        ret = open_new_file(o, below);
    }
    if (o->file) {
        json_object_set_new(o->flat, "file", json_string(layer_node_name(o->file)));
    }
    json_decref(below);
    return ret;
}

static int probe_format(struct opening *o)
{
    if (!o->file) {
        return error_set(o->err, -EINVAL, "Must specify either driver or file");
    }
    o->probed = true;
    return open_probe(o->l, o->file, o->filename ? o->filename : "", &o->drv, o->err);
}

/* ---- the node ---- */

/* BlockdevOptions, with what the driver does not know at the end. */
static int typed_options(struct opening *o, json_t **out)
{
    const char *key;
    json_t *value, *typed = json_object();
    json_object_set_new(typed, "driver", json_string(o->drv->name));
    json_object_del(o->flat, "driver");
    int ret = options_type(o->l, o->drv, o->flat, typed, o->err);
    if (ret < 0) {
        json_decref(typed);
        return ret;
    }
    json_object_foreach(o->flat, key, value) {
        json_object_set(typed, key, value);
    }
    *out = typed;
    return 0;
}

/* The file that was opened for the node is its own, as if it had opened it itself. */
static void adopt_file(struct opening *o, struct node *n)
{
    struct child *c = node_child(n, "file");
    if (o->own_file && c && c->node == o->file) {
        o->file->inherits = n;
    }
}

static int open_node(struct opening *o, struct node **out)
{
    json_t *options = NULL;
    int ret = typed_options(o, &options);
    if (ret == 0) {
        struct node_how how = { .by_name = true, .protocol = o->protocol, .probed = o->probed,
                                .alone = o->alone };
        ret = node_open_how(o->l, options, o->parent, o->roles, how, out, o->err);
    }
    if (ret == 0) {
        adopt_file(o, *out);
    }
    json_decref(options);
    return ret;
}

static int open_flat(struct opening *o, struct node **out)
{
    json_t *named = options_take(o->flat, OPEN_NAME_KEY);
    if (named && !o->filename) {
        o->filename = json_string_value(named);
    }
    int ret = join_json_name(o);
    if (ret == 0) {
        ret = fill_options(o);
    }
    if (ret == 0 && !o->protocol) {
        ret = open_file(o);
    }
    if (ret == 0 && !o->drv) {
        ret = probe_format(o);
    }
    if (ret == 0) {
        ret = open_node(o, out);
    }
    if (o->file) {
        node_unref(o->file);
    }
    json_decref(named);
    return ret;
}

/* Whether a child is opened as it is, or a format is looked for in it. */
static bool child_is_protocol(const struct node *parent, uint32_t roles)
{
    if (!parent || (roles & ROLE_COW)) {
        return false;
    }
    if (roles & ROLE_FILTERED) {
        return parent->how.protocol;
    }
    if ((parent->drv->traits & DRV_FORMAT) || (roles & ROLE_METADATA)) {
        return true;
    }
    return !(roles & ROLE_DATA) && parent->how.protocol;
}

static int open_name(struct layer *l, const char *filename, json_t *options, struct node *parent,
                     uint32_t roles, bool alone, struct node **out, struct error *err)
{
    struct opening o = { .l = l,
                         .alone = alone,
                         .parent = parent,
                         .roles = roles,
                         .protocol = child_is_protocol(parent, roles),
                         .filename = filename && *filename ? filename : NULL,
                         .err = err };
    o.flat = options_flatten(options, err);
    if (!o.flat) {
        return -EINVAL;
    }
    int ret = open_flat(&o, out);
    json_decref(o.flat);
    CHECK((ret < 0) == (ret != 0) && (ret < 0 || *out));
    return ret;
}

int node_open_name(struct layer *l, const char *filename, json_t *options, struct node *parent,
                   uint32_t roles, struct node **out, struct error *err)
{
    return open_name(l, filename, options, parent, roles, false, out, err);
}

int node_open_name_alone(struct layer *l, const char *filename, json_t *options,
                         struct node **out, struct error *err)
{
    return open_name(l, filename, options, NULL, 0, true, out, err);
}
