/* Throttle groups: limits that their members share (QEMU docs/throttle.txt).
 *
 * Members of a group take turns.  Arithmetic is in integers; time is the world's.
 */
#ifndef MODEL_THROTTLE_H
#define MODEL_THROTTLE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct layer;
struct throttle_group;
struct throttle_waiter;

enum throttle_bucket {
    THROTTLE_BPS_TOTAL,
    THROTTLE_BPS_READ,
    THROTTLE_BPS_WRITE,
    THROTTLE_OPS_TOTAL,
    THROTTLE_OPS_READ,
    THROTTLE_OPS_WRITE,
    THROTTLE_BUCKETS
};

/* Largest avg and max. */
#define THROTTLE_VALUE_MAX UINT64_C(1000000000000000)

struct throttle_limit {
    uint64_t avg;          /* Units a second; 0: no limit. */
    uint64_t max;          /* Burst: units a second; 0: none. */
    uint64_t burst_length; /* Seconds; 1 unless given. */
};

struct throttle_config {
    struct throttle_limit bucket[THROTTLE_BUCKETS];
    uint64_t op_size; /* Bytes that count as one operation; 0: a request is one. */
};

/* No limits. */
void throttle_config_init(struct throttle_config *c);
/* 0, or QEMU's text for what contradicts itself or is out of range. */
int throttle_check(const struct throttle_config *c, struct error *err);
bool throttle_is_on(const struct throttle_config *c);

/* One user of a group.  Embedded by its owner (a throttle node, a backend); zeroed at first.
 * Requests that wait stand in line, first come first served. */
struct throttle_member {
    struct throttle_group *group; /* NULL: not registered. */
    struct throttle_waiter *head[2], *tail[2]; /* Reads, writes. */
    uint32_t io_limits_disabled;  /* Above 0: requests pass at once (drained). */
    struct throttle_member *prev, *next; /* In the group, a ring, the newest first. */
};

/* Joins the group of that name, which is made when there is none: legacy throttling.  It lasts
 * as long as it has members or an object stands for it. */
void throttle_join(struct layer *l, struct throttle_member *m, const char *group);
/* The same for a group that is there. */
void throttle_join_group(struct throttle_member *m, struct throttle_group *g);
/* No request of the member waits (checked). */
void throttle_leave(struct throttle_member *m);

/* [io] Before a request of that many bytes: waits for its turn.  Without a group: at once. */
void throttle_wait_turn(struct throttle_member *m, uint64_t bytes, bool is_write);
static inline void throttle_wait(struct throttle_member *m, uint64_t bytes, bool is_write)
{
    if (m->group) {
        throttle_wait_turn(m, bytes, is_write);
    }
}
/* From begin to end all waiting and new requests pass: for drained sections.  Nests. */
void throttle_drain(struct throttle_member *m, bool begin);

/* New limits for the member's group: they begin with empty buckets, and the member's own requests
 * go by them at once; what other members have waiting goes when its turn comes. */
void throttle_set(struct throttle_member *m, const struct throttle_config *c);
void throttle_get(const struct throttle_member *m, struct throttle_config *c);
const char *throttle_group_name(const struct throttle_member *m);

/* The group of that name, or NULL. */
struct throttle_group *throttle_group_find(const struct layer *l, const char *name);
static inline bool throttle_group_exists(const struct layer *l, const char *name)
{
    return throttle_group_find(l, name) != NULL;
}

/* For objects (model/object_throttle.c): a group that stands without members, until destroyed.
 * No group has that name yet (checked). */
struct throttle_group *throttle_group_create(struct layer *l, const char *name,
                                             const struct throttle_config *c);
/* It has no members (checked). */
void throttle_group_destroy(struct throttle_group *g);
bool throttle_group_in_use(const struct throttle_group *g);
/* As throttle_set, but nothing that waits goes before its turn. */
void throttle_group_set(struct throttle_group *g, const struct throttle_config *c);
const struct throttle_config *throttle_group_config(const struct throttle_group *g);

#endif
