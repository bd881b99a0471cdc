/* SPDX-License-Identifier: MIT */
/* qcow2: the driver's table; open and close.
 *
 *   open:  file child -> header -> options -> refcount table -> snapshots -> L1 -> caches
 *          -> writable: features that would not stay true are cleared, a dirty image is repaired
 *   close: caches written, in order -> dirty bit cleared -> all freed
 */
#include "drivers/qcow2/qcow2.h"

#include <inttypes.h>

/* ---- What open and create share ---- */

void caches_create(struct qcow2 *q, const struct qcow2_options *o, struct cache **l2,
                   struct cache **refcounts)
{
    *l2 = cache_create(q, false, o->l2_entry_size, o->l2_entries);
    *refcounts = cache_create(q, true, q->cluster_size, o->refcount_entries);
}

/* A table of 64-bit entries, in the machine's byte order. */
static int read_table(struct qcow2 *q, uint64_t offset, uint32_t entries, uint64_t **out)
{
    uint64_t *table = NEW_ARRAY(uint64_t, MAX(entries, 1u));
    int ret = entries ? file_read_bytes(q, offset, table, (size_t)entries * 8) : 0;
    for (uint32_t i = 0; i < entries; i++) {
        table[i] = be64toh(table[i]);
    }
    *out = table;
    return ret;
}

int qcow2_init(struct qcow2 *q, const struct qcow2_options *options, struct error *err)
{
    q->options = *options;
    q->lock.waiters.what = "qcow2 metadata";
    q->clean_start_ns = sim_now_ns(q->sim);
    io_event(q->file, "reftable_load");
    int ret = read_table(q, q->reftable_offset, q->reftable_size, &q->reftable);
    if (ret < 0) {
        return error_set_errno(err, ret, "Could not initialize refcount handling");
    }
    ret = read_table(q, q->l1_offset, q->l1_size, &q->l1);
    if (ret < 0) {
        return error_set_errno(err, ret, "Could not read L1 table");
    }
    caches_create(q, &q->options, &q->l2_cache, &q->refcount_cache);
    return 0;
}

void qcow2_fini(struct qcow2 *q)
{
    CHECK(q->allocs == NULL);
    cache_destroy(q->l2_cache);
    cache_destroy(q->refcount_cache);
    q->l2_cache = q->refcount_cache = NULL;
    while (q->bounces) {
        struct bounce *b = q->bounces;
        q->bounces = b->next;
        free(b);
    }
    while (q->spare_allocs) {
        struct alloc *a = q->spare_allocs;
        q->spare_allocs = a->next;
        free(a);
    }
    held_free(q);
    free(q->reftable);
    free(q->l1);
    q->reftable = q->l1 = NULL;
}

/* ---- Open ---- */

static const struct child_desc children[] = {
    { "file", ROLE_IMAGE, true },
    { "backing", ROLE_COW, false },
    { 0 },
};

static const struct child_desc data_file_child = { "data-file", ROLE_DATA, false };

/* What the image says that this driver cannot do, or not now. */
static int refuse_image(struct node *n, const struct qcow2 *q, const struct opts *opts,
                        struct error *err)
{
    struct child *data_file;
    int ret = node_open_child(n, opts, &data_file_child, &data_file, err);
    if (ret < 0) {
        return ret;
    }
    if (q->crypt_method) {
        return error_set(err, -ENOTSUP, "qcow2: Encrypted images are not available");
    }
    if (q->incompatible & INCOMPAT_DATA_FILE) {
        return data_file ? error_set(err, -ENOTSUP, "qcow2: External data files are not available")
                         : error_set(err, -EINVAL, "'data-file' is required for this image");
    }
    if (data_file) {
        return error_set(err, -EINVAL,
                         "'data-file' can only be set for images with an external "
                         "data file");
    }
    if (q->autoclear & AUTOCLEAR_DATA_FILE_RAW) {
        return error_set(err, -EINVAL, "data-file-raw requires a data file");
    }
    if (q->incompatible & INCOMPAT_EXTENDED_L2) {
        return error_set(err, -ENOTSUP, "qcow2: Extended L2 entries are not available");
    }
    return 0;
}

/* A node that may write begins with an image that is in order. */
static int make_writable(struct qcow2 *q, struct error *err)
{
    bool pending = q->repair_pending;
    int ret = 0;
    qcow2_lock(q);
    q->repair_pending = false;
    ret = qcow2_first_write(q);
    q->repair_pending = pending;
    if (ret < 0) {
        error_set_errno(err, ret, "Could not update qcow2 header");
    } else if (pending && (ret = refcounts_repair(q)) < 0) {
        error_set_errno(err, ret, "Could not repair dirty image");
    }
    qcow2_unlock(q);
    return ret;
}

static int open_image(struct node *n, const struct opts *opts, struct error *err)
{
    struct qcow2 *q = node_state(n);
    struct qcow2_options options;
    int ret = qcow2_header_read(q, err);
    if (ret == 0) {
        ret = qcow2_options_read(q, opts, &n->flags, &options, err);
    }
    if (ret == 0) {
        ret = refuse_image(n, q, opts, err);
    }
    if (ret == 0) {
        ret = qcow2_init(q, &options, err);
    }
    if (ret == 0) {
        ret = snapshots_read(q, err);
    }
    if (ret < 0) {
        return ret;
    }
    q->repair_pending = q->incompatible & INCOMPAT_DIRTY;
    if (!n->flags.read_only && (q->repair_pending || q->autoclear)) {
        ret = make_writable(q, err);
    }
    if (ret == 0) {
        node_set_backing_name(n, q->backing_file, q->backing_format);
    }
    return ret;
}

static int qcow2_open(struct node *n, const struct opts *opts, struct error *err)
{
    struct qcow2 *q = node_state(n);
    q->node = n;
    q->sim = n->sim;
    int ret = node_open_child(n, opts, &children[0], &q->file, err);
    if (ret == 0) {
        ret = open_image(n, opts, err);
        if (ret < 0) {
            qcow2_fini(q);
            qcow2_header_free(q);
        }
    }
    return ret;
}

static void qcow2_close(struct node *n)
{
    struct qcow2 *q = node_state(n);
    if (!n->flags.read_only && !q->lost) {
        qcow2_lock(q);
        if (metadata_flush(q) == 0) {
            qcow2_mark_clean(q); /* Else it stays dirty, and is repaired the next time. */
        }
        qcow2_unlock(q);
    }
    qcow2_fini(q);
    qcow2_header_free(q);
}

/* ---- About the image ---- */

static void qcow2_limits(const struct node *n, struct io_limits *limits)
{
    const struct qcow2 *q = node_state(n);
    limits->pwrite_zeroes_alignment = q->cluster_size;
    limits->pdiscard_alignment = q->cluster_size;
    limits->write_flags = IO_COMPRESSED;
    limits->zero_flags = q->version >= 3 ? IO_MAY_UNMAP | IO_NO_FALLBACK : 0;
}

static int64_t qcow2_length(struct node *n)
{
    const struct qcow2 *q = node_state(n);
    return (int64_t)q->size;
}

static int qcow2_info(const struct node *n, struct driver_info *info)
{
    const struct qcow2 *q = node_state(n);
    info->cluster_size = q->cluster_size;
    info->dirty = q->incompatible & INCOMPAT_DIRTY;
    uint32_t bits = q->cluster_bits + l2_bits(q); /* Behind what L1 entries of the guest cover. */
    info->vm_state_offset = (int64_t)((q->size + (UINT64_C(1) << bits) - 1) >> bits << bits);
    return 0;
}

/* In the order in which QEMU prints them. */
static json_t *qcow2_specific(const struct node *n)
{
    const struct qcow2 *q = node_state(n);
    json_t *data = json_pack("{s:s, s:s}", "compat", q->version < 3 ? "0.10" : "1.1",
                             "compression-type", q->compression_type ? "zstd" : "zlib");
    CHECK(data != NULL);
    if (q->version >= 3) {
        json_object_set_new(data, "lazy-refcounts",
                            json_boolean(q->compatible & COMPAT_LAZY_REFCOUNTS));
    }
    json_object_set_new(data, "refcount-bits", json_integer(1 << q->refcount_order));
    if (q->version >= 3) {
        json_object_set_new(data, "corrupt", json_boolean(q->incompatible & INCOMPAT_CORRUPT));
        json_object_set_new(data, "extended-l2",
                            json_boolean(q->incompatible & INCOMPAT_EXTENDED_L2));
    }
    return data;
}

static int qcow2_probe(const uint8_t *head, size_t size, const char *filename)
{
    (void)filename;
    return size >= 8 && be32(head) == QCOW2_MAGIC && be32(head + 4) >= 2 ? 100 : 0;
}

static const struct driver_io qcow2_io = {
    .read = qcow2_read,
    .write = qcow2_write,
    .write_zeroes = qcow2_write_zeroes,
    .discard = qcow2_discard,
    .writeback = qcow2_writeback,
    .sync = qcow2_sync,
    .truncate = qcow2_truncate,
    .block_status = qcow2_block_status,
};

static const struct driver_graph qcow2_graph = { .reopen = qcow2_reopen };

static int qcow2_store_bitmap(const struct node *n, struct error *err)
{
    const struct qcow2 *q = node_state(n);
    return q->version < 3
               ? error_set(err, -ENOTSUP, "Cannot store dirty bitmaps in qcow2 v2 files")
               : -ENOTSUP; /* The bitmap extension is not here. */
}

static const struct driver_image qcow2_image = {
    .probe = qcow2_probe,
    .create_options = qcow2_create_options,
    .create_members = qcow2_create_members,
    .amend_members = qcow2_amend_members,
    .amend = qcow2_amend,
    .create = qcow2_create,
    .set_backing = qcow2_set_backing,
    .store_bitmap = qcow2_store_bitmap,
};

extern const struct blk_driver driver_qcow2;

const struct blk_driver driver_qcow2 = {
    .name = "qcow2",
    .help = "images that grow, with backing files and internal reference counts",
    .traits = DRV_FORMAT | DRV_BACKING,
    .state_size = sizeof(struct qcow2),
    .options = qcow2_options,
    .children = children,
    .open = qcow2_open,
    .close = qcow2_close,
    .limits = qcow2_limits,
    .length = qcow2_length,
    .info = qcow2_info,
    .specific = qcow2_specific,
    .io = &qcow2_io,
    .graph = &qcow2_graph,
    .image = &qcow2_image,
};
