/* SPDX-License-Identifier: MIT */
/* What QMP says of one format alone: ImageInfoSpecific, and the event of a damaged image.
 * (QEMU qapi/block-core.json.) */
#include "base/check.h"
#include "model/layer_state.h"
#include "model/qmp/commands.h"

#include <string.h>

/* ---- ImageInfoSpecific ---- */

static const char *const compression_types[] = { "zlib", "zstd", NULL };
static const struct schema_type compression_type = { .name = "Qcow2CompressionType",
                                                     .kind = SCHEMA_ENUM,
                                                     .values = compression_types };

static const struct schema_member qcow2_members[] = {
    { "compat", &schema_str, 0, NULL, NULL },
    { "extended-l2", &schema_bool, MEMBER_OPTIONAL, NULL, NULL },
    { "lazy-refcounts", &schema_bool, MEMBER_OPTIONAL, NULL, NULL },
    { "corrupt", &schema_bool, MEMBER_OPTIONAL, NULL, NULL },
    { "refcount-bits", &schema_int, 0, NULL, NULL },
    { "compression-type", &compression_type, 0, NULL, NULL },
    { 0 },
};

static const struct schema_type qcow2_type = { .name = "ImageInfoSpecificQCow2",
                                               .kind = SCHEMA_STRUCT,
                                               .members = qcow2_members };

static const struct schema_member qcow2_wrapper[] = {
    { "data", &qcow2_type, 0, NULL, NULL },
    { 0 },
};

static const struct schema_member *branch(const struct blk_driver *const *drivers,
                                          const char *value)
{
    (void)drivers;
    return strcmp(value, "qcow2") == 0 ? qcow2_wrapper : NULL;
}

static const char *const kinds[] = { "qcow2", NULL };
static const struct schema_type kind_type = { .name = "ImageInfoSpecificKind",
                                              .kind = SCHEMA_ENUM,
                                              .values = kinds };

static const struct schema_member base_members[] = {
    { "type", &kind_type, 0, NULL, NULL },
    { 0 },
};

const struct schema_type qmp_image_specific = {
    .name = "ImageInfoSpecific",
    .kind = SCHEMA_UNION,
    .members = base_members,
    .discriminator = "type",
    .branch = branch,
};

void qmp_describe_specific(const struct node *n, json_t *image)
{
    if (n->drv->specific) {
        json_t *s = json_pack("{s:s, s:o}", "type", n->drv->name, "data", n->drv->specific(n));
        CHECK(s != NULL);
        json_object_set_new(image, "format-specific", s);
    }
}

/* ---- BLOCK_IMAGE_CORRUPTED ---- */

static const struct schema_member corrupted_members[] = {
    { "device", &schema_str, 0, NULL, "block device that has the image, or \"\"" },
    { "node-name", &schema_str, MEMBER_OPTIONAL, NULL, "its node" },
    { "msg", &schema_str, 0, NULL, "what is wrong, for people" },
    { "offset", &schema_int, MEMBER_OPTIONAL, NULL, "where something was to be written" },
    { "size", &schema_int, MEMBER_OPTIONAL, NULL, "how many bytes" },
    { "fatal", &schema_bool, 0, NULL, "the image cannot be used any more" },
    { 0 },
};

static const struct schema_type corrupted_type = { .name = "q_obj_BLOCK_IMAGE_CORRUPTED-arg",
                                                   .kind = SCHEMA_STRUCT,
                                                   .members = corrupted_members };

const struct qmp_event qmp_event_block_image_corrupted = {
    .name = "BLOCK_IMAGE_CORRUPTED",
    .data = &corrupted_type,
    .help = "an image turned out to be damaged",
};
