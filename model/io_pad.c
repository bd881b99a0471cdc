/* SPDX-License-Identifier: MIT */
/* Requests that are not aligned to their node.
 *
 *        |<- head ->|<------ request ------>|<- tail ->|
 *        +----------+-----------------------+----------+
 *        ^ aligned down                     aligned up ^
 *
 * A read fetches the whole aligned range and drops head and tail.  A write is a read-modify-write:
 * it excludes all that overlaps the aligned range, reads the first and last block, and writes the
 * aligned range with the request's data in the middle.
 */
#include "model/io_private.h"
#include "model/layer_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct pad {
    int64_t offset, bytes; /* Aligned. */
    size_t align, head, tail;
    uint8_t *first, *last; /* The blocks at both ends; the same when there is only one. */
    uint8_t *data;         /* The request's bytes when it came as a fill. */
    struct iovec *iov;
    struct iobuf buf;      /* All of it. */
    struct layer *layer;
    uint64_t held;         /* Bytes of memory counted in the layer. */
};

/* Memory that padded requests of a layer hold at a time: an alignment may be 1 GiB. */
#define PAD_BYTES_MAX (UINT64_C(5) << 30)

/* Errors: -ENOMEM, and then there is nothing to be freed. */
static int pad_init(struct pad *p, const struct node *n, const struct io_req *req)
{
    int64_t align = n->limits.request_alignment;
    *p = (struct pad){ .align = (size_t)align };
    p->offset = req->offset & ~(align - 1);
    int64_t end = (req->offset + req->bytes + align - 1) & ~(align - 1);
    p->bytes = end - p->offset;
    p->head = (size_t)(req->offset - p->offset);
    p->tail = (size_t)(end - req->offset - req->bytes);
    CHECK(p->head > 0 || p->tail > 0);
    bool two = p->bytes > align;
    p->layer = n->layer;
    p->held = p->align * (two ? 2 : 1) + (iobuf_is_in_memory(req->buf) ? 0 : req->buf->len);
    if (p->held > PAD_BYTES_MAX - n->layer->pad_bytes) {
        return -ENOMEM;
    }
    n->layer->pad_bytes += p->held;
    p->first = mem_alloc(p->align);
    p->last = two ? mem_alloc(p->align) : p->first;
    return 0;
}

static void pad_fini(struct pad *p)
{
    if (p->last != p->first) {
        free(p->last);
    }
    free(p->first);
    free(p->data);
    free(p->iov);
    CHECK(p->layer->pad_bytes >= p->held);
    p->layer->pad_bytes -= p->held;
}

/* Appends the memory of b, leaving out what lies before skip. */
static int add_iov(struct iovec *out, const struct iobuf *b)
{
    int count = 0;
    size_t skip = b->skip;
    size_t left = b->len;
    for (int i = 0; i < b->iov_count && left > 0; i++) {
        if (skip >= b->iov[i].iov_len) {
            skip -= b->iov[i].iov_len;
            continue;
        }
        size_t n = MIN(b->iov[i].iov_len - skip, left);
        out[count++] = (struct iovec){ (char *)b->iov[i].iov_base + skip, n };
        skip = 0;
        left -= n;
    }
    CHECK(left == 0);
    return count;
}

/* The aligned range as one buffer: head, the request's memory, tail. */
static void pad_join(struct pad *p, const struct iobuf *request)
{
    p->iov = NEW_ARRAY(struct iovec, (size_t)request->iov_count + 3);
    int count = 0;
    if (p->head > 0) {
        p->iov[count++] = (struct iovec){ p->first, p->head };
    }
    if (!iobuf_is_in_memory(request)) {
        p->data = mem_alloc(request->len);
        iobuf_copy_out(request, 0, p->data, request->len);
        p->iov[count++] = (struct iovec){ p->data, request->len };
    } else {
        count += add_iov(p->iov + count, request);
    }
    if (p->tail > 0) {
        p->iov[count++] = (struct iovec){ p->last + p->align - p->tail, p->tail };
    }
    p->buf = iobuf_iov(p->iov, count, (size_t)p->bytes);
}

int io_read_padded(struct node *n, struct io_req *req)
{
    struct pad p;
    int ret = pad_init(&p, n, req);
    if (ret < 0) {
        return ret;
    }
    pad_join(&p, req->buf);
    struct io_req aligned = { IO_READ, req->flags, p.offset, p.bytes, &p.buf, PREALLOC_OFF };
    struct tracked t;
    track_begin(n, &t, IO_READ, p.offset, p.bytes);
    ret = io_read_aligned(n, &t, &aligned);
    track_end(n, &t);
    pad_fini(&p);
    return ret;
}

static int read_block(struct node *n, struct tracked *t, int64_t offset, uint8_t *block,
                      size_t align)
{
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, block, align);
    struct io_req r = { IO_READ, 0, offset, (int64_t)align, &buf, PREALLOC_OFF };
    return io_read_aligned(n, t, &r);
}

/* Reads the blocks at the ends.  When there is only one, one read serves both. */
static int rmw_read(struct node *n, struct tracked *t, struct pad *p)
{
    bool merged = p->first == p->last;
    int ret = 0;
    if (p->head > 0 || merged) {
        if (p->head > 0) {
            node_event(n, "pwritev_rmw_head");
        }
        if (merged && p->tail > 0) {
            node_event(n, "pwritev_rmw_tail");
        }
        ret = read_block(n, t, p->offset, p->first, p->align);
        if (ret < 0) {
            return ret;
        }
        if (p->head > 0) {
            node_event(n, "pwritev_rmw_after_head");
        }
        if (merged && p->tail > 0) {
            node_event(n, "pwritev_rmw_after_tail");
        }
    }
    if (!merged && p->tail > 0) {
        node_event(n, "pwritev_rmw_tail");
        ret = read_block(n, t, p->offset + p->bytes - (int64_t)p->align, p->last, p->align);
        if (ret == 0) {
            node_event(n, "pwritev_rmw_after_tail");
        }
    }
    return ret;
}

int io_write_padded(struct node *n, struct io_req *req)
{
    struct pad p;
    int ret = pad_init(&p, n, req);
    if (ret < 0) {
        return ret;
    }
    struct tracked t;
    track_begin(n, &t, IO_WRITE, req->offset, req->bytes);
    track_serialise(n, &t, p.align);
    track_wait(n, &t);
    ret = rmw_read(n, &t, &p);
    if (ret == 0) {
        pad_join(&p, req->buf);
        struct io_req aligned = { IO_WRITE, req->flags, p.offset, p.bytes, &p.buf, PREALLOC_OFF };
        ret = io_write_aligned(n, &t, &aligned);
    }
    track_end(n, &t);
    pad_fini(&p);
    return ret;
}
