/* SPDX-License-Identifier: MIT */
#include "oracles/snapshot.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* ---- Tables ---- */

static uint32_t hash_u64(uint64_t x)
{
    return (uint32_t)((x * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

static uint32_t hash_text(const char *text)
{
    uint32_t h = 2166136261u;
    for (; *text; text++) {
        h = (h ^ (uint8_t)*text) * 16777619u;
    }
    return h;
}

/* Empty, with room for n. */
static void table_reset(struct snap_table *t, uint32_t n)
{
    uint32_t size = t->slots ? t->mask + 1 : 0;
    if (size < 2 * n + 2) {
        size = 16;
        while (size < 2 * n + 2) {
            size *= 2;
        }
        free(t->slots);
        t->slots = NEW_ARRAY(uint32_t, size);
        t->mask = size - 1;
    } else {
        memset(t->slots, 0, (size_t)size * sizeof(*t->slots));
    }
}

static bool slots_put(const void **slots, uint32_t mask, const void *p)
{
    uint32_t at = hash_u64((uintptr_t)p) & mask;
    while (slots[at] && slots[at] != p) {
        at = (at + 1) & mask;
    }
    bool is_new = !slots[at];
    slots[at] = p;
    return is_new;
}

bool ptr_set_add(struct ptr_set *t, const void *p)
{
    CHECK(p != NULL);
    if (!t->slots || 2 * t->len > t->mask) {
        uint32_t size = t->slots ? 2 * (t->mask + 1) : 16;
        const void **slots = mem_zalloc_array(size, sizeof(*slots));
        for (uint32_t i = 0; t->slots && i <= t->mask; i++) {
            if (t->slots[i]) {
                slots_put(slots, size - 1, t->slots[i]);
            }
        }
        free(t->slots);
        t->slots = slots;
        t->mask = size - 1;
    }
    bool is_new = slots_put(t->slots, t->mask, p);
    t->len += is_new;
    return is_new;
}

void ptr_set_free(struct ptr_set *t)
{
    free(t->slots);
    *t = (struct ptr_set){ 0 };
}

/* ---- Taking ---- */

static void *grow(void *at, uint32_t *cap, size_t size)
{
    CHECK(*cap < UINT32_MAX / 4);
    *cap = *cap ? *cap * 2 : 16;
    return mem_resize(at, *cap * size);
}

static void add_down(struct snapshot *s, const struct child *c, uint32_t parent)
{
    if (s->downs_len == s->downs_cap) {
        s->downs = grow(s->downs, &s->downs_cap, sizeof(*s->downs));
    }
    struct snap_edge *e = &s->downs[s->downs_len++];
    inspect_edge(c, &e->v);
    e->parent = parent;
}

static void add_up(struct snapshot *s, const struct child *c, uint32_t child)
{
    if (s->ups_len == s->ups_cap) {
        s->ups = grow(s->ups, &s->ups_cap, sizeof(*s->ups));
    }
    struct snap_edge *e = &s->ups[s->ups_len++];
    inspect_edge(c, &e->v);
    e->child = child;
}

static void add_node(struct snapshot *s, const struct node *n)
{
    if (s->len == s->cap) {
        s->nodes = grow(s->nodes, &s->cap, sizeof(*s->nodes));
    }
    uint32_t i = s->len++;
    struct snap_node *node = &s->nodes[i];
    inspect_view(n, &node->v);
    CHECK(node->v.name != NULL);
    node->down = s->downs_len;
    node->up = s->ups_len;
    for (const struct child *c = inspect_first_child(n); c; c = inspect_next_child(c)) {
        add_down(s, c, i);
    }
    for (const struct child *c = inspect_first_parent(n); c; c = inspect_next_parent(c)) {
        add_up(s, c, i);
    }
    node->downs = s->downs_len - node->down;
    node->ups = s->ups_len - node->up;
}

static void index_nodes(struct snapshot *s)
{
    table_reset(&s->by_node, s->len);
    table_reset(&s->by_name, s->len);
    for (uint32_t i = 0; i < s->len; i++) {
        const struct node_view *v = &s->nodes[i].v;
        uint32_t at = hash_u64((uintptr_t)v->node) & s->by_node.mask;
        while (s->by_node.slots[at]) {
            at = (at + 1) & s->by_node.mask;
        }
        s->by_node.slots[at] = i + 1;
        if (snapshot_name(s, v->name) == SNAP_NONE) {
            at = hash_text(v->name) & s->by_name.mask;
            while (s->by_name.slots[at]) {
                at = (at + 1) & s->by_name.mask;
            }
            s->by_name.slots[at] = i + 1;
        }
    }
}

static void index_edges(struct snapshot *s)
{
    table_reset(&s->by_edge, s->downs_len);
    for (uint32_t i = 0; i < s->downs_len; i++) {
        if (snapshot_edge(s, s->downs[i].v.id) == SNAP_NONE) {
            uint32_t at = hash_u64(s->downs[i].v.id) & s->by_edge.mask;
            while (s->by_edge.slots[at]) {
                at = (at + 1) & s->by_edge.mask;
            }
            s->by_edge.slots[at] = i + 1;
        }
        s->downs[i].child = snapshot_node(s, s->downs[i].v.child);
    }
    for (uint32_t i = 0; i < s->ups_len; i++) {
        const struct node *parent = s->ups[i].v.parent;
        s->ups[i].parent = parent ? snapshot_node(s, parent) : SNAP_NONE;
    }
}

void snapshot_take(struct snapshot *s, const struct layer *l)
{
    s->layer = l;
    s->len = s->downs_len = s->ups_len = 0;
    for (const struct node *n = inspect_first(l); n; n = inspect_next(n)) {
        add_node(s, n);
    }
    index_nodes(s);
    index_edges(s);
}

void snapshot_free(struct snapshot *s)
{
    free(s->nodes);
    free(s->downs);
    free(s->ups);
    free(s->by_node.slots);
    free(s->by_name.slots);
    free(s->by_edge.slots);
    *s = (struct snapshot){ 0 };
}

/* ---- Finding ---- */

uint32_t snapshot_node(const struct snapshot *s, const struct node *n)
{
    const struct snap_table *t = &s->by_node;
    for (uint32_t at = hash_u64((uintptr_t)n) & t->mask; t->slots[at]; at = (at + 1) & t->mask) {
        if (s->nodes[t->slots[at] - 1].v.node == n) {
            return t->slots[at] - 1;
        }
    }
    return SNAP_NONE;
}

uint32_t snapshot_name(const struct snapshot *s, const char *name)
{
    const struct snap_table *t = &s->by_name;
    for (uint32_t at = hash_text(name) & t->mask; t->slots[at]; at = (at + 1) & t->mask) {
        if (strcmp(s->nodes[t->slots[at] - 1].v.name, name) == 0) {
            return t->slots[at] - 1;
        }
    }
    return SNAP_NONE;
}

uint32_t snapshot_edge(const struct snapshot *s, uint64_t id)
{
    const struct snap_table *t = &s->by_edge;
    for (uint32_t at = hash_u64(id) & t->mask; t->slots[at]; at = (at + 1) & t->mask) {
        if (s->downs[t->slots[at] - 1].v.id == id) {
            return t->slots[at] - 1;
        }
    }
    return SNAP_NONE;
}

const char *snapshot_label(const struct snapshot *s, const struct node *n)
{
    uint32_t i = n ? snapshot_node(s, n) : SNAP_NONE;
    return i == SNAP_NONE ? "(no node of the layer)" : s->nodes[i].v.name;
}

void snapshot_edge_label(const struct snapshot *s, const struct edge_view *e, struct strbuf *out)
{
    if (e->parent) {
        strbuf_printf(out, "'%s' of node '%s'", e->name, snapshot_label(s, e->parent));
    } else {
        strbuf_printf(out, "'%s' of a user outside the graph", e->name);
    }
}
