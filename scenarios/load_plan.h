/* What a load does: its arguments (scenarios/load.h explains them) and the list of its requests.
 *
 * Request i and the data that it writes are a pure function of the arguments, the tag and i, so a
 * load of the simulated layer and one of a real program do the same requests.
 */
#ifndef SCENARIOS_LOAD_PLAN_H
#define SCENARIOS_LOAD_PLAN_H

#include "base/error.h"
#include "sim/fill.h"

#include <stdbool.h>
#include <stdint.h>

struct sim;

enum {
    LOAD_DEPTH_MAX = 1024,
    LOAD_BS_MAX = 64 << 20,
    LOAD_STEP = 512, /* Lengths of bs=A-B. */
    LOAD_READBACK_BYTES = 64 << 10, /* A read of the final check is at least allowed this long. */
};
#define LOAD_MEMORY_MAX (INT64_C(1) << 30) /* Read buffers of all workers. */

enum load_errors { LOAD_FAIL, LOAD_IGNORE, LOAD_STOP };

/* What written data look like. */
enum load_data {
    LOAD_STREAMS, /* Each request a stream of its own (sim/fill.h): misplaced data show. */
    LOAD_BYTES,   /* Each request one byte, 1 to 255, over and over: what qemu-io can write in the
                   * background.  Requests that overlap are then done one after the other, in the
                   * order of the list, so that no race decides what is there in the end. */
};

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

/* Reads "key=value" words.  length: of the node.  s: has the iothreads; NULL: there are none.
 * Errors: -EINVAL naming the key. */
int load_args_parse(struct load_args *a, const struct sim *s, int64_t length, int argc,
                    char **argv, uint64_t unit_seed, struct error *err);

/* One request of the list. */
struct load_req {
    uint64_t index;
    int64_t offset, bytes;
    uint64_t unit, units; /* What it covers of the record. */
    bool read;
    bool flush; /* A flush follows. */
};

struct load_plan {
    struct load_args args;
    enum load_data data;
    int64_t unit_bytes; /* bs when that is one number, LOAD_STEP otherwise. */
    uint64_t slots;     /* Places of a random request of bs bytes in the region. */
    uint64_t data_key;  /* Names the data that this load writes. */
    uint64_t next;      /* Index of the next request. */
    uint64_t writes;    /* Writes given out. */
    int64_t cursor;     /* Sequential: next offset in the region. */
};

void load_plan_init(struct load_plan *p, const struct load_args *args, const char *tag,
                    enum load_data data);
/* The next request of the list.  False: `count` of them were given out. */
bool load_plan_next(struct load_plan *p, struct load_req *r);
/* The data of request i of the list. */
struct fill load_plan_data(const struct load_plan *p, uint64_t i);
/* LOAD_BYTES: the byte that request i writes. */
uint8_t load_plan_byte(const struct load_plan *p, uint64_t i);
/* LOAD_BYTES: the later one of the list has to wait for the end of the earlier one. */
bool load_req_ordered(const struct load_req *a, const struct load_req *b);

#endif
