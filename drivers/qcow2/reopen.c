/* SPDX-License-Identifier: MIT */
/* Reopen: new options take effect on a node that is drained and flushed.
 *
 * New caches are made while the old ones still serve; commit swaps them, undo drops the new ones.
 * A node that becomes read-only leaves a clean image behind, and so does one whose counts are no
 * longer written late.
 */
#include "drivers/qcow2/qcow2.h"
#include "model/txn.h"

struct change {
    struct qcow2 *q;
    struct qcow2_options options;
    struct cache *l2, *refcounts;
};

static void commit(void *opaque)
{
    struct change *c = opaque;
    struct qcow2 *q = c->q;
    cache_destroy(q->l2_cache);
    cache_destroy(q->refcount_cache);
    q->l2_cache = c->l2;
    q->refcount_cache = c->refcounts;
    q->options = c->options;
    q->clean_start_ns = sim_now_ns(q->sim);
}

static void undo(void *opaque)
{
    struct change *c = opaque;
    cache_destroy(c->l2);
    cache_destroy(c->refcounts);
}

int qcow2_reopen(struct node *n, const struct node_reopen *r, struct error *err)
{
    struct qcow2 *q = node_state(n);
    struct change c = { .q = q };
    int ret = qcow2_options_read(q, &r->opts, r->flags, &c.options, err);
    if (ret < 0) {
        return ret;
    }
    if (!n->flags.read_only && !q->lost) {
        qcow2_lock(q);
        ret = metadata_flush(q);
        if (ret == 0 && (r->flags->read_only || (q->options.lazy && !c.options.lazy))) {
            ret = qcow2_mark_clean(q);
        }
        qcow2_unlock(q);
    }
    if (ret < 0) {
        return error_set_errno(err, ret, "Could not flush qcow2 metadata");
    }
    caches_create(q, &c.options, &c.l2, &c.refcounts);
    txn_add(r->txn,
            (struct txn_action){
                .commit = commit, .undo = undo, .clean = free, .opaque = mem_copy(&c, sizeof(c)) });
    return 0;
}
