/* SPDX-License-Identifier: MIT */
#include "drivers/registry.h"

#include <stddef.h>

extern const struct blk_driver driver_blkdebug;
extern const struct blk_driver driver_blkverify;
extern const struct blk_driver driver_compress;
extern const struct blk_driver driver_copy_on_read;
extern const struct blk_driver driver_file;
extern const struct blk_driver driver_null_aio;
extern const struct blk_driver driver_null_co;
extern const struct blk_driver driver_preallocate;
extern const struct blk_driver driver_qcow2;
extern const struct blk_driver driver_quorum;
extern const struct blk_driver driver_raw;
extern const struct blk_driver driver_throttle;

const struct blk_driver *const drivers_all[] = {
    &driver_blkdebug,
    &driver_blkverify,
    &driver_compress,
    &driver_copy_on_read,
    &driver_file,
    &driver_null_aio,
    &driver_null_co,
    &driver_preallocate,
    &driver_qcow2,
    &driver_quorum,
    &driver_raw,
    &driver_throttle,
    NULL,
};
