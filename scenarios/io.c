/* SPDX-License-Identifier: MIT */
/* The shell of the `io` verb: sessions, and where output goes.
 *
 *                      ioc_session_ref                        last ioc_session_unref
 *   (no session) ----------------------> backend on the node -----------------------> (none)
 *
 * A command holds a reference while it runs and each aio request holds one while it is in flight.
 * Permissions are only ever added to a session.
 *
 * Invariants:
 *   1. A call gets output only from its own command, from aio requests it started, and, when it is
 *      an aio_flush, from the requests of its session; all of them before io_shell_forget.
 *   2. Everything that the shell has in flight is counted in io_shell_busy.
 */
#include "scenarios/io_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct io_shell *io_shell_create(const struct io_shell_config *cfg)
{
    struct io_shell *sh = NEW(struct io_shell);
    sh->cfg = *cfg;
    return sh;
}

static void forget_tags(struct io_shell *sh)
{
    while (sh->tags) {
        struct ioc_tag *t = sh->tags;
        sh->tags = t->next;
        free(t->tag);
        free(t);
    }
}

void io_shell_destroy(struct io_shell *sh)
{
    CHECK(!sh->sessions && !sh->flights && sh->commands == 0);
    forget_tags(sh);
    free(sh);
}

size_t io_shell_busy(const struct io_shell *sh)
{
    size_t n = sh->commands;
    for (const struct ioc_flight *f = sh->flights; f; f = f->next) {
        n++;
    }
    return n;
}

/* Sessions. */

struct ioc_session *ioc_session_ref(struct ioc_session *s)
{
    s->refs++;
    return s;
}

void ioc_session_unref(struct io_shell *sh, struct ioc_session *s)
{
    CHECK(s->refs > 0);
    if (--s->refs > 0) {
        return;
    }
    struct ioc_session **p = &sh->sessions;
    while (*p != s) {
        p = &(*p)->next;
    }
    *p = s->next;
    if (s->owned) {
        backend_destroy(s->port.backend);
    }
    backend_unref(s->port.backend);
    if (s->port.device) {
        device_unref(s->port.device);
    }
    free(s->node);
    free(s);
}

/* node NULL: one on that port, which is not its own. */
static struct ioc_session *find_session(struct io_shell *sh, const struct node *node,
                                        const struct guest_port *port)
{
    struct ioc_session *s = sh->sessions;
    while (s && (node ? !s->owned || backend_node(s->port.backend) != node
                      : s->owned || s->port.backend != port->backend ||
                            s->port.device != port->device)) {
        s = s->next;
    }
    return s;
}

static struct ioc_session *new_session(struct io_shell *sh, const char *name,
                                       const struct guest_port *port, bool owned)
{
    struct ioc_session *s = NEW(struct ioc_session);
    *s = (struct ioc_session){ .base = { .ops = &ioc_session_ops }, .sh = sh,
                               .node = mem_strdup(name), .port = *port, .owned = owned, .refs = 1,
                               .next = sh->sessions };
    backend_ref(port->backend);
    if (port->device) {
        device_ref(port->device);
    }
    sh->sessions = s;
    return s;
}

/* A session on what is there already, with one more reference. */
static struct ioc_session *join_session(struct io_shell *sh, const char *name,
                                        const struct guest_port *port)
{
    struct ioc_session *s = find_session(sh, NULL, port);
    return s ? ioc_session_ref(s) : new_session(sh, name, port, false);
}

/* A session on a node, through a backend of its own. */
static struct ioc_session *node_session(struct io_shell *sh, struct node *node, const char *name,
                                        struct error *err)
{
    struct ioc_session *s = find_session(sh, node, NULL);
    if (s) {
        return ioc_session_ref(s);
    }
    struct guest_port port = {
        .backend = backend_create(sh->layer, NULL, (struct perm_pair){ 0, PERM_ALL })
    };
    if (backend_insert(port.backend, node, err) < 0) {
        backend_destroy(port.backend);
        return NULL;
    }
    return new_session(sh, name, &port, true);
}

/* The frontend of that id, or the block device of that name; false: neither is there.  The monitor
 * goes through the frontend's backend like any other. */
static bool find_port(struct layer *l, const char *name, bool monitor, struct guest_port *port)
{
    struct device *d = monitor ? NULL : device_find(l, name);
    struct backend *b = d ? device_backend(d) : layer_find_backend(l, name);
    *port = (struct guest_port){ .backend = b, .device = d };
    return b != NULL;
}

/* A session for a node, frontend or block device, with one more reference.  Errors: there is
 * nothing of that name; permissions. */
static struct ioc_session *open_session(struct io_shell *sh, const char *name, bool monitor,
                                        struct error *err)
{
    struct guest_port port;
    struct node *node = monitor ? NULL : layer_find_node(sh->layer, name);
    if (!node && find_port(sh->layer, name, monitor, &port)) {
        return join_session(sh, name, &port);
    }
    node = layer_find_node(sh->layer, name);
    if (!node) {
        error_set(err, -ENODEV, "Cannot find device='' nor node-name='%s'", name);
        return NULL;
    }
    return node_session(sh, node, name, err);
}

int ioc_take_perm(struct ioc_session *s, uint32_t perm, struct error *err)
{
    struct perm_pair have = backend_perm(s->port.backend);
    if (s->port.device) {
        perm &= PERM_RESIZE;
    }
    if ((have.used | perm) == have.used) {
        return 0;
    }
    return backend_set_perm(s->port.backend, (struct perm_pair){ have.used | perm, have.shared },
                            err);
}

/* Running a command. */

void io_shell_run(struct io_shell *sh, struct layer *l, const char *node, int argc, char **argv,
                  struct target_call *call)
{
    struct ioc_ctx c = { .call = call, .dir = sh->cfg.dir };
    struct error err = ERROR_INIT;
    CHECK(argc >= 0 && co_self(sh->cfg.sim) != NULL);
    sh->layer = l;
    sh->commands++;
    struct ioc_session *s = open_session(sh, node, false, &err);
    c.medium = s ? &s->base : NULL;
    int ret = s ? ioc_run(&c, argc, argv) : ioc_fail(&c, err.code, "%s", err.text);
    ioc_finish(call, ret, argv[0]);
    if (s) {
        ioc_session_unref(sh, s);
    }
    sh->commands--;
}

enum { HMP_WORDS_MAX = 256 };

/* Splits at spaces, in place; words beyond the last possible one are part of it. */
static int split_words(char *text, char **words)
{
    int n = 0;
    for (char *word = text; n < HMP_WORDS_MAX && *(word += strspn(word, " "));) {
        words[n++] = word;
        word += n < HMP_WORDS_MAX ? strcspn(word, " ") : strlen(word);
        if (*word) {
            *word++ = '\0';
        }
    }
    return n;
}

/* The session of what the monitor names, with one more reference. */
static struct ioc_session *monitor_session(struct io_shell *sh, const char *device, bool frontend,
                                           struct error *err)
{
    if (!frontend) {
        return open_session(sh, device, true, err);
    }
    const struct device *d = device_find(sh->layer, device);
    struct guest_port port = { .backend = d ? device_backend(d) : NULL };
    if (port.backend) {
        return join_session(sh, device, &port);
    }
    if (d) {
        error_set(err, -EINVAL, "Device does not have a block device backend");
    } else {
        error_set_class(err, ERROR_DEVICE_NOT_FOUND, -ENODEV, "Device '%s' not found", device);
    }
    return NULL;
}

static void run_monitor_line(struct io_shell *sh, struct ioc_ctx *c, const char *device,
                             bool frontend, const char *command)
{
    struct error err = ERROR_INIT;
    char *words[HMP_WORDS_MAX];
    struct ioc_session *s = monitor_session(sh, device, frontend, &err);
    if (!s) {
        strbuf_printf(c->monitor, "Error: %s\r\n", err.text);
        return;
    }
    char *text = mem_strdup(command);
    int argc = split_words(text, words);
    c->medium = &s->base;
    ioc_run(c, argc, words);
    if (s->owned) {
        ioc_aio_wait(s, c->call); /* QEMU's backend goes with the command. */
    }
    free(text);
    ioc_session_unref(sh, s);
}

void io_shell_hmp(struct io_shell *sh, struct layer *l, const char *device, bool frontend,
                  const char *command, struct strbuf *monitor)
{
    struct target_call call = { .done = false };
    struct ioc_ctx c = { .call = &call, .monitor = monitor, .dir = sh->cfg.dir };
    CHECK(co_self(sh->cfg.sim) != NULL);
    sh->layer = l;
    sh->commands++;
    run_monitor_line(sh, &c, device, frontend, command);
    io_shell_forget(sh, &call);
    if (*strbuf_str(&call.output) && sh->cfg.late) {
        sh->cfg.late(sh->cfg.opaque, device, strbuf_str(&call.output));
    }
    call.done = true;
    target_call_fini(&call);
    sh->commands--;
}

void io_shell_forget(struct io_shell *sh, struct target_call *call)
{
    ioc_aio_forget(sh, call);
}
