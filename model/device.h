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
/* [io] device_del.  id: or its path.  A disk on a SCSI bus goes at once.  What sits on the PCI bus
 * goes when the guest lets it go: at once while it runs, else when it does, or with a reset. */
int device_unplug(struct layer *l, const char *id, struct error *err);
/* [ctl] Whether a frontend is in that iothread, with or without a medium. */
bool device_uses_iothread(const struct layer *l, uint32_t iothread);
/* [ctl] All trays close, and nothing is told of it: a reset. */
void device_close_trays(struct layer *l);
/* [io] The guest answers: what was asked to go goes. */
void device_finish_unplug(struct layer *l);

/* By id, or by its path in QOM; NULL when there is none. */
struct device *device_find(const struct layer *l, const char *id);
/* For those who may still call it when it has gone: requests fail with -ENODEV then. */
struct device *device_ref(struct device *d);
void device_unref(struct device *d);

/* NULL for a controller, and for one that is gone. */
struct backend *device_backend(const struct device *d);
/* The same of what device_find found by that id: what uses a virtio disk's backend is the device
 * inside it, which only its path leads to.  NULL also for the outer one. */
struct backend *device_backend_of_id(const struct device *d, const char *id);

/* What the block commands need of the client of a backend. */
struct device_view {
    const char *id;  /* As messages and queries have it: id, or path in QOM. */
    bool removable;  /* Its medium can be taken out; it has a tray then. */
    bool tray_open;
};
/* False when no frontend is attached to it. */
bool device_view_of(const struct backend *b, struct device_view *out);
/* [ctl] Moves the tray of b's frontend, and tells (DEVICE_TRAY_MOVED) when that changes anything.
 * Checked: it has one. */
void device_move_tray(struct backend *b, bool open);

/* [io] A guest's request: waits until the machine runs, goes to the medium, and when it fails what
 * rerror and werror say is done.  watch: as backend_request, told of each attempt.
 * -ENOMEDIUM, -EROFS, -ENODEV, -EINVAL for what is no whole number of logical blocks. */
int device_request(struct device *d, struct io_req *req, const struct backend_watch *watch);

/* [io] All that are left, when the layer goes. */
void device_destroy_all(struct layer *l);

#endif
