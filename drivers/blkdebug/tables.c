/* SPDX-License-Identifier: MIT */
/* Events, I/O types and options of blkdebug (QEMU 7.2's query-qmp-schema). */
#include "base/check.h"
#include "base/mem.h"
#include "drivers/blkdebug/blkdebug.h"

#include <errno.h>
#include <string.h>

const char *const event_names[] = {
    "l1_update",
    "l1_grow_alloc_table",
    "l1_grow_write_table",
    "l1_grow_activate_table",
    "l2_load",
    "l2_update",
    "l2_update_compressed",
    "l2_alloc_cow_read",
    "l2_alloc_write",
    "read_aio",
    "read_backing_aio",
    "read_compressed",
    "write_aio",
    "write_compressed",
    "vmstate_load",
    "vmstate_save",
    "cow_read",
    "cow_write",
    "reftable_load",
    "reftable_grow",
    "reftable_update",
    "refblock_load",
    "refblock_update",
    "refblock_update_part",
    "refblock_alloc",
    "refblock_alloc_hookup",
    "refblock_alloc_write",
    "refblock_alloc_write_blocks",
    "refblock_alloc_write_table",
    "refblock_alloc_switch_table",
    "cluster_alloc",
    "cluster_alloc_bytes",
    "cluster_free",
    "flush_to_os",
    "flush_to_disk",
    "pwritev_rmw_head",
    "pwritev_rmw_after_head",
    "pwritev_rmw_tail",
    "pwritev_rmw_after_tail",
    "pwritev",
    "pwritev_zero",
    "pwritev_done",
    "empty_image_prepare",
    "l1_shrink_write_table",
    "l1_shrink_free_l2_clusters",
    "cor_write",
    "cluster_alloc_space",
    "none",
    NULL,
};

_Static_assert(ARRAY_LEN(event_names) == EVENTS + 1, "every event has its list of rules");

const char *const iotype_names[] = { "read",    "write", "write-zeroes",
                                     "discard", "flush", "block-status", NULL };

int event_find(const char *name)
{
    for (int i = 0; i < EVENTS; i++) {
        if (strcmp(name, event_names[i]) == 0) {
            return i;
        }
    }
    return -ENOENT;
}

uint32_t iotype_find(const char *name)
{
    for (int i = 0; iotype_names[i]; i++) {
        if (strcmp(name, iotype_names[i]) == 0) {
            return 1u << i;
        }
    }
    return 0;
}

static const struct schema_type event_type = {
    .name = "BlkdebugEvent", .kind = SCHEMA_ENUM, .values = event_names
};

static const struct schema_type iotype_type = {
    .name = "BlkdebugIOType", .kind = SCHEMA_ENUM, .values = iotype_names
};

static const struct schema_member inject_members[] = {
    { "event", &event_type, 0, NULL, "event that puts the rule in force" },
    { "state", &schema_int, MEMBER_OPTIONAL, "0", "only in this state; 0: in any" },
    { "iotype", &iotype_type, MEMBER_OPTIONAL, NULL,
      "only these requests; all but block-status when not given" },
    { "errno", &schema_int, MEMBER_OPTIONAL, "5", "error to return" },
    { "sector", &schema_int, MEMBER_OPTIONAL, "-1",
      "only requests in which this sector of 512 bytes begins" },
    { "once", &schema_bool, MEMBER_OPTIONAL, "false", "only the first request" },
    { "immediately", &schema_bool, MEMBER_OPTIONAL, "false",
      "fail before others have run" },
    { 0 },
};

static const struct schema_type inject_type = {
    .name = "BlkdebugInjectErrorOptions", .kind = SCHEMA_STRUCT, .members = inject_members
};

static const struct schema_type inject_list = {
    .name = "BlkdebugInjectErrorOptionsList", .kind = SCHEMA_ARRAY, .element = &inject_type
};

static const struct schema_member set_state_members[] = {
    { "event", &event_type, 0, NULL, "event on which the state changes" },
    { "state", &schema_int, MEMBER_OPTIONAL, "0", "only from this state; 0: from any" },
    { "new_state", &schema_int, 0, NULL, "state to go to" },
    { 0 },
};

static const struct schema_type set_state_type = {
    .name = "BlkdebugSetStateOptions", .kind = SCHEMA_STRUCT, .members = set_state_members
};

static const struct schema_type set_state_list = {
    .name = "BlkdebugSetStateOptionsList", .kind = SCHEMA_ARRAY, .element = &set_state_type
};

static const char *const permission_names[] = { "consistent-read", "write", "write-unchanged",
                                                "resize", NULL };

static const struct schema_type permission_type = {
    .name = "BlockPermission", .kind = SCHEMA_ENUM, .values = permission_names
};

static const struct schema_type permission_list = {
    .name = "BlockPermissionList", .kind = SCHEMA_ARRAY, .element = &permission_type
};

const struct schema_member blkdebug_options[] = {
    { "image", &schema_blockdev_ref, 0, NULL, "the node that errors are injected above" },
    { "config", &schema_str, MEMBER_OPTIONAL, NULL, "file of the host with rules" },
    { "align", &schema_int, MEMBER_OPTIONAL, NULL, "request alignment in bytes" },
    { "max-transfer", &schema_int32, MEMBER_OPTIONAL, NULL, "longest read or write in bytes" },
    { "opt-write-zero", &schema_int32, MEMBER_OPTIONAL, NULL,
      "alignment of zeroing; less is not supported" },
    { "max-write-zero", &schema_int32, MEMBER_OPTIONAL, NULL, "longest zeroing in bytes" },
    { "opt-discard", &schema_int32, MEMBER_OPTIONAL, NULL, "alignment of discards" },
    { "max-discard", &schema_int32, MEMBER_OPTIONAL, NULL, "longest discard in bytes" },
    { "inject-error", &inject_list, MEMBER_OPTIONAL, NULL, "rules that fail requests" },
    { "set-state", &set_state_list, MEMBER_OPTIONAL, NULL, "rules that change the state" },
    { "take-child-perms", &permission_list, MEMBER_OPTIONAL | MEMBER_HOW, NULL,
      "permissions to use on image beyond what is needed" },
    { "unshare-child-perms", &permission_list, MEMBER_OPTIONAL | MEMBER_HOW, NULL,
      "permissions not to share on image" },
    { 0 },
};
