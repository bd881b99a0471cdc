/* What a layer keeps of its drives (-drive). */
#ifndef MODEL_DRIVE_H
#define MODEL_DRIVE_H

struct layer;

/* When the layer goes. */
void drive_forget_all(struct layer *l);

#endif
