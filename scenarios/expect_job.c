/* SPDX-License-Identifier: MIT */
/* The expectation `job`: what the queries tell of one.
 *
 * Its entry in query-jobs and, of a block job, that in query-block-jobs are one object.  With
 * within= it is asked again whenever an event came (on a real target every few milliseconds, where
 * a job takes a moment for everything), until it holds or the time is over.
 *
 * A job of a real program that the model's ends in one instant is still under way when the reply to
 * the next command comes.  So where two runs are compared, the second waits behind each statement
 * until its jobs have the states that those of the first had there.
 */
#include "scenarios/run_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define GRACE_NS (500 * NS_PER_MS)
#define SETTLE_NS (1000 * NS_PER_MS)
#define REAL_PACE_NS (5 * NS_PER_MS)

static const char within[] = "within=";

static bool is_within(const char *word)
{
    return strncmp(word, within, sizeof(within) - 1) == 0;
}

/* The entry of that name in a list, or NULL; key: which member is the name. */
static json_t *find_entry(const json_t *list, const char *key, const char *id)
{
    size_t i;
    json_t *entry;
    json_array_foreach(list, i, entry) {
        const char *name = json_string_value(json_object_get(entry, key));
        if (name && id && strcmp(name, id) == 0) {
            return entry;
        }
    }
    return NULL;
}

json_t *run_query_jobs(struct run_ctx *ctx)
{
    json_t *jobs = run_query(ctx, "query-jobs"), *job;
    size_t i;
    if (json_array_size(jobs) == 0) {
        return jobs;
    }
    json_t *block = run_query(ctx, "query-block-jobs");
    json_array_foreach(jobs, i, job) {
        const char *id = json_string_value(json_object_get(job, "id"));
        json_t *more = find_entry(block, "device", id);
        if (more) {
            json_object_update(job, more);
        }
    }
    json_decref(block);
    return jobs;
}

/* ---- the expectation ---- */

/* The first word that does not hold, or NULL. */
static const char *wrong_word(const json_t *job, char **words)
{
    bool none = words[1] && strcmp(words[1], "none") == 0;
    if (!job) {
        return none ? NULL : words[0];
    }
    for (size_t i = 1; words[i]; i++) {
        if (none || (!is_within(words[i]) && !expect_member_matches(job, words[i]))) {
            return words[i];
        }
    }
    return NULL;
}

static void put_ids(const json_t *jobs, struct strbuf *out)
{
    size_t i;
    json_t *entry;
    json_array_foreach(jobs, i, entry) {
        const char *id = json_string_value(json_object_get(entry, "id"));
        strbuf_printf(out, "%s%s", i ? ", " : "", id ? id : "?");
    }
    strbuf_puts(out, json_array_size(jobs) ? "" : "no jobs");
}

static void tell(struct run_ctx *ctx, const struct script_expect *e, char **words,
                 const char *wrong, const json_t *job, const json_t *all)
{
    if (!job) {
        struct strbuf ids = { 0 };
        put_ids(all, &ids);
        expect_fail(ctx, e, "there is no job '%s'\nexpected: job %s\nactual:   %s", words[0],
                    words[0], strbuf_str(&ids));
        strbuf_free(&ids);
        return;
    }
    const char *eq = strchr(wrong, '=');
    if (!eq) {
        expect_fail(ctx, e, "there is a job '%s'\nexpected: job %s none\nactual:   %s", words[0],
                    words[0], json_string_value(json_object_get(job, "status")));
        return;
    }
    char *key = mem_strndup(wrong, (size_t)(eq - wrong) - (eq[-1] == ':'));
    const json_t *value = expect_path(job, key);
    char *have = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    expect_fail(ctx, e, "'%s' of job '%s' is another\nexpected: %s\nactual:   %s", key, words[0],
                eq + 1, have ? have : "no such member");
    free(have);
    free(key);
}

/* Until something may have changed.  False: the time is over, or a failure was told. */
static bool wait_change(struct run_ctx *ctx, int64_t limit_ns)
{
    int64_t now_ns = run_now_ns(ctx);
    if (now_ns >= limit_ns) {
        return false;
    }
    ctx->target->event_came = false;
    if (ctx->real) {
        limit_ns = MIN(limit_ns, now_ns + REAL_PACE_NS);
        enum run_stop stop = run_until_limit(ctx, &ctx->target->event_came, limit_ns, "a job");
        run_file_events(ctx);
        return stop != RUN_FAILED;
    }
    bool came = run_until_limit(ctx, &ctx->target->event_came, limit_ns, "a job") == RUN_DONE;
    run_file_events(ctx);
    return came;
}

void expect_job(struct run_ctx *ctx, const struct script_expect *e, char **words)
{
    int64_t limit_ns = 0;
    for (size_t i = 1; words[i]; i++) {
        if (is_within(words[i]) &&
            text_parse_duration(words[i] + sizeof(within) - 1, &limit_ns) < 0) {
            expect_fail(ctx, e, "'%s' is not a duration", words[i] + sizeof(within) - 1);
            return;
        }
    }
    limit_ns = run_now_ns(ctx) + (ctx->real ? MAX(limit_ns, GRACE_NS) : limit_ns);
    for (bool last = false; !ctx->failed;) {
        json_t *all = run_query_jobs(ctx), *job = find_entry(all, "id", words[0]);
        const char *wrong = wrong_word(job, words);
        if (wrong && last && all) {
            tell(ctx, e, words, wrong, job, all);
        }
        json_decref(all);
        if (!wrong || last || !all) {
            return;
        }
        last = !wait_change(ctx, limit_ns);
    }
}

/* ---- where the jobs of another run stand ---- */

/* The jobs as they were there behind the statement, or NULL: nobody has asked. */
static const json_t *jobs_beside(const struct run_ctx *ctx, uint32_t id)
{
    const struct record *beside = ctx->cfg->beside;
    const json_t *jobs = NULL;
    bool any = false;
    for (size_t i = 0; beside && i < beside->len; i++) {
        any = any || json_array_size(beside->at[i].jobs) > 0 || beside->at[i].job_events;
        if (beside->at[i].id == id) {
            jobs = beside->at[i].jobs;
            break;
        }
    }
    return any ? jobs : NULL; /* Before the first job there is nothing to wait for. */
}

static bool same_states(const json_t *a, const json_t *b)
{
    size_t i;
    json_t *job;
    if (json_array_size(a) != json_array_size(b)) {
        return false;
    }
    json_array_foreach((json_t *)(uintptr_t)a, i, job) {
        const json_t *twin = find_entry(b, "id", json_string_value(json_object_get(job, "id")));
        if (!twin || !json_equal(json_object_get(job, "status"), json_object_get(twin, "status"))) {
            return false;
        }
    }
    return true;
}

void run_jobs_settle(struct run_ctx *ctx, uint32_t id)
{
    const json_t *want = ctx->real && !ctx->unsettled ? jobs_beside(ctx, id) : NULL;
    int64_t limit_ns = run_now_ns(ctx) + SETTLE_NS;
    if (!want || !run_record_may_ask(ctx)) {
        return;
    }
    for (bool last = false; !ctx->failed;) {
        json_t *have = run_query_jobs(ctx);
        bool good = have && same_states(have, want), gone = !have;
        json_decref(have);
        ctx->unsettled |= last && !good; /* They will not be the same again. */
        if (good || gone || last) {
            return;
        }
        last = !wait_change(ctx, limit_ns);
    }
}
