/* Sets of bytes of a disk, kept by granules: what is dirty, what has been copied, what is under
 * way.
 *
 * A tree of words that has no memory for stretches that are all clear or all set, so that the set
 * of a huge disk costs what is written of it.  Ranges are bytes [offset, offset + bytes) and inside
 * the length.  Setting a byte sets its granule; clearing a range clears whole granules: it begins
 * at one and ends at one, or at the length (checked).
 */
#ifndef MODEL_BITSET_H
#define MODEL_BITSET_H

#include <stdbool.h>
#include <stdint.h>

struct bitset;

/* granularity: bytes, a power of two, 512 or more.  length: bytes, 0 or more. */
struct bitset *bitset_create(int64_t length, uint32_t granularity);
struct bitset *bitset_clone(const struct bitset *s);
void bitset_free(struct bitset *s); /* NULL: nothing. */

int64_t bitset_length(const struct bitset *s);
uint32_t bitset_granularity(const struct bitset *s);
/* What is cut off is forgotten, what is new is clear; a granule that is cut in two stays as it
 * is. */
void bitset_resize(struct bitset *s, int64_t length);

void bitset_set(struct bitset *s, int64_t offset, int64_t bytes);
void bitset_clear(struct bitset *s, int64_t offset, int64_t bytes);
void bitset_clear_all(struct bitset *s);
bool bitset_get(const struct bitset *s, int64_t offset);

/* Bytes that are set: granules in full, the last one up to the length. */
int64_t bitset_count(const struct bitset *s);
/* Granules that are set: QEMU counts bytes as these times the granularity. */
uint64_t bitset_granules(const struct bitset *s);

/* The first set (clear) byte of the range, or -1. */
int64_t bitset_next_set(const struct bitset *s, int64_t offset, int64_t bytes);
int64_t bitset_next_clear(const struct bitset *s, int64_t offset, int64_t bytes);
/* The first stretch of set bytes in the range, at most max bytes (0: no limit): false when there
 * is none.  It begins inside of a granule only where the range does. */
bool bitset_next_area(const struct bitset *s, int64_t offset, int64_t bytes, int64_t max,
                      int64_t *area_offset, int64_t *area_bytes);

/* Sets in dst what is set in src, as far as both go; any granularity. */
void bitset_merge(struct bitset *dst, const struct bitset *src);

/* The words as 64-bit numbers, a bit a granule, from the first on and to the last that exists for
 * this length (one at least): in little-endian order they are what a serialised bitmap is (QEMU's
 * sha256 is of that). */
uint64_t bitset_words(const struct bitset *s);
uint64_t bitset_word(const struct bitset *s, uint64_t i);

/* Bytes of memory that its tree takes. */
uint64_t bitset_memory(const struct bitset *s);

#endif
