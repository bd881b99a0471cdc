/* Inside of the runner: one run of one unit.
 *
 *   run.c         life of a run: headers, world, statements in order, result
 *   run_end.c     the end of a run and of power: what is in flight ends, the layer goes
 *   run_twice.c   --verify-determinism
 *   run_stmt.c    one statement: words, commands, @async, @fail, and its outcome
 *   run_verbs.c   the world verbs but for
 *   run_fault.c   fault, and what it means for the reference image
 *   run_load.c    load and wait;  run_load_real.c: loads on a real target
 *   run_args.c    args, @fd, warnings
 *   run_real.c    the same verbs on a real target, and what it cannot do
 *   run_record.c  what every statement showed, for comparison
 *   expect.c      judging an outcome and events;  expect_state.c  data, node, graph;
 *   expect_real.c the same of a real target
 */
#ifndef SCENARIOS_RUN_PRIVATE_H
#define SCENARIOS_RUN_PRIVATE_H

#include "oracles/oracle.h"
#include "scenarios/diff/record.h"
#include "scenarios/load.h"
#include "scenarios/pattern.h"
#include "scenarios/real/target.h"
#include "scenarios/run.h"
#include "scenarios/target_sim.h"
#include "scenarios/verbs.h"
#include "sim/sim.h"

enum { RUN_ORACLES_MAX = 32, RUN_STEPS_DEFAULT = 50000000, RUN_WORD_ARGS_MAX = 4096 };
#define RUN_TIMEOUT_DEFAULT_NS (3600 * NS_PER_S)

/* How a statement ended. */
struct outcome {
    bool failed;
    bool died; /* A real program has died of it. */
    const char *skip; /* It was not done; why.  NULL: it was. */
    bool has_class; /* A QMP command failed; others have no class. */
    enum error_class class;
    char *text;     /* Message of a failure, NULL otherwise. */
    json_t *ret;    /* "return" of a QMP reply, or NULL. */
    char *output;   /* What an io command printed, or NULL. */
};

/* A statement with its words after ${} was replaced. */
struct run_stmt {
    const struct script_stmt *stmt;
    enum verb_id verb;
    char **words; /* Ends with NULL. */
    int words_len;
    char *text;   /* All words, for the log. */
};

/* A statement that was started with @async and whose end nobody has waited for yet. */
struct run_async {
    char *tag;
    const struct script_stmt *stmt;
    struct target_call call;
    struct target_call *orphan; /* Of a statement that failed while it ran; then no call above. */
    bool cut; /* It was in progress when power was cut, or is an orphan: not judged. */
    struct run_async *next;
};

struct run_load {
    struct load *load; /* NULL: a power cut has ended it, or it is a real one. */
    struct load_real *real; /* On a real target. */
    bool writes;
    struct guest_port port; /* A reference on each. */
    bool owned;             /* The backend is the load's own, on a node. */
    char *tag;
    const struct script_stmt *stmt;
    struct run_load *next;
};

/* A disk with fault rules that change data behind the layer's back: what guests see of it is the
 * disk's doing, so the reference image forgets what it knows of it. */
struct run_taint {
    char *disk;
    uint64_t faults; /* Fired when last looked at. */
    struct run_taint *next;
};

struct run_event {
    const char *text; /* The log's. */
    json_t *value;    /* Owned; NULL: nobody has looked at it. */
    uint32_t statement;
};

struct run_ctx {
    const struct unit *unit;
    const struct run_config *cfg;
    struct result *r;
    struct sim *sim;
    struct target *target;
    bool real;       /* The target is one: there are no layer, disks, oracles, virtual time. */
    char *lack;      /* What a storage daemon has not; owned, for skip_rest. */
    const char *skip_rest; /* Why statements from here on cannot be done on a real one, or NULL. */
    bool volatile_disks; /* A disk of the case has a write cache. */
    bool restarted;  /* A real one was killed for a power cut, and not given power again. */
    bool unsettled;  /* Jobs have not come to where they were expected. */
    size_t recorded; /* Index + 1 of the statement in progress in cfg->record; 0: none. */
    struct guest guest;
    struct oracle oracles[RUN_ORACLES_MAX];
    size_t oracles_len;
    struct oracle_set oracle_set; /* All of them. */
    char *dir;  /* Folder of the script. */
    bool posix;
    int64_t deadline_ns;
    uint64_t steps_max;
    const struct run_stmt *now; /* The statement in progress, or NULL. */
    uint32_t statement;         /* Its id, or that of the last one. */
    int line;
    struct run_async *asyncs;
    struct run_load *loads;
    struct run_taint *taints;
    bool faulty;     /* A disk has had a rule. */
    uint64_t faults; /* Fired on all disks when last looked at. */
    struct run_event *events; /* Not yet consumed. */
    size_t events_len, events_cap;
    char seed_text[24];
    struct target_call *spare_call; /* Of the last statement, for the next; or NULL. */
    void (*late)(void *opaque, const char *node, const char *text); /* run_world_on_output */
    void *late_opaque;
    bool ending; /* The world is torn down: what happens is of no statement. */
    bool failed; /* The verdict is decided. */
    bool broken; /* The world cannot be torn down: it is left as it is. */
};

/* Where a failure is.  line 0: the statement in progress. */
struct place {
    int line, col;
};

/* run.c */
/* The first failure decides the verdict; later ones go to the log.  The first line of the text
 * makes the signature. */
void run_fail(struct run_ctx *ctx, enum verdict verdict, const char *oracle, const char *site,
              struct place at, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* A row of the log, at the statement in progress. */
void run_log(struct run_ctx *ctx, const char *kind, const char *text);
/* The same with a text that is the log's from now on: as long as the run. */
const char *run_log_take(struct run_ctx *ctx, const char *kind, char *text);
/* Tells the oracles that the instant is over, and files new events. */
void run_quiesce(struct run_ctx *ctx);
/* The value of ${name}: a parameter, or "seed". */
const char *run_lookup(const void *opaque, const char *name);

/* Runs the world until *done (NULL: see target_ops).  0, or: a failure was reported.
 * what: what is waited for, for the message. */
int run_until(struct run_ctx *ctx, const bool *done, const char *what);
/* The same with a limit in absolute virtual time.  RUN_FAILED: a failure was reported. */
enum run_stop { RUN_DONE, RUN_LIMIT, RUN_STUCK, RUN_FAILED };
enum run_stop run_until_limit(struct run_ctx *ctx, const bool *done, int64_t limit_ns,
                              const char *what);
/* Reports that nothing can go on. */
void run_stuck(struct run_ctx *ctx, const char *what);

/* The target's time, for limits. */
int64_t run_now_ns(const struct run_ctx *ctx);

/* run_real.c */
/* What a statement is left out for on this target: a reason of @model-only or "real-only"; NULL: it
 * is done. */
const char *run_skip_reason(const struct run_ctx *ctx, const struct script_stmt *stmt);
/* No statement after this one is done on a real target, for that reason. */
void run_real_skip(struct run_ctx *ctx, const char *reason);
/* A statement was left out: without a fault or a power cut the case is about something else. */
void run_real_left_out(struct run_ctx *ctx, const struct script_stmt *stmt, const char *reason);
/* False: a failure was reported. */
bool run_real_open(struct run_ctx *ctx);
/* A world verb; what is wrong with it is its outcome. */
void run_real_verb(struct run_ctx *ctx, const struct run_stmt *s, struct error *err);
void run_real_close(struct run_ctx *ctx);
/* The program has died, or does not answer: told, and what follows is skipped. */
void run_real_died(struct run_ctx *ctx, const struct script_stmt *stmt);
void run_real_silent(struct run_ctx *ctx, const char *what);

/* run_qsd.c */
/* What the case needs that a storage daemon has not, new; NULL: nothing. */
char *run_qsd_lack(const struct run_ctx *ctx);
/* A statement was not done for that reason; so is what may depend on it. */
void run_qsd_undone(struct run_ctx *ctx, const struct script_stmt *stmt, const char *reason);

/* run_record.c; all of them do nothing without a record */
void run_record_begin(struct run_ctx *ctx, const struct script_stmt *stmt, enum verb_id verb,
                      const char *text);
void run_record_skip(struct run_ctx *ctx, const struct script_stmt *stmt, const char *reason);
void run_record_outcome(struct run_ctx *ctx, const struct script_stmt *stmt,
                        const struct target_call *call, const struct outcome *out);
void run_record_event(struct run_ctx *ctx, const json_t *event);
/* An expectation that does not hold.  True: it was told to the record, and the run goes on. */
bool run_record_complaint(struct run_ctx *ctx, const char *text);
/* A quirk of the statement was judged. */
void run_record_quirk(struct run_ctx *ctx, const struct script_stmt *stmt, bool holds);
/* The program died of the statement, or gave no answer in time. */
void run_record_gone(struct run_ctx *ctx, enum record_end end, const char *why);
/* The statement is over: the state behind it. */
void run_record_end(struct run_ctx *ctx);
/* Output of io that belongs to no statement any more. */
void run_record_late(struct run_ctx *ctx, const char *text);
/* The end of the case: maps and data. */
void run_record_nodes(struct run_ctx *ctx);
/* The layer is gone: the files of a simulated target as they are now. */
void run_record_files(struct run_ctx *ctx);
/* Whether queries may be sent now. */
bool run_record_may_ask(const struct run_ctx *ctx);
/* Sends a command without arguments and waits: its "return", new, or NULL. */
json_t *run_query(struct run_ctx *ctx, const char *command);

/* run_stmt.c */
/* Does a statement and judges it. */
void run_statement(struct run_ctx *ctx, const struct script_stmt *stmt);
/* The outcome of a finished call. */
void outcome_of_call(const struct target_call *call, struct outcome *out);
/* A failure with GenericError; takes the text from err. */
void outcome_fail(struct outcome *out, const struct error *err);
void outcome_fini(struct outcome *out);
/* "key=value" of the words from index `from`, or NULL. */
const char *stmt_key(const struct run_stmt *s, const char *key);
/* Takes away the rules of @fail. */
void run_fail_rules_clear(struct run_ctx *ctx, const struct script_stmt *stmt);

/* Tells the oracles that files changed by other hands than the guests'.  name: NULL for any. */
void run_storage_changed(struct run_ctx *ctx, const char *name);
/* run_fault.c */
int run_verb_fault(struct run_ctx *ctx, const struct run_stmt *s, struct error *err);
/* Before and after every statement: what faults mean for the reference image. */
void run_taints_tell(struct run_ctx *ctx);
void run_taints_free(struct run_ctx *ctx);
/* A mask of 1 << enum disk_op from "read,write"; NULL: all. */
uint32_t run_parse_ops(const char *text);

/* run_verbs.c: 0, or a failure of the runner was reported; what goes wrong with the verb itself is
 * an outcome. */
int run_verb(struct run_ctx *ctx, const struct run_stmt *s, struct outcome *out);

/* run_load.c */
int run_verb_load(struct run_ctx *ctx, const struct run_stmt *s, struct outcome *out);
/* Waits, and judges what was waited for together with the expectations of the wait. */
void run_verb_wait(struct run_ctx *ctx, const struct run_stmt *s);
/* Something that was started with a tag and has not ended. */
bool run_background_busy(const struct run_ctx *ctx);
/* The tag is in use. */
bool run_tag_known(const struct run_ctx *ctx, const char *tag);
/* Stops loads and waits for them and for @async statements; judges what nobody waited for. */
void run_background_finish(struct run_ctx *ctx);
/* Before a statement: notes in cfg->record what loads in progress make of the comparison. */
void run_loads_note(struct run_ctx *ctx, const struct run_stmt *s);
/* Asks all loads to start no more requests. */
void run_loads_stop(struct run_ctx *ctx);
/* Waits for everything, loads being stopped, and throws it away; power: entries stay so that `wait`
 * finds them. */
int run_background_drop(struct run_ctx *ctx);
/* What is in progress ends with the power: nobody judges it at the end of the case. */
void run_background_cut(struct run_ctx *ctx);
void run_background_free(struct run_ctx *ctx);

/* run_load_real.c */
/* Runs the target as its ops.run does; loads on a real one go on meanwhile. */
int run_target(struct run_ctx *ctx, const bool *done, int64_t until_ns);
/* Starts l->real.  -ECANCELED without err: the rest of the case is skipped instead. */
int run_real_load(struct run_ctx *ctx, const struct run_stmt *s, struct run_load *l,
                  struct error *err);
/* Waits for the end of l->real.  False: it takes too long, and the rest is skipped. */
bool run_real_load_wait(struct run_ctx *ctx, struct run_load *l);
/* Waits for all loads that have an end of their own. */
void run_real_loads_end(struct run_ctx *ctx);

/* run_args.c */
int run_verb_args(struct run_ctx *ctx, const struct run_stmt *s, struct error *err);
/* Opens what @fd names and passes it along.  False: a failure was reported. */
bool run_pass_fd(struct run_ctx *ctx, const struct script_stmt *stmt);
/* Files what the layer has warned of since the last call; out, where it printed nothing itself,
 * gets it as its output. */
void run_take_warnings(struct run_ctx *ctx, struct outcome *out);

/* run_end.c */
int run_power(struct run_ctx *ctx, bool on, struct error *err);
/* Everything that is left ends; the layer and the target go. */
void run_teardown(struct run_ctx *ctx);

/* run_twice.c */
void run_once(const struct unit *u, const struct run_config *cfg, struct result *r,
              struct strbuf *trace); /* run.c; trace: NULL, or takes the kept trace. */
void run_verify(const struct unit *u, const struct run_config *cfg, struct result *r);

/* expect.c */
/* Judges the outcome by the expectations of stmt and, if given, of more. */
void run_judge(struct run_ctx *ctx, const struct script_stmt *stmt,
               const struct script_stmt *more, const struct outcome *out);
/* ${} replaced in the words of an expectation.  NULL: a failure was reported.  Free with
 * expect_words_free. */
char **expect_words(struct run_ctx *ctx, const struct script_expect *e);
void expect_words_free(char **words);
/* Whether a text in an expectation stands for that JSON value: equal as text, number, size or
 * boolean, or a matching /re/. */
bool expect_value_matches(const char *want, const json_t *have);
/* The value at a dotted path, or NULL. */
const json_t *expect_path(const json_t *at, const char *path);
/* "path=VALUE" or "path:=JSON" against an object (may be NULL). */
bool expect_member_matches(const json_t *object, const char *word);
void expect_fail(struct run_ctx *ctx, const struct script_expect *e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void run_file_events(struct run_ctx *ctx);
void run_events_free(struct run_ctx *ctx);

/* expect_real.c */
void expect_real_data(struct run_ctx *ctx, const struct script_expect *e, char **words);
void expect_real_node(struct run_ctx *ctx, const struct script_expect *e, char **words);
void expect_real_graph(struct run_ctx *ctx, const struct script_expect *e, char **words);

/* expect_job.c */
void expect_job(struct run_ctx *ctx, const struct script_expect *e, char **words);
/* All jobs: their entries in query-jobs, each with the members of that in query-block-jobs; new, or
 * NULL: they could not be asked for. */
json_t *run_query_jobs(struct run_ctx *ctx);
/* On a real target, where a job takes its time: waits until the jobs have come to what they had
 * come to behind the same statement of the run that this one is compared with. */
void run_jobs_settle(struct run_ctx *ctx, uint32_t id);

/* expect_state.c */
/* data NODE RANGE is|in PATTERN [per=SIZE]. */
struct data_words {
    struct range range;
    struct pattern pattern;
    uint64_t per;
    const char *want; /* The PATTERN as written. */
};
int expect_data_parse(char **words, struct data_words *out, struct error *err);
void expect_data_differs(struct run_ctx *ctx, const struct script_expect *e, const char *node,
                         const struct data_words *d, uint64_t at, uint8_t byte);
/* Judges members of an entry of query-named-block-nodes. */
void expect_node_member(struct run_ctx *ctx, const struct script_expect *e, const char *name,
                        const json_t *entry, const char *word);
/* The entry of a node, new, or NULL. */
json_t *expect_query_node(struct run_ctx *ctx, const char *name);
/* Reads what a node of the simulated layer holds.  Errors: of the read; -EDEADLK: it never ends. */
int expect_read(struct run_ctx *ctx, const char *node, uint64_t offset, size_t bytes, void *buf,
                struct error *err);
void expect_data(struct run_ctx *ctx, const struct script_expect *e, char **words);
void expect_node(struct run_ctx *ctx, const struct script_expect *e, char **words);
void expect_graph(struct run_ctx *ctx, const struct script_expect *e, char **words);

#endif
