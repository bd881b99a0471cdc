/* Block exports: users of nodes that stand for clients elsewhere.
 *
 * An export holds a backend on its node, and with it the permissions: it keeps the node from being
 * deleted and from being resized, and shares what QEMU's exports share.  Its transport is null: no
 * client can connect.  Nor does the NBD server listen: it is started or not, and exports of type
 * nbd go when it stops.
 */
#ifndef MODEL_EXPORT_H
#define MODEL_EXPORT_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct layer;
struct export;

struct exports {
    struct export *first, *last; /* In order of addition. */
    bool nbd_runs;
};

struct export_view {
    const char *id, *type, *node_name;
};

/* [io] args: BlockExportOptions, checked.  Errors: QEMU's texts. */
int export_add(struct layer *l, const json_t *args, struct error *err);
/* [io] Emits BLOCK_EXPORT_DELETED.  Errors: "Export 'x' is not found". */
int export_del(struct layer *l, const char *id, struct error *err);
/* The i-th, the newest first; false after the last. */
bool export_at(const struct layer *l, size_t i, struct export_view *out);
/* [io] All of them, when the layer goes. */
void export_del_all(struct layer *l);

int export_nbd_start(struct layer *l, const json_t *args, struct error *err);
/* [io] Its exports go, the oldest first. */
int export_nbd_stop(struct layer *l, struct error *err);

#endif
