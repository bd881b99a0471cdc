/* Fault rules of a simulated disk.
 *
 * A rule names requests (operation, byte range, the nth match, how many times, probability) and
 * what happens to them.  Rules are tried in the order in which they were added; the first that
 * matches acts.
 *
 *   error       the request fails with errno, no effect
 *   latent      reads of the range fail with errno until the sectors are written again
 *   bitrot      one bit of the range flips in the stored data (chosen by CHOICE_DAMAGE)
 *   torn        a write stores a part of its atomic units (CHOICE_TEAR) and then fails with errno
 *   lost        a write reports success and stores nothing
 *   misdirect   a read or write goes to another place: `target`, or one chosen by CHOICE_DAMAGE
 *   short       transfers only the first `bytes`, then fails with errno (host files see a short
 *               count when the rule names no errno, and go on with the rest as another request)
 *   delay       takes delay_ns longer
 *   hang        does not complete until the rule is released
 *   lie         a flush reports success and makes nothing durable; a write loses its FUA
 *   remove      the disk is gone: this and all later requests fail with ENODEV (or errno), those in
 *               flight when they end, until the rule is cleared
 *   resize      the disk's size becomes `bytes` when the rule fires; the request goes on
 *
 * Which operations a kind takes, and which it means when a rule names none:
 *
 *   torn                 write, zero
 *   lost                 write, zero, discard
 *   misdirect, short     read, write
 *   lie                  flush (write, zero: only when named)
 *   latent, bitrot       none: acts at once on the whole range (read, write: only when named; then
 *                        on what range and request have in common, before a read, after a write)
 *   all others           every operation
 *
 * A request without a range (flush, resize) touches every range.
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
    uint32_t per_mille; /* Probability, by CHOICE_FAULT (0: no; 1: yes); 0, 1000: always. */
    int errnum;         /* Positive; 0: EIO (ENODEV for remove). */
    int64_t delay_ns;
    uint64_t arg;       /* misdirect: target offset + 1, 0: chosen.  short, resize: bytes. */

    /* Run time. */
    uint32_t number; /* 1, 2... in the order of adding to its disk. */
    uint64_t matched, fired;
    struct choice_point chance;
    struct fault_rule *next;
};

/* "error", "latent"...; fault_kind_parse returns -ENOENT for what is none. */
const char *fault_kind_name(enum fault_kind kind);
int fault_kind_parse(const char *name);

/* Operations that a kind can act on, and those that it means when a rule names none. */
uint32_t fault_kind_ops(enum fault_kind kind);
uint32_t fault_kind_natural_ops(enum fault_kind kind);

/* Checks a rule and fills in what it leaves out.  Errors: -EINVAL with a message. */
int fault_rule_check(struct fault_rule *rule, struct error *err);

/* The first rule of the list that fires for a request, or NULL; counts matches and firings.
 * op: enum disk_op.  bytes 0: a request without a range. */
struct fault_rule *fault_match(struct fault_rule *list, struct choice *c, uint32_t op,
                               uint64_t offset, uint64_t bytes);

#endif
