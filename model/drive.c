/* SPDX-License-Identifier: MIT */
/* -drive: a block device and its nodes in one option string.
 *
 *   names of old -> cache= -> media, if, place (bus, unit, index), id
 *        -> what is the device's (policies, throttling, statistics)
 *        -> the rest is options of the root node: node_open_name
 *        -> backend, medium, and what hangs on them
 *
 * The order is QEMU's, and so is which of several mistakes is told.  There is no board here: no
 * device is made for a drive, whatever its interface; `if=none` and a -device say what is meant.
 * (Behaviour of the installed QEMU 7.2.)
 */
#include "base/check.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/backend.h"
#include "model/cmdline_private.h"
#include "model/drive.h"
#include "model/layer_state.h"
#include "model/open.h"
#include "model/throttle.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Where drives are: so that two do not get one place, and free ones are found. */
struct interface;

struct drive_place {
    int64_t bus, unit;
    const struct interface *interface;
    struct drive_place *next;
};

enum { INTERVALS_MAX = 64 };

/* What is said of the device. */
struct drive {
    char *id, *file;
    struct drive_place place;
    bool has_index, has_unit;
    bool board; /* An interface that only a board has. */
    bool cdrom, read_only, snapshot, copy_on_read, writeback;
    bool account_invalid, account_failed;
    enum on_error on_read, on_write;
    uint64_t intervals[INTERVALS_MAX];
    size_t intervals_len;
    struct throttle_config throttle;
    char *group;
    int detect_zeroes; /* -1: not given. */
};

static char *take_text(json_t *options, const char *name)
{
    const char *text = json_string_value(json_object_get(options, name));
    char *copy = text ? mem_strdup(text) : NULL;
    json_object_del(options, name);
    return copy;
}

/* ---- place and name ---- */

static const struct drive_place *place_find(const struct layer *l, const struct drive_place *p)
{
    const struct drive_place *at = l->drives;
    while (at && (at->interface != p->interface || at->bus != p->bus || at->unit != p->unit)) {
        at = at->next;
    }
    return at;
}

static int read_place(json_t *options, struct drive *d, struct error *err)
{
    static const char *const names[] = { "bus", "unit", "index" };
    uint64_t value[ARRAY_LEN(names)];
    bool given[ARRAY_LEN(names)];
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        given[i] = json_object_get(options, names[i]) != NULL;
        int ret = drive_take_number(options, names[i], 0, &value[i], err);
        if (ret < 0) {
            return ret;
        }
        if (value[i] > INT32_MAX) {
            return error_set(err, -EINVAL, "%s %" PRIu64 " is too big", names[i], value[i]);
        }
    }
    d->has_unit = given[1];
    d->has_index = given[2];
    d->place.bus = (int64_t)value[0];
    d->place.unit = (int64_t)(given[2] ? value[2] : value[1]);
    return 0;
}

static int read_media(json_t *options, struct drive *d, struct error *err)
{
    char *media = take_text(options, "media");
    int ret = 0;
    if (media && strcmp(media, "cdrom") == 0) {
        d->cdrom = true;
    } else if (media && strcmp(media, "disk") != 0) {
        ret = error_set(err, -EINVAL, "'%s' invalid media", media);
    }
    free(media);
    return ret;
}

/* The interfaces of QEMU's boards, with how many drives one bus has (0: any number). */
struct interface {
    const char *name;
    int64_t units;
    bool has_media; /* Its drives' names say "hd" or "cd". */
};

static const struct interface interfaces[] = {
    { "ide", 2, true },  { "none", 0, false },  { "scsi", 7, true },   { "floppy", 2, false },
    { "sd", 0, false },  { "mtd", 0, false },   { "pflash", 0, false }, { "virtio", 0, false },
    { "xen", 0, false },
};

/* What is not said is ide; a device of it is not made, as with none. */
static int read_interface(json_t *options, struct drive *d, struct error *err)
{
    char *name = take_text(options, "if");
    int ret = 0;
    d->board = name && strcmp(name, "none") != 0;
    d->place.interface = name ? NULL : &interfaces[0];
    for (size_t i = 0; name && i < ARRAY_LEN(interfaces); i++) {
        if (strcmp(interfaces[i].name, name) == 0) {
            d->place.interface = &interfaces[i];
        }
    }
    if (!d->place.interface) {
        ret = error_set(err, -EINVAL, "unsupported bus type '%s'", name);
    }
    free(name);
    return ret;
}

/* The next free place, or the one that is asked for. */
static int find_place(const struct layer *l, struct drive *d, struct error *err)
{
    struct drive_place *p = &d->place;
    int64_t units = p->interface->units;
    if (d->has_index) {
        if (p->bus != 0 || d->has_unit) {
            return error_set(err, -EINVAL, "index cannot be used with bus and unit");
        }
        p->bus = units ? p->unit / units : 0;
        p->unit = units ? p->unit % units : p->unit;
    } else if (!d->has_unit) {
        p->unit = 0;
        while (place_find(l, p)) {
            p->unit++;
            if (units && p->unit >= units) {
                p->unit -= units;
                p->bus++;
            }
        }
    }
    if (units && p->unit >= units) {
        return error_set(err, -EINVAL, "unit %" PRId64 " too big (max is %" PRId64 ")", p->unit,
                         units - 1);
    }
    if (place_find(l, p)) {
        return error_set(err, -EEXIST,
                         "drive with bus=%" PRId64 ", unit=%" PRId64 " (index=%" PRId64 ") exists",
                         p->bus, p->unit, units ? p->bus * units + p->unit : p->unit);
    }
    return 0;
}

static void set_id(json_t *options, struct drive *d)
{
    d->id = take_text(options, "id");
    if (d->id) {
        return;
    }
    const struct drive_place *p = &d->place;
    const char *media = !p->interface->has_media ? "" : d->cdrom ? "-cd" : "-hd";
    d->id = p->interface->units
                ? mem_printf("%s%" PRId64 "%s%" PRId64, p->interface->name, p->bus, media, p->unit)
                : mem_printf("%s%s%" PRId64, p->interface->name, media, p->unit);
}

/* ---- what is the device's ---- */

static int read_policy(json_t *options, bool is_read, enum on_error *out, struct error *err)
{
    char *name = take_text(options, is_read ? "rerror" : "werror");
    int value = name ? on_error_parse(name) : (int)*out;
    int ret = 0;
    if (value < 0 || value == ON_ERROR_AUTO || (is_read && value == ON_ERROR_ENOSPC)) {
        ret = error_set(err, -EINVAL, "'%s' invalid %s error action", name,
                        is_read ? "read" : "write");
    }
    *out = (enum on_error)value;
    free(name);
    return ret;
}

static int read_intervals(json_t *options, struct drive *d, struct error *err)
{
    static const char prefix[] = "stats-intervals.";
    const char *key;
    json_t *value;
    for (size_t i = 0; i < INTERVALS_MAX; i++) {
        char *name = mem_printf("%s%zu", prefix, i), *text = take_text(options, name), *end = NULL;
        free(name);
        if (!text) {
            break;
        }
        errno = 0;
        long long seconds = strtoll(text, &end, 10);
        bool good = *text && !*end && !errno && seconds > 0 && seconds <= UINT32_MAX;
        if (!good) {
            int ret = error_set(err, -EINVAL, "Invalid interval length: %s", text);
            free(text);
            return ret;
        }
        d->intervals[d->intervals_len++] = (uint64_t)seconds;
        free(text);
    }
    json_object_foreach(options, key, value) {
        if (strncmp(key, prefix, strlen(prefix)) == 0) {
            return error_set(err, -EINVAL, "Invalid option %s", key);
        }
    }
    return 0;
}

static int read_format(json_t *options, struct error *err)
{
    char *format = take_text(options, "format");
    int ret = 0;
    if (format && json_object_get(options, "driver")) {
        ret = error_set(err, -EINVAL, "Cannot specify both 'driver' and 'format'");
    } else if (format) {
        json_object_set_new(options, "driver", json_string(format));
    }
    free(format);
    return ret;
}

static int read_detect_zeroes(json_t *options, struct drive *d, struct error *err)
{
    static const char *const modes[] = { "off", "on", "unmap" };
    char *text = take_text(options, "detect-zeroes");
    d->detect_zeroes = -1;
    for (size_t i = 0; text && i < ARRAY_LEN(modes); i++) {
        d->detect_zeroes = strcmp(modes[i], text) == 0 ? (int)i : d->detect_zeroes;
    }
    int ret = text && d->detect_zeroes < 0
                  ? error_set(err, -EINVAL, "invalid parameter value: %s", text)
                  : 0;
    free(text);
    return ret;
}

/* The way of I/O is that of the file at the bottom, where a plain file is. */
static int read_aio(json_t *options, const struct drive *d, struct error *err)
{
    static const char *const modes[] = { "threads", "native", "io_uring" };
    char *text = take_text(options, "aio");
    const char *driver = json_string_value(json_object_get(options, "driver"));
    const char *below = json_string_value(json_object_get(options, "file.driver"));
    bool good = !text;
    for (size_t i = 0; text && i < ARRAY_LEN(modes); i++) {
        good = good || strcmp(modes[i], text) == 0;
    }
    bool file_name = d->file && (!name_has_protocol(d->file) || strncmp(d->file, "file:", 5) == 0);
    if (text && good && driver && strcmp(driver, "file") == 0) {
        json_object_set_new(options, "aio", json_string(text));
    } else if (text && good && !json_object_get(options, "file.aio") &&
               (below ? strcmp(below, "file") == 0
                      : file_name || json_object_get(options, "file.filename"))) {
        json_object_set_new(options, "file.aio", json_string(text));
    }
    free(text);
    return good ? 0 : error_set(err, -EINVAL, "invalid aio option");
}

static int read_device(struct layer *l, json_t *options, struct drive *d, struct error *err)
{
    bool cor;
    int ret = read_media(options, d, err);
    if (ret == 0 && d->cdrom) {
        json_object_set_new(options, "read-only", json_string("on"));
    }
    ret = ret == 0 ? read_place(options, d, err) : ret;
    if (ret == 0) {
        json_t *copy = json_copy(options); /* It stays among the node's. */
        ret = drive_take_bool(copy, "read-only", false, &d->read_only, err);
        json_decref(copy);
    }
    ret = ret == 0 ? drive_take_bool(options, "copy-on-read", false, &cor, err) : ret;
    if (ret < 0) {
        return ret;
    }
    if (d->read_only && cor) {
        layer_warn(l, "warning: disabling copy-on-read on read-only drive");
    }
    d->copy_on_read = cor && !d->read_only;
    ret = read_interface(options, d, err);
    ret = ret == 0 ? find_place(l, d, err) : ret;
    if (ret == 0) {
        set_id(options, d);
        d->file = take_text(options, "file");
    }
    return ret;
}

/* What QEMU takes out before it opens anything. */
static int read_backend(json_t *options, struct drive *d, struct error *err)
{
    int ret = drive_take_bool(options, "snapshot", false, &d->snapshot, err);
    ret = ret == 0 ? drive_take_bool(options, "stats-account-invalid", true, &d->account_invalid,
                                     err)
                   : ret;
    ret = ret == 0 ? drive_take_bool(options, "stats-account-failed", true, &d->account_failed, err)
                   : ret;
    ret = ret == 0 ? drive_take_bool(options, "cache.writeback", true, &d->writeback, err) : ret;
    ret = ret == 0 ? read_intervals(options, d, err) : ret;
    ret = ret == 0 ? read_aio(options, d, err) : ret;
    ret = ret == 0 ? drive_take_throttle(options, &d->throttle, &d->group, err) : ret;
    ret = ret == 0 ? read_detect_zeroes(options, d, err) : ret;
    ret = ret == 0 ? read_format(options, err) : ret;
    d->on_read = ON_ERROR_REPORT;
    d->on_write = ON_ERROR_ENOSPC;
    ret = ret == 0 ? read_policy(options, false, &d->on_write, err) : ret;
    return ret == 0 ? read_policy(options, true, &d->on_read, err) : ret;
}

/* ---- opening ---- */

/* A place of the host for what is thrown away at the end: a name that no file has. */
static char *temporary_name(struct layer *l)
{
    struct host_file *f;
    char *name = NULL;
    do {
        free(name);
        name = mem_printf("vl.%06u", l->temporaries++);
    } while (l->host->ops->open(l->host, name, 0, &f) == 0 && (l->host->ops->close(f), true));
    return name;
}

static int open_overlay(struct layer *l, struct node *base, const char *name,
                        const struct drive *d, struct node **out, struct error *err)
{
    json_t *options = json_pack("{s:s, s:{s:s, s:s}, s:{s:b}, s:b, s:s}", "driver", "qcow2", "file",
                                "driver", "file", "filename", name, "cache", "no-flush", 1,
                                "read-only", d->read_only, "backing", layer_node_name(base));
    CHECK(options != NULL);
    int ret = node_open(l, options, NULL, 0, out, err);
    json_decref(options);
    return ret;
}

/* snapshot=on: writes go to a file that nobody sees and that goes with the node. */
static int add_overlay(struct layer *l, struct node *base, const struct drive *d,
                       struct node **out, struct error *err)
{
    char *name = temporary_name(l);
    int ret = image_create(l, "qcow2", name, io_length(base), NULL, err);
    if (ret < 0) {
        error_prefix(err, "Could not create temporary overlay '%s': ", name);
    } else {
        ret = open_overlay(l, base, name, d, out, err);
        l->host->ops->unlink(l->host, name);
    }
    free(name);
    return ret;
}

static int open_nodes(struct layer *l, json_t *options, const struct drive *d, struct node **out,
                      struct error *err)
{
    struct node *base;
    if (!json_object_get(options, "auto-read-only")) {
        json_object_set_new(options, "auto-read-only", json_string("on"));
    }
    if (d->snapshot) { /* The base is a backing file. */
        json_object_del(options, "read-only");
        json_object_del(options, "auto-read-only");
    }
    int ret = node_open_name(l, d->file, options, NULL, d->snapshot ? ROLE_COW : 0, &base, err);
    if (ret < 0 || !d->snapshot) {
        *out = ret < 0 ? NULL : base;
        return ret;
    }
    ret = add_overlay(l, base, d, out, err);
    node_unref(base);
    return ret;
}

static int make_backend(struct layer *l, const struct drive *d, struct node *n,
                        struct error *err)
{
    struct perm_pair perm = { .used = n ? PERM_CONSISTENT_READ : 0, .shared = PERM_ALL };
    if (layer_find_backend(l, d->id)) {
        return error_set(err, -EEXIST, "Device with id '%s' already exists", d->id);
    }
    if (layer_name_taken(l, d->id)) {
        return error_set(err, -EEXIST, "Device name '%s' conflicts with an existing node name",
                         d->id);
    }
    struct backend *b = backend_create(l, d->id, perm);
    int ret = n ? backend_insert(b, n, err) : 0;
    if (ret == 0 && throttle_is_on(&d->throttle)) {
        ret = backend_set_throttle(b, d->group ? d->group : d->id, &d->throttle, err);
    }
    if (ret < 0) {
        backend_destroy(b);
        return ret;
    }
    backend_set_writeback(b, d->writeback);
    backend_set_on_error(b, d->on_read, d->on_write);
    const struct node_flags flags = { .read_only = d->read_only };
    backend_set_medium_flags(b, &flags);
    backend_set_auto_delete(b, true);
    struct acct *acct = backend_acct_edit(b);
    acct->count_invalid = d->account_invalid;
    acct->count_failed = d->account_failed;
    for (size_t i = 0; i < d->intervals_len; i++) {
        acct_add_interval(acct, d->intervals[i], sim_now_ns(l->sim));
    }
    return 0;
}

static int add_drive(struct layer *l, json_t *options, struct drive *d, struct error *err)
{
    struct node *n = NULL;
    size_t of_device = json_object_get(options, "read-only") ? 1 : 0;
    bool empty = (!d->file || !*d->file) && json_object_size(options) == of_device;
    int ret = empty ? 0 : open_nodes(l, options, d, &n, err);
    if (ret < 0) {
        return ret;
    }
    if (n && d->detect_zeroes >= 0) {
        n->flags.detect_zeroes = (uint8_t)d->detect_zeroes;
    }
    ret = d->board ? error_set(err, -ENOTSUP, "Drives with if=%s are not available in blksim; use "
                                              "if=none and -device",
                               d->place.interface->name)
                   : make_backend(l, d, n, err);
    if (n && ret == 0) {
        n->copy_on_read = d->copy_on_read;
    }
    if (n) {
        node_unref(n);
    }
    return ret;
}

int drive_add(struct layer *l, json_t *options, struct error *err)
{
    struct drive d = { .detect_zeroes = -1 };
    CHECK(err != NULL);
    int ret = drive_rename(options, err);
    ret = ret == 0 ? drive_expand_cache(options, err) : ret;
    ret = ret == 0 ? read_device(l, options, &d, err) : ret;
    ret = ret == 0 ? read_backend(options, &d, err) : ret;
    ret = ret == 0 ? add_drive(l, options, &d, err) : ret;
    if (ret == 0) {
        struct drive_place *p = mem_copy(&d.place, sizeof(d.place));
        p->next = l->drives;
        l->drives = p;
    }
    free(d.id);
    free(d.file);
    free(d.group);
    return ret;
}

void drive_forget_all(struct layer *l)
{
    while (l->drives) {
        struct drive_place *p = l->drives;
        l->drives = p->next;
        free(p);
    }
}
