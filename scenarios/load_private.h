/* The inside of a load of the simulated layer: load.c (workers), load_verify.c (what was read). */
#ifndef SCENARIOS_LOAD_PRIVATE_H
#define SCENARIOS_LOAD_PRIVATE_H

#include "scenarios/load.h"
#include "scenarios/load_record.h"
#include "sim/sim.h"
#include "sim/sync.h"

struct load {
    struct guest *guest;
    struct guest_port port;
    struct sim *sim;
    char *tag, *co_name;
    struct load_plan plan;
    int64_t deadline_ns;
    uint32_t active, waiting;
    bool stop, done, asked_to_stop;
    bool read_back;
    struct co_queue barrier;
    struct co_queue order; /* LOAD_BYTES: who waits for an earlier request. */
    struct load_record record;
    struct load_stats stats;
    struct error err;
    struct load_worker *workers;
};

struct load_worker {
    struct load *load;
    uint8_t *mem; /* For reads. */
    size_t mem_bytes;
    struct load_req req;
    bool busy; /* LOAD_BYTES: req has not ended. */
};

/* Sets the load's error, unless it has one. */
void load_fail(struct load *l, const struct error *err);

/* Compares what was read with what is known.  False: a difference was found (load_fail). */
bool load_check_read(struct load *l, const struct load_req *r, uint64_t began,
                     const struct iobuf *buf, const uint8_t *mem);

#endif
