/* SPDX-License-Identifier: MIT */
/* Nodes, graph and block devices behind a statement.
 *
 * The answers are brought into one value that is keyed by names, so that a node too many is
 * one difference:
 *
 *   nodes   query-named-block-nodes by name, and the order of the names (the youngest first, as
 *           QEMU has it)
 *   graph   x-debug-query-block-graph: numbers of nodes are the addresses of nobody, and the order
 *           of edges is that of changes; nodes count by name and type, and an edge is known by
 *           parent, role and child
 *   block   query-block by device, and its order
 *   jobs    query-jobs with query-block-jobs by id, and its order
 *
 * A load has a backend of its own in the model, and in QEMU one for each request, while that is
 * there.  So as long as one is in progress, permissions and backends without a name are left out.
 *
 * A difference that was there behind the statement before is not told again.  Whether it is the
 * same is a matter of its place alone: its values may change with every statement.
 *
 * A device goes a moment after the reply to the command that takes it away, in QEMU; so what
 * differs behind such a command is told only when it is still so behind the next statement.  The
 * same goes for requests of io that nobody waits for, and for what lets such a request go on from a
 * breakpoint.  All words of `args` are one command line in QEMU, which carries it out in an order
 * of its own, so the order behind it is taken as it is.
 */
#include "scenarios/diff/compare_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { NODES, GRAPH, BLOCK, JOBS, STATES };

/* A backend that has no name. */
static const char nameless[] = "[block-backend]";

static const char *const state_name[STATES] = { "nodes", "graph", "block", "jobs" };

/* ---- graph ---- */

/* Sets key, or "key (2)"... when it is taken. */
static void set_unique(json_t *object, const char *key, json_t *value)
{
    char *name = mem_strdup(key);
    for (unsigned i = 2; json_object_get(object, name); i++) {
        free(name);
        name = mem_printf("%s (%u)", key, i);
    }
    json_object_set_new_nocheck(object, name, value);
    free(name);
}

/* "sd0 [block-backend]" of the node with that number; nodes of the layer have their bare name. */
static char *graph_name(const json_t *node)
{
    const char *name = member_text(node, "name"), *type = member_text(node, "type");
    if (strcmp(type, "block-driver") == 0) {
        return mem_strdup(name);
    }
    return mem_printf("%s%s[%s]", name, *name ? " " : "", type);
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "consistent-read,write" */
static json_t *sorted_texts(const json_t *array)
{
    size_t n = json_array_size(array), len = 0;
    const char **texts = mem_alloc((n + 1) * sizeof(*texts));
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (text) {
            texts[len++] = text;
        }
    }
    qsort(texts, len, sizeof(*texts), compare_text);
    struct strbuf all = { 0 };
    for (size_t i = 0; i < len; i++) {
        strbuf_printf(&all, "%s%s", i ? "," : "", texts[i]);
    }
    json_t *new = json_string_nocheck(strbuf_str(&all));
    strbuf_free(&all);
    free(texts);
    return new;
}

struct graph_edge {
    char *name;
    char *perms; /* As text, so that edges of one name have an order. */
    json_t *value;
};

static int compare_edges(const void *a, const void *b)
{
    const struct graph_edge *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : strcmp(x->perms, y->perms);
}

static json_t *edge_view(const json_t *edge, bool busy)
{
    return busy ? json_object()
                : json_pack("{s:o, s:o}", "perm", sorted_texts(json_object_get(edge, "perm")),
                            "shared-perm", sorted_texts(json_object_get(edge, "shared-perm")));
}

static json_t *edges_view(const json_t *edges, json_t *name_of, bool busy)
{
    size_t n = json_array_size(edges);
    struct graph_edge *all = NEW_ARRAY(struct graph_edge, n + 1);
    for (size_t i = 0; i < n; i++) {
        const json_t *edge = json_array_get(edges, i);
        const json_t *parent = json_object_get(edge, "parent");
        const json_t *child = json_object_get(edge, "child");
        char number[2][32];
        snprintf(number[0], 32, "%" JSON_INTEGER_FORMAT, json_integer_value(parent));
        snprintf(number[1], 32, "%" JSON_INTEGER_FORMAT, json_integer_value(child));
        all[i].name = mem_printf("%s -%s-> %s", member_text(name_of, number[0]),
                                 member_text(edge, "name"), member_text(name_of, number[1]));
        all[i].value = edge_view(edge, busy);
        all[i].perms = json_dumps(all[i].value, JSON_COMPACT | JSON_SORT_KEYS);
    }
    qsort(all, n, sizeof(*all), compare_edges);
    json_t *view = json_object();
    for (size_t i = 0; i < n; i++) {
        if (busy && strncmp(all[i].name, nameless, strlen(nameless)) == 0) {
            json_decref(all[i].value);
        } else {
            set_unique(view, all[i].name, all[i].value);
        }
        free(all[i].name);
        free(all[i].perms);
    }
    free(all);
    return view;
}

json_t *compare_graph_view(const json_t *graph, bool busy)
{
    const json_t *nodes = json_object_get(graph, "nodes");
    size_t n = json_array_size(nodes);
    json_t *name_of = json_object(), *nodes_view = json_object();
    for (size_t i = 0; i < n; i++) {
        const json_t *node = json_array_get(nodes, i);
        char *name = graph_name(node);
        char number[32];
        snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
                 json_integer_value(json_object_get(node, "id")));
        json_object_set_new_nocheck(name_of, number, json_string_nocheck(name));
        if (!busy || strcmp(name, nameless) != 0) {
            set_unique(nodes_view, name, json_string_nocheck(member_text(node, "type")));
        }
        free(name);
    }
    json_t *edges = edges_view(json_object_get(graph, "edges"), name_of, busy);
    json_decref(name_of);
    return json_pack("{s:o, s:o}", "nodes", nodes_view, "edges", edges);
}

/* A real target shows no permissions while a frontend of its own, which has others than what the
 * model uses in its place, is in the graph. */
static bool shows_perms(const json_t *graph)
{
    const json_t *edges = json_object_get(graph, "edges");
    return json_array_size(edges) == 0 || json_object_get(json_array_get(edges, 0), "perm");
}

static void drop_perms(json_t *view)
{
    const char *name;
    json_t *edge;
    json_object_foreach(json_object_get(view, "edges"), name, edge) {
        json_object_del(edge, "perm");
        json_object_del(edge, "shared-perm");
    }
}

/* ---- lists by name ---- */

static const char *block_name(const json_t *device)
{
    const char *name = member_text(device, "device");
    return *name ? name : member_text(device, "qdev");
}

/* {"at": {NAME: ENTRY}, "order": [NAME...]} */
static json_t *list_view(const json_t *list, int which)
{
    json_t *at = json_object(), *order = json_array();
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *entry = json_array_get(list, i);
        const char *name = which == NODES  ? member_text(entry, "node-name")
                           : which == JOBS ? member_text(entry, "id")
                                           : block_name(entry);
        set_unique(at, name, json_incref(entry));
        json_array_append_new(order, json_string_nocheck(name));
    }
    return json_pack("{s:o, s:o}", "at", at, "order", order);
}

/* The names that the other side has too, in a line each. */
static char *common_order(const json_t *view, const json_t *other)
{
    struct strbuf out = { 0 };
    const json_t *order = json_object_get(view, "order");
    for (size_t i = 0; i < json_array_size(order); i++) {
        const char *name = json_string_value(json_array_get(order, i));
        if (json_object_get(json_object_get(other, "at"), name)) {
            strbuf_printf(&out, "%s%s", out.len ? " " : "", name);
        }
    }
    return out.text ? out.text : mem_strdup("");
}

static void diff_lists(struct diff_list *list, const char *path, int which, const json_t *ours,
                       const json_t *theirs)
{
    json_t *a = list_view(ours, which), *b = list_view(theirs, which);
    char *order_a = common_order(a, b), *order_b = common_order(b, a);
    diff_json(list, path, json_object_get(a, "at"), json_object_get(b, "at"));
    if (strcmp(order_a, order_b) != 0) {
        char *order = mem_printf("order of %s", path);
        diff_add(list, order, order_a, order_b);
        free(order);
    }
    free(order_a);
    free(order_b);
    json_decref(a);
    json_decref(b);
}

/* ---- Dirty bitmaps ---- */

/* How much is dirty follows the requests of a load that is in progress, and the bitmaps of jobs,
 * which have no name, how far the job has come. */
static void drop_dirty_counts(json_t *value, bool busy)
{
    json_t *bitmaps = json_object_get(value, "dirty-bitmaps"), *member;
    const char *key;
    size_t i;
    json_array_foreach(bitmaps, i, member) {
        if (busy || !json_object_get(member, "name")) {
            json_object_del(member, "count");
        }
    }
    json_array_foreach(value, i, member) {
        drop_dirty_counts(member, busy);
    }
    json_object_foreach(value, key, member) {
        drop_dirty_counts(member, busy);
    }
}

/* ---- all ---- */

static void diff_state(struct compare_side side[COMPARE_SIDES], int which, bool busy,
                       const json_t *const state[COMPARE_SIDES], struct diff_list *list)
{
    const char *name = state_name[which];
    json_t *normal[COMPARE_SIDES];
    for (int w = OURS; w < COMPARE_SIDES; w++) {
        normal[w] = compare_side_json(&side[w], state[w]);
        drop_dirty_counts(normal[w], busy);
        if (which == JOBS) {
            json_t *view = compare_job_list(&side[w], normal[w]);
            json_decref(normal[w]);
            normal[w] = view;
        }
    }
    if (which == GRAPH) {
        json_t *a = compare_graph_view(normal[OURS], busy);
        json_t *b = compare_graph_view(normal[THEIRS], busy);
        if (!shows_perms(normal[THEIRS])) {
            drop_perms(a);
            drop_perms(b);
        }
        diff_json(list, name, a, b);
        json_decref(a);
        json_decref(b);
    } else {
        diff_lists(list, name, which, normal[OURS], normal[THEIRS]);
    }
    json_decref(normal[OURS]);
    json_decref(normal[THEIRS]);
}

static bool same_json(const json_t *a, const json_t *b)
{
    return a == b || (a && b && json_equal(a, b));
}

static bool is_known(const struct diff_list *known, const char *path)
{
    for (size_t i = 0; i < known->len; i++) {
        if (strcmp(known->at[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}

/* io NODE resume TAG, or remove_break TAG. */
static bool lets_go(const struct record_stmt *s)
{
    return strcmp(s->command, "io") == 0 &&
           (strstr(s->text, " resume ") || strstr(s->text, " remove_break "));
}

bool compare_is_late(const struct record_stmt *s)
{
    return strcmp(s->command, "device_del") == 0 || strstr(s->text, "\"device_del\"") ||
           compare_is_aio(s) || lets_go(s);
}

/* What was known of a state that was not asked for this time. */
static void keep_known(const struct diff_list *known, int which, struct diff_list *now)
{
    const char *name = state_name[which];
    size_t n = strlen(name);
    for (size_t i = 0; i < known->len; i++) {
        const struct diff_entry *e = &known->at[i];
        const char *path = strncmp(e->path, "order of ", 9) == 0 ? e->path + 9 : e->path;
        if (strncmp(path, name, n) == 0 && (path[n] == '.' || path[n] == '\0')) {
            diff_add(now, e->path, e->value[OURS], e->value[THEIRS]);
        }
    }
}

void compare_state_fini(struct compare_state *st)
{
    diff_list_free(&st->known);
}

bool compare_state(struct compare_state *st, struct compare_side side[COMPARE_SIDES],
                   const struct record_stmt *ours, const struct record_stmt *theirs,
                   enum compare_absorb absorb, struct diff_list *list)
{
    const json_t *state[STATES][COMPARE_SIDES] = { { ours->nodes, theirs->nodes },
                                                   { ours->graph, theirs->graph },
                                                   { ours->block, theirs->block },
                                                   { ours->jobs, theirs->jobs } };
    struct diff_list now = { 0 };
    bool still = true, asked = false;
    for (int i = 0; i < STATES; i++) {
        asked = asked || (state[i][OURS] && state[i][THEIRS]);
    }
    for (int i = 0; i < STATES && asked; i++) {
        for (int w = OURS; w < COMPARE_SIDES; w++) {
            still = still && same_json(state[i][w], st->before[w][i]);
            st->before[w][i] = state[i][w];
        }
    }
    if (!asked || (still && !st->held && !absorb)) {
        return asked;
    }
    for (int i = 0; i < STATES; i++) {
        if (!state[i][OURS] || !state[i][THEIRS]) {
            keep_known(&st->known, i, &now);
        } else if (!json_equal(state[i][OURS], state[i][THEIRS])) {
            diff_state(side, i, st->busy, state[i], &now);
        }
    }
    st->held = absorb != ABSORB_ALL && compare_is_late(ours);
    for (size_t i = 0; i < now.len && absorb != ABSORB_ALL && !st->held; i++) {
        bool order = strncmp(now.at[i].path, "order of ", 9) == 0;
        if (!(order && absorb == ABSORB_ORDER) && !is_known(&st->known, now.at[i].path)) {
            diff_add(list, now.at[i].path, now.at[i].value[OURS], now.at[i].value[THEIRS]);
        }
    }
    if (st->held) {
        diff_list_free(&now);
    } else {
        diff_list_free(&st->known);
        st->known = now;
    }
    return true;
}

bool compare_state_alone(struct compare_state *st, struct compare_side side[COMPARE_SIDES],
                         const struct record_stmt *done, enum compare_who who)
{
    const enum compare_who idle = who == OURS ? THEIRS : OURS;
    const struct record_stmt rest = {
        .command = done->command, .text = done->text, .nodes = (json_t *)st->before[idle][NODES],
        .graph = (json_t *)st->before[idle][GRAPH], .block = (json_t *)st->before[idle][BLOCK],
        .jobs = (json_t *)st->before[idle][JOBS],
    };
    struct diff_list none = { 0 };
    bool known = done->nodes && done->graph && done->block && rest.nodes && rest.graph &&
                 rest.block;
    if (!known || st->held || st->busy || compare_is_late(done)) {
        return false;
    }
    compare_state(st, side, who == OURS ? done : &rest, who == OURS ? &rest : done, ABSORB_ALL,
                  &none);
    diff_list_free(&none);
    return true;
}
