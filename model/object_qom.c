/* SPDX-License-Identifier: MIT */
/* The tree of objects as QOM shows it:
 *
 *   /  (container)  -objects->  /objects  (container)  -ID->  the objects
 *
 * A path that begins with '/' starts at the root.  Any other may start anywhere, and must then fit
 * one place only.  Properties are listed in the order of the types' tables.
 * (QEMU qapi/qom.json; replies of the 7.2 programs.)
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/layer_state.h"
#include "model/object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A place of the tree. */
struct place {
    enum { AT_NOTHING, AT_ROOT, AT_OBJECTS, AT_OBJECT } at;
    const char *id;                 /* An object's. */
    const struct object_type *type;
    void *state;
};

/* ---- Paths ---- */

/* The parts of a path, without the empty ones; more than three lead nowhere. */
struct parts {
    char *text;
    const char *part[4];
    size_t n;
};

static void parts_split(struct parts *p, const char *path)
{
    *p = (struct parts){ .text = mem_strdup(path) };
    char *rest;
    for (char *s = strtok_r(p->text, "/", &rest); s && p->n < ARRAY_LEN(p->part);
         s = strtok_r(NULL, "/", &rest)) {
        p->part[p->n++] = s;
    }
}

/* The place that the parts from the i-th on lead to. */
static struct place walk(const struct layer *l, struct place from, const struct parts *p, size_t i)
{
    for (; i < p->n; i++) {
        struct place to = { .at = AT_NOTHING };
        if (from.at == AT_ROOT && strcmp(p->part[i], "objects") == 0) {
            to.at = AT_OBJECTS;
        } else if (from.at == AT_OBJECTS) {
            for (size_t k = 0; object_at(l, k, &to.id, &to.type, &to.state); k++) {
                if (strcmp(to.id, p->part[i]) == 0) {
                    to.at = AT_OBJECT;
                    break;
                }
            }
        }
        from = to;
    }
    return from;
}

/* AT_NOTHING also when several places fit; then *ambiguous. */
static struct place resolve(const struct layer *l, const char *path, bool *ambiguous)
{
    struct parts p;
    parts_split(&p, path);
    struct place root = { .at = AT_ROOT }, objects = { .at = AT_OBJECTS };
    struct place found = walk(l, root, &p, 0);
    *ambiguous = false;
    if (path[0] != '/') {
        /* An object has nothing below it, so only an empty path could start at one. */
        struct place other = walk(l, objects, &p, 0);
        *ambiguous = found.at != AT_NOTHING && other.at != AT_NOTHING;
        found = *ambiguous || found.at == AT_NOTHING ? other : found;
        found.at = *ambiguous ? AT_NOTHING : found.at;
    }
    free(p.text);
    return found;
}

static int fail_path(const char *path, struct error *err)
{
    return error_set_class(err, ERROR_DEVICE_NOT_FOUND, -ENODEV, "Device '%s' not found", path);
}

/* ---- Properties ---- */

static const char *type_of(const struct place *p)
{
    return p->at == AT_OBJECT ? p->type->name : "container";
}

static void list_property(json_t *list, const char *name, const char *type)
{
    json_array_append_new(list, json_pack("{s:s, s:s}", "name", name, "type", type));
}

static void list_members(json_t *list, const struct schema_member *m)
{
    for (; m->name; m++) {
        list_property(list, m->name, m->type == &schema_str ? "string" : m->type->name);
    }
}

static void list_objects(const struct layer *l, json_t *list)
{
    const char *id;
    const struct object_type *type;
    void *state;
    for (size_t i = 0; object_at(l, i, &id, &type, &state); i++) {
        char *child = mem_printf("child<%s>", type->name);
        list_property(list, id, child);
        free(child);
    }
}

static bool has_property(const struct schema_member *m, const char *name)
{
    while (m->name && strcmp(m->name, name) != 0) {
        m++;
    }
    return m->name != NULL;
}

/* Whether a container has a child of that name. */
static bool has_child(const struct layer *l, const struct place *p, const char *name)
{
    return p->at == AT_ROOT ? strcmp(name, "objects") == 0
                            : p->at == AT_OBJECTS && object_exists(l, name);
}

static int fail_property(const struct place *p, const char *property, struct error *err)
{
    return error_set(err, -ENOENT, "Property '%s.%s' not found", type_of(p), property);
}

int qom_list(const struct layer *l, const char *path, json_t **ret, struct error *err)
{
    bool ambiguous;
    struct place p = resolve(l, path, &ambiguous);
    if (ambiguous) {
        return error_set(err, -EINVAL, "Path '%s' is ambiguous", path);
    }
    if (p.at == AT_NOTHING) {
        return fail_path(path, err);
    }
    *ret = json_array();
    list_property(*ret, "type", "string");
    if (p.at == AT_ROOT) {
        list_property(*ret, "objects", "child<container>");
    } else if (p.at == AT_OBJECTS) {
        list_objects(l, *ret);
    } else {
        list_members(*ret, p.type->properties);
    }
    return 0;
}

int qom_get(const struct layer *l, const char *path, const char *property, json_t **ret,
            struct error *err)
{
    bool ambiguous;
    struct place p = resolve(l, path, &ambiguous);
    if (p.at == AT_NOTHING) {
        return fail_path(path, err);
    }
    if (strcmp(property, "type") == 0) {
        *ret = json_string(type_of(&p));
    } else if (p.at == AT_OBJECT && has_property(p.type->properties, property)) {
        *ret = p.type->get(p.state, property);
    } else if (has_child(l, &p, property)) {
        char *child = mem_printf("%s/%s", p.at == AT_ROOT ? "" : "/objects", property);
        *ret = json_string(child);
        free(child);
    } else {
        return fail_property(&p, property, err);
    }
    return 0;
}

int qom_set(struct layer *l, const char *path, const char *property, const json_t *value,
            struct error *err)
{
    bool ambiguous;
    struct place p = resolve(l, path, &ambiguous);
    if (p.at == AT_NOTHING) {
        return fail_path(path, err);
    }
    if (p.at == AT_OBJECT && has_property(p.type->properties, property)) {
        return p.type->set(p.state, property, value, err);
    }
    if (strcmp(property, "type") == 0 || has_child(l, &p, property)) {
        return error_set(err, -EACCES, "Property '%s.%s' is not writable", type_of(&p), property);
    }
    return fail_property(&p, property, err);
}

/* ---- Types ---- */

/* The types that objects inherit from, and the container. */
static const struct base_type {
    const char *name, *parent;
    bool abstract, is_interface, user_creatable;
} base_types[] = {
    { "object", NULL, true, false, false },
    { "interface", NULL, true, true, false },
    { "user-creatable", "interface", true, true, false },
    { "container", "object", false, false, false },
    { "event-loop-base", "object", true, false, true },
    { "secret_common", "object", true, false, true },
};

static const struct base_type *find_base(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(base_types); i++) {
        if (strcmp(base_types[i].name, name) == 0) {
            return &base_types[i];
        }
    }
    return NULL;
}

/* Whether a type is `wanted` or inherits from it, interfaces included. */
static bool implements(const char *name, const char *parent, bool user_creatable,
                       const char *wanted)
{
    if (user_creatable &&
        (strcmp(wanted, "user-creatable") == 0 || strcmp(wanted, "interface") == 0)) {
        return true;
    }
    while (strcmp(name, wanted) != 0) {
        if (!parent) {
            return false;
        }
        const struct base_type *up = find_base(parent);
        CHECK(up);
        name = up->name;
        parent = up->parent;
    }
    return true;
}

static void list_type(json_t *list, const char *name, const char *parent, bool abstract)
{
    json_t *info = json_pack("{s:s}", "name", name);
    CHECK(info);
    if (abstract) {
        json_object_set_new(info, "abstract", json_true());
    }
    if (parent) {
        json_object_set_new(info, "parent", json_string(parent));
    }
    json_array_append_new(list, info);
}

json_t *qom_list_types(const char *wanted, bool abstract)
{
    json_t *list = json_array();
    for (size_t i = 0; i < ARRAY_LEN(base_types); i++) {
        const struct base_type *b = &base_types[i];
        if ((abstract || !b->abstract) &&
            (!wanted || implements(b->name, b->parent, b->user_creatable, wanted))) {
            list_type(list, b->name, b->parent, b->abstract);
        }
    }
    for (size_t i = 0; object_types[i]; i++) {
        const struct object_type *t = object_types[i];
        if (!wanted || implements(t->name, t->parent, true, wanted)) {
            list_type(list, t->name, t->parent, false);
        }
    }
    return list;
}

/* The properties that secrets share with their abstract parent end at the iv; those of
 * event-loop-base are all of an iothread's but polling. */
static size_t inherited_properties(const char *base)
{
    return strcmp(base, "secret_common") == 0     ? 4
           : strcmp(base, "event-loop-base") == 0 ? 3
                                                  : 0;
}

int qom_list_properties(const char *name, json_t **ret, struct error *err)
{
    const struct base_type *base = find_base(name);
    if (base && base->is_interface) {
        return error_set(err, -EINVAL, "Parameter 'typename' expects a QOM type");
    }
    for (size_t i = 0; object_types[i]; i++) {
        const struct object_type *t = object_types[i];
        bool is_base = base && strcmp(t->parent, name) == 0 && inherited_properties(name) > 0;
        if (!is_base && strcmp(t->name, name) != 0) {
            continue;
        }
        *ret = json_array();
        list_property(*ret, "type", "string");
        list_members(*ret, t->properties);
        while (is_base && json_array_size(*ret) > 1 + inherited_properties(name)) {
            json_array_remove(*ret, json_array_size(*ret) - 1);
        }
        return 0;
    }
    if (!base) {
        return error_set_class(err, ERROR_DEVICE_NOT_FOUND, -ENOENT, "Class '%s' not found", name);
    }
    *ret = json_array();
    list_property(*ret, "type", "string");
    return 0;
}
