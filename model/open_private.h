/* Between the files of model/open*.c.
 *
 *   open.c          node_open_name: which driver, which children, in which order
 *   open_options.c  flat options: dotted keys, "json:", what lies below a key
 *   open_type.c     values of the command line, given as text, to those of the driver's table
 *   open_probe.c    which format is it
 *   open_nbd.c      "nbd:..." to options
 *   open_names.c    names of files: protocols, relative names
 *
 * Options are flat here: a JSON object whose keys have dots and whose values are scalars, but for
 * empty objects and lists.
 */
#ifndef MODEL_OPEN_PRIVATE_H
#define MODEL_OPEN_PRIVATE_H

#include "base/error.h"
#include "model/open.h"

#include <jansson.h>

struct layer;
struct node;

enum { OPEN_DEPTH_MAX = 256, OPEN_OPTIONS_MAX = 4096, OPEN_PROBE_BYTES = 2048 };

/* New flat options.  Errors: too deep, too many. */
json_t *options_flatten(const json_t *options, struct error *err);
/* Takes out what lies below "name." and returns it without that prefix: new, maybe empty. */
json_t *options_take_below(json_t *flat, const char *name);
/* Takes out the option itself: a new reference, or NULL. */
json_t *options_take(json_t *flat, const char *name);
/* Nested again: what has only indices below it is an array.  What is below a scalar is dropped, so
 * that is for the caller to refuse before.  New. */
json_t *options_nest(const json_t *flat);
/* The options of "json:{...}", flat and new.  Errors: QEMU's texts. */
json_t *options_of_json_name(const char *name, struct error *err);
/* The text of a scalar as QEMU's options have it, or NULL. */
const char *options_str(const json_t *flat, const char *name);

/* Takes what the node's driver knows out of flat and puts it, typed, into out (BlockdevOptions).
 * Children stay as they are: text is a reference, and an object is options.  What is left in flat
 * is not known.  Errors: QEMU's texts. */
int options_type(const struct layer *l, const struct blk_driver *drv, json_t *flat, json_t *out,
                 struct error *err);

/* [io] The format of what n holds, from its first bytes; raw when no other says it is its own. */
int open_probe(struct layer *l, struct node *n, const char *filename,
               const struct blk_driver **drv, struct error *err);
/* The format that these first bytes are of, raw included; for the guard of raw. */
const struct blk_driver *open_probe_bytes(const struct layer *l, const uint8_t *head, size_t size,
                                          const char *filename);

/* A name of the nbd driver to its options, in flat.  Errors: QEMU's texts. */
int nbd_parse_name(const char *name, json_t *flat, struct error *err);

#endif
