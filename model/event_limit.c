/* SPDX-License-Identifier: MIT */
/* Events that may come in floods are told once a second (QEMU docs/interop/qmp-spec.txt, section
 * 2.5: some events are rate-limited; qapi/block-core.json says which).
 *
 *   first one       -> told, and a second begins
 *   within a second -> kept; a later one takes its place
 *   second is over  -> what was kept is told, with the time when it happened, and another second
 *                      begins; nothing was kept: the limit is forgotten
 *
 * Events of a kind that differ in their key member do not hold each other up.
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/layer_state.h"

#include <stdlib.h>
#include <string.h>

#define LIMIT_NS NS_PER_S

static const struct {
    const char *name, *key; /* key NULL: all are one. */
} limited[] = {
    { "QUORUM_FAILURE", NULL },
    { "QUORUM_REPORT_BAD", "node-name" },
};

struct event_limit {
    struct event_limit *next;
    struct layer *layer;
    const char *name; /* Of the table. */
    char *key;        /* "": none. */
    char *text;       /* Of the one that is kept; NULL: nothing came in this second. */
    struct event kept;
    struct timer timer;
};

static void limit_free(struct event_limit *e)
{
    struct event_limit **at = &e->layer->event_limits;
    while (*at != e) {
        at = &(*at)->next;
    }
    *at = e->next;
    timer_cancel(&e->layer->sim->clock, &e->timer);
    free(e->text);
    free(e->key);
    free(e);
}

static void limit_start(struct event_limit *e)
{
    struct clock *c = &e->layer->sim->clock;
    timer_set(c, &e->timer, c->now_ns + LIMIT_NS);
}

static void second_is_over(void *opaque)
{
    struct event_limit *e = opaque;
    const struct event kept = e->kept; /* Another may be kept while this one is told. */
    char *text = e->text;
    if (!text) {
        limit_free(e);
        return;
    }
    e->text = NULL;
    limit_start(e);
    layer_deliver(e->layer, &kept);
    free(text);
}

static struct event_limit *limit_find(const struct layer *l, const char *name, const char *key)
{
    struct event_limit *e = l->event_limits;
    while (e && (strcmp(e->name, name) != 0 || strcmp(e->key, key) != 0)) {
        e = e->next;
    }
    return e;
}

static void limit_new(struct layer *l, const char *name, const char *key)
{
    struct event_limit *e = NEW(struct event_limit);
    e->layer = l;
    e->name = name;
    e->key = mem_strdup(key);
    timer_init(&e->timer, second_is_over, e);
    e->next = l->event_limits;
    l->event_limits = e;
    limit_start(e);
}

static void limit_keep(struct event_limit *e, const struct event *event)
{
    free(e->text);
    e->text = mem_strndup(event->text, event->len);
    e->kept = *event;
    e->kept.name = e->name;
    e->kept.text = e->text;
}

bool event_limit_hold(struct layer *l, const struct event *event, const json_t *data)
{
    for (size_t i = 0; i < ARRAY_LEN(limited); i++) {
        if (strcmp(limited[i].name, event->name) != 0) {
            continue;
        }
        const char *key = limited[i].key
                              ? json_string_value(json_object_get(data, limited[i].key))
                              : "";
        CHECK(key != NULL);
        struct event_limit *e = limit_find(l, event->name, key);
        if (e) {
            limit_keep(e, event);
            return true;
        }
        limit_new(l, limited[i].name, key);
    }
    return false;
}

void event_limit_fini(struct layer *l)
{
    while (l->event_limits) {
        limit_free(l->event_limits);
    }
}
