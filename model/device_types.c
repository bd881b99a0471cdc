/* SPDX-License-Identifier: MIT */
/* What devices there are, and their properties: tables.
 *
 * Properties that only a guest would see (geometry, serial numbers, PCI features) are those of
 * QEMU's that have no meaning here: they are refused and not ignored.
 */
#include "base/check.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/device_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(member) offsetof(struct device_conf, member)

static const struct device_prop block_props[] = {
    { "drive", PROP_STR, AT(drive), "node or block device that it uses" },
    { "share-rw", PROP_BOOL, AT(share_rw), "others may write to the node as well (off)" },
    { "write-cache", PROP_ON_OFF_AUTO, AT(write_cache), "off: every write is durable (auto)" },
    { "rerror", PROP_ON_ERROR, AT(rerror), "what is done when a read fails (auto: report)" },
    { "werror", PROP_ON_ERROR, AT(werror), "what is done when a write fails (auto: enospc)" },
    { "account-invalid", PROP_ON_OFF_AUTO, AT(count_invalid), "invalid requests are accesses" },
    { "account-failed", PROP_ON_OFF_AUTO, AT(count_failed), "failed requests are accesses" },
    { "logical_block_size", PROP_BLOCK_SIZE, AT(logical), "what a guest addresses" },
    { "physical_block_size", PROP_BLOCK_SIZE, AT(physical), "what a guest should align to" },
    { 0 },
};

static const struct device_prop scsi_props[] = {
    { "channel", PROP_UINT32, AT(channel), "0" },
    { "scsi-id", PROP_UINT32, AT(target), "target on its bus (the next free one)" },
    { "lun", PROP_UINT32, AT(lun), "logical unit of the target (the next free one)" },
    { 0 },
};

static const struct device_prop scsi_hd_props[] = {
    { "removable", PROP_BOOL, AT(removable), "the medium can be taken out (off)" },
    { 0 },
};

static const struct device_prop ide_props[] = {
    { "unit", PROP_UINT32, AT(unit), "0 or 1 (the next free one)" },
    { 0 },
};

static const struct device_prop virtio_props[] = {
    { "iothread", PROP_STR, AT(iothread), "where requests run (the main loop)" },
    { 0 },
};

static const struct device_prop virtio_blk_props[] = {
    { "discard", PROP_BOOL, AT(discard), "the guest may discard (on)" },
    { "write-zeroes", PROP_BOOL, AT(write_zeroes), "the guest may write zeroes (on)" },
    { 0 },
};

#define GUEST_BLOCK                                                                                \
    "backend_defaults", "bootindex", "discard_granularity", "min_io_size", "opt_io_size", "serial"
#define GUEST_GEOMETRY "cyls", "heads", "lcyls", "lheads", "lsecs", "secs"
#define GUEST_SCSI                                                                                 \
    "device_id", "max_io_size", "port_index", "port_wwn", "product",                               \
        "quirk_mode_page_vendor_specific_apple", "scsi_version", "vendor", "ver", "wwn"
#define GUEST_PCI                                                                                  \
    "acpi-index", "addr", "aer", "any_layout", "ats", "disable-legacy", "disable-modern",         \
        "event_idx", "failover_pair_id", "indirect_desc", "ioeventfd", "iommu_platform",          \
        "migrate-extra", "modern-pio-notify", "multifunction", "notify_on_empty", "packed",       \
        "page-per-vq", "queue_reset", "rombar", "romfile", "romsize", "use-disabled-flag",        \
        "use-started", "vectors", "virtio-pci-bus-master-bug-migration", "x-ats-page-aligned",    \
        "x-disable-legacy-check", "x-disable-pcie", "x-ignore-backend-features",                  \
        "x-pcie-deverr-init", "x-pcie-extcap-init", "x-pcie-flr-init", "x-pcie-lnkctl-init",      \
        "x-pcie-lnksta-dllla", "x-pcie-pm-init"

static const char *const scsi_hd_elsewhere[] = {
    GUEST_BLOCK, GUEST_GEOMETRY, GUEST_SCSI, "dpofua", "max_unmap_size", "rotation_rate", NULL
};
static const char *const scsi_cd_elsewhere[] = {
    GUEST_BLOCK, GUEST_SCSI, "quirk_mode_page_apple_vendor", "quirk_mode_page_truncated",
    "quirk_mode_sense_rom_use_dbd", NULL
};
static const char *const ide_hd_elsewhere[] = {
    GUEST_BLOCK, GUEST_GEOMETRY, "bios-chs-trans", "model", "rotation_rate", "ver", "wwn", NULL
};
static const char *const ide_cd_elsewhere[] = { GUEST_BLOCK, "model", "ver", "wwn", NULL };
static const char *const virtio_blk_elsewhere[] = {
    GUEST_BLOCK, GUEST_GEOMETRY, GUEST_PCI, "class", "config-wce", "max-discard-sectors",
    "max-write-zeroes-sectors", "num-queues", "queue-size", "report-discard-granularity",
    "request-merging", "scsi", "seg-max-adjust", "virtio-backend",
    "x-enable-wce-if-config-wce", NULL
};
static const char *const virtio_scsi_elsewhere[] = {
    GUEST_PCI, "cmd_per_lun", "hotplug", "max_sectors", "num_queues", "param_change",
    "seg_max_adjust", "virtio-backend", "virtqueue_size", NULL
};

static const struct device_prop *const scsi_hd_tables[] = { block_props, scsi_props,
                                                            scsi_hd_props, NULL };
static const struct device_prop *const scsi_cd_tables[] = { block_props, scsi_props, NULL };
static const struct device_prop *const ide_tables[] = { block_props, ide_props, NULL };
static const struct device_prop *const virtio_blk_tables[] = { block_props, virtio_props,
                                                               virtio_blk_props, NULL };
static const struct device_prop *const virtio_scsi_tables[] = { virtio_props, NULL };

static const struct device_type ide_cd = {
    .name = "ide-cd", .bus = DEVICE_BUS_IDE, .kind = DEVICE_CD, .props = ide_tables,
    .elsewhere = ide_cd_elsewhere, .help = "CD drive on an IDE bus",
};

static const struct device_type ide_hd = {
    .name = "ide-hd", .bus = DEVICE_BUS_IDE, .kind = DEVICE_DISK, .props = ide_tables,
    .elsewhere = ide_hd_elsewhere, .help = "disk on an IDE bus",
};

static const struct device_type scsi_cd = {
    .name = "scsi-cd", .bus = DEVICE_BUS_SCSI, .kind = DEVICE_CD, .props = scsi_cd_tables,
    .elsewhere = scsi_cd_elsewhere, .help = "CD drive on a SCSI bus",
};

static const struct device_type scsi_hd = {
    .name = "scsi-hd", .bus = DEVICE_BUS_SCSI, .kind = DEVICE_DISK, .props = scsi_hd_tables,
    .elsewhere = scsi_hd_elsewhere, .help = "disk on a SCSI bus",
};

static const struct device_type virtio_blk = {
    .name = "virtio-blk-pci", .alias = "virtio-blk", .bus = DEVICE_BUS_PCI, .kind = DEVICE_DISK,
    .has_inner = true, .props = virtio_blk_tables, .elsewhere = virtio_blk_elsewhere,
    .help = "disk on the PCI bus",
};

static const struct device_type virtio_scsi = {
    .name = "virtio-scsi-pci", .alias = "virtio-scsi", .bus = DEVICE_BUS_PCI,
    .kind = DEVICE_CONTROLLER, .has_inner = true, .props = virtio_scsi_tables,
    .elsewhere = virtio_scsi_elsewhere, .help = "controller with a SCSI bus",
};

const struct device_type *const device_types[] = {
    &ide_cd, &ide_hd, &scsi_cd, &scsi_hd, &virtio_blk, &virtio_scsi, NULL
};

const struct device_type *device_type_find(const char *name)
{
    for (size_t i = 0; device_types[i]; i++) {
        const struct device_type *t = device_types[i];
        if (strcmp(t->name, name) == 0 || (t->alias && strcmp(t->alias, name) == 0)) {
            return t;
        }
    }
    return NULL;
}

const struct device_prop *device_prop_find(const struct device_type *t, const char *name)
{
    for (size_t i = 0; t->props[i]; i++) {
        for (const struct device_prop *p = t->props[i]; p->name; p++) {
            if (strcmp(p->name, name) == 0) {
                return p;
            }
        }
    }
    return NULL;
}

bool device_prop_is_elsewhere(const struct device_type *t, const char *name)
{
    for (size_t i = 0; t->elsewhere[i]; i++) {
        if (strcmp(t->elsewhere[i], name) == 0) {
            return true;
        }
    }
    return false;
}

void device_conf_init(struct device_conf *conf)
{
    *conf = (struct device_conf){ .discard = true, .write_zeroes = true, .write_cache = -1,
                                  .count_invalid = -1, .count_failed = -1,
                                  .rerror = ON_ERROR_AUTO, .werror = ON_ERROR_AUTO,
                                  .target = -1, .lun = -1, .unit = -1 };
}

/* ---- Reading a property ---- */

/* A value as the command line would have it, in buf unless it is a string; NULL: it cannot be. */
static const char *text_of(const json_t *value, char *buf, size_t size)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        return json_string_value(value);
    case JSON_TRUE:
        return "on";
    case JSON_FALSE:
        return "off";
    case JSON_NULL:
        return "";
    case JSON_INTEGER:
        snprintf(buf, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return buf;
    case JSON_REAL:
        snprintf(buf, size, "a fraction"); /* Nothing takes one. */
        return buf;
    default:
        return NULL;
    }
}

/* 1, 0, or -1 for another word. */
static int bool_of(const char *text)
{
    static const char *const on[] = { "on", "yes", "true", "y" };
    static const char *const off[] = { "off", "no", "false", "n" };
    for (size_t i = 0; i < ARRAY_LEN(on); i++) {
        if (strcmp(text, on[i]) == 0) {
            return 1;
        }
        if (strcmp(text, off[i]) == 0) {
            return 0;
        }
    }
    return -1;
}

static int read_block_size(const char *owner, const char *name, const char *text, int64_t *out,
                           struct error *err)
{
    enum { BLOCK_MIN = 512, BLOCK_MAX = 2 << 20 };
    int64_t bytes;
    if (text_parse_size(text, &bytes) < 0) {
        return error_set(err, -EINVAL, "Parameter '%s' expects size", name);
    }
    if (bytes != 0 && (bytes < BLOCK_MIN || bytes > BLOCK_MAX)) {
        return error_set(err, -EINVAL,
                         "Property %s.%s doesn't take value %" JSON_INTEGER_FORMAT
                         " (minimum: %d, maximum: %d)",
                         owner, name, (json_int_t)bytes, BLOCK_MIN, BLOCK_MAX);
    }
    if (bytes & (bytes - 1)) {
        return error_set(err, -EINVAL,
                         "Property %s.%s doesn't take value '%" JSON_INTEGER_FORMAT
                         "', it's not a power of 2",
                         owner, name, (json_int_t)bytes);
    }
    *out = bytes;
    return 0;
}

static int read_uint32(const char *name, const char *text, int64_t *out, struct error *err)
{
    uint64_t value;
    bool negative = *text == '-';
    int ret = text_parse_u64(text + negative, &value);
    if (ret == -EINVAL) {
        return error_set(err, -EINVAL, "Parameter '%s' expects integer", name);
    }
    if (ret < 0 || negative || value > UINT32_MAX) {
        return error_set(err, -EINVAL, "Parameter '%s' expects uint32_t", name);
    }
    *out = value == UINT32_MAX ? -1 : (int64_t)value;
    return 0;
}

static int fail_word(const char *name, const char *text, struct error *err)
{
    return error_set(err, -EINVAL, "Parameter '%s' does not accept value '%s'", name, text);
}

static int read_text(const struct device_prop *p, const char *owner, const char *text,
                     struct device_conf *conf, struct error *err)
{
    char *to = (char *)conf + p->at;
    int word;
    switch (p->kind) {
    case PROP_BOOL:
        word = bool_of(text);
        if (word < 0) {
            return error_set(err, -EINVAL, "Parameter '%s' expects 'on' or 'off'", p->name);
        }
        *(bool *)to = word;
        return 0;
    case PROP_ON_OFF_AUTO:
        word = strcmp(text, "on") == 0 ? 1 : strcmp(text, "off") == 0 ? 0 : -1;
        *(int *)(void *)to = word;
        return word < 0 && strcmp(text, "auto") != 0 ? fail_word(p->name, text, err) : 0;
    case PROP_ON_ERROR:
        word = on_error_parse(text);
        if (word < 0) {
            return fail_word(p->name, text, err);
        }
        *(enum on_error *)(void *)to = (enum on_error)word;
        return 0;
    case PROP_BLOCK_SIZE:
        return read_block_size(owner, p->name, text, (int64_t *)(void *)to, err);
    case PROP_UINT32:
        return read_uint32(p->name, text, (int64_t *)(void *)to, err);
    default:
        UNREACHABLE();
    }
}

int device_prop_read(const struct device_type *t, const char *id, const char *name,
                     const json_t *value, struct device_conf *conf, struct error *err)
{
    char buf[32];
    const struct device_prop *p = device_prop_find(t, name);
    if (!p && device_prop_is_elsewhere(t, name)) {
        return error_set(err, -ENOTSUP, "Property '%s.%s' is not available in blksim", t->name,
                         name);
    }
    const char *text = text_of(value, buf, sizeof(buf));
    if (!p || !text) {
        return error_set(err, -ENOENT, "Property '%s.%s' not found", t->name, name);
    }
    if (p->kind == PROP_STR) {
        if (!json_is_string(value) && *text) {
            return error_set(err, -ENODEV, "Property '%s.%s' can't find value '%s'", t->name, name,
                             text);
        }
        *(const char **)(void *)((char *)conf + p->at) = *text ? text : NULL;
        return 0;
    }
    return read_text(p, t->has_inner || !id ? "" : id, text, conf, err);
}
