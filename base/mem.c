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

void *mem_zalloc(size_t size)
{
    return mem_zalloc_array(1, size);
}

void *mem_zalloc_array(size_t n, size_t size)
{
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
