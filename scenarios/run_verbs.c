/* SPDX-License-Identifier: MIT */
/* The world verbs: disk, image, export, iothread, power, run, clock.  What goes wrong with one is
 * an outcome like the error of a command, so an `error` expectation can be about it. */
#include "scenarios/run_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void run_storage_changed(struct run_ctx *ctx, const char *name)
{
    for (size_t i = 0; i < ctx->oracles_len; i++) {
        const struct oracle *o = &ctx->oracles[i];
        if (o->ops->storage_changed) {
            o->ops->storage_changed(o->state, name);
        }
    }
}

/* ---- disk ---- */

/* A base of one byte value without end: what `disk fill=` holds at the beginning. */
static int fill_read(void *opaque, uint64_t offset, void *dst, size_t n)
{
    (void)offset;
    memset(dst, *(const uint8_t *)opaque, n);
    return 0;
}

static int fill_base(const char *text, uint64_t size, struct disk_base *out, struct error *err)
{
    uint64_t byte;
    if (text_parse_u64(text, &byte) < 0 || byte > 255) {
        return error_set(err, -EINVAL, "fill: '%s' is not a byte", text);
    }
    *out = (struct disk_base){ .read = fill_read, .close = free, .size = size,
                               .opaque = mem_copy(&(uint8_t){ (uint8_t)byte }, 1) };
    return 0;
}

static int parse_size_key(const struct run_stmt *s, const char *key, uint64_t *out,
                          struct error *err)
{
    const char *text = stmt_key(s, key);
    int64_t bytes = 0;
    if (text && text_parse_size(text, &bytes) < 0) {
        return error_set(err, -EINVAL, "%s: '%s' is not a size", key, text);
    }
    *out = (uint64_t)bytes;
    return 0;
}

static int parse_disk(const struct run_stmt *s, struct disk_config *cfg, struct error *err)
{
    uint64_t sector, physical, atomic;
    const char *cache = stmt_key(s, "cache"), *latency = stmt_key(s, "latency");
    *cfg = DISK_CONFIG_INIT;
    if (parse_size_key(s, "size", &cfg->size, err) < 0 ||
        parse_size_key(s, "sector", &sector, err) < 0 ||
        parse_size_key(s, "physical", &physical, err) < 0 ||
        parse_size_key(s, "atomic", &atomic, err) < 0 ||
        parse_size_key(s, "capacity", &cfg->capacity, err) < 0) {
        return -EINVAL;
    }
    if (MAX(sector, MAX(physical, atomic)) > UINT32_MAX) {
        return error_set(err, -EINVAL, "a sector of that size is not possible");
    }
    cfg->logical = (uint32_t)sector;
    cfg->physical = (uint32_t)physical;
    cfg->atomic = (uint32_t)atomic;
    cfg->profile = stmt_key(s, "profile");
    if (latency && text_parse_duration(latency, &cfg->latency_ns) < 0) {
        return error_set(err, -EINVAL, "latency: '%s' is not a duration", latency);
    }
    if (cache && strcmp(cache, "volatile") == 0) {
        cfg->cache_bytes = INT64_MAX;
        return 0;
    }
    return cache && strcmp(cache, "none") == 0 ? 0
                                               : parse_size_key(s, "cache", &cfg->cache_bytes, err);
}

static int make_base(struct run_ctx *ctx, const struct run_stmt *s, struct disk_config *cfg,
                     struct disk_base *base, struct error *err)
{
    const char *from = stmt_key(s, "from");
    int ret;
    if (!from) {
        return fill_base(stmt_key(s, "fill"), cfg->size, base, err);
    }
    if (stmt_key(s, "fill")) {
        return error_set(err, -EINVAL, "disk: from= and fill= exclude each other");
    }
    char *path = from[0] == '/' ? mem_strdup(from) : mem_printf("%s/%s", ctx->dir, from);
    ret = host_posix_base(path, base, err);
    free(path);
    if (ret == 0 && cfg->size == 0) {
        cfg->size = base->size;
    }
    return ret;
}

static int verb_disk(struct run_ctx *ctx, const struct run_stmt *s, struct error *err)
{
    struct disk_config cfg;
    struct disk_base base;
    struct disk *d;
    int ret = parse_disk(s, &cfg, err);
    if (ret < 0) {
        return ret;
    }
    if (stmt_key(s, "from") || stmt_key(s, "fill")) {
        ret = make_base(ctx, s, &cfg, &base, err);
        if (ret == 0) {
            ret = disk_create_over(ctx->sim, s->words[1], &cfg, &base, &d, err);
        }
    } else {
        ret = disk_create(ctx->sim, s->words[1], &cfg, &d, err);
    }
    if (ret < 0) {
        return ret;
    }
    ret = host_sim_add_disk(target_sim_host(ctx->target), d);
    if (ret < 0) {
        disk_destroy(d);
        return error_set(err, ret, "there is already a disk or file '%s'", s->words[1]);
    }
    run_storage_changed(ctx, s->words[1]);
    return 0;
}

/* ---- image, export ---- */

struct image_work {
    struct sim *sim;
    struct host *host;
    const struct blk_driver *const *drivers;
    const char *format;
    char name[1024];
    int64_t size;
    json_t *options;
    int ret;
    struct error err;
};

static void image_run(void *opaque)
{
    struct image_work *w = opaque;
    if (strcmp(w->format, "raw") == 0) {
        w->ret = w->host->ops->create(w->host, w->name, (uint64_t)w->size);
        if (w->ret < 0) {
            error_set_errno(&w->err, w->ret, "Could not create '%s'", w->name);
        }
        return;
    }
    w->ret = layer_make_image(w->sim, w->host, w->drivers, w->format, w->name, w->size,
                              w->options, &w->err);
}

/* The key=value words behind the size. */
static json_t *image_options(const struct run_stmt *s)
{
    json_t *options = json_object();
    for (int i = 4; i < s->words_len; i++) {
        const char *eq = strchr(s->words[i], '=');
        CHECK(eq != NULL);
        json_object_setn_new(options, s->words[i], (size_t)(eq - s->words[i]),
                             json_string(eq + 1));
    }
    return options;
}

static int verb_image(struct run_ctx *ctx, const struct run_stmt *s, struct error *err)
{
    int64_t size;
    const struct layer *l = target_sim_layer(ctx->target);
    bool raw = strcmp(s->words[1], "raw") == 0;
    if (text_parse_size(s->words[3], &size) < 0) {
        return error_set(err, -EINVAL, "image: '%s' is not a size", s->words[3]);
    }
    if (raw && s->words_len > 4) {
        return error_set(err, -EINVAL, "Invalid parameter '%.*s'",
                         (int)strcspn(s->words[4], "="), s->words[4]);
    }
    if (!raw && !l) {
        return error_set(err, -EIO, "image: the power is off");
    }
    /* On the heap: a request that never ends outlives this. */
    struct image_work *w = NEW(struct image_work);
    *w = (struct image_work){ .sim = ctx->sim, .host = target_sim_host(ctx->target),
                              .drivers = l ? layer_drivers(l) : NULL,
                              .format = raw ? "raw" : "qcow2", .size = size,
                              .options = image_options(s) };
    snprintf(w->name, sizeof(w->name), "%s", s->words[2]);
    if (target_sim_in_coroutine(ctx->target, "image", image_run, w) < 0) {
        run_stuck(ctx, "image");
        return -EDEADLK;
    }
    if (w->ret < 0) {
        run_storage_changed(ctx, w->name);
        error_set(err, w->ret, "%s", w->err.text);
    } else {
        oracles_image_made(&ctx->oracle_set, w->name, w->format);
    }
    int ret = w->ret;
    json_decref(w->options);
    free(w);
    return ret;
}

static int verb_export(struct run_ctx *ctx, const struct run_stmt *s, struct error *err)
{
    const char *path = s->words[2];
    if (ctx->posix) {
        return error_set(err, -ENOTSUP, "export needs `host sim`: '%s' is a real file already",
                         s->words[1]);
    }
    struct disk *d = host_sim_disk(target_sim_host(ctx->target), s->words[1]);
    if (!d) {
        return error_set(err, -ENOENT, "there is no disk '%s'", s->words[1]);
    }
    const char *dir = ctx->cfg->export_dir ? ctx->cfg->export_dir : ctx->cfg->work_dir;
    if (!dir) {
        return error_set(err, -EINVAL, "export needs a work directory");
    }
    if (path[0] == '/' || strstr(path, "..")) {
        return error_set(err, -EINVAL, "export writes below the work directory: '%s'", path);
    }
    char *full = mem_printf("%s/%s", dir, path);
    int ret = host_posix_export(d, full, err);
    free(full);
    return ret;
}

/* ---- time and power ---- */

static int pass_time(struct run_ctx *ctx, const char *text, struct error *err)
{
    int64_t ns;
    if (text_parse_duration(text, &ns) < 0) {
        return error_set(err, -EINVAL, "'%s' is not a duration", text);
    }
    if (ns > ctx->deadline_ns - sim_now_ns(ctx->sim)) {
        run_fail(ctx, VERDICT_HANG, "timeout", "time", (struct place){ 0, 0 },
                 "the case takes more virtual time than its timeout allows");
        return -ETIME;
    }
    bool never = false;
    enum run_stop stop = run_until_limit(ctx, &never, sim_now_ns(ctx->sim) + ns, "time");
    if (stop == RUN_STUCK) {
        /* Nothing is left to happen; time passes all the same. */
        int ret = ctx->target->ops->run(ctx->target, NULL, sim_now_ns(ctx->sim) + ns);
        CHECK(ret == 0);
    }
    return stop == RUN_FAILED ? -ELOOP : 0;
}

static int run_idle(struct run_ctx *ctx)
{
    bool never = false;
    switch (run_until_limit(ctx, &never, ctx->deadline_ns, "run idle")) {
    case RUN_LIMIT:
        run_fail(ctx, VERDICT_HANG, "timeout", "time", (struct place){ 0, 0 },
                 "the world does not become idle before the timeout");
        return -ETIME;
    case RUN_FAILED:
        return -ELOOP;
    default:
        return 0;
    }
}

static int verb_clock(struct run_ctx *ctx, const struct run_stmt *s, struct error *err)
{
    if (run_background_busy(ctx)) {
        return error_set(err, -EBUSY, "clock advance: a load or a statement is in progress");
    }
    return pass_time(ctx, s->words[2], err);
}

static int verb_iothread(struct run_ctx *ctx, const struct run_stmt *s, struct error *err)
{
    return target_sim_add_iothread(ctx->target, s->words[1], err);
}

/* ---- all ---- */

static int do_verb(struct run_ctx *ctx, const struct run_stmt *s, struct error *err)
{
    switch (s->verb) {
    case VERB_DISK:
        return verb_disk(ctx, s, err);
    case VERB_IMAGE:
        return verb_image(ctx, s, err);
    case VERB_FAULT:
        return run_verb_fault(ctx, s, err);
    case VERB_POWER:
        return run_power(ctx, strcmp(s->words[1], "on") == 0, err);
    case VERB_RUN:
        return strcmp(s->words[1], "idle") == 0 ? run_idle(ctx) : pass_time(ctx, s->words[1], err);
    case VERB_CLOCK:
        return verb_clock(ctx, s, err);
    case VERB_IOTHREAD:
        return verb_iothread(ctx, s, err);
    case VERB_EXPORT:
        return verb_export(ctx, s, err);
    case VERB_ARGS:
        return run_verb_args(ctx, s, err);
    default:
        return error_set(err, -ENOTSUP, "'%s' is not available in this version", s->words[0]);
    }
}

static bool needs_sim_host(const struct run_stmt *s)
{
    const struct verb_def *def = verb_find(VERB_STATEMENT, s->words[0]);
    return def && (def->flags & VERB_SIM_HOST);
}

int run_verb(struct run_ctx *ctx, const struct run_stmt *s, struct outcome *out)
{
    struct error err = ERROR_INIT;
    if (ctx->real) {
        run_real_verb(ctx, s, &err);
    } else if (ctx->posix && needs_sim_host(s)) {
        error_set(&err, -ENOTSUP, "'%s' needs `host sim`", s->words[0]);
    } else {
        do_verb(ctx, s, &err);
    }
    if (ctx->failed) {
        return -ECANCELED;
    }
    if (err.code < 0) {
        outcome_fail(out, &err);
    }
    return 0;
}
