/* Between the files of model/image*.c, and the job that makes images. */
#ifndef MODEL_IMAGE_PRIVATE_H
#define MODEL_IMAGE_PRIVATE_H

#include "model/backend.h"
#include "model/node.h"

/* image.c */

/* The values of create_options in `options` (as text, or typed already), and defaults of the
 * others, typed, into out.  Errors: QEMU's texts. */
int image_type_options(const struct blk_driver *drv, const json_t *options, json_t *out,
                       struct error *err);
/* [io] Opens the file; one that is not there is made (*made).  The reference is the caller's. */
int image_open_file(struct layer *l, const char *filename, bool *made, struct node **out,
                    struct error *err);

/* image_job.c: blockdev-create */

/* [io] A backend on n that may write and resize it, as an image that is being made does.  Errors: a
 * conflict, as QEMU tells it. */
int image_hold(struct node *n, struct backend **out, struct error *err);
/* [io] Writes the image: values are the members of BlockdevCreateOptions, checked. */
int image_write_format(const struct blk_driver *drv, struct child *file, const json_t *values,
                       struct error *err);
/* [io] Opens or makes the file, for image_write_file. */
int image_hold_file(struct layer *l, const char *filename, struct backend **out,
                    struct error *err);
/* [io] Empties it and gives it its size. */
int image_write_file(struct child *file, const json_t *values, struct error *err);
/* [ctl] Tells those who watch what has become of the file that n stands on; format NULL: it holds
 * anything. */
void image_tell(const struct node *n, const char *format);

#endif
