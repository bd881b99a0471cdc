/* SPDX-License-Identifier: MIT */
/* The objects of a layer, and ObjectOptions.
 *
 *   object_add: properties -> name is free -> in the list -> complete -> (done)
 *                                                  \-> out of the list, destroyed
 *
 * That order decides which of several mistakes is told, and is QEMU's.
 * (QEMU qapi/qom.json; query-qmp-schema of the 7.2 program.)
 */
#include "model/object.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/layer_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct object {
    char *id;
    const struct object_type *type;
    void *state;
    struct object *prev, *next;
};

const struct object_type *const object_types[] = { &object_type_iothread, &object_type_secret,
                                                   &object_type_throttle_group, NULL };

/* ---- ObjectOptions ---- */

/* Names of all types of QEMU 7.2, as its query-qmp-schema lists them. */
static const char *const qemu_types[] = {
    "authz-list", "authz-listfile", "authz-pam", "authz-simple", "can-bus", "can-host-socketcan",
    "colo-compare", "cryptodev-backend", "cryptodev-backend-builtin", "cryptodev-backend-lkcf",
    "cryptodev-vhost-user", "dbus-vmstate", "filter-buffer", "filter-dump", "filter-mirror",
    "filter-redirector", "filter-replay", "filter-rewriter", "input-barrier", "input-linux",
    "iothread", "main-loop", "memory-backend-epc", "memory-backend-file", "memory-backend-memfd",
    "memory-backend-ram", "pef-guest", "pr-manager-helper", "qtest", "rng-builtin", "rng-egd",
    "rng-random", "secret", "secret_keyring", "sev-guest", "thread-context", "s390-pv-guest",
    "throttle-group", "tls-creds-anon", "tls-creds-psk", "tls-creds-x509", "tls-cipher-suites",
    "x-remote-object", "x-vfio-user-server", NULL
};

bool object_type_is_known(const char *name)
{
    for (size_t i = 0; qemu_types[i]; i++) {
        if (strcmp(qemu_types[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static const struct object_type *find_type(const char *name)
{
    size_t i = 0;
    while (object_types[i] && strcmp(object_types[i]->name, name) != 0) {
        i++;
    }
    return object_types[i];
}

static const char *type_name_at(const struct blk_driver *const *drivers, size_t i)
{
    (void)drivers;
    return object_types[i] ? object_types[i]->name : NULL;
}

static const struct schema_member *type_branch(const struct blk_driver *const *drivers,
                                               const char *value)
{
    (void)drivers;
    const struct object_type *type = find_type(value);
    return type ? type->properties : NULL;
}

static const struct schema_type type_name = {
    .name = "ObjectType", .kind = SCHEMA_ENUM, .value_at = type_name_at
};

static const struct schema_member object_members[] = {
    { "qom-type", &type_name, 0, NULL, "the type of the object" },
    { "id", &schema_str, 0, NULL, "its name" },
    { 0 },
};

const struct schema_type schema_object_options = {
    .name = "ObjectOptions",
    .kind = SCHEMA_UNION,
    .members = object_members,
    .discriminator = "qom-type",
    .branch = type_branch,
};

int object_check_value(struct layer *l, const struct object_type *type, const char *property,
                       const json_t *value, struct error *err)
{
    const struct schema_member *m = type->properties;
    while (strcmp(m->name, property) != 0) {
        m++;
        CHECK(m->name);
    }
    return schema_check(l->drivers, m->type, property, value, err);
}

int object_not_writable(const struct object_type *type, const char *property, struct error *err)
{
    return error_set(err, -EACCES, "Property '%s.%s' is not writable", type->name, property);
}

/* ---- The list ---- */

static struct object *find(const struct layer *l, const char *id)
{
    struct object *o = l->objects;
    while (o && strcmp(o->id, id) != 0) {
        o = o->next;
    }
    return o;
}

bool object_exists(const struct layer *l, const char *id)
{
    return find(l, id) != NULL;
}

void *object_find(const struct layer *l, const char *type, const char *id)
{
    const struct object *o = find(l, id);
    return o && strcmp(o->type->name, type) == 0 ? o->state : NULL;
}

bool object_at(const struct layer *l, size_t i, const char **id, const struct object_type **type,
               void **state)
{
    const struct object *o = l->objects;
    while (o && i-- > 0) {
        o = o->next;
    }
    if (!o) {
        return false;
    }
    *id = o->id;
    *type = o->type;
    *state = o->state;
    return true;
}

static void object_free(struct layer *l, struct object *o)
{
    *(o->prev ? &o->prev->next : &l->objects) = o->next;
    *(o->next ? &o->next->prev : &l->objects_tail) = o->prev;
    o->type->destroy(o->state);
    free(o->id);
    free(o);
}

/* The new object takes state over. */
static int enlist(struct layer *l, const char *id, const struct object_type *type, void *state,
                  struct error *err)
{
    if (find(l, id)) {
        type->destroy(state);
        return error_set(err, -EEXIST,
                         "attempt to add duplicate property '%s' to object (type 'container')", id);
    }
    struct object *o = NEW(struct object);
    o->id = mem_strdup(id);
    o->type = type;
    o->state = state;
    o->prev = l->objects_tail;
    *(o->prev ? &o->prev->next : &l->objects) = o;
    l->objects_tail = o;
    int ret = type->complete ? type->complete(state, err) : 0;
    if (ret < 0) {
        object_free(l, o);
    }
    return ret;
}

int object_add(struct layer *l, const json_t *args, struct error *err)
{
    const char *id = json_string_value(json_object_get(args, "id"));
    const struct object_type *type =
        find_type(json_string_value(json_object_get(args, "qom-type")));
    void *state = NULL;
    CHECK(id && type);
    if (!text_is_identifier(id)) {
        return error_set(err, -EINVAL, "Parameter 'id' expects an identifier");
    }
    json_t *props = json_copy((json_t *)(uintptr_t)args);
    json_object_del(props, "id");
    json_object_del(props, "qom-type");
    int ret = type->create(l, id, props, &state, err);
    json_decref(props);
    return ret < 0 ? ret : enlist(l, id, type, state, err);
}

int object_del(struct layer *l, const char *id, struct error *err)
{
    struct object *o = find(l, id);
    if (!o) {
        return error_set(err, -ENOENT, "object '%s' not found", id);
    }
    if (o->type->in_use && o->type->in_use(o->state)) {
        return error_set(err, -EBUSY, "object '%s' is in use, can not be deleted", id);
    }
    object_free(l, o);
    return 0;
}

void object_destroy_all(struct layer *l)
{
    while (l->objects_tail) {
        object_free(l, l->objects_tail);
    }
}
