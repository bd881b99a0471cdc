/* SPDX-License-Identifier: MIT */
/* What a monitor says of itself: capabilities, version, commands, schema, iothreads.
 * (QEMU qapi/control.json, qapi/introspect.json, qapi/misc.json.)
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/layer_state.h"
#include "model/object.h"
#include "model/qmp/commands.h"

#include <errno.h>
#include <string.h>

/* ---- qmp_capabilities ---- */

static const char *const capability_values[] = { "oob", NULL };

static const struct schema_type capability_type = {
    .name = "QMPCapability", .kind = SCHEMA_ENUM, .values = capability_values
};

static const struct schema_type capability_list = {
    .name = "QMPCapabilityList", .kind = SCHEMA_ARRAY, .element = &capability_type
};

static const struct schema_member capabilities_args[] = {
    { "enable", &capability_list, MEMBER_OPTIONAL, NULL, "capabilities to turn on" },
    { 0 },
};

static const struct schema_type capabilities_type = {
    .name = "q_obj_qmp_capabilities-arg", .kind = SCHEMA_STRUCT, .members = capabilities_args
};

static int capabilities(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct qmp_session *s = l->session;

    (void)ret;
    CHECK(s);
    if (s->negotiated) {
        return error_set_class(err, ERROR_COMMAND_NOT_FOUND, -EALREADY,
                               "Capabilities negotiation is already complete, command ignored");
    }
    s->negotiated = true;
    s->oob = json_array_size(json_object_get(args, "enable")) > 0;
    return 0;
}

const struct qmp_command qmp_capabilities = {
    .name = "qmp_capabilities",
    .args = &capabilities_type,
    .help = "negotiate once; commands are taken without it too",
    .run = capabilities,
};

/* ---- query-version ---- */

static const struct schema_member triple_members[] = {
    { "major", &schema_int, 0, NULL, NULL },
    { "minor", &schema_int, 0, NULL, NULL },
    { "micro", &schema_int, 0, NULL, NULL },
    { 0 },
};

static const struct schema_type triple_type = {
    .name = "VersionTriple", .kind = SCHEMA_STRUCT, .members = triple_members
};

static const struct schema_member version_members[] = {
    { "qemu", &triple_type, 0, NULL, NULL },
    { "package", &schema_str, 0, NULL, NULL },
    { 0 },
};

static const struct schema_type version_type = {
    .name = "VersionInfo", .kind = SCHEMA_STRUCT, .members = version_members
};

json_t *qmp_version_info(void)
{
    json_t *info = json_pack("{s:{s:i, s:i, s:i}, s:s}", "qemu", "micro", 22, "minor", 2, "major",
                             7, "package", "Debian 1:7.2+dfsg-7+deb12u18+b3");
    CHECK(info);
    return info;
}

static int query_version(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)l;
    (void)args;
    (void)err;
    *ret = qmp_version_info();
    return 0;
}

const struct qmp_command qmp_query_version = {
    .name = "query-version",
    .returns = &version_type,
    .help = "the version of QEMU that is simulated",
    .run = query_version,
};

/* ---- query-commands ---- */

static const struct schema_member command_info[] = {
    { "name", &schema_str, 0, NULL, NULL },
    { 0 },
};

static const struct schema_type command_info_type = {
    .name = "CommandInfo", .kind = SCHEMA_STRUCT, .members = command_info
};

static const struct schema_type command_info_list = {
    .name = "CommandInfoList", .kind = SCHEMA_ARRAY, .element = &command_info_type
};

static int query_commands(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)l;
    (void)args;
    (void)err;
    *ret = json_array();
    for (size_t i = 0; qmp_commands[i]; i++) {
        json_array_append_new(*ret, json_pack("{s:s}", "name", qmp_commands[i]->name));
    }
    return 0;
}

const struct qmp_command qmp_query_commands = {
    .name = "query-commands",
    .returns = &command_info_list,
    .help = "all commands",
    .run = query_commands,
};

/* ---- query-iothreads ---- */

static const struct schema_member iothread_info[] = {
    { "id", &schema_str, 0, NULL, NULL },
    { "thread-id", &schema_int, 0, NULL, NULL },
    { "poll-max-ns", &schema_int, 0, NULL, NULL },
    { "poll-grow", &schema_int, 0, NULL, NULL },
    { "poll-shrink", &schema_int, 0, NULL, NULL },
    { "aio-max-batch", &schema_int, 0, NULL, NULL },
    { 0 },
};

static const struct schema_type iothread_info_type = {
    .name = "IOThreadInfo", .kind = SCHEMA_STRUCT, .members = iothread_info
};

static const struct schema_type iothread_info_list = {
    .name = "IOThreadInfoList", .kind = SCHEMA_ARRAY, .element = &iothread_info_type
};

static int query_iothreads(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    static const char *const values[] = { "poll-max-ns", "poll-grow", "poll-shrink",
                                          "aio-max-batch" };
    const struct object_type *type;
    const char *id;
    void *state;

    (void)args;
    (void)err;
    *ret = json_array();
    for (size_t i = 0; object_at(l, i, &id, &type, &state); i++) {
        json_t *info;

        if (type != &object_type_iothread) {
            continue;
        }
        /* The number stands for the thread id. */
        info = json_pack("{s:s, s:i}", "id", id, "thread-id", object_iothread_number(l, id));
        CHECK(info);
        for (size_t k = 0; k < ARRAY_LEN(values); k++) {
            json_object_set_new(info, values[k], type->get(state, values[k]));
        }
        json_array_append_new(*ret, info);
    }
    return 0;
}

const struct qmp_command qmp_query_iothreads = {
    .name = "query-iothreads",
    .returns = &iothread_info_list,
    .help = "all iothreads but the main loop",
    .run = query_iothreads,
};
