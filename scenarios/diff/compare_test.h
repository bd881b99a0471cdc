/* For the tests of the comparison: two records that are alike, until a test makes them differ.
 * Include after <cmocka.h>. */
#ifndef SCENARIOS_DIFF_COMPARE_TEST_H
#define SCENARIOS_DIFF_COMPARE_TEST_H

#include "base/mem.h"
#include "scenarios/diff/compare.h"
#include "scenarios/diff/compare_private.h"

struct twins {
    struct record at[COMPARE_SIDES];
    struct result r;
    const char *nodes, *graph, *block; /* State that every new statement gets. */
};

#define NODES                                                                                      \
    "[{'node-name': 'r', 'drv': 'raw', 'file': 'a', 'image': {'virtual-size': 512}},"             \
    " {'node-name': 'n', 'drv': 'null-co', 'file': 'b', 'image': {'virtual-size': 512}}]"
#define GRAPH                                                                                      \
    "{'nodes': [{'id': 1, 'name': 'r', 'type': 'block-driver'},"                                   \
    "           {'id': 2, 'name': 'n', 'type': 'block-driver'},"                                   \
    "           {'id': 3, 'name': 'vb', 'type': 'block-backend'}],"                                \
    " 'edges': [{'parent': 1, 'child': 2, 'name': 'file', 'perm': ['write'], 'shared-perm': []},"  \
    "           {'parent': 3, 'child': 1, 'name': 'root', 'perm': [], 'shared-perm': []}]}"
#define BLOCK "[{'device': 'vb', 'qdev': 'x', 'inserted': {'drv': 'raw', 'node-name': 'r'}}]"

#define NODES_RO                                                                                   \
    "[{'node-name': 'r', 'drv': 'raw', 'file': 'a', 'ro': true, 'image': {'virtual-size': 512}},"  \
    " {'node-name': 'n', 'drv': 'null-co', 'file': 'b', 'image': {'virtual-size': 512}}]"

static inline json_t *json(const char *text)
{
    char *copy = mem_strdup(text);
    for (char *c = copy; *c; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    json_t *v = json_loads(copy, JSON_DECODE_ANY, NULL);
    if (!v) {
        fail_msg("bad JSON in the test: %s", copy);
    }
    free(copy);
    return v;
}

static inline int set_up(void **state)
{
    struct twins *t = NEW(struct twins);
    record_init(&t->at[OURS], "sim");
    record_init(&t->at[THEIRS], "qemu");
    result_init(&t->r);
    t->nodes = NODES;
    t->graph = GRAPH;
    t->block = BLOCK;
    *state = t;
    return 0;
}

static inline int tear_down(void **state)
{
    struct twins *t = *state;
    record_fini(&t->at[OURS]);
    record_fini(&t->at[THEIRS]);
    result_fini(&t->r);
    free(t);
    return 0;
}

static inline struct record_stmt *last(struct twins *t, enum compare_who who)
{
    return &t->at[who].at[t->at[who].len - 1];
}

static inline void set(json_t **member, const char *text)
{
    json_decref(*member);
    *member = text ? json(text) : NULL;
}

static inline void set_text(char **member, const char *text)
{
    free(*member);
    *member = text ? mem_strdup(text) : NULL;
}

/* A statement that both have done in the same way. */
static inline void both(struct twins *t, const char *text)
{
    for (int w = OURS; w < COMPARE_SIDES; w++) {
        uint32_t id = (uint32_t)t->at[w].len + 1;
        char *command = mem_strndup(text, strcspn(text, " "));
        struct record_stmt *s = record_add(&t->at[w], id, 10 * (int)id, command, text);
        s->counted = true;
        set(&s->nodes, t->nodes);
        set(&s->graph, t->graph);
        set(&s->block, t->block);
        if (strcmp(command, "io") == 0) {
            set_text(&s->output, "wrote 512/512 bytes at offset 0\n512 bytes, 1 ops; "
                                 "00.00 sec (1 MiB/sec and 2000.0000 ops/sec)\n");
        } else {
            set(&s->reply, "{'return': {}}");
        }
        free(command);
    }
}

/* A statement with these two replies. */
static inline void replies(struct twins *t, const char *text, const char *ours, const char *theirs)
{
    both(t, text);
    set(&last(t, OURS)->reply, ours);
    set(&last(t, THEIRS)->reply, theirs);
}

static inline void event(struct twins *t, enum compare_who who, const char *name, const char *data)
{
    json_t *event = json_pack("{s:s, s:o, s:{s:i, s:i}}", "event", name, "data", json(data),
                              "timestamp", "seconds", 1 + (int)t->at[who].len, "microseconds", who);
    json_array_append_new(last(t, who)->events, event);
}

static inline const struct result_diff *row(struct twins *t, size_t i)
{
    assert_true(i < t->r.diff_len);
    return &t->r.diff[i];
}

static inline void compare(struct twins *t)
{
    compare_records(&t->at[OURS], &t->at[THEIRS], &t->r);
}

static inline void assert_same(struct twins *t)
{
    compare(t);
    assert_string_equal(t->r.message, "");
    assert_int_equal(t->r.verdict, VERDICT_PASS);
}

/* The only statement that differs is this one (from 0), and it is told so. */
static inline void assert_differs(struct twins *t, size_t at, const char *detail)
{
    compare(t);
    assert_int_equal(t->r.verdict, VERDICT_FAIL);
    for (size_t i = 0; i < t->r.diff_len; i++) {
        assert_int_equal(row(t, i)->verdict, i == at ? DIFF_DIFFERS : DIFF_SAME);
    }
    assert_non_null(strstr(row(t, at)->detail, detail));
}

static inline void add_node(struct record *r, const char *name, const char *map, const char *data)
{
    struct record_node *n = record_add_node(r, name);
    n->map = mem_strdup(map);
    n->data = mem_strdup(data);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
