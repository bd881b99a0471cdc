/* SPDX-License-Identifier: MIT */
/* file: a file of the host, simulated or real (sim/host.h).
 *
 *   file.c        options, opening, limits, sizes
 *   file_io.c     the data path
 *   file_lock.c   image locks; auto-read-only
 *
 * The driver knows no host: what differs between a simulated directory and real files lies behind
 * struct host_ops.
 *
 * Invariants:
 *  1. s->file is open from a successful open to close, whatever its flags.
 *  2. The file is writable when somebody may write through the node: always, but with
 *     auto-read-only only while a parent uses a permission that needs it.
 * (QEMU qapi/block-core.json, BlockdevOptionsFile; behaviour of the installed 7.2.)
 */
#include "drivers/file/file.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const aio_values[] = { "threads", "native", "io_uring", NULL };

static const struct schema_type aio_type = {
    .name = "BlockdevAioOptions", .kind = SCHEMA_ENUM, .values = aio_values
};

enum { HOW = MEMBER_OPTIONAL | MEMBER_HOW };

static const struct schema_member options[] = {
    { "filename", &schema_str, 0, NULL, "name of the file on the host" },
    { "pr-manager", &schema_str, HOW, NULL, "helper for SCSI reservations" },
    { "locking", &schema_on_off_auto, HOW, "auto", "take QEMU's image locks" },
    { "aio", &aio_type, HOW, "threads", "how the host does I/O" },
    { "aio-max-batch", &schema_int, HOW | MEMBER_FINAL, "0", "requests submitted at a time" },
    { "drop-cache", &schema_bool, HOW | MEMBER_MUTABLE | MEMBER_NO_RESET, "true",
      "drop the host's cache when another host may have written" },
    { "x-check-cache-dropped", &schema_bool, HOW | MEMBER_MUTABLE, "false",
      "check that the cache was dropped" },
    { 0 },
};

/* What can be said before the file is touched. */
static int check_options(const struct opts *opts, struct error *err)
{
    const char *filename = opts_str(opts, "filename");
    if (!filename || !*filename) {
        return error_set(err, -EINVAL, "The 'file' block driver requires a file name");
    }
    if (opts_given(opts, "pr-manager")) {
        return error_set(err, -ENOENT, "No persistent reservation manager with id '%s'",
                         opts_str(opts, "pr-manager"));
    }
    return 0;
}

/* What is said only of a file that could be opened.  A directory can, but for writing. */
static int check_opened(const struct node *n, const struct opts *opts, bool is_dir,
                        struct error *err)
{
    if (strcmp(opts_enum(opts, "aio"), "native") == 0 && !n->flags.cache_direct) {
        return error_set(err, -EINVAL,
                         "aio=native was specified, but it requires cache.direct=on, which was "
                         "not specified.");
    }
    return is_dir ? error_set(err, -EINVAL, "'file' driver requires '%s' to be a regular file",
                              opts_str(opts, "filename"))
                  : 0;
}

static uint32_t open_flags(const struct node *n)
{
    return (file_needs_write(n, 0) ? HOST_WRITE : 0u) | (n->flags.cache_direct ? HOST_DIRECT : 0u) |
           (n->flags.cache_no_flush ? HOST_NO_FLUSH : 0u);
}

static int file_open(struct node *n, const struct opts *opts, struct error *err)
{
    struct file_state *s = node_state(n);
    int ret = check_options(opts, err);
    if (ret < 0) {
        return ret;
    }
    const char *filename = opts_str(opts, "filename");
    s->flags = open_flags(n);
    s->want_write = s->flags & HOST_WRITE;
    s->locking = strcmp(opts_enum(opts, "locking"), "off") != 0;
    ret = host_open(node_host(n), filename, s->flags, &s->file, err);
    bool is_dir = ret == -EISDIR && !(s->flags & HOST_WRITE);
    if (ret < 0 && host_is_fdset(filename)) {
        return ret;
    }
    if (ret < 0 && !is_dir) {
        return error_set_errno(err, ret, "Could not open '%s'", filename);
    }
    ret = check_opened(n, opts, is_dir, err);
    if (ret < 0) {
        if (s->file) {
            host_close(node_host(n), filename, s->file);
        }
        return ret;
    }
    CHECK(s->file != NULL);
    s->filename = mem_strdup(filename);
    return 0;
}

static void file_close(struct node *n)
{
    struct file_state *s = node_state(n);
    host_close(node_host(n), s->filename, s->file);
    free(s->filename);
}

static void file_limits(const struct node *n, struct io_limits *limits)
{
    const struct file_state *s = node_state(n);
    struct host_info info;
    if (file_ops(n)->info(s->file, &info) < 0) {
        return; /* The host is gone: no request will succeed. */
    }
    limits->request_alignment = MAX(info.request_align, 1u);
    limits->zero_flags = IO_NO_FALLBACK | (info.can_discard ? IO_MAY_UNMAP : 0u);
}

static int64_t file_length(struct node *n)
{
    const struct file_state *s = node_state(n);
    struct host_info info;
    int ret = file_ops(n)->info(s->file, &info);
    if (ret < 0) {
        return ret;
    }
    return info.size > INT64_MAX ? -EFBIG : (int64_t)info.size;
}

static char *file_filename(const struct node *n)
{
    const struct file_state *s = node_state(n);
    return mem_strdup(s->filename);
}

static int64_t file_allocated_size(struct node *n)
{
    const struct file_state *s = node_state(n);
    struct host_info info;
    int ret = file_ops(n)->info(s->file, &info);
    return ret < 0 ? ret : (int64_t)info.allocated;
}

/* A file has no clusters and is never dirty; that it can say so shows in query results. */
static int file_info(const struct node *n, struct driver_info *info)
{
    (void)n;
    *info = (struct driver_info){ .cluster_size = 0 };
    return 0;
}

static const struct schema_member stats_members[] = {
    { "discard-nb-ok", &schema_uint64, 0, NULL, "discards done" },
    { "discard-nb-failed", &schema_uint64, 0, NULL, "discards that failed" },
    { "discard-bytes-ok", &schema_uint64, 0, NULL, "bytes discarded" },
    { 0 },
};

static void file_stats(const struct node *n, json_t *out)
{
    const struct file_state *s = node_state(n);
    json_object_set_new(out, "discard-nb-ok", json_integer((json_int_t)s->discard_ok));
    json_object_set_new(out, "discard-nb-failed", json_integer((json_int_t)s->discard_failed));
    json_object_set_new(out, "discard-bytes-ok", json_integer((json_int_t)s->discard_bytes));
}

/* "file:NAME", or a name as it is.  What is left of the former may look as if it had a protocol
 * too: a folder in front says that it has none. */
static int file_parse_filename(const char *name, json_t *out, struct error *err)
{
    bool prefix = strncmp(name, "file:", 5) == 0;
    const char *rest = prefix ? name + 5 : name;
    char *file = mem_printf("%s%s", prefix && rest[strcspn(rest, ":/")] == ':' ? "./" : "", rest);
    json_t *text = json_string(file);
    free(file);
    if (!text) {
        return error_set(err, -EINVAL, "The file name is not UTF-8");
    }
    json_object_set_new(out, "filename", text);
    return 0;
}

static const struct driver_graph file_graph = { .perm_change = file_perm_change,
                                                .reopen = file_reopen };

static const char *const features[] = { "dynamic-auto-read-only", NULL };

/* ---- New files ---- */

static const char *const prealloc_modes[] = { "off", "metadata", "falloc", "full", NULL };

static const struct schema_type prealloc_mode = {
    .name = "PreallocMode", .kind = SCHEMA_ENUM, .values = prealloc_modes
};

static const struct schema_member create_members[] = {
    { "filename", &schema_str, 0, NULL, "the file; one that is there is emptied" },
    { "size", &schema_size, 0, NULL, "its length in bytes" },
    { "preallocation", &prealloc_mode, MEMBER_OPTIONAL, "off", "whether it gets its blocks" },
    { "nocow", &schema_bool, MEMBER_OPTIONAL, "off",
      "a hint for file systems that copy on write; hosts here do not" },
    { "extent-size-hint", &schema_size, MEMBER_OPTIONAL, NULL,
      "a hint for file systems with extents; hosts here have none" },
    { 0 },
};

static int check_create(const json_t *values, struct error *err)
{
    const json_t *hint = json_object_get(values, "extent-size-hint");
    uint64_t bytes = hint ? (uint64_t)json_integer_value(hint) : 0;
    return bytes > UINT32_MAX ? error_set(err, -EINVAL, "Extent size hint is too large") : 0;
}

static const struct driver_image file_image = {
    .create_members = create_members,
    .check_create = check_create,
};

extern const struct blk_driver driver_file;

const struct blk_driver driver_file = {
    .name = "file",
    .help = "a file of the host",
    .traits = DRV_PROTOCOL,
    .state_size = sizeof(struct file_state),
    .features = features,
    .options = options,
    .open = file_open,
    .close = file_close,
    .limits = file_limits,
    .length = file_length,
    .filename = file_filename,
    .allocated_size = file_allocated_size,
    .info = file_info,
    .prefix = "file",
    .parse_filename = file_parse_filename,
    .stats_members = stats_members,
    .stats = file_stats,
    .io = &file_io,
    .graph = &file_graph,
    .image = &file_image,
};
