/* SPDX-License-Identifier: MIT */
/* Damage that is noticed while the image is in use.
 *
 * Before something is written into a place that should be its own, the parts of the metadata that
 * "overlap-check" names are looked through.  A write that would hit one of them, or an entry that
 * cannot be, marks the image as corrupt, on disk too, and from then on the node has no medium.
 */
#include "drivers/qcow2/qcow2.h"

#include <inttypes.h>
#include <stdarg.h>

/* ---- Telling ---- */

static void emit(struct qcow2 *q, const char *text, int64_t offset, int64_t bytes, bool fatal)
{
    const char *device = node_device_or_name(q->node);
    json_t *data =
        json_pack("{s:s, s:s, s:s, s:b}", "device", device == q->node->name ? "" : device, "msg",
                  text, "node-name", q->node->name, "fatal", fatal);
    CHECK(data != NULL);
    if (offset >= 0) {
        json_object_set_new(data, "offset", json_integer(offset));
        json_object_set_new(data, "size", json_integer(bytes));
    }
    node_emit_event(q->node, "BLOCK_IMAGE_CORRUPTED", data);
}

int qcow2_corrupt(struct qcow2 *q, int64_t offset, int64_t bytes, const char *fmt, ...)
{
    va_list ap;
    if (!q->node) {
        return -EIO; /* An image that is being made. */
    }
    bool fatal = !q->node->flags.read_only;
    if (q->lost || (!fatal && q->signalled)) {
        return -EIO;
    }
    q->signalled = true;
    va_start(ap, fmt);
    char *text = mem_vprintf(fmt, ap);
    va_end(ap);
    node_warn(q->node,
              fatal ? "qcow2: Marking image as corrupt: %s; further corruption events "
                      "will be suppressed"
                    : "qcow2: Image is corrupt: %s; further non-fatal corruption events "
                      "will be suppressed",
              text);
    emit(q, text, offset, bytes, fatal);
    free(text);
    if (fatal) {
        q->lost = true;
        if (q->version >= 3) {
            qcow2_set_features(q, q->incompatible | INCOMPAT_CORRUPT);
        }
    }
    return -EIO;
}

/* ---- Looking ---- */

static bool overlaps(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
    return a_len > 0 && b_len > 0 && a < b + b_len && b < a + a_len;
}

static bool hits_l2(const struct qcow2 *q, const uint64_t *l1, uint32_t l1_size, uint64_t offset,
                    uint64_t bytes)
{
    for (uint32_t i = 0; i < l1_size; i++) {
        uint64_t table = l1[i] & ENTRY_OFFSET;
        if (table && overlaps(offset, bytes, table, q->cluster_size)) {
            return true;
        }
    }
    return false;
}

static bool hits_refblock(const struct qcow2 *q, uint64_t offset, uint64_t bytes)
{
    for (uint32_t i = 0; i < q->reftable_size; i++) {
        uint64_t block = q->reftable[i] & REFTABLE_OFFSET;
        if (block && overlaps(offset, bytes, block, q->cluster_size)) {
            return true;
        }
    }
    return false;
}

/* 1: hits, 0: does not, -errno. */
static int hits_snapshots(struct qcow2 *q, bool l2, uint64_t offset, uint64_t bytes)
{
    for (uint32_t i = 0; i < q->snapshot_count; i++) {
        struct snapshot *s = &q->snapshots[i];
        if (!l2) {
            if (overlaps(offset, bytes, s->l1_offset, 8 * (uint64_t)s->l1_size)) {
                return 1;
            }
            continue;
        }
        int ret = snapshot_l1(q, s);
        if (ret < 0) {
            return ret;
        }
        if (s->l1 && hits_l2(q, s->l1, s->l1_size, offset, bytes)) {
            return 1;
        }
    }
    return 0;
}

static int hits(struct qcow2 *q, enum metadata_part part, uint64_t offset, uint64_t bytes)
{
    switch (part) {
    case META_HEADER:
        return overlaps(offset, bytes, 0, q->cluster_size);
    case META_ACTIVE_L1:
        return overlaps(offset, bytes, q->l1_offset, 8 * (uint64_t)q->l1_size);
    case META_ACTIVE_L2:
        return hits_l2(q, q->l1, q->l1_size, offset, bytes);
    case META_REFTABLE:
        return overlaps(offset, bytes, q->reftable_offset, 8 * (uint64_t)q->reftable_size);
    case META_REFBLOCK:
        return hits_refblock(q, offset, bytes);
    case META_SNAPSHOT_TABLE:
        return overlaps(offset, bytes, q->snapshots_offset, q->snapshots_size);
    case META_INACTIVE_L1:
        return hits_snapshots(q, false, offset, bytes);
    case META_INACTIVE_L2:
        return hits_snapshots(q, true, offset, bytes);
    case META_BITMAP_DIRECTORY:
        return q->has_bitmaps && q->autoclear & AUTOCLEAR_BITMAPS &&
               overlaps(offset, bytes, q->bitmap_directory, q->bitmap_directory_size);
    default:
        UNREACHABLE();
    }
}

int overlap_check(struct qcow2 *q, uint32_t except, uint64_t offset, uint64_t bytes)
{
    static const char *const names[META_PARTS] = {
        "qcow2_header",      "active L1 table",   "active L2 table",
        "refcount table",    "refcount block",    "snapshot table",
        "inactive L1 table", "inactive L2 table", "bitmap directory",
    };
    uint32_t check = q->options.overlap & ~except;
    uint64_t start = cluster_align(q, offset), len = cluster_round_up(q, offset + bytes) - start;
    for (int part = 0; part < META_PARTS; part++) {
        int hit = check & (1u << part) ? hits(q, part, start, len) : 0;
        if (hit > 0) {
            return qcow2_corrupt(q, (int64_t)offset, (int64_t)bytes,
                                 "Preventing invalid write on metadata (overlaps with %s)",
                                 names[part]);
        }
        if (hit < 0) {
            return hit;
        }
    }
    return 0;
}
