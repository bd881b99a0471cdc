/* Copying a disk while it is in use: the engine of backup and of copy-before-write.
 *
 * A set of clusters says what is still to be copied.  Whoever comes first takes a stretch of it
 * (clears the bits, copies, and sets them again where that failed); who wants a cluster that is
 * under way waits for it.  So each cluster is copied once, by the job or before a guest's write.
 * Large copies run several workers side by side.
 */
#ifndef MODEL_JOB_BLOCK_COPY_H
#define MODEL_JOB_BLOCK_COPY_H

#include "base/error.h"
#include "model/bitset.h"
#include "model/node.h"

struct block_copy;
struct block_copy_call;
struct dirty_bitmap;

/* [ctl] The cluster is that of the target, and 64 KiB or more.  bitmap: what is to be copied (all
 * that is in it; lent); NULL: everything.  Errors: QEMU's texts (the size of the target's clusters
 * cannot be found out and it has no backing file...). */
int block_copy_create(struct child *source, struct child *target, const struct bitset *bitmap,
                      struct block_copy **out, struct error *err);
/* [io] Checked: no call is under way. */
void block_copy_free(struct block_copy *c);

int64_t block_copy_cluster_size(const struct block_copy *c);
int64_t block_copy_length(const struct block_copy *c); /* Bytes, of the source at its creation. */
/* What is still to be copied; the caller may clear and set whole clusters that are not under way.
 * A cluster that is under way is clear. */
struct bitset *block_copy_todo(struct block_copy *c);
/* The same, as the bitmap without a name of the source's node that it is. */
struct dirty_bitmap *block_copy_bitmap(struct block_copy *c);
/* Bytes under way. */
int64_t block_copy_in_flight(const struct block_copy *c);

/* From now on only what the source itself has allocated is copied (sync=top).  [io]
 * block_copy_reset_unallocated clears clusters from offset on that are not allocated and says how
 * far that goes (1: the stretch is allocated, 0: it was not and is done, or -errno). */
void block_copy_set_skip_unallocated(struct block_copy *c, bool on);
int block_copy_reset_unallocated(struct block_copy *c, int64_t offset, int64_t *bytes);
/* Writes to the target with these io_flags (IO_COMPRESSED, IO_SERIALISING...).  IO_SERIALISING is
 * there from the start when the source lies below the target: reads of the target that come from
 * the source end before a copy. */
void block_copy_set_write_flags(struct block_copy *c, uint32_t flags);
uint32_t block_copy_write_flags(const struct block_copy *c);
/* Bytes per second of calls that keep it; 0: no limit. */
void block_copy_set_speed(struct block_copy *c, uint64_t speed);
/* Called when bytes have been copied or found not to need it (in order of happening), and with 0
 * when the amount that is still to be done has changed: the count of todo and what is in flight. */
void block_copy_set_progress(struct block_copy *c, void (*fn)(void *opaque, int64_t bytes),
                             void *opaque);

/* [io] Copies what is still to be copied of the range (clusters that it touches), and waits for
 * what is under way there: afterwards all of it is copied or an error came.  No speed limit.
 * timeout_ns: -ETIMEDOUT when it takes longer (the copying itself goes on); 0: no limit.
 * error_is_read: which side failed. */
int block_copy_range(struct block_copy *c, int64_t offset, int64_t bytes, int64_t timeout_ns,
                     bool *error_is_read);

/* [ctl] The same in coroutines of its own, with the speed limit, up to workers (1...) at a time and
 * max_chunk bytes (0: no limit) in one.  done is called once, in the main loop's order, when it has
 * ended. */
struct block_copy_call *block_copy_start(struct block_copy *c, int64_t offset, int64_t bytes,
                                         unsigned workers, int64_t max_chunk,
                                         void (*done)(void *opaque), void *opaque);
/* [ctl] It ends soon, with what is under way; done is called. */
void block_copy_cancel(struct block_copy_call *call);
bool block_copy_finished(const struct block_copy_call *call);
bool block_copy_cancelled(const struct block_copy_call *call);
/* Of one that has finished: 0 or -errno. */
int block_copy_result(const struct block_copy_call *call, bool *error_is_read);
/* [ctl] The speed has changed: who sleeps looks again. */
void block_copy_kick(struct block_copy *c);
/* Checked: finished. */
void block_copy_call_free(struct block_copy_call *call);

#endif
