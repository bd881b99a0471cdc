/* SPDX-License-Identifier: MIT */
/* layer_draw: the block graph in the DOT language. */
#include "base/check.h"
#include "model/layer_state.h"

#include <inttypes.h>

/* In quotes; a line feed becomes DOT's. */
static void put_quoted(struct strbuf *out, const char *text)
{
    strbuf_putc(out, '"');
    for (; *text; text++) {
        if (*text == '\n') {
            strbuf_puts(out, "\\n");
            continue;
        }
        if (*text == '"' || *text == '\\') {
            strbuf_putc(out, '\\');
        }
        strbuf_putc(out, *text);
    }
    strbuf_putc(out, '"');
}

static void put_letters(struct strbuf *out, uint32_t perm)
{
    static const struct {
        uint32_t bit;
        char letter;
    } letters[] = { { PERM_CONSISTENT_READ, 'r' },
                    { PERM_WRITE, 'w' },
                    { PERM_WRITE_UNCHANGED, 'u' },
                    { PERM_RESIZE, 's' } };
    bool any = false;
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
        if (perm & letters[i].bit) {
            strbuf_putc(out, letters[i].letter);
            any = true;
        }
    }
    strbuf_puts(out, any ? "" : "-");
}

static void put_node(struct strbuf *out, const struct node *n)
{
    struct strbuf label = { .text = NULL };
    strbuf_printf(&label, "%s\n%s", n->name, n->drv->name);
    if (node_is_usable(n)) {
        strbuf_printf(&label, ", %" PRId64 " bytes", n->length);
    }
    strbuf_printf(&label, "%s%s%s", n->flags.read_only ? "\nread-only" : "",
                  n->quiesce ? "\ndrained" : "", !n->open ? "\nopening" : "");
    strbuf_puts(&label, n->closing ? "\nclosing" : "");
    strbuf_puts(out, "  ");
    put_quoted(out, n->name);
    strbuf_puts(out, " [label=");
    put_quoted(out, strbuf_str(&label));
    strbuf_puts(out, n->drv->traits & DRV_FILTER ? ", style=rounded" : "");
    strbuf_puts(out, n->monitor_owned ? ", penwidth=2];\n" : "];\n");
    strbuf_free(&label);
}

/* from: as it stands in the text, quotes included. */
static void put_edge(struct strbuf *out, const char *from, const struct child *c)
{
    struct strbuf label = { .text = NULL };
    strbuf_printf(&label, "%s\n", c->name);
    put_letters(&label, c->perm.used);
    strbuf_putc(&label, '/');
    put_letters(&label, c->perm.shared);
    strbuf_printf(out, "  %s -> ", from);
    put_quoted(out, c->node->name);
    strbuf_puts(out, " [label=");
    put_quoted(out, strbuf_str(&label));
    strbuf_puts(out, c->roles & ROLE_COW ? ", style=dashed" : "");
    strbuf_puts(out, c->frozen ? ", color=red, penwidth=2];\n" : "];\n");
    strbuf_free(&label);
}

static void put_children(struct strbuf *out, const struct node *n)
{
    struct strbuf from = { .text = NULL };
    put_quoted(&from, n->name);
    for (const struct child *c = n->children; c; c = c->next) {
        put_edge(out, strbuf_str(&from), c);
    }
    strbuf_free(&from);
}

/* Parents that are no nodes; each edge is one. */
static void put_others(struct strbuf *out, const struct node *n)
{
    for (const struct child *c = n->parents; c; c = c->next_parent) {
        struct strbuf who = { .text = NULL }, id = { .text = NULL };
        if (c->parent) {
            continue;
        }
        CHECK(c->ops != NULL);
        c->ops->describe(c, &who);
        strbuf_printf(&id, "edge%" PRIu64, c->id);
        strbuf_printf(out, "  %s [shape=ellipse, label=", strbuf_str(&id));
        put_quoted(out, strbuf_str(&who));
        strbuf_puts(out, "];\n");
        put_edge(out, strbuf_str(&id), c);
        strbuf_free(&id);
        strbuf_free(&who);
    }
}

void layer_draw(const struct layer *l, struct strbuf *out)
{
    strbuf_puts(out, "digraph blocks {\n  node [shape=box];\n");
    for (const struct node *n = l->nodes; n; n = n->next) {
        put_node(out, n);
    }
    for (const struct node *n = l->nodes; n; n = n->next) {
        put_others(out, n);
        put_children(out, n);
    }
    strbuf_puts(out, "}\n");
}
