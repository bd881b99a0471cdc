/* SPDX-License-Identifier: MIT */
/* The header: the first cluster of the image.
 *
 *   0        72 or 104...              header_length                      end of the cluster
 *   | fields | unknown fields, padding | extensions ... end | backing name | zeroes |
 *
 * Extensions that this driver does not know are kept and written back.
 * (QEMU docs/interop/qcow2.txt, sections Header and Header extensions; texts of the installed 7.2.)
 */
#include "drivers/qcow2/qcow2.h"

#include <inttypes.h>
#include <stdio.h>

enum extension_magic {
    EXT_END = 0,
    EXT_BITMAPS = 0x23852875,
    EXT_CRYPTO = 0x0537be77,
    EXT_DATA_FILE = 0x44415441,
};
#define EXT_BACKING_FORMAT 0xe2792acau
#define EXT_FEATURES 0x6803f857u

enum { FEATURE_SIZE = 48, FEATURE_NAME_MAX = 46, EXT_HEAD = 8 };
enum { SMALL_CLUSTER = 4096 }; /* Its room is for the backing file name, not for feature names. */

static const struct feature {
    uint8_t type, bit; /* 0 incompatible, 1 compatible, 2 autoclear */
    const char *name;
} features[] = {
    { 0, 0, "dirty bit" },        { 0, 1, "corrupt bit" },         { 0, 2, "external data file" },
    { 0, 3, "compression type" }, { 0, 4, "extended L2 entries" }, { 1, 0, "lazy refcounts" },
    { 2, 0, "bitmaps" },          { 2, 1, "raw external data" },
};

/* ---- Checks ---- */

/* A table of entries of len bytes at offset: its size, its alignment, its place. */
static int check_table(const struct qcow2 *q, uint64_t offset, uint64_t entries, uint64_t len,
                       uint64_t bytes_max, const char *name, struct error *err)
{
    if (entries > bytes_max / len) {
        return error_set(err, -EFBIG, "%s too large", name);
    }
    if (offset > (uint64_t)INT64_MAX - entries * len || in_cluster(q, offset)) {
        return error_set(err, -EINVAL, "%s offset invalid", name);
    }
    return 0;
}

static int check_features(const struct qcow2 *q, const uint8_t *table, uint32_t len,
                          struct error *err)
{
    struct strbuf names = { 0 };
    uint64_t unknown = q->incompatible & ~(uint64_t)INCOMPAT_KNOWN;
    if (!unknown) {
        return 0;
    }
    for (uint32_t at = 0; table && at + FEATURE_SIZE <= len; at += FEATURE_SIZE) {
        const uint8_t *f = table + at;
        if (f[0] == 0 && f[1] < 64 && (unknown & (UINT64_C(1) << f[1]))) {
            strbuf_printf(&names, "%s%.*s", names.len ? ", " : "", FEATURE_NAME_MAX,
                          (const char *)f + 2);
            unknown &= ~(UINT64_C(1) << f[1]);
        }
    }
    if (unknown) {
        strbuf_printf(&names, "%sUnknown incompatible feature: %" PRIx64, names.len ? ", " : "",
                      unknown);
    }
    error_set(err, -ENOTSUP, "Unsupported qcow2 feature(s): %s", strbuf_str(&names));
    strbuf_free(&names);
    return -ENOTSUP;
}

static int check_compression(const struct qcow2 *q, struct error *err)
{
    bool bit = q->incompatible & INCOMPAT_COMPRESSION;
    if (q->compression_type == 0 && bit) {
        return error_set(err, -EINVAL,
                         "qcow2: Compression type incompatible feature bit must not be set");
    }
    if (q->compression_type != 0 && !bit) {
        return error_set(err, -EINVAL,
                         "qcow2: Compression type incompatible feature bit must be set");
    }
    if (q->compression_type > 1) {
        return error_set(err, -ENOTSUP, "qcow2: unknown compression type: %u", q->compression_type);
    }
    return 0;
}

static int check_tables(const struct qcow2 *q, const uint8_t *h, struct error *err)
{
    if (q->refcount_order > 6) {
        return error_set(err, -EINVAL,
                         "Reference count entry width too large; may not exceed 64 bits");
    }
    uint32_t reftable_clusters = be32(h + 56);
    if (reftable_clusters == 0) {
        return error_set(err, -EINVAL, "Image does not contain a reference count table");
    }
    int ret =
        check_table(q, q->reftable_offset, (uint64_t)reftable_clusters << (q->cluster_bits - 3), 8,
                    REFTABLE_BYTES_MAX, "Reference count table", err);
    if (ret == 0) {
        /* 40: the fixed part of an entry; the real length is not known yet. */
        ret = check_table(q, q->snapshots_offset, q->snapshot_count, 40,
                          (uint64_t)40 * SNAPSHOTS_MAX, "Snapshot table", err);
    }
    if (ret == 0) {
        ret = check_table(q, q->l1_offset, q->l1_size, 8, L1_BYTES_MAX, "Active L1 table", err);
    }
    if (ret < 0) {
        return ret;
    }
    uint64_t covers = q->cluster_bits + l2_bits(q);
    uint64_t needed = (q->size >> covers) + ((q->size & ((UINT64_C(1) << covers) - 1)) != 0);
    if (needed > INT32_MAX) {
        return error_set(err, -EFBIG, "Image is too big");
    }
    if (q->l1_size < needed) {
        return error_set(err, -EINVAL, "L1 table is too small");
    }
    if (q->crypt_method > 2) {
        return error_set(err, -EINVAL, "Unsupported encryption method %" PRIu32, q->crypt_method);
    }
    return 0;
}

/* ---- Extensions ---- */

static void keep_extension(struct qcow2 *q, uint32_t magic, const uint8_t *bytes, uint32_t len)
{
    struct extension *e = mem_alloc(sizeof(*e) + len);
    struct extension **tail = &q->extensions;
    while (*tail) {
        tail = &(*tail)->next;
    }
    e->next = NULL;
    e->magic = magic;
    e->len = len;
    memcpy(e->bytes, bytes, len);
    *tail = e;
}

static int take_bitmaps(struct qcow2 *q, const uint8_t *bytes, uint32_t len, struct error *err)
{
    if (len != 24) {
        return error_set(err, -EINVAL, "bitmaps_ext: Invalid extension length");
    }
    keep_extension(q, EXT_BITMAPS, bytes, len);
    q->has_bitmaps = true;
    q->bitmap_directory_size = be64(bytes + 8);
    q->bitmap_directory = be64(bytes + 16);
    if (!(q->autoclear & AUTOCLEAR_BITMAPS)) {
        return 0; /* Written by who did not know them: nobody uses them. */
    }
    if (be32(bytes + 4) != 0) {
        return error_set(err, -EINVAL, "bitmaps_ext: Reserved field is not zero");
    }
    return 0;
}

static int take_extension(struct qcow2 *q, uint32_t magic, const uint8_t *bytes, uint32_t len,
                          struct error *err)
{
    switch (magic) {
    case EXT_BACKING_FORMAT:
        if (len > BACKING_FORMAT_MAX) {
            return error_set(err, -EINVAL,
                             "ERROR: ext_backing_format: len=%" PRIu32 " too large (>=%d)", len,
                             BACKING_FORMAT_MAX + 1);
        }
        free(q->backing_format);
        q->backing_format = mem_strndup((const char *)bytes, len);
        return 0;
    case EXT_FEATURES:
        return 0; /* Read before, by check_features; written anew. */
    case EXT_BITMAPS:
        return take_bitmaps(q, bytes, len, err);
    case EXT_CRYPTO:
        if (q->crypt_method != 2) {
            return error_set(err, -EINVAL,
                             "CRYPTO header extension only expected with LUKS encryption method");
        }
        keep_extension(q, magic, bytes, len);
        return 0;
    default:
        keep_extension(q, magic, bytes, len);
        return 0;
    }
}

/* Walks the extensions in [at, end) of the first cluster.  features: only finds that table. */
static int walk_extensions(struct qcow2 *q, const uint8_t *cluster, uint32_t at, uint32_t end,
                           const uint8_t **table, uint32_t *table_len, struct error *err)
{
    while (at < end) {
        if (end - at < EXT_HEAD) {
            return table ? 0 : error_set(err, -EINVAL, "Header extension too large");
        }
        uint32_t magic = be32(cluster + at), len = be32(cluster + at + 4);
        at += EXT_HEAD;
        if (len > end - at) {
            return table ? 0 : error_set(err, -EINVAL, "Header extension too large");
        }
        if (magic == EXT_END) {
            break;
        }
        int ret = 0;
        if (!table) {
            ret = take_extension(q, magic, cluster + at, len, err);
        } else if (magic == EXT_FEATURES && !*table) {
            *table = cluster + at;
            *table_len = len;
        }
        if (ret < 0) {
            return ret;
        }
        at += MIN((len + 7) & ~7u, end - at);
    }
    return 0;
}

/* ---- Reading ---- */

static void decode_v2(struct qcow2 *q, const uint8_t *h)
{
    q->cluster_bits = be32(h + 20);
    q->cluster_size = 1u << q->cluster_bits;
    q->size = be64(h + 24);
    q->crypt_method = be32(h + 32);
    q->l1_size = be32(h + 36);
    q->l1_offset = be64(h + 40);
    q->reftable_offset = be64(h + 48);
    q->snapshot_count = be32(h + 60);
    q->snapshots_offset = be64(h + 64);
    q->refcount_order = 4;
    q->header_length = HEADER_V2_SIZE;
}

static int decode_v3(struct qcow2 *q, const uint8_t *h, struct error *err)
{
    q->incompatible = be64(h + 72);
    q->compatible = be64(h + 80);
    q->autoclear = be64(h + 88);
    q->refcount_order = be32(h + 96);
    q->header_length = be32(h + 100);
    if (q->header_length < HEADER_V3_SIZE) {
        return error_set(err, -EINVAL, "qcow2 header too short");
    }
    if (q->header_length > q->cluster_size) {
        return error_set(err, -EINVAL, "qcow2 header exceeds cluster size");
    }
    q->compression_type = q->header_length > HEADER_V3_SIZE ? h[104] : 0;
    return 0;
}

static int decode(struct qcow2 *q, const uint8_t *h, struct error *err)
{
    if (be32(h) != QCOW2_MAGIC) {
        return error_set(err, -EINVAL, "Image is not in qcow2 format");
    }
    q->version = be32(h + 4);
    if (q->version < 2 || q->version > 3) {
        return error_set(err, -ENOTSUP, "Unsupported qcow2 version %" PRIu32, q->version);
    }
    uint32_t bits = be32(h + 20);
    if (bits < CLUSTER_BITS_MIN || bits > CLUSTER_BITS_MAX) {
        return error_set(err, -EINVAL, "Unsupported cluster size: 2^%" PRIu32, bits);
    }
    decode_v2(q, h);
    return q->version == 3 ? decode_v3(q, h, err) : 0;
}

/* Fields behind those that are known; zeroes need not be kept. */
static void keep_unknown_fields(struct qcow2 *q, const uint8_t *cluster)
{
    if (q->header_length > HEADER_FULL_SIZE) {
        q->unknown_fields =
            mem_copy(cluster + HEADER_FULL_SIZE, q->header_length - HEADER_FULL_SIZE);
    }
}

static int read_backing_name(struct qcow2 *q, const uint8_t *cluster, struct error *err)
{
    uint64_t at = be64(cluster + 8);
    uint32_t len = be32(cluster + 16);
    if (at == 0) {
        return 0;
    }
    uint32_t room = q->cluster_size - (uint32_t)at;
    if (len > MIN(room, (uint32_t)BACKING_NAME_MAX)) {
        return error_set(err, -EINVAL, "Backing file name too long");
    }
    free(q->backing_file);
    q->backing_file = mem_strndup((const char *)cluster + at, len);
    return 0;
}

static int decode_all(struct qcow2 *q, const uint8_t *cluster, struct error *err)
{
    int ret = decode(q, cluster, err);
    if (ret < 0) {
        return ret;
    }
    uint64_t backing = be64(cluster + 8);
    if (backing > q->cluster_size) {
        return error_set(err, -EINVAL, "Invalid backing file offset");
    }
    uint32_t end = backing ? (uint32_t)backing : q->cluster_size;
    const uint8_t *table = NULL;
    uint32_t table_len = 0;
    walk_extensions(q, cluster, q->header_length, end, &table, &table_len, NULL);
    keep_unknown_fields(q, cluster);
    ret = check_compression(q, err);
    if (ret == 0) {
        ret = check_features(q, table, table_len, err);
    }
    if (ret == 0 && (q->incompatible & INCOMPAT_CORRUPT) && !q->node->flags.read_only) {
        ret = error_set(err, -EACCES, "qcow2: Image is corrupt; cannot be opened read/write");
    }
    if (ret == 0) {
        ret = check_tables(q, cluster, err);
    }
    if (ret == 0) {
        ret = walk_extensions(q, cluster, q->header_length, end, NULL, NULL, err);
    }
    return ret < 0 ? ret : read_backing_name(q, cluster, err);
}

int qcow2_header_read(struct qcow2 *q, struct error *err)
{
    uint8_t fields[HEADER_FULL_SIZE];
    int ret = file_read_bytes(q, 0, fields, sizeof(fields));
    if (ret < 0) {
        return error_set_errno(err, ret, "Could not read qcow2 header");
    }
    ret = decode(q, fields, err);
    if (ret < 0) {
        return ret;
    }
    uint8_t *cluster = mem_alloc(q->cluster_size);
    ret = file_read_bytes(q, 0, cluster, q->cluster_size);
    if (ret < 0) {
        error_set_errno(err, ret, "Could not read qcow2 header");
    } else {
        memcpy(cluster, fields, sizeof(fields)); /* What was checked holds, whatever came now. */
        ret = decode_all(q, cluster, err);
        q->reftable_size = be32(cluster + 56) << (q->cluster_bits - 3);
    }
    free(cluster);
    return ret;
}

void qcow2_header_free(struct qcow2 *q)
{
    while (q->extensions) {
        struct extension *e = q->extensions;
        q->extensions = e->next;
        free(e);
    }
    for (uint32_t i = 0; q->snapshots && i < q->snapshot_count; i++) {
        free(q->snapshots[i].l1);
    }
    free(q->snapshots);
    free(q->unknown_fields);
    free(q->backing_file);
    free(q->backing_format);
    q->snapshots = NULL;
    q->unknown_fields = NULL;
    q->backing_file = q->backing_format = NULL;
}

/* ---- Writing ---- */

struct header_out {
    uint8_t *cluster;
    uint32_t at, size;
    bool full;
};

static void put_extension(struct header_out *o, uint32_t magic, const void *bytes, uint32_t len)
{
    uint32_t padded = (len + 7) & ~7u;
    if (o->full || o->size - o->at < EXT_HEAD + padded) {
        o->full = true;
        return;
    }
    put_be32(o->cluster + o->at, magic);
    put_be32(o->cluster + o->at + 4, len);
    if (len) {
        memcpy(o->cluster + o->at + EXT_HEAD, bytes, len);
    }
    o->at += EXT_HEAD + padded;
}

static void put_features(struct header_out *o)
{
    uint8_t table[ARRAY_LEN(features) * FEATURE_SIZE] = { 0 };
    for (size_t i = 0; i < ARRAY_LEN(features); i++) {
        uint8_t *f = table + i * FEATURE_SIZE;
        f[0] = features[i].type;
        f[1] = features[i].bit;
        memcpy(f + 2, features[i].name, strlen(features[i].name));
    }
    put_extension(o, EXT_FEATURES, table, sizeof(table));
}

static void put_fields(struct qcow2 *q, struct header_out *o)
{
    uint8_t *h = o->cluster;
    put_be32(h, QCOW2_MAGIC);
    put_be32(h + 4, q->version);
    put_be32(h + 20, q->cluster_bits);
    put_be64(h + 24, q->size);
    put_be32(h + 32, q->crypt_method);
    put_be32(h + 36, q->l1_size);
    put_be64(h + 40, q->l1_offset);
    put_be64(h + 48, q->reftable_offset);
    put_be32(h + 56, q->reftable_size >> (q->cluster_bits - 3));
    put_be32(h + 60, q->snapshot_count);
    put_be64(h + 64, q->snapshots_offset);
    o->at = HEADER_V2_SIZE;
    if (q->version < 3) {
        return;
    }
    uint32_t length = MAX(q->header_length, (uint32_t)HEADER_FULL_SIZE);
    put_be64(h + 72, q->incompatible);
    put_be64(h + 80, q->compatible);
    put_be64(h + 88, q->autoclear);
    put_be32(h + 96, q->refcount_order);
    put_be32(h + 100, length);
    h[104] = q->compression_type;
    if (q->unknown_fields) {
        memcpy(h + HEADER_FULL_SIZE, q->unknown_fields, length - HEADER_FULL_SIZE);
    }
    o->at = length;
}

int qcow2_header_write(struct qcow2 *q)
{
    struct header_out o = { .cluster = mem_zalloc(q->cluster_size), .size = q->cluster_size };
    put_fields(q, &o);
    if (q->backing_format && *q->backing_format) {
        put_extension(&o, EXT_BACKING_FORMAT, q->backing_format,
                      (uint32_t)strlen(q->backing_format));
    }
    for (const struct extension *e = q->extensions; e; e = e->next) {
        put_extension(&o, e->magic, e->bytes, e->len);
    }
    if (q->version >= 3 && q->cluster_size > SMALL_CLUSTER) {
        put_features(&o);
    }
    put_extension(&o, EXT_END, NULL, 0);
    if (q->backing_file && !o.full) { /* An empty one has a place too. */
        uint32_t len = (uint32_t)strlen(q->backing_file);
        o.full = o.size - o.at < len;
        if (!o.full) {
            memcpy(o.cluster + o.at, q->backing_file, len);
            put_be64(o.cluster + 8, o.at);
            put_be32(o.cluster + 16, len);
        }
    }
    int ret = o.full ? -ENOSPC : file_write_bytes(q, 0, o.cluster, q->cluster_size);
    free(o.cluster);
    return ret;
}

int qcow2_set_features(struct qcow2 *q, uint64_t set)
{
    uint8_t be[8];
    CHECK(q->version >= 3);
    put_be64(be, set);
    int ret = file_write_bytes(q, 72, be, sizeof(be));
    if (ret == 0) {
        ret = io_flush(q->file);
    }
    if (ret == 0) {
        q->incompatible = set;
    }
    return ret;
}

/* ---- Snapshots ---- */

/* One entry at *at; moves on to the next.  Entries are 8-aligned and of any length. */
static int read_snapshot(struct qcow2 *q, uint64_t *at, struct snapshot *out, struct error *err)
{
    uint8_t e[40];
    int ret = file_read_bytes(q, *at, e, sizeof(e));
    if (ret < 0) {
        return error_set_errno(err, ret, "Failed to read snapshot table");
    }
    uint64_t len = sizeof(e) + be32(e + 36) + (((uint64_t)e[12] << 8) | e[13]) +
                   (((uint64_t)e[14] << 8) | e[15]);
    if (be32(e + 36) > 1024 || *at - q->snapshots_offset + len > (64u << 20)) {
        return error_set(err, -EFBIG, "Snapshot table is too large");
    }
    out->l1_offset = be64(e);
    out->l1_size = be32(e + 8);
    *at += (len + 7) & ~UINT64_C(7);
    return 0;
}

int snapshots_read(struct qcow2 *q, struct error *err)
{
    uint64_t at = q->snapshots_offset;
    if (q->snapshot_count == 0) {
        q->snapshots_offset = q->snapshots_size = 0;
        return 0;
    }
    q->snapshots = NEW_ARRAY(struct snapshot, q->snapshot_count);
    for (uint32_t i = 0; i < q->snapshot_count; i++) {
        int ret = read_snapshot(q, &at, &q->snapshots[i], err);
        if (ret < 0) {
            return ret;
        }
    }
    q->snapshots_size = at - q->snapshots_offset;
    return 0;
}

int snapshot_l1(struct qcow2 *q, struct snapshot *s)
{
    struct error err = ERROR_INIT;
    if (s->l1 || s->l1_size == 0) {
        return 0;
    }
    int ret = check_table(q, s->l1_offset, s->l1_size, 8, L1_BYTES_MAX, "Snapshot L1 table", &err);
    if (ret < 0) {
        return ret;
    }
    uint64_t *l1 = NEW_ARRAY(uint64_t, s->l1_size);
    ret = file_read_bytes(q, s->l1_offset, l1, (size_t)s->l1_size * 8);
    if (ret < 0) {
        free(l1);
        return ret;
    }
    for (uint32_t i = 0; i < s->l1_size; i++) {
        l1[i] = be64toh(l1[i]);
    }
    s->l1 = l1;
    return 0;
}
