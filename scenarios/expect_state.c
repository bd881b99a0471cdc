/* SPDX-License-Identifier: MIT */
/* Expectations on the state of the world: data, node, graph.
 *
 * They look through the ordinary doors (a backend of their own, a query command, const views), and
 * the oracles hear nothing of it.  Reading data may take virtual time. */
#include "scenarios/run_private.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/pattern.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE_MAX = 4 << 20, PER_MAX = 64 << 20 };

static struct layer *layer_of(struct run_ctx *ctx, const struct script_expect *e)
{
    struct layer *l = target_sim_layer(ctx->target);
    if (!l) {
        expect_fail(ctx, e, "the power is off: there is no block layer to look at");
    }
    return l;
}

static struct node *find_node(struct run_ctx *ctx, const struct script_expect *e,
                              const char *name)
{
    struct layer *l = layer_of(ctx, e);
    struct node *n = l ? layer_find_node(l, name) : NULL;
    if (l && !n) {
        struct strbuf text = { 0 };
        struct node_view v;
        for (size_t i = 0; inspect_node(l, i, &v); i++) {
            strbuf_printf(&text, "%s%s", i ? ", " : "", v.name);
        }
        expect_fail(ctx, e, "there is no node '%s'\nexpected: node %s\nactual:   %s", name, name,
                    text.len ? text.text : "no nodes");
        strbuf_free(&text);
    }
    return n;
}

/* ---- data ---- */

struct data_work {
    struct layer *layer;
    struct node *node;
    struct data_words words;
    uint8_t *copy_to; /* Nothing is judged: the bytes go here. */
    /* The answer. */
    struct error err;
    bool wrong;
    uint64_t wrong_at;
    uint8_t wrong_byte;
};

/* Checks or copies one piece.  False: it is wrong, or cannot be read. */
static bool data_piece(struct data_work *w, struct backend *b, uint64_t at, size_t n, void *memory)
{
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, memory, n);
    const struct pattern *pattern = &w->words.pattern;
    buf.symbolic = true;
    int ret = backend_read(b, (int64_t)at, &buf, 0);
    if (ret < 0) {
        error_set(&w->err, ret, "reading %" PRIu64 "+%zu failed: %s", at, n,
                  error_strerror(-ret));
        return false;
    }
    if (!w->copy_to && buf.fill.kind == FILL_BYTE &&
        memchr(pattern->at, (int)buf.fill.tag, pattern->len) != NULL) {
        return true;
    }
    if (buf.fill.kind != FILL_NONE) {
        fill_bytes(buf.fill, memory, n);
    }
    if (w->copy_to) {
        memcpy(w->copy_to + (at - w->words.range.offset), memory, n);
        return true;
    }
    size_t wrong = pattern_check(pattern, at, w->words.per, memory, n);
    if (wrong < n) {
        w->wrong = true;
        w->wrong_at = at + wrong;
        w->wrong_byte = ((const uint8_t *)memory)[wrong];
    }
    return !w->wrong;
}

static void data_run(void *opaque)
{
    struct data_work *w = opaque;
    struct perm_pair perm = { 0, PERM_ALL }; /* As io: nodes of jobs can be looked at. */
    struct backend *b = backend_create(w->layer, NULL, perm);
    uint64_t per = w->words.per, step = per > PIECE_MAX ? per : PIECE_MAX / per * per;
    uint64_t end = w->words.range.offset + w->words.range.bytes;
    if (backend_insert(b, w->node, &w->err) < 0) {
        backend_destroy(b);
        return;
    }
    void *memory = mem_alloc((size_t)MIN(step, w->words.range.bytes));
    for (uint64_t at = w->words.range.offset, n; at < end; at += n) {
        n = MIN(step - at % per, end - at);
        if (!data_piece(w, b, at, (size_t)n, memory)) {
            break;
        }
    }
    free(memory);
    backend_destroy(b);
}

int expect_data_parse(char **words, struct data_words *out, struct error *err)
{
    size_t n = 0, used = 0;
    while (words[n]) {
        n++;
    }
    int ret = range_parse_words((const char *const *)words + 1, n - 1, &used, &out->range, err);
    if (ret < 0) {
        return ret;
    }
    size_t at = 1 + used;
    if (at + 1 >= n) {
        return error_set(err, -EINVAL, "usage: data NODE RANGE is|in PATTERN [per=SIZE]");
    }
    out->want = words[at + 1];
    out->per = 1;
    ret = pattern_parse(out->want, &out->pattern, err);
    if (ret == 0 && words[at + 2] && strncmp(words[at + 2], "per=", 4) == 0) {
        int64_t per;
        ret = text_parse_size(words[at + 2] + 4, &per);
        if (ret < 0 || per < 1 || per > PER_MAX) {
            return error_set(err, -EINVAL, "per= is from 1 to %d", PER_MAX);
        }
        out->per = (uint64_t)per;
    }
    return ret;
}

void expect_data_differs(struct run_ctx *ctx, const struct script_expect *e, const char *node,
                         const struct data_words *d, uint64_t at, uint8_t byte)
{
    expect_fail(ctx, e,
                "the data of '%s' differs at offset %" PRIu64 " (0x%" PRIx64 ")\n"
                "expected: %s%s\nactual:   0x%02x", node, at, at, d->want,
                d->per > 1 ? ", the same in all of its piece" : "", byte);
}

void expect_data(struct run_ctx *ctx, const struct script_expect *e, char **words)
{
    struct error err = ERROR_INIT;
    /* On the heap: a read that never ends outlives this. */
    struct data_work *w = NEW(struct data_work);
    w->layer = target_sim_layer(ctx->target);
    w->node = find_node(ctx, e, words[0]);
    if (!w->node) {
        free(w);
        return;
    }
    if (expect_data_parse(words, &w->words, &err) < 0) {
        expect_fail(ctx, e, "%s", err.text);
    } else if (target_sim_in_coroutine(ctx->target, "data expectation", data_run, w) < 0) {
        run_stuck(ctx, "the data of a node");
        return;
    } else if (w->err.code) {
        expect_fail(ctx, e, "data of '%s': %s", words[0], w->err.text);
    } else if (w->wrong) {
        expect_data_differs(ctx, e, words[0], &w->words, w->wrong_at, w->wrong_byte);
    }
    free(w);
}

int expect_read(struct run_ctx *ctx, const char *node, uint64_t offset, size_t bytes, void *buf,
                struct error *err)
{
    struct layer *l = target_sim_layer(ctx->target);
    struct data_work *w = NEW(struct data_work);
    *w = (struct data_work){ .layer = l, .node = l ? layer_find_node(l, node) : NULL,
                             .words = { .range = { offset, bytes }, .per = 1 }, .copy_to = buf };
    int ret = w->node ? 0 : error_set(err, -ENODEV, "there is no node '%s'", node);
    if (ret == 0 && target_sim_in_coroutine(ctx->target, "data", data_run, w) < 0) {
        run_stuck(ctx, "the data of a node");
        return -EDEADLK;
    }
    if (w->err.code) {
        *err = w->err;
        ret = w->err.code;
    }
    free(w);
    return ret;
}

/* ---- node ---- */

json_t *expect_query_node(struct run_ctx *ctx, const char *name)
{
    json_t *list = run_query(ctx, "query-named-block-nodes"), *found = NULL, *entry;
    size_t i;
    json_array_foreach(list, i, entry) {
        const char *have = json_string_value(json_object_get(entry, "node-name"));
        if (have && strcmp(have, name) == 0) {
            found = json_incref(entry);
        }
    }
    json_decref(list);
    return found;
}

static void node_option(struct run_ctx *ctx, const struct script_expect *e, const struct node *n,
                        const char *word)
{
    const char *eq = strchr(word, '=');
    CHECK(eq != NULL && strncmp(word, "opt.", 4) == 0);
    char *name = mem_strndup(word + 4, (size_t)(eq - word) - 4 - (eq[-1] == ':'));
    char *text = inspect_option(n, name);
    json_t *have = text ? json_text_parse(text, NULL) : NULL;
    bool good = (text && strcmp(text, eq + 1) == 0) || (have && expect_value_matches(eq + 1, have));
    if (!good) {
        expect_fail(ctx, e, "option '%s' of node '%s' is another\nexpected: %s\nactual:   %s", name,
                    layer_node_name(n), eq + 1, text ? text : "no such option");
    }
    json_decref(have);
    free(text);
    free(name);
}

void expect_node_member(struct run_ctx *ctx, const struct script_expect *e, const char *name,
                        const json_t *entry, const char *word)
{
    if (expect_member_matches(entry, word)) {
        return;
    }
    const char *eq = strchr(word, '=');
    char *key = mem_strndup(word, (size_t)(eq - word) - (eq[-1] == ':'));
    const json_t *value = expect_path(entry, key);
    char *have = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    expect_fail(ctx, e, "'%s' of node '%s' is another\nexpected: %s\nactual:   %s", key, name,
                eq + 1, have ? have : "no such member");
    free(have);
    free(key);
}

void expect_node(struct run_ctx *ctx, const struct script_expect *e, char **words)
{
    struct node *n = find_node(ctx, e, words[0]);
    json_t *entry = n ? expect_query_node(ctx, words[0]) : NULL;
    for (size_t i = 1; n && words[i] && !ctx->failed; i++) {
        if (strncmp(words[i], "opt.", 4) == 0) {
            node_option(ctx, e, n, words[i]);
        } else if (entry) {
            expect_node_member(ctx, e, words[0], entry, words[i]);
        } else {
            expect_fail(ctx, e, "query-named-block-nodes does not list '%s'", words[0]);
        }
    }
    json_decref(entry);
}

/* ---- graph ---- */

static void put_edges(const struct node *n, struct strbuf *out)
{
    struct edge_view v;
    for (const struct child *c = inspect_first_child(n); c; c = inspect_next_child(c)) {
        inspect_edge(c, &v);
        strbuf_printf(out, "%s%s -%s-> %s%s", out->len ? "\n          " : "", layer_node_name(n),
                      v.name, layer_node_name(v.child), v.frozen ? " [frozen]" : "");
    }
    if (out->len == 0) {
        strbuf_printf(out, "%s has no children", layer_node_name(n));
    }
}

void expect_graph(struct run_ctx *ctx, const struct script_expect *e, char **words)
{
    struct node *parent = find_node(ctx, e, words[0]);
    struct edge_view v;
    size_t len = strlen(words[1]);
    CHECK(words[2] != NULL && len > 3);
    bool frozen = words[3] != NULL, good = false;
    const struct child *c = parent ? inspect_first_child(parent) : NULL;
    for (; c; c = inspect_next_child(c)) {
        inspect_edge(c, &v);
        good |= strlen(v.name) == len - 3 && strncmp(v.name, words[1] + 1, len - 3) == 0 &&
                strcmp(layer_node_name(v.child), words[2]) == 0 && (!frozen || v.frozen);
    }
    if (parent && !good) {
        struct strbuf have = { 0 };
        put_edges(parent, &have);
        expect_fail(ctx, e, "the graph has no such edge\nexpected: %s %s %s%s\nactual:   %s",
                    words[0], words[1], words[2], frozen ? " [frozen]" : "", have.text);
        strbuf_free(&have);
    }
}
