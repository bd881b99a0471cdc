/* SPDX-License-Identifier: MIT */
/* The life of a frontend.
 *
 *   device_add, device_plug: type, bus, id -> properties -> place on the bus -> its drive: a named
 *       backend, or a backend of its own on a node -> permissions, policies, iothread -> in the
 *       list
 *   device_unplug -> (PCI: the guest answers) -> gone: requests that wait fail, the backend goes
 *
 * Invariants:
 *   1. A device in the list has its id, its place on the bus, and its backend (but for controllers)
 *      to itself.
 *   2. One that is gone is in no list, has no place, and makes no request.
 */
#include "model/device.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/blocker.h"
#include "model/device_private.h"
#include "model/machine.h"
#include "model/object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- As the client of its backend ---- */

static const char *client_id(const void *opaque)
{
    const struct device *d = opaque;
    return d->block_id;
}

static bool client_tray_is_open(const void *opaque)
{
    const struct device *d = opaque;
    return d->tray_open;
}

static const struct backend_client device_client = { .id = client_id,
                                                     .tray_is_open = client_tray_is_open };

bool device_view_of(const struct backend *b, struct device_view *out)
{
    const struct device *d = backend_client_of(b, &device_client);
    if (!d) {
        return false;
    }
    *out = (struct device_view){ .id = d->block_id, .removable = d->removable,
                                 .tray_open = d->tray_open };
    return true;
}

void device_move_tray(struct backend *b, bool open)
{
    struct device *d = backend_client_of(b, &device_client);
    CHECK(d && d->removable);
    if (d->tray_open == open) {
        return;
    }
    d->tray_open = open;
    layer_emit(d->layer, "DEVICE_TRAY_MOVED",
               json_pack("{s:s, s:s, s:b}", "device", backend_name(b), "id", d->block_id,
                         "tray-open", open));
}

bool device_uses_iothread(const struct layer *l, uint32_t iothread)
{
    const struct device *d = l->devices;
    while (d && d->iothread != iothread) {
        d = d->next;
    }
    return d != NULL;
}

void device_close_trays(struct layer *l)
{
    for (struct device *d = l->devices; d; d = d->next) {
        d->tray_open = false;
    }
}

/* ---- Memory and lists ---- */

struct device *device_ref(struct device *d)
{
    CHECK(d->refs > 0);
    d->refs++;
    return d;
}

void device_unref(struct device *d)
{
    CHECK(d->refs > 0);
    if (--d->refs > 0) {
        return;
    }
    if (d->backend) {
        backend_unref(d->backend);
    }
    free(d->id);
    free(d->path);
    free(d->block_id);
    free(d->bus_name);
    free(d);
}

struct backend *device_backend(const struct device *d)
{
    return d->gone ? NULL : d->backend;
}

struct backend *device_backend_of_id(const struct device *d, const char *id)
{
    bool outer = d->type->has_inner && strcmp(id, d->block_id) != 0;
    return outer ? NULL : device_backend(d);
}

static void link_device(struct device *d)
{
    struct layer *l = d->layer;
    d->prev = l->devices_tail;
    *(l->devices_tail ? &l->devices_tail->next : &l->devices) = d;
    l->devices_tail = d;
}

static void unlink_device(struct device *d)
{
    struct layer *l = d->layer;
    *(d->prev ? &d->prev->next : &l->devices) = d->next;
    *(d->next ? &d->next->prev : &l->devices_tail) = d->prev;
    d->prev = d->next = NULL;
}

struct device *device_find(const struct layer *l, const char *id)
{
    for (struct device *d = l->devices; d; d = d->next) {
        if ((d->id && strcmp(d->id, id) == 0) || strcmp(d->path, id) == 0 ||
            strcmp(d->block_id, id) == 0) {
            return d;
        }
    }
    return NULL;
}

static struct device *device_new(struct layer *l, const struct device_type *t, const char *id)
{
    struct device *d = NEW(struct device);
    d->layer = l;
    d->type = t;
    d->refs = 1;
    d->id = id ? mem_strdup(id) : NULL;
    d->path = id ? mem_printf("/machine/peripheral/%s", id)
                 : mem_printf("/machine/peripheral-anon/device[%u]", l->anonymous_devices++);
    d->block_id = t->has_inner ? mem_printf("%s/virtio-backend", d->path)
                               : mem_strdup(id ? id : d->path);
    return d;
}

/* ---- Its drive ---- */

/* The backend begins where its node is (NULL: none). */
static void follow_node(struct backend *b, const struct node *n)
{
    if (n) {
        int ret = backend_set_iothread(b, n->iothread, NULL);
        CHECK(ret == 0);
    }
}

/* [io] Attaches d to the backend of that name, or to one of its own on the node of that name. */
static int take_drive(struct device *d, const char *name, struct error *err)
{
    struct layer *l = d->layer;
    struct backend *b = name ? layer_find_backend(l, name) : NULL;
    if (b) {
        if (backend_has_client(b)) {
            return error_set(err, -EBUSY, "Drive '%s' is already in use by another device", name);
        }
        d->backend = backend_ref(b);
        backend_attach(b, &device_client, d);
        follow_node(b, backend_node(b));
        return 0;
    }
    struct node *n = name ? layer_find_node(l, name) : NULL;
    if (name && !n) {
        return error_set(err, -ENODEV, "Property '%s.drive' can't find value '%s'",
                         d->type->has_inner ? "virtio-blk-device" : d->type->name, name);
    }
    if (!name && d->type->kind != DEVICE_CD) {
        return 0;
    }
    b = backend_create(l, NULL, (struct perm_pair){ 0, PERM_ALL });
    d->backend = backend_ref(b);
    backend_attach(b, &device_client, d);
    follow_node(b, n);
    return n ? backend_insert(b, n, err) : 0;
}

/* [io] Lets the backend go.  One of its own goes with it, and with a device that was there that of
 * a -drive. */
static void drop_drive(struct device *d, bool was_there)
{
    static const struct perm_pair idle = { 0, PERM_ALL };
    struct backend *b = d->backend;
    if (!b || !backend_client_of(b, &device_client)) {
        return; /* None, or it was taken away. */
    }
    if (backend_iothread(b) != 0) {
        backend_set_iothread(b, 0, NULL); /* The node stays where others want it. */
    }
    if (!*backend_name(b) || (was_there && backend_auto_delete(b))) {
        backend_destroy(b);
        return;
    }
    backend_detach(b);
    backend_set_perm(b, idle, NULL); /* Less cannot conflict. */
}

static int check_drive(const struct device *d, struct error *err)
{
    if (!d->backend) {
        return error_set(err, -EINVAL, d->type->bus == DEVICE_BUS_IDE ? "No drive specified"
                                                                      : "drive property not set");
    }
    if (!backend_node(d->backend) && !d->removable) {
        return error_set(err, -ENOMEDIUM, "Device needs media, but drive is empty");
    }
    return 0;
}

static int check_block_sizes(struct device *d, const struct device_conf *conf, struct error *err)
{
    enum { DISK_BLOCK = 512, CD_BLOCK = 2048 };
    int64_t logical = conf->logical ? conf->logical : DISK_BLOCK;
    int64_t physical = conf->physical ? conf->physical : DISK_BLOCK;
    if (logical > physical) {
        return error_set(err, -EINVAL,
                         "logical_block_size > physical_block_size not supported");
    }
    d->logical = d->type->kind == DEVICE_CD ? CD_BLOCK : logical;
    return 0;
}

static int take_perm(struct device *d, const struct device_conf *conf, struct error *err)
{
    const struct node *n = backend_node(d->backend);
    bool disk = d->type->kind == DEVICE_DISK;
    d->read_only = !disk || (n && n->flags.read_only);
    if (disk && d->read_only && d->type->bus == DEVICE_BUS_IDE) {
        return error_set(err, -EROFS, "Block node is read-only");
    }
    struct perm_pair perm = {
        .used = PERM_CONSISTENT_READ | (d->read_only ? 0u : PERM_WRITE),
        .shared = PERM_CONSISTENT_READ | PERM_WRITE_UNCHANGED | (disk ? PERM_RESIZE : 0u) |
                  (conf->share_rw ? PERM_WRITE : 0u),
    };
    return backend_set_perm(d->backend, perm, err);
}

/* Requests behind a controller, and those of a disk with an iothread, bypass the main loop: not
 * on a node where others have blocked that. */
static int check_dataplane(const struct device *d, struct error *err)
{
    const struct node *n = backend_node(d->backend);
    if (!n || !(d->controller || d->iothread)) {
        return 0;
    }
    int ret = blocker_check(n, BLOCK_OP_DATAPLANE, err);
    if (ret < 0 && !d->controller) {
        error_prefix(err, "cannot start virtio-blk dataplane: ");
    }
    return ret;
}

/* [io] To the iothread of the device, which behind a controller is the controller's.  A virtio disk
 * that cannot have its node makes its requests in the main loop, if the node is there. */
static int move_drive(struct device *d, struct error *err)
{
    struct backend *b = d->backend;
    const struct node *n = backend_node(b);
    d->iothread = d->controller ? d->controller->iothread : d->iothread;
    bool optional = !d->controller && d->iothread != 0 && n && n->iothread == 0;
    int ret = backend_set_iothread(b, d->iothread, optional ? NULL : err);
    return optional ? 0 : ret;
}

/* [io] A disk looks for a partition table, to know the geometry that a guest believes in.  There is
 * nobody to tell it, but the read is there for everybody else. */
static void guess_geometry(struct device *d)
{
    enum { SECTOR = 512 };
    uint8_t bytes[SECTOR];
    if (d->type->kind == DEVICE_DISK && backend_node(d->backend)) {
        struct iovec iov;
        struct iobuf buf = iobuf_mem(&iov, bytes, sizeof(bytes));
        struct io_req req = { .op = IO_READ, .bytes = SECTOR, .buf = &buf };
        buf.symbolic = true;
        backend_request(d->backend, &req, NULL, NULL); /* It may fail. */
    }
}

/* [io] From a drive to a working device. */
static int realize_drive(struct device *d, const struct device_conf *conf, struct error *err)
{
    struct backend *b = d->backend;
    bool perm_first = d->type->bus == DEVICE_BUS_PCI;
    int ret = check_drive(d, err);
    if (ret == 0 && perm_first) {
        ret = take_perm(d, conf, err);
        if (ret == 0) {
            guess_geometry(d);
        }
    }
    ret = ret < 0 ? ret : check_block_sizes(d, conf, err);
    if (ret == 0 && !perm_first) {
        guess_geometry(d);
        ret = take_perm(d, conf, err);
    }
    d->realized = ret == 0 && d->controller; /* Now its controller is asked. */
    ret = ret < 0 ? ret : check_dataplane(d, err);
    ret = ret < 0 ? ret : move_drive(d, err);
    if (ret < 0) {
        return ret;
    }
    if (conf->write_cache >= 0) {
        backend_set_writeback(b, conf->write_cache);
    }
    struct acct *a = backend_acct_edit(b);
    a->count_invalid = conf->count_invalid < 0 ? a->count_invalid : conf->count_invalid;
    a->count_failed = conf->count_failed < 0 ? a->count_failed : conf->count_failed;
    backend_set_on_error(b, conf->rerror, conf->werror);
    backend_enable_io_status(b);
    d->discards = conf->discard;
    d->zeroes = conf->write_zeroes;
    return 0;
}

/* ---- Plugging ---- */

static int read_iothread(struct device *d, const struct device_conf *conf, struct error *err)
{
    int number = conf->iothread ? object_iothread_number(d->layer, conf->iothread) : 0;
    if (number < 0) {
        return error_set_class(err, ERROR_DEVICE_NOT_FOUND, -ENODEV, "Device '%s' not found",
                               conf->iothread);
    }
    d->iothread = (uint32_t)number;
    return 0;
}

static int read_props(const struct device *d, const json_t *args, struct device_conf *conf,
                      struct error *err)
{
    static const char *const general[] = { "driver", "id", "bus", NULL };
    const char *key;
    json_t *value;
    device_conf_init(conf);
    json_object_foreach((json_t *)(uintptr_t)args, key, value) {
        bool mine = true;
        for (size_t i = 0; general[i]; i++) {
            mine = mine && strcmp(key, general[i]) != 0;
        }
        int ret = mine ? device_prop_read(d->type, d->id, key, value, conf, err) : 0;
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

static int build(struct device *d, const struct device_slot *slot, const json_t *args,
                 struct error *err)
{
    struct device_conf conf;
    int ret = read_props(d, args, &conf, err);
    ret = ret < 0 ? ret : read_iothread(d, &conf, err);
    d->removable = d->type->kind == DEVICE_CD || conf.removable;
    if (ret == 0 && d->type->bus == DEVICE_BUS_PCI && !conf.drive) {
        ret = device_bus_place(d, slot, &conf, err); /* Before its drive is missed. */
    }
    if (ret == 0 && d->type->kind != DEVICE_CONTROLLER) {
        ret = take_drive(d, conf.drive, err);
    }
    ret = ret < 0 ? ret : device_bus_place(d, slot, &conf, err);
    if (ret == 0 && d->type->kind != DEVICE_CONTROLLER) {
        ret = realize_drive(d, &conf, err);
    }
    if (ret == 0 && d->type->kind == DEVICE_CONTROLLER) {
        d->bus_name = d->id ? mem_printf("%s.0", d->id)
                            : mem_printf("scsi.%u", d->layer->scsi_buses++);
    }
    return ret;
}

/* As text, the way of the command line; NULL when it is not given. */
static const char *word_of(const json_t *args, const char *key, char *buf, size_t size)
{
    const json_t *v = json_object_get(args, key);
    if (json_is_integer(v)) {
        snprintf(buf, size, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        return buf;
    }
    return v ? json_string_value(v) : NULL;
}

static int check_id(const struct layer *l, const char *id, bool cold, struct error *err)
{
    if (id && !text_is_identifier(id)) {
        return error_set(err, -EINVAL, "Parameter 'id' expects an identifier");
    }
    return id && cold && device_find(l, id)
               ? error_set(err, -EEXIST, "Duplicate ID '%s' for device", id)
               : 0;
}

/* [io] */
static int plug(struct layer *l, const json_t *args, bool cold, struct error *err)
{
    char driver_buf[32], bus_buf[32];
    const char *driver = word_of(args, "driver", driver_buf, sizeof(driver_buf));
    const char *bus = word_of(args, "bus", bus_buf, sizeof(bus_buf));
    const char *id = json_string_value(json_object_get(args, "id"));
    struct device_slot slot;
    int ret = check_id(l, id, cold, err);
    if (ret < 0) {
        return ret;
    }
    if (!driver) {
        return error_set(err, -EINVAL, "Parameter 'driver' is missing");
    }
    const struct device_type *t = device_type_find(driver);
    if (!t) {
        return error_set(err, -ENOENT, "'%s' is not a valid device model name", driver);
    }
    ret = device_bus_find(l, t, bus, &slot, err);
    if (ret < 0) {
        return ret;
    }
    if (!cold && t->bus == DEVICE_BUS_IDE) {
        return error_set(err, -ENOTSUP, "Bus '%s' does not support hotplugging", slot.name);
    }
    if (id && device_find(l, id)) {
        return error_set(err, -EEXIST, "Duplicate device ID '%s'", id);
    }
    struct device *d = device_new(l, t, id);
    ret = build(d, &slot, args, err);
    if (ret < 0) {
        drop_drive(d, d->realized);
        d->gone = true;
        device_unref(d);
        return ret;
    }
    link_device(d);
    return 0;
}

int device_add(struct layer *l, const json_t *args, struct error *err)
{
    return plug(l, args, true, err);
}

/* The arguments of the monitor's device_add as QEMU hands them on: words.  What can be none is left
 * out, and so is an id that is no text. */
static json_t *as_words(const json_t *args)
{
    json_t *words = json_object();
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)args, key, value) {
        char buf[32];
        const char *text = json_string_value(value);
        if (json_is_boolean(value)) {
            text = json_is_true(value) ? "on" : "off";
        } else if (json_is_integer(value)) {
            snprintf(buf, sizeof(buf), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
            text = buf;
        } else if (json_is_real(value)) {
            snprintf(buf, sizeof(buf), "%.17g", json_real_value(value));
            text = buf;
        }
        if (text && (json_is_string(value) || strcmp(key, "id") != 0)) {
            json_object_set_new(words, key, json_string(text));
        }
    }
    return words;
}

int device_plug(struct layer *l, const json_t *args, struct error *err)
{
    json_t *words = as_words(args);
    int ret = plug(l, words, false, err);
    json_decref(words);
    return ret;
}

/* ---- Unplugging ---- */

static void tell_deleted(struct layer *l, const char *id, const char *path)
{
    json_t *data = json_pack("{s:s}", "path", path);
    CHECK(data != NULL);
    if (id) {
        json_object_set_new(data, "device", json_string(id));
    }
    layer_emit(l, "DEVICE_DELETED", data);
}

/* [io] d is in the list.  What waits for the machine to run gives up; what is in flight ends. */
static void remove_device(struct device *d, bool tell)
{
    struct layer *l = d->layer;
    unlink_device(d);
    d->gone = true;
    machine_wake(l);
    drop_drive(d, true);
    if (tell && d->type->has_inner) {
        tell_deleted(l, NULL, d->block_id);
    }
    if (tell) {
        tell_deleted(l, d->id, d->path);
    }
    device_unref(d);
}

static struct device *youngest_on(const struct device *controller)
{
    struct device *found = NULL;
    for (struct device *d = controller->layer->devices; d; d = d->next) {
        found = d->controller == controller ? d : found;
    }
    return found;
}

/* What sits on its bus goes first, the youngest before all others. */
static void remove_tree(struct device *d, bool tell)
{
    struct device *c;
    while ((c = youngest_on(d))) { /* The list may be another: removing takes time. */
        remove_device(c, tell);
    }
    remove_device(d, tell);
}

static const struct device *find_unplugging(const struct layer *l)
{
    const struct device *d = l->devices;
    while (d && !d->unplugging) {
        d = d->next;
    }
    return d;
}

void device_finish_unplug(struct layer *l)
{
    struct device *d;
    while ((d = (struct device *)(uintptr_t)find_unplugging(l))) {
        remove_tree(d, true);
    }
}

/* Objects of the machine that are no devices which come and go. */
static bool is_other_object(const char *path)
{
    static const char *const paths[] = { "", "/", "/machine", "/machine/peripheral",
                                         "/machine/peripheral-anon", "/objects" };
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (strcmp(paths[i], path) == 0) {
            return true;
        }
    }
    return false;
}

int device_unplug(struct layer *l, const char *id, struct error *err)
{
    static const char *const ide[] = { "ide.0", "ide.1" };
    struct device *d = device_find(l, id);
    if (!d) {
        return is_other_object(id)
                   ? error_set(err, -EINVAL, "%s is not a hotpluggable device", id)
                   : error_set_class(err, ERROR_DEVICE_NOT_FOUND, -ENODEV,
                                     "Device '%s' not found", id);
    }
    if (d->type->bus == DEVICE_BUS_IDE) {
        return error_set(err, -ENOTSUP, "Bus '%s' does not support hotplugging", ide[d->target]);
    }
    if (d->type->has_inner && strcmp(id, d->block_id) == 0) {
        return error_set(err, -ENOTSUP, "Bus 'virtio-bus' does not support hotplugging");
    }
    if (d->unplugging && d->asked_at_start) {
        return error_set(err, -EBUSY, "Device %s is already in the process of unplug", id);
    }
    if (d->type->bus == DEVICE_BUS_SCSI) {
        remove_device(d, true);
        return 0;
    }
    /* A guest may have missed it, so it is asked again; but QEMU takes the time 0 of a machine that
     * has not run for one that never ends. */
    d->asked_at_start |= !machine_has_run(l);
    d->unplugging = true;
    if (machine_is_running(l)) {
        device_finish_unplug(l);
    }
    return 0;
}

void device_destroy_all(struct layer *l)
{
    while (l->devices) {
        remove_tree(l->devices_tail, false);
    }
}
