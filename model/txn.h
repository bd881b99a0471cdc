/* The one prepare/commit/abort mechanism.
 *
 * While a change is prepared it registers actions; txn_commit runs the commits in order, txn_abort
 * the undos in reverse order; then the cleans run in order of registration.  Neither can fail.
 * Commits and undos do not yield; cleans may, as they let go of nodes.
 */
#ifndef MODEL_TXN_H
#define MODEL_TXN_H

#include <stddef.h>

struct txn_action {
    void (*commit)(void *opaque); /* NULL: nothing. */
    void (*undo)(void *opaque);
    void (*clean)(void *opaque);
    void *opaque;
};

struct txn {
    struct txn_action *actions;
    size_t len, cap;
};

#define TXN_INIT ((struct txn){ 0 })

void txn_add(struct txn *t, struct txn_action action);
/* Moves the actions of `from`, which is empty then, behind those of t. */
void txn_append(struct txn *t, struct txn *from);
void txn_commit(struct txn *t);
void txn_abort(struct txn *t);
/* Commits when ret >= 0, else aborts; returns ret. */
int txn_end(struct txn *t, int ret);

#endif
