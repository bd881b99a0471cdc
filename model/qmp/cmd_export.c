/* SPDX-License-Identifier: MIT */
/* Block exports, and the NBD server that those of type nbd belong to.
 * (QEMU qapi/block-export.json.) */
#include "model/export.h"

#include "base/check.h"
#include "model/layer_state.h"
#include "model/qmp/commands.h"

/* ---- block-export-add, -del, query-block-exports ---- */

static int add(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)ret;
    return export_add(l, args, err);
}

static int del(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)ret;
    return export_del(l, json_string_value(json_object_get(args, "id")), err);
}

static int query(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct export_view e;

    (void)args;
    (void)err;
    *ret = json_array();
    for (size_t i = 0; export_at(l, i, &e); i++) {
        json_t *info = json_pack("{s:s, s:s, s:s, s:b}", "id", e.id, "type", e.type, "node-name",
                                 e.node_name, "shutting-down", 0);
        CHECK(info != NULL);
        json_array_append_new(*ret, info);
    }
    return 0;
}

static const char *const types[] = { "nbd", NULL };
static const char *const other_types[] = { "vhost-user-blk", "fuse", "vduse-blk", NULL };

static const struct schema_type type_type = {
    .name = "BlockExportType", .kind = SCHEMA_ENUM, .values = types, .elsewhere = other_types
};

static const struct schema_member export_members[] = {
    { "type", &type_type, 0, NULL, "how clients connect" },
    { "id", &schema_str, 0, NULL, "name of the export here" },
    { "fixed-iothread", &schema_bool, MEMBER_OPTIONAL, "false",
      "the node stays in the iothread that it is in now" },
    { "iothread", &schema_str, MEMBER_OPTIONAL, NULL, "where the node goes" },
    { "node-name", &schema_str, 0, NULL, "the node that is exported" },
    { "writable", &schema_bool, MEMBER_OPTIONAL, "false", "clients may write" },
    { "writethrough", &schema_bool, MEMBER_OPTIONAL, "false", "each write is flushed" },
    { 0 },
};

static const struct schema_member nbd_members[] = {
    { "name", &schema_str, MEMBER_OPTIONAL, NULL, "name for clients; the node's when not given" },
    { "description", &schema_str, MEMBER_OPTIONAL, NULL, "text for clients" },
    { "bitmaps", &schema_bitmap_list, MEMBER_OPTIONAL, NULL,
      "dirty bitmaps that clients may ask for" },
    { "allocation-depth", &schema_bool, MEMBER_OPTIONAL, "false",
      "clients may ask how deep data lies" },
    { 0 },
};

static const struct schema_member *export_branch(const struct blk_driver *const *drivers,
                                                 const char *value)
{
    (void)drivers;
    (void)value;
    return nbd_members;
}

static const struct schema_type export_options = { .name = "BlockExportOptions",
                                                   .kind = SCHEMA_UNION,
                                                   .members = export_members,
                                                   .discriminator = "type",
                                                   .branch = export_branch };

const struct qmp_command qmp_block_export_add = {
    .name = "block-export-add",
    .args = &export_options,
    .help = "hold a node for clients elsewhere; nobody can connect to it here",
    .run = add,
};

static const char *const remove_modes[] = { "safe", "hard", NULL };

static const struct schema_type remove_mode = {
    .name = "BlockExportRemoveMode", .kind = SCHEMA_ENUM, .values = remove_modes
};

static const struct schema_member del_args[] = {
    { "id", &schema_str, 0, NULL, "name of the export" },
    { "mode", &remove_mode, MEMBER_OPTIONAL, "safe", "safe: only without clients" },
    { 0 },
};

static const struct schema_type del_type = {
    .name = "q_obj_block-export-del-arg", .kind = SCHEMA_STRUCT, .members = del_args
};

const struct qmp_command qmp_block_export_del = {
    .name = "block-export-del",
    .args = &del_type,
    .help = "end an export",
    .run = del,
};

static const struct schema_member info_members[] = {
    { "id", &schema_str, 0, NULL, NULL },
    { "type", &type_type, 0, NULL, NULL },
    { "node-name", &schema_str, 0, NULL, NULL },
    { "shutting-down", &schema_bool, 0, NULL, NULL },
    { 0 },
};

static const struct schema_type info_type = {
    .name = "BlockExportInfo", .kind = SCHEMA_STRUCT, .members = info_members
};

static const struct schema_type info_list = {
    .name = "BlockExportInfoList", .kind = SCHEMA_ARRAY, .element = &info_type
};

const struct qmp_command qmp_query_block_exports = {
    .name = "query-block-exports",
    .returns = &info_list,
    .help = "all exports, the newest first",
    .run = query,
};

static const struct schema_member deleted_members[] = {
    { "id", &schema_str, 0, NULL, "name of the export" },
    { 0 },
};

static const struct schema_type deleted_type = {
    .name = "q_obj_BLOCK_EXPORT_DELETED-arg", .kind = SCHEMA_STRUCT, .members = deleted_members
};

const struct qmp_event qmp_event_block_export_deleted = {
    .name = "BLOCK_EXPORT_DELETED",
    .data = &deleted_type,
    .help = "an export has ended",
};

/* ---- nbd-server-start, -stop ---- */

static int nbd_start(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)ret;
    return export_nbd_start(l, args, err);
}

static int nbd_stop(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)args;
    (void)ret;
    return export_nbd_stop(l, err);
}

static const char *const address_types[] = { "inet", "unix", NULL };
static const char *const other_address_types[] = { "vsock", "fd", NULL };

static const struct schema_type address_kind = { .name = "SocketAddressType",
                                                 .kind = SCHEMA_ENUM,
                                                 .values = address_types,
                                                 .elsewhere = other_address_types };

static const struct schema_member address_members[] = {
    { "type", &address_kind, 0, NULL, "the kind of address" },
    { 0 },
};

static const struct schema_member inet_members[] = {
    { "host", &schema_str, 0, NULL, "name or number of the host" },
    { "port", &schema_str, 0, NULL, "the port" },
    { 0 },
};

static const struct schema_type inet_type = {
    .name = "InetSocketAddress", .kind = SCHEMA_STRUCT, .members = inet_members
};

static const struct schema_member unix_members[] = {
    { "path", &schema_str, 0, NULL, "the path of the socket" },
    { 0 },
};

static const struct schema_type unix_type = {
    .name = "UnixSocketAddress", .kind = SCHEMA_STRUCT, .members = unix_members
};

static const struct schema_member inet_branch[] = { { "data", &inet_type, 0, NULL, "the address" },
                                                    { 0 } };
static const struct schema_member unix_branch[] = { { "data", &unix_type, 0, NULL, "the address" },
                                                    { 0 } };

static const struct schema_member *address_branch(const struct blk_driver *const *drivers,
                                                  const char *value)
{
    (void)drivers;
    return *value == 'i' ? inet_branch : unix_branch;
}

static const struct schema_type address_type = { .name = "SocketAddressLegacy",
                                                 .kind = SCHEMA_UNION,
                                                 .members = address_members,
                                                 .discriminator = "type",
                                                 .branch = address_branch };

static const struct schema_type uint32_type = { .name = "uint32", .kind = SCHEMA_INT };

static const struct schema_member start_args[] = {
    { "addr", &address_type, 0, NULL, "where it would listen" },
    { "tls-creds", &schema_str, MEMBER_OPTIONAL, NULL, "id of a TLS object; there are none" },
    { "tls-authz", &schema_str, MEMBER_OPTIONAL, NULL, "id of an authorisation object" },
    { "max-connections", &uint32_type, MEMBER_OPTIONAL, "0", "clients at a time; 0: any number" },
    { 0 },
};

static const struct schema_type start_type = {
    .name = "q_obj_nbd-server-start-arg", .kind = SCHEMA_STRUCT, .members = start_args
};

const struct qmp_command qmp_nbd_server_start = {
    .name = "nbd-server-start",
    .args = &start_type,
    .help = "let exports of type nbd be added; nothing listens",
    .run = nbd_start,
};

const struct qmp_command qmp_nbd_server_stop = {
    .name = "nbd-server-stop",
    .help = "end the exports of type nbd",
    .run = nbd_stop,
};
