/* SPDX-License-Identifier: MIT */
/* block-stream: what lies below a node goes into it (model/job/stream.h; QEMU
 * qapi/block-core.json). */
#include "base/check.h"
#include "model/blocker.h"
#include "model/job/chain.h"
#include "model/job/filter.h"
#include "model/job/stream.h"
#include "model/layer.h"
#include "model/qmp/commands.h"
#include "model/qmp/job_args.h"

#include <errno.h>

/* ---- How far down ---- */

static int check_not_both(const json_t *args, const char *one, const char *other,
                          struct error *err)
{
    if (!args_str(args, one) || !args_str(args, other)) {
        return 0;
    }
    return error_set(err, -EINVAL, "'%s' and '%s' cannot be specified at the same time", one,
                     other);
}

static int check_ends(const json_t *args, struct error *err)
{
    int ret = check_not_both(args, "base", "base-node", err);
    if (ret == 0) {
        ret = check_not_both(args, "base", "bottom", err);
    }
    return ret < 0 ? ret : check_not_both(args, "bottom", "base-node", err);
}

static int find_base_node(struct stream_args *a, const char *device, const char *name,
                          struct error *err)
{
    a->base = layer_lookup(a->node->layer, NULL, name, err);
    if (!a->base) {
        return -ENODEV;
    }
    if (a->base == a->node || !node_chain_contains(a->node, a->base)) {
        return error_set(err, -EINVAL, "Node '%s' is not a backing image of '%s'", name, device);
    }
    return 0;
}

static int find_bottom(struct stream_args *a, const char *device, const char *name,
                       struct error *err)
{
    a->bottom = layer_lookup(a->node->layer, NULL, name, err);
    if (!a->bottom) {
        return -ENODEV;
    }
    if (a->bottom->drv->traits & DRV_FILTER) {
        return error_set(err, -EINVAL, "Node '%s' is a filter, use a non-filter node as 'bottom'",
                         name);
    }
    if (!node_chain_contains(a->node, a->bottom)) {
        return error_set(err, -EINVAL, "Node '%s' is not in a chain starting from '%s'", name,
                         device);
    }
    return 0;
}

static int find_ends(struct stream_args *a, const json_t *args, struct error *err)
{
    const char *base = args_str(args, "base"), *node = args_str(args, "base-node");
    const char *bottom = args_str(args, "bottom"), *device = args_str(args, "device");
    if (base) {
        a->base = chain_find_image(a->node, base);
        return a->base ? 0 : error_set(err, -ENOENT, "Can't find '%s' in the backing chain", base);
    }
    if (node) {
        return find_base_node(a, device, node, err);
    }
    return bottom ? find_bottom(a, device, bottom, err) : 0;
}

/* From the node down to above base. */
static int check_blockers(const struct stream_args *a, struct error *err)
{
    int ret = 0;
    const struct node *n = a->node;
    while (n && n != a->base && ret == 0) {
        ret = blocker_check(n, BLOCK_OP_STREAM, err);
        n = n == a->bottom ? NULL : node_below(n);
    }
    return ret;
}

/* ---- The command ---- */

static int block_stream(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    const char *device = args_str(args, "device");
    struct stream_args a = { .job_id = args_str(args, "job-id"),
                             .backing_file = args_str(args, "backing-file"),
                             .filter_name = args_str(args, "filter-node-name"),
                             .speed = job_args_speed(args),
                             .on_error = job_args_on_error(args, "on-error"),
                             .flags = job_args_flags(args) };
    (void)ret;
    int code = check_ends(args, err);
    if (code < 0) {
        return code;
    }
    a.node = layer_lookup(l, device, device, err);
    if (!a.node) {
        return -ENODEV;
    }
    code = find_ends(&a, args, err);
    if (code == 0) {
        code = check_blockers(&a, err);
    }
    if (code == 0 && a.backing_file && !a.base) {
        code = error_set(err, -EINVAL,
                         "backing file specified, but streaming the entire chain");
    }
    return code < 0 ? code : stream_start(&a, err);
}

static const struct schema_member stream_args_members[] = {
    { "job-id", &schema_str, MEMBER_OPTIONAL, NULL, "name of the job; that of the device" },
    { "device", &schema_str, 0, NULL, "device or node that gets what lies below it" },
    { "base", &schema_str, MEMBER_OPTIONAL, NULL, "file name of what it stands on afterwards" },
    { "base-node", &schema_str, MEMBER_OPTIONAL, NULL, "or the node" },
    { "backing-file", &schema_str, MEMBER_OPTIONAL, NULL,
      "what its header says afterwards; the name of base" },
    { "bottom", &schema_str, MEMBER_OPTIONAL, NULL, "or the lowest node that goes into it" },
    { "speed", &schema_int, MEMBER_OPTIONAL, "0", "bytes per second; 0: no limit" },
    { "on-error", &schema_on_error, MEMBER_OPTIONAL, "report", "what to do about errors" },
    { "filter-node-name", &schema_str, MEMBER_OPTIONAL, NULL,
      "name of the filter above it; one is made up" },
    { "auto-finalize", &schema_bool, MEMBER_OPTIONAL, "true",
      "the end does not wait for the user" },
    { "auto-dismiss", &schema_bool, MEMBER_OPTIONAL, "true", "it is forgotten at its end" },
    { 0 },
};

static const struct schema_type stream_type = {
    .name = "q_obj_block-stream-arg", .kind = SCHEMA_STRUCT, .members = stream_args_members
};

const struct qmp_command qmp_block_stream = {
    .name = "block-stream",
    .args = &stream_type,
    .help = "copy what lies below a node into it",
    .run = block_stream,
};
