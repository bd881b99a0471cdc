/* SPDX-License-Identifier: MIT */
/* Ends: of power, and of a case.
 *
 * Both come down to the same: everything that holds requests back lets go, what is in progress
 * ends, and the layer is torn down through its ordinary paths.  A world in which that does not come
 * to an end is left as it is (ctx->broken): its memory goes with the process.
 */
#include "scenarios/run_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* Ends what is in flight and closes the layer.  0 or as target_ops.run. */
static int close_layer(struct run_ctx *ctx, bool power)
{
    struct target *t = ctx->target;
    run_loads_stop(ctx); /* First: one without latency never lets an instant end. */
    if (power) {
        run_background_cut(ctx);
    }
    int ret = target_sim_release(t, !power);
    if (ret == 0) {
        ret = run_background_drop(ctx);
    }
    while (ret == 0 && target_sim_busy(t) > 0) {
        bool never = false;
        ret = t->ops->run(t, &never, SIM_FOREVER);
        ret = ret == -EDEADLK && target_sim_busy(t) == 0 ? 0 : ret;
    }
    return ret == 0 ? target_sim_close_layer(t) : ret;
}

static void tell_layer_gone(struct run_ctx *ctx)
{
    for (size_t i = 0; i < ctx->oracles_len; i++) {
        const struct oracle *o = &ctx->oracles[i];
        if (o->ops->layer_gone) {
            o->ops->layer_gone(o->state);
        }
    }
}

static void report_stuck_end(struct run_ctx *ctx, int ret, const char *what)
{
    struct strbuf text = { 0 };
    ctx->broken = true;
    sim_describe_waiters(ctx->sim, &text);
    if (ret == -ELOOP) {
        run_fail(ctx, VERDICT_HANG, "timeout", "end", (struct place){ 0, 0 },
                 "%s took more than %d steps\n%s", what, RUN_STEPS_DEFAULT,
                 strbuf_str(&text));
    } else {
        run_fail(ctx, VERDICT_FAIL, "liveness", "end", (struct place){ 0, 0 },
                 "%s does not come to an end\n%s", what, strbuf_str(&text));
    }
    strbuf_free(&text);
}

static int power_cut(struct run_ctx *ctx)
{
    for (size_t i = 0; i < ctx->oracles_len; i++) {
        const struct oracle *o = &ctx->oracles[i];
        if (o->ops->power_cut) {
            o->ops->power_cut(o->state);
        }
    }
    host_sim_power_cut(target_sim_host(ctx->target));
    int ret = close_layer(ctx, true);
    if (ret < 0) {
        report_stuck_end(ctx, ret, "the layer after the power cut");
        return ret;
    }
    tell_layer_gone(ctx);
    return 0;
}

int run_power(struct run_ctx *ctx, bool on, struct error *err)
{
    struct host *host = target_sim_host(ctx->target);
    if (on == host_sim_is_on(host)) {
        error_set(err, -EINVAL, "the power is %s", on ? "on" : "off");
        return 0;
    }
    sim_trace(ctx->sim, TRACE_POWER, on, 0, 0, 0);
    if (!on) {
        return power_cut(ctx);
    }
    host_sim_power_on(host);
    target_sim_open_layer(ctx->target);
    oracles_watch(&ctx->oracle_set, target_sim_layer(ctx->target));
    return 0;
}

/* Nothing may be left over. */
static void check_empty(struct run_ctx *ctx)
{
    for (size_t i = 0; i < ctx->oracles_len; i++) {
        const struct oracle *o = &ctx->oracles[i];
        if (o->ops->end) {
            o->ops->end(o->state, ctx->sim);
        }
    }
    struct strbuf text = { 0 };
    if (ctx->sim->sched.live > 0) {
        sim_describe_waiters(ctx->sim, &text);
        run_fail(ctx, VERDICT_FAIL, "liveness", "coroutine", (struct place){ 0, 0 },
                 "coroutines are alive after the end of the case\n%s", strbuf_str(&text));
        ctx->broken = true;
    } else if (clock_next(&ctx->sim->clock)) {
        run_fail(ctx, VERDICT_FAIL, "liveness", "timer", (struct place){ 0, 0 },
                 "a timer is set after the end of the case");
        ctx->broken = true;
    }
    strbuf_free(&text);
}

void run_teardown(struct run_ctx *ctx)
{
    bool now = true;
    int ret = 0;
    ctx->ending = true;
    if (ctx->real) {
        run_real_close(ctx);
        return;
    }
    target_sim_allow_steps(ctx->target, RUN_STEPS_DEFAULT);
    if (target_sim_layer(ctx->target)) {
        ret = close_layer(ctx, false);
        if (ret == 0) {
            tell_layer_gone(ctx);
        }
    }
    if (ret == 0) {
        ret = ctx->target->ops->run(ctx->target, &now, SIM_FOREVER);
    }
    if (ret < 0) {
        report_stuck_end(ctx, ret, "the end of the case");
        return;
    }
    run_file_events(ctx);
    run_background_free(ctx);
    run_record_files(ctx);
    ctx->target->ops->destroy(ctx->target);
    ctx->target = NULL;
    check_empty(ctx);
}
