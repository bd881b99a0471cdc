/* The outcome of one run of one case: what scenarios produce and reports take. */
#ifndef BASE_RESULT_H
#define BASE_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum verdict {
    VERDICT_PASS,
    VERDICT_FAIL,     /* An expectation or an oracle says no. */
    VERDICT_CRASH,    /* The worker died: signal or failed check. */
    VERDICT_HANG,     /* It looped past the watchdog, or made too many steps. */
    VERDICT_SKIP,     /* Something required is missing. */
    VERDICT_QUIRK,    /* Differs from the reference in a known way. */
    VERDICT_NONDET,   /* The second run had another trace. */
    VERDICTS
};

const char *verdict_name(enum verdict v); /* "pass"... */
int verdict_parse(const char *name);      /* -1 when unknown. */

enum { RESULT_KIND_MAX = 12 }; /* Bytes of the name of a kind of rows, with its NUL. */

/* A row of the step or event log of a run; kept for failed runs, or for all on request. */
struct result_step {
    uint32_t statement;
    int line;
    int64_t virt_ns;
    char kind[RESULT_KIND_MAX]; /* "statement", "reply", "event", "io", "trace" */
    char *text;
};

/* What the comparison of a statement with the reference has come to. */
enum diff_verdict {
    DIFF_SAME,
    DIFF_DIFFERS,
    DIFF_QUIRK,   /* The reference differs as the script says. */
    DIFF_ABORTS,  /* The reference died, and no quirk says that it does. */
    DIFF_SKIPPED, /* Not comparable; detail says why. */
    DIFF_VERDICTS
};

const char *diff_verdict_name(enum diff_verdict v); /* "same"... */
int diff_verdict_parse(const char *name);           /* -1 when unknown. */

/* A statement beside its twin. */
struct result_diff {
    uint32_t statement; /* 0: the end of the case. */
    int line;
    char *command;      /* "blockdev-add", "io read", "files", "map" */
    char *driver;       /* Of the node that it is about; "" when it is about none. */
    enum diff_verdict verdict;
    char *detail;       /* DIFFERS, ABORTS: both sides, the first difference first; SKIPPED: the
                         * reason; QUIRK: what the reference showed; SAME: "". */
};

/* All strings are owned and never NULL after result_init. */
struct result {
    /* Natural key, with the build id that the sink knows. */
    char *case_id; /* "reopen/l2-cache-default" */
    char *params;  /* "l2=128k lazy=on", in order of the matrix headers */
    uint64_t seed;
    char *explore; /* Deviations in choice_format form; "" for the plain run. */

    enum verdict verdict;
    char *signature; /* "oracle:site:normalised text" of the first failure, "" otherwise. */
    char *oracle;    /* "expect", "ref-image", "graph"... */
    char *message;   /* What a person reads; may have several lines. */
    char *file;
    int line, col;
    char *source;    /* The source line. */
    char *repeat;    /* The exact command that repeats it. */
    int64_t virt_ns;
    uint64_t steps;
    uint64_t trace_hash;
    int64_t host_ns; /* Wall time; filled by app, never part of the key. */
    uint64_t script_hash; /* Of the scenario file; filled by app, 0: not known. */
    bool restored;        /* From an earlier run's database, not run now; not packed. */
    struct result_step *log;
    size_t log_len, log_cap;
    char *reference; /* Compared with: "qemu 7.2.22"; "" when it was not. */
    struct result_diff *diff;
    size_t diff_len, diff_cap;
};

void result_init(struct result *r);
void result_fini(struct result *r);
/* Replaces a string member by a copy. */
void result_set(char **member, const char *text);
void result_log(struct result *r, uint32_t statement, int line, int64_t virt_ns, const char *kind,
                const char *text);
/* The same with a text that is the row's from now on. */
void result_log_take(struct result *r, uint32_t statement, int line, int64_t virt_ns,
                     const char *kind, char *text);
/* Rows are thrown away. */
void result_log_clear(struct result *r);

/* A new row; texts are copied. */
void result_diff_add(struct result *r, const struct result_diff *row);

/* A flat form for pipes: result_pack gives a new buffer of *n bytes; result_unpack fills an
 * initialised result and returns -EINVAL for what is not one. */
void *result_pack(const struct result *r, size_t *n);
int result_unpack(struct result *r, const void *bytes, size_t n);

/* Text with digits, addresses and quoted names replaced, so that one bug has one signature. */
char *result_normalise(const char *text);

#endif
