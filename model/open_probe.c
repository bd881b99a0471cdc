/* SPDX-License-Identifier: MIT */
/* Which format is an image in, as far as its first bytes tell.
 *
 * Every format that has one is asked for a score, and the highest wins, the first of equal ones.
 * What nobody knows is raw: then the guest, who writes these bytes, must not be able to turn them
 * into another format for the next time (the guard in drivers/raw).
 */
#include "base/mem.h"
#include "model/backend.h"
#include "model/layer_state.h"
#include "model/open.h"
#include "model/open_private.h"

#include <errno.h>

const struct blk_driver *open_probe_bytes(const struct layer *l, const uint8_t *head, size_t size,
                                          const char *filename)
{
    const struct blk_driver *best = layer_driver(l, "raw");
    int most = 1; /* What raw would say of anything. */
    for (size_t i = 0; l->drivers[i]; i++) {
        const struct blk_driver *drv = l->drivers[i];
        int score = drv->image && drv->image->probe ? drv->image->probe(head, size, filename) : 0;
        if (score > most) {
            most = score;
            best = drv;
        }
    }
    return best;
}

bool open_head_is_same(const struct node *n, const uint8_t *head, size_t size)
{
    return open_probe_bytes(n->layer, head, size, "") == n->drv;
}

/* [io] The first bytes of what n holds, zeroes behind its end. */
static int read_head(struct layer *l, struct node *n, uint8_t *head, size_t *size,
                     struct error *err)
{
    struct perm_pair perm = { .used = PERM_CONSISTENT_READ, .shared = PERM_ALL };
    struct backend *b = backend_create(l, NULL, perm);
    int ret = backend_insert(b, n, err);
    if (ret == 0) {
        int64_t length = io_length(n);
        *size = length < 0 ? 0 : (size_t)MIN(length, (int64_t)OPEN_PROBE_BYTES);
        struct iovec iov;
        struct iobuf buf = iobuf_mem(&iov, head, *size);
        ret = *size ? backend_read(b, 0, &buf, 0) : 0;
        if (ret < 0) {
            error_set_errno(err, ret, "Could not read image for determining its format");
        }
    }
    backend_destroy(b);
    return ret;
}

int open_probe(struct layer *l, struct node *n, const char *filename,
               const struct blk_driver **drv, struct error *err)
{
    uint8_t head[OPEN_PROBE_BYTES] = { 0 };
    size_t size = 0;
    int ret = read_head(l, n, head, &size, err);
    if (ret < 0) {
        return ret;
    }
    *drv = open_probe_bytes(l, head, size, filename);
    return *drv ? 0
                : error_set(err, -ENOENT, "Could not determine image format: No compatible driver "
                                          "found");
}
