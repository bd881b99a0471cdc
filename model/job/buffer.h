/* Memory that jobs copy through.
 *
 * The layer keeps what one job gives back for the next: taking megabytes from the system anew would
 * cost a small job more than its work.
 */
#ifndef MODEL_JOB_BUFFER_H
#define MODEL_JOB_BUFFER_H

#include <stddef.h>

struct layer;

/* size bytes, undefined.  Checked: enough for a pointer and a size. */
void *job_buffer_take(struct layer *l, size_t size);
/* size: as it was taken.  p NULL: nothing. */
void job_buffer_give(struct layer *l, void *p, size_t size);
/* What is kept goes: the layer is destroyed. */
void job_buffers_free(struct layer *l);

#endif
