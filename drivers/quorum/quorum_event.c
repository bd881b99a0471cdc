/* SPDX-License-Identifier: MIT */
/* QUORUM_REPORT_BAD and QUORUM_FAILURE (QEMU qapi/block-core.json). */
#include "base/check.h"
#include "drivers/quorum/quorum.h"

/* The sectors of 512 bytes that a range touches. */
static void set_sectors(json_t *data, int64_t offset, int64_t bytes)
{
    int64_t first = offset / 512;
    int64_t end = (offset + bytes + 511) / 512;
    json_object_set_new(data, "sector-num", json_integer((json_int_t)first));
    json_object_set_new(data, "sectors-count", json_integer((json_int_t)(end - first)));
}

void quorum_report_bad(struct node *n, enum quorum_op op, const struct node *child, int64_t offset,
                       int64_t bytes, int ret)
{
    static const char *const types[] = { "read", "write", "flush" };
    CHECK((unsigned)op < sizeof(types) / sizeof(types[0]) && ret <= 0);
    json_t *data = json_pack("{s:s, s:s}", "type", types[op], "node-name", child->name);
    CHECK(data != NULL);
    if (ret < 0) {
        json_object_set_new(data, "error", json_string(error_strerror(-ret)));
    }
    set_sectors(data, offset, bytes);
    node_emit_event(n, "QUORUM_REPORT_BAD", data);
}

void quorum_report_failure(struct node *n, int64_t offset, int64_t bytes)
{
    json_t *data = json_pack("{s:s}", "reference", node_device_or_name(n));
    CHECK(data != NULL);
    set_sectors(data, offset, bytes);
    node_emit_event(n, "QUORUM_FAILURE", data);
}
