/* SPDX-License-Identifier: MIT */
/* Jobs: what of them is a matter of time.
 *
 *   running, paused...   how far it has come; and what there is to do in all, where that is found
 *                        out on the way (mirror)
 *   running, ready       whether it waits for something just now
 *   beside a load        how much a mirror, or a commit of the active layer, had to copy
 *   aborting, concluded with an error
 *                        how far it had come when it was cancelled or failed
 *
 * What is left, everything else of a job that has ended well included, is compared.
 */
#include "scenarios/diff/compare_private.h"

#include "base/check.h"

#include <string.h>

static bool is_one_of(const char *text, const char *const *list)
{
    for (; *list; list++) {
        if (strcmp(text, *list) == 0) {
            return true;
        }
    }
    return false;
}

/* It keeps up with what guests write: a mirror, or a commit of the active layer. */
static bool keeps_up(const json_t *job)
{
    static const char *const types[] = { "mirror", "commit", NULL };
    return is_one_of(member_text(job, "type"), types);
}

static void drop_progress(json_t *job)
{
    static const char *const done[] = { "current-progress", "offset" };
    static const char *const all[] = { "total-progress", "len" };
    bool grows = keeps_up(job);
    for (size_t i = 0; i < 2; i++) {
        json_object_del(job, done[i]);
        if (grows) {
            json_object_del(job, all[i]);
        }
    }
}

static void drop_moment(const struct compare_side *side, json_t *job)
{
    static const char *const under_way[] = { "created", "running", "paused", "waiting", NULL };
    static const char *const stopped[] = { "aborting", "concluded", NULL };
    static const char *const at_work[] = { "created", "running", "ready", NULL };
    const char *status = member_text(job, "status");
    if (is_one_of(status, under_way) ||
        (is_one_of(status, stopped) && json_object_get(job, "error")) ||
        (side->loads && keeps_up(job))) {
        drop_progress(job);
    }
    if (is_one_of(status, at_work)) {
        json_object_del(job, "busy");
    }
}

json_t *compare_job_list(const struct compare_side *side, const json_t *value)
{
    json_t *view = json_deep_copy(value);
    for (size_t i = 0; i < json_array_size(view); i++) {
        drop_moment(side, json_array_get(view, i));
    }
    return view;
}

/* BLOCK_JOB_CANCELLED, or BLOCK_JOB_COMPLETED with an error. */
static bool has_stopped(const char *name, const json_t *data)
{
    return strcmp(name, "BLOCK_JOB_CANCELLED") == 0 ||
           (strcmp(name, "BLOCK_JOB_COMPLETED") == 0 && json_object_get(data, "error"));
}

json_t *compare_job_event(const struct compare_side *side, const char *name, json_t *data)
{
    CHECK(name != NULL);
    if (!has_stopped(name, data) && !(side->loads && keeps_up(data))) {
        return json_incref(data);
    }
    json_t *view = json_deep_copy(data);
    drop_progress(view);
    return view;
}

/* The next event from *stmt and *at on that tells of such an end, or NULL. */
static const json_t *next_stopped(const struct record *r, size_t *stmt, size_t *at)
{
    for (; *stmt < r->len; ++*stmt, *at = 0) {
        while (*at < json_array_size(r->at[*stmt].events)) {
            const json_t *event = json_array_get(r->at[*stmt].events, (*at)++);
            const json_t *data = json_object_get(event, "data");
            if (has_stopped(member_text(event, "event"), data)) {
                return data;
            }
        }
    }
    return NULL;
}

bool compare_jobs_stray(const struct record *ours, const struct record *theirs)
{
    size_t stmt[COMPARE_SIDES] = { 0 }, at[COMPARE_SIDES] = { 0 };
    for (;;) {
        const json_t *a = next_stopped(ours, &stmt[OURS], &at[OURS]);
        const json_t *b = next_stopped(theirs, &stmt[THEIRS], &at[THEIRS]);
        if (!a || !b) {
            return a != b;
        }
        if (!json_equal(json_object_get(a, "offset"), json_object_get(b, "offset"))) {
            return true;
        }
    }
}

bool compare_job_rest(const char *name, const json_t *first, const json_t *second)
{
    const char *from = member_text(first, "status"), *to = member_text(second, "status");
    return strcmp(name, "JOB_STATUS_CHANGE") == 0 &&
           ((strcmp(from, "paused") == 0 && strcmp(to, "running") == 0) ||
            (strcmp(from, "standby") == 0 && strcmp(to, "ready") == 0));
}
