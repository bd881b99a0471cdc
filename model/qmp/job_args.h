/* Arguments that the commands which start block jobs have in common: for model/qmp/cmd_*.c. */
#ifndef MODEL_QMP_JOB_ARGS_H
#define MODEL_QMP_JOB_ARGS_H

#include "model/backend.h"
#include "model/schema.h"

struct layer;
struct node;

/* BlockdevOnError */
extern const struct schema_type schema_on_error;

/* enum job_flags, from "auto-finalize" and "auto-dismiss". */
uint32_t job_args_flags(const json_t *args);
/* From a member of that type; report when it is not given. */
enum on_error job_args_on_error(const json_t *args, const char *name);
/* From "speed"; 0 when it is not given. */
int64_t job_args_speed(const json_t *args);

/* The node of a device or of that name, which no node stands on and no job holds (QEMU's
 * qmp_get_root_bs).  Errors: QEMU's texts. */
struct node *job_args_root(const struct layer *l, const char *name, struct error *err);

#endif
