/* The host under the file driver: a seam like SQLite's VFS.
 *
 *   host_sim     a simulated directory; each file is a struct disk
 *   host_posix   real files below one directory
 *
 * The same driver and the same script run on both.  All functions marked [io] run in a coroutine
 * and may yield.  They return 0 or -errno.
 *
 * Byte-range locks have the semantics of Linux open file description locks: they belong to the
 * open file, so two opens of one file conflict within one process, as QEMU's image locks do.
 */
#ifndef SIM_HOST_H
#define SIM_HOST_H

#include "base/error.h"
#include "sim/disk.h"

struct host;
struct host_file;

enum host_open_flags {
    HOST_WRITE = 1 << 0,    /* Read-write; else read-only. */
    HOST_DIRECT = 1 << 1,   /* O_DIRECT */
    HOST_NO_FLUSH = 1 << 2, /* Flushes do nothing (cache.no-flush). */
};

enum host_lock { HOST_UNLOCK, HOST_LOCK_SHARED, HOST_LOCK_EXCLUSIVE };

struct host_info {
    uint64_t size;
    uint32_t request_align; /* Offsets, lengths: 1 unless direct. */
    uint32_t memory_align;  /* Of the caller's memory; 1: both hosts bounce what they must. */
    bool can_discard, can_zero;
    uint64_t allocated; /* Bytes on the host ("actual-size"). */
};

struct host_ops {
    const char *name; /* "sim", "posix" */
    int (*open)(struct host *h, const char *path, uint32_t flags, struct host_file **out);
    void (*close)(struct host_file *f);
    /* [io] Creates, or empties and resizes, a file of size bytes of zeroes. */
    int (*create)(struct host *h, const char *path, uint64_t size);
    int (*unlink)(struct host *h, const char *path);
    int (*rename)(struct host *h, const char *from, const char *to);
    int (*info)(struct host_file *f, struct host_info *out);
    /* Switches an open file to other flags, keeping its locks.  Nothing changed on error. */
    int (*reflag)(struct host_file *f, uint32_t flags);

    /* [io] Reads beyond the end give zeroes; writes beyond it grow the file. */
    int (*read)(struct host_file *f, uint64_t offset, struct iobuf *buf);
    int (*write)(struct host_file *f, uint64_t offset, const struct iobuf *buf, uint32_t flags);
    int (*zero)(struct host_file *f, uint64_t offset, uint64_t bytes, bool unmap);
    int (*discard)(struct host_file *f, uint64_t offset, uint64_t bytes);
    int (*flush)(struct host_file *f);
    int (*truncate)(struct host_file *f, uint64_t size);
    /* As lseek SEEK_DATA/SEEK_HOLE: is there data at offset, and for how many bytes. */
    int (*status)(struct host_file *f, uint64_t offset, uint64_t limit, bool *data,
                  uint64_t *bytes);

    /* -EAGAIN: a conflicting lock is held. */
    int (*lock)(struct host_file *f, uint64_t start, uint64_t len, enum host_lock kind);
    /* Would the lock be had?  0, -EAGAIN. */
    int (*lock_test)(struct host_file *f, uint64_t start, uint64_t len, bool exclusive);
    void (*destroy)(struct host *h);
};

/* Concrete hosts begin with these. */
struct host {
    const struct host_ops *ops;
    struct sim *sim;
    struct host_fds *fds; /* sim/host_fd.h; NULL until the first is there. */
};
struct host_file {
    struct host *host;
    uint32_t shares; /* Users beyond the first (sim/host_fd.h). */
};

/* A simulated directory.  It is flat: a name has no '/' (a leading "./" is ignored).  The length
 * of a file is kept to the byte whatever its disk's sectors are.  Files made through it (host
 * create) get cfg but for their size. */
struct host *host_sim_create(struct sim *s, const struct disk_config *cfg);

/* Puts a disk into the directory under its name; the host takes it over.  Errors: -EEXIST. */
int host_sim_add_disk(struct host *h, struct disk *d);
/* The disk behind a name, or NULL. */
struct disk *host_sim_disk(struct host *h, const char *path);
/* All names in order of creation; NULL after the last. */
const char *host_sim_name(struct host *h, size_t i);

/* Power for the whole host.  Creations, removals and renames since the last flush of any file may
 * be lost (a CHOICE_KEEP of 2 each: 0 lost, 1 kept; the directory keeps a journal, so after the
 * first that is lost all later ones are); disks as disk_power_cut.  While off, every operation
 * fails with -EIO, and files that were open then do so for ever: they can only be closed.  Their
 * locks are gone at the cut. */
void host_sim_power_cut(struct host *h);
void host_sim_power_on(struct host *h);
bool host_sim_is_on(const struct host *h);

/* Real files.  Relative names are below dir (copied). */
struct host *host_posix_create(struct sim *s, const char *dir);

/* A base for disk_create_over from a real file, opened read-only.  Errors with a message. */
int host_posix_base(const char *path, struct disk_base *out, struct error *err);
/* Writes the contents of d to a new real file; holes stay holes.  Errors with a message. */
int host_posix_export(const struct disk *d, const char *path, struct error *err);

void host_destroy(struct host *h);

#endif
