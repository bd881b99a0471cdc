/* SPDX-License-Identifier: MIT */
#include "model/inspect.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/layer_state.h"

#include <string.h>

static uint32_t count_tracked(const struct node *n)
{
    uint32_t count = 0;
    for (const struct tracked *t = n->tracked; t; t = t->next) {
        count++;
    }
    return count;
}

bool inspect_node(const struct layer *l, size_t i, struct node_view *out)
{
    const struct node *n = l->nodes;
    while (n && i-- > 0) {
        n = n->next;
    }
    if (!n) {
        return false;
    }
    *out = (struct node_view){ .node = n,
                               .name = n->name,
                               .driver = n->drv->name,
                               .length = n->length,
                               .refs = n->refs,
                               .monitor_owned = n->monitor_owned,
                               .settled = node_is_usable(n),
                               .in_flight = n->in_flight,
                               .tracked = count_tracked(n),
                               .is_filter = (n->drv->traits & DRV_FILTER) != 0,
                               .is_format = (n->drv->traits & DRV_FORMAT) != 0,
                               .cache_no_flush = n->flags.cache_no_flush };
    struct driver_info info;
    out->has_info = node_is_usable(n) && node_info(n, &info) == 0;
    out->cluster_size = out->has_info ? info.cluster_size : 0;
    for (const struct child *c = n->children; c; c = c->next) {
        out->children++;
    }
    for (const struct child *c = n->parents; c; c = c->next_parent) {
        out->parents++;
    }
    return true;
}

const struct layer *inspect_layer(const struct node *n)
{
    return n->layer;
}

static bool stands_in_parents(const struct child *edge)
{
    for (const struct child *c = edge->node->parents; c; c = c->next_parent) {
        if (c == edge) {
            return true;
        }
    }
    return false;
}

static void view_edge(const struct child *c, struct edge_view *out)
{
    *out = (struct edge_view){ .parent = c->parent,
                               .child = c->node,
                               .name = c->name,
                               .roles = c->roles,
                               .perm = c->perm.used,
                               .shared = c->perm.shared,
                               .frozen = c->frozen,
                               .in_child_list = stands_in_parents(c) };
}

bool inspect_child(const struct node *n, size_t i, struct edge_view *out)
{
    const struct child *c = n->children;
    while (c && i-- > 0) {
        c = c->next;
    }
    if (c) {
        view_edge(c, out);
    }
    return c != NULL;
}

bool inspect_parent(const struct node *n, size_t i, struct edge_view *out)
{
    const struct child *c = n->parents;
    while (c && i-- > 0) {
        c = c->next_parent;
    }
    if (c) {
        view_edge(c, out);
    }
    return c != NULL;
}

const struct node *inspect_bottom(const struct node *n)
{
    const struct child *c;
    while ((n->drv->traits & DRV_FILTER) && (c = node_filtered(n))) {
        n = c->node;
    }
    return n;
}

char *inspect_option(const struct node *n, const char *name)
{
    struct opts o = { .values = n->options, .members = n->drv->options };
    const json_t *value = opts_get(&o, name);
    if (value) {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_SORT_KEYS | JSON_COMPACT);
        CHECK(text != NULL);
        return text;
    }
    for (const struct schema_member *m = n->drv->options; m && m->name; m++) {
        if (strcmp(m->name, name) == 0) {
            return mem_strdup("default");
        }
    }
    return NULL;
}
