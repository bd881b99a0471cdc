/* The image files that a case leaves: ours, exported from the simulated disks, beside those that
 * QEMU wrote.  qemu-img is the judge: `check` on both, `compare`, and equal output of `map`. */
#ifndef SCENARIOS_DIFF_FILES_H
#define SCENARIOS_DIFF_FILES_H

#include "base/error.h"
#include "base/result.h"
#include "scenarios/diff/record.h"

/* Compares the files of the same name in both directories, and appends a row of r->diff with
 * statement 0, command "files", for each that differs.  qemu_img: absolute path of the program.
 * Files of more than FILES_MAX_BYTES of allocated data are left out. Returns the number of rows
 * added, or -errno with err set (the program cannot be run). */
enum { FILES_MAX_BYTES = 256 << 20 };
int files_compare(const struct record *ours, const struct record *theirs, const char *qemu_img,
                  struct result *r, struct error *err);

#endif
