/* SPDX-License-Identifier: MIT */
/* What is never generated, with the deviation from QEMU that is the reason: one table.
 *
 * A rule with a function throws away each command that it fits; one without stands for what the
 * generator has no words for in the first place.
 */
#include "base/check.h"
#include "base/mem.h"
#include "scenarios/diff/random_private.h"

#include <stdlib.h>
#include <string.h>

struct rule {
    const char *name;
    const char *reason; /* In docs/deviations.md, or in the page of the driver. */
    bool (*fits)(const struct rand_gen *g, const struct rand_cmd *c);
};

static bool is_verb(const struct rand_cmd *c, const char *verb)
{
    return strcmp(c->verb, verb) == 0;
}

/* ---- blockdev-reopen ---- */

/* Whether an entry leads a child elsewhere than it led. */
static bool moves_child(const struct rand_gen *g, const json_t *entry)
{
    const struct rand_node *n = rand_find_node(g, rand_str(entry, "node-name"));
    const char *driver = n ? rand_str(n->options, "driver") : NULL;
    for (const struct schema_member *m =
             driver ? schema_blockdev_options.branch(g->drivers, driver) : NULL;
         m && m->name; m++) {
        const json_t *old = json_object_get(n->options, m->name);
        const json_t *now = json_object_get(entry, m->name);
        if (rand_is_child(m->type) && now && (!old || !json_equal(old, now))) {
            return true;
        }
    }
    return false;
}

/* A node may lose its last user, and go, while it is reopened itself. */
static bool reopen_of_what_goes(const struct rand_gen *g, const struct rand_cmd *c)
{
    const json_t *list = is_verb(c, "blockdev-reopen") ? json_object_get(c->args, "options") : NULL;
    bool moves = false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        moves = moves || moves_child(g, json_array_get(list, i));
    }
    return moves && json_array_size(list) > 1;
}

/* A child leads elsewhere, and there is more than one way down to something. */
static bool reopen_of_diamond(const struct rand_gen *g, const struct rand_cmd *c)
{
    const json_t *list = is_verb(c, "blockdev-reopen") ? json_object_get(c->args, "options") : NULL;
    const json_t *entry = json_array_get(list, 0);
    const char *name = rand_str(entry, "node-name");
    if (!name || !moves_child(g, entry)) {
        return false;
    }
    size_t distinct, met = 0;
    json_t *both = json_pack("{s:s, s:i, s:[s, O]}", "driver", "quorum", "vote-threshold", 1,
                             "children", name, entry);
    CHECK(both != NULL);
    met = rand_tree_walk(g, both, &distinct);
    json_decref(both);
    return met > distinct + 1; /* The node itself comes twice. */
}

/* Beside its parent a child may leave out what it cannot leave out alone. */
static bool reopen_beside_parent(const struct rand_gen *g, const struct rand_cmd *c)
{
    const json_t *list = is_verb(c, "blockdev-reopen") ? json_object_get(c->args, "options") : NULL;
    for (size_t i = 0; json_array_size(list) > 1 && i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        const struct rand_node *n = rand_find_node(g, rand_str(entry, "node-name"));
        const char *key;
        json_t *value;
        json_object_foreach(n && !n->owned ? n->options : NULL, key, value) {
            if (!json_object_get(entry, key)) {
                return true;
            }
        }
    }
    return false;
}

static bool reopen_of_nothing(const struct rand_gen *g, const struct rand_cmd *c)
{
    const json_t *list = json_object_get(c->args, "options");
    (void)g;
    return is_verb(c, "blockdev-reopen") && json_is_array(list) && json_array_size(list) == 0;
}

/* ---- Values anywhere in the arguments ---- */

/* Calls fits for each object in value, itself included. */
static bool any_object(const json_t *value, bool (*fits)(const json_t *object), int depth)
{
    const char *key;
    json_t *inner;
    size_t i;
    if (depth > 32) {
        return false;
    }
    if (json_is_object(value) && fits(value)) {
        return true;
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, inner) {
        if (any_object(inner, fits, depth + 1)) {
            return true;
        }
    }
    json_array_foreach(value, i, inner) {
        if (any_object(inner, fits, depth + 1)) {
            return true;
        }
    }
    return false;
}

static bool is_driver(const json_t *object, const char *driver)
{
    const char *name = rand_str(object, "driver");
    return name && strcmp(name, driver) == 0;
}

/* Whether what a snapshot is taken of (node NULL: each action's) fits. */
static bool any_base(const struct rand_gen *g, const struct rand_cmd *c,
                     bool (*fits)(const struct rand_gen *g, const char *node))
{
    const json_t *actions = json_object_get(c->args, "actions");
    if (is_verb(c, "blockdev-snapshot") || is_verb(c, "blockdev-snapshot-sync")) {
        const char *node = rand_str(c->args, "node");
        node = node ? node : rand_str(c->args, "node-name");
        return node && fits(g, node);
    }
    for (size_t i = 0; is_verb(c, "transaction") && i < json_array_size(actions); i++) {
        const json_t *data = json_object_get(json_array_get(actions, i), "data");
        const char *node = rand_str(data, "node");
        node = node ? node : rand_str(data, "node-name");
        if (node && fits(g, node)) {
            return true;
        }
    }
    return false;
}

/* Whether node lies below one of that driver, with nothing but what passes all on between. */
static bool is_below(const struct rand_gen *g, const char *node, const char *driver)
{
    for (size_t i = 0; i < g->nodes_len; i++) {
        const json_t *at = g->nodes[i].options;
        if (is_driver(at, driver)) {
            at = json_object_get(at, "file");
            for (int depth = 0; at && depth < 16; depth++) {
                const char *name = json_string_value(at);
                const struct rand_node *n = rand_find_node(g, name);
                const json_t *options = n ? n->options : json_is_object(at) ? at : NULL;
                if (name && strcmp(name, node) == 0) {
                    return true;
                }
                at = json_object_get(options, "file");
                at = at ? at : json_object_get(options, "image");
            }
        }
    }
    return false;
}

static bool is_below_image(const struct rand_gen *g, const char *node)
{
    return is_below(g, node, "qcow2");
}

static bool image_in_image(const struct rand_gen *g, const struct rand_cmd *c)
{
    return any_base(g, c, is_below_image);
}

static bool is_below_compress(const struct rand_gen *g, const char *node)
{
    return is_below(g, node, "compress");
}

static bool snapshot_below_compress(const struct rand_gen *g, const struct rand_cmd *c)
{
    return any_base(g, c, is_below_compress);
}

static bool overlay_in_use(const struct rand_gen *g, const struct rand_cmd *c)
{
    const json_t *actions = json_object_get(c->args, "actions");
    for (size_t i = 0; is_verb(c, "transaction") && i < json_array_size(actions); i++) {
        const json_t *data = json_object_get(json_array_get(actions, i), "data");
        const char *overlay = rand_str(data, "overlay");
        if (overlay && rand_node_users(g, overlay) > 0) {
            return true;
        }
    }
    return false;
}

static bool child_of_other_length(const struct rand_gen *g, const struct rand_cmd *c)
{
    const char *parent = rand_str(c->args, "parent"), *node = rand_str(c->args, "node");
    return is_verb(c, "x-blockdev-change") && parent && node &&
           rand_node_size(g, parent) != rand_node_size(g, node);
}

static bool is_random_null(const json_t *object)
{
    return (is_driver(object, "null-co") || is_driver(object, "null-aio")) &&
           !json_is_true(json_object_get(object, "read-zeroes"));
}

static bool null_without_zeroes(const struct rand_gen *g, const struct rand_cmd *c)
{
    (void)g;
    return any_object(c->args, is_random_null, 0);
}

static bool is_negative_null(const json_t *object)
{
    return (is_driver(object, "null-co") || is_driver(object, "null-aio")) &&
           json_integer_value(json_object_get(object, "size")) < 0;
}

static bool null_of_negative_size(const struct rand_gen *g, const struct rand_cmd *c)
{
    (void)g;
    return any_object(c->args, is_negative_null, 0);
}

static bool has_data_file(const json_t *object)
{
    return json_is_object(json_object_get(object, "data-file"));
}

static bool several_of_data_file(const struct rand_gen *g, const struct rand_cmd *c)
{
    (void)g;
    return any_object(c->args, has_data_file, 0);
}

/* ---- Nodes that compare ---- */

/* Whether name is a node, or a device on one, below which something compares data. */
static bool compares(const struct rand_gen *g, const char *name)
{
    for (size_t i = 0; name && i < g->devices_len; i++) {
        if (g->devices[i].drive && strcmp(g->devices[i].id, name) == 0) {
            name = g->devices[i].drive;
        }
    }
    json_t *ref = json_string(name ? name : "");
    bool found = rand_tree_has(g, ref, "blkverify", 0);
    json_decref(ref);
    return found;
}

static bool data_that_is_compared(const struct rand_gen *g, const struct rand_cmd *c)
{
    static const char *const keys[] = { "drive", "node-name", "id", NULL };
    static const char *const verbs[] = { "device_add", "block_resize", "blockdev-insert-medium",
                                         "blockdev-close-tray", NULL };
    if (is_verb(c, "io")) {
        char *name = mem_strndup(strbuf_str(&c->io), strcspn(strbuf_str(&c->io), " "));
        bool moves = strstr(strbuf_str(&c->io), " read ") || strstr(strbuf_str(&c->io), " write ");
        bool found = moves && compares(g, name);
        free(name);
        return found;
    }
    for (size_t v = 0; verbs[v]; v++) {
        for (size_t k = 0; keys[k]; k++) {
            if (is_verb(c, verbs[v]) && compares(g, rand_str(c->args, keys[k]))) {
                return true;
            }
        }
    }
    return false;
}

static bool is_comparing_quorum(const json_t *object)
{
    return is_driver(object, "quorum") && json_is_true(json_object_get(object, "blkverify"));
}

static bool quorum_that_compares(const struct rand_gen *g, const struct rand_cmd *c)
{
    (void)g;
    return any_object(c->args, is_comparing_quorum, 0);
}

/* ---- Frontends ---- */

static bool del_of_empty_drive(const struct rand_gen *g, const struct rand_cmd *c)
{
    const char *id = rand_str(c->args, "id");
    for (size_t i = 0; id && is_verb(c, "device_del") && i < g->devices_len; i++) {
        if (strcmp(g->devices[i].id, id) == 0) {
            return g->devices[i].began_empty;
        }
    }
    return false;
}

/* A CD drive without a medium that cannot be plugged in leaves its backend behind. */
static bool add_of_bad_empty_drive(const struct rand_gen *g, const struct rand_cmd *c)
{
    (void)g;
    return is_verb(c, "device_add") && !json_object_get(c->args, "drive") &&
           (c->spoiled || json_object_get(c->args, "logical_block_size"));
}

static bool limit_of_group_overrun(const struct rand_gen *g, const struct rand_cmd *c)
{
    (void)g;
    return is_verb(c, "qom-set") && rand_str(c->args, "property") &&
           strncmp(rand_str(c->args, "property"), "thread-pool", strlen("thread-pool")) == 0;
}

/* ---- Iothreads ---- */

/* Whether text names a node that may be in an iothread, or what is named like it. */
static bool names_threaded(const struct rand_gen *g, const json_t *value, int depth)
{
    const char *key, *text = json_string_value(value);
    json_t *inner;
    size_t i;
    for (i = 0; text && i < g->threaded.len; i++) {
        if (strcmp(g->threaded.at[i], text) == 0) {
            return true;
        }
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, inner) {
        if (depth < 32 && names_threaded(g, inner, depth + 1)) {
            return true;
        }
    }
    json_array_foreach(value, i, inner) {
        if (depth < 32 && names_threaded(g, inner, depth + 1)) {
            return true;
        }
    }
    return false;
}

static bool join_across_iothreads(const struct rand_gen *g, const struct rand_cmd *c)
{
    static const char *const verbs[] = { "blockdev-add", "blockdev-reopen", "blockdev-snapshot",
                                         "blockdev-snapshot-sync", "transaction",
                                         "x-blockdev-change", NULL };
    for (size_t v = 0; verbs[v]; v++) {
        if (is_verb(c, verbs[v])) {
            return names_threaded(g, c->args, 0);
        }
    }
    return false;
}

static bool zeroes_in_iothread(const struct rand_gen *g, const struct rand_cmd *c)
{
    return is_verb(c, "io") && strstr(strbuf_str(&c->io), " -z") && g->threaded.len > 0;
}

static bool resize_of_small_clusters(const struct rand_gen *g, const struct rand_cmd *c)
{
    json_t *ref = is_verb(c, "block_resize") ? json_object_get(c->args, "node-name") : NULL;
    for (size_t i = 0; ref && i < g->files_len; i++) {
        if (g->files[i].small_clusters && rand_tree_has(g, ref, g->files[i].name, 0)) {
            return true;
        }
    }
    return false;
}

/* ---- Nodes ---- */

/* Names that show all that is below get longer than texts may be. */
static bool long_name(const struct rand_gen *g, const struct rand_cmd *c)
{
    enum { ADD_MAX = 30, SNAPSHOT_MAX = 8 };
    size_t distinct, most = 0;
    if (is_verb(c, "blockdev-add")) {
        return rand_tree_walk(g, c->args, &distinct) > ADD_MAX;
    }
    bool sync = is_verb(c, "blockdev-snapshot-sync") || is_verb(c, "transaction");
    for (size_t i = 0; sync && i < g->nodes_len; i++) {
        size_t met = rand_tree_walk(g, g->nodes[i].options, &distinct);
        most = MAX(most, met);
    }
    return most > SNAPSHOT_MAX;
}

static bool is_direct(const json_t *object)
{
    const char *driver = rand_str(object, "driver");
    return driver && strncmp(driver, "null-", strlen("null-")) != 0 &&
           json_is_true(json_object_get(json_object_get(object, "cache"), "direct"));
}

static bool direct_io(const struct rand_gen *g, const struct rand_cmd *c)
{
    (void)g;
    return any_object(c->args, is_direct, 0);
}

static bool has_bottom(const json_t *object)
{
    return is_driver(object, "copy-on-read") && json_object_get(object, "bottom");
}

/* The chain is not followed here: the bottom must be the child itself. */
static bool has_other_bottom(const json_t *object)
{
    const char *bottom = rand_str(object, "bottom"), *file = rand_str(object, "file");
    return has_bottom(object) && (!bottom || !file || strcmp(bottom, file) != 0);
}

static bool bottom_elsewhere(const struct rand_gen *g, const struct rand_cmd *c)
{
    (void)g;
    return any_object(c->args, has_other_bottom, 0);
}

static bool mentions_force_share(const json_t *object)
{
    return json_object_get(object, "force-share");
}

/* An option that is inherited, cannot change, and so contends with any other that cannot. */
static bool reopen_with_force_share(const struct rand_gen *g, const struct rand_cmd *c)
{
    bool there = any_object(c->args, mentions_force_share, 0);
    for (size_t i = 0; i < g->nodes_len; i++) {
        there = there || any_object(g->nodes[i].options, mentions_force_share, 0);
    }
    return is_verb(c, "blockdev-reopen") && there;
}

static bool has_pr_manager(const json_t *object)
{
    return json_object_get(object, "pr-manager");
}

static bool pr_manager(const struct rand_gen *g, const struct rand_cmd *c)
{
    (void)g;
    return any_object(c->args, has_pr_manager, 0);
}

static bool is_unmapping_file(const json_t *object)
{
    const char *zeroes = rand_str(object, "detect-zeroes");
    return is_driver(object, "file") && zeroes && strcmp(zeroes, "unmap") == 0;
}

static bool unmapping_file(const struct rand_gen *g, const struct rand_cmd *c)
{
    (void)g;
    return any_object(c->args, is_unmapping_file, 0);
}

static bool remove_used_fd(const struct rand_gen *g, const struct rand_cmd *c)
{
    char *name = mem_printf("/dev/fdset/%" JSON_INTEGER_FORMAT,
                            json_integer_value(json_object_get(c->args, "fdset-id")));
    bool used = false;
    for (size_t i = 0; is_verb(c, "remove-fd") && i < g->nodes_len; i++) {
        const char *file = rand_str(g->nodes[i].options, "filename");
        used = used || (file && strcmp(file, name) == 0);
    }
    free(name);
    return used;
}

/* One cluster at a time: several are compressed by threads, and lie in the order in which these
 * end. */
static bool several_compressed(const struct rand_gen *g, const struct rand_cmd *c)
{
    enum { SMALLEST = 512 };
    const char *text = strbuf_str(&c->io);
    if (!is_verb(c, "io") || !strstr(text, " write ")) {
        return false;
    }
    char *name = mem_strndup(text, strcspn(text, " "));
    json_t *ref = json_string(name);
    bool compressed = rand_tree_has(g, ref, "compress", 0);
    json_decref(ref);
    free(name);
    uint64_t bytes = 0, offset = 0;
    char *words = mem_strdup(text), *last = strrchr(words, ' ');
    int ret = text_parse_u64(last + 1, &bytes);
    *last = '\0';
    ret = ret < 0 ? ret : text_parse_u64(strrchr(words, ' ') + 1, &offset);
    CHECK(ret == 0);
    free(words);
    return compressed && offset % SMALLEST + bytes > SMALLEST;
}

static bool image_over_blkverify(const struct rand_gen *g, const struct rand_cmd *c)
{
    return (is_verb(c, "blockdev-add") || is_verb(c, "blockdev-reopen")) && c->args &&
           rand_tree_has(g, c->args, "blkverify", 0) && rand_tree_has(g, c->args, "qcow2", 0);
}

static bool snapshot_below_force_share(const struct rand_gen *g, const struct rand_cmd *c)
{
    bool snapshot = strncmp(c->verb, "blockdev-snapshot", strlen("blockdev-snapshot")) == 0 ||
                    is_verb(c, "transaction");
    for (size_t i = 0; snapshot && i < g->nodes_len; i++) {
        if (any_object(g->nodes[i].options, mentions_force_share, 0)) {
            return true;
        }
    }
    return false;
}

/* ---- block_resize ---- */

static bool resize_in_iothread(const struct rand_gen *g, const struct rand_cmd *c)
{
    return is_verb(c, "block_resize") && g->threaded.len > 0;
}

static bool resize_off_alignment(const struct rand_gen *g, const struct rand_cmd *c)
{
    enum { MAX_ALIGN = 2 << 20 };
    json_t *ref = is_verb(c, "block_resize") ? json_object_get(c->args, "node-name") : NULL;
    return json_is_string(ref) &&
           json_integer_value(json_object_get(c->args, "size")) % MAX_ALIGN != 0 &&
           (rand_tree_has(g, ref, "compress", 0) || rand_tree_has(g, ref, "blkdebug", 0) ||
            rand_node_users(g, json_string_value(ref)) > 0);
}

static bool resize_of_any_host(const struct rand_gen *g, const struct rand_cmd *c)
{
    const json_int_t most = (json_int_t)1 << 40;
    (void)g;
    return is_verb(c, "block_resize") &&
           json_integer_value(json_object_get(c->args, "size")) > most;
}

static bool has_rules(const json_t *object)
{
    return is_driver(object, "blkdebug") &&
           (json_object_get(object, "inject-error") || json_object_get(object, "set-state"));
}

/* Each rule is several options. */
static bool spoiled_rules(const struct rand_gen *g, const struct rand_cmd *c)
{
    bool there = any_object(c->args, has_rules, 0);
    for (size_t i = 0; i < g->nodes_len; i++) {
        there = there || any_object(g->nodes[i].options, has_rules, 0);
    }
    return is_verb(c, "blockdev-reopen") && c->spoiled && there;
}

static bool stop_with_iothreads(const struct rand_gen *g, const struct rand_cmd *c)
{
    return is_verb(c, "nbd-server-stop") && g->iothreads_made > 0 && g->exports.len > 1;
}

static bool threshold_below_others(const struct rand_gen *g, const struct rand_cmd *c)
{
    const char *node = rand_str(c->args, "node-name");
    return is_verb(c, "block-set-write-threshold") && node && rand_node_users(g, node) > 0;
}

static bool spoiled_device(const struct rand_gen *g, const struct rand_cmd *c)
{
    (void)g;
    return is_verb(c, "device_add") && c->spoiled;
}

static bool device_on_thread(const struct rand_gen *g, const struct rand_cmd *c)
{
    return (is_verb(c, "device_add") || is_verb(c, "blockdev-insert-medium")) && c->args &&
           names_threaded(g, c->args, 0);
}

static bool list_of_iothreads(const struct rand_gen *g, const struct rand_cmd *c)
{
    return is_verb(c, "query-iothreads") && g->iothreads_made > 1;
}

static bool del_of_busy_iothread(const struct rand_gen *g, const struct rand_cmd *c)
{
    const char *id = rand_str(c->args, "id");
    for (size_t i = 0; id && is_verb(c, "object-del") && i < g->iothreads.len; i++) {
        if (strcmp(g->iothreads.at[i], id) == 0) {
            return g->threaded.len > 0;
        }
    }
    return false;
}

static bool has_config(const json_t *object)
{
    return is_driver(object, "blkdebug") && json_object_get(object, "config");
}

static bool blkdebug_config(const struct rand_gen *g, const struct rand_cmd *c)
{
    (void)g;
    return any_object(c->args, has_config, 0);
}

static const struct rule rules[] = {
    { "several mistakes in one command",
      "With several unknown members the first one given is named", NULL },
    { "drivers, commands, objects and exports that are not here",
      "A driver that QEMU has and blksim has not", NULL },
    { "reopen of nothing", "`blockdev-reopen` with no node at all does nothing; QEMU dies of it",
      reopen_of_nothing },
    { "reopen of a node twice", "Of a node that is given twice in one `blockdev-reopen`", NULL },
    { "null nodes whose data is anything",
      "Without `read-zeroes` QEMU leaves the reader's buffer as it was", null_without_zeroes },
    { "null nodes of negative size", "A negative `size` ends the QEMU process",
      null_of_negative_size },
    { "data-file in full", "Of several options that cannot be changed, or left out",
      several_of_data_file },
    { "data behind blkverify", "QEMU prints the text to standard error and exits with status 1",
      data_that_is_compared },
    { "quorums that compare", "In blkverify mode QEMU prints the difference to standard error",
      quorum_that_compares },
    { "device_del of a drive that was plugged in empty",
      "a CD drive that was plugged in empty takes its medium along", del_of_empty_drive },
    { "device_add that fails of an empty drive",
      "a CD drive that was plugged in empty takes its medium along", add_of_bad_empty_drive },
    { "zeroing in an iothread", "`io NODE write -z` works on a node of an iothread",
      zeroes_in_iothread },
    { "resizing images of small clusters", "A write that takes freed clusters flushes first",
      resize_of_small_clusters },
    { "virtio disks with an iothread",
      "A virtio disk with an iothread takes its node there", NULL },
    { "requests of no bytes", "A request of no bytes never reaches the node", NULL },
    { "direct I/O", "requests are aligned to the disk's sector", direct_io },
    { "a bottom that is not in the chain", "A `bottom` that does not lie below the filter",
      bottom_elsewhere },
    { "pr-manager", "After a `pr-manager` that is not there", pr_manager },
    { "files that unmap the zeroes they find", "A file with `detect-zeroes=unmap` gets longer",
      unmapping_file },
    { "remove-fd of what is open", "What remove-fd takes out goes at once", remove_used_fd },
    { "several clusters that are compressed", "Clusters of one compressed write lie in their order",
      several_compressed },
    { "images over blkverify", "QEMU prints the text to standard error and exits with status 1",
      image_over_blkverify },
    { "snapshots below force-share", "What an edge shares because of `force-share`",
      snapshot_below_force_share },
    { "mistakes beside a drive that may not be there",
      "Of several properties of a device that are wrong", spoiled_device },
    { "images within images", "Making an image shorter leaves the refcount table as it is",
      image_in_image },
    { "snapshots below compress", "Limits follow at once when a node gets another child",
      snapshot_below_compress },
    { "resizing in an iothread", "`block_resize` that fails on a node of an iothread",
      resize_in_iothread },
    { "lengths off the alignment", "What nobody uses any more is given back",
      resize_off_alignment },
    { "thresholds below other nodes", "Copies and data of one allocating write",
      threshold_below_others },
    { "lengths that not every host has", "How the host does I/O", resize_of_any_host },
    { "reopen with mistakes in rules", "Of several options that cannot be changed, or left out",
      spoiled_rules },
    { "the order in which exports go that ran in iothreads", "Exports have no transport",
      stop_with_iothreads },
    { "reopen beside force-share", "Of several options that cannot be changed, or left out",
      reopen_with_force_share },
    { "reopen of a node that goes",
      "A node that is reopened by the command that takes its last user",
      reopen_of_what_goes },
    { "options that only a parent lets a child leave out",
      "A child that is reopened beside the node that opened it", reopen_beside_parent },
    { "transactions on overlays that are used",
      "a transaction that is taken back leaves everything",
      overlay_in_use },
    { "children of another length", "The length of a new child is not looked at",
      child_of_other_length },
    { "reopen where ways meet", "A child may be led elsewhere where several ways meet",
      reopen_of_diamond },
    { "names that are too long", "An error text has at most 1023 bytes", long_name },
    { "edges across iothreads",
      "a new edge from a node of the main loop down to one of an iothread",
      join_across_iothreads },
    { "frontends on nodes of iothreads",
      "a new edge from a node of the main loop down to one of an iothread", device_on_thread },
    { "requests that frontends refuse", "`io` on a frontend is a request of the guest", NULL },
    { "order of iothreads",
      "Objects and their properties are listed in the order in which they were",
      list_of_iothreads },
    { "object-del of an iothread in use", "QEMU deletes it and dies of the node's next request",
      del_of_busy_iothread },
    { "rules files that are not there",
      "A wrong value of an option is told before the node's children",
      blkdebug_config },
    { "refused numbers of threads", "`thread-pool-min` and `-max` that are refused by `qom-set`",
      limit_of_group_overrun },
};

const char *random_excluded(size_t i, const char **reason)
{
    if (i >= ARRAY_LEN(rules)) {
        return NULL;
    }
    *reason = rules[i].reason;
    return rules[i].name;
}

bool rand_is_excluded(const struct rand_gen *g, const struct rand_cmd *c)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (rules[i].fits && rules[i].fits(g, c)) {
            return true;
        }
    }
    return false;
}
