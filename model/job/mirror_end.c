/* SPDX-License-Identifier: MIT */
/* The end of a mirror: the graph without its filter, and, when the user has completed it, with the
 * target in the place of what it replaces.
 *
 *   parents -> mirror_top -> source          parents -> source          (cancelled, failed)
 *                                   ------>
 *   job -> target                            parents -> target          (completed)
 *
 * All of what the completed job changes is one proposal: it happens, or nothing of it does.
 */
#include "model/drain.h"
#include "model/job/filter.h"
#include "model/job/mirror_private.h"
#include "model/layer_state.h"
#include "model/proposal.h"
#include "model/reopen.h"
#include "model/watch.h"

#include <errno.h>
#include <stdlib.h>

bool mirror_may_replace(const struct node *n, const struct node *to)
{
    while (n && n != to) {
        if (n->drv->graph && n->drv->graph->can_replace) {
            return n->drv->graph->can_replace(n, to);
        }
        const struct child *c = n->drv->traits & DRV_FILTER ? node_filtered(n) : NULL;
        n = c ? c->node : NULL;
    }
    return n != NULL;
}

/* ---- What the target stands on ---- */

static struct node *backing_wanted(const struct mirror *m)
{
    switch (m->sync) {
    case MIRROR_SYNC_NONE:
        return m->source;
    case MIRROR_SYNC_TOP:
        return node_backing_chain_next(m->source);
    default:
        return NULL;
    }
}

/* Puts the target above that, and says whether this is a change. */
static bool propose_backing(const struct mirror *m, struct proposal *p, struct node *image,
                            struct node *below)
{
    struct child *c = node_backing(image);
    if (m->backing != MIRROR_BACKING_SOURCE || (c ? c->node : NULL) == below) {
        return false;
    }
    if (c && below) {
        proposal_move(p, c, below);
    } else if (c) {
        proposal_drop(p, c);
    } else {
        proposal_add(p, below, "backing", ROLE_COW, image, NULL, NULL,
                     (struct perm_pair){ .used = 0, .shared = PERM_ALL });
    }
    return true;
}

static void remember_backing(struct node *image, const struct node *below)
{
    json_t *said = below ? json_string(below->name) : json_null();
    json_object_set_new(image->options, "backing", said);
}

/* ---- The swap ---- */

/* [io] The target is read-only or not as what it replaces. */
static void match_read_only(const struct mirror *m, const struct node *to_replace)
{
    bool read_only = to_replace->flags.read_only;
    if (read_only != m->target->flags.read_only) {
        reopen_set_read_only(m->target, read_only, NULL);
    }
}

/* The filter goes, and with a job that the user has completed everybody who stood on `from` goes to
 * the target. */
static void propose_swap(const struct mirror *m, struct proposal *p, struct node *from)
{
    struct node *below = m->source;
    if (m->should_complete) {
        proposal_replace(p, from, m->target);
        below = from == m->source ? m->target : m->source;
    }
    proposal_replace(p, m->filter, below);
    proposal_drop(p, node_filtered(m->filter));
}

static int swap(struct mirror *m, struct error *err)
{
    struct node *image = node_skip_filters(m->target);
    struct node *from = m->to_replace ? m->to_replace : m->source;
    struct node *below = backing_wanted(m);
    struct txn txn = TXN_INIT;
    if (m->should_complete && !mirror_may_replace(m->source, from)) {
        return error_set(err, -EPERM,
                         "Can no longer replace '%s' by '%s', because it can no longer be "
                         "guaranteed that doing so would not lead to an abrupt change of visible "
                         "data",
                         from->name, m->target->name);
    }
    if (m->should_complete) {
        match_read_only(m, from);
    }
    drain_begin(m->target);
    struct proposal *p = proposal_begin(m->base.job.layer);
    bool attached = propose_backing(m, p, image, below);
    propose_swap(m, p, from);
    int ret = txn_end(&txn, proposal_apply(p, &txn, err));
    if (ret == 0 && attached) {
        remember_backing(image, below);
    }
    drain_end(m->target);
    return ret;
}

/* What did not work is told as QEMU does it: a warning, and a job that fails for a plain reason. */
static int complete(struct mirror *m)
{
    struct layer *l = m->base.job.layer;
    struct node *image = node_skip_filters(m->target);
    struct error err = ERROR_INIT;
    int ret = 0;
    if (m->backing == MIRROR_BACKING_OPEN && !node_backing(image)) {
        ret = node_open_backing(image, &err) < 0 ? -EINVAL : 0;
    }
    if (ret == 0) {
        ret = swap(m, &err) < 0 ? -EPERM : 0;
    }
    if (ret < 0) {
        layer_warn(l, "%s", err.text);
    }
    return ret;
}

/* ---- All of it ---- */

static void tell(const struct mirror *m, bool ok)
{
    static const enum job_sync sync[] = { [MIRROR_SYNC_TOP] = JOB_SYNC_TOP,
                                          [MIRROR_SYNC_FULL] = JOB_SYNC_FULL,
                                          [MIRROR_SYNC_NONE] = JOB_SYNC_NONE };
    struct job_note note = { .point = ok ? JOB_AT_END : JOB_AT_FAIL,
                             .sync = sync[m->sync],
                             .source = m->source,
                             .target = m->target };
    watch_job(&m->base.job, note);
}

static void let_replaced_go(struct mirror *m)
{
    if (m->to_replace) {
        blocker_release(m->replace_blocker);
        m->to_replace->held--;
        node_unref(m->to_replace);
        m->to_replace = NULL;
    }
}

static void give_back(struct mirror *m)
{
    if (m->to_backing) {
        chain_unfreeze(m->filter, m->target);
    }
    bitmap_release(m->bitmap);
    backend_destroy(m->backend);
    m->bitmap = NULL;
    m->dirty = NULL;
    m->backend = NULL;
}

int mirror_wrap_up(struct mirror *m, bool ok)
{
    struct node *source = node_ref(m->source), *target = node_ref(m->target);
    struct node *filter = node_ref(m->filter);
    struct mirror_top *top = node_state(filter);
    CHECK(!m->wrapped && m->in_flight == 0);
    CHECK(!m->running);
    m->wrapped = true;
    drain_begin(filter); /* No guest is on its way to the target any more. */
    top->job = NULL;
    tell(m, ok);
    give_back(m);
    block_job_remove_nodes(&m->base);
    int ret = ok ? complete(m) : 0;
    let_replaced_go(m);
    if (!ok || ret < 0) {
        filter_remove(filter);
    }
    if (m->drained) {
        drain_end(source);
        m->drained = false;
    }
    drain_end(filter);
    m->filter = NULL;
    node_unref(filter);
    node_unref(target);
    node_unref(source);
    return ret;
}
