/* SPDX-License-Identifier: MIT */
/* Requests in flight on a node, and those that exclude others.
 *
 * Most requests pass each other freely.  A serialising one (read-modify-write, copy-on-read,
 * growing) excludes all that overlap it, in both directions.  A request that waits is woken when
 * the other ends and looks again.  Nobody waits for a request that itself waits: it would be
 * passed over when it looks again, and waiting would close a circle.
 */
#include "model/io_private.h"

static bool overlaps(const struct tracked *a, const struct tracked *b)
{
    return a->overlap_offset < b->overlap_offset + b->overlap_bytes &&
           b->overlap_offset < a->overlap_offset + a->overlap_bytes;
}

static struct tracked *find_conflict(struct node *n, const struct tracked *t)
{
    for (struct tracked *o = n->tracked; o; o = o->next) {
        if (o != t && (o->serialising || t->serialising) && overlaps(o, t) && !o->waiting_for) {
            return o;
        }
    }
    return NULL;
}

void track_wait_slow(struct node *n, struct tracked *t)
{
    struct tracked *other;
    while ((other = find_conflict(n, t))) {
        t->waiting_for = other;
        co_queue_wait(n->sim, &other->waiters);
        t->waiting_for = NULL;
    }
}

void track_serialise(struct node *n, struct tracked *t, uint64_t align)
{
    CHECK(align > 0 && (align & (align - 1)) == 0);
    int64_t mask = (int64_t)align - 1;
    int64_t start = t->offset & ~mask;
    int64_t end = (t->offset + t->bytes + mask) & ~mask;
    if (!t->serialising) {
        t->serialising = true;
        n->serialising++;
    }
    int64_t old_end = t->overlap_offset + t->overlap_bytes;
    t->overlap_offset = MIN(t->overlap_offset, start);
    t->overlap_bytes = MAX(old_end, end) - t->overlap_offset;
}

void track_end_slow(struct node *n, struct tracked *t)
{
    if (t->serialising) {
        CHECK(n->serialising > 0);
        n->serialising--;
    }
    co_queue_wake_all(&t->waiters);
}
