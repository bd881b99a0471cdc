/* SPDX-License-Identifier: MIT */
/* What of a reply is worth expecting.
 *
 * Members that vary never are.  A short reply is taken as it is; from a longer one goes what says
 * nothing (zeroes, what stands elsewhere in it too), and of a list that is still too long the names
 * of its elements remain.
 */
#include "scenarios/diff/learn_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { SHORT = 100, LONG = 400, TOO_LONG = 1000 };

static bool name_in(const char *const *names, const char *name)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* Times, numbers of threads and descriptors, what the host makes of a file, builds; and what nobody
 * asks for. */
static bool varies(const char *name)
{
    static const char *const names[] = {
        "actual-size", "thread-id", "fd", "timestamp", "timed_stats", "idle_time_ns",
        "rd_total_time_ns", "wr_total_time_ns", "flush_total_time_ns", "unmap_total_time_ns",
        "vm-clock-nsec", "vm-state-size", "date-sec", "date-nsec", "micro", "package",
        "singlestep", NULL,
    };
    return name_in(names, name);
}

static bool is_zero(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return json_object_size(value) == 0;
    case JSON_ARRAY:
        return json_array_size(value) == 0;
    case JSON_STRING:
        return json_string_length(value) == 0;
    case JSON_INTEGER:
        return json_integer_value(value) == 0;
    default:
        return json_is_false(value) || json_is_null(value);
    }
}

static bool same_string(const json_t *a, const json_t *b)
{
    return json_is_string(a) && json_is_string(b) &&
           strcmp(json_string_value(a), json_string_value(b)) == 0;
}

/* What a member has when nobody has asked for anything else. */
static bool is_usual(const char *key, const json_t *value)
{
    static const struct {
        const char *key, *value;
    } strings[] = { { "detect_zeroes", "off" }, { "type", "unknown" }, { "io-status", "ok" } };
    static const char *const always_true[] = { "account_invalid", "account_failed", "writeback",
                                               NULL };
    const char *text = json_string_value(value);
    for (size_t i = 0; i < ARRAY_LEN(strings) && text != NULL; i++) {
        if (strcmp(key, strings[i].key) == 0 && strcmp(text, strings[i].value) == 0) {
            return true;
        }
    }
    return (name_in(always_true, key) && json_is_true(value)) ||
           (strcmp(key, "poll-max-ns") == 0 && json_integer_value(value) == 32768);
}

/* A name that the program has made: one of a node, or options as a file name. */
static bool is_made_up(const char *key, const json_t *value)
{
    const char *text = json_string_value(value);
    return text != NULL && ((strcmp(key, "node-name") == 0 && text[0] == '#') ||
                            ((strcmp(key, "file") == 0 || strcmp(key, "filename") == 0) &&
                             strncmp(text, "json:", 5) == 0));
}

/* node: what the member's object is a member of, such as the node of an image. */
static bool is_noise(const char *key, const json_t *value, const json_t *node)
{
    bool zero = is_zero(value) && strcmp(key, "writeback") != 0; /* That says something. */
    return zero || is_usual(key, value) || is_made_up(key, value) ||
           strcmp(key, "backing-image") == 0 || strcmp(key, "backing_file_depth") == 0 ||
           (strcmp(key, "filename") == 0 && same_string(value, json_object_get(node, "file"))) ||
           (strcmp(key, "format") == 0 && same_string(value, json_object_get(node, "drv")));
}

bool learn_is_name(const char *key)
{
    static const char *const names[] = { "node-name", "device", "qdev", "id", "name", "drv", "type",
                                         "fdset-id", NULL };
    return name_in(names, key);
}

/* A copy without what varies and, if asked, without noise and with names in front. */
static json_t *strip(const json_t *value, bool noise, const json_t *node)
{
    json_t *copy, *member;
    const char *key;
    size_t i;
    if (json_is_array(value)) {
        copy = json_array();
        json_array_foreach(value, i, member) {
            json_array_append_new(copy, strip(member, noise, NULL));
        }
        return copy;
    }
    if (!json_is_object(value)) {
        return json_deep_copy(value);
    }
    copy = json_object();
    for (int names = noise; names >= 0; names--) {
        json_object_foreach((json_t *)(uintptr_t)value, key, member) {
            bool other = varies(key) || (noise && learn_is_name(key) != names);
            json_t *inner = other ? NULL : strip(member, noise, value);
            if (inner != NULL && !(noise && is_noise(key, inner, node))) {
                json_object_set(copy, key, inner);
            }
            json_decref(inner);
        }
    }
    return copy;
}

/* Of each element what it is called. */
static json_t *names_only(const json_t *list)
{
    json_t *copy = json_array(), *element, *member;
    const char *key;
    size_t i;
    json_array_foreach(list, i, element) {
        json_t *one = json_is_object(element) ? json_object() : json_incref(element);
        json_object_foreach(json_is_object(element) ? element : NULL, key, member) {
            if (learn_is_name(key) && json_is_string(member) && !is_zero(member)) {
                json_object_set(one, key, member);
            }
        }
        json_array_append_new(copy, one);
    }
    return copy;
}

/* The same of a list, or of the lists that an object has. */
static json_t *shorten(json_t *value)
{
    json_t *copy, *member;
    const char *key;
    if (json_is_array(value)) {
        return names_only(value);
    }
    if (!json_is_object(value)) {
        return json_incref(value);
    }
    copy = json_object();
    json_object_foreach(value, key, member) {
        json_object_set_new(copy, key,
                            json_is_array(member) ? names_only(member) : json_incref(member));
    }
    return copy;
}

static size_t length_of(const json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY);
    CHECK(text != NULL);
    size_t n = strlen(text);
    free(text);
    return n;
}

static void replace(json_t **value, json_t *by)
{
    json_decref(*value);
    *value = by;
}

json_t *learn_return(const json_t *value, const char *dir, bool *too_long)
{
    *too_long = false;
    if (value == NULL || (is_zero(value) && (json_is_object(value) || json_is_string(value)))) {
        return NULL;
    }
    json_t *part = strip(value, false, NULL);
    if (length_of(part) > SHORT) {
        replace(&part, strip(value, true, NULL));
    }
    if (length_of(part) > LONG) {
        replace(&part, shorten(part));
    }
    *too_long = length_of(part) > TOO_LONG;
    if (*too_long || (json_is_object(part) && is_zero(part))) {
        replace(&part, NULL);
        return NULL;
    }
    replace(&part, learn_json_patterns(part, dir));
    return part;
}
