/* SPDX-License-Identifier: MIT */
/* Random values for the members of the schema's tables, and random mistakes.
 *
 * A table says what is legal as far as types go; `hints` says which numbers and words are worth
 * trying where, so that most of what is made is accepted by the code behind the types, and limits
 * are met on purpose. What has no hint gets small numbers.
 */
#include "base/check.h"
#include "base/mem.h"
#include "scenarios/diff/random_private.h"

#include <stdlib.h>
#include <string.h>

struct hint {
    const char *owner; /* Driver or command; NULL: any. */
    const char *member;
    const char *words; /* Sizes for numbers, words for text, separated by spaces. */
};

static const struct hint hints[] = {
    { "raw", "offset", "0 0 512 4k 64k" },
    { "raw", "size", "512 4k 64k 64k 512k" },
    { "blkdebug", "max-transfer", "64k 1M 4k 0 512" },
    { "blkdebug", "opt-write-zero", "0 4k 64k 512" },
    { "blkdebug", "max-write-zero", "0 64k 1M 4k" },
    { "blkdebug", "opt-discard", "0 4k 64k 512" },
    { "blkdebug", "max-discard", "0 64k 1M 4k" },
    { "blkdebug", "errno", "5 28 0 1" },
    { "blkdebug", "sector", "-1 0 8 100" },
    { "blkdebug", "state", "0 0 1 2" },
    { "blkdebug", "new_state", "1 2 3" },
    { "null-co", "size", "1M 64k 4M 16M 1G" },
    { "null-aio", "size", "1M 64k 4M 16M 1G" },
    { NULL, "latency-ns", "0 0 1000" },
    { "preallocate", "prealloc-align", "1M 64k 512 4k" },
    { "preallocate", "prealloc-size", "1M 64k 0 128M" },
    { "file", "aio", "threads" },
    { "file", "aio-max-batch", "0 1 16" },
    { "qcow2", "cache-size", "1M 64k 0 4M 32M" },
    { "qcow2", "l2-cache-size", "1M 64k 0 128k 32M" },
    { "qcow2", "refcount-cache-size", "256k 64k 0 1M" },
    { "qcow2", "l2-cache-entry-size", "4k 64k 512 1k" },
    { "qcow2", "cache-clean-interval", "0 600 1 60" },
    { "blkdebug", "align", "512 4k 512 64k" },
    { NULL, "cluster-size", "64k" },
    { NULL, "iops-size", "0 4k" },
    { NULL, "iops_size", "0 4k" },
    { NULL, "aio-max-batch", "0 1 16" },
    { NULL, "thread-pool-min", "0 1 2" },
    { NULL, "thread-pool-max", "64 2 8" },
    { NULL, "poll-max-ns", "0 32768 1000" },
    { NULL, "poll-grow", "0 2 3" },
    { NULL, "poll-shrink", "0 2 3" },
    { NULL, "detail", "x" },
    { NULL, "opaque", "some any thing" },
    { NULL, "description", "some any" },
    { NULL, "name", "e f export" },
};

/* Refused, or contradicting another one, more often than not. */
static const struct hint rare[] = {
    { "blkdebug", "max-transfer", NULL },
    { "blkdebug", "opt-write-zero", NULL },
    { "blkdebug", "max-write-zero", NULL },
    { "blkdebug", "opt-discard", NULL },
    { "blkdebug", "max-discard", NULL },
    { "qcow2", "cache-size", NULL },
    { "qcow2", "l2-cache-size", NULL },
    { "qcow2", "refcount-cache-size", NULL },
    { "qcow2", "l2-cache-entry-size", NULL },
    { "qcow2", "encrypt", NULL },
    { "qcow2", "data-file", NULL },
    { "file", "pr-manager", NULL },
    { "blkdebug", "config", NULL },
    { "blkdebug", "align", NULL },
    { "blkdebug", "take-child-perms", NULL },
    { "blkdebug", "unshare-child-perms", NULL },
    { "copy-on-read", "bottom", NULL },
    { "quorum", "blkverify", NULL },
    { NULL, "force-share", NULL },
};

static const struct hint *find_hint(const struct hint *table, size_t n, const char *owner,
                                    const char *member)
{
    for (size_t i = 0; i < n; i++) {
        if ((!table[i].owner || strcmp(table[i].owner, owner) == 0) &&
            strcmp(table[i].member, member) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

/* ---- Legal values ---- */

static json_t *make_text(struct rand_gen *g, const char *words)
{
    char *word = rand_word(g, words);
    json_t *text = json_string(word);
    free(word);
    return text;
}

static json_t *make_enum(struct rand_gen *g, const struct schema_type *type)
{
    size_t n = 0;
    while (schema_enum_value(g->drivers, type, n)) {
        n++;
    }
    CHECK(n > 0);
    return json_string(schema_enum_value(g->drivers, type, rand_below(g, n)));
}

static json_t *make_array(struct rand_gen *g, const char *owner, const struct schema_member *m)
{
    const struct schema_member element = { .name = m->name, .type = m->type->element };
    json_t *array = json_array();
    for (uint64_t n = rand_chance(g, 20) ? 0 : 1 + rand_below(g, 2); n > 0; n--) {
        json_array_append_new(array, rand_value(g, owner, &element));
    }
    return array;
}

static json_t *make_object(struct rand_gen *g, const char *owner, const struct schema_type *type)
{
    json_t *object = json_object();
    rand_members(g, owner, type->members, NULL, object);
    if (json_object_size(object) == 0 && !rand_chance(g, 20)) {
        const struct schema_member *m = type->members;
        while (m[1].name && rand_chance(g, 700)) {
            m++;
        }
        json_object_set_new(object, m->name, rand_value(g, owner, m));
    }
    if (type->kind == SCHEMA_UNION) {
        const char *value = rand_str(object, type->discriminator);
        const struct schema_member *more = value ? type->branch(g->drivers, value) : NULL;
        if (more) {
            rand_members(g, owner, more, NULL, object);
        }
    }
    return object;
}

/* An alternative that is not a node: those are the caller's to make. */
static json_t *make_alternate(struct rand_gen *g, const char *owner, const struct schema_member *m)
{
    size_t n = 0;
    while (m->type->alternatives[n]) {
        n++;
    }
    const struct schema_member one = { .name = m->name,
                                       .type = m->type->alternatives[rand_below(g, n)] };
    return rand_value(g, owner, &one);
}

json_t *rand_value(struct rand_gen *g, const char *owner, const struct schema_member *m)
{
    const struct hint *hint = find_hint(hints, ARRAY_LEN(hints), owner, m->name);
    switch (m->type->kind) {
    case SCHEMA_BOOL:
        return json_boolean(rand_chance(g, 500));
    case SCHEMA_INT:
    case SCHEMA_SIZE:
    case SCHEMA_NUMBER:
        return json_integer(rand_size(g, hint ? hint->words : "0 1 2 512 4k"));
    case SCHEMA_ENUM:
        return hint ? make_text(g, hint->words) : make_enum(g, m->type);
    case SCHEMA_ARRAY:
        return make_array(g, owner, m);
    case SCHEMA_STRUCT:
    case SCHEMA_UNION:
        return make_object(g, owner, m->type);
    case SCHEMA_ALTERNATE:
        return make_alternate(g, owner, m);
    case SCHEMA_NULL:
        return json_null();
    default:
        return make_text(g, hint ? hint->words : "x y");
    }
}

unsigned rand_willing(const struct rand_gen *g, const char *owner, const struct schema_member *m)
{
    bool is_rare = find_hint(rare, ARRAY_LEN(rare), owner, m->name) != NULL;
    return is_rare ? (g->option_permille + 9) / 10 : g->option_permille;
}

void rand_members(struct rand_gen *g, const char *owner, const struct schema_member *members,
                  const char *const *skip, json_t *object)
{
    for (const struct schema_member *m = members; m && m->name; m++) {
        bool skipped = json_object_get(object, m->name) || (m->flags & MEMBER_DEPRECATED);
        for (size_t i = 0; skip && skip[i]; i++) {
            skipped = skipped || strcmp(skip[i], m->name) == 0;
        }
        bool required = !(m->flags & MEMBER_OPTIONAL);
        if (!skipped && (required || rand_chance(g, rand_willing(g, owner, m)))) {
            json_object_set_new(object, m->name, rand_value(g, owner, m));
        }
    }
}

/* ---- Mistakes ---- */

/* A place in a value: a member of an object, or an element of an array. */
struct place {
    json_t *parent;
    const char *key; /* NULL: an element, */
    size_t at;       /* of this number. */
};

struct places {
    struct place *at;
    size_t len, cap;
};

static void collect(struct places *places, json_t *value, int depth)
{
    const char *key;
    json_t *inner;
    size_t i;
    CHECK(depth < 32);
    json_object_foreach(value, key, inner) {
        places->at = mem_grow(places->at, places->len, &places->cap, sizeof(*places->at));
        places->at[places->len++] = (struct place){ .parent = value, .key = key };
        collect(places, inner, depth + 1);
    }
    json_array_foreach(value, i, inner) {
        places->at = mem_grow(places->at, places->len, &places->cap, sizeof(*places->at));
        places->at[places->len++] = (struct place){ .parent = value, .at = i };
        collect(places, inner, depth + 1);
    }
}

static json_t *place_get(const struct place *p)
{
    return p->key ? json_object_get(p->parent, p->key) : json_array_get(p->parent, p->at);
}

static void place_set(const struct place *p, json_t *value)
{
    if (p->key) {
        json_object_set_new(p->parent, p->key, value);
    } else {
        json_array_set_new(p->parent, p->at, value);
    }
}

/* A value that a schema would not have here. */
static json_t *wrong_type(struct rand_gen *g, const json_t *was)
{
    switch (rand_below(g, 6)) {
    case 0:
        return json_is_integer(was) ? json_true() : json_integer(7);
    case 1:
        return json_is_boolean(was) ? json_string("true") : json_false();
    case 2:
        return json_is_string(was) ? json_object() : json_string("text");
    case 3:
        return json_is_array(was) ? json_object() : json_array();
    case 4:
        return json_null();
    default:
        return json_is_object(was) ? json_integer(1) : json_object();
    }
}

static json_t *wrong_value(struct rand_gen *g, const json_t *was)
{
    static const json_int_t limits[] = { -1, 0, 1, INT32_MAX, (json_int_t)INT32_MAX + 1,
                                         UINT32_MAX, INT64_C(1) << 53, INT64_MAX - 511,
                                         INT64_MAX, INT64_MIN, 511, 513 };
    if (json_is_integer(was)) {
        return json_integer(limits[rand_below(g, ARRAY_LEN(limits))]);
    }
    if (json_is_boolean(was)) {
        return json_boolean(!json_is_true(was));
    }
    if (json_is_string(was)) {
        return make_text(g, "nope nope 1x # node.with.dots a_very_long_name_indeed_of_40_letters");
    }
    return wrong_type(g, was);
}

bool rand_spoil(struct rand_gen *g, struct rand_cmd *c)
{
    struct places places = { 0 };
    collect(&places, c->args, 0);
    bool done = places.len > 0;
    if (done) {
        const struct place *p = &places.at[rand_below(g, places.len)];
        uint64_t how = rand_below(g, 8);
        if (how == 0) {
            json_object_set_new(json_is_object(place_get(p)) ? place_get(p) : c->args, "x-nope",
                                json_integer(1));
        } else if (how <= 2 && p->key) {
            json_object_del(p->parent, p->key);
        } else if (how <= 4) {
            place_set(p, wrong_type(g, place_get(p)));
        } else {
            place_set(p, wrong_value(g, place_get(p)));
        }
        c->spoiled = c->exact = true;
    }
    free(places.at);
    return done;
}
