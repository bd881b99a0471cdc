/* SPDX-License-Identifier: MIT */
/* blockdev-create, x-blockdev-amend (QEMU qapi/block-core.json). */
#include "model/job/create.h"
#include "model/layer_state.h"
#include "model/qmp/commands.h"

#include <errno.h>
#include <string.h>

static int create(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    const json_t *options = json_object_get(args, "options");
    const struct blk_driver *drv = layer_driver(l, args_str(options, "driver"));

    (void)ret;
    if (!drv || !drv->image || !drv->image->create_members) {
        return error_set(err, -ENOTSUP, "Driver does not support blockdev-create");
    }
    return job_create_image(l, args_str(args, "job-id"), drv, options, err);
}

static const struct schema_member create_args[] = {
    { "job-id", &schema_str, 0, NULL, "name of the job" },
    { "options", &schema_create_options, 0, NULL, "what is made" },
    { 0 },
};

static const struct schema_type create_type = {
    .name = "q_obj_blockdev-create-arg", .kind = SCHEMA_STRUCT, .members = create_args
};

const struct qmp_command qmp_blockdev_create = {
    .name = "blockdev-create",
    .args = &create_type,
    .help = "start a job that makes an image",
    .run = create,
};

static int amend(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    const json_t *options = json_object_get(args, "options");
    struct node *n = layer_lookup(l, NULL, args_str(args, "node-name"), err);

    (void)ret;
    if (!n) {
        return -ENODEV;
    }
    if (strcmp(n->drv->name, args_str(options, "driver")) != 0) {
        return error_set(err, -EINVAL,
                         "x-blockdev-amend doesn't support changing the block driver");
    }
    if (!n->drv->image || !n->drv->image->amend) {
        return error_set(err, -ENOTSUP, "Driver does not support x-blockdev-amend");
    }
    return job_amend_image(n, args_str(args, "job-id"), options,
                           json_is_true(json_object_get(args, "force")), err);
}

static const struct schema_member amend_args[] = {
    { "job-id", &schema_str, 0, NULL, "name of the job" },
    { "node-name", &schema_str, 0, NULL, "the node with the image" },
    { "options", &schema_amend_options, 0, NULL, "what changes" },
    { "force", &schema_bool, MEMBER_OPTIONAL, "false", "also what may lose the image" },
    { 0 },
};

static const struct schema_type amend_type = {
    .name = "q_obj_x-blockdev-amend-arg", .kind = SCHEMA_STRUCT, .members = amend_args
};

const struct qmp_command qmp_blockdev_amend = {
    .name = "x-blockdev-amend",
    .args = &amend_type,
    .help = "start a job that changes options of an image",
    .run = amend,
};
