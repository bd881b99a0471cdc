/* SPDX-License-Identifier: MIT */
/* Warnings: what QEMU writes to stderr and goes on. */
#include "base/mem.h"
#include "model/layer_state.h"

#include <stdarg.h>
#include <stdlib.h>

static void warn(struct layer *l, const char *text)
{
    sim_trace_words(l->sim, TRACE_GRAPH, (const char *const[]){ "warning ", text }, 2);
    if (l->warning) {
        l->warning(l->warning_opaque, text);
    }
}

void layer_on_warning(struct layer *l, void (*fn)(void *opaque, const char *text), void *opaque)
{
    l->warning = fn;
    l->warning_opaque = opaque;
}

void layer_warn(struct layer *l, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = mem_vprintf(fmt, ap);
    va_end(ap);
    warn(l, text);
    free(text);
}

void node_warn(struct node *n, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = mem_vprintf(fmt, ap);
    va_end(ap);
    warn(n->layer, text);
    free(text);
}
