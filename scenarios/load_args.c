/* SPDX-License-Identifier: MIT */
/* Arguments of a load: a table of keys, each with its reader. */
#include "base/check.h"
#include "base/mem.h"
#include "base/text.h"
#include "scenarios/load_plan.h"
#include "sim/sim.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct reading {
    struct load_args *a;
    const struct sim *sim;
    struct error *err;
};

static int bad(const struct reading *r, const char *key, const char *value, const char *want)
{
    return error_set(r->err, -EINVAL, "load: %s: '%s' is not %s", key, value, want);
}

static int read_rw(const struct reading *r, const char *key, const char *v)
{
    static const struct {
        const char *name;
        bool reads, writes, random;
    } modes[] = {
        { "read", true, false, false },  { "write", false, true, false },
        { "randread", true, false, true }, { "randwrite", false, true, true },
        { "rw", true, true, false },     { "randrw", true, true, true },
    };
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        if (strcmp(modes[i].name, v) == 0) {
            r->a->reads = modes[i].reads;
            r->a->writes = modes[i].writes;
            r->a->random = modes[i].random;
            return 0;
        }
    }
    return bad(r, key, v, "one of: read write randread randwrite rw randrw");
}

static int read_number(const struct reading *r, const char *key, const char *v, uint64_t min,
                       uint64_t max, uint64_t *out)
{
    if (text_parse_u64(v, out) < 0 || *out < min || *out > max) {
        return error_set(r->err, -EINVAL,
                         "load: %s: '%s' is not a number from %" PRIu64 " to %" PRIu64, key, v,
                         min, max);
    }
    return 0;
}

static int read_mix(const struct reading *r, const char *key, const char *v)
{
    uint64_t n = 0;
    int ret = read_number(r, key, v, 0, 100, &n);
    r->a->mix = (uint32_t)n;
    return ret;
}

static int read_bs(const struct reading *r, const char *key, const char *v)
{
    const char *dash = strchr(v, '-');
    char *low = dash ? mem_strndup(v, (size_t)(dash - v)) : mem_strdup(v);
    int64_t min = 0, max = 0;
    int ret = text_parse_size(low, &min);
    free(low);
    if (ret == 0) {
        ret = dash ? text_parse_size(dash + 1, &max) : 0;
        max = dash ? max : min;
    }
    if (ret < 0 || min < 1 || max < min || max > LOAD_BS_MAX) {
        return bad(r, key, v, "a size, or A-B with A <= B, from 1 to 64M");
    }
    if (min != max && (min % LOAD_STEP || max % LOAD_STEP)) {
        return bad(r, key, v, "made of multiples of 512");
    }
    r->a->bs_min = min;
    r->a->bs_max = max;
    return 0;
}

static int read_depth(const struct reading *r, const char *key, const char *v)
{
    uint64_t n = 0;
    int ret = read_number(r, key, v, 1, LOAD_DEPTH_MAX, &n);
    r->a->depth = (uint32_t)n;
    return ret;
}

static int read_count(const struct reading *r, const char *key, const char *v)
{
    return read_number(r, key, v, 1, UINT64_C(1) << 48, &r->a->count);
}

static int read_runtime(const struct reading *r, const char *key, const char *v)
{
    if (text_parse_duration(v, &r->a->runtime_ns) < 0 || r->a->runtime_ns <= 0) {
        return bad(r, key, v, "a duration (2ms, 1s)");
    }
    return 0;
}

static int read_region(const struct reading *r, const char *key, const char *v)
{
    const char *plus = strchr(v, '+');
    char *first = plus ? mem_strndup(v, (size_t)(plus - v)) : NULL;
    bool good = plus && text_parse_size(first, &r->a->offset) == 0 &&
                text_parse_size(plus + 1, &r->a->length) == 0 && r->a->length > 0;
    free(first);
    return good ? 0 : bad(r, key, v, "OFFSET+LENGTH");
}

static int read_seed(const struct reading *r, const char *key, const char *v)
{
    return read_number(r, key, v, 0, UINT64_MAX, &r->a->seed);
}

static int read_on_off(const struct reading *r, const char *key, const char *v, bool *out)
{
    *out = strcmp(v, "on") == 0;
    return *out || strcmp(v, "off") == 0 ? 0 : bad(r, key, v, "on or off");
}

static int read_verify(const struct reading *r, const char *key, const char *v)
{
    return read_on_off(r, key, v, &r->a->verify);
}

static int read_fua(const struct reading *r, const char *key, const char *v)
{
    return read_on_off(r, key, v, &r->a->fua);
}

static int read_flush(const struct reading *r, const char *key, const char *v)
{
    return read_number(r, key, v, 1, UINT64_C(1) << 48, &r->a->flush);
}

static int read_errors(const struct reading *r, const char *key, const char *v)
{
    static const char *const names[] = { "fail", "ignore", "stop" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(names[i], v) == 0) {
            r->a->errors = (enum load_errors)i;
            return 0;
        }
    }
    return bad(r, key, v, "one of: fail ignore stop");
}

static int read_iothread(const struct reading *r, const char *key, const char *v)
{
    int n = sim_iothread_find(r->sim, v);
    if (n < 0) {
        return bad(r, key, v, "the name of an iothread");
    }
    r->a->iothread = (uint32_t)n;
    return 0;
}

struct load_key {
    const char *name;
    int (*read)(const struct reading *r, const char *key, const char *value);
};

static const struct load_key keys[] = {
    { "rw", read_rw },         { "mix", read_mix },         { "bs", read_bs },
    { "depth", read_depth },   { "count", read_count },     { "runtime", read_runtime },
    { "region", read_region }, { "seed", read_seed },       { "verify", read_verify },
    { "flush", read_flush },   { "fua", read_fua },         { "errors", read_errors },
    { "iothread", read_iothread },
};

static const char *key_name(const void *opaque, size_t i)
{
    (void)opaque;
    return keys[i].name;
}

static int unknown_key(struct error *err, const char *key)
{
    struct strbuf all = { 0 };
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        strbuf_printf(&all, " %s", keys[i].name);
    }
    const char *near = text_nearest_of(key, ARRAY_LEN(keys), key_name, NULL);
    error_set(err, -EINVAL, "load: unknown key '%s'%s%s%s; keys are:%s", key,
              near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "",
              strbuf_str(&all));
    strbuf_free(&all);
    return -EINVAL;
}

static int read_word(const struct reading *r, const char *word, uint32_t *seen)
{
    const char *equal = strchr(word, '=');
    if (!equal) {
        return error_set(r->err, -EINVAL, "load: '%s' is not key=value", word);
    }
    size_t len = (size_t)(equal - word);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (strlen(keys[i].name) != len || strncmp(keys[i].name, word, len) != 0) {
            continue;
        }
        if (*seen & (1u << i)) {
            return error_set(r->err, -EINVAL, "load: %s is given twice", keys[i].name);
        }
        *seen |= 1u << i;
        return keys[i].read(r, keys[i].name, equal + 1);
    }
    char *key = mem_strndup(word, len);
    int ret = unknown_key(r->err, key);
    free(key);
    return ret;
}

/* What the values say together. */
static int check_args(const struct load_args *a, int64_t length, struct error *err)
{
    if (!a->reads && !a->writes) {
        return error_set(err, -EINVAL, "load: rw is missing");
    }
    if ((a->count != 0) == (a->runtime_ns != 0)) {
        return error_set(err, -EINVAL, "load: one of count and runtime is needed");
    }
    if (a->offset > length || a->length > length - a->offset) {
        return error_set(err, -EINVAL,
                         "load: region: %" PRId64 "+%" PRId64 " is not within the node's %" PRId64
                         " bytes",
                         a->offset, a->length, length);
    }
    if (a->bs_max > a->length) {
        return error_set(err, -EINVAL, "load: bs: %" PRId64 " is more than the region's %" PRId64
                         " bytes", a->bs_max, a->length);
    }
    if ((a->reads || a->verify) && a->bs_max * (int64_t)a->depth > LOAD_MEMORY_MAX) {
        return error_set(err, -EINVAL, "load: depth: %" PRIu32 " reads of %" PRId64
                         " bytes need more than 1G of memory", a->depth, a->bs_max);
    }
    return 0;
}

int load_args_parse(struct load_args *a, const struct sim *s, int64_t length, int argc,
                    char **argv, uint64_t unit_seed, struct error *err)
{
    uint32_t seen = 0;
    struct reading r = { .a = a, .sim = s, .err = err };
    *a = (struct load_args){
        .mix = 50,
        .bs_min = 4096,
        .bs_max = 4096,
        .depth = 1,
        .length = -1,
        .seed = unit_seed,
        .verify = true,
    };
    CHECK(argc == 0 || argv != NULL);
    for (int i = 0; i < argc; i++) {
        int ret = read_word(&r, argv[i], &seen);
        if (ret < 0) {
            return ret;
        }
    }
    if (a->length < 0) {
        a->length = length;
    }
    return check_args(a, length, err);
}
