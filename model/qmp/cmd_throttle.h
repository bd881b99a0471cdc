/* Limits in replies: for model/qmp/ only. */
#ifndef MODEL_QMP_CMD_THROTTLE_H
#define MODEL_QMP_CMD_THROTTLE_H

#include "model/backend.h"
#include "model/schema.h"

#include <jansson.h>

#define THROTTLE_BURSTS(suffix, text)                                                              \
    { "bps_max" suffix, &schema_int, MEMBER_OPTIONAL, NULL, text },                                \
    { "bps_rd_max" suffix, &schema_int, MEMBER_OPTIONAL, NULL, text },                             \
    { "bps_wr_max" suffix, &schema_int, MEMBER_OPTIONAL, NULL, text },                             \
    { "iops_max" suffix, &schema_int, MEMBER_OPTIONAL, NULL, text },                               \
    { "iops_rd_max" suffix, &schema_int, MEMBER_OPTIONAL, NULL, text },                            \
    { "iops_wr_max" suffix, &schema_int, MEMBER_OPTIONAL, NULL, text }

/* The members that BlockIOThrottle and BlockDeviceInfo share, behind the six rates. */
#define THROTTLE_BURST_MEMBERS                                                                     \
    THROTTLE_BURSTS("", "units a second in bursts"),                                               \
    THROTTLE_BURSTS("_length", "seconds of a burst"),                                              \
    { "iops_size", &schema_int, MEMBER_OPTIONAL, NULL, "bytes that count as one operation" },      \
    { "group", &schema_str, MEMBER_OPTIONAL, NULL, "name of the throttle group" }

/* Sets the members of BlockDeviceInfo: limits of b, or zeroes.  b: NULL for a node by itself. */
void throttle_show(const struct backend *b, json_t *info);

#endif
