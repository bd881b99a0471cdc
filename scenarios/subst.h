/* Replacement of ${x} in words.
 *
 * ${name} becomes the value of name; $${ becomes a literal ${ ; any other $ is itself.  Values are
 * not replaced again.  Text is read from the left, so $$${x} is "$" and a literal "${x}".
 */
#ifndef SCENARIOS_SUBST_H
#define SCENARIOS_SUBST_H

#include "base/error.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

enum { SUBST_MAX = 1 << 20 }; /* Bytes of a result. */

/* The value of name, or NULL when there is none. */
typedef const char *subst_lookup_fn(const void *opaque, const char *name);

/* Appends text to out with everything replaced.
 * Errors: -ENOENT (no such name), -EINVAL (no closing brace, not a name), -E2BIG. */
int subst_expand(const char *text, subst_lookup_fn *lookup, const void *opaque,
                 struct strbuf *out, struct error *err);

enum subst_found { SUBST_END, SUBST_REF, SUBST_BAD };

/* A ${...} in a text: from is its '$', name..name+len what stands between the braces. */
struct subst_ref {
    size_t from;
    const char *name;
    size_t len;
};

/* The next ${...} at or after *pos, which moves behind it.  SUBST_BAD: no closing brace, or what is
 * between is no name ([A-Za-z_][A-Za-z0-9_-]*). */
enum subst_found subst_next(const char *text, size_t *pos, struct subst_ref *ref);

/* Appends text so that subst_expand gives it back: ${ becomes $${. */
void subst_escape(const char *text, size_t n, struct strbuf *out);

#endif
