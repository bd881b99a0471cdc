/* SPDX-License-Identifier: MIT */
/* Real files.
 *
 * Input and output happen inline in the calling coroutine: no other coroutine runs meanwhile, so
 * one bounce buffer serves a whole host.  What is symbolic is made bytes there, and with O_DIRECT
 * everything goes through it that is not one aligned piece of memory.
 *
 * Nothing here is part of a simulation: a case that uses this host claims its verdict, not a trace.
 */
#include "base/check.h"
#include "base/mem.h"
#include "sim/host.h"
#include "sim/host_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BOUNCE_BYTES = 1 << 20,
    ALIGN_MAX = 4096,
};

struct host_posix {
    struct host base;
    char *dir;
    void *bounce_memory; /* Made when first needed. */
    uint32_t open_files;
};

struct posix_file {
    struct host_file base;
    int fd;
    uint32_t flags;
    uint32_t align;         /* Of offsets and lengths. */
    struct lock_table held; /* What we hold on fd, to carry it over. */
};

static struct host_posix *host_of(struct host *h)
{
    CHECK(strcmp(h->ops->name, "posix") == 0);
    return (struct host_posix *)h;
}

static struct posix_file *file_of(struct host_file *f)
{
    return (struct posix_file *)f;
}

/* BOUNCE_BYTES of memory, aligned to ALIGN_MAX. */
static uint8_t *bounce_of(struct posix_file *f)
{
    struct host_posix *h = host_of(f->base.host);
    if (!h->bounce_memory) {
        h->bounce_memory = mem_alloc(BOUNCE_BYTES + ALIGN_MAX);
    }
    uintptr_t at = (uintptr_t)h->bounce_memory;
    return (uint8_t *)((at + ALIGN_MAX - 1) / ALIGN_MAX * ALIGN_MAX);
}

static char *full_path(const struct host_posix *h, const char *path)
{
    return path[0] == '/' ? mem_strdup(path) : mem_printf("%s/%s", h->dir, path);
}

static int neg_errno(void)
{
    return errno > 0 ? -errno : -EIO;
}

/* --- open and close --- */

static int open_flags(uint32_t flags)
{
    return (flags & HOST_WRITE ? O_RDWR : O_RDONLY) | (flags & HOST_DIRECT ? O_DIRECT : 0) |
           O_CLOEXEC | O_NONBLOCK;
}

/* The alignment that direct requests on fd need: the smallest at which a read works. */
static uint32_t probe_align(int fd, uint8_t *memory)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0) {
        return ALIGN_MAX;
    }
    for (uint32_t align = 512; align < ALIGN_MAX; align *= 2) {
        if (pread(fd, memory, align, 0) >= 0) {
            return align;
        }
    }
    return ALIGN_MAX;
}

static int check_type(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0) {
        return neg_errno();
    }
    if (S_ISDIR(st.st_mode)) {
        return -EISDIR;
    }
    return S_ISREG(st.st_mode) || S_ISBLK(st.st_mode) ? 0 : -EINVAL;
}

/* Opens a path; returns a descriptor of a regular file or a block device, or -errno. */
static int open_fd(const char *path, uint32_t flags)
{
    int fd = open(path, open_flags(flags));
    if (fd < 0) {
        return neg_errno();
    }
    int ret = check_type(fd);
    if (ret < 0) {
        close(fd);
        return ret;
    }
    return fd;
}

static int posix_open(struct host *base, const char *path, uint32_t flags, struct host_file **out)
{
    struct host_posix *h = host_of(base);
    char *full = full_path(h, path);
    int fd = path[0] ? open_fd(full, flags) : -ENOENT;
    free(full);
    if (fd < 0) {
        return fd;
    }
    struct posix_file *f = NEW(struct posix_file);
    f->base.host = base;
    f->fd = fd;
    f->flags = flags;
    f->align = flags & HOST_DIRECT ? probe_align(fd, bounce_of(f)) : 1;
    h->open_files++;
    *out = &f->base;
    return 0;
}

static void posix_close(struct host_file *base)
{
    struct posix_file *f = file_of(base);
    struct host_posix *h = host_of(base->host);
    CHECK(h->open_files > 0);
    h->open_files--;
    close(f->fd);
    lock_table_fini(&f->held);
    free(f);
}

static int posix_create(struct host *base, const char *path, uint64_t size)
{
    if (size > INT64_MAX) {
        return -EFBIG;
    }
    char *full = full_path(host_of(base), path);
    int fd = path[0] ? open(full, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644) : -1;
    int ret = path[0] ? fd < 0 ? neg_errno() : check_type(fd) : -ENOENT;
    free(full);
    if (ret == 0 && (ftruncate(fd, 0) < 0 || ftruncate(fd, (off_t)size) < 0)) {
        ret = neg_errno();
    }
    if (fd >= 0) {
        close(fd);
    }
    return ret;
}

static int posix_unlink(struct host *base, const char *path)
{
    char *full = full_path(host_of(base), path);
    int ret = unlink(full) < 0 ? neg_errno() : 0;
    free(full);
    return ret;
}

static int posix_rename(struct host *base, const char *from, const char *to)
{
    char *a = full_path(host_of(base), from), *b = full_path(host_of(base), to);
    int ret = rename(a, b) < 0 ? neg_errno() : 0;
    free(a);
    free(b);
    return ret;
}

/* --- locks --- */

static int fd_lock(int fd, uint64_t start, uint64_t len, enum host_lock kind)
{
    static const short types[] = {
        [HOST_UNLOCK] = F_UNLCK, [HOST_LOCK_SHARED] = F_RDLCK, [HOST_LOCK_EXCLUSIVE] = F_WRLCK,
    };
    if (start > INT64_MAX || len > INT64_MAX - start) {
        return -EINVAL;
    }
    struct flock fl = { .l_type = types[kind], .l_whence = SEEK_SET, .l_start = (off_t)start,
                        .l_len = (off_t)len };
    if (fcntl(fd, F_OFD_SETLK, &fl) < 0) {
        return errno == EACCES ? -EAGAIN : neg_errno();
    }
    return 0;
}

static int posix_lock(struct host_file *base, uint64_t start, uint64_t len, enum host_lock kind)
{
    struct posix_file *f = file_of(base);
    int ret = fd_lock(f->fd, start, len, kind);
    if (ret == 0) {
        ret = lock_table_set(&f->held, f, start, len, kind);
        CHECK(ret == 0);
    }
    return ret;
}

static int posix_lock_test(struct host_file *base, uint64_t start, uint64_t len, bool exclusive)
{
    struct posix_file *f = file_of(base);
    if (start > INT64_MAX || len > INT64_MAX - start) {
        return -EINVAL;
    }
    struct flock fl = { .l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET,
                        .l_start = (off_t)start, .l_len = (off_t)len };
    if (fcntl(f->fd, F_OFD_GETLK, &fl) < 0) {
        return neg_errno();
    }
    return fl.l_type == F_UNLCK ? 0 : -EAGAIN;
}

static uint64_t held_len(const struct lock_range *r)
{
    return r->end == UINT64_MAX ? 0 : r->end - r->start;
}

/* Takes the locks held on one descriptor on another; an exclusive one is given up first. */
static int carry_locks(const struct lock_table *held, int from, int to)
{
    for (size_t i = 0; i < held->len; i++) {
        const struct lock_range *r = &held->ranges[i];
        enum host_lock kind = r->exclusive ? HOST_LOCK_EXCLUSIVE : HOST_LOCK_SHARED;
        if (r->exclusive) {
            fd_lock(from, r->start, held_len(r), HOST_UNLOCK);
        }
        int ret = fd_lock(to, r->start, held_len(r), kind);
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

static int posix_reflag(struct host_file *base, uint32_t flags)
{
    struct posix_file *f = file_of(base);
    if (((f->flags ^ flags) & (HOST_WRITE | HOST_DIRECT)) == 0) {
        f->flags = flags;
        return 0;
    }
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fd);
    int fd = open_fd(path, flags);
    if (fd < 0) {
        return fd;
    }
    int ret = carry_locks(&f->held, f->fd, fd);
    if (ret < 0) {
        carry_locks(&f->held, fd, f->fd);
        close(fd);
        return ret;
    }
    close(f->fd);
    f->fd = fd;
    f->flags = flags;
    f->align = flags & HOST_DIRECT ? probe_align(fd, bounce_of(f)) : 1;
    return 0;
}

/* --- input and output --- */

static int64_t file_size(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    return size < 0 ? neg_errno() : (int64_t)size;
}

static int posix_info(struct host_file *base, struct host_info *out)
{
    struct posix_file *f = file_of(base);
    struct stat st;
    int64_t size = file_size(f->fd);
    if (size < 0 || fstat(f->fd, &st) < 0) {
        return size < 0 ? (int)size : neg_errno();
    }
    *out = (struct host_info){
        .size = (uint64_t)size,
        .request_align = f->align,
        .memory_align = 1,
        .can_discard = true,
        .can_zero = true,
        .allocated = (uint64_t)st.st_blocks * 512,
    };
    return 0;
}

/* Reads n bytes; what lies beyond the end is zero. */
static int read_full(struct posix_file *f, uint64_t offset, uint8_t *dst, size_t n)
{
    size_t at = 0;
    while (at < n) {
        ssize_t got = pread(f->fd, dst + at, n - at, (off_t)(offset + at));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return neg_errno();
        }
        at += (size_t)got;
        if (got == 0 || at % f->align) {
            break; /* The end; a direct read there may be short. */
        }
    }
    memset(dst + at, 0, n - at);
    return 0;
}

static int write_full(struct posix_file *f, uint64_t offset, const uint8_t *src, size_t n)
{
    size_t at = 0;
    while (at < n) {
        ssize_t put = pwrite(f->fd, src + at, n - at, (off_t)(offset + at));
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return put < 0 ? neg_errno() : -ENOSPC;
        }
        at += (size_t)put;
    }
    return 0;
}

/* The memory at a position if it may be used as it is, and how much of it; else NULL and how much
 * goes through the bounce buffer. */
static uint8_t *direct_piece(const struct posix_file *f, const struct iobuf *buf, size_t at,
                             size_t *n)
{
    size_t left = buf->len - at, run = 0;
    uint8_t *p = iobuf_memory(buf, at, &run);
    if (p && (f->align == 1 || (run == left && (uintptr_t)p % ALIGN_MAX == 0))) {
        *n = run;
        return p;
    }
    *n = left < BOUNCE_BYTES ? left : BOUNCE_BYTES;
    return NULL;
}

static int check_range(uint64_t offset, uint64_t bytes)
{
    return offset > INT64_MAX || bytes > INT64_MAX - offset ? -EFBIG : 0;
}

static int posix_read(struct host_file *base, uint64_t offset, struct iobuf *buf)
{
    struct posix_file *f = file_of(base);
    int ret = check_range(offset, buf->len);
    iobuf_forget(buf);
    for (size_t at = 0, n; ret == 0 && at < buf->len; at += n) {
        uint8_t *p = direct_piece(f, buf, at, &n);
        ret = read_full(f, offset + at, p ? p : bounce_of(f), n);
        if (ret == 0 && !p) {
            iobuf_copy_in(buf, at, bounce_of(f), n);
        }
    }
    return ret;
}

static int sync_file(const struct posix_file *f)
{
    return f->flags & HOST_NO_FLUSH || fdatasync(f->fd) == 0 ? 0 : neg_errno();
}

static int posix_write(struct host_file *base, uint64_t offset, const struct iobuf *buf,
                       uint32_t flags)
{
    struct posix_file *f = file_of(base);
    int ret = check_range(offset, buf->len);
    for (size_t at = 0, n; ret == 0 && at < buf->len; at += n) {
        const uint8_t *p = direct_piece(f, buf, at, &n);
        if (!p) {
            iobuf_copy_out(buf, at, bounce_of(f), n);
            p = bounce_of(f);
        }
        ret = write_full(f, offset + at, p, n);
    }
    return ret == 0 && flags & DISK_FUA ? sync_file(f) : ret;
}

static bool is_unsupported(int errnum)
{
    return errnum == EOPNOTSUPP || errnum == ENOSYS || errnum == ENOTTY || errnum == ENODEV;
}

static int fd_allocate(int fd, int mode, uint64_t offset, uint64_t bytes)
{
    int ret;
    do {
        ret = fallocate(fd, mode, (off_t)offset, (off_t)bytes);
    } while (ret < 0 && errno == EINTR);
    return ret < 0 ? neg_errno() : 0;
}

/* Writes zeroes over what there is of a range. */
static int write_zeroes(struct posix_file *f, uint64_t offset, uint64_t bytes)
{
    struct iobuf zero = iobuf_fill(FILL_ZERO, BOUNCE_BYTES);
    int ret = 0;
    while (ret == 0 && bytes) {
        zero.len = bytes < BOUNCE_BYTES ? (size_t)bytes : BOUNCE_BYTES;
        ret = posix_write(&f->base, offset, &zero, 0);
        offset += zero.len;
        bytes -= zero.len;
    }
    return ret;
}

static int posix_zero(struct host_file *base, uint64_t offset, uint64_t bytes, bool unmap)
{
    struct posix_file *f = file_of(base);
    int64_t size = file_size(f->fd);
    int ret = size < 0 ? (int)size : check_range(offset, bytes);
    if (ret < 0 || bytes == 0) {
        return ret;
    }
    uint64_t end = offset + bytes;
    int mode = unmap ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE : FALLOC_FL_ZERO_RANGE;
    ret = fd_allocate(f->fd, mode, offset, bytes);
    if (is_unsupported(-ret)) {
        uint64_t stop = MIN(end, (uint64_t)size);
        ret = offset < stop ? write_zeroes(f, offset, stop - offset) : 0;
    }
    if (ret == 0 && end > (uint64_t)size && ftruncate(f->fd, (off_t)end) < 0) {
        ret = neg_errno();
    }
    return ret;
}

static int posix_discard(struct host_file *base, uint64_t offset, uint64_t bytes)
{
    struct posix_file *f = file_of(base);
    int ret = check_range(offset, bytes);
    if (ret < 0 || bytes == 0) {
        return ret;
    }
    ret = fd_allocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, bytes);
    return is_unsupported(-ret) ? -ENOTSUP : ret;
}

static int posix_flush(struct host_file *base)
{
    return sync_file(file_of(base));
}

static int posix_truncate(struct host_file *base, uint64_t size)
{
    int ret = check_range(size, 0);
    return ret < 0 ? ret : ftruncate(file_of(base)->fd, (off_t)size) < 0 ? neg_errno() : 0;
}

/* As lseek says; a file system that cannot say has data everywhere. */
static int fd_status(int fd, uint64_t offset, uint64_t limit, bool *data, uint64_t *bytes)
{
    int64_t size = file_size(fd);
    if (size < 0) {
        return (int)size;
    }
    *data = false;
    *bytes = limit;
    if (offset >= (uint64_t)size) {
        return 0;
    }
    off_t next = lseek(fd, (off_t)offset, SEEK_DATA);
    if (next < 0 && errno == ENXIO) {
        next = (off_t)size;
    }
    if (next < 0 || next == (off_t)offset) {
        *data = true;
        next = next < 0 ? (off_t)size : lseek(fd, (off_t)offset, SEEK_HOLE);
        next = next <= (off_t)offset ? (off_t)size : next;
    }
    *bytes = MIN(limit, (uint64_t)next - offset);
    return 0;
}

static int posix_status(struct host_file *base, uint64_t offset, uint64_t limit, bool *data,
                        uint64_t *bytes)
{
    return fd_status(file_of(base)->fd, offset, limit, data, bytes);
}

/* --- the host --- */

static void posix_destroy(struct host *base)
{
    struct host_posix *h = host_of(base);
    CHECK(h->open_files == 0);
    free(h->bounce_memory);
    free(h->dir);
    free(h);
}

static const struct host_ops posix_ops = {
    .name = "posix",
    .open = posix_open,
    .close = posix_close,
    .create = posix_create,
    .unlink = posix_unlink,
    .rename = posix_rename,
    .info = posix_info,
    .reflag = posix_reflag,
    .read = posix_read,
    .write = posix_write,
    .zero = posix_zero,
    .discard = posix_discard,
    .flush = posix_flush,
    .truncate = posix_truncate,
    .status = posix_status,
    .lock = posix_lock,
    .lock_test = posix_lock_test,
    .destroy = posix_destroy,
};

struct host *host_posix_create(struct sim *s, const char *dir)
{
    struct host_posix *h = NEW(struct host_posix);
    h->base.ops = &posix_ops;
    h->base.sim = s;
    h->dir = mem_strdup(dir && dir[0] ? dir : ".");
    return &h->base;
}

/* --- a base under a simulated disk --- */

struct base_file {
    int fd;
};

static int base_read(void *opaque, uint64_t offset, void *dst, size_t n)
{
    struct posix_file f = { .fd = ((struct base_file *)opaque)->fd, .align = 1 };
    return read_full(&f, offset, dst, n);
}

static bool base_is_hole(void *opaque, uint64_t offset, uint64_t n)
{
    bool data = true;
    uint64_t bytes = 0;
    int fd = ((struct base_file *)opaque)->fd;
    int64_t size = file_size(fd);
    if (size >= 0 && offset < (uint64_t)size) {
        n = MIN(n, (uint64_t)size - offset); /* Beyond the end all is zero. */
    }
    int ret = fd_status(fd, offset, n, &data, &bytes);
    return ret == 0 && !data && bytes >= n;
}

static void base_close(void *opaque)
{
    close(((struct base_file *)opaque)->fd);
    free(opaque);
}

int host_posix_base(const char *path, struct disk_base *out, struct error *err)
{
    int fd = path[0] ? open_fd(path, 0) : -ENOENT;
    if (fd == -EINVAL) {
        return error_set(err, fd, "Could not open '%s': it is not a regular file", path);
    }
    int64_t size = fd < 0 ? fd : file_size(fd);
    if (size < 0) {
        if (fd >= 0) {
            close(fd);
        }
        return error_set_errno(err, (int)size, "Could not open '%s'", path);
    }
    struct base_file *f = NEW(struct base_file);
    f->fd = fd;
    *out = (struct disk_base){ base_read, base_is_hole, base_close, f, (uint64_t)size };
    return 0;
}

static int export_data(const struct disk *d, struct posix_file *f, uint8_t *piece)
{
    uint64_t size = disk_size(d), n;
    for (uint64_t at = 0; at < size; at += n) {
        if (!disk_allocated(d, at, size - at, &n)) {
            continue;
        }
        n = MIN(n, (uint64_t)BOUNCE_BYTES);
        int ret = disk_peek(d, at, piece, (size_t)n);
        if (ret == 0) {
            ret = write_full(f, at, piece, (size_t)n);
        }
        if (ret < 0) {
            return ret;
        }
    }
    return ftruncate(f->fd, (off_t)size) < 0 ? neg_errno() : 0;
}

int host_posix_export(const struct disk *d, const char *path, struct error *err)
{
    struct posix_file f = { .align = 1 };
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISREG(st.st_mode)) {
        (void)unlink(path); /* It may be the base of the disk, which is still to be read. */
    }
    f.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (f.fd < 0) {
        return error_set_errno(err, neg_errno(), "Could not create '%s'", path);
    }
    uint8_t *piece = mem_alloc(BOUNCE_BYTES);
    int ret = export_data(d, &f, piece);
    free(piece);
    if (close(f.fd) < 0 && ret == 0) {
        ret = neg_errno();
    }
    return ret < 0 ? error_set_errno(err, ret, "Could not write '%s'", path) : 0;
}
