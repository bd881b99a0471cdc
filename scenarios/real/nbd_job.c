/* SPDX-License-Identifier: MIT */
/* io commands that go on by themselves: each in a process of its own, forked from this one, with a
 * connection of its own to an export that was made before.
 *
 * What such a process writes to its pipe: a byte SENT when its request is on its way, and at its
 * end a struct job_end with the texts that it counts.  When it ends without one it has failed. */
#include "scenarios/real/nbd_private.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/real/real_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SENT = 'S', STEP_MS = 5, FRESH_MS = 30, PIECE = 1 << 16 };

struct job_end {
    int32_t code;
    uint32_t failed, skipped;
    uint64_t output_len, err_len;
};

/* ---- in the process of the command ---- */

static void put_all(int fd, const void *bytes, size_t n)
{
    const char *at = bytes;
    while (n > 0) {
        ssize_t put = write(fd, at, n);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            _exit(1);
        }
        at += put;
        n -= (size_t)put;
    }
}

static void on_sent(void *opaque)
{
    const int *fd = opaque;
    char byte = SENT;
    put_all(*fd, &byte, 1);
}

static _Noreturn void child(struct nbd_io *n, const char *node, int argc, char **argv,
                            struct nbd_export *e, int fd, pid_t parent)
{
    struct target_call call = { 0 };
    struct nbd_medium m;
    nbd_medium_init(&m, n, node, &call);
    struct ioc_ctx c = { .medium = &m.base, .call = &call, .dir = n->cfg.script_dir };
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(1);
    }
    m.lent = true;
    m.export = e;
    m.link = nbd_export_connect(n, e, &call.err);
    int ret = m.link ? 0 : ioc_fail(&c, -ENOTSUP, "%s", call.err.text);
    call.skip = m.link ? NULL : NBD_IO_SKIP;
    if (ret == 0) {
        n->net->on_sent(m.link, on_sent, &fd);
        ret = ioc_run(&c, argc, argv);
    }
    ioc_finish(&call, ret, argv[0]);
    struct job_end end = { .code = ret, .failed = call.failed, .skipped = call.skip != NULL,
                           .output_len = call.output.len, .err_len = strlen(call.err.text) };
    put_all(fd, &end, sizeof(end));
    put_all(fd, strbuf_str(&call.output), call.output.len);
    put_all(fd, call.err.text, end.err_len);
    for (;;) {
        pause(); /* The export goes first (nbd_medium_close), and then this process. */
    }
}

/* ---- in ours ---- */

/* Where its output goes. */
static void say(struct nbd_io *n, struct nbd_job *j, const char *text, size_t len,
                struct target_call *flusher)
{
    struct target_call *call = j->call ? j->call : flusher;
    char *copy = mem_strndup(text, len);
    if (len > 0 && call) {
        strbuf_puts(&call->output, copy);
    } else if (len > 0 && n->cfg.late) {
        n->cfg.late(n->cfg.opaque, j->node, copy);
    }
    free(copy);
}

/* Its call, if it still waits, ends. */
static void end_call(struct nbd_job *j, int code, bool skipped, const char *text)
{
    struct target_call *call = j->call;
    if (!call || call->done) {
        return;
    }
    if (code < 0) {
        call->failed = true;
        call->skip = skipped ? NBD_IO_SKIP : NULL;
        error_set(&call->err, code, "%s", text);
    }
    call->done = true;
}

/* Where its texts are, once all of them have come; NULL: not yet. */
static const char *end_of(const struct nbd_job *j, struct job_end *end)
{
    size_t head = j->in.len > 0 && j->in.text[0] == SENT ? 1 : 0;
    if (j->in.len < head + sizeof(*end)) {
        return NULL;
    }
    memcpy(end, j->in.text + head, sizeof(*end));
    size_t rest = j->in.len - head - sizeof(*end);
    if (end->output_len > rest || end->err_len > rest - end->output_len) {
        return NULL;
    }
    return j->in.text + head + sizeof(*end);
}

static void finish(struct nbd_io *n, struct nbd_job *j, struct target_call *flusher)
{
    struct job_end end;
    const char *text = end_of(j, &end);
    if (!text) {
        end_call(j, -EIO, false, "the request's process has ended");
        return;
    }
    say(n, j, text, end.output_len, flusher);
    char *err = mem_strndup(text + end.output_len, end.err_len);
    end_call(j, end.failed ? MIN(end.code, -1) : 0, end.skipped, err);
    free(err);
}

/* Takes it out of the list, lets its export go, and ends its process. */
static void job_drop(struct nbd_io *n, struct nbd_job *j)
{
    struct nbd_export *e = j->export;
    struct nbd_job **p = &n->jobs;
    while (*p != j) {
        p = &(*p)->next;
    }
    *p = j->next;
    nbd_export_del(n, e);
    close(j->fd);
    kill(j->pid, SIGKILL);
    waitpid(j->pid, NULL, 0);
    strbuf_free(&j->in);
    free(j->node);
    free(j);
}

/* Reads what there is.  False: it has ended by itself. */
static bool read_some(struct nbd_job *j)
{
    char *piece = mem_alloc(PIECE);
    ssize_t n;
    while ((n = read(j->fd, piece, PIECE)) > 0) {
        strbuf_add(&j->in, piece, (size_t)n);
    }
    free(piece);
    return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* Takes in what has come.  True: it has ended, and is gone. */
static bool job_poll(struct nbd_io *n, struct nbd_job *j, struct target_call *flusher)
{
    bool more = read_some(j);
    if (j->is_aio && j->call && j->in.len > 0 && j->in.text[0] == SENT) {
        j->call->done = true; /* It is on its way. */
    }
    struct job_end end;
    if (more && !end_of(j, &end)) {
        return false;
    }
    if (end_of(j, &end) && end.code == -EPIPE && nbd_io_lost(n)) {
        return true;
    }
    finish(n, j, flusher);
    job_drop(n, j);
    return true;
}

static void poll_all(struct nbd_io *n, const char *node, struct target_call *flusher)
{
    struct nbd_job *j = n->jobs;
    while (j) {
        bool gone = job_poll(n, j, flusher && strcmp(j->node, node) == 0 ? flusher : NULL);
        j = gone ? n->jobs : j->next; /* Meanwhile others may have ended too. */
    }
}

void nbd_io_poll(struct nbd_io *n)
{
    poll_all(n, NULL, NULL);
}

int nbd_job_start(struct nbd_io *n, const char *node, int argc, char **argv,
                  struct nbd_export *e, struct target_call *call)
{
    int fd[2];
    pid_t parent = getpid();
    CHECK(argc > 0);
    if (pipe2(fd, O_CLOEXEC) < 0) {
        return -errno;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(fd[0]);
        child(n, node, argc, argv, e, fd[1], parent);
    }
    int code = -errno;
    close(fd[1]);
    if (pid < 0) {
        close(fd[0]);
        return code;
    }
    fcntl(fd[0], F_SETFL, O_NONBLOCK);
    struct nbd_job **p = &n->jobs;
    while (*p) {
        p = &(*p)->next;
    }
    *p = NEW(struct nbd_job);
    **p = (struct nbd_job){ .pid = pid, .fd = fd[0], .node = mem_strdup(node), .export = e,
                            .call = call, .is_aio = strncmp(argv[0], "aio_", 4) == 0 };
    return 0;
}

static bool node_busy(const struct nbd_io *n, const char *node)
{
    const struct nbd_job *j = n->jobs;
    while (j && strcmp(j->node, node) != 0) {
        j = j->next;
    }
    return j != NULL;
}

int nbd_jobs_wait(struct nbd_io *n, const char *node, struct target_call *call)
{
    int64_t until_ns = real_clock_ns() + n->cfg.limit_ns;
    while (node_busy(n, node)) {
        if (real_clock_ns() >= until_ns) {
            return -ETIME;
        }
        poll_all(n, node, call);
        if (node_busy(n, node)) {
            n->cfg.wait(n->cfg.opaque, STEP_MS * NS_PER_MS);
        }
    }
    return 0;
}

static bool any_fresh(const struct nbd_io *n)
{
    const struct nbd_job *j = n->jobs;
    while (j && j->waited) {
        j = j->next;
    }
    return j != NULL;
}

void nbd_io_settle(struct nbd_io *n)
{
    int64_t until_ns = real_clock_ns() + FRESH_MS * NS_PER_MS;
    poll_all(n, NULL, NULL);
    while (any_fresh(n) && real_clock_ns() < until_ns) {
        n->cfg.wait(n->cfg.opaque, NS_PER_MS);
        poll_all(n, NULL, NULL);
    }
    for (struct nbd_job *j = n->jobs; j; j = j->next) {
        j->waited = true;
    }
}

void nbd_jobs_kill(struct nbd_io *n)
{
    while (n->jobs) {
        struct nbd_job *j = n->jobs;
        CHECK(j->export->gone);
        if (j->call && !j->call->done) {
            j->call->died = true;
            end_call(j, -EPIPE, false, "the program has died");
        }
        job_drop(n, j);
    }
}

void nbd_io_forget(struct nbd_io *n, const struct target_call *call)
{
    for (struct nbd_job *j = n->jobs; j; j = j->next) {
        j->call = j->call == call ? NULL : j->call;
    }
}

size_t nbd_io_busy(const struct nbd_io *n)
{
    size_t count = 0;
    for (const struct nbd_job *j = n->jobs; j; j = j->next) {
        count++;
    }
    return count;
}
