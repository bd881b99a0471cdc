/* The inside of a BlockBackend: for model/backend*.c only. */
#ifndef MODEL_BACKEND_PRIVATE_H
#define MODEL_BACKEND_PRIVATE_H

#include "model/backend.h"
#include "model/layer_state.h"
#include "model/throttle.h"

struct backend {
    struct layer *layer;
    struct sim *sim;
    char *name; /* NULL: anonymous. */
    uint32_t refs;
    bool destroyed; /* In no list; kept by references alone. */
    struct perm_pair perm;
    struct child *root; /* NULL: no medium. */
    uint64_t media;     /* Media that have gone. */
    struct acct acct;
    uint32_t actor;
    uint32_t iothread; /* Of the client. */
    bool writeback;
    bool auto_delete;
    bool queues; /* Its door closes in drained sections. */
    struct node_flags medium_flags; /* Of the medium that was taken out last. */
    enum on_error on_error[2]; /* Of writes, of reads. */
    bool io_status_enabled;
    enum io_status io_status;
    const struct backend_client *client; /* NULL: nobody is attached. */
    void *client_opaque;
    struct throttle_member throttle; /* model/backend_throttle.c */
    uint32_t closed; /* Above 0: requests wait at the door. */
    struct co_queue door;
    uint32_t in_flight; /* Requests behind the door. */
    struct co_queue drained;
    struct backend *prev, *next;
};

/* [io] Waits for the request's turn in the throttle group: reads, writes and zeroes have one. */
static inline void backend_throttle(struct backend *b, const struct io_req *req)
{
    if (b->throttle.group && req->op <= IO_WRITE_ZEROES) {
        throttle_wait_turn(&b->throttle, (uint64_t)req->bytes, req->op != IO_READ);
    }
}

#endif
