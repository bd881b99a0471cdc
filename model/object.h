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
    const char *name; /* qom-type */
    const char *help; /* One line. */
    const struct schema_member *properties;
    /* [ctl] props: checked, without qom-type and id.  Sets *state. */
    int (*create)(struct layer *l, const char *id, const json_t *props, void **state,
                  struct error *err);
    /* [ctl] Errors: -EBUSY while it is in use ("object 'x' is in use, can not be deleted"). */
    bool (*in_use)(const void *state);
    void (*destroy)(void *state);
    /* qom-get, qom-set of one property.  NULL: none can be read or set. */
    json_t *(*get)(const void *state, const char *property, struct error *err);
    int (*set)(void *state, const char *property, const json_t *value, struct error *err);
};

/* All types, ends with NULL. */
extern const struct object_type *const object_types[];

/* ObjectOptions: the union over qom-type. */
extern const struct schema_type schema_object_options;

/* [ctl] args: checked ObjectOptions. */
int object_add(struct layer *l, const json_t *args, struct error *err);
int object_del(struct layer *l, const char *id, struct error *err);
/* The state of the object of that type and id, or NULL. */
void *object_find(const struct layer *l, const char *type, const char *id);
/* The i-th object in order of creation; false after the last. */
bool object_at(const struct layer *l, size_t i, const char **id, const struct object_type **type,
               void **state);
/* All that are left, when the layer goes. */
void object_destroy_all(struct layer *l);

#endif
