/* What the commands of the `io` verb work on: a backend of the simulated layer, or the node of a
 * real program behind an NBD export (scenarios/real/nbd_io.h).  The commands, their words and what
 * they print are the same on all of them. */
#ifndef SCENARIOS_IO_MEDIUM_H
#define SCENARIOS_IO_MEDIUM_H

#include "model/layer.h"
#include "scenarios/target.h"

struct io_medium;
struct io_aio;
struct ioc_ctx;

/* Concrete media begin with this. */
struct io_medium {
    const struct io_medium_ops *ops;
};

/* What `info` tells. */
struct io_info {
    const char *driver;
    bool is_format;
    bool has_clusters; /* Without, the two sizes mean nothing. */
    int64_t cluster_size, vm_state;
    char *specific; /* Lines, new; NULL: none. */
};

/* Requests wait for their end and return 0 or -errno.  Those that are NULL are not possible, and
 * the commands that need them say so. */
struct io_medium_ops {
    /* Permissions for what a command is going to do.  Errors: a conflict; nothing changed. */
    int (*take_perm)(struct io_medium *m, uint32_t perm, struct error *err);
    /* flags: IO_*, as backend_request.  A read with buf->symbolic may be answered with a fill. */
    int (*read)(struct io_medium *m, int64_t offset, struct iobuf *buf, uint32_t flags);
    int (*write)(struct io_medium *m, int64_t offset, struct iobuf *buf, uint32_t flags);
    int (*write_zeroes)(struct io_medium *m, int64_t offset, int64_t bytes, uint32_t flags);
    int (*discard)(struct io_medium *m, int64_t offset, int64_t bytes);
    int (*flush)(struct io_medium *m);
    int (*truncate)(struct io_medium *m, int64_t length, enum io_prealloc prealloc,
                    struct error *err);
    int64_t (*length)(struct io_medium *m); /* Or -errno. */
    /* 1, 0 or -errno; *pnum: how many bytes from offset are so, 0 at a new end. */
    int (*is_allocated)(struct io_medium *m, int64_t offset, int64_t bytes, int64_t *pnum);
    /* Fills out, which is zero; texts of it live until the next call. */
    void (*info)(struct io_medium *m, struct io_info *out);
    /* A driver command, for breakpoints. */
    int (*command)(struct io_medium *m, const char *name, const json_t *args, json_t *reply);
    /* Until a request is held at the breakpoint; false: it never will be.  Only with command. */
    bool (*wait_break)(struct io_medium *m, const char *tag);
    /* A breakpoint was set.  Only with command. */
    void (*set_break)(struct io_medium *m, const char *tag);
    /* Starts a request of aio_read or aio_write, and takes it over (io_aio_free). */
    void (*submit)(struct io_medium *m, struct target_call *call, struct io_aio *a);
    /* Waits for all of them; what they print goes to this call. */
    void (*aio_flush)(struct io_medium *m, struct target_call *call);
    int64_t (*now_ns)(struct io_medium *m);
    void (*sleep)(struct io_medium *m, int64_t ns);
};

#endif
