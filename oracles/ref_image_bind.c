/* SPDX-License-Identifier: MIT */
/* Which reference a node belongs to, and which references share storage.
 *
 * Use: ref_bind at each request; ref_unbind_all whenever the graph may have changed.
 *
 * A reference belongs to the node that stores the guest's data (filters share it) and is found
 * again by its key: the node's name and driver, where its data lies (offset, size) and the files
 * below.  So it outlives the node, the layer and a power cut, and a node that gets other storage
 * gets another reference.
 *
 * Invariants: (1) pointers to nodes are used only within the epoch in which they were seen;
 * (2) a write to a reference leaves nothing known in those of whose storage it writes a part.
 */
#include "base/check.h"
#include "base/mem.h"
#include "oracles/ref_image.h"

#include <stdlib.h>
#include <string.h>

static bool view_of(const struct layer *l, const struct node *n, struct node_view *out)
{
    const struct node *at = inspect_first(l);
    while (at && at != n) {
        at = inspect_next(at);
    }
    if (at) {
        inspect_view(at, out);
    }
    return at != NULL;
}

int64_t ref_length(const struct layer *l, const struct node *n)
{
    struct node_view v;
    const struct node *bottom = inspect_bottom(n);
    return bottom && view_of(l, bottom, &v) && v.length > 0 ? v.length : 0;
}

/* An option's JSON text in a new string, or NULL when it was not given. */
static char *option_of(const struct node *n, const char *name)
{
    char *text = inspect_option(n, name);
    if (text && strcmp(text, "default") == 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* --- What lies below a node --- */

static void nodes_add(struct ref *r, const struct node *n, bool written)
{
    for (size_t i = 0; i < r->nodes_len; i++) {
        if (r->nodes[i] == n) {
            return;
        }
    }
    size_t len = r->nodes_len + 1;
    r->nodes = mem_resize(r->nodes, len * sizeof(*r->nodes));
    r->nodes_written = mem_resize(r->nodes_written, len * sizeof(*r->nodes_written));
    r->nodes[r->nodes_len] = n;
    r->nodes_written[r->nodes_len++] = written;
}

static void add_children(struct ref *r, const struct node *n, bool backing)
{
    struct edge_view e;
    for (const struct child *c = inspect_first_child(n); c; c = inspect_next_child(c)) {
        inspect_edge(c, &e);
        if (backing || !(e.roles & VIEW_COW)) {
            nodes_add(r, e.child, !backing);
        }
    }
}

/* Adds n and all nodes below.  Backing files are only read through it. */
static void collect_nodes(struct ref *r, const struct node *n)
{
    nodes_add(r, n, true);
    for (size_t i = 0; i < r->nodes_len; i++) {
        add_children(r, r->nodes[i], false);
    }
    for (size_t i = 0; i < r->nodes_len; i++) {
        add_children(r, r->nodes[i], true);
    }
}

static void files_free(struct ref *r)
{
    for (size_t i = 0; i < r->files_len; i++) {
        free(r->files[i].name);
    }
    free(r->files);
    r->files = NULL;
    r->files_len = 0;
}

/* Adds the files of nodes from number `first` on. */
static void collect_files(struct ref *r, size_t first)
{
    for (size_t i = first; i < r->nodes_len; i++) {
        char *name = option_of(r->nodes[i], "filename");
        if (name) {
            r->files = mem_resize(r->files, (r->files_len + 1) * sizeof(*r->files));
            r->files[r->files_len++] =
                (struct ref_file){ .name = name, .written = r->nodes_written[i] };
        }
    }
}

/* Storage that keeps nothing: what is read there is not defined. */
static bool has_null_storage(const struct ref *r, const struct layer *l)
{
    struct node_view v;
    for (size_t i = 0; i < r->nodes_len; i++) {
        if (view_of(l, r->nodes[i], &v) && strncmp(v.driver, "null-", 5) == 0) {
            return true;
        }
    }
    return false;
}

static char *make_key(const struct ref *r, const struct node_view *v)
{
    struct strbuf b = { 0 };
    strbuf_printf(&b, "%s|%s", v->name, v->driver);
    static const char *const place[] = { "offset", "size" };
    for (size_t i = 0; i < ARRAY_LEN(place); i++) {
        char *text = option_of(v->node, place[i]);
        strbuf_printf(&b, "|%s", text ? text : "");
        free(text);
    }
    for (size_t i = 0; i < r->files_len; i++) {
        strbuf_printf(&b, "|%s", r->files[i].name);
    }
    return b.text;
}

/* --- Finding a reference --- */

static struct ref *ref_find(const struct ref_image *s, const char *key)
{
    for (size_t i = 0; i < s->refs_len; i++) {
        if (strcmp(s->refs[i]->key, key) == 0) {
            return s->refs[i];
        }
    }
    return NULL;
}

static void refs_add(struct ref_image *s, struct ref *r)
{
    if (s->refs_len == s->refs_cap) {
        s->refs_cap = s->refs_cap ? s->refs_cap * 2 : 8;
        s->refs = mem_resize(s->refs, s->refs_cap * sizeof(struct ref *));
    }
    s->refs[s->refs_len++] = r;
}

/* Moves what was collected in `from` to r. */
static void take_over(struct ref *r, struct ref *from)
{
    files_free(r);
    free(r->nodes);
    free(r->nodes_written);
    r->nodes = from->nodes;
    r->nodes_written = from->nodes_written;
    r->nodes_len = from->nodes_len;
    r->files = from->files;
    r->files_len = from->files_len;
}

static struct ref *ref_of(struct ref_image *s, const struct layer *l, const struct node *bottom)
{
    struct ref seen = { 0 };
    struct node_view v;
    bool found = view_of(l, bottom, &v);
    CHECK(found);
    collect_nodes(&seen, bottom);
    collect_files(&seen, 0);
    char *key = make_key(&seen, &v);
    struct ref *r = ref_find(s, key);
    if (r) {
        free(key);
    } else {
        r = NEW(struct ref);
        r->key = key;
        r->name = mem_strdup(v.name);
        refs_add(s, r);
    }
    take_over(r, &seen);
    r->skip = has_null_storage(r, l);
    r->epoch = s->epoch;
    s->aliases_gen++;
    return r;
}

/* Does a flush of n make nothing durable? */
static bool flush_is_void(const struct layer *l, const struct node *n)
{
    struct ref below = { 0 };
    struct node_view v;
    bool no_flush = false;
    collect_nodes(&below, n);
    for (size_t i = 0; i < below.nodes_len; i++) {
        no_flush |= view_of(l, below.nodes[i], &v) && v.cache_no_flush;
    }
    free(below.nodes);
    free(below.nodes_written);
    return no_flush;
}

struct ref_binding ref_bind(struct ref_image *s, const struct layer *l, const struct node *n)
{
    for (size_t i = 0; i < s->bind_len; i++) {
        if (s->bind[i].node == n) {
            return s->bind[i];
        }
    }
    const struct node *bottom = inspect_bottom(n);
    struct ref_binding b = { .node = n };
    for (size_t i = 0; i < s->refs_len && !b.ref; i++) {
        const struct ref *r = s->refs[i];
        b.ref = r->epoch == s->epoch && r->nodes[0] == bottom ? s->refs[i] : NULL;
    }
    if (!b.ref) {
        b.ref = ref_of(s, l, bottom);
    }
    if (n != bottom) { /* A filter may write more than its filtered child: blkverify. */
        size_t first = b.ref->nodes_len;
        collect_nodes(b.ref, n);
        collect_files(b.ref, first);
        s->aliases_gen++;
    }
    b.no_flush = flush_is_void(l, n);
    if (s->bind_len == s->bind_cap) {
        s->bind_cap = s->bind_cap ? s->bind_cap * 2 : 8;
        s->bind = mem_resize(s->bind, s->bind_cap * sizeof(*s->bind));
    }
    s->bind[s->bind_len++] = b;
    return b;
}

void ref_unbind_all(struct ref_image *s)
{
    s->bind_len = 0;
    s->epoch++;
}

/* --- Shared storage --- */

static bool shares_storage(const struct ref *writer, const struct ref *other)
{
    for (size_t i = 0; i < writer->nodes_len && other->epoch == writer->epoch; i++) {
        for (size_t k = 0; k < other->nodes_len && writer->nodes_written[i]; k++) {
            if (writer->nodes[i] == other->nodes[k]) {
                return true;
            }
        }
    }
    for (size_t i = 0; i < writer->files_len; i++) {
        for (size_t k = 0; k < other->files_len && writer->files[i].written; k++) {
            if (strcmp(writer->files[i].name, other->files[k].name) == 0) {
                return true;
            }
        }
    }
    return false;
}

void ref_find_aliases(struct ref_image *s, struct ref *r)
{
    if (r->aliases_gen == s->aliases_gen) {
        return;
    }
    CHECK(r->epoch == s->epoch);
    r->aliases_gen = s->aliases_gen;
    r->aliases_len = 0;
    for (size_t i = 0; i < s->refs_len; i++) {
        struct ref *other = s->refs[i];
        if (other != r && !other->skip && shares_storage(r, other)) {
            r->aliases =
                mem_resize(r->aliases, (r->aliases_len + 1) * sizeof(struct ref *));
            r->aliases[r->aliases_len++] = other;
        }
    }
}

bool ref_has_file(const struct ref *r, const char *filename)
{
    size_t len = strlen(filename);
    for (size_t i = 0; i < r->files_len; i++) {
        const char *name = r->files[i].name;
        bool quoted = name[0] == '"' && strlen(name) == len + 2;
        if (quoted ? strncmp(name + 1, filename, len) == 0 : strcmp(name, filename) == 0) {
            return true;
        }
    }
    return false;
}

void ref_destroy(struct ref_image *s, struct ref *r)
{
    ref_forget(s, r);
    files_free(r);
    free(r->nodes);
    free(r->nodes_written);
    free(r->aliases);
    free(r->pages_memory);
    free(r->ranges);
    free(r->key);
    free(r->name);
    free(r);
}
