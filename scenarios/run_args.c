/* SPDX-License-Identifier: MIT */
/* `args`, the command line of the layer; @fd, a descriptor that comes with a command; and what the
 * layer warns of. */
#include "scenarios/run_private.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/subst.h"
#include "sim/host_fd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- args ---- */

/* On the heap: when it never ends, the coroutine outlives the statement. */
struct args_work {
    struct layer *layer;
    char **argv;
    int argc;
    struct error err;
};

static void args_run(void *opaque)
{
    struct args_work *w = opaque;
    layer_command_line(w->layer, w->argc, w->argv, &w->err);
}

static void args_free(struct args_work *w)
{
    for (int i = 0; i < w->argc; i++) {
        free(w->argv[i]);
    }
    free(w->argv);
    free(w);
}

int run_verb_args(struct run_ctx *ctx, const struct run_stmt *s, struct error *err)
{
    struct layer *l = target_sim_layer(ctx->target);
    if (!l) {
        return error_set(err, -EIO, "the power is off");
    }
    struct args_work *w = NEW(struct args_work);
    *w = (struct args_work){ .layer = l, .argc = s->words_len - 1 };
    w->argv = NEW_ARRAY(char *, (size_t)w->argc + 1);
    for (int i = 0; i < w->argc; i++) {
        w->argv[i] = mem_strdup(s->words[i + 1]);
    }
    if (target_sim_in_coroutine(ctx->target, "args", args_run, w) < 0) {
        run_stuck(ctx, "args");
        return -EDEADLK;
    }
    if (w->err.code < 0) {
        *err = w->err;
    }
    args_free(w);
    return err->code;
}

/* ---- @fd ---- */

static int pass_fd(struct run_ctx *ctx, const char *arg, struct error *err)
{
    size_t from = strspn(arg, " \t"), n = strcspn(arg + from, " \t");
    char *name = mem_strndup(arg + from, n);
    const char *mode = arg + from + n;
    mode += strspn(mode, " \t");
    uint32_t flags = strncmp(mode, "rw", 2) == 0 ? HOST_WRITE : 0;
    int ret = ctx->real ? target_real_pass_fd(ctx->target, name, flags != 0, NULL)
                        : host_fd_pass(target_sim_host(ctx->target), name, flags);
    if (ret < 0) {
        error_set_errno(err, ret, "@fd: could not open '%s'", name);
    }
    free(name);
    return ret;
}

bool run_pass_fd(struct run_ctx *ctx, const struct script_stmt *stmt)
{
    const struct script_prop *prop = script_prop_find(stmt, "fd");
    struct strbuf arg = { 0 };
    struct error err = ERROR_INIT;
    if (!prop) {
        return true;
    }
    if (subst_expand(prop->arg, run_lookup, ctx, &arg, &err) == 0) {
        pass_fd(ctx, strbuf_str(&arg), &err);
    }
    strbuf_free(&arg);
    if (err.code < 0) {
        run_fail(ctx, VERDICT_FAIL, "script", "fd", (struct place){ prop->line, prop->col }, "%s",
                 err.text);
    }
    return err.code == 0;
}

/* ---- warnings ---- */

void run_take_warnings(struct run_ctx *ctx, struct outcome *out)
{
    char *text = (ctx->real ? target_real_take_warnings : target_sim_take_warnings)(ctx->target);
    if (!text) {
        return;
    }
    run_log(ctx, "warning", text);
    if (out && !out->output) {
        out->output = text;
    } else {
        free(text);
    }
}
