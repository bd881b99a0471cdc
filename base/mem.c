/* SPDX-License-Identifier: MIT */
#include "base/mem.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *mem_alloc(size_t size)
{
    void *p = malloc(size ? size : 1);
    CHECK(p != NULL);
    return p;
}

void *mem_alloc_aligned(size_t align, size_t size)
{
    CHECK(size > 0 && size % align == 0);
    void *p = aligned_alloc(align, size);
    CHECK(p != NULL);
    return p;
}

enum { SMALL_BYTES = 1024 };

/* Small things come from malloc, which keeps what was freed at hand; calloc does not look there. */
static void *zalloc_small(size_t size)
{
    void *p = mem_alloc(size);
    __asm__("" : "+r"(p)); /* Or the compiler makes a calloc of it. */
    return memset(p, 0, size);
}

void *mem_zalloc(size_t size)
{
    return size <= SMALL_BYTES ? zalloc_small(size) : mem_zalloc_array(1, size);
}

void *mem_zalloc_array(size_t n, size_t size)
{
    size_t all;
    if (!__builtin_mul_overflow(n, size, &all) && all <= SMALL_BYTES) {
        return zalloc_small(all);
    }
    void *p = calloc(n ? n : 1, size ? size : 1);
    CHECK(p != NULL);
    return p;
}

void *mem_resize(void *p, size_t size)
{
    void *q = realloc(p, size ? size : 1);
    CHECK(q != NULL);
    return q;
}

void *mem_grow(void *p, size_t len, size_t *cap, size_t size)
{
    CHECK(len <= *cap);
    if (len < *cap) {
        return p;
    }
    *cap = *cap ? 2 * *cap : 8;
    return mem_resize(p, *cap * size);
}

void *mem_copy(const void *p, size_t size)
{
    return memcpy(mem_alloc(size), p, size);
}

char *mem_strdup(const char *s)
{
    return mem_copy(s, strlen(s) + 1);
}

char *mem_strndup(const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *p = mem_alloc(len + 1);
    memcpy(p, s, len);
    p[len] = '\0';
    return p;
}

char *mem_vprintf(const char *fmt, va_list ap)
{
    char *text = NULL;
    int n = vasprintf(&text, fmt, ap);
    CHECK(n >= 0);
    return text;
}

char *mem_printf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = mem_vprintf(fmt, ap);
    va_end(ap);
    return text;
}
