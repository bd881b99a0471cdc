/* SPDX-License-Identifier: MIT */
/* block-latency-histogram-set.  All boundaries are checked before the first is taken.
 * (QEMU qapi/block-core.json.)
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/layer_state.h"
#include "model/qmp/commands.h"

#include <errno.h>
#include <stdlib.h>

static const char *const op_names[ACCT_LATENCIES] = {
    [ACCT_READ] = "read", [ACCT_WRITE] = "write", [ACCT_FLUSH] = "flush"
};

/* The list for an operation: its own, or that for all; NULL: neither was given. */
static const json_t *list_of(const json_t *args, size_t op)
{
    static const char *const members[ACCT_LATENCIES] = { "boundaries-read", "boundaries-write",
                                                         "boundaries-flush" };
    const json_t *own = json_object_get(args, members[op]);
    return own ? own : json_object_get(args, "boundaries");
}

/* New array.  Negative numbers are those that they are as 64-bit unsigned ones. */
static uint64_t *read_list(const json_t *list)
{
    size_t len = json_array_size(list);
    uint64_t *out = NEW_ARRAY(uint64_t, len + 1);
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint64_t)json_integer_value(json_array_get(list, i));
    }
    return out;
}

static int check_list(const json_t *list, const char *id, size_t op, struct error *err)
{
    uint64_t *boundaries = read_list(list);
    bool valid = acct_boundaries_are_valid(boundaries, json_array_size(list));
    free(boundaries);
    return valid ? 0
                 : error_set(err, -EINVAL, "Device '%s' set %s boundaries fail", id,
                             op_names[op]);
}

static void set_list(struct acct_histogram *h, const json_t *list)
{
    uint64_t *boundaries = read_list(list);
    acct_histogram_set(h, boundaries, json_array_size(list));
    free(boundaries);
}

static int set(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct backend *b;
    const char *id = json_string_value(json_object_get(args, "id"));
    (void)ret;
    int code = qmp_find_backend(l, NULL, id, &b, err);
    for (size_t op = 0; code == 0 && op < ACCT_LATENCIES; op++) {
        const json_t *list = list_of(args, op);
        code = list ? check_list(list, id, op, err) : 0;
    }
    if (code < 0) {
        return code;
    }
    struct acct *a = backend_acct_edit(b);
    bool any = false;
    for (size_t op = 0; op < ACCT_LATENCIES; op++) {
        const json_t *list = list_of(args, op);
        any = any || list;
        if (list) {
            set_list(&a->histogram[op], list);
        }
    }
    for (size_t op = 0; !any && op < ACCT_LATENCIES; op++) {
        acct_histogram_clear(&a->histogram[op]);
    }
    return 0;
}

static const struct schema_type boundaries_type = {
    .name = "uint64List", .kind = SCHEMA_ARRAY, .element = &schema_uint64
};

static const struct schema_member set_args[] = {
    { "id", &schema_str, 0, NULL, "frontend" },
    { "boundaries", &boundaries_type, MEMBER_OPTIONAL, NULL, "of all, in nanoseconds, rising" },
    { "boundaries-read", &boundaries_type, MEMBER_OPTIONAL, NULL, "of reads" },
    { "boundaries-write", &boundaries_type, MEMBER_OPTIONAL, NULL, "of writes" },
    { "boundaries-flush", &boundaries_type, MEMBER_OPTIONAL, NULL, "of flushes" },
    { 0 },
};

static const struct schema_type set_type = {
    .name = "q_obj_block-latency-histogram-set-arg", .kind = SCHEMA_STRUCT, .members = set_args
};

const struct qmp_command qmp_block_latency_histogram_set = {
    .name = "block-latency-histogram-set",
    .args = &set_type,
    .help = "count latencies in bins; without boundaries, no more",
    .run = set,
};
