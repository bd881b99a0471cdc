/* SPDX-License-Identifier: MIT */
/* Options as a driver reads them.  Types were checked before (model/schema.c), so that a wrong one
 * here is a mistake in the driver. */
#include "model/options.h"

#include "base/check.h"
#include "base/text.h"

#include <string.h>

const json_t *opts_get(const struct opts *o, const char *name)
{
    const json_t *at = o->values;
    for (;;) {
        size_t n = strcspn(name, ".");
        at = json_object_getn(at, name, n);
        if (!at || name[n] == '\0') {
            return at;
        }
        name += n + 1;
    }
}

bool opts_given(const struct opts *o, const char *name)
{
    return opts_get(o, name) != NULL;
}

/* The default of a dotted name, as text; NULL when there is none. */
static const char *find_default(const struct opts *o, const char *name)
{
    const struct schema_member *m = o->members;
    while (m && m->name) {
        size_t n = strlen(m->name);
        if (strncmp(m->name, name, n) == 0 && name[n] == '\0') {
            return m->deflt;
        }
        if (strncmp(m->name, name, n) == 0 && name[n] == '.') {
            m = m->type->members;
            name += n + 1;
        } else {
            m++;
        }
    }
    return NULL;
}

const char *opts_str(const struct opts *o, const char *name)
{
    const json_t *v = opts_get(o, name);
    CHECK(!v || json_is_string(v));
    return v ? json_string_value(v) : find_default(o, name);
}

const char *opts_enum(const struct opts *o, const char *name)
{
    const char *text = opts_str(o, name);
    CHECK(text != NULL);
    return text;
}

bool opts_bool(const struct opts *o, const char *name)
{
    const json_t *v = opts_get(o, name);
    if (v) {
        CHECK(json_is_boolean(v));
        return json_is_true(v);
    }
    const char *deflt = find_default(o, name);
    CHECK(deflt != NULL);
    return strcmp(deflt, "on") == 0 || strcmp(deflt, "true") == 0;
}

int64_t opts_int(const struct opts *o, const char *name)
{
    const json_t *v = opts_get(o, name);
    if (v) {
        CHECK(json_is_integer(v));
        return json_integer_value(v);
    }
    const char *deflt = find_default(o, name);
    int64_t value;
    CHECK(deflt != NULL);
    bool is_negative = *deflt == '-';
    CHECK(text_parse_size(deflt + is_negative, &value) == 0);
    return is_negative ? -value : value;
}
