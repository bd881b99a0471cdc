/* Permissions (QEMU include docs: docs/devel/block-coroutine..., qapi BlockPermission).
 *
 * A parent uses some permissions on a child and shares some with the other parents.  A node's
 * cumulative permissions are the union of what its parents use and the intersection of what they
 * share.
 */
#ifndef MODEL_PERM_H
#define MODEL_PERM_H

#include "base/error.h"
#include "base/text.h"

#include <stdint.h>

enum {
    PERM_CONSISTENT_READ = 1 << 0,
    PERM_WRITE = 1 << 1,
    PERM_WRITE_UNCHANGED = 1 << 2,
    PERM_RESIZE = 1 << 3,
    PERM_ALL = 15,
    PERM_BITS = 4,
};

struct perm_pair {
    uint32_t used, shared;
};

struct node;
struct child;
struct txn;

/* "consistent read, write" as QEMU's messages list them (permission names with spaces). */
void perm_names(uint32_t perm, struct strbuf *out);
/* "consistent-read"... (QAPI) to a bit; 0 for none. */
uint32_t perm_parse(const char *name);

/* The default of child_perm, by role (QEMU's bdrv_default_perms). */
void perm_default(const struct node *n, const struct child *c, struct perm_pair parents,
                  struct perm_pair *out);

#endif
