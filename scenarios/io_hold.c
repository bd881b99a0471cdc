/* SPDX-License-Identifier: MIT */
/* What breakpoints hold on the simulated layer: who waits for a request to stop at one, and letting
 * all of them go. */
#include "scenarios/io_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>

static int command(struct backend *b, const char *name, const char *tag, json_t *reply)
{
    json_t *args = ioc_break_args(NULL, tag);
    int ret = backend_command(b, name, args, reply);
    json_decref(args);
    return ret;
}

static bool is_suspended(struct backend *b, const char *tag)
{
    json_t *reply = json_object();
    int ret = command(b, "is_suspended", tag, reply);
    bool yes = ret == 0 && json_is_true(json_object_get(reply, "suspended"));
    json_decref(reply);
    return yes;
}

void ioc_set_break(struct io_medium *m, const char *tag)
{
    struct io_shell *sh = ioc_session_of(m)->sh;
    struct ioc_tag *t = NEW(struct ioc_tag);
    *t = (struct ioc_tag){ .tag = mem_strdup(tag), .next = sh->tags };
    sh->tags = t;
}

bool ioc_wait_break(struct io_medium *m, const char *tag)
{
    struct ioc_session *s = ioc_session_of(m);
    struct io_shell *sh = s->sh;
    struct ioc_waiter w = { .co = co_self(sh->cfg.sim), .backend = s->port.backend, .tag = tag,
                            .next = sh->waiters };
    if (is_suspended(w.backend, w.tag)) {
        return true;
    }
    sh->waiters = &w;
    while (!w.ready) {
        co_yield(sh->cfg.sim, "a request to stop at the breakpoint", NULL);
    }
    struct ioc_waiter **p = &sh->waiters;
    while (*p != &w) {
        p = &(*p)->next;
    }
    *p = w.next;
    return !w.cancelled;
}

static void wake_waiter(struct ioc_waiter *w)
{
    CHECK(!w->ready);
    w->ready = true;
    co_wake(w->co);
}

bool io_shell_poll(struct io_shell *sh)
{
    bool woken = false;
    for (struct ioc_waiter *w = sh->waiters; w; w = w->next) {
        if (!w->ready && is_suspended(w->backend, w->tag)) {
            wake_waiter(w);
            woken = true;
        }
    }
    return woken;
}

/* Takes away all breakpoints of one tag on a node, which lets their requests go. */
static void release_tag(struct layer *l, struct node *n, const char *tag)
{
    struct backend *b = backend_create(l, NULL, (struct perm_pair){ 0, PERM_ALL });
    if (backend_insert(b, n, NULL) == 0) {
        while (command(b, "remove_breakpoint", tag, NULL) == 0) {
            /* The next one of that tag. */
        }
        while (command(b, "resume", tag, NULL) == 0) {
            /* The next request that it held. */
        }
    }
    backend_destroy(b);
}

/* On every node: the one that the script named may be gone, or closing and held itself. */
static void release_everywhere(struct layer *l, const char *tag)
{
    struct node_view v;
    for (size_t i = 0; inspect_node(l, i, &v); i++) {
        struct node *n = layer_find_node(l, v.name);
        if (n) {
            release_tag(l, n, tag);
        }
    }
}

void io_shell_release(struct io_shell *sh)
{
    while (sh->tags) {
        struct ioc_tag *t = sh->tags;
        sh->tags = t->next;
        if (sh->layer) {
            release_everywhere(sh->layer, t->tag);
        }
        free(t->tag);
        free(t);
    }
    for (struct ioc_waiter *w = sh->waiters; w; w = w->next) {
        if (!w->ready) {
            w->cancelled = true;
            wake_waiter(w);
        }
    }
}
