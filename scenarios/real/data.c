/* SPDX-License-Identifier: MIT */
/* What a node, frontend or block device of a real target holds. */
#include "scenarios/real/real_private.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/real/nbd_io.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* One command; its output in out.  Errors: as target_real_read. */
static int run(struct target_real *rt, const char *name, const char *command, struct strbuf *out,
               struct error *err)
{
    struct strbuf monitor = { 0 };
    int ret = real_start(rt, err);
    if (ret < 0) {
        return ret;
    }
    ret = real_qemu_io(rt, name, command, &monitor, out);
    if (ret < 0) {
        error_set(err, ret, ret == -EPIPE ? "the program has died" : "there is no answer");
    } else if (monitor.len > 0) {
        ret = error_set(err, -EIO, "%.*s", (int)strcspn(monitor.text, "\n"), monitor.text);
    }
    strbuf_free(&monitor);
    return ret;
}

/* Takes the bytes of a dump; how many of them were there in order. */
static size_t take_dump(char *text, uint64_t offset, size_t bytes, unsigned char *buf)
{
    size_t at = 0;
    char *save = NULL;
    for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
        unsigned char line[16];
        uint64_t where;
        int n;
        if (real_parse_dump(l, &where, line, &n) && where == offset + at &&
            (size_t)n <= bytes - at) {
            memcpy(buf + at, line, (size_t)n);
            at += (size_t)n;
        }
    }
    return at;
}

static int said(const char *text, struct error *err)
{
    return error_set(err, -EIO, "%.*s", (int)strcspn(text, "\n"), text);
}

static int read_nbd(struct target_real *rt, const char *name, uint64_t offset, size_t bytes,
                    void *buf, struct error *err)
{
    int ret = real_start(rt, err);
    return ret < 0 ? ret : nbd_io_read(rt->nbd, name, offset, bytes, buf, err);
}

/* In pieces of what is read.  As target_real_check_byte. */
static int check_nbd(struct target_real *rt, const char *name, uint64_t offset, uint64_t bytes,
                     uint8_t byte, struct error *err)
{
    enum { PIECE = 16 << 20 };
    unsigned char *piece = mem_alloc(PIECE);
    int ret = 0;
    for (uint64_t at = 0; ret == 0 && at < bytes; at += PIECE) {
        size_t n = MIN(bytes - at, PIECE);
        ret = read_nbd(rt, name, offset + at, n, piece, err);
        bool same = ret == 0 && piece[0] == byte && memcmp(piece, piece + 1, n - 1) == 0;
        ret = ret == 0 ? !same : ret;
    }
    free(piece);
    return ret;
}

int target_real_read(struct target *t, const char *name, uint64_t offset, size_t bytes, void *buf,
                     struct error *err)
{
    struct target_real *rt = real_of(t);
    struct strbuf out = { 0 };
    CHECK(bytes <= REAL_READ_MAX);
    if (bytes == 0) {
        return 0;
    }
    if (rt->nbd) {
        return read_nbd(rt, name, offset, bytes, buf, err);
    }
    char *command = mem_printf("read -v %" PRIu64 " %zu", offset, bytes);
    int ret = run(rt, name, command, &out, err);
    free(command);
    if (ret == 0 && strchr("0123456789abcdef", strbuf_str(&out)[0]) == NULL) {
        ret = said(out.text, err);
    } else if (ret == 0 && (!out.text || take_dump(out.text, offset, bytes, buf) != bytes)) {
        ret = error_set(err, -EIO, "the program has not shown all that was read");
    }
    strbuf_free(&out);
    return ret;
}

int target_real_check_byte(struct target *t, const char *name, uint64_t offset, uint64_t bytes,
                           uint8_t byte, struct error *err)
{
    enum { PIECE = 64 << 20 };
    struct target_real *rt = real_of(t);
    int ret = 0;
    if (rt->nbd) {
        return check_nbd(rt, name, offset, bytes, byte, err);
    }
    for (uint64_t at = 0; ret == 0 && at < bytes; at += PIECE) {
        struct strbuf out = { 0 };
        char *command = mem_printf("read -q -P 0x%02x %" PRIu64 " %" PRIu64, byte, offset + at,
                                   MIN(bytes - at, PIECE));
        ret = run(rt, name, command, &out, err);
        if (ret == 0 && strncmp(strbuf_str(&out), "Pattern verification failed", 27) == 0) {
            ret = 1;
        } else if (ret == 0 && out.len > 0) {
            ret = said(out.text, err);
        }
        free(command);
        strbuf_free(&out);
    }
    return ret;
}
