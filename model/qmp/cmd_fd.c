/* SPDX-License-Identifier: MIT */
/* add-fd, remove-fd, query-fdsets, getfd, closefd: descriptors that come with a command.
 * (QEMU qapi/misc.json; the tables are those of the host, sim/host_fd.h.) */
#include "base/check.h"
#include "model/layer_state.h"
#include "model/qmp/commands.h"
#include "sim/host_fd.h"

#include <errno.h>

static int64_t number_or(const json_t *args, const char *name, int64_t otherwise)
{
    const json_t *v = json_object_get(args, name);
    return v ? (int64_t)json_integer_value(v) : otherwise;
}

/* ---- add-fd ---- */

static int add_fd(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    const char *opaque = json_string_value(json_object_get(args, "opaque"));
    int64_t id = number_or(args, "fdset-id", -1), fd;
    if (id == -1 && json_object_get(args, "fdset-id")) {
        id = INT64_MIN; /* -1 means none only when it is not said. */
    }
    int code = host_fdset_add(l->host, &id, opaque, &fd, err);
    if (code == 0) {
        *ret = json_pack("{s:I, s:I}", "fdset-id", (json_int_t)id, "fd", (json_int_t)fd);
        CHECK(*ret);
    }
    return code;
}

static const struct schema_member add_args[] = {
    { "fdset-id", &schema_int, MEMBER_OPTIONAL, NULL, "the set; a new one when not given" },
    { "opaque", &schema_str, MEMBER_OPTIONAL, NULL, "any text" },
    { 0 },
};

static const struct schema_type add_type = {
    .name = "q_obj_add-fd-arg", .kind = SCHEMA_STRUCT, .members = add_args
};

static const struct schema_member added[] = {
    { "fdset-id", &schema_int, 0, NULL, NULL },
    { "fd", &schema_int, 0, NULL, NULL },
    { 0 },
};

static const struct schema_type added_type = {
    .name = "AddfdInfo", .kind = SCHEMA_STRUCT, .members = added
};

const struct qmp_command qmp_add_fd = {
    .name = "add-fd",
    .args = &add_type,
    .returns = &added_type,
    .help = "put the descriptor that comes with the command into an fd set",
    .run = add_fd,
};

/* ---- remove-fd ---- */

static int remove_fd(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)ret;
    return host_fdset_remove(l->host, number_or(args, "fdset-id", -1), number_or(args, "fd", -1),
                             err);
}

static const struct schema_member remove_args[] = {
    { "fdset-id", &schema_int, 0, NULL, "the set" },
    { "fd", &schema_int, MEMBER_OPTIONAL, NULL, "one of its descriptors; all when not given" },
    { 0 },
};

static const struct schema_type remove_type = {
    .name = "q_obj_remove-fd-arg", .kind = SCHEMA_STRUCT, .members = remove_args
};

const struct qmp_command qmp_remove_fd = {
    .name = "remove-fd",
    .args = &remove_type,
    .help = "take a descriptor, or all, out of an fd set",
    .run = remove_fd,
};

/* ---- query-fdsets ---- */

static json_t *describe_set(const struct layer *l, int64_t id)
{
    json_t *fds = json_array();
    const char *opaque;
    int64_t fd;
    for (size_t k = 0; host_fdset_fd(l->host, id, k, &fd, &opaque); k++) {
        json_t *one = json_object();
        json_object_set_new(one, "fd", json_integer(fd));
        if (opaque) {
            json_object_set_new(one, "opaque", json_string(opaque));
        }
        json_array_append_new(fds, one);
    }
    return json_pack("{s:o, s:I}", "fds", fds, "fdset-id", (json_int_t)id);
}

static int query_fdsets(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    int64_t id;
    (void)args;
    (void)err;
    *ret = json_array();
    for (size_t i = 0; host_fdset_at(l->host, i, &id); i++) {
        json_array_append_new(*ret, describe_set(l, id));
    }
    return 0;
}

static const struct schema_member fd_members[] = {
    { "fd", &schema_int, 0, NULL, NULL },
    { "opaque", &schema_str, MEMBER_OPTIONAL, NULL, NULL },
    { 0 },
};

static const struct schema_type fd_type = {
    .name = "FdsetFdInfo", .kind = SCHEMA_STRUCT, .members = fd_members
};

static const struct schema_type fd_list = {
    .name = "FdsetFdInfoList", .kind = SCHEMA_ARRAY, .element = &fd_type
};

static const struct schema_member set_members[] = {
    { "fdset-id", &schema_int, 0, NULL, NULL },
    { "fds", &fd_list, 0, NULL, NULL },
    { 0 },
};

static const struct schema_type set_type = {
    .name = "FdsetInfo", .kind = SCHEMA_STRUCT, .members = set_members
};

static const struct schema_type set_list = {
    .name = "FdsetInfoList", .kind = SCHEMA_ARRAY, .element = &set_type
};

const struct qmp_command qmp_query_fdsets = {
    .name = "query-fdsets",
    .returns = &set_list,
    .help = "list the fd sets",
    .run = query_fdsets,
};

/* ---- getfd, closefd ---- */

static int get_fd(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)ret;
    return host_fd_name(l->host, json_string_value(json_object_get(args, "fdname")), err);
}

static int close_fd(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)ret;
    return host_fd_close(l->host, json_string_value(json_object_get(args, "fdname")), err);
}

static const struct schema_member name_args[] = {
    { "fdname", &schema_str, 0, NULL, "name of the descriptor" },
    { 0 },
};

static const struct schema_type getfd_type = {
    .name = "q_obj_getfd-arg", .kind = SCHEMA_STRUCT, .members = name_args
};

static const struct schema_type closefd_type = {
    .name = "q_obj_closefd-arg", .kind = SCHEMA_STRUCT, .members = name_args
};

const struct qmp_command qmp_getfd = {
    .name = "getfd",
    .args = &getfd_type,
    .help = "give the descriptor that comes with the command a name",
    .run = get_fd,
};

const struct qmp_command qmp_closefd = {
    .name = "closefd",
    .args = &closefd_type,
    .help = "close the descriptor of that name",
    .run = close_fd,
};
