/* Inside of the `io` verb on the simulated layer. */
#ifndef SCENARIOS_IO_PRIVATE_H
#define SCENARIOS_IO_PRIVATE_H

#include "scenarios/io.h"
#include "scenarios/io_cmd.h"
#include "sim/sim.h"
#include "sim/sync.h"

/* Uses of one node, frontend or block device, while refs > 0. */
struct ioc_session {
    struct io_medium base;
    struct io_shell *sh;
    char *node; /* As it was named. */
    struct guest_port port;
    bool owned; /* The backend is the session's own, on a node. */
    uint32_t refs;
    struct ioc_session *next;
};

/* A request of aio_read or aio_write in flight. */
struct ioc_flight {
    struct io_shell *sh;
    struct ioc_session *session;
    struct target_call *call; /* NULL once its statement is over. */
    struct io_aio *aio;
    struct ioc_flight *next;
};

/* A breakpoint that the script has set. */
struct ioc_tag {
    char *tag;
    struct ioc_tag *next;
};

/* A command that waits for a breakpoint. */
struct ioc_waiter {
    struct co *co;
    struct backend *backend;
    const char *tag;
    bool ready, cancelled;
    struct ioc_waiter *next;
};

/* Who waits for requests in flight: it gets the output of those of its session. */
struct ioc_flusher {
    struct ioc_session *session;
    struct target_call *call;
    struct co_queue wake;
    struct ioc_flusher *next;
};

struct io_shell {
    struct io_shell_config cfg;
    struct layer *layer; /* Of the last command. */
    struct ioc_session *sessions;
    struct ioc_flight *flights;
    struct ioc_tag *tags;
    struct ioc_waiter *waiters;
    struct ioc_flusher *flushers;
    size_t commands;
};

/* io.c */
/* Adds perm to what the session's backend uses; a guest has what its frontend has, but for
 * resizing. Errors: a conflict; nothing changed. */
int ioc_take_perm(struct ioc_session *s, uint32_t perm, struct error *err);
struct ioc_session *ioc_session_ref(struct ioc_session *s);
void ioc_session_unref(struct io_shell *sh, struct ioc_session *s); /* [io] */

/* io_sim.c */
extern const struct io_medium_ops ioc_session_ops;
struct ioc_session *ioc_session_of(struct io_medium *m); /* Checked: it is one. */

/* io_flight.c */
void ioc_submit(struct io_medium *m, struct target_call *call, struct io_aio *a);
/* Until all requests of the session that the call has started have ended. */
void ioc_aio_wait(struct ioc_session *s, struct target_call *call);
void ioc_aio_flush(struct io_medium *m, struct target_call *call);
/* Output of the call's requests goes elsewhere from now on. */
void ioc_aio_forget(struct io_shell *sh, const struct target_call *call);

/* io_hold.c */
bool ioc_wait_break(struct io_medium *m, const char *tag);
void ioc_set_break(struct io_medium *m, const char *tag);

#endif
