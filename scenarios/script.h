/* A scenario file as parsed: cases, headers, statements, expectations.  docs/scenarios.md is the
 * language; DESIGN section 5. */
#ifndef SCENARIOS_SCRIPT_H
#define SCENARIOS_SCRIPT_H

#include "base/error.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct script_word {
    char *text;  /* Quotes and escapes resolved; ${x} not yet replaced. */
    char *raw;   /* As written, for fmt. */
    int line, col;
    bool raw_quoted; /* '...': no ${} inside. */
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
    EXPECT_JOB,
    EXPECT_CHECK,
    EXPECT_ABORTS,
    EXPECT_KINDS
};

struct script_expect {
    enum expect_kind kind;
    struct script_words words; /* Without the keyword. */
    int line, col;
    bool on_line; /* After => on the statement's own line. */
};

struct script_prop {
    char *name;      /* "async", "fail", "model-only", "real-only" */
    char *arg;       /* Between the parentheses, "" without. */
    int line, col;
};

struct script_stmt {
    uint32_t id;     /* 1... in order of the file; survives deletion and fmt. */
    int line, col;
    struct script_prop *props;
    size_t props_len;
    struct script_words words; /* words.at[0] is the verb or command. */
    char *qmp_raw;             /* Verb `qmp`: the rest of the line as bytes; NULL otherwise. */
    size_t qmp_raw_len;
    struct script_expect *expects;
    size_t expects_len;
    char **comments; /* Whole-line comments above it, for fmt; ends with NULL. */
};

struct script_header {
    char *name; /* matrix seed seeds require quirk timeout group args explore */
    struct script_words words;
    int line, col;
};

struct script_case {
    char *name;
    int line;
    struct script_header *headers;
    size_t headers_len;
    struct script_stmt *stmts;
    size_t stmts_len;
    char **comments;
};

struct script {
    char *path;
    char **lines; /* Source, for messages. */
    size_t lines_len;
    struct script_case *cases;
    size_t cases_len;
};

enum { SCRIPT_MAX_BYTES = 16 << 20, SCRIPT_MAX_LINE = 1 << 20 };

/* Parses a file.  All errors of the file are appended to errors, a line each:
 * "file:line:col: message" (with the valid set and the nearest match); NULL then. */
struct script *script_load(const char *path, struct strbuf *errors);
struct script *script_parse(const char *path, const char *text, size_t n, struct strbuf *errors);
void script_free(struct script *s);

/* The canonical form; parses to the same script. */
void script_format(const struct script *s, struct strbuf *out);

/* Statement verbs other than QMP commands and `io`, headers, expectations, properties: for help
 * and completion.  i-th name and its one-line help; NULL after the last. */
const char *script_verb_name(size_t i, const char **help);

#endif
