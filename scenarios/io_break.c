/* SPDX-License-Identifier: MIT */
/* blkdebug's breakpoints: break, remove_break, resume, wait_break. */
#include "scenarios/io_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Runs a driver command with {"tag": tag} and, if given, {"event": event}. */
static int command(struct backend *b, const char *name, const char *event, const char *tag,
                   json_t *reply)
{
    json_t *args = json_object();
    CHECK(args != NULL);
    json_object_set_new(args, "tag", json_string(tag));
    if (event) {
        json_object_set_new(args, "event", json_string(event));
    }
    int ret = backend_command(b, name, args, reply);
    json_decref(args);
    return ret;
}

static bool is_suspended(struct backend *b, const char *tag)
{
    json_t *reply = json_object();
    int ret = command(b, "is_suspended", NULL, tag, reply);
    bool yes = ret == 0 && json_is_true(json_object_get(reply, "suspended"));
    json_decref(reply);
    return yes;
}

int ioc_cmd_break(struct ioc_ctx *c, int argc, char **argv)
{
    CHECK(argc == 3);
    int ret = command(c->session->port.backend, "breakpoint", argv[1], argv[2], NULL);
    if (ret < 0) {
        return ioc_fail(c, ret, "Could not set breakpoint: %s", error_strerror(-ret));
    }
    struct ioc_tag *t = NEW(struct ioc_tag);
    *t = (struct ioc_tag){ .tag = mem_strdup(argv[2]), .next = c->sh->tags };
    c->sh->tags = t;
    return 0;
}

int ioc_cmd_remove_break(struct ioc_ctx *c, int argc, char **argv)
{
    CHECK(argc == 2);
    int ret = command(c->session->port.backend, "remove_breakpoint", NULL, argv[1], NULL);
    if (ret < 0) {
        return ioc_fail(c, ret, "Could not remove breakpoint %s: %s", argv[1],
                       error_strerror(-ret));
    }
    return 0;
}

int ioc_cmd_resume(struct ioc_ctx *c, int argc, char **argv)
{
    CHECK(argc == 2);
    int ret = command(c->session->port.backend, "resume", NULL, argv[1], NULL);
    if (ret < 0) {
        return ioc_fail(c, ret, "Could not resume request: %s", error_strerror(-ret));
    }
    return 0;
}

int ioc_cmd_wait_break(struct ioc_ctx *c, int argc, char **argv)
{
    struct io_shell *sh = c->sh;
    CHECK(argc == 2);
    struct ioc_waiter w = { .co = co_self(sh->cfg.sim), .backend = c->session->port.backend,
                           .tag = argv[1], .next = sh->waiters };
    if (is_suspended(w.backend, w.tag)) {
        return 0;
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
    return w.cancelled ? ioc_fail(c, -ECANCELED, "No request was suspended at %s", argv[1]) : 0;
}

bool io_command_polls(int argc, char **argv)
{
    return argc > 0 && strcmp(argv[0], "wait_break") == 0;
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
        while (command(b, "remove_breakpoint", NULL, tag, NULL) == 0) {
            /* The next one of that tag. */
        }
        while (command(b, "resume", NULL, tag, NULL) == 0) {
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
