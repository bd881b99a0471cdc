/* SPDX-License-Identifier: MIT */
/* Expectations on the state of a real program: what it tells when it is asked. */
#include "scenarios/run_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- data ---- */

/* Every piece is looked at here, as several bytes may be right.  1: one is wrong, as is told. */
static int check_pieces(struct run_ctx *ctx, const struct script_expect *e, const char *node,
                        const struct data_words *d, struct error *err)
{
    uint64_t end = d->range.offset + d->range.bytes, n;
    uint64_t step = d->per >= REAL_READ_MAX ? REAL_READ_MAX : REAL_READ_MAX / d->per * d->per;
    void *piece = mem_alloc(REAL_READ_MAX);
    int ret = 0;
    for (uint64_t at = d->range.offset; at < end && ret == 0; at += n) {
        n = MIN(step - at % d->per % step, end - at);
        ret = target_real_read(ctx->target, node, at, (size_t)n, piece, err);
        size_t wrong = ret == 0 ? pattern_check(&d->pattern, at, d->per, piece, (size_t)n) : n;
        if (wrong < n) {
            expect_data_differs(ctx, e, node, d, at + wrong, ((const uint8_t *)piece)[wrong]);
            ret = 1;
        }
    }
    free(piece);
    return ret;
}

void expect_real_data(struct run_ctx *ctx, const struct script_expect *e, char **words)
{
    struct error err = ERROR_INIT;
    struct data_words d;
    int ret = expect_data_parse(words, &d, &err);
    if (ret == 0 && ctx->loads) {
        return; /* What a load has done by now is a matter of time. */
    }
    if (ret == 0 && d.pattern.len == 1) {
        ret = target_real_check_byte(ctx->target, words[0], d.range.offset, d.range.bytes,
                                     d.pattern.at[0], &err);
        if (ret == 1) {
            /* Tells where. */
            ret = check_pieces(ctx, e, words[0], &d, &err);
            if (ret == 0) {
                expect_fail(ctx, e, "the data of '%s' differs, and a moment later no more",
                            words[0]);
            }
        }
    } else if (ret == 0) {
        ret = check_pieces(ctx, e, words[0], &d, &err);
    }
    if (ret < 0 && ret != -ENOTSUP) { /* It cannot be looked at on this target. */
        expect_fail(ctx, e, "data of '%s': %s", words[0], err.text);
    }
}

/* ---- node ---- */

/* Both are json:{...} file names that say the same: QEMU has the members in the order of a hash
 * table. */
static bool same_json_name(const json_t *entry, const char *word)
{
    static const char mark[] = "json:";
    const char *want = strchr(word, '=');
    CHECK(want != NULL && want > word);
    char *key = mem_strndup(word, (size_t)(want - word) - (want[-1] == ':'));
    const char *have = json_string_value(expect_path(entry, key));
    size_t n = strlen(mark);
    free(key);
    if (!have || strncmp(have, mark, n) != 0 || strncmp(want + 1, mark, n) != 0) {
        return false;
    }
    json_t *a = json_loads(want + 1 + n, 0, NULL), *b = json_loads(have + n, 0, NULL);
    bool same = a && b && json_equal(a, b);
    json_decref(a);
    json_decref(b);
    return same;
}

void expect_real_node(struct run_ctx *ctx, const struct script_expect *e, char **words)
{
    json_t *entry = expect_query_node(ctx, words[0]);
    if (!entry) {
        expect_fail(ctx, e, "query-named-block-nodes does not list '%s'", words[0]);
    }
    for (size_t i = 1; entry && words[i] && !ctx->failed; i++) {
        bool hidden = strncmp(words[i], "opt.", 4) == 0; /* Not to be seen from outside. */
        if (!hidden && !same_json_name(entry, words[i])) {
            expect_node_member(ctx, e, words[0], entry, words[i]);
        }
    }
    json_decref(entry);
}

/* ---- graph ---- */

/* The number of a node in a block graph; 0: it is not there. */
static json_int_t graph_id(const json_t *graph, const char *name)
{
    size_t i;
    json_t *n;
    json_array_foreach(json_object_get(graph, "nodes"), i, n) {
        const char *type = json_string_value(json_object_get(n, "type"));
        const char *have = json_string_value(json_object_get(n, "name"));
        if (type && have && strcmp(type, "block-driver") == 0 && strcmp(have, name) == 0) {
            return json_integer_value(json_object_get(n, "id"));
        }
    }
    return 0;
}

static bool has_edge(const json_t *graph, json_int_t parent, const char *edge, size_t edge_len,
                     json_int_t child)
{
    size_t i;
    json_t *e;
    json_array_foreach(json_object_get(graph, "edges"), i, e) {
        const char *name = json_string_value(json_object_get(e, "name"));
        if (json_integer_value(json_object_get(e, "parent")) == parent && name &&
            json_integer_value(json_object_get(e, "child")) == child &&
            strlen(name) == edge_len && strncmp(name, edge, edge_len) == 0) {
            return true;
        }
    }
    return false;
}

void expect_real_graph(struct run_ctx *ctx, const struct script_expect *e, char **words)
{
    json_t *graph = run_query(ctx, "x-debug-query-block-graph");
    size_t len = strlen(words[1]);
    CHECK(words[2] != NULL && len > 3);
    json_int_t parent = graph_id(graph, words[0]), child = graph_id(graph, words[2]);
    if (!graph) {
        expect_fail(ctx, e, "x-debug-query-block-graph is not available");
    } else if (!parent || !child || !has_edge(graph, parent, words[1] + 1, len - 3, child)) {
        expect_fail(ctx, e, "the graph has no such edge\nexpected: %s %s %s", words[0], words[1],
                    words[2]);
    }
    json_decref(graph);
}
