/* SPDX-License-Identifier: MIT */
/* All drivers, a line each. */
#include "drivers/registry.h"

#include <stddef.h>

#define DRIVERS(X)              \
    X(driver_blkdebug)          \
    X(driver_blkverify)         \
    X(driver_compress)          \
    X(driver_copy_before_write) \
    X(driver_copy_on_read)      \
    X(driver_file)              \
    X(driver_null_aio)          \
    X(driver_null_co)           \
    X(driver_preallocate)       \
    X(driver_qcow2)             \
    X(driver_quorum)            \
    X(driver_raw)               \
    X(driver_snapshot_access)   \
    X(driver_throttle)

#define DECLARE(name) extern const struct blk_driver name;
#define ADDRESS(name) &name,

DRIVERS(DECLARE)

const struct blk_driver *const drivers_all[] = { DRIVERS(ADDRESS) NULL };
