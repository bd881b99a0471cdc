/* SPDX-License-Identifier: MIT */
/* aio_read and aio_write on the simulated layer: requests in coroutines of their own.
 *
 * A request belongs to its session until it ends.  Its output goes to the statement that started
 * it as long as that is open, else to an aio_flush that waits for it, else to the log. */
#include "scenarios/io_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>

static struct target_call *output_of(const struct ioc_flight *f)
{
    if (f->call) {
        return f->call;
    }
    for (const struct ioc_flusher *w = f->sh->flushers; w; w = w->next) {
        if (w->session == f->session) {
            return w->call;
        }
    }
    return NULL;
}

void ioc_aio_forget(struct io_shell *sh, const struct target_call *call)
{
    for (struct ioc_flight *f = sh->flights; f; f = f->next) {
        if (f->call == call) {
            f->call = NULL;
        }
    }
}

static void say(const struct ioc_flight *f, const struct strbuf *text)
{
    struct target_call *call = output_of(f);
    if (text->len == 0) {
        return;
    }
    if (call) {
        strbuf_add(&call->output, text->text, text->len);
    } else if (f->sh->cfg.late) {
        f->sh->cfg.late(f->sh->cfg.opaque, f->session->node, text->text);
    }
}

/* Takes the request out of the shell, and wakes who waits for it. */
static void finish(struct ioc_flight *f)
{
    struct io_shell *sh = f->sh;
    struct ioc_flight **p = &sh->flights;
    while (*p != f) {
        p = &(*p)->next;
    }
    *p = f->next;
    for (struct ioc_flusher *w = sh->flushers; w; w = w->next) {
        co_queue_wake_all(&w->wake);
    }
    sh->commands++; /* The end of a session may close nodes, which takes its time. */
    ioc_session_unref(sh, f->session);
    sh->commands--;
    io_aio_free(f->aio);
    free(f);
}

/* Of qemu-io's commands these and aio_flush alone count, and zeroes do not; a frontend counts by
 * itself. */
static int transfer_counted(struct ioc_flight *f, struct iobuf *buf)
{
    struct sim *s = f->sh->cfg.sim;
    struct io_medium *m = &f->session->base;
    if (f->session->port.device || f->aio->zero) {
        return io_aio_transfer(f->aio, m, buf);
    }
    struct acct *acct = backend_acct_edit(f->session->port.backend);
    struct acct_cookie c = acct_start(f->aio->is_read ? ACCT_READ : ACCT_WRITE, f->aio->bytes,
                                      sim_now_ns(s));
    int ret = io_aio_transfer(f->aio, m, buf);
    (ret == 0 ? acct_done : acct_failed)(acct, &c, sim_now_ns(s));
    return ret;
}

static void flight_run(void *opaque)
{
    struct ioc_flight *f = opaque;
    struct iobuf buf = { 0 };
    struct strbuf text = { 0 };
    int ret = transfer_counted(f, &buf);
    io_aio_result(f->aio, &buf, ret, sim_now_ns(f->sh->cfg.sim), &text);
    say(f, &text);
    strbuf_free(&text);
    finish(f);
}

void ioc_submit(struct io_medium *m, struct target_call *call, struct io_aio *a)
{
    struct ioc_session *s = ioc_session_of(m);
    struct ioc_flight **p = &s->sh->flights;
    struct ioc_flight *f = NEW(struct ioc_flight);
    while (*p) {
        p = &(*p)->next;
    }
    *p = f;
    *f = (struct ioc_flight){ .sh = s->sh, .session = ioc_session_ref(s), .call = call, .aio = a };
    co_create(s->sh->cfg.sim, a->is_read ? "io aio_read" : "io aio_write", 0, flight_run, f);
}

/* of NULL: of whatever call. */
static bool has_flights(const struct io_shell *sh, const struct target_call *of)
{
    const struct ioc_flight *f = sh->flights;
    while (f && of && f->call != of) {
        f = f->next;
    }
    return f != NULL;
}

static void wait_flights(struct ioc_session *s, struct target_call *call,
                         const struct target_call *of)
{
    struct io_shell *sh = s->sh;
    struct ioc_flusher f = { .session = s, .call = call, .wake = { .what = "aio requests" },
                             .next = sh->flushers };
    sh->flushers = &f;
    while (has_flights(sh, of)) {
        co_queue_wait(sh->cfg.sim, &f.wake);
    }
    struct ioc_flusher **p = &sh->flushers;
    while (*p != &f) {
        p = &(*p)->next;
    }
    *p = f.next;
}

void ioc_aio_wait(struct ioc_session *s, struct target_call *call)
{
    wait_flights(s, call, call);
}

void ioc_aio_flush(struct io_medium *m, struct target_call *call)
{
    struct ioc_session *s = ioc_session_of(m);
    struct sim *sim = s->sh->cfg.sim;
    struct acct_cookie c = acct_start(ACCT_FLUSH, 0, sim_now_ns(sim));
    wait_flights(s, call, NULL);
    acct_done(backend_acct_edit(s->port.backend), &c, sim_now_ns(sim));
}
