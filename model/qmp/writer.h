/* JSON as QEMU's monitor writes it: ", " and ": " between things, members in the order in which
 * they were set, everything beyond printable ASCII escaped. */
#ifndef MODEL_QMP_WRITER_H
#define MODEL_QMP_WRITER_H

#include "base/text.h"

#include <jansson.h>

/* Appends value to out. */
void qmp_write(struct strbuf *out, const json_t *value);

/* The same for what is no value yet. */
void qmp_write_text(struct strbuf *out, const char *text);
void qmp_write_integer(struct strbuf *out, int64_t value);
/* A member of an object behind its '{' or another member: its key, and for a text its value. */
void qmp_write_key(struct strbuf *out, const char *key);
void qmp_write_member(struct strbuf *out, const char *key, const char *text);

#endif
