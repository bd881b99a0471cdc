/* SPDX-License-Identifier: MIT */
/* Throttling of a BlockBackend: -drive throttling.* and block_set_io_throttle.
 *
 * The backend leaves or joins a group within a drained section, so that none of its requests is in
 * line: they go first, without waiting for their turn.
 */
#include "base/check.h"
#include "model/backend_private.h"
#include "model/drain.h"

#include <string.h>

/* [io] */
static void change_group(struct backend *b, const char *group)
{
    struct node *n = node_ref(b->root->node); /* Who changes limits asks for a medium first. */
    drain_begin(n);
    if (b->throttle.group) {
        throttle_leave(&b->throttle);
    }
    if (group) {
        throttle_join(b->layer, &b->throttle, group);
    }
    drain_end(n);
    node_unref(n);
}

int backend_set_throttle(struct backend *b, const char *group, const struct throttle_config *c,
                         struct error *err)
{
    struct throttle_member *m = &b->throttle;
    int ret = throttle_check(c, err);
    CHECK(b->layer != NULL);
    if (ret < 0) {
        return ret;
    }
    if (!throttle_is_on(c)) {
        if (m->group) {
            change_group(b, NULL);
        }
        return 0;
    }
    if (!m->group) {
        CHECK(group != NULL);
        throttle_join(b->layer, m, group);
    } else if (group && strcmp(group, throttle_group_name(m)) != 0) {
        change_group(b, group);
    }
    throttle_set(m, c);
    return 0;
}

bool backend_get_throttle(const struct backend *b, struct throttle_config *c, const char **group)
{
    if (!b->throttle.group) {
        return false;
    }
    throttle_get(&b->throttle, c);
    *group = throttle_group_name(&b->throttle);
    return true;
}
