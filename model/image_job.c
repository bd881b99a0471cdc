/* SPDX-License-Identifier: MIT */
/* New images by blockdev-create: a format in a node that is there, or a file.
 *
 * A format takes the node as it is and empties nothing: what lies where the image does not reach
 * stays.  Whoever makes one is a backend that writes and resizes; a conflict with the format
 * itself, which shares less, is told before anything is written.
 * (Behaviour and texts of the installed 7.2.)
 */
#include "model/image_private.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/backend.h"
#include "model/layer_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- Holding the node ---- */

/* As QEMU, which opens the new format by a name of its own to give it its size. */
static void describe(const struct child *c, struct strbuf *out)
{
    strbuf_printf(out, "node '%s'", (const char *)c->opaque);
}

static const struct child_parent format_parent = { .describe = describe };

/* Whether that format could be there. */
static int try_format(struct node *n, struct error *err)
{
    const struct perm_pair perm = { .used = PERM_CONSISTENT_READ | PERM_WRITE | PERM_RESIZE,
                                    .shared = PERM_CONSISTENT_READ | PERM_WRITE_UNCHANGED };
    char *name = mem_printf("#block%03u", n->layer->auto_names++);
    struct child *c;
    int ret = child_attach(n, "file", 0, NULL, &format_parent, name, perm, &c, err);
    if (ret == 0) {
        child_detach(c);
    }
    free(name);
    return ret;
}

static int insert(struct node *n, struct perm_pair perm, struct backend **out, struct error *err)
{
    struct backend *b = backend_create(n->layer, NULL, perm);
    int ret = backend_insert(b, n, err);
    if (ret < 0) {
        backend_destroy(b);
    } else {
        *out = b;
    }
    return ret;
}

int image_hold(struct node *n, struct backend **out, struct error *err)
{
    const struct perm_pair perm = { .used = PERM_WRITE | PERM_RESIZE, .shared = PERM_ALL };
    int ret = insert(n, perm, out, err);
    if (ret == 0) {
        backend_destroy(*out);
        ret = try_format(n, err);
    }
    return ret < 0 ? ret : insert(n, perm, out, err);
}

/* ---- Formats ---- */

static char *option_name(const char *prefix, const char *member)
{
    char *name = strcmp(member, "version") == 0 && !*prefix
                     ? mem_strdup("compat")
                     : mem_printf("%s%s%s", prefix, *prefix ? "." : "", member);
    for (char *p = name + (*prefix ? strlen(prefix) : 0); *p; p++) {
        *p = *p == '-' && !*prefix ? '_' : *p;
    }
    return name;
}

static bool has_option(const struct blk_driver *drv, const char *name)
{
    const struct schema_member *m = drv->image->create_options;
    while (m->name && strcmp(m->name, name) != 0) {
        m++;
    }
    return m->name != NULL;
}

/* Members to create_options.  Of an object only what there is an option for; a node that is given
 * by options counts as given. */
static void rename_options(const struct blk_driver *drv, const char *prefix, const json_t *values,
                           json_t *out)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)values, key, value) {
        bool top = !*prefix && (strcmp(key, "driver") == 0 || strcmp(key, "file") == 0 ||
                                strcmp(key, "size") == 0);
        char *name = option_name(prefix, key);
        if (!top && json_is_object(value) && !has_option(drv, name)) {
            rename_options(drv, name, value, out);
        } else if (!top && json_is_object(value)) {
            json_object_set_new(out, name, json_string(""));
        } else if (!top && has_option(drv, name)) {
            json_object_set(out, name, value);
        }
        free(name);
    }
}

int image_write_format(const struct blk_driver *drv, struct child *file, const json_t *values,
                       struct error *err)
{
    json_t *given = json_object(), *typed = json_object();
    int64_t size = json_integer_value(json_object_get(values, "size"));
    CHECK(drv->image && drv->image->create && drv->image->create_options);
    rename_options(drv, "", values, given);
    int ret = image_type_options(drv, given, typed, err);
    if (ret == 0) {
        struct opts opts = { .values = typed, .members = drv->image->create_options };
        ret = drv->image->create(file, size, &opts, err);
    }
    if (ret == 0) {
        ret = io_flush(file);
        if (ret < 0) {
            error_set_errno(err, ret, "Could not flush the image");
        }
    }
    json_decref(given);
    json_decref(typed);
    return ret;
}

/* ---- Files ---- */

int image_hold_file(struct layer *l, const char *filename, struct backend **out, struct error *err)
{
    const struct perm_pair perm = { .used = PERM_WRITE | PERM_RESIZE,
                                    .shared = PERM_ALL & ~PERM_RESIZE };
    struct node *n;
    bool made;
    if (!*filename) {
        return error_set_errno(err, -ENOENT, "Could not create ''");
    }
    int ret = image_open_file(l, filename, &made, &n, err);
    if (ret == 0) {
        ret = insert(n, perm, out, err);
        node_unref(n);
    }
    return ret;
}

static enum io_prealloc prealloc_mode(const char *text)
{
    return !text || strcmp(text, "off") == 0  ? PREALLOC_OFF
           : strcmp(text, "metadata") == 0    ? PREALLOC_METADATA
           : strcmp(text, "falloc") == 0      ? PREALLOC_FALLOC
                                              : PREALLOC_FULL;
}

int image_write_file(struct child *file, const json_t *values, struct error *err)
{
    int64_t size = json_integer_value(json_object_get(values, "size"));
    const char *mode = json_string_value(json_object_get(values, "preallocation"));
    int ret = io_truncate(file, 0, 0, PREALLOC_OFF, err);
    if (ret < 0) {
        return ret;
    }
    if (size < 0) {
        return error_set_errno(err, -EINVAL, "Could not resize file");
    }
    if (size > IO_MAX_LENGTH) {
        return error_set_errno(err, -EFBIG, "Could not resize file");
    }
    return io_truncate(file, size, IO_EXACT, prealloc_mode(mode), err);
}

/* ---- Telling ---- */

void image_tell(const struct node *n, const char *format)
{
    const struct layer *l = n->layer;
    while (!(n->drv->traits & DRV_PROTOCOL)) {
        const struct child *c = node_primary(n);
        if (!c) {
            return;
        }
        n = c->node;
    }
    const char *filename = json_string_value(json_object_get(n->options, "filename"));
    if (filename && l->watch.image_made) {
        l->watch.image_made(l->watch.opaque, filename, format ? format : "anything");
    }
}
