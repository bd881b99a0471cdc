/* SPDX-License-Identifier: MIT */
#include "model/qmp/job_args.h"

#include "model/job/job.h"
#include "model/layer.h"
#include "model/node.h"

#include <errno.h>

static const char *const on_error_values[] = { "report", "ignore", "enospc", "stop", "auto",
                                               NULL };

const struct schema_type schema_on_error = {
    .name = "BlockdevOnError", .kind = SCHEMA_ENUM, .values = on_error_values
};

uint32_t job_args_flags(const json_t *args)
{
    uint32_t flags = 0;
    flags |= json_is_false(json_object_get(args, "auto-finalize")) ? JOB_MANUAL_FINALIZE : 0;
    flags |= json_is_false(json_object_get(args, "auto-dismiss")) ? JOB_MANUAL_DISMISS : 0;
    return flags;
}

enum on_error job_args_on_error(const json_t *args, const char *name)
{
    const char *value = json_string_value(json_object_get(args, name));
    return value ? (enum on_error)on_error_parse(value) : ON_ERROR_REPORT;
}

int64_t job_args_speed(const json_t *args)
{
    return json_integer_value(json_object_get(args, "speed"));
}

/* Edges of backends alone leave a node a root: a job's do not. */
static bool is_root(const struct node *n)
{
    for (const struct child *c = n->parents; c; c = c->next_parent) {
        if (c->parent || c->ops->stay_at_node) {
            return false;
        }
    }
    return true;
}

struct node *job_args_root(const struct layer *l, const char *name, struct error *err)
{
    struct node *n = layer_lookup(l, name, name, err);
    if (n && !is_root(n)) {
        error_set(err, -EINVAL, "Need a root block node");
        return NULL;
    }
    return n;
}
