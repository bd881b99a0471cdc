/* The real QEMU that a run uses: which program, of which version. */
#ifndef APP_REFERENCE_H
#define APP_REFERENCE_H

#include "app/options.h"
#include "base/error.h"
#include "scenarios/run.h"

/* Options of a subcommand that reference_read reads. */
#define REFERENCE_OPTIONS(help)                                                                    \
    { "target", 0, "NAME", false, help },                                                          \
    { "qemu-prefix", 0, "DIR", false,                                                              \
      "Folder of the QEMU to use: a build tree, or what it is installed below. Without it, the "   \
      "programs are those of PATH." }

struct reference {
    enum run_target target; /* RUN_ON_SIM: there is none, and all below is NULL. */
    const char *prefix;     /* Borrowed. */
    const char *program;    /* "qemu-system-x86_64" */
    char *path;             /* Of the program; NULL: it is not there. */
    char *image_tool;       /* Of qemu-img; the same. */
    char *version;          /* "7.2.22" */
    char *name;             /* "qemu 7.2.22" */
    char *missing;          /* What a case is skipped with when something is not there; NULL. */
};

/* Reads --target (deflt without it; the names are sim, qemu, qsd; sim only where it is the
 * default) and --qemu-prefix.  What is wrong is complained about.  Returns APP_OK or APP_USAGE;
 * reference_close in any case. */
int reference_read(struct reference *ref, const struct options *o, const char *deflt);
/* Finds the programs.  What is missing is no error unless the prefix was given.  Returns APP_OK, or
 * APP_ENVIRONMENT after a complaint. */
int reference_open(struct reference *ref);
void reference_close(struct reference *ref);

/* "sim", "qemu", "qsd": as --target has it. */
const char *reference_target_name(const struct reference *ref);

/* Makes r the skipped result of a unit when the programs are missing. */
bool reference_skips(const struct reference *ref, const struct unit *u, struct result *r);

/* Sets what a run on the reference needs. */
void reference_configure(const struct reference *ref, struct run_config *run);

/* Stands for this program, what it does (mode), and the reference's program: 16 hex digits, a new
 * string.  own: the hash of this program.  NULL with err set. */
char *reference_hash(const struct reference *ref, const char *mode, const char *own,
                     struct error *err);

#endif
