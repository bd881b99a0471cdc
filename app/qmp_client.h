/* The bytes between one monitor and its client: inside of app/qmp_server.c. */
#ifndef APP_QMP_CLIENT_H
#define APP_QMP_CLIENT_H

#include "base/error.h"
#include "base/text.h"
#include "model/qmp/monitor.h"

#include <stdbool.h>
#include <stddef.h>

enum { CLIENT_IN_BYTES = 65536 };

struct qmp_client {
    struct monitor *monitor;
    /* Gets descriptors that come over the socket, and closes them. */
    void (*take_fd)(void *opaque, int fd);
    void *opaque;
    const char *path; /* Of the socket; NULL: the standard streams. */
    int listen_fd;    /* -1: standard streams. */
    int in_fd, out_fd; /* -1: nobody is connected. */
    char in[CLIENT_IN_BYTES];
    size_t in_at, in_len; /* What was read and not yet taken. */
    bool eof;             /* Of stdin. */
    struct strbuf out;
    size_t out_at; /* What was written of it. */
};

/* Listens on a unix socket; a socket that a dead server left there is replaced. */
int qmp_client_listen(struct qmp_client *c, const char *path, struct error *err);
void qmp_client_use_stdio(struct qmp_client *c);
/* Somebody has connected. */
void qmp_client_accept(struct qmp_client *c);
/* Closes the connection; its monitor forgets it. */
void qmp_client_drop(struct qmp_client *c);
/* Closes everything. */
void qmp_client_fini(struct qmp_client *c);

/* Takes what the other side has sent; at its end the connection is dropped (that of stdin: eof). */
void qmp_client_read(struct qmp_client *c);
/* Hands to the monitor what it takes; true when that was something. */
bool qmp_client_feed(struct qmp_client *c);
/* monitor_config.send */
void qmp_client_send(void *opaque, const char *bytes, size_t n);
/* Writes what can be written without waiting. */
void qmp_client_flush(struct qmp_client *c);

static inline bool qmp_client_connected(const struct qmp_client *c)
{
    return c->out_fd >= 0;
}
static inline size_t qmp_client_unsent(const struct qmp_client *c)
{
    return c->out.len - c->out_at;
}
/* Whether it should be read from. */
bool qmp_client_wants(const struct qmp_client *c);

#endif
