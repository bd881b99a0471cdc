/* SPDX-License-Identifier: MIT */
/* File names in query results, and the folder that a backing name is relative to.
 *
 * A node has a plain name when it can be opened by it: its driver gives one, or it is a format over
 * a protocol that has one and nothing was said that makes it another image.  Any other node is
 * "json:{...}" of its driver, its options and its children, without the options that only say how
 * the image is used (MEMBER_HOW).
 *
 * A backing file that is not the one of the image's header is part of what the image is.
 * (Behaviour of the installed QEMU 7.2; docs/interop/live-block-operations.rst on json: names.)
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/layer_state.h"
#include "model/node.h"
#include "model/open.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Puts value at key; members of objects and lists get dotted keys of their own. */
static void put_flat(json_t *out, const char *key, json_t *value)
{
    const char *name;
    json_t *member;
    size_t i;
    if (json_is_object(value)) {
        json_object_foreach(value, name, member) {
            char *dotted = mem_printf("%s.%s", key, name);
            put_flat(out, dotted, member);
            free(dotted);
        }
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, member) {
            char *dotted = mem_printf("%s.%zu", key, i);
            put_flat(out, dotted, member);
            free(dotted);
        }
    } else {
        json_object_set(out, key, value);
    }
}

/* What n stands for: a filter that nobody named has no name of its own. */
static const struct node *shown_node(const struct node *n)
{
    while (n->implicit && node_filtered(n)) {
        n = node_filtered(n)->node;
    }
    return n;
}

static const struct node *shown_child(const struct child *c)
{
    return shown_node(c->node);
}

static json_t *describe_node(const struct node *n);
static const char *shown_name(const struct node *n);

/* Option `name` is a list of children, whose edges are "name.0", "name.1"...: as they are now. */
static json_t *describe_list(const struct node *n, const char *name)
{
    json_t *out = json_array();
    size_t len = strlen(name);
    for (const struct child *c = n->children; c; c = c->next) {
        if (strncmp(c->name, name, len) == 0 && c->name[len] == '.') {
            json_array_append_new(out, describe_node(shown_child(c)));
        }
    }
    return out;
}

static bool is_child_option(const struct schema_type *type)
{
    return type == &schema_blockdev_ref || type == &schema_blockdev_ref_or_null ||
           type->element == &schema_blockdev_ref;
}

/* An option that says what the image is. */
static bool is_strong(const struct node *n, const struct schema_member *m)
{
    return !(m->flags & MEMBER_HOW) && !is_child_option(m->type) &&
           json_object_get(n->options, m->name);
}

static bool has_strong_options(const struct node *n)
{
    const struct schema_member *m = n->drv->options;
    while (m && m->name && !is_strong(n, m)) {
        m++;
    }
    return m && m->name;
}

/* The name that the backing file had when it was opened for the header's sake, or the header's. */
static const char *expected_backing(const struct node *n)
{
    const char *name = n->backing_auto ? n->backing_auto : n->backing_file;
    return name ? name : "";
}

static bool backing_is_another(const struct node *n)
{
    const struct child *c = node_backing(n);
    if (!(n->drv->traits & DRV_BACKING)) {
        return false;
    }
    if (!c) {
        return *expected_backing(n) != '\0';
    }
    return strcmp(shown_name(shown_child(c)), expected_backing(n)) != 0;
}

static json_t *describe_node(const struct node *n)
{
    json_t *out = json_object();
    json_object_set_new(out, "driver", json_string(n->drv->name));
    for (const struct schema_member *m = n->drv->options; m && m->name; m++) {
        if (m->type->element == &schema_blockdev_ref) {
            json_object_set_new(out, m->name, describe_list(n, m->name));
        } else if (is_strong(n, m)) {
            put_flat(out, m->name, json_object_get(n->options, m->name));
        }
    }
    for (const struct child *c = n->children; c; c = c->next) {
        if (!strchr(c->name, '.') && !(c->roles & ROLE_COW)) {
            json_object_set_new(out, c->name, describe_node(shown_child(c)));
        }
    }
    if (backing_is_another(n)) {
        const struct child *c = node_backing(n);
        json_object_set_new(out, "backing", c ? describe_node(shown_child(c)) : json_null());
    }
    return out;
}

/* ---- plain names ---- */

static bool is_protocol(const struct node *n)
{
    return (n->drv->traits & DRV_PROTOCOL) || n->drv->prefix;
}

/* New string, or NULL. */
static char *plain_filename(const struct node *n)
{
    if (n->drv->filename) {
        return n->drv->filename(n);
    }
    const struct child *c = node_primary(n);
    if (!c || !(n->drv->traits & DRV_FORMAT) || !is_protocol(shown_child(c)) ||
        has_strong_options(n) || backing_is_another(n)) {
        return NULL;
    }
    return plain_filename(shown_child(c));
}

/* ---- passes ---- */

enum { NAME_MAX_BYTES = 4095 };
#define CUT "..." /* Stands for what is beyond. */

static char *make_name(const struct node *node)
{
    const struct node *n = shown_node(node);
    char *plain = plain_filename(n);
    if (plain) {
        return plain;
    }
    json_t *options = describe_node(n);
    char *text = json_dumps(options, JSON_ENSURE_ASCII);
    CHECK(text != NULL);
    char *name = mem_printf("json:%s", text);
    free(text);
    json_decref(options);
    if (strlen(name) > NAME_MAX_BYTES) {
        memcpy(name + NAME_MAX_BYTES - strlen(CUT), CUT, strlen(CUT) + 1);
    }
    return name;
}

void filenames_begin(struct layer *l)
{
    CHECK(!l->naming);
    l->naming = true;
    l->name_passes++;
}

void filenames_end(struct layer *l)
{
    CHECK(l->naming);
    l->naming = false;
}

static bool is_named(const struct node *n)
{
    return n->shown_at == n->layer->name_passes;
}

/* The name of a node in this pass.  Whether a name is plain is asked of the whole chain below it:
 * the lowest node that has none yet comes first, so the question goes down one step. */
static const char *shown_name(const struct node *n)
{
    CHECK(n->layer->naming);
    while (!is_named(n)) {
        struct node *at = (struct node *)(uintptr_t)n;
        const struct child *c;
        while ((c = node_backing(at)) != NULL && !is_named(shown_child(c))) {
            at = (struct node *)(uintptr_t)shown_child(c);
        }
        char *name = make_name(at);
        free(at->shown);
        at->shown = name;
        at->shown_at = at->layer->name_passes;
    }
    return n->shown;
}

char *node_filename(const struct node *n)
{
    struct layer *l = n->layer;
    bool alone = !l->naming;
    if (alone) {
        filenames_begin(l);
    }
    char *name = mem_strdup(shown_name(n));
    if (alone) {
        filenames_end(l);
    }
    return name;
}

bool node_backing_is_another(const struct node *n)
{
    bool alone = !n->layer->naming;
    if (alone) {
        filenames_begin(n->layer);
    }
    bool another = backing_is_another(n);
    if (alone) {
        filenames_end(n->layer);
    }
    return another;
}

/* ---- folders ---- */

/* Several images below one node have no folder in common. */
static bool has_one_folder(const struct node *n)
{
    uint32_t storage = 0;
    for (const struct child *c = n->children; c; c = c->next) {
        storage += (c->roles & (ROLE_DATA | ROLE_FILTERED)) != 0;
    }
    return (n->drv->traits & DRV_FORMAT) || (storage == 1 && node_primary(n));
}

int node_backing_path(const struct node *n, char **out, struct error *err)
{
    const char *name = n->backing_file;
    CHECK(name != NULL);
    if (*name == '/' || name_has_protocol(name)) {
        *out = mem_strdup(name);
        return 0;
    }
    while (n->children) {
        if (!has_one_folder(n)) {
            return error_set(err, -ENOTSUP, "Cannot generate a base directory for %s nodes",
                             n->drv->name);
        }
        const struct child *c = node_primary(n);
        CHECK(c != NULL);
        n = c->node;
    }
    char *base = node_filename(n);
    if (strncmp(base, "json:", strlen("json:")) == 0) {
        free(base);
        return error_set(err, -ENOTSUP, "Cannot generate a base directory for %s nodes",
                         n->drv->name);
    }
    *out = name_combine(base, name);
    free(base);
    return 0;
}
