/* SPDX-License-Identifier: MIT */
/* One poll loop for signals, sockets and the world.
 *
 *   read -> feed -> run the world -> write -> wait
 *            ^------------+  while there is something to run or to feed
 *
 * 1. The world runs an instant at a time, so a request out of band is seen while another takes
 *    virtual time for ever.
 * 2. On the virtual clock no time passes while no monitor is busy.
 */
#include "app/qmp_server.h"

#include "app/app.h"
#include "app/host.h"
#include "app/qmp_client.h"
#include "base/check.h"
#include "base/mem.h"
#include "model/layer.h"
#include "scenarios/target_sim.h"
#include "sim/host_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { INSTANTS_A_LOOK = 64, FLUSH_WAIT_MS = 2000 };

struct server {
    const struct qmp_server_config *cfg;
    struct run_world *world;
    struct sim *sim;
    struct qmp_client *clients;
    size_t len;
    int signal_fd;
    sigset_t old_mask;
    bool quit, stuck, complained;
    int64_t start_ns;   /* Of the machine's clock, at the world's time 0. */
    int64_t wall_us;    /* Of the calendar, at the world's time 0; real clock. */
    bool looked;        /* Oracles have seen the world as it is. */
};

/* ---- What the layer says ---- */

/* The layer tells virtual time; on the real clock that is moved to the calendar's. */
static void stamp(const struct server *s, json_t *event)
{
    int64_t us = s->wall_us + sim_now_ns(s->sim) / NS_PER_US;
    json_object_set_new(event, "timestamp",
                        json_pack("{s:I, s:I}", "seconds", (json_int_t)(us / 1000000),
                                  "microseconds", (json_int_t)(us % 1000000)));
}

static void on_event(void *opaque, const struct event *event)
{
    struct server *s = opaque;
    json_t *shown = event_value(event->text);
    if (s->cfg->real_clock) {
        stamp(s, shown);
    }
    for (size_t i = 0; i < s->len; i++) {
        monitor_event(s->clients[i].monitor, shown);
    }
    json_decref(shown);
}

static void on_quit(void *opaque)
{
    struct server *s = opaque;
    s->quit = true;
}

/* qemu-io prints on the standard output, which may be a monitor itself. */
static void on_output(void *opaque, const char *node, const char *text)
{
    struct server *s = opaque;
    FILE *f = s->clients[0].listen_fd < 0 ? stderr : stdout;
    (void)node;
    fputs(text, f);
    fflush(f);
}

/* The file behind it waits for the command that takes it (add-fd, getfd).  On a simulated host
 * there is none, and the command says so. */
static void on_fd(void *opaque, int fd)
{
    struct server *s = opaque;
    struct host *host = target_sim_host(s->world->target);
    if (s->world->posix) {
        char *path = mem_printf("/proc/self/fd/%d", fd);
        bool writable = (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
        host_fd_pass(host, path, writable ? HOST_WRITE : 0);
        free(path);
    }
    close(fd);
}

static void on_signal(struct server *s)
{
    struct layer *l = target_sim_layer(s->world->target);
    s->quit = true;
    if (l) {
        layer_tell_shutdown(l, "host-signal");
    }
}

/* ---- The world ---- */

static bool is_busy(const struct server *s)
{
    for (size_t i = 0; i < s->len; i++) {
        if (monitor_is_busy(s->clients[i].monitor)) {
            return true;
        }
    }
    return false;
}

/* To the end of the instant until_ns. */
static void run_to(struct server *s, int64_t until_ns)
{
    struct target *t = s->world->target;
    s->stuck = t->ops->run(t, NULL, until_ns) == -ELOOP;
}

/* One instant.  0: there is more to do at once; -1: nothing before somebody asks; else how many
 * nanoseconds may pass. */
static int64_t step_virtual(struct server *s)
{
    run_to(s, sim_now_ns(s->sim));
    const struct timer *next = clock_next(&s->sim->clock);
    if (!is_busy(s) || !next || s->stuck) {
        return -1;
    }
    run_to(s, next->deadline_ns);
    return s->stuck ? -1 : 0;
}

static int64_t step_real(struct server *s)
{
    int64_t now_ns = host_now_ns() - s->start_ns;
    run_to(s, MAX(now_ns, sim_now_ns(s->sim)));
    const struct timer *next = clock_next(&s->sim->clock);
    return next && !s->stuck ? MAX(next->deadline_ns - now_ns, 1) : -1;
}

static void look(struct server *s)
{
    if (!s->cfg->check || s->looked || is_busy(s)) {
        return;
    }
    s->looked = true;
    const char *failure = run_world_check(s->world);
    if (failure && !s->complained) {
        s->complained = true;
        app_complain("qmp: %s", failure);
    }
}

/* Feeds and runs until there is nothing to do at once, but not for long. */
static int64_t work(struct server *s)
{
    int64_t wait_ns = 0;
    for (int n = 0; wait_ns == 0 && n < INSTANTS_A_LOOK && !s->quit; n++) {
        bool fed = false;
        for (size_t i = 0; i < s->len; i++) {
            fed |= qmp_client_feed(&s->clients[i]);
        }
        wait_ns = s->cfg->real_clock ? step_real(s) : step_virtual(s);
        s->looked &= !fed;
        look(s);
        /* What was answered makes room for what follows it. */
        for (size_t i = 0; i < s->len && wait_ns != 0; i++) {
            const struct qmp_client *c = &s->clients[i];
            wait_ns = fed && c->in_at < c->in_len ? 0 : wait_ns;
        }
    }
    for (size_t i = 0; i < s->len; i++) {
        qmp_client_flush(&s->clients[i]);
    }
    return wait_ns;
}

/* ---- The loop ---- */

static int timeout_ms(int64_t wait_ns)
{
    return wait_ns < 0 ? -1 : (int)MIN((wait_ns + NS_PER_MS - 1) / NS_PER_MS, INT_MAX);
}

/* Two descriptors a client, and that of signals. */
static void fill_polls(const struct server *s, struct pollfd *polls)
{
    for (size_t i = 0; i < s->len; i++) {
        const struct qmp_client *c = &s->clients[i];
        bool there = qmp_client_connected(c), unsent = qmp_client_unsent(c) > 0;
        int in_fd = there ? (qmp_client_wants(c) || c->listen_fd >= 0 ? c->in_fd : -1)
                          : c->listen_fd;
        polls[2 * i] = (struct pollfd){ .fd = in_fd,
                                        .events = !there || qmp_client_wants(c) ? POLLIN : 0 };
        polls[2 * i + 1] = (struct pollfd){ .fd = there && unsent ? c->out_fd : -1,
                                            .events = POLLOUT };
    }
    polls[2 * s->len] = (struct pollfd){ .fd = s->signal_fd, .events = POLLIN };
}

static void take_polls(struct server *s, const struct pollfd *polls)
{
    for (size_t i = 0; i < s->len; i++) {
        struct qmp_client *c = &s->clients[i];
        if (polls[2 * i].revents == 0) {
            continue;
        }
        if (!qmp_client_connected(c)) {
            qmp_client_accept(c);
        } else if (qmp_client_wants(c)) {
            qmp_client_read(c);
        } else if (polls[2 * i].revents & (POLLHUP | POLLERR)) {
            qmp_client_drop(c); /* It went while its commands run. */
        }
    }
    if (polls[2 * s->len].revents) {
        struct signalfd_siginfo info;
        ssize_t n = read(s->signal_fd, &info, sizeof(info));
        if (n == (ssize_t)sizeof(info)) {
            on_signal(s);
        }
    }
}

/* stdin is at its end, and all that it brought was answered. */
static bool is_over(const struct server *s)
{
    const struct qmp_client *c = &s->clients[0];
    return c->listen_fd < 0 && c->eof && c->in_at == c->in_len && !is_busy(s);
}

static void loop(struct server *s)
{
    struct pollfd *polls = NEW_ARRAY(struct pollfd, 2 * s->len + 1);
    while (!s->quit) {
        int64_t wait_ns = work(s);
        if (s->quit || is_over(s)) {
            break;
        }
        fill_polls(s, polls);
        if (poll(polls, 2 * s->len + 1, timeout_ms(wait_ns)) > 0) {
            take_polls(s, polls);
        }
    }
    free(polls);
}

/* The last replies, for clients that read. */
static void flush_all(struct server *s)
{
    for (size_t i = 0; i < s->len; i++) {
        struct qmp_client *c = &s->clients[i];
        qmp_client_flush(c);
        while (qmp_client_connected(c) && qmp_client_unsent(c) > 0) {
            struct pollfd room = { .fd = c->out_fd, .events = POLLOUT };
            if (poll(&room, 1, FLUSH_WAIT_MS) <= 0) {
                break;
            }
            qmp_client_flush(c);
        }
    }
}

/* ---- Beginning and end ---- */

static int open_clients(struct server *s, struct error *err)
{
    size_t n = 0;
    while (s->cfg->sockets[n]) {
        n++;
    }
    s->clients = NEW_ARRAY(struct qmp_client, MAX(n, (size_t)1));
    s->len = MAX(n, (size_t)1);
    for (size_t i = 0; i < s->len; i++) {
        struct qmp_client *c = &s->clients[i];
        *c = (struct qmp_client){ .listen_fd = -1, .in_fd = -1, .out_fd = -1, .take_fd = on_fd,
                                  .opaque = s };
        c->monitor = monitor_create(&(struct monitor_config){
            .layer = target_sim_layer(s->world->target), .send = qmp_client_send, .opaque = c });
    }
    for (size_t i = 0; i < n; i++) {
        if (qmp_client_listen(&s->clients[i], s->cfg->sockets[i], err) < 0) {
            return err->code;
        }
    }
    if (n == 0) {
        qmp_client_use_stdio(&s->clients[0]);
    }
    return 0;
}

static void close_clients(struct server *s)
{
    bool never = false;
    for (size_t i = 0; i < s->len; i++) {
        qmp_client_fini(&s->clients[i]);
    }
    /* What has begun ends, and whatever it waits for lets it. */
    int ret = is_busy(s) ? target_sim_release(s->world->target, !s->world->posix) : 0;
    if (ret == 0 && is_busy(s)) {
        s->world->target->ops->run(s->world->target, &never, SIM_FOREVER);
    }
    if (ret < 0 || is_busy(s)) {
        run_world_give_up(s->world);
        return;
    }
    for (size_t i = 0; i < s->len; i++) {
        monitor_destroy(s->clients[i].monitor);
    }
    free(s->clients);
}

static void open_signals(struct server *s)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, &s->old_mask);
    s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
    CHECK(s->signal_fd >= 0);
}

int qmp_server_run(const struct qmp_server_config *cfg, struct run_world *w, struct error *err)
{
    struct layer *l = target_sim_layer(w->target);
    struct server s = { .cfg = cfg, .world = w };
    if (!l) {
        return error_set(err, -EIO, "the power is off");
    }
    s.sim = layer_sim(l);
    s.start_ns = host_now_ns() - sim_now_ns(s.sim);
    s.wall_us = host_wall_us() - sim_now_ns(s.sim) / NS_PER_US;
    void (*old_pipe)(int) = signal(SIGPIPE, SIG_IGN);
    open_signals(&s);
    target_sim_allow_steps(w->target, UINT64_MAX / 2);
    target_sim_poll(w->target, true);
    target_sim_on_quit(w->target, on_quit, &s);
    layer_on_event(l, on_event, &s);
    run_world_on_output(w, on_output, &s);
    int ret = open_clients(&s, err);
    if (ret == 0) {
        loop(&s);
        flush_all(&s);
    }
    close_clients(&s);
    target_sim_on_quit(w->target, NULL, NULL);
    layer_on_event(l, NULL, NULL);
    target_sim_poll(w->target, false);
    close(s.signal_fd);
    sigprocmask(SIG_SETMASK, &s.old_mask, NULL);
    signal(SIGPIPE, old_pipe);
    return ret;
}
