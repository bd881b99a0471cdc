/* SPDX-License-Identifier: MIT */
#include "scenarios/subst.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool name_char(char c)
{
    return name_start(c) || (c >= '0' && c <= '9') || c == '-';
}

/* True at "$${", the way to write "${". */
static bool at_literal(const char *p)
{
    return p[0] == '$' && p[1] == '$' && p[2] == '{';
}

static bool at_ref(const char *p)
{
    return p[0] == '$' && p[1] == '{';
}

/* p stands at "${".  Points behind it, with the name in ref; false when it is not one. */
static bool ref_read(const char *text, const char **p, struct subst_ref *ref)
{
    CHECK(at_ref(*p));
    ref->from = (size_t)(*p - text);
    ref->name = *p + 2;
    const char *q = ref->name;
    if (name_start(*q)) {
        while (name_char(*q)) {
            q++;
        }
    }
    ref->len = (size_t)(q - ref->name);
    bool good = ref->len > 0 && *q == '}';
    if (!good) {
        ref->len = strcspn(ref->name, "}");
    }
    *p = ref->name + ref->len + (ref->name[ref->len] == '}');
    return good;
}

enum subst_found subst_next(const char *text, size_t *pos, struct subst_ref *ref)
{
    const char *p = text + *pos;
    enum subst_found found = SUBST_END;
    while (*p != '\0' && found == SUBST_END) {
        if (at_literal(p)) {
            p += 3;
        } else if (at_ref(p)) {
            found = ref_read(text, &p, ref) ? SUBST_REF : SUBST_BAD;
        } else {
            p++;
        }
    }
    *pos = (size_t)(p - text);
    return found;
}

static int expand_ref(const struct subst_ref *ref, subst_lookup_fn *lookup, const void *opaque,
                      struct strbuf *out, struct error *err)
{
    char *name = mem_strndup(ref->name, ref->len);
    const char *value = lookup(opaque, name);
    int ret = 0;
    if (value == NULL) {
        ret = error_set(err, -ENOENT, "no value for ${%.100s}", name);
    } else {
        strbuf_puts(out, value);
    }
    free(name);
    return ret;
}

int subst_expand(const char *text, subst_lookup_fn *lookup, const void *opaque,
                 struct strbuf *out, struct error *err)
{
    size_t before = out->len;
    int ret = 0;
    for (const char *p = text; *p != '\0' && ret == 0;) {
        size_t run = strcspn(p, "$");
        if (run > 0) {
            strbuf_add(out, p, run);
            p += run;
        } else if (at_literal(p)) {
            strbuf_puts(out, "${");
            p += 3;
        } else if (at_ref(p)) {
            struct subst_ref ref;
            if (!ref_read(text, &p, &ref)) {
                ret = error_set(err, -EINVAL, "'${%.100s' is not of the form ${name}", ref.name);
            } else {
                ret = expand_ref(&ref, lookup, opaque, out, err);
            }
        } else {
            strbuf_putc(out, *p++);
        }
        if (ret == 0 && out->len - before > SUBST_MAX) {
            ret = error_set(err, -E2BIG, "the values put in make more than %d bytes", SUBST_MAX);
        }
    }
    return ret;
}

void subst_escape(const char *text, size_t n, struct strbuf *out)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '$' && i + 1 < n && text[i + 1] == '{') {
            strbuf_putc(out, '$');
        }
        strbuf_putc(out, text[i]);
    }
}
