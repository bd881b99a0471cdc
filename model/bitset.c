/* SPDX-License-Identifier: MIT */
/* A radix tree of bits.
 *
 *   root -> inner (64 children each, up to 7 levels) -> leaf (64 words of 64 bits)
 *
 * A child of an inner node is in one of three states: clear (neither bit is there), full (its bit
 * in `full`), or mixed (its bit in `mixed`, and child[] points to it).
 *
 * Invariants:
 *  1. A mixed child has a clear and a set granule, so that looking for one always ends in it.
 *  2. count of a node is the number of set granules below it.
 *  3. The root is always there, and is neither dropped nor replaced by a mark; the tree is as high
 *     as the length needs.
 *  4. Granules beyond the length are clear.
 *
 * One leaf that has become clear or full is kept, so that a granule which is set and cleared in
 * turn (a mirror's bitmap) does not allocate each time.
 */
#include "model/bitset.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum {
    FAN_BITS = 6,
    FAN = 1 << FAN_BITS,
    LEAF_BITS = 12, /* Granules of a leaf. */
    LEAF_WORDS = 1 << (LEAF_BITS - 6),
};

struct leaf {
    uint64_t words[LEAF_WORDS];
    uint64_t count;
};

struct inner {
    uint64_t mixed, full; /* Never both. */
    uint64_t count;
    void *child[FAN]; /* struct inner or struct leaf, by the level. */
};

struct bitset {
    int64_t length;
    unsigned granule_bits;
    unsigned shift; /* Granules of a child of the root, as a power of two. */
    struct inner *root;
    struct leaf *spare;
    uint64_t memory;
};

/* What a whole subtree of 2^bits granules counts. */
static uint64_t span(unsigned bits)
{
    return UINT64_C(1) << bits;
}

static uint64_t granules_of(const struct bitset *s, int64_t length)
{
    return length == 0 ? 0 : ((uint64_t)(length - 1) >> s->granule_bits) + 1;
}

/* ---- Nodes ---- */

static struct leaf *leaf_create(struct bitset *s, bool full)
{
    struct leaf *f = s->spare;
    s->spare = NULL;
    if (!f) {
        f = mem_alloc(sizeof(*f));
        s->memory += sizeof(*f);
    }
    memset(f->words, full ? 0xff : 0, sizeof(f->words));
    f->count = full ? span(LEAF_BITS) : 0;
    return f;
}

/* bits: granules of each of its children. */
static struct inner *inner_create(struct bitset *s, unsigned bits, bool full)
{
    struct inner *n = NEW(struct inner);
    s->memory += sizeof(*n);
    n->full = full ? UINT64_MAX : 0;
    n->count = full ? span(bits + FAN_BITS) : 0;
    return n;
}

/* bits: granules below the node. */
static void drop(struct bitset *s, void *node, unsigned bits)
{
    CHECK(node != NULL && bits >= LEAF_BITS);
    if (bits == LEAF_BITS) {
        if (!s->spare) {
            s->spare = node;
            return;
        }
        s->memory -= sizeof(struct leaf);
        free(node);
        return;
    }
    struct inner *n = node;
    for (uint64_t left = n->mixed; left; left &= left - 1) {
        drop(s, n->child[__builtin_ctzll(left)], bits - FAN_BITS);
    }
    s->memory -= sizeof(*n);
    free(n);
}

static uint64_t count_of(const void *node, unsigned bits)
{
    return bits == LEAF_BITS ? ((const struct leaf *)node)->count
                             : ((const struct inner *)node)->count;
}

/* ---- Changing ---- */

/* Granules first to last of the leaf become on. */
static void leaf_change(struct leaf *f, unsigned first, unsigned last, bool on)
{
    for (unsigned w = first / 64; w <= last / 64; w++) {
        uint64_t mask = UINT64_MAX;
        if (w == first / 64) {
            mask &= UINT64_MAX << (first % 64);
        }
        if (w == last / 64) {
            mask &= UINT64_MAX >> (63 - last % 64);
        }
        uint64_t old = f->words[w];
        uint64_t now = on ? old | mask : old & ~mask;
        f->words[w] = now;
        f->count += (uint64_t)__builtin_popcountll(now);
        f->count -= (uint64_t)__builtin_popcountll(old);
    }
}

static void *make_child(struct bitset *s, unsigned bits, bool full)
{
    return bits == LEAF_BITS ? (void *)leaf_create(s, full)
                             : (void *)inner_create(s, bits - FAN_BITS, full);
}

static void set_state(struct inner *n, unsigned i, bool mixed, bool full)
{
    uint64_t bit = UINT64_C(1) << i;
    n->mixed = mixed ? n->mixed | bit : n->mixed & ~bit;
    n->full = full ? n->full | bit : n->full & ~bit;
}

/* Granules first to last of n become on; bits: granules of each of its children. */
static void inner_change(struct bitset *s, struct inner *n, unsigned bits, uint64_t first,
                         uint64_t last, bool on)
{
    uint64_t size = span(bits);
    CHECK(first <= last && last >> bits < FAN);
    for (unsigned i = (unsigned)(first >> bits); i <= (unsigned)(last >> bits); i++) {
        uint64_t base = (uint64_t)i << bits;
        uint64_t lo = MAX(first, base) - base;
        uint64_t hi = MIN(last - base, size - 1);
        bool mixed = n->mixed >> i & 1, full = n->full >> i & 1;
        if (!mixed && full == on) {
            continue;
        }
        uint64_t old = mixed ? count_of(n->child[i], bits) : full ? size : 0;
        uint64_t now = on ? size : 0;
        if (lo > 0 || hi < size - 1) {
            if (!mixed) {
                n->child[i] = make_child(s, bits, full);
                set_state(n, i, true, false);
            }
            if (bits == LEAF_BITS) {
                leaf_change(n->child[i], (unsigned)lo, (unsigned)hi, on);
            } else {
                inner_change(s, n->child[i], bits - FAN_BITS, lo, hi, on);
            }
            now = count_of(n->child[i], bits);
        }
        if (now == 0 || now == size) {
            if (n->mixed >> i & 1) {
                drop(s, n->child[i], bits);
                n->child[i] = NULL;
            }
            set_state(n, i, false, now == size);
        }
        n->count += now - old;
    }
}

static bool get(const struct bitset *s, uint64_t granule)
{
    const void *node = s->root;
    for (unsigned bits = s->shift; bits >= LEAF_BITS; bits -= FAN_BITS) {
        const struct inner *n = node;
        unsigned i = (unsigned)(granule >> bits) & (FAN - 1);
        if (!(n->mixed >> i & 1)) {
            return n->full >> i & 1;
        }
        node = n->child[i];
    }
    const struct leaf *f = node;
    return f->words[granule / 64 % LEAF_WORDS] >> (granule % 64) & 1;
}

static void change(struct bitset *s, int64_t offset, int64_t bytes, bool on)
{
    CHECK(offset >= 0 && bytes >= 0 && bytes <= s->length - offset);
    if (bytes == 0) {
        return;
    }
    uint64_t first = (uint64_t)offset >> s->granule_bits;
    uint64_t last = (uint64_t)(offset + bytes - 1) >> s->granule_bits;
    if (first < last || get(s, first) != on) { /* Most writes find their granule marked. */
        inner_change(s, s->root, s->shift, first, last, on);
    }
}

void bitset_set(struct bitset *s, int64_t offset, int64_t bytes)
{
    change(s, offset, bytes, true);
}

void bitset_clear(struct bitset *s, int64_t offset, int64_t bytes)
{
    int64_t mask = ((int64_t)1 << s->granule_bits) - 1;
    CHECK((offset & mask) == 0);
    CHECK(((offset + bytes) & mask) == 0 || offset + bytes == s->length);
    change(s, offset, bytes, false);
}

void bitset_clear_all(struct bitset *s)
{
    change(s, 0, s->length, false);
}

/* ---- Coming, going, growing ---- */

/* The shift of a root for that many granules. */
static unsigned shift_for(uint64_t granules)
{
    unsigned shift = LEAF_BITS;
    while (granules > 0 && (granules - 1) >> shift >= FAN) {
        shift += FAN_BITS;
    }
    return shift;
}

struct bitset *bitset_create(int64_t length, uint32_t granularity)
{
    CHECK(length >= 0);
    CHECK(granularity >= 512 && (granularity & (granularity - 1)) == 0);
    struct bitset *s = NEW(struct bitset);
    s->length = length;
    s->granule_bits = (unsigned)__builtin_ctz(granularity);
    s->memory = sizeof(*s);
    s->shift = shift_for(granules_of(s, length));
    s->root = inner_create(s, s->shift, false);
    return s;
}

void bitset_free(struct bitset *s)
{
    if (!s) {
        return;
    }
    drop(s, s->root, s->shift + FAN_BITS);
    free(s->spare);
    free(s);
}

static void *clone_node(const void *node, unsigned bits)
{
    if (bits == LEAF_BITS) {
        return mem_copy(node, sizeof(struct leaf));
    }
    struct inner *n = mem_copy(node, sizeof(*n));
    for (uint64_t left = n->mixed; left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzll(left);
        n->child[i] = clone_node(n->child[i], bits - FAN_BITS);
    }
    return n;
}

struct bitset *bitset_clone(const struct bitset *s)
{
    struct bitset *copy = mem_copy(s, sizeof(*s));
    copy->memory -= s->spare ? sizeof(struct leaf) : 0;
    copy->spare = NULL;
    copy->root = clone_node(s->root, s->shift + FAN_BITS);
    return copy;
}

/* A root above the old one. */
static void grow(struct bitset *s)
{
    unsigned bits = s->shift + FAN_BITS;
    struct inner *top = inner_create(s, bits, false);
    top->count = s->root->count;
    if (top->count == 0 || top->count == span(bits)) {
        set_state(top, 0, false, top->count > 0);
        drop(s, s->root, bits);
    } else {
        top->child[0] = s->root;
        set_state(top, 0, true, false);
    }
    s->root = top;
    s->shift = bits;
}

/* All that is set lies in the first child, which becomes the root. */
static void shrink(struct bitset *s)
{
    struct inner *top = s->root;
    bool mixed = top->mixed & 1, full = top->full & 1;
    CHECK((top->mixed | top->full) <= 1 && s->shift > LEAF_BITS);
    s->root = mixed ? top->child[0] : inner_create(s, s->shift - FAN_BITS, full);
    s->shift -= FAN_BITS;
    s->memory -= sizeof(*top);
    free(top);
}

void bitset_resize(struct bitset *s, int64_t length)
{
    CHECK(length >= 0);
    uint64_t old = granules_of(s, s->length), now = granules_of(s, length);
    if (now < old) {
        inner_change(s, s->root, s->shift, now, old - 1, false);
    }
    while (s->shift < shift_for(now)) {
        grow(s);
    }
    while (s->shift > shift_for(now)) {
        shrink(s);
    }
    s->length = length;
}

int64_t bitset_length(const struct bitset *s)
{
    return s->length;
}

uint32_t bitset_granularity(const struct bitset *s)
{
    return (uint32_t)1 << s->granule_bits;
}

uint64_t bitset_memory(const struct bitset *s)
{
    return s->memory;
}

/* ---- Looking ---- */

bool bitset_get(const struct bitset *s, int64_t offset)
{
    CHECK(offset >= 0 && offset < s->length);
    return get(s, (uint64_t)offset >> s->granule_bits);
}

uint64_t bitset_granules(const struct bitset *s)
{
    return s->root->count;
}

int64_t bitset_count(const struct bitset *s)
{
    int64_t rest = s->length & (((int64_t)1 << s->granule_bits) - 1);
    uint64_t count = s->root->count;
    if (rest > 0 && bitset_get(s, s->length - 1)) {
        return (int64_t)((count - 1) << s->granule_bits) + rest;
    }
    return (int64_t)(count << s->granule_bits);
}

#define NONE UINT64_MAX

static uint64_t find_in_leaf(const struct leaf *f, unsigned from, bool on)
{
    uint64_t mask = UINT64_MAX << (from % 64);
    for (unsigned w = from / 64; w < LEAF_WORDS; w++) {
        uint64_t word = (on ? f->words[w] : ~f->words[w]) & mask;
        if (word) {
            return w * 64 + (unsigned)__builtin_ctzll(word);
        }
        mask = UINT64_MAX;
    }
    return NONE;
}

/* The first granule from `from` on that is on (off); bits: granules of each child of n. */
static uint64_t find_in_inner(const struct inner *n, unsigned bits, uint64_t from, bool on)
{
    unsigned at = (unsigned)(from >> bits);
    uint64_t candidates = (on ? n->mixed | n->full : ~n->full) & (UINT64_MAX << at);
    for (; candidates; candidates &= candidates - 1) {
        unsigned i = (unsigned)__builtin_ctzll(candidates);
        uint64_t base = (uint64_t)i << bits;
        uint64_t inside = i == at ? from - base : 0;
        if (!(n->mixed >> i & 1)) {
            return base + inside;
        }
        uint64_t found = bits == LEAF_BITS
                             ? find_in_leaf(n->child[i], (unsigned)inside, on)
                             : find_in_inner(n->child[i], bits - FAN_BITS, inside, on);
        if (found != NONE) {
            return base + found;
        }
    }
    return NONE;
}

static int64_t next(const struct bitset *s, int64_t offset, int64_t bytes, bool on)
{
    CHECK(offset >= 0 && bytes >= 0 && bytes <= s->length - offset);
    if (bytes == 0) {
        return -1;
    }
    uint64_t first = (uint64_t)offset >> s->granule_bits;
    uint64_t last = (uint64_t)(offset + bytes - 1) >> s->granule_bits;
    uint64_t found = find_in_inner(s->root, s->shift, first, on);
    if (found == NONE || found > last) {
        return -1;
    }
    return found == first ? offset : (int64_t)(found << s->granule_bits);
}

int64_t bitset_next_set(const struct bitset *s, int64_t offset, int64_t bytes)
{
    return next(s, offset, bytes, true);
}

int64_t bitset_next_clear(const struct bitset *s, int64_t offset, int64_t bytes)
{
    return next(s, offset, bytes, false);
}

bool bitset_next_area(const struct bitset *s, int64_t offset, int64_t bytes, int64_t max,
                      int64_t *area_offset, int64_t *area_bytes)
{
    CHECK(max >= 0);
    int64_t start = next(s, offset, bytes, true);
    if (start < 0) {
        return false;
    }
    int64_t left = bytes - (start - offset);
    left = max > 0 ? MIN(left, max) : left;
    int64_t end = next(s, start, left, false);
    *area_offset = start;
    *area_bytes = end < 0 ? left : end - start;
    return true;
}

void bitset_merge(struct bitset *dst, const struct bitset *src)
{
    int64_t both = MIN(dst->length, src->length), at = 0, offset, bytes;
    CHECK(dst != src);
    while (bitset_next_area(src, at, both - at, 0, &offset, &bytes)) {
        bitset_set(dst, offset, bytes);
        at = offset + bytes;
    }
}

uint64_t bitset_words(const struct bitset *s)
{
    uint64_t granules = granules_of(s, s->length);
    return MAX((granules + 63) / 64, 1);
}

uint64_t bitset_word(const struct bitset *s, uint64_t i)
{
    CHECK(i < bitset_words(s));
    const void *node = s->root;
    for (unsigned bits = s->shift; bits >= LEAF_BITS; bits -= FAN_BITS) {
        const struct inner *n = node;
        unsigned at = (unsigned)(i >> (bits - 6)) & (FAN - 1);
        if (!(n->mixed >> at & 1)) {
            return n->full >> at & 1 ? UINT64_MAX : 0;
        }
        node = n->child[at];
    }
    return ((const struct leaf *)node)->words[i % LEAF_WORDS];
}
