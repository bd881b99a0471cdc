/* SPDX-License-Identifier: MIT */
/* blkdebug's engine: a small state machine over the events of a parent's I/O path.
 *
 *   event --> for its rules: set-state moves the state (after all have been looked at),
 *                            inject-error becomes active, in place of all that were active,
 *                            a breakpoint stops the request that raised the event
 *   request --> the first active rule that fits type and sector decides
 *
 * Two things follow that surprise people.  A rule stays in force after the request whose event
 * brought it: a rule on read_aio without iotype fails the write that comes next.  And "none" is
 * raised once, when the node opens.
 *
 * Order: rules of one event are looked at newest first, so of several set-state rules that match
 * the oldest has the last word; active rules are tried oldest first.
 *
 * A suspended request lives on its own stack, in a struct suspension; it goes on when all
 * breakpoints that it stopped at have been resumed.  A breakpoint stops one request and is gone.
 *
 *     rules[event] --hit--> stopped --resume--> freed by the request as it goes on
 *
 * Invariant: a rule is in rules[] or in stopped or held by a request that is about to go on.
 * (QEMU docs/devel/blkdebug.txt, qapi/block-core.json; behaviour of the installed 7.2.)
 */
#include "base/check.h"
#include "base/mem.h"
#include "drivers/blkdebug/blkdebug.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512 };

struct suspension {
    int waits_for; /* Breakpoints not yet resumed. */
    struct rule *rules;
    struct co_queue queue;
};

void engine_init(struct engine *e, struct sim *s)
{
    *e = (struct engine){ .sim = s, .state = 1 };
}

static void rule_free(struct rule *r)
{
    free(r->tag);
    free(r->what);
    free(r);
}

void engine_fini(struct engine *e)
{
    CHECK(e->stopped == NULL);
    for (int i = 0; i < EVENTS; i++) {
        while (e->rules[i]) {
            struct rule *r = e->rules[i];
            e->rules[i] = r->next;
            rule_free(r);
        }
    }
    e->count = 0;
    e->active = NULL;
}

void engine_add(struct engine *e, const struct rule *rule)
{
    CHECK(rule->event >= 0 && rule->event < EVENTS);
    struct rule *r = mem_copy(rule, sizeof(*rule));
    r->next = e->rules[r->event];
    e->rules[r->event] = r;
    e->count++;
}

static void unlink_rule(struct engine *e, struct rule *r)
{
    struct rule **p = &e->rules[r->event];
    while (*p != r) {
        p = &(*p)->next;
    }
    *p = r->next;
    CHECK(e->count > 0);
    e->count--;
}

/* Holds the request of the running coroutine until its breakpoints are resumed. */
static void suspend(struct engine *e, struct suspension *sus)
{
    for (struct rule *r = sus->rules; r; r = r->next_held) {
        sim_trace_text(e->sim, TRACE_EVENT, "blkdebug: suspended request '%s'", r->tag);
    }
    sus->queue.what = sus->rules->what;
    while (sus->waits_for > 0) {
        co_queue_wait(e->sim, &sus->queue);
    }
    while (sus->rules) {
        struct rule *r = sus->rules;
        sus->rules = r->next_held;
        rule_free(r);
    }
}

/* Moves a breakpoint to the request that stops at it. */
static void hit_breakpoint(struct engine *e, struct rule *r, struct suspension *sus)
{
    unlink_rule(e, r);
    r->held = sus;
    r->next_held = sus->rules;
    sus->rules = r;
    sus->waits_for++;
    struct rule **p = &e->stopped;
    while (*p) {
        p = &(*p)->next_stopped;
    }
    r->next_stopped = NULL;
    *p = r;
}

void engine_event(struct engine *e, int event)
{
    CHECK(event >= 0 && event < EVENTS);
    int32_t new_state = e->state;
    bool injected = false;
    struct suspension sus = { 0 };
    struct rule *next;
    for (struct rule *r = e->rules[event]; r; r = next) {
        next = r->next;
        if (r->state != 0 && r->state != e->state) {
            continue;
        }
        if (r->action == RULE_INJECT) {
            r->next_active = injected ? e->active : NULL;
            e->active = r;
            injected = true;
        } else if (r->action == RULE_SET_STATE) {
            new_state = r->new_state;
        } else if (co_self(e->sim)) {
            hit_breakpoint(e, r, &sus);
        }
    }
    e->state = new_state;
    if (sus.waits_for > 0) {
        suspend(e, &sus);
    }
}

static bool rule_fits(const struct rule *r, enum iotype type, int64_t offset, int64_t bytes)
{
    if (!(r->iotypes & type)) {
        return false;
    }
    if (r->sector == -1) {
        return true;
    }
    if (r->sector < 0 || r->sector > INT64_MAX / SECTOR) {
        return false;
    }
    int64_t at = r->sector * SECTOR;
    return at >= offset && at - offset < bytes;
}

static void retire(struct engine *e, struct rule *r)
{
    struct rule **p = &e->active;
    while (*p != r) {
        p = &(*p)->next_active;
    }
    *p = r->next_active;
    unlink_rule(e, r);
    rule_free(r);
}

int engine_check(struct engine *e, enum iotype type, int64_t offset, int64_t bytes)
{
    struct rule *r = e->active;
    while (r && !rule_fits(r, type, offset, bytes)) {
        r = r->next_active;
    }
    if (!r) {
        return 0;
    }
    int32_t error = r->error;
    bool immediately = r->immediately;
    if (r->once) {
        retire(e, r);
    }
    if (error == 0) {
        return 0;
    }
    if (!immediately && co_self(e->sim)) {
        co_pass(e->sim);
    }
    return error > 0 ? -error : 1;
}

int engine_break(struct engine *e, const char *event, const char *tag)
{
    int index = event_find(event);
    if (index < 0) {
        return index;
    }
    struct rule r = { .action = RULE_SUSPEND,
                      .event = index,
                      .tag = mem_strdup(tag),
                      .what = mem_printf("breakpoint '%s'", tag) };
    engine_add(e, &r);
    return 0;
}

static void let_go(struct engine *e, struct rule *r)
{
    struct suspension *sus = r->held;
    struct rule **p = &e->stopped;
    while (*p != r) {
        p = &(*p)->next_stopped;
    }
    *p = r->next_stopped;
    sim_trace_text(e->sim, TRACE_EVENT, "blkdebug: resuming request '%s'", r->tag);
    CHECK(sus && sus->waits_for > 0);
    if (--sus->waits_for == 0) {
        co_queue_wake_all(&sus->queue);
    }
}

static struct rule *find_stopped(const struct engine *e, const char *tag)
{
    struct rule *r = e->stopped;
    while (r && strcmp(r->tag, tag) != 0) {
        r = r->next_stopped;
    }
    return r;
}

int engine_resume(struct engine *e, const char *tag)
{
    struct rule *r = find_stopped(e, tag);
    if (!r) {
        return -ENOENT;
    }
    let_go(e, r);
    return 0;
}

/* Requests that stand at a breakpoint of that tag go on, but only breakpoints that nobody reached
 * count as removed. */
int engine_remove_break(struct engine *e, const char *tag)
{
    int ret = -ENOENT;
    for (int i = 0; i < EVENTS; i++) {
        struct rule *next;
        for (struct rule *r = e->rules[i]; r; r = next) {
            next = r->next;
            if (r->action == RULE_SUSPEND && strcmp(r->tag, tag) == 0) {
                unlink_rule(e, r);
                rule_free(r);
                ret = 0;
            }
        }
    }
    struct rule *r;
    while ((r = find_stopped(e, tag))) {
        let_go(e, r);
    }
    return ret;
}

bool engine_is_suspended(const struct engine *e, const char *tag)
{
    return find_stopped(e, tag) != NULL;
}
