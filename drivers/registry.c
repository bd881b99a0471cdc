/* SPDX-License-Identifier: MIT */
#include "drivers/registry.h"

#include <stddef.h>

extern const struct blk_driver driver_blkdebug, driver_blkverify, driver_file, driver_null_aio,
    driver_null_co, driver_raw;

const struct blk_driver *const drivers_all[] = {
    &driver_blkdebug, &driver_blkverify, &driver_file, &driver_null_aio,
    &driver_null_co,  &driver_raw,       NULL,
};
