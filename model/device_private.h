/* Between the files of the frontends: for model/device*.c only. */
#ifndef MODEL_DEVICE_PRIVATE_H
#define MODEL_DEVICE_PRIVATE_H

#include "model/device.h"
#include "model/layer_state.h"
#include "model/schema.h"

enum device_bus { DEVICE_BUS_PCI, DEVICE_BUS_SCSI, DEVICE_BUS_IDE };

enum device_kind { DEVICE_DISK, DEVICE_CD, DEVICE_CONTROLLER };

/* Values of properties, as read from the arguments. */
struct device_conf {
    const char *drive; /* NULL: none. */
    int64_t logical, physical; /* Bytes; 0: by default. */
    bool share_rw, removable, discard, write_zeroes;
    int write_cache, count_invalid, count_failed; /* 1 on, 0 off, -1 auto */
    enum on_error rerror, werror;
    int64_t channel, target, lun, unit; /* -1: the next that is free. */
    const char *iothread;               /* NULL: the main loop. */
};

/* How a property's text is read. */
enum device_prop_kind {
    PROP_STR,
    PROP_BOOL,
    PROP_ON_OFF_AUTO,
    PROP_ON_ERROR,
    PROP_BLOCK_SIZE, /* A power of two between 512 bytes and 2 MiB, or 0. */
    PROP_UINT32,     /* 0xffffffff stands for -1. */
};

struct device_prop {
    const char *name; /* NULL ends a table. */
    enum device_prop_kind kind;
    size_t at; /* Offset in struct device_conf. */
    const char *help;
};

struct device_type {
    const char *name;
    const char *alias; /* NULL: none. */
    enum device_bus bus;
    enum device_kind kind;
    bool has_inner; /* The block device is PATH/virtio-backend. */
    const struct device_prop *const *props; /* Tables; ends with NULL. */
    /* Properties of QEMU's that have no meaning here; ends with NULL. */
    const char *const *elsewhere;
    const char *help;
};

extern const struct device_type *const device_types[]; /* Ends with NULL. */

const struct device_type *device_type_find(const char *name);
const struct device_prop *device_prop_find(const struct device_type *t, const char *name);
bool device_prop_is_elsewhere(const struct device_type *t, const char *name);
void device_conf_init(struct device_conf *conf);
/* One property of the device of that id (NULL: it has none).  Errors: QEMU's texts. */
int device_prop_read(const struct device_type *t, const char *id, const char *name,
                     const json_t *value, struct device_conf *conf, struct error *err);

struct device {
    struct layer *layer;
    const struct device_type *type;
    char *id;       /* NULL: anonymous. */
    char *path;     /* In QOM. */
    char *block_id; /* As the block layer names it. */
    char *bus_name; /* Of a controller: of the bus that it has. */
    struct device *controller; /* Of a SCSI device. */
    int64_t target, lun; /* SCSI; IDE: bus and unit. */
    struct backend *backend;
    uint32_t iothread;
    uint32_t refs;
    bool gone;      /* Unplugged; kept by references alone. */
    bool realized;  /* It is a device, be its bus for it or not. */
    bool unplugging;
    bool asked_at_start; /* That was before the machine has ever run. */
    bool read_only, discards, zeroes;
    bool removable, tray_open;
    int64_t logical; /* Block that requests are whole numbers of. */
    struct device *prev, *next;
};

/* device_bus.c: looks for the bus that args name, or for one of the right kind. */
struct device_slot {
    const char *name; /* Of the bus, for messages. */
    struct device *controller;
    int ide;
};
int device_bus_find(const struct layer *l, const struct device_type *t, const char *bus,
                    struct device_slot *out, struct error *err);
/* Sets where d sits on the bus.  Errors: it is taken, or there is no such place. */
int device_bus_place(struct device *d, const struct device_slot *slot,
                     const struct device_conf *conf, struct error *err);

#endif
