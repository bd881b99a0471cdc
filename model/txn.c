/* SPDX-License-Identifier: MIT */
#include "model/txn.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>

void txn_add(struct txn *t, struct txn_action action)
{
    t->actions = mem_grow(t->actions, t->len, &t->cap, sizeof(*t->actions));
    t->actions[t->len++] = action;
}

void txn_append(struct txn *t, struct txn *from)
{
    CHECK(t != from);
    for (size_t i = 0; i < from->len; i++) {
        txn_add(t, from->actions[i]);
    }
    free(from->actions);
    *from = TXN_INIT;
}

static void finish(struct txn *t)
{
    for (size_t i = 0; i < t->len; i++) {
        if (t->actions[i].clean) {
            t->actions[i].clean(t->actions[i].opaque);
        }
    }
    free(t->actions);
    *t = TXN_INIT;
}

void txn_commit(struct txn *t)
{
    for (size_t i = 0; i < t->len; i++) {
        if (t->actions[i].commit) {
            t->actions[i].commit(t->actions[i].opaque);
        }
    }
    finish(t);
}

void txn_abort(struct txn *t)
{
    for (size_t i = t->len; i > 0; i--) {
        if (t->actions[i - 1].undo) {
            t->actions[i - 1].undo(t->actions[i - 1].opaque);
        }
    }
    finish(t);
}

int txn_end(struct txn *t, int ret)
{
    CHECK(ret <= 0);
    if (ret < 0) {
        txn_abort(t);
    } else {
        txn_commit(t);
    }
    return ret;
}
