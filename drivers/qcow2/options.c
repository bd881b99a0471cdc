/* SPDX-License-Identifier: MIT */
/* Options of qcow2: BlockdevOptionsQcow2, and qemu-img's for new images.
 * (QEMU qapi/block-core.json, docs/qcow2-cache.txt; texts of the installed 7.2.) */
#include "drivers/qcow2/qcow2.h"

#include <inttypes.h>

static const char *const overlap_modes[] = { "none", "constant", "cached", "all", NULL };

static const struct schema_type overlap_mode = { .name = "Qcow2OverlapCheckMode",
                                                 .kind = SCHEMA_ENUM,
                                                 .values = overlap_modes };

/* In order of enum metadata_part, behind the template. */
static const struct schema_member overlap_members[] = {
    { "template", &overlap_mode, MEMBER_OPTIONAL, NULL, "what holds for parts not given" },
    { "main-header", &schema_bool, MEMBER_OPTIONAL, NULL, "the header" },
    { "active-l1", &schema_bool, MEMBER_OPTIONAL, NULL, "the L1 table in use" },
    { "active-l2", &schema_bool, MEMBER_OPTIONAL, NULL, "the L2 tables in use" },
    { "refcount-table", &schema_bool, MEMBER_OPTIONAL, NULL, "the refcount table" },
    { "refcount-block", &schema_bool, MEMBER_OPTIONAL, NULL, "the refcount blocks" },
    { "snapshot-table", &schema_bool, MEMBER_OPTIONAL, NULL, "the list of internal snapshots" },
    { "inactive-l1", &schema_bool, MEMBER_OPTIONAL, NULL, "L1 tables of internal snapshots" },
    { "inactive-l2", &schema_bool, MEMBER_OPTIONAL, NULL, "L2 tables of internal snapshots" },
    { "bitmap-directory", &schema_bool, MEMBER_OPTIONAL, NULL, "the list of stored bitmaps" },
    { 0 },
};

_Static_assert(ARRAY_LEN(overlap_members) == META_PARTS + 2, "each part has its member");

static const struct schema_type overlap_flags = { .name = "Qcow2OverlapCheckFlags",
                                                  .kind = SCHEMA_STRUCT,
                                                  .members = overlap_members };

static const struct schema_type *const overlap_alternatives[] = { &overlap_flags, &overlap_mode,
                                                                  NULL };
static const struct schema_type overlap_checks = { .name = "Qcow2OverlapChecks",
                                                   .kind = SCHEMA_ALTERNATE,
                                                   .alternatives = overlap_alternatives };

static const char *const encrypt_formats[] = { "aes", "luks", NULL };

static const struct schema_type encrypt_format = { .name = "BlockdevQcow2EncryptionFormat",
                                                   .kind = SCHEMA_ENUM,
                                                   .values = encrypt_formats };

static const struct schema_member encrypt_base[] = {
    { "format", &encrypt_format, 0, NULL, "how the image is encrypted" },
    { 0 },
};

static const struct schema_member encrypt_key[] = {
    { "key-secret", &schema_str, MEMBER_OPTIONAL, NULL, "the secret object with the key" },
    { 0 },
};

static const struct schema_member *encrypt_branch(const struct blk_driver *const *drivers,
                                                  const char *value)
{
    (void)drivers;
    (void)value;
    return encrypt_key;
}

static const struct schema_type encrypt = {
    .name = "BlockdevQcow2Encryption",
    .kind = SCHEMA_UNION,
    .members = encrypt_base,
    .discriminator = "format",
    .branch = encrypt_branch,
};

enum { MAY_CHANGE = MEMBER_OPTIONAL | MEMBER_MUTABLE | MEMBER_HOW };

const struct schema_member qcow2_options[] = {
    { "file", &schema_blockdev_ref, MEMBER_MUTABLE, NULL, "the node that stores the image" },
    { "backing", &schema_blockdev_ref_or_null, MEMBER_OPTIONAL | MEMBER_MUTABLE, NULL,
      "the backing file; null: none, whatever the header says" },
    { "lazy-refcounts", &schema_bool, MAY_CHANGE, NULL,
      "write reference counts late, at the price of a repair after a crash; as the image says when "
      "not given" },
    { "pass-discard-request", &schema_bool, MAY_CHANGE, NULL,
      "pass on what the guest discards; on when discard=unmap" },
    { "pass-discard-snapshot", &schema_bool, MAY_CHANGE, "on",
      "discard what the deletion of a snapshot sets free" },
    { "pass-discard-other", &schema_bool, MAY_CHANGE, "off", "discard what is set free otherwise" },
    { "overlap-check", &overlap_checks, MAY_CHANGE, "cached",
      "which metadata to look through before writing" },
    { "cache-size", &schema_int, MAY_CHANGE, NULL, "bytes of both caches together" },
    { "l2-cache-size", &schema_int, MAY_CHANGE, NULL,
      "most bytes of the L2 cache; 32M, or what the image needs" },
    { "l2-cache-entry-size", &schema_int, MAY_CHANGE, NULL,
      "bytes of a piece in the L2 cache; 4k, or a cluster when the whole image fits" },
    { "refcount-cache-size", &schema_int, MAY_CHANGE, NULL,
      "bytes of the cache of refcounts; 4 clusters" },
    { "cache-clean-interval", &schema_int, MAY_CHANGE, "600",
      "seconds after which unused cache entries go; 0: never" },
    { "encrypt", &encrypt, MAY_CHANGE, NULL, "how the image is encrypted" },
    { "data-file", &schema_blockdev_ref, MEMBER_OPTIONAL, NULL,
      "the node with the data of an image that keeps them elsewhere" },
    { 0 },
};

const struct schema_member qcow2_create_options[] = {
    { "size", &schema_size, MEMBER_OPTIONAL, NULL, "Virtual disk size" },
    { "compat", &schema_str, MEMBER_OPTIONAL, "1.1",
      "Compatibility level (v2 [0.10] or v3 [1.1])" },
    { "backing_file", &schema_str, MEMBER_OPTIONAL, NULL, "File name of a base image" },
    { "backing_fmt", &schema_str, MEMBER_OPTIONAL, NULL, "Image format of the base image" },
    { "cluster_size", &schema_size, MEMBER_OPTIONAL, "65536", "qcow2 cluster size" },
    { "preallocation", &schema_str, MEMBER_OPTIONAL, "off",
      "Preallocation mode (allowed values: off, metadata, falloc, full)" },
    { "lazy_refcounts", &schema_bool, MEMBER_OPTIONAL, "off", "Postpone refcount updates" },
    { "refcount_bits", &schema_int, MEMBER_OPTIONAL, "16",
      "Width of a reference count entry in bits" },
    { "compression_type", &schema_str, MEMBER_OPTIONAL, "zlib",
      "Compression method used for image cluster compression" },
    { "extended_l2", &schema_bool, MEMBER_OPTIONAL, "off", "Extended L2 tables" },
    { "data_file", &schema_str, MEMBER_OPTIONAL, NULL, "File name of an external data file" },
    { "data_file_raw", &schema_bool, MEMBER_OPTIONAL, "off",
      "The external data file must stay valid as a raw image" },
    { "encryption", &schema_bool, MEMBER_OPTIONAL, "off", "Encrypt the image with format 'aes'" },
    { "encrypt.format", &schema_str, MEMBER_OPTIONAL, NULL,
      "Encrypt the image, format choices: 'aes', 'luks'" },
    { "encrypt.key-secret", &schema_str, MEMBER_OPTIONAL, NULL,
      "ID of secret providing qcow AES key or LUKS passphrase" },
    { 0 },
};

/* ---- blockdev-create, x-blockdev-amend ---- */

static const char *const versions[] = { "v2", "v3", NULL };
static const char *const prealloc_modes[] = { "off", "metadata", "falloc", "full", NULL };
static const char *const compression_types[] = { "zlib", "zstd", NULL };
static const char *const crypto_formats[] = { "qcow", "luks", NULL };
static const char *const key_states[] = { "active", "inactive", NULL };

static const struct schema_type version = {
    .name = "BlockdevQcow2Version", .kind = SCHEMA_ENUM, .values = versions
};
static const struct schema_type prealloc_mode = {
    .name = "PreallocMode", .kind = SCHEMA_ENUM, .values = prealloc_modes
};
static const struct schema_type compression_type = {
    .name = "Qcow2CompressionType", .kind = SCHEMA_ENUM, .values = compression_types
};
static const struct schema_type crypto_format = {
    .name = "QCryptoBlockFormat", .kind = SCHEMA_ENUM, .values = crypto_formats
};
static const struct schema_type key_state = {
    .name = "QCryptoBlockLUKSKeyslotState", .kind = SCHEMA_ENUM, .values = key_states
};

static const struct schema_member crypto_base[] = {
    { "format", &crypto_format, 0, NULL, "how the image is encrypted" },
    { 0 },
};

static const char *const cipher_algs[] = {
    "aes-128",     "aes-192",     "aes-256",     "des",         "3des",        "cast5-128",
    "serpent-128", "serpent-192", "serpent-256", "twofish-128", "twofish-192", "twofish-256",
    NULL
};
static const char *const cipher_modes[] = { "ecb", "cbc", "xts", "ctr", NULL };
static const char *const ivgen_algs[] = { "plain", "plain64", "essiv", NULL };
static const char *const hash_algs[] = { "md5",    "sha1",   "sha224",    "sha256",
                                         "sha384", "sha512", "ripemd160", NULL };

static const struct schema_type cipher_alg = {
    .name = "QCryptoCipherAlgorithm", .kind = SCHEMA_ENUM, .values = cipher_algs
};
static const struct schema_type cipher_mode = {
    .name = "QCryptoCipherMode", .kind = SCHEMA_ENUM, .values = cipher_modes
};
static const struct schema_type ivgen_alg = {
    .name = "QCryptoIVGenAlgorithm", .kind = SCHEMA_ENUM, .values = ivgen_algs
};
static const struct schema_type hash_alg = {
    .name = "QCryptoHashAlgorithm", .kind = SCHEMA_ENUM, .values = hash_algs
};

static const struct schema_member luks_create[] = {
    { "key-secret", &schema_str, MEMBER_OPTIONAL, NULL, "the secret object with the key" },
    { "cipher-alg", &cipher_alg, MEMBER_OPTIONAL, NULL, "how it is encrypted" },
    { "cipher-mode", &cipher_mode, MEMBER_OPTIONAL, NULL, "how blocks are chained" },
    { "ivgen-alg", &ivgen_alg, MEMBER_OPTIONAL, NULL, "how sectors are told apart" },
    { "ivgen-hash-alg", &hash_alg, MEMBER_OPTIONAL, NULL, "hash of that" },
    { "hash-alg", &hash_alg, MEMBER_OPTIONAL, NULL, "hash of the key" },
    { "iter-time", &schema_int, MEMBER_OPTIONAL, NULL, "milliseconds to derive a key" },
    { 0 },
};

static const struct schema_member *create_branch(const struct blk_driver *const *drivers,
                                                 const char *value)
{
    (void)drivers;
    return strcmp(value, "luks") == 0 ? luks_create : encrypt_key;
}

static const struct schema_type crypto_create = {
    .name = "QCryptoBlockCreateOptions",
    .kind = SCHEMA_UNION,
    .members = crypto_base,
    .discriminator = "format",
    .branch = create_branch,
};

static const struct schema_member luks_amend[] = {
    { "state", &key_state, 0, NULL, "what becomes of the key slots" },
    { "new-secret", &schema_str, MEMBER_OPTIONAL, NULL, "secret for a new key" },
    { "old-secret", &schema_str, MEMBER_OPTIONAL, NULL, "secret of the keys that go" },
    { "keyslot", &schema_int, MEMBER_OPTIONAL, NULL, "the slot" },
    { "iter-time", &schema_int, MEMBER_OPTIONAL, NULL, "milliseconds to derive a key" },
    { "secret", &schema_str, MEMBER_OPTIONAL, NULL, "secret that unlocks the image" },
    { 0 },
};

static const struct schema_member *amend_branch(const struct blk_driver *const *drivers,
                                                const char *value)
{
    (void)drivers;
    return strcmp(value, "luks") == 0 ? luks_amend : NULL;
}

static const struct schema_type crypto_amend = {
    .name = "QCryptoBlockAmendOptions",
    .kind = SCHEMA_UNION,
    .members = crypto_base,
    .discriminator = "format",
    .branch = amend_branch,
};

const struct schema_member qcow2_create_members[] = {
    { "file", &schema_blockdev_ref, 0, NULL, "the node that takes the image" },
    { "data-file", &schema_blockdev_ref, MEMBER_OPTIONAL, NULL, "where the data go; not here" },
    { "data-file-raw", &schema_bool, MEMBER_OPTIONAL, "off", "data-file reads as a raw image" },
    { "extended-l2", &schema_bool, MEMBER_OPTIONAL, "off", "subclusters; not here" },
    { "size", &schema_size, 0, NULL, "length of the disk in bytes" },
    { "version", &version, MEMBER_OPTIONAL, "v3", "of the format" },
    { "backing-file", &schema_str, MEMBER_OPTIONAL, NULL, "name of the backing file" },
    { "backing-fmt", &schema_driver, MEMBER_OPTIONAL, NULL, "its format" },
    { "encrypt", &crypto_create, MEMBER_OPTIONAL, NULL, "encryption; not here" },
    { "cluster-size", &schema_size, MEMBER_OPTIONAL, "65536", "bytes of a cluster" },
    { "preallocation", &prealloc_mode, MEMBER_OPTIONAL, "off", "what is allocated at once" },
    { "lazy-refcounts", &schema_bool, MEMBER_OPTIONAL, "off", "write reference counts late" },
    { "refcount-bits", &schema_int, MEMBER_OPTIONAL, "16", "width of a reference count" },
    { "compression-type", &compression_type, MEMBER_OPTIONAL, "zlib", "of compressed clusters" },
    { 0 },
};

const struct schema_member qcow2_amend_members[] = {
    { "encrypt", &crypto_amend, MEMBER_OPTIONAL, NULL, "keys of the image" },
    { 0 },
};

/* ---- Caches ---- */

struct sizes {
    uint64_t combined, l2, refcounts, entry;
    bool combined_set, l2_set, refcounts_set, entry_set;
};

static int take(const struct opts *o, const char *name, uint64_t *value, bool *set,
                struct error *err)
{
    *set = opts_given(o, name);
    int64_t given = *set ? opts_int(o, name) : 0;
    *value = (uint64_t)given;
    return given >= 0 ? 0
                      : error_set(err, -EINVAL,
                                  "Parameter '%s' expects a non-negative number below 2^64", name);
}

/* Bytes for which there is no better use than the L2 cache. */
static uint64_t l2_bytes_max(const struct qcow2 *q)
{
    uint64_t clusters = (q->size + q->cluster_size - 1) >> q->cluster_bits;
    return cluster_round_up(q, clusters * 8);
}

static int share_combined(struct sizes *s, uint64_t l2_max, uint64_t refcounts_min,
                          struct error *err)
{
    if (s->l2_set && s->refcounts_set) {
        return error_set(err, -EINVAL,
                         "cache-size, l2-cache-size and refcount-cache-size may not "
                         "be set at the same time");
    }
    if (s->l2_set && s->l2 > s->combined) {
        return error_set(err, -EINVAL, "l2-cache-size may not exceed cache-size");
    }
    if (s->refcounts_set && s->refcounts > s->combined) {
        return error_set(err, -EINVAL, "refcount-cache-size may not exceed cache-size");
    }
    if (s->l2_set) {
        s->refcounts = s->combined - s->l2;
    } else if (s->refcounts_set) {
        s->l2 = s->combined - s->refcounts;
    } else if (s->combined >= l2_max + refcounts_min) {
        s->l2 = l2_max;
        s->refcounts = s->combined - l2_max;
    } else {
        s->refcounts = MIN(s->combined, refcounts_min);
        s->l2 = s->combined - s->refcounts;
    }
    return 0;
}

static int read_cache_sizes(const struct qcow2 *q, const struct opts *opts,
                            struct qcow2_options *out, struct error *err)
{
    enum { L2_DEFAULT = 32 << 20, ENTRY_DEFAULT = 4096, L2_MIN = 2, REFCOUNTS_MIN = 4 };
    struct sizes s;
    uint64_t l2_max = l2_bytes_max(q);
    if (take(opts, "cache-size", &s.combined, &s.combined_set, err) < 0 ||
        take(opts, "l2-cache-size", &s.l2, &s.l2_set, err) < 0 ||
        take(opts, "l2-cache-entry-size", &s.entry, &s.entry_set, err) < 0 ||
        take(opts, "refcount-cache-size", &s.refcounts, &s.refcounts_set, err) < 0) {
        return -EINVAL;
    }
    if (s.combined_set) {
        int ret = share_combined(&s, l2_max, (uint64_t)REFCOUNTS_MIN * q->cluster_size, err);
        if (ret < 0) {
            return ret;
        }
    } else if (!s.l2_set) {
        s.l2 = L2_DEFAULT;
    }
    if (!s.entry_set) {
        s.entry = s.l2 >= l2_max ? q->cluster_size : MIN(q->cluster_size, (uint32_t)ENTRY_DEFAULT);
    }
    s.l2 = MIN(s.l2, l2_max);
    if (s.entry < 512 || s.entry > q->cluster_size || (s.entry & (s.entry - 1))) {
        return error_set(err, -EINVAL,
                         "L2 cache entry size must be a power of two between %d and "
                         "the cluster size (%" PRIu32 ")",
                         1 << CLUSTER_BITS_MIN, q->cluster_size);
    }
    uint64_t l2 = s.l2 / s.entry, refcounts = s.refcounts >> q->cluster_bits;
    if (l2 > INT32_MAX) {
        return error_set(err, -EINVAL, "L2 cache size too big");
    }
    if (refcounts > INT32_MAX) {
        return error_set(err, -EINVAL, "Refcount cache size too big");
    }
    out->l2_entry_size = (uint32_t)s.entry;
    out->l2_entries = (uint32_t)MAX(l2, (uint64_t)L2_MIN);
    out->refcount_entries = (uint32_t)MAX(refcounts, (uint64_t)REFCOUNTS_MIN);
    return 0;
}

/* ---- The rest ---- */

static uint32_t overlap_template(const char *mode)
{
    const uint32_t constant = 1u << META_HEADER | 1u << META_ACTIVE_L1 | 1u << META_REFTABLE |
                              1u << META_SNAPSHOT_TABLE | 1u << META_BITMAP_DIRECTORY;
    if (strcmp(mode, "none") == 0) {
        return 0;
    }
    if (strcmp(mode, "constant") == 0) {
        return constant;
    }
    uint32_t all = (1u << META_PARTS) - 1;
    return strcmp(mode, "all") == 0 ? all : all & ~(1u << META_INACTIVE_L2);
}

static uint32_t read_overlap(const struct opts *opts)
{
    const json_t *v = opts_get(opts, "overlap-check");
    const json_t *t = json_is_object(v) ? json_object_get(v, "template") : v;
    uint32_t checks = overlap_template(json_is_string(t) ? json_string_value(t) : "cached");
    for (int i = 0; json_is_object(v) && i < META_PARTS; i++) {
        const json_t *on = json_object_get(v, overlap_members[i + 1].name);
        if (on) {
            checks = json_is_true(on) ? checks | 1u << i : checks & ~(1u << i);
        }
    }
    return checks;
}

static bool bool_or(const struct opts *opts, const char *name, bool otherwise)
{
    return opts_given(opts, name) ? opts_bool(opts, name) : otherwise;
}

static int refuse_encrypt(const struct opts *opts, struct error *err)
{
    const json_t *v = opts_get(opts, "encrypt");
    return v ? error_set(err, -EINVAL,
                         "No encryption in image header, but options specified format '%s'",
                         json_string_value(json_object_get(v, "format")))
             : 0;
}

int qcow2_options_read(const struct qcow2 *q, const struct opts *opts,
                       const struct node_flags *flags, struct qcow2_options *out, struct error *err)
{
    *out = (struct qcow2_options){ 0 };
    int ret = read_cache_sizes(q, opts, out, err);
    if (ret < 0) {
        return ret;
    }
    int64_t interval = opts_int(opts, "cache-clean-interval");
    if (interval < 0 || interval > UINT32_MAX) {
        return error_set(err, -EINVAL, "Cache clean interval too big");
    }
    out->clean_interval_s = (uint32_t)interval;
    out->lazy = bool_or(opts, "lazy-refcounts", q->compatible & COMPAT_LAZY_REFCOUNTS);
    if (q->version < 3 && out->lazy) {
        return error_set(err, -EINVAL,
                         "Lazy refcounts require a qcow2 image with at least qemu "
                         "1.1 compatibility level");
    }
    out->overlap = read_overlap(opts);
    out->pass_discard[DISCARD_ALWAYS] = true;
    out->pass_discard[DISCARD_REQUEST] = bool_or(opts, "pass-discard-request", flags->unmap);
    out->pass_discard[DISCARD_SNAPSHOT] = opts_bool(opts, "pass-discard-snapshot");
    out->pass_discard[DISCARD_OTHER] = opts_bool(opts, "pass-discard-other");
    return refuse_encrypt(opts, err);
}
