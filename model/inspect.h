/* Read-only views of the graph for oracles and reports.  Nothing here changes anything.
 *
 * Nodes and edges are walked by first and next, so a look at everything is linear.  A pointer holds
 * until the graph changes.
 */
#ifndef MODEL_INSPECT_H
#define MODEL_INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct layer;
struct node;
struct child; /* An edge. */
struct dirty_bitmap;
struct job;

/* As in model/perm.h and model/driver.h. */
enum view_perm {
    VIEW_CONSISTENT_READ = 1 << 0,
    VIEW_WRITE = 1 << 1,
    VIEW_WRITE_UNCHANGED = 1 << 2,
    VIEW_RESIZE = 1 << 3,
};

enum view_role {
    VIEW_DATA = 1 << 0,
    VIEW_METADATA = 1 << 1,
    VIEW_FILTERED = 1 << 2,
    VIEW_COW = 1 << 3,
    VIEW_PRIMARY = 1 << 4,
};

struct node_view {
    const struct node *node;
    uint64_t id;            /* Never used again. */
    const char *name, *driver;
    int64_t length;
    uint32_t refs;          /* As counted by the model. */
    uint32_t held;          /* Those of them that changes hold which may still be taken back, and
                             * exports that show its bitmaps. */
    bool monitor_owned;
    bool settled;           /* Open, and not closing. */
    uint32_t in_flight, tracked;
    uint64_t started;       /* Requests of parents that are no nodes so far; */
    uint64_t job_started;   /* those of backends of jobs, which are not among them. */
    uint64_t writes;        /* Writes, zeroes, discards and changes of length so far. */
    uint32_t height, iothread;
    uint32_t quiesce, covered; /* As counted by the model (model/drain.h). */
    const struct node *inherits; /* The parent whose options it takes, or NULL. */
    bool read_only, force_share;
    bool is_filter, is_format;
    bool copy_on_read;   /* What is read through it may be written to it. */
    bool cache_no_flush; /* As resolved: flushes below it make nothing durable. */
    bool implicit;       /* A filter that a job put in and nobody named. */
    uint32_t job_blockers; /* Blockers of jobs on it, */
    uint32_t job_bitmaps;  /* and bitmaps: those without a name. */
};

struct edge_view {
    uint64_t id;               /* Never used again. */
    const struct node *parent; /* NULL: not a node. */
    const struct node *child;
    const char *name;
    uint32_t roles;        /* enum view_role */
    uint32_t perm, shared; /* enum view_perm */
    bool frozen;
    bool blocks;        /* It has a blocker on the child. */
    bool quiet, covers; /* What it has added to the parent's quiesce, to the child's covered. */
    bool of_job;        /* A job's own. */
};

/* As in model/job/job.h. */
enum view_job_status {
    VIEW_JOB_UNDEFINED,
    VIEW_JOB_CREATED,
    VIEW_JOB_RUNNING,
    VIEW_JOB_PAUSED,
    VIEW_JOB_READY,
    VIEW_JOB_STANDBY,
    VIEW_JOB_WAITING,
    VIEW_JOB_PENDING,
    VIEW_JOB_ABORTING,
    VIEW_JOB_CONCLUDED,
    VIEW_JOB_NULL,
    VIEW_JOB_STATUSES
};

struct job_view {
    const struct job *job;
    uint64_t serial;       /* Never used again. */
    const char *id;        /* NULL: internal. */
    const char *type;      /* "mirror" */
    enum view_job_status status;
    uint32_t pause_count;
    bool user_paused;
    bool auto_finalize, auto_dismiss;
    bool started;
    bool busy;             /* It is at work; else it waits, or is at rest: */
    bool paused;
    bool sleeps;           /* it waits for a time; */
    bool works;            /* requests of it are in flight; */
    bool idle;             /* it has nothing to do until the user ends it. */
    bool ran;              /* Its work has ended. */
    bool cancelled, forced; /* It was asked to end; by force. */
    bool others;           /* Others of its transaction have not come so far, or wait for a user. */
    bool block_job;        /* It has nodes, and BLOCK_JOB_* events. */
    int64_t progress, remaining;
    int ret;
};

/* Nodes in order of creation; NULL at the end, and when there is none. */
const struct node *inspect_first(const struct layer *l);
const struct node *inspect_next(const struct node *n);
const struct node *inspect_prev(const struct node *n);
void inspect_view(const struct node *n, struct node_view *out);
/* The i-th of them; false after the last.  It counts from the first: for who looks at few. */
bool inspect_node(const struct layer *l, size_t i, struct node_view *out);

/* Edges from a node to its children, in order; to a node from its parents, backends included. */
const struct child *inspect_first_child(const struct node *n);
const struct child *inspect_next_child(const struct child *c);
const struct child *inspect_first_parent(const struct node *n);
const struct child *inspect_next_parent(const struct child *c);
void inspect_edge(const struct child *c, struct edge_view *out);

/* A dirty bitmap of a node. */
struct bitmap_view {
    uint64_t id;         /* Never used again. */
    const char *name;    /* NULL: a job's, or one that records for another, */
    uint64_t stands_for; /* which has this id; else 0. */
    uint64_t cleared;    /* Bits were taken away so often, */
    uint64_t paused;     /* and recording was stopped so often. */
    int64_t length;
    bool enabled;
};

/* In order of creation; NULL at the end, and when there is none. */
const struct dirty_bitmap *inspect_first_bitmap(const struct node *n);
const struct dirty_bitmap *inspect_next_bitmap(const struct dirty_bitmap *b);
void inspect_bitmap(const struct dirty_bitmap *b, struct bitmap_view *out);
/* The first byte of the range that is not marked, or -1; the range is inside the length. */
int64_t inspect_bitmap_clean(const struct dirty_bitmap *b, int64_t offset, int64_t bytes);

/* Jobs, the youngest first; NULL at the end, and when there is none. */
const struct job *inspect_first_job(const struct layer *l);
const struct job *inspect_next_job(const struct job *j);
void inspect_job(const struct job *j, struct job_view *out);
/* The i-th edge of a job to a node; NULL after the last. */
const struct child *inspect_job_edge(const struct job *j, size_t i);

/* The layer that a node belongs to. */
const struct layer *inspect_layer(const struct node *n);
/* The option of a node as in force: JSON text in a new string, NULL when there is none.  "default"
 * when it was not given. */
char *inspect_option(const struct node *n, const char *name);
/* Whether n or what it stands for can say how its image is made; cluster_size 0: no clusters. */
bool inspect_info(const struct node *n, int64_t *cluster_size);
/* Where the state of a machine would lie in its image, in bytes; and what only its format says, in
 * lines as QEMU prints them (a new string, NULL: nothing). */
int64_t inspect_vm_state(const struct node *n);
char *inspect_specific(const struct node *n);
/* A command is in progress, or somebody waits for nodes to be at rest: such may hold references. */
bool inspect_is_busy(const struct layer *l);

/* --- What happens, told as it happens --- */

enum drain_what {
    DRAIN_ASKED,    /* A section opens. */
    DRAIN_QUIET,    /* Of a node: the first section reaches it; from now on nothing new starts. */
    DRAIN_IN_FORCE, /* What was in flight has ended. */
    DRAIN_OVER,     /* The section closes. */
    DRAIN_RELEASED, /* Of a node: no section reaches it any more. */
};

struct drain_note {
    const struct layer *layer;
    const struct node *node; /* NULL: every node. */
    enum drain_what what;
    bool subtree;            /* What is below the node as well. */
};

/* An event of a job, as it is told to the monitor. */
struct job_event {
    const char *name;   /* "JOB_STATUS_CHANGE", "BLOCK_JOB_READY"... */
    const char *id;     /* "id", else "device". */
    const char *status; /* NULL: it has none. */
};

/* What a job does to the contents of nodes, at the instant in which it has done so. */
enum job_point {
    JOB_AT_START, /* It begins: the point in time that a backup shows. */
    JOB_AT_END,   /* Its work is done and holds; the graph is about to be changed, or not, and no
                   * request reaches it until that has happened. */
    JOB_AT_FAIL,  /* It ends without that: its target is left with anything. */
};

enum job_sync { JOB_SYNC_FULL, JOB_SYNC_TOP, JOB_SYNC_NONE, JOB_SYNC_BITMAP };

struct job_note {
    const struct layer *layer;
    enum job_point point;
    const char *type;          /* "backup", "mirror", "commit", "stream" */
    uint64_t serial;
    enum job_sync sync;        /* Backup, mirror. */
    const struct node *source; /* Commit, stream: the top of what is moved. */
    const struct node *target; /* Commit: the base.  Stream: NULL. */
    const struct node *base;   /* Stream: what stays below; NULL: nothing. */
    /* sync=bitmap, at the start: the next stretch from *offset on that is to be copied; false: none
     * is left. */
    bool (*dirty)(const void *opaque, int64_t *offset, int64_t *bytes);
    const void *opaque;
};

/* Any member may be NULL.  None may yield or change anything. */
struct graph_watch {
    void (*drain)(void *opaque, const struct drain_note *note);
    /* The edge is about to lead to another node, or (NULL) to go; or, when `to` is where it leads
     * already, to get other permissions. */
    void (*edge_changes)(void *opaque, const struct child *c, const struct node *to);
    /* A file of the host has become an empty image of that format. */
    void (*image_made)(void *opaque, const char *filename, const char *format);
    /* A job has got from one status to the next; its event follows. */
    void (*job_moves)(void *opaque, const struct job_view *v, enum view_job_status from);
    void (*job_event)(void *opaque, const struct job_event *e);
    void (*job_note)(void *opaque, const struct job_note *note);
    void *opaque;
};
void inspect_watch(struct layer *l, const struct graph_watch *watch);

#endif
