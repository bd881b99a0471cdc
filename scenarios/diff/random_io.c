/* SPDX-License-Identifier: MIT */
/* Requests, thresholds and queries. */
#include "base/check.h"
#include "base/mem.h"
#include "scenarios/diff/random_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A frontend has checks of its own, which the monitor's qemu-io goes round: only what passes
 * them is asked of one.  False: there is none. */
static bool make_device_io(struct rand_gen *g, struct rand_cmd *c)
{
    enum { BLOCK = 4096 };
    const struct rand_device *d =
        g->devices_len > 0 ? &g->devices[rand_below(g, g->devices_len)] : NULL;
    int64_t size = d && d->drive ? rand_node_size(g, d->drive) : 0;
    if (size < BLOCK) {
        return false;
    }
    strbuf_printf(&c->io, "%s read %" PRIu64 " %d", d->id,
                  rand_below(g, (uint64_t)(size / BLOCK)) * BLOCK, BLOCK);
    return true;
}

/* "OFFSET LENGTH", inside most of the time. */
static void add_range(struct rand_gen *g, int64_t size, struct strbuf *out)
{
    int64_t bytes = rand_size(g, "512 4k 64k 64k 1M 100 12345");
    int64_t step = rand_chance(g, 850) ? 4096 : 1;
    int64_t offset = 0;
    if (bytes > size && rand_chance(g, 900)) {
        bytes = size;
    }
    if (size > bytes) {
        offset = (int64_t)rand_below(g, (uint64_t)((size - bytes) / step) + 1) * step;
    }
    if (rand_chance(g, 20)) {
        offset = size;
    }
    strbuf_printf(out, " %" PRId64 " %" PRId64, offset, bytes);
}

static void add_write(struct rand_gen *g, int64_t size, struct strbuf *out)
{
    strbuf_puts(out, "write");
    if (rand_chance(g, 250)) {
        strbuf_puts(out, rand_chance(g, 500) ? " -z" : " -zu");
    } else {
        strbuf_printf(out, " -P %" PRIu64, rand_below(g, 4));
    }
    if (rand_chance(g, 80)) {
        strbuf_puts(out, " -f");
    }
    add_range(g, size, out);
}

/* Whether writing there would destroy an image. */
static bool is_image_file(const struct rand_gen *g, const char *name)
{
    const struct rand_node *n = rand_find_node(g, name);
    const struct rand_file *f = n ? rand_find_file(g, rand_str(n->options, "filename")) : NULL;
    return f && f->qcow2;
}

static bool make_io(struct rand_gen *g, struct rand_cmd *c)
{
    const struct rand_node *n = rand_pick_node(g, false);
    if (rand_chance(g, 150)) {
        return make_device_io(g, c);
    }
    if (!n) {
        return false;
    }
    const char *name = n->name;
    int64_t size = rand_node_size(g, name);
    strbuf_printf(&c->io, "%s ", name);
    uint64_t what = rand_below(g, 100);
    if (what < 40 && is_image_file(g, name) && !rand_chance(g, 50)) {
        what = 99;
    }
    if (what < 40) {
        add_write(g, size, &c->io);
    } else if (what < 60) {
        strbuf_puts(&c->io, "read");
        add_range(g, size, &c->io);
    } else if (what < 72) {
        strbuf_puts(&c->io, "discard");
        add_range(g, size, &c->io);
    } else if (what < 82) {
        strbuf_puts(&c->io, "flush");
    } else if (what < 90) {
        strbuf_puts(&c->io, "length");
    } else if (what < 97) {
        strbuf_puts(&c->io, "map");
    } else {
        strbuf_puts(&c->io, "alloc");
        add_range(g, size, &c->io);
    }
    return true;
}

static bool make_threshold(struct rand_gen *g, struct rand_cmd *c)
{
    const struct rand_node *n = rand_pick_node(g, false);
    if (!n) {
        return false;
    }
    c->args = json_pack("{s:s, s:I}", "node-name", n->name, "write-threshold",
                        (json_int_t)rand_size(g, "0 512 64k 1M 1G"));
    return true;
}

static bool make_query(struct rand_gen *g, struct rand_cmd *c)
{
    (void)g;
    c->args = json_object();
    return true;
}

static bool make_flat(struct rand_gen *g, struct rand_cmd *c)
{
    c->args = json_pack("{s:b}", "flat", rand_chance(g, 800));
    return true;
}

const struct rand_kind rand_io_kinds[] = {
    { "io", 10, make_io, NULL },
    { "block-set-write-threshold", 1, make_threshold, NULL },
    { "query-named-block-nodes", 1, make_flat, NULL },
    { "query-block-exports", 1, make_query, NULL },
    { "query-iothreads", 1, make_query, NULL },
    { "query-fdsets", 1, make_query, NULL },
    { 0 },
};
