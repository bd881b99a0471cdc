/* Between the files of the file driver. */
#ifndef DRIVERS_FILE_FILE_H
#define DRIVERS_FILE_FILE_H

#include "model/node.h"
#include "sim/host_fd.h"

/* Bytes of an image file that QEMU's image locks use: one for each permission that a process uses,
 * one for each that it does not share with others. */
enum { LOCK_USED_BASE = 100, LOCK_UNSHARED_BASE = 200 };

/* Permissions as bits, those that the image is locked for. */
struct file_locks {
    uint32_t used, unshared;
};

struct file_state {
    struct host_file *file;
    char *filename;
    uint32_t flags;          /* enum host_open_flags in force. */
    bool locking;
    struct file_locks held;  /* On the host now. */
    struct file_locks want;  /* By the last perm_change. */
    bool want_write;         /* The permissions in force need a writable file. */
    uint64_t discard_ok, discard_failed, discard_bytes; /* Counters of query-blockstats. */
    int flush_error;         /* Of a cached file's failed flush: its cache is not to be trusted. */
};

static inline const struct host_ops *file_ops(const struct node *n)
{
    return node_host(n)->ops;
}

/* file_lock.c: driver_graph.perm_change. */
int file_perm_change(struct node *n, struct perm_pair now, struct txn *txn, struct error *err);

/* Gives the file other flags; its locks stay.  Errors: with QEMU's text. */
int file_reflag(struct node *n, uint32_t flags, struct error *err);

/* file_reopen.c: driver_graph.reopen. */
int file_reopen(struct node *n, const struct node_reopen *r, struct error *err);

/* Does the node need a writable file when its parents use these permissions? */
bool file_needs_write(const struct node *n, uint32_t used);

/* file_io.c */
extern const struct driver_io file_io;

#endif
