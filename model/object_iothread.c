/* SPDX-License-Identifier: MIT */
/* iothread: a queue of coroutines of its own (sim/sched.h).
 *
 * The object is the iothread: it comes and goes with it.  One that nodes or frontends belong to, or
 * in which something runs, is in use and stays.  Nothing here polls, so what says how to is only
 * kept. (QEMU qapi/qom.json: IothreadProperties, EventLoopBaseProperties.)
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/device.h"
#include "model/layer_state.h"
#include "model/object.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const struct schema_member properties[] = {
    { "aio-max-batch", &schema_int, MEMBER_OPTIONAL, "0", "requests submitted at once; 0: any" },
    { "thread-pool-min", &schema_int, MEMBER_OPTIONAL, "0", "threads that are always there" },
    { "thread-pool-max", &schema_int, MEMBER_OPTIONAL, "64", "threads that there may be" },
    { "poll-max-ns", &schema_int, MEMBER_OPTIONAL, "32768", "longest busy waiting" },
    { "poll-grow", &schema_int, MEMBER_OPTIONAL, "0", "factor by which polling grows" },
    { "poll-shrink", &schema_int, MEMBER_OPTIONAL, "0", "divisor by which polling shrinks" },
    { 0 },
};

enum { POOL_MIN = 1, POOL_MAX = 2, VALUES = ARRAY_LEN(properties) - 1 };

struct iothread_object {
    struct layer *layer;
    char *id;
    int number; /* Of the scheduler; 0: not there yet. */
    int64_t value[VALUES];
};

static int check_range(size_t i, int64_t v, struct error *err)
{
    return v >= 0 ? 0
                  : error_set(err, -EINVAL, "%s value must be in range [0, %" PRId64 "]",
                              properties[i].name, INT64_MAX);
}

static int check_pool(const int64_t *value, struct error *err)
{
    if (value[POOL_MAX] > 0 && value[POOL_MAX] <= INT_MAX && value[POOL_MIN] <= value[POOL_MAX]) {
        return 0;
    }
    return error_set(err, -EINVAL, "bad thread-pool-min/thread-pool-max values");
}

static int iothread_create(struct layer *l, const char *id, const json_t *props, void **state,
                           struct error *err)
{
    const struct opts opts = { props, properties };
    int64_t value[VALUES];
    for (size_t i = 0; i < VALUES; i++) {
        value[i] = opts_int(&opts, properties[i].name);
        int ret = check_range(i, value[i], err);
        if (ret < 0) {
            return ret;
        }
    }
    struct iothread_object *o = NEW(struct iothread_object);
    o->layer = l;
    o->id = mem_strdup(id);
    memcpy(o->value, value, sizeof(value));
    *state = o;
    return 0;
}

static int iothread_complete(void *state, struct error *err)
{
    struct iothread_object *o = state;
    int ret = check_pool(o->value, err);
    if (ret < 0) {
        return ret;
    }
    int number = sim_iothread_add(o->layer->sim, o->id);
    if (number < 0) {
        return error_set(err, number, "too many iothreads; %d are possible", IOTHREADS_MAX - 1);
    }
    o->number = number;
    return 0;
}

static bool iothread_in_use(const void *state)
{
    const struct iothread_object *o = state;
    for (const struct node *n = o->layer->nodes; n; n = n->next) {
        if (n->iothread == (uint32_t)o->number) {
            return true;
        }
    }
    return device_uses_iothread(o->layer, (uint32_t)o->number) ||
           sim_iothread_is_busy(o->layer->sim, (uint32_t)o->number);
}

static void iothread_destroy(void *state)
{
    struct iothread_object *o = state;
    if (o->number) {
        sim_iothread_remove(o->layer->sim, (uint32_t)o->number);
    }
    free(o->id);
    free(o);
}

static size_t index_of(const char *property)
{
    size_t i = 0;
    while (strcmp(properties[i].name, property) != 0) {
        i++;
        CHECK(i < VALUES);
    }
    return i;
}

static json_t *iothread_get(const void *state, const char *property)
{
    const struct iothread_object *o = state;
    return json_integer(o->value[index_of(property)]);
}

static int iothread_set(void *state, const char *property, const json_t *value, struct error *err)
{
    struct iothread_object *o = state;
    size_t i = index_of(property);
    int64_t values[VALUES];
    memcpy(values, o->value, sizeof(values));
    int ret = object_check_value(o->layer, &object_type_iothread, property, value, err);
    if (ret == 0) {
        values[i] = json_integer_value(value);
        ret = check_range(i, values[i], err);
    }
    if (ret == 0) {
        ret = check_pool(values, err);
    }
    if (ret == 0) {
        o->value[i] = values[i];
    }
    return ret;
}

int object_iothread_number(const struct layer *l, const char *id)
{
    const struct iothread_object *o = object_find(l, "iothread", id);
    return o ? o->number : -ENOENT;
}

int layer_add_iothread(struct layer *l, const char *name, struct error *err)
{
    if (object_exists(l, name)) {
        return error_set(err, -EEXIST, "Duplicate ID '%s' for object", name);
    }
    json_t *args = json_pack("{s:s, s:s}", "qom-type", "iothread", "id", name);
    CHECK(args);
    int ret = object_add(l, args, err);
    json_decref(args);
    return ret;
}

const struct object_type object_type_iothread = {
    .name = "iothread",
    .parent = "event-loop-base",
    .help = "a thread that does the I/O of nodes",
    .properties = properties,
    .create = iothread_create,
    .complete = iothread_complete,
    .in_use = iothread_in_use,
    .destroy = iothread_destroy,
    .get = iothread_get,
    .set = iothread_set,
};
