/* A client of a QMP server that is started for it: `blksim qmp` or qemu-storage-daemon. */
#ifndef APP_BENCH_CLIENT_H
#define APP_BENCH_CLIENT_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct bench_client {
    pid_t pid;
    int fd;
    char *dir; /* A folder of its own, the server's working directory. */
    struct strbuf in;
    size_t in_at;
};

void bench_client_init(struct bench_client *c);
/* Starts the server and connects.  world: for ours, the path of a case that makes one, or NULL.
 * false: it is not installed. */
bool bench_client_open(struct bench_client *c, bool ours, const char *world);
void bench_client_close(struct bench_client *c);

/* One request, a line, and its reply; false: an error, or the connection has gone. */
bool bench_ask(struct bench_client *c, const char *request);
/* The same, and waits for an event in whose line that text stands. */
bool bench_ask_until(struct bench_client *c, const char *request, const char *event);
/* The text, `count` times, until `want` replies have come. */
bool bench_stream(struct bench_client *c, const char *text, uint64_t count, uint64_t want);

#endif
