/* All drivers of the program; ends with NULL. */
#ifndef DRIVERS_REGISTRY_H
#define DRIVERS_REGISTRY_H

#include "model/driver.h"

extern const struct blk_driver *const drivers_all[];

#endif
