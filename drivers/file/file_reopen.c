/* SPDX-License-Identifier: MIT */
/* Reopen: the cache mode of the file changes here; whether it is writable follows from flags and
 * permissions together, so file_perm_change does that when the change is solved.
 *
 *   reopen: DIRECT, NO_FLUSH --> perm_change: WRITE, locks --> commit
 */
#include "base/check.h"
#include "base/mem.h"
#include "drivers/file/file.h"
#include "model/txn.h"

#include <stdlib.h>

enum { CACHE_FLAGS = HOST_DIRECT | HOST_NO_FLUSH };

struct cache_change {
    struct node *n;
    uint32_t old;
};

/* What was open like that before can be again; should the host refuse, the file stays as it is. */
static void undo_cache(void *opaque)
{
    const struct cache_change *c = opaque;
    const struct file_state *s = node_state(c->n);
    file_reflag(c->n, (s->flags & ~(uint32_t)CACHE_FLAGS) | c->old, NULL);
}

int file_reopen(struct node *n, const struct node_reopen *r, struct error *err)
{
    const struct file_state *s = node_state(n);
    uint32_t cache = (r->flags->cache_direct ? HOST_DIRECT : 0u) |
                     (r->flags->cache_no_flush ? HOST_NO_FLUSH : 0u);
    struct cache_change c = { .n = n, .old = s->flags & CACHE_FLAGS };
    if (cache == c.old) {
        return 0;
    }
    int ret = file_reflag(n, (s->flags & ~(uint32_t)CACHE_FLAGS) | cache, err);
    if (ret == 0) {
        txn_add(r->txn, (struct txn_action){
                            .undo = undo_cache, .clean = free, .opaque = mem_copy(&c, sizeof(c)) });
    }
    return ret;
}
