/* Throttle groups: limits that their members share (QEMU docs/throttle.txt).
 *
 * Members of a group take turns.  Arithmetic is in integers; time is the world's.
 */
#ifndef MODEL_THROTTLE_H
#define MODEL_THROTTLE_H

#include "base/error.h"
#include "model/schema.h"
#include "sim/sync.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct layer;
struct throttle_group;

enum throttle_bucket {
    THROTTLE_BPS_TOTAL,
    THROTTLE_BPS_READ,
    THROTTLE_BPS_WRITE,
    THROTTLE_OPS_TOTAL,
    THROTTLE_OPS_READ,
    THROTTLE_OPS_WRITE,
    THROTTLE_BUCKETS
};

struct throttle_limit {
    uint64_t avg;          /* Units a second; 0: no limit. */
    uint64_t max;          /* Burst: units a second; 0: none. */
    uint64_t burst_length; /* Seconds; 1 unless given. */
};

struct throttle_config {
    struct throttle_limit bucket[THROTTLE_BUCKETS];
    uint64_t op_size; /* Bytes that count as one operation; 0: a request is one. */
};

/* 0, or QEMU's text for what contradicts itself or is out of range. */
int throttle_check(const struct throttle_config *c, struct error *err);
bool throttle_is_on(const struct throttle_config *c);

/* One user of a group.  Embedded by its owner (a throttle node, a backend). */
struct throttle_member {
    struct throttle_group *group; /* NULL: not registered. */
    struct sim *sim;
    struct co_queue waiting[2];   /* Reads, writes. */
    uint32_t pending[2];
    uint32_t io_limits_disabled;  /* Above 0: requests pass at once (drained). */
    struct throttle_member *prev, *next; /* In the group, a ring. */
};

/* The group of that name: made when there is none (legacy), or an object.  A reference for the
 * member until throttle_leave. */
int throttle_join(struct layer *l, struct throttle_member *m, const char *group,
                  struct error *err);
/* No request of the member waits (checked). */
void throttle_leave(struct throttle_member *m);

/* [io] Before a request of that many bytes: waits for its turn. */
void throttle_wait(struct throttle_member *m, uint64_t bytes, bool is_write);
/* From begin to end all waiting and new requests pass: for drained sections. */
void throttle_drain(struct throttle_member *m, bool begin);

/* The limits of the member's group. */
void throttle_set(struct throttle_member *m, const struct throttle_config *c);
void throttle_get(const struct throttle_member *m, struct throttle_config *c);
const char *throttle_group_name(const struct throttle_member *m);

/* Whether there is a group of that name. */
bool throttle_group_exists(const struct layer *l, const char *name);

#endif
