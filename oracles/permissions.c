/* SPDX-License-Identifier: MIT */
/* Permissions, recomputed from scratch: from the roles of edges and the kinds of nodes alone.
 *
 * Use: looked at at each quiescent point; requests of guests and changes of edges in between are
 * told as they happen.
 *
 * With U and S for what all parents of a node use together, and what each of them shares, an edge
 * to a child of the node
 *
 *   cow        uses consistent-read when U does and nothing else; shares at most consistent-read
 *              and write-unchanged, and write and resize only when S has write
 *   filtered   uses what U has of consistent-read, write, resize; shares at most S, and
 *              write-unchanged
 *   metadata   uses consistent-read, and write and resize on a node that is not read-only; shares
 *              neither write nor resize
 *   data       uses what U has of consistent-read and write; does not share resize, shares at most
 *              S and write-unchanged
 *
 * A driver may use more and share less.  A child opened with force-share may be shared with all,
 * and is read-only.  Further:
 *   - no parent uses what another one does not share
 *   - a read-only node has no writer, and is not written
 *   - a node that was written had a user in between that may write
 *   - who writes or resizes as a guest has that permission on the node
 */
#include "base/check.h"
#include "base/mem.h"
#include "oracles/oracle.h"
#include "oracles/snapshot.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    PERMS = 4,
    ALL = 15,
    READ = VIEW_CONSISTENT_READ,
    WRITES = VIEW_WRITE | VIEW_WRITE_UNCHANGED,
};

/* A node at the last look. */
struct perm_seen {
    uint64_t id;
    uint64_t writes;
    uint32_t used; /* By all parents. */
    bool read_only;
};

/* A node and what somebody used on it until a moment ago. */
struct perm_past {
    const struct node *node;
    uint64_t id;
    uint32_t used;
};

struct permissions {
    struct oracle *o;
    struct perm_seen *seen; /* In the order of nodes. */
    uint32_t seen_len, seen_cap;
    struct perm_seen *next; /* The look in progress. */
    uint32_t next_cap;
    struct perm_past *past; /* Since the last look. */
    uint32_t past_len, past_cap;
    uint32_t *used; /* Scratch: by node of the snapshot. */
    uint32_t used_cap;
    const struct node *covered; /* A guest may write and resize it, unless an edge changes. */
};

static void *permissions_create(struct oracle *o)
{
    struct permissions *p = NEW(struct permissions);
    p->o = o;
    return p;
}

static void permissions_destroy(void *state)
{
    struct permissions *p = state;
    free(p->seen);
    free(p->next);
    free(p->past);
    free(p->used);
    free(p);
}

static void permissions_layer_gone(void *state)
{
    struct permissions *p = state;
    p->seen_len = 0;
    p->past_len = 0;
    p->covered = NULL;
}

static void names(uint32_t perm, struct strbuf *out)
{
    static const char *const name[PERMS] = { "consistent-read", "write", "write-unchanged",
                                             "resize" };
    const char *sep = "";
    for (int i = 0; i < PERMS; i++) {
        if (perm & (1u << i)) {
            strbuf_printf(out, "%s%s", sep, name[i]);
            sep = ", ";
        }
    }
}

/* ---- Between the parents of a node ---- */

static void report_conflict(struct permissions *p, const struct snapshot *s,
                            const struct snap_node *n, uint32_t perm)
{
    for (uint32_t i = n->up; i < n->up + n->ups; i++) {
        for (uint32_t k = n->up; k < n->up + n->ups; k++) {
            const struct edge_view *a = &s->ups[i].v, *b = &s->ups[k].v;
            if (i == k || !(a->perm & perm) || (b->shared & perm)) {
                continue;
            }
            struct strbuf user = { 0 }, other = { 0 }, what = { 0 };
            snapshot_edge_label(s, a, &user);
            snapshot_edge_label(s, b, &other);
            names(perm, &what);
            oracle_fail(p->o, "conflict",
                        "node '%s': edge %s uses %s, which edge %s does not share", n->v.name,
                        strbuf_str(&user), strbuf_str(&what), strbuf_str(&other));
            strbuf_free(&user);
            strbuf_free(&other);
            strbuf_free(&what);
            return;
        }
    }
}

/* A permission is in conflict unless nobody uses it, all share it, or the one who uses it is the
 * only one that does not share it. */
static void check_conflicts(struct permissions *p, const struct snapshot *s,
                            const struct snap_node *n)
{
    for (int bit = 0; bit < PERMS; bit++) {
        uint32_t perm = 1u << bit, users = 0, refusers = 0, both = 0;
        for (uint32_t i = n->up; i < n->up + n->ups; i++) {
            const struct edge_view *e = &s->ups[i].v;
            users += (e->perm & perm) != 0;
            refusers += (e->shared & perm) == 0;
            both += (e->perm & perm) != 0 && (e->shared & perm) == 0;
        }
        if (users > 0 && refusers > 0 && !(users == 1 && refusers == 1 && both == 1)) {
            report_conflict(p, s, n, perm);
        }
    }
}

/* ---- From a node to its children ---- */

/* What an edge must use, may use, and may share. */
struct perm_rule {
    uint32_t must, may, share;
};

static struct perm_rule rule_of(const struct edge_view *e, const struct node_view *parent,
                                uint32_t used, uint32_t shared)
{
    struct perm_rule r = { .may = ALL, .share = ALL };
    if (strcmp(parent->driver, "snapshot-access") == 0) {
        r.may = 0; /* It shows the past of its child: no user of what is there now can touch it. */
        return r;
    }
    if (strcmp(parent->driver, "commit_top") == 0) {
        r.may = 0; /* It shows what is whole above a chain that is not: it asks for nothing. */
        return r;
    }
    if (strcmp(parent->driver, "copy-before-write") == 0 && (e->roles & VIEW_DATA)) {
        r.must = r.may = VIEW_WRITE; /* Its target is written whatever its users may do. */
        r.share = ALL & ~(uint32_t)VIEW_RESIZE;
        return r;
    }
    if (e->roles & VIEW_COW) {
        r.must = used & READ;
        r.may = READ;
        r.share = READ | VIEW_WRITE_UNCHANGED;
        r.share |= shared & VIEW_WRITE ? VIEW_WRITE | VIEW_RESIZE : 0;
    }
    if (e->roles & VIEW_FILTERED) {
        r.must |= used & (READ | VIEW_WRITE | VIEW_RESIZE);
        r.share &= shared | VIEW_WRITE_UNCHANGED;
    }
    if (strcmp(parent->driver, "mirror_top") == 0) {
        r.must &= ~(uint32_t)READ; /* Below an active commit, which writes there as well. */
        r.share |= VIEW_WRITE;
    }
    if (e->roles & VIEW_METADATA) {
        r.must |= READ | (parent->read_only ? 0 : VIEW_WRITE | VIEW_RESIZE);
        r.share &= ~(uint32_t)(VIEW_WRITE | VIEW_RESIZE);
    }
    if (e->roles & VIEW_DATA) {
        r.must |= used & (READ | VIEW_WRITE);
        r.share &= (shared | VIEW_WRITE_UNCHANGED) & ~(uint32_t)VIEW_RESIZE;
    }
    return r;
}

static void report_edge(struct permissions *p, const struct snapshot *s, const struct edge_view *e,
                        const char *site, const char *what, uint32_t perm)
{
    struct strbuf edge = { 0 }, list = { 0 };
    snapshot_edge_label(s, e, &edge);
    names(perm, &list);
    oracle_fail(p->o, site, "edge %s to '%s' %s %s", strbuf_str(&edge), snapshot_label(s, e->child),
                what, strbuf_str(&list));
    strbuf_free(&edge);
    strbuf_free(&list);
}

static void check_edge(struct permissions *p, const struct snapshot *s, const struct snap_edge *e,
                       const struct node_view *parent, uint32_t used, uint32_t shared)
{
    struct perm_rule r = rule_of(&e->v, parent, used, shared);
    if (s->nodes[e->child].v.force_share) {
        r.share = ALL;
    }
    if (r.must & ~e->v.perm) {
        report_edge(p, s, &e->v, "use", "does not use", r.must & ~e->v.perm);
    }
    if (e->v.perm & ~r.may) {
        report_edge(p, s, &e->v, "excess", "uses", e->v.perm & ~r.may);
    }
    if (e->v.shared & ~r.share) {
        report_edge(p, s, &e->v, "share", "shares", e->v.shared & ~r.share);
    }
}

/* ---- Nodes ---- */

static void check_node(struct permissions *p, const struct snapshot *s, const struct snap_node *n,
                       uint32_t *used_out)
{
    uint32_t used = 0, shared = ALL;
    for (uint32_t i = n->up; i < n->up + n->ups; i++) {
        used |= s->ups[i].v.perm;
        shared &= s->ups[i].v.shared;
    }
    *used_out = used;
    check_conflicts(p, s, n);
    if (!n->v.settled) {
        return;
    }
    if (n->v.read_only && (used & WRITES)) {
        oracle_fail(p->o, "read-only", "node '%s' is read-only and has a user that may write it",
                    n->v.name);
    }
    if (n->v.force_share && !n->v.read_only) {
        oracle_fail(p->o, "force-share", "node '%s' is shared by force and may be written",
                    n->v.name);
    }
    for (uint32_t i = n->down; i < n->down + n->downs; i++) {
        if (s->downs[i].child != SNAP_NONE) {
            check_edge(p, s, &s->downs[i], &n->v, used, shared);
        }
    }
}

/* ---- Writes ---- */

static void check_written(struct permissions *p, const struct perm_seen *was,
                          const struct perm_seen *is, const char *name, uint32_t between)
{
    if (is->writes == was->writes) {
        return;
    }
    if (!((was->used | is->used | between) & (WRITES | VIEW_RESIZE))) {
        oracle_fail(p->o, "written", "node '%s' was written %" PRIu64 " time(s), and nobody may",
                    name, is->writes - was->writes);
    }
    if (was->read_only && is->read_only && !((was->used | is->used | between) & WRITES)) {
        oracle_fail(p->o, "written", "node '%s' is read-only and was written %" PRIu64 " time(s)",
                    name, is->writes - was->writes);
    }
}

/* What was used since the last look by edges that have changed, by node. */
static void sum_past(struct permissions *p, const struct snapshot *s)
{
    if (s->len > p->used_cap) {
        p->used_cap = 2 * s->len;
        p->used = mem_resize(p->used, p->used_cap * sizeof(*p->used));
    }
    for (uint32_t i = 0; i < s->len; i++) {
        p->used[i] = 0;
    }
    for (uint32_t i = 0; i < p->past_len; i++) {
        uint32_t at = snapshot_node(s, p->past[i].node);
        if (at != SNAP_NONE && s->nodes[at].v.id == p->past[i].id) {
            p->used[at] |= p->past[i].used;
        }
    }
    p->past_len = 0;
}

/* Nodes come at the end of the list and keep their order, so one pass finds them again. */
static void permissions_look(void *state, const struct snapshot *s)
{
    struct permissions *p = state;
    sum_past(p, s);
    if (s->len > p->next_cap) {
        p->next_cap = 2 * s->len;
        p->next = mem_resize(p->next, p->next_cap * sizeof(*p->next));
    }
    for (uint32_t i = 0, old = 0; i < s->len; i++) {
        const struct snap_node *n = &s->nodes[i];
        struct perm_seen *is = &p->next[i];
        *is = (struct perm_seen){ .id = n->v.id, .writes = n->v.writes,
                                  .read_only = n->v.read_only };
        check_node(p, s, n, &is->used);
        while (old < p->seen_len && p->seen[old].id != is->id) {
            old++;
        }
        if (old < p->seen_len) {
            uint32_t own = n->v.copy_on_read ? VIEW_WRITE_UNCHANGED : 0; /* It writes itself. */
            check_written(p, &p->seen[old], is, n->v.name, p->used[i] | own);
        }
    }
    struct perm_seen *swap = p->seen;
    uint32_t swap_cap = p->seen_cap;
    p->seen = p->next;
    p->seen_cap = p->next_cap;
    p->seen_len = s->len;
    p->next = swap;
    p->next_cap = swap_cap;
    p->covered = NULL;
}

static void permissions_edge_changes(void *state, const struct child *c, const struct node *to)
{
    struct permissions *p = state;
    struct edge_view e;
    struct node_view v;
    (void)to;
    p->covered = NULL;
    inspect_edge(c, &e);
    if (!(e.perm & (WRITES | VIEW_RESIZE))) {
        return;
    }
    inspect_view(e.child, &v);
    if (p->past_len == p->past_cap) {
        p->past_cap = p->past_cap ? p->past_cap * 2 : 16;
        p->past = mem_resize(p->past, p->past_cap * sizeof(*p->past));
    }
    p->past[p->past_len++] = (struct perm_past){ e.child, v.id, e.perm };
}

/* ---- Guests ---- */

/* What users outside the graph use on n. */
static uint32_t used_from_outside(const struct node *n)
{
    struct edge_view e;
    uint32_t used = 0;
    for (const struct child *c = inspect_first_parent(n); c; c = inspect_next_parent(c)) {
        inspect_edge(c, &e);
        used |= e.parent ? 0 : e.perm;
    }
    return used;
}

static void permissions_guest_end(void *state, const struct guest_io *io, int ret)
{
    struct permissions *p = state;
    bool changes = io->op != GUEST_READ && io->op != GUEST_FLUSH;
    if (!changes || ret < 0 || io->node == p->covered ||
        (io->bytes == 0 && io->op != GUEST_TRUNCATE)) {
        return;
    }
    uint32_t need = io->op == GUEST_TRUNCATE ? VIEW_RESIZE : VIEW_WRITE;
    uint32_t used = used_from_outside(io->node);
    if (used & need) {
        p->covered = (used & (VIEW_WRITE | VIEW_RESIZE)) == (VIEW_WRITE | VIEW_RESIZE) ? io->node
                                                                                       : NULL;
        return;
    }
    struct node_view v;
    inspect_view(io->node, &v);
    oracle_fail(p->o, "guest", "a guest has %s node '%s', and no user outside the graph may",
                need == VIEW_WRITE ? "written" : "resized", v.name);
}

const struct oracle_ops oracle_permissions = {
    .name = "permissions",
    .help = "Each edge uses what it must and shares no more than it may; writes are covered.",
    .blind = "Whether more is used than needed, or less shared than possible, which would refuse "
             "what QEMU allows; nodes that are being opened or closed; what is right for a driver "
             "beyond the roles of its children; locks outside the process.",
    .create = permissions_create,
    .destroy = permissions_destroy,
    .look = permissions_look,
    .edge_changes = permissions_edge_changes,
    .guest_end = permissions_guest_end,
    .layer_gone = permissions_layer_gone,
};
