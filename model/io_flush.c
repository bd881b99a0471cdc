/* SPDX-License-Identifier: MIT */
/* Flush generations.
 *
 * Each write moves node->write_gen on.  A flush covers what was written before it began; when
 * flushed_gen says that this was flushed already the disk is not asked again.  Flushes of one node
 * go one at a time, so that flushed_gen grows in order.
 */
#include "model/io_private.h"

#include <errno.h>

static int flush_children(struct node *n)
{
    int ret = 0;
    for (struct child *c = n->children; c; c = c->next) {
        if (c->perm.used & (PERM_WRITE | PERM_WRITE_UNCHANGED)) {
            int r = io_flush(c);
            ret = ret < 0 ? ret : r;
        }
    }
    return ret;
}

static int drv_sync(struct node *n)
{
    const struct driver_io *io = n->drv->io;
    if (io && io->sync) {
        return io->sync(n);
    }
    if (io && io->any) {
        struct io_req r = { .op = IO_FLUSH };
        return io->any(n, &r);
    }
    return 0;
}

static int flush_once(struct node *n, uint64_t gen)
{
    const struct driver_io *io = n->drv->io;
    struct child *primary = node_primary(n);
    if (io && io->flush) {
        return io->flush(n);
    }
    if (primary) {
        io_event(primary, "flush_to_os");
    }
    if (io && io->writeback) {
        int ret = io->writeback(n);
        if (ret < 0) {
            return ret;
        }
    }
    if (!n->flags.cache_no_flush && n->flushed_gen != gen) {
        if (primary) {
            io_event(primary, "flush_to_disk");
        }
        int ret = drv_sync(n);
        if (ret < 0) {
            return ret;
        }
    }
    /* A function of the driver's own that forwards has flushed below already. */
    return io && io->any ? 0 : flush_children(n);
}

int io_do_flush(struct node *n)
{
    if (n->flags.read_only) {
        return 0;
    }
    uint64_t gen = n->write_gen;
    while (n->flushing) {
        co_queue_wait(n->sim, &n->flush_queue);
    }
    n->flushing = true;
    int ret = flush_once(n, gen);
    if (ret == 0) {
        n->flushed_gen = MAX(n->flushed_gen, gen);
    }
    n->flushing = false;
    co_queue_wake_one(&n->flush_queue);
    return ret;
}

void io_flush_node(struct node *n)
{
    io_enter(n);
    io_do_flush(n);
    io_leave(n);
}
