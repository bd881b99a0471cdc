/* SPDX-License-Identifier: MIT */
/* commit_top: stands above the images that a commit job takes out of a chain.
 *
 * What lies between base and top is no valid picture of a disk while base is being written, so the
 * job forbids consistent reads there.  Overlays go on reading what they always saw: commit_top asks
 * for nothing below, whatever is asked of it.
 */
#include "model/job/commit.h"

static int commit_top_open(struct node *n, const struct opts *opts, struct error *err)
{
    (void)n;
    (void)opts;
    (void)err;
    return 0; /* Its child is in place. */
}

static char *commit_top_filename(const struct node *n)
{
    const struct child *c = node_filtered(n);
    return c ? node_filename(c->node) : NULL;
}

static void commit_top_child_perm(const struct node *n, const struct child *c,
                                  struct perm_pair parents, struct perm_pair *out)
{
    (void)n;
    (void)c;
    (void)parents;
    *out = (struct perm_pair){ .used = 0, .shared = PERM_ALL };
}

static const struct driver_graph commit_top_graph = { .child_perm = commit_top_child_perm };

const struct blk_driver commit_top_driver = {
    .name = "commit_top",
    .help = "keeps images whole that a commit job takes out of a chain",
    .traits = DRV_FILTER | DRV_FOLLOWS,
    .open = commit_top_open,
    .filename = commit_top_filename,
    .graph = &commit_top_graph,
};
