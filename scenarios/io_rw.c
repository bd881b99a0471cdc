/* SPDX-License-Identifier: MIT */
/* read, write, readv, writev.
 *
 * read and write carry their data as fills where they can, so that a gigabyte of one pattern costs
 * nothing; readv and writev really use a vector of that many pieces. */
#include "scenarios/io_cmd.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SOURCE_MAX = 256 << 20 };

bool ioc_matches(const struct iobuf *buf, int64_t at, int64_t n, int pattern)
{
    struct iobuf part = iobuf_slice(buf, (size_t)at, (size_t)n);
    struct iobuf want = iobuf_fill(fill_byte((uint8_t)pattern), (size_t)n);
    return iobuf_compare(&part, &want) == (size_t)n;
}

void ioc_paint(struct ioc_ctx *c, void *memory, int64_t offset, int64_t bytes)
{
    int64_t length = c->medium->ops->length(c->medium);
    if (length >= offset && bytes <= length - offset) {
        memset(memory, IO_CLEAN, (size_t)bytes);
    }
}

struct iobuf ioc_write_buf(struct iovec *iov, int iov_count, int64_t bytes, int pattern)
{
    if (bytes > IO_PIECES_MAX) {
        return iobuf_fill(fill_byte((uint8_t)pattern), (size_t)bytes);
    }
    for (int i = 0; i < iov_count; i++) {
        memset(iov[i].iov_base, pattern, iov[i].iov_len);
    }
    return iobuf_iov(iov, iov_count, (size_t)bytes);
}

/* Options of read and readv. */
struct read_opts {
    bool machine, quiet, dump, vmstate, check, start_given, count_given;
    int pattern;
    int64_t start, count;
};

static int read_option(struct ioc_ctx *c, int letter, const char *value, struct read_opts *o)
{
    switch (letter) {
    case 'b':
        o->vmstate = true;
        return 0;
    case 'C':
        o->machine = true;
        return 0;
    case 'l':
        o->count_given = true;
        return ioc_parse_size(c, value, &o->count);
    case 'p':
        return 0; /* Accepted, as by 7.2, where it has no effect. */
    case 'P':
        o->check = true;
        return ioc_parse_pattern(c, value, &o->pattern);
    case 'q':
        o->quiet = true;
        return 0;
    case 's':
        o->start_given = true;
        return ioc_parse_size(c, value, &o->start);
    case 'v':
        o->dump = true;
        return 0;
    default:
        return -EINVAL;
    }
}

static int read_options(struct ioc_ctx *c, struct ioc_getopt *g, const char *spec,
                        struct read_opts *o)
{
    int letter, ret = 0;
    while (ret == 0 && (letter = ioc_getopt_next(c, g, spec)) != 0) {
        ret = read_option(c, letter, g->value, o);
    }
    return ret;
}

/* What comes after a successful read.  0, or -EINVAL when the pattern is not there. */
static int read_finish(struct ioc_ctx *c, const struct read_opts *o, int64_t offset,
                       const struct iobuf *buf, int64_t ns)
{
    int ret = 0;
    if (o->check && !ioc_matches(buf, o->start, o->count, o->pattern)) {
        ret = ioc_fail(c, -EINVAL,
                      "Pattern verification failed at offset %" PRId64 ", %" PRId64 " bytes",
                      offset + o->start, o->count);
    }
    if (o->quiet) {
        return ret;
    }
    if (o->dump) {
        ioc_format_dump(&c->call->output, offset, buf);
    }
    ioc_format_report(&c->call->output, "read", ns, offset, (int64_t)buf->len, o->machine);
    return ret;
}

static int check_dump(struct ioc_ctx *c, const struct read_opts *o, int64_t bytes)
{
    if (o->dump && bytes > IO_DUMP_MAX) {
        return ioc_fail(c, -EINVAL, "a dump of more than %d bytes is not possible here",
                       IO_DUMP_MAX);
    }
    return 0;
}

/* Reads bytes at offset into memory of qemu-io's own colour. */
static int read_run(struct ioc_ctx *c, const struct read_opts *o, int64_t offset, int64_t bytes)
{
    struct iovec iov;
    if (o->vmstate) {
        return ioc_fail(c, -ENOTSUP, "read failed: %s", error_strerror(ENOTSUP));
    }
    int ret = check_dump(c, o, bytes);
    if (ret < 0) {
        return ret;
    }
    char *memory = mem_alloc((size_t)bytes + 1);
    ioc_paint(c, memory, offset, bytes);
    struct iobuf buf = iobuf_mem(&iov, memory, (size_t)bytes);
    buf.symbolic = true;
    int64_t start_ns = ioc_now_ns(c);
    ret = c->medium->ops->read(c->medium, offset, &buf, 0);
    if (ret < 0) {
        ioc_fail(c, ret, "read failed: %s", error_strerror(-ret));
    } else {
        ret = read_finish(c, o, offset, &buf, ioc_now_ns(c) - start_ns);
    }
    free(memory);
    return ret;
}

/* Requests that QEMU counts in sectors. */
static int check_sectors(struct ioc_ctx *c, int64_t offset, int64_t bytes)
{
    enum { SECTOR = 512 };
    if (offset % SECTOR) {
        return ioc_fail(c, -EINVAL, "%" PRId64 " is not a sector-aligned value for 'offset'",
                       offset);
    }
    if (bytes % SECTOR) {
        return ioc_fail(c, -EINVAL, "%" PRId64 " is not a sector-aligned value for 'count'",
                       bytes);
    }
    return 0;
}

static int read_parsed(struct ioc_ctx *c, struct ioc_getopt *g, struct read_opts *o)
{
    int64_t offset, bytes;
    int ret = ioc_parse_range(c, g, &offset, &bytes);
    if (ret < 0) {
        return ret;
    }
    if (!o->check && (o->start_given || o->count_given)) {
        return ioc_usage(c);
    }
    if (!o->count_given) {
        o->count = bytes - o->start;
    }
    if (o->count < 0 || o->start > bytes || o->count > bytes - o->start) {
        return ioc_fail(c, -EINVAL, "pattern verification range exceeds end of read data");
    }
    ret = o->vmstate ? check_sectors(c, offset, bytes) : 0;
    return ret < 0 ? ret : read_run(c, o, offset, bytes);
}

int ioc_cmd_read(struct ioc_ctx *c, int argc, char **argv)
{
    struct read_opts o = { 0 };
    struct ioc_getopt g;
    ioc_getopt_init(&g, argc, argv);
    int ret = read_options(c, &g, "bCl:pP:qs:v", &o);
    if (ret == 0) {
        ret = read_parsed(c, &g, &o);
    }
    ioc_getopt_fini(&g);
    return ret;
}

/* Lengths of the pieces, and their sum. */
static int vector_lengths(struct ioc_ctx *c, char **args, int n, struct iovec *iov, int64_t *sum)
{
    *sum = 0;
    for (int i = 0; i < n; i++) {
        int64_t len;
        int ret = ioc_parse_size(c, args[i], &len);
        if (ret < 0) {
            return ret;
        }
        if (len > IO_MAX_BYTES) {
            return ioc_fail(c, -EINVAL, "Argument '%s' exceeds maximum size %" PRId64, args[i],
                           IO_MAX_BYTES);
        }
        if (*sum > IO_MAX_BYTES - len) {
            return ioc_fail(c, -EINVAL,
                           "The total number of bytes exceed the maximum size %" PRId64,
                           IO_MAX_BYTES);
        }
        *sum += len;
        iov[i].iov_len = (size_t)len;
    }
    return 0;
}

int ioc_vector(struct ioc_ctx *c, char **args, int n, struct iovec **iov, char **memory,
              int64_t *bytes)
{
    CHECK(n > 0);
    *memory = NULL;
    *iov = NEW_ARRAY(struct iovec, (size_t)n);
    int ret = vector_lengths(c, args, n, *iov, bytes);
    if (ret < 0) {
        free(*iov);
        *iov = NULL;
        return ret;
    }
    char *at = *memory = mem_alloc((size_t)*bytes + 1);
    for (int i = 0; i < n; i++) {
        (*iov)[i].iov_base = at;
        at += (*iov)[i].iov_len;
    }
    return 0;
}

static int readv_parsed(struct ioc_ctx *c, struct ioc_getopt *g, struct read_opts *o)
{
    int64_t offset, bytes;
    struct iovec *iov;
    char *memory;
    if (g->args_len < 2) {
        return ioc_usage(c);
    }
    int ret = ioc_parse_size(c, g->args[0], &offset);
    if (ret == 0) {
        ret = ioc_vector(c, g->args + 1, g->args_len - 1, &iov, &memory, &bytes);
    }
    if (ret < 0) {
        return ret;
    }
    ret = check_dump(c, o, bytes);
    if (ret == 0) {
        ioc_paint(c, memory, offset, bytes);
        struct iobuf buf = iobuf_iov(iov, g->args_len - 1, (size_t)bytes);
        int64_t start_ns = ioc_now_ns(c);
        ret = c->medium->ops->read(c->medium, offset, &buf, 0);
        o->count = bytes;
        if (ret < 0) {
            ioc_fail(c, ret, "readv failed: %s", error_strerror(-ret));
        } else {
            ret = read_finish(c, o, offset, &buf, ioc_now_ns(c) - start_ns);
        }
    }
    free(memory);
    free(iov);
    return ret;
}

int ioc_cmd_readv(struct ioc_ctx *c, int argc, char **argv)
{
    struct read_opts o = { 0 };
    struct ioc_getopt g;
    ioc_getopt_init(&g, argc, argv);
    int ret = read_options(c, &g, "CP:qv", &o);
    if (ret == 0) {
        ret = readv_parsed(c, &g, &o);
    }
    ioc_getopt_fini(&g);
    return ret;
}

/* Options of write and writev. */
struct write_opts {
    bool machine, quiet, vmstate, compressed, fua, no_fallback, unmap, zero, pattern_given;
    int pattern;
    const char *source;
};

static int write_option(struct ioc_ctx *c, int letter, const char *value, struct write_opts *o)
{
    switch (letter) {
    case 'b':
        o->vmstate = true;
        return 0;
    case 'c':
        o->compressed = true;
        return 0;
    case 'C':
        o->machine = true;
        return 0;
    case 'f':
        o->fua = true;
        return 0;
    case 'n':
        o->no_fallback = true;
        return 0;
    case 'p':
        return 0; /* As for read. */
    case 'P':
        o->pattern_given = true;
        return ioc_parse_pattern(c, value, &o->pattern);
    case 'q':
        o->quiet = true;
        return 0;
    case 's':
        o->source = value;
        return 0;
    case 'u':
        o->unmap = true;
        return 0;
    case 'z':
        o->zero = true;
        return 0;
    default:
        return -EINVAL;
    }
}

static int write_options(struct ioc_ctx *c, struct ioc_getopt *g, const char *spec,
                         struct write_opts *o)
{
    int letter, ret = 0;
    o->pattern = IO_DEFAULT_PATTERN;
    while (ret == 0 && (letter = ioc_getopt_next(c, g, spec)) != 0) {
        ret = write_option(c, letter, g->value, o);
    }
    return ret;
}

static int write_check(struct ioc_ctx *c, const struct write_opts *o)
{
    if (o->vmstate && o->zero) {
        return ioc_fail(c, -EINVAL, "-b and -z cannot be specified at the same time");
    }
    if (o->fua && (o->vmstate || o->compressed)) {
        return ioc_fail(c, -EINVAL, "-f and -b or -c cannot be specified at the same time");
    }
    if (o->no_fallback && !o->zero) {
        return ioc_fail(c, -EINVAL, "-n requires -z to be specified");
    }
    if (o->unmap && !o->zero) {
        return ioc_fail(c, -EINVAL, "-u requires -z to be specified");
    }
    if (o->zero + o->pattern_given + (o->source != NULL) > 1) {
        return ioc_fail(c, -EINVAL,
                       "Only one of -z, -P, and -s can be specified at the same time");
    }
    return 0;
}

/* Fills memory with the contents of a file, repeated. */
static int source_read(struct ioc_ctx *c, const char *name, char *memory, size_t bytes)
{
    char *path = name[0] == '/' || !c->dir ? mem_strdup(name)
                                          : mem_printf("%s/%s", c->dir, name);
    FILE *f = fopen(path, "rbe");
    int ret = 0;
    free(path);
    if (!f) {
        return ioc_fail(c, -errno, "%s: %s", name, error_strerror(errno));
    }
    size_t n = fread(memory, 1, bytes, f);
    if (ferror(f)) {
        ret = ioc_fail(c, -EIO, "%s: %s", name, error_strerror(EIO));
    } else if (n == 0 && bytes > 0) {
        ret = ioc_fail(c, -EINVAL, "%s: file is empty", name);
    }
    fclose(f);
    for (size_t at = n; ret == 0 && at < bytes; at++) {
        memory[at] = memory[at - n];
    }
    return ret;
}

static int write_data(struct ioc_ctx *c, const struct write_opts *o, int64_t offset, int64_t bytes)
{
    struct iovec iov;
    struct iobuf buf = iobuf_fill(fill_byte((uint8_t)o->pattern), (size_t)bytes);
    uint32_t flags = (o->fua ? IO_FUA : 0u) | (o->compressed ? IO_COMPRESSED : 0u);
    if (!o->source) {
        return c->medium->ops->write(c->medium, offset, &buf, flags);
    }
    if (bytes > SOURCE_MAX) {
        return ioc_fail(c, -EINVAL, "-s writes at most %d bytes here", SOURCE_MAX);
    }
    char *memory = mem_alloc((size_t)bytes + 1);
    int ret = source_read(c, o->source, memory, (size_t)bytes);
    if (ret == 0) {
        buf = iobuf_mem(&iov, memory, (size_t)bytes);
        ret = c->medium->ops->write(c->medium, offset, &buf, flags);
    }
    free(memory);
    return ret;
}

static int write_run(struct ioc_ctx *c, const struct write_opts *o, int64_t offset, int64_t bytes)
{
    uint32_t zero_flags = (o->fua ? IO_FUA : 0u) | (o->unmap ? IO_MAY_UNMAP : 0u) |
                          (o->no_fallback ? IO_NO_FALLBACK : 0u);
    int64_t start_ns = ioc_now_ns(c);
    int ret;
    if (o->vmstate) {
        ret = -ENOTSUP;
    } else if (o->zero) {
        ret = c->medium->ops->write_zeroes(c->medium, offset, bytes, zero_flags);
    } else {
        ret = write_data(c, o, offset, bytes);
    }
    if (ret < 0) {
        return c->call->err.code ? ret
                                 : ioc_fail(c, ret, "write failed: %s", error_strerror(-ret));
    }
    if (!o->quiet) {
        ioc_format_report(&c->call->output, "wrote", ioc_now_ns(c) - start_ns, offset,
                         bytes, o->machine);
    }
    return 0;
}

static int write_parsed(struct ioc_ctx *c, struct ioc_getopt *g, const struct write_opts *o)
{
    int64_t offset, bytes;
    if (g->args_len != 2) {
        return ioc_usage(c);
    }
    int ret = write_check(c, o);
    if (ret == 0) {
        ret = ioc_parse_size(c, g->args[0], &offset);
    }
    if (ret == 0) {
        ret = ioc_parse_size(c, g->args[1], &bytes);
    }
    if (ret < 0) {
        return ret;
    }
    if (bytes > IO_MAX_BYTES && !o->no_fallback) {
        return ioc_fail(c, -EINVAL, "length cannot exceed %" PRId64 " without -n, given %s",
                       IO_MAX_BYTES, g->args[1]);
    }
    ret = o->vmstate || o->compressed ? check_sectors(c, offset, bytes) : 0;
    return ret < 0 ? ret : write_run(c, o, offset, bytes);
}

int ioc_cmd_write(struct ioc_ctx *c, int argc, char **argv)
{
    struct write_opts o = { 0 };
    struct ioc_getopt g;
    ioc_getopt_init(&g, argc, argv);
    int ret = write_options(c, &g, "bcCfnpP:qs:uz", &o);
    if (ret == 0) {
        ret = write_parsed(c, &g, &o);
    }
    ioc_getopt_fini(&g);
    return ret;
}

static int writev_parsed(struct ioc_ctx *c, struct ioc_getopt *g, const struct write_opts *o)
{
    int64_t offset, bytes;
    struct iovec *iov;
    char *memory;
    if (g->args_len < 2) {
        return ioc_usage(c);
    }
    int ret = ioc_parse_size(c, g->args[0], &offset);
    if (ret == 0) {
        ret = ioc_vector(c, g->args + 1, g->args_len - 1, &iov, &memory, &bytes);
    }
    if (ret < 0) {
        return ret;
    }
    struct iobuf buf = ioc_write_buf(iov, g->args_len - 1, bytes, o->pattern);
    int64_t start_ns = ioc_now_ns(c);
    ret = c->medium->ops->write(c->medium, offset, &buf, o->fua ? IO_FUA : 0);
    if (ret < 0) {
        ioc_fail(c, ret, "writev failed: %s", error_strerror(-ret));
    } else if (!o->quiet) {
        ioc_format_report(&c->call->output, "wrote", ioc_now_ns(c) - start_ns, offset,
                         bytes, o->machine);
    }
    free(memory);
    free(iov);
    return ret;
}

int ioc_cmd_writev(struct ioc_ctx *c, int argc, char **argv)
{
    struct write_opts o = { 0 };
    struct ioc_getopt g;
    ioc_getopt_init(&g, argc, argv);
    int ret = write_options(c, &g, "CfqP:", &o);
    if (ret == 0) {
        ret = writev_parsed(c, &g, &o);
    }
    ioc_getopt_fini(&g);
    return ret;
}
