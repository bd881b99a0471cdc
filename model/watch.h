/* What the model tells those who watch it (model/inspect.h) of jobs. */
#ifndef MODEL_WATCH_H
#define MODEL_WATCH_H

#include "model/inspect.h"

#include <jansson.h>

/* [ctl] j has got from that status to the one that it has. */
void watch_job_moves(const struct job *j, enum view_job_status from);
/* [ctl] An event is told; those that are not of jobs are passed over. */
void watch_event(const struct layer *l, const char *name, const json_t *data);
/* [ctl] A job does something to contents.  layer, type and serial are filled in here. */
void watch_job(const struct job *j, struct job_note note);

#endif
