/* SPDX-License-Identifier: MIT */
/* query-named-block-nodes and query-block: what a node is and how it was opened.
 *
 * "image" describes the node; below it stands, as "backing-image", the next node of the chain: what
 * a filter filters, or the backing file.  raw is no filter in this sense.
 * (QEMU qapi/block-core.json: BlockDeviceInfo, ImageInfo, BlockInfo.)
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/dirty_bitmap.h"
#include "model/layer_state.h"
#include "model/qmp/cmd_throttle.h"
#include "model/qmp/commands.h"

#include <errno.h>
#include <stdlib.h>

/* ---- Types of the replies ---- */

static const struct schema_type image_info_type;

static const struct schema_member image_info[] = {
    { "filename", &schema_str, 0, NULL, NULL },
    { "format", &schema_str, 0, NULL, NULL },
    { "dirty-flag", &schema_bool, MEMBER_OPTIONAL, NULL, NULL },
    { "actual-size", &schema_int, MEMBER_OPTIONAL, NULL, NULL },
    { "virtual-size", &schema_int, 0, NULL, NULL },
    { "cluster-size", &schema_int, MEMBER_OPTIONAL, NULL, NULL },
    { "backing-filename", &schema_str, MEMBER_OPTIONAL, NULL, NULL },
    { "full-backing-filename", &schema_str, MEMBER_OPTIONAL, NULL, NULL },
    { "backing-filename-format", &schema_str, MEMBER_OPTIONAL, NULL, NULL },
    { "backing-image", &image_info_type, MEMBER_OPTIONAL, NULL, NULL },
    { "format-specific", &qmp_image_specific, MEMBER_OPTIONAL, NULL, NULL },
    { 0 },
};

static const struct schema_type image_info_type = {
    .name = "ImageInfo", .kind = SCHEMA_STRUCT, .members = image_info
};

static const struct schema_member cache_info[] = {
    { "writeback", &schema_bool, 0, NULL, NULL },
    { "direct", &schema_bool, 0, NULL, NULL },
    { "no-flush", &schema_bool, 0, NULL, NULL },
    { 0 },
};

static const struct schema_type cache_info_type = {
    .name = "BlockdevCacheInfo", .kind = SCHEMA_STRUCT, .members = cache_info
};

static const struct schema_member bitmap_info[] = {
    { "name", &schema_str, MEMBER_OPTIONAL, NULL, NULL },
    { "count", &schema_int, 0, NULL, NULL },
    { "granularity", &schema_uint32, 0, NULL, NULL },
    { "recording", &schema_bool, 0, NULL, NULL },
    { "busy", &schema_bool, 0, NULL, NULL },
    { "persistent", &schema_bool, 0, NULL, NULL },
    { "inconsistent", &schema_bool, MEMBER_OPTIONAL, NULL, NULL },
    { 0 },
};

static const struct schema_type bitmap_info_type = {
    .name = "BlockDirtyInfo", .kind = SCHEMA_STRUCT, .members = bitmap_info
};

static const struct schema_type bitmap_info_list = {
    .name = "BlockDirtyInfoList", .kind = SCHEMA_ARRAY, .element = &bitmap_info_type
};

static const struct schema_member device_info[] = {
    { "file", &schema_str, 0, NULL, NULL },
    { "node-name", &schema_str, MEMBER_OPTIONAL, NULL, NULL },
    { "ro", &schema_bool, 0, NULL, NULL },
    { "drv", &schema_str, 0, NULL, NULL },
    { "backing_file", &schema_str, MEMBER_OPTIONAL, NULL, NULL },
    { "backing_file_depth", &schema_int, 0, NULL, NULL },
    { "encrypted", &schema_bool, 0, NULL, NULL },
    { "detect_zeroes", &schema_detect_zeroes, 0, NULL, NULL },
    { "bps", &schema_int, 0, NULL, NULL },
    { "bps_rd", &schema_int, 0, NULL, NULL },
    { "bps_wr", &schema_int, 0, NULL, NULL },
    { "iops", &schema_int, 0, NULL, NULL },
    { "iops_rd", &schema_int, 0, NULL, NULL },
    { "iops_wr", &schema_int, 0, NULL, NULL },
    { "image", &image_info_type, 0, NULL, NULL },
    THROTTLE_BURST_MEMBERS,
    { "cache", &cache_info_type, 0, NULL, NULL },
    { "write_threshold", &schema_int, 0, NULL, NULL },
    { "dirty-bitmaps", &bitmap_info_list, MEMBER_OPTIONAL, NULL, NULL },
    { 0 },
};

static const struct schema_type device_info_type = {
    .name = "BlockDeviceInfo", .kind = SCHEMA_STRUCT, .members = device_info
};

static const struct schema_type device_info_list = {
    .name = "BlockDeviceInfoList", .kind = SCHEMA_ARRAY, .element = &device_info_type
};

static const char *const io_status_values[] = { "ok", "failed", "nospace", NULL };

static const struct schema_type io_status_type = {
    .name = "BlockDeviceIoStatus", .kind = SCHEMA_ENUM, .values = io_status_values
};

static const struct schema_member block_info[] = {
    { "device", &schema_str, 0, NULL, NULL },
    { "qdev", &schema_str, MEMBER_OPTIONAL, NULL, NULL },
    { "type", &schema_str, 0, NULL, NULL },
    { "removable", &schema_bool, 0, NULL, NULL },
    { "locked", &schema_bool, 0, NULL, NULL },
    { "inserted", &device_info_type, MEMBER_OPTIONAL, NULL, NULL },
    { "tray_open", &schema_bool, MEMBER_OPTIONAL, NULL, NULL },
    { "io-status", &io_status_type, MEMBER_OPTIONAL, NULL, NULL },
    { 0 },
};

static const struct schema_type block_info_type = {
    .name = "BlockInfo", .kind = SCHEMA_STRUCT, .members = block_info
};

static const struct schema_type block_info_list = {
    .name = "BlockInfoList", .kind = SCHEMA_ARRAY, .element = &block_info_type
};

/* ---- Images ---- */

/* What a filter filters, or the backing file; NULL below the last. */
static const struct node *chain_next(const struct node *n)
{
    const struct child *c = n->drv->traits & DRV_FILTER ? node_filtered(n) : NULL;

    for (const struct child *k = n->children; !c && k; k = k->next) {
        if (k->roles & ROLE_COW) {
            c = k;
        }
    }
    return c ? c->node : NULL;
}

/* Bytes on the host, -errno when nobody knows. */
static int64_t allocated_size(const struct node *n)
{
    int64_t sum = 0;

    if (n->drv->allocated_size) {
        return n->drv->allocated_size((struct node *)(uintptr_t)n);
    }
    if ((n->drv->traits & DRV_FILTER) && node_filtered(n)) {
        return allocated_size(node_filtered(n)->node); /* What else it has is not the image. */
    }
    for (const struct child *c = n->children; c; c = c->next) {
        int64_t bytes;

        if (!(c->roles & (ROLE_DATA | ROLE_METADATA | ROLE_FILTERED))) {
            continue;
        }
        bytes = allocated_size(c->node);
        if (bytes < 0) {
            return bytes;
        }
        sum += bytes;
    }
    return n->children ? sum : -ENOTSUP;
}

/* What the image's header says of its backing file. */
static void describe_backing_name(const struct node *n, json_t *image)
{
    char *full;

    if (!n->backing_file || !*n->backing_file) {
        return;
    }
    json_object_set_new(image, "backing-filename", json_string(n->backing_file));
    if (node_backing_path(n, &full, NULL) == 0) {
        json_object_set_new(image, "full-backing-filename", json_string(full));
        free(full);
    }
    if (n->backing_format) {
        json_object_set_new(image, "backing-filename-format", json_string(n->backing_format));
    }
}

/* One node's image, without what lies below. */
static json_t *describe_image(const struct node *n)
{
    enum { SECTOR = 512 };
    struct driver_info info = { 0 };
    int64_t length = io_length(n), size = allocated_size(n);
    char *name = node_filename(n);
    json_t *image = json_pack("{s:s, s:s, s:I}", "filename", name, "format", n->drv->name,
                              "virtual-size",
                              (json_int_t)((length + SECTOR - 1) / SECTOR * SECTOR));

    CHECK(image);
    free(name);
    if (size >= 0) {
        json_object_set_new(image, "actual-size", json_integer(size));
    }
    if (node_info(n, &info) == 0) {
        json_object_set_new(image, "dirty-flag", json_boolean(info.dirty));
        if (info.cluster_size) {
            json_object_set_new(image, "cluster-size", json_integer(info.cluster_size));
        }
    }
    qmp_describe_specific(n, image);
    describe_backing_name(n, image);
    return image;
}

/* n, or what stands below it when it is a filter that a job put there and nobody named. */
static const struct node *skip_implicit(const struct node *n)
{
    while (n && n->implicit && node_filtered(n)) {
        n = node_filtered(n)->node;
    }
    return n;
}

/* *depth: how many nodes lie below in the chain; flat: they are not described, nor counted.
 * device: neither are implicit filters. */
static json_t *describe_chain(const struct node *n, bool flat, bool device, int *depth)
{
    json_t *image = describe_image(n), *innermost = image;

    *depth = 0;
    while (!flat && (n = chain_next(n)) && (n = device ? skip_implicit(n) : n)) {
        json_t *below = describe_image(n);

        json_object_set_new(innermost, "backing-image", below);
        innermost = below;
        ++*depth;
    }
    return image;
}

/* ---- Nodes ---- */

/* BlockDeviceInfo of a node: of itself, or (b) of the medium of a device. */
static json_t *describe_node(const struct node *n, const struct backend *b, bool flat)
{
    int depth;
    bool writeback = !b || backend_writeback(b);
    json_t *image = describe_chain(n, flat, b != NULL, &depth);
    const char *zeroes = schema_enum_value(n->layer->drivers, &schema_detect_zeroes,
                                           n->flags.detect_zeroes);
    json_t *info = json_pack(
        "{s:O, s:s, s:b, s:s, s:i, s:b, s:s, s:o, s:{s:b, s:b, s:b}, s:I}", "file",
        json_object_get(image, "filename"), "node-name", n->name, "ro", n->flags.read_only, "drv",
        n->drv->name, "backing_file_depth", depth, "encrypted", 0, "detect_zeroes", zeroes,
        "image", image, "cache", "writeback", writeback, "direct", n->flags.cache_direct,
        "no-flush", n->flags.cache_no_flush, "write_threshold", (json_int_t)n->write_threshold);

    CHECK(info);
    throttle_show(NULL, info);
    if (node_backing(n)) {
        char *name = node_filename(node_backing(n)->node);

        json_object_set_new(info, "backing_file", json_string(name));
        free(name);
    }
    json_t *bitmaps = bitmap_describe_all(n);
    if (bitmaps) {
        json_object_set_new(info, "dirty-bitmaps", bitmaps);
    }
    return info;
}

/* ---- Commands ---- */

static int query_named_block_nodes(struct layer *l, const json_t *args, json_t **ret,
                                   struct error *err)
{
    bool flat = json_is_true(json_object_get(args, "flat"));

    (void)err;
    *ret = json_array();
    filenames_begin(l);
    for (const struct node *n = l->nodes_tail; n; n = n->prev) {
        if (node_is_usable(n)) {
            json_array_append_new(*ret, describe_node(n, NULL, flat));
        }
    }
    filenames_end(l);
    return 0;
}

static const struct schema_member named_args[] = {
    { "flat", &schema_bool, MEMBER_OPTIONAL, "off", "leave out what lies below each node" },
    { 0 },
};

static const struct schema_type named_type = {
    .name = "q_obj_query-named-block-nodes-arg", .kind = SCHEMA_STRUCT, .members = named_args
};

const struct qmp_command qmp_query_named_block_nodes = {
    .name = "query-named-block-nodes",
    .args = &named_type,
    .returns = &device_info_list,
    .help = "all nodes, the newest first",
    .run = query_named_block_nodes,
};

/* A device with its medium.  One that no frontend uses counts as removable. */
static json_t *describe_device(const struct backend *b)
{
    const struct node *n = skip_implicit(backend_node(b));
    const char *status = backend_io_status(b);
    struct device_view v = { .removable = true };
    bool used = device_view_of(b, &v);
    json_t *info = json_pack("{s:s, s:s, s:b, s:b}", "device", backend_name(b), "type", "unknown",
                             "removable", v.removable, "locked", 0);

    CHECK(info);
    if (n) {
        json_t *inserted = describe_node(n, b, false);

        throttle_show(b, inserted);
        json_object_set_new(info, "inserted", inserted);
    }
    if (used) {
        json_object_set_new(info, "qdev", json_string(v.id));
    }
    if (used && v.removable) {
        json_object_set_new(info, "tray_open", json_boolean(v.tray_open));
    }
    if (status) {
        json_object_set_new(info, "io-status", json_string(status));
    }
    return info;
}

static int query_block(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct device_view v;

    (void)args;
    (void)err;
    *ret = json_array();
    for (const struct backend *b = l->backends; b; b = backend_next(b)) {
        if (*backend_name(b) || device_view_of(b, &v)) { /* The others are some client's own. */
            json_array_append_new(*ret, describe_device(b));
        }
    }
    return 0;
}

const struct qmp_command qmp_query_block = {
    .name = "query-block",
    .returns = &block_info_list,
    .help = "block devices: named ones, and those of frontends",
    .run = query_block,
};
