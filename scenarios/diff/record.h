/* What a run of a unit showed, statement by statement: the runner fills it on any target, and two
 * of them are compared (scenarios/diff/compare.h) or written back as expectations (learn.h). */
#ifndef SCENARIOS_DIFF_RECORD_H
#define SCENARIOS_DIFF_RECORD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum record_end {
    RECORD_DONE,    /* It has an outcome. */
    RECORD_SKIPPED, /* Not done on this target; why says for which reason. */
    RECORD_DIED,    /* The program died; why says how.  Nothing follows but RECORD_SKIPPED. */
    RECORD_TIMEOUT, /* No answer in time; the same. */
};

/* A quirk of the statement that concerns this version of the program. */
enum record_quirk { QUIRK_NONE, QUIRK_HOLDS, QUIRK_GONE };

struct record_stmt {
    uint32_t id;
    int line;
    char *command; /* First word: "blockdev-add", "io", "qmp", "disk"... */
    char *text;    /* All words, ${} replaced. */
    bool counted;  /* A QMP or io statement: the others are not compared by outcome. */
    enum record_end end;
    char *why;     /* Of SKIPPED: a reason of @model-only, "real-only", "after-death"...;
                    * of DIED: target_real_death.  Otherwise NULL. */
    enum record_quirk quirk;
    int64_t took_ns; /* Of the target's own time. */

    json_t *reply;  /* QMP: {"return": ...} or {"error": {...}}; NULL: none. */
    bool failed;    /* io and world verbs: the command reported failure. */
    char *output;   /* io: all that it printed, errors too; others: what it was warned of. NULL:
                     * none. */
    json_t *events; /* Array, in the order of arrival, of what came since the statement before. */
    char *complaint; /* An expectation that does not hold (data, node, graph); NULL. */

    /* The state behind it: "return" of these commands, NULL when not asked or not available. */
    json_t *nodes; /* query-named-block-nodes */
    json_t *graph; /* x-debug-query-block-graph */
    json_t *block; /* query-block */
    bool job_events; /* Events of jobs came. */
    json_t *jobs;  /* query-jobs, each with its members of query-block-jobs */
};

/* At the end of the case, of every node that has a name of its own: what `io NODE map` prints, and
 * the data of its beginning and of the ends of its extents as far as RECORD_DATA_MAX. */
struct record_node {
    char *name;
    char *map;  /* NULL: it cannot be asked. */
    char *data; /* Lines "OFFSET+LENGTH HASH"; NULL: none. */
};

enum { RECORD_DATA_MAX = 4 << 20 };

struct record {
    const char *target; /* "sim", "qemu", "qsd" */
    struct record_stmt *at;
    size_t len, cap;
    struct record_node *nodes;
    size_t nodes_len, nodes_cap;
    /* The state at the end of the case, without a command, as behind every statement; NULL: it
     * could not be asked for. */
    struct record_stmt *end;
    /* Output of io that came when its statement was over: up to the end of the case, and while the
     * program ended.  NULL: none. */
    char *late, *late_end;
    /* In: directory where the files of the case lie when the run has ended.  Of a simulated target,
     * where they are copied to then.  NULL: nobody wants them. */
    char *files;
    /* Several requests wrote at the same time: where a format puts what is a matter of luck. */
    bool shuffled;
    bool formats; /* There was an image of a format that puts things where it likes. */
    /* Requests wrote while commands changed what is below them: so is which layer has what.  Or the
     * case was cut short.  What nodes and images hold in the end is not compared. */
    bool raced;
};

void record_init(struct record *r, const char *target);
void record_fini(struct record *r);
/* A new statement at the end, zero but for these. */
struct record_stmt *record_add(struct record *r, uint32_t id, int line, const char *command,
                               const char *text);
/* A new node at the end, zero but for its name. */
struct record_node *record_add_node(struct record *r, const char *name);
/* Of a state: while a load is in progress, sizes of what grows with it are those of a moment: all
 * but those of formats that have one of their own.  So is the mark that an image is in use. */
void record_drop_sizes(json_t *value);

#endif
