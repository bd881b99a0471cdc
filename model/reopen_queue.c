/* SPDX-License-Identifier: MIT */
/* Which nodes a reopen concerns, and what each of them gets.
 *
 * A node that was opened inline takes options from the one that opened it, so it is reopened with
 * it: with the options that stand inline now, or, when it is only named, with those that it had.
 * For each flag the first of these counts:
 *
 *   1. what is given now      2. what was given, if that is kept
 *   3. what the parent has    4. what it was, if that is kept      5. the default
 *
 * A node that comes up twice in one command, by itself and with its parent, has "now" in 1 for
 * both; whether 2 counts was decided the first time, and 3 and 4 are those of the last time.
 *
 * A node's parent "has" what an option has set there, now or when it was opened (said).  "discard"
 * alone is never reset: left out, it stays.  (Behaviour of the installed QEMU 7.2.)
 */
#include "model/reopen_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* A node that is still to be queued. */
struct visit {
    struct node *n;
    struct node *parent; /* Queued before, and opened n; NULL: none. */
    uint32_t roles;      /* Of the edge from it. */
    json_t *options;     /* Owned. */
    bool keep;
};

struct visits {
    struct visit *at;
    size_t len, cap;
};

void reopen_queue_init(struct reopen_queue *q)
{
    q->first = NULL;
    q->tail = &q->first;
}

void reopen_queue_free(struct reopen_queue *q)
{
    struct reopen_entry *next;
    for (struct reopen_entry *e = q->first; e; e = next) {
        next = e->next;
        json_decref(e->given);
        json_decref(e->options);
        free(e->mixed);
        free(e);
    }
    reopen_queue_init(q);
}

struct reopen_entry *reopen_queue_find(const struct reopen_queue *q, const struct node *n)
{
    struct reopen_entry *e = q->first;
    while (e && e->n != n) {
        e = e->next;
    }
    return e;
}

static struct reopen_entry *get_entry(struct reopen_queue *q, struct node *n, bool keep)
{
    struct reopen_entry *e = reopen_queue_find(q, n);
    if (!e) {
        e = NEW(struct reopen_entry);
        e->n = n;
        e->old = keep;
        e->given = json_object();
        e->backing.name = "backing";
        e->file.name = "file";
        *q->tail = e;
        q->tail = &e->next;
    }
    return e;
}

/* Members of `from` go over those of `to`; "cache" is a group of options, not one. */
static void merge(json_t *to, const json_t *from)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)from, name, value) {
        json_t *old = json_object_get(to, name);
        if (strcmp(name, "cache") == 0 && json_object_size(old) > 0 &&
            json_object_size(value) > 0) {
            json_object_update(old, value);
        } else {
            json_object_set_new(to, name, json_is_object(value) || json_is_array(value)
                                              ? json_deep_copy(value)
                                              : json_incref(value));
        }
    }
}

static bool is_child(const struct node *n, const char *name)
{
    return strcmp(name, "file") == 0 || strcmp(name, "backing") == 0 || node_child(n, name);
}

/* Whether the child of that name was opened by n. */
static bool opened_child(const struct node *n, const char *name)
{
    const struct child *c = node_child(n, name);
    return c && c->node->inherits == n;
}

/* What a node is given goes over what it was given before in the same command.  But a name and
 * inline options of a child do not replace each other, unless the child has taken the inline ones:
 * then the name counts, and both together are refused. */
static void give(struct reopen_entry *e, json_t *options)
{
    const char *name;
    json_t *value;
    void *next;
    json_object_foreach_safe(options, next, name, value) {
        const json_t *old = json_object_get(e->given, name);
        if (!old || json_is_object(old) == json_is_object(value) || !is_child(e->n, name) ||
            (json_is_object(old) && opened_child(e->n, name))) {
            continue;
        }
        free(e->mixed);
        e->mixed = mem_strdup(name);
        if (json_is_object(value)) {
            json_object_del(options, name);
        }
    }
    merge(e->given, options);
}

static void merge_options(struct reopen_entry *e)
{
    json_decref(e->options);
    e->options = e->old ? json_deep_copy(e->n->options) : json_object();
    CHECK(e->options != NULL);
    merge(e->options, e->given);
}

/* ---- Flags ---- */

struct flag_source {
    const struct opts *opts;
    const struct reopen_entry *parent; /* NULL: nothing is inherited. */
    bool cow;                          /* n is its backing file. */
    const struct reopen_entry *e;
};

/* The flags of a node and what they are called; read as a table so that all follow one rule. */
static bool *flag_of(struct node_flags *f, uint8_t bit)
{
    switch (bit) {
    case SAID_READ_ONLY:
        return &f->read_only;
    case SAID_AUTO_READ_ONLY:
        return &f->auto_read_only;
    case SAID_CACHE_DIRECT:
        return &f->cache_direct;
    case SAID_CACHE_NO_FLUSH:
        return &f->cache_no_flush;
    default:
        UNREACHABLE();
    }
}

static const char *flag_name(uint8_t bit)
{
    switch (bit) {
    case SAID_READ_ONLY:
        return "read-only";
    case SAID_AUTO_READ_ONLY:
        return "auto-read-only";
    case SAID_CACHE_DIRECT:
        return "cache.direct";
    case SAID_CACHE_NO_FLUSH:
        return "cache.no-flush";
    default:
        UNREACHABLE();
    }
}

/* *said: whether an option has set it. */
static bool resolve_flag(const struct flag_source *from, uint8_t bit, bool *said)
{
    const json_t *value = opts_get(from->opts, flag_name(bit));
    struct node *n = from->e->n;
    *said = true;
    if (value) {
        return json_is_true(value);
    }
    if (from->cow && (bit == SAID_READ_ONLY || bit == SAID_AUTO_READ_ONLY)) {
        return bit == SAID_READ_ONLY; /* A backing file is only read. */
    }
    if (from->parent && (from->parent->said & bit)) {
        struct node_flags flags = from->parent->flags;
        return *flag_of(&flags, bit);
    }
    *said = from->e->keep && !(n->unsaid & bit);
    return *said && *flag_of(&n->flags, bit);
}

static void resolve_flags(struct reopen_entry *e, const struct reopen_entry *parent,
                          uint32_t roles)
{
    struct opts opts = { .values = e->options, .members = e->n->drv->options };
    struct flag_source from = { &opts, parent, parent && (roles & ROLE_COW), e };
    e->said = 0;
    for (uint8_t bit = 1; bit <= SAID_CACHE_NO_FLUSH; bit = (uint8_t)(bit << 1)) {
        bool said;
        *flag_of(&e->flags, bit) = resolve_flag(&from, bit, &said);
        e->said |= said ? bit : 0;
    }
    e->flags.force_share = e->n->flags.force_share; /* It cannot change: see reopen_check.c. */
    node_flags_read_own(&opts, parent || e->n->flags.unmap, &e->flags);
}

/* ---- The walk ---- */

static void push(struct visits *v, struct visit visit)
{
    v->at = mem_grow(v->at, v->len, &v->cap, sizeof(*v->at));
    v->at[v->len++] = visit;
}

/* A child that n opened: with what stands inline for it, with what it has when it is only named, or
 * not at all when another takes its place. */
static void push_child(struct visits *v, const struct reopen_entry *e, const struct child *c)
{
    const json_t *value = json_object_get(e->given, c->name);
    struct visit visit = { .n = c->node, .parent = e->n, .roles = c->roles, .keep = e->keep };
    if (value && !json_is_object(value)) {
        if (!json_is_string(value) || strcmp(json_string_value(value), c->node->name) != 0) {
            return;
        }
        visit.keep = true;
    } else if (value) {
        visit.keep = false;
    }
    visit.options = json_is_object(value) ? json_deep_copy(value) : json_object();
    push(v, visit);
}

void reopen_queue_add(struct reopen_queue *q, struct node *n, const json_t *options, bool keep)
{
    struct visits v = { 0 };
    push(&v, (struct visit){ .n = n, .options = json_copy((json_t *)(uintptr_t)options),
                             .keep = keep });
    while (v.len > 0) {
        struct visit visit = v.at[--v.len];
        struct reopen_entry *e = get_entry(q, visit.n, visit.keep);
        e->keep = visit.keep;
        give(e, visit.options);
        json_decref(visit.options);
        merge_options(e);
        resolve_flags(e, visit.parent ? reopen_queue_find(q, visit.parent) : NULL, visit.roles);
        for (struct child *c = visit.n->children; c; c = c->next) {
            if (c->node->inherits == visit.n) {
                push_child(&v, e, c); /* The last pushed, the youngest edge, comes first. */
            }
        }
    }
    free(v.at);
}
