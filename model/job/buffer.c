/* SPDX-License-Identifier: MIT */
#include "model/job/buffer.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/layer_state.h"

#include <stdlib.h>

enum { KEPT_BYTES_MAX = 32 << 20 };

/* At the beginning of each that is kept. */
struct job_buffer {
    size_t size;
    struct job_buffer *next;
};

void *job_buffer_take(struct layer *l, size_t size)
{
    CHECK(size >= sizeof(struct job_buffer));
    for (struct job_buffer **p = &l->job_buffers; *p; p = &(*p)->next) {
        struct job_buffer *b = *p;
        if (b->size == size) {
            *p = b->next;
            l->job_buffer_bytes -= size;
            return b;
        }
    }
    return mem_alloc(size);
}

void job_buffer_give(struct layer *l, void *p, size_t size)
{
    struct job_buffer *b = p;
    if (!b || size > KEPT_BYTES_MAX - l->job_buffer_bytes) {
        free(b);
        return;
    }
    *b = (struct job_buffer){ size, l->job_buffers };
    l->job_buffers = b;
    l->job_buffer_bytes += size;
}

void job_buffers_free(struct layer *l)
{
    while (l->job_buffers) {
        struct job_buffer *b = l->job_buffers;
        l->job_buffers = b->next;
        l->job_buffer_bytes -= b->size;
        free(b);
    }
    CHECK(l->job_buffer_bytes == 0);
}
