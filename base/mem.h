/* Memory: allocation does not fail.
 *
 * Sizes that come from outside are bounded before they reach these functions, so running out of
 * memory is a fault of the machine and ends the process.  Free with free().
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

void *mem_alloc(size_t size);              /* Not zeroed. */
void *mem_zalloc(size_t size);             /* Zeroed. */
void *mem_alloc_aligned(size_t align, size_t size); /* A power of two; size a multiple of it. */
void *mem_zalloc_array(size_t n, size_t size);
void *mem_resize(void *p, size_t size);    /* As realloc(). */
/* Room for one more element behind len of them: p, or a larger copy with *cap elements of size. */
void *mem_grow(void *p, size_t len, size_t *cap, size_t size);
void *mem_copy(const void *p, size_t size);
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t n);
char *mem_vprintf(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define NEW(type) ((type *)mem_zalloc(sizeof(type)))
#define NEW_ARRAY(type, n) ((type *)mem_zalloc_array((n), sizeof(type)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* To a whole number of units; neither is negative. */
static inline int64_t round_down(int64_t value, int64_t unit)
{
    return value / unit * unit;
}

static inline int64_t round_up(int64_t value, int64_t unit)
{
    return round_down(value + unit - 1, unit);
}

#endif
