/* SPDX-License-Identifier: MIT */
/* Writing results to SQLite.
 *
 * A result waits in memory in its packed form until a batch is full, a tick comes or the run ends;
 * then all that wait are written in one transaction.  So the file is locked for milliseconds.
 *
 * 1. Nothing is written to a file before it is known to be ours: check_identity.
 * 2. A failed batch is rolled back whole, and the error says how many results it held.
 * 3. A key written twice keeps its last row; when the outcomes differ, both go to `variant`.
 */
#include "reports/sqlite.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum sql {
    SQL_FIND_RUN,
    SQL_FIND_DETAIL,
    SQL_RUN,
    SQL_ORIGIN,
    SQL_DETAIL,
    SQL_DURATION,
    SQL_FAILURE,
    SQL_VARIANT_OLD,
    SQL_VARIANT_NEW,
    SQL_DROP_STEPS,
    SQL_DROP_EVENTS,
    SQL_DROP_DETAIL,
    SQL_STEP,
    SQL_EVENT,
    SQL_FIND_DIFF,
    SQL_DROP_DIFF,
    SQL_DIFF,
    SQLS
};

#define WHERE_KEY                                                                                  \
    " WHERE build = ?1 AND case_id = ?2 AND params = ?3 AND seed = ?4 AND explore = ?5"

/* In every statement ?1 to ?5 are the key. */
static const char *const sql_text[SQLS] = {
    [SQL_FIND_RUN] = "SELECT r.verdict, r.signature, r.virt_ns, r.steps, r.trace_hash, o.file,"
                     " o.script FROM run r JOIN origin o USING (build, case_id, params, seed,"
                     " explore)" WHERE_KEY,
    [SQL_FIND_DETAIL] = "SELECT oracle, message, line, col, source, repeat FROM detail" WHERE_KEY,
    [SQL_RUN] = "INSERT OR REPLACE INTO run VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [SQL_ORIGIN] = "INSERT OR REPLACE INTO origin VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [SQL_DETAIL] = "INSERT OR REPLACE INTO detail VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,"
                   " ?10, ?11)",
    [SQL_DURATION] = "INSERT OR REPLACE INTO duration VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [SQL_FAILURE] = "INSERT INTO failure VALUES (?6, ?7, ?8, ?9, ?10, ?1, ?2, ?3, ?4, ?5, ?11, ?12)"
                    " ON CONFLICT (signature) DO UPDATE SET oracle = excluded.oracle,"
                    " site = excluded.site, text = excluded.text, repeat = excluded.repeat,"
                    " build = excluded.build, case_id = excluded.case_id,"
                    " params = excluded.params, seed = excluded.seed, explore = excluded.explore,"
                    " file = excluded.file, line = excluded.line"
                    " WHERE (excluded.build, excluded.case_id, excluded.params, excluded.seed,"
                    " excluded.explore) <= (failure.build, failure.case_id, failure.params,"
                    " failure.seed, failure.explore)",
    [SQL_VARIANT_OLD] = "INSERT OR IGNORE INTO variant SELECT build, case_id, params, seed,"
                        " explore, verdict, trace_hash FROM run" WHERE_KEY
                        " AND (verdict <> ?6 OR trace_hash <> ?7)",
    [SQL_VARIANT_NEW] = "INSERT OR IGNORE INTO variant VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [SQL_DROP_STEPS] = "DELETE FROM step" WHERE_KEY,
    [SQL_DROP_EVENTS] = "DELETE FROM event" WHERE_KEY,
    [SQL_DROP_DETAIL] = "DELETE FROM detail" WHERE_KEY,
    [SQL_STEP] = "INSERT INTO step VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [SQL_EVENT] = "INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [SQL_FIND_DIFF] = "SELECT statement, line, command, driver, verdict, detail FROM diff" WHERE_KEY
                      " ORDER BY n",
    [SQL_DROP_DIFF] = "DELETE FROM diff" WHERE_KEY,
    [SQL_DIFF] = "INSERT INTO diff VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
};

struct packed {
    void *bytes;
    size_t n;
};

struct sqlite_report {
    struct report report;
    char *path, *build;
    char *reference;
    bool keep_restored;
    sqlite3 *db;
    sqlite3_stmt *stmt[SQLS];
    bool log_all;
    struct packed batch[DB_BATCH];
    size_t batch_len;
};

static struct sqlite_report *of(struct report *r)
{
    return (struct sqlite_report *)r;
}

/* The errno behind the last failure, 0 when none is known.  What writing the file ran into is kept
 * beside the file. */
static int last_errno(sqlite3 *db)
{
    int file = 0, sys = db ? sqlite3_system_errno(db) : 0;
    if (db && sqlite3_file_control(db, "main", SQLITE_FCNTL_LAST_ERRNO, &file) != SQLITE_OK) {
        file = 0;
    }
    return file ? file : sys;
}

/* What a person can do about a failure of SQLite. */
static int set_db_error(sqlite3 *db, const char *path, int rc, const char *doing,
                        struct error *err)
{
    CHECK(rc != SQLITE_OK);
    int sys = last_errno(db);
    switch (rc & 0xff) {
    case SQLITE_NOTADB:
        return error_set(err, -EINVAL, "'%s' is not an SQLite database; nothing was changed in it",
                         path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return error_set(err, -EBUSY, "Database '%s' is locked by another program", path);
    case SQLITE_FULL:
        return error_set(err, -ENOSPC, "No space for database '%s' (%s): %s", path, doing,
                         "disk or quota is full");
    case SQLITE_READONLY:
        return error_set(err, -EACCES, "Database '%s' cannot be written", path);
    case SQLITE_CANTOPEN:
        return error_set(err, -EACCES, "Cannot open database '%s'%s%s", path, sys ? ": " : "",
                         sys ? error_strerror(sys) : "");
    default:
        return error_set(err, sys == ENOSPC || sys == EFBIG ? -ENOSPC : -EIO,
                         "Database '%s' failed (%s): %s%s%s", path, doing, sqlite3_errmsg(db),
                         sys ? ": " : "", sys ? error_strerror(sys) : "");
    }
}

static int exec(struct sqlite_report *s, const char *sql, const char *doing, struct error *err)
{
    int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : set_db_error(s->db, s->path, rc, doing, err);
}

/* The one integer that a query gives. */
static int query_int(struct sqlite_report *s, const char *sql, int64_t *value, struct error *err)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(st);
    }
    if (rc == SQLITE_ROW) {
        *value = sqlite3_column_int64(st, 0);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(st);
    return rc == SQLITE_OK ? 0 : set_db_error(s->db, s->path, rc, "reading", err);
}

/* Tells a new database from ours and from all others.  *format: 0 when it is empty. */
static int check_identity(struct sqlite_report *s, int64_t *format, struct error *err)
{
    int64_t id = 0, version = 0, objects = 0;
    int ret = query_int(s, "SELECT count(*) FROM sqlite_schema", &objects, err);
    ret = ret ? ret : query_int(s, "PRAGMA application_id", &id, err);
    ret = ret ? ret : query_int(s, "PRAGMA user_version", &version, err);
    if (ret) {
        return ret;
    }
    *format = version;
    if (id == 0 && version == 0 && objects == 0) {
        return 0;
    }
    if (id != DB_APPLICATION_ID) {
        return error_set(err, -EINVAL,
                         "'%s' is a database of another program (application_id 0x%08" PRIx32
                         "); nothing was changed in it", s->path, (uint32_t)id);
    }
    if (version < 1 || version > DB_USER_VERSION) {
        return error_set(err, -EINVAL,
                         "Database '%s' has format %" PRId64 " and this program knows format %d; "
                         "nothing was changed in it", s->path, version, DB_USER_VERSION);
    }
    return 0;
}

/* Brings a file of an older format, 0 for an empty one, up to ours. */
static int create_schema(struct sqlite_report *s, int64_t format, struct error *err)
{
    char pragmas[96];
    int ret = 0;
    for (size_t f = (size_t)format; db_formats[f]; f++) {
        for (size_t i = 0; db_formats[f][i] && !ret; i++) {
            ret = exec(s, db_formats[f][i], "creating tables", err);
        }
    }
    snprintf(pragmas, sizeof(pragmas), "PRAGMA application_id = %d; PRAGMA user_version = %d",
             DB_APPLICATION_ID, DB_USER_VERSION);
    return ret ? ret : exec(s, pragmas, "creating tables", err);
}

static int insert_build(struct sqlite_report *s, const struct report_build *build,
                        struct error *err)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(s->db, "INSERT OR IGNORE INTO build VALUES (?1, ?2, ?3, ?4, ?5)",
                                -1, &st, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(st, 1, build->id, -1, SQLITE_STATIC);
        sqlite3_bind_text(st, 2, build->version, -1, SQLITE_STATIC);
        sqlite3_bind_text(st, 3, build->compiler, -1, SQLITE_STATIC);
        sqlite3_bind_text(st, 4, build->program, -1, SQLITE_STATIC);
        sqlite3_bind_text(st, 5, build->reference, -1, SQLITE_STATIC);
        rc = sqlite3_step(st);
    }
    int ret = rc == SQLITE_DONE ? 0 : set_db_error(s->db, s->path, rc, "writing", err);
    sqlite3_finalize(st);
    return ret;
}

/* Opens the connection, checks whose file it is, and takes the write lock once, so that a locked,
 * read-only or full place is reported before anything runs. */
static int open_db(struct sqlite_report *s, const struct report_build *build, struct error *err)
{
    int64_t format = 0;
    int rc = sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (rc != SQLITE_OK) {
        return set_db_error(s->db, s->path, rc, "opening", err);
    }
    sqlite3_busy_timeout(s->db, DB_BUSY_WAIT_MS);
    int ret = check_identity(s, &format, err);
    ret = ret ? ret : exec(s, "BEGIN IMMEDIATE", "opening", err);
    ret = ret ? ret : check_identity(s, &format, err); /* Another one may have been faster. */
    if (!ret && format < DB_USER_VERSION) {
        ret = create_schema(s, format, err);
    }
    ret = ret ? ret : insert_build(s, build, err);
    ret = ret ? ret : exec(s, "COMMIT", "opening", err);
    for (size_t i = 0; i < SQLS && !ret; i++) {
        rc = sqlite3_prepare_v3(s->db, sql_text[i], -1, SQLITE_PREPARE_PERSISTENT, &s->stmt[i],
                                NULL);
        if (rc != SQLITE_OK) {
            ret = set_db_error(s->db, s->path, rc, "reading its tables", err);
        }
    }
    return ret;
}

static void bind_text(sqlite3_stmt *st, int at, const char *text)
{
    int rc = sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC);
    CHECK(rc == SQLITE_OK);
}

/* Text from scripts and programs, made valid UTF-8. */
static void bind_clean(sqlite3_stmt *st, int at, const char *text)
{
    struct strbuf clean = { .text = NULL };
    report_clean(&clean, text);
    int rc = sqlite3_bind_text(st, at, strbuf_str(&clean), -1, SQLITE_TRANSIENT);
    CHECK(rc == SQLITE_OK);
    strbuf_free(&clean);
}

static void bind_int(sqlite3_stmt *st, int at, int64_t value)
{
    int rc = sqlite3_bind_int64(st, at, value);
    CHECK(rc == SQLITE_OK);
}

static void bind_hash(sqlite3_stmt *st, int at, uint64_t hash)
{
    char hex[17];
    snprintf(hex, sizeof(hex), "%016" PRIx64, hash);
    int rc = sqlite3_bind_text(st, at, hex, -1, SQLITE_TRANSIENT);
    CHECK(rc == SQLITE_OK);
}

/* A statement with the key of res bound. */
static sqlite3_stmt *keyed(struct sqlite_report *s, enum sql which, const struct result *res)
{
    sqlite3_stmt *st = s->stmt[which];
    CHECK(st != NULL);
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    bind_text(st, 1, s->build);
    bind_text(st, 2, res->case_id);
    bind_text(st, 3, res->params);
    bind_int(st, 4, (int64_t)res->seed);
    bind_text(st, 5, res->explore);
    return st;
}

static int run_stmt(struct sqlite_report *s, sqlite3_stmt *st, struct error *err)
{
    int rc = sqlite3_step(st);
    int ret = rc == SQLITE_DONE ? 0 : set_db_error(s->db, s->path, rc, "writing", err);
    sqlite3_reset(st);
    return ret;
}

static int write_run(struct sqlite_report *s, const struct result *res, struct error *err)
{
    const enum sql order[] = { SQL_VARIANT_OLD, SQL_VARIANT_NEW };
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        sqlite3_stmt *st = keyed(s, order[i], res);
        bind_text(st, 6, verdict_name(res->verdict));
        bind_hash(st, 7, res->trace_hash);
        int ret = run_stmt(s, st, err);
        if (ret) {
            return ret;
        }
        if (sqlite3_changes(s->db) == 0) {
            break; /* No older row, or one with the same outcome. */
        }
    }
    sqlite3_stmt *st = keyed(s, SQL_RUN, res);
    bind_text(st, 6, verdict_name(res->verdict));
    bind_clean(st, 7, res->signature);
    bind_int(st, 8, res->virt_ns);
    bind_int(st, 9, (int64_t)res->steps);
    bind_hash(st, 10, res->trace_hash);
    int ret = run_stmt(s, st, err);
    if (ret) {
        return ret;
    }
    st = keyed(s, SQL_ORIGIN, res);
    bind_text(st, 6, res->file);
    bind_hash(st, 7, res->script_hash);
    ret = run_stmt(s, st, err);
    if (ret || res->host_ns == 0) {
        return ret;
    }
    st = keyed(s, SQL_DURATION, res);
    bind_int(st, 6, res->host_ns);
    return run_stmt(s, st, err);
}

static int write_detail(struct sqlite_report *s, const struct result *res, struct error *err)
{
    sqlite3_stmt *st = keyed(s, SQL_DETAIL, res);
    bind_text(st, 6, res->oracle);
    bind_clean(st, 7, res->message);
    bind_int(st, 8, res->line);
    bind_int(st, 9, res->col);
    bind_clean(st, 10, res->source);
    bind_text(st, 11, res->repeat);
    return run_stmt(s, st, err);
}

/* The part between the first and the second colon of "oracle:site:text". */
static char *signature_site(const char *signature)
{
    const char *colon = strchr(signature, ':');
    return colon ? mem_strndup(colon + 1, strcspn(colon + 1, ":")) : mem_strdup("");
}

static int write_failure(struct sqlite_report *s, const struct result *res, struct error *err)
{
    char *site = signature_site(res->signature);
    sqlite3_stmt *st = keyed(s, SQL_FAILURE, res);
    bind_clean(st, 6, res->signature);
    bind_text(st, 7, res->oracle);
    bind_text(st, 8, site);
    bind_clean(st, 9, res->message);
    bind_text(st, 10, res->repeat);
    bind_text(st, 11, res->file);
    bind_int(st, 12, res->line);
    int ret = run_stmt(s, st, err);
    free(site);
    return ret;
}

static int write_log(struct sqlite_report *s, const struct result *res, struct error *err)
{
    for (size_t i = 0; i < res->log_len; i++) {
        const struct result_step *row = &res->log[i];
        if (strcmp(row->kind, "trace") == 0) {
            continue; /* A trace is a file of its own; here it is its hash. */
        }
        bool event = strcmp(row->kind, "event") == 0;
        sqlite3_stmt *st = keyed(s, event ? SQL_EVENT : SQL_STEP, res);
        bind_int(st, 6, (int64_t)i);
        bind_int(st, 7, row->statement);
        bind_int(st, 8, row->line);
        bind_int(st, 9, row->virt_ns);
        bind_text(st, 10, row->kind);
        bind_clean(st, 11, row->text);
        int ret = run_stmt(s, st, err);
        if (ret) {
            return ret;
        }
    }
    return 0;
}

static int write_diff(struct sqlite_report *s, const struct result *res, struct error *err)
{
    int ret = run_stmt(s, keyed(s, SQL_DROP_DIFF, res), err);
    for (size_t i = 0; i < res->diff_len && !ret; i++) {
        const struct result_diff *row = &res->diff[i];
        sqlite3_stmt *st = keyed(s, SQL_DIFF, res);
        bind_int(st, 6, (int64_t)i);
        bind_int(st, 7, row->statement);
        bind_int(st, 8, row->line);
        bind_clean(st, 9, row->command);
        bind_clean(st, 10, row->driver);
        bind_text(st, 11, diff_verdict_name(row->verdict));
        bind_clean(st, 12, row->detail);
        ret = run_stmt(s, st, err);
    }
    return ret;
}

static int write_result(struct sqlite_report *s, const struct result *res, struct error *err)
{
    int ret = write_run(s, res, err);
    ret = ret ? ret : write_diff(s, res, err);
    ret = ret ? ret : run_stmt(s, keyed(s, SQL_DROP_STEPS, res), err);
    ret = ret ? ret : run_stmt(s, keyed(s, SQL_DROP_EVENTS, res), err);
    ret = ret ? ret : run_stmt(s, keyed(s, SQL_DROP_DETAIL, res), err);
    if (!ret && res->verdict != VERDICT_PASS) {
        ret = write_detail(s, res, err);
    }
    if (!ret && report_is_failure(res->verdict) && res->signature[0]) {
        ret = write_failure(s, res, err);
    }
    if (!ret && (s->log_all || report_is_failure(res->verdict))) {
        ret = write_log(s, res, err);
    }
    return ret;
}

static int write_packed(struct sqlite_report *s, const struct packed *p, struct error *err)
{
    struct result res;
    result_init(&res);
    int ret = result_unpack(&res, p->bytes, p->n);
    CHECK(ret == 0);
    ret = write_result(s, &res, err);
    result_fini(&res);
    return ret;
}

static void drop_batch(struct sqlite_report *s)
{
    for (size_t i = 0; i < s->batch_len; i++) {
        free(s->batch[i].bytes);
    }
    s->batch_len = 0;
}

/* Writes what waits. */
static int commit(struct sqlite_report *s, struct error *err)
{
    if (s->batch_len == 0) {
        return 0;
    }
    int ret = exec(s, "BEGIN IMMEDIATE", "writing", err);
    for (size_t i = 0; i < s->batch_len && !ret; i++) {
        ret = write_packed(s, &s->batch[i], err);
    }
    ret = ret ? ret : exec(s, "COMMIT", "writing", err);
    if (ret) {
        if (!sqlite3_get_autocommit(s->db)) {
            sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
        }
        error_prefix(err, "The last %zu results are not stored: ", s->batch_len);
    }
    drop_batch(s);
    return ret;
}

static int sqlite_begin(struct report *r, const struct report_info *info, struct error *err)
{
    (void)err;
    of(r)->log_all = info->log_all;
    return 0;
}

static int sqlite_result(struct report *r, const struct result *res, struct error *err)
{
    struct sqlite_report *s = of(r);
    CHECK(s->batch_len < DB_BATCH);
    if (res->restored && !s->keep_restored) {
        return 0;
    }
    struct packed *p = &s->batch[s->batch_len++];
    p->bytes = result_pack(res, &p->n);
    return s->batch_len == DB_BATCH ? commit(s, err) : 0;
}

static int sqlite_tick(struct report *r, const struct report_tick *t, struct error *err)
{
    (void)t;
    return commit(of(r), err);
}

static int sqlite_end(struct report *r, const struct report_summary *sum, struct error *err)
{
    (void)sum;
    return commit(of(r), err);
}

static void sqlite_destroy(struct report *r)
{
    struct sqlite_report *s = of(r);
    drop_batch(s);
    for (size_t i = 0; i < SQLS; i++) {
        sqlite3_finalize(s->stmt[i]);
    }
    sqlite3_close(s->db);
    free(s->path);
    free(s->build);
    free(s->reference);
    free(s);
}

static const struct report_ops sqlite_ops = {
    .name = "sqlite",
    .begin = sqlite_begin,
    .result = sqlite_result,
    .tick = sqlite_tick,
    .end = sqlite_end,
    .destroy = sqlite_destroy,
};

struct report *report_sqlite_create(const char *path, const struct report_build *build,
                                    struct error *err)
{
    struct sqlite_report *s = NEW(struct sqlite_report);
    s->report.ops = &sqlite_ops;
    s->path = mem_strdup(path);
    s->build = mem_strdup(build->id);
    s->reference = mem_strdup(build->reference);
    s->keep_restored = build->keep_restored;
    if (open_db(s, build, err)) {
        sqlite_destroy(&s->report);
        return NULL;
    }
    return &s->report;
}

static int open_to_read(struct sqlite_report *s, struct error *err)
{
    int64_t format = 0;
    int rc = sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READONLY, NULL);
    if (rc != SQLITE_OK) {
        return set_db_error(s->db, s->path, rc, "opening", err);
    }
    sqlite3_busy_timeout(s->db, DB_BUSY_WAIT_MS);
    int ret = check_identity(s, &format, err);
    if (!ret && format < DB_USER_VERSION) {
        ret = error_set(err, -EINVAL, "Database '%s' has format %" PRId64 ", which knows no "
                        "comparisons yet; a run with it brings it up to date", s->path, format);
    }
    return ret;
}

struct report *report_sqlite_open(const char *path, struct error *err)
{
    struct sqlite_report *s = NEW(struct sqlite_report);
    s->report.ops = &sqlite_ops;
    s->path = mem_strdup(path);
    if (open_to_read(s, err)) {
        sqlite_destroy(&s->report);
        return NULL;
    }
    return &s->report;
}

struct sqlite3 *report_sqlite_db(struct report *r)
{
    CHECK(r->ops == &sqlite_ops);
    return of(r)->db;
}

static void column_text(sqlite3_stmt *st, int at, char **member)
{
    const unsigned char *text = sqlite3_column_text(st, at);
    result_set(member, text ? (const char *)text : "");
}

static bool column_hash(sqlite3_stmt *st, int at, uint64_t *hash)
{
    const unsigned char *text = sqlite3_column_text(st, at);
    char *hex = mem_printf("0x%s", text ? (const char *)text : "");
    bool ok = text_parse_u64(hex, hash) == 0;
    free(hex);
    return ok;
}

/* Takes the row of SQL_FIND_RUN.  False when it cannot stand for a run of this script. */
static bool take_run(sqlite3_stmt *st, struct result *res)
{
    uint64_t script, hash;
    const unsigned char *name = sqlite3_column_text(st, 0);
    int verdict = name ? verdict_parse((const char *)name) : -1;
    if (verdict < 0 || verdict == VERDICT_SKIP || !column_hash(st, 6, &script) ||
        !column_hash(st, 4, &hash) || script != res->script_hash) {
        return false;
    }
    res->verdict = (enum verdict)verdict;
    column_text(st, 1, &res->signature);
    res->virt_ns = sqlite3_column_int64(st, 2);
    res->steps = (uint64_t)sqlite3_column_int64(st, 3);
    res->trace_hash = hash;
    column_text(st, 5, &res->file);
    res->restored = true;
    return true;
}

static int take_diff(struct sqlite_report *s, struct result *res, struct error *err)
{
    sqlite3_stmt *st = keyed(s, SQL_FIND_DIFF, res);
    int rc;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        const char *verdict = (const char *)sqlite3_column_text(st, 4);
        int known = verdict ? diff_verdict_parse(verdict) : -1;
        result_diff_add(res, &(struct result_diff){
            .statement = (uint32_t)sqlite3_column_int64(st, 0),
            .line = sqlite3_column_int(st, 1),
            .command = (char *)(uintptr_t)sqlite3_column_text(st, 2),
            .driver = (char *)(uintptr_t)sqlite3_column_text(st, 3),
            .verdict = known < 0 ? DIFF_SKIPPED : (enum diff_verdict)known,
            .detail = (char *)(uintptr_t)sqlite3_column_text(st, 5),
        });
    }
    sqlite3_reset(st);
    if (res->diff_len) {
        result_set(&res->reference, s->reference);
    }
    return rc == SQLITE_DONE ? 1 : set_db_error(s->db, s->path, rc, "reading", err);
}

static void take_detail(sqlite3_stmt *st, struct result *res)
{
    column_text(st, 0, &res->oracle);
    column_text(st, 1, &res->message);
    res->line = sqlite3_column_int(st, 2);
    res->col = sqlite3_column_int(st, 3);
    column_text(st, 4, &res->source);
    column_text(st, 5, &res->repeat);
}

int report_sqlite_restore(struct report *r, struct result *res, struct error *err)
{
    CHECK(r->ops == &sqlite_ops);
    struct sqlite_report *s = of(r);
    sqlite3_stmt *st = keyed(s, SQL_FIND_RUN, res);
    int rc = sqlite3_step(st);
    bool found = rc == SQLITE_ROW && take_run(st, res);
    int ret = rc == SQLITE_ROW || rc == SQLITE_DONE
                  ? found : set_db_error(s->db, s->path, rc, "reading", err);
    sqlite3_reset(st);
    if (ret == 1 && res->verdict != VERDICT_PASS) {
        st = keyed(s, SQL_FIND_DETAIL, res);
        rc = sqlite3_step(st);
        if (rc == SQLITE_ROW) {
            take_detail(st, res);
        } else if (rc != SQLITE_DONE) {
            ret = set_db_error(s->db, s->path, rc, "reading", err);
        }
        sqlite3_reset(st);
    }
    return ret == 1 ? take_diff(s, res, err) : ret;
}
