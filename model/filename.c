/* SPDX-License-Identifier: MIT */
/* File names in query results.
 *
 * A driver that has a plain name for its image gives it; any other node is "json:{...}" of its
 * driver, its options and its children, without the options that do not say what the image is
 * (node-name, cache and so on).
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/node.h"

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

static json_t *describe_node(const struct node *n)
{
    json_t *out = json_object();
    json_object_set_new(out, "driver", json_string(n->drv->name));
    for (const struct schema_member *m = n->drv->options; m && m->name; m++) {
        json_t *value = json_object_get(n->options, m->name);
        if (value && !(m->flags & MEMBER_HOW) && !node_child(n, m->name)) {
            put_flat(out, m->name, value);
        }
    }
    for (const struct child *c = n->children; c; c = c->next) {
        json_object_set_new(out, c->name, describe_node(c->node));
    }
    return out;
}

char *node_filename(const struct node *n)
{
    char *plain = n->drv->filename ? n->drv->filename(n) : NULL;
    if (plain) {
        return plain;
    }
    json_t *options = describe_node(n);
    char *text = json_dumps(options, JSON_ENSURE_ASCII);
    CHECK(text != NULL);
    char *name = mem_printf("json:%s", text);
    free(text);
    json_decref(options);
    return name;
}
