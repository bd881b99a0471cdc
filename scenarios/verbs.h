/* The words of the scenario language as one set of tables: world verbs, headers, properties,
 * expectations, and the reasons of @model-only.  The parser checks with them, and `help verb`, the
 * completion and the manual are made from them.
 */
#ifndef SCENARIOS_VERBS_H
#define SCENARIOS_VERBS_H

#include "base/error.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a word or a value must be. */
enum verb_value {
    VALUE_TEXT,     /* Anything. */
    VALUE_NAME,     /* Letters, digits and . _ + - / : #, not empty, at most 255. */
    VALUE_PATH,     /* Not empty, at most 1023 bytes. */
    VALUE_SIZE,     /* 0, 64k, 1.5M: bytes */
    VALUE_SIZE_POS, /* The same, 1 or more. */
    VALUE_SIZES,    /* SIZE or SIZE-SIZE */
    VALUE_RANGE,    /* OFFSET+LENGTH */
    VALUE_DURATION, /* 0, 500ns, 10us, 2ms, 1s */
    VALUE_RUN,      /* A duration, or idle */
    VALUE_UINT,     /* 0, 7, 0x10 */
    VALUE_UINT_POS,
    VALUE_PERMILLE, /* 0...1000 */
    VALUE_PERCENT,  /* 0...100 */
    VALUE_COUNT,    /* 1 or more, or forever */
    VALUE_CACHE,    /* none, volatile, or a size */
    VALUE_BYTE,     /* 0...255 */
    VALUE_PATTERN,  /* Bytes joined by | */
    VALUE_ERRNO,    /* EIO, or a number */
    VALUE_CHOICE,   /* One of names. */
    VALUE_CHOICES,  /* Several of names, joined by commas. */
    VALUE_JSON,
    VALUE_SUBSET,   /* JSON whose "/re/" strings are regular expressions. */
    VALUE_REGEX,
};

struct verb_key {
    const char *name; /* NULL ends a table. */
    enum verb_value value;
    const char *const *names; /* VALUE_CHOICE, VALUE_CHOICES: ends with NULL. */
    bool required;
    uint32_t kinds; /* `fault`: mask of 1 << enum fault_kind that take it; 0: all. */
    const char *help;
};

/* Words that stand before the keys. */
struct verb_arg {
    const char *name; /* As in the usage: "NODE"; NULL ends a table. */
    enum verb_value value;
    const char *const *names;
    bool optional;
};

enum verb_class {
    VERB_STATEMENT,
    VERB_HEADER,
    VERB_PROPERTY,
    VERB_EXPECT,
    VERB_REASON, /* Of @model-only and the header model-only. */
    VERB_STRUCTURE, /* case, end */
};

enum verb_flags {
    VERB_LATER = 1 << 0,    /* Known, not in this version: an error that says so. */
    VERB_SIM_HOST = 1 << 1, /* Needs `host sim`. */
    VERB_BLOCK = 1 << 2,    /* Opens a block that `end` closes. */
    VERB_FREE_KEYS = 1 << 3, /* Further key=value words of any name. */
    VERB_ONCE = 1 << 4,     /* Headers: at most once in a case. */
    VERB_FREE_WORDS = 1 << 5, /* Further words of any kind (io). */
    VERB_ON_COMMAND = 1 << 6, /* Properties, expectations: of QMP commands and `qmp`... */
    VERB_ON_IO = 1 << 7,      /* ...of io... */
    VERB_ON_WORLD = 1 << 8,   /* ...of world verbs. */
    VERB_MODEL_ONLY = 1 << 9, /* Expectations: the real QEMU cannot show it. */
};

enum { VERB_ON_ANY = VERB_ON_COMMAND | VERB_ON_IO | VERB_ON_WORLD };

struct verb_def {
    const char *name; /* NULL ends the table. */
    enum verb_class class;
    int code; /* VERB_EXPECT: enum expect_kind (quirk: EXPECT_QUIRK); VERB_STATEMENT: enum
               * verb_id. */
    uint32_t flags;
    const struct verb_arg *args; /* NULL: none. */
    const struct verb_key *keys; /* NULL: none. */
    const char *usage;           /* "disk NAME size=SIZE ..." */
    const char *help;            /* One line. */
    const char *more;            /* Further lines of help, or NULL. */
};

/* Statements that are not QMP commands, for a runner's switch. */
enum verb_id {
    VERB_NONE, /* A QMP command in key=value words. */
    VERB_QMP,
    VERB_IO,
    VERB_DISK,
    VERB_IMAGE,
    VERB_LOAD,
    VERB_FAULT,
    VERB_POWER,
    VERB_RUN,
    VERB_WAIT,
    VERB_CLOCK,
    VERB_IOTHREAD,
    VERB_EXPORT,
    VERB_PARTITION,
    VERB_HEAL,
    VERB_RECOVER,
    VERB_ARGS,
};

/* All words, class after class. */
extern const struct verb_def verbs_all[];

/* The keys of @fail. */
extern const struct verb_key verbs_fail_keys[];

/* NULL when there is none of that name. */
const struct verb_def *verb_find(enum verb_class class, const char *name);
/* What a statement that begins with this word is. */
enum verb_id verb_id_of(const char *word);
const struct verb_key *verb_key_find(const struct verb_key *keys, const char *name);

/* Whether text is such a value.  names: of VALUE_CHOICE and VALUE_CHOICES.
 * Errors: -EINVAL with a text that says what is expected, "'x' is not a size (64k, 1M)". */
int verb_value_check(enum verb_value value, const char *const *names, const char *text,
                     struct error *err);

/* Appends "a, b, c" of a class or of a table of names, and "; did you mean 'b'?" when word is near
 * one of them. */
void verb_list_class(enum verb_class class, const char *word, struct strbuf *out);
void verb_list_names(const char *const *names, const char *word, struct strbuf *out);
void verb_list_keys(const struct verb_key *keys, const char *word, struct strbuf *out);

/* What `help verb NAME` prints: usage, keys with defaults, notes.  False for an unknown name; the
 * valid names are appended then. */
bool verb_help(const char *name, struct strbuf *out);
/* The whole table as the reference part of docs/scenarios.md. */
void verb_reference(struct strbuf *out);

/* key=value words of `fault` and @fail: which keys a kind takes and needs.  kind: enum fault_kind.
 * have(opaque, key) tells whether a key is there. */
int verb_fault_check(int kind, bool (*have)(const void *opaque, const char *key),
                     const void *opaque, struct error *err);

#endif
