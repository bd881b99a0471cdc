/* SPDX-License-Identifier: MIT */
/* The `fault` verb. */
#include "scenarios/run_private.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/pattern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint32_t run_parse_ops(const char *text)
{
    static const char *const name[DISK_OPS] = { "read",    "write", "flush",
                                                "discard", "zero",  "resize" };
    uint32_t ops = 0;
    for (const char *p = text; p && *p; p += strspn(p, ",")) {
        size_t n = strcspn(p, ",");
        for (int i = 0; i < DISK_OPS; i++) {
            ops |= strlen(name[i]) == n && strncmp(name[i], p, n) == 0 ? 1u << i : 0u;
        }
        p += n;
    }
    return text ? ops : (1u << DISK_OPS) - 1;
}

/* ---- what a fault means for the reference image ---- */

static bool changes_data(enum fault_kind kind)
{
    return kind == FAULT_BITROT || kind == FAULT_LOST || kind == FAULT_MISDIRECT ||
           kind == FAULT_LIE || kind == FAULT_RESIZE;
}

static bool has_active_rule(const struct disk *d)
{
    for (const struct fault_rule *r = disk_faults(d); r; r = r->next) {
        if (changes_data(r->kind) && (r->count == 0 || r->fired < r->count)) {
            return true;
        }
    }
    return false;
}

/* Tells when requests have failed that a format may have made by itself. */
static void tell_trouble(struct run_ctx *ctx)
{
    struct host *host = target_sim_host(ctx->target);
    uint64_t faults = 0;
    const char *name;
    for (size_t i = 0; ctx->faulty && !ctx->posix && (name = host_sim_name(host, i)) != NULL; i++) {
        faults += disk_stats(host_sim_disk(host, name)).faults;
    }
    if (faults != ctx->faults) {
        ctx->faults = faults;
        oracles_trouble(&ctx->oracle_set);
    }
}

void run_taints_tell(struct run_ctx *ctx)
{
    tell_trouble(ctx);
    for (struct run_taint *t = ctx->taints; t; t = t->next) {
        const struct disk *d = host_sim_disk(target_sim_host(ctx->target), t->disk);
        uint64_t faults = d ? disk_stats((struct disk *)(uintptr_t)d).faults : t->faults;
        if (faults != t->faults || (d && has_active_rule(d))) {
            t->faults = faults;
            run_storage_changed(ctx, t->disk);
        }
    }
}

static void taint(struct run_ctx *ctx, const char *disk)
{
    struct run_taint *t = ctx->taints;
    while (t && strcmp(t->disk, disk) != 0) {
        t = t->next;
    }
    if (!t) {
        t = NEW(struct run_taint);
        *t = (struct run_taint){ .disk = mem_strdup(disk), .next = ctx->taints };
        ctx->taints = t;
    }
    run_storage_changed(ctx, disk);
}

void run_taints_free(struct run_ctx *ctx)
{
    while (ctx->taints) {
        struct run_taint *t = ctx->taints;
        ctx->taints = t->next;
        free(t->disk);
        free(t);
    }
}

/* ---- fault ---- */

static int parse_numbers(const struct run_stmt *s, struct fault_rule *rule, struct error *err)
{
    const char *nth = stmt_key(s, "nth"), *count = stmt_key(s, "count");
    const char *chance = stmt_key(s, "chance"), *delay = stmt_key(s, "delay");
    const char *target = stmt_key(s, "target"), *bytes = stmt_key(s, "bytes");
    uint64_t per_mille = 0;
    int64_t size = 0;
    int ret = nth ? text_parse_u64(nth, &rule->nth) : 0;
    rule->count = 1;
    if (ret == 0 && count) {
        rule->count = 0;
        ret = strcmp(count, "forever") == 0 ? 0 : text_parse_u64(count, &rule->count);
    }
    if (ret == 0 && chance) {
        ret = text_parse_u64(chance, &per_mille);
        rule->per_mille = (uint32_t)per_mille;
        if (per_mille == 0) {
            rule->nth = UINT64_MAX; /* Never, where 0 means always. */
        }
    }
    if (ret == 0 && delay) {
        ret = text_parse_duration(delay, &rule->delay_ns);
    }
    if (ret == 0 && (target || bytes)) {
        ret = text_parse_size(target ? target : bytes, &size);
        rule->arg = (uint64_t)size + (target != NULL);
    }
    return ret < 0 ? error_set(err, ret, "fault: a number is not valid") : 0;
}

static int parse_rule(const struct run_stmt *s, struct fault_rule *rule, struct error *err)
{
    const char *name = stmt_key(s, "name"), *at = stmt_key(s, "at"), *op = stmt_key(s, "op");
    const char *errnum = stmt_key(s, "errno");
    int kind = fault_kind_parse(s->words[2]);
    if (kind < 0) {
        return error_set(err, -EINVAL, "'%s' is not a kind of fault", s->words[2]);
    }
    *rule = (struct fault_rule){ .kind = (enum fault_kind)kind };
    if (name && strlen(name) >= sizeof(rule->name)) {
        return error_set(err, -EINVAL, "the name of a rule has at most %zu bytes",
                         sizeof(rule->name) - 1);
    }
    memcpy(rule->name, name ? name : "", name ? strlen(name) + 1 : 1);
    rule->ops = op ? run_parse_ops(op) : 0;
    rule->errnum = errnum ? error_errno_parse(errnum) : 0;
    if (at) {
        struct range range;
        int ret = range_parse(at, &range, err);
        if (ret < 0) {
            return ret;
        }
        rule->offset = range.offset;
        rule->bytes = range.bytes;
    }
    return parse_numbers(s, rule, err);
}

int run_verb_fault(struct run_ctx *ctx, const struct run_stmt *s, struct error *err)
{
    CHECK(s->words_len >= 3);
    struct disk *d = host_sim_disk(target_sim_host(ctx->target), s->words[1]);
    const char *what = s->words[2];
    struct fault_rule rule;
    if (!d) {
        return error_set(err, -ENOENT, "there is no disk '%s'", s->words[1]);
    }
    if (strcmp(what, "clear") == 0 || strcmp(what, "release") == 0) {
        const char *name = s->words_len > 3 ? s->words[3] : NULL;
        if (disk_fault_clear(d, name) == 0 && name) {
            return error_set(err, -ENOENT, "disk '%s' has no rule '%s'", s->words[1], name);
        }
        return 0;
    }
    int ret = parse_rule(s, &rule, err);
    ctx->faulty = true;
    if (ret == 0) {
        ret = disk_fault_add(d, &rule, err);
    }
    if (ret == 0 && changes_data(rule.kind)) {
        taint(ctx, s->words[1]);
    }
    return ret;
}
