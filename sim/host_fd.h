/* Descriptors of a host that others opened: passed with a command, in fd sets, or under a name.
 *
 *   host_fd_pass        what SCM_RIGHTS does: one descriptor waits for the command that takes it
 *   host_fdset_*        add-fd, remove-fd, query-fdsets; "/dev/fdset/N" as a file name
 *   host_fd_name/close  getfd, closefd
 *
 * A descriptor is an open file with a number.  Files opened from a set are duplicates: they share
 * the open file with the set, its locks and flags included (dup(2)).
 *
 *   in the set --remove--> gone; the set itself goes when it is empty and no duplicate is left
 *
 * The tables are those of the process, that is of the layer on the host: host_fds_reset ends them.
 * Numbers are the lowest free ones from HOST_FD_FIRST.
 * (QEMU qapi/misc.json: add-fd, remove-fd, query-fdsets; behaviour of the installed 7.2.)
 */
#ifndef SIM_HOST_FD_H
#define SIM_HOST_FD_H

#include "base/error.h"
#include "sim/host.h"

#include <stdbool.h>

enum { HOST_FD_FIRST = 11, HOST_FDS_MAX = 1024 };

/* Opens path and holds it for the next command that takes a descriptor; one that waits already is
 * closed.  Errors: as ops->open. */
int host_fd_pass(struct host *h, const char *path, uint32_t flags);

/* Puts what was passed into set *id (-1: a new one, the lowest free id) and tells its number.
 * opaque may be NULL.  Errors: QEMU's texts. */
int host_fdset_add(struct host *h, int64_t *id, const char *opaque, int64_t *fd,
                   struct error *err);
/* fd -1: all of the set.  Errors: QEMU's texts. */
int host_fdset_remove(struct host *h, int64_t id, int64_t fd, struct error *err);
/* The i-th set, highest id first; false after the last. */
bool host_fdset_at(const struct host *h, size_t i, int64_t *id);
/* The k-th descriptor of set id, in order of addition; *opaque may be NULL. */
bool host_fdset_fd(const struct host *h, int64_t id, size_t k, int64_t *fd, const char **opaque);

/* getfd: gives what was passed a name, in place of what has it.  closefd. */
int host_fd_name(struct host *h, const char *name, struct error *err);
int host_fd_close(struct host *h, const char *name, struct error *err);

/* Closes whatever is in the tables.  Checked: no duplicate is open. */
void host_fds_reset(struct host *h);

/* Whether a path leads to an fd set. */
bool host_is_fdset(const char *path);

/* ops->open, reflag and close for any path, "/dev/fdset/N" included.  Errors of open and reflag:
 * -errno, and for an fd set also QEMU's text in err, which is otherwise left alone. */
int host_open(struct host *h, const char *path, uint32_t flags, struct host_file **out,
              struct error *err);
/* Of an fd set: *f becomes a duplicate of a member that has the access asked for. */
int host_reflag(struct host *h, const char *path, struct host_file **f, uint32_t flags,
                struct error *err);
void host_close(struct host *h, const char *path, struct host_file *f);

#endif
