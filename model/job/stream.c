/* SPDX-License-Identifier: MIT */
/* The stream job.
 *
 *   stream_start   node writable -> copy-on-read above it, down to bottom, whose links it freezes
 *                  -> edges and blockers on every node that is left out or written -> backend
 *   run            what is not in the image, but between it and base, is prefetched through the
 *                  filter, 512 KiB at a time
 *   prepare        image flushed -> filter out -> the image's backing edge goes to what is below
 *                  above_base by now -> its header
 *   clean          filter out if it is not yet; node read-only again, if it was
 *
 * A guest reads and writes through the filter meanwhile: what it reads is copied as well, what it
 * writes is in the image and not copied any more.
 *
 * Invariants:
 *  1. From the start to prepare the links from the filter down to bottom are frozen, and those that
 *     are left out of the chain have blockers.
 *  2. What is copied is durable before the header forgets where it came from.
 *  3. Base itself is nobody's: below above_base the chain may change while the job runs.
 */
#include "model/job/stream.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/drain.h"
#include "model/job/chain.h"
#include "model/job/filter.h"
#include "model/layer_state.h"
#include "model/proposal.h"
#include "model/reopen.h"
#include "model/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Bytes that are copied in one go. */
enum { CHUNK = 512 << 10 };

/* Where it takes place. */
struct stream_place {
    struct node *node;       /* What the job was started on. */
    struct node *image;      /* The format below its filters: that is written. */
    struct node *bottom;     /* The lowest image that is copied. */
    struct node *above_base; /* The lowest node that is left out: bottom, or a filter below it. */
    struct node *filter;     /* The job's main node; NULL: it is out of the way. */
    uint64_t owner;          /* Number of the node that opened node inline; 0: none did. */
    bool was_read_only;
};

struct stream_job {
    struct block_job job;
    struct stream_place at;
    struct backend *backend; /* On the filter; NULL: given up. */
    char *backing_file;      /* NULL: base's name. */
    enum on_error on_error;
};

static struct stream_job *stream_of(struct job *j)
{
    return (struct stream_job *)j;
}

/* ---- Copying ---- */

/* The image's backing file ends before offset, so there the image reads as zeroes: where base is
 * longer they must be in the image itself before it stands on base. */
static int behind_the_end(const struct stream_place *at, int64_t offset, int64_t left,
                          int64_t *bytes)
{
    const struct node *base = node_below(at->above_base);
    if (base && io_length(base) > offset) {
        return 1;
    }
    *bytes = left;
    return 0;
}

/* What is to be done about the image's data from offset on; how far that goes to *bytes.  1: copy,
 * 0: nothing, or -errno. */
static int must_copy(const struct stream_place *at, int64_t offset, int64_t left, int64_t *bytes)
{
    struct io_extent e;
    int64_t asked = MIN(left, CHUNK), same = 0;
    *bytes = asked;
    int ret = io_is_allocated(at->image, offset, asked, &same);
    if (ret < 0) {
        return ret;
    }
    CHECK(same > 0 && node_backing(at->image));
    *bytes = same;
    if (ret == 1) {
        return 0;
    }
    ret = io_status_above(node_below(at->image), node_below(at->bottom), offset, same, &e);
    if (ret < 0) {
        return ret;
    }
    if (e.bytes == 0) {
        return behind_the_end(at, offset, left, bytes);
    }
    *bytes = e.bytes;
    return (e.flags & STATUS_ALLOCATED) != 0;
}

static int stream_some(const struct stream_job *s, int64_t offset, int64_t left, int64_t *bytes,
                       bool *copied)
{
    int ret = must_copy(&s->at, offset, left, bytes);
    *copied = ret == 1;
    if (ret <= 0) {
        return ret;
    }
    struct io_req r = { .op = IO_READ, .flags = IO_PREFETCH, .offset = offset, .bytes = *bytes };
    return backend_request(s->backend, &r, NULL, NULL);
}

/* An error that is ignored fails the job at its end: base cannot be left out. */
static int stream_all(struct stream_job *s, int64_t length)
{
    struct job *j = &s->job.job;
    int64_t delay_ns = 0;
    int first_error = 0;
    for (int64_t offset = 0; offset < length;) {
        int64_t bytes = MIN(length - offset, CHUNK);
        bool copied = false;
        job_sleep(j, delay_ns);
        if (job_is_cancelled(j)) {
            break;
        }
        int ret = stream_some(s, offset, length - offset, &bytes, &copied);
        if (ret < 0) {
            enum error_action action = block_job_error(&s->job, s->on_error, true, -ret);
            if (action == ERROR_ACTION_STOP) {
                continue;
            }
            first_error = first_error ? first_error : ret;
            if (action == ERROR_ACTION_REPORT) {
                break;
            }
        }
        CHECK(bytes > 0);
        job_progress(j, bytes);
        offset += bytes;
        delay_ns = copied ? block_job_delay_ns(&s->job, bytes) : 0;
    }
    return first_error;
}

static int stream_run(struct job *j, struct error *err)
{
    struct stream_job *s = stream_of(j);
    (void)err;
    if (s->at.image == s->at.bottom) {
        return 0; /* Base lies right below it. */
    }
    int64_t length = io_length(s->at.image);
    job_set_remaining(j, length);
    return stream_all(s, length);
}

/* ---- The end ---- */

/* Who opened the node inline and stands on it again has it for its own. */
static void take_owner_back(const struct stream_place *at)
{
    for (const struct child *c = at->node->parents; c; c = c->next_parent) {
        if (c->parent && c->parent->id == at->owner) {
            at->node->inherits = c->parent;
        }
    }
}

static void remove_filter(struct stream_place *at)
{
    struct node *f = at->filter;
    at->filter = NULL;
    drain_begin(f);
    int ret = f->drv->command(f, "release-bottom", NULL, NULL);
    CHECK(ret == 0);
    filter_remove(f);
    drain_end(f);
    take_owner_back(at);
}

static void give_up_backend(struct stream_job *s)
{
    if (s->backend) {
        backend_destroy(s->backend);
        s->backend = NULL;
    }
}

static bool inherits_from(const struct node *n, const struct node *ancestor)
{
    while (n && n != ancestor) {
        n = n->inherits;
    }
    return n != NULL;
}

/* base NULL: the image stands on nothing afterwards. */
static int stand_on(struct node *image, struct node *base)
{
    struct child *c = node_backing(image);
    struct txn txn = TXN_INIT;
    bool is_heir = base && inherits_from(base, image);
    struct proposal *p = proposal_begin(image->layer);
    if (base) {
        proposal_move(p, c, base);
    } else {
        proposal_drop(p, c);
    }
    if (txn_end(&txn, proposal_apply(p, &txn, NULL)) < 0) {
        return -EPERM;
    }
    if (is_heir) {
        base->inherits = image;
    }
    json_object_set_new(image->options, "backing", base ? json_string(base->name) : json_null());
    return 0;
}

/* In memory the image has the new name from then on, even when it could not be written: as QEMU has
 * it, what the node stands on is what it is told to stand on. */
static int write_header(const struct stream_job *s, const struct node *base)
{
    struct node *image = s->at.image;
    const struct driver_image *ops = image->drv->image;
    if (!ops || !ops->set_backing) {
        return -ENOTSUP;
    }
    const char *format = base ? base->drv->name : NULL;
    char *name = !base ? NULL : s->backing_file ? mem_strdup(s->backing_file) : node_filename(base);
    int ret = ops->set_backing(image, name, format, NULL);
    if (ret < 0 && ret != -EINVAL) {
        node_set_backing_name(image, name, format);
    }
    free(name);
    return ret;
}

/* The graph stays so when the header cannot be written: what is seen is the same either way. */
static int leave_out_intermediate(const struct stream_job *s)
{
    struct node *image = s->at.image, *base = node_below(s->at.above_base);
    if (!node_backing(image)) {
        return 0; /* There was nothing, or it was taken away meanwhile. */
    }
    if (base) {
        node_ref(base);
    }
    int ret = base == node_below(image) ? 0 : stand_on(image, base);
    if (ret == 0) {
        ret = write_header(s, node_skip_filters(base));
    }
    if (base) {
        node_unref(base);
    }
    return ret;
}

static void note(struct stream_job *s, enum job_point point)
{
    const struct node *base = s->at.above_base ? node_below(s->at.above_base) : NULL;
    watch_job(&s->job.job,
              (struct job_note){ .point = point, .source = s->at.image, .base = base });
}

static int stream_prepare(struct job *j, struct error *err)
{
    struct stream_job *s = stream_of(j);
    struct node *above_base = node_ref(s->at.above_base);
    (void)err;
    int ret = backend_flush(s->backend);
    give_up_backend(s);
    drain_subtree_begin(above_base);
    remove_filter(&s->at);
    if (ret == 0) {
        note(s, JOB_AT_END);
        ret = leave_out_intermediate(s);
    } else {
        note(s, JOB_AT_FAIL);
    }
    drain_subtree_end(above_base);
    node_unref(above_base);
    return ret;
}

static void stream_clean(struct job *j)
{
    struct stream_job *s = stream_of(j);
    give_up_backend(s);
    if (s->at.filter) {
        note(s, JOB_AT_FAIL);
        remove_filter(&s->at);
    }
    if (s->at.was_read_only) {
        reopen_set_read_only(s->at.node, true, NULL); /* Who writes to it by now may go on. */
    }
}

static void stream_free(struct job *j)
{
    struct stream_job *s = stream_of(j);
    CHECK(!s->at.filter && !s->backend);
    block_job_free(j);
    free(s->backing_file);
}

static const struct job_driver stream_driver = {
    .type = JOB_STREAM,
    .size = sizeof(struct stream_job),
    .run = stream_run,
    .prepare = stream_prepare,
    .clean = stream_clean,
    .free = stream_free,
    BLOCK_JOB_DRIVER,
};

/* ---- The start ---- */

static int find_ends(const struct stream_args *a, struct node **bottom, struct node **above_base,
                     struct error *err)
{
    *bottom = a->bottom ? a->bottom : chain_overlay(a->node, a->base);
    if (!*bottom) {
        CHECK(a->base != NULL);
        return error_set(err, -EINVAL, "'%s' is not in the backing chain of '%s'", a->base->name,
                         a->node->name);
    }
    struct node *n = *bottom;
    while (a->base && node_below(n) != a->base) {
        n = node_below(n);
        CHECK(n != NULL);
    }
    *above_base = n;
    return 0;
}

static int open_filter(const struct stream_args *a, const struct node *bottom, struct node **out,
                       struct error *err)
{
    json_t *options = json_pack("{s:s, s:s, s:s, s:s*}", "driver", "copy-on-read", "file",
                                a->node->name, "bottom", bottom->name, "node-name",
                                a->filter_name);
    CHECK(options != NULL);
    int ret = node_open(a->node->layer, options, NULL, 0, out, err);
    json_decref(options);
    if (ret < 0) {
        error_prefix(err, "Could not create node: ");
        return ret;
    }
    (*out)->implicit = !a->filter_name;
    return 0;
}

static int insert_filter(const struct stream_args *a, const struct node *bottom,
                         struct node **out, struct error *err)
{
    struct txn txn = TXN_INIT;
    struct node *f;
    int ret = open_filter(a, bottom, &f, err);
    if (ret < 0) {
        return ret;
    }
    ret = txn_end(&txn, filter_insert(f, a->node, &txn, err));
    if (ret < 0) {
        error_prefix(err, "Could not replace node: ");
        node_unref(f);
        return ret;
    }
    *out = f;
    return 0;
}

/* The job's own edges: all that is written or left out. */
static int hold_nodes(struct stream_job *s, struct error *err)
{
    uint32_t readers = PERM_CONSISTENT_READ | PERM_WRITE_UNCHANGED;
    struct perm_pair written = { .used = 0, .shared = readers | PERM_WRITE };
    struct perm_pair left_out = { .used = 0, .shared = readers };
    int ret = block_job_add_node(&s->job, "active node", s->at.node, written, err);
    const struct node *end = node_below(s->at.above_base);
    for (struct node *n = node_below(s->at.node); n && n != end && ret == 0; n = node_below(n)) {
        ret = block_job_add_node(&s->job, "intermediate node", n, left_out, err);
    }
    return ret;
}

static int open_backend(struct stream_job *s, struct node *filter, struct error *err)
{
    uint32_t readers = PERM_CONSISTENT_READ | PERM_WRITE_UNCHANGED;
    struct perm_pair perm = { .used = PERM_CONSISTENT_READ, .shared = readers | PERM_WRITE };
    s->backend = backend_create(filter->layer, NULL, perm);
    backend_set_queue(s->backend, false);
    return backend_insert(s->backend, filter, err);
}

/* The filter stays the caller's when it fails. */
static int start_on(const struct stream_args *a, const struct stream_place *at, struct error *err)
{
    struct perm_pair any = { .used = 0, .shared = PERM_ALL };
    struct block_job *b;
    int ret = block_job_create(at->filter, a->job_id, &stream_driver, NULL, any, a->speed,
                               a->flags, &b, err);
    if (ret < 0) {
        return ret;
    }
    struct stream_job *s = stream_of(&b->job);
    s->at = *at;
    ret = open_backend(s, at->filter, err);
    if (ret == 0) {
        ret = hold_nodes(s, err);
    }
    if (ret < 0) {
        s->at.filter = NULL;
        give_up_backend(s);
        job_early_fail(&b->job);
        return ret;
    }
    s->on_error = a->on_error;
    s->backing_file = a->backing_file ? mem_strdup(a->backing_file) : NULL;
    note(s, JOB_AT_START);
    job_start(&b->job);
    return 0;
}

static int stream_at(const struct stream_args *a, struct stream_place *at, struct error *err)
{
    int ret = insert_filter(a, at->bottom, &at->filter, err);
    if (ret < 0) {
        return ret;
    }
    ret = start_on(a, at, err);
    struct node *f = at->filter;
    if (ret < 0) {
        remove_filter(at);
    }
    node_unref(f); /* The job has an edge to it. */
    return ret;
}

int stream_start(const struct stream_args *a, struct error *err)
{
    struct stream_place at = { .node = a->node,
                               .image = node_skip_filters(a->node),
                               .owner = a->node->inherits ? a->node->inherits->id : 0,
                               .was_read_only = a->node->flags.read_only };
    int ret = find_ends(a, &at.bottom, &at.above_base, err);
    if (ret == 0 && at.was_read_only) {
        ret = reopen_set_read_only(a->node, false, err);
    }
    if (ret < 0) {
        return ret;
    }
    ret = stream_at(a, &at, err);
    if (ret < 0 && at.was_read_only) {
        reopen_set_read_only(a->node, true, NULL);
    }
    return ret;
}
