/* Inside of the comparison of two records.
 *
 *   compare.c            statements, rows, verdict
 *   compare_normalise.c  what varies from run to run, taken out of texts and values
 *   compare_names.c      which automatic name of ours is which of theirs
 *   compare_reply.c      replies: what of each command's is comparable
 *   compare_output.c     output of io
 *   compare_job.c        jobs: what of them is a matter of time
 *   compare_schema.c     the same for query-qmp-schema
 *   compare_state.c      nodes, graph and block devices behind a statement
 *   compare_events.c     events of the whole case
 *   compare_node.c       which driver a statement is about
 *   compare_diff.c       differences: finding and printing them
 */
#ifndef SCENARIOS_DIFF_COMPARE_PRIVATE_H
#define SCENARIOS_DIFF_COMPARE_PRIVATE_H

#include "base/result.h"
#include "base/text.h"
#include "scenarios/diff/record.h"

enum compare_who { OURS, THEIRS, COMPARE_SIDES };

/* ---- compare_normalise.c ---- */

struct auto_name; /* An automatic name and the number that stands for it. */
struct auto_fd;

/* What is known of one side; it grows as its texts are normalised. */
struct compare_side {
    const char *dir;         /* Where its files are; NULL: nowhere. */
    struct auto_name *names; /* By name. */
    struct auto_fd *fds;     /* By number. */
    uint32_t *next_name;     /* Next number of a name that nobody has seen: of both sides. */
    uint32_t next_fd;
    bool parse_names; /* A value that is a json:{} file name becomes an object. */
    bool loads;       /* A load runs in this case: how much the jobs that keep up with it have to do
                       * is a matter of time. */
};

void compare_side_fini(struct compare_side *side);
/* Automatic names of nodes that are all gone: others may get them. */
void compare_side_forget_names(struct compare_side *side);

/* new; never NULL. */
char *compare_side_text(struct compare_side *side, const char *text);
/* Output of io: rates and hints go too. */
char *compare_side_output(struct compare_side *side, const char *text);
/* A new reference.  value may be NULL: so is the result. */
json_t *compare_side_json(struct compare_side *side, const json_t *value);

/* Number of an automatic name; 0: not seen yet. */
uint32_t compare_name_number(const struct compare_side *side, const char *name, size_t n);
void compare_name_set(struct compare_side *side, const char *name, size_t n, uint32_t number);
/* Length of the automatic name that begins here, 0: none does. */
size_t compare_name_length(const char *text);
/* Where the first one may begin, or NULL. */
const char *compare_name_find(const char *text);

/* A descriptor that was handed out just now, and one that was before: its number in order of
 * appearance. */
uint32_t compare_fd_new(struct compare_side *side, json_int_t fd);
uint32_t compare_fd_number(struct compare_side *side, json_int_t fd);

/* A member that is a text; "" when there is none. */
const char *member_text(const json_t *object, const char *key);
/* Keys of an object in order; free() the array, not the keys.  n of them. */
const char **compare_sorted_keys(const json_t *object, size_t *n);

/* ---- compare_names.c ---- */

/* The automatic names that are new in this statement get their numbers, the same for those of both
 * sides that are the same node. */
void compare_names_pair(struct compare_side side[COMPARE_SIDES], const struct record_stmt *ours,
                        const struct record_stmt *theirs);

/* ---- compare_diff.c ---- */

struct diff_entry {
    char *path;          /* return.0.image.filename */
    char *value[COMPARE_SIDES]; /* As text; NULL: not there. */
};

enum { DIFF_ENTRIES_MAX = 512 };

struct diff_list {
    struct diff_entry *at;
    size_t len, cap;
    size_t more; /* Entries that did not fit. */
};

void diff_list_free(struct diff_list *list);
/* Texts are copied.  NULL: not there. */
void diff_add(struct diff_list *list, const char *path, const char *ours, const char *theirs);
/* Where two values differ, in order of the keys; NULL: not there. */
void diff_json(struct diff_list *list, const char *path, const json_t *ours, const json_t *theirs);
/* The first line in which two texts differ: "PATH.LINE". */
void diff_lines(struct diff_list *list, const char *path, const char *ours, const char *theirs);
/* "PATH\n  model: X\n  qemu:  Y\n"... of the first ones, from entry `from` on. */
void diff_print(const struct diff_list *list, size_t from, const char *theirs,
                struct strbuf *out);
/* Both sides of one thing in full, as far as fits.  what may be "". */
void diff_print_sides(const char *what, const char *theirs_name, const json_t *ours,
                      const json_t *theirs, struct strbuf *out);
/* Two texts, line below line. */
void diff_print_texts(const char *what, const char *theirs_name, const char *ours,
                      const char *theirs, struct strbuf *out);
/* "path.key"; key is quoted when it would not be read as one. new. */
char *diff_path(const char *path, const char *key);

/* ---- compare_reply.c ---- */

/* The replies of both, normalised and as far as the command's are comparable: new references in
 * view.  A reply may be NULL. */
void compare_reply_views(struct compare_side side[COMPARE_SIDES], const char *command,
                         const struct record_stmt *ours, const struct record_stmt *theirs,
                         json_t *view[COMPARE_SIDES]);

/* ---- compare_job.c ---- */

/* The jobs of a state or of a reply: without what is a matter of time.  value: normalised; new. */
json_t *compare_job_list(const struct compare_side *side, const json_t *value);
/* The same for the data of an event; may be NULL; a new reference. */
json_t *compare_job_event(const struct compare_side *side, const char *name, json_t *data);
/* Whether two events of one job, the second being the next after the first, say that it rests and
 * goes on. */
bool compare_job_rest(const char *name, const json_t *first, const json_t *second);
/* Whether a job that was cancelled or has failed had not come as far on one side as on the other:
 * what it leaves is not comparable then. */
bool compare_jobs_stray(const struct record *ours, const struct record *theirs);

/* ---- compare_output.c ---- */

/* Lines of requests that nobody waits for (aio_read, aio_write), which one side has told and the
 * other not yet. */
struct compare_late {
    char **at;
    size_t len, cap;
};

void compare_late_fini(struct compare_late *late);
/* Output of two statements.  Appends at most one difference to list, and both outputs to full. */
void compare_outputs(struct compare_late late[COMPARE_SIDES],
                     struct compare_side side[COMPARE_SIDES], const struct record_stmt *ours,
                     const struct record_stmt *theirs, const char *theirs_name,
                     struct diff_list *list, struct strbuf *full);
/* At the end: what both have told otherwise; strict: what one has told and the other has not, not
 * even as it ended.  False: nothing. */
bool compare_late_end(struct compare_late late[COMPARE_SIDES],
                      struct compare_side side[COMPARE_SIDES], const struct record *ours,
                      const struct record *theirs, bool strict, struct diff_list *list);

/* ---- compare_schema.c ---- */

/* Two replies of query-qmp-schema: what ours has and theirs has not, or has otherwise.  Types are
 * compared by what they hold. */
void compare_schemas(struct diff_list *list, const json_t *ours, const json_t *theirs);

/* ---- compare_state.c ---- */

/* The reply of x-debug-query-block-graph, normalised, by names: {"nodes": {"NAME": TYPE},
 * "edges": {"PARENT -ROLE-> CHILD": {"perm", "shared-perm"}}}.  busy: without backends that have no
 * name, and without permissions.  new. */
json_t *compare_graph_view(const json_t *graph, bool busy);

struct compare_state {
    struct diff_list known;  /* Differences behind the statement before. */
    const json_t *before[COMPARE_SIDES][4]; /* What was asked then; borrowed from the records. */
    bool held; /* What differs then is not known yet. */
    bool busy; /* In: a load, or a request that only one side has ended, is in progress. */
};

void compare_state_fini(struct compare_state *st);
/* What of a state is taken as it is: nothing, the order of nodes and devices, or everything. */
enum compare_absorb { ABSORB_NOTHING, ABSORB_ORDER, ABSORB_ALL };

/* Appends to list what is new since the statement before.
 * False: the state was not asked for. */
bool compare_state(struct compare_state *st, struct compare_side side[COMPARE_SIDES],
                   const struct record_stmt *ours, const struct record_stmt *theirs,
                   enum compare_absorb absorb, struct diff_list *list);
/* One side alone has done a statement: how the other stands is known from before, and what differs
 * now is taken as it is.  False: that cannot be told yet. */
bool compare_state_alone(struct compare_state *st, struct compare_side side[COMPARE_SIDES],
                         const struct record_stmt *done, enum compare_who who);
/* Whether the state behind a statement may be that of a moment. */
bool compare_is_late(const struct record_stmt *s);

/* ---- compare_events.c ---- */

/* A statement of ours beside its twin. */
struct compare_pair {
    const struct record_stmt *ours, *theirs; /* theirs NULL: it has none. */
    bool comparable;        /* Done on both, and no quirk. */
    enum diff_verdict verdict;
    struct strbuf detail;
    char *signature;        /* Of the first difference; NULL: none. */
};

/* Finds differences; told by fn for the pair that they belong to. */
void compare_events(struct compare_side side[COMPARE_SIDES], const struct compare_pair *pairs,
                    size_t n,
                    void (*fn)(void *opaque, size_t pair, const struct diff_list *list),
                    void *opaque);

/* ---- compare_node.c ---- */

/* "blockdev-add", "io read": what a row calls the statement.  new. */
char *compare_command(const struct record_stmt *s);
/* The driver that it is about, "" when about none.  before: the statement before it, or NULL. */
const char *compare_driver(const struct record_stmt *s, const struct record_stmt *before);
/* io aio_read, aio_write or aio_flush. */
bool compare_is_aio(const struct record_stmt *s);
/* Whether leaving it out on one side changes nothing on the other. */
bool compare_is_harmless(const struct record_stmt *s);

/* A value or text of nobody's case, normalised: for tests. */
json_t *compare_normal_json(const json_t *value);
char *compare_normal_text(const char *text);

#endif
