/* The inside of a load on a real target: load.c (requests), load_port.c (what they go to). */
#ifndef SCENARIOS_REAL_LOAD_PRIVATE_H
#define SCENARIOS_REAL_LOAD_PRIVATE_H

#include "scenarios/real/load.h"

/* What io commands name. */
struct load_port {
    struct target *target;
    char *name;
    bool owned;     /* A frontend of the load's own. */
    int64_t length; /* Bytes. */
};

/* Looks the name up; writes: the load will write.  Errors: as load_real_start. */
int load_port_open(struct load_port *p, const struct load_real_config *cfg, bool writes,
                   struct error *err);
void load_port_close(struct load_port *p);

#endif
