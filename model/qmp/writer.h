/* JSON as QEMU's monitor writes it: ", " and ": " between things, members in the order in which
 * they were set, everything beyond printable ASCII escaped. */
#ifndef MODEL_QMP_WRITER_H
#define MODEL_QMP_WRITER_H

#include "base/text.h"

#include <jansson.h>

/* Appends value to out. */
void qmp_write(struct strbuf *out, const json_t *value);

#endif
