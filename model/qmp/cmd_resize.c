/* SPDX-License-Identifier: MIT */
/* block_resize (QEMU qapi/block-core.json). */
#include "model/blocker.h"
#include "model/layer_state.h"
#include "model/qmp/commands.h"

#include <errno.h>
#include <inttypes.h>

static int check_size(const struct node *n, const char *device, int64_t size, struct error *err)
{
    if (size < 0) {
        return error_set(err, -EINVAL, "Parameter 'size' expects a >0 size");
    }
    if (blocker_check(n, BLOCK_OP_RESIZE, NULL) < 0) {
        return error_set(err, -EBUSY, "Device '%s' is in use", device ? device : "(null)");
    }
    return 0;
}

static int resize(struct layer *l, struct node *n, int64_t size, struct error *err)
{
    struct perm_pair perm = { .used = PERM_RESIZE, .shared = PERM_ALL };
    struct backend *b = backend_create(l, NULL, perm);
    int ret = backend_insert(b, n, err);
    if (ret == 0 && size > IO_MAX_LENGTH) {
        ret = error_set(err, -EFBIG, "offset(%" PRId64 ") exceeds maximum(%" PRId64 ")", size,
                        IO_MAX_LENGTH);
    }
    if (ret == 0) {
        ret = backend_truncate(b, size, 0, PREALLOC_OFF, err);
    }
    backend_destroy(b);
    return ret;
}

static int block_resize(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    const char *device = json_string_value(json_object_get(args, "device"));
    const char *name = json_string_value(json_object_get(args, "node-name"));
    int64_t size = json_integer_value(json_object_get(args, "size"));
    struct node *n = layer_lookup(l, device, name, err);

    (void)ret;
    if (!n) {
        return -ENODEV;
    }
    int code = check_size(n, device, size, err);
    return code < 0 ? code : resize(l, n, size, err);
}

static const struct schema_member resize_args[] = {
    { "device", &schema_str, MEMBER_OPTIONAL, NULL, "the block device, or" },
    { "node-name", &schema_str, MEMBER_OPTIONAL, NULL, "the node" },
    { "size", &schema_int, 0, NULL, "new length in bytes" },
    { 0 },
};

static const struct schema_type resize_type = {
    .name = "q_obj_block_resize-arg", .kind = SCHEMA_STRUCT, .members = resize_args
};

const struct qmp_command qmp_block_resize = {
    .name = "block_resize",
    .args = &resize_type,
    .help = "give an image another length",
    .run = block_resize,
};
