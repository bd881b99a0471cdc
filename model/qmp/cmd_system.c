/* SPDX-License-Identifier: MIT */
/* What a monitor may ask of the program around the layer: human-monitor-command, quit, yank.
 * (QEMU qapi/misc.json, qapi/control.json, qapi/run-state.json, qapi/yank.json.)
 */
#include "base/check.h"
#include "model/layer_state.h"
#include "model/qmp/commands.h"
#include "model/qmp/hmp.h"

#include <errno.h>
#include <string.h>

/* ---- human-monitor-command ---- */

static int human(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    const char *line = json_string_value(json_object_get(args, "command-line"));
    const json_t *cpu = json_object_get(args, "cpu-index");
    struct strbuf out = { .text = NULL };

    if (!l->hooks.qemu_io) {
        return error_set(err, -ENOTSUP, "There is no human monitor");
    }
    if (json_integer_value(cpu) != 0) {
        return error_set(err, -EINVAL, "Parameter 'cpu-index' expects a CPU number");
    }
    hmp_run(l, line, &out);
    *ret = json_string(strbuf_str(&out));
    CHECK(*ret);
    strbuf_free(&out);
    return 0;
}

static const struct schema_member human_args[] = {
    { "command-line", &schema_str, 0, NULL, "as a person would type it" },
    { "cpu-index", &schema_int, MEMBER_OPTIONAL, NULL, "there is CPU 0" },
    { 0 },
};

static const struct schema_type human_type = { .name = "q_obj_human-monitor-command-arg",
                                               .kind = SCHEMA_STRUCT,
                                               .members = human_args };

static const char *const hmp_features[] = { "savevm-monitor-nodes", NULL };

const struct qmp_command qmp_human_monitor_command = {
    .name = "human-monitor-command",
    .features = hmp_features,
    .args = &human_type,
    .returns = &schema_str,
    .help = "a line of the human monitor: qemu-io, info block, help",
    .run = human,
};

/* ---- quit ---- */

void layer_tell_shutdown(struct layer *l, const char *reason)
{
    layer_emit(l, "SHUTDOWN", json_pack("{s:b, s:s}", "guest", 0, "reason", reason));
}

int qmp_quit_now(struct layer *l, struct error *err)
{
    if (!l->hooks.quit) {
        return error_set(err, -ENOTSUP, "quit needs a monitor of its own (blksim qmp)");
    }
    layer_tell_shutdown(l, "host-qmp-quit");
    l->hooks.quit(l->hooks.opaque);
    return 0;
}

static int quit(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)args;
    (void)ret;
    return qmp_quit_now(l, err);
}

const struct qmp_command qmp_quit = {
    .name = "quit",
    .help = "end the program",
    .run = quit,
};

static const char *const cause_values[] = {
    "none", "host-error", "host-qmp-quit", "host-qmp-system-reset", "host-signal", "host-ui",
    "guest-shutdown", "guest-reset", "guest-panic", "subsystem-reset", "snapshot-load", NULL
};

static const struct schema_type cause_type = {
    .name = "ShutdownCause", .kind = SCHEMA_ENUM, .values = cause_values
};

static const struct schema_member shutdown_members[] = {
    { "guest", &schema_bool, 0, NULL, "the guest asked for it" },
    { "reason", &cause_type, 0, NULL, "who did" },
    { 0 },
};

static const struct schema_type shutdown_type = { .name = "q_obj_SHUTDOWN-arg",
                                                  .kind = SCHEMA_STRUCT,
                                                  .members = shutdown_members };

const struct qmp_event qmp_event_shutdown = {
    .name = "SHUTDOWN",
    .data = &shutdown_type,
    .help = "the program ends",
};

/* ---- yank ---- */

static const char *const instance_values[] = { "block-node", "chardev", "migration", NULL };

static const struct schema_type instance_kind = {
    .name = "YankInstanceType", .kind = SCHEMA_ENUM, .values = instance_values
};

static const struct schema_member instance_base[] = {
    { "type", &instance_kind, 0, NULL, "what it is" },
    { 0 },
};

static const struct schema_member instance_node[] = {
    { "node-name", &schema_str, 0, NULL, "name of the node" },
    { 0 },
};

static const struct schema_member instance_chardev[] = {
    { "id", &schema_str, 0, NULL, "id of the character device" },
    { 0 },
};

static const struct schema_member *instance_branch(const struct blk_driver *const *drivers,
                                                   const char *value)
{
    (void)drivers;
    return strcmp(value, "block-node") == 0 ? instance_node
           : strcmp(value, "chardev") == 0  ? instance_chardev
                                            : NULL;
}

static const struct schema_type instance_type = { .name = "YankInstance",
                                                  .kind = SCHEMA_UNION,
                                                  .members = instance_base,
                                                  .discriminator = "type",
                                                  .branch = instance_branch };

static const struct schema_type instance_list = {
    .name = "YankInstanceList", .kind = SCHEMA_ARRAY, .element = &instance_type
};

static const struct schema_member yank_args[] = {
    { "instances", &instance_list, 0, NULL, "connections to break" },
    { 0 },
};

static const struct schema_type yank_type = { .name = "q_obj_yank-arg",
                                              .kind = SCHEMA_STRUCT,
                                              .members = yank_args };

/* Connections are those of network drivers, and there is none yet: nothing can be found. */
static int yank(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)l;
    (void)ret;
    if (json_array_size(json_object_get(args, "instances")) > 0) {
        return error_set_class(err, ERROR_DEVICE_NOT_FOUND, -ENOENT, "Instance not found");
    }
    return 0;
}

const struct qmp_command qmp_yank = {
    .name = "yank",
    .args = &yank_type,
    .help = "break connections at once, out of band",
    .allow_oob = true,
    .run = yank,
};

static int query_yank(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)l;
    (void)args;
    (void)err;
    *ret = json_array();
    return 0;
}

const struct qmp_command qmp_query_yank = {
    .name = "query-yank",
    .returns = &instance_list,
    .help = "what yank can break",
    .allow_oob = true,
    .run = query_yank,
};
