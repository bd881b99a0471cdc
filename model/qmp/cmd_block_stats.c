/* SPDX-License-Identifier: MIT */
/* query-blockstats: what was counted.
 *
 * A named block device has counters, shown with the nodes below its own: "parent" is the primary
 * child (the name is QEMU's), "backing" what a filter filters or the backing file.  With
 * query-nodes each node is shown by itself; nodes count nothing but the highest offset written.
 * (QEMU qapi/block-core.json: BlockStats, BlockDeviceStats, BlockStatsSpecific.)
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/layer_state.h"
#include "model/qmp/commands.h"

#include <stdlib.h>
#include <string.h>

/* ---- Types of the reply ---- */

static const struct schema_member timed_members[] = {
    { "interval_length", &schema_int, 0, NULL, NULL },
    { "min_rd_latency_ns", &schema_int, 0, NULL, NULL },
    { "max_rd_latency_ns", &schema_int, 0, NULL, NULL },
    { "avg_rd_latency_ns", &schema_int, 0, NULL, NULL },
    { "min_wr_latency_ns", &schema_int, 0, NULL, NULL },
    { "max_wr_latency_ns", &schema_int, 0, NULL, NULL },
    { "avg_wr_latency_ns", &schema_int, 0, NULL, NULL },
    { "min_flush_latency_ns", &schema_int, 0, NULL, NULL },
    { "max_flush_latency_ns", &schema_int, 0, NULL, NULL },
    { "avg_flush_latency_ns", &schema_int, 0, NULL, NULL },
    { "avg_rd_queue_depth", &schema_number, 0, NULL, NULL },
    { "avg_wr_queue_depth", &schema_number, 0, NULL, NULL },
    { 0 },
};

static const struct schema_type timed_type = {
    .name = "BlockDeviceTimedStats", .kind = SCHEMA_STRUCT, .members = timed_members
};

static const struct schema_type timed_list = {
    .name = "BlockDeviceTimedStatsList", .kind = SCHEMA_ARRAY, .element = &timed_type
};

static const struct schema_type u64_list = {
    .name = "uint64List", .kind = SCHEMA_ARRAY, .element = &schema_uint64
};

static const struct schema_member histogram_members[] = {
    { "boundaries", &u64_list, 0, NULL, NULL },
    { "bins", &u64_list, 0, NULL, NULL },
    { 0 },
};

static const struct schema_type histogram_type = {
    .name = "BlockLatencyHistogramInfo", .kind = SCHEMA_STRUCT, .members = histogram_members
};

static const struct schema_member stats_members[] = {
    { "rd_bytes", &schema_int, 0, NULL, NULL },
    { "wr_bytes", &schema_int, 0, NULL, NULL },
    { "unmap_bytes", &schema_int, 0, NULL, NULL },
    { "rd_operations", &schema_int, 0, NULL, NULL },
    { "wr_operations", &schema_int, 0, NULL, NULL },
    { "flush_operations", &schema_int, 0, NULL, NULL },
    { "unmap_operations", &schema_int, 0, NULL, NULL },
    { "rd_total_time_ns", &schema_int, 0, NULL, NULL },
    { "wr_total_time_ns", &schema_int, 0, NULL, NULL },
    { "flush_total_time_ns", &schema_int, 0, NULL, NULL },
    { "unmap_total_time_ns", &schema_int, 0, NULL, NULL },
    { "wr_highest_offset", &schema_int, 0, NULL, NULL },
    { "rd_merged", &schema_int, 0, NULL, NULL },
    { "wr_merged", &schema_int, 0, NULL, NULL },
    { "unmap_merged", &schema_int, 0, NULL, NULL },
    { "idle_time_ns", &schema_int, MEMBER_OPTIONAL, NULL, NULL },
    { "failed_rd_operations", &schema_int, 0, NULL, NULL },
    { "failed_wr_operations", &schema_int, 0, NULL, NULL },
    { "failed_flush_operations", &schema_int, 0, NULL, NULL },
    { "failed_unmap_operations", &schema_int, 0, NULL, NULL },
    { "invalid_rd_operations", &schema_int, 0, NULL, NULL },
    { "invalid_wr_operations", &schema_int, 0, NULL, NULL },
    { "invalid_flush_operations", &schema_int, 0, NULL, NULL },
    { "invalid_unmap_operations", &schema_int, 0, NULL, NULL },
    { "account_invalid", &schema_bool, 0, NULL, NULL },
    { "account_failed", &schema_bool, 0, NULL, NULL },
    { "timed_stats", &timed_list, 0, NULL, NULL },
    { "rd_latency_histogram", &histogram_type, MEMBER_OPTIONAL, NULL, NULL },
    { "wr_latency_histogram", &histogram_type, MEMBER_OPTIONAL, NULL, NULL },
    { "flush_latency_histogram", &histogram_type, MEMBER_OPTIONAL, NULL, NULL },
    { 0 },
};

static const struct schema_type stats_type = {
    .name = "BlockDeviceStats", .kind = SCHEMA_STRUCT, .members = stats_members
};

static const struct schema_member *specific_branch(const struct blk_driver *const *drivers,
                                                   const char *value)
{
    for (size_t i = 0; drivers[i]; i++) {
        if (!strcmp(drivers[i]->name, value)) {
            return drivers[i]->stats_members;
        }
    }
    return NULL;
}

static const char *driver_name_at(const struct blk_driver *const *drivers, size_t i)
{
    return drivers[i] ? drivers[i]->name : NULL;
}

static const struct schema_type driver_type = {
    .name = "BlockdevDriver", .kind = SCHEMA_ENUM, .value_at = driver_name_at
};

static const struct schema_member specific_members[] = {
    { "driver", &driver_type, 0, NULL, NULL },
    { 0 },
};

static const struct schema_type specific_type = {
    .name = "BlockStatsSpecific",
    .kind = SCHEMA_UNION,
    .members = specific_members,
    .discriminator = "driver",
    .branch = specific_branch,
};

static const struct schema_type block_stats_type;

static const struct schema_member block_stats[] = {
    { "device", &schema_str, MEMBER_OPTIONAL, NULL, NULL },
    { "qdev", &schema_str, MEMBER_OPTIONAL, NULL, NULL },
    { "node-name", &schema_str, MEMBER_OPTIONAL, NULL, NULL },
    { "stats", &stats_type, 0, NULL, NULL },
    { "driver-specific", &specific_type, MEMBER_OPTIONAL, NULL, NULL },
    { "parent", &block_stats_type, MEMBER_OPTIONAL, NULL, NULL },
    { "backing", &block_stats_type, MEMBER_OPTIONAL, NULL, NULL },
    { 0 },
};

static const struct schema_type block_stats_type = {
    .name = "BlockStats", .kind = SCHEMA_STRUCT, .members = block_stats
};

static const struct schema_type block_stats_list = {
    .name = "BlockStatsList", .kind = SCHEMA_ARRAY, .element = &block_stats_type
};

/* ---- Counters ---- */

static void set_counter(json_t *stats, const char *before, const char *op, const char *after,
                        uint64_t value)
{
    char *name = mem_printf("%s%s%s", before, op, after);

    json_object_set_new(stats, name, json_integer((json_int_t)MIN(value, (uint64_t)INT64_MAX)));
    free(name);
}

static const char *acct_op_name(enum acct_op op)
{
    static const char *const names[ACCT_OPS] = {
        [ACCT_READ] = "rd", [ACCT_WRITE] = "wr", [ACCT_FLUSH] = "flush", [ACCT_UNMAP] = "unmap"
    };

    CHECK(op < ACCT_OPS);
    return names[op];
}

/* Whole numbers of 64 bits without a sign: jansson has them with one. */
static json_t *describe_u64(uint64_t value)
{
    return value <= (uint64_t)INT64_MAX ? json_integer((json_int_t)value)
                                        : json_real((double)value);
}

static json_t *describe_list(const uint64_t *values, size_t len)
{
    json_t *list = json_array();

    for (size_t i = 0; i < len; i++) {
        json_array_append_new(list, describe_u64(values[i]));
    }
    return list;
}

static void set_histograms(json_t *stats, const struct acct *a)
{
    for (enum acct_op op = 0; op < ACCT_LATENCIES; op++) {
        const struct acct_histogram *h = &a->histogram[op];
        char *name = mem_printf("%s_latency_histogram", acct_op_name(op));

        if (h->bins) {
            json_object_set_new(stats, name,
                                json_pack("{s:o, s:o}", "boundaries",
                                          describe_list(h->boundaries, h->len), "bins",
                                          describe_list(h->bins, h->len + 1)));
        }
        free(name);
    }
}

/* How many requests were in flight on the average: their time by that of the window. */
static json_t *describe_depth(const struct acct_window *w, int64_t elapsed_ns)
{
    return json_real(elapsed_ns > 0 ? (double)w->sum / (double)elapsed_ns : 0.0);
}

static json_t *describe_interval(struct acct_interval *i, int64_t now_ns)
{
    json_t *out = json_pack("{s:I}", "interval_length", (json_int_t)i->seconds);

    for (enum acct_op op = 0; op < ACCT_LATENCIES; op++) {
        const char *name = acct_op_name(op);
        int64_t elapsed_ns;
        struct acct_window w = acct_average_get(&i->average[op], now_ns, &elapsed_ns);

        set_counter(out, "min_", name, "_latency_ns", w.min);
        set_counter(out, "max_", name, "_latency_ns", w.max);
        set_counter(out, "avg_", name, "_latency_ns", w.count ? w.sum / w.count : 0);
        if (op != ACCT_FLUSH) {
            char *depth = mem_printf("avg_%s_queue_depth", name);

            json_object_set_new(out, depth, describe_depth(&w, elapsed_ns));
            free(depth);
        }
    }
    return out;
}

static json_t *describe_intervals(const struct acct *a, int64_t now_ns)
{
    json_t *list = json_array();

    for (struct acct_interval *i = a->intervals; i; i = i->next) {
        json_array_append_new(list, describe_interval(i, now_ns));
    }
    return list;
}

/* a: NULL for a node, which counts nothing. */
static json_t *describe_counters(const struct acct *a, int64_t wr_highest, int64_t now_ns)
{
    static const struct acct none = { .last_ns = -1 };
    json_t *stats = json_object();

    a = a ? a : &none;
    for (enum acct_op op = 0; op < ACCT_OPS; op++) {
        const char *name = acct_op_name(op);

        set_counter(stats, "", name, "_operations", a->ops[op]);
        set_counter(stats, "", name, "_total_time_ns", (uint64_t)a->total_ns[op]);
        set_counter(stats, "failed_", name, "_operations", a->failed[op]);
        set_counter(stats, "invalid_", name, "_operations", a->invalid[op]);
        if (op != ACCT_FLUSH) {
            set_counter(stats, "", name, "_bytes", a->bytes[op]);
            set_counter(stats, "", name, "_merged", a->merged[op]);
        }
    }
    json_object_set_new(stats, "wr_highest_offset", json_integer(wr_highest));
    json_object_set_new(stats, "account_invalid", json_boolean(a->count_invalid));
    json_object_set_new(stats, "account_failed", json_boolean(a->count_failed));
    json_object_set_new(stats, "timed_stats", describe_intervals(a, now_ns));
    set_histograms(stats, a);
    if (a->last_ns >= 0) {
        CHECK(a->last_ns <= now_ns);
        json_object_set_new(stats, "idle_time_ns", json_integer(now_ns - a->last_ns));
    }
    return stats;
}

/* ---- Nodes ---- */

static const struct node *backing_of(const struct node *n)
{
    const struct child *c = n->drv->traits & DRV_FILTER ? node_filtered(n) : NULL;

    for (const struct child *k = n->children; !c && k; k = k->next) {
        if (k->roles & ROLE_COW) {
            c = k;
        }
    }
    return c ? c->node : NULL;
}

/* What "parent" shows: the primary child, or without one the only child that holds data. */
static const struct child *storage_of(const struct node *n)
{
    const struct child *c = node_primary(n);
    size_t len = 0;

    for (const struct child *k = c ? NULL : n->children; k; k = k->next) {
        if (k->roles & ROLE_DATA) {
            c = k;
            len++;
        }
    }
    return len <= 1 ? c : NULL;
}

/* n, or what stands below it when it is a filter that a job put there and nobody named. */
static const struct node *skip_implicit(const struct node *n)
{
    while (n && n->implicit && node_filtered(n)) {
        n = node_filtered(n)->node;
    }
    return n;
}

/* How often a filter is described twice, as "parent" and as "backing", on one way down. */
enum { TWINS_MAX = 6, TWINS_NONE = -1 };

/* BlockStats of a node with what lies below it.  twins: TWINS_NONE leaves out every "backing", and
 * is of nodes themselves: of devices implicit filters are left out.
 *
 * Below a filter, "parent" and "backing" are the same node, so a pile of filters doubles the reply
 * at each of them (it does in QEMU); from TWINS_MAX on only "parent" is shown. */
static json_t *describe_node(const struct node *n, const struct acct *a, int twins)
{
    n = twins == TWINS_NONE ? n : skip_implicit(n);
    const struct child *storage = storage_of(n);
    const struct node *backing = twins == TWINS_NONE ? NULL : backing_of(n);
    bool is_twin = backing && storage && storage->node == backing;
    json_t *out = json_pack("{s:s, s:o}", "node-name", n->name, "stats",
                            describe_counters(a, n->wr_highest, sim_now_ns(n->sim)));

    CHECK(out);
    if (n->drv->stats) {
        json_t *specific = json_pack("{s:s}", "driver", n->drv->name);

        n->drv->stats(n, specific);
        json_object_set_new(out, "driver-specific", specific);
    }
    if (is_twin) {
        backing = twins > 0 ? backing : NULL;
        twins = MAX(twins - 1, 0);
    }
    if (storage) {
        json_object_set_new(out, "parent", describe_node(storage->node, NULL, twins));
    }
    if (backing) {
        json_object_set_new(out, "backing", describe_node(backing, NULL, twins));
    }
    return out;
}

static json_t *describe_device(const struct layer *l, const struct backend *b)
{
    const struct node *n = backend_node(b);
    const struct acct *a = backend_acct(b);
    json_t *out = n ? describe_node(n, a, TWINS_MAX)
                    : json_pack("{s:o}", "stats", describe_counters(a, 0, sim_now_ns(l->sim)));

    CHECK(out);
    json_object_set_new(out, "device", json_string(backend_name(b)));
    if (*backend_client_id(b)) {
        json_object_set_new(out, "qdev", json_string(backend_client_id(b)));
    }
    return out;
}

static int query_blockstats(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    (void)err;
    *ret = json_array();
    if (json_is_true(json_object_get(args, "query-nodes"))) {
        for (const struct node *n = l->nodes; n; n = n->next) {
            if (node_is_usable(n)) {
                json_array_append_new(*ret, describe_node(n, NULL, TWINS_NONE));
            }
        }
        return 0;
    }
    for (const struct backend *b = l->backends; b; b = backend_next(b)) {
        struct device_view v;

        if (*backend_name(b) || device_view_of(b, &v)) {
            json_array_append_new(*ret, describe_device(l, b));
        }
    }
    return 0;
}

static const struct schema_member stats_args[] = {
    { "query-nodes", &schema_bool, MEMBER_OPTIONAL, "off", "each node instead of each device" },
    { 0 },
};

static const struct schema_type stats_args_type = {
    .name = "q_obj_query-blockstats-arg", .kind = SCHEMA_STRUCT, .members = stats_args
};

const struct qmp_command qmp_query_blockstats = {
    .name = "query-blockstats",
    .args = &stats_args_type,
    .returns = &block_stats_list,
    .help = "counters of block devices or nodes",
    .run = query_blockstats,
};
