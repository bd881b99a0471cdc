/* Contents in symbolic form: what a range holds, without its bytes.
 *
 * A load writes gigabytes that nobody looks at byte by byte.  A fill says in 16 bytes what a range
 * of any length contains; disks keep it per page and make bytes only when somebody asks.
 *
 *   FILL_NONE     not symbolic: the bytes are elsewhere
 *   FILL_BYTE     every byte is (uint8_t)tag; tag 0 is zeroes
 *   FILL_STREAM   bytes start, start + 1, ... of the endless stream named by tag: little-endian
 *                 64-bit words, word i = fill_word(tag, i).  Two tags differ in every word but for
 *                 chance, so misplaced and stale data show.
 */
#ifndef SIM_FILL_H
#define SIM_FILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fill_kind { FILL_NONE, FILL_BYTE, FILL_STREAM };

struct fill {
    uint64_t tag;
    uint32_t kind;  /* enum fill_kind */
    uint32_t start; /* Byte position in the stream; 0 unless FILL_STREAM. */
};

#define FILL_ZERO ((struct fill){ .kind = FILL_BYTE })

static inline struct fill fill_byte(uint8_t b)
{
    return (struct fill){ .kind = FILL_BYTE, .tag = b };
}

static inline struct fill fill_stream(uint64_t tag)
{
    return (struct fill){ .kind = FILL_STREAM, .tag = tag };
}

/* The fill of what lies n bytes further on. */
static inline struct fill fill_skip(struct fill f, uint32_t n)
{
    if (f.kind == FILL_STREAM) {
        f.start += n;
    }
    return f;
}

/* Same contents for certain.  False for equal bytes that are written down differently. */
static inline bool fill_same(struct fill a, struct fill b)
{
    return a.kind != FILL_NONE && a.kind == b.kind && a.tag == b.tag && a.start == b.start;
}

static inline bool fill_is_zero(struct fill f)
{
    return f.kind == FILL_BYTE && f.tag == 0;
}

/* Word i of the stream named by tag. */
uint64_t fill_word(uint64_t tag, uint64_t i);

/* Writes the first n bytes of f.  f is not FILL_NONE. */
void fill_bytes(struct fill f, void *dst, size_t n);

/* Offset of the first byte of p[0..n) that differs from f, or n. */
size_t fill_compare(struct fill f, const void *p, size_t n);

#endif
