/* SPDX-License-Identifier: MIT */
/* Units: the combinations of a case's matrix values and seeds, and which of them are wanted.
 *
 * Combinations are numbered like the digits of a number: the first matrix key is the slowest.  For
 * each combination come its seeds, rising. */
#include "scenarios/run.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/script_lex.h"
#include "scenarios/subst.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The value of axis number `axis` at a point. */
static const char *point_value(const struct script_case *c, size_t point, size_t axis)
{
    CHECK(axis < c->axes_len);
    for (size_t i = c->axes_len - 1; i > axis; i--) {
        point /= c->axes[i].len;
    }
    return c->axes[axis].values[point % c->axes[axis].len];
}

static char *point_params(const struct script_case *c, size_t point)
{
    struct strbuf out = { 0 };
    strbuf_puts(&out, "");
    for (size_t i = 0; i < c->axes_len; i++) {
        strbuf_printf(&out, "%s%s=", i > 0 ? " " : "", c->axes[i].key);
        script_format_value(point_value(c, point, i), false, &out);
    }
    return out.text != NULL ? out.text : mem_strdup("");
}

static const struct script_axis *axis_named(const struct script_case *c, const char *key, size_t n,
                                            size_t *at)
{
    for (size_t i = 0; i < c->axes_len; i++) {
        if (strlen(c->axes[i].key) == n && memcmp(c->axes[i].key, key, n) == 0) {
            *at = i;
            return &c->axes[i];
        }
    }
    return NULL;
}

/* ---- selection ---- */

static bool case_in_groups(const struct script_case *c, const char *const *groups)
{
    if (groups == NULL || groups[0] == NULL) {
        return true;
    }
    for (size_t i = 0; i < c->headers_len; i++) {
        const struct script_header *h = &c->headers[i];
        for (size_t k = 0; strcmp(h->name, "group") == 0 && k < h->words.len; k++) {
            for (size_t g = 0; groups[g] != NULL; g++) {
                if (strcmp(groups[g], h->words.at[k].text) == 0) {
                    return true;
                }
            }
        }
    }
    return false;
}

static bool point_defined(const struct script_case *c, size_t point, const char *const *define)
{
    for (size_t i = 0; define != NULL && define[i] != NULL; i++) {
        const char *eq = strchr(define[i], '=');
        CHECK(eq != NULL);
        size_t at;
        if (axis_named(c, define[i], (size_t)(eq - define[i]), &at) == NULL ||
            strcmp(point_value(c, point, at), eq + 1) != 0) {
            return false;
        }
    }
    return true;
}

static int check_defines(const char *const *define, struct error *err)
{
    for (size_t i = 0; define != NULL && define[i] != NULL; i++) {
        if (strchr(define[i], '=') == NULL || define[i][0] == '=') {
            return error_set(err, -EINVAL, "'%.200s' is not KEY=VALUE", define[i]);
        }
    }
    return 0;
}

/* ---- units ---- */

struct seeds {
    uint64_t first, last;
    bool seeded;
    bool none; /* None of them is wanted. */
};

static struct seeds case_seeds(const struct script_case *c, const struct unit_select *sel)
{
    struct seeds s = { .first = c->seed_first, .last = c->seed_last, .seeded = c->seeded };
    if (sel != NULL && sel->seed_given && c->seed_only) {
        s.first = MAX(s.first, sel->seed_first);
        s.last = MIN(s.last, sel->seed_last);
        s.none = s.first > s.last;
    } else if (sel != NULL && sel->seed_given) {
        s = (struct seeds){ .first = sel->seed_first, .last = sel->seed_last, .seeded = true };
    }
    if (c->schedule != SCHEDULE_DEFAULT) {
        s.seeded = c->schedule == SCHEDULE_SEEDED;
    }
    return s;
}

static void unit_add(struct units *out, const struct script *s, const struct script_case *c,
                     size_t point, uint64_t seed, bool seeded)
{
    if (out->len == out->cap) {
        out->cap = MAX(16, 2 * out->cap);
        out->at = mem_resize(out->at, out->cap * sizeof(*out->at));
    }
    out->at[out->len++] = (struct unit){ .script = s,
                                         .cas = c,
                                         .params = point_params(c, point),
                                         .seed = seed,
                                         .seeded = seeded,
                                         .point = point };
}

/* Points of the matrix, UNITS_MAX + 1 when there are more. */
static size_t case_points(const struct script_case *c)
{
    size_t points = 1;
    for (size_t i = 0; i < c->axes_len && points <= UNITS_MAX; i++) {
        CHECK(c->axes[i].len > 0);
        points *= c->axes[i].len;
    }
    return MIN(points, UNITS_MAX + 1);
}

int units_of_case(const struct script *s, const struct script_case *c,
                  const struct unit_select *sel, struct units *out, struct error *err)
{
    const char *const *define = sel == NULL ? NULL : sel->define;
    struct seeds seeds = case_seeds(c, sel);
    if (check_defines(define, err) != 0) {
        return -EINVAL;
    }
    if (seeds.last < seeds.first && !seeds.none) {
        return error_set(err, -EINVAL, "the first seed is larger than the last");
    }
    if (seeds.none || !case_in_groups(c, sel == NULL ? NULL : sel->groups)) {
        return 0;
    }
    size_t points = case_points(c), wanted = 0;
    for (size_t i = 0; points <= UNITS_MAX && i < points; i++) {
        wanted += point_defined(c, i, define);
    }
    if (points > UNITS_MAX ||
        (wanted > 0 && seeds.last - seeds.first >= UNITS_MAX / (uint64_t)wanted)) {
        return error_set(err, -EINVAL, "case '%.200s' makes more than %d runs", c->name, UNITS_MAX);
    }
    for (size_t i = 0; i < points; i++) {
        for (uint64_t k = 0; point_defined(c, i, define) && k <= seeds.last - seeds.first; k++) {
            unit_add(out, s, c, i, seeds.first + k, seeds.seeded);
        }
    }
    return 0;
}

void units_free(struct units *u)
{
    for (size_t i = 0; i < u->len; i++) {
        free(u->at[i].params);
    }
    free(u->at);
    *u = (struct units){ 0 };
}

const char *unit_param(const void *unit, const char *key)
{
    const struct unit *u = unit;
    size_t at;
    if (axis_named(u->cas, key, strlen(key), &at) == NULL) {
        return NULL;
    }
    return point_value(u->cas, u->point, at);
}
