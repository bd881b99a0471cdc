/* SPDX-License-Identifier: MIT */
/* What qemu-io prints: sizes, statistics, dumps.  Integers only, so that the text is the same on
 * every machine. */
#include "scenarios/io_cmd.h"

#include "base/check.h"
#include "sim/iobuf.h"
#include "sim/sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

__extension__ typedef unsigned __int128 u128;

enum { MICRO = 1000000 };

/* value / 10^digits with so many digits after the point. */
static void put_fixed(struct strbuf *out, u128 value, int digits)
{
    u128 scale = 1;
    for (int i = 0; i < digits; i++) {
        scale *= 10;
    }
    char text[48];
    size_t at = sizeof(text);
    u128 whole = value / scale;
    text[--at] = '\0';
    do {
        text[--at] = (char)('0' + (int)(whole % 10));
        whole /= 10;
    } while (whole);
    strbuf_printf(out, "%s.%0*" PRIu64, text + at, digits, (uint64_t)(value % scale));
}

/* Half-way goes to the even neighbour, as printf does with what it can represent. */
static u128 divide_rounded(u128 value, u128 by)
{
    u128 whole = value / by, twice = value % by * 2;
    return twice > by || (twice == by && whole % 2 == 1) ? whole + 1 : whole;
}

/* A number of bytes in millionths, with its unit; whole numbers lose their zeroes. */
static void put_bytes(struct strbuf *out, u128 micro)
{
    static const char *const unit[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    int power = 0;
    while (power < 6 && micro / MICRO >> (10 * (power + 1))) {
        power++;
    }
    size_t start = out->len;
    if (power == 0) {
        put_fixed(out, micro, 6);
    } else {
        u128 size = (u128)1 << (10 * power);
        put_fixed(out, divide_rounded(micro / 1000, size), 3);
    }
    char *zeroes = strstr(out->text + start, ".000");
    if (zeroes) {
        out->len = (size_t)(zeroes - out->text);
        out->text[out->len] = '\0';
    }
    strbuf_printf(out, " %s", unit[power]);
}

void ioc_format_size(struct strbuf *out, int64_t bytes)
{
    CHECK(bytes >= 0);
    put_bytes(out, (u128)(uint64_t)bytes * MICRO);
}

/* n things in ns as things a second, in units of 10^-digits. */
static u128 rate(int64_t n, int64_t ns, uint64_t scale)
{
    u128 d = (u128)(uint64_t)ns;
    return ((u128)(uint64_t)n * NS_PER_S * scale + d / 2) / d;
}

static void put_time(struct strbuf *out, int64_t ns, bool machine)
{
    int64_t cs = (ns + 5 * NS_PER_MS) / (10 * NS_PER_MS);
    if (machine || cs >= 100) {
        strbuf_printf(out, "%" PRId64 ":%02d:%02d.%02d", cs / 360000, (int)(cs / 6000 % 60),
                      (int)(cs / 100 % 60), (int)(cs % 100));
    } else {
        strbuf_printf(out, "00.%02d sec", (int)cs);
    }
}

static void put_machine(struct strbuf *out, int64_t bytes, int64_t ns)
{
    strbuf_printf(out, "%" PRId64 ",1,", bytes);
    put_time(out, ns, true);
    if (ns == 0) {
        strbuf_puts(out, bytes == 0 ? ",-nan,inf\n" : ",inf,inf\n");
        return;
    }
    strbuf_putc(out, ',');
    put_fixed(out, rate(bytes, ns, 1000), 3);
    strbuf_putc(out, ',');
    put_fixed(out, rate(1, ns, 1000), 3);
    strbuf_putc(out, '\n');
}

void ioc_format_report(struct strbuf *out, const char *word, int64_t ns, int64_t offset,
                      int64_t bytes, bool machine)
{
    CHECK(ns >= 0 && bytes >= 0);
    if (machine) {
        put_machine(out, bytes, ns);
        return;
    }
    strbuf_printf(out, "%s %" PRId64 "/%" PRId64 " bytes at offset %" PRId64 "\n", word, bytes,
                  bytes, offset);
    ioc_format_size(out, bytes);
    strbuf_puts(out, ", 1 ops; ");
    put_time(out, ns, false);
    strbuf_puts(out, " (");
    if (ns == 0) {
        strbuf_puts(out, bytes == 0 ? "-nan bytes/sec and inf" : "inf EiB/sec and inf");
    } else {
        put_bytes(out, rate(bytes, ns, MICRO));
        strbuf_puts(out, "/sec and ");
        put_fixed(out, rate(1, ns, 10000), 4);
    }
    strbuf_puts(out, " ops/sec)\n");
}

static bool is_alnum(unsigned char b)
{
    return (b >= '0' && b <= '9') || (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z');
}

void ioc_format_dump(struct strbuf *out, int64_t offset, const struct iobuf *buf)
{
    unsigned char line[16];
    for (size_t at = 0; at < buf->len; at += sizeof(line)) {
        size_t n = buf->len - at < sizeof(line) ? buf->len - at : sizeof(line);
        iobuf_copy_out(buf, at, line, n);
        strbuf_printf(out, "%08" PRIx64 ":  ", (uint64_t)offset + at);
        for (size_t i = 0; i < n; i++) {
            strbuf_printf(out, "%02x ", line[i]);
        }
        strbuf_putc(out, ' ');
        for (size_t i = 0; i < n; i++) {
            strbuf_putc(out, is_alnum(line[i]) ? (char)line[i] : '.');
        }
        strbuf_putc(out, '\n');
    }
}
