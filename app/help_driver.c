/* SPDX-License-Identifier: MIT */
#include "app/help_driver.h"

#include "base/mem.h"
#include "drivers/registry.h"
#include "model/schema.h"

#include <string.h>

enum { DEPTH_MAX = 3, NAME_COLUMN = 34 };

static void put_type(const struct schema_type *t, struct strbuf *out)
{
    const char *sep = "";
    switch (t->kind) {
    case SCHEMA_ENUM:
        for (size_t i = 0; t->values && t->values[i]; i++) {
            strbuf_printf(out, "%s%s", sep, t->values[i]);
            sep = "|";
        }
        if (!t->values) {
            strbuf_puts(out, t->name);
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

/* Structures inside are shown member by member, with dotted names, as they are written. */
static void put_members(const struct schema_member *m, const char *prefix, unsigned depth,
                        struct strbuf *out)
{
    for (; m && m->name; m++) {
        struct strbuf name = { .text = NULL };
        strbuf_printf(&name, "%s%s=", prefix, m->name);
        if (m->type->kind == SCHEMA_STRUCT && depth < DEPTH_MAX) {
            name.len--;
            strbuf_puts(&name, ".");
            put_members(m->type->members, strbuf_str(&name), depth + 1, out);
            strbuf_free(&name);
            continue;
        }
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
    strbuf_printf(out, "%s: %s\n\nTraits:%s%s%s%s\n", d->name, d->help,
                  d->traits & DRV_PROTOCOL ? " protocol" : "",
                  d->traits & DRV_FORMAT ? " format" : "",
                  d->traits & DRV_FILTER ? " filter" : "",
                  d->traits & DRV_BACKING ? " backing" : "");
    if (d->children && d->children->name) {
        strbuf_puts(out, "\nChildren:\n");
        put_children(d, out);
    }
    if (d->options && d->options->name) {
        strbuf_puts(out, "\nOptions of blockdev-add and -drive:\n");
        put_members(d->options, "", 0, out);
    }
}
