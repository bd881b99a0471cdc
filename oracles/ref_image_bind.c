/* SPDX-License-Identifier: MIT */
/* Which reference a node belongs to, and which references share storage.
 *
 * Use: ref_bind at each request; ref_unbind_all whenever the graph may have changed.
 *
 * A reference belongs to the node that stores the guest's data (filters share it) and is found
 * again by its key: the node's name and driver, where its data lies (offset, size) and the files
 * below, its backing file's excepted.  So it outlives the node, the layer and a power cut, and a
 * node that gets other storage gets another reference.  An image that is opened again under another
 * name keeps its reference, when no node has the old name.
 *
 * What a node with a backing file shows is its own reference over that of the backing file.
 *
 * Invariants: (1) pointers to nodes are used only within the epoch in which they were seen;
 * (2) a write to a reference leaves nothing known in those of whose storage it writes a part.
 */
#include "base/check.h"
#include "base/mem.h"
#include "oracles/ref_image.h"
#include "oracles/snapshot.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* The node that stores what n shows: whoever has a filtered child shows the same as it does. */
static const struct node *bottom_of(const struct node *n)
{
    for (const struct child *c = inspect_first_child(n); c;) {
        struct edge_view e;
        inspect_edge(c, &e);
        if (e.roles & VIEW_FILTERED) {
            n = e.child;
            c = inspect_first_child(n);
        } else {
            c = inspect_next_child(c);
        }
    }
    return n;
}

int64_t ref_length(const struct node *n)
{
    struct node_view v;
    inspect_view(bottom_of(n), &v);
    return MAX(v.length, 0);
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

static void nodes_add(struct ref *r, struct ptr_set *seen, const struct node *n, bool written)
{
    if (!ptr_set_add(seen, n)) {
        return;
    }
    size_t len = r->nodes_len + 1;
    r->nodes = mem_resize(r->nodes, len * sizeof(*r->nodes));
    r->nodes_written = mem_resize(r->nodes_written, len * sizeof(*r->nodes_written));
    r->nodes[r->nodes_len] = n;
    r->nodes_written[r->nodes_len++] = written;
}

static void add_children(struct ref *r, struct ptr_set *seen, const struct node *n, bool backing)
{
    struct edge_view e;
    for (const struct child *c = inspect_first_child(n); c; c = inspect_next_child(c)) {
        inspect_edge(c, &e);
        if (backing || !(e.roles & VIEW_COW)) {
            nodes_add(r, seen, e.child, !backing);
        }
    }
}

/* Adds n and all nodes below, without the backing file of bottom, which has a reference of its own.
 * Backing files of others are only read through it. */
static void collect_nodes(struct ref *r, const struct node *n, const struct node *bottom)
{
    struct ptr_set seen = { 0 };
    for (size_t i = 0; i < r->nodes_len; i++) {
        ptr_set_add(&seen, r->nodes[i]);
    }
    nodes_add(r, &seen, n, true);
    for (size_t i = 0; i < r->nodes_len; i++) {
        if (r->nodes_written[i]) {
            add_children(r, &seen, r->nodes[i], false);
        }
    }
    for (size_t i = 0; i < r->nodes_len; i++) {
        if (r->nodes[i] != bottom) {
            add_children(r, &seen, r->nodes[i], true);
        }
    }
    ptr_set_free(&seen);
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
static bool has_null_storage(const struct ref *r)
{
    struct node_view v;
    for (size_t i = 0; i < r->nodes_len; i++) {
        inspect_view(r->nodes[i], &v);
        if (strncmp(v.driver, "null-", 5) == 0) {
            return true;
        }
    }
    return false;
}

/* A format keeps its own data in n: not only what its guest writes is written there. */
static bool holds_metadata(const struct node *n)
{
    struct ref above = { 0 }; /* n and the filters above it. */
    struct ptr_set seen = { 0 };
    bool found = false;
    nodes_add(&above, &seen, n, true);
    for (size_t i = 0; i < above.nodes_len && !found; i++) {
        const struct child *c = inspect_first_parent(above.nodes[i]);
        for (; c && !found; c = inspect_next_parent(c)) {
            struct edge_view e;
            inspect_edge(c, &e);
            found = e.roles & VIEW_METADATA;
            if (e.parent && (e.roles & VIEW_FILTERED)) {
                nodes_add(&above, &seen, e.parent, true);
            }
        }
    }
    ptr_set_free(&seen);
    free(above.nodes);
    free(above.nodes_written);
    return found;
}

static char *make_image(const struct ref *r, const struct node_view *v)
{
    struct strbuf b = { 0 };
    strbuf_puts(&b, v->driver);
    static const char *const place[] = { "offset", "size" };
    for (size_t i = 0; i < ARRAY_LEN(place); i++) {
        char *text = option_of(v->node, place[i]);
        strbuf_putc(&b, '|');
        strbuf_puts(&b, text ? text : "");
        free(text);
    }
    for (size_t i = 0; i < r->files_len; i++) {
        strbuf_putc(&b, '|');
        strbuf_puts(&b, r->files[i].name);
    }
    return b.text;
}

/* --- Finding a reference --- */

static struct ref *ref_find(const struct ref_image *s, const struct ref *seen)
{
    for (size_t i = 0; i < s->refs_len; i++) {
        if (s->refs[i]->key_hash == seen->key_hash && strcmp(s->refs[i]->key, seen->key) == 0) {
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

static bool has_node(const struct layer *l, const char *name)
{
    struct node_view v = { .name = "" };
    for (const struct node *n = inspect_first(l); n && strcmp(v.name, name) != 0;
         n = inspect_next(n)) {
        inspect_view(n, &v);
    }
    return strcmp(v.name, name) == 0;
}

/* The reference of the same image under a name that no node has any more. */
static struct ref *ref_adopt(struct ref_image *s, const struct layer *l, const struct ref *seen,
                             const char *name)
{
    for (size_t i = s->refs_len; i > 0 && seen->files_len > 0; i--) {
        struct ref *r = s->refs[i - 1];
        if (r->image_hash == seen->image_hash && strcmp(r->image, seen->image) == 0 &&
            !has_node(l, r->name)) {
            free(r->key);
            free(r->name);
            r->key = mem_strdup(seen->key);
            r->key_hash = seen->key_hash;
            r->name = mem_strdup(name);
            return r;
        }
    }
    return NULL;
}

/* The node is another than the one before it, which may not have been able to write everything when
 * it was closed: then that is as after a power cut. */
static void ref_reopened(struct ref_image *s, struct ref *r)
{
    struct node_view v;
    bool trouble = s->trouble > r->durable;
    for (size_t i = 0; i < r->nodes_len; i++) {
        inspect_view(r->nodes[i], &v);
        trouble |= strcmp(v.driver, "blkdebug") == 0;
    }
    if (r->allocates && trouble) {
        ref_cut(s, r);
    }
}

/* The reference of a node without regard to what lies below it. */
static struct ref *ref_of(struct ref_image *s, const struct layer *l, const struct node *bottom)
{
    struct ref seen = { 0 };
    struct node_view v;
    inspect_view(bottom, &v);
    collect_nodes(&seen, bottom, bottom);
    collect_files(&seen, 0);
    seen.image = make_image(&seen, &v);
    seen.key = mem_printf("%s|%s", v.name, seen.image);
    seen.key_hash = XXH3_64bits(seen.key, strlen(seen.key));
    seen.image_hash = XXH3_64bits(seen.image, strlen(seen.image));
    struct ref *r = ref_find(s, &seen);
    r = r ? r : ref_adopt(s, l, &seen, v.name);
    bool is_new = !r;
    if (is_new) {
        r = NEW(struct ref);
        r->key = mem_strdup(seen.key);
        r->image = mem_strdup(seen.image);
        r->key_hash = seen.key_hash;
        r->image_hash = seen.image_hash;
        r->name = mem_strdup(v.name);
        refs_add(s, r);
    }
    free(seen.key);
    free(seen.image);
    take_over(r, &seen);
    r->allocates = inspect_info(bottom, &r->cluster) && r->cluster > 0;
    if (!is_new && r->node_id != v.id) {
        ref_reopened(s, r);
    }
    r->node_id = v.id;
    r->length = MAX(v.length, 0);
    r->skip = has_null_storage(r) || holds_metadata(bottom);
    if (r->skip) {
        ref_forget(s, r);
    } else if (!r->blank && r->pages_len == 0 && r->ranges_len == 0) {
        ref_find_blank(s, r, v.driver);
    }
    r->epoch = s->epoch;
    s->aliases_gen++;
    return r;
}

static struct ref *ref_in_epoch(const struct ref_image *s, const struct node *bottom)
{
    for (size_t i = 0; i < s->refs_len; i++) {
        struct ref *r = s->refs[i];
        if (r->epoch == s->epoch && r->nodes[0] == bottom) {
            return r;
        }
    }
    return NULL;
}

/* The node that stores what the backing file of bottom shows, or NULL. */
static const struct node *backing_of(const struct node *bottom)
{
    struct edge_view e;
    for (const struct child *c = inspect_first_child(bottom); c; c = inspect_next_child(c)) {
        inspect_edge(c, &e);
        if (e.roles & VIEW_COW) {
            return bottom_of(e.child);
        }
    }
    return NULL;
}

/* The references of a node and of all that it shows, the lowest first. */
static struct ref *ref_of_chain(struct ref_image *s, const struct layer *l,
                                const struct node *bottom)
{
    const struct node **chain = NULL;
    size_t len = 0, cap = 0;
    struct ref *below = NULL;
    for (const struct node *n = bottom; n && !below; n = backing_of(n)) {
        below = ref_in_epoch(s, n);
        if (len == cap) {
            cap = cap ? cap * 2 : 8;
            chain = mem_resize(chain, cap * sizeof(*chain));
        }
        if (!below) {
            chain[len++] = n;
        }
    }
    while (len > 0) {
        struct ref *r = ref_of(s, l, chain[--len]);
        ref_set_below(s, r, below);
        below = r;
    }
    free(chain);
    return below;
}

/* What a flush of n, and a read through it, come to. */
static void look_below(const struct node *n, const struct node *bottom, struct ref_binding *b)
{
    struct ref below = { 0 };
    struct node_view v;
    collect_nodes(&below, n, NULL);
    for (size_t i = 0; i < below.nodes_len; i++) {
        inspect_view(below.nodes[i], &v);
        b->no_flush |= v.cache_no_flush;
    }
    free(below.nodes);
    free(below.nodes_written);
    for (;;) {
        struct edge_view e = { .child = NULL };
        inspect_view(n, &v);
        b->copies |= v.copy_on_read || strcmp(v.driver, "copy-on-read") == 0;
        if (n == bottom) {
            return;
        }
        for (const struct child *c = inspect_first_child(n); c; c = inspect_next_child(c)) {
            struct edge_view at;
            inspect_edge(c, &at);
            e = !e.child && (at.roles & VIEW_FILTERED) ? at : e;
        }
        CHECK(e.child != NULL);
        n = e.child;
    }
}

struct ref_binding ref_bind(struct ref_image *s, const struct layer *l, const struct node *n)
{
    for (size_t i = 0; i < s->bind_len; i++) {
        if (s->bind[i].node == n) {
            return s->bind[i];
        }
    }
    const struct node *bottom = bottom_of(n);
    struct ref_binding b = { .node = n, .ref = ref_of_chain(s, l, bottom) };
    CHECK(b.ref != NULL);
    ref_view_bind(s, b.ref, bottom);
    if (n != bottom) { /* A filter may write more than its filtered child: blkverify. */
        size_t first = b.ref->nodes_len;
        collect_nodes(b.ref, n, bottom);
        collect_files(b.ref, first);
        s->aliases_gen++;
    }
    look_below(n, bottom, &b);
    if (s->bind_len == s->bind_cap) {
        s->bind_cap = s->bind_cap ? s->bind_cap * 2 : 8;
        s->bind = mem_resize(s->bind, s->bind_cap * sizeof(*s->bind));
    }
    s->bind[s->bind_len++] = b;
    return b;
}

/* The image of a format was opened: it may have written to its file by itself. */
static void forget_storage(struct ref_image *s, const struct node *file)
{
    char *name = option_of(bottom_of(file), "filename");
    for (size_t i = 0; i < s->refs_len && name; i++) {
        struct ref *r = s->refs[i];
        bool found = false;
        for (size_t k = 0; k < r->files_len && !r->allocates; k++) {
            found |= strcmp(r->files[k].name, name) == 0;
        }
        if (found) {
            ref_forget(s, r);
        }
    }
    free(name);
}

void ref_look(struct ref_image *s, const struct snapshot *g)
{
    uint64_t last = s->edges_seen;
    for (uint32_t i = 0; i < g->downs_len; i++) {
        const struct edge_view *e = &g->downs[i].v;
        if (e->id > s->edges_seen && (e->roles & VIEW_METADATA)) {
            forget_storage(s, e->child);
        }
        last = MAX(last, e->id);
    }
    s->edges_seen = last;
    ref_views_look(s, g);
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

static void list_add(struct ref ***list, size_t *len, struct ref *r)
{
    *list = mem_resize(*list, (*len + 1) * sizeof(struct ref *));
    (*list)[(*len)++] = r;
}

void ref_find_aliases(struct ref_image *s, struct ref *r)
{
    if (r->aliases_gen == s->aliases_gen) {
        return;
    }
    r->aliases_gen = s->aliases_gen;
    r->aliases_len = 0;
    r->overlays_len = 0;
    for (size_t i = 0; i < s->refs_len; i++) {
        struct ref *other = s->refs[i];
        if (other == r) {
            continue;
        }
        if (!other->skip && shares_storage(r, other)) {
            list_add(&r->aliases, &r->aliases_len, other);
        }
        if (ref_shows(other, r)) {
            list_add(&r->overlays, &r->overlays_len, other);
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
    ref_drop(s, r);
    files_free(r);
    free(r->nodes);
    free(r->nodes_written);
    free(r->aliases);
    free(r->overlays);
    free(r->touched);
    free(r->image);
    free(r->pages_memory);
    free(r->ranges);
    free(r->key);
    free(r->name);
    free(r);
}
