/* How far the simulated layer and a reference agree: counts of compared statements, from the rows
 * of a results database. */
#ifndef REPORTS_AGREEMENT_H
#define REPORTS_AGREEMENT_H

#include "reports/report.h"

#include <stdint.h>

struct agreement_count {
    uint64_t statements, comparable, agreed, quirks, differing, aborts;
};

struct agreement_row {
    char *name; /* A command or a driver. */
    struct agreement_count n;
};

struct agreement_table {
    struct agreement_row *at;
    size_t len, cap;
};

/* Why statements were not compared. */
struct agreement_reason {
    char *name;
    uint64_t statements, cases;
};

/* One program beside one reference. */
struct agreement {
    char *build, *program, *reference; /* "qemu 7.2.22" */
    struct agreement_count total;
    uint64_t cases;        /* With a statement that was compared. */
    uint64_t quirk_places; /* Statements of scripts, whatever the matrix. */
    struct agreement_table commands, drivers;
    struct agreement_reason *reasons;
    size_t reasons_len, reasons_cap;
};

struct agreements {
    struct agreement *at;
    size_t len, cap;
};

/* Reads what the database holds of that program (a hash), in order of the references; of all
 * programs when it holds nothing of that one.  db: a sink of reports/sqlite.h, nothing waiting.
 * Errors: -EIO. */
int agreements_read(struct report *db, const char *program, struct agreements *out,
                    struct error *err);
void agreements_free(struct agreements *a);

/* "7,123 statements, 6,001 comparable (84.2 %), 5,990 agreed (99.8 %), 11 quirks, 0 differing,
 * 0 aborts: qemu 7.2.22", without a line end.  A percentage is rounded down: 100.0 % is all. */
void agreement_line(const struct agreement *a, struct strbuf *out);

/* Tables by command and by driver, what was not compared and why, and the line. */
void agreement_print(const struct agreement *a, struct strbuf *out);

/* The same as a page of Markdown. */
void agreement_markdown(const struct agreement *a, struct strbuf *out);

#endif
