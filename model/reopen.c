/* SPDX-License-Identifier: MIT */
/* Reopen.
 *
 *   queue -> drained -> flushed -> each prepared -> one proposal -> commit -> drained sections end
 *                                       |               |
 *                                       +--- failure ---+--> undone in reverse order
 *
 * All nodes are prepared before any of them is changed, and one proposal solves the permissions of
 * all, so several nodes change together or not at all.
 */
#include "model/reopen.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/drain.h"
#include "model/io_private.h"
#include "model/layer_state.h"
#include "model/proposal.h"
#include "model/reopen_private.h"

#include <errno.h>
#include <stdlib.h>

/* ---- At rest ---- */

/* Nodes that are drained and referenced. */
struct rest {
    struct node **at;
    size_t len, cap;
};

static bool is_at_rest(const struct rest *r, const struct node *n)
{
    for (size_t i = 0; i < r->len; i++) {
        if (r->at[i] == n) {
            return true;
        }
    }
    return false;
}

static void rest_add(struct rest *r, struct node *n)
{
    r->at = mem_grow(r->at, r->len, &r->cap, sizeof(*r->at));
    r->at[r->len++] = node_ref(n);
}

/* [io] Brings all that is queued to rest.  false: that took time, so the graph may be another. */
static bool rest_begin(struct rest *r, const struct reopen_queue *q)
{
    size_t before = r->len;
    for (const struct reopen_entry *e = q->first; e; e = e->next) {
        if (!is_at_rest(r, e->n)) {
            rest_add(r, e->n);
        }
    }
    if (r->len == before) {
        return true;
    }
    const struct sim *s = q->first->n->sim;
    uint64_t steps = s->sched.steps;
    for (size_t i = before; i < r->len; i++) {
        drain_begin(r->at[i]);
    }
    return s->sched.steps == steps;
}

static void rest_end(struct rest *r)
{
    for (size_t i = r->len; i > 0; i--) {
        drain_end(r->at[i - 1]);
    }
    for (size_t i = r->len; i > 0; i--) {
        node_unref(r->at[i - 1]);
    }
    free(r->at);
}

static int flush_one(struct node *n, struct error *err)
{
    io_enter(n);
    int ret = io_do_flush(n);
    io_leave(n);
    return ret < 0 ? error_set_errno(err, ret, "Error flushing drive") : 0;
}

/* ---- Preparing ---- */

static int check_flags(const struct reopen_entry *e, struct error *err)
{
    struct node_flags f = e->flags;
    f.force_share = false;
    int ret = node_flags_check(&f, err);
    if (ret == 0 && f.read_only && e->n->copy_on_read) {
        ret = error_set(err, -EINVAL, "Can't set node '%s' to r/o with copy-on-read enabled",
                        node_device_or_name(e->n));
    }
    return ret;
}

static int ask_driver(struct reopen_entry *e, struct txn *txn, struct error *err)
{
    const struct blk_driver *drv = e->n->drv;
    if (!drv->graph || !drv->graph->reopen) {
        return error_set(err, -ENOTSUP,
                         "Block format '%s' used by node '%s' does not support reopening files",
                         drv->name, e->n->name);
    }
    int ret = reopen_check_reset(e, err);
    if (ret < 0) {
        return ret;
    }
    struct node_reopen r = { .opts = { .values = e->options, .members = drv->options },
                             .flags = &e->flags,
                             .txn = txn };
    ret = drv->graph->reopen(e->n, &r, err);
    CHECK(ret == 0 || !err || err->code < 0);
    return ret;
}

static int prepare(const struct reopen_queue *q, struct reopen_entry *e, struct txn *txn,
                   struct error *err)
{
    int ret = check_flags(e, err);
    if (ret == 0) {
        ret = ask_driver(e, txn, err);
    }
    if (ret == 0) {
        ret = reopen_find_children(q, e, err);
    }
    return ret < 0 ? ret : reopen_check_given(e, err);
}

/* ---- In force ---- */

static void propose_edge(struct proposal *p, const struct reopen_entry *e,
                         const struct reopen_edge *edge)
{
    if (!edge->changes) {
        return;
    }
    if (!edge->c) {
        proposal_add(p, edge->to, edge->name, ROLE_COW, e->n, NULL, NULL,
                     (struct perm_pair){ .used = 0, .shared = PERM_ALL });
    } else if (edge->to) {
        proposal_move(p, edge->c, edge->to);
    } else {
        proposal_drop(p, edge->c);
    }
}

static int apply(struct layer *l, const struct reopen_queue *q, struct txn *txn, struct error *err)
{
    struct proposal *p = proposal_begin(l);
    for (const struct reopen_entry *e = q->first; e; e = e->next) {
        proposal_set_flags(p, e->n, &e->flags);
        propose_edge(p, e, &e->backing);
        propose_edge(p, e, &e->file);
    }
    proposal_keep_frozen(p);
    return proposal_apply(p, txn, err);
}

/* The options as they are now, and what follows from them. */
static void take_over(struct reopen_entry *e)
{
    struct node *n = e->n;
    json_decref(n->options);
    n->options = json_incref(e->options);
    n->unsaid = (uint8_t)~e->said;
    sim_trace_text(n->sim, TRACE_GRAPH, "reopen %s%s%s%s", n->name, n->flags.read_only ? " ro" : "",
                   n->flags.cache_direct ? " direct" : "",
                   n->flags.cache_no_flush ? " no-flush" : "");
}

/* [io] Limits and length, which the driver may give otherwise than before. */
static void refresh(struct node *n)
{
    int64_t old = n->length;
    node_refresh_limits(n);
    if ((n->drv->traits & DRV_FOLLOWS) && io_refresh_length(n) == 0 && n->length != old) {
        io_tell_length(n);
    }
}

static int change_all(struct layer *l, struct reopen_queue *q, struct error *err)
{
    int ret = 0;
    for (const struct reopen_entry *e = q->first; e && ret == 0; e = e->next) {
        ret = flush_one(e->n, err);
    }
    struct txn txn = TXN_INIT;
    for (struct reopen_entry *e = q->first; e && ret == 0; e = e->next) {
        ret = prepare(q, e, &txn, err);
    }
    if (ret == 0) {
        ret = apply(l, q, &txn, err);
    }
    for (struct reopen_entry *e = q->first; e && ret == 0; e = e->next) {
        take_over(e);
    }
    txn_end(&txn, ret);
    for (struct reopen_entry *e = q->first; e && ret == 0; e = e->next) {
        refresh(e->n);
    }
    return ret;
}

/* ---- Ways in ---- */

/* Fills an empty queue.  While requests ended the graph may have become another, so it is called
 * again until it gives nodes that are all at rest. */
typedef int fill_fn(struct layer *l, struct reopen_queue *q, const void *opaque,
                    struct error *err);

static int reopen_queue_run(struct layer *l, fill_fn *fill, const void *opaque, struct error *err)
{
    struct reopen_queue q;
    struct rest rest = { 0 };
    int ret;
    reopen_queue_init(&q);
    do {
        reopen_queue_free(&q);
        ret = fill(l, &q, opaque, err);
    } while (ret == 0 && !rest_begin(&rest, &q));
    if (ret == 0) {
        ret = change_all(l, &q, err);
    }
    reopen_queue_free(&q);
    rest_end(&rest);
    return ret;
}

static int fill_many(struct layer *l, struct reopen_queue *q, const void *opaque,
                     struct error *err)
{
    const json_t *options = opaque;
    for (size_t i = 0; i < json_array_size(options); i++) {
        const json_t *one = json_array_get(options, i);
        const char *name = json_string_value(json_object_get(one, "node-name"));
        if (!name) {
            return error_set(err, -EINVAL, "node-name not specified");
        }
        struct node *n = layer_find_node(l, name);
        if (!n) {
            return error_set(err, -EINVAL, "Failed to find node with node-name='%s'", name);
        }
        reopen_queue_add(q, n, one, false);
    }
    return 0;
}

int reopen_many(struct layer *l, const json_t *options, struct error *err)
{
    return reopen_queue_run(l, fill_many, options, err);
}

struct only_read_only {
    struct node *n;
    bool read_only;
};

static int fill_read_only(struct layer *l, struct reopen_queue *q, const void *opaque,
                          struct error *err)
{
    const struct only_read_only *o = opaque;
    json_t *options = json_pack("{s:b}", "read-only", o->read_only);
    (void)l;
    (void)err;
    CHECK(options != NULL);
    reopen_queue_add(q, o->n, options, true);
    json_decref(options);
    return 0;
}

int reopen_set_read_only(struct node *n, bool read_only, struct error *err)
{
    struct only_read_only o = { n, read_only };
    return reopen_queue_run(n->layer, fill_read_only, &o, err);
}
