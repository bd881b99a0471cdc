/* What `blksim help driver NAME` prints, from the driver's own tables. */
#ifndef APP_HELP_DRIVER_H
#define APP_HELP_DRIVER_H

#include "base/text.h"
#include "model/driver.h"

void help_driver(const struct blk_driver *d, struct strbuf *out);

#endif
