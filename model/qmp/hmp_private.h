/* Inside of the human monitor. */
#ifndef MODEL_QMP_HMP_PRIVATE_H
#define MODEL_QMP_HMP_PRIVATE_H

#include "base/text.h"

#include <stdbool.h>

struct layer;

enum { HMP_TEXTS_MAX = 2 };

/* Arguments of a command, in the order of its table. */
struct hmp_args {
    bool flags[HMP_TEXTS_MAX];
    char *texts[HMP_TEXTS_MAX]; /* NULL: not given. */
};

struct hmp_command {
    const char *name; /* With aliases: "help|?".  NULL ends a table. */
    /* "-d" a flag; "B" a device, "s" a string, both quoted or up to a space, "S" the rest of the
     * line; "?" behind one: may be left out. */
    const char *args;
    const char *params, *help;
    /* [io] */
    void (*run)(struct layer *l, const struct hmp_args *args, struct strbuf *out);
    const struct hmp_command *sub; /* Commands below it, when run is NULL. */
};

/* hmp_info.c */
void hmp_info_block(struct layer *l, const struct hmp_args *args, struct strbuf *out);
void hmp_info_block_jobs(struct layer *l, const struct hmp_args *args, struct strbuf *out);
void hmp_info_blockstats(struct layer *l, const struct hmp_args *args, struct strbuf *out);
void hmp_info_block_graph(struct layer *l, const struct hmp_args *args, struct strbuf *out);
void hmp_info_version(struct layer *l, const struct hmp_args *args, struct strbuf *out);

#endif
