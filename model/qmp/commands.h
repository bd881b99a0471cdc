/* The commands, for the table in command.c: one line each. */
#ifndef MODEL_QMP_COMMANDS_H
#define MODEL_QMP_COMMANDS_H

#include "model/qmp/command.h"

/* cmd_blockdev.c */
extern const struct qmp_command qmp_blockdev_add, qmp_blockdev_del;
/* cmd_block_info.c */
extern const struct qmp_command qmp_query_block, qmp_query_named_block_nodes;
/* cmd_block_stats.c */
extern const struct qmp_command qmp_query_blockstats;
/* cmd_threshold.c */
extern const struct qmp_command qmp_block_set_write_threshold;
extern const struct qmp_event qmp_event_block_write_threshold;
/* cmd_monitor.c */
extern const struct qmp_command qmp_capabilities, qmp_query_commands, qmp_query_iothreads,
    qmp_query_schema, qmp_query_version;

#endif
