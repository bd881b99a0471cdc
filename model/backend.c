/* SPDX-License-Identifier: MIT */
#include "model/backend.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/backend_private.h"

#include <errno.h>
#include <stdlib.h>

static void describe(const struct child *c, struct strbuf *out)
{
    const struct backend *b = c->opaque;
    if (b->name) {
        strbuf_printf(out, "block device '%s'", b->name);
    } else {
        strbuf_puts(out, "an unnamed block device");
    }
}

static const struct child_parent backend_parent = { .describe = describe };

struct backend *backend_create(struct layer *l, const char *name, struct perm_pair perm)
{
    struct backend *b = NEW(struct backend);
    b->layer = l;
    b->sim = l->sim;
    b->name = name ? mem_strdup(name) : NULL;
    b->perm = perm;
    b->actor = sim_actor(l->sim);
    b->writeback = true;
    b->acct.last_ns = -1;
    b->drained.what = "requests of the block device";
    b->prev = l->backends_tail;
    *(l->backends_tail ? &l->backends_tail->next : &l->backends) = b;
    l->backends_tail = b;
    return b;
}

void backend_destroy(struct backend *b)
{
    struct layer *l = b->layer;
    backend_remove(b);
    *(b->prev ? &b->prev->next : &l->backends) = b->next;
    *(b->next ? &b->next->prev : &l->backends_tail) = b->prev;
    free(b->name);
    free(b);
}

struct backend *backend_next(const struct backend *b)
{
    return b->next;
}

int backend_insert(struct backend *b, struct node *n, struct error *err)
{
    CHECK(b->root == NULL);
    return child_attach(n, "root", ROLE_FILTERED | ROLE_PRIMARY, NULL, &backend_parent, b, b->perm,
                        &b->root, err);
}

void backend_remove(struct backend *b)
{
    while (b->in_flight > 0) {
        co_queue_wait(b->sim, &b->drained);
    }
    struct child *root = b->root;
    b->root = NULL;
    if (root) {
        child_detach(root);
    }
}

int backend_set_perm(struct backend *b, struct perm_pair perm, struct error *err)
{
    int ret = b->root ? child_set_perm(b->root, perm, err) : 0;
    if (ret == 0) {
        b->perm = perm;
    }
    return ret;
}

const char *backend_name(const struct backend *b)
{
    return b->name ? b->name : "";
}

struct node *backend_node(const struct backend *b)
{
    return b->root ? b->root->node : NULL;
}

const struct acct *backend_acct(const struct backend *b)
{
    return &b->acct;
}

void backend_set_writeback(struct backend *b, bool on)
{
    b->writeback = on;
}

bool backend_writeback(const struct backend *b)
{
    return b->writeback;
}

int64_t backend_length(const struct backend *b)
{
    return b->root ? io_length(b->root->node) : -ENOMEDIUM;
}

static enum acct_op acct_of(enum io_op op)
{
    switch (op) {
    case IO_READ:
        return ACCT_READ;
    case IO_FLUSH:
        return ACCT_FLUSH;
    case IO_DISCARD:
        return ACCT_UNMAP;
    default:
        return ACCT_WRITE;
    }
}

static int check_range(const struct backend *b, const struct io_req *req)
{
    if (!b->root) {
        return -ENOMEDIUM;
    }
    if (req->op == IO_FLUSH) {
        return 0;
    }
    if (req->bytes < 0 || req->offset < 0) {
        return -EIO;
    }
    int64_t length = io_length(b->root->node);
    return req->offset > length || length - req->offset < req->bytes ? -EIO : 0;
}

/* The one way in: trace, range, the node, accounting, trace. */
static int submit(struct backend *b, struct io_req *req)
{
    struct acct *a = &b->acct;
    enum acct_op kind = acct_of(req->op);
    sim_trace(b->sim, TRACE_REQUEST, (uint16_t)req->op, b->actor, req->offset, req->bytes);
    int ret = check_range(b, req);
    if (ret < 0) {
        a->invalid[kind]++;
    } else {
        int64_t start_ns = sim_now_ns(b->sim);
        b->in_flight++;
        ret = io_child(b->root, req);
        int64_t now_ns = sim_now_ns(b->sim);
        if (ret == 0) {
            a->ops[kind]++;
            a->bytes[kind] += (uint64_t)req->bytes;
        } else {
            a->failed[kind]++;
        }
        a->total_ns[kind] += now_ns - start_ns;
        a->last_ns = now_ns;
        if (--b->in_flight == 0 && !co_queue_empty(&b->drained)) {
            co_queue_wake_all(&b->drained);
        }
    }
    sim_trace(b->sim, TRACE_COMPLETE, (uint16_t)req->op, b->actor, req->offset, ret);
    return ret;
}

static uint32_t write_flags(const struct backend *b, uint32_t flags)
{
    return b->writeback ? flags : flags | IO_FUA;
}

int backend_read(struct backend *b, int64_t offset, struct iobuf *buf, uint32_t flags)
{
    struct io_req r = { IO_READ, flags, offset, (int64_t)buf->len, buf, PREALLOC_OFF };
    return submit(b, &r);
}

int backend_write(struct backend *b, int64_t offset, struct iobuf *buf, uint32_t flags)
{
    flags = write_flags(b, flags);
    struct io_req r = { IO_WRITE, flags, offset, (int64_t)buf->len, buf, PREALLOC_OFF };
    return submit(b, &r);
}

int backend_write_zeroes(struct backend *b, int64_t offset, int64_t bytes, uint32_t flags)
{
    flags = write_flags(b, flags);
    struct io_req r = { IO_WRITE_ZEROES, flags, offset, bytes, NULL, PREALLOC_OFF };
    return submit(b, &r);
}

int backend_discard(struct backend *b, int64_t offset, int64_t bytes)
{
    struct io_req r = { IO_DISCARD, 0, offset, bytes, NULL, PREALLOC_OFF };
    return submit(b, &r);
}

int backend_flush(struct backend *b)
{
    struct io_req r = { .op = IO_FLUSH };
    return submit(b, &r);
}

int backend_truncate(struct backend *b, int64_t length, uint32_t flags, enum io_prealloc prealloc,
                     struct error *err)
{
    if (!b->root) {
        return error_set(err, -ENOMEDIUM, "No medium inserted");
    }
    sim_trace(b->sim, TRACE_REQUEST, IO_TRUNCATE, b->actor, length, 0);
    b->in_flight++;
    int ret = io_truncate(b->root, length, flags, prealloc, err);
    if (--b->in_flight == 0) {
        co_queue_wake_all(&b->drained);
    }
    sim_trace(b->sim, TRACE_COMPLETE, IO_TRUNCATE, b->actor, length, ret);
    return ret;
}

int backend_status(struct backend *b, int64_t offset, int64_t bytes, struct io_extent *out)
{
    return b->root ? io_status(b->root->node, offset, bytes, out) : -ENOMEDIUM;
}

int backend_is_allocated(struct backend *b, int64_t offset, int64_t bytes, int64_t *pnum)
{
    return b->root ? io_is_allocated(b->root->node, offset, bytes, pnum) : -ENOMEDIUM;
}

/* The first driver on the way down the primary children that knows the command. */
int backend_command(struct backend *b, const char *name, const json_t *args, json_t *reply)
{
    struct node *n = backend_node(b);
    while (n) {
        int ret = n->drv->command ? n->drv->command(n, name, args, reply) : -ENOTSUP;
        if (ret != -ENOTSUP) {
            return ret;
        }
        struct child *c = node_primary(n);
        n = c ? c->node : NULL;
    }
    return b->root ? -ENOTSUP : -ENOMEDIUM;
}
