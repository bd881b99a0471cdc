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
#include "model/proposal.h"
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
    proposal_fini(l);
    event_limit_fini(l);
    object_destroy_all(l);
    CHECK(l->throttle_groups == NULL);
    machine_destroy(l->machine);
    drive_forget_all(l);
    strbuf_free(&l->event_text);
    strbuf_free(&l->event_trace);
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

void layer_set_hooks(struct layer *l, const struct layer_hooks *hooks)
{
    l->hooks = *hooks;
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
