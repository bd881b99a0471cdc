/* Inside of io over NBD: nbd_io.c (commands), nbd_job.c (those in the background), nbd_export.c
 * (exports), nbd_medium.c (what the commands work on), nbd_link.c (libnbd). */
#ifndef SCENARIOS_REAL_NBD_PRIVATE_H
#define SCENARIOS_REAL_NBD_PRIVATE_H

#include "scenarios/io_cmd.h"
#include "scenarios/real/nbd_io.h"

#include <sys/types.h>

/* The reason of target_call.skip. */
#define NBD_IO_SKIP "not-over-nbd"

enum { NBD_PIECE_MAX = 32 << 20, NBD_SERVERS_MAX = 8 };

/* --- nbd_link.c: one connection; all of it waits --- */

struct nbd_link;

/* Requests return 0 or -errno of the server; -ETIME: no answer; -EPIPE: the connection has broken.
 * bytes: at most NBD_PIECE_MAX with data, else less than 4 GiB.  flags: IO_*. */
struct nbd_link_ops {
    /* address: as of nbd-server-start.  dir: its relative paths start there.
     * Errors: -errno of connecting. */
    struct nbd_link *(*open)(const json_t *address, const char *dir, const char *export,
                             int64_t limit_ns, struct error *err);
    void (*close)(struct nbd_link *l);
    int64_t (*length)(const struct nbd_link *l);
    /* fn is called once, when the first request from now on is on its way. */
    void (*on_sent)(struct nbd_link *l, void (*fn)(void *opaque), void *opaque);
    int (*read)(struct nbd_link *l, int64_t offset, void *buf, size_t bytes);
    int (*write)(struct nbd_link *l, int64_t offset, const void *buf, size_t bytes,
                 uint32_t flags);
    int (*zero)(struct nbd_link *l, int64_t offset, int64_t bytes, uint32_t flags);
    int (*trim)(struct nbd_link *l, int64_t offset, int64_t bytes);
    int (*flush)(struct nbd_link *l);
    /* *depth: 0: nothing there, 1: in the node itself, more: below it; of *pnum bytes. */
    int (*depth)(struct nbd_link *l, int64_t offset, int64_t bytes, uint32_t *depth,
                 int64_t *pnum);
};

/* NULL: this program was built without libnbd. */
const struct nbd_link_ops *nbd_link_ops(void);

/* --- nbd_export.c --- */

struct nbd_export {
    char *id;
    bool writable;
    bool gone; /* The daemon says so. */
    struct nbd_export *next;
};

/* Exports a node.  Errors: in qemu-io's words; -ENOTSUP: none that qemu-io would meet; -EPIPE,
 * -ETIME; -ENOMEDIUM: there is none, which qemu-io finds later. */
int nbd_export_add(struct nbd_io *n, const char *node, bool writable, struct nbd_export **out,
                   struct error *err);
/* Takes it away, and with the last one our server. */
void nbd_export_del(struct nbd_io *n, struct nbd_export *e);
/* A connection has broken.  Whether the daemon has died of it, or dies in a moment. */
bool nbd_io_lost(struct nbd_io *n);
/* A connection to it. */
struct nbd_link *nbd_export_connect(struct nbd_io *n, const struct nbd_export *e,
                                    struct error *err);

/* --- nbd_medium.c --- */

struct nbd_medium {
    struct io_medium base;
    struct nbd_io *io;
    const char *node;
    struct target_call *call;
    struct nbd_export *export; /* NULL: none yet. */
    struct nbd_link *link;     /* NULL: not connected. */
    bool lent;                 /* The export is somebody else's, who has made it as it must be. */
    int no_medium;             /* -ENOMEDIUM: there is nothing to be exported.  Else 0. */
    bool silent;               /* The daemon did not answer. */
    bool broken;               /* The connection has. */
};

void nbd_medium_init(struct nbd_medium *m, struct nbd_io *n, const char *node,
                     struct target_call *call);
/* An export for these permissions, and a connection to it. */
int nbd_medium_open(struct nbd_medium *m, uint32_t perm, struct error *err);
void nbd_medium_close(struct nbd_medium *m);

/* --- nbd_job.c: a command in a process of its own --- */

struct nbd_job {
    pid_t pid;
    int fd;
    char *node;
    struct nbd_export *export;
    struct target_call *call; /* NULL: its output goes elsewhere. */
    bool is_aio;              /* The call ends when the request is on its way. */
    bool waited;              /* It is not new any more. */
    struct strbuf in;
    struct nbd_job *next;
};

/* Starts one; takes the export over. */
int nbd_job_start(struct nbd_io *n, const char *node, int argc, char **argv,
                  struct nbd_export *e, struct target_call *call);
/* Waits for the requests of a node; what they print goes to the call.  -ETIME: too long. */
int nbd_jobs_wait(struct nbd_io *n, const char *node, struct target_call *call);
/* Ends all of them: the daemon is gone. */
void nbd_jobs_kill(struct nbd_io *n);

/* --- nbd_io.c --- */

struct nbd_io {
    struct nbd_io_config cfg;
    const struct nbd_link_ops *net; /* Not NULL when a command runs. */
    json_t *own;     /* Address of our server; NULL: it does not run. */
    json_t *theirs;  /* Array: addresses that the script has given to servers. */
    json_t *address; /* Of the server in use; borrowed. */
    struct nbd_export *exports;
    struct nbd_job *jobs;
    uint64_t next_id;
    uint64_t deaths; /* How often nbd_io_died was called. */
};

#endif
