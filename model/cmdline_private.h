/* Between the files of the command line.
 *
 *   cmdline.c    the options, in order
 *   keyval.c     "key=value,key=value" in both of QEMU's dialects
 *   drive.c      -drive;  drive_options.c  its options;  cmdline_object.c  -object
 */
#ifndef MODEL_CMDLINE_PRIVATE_H
#define MODEL_CMDLINE_PRIVATE_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct layer;

/* "key=value,...", keys dotted, ",," a comma: of -blockdev.  implied: the key of a first word
 * without '=', or NULL.  A new object of schema_put_word.  Errors: QEMU's texts. */
json_t *keyval_parse(const char *text, const char *implied, struct error *err);

/* The same in the older dialect, of -drive, -device and -object: keys are not looked into, a word
 * without '=' is "on" (or "off" behind "no"), and of several values of a key the last counts, but
 * of "id", where it is the first.  A new flat object of text. */
json_t *optstr_parse(struct layer *l, const char *text, const char *implied, struct error *err);

/* -object in words: checked ObjectOptions (model/cmdline_object.c). */
json_t *object_words_parse(struct layer *l, const char *text, struct error *err);

/* Adds the drive of these options, which are used up.  Errors: QEMU's texts. */
int drive_add(struct layer *l, json_t *options, struct error *err);

/* drive_options.c */
/* Takes a boolean; otherwise when it is not given. */
int drive_take_bool(json_t *options, const char *name, bool otherwise, bool *out,
                    struct error *err);
int drive_take_number(json_t *options, const char *name, uint64_t otherwise, uint64_t *out,
                      struct error *err);
/* The older names of options become those of today. */
int drive_rename(json_t *options, struct error *err);
/* cache=MODE becomes cache.writeback, cache.direct and cache.no-flush, where they are not given. */
int drive_expand_cache(json_t *options, struct error *err);

struct throttle_config;
/* Takes throttling.*; *group: new, NULL when not given. */
int drive_take_throttle(json_t *options, struct throttle_config *c, char **group,
                        struct error *err);

#endif
