/* SPDX-License-Identifier: MIT */
/* Conditions of quirks, see quirk.h.
 *
 * Versions are sequences of numbers that end in zeroes for ever, in lexicographic order.  What a
 * condition is about is then an interval [from, to): those that begin with 7.2 lie from 7.2 up to,
 * and without, 7.3.
 */
#include "scenarios/quirk.h"

#include "base/check.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

struct version {
    int parts[QUIRK_PARTS_MAX];
    int len;
};

/* The versions from `from` on, up to `to` without it; endless: there is no `to`. */
struct interval {
    struct version from, to;
    bool endless;
};

static const char form[] = "is not a condition: qemu, one of < <= = >= >, and a version (qemu=7.2)";

static int version_order(const struct version *a, const struct version *b)
{
    for (int i = 0; i < QUIRK_PARTS_MAX; i++) {
        if (a->parts[i] != b->parts[i]) {
            return a->parts[i] < b->parts[i] ? -1 : 1;
        }
    }
    return 0;
}

/* Reads "7.2.22" and moves *p behind it.  strict: nothing but a version; otherwise parts that are
 * too many are dropped, and so is a dot without a number.  False: there is none. */
static bool version_read(const char **p, bool strict, struct version *v)
{
    *v = (struct version){ .len = 0 };
    for (;;) {
        int number = 0;
        size_t digits = 0;
        for (; **p >= '0' && **p <= '9'; ++*p, digits++) {
            number = number * 10 + (**p - '0');
            if (number > QUIRK_PART_MAX) {
                return false;
            }
        }
        if (digits == 0 || (v->len == QUIRK_PARTS_MAX && strict)) {
            return !strict && v->len > 0; /* "7.2.x" is 7.2 of a program, and no condition. */
        }
        if (v->len < QUIRK_PARTS_MAX) {
            v->parts[v->len++] = number;
        }
        if (**p != '.') {
            return true;
        }
        ++*p;
    }
}

/* What follows all versions that begin with v. */
static struct version version_after(struct version v)
{
    CHECK(v.len > 0);
    v.parts[v.len - 1]++;
    return v;
}

/* Text to an interval.  NULL, or what is wrong. */
static const char *condition_read(const char *text, struct interval *in)
{
    static const char word[] = "qemu";
    if (strncmp(text, word, sizeof(word) - 1) != 0) {
        return form;
    }
    const char *p = text + sizeof(word) - 1;
    char op = *p;
    bool equal = op == '=';
    if (op != '<' && op != '>' && op != '=') {
        return form;
    }
    p++;
    if (!equal && *p == '=') {
        equal = true;
        p++;
    }
    struct version v;
    if (!version_read(&p, true, &v) || *p != '\0') {
        return form;
    }
    *in = (struct interval){ .endless = op == '>' };
    if (op != '<') {
        in->from = equal ? v : version_after(v);
    }
    if (op != '>') {
        in->to = equal ? version_after(v) : v;
    }
    if (!in->endless && version_order(&in->from, &in->to) >= 0) {
        return "is a condition that no version meets";
    }
    return NULL;
}

int quirk_check(const char *condition, struct error *err)
{
    struct interval in;
    const char *wrong = condition_read(condition, &in);
    if (wrong != NULL) {
        return error_set(err, -EINVAL, "'%.100s' %s", condition, wrong);
    }
    return 0;
}

bool quirk_matches(const char *condition, const char *version)
{
    struct interval in;
    struct version v;
    if (condition_read(condition, &in) != NULL || version == NULL ||
        !version_read(&version, false, &v)) {
        return false;
    }
    return version_order(&in.from, &v) <= 0 && (in.endless || version_order(&v, &in.to) < 0);
}

bool quirk_overlap(const char *a, const char *b)
{
    struct interval x, y;
    if (condition_read(a, &x) != NULL || condition_read(b, &y) != NULL) {
        return false;
    }
    return (x.endless || version_order(&y.from, &x.to) < 0) &&
           (y.endless || version_order(&x.from, &y.to) < 0);
}
