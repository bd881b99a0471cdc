/* The members of a small object at hand: for walks over tables, which ask for many names of which
 * few are there.  Inside of model/schema*.c. */
#ifndef MODEL_SCHEMA_KEYS_H
#define MODEL_SCHEMA_KEYS_H

#include <jansson.h>
#include <stdint.h>
#include <string.h>

enum { SCHEMA_KEYS_MAX = 16 };

struct schema_keys {
    const json_t *object; /* Borrowed; no key may come or go. */
    size_t n;             /* SCHEMA_KEYS_MAX + 1: too many, ask the object. */
    const char *names[SCHEMA_KEYS_MAX];
    json_t *values[SCHEMA_KEYS_MAX]; /* As they were at init. */
};

static inline void schema_keys_init(struct schema_keys *k, const json_t *object)
{
    const char *name;
    json_t *value;
    k->object = object;
    k->n = 0;
    if (json_object_size(object) > SCHEMA_KEYS_MAX) {
        k->n = SCHEMA_KEYS_MAX + 1;
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)object, name, value) {
        k->names[k->n] = name;
        k->values[k->n++] = value;
    }
}

static inline json_t *schema_keys_get(const struct schema_keys *k, const char *name)
{
    if (k->n > SCHEMA_KEYS_MAX) {
        return json_object_get(k->object, name);
    }
    for (size_t i = 0; i < k->n; i++) {
        if (k->names[i][0] == name[0] && strcmp(k->names[i], name) == 0) {
            return k->values[i];
        }
    }
    return NULL;
}

#endif
