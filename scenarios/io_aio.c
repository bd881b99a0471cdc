/* SPDX-License-Identifier: MIT */
/* aio_read, aio_write, aio_flush: requests in coroutines of their own.
 *
 * A request belongs to its session until it ends.  Its output goes to the statement that started
 * it as long as that is open, else to an aio_flush that waits for it, else to the log. */
#include "scenarios/io_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

static struct target_call *output_of(const struct ioc_aio *a)
{
    if (a->call) {
        return a->call;
    }
    for (const struct ioc_flusher *f = a->sh->flushers; f; f = f->next) {
        if (f->session == a->session) {
            return f->call;
        }
    }
    return NULL;
}

void ioc_aio_forget(struct io_shell *sh, const struct target_call *call)
{
    for (struct ioc_aio *a = sh->aio; a; a = a->next) {
        if (a->call == call) {
            a->call = NULL;
        }
    }
}

static void put_result(const struct ioc_aio *a, const struct iobuf *buf, int ret,
                       struct strbuf *out)
{
    if (ret < 0) {
        strbuf_printf(out, "%s failed: %s\n", a->is_read ? "readv" : "aio_write",
                      error_strerror(-ret));
        return;
    }
    if (a->check && !ioc_matches(buf, 0, a->bytes, a->pattern)) {
        strbuf_printf(out, "Pattern verification failed at offset %" PRId64 ", %" PRId64
                      " bytes\n", a->offset, a->bytes);
    }
    if (a->quiet) {
        return;
    }
    if (a->dump) {
        ioc_format_dump(out, a->offset, buf);
    }
    ioc_format_report(out, a->is_read ? "read" : "wrote",
                     sim_now_ns(a->sh->cfg.sim) - a->start_ns, a->offset, a->bytes, a->machine);
}

static void say(const struct ioc_aio *a, const struct strbuf *text)
{
    struct target_call *call = output_of(a);
    if (text->len == 0) {
        return;
    }
    if (call) {
        strbuf_add(&call->output, text->text, text->len);
    } else if (a->sh->cfg.late) {
        a->sh->cfg.late(a->sh->cfg.opaque, a->session->node, text->text);
    }
}

/* Takes the request out of the shell, and wakes who waits for it. */
static void finish(struct ioc_aio *a)
{
    struct io_shell *sh = a->sh;
    struct ioc_aio **p = &sh->aio;
    while (*p != a) {
        p = &(*p)->next;
    }
    *p = a->next;
    for (struct ioc_flusher *f = sh->flushers; f; f = f->next) {
        if (f->session == a->session) {
            co_queue_wake_all(&f->wake);
        }
    }
    sh->commands++; /* The end of a session may close nodes, which takes its time. */
    ioc_session_unref(sh, a->session);
    sh->commands--;
    free(a->memory);
    free(a->iov);
    free(a);
}

static int aio_transfer(struct ioc_aio *a, struct iobuf *buf)
{
    struct guest *g = a->sh->cfg.guest;
    const struct guest_port *p = &a->session->port;
    if (a->zero) {
        return guest_write_zeroes(g, p, a->offset, a->bytes, a->flags);
    }
    *buf = a->is_read ? iobuf_iov(a->iov, a->iov_count, (size_t)a->bytes)
                      : ioc_write_buf(a->iov, a->iov_count, a->bytes, a->pattern);
    return a->is_read ? guest_read(g, p, a->offset, buf, 0)
                      : guest_write(g, p, a->offset, buf, a->flags);
}

/* Of qemu-io's commands these alone count; a frontend counts by itself. */
static int aio_counted(struct ioc_aio *a, struct iobuf *buf)
{
    struct sim *s = a->sh->cfg.sim;
    if (a->session->port.device) {
        return aio_transfer(a, buf);
    }
    struct acct *acct = backend_acct_edit(a->session->port.backend);
    struct acct_cookie c = acct_start(a->is_read ? ACCT_READ : ACCT_WRITE, a->bytes,
                                      sim_now_ns(s));
    int ret = aio_transfer(a, buf);
    (ret == 0 ? acct_done : acct_failed)(acct, &c, sim_now_ns(s));
    return ret;
}

static void aio_run(void *opaque)
{
    struct ioc_aio *a = opaque;
    struct iobuf buf = { 0 };
    struct strbuf text = { 0 };
    int ret = aio_counted(a, &buf);
    put_result(a, &buf, ret, &text);
    say(a, &text);
    strbuf_free(&text);
    finish(a);
}

static void submit(struct ioc_ctx *c, struct ioc_aio *a)
{
    struct ioc_aio **p = &c->sh->aio;
    while (*p) {
        p = &(*p)->next;
    }
    *p = a;
    a->sh = c->sh;
    a->session = ioc_session_ref(c->session);
    a->call = c->call;
    a->start_ns = sim_now_ns(c->sh->cfg.sim);
    co_create(c->sh->cfg.sim, a->is_read ? "io aio_read" : "io aio_write", 0, aio_run, a);
}

static int aio_option(struct ioc_ctx *c, int letter, const char *value, struct ioc_aio *a)
{
    switch (letter) {
    case 'C':
        a->machine = true;
        return 0;
    case 'f':
        a->flags |= IO_FUA;
        return 0;
    case 'i':
        return ioc_fail(c, -ENOTSUP, "%s: -i is not available here", c->name);
    case 'P':
        a->check = a->is_read;
        return ioc_parse_pattern(c, value, &a->pattern);
    case 'q':
        a->quiet = true;
        return 0;
    case 'u':
        a->flags |= IO_MAY_UNMAP;
        return 0;
    case 'v':
        a->dump = true;
        return 0;
    case 'z':
        a->zero = true;
        return 0;
    default:
        return -EINVAL;
    }
}

/* Offset and lengths.  Zeroes need no memory and may be longer. */
static int aio_range(struct ioc_ctx *c, struct ioc_getopt *g, struct ioc_aio *a)
{
    if (g->args_len < 2) {
        return ioc_usage(c);
    }
    if (a->zero && g->args_len > 2) {
        return ioc_fail(c, -EINVAL, "-z supports only a single length parameter");
    }
    if ((a->flags & IO_MAY_UNMAP) && !a->zero) {
        return ioc_fail(c, -EINVAL, "-u requires -z to be specified");
    }
    int ret = ioc_parse_size(c, g->args[0], &a->offset);
    if (ret < 0) {
        return ret;
    }
    if (a->zero) {
        return ioc_parse_size(c, g->args[1], &a->bytes);
    }
    a->iov_count = g->args_len - 1;
    ret = ioc_vector(c, g->args + 1, a->iov_count, &a->iov, &a->memory, &a->bytes);
    if (ret == 0 && a->dump && a->bytes > IO_DUMP_MAX) {
        ret = ioc_fail(c, -EINVAL, "a dump of more than %d bytes is not possible here",
                      IO_DUMP_MAX);
    }
    if (ret == 0 && a->is_read) {
        ioc_paint(c, a->memory, a->offset, a->bytes);
    }
    return ret;
}

static int aio_command(struct ioc_ctx *c, int argc, char **argv, bool is_read, const char *spec)
{
    struct ioc_aio *a = NEW(struct ioc_aio);
    struct ioc_getopt g;
    int letter, ret = 0;
    *a = (struct ioc_aio){ .is_read = is_read, .pattern = IO_DEFAULT_PATTERN };
    ioc_getopt_init(&g, argc, argv);
    while (ret == 0 && (letter = ioc_getopt_next(c, &g, spec)) != 0) {
        ret = aio_option(c, letter, g.value, a);
    }
    if (ret == 0) {
        ret = aio_range(c, &g, a);
    }
    ioc_getopt_fini(&g);
    if (ret < 0) {
        free(a->memory);
        free(a->iov);
        free(a);
        return ret;
    }
    submit(c, a);
    return 0;
}

int ioc_cmd_aio_read(struct ioc_ctx *c, int argc, char **argv)
{
    return aio_command(c, argc, argv, true, "CiP:qv");
}

int ioc_cmd_aio_write(struct ioc_ctx *c, int argc, char **argv)
{
    return aio_command(c, argc, argv, false, "CfiP:quz");
}

static bool session_busy(const struct io_shell *sh, const struct ioc_session *s)
{
    for (const struct ioc_aio *a = sh->aio; a; a = a->next) {
        if (a->session == s) {
            return true;
        }
    }
    return false;
}

int ioc_cmd_aio_flush(struct ioc_ctx *c, int argc, char **argv)
{
    struct io_shell *sh = c->sh;
    struct ioc_flusher f = { .session = c->session, .call = c->call,
                            .wake = { .what = "aio requests" }, .next = sh->flushers };
    CHECK(argc == 1 && argv != NULL);
    sh->flushers = &f;
    while (session_busy(sh, c->session)) {
        co_queue_wait(sh->cfg.sim, &f.wake);
    }
    struct ioc_flusher **p = &sh->flushers;
    while (*p != &f) {
        p = &(*p)->next;
    }
    *p = f.next;
    return 0;
}
