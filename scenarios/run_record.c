/* SPDX-License-Identifier: MIT */
/* What a run showed, for comparison: outcome and events of every statement, the state behind it,
 * and at the end what nodes hold.
 *
 * The state is asked for with ordinary commands.  While a command of the script is in progress it
 * is not: monitors take one at a time.
 */
#include "scenarios/run_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum {
    PROBE_NODES_MAX = 32,
    PROBE_EXTENTS_MAX = 64,
    PROBE_BYTES = 64 << 10, /* Of the beginning and of the end of an extent. */
};

static struct record_stmt *current(struct run_ctx *ctx)
{
    return ctx->recorded ? &ctx->cfg->record->at[ctx->recorded - 1] : NULL;
}

/* ---- statements ---- */

static bool is_counted(enum verb_id verb)
{
    return verb == VERB_NONE || verb == VERB_QMP || verb == VERB_IO;
}

void run_record_begin(struct run_ctx *ctx, const struct script_stmt *stmt, enum verb_id verb,
                      const char *text)
{
    if (!ctx->cfg->record) {
        return;
    }
    struct record_stmt *r = record_add(ctx->cfg->record, stmt->id, stmt->line,
                                       stmt->words.at[0].text, text);
    r->counted = is_counted(verb);
    r->took_ns = run_now_ns(ctx);
    ctx->recorded = ctx->cfg->record->len;
}

void run_record_skip(struct run_ctx *ctx, const struct script_stmt *stmt, const char *reason)
{
    if (!ctx->cfg->record) {
        return;
    }
    const char *word = stmt->words.at[0].text;
    struct record_stmt *r = record_add(ctx->cfg->record, stmt->id, stmt->line, word, word);
    r->counted = is_counted(verb_id_of(word));
    r->end = RECORD_SKIPPED;
    r->why = mem_strdup(reason);
    ctx->recorded = 0;
}

/* The statement itself, or the one that was started with @async and ends now. */
static struct record_stmt *find(struct run_ctx *ctx, const struct script_stmt *stmt)
{
    struct record *record = ctx->cfg->record;
    for (size_t i = record ? record->len : 0; i-- > 0;) {
        if (record->at[i].id == stmt->id) {
            return &record->at[i];
        }
    }
    return NULL;
}

void run_record_outcome(struct run_ctx *ctx, const struct script_stmt *stmt,
                        const struct target_call *call, const struct outcome *out)
{
    struct record_stmt *r = find(ctx, stmt);
    struct strbuf text = { 0 };
    if (!r || r->reply || out->died) {
        return;
    }
    if (out->skip) {
        r->end = RECORD_SKIPPED;
        r->why = mem_strdup(out->skip);
        return;
    }
    r->failed = out->failed;
    r->reply = call ? json_incref(call->reply) : NULL;
    strbuf_puts(&text, out->output ? out->output : "");
    if (!r->reply && out->failed && !strstr(strbuf_str(&text), out->text)) {
        strbuf_printf(&text, "%s\n", out->text);
    }
    free(r->output);
    r->output = text.text;
}

void run_record_event(struct run_ctx *ctx, const json_t *event)
{
    struct record *record = ctx->cfg->record;
    if (!record || record->len == 0 || ctx->ending) {
        return;
    }
    struct record_stmt *last = &record->at[record->len - 1];
    if (strcmp(last->command, "power") != 0) { /* Who is killed tells nothing. */
        json_array_append_new(last->events, json_deep_copy(event));
        const char *name = json_string_value(json_object_get(event, "event"));
        last->job_events |= name && strcmp(name, "JOB_STATUS_CHANGE") == 0;
    }
}

bool run_record_complaint(struct run_ctx *ctx, const char *text)
{
    struct record *record = ctx->cfg->record;
    struct record_stmt *r = current(ctx);
    for (size_t i = record && !r ? record->len : 0; i-- > 0 && !r;) {
        r = record->at[i].end == RECORD_DONE ? &record->at[i] : NULL; /* What ends late. */
    }
    if (!r) {
        return record != NULL;
    }
    if (!r->complaint) {
        r->complaint = mem_strdup(text);
    }
    run_log(ctx, "failure", text);
    return true;
}

void run_record_quirk(struct run_ctx *ctx, const struct script_stmt *stmt, bool holds)
{
    struct record_stmt *r = find(ctx, stmt);
    const struct record_stmt *now = current(ctx); /* What complains of one that ends late. */
    if (r) {
        bool complaint = r->complaint || (now && now->complaint);
        r->quirk = holds && !complaint ? QUIRK_HOLDS : QUIRK_GONE;
    }
}

void run_record_gone(struct run_ctx *ctx, enum record_end end, const char *why)
{
    struct record_stmt *r = current(ctx);
    if (r && r->end == RECORD_DONE) {
        r->end = end;
        r->why = mem_strdup(why);
    }
}

/* ---- state ---- */

json_t *run_query(struct run_ctx *ctx, const char *command)
{
    char *request = mem_printf("{\"execute\":\"%s\"}", command);
    struct target_call *call = NEW(struct target_call);
    json_t *found = NULL;
    ctx->target->ops->qmp(ctx->target, request, strlen(request), call);
    free(request);
    if (run_until(ctx, &call->done, command) < 0 && !call->done) {
        return NULL; /* The call may still be written to. */
    }
    found = json_incref(json_object_get(call->reply, "return"));
    ctx->target->ops->forget(ctx->target, call);
    target_call_fini(call);
    free(call);
    return found;
}

bool run_record_may_ask(const struct run_ctx *ctx)
{
    for (const struct run_async *a = ctx->asyncs; a; a = a->next) {
        if (!(a->orphan ? a->orphan->done : a->call.done)) {
            return false;
        }
    }
    return !ctx->failed && (ctx->real ? target_real_is_up(ctx->target)
                                      : target_sim_layer(ctx->target) != NULL);
}

/* What the file below a format holds, and how long it is, is where the format has put things. */
static bool any_format(const json_t *nodes)
{
    size_t i;
    json_t *entry;
    json_array_foreach(nodes, i, entry) {
        const char *drv = json_string_value(json_object_get(entry, "drv"));
        if (drv && strcmp(drv, "qcow2") == 0) {
            return true;
        }
    }
    return false;
}

/* moment: what it holds is being changed. */
static void ask_state(struct run_ctx *ctx, struct record_stmt *r, bool moment)
{
    struct record *record = ctx->cfg->record;
    r->nodes = run_query(ctx, "query-named-block-nodes");
    r->graph = run_query(ctx, "x-debug-query-block-graph");
    r->block = run_query(ctx, "query-block");
    r->jobs = run_query_jobs(ctx);
    record->formats |= any_format(r->nodes);
    if (moment || (record->shuffled && record->formats)) {
        record_drop_sizes(r->nodes);
        record_drop_sizes(r->block);
    }
}

void run_record_late(struct run_ctx *ctx, const char *text)
{
    struct record *record = ctx->cfg->record;
    if (record) {
        char **at = ctx->ending ? &record->late_end : &record->late;
        char *all = mem_printf("%s%s", *at ? *at : "", text);
        free(*at);
        *at = all;
    }
}

void run_record_end(struct run_ctx *ctx)
{
    struct record_stmt *r = current(ctx);
    if (!r) {
        return;
    }
    r->took_ns = run_now_ns(ctx) - r->took_ns;
    if (r->counted && r->end == RECORD_DONE && run_record_may_ask(ctx)) {
        run_jobs_settle(ctx, r->id);
        ask_state(ctx, r, ctx->loads || ctx->cfg->record->raced);
    }
    run_file_events(ctx);
}

/* ---- the end ---- */

/* A driver below which a look has effects of its own, or takes time. */
static bool is_delicate(const char *drv)
{
    static const char *const drivers[] = { "blkdebug", "blkverify", "throttle", "quorum",
                                           "copy-on-read" };
    for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
        if (strcmp(drv, drivers[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* What `io NODE map` prints; new, or NULL. */
static char *probe_map(struct run_ctx *ctx, const char *node)
{
    char map[] = "map";
    char *argv[] = { map, NULL };
    struct target_call *call = NEW(struct target_call);
    ctx->target->ops->io(ctx->target, node, 1, argv, call);
    if (run_until(ctx, &call->done, "map") < 0 && !call->done) {
        return NULL;
    }
    char *text = call->died ? mem_strdup("the program has died") :
                 call->skip ? NULL : mem_strdup(strbuf_str(&call->output));
    ctx->target->ops->forget(ctx->target, call);
    target_call_fini(call);
    free(call);
    return text;
}

static void probe_piece(struct run_ctx *ctx, struct record_node *n, uint64_t offset, size_t bytes,
                        struct strbuf *out)
{
    struct error err = ERROR_INIT;
    void *piece = mem_alloc(bytes);
    int ret = ctx->real ? target_real_read(ctx->target, n->name, offset, bytes, piece, &err)
                        : expect_read(ctx, n->name, offset, bytes, piece, &err);
    if (ret < 0) {
        strbuf_printf(out, "%" PRIu64 "+%zu fails\n", offset, bytes);
    } else {
        strbuf_printf(out, "%" PRIu64 "+%zu %016" PRIx64 "\n", offset, bytes,
                      (uint64_t)XXH3_64bits(piece, bytes));
    }
    free(piece);
}

/* Offset and length of a line of a map, both in brackets as hexadecimal numbers; false: no line. */
static bool map_line(const char **at, uint64_t *bytes, bool *allocated)
{
    const char *line = *at, *open = strchr(line, '('), *end = strchr(line, '\n');
    if (!open || (end && open > end)) {
        return false;
    }
    *bytes = strtoull(open + 1, NULL, 16);
    *allocated = !strstr(line, "not allocated") || (end && strstr(line, "not allocated") > end);
    *at = end ? end + 1 : line + strlen(line);
    return true;
}

/* Hashes of the pieces at both ends of each allocated extent. */
static char *probe_data(struct run_ctx *ctx, struct record_node *n)
{
    struct strbuf out = { 0 };
    const char *at = n->map;
    uint64_t offset = 0, bytes, seen = 0;
    bool allocated;
    for (int i = 0; i < PROBE_EXTENTS_MAX && map_line(&at, &bytes, &allocated) && bytes; i++) {
        uint64_t piece = MIN(bytes, PROBE_BYTES);
        if (allocated && seen + 2 * piece <= RECORD_DATA_MAX && !ctx->failed) {
            probe_piece(ctx, n, offset, (size_t)piece, &out);
            if (bytes > piece) {
                probe_piece(ctx, n, offset + bytes - piece, (size_t)piece, &out);
            }
            seen += 2 * piece;
        }
        offset += bytes;
    }
    return out.text;
}

/* A job that has not come to its end. */
static bool any_under_way(const json_t *jobs)
{
    size_t i;
    json_t *job;
    json_array_foreach(jobs, i, job) {
        const char *status = json_string_value(json_object_get(job, "status"));
        if (status && strcmp(status, "concluded") != 0 && strcmp(status, "pending") != 0) {
            return true;
        }
    }
    return false;
}

static bool any_delicate(const json_t *nodes)
{
    size_t i;
    json_t *entry;
    json_array_foreach(nodes, i, entry) {
        const char *drv = json_string_value(json_object_get(entry, "drv"));
        if (!drv || is_delicate(drv)) {
            return true;
        }
    }
    return false;
}

void run_record_nodes(struct run_ctx *ctx)
{
    struct record *record = ctx->cfg->record;
    if (!record || record->raced || ctx->skip_rest || !run_record_may_ask(ctx) ||
        run_background_busy(ctx)) {
        return;
    }
    record->end = NEW(struct record_stmt);
    *record->end = (struct record_stmt){ .command = mem_strdup("end"), .text = mem_strdup("end") };
    ask_state(ctx, record->end, false);
    json_t *nodes = record->end->nodes, *entry;
    size_t i;
    ctx->recorded = 0;
    if (any_under_way(record->end->jobs)) {
        record->raced = true; /* How far it has come is a matter of time. */
        return;
    }
    json_array_foreach(nodes, i, entry) {
        const char *name = json_string_value(json_object_get(entry, "node-name"));
        const char *drv = json_string_value(json_object_get(entry, "drv"));
        bool placed = record->shuffled && any_format(nodes) && drv && strcmp(drv, "qcow2") != 0;
        if (any_delicate(nodes) || !name || name[0] == '#' || i >= PROBE_NODES_MAX || placed ||
            ctx->failed || ctx->skip_rest) {
            continue;
        }
        struct record_node *n = record_add_node(record, name);
        n->map = probe_map(ctx, name);
        n->data = n->map ? probe_data(ctx, n) : NULL;
    }
}

void run_record_files(struct run_ctx *ctx)
{
    const struct record *record = ctx->cfg->record;
    struct error err = ERROR_INIT;
    const char *name;
    if (!record || !record->files || ctx->posix) {
        return;
    }
    struct host *host = target_sim_host(ctx->target);
    for (size_t i = 0; (name = host_sim_name(host, i)) != NULL; i++) {
        char *path = mem_printf("%s/%s", record->files, name);
        if (!strchr(name, '/') && host_posix_export(host_sim_disk(host, name), path, &err) < 0) {
            run_log(ctx, "failure", err.text);
        }
        free(path);
    }
}
