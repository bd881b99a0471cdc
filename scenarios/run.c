/* SPDX-License-Identifier: MIT */
/* One run of one unit: a fresh world, the statements in order, the result.
 *
 *   headers --> world, oracles, target --> statements --> background ends --> teardown --> result
 *      |                                       |  first failure  |
 *      +-- skip                                +------> teardown, which always happens
 *
 * Invariants:
 *   1. The first failure decides verdict, signature, message and place; later ones go to the log.
 *   2. The world moves only through run_until and its kin, which count time and steps.
 *   3. A world that cannot be torn down is left as it is and its memory given up: something in it
 *      still runs, and the verdict says what.
 */
#include "scenarios/run_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- reports ---- */

void run_log(struct run_ctx *ctx, const char *kind, const char *text)
{
    result_log(ctx->r, ctx->statement, ctx->line, ctx->sim ? sim_now_ns(ctx->sim) : 0, kind, text);
}

const char *run_log_take(struct run_ctx *ctx, const char *kind, char *text)
{
    result_log_take(ctx->r, ctx->statement, ctx->line, ctx->sim ? sim_now_ns(ctx->sim) : 0, kind,
                    text);
    return text;
}

static void set_place(struct run_ctx *ctx, struct place at)
{
    struct result *r = ctx->r;
    const struct script *s = ctx->unit->script;
    r->line = at.line ? at.line : ctx->line;
    r->col = at.line ? at.col : ctx->now ? ctx->now->stmt->col : 1;
    result_set(&r->file, s->path);
    if (r->line > 0 && (size_t)r->line <= s->lines_len) {
        result_set(&r->source, s->lines[r->line - 1]);
    }
}

void run_fail(struct run_ctx *ctx, enum verdict verdict, const char *oracle, const char *site,
              struct place at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = mem_vprintf(fmt, ap);
    va_end(ap);
    CHECK(verdict != VERDICT_PASS);
    if (ctx->failed) {
        run_log(ctx, "failure", text);
        free(text);
        return;
    }
    ctx->failed = true;
    ctx->r->verdict = verdict;
    char *first = mem_strndup(text, strcspn(text, "\n"));
    char *normal = result_normalise(first);
    char *signature = mem_printf("%s:%s:%s", oracle, site, normal);
    result_set(&ctx->r->oracle, oracle);
    result_set(&ctx->r->signature, signature);
    result_set(&ctx->r->message, text);
    set_place(ctx, at);
    free(signature);
    free(normal);
    free(first);
    free(text);
}

static void on_oracle_fail(void *opaque, const struct oracle *o, const char *site,
                           const char *text)
{
    run_fail(opaque, VERDICT_FAIL, o->ops->name, site, (struct place){ 0, 0 }, "%s", text);
}

static void on_late_output(void *opaque, const char *node, const char *text)
{
    struct run_ctx *ctx = opaque;
    if (ctx->late) {
        ctx->late(ctx->late_opaque, node, text);
        return;
    }
    char *line = mem_printf("%s: %s", node, text);
    run_record_late(ctx, text);
    run_log(ctx, "io", line);
    free(line);
}

const char *run_lookup(const void *opaque, const char *name)
{
    const struct run_ctx *ctx = opaque;
    const char *value = unit_param(ctx->unit, name);
    return !value && strcmp(name, "seed") == 0 ? ctx->seed_text : value;
}

/* ---- moving the world ---- */

static void report_hang(struct run_ctx *ctx, bool steps, const char *what)
{
    struct strbuf text = { 0 };
    sim_describe_waiters(ctx->sim, &text);
    if (steps) {
        run_fail(ctx, VERDICT_HANG, "timeout", "steps", (struct place){ 0, 0 },
                 "'%s' has not ended after %" PRIu64 " steps of the case\n%s", what,
                 ctx->steps_max, strbuf_str(&text));
    } else {
        run_fail(ctx, VERDICT_HANG, "timeout", "time", (struct place){ 0, 0 },
                 "'%s' has not ended after %" PRId64 " ms of virtual time of the case\n%s", what,
                 ctx->deadline_ns / NS_PER_MS, strbuf_str(&text));
    }
    strbuf_free(&text);
}

void run_stuck(struct run_ctx *ctx, const char *what)
{
    if (ctx->sim->sched.steps >= ctx->steps_max) {
        report_hang(ctx, true, what);
        return;
    }
    for (size_t i = 0; i < ctx->oracles_len; i++) {
        const struct oracle *o = &ctx->oracles[i];
        if (o->ops->stuck) {
            o->ops->stuck(o->state, ctx->sim);
        }
    }
    struct strbuf text = { 0 };
    sim_describe_waiters(ctx->sim, &text);
    run_fail(ctx, VERDICT_FAIL, "liveness", "stuck", (struct place){ 0, 0 },
             "'%s' waits for ever\n%s", what, strbuf_str(&text));
    strbuf_free(&text);
}

enum run_stop run_until_limit(struct run_ctx *ctx, const bool *done, int64_t limit_ns,
                              const char *what)
{
    CHECK(done != NULL);
    if (ctx->failed) {
        return RUN_FAILED;
    }
    int ret = run_target(ctx, done, limit_ns);
    if (ctx->failed) {
        return RUN_FAILED; /* An oracle has spoken. */
    }
    switch (ret) {
    case 0:
        return RUN_DONE;
    case -ETIME:
        return RUN_LIMIT;
    case -EDEADLK:
        return RUN_STUCK;
    default:
        CHECK(ret == -ELOOP);
        report_hang(ctx, true, what);
        return RUN_FAILED;
    }
}

int run_until(struct run_ctx *ctx, const bool *done, const char *what)
{
    int64_t limit_ns = ctx->real ? run_now_ns(ctx) + REAL_REPLY_DEFAULT_NS : ctx->deadline_ns;
    enum run_stop stop = run_until_limit(ctx, done, limit_ns, what);
    if (ctx->real && (stop == RUN_LIMIT || stop == RUN_STUCK)) {
        run_real_silent(ctx, what);
        return -ETIME;
    }
    switch (stop) {
    case RUN_DONE:
        return 0;
    case RUN_LIMIT:
        report_hang(ctx, false, what);
        return -ETIME;
    case RUN_STUCK:
        run_stuck(ctx, what);
        return -EDEADLK;
    default:
        return -ECANCELED;
    }
}

int64_t run_now_ns(const struct run_ctx *ctx)
{
    return ctx->target->ops->now_ns(ctx->target);
}

void run_quiesce(struct run_ctx *ctx)
{
    const struct layer *l = ctx->real ? NULL : target_sim_layer(ctx->target);
    run_file_events(ctx);
    run_taints_tell(ctx);
    if (l) {
        oracles_quiesce(&ctx->oracle_set, l);
    }
}

/* ---- headers ---- */

static bool has_feature(const char *features, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = features; p && *p;) {
        p += strspn(p, " ");
        size_t len = strcspn(p, " ");
        if (len == n && strncmp(p, name, n) == 0) {
            return true;
        }
        p += len;
    }
    return false;
}

/* False: something that the case requires is missing. */
static bool check_require(struct run_ctx *ctx)
{
    const struct script_case *c = ctx->unit->cas;
    for (size_t i = 0; i < c->headers_len; i++) {
        const struct script_header *h = &c->headers[i];
        for (size_t k = 0; strcmp(h->name, "require") == 0 && k < h->words.len; k++) {
            const char *name = h->words.at[k].text;
            if (has_feature(ctx->cfg->features, name)) {
                continue;
            }
            char *text = mem_printf("require %s: not available here", name);
            ctx->r->verdict = VERDICT_SKIP;
            result_set(&ctx->r->message, text);
            set_place(ctx, (struct place){ h->line, h->col });
            free(text);
            return false;
        }
    }
    return true;
}

static enum choice_policy policy_of(const struct unit *u)
{
    switch (u->cas->schedule) {
    case SCHEDULE_FIFO:
        return CHOICE_FIFO;
    case SCHEDULE_SEEDED:
        return CHOICE_SEEDED;
    default:
        return u->seeded ? CHOICE_SEEDED : CHOICE_FIFO;
    }
}

/* ---- the world ---- */

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) {
        return mem_strdup(".");
    }
    return slash == path ? mem_strdup("/") : mem_strndup(path, (size_t)(slash - path));
}

static void open_oracles(struct run_ctx *ctx)
{
    for (size_t i = 0; oracles_all[i]; i++) {
        CHECK(ctx->oracles_len < RUN_ORACLES_MAX);
        struct oracle *o = &ctx->oracles[ctx->oracles_len++];
        *o = (struct oracle){ .ops = oracles_all[i], .sim = ctx->sim, .fail = on_oracle_fail,
                              .opaque = ctx };
        o->state = o->ops->create(o);
    }
    ctx->guest = (struct guest){ .oracles = ctx->oracles, .oracles_len = ctx->oracles_len };
    ctx->oracle_set = (struct oracle_set){ .at = ctx->oracles, .len = ctx->oracles_len };
}

static void close_oracles(struct run_ctx *ctx)
{
    for (size_t i = 0; i < ctx->oracles_len; i++) {
        ctx->oracles[i].ops->destroy(ctx->oracles[i].state);
    }
    oracles_free(&ctx->oracle_set);
}

/* False: a failure was reported. */
static bool open_world(struct run_ctx *ctx, bool keep_trace)
{
    const struct script_case *c = ctx->unit->cas;
    struct error err = ERROR_INIT;
    ctx->sim = sim_create(&(struct sim_config){ .seed = ctx->unit->seed,
                                                .policy = policy_of(ctx->unit),
                                                .keep_trace = keep_trace });
    ctx->deadline_ns = c->timeout_ns ? c->timeout_ns : RUN_TIMEOUT_DEFAULT_NS;
    ctx->steps_max = c->timeout_steps ? c->timeout_steps : RUN_STEPS_DEFAULT;
    ctx->posix = c->host == HOST_POSIX;
    ctx->dir = folder_of(ctx->unit->script->path);
    snprintf(ctx->seed_text, sizeof(ctx->seed_text), "%" PRIu64, ctx->unit->seed);
    if (ctx->cfg->deviations &&
        choice_parse(&ctx->sim->choice, ctx->cfg->deviations, &err) < 0) {
        run_fail(ctx, VERDICT_FAIL, "script", "deviations", (struct place){ 0, 0 }, "%s",
                 err.text);
        return false;
    }
    if (ctx->posix && !ctx->cfg->work_dir) {
        run_fail(ctx, VERDICT_FAIL, "script", "host", (struct place){ 0, 0 },
                 "`host posix` needs a work directory");
        return false;
    }
    if (ctx->cfg->target != RUN_ON_SIM) {
        return run_real_open(ctx);
    }
    open_oracles(ctx);
    ctx->target = target_sim_create(&(struct target_sim_config){
        .sim = ctx->sim,
        .drivers = ctx->cfg->drivers,
        .guest = &ctx->guest,
        .posix_dir = ctx->posix ? ctx->cfg->work_dir : NULL,
        .script_dir = ctx->dir,
        .steps_max = ctx->steps_max,
        .late = on_late_output,
        .opaque = ctx,
    });
    oracles_watch(&ctx->oracle_set, target_sim_layer(ctx->target));
    return true;
}

/* What a broken world still uses is given up: coroutines in it may point at all of this. */
static void close_world(struct run_ctx *ctx)
{
    free(ctx->spare_call);
    run_events_free(ctx);
    run_taints_free(ctx);
    if (ctx->broken) {
        return;
    }
    close_oracles(ctx);
    sim_destroy(ctx->sim);
    free(ctx->dir);
}

/* ---- the result ---- */

static void log_trace(struct run_ctx *ctx)
{
    struct strbuf text = { 0 };
    trace_print(&ctx->sim->trace, &text);
    const char *line = strbuf_str(&text);
    while (*line) {
        size_t n = strcspn(line, "\n");
        char *one = mem_strndup(line, n);
        result_log(ctx->r, 0, 0, sim_now_ns(ctx->sim), "trace", one);
        free(one);
        line += n + (line[n] == '\n');
    }
    strbuf_free(&text);
}

static void set_result(struct run_ctx *ctx, struct strbuf *trace)
{
    struct result *r = ctx->r;
    r->virt_ns = sim_now_ns(ctx->sim);
    r->steps = ctx->sim->sched.steps;
    r->trace_hash = ctx->posix || ctx->real ? 0 : trace_hash(&ctx->sim->trace);
    if (trace) {
        trace_print(&ctx->sim->trace, trace);
    }
    if (ctx->cfg->keep_trace) {
        log_trace(ctx);
    }
}

static void set_key(const struct unit *u, const struct run_config *cfg, struct result *r)
{
    result_set(&r->case_id, u->cas->name);
    result_set(&r->params, u->params ? u->params : "");
    result_set(&r->explore, cfg->deviations ? cfg->deviations : "");
    r->seed = u->seed;
}

/* Behind the last statement that does not stand below the line. */
static void log_graph(struct run_ctx *ctx, const struct script_case *c, size_t i)
{
    int line = ctx->cfg->graph_at;
    const struct layer *l = ctx->real ? NULL : target_sim_layer(ctx->target);
    struct strbuf text = { 0 };
    bool last = i + 1 == c->stmts_len || c->stmts[i + 1].line > line;
    if (ctx->real || c->stmts[i].line > line || !last) {
        return;
    }
    if (l) {
        layer_draw(l, &text);
    }
    run_log(ctx, "graph", l ? strbuf_str(&text) : "digraph blocks {\n}\n");
    strbuf_free(&text);
}

/* ---- lending the world ---- */

void run_world_on_output(struct run_world *w,
                         void (*fn)(void *opaque, const char *node, const char *text),
                         void *opaque)
{
    w->ctx->late = fn;
    w->ctx->late_opaque = opaque;
}

const char *run_world_check(struct run_world *w)
{
    run_quiesce(w->ctx);
    return w->ctx->failed ? w->ctx->r->message : NULL;
}

void run_world_give_up(struct run_world *w)
{
    struct strbuf text = { 0 };
    sim_describe_waiters(w->ctx->sim, &text);
    w->ctx->broken = true;
    run_fail(w->ctx, VERDICT_FAIL, "liveness", "serve", (struct place){ 0, 0 },
             "a command does not come to an end\n%s", strbuf_str(&text));
    strbuf_free(&text);
}

static void serve(struct run_ctx *ctx)
{
    struct run_world w = { .target = ctx->target, .posix = ctx->posix, .ctx = ctx };
    if (ctx->cfg->serve && !ctx->failed && !ctx->real) {
        ctx->cfg->serve(ctx->cfg->serve_opaque, &w);
        ctx->late = NULL;
    }
}

static void run_statements(struct run_ctx *ctx)
{
    const struct script_case *c = ctx->unit->cas;
    for (size_t i = 0; i < c->stmts_len && !ctx->failed; i++) {
        run_statement(ctx, &c->stmts[i]);
        log_graph(ctx, c, i);
    }
    serve(ctx);
    if (!ctx->failed) {
        run_background_finish(ctx);
    }
    if (!ctx->failed) {
        run_record_nodes(ctx);
    }
}

void run_once(const struct unit *u, const struct run_config *cfg, struct result *r,
              struct strbuf *trace)
{
    /* On the heap: what runs on in a broken world points here. */
    struct run_ctx *ctx = NEW(struct run_ctx);
    *ctx = (struct run_ctx){ .unit = u, .cfg = cfg, .r = r, .line = u->cas->line };
    json_object_seed(1);
    set_key(u, cfg, r);
    if (!check_require(ctx)) {
        free(ctx);
        return;
    }
    if (open_world(ctx, cfg->keep_trace || trace != NULL)) {
        run_statements(ctx);
        if (!ctx->broken) {
            run_teardown(ctx);
        }
    }
    set_result(ctx, trace);
    close_world(ctx);
    if (!ctx->broken) {
        free(ctx);
    }
    /* Rows of the log are kept for failures, or when they were asked for. */
    if (r->verdict == VERDICT_PASS && !cfg->log_all && !cfg->keep_trace && !cfg->graph_at) {
        result_log_clear(r);
    }
}

void run_unit(const struct unit *u, const struct run_config *cfg, struct result *r)
{
    CHECK(u->script && u->cas && cfg->drivers);
    if (cfg->verify_determinism) {
        run_verify(u, cfg, r);
    } else {
        run_once(u, cfg, r, NULL);
    }
}
