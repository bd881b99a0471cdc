/* The streaming JSON reader of a QMP monitor.
 *
 * It takes bytes as they come and gives values out.  What QEMU's reader does beyond JSON: strings
 * in single quotes, integers up to 2^64-1, limits on depth, tokens and bytes, "Expecting ..." and
 * "JSON parse error, ..." messages, and recovery after an error at the next complete value.
 * (QEMU docs/interop/qmp-spec.txt, section 2; behaviour of the installed 7.2 program.)
 */
#ifndef MODEL_QMP_READER_H
#define MODEL_QMP_READER_H

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>

struct qmp_reader;

/* fn is called once a value or an error is complete.  value: borrowed, NULL on error.  Integers
 * beyond int64 become jansson reals: no command takes a number that large, and they fail the check
 * of an integer with QEMU's text. */
typedef void qmp_reader_fn(void *opaque, json_t *value, const struct error *err);

struct qmp_reader *qmp_reader_create(qmp_reader_fn *fn, void *opaque);
void qmp_reader_destroy(struct qmp_reader *r);
void qmp_reader_feed(struct qmp_reader *r, const char *bytes, size_t n);
/* The same up to the byte with which a value or an error is complete (one byte may complete two);
 * returns how many bytes were taken. */
size_t qmp_reader_feed_one(struct qmp_reader *r, const char *bytes, size_t n);
/* The end of input: an unfinished value is an error. */
void qmp_reader_finish(struct qmp_reader *r);

/* One value from a complete text; NULL with err set otherwise. */
json_t *qmp_read_text(const char *bytes, size_t n, struct error *err);

#endif
