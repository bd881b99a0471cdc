/* User-creatable objects (QOM as far as object-add goes): iothread, throttle-group, secret.
 *
 * Objects stand at /objects/ID.  A type is a row of a table: its properties are a schema, so
 * object-add, qom-list, -object and the schema are made from it.
 */
#ifndef MODEL_OBJECT_H
#define MODEL_OBJECT_H

#include "base/error.h"
#include "model/schema.h"

#include <jansson.h>

struct layer;
struct object;

struct object_type {
    const char *name;   /* qom-type */
    const char *parent; /* Its type's parent in QOM. */
    const char *help;   /* One line. */
    const struct schema_member *properties;
    /* [io] Takes the properties; nothing outside has changed.  props: checked, without qom-type and
     * id.  Sets *state. */
    int (*create)(struct layer *l, const char *id, const json_t *props, void **state,
                  struct error *err);
    /* [io] Puts it in force: its name is free among the objects.  NULL: nothing to do. */
    int (*complete)(void *state, struct error *err);
    /* [ctl] Whether something relies on it.  NULL: never. */
    bool (*in_use)(const void *state);
    /* [ctl] Of a completed one or of one that never was. */
    void (*destroy)(void *state);
    /* [ctl] A property of the table, new. */
    json_t *(*get)(const void *state, const char *property);
    /* [ctl] value: as it came, not checked (object_check_value).  Errors: nothing has changed. */
    int (*set)(void *state, const char *property, const json_t *value, struct error *err);
};

/* All types, ends with NULL. */
extern const struct object_type *const object_types[];
extern const struct object_type object_type_iothread, object_type_secret,
    object_type_throttle_group;

/* ObjectOptions: the union over qom-type.  The first member is qom-type. */
extern const struct schema_type schema_object_options;
/* Whether QEMU 7.2 has an object type of that name, be it here or not. */
bool object_type_is_known(const char *name);

/* [io] args: checked ObjectOptions. */
int object_add(struct layer *l, const json_t *args, struct error *err);
/* [ctl] Errors: "object 'x' not found", "object 'x' is in use, can not be deleted". */
int object_del(struct layer *l, const char *id, struct error *err);
/* The state of the object of that type and id, or NULL. */
void *object_find(const struct layer *l, const char *type, const char *id);
/* Whether there is an object of that id, of whatever type. */
bool object_exists(const struct layer *l, const char *id);
/* The i-th object in order of creation; false after the last. */
bool object_at(const struct layer *l, size_t i, const char **id, const struct object_type **type,
               void **state);
/* [ctl] All that are left, when the layer goes: nothing uses them any more. */
void object_destroy_all(struct layer *l);

/* For a type's set: the value has the type of the property.  Errors: as a command's arguments. */
int object_check_value(struct layer *l, const struct object_type *type, const char *property,
                       const json_t *value, struct error *err);
/* "Property 'TYPE.PROPERTY' is not writable" */
int object_not_writable(const struct object_type *type, const char *property, struct error *err);

/* [ctl] What qom-list, qom-get and qom-set answer (model/object_qom.c).  path: absolute, or any
 * end of one that is unique.  Errors: QEMU's texts and classes. */
int qom_list(const struct layer *l, const char *path, json_t **ret, struct error *err);
int qom_get(const struct layer *l, const char *path, const char *property, json_t **ret,
            struct error *err);
int qom_set(struct layer *l, const char *path, const char *property, const json_t *value,
            struct error *err);
/* ObjectTypeInfo of all types that are, or inherit from, `implements` (NULL: all). */
json_t *qom_list_types(const char *implements, bool abstract);
int qom_list_properties(const char *type, json_t **ret, struct error *err);

/* The number of the iothread of that name, which is an object; -ENOENT. */
int object_iothread_number(const struct layer *l, const char *id);

#endif
