/* Between the files of the blkdebug driver: rules, the engine that runs them, their sources. */
#ifndef DRIVERS_BLKDEBUG_BLKDEBUG_H
#define DRIVERS_BLKDEBUG_BLKDEBUG_H

#include "model/node.h"

enum rule_action { RULE_INJECT, RULE_SET_STATE, RULE_SUSPEND };

/* BlkdebugIOType, as bits of a mask. */
enum iotype {
    IOTYPE_READ = 1 << 0,
    IOTYPE_WRITE = 1 << 1,
    IOTYPE_WRITE_ZEROES = 1 << 2,
    IOTYPE_DISCARD = 1 << 3,
    IOTYPE_FLUSH = 1 << 4,
    IOTYPE_BLOCK_STATUS = 1 << 5,
    IOTYPE_DEFAULT = IOTYPE_READ | IOTYPE_WRITE | IOTYPE_WRITE_ZEROES | IOTYPE_DISCARD |
                     IOTYPE_FLUSH,
};

struct suspension;

struct rule {
    enum rule_action action;
    int event;          /* Index into event_names. */
    int32_t state;      /* 0: any. */
    struct rule *next;  /* In engine->rules[event], newest first. */

    /* RULE_INJECT */
    uint32_t iotypes;
    int32_t error;      /* Positive errno; 0: none; negative: the request is dropped. */
    int64_t sector;     /* -1: any. */
    bool once, immediately;
    struct rule *next_active;

    /* RULE_SET_STATE */
    int32_t new_state;

    /* RULE_SUSPEND */
    char *tag, *what;          /* what: "breakpoint 'TAG'", for reports. */
    struct suspension *held;   /* Who stopped at it; NULL: nobody yet. */
    struct rule *next_stopped; /* In engine->stopped, oldest first. */
    struct rule *next_held;    /* In held->rules. */
};

enum { EVENTS = 48 };

struct engine {
    struct sim *sim;
    int32_t state;
    uint32_t count;              /* Rules in rules[]. */
    struct rule *rules[EVENTS];
    struct rule *active;         /* Inject rules in force, oldest first. */
    struct rule *stopped;        /* Breakpoints at which a request stands. */
};

/* rules.c.  An engine is zero-initialised but for sim, and starts in state 1. */
void engine_init(struct engine *e, struct sim *s);
/* Checked: no request is suspended. */
void engine_fini(struct engine *e);
/* Adds a copy of the rule; it owns tag and what. */
void engine_add(struct engine *e, const struct rule *rule);
/* [io] Something happened: moves the state, chooses the active rules, suspends.  Outside a
 * coroutine breakpoints do nothing. */
void engine_event(struct engine *e, int event);
/* [io] What is to become of a request: 0: go on, < 0: fail with it, 1: say it is done and do
 * nothing. */
int engine_check(struct engine *e, enum iotype type, int64_t offset, int64_t bytes);

/* Breakpoints.  -ENOENT: unknown event; no such tag. */
int engine_break(struct engine *e, const char *event, const char *tag);
int engine_resume(struct engine *e, const char *tag);
int engine_remove_break(struct engine *e, const char *tag);
bool engine_is_suspended(const struct engine *e, const char *tag);

/* tables.c */
extern const char *const event_names[]; /* In QAPI's order; ends with NULL. */
extern const char *const iotype_names[];
extern const struct schema_member blkdebug_options[];
int event_find(const char *name);       /* Index or -ENOENT. */
uint32_t iotype_find(const char *name); /* Bit or 0. */

/* config.c: a rules file from its text.  Errors: -EINVAL with QEMU's texts; some
 * rules may have been added. */
int config_parse(struct engine *e, const char *text, size_t n, struct error *err);
/* [io] The same from a file of the host.  Errors: also of the host. */
int config_load(struct engine *e, struct host *h, const char *path, struct error *err);

#endif
