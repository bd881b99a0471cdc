/* SPDX-License-Identifier: MIT */
/* What fault rules do to a disk: adding, clearing, acting.  Matching is in fault.c; the effects
 * that need the request's data (torn, short, lost, lie, error) are in disk.c. */
#include "sim/disk_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- sectors that cannot be read --- */

static void latent_put(struct disk *d, struct disk_latent l)
{
    if (l.start >= l.end) {
        return;
    }
    if (d->latent_len == d->latent_cap) {
        d->latent_cap = d->latent_cap ? d->latent_cap * 2 : 8;
        d->latent = mem_resize(d->latent, d->latent_cap * sizeof(*d->latent));
    }
    d->latent[d->latent_len++] = l;
}

static void latent_add(struct disk *d, uint64_t start, uint64_t end, uint32_t rule, int errnum)
{
    uint64_t sector = d->cfg.logical;
    start -= start % sector;
    end = end > INT64_MAX - sector ? end : (end + sector - 1) / sector * sector;
    latent_put(d, (struct disk_latent){ start, end, rule, errnum ? errnum : EIO });
}

int disk_latent_errno(struct disk *d, uint64_t offset, uint64_t bytes)
{
    for (size_t i = 0; i < d->latent_len; i++) {
        const struct disk_latent *l = &d->latent[i];
        if (offset < l->end && l->start < offset + bytes) {
            return l->errnum;
        }
    }
    return 0;
}

void disk_latent_heal(struct disk *d, uint64_t offset, uint64_t bytes)
{
    uint64_t sector = d->cfg.logical;
    uint64_t start = (offset + sector - 1) / sector * sector;
    uint64_t end = (offset + bytes) / sector * sector;
    size_t n = d->latent_len;
    for (size_t i = 0; i < n;) {
        struct disk_latent l = d->latent[i];
        if (start >= l.end || l.start >= end) {
            i++;
            continue;
        }
        /* Out it goes; what sticks out on either side comes back at the end. */
        memmove(&d->latent[i], &d->latent[i + 1], (d->latent_len - i - 1) * sizeof(l));
        d->latent_len--;
        n--;
        latent_put(d, (struct disk_latent){ l.start, start, l.rule, l.errnum });
        latent_put(d, (struct disk_latent){ end, l.end, l.rule, l.errnum });
    }
}

static void latent_clear(struct disk *d, uint32_t rule)
{
    size_t to = 0;
    for (size_t i = 0; i < d->latent_len; i++) {
        if (d->latent[i].rule != rule) {
            d->latent[to++] = d->latent[i];
        }
    }
    d->latent_len = to;
}

/* --- damage to stored data --- */

enum { ROT_PAGES_MAX = 1 << 20 };

/* The page of [start, end) that rots: one that holds something, if there is any. */
static uint64_t rot_page(struct disk *d, uint64_t start, uint64_t end)
{
    struct choice *c = &d->sim->choice;
    uint64_t first = start / DISK_PAGE, last = (end - 1) / DISK_PAGE + 1, pages = 0;
    for (uint64_t n = store_next(&d->store, first, last); n < last && pages < ROT_PAGES_MAX;
         n = store_next(&d->store, n + 1, last)) {
        pages++;
    }
    if (pages == 0) {
        uint64_t choices = MIN(last - first, (uint64_t)UINT32_MAX);
        return first + choice_pick(c, &d->damage, (uint32_t)choices);
    }
    uint64_t pick = choice_pick(c, &d->damage, (uint32_t)pages);
    uint64_t n = store_next(&d->store, first, last);
    while (pick--) {
        n = store_next(&d->store, n + 1, last);
    }
    return n;
}

/* Flips one bit of [start, end), which is not empty and lies within the disk. */
static void rot(struct disk *d, uint64_t start, uint64_t end)
{
    uint64_t n = rot_page(d, start, end);
    start = MAX(start, n * DISK_PAGE);
    end = MIN(end, (n + 1) * DISK_PAGE);
    uint32_t bit = choice_pick(&d->sim->choice, &d->damage, (uint32_t)(end - start) * 8);
    sim_trace(d->sim, TRACE_CHOICE, CHOICE_DAMAGE, d->actor, (int64_t)(start + bit / 8), bit % 8);
    /* A base that cannot be read has nothing that could rot. */
    (void)disk_data_flip(d, start + bit / 8, bit % 8);
}

void disk_fault_damage(struct disk *d, const struct disk_req *r)
{
    uint64_t start = MAX(r->place, r->fault_offset);
    uint64_t end = MIN(MIN(r->place + r->bytes, r->fault_end), d->size);
    if (start >= end) {
        return;
    }
    if (r->fault == FAULT_BITROT) {
        rot(d, start, end);
    } else if (r->fault == FAULT_LATENT) {
        latent_add(d, start, end, r->rule, r->errnum);
    }
}

/* --- rules --- */

static uint64_t rule_end(const struct fault_rule *r)
{
    return r->bytes ? r->offset + r->bytes : INT64_MAX;
}

static void note_fired(struct disk *d, const struct fault_rule *r, uint64_t offset)
{
    d->stats.faults++;
    sim_trace(d->sim, TRACE_FAULT, (uint16_t)r->kind, d->actor, (int64_t)offset, r->number);
}

/* Rules without operations act once, here. */
static int act_at_once(struct disk *d, struct fault_rule *r, struct error *err)
{
    uint64_t end = MIN(rule_end(r), d->size);
    if (r->offset >= end) {
        return error_set(err, -EINVAL, "Fault '%s' has no range within disk '%s'",
                         fault_kind_name(r->kind), d->name);
    }
    if (r->kind == FAULT_LATENT) {
        latent_add(d, r->offset, end, r->number, r->errnum);
        note_fired(d, r, r->offset);
        r->fired++;
        return 0;
    }
    CHECK(r->kind == FAULT_BITROT);
    for (uint64_t i = 0; i < MAX(r->count, (uint64_t)1) && i < ROT_PAGES_MAX; i++) {
        rot(d, r->offset, end);
        note_fired(d, r, r->offset);
        r->fired++;
    }
    return 0;
}

int disk_fault_add(struct disk *d, const struct fault_rule *rule, struct error *err)
{
    struct fault_rule *r = mem_copy(rule, sizeof(*rule));
    r->next = NULL;
    r->matched = r->fired = 0;
    r->number = d->rule_numbers + 1;
    int ret = fault_rule_check(r, err);
    if (ret == 0 && r->ops == 0) {
        ret = act_at_once(d, r, err);
    }
    if (ret < 0) {
        free(r);
        return ret;
    }
    d->rule_numbers++;
    /* A stream of its own for each rule; numbers given out by sim_actor stay below. */
    choice_point_init(&r->chance, d->actor | r->number << 20, CHOICE_FAULT);
    struct fault_rule **at = &d->rules;
    while (*at) {
        at = &(*at)->next;
    }
    *at = r;
    return 0;
}

static void forget_rule(struct disk *d, uint32_t rule)
{
    latent_clear(d, rule);
    if (d->gone_rule == rule) {
        d->gone = 0;
        d->gone_rule = 0;
    }
    for (struct disk_req *q = d->flight_head; q; q = q->next) {
        if (q->hanging && q->rule == rule) {
            q->hanging = false;
            disk_req_wake(q);
        }
    }
}

int disk_fault_clear(struct disk *d, const char *name)
{
    int cleared = 0;
    for (struct fault_rule **at = &d->rules; *at;) {
        struct fault_rule *r = *at;
        if (name && strcmp(r->name, name) != 0) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        forget_rule(d, r->number);
        free(r);
        cleared++;
    }
    return cleared;
}

const struct fault_rule *disk_faults(const struct disk *d)
{
    return d->rules;
}

/* --- a request begins --- */

/* Another place for the request, aligned to the logical sector; its own when there is no other. */
static uint64_t stray_place(struct disk *d, const struct disk_req *r)
{
    uint64_t sector = d->cfg.logical;
    if (r->bytes > d->size) {
        return r->offset;
    }
    uint64_t last = (d->size - r->bytes) / sector; /* Places are 0 to last. */
    if (r->arg) {
        return MIN((r->arg - 1) / sector, last) * sector;
    }
    if (last == 0) {
        return r->offset;
    }
    uint64_t own = MIN(r->offset / sector, last);
    uint64_t pick = choice_pick(&d->sim->choice, &d->damage,
                                (uint32_t)MIN(last, (uint64_t)UINT32_MAX));
    uint64_t place = (pick + (pick >= own)) * sector;
    sim_trace(d->sim, TRACE_CHOICE, CHOICE_DAMAGE, d->actor, (int64_t)r->offset, (int64_t)place);
    return place;
}

int disk_fault_begin(struct disk *d, struct disk_req *r)
{
    struct fault_rule *rule = fault_match(d->rules, &d->sim->choice, r->op, r->offset, r->bytes);
    if (!rule) {
        return 0;
    }
    note_fired(d, rule, r->offset);
    r->fault = rule->kind;
    r->rule = rule->number;
    r->errnum = rule->errnum;
    r->arg = rule->arg;
    r->delay_ns = rule->delay_ns;
    r->fault_offset = rule->offset;
    r->fault_end = rule_end(rule);
    switch (rule->kind) {
    case FAULT_REMOVE:
        d->gone = rule->errnum ? rule->errnum : ENODEV;
        d->gone_rule = rule->number;
        return -d->gone;
    case FAULT_RESIZE:
        return disk_data_resize(d, rule->arg, DISK_DATA_DURABLE);
    case FAULT_MISDIRECT:
        r->place = stray_place(d, r);
        return 0;
    case FAULT_HANG:
        r->hanging = true;
        return 0;
    default:
        return 0;
    }
}
