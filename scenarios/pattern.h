/* What expectations compare with: ranges, byte patterns, regular expressions, JSON subsets. */
#ifndef SCENARIOS_PATTERN_H
#define SCENARIOS_PATTERN_H

#include "base/error.h"
#include "base/text.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct range {
    uint64_t offset, bytes;
};

/* "OFFSET+LENGTH", each a size ("40M+64k"); bytes >= 1, the end at most 2^63-1.
 * Errors: -EINVAL. */
int range_parse(const char *text, struct range *out, struct error *err);

/* The same, or OFFSET and LENGTH as two words.  *used: how many of the n words it took. */
int range_parse_words(const char *const *words, size_t n, size_t *used, struct range *out,
                      struct error *err);

enum { PATTERN_MAX = 64 };

/* Bytes that are right: "0x11", "0", "255", "0x11|0x22". */
struct pattern {
    uint8_t at[PATTERN_MAX];
    size_t len;
};

/* Errors: -EINVAL. */
int pattern_parse(const char *text, struct pattern *out, struct error *err);

/* p[0..n), which stands at offset, is cut at the multiples of per; every piece consists of one byte
 * value of the pattern throughout.  per: 0 takes the n bytes as one piece, 1 judges every byte.
 * Returns the index of the first byte that is wrong, or n.  A byte that differs from the beginning
 * of its piece is wrong even when the pattern has it. */
size_t pattern_check(const struct pattern *p, uint64_t offset, uint64_t per, const void *bytes,
                     size_t n);

/* "/re/", with its slashes: POSIX extended, C locale, matched anywhere in a text; "\/" is a slash.
 * Bounded in length and repetition, so that a pattern cannot eat the machine. */
bool regex_is(const char *text);
int regex_compile_check(const char *slashed, struct error *err); /* Errors: -EINVAL. */
/* Whether it matches.  A pattern that does not compile matches nothing. */
bool regex_match(const char *slashed, const char *text);

/* Whether have has everything that want says: an object has the members of want (more are allowed),
 * an array has the same length and matches element by element, integers and booleans are equal,
 * reals too, strings are equal or match when want is "/re/".  Otherwise the path of the first
 * difference and both values are appended to why (may be NULL): "return.a[0].b: want 1, have 2". */
bool json_subset(const json_t *want, const json_t *have, struct strbuf *why);

/* Whether the "/re/" strings of a wanted value compile.  Errors: -EINVAL. */
int json_subset_check(const json_t *want, struct error *err);

/* A JSON value of any kind, duplicate keys refused.  NULL with err set.  Errors: -EINVAL. */
json_t *json_text_parse(const char *text, struct error *err);

#endif
