/* SPDX-License-Identifier: MIT */
/* Putting a proposal in force.
 *
 * What is changed is noted with what it was, and the note goes on the txn: its undo puts the lists
 * back in their order, its clean lets go of what is no longer referred to (nodes may close then)
 * and frees the edges that are no more.
 */
#include "model/proposal_private.h"

#include "base/mem.h"
#include "model/blocker.h"
#include "model/drain.h"
#include "model/io_private.h"
#include "model/layer_state.h"

#include <stdlib.h>
#include <string.h>

struct edge_note {
    struct child *c;
    struct node *from, *to;      /* NULL: added, dropped. */
    struct perm_pair perm;       /* As it was. */
    uint64_t before_in_parents;  /* Id of the edge before it in from->parents; 0: it was first. */
    uint64_t before_in_children; /* The same in parent->children, of one that is dropped. */
    bool inherited;              /* `from` took options from the parent. */
};

struct node_note {
    struct node *node;
    uint32_t height;
    bool has_flags;
    struct node_flags flags;
};

struct note {
    bool undone;
    struct layer *layer;
    size_t edges_len, nodes_len, lifted_len;
    struct edge_note *edges;
    struct node_note *nodes;
    struct node **lifted; /* Referenced while the note lives. */
    /* All three follow, in one piece of memory. */
};
_Static_assert(sizeof(struct note) % 8 == 0 && sizeof(struct edge_note) % 8 == 0 &&
                   sizeof(struct node_note) % 8 == 0 && _Alignof(struct edge_note) <= 8 &&
                   _Alignof(struct node_note) <= 8,
               "they follow each other without gaps");

/* ---- Lists ---- */

static uint64_t unlink_parent_edge(struct child *c, struct node *n)
{
    uint64_t before = 0;
    struct child **at = &n->parents;
    while (*at != c) {
        CHECK(*at != NULL);
        before = (*at)->id;
        at = &(*at)->next_parent;
    }
    *at = c->next_parent;
    return before;
}

static uint64_t unlink_child_edge(struct child *c)
{
    uint64_t before = 0;
    struct child **at = &c->parent->children;
    while (*at != c) {
        CHECK(*at != NULL);
        before = (*at)->id;
        at = &(*at)->next;
    }
    *at = c->next;
    return before;
}

/* Behind the edge with that id; first when it is 0, or no longer there. */
static void link_parent_edge(struct child *c, struct node *n, uint64_t before)
{
    struct child **at = &n->parents, *e = n->parents;
    while (before != 0 && e && e->id != before) {
        e = e->next_parent;
    }
    if (before != 0 && e) {
        at = &e->next_parent;
    }
    c->next_parent = *at;
    *at = c;
}

static void link_child_edge(struct child *c, uint64_t before)
{
    struct child **at = &c->parent->children, *e = *at;
    while (before != 0 && e && e->id != before) {
        e = e->next;
    }
    if (before != 0 && e) {
        at = &e->next;
    }
    c->next = *at;
    *at = c;
}

static void append_child_edge(struct child *c)
{
    struct child **tail = &c->parent->children;
    while (*tail) {
        tail = &(*tail)->next;
    }
    c->next = NULL;
    *tail = c;
}

/* ---- Edges ---- */

/* What may not be done to a node while another stands on it as its backing file. */
static void block_backing(struct child *c, struct node *n)
{
    if (c->parent && (c->roles & ROLE_COW)) {
        uint32_t ops = BLOCK_OP_ALL & ~((1u << BLOCK_OP_COMMIT_TARGET) | (1u << BLOCK_OP_STREAM) |
                                        (1u << BLOCK_OP_BACKUP_SOURCE) |
                                        (1u << BLOCK_OP_BACKUP_TARGET));
        char *reason = mem_printf("node is used as backing hd of '%s'",
                                  node_device_or_name(c->parent));
        blocker_take(&n, 1, 0, ops, reason, &c->blocker, NULL);
        free(reason);
    }
}

static void trace_edge(const struct child *c, const char *what, const struct node *n)
{
    if (c->parent) {
        const char *const words[] = { what, " ", c->parent->name, " -", c->name, "-> ", n->name };
        sim_trace_words(n->sim, TRACE_GRAPH, words, ARRAY_LEN(words));
    }
}

static uint64_t edge_leaves(struct child *c, struct node *from)
{
    trace_edge(c, "detach", from);
    drain_edge_gone(c);
    if (c->blocker) {
        blocker_release(c->blocker);
        c->blocker = NULL;
    }
    return unlink_parent_edge(c, from);
}

static void edge_arrives(struct child *c, struct node *to, uint64_t before)
{
    c->node = to;
    link_parent_edge(c, to, before);
    drain_edge_new(c);
    block_backing(c, to);
    trace_edge(c, "attach", to);
}

static void tell_new_length(struct child *c, int64_t old_length)
{
    if (c->ops && c->ops->resized && c->node->length != old_length) {
        c->ops->resized(c);
    }
}

static void tell_change(const struct child *c, const struct node *to)
{
    const struct graph_watch *watch = &c->node->layer->watch;
    if (watch->edge_changes) {
        watch->edge_changes(watch->opaque, c, to);
    }
}

static void apply_edge(struct edge_change *e, struct edge_note *note)
{
    struct child *c = e->c;
    *note = (struct edge_note){ .c = c, .from = c->node, .to = e->to, .perm = c->perm };
    if (note->from) {
        tell_change(c, note->to);
    }
    c->perm = e->perm;
    if (note->from == note->to) {
        return;
    }
    if (e->added && c->parent) {
        append_child_edge(c);
    }
    if (note->from) {
        note->from->held++; /* Its reference is the note's from now on. */
        note->before_in_parents = edge_leaves(c, note->from);
        note->inherited = c->parent && note->from->inherits == c->parent;
        if (note->inherited) {
            note->from->inherits = NULL;
        }
    }
    if (note->to) {
        node_ref(note->to);
        edge_arrives(c, note->to, 0);
    } else if (c->parent) {
        note->before_in_children = unlink_child_edge(c);
    }
    if (note->from && note->to) {
        tell_new_length(c, note->from->length);
    }
}

static void undo_edge(const struct edge_note *note)
{
    struct child *c = note->c;
    if (note->to) {
        tell_change(c, note->from);
    }
    c->perm = note->perm;
    if (note->from == note->to) {
        return;
    }
    if (note->to) {
        note->to->held++;
        edge_leaves(c, note->to);
    } else if (c->parent) {
        link_child_edge(c, note->before_in_children);
    }
    if (note->from) {
        note->from->held--;
        edge_arrives(c, note->from, note->before_in_parents);
        note->from->inherits = note->inherited ? c->parent : note->from->inherits;
    } else if (c->parent) {
        unlink_child_edge(c);
    }
    if (note->from && note->to) {
        tell_new_length(c, note->to->length);
    }
}

/* ---- Nodes ---- */

/* What nodes take over from below: those above a changed edge, the lower first. */
static void refresh_lifted(const struct note *note)
{
    for (size_t i = note->lifted_len; i > 0; i--) {
        struct node *n = note->lifted[i - 1];
        if (!n->open) {
            continue;
        }
        node_refresh_limits(n);
        int64_t old = n->length;
        if ((n->drv->traits & DRV_FOLLOWS) && io_refresh_length(n) == 0 && n->length != old) {
            for (struct child *c = n->parents; c; c = c->next_parent) {
                tell_new_length(c, old);
            }
        }
    }
}

static void note_undo(void *opaque)
{
    struct note *note = opaque;
    note->undone = true;
    for (size_t i = note->nodes_len; i > 0; i--) {
        const struct node_note *n = &note->nodes[i - 1];
        n->node->height = n->height;
        if (n->has_flags) {
            n->node->flags = n->flags;
        }
    }
    for (size_t i = note->edges_len; i > 0; i--) {
        undo_edge(&note->edges[i - 1]);
    }
    refresh_lifted(note);
}

/* Lets go of a reference of the note. */
static void let_go(struct node *n)
{
    CHECK(n->held > 0);
    n->held--;
    node_unref(n);
}

static void edge_free(struct child *c)
{
    CHECK(!c->change && !c->blocker && !c->quiet && !c->covers);
    free(c->name);
    free(c);
}

static void note_clean(void *opaque)
{
    struct note *note = opaque;
    for (size_t i = 0; i < note->edges_len; i++) {
        const struct edge_note *e = &note->edges[i];
        struct node *gone = note->undone ? e->to : e->from;
        struct node *stays = note->undone ? e->from : e->to;
        if (gone == stays) {
            continue;
        }
        if (!stays) {
            edge_free(e->c);
        }
        if (gone) {
            let_go(gone);
        }
    }
    for (size_t i = 0; i < note->lifted_len; i++) {
        let_go(note->lifted[i]);
    }
    free(note);
}

static void apply_nodes(struct proposal *p, struct note *note)
{
    for (struct node_change *n = p->nodes; n; n = n->next) {
        struct node_note *was = &note->nodes[note->nodes_len++];
        *was = (struct node_note){ .node = n->node,
                                   .height = n->node->height,
                                   .has_flags = n->node->next_flags != NULL,
                                   .flags = n->node->flags };
        n->node->height = n->height;
        if (was->has_flags) {
            n->node->flags = *n->node->next_flags;
        }
    }
}

static struct note *note_new(size_t edges, size_t nodes, size_t lifted)
{
    size_t edges_bytes = edges * sizeof(struct edge_note);
    size_t nodes_bytes = nodes * sizeof(struct node_note);
    char *at = mem_alloc(sizeof(struct note) + edges_bytes + nodes_bytes +
                         lifted * sizeof(struct node *));
    struct note *note = (struct note *)(void *)at;
    at += sizeof(*note);
    *note = (struct note){ .edges = (struct edge_note *)(void *)at,
                           .nodes = (struct node_note *)(void *)(at + edges_bytes),
                           .lifted = (struct node **)(void *)(at + edges_bytes + nodes_bytes) };
    return note;
}

void proposal_commit(struct proposal *p, struct txn *txn)
{
    size_t edges = 0, nodes = 0;
    for (const struct edge_change *e = p->edges; e; e = e->next) {
        edges++;
    }
    for (const struct node_change *n = p->nodes; n; n = n->next) {
        nodes++;
    }
    struct note *note = note_new(edges, nodes, p->lifted.len);
    note->layer = p->layer;
    for (size_t i = 0; i < p->lifted.len; i++) {
        if (p->lifted.at[i]->open && !p->lifted.at[i]->closing) {
            note->lifted[note->lifted_len++] = node_ref(p->lifted.at[i]);
            p->lifted.at[i]->held++;
        }
    }
    apply_nodes(p, note);
    for (struct edge_change *e = p->edges; e; e = e->next) {
        apply_edge(e, &note->edges[note->edges_len++]);
    }
    refresh_lifted(note);
    txn_add(txn, (struct txn_action){ .undo = note_undo, .clean = note_clean, .opaque = note });
}
