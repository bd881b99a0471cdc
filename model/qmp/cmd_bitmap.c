/* SPDX-License-Identifier: MIT */
/* Dirty bitmaps: the commands, and the same things as actions of a transaction.
 *
 * What an action has done is in force for those that follow, and is taken back when one of them
 * fails; from an action that changes bits or recording to the end of the transaction the node is
 * drained, so that no write comes between and is forgotten by the way back.
 * (QEMU qapi/block-core.json, qapi/transaction.json; behaviour of the installed 7.2.)
 */
#include "base/check.h"
#include "base/digest.h"
#include "base/mem.h"
#include "model/dirty_bitmap.h"
#include "model/drain.h"
#include "model/layer_state.h"
#include "model/qmp/commands.h"
#include "model/qmp/transaction.h"

#include <errno.h>
#include <stdlib.h>

/* The bitmap that args names, when it can be used. */
static int find(struct layer *l, const json_t *args, const char *name, uint32_t what,
                struct dirty_bitmap **out, struct error *err)
{
    int ret = bitmap_lookup(l, args_str(args, "node"), args_str(args, name), out, err);
    return ret < 0 ? ret : bitmap_check(*out, what, err);
}

/* ---- What is done ---- */

static int check_persistent(const struct node *n, const char *name, struct error *err)
{
    const struct driver_image *image = n->drv->image;
    int ret = -ENOTSUP;
    if (image && image->store_bitmap) {
        if (bitmap_find(n, name)) {
            return error_set(err, -EEXIST, "Bitmap already exists: %s", name);
        }
        struct error why = ERROR_INIT;
        ret = image->store_bitmap(n, &why);
        CHECK(ret < 0); /* No driver can, so far. */
        if (why.code < 0) {
            return error_set(err, ret, "Can't make bitmap '%s' persistent in '%s': %s", name,
                             n->name, why.text);
        }
    }
    return error_set_errno(err, ret, "Can't store persistent bitmaps to %s", n->name);
}

static int add(struct layer *l, const json_t *args, struct dirty_bitmap **out, struct error *err)
{
    const char *node = args_str(args, "node"), *name = args_str(args, "name");
    const json_t *granularity = json_object_get(args, "granularity");
    json_int_t bytes = json_integer_value(granularity);
    if (*name == '\0') {
        return error_set(err, -EINVAL, "Bitmap name cannot be empty");
    }
    struct node *n = layer_lookup(l, node, node, err);
    if (!n) {
        return -ENODEV;
    }
    if (granularity && (bytes < 512 || (bytes & (bytes - 1)) != 0)) {
        return error_set(err, -EINVAL, "Granularity must be power of 2 and at least 512");
    }
    if (args_is_true(args, "persistent")) {
        return check_persistent(n, name, err);
    }
    uint32_t size = granularity ? (uint32_t)bytes : bitmap_default_granularity(n);
    int ret = bitmap_create(n, name, size, out, err);
    if (ret == 0) {
        bitmap_set_enabled(*out, !args_is_true(args, "disabled"));
    }
    return ret;
}

/* The i-th source: a name, on the target's node, or node and name. */
static int find_source(struct layer *l, const json_t *args, size_t i, struct dirty_bitmap **out,
                       struct error *err)
{
    const json_t *one = json_array_get(json_object_get(args, "bitmaps"), i);
    return json_is_string(one)
               ? bitmap_lookup(l, args_str(args, "node"), json_string_value(one), out, err)
               : bitmap_lookup(l, args_str(one, "node"), args_str(one, "name"), out, err);
}

/* backup: the bits before, for an undo; NULL: none is wanted. */
static int merge(struct layer *l, const json_t *args, struct dirty_bitmap *b,
                 struct bitset **backup, struct error *err)
{
    size_t len = json_array_size(json_object_get(args, "bitmaps"));
    struct dirty_bitmap *src = NULL;
    for (size_t i = 0; i < len; i++) {
        int ret = find_source(l, args, i, &src, err);
        ret = ret < 0 ? ret : bitmap_can_merge(b, src, err);
        if (ret < 0) {
            return ret;
        }
    }
    if (backup) {
        *backup = bitset_clone(bitmap_bits(b));
    }
    for (size_t i = 0; i < len; i++) {
        int ret = find_source(l, args, i, &src, err);
        CHECK(ret == 0);
        bitmap_merge_from(b, src, NULL);
    }
    return 0;
}

/* ---- Commands ---- */

static int run_add(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct dirty_bitmap *b = NULL;
    (void)ret;
    return add(l, args, &b, err);
}

static int run_remove(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct dirty_bitmap *b = NULL;
    (void)ret;
    int code = find(l, args, "name", BITMAP_CHECK_BUSY | BITMAP_CHECK_READ_ONLY, &b, err);
    if (code == 0) {
        bitmap_release(b);
    }
    return code;
}

static int run_clear(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct dirty_bitmap *b = NULL;
    (void)ret;
    int code = find(l, args, "name", BITMAP_CHECK_DEFAULT, &b, err);
    if (code == 0) {
        bitmap_clear(b, NULL);
    }
    return code;
}

static int set_enabled(struct layer *l, const json_t *args, bool on, struct error *err)
{
    struct dirty_bitmap *b = NULL;
    int code = find(l, args, "name", BITMAP_CHECK_ALLOW_RO, &b, err);
    if (code == 0) {
        bitmap_set_enabled(b, on);
    }
    return code;
}

static int run_enable(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)ret;
    return set_enabled(l, args, true, err);
}

static int run_disable(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)ret;
    return set_enabled(l, args, false, err);
}

static int run_merge(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct dirty_bitmap *b = NULL;
    (void)ret;
    int code = bitmap_lookup(l, args_str(args, "node"), args_str(args, "target"), &b, err);
    return code < 0 ? code : merge(l, args, b, NULL, err);
}

/* Words that are hashed at most: as many as QEMU could have in memory. */
#define HASH_WORDS_MAX (UINT64_C(1) << 25)

static int run_sha256(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    struct dirty_bitmap *b = NULL;
    char text[DIGEST_TEXT];
    int code = bitmap_lookup(l, args_str(args, "node"), args_str(args, "name"), &b, err);
    if (code < 0) {
        return code;
    }
    if (!digest_is_there()) {
        return error_set(err, -ENOTSUP,
                         "x-debug-block-dirty-bitmap-sha256 needs nettle: install nettle-dev and "
                         "build again");
    }
    const struct bitset *bits = bitmap_bits(b);
    if (bitset_words(bits) > HASH_WORDS_MAX) {
        return error_set(err, -EFBIG, "Bitmap '%s' is too large for a digest", bitmap_name(b));
    }
    struct digest *d = digest_begin();
    for (uint64_t i = 0; i < bitset_words(bits); i++) {
        uint64_t word = bitset_word(bits, i);
        uint8_t bytes[8];
        for (size_t k = 0; k < sizeof(bytes); k++) {
            bytes[k] = (uint8_t)(word >> (8 * k));
        }
        digest_add(d, bytes, sizeof(bytes));
    }
    digest_end(d, text);
    *ret = json_pack("{s:s}", "sha256", text);
    return 0;
}

/* ---- Actions ---- */

struct change {
    struct node *node; /* Drained, referenced; or NULL. */
    struct dirty_bitmap *bitmap;
    struct bitset *backup;
    bool was_enabled;
};

static void clean_change(struct action *a)
{
    struct change *c = action_state(a);
    if (c->node) {
        drain_end(c->node);
        node_unref(c->node);
    }
}

/* The bitmap of an action that changes it, with its node at rest. */
static int find_and_drain(struct layer *l, const json_t *data, const char *name, uint32_t what,
                          struct change *c, struct error *err)
{
    int ret = find(l, data, name, what, &c->bitmap, err);
    if (ret == 0) {
        c->node = node_ref(bitmap_node(c->bitmap));
        drain_begin(c->node);
        ret = find(l, data, name, what, &c->bitmap, err); /* A job may have ended meanwhile. */
    }
    return ret;
}

static void undo_add(void *opaque)
{
    struct change *c = opaque;
    bitmap_release(c->bitmap);
}

static int prepare_add(struct layer *l, const json_t *data, struct action *a, struct txn *txn,
                       struct error *err)
{
    struct change *c = action_state(a);
    int ret = add(l, data, &c->bitmap, err);
    if (ret == 0) {
        txn_add(txn, (struct txn_action){ .undo = undo_add, .opaque = c });
    }
    return ret;
}

static void commit_bits(void *opaque)
{
    struct change *c = opaque;
    bitset_free(c->backup);
}

static void undo_bits(void *opaque)
{
    struct change *c = opaque;
    bitmap_restore(c->bitmap, c->backup);
}

static const struct txn_action bits = { .commit = commit_bits, .undo = undo_bits };

static void add_undo(struct txn *txn, struct txn_action action, struct change *c)
{
    action.opaque = c;
    txn_add(txn, action);
}

static int prepare_clear(struct layer *l, const json_t *data, struct action *a, struct txn *txn,
                         struct error *err)
{
    struct change *c = action_state(a);
    int ret = find_and_drain(l, data, "name", BITMAP_CHECK_DEFAULT, c, err);
    if (ret == 0) {
        bitmap_clear(c->bitmap, &c->backup);
        add_undo(txn, bits, c);
    }
    return ret;
}

static int prepare_merge(struct layer *l, const json_t *data, struct action *a, struct txn *txn,
                         struct error *err)
{
    struct change *c = action_state(a);
    int ret = find_and_drain(l, data, "target", 0, c, err);
    ret = ret < 0 ? ret : merge(l, data, c->bitmap, &c->backup, err);
    if (ret == 0) {
        add_undo(txn, bits, c);
    }
    return ret;
}

static void undo_enabled(void *opaque)
{
    struct change *c = opaque;
    bitmap_set_enabled(c->bitmap, c->was_enabled);
}

static int prepare_enabled(struct layer *l, const json_t *data, struct action *a, struct txn *txn,
                           bool on, struct error *err)
{
    struct change *c = action_state(a);
    int ret = find_and_drain(l, data, "name", BITMAP_CHECK_ALLOW_RO, c, err);
    if (ret == 0) {
        c->was_enabled = bitmap_is_enabled(c->bitmap);
        bitmap_set_enabled(c->bitmap, on);
        add_undo(txn, (struct txn_action){ .undo = undo_enabled }, c);
    }
    return ret;
}

static int prepare_enable(struct layer *l, const json_t *data, struct action *a, struct txn *txn,
                          struct error *err)
{
    return prepare_enabled(l, data, a, txn, true, err);
}

static int prepare_disable(struct layer *l, const json_t *data, struct action *a, struct txn *txn,
                           struct error *err)
{
    return prepare_enabled(l, data, a, txn, false, err);
}

static void undo_remove(void *opaque)
{
    struct change *c = opaque;
    bitmap_set_busy(c->bitmap, false);
}

static void commit_remove(void *opaque)
{
    struct change *c = opaque;
    bitmap_set_busy(c->bitmap, false);
    bitmap_release(c->bitmap);
}

/* Until the end it is there, and busy. */
static int prepare_remove(struct layer *l, const json_t *data, struct action *a, struct txn *txn,
                          struct error *err)
{
    struct change *c = action_state(a);
    int ret = find(l, data, "name", BITMAP_CHECK_BUSY | BITMAP_CHECK_READ_ONLY, &c->bitmap, err);
    if (ret == 0) {
        bitmap_set_busy(c->bitmap, true);
        add_undo(txn, (struct txn_action){ .commit = commit_remove, .undo = undo_remove }, c);
    }
    return ret;
}

/* ---- Schema ---- */

static const struct schema_member add_members[] = {
    { "node", &schema_str, 0, NULL, "device or node that gets it" },
    { "name", &schema_str, 0, NULL, "name of the bitmap" },
    { "granularity", &schema_uint32, MEMBER_OPTIONAL, NULL,
      "bytes of a bit; its cluster size from 4 KiB to 64 KiB when not given" },
    { "persistent", &schema_bool, MEMBER_OPTIONAL, "false", "the image keeps it" },
    { "disabled", &schema_bool, MEMBER_OPTIONAL, "false", "it does not record for now" },
    { 0 },
};

const struct schema_type schema_bitmap_add = { .name = "BlockDirtyBitmapAdd",
                                               .kind = SCHEMA_STRUCT,
                                               .members = add_members };

static const struct schema_member bitmap_members[] = {
    { "node", &schema_str, 0, NULL, "device or node that has the bitmap" },
    { "name", &schema_str, 0, NULL, "name of the bitmap" },
    { 0 },
};

const struct schema_type schema_bitmap = { .name = "BlockDirtyBitmap",
                                           .kind = SCHEMA_STRUCT,
                                           .members = bitmap_members };

static const struct schema_type *const bitmap_kinds[] = { &schema_str, &schema_bitmap, NULL };

static const struct schema_type bitmap_or_str = { .name = "BlockDirtyBitmapOrStr",
                                                  .kind = SCHEMA_ALTERNATE,
                                                  .alternatives = bitmap_kinds };

const struct schema_type schema_bitmap_list = { .name = "BlockDirtyBitmapOrStrList",
                                                .kind = SCHEMA_ARRAY,
                                                .element = &bitmap_or_str };

static const struct schema_member merge_members[] = {
    { "node", &schema_str, 0, NULL, "device or node that has the target" },
    { "target", &schema_str, 0, NULL, "name of the bitmap that gets the bits" },
    { "bitmaps", &schema_bitmap_list, 0, NULL, "where they come from; of the same size" },
    { 0 },
};

const struct schema_type schema_bitmap_merge = { .name = "BlockDirtyBitmapMerge",
                                                 .kind = SCHEMA_STRUCT,
                                                 .members = merge_members };

const struct action_kind action_bitmap_add = { .name = "block-dirty-bitmap-add",
                                               .state_size = sizeof(struct change),
                                               .data = &schema_bitmap_add,
                                               .prepare = prepare_add };
const struct action_kind action_bitmap_clear = { .name = "block-dirty-bitmap-clear",
                                                 .state_size = sizeof(struct change),
                                                 .data = &schema_bitmap,
                                                 .prepare = prepare_clear,
                                                 .clean = clean_change };
const struct action_kind action_bitmap_enable = { .name = "block-dirty-bitmap-enable",
                                                  .state_size = sizeof(struct change),
                                                  .data = &schema_bitmap,
                                                  .prepare = prepare_enable,
                                                  .clean = clean_change };
const struct action_kind action_bitmap_disable = { .name = "block-dirty-bitmap-disable",
                                                   .state_size = sizeof(struct change),
                                                   .data = &schema_bitmap,
                                                   .prepare = prepare_disable,
                                                   .clean = clean_change };
const struct action_kind action_bitmap_merge = { .name = "block-dirty-bitmap-merge",
                                                 .state_size = sizeof(struct change),
                                                 .data = &schema_bitmap_merge,
                                                 .prepare = prepare_merge,
                                                 .clean = clean_change };
const struct action_kind action_bitmap_remove = { .name = "block-dirty-bitmap-remove",
                                                  .state_size = sizeof(struct change),
                                                  .data = &schema_bitmap,
                                                  .prepare = prepare_remove };

const struct qmp_command qmp_bitmap_add = {
    .name = "block-dirty-bitmap-add",
    .args = &schema_bitmap_add,
    .help = "record which parts of a node are written",
    .run = run_add,
};

const struct qmp_command qmp_bitmap_remove = {
    .name = "block-dirty-bitmap-remove",
    .args = &schema_bitmap,
    .help = "stop recording, and forget what was recorded",
    .run = run_remove,
};

const struct qmp_command qmp_bitmap_clear = {
    .name = "block-dirty-bitmap-clear",
    .args = &schema_bitmap,
    .help = "forget what was recorded so far",
    .run = run_clear,
};

const struct qmp_command qmp_bitmap_enable = {
    .name = "block-dirty-bitmap-enable",
    .args = &schema_bitmap,
    .help = "record from now on",
    .run = run_enable,
};

const struct qmp_command qmp_bitmap_disable = {
    .name = "block-dirty-bitmap-disable",
    .args = &schema_bitmap,
    .help = "do not record from now on",
    .run = run_disable,
};

const struct qmp_command qmp_bitmap_merge = {
    .name = "block-dirty-bitmap-merge",
    .args = &schema_bitmap_merge,
    .help = "add what other bitmaps have recorded",
    .run = run_merge,
};

static const struct schema_member sha256_members[] = {
    { "sha256", &schema_str, 0, NULL, "digest of the bits" },
    { 0 },
};

static const struct schema_type sha256_type = { .name = "BlockDirtyBitmapSha256",
                                                .kind = SCHEMA_STRUCT,
                                                .members = sha256_members };

const struct qmp_command qmp_bitmap_sha256 = {
    .name = "x-debug-block-dirty-bitmap-sha256",
    .args = &schema_bitmap,
    .returns = &sha256_type,
    .help = "a digest of what was recorded",
    .run = run_sha256,
};
