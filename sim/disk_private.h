/* Inside of a disk; for disk*.c and their tests alone. */
#ifndef SIM_DISK_PRIVATE_H
#define SIM_DISK_PRIVATE_H

#include "sim/disk_log.h"
#include "sim/disk_time.h"

/* A request; lives on the stack of its coroutine from entry to return. */
struct disk_req {
    struct disk_req *prev, *next; /* In flight, in the order of beginning. */
    struct timer timer;
    struct co *co; /* The coroutine while it waits, else NULL. */
    enum disk_op op;
    uint32_t flags;
    uint64_t offset, bytes;
    uint64_t place;           /* Where it goes: offset, unless misdirected. */
    struct iobuf *in;         /* Read. */
    const struct iobuf *out;  /* Write. */
    uint64_t log_end;         /* Flush: entries older than this become durable. */
    uint64_t done;            /* Bytes transferred, for a short one. */
    bool cut;                 /* The power went. */
    bool hanging;
    /* What the rule that fired says; rules may be cleared meanwhile. */
    int fault;                /* enum fault_kind, -1: none. */
    uint32_t rule;
    int errnum;               /* 0: the rule names none. */
    uint64_t arg;
    int64_t delay_ns;
    uint64_t fault_offset, fault_end;
};

/* Sectors that cannot be read. */
struct disk_latent {
    uint64_t start, end;
    uint32_t rule;
    int errnum;
};

struct disk {
    struct sim *sim;
    char *name;
    char *wait_text[DISK_OPS]; /* "disk d0 write" */
    char *hang_text;
    uint32_t actor;
    struct disk_config cfg;
    char *profile; /* Behind cfg.profile. */
    uint64_t size;
    struct store store;
    struct disk_log log;
    struct disk_time time;
    bool off;
    int gone;            /* errno of a removed disk; 0: it is there. */
    uint32_t gone_rule;
    struct disk_req *flight_head, *flight_tail;
    struct fault_rule *rules;
    uint32_t rule_numbers;
    struct disk_latent *latent;
    size_t latent_len, latent_cap;
    struct choice_point keep, tear, damage;
    struct disk_stats stats;
};

/* --- disk_data.c: effects on the contents, logged --- */

enum disk_data_flags {
    DISK_DATA_DURABLE = 1 << 0, /* FUA, or poked. */
    DISK_DATA_HOST = 1 << 1,    /* Through the page cache of the host. */
    DISK_DATA_NO_LOG = 1 << 2,  /* Settling after a power cut. */
};

/* Ranges lie within the size.  Errors: -ENOSPC, -errno of the base; nothing changed then. */
int disk_data_write(struct disk *d, uint64_t offset, const struct iobuf *buf, size_t at,
                    uint64_t bytes, uint32_t flags);
int disk_data_zero(struct disk *d, uint64_t offset, uint64_t bytes, bool unmap, uint32_t flags);
int disk_data_resize(struct disk *d, uint64_t size, uint32_t flags);
int disk_data_read(const struct disk *d, uint64_t offset, struct iobuf *buf, size_t at,
                   uint64_t bytes);
/* Puts a page value (and its reference) at its place, logging what was there. */
void disk_data_put(struct disk *d, struct page p);
/* Flips a bit of stored data; it is not a write: nothing is logged. */
int disk_data_flip(struct disk *d, uint64_t offset, unsigned bit);

/* --- disk_cut.c --- */

typedef void disk_part_fn(void *opaque, uint64_t offset, uint64_t bytes);

/* Calls fn for the parts of a range that survive, torn at the atomic unit by CHOICE_TEAR.  whole:
 * all of it is a possible outcome. */
void disk_tear(struct disk *d, uint64_t offset, uint64_t bytes, bool whole, disk_part_fn *fn,
               void *opaque);

/* --- disk_fault.c --- */

/* Looks for a rule that fires for r and notes in r what it says; acts if it acts at the start.
 * Errors: that of a request that ends here. */
int disk_fault_begin(struct disk *d, struct disk_req *r);
/* The errno of a range that cannot be read, 0: it can. */
int disk_latent_errno(struct disk *d, uint64_t offset, uint64_t bytes);
/* Sectors wholly within the range are good again. */
void disk_latent_heal(struct disk *d, uint64_t offset, uint64_t bytes);
/* Bitrot and latent by request: on what the rule's range and the request have in common. */
void disk_fault_damage(struct disk *d, const struct disk_req *r);

/* --- disk.c --- */

/* disk_read and disk_write, for host files: *done is what was transferred when the request was cut
 * short by a rule without errno, and the length on success; 0 otherwise. */
int disk_read_some(struct disk *d, uint64_t offset, struct iobuf *buf, uint32_t flags,
                   uint64_t *done);
int disk_write_some(struct disk *d, uint64_t offset, const struct iobuf *buf, uint32_t flags,
                    uint64_t *done);
/* Makes the disk at least that large.  What others grow meanwhile stays. */
int disk_grow(struct disk *d, uint64_t size);
/* Does a DISK_RESIZE change the size?  One that grows (DISK_FILE) never makes it smaller. */
static inline bool disk_req_resizes(const struct disk *d, const struct disk_req *r)
{
    return !(r->flags & DISK_FILE) || r->offset > d->size;
}
/* Lets a waiting request go on. */
void disk_req_wake(struct disk_req *r);

#endif
