/* SPDX-License-Identifier: MIT */
/* The verbs of jobs, their queries and their events.
 *
 *   job-VERB        any job, by "id"
 *   block-job-VERB  a block job, by "device" (or "id"): what was there before there were others
 *
 * Which verb may be used in which state is the job's own table; all that is done here is to find
 * the job.  The events are told by the job itself (model/job/).
 * (QEMU qapi/job.json, qapi/block-core.json.)
 */
#include "base/check.h"
#include "model/job/block_job.h"
#include "model/layer_state.h"
#include "model/qmp/commands.h"

#include <errno.h>

/* ---- Tables that several share ---- */

static const char *const type_values[] = { "commit", "stream", "mirror", "backup",
                                           "create", "amend",  NULL };

static const struct schema_type type_type = {
    .name = "JobType", .kind = SCHEMA_ENUM, .values = type_values
};

static const char *const status_values[] = { "undefined", "created", "running",   "paused",
                                             "ready",     "standby", "waiting",   "pending",
                                             "aborting",  "concluded", "null",    NULL };

static const struct schema_type status_type = {
    .name = "JobStatus", .kind = SCHEMA_ENUM, .values = status_values
};

static const struct schema_member id_members[] = {
    { "id", &schema_str, 0, NULL, "the job" },
    { 0 },
};

static const struct schema_type id_type = {
    .name = "q_obj_job-verb-arg", .kind = SCHEMA_STRUCT, .members = id_members
};

static const struct schema_member device_members[] = {
    { "device", &schema_str, 0, NULL, "the block job; older ones have the name of their device" },
    { 0 },
};

static const struct schema_type device_type = {
    .name = "q_obj_block-job-verb-arg", .kind = SCHEMA_STRUCT, .members = device_members
};

/* ---- Which job ---- */

static struct job *find_job(const struct layer *l, const json_t *args, struct error *err)
{
    struct job *j = job_find(l, json_string_value(json_object_get(args, "id")));
    if (!j) {
        error_set(err, -ENOENT, "Job not found");
    }
    return j;
}

/* By "device" or by "id". */
static struct job *find_block_job(const struct layer *l, const json_t *args, const char *key,
                                  struct error *err)
{
    struct block_job *b = block_job_find(l, json_string_value(json_object_get(args, key)), err);
    CHECK(!b || job_is_block_job(&b->job));
    return b ? &b->job : NULL;
}

/* ---- job-VERB ---- */

static int pause_job(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct job *j = find_job(l, args, err);
    (void)ret;
    return j ? job_user_pause(j, err) : -ENOENT;
}

static int resume_job(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct job *j = find_job(l, args, err);
    (void)ret;
    return j ? job_user_resume(j, err) : -ENOENT;
}

static int cancel_job(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct job *j = find_job(l, args, err);
    (void)ret;
    return j ? job_user_cancel(j, true, err) : -ENOENT;
}

static int complete_job(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct job *j = find_job(l, args, err);
    (void)ret;
    return j ? job_user_complete(j, err) : -ENOENT;
}

static int finalize_job(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct job *j = find_job(l, args, err);
    (void)ret;
    return j ? job_user_finalize(j, err) : -ENOENT;
}

static int dismiss_job(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct job *j = find_job(l, args, err);
    (void)ret;
    return j ? job_user_dismiss(j, err) : -ENOENT;
}

#define JOB_COMMAND(verb, what)                                                                    \
    {                                                                                              \
        .name = "job-" #verb, .args = &id_type, .help = what, .run = verb##_job                    \
    }

const struct qmp_command qmp_job_pause = JOB_COMMAND(pause, "let a job rest");
const struct qmp_command qmp_job_resume = JOB_COMMAND(resume, "let a job that rests go on");
const struct qmp_command qmp_job_cancel = JOB_COMMAND(cancel, "end a job at once");
const struct qmp_command qmp_job_complete = JOB_COMMAND(complete, "bring a ready job to its end");
const struct qmp_command qmp_job_finalize =
    JOB_COMMAND(finalize, "let a job that waits do what it does to the graph");
const struct qmp_command qmp_job_dismiss = JOB_COMMAND(dismiss, "forget a job that has ended");

/* ---- block-job-VERB ---- */

static int pause_block_job(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct job *j = find_block_job(l, args, "device", err);
    (void)ret;
    return j ? job_user_pause(j, err) : -ENODEV;
}

static int resume_block_job(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct job *j = find_block_job(l, args, "device", err);
    (void)ret;
    return j ? job_user_resume(j, err) : -ENODEV;
}

static int cancel_block_job(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct job *j = find_block_job(l, args, "device", err);
    bool force = json_is_true(json_object_get(args, "force"));
    (void)ret;
    if (!j) {
        return -ENODEV;
    }
    if (j->user_paused && !force) {
        return error_set(err, -EBUSY, "The block job for device '%s' is currently paused",
                         json_string_value(json_object_get(args, "device")));
    }
    return job_user_cancel(j, force, err);
}

static int complete_block_job(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct job *j = find_block_job(l, args, "device", err);
    (void)ret;
    return j ? job_user_complete(j, err) : -ENODEV;
}

static int finalize_block_job(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct job *j = find_block_job(l, args, "id", err);
    (void)ret;
    return j ? job_user_finalize(j, err) : -ENODEV;
}

static int dismiss_block_job(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct job *j = find_block_job(l, args, "id", err);
    (void)ret;
    return j ? job_user_dismiss(j, err) : -ENODEV;
}

static int set_speed(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct job *j = find_block_job(l, args, "device", err);
    (void)ret;
    if (!j) {
        return -ENODEV;
    }
    return block_job_set_speed(block_job_of(j), json_integer_value(json_object_get(args, "speed")),
                               err);
}

#define BLOCK_JOB_COMMAND(verb, type, what)                                                        \
    {                                                                                              \
        .name = "block-job-" #verb, .args = &type, .help = what, .run = verb##_block_job           \
    }

const struct qmp_command qmp_block_job_pause =
    BLOCK_JOB_COMMAND(pause, device_type, "let a block job rest");
const struct qmp_command qmp_block_job_resume =
    BLOCK_JOB_COMMAND(resume, device_type, "let a block job that rests go on");
const struct qmp_command qmp_block_job_complete =
    BLOCK_JOB_COMMAND(complete, device_type, "bring a ready block job to its end");
const struct qmp_command qmp_block_job_finalize =
    BLOCK_JOB_COMMAND(finalize, id_type, "let a block job that waits do what it does to the graph");
const struct qmp_command qmp_block_job_dismiss =
    BLOCK_JOB_COMMAND(dismiss, id_type, "forget a block job that has ended");

static const struct schema_member cancel_members[] = {
    { "device", &schema_str, 0, NULL, "the block job" },
    { "force", &schema_bool, MEMBER_OPTIONAL, "false",
      "also one that rests; a ready one ends without its regular end" },
    { 0 },
};

static const struct schema_type cancel_type = {
    .name = "q_obj_block-job-cancel-arg", .kind = SCHEMA_STRUCT, .members = cancel_members
};

const struct qmp_command qmp_block_job_cancel =
    BLOCK_JOB_COMMAND(cancel, cancel_type, "end a block job");

static const struct schema_member speed_members[] = {
    { "device", &schema_str, 0, NULL, "the block job" },
    { "speed", &schema_int, 0, NULL, "bytes per second; 0: no limit" },
    { 0 },
};

static const struct schema_type speed_type = {
    .name = "q_obj_block-job-set-speed-arg", .kind = SCHEMA_STRUCT, .members = speed_members
};

const struct qmp_command qmp_block_job_set_speed = {
    .name = "block-job-set-speed",
    .args = &speed_type,
    .help = "limit how fast a block job works",
    .run = set_speed,
};

/* ---- Queries ---- */

static json_t *describe(const struct job *j)
{
    json_t *info = json_pack("{s:s, s:s, s:s, s:I, s:I}", "id", j->id, "type",
                             job_type_name(j->drv->type), "status", job_status_name(j->status),
                             "current-progress", (json_int_t)j->progress, "total-progress",
                             (json_int_t)(j->progress + j->remaining));
    CHECK(info != NULL);
    if (j->error) {
        json_object_set_new(info, "error", json_string(j->error));
    }
    return info;
}

static int query_jobs(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)args;
    (void)err;
    *ret = json_array();
    for (const struct job *j = job_first(l); j; j = job_next(j)) {
        if (j->id) {
            json_array_append_new(*ret, describe(j));
        }
    }
    return 0;
}

static int query_block_jobs(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)args;
    (void)err;
    *ret = json_array();
    for (struct job *j = job_first(l); j; j = job_next(j)) {
        if (j->id && job_is_block_job(j)) {
            json_array_append_new(*ret, block_job_info(block_job_of(j)));
        }
    }
    return 0;
}

static const struct schema_member job_members[] = {
    { "id", &schema_str, 0, NULL, NULL },
    { "type", &type_type, 0, NULL, NULL },
    { "status", &status_type, 0, NULL, NULL },
    { "current-progress", &schema_int, 0, NULL, "done so far, in the job's own unit" },
    { "total-progress", &schema_int, 0, NULL, "done, and known to be left" },
    { "error", &schema_str, MEMBER_OPTIONAL, NULL, "why it failed" },
    { 0 },
};

static const struct schema_type job_type = {
    .name = "JobInfo", .kind = SCHEMA_STRUCT, .members = job_members
};

static const struct schema_type job_list = {
    .name = "JobInfoList", .kind = SCHEMA_ARRAY, .element = &job_type
};

const struct qmp_command qmp_query_jobs = {
    .name = "query-jobs",
    .returns = &job_list,
    .help = "all jobs, the youngest first",
    .run = query_jobs,
};

static const char *const io_status_values[] = { "ok", "failed", "nospace", NULL };

static const struct schema_type io_status_type = {
    .name = "BlockDeviceIoStatus", .kind = SCHEMA_ENUM, .values = io_status_values
};

static const struct schema_member block_job_members[] = {
    { "type", &schema_str, 0, NULL, NULL },
    { "device", &schema_str, 0, NULL, "name of the job" },
    { "len", &schema_int, 0, NULL, "total-progress" },
    { "offset", &schema_int, 0, NULL, "current-progress" },
    { "busy", &schema_bool, 0, NULL, "it is not waiting for anything" },
    { "paused", &schema_bool, 0, NULL, "it rests, or will soon" },
    { "speed", &schema_int, 0, NULL, "bytes per second; 0: no limit" },
    { "io-status", &io_status_type, 0, NULL, "how its last error went" },
    { "ready", &schema_bool, 0, NULL, "it may be completed" },
    { "status", &status_type, 0, NULL, NULL },
    { "auto-finalize", &schema_bool, 0, NULL, NULL },
    { "auto-dismiss", &schema_bool, 0, NULL, NULL },
    { "error", &schema_str, MEMBER_OPTIONAL, NULL, "why it failed" },
    { 0 },
};

static const struct schema_type block_job_type = {
    .name = "BlockJobInfo", .kind = SCHEMA_STRUCT, .members = block_job_members
};

static const struct schema_type block_job_list = {
    .name = "BlockJobInfoList", .kind = SCHEMA_ARRAY, .element = &block_job_type
};

const struct qmp_command qmp_query_block_jobs = {
    .name = "query-block-jobs",
    .returns = &block_job_list,
    .help = "all block jobs, the youngest first",
    .run = query_block_jobs,
};

/* ---- Events ---- */

static const struct schema_member change_members[] = {
    { "id", &schema_str, 0, NULL, "the job" },
    { "status", &status_type, 0, NULL, "what it has come to" },
    { 0 },
};

static const struct schema_type change_type = {
    .name = "q_obj_JOB_STATUS_CHANGE-arg", .kind = SCHEMA_STRUCT, .members = change_members
};

const struct qmp_event qmp_event_job_status_change = {
    .name = "JOB_STATUS_CHANGE",
    .data = &change_type,
    .help = "a job has come to another state",
};

#define PROGRESS_MEMBERS                                                                           \
    { "type", &type_type, 0, NULL, NULL }, { "device", &schema_str, 0, NULL, "name of the job" },  \
        { "len", &schema_int, 0, NULL, "total-progress" },                                         \
        { "offset", &schema_int, 0, NULL, "current-progress" },                                    \
    {                                                                                              \
        "speed", &schema_int, 0, NULL, "bytes per second; 0: no limit"                             \
    }

static const struct schema_member progress_members[] = { PROGRESS_MEMBERS, { 0 } };

static const struct schema_type progress_type = {
    .name = "q_obj_BLOCK_JOB_READY-arg", .kind = SCHEMA_STRUCT, .members = progress_members
};

static const struct schema_member completed_members[] = {
    PROGRESS_MEMBERS,
    { "error", &schema_str, MEMBER_OPTIONAL, NULL, "why it failed" },
    { 0 },
};

static const struct schema_type completed_type = {
    .name = "q_obj_BLOCK_JOB_COMPLETED-arg", .kind = SCHEMA_STRUCT, .members = completed_members
};

const struct qmp_event qmp_event_block_job_completed = {
    .name = "BLOCK_JOB_COMPLETED",
    .data = &completed_type,
    .help = "a block job has ended, well or with an error",
};

const struct qmp_event qmp_event_block_job_cancelled = {
    .name = "BLOCK_JOB_CANCELLED",
    .data = &progress_type,
    .help = "a block job has been cancelled",
};

const struct qmp_event qmp_event_block_job_ready = {
    .name = "BLOCK_JOB_READY",
    .data = &progress_type,
    .help = "a block job may be completed",
};

static const char *const operation_values[] = { "read", "write", NULL };
static const char *const action_values[] = { "ignore", "report", "stop", NULL };

static const struct schema_type operation_type = {
    .name = "IoOperationType", .kind = SCHEMA_ENUM, .values = operation_values
};

static const struct schema_type action_type = {
    .name = "BlockErrorAction", .kind = SCHEMA_ENUM, .values = action_values
};

static const struct schema_member error_members[] = {
    { "device", &schema_str, 0, NULL, "name of the job" },
    { "operation", &operation_type, 0, NULL, "what failed" },
    { "action", &action_type, 0, NULL, "what is done about it" },
    { 0 },
};

static const struct schema_type error_type = {
    .name = "q_obj_BLOCK_JOB_ERROR-arg", .kind = SCHEMA_STRUCT, .members = error_members
};

const struct qmp_event qmp_event_block_job_error = {
    .name = "BLOCK_JOB_ERROR",
    .data = &error_type,
    .help = "a request of a block job has failed",
};

static const struct schema_member pending_members[] = {
    { "type", &type_type, 0, NULL, NULL },
    { "id", &schema_str, 0, NULL, "the job" },
    { 0 },
};

static const struct schema_type pending_type = {
    .name = "q_obj_BLOCK_JOB_PENDING-arg", .kind = SCHEMA_STRUCT, .members = pending_members
};

const struct qmp_event qmp_event_block_job_pending = {
    .name = "BLOCK_JOB_PENDING",
    .data = &pending_type,
    .help = "a block job waits for block-job-finalize",
};
