/* SPDX-License-Identifier: MIT */
/* The shell of the `io` verb: the table of commands, sessions, and where output goes.
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
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct ioc_cmd ioc_cmds[] = {
    { "aio_flush", NULL, ioc_cmd_aio_flush, 0, 0, 0, "",
      "completes all outstanding aio requests" },
    { "aio_read", NULL, ioc_cmd_aio_read, 2, -1, 0, "[-Ciqv] [-P pattern] off len [len..]",
      "asynchronously reads a number of bytes" },
    { "aio_write", NULL, ioc_cmd_aio_write, 2, -1, PERM_WRITE,
      "[-Cfiquz] [-P pattern] off len [len..]", "asynchronously writes a number of bytes" },
    { "alloc", "a", ioc_cmd_alloc, 1, 2, 0, "offset [count]",
      "checks if offset is allocated in the file" },
    { "break", NULL, ioc_cmd_break, 2, 2, 0, "event tag",
      "sets a breakpoint on event and tags the stopped request as tag" },
    { "discard", "d", ioc_cmd_discard, 2, -1, PERM_WRITE, "[-Cq] off len",
      "discards a number of bytes at a specified offset" },
    { "flush", "f", ioc_cmd_flush, 0, 0, 0, "", "flush all in-core file state to disk" },
    { "help", "?", ioc_cmd_help, 0, 1, 0, "[command]", "help for one or all commands" },
    { "info", "i", ioc_cmd_info, 0, 0, 0, "", "prints information about the current file" },
    { "length", "l", ioc_cmd_length, 0, 0, 0, "", "gets the length of the current file" },
    { "map", NULL, ioc_cmd_map, 0, 0, 0, "", "prints the allocated areas of a file" },
    { "read", "r", ioc_cmd_read, 2, -1, 0, "[-abCqv] [-P pattern [-s off] [-l len]] off len",
      "reads a number of bytes at a specified offset" },
    { "readv", NULL, ioc_cmd_readv, 2, -1, 0, "[-Cqv] [-P pattern] off len [len..]",
      "reads a number of bytes at a specified offset" },
    { "remove_break", NULL, ioc_cmd_remove_break, 1, 1, 0, "tag", "remove a breakpoint by tag" },
    { "resume", NULL, ioc_cmd_resume, 1, 1, 0, "tag", "resumes the request tagged as tag" },
    { "sleep", NULL, ioc_cmd_sleep, 1, 1, 0, "", "waits for the given value in milliseconds" },
    { "truncate", "t", ioc_cmd_truncate, 1, 3, PERM_WRITE | PERM_RESIZE, "[-m prealloc_mode] off",
      "truncates the current file at the given offset" },
    { "wait_break", NULL, ioc_cmd_wait_break, 1, 1, 0, "tag",
      "waits for the suspension of a request" },
    { "write", "w", ioc_cmd_write, 2, -1, PERM_WRITE,
      "[-bcCfnquz] [-P pattern | -s source_file] off len",
      "writes a number of bytes at a specified offset" },
    { "writev", NULL, ioc_cmd_writev, 2, -1, PERM_WRITE, "[-Cfq] [-P pattern] off len [len..]",
      "writes a number of bytes at a specified offset" },
    { 0 },
};

static const struct ioc_cmd *find_cmd(const char *name)
{
    for (const struct ioc_cmd *c = ioc_cmds; c->name; c++) {
        if (strcmp(c->name, name) == 0 || (c->alias && strcmp(c->alias, name) == 0)) {
            return c;
        }
    }
    return NULL;
}

const char *io_command_name(size_t i, const char **args, const char **help)
{
    const struct ioc_cmd *c = ioc_cmds;
    while (c->name && i > 0) {
        c++;
        i--;
    }
    if (args) {
        *args = c->args;
    }
    if (help) {
        *help = c->help;
    }
    return c->name;
}

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
    CHECK(!sh->sessions && !sh->aio && sh->commands == 0);
    forget_tags(sh);
    free(sh);
}

size_t io_shell_busy(const struct io_shell *sh)
{
    size_t n = sh->commands;
    for (const struct ioc_aio *a = sh->aio; a; a = a->next) {
        n++;
    }
    return n;
}

/* Output. */

void ioc_print(struct ioc_ctx *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = mem_vprintf(fmt, ap);
    va_end(ap);
    strbuf_puts(&c->call->output, text);
    free(text);
}

int ioc_fail(struct ioc_ctx *c, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = mem_vprintf(fmt, ap);
    va_end(ap);
    CHECK(code < 0);
    ioc_print(c, "%s\n", text);
    if (c->call->err.code == 0) {
        error_set(&c->call->err, code, "%s", text);
    }
    free(text);
    return code;
}

static void put_usage(struct ioc_ctx *c, const struct ioc_cmd *cmd, const char *name)
{
    ioc_print(c, "%s %s%s-- %s\n", name, cmd->args, *cmd->args ? " " : "", cmd->help);
}

int ioc_usage(struct ioc_ctx *c)
{
    if (c->call->err.code == 0) {
        error_set(&c->call->err, -EINVAL, "%s %s", c->name, c->cmd->args);
    }
    put_usage(c, c->cmd, c->name);
    return -EINVAL;
}

int ioc_cmd_help(struct ioc_ctx *c, int argc, char **argv)
{
    if (argc == 2) {
        const struct ioc_cmd *cmd = find_cmd(argv[1]);
        if (!cmd) {
            ioc_print(c, "command %s not found\n", argv[1]);
            return 0;
        }
        put_usage(c, cmd, argv[1]);
        return 0;
    }
    for (const struct ioc_cmd *cmd = ioc_cmds; cmd->name; cmd++) {
        put_usage(c, cmd, cmd->name);
    }
    ioc_print(c, "\nUse 'help commandname' for extended help.\n");
    return 0;
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
    *s = (struct ioc_session){ .node = mem_strdup(name), .port = *port, .owned = owned, .refs = 1,
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
static struct ioc_session *node_session(struct ioc_ctx *c, struct node *node, const char *name,
                                        struct error *err)
{
    struct ioc_session *s = find_session(c->sh, node, NULL);
    if (s) {
        return ioc_session_ref(s);
    }
    struct guest_port port = {
        .backend = backend_create(c->layer, NULL, (struct perm_pair){ 0, PERM_ALL })
    };
    if (backend_insert(port.backend, node, err) < 0) {
        backend_destroy(port.backend);
        return NULL;
    }
    return new_session(c->sh, name, &port, true);
}

/* The frontend of that id, or the block device of that name; false: neither is there.  The monitor
 * goes through the frontend's backend like any other. */
static bool find_port(const struct ioc_ctx *c, const char *name, struct guest_port *port)
{
    struct device *d = c->monitor ? NULL : device_find(c->layer, name);
    struct backend *b = d ? device_backend(d) : layer_find_backend(c->layer, name);
    *port = (struct guest_port){ .backend = b, .device = d };
    return b != NULL;
}

/* A session for a node, frontend or block device, with one more reference.  Errors: there is
 * nothing of that name; permissions. */
static struct ioc_session *open_session(struct ioc_ctx *c, const char *name, struct error *err)
{
    struct guest_port port;
    struct node *node = c->monitor ? NULL : layer_find_node(c->layer, name);
    if (!node && find_port(c, name, &port)) {
        return join_session(c->sh, name, &port);
    }
    node = layer_find_node(c->layer, name);
    if (!node) {
        error_set(err, -ENODEV, "Cannot find device='' nor node-name='%s'", name);
        return NULL;
    }
    return node_session(c, node, name, err);
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

static int check_count(struct ioc_ctx *c, int argc)
{
    int n = argc - 1, min = c->cmd->args_min, max = c->cmd->args_max;
    if (n >= min && (max < 0 || n <= max)) {
        return 0;
    }
    if (max < 0) {
        return ioc_fail(c, -EINVAL, "bad argument count %d to %s, expected at least %d arguments",
                       n, c->name, min);
    }
    if (min == max) {
        return ioc_fail(c, -EINVAL, "bad argument count %d to %s, expected %d arguments", n,
                       c->name, min);
    }
    return ioc_fail(c, -EINVAL, "bad argument count %d to %s, expected between %d and %d arguments",
                   n, c->name, min, max);
}

static int run_cmd(struct ioc_ctx *c, int argc, char **argv)
{
    int ret = check_count(c, argc);
    if (ret < 0) {
        return ret;
    }
    struct error err = ERROR_INIT;
    ret = ioc_take_perm(c->session, c->cmd->perm, &err);
    if (ret < 0 && c->monitor) {
        strbuf_printf(c->monitor, "%s\r\n", err.text);
        return ret;
    }
    if (ret < 0) {
        return ioc_fail(c, ret, "%s", err.text);
    }
    return c->cmd->fn(c, argc, argv);
}

/* What a driver below has to say that has no place in an error code: blkverify's first difference.
 * A new object, empty when there is nothing. */
static json_t *driver_message(struct ioc_ctx *c)
{
    json_t *reply = json_object();
    backend_command(c->session->port.backend, "last_message", NULL, reply);
    return reply;
}

/* The command, and after it what a driver said meanwhile. */
static int run_listening(struct ioc_ctx *c, int argc, char **argv)
{
    json_t *before = driver_message(c);
    int ret = run_cmd(c, argc, argv);
    json_t *after = driver_message(c);
    const char *text = json_string_value(json_object_get(after, "message"));
    if (ret < 0 && text && !json_equal(before, after)) {
        ioc_print(c, "%s\n", text);
    }
    json_decref(before);
    json_decref(after);
    return ret;
}

/* The session is there. */
static int run_words(struct ioc_ctx *c, int argc, char **argv)
{
    if (argc == 0) {
        return 0;
    }
    c->cmd = find_cmd(argv[0]);
    c->name = argv[0];
    return c->cmd ? run_listening(c, argc, argv)
                  : ioc_fail(c, -ENOENT, "command \"%s\" not found", argv[0]);
}

void io_shell_run(struct io_shell *sh, struct layer *l, const char *node, int argc, char **argv,
                  struct target_call *call)
{
    struct ioc_ctx c = { .sh = sh, .layer = l, .call = call };
    struct error err = ERROR_INIT;
    CHECK(argc >= 0 && co_self(sh->cfg.sim) != NULL);
    sh->layer = l;
    sh->commands++;
    c.session = open_session(&c, node, &err);
    int ret = c.session ? run_words(&c, argc, argv) : ioc_fail(&c, err.code, "%s", err.text);
    call->failed = ret < 0;
    if (ret < 0 && call->err.code == 0) {
        error_set(&call->err, ret, "%s failed: %s", argv[0], error_strerror(-ret));
    }
    if (c.session) {
        ioc_session_unref(sh, c.session);
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

static void run_monitor_line(struct ioc_ctx *c, const char *device, bool frontend,
                             const char *command)
{
    struct error err = ERROR_INIT;
    char *words[HMP_WORDS_MAX];
    if (frontend) {
        const struct device *d = device_find(c->layer, device);
        struct guest_port port = { .backend = d ? device_backend(d) : NULL };
        if (port.backend) {
            c->session = join_session(c->sh, device, &port);
        } else if (d) {
            error_set(&err, -EINVAL, "Device does not have a block device backend");
        } else {
            error_set_class(&err, ERROR_DEVICE_NOT_FOUND, -ENODEV, "Device '%s' not found",
                            device);
        }
    } else {
        c->session = open_session(c, device, &err);
    }
    if (!c->session) {
        strbuf_printf(c->monitor, "Error: %s\r\n", err.text);
        return;
    }
    char *text = mem_strdup(command);
    int argc = split_words(text, words);
    run_words(c, argc, words);
    free(text);
    ioc_session_unref(c->sh, c->session);
}

void io_shell_hmp(struct io_shell *sh, struct layer *l, const char *device, bool frontend,
                  const char *command, struct strbuf *monitor)
{
    struct target_call call = { .done = false };
    struct ioc_ctx c = { .sh = sh, .layer = l, .call = &call, .monitor = monitor };
    CHECK(co_self(sh->cfg.sim) != NULL);
    sh->layer = l;
    sh->commands++;
    run_monitor_line(&c, device, frontend, command);
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
