/* SPDX-License-Identifier: MIT */
/* Files of a real target's directory. */
#include "scenarios/real/target.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_PIECE = 1 << 20 };

static int fail(int fd, const char *path, struct error *err)
{
    int ret = -errno;
    if (fd >= 0) {
        close(fd);
    }
    return error_set_errno(err, ret, "'%s'", path);
}

int target_real_file_make(const char *path, int64_t bytes, bool resize, struct error *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | (resize ? 0 : O_CREAT | O_EXCL), 0644);
    if (fd < 0) {
        return fail(fd, path, err);
    }
    if (ftruncate(fd, bytes) < 0) {
        return fail(fd, path, err);
    }
    close(fd);
    return 0;
}

/* 0, or -1 with errno. */
static int write_all(int fd, int64_t offset, const char *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t put = pwrite(fd, bytes + at, n - at, offset + (int64_t)at);
        if (put < 0 && errno != EINTR) {
            return -1;
        }
        at += put > 0 ? (size_t)put : 0;
    }
    return 0;
}

int target_real_file_write(const char *path, int64_t offset, const void *bytes, size_t n,
                           struct error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || write_all(fd, offset, bytes, n) < 0) {
        return fail(fd, path, err);
    }
    close(fd);
    return 0;
}

/* The data from *at on; false at the end, or with errno. */
static bool next_data(int fd, off_t *at, off_t *end)
{
    errno = 0;
    *at = lseek(fd, *at, SEEK_DATA);
    if (*at < 0) {
        errno = errno == ENXIO ? 0 : errno;
        return false;
    }
    *end = lseek(fd, *at, SEEK_HOLE);
    return *end >= 0;
}

static int copy_data(int in, int out)
{
    char *piece = mem_alloc(COPY_PIECE);
    off_t at = 0, end = 0;
    int ret = 0;
    while (ret == 0 && next_data(in, &at, &end)) {
        while (ret == 0 && at < end) {
            ssize_t got = pread(in, piece, (size_t)MIN(COPY_PIECE, end - at), at);
            ret = got <= 0 ? -1 : write_all(out, at, piece, (size_t)got);
            at += got;
        }
    }
    free(piece);
    return ret < 0 || errno != 0 ? -1 : 0;
}

int target_real_file_copy(const char *from, const char *to, struct error *err)
{
    struct stat st;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0 || fstat(in, &st) < 0) {
        return fail(in, from, err);
    }
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (out < 0 || ftruncate(out, st.st_size) < 0 || copy_data(in, out) < 0) {
        int ret = fail(out, to, err);
        close(in);
        return ret;
    }
    close(in);
    close(out);
    return 0;
}
