/* Oracles: each checks one property of a run and says what it does not see.  DESIGN section 6.
 *
 * An oracle sees the world through a few hooks and const views; it shares no code with what it
 * judges and never includes drivers/.  The runner (scenarios/) calls the hooks.  A hook reports
 * through oracle_fail; the first failure decides the verdict, later ones are kept in the log.
 */
#ifndef ORACLES_ORACLE_H
#define ORACLES_ORACLE_H

#include "base/text.h"
#include "model/inspect.h"
#include "sim/disk.h"
#include "sim/trace.h"

#include <stdint.h>

struct oracle;
struct layer;
struct node;
struct sim;
struct snapshot; /* oracles/snapshot.h */

enum guest_op { GUEST_READ, GUEST_WRITE, GUEST_ZERO, GUEST_DISCARD, GUEST_FLUSH, GUEST_TRUNCATE };

/* A request of a guest on a node, in flight from guest_begin to guest_end. */
struct guest_io {
    enum guest_op op;
    const struct node *node; /* As the guest addressed it. */
    const struct layer *layer;
    int64_t offset, bytes;
    bool fua;
    const struct iobuf *data; /* Write: what.  Read: at the end, what came. */
    uint64_t token;           /* The same at begin and end; unique in the run; set by the caller. */
};

struct oracle_ops {
    const char *name;  /* "ref-image" */
    const char *help;  /* One line. */
    const char *blind; /* What it does not verify. */
    void *(*create)(struct oracle *o);
    void (*destroy)(void *state);
    /* A guest request starts; ends with ret (0 or -errno).  NULL: not interested. */
    void (*guest_begin)(void *state, const struct guest_io *io);
    void (*guest_end)(void *state, const struct guest_io *io, int ret);
    /* Every coroutine of the instant has run: after each statement and at run/wait. */
    void (*quiesce)(void *state, const struct layer *l);
    /* The same, for who looks at the graph as a whole; s is lent. */
    void (*look)(void *state, const struct snapshot *s);
    /* As it happens (model/inspect.h). */
    void (*drain)(void *state, const struct drain_note *note);
    void (*edge_changes)(void *state, const struct child *c, const struct node *to);
    void (*job_moves)(void *state, const struct job_view *v, enum view_job_status from);
    void (*job_event)(void *state, const struct job_event *e);
    void (*job_note)(void *state, const struct job_note *note);
    /* A node is about to go, or a new layer exists (after power on): forget pointers. */
    void (*power_cut)(void *state);
    void (*layer_gone)(void *state);
    /* Nothing is ready, no timer is set, and a statement still waits. */
    void (*stuck)(void *state, const struct sim *s);
    /* The case is over and everything has been torn down. */
    void (*end)(void *state, const struct sim *s);
    /* The contents of a host file changed, but not by guests of the layer: `image` made it anew, a
     * disk was filled, cloned or imported.  filename: as in the option; NULL: any file. */
    void (*storage_changed)(void *state, const char *filename);
    /* A host file was made anew as an empty image of that format: it shows zeroes, or its backing
     * file.  storage_changed is not called for it. */
    void (*image_made)(void *state, const char *filename, const char *format);
    /* A fault has fired since the last call: what was not flushed may not get to its storage. */
    void (*trouble)(void *state);
};

/* One oracle in one run. */
struct oracle {
    const struct oracle_ops *ops;
    void *state;
    struct sim *sim;
    void (*fail)(void *opaque, const struct oracle *o, const char *site, const char *text);
    void *opaque;
};

/* Reports a failure.  site: a short literal that names the check ("read", "edge"). */
void oracle_fail(struct oracle *o, const char *site, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The oracles of a run, and what they share. */
struct oracle_set {
    struct oracle *at;
    size_t len;
    struct snapshot *snapshot; /* NULL until it is needed; freed by oracles_free. */
};

/* The instant is over: quiesce and look of all. */
void oracles_quiesce(struct oracle_set *set, const struct layer *l);
/* What happens in l is told to all of them from now on; set must outlive l. */
void oracles_watch(struct oracle_set *set, struct layer *l);
/* Hooks of all. */
void oracles_image_made(struct oracle_set *set, const char *filename, const char *format);
void oracles_trouble(struct oracle_set *set);
void oracles_free(struct oracle_set *set);

/* One by one. */
extern const struct oracle_ops oracle_ref_image, oracle_graph, oracle_permissions, oracle_frozen,
    oracle_drain, oracle_jobs, oracle_bitmaps, oracle_liveness, oracle_determinism;

/* All oracles, ends with NULL. */
extern const struct oracle_ops *const oracles_all[];

#endif
