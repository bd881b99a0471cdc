/* What the model tells those who watch it (model/inspect.h) of jobs. */
#ifndef MODEL_WATCH_H
#define MODEL_WATCH_H

#include "model/inspect.h"

/* [ctl] j has got from that status to the one that it has. */
void watch_job_moves(const struct job *j, enum view_job_status from);
/* [ctl] An event of a job is about to be told.  status: as it says, or NULL. */
void watch_job_event(const struct job *j, const char *name, const char *status);
/* [ctl] A job does something to contents.  layer, type and serial are filled in here. */
void watch_job(const struct job *j, struct job_note note);

#endif
