/* A scenario file as parsed: cases, headers, statements, expectations.  docs/scenarios.md is the
 * language; DESIGN section 5. */
#ifndef SCENARIOS_SCRIPT_H
#define SCENARIOS_SCRIPT_H

#include "base/error.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a word, or its value after "key=", was written.  It matters where it says so. */
enum word_form {
    WORD_BARE,
    WORD_QUOTED, /* "..." or '...': in `error` and `output` a text, not a class */
    WORD_JSON,   /* key:=JSON, and the word of `return`: JSON text as written */
    WORD_REGEX,  /* /re/ of `error`, `output`, `aborts`: with its slashes */
};

struct script_word {
    char *text;  /* Quotes and escapes resolved; ${x} not yet replaced (scenarios/subst.h). */
    char *raw;   /* As written, for messages. */
    int line, col;
    enum word_form form;
    bool raw_quoted; /* '...': a ${ inside stands as $${ in text: all are replaced alike. */
};

struct script_words {
    struct script_word *at;
    size_t len, cap;
};

enum expect_kind {
    EXPECT_OK,
    EXPECT_ERROR,    /* error [CLASS] ["text" | /re/] */
    EXPECT_RETURN,   /* return JSON-subset */
    EXPECT_OUTPUT,   /* output "text" | /re/ : what io printed */
    EXPECT_EVENT,    /* event NAME k=v... [within=DUR] */
    EXPECT_NO_EVENT, /* no-event NAME */
    EXPECT_DATA,     /* data NODE RANGE is|in PATTERN[|PATTERN] [per=N] */
    EXPECT_NODE,     /* node NAME k=v... (opt.K=V is model-only) */
    EXPECT_GRAPH,    /* graph a -child-> b */
    EXPECT_JOB,      /* job ID k=v..., job ID none */
    EXPECT_CHECK,
    EXPECT_ABORTS,   /* aborts /RE/, only behind quirk: the reference dies */
    EXPECT_KINDS,
    EXPECT_QUIRK = EXPECT_KINDS, /* The word in front of one; of no expectation. */
};

struct script_expect {
    enum expect_kind kind;
    struct script_words words; /* Without the keyword. */
    int line, col;
    bool on_line; /* After => on the statement's own line. */
    char *quirk;  /* "qemu=7.2": what those versions of the reference show instead of what the
                   * expectations without it say; for nobody else.  NULL: none. */
    char **comments; /* As those of a statement. */
    char *tail;      /* Comment at the end of its line, or NULL. */
};

struct script_prop {
    char *name;      /* "async", "fail", "may-fail", "model-only", "real-only", "id" */
    char *arg;       /* Between the parentheses, "" without. */
    int line, col;
};

struct script_stmt {
    uint32_t id;     /* One more than that of the statement before, or that of its @id(N). */
    int line, col;
    struct script_prop *props;
    size_t props_len;
    struct script_words words; /* words.at[0] is the verb or command. */
    char *qmp_raw; /* Verb `qmp`: the rest of the line as bytes, nothing replaced; else NULL. */
    size_t qmp_raw_len;
    struct script_expect *expects;
    size_t expects_len;
    char **comments; /* Lines above it, for fmt: "# text", or "" for a blank one; ends with NULL,
                      * and is NULL when there are none. */
    char *tail;      /* Comment at the end of its line, or NULL. */
};

struct script_header {
    char *name; /* matrix seed seeds require timeout group host schedule model-only */
    struct script_words words; /* Without the name.  No ${x} is replaced in them. */
    int line, col;
    char **comments;
    char *tail;
};

/* One key of a matrix header with its values. */
struct script_axis {
    char *key;
    char **values;
    size_t len;
};

enum script_host { HOST_SIM, HOST_POSIX };
enum script_schedule { SCHEDULE_DEFAULT, SCHEDULE_FIFO, SCHEDULE_SEEDED };

struct script_case {
    char *name;
    int line;
    struct script_header *headers;
    size_t headers_len;
    struct script_stmt *stmts;
    size_t stmts_len;
    char **comments;
    char *tail;
    bool ended; /* Closed by `end`... */
    char **end_comments; /* ...with these lines above it, */
    char *end_tail;      /* and this one behind. */

    /* What the headers say. */
    struct script_axis *axes; /* In order of the headers. */
    size_t axes_len;
    bool seeded; /* seed N, seeds A..B; */
    bool seed_only; /* of which others are not wanted. */
    uint64_t seed_first, seed_last;
    enum script_host host;
    enum script_schedule schedule;
    int64_t timeout_ns;     /* Virtual; 0: not given. */
    uint64_t timeout_steps; /* Of the scheduler; 0: not given. */
};

struct script {
    char *path;
    char **lines; /* Source, for messages. */
    size_t lines_len;
    struct script_case *cases;
    size_t cases_len;
    char **comments; /* After the last case. */
};

enum {
    SCRIPT_MAX_BYTES = 16 << 20,
    SCRIPT_MAX_LINE = 1 << 20,
    SCRIPT_MAX_LINES = 1 << 20,
    SCRIPT_MAX_ERRORS = 50, /* Then one line says that there are more. */
};

/* Parses a file.  All errors of the file are appended to errors, a line each:
 * "file:line:col: message" (with the valid set and the nearest match); NULL then. */
struct script *script_load(const char *path, struct strbuf *errors);
struct script *script_parse(const char *path, const char *text, size_t n, struct strbuf *errors);
void script_free(struct script *s);


/* A value as it stands in "key=value", quoted when it must be; list: as one of several joined by
 * commas.  Nothing in it is a ${x}. */
void script_format_value(const char *value, bool list, struct strbuf *out);

/* ok, error, return, output and aborts: what came of a statement, where the others look at events
 * and state. */
bool script_expect_is_outcome(enum expect_kind kind);

/* The property of that name, or NULL. */
const struct script_prop *script_prop_find(const struct script_stmt *stmt, const char *name);
/* The first header of that name, or NULL. */
const struct script_header *script_header_find(const struct script_case *c, const char *name);

/* The canonical form; parses to the same script. */
void script_format(const struct script *s, struct strbuf *out);

/* Statement verbs other than QMP commands and `io`, headers, expectations, properties: for help
 * and completion.  i-th name and its one-line help; NULL after the last. */
const char *script_verb_name(size_t i, const char **help);

#endif
