/* Options of one node as its driver sees them: values that were checked against the driver's
 * table, with the table's defaults behind them. */
#ifndef MODEL_OPTIONS_H
#define MODEL_OPTIONS_H

#include "model/schema.h"

#include <stdint.h>

struct opts {
    const json_t *values;                /* Object; borrowed. */
    const struct schema_member *members; /* Where defaults come from; may be NULL. */
};

/* Dotted names reach into nested objects: "cache.direct".  Checked: the name is in the table (or
 * given) and has that type. */
const char *opts_str(const struct opts *o, const char *name); /* NULL when not given, no default. */
bool opts_bool(const struct opts *o, const char *name);
int64_t opts_int(const struct opts *o, const char *name);  /* Integers and sizes. */
/* Enum or OnOffAuto as text. */
const char *opts_enum(const struct opts *o, const char *name);
/* The raw value, or NULL. */
const json_t *opts_get(const struct opts *o, const char *name);
bool opts_given(const struct opts *o, const char *name);

/* Members of the arguments of a command, which are checked.  NULL: it was not given. */
static inline const char *args_str(const json_t *args, const char *name)
{
    return json_string_value(json_object_get(args, name));
}

static inline bool args_is_true(const json_t *args, const char *name)
{
    return json_is_true(json_object_get(args, name));
}

#endif
