/* SPDX-License-Identifier: MIT */
/* Dirty bitmaps of nodes.
 *
 * Invariants:
 *  1. A node's bitmaps are in one list, the oldest first: named ones, those of jobs, successors.
 *  2. The bits of each are as long as the node: it follows every change of length.
 *  3. A successor has no name and no successor, and is on the node of the bitmap that it stands in
 *     for, which is busy and records nothing itself.
 */
#include "model/dirty_bitmap.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/layer_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct dirty_bitmap {
    struct node *node;
    char *name; /* NULL: a job's, or a successor. */
    struct bitset *bits;
    struct dirty_bitmap *successor;
    bool enabled, busy, exported;
    struct bitmap_stamp stamp;
    void (*marked)(void *opaque); /* NULL: nobody wants to know. */
    void *marked_opaque;
    struct dirty_bitmap *prev, *next; /* In node->bitmaps. */
};

/* ---- Coming and going ---- */

static struct dirty_bitmap *link_new(struct node *n, const char *name, uint32_t granularity)
{
    struct dirty_bitmap *b = NEW(struct dirty_bitmap);
    b->node = n;
    b->name = name ? mem_strdup(name) : NULL;
    b->bits = bitset_create(n->length, granularity);
    b->enabled = true;
    b->stamp.id = ++n->layer->bitmap_ids;
    b->prev = n->bitmaps_last;
    *(b->prev ? &b->prev->next : &n->bitmaps) = b;
    n->bitmaps_last = b;
    return b;
}

static void drop(struct dirty_bitmap *b)
{
    struct node *n = b->node;
    *(b->prev ? &b->prev->next : &n->bitmaps) = b->next;
    *(b->next ? &b->next->prev : &n->bitmaps_last) = b->prev;
    bitset_free(b->bits);
    free(b->name);
    free(b);
}

int bitmap_create(struct node *n, const char *name, uint32_t granularity, struct dirty_bitmap **out,
                  struct error *err)
{
    if (name && bitmap_find(n, name)) {
        return error_set(err, -EEXIST, "Bitmap already exists: %s", name);
    }
    if (name && strlen(name) > BITMAP_NAME_MAX) {
        return error_set(err, -ENAMETOOLONG, "Bitmap name too long: %s", name);
    }
    struct dirty_bitmap *b = link_new(n, name, granularity);
    if (out) {
        *out = b;
    }
    return 0;
}

uint32_t bitmap_default_granularity(const struct node *n)
{
    enum { LEAST = 4096, MOST = 65536 };
    struct driver_info info = { .cluster_size = 0 };
    if (node_info(n, &info) < 0 || info.cluster_size <= 0) {
        return MOST;
    }
    return (uint32_t)MAX(LEAST, MIN(MOST, info.cluster_size));
}

void bitmap_release(struct dirty_bitmap *b)
{
    CHECK(!b->busy && !b->successor);
    drop(b);
}

void bitmap_release_all(struct node *n)
{
    while (n->bitmaps) {
        bitmap_release(n->bitmaps);
    }
}

/* ---- Finding and asking ---- */

struct dirty_bitmap *bitmap_find(const struct node *n, const char *name)
{
    struct dirty_bitmap *b = n->bitmaps;
    while (b && !(b->name && strcmp(b->name, name) == 0)) {
        b = b->next;
    }
    return b;
}

int bitmap_lookup(struct layer *l, const char *node, const char *name, struct dirty_bitmap **out,
                  struct error *err)
{
    struct node *n = layer_lookup(l, node, node, NULL);
    if (!n) {
        return error_set(err, -ENODEV, "Node '%s' not found", node);
    }
    *out = bitmap_find(n, name);
    return *out ? 0 : error_set(err, -ENOENT, "Dirty bitmap '%s' not found", name);
}

struct dirty_bitmap *bitmap_first(const struct node *n)
{
    return n->bitmaps;
}

struct dirty_bitmap *bitmap_next(const struct dirty_bitmap *b)
{
    return b->next;
}

const char *bitmap_name(const struct dirty_bitmap *b)
{
    return b->name;
}

struct node *bitmap_node(const struct dirty_bitmap *b)
{
    return b->node;
}

struct bitset *bitmap_set(struct dirty_bitmap *b)
{
    return b->bits;
}

const struct bitset *bitmap_bits(const struct dirty_bitmap *b)
{
    return b->bits;
}

bool bitmap_is_enabled(const struct dirty_bitmap *b)
{
    return b->enabled;
}

bool bitmap_is_recording(const struct dirty_bitmap *b)
{
    return b->enabled || (b->successor && b->successor->enabled);
}

void bitmap_set_enabled(struct dirty_bitmap *b, bool on)
{
    CHECK(!b->successor);
    b->stamp.paused += b->enabled && !on;
    b->enabled = on;
}

bool bitmap_is_busy(const struct dirty_bitmap *b)
{
    return b->busy;
}

void bitmap_set_busy(struct dirty_bitmap *b, bool on)
{
    CHECK(!b->successor);
    b->busy = on;
}

void bitmap_set_exported(struct dirty_bitmap *b, bool on)
{
    bitmap_set_busy(b, on);
    b->exported = on;
}

bool bitmap_is_exported(const struct dirty_bitmap *b)
{
    return b->exported;
}

bool bitmap_has_successor(const struct dirty_bitmap *b)
{
    return b->successor != NULL;
}

struct bitmap_stamp bitmap_stamp(const struct dirty_bitmap *b)
{
    return b->stamp;
}

int bitmap_check(const struct dirty_bitmap *b, uint32_t what, struct error *err)
{
    CHECK(b->name && what <= BITMAP_CHECK_DEFAULT);
    if ((what & BITMAP_CHECK_BUSY) && b->busy) {
        return error_set(err, -EBUSY,
                         "Bitmap '%s' is currently in use by another operation and cannot be used",
                         b->name);
    }
    return 0;
}

/* ---- Successors ---- */

int bitmap_freeze(struct dirty_bitmap *b, struct error *err)
{
    if (bitmap_has_successor(b)) {
        return error_set(err, -EBUSY,
                         "Cannot create a successor for a bitmap that already has one");
    }
    struct dirty_bitmap *s = link_new(b->node, NULL, bitset_granularity(b->bits));
    s->enabled = b->enabled;
    s->stamp.stands_for = b->stamp.id;
    b->successor = s;
    b->stamp.paused++;
    b->enabled = false;
    b->busy = true;
    return 0;
}

struct dirty_bitmap *bitmap_abdicate(struct dirty_bitmap *b)
{
    struct dirty_bitmap *s = b->successor;
    CHECK(s != NULL && b->busy && s->node == b->node);
    CHECK(!s->name);
    s->name = b->name;
    s->stamp.stands_for = 0;
    b->name = NULL;
    drop(b);
    return s;
}

void bitmap_reclaim(struct dirty_bitmap *b)
{
    struct dirty_bitmap *s = b->successor;
    CHECK(s != NULL && b->busy && s->node == b->node);
    bitset_merge(b->bits, s->bits);
    b->enabled = s->enabled;
    b->successor = NULL;
    b->busy = false;
    drop(s);
}

/* ---- Bits ---- */

static void keep(const struct dirty_bitmap *b, struct bitset **backup)
{
    if (backup) {
        *backup = bitset_clone(b->bits);
    }
}

int bitmap_can_merge(const struct dirty_bitmap *b, const struct dirty_bitmap *src,
                     struct error *err)
{
    int64_t to = bitset_length(b->bits), from = bitset_length(src->bits);
    int ret = b->name ? bitmap_check(b, BITMAP_CHECK_DEFAULT, err) : 0;
    ret = ret < 0 ? ret : bitmap_check(src, BITMAP_CHECK_ALLOW_RO, err);
    if (ret == 0 && to != from) {
        ret = error_set(err, -EINVAL,
                        "Bitmaps are of different sizes (destination size is %lld, source size is "
                        "%lld) and can't be merged",
                        (long long)to, (long long)from);
    }
    return ret;
}

void bitmap_merge_from(struct dirty_bitmap *b, const struct dirty_bitmap *src,
                       struct bitset **backup)
{
    keep(b, backup);
    if (b != src) {
        bitset_merge(b->bits, src->bits);
    }
}

void bitmap_clear(struct dirty_bitmap *b, struct bitset **backup)
{
    keep(b, backup);
    b->stamp.cleared++;
    bitset_clear_all(b->bits);
}

void bitmap_restore(struct dirty_bitmap *b, struct bitset *bits)
{
    CHECK(bitset_granularity(bits) == bitset_granularity(b->bits));
    bitset_resize(bits, bitset_length(b->bits));
    bitset_free(b->bits);
    b->stamp.cleared++;
    b->bits = bits;
}

/* ---- Of the I/O path ---- */

void bitmap_mark(struct node *n, int64_t offset, int64_t bytes)
{
    CHECK(offset >= 0 && bytes >= 0);
    for (struct dirty_bitmap *b = n->bitmaps; b; b = b->next) {
        int64_t end = MIN(offset + bytes, bitset_length(b->bits));
        if (b->enabled && offset < end) {
            bitset_set(b->bits, offset, end - offset);
            if (b->marked) {
                b->marked(b->marked_opaque);
            }
        }
    }
}

void bitmap_on_mark(struct dirty_bitmap *b, void (*fn)(void *opaque), void *opaque)
{
    b->marked = fn;
    b->marked_opaque = opaque;
}

void bitmap_resize_all(struct node *n, int64_t length)
{
    for (struct dirty_bitmap *b = n->bitmaps; b; b = b->next) {
        if (bitset_length(b->bits) != length) {
            b->stamp.cleared += length < bitset_length(b->bits);
            bitset_resize(b->bits, length);
        }
    }
}

/* ---- Queries ---- */

static json_t *describe(const struct dirty_bitmap *b)
{
    uint32_t granularity = bitset_granularity(b->bits);
    uint64_t bytes = bitset_granules(b->bits) * granularity;
    json_t *info = json_pack("{s:I, s:I, s:b, s:b, s:b}", "count", (json_int_t)bytes, "granularity",
                             (json_int_t)granularity, "recording", bitmap_is_recording(b), "busy",
                             b->busy, "persistent", false);
    CHECK(info != NULL);
    if (b->name) {
        json_object_set_new(info, "name", json_string(b->name));
    }
    return info;
}

json_t *bitmap_describe_all(const struct node *n)
{
    json_t *list = n->bitmaps ? json_array() : NULL;
    for (const struct dirty_bitmap *b = n->bitmaps_last; b; b = b->prev) {
        json_array_append_new(list, describe(b));
    }
    return list;
}
