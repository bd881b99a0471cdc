/* `blksim diff --learn`: scripts rewritten from what the reference answers. */
#ifndef APP_LEARN_H
#define APP_LEARN_H

#include "app/reference.h"
#include "app/select.h"

/* Runs all units of the selection on the reference and rewrites the files of their scripts; prints
 * what could not be written and a line for each file.  Returns the exit code. */
int learn_run(const struct reference *ref, struct selection *s);

#endif
