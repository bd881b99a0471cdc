/* The trace: what happened, as small typed records with a running hash.
 *
 * Hashing is always on and is the identity of a run (DESIGN section 3); keeping the records is
 * optional.  A record is 32 bytes without padding.  Texts (event names, statements) are hashed
 * with their bytes and kept beside their record.
 */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <xxhash.h>

enum trace_type {
    TRACE_STATEMENT, /* id=statement */
    TRACE_REQUEST,   /* A guest request enters.   id=actor op=io_op a=offset b=bytes */
    TRACE_COMPLETE,  /* It ends.                  id=actor op=io_op a=offset b=ret */
    TRACE_DISK,      /* A disk request completes. id=actor op=disk_op a=offset b=bytes or -errno */
    TRACE_FAULT,     /* A fault rule fires.       id=actor op=fault kind a=offset b=rule number */
    TRACE_CHOICE,    /* What a fault drew. id=actor op=CHOICE_DAMAGE: a=byte b=bit that rots, or
                      * a=offset b=where it went instead; CHOICE_TEAR: a=offset b=bytes stored */
    TRACE_GRAPH,     /* text: "node add hd0", "edge top -backing-> base" */
    TRACE_EVENT,     /* text: a QMP event */
    TRACE_REPLY,     /* text: a QMP reply */
    TRACE_POWER,     /* op: enum trace_power */
    TRACE_DRAIN,     /* A drained section.  id=actor of the node, op: 1 in force, 0 over;
                      * a=requests of parents that are no nodes begun so far, b=in flight */
    TRACE_TYPES
};

enum trace_power {
    TRACE_POWER_CUT,
    TRACE_POWER_ON,
    TRACE_POWER_KEPT,  /* What the cut spared on a disk.  id=actor a=offset b=bytes; of a change of
                        * size: a=-1 b=size */
    TRACE_POWER_NAMES, /* a of the last b changes of the directory were spared. */
};

struct trace_rec {
    int64_t time_ns;
    uint16_t type; /* enum trace_type */
    uint16_t op;
    uint32_t id;
    int64_t a, b;
};
_Static_assert(sizeof(struct trace_rec) == 32, "a trace record is 32 bytes");

enum { TRACE_BATCH = 128 }; /* Records hashed at a time: 4 KiB. */

struct trace {
    struct trace_rec batch[TRACE_BATCH];
    uint32_t used;
    bool hashing; /* Off only to measure what hashing costs (blksim bench). */
    bool keep;
    XXH3_state_t *xxh;
    uint64_t count;
    /* Kept records and texts; text_at[i] is 1 + the offset of record i's text, 0: none. */
    struct trace_rec *recs;
    uint32_t *text_at;
    size_t len, cap;
    struct strbuf texts;
};

void trace_init(struct trace *t, bool keep);
void trace_fini(struct trace *t);

/* Hashes (and keeps) the batch. */
void trace_flush(struct trace *t);

static inline void trace_emit(struct trace *t, int64_t time_ns, enum trace_type type, uint16_t op,
                              uint32_t id, int64_t a, int64_t b)
{
    t->batch[t->used] = (struct trace_rec){ time_ns, (uint16_t)type, op, id, a, b };
    if (++t->used == TRACE_BATCH) {
        trace_flush(t);
    }
}

/* A record with a text of n bytes; a and b are free for the caller.  Not for the request path. */
void trace_emit_text(struct trace *t, int64_t time_ns, enum trace_type type, uint32_t id,
                     const char *text, size_t n);

/* Hash of all records so far.  More may follow. */
uint64_t trace_hash(struct trace *t);

/* Kept records as text, a line each: "[     12.345us] complete write actor=3 0+4096 ret=0". */
void trace_print(struct trace *t, struct strbuf *out);
const char *trace_type_name(enum trace_type type);

#endif
