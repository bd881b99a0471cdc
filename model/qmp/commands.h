/* The commands, for the table in command.c: one line each. */
#ifndef MODEL_QMP_COMMANDS_H
#define MODEL_QMP_COMMANDS_H

#include "model/qmp/command.h"

struct backend;
struct node;

/* cmd_blockdev.c */
extern const struct qmp_command qmp_blockdev_add, qmp_blockdev_del;
/* cmd_blockdev_change.c */
extern const struct qmp_command qmp_blockdev_change;
extern const struct qmp_event qmp_event_quorum_failure, qmp_event_quorum_report_bad;
/* cmd_block_info.c */
extern const struct qmp_command qmp_query_block, qmp_query_named_block_nodes;
/* image_info.c */
extern const struct schema_type qmp_image_specific;
extern const struct qmp_event qmp_event_block_image_corrupted;
/* Sets "format-specific" on an ImageInfo, where the driver has something to say. */
void qmp_describe_specific(const struct node *n, json_t *image);
/* cmd_block_stats.c */
extern const struct qmp_command qmp_query_blockstats;
/* cmd_device.c */
extern const struct qmp_command qmp_device_add, qmp_device_del;
extern const struct qmp_event qmp_event_device_deleted;
/* cmd_histogram.c */
extern const struct qmp_command qmp_block_latency_histogram_set;
/* cmd_machine.c */
extern const struct qmp_command qmp_cont, qmp_query_status, qmp_stop, qmp_system_reset;
extern const struct qmp_event qmp_event_block_io_error, qmp_event_reset, qmp_event_resume,
    qmp_event_stop;
/* cmd_media.c */
extern const struct qmp_command qmp_blockdev_change_medium, qmp_blockdev_close_tray,
    qmp_blockdev_insert_medium, qmp_blockdev_open_tray, qmp_blockdev_remove_medium, qmp_eject;
extern const struct qmp_event qmp_event_device_tray_moved;
/* The backend of that name (device), or of the frontend of that id: exactly one is given.  Errors:
 * QEMU's texts. */
int qmp_find_backend(struct layer *l, const char *device, const char *id, struct backend **out,
                     struct error *err);
/* cmd_threshold.c */
extern const struct qmp_command qmp_block_set_write_threshold;
extern const struct qmp_event qmp_event_block_write_threshold;
/* cmd_mirror.c */
extern const struct qmp_command qmp_blockdev_mirror, qmp_drive_mirror;
/* cmd_monitor.c */
extern const struct qmp_command qmp_capabilities, qmp_query_commands, qmp_query_iothreads,
    qmp_query_schema, qmp_query_version;
/* cmd_object.c */
extern const struct qmp_command qmp_object_add, qmp_object_del, qmp_qom_get, qmp_qom_list,
    qmp_qom_list_properties, qmp_qom_list_types, qmp_qom_set;
/* cmd_throttle.c */
extern const struct qmp_command qmp_block_set_io_throttle;
/* cmd_reopen.c */
extern const struct qmp_command qmp_blockdev_reopen, qmp_blockdev_set_iothread,
    qmp_change_backing_file;
/* cmd_resize.c */
extern const struct qmp_command qmp_block_resize;
/* cmd_snapshot.c */
extern const struct qmp_command qmp_blockdev_snapshot, qmp_blockdev_snapshot_sync;
/* cmd_transaction.c */
extern const struct qmp_command qmp_transaction;
/* cmd_graph.c */
extern const struct qmp_command qmp_query_block_graph;
/* cmd_export.c */
extern const struct qmp_command qmp_block_export_add, qmp_block_export_del,
    qmp_query_block_exports, qmp_nbd_server_start, qmp_nbd_server_stop;
extern const struct qmp_event qmp_event_block_export_deleted;
/* cmd_backup.c */
extern const struct qmp_command qmp_blockdev_backup, qmp_drive_backup;
/* cmd_bitmap.c */
extern const struct schema_type schema_bitmap, schema_bitmap_add, schema_bitmap_merge,
    schema_bitmap_list;
extern const struct qmp_command qmp_bitmap_add, qmp_bitmap_clear, qmp_bitmap_disable,
    qmp_bitmap_enable, qmp_bitmap_merge, qmp_bitmap_remove, qmp_bitmap_sha256;
/* cmd_job.c */
extern const struct qmp_command qmp_block_job_cancel, qmp_block_job_complete,
    qmp_block_job_dismiss, qmp_block_job_finalize, qmp_block_job_pause, qmp_block_job_resume,
    qmp_block_job_set_speed, qmp_job_cancel, qmp_job_complete, qmp_job_dismiss, qmp_job_finalize,
    qmp_job_pause, qmp_job_resume, qmp_query_block_jobs, qmp_query_jobs;
extern const struct qmp_event qmp_event_block_job_cancelled, qmp_event_block_job_completed,
    qmp_event_block_job_error, qmp_event_block_job_pending, qmp_event_block_job_ready,
    qmp_event_job_status_change;
/* cmd_commit.c */
extern const struct qmp_command qmp_block_commit;
/* cmd_create.c */
extern const struct qmp_command qmp_blockdev_create, qmp_blockdev_amend;
/* cmd_stream.c */
extern const struct qmp_command qmp_block_stream;
/* cmd_system.c */
extern const struct qmp_command qmp_human_monitor_command, qmp_query_yank, qmp_quit, qmp_yank;
extern const struct qmp_event qmp_event_shutdown;
/* cmd_fd.c */
extern const struct qmp_command qmp_add_fd, qmp_closefd, qmp_getfd, qmp_query_fdsets,
    qmp_remove_fd;

#endif
