/* SPDX-License-Identifier: MIT */
/* What lies below a node that has not allocated everything: reading it, and finding which layer has
 * what a reader sees.
 */
#include "model/io_private.h"

#include <errno.h>

int io_read_backing(struct node *n, int64_t offset, struct iobuf *buf)
{
    struct child *c = node_backing(n);
    int64_t bytes = (int64_t)buf->len;
    int64_t there = c ? MIN(bytes, MAX(0, c->node->length - offset)) : 0;
    if (there < bytes) {
        iobuf_set(buf, (size_t)there, FILL_ZERO, (size_t)(bytes - there));
    }
    if (there == 0) {
        return 0;
    }
    if (there == bytes) {
        return io_read(c, offset, buf, 0);
    }
    buf->symbolic = false;
    struct iobuf part = iobuf_slice(buf, 0, (size_t)there);
    return io_read(c, offset, &part, 0);
}

int io_status_above(struct node *n, const struct node *base, int64_t offset, int64_t bytes,
                    struct io_extent *out)
{
    int ret = io_status(n, offset, bytes, out);
    struct node *p = node_below(n);
    int64_t end = n->length;
    while (ret == 0 && out->bytes > 0 && !(out->flags & STATUS_ALLOCATED) && p && p != base) {
        int64_t asked = out->bytes;
        ret = io_status(p, offset, asked, out);
        if (ret == 0 && out->bytes == 0) {
            /* This layer is short: it is as if it had zeroes there. */
            *out = (struct io_extent){ .flags = STATUS_ZERO | STATUS_ALLOCATED, .bytes = asked,
                                       .file = p };
        }
        p = node_below(p);
    }
    if (ret == 0) {
        out->flags &= ~(uint32_t)STATUS_EOF;
        out->flags |= offset + out->bytes >= end ? STATUS_EOF : 0;
    }
    return ret;
}
