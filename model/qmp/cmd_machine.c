/* SPDX-License-Identifier: MIT */
/* stop, cont, system_reset, query-status: the machine as far as requests depend on it.
 * (QEMU qapi/run-state.json, qapi/misc.json, qapi/machine.json.)
 */
#include "base/check.h"
#include "model/layer_state.h"
#include "model/machine.h"
#include "model/qmp/commands.h"

static int stop(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)args;
    (void)ret;
    (void)err;
    machine_stop(l);
    return 0;
}

const struct qmp_command qmp_stop = {
    .name = "stop",
    .help = "stop the guest; what it wrote is flushed",
    .run = stop,
};

static int cont(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)args;
    (void)ret;
    (void)err;
    machine_cont(l);
    return 0;
}

const struct qmp_command qmp_cont = {
    .name = "cont",
    .help = "let the guest go on; requests that were kept are made again",
    .run = cont,
};

static int reset(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)args;
    (void)ret;
    (void)err;
    machine_reset(l);
    return 0;
}

const struct qmp_command qmp_system_reset = {
    .name = "system_reset",
    .help = "reset the machine; devices that were asked to go do",
    .run = reset,
};

static const char *const state_values[] = {
    "debug",     "inmigrate", "internal-error", "io-error",  "paused",   "postmigrate",
    "prelaunch", "finish-migrate", "restore-vm", "running",  "save-vm",  "shutdown",
    "suspended", "watchdog",  "guest-panicked", "colo",      NULL
};

static const struct schema_type state_type = {
    .name = "RunState", .kind = SCHEMA_ENUM, .values = state_values
};

static const struct schema_member status_members[] = {
    { "running", &schema_bool, 0, NULL, NULL },
    { "singlestep", &schema_bool, 0, NULL, NULL },
    { "status", &state_type, 0, NULL, NULL },
    { 0 },
};

static const struct schema_type status_type = {
    .name = "StatusInfo", .kind = SCHEMA_STRUCT, .members = status_members
};

static int query_status(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)args;
    (void)err;
    *ret = json_pack("{s:s, s:b, s:b}", "status", machine_state_name(l), "singlestep", 0,
                     "running", machine_is_running(l));
    CHECK(*ret);
    return 0;
}

const struct qmp_command qmp_query_status = {
    .name = "query-status",
    .returns = &status_type,
    .help = "whether the guest runs",
    .run = query_status,
};

/* ---- Events ---- */

const struct qmp_event qmp_event_stop = { .name = "STOP", .help = "the guest was stopped" };

const struct qmp_event qmp_event_resume = { .name = "RESUME", .help = "the guest goes on" };

static const char *const cause_values[] = {
    "none",          "host-error",  "host-qmp-quit", "host-qmp-system-reset",
    "host-signal",   "host-ui",     "guest-shutdown", "guest-reset",
    "guest-panic",   "subsystem-reset", "snapshot-load", NULL
};

static const struct schema_type cause_type = {
    .name = "ShutdownCause", .kind = SCHEMA_ENUM, .values = cause_values
};

static const struct schema_member reset_members[] = {
    { "guest", &schema_bool, 0, NULL, "the guest itself asked for it" },
    { "reason", &cause_type, 0, NULL, "who asked" },
    { 0 },
};

static const struct schema_type reset_type = {
    .name = "q_obj_RESET-arg", .kind = SCHEMA_STRUCT, .members = reset_members
};

const struct qmp_event qmp_event_reset = {
    .name = "RESET",
    .data = &reset_type,
    .help = "the machine was reset",
};

static const char *const operation_values[] = { "read", "write", NULL };
static const char *const action_values[] = { "ignore", "report", "stop", NULL };

static const struct schema_type operation_type = {
    .name = "IoOperationType", .kind = SCHEMA_ENUM, .values = operation_values
};

static const struct schema_type action_type = {
    .name = "BlockErrorAction", .kind = SCHEMA_ENUM, .values = action_values
};

static const struct schema_member io_error_members[] = {
    { "device", &schema_str, 0, NULL, "name of the block device, or empty" },
    { "node-name", &schema_str, MEMBER_OPTIONAL, NULL, "node that it uses" },
    { "operation", &operation_type, 0, NULL, "all that is no read is a write" },
    { "action", &action_type, 0, NULL, "what became of the request" },
    { "nospace", &schema_bool, MEMBER_OPTIONAL, NULL, "the disk is full" },
    { "reason", &schema_str, 0, NULL, "for people" },
    { 0 },
};

static const struct schema_type io_error_type = {
    .name = "q_obj_BLOCK_IO_ERROR-arg", .kind = SCHEMA_STRUCT, .members = io_error_members
};

const struct qmp_event qmp_event_block_io_error = {
    .name = "BLOCK_IO_ERROR",
    .data = &io_error_type,
    .help = "a request of a guest failed",
};
