/* SPDX-License-Identifier: MIT */
/* The command line of the block layer: what QEMU takes as -blockdev, -drive, -device and -object.
 *
 * A command line is read as a whole first, then carried out in QEMU's order: objects, block nodes,
 * drives, devices, each kind in the order in which it was given.  What was done before the one that
 * fails stays, as it does until QEMU exits.  Errors are told without the "program: -option value: "
 * before them.
 */
#include "model/layer.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/cmdline_private.h"
#include "model/device.h"
#include "model/layer_state.h"
#include "model/machine.h"
#include "model/object.h"
#include "model/qmp/commands.h"
#include "model/qmp/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What an option is carried out as. */
struct option_kind {
    const char *name;
    /* Reads its value; NULL with err set. */
    json_t *(*parse)(struct layer *l, const char *text, struct error *err);
    /* [io] args may be used up. */
    int (*apply)(struct layer *l, json_t *args, struct error *err);
};

struct option {
    const struct option_kind *kind;
    json_t *args;
};

struct options {
    struct option *at;
    size_t len;
};

/* ---- values with a schema ---- */

/* JSON, or keyval typed by the schema; checked. */
static json_t *parse_schema(struct layer *l, const char *text, const char *implied,
                            const struct schema_type *type, struct error *err)
{
    json_t *value = NULL;
    if (*text == '{') {
        value = qmp_read_text(text, strlen(text), err);
    } else {
        json_t *words = keyval_parse(text, implied, err);
        value = words ? schema_type_keyval(l->drivers, type, words, err) : NULL;
        json_decref(words);
    }
    if (value && schema_check(l->drivers, type, "", value, err) < 0) {
        json_decref(value);
        value = NULL;
    }
    return value;
}

static json_t *parse_blockdev(struct layer *l, const char *text, struct error *err)
{
    return parse_schema(l, text, "driver", &schema_blockdev_options, err);
}

static int apply_blockdev(struct layer *l, json_t *args, struct error *err)
{
    json_t *ret = NULL;
    int code = qmp_blockdev_add.run(l, args, &ret, err);
    CHECK(!ret);
    return code;
}

static json_t *parse_object(struct layer *l, const char *text, struct error *err)
{
    return *text == '{' ? parse_schema(l, text, NULL, &schema_object_options, err)
                        : object_words_parse(l, text, err);
}

static int apply_object(struct layer *l, json_t *args, struct error *err)
{
    return object_add(l, args, err);
}

/* ---- values without ---- */

static json_t *parse_options(struct layer *l, const char *text, const char *implied,
                             struct error *err)
{
    json_t *out = optstr_parse(l, text, implied, err);
    const char *id = out ? json_string_value(json_object_get(out, "id")) : NULL;
    if (id && !text_is_identifier(id)) {
        error_set(err, -EINVAL, "Parameter 'id' expects an identifier");
        json_decref(out);
        return NULL;
    }
    return out;
}

static json_t *parse_drive(struct layer *l, const char *text, struct error *err)
{
    return parse_options(l, text, NULL, err);
}

static json_t *parse_device(struct layer *l, const char *text, struct error *err)
{
    if (*text != '{') {
        return parse_options(l, text, "driver", err);
    }
    json_t *value = qmp_read_text(text, strlen(text), err);
    return value;
}

static int apply_device(struct layer *l, json_t *args, struct error *err)
{
    return device_add(l, args, err);
}

/* ---- all ---- */

/* In the order in which they are carried out. */
static const struct option_kind kinds[] = {
    { "object", parse_object, apply_object },
    { "blockdev", parse_blockdev, apply_blockdev },
    { "drive", parse_drive, drive_add },
    { "device", parse_device, apply_device },
};

/* Options of QEMU that say nothing of the block layer, or what is not there. */
static const char *const foreign[] = {
    "M", "machine", "accel", "cpu", "m", "smp", "nodefaults", "no-user-config", "display",
    "nographic", "monitor", "qmp", "mon", "chardev", "serial", "vga", "netdev", "name", "uuid",
    "snapshot", "hda", "hdb", "hdc", "hdd", "fda", "fdb", "cdrom", "mtdblock", "sd", "pflash",
    "add-fd", "set", "global", "boot", "incoming", "nbd-server", "export", "daemonize", "pidfile",
    "sandbox", "trace", "readconfig", NULL
};

static int fail_option(const char *name, struct error *err)
{
    for (size_t i = 0; foreign[i]; i++) {
        if (strcmp(foreign[i], name) == 0) {
            return error_set(err, -ENOTSUP, "Option '-%s' is not available in blksim", name);
        }
    }
    return error_set(err, -EINVAL, "invalid option");
}

/* Of two things of one kind and name the second is refused before anything is done. */
static int check_duplicate(const struct options *all, const struct option_kind *kind,
                           const json_t *args, struct error *err)
{
    const char *id = json_string_value(json_object_get(args, "id"));
    for (size_t i = 0; id && i < all->len; i++) {
        const char *other = json_string_value(json_object_get(all->at[i].args, "id"));
        if (all->at[i].kind == kind && other && strcmp(id, other) == 0) {
            return error_set(err, -EEXIST, "Duplicate ID '%s' for %s", id, kind->name);
        }
    }
    return 0;
}

static int read_option(struct layer *l, const char *word, const char *value, struct options *all,
                       struct error *err)
{
    const char *name = *word == '-' ? word + 1 + (word[1] == '-') : word;
    const struct option_kind *kind = NULL;
    for (size_t i = 0; i < ARRAY_LEN(kinds) && *word == '-'; i++) {
        kind = strcmp(kinds[i].name, name) == 0 ? &kinds[i] : kind;
    }
    if (!kind) {
        return fail_option(name, err);
    }
    if (!value) {
        return error_set(err, -EINVAL, "requires an argument");
    }
    json_t *args = kind->parse(l, value, err);
    if (!args) {
        return err->code;
    }
    if (check_duplicate(all, kind, args, err) < 0) {
        json_decref(args);
        return err->code;
    }
    all->at = mem_resize(all->at, (all->len + 1) * sizeof(*all->at));
    all->at[all->len++] = (struct option){ kind, args };
    return 0;
}

/* -S: the machine waits for `cont`. */
static bool is_hold(const char *word)
{
    return strcmp(word, "-S") == 0 || strcmp(word, "--S") == 0;
}

int layer_command_line(struct layer *l, int argc, char **argv, struct error *err)
{
    struct options all = { 0 };
    struct error own = ERROR_INIT;
    int ret = 0;
    CHECK(argc >= 0);
    for (int i = 0; i < argc && ret == 0; i++) {
        if (is_hold(argv[i])) {
            machine_hold(l);
            continue;
        }
        ret = read_option(l, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &all, &own);
        i++;
    }
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        for (size_t i = 0; i < all.len && ret == 0; i++) {
            if (all.at[i].kind == &kinds[k]) {
                ret = kinds[k].apply(l, all.at[i].args, &own);
            }
        }
    }
    for (size_t i = 0; i < all.len; i++) {
        json_decref(all.at[i].args);
    }
    free(all.at);
    if (ret < 0 && err) {
        *err = own;
    }
    return ret;
}
