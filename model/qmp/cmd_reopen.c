/* SPDX-License-Identifier: MIT */
/* blockdev-reopen, and what else changes a node that is in use: change-backing-file,
 * x-blockdev-set-iothread.  (QEMU qapi/block-core.json.) */
#include "base/check.h"
#include "base/mem.h"
#include "model/iothread.h"
#include "model/layer_state.h"
#include "model/object.h"
#include "model/qmp/commands.h"
#include "model/qmp/job_args.h"
#include "model/reopen.h"

#include <errno.h>
#include <string.h>

/* ---- blockdev-reopen ---- */

static int blockdev_reopen(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)ret;
    return reopen_many(l, json_object_get(args, "options"), err);
}

static const struct schema_type options_list = {
    .name = "BlockdevOptionsList", .kind = SCHEMA_ARRAY, .element = &schema_blockdev_options
};

static const struct schema_member reopen_args[] = {
    { "options", &options_list, 0, NULL, "nodes by node-name, with all their options" },
    { 0 },
};

static const struct schema_type reopen_type = {
    .name = "q_obj_blockdev-reopen-arg", .kind = SCHEMA_STRUCT, .members = reopen_args
};

const struct qmp_command qmp_blockdev_reopen = {
    .name = "blockdev-reopen",
    .args = &reopen_type,
    .help = "give nodes other options, all of them or none",
    .run = blockdev_reopen,
};

/* ---- change-backing-file ---- */

/* The next node of a chain of backing files and filters, or NULL. */
static struct node *chain_next(const struct node *n)
{
    const struct child *c = node_backing(n);
    if (!c && (n->drv->traits & DRV_FILTER)) {
        c = node_filtered(n);
    }
    return c ? c->node : NULL;
}

static int check_image(const char *device, const struct node *top, const struct node *image,
                       struct error *err)
{
    const struct node *n = top;
    if (!chain_next(image)) {
        return error_set(err, -EINVAL,
                         "not allowing backing file change on an image without a backing file");
    }
    while (n && n != image) {
        n = chain_next(n);
    }
    return n ? 0 : error_set(err, -EINVAL, "'%s' and image file are not in the same chain", device);
}

/* The format that is written beside the name is, as in QEMU 7.2, that of the image itself. */
static int write_name(struct node *image, const char *name, struct error *err)
{
    const struct driver_image *ops = image->drv->image;
    struct error why = ERROR_INIT;
    int ret = ops && ops->set_backing
                  ? ops->set_backing(image, name, image->drv->name, &why)
                  : -ENOTSUP;
    return ret < 0 ? error_set_errno(err, ret, "Could not change backing file to '%s'", name) : 0;
}

/* A read-only image is made writable for it. */
static int change_name(struct node *image, const char *name, struct error *err)
{
    bool read_only = image->flags.read_only;
    int ret = read_only ? reopen_set_read_only(image, false, err) : 0;
    if (ret < 0) {
        return ret;
    }
    ret = write_name(image, name, err);
    if (read_only) {
        int back = reopen_set_read_only(image, true, ret < 0 ? NULL : err);
        ret = ret < 0 ? ret : back;
    }
    return ret;
}

static int change_backing_file(struct layer *l, const json_t *args, json_t **ret,
                               struct error *err)
{
    const char *device = args_str(args, "device");
    struct node *top = job_args_root(l, device, err);

    (void)ret;
    if (!top) {
        return -ENODEV;
    }
    struct node *image = layer_lookup(l, NULL, args_str(args, "image-node-name"), err);
    if (!image) {
        return -ENODEV;
    }
    int code = check_image(device, top, image, err);
    if (code == 0) {
        node_ref(image);
        code = change_name(image, args_str(args, "backing-file"), err);
        node_unref(image);
    }
    return code;
}

static const struct schema_member backing_args[] = {
    { "device", &schema_str, 0, NULL, "device or node that stands on the image" },
    { "image-node-name", &schema_str, 0, NULL, "the image whose header changes" },
    { "backing-file", &schema_str, 0, NULL, "the name that is written; empty: none" },
    { 0 },
};

static const struct schema_type backing_type = {
    .name = "q_obj_change-backing-file-arg", .kind = SCHEMA_STRUCT, .members = backing_args
};

const struct qmp_command qmp_change_backing_file = {
    .name = "change-backing-file",
    .args = &backing_type,
    .help = "write another backing file name into an image; the graph stays",
    .run = change_backing_file,
};

/* ---- x-blockdev-set-iothread ---- */

static bool has_backend(const struct layer *l, const struct node *n)
{
    for (const struct backend *b = l->backends; b; b = backend_next(b)) {
        if (backend_node(b) == n) {
            return true;
        }
    }
    return false;
}

static int set_iothread(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct node *n = layer_find_node(l, args_str(args, "node-name"));
    const char *iothread = args_str(args, "iothread");
    int number = 0;

    (void)ret;
    if (!n) {
        return error_set(err, -ENODEV, "Failed to find node with node-name='%s'",
                         args_str(args, "node-name"));
    }
    if (!json_is_true(json_object_get(args, "force")) && has_backend(l, n)) {
        return error_set(err, -EBUSY,
                         "Node %s is associated with a BlockBackend and could be in use (use "
                         "force=true to override this check)",
                         n->name);
    }
    if (iothread) {
        number = object_iothread_number(l, iothread);
    }
    return number < 0 ? error_set(err, -ENOENT, "Cannot find iothread %s", iothread)
                      : node_set_iothread(n, (uint32_t)number, err);
}

static const struct schema_type *const str_or_null[] = { &schema_str, &schema_null, NULL };

static const struct schema_type str_or_null_type = {
    .name = "StrOrNull", .kind = SCHEMA_ALTERNATE, .alternatives = str_or_null
};

static const struct schema_member iothread_args[] = {
    { "node-name", &schema_str, 0, NULL, "name of the node" },
    { "iothread", &str_or_null_type, 0, NULL, "where it goes; null: the main loop" },
    { "force", &schema_bool, MEMBER_OPTIONAL, "false", "also when a device may use it" },
    { 0 },
};

static const struct schema_type iothread_type = {
    .name = "q_obj_x-blockdev-set-iothread-arg", .kind = SCHEMA_STRUCT, .members = iothread_args
};

const struct qmp_command qmp_blockdev_set_iothread = {
    .name = "x-blockdev-set-iothread",
    .args = &iothread_type,
    .help = "move a node and all it is connected with to an iothread",
    .run = set_iothread,
};
