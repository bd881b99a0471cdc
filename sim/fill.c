/* SPDX-License-Identifier: MIT */
/* Fills: making and comparing the bytes that a symbolic content stands for.
 *
 * A stream is a pure function of its tag and the position.  For one position the map from tag to
 * word is a bijection (each step below is one), so two tags differ in every word at equal
 * positions, always; at unequal ones but for chance.  Positions count modulo 2^32, as `start` does.
 */
#include "sim/fill.h"

#include "base/check.h"

#include <endian.h>
#include <string.h>

static inline uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint64_t stream_base(uint64_t tag)
{
    return mix(tag + UINT64_C(0x2545f4914f6cdd1d));
}

static inline uint64_t stream_word(uint64_t base, uint64_t i)
{
    return mix(base + (i + 1) * UINT64_C(0x9e3779b97f4a7c15));
}

uint64_t fill_word(uint64_t tag, uint64_t i)
{
    return stream_word(stream_base(tag), i);
}

static void stream_bytes(struct fill f, uint8_t *dst, size_t n)
{
    uint64_t base = stream_base(f.tag);
    uint32_t at = f.start;
    while (n) {
        uint64_t word = htole64(stream_word(base, at / 8));
        uint32_t in = at % 8;
        if (in == 0 && n >= 8) {
            memcpy(dst, &word, 8);
            dst += 8;
            n -= 8;
            at += 8;
            continue;
        }
        size_t part = 8 - in < n ? 8 - in : n;
        memcpy(dst, (uint8_t *)&word + in, part);
        dst += part;
        n -= part;
        at += (uint32_t)part;
    }
}

void fill_bytes(struct fill f, void *dst, size_t n)
{
    CHECK(f.kind == FILL_BYTE || f.kind == FILL_STREAM);
    if (n == 0) {
        return;
    }
    if (f.kind == FILL_BYTE) {
        memset(dst, (uint8_t)f.tag, n);
    } else {
        stream_bytes(f, dst, n);
    }
}

static size_t first_difference(const uint8_t *a, const uint8_t *b, size_t n)
{
    size_t i = 0;
    while (i < n && a[i] == b[i]) {
        i++;
    }
    return i;
}

size_t fill_compare(struct fill f, const void *p, size_t n)
{
    CHECK(f.kind == FILL_BYTE || f.kind == FILL_STREAM);
    const uint8_t *bytes = p;
    uint8_t want[512];
    for (size_t at = 0; at < n; at += sizeof(want)) {
        size_t part = n - at < sizeof(want) ? n - at : sizeof(want);
        if (at == 0 || f.kind == FILL_STREAM) {
            fill_bytes(fill_skip(f, (uint32_t)at), want, part);
        }
        if (memcmp(want, bytes + at, part) != 0) {
            return at + first_difference(want, bytes + at, part);
        }
    }
    return n;
}
