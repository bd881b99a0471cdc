/* SPDX-License-Identifier: MIT */
#include "oracles/oracle.h"

#include "base/check.h"
#include "base/mem.h"
#include "oracles/snapshot.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FAIL_TEXT_MAX = 8192 };

void oracle_fail(struct oracle *o, const char *site, const char *fmt, ...)
{
    char text[FAIL_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    CHECK(n >= 0);
    CHECK(o->fail != NULL);
    o->fail(o->opaque, o, site, text);
}

void oracles_quiesce(struct oracle_set *set, const struct layer *l)
{
    if (!set->snapshot) {
        set->snapshot = NEW(struct snapshot);
    }
    snapshot_take(set->snapshot, l);
    for (size_t i = 0; i < set->len; i++) {
        const struct oracle *o = &set->at[i];
        if (o->ops->quiesce) {
            o->ops->quiesce(o->state, l);
        }
        if (o->ops->look) {
            o->ops->look(o->state, set->snapshot);
        }
    }
}

static void tell_drain(void *opaque, const struct drain_note *note)
{
    const struct oracle_set *set = opaque;
    for (size_t i = 0; i < set->len; i++) {
        const struct oracle *o = &set->at[i];
        if (o->ops->drain) {
            o->ops->drain(o->state, note);
        }
    }
}

static void tell_edge_changes(void *opaque, const struct child *c, const struct node *to)
{
    const struct oracle_set *set = opaque;
    for (size_t i = 0; i < set->len; i++) {
        const struct oracle *o = &set->at[i];
        if (o->ops->edge_changes) {
            o->ops->edge_changes(o->state, c, to);
        }
    }
}

static void tell_image_made(void *opaque, const char *filename, const char *format)
{
    oracles_image_made(opaque, filename, format);
}

void oracles_image_made(struct oracle_set *set, const char *filename, const char *format)
{
    for (size_t i = 0; i < set->len; i++) {
        const struct oracle *o = &set->at[i];
        if (o->ops->image_made) {
            o->ops->image_made(o->state, filename, format);
        }
    }
}

void oracles_trouble(struct oracle_set *set)
{
    for (size_t i = 0; i < set->len; i++) {
        const struct oracle *o = &set->at[i];
        if (o->ops->trouble) {
            o->ops->trouble(o->state);
        }
    }
}

static void tell_job_moves(void *opaque, const struct job_view *v, enum view_job_status from)
{
    const struct oracle_set *set = opaque;
    for (size_t i = 0; i < set->len; i++) {
        const struct oracle *o = &set->at[i];
        if (o->ops->job_moves) {
            o->ops->job_moves(o->state, v, from);
        }
    }
}

static void tell_job_event(void *opaque, const struct job_event *e)
{
    const struct oracle_set *set = opaque;
    for (size_t i = 0; i < set->len; i++) {
        const struct oracle *o = &set->at[i];
        if (o->ops->job_event) {
            o->ops->job_event(o->state, e);
        }
    }
}

static void tell_job_note(void *opaque, const struct job_note *note)
{
    const struct oracle_set *set = opaque;
    for (size_t i = 0; i < set->len; i++) {
        const struct oracle *o = &set->at[i];
        if (o->ops->job_note) {
            o->ops->job_note(o->state, note);
        }
    }
}

void oracles_watch(struct oracle_set *set, struct layer *l)
{
    inspect_watch(l, &(struct graph_watch){ .drain = tell_drain,
                                            .edge_changes = tell_edge_changes,
                                            .image_made = tell_image_made,
                                            .job_moves = tell_job_moves,
                                            .job_event = tell_job_event,
                                            .job_note = tell_job_note,
                                            .opaque = set });
}

void oracles_free(struct oracle_set *set)
{
    if (set->snapshot) {
        snapshot_free(set->snapshot);
        free(set->snapshot);
        set->snapshot = NULL;
    }
}
