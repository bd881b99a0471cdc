/* SPDX-License-Identifier: MIT */
/* Buffers on both sides of a monitor.
 *
 * 1. Bytes are read only when those read before were taken, and no command is begun while the
 *    client leaves more than OUT_PAUSE bytes unread: a client that only writes stops itself.
 * 2. Nothing waits in write: not for a socket, and not for a pipe, which gets one page whenever it
 *    says that it has room.
 */
#include "app/qmp_client.h"

#include "app/app.h"
#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { OUT_PAUSE = 1 << 20, OUT_MAX = 1 << 28, PIPE_BYTES = 4096, FDS_MAX = 16 };

/* ---- Coming and going ---- */

static void remove_stale(const char *path)
{
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        unlink(path);
    }
}

int qmp_client_listen(struct qmp_client *c, const char *path, struct error *err)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof(addr.sun_path)) {
        return error_set(err, -ENAMETOOLONG, "UNIX socket path '%s' is too long", path);
    }
    strcpy(addr.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return error_set_errno(err, -errno, "Failed to create Unix socket");
    }
    remove_stale(path);
    if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 1) < 0) {
        int code = errno;
        close(fd);
        return error_set_errno(err, -code, "Failed to bind socket to %s", path);
    }
    c->path = path;
    c->listen_fd = fd;
    return 0;
}

void qmp_client_use_stdio(struct qmp_client *c)
{
    c->in_fd = STDIN_FILENO;
    c->out_fd = STDOUT_FILENO;
    monitor_connect(c->monitor);
}

void qmp_client_accept(struct qmp_client *c)
{
    CHECK(c->listen_fd >= 0 && !qmp_client_connected(c));
    int fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        c->in_fd = fd;
        c->out_fd = fd;
        monitor_connect(c->monitor);
    }
}

void qmp_client_drop(struct qmp_client *c)
{
    CHECK(qmp_client_connected(c));
    if (c->listen_fd >= 0) {
        close(c->in_fd);
    }
    monitor_disconnect(c->monitor);
    c->in_fd = -1;
    c->out_fd = -1;
    c->in_at = 0;
    c->in_len = 0;
    c->eof = c->listen_fd < 0;
    c->out_at = 0;
    c->out.len = 0;
}

void qmp_client_fini(struct qmp_client *c)
{
    if (qmp_client_connected(c)) {
        qmp_client_drop(c);
    }
    if (c->listen_fd >= 0) {
        close(c->listen_fd);
        unlink(c->path);
    }
    strbuf_free(&c->out);
}

/* ---- In ---- */

bool qmp_client_wants(const struct qmp_client *c)
{
    return c->in_fd >= 0 && !c->eof && c->in_at == c->in_len && monitor_takes(c->monitor) &&
           qmp_client_unsent(c) <= OUT_PAUSE;
}

/* As read(2); descriptors that come along are handed over. */
static ssize_t receive(struct qmp_client *c)
{
    union {
        char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = { .iov_base = c->in, .iov_len = sizeof(c->in) };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
                          .msg_controllen = sizeof(control.bytes) };
    ssize_t n = recvmsg(c->in_fd, &msg, MSG_CMSG_CLOEXEC);
    struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
    for (; h; h = CMSG_NXTHDR(&msg, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        for (size_t i = 0; i < (h->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
            c->take_fd(c->opaque, fd);
        }
    }
    return n;
}

void qmp_client_read(struct qmp_client *c)
{
    CHECK(qmp_client_wants(c));
    ssize_t n = c->listen_fd < 0 ? read(c->in_fd, c->in, sizeof(c->in)) : receive(c);
    if (n > 0) {
        c->in_at = 0;
        c->in_len = (size_t)n;
    } else if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    } else if (c->listen_fd < 0) {
        c->eof = true;
    } else {
        qmp_client_drop(c);
    }
}

bool qmp_client_feed(struct qmp_client *c)
{
    if (c->in_at == c->in_len || qmp_client_unsent(c) > OUT_PAUSE) {
        return false;
    }
    size_t n = monitor_feed(c->monitor, c->in + c->in_at, c->in_len - c->in_at);
    c->in_at += n;
    return n > 0;
}

/* ---- Out ---- */

void qmp_client_send(void *opaque, const char *bytes, size_t n)
{
    struct qmp_client *c = opaque;
    if (c->out_at == c->out.len) {
        c->out_at = 0;
        c->out.len = 0;
    }
    strbuf_add(&c->out, bytes, n);
}

static ssize_t write_some(const struct qmp_client *c)
{
    const char *at = c->out.text + c->out_at;
    size_t n = qmp_client_unsent(c);
    if (c->listen_fd >= 0) {
        return send(c->out_fd, at, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    struct pollfd room = { .fd = c->out_fd, .events = POLLOUT };
    if (poll(&room, 1, 0) <= 0) {
        errno = EAGAIN;
        return -1;
    }
    return write(c->out_fd, at, MIN(n, (size_t)PIPE_BYTES));
}

void qmp_client_flush(struct qmp_client *c)
{
    while (qmp_client_connected(c) && qmp_client_unsent(c) > 0) {
        ssize_t n = write_some(c);
        if (n >= 0) {
            c->out_at += (size_t)n;
        } else if (errno == EAGAIN) {
            break;
        } else if (errno != EINTR) {
            qmp_client_drop(c);
        }
    }
    if (qmp_client_connected(c) && qmp_client_unsent(c) > OUT_MAX) {
        app_complain("qmp: a client that reads nothing is dropped");
        qmp_client_drop(c);
    }
}
