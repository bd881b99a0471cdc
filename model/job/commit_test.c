/* SPDX-License-Identifier: MIT */
/* Commit jobs over images of 16 cells, whose driver counts what reaches it and fails on demand:
 * which cells are copied, what is said to headers, and what is left when an end does not succeed.
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/job/chain.h"
#include "model/job/filter.h"
#include "model/job/job.h"
#include "model/layer_state.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* ---- Images ---- */

enum { CELL = 64 << 10, CELLS = 16 };

struct cells {
    struct node *n;
    char value[CELLS + 1]; /* ' ': not allocated. */
    unsigned reads, writes, flushes;
    size_t longest;        /* Write, in bytes. */
    bool header_fails;
    char *header;          /* "NAME FORMAT", as it was written. */
};

static const struct schema_member options[] = {
    { "backing", &schema_blockdev_ref_or_null, MEMBER_OPTIONAL | MEMBER_MUTABLE, NULL, NULL },
    { "filename", &schema_str, MEMBER_OPTIONAL, NULL, NULL },
    { "cells", &schema_str, MEMBER_OPTIONAL, NULL, NULL },
    { 0 },
};

static const struct child_desc children[] = { { "backing", ROLE_COW, false }, { 0 } };

static int cells_open(struct node *n, const struct opts *opts, struct error *err)
{
    struct cells *s = node_state(n);
    struct child *c;
    const char *given = opts_str(opts, "cells");
    s->n = n;
    memset(s->value, ' ', CELLS);
    memcpy(s->value, given ? given : "", given ? strlen(given) : 0);
    return node_open_child(n, opts, children, &c, err);
}

static void cells_close(struct node *n)
{
    struct cells *s = node_state(n);
    free(s->header);
}

static int64_t cells_length(struct node *n)
{
    (void)n;
    return (int64_t)CELL * CELLS;
}

static void cells_limits(const struct node *n, struct io_limits *limits)
{
    (void)n;
    limits->request_alignment = CELL;
}

static int cells_read(struct node *n, struct io_req *req)
{
    struct cells *s = node_state(n);
    s->reads++;
    for (int64_t at = 0; at < req->bytes; at += CELL) {
        struct iobuf part = iobuf_slice(req->buf, (size_t)at, CELL);
        char value = s->value[(req->offset + at) / CELL];
        int ret = 0;
        part.symbolic = false;
        if (value == ' ') {
            ret = io_read_backing(n, req->offset + at, &part);
        } else {
            iobuf_set(&part, 0, fill_byte((uint8_t)value), CELL);
        }
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

static int cells_write(struct node *n, struct io_req *req)
{
    struct cells *s = node_state(n);
    s->writes++;
    s->longest = MAX(s->longest, (size_t)req->bytes);
    for (int64_t at = 0; at < req->bytes; at += CELL) {
        iobuf_copy_out(req->buf, (size_t)at, &s->value[(req->offset + at) / CELL], 1);
    }
    return 0;
}

static int cells_status(struct node *n, struct io_req *req, struct io_extent *out)
{
    const struct cells *s = node_state(n);
    int64_t first = req->offset / CELL, i = first + 1;
    bool have = s->value[first] != ' ';
    while (i * CELL < req->offset + req->bytes && (s->value[i] != ' ') == have) {
        i++;
    }
    *out = (struct io_extent){ .flags = have ? STATUS_DATA | STATUS_ALLOCATED : 0,
                               .bytes = (i - first) * CELL };
    return 0;
}

static int cells_set_backing(struct node *n, const char *file, const char *format,
                             struct error *err)
{
    struct cells *s = node_state(n);
    if (s->header_fails) {
        return error_set(err, -EIO, "The header cannot be written");
    }
    free(s->header);
    s->header = mem_printf("%s %s", file, format);
    node_set_backing_name(n, file, format);
    return 0;
}

static char *cells_filename(const struct node *n)
{
    const char *name = json_string_value(json_object_get(n->options, "filename"));
    return name ? mem_strdup(name) : NULL;
}

static int cells_reopen(struct node *n, const struct node_reopen *r, struct error *err)
{
    (void)n;
    (void)r;
    (void)err;
    return 0;
}

static const struct driver_io cells_io = {
    .read = cells_read, .write = cells_write, .block_status = cells_status
};
static const struct driver_graph cells_graph = { .reopen = cells_reopen };
static const struct driver_image cells_image = { .set_backing = cells_set_backing };

static const struct blk_driver cells = {
    .name = "cells",
    .help = "an image of 16 cells",
    .traits = DRV_FORMAT | DRV_BACKING,
    .state_size = sizeof(struct cells),
    .options = options,
    .children = children,
    .open = cells_open,
    .close = cells_close,
    .limits = cells_limits,
    .length = cells_length,
    .filename = cells_filename,
    .io = &cells_io,
    .graph = &cells_graph,
    .image = &cells_image,
};

static const struct blk_driver *const drivers[] = { &cells, NULL };

/* ---- The world ---- */

struct world {
    struct sim *sim;
    struct host *host;
    struct layer *layer;
    void (*story)(struct world *w);
    bool done;
};

static int setup(void **state)
{
    struct world *w = NEW(struct world);
    struct sim_config cfg = { .seed = 1 };
    struct disk_config disk = DISK_CONFIG_INIT;
    w->sim = sim_create(&cfg);
    w->host = host_sim_create(w->sim, &disk);
    w->layer = layer_create(w->sim, w->host, drivers);
    *state = w;
    return 0;
}

static void destroy_main(void *opaque)
{
    struct world *w = opaque;
    layer_destroy(w->layer);
}

static int teardown(void **state)
{
    struct world *w = *state;
    if (!w->done) {
        return 0; /* A failed assertion has left the coroutine's stack: nothing can be ended. */
    }
    co_create(w->sim, "end", 0, destroy_main, w);
    sim_settle(w->sim, 1000000);
    w->host->ops->destroy(w->host);
    sim_destroy(w->sim);
    free(w);
    return 0;
}

static void story_main(void *opaque)
{
    struct world *w = opaque;
    w->story(w);
    w->done = true;
}

static void tell(void **state, void (*story)(struct world *w))
{
    struct world *w = *state;
    w->story = story;
    co_create(w->sim, "story", 0, story_main, w);
    sim_run(w->sim, &w->done, 60 * NS_PER_S, 1000000);
    assert_true(w->done);
}

/* The error's text, or NULL; single quotes stand for double ones. */
static char *run(struct world *w, const char *json)
{
    char *text = mem_strdup(json);
    for (char *c = text; *c; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    json_t *reply = layer_qmp_text(w->layer, text, strlen(text));
    const char *desc =
        json_string_value(json_object_get(json_object_get(reply, "error"), "desc"));
    char *out = desc ? mem_strdup(desc) : NULL;
    json_decref(reply);
    free(text);
    return out;
}

static void ok(struct world *w, const char *json)
{
    char *error = run(w, json);
    if (error) {
        fail_msg("%s: %s", json, error);
    }
}

static void refused(struct world *w, const char *json, const char *wanted)
{
    char *error = run(w, json);
    assert_non_null(error);
    assert_string_equal(error, wanted);
    free(error);
}

static struct cells *image(struct world *w, const char *name)
{
    struct node *n = layer_find_node(w->layer, name);
    assert_non_null(n);
    return node_state(n);
}

static void make_chain(struct world *w)
{
    ok(w, "{'execute': 'blockdev-add', 'arguments': {'driver': 'cells', 'node-name': 'base',"
          " 'filename': 'base.img', 'cells': 'aaaaaaaaaaaa'}}");
    ok(w, "{'execute': 'blockdev-add', 'arguments': {'driver': 'cells', 'node-name': 'mid',"
          " 'filename': 'mid.img', 'cells': ' bb  bb  b', 'backing': 'base'}}");
    ok(w, "{'execute': 'blockdev-add', 'arguments': {'driver': 'cells', 'node-name': 'm2',"
          " 'filename': 'm2.img', 'cells': '  c          c', 'backing': 'mid'}}");
    ok(w, "{'execute': 'blockdev-add', 'arguments': {'driver': 'cells', 'node-name': 'top',"
          " 'filename': 'top.img', 'cells': 'd', 'backing': 'm2'}}");
}

/* [io] Until the job has ended, or waits for the user. */
static void wait_for_job(struct world *w)
{
    const struct job *j;
    while ((j = job_find(w->layer, "j")) != NULL && j->status != JOB_PENDING &&
           j->status != JOB_CONCLUDED) {
        co_sleep(w->sim, NS_PER_MS);
    }
}

/* ---- Stories ---- */

static void copies_what_is_above_base(struct world *w)
{
    make_chain(w);
    ok(w, "{'execute': 'block-commit', 'arguments': {'job-id': 'j', 'device': 'top',"
          " 'top-node': 'm2', 'auto-finalize': false}}");
    wait_for_job(w);
    struct cells *base = image(w, "base");
    assert_string_equal(base->value, "abcaabbaabaa c  ");
    assert_int_equal(base->writes, 5);
    assert_int_equal(base->longest, 2 * CELL);
    assert_true(node_backing(layer_find_node(w->layer, "m2"))->frozen);
    assert_true(node_backing(layer_find_node(w->layer, "mid"))->frozen);
    assert_false(node_backing(layer_find_node(w->layer, "top"))->frozen);
    assert_null(image(w, "top")->header);

    ok(w, "{'execute': 'job-finalize', 'arguments': {'id': 'j'}}");
    assert_ptr_equal(node_backing(layer_find_node(w->layer, "top"))->node,
                     layer_find_node(w->layer, "base"));
    assert_string_equal(image(w, "top")->header, "base.img cells");
    assert_false(node_backing(layer_find_node(w->layer, "m2"))->frozen);
    assert_null(job_first(w->layer));
    ok(w, "{'execute': 'blockdev-del', 'arguments': {'node-name': 'm2'}}");
}

static void a_header_that_fails(struct world *w)
{
    make_chain(w);
    image(w, "top")->header_fails = true;
    ok(w, "{'execute': 'block-commit', 'arguments': {'job-id': 'j', 'device': 'top',"
          " 'top-node': 'm2', 'filter-node-name': 'cf', 'auto-dismiss': false}}");
    wait_for_job(w);
    const struct job *j = job_find(w->layer, "j");
    assert_int_equal(j->status, JOB_CONCLUDED);
    assert_int_equal(j->ret, -EIO);
    assert_null(layer_find_node(w->layer, "cf"));
    struct node *top = layer_find_node(w->layer, "top");
    assert_ptr_equal(node_backing(top)->node, layer_find_node(w->layer, "m2"));
    assert_false(node_backing(layer_find_node(w->layer, "m2"))->frozen);
    ok(w, "{'execute': 'job-dismiss', 'arguments': {'id': 'j'}}");

    image(w, "top")->header_fails = false;
    ok(w, "{'execute': 'block-commit', 'arguments': {'job-id': 'j', 'device': 'top',"
          " 'top-node': 'm2', 'backing-file': 'as it says'}}");
    wait_for_job(w);
    assert_string_equal(image(w, "top")->header, "as it says cells");
}

static void the_end_of_the_layer(struct world *w)
{
    make_chain(w);
    ok(w, "{'execute': 'block-commit', 'arguments': {'job-id': 'j', 'device': 'top',"
          " 'top-node': 'm2', 'speed': 1}}");
    assert_int_equal(job_find(w->layer, "j")->status, JOB_RUNNING);
}

static void images_by_name(struct world *w)
{
    make_chain(w);
    struct node *top = layer_find_node(w->layer, "top"), *m2 = layer_find_node(w->layer, "m2");
    struct node *mid = layer_find_node(w->layer, "mid"), *base = layer_find_node(w->layer, "base");
    assert_ptr_equal(chain_overlay(top, base), mid);
    assert_ptr_equal(chain_overlay(top, NULL), base);
    assert_null(chain_overlay(mid, m2));

    /* No header says anything: the nodes' own names count, to the letter. */
    assert_ptr_equal(chain_find_image(top, "mid.img"), mid);
    assert_null(chain_find_image(top, "./mid.img"));
    assert_null(chain_find_image(top, "top.img"));
    assert_null(chain_find_image(base, "base.img"));
}

static void refused_before_anything(struct world *w)
{
    make_chain(w);
    refused(w, "{'execute': 'block-commit', 'arguments': {'job-id': 'j', 'device': 'top',"
               " 'top-node': 'm2', 'filter-node-name': 'mid'}}",
            "Duplicate nodes with node-name='mid'");
    assert_null(job_first(w->layer));
    assert_ptr_equal(node_backing(layer_find_node(w->layer, "top"))->node,
                     layer_find_node(w->layer, "m2"));
    assert_int_equal(image(w, "base")->writes, 0);
}

#define STORY(name)                                                                                \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        tell(state, name);                                                                         \
    }

STORY(copies_what_is_above_base)
STORY(a_header_that_fails)
STORY(the_end_of_the_layer)
STORY(images_by_name)
STORY(refused_before_anything)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_copies_what_is_above_base, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_header_that_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_end_of_the_layer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_images_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_before_anything, setup, teardown),
    };
    return cmocka_run_group_tests_name("model/job/commit", tests, NULL, NULL);
}
