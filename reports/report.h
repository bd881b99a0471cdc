/* Reports: what is made of results.
 *
 * A sink is one struct report, made by one of the functions below and told of a run in this order:
 *
 *   begin, then (result | tick)*, then end, then report_destroy
 *
 * Results come in the order of the units, whatever the number of workers.  A sink that fails says
 * so once, with the name of its file in the message; it is not called again but for destroy.  No
 * sink reads a clock: what needs one is driven by tick, about four times a second, by app/.
 */
#ifndef REPORTS_REPORT_H
#define REPORTS_REPORT_H

#include "base/error.h"
#include "base/result.h"
#include "base/text.h"

#include <stdio.h>

struct report_info {
    size_t units;   /* Results to come, those restored from a database included. */
    size_t already; /* Of these, restored. */
    bool log_all;   /* Keep step and event rows of passing runs too. */
};

struct report_summary {
    size_t count[VERDICTS];
    size_t already;   /* Included in count. */
    size_t not_run;   /* Interrupted before. */
    bool interrupted;
};

struct report_tick {
    size_t done, units, failed;
    uint32_t elapsed_ms; /* Since begin. */
    const char *current; /* Case id of the oldest unit in progress, "" when there is none. */
};

struct report;

struct report_ops {
    const char *name; /* "sqlite" */
    int (*begin)(struct report *r, const struct report_info *info, struct error *err);
    int (*result)(struct report *r, const struct result *res, struct error *err);
    int (*tick)(struct report *r, const struct report_tick *t, struct error *err); /* NULL: none. */
    int (*end)(struct report *r, const struct report_summary *sum, struct error *err);
    void (*destroy)(struct report *r);
};

/* Concrete sinks begin with this. */
struct report {
    const struct report_ops *ops;
};

/* Nothing happens when r is NULL. */
void report_destroy(struct report *r);

/* True for verdicts that make a run fail. */
bool report_is_failure(enum verdict v);

/* "212 passed, 3 failed, 12 skipped, 1 quirk": passed and failed always, others when not 0. */
void report_count_line(const struct report_summary *sum, struct strbuf *out);

/* "io/align l2=128k seed=7": how people are told of a run. */
void report_unit_name(const struct result *res, struct strbuf *out);

/* Bytes of the first line of text, without its end. */
size_t report_line_length(const char *text);

/* Appends text with prefix before each of its lines, and a line end. */
void report_indent(struct strbuf *out, const char *prefix, const char *text);

/* Appends text with what is not UTF-8, and control characters other than tab and line end,
 * replaced by '?'. */
void report_clean(struct strbuf *out, const char *text);

/* Opens a file to write a report to; "-" is stdout.  NULL and an error naming the path. */
FILE *report_open(const char *path, struct error *err);
/* Flushes and closes (stdout is only flushed).  Errors: what writing ran into, full disks too. */
int report_close(FILE *f, const char *path, struct error *err);

/* --- The sinks.  All return NULL with an error set when their file cannot be used. --- */

struct report_terminal_config {
    FILE *out;
    bool live;           /* A terminal: one progress line, redrawn. */
    bool color;
    bool verbose;        /* A line for every result, not for failures alone. */
    unsigned columns;
    const char *program; /* For "blksim" in repeat commands, so that they can be pasted. */
    /* What to install for the requirement that a skip message names; NULL when not known. */
    const char *(*hint)(const char *message);
};
struct report *report_terminal_create(const struct report_terminal_config *cfg);

/* TAP version 13, as prove of Debian 12 reads it. */
struct report *report_tap_create(const char *path, struct error *err);

/* JUnit XML, one testsuite a scenario file. */
struct report *report_junit_create(const char *path, struct error *err);

#endif
