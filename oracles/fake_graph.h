/* A graph of the test's own behind the functions of model/inspect.h.
 *
 * Include it once, in a test program: it defines struct node, struct layer and the inspect
 * functions, so the real ones stay in the library.  Edges are written down twice, as in the real
 * graph, so that a test can break one side.
 */
#ifndef ORACLES_FAKE_GRAPH_H
#define ORACLES_FAKE_GRAPH_H

#include "base/mem.h"
#include "oracles/oracle.h"
#include "oracles/snapshot.h"
#include "sim/sim.h"

#include <stdio.h>
#include <string.h>

enum { FAKE_EDGES = 4, FAKE_NODES = 12, FAKE_UNITS = 64 };

/* As the model has it: name, roles, permissions, and what a test breaks. */
struct child {
    const struct node *list; /* In whose list this copy stands, */
    bool up;                 /* and in which. */
    struct edge_view v;
};

/* A bitmap of a disk of FAKE_UNITS units. */
struct dirty_bitmap {
    struct bitmap_view v;
    bool marked[FAKE_UNITS];
    struct dirty_bitmap *next;
};

struct node {
    struct layer *layer;
    struct dirty_bitmap *bitmaps;
    const char *name, *driver;
    const char *filename, *offset; /* Options; NULL: not given. */
    int64_t length, cluster_size;
    uint32_t refs, held, in_flight, tracked, height_off, iothread, quiesce, covered;
    uint64_t started, job_started, writes;
    const struct node *inherits;
    bool monitor_owned, is_filter, is_format, no_flush, read_only, force_share, copy_on_read;
    bool implicit;
    uint32_t job_blockers, job_bitmaps;
    struct child children[FAKE_EDGES], parents[FAKE_EDGES];
    uint32_t children_len, parents_len;
};

struct job {
    struct job_view v;
    const struct child *edge; /* NULL: none. */
    struct job *next;
};

struct layer {
    struct job *jobs;
    struct node *nodes[FAKE_NODES];
    size_t len;
    uint64_t edges;
    bool busy;
    struct graph_watch watch;
};

static inline struct node *fake_node(struct layer *l, struct node *n)
{
    n->layer = l;
    l->nodes[l->len++] = n;
    return n;
}

/* A consistent edge: both lists, and the child's reference. */
static inline void fake_edge_roles(struct node *parent, struct node *child, const char *name,
                                   uint32_t roles, uint32_t perm, uint32_t shared)
{
    struct child e = { .v = { .id = ++child->layer->edges,
                              .parent = parent,
                              .child = child,
                              .name = name,
                              .roles = roles,
                              .perm = perm,
                              .shared = shared,
                              .blocks = roles & VIEW_COW } };
    if (parent) {
        e.list = parent;
        parent->children[parent->children_len++] = e;
    }
    e.list = child;
    e.up = true;
    child->parents[child->parents_len++] = e;
    child->refs++;
}

static inline void fake_edge(struct node *parent, struct node *child, const char *name,
                             uint32_t perm, uint32_t shared)
{
    fake_edge_roles(parent, child, name, VIEW_FILTERED | VIEW_PRIMARY, perm, shared);
}

/* Both copies of an edge. */
static inline void fake_set_edge(struct layer *l, uint64_t id, void (*set)(struct edge_view *v))
{
    for (size_t i = 0; i < l->len; i++) {
        struct node *n = l->nodes[i];
        for (uint32_t k = 0; k < FAKE_EDGES; k++) {
            if (n->children[k].v.id == id) {
                set(&n->children[k].v);
            }
            if (n->parents[k].v.id == id) {
                set(&n->parents[k].v);
            }
        }
    }
}

/* The edge is gone from both lists, and so is its reference. */
static inline void fake_unlink(struct child *list, uint32_t *len, uint64_t id)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *len; i++) {
        if (list[i].v.id != id) {
            list[kept++] = list[i];
        }
    }
    *len = kept;
}

static inline void fake_remove_edge(struct node *parent, struct node *child, uint64_t id)
{
    if (parent) {
        fake_unlink(parent->children, &parent->children_len, id);
    }
    fake_unlink(child->parents, &child->parents_len, id);
    child->refs--;
}

static inline void fake_remove_node(struct layer *l, const struct node *n)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->len; i++) {
        if (l->nodes[i] != n) {
            l->nodes[kept++] = l->nodes[i];
        }
    }
    l->len = kept;
}

static inline size_t fake_place(const struct node *n)
{
    size_t i = 0;
    while (i < n->layer->len && n->layer->nodes[i] != n) {
        i++;
    }
    return i;
}

/* depth ends it where a test has made a circle. */
static inline uint32_t fake_height(const struct node *n, int depth)
{
    uint32_t height = 0;
    for (uint32_t i = 0; i < n->children_len && depth > 0; i++) {
        uint32_t below = fake_height(n->children[i].v.child, depth - 1) + 1;
        height = below > height ? below : height;
    }
    return height;
}

const struct node *inspect_first(const struct layer *l)
{
    return l->len > 0 ? l->nodes[0] : NULL;
}

const struct node *inspect_next(const struct node *n)
{
    size_t i = fake_place(n) + 1;
    return i < n->layer->len ? n->layer->nodes[i] : NULL;
}

const struct node *inspect_prev(const struct node *n)
{
    size_t i = fake_place(n);
    return i > 0 ? n->layer->nodes[i - 1] : NULL;
}

void inspect_view(const struct node *n, struct node_view *out)
{
    *out = (struct node_view){
        .node = n,
        .id = (uintptr_t)n,
        .name = n->name,
        .driver = n->driver,
        .length = n->length,
        .settled = true,
        .refs = n->refs,
        .held = n->held,
        .monitor_owned = n->monitor_owned,
        .in_flight = n->in_flight,
        .tracked = n->tracked,
        .started = n->started,
        .job_started = n->job_started,
        .writes = n->writes,
        .height = fake_height(n, FAKE_NODES) + n->height_off,
        .iothread = n->iothread,
        .quiesce = n->quiesce,
        .covered = n->covered,
        .inherits = n->inherits,
        .read_only = n->read_only,
        .force_share = n->force_share,
        .is_filter = n->is_filter,
        .is_format = n->is_format,
        .copy_on_read = n->copy_on_read,
        .cache_no_flush = n->no_flush,
        .implicit = n->implicit,
        .job_blockers = n->job_blockers,
        .job_bitmaps = n->job_bitmaps,
    };
}

bool inspect_node(const struct layer *l, size_t i, struct node_view *out)
{
    if (i < l->len) {
        inspect_view(l->nodes[i], out);
    }
    return i < l->len;
}

const struct layer *inspect_layer(const struct node *n)
{
    return n->layer;
}

const struct child *inspect_first_child(const struct node *n)
{
    return n->children_len > 0 ? n->children : NULL;
}

const struct child *inspect_next_child(const struct child *c)
{
    return c + 1 < c->list->children + c->list->children_len ? c + 1 : NULL;
}

const struct child *inspect_first_parent(const struct node *n)
{
    return n->parents_len > 0 ? n->parents : NULL;
}

const struct child *inspect_next_parent(const struct child *c)
{
    return c + 1 < c->list->parents + c->list->parents_len ? c + 1 : NULL;
}

void inspect_edge(const struct child *c, struct edge_view *out)
{
    *out = c->v;
}

bool inspect_info(const struct node *n, int64_t *cluster_size)
{
    *cluster_size = n->cluster_size;
    return n->cluster_size > 0;
}

const struct dirty_bitmap *inspect_first_bitmap(const struct node *n)
{
    return n->bitmaps;
}

const struct dirty_bitmap *inspect_next_bitmap(const struct dirty_bitmap *b)
{
    return b->next;
}

void inspect_bitmap(const struct dirty_bitmap *b, struct bitmap_view *out)
{
    *out = b->v;
}

int64_t inspect_bitmap_clean(const struct dirty_bitmap *b, int64_t offset, int64_t bytes)
{
    int64_t at = offset;
    while (at < offset + bytes && b->marked[at]) {
        at++;
    }
    return at < offset + bytes ? at : -1;
}

const struct job *inspect_first_job(const struct layer *l)
{
    return l->jobs;
}

const struct job *inspect_next_job(const struct job *j)
{
    return j->next;
}

void inspect_job(const struct job *j, struct job_view *out)
{
    *out = j->v;
    out->job = j;
}

const struct child *inspect_job_edge(const struct job *j, size_t i)
{
    return i == 0 ? j->edge : NULL;
}

bool inspect_is_busy(const struct layer *l)
{
    return l->busy;
}

void inspect_watch(struct layer *l, const struct graph_watch *watch)
{
    l->watch = *watch;
}

char *inspect_option(const struct node *n, const char *name)
{
    if (strcmp(name, "filename") == 0 && n->filename) {
        return mem_printf("\"%s\"", n->filename);
    }
    if (strcmp(name, "offset") == 0 && n->offset) {
        return mem_strdup(n->offset);
    }
    return mem_strdup("default");
}

/* What an oracle said. */
struct fake_verdict {
    int failures;
    char site[32];
    char text[4096]; /* Of the first failure. */
};

static inline void fake_fail(void *opaque, const struct oracle *o, const char *site,
                             const char *text)
{
    struct fake_verdict *v = opaque;
    (void)o;
    if (v->failures++ == 0) {
        snprintf(v->site, sizeof(v->site), "%s", site);
        snprintf(v->text, sizeof(v->text), "%s", text);
    }
}

static inline struct oracle fake_oracle(const struct oracle_ops *ops, struct sim *s,
                                        struct fake_verdict *v)
{
    *v = (struct fake_verdict){ 0 };
    return (struct oracle){ .ops = ops, .sim = s, .fail = fake_fail, .opaque = v };
}

#endif
