/* SPDX-License-Identifier: MIT */
/* Truncate: the new area is serialised against requests that might already be in it. */
#include "model/io_private.h"

#include <errno.h>
#include <inttypes.h>

static int drv_truncate(struct node *n, struct io_req *req, struct error *err)
{
    const struct driver_io *io = n->drv->io;
    if (io && io->truncate) {
        return io->truncate(n, req, err);
    }
    if (n->drv->traits & DRV_FILTER) {
        struct child *c = node_filtered(n);
        return c ? io_truncate(c, req->offset, req->flags, req->prealloc, err)
                 : error_set(err, -ENOMEDIUM, "No medium inserted");
    }
    return error_set(err, -ENOTSUP, "Image format driver does not support resize");
}

int io_do_truncate(struct node *n, struct io_req *req, struct error *err)
{
    if (req->offset < 0) {
        return error_set(err, -EINVAL, "Image size cannot be negative");
    }
    if (req->offset > IO_MAX_LENGTH) {
        return error_set(err, -EFBIG,
                         "Required too big image size, it must be not greater than %" PRId64,
                         IO_MAX_LENGTH);
    }
    if (n->flags.read_only) {
        return error_set(err, -EACCES, "Image is read-only");
    }
    int64_t old = n->length;
    int64_t grown = MAX(0, req->offset - old);
    struct tracked t;
    track_begin(n, &t, IO_TRUNCATE, req->offset - grown, grown);
    if (grown > 0) {
        track_serialise(n, &t, 1);
        track_wait(n, &t);
    }
    int ret = drv_truncate(n, req, err);
    if (ret == 0) {
        ret = io_refresh_length(n);
        if (ret < 0) {
            error_set_errno(err, ret, "Could not refresh total sector count");
        }
        n->write_gen++;
        if (n->length != old) {
            io_tell_length(n);
        }
    }
    track_end(n, &t);
    return ret;
}
