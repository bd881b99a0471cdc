/* SPDX-License-Identifier: MIT */
/* aio_read, aio_write, aio_flush: words, transfer, output.  What is in flight is the medium's. */
#include "scenarios/io_cmd.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

int io_aio_transfer(struct io_aio *a, struct io_medium *m, struct iobuf *buf)
{
    CHECK(a->bytes >= 0);
    if (a->zero) {
        return m->ops->write_zeroes(m, a->offset, a->bytes, a->flags);
    }
    *buf = a->is_read ? iobuf_iov(a->iov, a->iov_count, (size_t)a->bytes)
                      : ioc_write_buf(a->iov, a->iov_count, a->bytes, a->pattern);
    return a->is_read ? m->ops->read(m, a->offset, buf, 0)
                      : m->ops->write(m, a->offset, buf, a->flags);
}

void io_aio_result(const struct io_aio *a, const struct iobuf *buf, int ret, int64_t now_ns,
                   struct strbuf *out)
{
    if (ret < 0) {
        strbuf_printf(out, "%s failed: %s\n", a->is_read ? "readv" : "aio_write",
                      error_strerror(-ret));
        return;
    }
    if (a->check && !ioc_matches(buf, 0, a->bytes, a->pattern)) {
        strbuf_printf(out, "Pattern verification failed at offset %" PRId64 ", %" PRId64
                      " bytes\n", a->offset, a->bytes);
    }
    if (a->quiet) {
        return;
    }
    if (a->dump) {
        ioc_format_dump(out, a->offset, buf);
    }
    ioc_format_report(out, a->is_read ? "read" : "wrote", now_ns - a->start_ns, a->offset, a->bytes,
                      a->machine);
}

void io_aio_free(struct io_aio *a)
{
    free(a->memory);
    free(a->iov);
    free(a);
}

static int aio_option(struct ioc_ctx *c, int letter, const char *value, struct io_aio *a)
{
    switch (letter) {
    case 'C':
        a->machine = true;
        return 0;
    case 'f':
        a->flags |= IO_FUA;
        return 0;
    case 'i':
        return ioc_fail(c, -ENOTSUP, "%s: -i is not available here", c->name);
    case 'P':
        a->check = a->is_read;
        return ioc_parse_pattern(c, value, &a->pattern);
    case 'q':
        a->quiet = true;
        return 0;
    case 'u':
        a->flags |= IO_MAY_UNMAP;
        return 0;
    case 'v':
        a->dump = true;
        return 0;
    case 'z':
        a->zero = true;
        return 0;
    default:
        return -EINVAL;
    }
}

/* Offset and lengths.  Zeroes need no memory and may be longer. */
static int aio_range(struct ioc_ctx *c, struct ioc_getopt *g, struct io_aio *a)
{
    if (g->args_len < 2) {
        return ioc_usage(c);
    }
    if (a->zero && g->args_len > 2) {
        return ioc_fail(c, -EINVAL, "-z supports only a single length parameter");
    }
    if ((a->flags & IO_MAY_UNMAP) && !a->zero) {
        return ioc_fail(c, -EINVAL, "-u requires -z to be specified");
    }
    int ret = ioc_parse_size(c, g->args[0], &a->offset);
    if (ret < 0) {
        return ret;
    }
    if (a->zero) {
        return ioc_parse_size(c, g->args[1], &a->bytes);
    }
    a->iov_count = g->args_len - 1;
    ret = ioc_vector(c, g->args + 1, a->iov_count, &a->iov, &a->memory, &a->bytes);
    if (ret == 0 && a->dump && a->bytes > IO_DUMP_MAX) {
        ret = ioc_fail(c, -EINVAL, "a dump of more than %d bytes is not possible here",
                      IO_DUMP_MAX);
    }
    if (ret == 0 && a->is_read) {
        ioc_paint(c, a->memory, a->offset, a->bytes);
    }
    return ret;
}

static int aio_command(struct ioc_ctx *c, int argc, char **argv, bool is_read, const char *spec)
{
    struct io_aio *a = NEW(struct io_aio);
    struct ioc_getopt g;
    int letter, ret = 0;
    *a = (struct io_aio){ .is_read = is_read, .pattern = IO_DEFAULT_PATTERN };
    ioc_getopt_init(&g, argc, argv);
    while (ret == 0 && (letter = ioc_getopt_next(c, &g, spec)) != 0) {
        ret = aio_option(c, letter, g.value, a);
    }
    if (ret == 0) {
        ret = aio_range(c, &g, a);
    }
    ioc_getopt_fini(&g);
    if (ret < 0) {
        io_aio_free(a);
        return ret;
    }
    a->start_ns = ioc_now_ns(c);
    c->medium->ops->submit(c->medium, c->call, a);
    return 0;
}

int ioc_cmd_aio_read(struct ioc_ctx *c, int argc, char **argv)
{
    return aio_command(c, argc, argv, true, "CiP:qv");
}

int ioc_cmd_aio_write(struct ioc_ctx *c, int argc, char **argv)
{
    return aio_command(c, argc, argv, false, "CfiP:quz");
}

int ioc_cmd_aio_flush(struct ioc_ctx *c, int argc, char **argv)
{
    CHECK(argc == 1 && argv != NULL);
    c->medium->ops->aio_flush(c->medium, c->call);
    return 0;
}
