/* SPDX-License-Identifier: MIT */
#include "model/layer.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/device.h"
#include "model/drive.h"
#include "model/job/buffer.h"
#include "model/job/job.h"
#include "model/layer_state.h"
#include "model/machine.h"
#include "model/object.h"
#include "model/watch.h"
#include "sim/host_fd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct layer *layer_create(struct sim *s, struct host *h, const struct blk_driver *const *drivers)
{
    struct layer *l = NEW(struct layer);
    l->sim = s;
    l->host = h;
    l->drivers = drivers;
    qmp_index_fill(&l->commands);
    l->machine = machine_create(l);
    return l;
}

/* A node that only the monitor keeps, or NULL. */
static struct node *find_root(const struct layer *l)
{
    for (struct node *n = l->nodes_tail; n; n = n->prev) {
        if (n->monitor_owned && !n->parents) {
            return n;
        }
    }
    return NULL;
}

void layer_destroy(struct layer *l)
{
    machine_off(l);
    job_cancel_all(l);
    device_destroy_all(l);
    export_del_all(l);
    while (l->backends) {
        backend_destroy(l->backends);
    }
    struct node *n;
    while ((n = find_root(l))) {
        n->monitor_owned = false;
        node_unref(n);
    }
    CHECK(l->nodes == NULL && l->session == NULL);
    job_buffers_free(l);
    layer_names_fini(l);
    event_limit_fini(l);
    object_destroy_all(l);
    CHECK(l->throttle_groups == NULL);
    machine_destroy(l->machine);
    drive_forget_all(l);
    if (l->host) {
        host_fds_reset(l->host);
    }
    free(l);
}

void layer_release_guests(struct layer *l)
{
    machine_off(l);
    job_cancel_waiting(l);
}

void layer_on_event(struct layer *l, void (*fn)(void *opaque, const json_t *event), void *opaque)
{
    l->event = fn;
    l->event_opaque = opaque;
}

void layer_set_hooks(struct layer *l, const struct layer_hooks *hooks)
{
    l->hooks = *hooks;
}

void layer_deliver(struct layer *l, const json_t *event)
{
    const json_t *data = json_object_get(event, "data");
    const char *name = json_string_value(json_object_get(event, "event"));
    struct strbuf text = { 0 };
    CHECK(name != NULL);
    strbuf_puts(&text, name);
    strbuf_putc(&text, ' ');
    qmp_write(&text, data ? data : event);
    trace_emit_text(&l->sim->trace, sim_now_ns(l->sim), TRACE_EVENT, 0, text.text, text.len);
    strbuf_free(&text);
    watch_event(l, name, data);
    if (l->event) {
        l->event(l->event_opaque, event);
    }
}

void layer_emit(struct layer *l, const char *name, json_t *data)
{
    int64_t us = sim_now_ns(l->sim) / NS_PER_US;
    json_t *event = json_object(), *time = json_object(); /* Jobs tell a lot: not json_pack. */
    json_object_set_new_nocheck(time, "seconds", json_integer(us / 1000000));
    json_object_set_new_nocheck(time, "microseconds", json_integer(us % 1000000));
    json_object_set_new_nocheck(event, "timestamp", time);
    json_object_set_new_nocheck(event, "event", json_string_nocheck(name));
    if (data) {
        json_object_set_new_nocheck(event, "data", data);
    }
    if (!event_limit_hold(l, event)) {
        layer_deliver(l, event);
    }
    json_decref(event);
}

struct node *layer_find_node(const struct layer *l, const char *name)
{
    struct node *n = layer_names_find(l, name);
    return n && node_is_usable(n) ? n : NULL;
}

struct node *layer_lookup(const struct layer *l, const char *device, const char *node_name,
                          struct error *err)
{
    struct backend *b = device ? layer_find_backend(l, device) : NULL;
    if (b && !backend_node(b)) {
        error_set(err, -ENOMEDIUM, "Device '%s' has no medium", device);
        return NULL;
    }
    struct node *n = b ? backend_node(b) : node_name ? layer_find_node(l, node_name) : NULL;
    if (!n) {
        error_set(err, -ENODEV, "Cannot find device='%s' nor node-name='%s'",
                        device ? device : "", node_name ? node_name : "");
    }
    return n;
}

bool layer_name_taken(const struct layer *l, const char *name)
{
    return layer_names_find(l, name) != NULL;
}

const char *layer_node_name(const struct node *n)
{
    return n->name;
}

const char *node_device_or_name(const struct node *n)
{
    for (struct backend *b = n->layer->backends; b; b = backend_next(b)) {
        if (backend_node(b) == n && *backend_name(b)) {
            return backend_name(b);
        }
    }
    return n->name;
}

struct backend *layer_find_backend(const struct layer *l, const char *name)
{
    for (struct backend *b = l->backends; b; b = backend_next(b)) {
        if (*name && strcmp(backend_name(b), name) == 0) {
            return b;
        }
    }
    return NULL;
}

const struct blk_driver *layer_driver(const struct layer *l, const char *name)
{
    for (size_t i = 0; l->drivers[i]; i++) {
        if (strcmp(l->drivers[i]->name, name) == 0) {
            return l->drivers[i];
        }
    }
    return NULL;
}

const struct blk_driver *const *layer_drivers(const struct layer *l)
{
    return l->drivers;
}

struct sim *layer_sim(const struct layer *l)
{
    return l->sim;
}
