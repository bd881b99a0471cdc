/* SPDX-License-Identifier: MIT */
/* What limits may be.  Order and texts of the refusals are QEMU's. */
#include "model/throttle.h"

#include <errno.h>
#include <inttypes.h>

void throttle_config_init(struct throttle_config *c)
{
    *c = (struct throttle_config){ 0 };
    for (int i = 0; i < THROTTLE_BUCKETS; i++) {
        c->bucket[i].burst_length = 1;
    }
}

bool throttle_is_on(const struct throttle_config *c)
{
    for (int i = 0; i < THROTTLE_BUCKETS; i++) {
        if (c->bucket[i].avg > 0) {
            return true;
        }
    }
    return false;
}

/* A limit for both directions excludes one for either. */
static bool total_conflicts(const struct throttle_limit *three)
{
    const struct throttle_limit *total = &three[0], *reads = &three[1], *writes = &three[2];
    return (total->avg && (reads->avg || writes->avg)) ||
           (total->max && (reads->max || writes->max));
}

static int check_limit(const struct throttle_limit *l, struct error *err)
{
    if (l->avg > THROTTLE_VALUE_MAX || l->max > THROTTLE_VALUE_MAX) {
        return error_set(err, -EINVAL, "bps/iops/max values must be within [0, %" PRIu64 "]",
                         THROTTLE_VALUE_MAX);
    }
    if (l->burst_length == 0) {
        return error_set(err, -EINVAL, "the burst length cannot be 0");
    }
    if (l->burst_length > 1 && !l->max) {
        return error_set(err, -EINVAL, "burst length set without burst rate");
    }
    if (l->max && l->burst_length > THROTTLE_VALUE_MAX / l->max) {
        return error_set(err, -EINVAL, "burst length too high for this burst rate");
    }
    if (l->max && !l->avg) {
        return error_set(err, -EINVAL,
                         "bps_max/iops_max require corresponding bps/iops values");
    }
    if (l->max && l->max < l->avg) {
        return error_set(err, -EINVAL, "bps_max/iops_max cannot be lower than bps/iops");
    }
    return 0;
}

int throttle_check(const struct throttle_config *c, struct error *err)
{
    const struct throttle_limit *ops = &c->bucket[THROTTLE_OPS_TOTAL];
    if (total_conflicts(&c->bucket[THROTTLE_BPS_TOTAL]) || total_conflicts(ops)) {
        return error_set(err, -EINVAL,
                         "bps/iops/max total values and read/write values cannot be used at the "
                         "same time");
    }
    if (c->op_size && !ops[0].avg && !ops[1].avg && !ops[2].avg) {
        return error_set(err, -EINVAL, "iops size requires an iops value to be set");
    }
    for (int i = 0; i < THROTTLE_BUCKETS; i++) {
        int ret = check_limit(&c->bucket[i], err);
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}
