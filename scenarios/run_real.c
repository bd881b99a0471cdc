/* SPDX-License-Identifier: MIT */
/* Statements on a real target: the world verbs as far as a program of its own has them, and which
 * statements it cannot do.
 *
 * What needs the simulated world leaves this target behind: from there on the case is about
 * something else, and the rest of it is skipped with the reason.  So is everything after the
 * program has died, or has given no answer in time.
 */
#include "scenarios/run_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* As much as a person waits for; more is virtual time. */
#define REAL_RUN_MAX_NS (2 * NS_PER_S)

enum { QUIT_MAX_MS = 5000 };

static const char after_death[] = "after-death";

/* ---- what is left out ---- */

static bool has_prop(const struct script_stmt *stmt, const char *name)
{
    return script_prop_find(stmt, name) != NULL;
}

const char *run_skip_reason(const struct run_ctx *ctx, const struct script_stmt *stmt)
{
    if (!ctx->real) {
        return has_prop(stmt, "real-only") ? "real-only" : NULL;
    }
    const struct script_header *h = script_header_find(ctx->unit->cas, "model-only");
    const struct script_prop *prop = script_prop_find(stmt, "model-only");
    if (h) {
        return h->words.at[0].text;
    }
    if (ctx->skip_rest) {
        return ctx->skip_rest;
    }
    return prop ? prop->arg : has_prop(stmt, "fail") ? "disk-fault" : NULL;
}

void run_real_skip(struct run_ctx *ctx, const char *reason)
{
    if (ctx->real && !ctx->skip_rest && reason) {
        ctx->skip_rest = reason;
        if (ctx->cfg->record) {
            ctx->cfg->record->raced = true; /* What is in progress does not end as it would. */
        }
    }
}

void run_real_left_out(struct run_ctx *ctx, const struct script_stmt *stmt, const char *reason)
{
    enum verb_id verb = verb_id_of(stmt->words.at[0].text);
    if (verb == VERB_LOAD && ctx->cfg->record) {
        ctx->cfg->record->shuffled = true; /* As the other side's is. */
    }
    if (verb == VERB_FAULT || verb == VERB_POWER) {
        run_real_skip(ctx, reason);
    }
}

void run_real_died(struct run_ctx *ctx, const struct script_stmt *stmt)
{
    const char *death = target_real_death(ctx->target);
    run_record_gone(ctx, RECORD_DIED, death ? death : "");
    if (!ctx->cfg->record) {
        run_fail(ctx, VERDICT_CRASH, "qemu", "died", (struct place){ stmt->line, stmt->col },
                 "the program has died\n%s", death ? death : "");
    }
    run_real_skip(ctx, after_death);
}

void run_real_silent(struct run_ctx *ctx, const char *what)
{
    run_record_gone(ctx, RECORD_TIMEOUT, "no answer in time");
    if (!ctx->cfg->record) {
        run_fail(ctx, VERDICT_HANG, "timeout", "answer", (struct place){ 0, 0 },
                 "'%s' has not ended after %" PRId64 " s", what,
                 REAL_REPLY_DEFAULT_NS / NS_PER_S);
    }
    target_real_kill(ctx->target);
    run_real_skip(ctx, after_death);
}

/* ---- disk, image, export ---- */

static char *file_path(const struct run_ctx *ctx, const char *name)
{
    return name[0] == '/' ? mem_strdup(name) : mem_printf("%s/%s", ctx->cfg->work_dir, name);
}

/* What only a simulated disk has. */
static bool disk_is_special(const struct run_stmt *s)
{
    static const char *const keys[] = { "sector", "physical", "capacity" };
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const char *value = stmt_key(s, keys[i]);
        if (value && strcmp(value, "512") != 0) {
            return true;
        }
    }
    return false;
}

static int disk_fill(const char *path, int64_t size, const char *text, struct error *err)
{
    enum { PIECE = 1 << 16, FILL_MAX = 256 << 20 };
    uint64_t byte;
    if (text_parse_u64(text, &byte) < 0 || byte > 255 || size > FILL_MAX) {
        return error_set(err, -EINVAL, "fill: '%s' is not a byte, or the disk is too large", text);
    }
    char *piece = mem_alloc(PIECE);
    memset(piece, (int)byte, PIECE);
    int ret = 0;
    for (int64_t at = 0; at < size && byte && ret == 0; at += PIECE) {
        ret = target_real_file_write(path, at, piece, (size_t)MIN(PIECE, size - at), err);
    }
    free(piece);
    return ret;
}

static int verb_disk(struct run_ctx *ctx, const struct run_stmt *s, struct error *err)
{
    const char *size = stmt_key(s, "size"), *from = stmt_key(s, "from");
    const char *fill = stmt_key(s, "fill"), *cache = stmt_key(s, "cache");
    int64_t bytes = 0;
    if (disk_is_special(s)) {
        run_real_skip(ctx, "disk-fault");
        return 0;
    }
    ctx->volatile_disks |= cache && strcmp(cache, "none") != 0;
    if (size && text_parse_size(size, &bytes) < 0) {
        return error_set(err, -EINVAL, "size: '%s' is not a size", size);
    }
    char *path = file_path(ctx, s->words[1]);
    int ret;
    if (from) {
        char *source = from[0] == '/' ? mem_strdup(from) : mem_printf("%s/%s", ctx->dir, from);
        ret = target_real_file_copy(source, path, err);
        free(source);
        if (ret == 0 && size) {
            ret = target_real_file_make(path, bytes, true, err);
        }
    } else {
        ret = target_real_file_make(path, bytes, false, err);
        if (ret == -EFBIG) { /* The file system has no files of that length. */
            *err = ERROR_INIT;
            run_real_skip(ctx, "disk-fault");
            ret = 0;
        }
    }
    if (ret == 0 && fill) {
        ret = disk_fill(path, bytes, fill, err);
    }
    free(path);
    return ret;
}

/* What qemu-img says when it refuses, without its own name and the file's in front. */
static void tool_error(const struct strbuf *text, const char *file, struct error *err)
{
    static const char name[] = "qemu-img: ";
    const char *at = strstr(strbuf_str(text), name);
    size_t n = strlen(file);
    at = at ? at + sizeof(name) - 1 : strbuf_str(text);
    at += strncmp(at, file, n) == 0 && strncmp(at + n, ": ", 2) == 0 ? n + 2 : 0;
    error_set(err, -EINVAL, "%.*s", (int)strcspn(at, "\n"), at);
}

static int verb_image(struct run_ctx *ctx, const struct run_stmt *s, struct error *err)
{
    struct strbuf options = { 0 }, out = { 0 };
    int64_t size;
    if (text_parse_size(s->words[3], &size) < 0) {
        return error_set(err, -EINVAL, "image: '%s' is not a size", s->words[3]);
    }
    for (int i = 4; i < s->words_len; i++) {
        strbuf_puts(&options, i > 4 ? "," : "");
        for (const char *p = s->words[i]; *p; p++) {
            strbuf_printf(&options, *p == ',' ? ",," : "%c", *p);
        }
    }
    char *bytes = mem_printf("%" PRId64, size);
    char *name = mem_printf("%s%s", strchr(s->words[2], ':') ? "./" : "", s->words[2]);
    const char *argv[] = { "create", "-q", "-u", "-f", s->words[1], "-o",
                           options.text ? options.text : "", name, bytes, NULL };
    if (!options.text) { /* No -o at all. */
        memmove(argv + 5, argv + 7, 3 * sizeof(*argv));
    }
    int ret = target_real_tool(ctx->target, "qemu-img", (char *const *)(uintptr_t)argv, &out, err);
    if (ret > 0) {
        tool_error(&out, name, err);
        ret = -EINVAL;
    }
    free(name);
    free(bytes);
    strbuf_free(&options);
    strbuf_free(&out);
    return ret;
}

static int verb_export(struct run_ctx *ctx, const struct run_stmt *s, struct error *err)
{
    char *from = file_path(ctx, s->words[1]);
    char *to = mem_printf("%s/%s", ctx->cfg->export_dir ? ctx->cfg->export_dir
                                                        : ctx->cfg->work_dir, s->words[2]);
    int ret = strcmp(from, to) == 0 ? 0 : target_real_file_copy(from, to, err);
    free(from);
    free(to);
    return ret;
}

/* ---- time and power ---- */

static int pass_time(struct run_ctx *ctx, const char *text, struct error *err)
{
    int64_t ns = 0;
    bool never = false;
    if (strcmp(text, "idle") == 0) {
        ns = 0; /* Nothing is known of what a program still has to do. */
        run_real_loads_end(ctx);
        run_real_skip(ctx, run_background_busy(ctx) ? "virtual-time" : NULL);
    } else if (text_parse_duration(text, &ns) < 0) {
        return error_set(err, -EINVAL, "'%s' is not a duration", text);
    }
    if (ns > REAL_RUN_MAX_NS) {
        run_real_skip(ctx, "virtual-time");
        return 0;
    }
    run_target(ctx, &never, run_now_ns(ctx) + ns);
    return 0;
}

static int verb_power(struct run_ctx *ctx, const struct run_stmt *s, struct error *err)
{
    bool on = strcmp(s->words[1], "on") == 0;
    if (on != ctx->restarted) {
        return error_set(err, -EINVAL, "the power is %s", on ? "on" : "off");
    }
    if (ctx->volatile_disks || ctx->loads || run_background_busy(ctx)) {
        run_real_skip(ctx, "crash"); /* What a real machine keeps is not what the model chooses. */
        return 0;
    }
    if (!on) {
        target_real_power_cut(ctx->target);
    }
    ctx->restarted = !on;
    return 0;
}

static int verb_iothread(struct run_ctx *ctx, const struct run_stmt *s, struct error *err)
{
    char option[] = "-object";
    char *value = mem_printf("iothread,id=%s", s->words[1]);
    char *argv[] = { option, value };
    int ret = target_real_machine_args(ctx->target, 2, argv, err);
    free(value);
    return ret;
}

/* ---- all ---- */

void run_real_verb(struct run_ctx *ctx, const struct run_stmt *s, struct error *err)
{
    switch (s->verb) {
    case VERB_DISK:
        verb_disk(ctx, s, err);
        break;
    case VERB_IMAGE:
        verb_image(ctx, s, err);
        break;
    case VERB_FAULT:
        run_real_skip(ctx, "disk-fault");
        break;
    case VERB_POWER:
        verb_power(ctx, s, err);
        break;
    case VERB_RUN:
        pass_time(ctx, s->words[1], err);
        break;
    case VERB_CLOCK:
        pass_time(ctx, s->words[2], err);
        break;
    case VERB_IOTHREAD:
        verb_iothread(ctx, s, err);
        break;
    case VERB_EXPORT:
        verb_export(ctx, s, err);
        break;
    case VERB_ARGS:
        target_real_args(ctx->target, s->words_len - 1, s->words + 1, err);
        break;
    default:
        run_real_skip(ctx, "crash");
    }
}

/* ---- life ---- */

static void on_late(void *opaque, const char *node, const char *text)
{
    struct run_ctx *ctx = opaque;
    char *line = mem_printf("%s: %s", node, text);
    run_record_late(ctx, text);
    run_log(ctx, "io", line);
    free(line);
}

bool run_real_open(struct run_ctx *ctx)
{
    struct error err = ERROR_INIT;
    struct target_real_config cfg = {
        .kind = ctx->cfg->target == RUN_ON_QSD ? REAL_QSD : REAL_QEMU,
        .prefix = ctx->cfg->qemu_prefix,
        .dir = ctx->cfg->work_dir,
        .script_dir = ctx->dir,
        .late = on_late,
        .opaque = ctx,
    };
    if (!ctx->cfg->work_dir) {
        run_fail(ctx, VERDICT_FAIL, "script", "target", (struct place){ 0, 0 },
                 "a real target needs a work directory");
        return false;
    }
    ctx->target = target_real_create(&cfg, &err);
    if (!ctx->target) {
        ctx->r->verdict = VERDICT_SKIP;
        result_set(&ctx->r->message, err.text);
        return false;
    }
    ctx->real = true;
    if (ctx->cfg->target == RUN_ON_QSD) {
        ctx->lack = run_qsd_lack(ctx);
        run_real_skip(ctx, ctx->lack);
    }
    if (ctx->lack && !ctx->cfg->record) {
        ctx->r->verdict = VERDICT_SKIP;
        result_set(&ctx->r->message, ctx->lack);
    }
    return true;
}

/* It ends by itself, so that its files are as it leaves them. */
static void quit(struct run_ctx *ctx)
{
    static const char request[] = "{\"execute\":\"quit\"}";
    struct target_call *call = NEW(struct target_call);
    bool never = false;
    ctx->target->ops->qmp(ctx->target, request, sizeof(request) - 1, call);
    int64_t until_ns = run_now_ns(ctx) + QUIT_MAX_MS * NS_PER_MS;
    while (!target_real_death(ctx->target) && run_now_ns(ctx) < until_ns) {
        ctx->target->ops->run(ctx->target, &never, run_now_ns(ctx) + 5 * NS_PER_MS);
    }
    if (!call->done) {
        target_real_kill(ctx->target);
        ctx->target->ops->run(ctx->target, &call->done, run_now_ns(ctx) + NS_PER_S);
    }
    ctx->target->ops->forget(ctx->target, call);
    target_call_fini(call);
    free(call);
}

void run_real_close(struct run_ctx *ctx)
{
    bool now = true;
    if (target_real_is_up(ctx->target) && !run_background_busy(ctx)) {
        quit(ctx);
    }
    target_real_kill(ctx->target); /* What is in progress ends with it. */
    ctx->target->ops->run(ctx->target, &now, run_now_ns(ctx));
    run_loads_stop(ctx);
    run_background_drop(ctx);
    run_background_free(ctx);
    ctx->target->ops->destroy(ctx->target);
    ctx->target = NULL;
    free(ctx->lack);
}
