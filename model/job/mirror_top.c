/* SPDX-License-Identifier: MIT */
/* mirror_top: the filter above the source of a mirror.
 *
 * Guests' requests pass it on their way to the source.  With copy-mode=write-blocking what changes
 * the source goes to the target too before the guest hears of it (mirror_copy.c).
 *
 * A commit writes below the source: it takes no consistent read there, which nobody grants above an
 * image that is being written, and lets others, itself that is, write.
 */
#include "model/job/mirror_private.h"

static int mirror_top_open(struct node *n, const struct opts *opts, struct error *err)
{
    (void)n;
    (void)opts;
    (void)err;
    return 0; /* Its child is in place. */
}

static int mirror_top_change(struct node *n, struct io_req *req)
{
    struct mirror_top *t = node_state(n);
    return t->job ? mirror_guest_change(t->job, n, req) : io_forward(n, req);
}

static char *mirror_top_filename(const struct node *n)
{
    const struct child *c = node_filtered(n);
    return c ? node_filename(c->node) : NULL;
}

/* It passes no flags on but these. */
static void mirror_top_limits(const struct node *n, struct io_limits *limits)
{
    (void)n;
    limits->write_flags = 0;
    limits->zero_flags &= IO_NO_FALLBACK;
}

static void mirror_top_child_perm(const struct node *n, const struct child *c,
                                  struct perm_pair parents, struct perm_pair *out)
{
    const struct mirror_top *t = node_state(n);
    perm_default(n, c, parents, out);
    if (t->to_backing) {
        out->used &= ~(uint32_t)PERM_CONSISTENT_READ;
        out->shared |= PERM_WRITE;
    }
}

static const struct driver_io mirror_top_io = {
    .write = mirror_top_change,
    .write_zeroes = mirror_top_change,
    .discard = mirror_top_change,
};

static const struct driver_graph mirror_top_graph = { .child_perm = mirror_top_child_perm };

const struct blk_driver mirror_top_driver = {
    .name = "mirror_top",
    .help = "stands above the source of a mirror",
    .traits = DRV_FILTER | DRV_FOLLOWS,
    .state_size = sizeof(struct mirror_top),
    .open = mirror_top_open,
    .filename = mirror_top_filename,
    .limits = mirror_top_limits,
    .io = &mirror_top_io,
    .graph = &mirror_top_graph,
};
