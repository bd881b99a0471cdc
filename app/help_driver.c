/* SPDX-License-Identifier: MIT */
#include "app/help_driver.h"

#include "base/mem.h"
#include "drivers/registry.h"
#include "model/schema.h"

#include <string.h>

enum { DEPTH_MAX = 3, NAME_COLUMN = 34, LINE_MAX_WIDTH = 100, ENUM_SHORT = 8, ENUMS_MAX = 16 };

/* An enum with more values than fit beside a name: they are listed at the end, once. */
static bool enum_is_long(const struct schema_type *t)
{
    size_t n = 0;
    while (t->kind == SCHEMA_ENUM && t->values && t->values[n]) {
        n++;
    }
    return n > ENUM_SHORT;
}

static void put_type(const struct schema_type *t, struct strbuf *out)
{
    const char *sep = "";
    switch (t->kind) {
    case SCHEMA_ENUM:
        if (!t->values || enum_is_long(t)) {
            strbuf_puts(out, t->name);
            break;
        }
        for (size_t i = 0; t->values[i]; i++) {
            strbuf_printf(out, "%s%s", sep, t->values[i]);
            sep = "|";
        }
        break;
    case SCHEMA_ARRAY:
        strbuf_puts(out, "list of ");
        put_type(t->element, out);
        break;
    case SCHEMA_ALTERNATE:
    case SCHEMA_STRUCT:
    case SCHEMA_UNION:
    case SCHEMA_STR:
    case SCHEMA_BOOL:
    case SCHEMA_INT:
    case SCHEMA_SIZE:
    case SCHEMA_NUMBER:
    case SCHEMA_NULL:
    case SCHEMA_ANY:
        strbuf_puts(out, t->name);
        break;
    }
}

/* Structures inside, and those in lists, are shown member by member, with dotted names, as they are
 * written; N stands for a place in the list. */
static void put_members(const struct schema_member *m, const char *prefix, unsigned depth,
                        struct strbuf *out)
{
    for (; m && m->name; m++) {
        bool list = m->type->kind == SCHEMA_ARRAY;
        const struct schema_type *inner = list ? m->type->element : m->type;
        struct strbuf name = { .text = NULL };
        if (inner->kind == SCHEMA_STRUCT && depth < DEPTH_MAX) {
            strbuf_printf(&name, "%s%s.%s", prefix, m->name, list ? "N." : "");
            put_members(inner->members, strbuf_str(&name), depth + 1, out);
            strbuf_free(&name);
            continue;
        }
        strbuf_printf(&name, "%s%s=", prefix, m->name);
        put_type(m->type, &name);
        strbuf_printf(out, "  %-*s", NAME_COLUMN, strbuf_str(&name));
        if (name.len > NAME_COLUMN) {
            strbuf_printf(out, "\n  %-*s", NAME_COLUMN, "");
        }
        strbuf_printf(out, " %s", m->help ? m->help : "");
        strbuf_printf(out, " [%s%s%s%s]\n", m->flags & MEMBER_OPTIONAL ? "optional" : "required",
                      m->deflt ? ", default " : "", m->deflt ? m->deflt : "",
                      m->flags & MEMBER_MUTABLE ? ", may change in reopen" : "");
        strbuf_free(&name);
    }
}

static void put_values(const struct schema_type *t, struct strbuf *out)
{
    strbuf_printf(out, "\n%s is one of:", t->name);
    size_t column = LINE_MAX_WIDTH;
    for (size_t i = 0; t->values[i]; i++) {
        size_t width = strlen(t->values[i]) + 1;
        if (column + width > LINE_MAX_WIDTH) {
            strbuf_puts(out, "\n ");
            column = 1;
        }
        strbuf_printf(out, " %s", t->values[i]);
        column += width;
    }
    strbuf_puts(out, "\n");
}

/* Long enums of a table and of the structures in it; seen: those that were listed, ENUMS_MAX. */
static void put_long_enums(const struct schema_member *m, unsigned depth,
                           const struct schema_type **seen, struct strbuf *out)
{
    for (; m && m->name; m++) {
        const struct schema_type *t = m->type->kind == SCHEMA_ARRAY ? m->type->element : m->type;
        if (t->kind == SCHEMA_STRUCT && depth < DEPTH_MAX) {
            put_long_enums(t->members, depth + 1, seen, out);
        } else if (enum_is_long(t)) {
            size_t i = 0;
            while (i < ENUMS_MAX - 1 && seen[i] && seen[i] != t) {
                i++;
            }
            if (seen[i] != t) {
                seen[i] = t;
                put_values(t, out);
            }
        }
    }
}

static void put_children(const struct blk_driver *d, struct strbuf *out)
{
    for (const struct child_desc *c = d->children; c && c->name; c++) {
        strbuf_printf(out, "  %-*s %s%s%s%s%s%s\n", NAME_COLUMN, c->name,
                      c->required ? "required" : "optional",
                      c->roles & ROLE_DATA ? " data" : "",
                      c->roles & ROLE_METADATA ? " metadata" : "",
                      c->roles & ROLE_FILTERED ? " filtered" : "",
                      c->roles & ROLE_COW ? " cow" : "",
                      c->roles & ROLE_PRIMARY ? " primary" : "");
    }
}

void help_driver(const struct blk_driver *d, struct strbuf *out)
{
    strbuf_printf(out, "%s: %s\n\nTraits:%s%s%s\n", d->name, d->help,
                  d->traits & DRV_PROTOCOL ? " protocol" : "",
                  d->traits & DRV_FORMAT ? " format" : "",
                  d->traits & DRV_FILTER ? " filter" : "");
    if (d->children && d->children->name) {
        strbuf_puts(out, "\nChildren:\n");
        put_children(d, out);
    }
    if (d->options && d->options->name) {
        strbuf_puts(out, "\nOptions:\n");
        put_members(d->options, "", 0, out);
    }
    strbuf_puts(out, "\nOptions that every node has:\n");
    put_members(schema_blockdev_options.members, "", 0, out);
    const struct schema_type *seen[ENUMS_MAX] = { NULL };
    put_long_enums(d->options, 0, seen, out);
}

void help_qmp(const struct qmp_command *c, struct strbuf *out)
{
    strbuf_printf(out, "%s: %s\n", c->name, c->help);
    if (c->args && c->args->members && c->args->members->name) {
        strbuf_puts(out, "\nArguments:\n");
        put_members(c->args->members, "", 0, out);
    }
    if (c->args && c->args->kind == SCHEMA_UNION) {
        strbuf_printf(out, "  and those of the %s: blksim help %s NAME\n",
                      c->args->discriminator, c->args->discriminator);
    }
    if (c->returns) {
        strbuf_puts(out, "\nReturns: ");
        put_type(c->returns, out);
        strbuf_puts(out, "\n");
    }
}
