/* SPDX-License-Identifier: MIT */
/* Names of permissions, and what a node asks of its children by default.  Solving is
 * model/proposal_solve.c.
 */
#include "model/perm.h"

#include "base/check.h"
#include "model/node.h"

#include <string.h>

void perm_names(uint32_t perm, struct strbuf *out)
{
    static const char *const names[PERM_BITS] = { "consistent read", "write", "write unchanged",
                                                  "resize" };
    bool first = true;
    for (int i = 0; i < PERM_BITS; i++) {
        if (perm & (1u << i)) {
            strbuf_printf(out, "%s%s", first ? "" : ", ", names[i]);
            first = false;
        }
    }
}

uint32_t perm_parse(const char *name)
{
    static const char *const names[PERM_BITS] = { "consistent-read", "write", "write-unchanged",
                                                  "resize" };
    for (int i = 0; i < PERM_BITS; i++) {
        if (strcmp(name, names[i]) == 0) {
            return 1u << i;
        }
    }
    return 0;
}

/* A backing file is only read.  Who writes to it changes what is seen through the node, so its
 * parents must grant that. */
static void perm_of_backing(struct perm_pair parents, struct perm_pair *out)
{
    out->used = parents.used & PERM_CONSISTENT_READ;
    out->shared = PERM_CONSISTENT_READ | PERM_WRITE_UNCHANGED;
    if (parents.shared & PERM_WRITE) {
        out->shared |= PERM_WRITE | PERM_RESIZE;
    }
}

/* A filter passes its parents' wishes through.  Storage of a format: metadata may be written even
 * when the guest does not write, and nobody else may write or resize below it. */
void perm_default(const struct node *n, const struct child *c, struct perm_pair parents,
                  struct perm_pair *out)
{
    if (c->roles & ROLE_COW) {
        perm_of_backing(parents, out);
        return;
    }
    *out = parents;
    if (c->roles & ROLE_METADATA) {
        if (!node_flags_next(n)->read_only) {
            out->used |= PERM_WRITE | PERM_RESIZE;
        }
        out->used |= PERM_CONSISTENT_READ;
        out->shared &= ~(uint32_t)(PERM_WRITE | PERM_RESIZE);
    }
    if (c->roles & ROLE_DATA) {
        out->shared &= ~(uint32_t)PERM_RESIZE;
        if (out->used & PERM_WRITE_UNCHANGED) {
            out->used |= PERM_WRITE;
        }
        if (out->used & PERM_WRITE) {
            out->used |= PERM_RESIZE;
        }
    }
}
