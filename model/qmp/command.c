/* SPDX-License-Identifier: MIT */
/* From a request to a reply.
 *
 *   bytes -> reader -> request -> members -> command -> arguments -> run -> reply -> trace
 *
 * The first stage that says no gives the reply, with the request's "id" from the moment that the
 * request is an object.  The order of the stages, and their texts, are those of QEMU's monitor.
 * (QEMU docs/interop/qmp-spec.txt, section 2.)
 *
 * A layer runs one request at a time, whatever session it comes from; the others wait in order.
 * Only what is out of band runs beside it, and such a command never yields.
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/layer_state.h"
#include "model/qmp/build.h"
#include "model/qmp/commands.h"
#include "model/qmp/reader.h"
#include "model/qmp/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

const struct qmp_event *const qmp_events[] = {
    &qmp_event_block_export_deleted,
    &qmp_event_block_image_corrupted,
    &qmp_event_block_io_error,
    &qmp_event_block_job_cancelled,
    &qmp_event_block_job_completed,
    &qmp_event_block_job_error,
    &qmp_event_block_job_pending,
    &qmp_event_block_job_ready,
    &qmp_event_block_write_threshold,
    &qmp_event_device_deleted,
    &qmp_event_device_tray_moved,
    &qmp_event_job_status_change,
    &qmp_event_quorum_failure,
    &qmp_event_quorum_report_bad,
    &qmp_event_reset,
    &qmp_event_resume,
    &qmp_event_shutdown,
    &qmp_event_stop,
    NULL,
};

const struct qmp_command *const qmp_commands[] = {
    &qmp_add_fd,
    &qmp_bitmap_add,
    &qmp_bitmap_clear,
    &qmp_bitmap_disable,
    &qmp_bitmap_enable,
    &qmp_bitmap_merge,
    &qmp_bitmap_remove,
    &qmp_bitmap_sha256,
    &qmp_block_commit,
    &qmp_block_export_add,
    &qmp_block_export_del,
    &qmp_block_job_cancel,
    &qmp_block_job_complete,
    &qmp_block_job_dismiss,
    &qmp_block_job_finalize,
    &qmp_block_job_pause,
    &qmp_block_job_resume,
    &qmp_block_job_set_speed,
    &qmp_block_latency_histogram_set,
    &qmp_block_resize,
    &qmp_block_set_io_throttle,
    &qmp_block_set_write_threshold,
    &qmp_block_stream,
    &qmp_blockdev_add,
    &qmp_blockdev_amend,
    &qmp_blockdev_backup,
    &qmp_blockdev_change,
    &qmp_blockdev_change_medium,
    &qmp_blockdev_close_tray,
    &qmp_blockdev_create,
    &qmp_blockdev_del,
    &qmp_blockdev_insert_medium,
    &qmp_blockdev_mirror,
    &qmp_blockdev_open_tray,
    &qmp_blockdev_remove_medium,
    &qmp_blockdev_reopen,
    &qmp_blockdev_set_iothread,
    &qmp_blockdev_snapshot,
    &qmp_blockdev_snapshot_sync,
    &qmp_capabilities,
    &qmp_change_backing_file,
    &qmp_closefd,
    &qmp_cont,
    &qmp_device_add,
    &qmp_device_del,
    &qmp_drive_backup,
    &qmp_drive_mirror,
    &qmp_eject,
    &qmp_getfd,
    &qmp_human_monitor_command,
    &qmp_job_cancel,
    &qmp_job_complete,
    &qmp_job_dismiss,
    &qmp_job_finalize,
    &qmp_job_pause,
    &qmp_job_resume,
    &qmp_nbd_server_start,
    &qmp_nbd_server_stop,
    &qmp_object_add,
    &qmp_object_del,
    &qmp_qom_get,
    &qmp_qom_list,
    &qmp_qom_list_properties,
    &qmp_qom_list_types,
    &qmp_qom_set,
    &qmp_query_block,
    &qmp_query_block_exports,
    &qmp_query_block_graph,
    &qmp_query_block_jobs,
    &qmp_query_blockstats,
    &qmp_query_commands,
    &qmp_query_fdsets,
    &qmp_query_iothreads,
    &qmp_query_jobs,
    &qmp_query_named_block_nodes,
    &qmp_query_schema,
    &qmp_query_status,
    &qmp_query_version,
    &qmp_query_yank,
    &qmp_quit,
    &qmp_remove_fd,
    &qmp_stop,
    &qmp_system_reset,
    &qmp_transaction,
    &qmp_yank,
    NULL,
};

const struct qmp_command *qmp_command_find(const char *name)
{
    for (size_t i = 0; qmp_commands[i]; i++) {
        if (!strcmp(qmp_commands[i]->name, name)) {
            return qmp_commands[i];
        }
    }
    return NULL;
}

static size_t slot_of(const char *name)
{
    return XXH3_64bits(name, strlen(name)) % QMP_INDEX_SLOTS;
}

void qmp_index_fill(struct qmp_index *index)
{
    CHECK(ARRAY_LEN(qmp_commands) <= UINT8_MAX);
    *index = (struct qmp_index){ .slot = { 0 } };
    for (size_t i = 0; qmp_commands[i]; i++) {
        size_t at = slot_of(qmp_commands[i]->name);
        while (index->slot[at]) {
            at = (at + 1) % QMP_INDEX_SLOTS;
        }
        index->slot[at] = (uint8_t)(i + 1);
    }
}

const struct qmp_command *qmp_index_find(const struct qmp_index *index, const char *name)
{
    size_t at = slot_of(name);
    while (index->slot[at] && strcmp(qmp_commands[index->slot[at] - 1]->name, name) != 0) {
        at = (at + 1) % QMP_INDEX_SLOTS;
    }
    return index->slot[at] ? qmp_commands[index->slot[at] - 1] : NULL;
}

/* ---- Replies ---- */

/* id: borrowed, NULL: none.  Members stand in QEMU's order. */
static json_t *reply_error(const struct error *err, json_t *id)
{
    char *text = qmp_utf8_clean(err->text);
    json_t *reply = json_object(), *error = json_object();

    CHECK(err->code && reply && error);
    if (id) {
        json_object_set_new(reply, "id", json_deep_copy(id));
    }
    json_object_set_new(error, "class", json_string(error_class_name(err->class)));
    json_object_set_new(error, "desc", json_string(text));
    json_object_set_new(reply, "error", error);
    free(text);
    return reply;
}

/* ret: taken; NULL: {}. */
static json_t *reply_return(json_t *ret, json_t *id)
{
    json_t *reply = json_object();

    json_object_set_new(reply, "return", ret ? ret : json_object());
    if (id) {
        json_object_set_new(reply, "id", json_deep_copy(id));
    }
    return reply;
}

static void trace_reply(struct layer *l, const json_t *reply)
{
    struct strbuf text = { .text = NULL };

    qmp_write(&text, reply);
    trace_emit_text(&l->sim->trace, sim_now_ns(l->sim), TRACE_REPLY, 0, text.text, text.len);
    strbuf_free(&text);
}

/* ---- Requests ---- */

static int fail_member(struct error *err, const char *name, const char *what)
{
    return error_set(err, -EINVAL, "QMP input member '%s' %s", name, what);
}

/* The name of the command; *oob: it came as "exec-oob". */
static const char *request_name(const struct qmp_session *s, const json_t *request, bool *oob,
                                struct error *err)
{
    const json_t *execute = json_object_get(request, "execute");
    const json_t *exec_oob = s->oob ? json_object_get(request, "exec-oob") : NULL;
    const json_t *name = exec_oob ? exec_oob : execute;

    *oob = exec_oob != NULL;
    if (execute && exec_oob) {
        fail_member(err, "execute", "clashes with 'exec-oob'");
        return NULL;
    }
    if (!name) {
        error_set(err, -EINVAL, "QMP input lacks member 'execute'");
        return NULL;
    }
    if (!json_is_string(name)) {
        fail_member(err, exec_oob ? "exec-oob" : "execute", "must be a string");
        return NULL;
    }
    return json_string_value(name);
}

/* Members that may not stand in a request. */
static int check_request_members(const struct qmp_session *s, const json_t *request,
                                 struct error *err)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)request, key, value) {
        if (strcmp(key, "execute") && strcmp(key, "arguments") && strcmp(key, "id") &&
            !(s->oob && !strcmp(key, "exec-oob"))) {
            return fail_member(err, key, "is unexpected");
        }
    }
    return 0;
}

/* The command of that name for the session, or NULL. */
static const struct qmp_command *find_for(const struct layer *l, const struct qmp_session *s,
                                          const char *name, struct error *err)
{
    const struct qmp_command *cmd = qmp_index_find(&l->commands, name);

    if (s->strict && !s->negotiated && cmd != &qmp_capabilities) {
        error_set_class(err, ERROR_COMMAND_NOT_FOUND, -ENOENT,
                        "Expecting capabilities negotiation with 'qmp_capabilities'");
        return NULL;
    }
    if (!cmd) {
        error_set_class(err, ERROR_COMMAND_NOT_FOUND, -ENOENT,
                        "The command %s has not been found", name);
    }
    return cmd;
}

/* The command of a request and, borrowed, its arguments (NULL: none were given). */
static const struct qmp_command *request_command(const struct layer *l,
                                                 const struct qmp_session *s,
                                                 const json_t *request, const json_t **args,
                                                 struct error *err)
{
    const struct qmp_command *cmd;
    const char *name;
    bool oob = false;

    if (check_request_members(s, request, err) < 0) {
        return NULL;
    }
    name = request_name(s, request, &oob, err);
    if (!name) {
        return NULL;
    }
    *args = json_object_get(request, "arguments");
    if (*args && !json_is_object(*args)) {
        fail_member(err, "arguments", "must be an object");
        return NULL;
    }
    cmd = find_for(l, s, name, err);
    if (cmd && oob && !cmd->allow_oob) {
        error_set(err, -EINVAL, "The command %s does not support OOB", name);
        return NULL;
    }
    return cmd;
}

static const struct schema_type no_args = { .name = "q_empty", .kind = SCHEMA_STRUCT };

/* Checks the arguments and runs the command. */
static int run_command(struct layer *l, const struct qmp_command *cmd, const json_t *args,
                       json_t **ret, struct error *err)
{
    json_t *empty = args ? NULL : json_object();
    int code;

    args = args ? args : empty;
    code = cmd->unchecked
               ? 0
               : schema_check(l->drivers, cmd->args ? cmd->args : &no_args, "", args, err);
    if (code == 0) {
        code = cmd->run(l, args, ret, err);
    }
    CHECK((code < 0) == (err->code != 0) && (code == 0 || !*ret));
    json_decref(empty);
    return code;
}

bool qmp_is_oob(const struct qmp_session *s, const json_t *request)
{
    return s->oob && json_object_get(request, "exec-oob") && !json_object_get(request, "execute");
}

void qmp_lock(struct layer *l)
{
    co_mutex_lock(l->sim, &l->qmp);
    CHECK(!l->session);
}

void qmp_unlock(struct layer *l)
{
    CHECK(!l->session);
    co_mutex_unlock(l->sim, &l->qmp);
}

json_t *qmp_dispatch(struct layer *l, struct qmp_session *s, const json_t *request)
{
    struct error err = ERROR_INIT;
    const struct qmp_command *cmd = NULL;
    const json_t *args = NULL;
    json_t *ret = NULL, *reply, *id = NULL;

    if (!json_is_object(request)) {
        error_set(&err, -EINVAL, "QMP input must be a JSON object");
    } else {
        id = json_object_get(request, "id");
        cmd = request_command(l, s, request, &args, &err);
    }
    if (cmd && cmd->allow_oob) {
        run_command(l, cmd, args, &ret, &err);
    } else if (cmd) {
        l->session = s;
        run_command(l, cmd, args, &ret, &err);
        l->session = NULL;
    }
    reply = err.code ? reply_error(&err, id) : reply_return(ret, id);
    trace_reply(l, reply);
    return reply;
}

json_t *qmp_dispatch_error(struct layer *l, const struct error *err)
{
    json_t *reply = reply_error(err, NULL);

    trace_reply(l, reply);
    return reply;
}

/* ---- What the layer shows of it ---- */

json_t *layer_qmp(struct layer *l, const json_t *request)
{
    json_t *reply;

    qmp_lock(l);
    reply = qmp_dispatch(l, &l->text_session, request);
    qmp_unlock(l);
    return reply;
}

json_t *layer_qmp_text(struct layer *l, const char *bytes, size_t n)
{
    struct error err = ERROR_INIT;
    char *line = mem_alloc(n + 1);
    json_t *request, *reply;

    /* A monitor sees the end of the line too, and some messages quote it. */
    memcpy(line, bytes, n);
    line[n] = '\n';
    request = qmp_read_text(line, n + 1, &err);
    free(line);
    if (request) {
        reply = layer_qmp(l, request);
        json_decref(request);
    } else {
        reply = qmp_dispatch_error(l, &err);
    }
    return reply;
}

const struct schema_type *layer_command_args(const struct layer *l, const char *name, bool *known)
{
    const struct qmp_command *cmd = qmp_index_find(&l->commands, name);

    *known = cmd != NULL;
    return cmd ? cmd->args : NULL;
}

const struct schema_type *layer_command_schema(const char *name, bool *known)
{
    size_t i = 0;
    while (qmp_commands[i] && strcmp(qmp_commands[i]->name, name) != 0) {
        i++;
    }
    *known = qmp_commands[i] != NULL;
    return *known ? qmp_commands[i]->args : NULL;
}

const char *layer_command_name(size_t i)
{
    CHECK(i < ARRAY_LEN(qmp_commands));
    return qmp_commands[i] ? qmp_commands[i]->name : NULL;
}
