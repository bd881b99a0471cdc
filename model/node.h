/* Nodes and the edges between them.  QEMU's BlockDriverState and BdrvChild.
 *
 * A node is kept alive by references: one of the monitor (blockdev-add) and one of each edge to
 * it.  An edge belongs to its parent: a node, a backend, or a job.
 */
#ifndef MODEL_NODE_H
#define MODEL_NODE_H

#include "model/driver.h"
#include "sim/sim.h"
#include "sim/sync.h"

struct layer;
struct host;

enum {
    NODE_NAME_MAX = 32,    /* With the NUL (QEMU's bs->node_name). */
    NODE_HEIGHT_MAX = 1024, /* Requests recurse this deep on a coroutine's stack. */
};

/* Who holds an edge, when it is not a node. */
struct child_parent {
    /* For messages, as QEMU writes it: "block device 'd0'". */
    void (*describe)(const struct child *c, struct strbuf *out);
    /* The child's length changed.  NULL: ignore. */
    void (*resized)(struct child *c);
    /* [ctl] From begin to end the parent starts no request.  Called once for any number of drained
     * sections.  NULL: it never starts one by itself. */
    void (*drained)(struct child *c, bool begin);
    /* [ctl] Requests of the parent that are in flight and have not reached the node; a drained
     * section waits for them.  NULL: none. */
    uint32_t (*in_flight)(const struct child *c);
    /* [ctl] May the node move to that iothread?  NULL: yes.  Errors: QEMU's text. */
    int (*can_set_iothread)(const struct child *c, uint32_t iothread, struct error *err);
    void (*set_iothread)(struct child *c, uint32_t iothread);
    /* [ctl] Another edge of the same parent, all of which are of one iothread; NULL after the last.
     * NULL: it has one only. */
    struct child *(*next_edge)(const struct child *c);
    struct child *(*first_edge)(const struct child *c);
    /* The edge stays when everything else moves from its node to another (a job's own edges). */
    bool stay_at_node;
};

/* What a node does with requests, as resolved from its options and what it inherits. */
struct node_flags {
    bool read_only, auto_read_only, force_share;
    bool cache_direct, cache_no_flush;
    bool unmap;            /* discard=unmap */
    uint8_t detect_zeroes; /* 0 off, 1 on, 2 unmap */
};

struct child {
    uint64_t id;           /* In order of creation; from 1. */
    char *name;            /* "file", "backing", "root"... */
    struct node *node;     /* The child itself.  Owned: one reference. */
    struct node *parent;   /* NULL when the parent is not a node. */
    void *opaque;          /* Such a parent. */
    const struct child_parent *ops;
    uint32_t roles;        /* enum child_role */
    struct perm_pair perm; /* In force. */
    bool frozen;
    bool quiet;            /* Its node is drained, and the parent counts that. */
    bool covers;           /* A section of the parent covers it, and its node counts that. */
    struct blocker *blocker; /* On its node, of a backing link; or NULL. */
    struct child *next;    /* In parent->children. */
    struct child *next_parent; /* In node->parents. */
    struct edge_change *change; /* What a proposal makes of it; NULL: nothing. */
};

/* One request in flight on a node. */
struct tracked {
    enum io_op op;
    bool serialising;
    int64_t offset, bytes;       /* As asked. */
    int64_t overlap_offset, overlap_bytes; /* Rounded out when serialising. */
    struct tracked *prev, *next;
    struct tracked *waiting_for;
    struct co_queue waiters;
};

/* How a node came to be: what the options themselves do not say (model/open.c). */
struct node_how {
    bool by_name;  /* Children's options are not checked yet: they are opened by name too. */
    bool protocol; /* Opened as a protocol: of what it filters no format is looked for. */
    bool probed;   /* The format was found out from the image. */
    bool alone;    /* Without its backing file, whatever options and image say of one. */
};

struct node {
    struct layer *layer;
    struct sim *sim;
    uint64_t id;           /* In order of creation. */
    char name[NODE_NAME_MAX];
    const struct blk_driver *drv;
    void *state;
    json_t *options;       /* As given (checked); children by reference stay strings.  Owned. */
    struct child *children; /* In order of attachment. */
    struct child *parents;
    uint32_t refs;
    uint32_t held;         /* Those of changes that may still be taken back, and of exports that
                            * show its bitmaps. */
    bool monitor_owned;
    struct node_flags flags;       /* In force. */
    const struct node_flags *next_flags; /* While a proposal gives it others; else NULL. */
    char *backing_file;    /* As its image's header has it, NULL: none; and */
    char *backing_format;  /* its format there; NULL: not said. */
    char *backing_auto;    /* Name of the backing node that was opened for it; NULL: none was. */
    bool implicit;         /* A filter that a job put in and nobody named: queries skip it. */
    bool copy_on_read;     /* Reads of what only lies below are kept here (-drive copy-on-read). */
    struct node *inherits; /* The parent that opened it inline, whose options it takes; or NULL. */
    uint8_t unsaid;        /* Flags that the last reopen left out pass nothing on
                            * (reopen_queue.c). */
    struct node_how how;
    bool open;             /* The driver's open succeeded. */
    bool closing;          /* The last reference is gone, or it could not be opened. */
    bool linked;           /* In the layer's list. */
    uint32_t height;       /* Longest way down to a leaf, in edges; below NODE_HEIGHT_MAX. */
    uint32_t nesting;      /* How many inline parents it was opened within. */
    uint32_t actor;
    uint32_t iothread;

    struct io_limits limits;
    int64_t length;        /* Bytes. */

    /* I/O in flight (model/io_track.c). */
    struct tracked *tracked;
    uint32_t serialising;
    uint32_t in_flight;
    struct co_queue drained;
    uint64_t write_gen, flushed_gen; /* Flush generations (model/io_flush.c). */
    bool flushing;
    struct co_queue flush_queue;
    uint64_t write_threshold; /* A write beyond it emits BLOCK_WRITE_THRESHOLD; 0: none. */
    int64_t wr_highest;    /* One past the highest byte written ("wr_highest_offset"). */

    /* Drained sections (model/drain.c). */
    uint32_t quiesce;         /* Above 0: no request may start. */
    uint32_t covered;         /* Above 0: a section reaches down to its children. */
    struct blocker_link *blockers; /* model/blocker.c */
    struct dirty_bitmap *bitmaps, *bitmaps_last; /* model/dirty_bitmap.c */
    struct node_change *change; /* What a proposal makes of it; NULL: nothing. */

    uint64_t started;      /* Requests of parents that are no nodes so far. */
    uint64_t job_started;  /* The same of backends of jobs, which do not close their doors. */
    uint64_t mark;         /* Graph walks: the last walk that saw it. */
    struct node *prev, *next; /* In layer->nodes, in order of creation. */
    struct node *name_next;   /* In layer->names. */
    char *shown;              /* Its file name in the layer's pass shown_at (model/filename.c). */
    uint64_t shown_at;
};

/* Whether others may find it and attach to it. */
static inline bool node_is_usable(const struct node *n)
{
    return n->open && !n->closing;
}

static inline void *node_state(const struct node *n)
{
    return n->state;
}

/* [io] Opens a node from checked options (BlockdevOptions).  Inline children become nodes.  parent
 * gives what is inherited (cache, read-only, discard); NULL for blockdev-add.  The reference is
 * the caller's.  Errors: QEMU's texts; nothing stays behind. */
int node_open(struct layer *l, const json_t *options, struct node *parent, uint32_t roles,
              struct node **out, struct error *err);

/* [io] The same from options that model/open.c made: typed, but for what the driver does not know,
 * which is refused when it is open.  parent may be a stand-in that only has flags. */
int node_open_how(struct layer *l, const json_t *options, const struct node *parent,
                  uint32_t roles, struct node_how how, struct node **out, struct error *err);

/* [io] For a driver's open: resolves option desc->name (a reference or inline options) and
 * attaches it.  When it is not given: an error if required, else *out = NULL and 0. */
int node_open_child(struct node *n, const struct opts *opts, const struct child_desc *desc,
                    struct child **out, struct error *err);
/* [io] The same for a value that stands elsewhere in the options: a list of children.  name: of
 * the edge ("children.0"). */
int node_open_child_value(struct node *n, const json_t *value, const char *name, uint32_t roles,
                          struct child **out, struct error *err);

/* [ctl] A filter of a driver that blockdev-add does not know, above `below`, to which its edge of
 * that name leads (model/job/filter.h).  name NULL: one is made up.  The reference is the
 * caller's. */
int node_open_filter(struct node *below, const struct blk_driver *drv, const char *name,
                     const char *edge, bool read_only, struct node **out, struct error *err);

/* [io] Opens the backing file that n's header names, of which n was opened without, and puts n
 * above it.  Nothing happens when the header names none.  Errors: QEMU's texts; n is as before. */
int node_open_backing(struct node *n, struct error *err);

struct node *node_ref(struct node *n);
/* [io] The last reference closes the node, after its requests have ended. */
void node_unref(struct node *n);

/* [io] Waits until no request is in flight on n. */
void node_wait_idle(struct node *n);

/* The edge of that name, or NULL. */
struct child *node_child(const struct node *n, const char *name);
/* The primary or filtered child (QEMU's bs->file for both), or NULL. */
struct child *node_primary(const struct node *n);
struct child *node_filtered(const struct node *n);

/* [ctl] Recomputes limits from children and driver. */
void node_refresh_limits(struct node *n);

/* Attaches node as a child of parent (NULL with ops/opaque for others).  Takes a new reference.
 * Permissions are in force when it returns 0.  Errors: conflict of permissions. */
int child_attach(struct node *node, const char *name, uint32_t roles, struct node *parent,
                 const struct child_parent *ops, void *opaque, struct perm_pair perm,
                 struct child **out, struct error *err);
/* [io] Drops the edge and its reference; c is freed. */
void child_detach(struct child *c);
/* Changes what a parent that is not a node uses and shares. */
int child_set_perm(struct child *c, struct perm_pair perm, struct error *err);

/* The host that stores files, and the events of the layer: for protocol drivers. */
struct host *node_host(const struct node *n);
/* Emits a QMP event; data is stolen (may be NULL). */
void node_emit_event(struct node *n, const char *name, json_t *data);

/* A warning, as QEMU writes it to stderr. */
void node_warn(struct node *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The flags that a proposal gives n, or those in force: for what is asked of a proposal. */
static inline const struct node_flags *node_flags_next(const struct node *n)
{
    return n->next_flags ? n->next_flags : &n->flags;
}

/* Whether somebody stands above n, or would by a proposal: for what is asked of a proposal. */
bool node_has_parents_next(const struct node *n);

/* The flags that options give, what they leave out being inherited from parent (NULL: a root) by a
 * child of those roles.  node_flags_check refuses what contradicts itself, in QEMU's words. */
void node_flags_read(const struct opts *o, const struct node_flags *parent, uint32_t roles,
                     struct node_flags *out);
int node_flags_check(const struct node_flags *f, struct error *err);
/* Those two of them that no child inherits: discard (unmap: when it is not said), detect-zeroes. */
void node_flags_read_own(const struct opts *o, bool unmap, struct node_flags *out);

/* The COW child (QEMU's bs->backing when it is no filter), or NULL. */
struct child *node_backing(const struct node *n);
/* How a chain goes on below n: by what a filter filters, or an image stands on; the edge, and the
 * node.  NULL: n is the lowest. */
struct child *node_chain_edge(const struct node *n);
static inline struct node *node_below(const struct node *n)
{
    const struct child *c = node_chain_edge(n);
    return c ? c->node : NULL;
}

/* For a driver's open and set_backing: what the image's header says of its backing file.  Strings
 * are copied; file "" or NULL: none; format NULL: not said. */
void node_set_backing_name(struct node *n, const char *file, const char *format);

/* The name of the block device that has it as its medium, or its own. */
const char *node_device_or_name(const struct node *n);

/* For drivers that compare: the command "last_message", the text of the last of `count` mismatches.
 * -ENOTSUP: another command; -ENOENT: there was none. */
int node_last_message(const char *command, const char *message, uint64_t count, json_t *reply);

/* What the driver says of its image, or that of the child it stands for.  -ENOTSUP: nothing. */
int node_info(const struct node *n, struct driver_info *info);

/* The plain file name of a node, or "json:{...}": query results (model/filename.c). New string. */
char *node_filename(const struct node *n);
/* [ctl] From begin to end nothing changes in the layer: names are made once a node. */
void filenames_begin(struct layer *l);
void filenames_end(struct layer *l);
/* Whether its backing file is not the one that its header names. */
bool node_backing_is_another(const struct node *n);
/* The name of the backing file that n's header has, relative to n's own folder, in a new string.
 * Errors: n has none ("Cannot generate a base directory for quorum nodes"). */
int node_backing_path(const struct node *n, char **out, struct error *err);

#endif
