/* SPDX-License-Identifier: MIT */
/* blockdev-backup and drive-backup: what a disk holds now goes to another node, or to an image that
 * is made for it (QEMU qapi/block-core.json, docs/interop/bitmaps.rst; behaviour of the installed
 * 7.2).
 *
 * Both are actions of transaction.  The source is drained from preparation to the end of the
 * transaction, so that all backups of one show the same instant.
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/blocker.h"
#include "model/dirty_bitmap.h"
#include "model/drain.h"
#include "model/iothread.h"
#include "model/job/backup.h"
#include "model/job/filter.h"
#include "model/layer_state.h"
#include "model/open.h"
#include "model/proposal.h"
#include "model/qmp/commands.h"
#include "model/qmp/job_args.h"
#include "model/qmp/transaction.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct backup {
    struct node *source; /* Referenced and drained; or NULL. */
    struct node *target; /* Referenced, or NULL. */
    uint32_t came_from;  /* The target's iothread before. */
    struct job *job;     /* Referenced, or NULL. */
};

/* ---- Arguments ---- */

static const char *const sync_values[] = { "top", "full", "none", "incremental", "bitmap", NULL };
static const char *const mode_values[] = { "on-success", "never", "always", NULL };

static enum job_sync sync_of(const char *name)
{
    static const enum job_sync syncs[] = { JOB_SYNC_TOP, JOB_SYNC_FULL, JOB_SYNC_NONE,
                                           JOB_SYNC_BITMAP, JOB_SYNC_BITMAP };
    size_t i = 0;
    while (strcmp(sync_values[i], name) != 0) {
        i++;
        CHECK(sync_values[i] != NULL);
    }
    return syncs[i];
}

static enum bitmap_mode mode_of(const char *name)
{
    int i = 0;
    while (strcmp(mode_values[i], name) != 0) {
        i++;
        CHECK(mode_values[i] != NULL);
    }
    return (enum bitmap_mode)i;
}

/* sync=incremental is sync=bitmap with bitmap-mode=on-success. */
static int check_modes(const json_t *args, const char *sync, struct error *err)
{
    const char *mode = args_str(args, "bitmap-mode");
    bool incremental = strcmp(sync, "incremental") == 0;
    if (sync_of(sync) == JOB_SYNC_BITMAP && !args_str(args, "bitmap")) {
        return error_set(err, -EINVAL, "must provide a valid bitmap name for '%s' sync mode", sync);
    }
    if (incremental && mode && mode_of(mode) != BITMAP_ON_SUCCESS) {
        return error_set(err, -EINVAL,
                         "Bitmap sync mode must be 'on-success' when using sync mode '%s'", sync);
    }
    return 0;
}

static int read_bitmap(const struct node *source, const json_t *args, const char *sync,
                       struct backup_options *o, struct error *err)
{
    const char *name = args_str(args, "bitmap"), *mode = args_str(args, "bitmap-mode");
    o->bitmap = name ? bitmap_find(source, name) : NULL;
    if (name && !o->bitmap) {
        return error_set(err, -ENOENT, "Bitmap '%s' could not be found", name);
    }
    mode = strcmp(sync, "incremental") == 0 ? "on-success" : mode;
    if (name && !mode) {
        return error_set(err, -EINVAL, "Bitmap sync mode must be given when providing a bitmap");
    }
    if (!name) {
        return mode ? error_set(err, -EINVAL, "Cannot specify bitmap sync mode without a bitmap")
                    : 0;
    }
    int ret = bitmap_check(o->bitmap, BITMAP_CHECK_ALLOW_RO, err);
    if (ret < 0) {
        return ret;
    }
    if (o->sync == JOB_SYNC_NONE) {
        return error_set(err, -EINVAL,
                         "sync mode '%s' does not produce meaningful bitmap outputs", sync);
    }
    o->bitmap_mode = mode_of(mode);
    if (o->bitmap_mode == BITMAP_NEVER && o->sync != JOB_SYNC_BITMAP) {
        return error_set(err, -EINVAL,
                         "Bitmap sync mode '%s' has no meaningful effect when combined with sync "
                         "mode '%s'",
                         mode, sync);
    }
    return 0;
}

/* "x-perf".  No driver here can copy by itself, so use-copy-range comes to reading and writing, as
 * QEMU's does where a host cannot. */
static void read_perf(const json_t *args, struct backup_options *o)
{
    const json_t *perf = json_object_get(args, "x-perf");
    const json_t *workers = json_object_get(perf, "max-workers");
    o->workers = workers ? json_integer_value(workers) : BACKUP_WORKERS;
    o->max_chunk = json_integer_value(json_object_get(perf, "max-chunk"));
}

/* ---- Both commands ---- */

static void drain_source(struct backup *s, struct node *source)
{
    s->source = node_ref(source);
    drain_begin(source);
}

/* [io] sync: as given, or what it comes to. */
static int create(struct backup *s, const json_t *args, const char *sync, struct action *a,
                  struct txn *txn, struct error *err)
{
    struct backup_options o = {
        .id = args_str(args, "job-id"),
        .sync = sync_of(sync),
        .speed = job_args_speed(args),
        .compress = json_is_true(json_object_get(args, "compress")),
        .on_source_error = job_args_on_error(args, "on-source-error"),
        .on_target_error = job_args_on_error(args, "on-target-error"),
        .filter_name = args_str(args, "filter-node-name"),
        .flags = job_args_flags(args),
        .jobs = a->jobs,
    };
    read_perf(args, &o);
    int ret = check_modes(args, sync, err);
    if (ret == 0) {
        ret = read_bitmap(s->source, args, sync, &o, err);
    }
    return ret < 0 ? ret : backup_create(s->source, s->target, &o, txn, &s->job, err);
}

static void finish(struct action *a)
{
    const struct backup *s = action_state(a);
    backup_start(s->job);
}

static void clean(struct action *a)
{
    struct backup *s = action_state(a);
    bool started = s->job && s->job->started;
    if (s->job) {
        job_unref(s->job);
    }
    if (s->target) {
        if (!started && s->target->iothread != s->came_from) {
            node_set_iothread(s->target, s->came_from, NULL);
        }
        node_unref(s->target);
    }
    if (s->source) {
        drain_end(s->source);
        node_unref(s->source);
    }
}

/* [io] The target goes to the source's iothread. */
static int follow_iothread(struct backup *s, const struct node *source, struct error *err)
{
    s->came_from = s->target->iothread;
    return s->target->iothread == source->iothread
               ? 0
               : node_set_iothread(s->target, source->iothread, err);
}

/* ---- blockdev-backup ---- */

static int prepare_blockdev(struct layer *l, const json_t *args, struct action *a,
                            struct txn *txn, struct error *err)
{
    const char *device = args_str(args, "device"), *target_name = args_str(args, "target");
    struct backup *s = action_state(a);
    struct node *source = layer_lookup(l, device, device, err);
    struct node *target = source ? layer_lookup(l, target_name, target_name, err) : NULL;
    if (!target) {
        return -ENODEV;
    }
    s->target = node_ref(target);
    int ret = follow_iothread(s, source, err);
    if (ret < 0) {
        return ret;
    }
    drain_source(s, source);
    return create(s, args, args_str(args, "sync"), a, txn, err);
}

/* ---- drive-backup ---- */

struct image {
    const char *name, *format;
    bool existing;
    const char *sync;     /* As it comes to. */
    struct node *backing; /* What the target shows below; or NULL. */
};

/* What stands below the new image, and so what need not be copied. */
static void find_backing(struct image *i, struct node *source)
{
    if (sync_of(i->sync) == JOB_SYNC_TOP) {
        i->backing = node_backing_chain_next(source);
        i->sync = i->backing ? i->sync : "full";
    } else if (sync_of(i->sync) == JOB_SYNC_NONE) {
        i->backing = source;
    }
}

static int make_image(const struct image *i, const struct node *source, struct error *err)
{
    struct layer *l = source->layer;
    const struct blk_driver *drv = layer_driver(l, i->format);
    json_t *options = NULL;
    if (i->backing) {
        if (drv && !(drv->traits & DRV_BACKING)) {
            return error_set(err, -ENOTSUP, "Backing file not supported for file format '%s'",
                             i->format);
        }
        const struct node *below = node_skip_implicit(i->backing);
        char *name = node_filename(below);
        options = json_pack("{s:s, s:s}", "backing_file", name, "backing_fmt", below->drv->name);
        CHECK(options != NULL);
        free(name);
    }
    int ret = image_create(l, i->format, i->name, io_length(source), options, err);
    json_decref(options);
    return ret;
}

/* [io] Opened as the source is, for writing. */
static int open_image(const struct image *i, const struct node *source, struct node **out,
                      struct error *err)
{
    const struct node_flags *f = &source->flags;
    bool none = sync_of(i->sync) == JOB_SYNC_NONE;
    json_t *options = json_pack("{s:b, s:{s:b, s:b}, s:s, s:s}", "read-only", 0, "cache",
                                "direct", f->cache_direct, "no-flush", f->cache_no_flush,
                                "discard", "unmap", "detect-zeroes", "unmap");
    CHECK(options != NULL);
    if (i->format) {
        const struct blk_driver *drv = layer_driver(source->layer, i->format);
        json_object_set_new(options, "driver", json_string(i->format));
        if (none && drv && (drv->traits & DRV_BACKING)) {
            json_object_set_new(options, "backing", json_null());
        }
    }
    int ret = node_open_name(source->layer, i->name, options, NULL, 0, out, err);
    json_decref(options);
    return ret;
}

/* [io] The source becomes the backing file of the image that keeps what it is about to lose. */
static int set_backing(struct node *target, struct node *source, struct error *err)
{
    const struct perm_pair any = { .used = 0, .shared = PERM_ALL };
    if (!(target->drv->traits & DRV_BACKING)) {
        return error_set(err, -ENOTSUP, "Driver '%s' of node '%s' does not support backing files",
                         target->drv->name, target->name);
    }
    struct txn txn = TXN_INIT;
    struct proposal *p = proposal_begin(target->layer);
    proposal_add(p, source, "backing", ROLE_COW, target, NULL, NULL, any);
    return txn_end(&txn, proposal_apply(p, &txn, err));
}

static int prepare_drive(struct layer *l, const json_t *args, struct action *a, struct txn *txn,
                         struct error *err)
{
    const char *device = args_str(args, "device"), *mode = args_str(args, "mode");
    struct backup *s = action_state(a);
    struct node *source = layer_lookup(l, device, device, err);
    if (!source) {
        return -ENODEV;
    }
    drain_source(s, source);
    struct image i = {
        .name = args_str(args, "target"),
        .format = args_str(args, "format"),
        .existing = mode && strcmp(mode, "existing") == 0,
        .sync = args_str(args, "sync"),
    };
    i.format = i.format || i.existing ? i.format : source->drv->name;
    int ret = blocker_check(source, BLOCK_OP_BACKUP_SOURCE, err);
    find_backing(&i, source);
    if (ret == 0 && !i.existing) {
        ret = make_image(&i, source, err);
    }
    if (ret == 0) {
        ret = open_image(&i, source, &s->target, err);
    }
    if (ret == 0) {
        ret = follow_iothread(s, source, err);
    }
    if (ret == 0 && i.backing == source) {
        ret = set_backing(s->target, source, err);
    }
    return ret < 0 ? ret : create(s, args, i.sync, a, txn, err);
}

/* ---- Schema ---- */

static const struct schema_type sync_type = {
    .name = "MirrorSyncMode", .kind = SCHEMA_ENUM, .values = sync_values
};

static const struct schema_type mode_type = {
    .name = "BitmapSyncMode", .kind = SCHEMA_ENUM, .values = mode_values
};

static const char *const image_modes[] = { "existing", "absolute-paths", NULL };

static const struct schema_type image_mode_type = {
    .name = "NewImageMode", .kind = SCHEMA_ENUM, .values = image_modes
};

static const struct schema_member perf_members[] = {
    { "use-copy-range", &schema_bool, MEMBER_OPTIONAL, "off",
      "let the storage copy where it can; none here can" },
    { "max-workers", &schema_int, MEMBER_OPTIONAL, "64", "copies that run side by side" },
    { "max-chunk", &schema_int, MEMBER_OPTIONAL, "0", "bytes of one copy; 0: no limit" },
    { 0 },
};

static const struct schema_type perf_type = {
    .name = "BackupPerf", .kind = SCHEMA_STRUCT, .members = perf_members
};

#define BACKUP_COMMON                                                                              \
    { "job-id", &schema_str, MEMBER_OPTIONAL, NULL, "the job; the device's name" },                \
    { "device", &schema_str, 0, NULL, "device or node that is copied" },                           \
    { "sync", &sync_type, 0, NULL, "what of it is copied" },                                       \
    { "speed", &schema_int, MEMBER_OPTIONAL, "0", "bytes per second; 0: no limit" },               \
    { "bitmap", &schema_str, MEMBER_OPTIONAL, NULL, "dirty bitmap of the node" },                  \
    { "bitmap-mode", &mode_type, MEMBER_OPTIONAL, NULL, "what becomes of it at the end" },         \
    { "compress", &schema_bool, MEMBER_OPTIONAL, "off", "write compressed" },                      \
    { "on-source-error", &schema_on_error, MEMBER_OPTIONAL, "report", "when reading fails" },      \
    { "on-target-error", &schema_on_error, MEMBER_OPTIONAL, "report", "when writing fails" },      \
    { "auto-finalize", &schema_bool, MEMBER_OPTIONAL, "on", "end without job-finalize" },          \
    { "auto-dismiss", &schema_bool, MEMBER_OPTIONAL, "on", "go without job-dismiss" },             \
    { "filter-node-name", &schema_str, MEMBER_OPTIONAL, NULL,                                      \
      "name of the node that is put above the source meanwhile" },                                 \
    { "x-perf", &perf_type, MEMBER_OPTIONAL, NULL, "how it is copied" }

static const struct schema_member blockdev_members[] = {
    BACKUP_COMMON,
    { "target", &schema_str, 0, NULL, "device or node that is written" },
    { 0 },
};

const struct schema_type schema_blockdev_backup = {
    .name = "BlockdevBackup", .kind = SCHEMA_STRUCT, .members = blockdev_members
};

static const struct schema_member drive_members[] = {
    BACKUP_COMMON,
    { "target", &schema_str, 0, NULL, "name of the image that is written" },
    { "format", &schema_str, MEMBER_OPTIONAL, NULL, "format of the image; the source's" },
    { "mode", &image_mode_type, MEMBER_OPTIONAL, "absolute-paths",
      "whether the image is there or is made now" },
    { 0 },
};

const struct schema_type schema_drive_backup = {
    .name = "DriveBackup", .kind = SCHEMA_STRUCT, .members = drive_members
};

/* ---- Actions and commands ---- */

const struct action_kind action_blockdev_backup = { .name = "blockdev-backup",
                                                    .grouped = true,
                                                    .state_size = sizeof(struct backup),
                                                    .data = &schema_blockdev_backup,
                                                    .prepare = prepare_blockdev,
                                                    .finish = finish,
                                                    .clean = clean };

const struct action_kind action_drive_backup = { .name = "drive-backup",
                                                 .grouped = true,
                                                 .state_size = sizeof(struct backup),
                                                 .data = &schema_drive_backup,
                                                 .prepare = prepare_drive,
                                                 .finish = finish,
                                                 .clean = clean };

static int blockdev_backup(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)ret;
    return transaction_run_one(l, &action_blockdev_backup, args, err);
}

const struct qmp_command qmp_blockdev_backup = {
    .name = "blockdev-backup",
    .args = &schema_blockdev_backup,
    .help = "copy what a node holds now to another",
    .run = blockdev_backup,
};

static int drive_backup(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)ret;
    return transaction_run_one(l, &action_drive_backup, args, err);
}

static const char *const deprecated[] = { "deprecated", NULL };

const struct qmp_command qmp_drive_backup = {
    .name = "drive-backup",
    .features = deprecated,
    .args = &schema_drive_backup,
    .help = "copy what a node holds now to an image",
    .run = drive_backup,
};
