/* The table of QMP commands. */
#ifndef MODEL_QMP_COMMAND_H
#define MODEL_QMP_COMMAND_H

#include "base/error.h"
#include "model/schema.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct layer;

struct qmp_command {
    const char *name;
    const struct schema_type *args;    /* STRUCT or UNION; NULL: none. */
    const struct schema_type *returns; /* NULL: the empty object. */
    const char *help;                  /* One line. */
    bool unchecked; /* The command looks at its arguments itself (QAPI: gen false). */
    bool allow_oob; /* It may run out of band, beside another command: it never yields. */
    const char *const *features; /* As the schema shows it: ends with NULL.  "unstable" is said of
                                  * every "x-" by itself. */
    /* [io] args: checked, never NULL (an empty object).  Sets *ret to a new value or leaves it
     * NULL for {}.  Returns 0, or -errno with err set. */
    int (*run)(struct layer *l, const json_t *args, json_t **ret, struct error *err);
};

struct qmp_event {
    const char *name;
    const struct schema_type *data; /* STRUCT; NULL: none. */
    const char *help;               /* One line. */
};

/* All events, ends with NULL. */
extern const struct qmp_event *const qmp_events[];

/* All commands, ends with NULL.  Made of one table a file: cmd_*.c. */
extern const struct qmp_command *const qmp_commands[];

const struct qmp_command *qmp_command_find(const char *name);

/* The same, quickly: places in qmp_commands by the hash of their names. */
enum { QMP_INDEX_SLOTS = 512 };
struct qmp_index {
    uint8_t slot[QMP_INDEX_SLOTS]; /* 1 + place; 0: free. */
};
void qmp_index_fill(struct qmp_index *index);
const struct qmp_command *qmp_index_find(const struct qmp_index *index, const char *name);

/* What one client has negotiated (docs/interop/qmp-spec.txt, section 4). */
struct qmp_session {
    bool strict;     /* Before qmp_capabilities there is no other command. */
    bool negotiated; /* It was run, */
    bool oob;        /* with "oob". */
};

/* Whether the request is one for out of band: it overtakes those that wait. */
bool qmp_is_oob(const struct qmp_session *s, const json_t *request);

/* [io] The layer takes one request at a time: the others wait here, in order. */
void qmp_lock(struct layer *l);
void qmp_unlock(struct layer *l);

/* [io] Checks and runs a request; the reply is new.  The caller holds the lock, unless the request
 * is one for out of band: that never yields. */
json_t *qmp_dispatch(struct layer *l, struct qmp_session *s, const json_t *request);

/* The same for bytes that were no JSON: the reply to an error of the reader. */
json_t *qmp_dispatch_error(struct layer *l, const struct error *err);

/* quit: tells it and asks the front end for the end.  Errors: there is none that can. */
int qmp_quit_now(struct layer *l, struct error *err);

/* VersionInfo, new: of the QEMU that is simulated. */
json_t *qmp_version_info(void);

#endif
