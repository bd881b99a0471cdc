/* Jobs that make and amend images: blockdev-create, x-blockdev-amend. */
#ifndef MODEL_JOB_CREATE_H
#define MODEL_JOB_CREATE_H

#include "model/job/job.h"

#include <jansson.h>

struct blk_driver;
struct node;

/* [ctl] Starts a job that makes what BlockdevCreateOptions say.  Errors: the job's id. */
int job_create_image(struct layer *l, const char *id, const struct blk_driver *drv,
                     const json_t *options, struct error *err);
/* [ctl] Starts a job that amends n.  options: BlockdevAmendOptions.  Errors: the job's id. */
int job_amend_image(struct node *n, const char *id, const json_t *options, bool force,
                    struct error *err);

#endif
