/* The manual page blksim(1), made from the tables of the commands. */
#ifndef APP_MANUAL_H
#define APP_MANUAL_H

#include "base/text.h"

void manual_write(struct strbuf *out);

#endif
