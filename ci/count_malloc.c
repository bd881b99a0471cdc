/* SPDX-License-Identifier: MIT */
/* Preloaded by ci/hot_path: counts the allocations of a program and says their number at exit. */
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

static atomic_ulong count;

void *malloc(size_t size)
{
    count++;
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    count++;
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    count++;
    return __libc_realloc(p, size);
}

__attribute__((destructor)) static void say(void)
{
    fprintf(stderr, "allocations %lu\n", (unsigned long)count);
}
