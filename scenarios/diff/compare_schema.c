/* SPDX-License-Identifier: MIT */
/* Replies of query-qmp-schema: everything that ours lists must be in theirs, and be the same.
 *
 * Names of types say nothing (QEMU's are numbers), so types are compared by what they hold, from
 * the commands and events down.  QEMU has commands, drivers and members that are not here; what it
 * wants to be given must be here all the same.
 */
#include "scenarios/diff/compare_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct schemas {
    struct diff_list *list;
    json_t *entry[COMPARE_SIDES]; /* By name, commands and events among them. */
    json_t *seen;                 /* "OURS THEIRS" of types that were compared. */
};

static void compare_types(struct schemas *s, const char *path, const char *ours,
                          const char *theirs);

static json_t *by_member(const json_t *array, const char *key)
{
    json_t *map = json_object();
    for (size_t i = 0; i < json_array_size(array); i++) {
        json_t *entry = json_array_get(array, i);
        json_object_set(map, json_is_string(entry) ? json_string_value(entry)
                                                   : member_text(entry, key), entry);
    }
    return map;
}

static void tell(struct schemas *s, const char *path, const char *ours, const char *theirs)
{
    if (strcmp(ours ? ours : "", theirs ? theirs : "") != 0) {
        diff_add(s->list, path, ours ? ours : "", theirs ? theirs : "");
    }
}

/* Entries of the arrays by name: those of ours must be in theirs; all: and the other way round. */
static void compare_names(struct schemas *s, const char *path, const json_t *ours,
                          const json_t *theirs, bool all)
{
    json_t *map[COMPARE_SIDES] = { by_member(ours, "name"), by_member(theirs, "name") };
    for (int w = OURS; w <= (all ? THEIRS : OURS); w++) {
        size_t n;
        const char **keys = compare_sorted_keys(map[w], &n);
        for (size_t i = 0; i < n; i++) {
            if (!json_object_get(map[!w], keys[i])) {
                char *below = diff_path(path, keys[i]);
                diff_add(s->list, below, w == OURS ? "there" : NULL, w == OURS ? NULL : "there");
                free(below);
            }
        }
        free(keys);
    }
    json_decref(map[OURS]);
    json_decref(map[THEIRS]);
}

static void compare_member(struct schemas *s, const char *path, const json_t *ours,
                           const json_t *theirs)
{
    if (!theirs) {
        diff_add(s->list, path, "there", NULL);
        return;
    }
    bool optional[COMPARE_SIDES] = { json_object_get(ours, "default") != NULL,
                                     json_object_get(theirs, "default") != NULL };
    tell(s, path, optional[OURS] ? "optional" : "wanted",
         optional[THEIRS] ? "optional" : "wanted");
    compare_types(s, path, member_text(ours, "type"), member_text(theirs, "type"));
}

static void compare_members(struct schemas *s, const char *path, const json_t *ours,
                            const json_t *theirs)
{
    json_t *map[COMPARE_SIDES] = { by_member(json_object_get(ours, "members"), "name"),
                                   by_member(json_object_get(theirs, "members"), "name") };
    size_t n;
    const char **keys = compare_sorted_keys(map[OURS], &n);
    for (size_t i = 0; i < n; i++) {
        char *below = diff_path(path, keys[i]);
        compare_member(s, below, json_object_get(map[OURS], keys[i]),
                       json_object_get(map[THEIRS], keys[i]));
        free(below);
    }
    free(keys);
    keys = compare_sorted_keys(map[THEIRS], &n);
    for (size_t i = 0; i < n; i++) {
        if (!json_object_get(map[OURS], keys[i]) &&
            !json_object_get(json_object_get(map[THEIRS], keys[i]), "default")) {
            char *below = diff_path(path, keys[i]);
            diff_add(s->list, below, NULL, "wanted");
            free(below);
        }
    }
    free(keys);
    json_decref(map[OURS]);
    json_decref(map[THEIRS]);
}

static void compare_variants(struct schemas *s, const char *path, const json_t *ours,
                             const json_t *theirs)
{
    const json_t *variants = json_object_get(ours, "variants");
    json_t *map = by_member(json_object_get(theirs, "variants"), "case");
    tell(s, path, member_text(ours, "tag"), member_text(theirs, "tag"));
    for (size_t i = 0; i < json_array_size(variants); i++) {
        const json_t *variant = json_array_get(variants, i);
        const json_t *twin = json_object_get(map, member_text(variant, "case"));
        char *below = mem_printf("%s(%s)", path, member_text(variant, "case"));
        if (twin) {
            compare_types(s, below, member_text(variant, "type"), member_text(twin, "type"));
        } else {
            diff_add(s->list, below, "there", NULL);
        }
        free(below);
    }
    json_decref(map);
}

/* The member of an alternate that is of the same kind. */
static const char *same_kind(struct schemas *s, const json_t *theirs, const char *ours)
{
    const json_t *type = json_object_get(s->entry[OURS], ours);
    const json_t *members = json_object_get(theirs, "members");
    for (size_t i = 0; i < json_array_size(members); i++) {
        const char *name = member_text(json_array_get(members, i), "type");
        const json_t *twin = json_object_get(s->entry[THEIRS], name);
        if (strcmp(member_text(type, "meta-type"), member_text(twin, "meta-type")) == 0 &&
            strcmp(member_text(type, "json-type"), member_text(twin, "json-type")) == 0) {
            return name;
        }
    }
    return NULL;
}

static void compare_alternates(struct schemas *s, const char *path, const json_t *ours,
                               const json_t *theirs)
{
    const json_t *members = json_object_get(ours, "members");
    for (size_t i = 0; i < json_array_size(members); i++) {
        const char *type = member_text(json_array_get(members, i), "type");
        const char *twin = same_kind(s, theirs, type);
        if (twin) {
            compare_types(s, path, type, twin);
        } else {
            diff_add(s->list, path, type, NULL);
        }
    }
}

static void compare_types(struct schemas *s, const char *path, const char *ours,
                          const char *theirs)
{
    const json_t *a = json_object_get(s->entry[OURS], ours);
    const json_t *b = json_object_get(s->entry[THEIRS], theirs);
    const char *meta = member_text(a, "meta-type");
    char *key = mem_printf("%s %s", ours, theirs);
    bool seen = json_object_get(s->seen, key) != NULL;
    json_object_set_new(s->seen, key, json_true());
    free(key);
    if (seen) {
        return;
    }
    if (strcmp(meta, member_text(b, "meta-type")) != 0) {
        tell(s, path, meta, member_text(b, "meta-type"));
    } else if (strcmp(meta, "builtin") == 0) {
        tell(s, path, member_text(a, "json-type"), member_text(b, "json-type"));
    } else if (strcmp(meta, "enum") == 0) {
        compare_names(s, path, json_object_get(a, "values"), json_object_get(b, "values"), false);
    } else if (strcmp(meta, "array") == 0) {
        compare_types(s, path, member_text(a, "element-type"), member_text(b, "element-type"));
    } else if (strcmp(meta, "alternate") == 0) {
        compare_alternates(s, path, a, b);
    } else if (strcmp(meta, "object") == 0) {
        compare_members(s, path, a, b);
        if (json_object_get(a, "variants")) {
            compare_variants(s, path, a, b);
        }
    }
}

/* A command or an event. */
static void compare_entry(struct schemas *s, const json_t *ours)
{
    const char *name = member_text(ours, "name"), *meta = member_text(ours, "meta-type");
    const json_t *theirs = json_object_get(s->entry[THEIRS], name);
    char *path = mem_printf("schema.%s", name);
    if (!theirs || strcmp(member_text(theirs, "meta-type"), meta) != 0) {
        diff_add(s->list, path, meta, NULL);
        free(path);
        return;
    }
    compare_types(s, path, member_text(ours, "arg-type"), member_text(theirs, "arg-type"));
    if (strcmp(meta, "command") == 0) {
        char *below = mem_printf("%s.return", path);
        compare_types(s, below, member_text(ours, "ret-type"), member_text(theirs, "ret-type"));
        free(below);
        below = mem_printf("%s.allow-oob", path);
        tell(s, below, json_is_true(json_object_get(ours, "allow-oob")) ? "true" : "false",
             json_is_true(json_object_get(theirs, "allow-oob")) ? "true" : "false");
        free(below);
    }
    char *below = mem_printf("%s.features", path);
    compare_names(s, below, json_object_get(ours, "features"), json_object_get(theirs, "features"),
                  true);
    free(below);
    free(path);
}

void compare_schemas(struct diff_list *list, const json_t *ours, const json_t *theirs)
{
    struct schemas s = { .list = list, .seen = json_object(),
                         .entry = { by_member(ours, "name"), by_member(theirs, "name") } };
    size_t n;
    const char **keys = compare_sorted_keys(s.entry[OURS], &n);
    for (size_t i = 0; i < n; i++) {
        const json_t *entry = json_object_get(s.entry[OURS], keys[i]);
        const char *meta = member_text(entry, "meta-type");
        if (strcmp(meta, "command") == 0 || strcmp(meta, "event") == 0) {
            compare_entry(&s, entry);
        }
    }
    free(keys);
    json_decref(s.entry[OURS]);
    json_decref(s.entry[THEIRS]);
    json_decref(s.seen);
}
