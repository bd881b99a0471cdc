/* SPDX-License-Identifier: MIT */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *expr, const char *file, int line)
{
    fflush(stdout);
    fprintf(stderr, "blksim: check failed: %s at %s:%d\n", expr, file, line);
    abort();
}
