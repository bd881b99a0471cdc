/* The table of QMP commands. */
#ifndef MODEL_QMP_COMMAND_H
#define MODEL_QMP_COMMAND_H

#include "base/error.h"
#include "model/schema.h"

#include <jansson.h>

struct layer;

struct qmp_command {
    const char *name;
    const struct schema_type *args;    /* STRUCT or UNION; NULL: none. */
    const struct schema_type *returns; /* NULL: the empty object. */
    const char *help;                  /* One line. */
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

/* [io] Checks and runs a request object; the reply is new.  See layer_qmp_text. */
json_t *qmp_dispatch(struct layer *l, const json_t *request);

#endif
