/* SPDX-License-Identifier: MIT */
/* Options of -drive that concern the drive and not its nodes: see drive.c. */
#include "base/mem.h"
#include "model/cmdline_private.h"
#include "model/throttle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- values ---- */

/* The text of an option, which goes; new, NULL when not given. */
static char *take_text(json_t *options, const char *name)
{
    const char *text = json_string_value(json_object_get(options, name));
    char *copy = text ? mem_strdup(text) : NULL;
    json_object_del(options, name);
    return copy;
}

int drive_take_bool(json_t *options, const char *name, bool otherwise, bool *out,
                    struct error *err)
{
    static const char *const words[] = { "on", "yes", "true", "y", "off", "no", "false", "n" };
    char *text = take_text(options, name);
    size_t i = 0;
    *out = otherwise;
    if (!text) {
        return 0;
    }
    while (i < ARRAY_LEN(words) && strcmp(words[i], text) != 0) {
        i++;
    }
    free(text);
    if (i == ARRAY_LEN(words)) {
        return error_set(err, -EINVAL, "Parameter '%s' expects 'on' or 'off'", name);
    }
    *out = i < ARRAY_LEN(words) / 2;
    return 0;
}

int drive_take_number(json_t *options, const char *name, uint64_t otherwise, uint64_t *out,
                      struct error *err)
{
    char *text = take_text(options, name), *end = NULL;
    *out = otherwise;
    if (!text) {
        return 0;
    }
    errno = 0;
    unsigned long long value = strtoull(text, &end, 0); /* "-1" is the largest, as in QEMU. */
    bool good = *text && *end == '\0' && errno == 0;
    free(text);
    *out = value;
    return good ? 0 : error_set(err, -EINVAL, "Parameter '%s' expects a number", name);
}

/* ---- older names ---- */

struct rename {
    const char *from, *to;
};

static const struct rename renames[] = {
    { "iops", "throttling.iops-total" },
    { "iops_rd", "throttling.iops-read" },
    { "iops_wr", "throttling.iops-write" },
    { "bps", "throttling.bps-total" },
    { "bps_rd", "throttling.bps-read" },
    { "bps_wr", "throttling.bps-write" },
    { "iops_max", "throttling.iops-total-max" },
    { "iops_rd_max", "throttling.iops-read-max" },
    { "iops_wr_max", "throttling.iops-write-max" },
    { "bps_max", "throttling.bps-total-max" },
    { "bps_rd_max", "throttling.bps-read-max" },
    { "bps_wr_max", "throttling.bps-write-max" },
    { "iops_size", "throttling.iops-size" },
    { "group", "throttling.group" },
    { "readonly", "read-only" },
};

int drive_rename(json_t *options, struct error *err)
{
    for (size_t i = 0; i < ARRAY_LEN(renames); i++) {
        json_t *value = json_object_get(options, renames[i].from);
        if (value && json_object_get(options, renames[i].to)) {
            return error_set(err, -EINVAL, "'%s' and its alias '%s' can't be used at the same time",
                             renames[i].to, renames[i].from);
        }
        if (value) {
            json_object_set(options, renames[i].to, value);
            json_object_del(options, renames[i].from);
        }
    }
    return 0;
}

/* ---- cache ---- */

struct cache_mode {
    const char *name;
    bool writeback, direct, no_flush;
};

static const struct cache_mode cache_modes[] = {
    { "none", true, true, false },          { "off", true, true, false },
    { "writeback", true, false, false },    { "writethrough", false, false, false },
    { "directsync", false, true, false },   { "unsafe", true, false, true },
};

static void set_default(json_t *options, const char *name, bool on)
{
    if (!json_object_get(options, name)) {
        json_object_set_new(options, name, json_string(on ? "on" : "off"));
    }
}

int drive_expand_cache(json_t *options, struct error *err)
{
    char *mode = take_text(options, "cache");
    const struct cache_mode *m = NULL;
    if (!mode) {
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(cache_modes); i++) {
        m = strcmp(cache_modes[i].name, mode) == 0 ? &cache_modes[i] : m;
    }
    free(mode);
    if (!m) {
        return error_set(err, -EINVAL, "invalid cache option");
    }
    set_default(options, "cache.writeback", m->writeback);
    set_default(options, "cache.direct", m->direct);
    set_default(options, "cache.no-flush", m->no_flush);
    return 0;
}

/* ---- throttling ---- */

int drive_take_throttle(json_t *options, struct throttle_config *c, char **group,
                        struct error *err)
{
    static const char *const names[THROTTLE_BUCKETS] = {
        [THROTTLE_BPS_TOTAL] = "bps-total", [THROTTLE_BPS_READ] = "bps-read",
        [THROTTLE_BPS_WRITE] = "bps-write", [THROTTLE_OPS_TOTAL] = "iops-total",
        [THROTTLE_OPS_READ] = "iops-read",  [THROTTLE_OPS_WRITE] = "iops-write",
    };
    int ret = 0;
    throttle_config_init(c);
    for (size_t i = 0; i < THROTTLE_BUCKETS && ret == 0; i++) {
        struct throttle_limit *t = &c->bucket[i];
        uint64_t *const to[] = { &t->avg, &t->max, &t->burst_length };
        static const char *const ends[] = { "", "-max", "-max-length" };
        for (size_t k = 0; k < ARRAY_LEN(to) && ret == 0; k++) {
            char *name = mem_printf("throttling.%s%s", names[i], ends[k]);
            ret = drive_take_number(options, name, *to[k], to[k], err);
            free(name);
        }
    }
    if (ret == 0) {
        ret = drive_take_number(options, "throttling.iops-size", 0, &c->op_size, err);
    }
    *group = take_text(options, "throttling.group");
    return ret < 0 ? ret : throttle_check(c, err);
}
