/* The inside of a load: load.c (workers), load_args.c (arguments), load_verify.c (own record). */
#ifndef SCENARIOS_LOAD_PRIVATE_H
#define SCENARIOS_LOAD_PRIVATE_H

#include "scenarios/load.h"
#include "sim/sim.h"
#include "sim/sync.h"

enum {
    LOAD_DEPTH_MAX = 1024,
    LOAD_BS_MAX = 64 << 20,
    LOAD_STEP = 512,               /* Lengths of bs=A-B. */
    LOAD_READBACK_BYTES = 64 << 10, /* A read of the final check is at least allowed this long. */
};
#define LOAD_MEMORY_MAX (INT64_C(1) << 30) /* Read buffers of all workers. */

enum load_errors { LOAD_FAIL, LOAD_IGNORE, LOAD_STOP };

struct load_args {
    bool reads, writes, random;
    uint32_t mix;
    int64_t bs_min, bs_max;
    uint32_t depth;
    uint64_t count;     /* 0: runtime_ns says when. */
    int64_t runtime_ns; /* 0: count says how many. */
    int64_t offset, length;
    uint64_t seed;
    bool verify, fua;
    uint64_t flush;
    enum load_errors errors;
    uint32_t iothread;
};

/* Reads "key=value" words.  length: of the node.  Errors: -EINVAL naming the key. */
int load_args_parse(struct load_args *a, const struct sim *s, int64_t length, int argc,
                    char **argv, uint64_t unit_seed, struct error *err);

/* What this load knows of one unit of its region.  The unit is bs when that is one number, and
 * LOAD_STEP bytes otherwise. */
struct load_unit {
    uint64_t key;     /* 1 + number of the unit in the region; 0: free. */
    uint64_t index;   /* The request that wrote it. */
    uint64_t touched; /* Stamp of the last begin or end of a write. */
    uint32_t start;   /* Position of its first byte in that request's data. */
    uint16_t flying;  /* Writes in flight. */
    bool known;       /* Contents are those of `index`. */
    bool mixed;       /* Several writes were in flight at once. */
};
_Static_assert(sizeof(struct load_unit) == 32, "two units a cache line");

struct load_record {
    struct load_unit *at; /* Each within one cache line, in memory. */
    void *memory;
    size_t mask, len;
    unsigned shift;
    uint64_t stamp;
    uint64_t *sorted; /* Units to read back at the end. */
    size_t sorted_len, sorted_next;
};

/* One request of the list. */
struct load_req {
    uint64_t index;
    int64_t offset, bytes;
    uint64_t unit, units; /* What it covers of the record. */
    bool read;
    bool flush; /* A flush follows. */
};

struct load {
    struct guest *guest;
    struct guest_port port;
    struct sim *sim;
    char *tag, *co_name;
    struct load_args args;
    int64_t unit_bytes;
    uint64_t slots;    /* Places of a random request of bs bytes in the region. */
    uint64_t data_key; /* Names the data that this load writes. */
    uint64_t next;     /* Index of the next request. */
    uint64_t writes;   /* Writes begun. */
    int64_t cursor;    /* Sequential: next offset in the region. */
    int64_t deadline_ns;
    uint32_t active, waiting;
    bool stop, done, asked_to_stop;
    bool read_back;
    struct co_queue barrier;
    struct load_record record;
    struct load_stats stats;
    struct error err;
    struct load_worker *workers;
};

struct load_worker {
    struct load *load;
    uint8_t *mem; /* For reads. */
    size_t mem_bytes;
};

uint64_t load_hash(uint64_t key, uint64_t i);
/* The data of request i of the list. */
static inline struct fill load_data(const struct load *l, uint64_t i)
{
    return fill_stream(load_hash(l->data_key, i));
}

/* Sets the load's error, unless it has one. */
void load_fail(struct load *l, const struct error *err);

/* Of the record. */
void load_record_write_begin(struct load *l, const struct load_req *r);
void load_record_write_end(struct load *l, const struct load_req *r, bool ok);
uint64_t load_record_read_begin(struct load *l);
/* Compares what was read with what is known.  False: a difference was found (load_fail). */
bool load_record_check(struct load *l, const struct load_req *r, uint64_t began,
                       const struct iobuf *buf, const uint8_t *mem);
/* Prepares the final reading, and gives its requests out: false after the last. */
void load_record_sort(struct load *l);
bool load_record_next(struct load *l, int64_t bytes_max, struct load_req *r);
void load_record_fini(struct load_record *rec);

#endif
