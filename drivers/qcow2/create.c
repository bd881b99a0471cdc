/* SPDX-License-Identifier: MIT */
/* New images, and another backing file for an old one.
 *
 *   header | refcount table | refcount block | L1 table ...
 *
 * The first three are written by hand; then the image is one of size 0, and grows as any other.
 */
#include "drivers/qcow2/qcow2.h"

enum { EXTENDED_CLUSTER_MIN = 16 << 10 };

static bool is_one_of(const char *text, const char *const *list)
{
    while (*list && strcmp(*list, text) != 0) {
        list++;
    }
    return *list != NULL;
}

static int check_choice(const char *parameter, const char *text, const char *const *list,
                        struct error *err)
{
    return is_one_of(text, list)
               ? 0
               : error_set(err, -EINVAL, "Parameter '%s' does not accept value '%s'", parameter,
                           text);
}

static int check_words(const struct opts *o, struct error *err)
{
    static const char *const versions[] = { "0.10", "v2", "1.1", "v3", NULL };
    static const char *const modes[] = { "off", "metadata", "falloc", "full", NULL };
    static const char *const types[] = { "zlib", "zstd", NULL };
    int ret = check_choice("version", opts_str(o, "compat"), versions, err);
    if (ret == 0) {
        ret = check_choice("preallocation", opts_str(o, "preallocation"), modes, err);
    }
    return ret < 0 ? ret
                   : check_choice("compression-type", opts_str(o, "compression_type"), types, err);
}

static int check_not_there(const struct opts *o, struct error *err)
{
    if (opts_bool(o, "data_file_raw") && !opts_given(o, "data_file")) {
        return error_set(err, -EINVAL, "data-file-raw requires data-file");
    }
    if (opts_given(o, "data_file")) {
        return error_set(err, -ENOTSUP, "qcow2: External data files are not available");
    }
    if (opts_bool(o, "encryption") || json_object_get(o->values, "encrypt.format")) {
        return error_set(err, -ENOTSUP, "qcow2: Encryption is not available");
    }
    if (opts_bool(o, "extended_l2")) {
        return error_set(err, -ENOTSUP, "qcow2: Extended L2 entries are not available");
    }
    if (strcmp(opts_str(o, "compression_type"), "zlib") != 0) {
        return error_set(err, -ENOTSUP, "qcow2: Compression type 'zstd' is not available");
    }
    return 0;
}

static int check_old_version(const struct opts *o, struct error *err)
{
    if (opts_bool(o, "extended_l2")) {
        return error_set(err, -EINVAL,
                         "Extended L2 entries are only supported with compatibility level 1.1 "
                         "and above (use version=v3 or greater)");
    }
    if (opts_bool(o, "lazy_refcounts")) {
        return error_set(err, -EINVAL,
                         "Lazy refcounts only supported with compatibility level 1.1 "
                         "and above (use version=v3 or greater)");
    }
    if (opts_int(o, "refcount_bits") != 16) {
        return error_set(err, -EINVAL,
                         "Different refcount widths than 16 bits require "
                         "compatibility level 1.1 or above (use version=v3 or greater)");
    }
    if (strcmp(opts_str(o, "compression_type"), "zlib") != 0) {
        return error_set(err, -EINVAL,
                         "Non-zlib compression type is only supported with "
                         "compatibility level 1.1 and above (use version=v3 or greater)");
    }
    return 0;
}

static bool is_power_of_two(int64_t v)
{
    return v > 0 && (v & (v - 1)) == 0;
}

static int check_all(const struct opts *o, int64_t size, struct error *err)
{
    const char *compat = opts_str(o, "compat");
    int64_t cluster = opts_int(o, "cluster_size"), bits = opts_int(o, "refcount_bits");
    int ret = check_words(o, err);
    if (ret < 0) {
        return ret;
    }
    if (size % 512) {
        return error_set(err, -EINVAL, "Image size must be a multiple of 512 bytes");
    }
    if (!is_power_of_two(cluster) || cluster < 1 << CLUSTER_BITS_MIN ||
        cluster > 1 << CLUSTER_BITS_MAX) {
        return error_set(err, -EINVAL, "Cluster size must be a power of two between %d and %dk",
                         1 << CLUSTER_BITS_MIN, 1 << (CLUSTER_BITS_MAX - 10));
    }
    bool extended = opts_bool(o, "extended_l2");
    if (opts_given(o, "backing_file") && strcmp(opts_str(o, "preallocation"), "off") != 0 &&
        !extended) {
        return error_set(err, -EINVAL,
                         "Backing file and preallocation can only be used at the "
                         "same time if extended_l2 is on");
    }
    if (opts_given(o, "backing_fmt") && !opts_given(o, "backing_file")) {
        return error_set(err, -EINVAL, "Backing format cannot be used without backing file");
    }
    if (strcmp(compat, "0.10") == 0 || strcmp(compat, "v2") == 0) {
        ret = check_old_version(o, err);
        if (ret < 0) {
            return ret;
        }
    }
    if (!is_power_of_two(bits) || bits > 64) {
        return error_set(err, -EINVAL,
                         "Refcount width must be a power of two and may not exceed 64 bits");
    }
    if (extended && cluster < EXTENDED_CLUSTER_MIN) {
        return error_set(err, -EINVAL,
                         "Extended L2 entries are only supported with cluster sizes of at least "
                         "%d bytes", EXTENDED_CLUSTER_MIN);
    }
    return check_not_there(o, err);
}

/* ---- The first clusters ---- */

static void plan(struct qcow2 *q, const struct opts *o)
{
    const char *compat = opts_str(o, "compat");
    q->version = strcmp(compat, "0.10") == 0 || strcmp(compat, "v2") == 0 ? 2 : 3;
    q->cluster_size = (uint32_t)opts_int(o, "cluster_size");
    q->cluster_bits = (uint32_t)__builtin_ctz(q->cluster_size);
    q->refcount_order = (uint32_t)__builtin_ctzll((unsigned long long)opts_int(o, "refcount_bits"));
    q->compatible = opts_bool(o, "lazy_refcounts") ? COMPAT_LAZY_REFCOUNTS : 0;
    q->header_length = q->version == 3 ? HEADER_FULL_SIZE : HEADER_V2_SIZE;
    q->reftable_offset = q->cluster_size;
    q->reftable_size = q->cluster_size / 8;
}

static int write_first_clusters(struct qcow2 *q)
{
    enum { FIRST = 3 };
    uint8_t entry[8];
    struct bounce *b = bounce_get(q);
    memset(b->bytes, 0, q->cluster_size);
    for (uint64_t i = 0; i < FIRST; i++) {
        refcount_put(q, b->bytes, i, 1);
    }
    int ret = qcow2_header_write(q);
    if (ret == 0) {
        ret = file_write_fill(q, q->reftable_offset, FILL_ZERO, q->cluster_size);
    }
    if (ret == 0) {
        ret = file_write_bytes(q, 2 * (uint64_t)q->cluster_size, b->bytes, q->cluster_size);
    }
    if (ret == 0) {
        put_be64(entry, 2 * (uint64_t)q->cluster_size);
        ret = file_write_bytes(q, q->reftable_offset, entry, sizeof(entry));
    }
    bounce_put(q, b);
    return ret;
}

static enum io_prealloc prealloc_mode(const char *text)
{
    return strcmp(text, "metadata") == 0 ? PREALLOC_METADATA
           : strcmp(text, "falloc") == 0 ? PREALLOC_FALLOC
           : strcmp(text, "full") == 0   ? PREALLOC_FULL
                                         : PREALLOC_OFF;
}

/* Backing names come last, as the file is else complete. */
static int name_backing(struct qcow2 *q, const char *file, const char *format, struct error *err)
{
    if (!file) {
        return 0;
    }
    int ret = strlen(file) > BACKING_NAME_MAX ? -EINVAL : 0;
    if (ret == 0) {
        q->backing_file = mem_strdup(file);
        q->backing_format = format ? mem_strdup(format) : NULL;
        ret = qcow2_header_write(q);
    }
    return ret < 0 ? error_set_errno(err, ret,
                                     "Could not assign backing file '%s' with format "
                                     "'%s'",
                                     file, format ? format : "")
                   : 0;
}

static int make_image(struct qcow2 *q, int64_t size, const struct opts *o, struct error *err)
{
    const char *mode = opts_str(o, "preallocation");
    int ret = write_first_clusters(q);
    if (ret < 0) {
        return error_set_errno(err, ret, "Could not write qcow2 header");
    }
    ret = qcow2_init(q, &q->options, err);
    if (ret < 0) {
        return ret;
    }
    if (size < 0) {
        return error_set(err, -EINVAL, "Could not resize image: Image size cannot be negative");
    }
    if (size > 0) {
        ret = qcow2_resize(q, size, prealloc_mode(mode), err);
        if (ret < 0) {
            error_prefix(err, "Could not resize image: ");
            return ret;
        }
    }
    ret = name_backing(q, opts_str(o, "backing_file"), opts_str(o, "backing_fmt"), err);
    if (ret < 0) {
        return ret;
    }
    ret = metadata_flush(q);
    return ret < 0 ? error_set_errno(err, ret, "Could not write refcounts") : 0;
}

int qcow2_create(struct child *file, int64_t size, const struct opts *opts, struct error *err)
{
    json_t *none = json_object();
    struct opts defaults = { .values = none, .members = qcow2_options };
    struct node_flags flags = { 0 };
    int ret = check_all(opts, size, err);
    if (ret == 0) {
        struct qcow2 q = { .sim = file->node->sim, .file = file };
        plan(&q, opts);
        ret = qcow2_options_read(&q, &defaults, &flags, &q.options, err);
        CHECK(ret == 0);
        qcow2_lock(&q);
        ret = make_image(&q, size, opts, err);
        qcow2_unlock(&q);
        qcow2_fini(&q);
        qcow2_header_free(&q);
    }
    json_decref(none);
    return ret;
}

/* ---- An old image ---- */

int qcow2_amend(struct node *n, const json_t *values, bool force, struct error *err)
{
    (void)n;
    (void)force; /* Of keys. */
    return json_object_get(values, "encrypt")
               ? error_set(err, -EINVAL, "image is not encrypted, can't amend")
               : 0;
}

int qcow2_set_backing(struct node *n, const char *file, const char *format, struct error *err)
{
    struct qcow2 *q = node_state(n);
    char *old_file = q->backing_file, *old_format = q->backing_format;
    if (file && strlen(file) > BACKING_NAME_MAX) {
        return error_set_errno(err, -EINVAL, "Could not change the backing file to '%s'", file);
    }
    qcow2_lock(q);
    q->backing_file = file ? mem_strdup(file) : NULL;
    q->backing_format = format && *format ? mem_strdup(format) : NULL;
    int ret = q->lost ? -ENOMEDIUM : qcow2_first_write(q);
    if (ret == 0) {
        ret = qcow2_header_write(q);
    }
    if (ret == 0) {
        ret = io_flush(q->file);
    }
    if (ret < 0) {
        free(q->backing_file);
        free(q->backing_format);
        q->backing_file = old_file;
        q->backing_format = old_format;
    } else {
        free(old_file);
        free(old_format);
    }
    qcow2_unlock(q);
    if (ret < 0) {
        return error_set_errno(err, ret, "Could not change the backing file to '%s'",
                               file ? file : "");
    }
    node_set_backing_name(n, file, format);
    return 0;
}
