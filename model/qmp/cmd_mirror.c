/* SPDX-License-Identifier: MIT */
/* blockdev-mirror and drive-mirror: a disk that is in use gets a copy that keeps up with it, until
 * the copy takes its place (QEMU qapi/block-core.json, docs/interop/live-block-operations.rst;
 * behaviour of the installed 7.2).
 *
 * The one writes to a node that is there; the other makes or opens an image, which it opens without
 * a backing file: that comes when the job completes (model/job/mirror.h).
 */
#include "base/check.h"
#include "model/blocker.h"
#include "model/iothread.h"
#include "model/job/filter.h"
#include "model/job/mirror.h"
#include "model/layer_state.h"
#include "model/open.h"
#include "model/qmp/commands.h"
#include "model/qmp/job_args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { GRANULARITY_MIN = 512, GRANULARITY_MAX = 64 << 20 };

static bool is(const json_t *args, const char *name, const char *value)
{
    const char *given = args_str(args, name);
    return given && strcmp(given, value) == 0;
}

/* ---- What both have in common ---- */

static int check_granularity(const json_t *args, struct error *err)
{
    int64_t g = json_integer_value(json_object_get(args, "granularity"));
    if (g != 0 && (g < GRANULARITY_MIN || g > GRANULARITY_MAX)) {
        return error_set(err, -EINVAL,
                         "Parameter 'granularity' expects a value in range [512B, 64MB]");
    }
    return (g & (g - 1)) == 0
               ? 0
               : error_set(err, -EINVAL, "Parameter 'granularity' expects a power of 2");
}

static int check_replaces(struct node *source, const char *replaces, struct error *err)
{
    struct node *n = layer_find_node(source->layer, replaces);
    if (!n) {
        return error_set(err, -EINVAL, "Failed to find node with node-name='%s'", replaces);
    }
    int ret = blocker_check(n, BLOCK_OP_REPLACE, err);
    if (ret == 0 && !mirror_may_replace(source, n)) {
        ret = error_set(err, -EINVAL,
                        "Cannot replace '%s' by a node mirrored from '%s', because it cannot be "
                        "guaranteed that doing so would not lead to an abrupt change of visible "
                        "data",
                        n->name, source->name);
    }
    if (ret == 0 && io_length(n) != io_length(source)) {
        ret = error_set(err, -EINVAL,
                        "cannot replace image with a mirror image of different size");
    }
    return ret;
}

static int read_sync(const char *sync, enum mirror_sync *out, struct error *err)
{
    static const char *const names[] = { "top", "full", "none" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(sync, names[i]) == 0) {
            *out = (enum mirror_sync)i;
            return 0;
        }
    }
    return error_set(err, -EINVAL, "Sync mode '%s' not supported", sync);
}

/* Of the source's chain that is nothing but the source everything is copied. */
static const char *effective_sync(struct node *source, const json_t *args)
{
    const char *sync = args_str(args, "sync");
    return strcmp(sync, "top") == 0 && !node_backing_chain_next(source) ? "full" : sync;
}

/* [io] a: what only one of the two commands says. */
static int start(struct mirror_args *a, const json_t *args, struct error *err)
{
    struct node *below = node_skip_implicit(a->source);
    a->replaces = args_str(args, "replaces");
    int ret = check_granularity(args, err);
    if (ret == 0) {
        ret = blocker_check(a->source, BLOCK_OP_MIRROR_SOURCE, err);
    }
    if (ret == 0) {
        ret = blocker_check(a->target, BLOCK_OP_MIRROR_TARGET, err);
    }
    if (ret == 0 && !a->replaces && below != a->source) {
        a->replaces = below->name; /* Filters that nobody named stay on top. */
    }
    if (ret == 0 && a->replaces) {
        ret = check_replaces(a->source, a->replaces, err);
    }
    if (ret == 0) {
        ret = read_sync(effective_sync(a->source, args), &a->sync, err);
    }
    if (ret < 0) {
        return ret;
    }
    a->job_id = args_str(args, "job-id");
    a->speed = job_args_speed(args);
    a->granularity = (uint32_t)json_integer_value(json_object_get(args, "granularity"));
    a->buf_size = json_integer_value(json_object_get(args, "buf-size"));
    a->on_source_error = job_args_on_error(args, "on-source-error");
    a->on_target_error = job_args_on_error(args, "on-target-error");
    a->write_blocking = is(args, "copy-mode", "write-blocking");
    a->flags = job_args_flags(args);
    return mirror_start(a, err);
}

static int follow_iothread(struct node *target, const struct node *source, struct error *err)
{
    return target->iothread == source->iothread
               ? 0
               : node_set_iothread(target, source->iothread, err);
}

/* ---- blockdev-mirror ---- */

static int blockdev_mirror(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    const char *target = args_str(args, "target");
    struct mirror_args a = { .source = job_args_root(l, args_str(args, "device"), err),
                             .backing = MIRROR_BACKING_LEAVE,
                             .unmap = true,
                             .zero_target = is(args, "sync", "full"),
                             .filter_name = args_str(args, "filter-node-name") };
    (void)ret;
    a.target = a.source ? layer_lookup(l, target, target, err) : NULL;
    if (!a.target) {
        return -ENODEV;
    }
    int code = follow_iothread(a.target, a.source, err);
    return code < 0 ? code : start(&a, args, err);
}

/* ---- drive-mirror ---- */

/* The image that the new one will stand on, or NULL. */
static struct node *backing_of_new(struct node *source, const char *sync)
{
    if (strcmp(sync, "none") == 0) {
        return source;
    }
    return strcmp(sync, "top") == 0 ? node_backing_chain_next(source) : NULL;
}

static int make_image(struct node *source, const json_t *args, const char *format,
                      struct error *err)
{
    const struct blk_driver *drv = layer_driver(source->layer, format);
    struct node *below = node_skip_implicit(backing_of_new(source, effective_sync(source, args)));
    json_t *options = NULL;
    if (below) {
        if (drv && !(drv->traits & DRV_BACKING)) {
            return error_set(err, -ENOTSUP, "Backing file not supported for file format '%s'",
                             format);
        }
        char *name = node_filename(below);
        options = json_pack("{s:s, s:s}", "backing_file", name, "backing_fmt", below->drv->name);
        CHECK(options != NULL);
        free(name);
    }
    int ret = image_create(source->layer, format, args_str(args, "target"), io_length(source),
                           options, err);
    json_decref(options);
    return ret;
}

/* [io] Opened as the source is, for writing. */
static int open_image(const struct node *source, const json_t *args, const char *format,
                      struct node **out, struct error *err)
{
    const struct node_flags *f = &source->flags;
    json_t *options = json_pack("{s:b, s:{s:b, s:b}, s:s}", "read-only", 0, "cache", "direct",
                                f->cache_direct, "no-flush", f->cache_no_flush, "discard",
                                f->unmap ? "unmap" : "ignore");
    CHECK(options != NULL);
    if (format) {
        json_object_set_new(options, "driver", json_string(format));
    }
    if (args_str(args, "node-name")) {
        json_object_set(options, "node-name", json_object_get(args, "node-name"));
    }
    int ret = node_open_name_alone(source->layer, args_str(args, "target"), options, out, err);
    json_decref(options);
    return ret;
}

static int drive_mirror(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    const char *format = args_str(args, "format");
    const json_t *unmap = json_object_get(args, "unmap");
    bool existing = is(args, "mode", "existing");
    struct mirror_args a = { .source = job_args_root(l, args_str(args, "device"), err),
                             .backing = existing ? MIRROR_BACKING_OPEN : MIRROR_BACKING_SOURCE,
                             .unmap = !unmap || json_is_true(unmap) };
    (void)ret;
    if (!a.source) {
        return -ENODEV;
    }
    if (args_str(args, "replaces") && !args_str(args, "node-name")) {
        return error_set(err, -EINVAL,
                         "a node-name must be provided when replacing a named node of the graph");
    }
    format = format || existing ? format : a.source->drv->name;
    a.zero_target = existing && strcmp(effective_sync(a.source, args), "full") == 0;
    int code = existing ? 0 : make_image(a.source, args, format, err);
    if (code == 0) {
        code = open_image(a.source, args, format, &a.target, err);
    }
    if (code < 0) {
        return code;
    }
    code = follow_iothread(a.target, a.source, err);
    if (code == 0) {
        code = start(&a, args, err);
    }
    node_unref(a.target); /* The job has its own. */
    return code;
}

/* ---- Schema ---- */

static const char *const sync_values[] = { "top", "full", "none", "incremental", "bitmap", NULL };
static const char *const copy_values[] = { "background", "write-blocking", NULL };
static const char *const image_modes[] = { "existing", "absolute-paths", NULL };

static const struct schema_type sync_type = {
    .name = "MirrorSyncMode", .kind = SCHEMA_ENUM, .values = sync_values
};

static const struct schema_type copy_type = {
    .name = "MirrorCopyMode", .kind = SCHEMA_ENUM, .values = copy_values
};

static const struct schema_type image_mode_type = {
    .name = "NewImageMode", .kind = SCHEMA_ENUM, .values = image_modes
};

static const struct schema_type uint32_type = { .name = "uint32", .kind = SCHEMA_INT };

#define MIRROR_COMMON                                                                              \
    { "job-id", &schema_str, MEMBER_OPTIONAL, NULL, "the job; the device's name" },                \
    { "device", &schema_str, 0, NULL, "device or root node that is copied" },                      \
    { "replaces", &schema_str, MEMBER_OPTIONAL, NULL,                                              \
      "the node whose place the target takes; the source" },                                       \
    { "sync", &sync_type, 0, NULL, "what is copied beside new writes" },                           \
    { "speed", &schema_int, MEMBER_OPTIONAL, "0", "bytes per second; 0: no limit" },               \
    { "granularity", &uint32_type, MEMBER_OPTIONAL, "0",                                           \
      "bytes that are copied together; 0: the target's cluster, from 4k to 64k" },                 \
    { "buf-size", &schema_int, MEMBER_OPTIONAL, "0", "bytes under way at once; 0: 16M" },          \
    { "on-source-error", &schema_on_error, MEMBER_OPTIONAL, "report", "when reading fails" },      \
    { "on-target-error", &schema_on_error, MEMBER_OPTIONAL, "report", "when writing fails" },      \
    { "copy-mode", &copy_type, MEMBER_OPTIONAL, "background",                                      \
      "whether guests' writes wait for the target" },                                              \
    { "auto-finalize", &schema_bool, MEMBER_OPTIONAL, "on", "end without job-finalize" },          \
    { "auto-dismiss", &schema_bool, MEMBER_OPTIONAL, "on", "go without job-dismiss" }

static const struct schema_member blockdev_members[] = {
    MIRROR_COMMON,
    { "target", &schema_str, 0, NULL, "device or node that is written" },
    { "filter-node-name", &schema_str, MEMBER_OPTIONAL, NULL,
      "name of the node that is put above the source meanwhile" },
    { 0 },
};

static const struct schema_type blockdev_type = {
    .name = "q_obj_blockdev-mirror-arg", .kind = SCHEMA_STRUCT, .members = blockdev_members
};

const struct qmp_command qmp_blockdev_mirror = {
    .name = "blockdev-mirror",
    .args = &blockdev_type,
    .help = "copy a disk to a node, and what is written to it meanwhile",
    .run = blockdev_mirror,
};

static const struct schema_member drive_members[] = {
    MIRROR_COMMON,
    { "target", &schema_str, 0, NULL, "name of the image that is written" },
    { "format", &schema_str, MEMBER_OPTIONAL, NULL, "format of the image; the source's" },
    { "node-name", &schema_str, MEMBER_OPTIONAL, NULL, "name of the image's node" },
    { "mode", &image_mode_type, MEMBER_OPTIONAL, "absolute-paths",
      "whether the image is there or is made now" },
    { "unmap", &schema_bool, MEMBER_OPTIONAL, "on", "zeroes may be holes in the target" },
    { 0 },
};

static const struct schema_type drive_type = {
    .name = "DriveMirror", .kind = SCHEMA_STRUCT, .members = drive_members
};

const struct qmp_command qmp_drive_mirror = {
    .name = "drive-mirror",
    .args = &drive_type,
    .help = "copy a disk to an image, and what is written to it meanwhile",
    .run = drive_mirror,
};
