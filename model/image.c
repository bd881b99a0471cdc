/* SPDX-License-Identifier: MIT */
/* New images: qemu-img create, as snapshots and scenarios need it.
 *
 *   options checked and typed -> file opened, or made -> emptied -> the format writes itself there
 *
 * A file that is in use is not touched: the locks of the file driver say so before it is emptied.
 * The backing file is opened only to learn its size, when none is given.
 * (Texts of the installed qemu-img 7.2.)
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/image_private.h"
#include "model/layer_state.h"
#include "model/open.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512 };

/* ---- Options ---- */

static const struct schema_member *find_option(const struct blk_driver *drv, const char *name)
{
    const struct schema_member *m = drv->image ? drv->image->create_options : NULL;
    while (m && m->name && strcmp(m->name, name) != 0) {
        m++;
    }
    return m && m->name ? m : NULL;
}

/* A value as text to one of the type; what is typed already stays as it is. */
static json_t *type_value(const struct schema_member *m, const json_t *value, struct error *err)
{
    const char *text = json_string_value(value);
    int64_t bytes;
    uint64_t number;
    if (!text || m->type == &schema_str) {
        return json_incref((json_t *)(uintptr_t)value);
    }
    if (m->type == &schema_bool) {
        bool on = strcmp(text, "on") == 0;
        if (on || strcmp(text, "off") == 0) {
            return json_boolean(on);
        }
        error_set(err, -EINVAL, "Parameter '%s' expects 'on' or 'off'", m->name);
    } else if (m->type == &schema_size) {
        if (text_parse_size(text, &bytes) == 0) {
            return json_integer(bytes);
        }
        error_set(err, -EINVAL, "Parameter '%s' expects a non-negative number below 2^64", m->name);
    } else {
        if (text_parse_u64(text, &number) == 0 && number <= INT64_MAX) {
            return json_integer((json_int_t)number);
        }
        error_set(err, -EINVAL, "Parameter '%s' expects a number", m->name);
    }
    return NULL;
}

/* Defaults are text too, so they are put among the values: drivers see every option typed. */
static int add_defaults(const struct blk_driver *drv, json_t *out, struct error *err)
{
    const struct schema_member *m = drv->image ? drv->image->create_options : NULL;
    for (; m && m->name; m++) {
        if (m->deflt && !json_object_get(out, m->name)) {
            json_t *text = json_string(m->deflt), *typed = type_value(m, text, err);
            json_decref(text);
            CHECK(typed != NULL);
            json_object_set_new(out, m->name, typed);
        }
    }
    return 0;
}

int image_type_options(const struct blk_driver *drv, const json_t *options, json_t *out,
                       struct error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)options, name, value)
    {
        const struct schema_member *m = find_option(drv, name);
        if (!m) {
            return error_set(err, -EINVAL, "Invalid parameter '%s'", name);
        }
        if (strcmp(name, "size") == 0) {
            return error_set(err, -EINVAL, "The image size must be specified only once");
        }
        json_t *typed = type_value(m, value, err);
        if (!typed) {
            return -EINVAL;
        }
        json_object_set_new(out, name, typed);
    }
    return add_defaults(drv, out, err);
}

/* ---- The backing file ---- */

static int backing_size(struct layer *l, const char *filename, const json_t *options, int64_t *size,
                        struct error *err)
{
    const char *name = json_string_value(json_object_get(options, "backing_file"));
    const json_t *format = json_object_get(options, "backing_fmt");
    if (!name) {
        return error_set(err, -EINVAL, "Image creation needs a size parameter");
    }
    char *full = name_combine(filename, name);
    json_t *how = json_object();
    struct node *n;
    if (format) {
        json_object_set(how, "driver", (json_t *)(uintptr_t)format);
    }
    json_object_set_new(how, "read-only", json_true());
    int ret = node_open_name(l, full, how, NULL, 0, &n, err);
    if (ret == 0) {
        *size = io_length(n);
        node_unref(n);
    }
    json_decref(how);
    free(full);
    return ret;
}

static int check_backing(const char *filename, const json_t *options, struct error *err)
{
    const char *name = json_string_value(json_object_get(options, "backing_file"));
    if (!name) {
        return 0;
    }
    if (!*name) {
        return error_set(err, -EINVAL, "Expected backing file name, got empty string");
    }
    if (strcmp(name, filename) == 0) {
        return error_set(err, -EINVAL,
                         "Error: Trying to create an image with the same filename "
                         "as the backing file");
    }
    return json_object_get(options, "backing_fmt")
               ? 0
               : error_set(err, -EINVAL, "Backing file specified without backing format");
}

/* ---- The file ---- */

static void describe_creation(const struct child *c, struct strbuf *out)
{
    (void)c;
    strbuf_puts(out, "an image that is being created");
}

static const struct child_parent creation = { .describe = describe_creation };

int image_open_file(struct layer *l, const char *filename, bool *made, struct node **out,
                    struct error *err)
{
    json_t *options = json_pack("{s:s, s:s}", "driver", "file", "filename", filename);
    CHECK(options != NULL);
    *made = false;
    int ret = node_open(l, options, NULL, 0, out, NULL);
    if (ret == -ENOENT) {
        ret = l->host->ops->create(l->host, filename, 0);
        *made = ret == 0;
        if (ret == 0) {
            ret = node_open(l, options, NULL, 0, out, err);
        } else {
            error_set_errno(err, ret, "Could not create '%s'", filename);
        }
    } else if (ret < 0) {
        error_set_errno(err, ret, "Could not create '%s'", filename);
    }
    json_decref(options);
    return ret;
}

static int fill_file(const struct blk_driver *drv, struct child *file, int64_t size,
                     const json_t *options, struct error *err)
{
    int ret = io_truncate(file, 0, 0, PREALLOC_OFF, err);
    if (ret < 0) {
        return ret;
    }
    if (!drv->image || !drv->image->create) {
        return io_truncate(file, size, IO_EXACT, PREALLOC_OFF, err); /* Nothing but the bytes. */
    }
    struct opts opts = { .values = options, .members = drv->image->create_options };
    ret = drv->image->create(file, size, &opts, err);
    if (ret == 0) {
        ret = io_flush(file);
        if (ret < 0) {
            error_set_errno(err, ret, "Could not flush the image");
        }
    }
    return ret;
}

static int make_file(struct layer *l, const struct blk_driver *drv, const char *filename,
                     int64_t size, const json_t *options, struct error *err)
{
    const struct perm_pair perm = { .used = PERM_CONSISTENT_READ | PERM_WRITE | PERM_RESIZE,
                                    .shared = PERM_CONSISTENT_READ | PERM_WRITE_UNCHANGED };
    struct child *c;
    struct node *n;
    bool made;
    int ret = image_open_file(l, filename, &made, &n, err);
    if (ret == 0) {
        ret = child_attach(n, "root", 0, NULL, &creation, NULL, perm, &c, err);
        if (ret == 0) {
            ret = fill_file(drv, c, size, options, err);
            child_detach(c);
        }
        node_unref(n);
    }
    if (ret < 0 && made) {
        l->host->ops->unlink(l->host, filename);
    }
    return ret;
}

static int find_format(const struct layer *l, const char *format, const struct blk_driver **out,
                       struct error *err)
{
    const struct blk_driver *drv = layer_driver(l, format);
    if (!drv) {
        return error_set(err, -ENOENT, "Unknown file format '%s'", format);
    }
    bool bytes = (drv->traits & DRV_FORMAT) && (drv->traits & DRV_FOLLOWS);
    if (!bytes && !(drv->image && drv->image->create)) {
        return error_set(err, -ENOTSUP, "Format driver '%s' does not support image creation",
                         format);
    }
    *out = drv;
    return 0;
}

int image_create(struct layer *l, const char *format, const char *filename, int64_t size,
                 const json_t *options, struct error *err)
{
    const struct blk_driver *drv = NULL;
    struct error why = ERROR_INIT;
    int ret = find_format(l, format, &drv, err);
    if (ret < 0) {
        return ret;
    }
    if (strncmp(filename, "file:", 5) == 0) {
        filename += 5;
    } else if (name_has_protocol(filename)) {
        return error_set(err, -ENOTSUP, "Protocol driver '%.*s' does not support image creation",
                         (int)strcspn(filename, ":"), filename);
    }
    json_t *typed = json_object();
    ret = image_type_options(drv, options, typed, err);
    if (ret == 0) {
        ret = check_backing(filename, typed, err);
    }
    if (ret == 0 && size < 0) {
        ret = backing_size(l, filename, typed, &size, err);
    }
    if (ret == 0) {
        size = (size + SECTOR - 1) / SECTOR * SECTOR;
        ret = make_file(l, drv, filename, size, typed, &why);
        if (ret == 0 && l->watch.image_made) {
            l->watch.image_made(l->watch.opaque, filename, format);
        }
        if (ret == -EFBIG) {
            error_set(err, ret, "The image size is too large for file format '%s'%s", format,
                      json_object_get(typed, "cluster_size") ? " (try using a larger cluster size)"
                                                             : "");
        } else if (ret < 0) {
            error_set(err, ret, "%s", why.text);
        }
    }
    json_decref(typed);
    return ret;
}

int layer_make_image(struct sim *s, struct host *h, const struct blk_driver *const *drivers,
                     const char *format, const char *filename, int64_t size, const json_t *options,
                     struct error *err)
{
    struct layer *l = layer_create(s, h, drivers);
    int ret = image_create(l, format, filename, size, options, err);
    layer_destroy(l);
    return ret;
}
