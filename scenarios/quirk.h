/* Conditions of quirks: which versions of a reference an expectation is about.
 *
 * A condition is `qemu`, one of < <= = >= >, and a version of one to QUIRK_PARTS_MAX numbers.  A
 * version is compared by as many parts as the condition gives, so qemu=7.2 and qemu<=7.2 hold for
 * all 7.2.x; a part that a version has not is 0. */
#ifndef SCENARIOS_QUIRK_H
#define SCENARIOS_QUIRK_H

#include "base/error.h"

#include <stdbool.h>

enum { QUIRK_PARTS_MAX = 4, QUIRK_PART_MAX = 999999 };

/* Whether text is a condition that some version meets.  Errors: -EINVAL saying what is wrong. */
int quirk_check(const char *condition, struct error *err);

/* Whether a version meets a condition; false when the condition is none, or the version is not
 * known.  version: as the program tells it, what follows its numbers does not count:
 * "7.2.22 (Debian ...)", "9.1.50-rc1"; NULL: not known. */
bool quirk_matches(const char *condition, const char *version);

/* Whether a version can meet both; false when one of them is none. */
bool quirk_overlap(const char *a, const char *b);

#endif
