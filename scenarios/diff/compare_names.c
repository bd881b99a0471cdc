/* SPDX-License-Identifier: MIT */
/* Which automatic name of ours is which of theirs.
 *
 * Names that are new in a statement are paired: first nodes of query-named-block-nodes that have
 * driver, plain file name and mode in common, in order; then what is left on both sides, in order
 * of appearance, when that is the same number.  A name that has no partner has a number of its own,
 * so one node too many makes one difference and does not shift the others.
 */
#include "scenarios/diff/compare_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct fresh {
    char *name;
    char *like; /* Driver, file and mode of a node; "" of what is seen elsewhere. */
    bool paired;
};

struct fresh_list {
    struct fresh *at;
    size_t len, cap;
};

static void fresh_add(struct fresh_list *list, const struct compare_side *side, const char *name,
                      size_t n, const char *like)
{
    if (compare_name_number(side, name, n) != 0) {
        return;
    }
    for (size_t i = 0; i < list->len; i++) {
        if (strlen(list->at[i].name) == n && memcmp(list->at[i].name, name, n) == 0) {
            return;
        }
    }
    list->at = mem_grow(list->at, list->len, &list->cap, sizeof(*list->at));
    list->at[list->len++] = (struct fresh){ .name = mem_strndup(name, n),
                                            .like = mem_strdup(like) };
}

static void scan_text(struct fresh_list *list, const struct compare_side *side, const char *text)
{
    for (const char *s = text; s && (s = compare_name_find(s));) {
        size_t n = compare_name_length(s);
        if (n) {
            fresh_add(list, side, s, n, *s == '/' ? "device" : "");
        }
        s += n ? n : 1;
    }
}

static void scan_json(struct fresh_list *list, const struct compare_side *side, const json_t *v)
{
    if (json_is_string(v)) {
        scan_text(list, side, json_string_value(v));
    } else if (json_is_array(v)) {
        for (size_t i = 0; i < json_array_size(v); i++) {
            scan_json(list, side, json_array_get(v, i));
        }
    } else if (json_is_object(v)) {
        size_t n;
        const char **keys = compare_sorted_keys(v, &n);
        for (size_t i = 0; i < n; i++) {
            scan_json(list, side, json_object_get(v, keys[i]));
        }
        free(keys);
    }
}

static void scan_nodes(struct fresh_list *list, struct compare_side *side, const json_t *nodes)
{
    for (size_t i = 0; i < json_array_size(nodes); i++) {
        const json_t *node = json_array_get(nodes, i);
        const char *name = json_string_value(json_object_get(node, "node-name"));
        const char *drv = json_string_value(json_object_get(node, "drv"));
        const char *file = json_string_value(json_object_get(node, "file"));
        if (name && compare_name_length(name) && compare_name_length(name) == strlen(name)) {
            bool plain = file && strncmp(file, "json:", 5) != 0;
            char *normal = compare_side_text(side, plain && !strstr(file, "#block") ? file : "");
            bool ro = json_is_true(json_object_get(node, "ro"));
            char *like = mem_printf("%s|%s|%s", drv ? drv : "", normal, ro ? "ro" : "rw");
            fresh_add(list, side, name, strlen(name), like);
            free(like);
            free(normal);
        }
    }
}

static void scan(struct fresh_list *list, struct compare_side *side, const struct record_stmt *s)
{
    scan_nodes(list, side, s->nodes);
    scan_json(list, side, s->reply);
    scan_text(list, side, s->output);
    scan_json(list, side, s->events);
    scan_json(list, side, s->graph);
    scan_json(list, side, s->block);
    scan_json(list, side, s->jobs);
}

/* Pairs what has the same likeness; any: whatever it has. */
static void pair_up(struct compare_side side[COMPARE_SIDES], struct fresh_list list[COMPARE_SIDES],
                    bool any)
{
    size_t from = 0;
    for (size_t i = 0; i < list[OURS].len; i++) {
        struct fresh *a = &list[OURS].at[i];
        while (from < list[THEIRS].len && list[THEIRS].at[from].paired) {
            from++;
        }
        for (size_t k = from; k < list[THEIRS].len && !a->paired; k++) {
            struct fresh *b = &list[THEIRS].at[k];
            bool same_kind = *a->name == *b->name;
            if (!b->paired && same_kind && (any || strcmp(a->like, b->like) == 0)) {
                uint32_t number = (*side[OURS].next_name)++;
                compare_name_set(&side[OURS], a->name, strlen(a->name), number);
                compare_name_set(&side[THEIRS], b->name, strlen(b->name), number);
                a->paired = b->paired = true;
            }
        }
    }
}

static size_t unpaired(const struct fresh_list *list)
{
    size_t n = 0;
    for (size_t i = 0; i < list->len; i++) {
        n += !list->at[i].paired;
    }
    return n;
}

void compare_names_pair(struct compare_side side[COMPARE_SIDES], const struct record_stmt *ours,
                        const struct record_stmt *theirs)
{
    struct fresh_list list[COMPARE_SIDES] = { 0 };
    const struct record_stmt *stmt[COMPARE_SIDES] = { ours, theirs };
    CHECK(side[OURS].next_name == side[THEIRS].next_name);
    for (int w = OURS; w < COMPARE_SIDES; w++) {
        scan(&list[w], &side[w], stmt[w]);
    }
    pair_up(side, list, false);
    if (unpaired(&list[OURS]) == unpaired(&list[THEIRS])) {
        pair_up(side, list, true);
    }
    for (int w = OURS; w < COMPARE_SIDES; w++) {
        for (size_t i = 0; i < list[w].len; i++) {
            struct fresh *f = &list[w].at[i];
            if (!f->paired) {
                compare_name_set(&side[w], f->name, strlen(f->name), (*side[w].next_name)++);
            }
            free(f->name);
            free(f->like);
        }
        free(list[w].at);
    }
}
