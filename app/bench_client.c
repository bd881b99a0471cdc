/* SPDX-License-Identifier: MIT */
#include "app/bench_client.h"

#include "app/host.h"
#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_TRIES = 500, START_WAIT_US = 10000, READ_BYTES = 1 << 16 };

/* ---- The server ---- */

static pid_t start(const char *const *argv, const char *dir)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        if (chdir(dir) < 0) {
            _exit(127);
        }
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return pid;
}

/* -1: the server is not there, and will not be. */
static int connect_to(const char *path, pid_t pid)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    CHECK(strlen(path) < sizeof(addr.sun_path));
    strcpy(addr.sun_path, path);
    for (int i = 0; i < START_TRIES; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK(fd >= 0);
        if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0) {
            return fd;
        }
        close(fd);
        if (waitpid(pid, NULL, WNOHANG) == pid) {
            return -1;
        }
        usleep(START_WAIT_US);
    }
    return -1;
}

void bench_client_init(struct bench_client *c)
{
    struct error err = ERROR_INIT;
    *c = (struct bench_client){ .fd = -1, .dir = host_temp_create_in_memory(&err) };
    CHECK(c->dir != NULL);
}

/* world: a case that makes ours, or NULL. */
bool bench_client_open(struct bench_client *c, bool ours, const char *world)
{
    struct error err = ERROR_INIT;
    char *self = host_self_path(&err);
    CHECK(self != NULL);
    char *path = mem_printf("%s/qmp", c->dir);
    char *chardev = mem_printf("socket,id=m,path=%s,server=on,wait=off", path);
    const char *mine[] = { self, "qmp", "--socket", path, world ? "--world" : "--sim", world,
                           NULL };
    const char *theirs[] = { "qemu-storage-daemon", "--chardev", chardev, "--monitor", "chardev=m",
                             NULL };
    c->pid = start(ours ? mine : theirs, c->dir);
    c->fd = connect_to(path, c->pid);
    free(chardev);
    free(path);
    free(self);
    return c->fd >= 0;
}

void bench_client_close(struct bench_client *c)
{
    if (c->fd >= 0) {
        close(c->fd);
        kill(c->pid, SIGKILL);
        CHECK(waitpid(c->pid, NULL, 0) == c->pid);
    }
    host_remove_tree(c->dir);
    free(c->dir);
    strbuf_free(&c->in);
}

/* ---- Talking ---- */

static bool read_more(struct bench_client *c)
{
    char bytes[READ_BYTES];
    if (c->in_at == c->in.len) {
        c->in_at = 0;
        c->in.len = 0;
    }
    ssize_t n = read(c->fd, bytes, sizeof(bytes));
    if (n > 0) {
        strbuf_add(&c->in, bytes, (size_t)n);
    }
    return n > 0;
}

/* What has come. */
struct seen {
    uint64_t replies, events;
    const char *event; /* What stands in the lines that count as such; NULL: none do. */
};

/* Takes lines that are whole in what was read; false: one of them is an error. */
static bool take_lines(struct bench_client *c, struct seen *seen)
{
    char *end;
    while (c->in_at < c->in.len &&
           (end = memchr(c->in.text + c->in_at, '\n', c->in.len - c->in_at))) {
        const char *line = c->in.text + c->in_at;
        size_t n = (size_t)(end - line);
        seen->replies += memmem(line, MIN(n, (size_t)64), "\"return\"", 8) != NULL;
        seen->events += seen->event && memmem(line, n, seen->event, strlen(seen->event));
        if (memmem(line, MIN(n, (size_t)64), "\"error\"", 7)) {
            return false;
        }
        c->in_at += n + 1;
    }
    return true;
}

static bool send_all(struct bench_client *c, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(c->fd, bytes, n, MSG_NOSIGNAL);
        if (sent < 0) {
            return false;
        }
        bytes += sent;
        n -= (size_t)sent;
    }
    return true;
}

bool bench_ask_until(struct bench_client *c, const char *request, const char *event)
{
    struct seen seen = { .event = event };
    if (!send_all(c, request, strlen(request))) {
        return false;
    }
    while (seen.replies == 0 || (event && seen.events == 0)) {
        if (!read_more(c) || !take_lines(c, &seen)) {
            return false;
        }
    }
    return true;
}

bool bench_ask(struct bench_client *c, const char *request)
{
    return bench_ask_until(c, request, NULL);
}

bool bench_stream(struct bench_client *c, const char *text, uint64_t count, uint64_t want)
{
    size_t n = strlen(text), at = 0;
    struct seen seen = { .replies = 0 };
    while (seen.replies < want) {
        struct pollfd p = { .fd = c->fd, .events = (short)(POLLIN | (count ? POLLOUT : 0)) };
        if (poll(&p, 1, -1) < 0) {
            return false;
        }
        if (p.revents & POLLOUT) {
            ssize_t sent = send(c->fd, text + at, n - at, MSG_NOSIGNAL | MSG_DONTWAIT);
            at += sent > 0 ? (size_t)sent : 0;
            count -= at == n;
            at = at == n ? 0 : at;
        }
        if ((p.revents & ~POLLOUT) && (!read_more(c) || !take_lines(c, &seen))) {
            return false;
        }
    }
    return true;
}
