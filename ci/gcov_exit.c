/* SPDX-License-Identifier: MIT */
/* Coverage build only: linked with --wrap=_exit, so that a worker that leaves by _exit() still
 * writes its counters. */
#include <unistd.h>

void __gcov_dump(void);
_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);

void __wrap__exit(int status)
{
    __gcov_dump();
    __real__exit(status);
}
