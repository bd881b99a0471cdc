/* SPDX-License-Identifier: MIT */
/* The reference image: what guests wrote is what guests read, across failures and power cuts.
 *
 * Use: guest_begin and guest_end around each request of a guest; power_cut when the power goes;
 * quiesce and layer_gone when the graph may have changed.  ref_image.h has the rule by which reads
 * are judged and the parts that this is made of.
 *
 *   acknowledged write     must be read from then on
 *   in flight, failed      old or new for each unit of 512 bytes, until overwritten or read
 *   discard                old or zero, as QEMU allows
 *   zero, growing          zero
 *   never written          unknown; the first read says what it is, and it must stay so
 *   power cut              what was flushed, or written with FUA, stays; of what came after it any
 *                          subset of units may have survived
 *
 * Invariants: (1) a request is in `fly` from begin to end; (2) a flush costs one store: it covers
 * what ended before it began; (3) nothing is allocated for a request once warm.
 */
#include "oracles/ref_image.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>

static void *ref_image_create(struct oracle *o)
{
    struct ref_image *s = NEW(struct ref_image);
    CHECK(o->sim != NULL);
    s->o = o;
    s->epoch = 1;
    s->range_bytes = REF_RANGE_BYTES;
    s->fly_at = NEW_ARRAY(uint32_t, FLY_RING);
    return s;
}

static void ref_image_destroy(void *state)
{
    struct ref_image *s = state;
    ref_works_free(s);
    ref_views_drop(s);
    free(s->views);
    for (size_t i = 0; i < s->refs_len; i++) {
        ref_past_free(s, s->refs[i]); /* While what lies below it is still there. */
        s->refs[i]->below = NULL;
    }
    for (size_t i = 0; i < s->refs_len; i++) {
        ref_destroy(s, s->refs[i]);
    }
    for (uint32_t i = 1; i < s->blocks_len; i++) {
        free(s->blocks[i]);
    }
    free(s->blocks);
    free(s->blocks_free);
    free(s->refs);
    free(s->bind);
    free(s->fly);
    free(s->fly_at);
    free(s->v);
    free(s->cand);
    free(s->live);
    free(s->levels);
    ref_made_clear(s);
    free(s->made);
    free(s);
}

struct ref_image_stats ref_image_stats(const void *state)
{
    return ((const struct ref_image *)state)->stats;
}

/* --- Begin --- */

/* Room for one more request, which counts once flight_enter is called. */
static struct flight *flight_new(struct ref_image *s)
{
    if (s->fly_len == s->fly_cap) {
        s->fly_cap = s->fly_cap ? s->fly_cap * 2 : 32;
        s->fly = mem_resize(s->fly, s->fly_cap * sizeof(*s->fly));
    }
    return &s->fly[s->fly_len];
}

static bool op_changes(enum guest_op op)
{
    return op != GUEST_READ && op != GUEST_FLUSH;
}

static void flight_enter(struct ref_image *s)
{
    const struct flight *f = &s->fly[s->fly_len];
    s->fly_at[f->token % FLY_RING] = (uint32_t)s->fly_len;
    s->fly_reads += f->op == GUEST_READ;
    s->fly_changes += op_changes(f->op);
    s->fly_len++;
}

/* The bytes that a request can touch.  False: it is nonsense, and will fail. */
static bool flight_place(const struct guest_io *io, struct flight *f)
{
    if (io->offset < 0 || io->bytes < 0 || io->offset > INT64_MAX - REF_PAGE - io->bytes) {
        return false;
    }
    f->lo = io->offset;
    f->hi = io->offset + io->bytes;
    if (io->op == GUEST_TRUNCATE) {
        int64_t now = ref_length(io->node);
        f->grows = io->offset > now;
        f->lo = MIN(now, io->offset);
        f->hi = MAX(now, io->offset);
    }
    return true;
}

void ref_forget_sharers(struct ref_image *s, struct ref *r)
{
    ref_unmake(s, r);
    if (s->refs_len < 2) {
        return;
    }
    if (r->epoch == s->epoch) {
        ref_find_aliases(s, r);
    }
    for (size_t i = 0; i < r->aliases_len; i++) {
        if (!ref_is_worked_on(s, r->aliases[i]) && r->aliases[i]->view == 0) {
            ref_forget(s, r->aliases[i]);
        }
    }
}

void ref_forget_aliases(struct ref_image *s, struct ref *r)
{
    ref_forget_sharers(s, r);
    ref_tell_overlays(s, r);
}

static void ref_image_begin(void *state, const struct guest_io *io)
{
    struct ref_image *s = state;
    CHECK(io->node && io->layer);
    struct ref_binding b = s->bind_len && s->bind[0].node == io->node
                               ? s->bind[0]
                               : ref_bind(s, io->layer, io->node);
    if (b.ref->skip || (io->op == GUEST_READ && ref_is_murky(s, b.ref))) {
        return;
    }
    struct flight *f = flight_new(s);
    *f = (struct flight){
        .token = io->token,
        .ref = b.ref,
        .epoch = s->epoch,
        .node = io->node,
        .data = io->data,
        .op = io->op,
        .fua = io->fua,
        .no_flush = b.no_flush,
    };
    if (!flight_place(io, f)) {
        return;
    }
    ref_page_prefetch(b.ref, f->lo);
    if (op_changes(io->op)) {
        ref_views_written(s, b.ref, io->node);
        ref_forget_aliases(s, b.ref);
    }
    if (op_changes(io->op) || b.copies) {
        ref_touch(b.ref, f->lo, f->hi);
    }
    f->begin = ++s->stamp;
    flight_enter(s);
}

/* --- End --- */

static size_t flight_find(const struct ref_image *s, uint64_t token)
{
    size_t at = s->fly_at[token % FLY_RING];
    if (at < s->fly_len && s->fly[at].token == token) {
        return at;
    }
    for (at = 0; at < s->fly_len && s->fly[at].token != token; at++) {
    }
    return at;
}

/* Takes the request out of the list.  False: it is not there. */
static bool flight_take(struct ref_image *s, uint64_t token, struct flight *out)
{
    size_t at = flight_find(s, token);
    if (at == s->fly_len) {
        return false;
    }
    *out = s->fly[at];
    s->fly_reads -= out->op == GUEST_READ;
    s->fly_changes -= op_changes(out->op);
    if (at != --s->fly_len) {
        s->fly[at] = s->fly[s->fly_len];
        s->fly_at[s->fly[at].token % FLY_RING] = (uint32_t)at;
    }
    return true;
}

/* Do reads in flight touch the pages of f? */
static bool is_watched(const struct ref_image *s, const struct flight *f)
{
    int64_t lo = f->lo & -(int64_t)REF_PAGE;
    int64_t hi = (f->hi + REF_PAGE - 1) & -(int64_t)REF_PAGE;
    for (size_t i = 0; i < s->fly_len && s->fly_reads; i++) {
        const struct flight *o = &s->fly[i];
        if (o->op == GUEST_READ && ref_shows(o->ref, f->ref) && o->lo < hi && o->hi > lo) {
            return true;
        }
    }
    return false;
}

/* Do changes in flight touch the bytes of f? */
static bool is_in_conflict(const struct ref_image *s, const struct flight *f)
{
    for (size_t i = 0; i < s->fly_len && s->fly_changes; i++) {
        const struct flight *o = &s->fly[i];
        if (op_changes(o->op) && o->ref == f->ref && o->lo < f->hi && o->hi > f->lo) {
            return true;
        }
    }
    return false;
}

void ref_void_reads(struct ref_image *s, const struct ref *r, int64_t lo, int64_t hi)
{
    for (size_t i = 0; i < s->fly_len; i++) {
        struct flight *f = &s->fly[i];
        if (f->op == GUEST_READ && ref_shows(f->ref, r) && f->lo < hi && f->hi > lo) {
            f->void_ = true;
        }
    }
}

/* Whether the data begins like something that would be written as zeroes. */
static bool has_zeroes(const struct iobuf *data)
{
    uint8_t first = 1;
    if (data && data->fill.kind == FILL_NONE && data->len > 0) {
        iobuf_copy_out(data, 0, &first, 1);
    }
    return first == 0 || (data && fill_is_zero(data->fill));
}

/* r gets another length: where it ends is what overlays show zeroes from on. */
static void cut_overlays(struct ref_image *s, struct ref *r)
{
    for (size_t i = 0; i < s->refs_len; i++) {
        if (s->refs[i] != r && ref_shows(s->refs[i], r)) {
            ref_not_blank(s->refs[i]);
        }
    }
}

/* Puts what a changing request left behind into its reference.  data: as its caller has it now. */
static void flight_settle(struct ref_image *s, const struct flight *f, const struct iobuf *data,
                          uint64_t end, bool sure, bool watched)
{
    if (f->lo == f->hi || f->begin < f->ref->forgotten) {
        return;
    }
    struct ref_change c = {
        .lo = f->lo,
        .hi = f->hi,
        .data = f->op == GUEST_WRITE ? data : NULL,
        .begin = f->begin,
        .end = end,
        .token = f->token,
        .watched = watched,
    };
    bool happened = sure && f->op != GUEST_DISCARD && (f->op != GUEST_TRUNCATE || f->grows);
    c.flags = happened ? 0 : V_MAYBE;
    if (f->op == GUEST_DISCARD && f->ref->below) {
        c.flags |= V_ANY; /* What lies below may show again. */
    }
    if (f->op == GUEST_TRUNCATE) {
        cut_overlays(s, f->ref);
    }
    f->ref->zeroed |= f->op != GUEST_WRITE || has_zeroes(data);
    if (happened && f->fua && !f->no_flush) {
        c.flags |= V_DURABLE;
    }
    ref_change(s, f->ref, &c);
}

/* The graph has changed while the request was on its way, perhaps before a drained section let it
 * in: a change may have gone to the old place or to the new one, and the end of anything else says
 * nothing.  False: the request is where it was. */
static bool flight_moved(struct ref_image *s, const struct flight *f, const struct guest_io *io,
                         uint64_t end)
{
    struct ref *now = f->epoch == s->epoch ? f->ref : ref_bind(s, io->layer, io->node).ref;
    if (now == f->ref) {
        return false;
    }
    s->stats.reads_void += f->op == GUEST_READ;
    if (op_changes(f->op)) {
        struct flight there = *f;
        there.ref = now;
        ref_forget_aliases(s, f->ref);
        flight_settle(s, f, io->data, end, false, is_watched(s, f));
        if (!now->skip) {
            ref_forget_aliases(s, now);
            ref_touch(now, f->lo, f->hi);
            flight_settle(s, &there, io->data, end, false, is_watched(s, &there));
        }
    }
    return true;
}

static void ref_image_end(void *state, const struct guest_io *io, int ret)
{
    struct ref_image *s = state;
    struct flight f;
    if (!flight_take(s, io->token, &f)) {
        return;
    }
    uint64_t end = ++s->stamp;
    if (f.void_) {
        s->stats.reads_void += f.op == GUEST_READ;
        return;
    }
    s->trouble = ret < 0 && f.op != GUEST_READ ? end : s->trouble;
    if (flight_moved(s, &f, io, end)) {
        return;
    }
    switch (f.op) {
    case GUEST_READ:
        if (f.begin < f.ref->forgotten) {
            s->stats.reads_void++;
        } else if (ret >= 0 && f.lo < f.hi) {
            ref_check_read(s, &f, io->data, end, is_in_conflict(s, &f));
        }
        break;
    case GUEST_FLUSH:
        if (ret >= 0 && !f.no_flush) {
            f.ref->durable = MAX(f.ref->durable, f.begin);
        }
        break;
    case GUEST_WRITE:
    case GUEST_ZERO:
    case GUEST_DISCARD:
    case GUEST_TRUNCATE:
        ref_forget_aliases(s, f.ref);
        flight_settle(s, &f, io->data, end, ret >= 0, is_watched(s, &f));
        break;
    }
}

/* --- The world --- */

static void ref_image_quiesce(void *state, const struct layer *l)
{
    (void)l;
    ref_unbind_all(state);
}

/* What nodes show is another from here on. */
static void ref_image_edge_changes(void *state, const struct child *c, const struct node *to)
{
    (void)c;
    (void)to;
    ref_unbind_all(state);
}

static void ref_image_look(void *state, const struct snapshot *g)
{
    ref_look(state, g);
}

static void ref_image_layer_gone(void *state)
{
    struct ref_image *s = state;
    ref_works_fail(s);
    ref_views_drop(s);
    ref_unbind_all(s);
    s->edges_seen = s->views_seen = 0;
}

/* Requests in flight may have left anything of theirs behind, and their ends say nothing more. */
static void ref_image_power_cut(void *state)
{
    struct ref_image *s = state;
    uint64_t stamp = ++s->stamp;
    for (size_t i = 0; i < s->fly_len; i++) {
        struct flight *f = &s->fly[i];
        if (op_changes(f->op) && !f->void_) {
            flight_settle(s, f, f->data, stamp, false, false);
        }
        f->void_ = true;
    }
    for (size_t i = 0; i < s->refs_len; i++) {
        ref_cut(s, s->refs[i]);
    }
    ref_works_fail(s);
    ref_made_clear(s);
    ref_unbind_all(s);
}

static void ref_image_storage_changed(void *state, const char *filename)
{
    struct ref_image *s = state;
    if (filename) {
        ref_made_drop(s, filename);
    } else {
        ref_made_clear(s);
    }
    for (size_t i = 0; i < s->refs_len; i++) {
        if (!filename || ref_has_file(s->refs[i], filename)) {
            ref_forget(s, s->refs[i]);
        }
    }
}

static void ref_image_image_made(void *state, const char *filename, const char *format)
{
    ref_image_storage_changed(state, filename);
    ref_made_add(state, filename, format);
}

static void ref_image_job_note(void *state, const struct job_note *note)
{
    ref_job_note(state, note);
}

static void ref_image_trouble(void *state)
{
    struct ref_image *s = state;
    s->trouble = ++s->stamp;
}

const struct oracle_ops oracle_ref_image = {
    .name = "ref-image",
    .help = "Reads return what was written; a power cut keeps what was flushed.",
    .blind = "Nodes over null-co and null-aio; files below a format; contents that no guest wrote "
             "or read yet, of images that were not made in the run; writes through another node "
             "over the same storage (nothing is known after them); overlays in clusters that were "
             "touched before what lies below them changed; targets of jobs while those run, and "
             "after they failed; after a power cut, what was written since the last flush to "
             "formats of clusters, and pages written more often than history is kept for; units "
             "of less than 512 bytes torn.",
    .create = ref_image_create,
    .destroy = ref_image_destroy,
    .guest_begin = ref_image_begin,
    .guest_end = ref_image_end,
    .quiesce = ref_image_quiesce,
    .look = ref_image_look,
    .edge_changes = ref_image_edge_changes,
    .job_note = ref_image_job_note,
    .power_cut = ref_image_power_cut,
    .layer_gone = ref_image_layer_gone,
    .storage_changed = ref_image_storage_changed,
    .image_made = ref_image_image_made,
    .trouble = ref_image_trouble,
};
