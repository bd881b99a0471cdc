/* The inside of a layer: for model/ only. */
#ifndef MODEL_LAYER_STATE_H
#define MODEL_LAYER_STATE_H

#include "model/layer.h"
#include "model/node.h"
#include "model/qmp/command.h"

struct layer {
    struct sim *sim;
    struct host *host;
    const struct blk_driver *const *drivers;
    struct node *nodes, *nodes_tail;         /* In order of creation. */
    struct backend *backends, *backends_tail;
    uint32_t auto_names;                     /* "#block000" and up. */
    uint64_t marks;                          /* Graph walks so far. */
    uint64_t pad_bytes;                      /* Memory of padded requests (model/io_pad.c). */
    uint32_t drain_all;                      /* Sections of drain_all_begin that are open. */
    uint64_t node_ids, edge_ids;             /* Nodes and edges made so far. */
    uint64_t nodes_alive;                    /* Those that are not linked included. */
    uint32_t drainers;                       /* Who waits for nodes to be at rest, in */
    struct co_queue drain_queue;
    bool proposing;                          /* A proposal is under way. */
    struct co_mutex qmp;                     /* One command at a time (model/qmp/command.c). */
    struct qmp_session *session;             /* Whose command runs; NULL: none. */
    struct qmp_session text_session;         /* Of layer_qmp_text. */
    struct layer_hooks hooks;
    void (*event)(void *opaque, const json_t *event);
    void *event_opaque;
};

/* Emits a QMP event; data is stolen, may be NULL. */
void layer_emit(struct layer *l, const char *name, json_t *data);

/* Whether a node has that name, one that layer_find_node does not show included. */
bool layer_name_taken(const struct layer *l, const char *name);

/* The driver of that name, or NULL. */
const struct blk_driver *layer_driver(const struct layer *l, const char *name);

/* The next backend in the layer's list. */
struct backend *backend_next(const struct backend *b);

#endif
