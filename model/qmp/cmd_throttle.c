/* SPDX-License-Identifier: MIT */
/* block_set_io_throttle, and what query-block shows of limits.  (QEMU qapi/block-core.json:
 * BlockIOThrottle, BlockDeviceInfo.) */
#include "model/qmp/cmd_throttle.h"

#include "base/mem.h"
#include "model/layer_state.h"
#include "model/qmp/commands.h"
#include "model/throttle.h"

#include <errno.h>

/* What the limits of each bucket are called. */
static const struct {
    enum throttle_bucket bucket;
    const char *avg, *max, *length;
} names[] = {
    { THROTTLE_BPS_TOTAL, "bps", "bps_max", "bps_max_length" },
    { THROTTLE_BPS_READ, "bps_rd", "bps_rd_max", "bps_rd_max_length" },
    { THROTTLE_BPS_WRITE, "bps_wr", "bps_wr_max", "bps_wr_max_length" },
    { THROTTLE_OPS_TOTAL, "iops", "iops_max", "iops_max_length" },
    { THROTTLE_OPS_READ, "iops_rd", "iops_rd_max", "iops_rd_max_length" },
    { THROTTLE_OPS_WRITE, "iops_wr", "iops_wr_max", "iops_wr_max_length" },
};

void throttle_show(const struct backend *b, json_t *info)
{
    struct throttle_config c;
    const char *group = NULL;
    throttle_config_init(&c);
    if (b && backend_get_throttle(b, &c, &group)) {
        json_object_set_new(info, "group", json_string(group));
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct throttle_limit *l = &c.bucket[names[i].bucket];
        json_object_set_new(info, names[i].avg, json_integer((json_int_t)l->avg));
        if (l->max) {
            json_object_set_new(info, names[i].max, json_integer((json_int_t)l->max));
            json_object_set_new(info, names[i].length, json_integer((json_int_t)l->burst_length));
        }
    }
    if (c.op_size) {
        json_object_set_new(info, "iops_size", json_integer((json_int_t)c.op_size));
    }
}

static void take(const json_t *args, const char *name, uint64_t *value)
{
    const json_t *given = json_object_get(args, name);
    if (given) {
        *value = (uint64_t)json_integer_value(given);
    }
}

static void read_config(const json_t *args, struct throttle_config *c)
{
    throttle_config_init(c);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct throttle_limit *l = &c->bucket[names[i].bucket];
        take(args, names[i].avg, &l->avg);
        take(args, names[i].max, &l->max);
        take(args, names[i].length, &l->burst_length);
    }
    take(args, "iops_size", &c->op_size);
}

static int set_throttle(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    const char *device = json_string_value(json_object_get(args, "device"));
    const char *id = json_string_value(json_object_get(args, "id"));
    const char *group = json_string_value(json_object_get(args, "group"));
    const char *old;
    struct throttle_config c;
    struct backend *b;
    (void)ret;
    int code = qmp_find_backend(l, device, id, &b, err);
    if (code < 0) {
        return code;
    }
    if (!backend_node(b)) {
        return error_set(err, -ENOMEDIUM, "Device has no medium");
    }
    if (!group && !backend_get_throttle(b, &c, &old)) {
        group = device ? device : id;
    }
    read_config(args, &c);
    return backend_set_throttle(b, group, &c, err);
}

#define RATES(prefix, unit)                                                                        \
    { prefix, &schema_int, 0, NULL, unit " a second, reads and writes; 0: no limit" },             \
    { prefix "_rd", &schema_int, 0, NULL, "the same for reads" },                                  \
    { prefix "_wr", &schema_int, 0, NULL, "the same for writes" }

static const struct schema_member set_args[] = {
    { "device", &schema_str, MEMBER_OPTIONAL | MEMBER_DEPRECATED, NULL,
      "name of the block device" },
    { "id", &schema_str, MEMBER_OPTIONAL, NULL, "name of the guest's device" },
    RATES("bps", "bytes"),
    RATES("iops", "operations"),
    THROTTLE_BURST_MEMBERS,
    { 0 },
};

static const struct schema_type set_type = { .name = "BlockIOThrottle",
                                             .kind = SCHEMA_STRUCT,
                                             .members = set_args };

const struct qmp_command qmp_block_set_io_throttle = {
    .name = "block_set_io_throttle",
    .args = &set_type,
    .help = "limit the requests of a block device",
    .run = set_throttle,
};
