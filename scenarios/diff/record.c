/* SPDX-License-Identifier: MIT */
#include "scenarios/diff/record.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void record_init(struct record *r, const char *target)
{
    CHECK(target != NULL);
    *r = (struct record){ .target = target };
}

static void stmt_fini(struct record_stmt *s)
{
    free(s->command);
    free(s->text);
    free(s->why);
    free(s->output);
    free(s->complaint);
    json_decref(s->reply);
    json_decref(s->events);
    json_decref(s->nodes);
    json_decref(s->graph);
    json_decref(s->block);
    json_decref(s->jobs);
}

void record_fini(struct record *r)
{
    for (size_t i = 0; i < r->len; i++) {
        stmt_fini(&r->at[i]);
    }
    for (size_t i = 0; i < r->nodes_len; i++) {
        free(r->nodes[i].name);
        free(r->nodes[i].map);
        free(r->nodes[i].data);
    }
    if (r->end) {
        stmt_fini(r->end);
    }
    free(r->end);
    free(r->late);
    free(r->late_end);
    free(r->at);
    free(r->nodes);
    free(r->files);
    *r = (struct record){ .target = NULL };
}

struct record_stmt *record_add(struct record *r, uint32_t id, int line, const char *command,
                               const char *text)
{
    r->at = mem_grow(r->at, r->len, &r->cap, sizeof(*r->at));
    struct record_stmt *s = &r->at[r->len++];
    *s = (struct record_stmt){ .id = id, .line = line, .command = mem_strdup(command),
                               .text = mem_strdup(text), .events = json_array() };
    return s;
}

struct record_node *record_add_node(struct record *r, const char *name)
{
    r->nodes = mem_grow(r->nodes, r->nodes_len, &r->nodes_cap, sizeof(*r->nodes));
    struct record_node *n = &r->nodes[r->nodes_len++];
    *n = (struct record_node){ .name = mem_strdup(name) };
    return n;
}

void record_drop_sizes(json_t *value)
{
    const char *key, *format = json_string_value(json_object_get(value, "format"));
    json_t *member;
    size_t i;
    if (format && strcmp(format, "qcow2") != 0) {
        json_object_del(value, "virtual-size");
    }
    json_object_del(value, "dirty-flag");
    json_array_foreach(value, i, member) {
        record_drop_sizes(member);
    }
    json_object_foreach(value, key, member) {
        record_drop_sizes(member);
    }
}
