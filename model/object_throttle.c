/* SPDX-License-Identifier: MIT */
/* throttle-group: limits that nodes and devices refer to by name.
 *
 * "limits" can be given and changed as a whole; each of its members is also a property of its own,
 * "x-iops-total" and so on, that can only be given at first.  Where both are given limits count.
 * (QEMU qapi/block-core.json: ThrottleGroupProperties, ThrottleLimits.)
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/layer_state.h"
#include "model/object.h"
#include "model/throttle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct group_object {
    struct layer *layer;
    char *id;
    struct throttle_config config;  /* Until it is completed. */
    struct throttle_group *group;   /* From then on. */
};

/* ---- Properties ---- */

/* The members of ThrottleLimits for one bucket, and the same as properties of the object. */
#define LIMIT(prefix, name)                                                                        \
    { prefix name, &schema_int, MEMBER_OPTIONAL, "0", "units a second" },                          \
    { prefix name "-max", &schema_int, MEMBER_OPTIONAL, "0", "units a second in bursts" },         \
    { prefix name "-max-length", &schema_int, MEMBER_OPTIONAL, "1", "seconds of a burst" }
#define ALL_LIMITS(prefix)                                                                         \
    LIMIT(prefix, "iops-total"), LIMIT(prefix, "iops-read"), LIMIT(prefix, "iops-write"),          \
    LIMIT(prefix, "bps-total"), LIMIT(prefix, "bps-read"), LIMIT(prefix, "bps-write"),             \
    { prefix "iops-size", &schema_int, MEMBER_OPTIONAL, "0",                                       \
      "bytes that count as one operation" }

static const struct schema_member limits_members[] = { ALL_LIMITS(""), { 0 } };

static const struct schema_type limits_type = {
    .name = "ThrottleLimits", .kind = SCHEMA_STRUCT, .members = limits_members
};

static const struct schema_member properties[] = {
    { "limits", &limits_type, MEMBER_OPTIONAL, NULL, "all limits" },
    ALL_LIMITS("x-"),
    { 0 },
};

enum { LIMITS = ARRAY_LEN(limits_members) - 1, X = 2 /* Letters of "x-". */ };

/* The value in c that the i-th member of limits_members stands for. */
static uint64_t *value_at(struct throttle_config *c, size_t i)
{
    static const enum throttle_bucket buckets[] = {
        THROTTLE_OPS_TOTAL, THROTTLE_OPS_READ, THROTTLE_OPS_WRITE,
        THROTTLE_BPS_TOTAL, THROTTLE_BPS_READ, THROTTLE_BPS_WRITE,
    };
    CHECK(i < LIMITS);
    if (i == LIMITS - 1) {
        return &c->op_size;
    }
    struct throttle_limit *l = &c->bucket[buckets[i / 3]];
    return i % 3 == 0 ? &l->avg : i % 3 == 1 ? &l->max : &l->burst_length;
}

static bool is_length(size_t i)
{
    return i < LIMITS - 1 && i % 3 == 2;
}

/* ---- Values ---- */

static int take_x(struct throttle_config *c, const json_t *props, struct error *err)
{
    for (size_t i = 0; i < LIMITS; i++) {
        const char *name = properties[1 + i].name;
        const json_t *given = json_object_get(props, name);
        json_int_t v = json_integer_value(given);
        if (!given) {
            continue;
        }
        if (v < 0) {
            return error_set(err, -EINVAL, "Property values cannot be negative");
        }
        if (is_length(i) && v > UINT32_MAX) {
            return error_set(err, -EINVAL, "%s value must be in therange [0, %u]", name,
                             UINT32_MAX);
        }
        *value_at(c, i) = (uint64_t)v;
    }
    return 0;
}

/* What is not given stays as it is; the whole is checked. */
static int take_limits(struct throttle_config *c, const json_t *limits, struct error *err)
{
    for (size_t i = 0; i < LIMITS; i++) {
        const char *name = limits_members[i].name;
        const json_t *given = json_object_get(limits, name);
        json_int_t v = json_integer_value(given);
        if (given && is_length(i) && v > UINT32_MAX) {
            return error_set(err, -EINVAL, "%s value must be in the range [0, %u]", name,
                             UINT32_MAX);
        }
        if (given) {
            *value_at(c, i) = (uint64_t)v;
        }
    }
    return throttle_check(c, err);
}

static int group_create(struct layer *l, const char *id, const json_t *props, void **state,
                        struct error *err)
{
    const json_t *limits = json_object_get(props, "limits");
    struct throttle_config c;
    throttle_config_init(&c);
    int ret = take_x(&c, props, err);
    if (ret == 0 && limits) {
        ret = take_limits(&c, limits, err);
    }
    if (ret < 0) {
        return ret;
    }
    struct group_object *o = NEW(struct group_object);
    o->layer = l;
    o->id = mem_strdup(id);
    o->config = c;
    *state = o;
    return 0;
}

static int group_complete(void *state, struct error *err)
{
    struct group_object *o = state;
    if (throttle_group_exists(o->layer, o->id)) {
        return error_set(err, -EEXIST, "A group with this name already exists");
    }
    int ret = throttle_check(&o->config, err);
    if (ret == 0) {
        o->group = throttle_group_create(o->layer, o->id, &o->config);
    }
    return ret;
}

static bool group_in_use(const void *state)
{
    const struct group_object *o = state;
    return throttle_group_in_use(o->group);
}

static void group_destroy(void *state)
{
    struct group_object *o = state;
    if (o->group) {
        throttle_group_destroy(o->group);
    }
    free(o->id);
    free(o);
}

static json_t *group_get(const void *state, const char *property)
{
    const struct group_object *o = state;
    struct throttle_config c = *throttle_group_config(o->group);
    json_t *all = json_object();
    for (size_t i = 0; i < LIMITS; i++) {
        json_int_t v = (json_int_t)*value_at(&c, i);
        if (strcmp(property, properties[1 + i].name) == 0) {
            json_decref(all);
            return json_integer(v);
        }
        json_object_set_new(all, limits_members[i].name, json_integer(v));
    }
    return all;
}

static int group_set(void *state, const char *property, const json_t *value, struct error *err)
{
    struct group_object *o = state;
    if (strcmp(property, "limits") != 0) {
        return error_set(err, -EBUSY, "Property cannot be set after initialization");
    }
    struct throttle_config c = *throttle_group_config(o->group);
    int ret = object_check_value(o->layer, &object_type_throttle_group, property, value, err);
    if (ret == 0) {
        ret = take_limits(&c, value, err);
    }
    if (ret == 0) {
        throttle_group_set(o->group, &c);
    }
    return ret;
}

const struct object_type object_type_throttle_group = {
    .name = "throttle-group",
    .parent = "object",
    .help = "limits on requests, shared by all who refer to it",
    .properties = properties,
    .create = group_create,
    .complete = group_complete,
    .in_use = group_in_use,
    .destroy = group_destroy,
    .get = group_get,
    .set = group_set,
};
