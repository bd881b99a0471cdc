/* The results database: one SQLite file that all other formats can be made from.
 *
 * DESIGN section 7.  The schema and what its columns mean is in reports/sqlite_schema.c.  Rows are
 * written in batches, each in one short transaction, so that several programs can share a file and
 * a killed one loses at most the last second.
 */
#ifndef REPORTS_SQLITE_H
#define REPORTS_SQLITE_H

#include "reports/report.h"

enum {
    DB_APPLICATION_ID = 0x424C4B53, /* "BLKS" */
    DB_USER_VERSION = 2,
    DB_BATCH = 256,                 /* Results a transaction. */
    DB_BUSY_WAIT_MS = 2000,         /* How long a lock of another program is waited for. */
};

struct report_build {
    const char *id;       /* Content hash of the program, 16 hex digits. */
    const char *version;  /* "blksim 0.1" */
    const char *compiler;
    const char *program;   /* Content hash of blksim alone; id stands for the reference too. */
    const char *reference; /* "qemu 7.2.22"; "": there is none. */
    bool keep_restored;    /* Rows of restored results are written too: they come from elsewhere. */
};

/* Opens or creates.  An older format is brought up to this one.  Nothing is changed in a file that
 * is not ours, or newer than this program.  path ":memory:": in memory alone.
 * Errors: -EINVAL (not ours, newer), -EBUSY (locked), -ENOSPC, -EACCES, -EIO; all name the path. */
struct report *report_sqlite_create(const char *path, const struct report_build *build,
                                    struct error *err);

/* Opens a database to be read: for report_sqlite_db alone.  The same errors. */
struct report *report_sqlite_open(const char *path, struct error *err);

/* The connection, for queries.  What waits to be written is not in it yet: see end. */
struct sqlite3 *report_sqlite_db(struct report *r);

/* Fills res with the stored run of its key (case_id, params, seed, explore, script_hash) and this
 * build, and marks it restored.  1 when there is one that need not be repeated: skipped runs always
 * are, as the machine may have changed.  0 when there is none.  Errors: -EIO. */
int report_sqlite_restore(struct report *r, struct result *res, struct error *err);

/* The statements that make each format from the one before, the first from an empty file; all
 * lists end with NULL. */
extern const char *const *const db_formats[];

#endif
