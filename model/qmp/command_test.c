/* SPDX-License-Identifier: MIT */
/* Requests in, replies out, over three drivers that exist only here: a leaf, a filter, and a format
 * that keeps its bytes in a child.  Texts and shapes are those of QEMU 7.2, which was asked the
 * same of null-co, blkdebug and raw. */
#include "base/mem.h"
#include "model/layer_state.h"
#include "model/qmp/command.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- Drivers ---- */

struct state {
    int64_t size;
};

static int leaf_open(struct node *n, const struct opts *opts, struct error *err)
{
    struct state *s = node_state(n);

    s->size = opts_int(opts, "size");
    return s->size < 0 ? error_set(err, -EINVAL, "size is invalid") : 0;
}

static int64_t leaf_length(struct node *n)
{
    const struct state *s = node_state(n);

    return s->size;
}

static char *leaf_filename(const struct node *n)
{
    return mem_printf("leaf:%s", n->name);
}

static int64_t leaf_allocated(struct node *n)
{
    (void)n;
    return 4096;
}

static int leaf_info(const struct node *n, struct driver_info *info)
{
    (void)n;
    info->cluster_size = 65536;
    info->dirty = true;
    return 0;
}

static void leaf_stats(const struct node *n, json_t *out)
{
    (void)n;
    json_object_set_new(out, "reads", json_integer(3));
}

static int leaf_io(struct node *n, struct io_req *req)
{
    (void)req;
    co_sleep(n->sim, 1000);
    return 0;
}

static int below_open(struct node *n, const struct opts *opts, struct error *err)
{
    struct child *c;

    return node_open_child(n, opts, &n->drv->children[0], &c, err);
}

static const struct schema_member leaf_options[] = {
    { "size", &schema_int, MEMBER_OPTIONAL, "1000", "bytes" },
    { 0 },
};

static const struct schema_member leaf_stats_members[] = {
    { "reads", &schema_int, 0, NULL, NULL },
    { 0 },
};

static const struct schema_member below_options[] = {
    { "file", &schema_blockdev_ref, 0, NULL, "below" },
    { 0 },
};

static const struct child_desc filter_children[] = {
    { "file", ROLE_FILTERED | ROLE_PRIMARY, true },
    { 0 },
};

static const struct child_desc format_children[] = {
    { "file", ROLE_IMAGE, true },
    { 0 },
};

static const struct driver_io leaf_ops = { .read = leaf_io, .write = leaf_io };
static const struct driver_io plain_ops = { 0 };

static const struct blk_driver driver_leaf = {
    .name = "leaf",
    .traits = DRV_PROTOCOL,
    .state_size = sizeof(struct state),
    .options = leaf_options,
    .open = leaf_open,
    .length = leaf_length,
    .filename = leaf_filename,
    .allocated_size = leaf_allocated,
    .info = leaf_info,
    .stats_members = leaf_stats_members,
    .stats = leaf_stats,
    .io = &leaf_ops,
};

static const struct blk_driver driver_filter = {
    .name = "filter",
    .traits = DRV_FILTER,
    .options = below_options,
    .children = filter_children,
    .open = below_open,
    .io = &plain_ops,
};

static const struct blk_driver driver_format = {
    .name = "format",
    .traits = DRV_FORMAT,
    .options = below_options,
    .children = format_children,
    .open = below_open,
    .io = &plain_ops,
};

static const struct blk_driver *const drivers[] = { &driver_filter, &driver_format, &driver_leaf,
                                                    NULL };

/* ---- A world ---- */

struct world {
    struct sim *sim;
    struct host *host;
    struct layer *layer;
    const char *text; /* To read, or NULL: destroy the layer. */
    size_t n;
    json_t *reply;
    bool done;
};

static void world_main(void *opaque)
{
    struct world *w = opaque;

    if (w->text) {
        w->reply = layer_qmp_text(w->layer, w->text, w->n);
    } else {
        layer_destroy(w->layer);
    }
    w->done = true;
}

static void world_run(struct world *w)
{
    w->done = false;
    co_create(w->sim, "qmp", 0, world_main, w);
    assert_int_equal(sim_run(w->sim, &w->done, SIM_FOREVER, 1000000), SIM_DONE);
}

static int setup(void **state)
{
    struct sim_config cfg = { .seed = 1, .policy = CHOICE_FIFO, .keep_trace = true };
    struct disk_config disk = DISK_CONFIG_INIT;
    struct world *w = NEW(struct world);

    w->sim = sim_create(&cfg);
    w->host = host_sim_create(w->sim, &disk);
    w->layer = layer_create(w->sim, w->host, drivers);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    w->text = NULL;
    world_run(w);
    host_destroy(w->host);
    sim_destroy(w->sim);
    free(w);
    return 0;
}

/* The reply to a request in which ` stands for NUL.  Its strings are in single quotes. */
static json_t *ask(struct world *w, const char *request)
{
    char *text = mem_strdup(request);

    w->text = text;
    w->n = strlen(request);
    for (char *p = text; (p = strchr(p, '`')); p++) {
        *p = '\0';
    }
    world_run(w);
    free(text);
    assert_non_null(w->reply);
    return w->reply;
}

/* wanted: the reply as sorted compact JSON with ' for ". */
static void expect(struct world *w, const char *request, const char *wanted)
{
    json_t *reply = ask(w, request);
    char *text = json_dumps(reply, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENSURE_ASCII);

    for (char *p = text; (p = strchr(p, '"')); p++) {
        *p = '\'';
    }
    assert_string_equal(text, wanted);
    free(text);
    json_decref(reply);
}

static void expect_error(struct world *w, const char *request, const char *class,
                         const char *wanted)
{
    json_t *reply = ask(w, request), *err = json_object_get(reply, "error");

    assert_string_equal(json_string_value(json_object_get(err, "desc")), wanted);
    assert_string_equal(json_string_value(json_object_get(err, "class")), class);
    assert_int_equal(json_object_size(err), 2);
    json_decref(reply);
}

static void add(struct world *w, const char *options)
{
    char *request = mem_printf("{'execute':'blockdev-add','arguments':{%s}}", options);

    expect(w, request, "{'return':{}}");
    free(request);
}

static void fail_add(struct world *w, const char *options, const char *wanted)
{
    char *request = mem_printf("{'execute':'blockdev-add','arguments':{%s}}", options);

    expect_error(w, request, "GenericError", wanted);
    free(request);
}

/* The value at a path of "a.0.b" below "return"; borrowed from the reply. */
static const json_t *at(const json_t *reply, const char *path)
{
    const json_t *v = json_object_get(reply, "return");
    char *copy = mem_strdup(path), *rest = copy, *part;

    while (v && (part = strsep(&rest, "/"))) {
        v = json_is_array(v) ? json_array_get(v, (size_t)atoi(part)) : json_object_get(v, part);
    }
    free(copy);
    return v;
}

static void expect_at(const json_t *reply, const char *path, const char *wanted)
{
    const json_t *v = at(reply, path);
    char *text = v ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS)
                   : mem_strdup("none");

    assert_string_equal(text, wanted);
    free(text);
}

/* ---- Requests ---- */

static void test_request_members(void **state)
{
    struct world *w = *state;
    const char *g = "GenericError";

    expect_error(w, "[]", g, "QMP input must be a JSON object");
    expect_error(w, "'x'", g, "QMP input must be a JSON object");
    expect_error(w, "{}", g, "QMP input lacks member 'execute'");
    expect_error(w, "{'execute':1}", g, "QMP input member 'execute' must be a string");
    expect_error(w, "{'execute':null,'arguments':1}", g,
                 "QMP input member 'execute' must be a string");
    expect_error(w, "{'execute':'foo','arguments':[]}", g,
                 "QMP input member 'arguments' must be an object");
    expect_error(w, "{'execute':'foo','bar':1}", g, "QMP input member 'bar' is unexpected");
    expect_error(w, "{'execute':1,'bar':1}", g, "QMP input member 'bar' is unexpected");
    expect_error(w, "{'exec-oob':'query-version'}", g,
                 "QMP input member 'exec-oob' is unexpected");
    expect_error(w, "{'execute':'foo','arguments':{}}", "CommandNotFound",
                 "The command foo has not been found");
    expect_error(w, "{'execute':'Query-Version'}", "CommandNotFound",
                 "The command Query-Version has not been found");
    expect_error(w, "{'execute':'query-version','arguments':{'a':1}}", g,
                 "Parameter 'a' is unexpected");
    expect_error(w, "{'execute':'query-named-block-nodes','arguments':{'flat':1}}", g,
                 "Invalid parameter type for 'flat', expected: boolean");
}

static void test_bytes(void **state)
{
    struct world *w = *state;
    const char *g = "GenericError";

    expect_error(w, "{'execute':", g, "JSON parse error, premature EOI");
    expect_error(w, "", g, "Expecting a JSON value");
    expect_error(w, "{} {}", g, "Expecting at most one JSON value");
    expect_error(w, "{'execute':'a','execute':'b'}", g, "JSON parse error, duplicate key");
    /* The end of the line belongs to the token. */
    expect_error(w, "'abc", g, "JSON parse error, stray ''abc\n'");
    expect_error(w, "{'a`b'}", g, "JSON parse error, stray ''a'");
    expect_error(w, "\377", g, "JSON parse error, stray '\357\277\275'");
}

static void test_id(void **state)
{
    struct world *w = *state;

    expect(w, "{'execute':'qmp_capabilities','id':{'a':[1]}}", "{'id':{'a':[1]},'return':{}}");
    expect(w, "{'id':null,'x':1}",
           "{'error':{'class':'GenericError','desc':'QMP input member 'x' is unexpected'},"
           "'id':null}");
    expect(w, "{'id':'\\u00e9','execute':'no'}",
           "{'error':{'class':'CommandNotFound','desc':'The command no has not been found'},"
           "'id':'\\u00E9'}");
}

/* A text that is cut in the middle of a character is still UTF-8 in the reply. */
static void test_long_text(void **state)
{
    struct world *w = *state;
    struct strbuf request = { 0 };
    json_t *reply;

    strbuf_puts(&request, "{'execute':'");
    for (int i = 0; i < 1000; i++) {
        strbuf_puts(&request, "\342\202\254");
    }
    strbuf_puts(&request, "'}");
    reply = ask(w, request.text);
    assert_non_null(json_object_get(json_object_get(reply, "error"), "desc"));
    json_decref(reply);
    strbuf_free(&request);
}

static void test_negotiation(void **state)
{
    struct world *w = *state;

    expect(w, "{'execute':'qmp_capabilities','arguments':{'enable':['oob']}}", "{'return':{}}");
    expect_error(w, "{'execute':'qmp_capabilities'}", "CommandNotFound",
                 "Capabilities negotiation is already complete, command ignored");
    expect_error(w, "{'execute':'qmp_capabilities','arguments':{'enable':['x']}}", "GenericError",
                 "Parameter 'null' does not accept value 'x'");
    expect_error(w, "{'exec-oob':'query-version'}", "GenericError",
                 "The command query-version does not support OOB");
    expect_error(w, "{'exec-oob':'query-version','execute':'x'}", "GenericError",
                 "QMP input member 'execute' clashes with 'exec-oob'");
    expect_error(w, "{'exec-oob':3}", "GenericError",
                 "QMP input member 'exec-oob' must be a string");
}

static void test_trace(void **state)
{
    struct world *w = *state;
    struct strbuf text = { 0 };

    expect_error(w, "{'execute':'no','id':7}", "CommandNotFound",
                 "The command no has not been found");
    trace_print(&w->sim->trace, &text);
    assert_non_null(strstr(text.text, "{\"id\": 7, \"error\": {\"class\": \"CommandNotFound\", "
                                      "\"desc\": \"The command no has not been found\"}}"));
    strbuf_free(&text);
}

/* ---- Nodes ---- */

static void test_add(void **state)
{
    struct world *w = *state;

    fail_add(w, "", "Parameter 'driver' is missing");
    fail_add(w, "'driver':'leaf'", "'node-name' must be specified for the root node");
    fail_add(w, "'driver':'leaf','size':-4", "'node-name' must be specified for the root node");
    fail_add(w, "'driver':'leaf','node-name':'a','size':-4", "size is invalid");
    fail_add(w, "'driver':'leaf','node-name':'0a'", "Invalid node-name: '0a'");
    fail_add(w, "'driver':'vvfat','node-name':'a'", "Driver 'vvfat' is not available in blksim");
    fail_add(w, "'driver':'filter','node-name':'a','file':'b'",
             "Cannot find device='b' nor node-name='b'");
    add(w, "'driver':'leaf','node-name':'a'");
    fail_add(w, "'driver':'leaf','node-name':'a'", "Duplicate nodes with node-name='a'");
    fail_add(w, "'driver':'filter','node-name':'b','file':{'driver':'leaf','node-name':'a'}",
             "Duplicate nodes with node-name='a'");
    assert_ptr_equal(w->layer->nodes, w->layer->nodes_tail);
}

static void test_del(void **state)
{
    struct world *w = *state;
    const char *g = "GenericError";

    add(w, "'driver':'leaf','node-name':'a'");
    add(w, "'driver':'filter','node-name':'b','file':'a'");
    add(w, "'driver':'filter','node-name':'c','file':{'driver':'leaf','node-name':'d'}");
    expect_error(w, "{'execute':'blockdev-del'}", g, "Parameter 'node-name' is missing");
    expect_error(w, "{'execute':'blockdev-del','arguments':{'node-name':'zz'}}", g,
                 "Failed to find node with node-name='zz'");
    expect_error(w, "{'execute':'blockdev-del','arguments':{'node-name':'a'}}", g,
                 "Block device a is in use");
    expect_error(w, "{'execute':'blockdev-del','arguments':{'node-name':'d'}}", g,
                 "Node d is not owned by the monitor");
    expect(w, "{'execute':'blockdev-del','arguments':{'node-name':'b'}}", "{'return':{}}");
    expect(w, "{'execute':'blockdev-del','arguments':{'node-name':'a'}}", "{'return':{}}");
    expect(w, "{'execute':'blockdev-del','arguments':{'node-name':'c'}}", "{'return':{}}");
    assert_null(w->layer->nodes);
}

static struct backend *attach(struct world *w, const char *device, const char *node)
{
    struct backend *b = backend_create(w->layer, device, (struct perm_pair){ PERM_ALL, PERM_ALL });
    struct node *n = node ? layer_find_node(w->layer, node) : NULL;

    if (n) {
        assert_int_equal(backend_insert(b, n, NULL), 0);
    }
    return b;
}

static void test_del_with_backend(void **state)
{
    struct world *w = *state;

    add(w, "'driver':'leaf','node-name':'a'");
    attach(w, NULL, "a");
    expect_error(w, "{'execute':'blockdev-del','arguments':{'node-name':'a'}}", "GenericError",
                 "Node a is in use");
}

/* ---- Queries ---- */

static void test_named_nodes(void **state)
{
    struct world *w = *state;
    json_t *reply;

    add(w, "'driver':'leaf','node-name':'a','read-only':true,'cache':{'direct':true}");
    add(w, "'driver':'leaf','node-name':'b'");
    add(w, "'driver':'filter','node-name':'f','file':'b'");
    add(w, "'driver':'format','node-name':'m','file':'f','detect-zeroes':'on'");
    reply = ask(w, "{'execute':'query-named-block-nodes'}");
    /* The newest first. */
    expect_at(reply, "0/node-name", "\"m\"");
    expect_at(reply, "3/node-name", "\"a\"");
    expect_at(reply, "4", "none");
    /* A leaf; its length is shown in whole sectors. */
    expect_at(reply, "3",
              "{\"backing_file_depth\":0,\"bps\":0,\"bps_rd\":0,\"bps_wr\":0,\"cache\":{\"direct\":"
              "true,\"no-flush\":false,\"writeback\":true},\"detect_zeroes\":\"off\",\"drv\":"
              "\"leaf\",\"encrypted\":false,\"file\":\"leaf:a\",\"image\":{\"actual-size\":4096,"
              "\"cluster-size\":65536,\"dirty-flag\":true,\"filename\":\"leaf:a\",\"format\":"
              "\"leaf\",\"virtual-size\":1024},\"iops\":0,\"iops_rd\":0,\"iops_wr\":0,"
              "\"node-name\":\"a\",\"ro\":true,\"write_threshold\":0}");
    /* A filter describes what it filters, a format does not describe its file. */
    expect_at(reply, "1/backing_file_depth", "1");
    expect_at(reply, "1/image/backing-image/filename", "\"leaf:b\"");
    expect_at(reply, "1/image/actual-size", "4096");
    expect_at(reply, "1/image/dirty-flag", "true");
    expect_at(reply, "0/backing_file_depth", "0");
    expect_at(reply, "0/image/backing-image", "none");
    expect_at(reply, "0/image/actual-size", "4096");
    expect_at(reply, "0/detect_zeroes", "\"on\"");
    json_decref(reply);

    reply = ask(w, "{'execute':'query-named-block-nodes','arguments':{'flat':true}}");
    expect_at(reply, "1/backing_file_depth", "0");
    expect_at(reply, "1/image/backing-image", "none");
    json_decref(reply);
}

static void test_block(void **state)
{
    struct world *w = *state;
    json_t *reply;

    expect(w, "{'execute':'query-block'}", "{'return':[]}");
    add(w, "'driver':'leaf','node-name':'a'");
    attach(w, NULL, "a");
    backend_set_writeback(attach(w, "d0", "a"), false);
    attach(w, "d1", NULL);
    reply = ask(w, "{'execute':'query-block'}");
    expect_at(reply, "0/device", "\"d0\"");
    expect_at(reply, "0/inserted/node-name", "\"a\"");
    expect_at(reply, "0/inserted/cache/writeback", "false");
    expect_at(reply, "1", "{\"device\":\"d1\",\"locked\":false,\"removable\":true,\"type\":"
                          "\"unknown\"}");
    expect_at(reply, "2", "none");
    json_decref(reply);
}

struct io_work {
    struct backend *b;
    bool done;
};

static void io_main(void *opaque)
{
    struct io_work *work = opaque;
    struct iobuf out = iobuf_fill(fill_byte(1), 512);
    char bytes[512];
    struct iovec iov;
    struct iobuf in = iobuf_mem(&iov, bytes, sizeof(bytes));

    assert_int_equal(backend_write(work->b, 256, &out, 0), 0);
    assert_int_equal(backend_read(work->b, 0, &in, 0), 0);
    assert_int_equal(backend_read(work->b, 4096, &in, 0), -EIO);
    work->done = true;
}

static void test_stats(void **state)
{
    struct world *w = *state;
    struct io_work work = { 0 };
    json_t *reply;

    add(w, "'driver':'leaf','node-name':'a'");
    add(w, "'driver':'filter','node-name':'f','file':'a'");
    work.b = attach(w, "d0", "f");
    attach(w, "d1", NULL);
    reply = ask(w, "{'execute':'query-blockstats'}");
    expect_at(reply, "0/stats/idle_time_ns", "none");
    json_decref(reply);

    co_create(w->sim, "io", 0, io_main, &work);
    assert_int_equal(sim_run(w->sim, &work.done, SIM_FOREVER, 1000), SIM_DONE);
    sim_run(w->sim, NULL, sim_now_ns(w->sim) + 500, 0);
    reply = ask(w, "{'execute':'query-blockstats'}");
    expect_at(reply, "0/device", "\"d0\"");
    expect_at(reply, "0/node-name", "\"f\"");
    expect_at(reply, "0/stats",
              "{\"account_failed\":true,\"account_invalid\":true,\"failed_flush_operations\":0,"
              "\"failed_rd_operations\":0,\"failed_unmap_operations\":0,\"failed_wr_operations\":0,"
              "\"flush_operations\":0,\"flush_total_time_ns\":0,\"idle_time_ns\":500,"
              "\"invalid_flush_operations\":0,\"invalid_rd_operations\":1,"
              "\"invalid_unmap_operations\":0,\"invalid_wr_operations\":0,\"rd_bytes\":512,"
              "\"rd_merged\":0,\"rd_operations\":1,\"rd_total_time_ns\":1000,\"timed_stats\":[],"
              "\"unmap_bytes\":0,\"unmap_merged\":0,\"unmap_operations\":0,"
              "\"unmap_total_time_ns\":0,\"wr_bytes\":512,\"wr_highest_offset\":768,"
              "\"wr_merged\":0,\"wr_operations\":1,\"wr_total_time_ns\":1000}");
    expect_at(reply, "0/parent/node-name", "\"a\"");
    expect_at(reply, "0/parent/stats/account_failed", "false");
    expect_at(reply, "0/parent/stats/wr_highest_offset", "768");
    expect_at(reply, "0/parent/driver-specific", "{\"driver\":\"leaf\",\"reads\":3}");
    expect_at(reply, "0/backing/node-name", "\"a\"");
    expect_at(reply, "1/node-name", "none");
    expect_at(reply, "1/stats/rd_bytes", "0");
    json_decref(reply);

    reply = ask(w, "{'execute':'query-blockstats','arguments':{'query-nodes':true}}");
    expect_at(reply, "0/node-name", "\"a\"");
    expect_at(reply, "1/node-name", "\"f\"");
    expect_at(reply, "1/device", "none");
    expect_at(reply, "1/parent/node-name", "\"a\"");
    expect_at(reply, "1/backing", "none");
    expect_at(reply, "2", "none");
    json_decref(reply);
}

/* A pile of filters does not make the reply twice as large at each. */
static void test_stats_of_many_filters(void **state)
{
    struct world *w = *state;
    json_t *reply;
    char *text;

    add(w, "'driver':'leaf','node-name':'n0'");
    for (int i = 1; i <= 40; i++) {
        char *options = mem_printf("'driver':'filter','node-name':'n%d','file':'n%d'", i, i - 1);

        add(w, options);
        free(options);
    }
    attach(w, "d0", "n40");
    reply = ask(w, "{'execute':'query-blockstats'}");
    expect_at(reply, "0/parent/parent/backing/parent/node-name", "\"n36\"");
    text = json_dumps(reply, 0);
    assert_true(strlen(text) < 4 << 20);
    free(text);
    json_decref(reply);
}

static void test_monitor_queries(void **state)
{
    struct world *w = *state;
    json_t *reply;
    size_t n = 0;

    expect(w, "{'execute':'query-version'}",
           "{'return':{'package':'Debian 1:7.2+dfsg-7+deb12u18+b3',"
           "'qemu':{'major':7,'micro':22,'minor':2}}}");
    expect(w, "{'execute':'query-iothreads'}", "{'return':[]}");
    assert_int_equal(layer_add_iothread(w->layer, "io0", NULL), 0);
    expect(w, "{'execute':'query-iothreads'}",
           "{'return':[{'aio-max-batch':0,'id':'io0','poll-grow':0,'poll-max-ns':32768,"
           "'poll-shrink':0,'thread-id':1}]}");
    while (layer_command_name(n)) {
        n++;
    }
    reply = ask(w, "{'execute':'query-commands'}");
    assert_int_equal(json_array_size(json_object_get(reply, "return")), n);
    char *first = mem_printf("{\"name\":\"%s\"}", qmp_commands[0]->name);
    expect_at(reply, "0", first);
    free(first);
    json_decref(reply);
}

static void test_command_args(void **state)
{
    struct world *w = *state;
    bool known = false;

    assert_ptr_equal(layer_command_args(w->layer, "blockdev-add", &known),
                     &schema_blockdev_options);
    assert_true(known);
    assert_null(layer_command_args(w->layer, "query-block", &known));
    assert_true(known);
    assert_null(layer_command_args(w->layer, "nope", &known));
    assert_false(known);
}

/* ---- The schema, in its own terms ---- */

static const json_t *find_info(const json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *info = json_array_get(list, i);

        if (!strcmp(json_string_value(json_object_get(info, "name")), name)) {
            return info;
        }
    }
    return NULL;
}

/* Every type that one entry names is there. */
static void check_types_of(const json_t *list, const json_t *info)
{
    static const char *const keys[] = { "arg-type", "ret-type", "element-type" };
    static const char *const lists[] = { "members", "variants" };

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const char *name = json_string_value(json_object_get(info, keys[i]));

        assert_true(!name || find_info(list, name));
    }
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        size_t k;
        json_t *one;

        json_array_foreach(json_object_get(info, lists[i]), k, one) {
            const char *name = json_string_value(json_object_get(one, "type"));

            assert_true(!name || find_info(list, name));
        }
    }
}

static void test_schema(void **state)
{
    struct world *w = *state;
    json_t *reply = ask(w, "{'execute':'query-qmp-schema'}"), *again;
    json_t *list = json_object_get(reply, "return");
    const json_t *info;

    for (size_t i = 0; i < json_array_size(list); i++) {
        info = json_array_get(list, i);
        assert_ptr_equal(find_info(list, json_string_value(json_object_get(info, "name"))), info);
        check_types_of(list, info);
    }
    info = find_info(list, "blockdev-add");
    assert_string_equal(json_string_value(json_object_get(info, "arg-type")), "BlockdevOptions");
    assert_string_equal(json_string_value(json_object_get(info, "ret-type")), "q_empty");
    info = find_info(list, "BlockdevOptions");
    assert_string_equal(json_string_value(json_object_get(info, "tag")), "driver");
    assert_int_equal(json_array_size(json_object_get(info, "variants")), 3);
    assert_int_equal(json_array_size(json_object_get(info, "members")), 8);
    info = find_info(list, "BlockdevOptions.leaf");
    assert_non_null(json_object_get(json_array_get(json_object_get(info, "members"), 0),
                                    "default"));
    info = find_info(list, "BlockdevDriver");
    assert_string_equal(json_string_value(json_array_get(json_object_get(info, "values"), 2)),
                        "leaf");
    again = ask(w, "{'execute':'query-qmp-schema'}");
    assert_true(json_equal(reply, again));
    json_decref(again);
    json_decref(reply);
}

/* What commands return is what they say they return. */
static void test_returns(void **state)
{
    struct world *w = *state;

    assert_int_equal(layer_add_iothread(w->layer, "io0", NULL), 0);
    add(w, "'driver':'leaf','node-name':'a'");
    add(w, "'driver':'filter','node-name':'f','file':'a'");
    add(w, "'driver':'format','node-name':'m','file':{'driver':'leaf'}");
    attach(w, "d0", "f");
    attach(w, "d1", NULL);
    for (size_t i = 0; qmp_commands[i]; i++) {
        const struct qmp_command *cmd = qmp_commands[i];
        struct error err = ERROR_INIT;
        char *request;
        json_t *reply;

        assert_non_null(cmd->help);
        if (!cmd->returns) {
            continue;
        }
        request = mem_printf("{'execute':'%s'}", cmd->name);
        reply = ask(w, request);
        if (json_object_get(reply, "return")) { /* Others need arguments. */
            schema_check(drivers, cmd->returns, cmd->name, json_object_get(reply, "return"), &err);
        }
        assert_string_equal(err.text, "");
        free(request);
        json_decref(reply);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_request_members), TEST(test_bytes),
        TEST(test_id),              TEST(test_long_text),
        TEST(test_negotiation),     TEST(test_trace),
        TEST(test_add),             TEST(test_del),
        TEST(test_del_with_backend), TEST(test_named_nodes),
        TEST(test_block),           TEST(test_stats),
        TEST(test_stats_of_many_filters), TEST(test_monitor_queries),
        TEST(test_command_args),    TEST(test_schema),
        TEST(test_returns),
    };

    return cmocka_run_group_tests_name("model/qmp/command", tests, NULL, NULL);
}
