/* SPDX-License-Identifier: MIT */
/* Reopen, over three small drivers: "leaf" has an option of every kind, "pass" is a filter, "over"
 * has a file and may have a backing file.
 *
 * The stories tell what scenarios cannot: frozen links and implicit filters, which jobs make, and
 * in which order a failure undoes what was prepared.  The random test makes thousands of reopens of
 * several nodes and compares the graph as text: what was refused has left nothing.
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/layer_state.h"
#include "model/proposal.h"
#include "model/reopen.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* ---- Drivers ---- */

struct leaf_state {
    int64_t soft;
    struct strbuf *log; /* What was prepared, done and undone; NULL: nobody listens. */
};

static const struct schema_member leaf_options[] = {
    { "fixed", &schema_int, MEMBER_OPTIONAL, "0", NULL },
    { "soft", &schema_int, MEMBER_OPTIONAL | MEMBER_MUTABLE, "7", NULL },
    { "sticky", &schema_int, MEMBER_OPTIONAL | MEMBER_MUTABLE | MEMBER_NO_RESET, "0", NULL },
    { "final", &schema_int, MEMBER_OPTIONAL | MEMBER_FINAL, "0", NULL },
    { 0 },
};

static int leaf_open(struct node *n, const struct opts *opts, struct error *err)
{
    struct leaf_state *s = node_state(n);
    (void)err;
    s->soft = opts_int(opts, "soft");
    return 0;
}

static int64_t leaf_length(struct node *n)
{
    (void)n;
    return 65536;
}

struct soft_change {
    struct node *n;
    int64_t soft;
};

static void say(struct node *n, const char *what)
{
    struct leaf_state *s = node_state(n);
    if (s->log) {
        strbuf_printf(s->log, "%s %s\n", what, n->name);
    }
}

static void soft_commit(void *opaque)
{
    const struct soft_change *c = opaque;
    struct leaf_state *s = node_state(c->n);
    s->soft = c->soft;
    say(c->n, "commit");
}

static void soft_undo(void *opaque)
{
    const struct soft_change *c = opaque;
    say(c->n, "undo");
}

/* 13 cannot be had. */
static int leaf_reopen(struct node *n, const struct node_reopen *r, struct error *err)
{
    struct soft_change c = { n, opts_int(&r->opts, "soft") };
    if (c.soft == 13) {
        return error_set(err, -EINVAL, "13 is not soft");
    }
    say(n, "prepare");
    txn_add(r->txn, (struct txn_action){ .commit = soft_commit,
                                         .undo = soft_undo,
                                         .clean = free,
                                         .opaque = mem_copy(&c, sizeof(c)) });
    return 0;
}

static const struct driver_graph leaf_graph = { .reopen = leaf_reopen };

static const struct blk_driver leaf = {
    .name = "leaf",
    .help = "a leaf",
    .traits = DRV_PROTOCOL,
    .state_size = sizeof(struct leaf_state),
    .options = leaf_options,
    .open = leaf_open,
    .length = leaf_length,
    .graph = &leaf_graph,
};

static int reopen_nothing(struct node *n, const struct node_reopen *r, struct error *err)
{
    (void)n;
    (void)r;
    (void)err;
    return 0;
}

static const struct driver_graph plain_graph = { .reopen = reopen_nothing };

static const struct schema_member pass_options[] = {
    { "file", &schema_blockdev_ref, MEMBER_MUTABLE, NULL, NULL },
    { 0 },
};
static const struct child_desc pass_children[] = {
    { "file", ROLE_FILTERED | ROLE_PRIMARY, true },
    { 0 },
};

static int pass_open(struct node *n, const struct opts *opts, struct error *err)
{
    struct child *c;
    return node_open_child(n, opts, pass_children, &c, err);
}

static const struct blk_driver pass = {
    .name = "pass",
    .help = "a filter",
    .traits = DRV_FILTER | DRV_FOLLOWS,
    .options = pass_options,
    .children = pass_children,
    .open = pass_open,
    .graph = &plain_graph,
};

static const struct schema_member over_options[] = {
    { "file", &schema_blockdev_ref, MEMBER_MUTABLE, NULL, NULL },
    { "backing", &schema_blockdev_ref_or_null, MEMBER_OPTIONAL | MEMBER_MUTABLE, NULL, NULL },
    { 0 },
};
static const struct child_desc over_children[] = {
    { "file", ROLE_DATA | ROLE_PRIMARY, true },
    { 0 },
};

static int over_open(struct node *n, const struct opts *opts, struct error *err)
{
    struct child *c;
    return node_open_child(n, opts, over_children, &c, err);
}

static const struct blk_driver over = {
    .name = "over",
    .help = "an overlay",
    .traits = DRV_FORMAT | DRV_BACKING,
    .options = over_options,
    .children = over_children,
    .open = over_open,
    .graph = &plain_graph,
};

static const struct blk_driver *const drivers[] = { &leaf, &pass, &over, NULL };

/* ---- The world ---- */

struct world {
    struct sim *sim;
    struct host *host;
    struct layer *layer;
    void (*test)(struct world *w);
    bool done;
};

static int setup(void **state)
{
    struct world *w = NEW(struct world);
    struct sim_config cfg = { .seed = 1 };
    w->sim = sim_create(&cfg);
    struct disk_config disk = DISK_CONFIG_INIT;
    w->host = host_sim_create(w->sim, &disk);
    w->layer = layer_create(w->sim, w->host, drivers);
    *state = w;
    return 0;
}

static void destroy_main(void *opaque)
{
    struct world *w = opaque;
    layer_destroy(w->layer);
}

static int teardown(void **state)
{
    struct world *w = *state;
    if (!w->done) {
        return 0; /* A failed assertion has left the coroutine's stack: nothing can be ended. */
    }
    co_create(w->sim, "end", 0, destroy_main, w);
    sim_settle(w->sim, 1000000);
    w->host->ops->destroy(w->host);
    sim_destroy(w->sim);
    free(w);
    return 0;
}

static void test_main(void *opaque)
{
    struct world *w = opaque;
    w->test(w);
    w->done = true;
}

static void run_in_coroutine(struct world *w, void (*test)(struct world *w))
{
    w->test = test;
    co_create(w->sim, "test", 0, test_main, w);
    sim_settle(w->sim, 100000000);
    assert_true(w->done);
}

static json_t *parse(const char *json)
{
    char *text = mem_strdup(json);
    for (char *c = text; *c; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    json_t *value = json_loads(text, 0, NULL);
    CHECK(value != NULL);
    free(text);
    return value;
}

static struct node *add(struct world *w, const char *json)
{
    struct error err = ERROR_INIT;
    struct node *n = NULL;
    json_t *options = parse(json);
    if (node_open(w->layer, options, NULL, 0, &n, &err) < 0) {
        fail_msg("%s: %s", json, err.text);
    }
    json_decref(options);
    n->monitor_owned = true;
    return n;
}

/* error: "" when it is to succeed. */
static void reopen(struct world *w, const char *json, const char *error)
{
    struct error err = ERROR_INIT;
    json_t *options = parse(json);
    int ret = reopen_many(w->layer, options, &err);
    assert_string_equal(err.text, error);
    assert_int_equal(ret < 0, *error != '\0');
    json_decref(options);
}

static struct node *find(struct world *w, const char *name)
{
    struct node *n = layer_find_node(w->layer, name);
    assert_non_null(n);
    return n;
}

static const char *child_name(struct world *w, const char *node, const char *child)
{
    const struct child *c = node_child(find(w, node), child);
    return c ? c->node->name : "";
}

/* ---- Stories ---- */

static void frozen(struct world *w)
{
    add(w, "{'driver': 'leaf', 'node-name': 'l'}");
    add(w, "{'driver': 'leaf', 'node-name': 'm'}");
    add(w, "{'driver': 'over', 'node-name': 'base', 'file': 'l'}");
    struct node *top =
        add(w, "{'driver': 'over', 'node-name': 'top', 'file': 'm', 'backing': 'base'}");
    struct node *t = add(w, "{'driver': 'pass', 'node-name': 't', 'file': 'top'}");
    assert_int_equal(chain_freeze(t, NULL, NULL), 0);
    reopen(w, "[{'driver': 'over', 'node-name': 'top', 'file': 'm', 'backing': null}]",
           "Cannot change frozen 'backing' link from 'top' to 'base'");
    reopen(w, "[{'driver': 'over', 'node-name': 'top', 'file': 'm', 'backing': 'l'}]",
           "Cannot change frozen 'backing' link from 'top' to 'base'");
    reopen(w, "[{'driver': 'pass', 'node-name': 't', 'file': 'l'}]",
           "Cannot change frozen 'file' link from 't' to 'top'");
    assert_string_equal(child_name(w, "top", "backing"), "base");
    /* What stays may be said, and the rest may change. */
    reopen(w, "[{'driver': 'over', 'node-name': 'top', 'file': 'l', 'backing': 'base'}]", "");
    assert_string_equal(child_name(w, "top", "file"), "l");
    assert_true(node_child(top, "backing")->frozen);
    chain_unfreeze(t, NULL);
    reopen(w, "[{'driver': 'over', 'node-name': 'top', 'file': 'l', 'backing': null}]", "");
    assert_string_equal(child_name(w, "top", "backing"), "");
}

static void implicit_filters(struct world *w)
{
    add(w, "{'driver': 'leaf', 'node-name': 'l'}");
    add(w, "{'driver': 'leaf', 'node-name': 'm'}");
    add(w, "{'driver': 'over', 'node-name': 'base', 'file': 'l'}");
    struct node *filter = add(w, "{'driver': 'pass', 'node-name': 'filter', 'file': 'base'}");
    add(w, "{'driver': 'over', 'node-name': 'top', 'file': 'm', 'backing': 'filter'}");
    filter->implicit = true; /* As a job leaves it that was given no name for it. */
    reopen(w, "[{'driver': 'over', 'node-name': 'top', 'file': 'm', 'backing': null}]",
           "Cannot replace implicit backing child of top");
    reopen(w, "[{'driver': 'over', 'node-name': 'top', 'file': 'm', 'backing': 'l'}]",
           "Cannot replace implicit backing child of top");
    reopen(w, "[{'driver': 'over', 'node-name': 'top', 'file': 'm'}]",
           "backing is missing for 'top'");
    /* Whoever does not know of the filter names what is behind it. */
    reopen(w, "[{'driver': 'over', 'node-name': 'top', 'file': 'm', 'backing': 'base'}]", "");
    assert_string_equal(child_name(w, "top", "backing"), "filter");
    filter->implicit = false;
    reopen(w, "[{'driver': 'over', 'node-name': 'top', 'file': 'm', 'backing': 'base'}]", "");
    assert_string_equal(child_name(w, "top", "backing"), "base");
}

static void listen(struct node *n, struct strbuf *log)
{
    struct leaf_state *s = node_state(n);
    s->log = log;
}

static void order(struct world *w)
{
    struct strbuf log = { 0 };
    static const char *const names[] = { "a", "b", "c" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char *json = mem_printf("{'driver': 'leaf', 'node-name': '%s', 'soft': 1}", names[i]);
        listen(add(w, json), &log);
        free(json);
    }
    reopen(w, "[{'driver': 'leaf', 'node-name': 'a'}, {'driver': 'leaf', 'node-name': 'b'},"
              " {'driver': 'leaf', 'node-name': 'c', 'soft': 13}]",
           "13 is not soft");
    assert_string_equal(strbuf_str(&log), "prepare a\nprepare b\nundo b\nundo a\n");
    assert_int_equal(((struct leaf_state *)node_state(find(w, "a")))->soft, 1);
    strbuf_free(&log);
    log = (struct strbuf){ 0 };
    /* The driver of c has nothing against it, and the block layer has. */
    reopen(w, "[{'driver': 'leaf', 'node-name': 'a'},"
              " {'driver': 'leaf', 'node-name': 'c', 'fixed': 1}]",
           "Cannot change the option 'fixed'");
    assert_string_equal(strbuf_str(&log), "prepare a\nprepare c\nundo c\nundo a\n");
    strbuf_free(&log);
    log = (struct strbuf){ 0 };
    reopen(w, "[{'driver': 'leaf', 'node-name': 'b'}, {'driver': 'leaf', 'node-name': 'a'}]", "");
    assert_string_equal(strbuf_str(&log), "prepare b\nprepare a\ncommit b\ncommit a\n");
    assert_int_equal(((struct leaf_state *)node_state(find(w, "a")))->soft, 7);
    strbuf_free(&log);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        listen(find(w, names[i]), NULL);
    }
}

static void kinds_of_options(struct world *w)
{
    add(w, "{'driver': 'leaf', 'node-name': 'l'}");
    reopen(w, "[{'driver': 'leaf', 'node-name': 'l', 'sticky': 1}]", "");
    reopen(w, "[{'driver': 'leaf', 'node-name': 'l'}]",
           "Option 'sticky' cannot be reset to its default value");
    reopen(w, "[{'driver': 'leaf', 'node-name': 'l', 'sticky': 2, 'soft': 3}]", "");
    reopen(w, "[{'driver': 'leaf', 'node-name': 'l', 'sticky': 2, 'final': 0}]",
           "Cannot change the option 'final'");
    add(w, "{'driver': 'leaf', 'node-name': 'm', 'final': 1}");
    reopen(w, "[{'driver': 'leaf', 'node-name': 'm', 'final': 1}]",
           "Cannot change the option 'final'");
    reopen(w, "[{'driver': 'leaf', 'node-name': 'm'}]",
           "Option 'final' cannot be reset to its default value");
}

static void set_read_only(struct world *w)
{
    struct error err = ERROR_INIT;
    add(w, "{'driver': 'over', 'node-name': 'top', 'cache': {'direct': true}, 'file':"
           " {'driver': 'leaf', 'node-name': 'l', 'soft': 3, 'discard': 'ignore'}}");
    struct node *top = find(w, "top"), *l = find(w, "l");
    assert_int_equal(reopen_set_read_only(top, true, &err), 0);
    assert_true(top->flags.read_only && l->flags.read_only);
    assert_true(top->flags.cache_direct && l->flags.cache_direct);
    assert_false(l->flags.unmap);
    assert_int_equal(((struct leaf_state *)node_state(l))->soft, 3);
    assert_int_equal(reopen_set_read_only(top, false, &err), 0);
    assert_false(top->flags.read_only || l->flags.read_only);
    /* It is as if the option had been given: a later reopen may leave it out. */
    reopen(w, "[{'driver': 'over', 'node-name': 'top', 'file': 'l'}]", "");
    assert_false(top->flags.cache_direct);
    assert_true(l->flags.cache_direct);
}

/* ---- At random ---- */

enum { LEAVES = 3, OVERS = 4, ROUNDS = 4000 };

static uint32_t next_random(uint64_t *x)
{
    *x = *x * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*x >> 33);
}

static void describe_node(const struct node *n, struct strbuf *out)
{
    char *options = json_dumps(n->options, JSON_SORT_KEYS);
    const struct node_flags *f = &n->flags;
    strbuf_printf(out, "%s %s %d%d%d%d%d%u quiesce=%u unsaid=%u height=%u", n->name, options,
                  f->read_only, f->auto_read_only, f->cache_direct, f->cache_no_flush, f->unmap,
                  f->detect_zeroes, n->quiesce, n->unsaid, n->height);
    free(options);
    for (const struct child *c = n->children; c; c = c->next) {
        strbuf_printf(out, " %s->%s[%x/%x]", c->name, c->node->name, c->perm.used, c->perm.shared);
    }
    strbuf_putc(out, '\n');
}

static char *describe(const struct world *w)
{
    struct strbuf out = { 0 };
    for (const struct node *n = w->layer->nodes; n; n = n->next) {
        describe_node(n, &out);
    }
    return out.text;
}

static void random_flags(json_t *options, uint64_t *x)
{
    static const char *const names[] = { "read-only", "auto-read-only" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (next_random(x) % 4 == 0) {
            json_object_set_new(options, names[i], json_boolean(next_random(x) % 2));
        }
    }
    if (next_random(x) % 4 == 0) {
        json_object_set_new(options, "cache", json_pack("{s:b}", "direct", next_random(x) % 2));
    }
}

static json_t *random_options(uint64_t *x)
{
    uint32_t i = next_random(x) % (LEAVES + OVERS);
    char name[16];
    json_t *options;
    if (i < LEAVES) {
        snprintf(name, sizeof(name), "l%u", i);
        options = json_pack("{s:s, s:s}", "driver", "leaf", "node-name", name);
        if (next_random(x) % 3 == 0) {
            json_object_set_new(options, "soft", json_integer(next_random(x) % 20));
        }
    } else {
        snprintf(name, sizeof(name), "o%u", i - LEAVES);
        options = json_pack("{s:s, s:s}", "driver", "over", "node-name", name);
        snprintf(name, sizeof(name), "l%u", next_random(x) % LEAVES);
        json_object_set_new(options, "file", json_string(name));
        snprintf(name, sizeof(name), "o%u", next_random(x) % OVERS);
        uint32_t backing = next_random(x) % 4;
        if (backing > 0) {
            json_object_set_new(options, "backing", backing == 1 ? json_null() : json_string(name));
        }
    }
    random_flags(options, x);
    return options;
}

/* What was left out is the default, unless the node is below one that opened it: nobody is here. */
static void check_reopened(struct world *w, const json_t *options)
{
    const struct node *n = find(w, json_string_value(json_object_get(options, "node-name")));
    struct opts o = { .values = n->options, .members = n->drv->options };
    struct node_flags expected;
    node_flags_read(&o, NULL, 0, &expected);
    expected.unmap = n->flags.unmap;
    assert_memory_equal(&expected, &n->flags, sizeof(expected));
}

static void random_reopens(struct world *w)
{
    uint64_t x = 42;
    uint32_t done = 0, refused = 0;
    for (int i = 0; i < LEAVES + OVERS; i++) {
        char *json = i < LEAVES ? mem_printf("{'driver': 'leaf', 'node-name': 'l%d'}", i)
                                : mem_printf("{'driver': 'over', 'node-name': 'o%d', 'file': "
                                             "'l%d'}", i - LEAVES, i % LEAVES);
        add(w, json);
        free(json);
    }
    for (int round = 0; round < ROUNDS; round++) {
        struct error err = ERROR_INIT;
        json_t *list = json_array();
        for (uint32_t k = 1 + next_random(&x) % 3; k > 0; k--) {
            json_array_append_new(list, random_options(&x));
        }
        char *before = describe(w);
        if (reopen_many(w->layer, list, &err) < 0) {
            char *after = describe(w);
            assert_string_equal(after, before);
            free(after);
            refused++;
        } else {
            check_reopened(w, json_array_get(list, json_array_size(list) - 1));
            done++;
        }
        free(before);
        json_decref(list);
    }
    assert_true(done > ROUNDS / 10 && refused > ROUNDS / 10);
}

/* ---- The way in ---- */

#define STORY(name)                                                                                \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        run_in_coroutine(*state, name);                                                            \
    }
STORY(frozen)
STORY(implicit_filters)
STORY(order)
STORY(kinds_of_options)
STORY(set_read_only)
STORY(random_reopens)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_frozen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_implicit_filters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kinds_of_options, setup, teardown),
        cmocka_unit_test_setup_teardown(test_set_read_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_random_reopens, setup, teardown),
    };
    return cmocka_run_group_tests_name("model/reopen", tests, NULL, NULL);
}
