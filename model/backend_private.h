/* The inside of a BlockBackend: for model/backend*.c only. */
#ifndef MODEL_BACKEND_PRIVATE_H
#define MODEL_BACKEND_PRIVATE_H

#include "model/backend.h"
#include "model/layer_state.h"
#include "model/throttle.h"

struct backend {
    struct layer *layer;
    struct sim *sim;
    char *name;
    struct perm_pair perm;
    struct child *root; /* NULL: no medium. */
    struct acct acct;
    uint32_t actor;
    bool writeback;
    uint32_t in_flight;
    struct co_queue drained;
    struct throttle_member throttle; /* model/backend_throttle.c */
    struct backend *prev, *next;
};

#endif
