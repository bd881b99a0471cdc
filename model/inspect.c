/* SPDX-License-Identifier: MIT */
#include "model/inspect.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/blocker.h"
#include "model/dirty_bitmap.h"
#include "model/layer_state.h"

#include <string.h>

_Static_assert(VIEW_CONSISTENT_READ == (int)PERM_CONSISTENT_READ && VIEW_WRITE == (int)PERM_WRITE &&
                   VIEW_WRITE_UNCHANGED == (int)PERM_WRITE_UNCHANGED &&
                   VIEW_RESIZE == (int)PERM_RESIZE,
               "permissions are shown as they are");
_Static_assert(VIEW_DATA == (int)ROLE_DATA && VIEW_METADATA == (int)ROLE_METADATA &&
                   VIEW_FILTERED == (int)ROLE_FILTERED && VIEW_COW == (int)ROLE_COW &&
                   VIEW_PRIMARY == (int)ROLE_PRIMARY,
               "roles are shown as they are");

/* How the reasons of jobs' blockers begin (model/job/block_job.c). */
#define JOB_BLOCKER "block device is in use by block job"

static uint32_t count_tracked(const struct node *n)
{
    uint32_t count = 0;
    for (const struct tracked *t = n->tracked; t; t = t->next) {
        count++;
    }
    return count;
}

static uint32_t count_job_bitmaps(const struct node *n)
{
    uint32_t count = 0;
    for (const struct dirty_bitmap *b = bitmap_first(n); b; b = bitmap_next(b)) {
        count += !bitmap_name(b) || (bitmap_is_busy(b) && !bitmap_is_exported(b));
    }
    return count;
}

const struct node *inspect_first(const struct layer *l)
{
    return l->nodes;
}

const struct node *inspect_next(const struct node *n)
{
    return n->next;
}

const struct node *inspect_prev(const struct node *n)
{
    return n->prev;
}

void inspect_view(const struct node *n, struct node_view *out)
{
    *out = (struct node_view){ .node = n,
                               .id = n->id,
                               .name = n->name,
                               .driver = n->drv->name,
                               .length = n->length,
                               .refs = n->refs,
                               .held = n->held,
                               .monitor_owned = n->monitor_owned,
                               .settled = node_is_usable(n),
                               .in_flight = n->in_flight,
                               .tracked = count_tracked(n),
                               .started = n->started,
                               .job_started = n->job_started,
                               .writes = n->write_gen,
                               .height = n->height,
                               .iothread = n->iothread,
                               .quiesce = n->quiesce,
                               .covered = n->covered,
                               .inherits = n->inherits,
                               .read_only = n->flags.read_only,
                               .force_share = n->flags.force_share,
                               .is_filter = (n->drv->traits & DRV_FILTER) != 0,
                               .is_format = (n->drv->traits & DRV_FORMAT) != 0,
                               .copy_on_read = n->copy_on_read,
                               .cache_no_flush = n->flags.cache_no_flush,
                               .implicit = n->implicit,
                               .job_blockers = blocker_count(n, JOB_BLOCKER),
                               .job_bitmaps = count_job_bitmaps(n) };
}

bool inspect_node(const struct layer *l, size_t i, struct node_view *out)
{
    const struct node *n = l->nodes;
    while (n && i-- > 0) {
        n = n->next;
    }
    if (n) {
        inspect_view(n, out);
    }
    return n != NULL;
}

const struct child *inspect_first_child(const struct node *n)
{
    return n->children;
}

const struct child *inspect_next_child(const struct child *c)
{
    return c->next;
}

const struct child *inspect_first_parent(const struct node *n)
{
    return n->parents;
}

const struct child *inspect_next_parent(const struct child *c)
{
    return c->next_parent;
}

void inspect_edge(const struct child *c, struct edge_view *out)
{
    *out = (struct edge_view){ .id = c->id,
                               .parent = c->parent,
                               .child = c->node,
                               .name = c->name,
                               .roles = c->roles,
                               .perm = c->perm.used,
                               .shared = c->perm.shared,
                               .frozen = c->frozen,
                               .blocks = c->blocker != NULL,
                               .quiet = c->quiet,
                               .covers = c->covers,
                               .of_job = !c->parent && c->ops &&
                                         (c->ops->stay_at_node || backend_is_of_job(c)) };
}

const struct dirty_bitmap *inspect_first_bitmap(const struct node *n)
{
    return bitmap_first(n);
}

const struct dirty_bitmap *inspect_next_bitmap(const struct dirty_bitmap *b)
{
    return bitmap_next(b);
}

void inspect_bitmap(const struct dirty_bitmap *b, struct bitmap_view *out)
{
    struct bitmap_stamp stamp = bitmap_stamp(b);
    *out = (struct bitmap_view){ .id = stamp.id,
                                 .name = bitmap_name(b),
                                 .stands_for = stamp.stands_for,
                                 .cleared = stamp.cleared,
                                 .paused = stamp.paused,
                                 .length = bitset_length(bitmap_bits(b)),
                                 .enabled = bitmap_is_enabled(b) };
}

int64_t inspect_bitmap_clean(const struct dirty_bitmap *b, int64_t offset, int64_t bytes)
{
    return bitset_next_clear(bitmap_bits(b), offset, bytes);
}

const struct layer *inspect_layer(const struct node *n)
{
    return n->layer;
}

char *inspect_option(const struct node *n, const char *name)
{
    struct opts o = { .values = n->options, .members = n->drv->options };
    const json_t *value = opts_get(&o, name);
    if (value) {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_SORT_KEYS | JSON_COMPACT);
        CHECK(text != NULL);
        return text;
    }
    for (const struct schema_member *m = n->drv->options; m && m->name; m++) {
        if (strcmp(m->name, name) == 0) {
            return mem_strdup("default");
        }
    }
    return NULL;
}

bool inspect_info(const struct node *n, int64_t *cluster_size)
{
    struct driver_info info;
    bool known = node_is_usable(n) && node_info(n, &info) == 0;
    *cluster_size = known ? info.cluster_size : 0;
    return known;
}

int64_t inspect_vm_state(const struct node *n)
{
    struct driver_info info;
    return node_is_usable(n) && node_info(n, &info) == 0 ? info.vm_state_offset : 0;
}

char *inspect_specific(const struct node *n)
{
    struct strbuf out = { 0 };
    json_t *data = node_is_usable(n) && n->drv->specific ? n->drv->specific(n) : NULL;
    const char *name;
    json_t *value;
    json_object_foreach(data, name, value) {
        strbuf_puts(&out, "    ");
        for (const char *p = name; *p; p++) {
            strbuf_putc(&out, *p == '-' ? ' ' : *p);
        }
        if (json_is_string(value)) {
            strbuf_printf(&out, ": %s\n", json_string_value(value));
        } else if (json_is_integer(value)) {
            strbuf_printf(&out, ": %" JSON_INTEGER_FORMAT "\n", json_integer_value(value));
        } else {
            strbuf_printf(&out, ": %s\n", json_is_true(value) ? "true" : "false");
        }
    }
    json_decref(data);
    return out.text;
}

bool inspect_is_busy(const struct layer *l)
{
    return l->session != NULL || l->drainers > 0;
}

void inspect_watch(struct layer *l, const struct graph_watch *watch)
{
    l->watch = *watch;
}
