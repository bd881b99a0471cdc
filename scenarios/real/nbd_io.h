/* io commands on the nodes of a storage daemon: each runs on an NBD export of its node, which is
 * there as long as the command needs it.
 *
 * Words, output and messages are those of the `io` verb everywhere (scenarios/io_cmd.h).  What NBD
 * cannot carry is not done, and the call says so (target_call.skip): breakpoints, info, compressed
 * writes, preallocation; and requests on a node that an export cannot have, as it needs to read
 * consistently and wants no resizing, which qemu-io does not ask for.  An error that has no number
 * of its own in NBD comes as EINVAL.  truncate is block_resize.
 *
 * aio_read, aio_write and commands of a background call run in a process of their own, which dies
 * with this one.
 *
 * Without libnbd all of it is an error that names the package.
 */
#ifndef SCENARIOS_REAL_NBD_IO_H
#define SCENARIOS_REAL_NBD_IO_H

#include "scenarios/target.h"

#include <stddef.h>

struct nbd_io;

struct nbd_io_config {
    const char *dir;        /* The daemon's current directory.  Borrowed. */
    const char *script_dir; /* For `write -s FILE`; NULL: the current one.  Borrowed. */
    int64_t limit_ns;       /* How long one request may take. */
    /* Sends a command (arguments: taken over, NULL: none) and waits for its reply.
     * 0 with *reply new; -EPIPE: the daemon is dead; -ETIME: no answer. */
    int (*exchange)(void *opaque, const char *command, json_t *arguments, json_t **reply);
    /* Takes in what the daemon sends, waiting at most so long for something. */
    void (*wait)(void *opaque, int64_t wait_ns);
    /* Output of asynchronous requests that belongs to no statement any more; NULL: dropped. */
    void (*late)(void *opaque, const char *node, const char *text);
    void *opaque;
};

/* Whether this program was built with libnbd.  Errors: -ENOENT naming the package. */
int nbd_io_check(struct error *err);

struct nbd_io *nbd_io_create(const struct nbd_io_config *cfg);
/* What is in flight is killed. */
void nbd_io_destroy(struct nbd_io *n);

/* Runs argv[0..argc) on the node.  The call is done at return, but for a background call, which is
 * done later; -ETIME: the daemon does not answer, and the call is not done. */
int nbd_io_run(struct nbd_io *n, const char *node, int argc, char **argv,
               struct target_call *call);
/* Takes in what has ended. */
void nbd_io_poll(struct nbd_io *n);
/* Waits a little for requests that are new: as a rule they end soon. */
void nbd_io_settle(struct nbd_io *n);
/* As target_ops.forget. */
void nbd_io_forget(struct nbd_io *n, const struct target_call *call);
/* Requests in flight. */
size_t nbd_io_busy(const struct nbd_io *n);
/* The daemon is gone, and all that was in flight with it. */
void nbd_io_died(struct nbd_io *n);

/* A request of the script, before it is sent: it may start a server of its own. */
void nbd_io_note(struct nbd_io *n, const json_t *request);
/* Whether the event tells of an export of our own, which the script does not know. */
bool nbd_io_event(struct nbd_io *n, const json_t *event);

/* What a node holds; at most NBD_IO_READ_MAX bytes.
 * Errors: -EIO with a text; -ENOTSUP: an export cannot have the node; -EPIPE, -ETIME. */
enum { NBD_IO_READ_MAX = 32 << 20 };
int nbd_io_read(struct nbd_io *n, const char *node, uint64_t offset, size_t bytes, void *buf,
                struct error *err);

#endif
