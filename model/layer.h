/* One block layer: what scenarios, the shell and exports see of the model. */
#ifndef MODEL_LAYER_H
#define MODEL_LAYER_H

#include "base/error.h"
#include "model/backend.h"
#include "model/device.h"
#include "model/qmp/writer.h"
#include "model/schema.h"
#include "sim/host.h"
#include "sim/sim.h"

#include <jansson.h>

struct layer;
struct node;

/* drivers: ends with NULL; borrowed, as are sim and host. */
struct layer *layer_create(struct sim *s, struct host *h, const struct blk_driver *const *drivers);

/* [io] Tears everything down through the ordinary paths: backends, then monitor references, then
 * what is left must be nothing (checked). */
void layer_destroy(struct layer *l);

/* [io] Executes one QMP command given as bytes, as a monitor reads them: reply is a new object with
 * "return" or "error" (and "id").  Never fails otherwise. */
json_t *layer_qmp_text(struct layer *l, const char *bytes, size_t n);

/* [io] Guests that wait for the machine to run give up, and none makes a request any more: the
 * power is cut, or the end has come. */
void layer_release_guests(struct layer *l);

/* [io] Makes an image file, in a block layer of its own that is gone afterwards.  options:
 * qemu-img's -o names, values as text.  Errors: QEMU's texts. */
int layer_make_image(struct sim *s, struct host *h, const struct blk_driver *const *drivers,
                     const char *format, const char *filename, int64_t size,
                     const json_t *options, struct error *err);

/* [io] The same for a request that is a value already. */
json_t *layer_qmp(struct layer *l, const json_t *request);

/* An event, as a monitor tells it: {"timestamp": {...}, "event": NAME, "data": {...}} on one line,
 * without data where there are none.  The timestamp is virtual time. */
struct event {
    const char *name;
    const char *text;
    size_t len;  /* Of the text. */
    size_t data; /* Where in it the value of "data" begins; 0: there is none. */
};

/* Where events go; borrowed by the callback. */
void layer_on_event(struct layer *l, void (*fn)(void *opaque, const struct event *event),
                    void *opaque);

/* The value of an event's text, new. */
json_t *event_value(const char *text);

/* What stands outside of the layer and a monitor command may ask for.  Any member may be NULL. */
struct layer_hooks {
    /* [io] The human monitor's `qemu-io`.  device: as typed; with `-d` that of a frontend.  What
     * the monitor says goes to out, lines ending in \r\n; what qemu-io prints goes elsewhere, as
     * QEMU's does.  NULL: there is no human monitor. */
    void (*qemu_io)(void *opaque, const char *device, bool frontend, const char *command,
                    struct strbuf *out);
    /* [ctl] `quit`.  NULL: it cannot be quit. */
    void (*quit)(void *opaque);
    void *opaque;
};
void layer_set_hooks(struct layer *l, const struct layer_hooks *hooks);

/* An iothread, as `-object iothread,id=NAME` makes one.  Errors: the name is taken, too many. */
int layer_add_iothread(struct layer *l, const char *name, struct error *err);

/* [io] Carries out what a command line says: -blockdev, -drive, -device, -object (model/cmdline.c).
 * Errors: QEMU's texts. */
int layer_command_line(struct layer *l, int argc, char **argv, struct error *err);

/* Where warnings go, one or more lines without the last newline. */
void layer_on_warning(struct layer *l, void (*fn)(void *opaque, const char *text), void *opaque);

/* A node that is open and not closing; NULL when there is none. */
struct node *layer_find_node(const struct layer *l, const char *name);
/* The node of a block device (the medium of a backend) or of that name; either may be NULL, as in
 * commands that take "device" and "node-name" (QEMU's bdrv_lookup_bs).  Errors: QEMU's texts. */
struct node *layer_lookup(const struct layer *l, const char *device, const char *node_name,
                          struct error *err);
const char *layer_node_name(const struct node *n);
struct backend *layer_find_backend(const struct layer *l, const char *name);

/* SHUTDOWN, with the reason that QEMU gives ("host-signal"). */
void layer_tell_shutdown(struct layer *l, const char *reason);

/* The graph as a drawing: appends a digraph in the DOT language of Graphviz.  Nodes are boxes in
 * order of creation with name, driver and length; whoever else holds one is an ellipse.  An edge
 * has its name and, in letters, what it uses and shares: r consistent-read, w write, u
 * write-unchanged, s resize.  What is frozen is red and bold. */
void layer_draw(const struct layer *l, struct strbuf *out);

/* The arguments of a command as a schema type, or NULL for an unknown command.  *known says whether
 * the command exists (one without arguments has none). */
const struct schema_type *layer_command_args(const struct layer *l, const char *name, bool *known);
/* The same without a layer, for one who only speaks to another program. */
const struct schema_type *layer_command_schema(const char *name, bool *known);
/* Names of all commands: the i-th, NULL after the last. */
const char *layer_command_name(size_t i);
const struct blk_driver *const *layer_drivers(const struct layer *l);
struct sim *layer_sim(const struct layer *l);

#endif
