/* SPDX-License-Identifier: MIT */
#include "model/blocker.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A blocker's place on one of its nodes; the newest stands first. */
struct blocker_link {
    struct blocker *blocker;
    struct node *node;
    struct blocker_link *next;
};

struct blocker {
    uint32_t ops;
    char *reason;
    size_t len;
    struct blocker_link links[];
};

static int check_mask(const struct node *n, uint32_t ops, struct error *err)
{
    for (const struct blocker_link *l = n->blockers; l; l = l->next) {
        if (l->blocker->ops & ops) {
            return error_set(err, -EBUSY, "Node '%s' is busy: %s", node_device_or_name(n),
                             l->blocker->reason);
        }
    }
    return 0;
}

int blocker_take(struct node *const *nodes, size_t len, uint32_t needs, uint32_t ops,
                 const char *reason, struct blocker **out, struct error *err)
{
    CHECK(len > 0 && ops != 0);
    for (size_t i = 0; i < len; i++) {
        int ret = check_mask(nodes[i], needs, err);
        if (ret < 0) {
            return ret;
        }
    }
    struct blocker *b = mem_zalloc(sizeof(*b) + len * sizeof(b->links[0]));
    b->ops = ops;
    b->reason = mem_strdup(reason);
    b->len = len;
    for (size_t i = 0; i < len; i++) {
        b->links[i] = (struct blocker_link){ b, nodes[i], nodes[i]->blockers };
        nodes[i]->blockers = &b->links[i];
    }
    *out = b;
    return 0;
}

void blocker_release(struct blocker *b)
{
    for (size_t i = 0; i < b->len; i++) {
        struct blocker_link **p = &b->links[i].node->blockers;
        while (*p != &b->links[i]) {
            CHECK(*p != NULL);
            p = &(*p)->next;
        }
        *p = b->links[i].next;
    }
    free(b->reason);
    free(b);
}

int blocker_check(const struct node *n, enum block_op op, struct error *err)
{
    CHECK((unsigned)op < BLOCK_OPS);
    return check_mask(n, 1u << op, err);
}

uint32_t blocker_count(const struct node *n, const char *reason)
{
    uint32_t count = 0;
    for (const struct blocker_link *l = n->blockers; l; l = l->next) {
        count += strncmp(l->blocker->reason, reason, strlen(reason)) == 0;
    }
    return count;
}
