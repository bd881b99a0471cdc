/* SPDX-License-Identifier: MIT */
#include "sim/sim.h"

#include "base/check.h"
#include "base/mem.h"
#include "sim/disk_page.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef BLKSIM_CANARY_TIME_LEAK
#include <time.h>
#endif

struct sim *sim_create(const struct sim_config *cfg)
{
    struct sim *s = NEW(struct sim);
    clock_init(&s->clock);
    choice_init(&s->choice, cfg->seed, cfg->policy, cfg->path);
    trace_init(&s->trace, cfg->keep_trace);
    sched_init(s);
    return s;
}

void sim_destroy(struct sim *s)
{
    sched_fini(s);
    trace_fini(&s->trace);
    choice_fini(&s->choice);
    clock_fini(&s->clock);
    if (s->blocks) {
        block_pool_unref(s->blocks);
    }
    free(s);
}

uint32_t sim_actor(struct sim *s)
{
    return ++s->actors;
}

int sim_iothread_add(struct sim *s, const char *name)
{
    struct sched *d = &s->sched;
    uint32_t i = 1;
    while (i < d->queues && (d->iothread_name[i] || sim_iothread_is_busy(s, i))) {
        i++;
    }
    if (i == IOTHREADS_MAX) {
        return -ENOSPC;
    }
    d->queues = MAX(d->queues, i + 1);
    d->iothread_name[i] = mem_strdup(name);
    return (int)i;
}

void sim_iothread_remove(struct sim *s, uint32_t iothread)
{
    struct sched *d = &s->sched;
    CHECK(iothread > 0 && iothread < d->queues && d->iothread_name[iothread]);
    free(d->iothread_name[iothread]);
    d->iothread_name[iothread] = NULL;
}

bool sim_iothread_is_busy(const struct sim *s, uint32_t iothread)
{
    for (const struct co *co = s->sched.all_head; co; co = co->all_next) {
        if (co->iothread == iothread) {
            return true;
        }
    }
    return false;
}

int sim_iothread_find(const struct sim *s, const char *name)
{
    for (uint32_t i = s->sched.queues; i-- > 0;) {
        const char *other = s->sched.iothread_name[i];
        if (other && strcmp(other, name) == 0) {
            return (int)i;
        }
    }
    return -ENOENT;
}

/* Fires all timers of the next instant, so that what they wake is ready together. */
static void fire_instant(struct sim *s, struct timer *t)
{
    int64_t now_ns = t->deadline_ns;
    do {
        clock_fire(&s->clock, t);
        t = clock_next(&s->clock);
    } while (t && t->deadline_ns <= now_ns);
}

enum sim_stop sim_run(struct sim *s, const bool *done, int64_t until_ns, uint64_t max_steps)
{
    CHECK(co_self(s) == NULL);
    uint64_t limit = max_steps ? s->sched.steps + max_steps : UINT64_MAX;
#ifdef BLKSIM_CANARY_TIME_LEAK
    sim_trace(s, TRACE_CHOICE, 0, 0, time(NULL), 0);
#endif
    for (;;) {
        if (done && *done) {
            return SIM_DONE;
        }
        if (s->sched.steps >= limit) {
            return SIM_STEPS;
        }
        if (sched_step(s)) {
            continue;
        }
        struct timer *t = clock_next(&s->clock);
        if (!t) {
            if (!done && until_ns != SIM_FOREVER) {
                s->clock.now_ns = MAX(s->clock.now_ns, until_ns);
            }
            return SIM_IDLE;
        }
        if (t->deadline_ns > until_ns) {
            s->clock.now_ns = MAX(s->clock.now_ns, until_ns);
            return SIM_LATER;
        }
        fire_instant(s, t);
    }
}

enum sim_stop sim_settle(struct sim *s, uint64_t max_steps)
{
    return sim_run(s, NULL, sim_now_ns(s), max_steps);
}

void sim_describe_waiters(const struct sim *s, struct strbuf *out)
{
    for (const struct co *co = s->sched.all_head; co; co = co->all_next) {
        strbuf_printf(out, "coroutine %" PRIu64 " '%s' in %s ", co->id, co->name,
                      s->sched.iothread_name[co->iothread] ? s->sched.iothread_name[co->iothread]
                                                           : "an iothread that was removed");
        if (co->state == CO_WAITING) {
            strbuf_printf(out, "waits for %s\n", co->wait_what);
        } else {
            strbuf_puts(out, "is ready\n");
        }
    }
}

void sim_trace_words(struct sim *s, enum trace_type type, const char *const *words, size_t n)
{
    char usual[256];
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        len += strlen(words[i]);
    }
    char *text = len < sizeof(usual) ? usual : mem_alloc(len + 1), *at = text;
    for (size_t i = 0; i < n; i++) {
        at = stpcpy(at, words[i]);
    }
    CHECK(at == text + len);
    trace_emit_text(&s->trace, sim_now_ns(s), type, 0, text, len);
    if (text != usual) {
        free(text);
    }
}

void sim_trace_text(struct sim *s, enum trace_type type, const char *fmt, ...)
{
    char usual[256];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(usual, sizeof(usual), fmt, ap);
    va_end(ap);
    CHECK(n >= 0);
    char *text = usual;
    if ((size_t)n >= sizeof(usual)) {
        va_start(ap, fmt);
        text = mem_vprintf(fmt, ap);
        va_end(ap);
    }
    trace_emit_text(&s->trace, sim_now_ns(s), type, 0, text, (size_t)n);
    if (text != usual) {
        free(text);
    }
}
