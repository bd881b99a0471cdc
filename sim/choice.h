/* The one door for chance: DESIGN section 1.2.
 *
 * A choice is named by a key (statement, actor, kind, ordinal).  Its default is a hash of seed and
 * key (but for the order of coroutines under the fifo policy), so that deleting a statement shifts
 * no choice of another.  The owner of a choice keeps a choice_point, which counts the ordinals; the
 * ordinal starts again at 0 in each statement.
 *
 * Kinds are enumerable (their values are worth trying one by one) or sampled.  Policies:
 *
 *   CHOICE_FIFO      CHOICE_RUN: 0, the one that has been ready longest.  All others: hash.
 *   CHOICE_SEEDED    all: hash.
 *   CHOICE_ENUMERATE enumerable: depth-first over all values, one world a path; sampled: hash.
 *
 * Over any of them lies a list of deviations: keys whose value is given.  A recording is that list
 * of what differed from the default, so policy + seed + deviations repeats a run exactly.
 */
#ifndef SIM_CHOICE_H
#define SIM_CHOICE_H

#include "base/error.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum choice_kind {
    CHOICE_RUN,     /* Enumerable: which runnable coroutine goes next. */
    CHOICE_KEEP,    /* Enumerable: does this unflushed write survive the power cut. */
    CHOICE_TEAR,    /* Enumerable: which atomic units of it survive. */
    CHOICE_FAULT,   /* Enumerable: does this request fail. */
    CHOICE_LATENCY, /* Sampled: how long a request takes. */
    CHOICE_LOAD,    /* Sampled: offsets and sizes of a load. */
    CHOICE_DAMAGE,  /* Sampled: which bit rots, where a write goes astray. */
    CHOICE_KINDS
};

enum choice_policy { CHOICE_FIFO, CHOICE_SEEDED, CHOICE_ENUMERATE };

struct choice_key {
    uint32_t statement; /* Id of the running statement; 0 before the first. */
    uint32_t actor;     /* Given out by sim_actor(). */
    uint32_t kind;      /* enum choice_kind */
    uint32_t ordinal;
};

struct choice_point {
    struct choice_key next; /* Key of the next pick. */
};

/* A path of CHOICE_ENUMERATE; lives across the worlds of one enumeration. */
struct choice_path {
    struct choice_step {
        uint32_t value, bound;
    } *steps;
    size_t len, cap;
};

struct choice_deviation {
    struct choice_key key;
    uint32_t value;
    struct choice_deviation *next; /* Hash chain. */
};

struct choice {
    uint64_t seed;
    enum choice_policy policy;
    uint32_t statement;
    struct choice_path *path; /* Borrowed; CHOICE_ENUMERATE only. */
    size_t depth;             /* Steps of path used so far. */
    /* Deviations to follow, and those made, in the order of picking. */
    struct choice_deviation *follow[64];
    struct choice_deviation *made;
    size_t made_len, made_cap, follow_len;
};

void choice_init(struct choice *c, uint64_t seed, enum choice_policy policy,
                 struct choice_path *path);
void choice_fini(struct choice *c);

void choice_point_init(struct choice_point *p, uint32_t actor, enum choice_kind kind);

/* The statement that choices belong to from now on.  Ids never repeat within a world. */
void choice_set_statement(struct choice *c, uint32_t statement);

/* A value in [0, n), n >= 1.  n == 1 is no choice: it returns 0 and counts no ordinal. */
uint32_t choice_pick(struct choice *c, struct choice_point *p, uint32_t n);

/* 64 random bits for sampled kinds; cannot be a deviation. */
uint64_t choice_bits(struct choice *c, struct choice_point *p);

/* Prepares the next path.  False when all have been seen. */
bool choice_path_next(struct choice_path *path);
void choice_path_fini(struct choice_path *path);

/* Text form of the deviations made: "statement.actor.kind.ordinal=value" joined by ','; "" when
 * there are none.  It is what a replay id carries. */
void choice_format(const struct choice *c, struct strbuf *out);

/* Deviations to follow, in that form.  Errors: -EINVAL with the place. */
int choice_parse(struct choice *c, const char *text, struct error *err);

/* A hash of seed and key; also used to give consumers seeds of their own. */
uint64_t choice_hash(uint64_t seed, struct choice_key key);

#endif
