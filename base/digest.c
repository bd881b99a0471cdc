/* SPDX-License-Identifier: MIT */
#include "base/digest.h"

#include "base/check.h"

#ifdef HAVE_NETTLE

#include "base/mem.h"

#include <nettle/base16.h>
#include <nettle/sha2.h>
#include <stdlib.h>

struct digest {
    struct sha256_ctx nettle;
};

bool digest_is_there(void)
{
    return true;
}

struct digest *digest_begin(void)
{
    struct digest *d = NEW(struct digest);
    sha256_init(&d->nettle);
    return d;
}

void digest_add(struct digest *d, const void *data, size_t n)
{
    sha256_update(&d->nettle, n, data);
}

void digest_end(struct digest *d, char out[DIGEST_TEXT])
{
    uint8_t bytes[SHA256_DIGEST_SIZE];
    CHECK(BASE16_ENCODE_LENGTH(sizeof(bytes)) == DIGEST_TEXT - 1);
    sha256_digest(&d->nettle, sizeof(bytes), bytes);
    base16_encode_update(out, sizeof(bytes), bytes);
    out[DIGEST_TEXT - 1] = '\0';
    free(d);
}

#else

bool digest_is_there(void)
{
    return false;
}

struct digest *digest_begin(void)
{
    CHECK(!"built without nettle");
    return NULL;
}

void digest_add(struct digest *d, const void *data, size_t n)
{
    (void)data;
    (void)n;
    CHECK(!d);
}

void digest_end(struct digest *d, char out[DIGEST_TEXT])
{
    CHECK(!d);
    out[0] = '\0';
}

#endif
