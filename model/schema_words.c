/* SPDX-License-Identifier: MIT */
/* key=value words, as QEMU's -blockdev takes them.
 *
 *     file.driver=null-co file.size=1M          schema_put_word: an object of texts
 *         -> {"file": {"driver": "null-co", "size": "1M"}}
 *                                               schema_type_words: types by the schema
 *         -> {"file": {"driver": "null-co", "size": 1048576}}
 *
 * Every key starts at the root.  A fragment of digits is an index, and what has only indices below
 * it is an array; a name that has both, or a value as well as members, is an error.  Of a key given
 * twice the last value counts.
 *
 * Typing walks the schema in the order of the check, so that of several errors the one is reported
 * that QEMU reports.  Texts that it cannot place are left as they are for the check.  Values that
 * are not text (given as JSON) stay what they are.
 */
#include "model/schema.h"
#include "model/schema_keys.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FRAGMENT_MAX = 127, WORD_DEPTH_MAX = 256 };

/* ---- Words into objects ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_index(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_digit(s[i])) {
            return false;
        }
    }
    return n > 0;
}

/* The length of the fragment at s, 0 when it is none.  A letter, then letters, digits, '-' and '_';
 * or "__", a domain with dots, "_" and such a name; or, but not first, digits. */
static size_t fragment_length(const char *s, bool first)
{
    size_t n = 0, start;

    while (is_digit(s[n])) {
        n++;
    }
    if (n) {
        return !first && (s[n] == '.' || !s[n]) ? n : 0;
    }
    if (s[0] == '_' && s[1] == '_') {
        for (n = 2; is_letter(s[n]) || is_digit(s[n]) || s[n] == '-' || s[n] == '.'; n++) {
        }
        if (n == 2 || s[n] != '_') {
            return 0;
        }
        n++;
    }
    start = n;
    if (!is_letter(s[n])) {
        return 0;
    }
    while (is_letter(s[n]) || is_digit(s[n]) || s[n] == '-' || s[n] == '_') {
        n++;
    }
    return n > start && (s[n] == '.' || !s[n]) ? n : 0;
}

/* The error of a key of n bytes whose members and value clash. */
static int fail_clash(const char *key, size_t n, struct error *err)
{
    return error_set(err, -EINVAL, "Parameters '%.*s.*' used inconsistently", (int)n, key);
}

static int check_key(const char *key, struct error *err)
{
    int depth = 0;

    for (const char *s = key;; s++) {
        size_t n = fragment_length(s, s == key);

        if (!n) {
            return error_set(err, -EINVAL, "Invalid parameter '%s'", key);
        }
        if (n > FRAGMENT_MAX) {
            return error_set(err, -EINVAL, "Parameter%s '%.*s' is too long",
                             s != key || s[n] ? " fragment" : "", (int)n, s);
        }
        if (++depth > WORD_DEPTH_MAX) {
            return error_set(err, -EINVAL, "Parameter '%.*s...' has too many parts", FRAGMENT_MAX,
                             key);
        }
        s += n;
        if (!*s) {
            return 0;
        }
    }
}

/* Leading zeroes of an index do not count. */
static const char *fragment_start(const char *s, size_t *n)
{
    while (*n > 1 && *s == '0' && is_index(s, *n)) {
        s++;
        --*n;
    }
    return s;
}

int schema_put_word(json_t *object, const char *key, const char *value, struct error *err)
{
    const char *s = key;
    json_t *at = object, *text;
    int ret = check_key(key, err);

    if (ret < 0) {
        return ret;
    }
    for (;;) {
        size_t whole = fragment_length(s, s == key), n = whole;
        const char *name = fragment_start(s, &n);
        json_t *below = json_object_getn(at, name, n);
        bool is_last = !s[whole];

        if (below && json_is_object(below) == is_last) {
            return fail_clash(key, (size_t)(s + whole - key), err);
        }
        if (is_last) {
            text = json_string(value);
            if (!text) {
                return error_set(err, -EINVAL, "Value of parameter '%s' is not UTF-8", key);
            }
            json_object_setn_new(at, name, n, text);
            return 0;
        }
        if (!below) {
            below = json_object();
            json_object_setn_new(at, name, n, below);
        }
        at = below;
        s += whole + 1;
    }
}

/* The digits of an index. */
struct index_text {
    char text[24];
};

static struct index_text index_text(size_t i)
{
    struct index_text out;
    char digits[24];
    size_t n = 0;

    do {
        digits[n++] = (char)('0' + i % 10);
        i /= 10;
    } while (i);
    out.text[n] = '\0';
    for (size_t k = 0; k < n; k++) {
        out.text[k] = digits[n - 1 - k];
    }
    return out;
}

/* ---- Types ---- */

struct typing {
    const struct blk_driver *const *drivers;
    struct strbuf path; /* Of the value being typed, with dots. */
    bool bare;          /* No size suffixes of integers, and no null. */
    struct error *err;
};

static json_t *type_value(struct typing *t, const struct schema_type *type, const json_t *value);

/* Fails with the path in a text; returns NULL. */
static json_t *fail_typing(struct typing *t, const char *before, const char *after)
{
    error_set(t->err, -EINVAL, "%s'%s%s", before, strbuf_str(&t->path), after);
    return NULL;
}

/* Types a member or element called name (n bytes) of the value at t->path. */
static json_t *type_below(struct typing *t, const char *name, size_t n,
                          const struct schema_type *type, const json_t *value)
{
    size_t len = t->path.len;
    json_t *out;

    if (len) {
        strbuf_putc(&t->path, '.');
    }
    strbuf_add(&t->path, name, n);
    out = type_value(t, type, value);
    t->path.len = len;
    t->path.text[len] = '\0';
    return out;
}

/* ---- Arrays ---- */

/* A copy; what has no members is not changed by anybody, and is shared. */
static json_t *copy_value(const json_t *value)
{
    bool has_members = json_is_object(value) || json_is_array(value);

    return has_members ? json_deep_copy(value) : json_incref((json_t *)(uintptr_t)value);
}

static json_t *make_arrays(struct typing *t, const json_t *value);

/* How many keys of an object are indices. */
static size_t count_indices(const json_t *object)
{
    const char *key;
    json_t *value;
    size_t n = 0;

    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        n += is_index(key, strlen(key));
    }
    return n;
}

/* Whether anything in it has to become an array. */
static bool has_indices(const json_t *value)
{
    const char *key;
    json_t *member;

    json_object_foreach((json_t *)(uintptr_t)value, key, member) {
        if (is_index(key, strlen(key)) || has_indices(member)) {
            return true;
        }
    }
    return false;
}

/* The array of an object whose keys are all indices. */
static json_t *make_array(struct typing *t, const json_t *object)
{
    json_t *array = json_array();

    for (size_t i = 0; i < json_object_size(object); i++) {
        struct index_text index = index_text(i);
        json_t *element = json_object_get(object, index.text);
        if (!element) {
            error_set(t->err, -EINVAL, "Parameter '%s.%zu' missing", strbuf_str(&t->path), i);
            json_decref(array);
            return NULL;
        }
        json_array_append(array, element);
    }
    return array;
}

/* The members of an object, with what has only indices below it made an array. */
static json_t *make_members(struct typing *t, const json_t *object)
{
    json_t *out = json_object(), *value;
    size_t len = t->path.len;
    const char *key;

    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        json_t *made;

        if (len) {
            strbuf_putc(&t->path, '.');
        }
        strbuf_puts(&t->path, key);
        made = make_arrays(t, value);
        t->path.len = len;
        t->path.text[len] = '\0';
        if (!made) {
            json_decref(out);
            return NULL;
        }
        json_object_set_new(out, key, made);
    }
    return out;
}

/* The words with an array for what has only indices below it; what holds none is shared.  What has
 * indices and names below it is an error. */
static json_t *make_arrays(struct typing *t, const json_t *value)
{
    size_t indices;
    json_t *members, *array;

    if (!has_indices(value)) {
        return json_incref((json_t *)(uintptr_t)value);
    }
    indices = count_indices(value);
    if (indices && indices < json_object_size(value)) {
        fail_clash(strbuf_str(&t->path), t->path.len, t->err);
        return NULL;
    }
    members = make_members(t, value);
    if (!members || !indices) {
        return members;
    }
    array = make_array(t, members);
    json_decref(members);
    return array;
}

/* ---- Scalars ---- */

static json_t *type_bool(struct typing *t, const char *text)
{
    static const char *const yes[] = { "on", "yes", "true", "y" };
    static const char *const no[] = { "off", "no", "false", "n" };

    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (!strcmp(text, yes[i])) {
            return json_true();
        }
        if (!strcmp(text, no[i])) {
            return json_false();
        }
    }
    return fail_typing(t, "Parameter ", "' expects 'on' or 'off'");
}

static json_t *type_size(struct typing *t, const char *text)
{
    int64_t bytes;

    if (text_parse_size(text, &bytes) < 0) {
        return fail_typing(t, "Parameter ", "' expects size");
    }
    return json_integer(bytes);
}

/* Decimal, hexadecimal or octal, as strtoll(3) has them; or a size with its suffix. */
static json_t *type_integer(struct typing *t, const struct schema_type *type, const char *text)
{
    char *end;
    long long value;
    int64_t bytes;

    errno = 0;
    value = strtoll(text, &end, 0);
    if (end != text && !*end && !errno) {
        return json_integer(value);
    }
    if (end != text && !*end && *type->name == 'u' && *text != '-') {
        errno = 0;
        unsigned long long u = strtoull(text, &end, 0);

        if (!errno) {
            return json_real((double)u);
        }
    }
    if (!t->bare && end != text && is_letter(*end) && !errno &&
        text_parse_size(text, &bytes) == 0) {
        return json_integer(bytes);
    }
    return fail_typing(t, "Parameter ", "' expects integer");
}

static json_t *type_number(struct typing *t, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    json_t *real = end != text && !*end ? json_real(value) : NULL;

    return real ? real : fail_typing(t, "Parameter ", "' expects number");
}

/* ---- Structures ---- */

static const struct schema_member *find_member(const struct schema_member *members,
                                               const char *name)
{
    for (const struct schema_member *m = members; m && m->name; m++) {
        if (!strcmp(m->name, name)) {
            return m;
        }
    }
    return NULL;
}

/* Replaces the members of *object by typed ones, in the order of the table.  It is shared until a
 * member changes; then *object is a copy. */
static int type_members(struct typing *t, const struct schema_member *members,
                        const json_t *shared, json_t **object)
{
    struct schema_keys keys;

    schema_keys_init(&keys, *object);
    for (const struct schema_member *m = members; m && m->name; m++) {
        const json_t *value = schema_keys_get(&keys, m->name);
        json_t *typed;

        if (!value) {
            continue;
        }
        typed = type_below(t, m->name, strlen(m->name), m->type, value);
        if (!typed) {
            return -EINVAL;
        }
        if (typed == value) {
            json_decref(typed);
            continue;
        }
        if (*object == shared) {
            json_decref(*object);
            *object = json_copy((json_t *)(uintptr_t)shared);
        }
        json_object_set_new(*object, m->name, typed);
    }
    return 0;
}

static json_t *type_struct(struct typing *t, const struct schema_type *type, const json_t *value)
{
    json_t *object = json_incref((json_t *)(uintptr_t)value);
    const struct schema_member *branch = NULL;
    int ret = type_members(t, type->members, value, &object);

    if (ret == 0 && type->kind == SCHEMA_UNION) {
        const char *tag = json_string_value(json_object_get(object, type->discriminator));

        CHECK(find_member(type->members, type->discriminator));
        branch = tag ? type->branch(t->drivers, tag) : NULL;
        ret = type_members(t, branch, value, &object);
    }
    if (ret < 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *type_array(struct typing *t, const struct schema_type *type, const json_t *value)
{
    json_t *array = json_array();

    for (size_t i = 0; i < json_array_size(value); i++) {
        struct index_text index = index_text(i);
        json_t *typed = type_below(t, index.text, strlen(index.text), type->element,
                                   json_array_get(value, i));
        if (!typed) {
            json_decref(array);
            return NULL;
        }
        json_array_append_new(array, typed);
    }
    return array;
}

/* ---- Alternates ---- */

static const struct schema_type *find_kind(const struct schema_type *type, enum schema_kind kind)
{
    for (size_t i = 0; type->alternatives[i]; i++) {
        if (type->alternatives[i]->kind == kind) {
            return type->alternatives[i];
        }
    }
    return NULL;
}

static json_t *type_alternate_text(struct typing *t, const struct schema_type *type,
                                   const json_t *value)
{
    static const enum schema_kind order[] = { SCHEMA_STR, SCHEMA_ENUM, SCHEMA_INT,
                                              SCHEMA_SIZE, SCHEMA_NUMBER, SCHEMA_BOOL };

    if (!t->bare && !strcmp(json_string_value(value), "null") && find_kind(type, SCHEMA_NULL)) {
        return json_null();
    }
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        const struct schema_type *one = find_kind(type, order[i]);

        if (one) {
            return type_value(t, one, value);
        }
    }
    return json_incref((json_t *)(uintptr_t)value);
}

static json_t *type_alternate(struct typing *t, const struct schema_type *type,
                              const json_t *value)
{
    const struct schema_type *one;

    if (json_is_string(value)) {
        return type_alternate_text(t, type, value);
    }
    if (json_is_array(value)) {
        one = find_kind(type, SCHEMA_ARRAY);
    } else {
        one = find_kind(type, SCHEMA_STRUCT);
        one = one ? one : find_kind(type, SCHEMA_UNION);
    }
    return one ? type_value(t, one, value) : copy_value(value);
}

/* ---- Any type ---- */

static json_t *type_text(struct typing *t, const struct schema_type *type, const json_t *value)
{
    const char *text = json_string_value(value);

    switch (type->kind) {
    case SCHEMA_BOOL:
        return type_bool(t, text);
    case SCHEMA_INT:
        return type_integer(t, type, text);
    case SCHEMA_SIZE:
        return type_size(t, text);
    case SCHEMA_NUMBER:
        return type_number(t, text);
    case SCHEMA_NULL:
        return t->bare || strcmp(text, "null") ? json_string(text) : json_null();
    case SCHEMA_ALTERNATE:
        return type_alternate(t, type, value);
    default:
        return json_incref((json_t *)(uintptr_t)value);
    }
}

/* value: an object or array.  What is not of the type stays for the check. */
static json_t *type_container(struct typing *t, const struct schema_type *type,
                              const json_t *value)
{
    switch (type->kind) {
    case SCHEMA_STRUCT:
    case SCHEMA_UNION:
        return json_is_object(value) ? type_struct(t, type, value) : copy_value(value);
    case SCHEMA_ARRAY:
        return json_is_array(value) ? type_array(t, type, value) : copy_value(value);
    case SCHEMA_ALTERNATE:
        return type_alternate(t, type, value);
    case SCHEMA_ANY:
        return copy_value(value);
    default:
        return fail_typing(t, "Parameters ", ".*' are unexpected");
    }
}

static json_t *type_value(struct typing *t, const struct schema_type *type, const json_t *value)
{
    CHECK(type && value);
    if (json_is_string(value)) {
        return type_text(t, type, value);
    }
    if (json_is_object(value) || json_is_array(value)) {
        return type_container(t, type, value);
    }
    return copy_value(value);
}

static json_t *type_object(struct typing *t, const struct schema_type *type, const json_t *object)
{
    json_t *with_arrays = make_arrays(t, object), *out = NULL;

    if (with_arrays) {
        out = type_value(t, type, with_arrays);
        json_decref(with_arrays);
    }
    CHECK(!out || !t->path.len);
    strbuf_free(&t->path);
    return out;
}

json_t *schema_type_words(const struct blk_driver *const *drivers, const struct schema_type *type,
                          const json_t *object, struct error *err)
{
    struct typing t = { .drivers = drivers, .err = err };
    return type_object(&t, type, object);
}

json_t *schema_type_keyval(const struct blk_driver *const *drivers, const struct schema_type *type,
                           const json_t *object, struct error *err)
{
    struct typing t = { .drivers = drivers, .bare = true, .err = err };
    return type_object(&t, type, object);
}
