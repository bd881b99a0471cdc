/* SHA-256 of bytes as they come, by nettle, which a program may be built without. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

enum { DIGEST_TEXT = 2 * 32 + 1 };

struct digest;

/* Whether this program was built with nettle; without, none of what follows may be called. */
bool digest_is_there(void);

struct digest *digest_begin(void);
void digest_add(struct digest *d, const void *data, size_t n);
/* out: lower-case hexadecimal digits.  d is gone. */
void digest_end(struct digest *d, char out[DIGEST_TEXT]);

#endif
