/* SPDX-License-Identifier: MIT */
/* What a statement is about, for the rows of the summary: its command and a driver. */
#include "scenarios/diff/compare_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* The n-th word, without quotes; new, NULL when there is none. */
static char *word_at(const char *text, size_t n)
{
    const char *s = text + strspn(text, " ");
    for (; n > 0 && *s; n--) {
        s += strcspn(s, " ");
        s += strspn(s, " ");
    }
    return *s ? mem_strndup(s, strcspn(s, " \n")) : NULL;
}

/* The request of `qmp BYTES`: new, NULL when it is none. */
static json_t *raw_request(const struct record_stmt *s)
{
    const char *brace = strchr(s->text, '{');
    return brace ? json_loads(brace, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
}

char *compare_command(const struct record_stmt *s)
{
    if (strcmp(s->command, "io") == 0) {
        char *word = word_at(s->text, 2);
        char *name = word ? mem_printf("io %s", word) : mem_strdup("io");
        free(word);
        return name;
    }
    if (strcmp(s->command, "qmp") == 0) {
        json_t *request = raw_request(s);
        const json_t *execute = json_object_get(request, "execute");
        execute = execute ? execute : json_object_get(request, "exec-oob");
        const char *name = json_string_value(execute);
        char *command = mem_strdup(name && *name && strlen(name) < 100 ? name : "qmp");
        json_decref(request);
        return command;
    }
    return mem_strdup(s->command);
}

static const char *member(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static bool device_is(const json_t *device, const char *name, size_t n)
{
    const char *drive = member(device, "device"), *qdev = member(device, "qdev");
    if (drive && strlen(drive) == n && memcmp(drive, name, n) == 0) {
        return true;
    }
    if (!qdev) {
        return false;
    }
    const char *at = strstr(qdev, "/peripheral/");
    at = at ? at + strlen("/peripheral/") : qdev;
    return strlen(at) >= n && memcmp(at, name, n) == 0 && (at[n] == '\0' || at[n] == '/');
}

/* The driver of the node, or of what is in the block device, of that name; NULL: there is none. */
static const char *driver_of_name(const struct record_stmt *s, const char *name, size_t n)
{
    for (size_t i = 0; s && n && i < json_array_size(s->nodes); i++) {
        const json_t *node = json_array_get(s->nodes, i);
        const char *node_name = member(node, "node-name");
        if (node_name && strlen(node_name) == n && memcmp(node_name, name, n) == 0) {
            return member(node, "drv");
        }
    }
    for (size_t i = 0; s && n && i < json_array_size(s->block); i++) {
        const json_t *device = json_array_get(s->block, i);
        if (device_is(device, name, n)) {
            return member(json_object_get(device, "inserted"), "drv");
        }
    }
    return NULL;
}

static const char *driver_near(const struct record_stmt *s, const struct record_stmt *before,
                               const char *name, size_t n)
{
    const char *driver = driver_of_name(s, name, n);
    return driver ? driver : driver_of_name(before, name, n);
}

/* The name that a driver has in the tables, so that the text need not be kept. */
static const char *driver_const(const char *name, size_t n)
{
    static const char *const drivers[] = {
        "blkdebug", "blkreplay", "blkverify", "bochs", "cloop", "compress", "copy-before-write",
        "copy-on-read", "dmg", "file", "ftp", "ftps", "host_cdrom", "host_device", "http", "https",
        "io_uring", "iscsi", "luks", "nbd", "nfs", "null-aio", "null-co", "nvme", "parallels",
        "preallocate", "qcow", "qcow2", "qed", "quorum", "raw", "rbd", "replication",
        "snapshot-access", "ssh", "throttle", "vdi", "vhdx", "vmdk", "vpc", "vvfat",
    };
    for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
        if (strlen(drivers[i]) == n && memcmp(drivers[i], name, n) == 0) {
            return drivers[i];
        }
    }
    return NULL;
}

/* A driver that one of the words names: at "driver=", or as the value of another key. */
static const char *driver_of_words(const struct record_stmt *s, const struct record_stmt *before)
{
    const char *by_node = NULL;
    for (const char *word = s->text; *word; word += strspn(word, " ")) {
        size_t n = strcspn(word, " ");
        const char *eq = memchr(word, '=', n);
        if (eq) {
            const char *value = eq + 1;
            size_t len = n - (size_t)(value - word);
            size_t key = (size_t)(eq - word);
            bool driver_key = key >= 6 && memcmp(eq - 6, "driver", 6) == 0 &&
                              (key == 6 || eq[-7] == '.');
            const char *driver = driver_key ? driver_const(value, len) : NULL;
            if (driver) {
                return driver;
            }
            by_node = by_node ? by_node : driver_near(s, before, value, len);
        }
        word += n;
    }
    return by_node;
}

static const char *driver_of_json(const struct record_stmt *s, const struct record_stmt *before,
                                  const json_t *v)
{
    const char *driver = NULL;
    if (json_is_string(v)) {
        return driver_near(s, before, json_string_value(v), json_string_length(v));
    }
    if (json_is_array(v)) {
        for (size_t i = 0; i < json_array_size(v) && !driver; i++) {
            driver = driver_of_json(s, before, json_array_get(v, i));
        }
    } else if (json_is_object(v)) {
        const char *name = member(v, "driver");
        driver = name ? driver_const(name, strlen(name)) : NULL;
        size_t n;
        const char **keys = compare_sorted_keys(v, &n);
        for (size_t i = 0; i < n && !driver; i++) {
            driver = driver_of_json(s, before, json_object_get(v, keys[i]));
        }
        free(keys);
    }
    return driver;
}

const char *compare_driver(const struct record_stmt *s, const struct record_stmt *before)
{
    const char *driver = NULL;
    if (strcmp(s->command, "io") == 0) {
        char *name = word_at(s->text, 1);
        driver = name ? driver_near(s, before, name, strlen(name)) : NULL;
        free(name);
    } else if (strcmp(s->command, "qmp") == 0) {
        json_t *request = raw_request(s);
        driver = driver_of_json(s, before, json_object_get(request, "arguments"));
        json_decref(request);
    } else {
        driver = driver_of_words(s, before);
    }
    return driver ? driver : "";
}

bool compare_is_aio(const struct record_stmt *s)
{
    char *word = strcmp(s->command, "io") == 0 ? word_at(s->text, 2) : NULL;
    bool aio = word && strncmp(word, "aio_", 4) == 0;
    free(word);
    return aio;
}

bool compare_is_harmless(const struct record_stmt *s)
{
    static const char *const look[] = { "read", "readv", "map", "alloc", "length", "info", "help",
                                        "sleep", "aio_flush" };
    static const char *const verbs[] = { "run", "clock", "wait", "export", "qom-get", "qom-list",
                                         "qom-list-types", "qom-list-properties" };
    bool harmless = strncmp(s->command, "query-", 6) == 0;
    for (size_t i = 0; i < ARRAY_LEN(verbs) && !harmless; i++) {
        harmless = strcmp(s->command, verbs[i]) == 0;
    }
    if (strcmp(s->command, "io") == 0) {
        char *word = word_at(s->text, 2);
        for (size_t i = 0; i < ARRAY_LEN(look) && word && !harmless; i++) {
            harmless = strcmp(word, look[i]) == 0;
        }
        free(word);
    }
    return harmless;
}
