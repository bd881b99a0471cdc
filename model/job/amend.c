/* SPDX-License-Identifier: MIT */
/* x-blockdev-amend: a driver changes options of an image that is in use.  One step of work, as in
 * create.c; the node stays until the job is dismissed. */
#include "base/check.h"
#include "model/job/create.h"
#include "model/layer_state.h"

struct amend_job {
    struct job job;
    struct child *held; /* The node; neither used nor kept from anybody. */
    json_t *options;
    bool force;
};

static void describe(const struct child *c, struct strbuf *out)
{
    const struct job *j = c->opaque;
    strbuf_printf(out, "amend job '%s'", j->id);
}

static const struct child_parent holder = { .describe = describe, .stay_at_node = true };

static int run(struct job *j, struct error *err)
{
    struct amend_job *a = (struct amend_job *)j;
    job_set_remaining(j, 1);
    struct node *n = a->held->node;
    int ret = n->drv->image->amend(n, a->options, a->force, err);
    job_progress(j, 1);
    return ret;
}

static void free_amend(struct job *j)
{
    struct amend_job *a = (struct amend_job *)j;
    child_detach(a->held);
    json_decref(a->options);
}

static const struct job_driver amend_driver = {
    .type = JOB_AMEND, .size = sizeof(struct amend_job), .run = run, .free = free_amend
};

int job_amend_image(struct node *n, const char *id, const json_t *options, bool force,
                    struct error *err)
{
    struct job *j;
    CHECK(n->drv->image && n->drv->image->amend);
    int ret = job_create(n->layer, id, &amend_driver, NULL, JOB_MANUAL_DISMISS, n->iothread, &j,
                         err);
    if (ret == 0) {
        struct amend_job *a = (struct amend_job *)j;
        ret = child_attach(n, "amended", 0, NULL, &holder, a, (struct perm_pair){ 0, PERM_ALL },
                           &a->held, NULL);
        CHECK(ret == 0);
        a->options = json_deep_copy(options);
        a->force = force;
        job_start(j);
    }
    return ret;
}
