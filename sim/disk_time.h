/* How long requests of a disk take: profiles as tables of integers. */
#ifndef SIM_DISK_TIME_H
#define SIM_DISK_TIME_H

#include "sim/disk.h"

enum { DISK_CHANNELS_MAX = 32 };

struct disk_profile {
    const char *name;
    uint32_t channels;   /* Requests at work at a time; 0: no limit. */
    bool seeks;          /* A head that moves and a platter that turns. */
    uint32_t read_ns, write_ns, flush_ns, trim_ns; /* trim: zero, discard, resize. */
    uint32_t jitter_ns;  /* Added to reads and writes: 0 to this, by CHOICE_LATENCY. */
    uint32_t kib_ns;     /* For each KiB read or written. */
};

struct disk_time {
    const struct disk_profile *profile;
    int64_t latency_ns; /* -1: the profile's. */
    uint32_t physical;  /* A write that ends inside such a sector reads it first. */
    int64_t busy_until[DISK_CHANNELS_MAX];
    uint64_t head; /* Where the last request of a disk that seeks ended. */
    struct choice_point jitter;
};

/* NULL when there is no such profile. */
const struct disk_profile *disk_profile_find(const char *name);
/* Names, ends with NULL. */
const char *const *disk_profile_names(void);

/* physical: the physical sector in bytes, a power of two. */
void disk_time_init(struct disk_time *t, const struct disk_profile *p, int64_t latency_ns,
                    uint32_t physical, uint32_t actor);
/* When a request that begins now ends.  size: of the disk, for seeks. */
int64_t disk_time_end(struct disk_time *t, struct sim *s, enum disk_op op, uint64_t offset,
                      uint64_t bytes, uint64_t size);
/* Forgets what was under way (power cut). */
void disk_time_reset(struct disk_time *t);

#endif
