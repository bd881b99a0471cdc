/* SPDX-License-Identifier: MIT */
/* The table of a job's states: which moves, and which verbs of the user, are legal where (QEMU
 * qapi/job.json JobStatus and JobVerb; behaviour of the installed 7.2). */
#include "base/check.h"
#include "model/job/job.h"

const char *job_type_name(enum job_type t)
{
    static const char *const names[JOB_TYPES] = { "commit", "stream", "mirror",
                                                  "backup", "create", "amend" };
    CHECK((unsigned)t < JOB_TYPES);
    return names[t];
}

const char *job_status_name(enum job_status s)
{
    static const char *const names[JOB_STATUSES] = { "undefined", "created",  "running",  "paused",
                                                     "ready",     "standby",  "waiting",  "pending",
                                                     "aborting",  "concluded", "null" };
    CHECK((unsigned)s < JOB_STATUSES);
    return names[s];
}

const char *job_verb_name(enum job_verb v)
{
    static const char *const names[JOB_VERBS] = { "cancel",   "pause",    "resume", "set-speed",
                                                  "complete", "finalize", "dismiss" };
    CHECK((unsigned)v < JOB_VERBS);
    return names[v];
}

#define TO(s) (1u << JOB_##s)
#define VERB(v) (1u << JOB_VERB_##v)
#define VERBS_AT_WORK (VERB(CANCEL) | VERB(PAUSE) | VERB(RESUME) | VERB(SET_SPEED))

static const struct {
    uint32_t moves, verbs;
} table[JOB_STATUSES] = {
    [JOB_UNDEFINED] = { TO(CREATED), 0 },
    [JOB_CREATED] = { TO(RUNNING) | TO(ABORTING) | TO(NULL), VERBS_AT_WORK },
    [JOB_RUNNING] = { TO(PAUSED) | TO(READY) | TO(WAITING) | TO(ABORTING), VERBS_AT_WORK },
    [JOB_PAUSED] = { TO(RUNNING), VERBS_AT_WORK },
    [JOB_READY] = { TO(STANDBY) | TO(WAITING) | TO(ABORTING), VERBS_AT_WORK | VERB(COMPLETE) },
    [JOB_STANDBY] = { TO(READY), VERBS_AT_WORK | VERB(COMPLETE) },
    [JOB_WAITING] = { TO(PENDING) | TO(ABORTING), VERB(CANCEL) },
    [JOB_PENDING] = { TO(ABORTING) | TO(CONCLUDED), VERB(CANCEL) | VERB(FINALIZE) },
    [JOB_ABORTING] = { TO(ABORTING) | TO(CONCLUDED), 0 },
    [JOB_CONCLUDED] = { TO(NULL), VERB(DISMISS) },
    [JOB_NULL] = { 0, 0 },
};

bool job_move_is_legal(enum job_status from, enum job_status to)
{
    CHECK((unsigned)from < JOB_STATUSES && (unsigned)to < JOB_STATUSES);
    return table[from].moves & (1u << to);
}

bool job_verb_is_legal(enum job_status s, enum job_verb v)
{
    CHECK((unsigned)s < JOB_STATUSES && (unsigned)v < JOB_VERBS);
    return table[s].verbs & (1u << v);
}
