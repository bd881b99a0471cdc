/* SPDX-License-Identifier: MIT */
/* A frozen link changes neither its target nor disappears while it is frozen.
 *
 * Use: every change of an edge is told as it happens; at each quiescent point the links that are
 * frozen are compared with what was seen at the one before.
 *
 * Invariants that are checked:
 *   1. an edge that changes its target, or goes, is not frozen when it does
 *   2. a link that was frozen is there and leads to the same node, unless its change was told: so
 *      one that is changed behind the back of all is found as well
 */
#include "base/check.h"
#include "base/mem.h"
#include "oracles/oracle.h"
#include "oracles/snapshot.h"

#include <stdlib.h>
#include <string.h>

struct frozen_link {
    uint64_t edge;  /* Ascending. */
    uint64_t child; /* Id of the node. */
    char *text;     /* "top -backing-> base" */
};

struct frozen {
    struct oracle *o;
    struct frozen_link *links;
    size_t len, cap;
};

static void *frozen_create(struct oracle *o)
{
    struct frozen *f = NEW(struct frozen);
    f->o = o;
    return f;
}

static void forget_all(struct frozen *f)
{
    for (size_t i = 0; i < f->len; i++) {
        free(f->links[i].text);
    }
    f->len = 0;
}

static void frozen_destroy(void *state)
{
    struct frozen *f = state;
    forget_all(f);
    free(f->links);
    free(f);
}

static void frozen_layer_gone(void *state)
{
    forget_all(state);
}

/* The place of the link, or f->len. */
static size_t find(const struct frozen *f, uint64_t edge)
{
    size_t lo = 0, hi = f->len;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (f->links[mid].edge < edge) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < f->len && f->links[lo].edge == edge ? lo : f->len;
}

static void forget(struct frozen *f, size_t i)
{
    free(f->links[i].text);
    memmove(&f->links[i], &f->links[i + 1], (f->len - i - 1) * sizeof(*f->links));
    f->len--;
}

static char *link_text(const struct edge_view *e)
{
    struct node_view parent = { .name = "(a user outside the graph)" }, child;
    if (e->parent) {
        inspect_view(e->parent, &parent);
    }
    inspect_view(e->child, &child);
    return mem_printf("%s -%s-> %s", parent.name, e->name, child.name);
}

static void frozen_edge_changes(void *state, const struct child *c, const struct node *to)
{
    struct frozen *f = state;
    struct edge_view e;
    inspect_edge(c, &e);
    if (to == e.child) {
        return; /* Its permissions alone. */
    }
    if (e.frozen) {
        char *text = link_text(&e);
        oracle_fail(f->o, "change", "the frozen link %s %s", text,
                    to ? "is led to another node" : "is dropped");
        free(text);
    }
    size_t i = find(f, e.id);
    if (i < f->len) {
        forget(f, i);
    }
}

static void check_link(struct frozen *f, const struct snapshot *s, const struct frozen_link *l)
{
    uint32_t at = snapshot_edge(s, l->edge);
    uint32_t child = at == SNAP_NONE ? SNAP_NONE : s->downs[at].child;
    if (at == SNAP_NONE) {
        oracle_fail(f->o, "gone", "the link %s was frozen, and has disappeared", l->text);
    } else if (child == SNAP_NONE || s->nodes[child].v.id != l->child) {
        oracle_fail(f->o, "moved", "the link %s was frozen, and leads to '%s' now", l->text,
                    snapshot_label(s, s->downs[at].v.child));
    }
}

static int by_edge(const void *a, const void *b)
{
    uint64_t x = ((const struct frozen_link *)a)->edge, y = ((const struct frozen_link *)b)->edge;
    return x < y ? -1 : x > y;
}

static void frozen_look(void *state, const struct snapshot *s)
{
    struct frozen *f = state;
    for (size_t i = 0; i < f->len; i++) {
        check_link(f, s, &f->links[i]);
    }
    forget_all(f);
    for (uint32_t i = 0; i < s->downs_len; i++) {
        const struct snap_edge *e = &s->downs[i];
        if (!e->v.frozen || e->child == SNAP_NONE) {
            continue;
        }
        if (f->len == f->cap) {
            f->cap = f->cap ? f->cap * 2 : 16;
            f->links = mem_resize(f->links, f->cap * sizeof(*f->links));
        }
        f->links[f->len++] = (struct frozen_link){ .edge = e->v.id,
                                                   .child = s->nodes[e->child].v.id,
                                                   .text = link_text(&e->v) };
    }
    if (f->len > 1) {
        qsort(f->links, f->len, sizeof(*f->links), by_edge);
    }
}

const struct oracle_ops oracle_frozen = {
    .name = "frozen",
    .help = "A frozen link keeps its target, and stays, as long as it is frozen.",
    .blind = "Whether the links that a job works on are frozen at all, and thawed again; a link "
             "that is changed behind the back of all and put back before the next look.",
    .create = frozen_create,
    .destroy = frozen_destroy,
    .look = frozen_look,
    .edge_changes = frozen_edge_changes,
    .layer_gone = frozen_layer_gone,
};
