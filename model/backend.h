/* BlockBackends: what a client (frontend, export, job, io session) holds.
 *
 * A backend has zero or one node.  It checks ranges, counts (block_acct), applies the write-cache
 * mode, and is the place where guest requests enter the trace.
 */
#ifndef MODEL_BACKEND_H
#define MODEL_BACKEND_H

#include "model/io.h"
#include "model/perm.h"

#include <jansson.h>

struct child;
struct layer;
struct backend;

/* The one client of a backend: a frontend, an export, a job.  Each member may be NULL. */
struct backend_client {
    /* [ctl] Its name, for messages ("block device 'sd0'"); "" when it has none. */
    const char *(*id)(const void *opaque);
    /* [ctl] A medium came (load) or went.  Errors of loading refuse the medium. */
    int (*change_medium)(void *opaque, bool load, struct error *err);
    /* [ctl] The length of the medium changed. */
    void (*resized)(void *opaque);
    /* [ctl] May its requests run in that iothread?  NULL: yes.  Errors: QEMU's text. */
    int (*can_set_iothread)(const void *opaque, uint32_t iothread, struct error *err);
    void (*set_iothread)(void *opaque, uint32_t iothread);
};

enum acct_op { ACCT_READ, ACCT_WRITE, ACCT_FLUSH, ACCT_UNMAP, ACCT_OPS };

struct acct {
    uint64_t ops[ACCT_OPS], bytes[ACCT_OPS], failed[ACCT_OPS], invalid[ACCT_OPS];
    int64_t total_ns[ACCT_OPS];
    int64_t last_ns; /* Time of the last completion; -1: none yet. */
};

/* name: NULL for an anonymous one (of a client); else a monitor name. */
struct backend *backend_create(struct layer *l, const char *name, struct perm_pair perm);
/* [io] Removes the node and frees. */
void backend_destroy(struct backend *b);

/* [io] Errors: permission conflict. */
int backend_insert(struct backend *b, struct node *n, struct error *err);
void backend_remove(struct backend *b);
int backend_set_perm(struct backend *b, struct perm_pair perm, struct error *err);

const char *backend_name(const struct backend *b); /* "" when anonymous. */
struct node *backend_node(const struct backend *b);
const struct acct *backend_acct(const struct backend *b);
/* false: every write is followed by a flush (write-through). */
void backend_set_writeback(struct backend *b, bool on);
bool backend_writeback(const struct backend *b);

/* [io] -ENOMEDIUM without node, -EIO outside the length, -EINVAL for a negative offset. */
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
