/* SPDX-License-Identifier: MIT */
/* Loads on a real target: they go on whenever the runner lets the target run.
 *
 * What a load does in a given time is not the same there, so one that only time ends and that
 * writes is left out, and one with count= that nobody waits for does all of its requests.
 */
#include "scenarios/run_private.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/real/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* How long statements wait for a load. */
#define WAIT_MAX_NS (10 * NS_PER_S)
/* How long a request may keep the others and the statement from being looked at. */
#define SLICE_NS NS_PER_MS

static bool any_goes_on(const struct run_ctx *ctx)
{
    for (const struct run_load *l = ctx->loads; l; l = l->next) {
        if (l->real && !*load_real_done(l->real)) {
            return true;
        }
    }
    return false;
}

/* Every load makes a step.  What one of them waits for, or NULL. */
static const bool *step_all(struct run_ctx *ctx)
{
    const bool *wait = NULL;
    for (struct run_load *l = ctx->loads; l; l = l->next) {
        if (l->real && !load_real_step(l->real) && !wait) {
            wait = load_real_wait(l->real);
        }
    }
    return wait;
}

/* The monitor does one command after the other: while it is at one, no request is put behind it,
 * where that command's output would seem to be the request's. */
int run_target(struct run_ctx *ctx, const bool *done, int64_t until_ns)
{
    const struct target_ops *ops = ctx->target->ops;
    bool never = false;
    while (ctx->real && any_goes_on(ctx)) {
        const bool *wait = target_real_is_busy(ctx->target) ? NULL : step_all(ctx);
        int64_t now_ns = run_now_ns(ctx);
        if (done && *done) {
            return 0;
        }
        if (now_ns >= until_ns) {
            return -ETIME;
        }
        wait = wait ? wait : done ? done : &never;
        int ret = ops->run(ctx->target, wait, MIN(until_ns, now_ns + SLICE_NS));
        if (ret < 0 && ret != -ETIME) {
            return ret;
        }
    }
    return ops->run(ctx->target, done, until_ns);
}

int run_real_load(struct run_ctx *ctx, const struct run_stmt *s, struct run_load *l,
                  struct error *err)
{
    struct load_real_config cfg = {
        .target = ctx->target,
        .frontends = target_real_has_command(ctx->target, "device_add"),
        .tag = l->tag,
        .name = s->words[2],
        .argc = s->words_len - 3,
        .argv = s->words + 3,
        .unit_seed = ctx->unit->seed,
    };
    const char *rw = stmt_key(s, "rw");
    if (stmt_key(s, "iothread")) {
        run_real_skip(ctx, "guest");
        return -ECANCELED;
    }
    if (stmt_key(s, "runtime") && rw && strcmp(rw, "read") != 0 && strcmp(rw, "randread") != 0) {
        run_real_skip(ctx, "virtual-time");
        return -ECANCELED;
    }
    return load_real_start(&cfg, &l->real, err);
}

bool run_real_load_wait(struct run_ctx *ctx, struct run_load *l)
{
    int ret = run_target(ctx, load_real_done(l->real), run_now_ns(ctx) + WAIT_MAX_NS);
    if (ret < 0) {
        run_real_skip(ctx, "virtual-time");
    }
    return ret == 0;
}

void run_real_loads_end(struct run_ctx *ctx)
{
    for (struct run_load *l = ctx->loads; l; l = l->next) {
        if (l->real && load_real_is_finite(l->real) && !ctx->skip_rest) {
            run_real_load_wait(ctx, l);
        }
    }
}
