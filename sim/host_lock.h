/* Byte-range locks with the semantics of Linux open file description locks: see fcntl(2).
 *
 * A table belongs to one file.  An owner is an open of it.  An owner's new lock replaces its old
 * ones in the range; locks of different owners conflict where they overlap and one is exclusive.
 */
#ifndef SIM_HOST_LOCK_H
#define SIM_HOST_LOCK_H

#include "sim/host.h"

struct lock_range {
    uint64_t start, end; /* [start, end) */
    const void *owner;
    bool exclusive;
};

struct lock_table {
    struct lock_range *ranges; /* In no order that matters: no two of one owner overlap. */
    size_t len, cap;
};

/* Would owner get the lock.  len 0: to the end of all files.  0, -EAGAIN. */
int lock_table_test(const struct lock_table *t, const void *owner, uint64_t start, uint64_t len,
                    bool exclusive);
/* Locks or unlocks.  0, -EAGAIN (nothing changed). */
int lock_table_set(struct lock_table *t, const void *owner, uint64_t start, uint64_t len,
                   enum host_lock kind);
/* Gives up all locks of an owner. */
void lock_table_drop(struct lock_table *t, const void *owner);
void lock_table_fini(struct lock_table *t);

#endif
