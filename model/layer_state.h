/* The inside of a layer: for model/ only. */
#ifndef MODEL_LAYER_STATE_H
#define MODEL_LAYER_STATE_H

#include "model/inspect.h"
#include "model/export.h"
#include "model/layer.h"
#include "model/node.h"
#include "model/qmp/command.h"

/* Linked nodes by name (model/layer_names.c). */
struct node_names {
    struct node **buckets;
    size_t cap, len;
};

struct layer {
    struct sim *sim;
    struct host *host;
    const struct blk_driver *const *drivers;
    struct node *nodes, *nodes_tail;         /* In order of creation. */
    struct node_names names;
    struct backend *backends, *backends_tail;
    struct device *devices, *devices_tail;   /* In order of creation. */
    uint32_t anonymous_devices, scsi_buses;  /* Named by their number so far. */
    struct machine *machine;
    struct throttle_group *throttle_groups;  /* The newest first. */
    struct object *objects, *objects_tail;   /* In order of creation. */
    struct exports exports;                  /* model/export.h */
    struct job *jobs;                        /* The youngest first (model/job/job.h). */
    uint64_t job_serials;                    /* Jobs made so far. */
    struct job_buffer *job_buffers;          /* Kept for the next (model/job/buffer.h), */
    size_t job_buffer_bytes;                 /* so much of it. */
    uint32_t auto_names;                     /* "#block000" and up. */
    uint64_t marks;                          /* Graph walks so far. */
    uint64_t name_passes;                    /* filenames_begin so far; */
    bool naming;                             /* the last has not ended. */
    uint64_t pad_bytes;                      /* Memory of padded requests (model/io_pad.c). */
    uint32_t drain_all;                      /* Sections of drain_all_begin that are open. */
    uint64_t node_ids, edge_ids, bitmap_ids; /* Nodes, edges and dirty bitmaps made so far. */
    uint64_t nodes_alive;                    /* Those that are not linked included. */
    uint32_t drainers;                       /* Who waits for nodes to be at rest, in */
    struct co_queue drain_queue;
    bool proposing;                          /* A proposal is under way: */
    struct proposal *proposal;               /* this one, or the memory of the last; or NULL. */
    struct co_mutex qmp;                     /* One command at a time (model/qmp/command.c). */
    struct qmp_session *session;             /* Whose command runs; NULL: none. */
    struct qmp_session text_session;         /* Of layer_qmp_text. */
    struct qmp_index commands;               /* By name. */
    struct layer_hooks hooks;
    struct event_limit *event_limits;        /* Of events that were told within a second. */
    void (*event)(void *opaque, const struct event *event);
    void *event_opaque;
    struct strbuf event_text, event_trace;   /* Memory for the text of events (model/event.c). */
    struct graph_watch watch;
    void (*warning)(void *opaque, const char *text);
    void *warning_opaque;
    struct drive_place *drives;              /* Where -drive has put drives (model/drive.c). */
    unsigned temporaries;                    /* Names of temporary files so far. */
};

/* Emits a QMP event; data is stolen, may be NULL. */
void layer_emit(struct layer *l, const char *name, json_t *data);
/* The same for one that is told often and not limited: no value is made for it. */
struct event_member {
    const char *key;
    const char *text; /* NULL: number it is. */
    int64_t number;
};
void layer_emit_members(struct layer *l, const char *name, const struct event_member *members,
                        size_t n);

/* A warning, as QEMU writes it to stderr: to the trace, and to whoever listens. */
void layer_warn(struct layer *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Tells an event to whoever listens, now. */
void layer_deliver(struct layer *l, const struct event *event);
/* [ctl] Whether an event of that kind was told just now, and this one is kept for later
 * (model/event_limit.c).  data: its value, or NULL. */
bool event_limit_hold(struct layer *l, const struct event *event, const json_t *data);
void event_limit_fini(struct layer *l);

/* Checked: no node has the name of the one that is added. */
void layer_names_add(struct layer *l, struct node *n);
void layer_names_remove(struct layer *l, struct node *n);
/* The linked node of that name, or NULL. */
struct node *layer_names_find(const struct layer *l, const char *name);
void layer_names_fini(struct layer *l);

/* Whether a node has that name, one that layer_find_node does not show included. */
bool layer_name_taken(const struct layer *l, const char *name);

/* The driver of that name, or NULL. */
const struct blk_driver *layer_driver(const struct layer *l, const char *name);

/* The next backend in the layer's list. */
struct backend *backend_next(const struct backend *b);

#endif
