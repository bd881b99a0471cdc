/* The whole contract between model/ and drivers/.
 *
 * A driver is one const struct blk_driver.  The root holds identity and life cycle; everything
 * else sits in optional groups.  A NULL group, or a NULL member of a group, always means the
 * default written beside it; there are no other defaults.
 *
 * Two kinds of function:
 *   [ctl]  control path.  May not yield.  Takes an error where it can fail.
 *   [io]   runs in a coroutine and may yield.  Returns -errno, no message unless it takes an error.
 * All take the node first.  None may keep a pointer it was lent.
 */
#ifndef MODEL_DRIVER_H
#define MODEL_DRIVER_H

#include "base/error.h"
#include "model/io.h"
#include "model/options.h"
#include "model/perm.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct node;
struct child;
struct node_flags;
struct block_copy;
struct proposal;
struct txn;

enum driver_traits {
    DRV_PROTOCOL = 1 << 0, /* Leaf: no child, stores bytes on the host. */
    DRV_FORMAT = 1 << 1,   /* Children are storage. */
    DRV_FILTER = 1 << 2,   /* Same data as its child of role "filtered". */
    DRV_BACKING = 1 << 4,  /* What it has not allocated reads from its "backing" child. */
    DRV_FOLLOWS = 1 << 3,  /* Its length follows its primary child's; others keep that of open. */
};

/* QEMU's BdrvChildRole. */
enum child_role {
    ROLE_DATA = 1 << 0,
    ROLE_METADATA = 1 << 1,
    ROLE_FILTERED = 1 << 2,
    ROLE_COW = 1 << 3,
    ROLE_PRIMARY = 1 << 4,
    ROLE_IMAGE = ROLE_DATA | ROLE_METADATA | ROLE_PRIMARY,
};

struct child_desc {
    const char *name; /* Option name and name of the edge: "file", "backing", "image"; NULL ends. */
    uint32_t roles;   /* enum child_role */
    bool required;
};

/* Data path.  Requests arrive aligned to limits and inside the length. */
struct driver_io {
    /* [io] One function for every op.  If set, all others are NULL.  For filters that treat ops
     * alike; io_forward passes a request on. */
    int (*any)(struct node *n, struct io_req *req);

    /* [io] NULL: filters forward to the filtered child, others fail with -ENOTSUP. */
    int (*read)(struct node *n, struct io_req *req);
    int (*write)(struct node *n, struct io_req *req);

    /* [io] NULL: filters forward, for others (or on -ENOTSUP) the block layer writes zeroes. */
    int (*write_zeroes)(struct node *n, struct io_req *req);

    /* [io] NULL: filters forward, others succeed without effect. */
    int (*discard)(struct node *n, struct io_req *req);

    /* [io] Write own dirty metadata to the children.  NULL: none. */
    int (*writeback)(struct node *n);

    /* [io] Make all completed writes durable.  NULL: flush the children. */
    int (*sync)(struct node *n);

    /* [io] A flush, all of it: what it makes of its children's is the driver's to decide.
     * NULL: writeback, sync, and every child is flushed. */
    int (*flush)(struct node *n);

    /* [io] NULL: filters forward, others fail with -ENOTSUP "Image format driver does not support
     * resize". */
    int (*truncate)(struct node *n, struct io_req *req, struct error *err);

    /* [io] This layer only.  NULL: filters forward, others say "data, allocated". */
    int (*block_status)(struct node *n, struct io_req *req, struct io_extent *out);
};

/* What a driver is told when its node is reopened. */
struct node_reopen {
    struct opts opts;               /* All options as they will be. */
    const struct node_flags *flags; /* As they will be; n->flags are those in force. */
    struct txn *txn;
};

/* Graph and options.  Prepare here; put commit and undo on the txn. */
struct driver_graph {
    /* [ctl] Pure: what n uses and shares on child c, when its own parents use and share `parents`.
     * NULL: perm_default. */
    void (*child_perm)(const struct node *n, const struct child *c, struct perm_pair parents,
                       struct perm_pair *out);

    /* [ctl] Take or drop outside locks for the new cumulative permissions.  NULL: nothing. */
    int (*perm_change)(struct node *n, struct perm_pair now, struct txn *txn, struct error *err);

    /* [io] Prepares new options: n is drained and flushed.  r->opts holds all of them, checked,
     * with the defaults behind; what cannot change is the block layer's to refuse
     * (MEMBER_MUTABLE), and so are the children.  What takes effect goes on r->txn as commit and
     * undo. NULL: "Block format 'X' used by node 'n' does not support reopening files". */
    int (*reopen)(struct node *n, const struct node_reopen *r, struct error *err);

    /* [ctl] x-blockdev-change: proposes the edge that comes or goes, and puts what else changes on
     * txn.  NULL: the set of children is fixed. */
    int (*child_add)(struct node *n, struct node *child, struct proposal *p, struct txn *txn,
                     struct error *err);
    int (*child_del)(struct node *n, struct child *c, struct proposal *p, struct txn *txn,
                     struct error *err);

    /* [ctl] Pure: whether what is seen through n does not change when `to`, which is not n, is
     * replaced by a copy of n (blockdev-mirror's "replaces").  NULL: a filter asks its child, and
     * others say no. */
    bool (*can_replace)(const struct node *n, const struct node *to);
};

/* Image files.  NULL group: the driver has no image of its own. */
struct driver_image {
    /* [ctl] Pure: 0 (not mine) to 100 (certain), from the first bytes.  NULL: never. */
    int (*probe)(const uint8_t *head, size_t size, const char *filename);

    /* qemu-img's -o options, "size" and the backing ones included.  NULL: cannot be created. */
    const struct schema_member *create_options;

    /* blockdev-create: the driver's members of BlockdevCreateOptions, "size" included.  "file" is
     * where the image goes; the others are create_options (this name with '_' for '-'; "version" is
     * "compat"; what lies in an object has a dotted name there).  A protocol has "filename" instead
     * of "file".  NULL: "Driver does not support blockdev-create". */
    const struct schema_member *create_members;
    /* [ctl] Whether the values go together, before all else.  NULL: they do. */
    int (*check_create)(const json_t *values, struct error *err);

    /* x-blockdev-amend: the members of BlockdevAmendOptions, and [io] what it does; values:
     * checked. NULL: "Driver does not support x-blockdev-amend". */
    const struct schema_member *amend_members;
    int (*amend)(struct node *n, const json_t *values, bool force, struct error *err);

    /* [io] Writes an empty image of size bytes into file, which may be written and resized, and may
     * hold anything.  opts: of create_options, checked. */
    int (*create)(struct child *file, int64_t size, const struct opts *opts, struct error *err);

    /* [ctl] Could the image keep dirty bitmaps?  Errors: why it cannot; -ENOTSUP without a message:
     * nobody keeps any there.  NULL: so. */
    int (*store_bitmap)(const struct node *n, struct error *err);

    /* [io] Writes another backing file name into the header (change-backing-file); file NULL: none.
     * NULL: -ENOTSUP. */
    int (*set_backing)(struct node *n, const char *file, const char *format, struct error *err);
};

/* A disk as it was at an instant, beside what it is now: copy-before-write has it, snapshot-access
 * shows it.  NULL group: -ENOTSUP; filters above do not pass it on. */
struct driver_snapshot {
    /* [io] As of driver_io, of that instant.  -EACCES: what is read there is not to be had. */
    int (*read)(struct node *n, struct io_req *req);
    int (*block_status)(struct node *n, struct io_req *req, struct io_extent *out);
    /* [io] The range will not be read any more. */
    int (*discard)(struct node *n, struct io_req *req);
    /* [ctl] The engine that copies, for the job that drives it. */
    struct block_copy *(*copy)(struct node *n);
};

/* What query results show of an image beyond names and sizes. */
struct driver_info {
    int64_t cluster_size; /* Bytes; 0: has no clusters. */
    bool dirty;           /* "dirty-flag" */
    int64_t vm_state_offset; /* Where the state of a machine would lie, in bytes. */
};

struct blk_driver {
    const char *name;                    /* The QMP "driver" value. */
    const char *help;                    /* One line. */
    uint32_t traits;                     /* enum driver_traits */
    size_t state_size;                   /* Zeroed before open; node_state(). */
    const struct schema_member *options; /* Run-time options, children included. */
    const char *const *features;         /* Of these, as the schema shows it; NULL: none. */
    const struct child_desc *children;   /* NULL: none. */

    /* [io] Opens children with node_open_child, reads options, sets up state.  On failure it has
     * undone what it did outside the node: close is not called, children are dropped by the
     * caller.  Mandatory. */
    int (*open)(struct node *n, const struct opts *opts, struct error *err);

    /* [io] No request is in flight.  Children are still there.  NULL: nothing to free. */
    void (*close)(struct node *n);

    /* [ctl] Adjusts limits, which come set from the children (storage and filtered).  NULL: so. */
    void (*limits)(const struct node *n, struct io_limits *limits);

    /* [io] Length in bytes or -errno.  NULL: length of the primary or filtered child. */
    int64_t (*length)(struct node *n);

    /* [ctl] The image's "filename" as QEMU shows it, when it has a plain one; returns a new string
     * or NULL.  NULL: the default rules (model/filename.c). */
    char *(*filename)(const struct node *n);

    /* [ctl] Bytes that the image takes on the host ("actual-size"), -errno when unknown.  NULL:
     * sum of the storage children. */
    int64_t (*allocated_size)(struct node *n);

    /* [ctl] Fills *info, which comes zeroed; -ENOTSUP: nothing is shown.  NULL: what the primary or
     * filtered child says, and nothing for a leaf. */
    int (*info)(const struct node *n, struct driver_info *info);

    /* [ctl] "data" of the image's "format-specific" (ImageInfoSpecific), a new object; the driver's
     * name is its "type".  NULL: none. */
    json_t *(*specific)(const struct node *n);

    /* [ctl] "driver-specific" of query-blockstats: sets the members of stats_members on out.
     * NULL, both: none. */
    const struct schema_member *stats_members;
    void (*stats)(const struct node *n, json_t *out);

    /* [ctl] What only one driver has: blkdebug's "breakpoint", "resume", "remove_breakpoint",
     * "is_suspended".  args and reply are JSON objects; reply may be NULL.
     * NULL, or -ENOTSUP: the block layer asks the primary or filtered child. */
    int (*command)(struct node *n, const char *name, const json_t *args, json_t *reply);

    /* [ctl] A name "PREFIX:rest" (QEMU's protocol names) to options: sets members of `options`
     * (dotted keys).  prefix is without the colon.  NULL, both: such names are not this
     * driver's. */
    const char *prefix;
    int (*parse_filename)(const char *name, json_t *options, struct error *err);

    /* [ctl] Holds back and lets go on what the driver keeps waiting by itself (throttled requests);
     * called once for any number of drained sections.  NULL: nothing. */
    void (*drain)(struct node *n, bool begin);

    /* [io] An event of a parent's I/O path happened ("l2_load", "pwritev"...): blkdebug's rules.
     * NULL: nothing. */
    void (*event)(struct node *n, const char *event);

    const struct driver_io *io;       /* NULL: all defaults. */
    const struct driver_graph *graph; /* NULL: all defaults. */
    const struct driver_image *image; /* NULL: has no image of its own. */
    const struct driver_snapshot *snapshot;
};

#endif
