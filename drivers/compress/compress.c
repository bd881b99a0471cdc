/* SPDX-License-Identifier: MIT */
/* compress: a filter whose writes go compressed to an image that can do it.
 *
 * Requests are aligned to the clusters of the image, because only whole ones can be compressed: the
 * block layer reads what a smaller write leaves out.  Zeroes stay zeroes.
 * (QEMU qapi/block-core.json, driver compress; behaviour of the installed 7.2.)
 */
#include "base/check.h"
#include "model/node.h"

#include <errno.h>

struct compress_state {
    struct child *file;
};

static const struct schema_member options[] = {
    { "file", &schema_blockdev_ref, 0, NULL, "the image that is written" },
    { 0 },
};

static const struct child_desc children[] = {
    { "file", ROLE_FILTERED | ROLE_PRIMARY, true },
    { 0 },
};

static int compress_write(struct node *n, struct io_req *req)
{
    const struct compress_state *s = node_state(n);
    struct io_req below = *req;
    below.flags |= IO_COMPRESSED;
    return io_child(s->file, &below);
}

static int compress_open(struct node *n, const struct opts *opts, struct error *err)
{
    struct compress_state *s = node_state(n);
    int ret = node_open_child(n, opts, &children[0], &s->file, err);
    if (ret < 0) {
        return ret;
    }
    const struct node *file = s->file->node;
    if (!(file->limits.write_flags & IO_COMPRESSED)) {
        return error_set(err, -ENOTSUP, "Compression is not supported for underlying format: %s",
                         file->drv->name);
    }
    return 0;
}

static void compress_limits(const struct node *n, struct io_limits *limits)
{
    const struct compress_state *s = node_state(n);
    struct driver_info info;
    limits->write_flags &= ~(uint32_t)IO_COMPRESSED;
    if (node_info(s->file->node, &info) == 0 && info.cluster_size > 0) {
        CHECK((info.cluster_size & (info.cluster_size - 1)) == 0);
        limits->request_alignment = (uint32_t)info.cluster_size;
    }
}

static const struct driver_io compress_io = { .write = compress_write };

extern const struct blk_driver driver_compress;

const struct blk_driver driver_compress = {
    .name = "compress",
    .help = "writes compressed to an image that can do it",
    .traits = DRV_FILTER | DRV_FOLLOWS,
    .state_size = sizeof(struct compress_state),
    .options = options,
    .children = children,
    .open = compress_open,
    .limits = compress_limits,
    .io = &compress_io,
};
