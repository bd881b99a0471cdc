/* SPDX-License-Identifier: MIT */
/* query-qmp-schema beside that of the installed QEMU: every command and event that is here has the
 * same arguments, members, types, defaults and features there.  Skipped where it is not installed.
 *
 * QEMU numbers its types, so both are walked from the commands down, in pairs.  What is not here on
 * purpose (drivers, object types) may be missing from an enum or a union; nothing may be added, and
 * members that are missing stand in a list.
 */
#include "base/check.h"
#include "base/mem.h"
#include "drivers/registry.h"
#include "model/qmp/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Members of QEMU that belong to what is not here. */
static const char *const absent[] = {
    "ImageInfo encrypted",
    "ImageInfo compressed",
    "ImageInfo snapshots",
    "ImageInfoSpecificQCow2 data-file",
    "ImageInfoSpecificQCow2 data-file-raw",
    "ImageInfoSpecificQCow2 encrypt",
    "ImageInfoSpecificQCow2 bitmaps",
    "InetSocketAddress numeric",
    "InetSocketAddress to",
    "InetSocketAddress ipv4",
    "InetSocketAddress ipv6",
    "InetSocketAddress keep-alive",
    "InetSocketAddress mptcp",
    "UnixSocketAddress abstract",
    "UnixSocketAddress tight",
};

struct comparison {
    json_t *theirs, *ours; /* Entities by name. */
    json_t *seen;
    struct strbuf differences;
};

static json_t *by_name(const json_t *schema)
{
    json_t *out = json_object(), *entity;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)schema, i, entity) {
        json_object_set(out, json_string_value(json_object_get(entity, "name")), entity);
    }
    return out;
}

static const char *text(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));
    return s ? s : "";
}

static void differ(struct comparison *c, const char *where, const char *fmt, const char *a,
                   const char *b)
{
    strbuf_printf(&c->differences, "%s: ", where);
    char *line = mem_printf("%s: QEMU %s, here %s\n", fmt, a, b);
    strbuf_puts(&c->differences, line);
    free(line);
}

/* The elements of a list whose member `key` (NULL: themselves) is that text. */
static json_t *find(const json_t *list, const char *key, const char *wanted)
{
    json_t *one;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)list, i, one) {
        const char *s = key ? text(one, key) : json_string_value(one);
        if (s && strcmp(s, wanted) == 0) {
            return one;
        }
    }
    return NULL;
}

static void compare_features(struct comparison *c, const char *where, const json_t *theirs,
                             const json_t *ours)
{
    const json_t *a = json_object_get(theirs, "features"), *b = json_object_get(ours, "features");
    bool same = json_array_size(a) == json_array_size(b);
    for (size_t i = 0; same && i < json_array_size(a); i++) {
        same = find(b, NULL, json_string_value(json_array_get(a, i))) != NULL;
    }
    if (!same) {
        differ(c, where, "features", a ? "has others" : "has none", b ? "others" : "none");
    }
}

static void compare_types(struct comparison *c, const char *where, const char *theirs,
                          const char *ours);

static bool may_be_absent(const char *type, const char *member)
{
    char *name = mem_printf("%s %s", type, member);
    bool found = false;
    for (size_t i = 0; i < ARRAY_LEN(absent) && !found; i++) {
        found = strcmp(absent[i], name) == 0;
    }
    free(name);
    return found;
}

static void compare_members(struct comparison *c, const char *where, const json_t *theirs,
                            const json_t *ours)
{
    const json_t *a = json_object_get(theirs, "members"), *b = json_object_get(ours, "members");
    json_t *member;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)a, i, member) {
        const char *name = text(member, "name");
        const json_t *mine = find(b, "name", name);
        if (!mine) {
            if (!may_be_absent(text(ours, "name"), name)) {
                differ(c, where, name, "has it", "missing");
            }
            continue;
        }
        char *below = mem_printf("%s.%s", where, name);
        if (!json_object_get(member, "default") != !json_object_get(mine, "default")) {
            differ(c, below, "optional", "says other", "than here");
        }
        compare_features(c, below, member, mine);
        compare_types(c, below, text(member, "type"), text(mine, "type"));
        free(below);
    }
    json_array_foreach((json_t *)(uintptr_t)b, i, member) {
        if (!find(a, "name", text(member, "name"))) {
            differ(c, where, text(member, "name"), "has it not", "there");
        }
    }
}

static void compare_variants(struct comparison *c, const char *where, const json_t *theirs,
                             const json_t *ours)
{
    json_t *variant;
    size_t i;
    json_array_foreach(json_object_get(ours, "variants"), i, variant) {
        const char *value = text(variant, "case");
        const json_t *a = find(json_object_get(theirs, "variants"), "case", value);
        if (!a) {
            differ(c, where, value, "has no such case", "there");
            continue;
        }
        char *below = mem_printf("%s<%s>", where, value);
        compare_types(c, below, text(a, "type"), text(variant, "type"));
        free(below);
    }
    if (strcmp(text(theirs, "tag"), text(ours, "tag")) != 0) {
        differ(c, where, "tag", text(theirs, "tag"), text(ours, "tag"));
    }
}

static void compare_enums(struct comparison *c, const char *where, const json_t *theirs,
                          const json_t *ours)
{
    json_t *value;
    size_t i;
    json_array_foreach(json_object_get(ours, "members"), i, value) {
        if (!find(json_object_get(theirs, "members"), "name", text(value, "name"))) {
            differ(c, where, text(value, "name"), "has no such value", "there");
        }
    }
}

/* The alternative of the same kind of JSON value. */
static const char *same_kind(const json_t *entities, const json_t *list, const json_t *wanted)
{
    json_t *one;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)list, i, one) {
        const json_t *type = json_object_get(entities, text(one, "type"));
        if (strcmp(text(type, "meta-type"), text(wanted, "meta-type")) == 0 &&
            strcmp(text(type, "json-type"), text(wanted, "json-type")) == 0) {
            return text(one, "type");
        }
    }
    return NULL;
}

static void compare_alternates(struct comparison *c, const char *where, const json_t *theirs,
                               const json_t *ours)
{
    const json_t *a = json_object_get(theirs, "members"), *b = json_object_get(ours, "members");
    json_t *one;
    size_t i;
    if (json_array_size(a) != json_array_size(b)) {
        differ(c, where, "alternatives", "has more or less", "than here");
    }
    json_array_foreach((json_t *)(uintptr_t)b, i, one) {
        const json_t *type = json_object_get(c->ours, text(one, "type"));
        const char *theirs_name = same_kind(c->theirs, a, type);
        if (theirs_name) {
            compare_types(c, where, theirs_name, text(one, "type"));
        } else {
            differ(c, where, text(one, "type"), "has no such alternative", "there");
        }
    }
}

static void compare_types(struct comparison *c, const char *where, const char *theirs,
                          const char *ours)
{
    char *pair = mem_printf("%s %s", theirs, ours);
    bool known = json_object_get(c->seen, pair) != NULL;
    json_object_set_new(c->seen, pair, json_true());
    free(pair);
    const json_t *a = json_object_get(c->theirs, theirs), *b = json_object_get(c->ours, ours);
    assert_non_null(a);
    assert_non_null(b);
    const char *meta = text(a, "meta-type");
    if (known) {
        return;
    }
    if (strcmp(meta, text(b, "meta-type")) != 0 ||
        strcmp(text(a, "json-type"), text(b, "json-type")) != 0) {
        differ(c, where, ours, meta, text(b, "meta-type"));
        return;
    }
    compare_features(c, where, a, b);
    if (strcmp(meta, "object") == 0) {
        compare_members(c, where, a, b);
        compare_variants(c, where, a, b);
    } else if (strcmp(meta, "array") == 0) {
        compare_types(c, where, text(a, "element-type"), text(b, "element-type"));
    } else if (strcmp(meta, "enum") == 0) {
        compare_enums(c, where, a, b);
    } else if (strcmp(meta, "alternate") == 0) {
        compare_alternates(c, where, a, b);
    }
}

static void compare_entities(struct comparison *c)
{
    const char *name;
    json_t *mine;
    json_object_foreach(c->ours, name, mine) {
        const char *meta = text(mine, "meta-type");
        const json_t *other = json_object_get(c->theirs, name);
        if (strcmp(meta, "command") != 0 && strcmp(meta, "event") != 0) {
            continue;
        }
        if (!other) {
            differ(c, name, meta, "has it not", "there");
            continue;
        }
        compare_features(c, name, other, mine);
        if (!json_object_get(other, "allow-oob") != !json_object_get(mine, "allow-oob")) {
            differ(c, name, "allow-oob", "says other", "than here");
        }
        compare_types(c, name, text(other, "arg-type"), text(mine, "arg-type"));
        if (*text(mine, "ret-type")) {
            char *returns = mem_printf("%s->", name);
            compare_types(c, returns, text(other, "ret-type"), text(mine, "ret-type"));
            free(returns);
        }
    }
}

/* The schema of the installed program, or NULL. */
static json_t *ask_qemu(void)
{
    FILE *out = popen("command -v qemu-system-x86_64 >/dev/null 2>&1 && "
                      "printf '%s\\n%s\\n%s\\n' '{\"execute\":\"qmp_capabilities\"}' "
                      "'{\"execute\":\"query-qmp-schema\"}' '{\"execute\":\"quit\"}' | "
                      "timeout 60 qemu-system-x86_64 -machine none -nodefaults -display none "
                      "-qmp stdio 2>/dev/null",
                      "r");
    json_t *schema = NULL, *reply;
    assert_non_null(out);
    while (!schema && (reply = json_loadf(out, JSON_DISABLE_EOF_CHECK, NULL))) {
        const json_t *value = json_object_get(reply, "return");
        schema = json_is_array(value) ? json_deep_copy(value) : NULL;
        json_decref(reply);
    }
    char rest[4096];
    while (fread(rest, 1, sizeof(rest), out) > 0) {
    }
    pclose(out);
    return schema;
}

static void what_is_here_is_as_there(void **state)
{
    (void)state;
    json_t *theirs = ask_qemu();
    if (!theirs) {
        skip();
    }
    json_t *ours = schema_introspect(drivers_all, qmp_commands, qmp_events);
    struct comparison c = { by_name(theirs), by_name(ours), json_object(), { 0 } };
    compare_entities(&c);
    assert_true(json_object_size(c.seen) > 100);
    assert_string_equal(strbuf_str(&c.differences), "");
    strbuf_free(&c.differences);
    json_decref(c.seen);
    json_decref(c.ours);
    json_decref(c.theirs);
    json_decref(ours);
    json_decref(theirs);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(what_is_here_is_as_there) };
    return cmocka_run_group_tests_name("model/qmp/schema beside QEMU", tests, NULL, NULL);
}
