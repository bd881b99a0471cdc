/* The inside of reopen: for model/reopen*.c.
 *
 *   reopen.c        drained, flushed, prepared, put in force
 *   reopen_queue.c  which nodes are concerned, and what each of them gets
 *   reopen_check.c  what cannot change: options that are given, left out, or name a child
 */
#ifndef MODEL_REOPEN_PRIVATE_H
#define MODEL_REOPEN_PRIVATE_H

#include "model/node.h"
#include "model/reopen.h"

/* Flags that a child takes from its parent when an option has set them there. */
enum {
    SAID_READ_ONLY = 1 << 0,
    SAID_AUTO_READ_ONLY = 1 << 1,
    SAID_CACHE_DIRECT = 1 << 2,
    SAID_CACHE_NO_FLUSH = 1 << 3,
};

/* One edge that leads elsewhere. */
struct reopen_edge {
    const char *name;
    struct child *c;  /* NULL: it is to be added. */
    struct node *to;  /* NULL: it is to be dropped. */
    bool changes;
};

struct reopen_entry {
    struct node *n;
    json_t *given;            /* What this reopen says, children included.  Owned. */
    json_t *options;          /* All of it, as n->options will be.  Owned. */
    char *mixed;              /* A child that is both named and given inline; NULL: none. */
    bool old;                 /* What it was given before counts, where this reopen says nothing. */
    bool keep;                /* What nobody says stays as it is, but for what is inherited. */
    uint8_t said;             /* SAID_* */
    struct node_flags flags;  /* As they will be. */
    struct reopen_edge backing, file;
    struct reopen_entry *next;
};

/* Nodes in the order in which they are prepared: each before the children that it opened. */
struct reopen_queue {
    struct reopen_entry *first, **tail;
};

void reopen_queue_init(struct reopen_queue *q);
void reopen_queue_free(struct reopen_queue *q);
/* n gets options (borrowed), and what it has opened inherits from it.  A node that is queued
 * already gets both, the later before the earlier. */
void reopen_queue_add(struct reopen_queue *q, struct node *n, const json_t *options, bool keep);
struct reopen_entry *reopen_queue_find(const struct reopen_queue *q, const struct node *n);

/* Before the driver is asked.  Errors: options that were given, are left out now, and cannot go
 * back to their defaults. */
int reopen_check_reset(const struct reopen_entry *e, struct error *err);
/* Looks up what "backing" and "file" lead to.  Errors: QEMU's. */
int reopen_find_children(const struct reopen_queue *q, struct reopen_entry *e, struct error *err);
/* After all of it.  Errors: "Cannot change the option 'X'". */
int reopen_check_given(const struct reopen_entry *e, struct error *err);

#endif
