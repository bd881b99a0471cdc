/* SPDX-License-Identifier: MIT */
/* blockdev-create: an image, or a file, is made beside everything else.
 *
 *   lock: the node is found or opened, and held -> unlocked: written -> lock: let go
 *
 * One step of work, done when it is done, whether well or not.  It cannot be stopped half way: who
 * is cancelled has made the image all the same.
 */
#include "model/job/create.h"

#include "base/check.h"
#include "model/image_private.h"
#include "model/layer_state.h"

#include <errno.h>
#include <string.h>

struct create_job {
    struct job job;
    const struct blk_driver *drv;
    json_t *options;
};

/* The node that takes the image; the reference is the caller's. */
static int find_node(struct layer *l, const json_t *file, struct node **out, struct error *err)
{
    const char *name = json_string_value(file);
    if (!name) {
        return node_open(l, file, NULL, 0, out, err);
    }
    struct node *n = layer_lookup(l, name, name, err);
    if (!n) {
        return -ENODEV;
    }
    *out = node_ref(n);
    return 0;
}

static int hold(struct create_job *c, struct backend **out, struct error *err)
{
    struct layer *l = c->job.layer;
    const char *filename = json_string_value(json_object_get(c->options, "filename"));
    struct node *n;
    if (c->drv->traits & DRV_PROTOCOL) {
        return image_hold_file(l, filename, out, err);
    }
    int ret = find_node(l, json_object_get(c->options, "file"), &n, err);
    if (ret == 0) {
        ret = image_hold(n, out, err);
        node_unref(n);
    }
    return ret;
}

static int run(struct job *j, struct error *err)
{
    struct create_job *c = (struct create_job *)j;
    bool protocol = c->drv->traits & DRV_PROTOCOL;
    struct backend *b;
    job_set_remaining(j, 1);
    job_lock(j);
    int ret = c->drv->image->check_create ? c->drv->image->check_create(c->options, err) : 0;
    if (ret == 0) {
        ret = hold(c, &b, err);
    }
    if (ret == 0) {
        job_unlock(j);
        struct child *file = backend_work_begin(b);
        ret = protocol ? image_write_file(file, c->options, err)
                       : image_write_format(c->drv, file, c->options, err);
        backend_work_end(b);
        job_lock(j);
        image_tell(backend_node(b), ret < 0 ? NULL : protocol ? "raw" : c->drv->name);
        backend_destroy(b);
    }
    job_progress(j, 1);
    return ret;
}

static void free_create(struct job *j)
{
    json_decref(((struct create_job *)j)->options);
}

static const struct job_driver create_driver = {
    .type = JOB_CREATE, .size = sizeof(struct create_job), .run = run, .free = free_create
};

int job_create_image(struct layer *l, const char *id, const struct blk_driver *drv,
                     const json_t *options, struct error *err)
{
    struct job *j;
    CHECK(drv->image && drv->image->create_members);
    int ret = job_create(l, id, &create_driver, NULL, JOB_MANUAL_DISMISS, 0, &j, err);
    if (ret == 0) {
        struct create_job *c = (struct create_job *)j;
        c->drv = drv;
        c->options = json_deep_copy(options);
        job_start(j);
    }
    return ret;
}
