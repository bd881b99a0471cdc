/* Dirty bitmaps: which parts of a node were written (QEMU docs/interop/bitmaps.rst, qapi
 * block-core.json BlockDirtyInfo).
 *
 * A bitmap belongs to a node and goes with it.  Named ones are the user's, those without a name
 * jobs'.
 *
 *              create                  freeze                  reclaim (the job failed)
 *   (nothing) --------> recording <-----------> busy, frozen --------------------------> recording
 *                          ^  |    its successor records what    merged with its successor
 *                  enable  |  | disable        is written meanwhile
 *                          |  v                           \--- abdicate (it succeeded) ---> the
 *                        disabled                              successor takes its place and name
 *
 * A write, zeroing or discard marks every enabled bitmap of the node after it reached the driver,
 * whether it succeeded or not; a resize changes the length of all.
 */
#ifndef MODEL_DIRTY_BITMAP_H
#define MODEL_DIRTY_BITMAP_H

#include "base/error.h"
#include "model/bitset.h"

#include <jansson.h>

struct dirty_bitmap;
struct layer;
struct node;

enum { BITMAP_NAME_MAX = 1023 }; /* Bytes, without the NUL. */

/* [ctl] granularity: bytes.  name NULL: a job's.  Errors: QEMU's texts (the name is taken). */
int bitmap_create(struct node *n, const char *name, uint32_t granularity,
                  struct dirty_bitmap **out, struct error *err);
/* The granularity when none is said: the cluster size, from 4 KiB to 64 KiB; else 64 KiB. */
uint32_t bitmap_default_granularity(const struct node *n);
/* [ctl] Checked: not busy. */
void bitmap_release(struct dirty_bitmap *b);
/* [ctl] All of a node that closes. */
void bitmap_release_all(struct node *n);

/* The bitmap that a command names.  Errors: "Node 'x' not found", "Dirty bitmap 'x' not found". */
int bitmap_lookup(struct layer *l, const char *node, const char *name, struct dirty_bitmap **out,
                  struct error *err);
/* By name, or NULL. */
struct dirty_bitmap *bitmap_find(const struct node *n, const char *name);
/* In order of creation; NULL at the end, and when there is none. */
struct dirty_bitmap *bitmap_first(const struct node *n);
struct dirty_bitmap *bitmap_next(const struct dirty_bitmap *b);

const char *bitmap_name(const struct dirty_bitmap *b); /* NULL: none. */
struct node *bitmap_node(const struct dirty_bitmap *b);
/* Its bits, as long as the node; valid until it is released or gets others. */
struct bitset *bitmap_set(struct dirty_bitmap *b);
const struct bitset *bitmap_bits(const struct dirty_bitmap *b);

bool bitmap_is_enabled(const struct dirty_bitmap *b);
/* It is enabled, or its successor is. */
bool bitmap_is_recording(const struct dirty_bitmap *b);
/* Checked: no successor. */
void bitmap_set_enabled(struct dirty_bitmap *b, bool on);
/* A job or an export uses it: the user may neither change nor remove it. */
bool bitmap_is_busy(const struct dirty_bitmap *b);
void bitmap_set_busy(struct dirty_bitmap *b, bool on);
/* The same, of an export. */
void bitmap_set_exported(struct dirty_bitmap *b, bool on);
bool bitmap_is_exported(const struct dirty_bitmap *b);
bool bitmap_has_successor(const struct dirty_bitmap *b);
/* For who watches from outside: what it is, and how often it forgot or looked away. */
struct bitmap_stamp {
    uint64_t id;         /* In order of creation in the layer; from 1. */
    uint64_t stands_for; /* Of a successor: the id of the other; else 0. */
    uint64_t cleared;    /* Bits were taken away so often, */
    uint64_t paused;     /* and recording was stopped so often. */
};
struct bitmap_stamp bitmap_stamp(const struct dirty_bitmap *b);
/* Reasons not to use it, each asked for by its flag; text is QEMU's ("Bitmap '%s' is currently in
 * use by another operation and cannot be used").  Only bitmaps that come from an image could be
 * read-only or inconsistent, and none does. */
enum bitmap_check {
    BITMAP_CHECK_BUSY = 1 << 0,
    BITMAP_CHECK_READ_ONLY = 1 << 1,
    BITMAP_CHECK_INCONSISTENT = 1 << 2,
    BITMAP_CHECK_DEFAULT = 7,
    BITMAP_CHECK_ALLOW_RO = BITMAP_CHECK_BUSY | BITMAP_CHECK_INCONSISTENT,
};
int bitmap_check(const struct dirty_bitmap *b, uint32_t what, struct error *err);

/* [ctl] The successor starts clean and enabled as b was; b is disabled and busy.  Errors: b has
 * one. */
int bitmap_freeze(struct dirty_bitmap *b, struct error *err);
/* [ctl] The successor takes b's place, name and properties; b is gone.  Returns it. */
struct dirty_bitmap *bitmap_abdicate(struct dirty_bitmap *b);
/* [ctl] What the successor recorded is added to b, which is as before. */
void bitmap_reclaim(struct dirty_bitmap *b);

/* Whether it may be done: both can be used, and they are of one size.  Errors: QEMU's texts. */
int bitmap_can_merge(const struct dirty_bitmap *b, const struct dirty_bitmap *src,
                     struct error *err);
/* [ctl] b's bits are those of src as well.  backup: where b's bits before go, for an undo (NULL:
 * nowhere); the caller frees them. */
void bitmap_merge_from(struct dirty_bitmap *b, const struct dirty_bitmap *src,
                       struct bitset **backup);
/* [ctl] Clears b; backup as above. */
void bitmap_clear(struct dirty_bitmap *b, struct bitset **backup);
/* [ctl] Takes bits back; they are b's then, in today's length. */
void bitmap_restore(struct dirty_bitmap *b, struct bitset *bits);

/* [ctl] fn is called when the I/O path has marked something in b; NULL: nobody.  It may wake. */
void bitmap_on_mark(struct dirty_bitmap *b, void (*fn)(void *opaque), void *opaque);

/* [ctl] Of the node's I/O path (model/io.c): a range was written; the node is of another length. */
void bitmap_mark(struct node *n, int64_t offset, int64_t bytes);
void bitmap_resize_all(struct node *n, int64_t length);

/* query-named-block-nodes "dirty-bitmaps": a new list, the newest first, those of jobs included;
 * NULL when the node has none. */
json_t *bitmap_describe_all(const struct node *n);

#endif
