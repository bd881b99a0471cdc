/* What a load remembers of its own writes, to judge its reads.
 *
 * Use: a write is recorded at its begin and its end, a read when it has come back; at the end the
 * load reads all units that it knows once more.
 */
#ifndef SCENARIOS_LOAD_RECORD_H
#define SCENARIOS_LOAD_RECORD_H

#include "scenarios/load_plan.h"

#include <stddef.h>

/* What a load knows of one unit of its region (load_plan.unit_bytes). */
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

/* Zero at the start. */
struct load_record {
    struct load_unit *at; /* Each within one cache line, in memory. */
    void *memory;
    size_t mask, len;
    unsigned shift;
    uint64_t stamp;
    uint64_t *sorted; /* Units to read back at the end. */
    size_t sorted_len, sorted_next;
};

void load_record_write_begin(struct load_record *rec, const struct load_req *r);
/* unit_bytes: of the plan. */
void load_record_write_end(struct load_record *rec, const struct load_req *r, int64_t unit_bytes,
                           bool ok);
/* A stamp for load_record_known. */
uint64_t load_record_read_begin(struct load_record *rec);
/* The unit, if a read that began then has to return what the record says; NULL otherwise. */
const struct load_unit *load_record_known(const struct load_record *rec, uint64_t unit,
                                          uint64_t began);
/* LOAD_BYTES: whether all of the request is known to be one byte, and which. */
bool load_record_byte(const struct load_record *rec, const struct load_plan *p,
                      const struct load_req *r, uint8_t *byte);
/* Prepares the final reading, and gives its requests out: false after the last.  With LOAD_BYTES
 * each has one byte all over. */
void load_record_sort(struct load_record *rec);
bool load_record_next(struct load_record *rec, const struct load_plan *p, int64_t bytes_max,
                      struct load_req *r);
void load_record_fini(struct load_record *rec);

#endif
