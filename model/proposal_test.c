/* SPDX-License-Identifier: MIT */
/* Changes of a graph of three small drivers: "leaf" stores nothing, "pass" is a filter, "over" has
 * a file and may have a backing file.
 *
 * The story tests say what one change does.  The random one makes thousands, ends half of them with
 * an error, and compares the graph as text: what was given up has left nothing, what was done is
 * what a computation from scratch says.
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/drain.h"
#include "model/iothread.h"
#include "model/layer_state.h"
#include "model/proposal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* ---- Drivers ---- */

enum { SLOW_TURNS = 3 };

/* One whose name begins with "slow" takes some turns. */
static int leaf_open(struct node *n, const struct opts *opts, struct error *err)
{
    (void)opts;
    (void)err;
    for (int i = 0; i < SLOW_TURNS && strncmp(n->name, "slow", 4) == 0; i++) {
        co_pass(n->sim);
    }
    return 0;
}

static int64_t leaf_length(struct node *n)
{
    (void)n;
    return 65536;
}

/* A lock outside: refuses to be written while the node's name begins with "locked". */
static int leaf_perm_change(struct node *n, struct perm_pair now, struct txn *txn,
                            struct error *err)
{
    (void)txn;
    if (strncmp(n->name, "locked", 6) == 0 && (now.used & PERM_WRITE)) {
        return error_set(err, -EAGAIN, "Failed to get \"write\" lock");
    }
    return 0;
}

static const struct driver_graph leaf_graph = { .perm_change = leaf_perm_change };
static const struct schema_member leaf_options[] = { { 0 } };

static const struct blk_driver leaf = {
    .name = "leaf",
    .help = "a leaf",
    .traits = DRV_PROTOCOL,
    .options = leaf_options,
    .open = leaf_open,
    .length = leaf_length,
    .graph = &leaf_graph,
};

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
};

static const struct schema_member over_options[] = {
    { "file", &schema_blockdev_ref, MEMBER_MUTABLE, NULL, NULL },
    { "backing", &schema_blockdev_ref_or_null, MEMBER_OPTIONAL | MEMBER_MUTABLE, NULL, NULL },
    { 0 },
};
static const struct child_desc over_children[] = {
    { "file", ROLE_IMAGE, true },
    { "backing", ROLE_COW, false },
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
};

static const struct blk_driver *const drivers[] = { &leaf, &pass, &over, NULL };

/* ---- The world ---- */

struct world {
    struct sim *sim;
    struct layer *layer;
    void (*test)(struct world *w);
    bool done;
};

static struct node *add(struct world *w, const char *json);

static void add_over(void *opaque)
{
    add(opaque, "{\"driver\":\"over\",\"node-name\":\"o\","
                "\"file\":{\"driver\":\"leaf\",\"node-name\":\"slow\"}}");
}

static int setup(void **state)
{
    struct world *w = NEW(struct world);
    struct sim_config cfg = { .seed = 1 };
    w->sim = sim_create(&cfg);
    w->layer = layer_create(w->sim, NULL, drivers);
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
        return 0; /* The assertion that failed has left the coroutine's stack. */
    }
    co_create(w->sim, "end", 0, destroy_main, w);
    sim_settle(w->sim, 1000000);
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

static struct node *add(struct world *w, const char *json)
{
    struct error err = ERROR_INIT;
    struct node *n = NULL;
    json_t *options = json_loads(json, 0, NULL);
    CHECK(options != NULL);
    if (node_open(w->layer, options, NULL, 0, &n, &err) < 0) {
        fail_msg("%s: %s", json, err.text);
    }
    json_decref(options);
    n->monitor_owned = true;
    return n;
}

static void describe_client(const struct child *c, struct strbuf *out)
{
    (void)c;
    strbuf_puts(out, "a client");
}

static void client_drained(struct child *c, bool begin)
{
    *(int *)c->opaque += begin ? 1 : -1;
}

static const struct child_parent client = { .describe = describe_client,
                                            .drained = client_drained };

static const struct perm_pair reader = { PERM_CONSISTENT_READ, PERM_ALL };
static const struct perm_pair writer = { PERM_CONSISTENT_READ | PERM_WRITE,
                                         PERM_ALL & ~(uint32_t)PERM_WRITE };

/* ---- Stories ---- */

static void expect_move(struct world *w, struct child *c, struct node *to, const char *error)
{
    struct error err = ERROR_INIT;
    struct txn txn = TXN_INIT;
    struct proposal *p = proposal_begin(w->layer);
    proposal_move(p, c, to);
    int ret = txn_end(&txn, proposal_apply(p, &txn, &err));
    if (error) {
        assert_true(ret < 0);
        assert_string_equal(err.text, error);
    } else {
        assert_string_equal(err.text, "");
        assert_int_equal(ret, 0);
        assert_ptr_equal(c->node, to);
    }
}

static void cycles(struct world *w)
{
    add(w, "{\"driver\":\"leaf\",\"node-name\":\"l\"}");
    struct node *a = add(w, "{\"driver\":\"pass\",\"node-name\":\"a\",\"file\":\"l\"}");
    struct node *b = add(w, "{\"driver\":\"pass\",\"node-name\":\"b\",\"file\":\"a\"}");
    struct node *c = add(w, "{\"driver\":\"pass\",\"node-name\":\"c\",\"file\":\"b\"}");
    expect_move(w, a->children, a, "Making 'a' a file child of 'a' would create a cycle");
    expect_move(w, a->children, c, "Making 'c' a file child of 'a' would create a cycle");
    /* Two moves that close a circle only together. */
    struct node *d = add(w, "{\"driver\":\"pass\",\"node-name\":\"d\",\"file\":\"l\"}");
    struct node *e = add(w, "{\"driver\":\"pass\",\"node-name\":\"e\",\"file\":\"l\"}");
    struct error err = ERROR_INIT;
    struct txn txn = TXN_INIT;
    struct proposal *p = proposal_begin(w->layer);
    proposal_move(p, d->children, e);
    proposal_move(p, e->children, d);
    assert_int_equal(txn_end(&txn, proposal_apply(p, &txn, &err)), -ELOOP);
    assert_string_equal(err.text, "Making 'e' a file child of 'd' would create a cycle");
    /* And two of which one opens the circle that the other closes. */
    p = proposal_begin(w->layer);
    proposal_move(p, c->children, layer_find_node(w->layer, "l"));
    proposal_move(p, a->children, c);
    assert_int_equal(txn_end(&txn, proposal_apply(p, &txn, NULL)), 0);
    assert_int_equal(c->height, 1);
    assert_int_equal(a->height, 2);
    assert_int_equal(b->height, 3);
}

static void frozen(struct world *w)
{
    add(w, "{\"driver\":\"leaf\",\"node-name\":\"l\"}");
    struct node *m = add(w, "{\"driver\":\"leaf\",\"node-name\":\"m\"}");
    struct node *base = add(w, "{\"driver\":\"over\",\"node-name\":\"base\",\"file\":\"l\"}");
    struct node *top = add(w, "{\"driver\":\"over\",\"node-name\":\"top\","
                              "\"file\":{\"driver\":\"leaf\"},\"backing\":\"base\"}");
    struct error err = ERROR_INIT;
    assert_int_equal(chain_freeze(top, base, &err), 0);
    expect_move(w, node_backing(top), m, "Cannot change 'backing' link to 'base'");
    expect_move(w, node_primary(top), m, NULL); /* The file is not of the chain. */
    assert_int_equal(chain_freeze(top, NULL, &err), -EPERM);
    chain_unfreeze(top, base);
    expect_move(w, node_backing(top), m, NULL);
}

static void conflicts(struct world *w)
{
    int none = 0;
    struct error err = ERROR_INIT;
    struct child *one, *two;
    struct node *l = add(w, "{\"driver\":\"leaf\",\"node-name\":\"l\"}");
    struct node *m = add(w, "{\"driver\":\"leaf\",\"node-name\":\"locked\"}");
    struct node *p = add(w, "{\"driver\":\"pass\",\"node-name\":\"p\",\"file\":\"l\"}");
    assert_int_equal(
        child_attach(l, "root", ROLE_FILTERED, NULL, &client, &none, writer, &one, &err), 0);
    assert_int_equal(
        child_attach(p, "root", ROLE_FILTERED, NULL, &client, &none, writer, &two, &err), -EPERM);
    assert_string_equal(err.text,
                        "Permission conflict on node 'l': permissions 'write' are both required by "
                        "node 'p' (uses node 'l' as 'file' child) and unshared by a client (uses "
                        "node 'l' as 'root' child).");
    assert_null(p->parents);
    assert_int_equal(child_attach(p, "root", ROLE_FILTERED, NULL, &client, &none, reader, &two,
                                  NULL), 0);
    expect_move(w, one, m, "Failed to get \"write\" lock");
    assert_int_equal(child_set_perm(two, writer, NULL), -EPERM);
    assert_int_equal(two->perm.used, reader.used);
    child_detach(one);
    assert_int_equal(child_set_perm(two, writer, NULL), 0);
    assert_int_equal(node_primary(p)->perm.used, writer.used);
    child_detach(two);
    assert_int_equal(node_primary(p)->perm.used, 0);
}

static void pass_turns(struct world *w)
{
    for (int i = 0; i < 4 * SLOW_TURNS; i++) {
        co_pass(w->sim);
    }
}

/* A node that opens its file first is in no list until that is open.  A section on all nodes
 * that begins or ends in between must neither forget it nor leave it closed for ever. */
static void drained_births(struct world *w)
{
    co_create(w->sim, "begins before", 0, add_over, w);
    co_pass(w->sim);
    assert_null(layer_find_node(w->layer, "o"));
    drain_all_begin(w->layer);
    pass_turns(w);
    struct node *o = layer_find_node(w->layer, "o");
    assert_non_null(o);
    assert_true(node_is_quiet(o));
    drain_all_end(w->layer);
    assert_int_equal(o->quiesce, 0);
    assert_int_equal(o->children->node->quiesce, 0);
    o->monitor_owned = false;
    node_unref(o);

    drain_all_begin(w->layer);
    co_create(w->sim, "born inside", 0, add_over, w);
    co_pass(w->sim);
    drain_all_end(w->layer);
    pass_turns(w);
    o = layer_find_node(w->layer, "o");
    assert_non_null(o);
    assert_int_equal(o->quiesce, 0);
    assert_int_equal(o->children->node->quiesce, 0);
}

/* A section on a node holds what stands above it, whatever comes and goes meanwhile. */
static void drained_edges(struct world *w)
{
    int above = 0, beside = 0;
    struct child *one, *two;
    struct node *l = add(w, "{\"driver\":\"leaf\",\"node-name\":\"l\"}");
    struct node *m = add(w, "{\"driver\":\"leaf\",\"node-name\":\"m\"}");
    struct node *p = add(w, "{\"driver\":\"pass\",\"node-name\":\"p\",\"file\":\"l\"}");
    child_attach(p, "root", ROLE_FILTERED, NULL, &client, &above, reader, &one, NULL);
    drain_begin(l);
    drain_begin(l);
    assert_int_equal(above, 1);
    child_attach(p, "root", ROLE_FILTERED, NULL, &client, &beside, reader, &two, NULL);
    assert_int_equal(beside, 1);
    expect_move(w, node_primary(p), m, NULL);
    assert_int_equal(above + beside, 0);
    expect_move(w, node_primary(p), l, NULL);
    drain_end(l);
    assert_int_equal(above + beside, 2);
    child_detach(two);
    assert_int_equal(beside, 0);
    drain_end(l);
    assert_int_equal(above, 0);
    drain_subtree_begin(p);
    assert_int_equal(above, 1);
    assert_true(node_is_quiet(l) && !node_is_quiet(m));
    expect_move(w, node_primary(p), m, NULL);
    assert_true(!node_is_quiet(l) && node_is_quiet(m));
    drain_all_begin(w->layer);
    struct node *born = add(w, "{\"driver\":\"leaf\",\"node-name\":\"born\"}");
    assert_true(node_is_quiet(born) && node_is_quiet(l));
    drain_subtree_end(p);
    assert_int_equal(above, 1);
    drain_all_end(w->layer);
    assert_true(!node_is_quiet(born) && !node_is_quiet(m) && above == 0);
    child_detach(one);
}

static int refuse_iothread(const struct child *c, uint32_t iothread, struct error *err)
{
    return c->node->iothread == iothread
               ? 0
               : error_set(err, -EPERM, "Cannot change iothread of active block backend");
}

static const struct child_parent stubborn = { .describe = describe_client,
                                              .can_set_iothread = refuse_iothread };

static void iothreads(struct world *w)
{
    int none = 0;
    struct child *c, *held;
    struct error err = ERROR_INIT;
    struct node *l = add(w, "{\"driver\":\"leaf\",\"node-name\":\"l\"}");
    struct node *m = add(w, "{\"driver\":\"leaf\",\"node-name\":\"m\"}");
    assert_int_equal(node_set_iothread(l, 1, &err), 0);
    /* A new parent is of the main loop, and fetches the node. */
    struct node *p = add(w, "{\"driver\":\"pass\",\"node-name\":\"p\",\"file\":\"l\"}");
    assert_int_equal(l->iothread, 0);
    assert_int_equal(node_set_iothread(p, 1, &err), 0);
    assert_int_equal(l->iothread, 1);
    child_attach(l, "root", ROLE_FILTERED, NULL, &stubborn, &none, reader, &held, NULL);
    assert_int_equal(node_set_iothread(p, 0, &err), -EPERM);
    assert_int_equal(p->iothread, 1);
    /* The node cannot come: the parent goes there. */
    struct node *q = add(w, "{\"driver\":\"pass\",\"node-name\":\"q\",\"file\":\"l\"}");
    assert_int_equal(q->iothread, 1);
    /* Neither side can. */
    child_attach(m, "root", ROLE_FILTERED, NULL, &stubborn, &none, reader, &c, NULL);
    struct node *r = add(w, "{\"driver\":\"over\",\"node-name\":\"r\",\"file\":\"m\"}");
    expect_move(w, node_primary(r), m, NULL);
    struct txn txn = TXN_INIT;
    struct proposal *both = proposal_begin(w->layer);
    proposal_add(both, l, "backing", ROLE_COW, r, NULL, NULL, (struct perm_pair){ 0, 0 });
    err = ERROR_INIT;
    assert_int_equal(txn_end(&txn, proposal_apply(both, &txn, &err)), -EPERM);
    assert_string_equal(err.text, "Cannot change iothread of active block backend");
    assert_null(node_backing(r));
    child_detach(c);
    child_detach(held);
}

/* ---- At random ---- */

enum { NODES = 12, CLIENTS = 6, ROUNDS = 4000 };

struct play {
    struct world *w;
    struct node *node[NODES];
    struct child *client[CLIENTS];
    int quiet[CLIENTS];
    uint32_t sections[NODES], covers[NODES];
    struct node_flags flags[NODES];
    uint64_t dice;
};

static uint32_t roll(struct play *y, uint32_t n)
{
    y->dice = y->dice * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(y->dice >> 33) % n;
}

static void dump_edge(const struct child *c, struct strbuf *out)
{
    strbuf_printf(out, " %llu:%s>%s:%x/%x%s%s%s%s", (unsigned long long)c->id, c->name,
                  c->node->name, c->perm.used, c->perm.shared, c->frozen ? "f" : "",
                  c->quiet ? "q" : "", c->covers ? "c" : "", c->blocker ? "b" : "");
    assert_null(c->change);
}

static char *dump(const struct play *y)
{
    struct strbuf out = { 0 };
    for (int i = 0; i < NODES; i++) {
        const struct node *n = y->node[i];
        strbuf_printf(&out, "%s refs=%u h=%u ro=%d q=%u c=%u io=%u len=%lld\n  v", n->name,
                      n->refs, n->height, n->flags.read_only, n->quiesce, n->covered, n->iothread,
                      (long long)n->length);
        for (const struct child *c = n->children; c; c = c->next) {
            dump_edge(c, &out);
        }
        strbuf_puts(&out, "\n  ^");
        for (const struct child *c = n->parents; c; c = c->next_parent) {
            dump_edge(c, &out);
        }
        strbuf_puts(&out, "\n");
        assert_null(n->change);
        assert_null(n->next_flags);
    }
    return out.text;
}

/* All that can be computed from the edges, computed anew. */
static void verify(struct play *y)
{
    for (int i = 0; i < NODES; i++) {
        const struct node *n = y->node[i];
        uint32_t height = 0, quiet = y->sections[i], covered = y->covers[i], refs = 1;
        struct perm_pair cum = { 0, PERM_ALL };
        for (const struct child *c = n->children; c; c = c->next) {
            height = MAX(height, c->node->height + 1);
            quiet += c->node->quiesce > 0;
            assert_int_equal(c->quiet, c->node->quiesce > 0);
        }
        for (const struct child *c = n->parents; c; c = c->next_parent) {
            refs++;
            covered += c->parent && c->parent->covered > 0;
            cum.used |= c->perm.used;
            cum.shared &= c->perm.shared;
            for (const struct child *o = n->parents; o; o = o->next_parent) {
                assert_true(o == c || (o->perm.used & ~c->perm.shared) == 0);
            }
            assert_true((c->roles & ROLE_COW) ? c->blocker != NULL : c->blocker == NULL);
        }
        quiet += n->covered > 0;
        assert_int_equal(n->refs, refs);
        assert_int_equal(n->height, height);
        assert_int_equal(n->quiesce, quiet);
        assert_int_equal(n->covered, covered);
        assert_false((cum.used & PERM_WRITE) && n->flags.read_only);
        for (const struct child *c = n->children; c; c = c->next) {
            struct perm_pair perm;
            perm_default(n, c, cum, &perm);
            perm.shared = c->node->flags.force_share ? PERM_ALL : perm.shared;
            assert_int_equal(c->perm.used, perm.used);
            assert_int_equal(c->perm.shared, perm.shared);
        }
    }
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(y->quiet[i], y->client[i]->node->quiesce > 0);
    }
}

static struct child *any_edge(struct play *y)
{
    if (roll(y, 2)) {
        return y->client[roll(y, CLIENTS)];
    }
    struct node *n = y->node[roll(y, NODES)];
    return n->children && roll(y, 2) && n->children->next ? n->children->next : n->children;
}

static void propose_one(struct play *y, struct proposal *p)
{
    struct node *n = y->node[roll(y, NODES)], *to = y->node[roll(y, NODES)];
    struct child *c = any_edge(y);
    uint32_t i = roll(y, NODES);
    switch (roll(y, 8)) {
    case 0:
        if (n->drv == &over && !node_backing(n) && !n->change) {
            proposal_add(p, to, "backing", ROLE_COW, n, NULL, NULL, (struct perm_pair){ 0, 0 });
        }
        break;
    case 1:
        if (node_backing(n)) {
            proposal_drop(p, node_backing(n));
        }
        break;
    case 2:
        y->flags[i] = y->node[i]->flags;
        y->flags[i].read_only = roll(y, 2);
        proposal_set_flags(p, y->node[i], &y->flags[i]);
        break;
    case 3:
        c = y->client[roll(y, CLIENTS)];
        proposal_set_perm(p, c, (struct perm_pair){ roll(y, 16), roll(y, 16) | 1 });
        break;
    case 4:
        proposal_replace(p, n, to);
        break;
    default:
        if (c && (c->parent || !c->change)) {
            proposal_move(p, c, to);
        }
    }
}

static void play_section(struct play *y)
{
    uint32_t i = roll(y, NODES);
    bool subtree = roll(y, 2);
    uint32_t *open = subtree ? &y->covers[i] : &y->sections[i];
    if (*open && roll(y, 3)) {
        --*open;
        (subtree ? drain_subtree_end : drain_end)(y->node[i]);
    } else if (*open < 2) {
        ++*open;
        (subtree ? drain_subtree_begin : drain_begin)(y->node[i]);
    }
}

static void play_round(struct play *y, int *applied, int *refused)
{
    char *before = dump(y);
    struct txn txn = TXN_INIT;
    bool give_up = roll(y, 3) == 0;
    int ret = 0;
    for (uint32_t parts = 1 + roll(y, 3); parts > 0 && ret == 0; parts--) {
        struct proposal *p = proposal_begin(y->w->layer);
        for (uint32_t changes = 1 + roll(y, 3); changes > 0; changes--) {
            propose_one(y, p);
        }
        if (roll(y, 10) == 0) {
            proposal_discard(p);
        } else {
            ret = proposal_apply(p, &txn, NULL);
        }
    }
    bool ended = txn_end(&txn, give_up ? -ECANCELED : ret) < 0;
    if (ended) {
        char *after = dump(y);
        assert_string_equal(after, before);
        free(after);
    }
    *(ret < 0 ? refused : applied) += 1;
    free(before);
}

static void play(struct world *w)
{
    struct play y = { .w = w, .dice = 7 };
    int applied = 0, refused = 0;
    for (int i = 0; i < NODES; i++) {
        char *json = mem_printf(i < 4   ? "{\"driver\":\"leaf\",\"node-name\":\"n%d\"}"
                                : i < 8 ? "{\"driver\":\"pass\",\"node-name\":\"n%d\","
                                          "\"file\":\"n%d\"}"
                                        : "{\"driver\":\"over\",\"node-name\":\"n%d\","
                                          "\"read-only\":true,\"file\":\"n%d\"}",
                                i, i % 4);
        y.node[i] = add(w, json);
        free(json);
    }
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(child_attach(y.node[i + 4], "root", ROLE_FILTERED, NULL, &client,
                                      &y.quiet[i], reader, &y.client[i], NULL), 0);
    }
    for (int i = 0; i < ROUNDS; i++) {
        play_round(&y, &applied, &refused);
        play_section(&y);
        verify(&y);
    }
    /* Both happen often, or the play is worth little. */
    assert_true(applied > ROUNDS / 10 && refused > ROUNDS / 10);
    for (int i = 0; i < NODES; i++) {
        for (; y.sections[i] > 0; y.sections[i]--) {
            drain_end(y.node[i]);
        }
        for (; y.covers[i] > 0; y.covers[i]--) {
            drain_subtree_end(y.node[i]);
        }
    }
    for (int i = 0; i < CLIENTS; i++) {
        child_detach(y.client[i]);
    }
}

#define IN_COROUTINE(name)                        \
    static void test_##name(void **state)         \
    {                                             \
        run_in_coroutine(*state, name);           \
    }

IN_COROUTINE(cycles)
IN_COROUTINE(frozen)
IN_COROUTINE(conflicts)
IN_COROUTINE(drained_edges)
IN_COROUTINE(drained_births)
IN_COROUTINE(iothreads)
IN_COROUTINE(play)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cycles, setup, teardown),
        cmocka_unit_test_setup_teardown(test_frozen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_conflicts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drained_edges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drained_births, setup, teardown),
        cmocka_unit_test_setup_teardown(test_iothreads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_play, setup, teardown),
    };
    return cmocka_run_group_tests_name("model/proposal", tests, NULL, NULL);
}
