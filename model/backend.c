/* SPDX-License-Identifier: MIT */
#include "model/backend.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/backend_private.h"
#include "model/drain.h"
#include "model/iothread.h"

#include <errno.h>
#include <stdlib.h>

/* ---- The root edge ---- */

static void describe(const struct child *c, struct strbuf *out)
{
    const struct backend *b = c->opaque;
    const char *id = b->name ? b->name : backend_client_id(b);
    if (*id) {
        strbuf_printf(out, "block device '%s'", id);
    } else {
        strbuf_puts(out, "an unnamed block device");
    }
}

static void close_door(struct backend *b)
{
    b->closed++;
    throttle_drain(&b->throttle, true); /* Who waits there has passed the door. */
}

static void open_door(struct backend *b)
{
    CHECK(b->closed > 0);
    throttle_drain(&b->throttle, false);
    if (--b->closed == 0) {
        co_queue_wake_all(&b->door);
    }
}

static void drained(struct child *c, bool begin)
{
    struct backend *b = c->opaque;
    if (begin) {
        close_door(b);
    } else {
        open_door(b);
    }
}

static uint32_t in_flight(const struct child *c)
{
    const struct backend *b = c->opaque;
    return b->in_flight;
}

/* A frontend's backend moves only when the frontend does it.  Those of the monitor that nobody
 * uses, and those of clients without a will of their own, follow their node. */
static int can_set_iothread(const struct child *c, uint32_t iothread, struct error *err)
{
    const struct backend *b = c->opaque;
    if (!b->client || b->iothread == iothread) {
        return 0;
    }
    if (b->client->can_set_iothread) {
        return b->client->can_set_iothread(b->client_opaque, iothread, err);
    }
    return error_set(err, -EPERM, "Cannot change iothread of active block backend");
}

static const struct child_parent backend_parent = {
    .describe = describe,
    .drained = drained,
    .in_flight = in_flight,
    .can_set_iothread = can_set_iothread,
};

/* ---- Life ---- */

struct backend *backend_create(struct layer *l, const char *name, struct perm_pair perm)
{
    struct backend *b = NEW(struct backend);
    b->layer = l;
    b->sim = l->sim;
    b->name = name ? mem_strdup(name) : NULL;
    b->refs = 1;
    b->perm = perm;
    b->actor = sim_actor(l->sim);
    b->writeback = b->queues = true;
    b->medium_flags.read_only = true;
    b->on_error[0] = ON_ERROR_ENOSPC;
    b->on_error[1] = ON_ERROR_REPORT;
    acct_init(&b->acct);
    b->door.what = "the end of a drained section";
    b->drained.what = "requests of the block device";
    b->prev = l->backends_tail;
    *(l->backends_tail ? &l->backends_tail->next : &l->backends) = b;
    l->backends_tail = b;
    return b;
}

struct backend *backend_ref(struct backend *b)
{
    CHECK(b->refs > 0);
    b->refs++;
    return b;
}

void backend_unref(struct backend *b)
{
    CHECK(b->refs > 0);
    if (--b->refs > 0) {
        return;
    }
    CHECK(b->destroyed && !b->root && b->in_flight == 0);
    acct_fini(&b->acct);
    free(b->name);
    free(b);
}

void backend_destroy(struct backend *b)
{
    struct layer *l = b->layer;
    CHECK(!b->destroyed);
    backend_remove(b);
    b->destroyed = true;
    b->client = NULL;
    if (b->throttle.group) {
        throttle_leave(&b->throttle);
    }
    *(b->prev ? &b->prev->next : &l->backends) = b->next;
    *(b->next ? &b->next->prev : &l->backends_tail) = b->prev;
    backend_unref(b);
}

struct backend *backend_next(const struct backend *b)
{
    return b->next;
}

void backend_attach(struct backend *b, const struct backend_client *client, void *opaque)
{
    CHECK(!b->client && !b->destroyed && client);
    b->client = client;
    b->client_opaque = opaque;
}

void backend_detach(struct backend *b)
{
    CHECK(b->client);
    b->client = NULL;
    b->client_opaque = NULL;
    b->iothread = 0;
}

bool backend_has_client(const struct backend *b)
{
    return b->client != NULL;
}

void *backend_client_of(const struct backend *b, const struct backend_client *client)
{
    return b->client == client ? b->client_opaque : NULL;
}

const char *backend_client_id(const struct backend *b)
{
    return b->client && b->client->id ? b->client->id(b->client_opaque) : "";
}

/* ---- The medium ---- */

int backend_insert(struct backend *b, struct node *n, struct error *err)
{
    CHECK(b->root == NULL && !b->destroyed);
    uint32_t old = n->iothread;
    int ret = b->client ? node_set_iothread(n, b->iothread, err) : 0;
    if (ret < 0) {
        return ret;
    }
    ret = child_attach(n, "root", ROLE_FILTERED | ROLE_PRIMARY, NULL, &backend_parent, b, b->perm,
                       &b->root, err);
    if (ret < 0) {
        node_set_iothread(n, old, NULL); /* Those who let it go let it come back. */
    }
    return ret;
}

void backend_remove(struct backend *b)
{
    close_door(b);
    while (b->in_flight > 0) {
        co_queue_wait(b->sim, &b->drained);
    }
    struct child *root = b->root;
    b->root = NULL;
    b->media++;
    if (root) {
        child_detach(root);
    }
    open_door(b);
}

bool backend_is_available(const struct backend *b)
{
    bool open = b->client && b->client->tray_is_open && b->client->tray_is_open(b->client_opaque);
    return b->root && !open;
}

int backend_set_perm(struct backend *b, struct perm_pair perm, struct error *err)
{
    int ret = b->root ? child_set_perm(b->root, perm, err) : 0;
    if (ret == 0) {
        b->perm = perm;
    }
    return ret;
}

uint32_t backend_iothread(const struct backend *b)
{
    return b->iothread;
}

int backend_set_iothread(struct backend *b, uint32_t iothread, struct error *err)
{
    uint32_t old = b->iothread;
    b->iothread = iothread;
    int ret = b->root ? node_set_iothread(b->root->node, iothread, err) : 0;
    if (ret < 0) {
        b->iothread = old;
    }
    return ret;
}

/* ---- What it is ---- */

const char *backend_name(const struct backend *b)
{
    return b->name ? b->name : "";
}

struct node *backend_node(const struct backend *b)
{
    return b->root ? b->root->node : NULL;
}

struct perm_pair backend_perm(const struct backend *b)
{
    return b->perm;
}

const struct acct *backend_acct(const struct backend *b)
{
    return &b->acct;
}

struct acct *backend_acct_edit(struct backend *b)
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

void backend_set_queue(struct backend *b, bool on)
{
    b->queues = on;
}

bool backend_is_of_job(const struct child *edge)
{
    return edge->ops == &backend_parent && !((const struct backend *)edge->opaque)->queues;
}

void backend_set_auto_delete(struct backend *b, bool on)
{
    b->auto_delete = on;
}

bool backend_auto_delete(const struct backend *b)
{
    return b->auto_delete;
}

void backend_set_medium_flags(struct backend *b, const struct node_flags *flags)
{
    b->medium_flags = *flags;
}

const struct node_flags *backend_medium_flags(const struct backend *b)
{
    return &b->medium_flags;
}

int64_t backend_length(const struct backend *b)
{
    return backend_is_available(b) ? io_length(b->root->node) : -ENOMEDIUM;
}

/* ---- Requests ---- */

enum acct_op acct_op_of(enum io_op op)
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

/* A flush asks for a medium, but not that it can be reached. */
static int check_range(const struct backend *b, const struct io_req *req)
{
    if (req->op == IO_FLUSH) {
        return b->root ? 0 : -ENOMEDIUM;
    }
    if (!backend_is_available(b)) {
        return -ENOMEDIUM;
    }
    if (req->bytes < 0 || req->offset < 0) {
        return -EIO;
    }
    int64_t length = io_length(b->root->node);
    return req->offset > length || length - req->offset < req->bytes ? -EIO : 0;
}

/* [io] Waits until the door is open. */
static int pass_door(struct backend *b)
{
    uint64_t media = b->media;
    while (b->closed > 0 && b->queues) {
        co_queue_wait(b->sim, &b->door);
        if (b->media != media) {
            return -ENOMEDIUM;
        }
    }
    return 0;
}

static void leave(struct backend *b)
{
    CHECK(b->in_flight > 0);
    if (--b->in_flight == 0) {
        if (!co_queue_empty(&b->drained)) {
            co_queue_wake_all(&b->drained);
        }
        drain_progress(b->layer);
    }
}

/* What goes to the medium, which is there; err: of a truncate. */
static int submit_behind_door(struct backend *b, struct io_req *req,
                              const struct backend_watch *watch, struct error *err)
{
    struct node *n = b->root->node;
    b->in_flight++;
    *(b->queues ? &n->started : &n->job_started) += 1; /* A job goes on with what it began. */
    if (watch) {
        watch->begin(watch->opaque, n);
    }
    backend_throttle(b, req);
    int ret = req->op == IO_TRUNCATE
                  ? io_truncate(b->root, req->offset, req->flags, req->prealloc, err)
                  : io_child(b->root, req);
    if (watch) {
        watch->end(watch->opaque, ret);
    }
    leave(b);
    return ret;
}

/* The one way in. */
static int submit(struct backend *b, struct io_req *req, const struct backend_watch *watch,
                  struct error *err)
{
    sim_trace(b->sim, TRACE_REQUEST, (uint16_t)req->op, b->actor, req->offset, req->bytes);
    int ret = b->closed > 0 ? pass_door(b) : 0;
    if (ret == 0 && req->op == IO_TRUNCATE) {
        ret = b->root ? 0 : error_set(err, -ENOMEDIUM, "No medium inserted");
    } else if (ret == 0) {
        ret = check_range(b, req);
    } else if (req->op == IO_TRUNCATE) {
        error_set(err, ret, "No medium inserted");
    }
    if (ret == 0) {
        ret = submit_behind_door(b, req, watch, err);
    }
    sim_trace(b->sim, TRACE_COMPLETE, (uint16_t)req->op, b->actor, req->offset, ret);
    return ret;
}

struct child *backend_work_begin(struct backend *b)
{
    int ret = pass_door(b);
    CHECK(ret == 0 && b->root);
    b->in_flight++;
    b->root->node->started++;
    return b->root;
}

void backend_work_end(struct backend *b)
{
    leave(b);
}

int backend_request(struct backend *b, struct io_req *req, const struct backend_watch *watch,
                    struct error *err)
{
    bool writes = req->op == IO_WRITE || req->op == IO_WRITE_ZEROES;
    if (writes && !b->writeback) {
        req->flags |= IO_FUA;
    }
    return submit(b, req, watch, err);
}

static int counted(struct backend *b, struct io_req *req)
{
    enum acct_op op = acct_op_of(req->op);
    if (b->closed == 0) {
        int ret = check_range(b, req);
        if (ret < 0) {
            sim_trace(b->sim, TRACE_REQUEST, (uint16_t)req->op, b->actor, req->offset, req->bytes);
            sim_trace(b->sim, TRACE_COMPLETE, (uint16_t)req->op, b->actor, req->offset, ret);
            acct_invalid(&b->acct, op, sim_now_ns(b->sim));
            return ret;
        }
    }
    struct acct_cookie c = acct_start(op, req->bytes, sim_now_ns(b->sim));
    int ret = backend_request(b, req, NULL, NULL);
    (ret == 0 ? acct_done : acct_failed)(&b->acct, &c, sim_now_ns(b->sim));
    return ret;
}

int backend_read(struct backend *b, int64_t offset, struct iobuf *buf, uint32_t flags)
{
    struct io_req r = { IO_READ, flags, offset, (int64_t)buf->len, buf, PREALLOC_OFF };
    return counted(b, &r);
}

int backend_write(struct backend *b, int64_t offset, struct iobuf *buf, uint32_t flags)
{
    struct io_req r = { IO_WRITE, flags, offset, (int64_t)buf->len, buf, PREALLOC_OFF };
    return counted(b, &r);
}

int backend_write_zeroes(struct backend *b, int64_t offset, int64_t bytes, uint32_t flags)
{
    struct io_req r = { IO_WRITE_ZEROES, flags, offset, bytes, NULL, PREALLOC_OFF };
    return counted(b, &r);
}

int backend_discard(struct backend *b, int64_t offset, int64_t bytes)
{
    struct io_req r = { IO_DISCARD, 0, offset, bytes, NULL, PREALLOC_OFF };
    return counted(b, &r);
}

int backend_flush(struct backend *b)
{
    struct io_req r = { .op = IO_FLUSH };
    return counted(b, &r);
}

int backend_truncate(struct backend *b, int64_t length, uint32_t flags, enum io_prealloc prealloc,
                     struct error *err)
{
    struct io_req r = { IO_TRUNCATE, flags, length, 0, NULL, prealloc };
    return backend_request(b, &r, NULL, err);
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
