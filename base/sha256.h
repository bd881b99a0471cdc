/* SHA-256 (FIPS 180-4). */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32, SHA256_TEXT = 2 * SHA256_BYTES + 1 };

struct sha256 {
    uint32_t state[8];
    uint8_t block[64];
    uint64_t bytes; /* So far. */
};

void sha256_init(struct sha256 *h);
void sha256_add(struct sha256 *h, const void *data, size_t n);
/* out: lower-case hexadecimal digits.  h is used up. */
void sha256_text(struct sha256 *h, char out[SHA256_TEXT]);

#endif
