/* SPDX-License-Identifier: MIT */
/* What reopen may not change.
 *
 * An option that a driver can change has MEMBER_MUTABLE.  It returns to its default when it is left
 * out, but with MEMBER_NO_RESET not once it was given.  Any other must be given as it was, or be
 * left out as it was.  Lists and structures are compared element by element, by the names that
 * QEMU's messages use: "inject-error.0.event".  One with MEMBER_FINAL has changed even when it is
 * given as it was: 7.2 compares a number with its text.
 *
 * Of the children only "file" and "backing" can be replaced, by a reference; for any other a
 * reference has to name what is there.  Inline options are those of a child that was opened inline.
 */
#include "model/reopen_private.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/layer_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- Options as flat names ---- */

static void put_flat(json_t *out, const char *key, json_t *value)
{
    const char *name;
    json_t *member;
    size_t i;
    if (json_is_object(value) && json_object_size(value) > 0) {
        json_object_foreach(value, name, member) {
            char *dotted = mem_printf("%s.%s", key, name);
            put_flat(out, dotted, member);
            free(dotted);
        }
    } else if (json_is_array(value) && json_array_size(value) > 0) {
        json_array_foreach(value, i, member) {
            char *dotted = mem_printf("%s.%zu", key, i);
            put_flat(out, dotted, member);
            free(dotted);
        }
    } else {
        json_object_set(out, key, value);
    }
}

/* One option of an object; {} when it is not there. */
static json_t *flatten(const json_t *options, const char *name)
{
    json_t *flat = json_object();
    json_t *value = json_object_get(options, name);
    if (value) {
        put_flat(flat, name, value);
    }
    return flat;
}

static bool is_child_type(const struct schema_type *t)
{
    return t == &schema_blockdev_ref || t == &schema_blockdev_ref_or_null;
}

static const struct schema_member *find_member(const struct node *n, const char *name)
{
    for (const struct schema_member *m = n->drv->options; m && m->name; m++) {
        if (strcmp(m->name, name) == 0) {
            return m;
        }
    }
    return NULL;
}

/* ---- What was left out ---- */

static int check_left_out(const struct reopen_entry *e, const char *name, struct error *err)
{
    json_t *old = flatten(e->n->options, name), *now = flatten(e->options, name);
    const char *key;
    json_t *value;
    int ret = 0;
    json_object_foreach(old, key, value) {
        if (ret == 0 && !json_object_get(now, key)) {
            ret = error_set(err, -EINVAL, "Option '%s' cannot be reset to its default value", key);
        }
    }
    json_decref(old);
    json_decref(now);
    return ret;
}

/* Whether an option of n, or of those that it inherits from, says something of force-share. */
static bool has_force_share(const struct node *n)
{
    while (n && !json_object_get(n->options, "force-share")) {
        n = n->inherits;
    }
    return n != NULL;
}

int reopen_check_reset(const struct reopen_entry *e, struct error *err)
{
    if (e->keep) {
        return 0;
    }
    if (has_force_share(e->n) && !json_object_get(e->options, "force-share")) {
        return error_set(err, -EINVAL, "Option '%s' cannot be reset to its default value",
                         "force-share");
    }
    int ret = 0;
    for (const struct schema_member *m = e->n->drv->options; m && m->name && ret == 0; m++) {
        bool resets = (m->flags & MEMBER_MUTABLE) && !(m->flags & MEMBER_NO_RESET);
        if (!resets && !is_child_type(m->type)) {
            ret = check_left_out(e, m->name, err);
        }
    }
    return ret;
}

/* ---- Children ---- */

/* Where an edge will lead, as far as the entries up to now have said. */
static const struct node *target(const struct reopen_queue *q, const struct child *c)
{
    const struct reopen_entry *e = c->parent ? reopen_queue_find(q, c->parent) : NULL;
    if (e && e->backing.changes && e->backing.c == c) {
        return e->backing.to;
    }
    return e && e->file.changes && e->file.c == c ? e->file.to : c->node;
}

struct walk {
    const struct node **at;
    size_t len, cap;
};

static void walk_to(struct walk *w, const struct node *n, uint64_t mark)
{
    struct node *seen = (struct node *)(uintptr_t)n;
    if (!n || n->mark == mark) {
        return;
    }
    seen->mark = mark;
    w->at = mem_grow(w->at, w->len, &w->cap, sizeof(*w->at));
    w->at[w->len++] = n;
}

/* Whether a way leads down from n to `wanted`. */
static bool leads_to(const struct reopen_queue *q, const struct node *n, const struct node *wanted,
                     uint64_t mark)
{
    struct walk w = { 0 };
    bool found = false;
    walk_to(&w, n, mark);
    while (w.len > 0 && !found) {
        const struct node *at = w.at[--w.len];
        const struct reopen_entry *e = reopen_queue_find(q, at);
        found = at == wanted;
        for (const struct child *c = at->children; c; c = c->next) {
            walk_to(&w, target(q, c), mark);
        }
        if (e && e->backing.changes && !e->backing.c) {
            walk_to(&w, e->backing.to, mark);
        }
    }
    free(w.at);
    return found;
}

/* What stands behind the filters that nobody named. */
static const struct node *skip_implicit(const struct node *n)
{
    while (n->implicit) {
        const struct child *c = node_filtered(n);
        c = c ? c : node_backing(n);
        CHECK(c != NULL);
        n = c->node;
    }
    return n;
}

/* An edge that is not there can only be that of a backing file. */
static int check_new_edge(const struct node *n, const struct reopen_edge *edge, struct error *err)
{
    if (strcmp(edge->name, "file") == 0) {
        return node_primary(n) ? 0
                               : error_set(err, -EINVAL,
                                           "Cannot set file child to format node without file "
                                           "child");
    }
    if (n->drv->traits & DRV_BACKING) {
        return 0;
    }
    return n->drv->traits & DRV_FILTER
               ? error_set(err, -EINVAL,
                           "'%s' is a %s filter node that does not support a backing child",
                           n->name, n->drv->name)
               : error_set(err, -EINVAL, "Driver '%s' of node '%s' does not support backing files",
                           n->drv->name, n->name);
}

static int check_edge(const struct reopen_entry *e, const struct reopen_edge *edge,
                      struct error *err)
{
    const struct child *c = edge->c;
    if (!c) {
        return check_new_edge(e->n, edge, err);
    }
    if (c->node->implicit) {
        return error_set(err, -EPERM, "Cannot replace implicit %s child of %s", edge->name,
                         e->n->name);
    }
    if (c->frozen) {
        return error_set(err, -EPERM, "Cannot change frozen '%s' link from '%s' to '%s'",
                         edge->name, e->n->name, c->node->name);
    }
    return 0;
}

static int find_child(const struct reopen_queue *q, struct reopen_entry *e,
                      struct reopen_edge *edge, struct error *err)
{
    const json_t *value = json_object_get(e->given, edge->name);
    const char *name = json_string_value(value);
    edge->c = node_child(e->n, edge->name);
    if (!value || json_is_object(value) || (json_is_null(value) && !edge->c)) {
        return 0;
    }
    if (name) {
        edge->to = layer_lookup(e->n->layer, NULL, name, err);
        if (!edge->to) {
            return -ENODEV;
        }
    }
    if (edge->c && edge->to && (edge->to == edge->c->node ||
                                edge->to == skip_implicit(edge->c->node))) {
        return 0; /* What is there already. */
    }
    if (edge->to && leads_to(q, edge->to, e->n, ++e->n->layer->marks)) {
        return error_set(err, -ELOOP, "Making '%s' a %s child of '%s' would create a cycle",
                         edge->to->name, edge->name, e->n->name);
    }
    int ret = check_edge(e, edge, err);
    edge->changes = ret == 0 && (edge->c || strcmp(edge->name, "backing") == 0);
    return ret;
}

/* Where the image has, or names, a backing file, leaving it out could mean several things. */
static bool lacks_backing(const struct reopen_entry *e)
{
    return (e->n->drv->traits & DRV_BACKING) && !e->keep &&
           (e->n->backing_file || node_backing(e->n)) && !json_object_get(e->given, "backing");
}

int reopen_find_children(const struct reopen_queue *q, struct reopen_entry *e, struct error *err)
{
    if (lacks_backing(e)) {
        return error_set(err, -EINVAL, "backing is missing for '%s'", e->n->name);
    }
    int ret = find_child(q, e, &e->backing, err);
    return ret < 0 ? ret : find_child(q, e, &e->file, err);
}

/* ---- What is given ---- */

static int cannot_change(const char *name, struct error *err)
{
    return error_set(err, -EINVAL, "Cannot change the option '%s'", name);
}

static int cannot_change_inline(const char *name, struct error *err)
{
    char *dotted = mem_printf("%s.driver", name);
    cannot_change(dotted, err);
    free(dotted);
    return -EINVAL;
}

/* Of a child that is not "file" or "backing", or of one with options inline. */
static int check_child_given(const struct reopen_entry *e, const char *name, const json_t *value,
                             struct error *err)
{
    const struct child *c = node_child(e->n, name);
    bool replaceable = strcmp(name, "file") == 0 || strcmp(name, "backing") == 0;
    if (json_is_object(value)) {
        if (c && c->node->inherits == e->n) {
            return 0;
        }
        return cannot_change_inline(name, err);
    }
    const char *ref = json_string_value(value);
    bool same = c && ref && strcmp(ref, c->node->name) == 0;
    return same || replaceable ? 0 : cannot_change(name, err);
}

static int check_same(const struct reopen_entry *e, const char *name, struct error *err)
{
    json_t *old = flatten(e->n->options, name), *now = flatten(e->given, name);
    const char *key;
    json_t *value;
    int ret = 0;
    json_object_foreach(now, key, value) {
        if (ret == 0 && !json_equal(value, json_object_get(old, key))) {
            ret = cannot_change(key, err);
        }
    }
    json_decref(old);
    json_decref(now);
    return ret;
}

static bool is_resolved(const char *name, const json_t *value)
{
    static const char *const flags[] = { "read-only", "auto-read-only", "discard",
                                         "detect-zeroes" };
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (strcmp(name, flags[i]) == 0) {
            return true;
        }
    }
    return strcmp(name, "cache") == 0 && json_object_size(value) > 0;
}

int reopen_check_given(const struct reopen_entry *e, struct error *err)
{
    const char *name;
    json_t *value;
    int ret = 0;
    if (json_object_get(e->options, "force-share")) {
        return cannot_change("force-share", err); /* Not even to what it is. */
    }
    for (const struct schema_member *m = e->n->drv->options; m && m->name; m++) {
        if ((m->flags & MEMBER_FINAL) && json_object_get(e->options, m->name)) {
            return cannot_change(m->name, err);
        }
    }
    if (e->mixed) {
        return cannot_change_inline(e->mixed, err);
    }
    json_object_foreach(e->given, name, value) {
        const struct schema_member *m = find_member(e->n, name);
        bool is_child = (m && is_child_type(m->type)) || node_child(e->n, name);
        if (is_child) {
            ret = check_child_given(e, name, value, err);
        } else if (!is_resolved(name, value) && !(m && (m->flags & MEMBER_MUTABLE))) {
            ret = check_same(e, name, err);
        }
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}
