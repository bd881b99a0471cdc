/* BlockBackends: what a client (frontend, export, job, io session) holds.
 *
 * A backend has zero or one node, its medium, and zero or one client.  It checks ranges, counts
 * (model/acct.h), applies the write-cache mode, and is the place where guest requests enter the
 * trace.
 *
 *              drained section begins
 *   open door ------------------------> closed door: new requests wait in backend_request
 *             <------------------------
 *              the last one ends
 *
 * Behind the door a request has a medium until it ends.  Those that wait when their medium goes
 * fail with -ENOMEDIUM: it was that medium which they were for.
 */
#ifndef MODEL_BACKEND_H
#define MODEL_BACKEND_H

#include "model/acct.h"
#include "model/io.h"
#include "model/perm.h"

#include <jansson.h>

struct child;
struct layer;
struct backend;
struct node_flags;
struct throttle_config;

/* The one client of a backend: a frontend, an export, a job.  Each member may be NULL. */
struct backend_client {
    /* [ctl] Its name, for messages ("block device 'sd0'"); "" when it has none. */
    const char *(*id)(const void *opaque);
    /* [ctl] Whether the medium cannot be reached, because it lies in an open tray. */
    bool (*tray_is_open)(const void *opaque);
    /* [ctl] May its requests run in that iothread?  NULL: no, as QEMU says it.  Errors: its
     * text. */
    int (*can_set_iothread)(const void *opaque, uint32_t iothread, struct error *err);
};

/* What becomes of requests that fail (qapi BlockdevOnError). */
enum on_error { ON_ERROR_REPORT, ON_ERROR_IGNORE, ON_ERROR_ENOSPC, ON_ERROR_STOP, ON_ERROR_AUTO };
/* What that means for one of them (qapi BlockErrorAction). */
enum error_action { ERROR_ACTION_IGNORE, ERROR_ACTION_REPORT, ERROR_ACTION_STOP };
/* qapi BlockDeviceIoStatus */
enum io_status { IO_STATUS_OK, IO_STATUS_FAILED, IO_STATUS_NOSPACE };

/* Who is told of a request that has passed the door and is in range.  Between the two calls the
 * backend keeps its medium. */
struct backend_watch {
    void (*begin)(void *opaque, struct node *n);
    void (*end)(void *opaque, int ret);
    void *opaque;
};

/* name: NULL for an anonymous one (of a client); else a monitor name. */
struct backend *backend_create(struct layer *l, const char *name, struct perm_pair perm);
/* [io] The end of it: its medium goes, requests that wait fail, and nobody finds it any more.  The
 * memory goes with the last reference. */
void backend_destroy(struct backend *b);
/* For those who may still call it when it has been destroyed: its requests then fail. */
struct backend *backend_ref(struct backend *b);
void backend_unref(struct backend *b);

/* Checked: it has no client; has one. */
void backend_attach(struct backend *b, const struct backend_client *client, void *opaque);
void backend_detach(struct backend *b);
bool backend_has_client(const struct backend *b);
/* What was attached, if its client is of that kind; else NULL. */
void *backend_client_of(const struct backend *b, const struct backend_client *client);
/* The client's id, "" when there is none. */
const char *backend_client_id(const struct backend *b);

/* [io] Errors: permission conflict; an iothread that the node cannot go to.  Checked: no medium is
 * there. */
int backend_insert(struct backend *b, struct node *n, struct error *err);
/* [io] What is in flight ends first. */
void backend_remove(struct backend *b);
/* Whether requests reach a medium: there is one, and not in an open tray. */
bool backend_is_available(const struct backend *b);
int backend_set_perm(struct backend *b, struct perm_pair perm, struct error *err);

/* Whether its requests wait while a section drains its medium (true at first).  A job's do not: the
 * job itself rests. */
void backend_set_queue(struct backend *b, bool on);
/* Whether the edge is that of a backend without a door: a job's. */
bool backend_is_of_job(const struct child *edge);
const char *backend_name(const struct backend *b); /* "" when anonymous. */
struct node *backend_node(const struct backend *b);
struct perm_pair backend_perm(const struct backend *b);
const struct acct *backend_acct(const struct backend *b);
struct acct *backend_acct_edit(struct backend *b);
/* Where requests run: that of the main loop (0) unless its client moved it.  [io] Moving takes the
 * medium along.  Errors: QEMU's text, and nothing has changed. */
uint32_t backend_iothread(const struct backend *b);
int backend_set_iothread(struct backend *b, uint32_t iothread, struct error *err);
/* The drive goes when its client does (-drive). */
void backend_set_auto_delete(struct backend *b, bool on);
bool backend_auto_delete(const struct backend *b);
/* How the next medium is opened that is given by a file name (blockdev-change-medium). */
void backend_set_medium_flags(struct backend *b, const struct node_flags *flags);
const struct node_flags *backend_medium_flags(const struct backend *b);

/* Policies for failed requests (model/backend_error.c). */
const char *on_error_name(enum on_error e);
int on_error_parse(const char *name); /* -1 when unknown. */
void backend_set_on_error(struct backend *b, enum on_error read, enum on_error write);
enum on_error backend_on_error(const struct backend *b, bool is_read);
enum error_action backend_error_action(const struct backend *b, bool is_read, int errnum);
/* Emits BLOCK_IO_ERROR, and keeps the status for query-block.  errnum: positive. */
void backend_tell_error(struct backend *b, enum error_action action, bool is_read, int errnum);
/* A frontend keeps track of it; NULL: nobody does, or no policy stops. */
void backend_enable_io_status(struct backend *b);
const char *backend_io_status(const struct backend *b);
void backend_reset_io_status(struct backend *b);
/* false: every write is followed by a flush (write-through). */
void backend_set_writeback(struct backend *b, bool on);
bool backend_writeback(const struct backend *b);

/* [io] Limits on the requests of b (model/backend_throttle.c), which has a medium.  group: that it
 * is to be a member of, made when there is none; NULL: as it is.  c without a limit: it leaves its
 * group.  Errors: what throttle_check says; nothing has changed then. */
int backend_set_throttle(struct backend *b, const char *group, const struct throttle_config *c,
                         struct error *err);
/* Its group's limits and name (valid until it leaves); false when it has none. */
bool backend_get_throttle(const struct backend *b, struct throttle_config *c, const char **group);

/* [io] One request: through the door, checked, to the medium.  It counts nowhere.  watch and err
 * may be NULL; err is of a truncate.  -ENOMEDIUM when none can be reached, -EIO outside the
 * length. */
int backend_request(struct backend *b, struct io_req *req, const struct backend_watch *watch,
                    struct error *err);
/* [io] For who has much to do with the medium and no requests that count, as a format that writes
 * itself there: from begin to end that is one request in flight, and it uses the edge as it
 * likes. */
struct child *backend_work_begin(struct backend *b);
void backend_work_end(struct backend *b);
/* What it counts as. */
enum acct_op acct_op_of(enum io_op op);

/* [io] The same, counted. */
int backend_read(struct backend *b, int64_t offset, struct iobuf *buf, uint32_t flags);
int backend_write(struct backend *b, int64_t offset, struct iobuf *buf, uint32_t flags);
int backend_write_zeroes(struct backend *b, int64_t offset, int64_t bytes, uint32_t flags);
int backend_discard(struct backend *b, int64_t offset, int64_t bytes);
int backend_flush(struct backend *b);
int backend_truncate(struct backend *b, int64_t length, uint32_t flags, enum io_prealloc prealloc,
                     struct error *err);
int64_t backend_length(const struct backend *b);
/* [io] See io_status and io_is_allocated. */
int backend_status(struct backend *b, int64_t offset, int64_t bytes, struct io_extent *out);
int backend_is_allocated(struct backend *b, int64_t offset, int64_t bytes, int64_t *pnum);
/* [ctl] driver commands: blkdebug's breakpoints.  -ENOTSUP when no driver below knows it. */
int backend_command(struct backend *b, const char *name, const json_t *args, json_t *reply);

#endif
