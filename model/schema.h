/* Types of QMP values and driver options, as tables.  DESIGN section 1.4.
 *
 * A driver publishes its run-time options once, as an array of schema_member.  From these tables
 * come the check of blockdev-add and of every command's arguments, the reading of key=value words,
 * the defaults and immutability in reopen, query-qmp-schema, `help driver NAME` and the docs.
 *
 * Names of types and members are those of QEMU's qapi files.  All tables are const.
 */
#ifndef MODEL_SCHEMA_H
#define MODEL_SCHEMA_H

#include "base/error.h"
#include "base/text.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct blk_driver;

enum schema_kind {
    SCHEMA_STR,
    SCHEMA_BOOL,
    SCHEMA_INT,    /* int64; ranges by name: "int8"... "uint64" are checked */
    SCHEMA_SIZE,   /* uint64; in key=value words its text is always a size: "1.5k" */
    SCHEMA_NUMBER,
    SCHEMA_NULL,
    SCHEMA_ANY,
    SCHEMA_ENUM,
    SCHEMA_STRUCT,
    SCHEMA_UNION,  /* struct whose further members depend on a discriminator */
    SCHEMA_ARRAY,
    SCHEMA_ALTERNATE,
};

struct schema_type;

enum schema_member_flags {
    MEMBER_OPTIONAL = 1 << 0,
    MEMBER_MUTABLE = 1 << 1, /* Driver options: may change in blockdev-reopen. */
    MEMBER_HOW = 1 << 2,     /* Driver options: says how the image is used, not what it is, so it
                              * is left out of "json:" names. */
    MEMBER_NO_RESET = 1 << 3, /* With MEMBER_MUTABLE: once given it may change, not be left out. */
    MEMBER_FINAL = 1 << 4,    /* A node that was given it cannot be reopened at all. */
    MEMBER_DEPRECATED = 1 << 5, /* As the schema says it. */
};

struct schema_member {
    const char *name; /* NULL ends a table. */
    const struct schema_type *type;
    unsigned flags;
    const char *deflt; /* Text as in key=value; NULL: no default. */
    const char *help;  /* One line. */
};

struct schema_type {
    const char *name; /* QAPI name: "str", "BlockdevRef", "OnOffAuto"... */
    enum schema_kind kind;
    const char *const *values;                  /* ENUM: ends with NULL. */
    const struct schema_member *members;        /* STRUCT, UNION (base members). */
    const struct schema_type *element;          /* ARRAY */
    const struct schema_type *const *alternatives; /* ALTERNATE: ends with NULL. */
    const char *discriminator;                  /* UNION: an enum member of the base. */
    /* UNION: members of the branch, or NULL for none.  Values of the discriminator that have no
     * branch at all are not in its enum. */
    const struct schema_member *(*branch)(const struct blk_driver *const *drivers,
                                          const char *value);
    /* ENUM: QEMU's values that are not to be had here, and are refused as such; ends with NULL. */
    const char *const *elsewhere;
    /* ENUM whose values are not known until run time: the i-th, NULL after the last. */
    const char *(*value_at)(const struct blk_driver *const *drivers, size_t i);
    const char *const *features; /* Of the type as the schema shows it; ends with NULL. */
};

extern const struct schema_type schema_str, schema_bool, schema_int, schema_size, schema_number,
    schema_null, schema_any, schema_uint8, schema_uint16, schema_uint32, schema_uint64,
    schema_int32;

/* BlockdevOptions (union over the drivers), BlockdevRef, BlockdevRefOrNull. */
extern const struct schema_type schema_blockdev_options, schema_blockdev_ref,
    schema_blockdev_ref_or_null;

/* BlockdevDriver: the drivers that there are. */
extern const struct schema_type schema_driver;
/* BlockdevCreateOptions, BlockdevAmendOptions: unions over the drivers. */
extern const struct schema_type schema_create_options, schema_amend_options;

/* OnOffAuto, BlockdevDetectZeroesOptions, BlockdevDiscardOptions, BlockdevCacheOptions. */
extern const struct schema_type schema_on_off_auto, schema_detect_zeroes, schema_discard,
    schema_cache;

/* The i-th value of an enum, NULL after the last. */
const char *schema_enum_value(const struct blk_driver *const *drivers,
                              const struct schema_type *type, size_t i);

/* True for a driver name of QEMU 7.2.  schema_check says of one that is not among the drivers that
 * it is not there, and of any other word what QEMU says. */
bool schema_driver_is_known(const char *name);

/* Checks value against type with QEMU's messages, names included ("Parameter 'cache.direct' ...").
 * path: the name of value itself, "" for a command's arguments.  Nothing is changed.
 * Errors: -EINVAL with a GenericError. */
int schema_check(const struct blk_driver *const *drivers, const struct schema_type *type,
                 const char *path, const json_t *value, struct error *err);

/* One key=value word of a statement or command line into an object: dotted keys start at the root,
 * digits are array indices (QEMU's keyval rules), the value's type comes from the schema.  The
 * object may hold earlier words.  Words may come in any order: until the discriminator is known a
 * value stays text and schema_type_words finishes it.
 * Errors: -EINVAL naming the key. */
int schema_put_word(json_t *object, const char *key, const char *value, struct error *err);

/* Gives types to the strings that schema_put_word left, by the schema; arrays are made of
 * index-keyed objects.  Returns a value that may share parts with object.  What the schema does not
 * know stays text, so that the check that follows reports it.  Beyond QEMU's keyval, every integer
 * takes size suffixes, and "null" is JSON null where the schema allows it.  Errors: -EINVAL naming
 * the key. */
json_t *schema_type_words(const struct blk_driver *const *drivers, const struct schema_type *type,
                          const json_t *object, struct error *err);
/* The same as QEMU's keyval has it: without those suffixes, and "null" is a text. */
json_t *schema_type_keyval(const struct blk_driver *const *drivers, const struct schema_type *type,
                           const json_t *object, struct error *err);

/* The array that query-qmp-schema returns, for these roots (SchemaInfo, qapi/introspect.json).
 * Types keep their names (QEMU's are numbers); their order is that of first use. */
struct qmp_command;
struct qmp_event;
json_t *schema_introspect(const struct blk_driver *const *drivers,
                          const struct qmp_command *const *commands,
                          const struct qmp_event *const *events);

#endif
