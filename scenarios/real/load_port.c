/* SPDX-License-Identifier: MIT */
/* Where the requests of a load on a real target go: a frontend that is there, a block device, or a
 * node, by way of a frontend of the load's own if it can have one.
 *
 * Invariant: events that the load's own frontend causes are taken out of the target's.
 */
#include "scenarios/real/load_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS INT64_C(1000000000)
enum { ANSWER_S = 10, UNPLUG_S = 2, SLICE_MS = 5 };

/* The reply to a command, new; NULL: there is none. */
static json_t *ask(struct target *t, const char *command, json_t *arguments)
{
    struct target_call *call = NEW(struct target_call);
    json_t *request = json_pack("{s:s, s:o*}", "execute", command, "arguments", arguments);
    char *text = json_dumps(request, JSON_COMPACT);
    CHECK(request && text);
    json_decref(request);
    t->ops->qmp(t, text, strlen(text), call);
    free(text);
    t->ops->run(t, &call->done, t->ops->now_ns(t) + ANSWER_S * SECOND_NS);
    if (!call->done) {
        return NULL; /* The target still has it: it is given up with what will be killed soon. */
    }
    json_t *reply = json_incref(call->reply);
    t->ops->forget(t, call);
    target_call_fini(call);
    free(call);
    return reply;
}

static int no_answer(struct error *err)
{
    return error_set(err, -EPIPE, "load: the program does not answer");
}

/* "return" of a query, new; NULL: none. */
static json_t *query(struct target *t, const char *command)
{
    json_t *reply = ask(t, command, NULL);
    json_t *value = json_incref(json_object_get(reply, "return"));
    json_decref(reply);
    return value;
}

static int64_t virtual_size(const json_t *inserted)
{
    return json_integer_value(json_object_get(json_object_get(inserted, "image"), "virtual-size"));
}

static const json_t *find_node(const json_t *nodes, const char *name)
{
    size_t i;
    const json_t *n;
    json_array_foreach(nodes, i, n) {
        const char *node = json_string_value(json_object_get(n, "node-name"));
        if (node && strcmp(node, name) == 0) {
            return n;
        }
    }
    return NULL;
}

/* "ID", "/machine/peripheral/ID" and "/machine/peripheral/ID/virtio-backend" name ID. */
static bool qdev_is(const char *qdev, const char *id)
{
    size_t n = strlen(id);
    for (const char *p = qdev; p && *p;) {
        size_t len = strcspn(p, "/");
        if (len == n && strncmp(p, id, n) == 0) {
            return true;
        }
        p += len;
        p += *p == '/';
    }
    return false;
}

static const json_t *find_block(const json_t *blocks, const char *name, bool frontend)
{
    size_t i;
    const json_t *b;
    json_array_foreach(blocks, i, b) {
        const char *device = json_string_value(json_object_get(b, "device"));
        const char *qdev = json_string_value(json_object_get(b, "qdev"));
        if (frontend ? qdev && qdev_is(qdev, name) : device && strcmp(device, name) == 0) {
            return b;
        }
    }
    return NULL;
}

/* ---- a frontend of its own ---- */

/* Whether the node, with the frontend in place, can be written. */
static bool node_is_writable(struct target *t, const char *name)
{
    json_t *nodes = query(t, "query-named-block-nodes");
    bool ro = json_is_true(json_object_get(find_node(nodes, name), "ro"));
    json_decref(nodes);
    return !ro;
}

/* Takes the event of an unplug out of those that came. */
static bool take_deleted(struct target *t, const char *id)
{
    bool found = false;
    for (size_t i = 0; i < json_array_size(t->events);) {
        const json_t *e = json_array_get(t->events, i);
        const char *event = json_string_value(json_object_get(e, "event"));
        const json_t *data = json_object_get(e, "data");
        const char *device = json_string_value(json_object_get(data, "device"));
        const char *path = json_string_value(json_object_get(data, "path"));
        bool mine = strcmp(event ? event : "", "DEVICE_DELETED") == 0 &&
                    ((device && strcmp(device, id) == 0) || (path && qdev_is(path, id)));
        if (mine) {
            json_array_remove(t->events, i);
            found = true;
        } else {
            i++;
        }
    }
    return found;
}

static void unplug(struct target *t, const char *id)
{
    bool never = false;
    json_t *reply = ask(t, "device_del", json_pack("{s:s}", "id", id));
    int64_t until_ns = t->ops->now_ns(t) + UNPLUG_S * SECOND_NS;
    bool going = json_object_get(reply, "return") != NULL;
    json_decref(reply);
    while (going && !take_deleted(t, id) && t->ops->now_ns(t) < until_ns) {
        int64_t slice_ns = t->ops->now_ns(t) + SLICE_MS * SECOND_NS / 1000;
        if (t->ops->run(t, &never, slice_ns) != -ETIME) {
            return; /* It has died. */
        }
    }
}

/* The geometry of a disk is given so that nobody looks for it on the node. */
static json_t *plug_args(const char *id, const char *node, bool disk)
{
    json_t *args = json_pack("{s:s, s:s, s:s, s:b, s:i, s:i}", "driver",
                             disk ? "scsi-hd" : "scsi-cd", "id", id, "drive", node, "share-rw",
                             1, "channel", 0, "scsi-id", 255);
    static const char *const geometry[] = { "cyls", "heads", "secs" };
    for (size_t i = 0; disk && i < ARRAY_LEN(geometry); i++) {
        json_object_set_new(args, geometry[i], json_integer(1));
    }
    return args;
}

static int add_device(struct target *t, json_t *args, struct error *err)
{
    json_t *reply = ask(t, "device_add", args);
    const char *desc =
        json_string_value(json_object_get(json_object_get(reply, "error"), "desc"));
    int ret = !reply ? no_answer(err) : !desc ? 0 : 1;
    if (desc && strstr(desc, "Permission conflict on node")) {
        ret = error_set(err, -EPERM, "%s", desc);
    }
    json_decref(reply);
    return ret;
}

/* A disk, which shares everything, and may write what can be written; what only reads is content
 * with a drive for CDs.  0; 1: it cannot have one; -errno: the node cannot be used like this. */
static int plug(struct load_port *p, const struct load_real_config *cfg, bool writes,
                struct error *err)
{
    struct target *t = cfg->target;
    char *id = mem_printf(LOAD_REAL_PREFIX "%s", cfg->tag);
    int ret = add_device(t, plug_args(id, cfg->name, true), writes ? err : NULL);
    if (ret < 0 && !writes) {
        ret = add_device(t, plug_args(id, cfg->name, false), err);
    }
    if (ret == 0 && writes && !node_is_writable(t, cfg->name)) {
        unplug(t, id);
        ret = error_set(err, -EACCES, "Block node is read-only");
    }
    if (ret == 0) {
        p->owned = true;
        free(p->name);
        p->name = id;
        return 0;
    }
    free(id);
    return ret;
}

/* ---- all ---- */

static int open_block(struct load_port *p, const json_t *block, struct error *err)
{
    const json_t *inserted = json_object_get(block, "inserted");
    if (!inserted) {
        return error_set(err, -ENOMEDIUM, "load: the backend has no medium");
    }
    if (json_is_true(json_object_get(block, "tray_open"))) {
        return error_set(err, -ENOMEDIUM, "load: the tray is open");
    }
    p->length = virtual_size(inserted);
    return 0;
}

int load_port_open(struct load_port *p, const struct load_real_config *cfg, bool writes,
                   struct error *err)
{
    struct target *t = cfg->target;
    json_t *nodes = query(t, "query-named-block-nodes");
    const json_t *node = find_node(nodes, cfg->name);
    *p = (struct load_port){ .target = t, .name = mem_strdup(cfg->name) };
    int ret = nodes ? 0 : no_answer(err);
    if (node) {
        p->length = virtual_size(node);
        ret = cfg->frontends ? plug(p, cfg, writes, err) : 1;
        ret = ret > 0 ? 0 : ret;
    } else if (nodes) {
        json_t *blocks = query(t, "query-block");
        const json_t *block = find_block(blocks, cfg->name, true);
        block = block ? block : find_block(blocks, cfg->name, false);
        ret = block ? open_block(p, block, err)
                    : error_set(err, -ENODEV, "Cannot find device='' nor node-name='%s'",
                                cfg->name);
        json_decref(blocks);
    }
    json_decref(nodes);
    return ret;
}

void load_port_close(struct load_port *p)
{
    if (p->owned) {
        unplug(p->target, p->name);
    }
    free(p->name);
    *p = (struct load_port){ 0 };
}
