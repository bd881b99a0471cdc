/* Guest I/O: requests of `io` and `load` on a backend, told to the oracles before and after. */
#ifndef SCENARIOS_GUEST_H
#define SCENARIOS_GUEST_H

#include "model/layer.h"
#include "oracles/oracle.h"

/* The oracles of a run and the counter that names its requests.  Zero `tokens` at the start. */
struct guest {
    struct oracle *oracles;
    size_t oracles_len;
    uint64_t tokens;
};

/* Where requests go in. */
struct guest_port {
    struct backend *backend;
    struct device *device; /* Whose backend it is: a guest uses it, and rerror, werror and the state
                            * of the machine count.  NULL: straight into the backend. */
};

/* [io] As backend_request and device_request; every oracle is told of what reaches the medium.  A
 * truncate is never a frontend's. */
int guest_read(struct guest *g, const struct guest_port *p, int64_t offset, struct iobuf *buf,
               uint32_t flags);
int guest_write(struct guest *g, const struct guest_port *p, int64_t offset, struct iobuf *buf,
                uint32_t flags);
int guest_write_zeroes(struct guest *g, const struct guest_port *p, int64_t offset, int64_t bytes,
                       uint32_t flags);
int guest_discard(struct guest *g, const struct guest_port *p, int64_t offset, int64_t bytes);
int guest_flush(struct guest *g, const struct guest_port *p);
int guest_truncate(struct guest *g, const struct guest_port *p, int64_t length, uint32_t flags,
                   enum io_prealloc prealloc, struct error *err);

#endif
