/* SPDX-License-Identifier: MIT */
/* Nodes by name: a table of chains that doubles when it is full.
 *
 * Only what is looked for by its whole name comes out of it, so no order of it can be seen.
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/layer_state.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { BUCKETS_FIRST = 64 };

static struct node **bucket_of(const struct node_names *t, const char *name)
{
    return &t->buckets[XXH3_64bits(name, strlen(name)) & (t->cap - 1)];
}

static void put(const struct node_names *t, struct node *n)
{
    struct node **at = bucket_of(t, n->name);
    n->name_next = *at;
    *at = n;
}

static void grow(struct node_names *t)
{
    struct node_names old = *t;
    t->cap = old.cap ? 2 * old.cap : BUCKETS_FIRST;
    t->buckets = NEW_ARRAY(struct node *, t->cap);
    for (size_t i = 0; i < old.cap; i++) {
        for (struct node *n = old.buckets[i], *next; n; n = next) {
            next = n->name_next;
            put(t, n);
        }
    }
    free(old.buckets);
}

void layer_names_add(struct layer *l, struct node *n)
{
    CHECK(!layer_names_find(l, n->name));
    if (l->names.len == l->names.cap) {
        grow(&l->names);
    }
    put(&l->names, n);
    l->names.len++;
}

void layer_names_remove(struct layer *l, struct node *n)
{
    struct node **at = bucket_of(&l->names, n->name);
    while (*at != n) {
        CHECK(*at != NULL);
        at = &(*at)->name_next;
    }
    *at = n->name_next;
    l->names.len--;
}

struct node *layer_names_find(const struct layer *l, const char *name)
{
    struct node *n = l->names.cap ? *bucket_of(&l->names, name) : NULL;
    while (n && strcmp(n->name, name) != 0) {
        n = n->name_next;
    }
    return n;
}

void layer_names_fini(struct layer *l)
{
    CHECK(l->names.len == 0);
    free(l->names.buckets);
}
