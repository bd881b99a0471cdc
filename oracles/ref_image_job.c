/* SPDX-License-Identifier: MIT */
/* Jobs: what they leave where.
 *
 * Use: ref_job_note at the instants that a job tells.
 *
 *   stream    what is seen stays; its node has all of its own that stood between it and the base
 *   commit    the base shows what the top showed; who stands above sees no change
 *   mirror    the target shows what the source does at the instant of completion
 *   backup    the target shows what the source did at the start: all of it (full), over what both
 *             have below (top), or where a bitmap said so, over what it was before (bitmap);
 *             with sync=none it does so through its backing file, as long as the job runs
 *
 *   reference of the target -> past of the top -> past of what stood below -> ... -> what still is
 *                              \_____ as they were, the target's alone _____/
 *
 * Invariants:
 *  1. A level of the past stands below one reference only, and goes when that one is forgotten.
 *  2. While a job writes to a target, reads of it say nothing and teach nothing; nor does a base
 *     into which something was committed half way, except to those who see it through the top.
 *  3. A job that fails leaves nothing known of its target.
 */
#include "base/check.h"
#include "base/mem.h"
#include "oracles/ref_image.h"

#include <stdlib.h>
#include <string.h>

/* ---- Levels of the past ---- */

struct ref *ref_lowest_past(struct ref *r)
{
    while (r->below && r->below->past) {
        r = r->below;
    }
    return r;
}

void ref_past_free(struct ref_image *s, struct ref *r)
{
    struct ref *p = r->below;
    while (p && p->past) {
        struct ref *below = p->below;
        p->below = NULL;
        ref_destroy(s, p);
        p = below;
    }
    if (p != r->below) {
        r->below = p;
        s->aliases_gen++;
    }
    r->copied = 0;
}

/* What requests in flight may have done to r already. */
static void add_flights(struct ref_image *s, struct ref *p, const struct ref *r, uint64_t now)
{
    for (size_t i = 0; i < s->fly_len; i++) {
        const struct flight *f = &s->fly[i];
        if (f->ref == r && f->op != GUEST_READ && f->op != GUEST_FLUSH && !f->void_ &&
            f->lo < f->hi && f->begin > r->forgotten) {
            const struct ref_change c = { .lo = f->lo,
                                          .hi = f->hi,
                                          .data = f->op == GUEST_WRITE ? f->data : NULL,
                                          .flags = V_MAYBE,
                                          .begin = f->begin,
                                          .end = now,
                                          .token = f->token };
            ref_change(s, p, &c);
        }
    }
}

/* One level as it is now. */
static struct ref *past_of(struct ref_image *s, const struct ref *r)
{
    struct ref *p = NEW(struct ref);
    p->past = true;
    p->name = mem_strdup(r->name);
    p->skip = r->skip;
    p->allocates = r->allocates;
    p->length = r->length;
    p->blank = r->blank;
    p->mixed = r->mixed;
    p->touched_any = r->touched_any;
    p->touched_all = r->touched_all;
    p->zeroed = r->zeroed;
    p->learnt = r->learnt;
    p->cluster = r->cluster;
    p->forgotten = r->forgotten;
    p->whole = r->whole;
    p->touched_len = r->touched_len;
    p->touched = mem_resize(NULL, (r->touched_len + 1) * sizeof(*r->touched));
    if (r->touched_len > 0) {
        memcpy(p->touched, r->touched, r->touched_len * sizeof(*r->touched));
    }
    ref_copy_pages(s, p, r);
    add_flights(s, p, r, ++s->stamp);
    return p;
}

void ref_past_drop(struct ref_image *s, struct ref *head)
{
    while (head && head->past) {
        struct ref *below = head->below;
        head->below = NULL;
        ref_destroy(s, head);
        head = below;
    }
}

bool ref_past_take(struct ref_image *s, const struct ref *r, struct ref *stop, struct ref **head)
{
    struct ref **link = head;
    *head = NULL;
    for (; r && r != stop; r = r->below) {
        *link = past_of(s, r);
        link = &(*link)->below;
        if (r->whole && stop) {
            ref_past_drop(s, *head);
            *head = NULL;
            return false;
        }
    }
    if (r != stop) {
        ref_past_drop(s, *head);
        *head = NULL;
        return false;
    }
    *link = stop;
    return true;
}

/* r has nothing but what the past shows, which is its own from now on, and may be shorter. */
static void past_put(struct ref_image *s, struct ref *r, struct ref *head)
{
    ref_drop(s, r);
    if (r->skip || !head || !head->past) {
        ref_past_drop(s, head);
        return;
    }
    r->below = head;
    r->blank = true;
    r->copied = r->blank_since = r->forgotten;
    s->aliases_gen++;
    if (r->length > head->length) {
        const struct ref_change rest = { .lo = head->length, .hi = r->length, .flags = V_ANY,
                                         .begin = s->stamp + 1, .end = s->stamp + 2 };
        s->stamp += 2;
        ref_change(s, r, &rest);
    }
}

/* The same for all that it shows, whatever lay below it. */
void ref_past_put_whole(struct ref_image *s, struct ref *r, struct ref *head)
{
    bool bare = !ref_lowest_past(r)->below;
    ref_forget(s, r);
    past_put(s, r, head);
    struct ref *low = ref_lowest_past(r);
    if (low->past) {
        low->whole = true;
        low->bare = bare;
    }
}

/* ---- A part of the past ---- */

static void put_run(struct ref_image *s, struct ref *r, int64_t lo, int64_t hi, uint8_t *bytes)
{
    struct iovec iov;
    const struct iobuf data = iobuf_mem(&iov, bytes, (size_t)(hi - lo));
    struct ref_change c = { .lo = lo, .hi = hi, .data = bytes ? &data : NULL,
                            .flags = bytes ? 0 : V_ANY };
    c.begin = ++s->stamp;
    c.end = ++s->stamp;
    ref_change(s, r, &c);
}

/* The part [lo, hi) of one page. */
static void put_page(struct ref_image *s, struct ref *r, struct ref *then, int64_t lo, int64_t hi)
{
    uint8_t bytes[REF_PAGE];
    bool known[REF_PAGE];
    size_t len = (size_t)(hi - lo);
    memset(known, 0, sizeof(known));
    if (then) {
        ref_show(s, then, lo, hi, bytes, known);
    }
    for (size_t at = 0; at < len;) {
        size_t end = at + 1;
        while (end < len && known[end] == known[at]) {
            end++;
        }
        put_run(s, r, lo + (int64_t)at, lo + (int64_t)end, known[at] ? bytes + at : NULL);
        at = end;
    }
}

/* What the source showed then was copied where the bitmap said so. */
static void put_dirty(struct ref_image *s, const struct ref_work *w)
{
    struct ref *r = w->target;
    ref_unmake(s, r);
    r->copied = ++s->stamp;
    for (size_t i = 0; i < w->dirty_len; i++) {
        int64_t hi = MIN(w->dirty[i].hi, r->length), at = MIN(w->dirty[i].lo, hi);
        ref_touch(r, at, hi);
        while (at < hi) {
            int64_t next = MIN(at / REF_PAGE * REF_PAGE + REF_PAGE, hi);
            put_page(s, r, w->then, at, next);
            at = next;
        }
    }
}

static void note_dirty(struct ref_work *w, const struct job_note *note)
{
    int64_t at = 0, bytes = 0;
    size_t cap = 0;
    while (note->dirty && note->dirty(note->opaque, &at, &bytes)) {
        CHECK(at >= 0 && bytes > 0);
        w->dirty = mem_grow(w->dirty, w->dirty_len, &cap, sizeof(*w->dirty));
        w->dirty[w->dirty_len++] = (struct ref_stretch){ at, at + bytes };
        at += bytes;
    }
}

bool ref_is_fresh(const struct ref *r)
{
    return r->blank && !r->touched_any && r->pages_len == 0 && r->ranges_len == 0;
}

/* ---- Jobs under way ---- */

static struct ref_work *work_find(struct ref_image *s, uint64_t serial)
{
    for (size_t i = 0; i < s->works_len; i++) {
        if (s->works[i].serial == serial && !s->works[i].left) {
            return &s->works[i];
        }
    }
    return NULL;
}

static void work_free(struct ref_image *s, struct ref_work *w)
{
    ref_past_drop(s, w->then);
    free(w->dirty);
}

static void work_remove(struct ref_image *s, struct ref_work *w)
{
    work_free(s, w);
    *w = s->works[--s->works_len];
}

void ref_works_free(struct ref_image *s)
{
    while (s->works_len > 0) {
        work_remove(s, s->works);
    }
    free(s->works);
    s->works = NULL;
}

bool ref_is_murky(struct ref_image *s, struct ref *r)
{
    for (size_t i = 0; i < s->works_len; i++) {
        const struct ref_work *w = &s->works[i];
        if (w->type == WORK_STREAM || (w->type == WORK_COPY && w->shown)) {
            continue;
        }
        if (w->type == WORK_COMMIT && ref_shows(r, w->source)) {
            continue;
        }
        bool shares = ref_shows(r, w->target);
        if (!shares && w->target->epoch == s->epoch) {
            ref_find_aliases(s, w->target);
        }
        for (size_t k = 0; k < w->target->aliases_len && !shares; k++) {
            shares = ref_shows(r, w->target->aliases[k]);
        }
        if (shares) {
            return true;
        }
    }
    return false;
}

bool ref_is_worked_on(const struct ref_image *s, const struct ref *r)
{
    for (size_t i = 0; i < s->works_len; i++) {
        if (s->works[i].type == WORK_COPY && s->works[i].target == r) {
            return true;
        }
    }
    return false;
}

void ref_works_forget(struct ref_image *s, const struct ref *r)
{
    for (size_t i = s->works_len; i > 0; i--) {
        if (s->works[i - 1].left && s->works[i - 1].target == r) {
            work_remove(s, &s->works[i - 1]);
        }
    }
}

/* ---- The start ---- */

static struct ref *bind(struct ref_image *s, const struct job_note *note, const struct node *n)
{
    return n ? ref_bind(s, note->layer, n).ref : NULL;
}

/* The target shows what the source does through its backing file, and keeps to that. */
static void show_from_now_on(struct ref_image *s, struct ref_work *w)
{
    w->shown = w->fresh && ref_shows(w->target->below, w->source);
    if (w->shown) {
        ref_past_put_whole(s, w->target, w->then);
        w->then = NULL;
    }
}

static void copy_starts(struct ref_image *s, struct ref_work *w, bool backup)
{
    const struct ref *t = w->target;
    w->fresh = ref_is_fresh(t);
    struct ref *stop = w->sync == JOB_SYNC_TOP ? ref_lowest_past(w->source)->below : NULL;
    if (backup && !ref_past_take(s, w->source, stop, &w->then)) {
        w->then = NULL;
    }
    if (w->sync == JOB_SYNC_NONE && backup) {
        show_from_now_on(s, w);
    } else {
        ref_forget_aliases(s, w->target);
    }
}

static void work_starts(struct ref_image *s, const struct job_note *note)
{
    struct ref_work w = { .serial = note->serial, .sync = note->sync };
    bool backup = strcmp(note->type, "backup") == 0;
    w.type = backup || strcmp(note->type, "mirror") == 0 ? WORK_COPY
             : strcmp(note->type, "commit") == 0         ? WORK_COMMIT
                                                         : WORK_STREAM;
    w.source = bind(s, note, note->source);
    w.target = bind(s, note, note->target);
    w.base = bind(s, note, note->base);
    CHECK(w.source && (w.target || w.type == WORK_STREAM));
    if (w.target) {
        ref_views_spoil(s, w.target);
    }
    if (w.type == WORK_COPY) {
        copy_starts(s, &w, backup);
        note_dirty(&w, note);
    }
    s->works = mem_resize(s->works, (s->works_len + 1) * sizeof(*s->works));
    s->works[s->works_len++] = w;
}

/* ---- The end ---- */

/* The target shows what the source had of its own, over what lies below both; or nothing is
 * known. */
static void copy_top(struct ref_image *s, struct ref_work *w, bool same)
{
    ref_forget(s, w->target);
    if (same && w->then && w->then->past) {
        past_put(s, w->target, w->then);
        w->then = NULL;
    }
}

static void backup_ends(struct ref_image *s, struct ref_work *w)
{
    const struct ref *below = w->then ? ref_lowest_past(w->then)->below : NULL;
    switch (w->sync) {
    case JOB_SYNC_NONE:
        ref_forget(s, w->target);
        break;
    case JOB_SYNC_BITMAP:
        put_dirty(s, w);
        break;
    case JOB_SYNC_TOP:
        copy_top(s, w, w->fresh && w->target->below == below);
        break;
    case JOB_SYNC_FULL:
        ref_past_put_whole(s, w->target, w->then);
        w->then = NULL;
        break;
    }
}

/* Whatever it began with, now both are the same; what lies below the target is about to be what
 * lies below the source (top), the source itself (none). */
static void mirror_ends(struct ref_image *s, struct ref_work *w)
{
    struct ref *t = w->target;
    struct ref *stop = w->sync == JOB_SYNC_TOP ? ref_lowest_past(w->source)->below : NULL;
    if (w->sync != JOB_SYNC_NONE && !ref_past_take(s, w->source, stop, &w->then)) {
        w->then = NULL;
    }
    switch (w->sync) {
    case JOB_SYNC_TOP:
        copy_top(s, w, true);
        break;
    case JOB_SYNC_NONE:
        past_put(s, t, NULL);
        if (!t->skip && !ref_shows(w->source, t)) {
            t->below = w->source;
            t->blank = true;
            t->copied = t->blank_since = t->forgotten;
            ref_touch(t, 0, t->length);
            s->aliases_gen++;
        }
        break;
    default:
        ref_past_put_whole(s, t, w->then);
        w->then = NULL;
        break;
    }
}

static void copy_ends(struct ref_image *s, struct ref_work *w, const struct job_note *note)
{
    if (strcmp(note->type, "backup") == 0) {
        backup_ends(s, w);
    } else {
        mirror_ends(s, w);
    }
    ref_forget_aliases(s, w->target);
}

/* Those that stand on the old top stand on the base from now on, and see no change; others that see
 * the base do. */
static void commit_ends(struct ref_image *s, const struct ref_work *w)
{
    struct ref *top = w->source, *base = w->target, *head;
    struct ref *low = ref_lowest_past(base);
    if (!ref_past_take(s, top, low->whole ? NULL : low->below, &head)) {
        head = NULL;
    }
    for (size_t i = 0; i < s->refs_len; i++) {
        struct ref *r = s->refs[i];
        if (r != base && ref_shows(r, base) && !ref_shows(r, top)) {
            ref_below_changes(s, r);
        }
        low = ref_lowest_past(r);
        low->below = low->below == top ? base : low->below;
    }
    past_put(s, base, head);
    ref_works_forget(s, base);
    ref_forget_sharers(s, base);
}

static void stream_ends(struct ref_image *s, const struct ref_work *w)
{
    struct ref *low = ref_lowest_past(w->source), *head;
    if (low->whole || low->below == w->base) {
        return;
    }
    if (!ref_past_take(s, low->below, w->base, &head) || !head) {
        ref_touch(w->source, 0, w->source->length);
        return;
    }
    low->below = head;
    s->aliases_gen++;
    w->source->copied = ++s->stamp;
}

static void work_ends(struct ref_image *s, struct ref_work *w, const struct job_note *note)
{
    w->source = bind(s, note, note->source); /* Chains may have changed meanwhile. */
    w->target = bind(s, note, note->target);
    w->base = bind(s, note, note->base);
    switch (w->type) {
    case WORK_COPY:
        copy_ends(s, w, note);
        break;
    case WORK_COMMIT:
        commit_ends(s, w);
        break;
    case WORK_STREAM:
        stream_ends(s, w);
        break;
    }
}

/* *kept: the record stays. */
static void work_fails(struct ref_image *s, struct ref_work *w, bool *kept)
{
    *kept = false;
    switch (w->type) {
    case WORK_COPY:
        ref_unmake(s, w->target);
        ref_forget(s, w->target);
        ref_forget_aliases(s, w->target);
        break;
    case WORK_COMMIT:
        *kept = w->left = true;
        break;
    case WORK_STREAM: /* Copies of what lies below may be anywhere in it. */
        ref_touch(w->source, 0, w->source->length);
        break;
    }
}

void ref_works_fail(struct ref_image *s)
{
    for (size_t i = s->works_len; i > 0; i--) {
        bool kept = true;
        if (!s->works[i - 1].left) {
            work_fails(s, &s->works[i - 1], &kept);
        }
        if (!kept) {
            work_remove(s, &s->works[i - 1]);
        }
    }
}

void ref_job_note(struct ref_image *s, const struct job_note *note)
{
    if (note->point == JOB_AT_START) {
        work_starts(s, note);
        return;
    }
    struct ref_work *found = work_find(s, note->serial);
    if (!found) {
        return;
    }
    struct ref_work w = *found;
    bool kept = false;
    *found = s->works[--s->works_len];
    if (note->point == JOB_AT_END) {
        work_ends(s, &w, note);
    } else {
        work_fails(s, &w, &kept);
    }
    if (kept) {
        s->works[s->works_len++] = w; /* There was room for it. */
    } else {
        work_free(s, &w);
    }
}
