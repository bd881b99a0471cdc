/* SPDX-License-Identifier: MIT */
/* block-set-write-threshold and its event. */
#include "model/layer_state.h"
#include "model/qmp/commands.h"

#include <errno.h>

static int set_threshold(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    const char *name = json_string_value(json_object_get(args, "node-name"));
    const json_t *threshold = json_object_get(args, "write-threshold");
    struct node *n = layer_find_node(l, name);

    (void)ret;
    if (!n) {
        return error_set(err, -ENODEV, "Device '%s' not found", name);
    }
    n->write_threshold = (uint64_t)json_integer_value(threshold);
    return 0;
}

static const struct schema_member threshold_args[] = {
    { "node-name", &schema_str, 0, NULL, "name of the node" },
    { "write-threshold", &schema_uint64, 0, NULL, "offset in bytes; 0 takes it away" },
    { 0 },
};

static const struct schema_type threshold_type = { .name = "q_obj_block-set-write-threshold-arg",
                                                   .kind = SCHEMA_STRUCT,
                                                   .members = threshold_args };

const struct qmp_command qmp_block_set_write_threshold = {
    .name = "block-set-write-threshold",
    .args = &threshold_type,
    .help = "tell once when a node is written beyond an offset",
    .run = set_threshold,
};

static const struct schema_member event_members[] = {
    { "node-name", &schema_str, 0, NULL, "name of the node" },
    { "amount-exceeded", &schema_uint64, 0, NULL, "bytes written beyond it" },
    { "write-threshold", &schema_uint64, 0, NULL, "what it was" },
    { 0 },
};

static const struct schema_type event_type = { .name = "q_obj_BLOCK_WRITE_THRESHOLD-arg",
                                               .kind = SCHEMA_STRUCT,
                                               .members = event_members };

const struct qmp_event qmp_event_block_write_threshold = {
    .name = "BLOCK_WRITE_THRESHOLD",
    .data = &event_type,
    .help = "a node was written beyond its threshold",
};
