/* SPDX-License-Identifier: MIT */
/* BlockdevOptions: the options that every driver has, and those of the one that is named.
 *
 * The union's branches are the option tables of the drivers that were passed in, so nothing here
 * knows a driver by name except the list of QEMU 7.2's, which only serves to say what is missing.
 * (QEMU qapi/block-core.json; query-qmp-schema of the 7.2 program.)
 */
#include "model/driver.h"
#include "model/schema.h"

#include <string.h>

static const char *const on_off_auto[] = { "auto", "on", "off", NULL };
static const char *const detect_zeroes[] = { "off", "on", "unmap", NULL };
static const char *const discard[] = { "ignore", "unmap", NULL };

const struct schema_type schema_on_off_auto = {
    .name = "OnOffAuto", .kind = SCHEMA_ENUM, .values = on_off_auto
};
const struct schema_type schema_detect_zeroes = {
    .name = "BlockdevDetectZeroesOptions", .kind = SCHEMA_ENUM, .values = detect_zeroes
};
const struct schema_type schema_discard = {
    .name = "BlockdevDiscardOptions", .kind = SCHEMA_ENUM, .values = discard
};

static const struct schema_member cache_members[] = {
    { "direct", &schema_bool, MEMBER_OPTIONAL, "off", "bypass the host's page cache" },
    { "no-flush", &schema_bool, MEMBER_OPTIONAL, "off", "ignore flush requests" },
    { 0 },
};
const struct schema_type schema_cache = {
    .name = "BlockdevCacheOptions", .kind = SCHEMA_STRUCT, .members = cache_members
};

/* Names of all drivers of QEMU 7.2, as its query-qmp-schema lists them. */
static const char *const qemu_drivers[] = {
    "blkdebug", "blklogwrites", "blkreplay", "blkverify", "bochs", "cloop", "compress",
    "copy-before-write", "copy-on-read", "dmg", "file", "snapshot-access", "ftp", "ftps",
    "gluster", "host_cdrom", "host_device", "http", "https", "iscsi", "luks", "nbd", "nfs",
    "null-aio", "null-co", "nvme", "parallels", "preallocate", "qcow", "qcow2", "qed", "quorum",
    "raw", "rbd", "replication", "ssh", "throttle", "vdi", "vhdx", "vmdk", "vpc", "vvfat", NULL
};

bool schema_driver_is_known(const char *name)
{
    for (size_t i = 0; qemu_drivers[i]; i++) {
        if (qemu_drivers[i][0] == name[0] && !strcmp(qemu_drivers[i], name)) {
            return true;
        }
    }
    return false;
}

static const char *driver_name_at(const struct blk_driver *const *drivers, size_t i)
{
    return drivers[i] ? drivers[i]->name : NULL;
}

static const struct blk_driver *find_driver(const struct blk_driver *const *drivers,
                                            const char *name)
{
    for (size_t i = 0; drivers[i]; i++) {
        if (drivers[i]->name[0] == name[0] && !strcmp(drivers[i]->name, name)) {
            return drivers[i];
        }
    }
    return NULL;
}

static const struct schema_member *driver_branch(const struct blk_driver *const *drivers,
                                                 const char *value)
{
    const struct blk_driver *drv = find_driver(drivers, value);
    return drv ? drv->options : NULL;
}

static const struct schema_member *create_branch(const struct blk_driver *const *drivers,
                                                 const char *value)
{
    const struct blk_driver *drv = find_driver(drivers, value);
    return drv && drv->image ? drv->image->create_members : NULL;
}

static const struct schema_member *amend_branch(const struct blk_driver *const *drivers,
                                                const char *value)
{
    const struct blk_driver *drv = find_driver(drivers, value);
    return drv && drv->image ? drv->image->amend_members : NULL;
}

const struct schema_type schema_driver = {
    .name = "BlockdevDriver", .kind = SCHEMA_ENUM, .value_at = driver_name_at
};

static const struct schema_member blockdev_members[] = {
    { "driver", &schema_driver, 0, NULL, "the driver of the node" },
    { "node-name", &schema_str, MEMBER_OPTIONAL, NULL, "name of the node" },
    { "discard", &schema_discard, MEMBER_OPTIONAL | MEMBER_MUTABLE, "ignore",
      "what becomes of discard requests" },
    { "cache", &schema_cache, MEMBER_OPTIONAL | MEMBER_MUTABLE, NULL, "caching" },
    { "read-only", &schema_bool, MEMBER_OPTIONAL | MEMBER_MUTABLE, "off", "nothing may write" },
    { "auto-read-only", &schema_bool, MEMBER_OPTIONAL | MEMBER_MUTABLE, "off",
      "read-only when writing is not possible or not asked for" },
    { "force-share", &schema_bool, MEMBER_OPTIONAL | MEMBER_MUTABLE, "off",
      "take no locks; needs read-only" },
    { "detect-zeroes", &schema_detect_zeroes, MEMBER_OPTIONAL | MEMBER_MUTABLE, "off",
      "turn written zeroes into zero requests" },
    { 0 },
};

const struct schema_type schema_blockdev_options = {
    .name = "BlockdevOptions",
    .kind = SCHEMA_UNION,
    .members = blockdev_members,
    .discriminator = "driver",
    .branch = driver_branch,
};

static const struct schema_type *const ref_alternatives[] = { &schema_blockdev_options,
                                                              &schema_str, NULL };
static const struct schema_type *const ref_or_null_alternatives[] = { &schema_blockdev_options,
                                                                      &schema_str, &schema_null,
                                                                      NULL };

const struct schema_type schema_blockdev_ref = {
    .name = "BlockdevRef", .kind = SCHEMA_ALTERNATE, .alternatives = ref_alternatives
};
const struct schema_type schema_blockdev_ref_or_null = {
    .name = "BlockdevRefOrNull",
    .kind = SCHEMA_ALTERNATE,
    .alternatives = ref_or_null_alternatives
};

/* ---- Images ---- */

static const struct schema_member create_base[] = {
    { "driver", &schema_driver, 0, NULL, "the format or protocol" },
    { 0 },
};

const struct schema_type schema_create_options = {
    .name = "BlockdevCreateOptions",
    .kind = SCHEMA_UNION,
    .members = create_base,
    .discriminator = "driver",
    .branch = create_branch,
};

static const struct schema_member amend_base[] = {
    { "driver", &schema_driver, 0, NULL, "that of the node" },
    { 0 },
};

const struct schema_type schema_amend_options = {
    .name = "BlockdevAmendOptions",
    .kind = SCHEMA_UNION,
    .members = amend_base,
    .discriminator = "driver",
    .branch = amend_branch,
};
