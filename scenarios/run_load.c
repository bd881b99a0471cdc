/* SPDX-License-Identifier: MIT */
/* What goes on in the background: loads, @async statements, and `wait`.
 *
 * At the end of a case loads are asked to stop, then everything that nobody waited for is waited
 * for and judged, @async statements first, each kind in the order in which it was started.  What is
 * in progress when power is cut ends with it; a `wait` for it still gives its outcome, but at the
 * end of the case nobody judges it.
 */
#include "scenarios/run_private.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/real/load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static struct run_async *async_find(const struct run_ctx *ctx, const char *tag)
{
    struct run_async *a = ctx->asyncs;
    while (a && (a->orphan || strcmp(a->tag, tag) != 0)) {
        a = a->next;
    }
    return a;
}

static struct run_load *load_find(const struct run_ctx *ctx, const char *tag)
{
    struct run_load *l = ctx->loads;
    while (l && strcmp(l->tag, tag) != 0) {
        l = l->next;
    }
    return l;
}

bool run_tag_known(const struct run_ctx *ctx, const char *tag)
{
    return async_find(ctx, tag) || load_find(ctx, tag);
}

static bool load_open_still(const struct run_load *l)
{
    return l->load || l->real;
}

static const bool *done_flag(const struct run_load *l)
{
    return l->real ? load_real_done(l->real) : load_done(l->load);
}

static struct load_stats stats_of(const struct run_load *l)
{
    return l->real ? load_real_stats(l->real) : load_stats(l->load);
}

static int result_of(const struct run_load *l, struct error *err)
{
    return l->real ? load_real_result(l->real, err) : load_result(l->load, err);
}

bool run_background_busy(const struct run_ctx *ctx)
{
    for (const struct run_async *a = ctx->asyncs; a; a = a->next) {
        if (!(a->orphan ? a->orphan->done : a->call.done)) {
            return true;
        }
    }
    for (const struct run_load *l = ctx->loads; l; l = l->next) {
        if (load_open_still(l) && !*done_flag(l)) {
            return true;
        }
    }
    return !ctx->real && target_sim_busy(ctx->target) > 0;
}

/* ---- freeing ---- */

static void async_free(struct run_ctx *ctx, struct run_async *a)
{
    struct target_call *call = a->orphan ? a->orphan : &a->call;
    struct run_async **p = &ctx->asyncs;
    while (*p != a) {
        p = &(*p)->next;
    }
    *p = a->next;
    CHECK(call->done);
    ctx->target->ops->forget(ctx->target, call);
    target_call_fini(call);
    free(a->orphan);
    free(a->tag);
    free(a);
}

static void port_close_run(void *opaque)
{
    struct run_load *l = opaque;
    if (l->owned) {
        backend_destroy(l->port.backend);
    }
    backend_unref(l->port.backend);
    if (l->port.device) {
        device_unref(l->port.device);
    }
}

/* [outside] Lets go what the load's requests went through. */
static int port_close(struct run_ctx *ctx, struct run_load *l)
{
    int ret = target_sim_in_coroutine(ctx->target, "end of a load", port_close_run, l);
    l->port = (struct guest_port){ 0 };
    return ret;
}

/* Frees a load that has ended. */
static int load_close(struct run_ctx *ctx, struct run_load *l)
{
    if (l->real) {
        load_real_free(l->real);
        l->real = NULL;
        return 0;
    }
    load_free(l->load);
    l->load = NULL;
    return port_close(ctx, l);
}

static void load_remove(struct run_ctx *ctx, struct run_load *l)
{
    struct run_load **p = &ctx->loads;
    while (*p != l) {
        p = &(*p)->next;
    }
    *p = l->next;
    free(l->tag);
    free(l);
}

void run_background_free(struct run_ctx *ctx)
{
    while (ctx->asyncs) {
        async_free(ctx, ctx->asyncs);
    }
    while (ctx->loads) {
        CHECK(!load_open_still(ctx->loads));
        load_remove(ctx, ctx->loads);
    }
}

/* ---- load ---- */

static bool only_reads(const struct run_stmt *s)
{
    const char *rw = stmt_key(s, "rw");
    return rw && (strcmp(rw, "read") == 0 || strcmp(rw, "randread") == 0);
}

static struct perm_pair load_perm(bool writes)
{
    return (struct perm_pair){ PERM_CONSISTENT_READ | (writes ? PERM_WRITE : 0u), PERM_ALL };
}

/* A backend of its own on a node.  For comparison also one that only reads may write if it can, as
 * the disk that a load on a real target has. */
static int open_own(struct run_ctx *ctx, struct node *n, const struct run_stmt *s,
                    struct run_load *l, struct error *err)
{
    struct layer *layer = target_sim_layer(ctx->target);
    bool writes = !only_reads(s);
    bool tries = ctx->cfg->record && !writes && !script_prop_find(s->stmt, "model-only");
    l->owned = true;
    l->port.backend = backend_ref(backend_create(layer, NULL, load_perm(writes || tries)));
    int ret = backend_insert(l->port.backend, n, tries ? NULL : err);
    if (ret < 0 && tries) {
        ret = port_close(ctx, l);
        l->owned = ret == 0;
        l->port.backend =
            ret == 0 ? backend_ref(backend_create(layer, NULL, load_perm(false))) : NULL;
        ret = ret == 0 ? backend_insert(l->port.backend, n, err) : ret;
    }
    return ret;
}

/* A node of that name, else the frontend of that id, else the block device of that name. */
static int port_open(struct run_ctx *ctx, const struct run_stmt *s, struct run_load *l,
                     struct error *err)
{
    struct layer *layer = target_sim_layer(ctx->target);
    const char *name = s->words[2];
    struct node *n = layer ? layer_find_node(layer, name) : NULL;
    struct device *d = layer && !n ? device_find(layer, name) : NULL;
    struct backend *b = d ? device_backend(d) : NULL;
    if (layer && !n && !d) {
        b = layer_find_backend(layer, name);
    }
    if (!n && !b) {
        return error_set(err, -ENODEV, "Cannot find device='' nor node-name='%s'", name);
    }
    if (n) {
        return open_own(ctx, n, s, l, err);
    }
    l->port = (struct guest_port){ .backend = backend_ref(b), .device = d ? device_ref(d) : NULL };
    return 0;
}

/* Whether requests of the load may go through what is there already. */
static int check_port(const struct run_load *l, const struct run_stmt *s, struct error *err)
{
    uint32_t want = load_perm(!only_reads(s)).used, have = backend_perm(l->port.backend).used;
    return l->owned || l->port.device || (want & ~have) == 0
               ? 0
               : error_set(err, -EPERM, "nobody uses '%s', so it cannot be written",
                           s->words[2]);
}

static int load_open(struct run_ctx *ctx, const struct run_stmt *s, struct run_load *l,
                     struct error *err)
{
    if (ctx->real) {
        return run_real_load(ctx, s, l, err);
    }
    int ret = port_open(ctx, s, l, err);
    ret = ret < 0 ? ret : check_port(l, s, err);
    if (ret < 0) {
        return ret;
    }
    enum load_data data = ctx->cfg->record ? LOAD_BYTES : LOAD_STREAMS;
    return load_start(&ctx->guest, &l->port, l->tag, s->words_len - 3, s->words + 3,
                      ctx->unit->seed, data, &l->load, err);
}

/* Commands that only look. */
static bool is_query(const struct run_stmt *s)
{
    const char *command = s->words[0];
    return strncmp(command, "query-", 6) == 0 || strncmp(command, "x-debug-query-", 14) == 0;
}

void run_loads_note(struct run_ctx *ctx, const struct run_stmt *s)
{
    struct record *record = ctx->cfg->record;
    bool writing = false;
    for (const struct run_load *l = ctx->loads; l; l = l->next) {
        writing |= l->writes;
    }
    if (!record || !(writing || s->verb == VERB_LOAD)) {
        return;
    }
    if (s->verb == VERB_LOAD) {
        const char *depth = stmt_key(s, "depth");
        record->shuffled |= writing || (depth && strcmp(depth, "1") != 0);
    } else if (s->verb == VERB_IO) {
        record->shuffled = true;
    } else if (s->verb == VERB_QMP || (s->verb == VERB_NONE && !is_query(s))) {
        record->raced = true;
    }
}

int run_verb_load(struct run_ctx *ctx, const struct run_stmt *s, struct outcome *out)
{
    struct error err = ERROR_INIT;
    CHECK(s->words_len >= 3);
    if (run_tag_known(ctx, s->words[1])) {
        error_set(&err, -EEXIST, "the tag '%s' is in use", s->words[1]);
        outcome_fail(out, &err);
        return 0;
    }
    struct run_load *l = NEW(struct run_load);
    *l = (struct run_load){ .tag = mem_strdup(s->words[1]), .stmt = s->stmt,
                            .writes = !only_reads(s) };
    if (load_open(ctx, s, l, &err) == 0) {
        struct run_load **p = &ctx->loads;
        while (*p) {
            p = &(*p)->next;
        }
        *p = l;
        return 0;
    }
    int ret = 0;
    if (err.code) {
        outcome_fail(out, &err);
    }
    if (l->port.backend) {
        ret = port_close(ctx, l);
    }
    free(l->tag);
    free(l);
    if (ret < 0) {
        run_stuck(ctx, "the end of a load");
    }
    return ret;
}

/* ---- wait ---- */

static void load_log(struct run_ctx *ctx, const struct run_load *l)
{
    struct load_stats st = stats_of(l);
    uint64_t n = st.reads + st.writes;
    char *text = mem_printf("%s: %" PRIu64 " reads, %" PRIu64 " writes, %" PRIu64
                            " flushes, %" PRIu64 " failed, %" PRIu64 " bytes verified, %" PRId64
                            " ns, latency %" PRIu64 " ns mean, %" PRId64 " ns most",
                            l->tag, st.reads, st.writes, st.flushes, st.failed, st.verified_bytes,
                            st.ended_ns - st.started_ns, n ? st.latency_ns_total / n : 0,
                            st.latency_ns_max);
    trace_emit_text(&ctx->sim->trace, sim_now_ns(ctx->sim), TRACE_REPLY, ctx->statement, text,
                    strlen(text));
    run_log(ctx, "io", text);
    free(text);
}

/* Takes the result of a load that has ended. */
static int load_outcome(struct run_ctx *ctx, struct run_load *l, struct outcome *out)
{
    struct error err = ERROR_INIT;
    if (!load_open_still(l)) {
        return 0; /* A power cut has ended it: it did what it could. */
    }
    load_log(ctx, l);
    if (result_of(l, &err) < 0) {
        outcome_fail(out, &err);
    }
    int ret = load_close(ctx, l);
    if (ret < 0) {
        run_stuck(ctx, "the end of a load");
    }
    return ret;
}

static void wait_late(struct run_ctx *ctx, const char *tag, const char *within)
{
    run_fail(ctx, VERDICT_FAIL, "expect", "wait", (struct place){ 0, 0 },
             "'%s' has not ended in time\nexpected: the end within %s\nactual:   in progress", tag,
             within);
}

/* Runs until *done, at most for `within`, which is virtual time.  False: a failure was reported. */
static bool wait_done(struct run_ctx *ctx, const char *tag, const char *within, const bool *done)
{
    int64_t limit_ns = ctx->deadline_ns, ns;
    if (within && text_parse_duration(within, &ns) == 0) {
        limit_ns = MIN(limit_ns, sim_now_ns(ctx->sim) + ns);
    }
    if (!within || ctx->real) {
        return run_until(ctx, done, tag) == 0;
    }
    switch (run_until_limit(ctx, done, limit_ns, tag)) {
    case RUN_DONE:
        return true;
    case RUN_LIMIT:
        wait_late(ctx, tag, within);
        return false;
    case RUN_STUCK:
        run_stuck(ctx, tag);
        return false;
    default:
        return false;
    }
}

static void log_async(struct run_ctx *ctx, const struct run_async *a, const struct outcome *out)
{
    char *text = out->ret ? json_dumps(a->call.reply, JSON_COMPACT) : NULL;
    const char *shown = text ? text : out->output && *out->output ? out->output : out->text;
    if (shown) {
        trace_emit_text(&ctx->sim->trace, sim_now_ns(ctx->sim), TRACE_REPLY, a->stmt->id, shown,
                        strlen(shown));
        run_log(ctx, out->output ? "io" : "reply", shown);
    }
    free(text);
}

/* Judges an @async statement that has ended, with the expectations of a wait if there is one. */
static void async_judge(struct run_ctx *ctx, struct run_async *a, const struct script_stmt *wait)
{
    struct outcome out;
    outcome_of_call(&a->call, &out);
    log_async(ctx, a, &out);
    run_quiesce(ctx);
    run_record_outcome(ctx, a->stmt, &a->call, &out);
    run_judge(ctx, a->stmt, wait, &out);
    outcome_fini(&out);
    run_fail_rules_clear(ctx, a->stmt);
    async_free(ctx, a);
}

static bool wait_load(struct run_ctx *ctx, struct run_load *l, const char *within)
{
    if (!load_open_still(l)) {
        return true;
    }
    return l->real ? run_real_load_wait(ctx, l) : wait_done(ctx, l->tag, within, done_flag(l));
}

/* Outcomes are compared, but not those of verbs of the world: how a load has ended on a real target
 * is told, when it is not as the wait says. */
static void tell_end(struct run_ctx *ctx, const struct script_stmt *wait,
                     const struct outcome *out)
{
    bool wants_error = false;
    for (size_t i = 0; i < wait->expects_len; i++) {
        wants_error |= wait->expects[i].kind == EXPECT_ERROR && !wait->expects[i].quirk;
    }
    if (ctx->real && ctx->cfg->record && out->failed != wants_error) {
        run_record_complaint(ctx, out->failed ? out->text : "the load has not failed");
    }
}

void run_verb_wait(struct run_ctx *ctx, const struct run_stmt *s)
{
    const char *tag = s->words[1], *within = stmt_key(s, "within");
    struct run_async *a = async_find(ctx, tag);
    struct run_load *l = load_find(ctx, tag);
    struct outcome out = { 0 };
    struct error err = ERROR_INIT;
    if (a) {
        if (wait_done(ctx, tag, within, &a->call.done)) {
            async_judge(ctx, a, s->stmt);
        }
        return;
    }
    if (!l) {
        error_set(&err, -ENOENT, "nothing with the tag '%s' is in progress", tag);
        outcome_fail(&out, &err);
    } else if (!wait_load(ctx, l, within)) {
        return;
    } else if (load_outcome(ctx, l, &out) == 0) {
        load_remove(ctx, l);
        tell_end(ctx, s->stmt, &out);
    }
    run_quiesce(ctx);
    run_record_outcome(ctx, s->stmt, NULL, &out);
    run_judge(ctx, s->stmt, NULL, &out);
    outcome_fini(&out);
}

/* ---- the end ---- */

/* False: it has not ended, which was reported. */
static bool finish_async(struct run_ctx *ctx)
{
    struct run_async *a = ctx->asyncs;
    if (a->cut) {
        async_free(ctx, a);
    } else if (run_until(ctx, &a->call.done, a->tag) == 0) {
        async_judge(ctx, a, NULL);
    } else {
        return false;
    }
    return true;
}

static bool finish_load(struct run_ctx *ctx)
{
    struct run_load *l = ctx->loads;
    struct outcome out = { 0 };
    const struct script_stmt *stmt = l->stmt;
    if (load_open_still(l) && run_until(ctx, done_flag(l), l->tag) < 0) {
        return false;
    }
    bool closed = load_outcome(ctx, l, &out) == 0;
    if (closed) {
        load_remove(ctx, l);
        if (out.failed) {
            run_fail(ctx, VERDICT_FAIL, "expect", "ok", (struct place){ stmt->line, stmt->col },
                     "unexpected error: %s\nexpected: ok\nactual:   the load failed", out.text);
        }
    }
    outcome_fini(&out);
    return closed;
}

/* What a load has done when it is stopped is a matter of time, so none is for comparison. */
static void let_loads_end(struct run_ctx *ctx)
{
    if (ctx->real) {
        run_real_loads_end(ctx);
        return;
    }
    for (struct run_load *l = ctx->loads; l && ctx->cfg->record && !ctx->failed; l = l->next) {
        if (l->load && load_is_finite(l->load)) {
            run_until(ctx, load_done(l->load), l->tag);
        }
    }
}

void run_background_finish(struct run_ctx *ctx)
{
    let_loads_end(ctx);
    run_loads_stop(ctx);
    bool ended = true;
    while (ctx->asyncs && !ctx->failed && ended) {
        ctx->statement = ctx->asyncs->stmt->id;
        ctx->line = ctx->asyncs->stmt->line;
        ended = finish_async(ctx);
    }
    while (ctx->loads && !ctx->failed && ended) {
        ctx->statement = ctx->loads->stmt->id;
        ctx->line = ctx->loads->stmt->line;
        ended = finish_load(ctx);
    }
}

/* One turn of waiting for whatever is still in progress; judges nothing. */
void run_loads_stop(struct run_ctx *ctx)
{
    for (struct run_load *l = ctx->loads; l; l = l->next) {
        if (l->real) {
            load_real_stop(l->real);
        } else if (l->load) {
            load_stop(l->load);
        }
    }
}

void run_background_cut(struct run_ctx *ctx)
{
    for (struct run_async *a = ctx->asyncs; a; a = a->next) {
        a->cut |= !(a->orphan ? a->orphan->done : a->call.done);
    }
}

int run_background_drop(struct run_ctx *ctx)
{
    int ret = 0;
    for (struct run_async *a = ctx->asyncs; a && ret == 0; a = a->next) {
        bool *done = a->orphan ? &a->orphan->done : &a->call.done;
        ret = run_target(ctx, done, SIM_FOREVER);
    }
    for (struct run_load *l = ctx->loads; l && ret == 0; l = l->next) {
        if (load_open_still(l)) {
            ret = run_target(ctx, done_flag(l), SIM_FOREVER);
            ret = ret == 0 ? load_close(ctx, l) : ret;
        }
    }
    return ret;
}
