/* SPDX-License-Identifier: MIT */
/* Fault rules: names, checks and matching.  What a rule does is in disk_fault.c. */
#include "sim/fault.h"

#include "base/check.h"
#include "base/mem.h"
#include "sim/disk.h"

#include <errno.h>
#include <string.h>

enum {
    R = 1 << DISK_READ,
    W = 1 << DISK_WRITE,
    F = 1 << DISK_FLUSH,
    D = 1 << DISK_DISCARD,
    Z = 1 << DISK_ZERO,
    ALL = (1 << DISK_OPS) - 1,
};

static const struct {
    const char *name;
    uint32_t ops, natural;
} kinds[FAULT_KINDS] = {
    [FAULT_ERROR] = { "error", ALL, ALL },
    [FAULT_LATENT] = { "latent", R | W, 0 },
    [FAULT_BITROT] = { "bitrot", R | W, 0 },
    [FAULT_TORN] = { "torn", W | Z, W | Z },
    [FAULT_LOST] = { "lost", W | Z | D, W | Z | D },
    [FAULT_MISDIRECT] = { "misdirect", R | W, R | W },
    [FAULT_SHORT] = { "short", R | W, R | W },
    [FAULT_DELAY] = { "delay", ALL, ALL },
    [FAULT_HANG] = { "hang", ALL, ALL },
    [FAULT_LIE] = { "lie", F | W | Z, F },
    [FAULT_REMOVE] = { "remove", ALL, ALL },
    [FAULT_RESIZE] = { "resize", ALL, ALL },
};

const char *fault_kind_name(enum fault_kind kind)
{
    CHECK((unsigned)kind < FAULT_KINDS);
    return kinds[kind].name;
}

int fault_kind_parse(const char *name)
{
    for (int i = 0; i < FAULT_KINDS; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return i;
        }
    }
    return -ENOENT;
}

uint32_t fault_kind_ops(enum fault_kind kind)
{
    CHECK((unsigned)kind < FAULT_KINDS);
    return kinds[kind].ops;
}

uint32_t fault_kind_natural_ops(enum fault_kind kind)
{
    CHECK((unsigned)kind < FAULT_KINDS);
    return kinds[kind].natural;
}

int fault_rule_check(struct fault_rule *rule, struct error *err)
{
    if ((unsigned)rule->kind >= FAULT_KINDS) {
        return error_set(err, -EINVAL, "Unknown kind of fault");
    }
    const char *name = kinds[rule->kind].name;
    if (rule->ops & ~kinds[rule->kind].ops) {
        return error_set(err, -EINVAL, "Fault '%s' does not apply to all of the operations named",
                         name);
    }
    if (rule->per_mille > 1000) {
        return error_set(err, -EINVAL, "The probability of a fault is 0 to 1000 per mille");
    }
    if (rule->errnum < 0 || rule->errnum > 133) {
        return error_set(err, -EINVAL, "The errno of a fault is a number from 1 to 133");
    }
    if (rule->offset > INT64_MAX || rule->bytes > INT64_MAX - rule->offset) {
        return error_set(err, -EINVAL, "The range of fault '%s' ends beyond 2^63-1", name);
    }
    if (rule->delay_ns < 0 || (rule->kind == FAULT_DELAY && rule->delay_ns == 0)) {
        return error_set(err, -EINVAL, "Fault '%s' needs a positive delay", name);
    }
    if (rule->arg > INT64_MAX && (rule->kind != FAULT_MISDIRECT || rule->arg - 1 > INT64_MAX)) {
        return error_set(err, -EINVAL, "The argument of fault '%s' is beyond 2^63-1", name);
    }
    if (memchr(rule->name, 0, sizeof(rule->name)) == NULL) {
        return error_set(err, -EINVAL, "The name of a fault has at most %zu characters",
                         sizeof(rule->name) - 1);
    }
    rule->ops = rule->ops ? rule->ops : kinds[rule->kind].natural;
    rule->nth = rule->nth ? rule->nth : 1;
    return 0;
}

static bool touches(const struct fault_rule *r, uint64_t offset, uint64_t bytes)
{
    if (r->bytes == 0 || bytes == 0) {
        return true;
    }
    return offset < r->offset + r->bytes && r->offset < offset + bytes;
}

/* Values 1 to per_mille of 1000 are "yes"; when all values are tried one by one there are two. */
static bool has_bad_luck(struct fault_rule *r, struct choice *c)
{
    if (r->per_mille == 0 || r->per_mille == 1000) {
        return true;
    }
    uint32_t value = choice_pick(c, &r->chance, c->policy == CHOICE_ENUMERATE ? 2 : 1000);
    return value >= 1 && value <= r->per_mille;
}

struct fault_rule *fault_match(struct fault_rule *list, struct choice *c, uint32_t op,
                               uint64_t offset, uint64_t bytes)
{
    CHECK(op < DISK_OPS);
    for (struct fault_rule *r = list; r; r = r->next) {
        if (!(r->ops & 1u << op) || !touches(r, offset, bytes)) {
            continue;
        }
        r->matched++;
        if (r->matched < r->nth || (r->count && r->fired >= r->count) || !has_bad_luck(r, c)) {
            continue;
        }
        r->fired++;
        return r;
    }
    return NULL;
}
