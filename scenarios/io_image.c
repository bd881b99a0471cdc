/* SPDX-License-Identifier: MIT */
/* Commands on the image as a whole: flush, discard, truncate, length, map, alloc, info, sleep. */
#include "scenarios/io_cmd.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A flush goes on to the children that its parents may write, so the session writes like a guest,
 * where it may (docs/deviations.md). */
int ioc_cmd_flush(struct ioc_ctx *c, int argc, char **argv)
{
    CHECK(argc == 1 && argv != NULL);
    c->medium->ops->take_perm(c->medium, PERM_WRITE, NULL);
    return c->medium->ops->flush(c->medium);
}

static int discard_run(struct ioc_ctx *c, struct ioc_getopt *g, bool machine, bool quiet)
{
    int64_t offset, bytes;
    int ret = ioc_parse_range(c, g, &offset, &bytes);
    if (ret < 0) {
        return ret;
    }
    int64_t start_ns = ioc_now_ns(c);
    ret = c->medium->ops->discard(c->medium, offset, bytes);
    if (ret < 0) {
        return ioc_fail(c, ret, "discard failed: %s", error_strerror(-ret));
    }
    if (!quiet) {
        ioc_format_report(&c->call->output, "discard", ioc_now_ns(c) - start_ns,
                         offset, bytes, machine);
    }
    return 0;
}

int ioc_cmd_discard(struct ioc_ctx *c, int argc, char **argv)
{
    bool machine = false, quiet = false;
    struct ioc_getopt g;
    int letter, ret = 0;
    ioc_getopt_init(&g, argc, argv);
    while (ret == 0 && (letter = ioc_getopt_next(c, &g, "Cq")) != 0) {
        machine |= letter == 'C';
        quiet |= letter == 'q';
        ret = letter == '?' ? -EINVAL : 0;
    }
    if (ret == 0) {
        ret = discard_run(c, &g, machine, quiet);
    }
    ioc_getopt_fini(&g);
    return ret;
}

static int parse_prealloc(struct ioc_ctx *c, const char *text, enum io_prealloc *out)
{
    static const char *const name[] = { "off", "metadata", "falloc", "full" };
    for (size_t i = 0; i < ARRAY_LEN(name); i++) {
        if (strcmp(text, name[i]) == 0) {
            *out = (enum io_prealloc)i;
            return 0;
        }
    }
    return ioc_fail(c, -EINVAL, "Invalid preallocation mode '%s'", text);
}

int ioc_cmd_truncate(struct ioc_ctx *c, int argc, char **argv)
{
    enum io_prealloc prealloc = PREALLOC_OFF;
    struct error err = ERROR_INIT;
    struct ioc_getopt g;
    int64_t length;
    int letter, ret = 0;
    ioc_getopt_init(&g, argc, argv);
    while (ret == 0 && (letter = ioc_getopt_next(c, &g, "m:")) != 0) {
        ret = letter == '?' ? -EINVAL : parse_prealloc(c, g.value, &prealloc);
    }
    if (ret == 0 && g.args_len < 1) {
        ret = ioc_usage(c);
    }
    if (ret == 0) {
        ret = ioc_parse_size(c, g.args[0], &length);
    }
    ioc_getopt_fini(&g);
    if (ret < 0) {
        return ret;
    }
    ret = c->medium->ops->truncate(c->medium, length, prealloc, &err);
    return ret < 0 ? ioc_fail(c, ret, "%s", err.text) : 0;
}

int ioc_cmd_length(struct ioc_ctx *c, int argc, char **argv)
{
    int64_t length = c->medium->ops->length(c->medium);
    CHECK(argc == 1 && argv != NULL);
    if (length < 0) {
        return ioc_fail(c, (int)length, "getlength: %s", error_strerror((int)-length));
    }
    ioc_format_size(&c->call->output, length);
    ioc_print(c, "\n");
    return 0;
}

int ioc_cmd_map(struct ioc_ctx *c, int argc, char **argv)
{
    int64_t length = c->medium->ops->length(c->medium);
    CHECK(argc == 1 && argv != NULL);
    if (length < 0) {
        return ioc_fail(c, (int)length, "Failed to query image length: %s",
                       error_strerror((int)-length));
    }
    int last = -1;
    int64_t from = 0, n;
    for (int64_t at = 0; at <= length; at += n) {
        int allocated = 2; /* The end: unlike everything. */
        n = 1;
        if (at < length) {
            allocated = c->medium->ops->is_allocated(c->medium, at, length - at, &n);
        }
        if (allocated < 0) {
            return ioc_fail(c, allocated, "Failed to get allocation status: %s",
                           error_strerror(-allocated));
        }
        if (n == 0) {
            allocated = 2;
        }
        if (last >= 0 && allocated != last) {
            ioc_format_size(&c->call->output, at - from);
            ioc_print(c, " (0x%" PRIx64 ") bytes %s allocated at offset ", (uint64_t)(at - from),
                     last ? "   " : "not");
            ioc_format_size(&c->call->output, from);
            ioc_print(c, " (0x%" PRIx64 ")\n", (uint64_t)from);
            from = at;
        }
        if (n == 0) { /* What lies below has become shorter. */
            return ioc_fail(c, -EIO, "Unexpected end of image");
        }
        last = allocated;
    }
    return 0;
}

int ioc_cmd_alloc(struct ioc_ctx *c, int argc, char **argv)
{
    int64_t start, count = 512, length = c->medium->ops->length(c->medium);
    int ret = ioc_parse_size(c, argv[1], &start);
    if (ret == 0 && argc == 3) {
        ret = ioc_parse_size(c, argv[2], &count);
    }
    if (ret < 0) {
        return ret;
    }
    if (length < 0) {
        return ioc_fail(c, (int)length, "getlength: %s", error_strerror((int)-length));
    }
    count = start > length ? 0 : MIN(count, length - start);
    int64_t sum = 0, n;
    for (int64_t at = start; at < start + count; at += n) {
        int allocated = c->medium->ops->is_allocated(c->medium, at, start + count - at, &n);
        if (allocated < 0) {
            return ioc_fail(c, allocated, "is_allocated failed: %s", error_strerror(-allocated));
        }
        if (n == 0) { /* What lies below has become shorter. */
            count = at - start;
        }
        sum += allocated ? n : 0;
    }
    ioc_print(c, "%" PRId64 "/%" PRId64 " bytes allocated at offset ", sum, count);
    ioc_format_size(&c->call->output, start);
    ioc_print(c, "\n");
    return 0;
}

int ioc_cmd_info(struct ioc_ctx *c, int argc, char **argv)
{
    struct io_info info = { 0 };
    CHECK(argc == 1 && argv != NULL);
    if (!c->medium->ops->info) {
        return ioc_impossible(c, "it");
    }
    c->medium->ops->info(c->medium, &info);
    ioc_print(c, "format name: %s\n", info.driver);
    if (!info.is_format) { /* What is no format has a protocol name, the same. */
        ioc_print(c, "format name: %s\n", info.driver);
    }
    if (!info.has_clusters) {
        return -ENOTSUP;
    }
    ioc_print(c, "cluster size: ");
    ioc_format_size(&c->call->output, info.cluster_size);
    ioc_print(c, "\nvm state offset: ");
    ioc_format_size(&c->call->output, info.vm_state);
    ioc_print(c, "\n");
    if (info.specific) {
        ioc_print(c, "Format specific information:\n%s", info.specific);
    }
    free(info.specific);
    return 0;
}

int ioc_cmd_sleep(struct ioc_ctx *c, int argc, char **argv)
{
    char *end = NULL;
    errno = 0;
    CHECK(argc == 2);
    long ms = strtol(argv[1], &end, 0);
    if (errno || end == argv[1] || *end || ms < 0 || ms > INT64_MAX / 4 / NS_PER_MS) {
        return ioc_fail(c, -EINVAL, "%s is not a valid number", argv[1]);
    }
    c->medium->ops->sleep(c->medium, ms * NS_PER_MS);
    return 0;
}
