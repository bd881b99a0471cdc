/* Fault rules of a simulated disk.
 *
 * A rule names requests (operation, byte range, the nth match, how many times, probability) and
 * what happens to them.  Rules are tried in the order in which they were added; the first that
 * matches acts.
 *
 *   error       the request fails with errno, no effect
 *   latent      reads of the range fail with errno until the sectors are written again
 *   bitrot      one bit of the range flips in the stored data (chosen by CHOICE_DAMAGE)
 *   torn        a write stores a part of its atomic units and then fails with errno
 *   lost        a write reports success and stores nothing
 *   misdirect   a read or write goes to another place: `target`, or one chosen by CHOICE_DAMAGE
 *   short       transfers only the first `bytes`, then fails with errno (host files see a short count)
 *   delay       takes delay_ns longer
 *   hang        does not complete until the rule is released
 *   lie         a flush reports success and makes nothing durable
 *   remove      the disk is gone: this and all later requests fail with ENODEV (or errno)
 *   resize      the disk's size becomes `bytes` when the rule fires
 */
#ifndef SIM_FAULT_H
#define SIM_FAULT_H

#include "sim/choice.h"

#include <stdbool.h>
#include <stdint.h>

enum fault_kind {
    FAULT_ERROR,
    FAULT_LATENT,
    FAULT_BITROT,
    FAULT_TORN,
    FAULT_LOST,
    FAULT_MISDIRECT,
    FAULT_SHORT,
    FAULT_DELAY,
    FAULT_HANG,
    FAULT_LIE,
    FAULT_REMOVE,
    FAULT_RESIZE,
    FAULT_KINDS
};

struct fault_rule {
    enum fault_kind kind;
    char name[32];      /* For release and clear; "" when anonymous. */
    uint32_t ops;       /* Mask of 1 << enum disk_op; 0: the kind's natural ones. */
    uint64_t offset;    /* Range of bytes that a request must touch... */
    uint64_t bytes;     /* ...0: the whole disk. */
    uint64_t nth;       /* Fires from the nth match on, 1 first; 0: 1. */
    uint64_t count;     /* How many times; 0: no limit. */
    uint32_t per_mille; /* Probability, by CHOICE_FAULT; 0: always. */
    int errnum;         /* Positive; 0: EIO (ENODEV for remove). */
    int64_t delay_ns;
    uint64_t arg;       /* misdirect: target offset + 1, 0: chosen.  short, resize: bytes. */

    /* Run time. */
    uint64_t matched, fired;
    struct choice_point chance;
    struct fault_rule *next;
};

/* "error", "latent"...; fault_kind_parse returns -ENOENT for what is none. */
const char *fault_kind_name(enum fault_kind kind);
int fault_kind_parse(const char *name);

#endif
