/* SPDX-License-Identifier: MIT */
#include "sim/choice.h"

#include "base/check.h"
#include "base/mem.h"
#include "sim/fill.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CHOICE_TEXT_MAX = 1 << 20 };

static bool is_enumerable(uint32_t kind)
{
    return kind <= CHOICE_FAULT;
}

void choice_init(struct choice *c, uint64_t seed, enum choice_policy policy,
                 struct choice_path *path)
{
    CHECK((policy == CHOICE_ENUMERATE) == (path != NULL));
    *c = (struct choice){ .seed = seed, .policy = policy, .path = path };
}

void choice_fini(struct choice *c)
{
    for (size_t i = 0; i < ARRAY_LEN(c->follow); i++) {
        while (c->follow[i]) {
            struct choice_deviation *d = c->follow[i];
            c->follow[i] = d->next;
            free(d);
        }
    }
    free(c->made);
}

void choice_point_init(struct choice_point *p, uint32_t actor, enum choice_kind kind)
{
    CHECK(kind < CHOICE_KINDS);
    *p = (struct choice_point){ .next = { .actor = actor, .kind = kind } };
}

void choice_set_statement(struct choice *c, uint32_t statement)
{
    c->statement = statement;
}

uint64_t choice_hash(uint64_t seed, struct choice_key key)
{
    uint64_t a = (uint64_t)key.statement << 32 | key.actor;
    uint64_t b = (uint64_t)key.kind << 32 | key.ordinal;
    return fill_word(fill_word(seed, a), b);
}

static bool same_key(struct choice_key a, struct choice_key b)
{
    return a.statement == b.statement && a.actor == b.actor && a.kind == b.kind &&
           a.ordinal == b.ordinal;
}

static size_t bucket(const struct choice *c, struct choice_key key)
{
    return choice_hash(0, key) % ARRAY_LEN(c->follow);
}

static const struct choice_deviation *find_deviation(const struct choice *c, struct choice_key key)
{
    for (const struct choice_deviation *d = c->follow[bucket(c, key)]; d; d = d->next) {
        if (same_key(d->key, key)) {
            return d;
        }
    }
    return NULL;
}

static void record(struct choice *c, struct choice_key key, uint32_t value)
{
    if (c->made_len == c->made_cap) {
        c->made_cap = c->made_cap ? 2 * c->made_cap : 16;
        c->made = mem_resize(c->made, c->made_cap * sizeof(*c->made));
    }
    c->made[c->made_len++] = (struct choice_deviation){ .key = key, .value = value };
}

static uint32_t enumerate(struct choice *c, uint32_t n)
{
    struct choice_path *path = c->path;
    if (c->depth == path->len) {
        if (path->len == path->cap) {
            path->cap = path->cap ? 2 * path->cap : 16;
            path->steps = mem_resize(path->steps, path->cap * sizeof(*path->steps));
        }
        path->steps[path->len++] = (struct choice_step){ .value = 0, .bound = n };
    }
    const struct choice_step *step = &path->steps[c->depth++];
    CHECK(step->bound == n); /* The world must repeat itself up to here. */
    return step->value;
}

static struct choice_key take_key(struct choice *c, struct choice_point *p)
{
    if (p->next.statement != c->statement) {
        p->next.statement = c->statement;
        p->next.ordinal = 0;
    }
    struct choice_key key = p->next;
    p->next.ordinal++;
    return key;
}

uint32_t choice_pick(struct choice *c, struct choice_point *p, uint32_t n)
{
    CHECK(n >= 1);
    if (n == 1) {
        return 0;
    }
    struct choice_key key = take_key(c, p);
    uint32_t usual = 0;
    if (key.kind != CHOICE_RUN || c->policy == CHOICE_SEEDED) {
        usual = (uint32_t)((choice_hash(c->seed, key) >> 32) * n >> 32);
    }
    uint32_t value = usual;
    if (c->policy == CHOICE_ENUMERATE && is_enumerable(key.kind)) {
        value = enumerate(c, n);
    } else if (c->follow_len > 0) {
        const struct choice_deviation *d = find_deviation(c, key);
        value = d ? d->value % n : usual;
    }
    if (value != usual) {
        record(c, key, value);
    }
    return value;
}

uint64_t choice_bits(struct choice *c, struct choice_point *p)
{
    CHECK(!is_enumerable(p->next.kind));
    return choice_hash(c->seed, take_key(c, p));
}

bool choice_path_next(struct choice_path *path)
{
    while (path->len > 0) {
        struct choice_step *last = &path->steps[path->len - 1];
        if (++last->value < last->bound) {
            return true;
        }
        path->len--;
    }
    return false;
}

void choice_path_fini(struct choice_path *path)
{
    free(path->steps);
    *path = (struct choice_path){ 0 };
}

void choice_format(const struct choice *c, struct strbuf *out)
{
    for (size_t i = 0; i < c->made_len; i++) {
        const struct choice_deviation *d = &c->made[i];
        strbuf_printf(out, "%s%u.%u.%u.%u=%u", i ? "," : "", d->key.statement, d->key.actor,
                      d->key.kind, d->key.ordinal, d->value);
    }
}

/* Reads a number and the character after it; false when it is not there. */
static bool parse_part(const char **p, char after, uint32_t *value)
{
    char *end;
    if (**p < '0' || **p > '9') {
        return false;
    }
    errno = 0;
    unsigned long n = strtoul(*p, &end, 10);
    if (errno || n > UINT32_MAX || *end != after) {
        return false;
    }
    *value = (uint32_t)n;
    *p = after ? end + 1 : end;
    return true;
}

static bool parse_deviation(const char *item, struct choice_deviation *d)
{
    const char *p = item;
    return parse_part(&p, '.', &d->key.statement) && parse_part(&p, '.', &d->key.actor) &&
           parse_part(&p, '.', &d->key.kind) && parse_part(&p, '=', &d->key.ordinal) &&
           parse_part(&p, '\0', &d->value) && d->key.kind < CHOICE_KINDS;
}

int choice_parse(struct choice *c, const char *text, struct error *err)
{
    if (strlen(text) > CHOICE_TEXT_MAX) {
        return error_set(err, -EINVAL, "choices: longer than %d bytes", CHOICE_TEXT_MAX);
    }
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, ",");
        char *item = mem_strndup(p, n);
        struct choice_deviation d = { .value = 0 };
        bool good = parse_deviation(item, &d);
        free(item);
        if (!good) {
            return error_set(err, -EINVAL,
                             "choices: '%.*s' at column %zu is not "
                             "STATEMENT.ACTOR.KIND.ORDINAL=VALUE",
                             (int)MIN(n, 64), p, (size_t)(p - text) + 1);
        }
        size_t b = bucket(c, d.key);
        d.next = c->follow[b];
        c->follow[b] = mem_copy(&d, sizeof(d));
        c->follow_len++;
        p += n + (p[n] == ',');
    }
    return 0;
}
