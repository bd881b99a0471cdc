/* SPDX-License-Identifier: MIT */
/* One NBD connection by libnbd, used one request at a time with a limit on the time it takes.
 *
 * Checks of the client's side are off: the server says what is wrong with a request. */
#include "scenarios/real/nbd_private.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/real/real_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_LIBNBD

#include <libnbd.h>

static const char depth_context[] = "qemu:allocation-depth";

enum { POLL_MS = 100 };

struct nbd_link {
    struct nbd_handle *h;
    int64_t limit_ns;
    int dir_fd; /* -1: none. */
    void (*sent)(void *opaque);
    void *sent_opaque;
    /* Of the request in progress. */
    bool done;
    int error;
    bool have_extent;
    uint32_t extent_len, extent_depth;
};

static void link_close(struct nbd_link *l)
{
    if (l->h) {
        nbd_close(l->h);
    }
    if (l->dir_fd >= 0) {
        close(l->dir_fd);
    }
    free(l);
}

/* ---- connecting ---- */

/* A path of the directory by a name that is short enough for a socket. */
static char *short_path(struct nbd_link *l, const char *dir, const char *path)
{
    if (path[0] == '/') {
        return mem_strdup(path);
    }
    l->dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return mem_printf("/proc/self/fd/%d/%s", l->dir_fd, path);
}

static int start_connect(struct nbd_link *l, const json_t *address, const char *dir)
{
    const char *type = json_string_value(json_object_get(address, "type"));
    const json_t *data = json_object_get(address, "data");
    const char *path = json_string_value(json_object_get(data, "path"));
    const char *host = json_string_value(json_object_get(data, "host"));
    const char *port = json_string_value(json_object_get(data, "port"));
    if (type && strcmp(type, "unix") == 0 && path) {
        char *name = short_path(l, dir, path);
        int ret = nbd_aio_connect_unix(l->h, name);
        free(name);
        return ret;
    }
    if (type && strcmp(type, "inet") == 0 && host && port) {
        return nbd_aio_connect_tcp(l->h, host, port);
    }
    errno = EAFNOSUPPORT;
    return -1;
}

static int set_up(struct nbd_link *l, const char *export)
{
    bool ok = nbd_set_export_name(l->h, export) == 0 &&
              nbd_add_meta_context(l->h, depth_context) == 0 &&
              nbd_set_pread_initialize(l->h, false) == 0 && nbd_set_strict_mode(l->h, 0) == 0;
    return ok ? 0 : -1;
}

static int wait_ready(struct nbd_link *l)
{
    int64_t until_ns = real_clock_ns() + l->limit_ns;
    while (nbd_aio_is_connecting(l->h)) {
        if (real_clock_ns() >= until_ns) {
            errno = ETIME;
            return -1;
        }
        if (nbd_poll(l->h, POLL_MS) < 0) {
            errno = nbd_get_errno();
            return -1;
        }
    }
    return nbd_aio_is_ready(l->h) ? 0 : -1;
}

static struct nbd_link *link_open(const json_t *address, const char *dir, const char *export,
                               int64_t limit_ns, struct error *err)
{
    struct nbd_link *l = NEW(struct nbd_link);
    *l = (struct nbd_link){ .h = nbd_create(), .limit_ns = limit_ns, .dir_fd = -1 };
    if (l->h && set_up(l, export) == 0 && start_connect(l, address, dir) == 0 &&
        wait_ready(l) == 0) {
        return l;
    }
    const char *text = l->h ? nbd_get_error() : NULL;
    error_set(err, errno == ETIME ? -ETIME : -ECONNREFUSED, "cannot connect to the export: %s",
              text ? text : error_strerror(errno));
    link_close(l);
    return NULL;
}

static int64_t link_length(const struct nbd_link *l)
{
    return nbd_get_size(l->h);
}

static void link_on_sent(struct nbd_link *l, void (*fn)(void *opaque), void *opaque)
{
    l->sent = fn;
    l->sent_opaque = opaque;
}

/* ---- requests ---- */

static int on_done(void *opaque, int *error)
{
    struct nbd_link *l = opaque;
    l->done = true;
    l->error = *error;
    return 1; /* It is not to be asked for. */
}

/* libnbd wants a value of it for each request. */
static nbd_completion_callback begin(struct nbd_link *l)
{
    l->done = l->have_extent = false;
    l->error = 0;
    return (nbd_completion_callback){ .callback = on_done, .user_data = l };
}

static int finish(struct nbd_link *l, int64_t cookie)
{
    int64_t until_ns = real_clock_ns() + l->limit_ns;
    if (cookie < 0 && !l->done) {
        int code = nbd_get_errno();
        return code ? -code : -EIO;
    }
    if (l->sent) {
        l->sent(l->sent_opaque);
        l->sent = NULL;
    }
    while (!l->done) {
        if (real_clock_ns() >= until_ns) {
            return -ETIME;
        }
        if (nbd_poll(l->h, POLL_MS) < 0 && !l->done) {
            return -EPIPE;
        }
    }
    return l->error == ENOTCONN ? -EPIPE : -l->error;
}

static uint32_t flags_of(uint32_t flags)
{
    return flags & IO_FUA ? LIBNBD_CMD_FLAG_FUA : 0;
}

static int link_read(struct nbd_link *l, int64_t offset, void *buf, size_t bytes)
{
    CHECK(bytes <= NBD_PIECE_MAX);
    nbd_completion_callback cb = begin(l);
    /* Whole: in fragments the server would look for holes first, which is a request of its own. */
    return finish(l, nbd_aio_pread(l->h, buf, bytes, (uint64_t)offset, cb, LIBNBD_CMD_FLAG_DF));
}

static int link_write(struct nbd_link *l, int64_t offset, const void *buf, size_t bytes,
                   uint32_t flags)
{
    CHECK(bytes <= NBD_PIECE_MAX);
    nbd_completion_callback cb = begin(l);
    return finish(l, nbd_aio_pwrite(l->h, buf, bytes, (uint64_t)offset, cb, flags_of(flags)));
}

static int link_zero(struct nbd_link *l, int64_t offset, int64_t bytes, uint32_t flags)
{
    uint32_t f = flags_of(flags);
    f |= flags & IO_MAY_UNMAP ? 0 : LIBNBD_CMD_FLAG_NO_HOLE;
    f |= flags & IO_NO_FALLBACK ? LIBNBD_CMD_FLAG_FAST_ZERO : 0;
    nbd_completion_callback cb = begin(l);
    return finish(l, nbd_aio_zero(l->h, (uint64_t)bytes, (uint64_t)offset, cb, f));
}

static int link_trim(struct nbd_link *l, int64_t offset, int64_t bytes)
{
    nbd_completion_callback cb = begin(l);
    return finish(l, nbd_aio_trim(l->h, (uint64_t)bytes, (uint64_t)offset, cb, 0));
}

static int link_flush(struct nbd_link *l)
{
    nbd_completion_callback cb = begin(l);
    return finish(l, nbd_aio_flush(l->h, cb, 0));
}

static int on_extents(void *opaque, const char *context, uint64_t offset, uint32_t *entries,
                      size_t entries_len, int *error)
{
    struct nbd_link *l = opaque;
    (void)offset;
    if (*error == 0 && strcmp(context, depth_context) == 0 && entries_len >= 2) {
        l->have_extent = true;
        l->extent_len = entries[0];
        l->extent_depth = entries[1];
    }
    return 0;
}

static int link_depth(struct nbd_link *l, int64_t offset, int64_t bytes, uint32_t *depth,
                   int64_t *pnum)
{
    nbd_completion_callback cb = begin(l);
    nbd_extent_callback ext = { .callback = on_extents, .user_data = l };
    int ret = finish(l, nbd_aio_block_status(l->h, (uint64_t)bytes, (uint64_t)offset, ext, cb, 0));
    if (ret == 0 && (!l->have_extent || l->extent_len == 0)) {
        return -ENOTSUP;
    }
    *depth = l->extent_depth;
    *pnum = MIN((int64_t)l->extent_len, bytes);
    return ret;
}

static const struct nbd_link_ops ops = {
    .open = link_open,
    .close = link_close,
    .length = link_length,
    .on_sent = link_on_sent,
    .read = link_read,
    .write = link_write,
    .zero = link_zero,
    .trim = link_trim,
    .flush = link_flush,
    .depth = link_depth,
};

const struct nbd_link_ops *nbd_link_ops(void)
{
    return &ops;
}

#else

const struct nbd_link_ops *nbd_link_ops(void)
{
    return NULL;
}

#endif
