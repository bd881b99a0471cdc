/* Opening images by name: what the command line, image headers and snapshots say in place of a
 * full set of options (seed 000).
 *
 *   "json:{...}"        options
 *   "prefix:rest"       the driver with that prefix parses the rest (driver.parse_filename)
 *   "path/name"         the file driver, below a format that is probed when it is not given
 */
#ifndef MODEL_OPEN_H
#define MODEL_OPEN_H

#include "base/error.h"
#include "model/driver.h"

#include <jansson.h>
#include <stdbool.h>

struct layer;
struct node;

/* A name that is parsed for its protocol, among options: for a driver's parse_filename, where a
 * child is named as the node itself was ("blkdebug:CONFIG:IMAGE"). */
#define OPEN_NAME_KEY "x-filename"

/* [io] Opens filename (may be NULL) with options (nested or with dotted keys, values as text or
 * typed; may be NULL) as QEMU's bdrv_open does for -drive, backing files and snapshots: json: and
 * protocol prefixes are resolved, a missing format is probed (and then guarded as QEMU guards raw),
 * `file` is made a child.  parent and roles: as node_open.  Options are checked by the schema;
 * the first wrong one is named.  The reference is the caller's. */
int node_open_name(struct layer *l, const char *filename, json_t *options, struct node *parent,
                   uint32_t roles, struct node **out, struct error *err);

/* [io] The same for a node without parents that gets no backing file, whatever options and image
 * say of one (node_open_backing opens it later). */
int node_open_name_alone(struct layer *l, const char *filename, json_t *options,
                         struct node **out, struct error *err);

/* Whether these first bytes are what n's format would be probed from: raw that was probed lets the
 * guest write nothing that would be taken for another format the next time. */
bool open_head_is_same(const struct node *n, const uint8_t *head, size_t size);

/* The name in full: backing relative to the image that names it, unless it is absolute or has a
 * protocol (QEMU's path_combine).  New string. */
char *name_combine(const char *base, const char *name);
/* Whether a name begins with a protocol ("nbd:..."), as QEMU's path_has_protocol. */
bool name_has_protocol(const char *name);

/* [io] Makes an image file: the file itself, then the format in it.  options: qemu-img's -o names
 * and values as text ("cluster_size": "64k"); NULL: none.  size -1: take it from the backing file.
 * Errors: QEMU's texts. */
int image_create(struct layer *l, const char *format, const char *filename, int64_t size,
                 const json_t *options, struct error *err);

#endif
