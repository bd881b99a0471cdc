/* SPDX-License-Identifier: MIT */
/* The schema of the results database.
 *
 * 1. Every table has a natural key and no row number, so the order of writing leaves no mark and
 *    the files of two machines merge with INSERT OR IGNORE.
 * 2. `run` holds what is the same on every machine.  Host time is in `duration` alone.
 * 3. A seed is the 64 bits as SQLite's signed integer; printf('%u', seed) shows it unsigned.  A
 *    hash is 16 hex digits of text.
 * 4. `variant` gets rows only when a key was run twice with different outcomes: v_flaky must be
 *    empty.
 * 5. A new format is a step behind the older ones: a new file is made by all of them in order, an
 *    older one by those it has not seen, and both are the same then.
 *
 * A run on a real QEMU, or beside one, has a build of its own: its id stands for both programs, and
 * `reference` names the other one, "qemu 7.2.22".
 */
#include "reports/sqlite.h"

#define KEY_COLUMNS                                                                                \
    "build TEXT NOT NULL, case_id TEXT NOT NULL, params TEXT NOT NULL, seed INTEGER NOT NULL, "    \
    "explore TEXT NOT NULL, "
#define KEY "build, case_id, params, seed, explore"
#define VERDICT                                                                                    \
    "verdict TEXT NOT NULL CHECK (verdict IN ('pass', 'fail', 'crash', 'hang', 'skip', 'quirk', "  \
    "'nondet'))"
#define LOG_COLUMNS                                                                                \
    "n INTEGER NOT NULL, statement INTEGER NOT NULL, line INTEGER NOT NULL, "                      \
    "virt_ns INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, "

static const char *const format_1[] = {
    /* A program that made results: a content hash of its file. */
    "CREATE TABLE build (id TEXT PRIMARY KEY, version TEXT NOT NULL, compiler TEXT NOT NULL)"
    " STRICT, WITHOUT ROWID",

    "CREATE TABLE run (" KEY_COLUMNS VERDICT ", signature TEXT NOT NULL, virt_ns INTEGER NOT NULL,"
    " steps INTEGER NOT NULL, trace_hash TEXT NOT NULL, PRIMARY KEY (" KEY ")"
    ") STRICT, WITHOUT ROWID",

    /* Which script a run came from, and a hash of that script. */
    "CREATE TABLE origin (" KEY_COLUMNS "file TEXT NOT NULL, script TEXT NOT NULL,"
    " PRIMARY KEY (" KEY ")) STRICT, WITHOUT ROWID",

    /* What a person reads about a run that did not simply pass. */
    "CREATE TABLE detail (" KEY_COLUMNS "oracle TEXT NOT NULL, message TEXT NOT NULL,"
    " line INTEGER NOT NULL, col INTEGER NOT NULL, source TEXT NOT NULL, repeat TEXT NOT NULL,"
    " PRIMARY KEY (" KEY ")) STRICT, WITHOUT ROWID",

    "CREATE TABLE duration (" KEY_COLUMNS "host_ns INTEGER NOT NULL, PRIMARY KEY (" KEY ")"
    ") STRICT, WITHOUT ROWID",

    /* One row a bug, described by the failed run with the smallest key. */
    "CREATE TABLE failure (signature TEXT PRIMARY KEY, oracle TEXT NOT NULL, site TEXT NOT NULL,"
    " text TEXT NOT NULL, repeat TEXT NOT NULL, " KEY_COLUMNS
    "file TEXT NOT NULL, line INTEGER NOT NULL) STRICT, WITHOUT ROWID",

    "CREATE TABLE variant (" KEY_COLUMNS VERDICT ", trace_hash TEXT NOT NULL,"
    " PRIMARY KEY (" KEY ", verdict, trace_hash)) STRICT, WITHOUT ROWID",

    /* The log of failed runs, or of all with --log all; n counts both tables together. */
    "CREATE TABLE step (" KEY_COLUMNS LOG_COLUMNS "PRIMARY KEY (" KEY ", n)"
    ") STRICT, WITHOUT ROWID",
    "CREATE TABLE event (" KEY_COLUMNS LOG_COLUMNS "PRIMARY KEY (" KEY ", n)"
    ") STRICT, WITHOUT ROWID",

    "CREATE INDEX run_by_signature ON run (signature) WHERE signature <> ''",

    "CREATE VIEW v_failures AS SELECT r.build, f.signature, f.oracle, f.site, count(*) AS runs,"
    " count(DISTINCT r.case_id) AS cases, f.file || ':' || f.line AS place, f.text, f.repeat"
    " FROM failure f JOIN run r ON r.signature = f.signature"
    " AND r.verdict IN ('fail', 'crash', 'hang', 'nondet')"
    " GROUP BY r.build, f.signature ORDER BY r.build, runs DESC, f.signature",

    "CREATE VIEW v_flaky AS SELECT " KEY ", count(*) AS outcomes,"
    " group_concat(verdict || ' ' || trace_hash, ', ') AS seen FROM variant GROUP BY " KEY
    " UNION ALL SELECT " KEY ", 1, verdict || ' ' || trace_hash FROM run r"
    " WHERE verdict = 'nondet' AND NOT EXISTS (SELECT 1 FROM variant v WHERE v.build = r.build"
    " AND v.case_id = r.case_id AND v.params = r.params AND v.seed = r.seed"
    " AND v.explore = r.explore)",

    "CREATE VIEW v_slow AS SELECT d.host_ns / 1000000 AS host_ms, r.virt_ns / 1000000 AS virt_ms,"
    " r.steps, r.case_id, r.params, printf('%u', r.seed) AS seed, r.explore, r.verdict, r.build"
    " FROM run r JOIN duration d USING (" KEY ") ORDER BY d.host_ns DESC, r.case_id, r.params,"
    " r.seed, r.explore",
    NULL,
};

/* Counts of rows of `diff`.  Row 0 of a case is its end: no statement, but it can differ. */
#define COUNTS                                                                                     \
    " count(*) FILTER (WHERE d.statement > 0) AS statements,"                                      \
    " count(*) FILTER (WHERE d.statement > 0 AND d.verdict <> 'skipped') AS comparable,"           \
    " count(*) FILTER (WHERE d.statement > 0 AND d.verdict = 'same') AS agreed,"                   \
    " count(*) FILTER (WHERE d.verdict = 'quirk') AS quirks,"                                      \
    " count(*) FILTER (WHERE d.verdict = 'differs') AS differing,"                                 \
    " count(*) FILTER (WHERE d.verdict = 'aborts') AS aborts"
#define FROM_DIFF " FROM diff d JOIN build b ON b.id = d.build"

static const char *const format_2[] = {
    /* The hash of blksim alone, and the program it ran on or was compared with; "" without one. */
    "ALTER TABLE build ADD COLUMN program TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE build ADD COLUMN reference TEXT NOT NULL DEFAULT ''",

    /* A statement beside its twin on the reference. */
    "CREATE TABLE diff (" KEY_COLUMNS "n INTEGER NOT NULL, statement INTEGER NOT NULL,"
    " line INTEGER NOT NULL, command TEXT NOT NULL, driver TEXT NOT NULL,"
    " verdict TEXT NOT NULL CHECK (verdict IN ('same', 'differs', 'quirk', 'aborts', 'skipped')),"
    " detail TEXT NOT NULL, PRIMARY KEY (" KEY ", n)) STRICT, WITHOUT ROWID",

    "CREATE VIEW v_agreement AS SELECT b.reference, d.build, d.command," COUNTS FROM_DIFF
    " GROUP BY d.build, d.command ORDER BY b.reference, d.build, d.command",

    "CREATE VIEW v_agreement_driver AS SELECT b.reference, d.build, d.driver," COUNTS FROM_DIFF
    " GROUP BY d.build, d.driver ORDER BY b.reference, d.build, d.driver",

    /* quirk_places: a quirk is one statement of a script, whatever the matrix. */
    "CREATE VIEW v_agreement_total AS SELECT b.reference, d.build," COUNTS ","
    " count(DISTINCT d.case_id) FILTER (WHERE d.statement > 0 AND d.verdict <> 'skipped') AS cases,"
    " count(DISTINCT d.case_id || ' ' || d.statement) FILTER (WHERE d.verdict = 'quirk')"
    " AS quirk_places" FROM_DIFF " GROUP BY d.build ORDER BY b.reference, d.build",

    "CREATE VIEW v_differences AS SELECT b.reference, o.file || ':' || d.line AS place, d.case_id,"
    " d.params, d.command, d.driver, d.verdict, d.detail, d.build FROM diff d"
    " JOIN build b ON b.id = d.build JOIN origin o USING (" KEY ")"
    " WHERE d.verdict IN ('differs', 'aborts') ORDER BY b.reference, d.build, o.file, d.line,"
    " d.params, d.n",

    "CREATE VIEW v_incomparable AS SELECT b.reference, d.build, d.detail AS reason,"
    " count(*) AS statements, count(DISTINCT d.case_id) AS cases" FROM_DIFF
    " WHERE d.verdict = 'skipped' AND d.statement > 0 GROUP BY d.build, d.detail"
    " ORDER BY b.reference, d.build, statements DESC, reason",
    NULL,
};

const char *const *const db_formats[] = { format_1, format_2, NULL };
