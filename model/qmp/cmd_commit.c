/* SPDX-License-Identifier: MIT */
/* block-commit: images of a chain go into one below them.
 *
 * The active layer, or any image that somebody writes to, is committed by a mirror that the user
 * completes; what lies below it by a commit job (model/job/commit.h).  (QEMU qapi/block-core.json,
 * docs/interop/live-block-operations.rst.)
 */
#include "base/check.h"
#include "model/blocker.h"
#include "model/job/chain.h"
#include "model/job/commit.h"
#include "model/job/filter.h"
#include "model/job/mirror.h"
#include "model/layer.h"
#include "model/qmp/commands.h"
#include "model/qmp/job_args.h"

#include <errno.h>

/* ---- Which images ---- */

static struct node *find_active(const struct layer *l, const char *device, struct error *err)
{
    if (!layer_lookup(l, device, device, NULL)) {
        error_set_class(err, ERROR_DEVICE_NOT_FOUND, -ENODEV, "Device '%s' not found", device);
        return NULL;
    }
    return job_args_root(l, device, err);
}

/* By node name, in the chain of `from`. */
static struct node *find_by_node(struct node *from, const char *name, struct error *err)
{
    struct node *n = layer_lookup(from->layer, NULL, name, err);
    if (n && !node_chain_contains(from, n)) {
        error_set(err, -EINVAL, "'%s' is not in this backing file chain", name);
        return NULL;
    }
    return n;
}

static struct node *find_top(struct node *active, const json_t *args, struct error *err)
{
    const char *node = args_str(args, "top-node"), *file = args_str(args, "top");
    struct node *n = active;
    if (node && file) {
        error_set(err, -EINVAL, "'top-node' and 'top' are mutually exclusive");
        return NULL;
    }
    if (node) {
        return find_by_node(active, node, err);
    }
    if (file && !chain_is_called(active, file)) {
        n = chain_find_image(active, file);
    }
    if (!n) {
        error_set(err, -ENOENT, "Top image file %s not found", file);
    }
    return n;
}

static struct node *find_base(struct node *top, const json_t *args, struct error *err)
{
    const char *node = args_str(args, "base-node"), *file = args_str(args, "base");
    if (node && file) {
        error_set(err, -EINVAL, "'base-node' and 'base' are mutually exclusive");
        return NULL;
    }
    if (node) {
        return find_by_node(top, node, err);
    }
    struct node *n = file ? chain_find_image(top, file) : chain_overlay(top, NULL);
    if (!n) {
        error_set(err, -ENOENT, "Can't find '%s' in the backing chain", file ? file : "NULL");
    }
    return n;
}

/* ---- Whether ---- */

static int check_chain(const struct node *top, const struct node *base, struct error *err)
{
    const struct node *n = top;
    int ret = blocker_check(n, BLOCK_OP_COMMIT_TARGET, err);
    while (ret == 0 && n != base) {
        n = node_below(n);
        CHECK(n != NULL);
        ret = blocker_check(n, BLOCK_OP_COMMIT_TARGET, err);
    }
    if (ret == 0 && top == base) {
        ret = error_set(err, -EINVAL, "cannot commit an image into itself");
    }
    return ret;
}

static bool is_written(const struct node *n)
{
    uint32_t used = 0;
    for (const struct child *c = n->parents; c; c = c->next_parent) {
        used |= c->perm.used;
    }
    return used & PERM_WRITE;
}

/* ---- The command ---- */

static int start_active(const struct commit_args *a, struct error *err)
{
    bool is_active = node_skip_filters(a->top) == node_skip_filters(a->active);
    if (a->backing_file) {
        return error_set(err, -EINVAL,
                         is_active ? "'backing-file' specified, but 'top' is the active layer"
                                   : "'backing-file' specified, but 'top' has a writer on it");
    }
    const char *id = a->job_id ? a->job_id : block_job_default_id(a->active);
    return mirror_start_commit_active(a->top, a->base, id, a->speed, a->on_error, a->filter_name,
                                      false, a->flags, err);
}

static int start(const struct commit_args *a, struct error *err)
{
    if (is_written(a->top) || node_skip_filters(a->top) == node_skip_filters(a->active)) {
        return start_active(a, err);
    }
    struct node *overlay = chain_overlay(a->active, a->top);
    CHECK(overlay != NULL);
    int ret = blocker_check(overlay, BLOCK_OP_COMMIT_TARGET, err);
    return ret < 0 ? ret : commit_start(a, err);
}

static int block_commit(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct commit_args a = { .job_id = args_str(args, "job-id"),
                             .backing_file = args_str(args, "backing-file"),
                             .filter_name = args_str(args, "filter-node-name"),
                             .speed = job_args_speed(args),
                             .on_error = job_args_on_error(args, "on-error"),
                             .flags = job_args_flags(args) };
    (void)ret;
    a.active = find_active(l, args_str(args, "device"), err);
    if (!a.active) {
        return -ENODEV;
    }
    int code = blocker_check(a.active, BLOCK_OP_COMMIT_SOURCE, err);
    if (code < 0) {
        return code;
    }
    a.top = find_top(a.active, args, err);
    a.base = a.top ? find_base(a.top, args, err) : NULL;
    if (!a.base) {
        return -ENOENT;
    }
    code = check_chain(a.top, a.base, err);
    return code < 0 ? code : start(&a, err);
}

static const struct schema_member commit_members[] = {
    { "job-id", &schema_str, MEMBER_OPTIONAL, NULL, "name of the job; that of the device" },
    { "device", &schema_str, 0, NULL, "device or root node of the chain" },
    { "base-node", &schema_str, MEMBER_OPTIONAL, NULL, "where it goes: a node; the lowest" },
    { "base", &schema_str, MEMBER_OPTIONAL | MEMBER_DEPRECATED, NULL, "or its file name" },
    { "top-node", &schema_str, MEMBER_OPTIONAL, NULL, "the highest that goes: a node; the root" },
    { "top", &schema_str, MEMBER_OPTIONAL | MEMBER_DEPRECATED, NULL, "or its file name" },
    { "backing-file", &schema_str, MEMBER_OPTIONAL, NULL,
      "what the overlay's header says afterwards; the name of base" },
    { "speed", &schema_int, MEMBER_OPTIONAL, "0", "bytes per second; 0: no limit" },
    { "on-error", &schema_on_error, MEMBER_OPTIONAL, "report", "what to do about errors" },
    { "filter-node-name", &schema_str, MEMBER_OPTIONAL, NULL,
      "name of the filter above top; one is made up" },
    { "auto-finalize", &schema_bool, MEMBER_OPTIONAL, "true",
      "the end does not wait for the user" },
    { "auto-dismiss", &schema_bool, MEMBER_OPTIONAL, "true", "it is forgotten at its end" },
    { 0 },
};

static const struct schema_type commit_type = {
    .name = "q_obj_block-commit-arg", .kind = SCHEMA_STRUCT, .members = commit_members
};

const struct qmp_command qmp_block_commit = {
    .name = "block-commit",
    .args = &commit_type,
    .help = "put what images of a chain hold into one below them",
    .run = block_commit,
};
