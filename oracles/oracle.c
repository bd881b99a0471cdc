/* SPDX-License-Identifier: MIT */
#include "oracles/oracle.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>

enum { FAIL_TEXT_MAX = 8192 };

void oracle_fail(struct oracle *o, const char *site, const char *fmt, ...)
{
    char text[FAIL_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    CHECK(n >= 0);
    CHECK(o->fail != NULL);
    o->fail(o->opaque, o, site, text);
}
