/* SPDX-License-Identifier: MIT */
/* Tables of agreement.
 *
 * All counting is the database's: the views v_agreement, v_agreement_driver, v_agreement_total and
 * v_incomparable (sqlite_schema.c).  Here the rows are read and laid out, as text for people and as
 * Markdown.
 */
#include "reports/agreement.h"

#include "base/check.h"
#include "base/mem.h"
#include "reports/sqlite.h"

#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT_TEXT = 32, NAME_COLUMN = 34 };

/* --- Reading --- */

static int read_error(sqlite3 *db, struct error *err)
{
    return error_set(err, -EIO, "Cannot read the comparisons in the database: %s",
                     sqlite3_errmsg(db));
}

static char *text_of(sqlite3_stmt *st, int at)
{
    const unsigned char *text = sqlite3_column_text(st, at);
    return mem_strdup(text ? (const char *)text : "");
}

/* Six counts from a column on. */
static struct agreement_count count_of(sqlite3_stmt *st, int at)
{
    return (struct agreement_count){
        .statements = (uint64_t)sqlite3_column_int64(st, at),
        .comparable = (uint64_t)sqlite3_column_int64(st, at + 1),
        .agreed = (uint64_t)sqlite3_column_int64(st, at + 2),
        .quirks = (uint64_t)sqlite3_column_int64(st, at + 3),
        .differing = (uint64_t)sqlite3_column_int64(st, at + 4),
        .aborts = (uint64_t)sqlite3_column_int64(st, at + 5),
    };
}

/* Calls row for each row that a query gives for a build. */
static int each(sqlite3 *db, const char *sql, const char *build,
                void (*row)(struct agreement *a, sqlite3_stmt *st), struct agreement *a,
                struct error *err)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
    if (rc != SQLITE_OK) {
        return read_error(db, err);
    }
    sqlite3_bind_text(st, 1, build, -1, SQLITE_STATIC);
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        row(a, st);
    }
    sqlite3_finalize(st);
    return rc == SQLITE_DONE ? 0 : read_error(db, err);
}

static void table_add(struct agreement_table *t, sqlite3_stmt *st)
{
    if (t->len == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 32;
        t->at = mem_resize(t->at, t->cap * sizeof(*t->at));
    }
    t->at[t->len++] = (struct agreement_row){ .name = text_of(st, 0), .n = count_of(st, 1) };
}

static void take_command(struct agreement *a, sqlite3_stmt *st)
{
    table_add(&a->commands, st);
}

static void take_driver(struct agreement *a, sqlite3_stmt *st)
{
    table_add(&a->drivers, st);
}

static void take_reason(struct agreement *a, sqlite3_stmt *st)
{
    if (a->reasons_len == a->reasons_cap) {
        a->reasons_cap = a->reasons_cap ? a->reasons_cap * 2 : 16;
        a->reasons = mem_resize(a->reasons, a->reasons_cap * sizeof(*a->reasons));
    }
    a->reasons[a->reasons_len++] = (struct agreement_reason){
        .name = text_of(st, 0),
        .statements = (uint64_t)sqlite3_column_int64(st, 1),
        .cases = (uint64_t)sqlite3_column_int64(st, 2),
    };
}

#define COUNT_COLUMNS "statements, comparable, agreed, quirks, differing, aborts"

static int read_tables(sqlite3 *db, struct agreement *a, struct error *err)
{
    int ret = each(db, "SELECT command, " COUNT_COLUMNS " FROM v_agreement WHERE build = ?1"
                       " ORDER BY command", a->build, take_command, a, err);
    ret = ret ? ret : each(db, "SELECT driver, " COUNT_COLUMNS " FROM v_agreement_driver"
                               " WHERE build = ?1 ORDER BY driver", a->build, take_driver, a, err);
    return ret ? ret : each(db, "SELECT reason, statements, cases FROM v_incomparable"
                                " WHERE build = ?1 ORDER BY statements DESC, reason", a->build,
                            take_reason, a, err);
}

static void add(struct agreements *out, sqlite3_stmt *st)
{
    if (out->len == out->cap) {
        out->cap = out->cap ? out->cap * 2 : 4;
        out->at = mem_resize(out->at, out->cap * sizeof(*out->at));
    }
    out->at[out->len++] = (struct agreement){
        .reference = text_of(st, 0), .build = text_of(st, 1), .program = text_of(st, 2),
        .total = count_of(st, 3),
        .cases = (uint64_t)sqlite3_column_int64(st, 9),
        .quirk_places = (uint64_t)sqlite3_column_int64(st, 10),
    };
}

int agreements_read(struct report *report, const char *program, struct agreements *out,
                    struct error *err)
{
    static const char sql[] =
        "SELECT t.reference, t.build, b.program, " COUNT_COLUMNS ", cases, quirk_places"
        " FROM v_agreement_total t JOIN build b ON b.id = t.build WHERE b.program = ?1"
        " OR NOT EXISTS (SELECT 1 FROM build o JOIN diff d ON d.build = o.id WHERE o.program = ?1)"
        " ORDER BY t.reference, t.build";
    sqlite3 *db = report_sqlite_db(report);
    sqlite3_stmt *st = NULL;
    *out = (struct agreements){ .at = NULL };
    int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(st, 1, program, -1, SQLITE_STATIC);
        while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
            add(out, st);
        }
    }
    int ret = rc == SQLITE_DONE ? 0 : read_error(db, err);
    sqlite3_finalize(st);
    for (size_t i = 0; i < out->len && !ret; i++) {
        ret = read_tables(db, &out->at[i], err);
    }
    return ret;
}

static void table_free(struct agreement_table *t)
{
    for (size_t i = 0; i < t->len; i++) {
        free(t->at[i].name);
    }
    free(t->at);
}

void agreements_free(struct agreements *list)
{
    for (size_t i = 0; i < list->len; i++) {
        struct agreement *a = &list->at[i];
        free(a->build);
        free(a->program);
        free(a->reference);
        table_free(&a->commands);
        table_free(&a->drivers);
        for (size_t k = 0; k < a->reasons_len; k++) {
            free(a->reasons[k].name);
        }
        free(a->reasons);
    }
    free(list->at);
    *list = (struct agreements){ .at = NULL };
}

/* --- Numbers --- */

/* "1,234,567" */
static const char *grouped(uint64_t n, char *text)
{
    char digits[COUNT_TEXT];
    int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);
    char *to = text;
    CHECK(len > 0 && len + len / 3 < COUNT_TEXT);
    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0) {
            *to++ = ',';
        }
        *to++ = digits[i];
    }
    *to = '\0';
    return text;
}

/* "99.8 %" of part in whole, rounded down; "-" of nothing. */
static const char *percent(uint64_t part, uint64_t whole, char *text)
{
    uint64_t tenths = whole ? part * 1000 / whole : 0;
    CHECK(part <= whole);
    if (whole) {
        snprintf(text, COUNT_TEXT, "%" PRIu64 ".%" PRIu64 " %%", tenths / 10, tenths % 10);
    } else {
        snprintf(text, COUNT_TEXT, "-");
    }
    return text;
}

void agreement_line(const struct agreement *a, struct strbuf *out)
{
    const struct agreement_count *n = &a->total;
    char t[4][COUNT_TEXT], p[2][COUNT_TEXT];
    strbuf_printf(out, "%s statement%s, %s comparable (%s), %s agreed (%s), %s quirk%s, ",
                  grouped(n->statements, t[0]), n->statements == 1 ? "" : "s",
                  grouped(n->comparable, t[1]), percent(n->comparable, n->statements, p[0]),
                  grouped(n->agreed, t[2]), percent(n->agreed, n->comparable, p[1]),
                  grouped(n->quirks, t[3]), n->quirks == 1 ? "" : "s");
    strbuf_printf(out, "%s differing, %s abort%s: %s", grouped(n->differing, t[0]),
                  grouped(n->aborts, t[1]), n->aborts == 1 ? "" : "s", a->reference);
}

/* --- Layout --- */

/* How a table is drawn. */
enum style { STYLE_TEXT, STYLE_PAGE };

static void put_name(enum style s, const char *name, struct strbuf *out)
{
    strbuf_printf(out, s == STYLE_TEXT ? "  %-*s" : "| %-*s |", NAME_COLUMN, name);
}

static void put_cell(enum style s, const char *cell, struct strbuf *out)
{
    strbuf_printf(out, s == STYLE_TEXT ? "  %10s" : " %10s |", cell);
}

static void put_head(enum style s, const char *const *names, struct strbuf *out)
{
    put_name(s, names[0], out);
    for (size_t i = 1; names[i]; i++) {
        put_cell(s, names[i], out);
    }
    strbuf_puts(out, "\n");
    if (s == STYLE_PAGE) {
        strbuf_printf(out, "|:%.*s-|", NAME_COLUMN, "----------------------------------------");
        for (size_t i = 1; names[i]; i++) {
            strbuf_puts(out, "-----------:|");
        }
        strbuf_puts(out, "\n");
    }
}

static void put_counts(enum style s, const char *name, const struct agreement_count *n,
                       struct strbuf *out)
{
    const uint64_t cells[] = { n->statements, n->comparable, n->agreed, n->quirks, n->differing,
                               n->aborts };
    char text[COUNT_TEXT];
    put_name(s, name[0] ? name : "(none)", out);
    for (size_t i = 0; i < ARRAY_LEN(cells); i++) {
        put_cell(s, grouped(cells[i], text), out);
    }
    strbuf_puts(out, "\n");
}

static void put_table(enum style s, const char *what, const struct agreement_table *t,
                      const struct agreement_count *total, struct strbuf *out)
{
    const char *const names[] = { what, "statements", "comparable", "agreed", "quirks",
                                  "differing", "aborts", NULL };
    put_head(s, names, out);
    for (size_t i = 0; i < t->len; i++) {
        put_counts(s, t->at[i].name, &t->at[i].n, out);
    }
    put_counts(s, "all", total, out);
}

static void put_reasons(enum style s, const struct agreement *a, struct strbuf *out)
{
    static const char *const names[] = { "not compared because of", "statements", "cases", NULL };
    char text[COUNT_TEXT];
    put_head(s, names, out);
    for (size_t i = 0; i < a->reasons_len; i++) {
        char *line = mem_strndup(a->reasons[i].name, report_line_length(a->reasons[i].name));
        put_name(s, line, out);
        put_cell(s, grouped(a->reasons[i].statements, text), out);
        put_cell(s, grouped(a->reasons[i].cases, text), out);
        strbuf_puts(out, "\n");
        free(line);
    }
}

static void put_tables(enum style s, const struct agreement *a, struct strbuf *out)
{
    put_table(s, "command", &a->commands, &a->total, out);
    strbuf_puts(out, "\n");
    put_table(s, "driver", &a->drivers, &a->total, out);
    strbuf_puts(out, "\n");
    if (a->reasons_len) {
        put_reasons(s, a, out);
        strbuf_puts(out, "\n");
    }
}

void agreement_print(const struct agreement *a, struct strbuf *out)
{
    put_tables(STYLE_TEXT, a, out);
    agreement_line(a, out);
    strbuf_puts(out, "\n");
}

void agreement_markdown(const struct agreement *a, struct strbuf *out)
{
    char text[COUNT_TEXT];
    strbuf_printf(out, "# Agreement with %s\n\n", a->reference);
    strbuf_puts(out, "Written by `make diff`: every scenario runs on the simulated layer and on "
                     "the real\nprogram, and what both show is compared statement by statement. A "
                     "statement is a QMP\ncommand or an `io` command of a suite, once for every "
                     "combination of the parameters of\nits case. It is comparable when both have "
                     "carried it out; what differs in a known way is a\nquirk, listed in "
                     "[deviations.md](deviations.md).\n\n");
    agreement_line(a, out);
    strbuf_printf(out, ".\nCases with a compared statement: %s.\n\n", grouped(a->cases, text));
    put_tables(STYLE_PAGE, a, out);
    while (out->len > 1 && out->text[out->len - 2] == '\n') {
        out->text[--out->len] = '\0';
    }
}
