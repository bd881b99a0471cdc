/* SPDX-License-Identifier: MIT */
/* `info ...` of the human monitor: what the query commands return, as text for people. */
#include "base/check.h"
#include "base/mem.h"
#include "model/layer_state.h"
#include "model/qmp/hmp_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 u128;

/* What a command without arguments returns, or NULL: there is no such command here. */
static json_t *query(struct layer *l, const char *name)
{
    const struct qmp_command *c = qmp_command_find(name);
    struct error err = ERROR_INIT;
    json_t *args = json_object(), *ret = NULL;
    if (c && c->run(l, args, &ret, &err) < 0) {
        ret = NULL;
    }
    json_decref(args);
    return ret;
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static bool is_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

/* ---- Sizes ---- */

/* Three digits and a unit: "1.05 MiB", "0.977 GiB", "10 KiB", "1e+03 KiB"; halves go to even. */
static void put_size(struct strbuf *out, uint64_t bytes)
{
    static const char units[] = "\0KMGTPE";
    unsigned unit = 0, decimals = 0, shift, scale = 1;
    while (unit < 6 && bytes >= (uint64_t)1000 << (10 * unit)) {
        unit++;
    }
    shift = 10 * unit;
    while (decimals < 3 && (u128)bytes * scale < (u128)100 << shift) {
        scale *= 10;
        decimals++;
    }
    u128 scaled = (u128)bytes * scale, unity = (u128)1 << shift;
    uint64_t value = (uint64_t)(scaled >> shift);
    u128 rest = scaled & (unity - 1), half = unity >> 1;
    value += shift && (rest > half || (rest == half && (value & 1)));
    if (value >= 1000 && decimals == 0) {
        strbuf_puts(out, "1e+03");
    } else {
        while (decimals && value % 10 == 0) {
            value /= 10;
            scale /= 10;
            decimals--;
        }
        strbuf_printf(out, "%" PRIu64, value / scale);
        if (decimals) {
            strbuf_printf(out, ".%0*" PRIu64, (int)decimals, value % scale);
        }
    }
    strbuf_puts(out, unit ? " " : " B");
    if (unit) {
        strbuf_printf(out, "%ciB", units[unit]);
    }
}

/* ---- Images ---- */

static void put_name(struct strbuf *out, const char *name)
{
    for (; *name; name++) {
        strbuf_putc(out, *name == '-' ? ' ' : *name);
    }
}

static void put_specific(struct strbuf *out, const json_t *value, int depth);

static void put_member(struct strbuf *out, const json_t *value, int depth)
{
    if (json_is_object(value) || json_is_array(value)) {
        strbuf_puts(out, "\r\n");
        put_specific(out, value, depth + 1);
    } else if (json_is_string(value)) {
        strbuf_printf(out, " %s\r\n", json_string_value(value));
    } else if (json_is_integer(value)) {
        strbuf_printf(out, " %" JSON_INTEGER_FORMAT "\r\n", json_integer_value(value));
    } else {
        strbuf_printf(out, " %s\r\n", json_is_true(value) ? "true" : "false");
    }
}

/* The driver's own part: nested names and values, four more spaces a level. */
static void put_specific(struct strbuf *out, const json_t *value, int depth)
{
    const char *key;
    json_t *member;
    size_t i;
    json_object_foreach((json_t *)(uintptr_t)value, key, member) {
        strbuf_printf(out, "%*s", 4 * depth, "");
        put_name(out, key);
        strbuf_putc(out, ':');
        put_member(out, member, depth);
    }
    json_array_foreach(value, i, member) {
        strbuf_printf(out, "%*s[%zu]:", 4 * depth, "", i);
        put_member(out, member, depth);
    }
}

static void put_backing(struct strbuf *out, const json_t *image)
{
    const char *file = text_of(image, "backing-filename");
    const char *full = text_of(image, "full-backing-filename");
    const char *format = text_of(image, "backing-filename-format");
    if (!file) {
        return;
    }
    strbuf_printf(out, "backing file: %s", file);
    if (!full) {
        strbuf_puts(out, " (cannot determine actual path)");
    } else if (strcmp(file, full) != 0) {
        strbuf_printf(out, " (actual path: %s)", full);
    }
    strbuf_puts(out, "\r\n");
    if (format) {
        strbuf_printf(out, "backing file format: %s\r\n", format);
    }
}

static void put_image(struct strbuf *out, const json_t *image)
{
    const json_t *disk = json_object_get(image, "actual-size");
    const json_t *clusters = json_object_get(image, "cluster-size");
    const json_t *specific = json_object_get(json_object_get(image, "format-specific"), "data");
    uint64_t size = (uint64_t)json_integer_value(json_object_get(image, "virtual-size"));
    strbuf_printf(out, "image: %s\r\nfile format: %s\r\nvirtual size: ",
                  text_of(image, "filename"), text_of(image, "format"));
    put_size(out, size);
    strbuf_printf(out, " (%" PRIu64 " bytes)\r\ndisk size: ", size);
    if (disk) {
        put_size(out, (uint64_t)json_integer_value(disk));
    } else {
        strbuf_puts(out, "unavailable");
    }
    strbuf_puts(out, "\r\n");
    if (is_true(image, "encrypted")) {
        strbuf_puts(out, "encrypted: yes\r\n");
    }
    if (clusters) {
        strbuf_printf(out, "cluster_size: %" JSON_INTEGER_FORMAT "\r\n",
                      json_integer_value(clusters));
    }
    if (is_true(image, "dirty-flag")) {
        strbuf_puts(out, "cleanly shut down: no\r\n");
    }
    put_backing(out, image);
    if (json_object_size(specific) > 0) {
        strbuf_puts(out, "Format specific information:\r\n");
        put_specific(out, specific, 1);
    }
}

/* ---- info block ---- */

static void put_title(struct strbuf *out, const json_t *device, const json_t *inserted)
{
    const char *name = text_of(device, "device"), *qdev = text_of(device, "qdev");
    const char *node = text_of(inserted, "node-name");
    if (name && *name) {
        strbuf_puts(out, name);
        if (node) {
            strbuf_printf(out, " (%s)", node);
        }
    } else {
        strbuf_puts(out, node ? node : qdev ? qdev : "<anonymous>");
    }
    if (inserted) {
        strbuf_printf(out, ": %s (%s%s%s)\r\n", text_of(inserted, "file"),
                      text_of(inserted, "drv"), is_true(inserted, "ro") ? ", read-only" : "",
                      is_true(inserted, "encrypted") ? ", encrypted" : "");
    } else {
        strbuf_puts(out, ": [not inserted]\r\n");
    }
}

/* What is known of the frontend; device: NULL for a node. */
static void put_device(struct strbuf *out, const json_t *device)
{
    const char *qdev = text_of(device, "qdev"), *status = text_of(device, "io-status");
    if (qdev) {
        strbuf_printf(out, "    Attached to:      %s\r\n", qdev);
    }
    if (status && strcmp(status, "ok") != 0) {
        strbuf_printf(out, "    I/O status:       %s\r\n", status);
    }
    if (is_true(device, "removable")) {
        strbuf_printf(out, "    Removable device: %slocked, tray %s\r\n",
                      is_true(device, "locked") ? "" : "not ",
                      is_true(device, "tray_open") ? "open" : "closed");
    }
}

static void put_throttling(struct strbuf *out, const json_t *inserted)
{
    static const char *const limits[] = {
        "bps", "bps_rd", "bps_wr", "bps_max", "bps_rd_max", "bps_wr_max", "iops", "iops_rd",
        "iops_wr", "iops_max", "iops_rd_max", "iops_wr_max", "iops_size",
    };
    static const char *const decide[] = { "bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr" };
    bool any = false;
    for (size_t i = 0; i < ARRAY_LEN(decide); i++) {
        any |= json_integer_value(json_object_get(inserted, decide[i])) != 0;
    }
    if (!any) {
        return;
    }
    strbuf_puts(out, "    I/O throttling:  ");
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        strbuf_printf(out, " %s=%" JSON_INTEGER_FORMAT, limits[i],
                      json_integer_value(json_object_get(inserted, limits[i])));
    }
    strbuf_printf(out, " group=%s\r\n", text_of(inserted, "group"));
}

static void put_inserted(struct strbuf *out, const json_t *inserted)
{
    const json_t *cache = json_object_get(inserted, "cache");
    const char *backing = text_of(inserted, "backing_file");
    const char *zeroes = text_of(inserted, "detect_zeroes");
    strbuf_printf(out, "    Cache mode:       %s%s%s\r\n",
                  is_true(cache, "writeback") ? "writeback" : "writethrough",
                  is_true(cache, "direct") ? ", direct" : "",
                  is_true(cache, "no-flush") ? ", ignore flushes" : "");
    if (backing) {
        strbuf_printf(out, "    Backing file:     %s (chain depth: %" JSON_INTEGER_FORMAT ")\r\n",
                      backing,
                      json_integer_value(json_object_get(inserted, "backing_file_depth")));
    }
    if (zeroes && strcmp(zeroes, "off") != 0) {
        strbuf_printf(out, "    Detect zeroes:    %s\r\n", zeroes);
    }
    put_throttling(out, inserted);
}

/* One entry; device: of query-block, or NULL; inserted: its medium or a node, or NULL. */
static void put_block(struct strbuf *out, const json_t *device, const json_t *inserted,
                      bool verbose)
{
    put_title(out, device, inserted);
    put_device(out, device);
    if (!inserted) {
        return;
    }
    put_inserted(out, inserted);
    if (verbose) {
        strbuf_puts(out, "\r\nImages:\r\n");
        const json_t *image = json_object_get(inserted, "image");
        for (; image; image = json_object_get(image, "backing-image")) {
            put_image(out, image);
        }
    }
}

/* All entries of a list, or that of one name.  A blank line comes before each but the first of the
 * list.  False: there was none. */
static bool put_list(struct strbuf *out, const json_t *list, bool nodes, const char *name,
                     bool verbose)
{
    const json_t *entry;
    size_t i;
    bool any = false;
    json_array_foreach(list, i, entry) {
        if (name && strcmp(text_of(entry, nodes ? "node-name" : "device"), name) != 0) {
            continue;
        }
        any = true;
        strbuf_puts(out, i ? "\r\n" : "");
        put_block(out, nodes ? NULL : entry, nodes ? entry : json_object_get(entry, "inserted"),
                  verbose);
    }
    return any;
}

void hmp_info_block(struct layer *l, const struct hmp_args *args, struct strbuf *out)
{
    bool nodes = args->flags[0], verbose = args->flags[1];
    const char *name = args->texts[0];
    bool found = false;
    if (!nodes) {
        json_t *devices = query(l, "query-block");
        found = put_list(out, devices, false, name, verbose) || !name;
        json_decref(devices);
    }
    if (!found) {
        json_t *list = query(l, "query-named-block-nodes");
        put_list(out, list, true, name, verbose);
        json_decref(list);
    }
}

/* ---- The others ---- */

void hmp_info_block_jobs(struct layer *l, const struct hmp_args *args, struct strbuf *out)
{
    json_t *jobs = query(l, "query-block-jobs"), *job;
    size_t i;
    (void)args;
    json_array_foreach(jobs, i, job) {
        const char *type = text_of(job, "type");
        bool stream = strcmp(type, "stream") == 0;
        strbuf_printf(out, "%s%s%s %s: Completed %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
                      " bytes, speed limit %" JSON_INTEGER_FORMAT " bytes/s\r\n",
                      stream ? "Streaming" : "Type ", stream ? "" : type,
                      stream ? " device" : ", device", text_of(job, "device"),
                      json_integer_value(json_object_get(job, "offset")),
                      json_integer_value(json_object_get(job, "len")),
                      json_integer_value(json_object_get(job, "speed")));
    }
    if (json_array_size(jobs) == 0) {
        strbuf_puts(out, "No active jobs\r\n");
    }
    json_decref(jobs);
}

void hmp_info_blockstats(struct layer *l, const struct hmp_args *args, struct strbuf *out)
{
    static const char *const counters[] = {
        "rd_bytes", "wr_bytes", "rd_operations", "wr_operations", "flush_operations",
        "wr_total_time_ns", "rd_total_time_ns", "flush_total_time_ns", "rd_merged", "wr_merged",
        "idle_time_ns",
    };
    json_t *list = query(l, "query-blockstats"), *entry;
    size_t i;
    (void)args;
    json_array_foreach(list, i, entry) {
        const char *device = text_of(entry, "device");
        const json_t *stats = json_object_get(entry, "stats");
        if (!device) {
            continue;
        }
        strbuf_printf(out, "%s:", device);
        for (size_t k = 0; k < ARRAY_LEN(counters); k++) {
            strbuf_printf(out, " %s=%" JSON_INTEGER_FORMAT, counters[k],
                          json_integer_value(json_object_get(stats, counters[k])));
        }
        strbuf_puts(out, "\r\n");
    }
    json_decref(list);
}

void hmp_info_block_graph(struct layer *l, const struct hmp_args *args, struct strbuf *out)
{
    struct strbuf dot = { .text = NULL };
    (void)args;
    layer_draw(l, &dot);
    for (const char *p = strbuf_str(&dot); *p; p++) {
        strbuf_puts(out, *p == '\n' ? "\r" : "");
        strbuf_putc(out, *p);
    }
    strbuf_free(&dot);
}

void hmp_info_version(struct layer *l, const struct hmp_args *args, struct strbuf *out)
{
    json_t *info = qmp_version_info(), *qemu = json_object_get(info, "qemu");
    (void)l;
    (void)args;
    strbuf_printf(out, "%" JSON_INTEGER_FORMAT ".%" JSON_INTEGER_FORMAT ".%" JSON_INTEGER_FORMAT
                  "%s\r\n", json_integer_value(json_object_get(qemu, "major")),
                  json_integer_value(json_object_get(qemu, "minor")),
                  json_integer_value(json_object_get(qemu, "micro")), text_of(info, "package"));
    json_decref(info);
}
