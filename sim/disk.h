/* A simulated disk.
 *
 * Contents are pages of DISK_PAGE bytes in a sparse map: absent (zero, or from the base), symbolic
 * (sim/fill.h), or a reference-counted block of bytes, copied on write.
 *
 * Durability.  Writes that are not yet durable stand in a log, each with what it replaced, so the
 * durable contents can be had by undoing the log.  A write becomes durable by: FUA on a direct
 * write; a flush that begins after the write ended; falling out of a full cache (oldest first); at
 * once, when it is direct and the disk has no volatile cache.  "Direct" is the writer's word
 * (DISK_DIRECT): host files opened without cache.direct are cached by the simulated host too, so
 * their writes are volatile whatever the disk is.
 *
 * Power cut (disk_power_cut): every logged write and every request in flight survives or not,
 * chosen by CHOICE_KEEP, and a survivor may be torn at the atomic unit, by CHOICE_TEAR.  Size
 * changes, discards and zeroing stand in the same log and may be lost like writes.  In detail, in
 * the order in which the changes took effect and then, for those in flight, in which they began:
 *
 *   - durable changes behind volatile ones are redone, without a choice;
 *   - for each other one CHOICE_KEEP of 2: 0 lost, 1 kept;
 *   - a kept one of several atomic units: one CHOICE_TEAR of 3: 0 whole; 1 a prefix, its length by
 *     a second CHOICE_TEAR; 2 any subset, by one CHOICE_TEAR of 2 a unit.  Of a change of more
 *     than DISK_TEAR_MAX units that many runs of units are torn.  A size change is never torn;
 *   - a kept write does not grow the disk: where it lies beyond a size whose growth was lost it is
 *     lost too.  A size change is always volatile at first, also on a disk without a cache (it
 *     is the host's file system that keeps it); FUA makes those before it durable;
 *   - requests that a fault holds or fails leave nothing.
 *
 * The volatile log holds at most cache_bytes of direct writes, DISK_HOST_CACHE bytes of others
 * (sim/disk_log.h), and DISK_LOG_ENTRIES changes in all; beyond that the oldest become durable.
 *
 * All requests run in a coroutine, yield for the time that the profile says (none: no yield, and
 * then they may run outside a coroutine too), take effect at its end, and return 0 or -errno:
 * -EIO, -ENOSPC, -ENODEV, -EINVAL (not aligned to the logical sector when direct, beyond the
 * end), -EFBIG (beyond 2^63-1).
 */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "sim/fault.h"
#include "sim/iobuf.h"
#include "sim/sim.h"

enum { DISK_PAGE = 4096, DISK_TEAR_MAX = 4096 };

enum disk_op { DISK_READ, DISK_WRITE, DISK_FLUSH, DISK_DISCARD, DISK_ZERO, DISK_RESIZE, DISK_OPS };

enum disk_flags {
    DISK_FUA = 1 << 0,    /* Write, zero: durable when it returns. */
    DISK_DIRECT = 1 << 1, /* Not cached by the host: alignment is checked. */
    /* The disk is a file: reads beyond the end give zeroes, writes and zeroing beyond it grow the
     * disk (the growth stands in the log before the write), discards beyond it do nothing, and
     * zeroing and discards need no alignment. */
    DISK_FILE = 1 << 2,
};

struct disk;

struct disk_config {
    uint64_t size;
    uint32_t logical;     /* Logical sector, 512 or 4096.  0: 512 */
    uint32_t physical;    /* Physical sector: writes inside one take longer.  0: logical */
    uint32_t atomic;      /* Atomic write unit, a multiple of logical.  0: logical */
    uint64_t cache_bytes; /* Volatile write cache; 0: none (write-through). */
    uint64_t capacity;    /* Bytes that can be allocated before ENOSPC; 0: no limit. */
    const char *profile;  /* null nvme ssd hdd rdma tcp.  NULL: null */
    int64_t latency_ns;   /* >= 0: replaces the profile's read and write time; -1: the profile's. */
};

#define DISK_CONFIG_INIT ((struct disk_config){ .latency_ns = -1 })

/* Where absent pages come from: a real file under the overlay.  read fills n bytes at offset
 * (n + offset may pass the end: zeroes) and returns 0 or -errno; it runs without time passing. */
struct disk_base {
    int (*read)(void *opaque, uint64_t offset, void *dst, size_t n);
    bool (*is_hole)(void *opaque, uint64_t offset, uint64_t n); /* NULL: never */
    void (*close)(void *opaque);
    void *opaque;
    uint64_t size;
};

/* name: copied.  Errors: -EINVAL with a message for a configuration that makes no sense. */
int disk_create(struct sim *s, const char *name, const struct disk_config *cfg, struct disk **out,
                struct error *err);
/* The same over base, which the disk takes over (also on error). */
int disk_create_over(struct sim *s, const char *name, const struct disk_config *cfg,
                     const struct disk_base *base, struct disk **out, struct error *err);
void disk_destroy(struct disk *d);

/* A disk with the same contents (not the log: what is volatile there is durable here) and
 * configuration, without rules.  Cost is linear in what was written since the last clone. */
struct disk *disk_clone(struct disk *d, const char *name);

int disk_read(struct disk *d, uint64_t offset, struct iobuf *buf, uint32_t flags);
int disk_write(struct disk *d, uint64_t offset, const struct iobuf *buf, uint32_t flags);
int disk_zero(struct disk *d, uint64_t offset, uint64_t bytes, uint32_t flags);
int disk_discard(struct disk *d, uint64_t offset, uint64_t bytes, uint32_t flags);
int disk_flush(struct disk *d);
/* What is beyond a smaller size is lost; what a larger size adds is zero. */
int disk_resize(struct disk *d, uint64_t size);

uint64_t disk_size(const struct disk *d);
uint32_t disk_actor(const struct disk *d);
const char *disk_name(const struct disk *d);
const struct disk_config *disk_cfg(const struct disk *d);

/* Allocation at offset: *bytes is how far the answer holds, at most limit.  True: data. */
bool disk_allocated(const struct disk *d, uint64_t offset, uint64_t limit, uint64_t *bytes);
/* Bytes of pages that hold something. */
uint64_t disk_allocated_bytes(const struct disk *d);

/* Contents as they are now, without time, faults or trace: for oracles, export and image check. */
int disk_peek(const struct disk *d, uint64_t offset, void *dst, size_t n);
/* Sets contents as if they had always been there (durable), for `disk ... fill` and import. */
int disk_poke(struct disk *d, uint64_t offset, const void *src, size_t n);

/* Adds a rule; the disk copies it.  A rule whose effect is on the stored data (bitrot with no
 * operation named) acts at once. */
int disk_fault_add(struct disk *d, const struct fault_rule *rule, struct error *err);
/* Lets requests that hang by the rules of that name go on, and removes the rules.  NULL: all.
 * What a latent rule made unreadable is readable again, and a disk that a rule removed is back;
 * bits stay flipped.  Returns how many rules there were. */
int disk_fault_clear(struct disk *d, const char *name);
/* Rules in order, for reports. */
const struct fault_rule *disk_faults(const struct disk *d);

/* Power.  Emits TRACE_POWER with the disk's actor.  cut: settles what survives, fails requests in
 * flight with -EIO and all later ones with -ENODEV until power_on.  Rules stay; hanging requests
 * are let go (and fail). */
void disk_power_cut(struct disk *d);
void disk_power_on(struct disk *d);

struct disk_stats {
    uint64_t ops[DISK_OPS];   /* Completed, with or without error. */
    uint64_t bytes[DISK_OPS]; /* Of successful ones. */
    uint64_t errors, faults;
    uint64_t volatile_writes; /* In the log now. */
    uint64_t in_flight;
};
struct disk_stats disk_stats(const struct disk *d);

#endif
