/* SPDX-License-Identifier: MIT */
/* Where devices sit: the buses of QEMU's pc machine, and those of controllers.
 *
 *   pci.0           virtio-blk-pci, virtio-scsi-pci
 *   ide.0, ide.1    two units each; a device that names none goes to ide.1, as in QEMU
 *   ID.0, scsi.N    of a controller; a device that names none goes to the newest
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/device_private.h"

#include <errno.h>
#include <string.h>

enum { SCSI_TARGETS = 256, SCSI_LUNS = 16384, IDE_UNITS = 2 };
enum { PCI_SLOTS = 30 }; /* Beside the board's own two. */

static const char *bus_type_name(enum device_bus bus)
{
    static const char *const names[] = { [DEVICE_BUS_PCI] = "PCI", [DEVICE_BUS_SCSI] = "SCSI",
                                         [DEVICE_BUS_IDE] = "IDE" };
    CHECK((unsigned)bus < ARRAY_LEN(names));
    return names[bus];
}

static struct device *find_controller(const struct layer *l, const char *bus)
{
    struct device *d = l->devices_tail;
    while (d && (!d->bus_name || (bus && strcmp(d->bus_name, bus) != 0))) {
        d = d->prev;
    }
    return d;
}

/* A bus by name; false when there is none. */
static bool find_named(const struct layer *l, const char *name, enum device_bus *kind,
                       struct device_slot *out)
{
    static const char *const ide[] = { "ide.0", "ide.1" };
    if (strcmp(name, "pci.0") == 0) {
        *kind = DEVICE_BUS_PCI;
        *out = (struct device_slot){ .name = "pci.0" };
        return true;
    }
    for (int i = 0; i < (int)ARRAY_LEN(ide); i++) {
        if (strcmp(name, ide[i]) == 0) {
            *kind = DEVICE_BUS_IDE;
            *out = (struct device_slot){ .name = ide[i], .ide = i };
            return true;
        }
    }
    struct device *c = find_controller(l, name);
    *kind = DEVICE_BUS_SCSI;
    *out = (struct device_slot){ .name = c ? c->bus_name : NULL, .controller = c };
    return c != NULL;
}

int device_bus_find(const struct layer *l, const struct device_type *t, const char *bus,
                    struct device_slot *out, struct error *err)
{
    enum device_bus kind;
    if (bus) {
        if (!find_named(l, bus, &kind, out)) {
            return error_set(err, -ENODEV, "Bus '%s' not found", bus);
        }
        if (kind != t->bus) {
            return error_set(err, -EINVAL, "Device '%s' can't go on %s bus", t->name,
                             bus_type_name(kind));
        }
        return 0;
    }
    if (t->bus != DEVICE_BUS_SCSI) {
        find_named(l, t->bus == DEVICE_BUS_PCI ? "pci.0" : "ide.1", &kind, out);
        return 0;
    }
    struct device *c = find_controller(l, NULL);
    if (!c) {
        return error_set(err, -ENODEV, "No 'SCSI' bus found for device '%s'", t->name);
    }
    *out = (struct device_slot){ .name = c->bus_name, .controller = c };
    return 0;
}

/* ---- Places ---- */

/* Who sits there; controller NULL: on IDE, target being the number of the bus. */
static const struct device *find_at(const struct layer *l, const struct device *controller,
                                    int64_t target, int64_t lun)
{
    for (const struct device *d = l->devices; d; d = d->next) {
        bool same = d->type->bus == (controller ? DEVICE_BUS_SCSI : DEVICE_BUS_IDE) &&
                    d->controller == controller;
        if (same && d->target == target && d->lun == lun) {
            return d;
        }
    }
    return NULL;
}

static int place_pci(const struct device *d, struct error *err)
{
    int n = 0;
    for (const struct device *o = d->layer->devices; o; o = o->next) {
        n += o->type->bus == DEVICE_BUS_PCI;
    }
    return n < PCI_SLOTS ? 0
                         : error_set(err, -ENOSPC,
                                     "PCI: no slot/function available for %s, all in use or "
                                     "reserved",
                                     d->type->name);
}

static int place_ide(struct device *d, const struct device_slot *slot, int64_t unit,
                     struct error *err)
{
    if (unit >= IDE_UNITS) {
        return error_set(err, -EINVAL,
                         "Can't create IDE unit %d, bus supports only %d units", (int)unit,
                         IDE_UNITS);
    }
    if (unit < 0) {
        unit = find_at(d->layer, NULL, slot->ide, 0) ? 1 : 0;
    }
    if (find_at(d->layer, NULL, slot->ide, unit)) {
        return error_set(err, -EBUSY, "IDE unit %d is in use", (int)unit);
    }
    d->target = slot->ide;
    d->lun = unit;
    return 0;
}

static int check_scsi(const struct device_conf *conf, struct error *err)
{
    if (conf->channel > 0) {
        return error_set(err, -EINVAL, "bad scsi channel id: %u", (unsigned)conf->channel);
    }
    if (conf->target >= SCSI_TARGETS) {
        return error_set(err, -EINVAL, "bad scsi device id: %u", (unsigned)conf->target);
    }
    if (conf->lun >= SCSI_LUNS) {
        return error_set(err, -EINVAL, "bad scsi device lun: %u", (unsigned)conf->lun);
    }
    return 0;
}

static int place_scsi(struct device *d, const struct device_slot *slot,
                      const struct device_conf *conf, struct error *err)
{
    int64_t target = conf->target, lun = conf->lun;
    const struct device *other;
    int ret = check_scsi(conf, err);
    if (ret < 0) {
        return ret;
    }
    if (target < 0) {
        lun = MAX(lun, 0);
        for (target = 0; find_at(d->layer, slot->controller, target, lun);) {
            if (++target == SCSI_TARGETS) {
                return error_set(err, -ENOSPC, "no free target");
            }
        }
    } else if (lun < 0) {
        for (lun = 0; find_at(d->layer, slot->controller, target, lun);) {
            if (++lun == SCSI_LUNS) {
                return error_set(err, -ENOSPC, "no free lun");
            }
        }
    } else if ((other = find_at(d->layer, slot->controller, target, lun))) {
        return error_set(err, -EBUSY, "lun already used by '%s'",
                         other->id ? other->id : "(null)");
    }
    d->controller = slot->controller;
    d->target = target;
    d->lun = lun;
    return 0;
}

int device_bus_place(struct device *d, const struct device_slot *slot,
                     const struct device_conf *conf, struct error *err)
{
    switch (d->type->bus) {
    case DEVICE_BUS_PCI:
        return place_pci(d, err);
    case DEVICE_BUS_IDE:
        return place_ide(d, slot, conf->unit, err);
    case DEVICE_BUS_SCSI:
        return place_scsi(d, slot, conf, err);
    default:
        UNREACHABLE();
    }
}
