/* Frontends: the disks, CD drives and controllers that a guest would see.
 *
 * A frontend is the one client of its backend.  It takes permissions on the medium, has a tray when
 * the medium can be taken out, and decides what becomes of failed requests (rerror, werror).
 * What exists is a table (model/device_types.c).  Names, properties and texts are QEMU's.
 */
#ifndef MODEL_DEVICE_H
#define MODEL_DEVICE_H

#include "base/error.h"
#include "model/backend.h"

#include <jansson.h>

struct device;
struct layer;

/* [io] A device of the command line: the machine does not run yet.  args: "driver" and its
 * properties, values as text or typed.  Errors: QEMU's texts. */
int device_add(struct layer *l, const json_t *args, struct error *err);
/* [io] The same while the machine is there (device_add of the monitor): buses that cannot be
 * plugged into refuse. */
int device_plug(struct layer *l, const json_t *args, struct error *err);

/* By id, or by its path in QOM; NULL when there is none. */
struct device *device_find(const struct layer *l, const char *id);
/* NULL for a controller. */
struct backend *device_backend(const struct device *d);

/* [io] All that are left, when the layer goes. */
void device_destroy_all(struct layer *l);

#endif
