/* SPDX-License-Identifier: MIT */
/* The commit job.
 *
 *   commit_start   base writable -> commit_top above top -> edges and blockers on every node of the
 *                  chain -> links frozen -> backends for reading and writing
 *   run            base grown -> what is allocated above base is read at top and written to base,
 *                  512 KiB at a time
 *   prepare        base flushed -> links free -> overlays' edges go to base, past all that lay
 *                  between -> headers; when one cannot be written, the edges go back
 *   abort          commit_top goes; what base has got by then is what readers saw there anyway
 *   clean          base read-only again, if it was
 *
 * Invariants:
 *  1. While it runs, nobody reads consistently between base and top but through commit_top.
 *  2. All links from commit_top down to base are frozen while c->frozen.
 *  3. c->filter is held until it is out of the graph, so it does not go by itself.
 */
#include "model/job/commit.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/drain.h"
#include "model/job/buffer.h"
#include "model/job/chain.h"
#include "model/job/filter.h"
#include "model/proposal.h"
#include "model/reopen.h"
#include "model/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Bytes that are copied in one go. */
enum { CHUNK = 512 << 10 };

struct commit_job {
    struct block_job job;
    struct node *base;       /* The job's edge keeps it. */
    struct node *filter;     /* Held; NULL: not in the graph. */
    struct node *skip;       /* Lies in base's place in the chain: base, or a filter above it. */
    struct backend *from, *to; /* top and base; NULL: given up. */
    uint64_t owner;          /* Number of the overlay that opened top inline; 0: none did. */
    char *backing_file;      /* NULL: base's name. */
    enum on_error on_error;
    bool base_was_read_only;
    bool base_referenced;    /* From abort to clean, where it has no edge. */
    bool frozen;
    void *chunk;
    struct iobuf_blocks blocks; /* What is copied without its bytes. */
};

static struct commit_job *commit_of(struct job *j)
{
    return (struct commit_job *)j;
}

/* ---- Copying ---- */

/* 0 or -errno; *is_read: of the source. */
static int copy(struct commit_job *c, int64_t offset, int64_t bytes, bool *is_read)
{
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, c->chunk, (size_t)bytes);
    buf.symbolic = true;
    iobuf_take_blocks(&buf, &c->blocks);
    struct io_req r = { IO_READ, 0, offset, bytes, &buf, PREALLOC_OFF };
    int ret = backend_request(c->from, &r, NULL, NULL);
    *is_read = ret < 0;
    if (ret == 0) {
        struct io_req w = { IO_WRITE, 0, offset, bytes, &buf, PREALLOC_OFF };
        ret = backend_request(c->to, &w, NULL, NULL);
    }
    iobuf_blocks_drop(&c->blocks);
    return ret;
}

/* One stretch from offset on.  *bytes: how long it is; *copied: whether it was in need of it. */
static int commit_some(struct commit_job *c, int64_t offset, int64_t *bytes, bool *copied,
                       bool *is_read)
{
    struct io_extent e;
    *is_read = true;
    *copied = false;
    int ret = io_status_above(backend_node(c->from), c->skip, offset, CHUNK, &e);
    if (ret < 0) {
        return ret;
    }
    CHECK(e.bytes > 0);
    *bytes = e.bytes;
    *copied = (e.flags & STATUS_ALLOCATED) != 0;
    return *copied ? copy(c, offset, e.bytes, is_read) : 0;
}

/* When to try again what an error has kept from being copied, and the policy passes over: at once,
 * but the second time in an instant a little later, so that time goes on. */
static int64_t patience_ns(int64_t failed_ns, int64_t now_ns)
{
    return failed_ns == now_ns ? NS_PER_MS : 0;
}

static int copy_all(struct commit_job *c, int64_t length)
{
    struct job *j = &c->job.job;
    int64_t delay_ns = 0, failed_ns = -1, bytes;
    bool copied, is_read;
    for (int64_t offset = 0; offset < length;) {
        job_sleep(j, delay_ns);
        if (job_is_cancelled(j)) {
            return 0;
        }
        int ret = commit_some(c, offset, &bytes, &copied, &is_read);
        if (ret == 0) {
            job_progress(j, bytes);
            offset += bytes;
            delay_ns = copied ? block_job_delay_ns(&c->job, bytes) : 0;
        } else if (block_job_error(&c->job, c->on_error, is_read, -ret) == ERROR_ACTION_REPORT) {
            return ret;
        } else {
            delay_ns = patience_ns(failed_ns, sim_now_ns(j->sim));
            failed_ns = sim_now_ns(j->sim);
        }
    }
    return 0;
}

static int commit_run(struct job *j, struct error *err)
{
    struct commit_job *c = commit_of(j);
    int64_t length = backend_length(c->from), base_length = backend_length(c->to);
    (void)err;
    CHECK(length >= 0 && base_length >= 0);
    job_set_remaining(j, length);
    if (base_length < length) {
        int ret = backend_truncate(c->to, length, 0, PREALLOC_OFF, NULL);
        if (ret < 0) {
            return ret;
        }
    }
    return copy_all(c, length);
}

/* ---- The end ---- */

static void note(struct commit_job *c, const struct node *top, enum job_point point)
{
    watch_job(&c->job.job,
              (struct job_note){ .point = point, .source = top, .target = c->base });
}

static void unfreeze(struct commit_job *c)
{
    if (c->frozen) {
        chain_unfreeze(c->filter, c->base);
        c->frozen = false;
    }
}

static void give_up(struct backend **b)
{
    if (*b) {
        backend_destroy(*b);
        *b = NULL;
    }
}

static void let_filter_go(struct commit_job *c)
{
    CHECK(c->filter->held > 0);
    c->filter->held--;
    node_unref(c->filter);
    c->filter = NULL;
}

/* Overlays of commit_top, referenced. */
struct overlays {
    struct node **at;
    size_t len, cap;
};

static int find_overlays(const struct commit_job *c, struct overlays *o, struct error *err)
{
    for (const struct child *e = c->filter->parents; e; e = e->next_parent) {
        if (e->ops && e->ops->stay_at_node) {
            return error_set(err, -EINVAL, "Should not change '%s' link to '%s'", e->name,
                             c->filter->name);
        }
        if (e->parent && (e->roles & ROLE_COW)) {
            o->at = mem_grow(o->at, o->len, &o->cap, sizeof(*o->at));
            o->at[o->len++] = node_ref(e->parent);
        }
    }
    return 0;
}

static int leave_out_intermediate(const struct commit_job *c, struct txn *txn, struct error *err)
{
    struct proposal *p = proposal_begin(c->base->layer);
    proposal_replace(p, c->filter, c->base);
    proposal_drop(p, node_filtered(c->filter));
    return proposal_apply(p, txn, err);
}

/* What inherited its options from an image that goes, by way of one that nobody sees, inherits from
 * that one's own owner. */
static void hand_down(const struct commit_job *c, const struct node *top, struct node *overlay)
{
    const struct node *n = c->base;
    while (n && n != top) {
        n = n->inherits;
    }
    if (n && c->filter->implicit && overlay->id == c->owner) {
        c->base->inherits = overlay;
    }
    if (json_object_get(overlay->options, "backing")) {
        json_object_set_new(overlay->options, "backing", json_string(c->base->name));
    }
}

static int write_headers(const struct commit_job *c, const struct overlays *o)
{
    char *name = c->backing_file ? mem_strdup(c->backing_file) : node_filename(c->base);
    int ret = 0;
    for (size_t i = 0; i < o->len && ret == 0; i++) {
        ret = chain_write_backing(o->at[i], name, c->base->drv->name);
    }
    free(name);
    return ret;
}

/* All that stands on commit_top stands on base from now on, or nothing has changed in the graph: a
 * header that names base already is right as well. */
static int drop_intermediate(struct commit_job *c, struct error *err)
{
    struct overlays o = { 0 };
    struct txn txn = TXN_INIT;
    const struct node *top = node_below(c->filter);
    drain_begin(c->base);
    int ret = find_overlays(c, &o, err);
    if (ret == 0) {
        note(c, top, JOB_AT_END);
        ret = leave_out_intermediate(c, &txn, err);
    }
    if (ret == 0) {
        ret = write_headers(c, &o);
    }
    for (size_t i = 0; i < o.len && ret == 0; i++) {
        hand_down(c, top, o.at[i]);
    }
    txn_end(&txn, ret);
    drain_end(c->base);
    for (size_t i = 0; i < o.len; i++) {
        node_unref(o.at[i]);
    }
    free(o.at);
    if (ret == 0) {
        let_filter_go(c);
    }
    return ret;
}

/* An overlay that is longer than top reads zeroes beyond top's end: what base has there must not
 * come to light instead. */
static int hide_tail(const struct commit_job *c)
{
    int64_t from = io_length(c->filter), to = from;
    for (const struct child *e = c->filter->parents; e; e = e->next_parent) {
        to = e->parent && (e->roles & ROLE_COW) ? MAX(to, io_length(e->parent)) : to;
    }
    to = MIN(to, io_length(c->base));
    return to > from ? backend_write_zeroes(c->to, from, to - from, 0) : 0;
}

static int commit_prepare(struct job *j, struct error *err)
{
    struct commit_job *c = commit_of(j);
    int ret = hide_tail(c);
    if (ret == 0) {
        ret = backend_flush(c->to); /* Before a header forgets where it was. */
    }
    if (ret < 0) {
        return ret;
    }
    unfreeze(c);
    give_up(&c->to); /* What it shared with nobody stands against the overlays' use of base. */
    return drop_intermediate(c, err);
}

static void remove_filter(struct commit_job *c)
{
    const struct child *e = node_filtered(c->filter);
    struct node *top = e->node;
    filter_remove(c->filter);
    for (const struct child *p = top->parents; p; p = p->next_parent) {
        if (p->parent && p->parent->id == c->owner && (p->roles & ROLE_COW)) {
            top->inherits = p->parent;
        }
    }
    let_filter_go(c);
}

static void commit_abort(struct job *j)
{
    struct commit_job *c = commit_of(j);
    if (j->started && c->filter) {
        note(c, node_below(c->filter), JOB_AT_FAIL);
    }
    unfreeze(c);
    give_up(&c->to);
    node_ref(c->base);
    c->base_referenced = true;
    block_job_remove_nodes(&c->job); /* So that what is read above can be allowed again. */
    if (c->filter) {
        remove_filter(c);
    }
}

static void commit_clean(struct job *j)
{
    struct commit_job *c = commit_of(j);
    if (c->base_was_read_only) {
        reopen_set_read_only(c->base, true, NULL);
        c->base_was_read_only = false;
    }
    give_up(&c->from);
    if (c->base_referenced) {
        node_unref(c->base);
        c->base_referenced = false;
    }
}

static void commit_free(struct job *j)
{
    struct commit_job *c = commit_of(j);
    CHECK(!c->frozen && !c->filter && !c->from && !c->to);
    block_job_free(j);
    free(c->backing_file);
    job_buffer_give(j->layer, c->chunk, CHUNK);
}

static const struct job_driver commit_driver = {
    BLOCK_JOB_DRIVER,
    .type = JOB_COMMIT,
    .size = sizeof(struct commit_job),
    .run = commit_run,
    .prepare = commit_prepare,
    .abort = commit_abort,
    .clean = commit_clean,
    .free = commit_free,
};

/* ---- The beginning ---- */

static int make_base_writable(struct commit_job *c, struct error *err)
{
    if (!c->base->flags.read_only) {
        return 0;
    }
    int ret = reopen_set_read_only(c->base, false, err);
    c->base_was_read_only = ret == 0;
    return ret;
}

static int insert_filter(struct commit_job *c, struct node *top, const char *name,
                         struct error *err)
{
    struct node *filter;
    struct txn txn = TXN_INIT;
    const struct node *owner = top->inherits;
    int ret = filter_open(top, &commit_top_driver, name, "backing", true, &filter, err);
    if (ret < 0) {
        return ret;
    }
    ret = txn_end(&txn, filter_insert(filter, top, &txn, err));
    if (ret < 0) {
        node_unref(filter);
        return ret;
    }
    filter->held++;
    c->filter = filter;
    c->owner = owner ? owner->id : 0;
    return 0;
}

/* Images that leave the chain, and filters between them.  Those right above base show what it
 * holds, which may be read. */
static int add_intermediate(struct commit_job *c, struct node *top, struct error *err)
{
    struct perm_pair perm = { .used = 0, .shared = PERM_WRITE_UNCHANGED | PERM_WRITE };
    int ret = 0;
    c->skip = node_backing(chain_overlay(top, c->base))->node;
    for (struct node *n = top; n != c->base && ret == 0; n = node_below(n)) {
        if (n == c->skip) {
            perm.shared |= PERM_CONSISTENT_READ;
        }
        ret = block_job_add_node(&c->job, "intermediate node", n, perm, err);
    }
    return ret;
}

static int take_chain(struct commit_job *c, struct node *top, struct error *err)
{
    struct perm_pair nothing = { .used = 0, .shared = PERM_ALL };
    int ret = add_intermediate(c, top, err);
    if (ret == 0) {
        ret = chain_freeze(c->filter, c->base, err);
        c->frozen = ret == 0;
    }
    return ret < 0 ? ret : block_job_add_node(&c->job, "base", c->base, nothing, err);
}

/* It says no to another iothread, as every client does that is not asked. */
static const struct backend_client backend_client = { .id = NULL };

static int open_backend(struct node *n, struct perm_pair perm, struct backend **out,
                        struct error *err)
{
    struct backend *b = backend_create(n->layer, NULL, perm);
    backend_attach(b, &backend_client, b);
    backend_set_queue(b, false);
    int ret = backend_set_iothread(b, n->iothread, NULL);
    CHECK(ret == 0); /* It has no medium yet. */
    ret = backend_insert(b, n, err);
    if (ret < 0) {
        backend_destroy(b);
        return ret;
    }
    *out = b;
    return 0;
}

static int open_backends(struct commit_job *c, struct node *top, struct error *err)
{
    struct perm_pair nothing = { .used = 0, .shared = PERM_ALL };
    struct perm_pair write = { .used = PERM_CONSISTENT_READ | PERM_WRITE,
                               .shared = PERM_CONSISTENT_READ | PERM_WRITE_UNCHANGED };
    if (io_length(c->base) < io_length(top)) {
        write.used |= PERM_RESIZE;
    }
    int ret = open_backend(c->base, write, &c->to, err);
    return ret < 0 ? ret : open_backend(top, nothing, &c->from, err);
}

static int set_up(struct commit_job *c, const struct commit_args *a, struct error *err)
{
    int ret = make_base_writable(c, err);
    if (ret == 0) {
        ret = insert_filter(c, a->top, a->filter_name, err);
    }
    if (ret == 0) {
        ret = take_chain(c, a->top, err);
    }
    return ret < 0 ? ret : open_backends(c, a->top, err);
}

int commit_start(const struct commit_args *a, struct error *err)
{
    struct perm_pair nothing = { .used = 0, .shared = PERM_ALL };
    struct block_job *b;
    CHECK(node_chain_contains(a->active, a->top) && node_chain_contains(a->top, a->base));
    if (node_skip_filters(a->top) == node_skip_filters(a->base)) {
        return error_set(err, -EINVAL, "Invalid files for merge: top and base are the same");
    }
    int ret = block_job_create(a->active, a->job_id, &commit_driver, NULL, nothing, a->speed,
                               a->flags, &b, err);
    if (ret < 0) {
        return ret;
    }
    struct commit_job *c = commit_of(&b->job);
    c->base = a->base;
    c->on_error = a->on_error;
    c->backing_file = a->backing_file ? mem_strdup(a->backing_file) : NULL;
    c->chunk = job_buffer_take(b->job.layer, CHUNK);
    ret = set_up(c, a, err);
    if (ret < 0) {
        commit_abort(&b->job);
        commit_clean(&b->job);
        job_early_fail(&b->job);
        return ret;
    }
    note(c, a->top, JOB_AT_START);
    job_start(&b->job);
    return 0;
}
