/* SPDX-License-Identifier: MIT */
/* The parent's half of the workers.
 *
 * One poll loop: signals, the tick, and of each worker its results and its stderr.
 *
 * 1. A worker runs its queue in order, so the unit it died in is the first without a result;
 *    what lies behind it goes back to be handed out again.
 * 2. A worker's death is seen as the end of its result pipe; its stderr is read to the end before
 *    the verdict is made.
 * 3. Results are emitted in the order of the units: a result waits until those before it are there.
 * 4. No clock is read: the watchdog and the tick count expiries of one timer.
 */
#include "app/worker.h"

#include "app/host.h"
#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { AHEAD = 2, STDERR_TAIL = 8192, READ_BYTES = 65536 };

struct worker {
    pid_t pid; /* 0: none. */
    int order_fd, result_fd, stderr_fd;
    size_t queue[AHEAD];
    size_t queue_len;
    size_t last_unit;     /* The last that was finished. */
    struct strbuf in;     /* Bytes of results that are not whole yet. */
    struct strbuf errors; /* stderr since the mark of the first queued unit, marks included. */
    unsigned ticks;       /* Since the first queued unit began. */
    bool hung;            /* Killed by the watchdog while it ran hung_unit. */
    size_t hung_unit;
    bool ended; /* The result pipe is at its end. */
    char *work_dir;
};

struct pool {
    const struct pool_config *cfg;
    const struct pool_sink *sink;
    struct worker *workers;
    struct worker_slot *slots; /* Shared page. */
    size_t slots_bytes;
    struct pollfd *polls;
    int signal_fd, timer_fd;
    sigset_t old_mask;
    size_t *back; /* Units handed out to workers that died before they ran them. */
    size_t back_len;
    size_t next;  /* First unit never handed out. */
    size_t emit;  /* First unit not emitted. */
    size_t done;
    uint32_t ticks;
    bool stop;
};

/* --- Handing out and emitting --- */

/* The next unit to run; false when there is none. */
static bool take_unit(struct pool *p, size_t *unit)
{
    if (p->back_len) {
        *unit = p->back[--p->back_len];
        return true;
    }
    while (p->next < p->cfg->units->len && p->cfg->results[p->next]) {
        p->next++;
    }
    if (p->next == p->cfg->units->len) {
        return false;
    }
    *unit = p->next++;
    return true;
}

static void feed(struct pool *p, struct worker *w)
{
    size_t unit;
    while (w->pid && !w->ended && w->order_fd >= 0 && w->queue_len < AHEAD) {
        if (!take_unit(p, &unit)) {
            if (w->queue_len == 0) { /* Nothing left: the end of its orders ends it. */
                close(w->order_fd);
                w->order_fd = -1;
            }
            return;
        }
        struct worker_order order = { .unit = unit };
        w->queue[w->queue_len++] = unit;
        ssize_t n = write(w->order_fd, &order, sizeof(order));
        if (n != (ssize_t)sizeof(order)) {
            return; /* It died; the end of its result pipe tells the rest. */
        }
    }
}

static void emit_one(struct pool *p, size_t unit)
{
    struct result *r = p->cfg->results[unit];
    if (!p->stop && p->sink->result(p->sink->opaque, unit, r)) {
        p->stop = true;
    }
    result_fini(r);
    free(r);
    p->cfg->results[unit] = NULL;
}

/* Emits what is next in order; with all, also what comes after a gap. */
static void emit_ready(struct pool *p, bool all)
{
    size_t len = p->cfg->units->len;
    while (p->emit < len && !p->stop && (p->cfg->results[p->emit] || all)) {
        if (p->cfg->results[p->emit]) {
            emit_one(p, p->emit);
        }
        p->emit++;
    }
}

static void finish_unit(struct pool *p, struct worker *w, struct result *r)
{
    CHECK(w->queue_len > 0 && p->cfg->results[w->queue[0]] == NULL);
    p->cfg->results[w->queue[0]] = r;
    w->last_unit = w->queue[0];
    w->queue_len--;
    memmove(w->queue, w->queue + 1, w->queue_len * sizeof(w->queue[0]));
    w->ticks = 0;
    p->done++;
}

/* --- Making and ending workers --- */

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

/* In the new process: keeps its own ends only. */
static void enter_child(struct pool *p, size_t index, int order_fd, int result_fd, int stderr_fd)
{
    struct worker *w = &p->workers[index];
    for (size_t i = 0; i < p->cfg->workers; i++) {
        close_fd(&p->workers[i].order_fd);
        close_fd(&p->workers[i].result_fd);
        close_fd(&p->workers[i].stderr_fd);
    }
    close_fd(&p->signal_fd);
    close_fd(&p->timer_fd);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_IGN); /* These reach the whole group; the parent decides. */
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    sigprocmask(SIG_SETMASK, &p->old_mask, NULL);
    if (dup2(stderr_fd, STDERR_FILENO) < 0) {
        _exit(126);
    }
    close(stderr_fd);
    setvbuf(stderr, NULL, _IOLBF, 0);
    worker_main(p->cfg, order_fd, result_fd, &p->slots[index], w->work_dir);
}

static int open_pipes(int fds[3][2], struct error *err)
{
    for (size_t i = 0; i < 3; i++) {
        if (pipe2(fds[i], O_CLOEXEC) != 0) {
            int code = errno;
            while (i > 0) {
                close(fds[--i][0]);
                close(fds[i][1]);
            }
            return error_set_errno(err, -code, "Cannot make a pipe to a worker");
        }
    }
    return 0;
}

static int start_worker(struct pool *p, size_t index, struct error *err)
{
    struct worker *w = &p->workers[index];
    int fds[3][2]; /* Orders, results, stderr. */
    pid_t parent = getpid();
    CHECK(w->pid == 0);
    if (open_pipes(fds, err)) {
        return -EIO;
    }
    if (mkdir(w->work_dir, 0700) != 0 && errno == EEXIST) {
        host_empty_folder(w->work_dir);
    }
    fflush(NULL); /* Nothing that waits in a buffer may be written twice. */
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0][1]);
        close(fds[1][0]);
        close(fds[2][0]);
        enter_child(p, index, fds[0][0], fds[1][1], fds[2][1]);
    }
    int code = errno;
    CHECK(getpid() == parent);
    close(fds[0][0]);
    close(fds[1][1]);
    close(fds[2][1]);
    if (pid < 0) {
        close(fds[0][1]);
        close(fds[1][0]);
        close(fds[2][0]);
        return error_set_errno(err, -code, "Cannot start a worker");
    }
    w->pid = pid;
    w->order_fd = fds[0][1];
    w->result_fd = fds[1][0];
    w->stderr_fd = fds[2][0];
    w->queue_len = 0;
    w->ticks = 0;
    w->hung = w->ended = false;
    feed(p, w);
    return 0;
}

/* What stderr holds of the first queued unit, without its mark; a new string. */
static char *stderr_of(const struct worker *w)
{
    const char *text = strbuf_str(&w->errors);
    const char *end = text + w->errors.len;
    for (const char *s = end; s > text; s--) {
        if (s[-1] == WORKER_MARK) { /* The last mark is that of the unit in progress. */
            const char *line = memchr(s, '\n', (size_t)(end - s));
            return mem_strndup(line ? line + 1 : s, line ? (size_t)(end - line - 1) : 0);
        }
    }
    return mem_strndup(text, w->errors.len);
}

static void blame_unit(struct pool *p, size_t index, int status)
{
    struct worker *w = &p->workers[index];
    const struct worker_slot *slot = &p->slots[index];
    struct result *r = NEW(struct result);
    char *text = stderr_of(w);
    result_init(r);
    worker_blame(r, &p->cfg->units->at[w->queue[0]], p->cfg->run->deviations, status, w->hung,
                 p->cfg->watchdog_s, atomic_load(&slot->statement), atomic_load(&slot->line), text);
    finish_unit(p, w, r);
    free(text);
}

/* The last words of a worker that ended with nothing left to do. */
static void tell_end(struct pool *p, const struct worker *w, int status)
{
    char *text = stderr_of(w);
    if (status != 0) {
        p->sink->late_failure(p->sink->opaque, text);
    } else if (text[0]) {
        p->sink->stderr_text(p->sink->opaque, w->last_unit, text);
    }
    free(text);
}

/* After the result pipe of a worker ended. */
static void bury(struct pool *p, size_t index)
{
    struct worker *w = &p->workers[index];
    int status = 0;
    pid_t got;
    do {
        got = waitpid(w->pid, &status, 0);
    } while (got < 0 && errno == EINTR);
    CHECK(got == w->pid);
    bool finished_late = w->hung && w->queue_len && w->queue[0] != w->hung_unit;
    if (w->queue_len && !finished_late) {
        blame_unit(p, index, status);
    } else if (!w->hung) {
        tell_end(p, w, status);
    }
    while (w->queue_len) {
        p->back[p->back_len++] = w->queue[--w->queue_len];
    }
    close_fd(&w->order_fd);
    close_fd(&w->result_fd);
    close_fd(&w->stderr_fd);
    strbuf_free(&w->in);
    strbuf_free(&w->errors);
    w->pid = 0;
    host_empty_folder(w->work_dir);
}

static bool units_left(const struct pool *p)
{
    size_t next = p->next;
    while (next < p->cfg->units->len && p->cfg->results[next]) {
        next++;
    }
    return p->back_len || next < p->cfg->units->len;
}

/* --- What workers send --- */

/* Takes whole frames out of what came. */
static void take_frames(struct pool *p, struct worker *w)
{
    struct worker_frame frame;
    size_t at = 0;
    while (w->in.len - at >= sizeof(frame) && !w->ended) {
        memcpy(&frame, w->in.text + at, sizeof(frame));
        bool sane = w->queue_len && frame.unit == w->queue[0] && frame.bytes <= FRAME_MAX_BYTES;
        if (sane && w->in.len - at - sizeof(frame) < frame.bytes) {
            break;
        }
        struct result *r = NEW(struct result);
        result_init(r);
        if (!sane || result_unpack(r, w->in.text + at + sizeof(frame), frame.bytes)) {
            kill(w->pid, SIGKILL); /* Its memory is not to be trusted. */
            result_fini(r);
            free(r);
            at = w->in.len;
            break;
        }
        finish_unit(p, w, r);
        at += sizeof(frame) + frame.bytes;
    }
    if (at) {
        w->in.len -= at;
        memmove(w->in.text, w->in.text + at, w->in.len);
    }
}

static void read_results(struct pool *p, struct worker *w)
{
    char bytes[READ_BYTES];
    ssize_t n = read(w->result_fd, bytes, sizeof(bytes));
    if (n > 0) {
        strbuf_add(&w->in, bytes, (size_t)n);
        take_frames(p, w);
        feed(p, w);
    } else if (n == 0 || errno != EINTR) {
        w->ended = true;
    }
}

/* Keeps the tail of a unit that writes without end. */
static void trim_errors(struct worker *w)
{
    if (w->errors.len > 2 * STDERR_TAIL) {
        memmove(w->errors.text, w->errors.text + w->errors.len - STDERR_TAIL, STDERR_TAIL);
        w->errors.len = STDERR_TAIL;
    }
}

/* Tells of units that wrote something and went on: all before the last mark. */
static void tell_errors(struct pool *p, struct worker *w)
{
    char *text = w->errors.text;
    size_t at = 0, len = w->errors.len;
    for (;;) {
        char *mark = len > at + 1 ? memchr(text + at + 1, WORKER_MARK, len - at - 1) : NULL;
        if (!mark) {
            break;
        }
        char *line = text[at] == WORKER_MARK ? memchr(text + at, '\n', len - at) : NULL;
        if (line && line + 1 < mark) {
            char *number = mem_strndup(text + at + 1, (size_t)(line - text) - at - 1);
            char *said = mem_strndup(line + 1, (size_t)(mark - line - 1));
            uint64_t unit;
            if (text_parse_u64(number, &unit) == 0 && unit < p->cfg->units->len) {
                p->sink->stderr_text(p->sink->opaque, unit, said);
            }
            free(number);
            free(said);
        }
        at = (size_t)(mark - text);
    }
    if (at) {
        w->errors.len -= at;
        memmove(text, text + at, w->errors.len);
    }
}

/* False at the end. */
static bool read_errors(struct pool *p, struct worker *w)
{
    char bytes[4096];
    ssize_t n = read(w->stderr_fd, bytes, sizeof(bytes));
    if (n <= 0) {
        return n < 0 && errno == EINTR;
    }
    strbuf_add(&w->errors, bytes, (size_t)n);
    tell_errors(p, w);
    trim_errors(w);
    return true;
}

/* --- The loop --- */

static void on_tick(struct pool *p)
{
    uint64_t expiries = 0;
    if (read(p->timer_fd, &expiries, sizeof(expiries)) != (ssize_t)sizeof(expiries)) {
        return;
    }
    struct pool_tick t = { .done = p->done, .current = "" };
    size_t oldest = SIZE_MAX;
    p->ticks += (uint32_t)MIN(expiries, (uint64_t)1000);
    t.elapsed_ms = p->ticks * POOL_TICK_MS;
    for (size_t i = 0; i < p->cfg->workers; i++) {
        struct worker *w = &p->workers[i];
        if (!w->pid || !w->queue_len) {
            continue;
        }
        oldest = MIN(oldest, w->queue[0]);
        w->ticks++; /* One however many expired: time the machine slept is not the unit's. */
        if (p->cfg->watchdog_s && w->ticks > p->cfg->watchdog_s * (1000 / POOL_TICK_MS)) {
            w->hung = true;
            w->hung_unit = w->queue[0];
            kill(w->pid, SIGKILL);
        }
    }
    if (oldest != SIZE_MAX) {
        t.current = p->cfg->units->at[oldest].cas->name;
    }
    if (p->sink->tick(p->sink->opaque, &t)) {
        p->stop = true;
    }
}

/* Fills polls: 2 of each worker, then timer and signals.  Dead descriptors are -1. */
static nfds_t fill_polls(struct pool *p)
{
    nfds_t n = 0;
    for (size_t i = 0; i < p->cfg->workers; i++) {
        const struct worker *w = &p->workers[i];
        p->polls[n++] = (struct pollfd){ .fd = w->pid ? w->result_fd : -1, .events = POLLIN };
        p->polls[n++] = (struct pollfd){ .fd = w->pid ? w->stderr_fd : -1, .events = POLLIN };
    }
    p->polls[n++] = (struct pollfd){ .fd = p->timer_fd, .events = POLLIN };
    p->polls[n++] = (struct pollfd){ .fd = p->signal_fd, .events = POLLIN };
    return n;
}

static void serve_worker(struct pool *p, size_t index)
{
    struct worker *w = &p->workers[index];
    if (w->pid && p->polls[2 * index + 1].revents && !read_errors(p, w)) {
        close_fd(&w->stderr_fd);
    }
    if (w->pid && p->polls[2 * index].revents) {
        read_results(p, w);
    }
    if (w->pid && w->ended) {
        while (w->stderr_fd >= 0 && read_errors(p, w)) {
        }
        bury(p, index);
    }
}

static bool any_alive(const struct pool *p)
{
    for (size_t i = 0; i < p->cfg->workers; i++) {
        if (p->workers[i].pid) {
            return true;
        }
    }
    return false;
}

/* Starts workers where there are none and units are left.  It is enough when one can run. */
static int refill(struct pool *p, struct error *err)
{
    for (size_t i = 0; i < p->cfg->workers && units_left(p); i++) {
        struct error failed = ERROR_INIT;
        if (!p->workers[i].pid && start_worker(p, i, &failed) && !any_alive(p)) {
            return error_set(err, failed.code, "%s", failed.text);
        }
    }
    return 0;
}

static enum pool_end loop(struct pool *p, struct error *err)
{
    for (;;) {
        emit_ready(p, false);
        if (p->stop) {
            return POOL_STOPPED;
        }
        if (refill(p, err)) {
            return POOL_FAILED;
        }
        if (!any_alive(p)) {
            return POOL_DONE;
        }
        nfds_t n = fill_polls(p);
        if (poll(p->polls, n, -1) < 0) {
            CHECK(errno == EINTR);
            continue;
        }
        for (size_t i = 0; i < p->cfg->workers; i++) {
            serve_worker(p, i);
        }
        if (p->polls[n - 2].revents) {
            on_tick(p);
        }
        if (p->polls[n - 1].revents) {
            return POOL_INTERRUPTED;
        }
    }
}

/* Kills what still runs, without a verdict. */
static void kill_all(struct pool *p)
{
    for (size_t i = 0; i < p->cfg->workers; i++) {
        struct worker *w = &p->workers[i];
        if (w->pid) {
            kill(w->pid, SIGKILL);
            waitpid(w->pid, NULL, 0);
            w->pid = 0;
        }
        close_fd(&w->order_fd);
        close_fd(&w->result_fd);
        close_fd(&w->stderr_fd);
        strbuf_free(&w->in);
        strbuf_free(&w->errors);
        host_remove_tree(w->work_dir);
        free(w->work_dir);
    }
}

static int pool_open(struct pool *p, struct error *err)
{
    const struct itimerspec every = {
        .it_interval = { .tv_nsec = POOL_TICK_MS * 1000000L },
        .it_value = { .tv_nsec = POOL_TICK_MS * 1000000L },
    };
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, &p->old_mask);
    p->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
    p->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    p->slots_bytes = p->cfg->workers * sizeof(struct worker_slot);
    p->slots = mmap(NULL, p->slots_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                    0);
    if (p->signal_fd < 0 || p->timer_fd < 0 || p->slots == MAP_FAILED ||
        timerfd_settime(p->timer_fd, 0, &every, NULL) != 0) {
        return error_set_errno(err, -errno, "Cannot prepare the workers");
    }
    return 0;
}

enum pool_end pool_run(const struct pool_config *cfg, const struct pool_sink *sink,
                       struct error *err)
{
    CHECK(cfg->workers >= 1 && cfg->workers <= POOL_WORKERS_MAX);
    struct pool p = { .cfg = cfg, .sink = sink };
    p.workers = NEW_ARRAY(struct worker, cfg->workers);
    p.polls = NEW_ARRAY(struct pollfd, cfg->workers * 2 + 2);
    p.back = NEW_ARRAY(size_t, cfg->workers * AHEAD);
    for (size_t i = 0; i < cfg->units->len; i++) {
        p.done += cfg->results[i] != NULL;
    }
    for (size_t i = 0; i < cfg->workers; i++) {
        struct worker *w = &p.workers[i];
        w->order_fd = w->result_fd = w->stderr_fd = -1;
        w->work_dir = mem_printf("%s/w%zu", cfg->temp_dir, i);
    }
    void (*old_pipe)(int) = signal(SIGPIPE, SIG_IGN);
    enum pool_end end = pool_open(&p, err) ? POOL_FAILED : loop(&p, err);
    kill_all(&p);
    if (end == POOL_INTERRUPTED) {
        signal(SIGINT, SIG_IGN); /* A second one must not lose what is still to be written. */
        signal(SIGTERM, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
        emit_ready(&p, true);
    }
    close_fd(&p.signal_fd);
    close_fd(&p.timer_fd);
    if (p.slots != MAP_FAILED && p.slots) {
        munmap(p.slots, p.slots_bytes);
    }
    sigprocmask(SIG_SETMASK, &p.old_mask, NULL);
    signal(SIGPIPE, old_pipe);
    free(p.workers);
    free(p.polls);
    free(p.back);
    return end;
}
