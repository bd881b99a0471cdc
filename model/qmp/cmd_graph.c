/* SPDX-License-Identifier: MIT */
/* x-debug-query-block-graph: who uses whom, and with which permissions.
 *
 * Numbers are given in the order of the first mention: block backends with their media, then jobs
 * with theirs, the youngest first, then the nodes in order of creation with their children, the
 * youngest edge first.  The lists are told backwards.  (QEMU qapi/block-core.json: XDbgBlockGraph;
 * behaviour of the installed 7.2.)
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/job/block_job.h"
#include "model/layer_state.h"
#include "model/qmp/commands.h"

#include <stdlib.h>

/* Whom a number stands for. */
struct graph {
    const void **who;
    size_t len, cap;
    json_t *nodes, *edges;
};

static json_int_t number_of(struct graph *g, const void *who)
{
    for (size_t i = 0; i < g->len; i++) {
        if (g->who[i] == who) {
            return (json_int_t)i + 1;
        }
    }
    g->who = mem_grow(g->who, g->len, &g->cap, sizeof(*g->who));
    g->who[g->len++] = who;
    return (json_int_t)g->len;
}

static void add_node(struct graph *g, const void *who, const char *type, const char *name)
{
    json_t *node = json_pack("{s:I, s:s, s:s}", "id", number_of(g, who), "type", type, "name",
                             name);
    CHECK(node != NULL);
    json_array_insert_new(g->nodes, 0, node);
}

static json_t *permission_names(uint32_t perms)
{
    static const char *const names[PERM_BITS] = { "consistent-read", "write", "write-unchanged",
                                                  "resize" };
    json_t *list = json_array();
    for (int i = PERM_BITS; i > 0; i--) {
        if (perms & (1u << (i - 1))) {
            json_array_append_new(list, json_string(names[i - 1]));
        }
    }
    return list;
}

static void add_edge(struct graph *g, const void *parent, const struct child *c)
{
    json_int_t from = number_of(g, parent), to = number_of(g, c->node);
    json_t *edge = json_pack("{s:I, s:I, s:s, s:o, s:o}", "parent", from, "child", to, "name",
                             c->name, "perm", permission_names(c->perm.used), "shared-perm",
                             permission_names(c->perm.shared));
    CHECK(edge != NULL);
    json_array_insert_new(g->edges, 0, edge);
}

static const char *backend_label(const struct backend *b)
{
    return *backend_name(b) ? backend_name(b) : backend_client_id(b);
}

static void add_backend(struct graph *g, const struct backend *b)
{
    const struct node *n = backend_node(b);
    add_node(g, b, "block-backend", backend_label(b));
    for (const struct child *c = n ? n->parents : NULL; c; c = c->next_parent) {
        if (c->opaque == b) {
            add_edge(g, b, c);
        }
    }
}

static void add_job(struct graph *g, const struct block_job *b)
{
    const struct child *c;
    add_node(g, b, "block-job", b->job.id);
    for (size_t i = 0; (c = block_job_edge(b, i)) != NULL; i++) {
        add_edge(g, b, c);
    }
}

static void add_children(struct graph *g, const struct node *n)
{
    size_t len = 0;
    for (const struct child *c = n->children; c; c = c->next) {
        len++;
    }
    const struct child **edges = NEW_ARRAY(const struct child *, len + 1);
    for (const struct child *c = n->children; c; c = c->next) {
        edges[--len] = c;
    }
    for (size_t i = 0; edges[i]; i++) {
        add_edge(g, n, edges[i]);
    }
    free(edges);
}

static int query_graph(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct graph g = { .nodes = json_array(), .edges = json_array() };

    (void)args;
    (void)err;
    for (const struct backend *b = l->backends; b; b = backend_next(b)) {
        add_backend(&g, b);
    }
    for (const struct job *j = job_first(l); j; j = job_next(j)) {
        if (job_is_block_job(j)) {
            add_job(&g, (const struct block_job *)j);
        }
    }
    for (const struct node *n = l->nodes; n; n = n->next) {
        if (node_is_usable(n)) {
            add_node(&g, n, "block-driver", n->name);
            add_children(&g, n);
        }
    }
    free(g.who);
    *ret = json_pack("{s:o, s:o}", "nodes", g.nodes, "edges", g.edges);
    CHECK(*ret != NULL);
    return 0;
}

static const char *const node_types[] = { "block-backend", "block-job", "block-driver", NULL };

static const struct schema_type node_type_type = {
    .name = "XDbgBlockGraphNodeType", .kind = SCHEMA_ENUM, .values = node_types
};

static const struct schema_member node_members[] = {
    { "id", &schema_uint64, 0, NULL, NULL },
    { "type", &node_type_type, 0, NULL, NULL },
    { "name", &schema_str, 0, NULL, NULL },
    { 0 },
};

static const struct schema_type node_type = {
    .name = "XDbgBlockGraphNode", .kind = SCHEMA_STRUCT, .members = node_members
};

static const struct schema_type node_list = {
    .name = "XDbgBlockGraphNodeList", .kind = SCHEMA_ARRAY, .element = &node_type
};

static const char *const permissions[] = { "consistent-read", "write", "write-unchanged", "resize",
                                           NULL };

static const struct schema_type permission_type = {
    .name = "BlockPermission", .kind = SCHEMA_ENUM, .values = permissions
};

static const struct schema_type permission_list = {
    .name = "BlockPermissionList", .kind = SCHEMA_ARRAY, .element = &permission_type
};

static const struct schema_member edge_members[] = {
    { "parent", &schema_uint64, 0, NULL, NULL },
    { "child", &schema_uint64, 0, NULL, NULL },
    { "name", &schema_str, 0, NULL, NULL },
    { "perm", &permission_list, 0, NULL, NULL },
    { "shared-perm", &permission_list, 0, NULL, NULL },
    { 0 },
};

static const struct schema_type edge_type = {
    .name = "XDbgBlockGraphEdge", .kind = SCHEMA_STRUCT, .members = edge_members
};

static const struct schema_type edge_list = {
    .name = "XDbgBlockGraphEdgeList", .kind = SCHEMA_ARRAY, .element = &edge_type
};

static const struct schema_member graph_members[] = {
    { "nodes", &node_list, 0, NULL, NULL },
    { "edges", &edge_list, 0, NULL, NULL },
    { 0 },
};

static const struct schema_type graph_type = {
    .name = "XDbgBlockGraph", .kind = SCHEMA_STRUCT, .members = graph_members
};

const struct qmp_command qmp_query_block_graph = {
    .name = "x-debug-query-block-graph",
    .returns = &graph_type,
    .help = "the block graph, with permissions",
    .run = query_graph,
};
