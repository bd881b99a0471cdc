/* SPDX-License-Identifier: MIT */
#include "model/export.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/dirty_bitmap.h"
#include "model/iothread.h"
#include "model/layer_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct export {
    char *id, *type, *name; /* name: what NBD clients ask for. */
    struct backend *backend;
    bool fixed_iothread;
    struct dirty_bitmap **bitmaps; /* Busy; a reference to the node of each. */
    size_t bitmaps_len;
    struct export *prev, *next;
};

/* ---- Clients of backends ---- */

static const char *client_id(const void *opaque)
{
    (void)opaque;
    return "";
}

/* QEMU lets an export's node move unless its iothread is fixed. */
static int client_can_set_iothread(const void *opaque, uint32_t iothread, struct error *err)
{
    const struct export *e = opaque;
    (void)iothread;
    return e->fixed_iothread
               ? error_set(err, -EPERM, "Cannot change iothread of active block backend")
               : 0;
}

static const struct backend_client client = { .id = client_id,
                                              .can_set_iothread = client_can_set_iothread };

/* ---- Finding ---- */

static struct export *find(const struct layer *l, const char *id)
{
    struct export *e = l->exports.first;
    while (e && strcmp(e->id, id) != 0) {
        e = e->next;
    }
    return e;
}

static struct export *find_name(const struct layer *l, const char *name)
{
    struct export *e = l->exports.first;
    while (e && strcmp(e->name, name) != 0) {
        e = e->next;
    }
    return e;
}

bool export_at(const struct layer *l, size_t i, struct export_view *out)
{
    const struct export *e = l->exports.last;
    for (; e && i > 0; i--) {
        e = e->prev;
    }
    if (e) {
        const struct node *n = backend_node(e->backend);
        *out = (struct export_view){ e->id, e->type, n ? n->name : "" };
    }
    return e != NULL;
}

/* ---- Coming and going ---- */

static void link_export(struct exports *all, struct export *e)
{
    e->prev = all->last;
    *(all->last ? &all->last->next : &all->first) = e;
    all->last = e;
}

static void unlink_export(struct exports *all, struct export *e)
{
    *(e->prev ? &e->prev->next : &all->first) = e->next;
    *(e->next ? &e->next->prev : &all->last) = e->prev;
}

static void let_go_of_bitmaps(struct export *e)
{
    for (size_t i = 0; i < e->bitmaps_len; i++) {
        struct node *n = bitmap_node(e->bitmaps[i]);
        bitmap_set_exported(e->bitmaps[i], false);
        CHECK(n->held > 0);
        n->held--;
        node_unref(n);
    }
    free(e->bitmaps);
    e->bitmaps = NULL;
    e->bitmaps_len = 0;
}

static void export_free(struct export *e)
{
    let_go_of_bitmaps(e);
    if (backend_has_client(e->backend)) {
        backend_detach(e->backend);
    }
    backend_destroy(e->backend);
    backend_unref(e->backend);
    free(e->id);
    free(e->type);
    free(e->name);
    free(e);
}

static void remove_export(struct layer *l, struct export *e)
{
    unlink_export(&l->exports, e);
    json_t *data = json_pack("{s:s}", "id", e->id);
    CHECK(data != NULL);
    export_free(e);
    layer_emit(l, "BLOCK_EXPORT_DELETED", data);
}

int export_del(struct layer *l, const char *id, struct error *err)
{
    struct export *e = find(l, id);
    if (!e) {
        return error_set(err, -ENOENT, "Export '%s' is not found", id);
    }
    remove_export(l, e);
    return 0;
}

void export_del_all(struct layer *l)
{
    while (l->exports.first) {
        remove_export(l, l->exports.first);
    }
}

/* Checked in QEMU's order. */
static int find_node(struct layer *l, const json_t *args, struct node **out, int *iothread,
                     struct error *err)
{
    const char *id = args_str(args, "id"), *name = args_str(args, "iothread");
    if (!text_is_identifier(id)) {
        return error_set(err, -EINVAL, "Invalid block export id");
    }
    if (find(l, id)) {
        return error_set(err, -EEXIST, "Block export id '%s' is already in use", id);
    }
    *out = layer_lookup(l, NULL, args_str(args, "node-name"), err);
    if (!*out) {
        return -ENODEV;
    }
    if (args_is_true(args, "writable") && (*out)->flags.read_only) {
        return error_set(err, -EROFS, "Cannot export read-only node as writable");
    }
    *iothread = name ? sim_iothread_find(l->sim, name) : (int)(*out)->iothread;
    return *iothread < 0 ? error_set(err, -ENOENT, "iothread \"%s\" not found", name) : 0;
}

/* ---- Dirty bitmaps ---- */

/* A bitmap that only has a name is that of the node, or of the first below it that has one. */
static int find_in_chain(const struct node *n, const char *name, bool writable,
                         struct dirty_bitmap **out, struct error *err)
{
    struct dirty_bitmap *b = NULL;
    while (n && !b) {
        bool filter = n->drv->traits & DRV_FILTER;
        const struct child *below = filter ? node_filtered(n) : node_backing(n);
        b = bitmap_find(n, name);
        n = below ? below->node : NULL;
    }
    if (!b) {
        return error_set(err, -ENOENT, "Bitmap '%s' is not found", name);
    }
    *out = b;
    if (!writable && !bitmap_node(b)->flags.read_only && bitmap_is_enabled(b)) {
        return error_set(err, -EINVAL, "Enabled bitmap '%s' incompatible with readonly export",
                         name);
    }
    return 0;
}

/* All are looked at before the first is held: one may be there twice. */
static int take_bitmaps(struct export *e, struct node *n, const json_t *list, bool writable,
                        struct error *err)
{
    size_t len = json_array_size(list);
    struct dirty_bitmap **found = NEW_ARRAY(struct dirty_bitmap *, len + 1);
    int ret = 0;
    for (size_t i = 0; i < len && ret == 0; i++) {
        const json_t *one = json_array_get(list, i);
        ret = json_is_string(one)
                  ? find_in_chain(n, json_string_value(one), writable, &found[i], err)
                  : bitmap_lookup(n->layer, args_str(one, "node"), args_str(one, "name"),
                                  &found[i], err);
        ret = ret < 0 ? ret : bitmap_check(found[i], BITMAP_CHECK_ALLOW_RO, err);
    }
    if (ret < 0) {
        free(found);
        return ret;
    }
    for (size_t i = 0; i < len; i++) {
        node_ref(bitmap_node(found[i]))->held++;
        bitmap_set_exported(found[i], true);
    }
    e->bitmaps = found;
    e->bitmaps_len = len;
    return 0;
}

static int check_nbd(const struct layer *l, const char *name, struct error *err)
{
    if (!l->exports.nbd_runs) {
        return error_set(err, -EINVAL, "NBD server not running");
    }
    if (find_name(l, name)) {
        return error_set(err, -EEXIST, "NBD server already has export named '%s'", name);
    }
    return 0;
}

static int insert(struct export *e, struct node *n, bool writable, struct error *err)
{
    uint32_t used = PERM_CONSISTENT_READ | (writable ? PERM_WRITE : 0u);
    e->backend = backend_create(n->layer, NULL, (struct perm_pair){ used, PERM_ALL });
    backend_ref(e->backend);
    backend_attach(e->backend, &client, e);
    int ret = backend_set_iothread(e->backend, n->iothread, err);
    CHECK(ret == 0); /* Without a medium it just goes. */
    return backend_insert(e->backend, n, err);
}

/* Clients were told how long the node is. */
static int keep_length(struct export *e, struct error *err)
{
    struct perm_pair perm = backend_perm(e->backend);
    perm.shared &= ~(uint32_t)PERM_RESIZE;
    return backend_set_perm(e->backend, perm, err);
}

int export_add(struct layer *l, const json_t *args, struct error *err)
{
    struct node *n = NULL;
    int iothread = 0;
    int ret = find_node(l, args, &n, &iothread, err);
    if (ret < 0) {
        return ret;
    }
    const char *name = args_str(args, "name") ? args_str(args, "name") : n->name;
    if ((uint32_t)iothread != n->iothread) {
        bool must = args_is_true(args, "fixed-iothread");
        ret = node_set_iothread(n, (uint32_t)iothread, must ? err : NULL);
        ret = must ? ret : 0;
    }
    if (ret < 0) {
        return ret;
    }
    struct export *e = NEW(struct export);
    e->id = mem_strdup(args_str(args, "id"));
    e->type = mem_strdup(args_str(args, "type"));
    e->name = mem_strdup(name);
    e->fixed_iothread = args_is_true(args, "fixed-iothread");
    ret = insert(e, n, args_is_true(args, "writable"), err);
    ret = ret < 0 ? ret : check_nbd(l, name, err);
    ret = ret < 0 ? ret : keep_length(e, err);
    if (ret == 0) {
        const json_t *bitmaps = json_object_get(args, "bitmaps");
        ret = take_bitmaps(e, n, bitmaps, args_is_true(args, "writable"), err);
    }
    if (ret < 0) {
        export_free(e);
        return ret;
    }
    backend_set_writeback(e->backend, !args_is_true(args, "writethrough"));
    link_export(&l->exports, e);
    return 0;
}

/* ---- The NBD server ---- */

int export_nbd_start(struct layer *l, const json_t *args, struct error *err)
{
    const char *creds = args_str(args, "tls-creds");
    if (l->exports.nbd_runs) {
        return error_set(err, -EBUSY, "NBD server already running");
    }
    if (creds) {
        return error_set(err, -ENOENT, "No TLS credentials with id '%s'", creds);
    }
    l->exports.nbd_runs = true;
    return 0;
}

int export_nbd_stop(struct layer *l, struct error *err)
{
    if (!l->exports.nbd_runs) {
        return error_set(err, -EINVAL, "NBD server not running");
    }
    export_del_all(l);
    l->exports.nbd_runs = false;
    return 0;
}
