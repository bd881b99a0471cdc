/* SPDX-License-Identifier: MIT */
/* Nodes that show the past of another.
 *
 *   guest --> copy-before-write --file--> source      whose past it keeps, from when it is new
 *                             \--target-> target      over the source: shows that past
 *   reader -> snapshot-access -> copy-before-write    shows that past
 *
 * Use: ref_views_look at quiescent points, ref_view_bind when a reference is bound.
 *
 * What the source showed is copied when the node is seen for the first time, before anything was
 * written through it: what was written around it until then shows in its past.  Once something is
 * written around it later, nothing is known of that past.
 *
 * Invariants: (1) a reference with a view shows the past of that node, which is there; (2) ids of
 * layers that are gone are not looked at.
 */
#include "base/check.h"
#include "base/mem.h"
#include "oracles/ref_image.h"
#include "oracles/snapshot.h"

#include <stdlib.h>
#include <string.h>

static bool keeps_past(const struct node_view *v)
{
    return strcmp(v->driver, "copy-before-write") == 0;
}

/* The first node from n down, through what it filters, that has that id (0: that keeps a past).
 * *id: its id. */
static bool passes(const struct node *n, uint64_t *id)
{
    while (n) {
        const struct child *c = inspect_first_child(n);
        struct node_view v;
        struct edge_view e;
        inspect_view(n, &v);
        if (*id ? v.id == *id : keeps_past(&v)) {
            *id = v.id;
            return true;
        }
        n = NULL;
        for (; c && !n; c = inspect_next_child(c)) {
            inspect_edge(c, &e);
            n = e.roles & VIEW_FILTERED ? e.child : NULL;
        }
    }
    return false;
}

static struct ref_view *view_find(struct ref_image *s, uint64_t id)
{
    for (size_t i = 0; i < s->views_len; i++) {
        if (s->views[i].id == id) {
            return &s->views[i];
        }
    }
    return NULL;
}

/* Who has shown that past is not known any more. */
static void spoil(struct ref_image *s, struct ref_view *v)
{
    ref_past_drop(s, v->then);
    v->then = NULL;
    for (size_t i = 0; i < s->refs_len; i++) {
        if (s->refs[i]->view == v->id) {
            s->refs[i]->view = 0;
            ref_forget(s, s->refs[i]);
        }
    }
}

static void view_remove(struct ref_image *s, struct ref_view *v)
{
    spoil(s, v);
    *v = s->views[--s->views_len];
}

void ref_views_drop(struct ref_image *s)
{
    while (s->views_len > 0) {
        view_remove(s, s->views);
    }
}

void ref_views_spoil(struct ref_image *s, const struct ref *r)
{
    for (size_t i = 0; i < s->views_len; i++) {
        if (s->views[i].then && s->views[i].source == r) {
            spoil(s, &s->views[i]);
        }
    }
}

void ref_views_written(struct ref_image *s, const struct ref *r, const struct node *n)
{
    for (size_t i = 0; i < s->views_len; i++) {
        struct ref_view *v = &s->views[i];
        if (v->then && v->source == r && !passes(n, &v->id)) {
            spoil(s, v);
        }
    }
}

/* r shows the past of v from now on. */
static void show(struct ref_image *s, struct ref *r, const struct ref_view *v)
{
    struct ref *then = NULL;
    if (r->view != v->id && !r->skip && ref_past_take(s, v->then, NULL, &then)) {
        ref_past_put_whole(s, r, then);
        r->view = v->id;
    }
}

void ref_view_bind(struct ref_image *s, struct ref *r, const struct node *n)
{
    const struct child *c = inspect_first_child(n);
    struct node_view node;
    struct edge_view e;
    uint64_t id = 0;
    inspect_view(n, &node);
    if (strcmp(node.driver, "snapshot-access") != 0 || !c) {
        return;
    }
    inspect_edge(c, &e);
    const struct ref_view *v = passes(e.child, &id) ? view_find(s, id) : NULL;
    if (v && v->then) {
        show(s, r, v);
    } else if (r->view) {
        r->view = 0;
        ref_forget(s, r);
    }
}

/* ---- Looking ---- */

/* The child of that role, or NULL. */
static const struct node *child_of(const struct snapshot *g, const struct snap_node *n,
                                   uint32_t role)
{
    for (uint32_t i = n->down; i < n->down + n->downs; i++) {
        if (g->downs[i].v.roles & role) {
            return g->downs[i].v.child;
        }
    }
    return NULL;
}

/* Nothing has gone through it yet, and no job has it, which tells by itself. */
static bool is_new(const struct snapshot *g, const struct snap_node *n)
{
    bool of_job = false;
    for (uint32_t i = n->up; i < n->up + n->ups; i++) {
        of_job |= g->ups[i].v.of_job;
    }
    return n->v.writes == 0 && !of_job;
}

static void view_add(struct ref_image *s, const struct snapshot *g, const struct snap_node *n)
{
    const struct node *file = child_of(g, n, VIEW_FILTERED);
    const struct node *target = child_of(g, n, VIEW_DATA);
    struct ref_view v = { .id = n->v.id };
    CHECK(file && target);
    v.source = ref_bind(s, g->layer, file).ref;
    if (v.source->skip || !ref_past_take(s, v.source, NULL, &v.then)) {
        return;
    }
    s->views = mem_resize(s->views, (s->views_len + 1) * sizeof(*s->views));
    s->views[s->views_len++] = v;
    struct ref *t = ref_bind(s, g->layer, target).ref;
    if (ref_is_fresh(t) && ref_shows(t->below, v.source)) {
        show(s, t, &v);
    }
}

void ref_views_look(struct ref_image *s, const struct snapshot *g)
{
    uint64_t last = s->views_seen;
    for (size_t k = s->views_len; k > 0; k--) {
        bool found = false;
        for (uint32_t i = 0; i < g->len && !found; i++) {
            found = g->nodes[i].v.id == s->views[k - 1].id;
        }
        if (!found) {
            view_remove(s, &s->views[k - 1]);
        }
    }
    for (uint32_t i = 0; i < g->len; i++) {
        const struct snap_node *n = &g->nodes[i];
        if (n->v.id > s->views_seen && keeps_past(&n->v) && n->v.settled && is_new(g, n)) {
            view_add(s, g, n);
        }
        last = MAX(last, n->v.id);
    }
    s->views_seen = last;
}
