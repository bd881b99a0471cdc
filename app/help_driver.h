/* What `blksim help driver NAME` and `blksim help qmp NAME` print, from their tables. */
#ifndef APP_HELP_DRIVER_H
#define APP_HELP_DRIVER_H

#include "base/text.h"
#include "model/driver.h"
#include "model/qmp/command.h"

void help_driver(const struct blk_driver *d, struct strbuf *out);
void help_qmp(const struct qmp_command *c, struct strbuf *out);

#endif
