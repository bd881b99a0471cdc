/* SPDX-License-Identifier: MIT */
/* Replies: what of each command's is comparable.
 *
 * A reply is normalised as every value is, and then looked at in the way that is listed here, with
 * the reason; where docs/deviations.md says that something is not here, on the part that both have.
 */
#include "scenarios/diff/compare_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { ERROR_BYTES = 1023 };

/* ---- views: each makes a new value of the "return" of a normalised reply of one side ---- */

/* The release under test need not be that of the model, and packages have names of their own. */
static json_t *view_version(struct compare_side *side, json_t *value)
{
    (void)side;
    json_t *view = json_deep_copy(value);
    json_object_del(view, "package");
    json_object_del(json_object_get(view, "qemu"), "micro");
    return view;
}

/* Lists in the order of a hash table, or of another program's start: by name. */
static json_t *view_by_name(struct compare_side *side, json_t *value)
{
    (void)side;
    json_t *view = json_object();
    for (size_t i = 0; i < json_array_size(value); i++) {
        json_t *entry = json_array_get(value, i);
        json_object_set(view, member_text(entry, "name"), entry);
    }
    return view;
}

/* Iothreads are children of an object: a hash table. */
static json_t *view_iothreads(struct compare_side *side, json_t *value)
{
    (void)side;
    json_t *view = json_object();
    for (size_t i = 0; i < json_array_size(value); i++) {
        json_t *entry = json_array_get(value, i);
        json_object_set(view, member_text(entry, "id"), entry);
    }
    return view;
}

/* The machine's memory is an object, too, and so is what the target plays the guest with. */
static json_t *view_qom_list(struct compare_side *side, json_t *value)
{
    json_t *view = view_by_name(side, value);
    json_object_del(view, "pc.ram");
    json_object_del(view, "blksim-qtest");
    return view;
}

/* The monitor's own connection is a character device. */
static json_t *view_yank(struct compare_side *side, json_t *value)
{
    (void)side;
    json_t *view = json_array();
    for (size_t i = 0; i < json_array_size(value); i++) {
        json_t *entry = json_array_get(value, i);
        if (strcmp(member_text(entry, "type"), "chardev") != 0) {
            json_array_append(view, entry);
        }
    }
    return view;
}

static json_t *view_graph(struct compare_side *side, json_t *value)
{
    (void)side;
    return compare_graph_view(value, false);
}

/* Descriptors have the lowest free numbers, and a real program has others open. */
static json_t *view_add_fd(struct compare_side *side, json_t *value)
{
    json_t *view = json_deep_copy(value);
    const json_t *fd = json_object_get(view, "fd");
    if (json_is_integer(fd)) {
        json_object_set_new(view, "fd",
                            json_integer(compare_fd_new(side, json_integer_value(fd))));
    }
    return view;
}

static json_t *view_fdsets(struct compare_side *side, json_t *value)
{
    json_t *view = json_deep_copy(value);
    for (size_t i = 0; i < json_array_size(view); i++) {
        json_t *fds = json_object_get(json_array_get(view, i), "fds");
        for (size_t k = 0; k < json_array_size(fds); k++) {
            json_t *fd = json_object_get(json_array_get(fds, k), "fd");
            json_integer_set(fd, compare_fd_number(side, json_integer_value(fd)));
        }
    }
    return view;
}

/* Times and what is made of them: that they are there stays, and of histograms the number of
 * requests. */
static bool is_time(const char *key)
{
    static const char *const ends[] = { "_time_ns", "_latency_ns", "_queue_depth" };
    size_t n = strlen(key);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        size_t end = strlen(ends[i]);
        if (n >= end && strcmp(key + n - end, ends[i]) == 0) {
            return true;
        }
    }
    return false;
}

static json_t *without_times(const json_t *value)
{
    json_t *view, *member;
    const char *key;
    if (json_is_array(value)) {
        view = json_array();
        for (size_t i = 0; i < json_array_size(value); i++) {
            json_array_append_new(view, without_times(json_array_get(value, i)));
        }
        return view;
    }
    if (!json_is_object(value)) {
        return json_incref((json_t *)value);
    }
    view = json_object();
    json_object_foreach((json_t *)value, key, member) {
        if (is_time(key) && json_is_number(member)) {
            json_object_set_new_nocheck(view, key, json_string("*"));
        } else if (strcmp(key, "bins") == 0 && json_is_array(member)) {
            json_int_t sum = 0;
            for (size_t i = 0; i < json_array_size(member); i++) {
                sum += json_integer_value(json_array_get(member, i));
            }
            json_object_set_new(view, key, json_integer(sum));
        } else {
            json_object_set_new_nocheck(view, key, without_times(member));
        }
    }
    return view;
}

static json_t *view_blockstats(struct compare_side *side, json_t *value)
{
    (void)side;
    return without_times(value);
}

static json_t *view_jobs(struct compare_side *side, json_t *value)
{
    return compare_job_list(side, value);
}

/* The human monitor gives hints and prints as io does. */
static json_t *view_output(struct compare_side *side, json_t *value)
{
    if (!json_is_string(value)) {
        return json_incref(value);
    }
    char *text = compare_side_output(side, json_string_value(value));
    json_t *view = json_string_nocheck(text);
    free(text);
    return view;
}

/* ---- what only QEMU has: each takes it out of theirs ---- */

/* blksim has a part of QEMU's commands and types. */
static void keep_names(const json_t *ours, json_t *theirs)
{
    size_t n;
    const char **keys = compare_sorted_keys(theirs, &n);
    for (size_t i = 0; i < n; i++) {
        if (!json_object_get(ours, keys[i])) {
            json_object_del(theirs, keys[i]);
        }
    }
    free(keys);
}

/* `backing` beside `parent` stands for at most six filters in a row. */
static void keep_backing(const json_t *ours, json_t *theirs)
{
    if (json_is_array(theirs)) {
        for (size_t i = 0; i < json_array_size(theirs); i++) {
            keep_backing(json_array_get(ours, i), json_array_get(theirs, i));
        }
    }
    for (const json_t *a = ours; json_is_object(theirs);) {
        if (json_object_get(theirs, "parent") && !json_object_get(a, "backing")) {
            json_object_del(theirs, "backing");
        }
        keep_backing(json_object_get(a, "backing"), json_object_get(theirs, "backing"));
        a = json_object_get(a, "parent");
        theirs = json_object_get(theirs, "parent");
    }
}

static const struct reply_rule {
    const char *command;
    json_t *(*view)(struct compare_side *side, json_t *value);
    void (*keep)(const json_t *ours, json_t *theirs); /* On views; NULL: everything. */
} rules[] = {
    { "add-fd", view_add_fd, NULL },
    { "human-monitor-command", view_output, NULL },
    { "qom-list", view_qom_list, NULL },
    { "qom-list-properties", view_by_name, NULL },
    { "qom-list-types", view_by_name, keep_names },
    { "query-block-jobs", view_jobs, NULL },
    { "query-blockstats", view_blockstats, keep_backing },
    { "query-commands", view_by_name, keep_names },
    { "query-fdsets", view_fdsets, NULL },
    { "query-iothreads", view_iothreads, NULL },
    { "query-jobs", view_jobs, NULL },
    { "query-version", view_version, NULL },
    { "query-yank", view_yank, NULL },
    { "x-debug-query-block-graph", view_graph, NULL },
};

/* QEMU's error texts are as long as the names in them; ours end somewhere. */
static void cut_error(json_t *ours, json_t *theirs)
{
    const char *a = member_text(json_object_get(ours, "error"), "desc");
    json_t *desc = json_object_get(json_object_get(theirs, "error"), "desc");
    if (strlen(a) >= ERROR_BYTES && desc && json_string_length(desc) > strlen(a)) {
        json_string_setn_nocheck(desc, json_string_value(desc), strlen(a));
    }
}

static json_t *with_return(const json_t *reply, json_t *value)
{
    json_t *view = json_copy((json_t *)reply);
    json_object_set_new(view, "return", value);
    return view;
}

void compare_reply_views(struct compare_side side[COMPARE_SIDES], const char *command,
                         const struct record_stmt *ours, const struct record_stmt *theirs,
                         json_t *view[COMPARE_SIDES])
{
    json_t *value[COMPARE_SIDES] = { NULL, NULL };
    const struct reply_rule *rule = NULL;
    json_t *raw[COMPARE_SIDES] = { ours->reply ? json_deep_copy(ours->reply) : NULL,
                                   theirs->reply ? json_deep_copy(theirs->reply) : NULL };
    cut_error(raw[OURS], raw[THEIRS]);
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        rule = strcmp(rules[i].command, command) == 0 ? &rules[i] : rule;
    }
    for (int w = OURS; w < COMPARE_SIDES; w++) {
        view[w] = compare_side_json(&side[w], raw[w]);
        json_t *ret = json_object_get(view[w], "return");
        value[w] = rule && ret ? rule->view(&side[w], ret) : NULL;
        json_decref(raw[w]);
    }
    if (rule && rule->keep && value[OURS] && value[THEIRS]) {
        rule->keep(value[OURS], value[THEIRS]);
    }
    for (int w = OURS; w < COMPARE_SIDES; w++) {
        if (value[w]) {
            json_t *whole = with_return(view[w], value[w]);
            json_decref(view[w]);
            view[w] = whole;
        }
    }
}
