/* The human monitor, as far as it concerns block devices: lines in, text out (QEMU docs/system/
 * monitor; behaviour of the installed 7.2 program). */
#ifndef MODEL_QMP_HMP_H
#define MODEL_QMP_HMP_H

#include "base/text.h"

struct layer;

/* [io] Runs one line; what the monitor prints is appended to out, lines ending in CR LF.  Like
 * QEMU's it never fails: what is wrong is told. */
void hmp_run(struct layer *l, const char *line, struct strbuf *out);

#endif
